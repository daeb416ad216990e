//! The oracles see what a run did wrong, though all rows are right.

use crate::scenarios::{Scenario, all};
use anabranch_sim::oracle::judge;
use anabranch_sim::run::run;
use anabranch_sim::time::{Span, VirtualTime};
use anabranch_sim::world::{LostSnapshot, RottenStart, RunResult};
use std::collections::BTreeMap;

/// What is found once a result is changed.
fn found(name: &str, change: impl FnOnce(&mut RunResult)) -> Vec<String> {
    let scenario = all().into_iter().find(|scenario| scenario.name == name);
    let Scenario { job, plan, .. } = scenario.expect("there is such a scenario");
    let mut result = run(&plan, &job).expect("the plan fits the job");
    change(&mut result);
    let findings = judge(&plan, &job, &result, &BTreeMap::new(), false);
    findings.expect("the journal is whole").into_iter().map(|it| it.fingerprint).collect()
}

#[test]
fn a_split_that_is_called_idle_while_records_wait_is_found() {
    // spec: T-3
    let findings = found("idle", |result| {
        assert!(!result.log_ends.is_empty());
        result.log_ends.iter_mut().for_each(|seen| seen.end += 1);
    });
    assert_eq!(findings, ["S1 idle mark: journal"]);
}

#[test]
fn a_snapshot_that_does_not_restore_is_found() {
    // spec: S-1
    let findings = found("nested", |result| {
        let snapshot = result.snapshots.last_mut().expect("a snapshot was stored");
        let part = snapshot.parts.last_mut().expect("it has state");
        *part = part.slice(1..);
    });
    assert_eq!(findings, ["S5 unreadable: snapshot"]);
    let findings = found("nested", |result| {
        let snapshot = result.snapshots.last_mut().expect("a snapshot was stored");
        snapshot.manifest.splits[0].offset.0 += 1;
    });
    assert_eq!(findings, ["S2 offset: snapshot"]);
}

#[test]
fn a_durable_epoch_that_the_journal_does_not_keep_is_found() {
    // spec: J-1, J-6
    let findings = found("tumble", |result| {
        let last = result.durable.last_mut().expect("an epoch was appended");
        last.epoch = last.epoch.next();
    });
    assert_eq!(findings, ["S2 durable epoch lost: journal"]);
    let findings = found("tumble", |result| {
        // Another record of the same epoch is not the one that was promised.
        result.durable.first_mut().expect("an epoch was appended").tick.0 -= 1;
    });
    assert_eq!(findings, ["S2 durable epoch lost: journal"]);
}

#[test]
fn a_snapshot_that_vanishes_or_rots_unnoticed_is_found() {
    // spec: S-1
    let name = "000000000007-000000000001-00000000000000aa".to_owned();
    let findings = found("tumble", |result| {
        let (complete, missed) = (VirtualTime(1), VirtualTime(2));
        result.lost_snapshots.push(LostSnapshot { name: name.clone(), complete, missed });
    });
    assert_eq!(findings, ["S5 snapshot lost: snapshots"]);
    let findings = found("tumble", |result| {
        result.rotten_starts.push(RottenStart { process: 2, name: name.clone() });
    });
    assert_eq!(findings, ["S5 rotten snapshot: snapshots"]);
}

#[test]
fn a_job_that_takes_too_long_is_found() {
    let findings =
        found("tumble", |result| result.liveness.done_budget = Span(-60_000_000_000_000));
    assert_eq!(findings, ["L1 done too late"]);
    let findings = found("tumble", |result| result.liveness.restarts = 7);
    assert_eq!(findings, ["L4 restarts"]);
}
