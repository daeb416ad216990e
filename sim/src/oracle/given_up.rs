//! A sink is given up only if its table says so, and only if it was dead for long.

use super::Finding;
use crate::model::Disturbance;
use crate::plan::{Action, Operation, Point, RunPlan, Target, Trigger};
use crate::time::Span;
use crate::world::RunResult;
use anabranch_engine::ids::SinkId;
use anabranch_engine::journal::EpochRecord;
use anabranch_engine::plan::{Plan, Table};
use std::collections::BTreeSet;

/// With room for so many bytes no sink of a simulated run is over its budget by what waits
/// for it, so that only time is.
const ROOMY: usize = 1_000_000;

/// So many requests an operation of a sink may take: one whose table allows it less time
/// than these need is away whenever something is asked of it.
const REQUESTS: i64 = 20;

/// The first sink that was given up without a reason.
// spec: K-8
pub(super) fn given_up(
    plan: &RunPlan,
    job: &Plan,
    result: &RunResult,
    epochs: &[EpochRecord],
) -> Option<Finding> {
    let all: BTreeSet<SinkId> = epochs.iter().flat_map(|record| record.given_up.clone()).collect();
    all.into_iter().find_map(|id| {
        let name = &result.sinks[id.0 as usize].table;
        let table = job.tables.iter().find(|table| table.name == *name)?;
        let (kind, message) = match (table.is_given_up_on_lag(), away(plan, result, table)) {
            (false, _) => {
                ("given up", format!("sink {name} was given up, and its table says hold"))
            }
            (true, _) if is_slow(plan, table) => return None,
            (true, away) if is_enough(plan, table, away) => return None,
            (true, None) => {
                ("given up", format!("sink {name} was given up, and nothing was wrong with it"))
            }
            (true, Some(away)) => {
                let message = format!(
                    "sink {name} was given up, and was away for {} ms of the {} that it may",
                    away.0 / 1_000_000,
                    table.lag_budget_ms()
                );
                ("given up too soon", message)
            }
        };
        Some(Finding::new("L1", kind, name, message))
    })
}

/// Whether a sink needs longer for what it is asked than its table allows.
fn is_slow(plan: &RunPlan, table: &Table) -> bool {
    let link = plan.settings.links.sinks;
    Span::ms(table.lag_budget_ms()).0 <= REQUESTS * 2 * (link.base.0 + link.jitter.0)
}

/// Whether a sink that was away for so long may be given up.
fn is_enough(plan: &RunPlan, table: &Table, away: Option<Span>) -> bool {
    let Some(away) = away else { return false };
    let is_roomy = plan.pipeline.sink_lag_bytes_max >= ROOMY;
    !is_roomy || away >= Span::ms(table.lag_budget_ms())
}

/// For how long the plan kept a sink from answering well, at most; `None` if it never did.
fn away(plan: &RunPlan, result: &RunResult, table: &Table) -> Option<Span> {
    let happened = plan.deviations.iter().zip(0..).filter(|(_, at)| !result.stale.contains(at));
    let spans: Vec<Span> = happened
        .filter_map(|(deviation, _)| match &deviation.action {
            Action::Link { service, span, .. } if *service == table.name => Some(*span),
            Action::Disturb { service, disturbance } if *service == table.name => {
                match disturbance {
                    // There is no room until all is well again.
                    Disturbance::Fill { .. } => Some(Span(plan.settings.timing.heal.0)),
                    _ => Some(plan.settings.timing.request_limit),
                }
            }
            Action::Message(_) if is_about(&deviation.trigger, &table.name) => {
                Some(plan.settings.timing.request_limit)
            }
            _ => None,
        })
        .collect();
    (!spans.is_empty()).then(|| Span(spans.iter().map(|span| span.0).sum()))
}

/// Whether a message fault hits a sink, or may.
fn is_about(trigger: &Trigger, name: &str) -> bool {
    let Trigger::When { point, .. } = trigger else { return true };
    let operation = match point {
        Point::Request(Target::To(service)) | Point::Answer(Target::To(service)) => {
            return service == name;
        }
        Point::Before(operation)
        | Point::After(operation)
        | Point::Request(Target::Of(operation))
        | Point::Answer(Target::Of(operation)) => operation,
    };
    match operation {
        Operation::Apply(table) | Operation::Open(table) | Operation::Inspect(table) => {
            table.as_ref().is_none_or(|table| table == name)
        }
        Operation::Output => true,
        Operation::ReadJournal
        | Operation::OpenJournal
        | Operation::List
        | Operation::Load
        | Operation::Discover(_)
        | Operation::Fetch(_)
        | Operation::Append
        | Operation::Finish
        | Operation::Store
        | Operation::Trim
        | Operation::Prove => false,
    }
}
