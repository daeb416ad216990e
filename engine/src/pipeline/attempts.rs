//! A request that is made again after a failure, after growing waits.

use super::config::PipelineConfig;
use super::wake::backoff_ms;
use crate::ids::RequestId;
use crate::time::Monotonic;

/// One thing that is asked for until it is answered.
///
/// Invariant: at most one of `awaited` and `retry_at` is set.
// spec: F-2
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attempts {
    /// The request whose answer counts.
    awaited: Option<RequestId>,
    /// Failures in a row.
    failures: u32,
    /// When it is asked for again.
    retry_at: Option<Monotonic>,
}

impl Attempts {
    /// Notes that it is asked for now.
    pub(super) fn ask(&mut self, request: RequestId) {
        self.awaited = Some(request);
        self.retry_at = None;
    }

    /// Takes an answer; gives whether it is the one that is awaited. Any other came
    /// late or twice, and says nothing.
    pub(super) fn take(&mut self, request: RequestId) -> bool {
        let awaited = self.awaited == Some(request);
        if awaited {
            self.awaited = None;
        }
        awaited
    }

    /// Notes that it is asked for again, where an answer is known by other means than a
    /// request's name.
    pub(super) fn retry(&mut self) {
        self.retry_at = None;
    }

    /// Notes that the answer brought what was asked for.
    pub(super) fn succeed(&mut self) {
        *self = Attempts::default();
    }

    /// Notes a failure; gives the number of failures in a row, or `None` if there were
    /// enough of them.
    pub(super) fn fail(&mut self, now: Monotonic, config: &PipelineConfig) -> Option<u32> {
        self.failures += 1;
        if self.failures >= config.attempts_max {
            return None;
        }
        let wait_ms = backoff_ms(config.retry_ms, self.failures);
        self.retry_at = Some(Monotonic(now.0 + wait_ms * 1_000_000));
        Some(self.failures)
    }

    /// Whether an answer is awaited.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited.is_some()
    }

    /// Whether the last answer was a failure.
    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// Whether it failed and waits.
    pub(super) fn waits(&self) -> bool {
        self.retry_at.is_some()
    }

    /// When it is asked for again.
    pub(super) fn retry_at(&self) -> Option<Monotonic> {
        self.retry_at
    }

    /// Whether it failed, and the wait is over.
    pub(super) fn is_due(&self, now: Monotonic) -> bool {
        self.retry_at.is_some_and(|at| at <= now)
    }
}
