//! Whether Flink's rows say enough about every function, operator, aggregate and cast.

use super::answer::{Answer, kind_of};
use super::{Row, rows};
use anabranch_engine::expr::is_castable;
use anabranch_engine::function::{Family, Function, all};
use anabranch_engine::types::SqlType;
use std::fmt::Write;

/// How many rows each has at least.
const ROWS_MIN: usize = 4;

/// What stands in an expression at an edge: the ends of the number types, values that
/// are no numbers, the times around 1970 and at the ends of the calendar, leap days,
/// characters of more than two bytes, signs, and constants that are empty or zero.
const EDGES: &[&str] = &[
    "127",
    "128",
    "32767",
    "32768",
    "2147483647",
    "2147483648",
    "9223372036854775807",
    "99999",
    "NaN",
    "Infinity",
    "e308",
    "1969",
    "1970-01-01",
    "9999",
    "0001-01-01",
    "02-29",
    "02-30",
    "ß",
    "😀",
    "-1",
    "-2",
    "-0",
    "(0",
    " 0",
    "''",
    "[3]",
    "1e",
    "TRUE",
    "23:59:59",
];

/// What Flink's rows show less of, by the beginning of its name, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("BTRIM", "another spelling of TRIM, which has the rows"),
    ("CAST BINARY", "the rows begin with BYTES, which are cast by the same code"),
    ("CAST CHAR AS BINARY", "the rows show BYTES; BINARY adds its padding"),
    ("CAST VARBINARY AS BINARY", "the rows show BYTES; BINARY adds its padding"),
    ("CAST VARCHAR AS BINARY", "the rows show BYTES; BINARY adds its padding"),
    ("INSTR", "another spelling of POSITION, which has the rows"),
    ("IS FALSE", "a truth value has only three values"),
    ("IS NOT DISTINCT FROM", "the binder makes NOT IS DISTINCT FROM of it"),
    ("IS NOT FALSE", "a truth value has only three values"),
    ("IS NOT NULL", "there is NULL and everything else"),
    ("IS NOT TRUE", "a truth value has only three values"),
    ("IS NOT UNKNOWN", "a truth value has only three values"),
    ("IS TRUE", "a truth value has only three values"),
    ("IS UNKNOWN", "a truth value has only three values"),
    ("LOG2", "three rows, and LOG10 and LN have more"),
];

/// What the rows of one function or cast hold.
#[derive(Debug, Default)]
struct Found {
    rows: usize,
    nulls: usize,
    empties: usize,
    edges: usize,
}

fn found<'a>(rows: &'a [Row], mut wanted: impl FnMut(&'a Row) -> bool) -> Found {
    let mut found = Found::default();
    for row in rows.iter().filter(|row| wanted(row)) {
        let text = row.expression.as_str();
        found.rows += 1;
        found.nulls += usize::from(text.contains("NULL"));
        found.empties += usize::from(text.contains("''") || text.contains("> 1000"));
        let failed = matches!(row.flink, Answer::Failed(_) | Answer::Refused(_));
        found.edges += usize::from(failed || EDGES.iter().any(|edge| text.contains(edge)));
    }
    found
}

/// What is missing, in words; nothing if it is enough.
fn lacking(found: &Found, empty: bool) -> Option<String> {
    let fine = found.rows >= ROWS_MIN
        && found.nulls > 0
        && found.edges > 0
        && (!empty || found.empties > 0);
    (!fine).then(|| format!("{found:?}"))
}

/// Whether an empty text is among the function's values.
fn takes_text(function: &Function) -> bool {
    matches!(function.family, Family::Text | Family::Regex | Family::Json)
}

#[test]
fn every_function_operator_and_aggregate_has_rows() {
    let rows = rows();
    let mut wanted: Vec<(&str, bool)> = all().map(|row| (row.name, takes_text(row))).collect();
    wanted.extend(["AND", "OR", "CASE", "COALESCE"].map(|name| (name, false)));
    let aggregates = ["AVG", "COUNT", "FIRST_VALUE", "LAST_VALUE", "MAX", "MIN", "SUM"];
    wanted.extend(aggregates.map(|name| (name, false)));
    let mut missing = String::new();
    for (name, empty) in wanted {
        let of_name = found(rows, |row| row.parts.contains(name));
        if let Some(what) = lacking(&of_name, empty).filter(|_| !excepted(name)) {
            let _ = writeln!(missing, "{name}: {what}");
        }
    }
    assert!(missing.is_empty(), "Flink's rows say too little:\n{missing}");
}

fn excepted(name: &str) -> bool {
    EXCEPTIONS.iter().any(|(prefix, _)| name.starts_with(prefix))
}

/// One type of each kind that a column can have.
const KINDS: &[SqlType] = &[
    SqlType::Boolean,
    SqlType::TinyInt,
    SqlType::SmallInt,
    SqlType::Int,
    SqlType::BigInt,
    SqlType::Float,
    SqlType::Double,
    SqlType::Decimal { precision: 10, scale: 2 },
    SqlType::Char(3),
    SqlType::VarChar(3),
    SqlType::Binary(3),
    SqlType::VarBinary(3),
    SqlType::Date,
    SqlType::Time(0),
    SqlType::Timestamp(3),
    SqlType::TimestampLtz(3),
];

#[test]
fn every_cast_has_rows() {
    let rows = rows();
    let mut missing = String::new();
    let mut pairs = 0;
    for from in KINDS {
        for to in KINDS.iter().filter(|to| is_castable(from, to)) {
            let name = format!("CAST {} AS {}", kind_of(from), kind_of(to));
            // A cast to the type that the value has is none.
            if from == to || excepted(&name) {
                continue;
            }
            pairs += 1;
            let of_pair = found(rows, |row| row.parts.contains(&name));
            if let Some(what) = lacking(&of_pair, false) {
                let _ = writeln!(missing, "{name}: {what}");
            }
        }
    }
    assert!(missing.is_empty() && pairs > 100, "Flink's rows say too little:\n{missing}");
}
