//! What a plan takes away, and with which failures a job may answer that.

use super::finding::failure_name;
use crate::model::Disturbance;
use crate::plan::{Action, RunPlan, StateFault};
use crate::world::RunEnd;
use anabranch_engine::pipeline::{Ending, Failure, Kept};
use anabranch_engine::plan::{NodeKind, OnError, Plan};

/// What of what was acknowledged a plan takes away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    /// Something of the journal or of the snapshots.
    pub(super) stores: bool,
    /// Something of what sinks hold.
    pub(super) sinks: bool,
    /// That there is one history: the journal does not tell any more what sinks must hold.
    pub(super) histories: bool,
    /// Records that sources had given.
    pub(super) sources: bool,
}

impl Losses {
    /// Those of a plan that happened; `stale` are the deviations that did not.
    pub(super) fn of(plan: &RunPlan, stale: &[usize]) -> Losses {
        let mut losses = Losses::default();
        let happened = plan.deviations.iter().zip(0..).filter(|(_, at)| !stale.contains(at));
        for (deviation, _) in happened {
            match &deviation.action {
                Action::Disturb { service, disturbance } if is_loss(disturbance) => {
                    match service.as_str() {
                        "journal" | "snapshots" => losses.stores = true,
                        _ => losses.sinks = true,
                    }
                }
                Action::Source { .. } => losses.sources = true,
                // A clone that comes first writes what the job's own journal does not say.
                Action::State(StateFault::PutBack | StateFault::StartCopy) => {
                    (losses.stores, losses.histories) = (true, true);
                }
                Action::Disturb { .. }
                | Action::Crash { .. }
                | Action::PowerFailure { .. }
                | Action::Pause { .. }
                | Action::DoubleStart
                | Action::ClockDrift { .. }
                | Action::ClockJump { .. }
                | Action::Message(_)
                | Action::Link { .. }
                | Action::Poison { .. }
                | Action::State(StateFault::Copy) => {}
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
        | Disturbance::StopInsert { .. }
        | Disturbance::TakeFiles => false,
    }
}

/// Whether a job that did not end well did what it should.
pub(super) fn excuses(plan: &RunPlan, job: &Plan, end: &RunEnd, losses: Losses) -> bool {
    match end {
        RunEnd::Ended(Ending::Failed(failure)) => is_excused(plan, job, failure, losses),
        // Whoever starts it again hopes that what cannot be read can be read later.
        RunEnd::RestartLoop { last } | RunEnd::Stuck { last, .. } => {
            last.as_ref().is_some_and(|last| says_so(last, losses))
        }
        RunEnd::Ended(
            Ending::AlreadyFinished
            | Ending::Finished
            | Ending::FinishedWithout { .. }
            | Ending::Stopped,
        )
        | RunEnd::Panicked { .. } => false,
    }
}

/// Whether a failure is as it should be: something was taken from the job, and it says so;
/// or the user wants it to stop at a bad record.
pub(super) fn is_excused(plan: &RunPlan, job: &Plan, failure: &Failure, losses: Losses) -> bool {
    if plan.allow.iter().any(|name| name == failure_name(failure)) {
        return true;
    }
    match failure {
        Failure::BadRecord { .. } => job.nodes.iter().any(|node| match &node.kind {
            NodeKind::Scan(scan) => job.table(scan.table).on_error == OnError::Fail,
            _ => false,
        }),
        // Also of a sink whose marker is gone, though its rows are there.
        Failure::Damaged { what: Kept::Sink(_), .. } => losses.sinks,
        Failure::Damaged { what: Kept::Journal | Kept::Snapshots, .. } => losses.stores,
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

/// Whether a failure says that something is wrong that no restart mends. The others are
/// how a process ends that was replaced, or whose stores or sources do not answer.
pub(super) fn is_alarm(failure: &Failure) -> bool {
    match failure {
        Failure::BadRecord { .. }
        | Failure::Diverged { .. }
        | Failure::NotReproduced { .. }
        | Failure::PlanChanged { .. }
        | Failure::Poisoned { .. }
        | Failure::SinkLostData { .. }
        | Failure::SourceChanged { .. } => true,
        // Who stands still between reading the journal and listing the snapshots may find one
        // of its successor, taken after an epoch that it did not read of.
        Failure::Damaged { .. }
        | Failure::Fenced { .. }
        | Failure::JournalFailed(_)
        | Failure::JournalUnreadable(_)
        | Failure::Locked { .. }
        | Failure::SinkRejected { .. }
        | Failure::SnapshotsUnreadable(_)
        | Failure::SourceFailed { .. }
        | Failure::TableFailed { .. } => false,
    }
}

/// Whether a job that is started again and again fails by a loss each time.
fn says_so(last: &Failure, losses: Losses) -> bool {
    match last {
        Failure::JournalFailed(message)
        | Failure::JournalUnreadable(message)
        | Failure::SnapshotsUnreadable(message) => losses.stores && message.contains("is damaged"),
        // A folder that lost its manifest holds files that nobody wrote.
        Failure::SinkRejected { message, .. } => {
            losses.sinks && message.contains("and not by this sink")
        }
        _ => false,
    }
}

/// Whether a job stopped at a bad record.
pub(super) fn fails_by_a_record(end: &RunEnd) -> bool {
    matches!(end, RunEnd::Ended(Ending::Failed(Failure::BadRecord { .. })))
}
