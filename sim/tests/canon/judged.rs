//! One run, and what all oracles say of it.

use crate::scenarios::Scenario;
use anabranch_engine::pipeline::{Ending, Failure};
use anabranch_sim::finding::{failure_name, of_end};
use anabranch_sim::oracle::judge;
use anabranch_sim::plan::{Action, Deviation, Operation, Point, RunPlan, Trigger};
use anabranch_sim::run::run;
use anabranch_sim::world::{RunEnd, RunResult};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs a plan; gives what came of it, and what is wrong with it.
pub(crate) fn judged(scenario: &Scenario, plan: &RunPlan) -> (RunResult, Vec<String>) {
    let result = run(plan, &scenario.job).expect("the plan fits the job");
    let end = match &result.end {
        RunEnd::Ended(Ending::Failed(failure)) if is_allowed(plan, failure) => None,
        end => of_end(end).map(|finding| finding.to_string()),
    };
    let losses = !plan.allow.is_empty();
    let found = match judge(plan, &scenario.job, &result, &BTreeMap::new(), losses) {
        Ok(findings) => findings.iter().map(ToString::to_string).collect(),
        Err(_) if plan.allow.iter().any(|name| name == "damaged") => Vec::new(),
        Err(damage) => vec![format!("the journal cannot be read: {damage}")],
    };
    (result, end.into_iter().chain(found).collect())
}

/// Whether a plan allows a failure.
fn is_allowed(plan: &RunPlan, failure: &Failure) -> bool {
    plan.allow.iter().any(|name| name == failure_name(failure))
}

/// The plan with one thing that goes wrong.
pub(crate) fn with(plan: &RunPlan, point: Point, nth: u32, action: Action) -> RunPlan {
    let trigger = Trigger::When { nth, point, holding: None, restarts: Some(0) };
    RunPlan { deviations: vec![Deviation { trigger, action }], ..plan.clone() }
}

/// How many outputs the first process makes, or its successor after a pause.
pub(crate) fn outputs_of(scenario: &Scenario, plan: &RunPlan, process: u32) -> u32 {
    let result = run(plan, &scenario.job).expect("the plan fits the job");
    let of_it = result.processes.iter().find(|end| end.process == process);
    of_it.map_or(0, |end| end.outputs as u32)
}

/// Runs every case on two threads and gives what is wrong, the first five cases only.
pub(crate) fn every(
    cases: &[(String, RunPlan)],
    check: impl Fn(&RunPlan) -> Vec<String> + Sync,
) -> Vec<String> {
    every_with(cases, |plan| (check(plan), ())).0
}

/// As [`every`], with something that each case comes to.
pub(crate) fn every_with<T: Send>(
    cases: &[(String, RunPlan)],
    check: impl Fn(&RunPlan) -> (Vec<String>, T) + Sync,
) -> (Vec<String>, Vec<T>) {
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut wrong, mut results) = (Vec::new(), Vec::new());
        while let Some((name, plan)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (found, result) = check(plan);
            results.push(result);
            if let Some(first) = found.first() {
                wrong.push(format!("{name}: {first}"));
            }
        }
        (wrong, results)
    };
    let (mut wrong, results) = std::thread::scope(|scope| {
        let other = scope.spawn(work);
        let (mut wrong, mut results) = work();
        let (more, others) = other.join().expect("the other thread ends");
        wrong.extend(more);
        results.extend(others);
        (wrong, results)
    });
    wrong.sort();
    let all = wrong.len();
    wrong.truncate(5);
    if all > 5 {
        wrong.push(format!("and {} more", all - 5));
    }
    (wrong, results)
}

/// Every point before and behind an output.
pub(crate) fn points() -> [Point; 2] {
    [Point::Before(Operation::Output), Point::After(Operation::Output)]
}
