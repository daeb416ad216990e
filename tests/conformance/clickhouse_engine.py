#!/usr/bin/env python3
"""Runs the transcripts of ClickHouse on the engine of ClickHouse itself (PyPI chdb-core).

    clickhouse_engine.py FOLDER [NAME…]    FOLDER: where the engine keeps its data

scripts/clickhouse-truth calls it. No test does: chdb-core is 180 MB. The engine runs in a
process of its own, so that `! kill` can be a SIGKILL. What cannot be done to an engine in
a process (a full disk, an insert that stops behind its second part) is said, and the
transcript is left out, or, for inserts that stop, made by inserting the first parts alone:
that is what is on the disk then.
"""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent / "transcripts" / "clickhouse"
COLUMNS = "_partition String, _key String, _epoch UInt64, _sequence UInt64, _deleted UInt8, _value String"
ONE_THREAD = "async_insert=0, max_insert_threads=1, max_threads=1, min_insert_block_size_bytes=0"


class Skipped(Exception):
    """The engine cannot be made to do it here."""


class ServerError(Exception):
    """What the engine says."""


# Phrases ---------------------------------------------------------------------------------


class Words:
    """`word key=value …`, with lists and quoted texts."""

    def __init__(self, text):
        self.tokens = re.findall(r'"(?:[^"\\]|\\.)*"|[\[\],=]|[^\s\[\],="]+', text)
        self.at = 0

    def peek(self, ahead=0):
        place = self.at + ahead
        return self.tokens[place] if place < len(self.tokens) else None

    def take(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def phrase(self):
        word, arguments = self.take(), {}
        while self.peek() not in (None, ",", "]"):
            key = self.take()
            if key == "..":
                arguments[".."] = True
                continue
            assert self.take() == "=", self.tokens
            arguments[key] = self.value()
        return word, arguments

    def value(self):
        if self.peek() != "[":
            token = self.take()
            return json.loads(token) if token.startswith('"') else token
        self.take()
        items = []
        while self.peek() != "]":
            single = self.peek(1) in (",", "]")
            items.append(self.value() if single else self.phrase())
            if self.peek() == ",":
                self.take()
        self.take()
        return items


def phrase(text):
    return Words(text).phrase()


# The engine ------------------------------------------------------------------------------

SERVER = """
import json, sys
from chdb.state import connect
db = connect(sys.argv[1])
for line in sys.stdin:
    sql, data = json.loads(line)
    try:
        if data is None:
            answer = [True, db.query(sql, "JSONCompactEachRow").bytes().decode()]
        else:
            insert = db.send_insert(sql, "JSONCompactEachRow")
            insert.append(data.encode())
            insert.finish()
            answer = [True, ""]
    except Exception as error:
        answer = [False, str(error)]
    print(json.dumps(answer), flush=True)
"""


class Engine:
    def __init__(self, folder):
        self.folder = folder
        self.start()

    def start(self):
        self.process = subprocess.Popen([sys.executable, "-c", SERVER, str(self.folder)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def ask(self, sql, data=None):
        self.process.stdin.write(json.dumps([sql, data]) + "\n")
        self.process.stdin.flush()
        is_good, text = json.loads(self.process.stdout.readline())
        if not is_good:
            raise ServerError(text)
        return [json.loads(line) for line in text.splitlines()]


def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Client:
    """Asks the engine what the phrases say, in the words of a sink."""

    def __init__(self, engine):
        self.engine, self.stop = engine, None

    def request(self, word, a):
        try:
            return getattr(self, word.replace("-", "_"))(a)
        except ServerError as error:
            # UNKNOWN_TABLE and BAD_ARGUMENTS: nothing was done.
            code = re.search(r"Code: (\d+)", str(error))
            refused = {"60": "unknown-table", "36": "other"}.get(code[1] if code else None)
            message = str(error)[:200]
            return (("refused" if refused else "failed"),
                    {"error": refused or "other", "message": message})

    def create(self, a):
        engine, order = {
            "merge-tree": ("MergeTree", "_key"),
            "replacing": ("ReplacingMergeTree(_version, _deleted)", "_key"),
            "replacing-equal": ("ReplacingMergeTree", "_key, _epoch, _sequence"),
        }[a["engine"]]
        settings = [f"non_replicated_deduplication_window={a['window']}"] if "window" in a else []
        if a["engine"] == "replacing":
            settings.append("allow_experimental_replacing_merge_with_cleanup=1")
        if "seconds" in a:
            raise Skipped("a window of time, of replicated tables only")
        tail = f" SETTINGS {', '.join(settings)}" if settings else ""
        version = "_version UInt128 MATERIALIZED bitShiftLeft(toUInt128(_epoch), 64) + _sequence"
        self.engine.ask(f"CREATE TABLE IF NOT EXISTS {a['table']} ({COLUMNS}, {version}) "
                        f"ENGINE = {engine} PARTITION BY _partition ORDER BY ({order}){tail}")
        return "done", {}

    def like(self, a):
        self.engine.ask(f"CREATE TABLE IF NOT EXISTS {a['table']} AS {a['like']}")
        return "done", {}

    def describe(self, a):
        found = self.engine.ask("SELECT engine, engine_full FROM system.tables WHERE "
                                f"database = currentDatabase() AND name = {quoted(a['table'])}")
        if not found:
            return "refused", {"error": "unknown-table"}
        (engine, full), = found
        window = re.search(r"non_replicated_deduplication_window = (\d+)", full)
        if engine == "ReplacingMergeTree":
            engine = "replacing" if "(_version" in full else "replacing-equal"
        name = "merge-tree" if engine == "MergeTree" else engine
        return "table", {"engine": name, "window": window[1] if window else "0"}

    def insert(self, a):
        rows = []
        for word, one in a["rows"]:
            partition, epoch = one.get("partition", ""), int(one.get("epoch", 1))
            if word == "rows":
                numbers = range(int(one["from"]), int(one["from"]) + int(one["count"]))
                rows.extend([partition, str(n), epoch, n, 0, str(n)] for n in numbers)
            else:
                rows.append([partition, one.get("key", ""), epoch, int(one.get("sequence", 0)),
                             int(one.get("deleted") == "true"), one.get("value", "")])
        block = int(a.get("block", 1 << 20))
        stop, self.stop = self.stop, None
        if stop is not None:
            rows = first_parts(rows, block, stop)
        by = a["by"]
        # Since 26.2 `insert_deduplicate` alone says nothing.
        how = {"off": "deduplicate_insert='disable'", "hash": "deduplicate_insert='enable'"}.get(by)
        how = how or (f"deduplicate_insert='enable', "
                      f"insert_deduplication_token={quoted(by[len('token:'):])}")
        data = "".join(json.dumps(row) + "\n" for row in rows)
        names = ", ".join(column.split()[0] for column in COLUMNS.split(", "))
        self.engine.ask(f"INSERT INTO {a['table']} ({names}) SETTINGS {ONE_THREAD}, {how}, "
                        f"max_insert_block_size={block}, min_insert_block_size_rows={block}", data)
        return ("done", {}) if stop is None else ("failed", {"error": "other"})

    def select(self, a):
        final = " FINAL" if a["final"] == "true" else ""
        rows = self.engine.ask(f"SELECT _value FROM {a['table']}{final} ORDER BY _partition, _key, "
                               "_epoch, _sequence, _value")
        return "rows", {"count": str(len(rows)), "values": [value for value, in rows]}

    def chunks(self, a):
        rows = self.engine.ask(
            "SELECT toString(_epoch), toString(bitShiftRight(_sequence, 32)) AS c, _partition, "
            "toString(uniqExact(_sequence)), toString(max(_sequence)) FROM "
            f"{a['table']} WHERE _epoch >= {a['from']} GROUP BY _epoch, c, _partition "
            "ORDER BY _epoch, toUInt64(c), _partition")
        names = ("epoch", "chunk", "partition", "rows", "last")
        return "chunks", {"list": [("chunk", dict(zip(names, row))) for row in rows]}

    def transfer(self, a, text):
        partition = quoted(a["partition"])
        self.engine.ask(text.format(partition=partition, source=a["from"], target=a["to"]))
        return "done", {}

    def move(self, a):
        return self.transfer(a, "ALTER TABLE {source} MOVE PARTITION {partition} TO TABLE {target}")

    def attach(self, a):
        return self.transfer(a, "ALTER TABLE {target} ATTACH PARTITION {partition} FROM {source}")

    def replace(self, a):
        return self.transfer(a, "ALTER TABLE {target} REPLACE PARTITION {partition} FROM {source}")

    def optimize(self, a):
        cleanup = " CLEANUP" if a["cleanup"] == "true" else ""
        self.engine.ask(f"OPTIMIZE TABLE {a['table']} FINAL{cleanup}")
        return "done", {}

    def truncate(self, a):
        self.engine.ask(f"TRUNCATE TABLE {a['table']}")
        return "done", {}

    def drop(self, a):
        self.engine.ask(f"DROP TABLE IF EXISTS {a['table']} SYNC")
        return "done", {}

    def tables(self, a):
        rows = self.engine.ask("SELECT name FROM system.tables WHERE database = currentDatabase() "
                               f"AND startsWith(name, {quoted(a['prefix'])}) ORDER BY name")
        return "tables", {"names": [name for name, in rows]}

    def notes(self):
        self.engine.ask("CREATE TABLE IF NOT EXISTS notes (name String, major UInt64, minor UInt32, "
                        "text String, version UInt128 MATERIALIZED "
                        "bitShiftLeft(toUInt128(major), 32) + minor) "
                        "ENGINE = ReplacingMergeTree(version) ORDER BY name")

    def write_note(self, a):
        self.notes()
        major, minor = a["version"].split(".")
        self.engine.ask("INSERT INTO notes (name, major, minor, text) SETTINGS async_insert=0, "
                        "insert_deduplicate=0",
                        json.dumps([a["name"], int(major), int(minor), a["text"]]))
        return "done", {}

    def read_note(self, a):
        self.notes()
        rows = self.engine.ask("SELECT toString(major), toString(minor), text FROM notes FINAL "
                               f"WHERE name = {quoted(a['name'])}")
        if not rows:
            return "no-note", {}
        (major, minor, text), = rows
        return "note", {"version": f"{major}.{minor}", "text": text}

    def act(self, word, a):
        if word == "kill":
            self.engine.kill()
            self.engine.start()
        elif word == "stop":
            self.stop = int(a["parts"])
        elif word == "alter":
            self.engine.ask(f"ALTER TABLE {a['table']} MODIFY SETTING "
                            f"non_replicated_deduplication_window={a['window']}")
        else:
            raise Skipped(f"! {word}")


def first_parts(rows, block, count):
    """The rows of the first parts: each block becomes one part for each of its partitions."""
    kept = []
    for begin in range(0, len(rows), block):
        block_rows = rows[begin:begin + block]
        for partition in dict.fromkeys(row[0] for row in block_rows):
            if count == 0:
                return kept
            kept.extend(row for row in block_rows if row[0] == partition)
            count -= 1
    return kept


# Transcripts -----------------------------------------------------------------------------


def steps(text):
    """(kind, words, expected answers, line)."""
    lines, found = text.splitlines(), []
    number = 0
    while number < len(lines):
        begin, line = number + 1, re.sub(r"(^|\s)#.*", "", lines[number]).rstrip()
        number += 1
        while line.count("[") > line.count("]"):
            line += " " + lines[number].strip()
            number += 1
        if line.startswith("->"):
            found[-1][2].append(line[2:].strip())
        elif line.startswith("! "):
            found.append(("act", line[2:], [], begin))
        elif line.startswith("sleep "):
            raise Skipped(line)
        elif line and not line.startswith("title:"):
            found.append(("ask", line.split(":", 1)[1].strip(), [], begin))
    return found


def fits(expected, word, answer):
    wanted, arguments = phrase(expected)
    same = all(value == "*" or answer.get(key) == value
               for key, value in arguments.items() if key != "..")
    return wanted == word and same and (".." in arguments or set(answer) <= set(arguments))


def run(path, folder):
    """None, or what differs."""
    todo = steps(path.read_text(encoding="utf-8"))
    engine = Engine(folder)
    client = Client(engine)
    try:
        for kind, text, expected, line in todo:
            word, arguments = phrase(text)
            if kind == "act":
                client.act(word, arguments)
                continue
            found = client.request(word, arguments)
            if expected and not any(fits(one, *found) for one in expected):
                return f"{path.name}:{line}: {text}\n  expected {expected}\n  found    {found}"
    finally:
        engine.kill()
    return None


def main():
    root, names = Path(sys.argv[1]), sys.argv[2:]
    same, differences, skipped = 0, [], []
    for path in sorted(HERE.glob("*.transcript")):
        if names and path.stem not in names:
            continue
        folder = root / path.stem
        if folder.exists():
            sys.exit(f"{folder} is there already")
        folder.mkdir(parents=True)
        try:
            difference = run(path, folder)
        except Skipped as why:
            skipped.append(f"{path.stem} ({why})")
            continue
        if difference:
            differences.append(difference)
        same += difference is None
        print(f"{'differs' if difference else 'same':8} {path.stem}", flush=True)
    print(f"{same} transcripts get the same answers, {len(differences)} do not, "
          f"{len(skipped)} cannot be run: {', '.join(skipped)}")
    if differences:
        sys.exit("\n".join(differences))


if __name__ == "__main__":
    main()
