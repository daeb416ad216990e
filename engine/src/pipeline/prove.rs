//! Whether this run still owns the journal, when it has nothing to write there.
//!
//! Every append shows it. A run that has nothing to append for a while, as one whose
//! sources are silent or whose only sink fails, asks the store from time to time, so that a
//! zombie learns that it was replaced although it never writes again.
// spec: J-3, F-4

use super::attempts::Attempts;
use super::io::{Failure, Kept, Output};
use super::start::retrying;
use super::{Phase, Pipeline};
use crate::ids::RequestId;
use crate::time::Monotonic;

/// What is known of the ownership of the journal.
#[derive(Debug, Default)]
pub(super) struct Ownership {
    /// When the store last answered, whatever it said.
    heard_at: Monotonic,
    /// Asking it; it is a failure only at the start that it cannot say.
    asking: Attempts,
    /// What is wrong with the journal that was read at the start, unless a newer run owns
    /// it by now and has gone on with it.
    suspicion: Option<String>,
}

impl Ownership {
    /// The store confirmed an append, as it does to the owner only.
    pub(super) fn confirm(&mut self, now: Monotonic) {
        self.heard_at = now;
    }

    /// When it is asked again after a failure.
    pub(super) fn retry_at(&self) -> Option<Monotonic> {
        self.asking.retry_at()
    }
}

impl Pipeline {
    /// Asks whether the journal is still ours, if the store said nothing for long enough.
    pub(super) fn ask_for_proof(&mut self, out: &mut Vec<Output>) {
        if self.proof_due_at().is_none_or(|at| at > self.clock.now) {
            return;
        }
        self.ask_journal(out);
    }

    /// When the journal is asked next; never while something is under way to it, which
    /// shows the same.
    pub(super) fn proof_due_at(&self) -> Option<Monotonic> {
        let is_quiet = matches!(self.phase, Phase::Running)
            && self.durable == self.epoch
            && !self.ownership.asking.is_awaited();
        let every_ns = self.config.prove_ms.saturating_mul(1_000_000);
        is_quiet.then(|| Monotonic(self.ownership.heard_at.0.saturating_add(every_ns)))
    }

    /// The journal that was read does not fit to what was found elsewhere: it is damaged, if
    /// it still is ours.
    // spec: J-6
    pub(super) fn suspect_damage(&mut self, what: String, out: &mut Vec<Output>) {
        self.ownership.suspicion = Some(what);
        self.ask_journal(out);
    }

    /// Asks again at the start, if the store could not say a while ago.
    // spec: F-2
    pub(super) fn retry_proof(&mut self, out: &mut Vec<Output>) {
        if self.ownership.asking.is_due(self.clock.now) {
            self.ask_journal(out);
        }
    }

    fn ask_journal(&mut self, out: &mut Vec<Output>) {
        let request = self.request();
        self.ownership.asking.ask(request);
        out.push(Output::ProveJournal { request, generation: self.generation });
    }

    /// The journal is still ours.
    ///
    /// # Errors
    /// If something was found that its owner cannot find.
    pub(super) fn journal_proved(&mut self, request: RequestId) -> Result<(), Failure> {
        if !self.ownership.asking.take(request) {
            return Ok(());
        }
        self.ownership.asking.succeed();
        self.ownership.heard_at = self.clock.now;
        let damaged = |detail| Failure::Damaged { what: Kept::Journal, detail };
        self.ownership.suspicion.take().map_or(Ok(()), |detail| Err(damaged(detail)))
    }

    /// The journal's store could not say whose it is; it is asked again later.
    ///
    /// # Errors
    /// At the start, where it is not known how to go on, if it never can.
    // spec: F-2
    pub(super) fn journal_not_proved(
        &mut self,
        request: RequestId,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        if !self.ownership.asking.take(request) {
            return Ok(());
        }
        let (now, config) = (self.clock.now, &self.config);
        self.ownership.heard_at = now;
        let Some(what) = &self.ownership.suspicion else { return Ok(()) };
        let unclear = format!("nobody can say whose it is, and {what}");
        let Some(attempts) = self.ownership.asking.fail(now, config) else {
            return Err(Failure::JournalFailed(unclear));
        };
        out.push(retrying("the journal".to_owned(), unclear, attempts));
        Ok(())
    }
}
