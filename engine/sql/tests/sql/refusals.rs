//! What is refused by name, and what the advice is: never planned as something else.

use crate::support::errors;
use expect_test::expect_file;
use std::fmt::Write;

/// One statement for each construct that is refused.
pub(crate) const REFUSED: &[&str] = &[
    "SELECT price FROM bids ORDER BY price",
    "SELECT price FROM bids LIMIT 10",
    "SELECT price FROM bids OFFSET 10 ROWS",
    "SELECT price FROM bids FETCH FIRST 3 ROWS ONLY",
    "SELECT DISTINCT bidder FROM bids",
    "SELECT COUNT(*) FROM bids",
    "SELECT bidder, COUNT(*) FROM bids GROUP BY bidder",
    "SELECT bidder FROM bids HAVING bidder = 'x'",
    "SELECT * FROM bids, plain",
    "SELECT * FROM bids JOIN plain ON bids.price = plain.id",
    "SELECT * FROM bids LEFT JOIN plain ON TRUE",
    "SELECT * FROM (bids CROSS JOIN plain)",
    "SELECT * FROM bids, LATERAL TABLE(f(price)) AS t (x)",
    "SELECT * FROM bids CROSS JOIN UNNEST(item.tags) AS t (tag)",
    "SELECT * FROM bids FOR SYSTEM_TIME AS OF ts",
    "SELECT * FROM bids MATCH_RECOGNIZE (PARTITION BY bidder ORDER BY ts MEASURES A.price AS p PATTERN (A) DEFINE A AS price > 1) AS m",
    "SELECT SUM(price) OVER (PARTITION BY bidder ORDER BY ts) FROM bids",
    "SELECT ROW_NUMBER() OVER (PARTITION BY bidder ORDER BY ts) FROM bids",
    "SELECT SUM(price) OVER w FROM bids WINDOW w AS (ORDER BY ts)",
    "SELECT * FROM bids QUALIFY price > 1",
    "SELECT price FROM bids UNION SELECT id FROM plain",
    "SELECT price FROM bids INTERSECT SELECT id FROM plain",
    "SELECT price FROM bids EXCEPT SELECT id FROM plain",
    "SELECT * FROM bids WHERE price IN (SELECT id FROM plain)",
    "SELECT * FROM bids WHERE EXISTS (SELECT 1 FROM plain)",
    "SELECT (SELECT MAX(id) FROM plain) FROM bids",
    "WITH RECURSIVE a AS (SELECT 1 AS x) SELECT x FROM a",
    "SELECT /*+ STATE_TTL('bids' = '1d') */ price FROM bids",
    "SELECT price FROM bids /*+ BROADCAST(plain) */",
    "SELECT price FROM bids WITH (NOLOCK)",
    "SELECT * EXCEPT (price) FROM bids",
    "SELECT price FROM bids TABLESAMPLE BERNOULLI (10)",
    "SELECT REGEXP_EXTRACT(bidder, 'a(?=b)', 0) FROM bids",
    "SELECT REGEXP_REPLACE(bidder, '(a)\\1', 'x') FROM bids",
    "SELECT bidder SIMILAR TO 'a%' FROM bids",
    "SELECT bidder ILIKE 'a%' FROM bids",
    "SELECT price::STRING FROM bids",
    "SELECT price & 1 FROM bids",
    "SELECT ts AT TIME ZONE 'UTC' FROM bids",
    "SELECT (price, auction) = (1, 2) FROM bids",
    "SELECT ARRAY[1, 2] FROM bids",
    "SELECT item.tags[1:2] FROM bids",
    "SELECT :price FROM bids",
    "SELECT N'00' FROM bids",
    "SELECT LISTAGG(bidder) FROM bids GROUP BY TUMBLE(ts, INTERVAL '1' HOUR)",
    "SELECT FIRST_VALUE(DISTINCT price) FROM bids GROUP BY TUMBLE(ts, INTERVAL '1' HOUR)",
    "SELECT JSON_VALUE(bidder, '$.a' RETURNING BIGINT) FROM bids",
    "SELECT JSON_VALUE(bidder, '$.a' RETURNING INT DEFAULT ts ON EMPTY) FROM bids",
    "SELECT JSON_VALUE(bidder, '$.a', 'x') FROM bids",
    "CREATE TABLE t (a INT, b ROW<x INT>) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv')",
    "SELECT price FROM bids /*+ OPTIONS('format' = 'csv') */",
    "SELECT FIRST_VALUE(price ORDER BY ts) FROM bids GROUP BY TUMBLE(ts, INTERVAL '1' HOUR)",
    "SELECT FIRST_VALUE(price) IGNORE NULLS FROM bids GROUP BY TUMBLE(ts, INTERVAL '1' HOUR)",
    "SELECT COUNT(*) FROM bids GROUP BY TUMBLE(ts, INTERVAL '1' HOUR), ROLLUP (bidder)",
    "SELECT COUNT(*) FROM bids GROUP BY GROUPING SETS ((bidder), ())",
    "SELECT COUNT(*) FROM bids GROUP BY TUMBLE(ts, INTERVAL '1' HOUR), 1",
    "SELECT TUMBLE_PROCTIME(ts, INTERVAL '1' HOUR) FROM bids GROUP BY TUMBLE(ts, INTERVAL '1' HOUR)",
    "SELECT MAX(window_end) FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end",
    "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR)) WHERE ts < window_end GROUP BY window_start, window_end",
    "SELECT * FROM TABLE(TUMBLE(TABLE bids PARTITION BY bidder, DESCRIPTOR(ts), INTERVAL '1' HOUR))",
    "INSERT OVERWRITE out2 SELECT auction, bidder FROM bids",
    "INSERT INTO out2 PARTITION (a = 1) SELECT bidder FROM bids",
    "CREATE TABLE t (a INT) WITH ('connector' = 'print') AS SELECT 1",
    "CREATE TABLE t (LIKE bids) WITH ('connector' = 'print')",
    "CREATE TABLE t (a INT UNIQUE) WITH ('connector' = 'print')",
    "CREATE TABLE t (a INT) PARTITIONED BY (a) WITH ('connector' = 'print')",
    "CREATE TABLE db.t (a INT) WITH ('connector' = 'print')",
    "CREATE FUNCTION f AS 'x'",
    "CREATE TABLE t (a MAP<STRING, INT>) WITH ('connector' = 'print')",
    "DROP TABLE bids",
    "ALTER TABLE bids RENAME TO b",
    "DELETE FROM bids",
    "USE CATALOG c",
    "SHOW DATABASES",
    "EXPLAIN CREATE VIEW v AS SELECT 1",
    "SELECT * FROM c.d.bids",
];

#[test]
fn each_construct_is_refused_by_name() {
    let mut all = String::new();
    for text in REFUSED {
        let found = errors(text);
        assert!(found.starts_with("SQL"), "{text} was not refused");
        let _ = writeln!(all, "{found}");
    }
    expect_file!["../broken/refused.txt"].assert_eq(&all);
}
