//! What a plan takes away, and with which failures a job may answer that.

use super::finding::failure_name;
use crate::model::Disturbance;
use crate::plan::{Action, RunPlan};
use crate::world::RunEnd;
use anabranch_engine::pipeline::{Ending, Failure};
use anabranch_engine::plan::{NodeKind, OnError, Plan};

/// What of what was acknowledged a plan takes away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    /// Something of the journal or of the snapshots.
    pub(super) stores: bool,
    /// Something of what sinks hold.
    pub(super) sinks: bool,
    /// Records that sources had given.
    pub(super) sources: bool,
}

impl Losses {
    /// Those of a plan.
    pub(super) fn of(plan: &RunPlan) -> Losses {
        let mut losses = Losses::default();
        for deviation in &plan.deviations {
            match &deviation.action {
                Action::Disturb { service, disturbance } if is_loss(disturbance) => {
                    match service.as_str() {
                        "journal" | "snapshots" => losses.stores = true,
                        _ => losses.sinks = true,
                    }
                }
                Action::Source { .. } => losses.sources = true,
                Action::Disturb { .. }
                | Action::Crash { .. }
                | Action::PowerFailure { .. }
                | Action::Pause { .. }
                | Action::DoubleStart
                | Action::ClockJump { .. }
                | Action::Message(_)
                | Action::Link { .. } => {}
            }
        }
        losses
    }

    /// Whether there are any.
    pub(super) fn any(self) -> bool {
        self.stores || self.sinks || self.sources
    }
}

/// Whether this takes away what was acknowledged, so that a job may have to fail.
fn is_loss(disturbance: &Disturbance) -> bool {
    match disturbance {
        Disturbance::LoseAcknowledged { .. }
        | Disturbance::LoseMarker
        | Disturbance::Retention { .. }
        | Disturbance::Rot { .. } => true,
        Disturbance::ExpireProducers
        | Disturbance::FailSync
        | Disturbance::Failover
        | Disturbance::Fill { .. }
        | Disturbance::ForgetTokens
        | Disturbance::MakeRoom
        | Disturbance::Merge
        | Disturbance::PowerFailure { .. }
        | Disturbance::StopInsert { .. } => false,
    }
}

/// Whether a job that did not end well did what it should: something was taken from it, and
/// it says so; or the user wants it to stop at a bad record.
pub(super) fn is_excused(plan: &RunPlan, job: &Plan, end: &RunEnd, losses: Losses) -> bool {
    let failure = match end {
        RunEnd::Ended(Ending::Failed(failure)) => failure,
        // Whoever starts it again hopes that what cannot be read can be read later.
        RunEnd::RestartLoop { last } => return losses.stores && last.contains("is damaged"),
        RunEnd::Ended(
            Ending::AlreadyFinished
            | Ending::Finished
            | Ending::FinishedWithout { .. }
            | Ending::Stopped,
        )
        | RunEnd::Panicked { .. }
        | RunEnd::Stuck { .. } => return false,
    };
    if plan.allow.iter().any(|name| name == failure_name(failure)) {
        return true;
    }
    match failure {
        Failure::BadRecord { .. } => job.nodes.iter().any(|node| match &node.kind {
            NodeKind::Scan(scan) => job.table(scan.table).on_error == OnError::Fail,
            _ => false,
        }),
        Failure::Damaged(_) => losses.stores,
        Failure::SinkLostData { .. } => losses.sinks,
        Failure::SourceChanged { .. } | Failure::SourceFailed { .. } => losses.sources,
        Failure::Diverged { .. }
        | Failure::Fenced { .. }
        | Failure::JournalFailed(_)
        | Failure::JournalUnreadable(_)
        | Failure::Locked { .. }
        | Failure::NotReproduced { .. }
        | Failure::PlanChanged { .. }
        | Failure::Poisoned { .. }
        | Failure::SinkRejected { .. }
        | Failure::SnapshotsUnreadable(_)
        | Failure::TableFailed { .. } => false,
    }
}

/// Whether a job stopped at a bad record.
pub(super) fn fails_by_a_record(end: &RunEnd) -> bool {
    matches!(end, RunEnd::Ended(Ending::Failed(Failure::BadRecord { .. })))
}
