//! SQL text.

use anabranch_engine::dataflow::Dataflow;
use anabranch_engine::plan::{Plan, plan_text};
use anabranch_sql::{BuiltinConnectors, LineIndex, compile};
use std::sync::Arc;

/// Tables for a text that declares none, so that a short query can be a whole job.
const TABLES: &str = "\
    CREATE TABLE t (a INT, b STRING, ts TIMESTAMP(3), d DOUBLE, p DECIMAL(10, 2), \
      o BOOLEAN, r ROW<x INT, y STRING>, l ARRAY<INT>, z TIMESTAMP_LTZ(3), \
      WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'datagen');\n\
    CREATE TABLE s (n BIGINT, w STRING) WITH ('connector' = 'print');\n";

/// A text is compiled or refused, by itself and behind two tables; every error points
/// into it, between characters. A plan comes back from its canonical text, can be made
/// ready to run or is refused, and does not change because of a comment behind the last
/// statement.
pub fn sql_text(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let alone = check(text);
    check(&format!("{TABLES}{text}")) || alone
}

fn check(text: &str) -> bool {
    let compiled = compile(text, &BuiltinConnectors);
    let index = LineIndex::new(text);
    for diagnostic in &compiled.diagnostics {
        let (start, end) = (diagnostic.span.start as usize, diagnostic.span.end as usize);
        assert!(start <= end && end <= text.len(), "{diagnostic:?} points outside");
        assert!(text.is_char_boundary(start) && text.is_char_boundary(end), "{diagnostic:?}");
        let place = index.position(diagnostic.span.start);
        assert!(place.line >= 1 && place.column >= 1);
    }
    let Some(plan) = compiled.plan else { return false };
    assert_eq!(compiled.diagnostics, [], "a plan and an error");
    let canonical = plan.canonical();
    let back: Plan = serde_json::from_str(&canonical).expect("a plan comes back");
    assert_eq!(back.canonical(), canonical);
    assert_ne!(plan_text(&plan), "");
    let again = compile(&format!("{text}\n-- the end\n"), &BuiltinConnectors).plan;
    assert_eq!(again.map(|plan| plan.hash()), Some(plan.hash()), "a comment changes the plan");
    let _ = Dataflow::compile(Arc::new(plan));
    true
}
