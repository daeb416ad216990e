//! What can be written, as tables: `docs/SQL.md` is made from them, and a test
//! compiles every example.
//!
//! Functions, connectors, options and error codes have tables of their own, beside
//! the code that they steer.

/// A statement, or a part of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// What it is called.
    pub name: &'static str,
    /// How it is written; what may be left out stands in `[…]`.
    pub syntax: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// A text that compiles behind the tables of the page.
    pub example: &'static str,
}

/// An expression that is no function of the registry, or an aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Special {
    /// How it is written.
    pub syntax: &'static str,
    /// What it gives.
    pub doc: &'static str,
    /// An expression over constants, or for aggregates over the page's tables; empty
    /// if it has none.
    pub example: &'static str,
}

const fn form(
    name: &'static str,
    syntax: &'static str,
    doc: &'static str,
    example: &'static str,
) -> Form {
    Form { name, syntax, doc, example }
}

const fn special(syntax: &'static str, doc: &'static str, example: &'static str) -> Special {
    Special { syntax, doc, example }
}

/// The statements.
pub const STATEMENTS: &[Form] = &[
    form(
        "CREATE TABLE",
        "CREATE [TEMPORARY] TABLE [IF NOT EXISTS] name (\n  column type [NOT NULL],\n  column type METADATA [FROM 'key'] [VIRTUAL],\n  column AS expression,\n  WATERMARK FOR column AS expression,\n  PRIMARY KEY (column, …) NOT ENFORCED\n) WITH ('connector' = '…', 'option' = 'value', …)",
        "Declares a source or a sink. Columns are in the record, about the record (METADATA), or computed (AS). WATERMARK names the event time and how far it may lag behind.",
        "CREATE TABLE clicks (\n  id    BIGINT NOT NULL,\n  at    TIMESTAMP(3),\n  url   STRING,\n  host  AS SPLIT_INDEX(url, '/', 2),\n  place BIGINT METADATA FROM 'offset' VIRTUAL,\n  WATERMARK FOR at AS at - INTERVAL '5' SECOND,\n  PRIMARY KEY (id) NOT ENFORCED\n) WITH ('connector' = 'filesystem', 'path' = 'clicks', 'format' = 'json');",
    ),
    form(
        "CREATE VIEW",
        "CREATE [TEMPORARY] VIEW [IF NOT EXISTS] name [(column, …)] AS query",
        "Gives a query a name. A view that several statements read is computed once.",
        "CREATE VIEW dear AS SELECT auction, price FROM bids WHERE price > 100;",
    ),
    form(
        "INSERT INTO",
        "INSERT INTO table [(column, …)] { query | VALUES (value, …), … }",
        "Writes the rows of a query into a table, column by column in their order.",
        "INSERT INTO out2 SELECT auction, bidder FROM bids;",
    ),
    form(
        "EXECUTE STATEMENT SET",
        "EXECUTE STATEMENT SET BEGIN insert; … END",
        "Several INSERTs in one job. All INSERTs of a file are one job here, so this is only for files that also run on Flink.",
        "EXECUTE STATEMENT SET BEGIN\n  INSERT INTO out2 SELECT auction, bidder FROM bids;\n  INSERT INTO out2 SELECT id, name FROM plain;\nEND;",
    ),
    form(
        "SELECT",
        "query",
        "A query by itself prints its rows on the standard output.",
        "SELECT auction, price FROM bids WHERE price > 100;",
    ),
    form(
        "EXPLAIN",
        "EXPLAIN { query | insert }",
        "Prints the plan instead of running it.",
        "EXPLAIN SELECT auction FROM bids;",
    ),
    form(
        "DESCRIBE",
        "{ DESCRIBE | DESC } name",
        "Prints the columns of a table or view.",
        "DESCRIBE bids;",
    ),
    form("SHOW TABLES", "SHOW TABLES", "Lists the tables.", "SHOW TABLES;"),
    form("SHOW VIEWS", "SHOW VIEWS", "Lists the views.", "SHOW VIEWS;"),
    form("SHOW FUNCTIONS", "SHOW FUNCTIONS", "Lists the functions.", "SHOW FUNCTIONS;"),
    form(
        "SET",
        "SET 'key' = 'value'",
        "Changes a setting; those that can change a result stand before the first table.",
        "SET 'pipeline.name' = 'my job';",
    ),
    form(
        "RESET",
        "RESET ['key']",
        "Takes SET back, for one key or for all.",
        "RESET 'pipeline.name';",
    ),
];

/// Tables that the examples of [`ASSERTS`] read, and what fills them.
pub const ASSERT_TABLES: &str = "\
CREATE TABLE tops (hour_start TIMESTAMP(3), bidder STRING, top INT)
WITH ('connector' = 'filesystem', 'path' = 'tops', 'format' = 'json');
CREATE TABLE totals (hour_start TIMESTAMP(3), bids BIGINT)
WITH ('connector' = 'filesystem', 'path' = 'totals', 'format' = 'json');
INSERT INTO tops SELECT window_start, bidder, MAX(price)
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY window_start, window_end, bidder;
INSERT INTO totals SELECT window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR))
GROUP BY window_start, window_end;";

/// Asserts, and what a query can do only there; examples stand behind [`ASSERT_TABLES`].
pub const ASSERTS: &[Form] = &[
    form(
        "-- assert",
        "-- assert [name]: query\n-- more of the query\n-- …;",
        "The query goes on over the comment lines that follow, up to its `;` or the first line that is no comment. The name is one word of letters, digits and `_`; without one the assert is called after its line. It may stand anywhere in the file.",
        "-- assert: SELECT * FROM totals WHERE bids < 1;",
    ),
    form(
        "GROUP BY without a window",
        "GROUP BY key, …",
        "One row for each key; NULL is a key like others. HAVING or aggregates without GROUP BY make one group of all rows. FIRST_VALUE and LAST_VALUE are refused: a sink does not keep the order of events.",
        "-- assert one_row_an_hour:\n--   SELECT hour_start, bidder, COUNT(*) AS n FROM tops\n--   GROUP BY hour_start, bidder HAVING COUNT(*) > 1;",
    ),
    form(
        "JOIN",
        "FROM a { [INNER] JOIN b ON condition | LEFT [OUTER] JOIN b ON condition | CROSS JOIN b | , b }",
        "Pairs of rows; LEFT JOIN keeps rows of the left side without a partner, with NULLs. It is fast where something of one side must equal something of the other, and otherwise looks at every pair.",
        "-- assert no_top_without_total:\n--   SELECT tops.* FROM tops LEFT JOIN totals ON tops.hour_start = totals.hour_start\n--   WHERE totals.hour_start IS NULL;",
    ),
    form(
        "SELECT DISTINCT",
        "SELECT DISTINCT …",
        "Each row once.",
        "-- assert few_bidders:\n--   SELECT COUNT(*) AS n FROM (SELECT DISTINCT bidder FROM tops) AS b\n--   HAVING COUNT(*) > 1000;",
    ),
    form(
        "ORDER BY and LIMIT",
        "ORDER BY { expression | place } [ASC | DESC] [NULLS { FIRST | LAST }], … [LIMIT n] [OFFSET n]",
        "NULL is below every value, as in Flink. Equal rows are in the order of all their values, and so are rows without ORDER BY.",
        "-- assert price_in_range:\n--   SELECT bidder, top FROM tops WHERE top > 1000000 ORDER BY top DESC LIMIT 3;",
    ),
];

/// The parts of a query.
pub const CLAUSES: &[Form] = &[
    form(
        "SELECT",
        "SELECT { expression [AS name] | * | table.* }, …",
        "Computes columns.",
        "SELECT price * 2 AS twice, bids.* FROM bids;",
    ),
    form(
        "FROM",
        "FROM { table | view | (query) | TABLE(window) } [AS name]",
        "Where the rows come from: one table, view, sub-query or window.",
        "SELECT b.p FROM (SELECT price AS p FROM bids) AS b;",
    ),
    form(
        "OPTIONS",
        "table /*+ OPTIONS('key' = 'value', …) */",
        "Changes options of a table for one query.",
        "SELECT price FROM bids /*+ OPTIONS('scan.rate' = '100') */;",
    ),
    form(
        "WHERE",
        "WHERE condition",
        "Keeps the rows for which the condition is TRUE.",
        "SELECT price FROM bids WHERE price BETWEEN 10 AND 20;",
    ),
    form(
        "GROUP BY",
        "GROUP BY window_start, window_end[, key, …]",
        "One row for each window and key. It needs a window in FROM, or TUMBLE, HOP or SESSION among the keys.",
        "SELECT window_start, bidder, COUNT(*) AS n\nFROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR))\nGROUP BY window_start, window_end, bidder;",
    ),
    form(
        "GROUP BY TUMBLE",
        "GROUP BY TUMBLE(ts, size)[, key, …]",
        "The older spelling, also with HOP(ts, slide, size) and SESSION(ts, gap); TUMBLE_START(…), TUMBLE_END(…) and TUMBLE_ROWTIME(…) give the window's times.",
        "SELECT TUMBLE_START(ts, INTERVAL '1' HOUR) AS start, COUNT(*) AS n\nFROM bids GROUP BY TUMBLE(ts, INTERVAL '1' HOUR);",
    ),
    form(
        "HAVING",
        "HAVING condition",
        "Keeps the groups for which the condition is TRUE.",
        "SELECT window_end, MAX(price) AS top\nFROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR))\nGROUP BY window_start, window_end HAVING COUNT(*) > 10;",
    ),
    form(
        "UNION ALL",
        "query UNION ALL query",
        "The rows of both.",
        "SELECT price FROM bids UNION ALL SELECT id FROM plain;",
    ),
    form(
        "WITH",
        "WITH name [(column, …)] AS (query), … query",
        "Names for sub-queries.",
        "WITH dear AS (SELECT price FROM bids WHERE price > 100) SELECT price FROM dear;",
    ),
    form(
        "VALUES",
        "VALUES (value, …), …",
        "Rows of constants.",
        "SELECT t.x FROM (VALUES (1, 'a'), (2, 'b')) AS t (x, y);",
    ),
];

/// The window functions.
pub const WINDOWS: &[Form] = &[
    form(
        "TUMBLE",
        "TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), size[, offset]))",
        "Windows of one size, end to end.",
        "SELECT * FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND));",
    ),
    form(
        "HOP",
        "TABLE(HOP(TABLE t, DESCRIPTOR(ts), slide, size[, offset]))",
        "Windows of one size, one every slide; the size is a multiple of the slide, and a row is in size / slide windows.",
        "SELECT window_end, COUNT(*) AS n\nFROM TABLE(HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '5' MINUTE, INTERVAL '1' HOUR))\nGROUP BY window_start, window_end;",
    ),
    form(
        "CUMULATE",
        "TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), step, size[, offset]))",
        "Windows that begin together and grow by the step up to the size, a multiple of the step.",
        "SELECT window_end, COUNT(*) AS n\nFROM TABLE(CUMULATE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '1' DAY))\nGROUP BY window_start, window_end;",
    ),
    form(
        "SESSION",
        "TABLE(SESSION(TABLE t [PARTITION BY (key, …)], DESCRIPTOR(ts), gap))",
        "Rows of a key that are no further apart than the gap.",
        "SELECT window_start, bidder, COUNT(*) AS n\nFROM TABLE(SESSION(TABLE bids PARTITION BY bidder, DESCRIPTOR(ts), INTERVAL '8' HOUR))\nGROUP BY window_start, window_end, bidder;",
    ),
];

/// The aggregates, in the order of their names.
pub const AGGREGATES: &[Special] = &[
    special(
        "AVG(NUMERIC)",
        "The mean: of integers an integer, cut; DECIMAL(p, s) gives DECIMAL(38, max(6, s)).",
        "AVG(price)",
    ),
    special(
        "COUNT(*), COUNT(ANY), COUNT(DISTINCT ANY)",
        "How many rows, how many that are not NULL, how many different ones; BIGINT.",
        "COUNT(DISTINCT bidder)",
    ),
    special(
        "FIRST_VALUE(ANY)",
        "The value, not NULL, with the smallest event time.",
        "FIRST_VALUE(bidder)",
    ),
    special(
        "LAST_VALUE(ANY)",
        "The value, not NULL, with the largest event time.",
        "LAST_VALUE(bidder)",
    ),
    special("MAX(ANY)", "The largest value.", "MAX(price)"),
    special("MIN(ANY)", "The smallest value.", "MIN(price)"),
    special(
        "SUM(NUMERIC)",
        "The sum in the type of the values; DECIMAL(p, s) gives DECIMAL(38, s). Sums of FLOAT and DOUBLE are exact and rounded once.",
        "SUM(price) FILTER (WHERE price > 10)",
    ),
];

/// Expressions with a grammar or a way of evaluation of their own.
pub const EXPRESSIONS: &[Special] = &[
    special("x AND y", "Three-valued; y is not looked at where x is FALSE.", "TRUE AND NULL"),
    special("x OR y", "Three-valued; y is not looked at where x is TRUE.", "TRUE OR NULL"),
    special("x [NOT] BETWEEN y AND z", "x >= y AND x <= z.", "2 BETWEEN 1 AND 3"),
    special("x [NOT] IN (y, …)", "Whether x equals one of the values.", "2 IN (1, 2)"),
    special(
        "CASE WHEN condition THEN x … [ELSE y] END",
        "The value of the first condition that is TRUE; only that one is computed.",
        "CASE WHEN 1 > 2 THEN 'a' ELSE 'b' END",
    ),
    special(
        "CASE x WHEN y THEN z … [ELSE u] END",
        "The value of the first that equals x.",
        "CASE 2 WHEN 1 THEN 'one' WHEN 2 THEN 'two' END",
    ),
    special("COALESCE(x, …)", "The first value that is not NULL.", "COALESCE(NULL, 2)"),
    special("IFNULL(x, y)", "y where x is NULL.", "IFNULL(NULL, 2)"),
    special("NULLIF(x, y)", "NULL where both are equal, else x.", "NULLIF(1, 2)"),
    special("IF(condition, x, y)", "x where the condition is TRUE, else y.", "IF(1 > 2, 'a', 'b')"),
    special(
        "CAST(x AS type)",
        "The value as another type; a row in which it cannot be is a bad row. A number too large for a DECIMAL is NULL.",
        "CAST('12' AS INT)",
    ),
    special(
        "TRY_CAST(x AS type)",
        "The same with NULL in place of an error.",
        "TRY_CAST('x' AS INT)",
    ),
    special("row.field, array[1]", "A field of a ROW, an element of an ARRAY counted from 1.", ""),
    special(
        "CURRENT_WATERMARK(ts)",
        "The watermark of the row's own split before the row; NULL at first.",
        "",
    ),
    special(
        "NOW(), PROCTIME(), CURRENT_TIMESTAMP, LOCALTIMESTAMP, CURRENT_DATE, CURRENT_TIME, UNIX_TIMESTAMP()",
        "The time of the epoch, which a replay reads from the journal again.",
        "",
    ),
];

/// How texts are read.
pub const LEXICAL: &[&str] = &[
    "Statements end with `;`. Comments are `-- …` and `/* … */`.",
    "Names are case-sensitive and are not folded; backticks quote them: `` `my column` ``. Keywords and functions are not case-sensitive.",
    "Texts stand in single quotes, and a quote inside is doubled: `'it''s'`. Double quotes are an error.",
    "`X'01ff'` is a constant of bytes.",
    "`1` is INT, a larger number BIGINT, `1.5` DECIMAL(2, 1), `1.5e0` DOUBLE.",
    "`DATE '2024-02-29'`, `TIME '10:11:12'`, `TIMESTAMP '2024-02-29 10:11:12.123'` and `INTERVAL '5' MINUTE` are constants; the digits of the second make the precision.",
    "`!=` and `<>` are the same.",
];

/// The settings that mean something here, with what they take. Flink's settings that
/// cannot change a result are accepted and left alone.
#[must_use]
pub fn settings() -> Vec<(&'static str, &'static str)> {
    crate::settings::known_settings()
}
