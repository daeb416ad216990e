//! A job that is killed, anywhere and any number of times, gives what a job gives
//! that is left alone.

use crate::jobs::{comparable, lab, small_limits, three_sinks, two_files};
use anabranch_engine::pipeline::{Ending, Report};
use anabranch_sim::lab::{Crash, Lab, RunEnd};
use std::collections::BTreeMap;

fn undisturbed(records: u64) -> (BTreeMap<String, Vec<String>>, usize) {
    let mut lab = lab(records);
    let (end, outputs) = lab.run(Crash::Never);
    assert_eq!(end, RunEnd::Ended(Ending::Finished));
    (comparable(&lab), outputs)
}

#[test]
fn the_job_of_these_tests_has_something_to_lose() {
    let (results, outputs) = undisturbed(60);
    assert!(outputs > 60, "{outputs}");
    for (name, rows) in &results {
        assert!(rows.len() >= 3, "{name} has too few rows: {rows:?}");
    }
}

#[test]
fn a_crash_behind_any_output_changes_nothing() {
    // spec: J-1, K-1, K-4, S-2
    let (expected, outputs) = undisturbed(60);
    for k in 1..outputs {
        for crash in [Crash::After(k), Crash::Before(k)] {
            let mut lab = lab(60);
            let (end, _) = lab.run(crash);
            assert_eq!(end, RunEnd::Crashed);
            // Killed behind the last entry, it was done.
            let done = lab.trace.last().is_some_and(|line| line == "append finished");
            let expected_end = if done { Ending::AlreadyFinished } else { Ending::Finished };
            assert_eq!(lab.run_through(&[]), expected_end, "{crash:?}");
            assert_eq!(comparable(&lab), expected, "{crash:?}");
        }
    }
}

#[test]
fn two_crashes_change_nothing() {
    let (expected, outputs) = undisturbed(40);
    for first in (1..outputs).step_by(7) {
        for second in (1..outputs).step_by(5) {
            let mut lab = lab(40);
            let ending = lab.run_through(&[Crash::After(first), Crash::After(second)]);
            if ending == Ending::AlreadyFinished {
                continue;
            }
            assert_eq!(ending, Ending::Finished, "{first} {second}");
            assert_eq!(comparable(&lab), expected, "{first} {second}");
        }
    }
}

#[test]
fn results_do_not_depend_on_where_epochs_are_cut() {
    // spec: E-2, E-3
    let (expected, _) = undisturbed(60);
    for epoch_bytes_max in [60, 128, 1_000, 1 << 20] {
        for fetch_bytes in [80, 300, 1 << 20] {
            let mut config = small_limits();
            config.epoch_bytes_max = epoch_bytes_max;
            config.fetch_bytes = fetch_bytes;
            config.snapshot_bytes = 0;
            let mut lab = Lab::new(three_sinks(), config, two_files(60));
            assert_eq!(lab.run_through(&[]), Ending::Finished);
            assert_eq!(comparable(&lab), expected, "{epoch_bytes_max} {fetch_bytes}");
        }
    }
}

#[test]
fn a_finished_job_says_so_and_does_nothing() {
    let mut lab = lab(20);
    assert_eq!(lab.run_through(&[]), Ending::Finished);
    let before = lab.results();
    assert_eq!(lab.run_through(&[]), Ending::AlreadyFinished);
    assert_eq!(lab.results(), before);
}

#[test]
fn recovery_begins_with_a_snapshot_where_there_is_one() {
    // spec: S-1, S-2
    let (expected, outputs) = undisturbed(60);
    let mut with_snapshot = 0;
    for k in (outputs / 2..outputs).step_by(5) {
        let mut lab = lab(60);
        lab.run(Crash::After(k));
        if lab.run_through(&[]) != Ending::Finished {
            continue;
        }
        assert_eq!(comparable(&lab), expected, "{k}");
        let started = lab.reports.iter().rev().find_map(|report| match report {
            Report::Running { snapshot, replayed, after, .. } => {
                Some((*snapshot, *replayed, *after))
            }
            _ => None,
        });
        if let Some((Some(snapshot), replayed, after)) = started {
            assert_eq!(snapshot.0 + replayed, after.0, "only what lies behind it is replayed");
            with_snapshot += 1;
        }
    }
    assert!(with_snapshot > 5, "{with_snapshot}");
}
