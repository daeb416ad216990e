//! One run, and what all oracles say of it.

use crate::scenarios::Scenario;
use anabranch_sim::judge::{Judge, Options};
use anabranch_sim::plan::{Action, Deviation, Operation, Point, RunPlan, Trigger};
use anabranch_sim::run::run;
use anabranch_sim::world::RunResult;

/// Runs a plan; gives what came of it, and what is wrong with it. The interpreter knows all
/// rows, so that no calm run is needed beside it.
pub(crate) fn judged(scenario: &Scenario, plan: &RunPlan) -> (RunResult, Vec<String>) {
    let options = Options { recut: false, ..Options::default() };
    let judged = Judge::new(&scenario.job).with(options).judge(plan);
    let (result, finding) = judged.expect("the plan fits the job");
    (result, finding.into_iter().map(|finding| finding.to_string()).collect())
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
