//! A sink is given up only if its table says so, and only if it was dead for long.

use super::Finding;
use crate::plan::RunPlan;
use crate::time::Span;
use crate::world::{GivenUpSeen, RunResult};
use anabranch_engine::plan::{Plan, Table};

/// With room for so many bytes no sink of a simulated run is over its budget by what waits
/// for it, so that only time is.
const ROOMY: usize = 1_000_000;

/// The first sink that was given up without a reason, by what the process that did it knew.
// spec: K-8
pub(super) fn given_up(plan: &RunPlan, job: &Plan, result: &RunResult) -> Option<Finding> {
    result.given_up.iter().find_map(|seen| {
        let table = job.tables.iter().find(|table| table.name == seen.sink)?;
        let (kind, why) = complaint(plan, table, seen)?;
        let GivenUpSeen { process, sink, at, .. } = seen;
        let message = format!("process {process} gave sink {sink} up at {at}, {why}");
        Some(Finding::new("L1", kind, sink, message))
    })
}

fn complaint(plan: &RunPlan, table: &Table, seen: &GivenUpSeen) -> Option<(&'static str, String)> {
    let budget = Span::ms(table.lag_budget_ms());
    let is_roomy = plan.pipeline.sink_lag_bytes_max >= ROOMY;
    // The process's clock may run a little fast.
    let is_short = |failed: Span| is_roomy && failed < Span(budget.0 / 10 * 9);
    match seen.failing_since {
        _ if !table.is_given_up_on_lag() => Some(("given up", "and its table says hold".into())),
        None => Some(("given up", "and nothing was wrong with it".into())),
        Some(since) if is_short(seen.at - since) => {
            let of = table.lag_budget_ms();
            let failed = (seen.at - since).0 / 1_000_000;
            Some(("given up too soon", format!("when it had failed for {failed} ms of {of}")))
        }
        Some(_) => None,
    }
}
