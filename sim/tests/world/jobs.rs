//! The jobs and plans of the world's tests.

use anabranch_engine::expr::Expr;
use anabranch_engine::pipeline::PipelineConfig;
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{Plan, SideKind, Window};
use anabranch_engine::types::{SqlType, Value};
use anabranch_sim::plan::{Record, RecordKind, RunPlan, SplitInput, SplitShape};
use anabranch_sim::time::{Span, VirtualTime};
use anabranch_sim::world::RunResult;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Limits so small that a few hundred records make many epochs, groups and snapshots.
pub(crate) fn small_limits() -> PipelineConfig {
    PipelineConfig {
        binary: "test".into(),
        epoch_bytes_max: 300,
        fetch_bytes: 256,
        split_buffer_bytes_max: 512,
        flush_bytes: 400,
        flush_age_ms: 20,
        snapshot_bytes: 1_500,
        poison_starts: u32::MAX,
        ..PipelineConfig::default()
    }
}

/// Counts and sums by key and window, keeps the large values row by row, and keeps the
/// late rows: three sinks.
pub(crate) fn three_sinks() -> Arc<Plan> {
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
    let value = Expr::column(1, SqlType::BigInt.nullable());
    let large = Expr::call(">=", vec![value, limit], SqlType::Boolean.nullable());
    let large = plan.project(scan, Some(large), &[0, 1, 3]);
    plan.sink("large", "filesystem", large);
    let late = plan.side(events, SideKind::Late);
    let late = plan.project(late, None, &[0, 1, 8, 9]);
    plan.sink("late", "filesystem", late);
    Arc::new(plan.build())
}

/// The same counts for Kafka, Redis and ClickHouse, in chunks of two rows, and the records
/// themselves for ClickHouse, straight and through a staging table.
pub(crate) fn services() -> Arc<Plan> {
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
    let count = [("COUNT", None, SqlType::BigInt)];
    let counts = plan.window("counts", scan, window, &[0], &count);
    let counts = plan.project(counts, None, &[0, 2, 1]);
    let raw = plan.project(scan, None, &[0, 1, 3]);
    for (name, connector, input, option) in [
        ("topic", "kafka", counts, None),
        ("keys", "redis", counts, None),
        ("rows", "clickhouse", counts, Some(("partition-by", "k"))),
        ("raw", "clickhouse", raw, None),
        ("strict", "clickhouse", raw, Some(("mode", "strict"))),
    ] {
        let sink = plan.sink(name, connector, input);
        let table = plan.table_of_sink(sink);
        let table = plan.table_mut(table);
        if input == counts {
            table.primary_key = Some(vec![0, 1]);
        }
        let options = option.into_iter().chain([("sink.chunk-rows", "2")]);
        table.options.extend(options.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    Arc::new(plan.build())
}

/// Counts in windows of 100 ms over a table that grows.
pub(crate) fn growing(idle_timeout: &str) -> Arc<Plan> {
    let mut plan = PlanBuilder::default();
    let columns = [("v", SqlType::BigInt), ("ts", SqlType::Timestamp(3))];
    let events = plan.table("events", "filesystem", &columns, Some((1, 0)), false);
    let timeout = ("scan.watermark.idle-timeout".to_owned(), idle_timeout.to_owned());
    plan.table_mut(events).options.extend([timeout]);
    let scan = plan.scan(events);
    let window = Window::Tumble { size_ms: 100, offset_ms: 0 };
    let counts = plan.window("counts", scan, window, &[], &[("COUNT", None, SqlType::BigInt)]);
    let counts = plan.project(counts, None, &[0, 1]);
    plan.sink("counts", "filesystem", counts);
    Arc::new(plan.build())
}

fn split(name: &str, shape: SplitShape, records: Vec<Record>) -> SplitInput {
    SplitInput {
        table: "events".into(),
        name: name.into(),
        shape,
        added: VirtualTime(0),
        ended: None,
        records,
    }
}

fn record(number: u64, at: VirtualTime, text: String) -> Record {
    let kind = RecordKind::Whole { value: text.into(), timestamp_ms: None };
    Record { number, at, kind }
}

/// Two splits, a little out of order, now and then very late, as [`three_sinks`] reads
/// them. A record arrives every `every` at each.
pub(crate) fn two_splits(records: u64, shape: SplitShape, every: Span) -> Vec<SplitInput> {
    let line = |index: u64, name: &str, n: u64| {
        // A fixed, uneven pattern: no randomness is needed here.
        let step = (n * 37 + index * 11) % 60;
        let late = if n % 29 == 28 { 400 } else { 0 };
        let millis = (n * 13 + step).saturating_sub(late);
        let (key, value) = (["x", "y", "z"][(n % 3) as usize], (n * 7 + index) % 100);
        format!(
            r#"{{"k":"{key}","v":{value},"ts":"1970-01-01 00:00:{:02}.{:03}","_split":"{name}"}}"#,
            millis / 1000,
            millis % 1000,
        )
    };
    let names = ["a", "b"].into_iter().zip(0..);
    names
        .map(|(name, index)| {
            let at = |n: u64| VirtualTime(every.0 * n as i64);
            let records = (0..records).map(|n| record(n, at(n), line(index, name, n)));
            split(name, shape, records.collect())
        })
        .collect()
}

/// Records at these event times, one every `every`, as [`growing`] reads them.
pub(crate) fn times(name: &str, millis: &[u64], every: Span) -> SplitInput {
    let line = |ms: u64| {
        format!("{{\"v\":{ms},\"ts\":\"1970-01-01 00:00:{:02}.{:03}\"}}", ms / 1000, ms % 1000)
    };
    let at = |n: usize| VirtualTime(every.0 * n as i64);
    let records = millis.iter().enumerate();
    let records = records.map(|(n, ms)| record(n as u64, at(n), line(*ms)));
    split(name, SplitShape::Log, records.collect())
}

/// A plan of the job of three sinks.
pub(crate) fn plan(records: u64) -> RunPlan {
    let mut plan = RunPlan::calm("three-sinks", 7, small_limits());
    plan.splits = two_splits(records, SplitShape::File, Span(0));
    plan
}

/// What each sink shows at the end, in the order that rule E-3 promises.
pub(crate) fn rows(result: &RunResult) -> BTreeMap<String, Vec<String>> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let sinks = result.sinks.iter().map(|sink| {
        let mut lines: Vec<String> =
            sink.last.records.iter().map(|record| text(&record.value)).collect();
        if ["large", "late"].contains(&sink.table.as_str()) {
            // A stable sort keeps the order within a split.
            lines.sort_by_key(|line| {
                let at = line.find("\"_split\":").expect("the row tells its split");
                line[at..].split(',').next().map(|split| split.trim_end_matches('}').to_owned())
            });
        }
        (sink.table.clone(), lines)
    });
    sinks.collect()
}
