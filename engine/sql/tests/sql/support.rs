//! What the tests share: tables to select from, and errors with carets as text.

use anabranch_engine::plan::{NodeKind, plan_text};
use anabranch_sql::{BuiltinConnectors, Compiled, LineIndex, compile};
use std::fmt::Write;

/// Tables that most tests use.
pub(crate) const TABLES: &str = "
CREATE TABLE bids (
  ts      TIMESTAMP(3),
  auction BIGINT,
  bidder  STRING,
  price   INT,
  fee     DECIMAL(10, 2),
  rate    DOUBLE,
  item    ROW<name STRING, tags ARRAY<STRING>>,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'bids', 'format' = 'json');
CREATE TABLE plain (id INT, at TIMESTAMP(3), name STRING NOT NULL)
WITH ('connector' = 'filesystem', 'path' = 'plain', 'format' = 'csv');
CREATE TABLE out2 (a BIGINT, b STRING) WITH ('connector' = 'print');
";

/// Compiles the text behind [`TABLES`].
pub(crate) fn compiled(text: &str) -> Compiled {
    compile(&format!("{TABLES}{text}"), &BuiltinConnectors)
}

/// The plan, or the errors.
pub(crate) fn plan(text: &str) -> String {
    let compiled = compiled(text);
    match &compiled.plan {
        Some(plan) => plan_text(plan),
        None => errors_of(&format!("{TABLES}{text}"), &compiled),
    }
}

/// The plan of a text that declares its own tables, or the errors.
pub(crate) fn whole(text: &str) -> String {
    let compiled = compile(text, &BuiltinConnectors);
    match &compiled.plan {
        Some(plan) => plan_text(plan),
        None => errors_of(text, &compiled),
    }
}

/// The names and types of the columns that a SELECT gives, or its errors.
pub(crate) fn columns(text: &str) -> String {
    let compiled = compiled(text);
    let Some(plan) = &compiled.plan else {
        return errors_of(&format!("{TABLES}{text}"), &compiled);
    };
    let sink = plan.nodes.iter().find(|node| matches!(node.kind, NodeKind::Sink(_)));
    let fields = sink.map(|node| node.schema.fields.clone()).unwrap_or_default();
    fields.iter().fold(String::new(), |mut out, field| {
        let _ = writeln!(out, "{} {}", field.name, field.ty);
        out
    })
}

/// Each error with its line, a caret and the advice; lines count behind [`TABLES`].
pub(crate) fn errors_of(text: &str, compiled: &Compiled) -> String {
    let index = LineIndex::new(text);
    let before = if text.starts_with(TABLES) { TABLES.matches('\n').count() } else { 0 };
    let mut out = String::new();
    for diagnostic in &compiled.diagnostics {
        let start = index.position(diagnostic.span.start);
        let end = index.position(diagnostic.span.end);
        let line = index.line(start.line);
        let width = match end.line == start.line {
            true => end.column.saturating_sub(start.column).max(1),
            false => line.chars().count().saturating_sub(start.column - 1).max(1),
        };
        let _ = writeln!(
            out,
            "{} {}:{} {}",
            diagnostic.code,
            (start.line + 1).saturating_sub(before + usize::from(before > 0)),
            start.column,
            diagnostic.message
        );
        let _ = writeln!(out, "  {line}");
        let _ = writeln!(out, "  {}{}", " ".repeat(start.column - 1), "^".repeat(width));
        if let Some(help) = &diagnostic.help {
            let _ = writeln!(out, "  help: {help}");
        }
    }
    if out.is_empty() {
        out.push_str("nothing to run, nothing wrong\n");
    }
    out
}

/// The errors of a text behind [`TABLES`].
pub(crate) fn errors(text: &str) -> String {
    errors_of(&format!("{TABLES}{text}"), &compiled(text))
}
