//! A job that is killed, anywhere and any number of times, gives what a job gives
//! that is left alone.

use crate::jobs::{lab, small_limits, three_sinks, two_files};
use anabranch_engine::pipeline::Ending;
use anabranch_sim::lab::{Crash, Lab, RunEnd};
use std::collections::BTreeMap;

fn undisturbed(records: u64) -> (BTreeMap<String, String>, usize) {
    let mut lab = lab(records);
    let (end, outputs) = lab.run(Crash::Never);
    assert_eq!(end, RunEnd::Ended(Ending::Finished));
    (lab.results(), outputs)
}

#[test]
fn the_job_of_these_tests_has_something_to_lose() {
    let (results, outputs) = undisturbed(60);
    assert!(outputs > 60, "{outputs}");
    for (name, text) in &results {
        assert!(text.lines().count() >= 3, "{name} has too few rows:\n{text}");
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
            assert_eq!(lab.run_through(&[]), Ending::Finished, "{crash:?}");
            assert_eq!(lab.results(), expected, "{crash:?}");
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
            assert_eq!(lab.results(), expected, "{first} {second}");
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
            let results = lab.results();
            // Rows that time drives are the same bytes; rows that records drive keep
            // the order of their split.
            assert_eq!(results["totals"], expected["totals"], "{epoch_bytes_max} {fetch_bytes}");
            for table in ["large", "late"] {
                assert_eq!(sorted(&results[table]), sorted(&expected[table]));
            }
        }
    }
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_finished_job_says_so_and_does_nothing() {
    let mut lab = lab(20);
    assert_eq!(lab.run_through(&[]), Ending::Finished);
    let before = lab.results();
    assert_eq!(lab.run_through(&[]), Ending::AlreadyFinished);
    assert_eq!(lab.results(), before);
}
