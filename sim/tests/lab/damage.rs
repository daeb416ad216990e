//! Damage is noticed, cut or survived, and never believed.

use crate::jobs::{comparable, lab};
use anabranch_engine::ids::SinkId;
use anabranch_engine::pipeline::{Ending, Failure, Kept, Report};
use anabranch_sim::lab::{Crash, RunEnd};

#[test]
fn a_torn_tail_is_cut_and_the_epochs_are_computed_anew() {
    // spec: J-6
    let mut undisturbed = lab(60);
    assert_eq!(undisturbed.run_through(&[]), Ending::Finished);
    for torn in [1, 5, 17, 40] {
        let mut lab = lab(60);
        // Killed right behind the append of an epoch that no sink has seen.
        let crash = (1..).find(|k| {
            let mut probe = crate::jobs::lab(60);
            probe.run(Crash::After(*k));
            probe.trace.last().is_some_and(|line| line == "append epoch 4")
        });
        lab.run(Crash::After(crash.expect("there is a fourth epoch")));
        lab.journal.tear(torn);
        assert_eq!(lab.run_through(&[]), Ending::Finished, "{torn}");
        assert_eq!(comparable(&lab), comparable(&undisturbed), "{torn}");
        assert!(lab.reports.iter().any(|r| matches!(r, Report::TailCut { .. })), "{torn}");
    }
}

#[test]
fn damage_below_what_was_durable_stops_the_job() {
    // spec: J-6
    let mut lab = lab(60);
    lab.run(Crash::After(120));
    let length = lab.journal.lengths()[0];
    lab.journal.rot(0, length / 2);
    match lab.run(Crash::Never).0 {
        RunEnd::Ended(Ending::Failed(Failure::Damaged { what, detail })) => {
            assert_eq!(what, Kept::Journal);
            assert!(detail.contains("byte"), "{detail}");
        }
        other => panic!("the damage was not noticed: {other:?}"),
    }
}

#[test]
fn a_damaged_snapshot_is_passed_over_for_an_older_one() {
    // spec: S-1
    let mut undisturbed = lab(60);
    let (_, outputs) = undisturbed.run(Crash::Never);
    let mut survived = 0;
    for k in (40..outputs).step_by(3) {
        let mut lab = lab(60);
        lab.run(Crash::After(k));
        if lab.snapshots.count() < 2 || !lab.snapshots.rot_newest() {
            continue;
        }
        let ending = lab.run_through(&[]);
        if ending == Ending::AlreadyFinished {
            continue;
        }
        assert_eq!(ending, Ending::Finished, "{k}");
        assert_eq!(comparable(&lab), comparable(&undisturbed), "{k}");
        survived += 1;
    }
    assert!(survived > 5, "only {survived} runs had two snapshots");
}

#[test]
fn a_sink_that_lost_acknowledged_chunks_is_noticed() {
    // spec: K-5
    let mut lab = lab(60);
    lab.run(Crash::After(120));
    assert!(lab.sinks[&SinkId(0)].count() > 3);
    lab.sinks.get_mut(&SinkId(0)).expect("it exists").lose(3);
    let end = lab.run(Crash::Never).0;
    assert!(
        matches!(&end, RunEnd::Ended(Ending::Failed(Failure::SinkLostData { sink, .. })) if sink == "totals"),
        "{end:?}"
    );
}

#[test]
fn a_lost_journal_under_a_sink_that_holds_data_stops_the_job() {
    // spec: K-5
    let mut lab = lab(60);
    lab.run(Crash::After(120));
    lab.journal = Default::default();
    let end = lab.run(Crash::Never).0;
    assert!(matches!(end, RunEnd::Ended(Ending::Failed(Failure::Damaged { .. }))), "{end:?}");
}

#[test]
fn a_sink_that_lost_its_end_after_the_job_finished_is_noticed() {
    // spec: K-5
    let mut lab = lab(60);
    assert_eq!(lab.run_through(&[]), Ending::Finished);
    assert_eq!(lab.run_through(&[]), Ending::AlreadyFinished);
    lab.sink(SinkId(1)).lose(1);
    let end = lab.run(Crash::Never).0;
    assert!(
        matches!(&end, RunEnd::Ended(Ending::Failed(Failure::SinkLostData { sink, .. })) if sink == "large"),
        "{end:?}"
    );
}
