//! Whether the sinks still hold what they acknowledged, once more before the end.
//!
//! A sink that loses what it had acknowledged says so when it is given the next chunk, or
//! when it is opened. A job that ends gives it no chunk any more, and may never open it
//! again: so it opens every sink that keeps a marker before it says that all is well.
// spec: K-5

use super::Pipeline;
use super::io::Output;
use super::sinks::{SinkPhase, SinkState};
use crate::ids::SinkId;

impl Pipeline {
    /// Whether nothing more will come, so that a sink that is opened now is looked at for
    /// the last time.
    pub(super) fn is_ending(&self) -> bool {
        self.stopping || self.ingest.is_done(&self.plan)
    }

    /// Whether a sink was opened, and so held what it should, since it acknowledged its
    /// last chunk at the end.
    fn is_verified(&self, sink: &SinkState) -> bool {
        let has_to_be =
            !sink.is_given_up() && sink.acked.is_some() && sink.keeps_marker(&self.plan);
        !has_to_be || sink.verified
    }

    /// Opens every sink that has to be looked at once more; gives whether none is left.
    pub(super) fn verify_markers(&mut self, out: &mut Vec<Output>) -> bool {
        let mut all = true;
        for index in 0..self.sinks.sinks.len() {
            let id = SinkId(index as u32);
            let sink = self.sinks.get(id);
            if self.is_verified(sink) {
                continue;
            }
            all = false;
            if sink.phase == SinkPhase::Ready {
                self.open_sink(id, out);
            }
        }
        all
    }

    /// Whether every sink that was not looked at fails, so that a stop leaves it for the
    /// next start.
    // spec: F-4
    pub(super) fn unverified_sinks_fail(&self) -> bool {
        let fails = |sink: &SinkState| sink.failing_since(&self.config, self.clock.now).is_some();
        self.sinks.sinks.iter().all(|sink| self.is_verified(sink) || fails(sink))
    }
}
