//! Small jobs: each has what some planted bugs need in order to show.

use anabranch_engine::diagnostic::Span;
use anabranch_engine::expr::{ContextValue, Expr, ExprKind, FunctionRef};
use anabranch_engine::ids::{NodeId, TableId};
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{AggregateCall, Plan, SideKind, Window};
use anabranch_engine::types::{SqlType, Value};

const COUNT: (&str, Option<usize>, SqlType) = ("COUNT", None, SqlType::BigInt);
const K: usize = 0;
const V: usize = 1;
const D: usize = 2;

/// A table of keys, values and times, with a watermark so many ms behind.
fn events(plan: &mut PlanBuilder, delay_ms: i64, bounded: bool) -> TableId {
    let columns = [
        ("k", SqlType::STRING),
        ("v", SqlType::BigInt),
        ("d", SqlType::Double),
        ("ts", SqlType::Timestamp(3)),
    ];
    plan.table("events", "filesystem", &columns, Some((3, delay_ms)), bounded)
}

fn tumble(size_ms: i64) -> Window {
    Window::Tumble { size_ms, offset_ms: 0 }
}

/// Counts of a key by window.
fn counts(plan: &mut PlanBuilder, scan: NodeId, size_ms: i64) -> NodeId {
    let counts = plan.window("counts", scan, tumble(size_ms), &[K], &[COUNT]);
    plan.project(counts, None, &[0, 2, 1])
}

/// Tumbling and sliding windows over rows of which some are late.
pub(super) fn aligned() -> Plan {
    let mut plan = PlanBuilder::default();
    let events = events(&mut plan, 1, true);
    let scan = plan.scan(events);
    let totals =
        [COUNT, ("SUM", Some(D), SqlType::Double), ("FIRST_VALUE", Some(V), SqlType::BigInt)];
    let totals = plan.window("totals", scan, tumble(1_000), &[K], &totals);
    plan.sink("totals", "filesystem", totals);
    let hop = Window::Hop { size_ms: 3_000, slide_ms: 1_000, offset_ms: 0 };
    let hops = plan.window("hops", scan, hop, &[], &[COUNT]);
    plan.sink("hops", "filesystem", hops);
    let count = AggregateCall {
        function: FunctionRef { name: "COUNT".to_owned(), version: 1 },
        args: Vec::new(),
        distinct: false,
        filter: None,
        ty: SqlType::BigInt.nullable(),
        text: "COUNT".to_owned(),
    };
    let patient = plan.aggregate("patient", scan, tumble(1_000), &[], vec![count], 2_000);
    plan.sink("patient", "filesystem", patient);
    let late = plan.side(events, SideKind::Late);
    let late = plan.project(late, None, &[K, V]);
    plan.sink("late", "filesystem", late);
    plan.build()
}

/// Sessions of each key.
pub(super) fn sessions() -> Plan {
    let mut plan = PlanBuilder::default();
    let events = events(&mut plan, 150, true);
    let scan = plan.scan(events);
    for gap_ms in [100, 1_000] {
        let name = format!("gap{gap_ms}");
        let window = Window::Session { gap_ms };
        let sessions =
            plan.window(&name, scan, window, &[K], &[COUNT, ("SUM", Some(V), SqlType::BigInt)]);
        plan.sink(&name, "filesystem", sessions);
    }
    plan.build()
}

/// Windows over the results of windows.
pub(super) fn nested() -> Plan {
    let mut plan = PlanBuilder::default();
    let events = events(&mut plan, 5, true);
    let scan = plan.scan(events);
    let inner = plan.window("inner", scan, tumble(100), &[K], &[COUNT]);
    let sum = [COUNT, ("SUM", Some(1), SqlType::BigInt)];
    let outer = plan.window("outer", inner, tumble(300), &[], &sum);
    plan.sink("outer", "filesystem", outer);
    plan.build()
}

/// Counts over a table that grows.
pub(super) fn growing() -> Plan {
    let mut plan = PlanBuilder::default();
    let events = events(&mut plan, 5, false);
    let timeout = ("scan.watermark.idle-timeout".to_owned(), "50 ms".to_owned());
    plan.table_mut(events).options.extend([timeout]);
    let scan = plan.scan(events);
    let counts = counts(&mut plan, scan, 100);
    plan.sink("counts", "filesystem", counts);
    let late = plan.side(events, SideKind::Late);
    let late = plan.project(late, None, &[K, V]);
    plan.sink("late", "filesystem", late);
    plan.build()
}

/// As [`growing`], and each row with the clock's reading.
pub(super) fn ticks() -> Plan {
    let mut plan = PlanBuilder::default();
    let events = events(&mut plan, 5, false);
    let timeout = ("scan.watermark.idle-timeout".to_owned(), "50 ms".to_owned());
    plan.table_mut(events).options.extend([timeout]);
    let scan = plan.scan(events);
    let tick = ExprKind::Context(ContextValue::Tick);
    let tick = Expr { kind: tick, ty: SqlType::TimestampLtz(3).not_null(), span: Span::default() };
    let columns = vec![
        (Expr::column(K, SqlType::STRING.nullable()), "k".to_owned()),
        (Expr::column(V, SqlType::BigInt.nullable()), "v".to_owned()),
        (tick, "seen".to_owned()),
    ];
    let stamped = plan.calc(scan, None, columns, None);
    plan.sink("stamped", "filesystem", stamped);
    let counts = counts(&mut plan, scan, 100);
    plan.sink("counts", "filesystem", counts);
    plan.build()
}

/// Counts by window, large values row by row, and late rows.
pub(super) fn three_sinks() -> Plan {
    three_sinks_of("filesystem")
}

/// As [`three_sinks`], of logs and not of files.
pub(super) fn three_sinks_of_logs() -> Plan {
    three_sinks_of("kafka")
}

fn three_sinks_of(connector: &str) -> Plan {
    let mut plan = PlanBuilder::default();
    let events = events(&mut plan, 50, true);
    plan.table_mut(events).connector = connector.to_owned();
    let scan = plan.scan(events);
    let counts = counts(&mut plan, scan, 100);
    plan.sink("counts", "filesystem", counts);
    let limit = Expr::literal(Value::Int(0), SqlType::BigInt.not_null());
    let value = Expr::column(V, SqlType::BigInt.nullable());
    let large = Expr::call(">=", vec![value, limit], SqlType::Boolean.nullable());
    let large = plan.project(scan, Some(large), &[K, V]);
    plan.sink("large", "filesystem", large);
    let late = plan.side(events, SideKind::Late);
    let late = plan.project(late, None, &[K, V]);
    plan.sink("late", "filesystem", late);
    plan.build()
}

/// A job with one sink, in chunks of two rows: records as they are, or counts by key.
fn one_sink(connector: &str, is_keyed: bool, options: &[(&str, &str)]) -> Plan {
    let chunks = [&[("sink.chunk-rows", "2")], options].concat();
    whole_sink(connector, is_keyed, &chunks)
}

/// A job with one sink: records as they are, or counts by key.
fn whole_sink(connector: &str, is_keyed: bool, options: &[(&str, &str)]) -> Plan {
    let mut plan = PlanBuilder::default();
    let events = events(&mut plan, 50, true);
    let scan = plan.scan(events);
    let input = match is_keyed {
        true => counts(&mut plan, scan, 100),
        false => plan.project(scan, None, &[K, V]),
    };
    let sink = plan.sink("results", connector, input);
    let table = plan.table_of_sink(sink);
    let table = plan.table_mut(table);
    if is_keyed {
        table.primary_key = Some(vec![0, 1]);
    }
    let options = options.iter();
    table.options.extend(options.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    plan.build()
}

pub(super) fn kafka() -> Plan {
    one_sink("kafka", false, &[])
}

pub(super) fn redis() -> Plan {
    one_sink("redis", true, &[])
}

pub(super) fn clickhouse_append() -> Plan {
    one_sink("clickhouse", false, &[])
}

pub(super) fn clickhouse_keyed() -> Plan {
    one_sink("clickhouse", true, &[("partition-by", "k")])
}

pub(super) fn clickhouse_strict() -> Plan {
    one_sink("clickhouse", false, &[("mode", "strict")])
}

/// A Kafka sink in chunks as large as they come.
pub(super) fn kafka_whole() -> Plan {
    whole_sink("kafka", false, &[])
}

/// A Redis sink of records as they are, in chunks as large as they come.
pub(super) fn redis_whole() -> Plan {
    let mut plan = whole_sink("redis", false, &[]);
    let results = plan.tables.iter_mut().find(|table| table.name == "results");
    let results = results.expect("the job has a sink");
    results.primary_key = Some(vec![K, V]);
    plan
}
