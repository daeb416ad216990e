//! The oracles over runs of the world.

use crate::jobs::{growing, plan, small_limits, three_sinks, times, two_splits};
use anabranch_engine::plan::Plan;
use anabranch_sim::oracle::{Finding, judge};
use anabranch_sim::plan::{Action, Deviation, Operation, Point, RunPlan, SplitShape, Trigger};
use anabranch_sim::run::run;
use anabranch_sim::time::Span;
use anabranch_sim::world::RunResult;

fn findings(plan: &RunPlan, job: &Plan, result: &RunResult) -> Vec<Finding> {
    judge(plan, job, result).expect("the journal is whole")
}

/// The first process is killed before its output of this number.
fn crashed(plan: &RunPlan, nth: u32) -> RunPlan {
    let point = Point::Before(Operation::Output);
    let trigger = Trigger::When { nth, point, holding: None, restarts: Some(0) };
    let action = Action::Crash { restart: Some(Span::ms(30)) };
    RunPlan { deviations: vec![Deviation { trigger, action }], ..plan.clone() }
}

#[test]
fn runs_with_crashes_are_what_the_interpreter_says_at_every_moment() {
    // spec: E-2, E-3, K-1, K-2, T-3
    let job = three_sinks();
    let mut bounded = plan(40);
    bounded.splits = two_splits(40, SplitShape::Log, Span::us(700));
    for nth in (5..60).step_by(11) {
        let plan = crashed(&bounded, nth);
        let result = run(&plan, &job).expect("the plan fits the job");
        assert_eq!(findings(&plan, &job, &result), [], "{nth}");
    }
    let job = growing("50 ms");
    let mut grows = RunPlan::calm("growing", 3, small_limits());
    grows.splits = vec![
        times("a", &[10, 110, 210, 310, 405], Span::ms(20)),
        times("b", &[15, 400], Span::ms(150)),
    ];
    let result = run(&grows, &job).expect("the plan fits the job");
    assert_eq!(findings(&grows, &job, &result), []);
}

#[test]
fn a_row_that_is_taken_away_or_added_is_found() {
    let (job, plan) = (three_sinks(), plan(40));
    let mut result = run(&plan, &job).expect("the plan fits the job");
    let row = result.sinks[0].last.records.pop().expect("there are rows");
    let kinds = |result: &RunResult| -> Vec<String> {
        findings(&plan, &job, result).into_iter().map(|finding| finding.fingerprint).collect()
    };
    assert_eq!(kinds(&result), ["S2 lost row: totals"]);
    result.sinks[0].last.records.push(row.clone());
    result.sinks[0].last.records.push(row);
    assert_eq!(kinds(&result), ["S2 doubled row: totals", "S7 window fired twice: totals"]);
    result.sinks[0].last.records.pop();
    // What readers saw while it ran counts as well.
    let seen = &mut result.sinks[0].seen;
    seen[0].records.remove(0);
    assert_eq!(kinds(&result), ["S2 lost row: totals"]);
}
