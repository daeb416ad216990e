//! Coming back: what recovery may believe, and what it must not wait for.

use crate::jobs::{counts, growing, records, slow_flush};
use anabranch_engine::pipeline::{Ending, Output};
use anabranch_sim::lab::{Crash, Event, Fault, Lab, LabSplit, Trigger};

fn slow_journal(output: &Output) -> Fault {
    match output {
        Output::AppendJournal { .. } | Output::RecordFinish { .. } => Fault::Slow(9),
        _ => Fault::None,
    }
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
