//! A job that is killed, anywhere, gives what a job gives that is left alone.

use crate::jobs::{growing, plan, small_limits, three_sinks, times, two_splits};
use anabranch_engine::pipeline::Ending;
use anabranch_engine::plan::Plan;
use anabranch_sim::plan::{Action, Deviation, Operation, Point, RunPlan, SplitShape, Trigger};
use anabranch_sim::recut::{difference, undisturbed};
use anabranch_sim::run::run;
use anabranch_sim::time::Span;
use anabranch_sim::world::{Host, RunEnd, RunResult};
use std::sync::Arc;

/// Kills the first process before or after its output of this number.
fn crash_at(point: Point, nth: u32) -> Deviation {
    let trigger = Trigger::When { nth, point, holding: None, restarts: Some(0) };
    Deviation { trigger, action: Action::Crash { restart: Some(Span::ms(30)) } }
}

/// The outputs that the first process makes when nothing goes wrong.
fn outputs_of(plan: &RunPlan, job: &Arc<Plan>) -> u32 {
    let mut probe = plan.clone();
    let never = crash_at(Point::Before(Operation::Output), u32::MAX);
    probe.deviations = vec![never];
    let stores = Box::new(Host::of(plan, job));
    let result = anabranch_sim::run::run_with(&probe, job, stores, true).expect("it fits");
    result.lines.iter().filter(|line| is_output(&line.text)).count() as u32
}

fn is_output(line: &str) -> bool {
    ["takes ", "asks ", "hears ", "starts", "ends", "goes on", "fault"]
        .iter()
        .all(|s| !line.starts_with(s))
        && !line.contains(" answers: ")
}

/// Every single crash; gives how many of them hit between an append and an apply.
fn sweep(plan: &RunPlan, job: &Arc<Plan>) -> u64 {
    let calm = run(&undisturbed(plan), job).expect("the plan fits the job");
    assert!(ended_well(&calm), "{:?}", calm.end);
    let outputs = outputs_of(plan, job);
    assert!(outputs > 60, "{outputs}");
    let mut between = 0;
    for nth in 1..outputs {
        for operation in [Point::Before(Operation::Output), Point::After(Operation::Output)] {
            let mut crashed = plan.clone();
            crashed.deviations = vec![crash_at(operation.clone(), nth)];
            let result = run(&crashed, job).expect("the plan fits the job");
            assert_eq!(result.stale, Vec::<usize>::new(), "{operation:?} {nth}");
            assert!(ended_well(&result), "{operation:?} {nth}: {:?}", result.end);
            assert_eq!(difference(&result, &calm, job), None, "{operation:?} {nth}");
            between += result.counts.marks.get("crash-between-append-and-apply").unwrap_or(&0);
        }
    }
    between
}

fn ended_well(result: &RunResult) -> bool {
    matches!(
        result.end,
        RunEnd::Ended(Ending::Finished | Ending::AlreadyFinished | Ending::Stopped)
    )
}

#[test]
fn a_crash_at_any_output_of_a_bounded_job_changes_nothing() {
    // spec: J-1, K-1, K-4, S-2
    let mut plan = plan(40);
    plan.splits = two_splits(40, SplitShape::File, Span::us(700));
    assert!(sweep(&plan, &three_sinks()) > 10);
}

#[test]
fn a_crash_at_any_output_of_a_growing_job_changes_nothing() {
    let mut plan = RunPlan::calm("growing", 1, small_limits());
    let all: Vec<u64> = (0..40).map(|n| n * 17 % 400 + n * 5).collect();
    plan.splits = vec![times("a", &all, Span::ms(3)), times("b", &all[..25], Span::ms(5))];
    assert!(sweep(&plan, &growing("0 s")) > 3);
}
