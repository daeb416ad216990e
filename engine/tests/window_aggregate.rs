//! Window aggregation by examples: each bracketed trace of the rules, by name, and
//! the equalities at the borders.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use anabranch_engine::expr::ErrorKind;
use anabranch_engine::op::{Operator, WindowAggregateOp};
use anabranch_engine::plan::{AggregateCall, JobOptions, Window};
use anabranch_engine::rows::Origin;
use anabranch_engine::state::{Since, StateEntry};
use anabranch_engine::time::Watermark;
use anabranch_engine::types::{DataType, Field, Schema, SqlType};
use arrow_array::{
    ArrayRef, Decimal128Array, Float32Array, Float64Array, Int32Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use std::sync::Arc;
use support::{Bench, Row, call, node, schema};

const HOP: Window = Window::Hop { size_ms: 10, slide_ms: 5, offset_ms: 0 };
const NEVER: i64 = i64::MIN;

fn bigint() -> DataType {
    SqlType::BigInt.nullable()
}

#[test]
fn tumbling_windows_count_and_sum_by_key() {
    // spec: T-5
    let mut bench = Bench::tumble(10);
    bench.rows(0, &[Row::new("b", 9, 7), Row::new("a", 1, 5), Row::new("a", 9, 1)]);
    bench.watermark(8);
    assert_eq!(bench.lines(), [""; 0]);
    bench.watermark(9);
    assert_eq!(bench.lines(), ["a 2 6 [0, 10)", "b 1 7 [0, 10)"]);
}

#[test]
fn a_window_fires_at_its_end_minus_one_millisecond() {
    // spec: T-1
    let mut bench = Bench::tumble(10);
    bench.rows(0, &[Row::new("a", 9, 1), Row::new("a", 10, 1)]);
    assert_eq!(bench.op.next_timer(), Some(Watermark(9)));
    bench.watermark(9);
    assert_eq!(bench.lines(), ["a 1 1 [0, 10)"]);
    assert_eq!(bench.op.next_timer(), Some(Watermark(19)));
    bench.watermark(18);
    assert_eq!(bench.lines(), [""; 0]);
    bench.watermark(19);
    assert_eq!(bench.lines(), ["a 1 1 [10, 20)"]);
    assert_eq!(bench.op.next_timer(), None);
}

#[test]
fn a_hop_row_counts_only_in_the_windows_that_are_open_for_it() {
    // spec: T-2
    let mut bench = Bench::new(HOP, 0);
    // The delay of the watermark is 2: it stands at 5 before the second row.
    bench.records(0, &[(Row::new("a", 7, 1), NEVER), (Row::new("a", 2, 1), 5)]);
    bench.watermark(i64::MAX);
    assert_eq!(bench.lines(), ["a 2 2 [0, 10)", "a 1 1 [5, 15)"]);
    assert_eq!(bench.late(), ["1 of 2"]);
}

#[test]
fn a_row_late_for_some_windows_does_not_enter_them_through_a_shared_pane() {
    // spec: T-2
    // Another split's row shares the pane and holds the window [-5, 5) open.
    let mut bench = Bench::new(HOP, 0);
    bench.records(0, &[(Row::new("a", 3, 1), NEVER)]);
    bench.records(1, &[(Row::new("a", 2, 10), 5)]);
    bench.watermark(i64::MAX);
    assert_eq!(bench.lines(), ["a 1 1 [-5, 5)", "a 2 11 [0, 10)"]);
    assert_eq!(bench.late(), ["1 of 2"]);
}

#[test]
fn a_row_is_late_only_when_all_its_windows_are_closed() {
    // spec: T-4
    let mut bench = Bench::new(HOP, 0);
    bench.records(0, &[(Row::new("a", 2, 1), 9), (Row::new("a", 2, 1), 8)]);
    bench.watermark(i64::MAX);
    assert_eq!(bench.lines(), ["a 1 1 [0, 10)"]);
    assert_eq!(bench.late(), ["2 of 2", "1 of 2"]);
}

#[test]
fn allowed_lateness_holds_windows_open_and_delays_their_results() {
    // spec: T-2, T-5
    let mut bench = Bench::new(Window::Tumble { size_ms: 10, offset_ms: 0 }, 3);
    bench.records(0, &[(Row::new("a", 5, 1), NEVER), (Row::new("a", 6, 1), 11)]);
    bench.records(0, &[(Row::new("a", 7, 1), 12)]);
    bench.watermark(11);
    assert_eq!(bench.lines(), [""; 0]);
    bench.watermark(12);
    let Origin::Timer { fire_times } = &bench.output[0].origin else { panic!("a timer's row") };
    assert_eq!(fire_times.as_ref(), [12]);
    assert_eq!(bench.lines(), ["a 2 2 [0, 10)"]);
    assert_eq!(bench.late(), ["1 of 1"]);
    assert_eq!(bench.op.output_watermark(Watermark(12)), Watermark(9));
}

#[test]
fn a_session_does_not_depend_on_when_another_split_is_read() {
    // spec: T-2
    // Minutes: A holds 10:00, 10:41, 10:10, B holds 10:41; gap 30, delay 5.
    let minute = |minute: i64| minute * 60_000;
    let a = [(600, None), (641, Some(595)), (610, Some(636))];
    let orders: [&[usize]; 4] = [&[0, 1, 2, 3], &[3, 0, 1, 2], &[0, 3, 1, 2], &[0, 1, 3, 2]];
    for order in orders {
        let mut bench = Bench::new(Window::Session { gap_ms: minute(30) }, 0);
        for index in order {
            if *index == 3 {
                bench.records(1, &[(Row::new("k", minute(641), 1), NEVER)]);
                continue;
            }
            let (time, before) = a[*index];
            let before = before.map_or(NEVER, minute);
            bench.records(0, &[(Row::new("k", minute(time), 1), before)]);
        }
        bench.watermark(i64::MAX);
        let (first, second) = (minute(600), minute(641));
        let lines = [
            format!("k 1 1 [{first}, {})", first + minute(30)),
            format!("k 2 2 [{second}, {})", second + minute(30)),
        ];
        assert_eq!(bench.lines(), lines);
        assert_eq!(bench.late(), ["1 of 1"]);
    }
}

#[test]
fn rows_exactly_a_gap_apart_are_in_one_session_which_fires_at_its_end() {
    // spec: T-1
    let mut bench = Bench::new(Window::Session { gap_ms: 5 }, 0);
    bench.rows(0, &[Row::new("a", 0, 1), Row::new("a", 5, 1), Row::new("a", 11, 1)]);
    bench.end_epoch();
    assert_eq!(bench.op.next_timer(), Some(Watermark(10)));
    bench.watermark(9);
    assert_eq!(bench.lines(), [""; 0]);
    bench.watermark(10);
    assert_eq!(bench.lines(), ["a 2 2 [0, 10)"]);
    bench.watermark(16);
    assert_eq!(bench.lines(), ["a 1 1 [11, 16)"]);
}

#[test]
fn a_row_between_two_sessions_joins_them_within_one_batch_or_across() {
    // spec: E-2
    for cut in [true, false] {
        let mut bench = Bench::new(Window::Session { gap_ms: 5 }, 0);
        let rows = [Row::new("a", 0, 1), Row::new("a", 8, 2), Row::new("a", 4, 4)];
        if cut {
            rows.iter().for_each(|row| bench.rows(0, std::slice::from_ref(row)));
        } else {
            bench.rows(0, &rows);
        }
        bench.watermark(100);
        assert_eq!(bench.lines(), ["a 3 7 [0, 13)"]);
    }
}

#[test]
fn a_window_holds_the_rows_of_a_split_that_was_idle() {
    // spec: T-3
    // Delay 0: A holds 12 and 100; B was idle, was advanced to 12, and wakes with 15.
    for b_first in [true, false] {
        let mut bench = Bench::tumble(10);
        bench.records(0, &[(Row::new("k", 12, 1), NEVER)]);
        bench.watermark(12);
        if b_first {
            bench.records(1, &[(Row::new("k", 15, 1), 12)]);
        }
        bench.records(0, &[(Row::new("k", 100, 1), 12)]);
        if !b_first {
            bench.records(1, &[(Row::new("k", 15, 1), 12)]);
        }
        bench.watermark(15);
        bench.watermark(i64::MAX);
        assert_eq!(bench.lines(), ["k 2 2 [10, 20)", "k 1 1 [100, 110)"]);
    }
}

/// k STRING, ts TIMESTAMP(3), and one more column.
fn with_column(ty: SqlType) -> Schema {
    let mut fields = schema().fields;
    fields[2] = Field::new("v", ty.nullable());
    Schema::new(fields)
}

/// Runs aggregates of column 2 over rows of one key and window.
fn aggregate(ty: SqlType, calls: Vec<AggregateCall>, columns: Vec<ArrayRef>) -> Bench {
    let schema = with_column(ty);
    let window = Window::Tumble { size_ms: 10, offset_ms: 0 };
    let mut bench = Bench::of(&node(window, 0, &schema, 1, &[0], calls), &schema);
    for (split, column) in (0..).zip(columns) {
        let count = column.len();
        let keys: ArrayRef = Arc::new(StringArray::from(vec!["k"; count]));
        let times: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![1; count]));
        let batch = RecordBatch::try_new(schema.arrow(), vec![keys, times, column]).unwrap();
        bench.input(batch, split, (0..).take(count).collect(), vec![NEVER; count]);
    }
    bench.watermark(9);
    bench
}

#[test]
fn a_double_sum_is_the_same_in_any_order_of_splits() {
    // spec: E-6
    let double = || SqlType::Double.nullable();
    let column = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
    let (a, b) = (vec![1e16, 1.0], vec![-1e16]);
    for splits in [[a.clone(), b.clone()], [b, a]] {
        let calls = vec![call("SUM", &[2], double()), call("AVG", &[2], double())];
        let columns = splits.into_iter().map(column).collect();
        let mut bench = aggregate(SqlType::Double, calls, columns);
        assert_eq!(bench.lines(), ["k 1.0 0.3333333333333333 [0, 10)"]);
    }
    for values in [[1e308, 1e308, -1e308], [1e308, -1e308, 1e308], [-1e308, 1e308, 1e308]] {
        let calls = vec![call("SUM", &[2], double())];
        let mut bench = aggregate(SqlType::Double, calls, vec![column(values.into())]);
        assert_eq!(bench.lines(), ["k 1e308 [0, 10)"]);
    }
}

#[test]
fn minimum_and_maximum_order_nan_last_and_know_one_zero() {
    // spec: E-6
    let double = || SqlType::Double.nullable();
    let calls = || vec![call("MIN", &[2], double()), call("MAX", &[2], double())];
    let run = |values: Vec<f64>| {
        aggregate(SqlType::Double, calls(), vec![Arc::new(Float64Array::from(values))]).lines()
    };
    assert_eq!(run(vec![f64::NAN, 1.0, f64::INFINITY]), ["k 1.0 NaN [0, 10)"]);
    assert_eq!(run(vec![-0.0]), ["k 0.0 0.0 [0, 10)"]);
}

#[test]
fn a_float_sum_stays_a_float() {
    // spec: E-6
    let float = || SqlType::Float.nullable();
    let calls = vec![call("SUM", &[2], float()), call("AVG", &[2], float())];
    let values = Float32Array::from(vec![16_777_216.0, 1.0, 1.0]);
    let mut bench = aggregate(SqlType::Float, calls, vec![Arc::new(values)]);
    assert_eq!(bench.lines(), ["k 16777218.0 5592406.0 [0, 10)"]);
}

#[test]
fn an_integer_sum_that_overflows_is_a_dead_row_with_key_and_window() {
    // spec: E-6, F-1
    let int = || SqlType::Int.nullable();
    let calls = || vec![call("SUM", &[2], int()), call("AVG", &[2], int())];
    let too_large = Int32Array::from(vec![i32::MAX, 1]);
    let mut bench = aggregate(SqlType::Int, calls(), vec![Arc::new(too_large)]);
    assert_eq!(bench.lines(), [""; 0]);
    let dead = &bench.dead[0];
    assert_eq!((dead.kind, dead.record), (ErrorKind::Overflow, None));
    assert_eq!(dead.detail, "the sum 2147483648 does not fit INT");
    assert_eq!(dead.context, "key k, window [1970-01-01 00:00:00.000, 1970-01-01 00:00:00.010)");
    // Only the result is judged, not what lies between.
    let back = Int32Array::from(vec![i32::MAX, 1, -2]);
    let mut bench = aggregate(SqlType::Int, calls(), vec![Arc::new(back)]);
    assert_eq!(bench.lines(), ["k 2147483646 715827882 [0, 10)"]);
}

#[test]
fn decimals_keep_their_scale_and_overflow_to_null() {
    // spec: E-6
    let argument = SqlType::Decimal { precision: 38, scale: 2 };
    let sum = SqlType::Decimal { precision: 38, scale: 2 };
    let average = SqlType::Decimal { precision: 38, scale: 6 };
    let calls = || {
        let of = |name, ty: &SqlType| call(name, &[2], ty.clone().nullable());
        vec![of("SUM", &sum), of("AVG", &average), of("MAX", &sum)]
    };
    let column = |values: Vec<i128>| {
        let array = Decimal128Array::from(values).with_data_type(argument.arrow());
        vec![Arc::new(array) as ArrayRef]
    };
    let run = |values| aggregate(argument.clone(), calls(), column(values)).lines();
    assert_eq!(run(vec![100, 50, 50]), ["k 2.00 0.666667 1.00 [0, 10)"]);
    assert_eq!(run(vec![-100, -50, -50]), ["k -2.00 -0.666667 -0.50 [0, 10)"]);
    let largest = 10_i128.pow(38) - 1;
    let text = format!("{}.99", "9".repeat(36));
    assert_eq!(run(vec![largest, 1]), [format!("k NULL NULL {text} [0, 10)")]);
    let back = run(vec![largest, largest, -largest]);
    assert_eq!(back, [format!("k {text} NULL {text} [0, 10)")]);
}

#[test]
fn texts_are_compared_by_bytes_and_counted_once() {
    let text = || SqlType::STRING.nullable();
    let distinct =
        |args: &[usize]| AggregateCall { distinct: true, ..call("COUNT", args, bigint()) };
    let calls = || {
        vec![
            call("MIN", &[2], text()),
            call("MAX", &[2], text()),
            distinct(&[2]),
            distinct(&[0, 2]),
            call("FIRST_VALUE", &[2], text()),
        ]
    };
    let column = |values: &[Option<&str>]| {
        Arc::new(values.iter().copied().collect::<StringArray>()) as ArrayRef
    };
    let values = column(&[None, Some("é"), Some("z"), Some(""), Some("z")]);
    let mut bench = aggregate(SqlType::STRING, calls(), vec![values]);
    assert_eq!(bench.lines(), ["k  é 3 3 é [0, 10)"]);
    let mut bench = aggregate(SqlType::STRING, calls(), vec![column(&[None])]);
    assert_eq!(bench.lines(), ["k NULL NULL 0 0 NULL [0, 10)"]);
}

#[test]
fn the_first_and_the_last_value_follow_the_canonical_order() {
    // spec: E-5
    let calls = || vec![call("FIRST_VALUE", &[2], bigint()), call("LAST_VALUE", &[2], bigint())];
    let tumble = Window::Tumble { size_ms: 10, offset_ms: 0 };
    // Split 0 is named s7, split 1 is named s6: the name decides among equal times.
    let slices: [(u32, &[Row]); 3] = [
        (0, &[Row::new("a", 3, 1), Row::new("a", 3, 2)]),
        (1, &[Row::new("a", 3, 3), Row { value: None, ..Row::new("a", 1, 0) }]),
        (0, &[Row { value: None, ..Row::new("a", 9, 0) }]),
    ];
    for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0]] {
        let mut bench = Bench::with(tumble, 0, &[0], calls());
        for index in order {
            let (split, rows) = slices[index];
            let offsets = (100 * index as u64..).take(rows.len()).collect();
            bench.input(support::batch(rows), split, offsets, vec![NEVER; rows.len()]);
        }
        bench.watermark(9);
        assert_eq!(bench.lines(), ["a 3 2 [0, 10)"]);
    }
}

#[test]
fn derived_rows_stand_behind_source_rows_of_their_time_and_order_by_content() {
    // spec: E-5
    let calls = || vec![call("FIRST_VALUE", &[2], bigint()), call("LAST_VALUE", &[2], bigint())];
    let tumble = Window::Tumble { size_ms: 10, offset_ms: 0 };
    for derived_first in [true, false] {
        let mut bench = Bench::with(tumble, 0, &[0], calls());
        if derived_first {
            bench.derived(&[Row::new("a", 3, 9), Row::new("a", 3, 1)]);
        }
        bench.rows(0, &[Row::new("a", 3, 5)]);
        if !derived_first {
            bench.derived(&[Row::new("a", 3, 1), Row::new("a", 3, 9)]);
        }
        bench.watermark(9);
        assert_eq!(bench.lines(), ["a 5 9 [0, 10)"]);
    }
}

#[test]
fn a_window_over_a_window_misses_no_derived_row() {
    // spec: T-5
    for (inner_window, lateness) in [
        (Window::Tumble { size_ms: 10, offset_ms: 0 }, 0),
        (Window::Tumble { size_ms: 10, offset_ms: 0 }, 4),
        (Window::Session { gap_ms: 10 }, 0),
        (Window::Session { gap_ms: 7 }, 2),
    ] {
        let mut inner = Bench::new(inner_window, lateness);
        // COUNT(*) and SUM over the inner rows, whose columns are k, COUNT, SUM,
        // window_start, window_end, window_time.
        let calls = vec![call("COUNT", &[], bigint()), call("SUM", &[1], bigint())];
        let inner_node = node(
            inner_window,
            lateness,
            &schema(),
            1,
            &[0],
            vec![call("COUNT", &[], bigint()), call("SUM", &[2], bigint())],
        );
        let outer_window = Window::Tumble { size_ms: 20, offset_ms: 0 };
        let outer = node(outer_window, 0, &inner_node.schema, 5, &[0], calls);
        let mut outer = Bench::of(&outer, &inner_node.schema);
        let mut counted = 0;
        for time in 0..60 {
            inner.rows(0, &[Row::new(if time % 3 == 0 { "a" } else { "b" }, 2 * time, 1)]);
            inner.watermark(2 * time - 1);
            for rows in std::mem::take(&mut inner.output) {
                counted += rows.len();
                outer.pass(&rows);
            }
            outer.watermark(inner.op.output_watermark(Watermark(2 * time - 1)).0);
        }
        inner.watermark(i64::MAX);
        for rows in std::mem::take(&mut inner.output) {
            counted += rows.len();
            outer.pass(&rows);
        }
        assert_eq!(inner.op.output_watermark(Watermark::END), Watermark::END);
        outer.watermark(i64::MAX);
        let lines = outer.lines();
        let of = |line: &String, column: usize| -> usize {
            line.split(' ').nth(column).unwrap().parse().unwrap()
        };
        assert_eq!(lines.iter().map(|line| of(line, 1)).sum::<usize>(), counted);
        assert_eq!(lines.iter().map(|line| of(line, 2)).sum::<usize>(), 60);
        // No window came out twice.
        let mut windows: Vec<_> = lines
            .iter()
            .map(|line| (line[..1].to_owned(), line.split_once('[').unwrap().1))
            .collect();
        windows.sort();
        windows.dedup();
        assert_eq!(windows.len(), lines.len());
    }
}

#[test]
fn without_keys_there_is_one_group_and_none_without_rows() {
    let calls = vec![call("COUNT", &[], bigint())];
    let mut bench = Bench::with(Window::Tumble { size_ms: 10, offset_ms: 0 }, 0, &[], calls);
    bench.watermark(5);
    bench.rows(0, &[Row::new("a", 21, 5), Row::new("b", 22, 7)]);
    bench.watermark(i64::MAX);
    assert_eq!(bench.lines(), ["2 [20, 30)"]);
}

#[test]
fn a_row_without_an_event_time_is_a_dead_row() {
    // spec: F-1
    let mut bench = Bench::tumble(10);
    bench.rows(0, &[Row { time: None, ..Row::new("a", 0, 1) }, Row::new("a", 3, 2)]);
    bench.rows(0, &[Row::new("a", i64::MAX, 1), Row::new("a", i64::MIN, 1)]);
    bench.watermark(i64::MAX);
    assert_eq!(bench.lines(), ["a 1 2 [0, 10)"]);
    let kinds: Vec<ErrorKind> = bench.dead.iter().map(|row| row.kind).collect();
    let out_of_range = ErrorKind::InvalidArgument;
    assert_eq!(kinds, [ErrorKind::RowtimeNull, out_of_range, out_of_range]);
    assert_eq!(bench.dead[0].record.map(|(_, offset)| offset), Some(0));
}

#[test]
fn damaged_state_is_an_error_and_never_a_panic() {
    // spec: S-4
    for window in [HOP, Window::Session { gap_ms: 5 }] {
        let mut bench = Bench::new(window, 0);
        bench.rows(0, &[Row::new("a", 3, 1), Row::new("b", 9, 1)]);
        bench.watermark(1);
        let mut whole = Vec::new();
        bench.op.save(Since::Beginning, &mut whole);
        let fresh = || Bench::new(window, 0).op;
        assert_eq!(fresh().load(&whole), Ok(()));
        for (index, entry) in whole.iter().enumerate() {
            for place in 0..entry.key.len() {
                let mut damaged = whole.clone();
                let mut key = entry.key.to_vec();
                key[place] ^= 0x41;
                damaged[index].key = key.into();
                // Another key group is noticed; another time may be a valid one.
                let _ = fresh().load(&damaged);
                damaged[index].key.truncate(place);
                assert!(fresh().load(&damaged).is_err(), "a key of {place} bytes");
            }
            let value = entry.value.as_ref().unwrap();
            for place in 0..value.len() {
                let mut damaged = whole.clone();
                let mut changed = value.to_vec();
                changed[place] ^= 0xff;
                damaged[index].value = Some(changed.into());
                let _ = fresh().load(&damaged);
                damaged[index].value.as_mut().unwrap().truncate(place);
                assert!(fresh().load(&damaged).is_err(), "a value of {place} bytes");
            }
        }
        let twice: Vec<StateEntry> = whole.iter().chain(&whole).cloned().collect();
        assert!(fresh().load(&twice).is_err(), "an entry twice");
    }
}

#[test]
fn state_of_a_session_that_fired_is_refused() {
    // spec: S-4
    let window = Window::Session { gap_ms: 5 };
    let mut bench = Bench::new(window, 2);
    bench.rows(0, &[Row::new("a", 3, 1)]);
    bench.watermark(1);
    let mut whole = Vec::new();
    bench.op.save(Since::Beginning, &mut whole);
    let load_at = |watermark: i64| {
        let mut changed = whole.clone();
        let progress = changed.iter_mut().find(|entry| entry.table == "progress").unwrap();
        let mut value = Vec::new();
        anabranch_engine::state::codec::put_i64(&mut value, watermark);
        progress.value = Some(value.into());
        Bench::new(window, 2).op.load(&changed)
    };
    // The session ends at 8 and waits 2 ms for late rows.
    assert_eq!(load_at(9), Ok(()));
    assert!(load_at(10).is_err());
    assert!(load_at(i64::MAX).is_err());
}

#[test]
fn what_is_not_supported_is_refused() {
    let instants = {
        let mut fields = schema().fields;
        fields[1] = Field::new("ts", SqlType::TimestampLtz(3).nullable());
        Schema::new(fields)
    };
    let tumble = Window::Tumble { size_ms: 10, offset_ms: 0 };
    let calls = || vec![call("COUNT", &[], bigint())];
    let berlin = JobOptions { local_time_zone: "Europe/Berlin".into(), ..JobOptions::default() };
    let of = |node: &_, schema: &Schema, options: &JobOptions| {
        WindowAggregateOp::new(node, schema, options).err()
    };
    let ltz = node(tumble, 0, &instants, 1, &[0], calls());
    assert!(of(&ltz, &instants, &berlin).unwrap().contains("UTC, not Europe/Berlin"));
    assert_eq!(of(&ltz, &instants, &JobOptions::default()), None);
    let uneven = Window::Hop { size_ms: 10, slide_ms: 3, offset_ms: 0 };
    let uneven = node(uneven, 0, &schema(), 1, &[0], calls());
    assert!(of(&uneven, &schema(), &JobOptions::default()).is_some());
    let no_such = node(tumble, 0, &schema(), 1, &[0], vec![call("SUM", &[0], bigint())]);
    let refused = of(&no_such, &schema(), &JobOptions::default());
    assert_eq!(refused.as_deref(), Some("no aggregate SUM(STRING)"));
}

#[test]
fn changes_are_forgotten_before_they_outgrow_the_state() {
    // spec: F-5
    let mut bench = Bench::tumble(10);
    bench.op.keep_changes(bench.epoch);
    let since = Since::Epoch(bench.epoch);
    for window in 0..10 {
        bench.epoch = bench.epoch.next();
        let rows: Vec<Row> =
            (0..1000).map(|key| Row::new(&key.to_string(), 10 * window, 1)).collect();
        bench.rows(0, &rows);
        bench.watermark(10 * window + 9);
        let mut changes = Vec::new();
        let given = bench.op.save(since, &mut changes);
        if given == Since::Beginning {
            assert!(window >= 4, "forgotten too early");
            assert!(changes.len() <= 1, "the state is empty but for the watermark");
            return;
        }
        assert_eq!(changes.len(), 1000 * (window as usize + 1) + 1);
    }
    panic!("what went is remembered without a bound");
}
