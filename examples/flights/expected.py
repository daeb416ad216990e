#!/usr/bin/env python3
"""Compute what each sink of flights.sql must finally hold.

    python3 expected.py            write expected/*.jsonl
    python3 expected.py --check    compare with what is there; exit 1 on a difference

Plain Python, one row at a time, no streaming and nothing of the engine's code.
The rules (docs/SEMANTICS.md):

T-1  The watermark of a split is the largest `dep - 6 hours` among its records
     so far. Here each file is a split.
T-2  A record is judged by the watermark of its own split before the record.
     A window of TUMBLE or HOP is closed if end - 1 ms <= watermark; the record
     counts in the windows that are still open. For SESSION the record is late
     if dep <= watermark. Sessions: departures exactly one gap apart are
     together.
T-4  A record whose windows are all closed is one row of `flights$late` per
     operator; one that misses only some windows is counted as partial.
E-3  Rows of windows are ordered by (end of the window, key); late rows keep
     the order of their split.
E-5  FIRST_VALUE goes by (dep, split, offset).
E-6  A sum of DOUBLEs is exact and rounded once.

All files are bounded, so at the end every window fires.

Operators have the placeholder names "hourly", "rolling" and "plane_days" in
column `_operator`. In late.jsonl the order is (split, offset, operator in the
order of the statements).
"""

import json
import sys
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

HERE = Path(__file__).parent
EPOCH = datetime(1970, 1, 1)
MS = timedelta(milliseconds=1)

DELAY = timedelta(hours=6)
TUMBLE_SIZE = timedelta(hours=1)
HOP_SIZE = timedelta(hours=3)
HOP_SLIDE = timedelta(minutes=15)
SESSION_GAP = timedelta(hours=8)
MIN_LEGS = 2  # HAVING COUNT(*) >= 2


def sql_timestamp(t):
    """'2013-01-01 05:00:00', with a fraction only if there is one."""
    text = t.strftime("%Y-%m-%d %H:%M:%S")
    fraction = f"{t.microsecond:06}".rstrip("0")
    return f"{text}.{fraction}" if fraction else text


def line(**columns):
    """One JSON line, keys in the order of the arguments. Python prints a float
    as the shortest text that reads back the same, which is what is wanted."""
    values = {k: sql_timestamp(v) if isinstance(v, datetime) else v for k, v in columns.items()}
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False) + "\n"


def null_first(key):
    return (key is not None, (key or "").encode("utf-8"))


def read_split(path):
    """Yield (byte offset, record) in the order of the file."""
    offset = 0
    with path.open("rb") as file:
        for raw in file:
            record = json.loads(raw)
            record["dep"] = datetime.strptime(record["dep"], "%Y-%m-%d %H:%M:%S")
            yield offset, record
            offset += len(raw)


def windows_of(t, size, slide):
    """All windows [start, end) with t inside; they are aligned to 1970-01-01."""
    start = t - (t - EPOCH) % slide
    while start + size > t:
        yield start, start + size
        start -= slide


def mean(values):
    """AVG over DOUBLE: the exact sum, rounded once, divided by the count."""
    return float(sum(Fraction(float(v)) for v in values)) / float(len(values))


def compute():
    tumble = defaultdict(list)   # (end, start, carrier) -> delays
    hop = defaultdict(list)      # (end, start, origin) -> delays
    planes = defaultdict(list)   # plane -> [(dep, split, offset, origin, miles)]
    late = []
    count = Counter()

    for path in sorted((HERE / "data").glob("*.jsonl")):
        split = path.name
        watermark = None
        for offset, r in read_split(path):
            dep = r["dep"]
            count["rows", split] += 1

            def closed(end):
                return watermark is not None and end - MS <= watermark

            def refuse(operator, missed, total):
                count["late", operator] += 1
                late.append(line(
                    dep=dep, carrier=r["carrier"], plane=r["plane"], origin=r["origin"],
                    dest=r["dest"], delay=r["delay"], miles=r["miles"],
                    _operator=operator, _windows_missed=missed, _windows_total=total,
                    _watermark=watermark, _split=split, _offset=offset))

            windows = list(windows_of(dep, TUMBLE_SIZE, TUMBLE_SIZE))
            assert len(windows) == 1
            for start, end in windows:
                if closed(end):
                    refuse("hourly", 1, 1)
                else:
                    tumble[end, start, r["carrier"]].append(r["delay"])

            windows = list(windows_of(dep, HOP_SIZE, HOP_SLIDE))
            assert len(windows) == 12
            missed = 0
            for start, end in windows:
                if closed(end):
                    missed += 1
                else:
                    hop[end, start, r["origin"]].append(r["delay"])
            if missed == len(windows):
                refuse("rolling", missed, len(windows))
            elif missed > 0:
                count["partial", "rolling"] += 1
                count["missed by partial rows", "rolling"] += missed

            if watermark is not None and dep <= watermark:
                refuse("plane_days", 1, 1)
            else:
                planes[r["plane"]].append((dep, split, offset, r["origin"], r["miles"]))

            if watermark is None or dep - DELAY > watermark:
                watermark = dep - DELAY

    sessions = []
    for plane, legs in planes.items():
        legs.sort()
        current = [legs[0]]
        for leg in legs[1:]:
            if leg[0] - current[-1][0] <= SESSION_GAP:
                current.append(leg)
            else:
                sessions.append((plane, current))
                current = [leg]
        sessions.append((plane, current))
    count["sessions"] = len(sessions)
    kept = [(p, s) for p, s in sessions if len(s) >= MIN_LEGS]
    kept.sort(key=lambda ps: (ps[1][-1][0], null_first(ps[0])))
    count["sessions over several splits"] = sum(len({leg[1] for leg in s}) > 1 for _, s in kept)
    count["legs exactly one gap apart"] = sum(
        b[0] - a[0] == SESSION_GAP for _, s in sessions for a, b in zip(s, s[1:]))

    def by_end_and_key(groups):
        return sorted(groups.items(), key=lambda g: (g[0][0], null_first(g[0][2])))

    files = {
        "hourly": [
            line(window_start=start, window_end=end, carrier=carrier,
                 departures=len(delays), mean_delay=mean(delays))
            for (end, start, carrier), delays in by_end_and_key(tumble)],
        "rolling": [
            line(window_start=start, window_end=end, origin=origin,
                 departures=len(delays), mean_delay=mean(delays), max_delay=max(delays))
            for (end, start, origin), delays in by_end_and_key(hop)],
        "plane_days": [
            line(session_start=s[0][0], session_end=s[-1][0] + SESSION_GAP, plane=plane,
                 legs=len(s), miles=sum(leg[4] for leg in s), first_origin=s[0][3])
            for plane, s in kept],
        "late": late,
    }
    return files, count


def summary(files, count):
    splits = {k[1]: n for k, n in count.items() if k[0] == "rows"}
    print("rows in    " + ", ".join(f"{s} {n}" for s, n in splits.items())
          + f", total {sum(splits.values())}")
    print("rows out   " + ", ".join(f"{name} {len(lines)}" for name, lines in files.items()))
    print("late       " + ", ".join(f"{o} {count['late', o]}"
                                    for o in ("hourly", "rolling", "plane_days")))
    print(f"partial    rolling {count['partial', 'rolling']} "
          f"(together they miss {count['missed by partial rows', 'rolling']} windows)")
    print(f"sessions   {count['sessions']}, of which {len(files['plane_days'])} with at least "
          f"{MIN_LEGS} legs, {count['sessions over several splits']} of these over several splits; "
          f"{count['legs exactly one gap apart']} pairs of legs exactly one gap apart")


def main():
    files, count = compute()
    summary(files, count)
    folder = HERE / "expected"
    different = []
    for name, lines in files.items():
        path = folder / f"{name}.jsonl"
        data = "".join(lines).encode("utf-8")
        if "--check" in sys.argv[1:]:
            if not path.exists() or path.read_bytes() != data:
                different.append(path.name)
        else:
            folder.mkdir(exist_ok=True)
            path.write_bytes(data)
    if different:
        sys.exit("different: " + ", ".join(different))


if __name__ == "__main__":
    main()
