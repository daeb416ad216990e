//! Coming back: what recovery may believe, and what it must not wait for.

use crate::jobs::{
    comparable, counts, growing, lab, records, slow_flush, small_limits, three_sinks, two_files,
};
use anabranch_engine::ids::{Epoch, RequestId, SinkId};
use anabranch_engine::pipeline::{Ending, Failure, Input, Output, PipelineConfig, Report};
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::sink::{FailKind, OpenOutcome};
use anabranch_engine::types::SqlType;
use anabranch_sim::lab::{Crash, Event, Fault, Lab, LabSplit, RunEnd, Trigger};

fn slow_journal(output: &Output) -> Fault {
    match output {
        Output::AppendJournal { .. } | Output::RecordFinish { .. } => Fault::Slow(9),
        _ => Fault::None,
    }
}

#[test]
fn a_snapshot_is_no_older_than_its_epoch_s_record() {
    // spec: E-1, J-6, S-1
    // The journal is slow and snapshots are quick. What was not durable at a crash
    // is computed anew, in epochs that are cut otherwise.
    let mut undisturbed = lab(60);
    undisturbed.faults = Some(Box::new(slow_journal));
    let (end, outputs) = undisturbed.run(Crash::Never);
    assert_eq!(end, RunEnd::Ended(Ending::Finished));
    let expected = comparable(&undisturbed);
    for k in 1..outputs {
        let mut lab = lab(60);
        lab.faults = Some(Box::new(slow_journal));
        lab.run(Crash::After(k));
        lab.config.epoch_bytes_max = 170;
        lab.run(Crash::After(k / 2 + 20));
        lab.config.epoch_bytes_max = 600;
        let ending = lab.run_through(&[]);
        assert!(matches!(ending, Ending::Finished | Ending::AlreadyFinished), "{k}: {ending:?}");
        assert_eq!(comparable(&lab), expected, "{k}");
    }
}

#[test]
fn a_run_that_ends_while_another_one_starts_is_no_loss() {
    // spec: K-5
    // The start saw the sinks as they were before the other run gave them their rows, and
    // the journal as that run left it.
    let mut lab = lab(20);
    assert_eq!(lab.run_through(&[]), Ending::Finished);
    let mut stale = lab.sinks.len();
    lab.faults = Some(Box::new(move |output| match output {
        Output::InspectSink { request, sink } if stale > 0 => {
            stale -= 1;
            Fault::Instead(vec![holds_nothing(*request, *sink)])
        }
        _ => Fault::None,
    }));
    assert_eq!(lab.run_through(&[]), Ending::AlreadyFinished);
    // What is still gone at the second look is lost.
    lab.faults = None;
    lab.sinks.values_mut().for_each(|sink| sink.lose(1));
    let ending = lab.run_through(&[]);
    assert!(matches!(ending, Ending::Failed(Failure::SinkLostData { .. })), "{ending:?}");
}

/// What a sink says of itself that nobody claimed yet.
fn holds_nothing(request: RequestId, sink: SinkId) -> Input {
    Input::SinkInspected { request, sink, generation: None, marker: None }
}

/// A job that is done, whose sinks all lost a chunk since.
fn done_and_lost() -> Lab {
    let mut lab = lab(20);
    lab.config.sink_wait_ms = 300;
    assert_eq!(lab.run_through(&[]), Ending::Finished);
    lab.sinks.values_mut().for_each(|sink| sink.lose(1));
    lab
}

#[test]
fn a_slow_journal_takes_no_time_from_the_second_look_at_the_sinks() {
    // spec: K-5
    let mut lab = done_and_lost();
    lab.faults = Some(Box::new(|output| match output {
        Output::ReadJournal { .. } => Fault::Late(500),
        _ => Fault::None,
    }));
    let ending = lab.run_through(&[]);
    assert!(matches!(ending, Ending::Failed(Failure::SinkLostData { .. })), "{ending:?}");
}

#[test]
fn a_sink_that_was_silent_has_its_time_at_the_second_look() {
    // spec: F-4, K-5
    // Only the first sink lost something; at the first look it is silent, and another one
    // seems to have lost all.
    let mut lab = lab(20);
    lab.config.sink_wait_ms = 300;
    assert_eq!(lab.run_through(&[]), Ending::Finished);
    lab.sink(SinkId(0)).lose(1);
    let mut looks = 0;
    lab.faults = Some(Box::new(move |output| match output {
        Output::InspectSink { sink: SinkId(0), .. } => {
            looks += 1;
            if looks == 1 { Fault::Instead(Vec::new()) } else { Fault::Late(200) }
        }
        Output::InspectSink { request, sink: sink @ SinkId(1) } if looks == 1 => {
            Fault::Instead(vec![holds_nothing(*request, *sink)])
        }
        _ => Fault::None,
    }));
    let ending = lab.run_through(&[]);
    let lost = |sink: &str| sink == "totals";
    assert!(
        matches!(&ending, Ending::Failed(Failure::SinkLostData { sink, .. }) if lost(sink)),
        "{ending:?}"
    );
}

#[test]
fn a_start_whose_sinks_fall_silent_at_the_second_look_goes_on() {
    // spec: F-4
    let mut lab = done_and_lost();
    let before = lab.elapsed_ms();
    let mut looks = 0;
    lab.faults = Some(Box::new(move |output| match output {
        Output::InspectSink { sink, .. } => {
            looks += usize::from(*sink == SinkId(0));
            if looks == 1 && *sink != SinkId(0) { Fault::None } else { Fault::Instead(vec![]) }
        }
        _ => Fault::None,
    }));
    assert_eq!(lab.run_through(&[]), Ending::AlreadyFinished);
    let waited = lab.elapsed_ms() - before;
    assert!((600..700).contains(&waited), "it waited {waited} ms");
}

#[test]
fn an_answer_of_the_first_look_is_none_to_the_second() {
    // spec: K-5
    let mut lab = lab(60);
    assert_eq!(lab.run_through(&[]), Ending::Finished);
    let last = SinkId(2);
    let held = lab.sinks[&last].marker();
    assert!(held.is_some());
    let mut first = None;
    lab.faults = Some(Box::new(move |output| match (output, first) {
        (Output::InspectSink { request, sink }, None) if *sink == last => {
            first = Some(*request);
            Fault::Instead(vec![holds_nothing(*request, last)])
        }
        (Output::InspectSink { request, sink }, Some(first)) if *sink == last => {
            let found = Input::SinkInspected {
                request: *request,
                sink: last,
                generation: None,
                marker: held,
            };
            Fault::Instead(vec![holds_nothing(first, last), found])
        }
        _ => Fault::None,
    }));
    assert_eq!(lab.run_through(&[]), Ending::AlreadyFinished);
}

#[test]
fn a_sink_that_cannot_be_opened_for_a_moment_is_opened_later() {
    // spec: F-2, F-4
    let mut lab = lab(20);
    let mut failures = 3;
    lab.faults = Some(Box::new(move |output| match output {
        Output::OpenSink { request, sink, .. } if failures > 0 => {
            failures -= 1;
            let (request, sink, message) = (*request, *sink, "not now".to_owned());
            let outcome = OpenOutcome::Failed(FailKind::Transient);
            Fault::Instead(vec![Input::SinkOpenFailed { request, sink, outcome, message }])
        }
        _ => Fault::None,
    }));
    assert_eq!(lab.run_through(&[]), Ending::Finished);
    assert!(lab.wakes < 100, "it slept: {}", lab.wakes);
}

#[test]
fn a_group_that_ends_later_than_its_last_row_waits_for_the_record_that_says_so() {
    // spec: J-1, J-5
    // The counts of epoch 2 are flushed by their age, with an empty epoch, whose
    // record is lost in the crash.
    let mut lab = one_split([5, 105, 205]);
    lab.faults = Some(Box::new(slow_journal));
    let crash = (1..).find(|k| {
        let mut probe = one_split([5, 105, 205]);
        probe.faults = Some(Box::new(slow_journal));
        probe.run(Crash::After(*k));
        probe.trace.iter().any(|line| line == "append epoch 4")
    });
    lab.run(Crash::After(crash.expect("there is a fourth epoch")));
    assert_eq!(counts(&lab), Vec::<String>::new(), "{:#?}", lab.trace);
    // What comes in the meantime is in the same group.
    lab.script = vec![
        (Trigger::At(11_000), Event::Grow("a".into(), records([305]))),
        (Trigger::At(30_000), Event::Stop),
    ];
    assert_eq!(lab.run_through(&[]), Ending::Stopped);
    assert_eq!(counts(&lab), ["1 @00", "1 @00.1", "1 @00.2"]);
}

/// A growing job with one split of these records.
fn one_split(millis: impl IntoIterator<Item = u64>) -> Lab {
    let splits = vec![LabSplit::file(0, "a", records(millis))];
    Lab::new(growing("1 s", None), slow_flush(), splits)
}

#[test]
fn a_stop_during_the_replay_flushes_what_was_begun() {
    // spec: E-4, F-4
    let mut lab = one_split([5, 105, 205]);
    // Killed with two counts in an open group.
    let crash = (1..).find(|k| {
        let mut probe = one_split([5, 105, 205]);
        probe.run(Crash::After(*k));
        probe.trace.last().is_some_and(|line| line == "append epoch 2")
    });
    lab.run(Crash::After(crash.expect("there is a second epoch")));
    lab.script = vec![(Trigger::Line("fetch a from 0 until 121".into()), Event::Stop)];
    assert_eq!(lab.run_through(&[]), Ending::Stopped);
    assert!(lab.script.is_empty(), "{:#?}", lab.trace);
    assert_eq!(counts(&lab), ["1 @00", "1 @00.1"]);
}

#[test]
fn a_stop_before_the_first_epoch_is_no_wait() {
    // spec: F-4
    let mut lab = one_split([5]);
    lab.faults = Some(Box::new(|output| match output {
        Output::DiscoverSplits { .. } => Fault::Slow(100_000),
        _ => Fault::None,
    }));
    lab.script = vec![(Trigger::At(500), Event::Stop)];
    assert_eq!(lab.run_through(&[]), Ending::Stopped);
    assert!(lab.elapsed_ms() < 1_000, "{}", lab.elapsed_ms());
}

#[test]
fn a_job_without_new_input_may_be_stopped_and_killed_at_will() {
    // spec: F-6
    let mut lab = one_split([5, 105, 205]);
    lab.config.poison_starts = 3;
    for round in 0..6 {
        let after = lab.trace.len();
        lab.script = vec![(Trigger::At(30_000 * (round + 1)), Event::Stop)];
        assert_eq!(lab.run_through(&[]), Ending::Stopped, "{round}");
        assert!(lab.trace.len() > after);
    }
    assert_eq!(counts(&lab), ["1 @00", "1 @00.1"]);
    // Killed when it has read all there is.
    for round in 0..6 {
        let (end, _) = lab.run(Crash::After(20));
        assert_eq!(end, RunEnd::Crashed, "{round}");
    }
}

/// A job of which one epoch is durable, and whose last start ended without a word.
fn wary() -> Lab {
    let mut lab = one_split([5, 105, 205]);
    lab.config.poison_starts = 3;
    assert_eq!(lab.run(Crash::AfterLine("append epoch 1")).0, RunEnd::Crashed);
    let opened = "open journal of generation 2 part 0";
    assert_eq!(lab.run(Crash::AfterLine(opened)).0, RunEnd::Crashed);
    lab.trace.clear();
    lab
}

#[test]
fn a_start_that_dies_of_one_epoch_again_and_again_is_poison() {
    // spec: F-6
    // Killed while the first new epoch is computed: behind the third note, since the
    // epoch before is computed again with two.
    let notes = |lab: &Lab| lab.trace.iter().filter(|line| *line == "append note").count();
    let third = (1..).find(|k| {
        let mut lab = wary();
        lab.run(Crash::After(*k));
        notes(&lab) == 3
    });
    let crash = Crash::After(third.expect("there is a third note"));
    let mut lab = wary();
    for _ in 0..3 {
        assert_eq!(lab.run(crash).0, RunEnd::Crashed);
    }
    let end = lab.run(crash).0;
    let poisoned = Failure::Poisoned { epoch: Epoch(2), starts: 3 };
    assert_eq!(end, RunEnd::Ended(Ending::Failed(poisoned)));
}

#[test]
fn a_start_that_does_not_die_of_computing_is_no_poison() {
    // spec: F-6, K-8
    let failing: [fn(&Output) -> Fault; 4] = [
        // A sink in other hands.
        |output| match output {
            Output::OpenSink { request, sink, .. } => {
                let outcome = OpenOutcome::Locked { by: "somebody".into() };
                let (request, sink, message) = (*request, *sink, String::new());
                Fault::Instead(vec![Input::SinkOpenFailed { request, sink, outcome, message }])
            }
            _ => Fault::None,
        },
        // A source that cannot be read.
        |output| match output {
            Output::Fetch { request, split, .. } => {
                let (request, split, message) = (*request, *split, "gone".to_owned());
                Fault::Instead(vec![Input::FetchFailed {
                    request,
                    split,
                    transient: false,
                    message,
                }])
            }
            _ => Fault::None,
        },
        // A journal that cannot be written.
        |output| match output {
            Output::AppendJournal { .. } => {
                Fault::Instead(vec![Input::JournalFailed { message: "full".into() }])
            }
            _ => Fault::None,
        },
        // A sink that is dead.
        |output| match output {
            Output::OpenSink { request, sink, .. } => {
                let outcome = OpenOutcome::Failed(FailKind::Transient);
                let (request, sink, message) = (*request, *sink, String::new());
                Fault::Instead(vec![Input::SinkOpenFailed { request, sink, outcome, message }])
            }
            _ => Fault::None,
        },
    ];
    for (index, fault) in failing.into_iter().enumerate() {
        let mut lab = wary();
        lab.faults = Some(Box::new(fault));
        for round in 0..6 {
            // Whatever does not end by itself is killed.
            let end = lab.run(Crash::After(30)).0;
            let poisoned = matches!(end, RunEnd::Ended(Ending::Failed(Failure::Poisoned { .. })));
            assert!(!poisoned, "{index}: start {round}");
        }
        lab.faults = None;
        lab.script = vec![(Trigger::At(lab.elapsed_ms() + 30_000), Event::Stop)];
        assert_eq!(lab.run_through(&[]), Ending::Stopped, "{index}");
        assert_eq!(counts(&lab), ["1 @00", "1 @00.1"], "{index}");
    }
}

#[test]
fn a_split_that_woke_before_the_crash_becomes_idle_again_after_it() {
    // spec: T-3
    let job = || {
        let splits =
            vec![LabSplit::file(0, "a", records([5, 105])), LabSplit::file(0, "b", records([5]))];
        let mut lab = Lab::new(growing("1 s", None), slow_flush(), splits);
        lab.script = vec![
            (Trigger::At(3_000), Event::Grow("b".into(), records([110]))),
            (Trigger::At(3_500), Event::Grow("a".into(), records([120]))),
            (Trigger::At(9_000), Event::Grow("a".into(), records([950]))),
            (Trigger::At(9_300), Event::Stop),
        ];
        lab
    };
    let mut undisturbed = job();
    assert_eq!(undisturbed.run_through(&[]), Ending::Stopped);
    assert_eq!(counts(&undisturbed), ["2 @00", "3 @00.1"]);
    let (mut crashed, mut k) = (0, 20);
    loop {
        let mut lab = job();
        if lab.run(Crash::After(k)).0 != RunEnd::Crashed {
            break;
        }
        // The stop may be lost with the process that was asked.
        lab.script.push((Trigger::At(12_000), Event::Stop));
        assert_eq!(lab.run_through(&[]), Ending::Stopped);
        assert_eq!(counts(&lab), counts(&undisturbed), "{k}");
        crashed += 1;
        k += 3;
    }
    assert!(crashed > 10, "{crashed}");
}

#[test]
fn answers_that_come_twice_change_nothing() {
    // spec: F-2
    let mut undisturbed = lab(40);
    let (_, outputs) = undisturbed.run(Crash::Never);
    for k in (1..outputs).step_by(9) {
        let mut lab = Lab::new(three_sinks(), small_limits(), two_files(40));
        lab.faults = Some(Box::new(|_| Fault::Twice));
        let ending = lab.run_through(&[Crash::After(k)]);
        assert!(matches!(ending, Ending::Finished | Ending::AlreadyFinished), "{k}: {ending:?}");
        assert_eq!(comparable(&lab), comparable(&undisturbed), "{k}");
    }
}

/// One more than the job of the next test has.
const RECORDS: usize = 40;

/// A bounded job that prints its records, with a snapshot after each of them.
fn printed() -> Lab {
    let mut plan = PlanBuilder::default();
    let columns = [("v", SqlType::BigInt)];
    let numbers = plan.table("numbers", "filesystem", &columns, None, true);
    let scan = plan.scan(numbers);
    plan.sink("printed", "print", scan);
    let text: String = (1..RECORDS).map(|v| format!("{{\"v\":{v}}}\n")).collect();
    let limits = PipelineConfig {
        epoch_bytes_max: 8,
        fetch_bytes: 8,
        split_buffer_bytes_max: 8,
        snapshot_bytes: 1,
        ..small_limits()
    };
    Lab::new(plan.build(), limits, vec![LabSplit::file(0, "numbers", text)])
}

#[test]
fn nothing_is_trimmed_that_a_sink_without_a_marker_needs() {
    // spec: J-4, K-6
    // What such a sink acknowledged is known only from the journal. The sink is slow,
    // so that its answers come just before snapshots are complete.
    let job = |apply_ms: i64, store_ms: i64| {
        let mut lab = printed();
        lab.faults = Some(Box::new(move |output| match output {
            Output::ApplyChunk { .. } => Fault::Late(apply_ms),
            Output::StoreSnapshot { .. } => Fault::Late(store_ms),
            _ => Fault::None,
        }));
        lab
    };
    let mut trimmed = 0;
    for (apply_ms, store_ms, k) in (0..4).flat_map(|a| {
        (0..5).flat_map(move |s| (10..150).step_by(8).map(move |k| (2 * a, 2 * s, k)))
    }) {
        let mut lab = job(apply_ms, store_ms);
        lab.run(Crash::After(k));
        let was_trimmed = lab.trace.iter().any(|line| line.starts_with("trim"));
        trimmed += usize::from(was_trimmed);
        let before = lab.reports.len();
        let ending = lab.run_through(&[]);
        assert!(matches!(ending, Ending::Finished | Ending::AlreadyFinished), "{k}: {ending:?}");
        let text = &lab.results()["printed"];
        for v in 1..RECORDS {
            assert!(text.contains(&format!("+I[{v}]")), "{k}: {v} is lost: {text}");
        }
        if was_trimmed {
            let full = |report: &Report| matches!(report, Report::Running { snapshot: None, .. });
            assert!(!lab.reports[before..].iter().any(full), "{k}: no snapshot could be used");
        }
    }
    assert!(trimmed > 5, "{trimmed}");
}
