//! Asserts: where they begin and end, what they may read, and what is refused.

use crate::support::errors_of;
use anabranch_engine::plan::{Assert, BoundedKind};
use anabranch_sql::{BuiltinConnectors, compile};
use expect_test::{Expect, expect, expect_file};
use std::fmt::Write;

/// A job with two sinks that can be read back, and one that cannot.
const JOB: &str = "
CREATE TABLE clicks (k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = 'in', 'format' = 'json');
CREATE TABLE counts (start TIMESTAMP(3), k STRING, n BIGINT, pad AS n + 1)
WITH ('connector' = 'filesystem', 'path' = 'counts', 'format' = 'json');
CREATE TABLE sums (start TIMESTAMP(3), k STRING, total INT)
WITH ('connector' = 'filesystem', 'path' = 'sums', 'format' = 'csv');
CREATE TABLE shown (k STRING) WITH ('connector' = 'print');
CREATE TABLE idle (k STRING) WITH ('connector' = 'filesystem', 'path' = 'idle', 'format' = 'csv');
CREATE VIEW some AS SELECT k, v FROM clicks WHERE v > 1;
INSERT INTO counts SELECT window_start, k, COUNT(*)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, k;
INSERT INTO sums SELECT window_start, k, SUM(v)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, k;
INSERT INTO shown SELECT k FROM some;
";

/// The asserts of a text behind the job, or its errors.
fn asserts(text: &str) -> Result<Vec<Assert>, String> {
    let text = format!("{JOB}{text}");
    let compiled = compile(&text, &BuiltinConnectors);
    match compiled.diagnostics.is_empty() {
        true => {
            assert!(compiled.plan.is_some());
            Ok(compiled.asserts)
        }
        false => Err(errors_of(&text, &compiled)),
    }
}

/// What the asserts of a text are called and what their queries are.
fn check(text: &str, expected: &Expect) {
    let shown = match asserts(text) {
        Err(errors) => errors,
        Ok(asserts) => asserts.iter().fold(String::new(), |mut out, assert| {
            let _ = writeln!(out, "{assert}: {}", assert.text);
            out
        }),
    };
    expected.assert_eq(&shown);
}

#[test]
fn an_assert_ends_at_its_semicolon_or_with_the_comment() {
    check(
        "
-- assert: SELECT k FROM counts WHERE n < 1;
-- What follows the semicolon is a comment: don't mind.
-- assert no_double:
--   SELECT start, k   -- of each key
--   FROM counts
--   GROUP BY start, k
--   HAVING COUNT(*) > 1

-- assert Third : SELECT k FROM sums WHERE k = ';' OR k = '--'
  -- assert: WITH a AS (SELECT k FROM sums) SELECT k FROM a
SELECT k FROM some; -- assert: SELECT k FROM counts
-- WHERE n = 0
-- An assertion is no assert, and one may assert that: it holds.
-- assert that it holds
/*
-- assert: SELECT k FROM nowhere
*/
",
        &expect![[r#"
            SQL001 32:4 unexpected `An` after the statement
              -- An assertion is no assert, and one may assert that: it holds.
                 ^^
        "#]],
    );
}

#[test]
fn an_assert_may_stand_before_the_statements_that_fill_its_table() {
    let text = format!("-- assert: SELECT k FROM counts WHERE n < 1;\n{JOB}");
    let compiled = compile(&text, &BuiltinConnectors);
    assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
    assert_eq!(compiled.asserts.len(), 1);
    // It is no part of the job.
    let without = compile(JOB, &BuiltinConnectors).plan.map(|plan| plan.hash());
    assert_eq!(compiled.plan.map(|plan| plan.hash()), without);
}

/// Queries that are no asserts, and such as are not supported in one.
const REFUSED: &[&str] = &[
    "-- assert SELECT k FROM counts",
    "-- assert one row: SELECT k FROM counts",
    "-- assert:",
    "-- assert twice: SELECT k FROM counts WHERE n < 1;\n-- assert twice: SELECT k FROM sums",
    "-- assert: SELECT k FROM counts; SELECT k FROM sums",
    "-- assert: INSERT INTO counts SELECT k FROM sums",
    "-- assert: SELECT k FROM counts WHERE k = 'x",
    "-- assert:\n--   SELECT k\n--   FROM counts WHERE nn < 1",
    "-- assert: SELECT ä FROM\n-- countz",
    "-- assert: SELECT k FROM counts GROUP BY",
    "-- assert: SELECT \"k\" FROM counts",
    "-- assert: SELECT 1",
    "-- assert: SELECT COUNT(*) FROM counts",
    "-- assert: SELECT k FROM counts UNION ALL SELECT MAX(k) FROM sums",
    "-- assert: SELECT COUNT(*) FROM counts LIMIT 1",
    "-- assert: SELECT 1 FROM (SELECT MAX(k) AS k FROM counts) AS a\n--   LEFT JOIN sums AS b ON a.k = b.k",
    "-- assert: SELECT 1 FROM (SELECT MAX(k) AS k FROM counts) AS a\n--   CROSS JOIN (SELECT MAX(k) AS k FROM sums) AS b",
    "-- assert: SELECT k FROM clicks",
    "-- assert: SELECT k FROM idle",
    "-- assert: SELECT k FROM shown",
    "-- assert: SELECT k FROM some",
    "-- assert: SELECT k FROM clicks$late",
    "-- assert: SELECT pad FROM counts",
    "-- assert: SELECT k, n FROM counts GROUP BY k",
    "-- assert: SELECT k FROM counts WHERE COUNT(*) > 1",
    "-- assert: SELECT k FROM counts GROUP BY k HAVING COUNT(nn) > 1",
    "-- assert: SELECT COUNT(nn) FROM counts",
    "-- assert: SELECT LAST_VALUE(n) FROM counts GROUP BY k",
    "-- assert: SELECT LISTAGG(k) FROM counts",
    "-- assert: SELECT * FROM TABLE(TUMBLE(TABLE counts, DESCRIPTOR(start), INTERVAL '1' DAY))",
    "-- assert: SELECT COUNT(*) FROM counts GROUP BY TUMBLE(start, INTERVAL '1' DAY)",
    "-- assert: SELECT k FROM counts WHERE start > NOW()",
    "-- assert: SELECT k FROM counts WHERE start > CURRENT_WATERMARK(start)",
    "-- assert: SELECT k FROM counts /*+ OPTIONS('a' = 'b') */",
    "-- assert: SELECT k FROM counts JOIN sums ON counts.k = sums.k",
    "-- assert: SELECT x.k FROM counts AS a JOIN sums AS b ON a.k = b.k",
    "-- assert: SELECT a.total FROM counts AS a JOIN sums AS b ON a.k = b.k",
    "-- assert: SELECT 1 FROM counts JOIN counts ON n = n",
    "-- assert: SELECT 1 FROM counts JOIN sums",
    "-- assert: SELECT 1 FROM counts JOIN sums USING (k)",
    "-- assert: SELECT 1 FROM counts RIGHT JOIN sums ON counts.k = sums.k",
    "-- assert: SELECT 1 FROM counts FULL JOIN sums ON counts.k = sums.k",
    "-- assert: SELECT k FROM counts UNION SELECT k FROM sums",
    "-- assert: SELECT k FROM counts EXCEPT SELECT k FROM sums",
    "-- assert: SELECT k FROM counts WHERE k NOT IN (SELECT k FROM sums)",
    "-- assert: SELECT DISTINCT k FROM counts ORDER BY n",
    "-- assert: SELECT k FROM counts ORDER BY 2",
    "-- assert: SELECT k FROM counts LIMIT n",
    "-- assert: SELECT k, ROW_NUMBER() OVER (ORDER BY n) FROM counts",
];

#[test]
fn what_is_no_assert_is_refused_by_name() {
    let mut all = String::new();
    for text in REFUSED {
        let before = JOB.matches('\n').count() + 1;
        match asserts(text) {
            Ok(_) => panic!("{text} was not refused"),
            Err(errors) => {
                // Lines count from the assert on.
                let first = format!(" {before}:");
                let _ = writeln!(all, "{}", errors.replace(&first, " 1:"));
            }
        }
    }
    expect_file!["../broken/asserts.txt"].assert_eq(&all);
}

#[test]
fn errors_of_statements_are_not_repeated_by_asserts() {
    let text = format!("{JOB}INSERT INTO idle SELECT kk FROM some;\n-- assert: SELECT k FROM idle");
    let compiled = compile(&text, &BuiltinConnectors);
    assert_eq!(compiled.diagnostics.len(), 1, "{:?}", compiled.diagnostics);
}

#[test]
fn equalities_of_a_join_are_told_from_the_rest_of_its_condition() {
    let found = asserts(
        "-- assert: SELECT c.k FROM counts AS c, sums AS s\n\
         -- WHERE s.k = c.k AND c.start = s.start AND n <> total AND n = total",
    )
    .expect("it is an assert");
    let joins: Vec<_> = found[0]
        .query
        .nodes
        .iter()
        .filter_map(|node| match &node.kind {
            BoundedKind::Join(join) => Some(join),
            _ => None,
        })
        .collect();
    let [join] = joins.as_slice() else { panic!("one join: {joins:?}") };
    // The last one compares the BIGINT with a cast of the INT.
    assert_eq!(join.equal.len(), 3);
    assert!(!join.keeps_left && join.condition.is_some());
    assert_eq!(found[0].query.tables(), ["counts", "sums"]);
}

#[test]
fn no_beginning_of_an_assert_is_a_panic_and_places_lie_in_the_text() {
    let whole = "-- ä\r\n  -- Assert größe\r\n -- assert long_one: SELECT DISTINCT c.k, 'ü -- ;' AS t -- ö\r\n\
                 \t-- FROM counts AS c LEFT JOIN (sums AS s CROSS JOIN counts AS d) ON c.k = s.k\r\n\
                 -- WHERE s.k IS NULL ORDER BY 1 DESC NULLS LAST, c.k /* ß */ LIMIT 3 OFFSET 1; --";
    let mut refused = 0;
    for (end, _) in whole.char_indices().chain([(whole.len(), ' ')]) {
        let text = format!("{JOB}{}", &whole[..end]);
        let compiled = compile(&text, &BuiltinConnectors);
        refused += usize::from(!compiled.diagnostics.is_empty());
        for diagnostic in compiled.diagnostics {
            let (start, end) = (diagnostic.span.start as usize, diagnostic.span.end as usize);
            assert!(text.get(start..end).is_some_and(|it| !it.is_empty()), "{diagnostic:?}");
            assert!(start >= JOB.len(), "{diagnostic:?}");
        }
    }
    assert!(refused > 100, "{refused}");
    assert_eq!(asserts(whole).map(|found| found.len()), Ok(1));
}
