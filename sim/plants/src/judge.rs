//! What is wrong with a run, by all oracles that may be asked about it.

use anabranch_engine::pipeline::{Ending, Failure, Report};
use anabranch_engine::plan::{NodeKind, Plan};
use anabranch_sim::finding::{Finding, FindingKind, failure_name, of_end};
use anabranch_sim::model::Disturbance;
use anabranch_sim::oracle;
use anabranch_sim::plan::{Action, RunPlan, StateFault};
use anabranch_sim::recut;
use anabranch_sim::run::run;
use anabranch_sim::world::{RunEnd, RunResult};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Judges runs of one job.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    job: &'a Arc<Plan>,
}

impl<'a> Judge<'a> {
    /// A judge of runs of this job.
    #[must_use]
    pub fn new(job: &'a Arc<Plan>) -> Judge<'a> {
        Judge { job }
    }

    /// Runs a plan; gives the first thing that is wrong.
    ///
    /// # Panics
    /// If the plan names what the job does not have.
    #[must_use]
    pub fn judge(&self, plan: &RunPlan) -> Option<Finding> {
        let result = run(plan, self.job).expect("a generated plan fits its job");
        let loses = plan.deviations.iter().any(|deviation| is_loss(&deviation.action));
        let is_allowed = is_allowed(plan, &result.end);
        if loses && (is_allowed || is_excused(&result.end)) {
            return None;
        }
        if is_allowed {
            return self.by_oracles(plan, &result, loses);
        }
        of_end(&result.end)
            .or_else(|| self.by_oracles(plan, &result, loses))
            .or_else(|| by_snapshots(&result, loses))
            .or_else(|| self.by_recut(plan, &result, loses))
    }

    fn by_oracles(&self, plan: &RunPlan, result: &RunResult, loses: bool) -> Option<Finding> {
        let judged = catch_unwind(AssertUnwindSafe(|| {
            oracle::judge(plan, self.job, result, &BTreeMap::new(), loses)
        }));
        match judged {
            Ok(Ok(findings)) => findings.into_iter().next().map(|finding| Finding {
                kind: FindingKind::Oracle(finding.oracle, finding.fingerprint),
                detail: finding.message,
            }),
            Ok(Err(damage)) => Some(Finding {
                kind: FindingKind::Oracle("S5", "unreadable: journal".to_owned()),
                detail: damage,
            }),
            Err(payload) => {
                let text = payload.downcast_ref::<String>().cloned();
                let text = text.or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()));
                let detail = text.unwrap_or_default();
                Some(Finding { kind: FindingKind::Panicked("an oracle".to_owned()), detail })
            }
        }
    }

    /// What differs from a run in which nothing goes wrong, if that must not.
    // spec: E-3, T-3
    fn by_recut(&self, plan: &RunPlan, result: &RunResult, loses: bool) -> Option<Finding> {
        let depends_on_time = self.job.nodes.iter().any(|node| match &node.kind {
            NodeKind::Scan(scan) => {
                let table = self.job.table(scan.table);
                !table.bounded && table.idle_timeout_ms().is_some()
            }
            _ => false,
        });
        if depends_on_time || loses {
            return None;
        }
        let calm = run(&recut::undisturbed(plan), self.job).expect("the plan fits its job");
        if let Some(finding) = of_end(&calm.end) {
            return Some(finding);
        }
        let difference = recut::difference(result, &calm, self.job)?;
        let kind = FindingKind::Wrong(difference.table, difference.kind);
        Some(Finding { kind, detail: difference.detail })
    }
}

/// S5: a snapshot that is listed can be used, if nothing rots; one whose rows a sink does
/// not hold yet can be used later.
// spec: S-2
fn by_snapshots(result: &RunResult, loses: bool) -> Option<Finding> {
    let detail = result.reports.iter().find_map(|(_, _, report)| match report {
        Report::SnapshotSkipped { reason, .. } if reason.contains("has not applied") => None,
        Report::SnapshotSkipped { name, reason } => Some(format!("{name:?}: {reason}")),
        _ => None,
    });
    let kind = FindingKind::Oracle("S5", "S5 snapshot skipped".to_owned());
    detail.filter(|_| !loses).map(|detail| Finding { kind, detail })
}

/// The short name of the oracle that fired.
#[must_use]
pub fn oracle_name(kind: &FindingKind) -> &'static str {
    match kind {
        FindingKind::Failed(_) => "failure",
        FindingKind::Oracle(name, _) => name,
        FindingKind::Panicked(_) => "panic",
        FindingKind::RestartLoop => "L4",
        FindingKind::Stuck => "L1",
        FindingKind::Wrong(..) => "E-3",
    }
}

/// Whether this takes away what was acknowledged, so that a job may have to fail.
fn is_loss(action: &Action) -> bool {
    match action {
        Action::Disturb { disturbance, .. } => matches!(
            disturbance,
            Disturbance::LoseAcknowledged { .. }
                | Disturbance::LoseMarker
                | Disturbance::Retention { .. }
                | Disturbance::Rot { .. }
        ),
        Action::Source { .. } | Action::State(StateFault::PutBack) => true,
        _ => false,
    }
}

/// Whether a job failed as its plan says that it may.
fn is_allowed(plan: &RunPlan, end: &RunEnd) -> bool {
    let RunEnd::Ended(Ending::Failed(failure)) = end else { return false };
    plan.allow.iter().any(|name| name == failure_name(failure))
}

/// Whether a job to which something was lost ended as it should: it says so.
fn is_excused(end: &RunEnd) -> bool {
    // A supervisor may hope that what cannot be read can be read later.
    let hopes = matches!(end, RunEnd::RestartLoop { last } if last.contains("is damaged"));
    hopes
        || matches!(
            end,
            RunEnd::Ended(Ending::Failed(
                Failure::Damaged(_)
                    | Failure::SinkLostData { .. }
                    | Failure::SourceChanged { .. }
                    | Failure::SourceFailed { .. }
            ))
        )
}
