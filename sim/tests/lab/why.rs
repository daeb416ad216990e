//! What a pipeline says that it waits for, and what its requests are about.

use crate::jobs::{lab, records, small_limits, three_sinks, two_files, two_sinks};
use anabranch_engine::ids::SinkId;
use anabranch_engine::pipeline::{Ending, Input, Output, PipelineConfig};
use anabranch_engine::sink::{FailKind, OpenOutcome};
use anabranch_sim::lab::{Crash, Fault, Lab, LabSplit, RunEnd};
use expect_test::expect;
use std::collections::BTreeSet;

/// What is waited for when the job stands behind this line, while some outputs fail or
/// are not answered.
fn waits(line: &'static str, fault: fn(&Output) -> Fault) -> String {
    let config = PipelineConfig {
        epoch_bytes_max: 30,
        flush_age_ms: 0,
        snapshot_bytes: 0,
        sink_lag_bytes_max: 100,
        ..PipelineConfig::default()
    };
    let splits = vec![LabSplit::file(0, "a", records([5, 105, 205, 305]))];
    let mut lab = Lab::new(two_sinks(), config, splits);
    lab.faults = Some(Box::new(fault));
    assert_eq!(lab.run(Crash::AfterLine(line)).0, RunEnd::Crashed);
    let waits: Vec<String> = lab.waits.iter().map(ToString::to_string).collect();
    waits.join("\n")
}

#[test]
fn every_wait_has_a_cause() {
    // spec: F-4
    let all = [
        waits("read journal", |_| Fault::None),
        waits("open sink 1 for generation 1", |_| Fault::None),
        waits(
            "report Retrying { what: \"table events\", message: \"no\", attempts: 1 }",
            |output| match output {
                Output::DiscoverSplits { request, table } => {
                    let (request, table, message) = (*request, *table, "no".to_owned());
                    let transient = true;
                    let failed = Input::DiscoverFailed { request, table, transient, message };
                    Fault::Instead(vec![failed])
                }
                _ => Fault::None,
            },
        ),
        waits("append epoch 3", |output| match output {
            Output::AppendJournal { .. } => Fault::Slow(50),
            _ => Fault::None,
        }),
        waits("report HeldBySink { sink: \"records\" }", |output| match output {
            Output::OpenSink { request, sink: SinkId(1), .. } => {
                let (request, sink, message) = (*request, SinkId(1), "no".to_owned());
                let outcome = OpenOutcome::Failed(FailKind::Transient);
                Fault::Instead(vec![Input::SinkOpenFailed { request, sink, outcome, message }])
            }
            _ => Fault::None,
        }),
    ];
    expect![[r#"
        sink counts with 0 chunks
        sink records with 0 chunks
        --
        sink counts with 0 chunks
        sink records with 0 chunks
        --
        the splits of table events, which fails
        --
        the journal: epoch 3 is written, 0 is durable
        sink counts with 1 chunks; all wait for it
        sink records with 2 chunks
        split a at watermark 105
        --
        the journal: epoch 4 is written, 3 is durable
        sink counts with 1 chunks; all wait for it
        sink records with 3 chunks, which fails; all wait for it
        split a at watermark 205"#]]
    .assert_eq(&all.join("\n--\n"));
}

#[test]
fn what_requests_are_about_does_not_depend_on_the_cut() {
    // spec: E-2
    let subjects = |lab: &mut Lab| {
        assert_eq!(lab.run_through(&[Crash::After(60)]), Ending::Finished);
        lab.subjects.iter().cloned().collect::<BTreeSet<String>>()
    };
    let expected = subjects(&mut lab(60));
    let mut config = small_limits();
    config.epoch_bytes_max = 170;
    let mut other = Lab::new(three_sinks(), config, two_files(60));
    assert_eq!(subjects(&mut other), expected);
    let all: Vec<String> = expected.into_iter().collect();
    expect![[r#"
        append epoch
        append finish
        apply to sink large
        apply to sink late
        apply to sink totals
        discover events
        end
        fetch events/a.jsonl
        fetch events/a.jsonl again
        fetch events/b.jsonl
        fetch events/b.jsonl again
        inspect sink large
        inspect sink late
        inspect sink totals
        list snapshots
        load snapshot
        open journal
        open sink large
        open sink late
        open sink totals
        read journal
        report
        store snapshot
        trim"#]]
    .assert_eq(&all.join("\n"));
}
