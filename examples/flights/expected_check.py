#!/usr/bin/env python3
"""Compute the same results once more in SQL, with DuckDB, and compare.

    pip install duckdb
    python3 expected_check.py

Shares no code with expected.py. Lateness is computed here by window functions
over each file; the groups by GROUP BY over the rows that are not late. Values
are compared exactly, doubles included: sums of whole minutes are exact in
DuckDB too.
"""

from pathlib import Path

import duckdb

HERE = Path(__file__).parent
db = duckdb.connect()
db.execute("SET threads = 1; SET preserve_insertion_order = true;")

db.execute("""
    CREATE TABLE raw (split VARCHAR, n BIGINT, line VARCHAR);
""")
for path in sorted((HERE / "data").glob("*.jsonl")):
    # A whole line is one column: the delimiter never occurs in the data.
    db.execute(
        """INSERT INTO raw
           SELECT ?, row_number() OVER (), line
           FROM read_csv(?, header = false, delim = '\\x01', quote = '', escape = '',
                         columns = {'line': 'VARCHAR'})""",
        [path.name, str(path)])

db.execute("""
    CREATE TABLE flights AS
    SELECT split, n,
           (line->>'dep')::TIMESTAMP AS dep,
           line->>'carrier' AS carrier, line->>'plane' AS plane,
           line->>'origin' AS origin, line->>'dest' AS dest,
           (line->>'delay')::INT AS delay, (line->>'miles')::INT AS miles,
           coalesce(sum(strlen(line) + 1) OVER before, 0)::BIGINT AS "offset",
           max((line->>'dep')::TIMESTAMP - INTERVAL 6 HOUR) OVER before AS wm
    FROM raw
    WINDOW before AS (PARTITION BY split ORDER BY n
                      ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING);

    CREATE TABLE tumble AS
    SELECT *, w + INTERVAL 1 HOUR AS window_end,
           coalesce(w + INTERVAL 1 HOUR - INTERVAL 1 MILLISECOND <= wm, false) AS closed
    FROM (SELECT *, time_bucket(INTERVAL 1 HOUR, dep, TIMESTAMP '1970-01-01') AS w FROM flights);

    CREATE TABLE hop AS
    SELECT *, w + INTERVAL 3 HOUR AS window_end,
           coalesce(w + INTERVAL 3 HOUR - INTERVAL 1 MILLISECOND <= wm, false) AS closed
    FROM (SELECT f.*, time_bucket(INTERVAL 15 MINUTE, dep, TIMESTAMP '1970-01-01')
                      - to_minutes(15 * k) AS w
          FROM flights f, range(12) AS r(k));

    CREATE TABLE in_session AS
    SELECT *, sum(opens) OVER (PARTITION BY plane ORDER BY dep, split, n) AS session
    FROM (SELECT *, CASE WHEN dep - lag(dep) OVER (PARTITION BY plane ORDER BY dep, split, n)
                              <= INTERVAL 8 HOUR THEN 0 ELSE 1 END AS opens
          FROM flights WHERE wm IS NULL OR dep > wm);
""")

QUERIES = {
    "hourly": """
        SELECT w, window_end, carrier, count(*), sum(delay)::DOUBLE / count(*)
        FROM tumble WHERE NOT closed GROUP BY ALL
        ORDER BY window_end, carrier NULLS FIRST""",
    "rolling": """
        SELECT w, window_end, origin, count(*), sum(delay)::DOUBLE / count(*), max(delay)
        FROM hop WHERE NOT closed GROUP BY ALL
        ORDER BY window_end, origin NULLS FIRST""",
    "plane_days": """
        SELECT min(dep), max(dep) + INTERVAL 8 HOUR AS session_end, plane, count(*), sum(miles)::INT,
               first(origin ORDER BY dep, split, n)
        FROM in_session GROUP BY plane, session HAVING count(*) >= 2
        ORDER BY session_end, plane NULLS FIRST""",
    "late": """
        SELECT dep, carrier, plane, origin, dest, delay, miles, operator, missed, total, wm, split, "offset"
        FROM (SELECT * EXCLUDE (w, window_end, closed), 1 AS place, 'hourly' AS operator,
                     1 AS missed, 1 AS total
              FROM tumble WHERE closed
              UNION ALL BY NAME
              SELECT split, n, dep, carrier, plane, origin, dest, delay, miles, "offset", wm,
                     2 AS place, 'rolling' AS operator, 12 AS missed, 12 AS total
              FROM hop GROUP BY ALL HAVING bool_and(closed)
              UNION ALL BY NAME
              SELECT *, 3 AS place, 'plane_days' AS operator, 1 AS missed, 1 AS total
              FROM flights WHERE dep <= wm)
        ORDER BY split, n, place""",
}
COLUMNS = {
    "hourly": {"window_start": "TIMESTAMP", "window_end": "TIMESTAMP", "carrier": "VARCHAR",
               "departures": "BIGINT", "mean_delay": "DOUBLE"},
    "rolling": {"window_start": "TIMESTAMP", "window_end": "TIMESTAMP", "origin": "VARCHAR",
                "departures": "BIGINT", "mean_delay": "DOUBLE", "max_delay": "INTEGER"},
    "plane_days": {"session_start": "TIMESTAMP", "session_end": "TIMESTAMP", "plane": "VARCHAR",
                   "legs": "BIGINT", "miles": "INTEGER", "first_origin": "VARCHAR"},
    "late": {"dep": "TIMESTAMP", "carrier": "VARCHAR", "plane": "VARCHAR", "origin": "VARCHAR",
             "dest": "VARCHAR", "delay": "INTEGER", "miles": "INTEGER", "_operator": "VARCHAR",
             "_windows_missed": "INTEGER", "_windows_total": "INTEGER", "_watermark": "TIMESTAMP",
             "_split": "VARCHAR", "_offset": "BIGINT"},
}

for name, query in QUERIES.items():
    computed = db.execute(query).fetchall()
    stored = db.execute("SELECT * FROM read_json(?, format = 'newline_delimited', columns = ?)",
                        [str(HERE / "expected" / f"{name}.jsonl"), COLUMNS[name]]).fetchall()
    assert len(computed) == len(stored), (name, len(computed), len(stored))
    for i, (a, b) in enumerate(zip(computed, stored), 1):
        assert a == b, f"{name}.jsonl line {i}: DuckDB {a}, stored {b}"
    print(f"{name}: {len(stored)} rows equal")

partial, pairs = db.execute("""
    SELECT count(*), sum(missed)
    FROM (SELECT count(*) FILTER (WHERE closed) AS missed, count(*) AS total
          FROM hop GROUP BY split, n)
    WHERE missed > 0 AND missed < total""").fetchone()
print(f"rolling: {partial} rows late for some of their windows ({pairs} windows)")
