//! What starts the job again, and what it does not start again.

use super::process::{Life, Process};
use super::result::{ProcessEnding, RunEnd};
use super::{Event, World};
use crate::time::Span;
use anabranch_engine::pipeline::{Ending, Failure};

impl World {
    /// A pipeline gave its ending.
    pub(super) fn ended(&mut self, process: &mut Process, ending: Ending) {
        process.life = Life::Dead;
        self.bury(process, ProcessEnding::Ended(ending.clone()));
        if !process.watched {
            return;
        }
        match ending {
            Ending::Failed(failure) if may_mend(&failure) => self.restart_after(failure),
            ending => {
                self.kept.done(self.now);
                self.supervisor.end = Some(RunEnd::Ended(ending));
            }
        }
    }

    fn restart_after(&mut self, failure: Failure) {
        let supervisor = &mut self.supervisor;
        supervisor.last_failure = Some(failure);
        supervisor.failures += 1;
        let first = self.plan.settings.restarts.backoff.0;
        let doubled = first.saturating_mul(1 << supervisor.failures.saturating_sub(1).min(20));
        let wait = Span(doubled.min(first.saturating_mul(100)));
        self.watch.counts.mark("restarted-after-failure");
        self.heap.plan(self.now + wait, Event::Start { watched: true });
    }

    /// When all is well, whoever would start the job looks first whether it runs already, as
    /// after somebody started it twice: that process has the journal, and no other will get it.
    pub(super) fn adopts(&mut self) -> bool {
        if self.now < self.plan.settings.timing.heal {
            return false;
        }
        let is_it = |process: &&mut Box<Process>| process.is_running && process.has_own_state();
        let Some(process) = self.processes.iter_mut().flatten().rfind(is_it) else { return false };
        process.watched = true;
        self.watch.counts.mark("adopted");
        true
    }
}

/// Whether a supervisor that starts the job again may mend the failure.
#[must_use]
pub fn may_mend(failure: &Failure) -> bool {
    match failure {
        Failure::Fenced { .. }
        | Failure::JournalFailed(_)
        | Failure::JournalUnreadable(_)
        | Failure::Locked { .. }
        | Failure::SinkRejected { .. }
        | Failure::SnapshotsUnreadable(_)
        | Failure::SourceFailed { .. }
        | Failure::TableFailed { .. } => true,
        Failure::BadRecord { .. }
        | Failure::Damaged { .. }
        | Failure::Diverged { .. }
        | Failure::NotReproduced { .. }
        | Failure::PlanChanged { .. }
        | Failure::Poisoned { .. }
        | Failure::SinkLostData { .. }
        | Failure::SourceChanged { .. } => false,
    }
}
