#!/usr/bin/env bash
# Computes rows/*.tsv from cases/*.txt with Apache Flink. Needs Python 3.11 and Java 17.
#   run.sh VENV [NAME...]    VENV: folder for the Flink jars (made when missing);
#                            NAME: a file of cases/ without .txt (default: all)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
venv=${1:?usage: run.sh VENV [NAME...]}
shift
if [ ! -d "$venv" ]; then
  "${PYTHON:-python3.11}" -m venv "$venv"
  # The jars alone; the Python side of Flink is not needed.
  "$venv/bin/pip" install --quiet --no-deps 'apache-flink-libraries==2.3.0'
fi
lib=$(echo "$venv"/lib/python3*/site-packages/pyflink/lib)
classes=$(mktemp -d)
trap 'rm -rf "$classes"' EXIT
javac -nowarn -d "$classes" -cp "$lib/*" "$here"/*.java
java -Xmx2g -XX:ReservedCodeCacheSize=256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC \
  --add-opens=java.base/java.util=ALL-UNNAMED --add-opens=java.base/java.lang=ALL-UNNAMED \
  --add-opens=java.base/java.time=ALL-UNNAMED --add-opens=java.base/java.nio=ALL-UNNAMED \
  -Duser.timezone=UTC -Dfile.encoding=UTF-8 -Dstdout.encoding=UTF-8 \
  -Dlog4j.configurationFile="$here/log4j2.properties" \
  -cp "$classes:$lib/*" FlinkTruth "$here/cases" "$here/rows" "$@"
