//! The oracles see what a run did wrong, though all rows are right.

use crate::scenarios::{Scenario, all, more};
use anabranch_sim::model::Toll;
use anabranch_sim::oracle::judge;
use anabranch_sim::run::run;
use anabranch_sim::time::{Span, VirtualTime};
use anabranch_sim::world::{GivenUpSeen, Loser, Loss, LostSnapshot, RottenStart, RunResult};

/// What is found once a result is changed.
fn found(name: &str, change: impl FnOnce(&mut RunResult)) -> Vec<String> {
    let scenario = all().into_iter().chain(more()).find(|scenario| scenario.name == name);
    let Scenario { job, plan, .. } = scenario.expect("there is such a scenario");
    let mut result = run(&plan, &job).expect("the plan fits the job");
    change(&mut result);
    let findings = judge(&plan, &job, &result);
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

/// The sink has lost its last records with its marker, at this moment.
fn lose_the_end(result: &mut RunResult, sink: usize, at: VirtualTime) {
    let shown = &mut result.sinks[sink];
    let mut seen = shown.seen.last().expect("something was seen").clone();
    let before = shown.views().nth(shown.seen.len() - 2).expect("it was seen twice");
    let (marker, records) = (before.0.marker, before.1);
    (seen.at, seen.process, seen.kept, seen.marker) = (at, 0, 0, marker);
    seen.records.clone_from(&records);
    shown.seen.push(seen);
    (shown.last.records, shown.last.marker) = (records, marker);
    let of = Loser::Sink(shown.table.clone());
    result.losses.push(Loss::gone(at, of, 1));
}

#[test]
fn a_loss_that_nobody_noticed_is_found() {
    // spec: K-5
    // It is gone before the job looks at the sink for the last time, and ends well.
    let findings = found("hop", |result| {
        let looked = result.sinks[0].looked.expect("it was looked at");
        let last = result.sinks[0].seen.last().expect("something was seen").at;
        assert!(last < looked, "the job looks once more before it ends");
        lose_the_end(result, 0, last);
    });
    assert!(findings.iter().any(|it| it.starts_with("S4 loss not noticed")), "{findings:?}");
    // Nobody looks any more.
    let findings = found("hop", |result| {
        let at = result.duration;
        lose_the_end(result, 0, at);
    });
    assert_eq!(findings, Vec::<String>::new());
    // Without a loss the marker may not go back at all.
    let findings = found("hop", |result| {
        let at = result.duration;
        lose_the_end(result, 0, at);
        result.losses.clear();
    });
    assert!(findings.iter().any(|it| it.starts_with("S4 marker went back")), "{findings:?}");
}

#[test]
fn a_marker_goes_with_the_power_only_if_nobody_was_told_of_it() {
    // spec: K-2
    let unsynced = |result: &mut RunResult, acknowledged: bool| {
        let at = result.duration;
        lose_the_end(result, 0, at);
        let loss = result.losses.last_mut().expect("it was just lost");
        loss.toll = Toll { unsynced: 1, ..Toll::default() };
        if !acknowledged {
            // The last one was told twice: when it was applied, and when somebody looked again.
            let acks = &mut result.sinks[0].acks;
            let last = acks.last().expect("it was told").marker;
            acks.retain(|ack| ack.marker != last);
        }
    };
    let findings = found("hop", |result| unsynced(result, true));
    assert!(findings.iter().any(|it| it.starts_with("S4 marker went back")), "{findings:?}");
    let findings = found("hop", |result| unsynced(result, false));
    assert!(!findings.iter().any(|it| it.starts_with("S4 marker went back")), "{findings:?}");
}

#[test]
fn a_sink_that_is_given_up_without_a_reason_is_found() {
    // spec: K-8
    let given_up = |sink: &str, failing_ms: Option<i64>| {
        let (sink, at) = (sink.to_owned(), VirtualTime(60_000_000_000));
        let failing_since = failing_ms.map(|ms| VirtualTime(at.0 - Span::ms(ms).0));
        GivenUpSeen { process: 1, sink, at, failing_since }
    };
    let of = |sink: &str, failing_ms: Option<i64>| {
        let seen = given_up(sink, failing_ms);
        found("lagging", |result| result.given_up = vec![seen])
    };
    assert_eq!(of("topic", Some(200)), Vec::<String>::new());
    assert_eq!(of("topic", Some(100)), ["L1 given up too soon: topic"]);
    assert_eq!(of("topic", None), ["L1 given up: topic"]);
    assert_eq!(
        found("tumble", |result| {
            let sink = result.sinks[0].table.clone();
            result.given_up = vec![given_up(&sink, Some(50_000))];
        })
        .len(),
        1,
        "its table says hold"
    );
}
