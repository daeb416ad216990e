//! Window aggregation against the naive model: over the four kinds of window,
//! offsets, disorder, several splits, late rows and ties at a window's end; whatever
//! the cuts, the interleaving, the parallelism, and with a restart in the middle.

mod model;
mod support;

use anabranch_engine::executor::Sequential;
use anabranch_engine::ids::Epoch;
use anabranch_engine::op::{Operator, WindowAggregateOp};
use anabranch_engine::plan::{AggregateCall, JobOptions, Node, Window};
use anabranch_engine::state::{Since, StateEntry};
use anabranch_engine::types::{Field, Schema, SqlType};
use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray,
};
use bytes::Bytes;
use model::{Case, Event, Expected, Record, Split, Windows};
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use support::{Bench, call, node};

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("k", SqlType::STRING.nullable()),
        Field::new("ts", SqlType::Timestamp(3).nullable()),
        Field::new("i", SqlType::BigInt.nullable()),
        Field::new("d", SqlType::Double.nullable()),
        Field::new("f", SqlType::Boolean.nullable()),
    ])
}

fn calls() -> Vec<AggregateCall> {
    let int = || SqlType::BigInt.nullable();
    let double = || SqlType::Double.nullable();
    let distinct = |call: AggregateCall| AggregateCall { distinct: true, ..call };
    vec![
        call("COUNT", &[], int()),
        call("COUNT", &[2], int()),
        call("SUM", &[2], int()),
        call("AVG", &[2], int()),
        call("MIN", &[2], int()),
        call("MAX", &[2], int()),
        call("FIRST_VALUE", &[2], int()),
        call("LAST_VALUE", &[2], int()),
        distinct(call("COUNT", &[2], int())),
        distinct(call("AVG", &[2], int())),
        AggregateCall { filter: Some(4), ..call("COUNT", &[], int()) },
        call("SUM", &[3], double()),
        call("AVG", &[3], double()),
        call("MIN", &[3], double()),
        call("MAX", &[3], double()),
        distinct(call("SUM", &[3], double())),
    ]
}

fn node_of(case: &Case) -> Node {
    let window = match case.windows {
        Windows::Tumble { size, offset } => Window::Tumble { size_ms: size, offset_ms: offset },
        Windows::Hop { size, slide, offset } => {
            Window::Hop { size_ms: size, slide_ms: slide, offset_ms: offset }
        }
        Windows::Cumulate { size, step, offset } => {
            Window::Cumulate { size_ms: size, step_ms: step, offset_ms: offset }
        }
        Windows::Session { gap } => Window::Session { gap_ms: gap },
    };
    node(window, case.lateness, &schema(), 1, &[0], calls())
}

fn batch(records: &[&Record]) -> RecordBatch {
    let keys: StringArray = records.iter().map(|record| record.key.clone()).collect();
    let times: TimestampMillisecondArray = records.iter().map(|record| record.time).collect();
    let ints: Int64Array = records.iter().map(|record| record.int).collect();
    let doubles: Float64Array = records.iter().map(|record| record.double).collect();
    let flags: BooleanArray = records.iter().map(|record| record.flag).collect();
    let columns: Vec<ArrayRef> =
        vec![Arc::new(keys), Arc::new(times), Arc::new(ints), Arc::new(doubles), Arc::new(flags)];
    RecordBatch::try_new(schema().arrow(), columns).expect("the columns are of the schema")
}

/// One way to run a case.
#[derive(Clone, Debug)]
struct Schedule {
    /// (split, how many events, whether the epoch ends behind the slice); when used
    /// up, it starts again.
    slices: Vec<(usize, usize, bool)>,
    /// How many pieces, by epoch.
    pieces: Vec<usize>,
    /// Every how many epochs the operator is saved and loaded.
    restart: usize,
    /// Every how many epochs an incremental snapshot is taken.
    snapshot: usize,
}

/// Where a run stands in a split.
#[derive(Clone, Copy)]
struct Cursor {
    next: usize,
    watermark: i64,
}

/// Runs a case and gives what came out.
fn run(case: &Case, schedule: &Schedule) -> Expected {
    let node = node_of(case);
    let mut bench = Bench::of(&node, &schema());
    let mut cursors = vec![Cursor { next: 0, watermark: i64::MIN }; case.splits.len()];
    let mut replica: BTreeMap<(&'static str, Bytes), StateEntry> = BTreeMap::new();
    let mut snapshot_at = Epoch(0);
    bench.op.keep_changes(Epoch(0));
    let mut operator_watermark = i64::MIN;
    let mut slices = schedule.slices.iter().cycle();
    let mut epochs = 0;
    while cursors.iter().zip(&case.splits).any(|(cursor, split)| cursor.next < split.events.len()) {
        let (split, count, ends) = *slices.next().expect("a cycle");
        let split = split % case.splits.len();
        slice(case, split, count, &mut cursors[split], &mut bench);
        if !ends {
            continue;
        }
        let watermark = cursors.iter().map(|cursor| cursor.watermark).min().expect("a split");
        if watermark > operator_watermark {
            operator_watermark = watermark;
            bench.watermark(watermark);
        }
        let timer = bench.op.next_timer();
        assert!(timer.is_none_or(|timer| timer.0 > operator_watermark), "a due timer is left");
        bench.end_epoch();
        epochs += 1;
        if epochs % schedule.snapshot == 0 {
            let taken = Epoch(bench.epoch.0 - 1);
            let mut changes = Vec::new();
            if bench.op.save(Since::Epoch(snapshot_at), &mut changes) == Since::Beginning {
                replica.clear();
            }
            apply(&mut replica, changes);
            bench.op.keep_changes(taken);
            snapshot_at = taken;
            let mut whole = Vec::new();
            assert_eq!(bench.op.save(Since::Beginning, &mut whole), Since::Beginning);
            let mut replicated: Vec<StateEntry> = replica.values().cloned().collect();
            replicated.sort();
            assert_eq!(replicated, whole, "the changes do not add up to the state");
        }
        if epochs % schedule.restart == 0 {
            let mut whole = Vec::new();
            bench.op.save(Since::Beginning, &mut whole);
            let options = JobOptions { seed: epochs as u64, ..JobOptions::default() };
            bench.op = WindowAggregateOp::new(&node, &schema(), &options).expect("as before");
            bench.op.load(&whole).expect("what was saved");
            let mut again = Vec::new();
            bench.op.save(Since::Beginning, &mut again);
            assert_eq!(again, whole, "a load loses something");
            // Changes are known again from here on.
            snapshot_at = Epoch(bench.epoch.0 - 1);
            bench.op.keep_changes(snapshot_at);
            replica.clear();
            apply(&mut replica, whole);
        }
        bench.executor = Sequential { pieces: schedule.pieces[epochs % schedule.pieces.len()] };
    }
    bench.watermark(i64::MAX);
    bench.end_epoch();
    let mut nothing_left = Vec::new();
    bench.op.save(Since::Beginning, &mut nothing_left);
    assert!(nothing_left.iter().all(|entry| entry.table == "progress"), "{nothing_left:?}");
    given(&mut bench)
}

fn apply(replica: &mut BTreeMap<(&'static str, Bytes), StateEntry>, changes: Vec<StateEntry>) {
    for entry in changes {
        let place = (entry.table, entry.key.clone());
        if entry.value.is_some() {
            replica.insert(place, entry);
        } else {
            replica.remove(&place);
        }
    }
}

/// Takes the next events of a split.
fn slice(case: &Case, split: usize, count: usize, cursor: &mut Cursor, bench: &mut Bench) {
    let events = &case.splits[split].events;
    let mut records = Vec::new();
    let (mut offsets, mut watermarks) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let Some(event) = events.get(cursor.next) else {
            break;
        };
        match event {
            Event::Advance(to) => cursor.watermark = cursor.watermark.max(*to),
            Event::Record(record) => {
                records.push(record);
                offsets.push(cursor.next as u64);
                watermarks.push(cursor.watermark);
                if let Some(time) = record.time {
                    cursor.watermark = cursor.watermark.max(time - case.delay);
                }
            }
        }
        cursor.next += 1;
    }
    bench.input(batch(&records), split as u32, offsets, watermarks);
}

/// What came out of a run, in the model's form.
fn given(bench: &mut Bench) -> Expected {
    let mut late: Vec<_> = bench
        .late
        .drain(..)
        .map(|row| {
            let (missed, total) = (row.windows_missed as usize, row.windows_total as usize);
            (row.split.0 as usize, row.offset as usize, missed, total)
        })
        .collect();
    late.sort_unstable();
    let mut without_time = Vec::new();
    let mut dead = Vec::new();
    for row in bench.dead.drain(..) {
        match row.record {
            Some((split, offset)) => without_time.push((split.0 as usize, offset as usize)),
            None => dead.push(parse_context(&row.context)),
        }
    }
    without_time.sort_unstable();
    Expected { lines: bench.lines(), dead, late, without_time, shared_sessions: 0 }
}

/// `key a, window [1970-01-01 00:00:00.000, 1970-01-01 00:00:00.010)`.
fn parse_context(context: &str) -> (String, i64, i64) {
    let (key, window) = context.rsplit_once(", window [").expect("a window");
    let (start, end) = window.trim_end_matches(')').split_once(", ").expect("two times");
    let time = |text: &str| {
        let parsed = chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.3f");
        parsed.expect("a time").and_utc().timestamp_millis()
    };
    (key.strip_prefix("key ").expect("a key").into(), time(start), time(end))
}

fn windows() -> impl Strategy<Value = Windows> {
    let offset = -7_i64..8;
    prop_oneof![
        (1_i64..20, offset.clone()).prop_map(|(size, offset)| Windows::Tumble { size, offset }),
        (1_i64..6, 1_i64..7, offset.clone()).prop_map(|(slide, count, offset)| Windows::Hop {
            size: slide * count,
            slide,
            offset
        }),
        (1_i64..6, 1_i64..7, offset).prop_map(|(step, count, offset)| Windows::Cumulate {
            size: step * count,
            step,
            offset
        }),
        (1_i64..12).prop_map(|gap| Windows::Session { gap }),
    ]
}

fn key() -> impl Strategy<Value = Option<String>> {
    let keys = vec!["a", "b", "", "a\0", "ab", "é", "c"];
    prop::option::weighted(0.9, prop::sample::select(keys).prop_map(String::from))
}

fn int() -> impl Strategy<Value = Option<i64>> {
    prop::option::weighted(
        0.85,
        prop_oneof![
            40 => -5_i64..6,
            1 => Just(i64::MAX),
            1 => Just(i64::MIN),
        ],
    )
}

fn double() -> impl Strategy<Value = Option<f64>> {
    let special = vec![
        1e308,
        1e308,
        -1e308,
        -1e308,
        1e16,
        -1e16,
        1.0,
        0.1,
        -0.0,
        f64::from_bits(1),
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
    ];
    prop::option::weighted(
        0.9,
        prop_oneof![
            20 => (-1000_i32..1000).prop_map(|value| f64::from(value) / 100.0),
            4 => prop::sample::select(special),
        ],
    )
}

/// Events whose times mostly grow, with disorder.
fn events() -> impl Strategy<Value = Vec<Event>> {
    let record = (key(), 0_i64..5, -8_i64..3, int(), double(), any::<Option<bool>>());
    let event = prop_oneof![
        20 => record.prop_map(Some),
        1 => Just(None),
    ];
    (prop::collection::vec((event, prop::bool::weighted(0.03)), 0..40), -30_i64..30).prop_map(
        |(steps, start)| {
            let mut now = start;
            steps
                .into_iter()
                .map(|(step, without_time)| match step {
                    None => Event::Advance(now - 3),
                    Some((key, forward, back, int, double, flag)) => {
                        now += forward;
                        let time = (!without_time).then_some(now + back.max(-8));
                        Event::Record(Record { key, time, int, double, flag })
                    }
                })
                .collect()
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let lateness = prop_oneof![Just(0_i64), 0_i64..6];
    (windows(), 0_i64..6, lateness, prop::collection::vec(events(), 1..4)).prop_map(
        |(windows, delay, lateness, splits)| Case {
            windows,
            delay,
            lateness,
            splits: splits
                .into_iter()
                .zip(support::split_names())
                .map(|(events, name)| Split { name: name.name, events })
                .collect(),
        },
    )
}

fn schedule() -> impl Strategy<Value = Schedule> {
    let slices = prop::collection::vec((0_usize..4, 0_usize..12, any::<bool>()), 1..12);
    let pieces = prop::collection::vec(prop::sample::select(vec![1_usize, 2, 4]), 1..4);
    (slices, pieces, 1_usize..9, 1_usize..5).prop_map(|(mut slices, pieces, restart, snapshot)| {
        // Every split comes up, with an event, in each round.
        slices.extend((0..4).map(|split| (split, 1, true)));
        Schedule { slices, pieces, restart, snapshot }
    })
}

/// How many cases showed what.
#[derive(Default, Debug)]
struct Shares {
    cases: usize,
    late: usize,
    partly_late: usize,
    shared_sessions: usize,
    dead: usize,
}

#[test]
fn results_are_those_of_the_naive_model_however_the_input_is_cut() {
    // spec: E-2, E-3, E-5, E-6, T-1, T-2, T-4, T-5, S-3
    let shares = RefCell::new(Shares::default());
    let cases = 256;
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        // The same cases every time, so that the shares below are facts.
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    });
    let strategy = (case(), schedule(), schedule());
    let result = runner.run(&strategy, |(case, one, other)| {
        let mut expected = model::expect(&case);
        let mut shares = shares.borrow_mut();
        shares.cases += 1;
        shares.late += usize::from(!expected.late.is_empty());
        let partly = |late: &(usize, usize, usize, usize)| late.2 < late.3;
        shares.partly_late += usize::from(expected.late.iter().any(partly));
        shares.shared_sessions += usize::from(expected.shared_sessions > 0);
        shares.dead += usize::from(!expected.dead.is_empty());
        expected.shared_sessions = 0;
        let schedules = [
            one,
            other,
            Schedule {
                slices: (0..4).map(|split| (split, 1000, false)).chain([(0, 0, true)]).collect(),
                pieces: vec![1],
                restart: 1000,
                snapshot: 1000,
            },
        ];
        for schedule in schedules {
            prop_assert_eq!(run(&case, &schedule), expected.clone(), "{:?}", schedule);
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let shares = shares.into_inner();
    assert!(shares.late * 5 >= shares.cases, "too few late rows: {shares:?}");
    assert!(shares.partly_late * 20 >= shares.cases, "too few partly late rows: {shares:?}");
    assert!(shares.shared_sessions * 16 >= shares.cases, "too few joined sessions: {shares:?}");
    assert!(shares.dead * 50 >= shares.cases, "too few overflows: {shares:?}");
}
