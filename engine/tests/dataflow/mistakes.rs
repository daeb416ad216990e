//! Mistakes that were made once, each as the smallest job that showed it.

use crate::traces::{at, call, one_window, tumble, windows};
use crate::world::{Entry, World, split_name};
use anabranch_engine::expr::{CastMode, Expr, ExprKind};
use anabranch_engine::ids::{NodeId, SplitName, TableId};
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{AggregateCall, Plan, SideKind, Window};
use anabranch_engine::time::Watermark;
use anabranch_engine::types::{SqlType, Value};
use std::sync::Arc;

const COLUMNS: [(&str, SqlType); 2] = [("ts", SqlType::Timestamp(3)), ("d", SqlType::Double)];

fn count() -> Vec<AggregateCall> {
    vec![call("COUNT", &[], SqlType::BigInt)]
}

fn table(plan: &mut PlanBuilder, name: &str, bounded: bool) -> TableId {
    plan.table(name, "filesystem", &COLUMNS, Some((0, 0)), bounded)
}

fn added(name: &SplitName) -> (SplitName, Entry) {
    (name.clone(), Entry::Added(None))
}

#[test]
fn a_record_of_a_log_without_lines_has_no_line() {
    // spec: E-2, F-1
    // Lines of a log that is no file were counted within the epoch.
    for (connector, line) in [("filesystem", "2"), ("kafka", "null")] {
        let mut plan = PlanBuilder::default();
        let table = plan.table("t", connector, &COLUMNS, Some((0, 0)), true);
        plan.scan(table);
        let dead = plan.side(table, SideKind::Dead);
        let line_column = plan.project(dead, None, &[0, 2, 4]);
        let dead = plan.project(line_column, None, &[0, 1, 2]);
        plan.sink("dead", "print", dead);
        let plan = Arc::new(plan.build());
        let a = split_name(0, "A");
        let lines = |text: &str| (a.clone(), Entry::Lines(text.into()));
        for cut in [false, true] {
            let mut world = World::new(&plan);
            world.epoch(&[added(&a)], 1);
            if cut {
                world.epoch(&[lines("{}\n")], 1);
                world.epoch(&[lines("[\n")], 1);
            } else {
                world.epoch(&[lines("{}\n[\n")], 1);
            }
            let rows = world.results.side.values().flatten().collect::<Vec<_>>();
            let expected = format!("{{\"_split\":\"A\",\"_line\":{line},\"_expression\":null}}");
            assert_eq!(rows, [&expected], "{connector}, cut: {cut}");
        }
    }
}

#[test]
fn splits_that_all_ended_leave_one_watermark_wherever_epochs_are_cut() {
    // spec: E-2, T-3
    // An operator over a table that may grow kept what it had reached when the last of
    // its splits ended, and an end in the epoch of a record hid the record.
    let plan = one_window(tumble(10), 0, false, &count());
    let (a, b) = (split_name(0, "A"), split_name(0, "B"));
    let entries = [
        added(&a),
        added(&b),
        (a.clone(), at(5)),
        (b.clone(), at(25)),
        (b, Entry::Ended),
        (a, Entry::Ended),
    ];
    for cut in 2..=entries.len() {
        let mut world = World::new(&plan);
        world.epoch(&entries[..cut], 1);
        world.epoch(&entries[cut..], 1);
        assert_eq!(world.output_watermark("out"), Watermark(25), "cut at {cut}");
        assert_eq!(windows(&world, "out"), ["[0, 10): 1"], "cut at {cut}");
    }
}

#[test]
fn an_operator_whose_splits_ended_holds_the_one_behind_it() {
    // spec: T-5
    // Two operators over one table, one with allowed lateness, under a third: its
    // watermark is the smaller of theirs, also when the table's splits ended, for a
    // split that is added later may still fire the windows that wait.
    let mut plan = PlanBuilder::default();
    let table = table(&mut plan, "t", false);
    let scan = plan.scan(table);
    let patient = plan.aggregate("patient", scan, tumble(10), &[], count(), 5);
    let quick = plan.aggregate("quick", scan, tumble(10), &[], count(), 0);
    let both = plan.union(&[patient, quick]);
    let over = plan.aggregate("over", both, tumble(2), &[], count(), 0);
    plan.sink("out", "print", over);
    let (a, b) = (split_name(0, "A"), split_name(0, "B"));
    let mut world = World::new(&Arc::new(plan.build()));
    world.epoch(&[added(&a), (a.clone(), at(1)), (a.clone(), at(12)), (a, Entry::Ended)], 1);
    assert_eq!(world.output_watermark("over"), Watermark(7));
    assert_eq!(windows(&world, "out"), [""; 0]);
    world.epoch(&[added(&b), (b.clone(), at(14)), (b, Entry::Ended)], 1);
    assert_eq!(windows(&world, "out"), ["[8, 10): 2"]);
}

/// A TUMBLE and a SESSION over one table, in one sink.
fn tumble_and_session() -> Arc<Plan> {
    let mut plan = PlanBuilder::default();
    let table = table(&mut plan, "t", true);
    let scan = plan.scan(table);
    let session = Window::Session { gap_ms: 10 };
    let session = plan.aggregate("session", scan, session, &[], count(), 0);
    let tumble = plan.aggregate("tumble", scan, tumble(11), &[], count(), 0);
    let both = plan.union(&[session, tumble]);
    plan.sink("out", "print", both);
    Arc::new(plan.build())
}

#[test]
fn windows_of_two_kinds_leave_in_the_order_in_which_watermarks_fire_them() {
    // spec: E-3
    // A TUMBLE window fires one millisecond before a session with the same end. The
    // end as fire time of both put the session first where one epoch fired both.
    let plan = tumble_and_session();
    let a = split_name(0, "A");
    let advance = |to: i64| (a.clone(), Entry::Advance(Watermark(to)));
    let entries = [added(&a), (a.clone(), at(1)), advance(10), advance(11)];
    for cut in 1..=entries.len() {
        let mut world = World::new(&plan);
        world.epoch(&entries[..cut], 1);
        world.epoch(&entries[cut..], 1);
        assert_eq!(windows(&world, "out"), ["[0, 11): 1", "[1, 11): 1"], "cut at {cut}");
    }
}

#[test]
fn a_record_that_reaches_an_operator_twice_is_late_there_once() {
    // spec: T-4
    let mut plan = PlanBuilder::default();
    let table = table(&mut plan, "t", true);
    let scan = plan.scan(table);
    let inputs: Vec<NodeId> = (0..2).map(|_| plan.project(scan, None, &[0, 1])).collect();
    let union = plan.union(&inputs);
    let window = plan.aggregate("out", union, tumble(10), &[], count(), 0);
    plan.sink("out", "print", window);
    let late = plan.side(table, SideKind::Late);
    plan.sink("late", "print", late);
    let a = split_name(0, "A");
    let mut world = World::new(&Arc::new(plan.build()));
    let entries = [added(&a), (a.clone(), at(15)), (a.clone(), at(5)), (a.clone(), Entry::Ended)];
    let output = world.epoch(&entries, 1);
    assert_eq!(windows(&world, "out"), ["[10, 20): 2"]);
    assert_eq!(output.late.len(), 1);
    assert_eq!(output.counts.late.iter().map(|(_, count)| count).sum::<u64>(), 1);
    assert_eq!(world.results.side[&("late.sink".to_owned(), "A".to_owned())].len(), 1);
}

#[test]
fn an_idle_split_is_advanced_for_an_operator_that_it_feeds_through_another() {
    // spec: T-3
    // A is the only split of the first operator, so nothing there tells how far it may
    // go; but it holds the second operator, over the first and over B.
    let mut plan = PlanBuilder::default();
    let (one, two) = (table(&mut plan, "one", false), table(&mut plan, "two", false));
    let scan = plan.scan(one);
    let first = plan.aggregate("first", scan, tumble(10), &[], count(), 0);
    let counted = plan.project(first, None, &[3, 0]);
    let scan = plan.scan(two);
    let number = Expr::literal(Value::Int(1), SqlType::BigInt.nullable());
    let time = plan.schema_of(scan).fields[0].ty.clone();
    let time = Expr::column(0, time);
    let rows =
        plan.calc(scan, None, vec![(time, "window_time".into()), (number, "a0".into())], Some(0));
    let both = plan.union(&[counted, rows]);
    let second = plan.aggregate("second", both, tumble(10), &[], count(), 0);
    plan.sink("out", "print", second);
    let (a, b) = (split_name(0, "A"), split_name(1, "B"));
    let mut world = World::new(&Arc::new(plan.build()));
    world.epoch(&[added(&a), added(&b), (a.clone(), at(5)), (a, Entry::Idle)], 1);
    world.epoch(&[(b.clone(), at(8)), (b, at(30))], 1);
    assert_eq!(world.output_watermark("first"), Watermark(30));
    // The window of `first` has the time 9, so it is in the first window of `second`.
    assert_eq!(windows(&world, "out"), ["[0, 10): 2"]);
}

#[test]
fn a_split_that_feeds_no_operator_is_idle_without_harm() {
    // spec: T-3
    let mut plan = PlanBuilder::default();
    let table = table(&mut plan, "t", false);
    let rows = plan.scan(table);
    plan.sink("rows", "print", rows);
    let (a, b) = (split_name(0, "A"), split_name(0, "B"));
    let mut world = World::new(&Arc::new(plan.build()));
    let output = world.epoch(&[added(&a), (a.clone(), at(5)), (a.clone(), Entry::Idle)], 1);
    assert_eq!(output.controls.len(), 1);
    let output = world.epoch(&[added(&b), (b, at(50))], 1);
    assert_eq!(output.controls.len(), 1);
    assert_eq!(world.flow.splits().get(world.id(&a).unwrap()).watermark, Watermark(5));
}

#[test]
fn a_split_stays_idle_across_a_restart() {
    // spec: T-3, S-3
    let plan = one_window(tumble(10), 0, false, &count());
    for restart in [false, true] {
        let (a, b) = (split_name(0, "A"), split_name(0, "B"));
        let mut world = World::new(&plan);
        world.epoch(&[added(&a), added(&b), (a.clone(), at(5)), (b, Entry::Idle)], 1);
        if restart {
            world.restart();
        }
        let output = world.epoch(&[(a, at(30))], 1);
        assert_eq!(output.controls.len(), 1, "restart: {restart}");
        assert_eq!(windows(&world, "out"), ["[0, 10): 1"], "restart: {restart}");
    }
}

#[test]
fn dead_letters_of_a_sink_are_read_behind_all_that_fills_it() {
    // spec: F-1
    // A sink filled from late rows, and a statement before it that reads its dead
    // letters: they ran in the plan's order, and the letters were lost.
    let mut plan = PlanBuilder::default();
    let source = table(&mut plan, "t", true);
    let scan = plan.scan(source);
    let window = plan.aggregate("out", scan, tumble(10), &[], count(), 0);
    plan.sink("out", "print", window);
    // The letters' table is filled last, but its reader stands first.
    let filled = plan.table("filled", "print", &[("n", SqlType::Int)], None, true);
    let dead = plan.side(filled, SideKind::Dead);
    plan.sink("letters", "print", dead);
    let late = plan.side(source, SideKind::Late);
    let split = plan.schema_of(late).index_of("_split").unwrap();
    let cast = Expr {
        kind: ExprKind::Cast {
            input: Box::new(Expr::column(split, SqlType::STRING.nullable())),
            mode: CastMode::Strict,
        },
        ty: SqlType::Int.nullable(),
        span: Default::default(),
    };
    let number = plan.calc(late, None, vec![(cast, "_split".into())], None);
    plan.sink_into(filled, number);
    let a = split_name(0, "A");
    let mut world = World::new(&Arc::new(plan.build()));
    let output = world.epoch(&[added(&a), (a.clone(), at(15)), (a, at(5))], 1);
    assert_eq!(output.dead.len(), 1);
    let letters = &world.results.side[&("letters.sink".to_owned(), "_split".to_owned())];
    assert_eq!(letters.len(), 1);
}
