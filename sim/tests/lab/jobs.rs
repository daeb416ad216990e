//! The jobs and inputs of the laboratory's tests.

use anabranch_engine::expr::Expr;
use anabranch_engine::pipeline::PipelineConfig;
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{Plan, SideKind, Window};
use anabranch_engine::types::{SqlType, Value};
use anabranch_sim::lab::{Lab, LabSplit};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Limits so small that a few hundred records make many epochs, groups and
/// snapshots.
pub(crate) fn small_limits() -> PipelineConfig {
    PipelineConfig {
        binary: "test".into(),
        epoch_bytes_max: 300,
        fetch_bytes: 256,
        split_buffer_bytes_max: 512,
        flush_bytes: 400,
        flush_age_ms: 20,
        snapshot_bytes: 1_500,
        heal_horizon_ms: 0,
        poison_starts: u32::MAX,
        ..PipelineConfig::default()
    }
}

/// Counts and sums by key and window, keeps the large values row by row, and keeps
/// the late rows: three sinks that keep markers.
pub(crate) fn three_sinks() -> Plan {
    let mut plan = PlanBuilder::default();
    let columns = [
        ("k", SqlType::STRING),
        ("v", SqlType::BigInt),
        ("ts", SqlType::Timestamp(3)),
        ("_split", SqlType::STRING),
    ];
    let events = plan.table("events", "filesystem", &columns, Some((2, 50)), true);
    let scan = plan.scan(events);
    let window = Window::Tumble { size_ms: 100, offset_ms: 0 };
    let totals = [("COUNT", None, SqlType::BigInt), ("SUM", Some(1), SqlType::BigInt)];
    let window = plan.window("totals", scan, window, &[0], &totals);
    plan.sink("totals", "filesystem", window);
    let limit = Expr::literal(Value::Int(90), SqlType::BigInt.not_null());
    let large = Expr::call(
        ">=",
        vec![Expr::column(1, SqlType::BigInt.nullable()), limit],
        SqlType::Boolean.nullable(),
    );
    let large = plan.project(scan, Some(large), &[0, 1, 3]);
    plan.sink("large", "filesystem", large);
    let late = plan.side(events, SideKind::Late);
    let late = plan.project(late, None, &[0, 1, 8, 9]);
    plan.sink("late", "filesystem", late);
    plan.build()
}

/// Two files of records, a little out of order, now and then very late.
pub(crate) fn two_files(records: u64) -> Vec<LabSplit> {
    ["a", "b"]
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let mut text = String::new();
            for n in 0..records {
                // A fixed, uneven pattern: no randomness is needed here.
                let step = (n * 37 + index as u64 * 11) % 60;
                let late = if n % 29 == 28 { 400 } else { 0 };
                let millis = (n * 13 + step).saturating_sub(late);
                writeln!(
                    text,
                    r#"{{"k":"{}","v":{},"ts":"1970-01-01 00:00:{:02}.{:03}","_split":"{name}.jsonl"}}"#,
                    ["x", "y", "z"][(n % 3) as usize],
                    (n * 7 + index as u64) % 100,
                    millis / 1000,
                    millis % 1000,
                )
                .expect("a string takes all");
            }
            LabSplit::file(0, &format!("{name}.jsonl"), text)
        })
        .collect()
}

/// A world in which the three-sinks job has these records.
pub(crate) fn lab(records: u64) -> Lab {
    Lab::new(three_sinks(), small_limits(), two_files(records))
}

/// What each sink holds, in the order that rule E-3 promises: rows that time drives
/// as they are, rows that records drive split by split.
pub(crate) fn comparable(lab: &Lab) -> BTreeMap<String, Vec<String>> {
    comparable_but(lab, &["large", "late"])
}

/// As [`comparable`], where records drive the rows of these sinks.
pub(crate) fn comparable_but(lab: &Lab, by_record: &[&str]) -> BTreeMap<String, Vec<String>> {
    lab.results()
        .into_iter()
        .map(|(table, text)| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            if by_record.contains(&table.as_str()) {
                // A stable sort keeps the order within a split.
                lines.sort_by_key(|line| {
                    let at = line.find("\"_split\":").expect("the row tells its split");
                    line[at..].split(',').next().map(|split| split.trim_end_matches('}').to_owned())
                });
            }
            (table, lines)
        })
        .collect()
}

/// Limits under which a job of few records still makes several epochs, and keeps its
/// rows back until a flush is due.
pub(crate) fn slow_flush() -> PipelineConfig {
    PipelineConfig {
        binary: "test".into(),
        flush_age_ms: 10_000,
        snapshot_bytes: 0,
        ..PipelineConfig::default()
    }
}

/// Counts in windows of 100 ms over a table that grows, and keeps the late rows.
pub(crate) fn growing(idle_timeout: &str, max_drift_ms: Option<i64>) -> Plan {
    let mut plan = PlanBuilder::default();
    plan.options().max_drift_ms = max_drift_ms;
    let columns = [("v", SqlType::BigInt), ("ts", SqlType::Timestamp(3))];
    let events = plan.table("events", "filesystem", &columns, Some((1, 0)), false);
    let timeout = ("scan.watermark.idle-timeout".to_owned(), idle_timeout.to_owned());
    plan.table_mut(events).options.extend([timeout]);
    let scan = plan.scan(events);
    let window = Window::Tumble { size_ms: 100, offset_ms: 0 };
    let counts = plan.window("counts", scan, window, &[], &[("COUNT", None, SqlType::BigInt)]);
    let counts = plan.project(counts, None, &[0, 1]);
    plan.sink("counts", "filesystem", counts);
    let late = plan.side(events, SideKind::Late);
    let late = plan.project(late, None, &[0]);
    plan.sink("late", "filesystem", late);
    plan.build()
}

/// Records at these times, one line each.
pub(crate) fn records(millis: impl IntoIterator<Item = u64>) -> String {
    let line = |ms: u64| {
        format!("{{\"v\":{ms},\"ts\":\"1970-01-01 00:00:{:02}.{:03}\"}}\n", ms / 1000, ms % 1000)
    };
    millis.into_iter().map(line).collect()
}

/// The counts that a sink of [`growing`] holds, each with the start of its window.
pub(crate) fn counts(lab: &Lab) -> Vec<String> {
    lab.results()["counts"]
        .lines()
        .map(|line| {
            line.replace("{\"a0\":", "").replace(",\"window_start\":\"1970-01-01 00:00:", " @")
        })
        .map(|line| line.trim_end_matches("\"}").to_owned())
        .collect()
}

/// Counts in windows of 100 ms and keeps all records: two sinks.
pub(crate) fn two_sinks() -> Plan {
    let mut plan = PlanBuilder::default();
    let columns = [("v", SqlType::BigInt), ("ts", SqlType::Timestamp(3))];
    let events = plan.table("events", "filesystem", &columns, Some((1, 0)), true);
    let scan = plan.scan(events);
    let window = Window::Tumble { size_ms: 100, offset_ms: 0 };
    let counts = plan.window("counts", scan, window, &[], &[("COUNT", None, SqlType::BigInt)]);
    plan.sink("counts", "filesystem", counts);
    plan.sink("records", "filesystem", scan);
    plan.build()
}
