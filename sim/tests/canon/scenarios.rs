//! The canonical jobs with short inputs.

use anabranch_engine::ids::{NodeId, TableId};
use anabranch_engine::pipeline::PipelineConfig;
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{Plan, SideKind, Window};
use anabranch_engine::types::SqlType;
use anabranch_sim::plan::{Record, RecordKind, RunPlan, SplitInput, SplitShape, StoreKind, Stores};
use anabranch_sim::time::{Span, VirtualTime};
use std::sync::Arc;

/// A job with its input and its world.
#[derive(Clone)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) job: Arc<Plan>,
    pub(crate) plan: RunPlan,
}

/// All thirteen.
pub(crate) fn all() -> Vec<Scenario> {
    vec![
        tumble(),
        hop(),
        cumulate(),
        session(),
        nested(),
        late(),
        idle(),
        ended(),
        strict(),
        union(),
        fan_out(),
        mixed(),
        hash(),
    ]
}

/// More of them, for seeds only.
pub(crate) fn more() -> Vec<Scenario> {
    vec![lagging(), deep()]
}

/// A scenario over another journal, with so many records of each split at most.
pub(crate) fn over(scenario: &Scenario, journal: StoreKind, records: usize) -> Scenario {
    let mut scenario = scenario.clone();
    scenario.plan.splits.iter_mut().for_each(|split| split.records.truncate(records));
    scenario.plan.settings.stores.journal = journal;
    scenario.plan.settings.stores.snapshots = OBJECT;
    // The folder of a sink has a lock of its own: nobody takes it over from a process that
    // stands still.
    for table in scenario.job.tables.iter().filter(|table| table.connector == "filesystem") {
        scenario.plan.settings.stores.sink.insert(table.name.clone(), StoreKind::Ideal);
    }
    scenario
}

const COUNT: &[(&str, Option<usize>, SqlType)] = &[("COUNT", None, SqlType::BigInt)];
const TOTALS: &[(&str, Option<usize>, SqlType)] =
    &[("COUNT", None, SqlType::BigInt), ("SUM", Some(1), SqlType::BigInt)];

const LOCAL: StoreKind = StoreKind::Local;
const OBJECT: StoreKind = StoreKind::Object;
const TOPIC: StoreKind = StoreKind::Topic;

/// Windows of 100 ms, into files, beside local folders.
fn tumble() -> Scenario {
    let mut plan = PlanBuilder::default();
    let (_, scan) = events(&mut plan, "events", true);
    let window = Window::Tumble { size_ms: 100, offset_ms: 0 };
    let rows = plan.window("totals", scan, window, &[0], TOTALS);
    plan.sink("totals", "filesystem", rows);
    scenario("tumble", plan, two_splits(SplitShape::File), LOCAL)
}

/// Windows that overlap, into Redis by key and window.
fn hop() -> Scenario {
    let mut plan = PlanBuilder::default();
    let (_, scan) = events(&mut plan, "events", true);
    let window = Window::Hop { size_ms: 100, slide_ms: 50, offset_ms: 0 };
    let rows = counts(&mut plan, scan, window, COUNT);
    sink(&mut plan, "keys", "redis", rows, true, &[]);
    scenario("hop", plan, two_splits(SplitShape::Log), TOPIC)
}

/// Windows that grow, into ClickHouse by key and window.
fn cumulate() -> Scenario {
    let mut plan = PlanBuilder::default();
    let (_, scan) = events(&mut plan, "events", true);
    let window = Window::Cumulate { size_ms: 100, step_ms: 50, offset_ms: 0 };
    let rows = counts(&mut plan, scan, window, COUNT);
    sink(&mut plan, "rows", "clickhouse", rows, true, &[("partition-by", "k")]);
    scenario("cumulate", plan, two_splits(SplitShape::File), OBJECT)
}

/// Sessions, into Kafka.
fn session() -> Scenario {
    let mut plan = PlanBuilder::default();
    let (_, scan) = events(&mut plan, "events", true);
    let rows = counts(&mut plan, scan, Window::Session { gap_ms: 40 }, TOTALS);
    sink(&mut plan, "topic", "kafka", rows, false, &[]);
    scenario("session", plan, two_splits(SplitShape::Log), TOPIC)
}

/// Windows over windows, appended to ClickHouse.
fn nested() -> Scenario {
    let mut plan = PlanBuilder::default();
    let (_, scan) = events(&mut plan, "events", true);
    let window = Window::Tumble { size_ms: 50, offset_ms: 0 };
    let inner = plan.window("inner", scan, window, &[0], TOTALS);
    let window = Window::Tumble { size_ms: 200, offset_ms: 0 };
    let outer = plan.window(
        "outer",
        inner,
        window,
        &[],
        &[("COUNT", None, SqlType::BigInt), ("MAX", Some(1), SqlType::BigInt)],
    );
    let rows = plan.project(outer, None, &[0, 1, 2]);
    sink(&mut plan, "outer", "clickhouse", rows, false, &[]);
    scenario("nested", plan, two_splits(SplitShape::Log), OBJECT)
}

/// Three splits with late and broken records, which sinks of their own keep.
fn late() -> Scenario {
    let mut plan = PlanBuilder::default();
    let (table, scan) = events(&mut plan, "events", true);
    let window = Window::Tumble { size_ms: 50, offset_ms: 0 };
    let rows = counts(&mut plan, scan, window, COUNT);
    sink(&mut plan, "counts", "filesystem", rows, false, &[]);
    let late = plan.side(table, SideKind::Late);
    let late = plan.project(late, None, &[0, 1]);
    sink(&mut plan, "late", "kafka", late, false, &[]);
    let dead = plan.side(table, SideKind::Dead);
    sink(&mut plan, "dead", "filesystem", dead, false, &[]);
    let mut splits = two_splits(SplitShape::Log);
    let lines = [Some(300), Some(20), None, Some(320), Some(90), Some(410)];
    let lines = lines.into_iter().map(|ms| match ms {
        Some(ms) => line("c", ms, "z"),
        None => "{\"k\": \"z\", \"v\": tru".to_owned(),
    });
    splits.push(split("events", "c", SplitShape::Log, lines));
    splits.iter_mut().for_each(|split| split.records.truncate(6));
    scenario("late", plan, splits, LOCAL)
}

/// A split that falls idle and wakes up.
fn idle() -> Scenario {
    let mut plan = PlanBuilder::default();
    let (table, scan) = events(&mut plan, "events", false);
    let timeout = ("scan.watermark.idle-timeout".to_owned(), "60 ms".to_owned());
    plan.table_mut(table).options.extend([timeout]);
    let window = Window::Tumble { size_ms: 50, offset_ms: 0 };
    let rows = counts(&mut plan, scan, window, COUNT);
    sink(&mut plan, "topic", "kafka", rows, false, &[]);
    let mut splits = two_splits(SplitShape::Log);
    for record in splits[1].records.iter_mut().skip(2) {
        record.at = VirtualTime(record.at.0 + 150_000_000);
    }
    let mut idle = scenario("idle", plan, splits, OBJECT);
    idle.plan.settings.timing.hold = Span::ms(20);
    idle
}

/// A split that ends while another goes on, and one that comes late.
fn ended() -> Scenario {
    let mut plan = PlanBuilder::default();
    let (table, scan) = events(&mut plan, "events", false);
    let timeout = ("scan.watermark.idle-timeout".to_owned(), "200 ms".to_owned());
    plan.table_mut(table).options.extend([timeout]);
    let window = Window::Tumble { size_ms: 50, offset_ms: 0 };
    let rows = counts(&mut plan, scan, window, COUNT);
    sink(&mut plan, "keys", "redis", rows, true, &[]);
    let mut splits = two_splits(SplitShape::Log);
    splits[1].records.truncate(4);
    splits[1].ended = Some(VirtualTime(30_000_000));
    let mut third =
        split("events", "c", SplitShape::Log, (0..4).map(|n| line("c", 200 + 60 * n, "y")));
    third.added = VirtualTime(40_000_000);
    third.records.iter_mut().for_each(|record| record.at = VirtualTime(record.at.0 + 40_000_000));
    splits.push(third);
    scenario("ended", plan, splits, TOPIC)
}

/// The records themselves, through a staging table into a plain one.
fn strict() -> Scenario {
    let mut plan = PlanBuilder::default();
    let (_, scan) = events(&mut plan, "events", true);
    let rows = plan.project(scan, None, &[0, 1, 3]);
    sink(&mut plan, "strict", "clickhouse", rows, false, &[("mode", "strict")]);
    scenario("strict", plan, two_splits(SplitShape::Log), TOPIC)
}

/// Two tables in one window.
fn union() -> Scenario {
    let mut plan = PlanBuilder::default();
    let (_, first) = events(&mut plan, "events", true);
    let (_, second) = events(&mut plan, "others", true);
    let both = plan.union(&[first, second]);
    let window = Window::Tumble { size_ms: 100, offset_ms: 0 };
    let rows = counts(&mut plan, both, window, TOTALS);
    sink(&mut plan, "keys", "redis", rows, true, &[]);
    let mut splits = two_splits(SplitShape::Log);
    splits[1].table = "others".to_owned();
    scenario("union", plan, splits, OBJECT)
}

/// Three kinds of sinks at once.
fn fan_out() -> Scenario {
    let mut plan = PlanBuilder::default();
    let (_, scan) = events(&mut plan, "events", true);
    let window = Window::Tumble { size_ms: 100, offset_ms: 0 };
    let rows = counts(&mut plan, scan, window, COUNT);
    sink(&mut plan, "topic", "kafka", rows, false, &[]);
    sink(&mut plan, "keys", "redis", rows, true, &[]);
    sink(&mut plan, "rows", "clickhouse", rows, true, &[]);
    scenario("fan-out", plan, two_splits(SplitShape::Log), TOPIC)
}

/// A sink that is given up soon beside one that is not.
fn lagging() -> Scenario {
    let mut plan = PlanBuilder::default();
    let (_, scan) = events(&mut plan, "events", true);
    let window = Window::Tumble { size_ms: 50, offset_ms: 0 };
    let rows = counts(&mut plan, scan, window, COUNT);
    let soon = [("sink.lag-budget", "200 ms"), ("sink.on-lag", "give-up")];
    sink(&mut plan, "topic", "kafka", rows, false, &soon);
    sink(&mut plan, "keys", "redis", rows, true, &soon);
    sink(&mut plan, "rows", "clickhouse", rows, true, &[]);
    scenario("lagging", plan, two_splits(SplitShape::Log), OBJECT)
}

/// Windows over sessions, and extremes of windows that overlap.
fn deep() -> Scenario {
    let mut plan = PlanBuilder::default();
    let (_, scan) = events(&mut plan, "events", true);
    let inner = plan.window("inner", scan, Window::Session { gap_ms: 100 }, &[0], TOTALS);
    let window = Window::Tumble { size_ms: 200, offset_ms: 0 };
    let outer = plan.window("outer", inner, window, &[], TOTALS);
    let rows = plan.project(outer, None, &[0, 1, 2]);
    sink(&mut plan, "outer", "filesystem", rows, false, &[]);
    let extremes: &[(&str, Option<usize>, SqlType)] =
        &[("MIN", Some(1), SqlType::BigInt), ("MAX", Some(1), SqlType::BigInt)];
    let window = Window::Hop { size_ms: 4_000, slide_ms: 500, offset_ms: 0 };
    let rows = counts(&mut plan, scan, window, extremes);
    sink(&mut plan, "keys", "redis", rows, true, &[]);
    // The session of 100 ends with the first window, when the watermark has come to the
    // last millisecond of both: 229 - 30.
    let splits = [("a", vec![10, 100, 229, 240, 329, 500]), ("b", vec![229, 231, 429, 700])];
    let lines = |name: &'static str, times: Vec<u64>| {
        times.into_iter().map(move |ms| line(name, ms, if ms == 100 { "x" } else { "y" }))
    };
    let splits =
        splits.map(|(name, times)| split("events", name, SplitShape::Log, lines(name, times)));
    scenario("deep", plan, splits.into(), OBJECT)
}

/// Files, a topic and a table, of windows and of records, beside local folders.
fn mixed() -> Scenario {
    let mut plan = PlanBuilder::default();
    let (_, scan) = events(&mut plan, "events", true);
    let window = Window::Tumble { size_ms: 100, offset_ms: 0 };
    let rows = counts(&mut plan, scan, window, COUNT);
    sink(&mut plan, "files", "filesystem", rows, false, &[]);
    let raw = plan.project(scan, None, &[0, 1, 3]);
    sink(&mut plan, "topic", "kafka", raw, false, &[]);
    sink(&mut plan, "raw", "clickhouse", raw, false, &[]);
    scenario("mixed", plan, two_splits(SplitShape::File), LOCAL)
}

/// Windows into Redis, each as a hash with a field for each column.
fn hash() -> Scenario {
    let mut plan = PlanBuilder::default();
    let (_, scan) = events(&mut plan, "events", true);
    let window = Window::Tumble { size_ms: 50, offset_ms: 0 };
    let rows = counts(&mut plan, scan, window, TOTALS);
    sink(&mut plan, "keys", "redis", rows, true, &[("value.type", "hash")]);
    scenario("hash", plan, two_splits(SplitShape::File), LOCAL)
}

fn events(plan: &mut PlanBuilder, name: &str, bounded: bool) -> (TableId, NodeId) {
    let columns = [
        ("k", SqlType::STRING),
        ("v", SqlType::BigInt),
        ("ts", SqlType::Timestamp(3)),
        ("_split", SqlType::STRING),
    ];
    let table = plan.table(name, "filesystem", &columns, Some((2, 30)), bounded);
    let scan = plan.scan(table);
    (table, scan)
}

/// Aggregates by key and window, as key, start of the window, aggregates.
fn counts(
    plan: &mut PlanBuilder,
    input: NodeId,
    window: Window,
    aggregates: &[(&str, Option<usize>, SqlType)],
) -> NodeId {
    let rows = plan.window("counts", input, window, &[0], aggregates);
    let start = 1 + aggregates.len();
    let columns: Vec<usize> = [0, start, start + 1].into_iter().chain(1..start).collect();
    plan.project(rows, None, &columns)
}

fn sink(
    plan: &mut PlanBuilder,
    name: &str,
    connector: &str,
    input: NodeId,
    keyed: bool,
    options: &[(&str, &str)],
) {
    let sink = plan.sink(name, connector, input);
    let table = plan.table_of_sink(sink);
    let table = plan.table_mut(table);
    if keyed {
        // A window that grows has several ends, one that hops several starts.
        table.primary_key = Some(vec![0, 1, 2]);
    }
    let options = options.iter().chain(&[("sink.chunk-rows", "2")]);
    table.options.extend(options.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
}

fn scenario(
    name: &'static str,
    plan: PlanBuilder,
    splits: Vec<SplitInput>,
    journal: StoreKind,
) -> Scenario {
    let mut job = plan.build();
    let is_log = |table: &str| {
        splits.iter().any(|split| split.table == table && split.shape == SplitShape::Log)
    };
    for table in job.tables.iter_mut().filter(|table| is_log(&table.name)) {
        table.connector = "kafka".to_owned();
    }
    let mut run = RunPlan::calm(name, 7, small_limits());
    run.splits = splits;
    let snapshots = if journal == TOPIC { OBJECT } else { journal };
    run.settings.stores =
        Stores { journal, snapshots, sinks: StoreKind::Connector, ..Stores::default() };
    Scenario { name, job: Arc::new(job), plan: run }
}

/// Limits so small that a dozen records make several epochs, groups and snapshots.
fn small_limits() -> PipelineConfig {
    PipelineConfig {
        binary: "test".into(),
        epoch_bytes_max: 300,
        fetch_bytes: 256,
        split_buffer_bytes_max: 512,
        flush_bytes: 300,
        flush_age_ms: 20,
        snapshot_bytes: 700,
        poison_starts: u32::MAX,
        ..PipelineConfig::default()
    }
}

fn line(split: &str, ms: u64, key: &str) -> String {
    let value = ms * 7 % 100;
    format!(
        r#"{{"k":"{key}","v":{value},"ts":"1970-01-01 00:00:{:02}.{:03}","_split":"{split}"}}"#,
        ms / 1_000,
        ms % 1_000
    )
}

/// A record every 5 ms.
fn split(
    table: &str,
    name: &str,
    shape: SplitShape,
    lines: impl Iterator<Item = String>,
) -> SplitInput {
    let records = lines.zip(0..).map(|(line, number)| Record {
        number,
        at: VirtualTime(Span::ms(5).0 * number as i64),
        kind: RecordKind::Whole { value: line.into(), timestamp_ms: None },
    });
    SplitInput {
        table: table.to_owned(),
        name: name.to_owned(),
        shape,
        added: VirtualTime(0),
        ended: None,
        records: records.collect(),
    }
}

/// Two splits of which one is behind, out of order, and once too late.
fn two_splits(shape: SplitShape) -> Vec<SplitInput> {
    let first = [10, 60, 45, 130, 120, 10, 260, 310];
    let second = [40, 25, 110, 150, 220, 205, 330];
    let keys = ["x", "y"];
    let lines = |name: &'static str, times: &[u64]| {
        let times = times.to_vec();
        times.into_iter().enumerate().map(move |(n, ms)| line(name, ms, keys[n % 2]))
    };
    vec![
        split("events", "a", shape, lines("a", &first)),
        split("events", "b", shape, lines("b", &second)),
    ]
}
