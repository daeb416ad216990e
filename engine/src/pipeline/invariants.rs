//! What must hold after every turn.

use super::{Phase, Pipeline};

impl Pipeline {
    /// Checks what must hold between turns; called after every turn in tests and in
    /// simulation.
    ///
    /// # Panics
    /// If something does not hold: a bug of ours.
    pub fn check_invariants(&self) {
        let epoch = self.epoch;
        if matches!(self.phase, Phase::Running | Phase::Finishing) {
            assert!(self.durable <= epoch, "epoch {epoch}: durable {} is ahead", self.durable);
        }
        assert_eq!(self.dataflow.epoch(), epoch, "the dataflow is as far as the pipeline");
        for (id, sink) in self.sinks.iter() {
            let mut before = None;
            for chunk in &sink.queue {
                assert_eq!(chunk.sink, id, "epoch {epoch}: a chunk of another sink");
                if let Some(before) = before {
                    assert_eq!(chunk.predecessor, Some(before), "epoch {epoch}: the chain broke");
                }
                before = Some(chunk.marker);
            }
            if let Some(last) = before {
                assert_eq!(sink.made, Some(last), "epoch {epoch}: the last chunk made is queued");
            }
        }
        let known = self.dataflow.splits().iter().count() + self.ingest.added.len();
        let is_between = self.wary.waiting.is_none();
        if is_between && matches!(self.phase, Phase::Running | Phase::Finishing) {
            assert_eq!(self.ingest.splits.len(), known, "epoch {epoch}: a split is missing");
        }
        for (id, split) in self.dataflow.splits().iter() {
            let ahead = self.ingest.splits.get(id.0 as usize);
            if let (Some(ahead), Phase::Running) = (ahead, &self.phase) {
                assert!(
                    ahead.fetched_to.0 >= split.next_offset,
                    "epoch {epoch}: split {id} was read to {} and taken to {}",
                    ahead.fetched_to,
                    split.next_offset
                );
            }
        }
    }
}
