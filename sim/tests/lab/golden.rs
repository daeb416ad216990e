//! Golden traces: everything that a pipeline asks of the world, in order.

use crate::jobs::{lab, records, two_sinks};
use anabranch_engine::ids::{Epoch, Generation, Lineage, SinkId};
use anabranch_engine::journal::ChainHash;
use anabranch_engine::pipeline::{Input, Output, PipelineConfig};
use anabranch_engine::sink::{ApplyOutcome, FailKind, Marker};
use anabranch_sim::lab::{Crash, Event, Fault, Lab, LabSplit, RunEnd, Trigger, trace_line};
use expect_test::{Expect, expect};

/// Two sinks over a split of four records, which are taken one by one.
fn small() -> Lab {
    let config = PipelineConfig {
        binary: "test".into(),
        epoch_bytes_max: 30,
        flush_age_ms: 0,
        snapshot_bytes: 0,
        retry_ms: 20,
        ..PipelineConfig::default()
    };
    let splits = vec![LabSplit::file(0, "a", records([5, 105, 205, 305]))];
    Lab::new(two_sinks(), config, splits)
}

/// What stands in the trace behind the last opening.
fn assert_trace(lab: &Lab, expected: &Expect) {
    let began = lab.trace.iter().rposition(|line| line.starts_with("discover"));
    expected.assert_eq(&lab.trace[began.map_or(0, |at| at + 1)..].join("\n"));
}

/// What becomes of the nth chunk for sink 1.
fn at_chunk(nth: usize, mut fault: impl FnMut(&Output) -> Fault + 'static, lab: &mut Lab) {
    let mut chunks = 0;
    lab.faults = Some(Box::new(move |output| match output {
        Output::ApplyChunk { chunk, .. } if chunk.sink == SinkId(1) => {
            chunks += 1;
            if chunks == nth { fault(output) } else { Fault::None }
        }
        _ => Fault::None,
    }));
}

/// The answer to an apply.
fn answer(output: &Output, outcome: ApplyOutcome) -> Vec<Input> {
    let Output::ApplyChunk { request, chunk } = output else { unreachable!("an apply") };
    let (request, sink, message) = (*request, chunk.sink, String::new());
    vec![Input::SinkApplied { request, sink, outcome, message }]
}

fn marker(epoch: u64) -> Marker {
    let lineage = Lineage { number: 1, nonce: 1 };
    Marker { lineage, epoch: Epoch(epoch), chunk: 0, last: true, hash: ChainHash([7; 16]) }
}

#[test]
fn start_steady_state_and_end() {
    let mut lab = lab(6);
    lab.run(Crash::Never);
    expect![[r#"
        read journal
        inspect sink 0
        inspect sink 1
        inspect sink 2
        open journal of generation 1 part 0
        open sink 0 for generation 1
        open sink 1 for generation 1
        open sink 2 for generation 1
        list snapshots
        report Running { generation: Generation { number: 1, nonce: 1 }, after: Epoch(0), replayed: 0, snapshot: None }
        discover splits of table 0
        append epoch 1
        fetch a.jsonl from 0
        fetch b.jsonl from 0
        append epoch 2
        fetch a.jsonl from 199
        append epoch 3
        fetch b.jsonl from 199
        append epoch 4
        append epoch 5
        apply to sink 0 chunk 5.0 after nothing with 3 rows
        append epoch 6
        open sink 0 for generation 1
        append finished
        end Finished"#]].assert_eq(&lab.trace.join("\n"));
}

#[test]
fn several_epochs_in_flight() {
    // spec: E-4, J-1
    let mut lab = small();
    // The journal answers after 20 ms; four epochs may wait for it.
    lab.faults = Some(Box::new(|output| match output {
        Output::AppendJournal { .. } => Fault::Slow(20),
        _ => Fault::None,
    }));
    lab.run(Crash::Never);
    assert_trace(
        &lab,
        &expect![[r#"
            append epoch 1
            fetch a from 0
            append epoch 2
            append epoch 3
            append epoch 4
            append epoch 5
            apply to sink 1 chunk 2.0 after nothing with 1 rows
            apply to sink 0 chunk 3.0 after nothing with 1 rows
            apply to sink 1 chunk 3.0 after 2.0 with 1 rows
            apply to sink 0 chunk 4.0 after 3.0 with 1 rows
            apply to sink 1 chunk 4.0 after 3.0 with 1 rows
            apply to sink 0 chunk 5.0 after 4.0 with 2 rows
            apply to sink 1 chunk 5.0 after 4.0 with 1 rows
            append epoch 6
            open sink 0 for generation 1
            open sink 1 for generation 1
            append finished
            end Finished"#]],
    );
}

#[test]
fn a_slow_sink() {
    // spec: K-1, K-8
    let mut lab = small();
    // Its chunks wait in a queue, one is under way, and the other sink goes on.
    lab.faults = Some(Box::new(|output| match output {
        Output::ApplyChunk { chunk, .. } if chunk.sink == SinkId(1) => Fault::Late(20),
        _ => Fault::None,
    }));
    lab.run(Crash::Never);
    assert_trace(
        &lab,
        &expect![[r#"
            append epoch 1
            fetch a from 0
            append epoch 2
            append epoch 3
            append epoch 4
            append epoch 5
            apply to sink 1 chunk 2.0 after nothing with 1 rows
            apply to sink 0 chunk 3.0 after nothing with 1 rows
            apply to sink 0 chunk 4.0 after 3.0 with 1 rows
            apply to sink 0 chunk 5.0 after 4.0 with 2 rows
            apply to sink 1 chunk 3.0 after 2.0 with 1 rows
            apply to sink 1 chunk 4.0 after 3.0 with 1 rows
            apply to sink 1 chunk 5.0 after 4.0 with 1 rows
            append epoch 6
            open sink 0 for generation 1
            open sink 1 for generation 1
            append finished
            end Finished"#]],
    );
}

#[test]
fn an_unknown_outcome_that_took_effect() {
    // spec: K-4
    let mut lab = small();
    // The marker tells, and the chunk is not sent again.
    let unknown = |output: &Output| {
        Fault::Misreported(answer(output, ApplyOutcome::Failed(FailKind::Unknown)))
    };
    at_chunk(2, unknown, &mut lab);
    lab.run(Crash::Never);
    assert_trace(
        &lab,
        &expect![[r#"
            append epoch 1
            fetch a from 0
            append epoch 2
            append epoch 3
            append epoch 4
            append epoch 5
            apply to sink 1 chunk 2.0 after nothing with 1 rows
            apply to sink 0 chunk 3.0 after nothing with 1 rows
            apply to sink 1 chunk 3.0 after 2.0 with 1 rows
            apply to sink 0 chunk 4.0 after 3.0 with 1 rows
            report Retrying { what: "sink records (unknown outcome)", message: "", attempts: 1 }
            apply to sink 0 chunk 5.0 after 4.0 with 2 rows
            open sink 1 for generation 1
            apply to sink 1 chunk 4.0 after 3.0 with 1 rows
            apply to sink 1 chunk 5.0 after 4.0 with 1 rows
            append epoch 6
            open sink 0 for generation 1
            open sink 1 for generation 1
            append finished
            end Finished"#]],
    );
}

#[test]
fn an_unknown_outcome_without_effect() {
    // spec: K-4
    let mut lab = small();
    // The marker tells, and the chunk is sent again.
    let unknown =
        |output: &Output| Fault::Instead(answer(output, ApplyOutcome::Failed(FailKind::Unknown)));
    at_chunk(2, unknown, &mut lab);
    lab.run(Crash::Never);
    assert_trace(
        &lab,
        &expect![[r#"
            append epoch 1
            fetch a from 0
            append epoch 2
            append epoch 3
            append epoch 4
            append epoch 5
            apply to sink 1 chunk 2.0 after nothing with 1 rows
            apply to sink 0 chunk 3.0 after nothing with 1 rows
            apply to sink 1 chunk 3.0 after 2.0 with 1 rows
            apply to sink 0 chunk 4.0 after 3.0 with 1 rows
            report Retrying { what: "sink records (unknown outcome)", message: "", attempts: 1 }
            apply to sink 0 chunk 5.0 after 4.0 with 2 rows
            open sink 1 for generation 1
            apply to sink 1 chunk 3.0 after 2.0 with 1 rows
            apply to sink 1 chunk 4.0 after 3.0 with 1 rows
            apply to sink 1 chunk 5.0 after 4.0 with 1 rows
            append epoch 6
            open sink 0 for generation 1
            open sink 1 for generation 1
            append finished
            end Finished"#]],
    );
}

#[test]
fn fenced() {
    // spec: G-1, K-3
    let mut lab = small();
    let by = Generation { number: 2, nonce: 9 };
    at_chunk(2, move |o| Fault::Instead(answer(o, ApplyOutcome::Fenced { by })), &mut lab);
    lab.run(Crash::Never);
    assert_trace(
        &lab,
        &expect![[r#"
        append epoch 1
        fetch a from 0
        append epoch 2
        append epoch 3
        append epoch 4
        append epoch 5
        apply to sink 1 chunk 2.0 after nothing with 1 rows
        apply to sink 0 chunk 3.0 after nothing with 1 rows
        apply to sink 1 chunk 3.0 after 2.0 with 1 rows
        apply to sink 0 chunk 4.0 after 3.0 with 1 rows
        end Failed(Fenced { what: "sink records", by: "2#00000009" })"#]],
    );
}

#[test]
fn a_gap() {
    // spec: K-5, K-7
    let mut lab = small();
    at_chunk(2, |o| Fault::Instead(answer(o, ApplyOutcome::Gap { found: None })), &mut lab);
    lab.run(Crash::Never);
    assert_trace(
        &lab,
        &expect![[r#"
        append epoch 1
        fetch a from 0
        append epoch 2
        append epoch 3
        append epoch 4
        append epoch 5
        apply to sink 1 chunk 2.0 after nothing with 1 rows
        apply to sink 0 chunk 3.0 after nothing with 1 rows
        apply to sink 1 chunk 3.0 after 2.0 with 1 rows
        apply to sink 0 chunk 4.0 after 3.0 with 1 rows
        end Failed(SinkLostData { sink: "records", detail: "it holds nothing where the chunk's predecessor was acknowledged" })"#]],
    );
}

#[test]
fn diverged() {
    // spec: K-7
    let mut lab = small();
    let found = marker(3);
    at_chunk(2, move |o| Fault::Instead(answer(o, ApplyOutcome::Diverged { found })), &mut lab);
    lab.run(Crash::Never);
    assert_trace(
        &lab,
        &expect![[r#"
        append epoch 1
        fetch a from 0
        append epoch 2
        append epoch 3
        append epoch 4
        append epoch 5
        apply to sink 1 chunk 2.0 after nothing with 1 rows
        apply to sink 0 chunk 3.0 after nothing with 1 rows
        apply to sink 1 chunk 3.0 after 2.0 with 1 rows
        apply to sink 0 chunk 4.0 after 3.0 with 1 rows
        end Failed(Diverged { sink: "records", detail: "at 1#00000001:3.0 it has hash 07070707070707070707070707070707" })"#]],
    );
}

#[test]
fn recovery() {
    // spec: S-2
    let mut lab = small();
    // Killed when five epochs are durable; sink 0 is at epoch 4 and sink 1 at 3.
    let end = lab.run(Crash::AfterLine("apply to sink 0 chunk 4.0 after 3.0 with 1 rows")).0;
    assert_eq!(end, RunEnd::Crashed);
    let killed = lab.trace.len();
    lab.run(Crash::Never);
    expect![[r#"
        read journal
        inspect sink 0
        inspect sink 1
        open journal of generation 2 part 0
        open sink 0 for generation 2
        open sink 1 for generation 2
        list snapshots
        fetch a from 0 until 39
        fetch a from 39 until 80
        fetch a from 80 until 121
        fetch a from 121 until 162
        apply to sink 1 chunk 4.0 after 3.0 with 1 rows
        report Running { generation: Generation { number: 2, nonce: 2 }, after: Epoch(5), replayed: 5, snapshot: None }
        discover splits of table 0
        apply to sink 0 chunk 5.0 after 4.0 with 2 rows
        apply to sink 1 chunk 5.0 after 4.0 with 1 rows
        append epoch 6
        open sink 0 for generation 2
        open sink 1 for generation 2
        append finished
        end Finished"#]].assert_eq(&lab.trace[killed..].join("\n"));
}

#[test]
fn a_damaged_snapshot() {
    // spec: S-1
    let mut lab = small();
    lab.config.snapshot_bytes = 30;
    // Killed with snapshots after epochs 2 and 3, of which the newer one rots.
    lab.config.fetch_bytes = 40;
    let stored = "report SnapshotStored { epoch: Epoch(3) }";
    assert_eq!(lab.run(Crash::AfterLine(stored)).0, RunEnd::Crashed);
    assert_eq!(lab.snapshots.count(), 2);
    assert!(lab.snapshots.rot_newest());
    let killed = lab.trace.len();
    lab.run(Crash::Never);
    expect![[r#"
        read journal
        inspect sink 0
        inspect sink 1
        open journal of generation 2 part 0
        open sink 0 for generation 2
        open sink 1 for generation 2
        list snapshots
        load snapshot
        report SnapshotSkipped { name: "000000000003-000000000001-0000000000000001", reason: "the 000000000003-000000000001-0000000000000001-000000.part is damaged: its checksum is not the one that the manifest names" }
        load snapshot
        fetch a from 39 until 80
        report Running { generation: Generation { number: 2, nonce: 2 }, after: Epoch(3), replayed: 1, snapshot: Some(Epoch(2)) }
        discover splits of table 0
        fetch a from 80
        fetch a from 80
        append epoch 4
        fetch a from 121
        store snapshot after epoch 4 in 1 parts
        apply to sink 0 chunk 4.0 after 3.0 with 1 rows
        apply to sink 1 chunk 4.0 after 3.0 with 1 rows
        fetch a from 121
        report SnapshotStored { epoch: Epoch(4) }
        append epoch 5
        store snapshot after epoch 5 in 1 parts
        apply to sink 0 chunk 5.0 after 4.0 with 2 rows
        apply to sink 1 chunk 5.0 after 4.0 with 1 rows
        report SnapshotStored { epoch: Epoch(5) }
        append epoch 6
        open sink 0 for generation 2
        open sink 1 for generation 2
        append finished
        end Finished"#]].assert_eq(&lab.trace[killed..].join("\n"));
}

#[test]
fn drain_and_stop() {
    // spec: E-4
    let mut lab = small();
    // The group that is open at the stop is flushed, and nothing more is read.
    lab.config.flush_age_ms = 10_000;
    lab.config.fetch_bytes = 40;
    lab.config.split_buffer_bytes_max = 40;
    lab.script = vec![(Trigger::Line("append epoch 3".into()), Event::Stop)];
    lab.run(Crash::Never);
    assert_trace(
        &lab,
        &expect![[r#"
            append epoch 1
            fetch a from 0
            append epoch 2
            fetch a from 39
            fetch a from 39
            append epoch 3
            fetch a from 80
            append epoch 4
            apply to sink 0 chunk 4.0 after nothing with 1 rows
            apply to sink 1 chunk 4.0 after nothing with 2 rows
            open sink 0 for generation 1
            open sink 1 for generation 1
            end Stopped"#]],
    );
}

#[test]
fn poison() {
    // spec: F-6
    let mut lab = small();
    // Killed again and again while it computes epoch 1, as by a panic. The first start
    // wrote that epoch, and the second was killed before it computed anything: the ones
    // behind it are wary.
    assert_eq!(lab.run(Crash::AfterLine("append epoch 1")).0, RunEnd::Crashed);
    let opened = "open journal of generation 2 part 0";
    assert_eq!(lab.run(Crash::AfterLine(opened)).0, RunEnd::Crashed);
    for _ in 0..3 {
        assert_eq!(lab.run(Crash::AfterLine("append note")).0, RunEnd::Crashed);
    }
    let killed = lab.trace.len();
    lab.run(Crash::Never);
    expect![[r#"
        read journal
        inspect sink 0
        inspect sink 1
        end Failed(Poisoned { epoch: Epoch(1), starts: 3 })"#]]
    .assert_eq(&lab.trace[killed..].join("\n"));
}

/// An answer that says that what was asked for failed, and may go well later.
fn not_now(output: &Output) -> Option<Input> {
    let (transient, message) = (true, "not now".to_owned());
    Some(match output {
        Output::ReadJournal { request } => {
            Input::JournalUnreadable { request: *request, transient, message }
        }
        Output::ListSnapshots { request } => {
            Input::SnapshotsNotListed { request: *request, transient, message }
        }
        Output::LoadSnapshot { name } => {
            Input::SnapshotUnreadable { name: name.clone(), transient, reason: message }
        }
        Output::DiscoverSplits { request, table } => {
            Input::DiscoverFailed { request: *request, table: *table, transient, message }
        }
        Output::Trim { request, .. } => Input::TrimFailed { request: *request, message },
        _ => return None,
    })
}

/// Lets every kind of request fail so many times; the failure is said twice.
fn fail_first(times: usize) -> impl FnMut(&Output) -> Fault {
    let mut failed = std::collections::BTreeMap::new();
    move |output| {
        let Some(failure) = not_now(output) else { return Fault::None };
        let count = failed.entry(trace_line(output)).or_insert(0);
        *count += 1;
        match *count <= times {
            true => Fault::Instead(vec![failure.clone(), failure]),
            false => Fault::None,
        }
    }
}

#[test]
fn every_request_of_the_opening_may_fail_for_a_while() {
    // spec: F-2, F-4
    let mut lab = small();
    lab.config.snapshot_bytes = 30;
    lab.config.fetch_bytes = 40;
    let stored = "report SnapshotStored { epoch: Epoch(3) }";
    assert_eq!(lab.run(Crash::AfterLine(stored)).0, RunEnd::Crashed);
    let killed = lab.trace.len();
    lab.faults = Some(Box::new(fail_first(1)));
    lab.run(Crash::AfterLine("append epoch 4"));
    expect![[r#"
        read journal
        inspect sink 0
        inspect sink 1
        report Retrying { what: "the journal", message: "not now", attempts: 1 }
        read journal
        open journal of generation 2 part 0
        open sink 0 for generation 2
        open sink 1 for generation 2
        list snapshots
        report Retrying { what: "the list of snapshots", message: "not now", attempts: 1 }
        list snapshots
        load snapshot
        report Retrying { what: "snapshot 000000000003-000000000001-0000000000000001", message: "not now", attempts: 1 }
        load snapshot
        report Running { generation: Generation { number: 2, nonce: 2 }, after: Epoch(3), replayed: 0, snapshot: Some(Epoch(3)) }
        discover splits of table 0
        fetch a from 80
        report Retrying { what: "table events", message: "not now", attempts: 1 }
        fetch a from 80
        fetch a from 121
        fetch a from 121
        discover splits of table 0
        append epoch 4"#]].assert_eq(&lab.trace[killed..].join("\n"));
}

#[test]
fn discovery_that_fails_again_and_again_ends_the_job() {
    // spec: F-2
    let mut lab = small();
    lab.config.attempts_max = 3;
    let mut failing = fail_first(usize::MAX);
    lab.faults = Some(Box::new(move |output| match output {
        Output::DiscoverSplits { .. } => failing(output),
        _ => Fault::None,
    }));
    lab.run(Crash::Never);
    let began = lab.trace.iter().position(|line| line.starts_with("discover")).expect("it asks");
    expect![[r#"
        discover splits of table 0
        report Retrying { what: "table events", message: "not now", attempts: 1 }
        discover splits of table 0
        report Retrying { what: "table events", message: "not now", attempts: 2 }
        discover splits of table 0
        end Failed(TableFailed { table: "events", message: "not now" })"#]]
    .assert_eq(&lab.trace[began..].join("\n"));
}

#[test]
fn what_fails_for_good_ends_the_job_with_its_reason() {
    // spec: F-2
    let lasting = |input: Input| match input {
        Input::JournalUnreadable { request, message, .. } => {
            Input::JournalUnreadable { request, transient: false, message }
        }
        Input::SnapshotsNotListed { request, message, .. } => {
            Input::SnapshotsNotListed { request, transient: false, message }
        }
        Input::DiscoverFailed { request, table, message, .. } => {
            Input::DiscoverFailed { request, table, transient: false, message }
        }
        other => other,
    };
    let mut endings = Vec::new();
    for kind in ["read journal", "list snapshots", "discover splits of table 0"] {
        let mut lab = small();
        lab.faults = Some(Box::new(move |output| match not_now(output) {
            Some(failure) if trace_line(output) == kind => Fault::Instead(vec![lasting(failure)]),
            _ => Fault::None,
        }));
        lab.run(Crash::Never);
        endings.push(lab.trace.pop().expect("it ended"));
    }
    expect![[r#"
        end Failed(JournalUnreadable("not now"))
        end Failed(SnapshotsUnreadable("not now"))
        end Failed(TableFailed { table: "events", message: "not now" })"#]]
    .assert_eq(&endings.join("\n"));
}

#[test]
fn what_could_not_be_removed_is_removed_with_what_comes_next() {
    // spec: F-2, J-4
    let trims = |times: usize| {
        let mut lab = lab(60);
        let mut left = times;
        lab.faults = Some(Box::new(move |output| match (output, not_now(output)) {
            (Output::Trim { .. }, Some(failure)) if left > 0 => {
                left -= 1;
                Fault::Instead(vec![failure])
            }
            _ => Fault::None,
        }));
        lab.run(Crash::Never);
        lab.trace.retain(|line| line.starts_with("trim") || line.contains("TrimFailed"));
        (lab.trace.join("\n"), lab.snapshots.count())
    };
    let (undisturbed, kept) = trims(0);
    expect![[r#"
        trim 0 segments and 1 snapshots
        trim 0 segments and 1 snapshots"#]]
    .assert_eq(&undisturbed);
    let (disturbed, kept_late) = trims(1);
    expect![[r#"
        trim 0 segments and 1 snapshots
        report TrimFailed { message: "not now" }
        trim 0 segments and 2 snapshots"#]]
    .assert_eq(&disturbed);
    assert_eq!(kept, kept_late);
}
