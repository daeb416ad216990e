//! When the pipeline wants to be called again without an input, and why.

use super::{Phase, Pipeline};
use crate::time::{Monotonic, Tick};

/// The next deadline.
// spec: F-4
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wakeup {
    /// When.
    pub at: Monotonic,
    /// Why.
    pub reason: WakeReason,
}

/// Why the pipeline wants to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WakeReason {
    /// Tables that grow are asked for new splits.
    Discover,
    /// A flush group becomes old enough.
    Flush,
    /// A sink has failed, or not answered, for as long as it may.
    Lag,
    /// The journal is asked whether it is still ours.
    Prove,
    /// The splits of a table are listed again after a failure.
    RetryDiscover,
    /// A source is read again after a failure.
    RetryFetch,
    /// A sink is opened again after a failure.
    RetrySink,
    /// The journal or the snapshots are read again after a failure.
    RetryStore,
    /// A stop has waited long enough for sinks that fail.
    Stop,
}

/// The wait before attempt `attempts + 1`: it doubles, up to a hundredfold.
pub(super) fn backoff_ms(first_ms: i64, attempts: u32) -> i64 {
    let doubled = first_ms.saturating_mul(1_i64 << attempts.saturating_sub(1).min(30));
    doubled.min(first_ms.saturating_mul(100))
}

impl super::Clock {
    /// The tick that an epoch closed now would have, without closing one.
    pub(super) fn now_tick(&self) -> Tick {
        Tick((self.anchor.0 + (self.now.0 - self.since.0).max(0)).max(self.last.0 + 1))
    }

    /// The monotonic time at which the clock reaches a tick.
    fn monotonic_of(&self, tick: Tick) -> Monotonic {
        Monotonic(self.since.0.saturating_add(tick.0.saturating_sub(self.anchor.0)))
    }
}

impl Pipeline {
    /// The earliest time at which [`super::Input::Wake`] is needed if nothing else
    /// comes; `None` if only an answer can bring the pipeline on.
    ///
    /// A deadline that has passed is none: all that was possible was done in the last
    /// turn, so what is due waits for an answer, and that brings the next turn.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Wakeup> {
        if !matches!(self.phase, Phase::Running | Phase::Replaying(_) | Phase::Opening(_)) {
            return None;
        }
        let wake = |reason| move |at| Wakeup { at, reason };
        let flush = self.sinks.flushes_at(&self.config).map(|tick| self.clock.monotonic_of(tick));
        flush
            .map(wake(WakeReason::Flush))
            .chain(self.discoveries_at().map(wake(WakeReason::Discover)))
            .chain(self.store_retries_at().map(wake(WakeReason::RetryStore)))
            .chain(self.discover_retries_at().map(wake(WakeReason::RetryDiscover)))
            .chain(self.fetch_retries_at().map(wake(WakeReason::RetryFetch)))
            .chain(self.sinks.retries_at().map(wake(WakeReason::RetrySink)))
            .chain(self.sink_waits_end_at().map(wake(WakeReason::Lag)))
            .chain(self.stop_wait_ends_at().map(wake(WakeReason::Stop)))
            .chain(self.proof_due_at().map(wake(WakeReason::Prove)))
            .filter(|wakeup| wakeup.at > self.clock.now)
            .min()
    }
}
