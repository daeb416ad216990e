//! The small traces in brackets of the rules, and their bounds, on whole dataflows:
//! each in every interleaving of the splits, and for every cut into epochs.

use crate::world::{Entry, World, split_name, text_of, timestamp};
use anabranch_engine::dataflow::Control;
use anabranch_engine::expr::{ContextValue, Expr, ExprKind, FunctionRef};
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{AggregateCall, Plan, SideKind, Window};
use anabranch_engine::time::Watermark;
use anabranch_engine::types::{SqlType, Value};
use std::sync::Arc;

/// The first version of an aggregate, whose text is its name.
pub(crate) fn call(function: &str, args: &[usize], ty: SqlType) -> AggregateCall {
    AggregateCall {
        function: FunctionRef { name: function.into(), version: 1 },
        args: args.to_vec(),
        distinct: false,
        filter: None,
        ty: ty.nullable(),
        text: function.into(),
    }
}

/// One table `t` with columns ts and d, and one window over it with a sink.
pub(crate) fn one_window(
    window: Window,
    delay: i64,
    bounded: bool,
    calls: &[AggregateCall],
) -> Arc<Plan> {
    let mut plan = PlanBuilder::default();
    let columns = [("ts", SqlType::Timestamp(3)), ("d", SqlType::Double)];
    let table = plan.table("t", "filesystem", &columns, Some((0, delay)), bounded);
    let scan = plan.scan(table);
    let window = plan.aggregate("out", scan, window, &[], calls.to_vec(), 0);
    let width = plan.schema_of(window).len();
    // The window's time says nothing that its end does not.
    let columns: Vec<usize> = (0..width - 1).collect();
    let rows = plan.project(window, None, &columns);
    plan.sink("out", "print", rows);
    Arc::new(plan.build())
}

pub(crate) fn tumble(size_ms: i64) -> Window {
    Window::Tumble { size_ms, offset_ms: 0 }
}

/// A record at this time.
pub(crate) fn at(ms: i64) -> Entry {
    value_at(ms, "0.0")
}

pub(crate) fn value_at(ms: i64, value: &str) -> Entry {
    Entry::Lines(format!("{{\"ts\":\"{}\",\"d\":{value}}}\n", timestamp(ms)))
}

/// `[start, end): ` and the aggregates of each window that a sink got, in order.
pub(crate) fn windows(world: &World, sink: &str) -> Vec<String> {
    let key = (format!("{sink}.sink"), String::new());
    let rows = world.results.timed.get(&key).cloned().unwrap_or_default();
    rows.iter().map(|row| window_text(row)).collect()
}

/// Times within the first minute of 1970, in ms.
fn window_text(row: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(row).unwrap();
    let time = |name: &str| {
        let text = value[name].as_str().unwrap();
        let format = "%Y-%m-%d %H:%M:%S%.f";
        let parsed = chrono::NaiveDateTime::parse_from_str(text, format).unwrap();
        parsed.and_utc().timestamp_millis()
    };
    let aggregates: Vec<String> =
        (0..).map_while(|index| value.get(format!("a{index}"))).map(ToString::to_string).collect();
    format!("[{}, {}): {}", time("window_start"), time("window_end"), aggregates.join(" "))
}

/// Every way in which the scripts of splits can be interleaved, each as the numbers
/// of the splits in turn.
fn interleavings(left: &[usize]) -> Vec<Vec<usize>> {
    if left.iter().all(|count| *count == 0) {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for split in (0..left.len()).filter(|split| left[*split] > 0) {
        let mut rest = left.to_vec();
        rest[split] -= 1;
        for mut tail in interleavings(&rest) {
            tail.insert(0, split);
            all.push(tail);
        }
    }
    all
}

/// Runs the scripts of splits A, B, … in every interleaving, for every cut into
/// epochs, on one and on several pieces; gives each result that came out, once. All
/// splits are there from the first epoch on.
fn in_every_way(plan: &Arc<Plan>, scripts: &[Vec<Entry>]) -> Vec<Vec<String>> {
    let counts: Vec<usize> = scripts.iter().map(Vec::len).collect();
    let mut results: Vec<Vec<String>> = Vec::new();
    for order in interleavings(&counts) {
        for cuts in 0..1_u32 << (order.len() - 1) {
            let mut world = World::new(plan);
            let name = |split: usize| split_name(0, ["A", "B", "C"][split]);
            let mut entries: Vec<_> = (0..scripts.len())
                .map(|split| (name(split), Entry::Added(Some(Watermark::NONE))))
                .collect();
            let mut next = vec![0; scripts.len()];
            for (place, split) in order.iter().enumerate() {
                entries.push((name(*split), scripts[*split][next[*split]].clone()));
                next[*split] += 1;
                if cuts >> place & 1 == 1 {
                    world.epoch(&std::mem::take(&mut entries), 1 + place % 2);
                }
            }
            world.epoch(&entries, 4);
            let mut result = windows(&world, "out");
            let late = &world.results.late;
            result.extend(late.iter().map(|(split, rows)| format!("{split} late {}", rows.len())));
            if !results.contains(&result) {
                results.push(result);
            }
        }
    }
    results
}

#[test]
fn a_sum_of_1e16_1_and_minus_1e16_is_1_in_every_interleaving() {
    // spec: E-6
    let sum = [call("SUM", &[1], SqlType::Double)];
    let plan = one_window(tumble(10), 0, true, &sum);
    let a = vec![value_at(1, "1e16"), value_at(2, "1"), Entry::Ended];
    let b = vec![value_at(1, "-1e16"), Entry::Ended];
    assert_eq!(in_every_way(&plan, &[a, b]), [["[0, 10): 1.0"]]);
}

#[test]
fn a_sum_of_1e308_1e308_and_minus_1e308_is_1e308_in_any_order() {
    // spec: E-6
    let sum = [call("SUM", &[1], SqlType::Double)];
    let plan = one_window(tumble(10), 0, true, &sum);
    let splits = ["1e308", "1e308", "-1e308"].map(|value| vec![value_at(1, value), Entry::Ended]);
    assert_eq!(in_every_way(&plan, &splits), [["[0, 10): 1e+308"]]);
}

#[test]
fn an_average_of_large_values_is_rounded_once() {
    // spec: E-6
    let average = [call("AVG", &[1], SqlType::Double)];
    let plan = one_window(tumble(10), 0, true, &average);
    let a = vec![value_at(1, "1000000001"), value_at(1, "1e308"), Entry::Ended];
    let b = vec![value_at(1, "1000000003"), value_at(1, "-1e308"), Entry::Ended];
    assert_eq!(in_every_way(&plan, &[a, b]), [["[0, 10): 500000001.0"]]);
}

#[test]
fn a_late_hop_row_counts_in_the_window_that_is_still_open() {
    // spec: T-2
    let hop = Window::Hop { size_ms: 10, slide_ms: 5, offset_ms: 0 };
    let plan = one_window(hop, 2, true, &[call("COUNT", &[], SqlType::BigInt)]);
    let a = vec![at(7), at(2), Entry::Ended];
    let results = in_every_way(&plan, &[a]);
    // The watermark is 5 before the 2, so [-5, 5) is closed and [0, 10) is not.
    assert_eq!(results, [["[0, 10): 2", "[5, 15): 1", "0/A late 1"]]);
}

#[test]
fn a_session_over_two_splits_does_not_depend_on_when_the_second_is_read() {
    // spec: T-2
    // Minutes as ms: a gap of 30, a delay of 5; 10:00, 10:41, 10:10 and 10:41.
    let plan =
        one_window(Window::Session { gap_ms: 30 }, 5, true, &[call("COUNT", &[], SqlType::BigInt)]);
    let a = vec![at(600), at(641), at(610), Entry::Ended];
    let b = vec![at(641), Entry::Ended];
    let results = in_every_way(&plan, &[a, b]);
    // The watermark of A is 636 before the 610, which is late however far B is.
    assert_eq!(results, [["[600, 630): 1", "[641, 671): 2", "0/A late 1"]]);
}

#[test]
fn a_window_holds_the_rows_of_a_split_that_was_idle_in_every_interleaving() {
    // spec: T-3
    let plan = one_window(tumble(10), 0, false, &[call("COUNT", &[], SqlType::BigInt)]);
    let (a, b) = (split_name(0, "A"), split_name(0, "B"));
    let mut world = World::new(&plan);
    let added = |name: &_| (Clone::clone(name), Entry::Added(None));
    let first = [added(&a), added(&b), (a.clone(), at(12)), (b.clone(), Entry::Idle)];
    let output = world.epoch(&first, 1);
    // The idle split is advanced to where A stands, and that is journaled.
    let advance = Control::Advance(Watermark(12));
    assert_eq!(output.controls.last().unwrap().1, advance);
    let last = [(b.clone(), at(15)), (b, at(100)), (a, at(100))];
    world.epoch(&last, 1);
    assert_eq!(windows(&world, "out"), ["[10, 20): 2"]);

    let a = vec![at(12), at(100)];
    let b = vec![Entry::Advance(Watermark(12)), at(15), at(100)];
    assert_eq!(in_every_way(&plan, &[a, b]), [["[10, 20): 2"]]);
}

#[test]
fn time_does_not_end_while_an_idle_split_is_left() {
    // spec: T-3
    let plan = one_window(tumble(10), 0, true, &[call("COUNT", &[], SqlType::BigInt)]);
    let (a, b) = (split_name(0, "A"), split_name(0, "B"));
    let mut world = World::new(&plan);
    let first = [&a, &b].map(|name| (name.clone(), Entry::Added(None)));
    world.epoch(&first, 1);
    world.epoch(&[(a.clone(), at(5)), (b.clone(), at(3)), (b.clone(), Entry::Idle)], 1);
    let output = world.epoch(&[(a.clone(), at(25)), (a, Entry::Ended)], 1);
    // A has left the minimum, so nothing tells how far the idle B may be taken.
    assert_eq!(output.controls, []);
    assert_eq!(world.output_watermark("out"), Watermark(5));
    assert_eq!(windows(&world, "out"), [""; 0]);
    world.epoch(&[(b.clone(), at(26))], 1);
    assert_eq!(windows(&world, "out"), ["[0, 10): 2"]);
    world.epoch(&[(b, Entry::Ended)], 1);
    assert_eq!(world.output_watermark("out"), Watermark::END);
    assert_eq!(windows(&world, "out"), ["[0, 10): 2", "[20, 30): 2"]);
}

#[test]
fn a_row_at_the_watermark_is_late_and_one_above_is_not() {
    // spec: T-1, T-2
    let session = Window::Session { gap_ms: 3 };
    let plan = one_window(session, 0, true, &[call("COUNT", &[], SqlType::BigInt)]);
    let a = vec![at(20), at(20), at(21), Entry::Ended];
    assert_eq!(in_every_way(&plan, &[a]), [["[20, 24): 2", "0/A late 1"]]);
}

#[test]
fn a_window_fires_at_its_end_minus_one_and_takes_no_row_from_then_on() {
    // spec: T-1, T-2, T-5
    let plan = one_window(tumble(10), 0, false, &[call("COUNT", &[], SqlType::BigInt)]);
    let a = split_name(0, "A");
    let mut world = World::new(&plan);
    world.epoch(&[(a.clone(), Entry::Added(None)), (a.clone(), at(8))], 1);
    assert_eq!(windows(&world, "out"), [""; 0]);
    // A row at the last millisecond counts, and closes the window behind itself.
    world.epoch(&[(a.clone(), at(9)), (a, at(9))], 1);
    assert_eq!(windows(&world, "out"), ["[0, 10): 2"]);
    assert_eq!(world.results.late["0/A"].len(), 1);
}

#[test]
fn rows_exactly_a_gap_apart_are_together_and_the_session_fires_at_its_end() {
    // spec: T-1
    let session = Window::Session { gap_ms: 10 };
    let count = [call("COUNT", &[], SqlType::BigInt)];
    let plan = one_window(session, 5, true, &count);
    let a = vec![at(0), at(20), Entry::Ended];
    let b = vec![at(10), at(31), Entry::Ended];
    assert_eq!(in_every_way(&plan, &[a, b]), [["[0, 30): 3", "[31, 41): 1"]]);

    let plan = one_window(session, 0, false, &count);
    let a = split_name(0, "A");
    let mut world = World::new(&plan);
    let advance = |to: i64| [(a.clone(), Entry::Advance(Watermark(to)))];
    world.epoch(&[(a.clone(), Entry::Added(None)), (a.clone(), at(0))], 1);
    world.epoch(&advance(9), 1);
    assert_eq!(windows(&world, "out"), [""; 0]);
    world.epoch(&advance(10), 1);
    assert_eq!(windows(&world, "out"), ["[0, 10): 1"]);
}

#[test]
fn allowed_lateness_holds_a_window_open() {
    // spec: T-2, T-5
    let mut plan = PlanBuilder::default();
    let columns = [("ts", SqlType::Timestamp(3)), ("d", SqlType::Double)];
    let table = plan.table("t", "filesystem", &columns, Some((0, 0)), true);
    let scan = plan.scan(table);
    let count = vec![call("COUNT", &[], SqlType::BigInt)];
    let window = plan.aggregate("out", scan, tumble(10), &[], count, 3);
    plan.sink("out", "print", window);
    let plan = Arc::new(plan.build());
    let a = vec![at(11), at(5), at(12), at(6), Entry::Ended];
    assert_eq!(in_every_way(&plan, &[a]), [["[0, 10): 1", "[10, 20): 2", "0/A late 1"]]);
}

#[test]
fn the_current_watermark_is_the_own_split_s_before_the_row() {
    // spec: T-1
    let mut plan = PlanBuilder::default();
    let columns = [("ts", SqlType::Timestamp(3)), ("d", SqlType::Double)];
    let table = plan.table("t", "filesystem", &columns, Some((0, 2)), true);
    let scan = plan.scan(table);
    let watermark = Expr {
        kind: ExprKind::Context(ContextValue::CurrentWatermark),
        ty: SqlType::Timestamp(3).nullable(),
        span: Default::default(),
    };
    let rows = plan.calc(scan, None, vec![(watermark, "w".into())], None);
    plan.sink("out", "print", rows);
    let (a, b) = (split_name(0, "A"), split_name(0, "B"));
    let mut world = World::new(&Arc::new(plan.build()));
    let entries = [
        (a.clone(), Entry::Added(None)),
        (b.clone(), Entry::Added(None)),
        (b.clone(), at(500)),
        (a.clone(), at(7)),
        (a.clone(), at(3)),
        (a.clone(), Entry::Advance(Watermark(40))),
        (a.clone(), at(45)),
    ];
    world.epoch(&entries, 1);
    let of = |name| world.results.recorded[&("out.sink".to_owned(), text_of(name))].clone();
    let second = |ms: &str| format!("{{\"w\":\"1970-01-01 00:00:00.{ms}\"}}");
    assert_eq!(of(&a), ["{\"w\":null}".to_owned(), second("005"), second("04")]);
    assert_eq!(of(&b), ["{\"w\":null}"]);
}

/// Tables `one` and `two`; the operator `near` over `one`, and `far` over both.
fn near_and_far() -> Arc<Plan> {
    let mut plan = PlanBuilder::default();
    let columns = [("ts", SqlType::Timestamp(3)), ("d", SqlType::Double)];
    let scans = ["one", "two"].map(|name| {
        let table = plan.table(name, "filesystem", &columns, Some((0, 0)), false);
        plan.scan(table)
    });
    let both = plan.union(&scans);
    let count = vec![call("COUNT", &[], SqlType::BigInt)];
    let near = plan.aggregate("near", scans[0], tumble(10), &[], count.clone(), 0);
    let far = plan.aggregate("far", both, tumble(10), &[], count, 0);
    plan.sink("near_out", "print", near);
    plan.sink("far_out", "print", far);
    Arc::new(plan.build())
}

#[test]
fn an_idle_split_is_advanced_as_far_as_the_operator_that_has_come_farthest() {
    // spec: T-3
    let (a, b) = (split_name(0, "A"), split_name(0, "B"));
    let other = split_name(1, "C");
    let mut world = World::new(&near_and_far());
    let first = [&a, &b, &other].map(|name| (name.clone(), Entry::Added(None)));
    world.epoch(&first, 1);
    let entries = [
        (a.clone(), Entry::Idle),
        (b.clone(), at(50)),
        (other.clone(), at(12)),
        (a.clone(), at(3)),
    ];
    let output = world.epoch(&entries, 1);
    // The record behind the mark ends the idleness.
    assert_eq!(output.controls, []);
    let output = world.epoch(&[(a.clone(), Entry::Idle)], 1);
    let id = world.id(&a).unwrap();
    assert_eq!(output.controls, [(id, Control::Advance(Watermark(50)))]);
    // Statements do not hold each other up: `near` is at 50, `far` at 12.
    assert_eq!(world.output_watermark("near"), Watermark(50));
    assert_eq!(world.output_watermark("far"), Watermark(12));
    assert_eq!(windows(&world, "near_out"), ["[0, 10): 1"]);
    assert_eq!(windows(&world, "far_out"), ["[0, 10): 1"]);
    // With the others idle as well, nobody tells how far a split may go.
    let output = world.epoch(&[(b, Entry::Idle), (other, Entry::Idle)], 1);
    assert_eq!(output.controls, []);
}

#[test]
fn a_new_split_starts_at_the_largest_watermark_of_an_operator_that_it_feeds() {
    // spec: T-3
    let (a, c) = (split_name(0, "A"), split_name(1, "C"));
    let mut world = World::new(&near_and_far());
    let first = [&a, &c].map(|name| (name.clone(), Entry::Added(None)));
    world.epoch(&first, 1);
    world.epoch(&[(a, at(50)), (c, at(12))], 1);
    for (table, expected) in [(0, 50), (1, 12)] {
        let name = split_name(table, "new");
        let output = world.epoch(&[(name, Entry::Added(None))], 1);
        let [(_, Control::Added { watermark, .. })] = &output.controls[..] else {
            panic!("one addition: {:?}", output.controls);
        };
        assert_eq!(*watermark, Some(Watermark(expected)), "of table {table}");
    }
}

#[test]
fn a_window_over_sessions_takes_each_session_at_its_last_millisecond() {
    // spec: T-5
    // The session [0, 10) has the time 9 and fires at 10, when [0, 10) of an operator
    // over the same splits fired already: the output watermark holds the second back.
    let mut plan = PlanBuilder::default();
    let columns = [("ts", SqlType::Timestamp(3)), ("d", SqlType::Double)];
    let table = plan.table("t", "filesystem", &columns, Some((0, 0)), true);
    let scan = plan.scan(table);
    let count = vec![call("COUNT", &[], SqlType::BigInt)];
    let session = Window::Session { gap_ms: 5 };
    let sessions = plan.aggregate("sessions", scan, session, &[], count, 0);
    let sum = vec![call("SUM", &[0], SqlType::BigInt), call("COUNT", &[], SqlType::BigInt)];
    let over = plan.aggregate("over", sessions, tumble(10), &[], sum, 0);
    plan.sink("out", "print", over);
    let plan = Arc::new(plan.build());
    let a = vec![at(2), at(10), Entry::Ended];
    let b = vec![at(5), at(15), Entry::Ended];
    // Of A and B together 2 to 15 is one session, with the time 19.
    assert_eq!(in_every_way(&plan, &[a, b]), [["[10, 20): 4 1"]]);
    let a = vec![at(1), at(5), at(15), at(26), Entry::Ended];
    assert_eq!(in_every_way(&plan, &[a]), [["[0, 10): 2 1", "[10, 20): 1 1", "[30, 40): 1 1"]]);
}

#[test]
fn every_well_formed_record_with_a_time_moves_the_watermark_before_any_filter() {
    // spec: T-1, F-1
    let mut plan = PlanBuilder::default();
    let columns = [("ts", SqlType::Timestamp(3)), ("d", SqlType::Double)];
    let table = plan.table("t", "filesystem", &columns, Some((0, 0)), true);
    let read = plan.read(table, &[0, 1]);
    let large = Expr::literal(Value::Double(1e9), SqlType::Double.not_null());
    let d = Expr::column(1, SqlType::Double.nullable());
    let filter = Expr::call(">", vec![d, large], SqlType::Boolean.nullable());
    let rows = plan.project(read, Some(filter), &[0, 1]);
    let count = vec![call("COUNT", &[], SqlType::BigInt)];
    let window = plan.aggregate("out", rows, tumble(10), &[], count, 0);
    plan.sink("out", "print", window);
    let a = split_name(0, "A");
    let mut world = World::new(&Arc::new(plan.build()));
    let text = |text: &str| Entry::Lines(text.into());
    // What enters, and the split's watermark behind it.
    let records = [
        (value_at(5, "0.0"), 5, "a row that the filter drops"),
        (value_at(7, "\"bad\""), 7, "a row with another column bad"),
        (text("{\"ts\":\"1970-01-01 00:00:00.020\",\"d\":1\n"), 7, "a record not well formed"),
        (text("{\"ts\":\"never\",\"d\":1}\n"), 7, "a row whose own time is bad"),
        (text("{\"ts\":null,\"d\":1}\n"), 7, "a row without a time"),
        (value_at(3, "1e10"), 7, "a row behind the watermark"),
    ];
    world.epoch(&[(a.clone(), Entry::Added(None))], 1);
    for (entry, expected, what) in records {
        world.epoch(&[(a.clone(), entry)], 1);
        let id = world.id(&a).unwrap();
        assert_eq!(world.flow.splits().get(id).watermark, Watermark(expected), "{what}");
    }
}

#[test]
fn a_row_passes_through_a_session_as_it_is() {
    let mut plan = PlanBuilder::default();
    let columns = [("ts", SqlType::Timestamp(3)), ("d", SqlType::Double), ("f", SqlType::Float)];
    let table = plan.table("t", "filesystem", &columns, Some((0, 0)), true);
    let scan = plan.scan(table);
    let rows = plan.assign("sessions", scan, Window::Session { gap_ms: 5 }, &[]);
    let rows = plan.project(rows, None, &[1, 2]);
    plan.sink("out", "print", rows);
    let mut world = World::new(&Arc::new(plan.build()));
    let split = split_name(0, "a");
    let record = format!("{{\"ts\":\"{}\",\"d\":-0.0,\"f\":-0.0}}\n", timestamp(1));
    world.epoch(&[(split.clone(), Entry::Added(None)), (split.clone(), Entry::Lines(record))], 1);
    world.restart();
    world.epoch(&[(split, Entry::Ended)], 1);
    let key = ("out.sink".to_owned(), String::new());
    assert_eq!(world.results.timed[&key], [r#"{"d":-0.0,"f":-0.0}"#]);
}

#[test]
fn sinks_come_in_the_order_of_the_plan_also_behind_side_tables() {
    let mut plan = PlanBuilder::default();
    let columns = [("ts", SqlType::Timestamp(3)), ("d", SqlType::Double)];
    let table = plan.table("t", "filesystem", &columns, Some((0, 0)), true);
    let scan = plan.scan(table);
    let dead = plan.side(table, SideKind::Dead);
    plan.sink("dead", "print", dead);
    plan.sink("rows", "print", scan);
    let mut world = World::new(&Arc::new(plan.build()));
    let split = split_name(0, "a");
    let bad = Entry::Lines("{\"ts\":\n".to_owned());
    let output = world
        .epoch(&[(split.clone(), Entry::Added(None)), (split.clone(), bad), (split, at(3))], 1);
    let sinks: Vec<u32> = output.sinks.iter().map(|(sink, _)| sink.0).collect();
    assert_eq!(sinks, [0, 1]);
}
