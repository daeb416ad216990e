//! The `blackhole` sink: everything that it is given is gone.

use super::{Inspected, Sink};
use anabranch_engine::ids::Generation;
use anabranch_engine::sink::{ApplyOutcome, Chunk, OpenOutcome};

/// Takes everything and keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlackholeSink;

impl Sink for BlackholeSink {
    fn inspect(&mut self) -> Result<Inspected, String> {
        Ok(Inspected::default())
    }

    fn open(&mut self, _: Generation) -> (OpenOutcome, String) {
        (OpenOutcome::Opened { marker: None }, String::new())
    }

    fn apply(&mut self, _: Chunk) -> (ApplyOutcome, String) {
        (ApplyOutcome::Applied, String::new())
    }
}
