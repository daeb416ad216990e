//! The traces that stand in brackets behind the rules, and others worked out by hand.

use crate::hand::{Do, Hand, NONE, at, call, kv, source, times};
use anabranch_engine::ids::Epoch;
use anabranch_engine::ids::NodeId;
use anabranch_engine::plan::Window;
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::time::Watermark;
use anabranch_engine::types::SqlType;

/// COUNT(*) and LAST_VALUE(v) by window, without a key.
fn counts(window: Window, delay: i64, lateness: i64, bounded: bool) -> Hand {
    let mut plan = PlanBuilder::default();
    let scan = source(&mut plan, delay, bounded);
    let calls =
        vec![call("COUNT", None, SqlType::BigInt), call("LAST_VALUE", Some(1), SqlType::BigInt)];
    let window = plan.aggregate("op", scan, window, &[], calls, lateness);
    let narrow = plan.project(window, None, &[0, 1, 2, 3]);
    plan.sink("out", "kafka", narrow);
    Hand::new(plan.build())
}

fn tumble(size_ms: i64) -> Window {
    Window::Tumble { size_ms, offset_ms: 0 }
}

/// A row of [`counts`].
fn row(epoch: u64, count: u64, last: i64, start: i64, end: i64) -> String {
    let text = |ms: i64| {
        let text = at(ms).replace("1970-01-01 00:00:", "");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let text = |ms: i64| if ms % 1000 == 0 { format!("{:02}", ms / 1000) } else { text(ms) };
    format!(
        r#"{epoch}: {{"a0":{count},"a1":{last},"window_start":"{}","window_end":"{}"}}"#,
        text(start),
        text(end)
    )
}

#[test]
fn an_idle_split_that_wakes_is_in_the_minimum_in_every_interleaving() {
    // spec: T-3
    let mut hand = counts(tumble(10), 0, 0, false);
    hand.epoch(vec![("0A", Do::Add(NONE)), ("0B", Do::Add(NONE))]);
    hand.epoch(vec![("0B", Do::Idle), ("0A", times(&[12]))]);
    hand.epoch(vec![("0B", times(&[15])), ("0A", times(&[100]))]);
    // B stands at 15 and holds the window [10, 20) open.
    assert_eq!(hand.rows(0), [] as [&str; 0]);
    hand.epoch(vec![("0B", times(&[19]))]);
    assert_eq!(hand.rows(0), [row(4, 3, 19, 10, 20)]);
    let mut other = counts(tumble(10), 0, 0, false);
    other.epoch(vec![("0A", Do::Add(NONE)), ("0B", Do::Add(NONE))]);
    other.epoch(vec![("0B", Do::Idle), ("0A", times(&[12]))]);
    other.epoch(vec![("0A", times(&[100]))]);
    // B was advanced to 100 here: it is late with 15, and that is in the journal.
    other.epoch(vec![("0B", times(&[15]))]);
    assert_eq!(other.rows(0), [row(3, 1, 12, 10, 20)]);
    assert_eq!(other.expected().times[2].advances, [(1, Watermark(100))]);
    assert_eq!(other.expected().counts[3].late[&NodeId(2)], 1);
}

#[test]
fn an_ended_split_beside_an_idle_one_is_not_the_end() {
    // spec: T-3
    let mut hand = counts(tumble(10), 0, 0, true);
    hand.epoch(vec![("0A", Do::Add(NONE)), ("0B", Do::Add(NONE))]);
    hand.epoch(vec![("0A", times(&[12])), ("0A", Do::End), ("0B", Do::Idle)]);
    assert_eq!(hand.rows(0), [] as [&str; 0]);
    // Only B is left, at no watermark; when it ends too, all is over.
    hand.epoch(vec![("0B", times(&[3])), ("0B", Do::End)]);
    assert_eq!(hand.rows(0), [row(3, 1, 3, 0, 10), row(3, 1, 12, 10, 20)]);
    assert_eq!(hand.expected().times[2].operators[&NodeId(2)], Watermark::END);
}

#[test]
fn splits_of_a_growing_table_that_ended_are_not_the_end() {
    // spec: T-3
    let mut hand = counts(tumble(10), 0, 0, false);
    hand.epoch(vec![("0A", Do::Add(NONE)), ("0A", times(&[12, 25])), ("0A", Do::End)]);
    assert_eq!(hand.rows(0), [row(1, 1, 12, 10, 20)]);
    // A new split starts where the operator stands, and 24 is not late there.
    hand.epoch(vec![("0B", Do::Add(25)), ("0B", times(&[24, 26, 30])), ("0B", Do::End)]);
    assert_eq!(hand.rows(0)[1..], [row(2, 3, 26, 20, 30)]);
}

#[test]
fn a_row_counts_in_the_windows_that_are_open_at_its_own_split_s_watermark() {
    // spec: T-2
    let window = Window::Hop { size_ms: 10, slide_ms: 5, offset_ms: 0 };
    let mut hand = counts(window, 2, 0, true);
    hand.epoch(vec![("0A", Do::Add(NONE)), ("0A", times(&[7, 2])), ("0A", Do::End)]);
    // [-5, 5) is closed for the 2 at watermark 5; [0, 10) is not.
    assert_eq!(hand.rows(0), [row(1, 2, 7, 0, 10), row(1, 1, 7, 5, 15)]);
    let counts = &hand.expected().counts[0];
    assert_eq!((counts.late_partial[&NodeId(2)], counts.late.len()), (1, 0));
}

#[test]
fn a_row_is_late_when_the_watermark_has_reached_the_last_ms_of_its_window() {
    // spec: T-1, T-2
    let late_at = |watermark: i64, lateness: i64| {
        let mut hand = counts(tumble(10), 0, lateness, true);
        hand.epoch(vec![("0A", Do::Add(NONE)), ("0A", times(&[watermark, 9])), ("0A", Do::End)]);
        hand.expected().counts[0].late.contains_key(&NodeId(2))
    };
    assert!(late_at(9, 0));
    assert!(!late_at(8, 0));
    assert!(late_at(12, 3));
    assert!(!late_at(11, 3));
}

#[test]
fn a_window_fires_at_its_last_ms_and_once() {
    // spec: T-1, T-5
    let mut hand = counts(tumble(10), 0, 3, false);
    hand.epoch(vec![("0A", Do::Add(NONE)), ("0A", times(&[1, 9]))]);
    hand.epoch(vec![("0A", times(&[11]))]);
    hand.epoch(vec![("0A", times(&[12]))]);
    hand.epoch(vec![("0A", times(&[22, 23]))]);
    assert_eq!(hand.rows(0), [row(3, 2, 9, 0, 10), row(4, 2, 12, 10, 20)]);
}

#[test]
fn sessions_do_not_depend_on_when_another_split_is_read() {
    // spec: T-2
    let minute = 60_000;
    let a = |minutes: &[i64]| times(&minutes.iter().map(|m| m * minute).collect::<Vec<_>>());
    let of = |b_first: bool| {
        let mut hand = counts(Window::Session { gap_ms: 30 * minute }, 5 * minute, 0, true);
        hand.epoch(vec![("0A", Do::Add(NONE)), ("0B", Do::Add(NONE))]);
        if b_first {
            hand.epoch(vec![("0B", a(&[41])), ("0B", Do::End)]);
            hand.epoch(vec![("0A", a(&[0, 41, 10])), ("0A", Do::End)]);
        } else {
            hand.epoch(vec![("0A", a(&[0, 41])), ("0B", a(&[41]))]);
            hand.epoch(vec![("0A", a(&[10])), ("0A", Do::End), ("0B", Do::End)]);
        }
        let late = hand.expected().counts[2].late[&NodeId(2)];
        let rows = hand.expected().sinks[0].rows.iter().map(|r| r.value.to_string()).collect();
        (late, rows)
    };
    let (late, rows): (u64, Vec<String>) = of(true);
    // The 10 is late at A's own watermark 36 either way.
    assert_eq!(late, 1);
    assert_eq!(rows.len(), 2);
    assert!(rows[0].starts_with(r#"{"a0":1,"a1":0,"#) && rows[1].starts_with(r#"{"a0":2,"#));
    assert_eq!(of(false), (late, rows));
}

#[test]
fn rows_exactly_a_gap_apart_are_together() {
    // spec: T-1
    let mut hand = counts(Window::Session { gap_ms: 10 }, 0, 0, false);
    hand.epoch(vec![("0A", Do::Add(NONE)), ("0A", times(&[0, 10, 20, 31]))]);
    // [0, 30) is over at 30; the next session holds 31.
    assert_eq!(hand.rows(0), [row(1, 3, 20, 0, 30)]);
    hand.epoch(vec![("0A", times(&[40, 41]))]);
    // Its last row is 41.
    hand.epoch(vec![("0A", times(&[52]))]);
    assert_eq!(hand.rows(0)[1..], [row(3, 3, 41, 31, 51)]);
}

#[test]
fn cumulating_windows_grow_and_offsets_shift_windows() {
    let window = Window::Cumulate { size_ms: 15, step_ms: 5, offset_ms: 2 };
    let mut hand = counts(window, 0, 0, true);
    hand.epoch(vec![("0A", Do::Add(NONE)), ("0A", times(&[3, 8])), ("0A", Do::End)]);
    assert_eq!(hand.rows(0), [row(1, 1, 3, 2, 7), row(1, 2, 8, 2, 12), row(1, 2, 8, 2, 17)]);
}

#[test]
fn first_and_last_follow_the_canonical_order() {
    // spec: E-5
    let mut plan = PlanBuilder::default();
    let scan = source(&mut plan, 0, true);
    let calls = vec![
        call("FIRST_VALUE", Some(1), SqlType::BigInt),
        call("LAST_VALUE", Some(1), SqlType::BigInt),
    ];
    let window = plan.aggregate("op", scan, tumble(10), &[0], calls, 0);
    let narrow = plan.project(window, None, &[0, 1, 2]);
    plan.sink("out", "kafka", narrow);
    let mut hand = Hand::new(plan.build());
    // Of one time: by the split's name, then by offset; and B is read first.
    hand.epoch(vec![("0B", Do::Add(NONE)), ("0A", Do::Add(NONE))]);
    hand.epoch(vec![("0B", Do::Take(vec![kv("x", 1, 5), kv("x", 2, 5)]))]);
    hand.epoch(vec![("0A", Do::Take(vec![kv("x", 3, 5), kv("y", 4, 6), kv("x", 5, 4)]))]);
    hand.epoch(vec![("0A", Do::End), ("0B", Do::End)]);
    assert_eq!(hand.rows(0), [r#"4: {"k":"x","a0":5,"a1":2}"#, r#"4: {"k":"y","a0":4,"a1":4}"#]);
}

#[test]
fn windows_leave_by_fire_time_and_key() {
    // spec: E-3
    let mut plan = PlanBuilder::default();
    let scan = source(&mut plan, 0, true);
    let calls = vec![call("COUNT", None, SqlType::BigInt)];
    let window = plan.aggregate("op", scan, tumble(10), &[0], calls, 0);
    let narrow = plan.project(window, None, &[0, 1, 3]);
    plan.sink("out", "kafka", narrow);
    let mut hand = Hand::new(plan.build());
    let null = r#"{"k":null,"v":1,"ts":"1970-01-01 00:00:00.011"}"#.to_owned();
    let records = vec![kv("b", 1, 12), kv("a", 1, 13), null, kv("z", 1, 14), kv("z", 1, 2)];
    hand.epoch(vec![("0A", Do::Add(NONE)), ("0B", Do::Add(NONE))]);
    hand.epoch(vec![("0A", Do::Take(records)), ("0B", times(&[1]))]);
    hand.epoch(vec![("0A", Do::End), ("0B", Do::End)]);
    // The second record of z is late.
    let row = |k: &str, end: &str| format!(r#"3: {{"k":{k},"a0":1,"window_end":"{end}"}}"#);
    assert_eq!(
        hand.rows(0),
        [
            row("\"x\"", "00.01"),
            row("null", "00.02"),
            row("\"a\"", "00.02"),
            row("\"b\"", "00.02"),
            row("\"z\"", "00.02")
        ]
    );
}

#[test]
fn a_window_over_windows_takes_them_when_they_fire() {
    // spec: T-5
    let mut plan = PlanBuilder::default();
    let scan = source(&mut plan, 0, false);
    let inner = plan.window("inner", scan, tumble(10), &[0], &[("COUNT", None, SqlType::BigInt)]);
    let outer = plan.window("outer", inner, tumble(20), &[], &[("SUM", Some(1), SqlType::BigInt)]);
    let narrow = plan.project(outer, None, &[0, 1, 2]);
    plan.sink("out", "kafka", narrow);
    let mut hand = Hand::new(plan.build());
    hand.epoch(vec![("0A", Do::Add(NONE)), ("0A", times(&[1, 2, 12, 18]))]);
    assert_eq!(hand.rows(0), [] as [&str; 0]);
    // At 19 the inner window [10, 20) fires with time 19, and with it the outer one.
    hand.epoch(vec![("0A", times(&[19]))]);
    let row = r#"2: {"a0":5,"window_start":"00","window_end":"00.02"}"#;
    assert_eq!(hand.rows(0), [row]);
    assert_eq!(hand.expected().sinks[0].rows[0].sources.len(), 5);
}

#[test]
fn a_mark_must_be_admissible_and_carries_the_value_of_the_rule() {
    // spec: T-3
    let start = || {
        let mut hand = counts(tumble(10), 0, 0, false);
        hand.epoch(vec![("0A", Do::Add(NONE)), ("0B", Do::Add(NONE)), ("0B", times(&[1]))]);
        hand.epoch(vec![("0A", times(&[12])), ("0B", Do::Idle)]);
        hand
    };
    let discords = |hand: &Hand| -> Vec<(&str, &str)> {
        hand.expected().discords.iter().map(|it| (it.oracle, it.kind)).collect()
    };
    assert_eq!(discords(&start()), []);
    // The log went on when the mark was taken.
    let mut hand = start();
    let name = hand.logs[1].name.clone();
    hand.epoch(vec![("0B", times(&[13]))]);
    hand.log_ends.insert((Epoch(2), name.clone()), 1);
    assert_eq!(discords(&hand), []);
    hand.log_ends.insert((Epoch(2), name), 2);
    assert_eq!(discords(&hand), [("S1", "idle mark")]);
    // An advance with another value.
    let mut hand = start();
    hand.epoch(vec![("0B", Do::Advance(12))]);
    assert_eq!(discords(&hand), []);
    hand.epoch(vec![("0B", Do::Advance(13))]);
    assert_eq!(discords(&hand), [("S1", "advance")]);
    // A new split below the operator that it feeds.
    let mut hand = start();
    hand.epoch(vec![("0C", Do::Add(NONE))]);
    assert_eq!(discords(&hand), [("S7", "added watermark")]);
    let mut hand = start();
    hand.epoch(vec![("0C", Do::Add(12))]);
    assert_eq!(discords(&hand), []);
}

#[test]
fn slices_must_tile_the_logs() {
    let start = || {
        let mut hand = counts(tumble(10), 0, 0, true);
        hand.epoch(vec![("0A", Do::Add(NONE)), ("0A", times(&[1, 2, 3]))]);
        hand.epoch(vec![("0A", times(&[4, 5])), ("0A", Do::End)]);
        hand
    };
    let kinds =
        |hand: &Hand| -> Vec<&str> { hand.expected().discords.iter().map(|it| it.kind).collect() };
    assert_eq!(kinds(&start()), [] as [&str; 0]);
    let mut hand = start();
    hand.epochs[1].slices[0].start.0 = 4;
    assert_eq!(kinds(&hand), ["gap"]);
    let mut hand = start();
    hand.epochs[1].slices[0].start.0 = 2;
    assert_eq!(kinds(&hand), ["overlap"]);
    let mut hand = start();
    hand.epochs[1].slices[0].end.0 = 4;
    assert_eq!(kinds(&hand), ["slice content", "ended early"]);
    let mut hand = start();
    hand.epochs[1].tick.0 = 0;
    assert_eq!(kinds(&hand), ["tick"]);
    // The rows are those of the logs all the same.
    assert_eq!(hand.expected().sinks[0].rows.len(), 1);
}

#[test]
fn a_sum_of_doubles_is_exact_across_splits() {
    // spec: E-6
    let mut plan = PlanBuilder::default();
    let columns = [("d", SqlType::Double), ("ts", SqlType::Timestamp(3))];
    let table = plan.table("t", "kafka", &columns, Some((1, 0)), true);
    let scan = plan.scan(table);
    let window = plan.window("op", scan, tumble(10), &[], &[("SUM", Some(0), SqlType::Double)]);
    let narrow = plan.project(window, None, &[0]);
    plan.sink("out", "kafka", narrow);
    let mut hand = Hand::new(plan.build());
    let record = |d: &str| format!(r#"{{"d":{d},"ts":"{}"}}"#, at(1));
    hand.epoch(vec![("0A", Do::Add(NONE)), ("0B", Do::Add(NONE))]);
    hand.epoch(vec![("0A", Do::Take(vec![record("1e16"), record("1")])), ("0A", Do::End)]);
    hand.epoch(vec![("0B", Do::Take(vec![record("-1e16")])), ("0B", Do::End)]);
    assert_eq!(hand.rows(0), [r#"3: {"a0":1.0}"#]);
}
