//! Watermarks through the dataflow: which splits hold which operators, with splits
//! that come, end and stand idle.
#![allow(clippy::unwrap_used, reason = "a test that fails says so")]

use anabranch_engine::dataflow::{Control, Dataflow, EpochInput, EpochItem};
use anabranch_engine::executor::Sequential;
use anabranch_engine::format::{encode_json, frame};
use anabranch_engine::ids::{NodeId, Offset, SplitId, SplitName, TableId};
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{FormatSpec, JsonOptions, NodeKind, Plan, Window};
use anabranch_engine::time::{Tick, Watermark};
use anabranch_engine::types::SqlType;
use std::sync::Arc;

/// A dataflow that is fed line by line.
struct Bench {
    flow: Dataflow,
    /// What the next epoch takes.
    items: Vec<EpochItem>,
    splits: u32,
    offsets: Vec<u64>,
}

impl Bench {
    fn new(plan: Plan) -> Bench {
        let flow = Dataflow::compile(Arc::new(plan)).unwrap();
        Bench { flow, items: Vec::new(), splits: 0, offsets: Vec::new() }
    }

    fn add(&mut self, table: TableId, name: &str) -> SplitId {
        let split = SplitId(self.splits);
        self.splits += 1;
        self.offsets.push(0);
        let name = SplitName { table, name: name.into() };
        self.control(split, Control::Added { name, start: 0, watermark: None });
        split
    }

    fn control(&mut self, split: SplitId, control: Control) {
        self.items.push(EpochItem::Control { split, control });
    }

    /// One record at this many ms.
    fn record(&mut self, split: SplitId, millis: u64) {
        let line = format!(
            "{{\"v\":{millis},\"ts\":\"1970-01-01 00:00:{:02}.{:03}\"}}\n",
            millis / 1000,
            millis % 1000
        );
        let start = self.offsets[split.0 as usize];
        let format = FormatSpec::Json(JsonOptions::default());
        let block = frame(&format, line.into(), Offset(start), true).block;
        self.offsets[split.0 as usize] = block.end_offset;
        self.items.push(EpochItem::Slice { split, block });
    }

    /// Computes an epoch; gives the rows of the first sink, line by line.
    fn epoch(&mut self) -> Vec<String> {
        let epoch = self.flow.epoch().next();
        let items = std::mem::take(&mut self.items);
        let input = EpochInput { epoch, tick: Tick(epoch.0 as i64), items };
        let output = self.flow.step(&input, &Sequential::default());
        let plan = self.flow.plan().clone();
        let mut bytes = Vec::new();
        for (sink, rows) in &output.sinks {
            assert_eq!(sink.0, 0, "the jobs of these tests have one sink");
            let table = plan.tables.last().unwrap();
            for piece in rows {
                let rows = 0..piece.batch.num_rows();
                let options = JsonOptions::default();
                encode_json(&table.schema(), &options, &piece.batch, rows, &mut bytes);
            }
        }
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    /// Goes through a snapshot.
    fn restore(&mut self) {
        let state = self.flow.save();
        let mut flow = Dataflow::compile(self.flow.plan().clone()).unwrap();
        flow.load(&state).unwrap();
        self.flow = flow;
    }

    fn watermark(&self) -> Watermark {
        let plan = self.flow.plan();
        let window = plan.nodes.iter().find(|n| matches!(n.kind, NodeKind::WindowAggregate(_)));
        self.flow.output_watermark(window.unwrap().id)
    }
}

/// Counts in windows of 10 ms over the union of two tables.
fn two_tables(first_is_bounded: bool) -> (Plan, TableId, TableId) {
    let mut plan = PlanBuilder::default();
    let columns = [("v", SqlType::BigInt), ("ts", SqlType::Timestamp(3))];
    let one = plan.table("one", "filesystem", &columns, Some((1, 0)), first_is_bounded);
    let two = plan.table("two", "filesystem", &columns, Some((1, 0)), false);
    let inputs: Vec<NodeId> = [one, two].map(|table| plan.scan(table)).into();
    let all = plan.union(&inputs);
    let window = Window::Tumble { size_ms: 10, offset_ms: 0 };
    let count = plan.window("count", all, window, &[], &[("COUNT", None, SqlType::BigInt)]);
    let count = plan.project(count, None, &[0, 1]);
    plan.sink("count", "filesystem", count);
    (plan.build(), one, two)
}

fn counted(count: u32, start: u32) -> String {
    let fraction = if start == 0 { String::new() } else { format!(".{:02}", start / 10) };
    format!("{{\"a0\":{count},\"window_start\":\"1970-01-01 00:00:00{fraction}\"}}")
}

#[test]
fn a_new_split_holds_the_operator_where_it_starts() {
    // spec: T-3
    // `one` is far ahead, `two` holds the operator at 5. A split that is added to
    // `one` starts at 5 and holds it there, though `one` was at 50 already.
    for restored in [false, true] {
        let (plan, one, two) = two_tables(false);
        let mut bench = Bench::new(plan);
        let (a, b) = (bench.add(one, "a"), bench.add(two, "b"));
        bench.record(a, 50);
        bench.record(b, 5);
        assert!(bench.epoch().is_empty());
        let late_comer = bench.add(one, "c");
        assert!(bench.epoch().is_empty());
        assert_eq!(bench.flow.splits().get(late_comer).watermark, Watermark(5));
        if restored {
            bench.restore();
        }
        bench.record(b, 60);
        assert!(bench.epoch().is_empty(), "c may still have rows from 6 on");
        assert_eq!(bench.watermark(), Watermark(5));
        bench.record(late_comer, 8);
        bench.record(late_comer, 70);
        let counts = [counted(2, 0)];
        assert_eq!(bench.epoch(), counts, "restored: {restored}");
    }
}

#[test]
fn splits_that_ended_leave_the_minimum_also_if_their_table_may_grow() {
    // spec: T-3
    let (plan, one, two) = two_tables(false);
    let mut bench = Bench::new(plan);
    let (a, b) = (bench.add(one, "a"), bench.add(two, "b"));
    bench.record(a, 5);
    bench.control(a, Control::Ended);
    bench.record(b, 25);
    assert_eq!(bench.epoch(), [counted(1, 0)]);
    // One that comes later starts where the operator is.
    let c = bench.add(one, "c");
    bench.record(b, 45);
    assert_eq!(bench.epoch(), Vec::<String>::new());
    assert_eq!(bench.flow.splits().get(c).watermark, Watermark(25));
    assert_eq!(bench.watermark(), Watermark(25));
    bench.control(c, Control::Ended);
    assert_eq!(bench.epoch(), [counted(1, 20)]);
    // All have ended, but a folder that grows does not end time.
    bench.control(b, Control::Ended);
    assert_eq!(bench.epoch(), Vec::<String>::new());
    assert_eq!(bench.watermark(), Watermark(45));
}

#[test]
fn an_empty_table_holds_nobody() {
    // spec: T-3
    for bounded in [true, false] {
        let (plan, _, two) = two_tables(bounded);
        let mut bench = Bench::new(plan);
        let b = bench.add(two, "b");
        bench.record(b, 5);
        bench.record(b, 15);
        assert_eq!(bench.epoch(), [counted(1, 0)], "bounded: {bounded}");
    }
}

#[test]
fn an_idle_split_stays_in_the_minimum_and_is_advanced() {
    // spec: T-3
    // [delay 0: A 12; B idle, wakes with 15; A 100: [10,20) holds 12 and 15]
    let (plan, one, two) = two_tables(false);
    let mut bench = Bench::new(plan);
    let (a, b) = (bench.add(one, "a"), bench.add(two, "b"));
    bench.record(a, 12);
    bench.control(b, Control::Idle);
    assert!(bench.epoch().is_empty());
    assert_eq!(bench.flow.splits().get(b).watermark, Watermark(12));
    bench.record(b, 15);
    bench.record(a, 100);
    assert!(bench.epoch().is_empty());
    assert_eq!(bench.watermark(), Watermark(15));
    bench.record(b, 100);
    assert_eq!(bench.epoch(), [counted(2, 10)]);
}

/// Sessions with a gap of 10 ms and windows of 10 ms over the same table, in one sink.
fn sessions_and_windows() -> (Plan, TableId) {
    let mut plan = PlanBuilder::default();
    let columns = [("v", SqlType::BigInt), ("ts", SqlType::Timestamp(3))];
    let table = plan.table("one", "filesystem", &columns, Some((1, 0)), false);
    let scan = plan.scan(table);
    let count = [("COUNT", None, SqlType::BigInt)];
    let sum = [("SUM", Some(0), SqlType::BigInt)];
    let sessions = plan.window("sessions", scan, Window::Session { gap_ms: 10 }, &[], &sum);
    let window = Window::Tumble { size_ms: 10, offset_ms: 0 };
    let windows = plan.window("windows", scan, window, &[], &count);
    let inputs = [sessions, windows].map(|node| plan.project(node, None, &[0, 1]));
    let all = plan.union(&inputs);
    plan.sink("count", "filesystem", all);
    (plan.build(), table)
}

#[test]
fn a_session_and_a_window_of_one_end_leave_in_one_order() {
    // spec: E-3
    // The window [0, 10) fires at watermark 9, the session [0, 10) at watermark 10.
    let run = |cut: bool| {
        let (plan, table) = sessions_and_windows();
        let mut bench = Bench::new(plan);
        let (a, b) = (bench.add(table, "a"), bench.add(table, "b"));
        bench.record(a, 0);
        bench.record(a, 40);
        bench.control(b, Control::Advance(Watermark(9)));
        let mut lines = if cut { bench.epoch() } else { Vec::new() };
        bench.control(b, Control::Advance(Watermark(10)));
        lines.extend(bench.epoch());
        lines
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn what_is_wrong_with_a_record_does_not_depend_on_the_cut() {
    // spec: E-2, F-1
    let text = "{\"x\":\n{\"ts\":\"1970-01-01 00:00:00\",\"v\":1}\n";
    let run = |cuts: &[usize]| {
        let (plan, one, _) = two_tables(true);
        let mut bench = Bench::new(plan);
        let a = bench.add(one, "a");
        let mut from = 0;
        for to in cuts {
            let format = FormatSpec::Json(JsonOptions::default());
            let part = text.as_bytes()[from..*to].to_vec();
            let block = frame(&format, part.into(), Offset(from as u64), true).block;
            bench.items.push(EpochItem::Slice { split: a, block });
            from = *to;
        }
        let items = std::mem::take(&mut bench.items);
        let input = EpochInput { epoch: bench.flow.epoch().next(), tick: Tick(1), items };
        let output = bench.flow.step(&input, &Sequential::default());
        output.malformed.into_iter().map(|bad| (bad.offset, bad.detail)).collect::<Vec<_>>()
    };
    let first = text.find('\n').unwrap() + 1;
    assert_eq!(run(&[first, text.len()]), run(&[text.len()]));
}
