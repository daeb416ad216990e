//! Queries of asserts over rows that are small enough to compute by hand.
//!
//! From the text of the query to its answer: what the front end makes of it, and what the
//! interpreter makes of that.

use anabranch_engine::plan::Assert;
use anabranch_sim::reference::{HeldRow, answer};
use anabranch_sql::{BuiltinConnectors, compile};
use std::collections::BTreeMap;

const JOB: &str = "
CREATE TABLE source (k STRING, n BIGINT, d DOUBLE, p DECIMAL(10, 2), m INT, t TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = 'in', 'format' = 'json');
CREATE TABLE a (k STRING, n BIGINT, d DOUBLE, p DECIMAL(10, 2), t TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = 'a', 'format' = 'json');
CREATE TABLE b (k STRING, m INT)
WITH ('connector' = 'filesystem', 'path' = 'b', 'format' = 'csv', 'csv.null-literal' = 'nil');
CREATE TABLE c (k STRING, m INT) WITH ('connector' = 'filesystem', 'path' = 'c', 'format' = 'json');
INSERT INTO a SELECT k, n, d, p, t FROM source;
INSERT INTO b SELECT k, m FROM source;
INSERT INTO c SELECT k, m FROM source;
";

/// What the sinks hold; `c` holds nothing.
const A: &[&str] = &[
    r#"{"k":"x","n":1,"d":1e16,"p":1.50,"t":"2024-01-01 00:00:01"}"#,
    r#"{"k":"x","n":2,"d":1.0,"p":2.25,"t":"2024-01-01 00:00:02"}"#,
    r#"{"k":"x","n":null,"d":-1e16,"p":null,"t":null}"#,
    r#"{"k":"y","n":5,"d":"NaN","p":0.10,"t":"2024-01-01 00:00:01"}"#,
    r#"{"k":null,"n":7,"d":"NaN","p":0.20,"t":"2024-01-01 00:00:03"}"#,
    r#"{"k":null,"n":7,"d":-0.0,"p":0.20,"t":"2024-01-01 00:00:04"}"#,
];
const B: &[&str] = &["x,10\n", "x,20\n", "z,30\n", "nil,40\n"];

fn assert_of(query: &str) -> Assert {
    let text = format!("{JOB}-- assert: {query};");
    let mut compiled = compile(&text, &BuiltinConnectors);
    assert!(compiled.diagnostics.is_empty(), "{query}: {:?}", compiled.diagnostics);
    compiled.asserts.pop().expect("it is an assert")
}

/// The rows that a query gives.
fn given_of(query: &str, a: &[&str]) -> Result<Vec<String>, String> {
    let compiled = compile(JOB, &BuiltinConnectors).plan.expect("the job compiles");
    let read = |name: &str, records: &[&str]| -> Vec<HeldRow> {
        let table = compiled.tables.iter().find(|table| table.name == name).expect("a table");
        let row = |record: &&str| HeldRow::read(table, record.as_bytes()).expect("a record");
        records.iter().filter_map(row).collect()
    };
    let tables = BTreeMap::from([("a", read("a", a)), ("b", read("b", B))]);
    answer(&assert_of(query).query, "UTC", &tables).map(|answer| answer.lines())
}

fn gives(query: &str, expected: &[&str]) {
    assert_eq!(given_of(query, A).as_deref(), Ok(&expected.map_owned()[..]), "{query}");
    // The order in which a sink gives its rows does not matter.
    let mut turned = A.to_vec();
    turned.reverse();
    assert_eq!(given_of(query, &turned).as_deref(), Ok(&expected.map_owned()[..]), "{query}");
}

trait Owned {
    fn map_owned(&self) -> Vec<String>;
}

impl Owned for [&str] {
    fn map_owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[test]
fn groups_have_null_among_their_keys_and_aggregates_pass_null_by() {
    // spec: E-6
    gives(
        "SELECT k, COUNT(*) AS c, COUNT(n) AS cn, COUNT(DISTINCT n) AS cd, SUM(n) AS s,
         -- 1.5 cut to the type of the column
         AVG(n) AS av, MIN(n) AS lo, MAX(p) AS hi, COUNT(*) FILTER (WHERE n > 1) AS f
         FROM a GROUP BY k"
            .replace('\n', "\n--")
            .as_str(),
        &[
            r#"{"k":null,"c":2,"cn":2,"cd":1,"s":14,"av":7,"lo":7,"hi":0.20,"f":2}"#,
            r#"{"k":"x","c":3,"cn":2,"cd":2,"s":3,"av":1,"lo":1,"hi":2.25,"f":1}"#,
            r#"{"k":"y","c":1,"cn":1,"cd":1,"s":5,"av":5,"lo":5,"hi":0.10,"f":1}"#,
        ],
    );
    // 1e16 + 1 - 1e16 is 1 in any order.
    gives("SELECT SUM(d) AS s FROM a WHERE k = 'x' GROUP BY k", &[r#"{"s":1.0}"#]);
    // One NaN is a key like the other, and -0 is 0.
    gives(
        "SELECT d, COUNT(*) AS c FROM a WHERE n >= 5 GROUP BY d",
        &[r#"{"d":0.0,"c":1}"#, r#"{"d":"NaN","c":2}"#],
    );
    gives(
        "SELECT k, n * 2 AS twice, COUNT(*) AS c FROM a GROUP BY k, n * 2 HAVING COUNT(*) > 1",
        &[r#"{"k":null,"twice":14,"c":2}"#],
    );
}

#[test]
fn having_and_where_keep_only_what_is_true() {
    gives(
        "SELECT k, SUM(n) AS s FROM a GROUP BY k HAVING SUM(n) > 3",
        &[r#"{"k":null,"s":14}"#, r#"{"k":"y","s":5}"#],
    );
    // NULL is neither equal nor different.
    gives("SELECT n FROM a WHERE k = 'x' AND n <> 1", &[r#"{"n":2}"#]);
    gives("SELECT n FROM a WHERE NOT (n = 1) AND k = 'x'", &[r#"{"n":2}"#]);
    gives("SELECT k FROM a WHERE n IS NULL OR p = 0.1", &[r#"{"k":"x"}"#, r#"{"k":"y"}"#]);
    // A group of NULLs only has no sum, which is not above anything.
    gives("SELECT k FROM a WHERE n IS NULL GROUP BY k HAVING SUM(n) > 0 OR SUM(n) <= 0", &[]);
    gives("SELECT k FROM a WHERE n IS NULL GROUP BY k HAVING SUM(n) IS NULL", &[r#"{"k":"x"}"#]);
}

#[test]
fn without_keys_there_is_one_row_also_over_nothing() {
    gives("SELECT COUNT(*) AS c, SUM(m) AS s FROM c HAVING COUNT(*) = 0", &[r#"{"c":0,"s":null}"#]);
    gives("SELECT k, COUNT(*) AS c FROM c GROUP BY k", &[]);
    gives("SELECT COUNT(*) AS c FROM a HAVING COUNT(*) > 5", &[r#"{"c":6}"#]);
    gives("SELECT 1 AS one FROM a HAVING COUNT(*) > 6", &[]);
    gives(
        "SELECT c.k, x.total FROM b AS c CROSS JOIN (SELECT SUM(m) AS total FROM b) AS x
         WHERE c.m * 2 > x.total - 30"
            .replace('\n', "\n--")
            .as_str(),
        &[r#"{"k":null,"total":100}"#],
    );
}

#[test]
fn rows_are_ordered_as_in_flink_null_below_everything() {
    let n = |values: &[&str]| -> Vec<String> {
        values.iter().map(|value| format!("{{\"n\":{value}}}")).collect()
    };
    let check = |query: &str, expected: &[&str]| {
        let expected = n(expected);
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        gives(query, &expected);
    };
    check("SELECT n FROM a ORDER BY n", &["null", "1", "2", "5", "7", "7"]);
    check("SELECT n FROM a ORDER BY n DESC", &["7", "7", "5", "2", "1", "null"]);
    check("SELECT n FROM a ORDER BY n DESC NULLS FIRST LIMIT 2", &["null", "7"]);
    check("SELECT n FROM a ORDER BY n NULLS LAST LIMIT 2 OFFSET 3", &["7", "7"]);
    // By a column that is not shown, by an expression, by a place.
    check("SELECT n FROM a ORDER BY k DESC, p LIMIT 3", &["5", "null", "1"]);
    check("SELECT n FROM a WHERE n < 7 ORDER BY -n", &["5", "2", "1"]);
    check("SELECT n FROM a ORDER BY 1 FETCH FIRST 1 ROW ONLY", &["null"]);
    check("SELECT DISTINCT n FROM a ORDER BY n DESC LIMIT 2", &["7", "5"]);
    check("SELECT MAX(n) AS n FROM a GROUP BY k ORDER BY COUNT(*) DESC, SUM(n)", &["2", "7", "5"]);
    // Without an order the first rows are those with the smallest values.
    check("SELECT n FROM a LIMIT 2", &["null", "1"]);
    check("SELECT n FROM (SELECT n FROM a ORDER BY n DESC LIMIT 2) AS s", &["7", "7"]);
    // Equal times are in the order of all their values.
    gives(
        "SELECT n, k FROM a WHERE t IS NOT NULL ORDER BY t LIMIT 2",
        &[r#"{"n":1,"k":"x"}"#, r#"{"n":5,"k":"y"}"#],
    );
}

#[test]
fn joins_pair_what_is_equal_and_null_is_not() {
    gives(
        "SELECT a.n, m FROM a JOIN b ON a.k = b.k WHERE n IS NOT NULL",
        &[r#"{"n":1,"m":10}"#, r#"{"n":1,"m":20}"#, r#"{"n":2,"m":10}"#, r#"{"n":2,"m":20}"#],
    );
    gives(
        "SELECT a.k, a.n, b.m FROM a LEFT JOIN b ON a.k = b.k AND b.m > a.n * 10
         WHERE a.n <> 2"
            .replace('\n', "\n--")
            .as_str(),
        &[
            r#"{"k":null,"n":7,"m":null}"#,
            r#"{"k":null,"n":7,"m":null}"#,
            r#"{"k":"x","n":1,"m":20}"#,
            r#"{"k":"y","n":5,"m":null}"#,
        ],
    );
    // What has no partner.
    gives(
        "SELECT b.k, b.m FROM b LEFT JOIN a ON a.k = b.k WHERE a.k IS NULL",
        &[r#"{"k":null,"m":40}"#, r#"{"k":"z","m":30}"#],
    );
    // With itself, over values of two types, and over NaN, which equals nothing.
    gives(
        "SELECT one.n, other.n AS more FROM a AS one, a AS other
         WHERE one.k = other.k AND one.n < other.n"
            .replace('\n', "\n--")
            .as_str(),
        &[r#"{"n":1,"more":2}"#],
    );
    gives("SELECT n, m FROM a, b WHERE n * 10 = m", &[r#"{"n":1,"m":10}"#, r#"{"n":2,"m":20}"#]);
    gives("SELECT x.n FROM a AS x JOIN a AS y ON x.d = y.d WHERE x.n >= 5", &[r#"{"n":7}"#]);
    gives(
        "SELECT x.k, y.m, z.m AS last FROM (a AS x JOIN b AS y ON x.k = y.k)
         JOIN b AS z ON z.m = y.m + 10 WHERE x.n = 1"
            .replace('\n', "\n--")
            .as_str(),
        &[r#"{"k":"x","m":10,"last":20}"#, r#"{"k":"x","m":20,"last":30}"#],
    );
    gives(
        "SELECT y.* FROM a AS x JOIN b AS y ON x.k = y.k AND x.n = 2",
        &[r#"{"k":"x","m":10}"#, r#"{"k":"x","m":20}"#],
    );
}

#[test]
fn unions_keep_every_row_and_distinct_one_of_each() {
    gives(
        "SELECT n FROM a WHERE k IS NULL UNION ALL SELECT m FROM b WHERE m < 20",
        &[r#"{"n":7}"#, r#"{"n":7}"#, r#"{"n":10}"#],
    );
    gives(
        "WITH both AS (SELECT k FROM a UNION ALL SELECT k FROM b) SELECT DISTINCT k FROM both",
        &[r#"{"k":null}"#, r#"{"k":"x"}"#, r#"{"k":"y"}"#, r#"{"k":"z"}"#],
    );
    gives(
        "SELECT b.k FROM b JOIN (VALUES ('z', 1), ('q', 2)) AS v (k, i) ON v.k = b.k",
        &[r#"{"k":"z"}"#],
    );
    gives(
        "SELECT k FROM b UNION ALL SELECT k FROM a ORDER BY k DESC LIMIT 2",
        &[r#"{"k":"z"}"#, r#"{"k":"y"}"#],
    );
}

#[test]
fn what_cannot_be_computed_is_said_where_it_matters() {
    let fails = |query: &str, a: &[&str]| given_of(query, a).expect_err("it cannot be computed");
    assert!(fails("SELECT k FROM a WHERE 10 / (n - 5) > 3", A).starts_with("division by zero"));
    assert!(
        fails("SELECT SUM(n) AS s FROM a GROUP BY p HAVING SUM(n * 9223372036854775807) > 0", A)
            .starts_with("overflow")
    );
    gives("SELECT k FROM (SELECT k, 10 / (n - 5) AS z FROM a) AS s WHERE k = 'q' AND z > 0", &[]);
    // A column that cannot be read matters to those who read it.
    let bad = [r#"{"k":"x","n":"many"}"#];
    assert_eq!(given_of("SELECT k FROM a", &bad), Ok(vec![r#"{"k":"x"}"#.to_owned()]));
    assert_eq!(fails("SELECT n FROM a", &bad), "parse: column n cannot be read");
}
