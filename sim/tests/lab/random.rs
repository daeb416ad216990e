//! Random jobs, inputs, limits, faults and crashes: the results are those of a run
//! that is left alone, as rule E-3 says.

use crate::jobs::{comparable_but, small_limits};
use anabranch_engine::expr::Expr;
use anabranch_engine::pipeline::{Ending, Input, Output, PipelineConfig};
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{Plan, SideKind, Window};
use anabranch_engine::sink::{ApplyOutcome, FailKind, OpenOutcome};
use anabranch_engine::types::{SqlType, Value};
use anabranch_sim::lab::{Crash, Fault, Lab, LabSplit, RunEnd};
use proptest::prelude::*;
use std::fmt::Write as _;

/// The sinks whose rows records drive.
const BY_RECORD: [&str; 3] = ["dead", "large", "late"];

/// Windows of random kinds, one over the results of another, and three sinks that
/// records drive.
fn job(window: Window, outer_ms: i64, max_drift_ms: Option<i64>) -> Plan {
    let mut plan = PlanBuilder::default();
    plan.options().max_drift_ms = max_drift_ms;
    let columns = [
        ("k", SqlType::STRING),
        ("v", SqlType::BigInt),
        ("ts", SqlType::Timestamp(3)),
        ("_split", SqlType::STRING),
    ];
    let events = plan.table("events", "filesystem", &columns, Some((2, 0)), true);
    let scan = plan.scan(events);
    let calls = [
        ("COUNT", None, SqlType::BigInt),
        ("SUM", Some(1), SqlType::BigInt),
        ("LAST_VALUE", Some(1), SqlType::BigInt),
    ];
    let inner = plan.window("inner", scan, window, &[0], &calls);
    plan.sink("inner", "filesystem", inner);
    let outer = Window::Tumble { size_ms: outer_ms, offset_ms: 0 };
    let outer = plan.window("outer", inner, outer, &[], &[("SUM", Some(1), SqlType::BigInt)]);
    plan.sink("outer", "filesystem", outer);
    let limit = Expr::literal(Value::Int(60), SqlType::BigInt.not_null());
    let value = Expr::column(1, SqlType::BigInt.nullable());
    let large = Expr::call(">=", vec![value, limit], SqlType::Boolean.nullable());
    let large = plan.project(scan, Some(large), &[0, 1, 3]);
    plan.sink("large", "filesystem", large);
    for (kind, name, columns) in
        [(SideKind::Late, "late", &[0, 1, 8, 9][..]), (SideKind::Dead, "dead", &[0, 1, 2, 5][..])]
    {
        let side = plan.side(events, kind);
        let side = plan.project(side, None, columns);
        plan.sink(name, "filesystem", side);
    }
    plan.build()
}

fn window() -> impl Strategy<Value = Window> {
    prop_oneof![
        (1_i64..5).prop_map(|n| Window::Tumble { size_ms: 20 * n, offset_ms: 3 }),
        (1_i64..4, 1_i64..4).prop_map(|(slide, times)| Window::Hop {
            size_ms: 15 * slide * times,
            slide_ms: 15 * slide,
            offset_ms: 0,
        }),
        (1_i64..4, 1_i64..4).prop_map(|(step, times)| Window::Cumulate {
            size_ms: 15 * step * times,
            step_ms: 15 * step,
            offset_ms: 0,
        }),
        (1_i64..40).prop_map(|gap_ms| Window::Session { gap_ms }),
    ]
}

/// One line of a split.
#[derive(Clone, Debug)]
enum Line {
    /// A record: key, value, and how far time goes on.
    Record(u8, i64, i64),
    /// A record whose value cannot be read.
    Bad(i64),
    Malformed,
    Blank,
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let line = prop_oneof![
        12 => (0_u8..3, 0_i64..100, -30_i64..50).prop_map(|(k, v, step)| Line::Record(k, v, step)),
        1 => (-30_i64..50).prop_map(Line::Bad),
        1 => Just(Line::Malformed),
        1 => Just(Line::Blank),
    ];
    proptest::collection::vec(line, 0..40)
}

fn split(name: &str, lines: &[Line], is_terminated: bool) -> LabSplit {
    let mut text = String::new();
    let mut now = 100;
    for line in lines {
        let mut record = |value: &str, key: u8, step: i64| {
            now = (now + step).max(0);
            writeln!(
                text,
                r#"{{"k":"{key}","v":{value},"ts":"1970-01-01 00:00:{:02}.{:03}","_split":"{name}"}}"#,
                now / 1000,
                now % 1000,
            )
            .expect("a string takes all");
        };
        match line {
            Line::Record(key, value, step) => record(&value.to_string(), *key, *step),
            Line::Bad(step) => record("\"none\"", 0, *step),
            Line::Malformed => text.push_str("{\"k\":\n"),
            Line::Blank => text.push_str("\n\n"),
        }
    }
    if !is_terminated {
        text.truncate(text.trim_end().len());
    }
    LabSplit::file(0, name, text)
}

fn limits() -> impl Strategy<Value = PipelineConfig> {
    (60_usize..900, 40_u32..600, 1_usize..5, 50_usize..900, 1_i64..40, 0_u64..1_500).prop_map(
        |(
            epoch_bytes_max,
            fetch_bytes,
            epochs_inflight_max,
            flush_bytes,
            flush_age_ms,
            snapshot,
        )| {
            PipelineConfig {
                epoch_bytes_max,
                fetch_bytes,
                split_buffer_bytes_max: 2 * fetch_bytes as usize,
                epochs_inflight_max,
                flush_bytes,
                flush_age_ms,
                snapshot_bytes: if snapshot < 300 { 0 } else { snapshot },
                ..small_limits()
            }
        },
    )
}

fn crash() -> impl Strategy<Value = Crash> {
    prop_oneof![(1_usize..120).prop_map(Crash::After), (1_usize..120).prop_map(Crash::Before)]
}

/// Faults that a seed decides; `hardness` of 8 outputs fail in some way.
fn faults(seed: u64, hardness: u64, journal_ms: i64) -> impl FnMut(&Output) -> Fault {
    let mut state = seed | 1;
    // Of the two snapshots that are kept, one may be damaged.
    let mut rotten = 1;
    move |output| {
        let mut draw = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        let (fails, how, wait) = (draw(8) < hardness, draw(4), draw(30) as i64);
        match output {
            // Appends stay in order.
            Output::AppendJournal { .. } | Output::RecordFinish { .. } => Fault::Slow(journal_ms),
            _ if !fails => Fault::None,
            Output::ApplyChunk { request, chunk } => {
                let (request, sink, message) = (*request, chunk.sink, "unknown".to_owned());
                let failed = |kind| {
                    let (message, outcome) = (message.clone(), ApplyOutcome::Failed(kind));
                    vec![Input::SinkApplied { request, sink, outcome, message }]
                };
                match how {
                    0 => Fault::Instead(failed(FailKind::Transient)),
                    1 => Fault::Misreported(failed(FailKind::Unknown)),
                    2 => Fault::Straggles(7 * wait, failed(FailKind::Unknown)),
                    _ => Fault::Late(wait),
                }
            }
            Output::OpenSink { request, sink, .. } if how == 0 => {
                let (request, sink, message) = (*request, *sink, "not now".to_owned());
                let outcome = OpenOutcome::Failed(FailKind::Transient);
                Fault::Instead(vec![Input::SinkOpenFailed { request, sink, outcome, message }])
            }
            Output::Fetch { request, split, .. } if how == 0 => {
                let (request, split, message) = (*request, *split, "not now".to_owned());
                Fault::Instead(vec![Input::FetchFailed {
                    request,
                    split,
                    transient: true,
                    message,
                }])
            }
            Output::StoreSnapshot { epoch, .. } if how == 0 => {
                let (epoch, message) = (*epoch, "the disk is full".to_owned());
                Fault::Instead(vec![Input::SnapshotFailed { epoch, message }])
            }
            Output::LoadSnapshot { name } if how == 0 && rotten > 0 => {
                rotten -= 1;
                let (name, reason) = (name.clone(), "rotten".to_owned());
                Fault::Instead(vec![Input::SnapshotUnreadable { name, transient: false, reason }])
            }
            _ if how == 1 => Fault::Twice,
            _ => Fault::Late(wait),
        }
    }
}

/// One start of the job: its limits, where it is killed, and what fails.
#[derive(Clone, Debug)]
struct Start {
    config: PipelineConfig,
    crash: Crash,
    pieces: usize,
    seed: u64,
    hardness: u64,
    journal_ms: i64,
}

fn start() -> impl Strategy<Value = Start> {
    (limits(), crash(), 1_usize..5, any::<u64>(), 0_u64..4, 0_i64..12).prop_map(
        |(config, crash, pieces, seed, hardness, journal_ms)| Start {
            config,
            crash,
            pieces,
            seed,
            hardness,
            journal_ms,
        },
    )
}

fn begin(lab: &mut Lab, start: &Start, crash: Crash) -> RunEnd {
    lab.config = start.config.clone();
    lab.pieces = start.pieces;
    lab.faults = Some(Box::new(faults(start.seed, start.hardness, start.journal_ms)));
    lab.run(crash).0
}

proptest! {
    // The same cases every time; PROPTEST_CASES looks further.
    #![proptest_config(ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]
    // spec: E-1, E-2, E-3, J-1, J-5, J-6, K-1, K-4, S-1, S-2
    #[test]
    fn nothing_that_happens_to_a_job_changes_its_results(
        window in window(),
        outer_ms in 1_i64..200,
        max_drift_ms in proptest::option::of(0_i64..60),
        contents in proptest::collection::vec((lines(), any::<bool>()), 1..4),
        are_logs in any::<bool>(),
        starts in proptest::collection::vec(start(), 1..5),
        last in start(),
    ) {
        let world = |config| {
            let splits = contents.iter().enumerate().map(|(index, (lines, is_terminated))| {
                let name = ["a", "b", "c"][index];
                LabSplit { is_log: are_logs, ..split(name, lines, *is_terminated) }
            });
            Lab::new(job(window, outer_ms, max_drift_ms), config, splits.collect())
        };
        let mut undisturbed = world(PipelineConfig { binary: "test".into(), ..small_limits() });
        undisturbed.config.snapshot_bytes = 0;
        prop_assert_eq!(undisturbed.run_through(&[]), Ending::Finished);
        let mut lab = world(last.config.clone());
        let mut end = RunEnd::Crashed;
        for start in &starts {
            if end == RunEnd::Crashed {
                end = begin(&mut lab, start, start.crash);
            }
        }
        if end == RunEnd::Crashed {
            end = begin(&mut lab, &last, Crash::Never);
        }
        prop_assert!(
            matches!(end, RunEnd::Ended(Ending::Finished | Ending::AlreadyFinished)),
            "{:?}\n{}", end, lab.trace.join("\n")
        );
        prop_assert_eq!(comparable_but(&lab, &BY_RECORD), comparable_but(&undisturbed, &BY_RECORD));
    }
}
