//! Whether the laboratory's own jobs notice the planted bugs of the pipeline: a switch
//! that changes nothing would be no bug.

use crate::jobs::{
    comparable, comparable_but, growing, lab, records, slow_flush, small_limits, three_sinks,
    two_files,
};
use crate::services;
use anabranch_engine::ids::SinkId;
use anabranch_engine::pipeline::{Ending, Input, Output};
use anabranch_engine::plant::{Plant, switch};
use anabranch_engine::sink::{FailKind, OpenOutcome};
use anabranch_sim::lab::{Crash, Event, Fault, Lab, LabSplit, RunEnd, Trigger};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a job comes to.
type Outcome = (String, BTreeMap<String, Vec<String>>);

/// A sink that cannot be opened so many times.
fn dead_for(times: usize, output: &Output, failed: &mut usize) -> Option<Fault> {
    match output {
        Output::OpenSink { request, sink: SinkId(1), .. } if *failed < times => {
            *failed += 1;
            let (request, sink, message) = (*request, SinkId(1), String::new());
            let outcome = OpenOutcome::Failed(FailKind::Transient);
            Some(Fault::Instead(vec![Input::SinkOpenFailed { request, sink, outcome, message }]))
        }
        _ => None,
    }
}

/// Runs a job that is killed at one place, and is slow in some things.
fn run(job: usize, k: usize) -> Outcome {
    let mut failed = 0;
    let (mut lab, by_record): (Lab, &[&str]) = match job {
        0 => (lab(60), &["large", "late"]),
        1 => (services::lab(40), &["raw"]),
        3 => {
            let splits = two_files(60).into_iter().map(|split| LabSplit { is_log: true, ..split });
            let lab = Lab::new(three_sinks(), small_limits(), splits.collect());
            (lab, &["large", "late"])
        }
        4 => return dead_for_two_starts(k),
        _ => {
            let splits = vec![
                LabSplit::file(0, "a", records([5, 105])),
                LabSplit::file(0, "b", records([5])),
            ];
            let mut lab = Lab::new(growing("1 s", None), slow_flush(), splits);
            lab.config.flush_age_ms = 30;
            lab.config.snapshot_bytes = 40;
            lab.config.heal_horizon_ms = 0;
            lab.script = vec![
                (Trigger::At(3_000), Event::Grow("b".into(), records([110]))),
                (Trigger::At(3_500), Event::Grow("a".into(), records([120, 260]))),
                (Trigger::At(9_000), Event::Grow("a".into(), records([950]))),
                (Trigger::At(9_300), Event::Stop),
            ];
            (lab, &[])
        }
    };
    if job == 2 && k < 500 {
        lab.script.push((Trigger::At(14_000), Event::Stop));
    }
    lab.pieces = 1 + k % 3;
    lab.faults = Some(Box::new(move |output| match output {
        Output::AppendJournal { .. } if k.is_multiple_of(2) => Fault::Slow(9),
        _ if k.is_multiple_of(5) => dead_for(3, output, &mut failed).unwrap_or(Fault::None),
        _ => Fault::None,
    }));
    lab.run(Crash::After(k));
    let ending = match lab.run_through(&[Crash::After(k / 2 + 11)]) {
        Ending::AlreadyFinished => Ending::Finished,
        other => other,
    };
    let results = match by_record {
        [] => comparable_but(&lab, &[]),
        ["raw"] => comparable_but(&lab, &["raw"]),
        _ => comparable(&lab),
    };
    (format!("{ending:?}"), results)
}

/// A sink that is dead for a whole start and at the beginning of the one behind it, while
/// snapshots are taken and old ones go.
fn dead_for_two_starts(k: usize) -> Outcome {
    let mut lab = lab(400);
    // Of what the first start journaled nothing is kept behind the second.
    lab.run(Crash::After(40 + k / 2));
    lab.run(Crash::After(220));
    for _ in 0..2 {
        lab.faults = Some(Box::new(|output| match output {
            Output::InspectSink { request, sink } | Output::OpenSink { request, sink, .. }
                if *sink == SinkId(1) =>
            {
                let (request, sink, message) = (*request, *sink, String::new());
                let outcome = OpenOutcome::Failed(FailKind::Transient);
                Fault::Instead(vec![Input::SinkOpenFailed { request, sink, outcome, message }])
            }
            _ => Fault::None,
        }));
        if let (RunEnd::Ended(early), _) = lab.run(Crash::After(260 + k)) {
            return (format!("{early:?}"), BTreeMap::new());
        }
    }
    lab.faults = None;
    let ending = match lab.run_through(&[]) {
        Ending::AlreadyFinished => Ending::Finished,
        other => other,
    };
    (format!("{ending:?}"), comparable(&lab))
}

#[test]
fn planted_bugs_of_the_pipeline_are_noticed() {
    let places = |job| (7..150).step_by(7).map(move |k| (job, k));
    let places: Vec<(usize, usize)> = (0..5).flat_map(places).collect();
    let expected: Vec<Outcome> = places.iter().map(|(job, k)| run(*job, *k)).collect();
    let is_fine = |(ending, _): &Outcome| ending == "Finished" || ending == "Stopped";
    assert!(expected.iter().all(is_fine), "without a bug nothing goes wrong");
    let mut missed = Vec::new();
    // Those of operators, of services and of clocks need jobs and faults of their own.
    let all = [
        Plant::W1,
        Plant::W2,
        Plant::W4,
        Plant::W7,
        Plant::D5,
        Plant::J4,
        Plant::J12,
        Plant::J1,
        Plant::J5,
        Plant::J8,
        Plant::P4,
        Plant::P5,
        Plant::K9,
        Plant::K10,
        Plant::K16,
        Plant::K21,
        Plant::R1,
        Plant::R4,
        Plant::R7,
    ];
    // Most of them end in a panic, of which nobody has to hear.
    std::panic::set_hook(Box::new(|_| {}));
    for plant in all {
        switch(Some(plant));
        let noticed = places.iter().zip(&expected).find(|((job, k), expected)| {
            let found = catch_unwind(AssertUnwindSafe(|| run(*job, *k)));
            found.map_or(true, |found| found != **expected)
        });
        switch(None);
        if noticed.is_none() {
            missed.push(plant);
        }
    }
    assert_eq!(missed, []);
}
