//! A sink that fails for long: the others go on, recovery does without it, and it is
//! served when it comes back, or given up.

use crate::jobs::{comparable, lab, records, small_limits, three_sinks, two_files, two_sinks};
use anabranch_engine::ids::{Generation, SinkId};
use anabranch_engine::journal::scan;
use anabranch_engine::pipeline::{Ending, Failure, Input, Output, PipelineConfig, Report};
use anabranch_engine::plan::Plan;
use anabranch_engine::sink::{ApplyOutcome, FailKind, OpenOutcome};
use anabranch_sim::lab::{Crash, Event, Fault, FaultFn, Lab, LabSplit, RunEnd, Trigger};
use expect_test::expect;

const DEAD: SinkId = SinkId(1);

/// Two sinks over a split of four records, which are taken one by one.
fn small(plan: Plan) -> Lab {
    let config = PipelineConfig {
        binary: "test".into(),
        epoch_bytes_max: 30,
        flush_age_ms: 0,
        snapshot_bytes: 0,
        retry_ms: 20,
        sink_wait_ms: 300,
        stop_wait_ms: 100,
        ..PipelineConfig::default()
    };
    let splits = vec![LabSplit::file(0, "a", records([5, 105, 205, 305]))];
    Lab::new(plan, config, splits)
}

/// The plan with options of the sink that dies.
fn with_options(mut plan: Plan, options: &[(&str, &str)]) -> Plan {
    let table = plan.tables.iter_mut().find(|table| table.name == "records").expect("it is there");
    let option = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    table.options.extend(options.iter().map(option));
    plan
}

/// The answer of a sink that cannot do anything now.
fn failure_of(output: &Output) -> Option<Input> {
    let message = "unreachable".to_owned();
    match output {
        Output::InspectSink { request, sink } | Output::OpenSink { request, sink, .. }
            if *sink == DEAD =>
        {
            let outcome = OpenOutcome::Failed(FailKind::Transient);
            Some(Input::SinkOpenFailed { request: *request, sink: *sink, outcome, message })
        }
        Output::ApplyChunk { request, chunk } if chunk.sink == DEAD => {
            let outcome = ApplyOutcome::Failed(FailKind::Transient);
            Some(Input::SinkApplied { request: *request, sink: chunk.sink, outcome, message })
        }
        _ => None,
    }
}

/// The sink fails so many times.
fn dead_for(times: usize) -> FaultFn {
    let mut left = times;
    Box::new(move |output| match failure_of(output) {
        Some(failure) if left > 0 => {
            left -= 1;
            Fault::Instead(vec![failure])
        }
        _ => Fault::None,
    })
}

/// Nothing that is asked of the sink is ever answered.
fn silent() -> FaultFn {
    Box::new(|output| match failure_of(output) {
        Some(_) => Fault::Instead(Vec::new()),
        None => Fault::None,
    })
}

#[test]
fn the_other_sink_goes_on_and_a_stop_does_not_wait_for_ever() {
    // spec: F-2, F-4, K-8
    let mut lab = small(two_sinks());
    lab.faults = Some(dead_for(usize::MAX));
    lab.script = vec![(Trigger::At(150), Event::Stop)];
    assert_eq!(lab.run(Crash::Never).0, RunEnd::Ended(Ending::Stopped));
    expect![[r#"
        read journal
        inspect sink 0
        inspect sink 1
        report Retrying { what: "sink records", message: "unreachable", attempts: 1 }
        open journal of generation 1 part 0
        open sink 0 for generation 1
        open sink 1 for generation 1
        report Retrying { what: "sink records (transient failure)", message: "unreachable", attempts: 1 }
        list snapshots
        report Running { generation: Generation { number: 1, nonce: 1 }, after: Epoch(0), replayed: 0, snapshot: None }
        discover splits of table 0
        append epoch 1
        fetch a from 0
        append epoch 2
        append epoch 3
        append epoch 4
        append epoch 5
        apply to sink 0 chunk 3.0 after nothing with 1 rows
        apply to sink 0 chunk 4.0 after 3.0 with 1 rows
        apply to sink 0 chunk 5.0 after 4.0 with 2 rows
        open sink 1 for generation 1
        report Retrying { what: "sink records (transient failure)", message: "unreachable", attempts: 2 }
        open sink 1 for generation 1
        report Retrying { what: "sink records (transient failure)", message: "unreachable", attempts: 3 }
        open sink 1 for generation 1
        report Retrying { what: "sink records (transient failure)", message: "unreachable", attempts: 4 }
        open sink 0 for generation 1
        report SinkLeft { sink: "records" }
        end Stopped"#]].assert_eq(&lab.trace.join("\n"));
    assert!(lab.elapsed_ms() < 400, "{}", lab.elapsed_ms());
    // The next start serves it.
    lab.faults = None;
    assert_eq!(lab.run_through(&[]), Ending::Finished);
    assert_eq!(lab.results()["records"].lines().count(), 4);
}

/// A job that was killed when the sink that dies had acknowledged three chunks, of which
/// the journal knows two; then the sink is dead for a while.
fn comes_back(change: impl FnOnce(&mut Lab)) -> Lab {
    let mut lab = small(two_sinks());
    lab.config.fetch_bytes = 40;
    lab.config.split_buffer_bytes_max = 40;
    let acked = "apply to sink 1 chunk 4.0 after 3.0 with 1 rows";
    assert_eq!(lab.run(Crash::AfterLine(acked)).0, RunEnd::Crashed);
    change(&mut lab);
    lab.trace.clear();
    lab.faults = Some(dead_for(4));
    lab.run(Crash::Never);
    lab
}

#[test]
fn it_comes_back_ahead_of_what_the_journal_knows_of_it() {
    // spec: K-4, K-8, S-2
    let lab = comes_back(|_| {});
    expect![[r#"
        read journal
        inspect sink 0
        inspect sink 1
        report Retrying { what: "sink records", message: "unreachable", attempts: 1 }
        open journal of generation 2 part 0
        open sink 0 for generation 2
        open sink 1 for generation 2
        report Retrying { what: "sink records (transient failure)", message: "unreachable", attempts: 1 }
        list snapshots
        fetch a from 0 until 39
        fetch a from 39 until 80
        fetch a from 80 until 121
        report Running { generation: Generation { number: 2, nonce: 2 }, after: Epoch(4), replayed: 4, snapshot: None }
        discover splits of table 0
        fetch a from 121
        fetch a from 121
        append epoch 5
        apply to sink 0 chunk 5.0 after 4.0 with 2 rows
        open sink 1 for generation 2
        report Retrying { what: "sink records (transient failure)", message: "unreachable", attempts: 2 }
        open sink 1 for generation 2
        report Retrying { what: "sink records (transient failure)", message: "unreachable", attempts: 3 }
        open sink 1 for generation 2
        apply to sink 1 chunk 5.0 after 4.0 with 1 rows
        append epoch 6
        open sink 0 for generation 2
        open sink 1 for generation 2
        append finished
        end Finished"#]].assert_eq(&lab.trace.join("\n"));
    assert_eq!(lab.results()["records"].lines().count(), 4);
}

#[test]
fn it_comes_back_with_what_the_journal_knows_of_it() {
    // spec: K-8, S-2
    let lab = comes_back(|lab| lab.sink(DEAD).lose(1));
    expect![[r#"
        read journal
        inspect sink 0
        inspect sink 1
        report Retrying { what: "sink records", message: "unreachable", attempts: 1 }
        open journal of generation 2 part 0
        open sink 0 for generation 2
        open sink 1 for generation 2
        report Retrying { what: "sink records (transient failure)", message: "unreachable", attempts: 1 }
        list snapshots
        fetch a from 0 until 39
        fetch a from 39 until 80
        fetch a from 80 until 121
        report Running { generation: Generation { number: 2, nonce: 2 }, after: Epoch(4), replayed: 4, snapshot: None }
        discover splits of table 0
        fetch a from 121
        fetch a from 121
        append epoch 5
        apply to sink 0 chunk 5.0 after 4.0 with 2 rows
        open sink 1 for generation 2
        report Retrying { what: "sink records (transient failure)", message: "unreachable", attempts: 2 }
        open sink 1 for generation 2
        report Retrying { what: "sink records (transient failure)", message: "unreachable", attempts: 3 }
        open sink 1 for generation 2
        apply to sink 1 chunk 4.0 after 3.0 with 1 rows
        apply to sink 1 chunk 5.0 after 4.0 with 1 rows
        append epoch 6
        open sink 0 for generation 2
        open sink 1 for generation 2
        append finished
        end Finished"#]].assert_eq(&lab.trace.join("\n"));
    assert_eq!(lab.results()["records"].lines().count(), 4);
}

#[test]
fn it_comes_back_without_what_it_had_acknowledged() {
    // spec: K-5, K-8
    let lab = comes_back(|lab| lab.sink(DEAD).lose(2));
    expect![[r#"end Failed(SinkLostData { sink: "records", detail: "it had acknowledged 1#00000001:3.0 and now holds 1#00000001:2.0" })"#]].assert_eq(lab.trace.last().expect("it ended"));
}

#[test]
fn it_comes_back_in_the_hands_of_a_newer_generation() {
    // spec: G-1, K-3, K-8
    let newer = Generation { number: 9, nonce: 9 };
    let lab = comes_back(|lab| {
        lab.sink(DEAD).open(newer).expect("it is newer");
    });
    expect![[r#"end Failed(Fenced { what: "sink records", by: "9#00000009" })"#]]
        .assert_eq(lab.trace.last().expect("it ended"));
}

#[test]
fn it_comes_back_with_what_the_journal_lost() {
    // spec: K-5, K-8
    // The journal loses its last epochs while the sink, that holds them, is dead.
    let mut lab = small(two_sinks());
    let acked = "apply to sink 1 chunk 5.0 after 4.0 with 1 rows";
    assert_eq!(lab.run(Crash::AfterLine(acked)).0, RunEnd::Crashed);
    let bytes = lab.journal.lengths()[0];
    lab.journal.tear(bytes / 2);
    lab.faults = Some(dead_for(3));
    let RunEnd::Ended(Ending::Failed(failure)) = lab.run(Crash::Never).0 else {
        panic!("{}", lab.trace.join("\n"));
    };
    assert!(matches!(failure, Failure::Damaged { .. } | Failure::Diverged { .. }), "{failure}");
}

#[test]
fn recovery_does_without_a_sink_that_does_not_answer() {
    // spec: F-4, K-8, S-2
    let mut lab = small(two_sinks());
    let acked = "apply to sink 1 chunk 3.0 after 2.0 with 1 rows";
    assert_eq!(lab.run(Crash::AfterLine(acked)).0, RunEnd::Crashed);
    let before = lab.elapsed_ms();
    lab.trace.clear();
    lab.faults = Some(silent());
    lab.script = vec![(Trigger::At(before + 2_000), Event::Stop)];
    assert_eq!(lab.run(Crash::Never).0, RunEnd::Ended(Ending::Stopped));
    expect![[r#"
        read journal
        inspect sink 0
        inspect sink 1
        report Retrying { what: "sink records", message: "it does not answer", attempts: 1 }
        open journal of generation 2 part 0
        open sink 0 for generation 2
        open sink 1 for generation 2
        list snapshots
        fetch a from 0 until 39
        fetch a from 39 until 80
        fetch a from 80 until 121
        fetch a from 121 until 162
        apply to sink 0 chunk 4.0 after 3.0 with 1 rows
        report Running { generation: Generation { number: 2, nonce: 2 }, after: Epoch(5), replayed: 5, snapshot: None }
        discover splits of table 0
        apply to sink 0 chunk 5.0 after 4.0 with 2 rows
        open sink 0 for generation 2
        report SinkLeft { sink: "records" }
        end Stopped"#]].assert_eq(&lab.trace.join("\n"));
    assert_eq!(lab.results()["counts"].lines().count(), 4);
    lab.faults = None;
    assert_eq!(lab.run_through(&[]), Ending::Finished);
    assert_eq!(lab.results()["records"].lines().count(), 4);
}

#[test]
fn its_answer_may_come_while_what_it_lacks_is_computed_again() {
    // spec: K-4, K-8, S-2
    // The journal knows that the sink holds epoch 3, and the sink holds 4.
    for open_ms in [350, 450, 550, 650, 750, 900, 1_200] {
        let mut lab = small(two_sinks());
        lab.config.fetch_bytes = 40;
        lab.config.split_buffer_bytes_max = 40;
        let acked = "apply to sink 1 chunk 4.0 after 3.0 with 1 rows";
        assert_eq!(lab.run(Crash::AfterLine(acked)).0, RunEnd::Crashed);
        lab.faults = Some(Box::new(move |output| match output {
            Output::OpenSink { sink, .. } if *sink == DEAD => Fault::Late(open_ms),
            Output::Fetch { until: Some(_), .. } => Fault::Slow(100),
            _ => Fault::None,
        }));
        assert_eq!(lab.run_through(&[]), Ending::Finished, "{open_ms}");
        let chunks = lab.sinks[&DEAD].chunks().iter().map(|chunk| chunk.marker.epoch.0);
        assert_eq!(chunks.collect::<Vec<_>>(), [2, 3, 4, 5], "{open_ms}");
    }
}

#[test]
fn a_sink_whose_budget_is_used_up_is_given_up_for_good() {
    // spec: K-8
    let options = [("sink.on-lag", "give-up"), ("sink.lag-budget", "500 ms")];
    let mut lab = small(with_options(two_sinks(), &options));
    lab.faults = Some(dead_for(usize::MAX));
    let end = lab.run(Crash::Never).0;
    let without = Ending::FinishedWithout { sinks: vec!["records".into()] };
    assert_eq!(end, RunEnd::Ended(without));
    expect![[r#"
        read journal
        inspect sink 0
        inspect sink 1
        report Retrying { what: "sink records", message: "unreachable", attempts: 1 }
        open journal of generation 1 part 0
        open sink 0 for generation 1
        open sink 1 for generation 1
        report Retrying { what: "sink records (transient failure)", message: "unreachable", attempts: 1 }
        list snapshots
        report Running { generation: Generation { number: 1, nonce: 1 }, after: Epoch(0), replayed: 0, snapshot: None }
        discover splits of table 0
        append epoch 1
        fetch a from 0
        append epoch 2
        append epoch 3
        append epoch 4
        append epoch 5
        apply to sink 0 chunk 3.0 after nothing with 1 rows
        apply to sink 0 chunk 4.0 after 3.0 with 1 rows
        apply to sink 0 chunk 5.0 after 4.0 with 2 rows
        open sink 1 for generation 1
        report Retrying { what: "sink records (transient failure)", message: "unreachable", attempts: 2 }
        open sink 1 for generation 1
        report Retrying { what: "sink records (transient failure)", message: "unreachable", attempts: 3 }
        open sink 1 for generation 1
        report Retrying { what: "sink records (transient failure)", message: "unreachable", attempts: 4 }
        open sink 1 for generation 1
        report Retrying { what: "sink records (transient failure)", message: "unreachable", attempts: 5 }
        report SinkGivenUp { sink: "records", epoch: Epoch(6) }
        append epoch 6
        open sink 0 for generation 1
        append finished
        end FinishedWithout { sinks: ["records"] }"#]].assert_eq(&lab.trace.join("\n"));
    let journal = scan(&lab.journal.segments(), &[]).expect("the journal is whole");
    assert_eq!(journal.carried().given_up, [DEAD]);
    // It was given up, and is not missed.
    lab.faults = None;
    assert_eq!(lab.run_through(&[]), Ending::AlreadyFinished);
    assert_eq!(lab.results()["records"], "");
}

#[test]
fn a_crash_around_giving_up_changes_nothing() {
    // spec: J-1, K-8
    let options = [("sink.on-lag", "give-up"), ("sink.lag-budget", "300 ms")];
    let job = || {
        let mut lab = small(with_options(two_sinks(), &options));
        lab.faults = Some(dead_for(usize::MAX));
        lab
    };
    let (_, outputs) = job().run(Crash::Never);
    for k in 1..outputs {
        let mut lab = job();
        lab.run(Crash::After(k));
        let ending = lab.run_through(&[]);
        let fine = matches!(ending, Ending::FinishedWithout { .. } | Ending::AlreadyFinished);
        assert!(fine, "{k}: {ending:?}");
        assert_eq!(lab.results()["counts"].lines().count(), 4, "{k}");
    }
}

#[test]
fn a_sink_that_is_only_slow_is_not_given_up() {
    // spec: F-5, K-8
    let options = [("sink.on-lag", "give-up"), ("sink.lag-budget", "100 ms")];
    let mut lab = small(with_options(two_sinks(), &options));
    lab.config.sink_lag_bytes_max = 1;
    lab.faults = Some(Box::new(|output| match output {
        Output::ApplyChunk { chunk, .. } if chunk.sink == DEAD => Fault::Late(250),
        _ => Fault::None,
    }));
    assert_eq!(lab.run_through(&[]), Ending::Finished);
}

#[test]
fn all_wait_for_a_sink_whose_budget_is_used_up_and_say_so() {
    // spec: F-4, F-5, K-8
    let mut lab = small(two_sinks());
    lab.config.sink_lag_bytes_max = 60;
    lab.faults = Some(dead_for(8));
    assert_eq!(lab.run_through(&[]), Ending::Finished);
    let held = lab.trace.iter().position(|line| line.contains("HeldBySink")).expect("it says so");
    let back = lab.trace.iter().rposition(|line| line.contains("Retrying")).expect("it failed");
    assert!(held < back);
    let appends = lab.trace[held..back].iter().filter(|line| line.starts_with("append")).count();
    assert_eq!(appends, 0, "{}", lab.trace.join("\n"));
    assert_eq!(lab.results()["records"].lines().count(), 4);
}

#[test]
fn a_crash_anywhere_with_a_dead_sink_changes_nothing() {
    // spec: J-4, K-1, K-8, S-2
    let mut undisturbed = lab(40);
    let (_, outputs) = undisturbed.run(Crash::Never);
    let expected = comparable(&undisturbed);
    let mut lagged = 0;
    for k in (1..outputs).step_by(2) {
        for (second, failures) in [(k / 2 + 8, 5), (k + 9, 40)] {
            let mut lab = Lab::new(three_sinks(), small_limits(), two_files(40));
            lab.config.retry_ms = 5;
            lab.run(Crash::After(k));
            lab.faults = Some(dead_for(failures));
            lab.run(Crash::After(second));
            lab.faults = Some(dead_for(failures));
            let ending = lab.run_through(&[]);
            let fine = matches!(ending, Ending::Finished | Ending::AlreadyFinished);
            assert!(fine, "{k} {second}: {ending:?}\n{}", lab.trace.join("\n"));
            assert_eq!(comparable(&lab), expected, "{k} {second}");
            let replayed = |report: &Report| matches!(report, Report::Running { replayed, .. } if *replayed > 0);
            lagged += usize::from(lab.reports.iter().any(replayed));
        }
    }
    assert!(lagged > 50, "only {lagged} had something to catch up with");
}

#[test]
fn what_a_dead_sink_needs_is_kept() {
    // spec: J-4, K-8
    let mut lab = lab(60);
    lab.faults = Some(dead_for(usize::MAX));
    lab.script = vec![(Trigger::At(3_000), Event::Stop)];
    assert_eq!(lab.run(Crash::Never).0, RunEnd::Ended(Ending::Stopped));
    let stored = lab.reports.iter().filter(|r| matches!(r, Report::SnapshotStored { .. })).count();
    assert!(stored > 3, "{stored} snapshots");
    assert!(!lab.trace.iter().any(|line| line.starts_with("trim")), "{}", lab.trace.join("\n"));
    lab.faults = None;
    assert_eq!(lab.run_through(&[]), Ending::Finished);
    let mut undisturbed = crate::jobs::lab(60);
    assert_eq!(undisturbed.run_through(&[]), Ending::Finished);
    assert_eq!(comparable(&lab), comparable(&undisturbed));
}
