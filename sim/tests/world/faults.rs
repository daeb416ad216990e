//! Single faults: each happens where its trigger says, and does what its name says.

use crate::jobs::{growing, plan, rows, small_limits, three_sinks, times, two_splits};
use anabranch_engine::pipeline::{Ending, Failure, Kept};
use anabranch_sim::judge::Judge;
use anabranch_sim::oracle::judge;
use anabranch_sim::plan::{RunPlan, SplitShape, StoreKind};
use anabranch_sim::recut::{difference, undisturbed};
use anabranch_sim::run::run;
use anabranch_sim::time::{Span, VirtualTime};
use anabranch_sim::world::{ProcessEnding, RunEnd, RunResult};

/// The plan of three sinks with these further lines.
fn with(lines: &str) -> RunPlan {
    let mut plan = plan(60);
    plan.splits = two_splits(60, SplitShape::Log, Span::us(900));
    format!("{plan}{lines}\n").parse().expect("the lines are lines of a plan")
}

/// Runs a plan that has to give what a calm one gives.
fn same(lines: &str) -> RunResult {
    let (plan, job) = (with(lines), three_sinks());
    let result = run(&plan, &job).expect("the plan fits the job");
    assert_eq!(result.end, RunEnd::Ended(Ending::Finished), "{lines}");
    assert_eq!(result.stale, Vec::<usize>::new(), "{lines}");
    let calm = run(&undisturbed(&plan), &job).expect("the plan fits the job");
    assert_eq!(calm.end, RunEnd::Ended(Ending::Finished), "{lines}");
    assert_eq!(difference(&result, &calm, &job), None, "{lines}");
    result
}

#[test]
fn a_crash_between_append_and_apply_is_one() {
    // spec: J-1, S-2
    let result = same("when between append and apply of a:30 do crash restart 20ms");
    assert_eq!(result.counts.marks["crash-between-append-and-apply"], 1);
    assert_eq!(result.counts.starts, 2);
}

#[test]
fn a_trigger_that_never_matches_is_stale() {
    let lines = "when after append of a:900 do crash\nwhen at 1000s do crash\n\
                 expect crash-while-running\nexpect chunk-applied";
    let result = run(&with(lines), &three_sinks()).expect("the plan fits the job");
    assert_eq!(result.stale, [0, 1]);
    assert_eq!(result.missed, ["crash-while-running"]);
}

#[test]
fn what_a_plan_names_has_to_be_there() {
    let refused = |lines: &str| run(&with(lines), &three_sinks()).expect_err(lines);
    assert_eq!(refused("when after append of c:1 do crash"), "there is no split c");
    assert_eq!(refused("when before apply to daily do crash"), "the job has no table daily");
    assert_eq!(refused("when answer of service redis do crash"), "there is no service redis");
}

#[test]
fn a_zombie_is_fenced_and_ends() {
    // spec: J-3, K-3
    for side in ["before append", "after append", "before apply to totals", "request of append"] {
        let result = same(&format!("when {side} of a:25 do pause 3s successor"));
        assert_eq!(result.counts.starts, 2, "{side}");
        let first = result.processes.iter().find(|end| end.process == 1).expect("it ended");
        let fenced = matches!(
            first.how,
            ProcessEnding::Ended(Ending::Failed(
                Failure::Fenced { .. } | Failure::JournalFailed(_)
            ))
        );
        assert!(fenced, "{side}: {:?}", first.how);
    }
}

#[test]
fn nothing_of_a_zombie_shows_after_the_first_sign_of_its_successor() {
    // spec: K-3
    let result = same("when before apply to large of a:25 do pause 3s successor");
    for sink in &result.sinks {
        let mut newest = 0;
        for seen in sink.seen.iter().filter(|seen| seen.process > 0) {
            assert!(seen.process >= newest, "{}: process {}", sink.table, seen.process);
            newest = seen.process;
        }
    }
}

#[test]
fn messages_are_lost_late_and_doubled() {
    // spec: K-4
    for (what, mark) in [
        ("drop-request", "chunk-unknown"),
        ("drop-answer", "chunk-unknown"),
        ("late 30ms", "chunk-unknown"),
        ("refuse", "chunk-transient"),
    ] {
        let result = same(&format!("when nth 2 request of apply to large of a:20 do {what}"));
        assert_eq!(result.counts.marks[mark], 1, "{what}");
    }
    let result = same("when after apply of a:20 do duplicate 5ms");
    assert_eq!(result.counts.faults["duplicate"], 1);
    let result = same("when after append of a:20 do delay 40ms");
    assert_eq!(result.counts.faults["delay"], 1);
}

#[test]
fn reads_fail_and_come_late() {
    for what in ["drop-request", "drop-answer", "refuse", "delay 500ms", "duplicate 10ms"] {
        same(&format!("when nth 4 fetch of b do {what}"));
        same(&format!("when discover to events do {what}"));
    }
    let result = same("when at 3ms do cut sources for 5s");
    assert!(result.counts.marks["retried"] > 0);
}

#[test]
fn a_cut_link_to_any_service_only_delays() {
    for service in ["journal", "snapshots", "totals", "large", "late"] {
        same(&format!("when after append of a:10 do cut {service} for 7s"));
        same(&format!("when after append of a:10 do cut-answers {service} for 3s"));
        same(&format!("when after append of a:10 do slow {service} by 40ms for 1s"));
    }
}

#[test]
fn a_second_process_of_the_job_does_no_harm() {
    // spec: G-1
    let result = same("when after append of a:20 do double-start");
    assert!(result.counts.starts >= 2);
}

#[test]
fn a_process_that_has_the_journal_already_is_taken_for_the_job() {
    // Somebody starts the job by hand just before it dies. When the supervisor would start it
    // again, that process has the lock, and goes on for as long as the job has no end.
    let mut plan = RunPlan::calm("growing", 3, small_limits());
    (plan.settings.stores.journal, plan.settings.stores.snapshots) =
        (StoreKind::Local, StoreKind::Local);
    plan.settings.timing.heal = VirtualTime(1_000_000_000);
    plan.splits = vec![times("a", &[10, 110, 210, 310, 405], Span::ms(20))];
    let lines = "when after append of a:1 do crash restart 30s\nwhen at 100ms do double-start\n";
    let plan: RunPlan = format!("{plan}{lines}").parse().expect("it is a plan");
    let result = run(&plan, &growing("50 ms")).expect("the plan fits the job");
    assert_eq!(result.stale, Vec::<usize>::new());
    assert_eq!(result.end, RunEnd::Ended(Ending::Stopped));
    assert_eq!((result.counts.starts, result.counts.marks["adopted"]), (2, 1));
}

#[test]
fn the_power_fails_for_all_processes_that_share_the_disk() {
    // The second process, which somebody started by hand, has the lock when the third one
    // makes its first output.
    let mut plan = RunPlan::calm("growing", 3, small_limits());
    (plan.settings.stores.journal, plan.settings.stores.snapshots) =
        (StoreKind::Local, StoreKind::Local);
    plan.splits = vec![times("a", &[10, 110, 210, 310, 405], Span::ms(20))];
    let lines = "when after append of a:1 do crash restart 300ms\nwhen at 100ms do double-start\n\
                 when before output after restart 2 do power-failure 1 restart 10ms\n";
    let plan: RunPlan = format!("{plan}{lines}").parse().expect("it is a plan");
    let result = run(&plan, &growing("50 ms")).expect("the plan fits the job");
    assert_eq!(result.stale, Vec::<usize>::new());
    assert_eq!(result.end, RunEnd::Ended(Ending::Stopped));
    let failed = result.processes.iter().filter(|end| end.how == ProcessEnding::PowerFailed);
    assert_eq!(failed.map(|end| end.process).collect::<Vec<_>>(), [3, 2]);
}

#[test]
fn a_wall_clock_that_jumps_back_over_a_restart_does_no_harm() {
    // spec: E-4
    same("when after append of a:20 do clock-jump -90000s\nwhen after append of a:30 do crash");
}

/// How a job over a source that suffers this ends; the crash makes it read again.
fn after(lines: &str) -> RunEnd {
    let result = run(&with(lines), &three_sinks()).expect("the plan fits the job");
    assert_eq!(result.stale, Vec::<usize>::new(), "{lines}");
    result.end
}

#[test]
fn a_source_that_changed_stops_the_job() {
    // spec: J-7
    for what in ["retain 1", "compact 3", "recreate", "truncate 30"] {
        let end = after(&format!(
            "config snapshot_bytes 0\nwhen after append of a:30 do source a {what}\n\
             when after append of a:30 do crash"
        ));
        let changed = matches!(&end, RunEnd::Ended(Ending::Failed(Failure::SourceChanged { .. })));
        assert!(changed, "{what}: {end:?}");
    }
}

#[test]
fn a_reader_whose_position_was_reset_stops_the_job() {
    // spec: J-7
    let end = after("when after append of a:10 do source a rewind");
    let RunEnd::Ended(Ending::Failed(Failure::SourceChanged { detail, .. })) = &end else {
        panic!("{end:?}");
    };
    assert!(detail.contains("it begins at 0"), "{detail}");
}

#[test]
fn a_journal_in_many_segments_tells_the_same_and_keeps_to_what_it_promised() {
    // spec: J-4, J-6
    let lines = "config snapshot_bytes 300\nconfig segment_bytes 100\nconfig heal_horizon_ms 0\n\
                 when after append of a:20 do crash\nwhen after append of a:40 do crash";
    let result = same(lines);
    assert!(result.counts.marks["segment-followed"] > 3, "{:?}", result.counts.marks);
    let first = result.journal.first().expect("there is a segment").name;
    assert_eq!((first.generation.number, first.part), (1, 0), "what was trimmed stays known");
    let findings = judge(&with(lines), &three_sinks(), &result);
    assert_eq!(findings, Ok(Vec::new()));
}

#[test]
fn too_many_starts_are_a_loop() {
    let lines: Vec<String> =
        (0..7).map(|n| format!("when before apply after restart {n} do crash")).collect();
    let lines = format!("restart 1ms backoff 1ms starts 5\n{}", lines.join("\n"));
    let result = run(&with(&lines), &three_sinks()).expect("the plan fits the job");
    assert!(matches!(result.end, RunEnd::RestartLoop { .. }), "{:?}", result.end);
}

#[test]
fn a_job_that_makes_no_progress_is_stuck_and_says_why() {
    // Nothing of the split's only record is a whole line, so that the job waits for ever.
    let mut plan = RunPlan::calm("growing", 1, small_limits());
    plan.splits = vec![times("a", &[10], Span(0))];
    plan.settings.timing.budget = Span::ms(1_000);
    let text = plan.to_string().replace("heal 60s", "heal 1s");
    let slow = text + "when first fetch of a do slow sources by 100s for 1s\n";
    let plan: RunPlan = slow.parse().expect("it is a plan");
    let result = run(&plan, &growing("1 s")).expect("the plan fits the job");
    let RunEnd::Stuck { why, last: None } = &result.end else { panic!("{:?}", result.end) };
    assert!(why.contains("process 1 is running at epoch"), "{why}");
    assert!(rows(&result)["counts"].is_empty());
}

/// Runs a plan with these lines; gives what it came to.
fn run_of(plan: &RunPlan) -> RunResult {
    let result = run(plan, &three_sinks()).expect("the plan fits the job");
    assert_eq!(result.stale, Vec::<usize>::new(), "{:?}", result.end);
    result
}

#[test]
fn a_sink_notices_that_the_state_was_put_back() {
    // spec: K-5
    let result = run_of(&with(
        "when after append of a:10 do copy-state\n\
         when after apply to large of a:50 do put-back-state\n\
         when after apply to large of a:50 do crash restart 20ms",
    ));
    assert_eq!(result.counts.faults["put-back-state"], 1);
    let RunEnd::Ended(Ending::Failed(Failure::Damaged { what, detail })) = &result.end else {
        panic!("{:?}", result.end);
    };
    // The sink is whole: it is the journal that does not reach as far.
    assert_eq!(*what, Kept::Journal);
    assert!(detail.contains("but the journal ends with"), "{detail}");
}

#[test]
fn without_a_copy_nothing_is_put_back_or_started() {
    let plan = with(
        "when after append of a:10 do put-back-state\nwhen after append of a:10 do start-copy",
    );
    let result = run_of(&plan);
    assert_eq!(result.end, RunEnd::Ended(Ending::Finished));
    assert_eq!((result.counts.starts, result.counts.faults.len()), (1, 0));
}

#[test]
fn a_clone_of_the_same_generation_number_is_kept_out() {
    // spec: G-1
    let result =
        same("when before open-journal do copy-state\nwhen before open-journal do start-copy");
    let [clone, own] = &result.processes[..] else { panic!("{:?}", result.processes) };
    assert_eq!((clone.process, own.process), (2, 1));
    assert_eq!(clone.generation.number, own.generation.number);
    assert_ne!(clone.generation, own.generation);
    let is_fenced =
        matches!(clone.how, ProcessEnding::Ended(Ending::Failed(Failure::Fenced { .. })));
    assert!(is_fenced, "{:?}", clone.how);
}

#[test]
fn a_record_that_kills_whoever_computes_it_stops_the_job() {
    // spec: F-6
    let mut plan = with("when at 0s do poison a:30");
    plan.pipeline.poison_starts = 3;
    let result = run_of(&plan);
    let poisoned = matches!(result.end, RunEnd::Ended(Ending::Failed(Failure::Poisoned { .. })));
    assert!(poisoned, "{:?}", result.end);
    // One death at least tells the next start to look out, three more are counted, and the
    // last start says so.
    assert!((5..=10).contains(&result.counts.starts), "{} starts", result.counts.starts);
    assert_eq!(result.counts.marks["died-of-a-record"], u64::from(result.counts.starts) - 1);
}

#[test]
fn what_a_source_loses_that_nobody_took_was_never_there() {
    // spec: J-7
    let job = three_sinks();
    let (mut ordinary, mut lost) = (0, 0);
    let shapes = [SplitShape::Log, SplitShape::File];
    let cases = shapes.into_iter().flat_map(|shape| {
        let gaps = [100, 900].into_iter();
        gaps.flat_map(move |gap| (10..50).step_by(4).map(move |record| (shape, gap, record)))
    });
    for (shape, gap, record) in cases {
        let mut plan = plan(60);
        plan.splits = two_splits(60, shape, Span::us(gap));
        let line = format!("when after append of a:{record} do source a truncate 2");
        let plan: RunPlan = format!("{plan}{line}\n").parse().expect("it is a line of a plan");
        let (mut result, finding) = Judge::new(&job).judge(&plan).expect("the plan fits the job");
        assert_eq!(finding, None, "{shape:?} {line}");
        assert_eq!(result.changed.len(), 1, "{shape:?} {line}");
        if result.losses.is_empty() {
            ordinary += 1;
            assert_eq!(result.end, RunEnd::Ended(Ending::Finished), "{shape:?} {line}");
            // By the plan alone it would hold other records.
            result.changed.clear();
            let findings = judge(&plan, &job, &result).expect("the journal is whole");
            assert!(!findings.is_empty(), "{shape:?} {line}");
        } else {
            lost += 1;
        }
    }
    assert!(ordinary >= 5 && lost >= 5, "{ordinary} ordinary runs, {lost} with a loss");
}
