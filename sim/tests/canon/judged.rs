//! One run, and what all oracles say of it.

use crate::scenarios::Scenario;
use anabranch_engine::pipeline::{Ending, Failure};
use anabranch_sim::finding::{failure_name, of_end};
use anabranch_sim::oracle::judge;
use anabranch_sim::plan::{Action, Deviation, Operation, Point, RunPlan, Trigger};
use anabranch_sim::run::run;
use anabranch_sim::world::{RunEnd, RunResult};
use std::collections::BTreeMap;

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

/// Runs every case and gives what is wrong, the first five cases only.
pub(crate) fn every(
    cases: &[(String, RunPlan)],
    mut check: impl FnMut(&RunPlan) -> Vec<String>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, plan) in cases {
        if let Some(first) = check(plan).first() {
            wrong.push(format!("{name}: {first}"));
        }
    }
    let all = wrong.len();
    wrong.truncate(5);
    if all > 5 {
        wrong.push(format!("and {} more", all - 5));
    }
    wrong
}

/// Every point before and behind an output.
pub(crate) fn points() -> [Point; 2] {
    [Point::Before(Operation::Output), Point::After(Operation::Output)]
}

/// What a test counted, for people.
#[expect(clippy::disallowed_macros, reason = "a test may say how much it did")]
pub(crate) fn tell(text: &str) {
    println!("{text}");
}
