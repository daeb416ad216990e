//! A run that writes nothing asks whether the journal is still its own.

use crate::jobs::{growing, records, slow_flush};
use anabranch_engine::pipeline::{Ending, Failure, Input, Output};
use anabranch_sim::lab::{Event, Fault, Lab, LabSplit, Trigger};

/// A job that is idle from half a second on, and asks every second.
fn idle() -> Lab {
    let splits = vec![LabSplit::file(0, "a", records([5, 105, 205]))];
    let mut lab = Lab::new(growing("100 ms", None), slow_flush(), splits);
    lab.config.prove_ms = 1_000;
    lab.config.flush_age_ms = 50;
    lab.script = vec![(Trigger::At(6_700), Event::Stop)];
    lab
}

fn proofs(lab: &Lab) -> usize {
    lab.trace.iter().filter(|line| *line == "prove journal").count()
}

#[test]
fn it_asks_as_often_as_it_is_told_and_goes_on() {
    // spec: J-3
    let mut lab = idle();
    assert_eq!(lab.run_through(&[]), Ending::Stopped);
    // The last epoch says that the split is idle: six times a second fits behind it.
    assert_eq!(proofs(&lab), 6, "{}", lab.trace.join("\n"));
}

#[test]
fn what_is_appended_is_proof_enough() {
    // spec: J-3
    let mut lab = idle();
    for at in (0..10).map(|n| 500 + 600 * n) {
        let grows = Event::Grow("a".into(), records([300 + u64::try_from(at).unwrap()]));
        lab.script.push((Trigger::At(at), grows));
    }
    assert_eq!(lab.run_through(&[]), Ending::Stopped);
    assert_eq!(proofs(&lab), 0, "{}", lab.trace.join("\n"));
}

#[test]
fn a_zombie_that_has_nothing_to_write_ends() {
    // spec: J-3
    let mut lab = idle();
    let mut asked = 0;
    lab.faults = Some(Box::new(move |output| match output {
        Output::ProveJournal { request, .. } => {
            asked += 1;
            // First its store cannot say, then the journal belongs to somebody else.
            Fault::Instead(vec![match asked {
                1 => Input::JournalNotProved { request: *request },
                _ => Input::JournalFenced { by: "generation 2".to_owned() },
            }])
        }
        _ => Fault::None,
    }));
    let by = "generation 2".to_owned();
    let fenced = Failure::Fenced { what: "the journal".to_owned(), by };
    assert_eq!(lab.run_through(&[]), Ending::Failed(fenced));
    assert_eq!(proofs(&lab), 2);
}

/// A job whose journal lost a record that a snapshot needs; so many times its store cannot
/// say at first whose it is.
fn behind_its_snapshot(unclear: usize, is_replaced: bool) -> Lab {
    let mut lab = idle();
    lab.config.snapshot_bytes = 1;
    assert_eq!(lab.run_through(&[]), Ending::Stopped);
    let bytes = lab.journal.lengths()[0];
    lab.journal.tear(bytes / 2);
    lab.sinks.clear();
    lab.trace.clear();
    let mut left = unclear;
    lab.faults = Some(Box::new(move |output| match output {
        Output::ProveJournal { request, .. } if left > 0 => {
            left -= 1;
            Fault::Instead(vec![Input::JournalNotProved { request: *request }])
        }
        Output::ProveJournal { .. } if is_replaced => {
            Fault::Instead(vec![Input::JournalFenced { by: "generation 3".to_owned() }])
        }
        _ => Fault::None,
    }));
    lab
}

#[test]
fn a_start_asks_again_whose_the_journal_is() {
    // spec: F-2, J-3, J-6
    for is_replaced in [true, false] {
        let mut lab = behind_its_snapshot(3, is_replaced);
        let (before, wakes) = (lab.elapsed_ms(), lab.wakes);
        let ending = lab.run_through(&[]);
        match (&ending, is_replaced) {
            (Ending::Failed(Failure::Fenced { .. }), true)
            | (Ending::Failed(Failure::Damaged { .. }), false) => {}
            _ => panic!("{is_replaced}: {ending:?}\n{}", lab.trace.join("\n")),
        }
        assert_eq!(proofs(&lab), 4);
        // It waits longer each time.
        let waited = lab.config.retry_ms * (1 + 2 + 4);
        assert!(lab.elapsed_ms() - before >= waited, "{}", lab.elapsed_ms() - before);
        assert!(lab.wakes - wakes <= 3, "it slept: {}", lab.wakes - wakes);
    }
}

#[test]
fn a_start_does_not_ask_for_ever_whose_the_journal_is() {
    // spec: F-2
    let mut lab = behind_its_snapshot(usize::MAX, false);
    let ending = lab.run_through(&[]);
    assert!(matches!(ending, Ending::Failed(Failure::JournalFailed(_))), "{ending:?}");
    assert_eq!(proofs(&lab), lab.config.attempts_max as usize);
}

#[test]
fn a_snapshot_of_a_newer_run_is_no_damage_of_the_journal() {
    // spec: J-3, J-6
    // Another run has taken over between the reading of the journal and the listing of the
    // snapshots; in the second case nobody has, and a record is gone.
    for is_replaced in [true, false] {
        let mut lab = behind_its_snapshot(0, is_replaced);
        let ending = lab.run_through(&[]);
        match (&ending, is_replaced) {
            (Ending::Failed(Failure::Fenced { .. }), true) => {}
            (Ending::Failed(Failure::Damaged { detail, .. }), false)
                if detail.contains("snapshot") => {}
            _ => panic!("{is_replaced}: {ending:?}\n{}", lab.trace.join("\n")),
        }
    }
}

#[test]
fn a_journal_that_was_read_before_another_run_wrote_to_it_is_read_again() {
    // spec: J-1, J-3
    // The first reading of the second run found nothing yet; what the sinks show came later.
    let mut lab = idle();
    lab.script.push((Trigger::At(20_000), Event::Stop));
    assert_eq!(lab.run_through(&[]), Ending::Stopped);
    let mut early = true;
    lab.faults = Some(Box::new(move |output| match output {
        Output::ReadJournal { request } if std::mem::take(&mut early) => {
            let (request, segments) = (*request, Vec::new());
            Fault::Instead(vec![Input::JournalRead { request, segments }])
        }
        _ => Fault::None,
    }));
    assert_eq!(lab.run_through(&[]), Ending::Stopped, "{}", lab.trace.join("\n"));
}
