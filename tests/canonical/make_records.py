#!/usr/bin/env python3
"""Writes the records of the canonical jobs: records/SET/SPLIT.jsonl.

    python3 make_records.py

orderly   out of order by less than the watermark's delay: no record is late
late      out of order by more than that, so that records come too late for some or all
          of their windows; the splits differ in how far they are
"""

from pathlib import Path

HERE = Path(__file__).parent


def line(split, n, ms):
    k = ['"a"', '"b"', '"ab"', "null", '"c"'][n * 7 % 5]
    v = "null" if n % 17 == 3 else str(n * 31 % 100)
    whole, hundredths = n * 13 % 400, (n * 29 + split) % 100
    return (
        f'{{"k":{k},"v":{v},"d":{n % 50}.125,"n":-{whole}.{hundredths:02},'
        f'"ts":"2024-05-01 10:00:{ms // 1000:02}.{ms % 1000:03}"}}\n'
    )


def write(name, split, lines):
    path = HERE / "records" / name / f"{split}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


for number, split in enumerate("ab"):
    times = ((n, n * 41 + (n * 97 + number * 13) % 190) for n in range(300))
    write("orderly", split, [line(number, n, ms) for n, ms in times])

for number, split in enumerate("abc"):
    # Steps forward of which every ninth falls back by up to 2.4 s, and a few times that
    # stand exactly at the border of a window or of what is late.
    times = []
    for n in range(240):
        ms = n * 47 + number * 700 + (n * 83 + number * 29) % 260
        if n % 9 == 4:
            ms = max(0, ms - (n * 61 + number * 17) % 2400)
        if n % 23 == 6:
            ms = ms // 1000 * 1000
        times.append(ms)
    write("late", split, [line(number, n, ms) for n, ms in enumerate(times)])
