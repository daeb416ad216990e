//! Texts that no person writes: none of them may panic or take long.

use anabranch_sql::{BuiltinConnectors, compile};

/// Compiles a text; only whether it comes back matters.
fn survives(text: &str) {
    let compiled = compile(text, &BuiltinConnectors);
    for diagnostic in &compiled.diagnostics {
        assert!(diagnostic.span.end as usize <= text.len(), "{diagnostic}");
        assert!(diagnostic.span.start <= diagnostic.span.end, "{diagnostic}");
    }
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [
        ("(", ")"),
        ("ABS(", ")"),
        ("CAST(", " AS INT)"),
        ("NOT ", ""),
        ("- ", ""),
        ("CASE WHEN ", " THEN 1 END"),
    ] {
        for depth in [10, 100, 5_000] {
            survives(&format!("SELECT {}1{}", open.repeat(depth), close.repeat(depth)));
            survives(&format!("SELECT {}1", open.repeat(depth)));
            survives(&format!("SELECT {}", open.repeat(depth)));
        }
    }
}

#[test]
fn long_chains_are_refused_or_flat() {
    for link in [
        " + 1",
        " AND TRUE",
        " OR TRUE",
        " || 'x'",
        " IS NULL",
        ".a",
        "[1]",
        " UNION ALL SELECT 1",
        " BETWEEN 1 AND 2",
    ] {
        for length in [10, 400, 20_000] {
            survives(&format!("SELECT 1{}", link.repeat(length)));
        }
    }
}

#[test]
fn copies_do_not_multiply() {
    let mut text = "x".to_owned();
    for _ in 0..20 {
        text = format!("({text} BETWEEN {text} AND 1)");
        if text.len() > 100_000 {
            break;
        }
    }
    survives(&format!("SELECT {text} FROM (SELECT TRUE AS x) AS t"));
    let mut query = "SELECT 1 AS x".to_owned();
    for _ in 0..12 {
        query = format!("SELECT x + x + x + x AS x FROM ({query}) AS t");
    }
    survives(&query);
    let views: String = (1..200)
        .map(|n| format!("CREATE VIEW v{n} AS SELECT x + x AS x FROM v{};", n - 1))
        .collect();
    survives(&format!("CREATE VIEW v0 AS SELECT 1 AS x; {views} SELECT * FROM v199"));
}

#[test]
fn deep_types_and_sub_queries_are_refused() {
    survives(&format!(
        "CREATE TABLE t (a {}INT{}) WITH ()",
        "ARRAY<".repeat(1000),
        ">".repeat(1000)
    ));
    survives(&format!("CREATE TABLE t (a {}INT", "ROW<a ".repeat(1000)));
    for open in ["SELECT * FROM (", "(", "((SELECT * FROM ", "SELECT * FROM ((("] {
        for depth in [5, 12, 1000] {
            survives(&open.repeat(depth));
        }
    }
}

/// Pieces that texts are put together from.
const SCRAPS: &[&str] = &[
    "SELECT",
    "FROM",
    "bids",
    "(",
    ")",
    ",",
    ";",
    "1",
    "'x'",
    "`a`",
    "*",
    ".",
    "GROUP BY",
    "TABLE",
    "TUMBLE",
    "DESCRIPTOR",
    "INTERVAL",
    "'1' HOUR",
    "AS",
    "WITH",
    "=",
    "CREATE TABLE",
    "INSERT INTO",
    "VALUES",
    "CASE",
    "WHEN",
    "END",
    "EXECUTE STATEMENT SET BEGIN",
    "WATERMARK FOR",
    "ROW<",
    ">",
    "\"q\"",
    "/*+ x */",
    "--\n",
    "NULL",
    "CAST(",
    "COUNT(",
    "[",
    "]",
    "$",
    "ä",
    "@",
    ":",
    "PARTITION BY",
    "UNION ALL",
    "EXPLAIN",
    "1.5e",
    "IS NOT NULL",
    "BETWEEN",
    "AND",
    "LIKE",
    "ESCAPE",
    "-",
    "||",
    "=>",
    "METADATA FROM",
    "PRIMARY KEY",
];

#[test]
fn scraps_of_sql_in_any_order() {
    // A small linear congruence: the same texts in every run.
    let mut state = 12_345_u64;
    for _ in 0..3_000 {
        let mut text = String::new();
        for _ in 0..(state >> 33) % 30 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text.push_str(SCRAPS[(state >> 33) as usize % SCRAPS.len()]);
            text.push(' ');
        }
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        survives(&text);
        survives(&format!("{}{text}", crate::support::TABLES));
    }
}

/// A linear congruence: the same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

#[test]
fn good_texts_with_pieces_moved() {
    let flights = include_str!("../../../../examples/flights/flights.sql");
    let broken = include_str!("../broken/jobs.sql");
    let mut numbers = Numbers(77);
    for source in [flights, broken, crate::support::TABLES] {
        let pieces: Vec<&str> = source.split_inclusive([' ', '(', ')', ',', '\n', '\'']).collect();
        for _ in 0..300 {
            let mut pieces = pieces.clone();
            for _ in 0..1 + numbers.below(12) {
                if pieces.is_empty() {
                    break;
                }
                let (from, to) = (numbers.below(pieces.len()), numbers.below(pieces.len()));
                match numbers.below(4) {
                    0 => drop(pieces.remove(from)),
                    1 => pieces.swap(from, to),
                    2 => pieces.insert(to, pieces[from]),
                    _ => pieces.truncate(1 + from),
                }
            }
            survives(&pieces.concat());
        }
    }
}
