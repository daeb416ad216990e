//! When a split may be called idle, and when not.

use crate::jobs::{counts, growing, records, slow_flush};
use anabranch_engine::ids::SplitId;
use anabranch_engine::pipeline::{Ending, Input, Output};
use anabranch_sim::lab::{Event, Fault, Lab, LabSplit, Trigger};

fn two_splits(idle: &str, max_drift_ms: Option<i64>) -> Lab {
    let splits = vec![LabSplit::file(0, "a", records([5])), LabSplit::file(0, "b", records([5]))];
    Lab::new(growing(idle, max_drift_ms), slow_flush(), splits)
}

#[test]
fn a_split_at_its_end_becomes_idle_and_holds_nobody() {
    // spec: T-3
    let mut lab = two_splits("1 s", None);
    lab.script = vec![
        (Trigger::At(200), Event::Grow("a".into(), records([105, 205, 305]))),
        (Trigger::At(5_000), Event::Grow("b".into(), records([250, 310]))),
        (Trigger::At(5_100), Event::Stop),
    ];
    assert_eq!(lab.run_through(&[]), Ending::Stopped);
    // b was advanced to 305; so its 250 is late.
    assert_eq!(counts(&lab), ["2 @00", "1 @00.1", "1 @00.2"]);
    assert_eq!(lab.results()["late"], "{\"v\":250}\n");
    assert!(lab.wakes < 100, "it slept: {}", lab.wakes);
}

#[test]
fn a_split_that_cannot_be_read_is_not_idle() {
    // spec: T-3
    // b stands at its end when its source fails for five seconds. Nobody knows
    // whether it has more; it has.
    let mut lab = two_splits("1 s", None);
    lab.script = vec![
        (Trigger::At(210), Event::Grow("a".into(), records([105, 205, 305]))),
        (Trigger::At(220), Event::Grow("b".into(), records([106]))),
        (Trigger::At(9_000), Event::Grow("a".into(), records([405]))),
        (Trigger::At(9_500), Event::Stop),
    ];
    let mut failures = 7;
    lab.faults = Some(Box::new(move |output| match output {
        Output::Fetch { request, split: SplitId(1), wait: true, .. } if failures > 0 => {
            failures -= 1;
            let (request, split) = (*request, SplitId(1));
            let message = "no leader".to_owned();
            Fault::Instead(vec![Input::FetchFailed { request, split, transient: true, message }])
        }
        _ => Fault::None,
    }));
    assert_eq!(lab.run_through(&[]), Ending::Stopped);
    assert_eq!(lab.results()["late"], "");
    assert_eq!(counts(&lab), ["2 @00", "2 @00.1", "1 @00.2", "1 @00.3"]);
}

#[test]
fn a_split_whose_source_says_nothing_is_not_idle() {
    // spec: T-3
    // The answer to b's second fetch takes five seconds, and it brings a record.
    let mut lab = two_splits("1 s", None);
    lab.script = vec![
        (Trigger::At(210), Event::Grow("a".into(), records([105, 205, 305]))),
        (Trigger::At(220), Event::Grow("b".into(), records([106]))),
        (Trigger::At(9_000), Event::Grow("a".into(), records([405]))),
        (Trigger::At(9_500), Event::Stop),
    ];
    let mut slow = 1;
    lab.faults = Some(Box::new(move |output| match output {
        Output::Fetch { split: SplitId(1), wait: true, .. } if slow > 0 => {
            slow -= 1;
            Fault::Slow(5_000)
        }
        _ => Fault::None,
    }));
    // The lab lets whoever waits look again at each event; not this one.
    lab.wakes_waiting = false;
    assert_eq!(lab.run_through(&[]), Ending::Stopped);
    assert_eq!(lab.results()["late"], "");
    assert_eq!(counts(&lab), ["2 @00", "2 @00.1", "1 @00.2", "1 @00.3"]);
}

#[test]
fn a_half_line_is_not_asked_for_without_pause() {
    // spec: F-4, F-5
    let mut lab = two_splits("1 s", None);
    lab.script = vec![
        (Trigger::At(200), Event::Grow("a".into(), "{\"v\":1".into())),
        (Trigger::At(3_000), Event::Stop),
    ];
    assert_eq!(lab.run_through(&[]), Ending::Stopped);
    let fetches = lab.trace.iter().filter(|line| line.starts_with("fetch a")).count();
    assert!(fetches < 100, "{fetches}");
}
