#!/usr/bin/env python3
"""Computes with DuckDB what the canonical jobs must give, from their SQL text.

    duckdb_rows.py            write expected/JOB/SINK.jsonl
    duckdb_rows.py --check    compare with what is there; exit 1 on a difference

scripts/duckdb-truth runs it with the version of DuckDB that it is pinned to.

The statements are DuckDB's own to plan and to compute: joins of rows and windows, grouping,
aggregates, conditions, casts. Only what DuckDB does not have is translated:

- A source's records are rows with their split, their offset and the watermark of their
  split before them: the largest value of the declared expression over the records that
  stand before them (T-1).
- TUMBLE, HOP and CUMULATE give each row once for each of its windows that is open: window
  end - 1 ms > watermark (T-2). SESSION gives a row if its time > watermark; sessions are
  found with window functions, and rows exactly one gap apart are together (T-1).
- `table$late` holds a row for each windowed statement for which all windows are closed (T-4).
- Types have other names, AVG of integers is an integer, a DECIMAL keeps its digits.

Lines are sorted by their text: no order of rows is promised by DuckDB.
"""

import datetime
import decimal
import json
import re
import sys
from pathlib import Path

import duckdb

HERE = Path(__file__).parent
UNITS = {"SECOND": 1000, "MINUTE": 60_000, "HOUR": 3_600_000}


class Refused(Exception):
    """Something that is not translated."""


# Text ------------------------------------------------------------------------------------


def without_comments(text):
    return re.sub(r"--[^\n]*", "", text)


def matching(text, start):
    """The place of the parenthesis that closes the one at `start`."""
    depth, quoted = 0, False
    for place in range(start, len(text)):
        letter = text[place]
        if letter == "'":
            quoted = not quoted
        elif not quoted and letter == "(":
            depth += 1
        elif not quoted and letter == ")":
            depth -= 1
            if depth == 0:
                return place
    raise Refused(f"no end: {text[start:start + 40]}")


def split_top(text, separator):
    """Splits at a pattern, outside of parentheses and quotes."""
    parts, begin, place, depth, quoted = [], 0, 0, 0, False
    while place < len(text):
        letter = text[place]
        if letter == "'":
            quoted = not quoted
        elif not quoted:
            depth += (letter == "(") - (letter == ")")
            found = depth == 0 and re.compile(separator, re.I).match(text, place)
            if found:
                parts.append(text[begin:place])
                begin = place = found.end()
                continue
        place += 1
    return [part.strip() for part in parts + [text[begin:]]]


def milliseconds(text):
    found = re.fullmatch(r"INTERVAL\s+'([\d.]+)'\s+(SECOND|MINUTE|HOUR)S?", text.strip(), re.I)
    if not found:
        raise Refused(f"no interval: {text}")
    ms = decimal.Decimal(found[1]) * UNITS[found[2].upper()]
    if ms != int(ms):
        raise Refused(f"below a millisecond: {text}")
    return int(ms)


def plain(text):
    """An expression in DuckDB's words."""
    if re.search(r"/(?!\s*2\b)", text):
        raise Refused(f"division of what may be integers: {text}")
    text = re.sub(r"INTERVAL\s+'[\d.]+'\s+\w+", lambda it: f"to_milliseconds({milliseconds(it[0])})",
                  text)
    text = re.sub(r"\bSTRING\b", "VARCHAR", text)
    text = re.sub(r"TIMESTAMP\(3\)", "TIMESTAMP", text)
    return text.replace("`", '"')


# Jobs ------------------------------------------------------------------------------------


class Job:
    def __init__(self, path):
        text = path.read_text(encoding="utf-8")
        found = re.search(r"^-- records: (\w+)$", text, re.M)
        self.records = HERE / "records" / (found[1] if found else "orderly")
        self.db = duckdb.connect()
        self.db.execute("SET TimeZone = 'UTC'")
        self.tables, self.late = {}, []
        self.rows = {}
        self.statements = [
            re.sub(r"^(EXECUTE\s+STATEMENT\s+SET\s+BEGIN|END)\b", "", one, flags=re.I).strip()
            for one in split_top(without_comments(text), ";")
        ]

    def run(self):
        """Views and tables first; the late rows of all statements before any is read."""
        inserts = []
        for one in filter(None, self.statements):
            found = re.match(r"(CREATE TABLE|CREATE VIEW|INSERT INTO)\s+`?([\w$]+)`?\s*", one, re.I)
            if not found:
                raise Refused(one[:60])
            rest = one[found.end():]
            {"CREATE TABLE": self.table, "CREATE VIEW": self.view,
             "INSERT INTO": lambda name, rest: inserts.append((name, self.query(rest)))}[
                 found[1].upper()](found[2], rest)
        if self.late:
            name = next(name for name, table in self.tables.items() if table["is_source"])
            self.db.execute(f'CREATE VIEW "{name}$late" AS {" UNION ALL ".join(self.late)}')
        for name, query in inserts:
            self.rows.setdefault(name, []).extend(self.insert(name, query))
        return self.rows

    def table(self, name, rest):
        end = matching(rest, 0)
        columns, watermark = [], None
        for part in split_top(rest[1:end], ","):
            found = re.match(r"WATERMARK\s+FOR\s+(\w+)\s+AS\s+(.*)", part, re.I | re.S)
            if found:
                watermark = plain(found[2])
            else:
                column, ty = part.split(None, 1)
                columns.append((column.strip("`"), plain(ty)))
        self.tables[name] = {"columns": columns, "is_source": watermark is not None}
        if watermark is None:
            return
        self.db.execute(f"CREATE TABLE raw_{name} (_split VARCHAR, _offset BIGINT, line JSON)")
        for path in sorted(self.records.glob("*.jsonl")):
            offset = 0
            for raw in path.read_bytes().splitlines(keepends=True):
                line = raw.decode("utf-8").rstrip("\n")
                self.db.execute(f"INSERT INTO raw_{name} VALUES (?, ?, ?)",
                                [path.name, offset, line])
                offset += len(raw)
        cast = ", ".join(f"CAST(line->>'$.{column}' AS {ty}) AS {column}" for column, ty in columns)
        self.db.execute(
            f"CREATE TABLE {name} AS SELECT *, MAX({watermark}) OVER (PARTITION BY _split ORDER BY "
            "_offset ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS _wm "
            f"FROM (SELECT {cast}, _split, _offset FROM raw_{name})")

    def view(self, name, rest):
        body = re.match(r"AS\s+(.*)", rest, re.I | re.S)[1]
        parts = []
        for part in split_top(body, r"\bUNION\s+ALL\b"):
            # What a view hides goes along: the watermark before each row. Derived rows are
            # never late.
            hidden = "_wm"
            if re.search(r"\bGROUP\s+BY\b", part, re.I):
                hidden = "CAST(NULL AS TIMESTAMP) AS _wm"
            head, tail = split_top(part, r"\bFROM\b")
            parts.append(f"{head}, {hidden} FROM {tail}")
        self.db.execute(f"CREATE VIEW {name} AS {self.query(' UNION ALL '.join(parts))}")

    def query(self, text):
        """A query in DuckDB's words."""
        while True:
            found = re.search(r"\bTABLE\s*\(\s*(TUMBLE|HOP|CUMULATE|SESSION)\s*\(", text, re.I)
            if not found:
                break
            outer = text.index("(", found.start())
            inner = text.index("(", outer + 1)
            end = matching(text, outer)
            arguments = split_top(text[inner + 1:matching(text, inner)], ",")
            window = self.windows(found[1].upper(), arguments)
            text = text[:found.start()] + window + text[end + 1:]
        return self.averages(plain(text))

    def averages(self, text):
        """AVG of an integer is cut to one."""
        integers = {column for table in self.tables.values() for column, ty in table["columns"]
                    if ty.split()[0] in ("INT", "BIGINT")}

        def of(found):
            if found[1] not in integers:
                return found[0]
            return f"(CAST(SUM({found[1]}) AS HUGEINT) // COUNT({found[1]}))"

        return re.sub(r"\bAVG\((\w+)\)", of, text)

    def windows(self, kind, arguments):
        """The rows with their windows, as a query in parentheses."""
        source = re.fullmatch(r"TABLE\s+(\w+)(?:\s+PARTITION\s+BY\s+(.*))?", arguments[0],
                              re.I | re.S)
        time = re.fullmatch(r"DESCRIPTOR\((\w+)\)", arguments[1], re.I)[1]
        spans = [milliseconds(argument) for argument in arguments[2:]]
        if kind == "SESSION":
            return self.sessions(source[1], source[2], time, *spans)
        t = f"epoch_ms({time})"

        def floor(step):
            return f"({t} - {t} % {step})"

        if kind == "TUMBLE":
            (size,) = spans
            starts, ends = f"[{floor(size)}]", f"_start + {size}"
        elif kind == "HOP":
            slide, size = spans
            starts = f"range({floor(slide)} - {size} + {slide}, {floor(slide)} + 1, {slide})"
            ends = f"_start + {size}"
        else:
            step, size = spans
            # Here the ends are counted, and all windows begin where the largest does.
            starts = f"range({floor(step)} + {step}, {floor(size)} + {size} + 1, {step})"
            ends = "_start"
        start = floor(size) if kind == "CUMULATE" else "_start"
        all_of = (f"SELECT *, {start} AS _begin, {ends} AS _end FROM "
                  f"(SELECT *, unnest({starts}) AS _start FROM {source[1]})")
        is_open = "(_wm IS NULL OR _end - 1 > epoch_ms(_wm))"
        if self.tables.get(source[1], {}).get("is_source"):
            columns = ", ".join(column for column, _ in self.tables[source[1]]["columns"])
            self.late.append(
                f"SELECT {columns}, COUNT(*) AS _windows_missed, COUNT(*) AS _windows_total, "
                f"_wm AS _watermark, _split, _offset FROM ({all_of}) "
                f"GROUP BY {columns}, _wm, _split, _offset HAVING NOT bool_or{is_open}")
        return ("(SELECT * EXCLUDE (_start, _begin, _end), make_timestamp(_begin * 1000) AS "
                "window_start, make_timestamp(_end * 1000) AS window_end, "
                f"make_timestamp((_end - 1) * 1000) AS window_time FROM ({all_of}) "
                f"WHERE {is_open})")

    def sessions(self, source, keys, time, gap):
        by = f"PARTITION BY {keys}" if keys else ""
        and_keys = f"{keys}, " if keys else ""
        is_open = f"(_wm IS NULL OR {time} > _wm)"
        if self.tables.get(source, {}).get("is_source"):
            columns = ", ".join(column for column, _ in self.tables[source]["columns"])
            self.late.append(f"SELECT {columns}, 1 AS _windows_missed, 1 AS _windows_total, "
                             f"_wm AS _watermark, _split, _offset FROM {source} "
                             f"WHERE NOT {is_open}")
        begins = (f"SELECT *, COALESCE(epoch_ms({time}) - epoch_ms(LAG({time}) OVER ({by} ORDER BY "
                  f"{time})) > {gap}, TRUE) AS _begins FROM {source} WHERE {is_open}")
        # Rows of one time belong to one session, whichever of them comes first.
        numbered = (f"SELECT *, SUM(CAST(_begins AS INT)) OVER ({by} ORDER BY {time} RANGE BETWEEN "
                    f"UNBOUNDED PRECEDING AND CURRENT ROW) AS _number FROM ({begins})")
        whole = f"PARTITION BY {and_keys}_number"
        return (f"(SELECT * EXCLUDE (_begins, _number), MIN({time}) OVER ({whole}) AS window_start, "
                f"MAX({time}) OVER ({whole}) + to_milliseconds({gap}) AS window_end, "
                f"MAX({time}) OVER ({whole}) + to_milliseconds({gap - 1}) AS window_time "
                f"FROM ({numbered}))")

    def insert(self, name, query):
        columns = self.tables[name]["columns"]
        names = ", ".join(f'"{column}"' for column, _ in columns)
        casts = ", ".join(f'CAST("{column}" AS {ty})' for column, ty in columns)
        found = self.db.execute(f"SELECT {casts} FROM ({query}) AS t ({names})").fetchall()
        return [line([column for column, _ in columns], row) for row in found]


# Rows ------------------------------------------------------------------------------------


def line(columns, row):
    """A row as the format json writes it."""
    def text(value):
        if isinstance(value, datetime.datetime):
            fraction = f"{value.microsecond:06}".rstrip("0")
            return json.dumps(f"{value:%Y-%m-%d %H:%M:%S}" + (f".{fraction}" if fraction else ""))
        if isinstance(value, decimal.Decimal):
            return str(value)
        return json.dumps(value, ensure_ascii=False)

    return "{" + ",".join(f"{json.dumps(c)}:{text(v)}" for c, v in zip(columns, row)) + "}\n"


def main():
    different = []
    for path in sorted((HERE / "jobs").glob("*.sql")):
        for sink, lines in sorted(Job(path).run().items()):
            file = HERE / "expected" / path.stem / f"{sink}.jsonl"
            data = "".join(sorted(lines)).encode("utf-8")
            print(f"{path.stem}/{sink}: {len(lines)} rows")
            if "--check" in sys.argv[1:]:
                if not file.exists() or file.read_bytes() != data:
                    different.append(str(file.relative_to(HERE)))
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
    if different:
        sys.exit("different: " + ", ".join(different))


if __name__ == "__main__":
    main()
