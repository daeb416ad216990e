//! Rows that records drive, rows that die and rows that are late, by hand.

use crate::hand::{Do, Hand, NONE, at, call, kv, source, times};
use anabranch_engine::diagnostic::Span;
use anabranch_engine::expr::{CastMode, Expr, ExprKind};
use anabranch_engine::ids::{NodeId, TableId};
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{SideKind, Window};
use anabranch_engine::types::{SqlType, Value};

fn bigint(value: i64) -> Expr {
    Expr::literal(Value::Int(value), SqlType::BigInt.not_null())
}

fn v() -> Expr {
    Expr::column(1, SqlType::BigInt.nullable())
}

fn ty() -> anabranch_engine::types::DataType {
    SqlType::BigInt.nullable()
}

/// `10 / v` of the rows with `v >= 0`, beside all of `k`; and the dead rows.
fn quotients() -> Hand {
    let mut plan = PlanBuilder::default();
    let columns = [("k", SqlType::STRING), ("v", SqlType::BigInt), ("ts", SqlType::Timestamp(3))];
    let table = plan.table("t", "kafka", &columns, Some((2, 0)), true);
    let read = plan.read(table, &[0, 1, 2]);
    let filter = Expr::call(">=", vec![v(), bigint(0)], SqlType::Boolean.nullable());
    let quotient = Expr::call("/", vec![bigint(10), v()], ty());
    let quotients = plan.calc(read, Some(filter), vec![(quotient, "10 / v".to_owned())], None);
    plan.sink("quotients", "kafka", quotients);
    let key = Expr::column(0, SqlType::STRING.nullable());
    let keys = plan.calc(read, None, vec![(key, "k".to_owned())], None);
    plan.sink("keys", "kafka", keys);
    let dead = plan.side(table, SideKind::Dead);
    let dead = plan.project(dead, None, &[0, 1, 3, 4, 5]);
    plan.sink("dead", "kafka", dead);
    Hand::new(plan.build())
}

#[test]
fn a_bad_column_kills_the_row_only_where_it_is_used() {
    // spec: F-1, T-1
    let mut hand = quotients();
    let bad = format!(r#"{{"k":"bad","v":"x","ts":"{}"}}"#, at(5));
    let lines = vec![kv("a", 5, 1), bad, kv("b", 0, 2), kv("c", -1, 3), "{\"k\":".to_owned()];
    hand.epoch(vec![("0A", Do::Add(NONE)), ("0A", Do::Take(lines)), ("0A", Do::End)]);
    assert_eq!(hand.rows(0), [r#"1: {"10 / v":2}"#]);
    let key = |k: &str| format!(r#"1: {{"k":"{k}"}}"#);
    assert_eq!(hand.rows(1), [key("a"), key("bad"), key("b"), key("c")]);
    let dead = hand.rows(2);
    let starts = [
        r#"1: {"_split":"A","_offset":4,"_reason":"malformed record: …","_expression":null,"_raw":"{\"k\":"}"#,
        r#"1: {"_split":"A","_offset":1,"_reason":"parse: …","_expression":"WHERE","#,
        r#"1: {"_split":"A","_offset":2,"_reason":"division by zero: …","_expression":"10 / v","#,
    ];
    assert_eq!(dead.len(), 3);
    for start in starts {
        assert!(dead.iter().any(|line| line.starts_with(start)), "{start} in {dead:#?}");
    }
    let expected = hand.expected();
    assert_eq!(expected.counts[0].dead[&TableId(0)], 3);
    // The bad record counted for the watermark, the one that is not well formed did not.
    assert_eq!(expected.times[0].splits[0].0, 5);
}

#[test]
fn a_null_is_dead_where_the_sink_takes_none_and_an_overflow_is_dead_with_its_window() {
    // spec: F-1
    let mut plan = PlanBuilder::default();
    let scan = source(&mut plan, 0, true);
    let window = Window::Tumble { size_ms: 10, offset_ms: 0 };
    let calls = vec![call("SUM", Some(1), SqlType::BigInt), call("MAX", Some(0), SqlType::STRING)];
    let sums = plan.aggregate("sums", scan, window, &[0], calls, 0);
    let narrow = plan.project(sums, None, &[0, 1]);
    let sink = plan.sink("sums", "kafka", narrow);
    let table = plan.table_of_sink(sink);
    plan.table_mut(table).columns[0].ty.nullable = false;
    let dead = plan.side(table, SideKind::Dead);
    let dead = plan.project(dead, None, &[0, 1, 3, 4, 5]);
    plan.sink("dead", "kafka", dead);
    let mut hand = Hand::new(plan.build());
    let null = format!(r#"{{"k":null,"v":1,"ts":"{}"}}"#, at(1));
    let lines = vec![kv("a", i64::MAX, 1), kv("a", 1, 2), null, kv("b", 7, 3)];
    hand.epoch(vec![("0A", Do::Add(NONE)), ("0A", Do::Take(lines)), ("0A", Do::End)]);
    assert_eq!(hand.rows(0), [r#"1: {"k":"b","a0":7}"#]);
    let dead = hand.rows(1);
    assert_eq!(dead.len(), 2);
    let row = |reason: &str, expression: &str| {
        format!(
            r#"1: {{"_split":null,"_offset":null,"_reason":"{reason}: …","_expression":"{expression}","_raw":"…"}}"#
        )
    };
    assert!(dead.contains(&row("overflow", "SUM(...)")), "{dead:#?}");
    assert!(dead.contains(&row("not null", "k")), "{dead:#?}");
}

#[test]
fn late_rows_tell_operator_and_watermark() {
    // spec: T-4
    let mut plan = PlanBuilder::default();
    let scan = source(&mut plan, 0, true);
    let window = Window::Tumble { size_ms: 10, offset_ms: 0 };
    let count = plan.window("counts", scan, window, &[], &[("COUNT", None, SqlType::BigInt)]);
    plan.sink("counts", "kafka", count);
    let late = plan.side(TableId(0), SideKind::Late);
    let late = plan.project(late, None, &[1, 3, 4, 5, 6, 7, 8]);
    plan.sink("late", "kafka", late);
    let mut hand = Hand::new(plan.build());
    hand.epoch(vec![("0A", Do::Add(NONE)), ("0A", times(&[1, 21, 9]))]);
    let row = r#"1: {"v":9,"_operator":"counts","_windows_missed":1,"_windows_total":1,"_watermark":"00.021","_split":"A","_offset":2}"#;
    assert_eq!(hand.rows(1), [row]);
}

#[test]
fn a_row_without_time_dies_before_the_window() {
    // spec: F-1
    let mut plan = PlanBuilder::default();
    let scan = source(&mut plan, 0, true);
    let window = Window::Session { gap_ms: 10 };
    let count = plan.window("counts", scan, window, &[], &[("COUNT", None, SqlType::BigInt)]);
    let narrow = plan.project(count, None, &[0]);
    plan.sink("counts", "kafka", narrow);
    let mut hand = Hand::new(plan.build());
    let lines = vec![kv("a", 1, 1), r#"{"k":"a","v":1}"#.to_owned()];
    hand.epoch(vec![("0A", Do::Add(NONE)), ("0A", Do::Take(lines)), ("0A", Do::End)]);
    assert_eq!(hand.rows(0), [r#"1: {"a0":1}"#]);
    assert_eq!(hand.expected().counts[0].dead[&TableId(0)], 1);
}

#[test]
fn having_and_casts_and_case_are_those_of_sql() {
    let mut plan = PlanBuilder::default();
    let scan = source(&mut plan, 0, true);
    let window = Window::Tumble { size_ms: 10, offset_ms: 0 };
    let sums = plan.window("sums", scan, window, &[0], &[("SUM", Some(1), SqlType::BigInt)]);
    let sum = || Expr::column(1, SqlType::BigInt.nullable());
    let having = Expr::call(">", vec![sum(), bigint(1)], SqlType::Boolean.nullable());
    let small = Expr {
        kind: ExprKind::Cast { input: Box::new(sum()), mode: CastMode::Try },
        ty: SqlType::TinyInt.nullable(),
        span: Span::default(),
    };
    let text = |text: &str| Expr::literal(Value::Text(text.to_owned()), SqlType::STRING.not_null());
    let is_small = Expr::call("<", vec![sum(), bigint(100)], SqlType::Boolean.nullable());
    let case = Expr {
        kind: ExprKind::Case {
            branches: vec![(is_small, text("small"))],
            otherwise: Some(Box::new(text("large"))),
        },
        ty: SqlType::STRING.not_null(),
        span: Span::default(),
    };
    let columns = vec![(small, "tiny".to_owned()), (case, "size".to_owned())];
    let calc = plan.calc(sums, Some(having), columns, None);
    plan.sink("out", "kafka", calc);
    let mut hand = Hand::new(plan.build());
    let null = format!(r#"{{"k":"n","v":null,"ts":"{}"}}"#, at(1));
    let lines = vec![kv("a", 1, 1), kv("b", 50, 2), kv("c", 200, 3), null];
    hand.epoch(vec![("0A", Do::Add(NONE)), ("0A", Do::Take(lines)), ("0A", Do::End)]);
    assert_eq!(
        hand.rows(0),
        [r#"1: {"tiny":50,"size":"small"}"#, r#"1: {"tiny":null,"size":"large"}"#]
    );
}

#[test]
fn a_union_of_two_tables_waits_for_both() {
    // spec: T-3
    let mut plan = PlanBuilder::default();
    let one = source(&mut plan, 0, true);
    let other = source(&mut plan, 5, false);
    let union = plan.union(&[one, other]);
    plan.sink("all", "kafka", union);
    let window = Window::Tumble { size_ms: 10, offset_ms: 0 };
    let count = plan.window("counts", union, window, &[], &[("COUNT", None, SqlType::BigInt)]);
    let narrow = plan.project(count, None, &[0]);
    plan.sink("counts", "kafka", narrow);
    let mut hand = Hand::new(plan.build());
    hand.epoch(vec![("0A", Do::Add(NONE)), ("1B", Do::Add(NONE))]);
    hand.epoch(vec![("0A", times(&[1, 30])), ("0A", Do::End), ("1B", times(&[2, 13]))]);
    assert_eq!(hand.rows(1), [] as [&str; 0]);
    hand.epoch(vec![("1B", times(&[14]))]);
    assert_eq!(hand.rows(1), [r#"3: {"a0":2}"#]);
    assert_eq!(hand.rows(0).len(), 5);
    // The growing table never comes to an end: the minimum falls to the highest that
    // was reached.
    hand.epoch(vec![("1B", Do::End)]);
    assert_eq!(hand.rows(1).len(), 2);
    assert_eq!(hand.expected().times[3].operators[&NodeId(6)].0, 30);
}
