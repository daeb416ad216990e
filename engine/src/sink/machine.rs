//! What all sink machines have in common.

use super::{ApplyOutcome, Chunk, Marker, OpenOutcome};
use crate::ids::Generation;
use crate::service::{Answer, Request};

/// The protocol of one sink shard as a machine without IO.
///
/// One thing at a time: after `inspect`, `open` or `apply`, requests are answered until an
/// outcome comes. After any outcome that leaves it unknown what was done, the machine is
/// closed and has to be opened again.
///
/// # Panics
/// All methods panic if they are called out of turn, or if an answer is of another kind
/// than the request: bugs of whoever drives the machine.
pub trait SinkMachine: std::fmt::Debug {
    /// Looks at the sink without fencing anybody; ends with [`SinkStep::Inspected`].
    fn inspect(&mut self) -> SinkStep;

    /// Fences older generations, then reads the marker; ends with [`SinkStep::Opened`].
    // spec: K-3
    fn open(&mut self, generation: Generation) -> SinkStep;

    /// Applies a chunk; ends with [`SinkStep::Applied`].
    // spec: K-1, K-2
    fn apply(&mut self, chunk: Chunk) -> SinkStep;

    /// Takes the answer to the last request.
    fn answer(&mut self, answer: Answer) -> SinkStep;

    /// What was said at the last failure, for a person.
    fn failure(&self) -> &str;
}

/// What a sink machine wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SinkStep {
    /// Do this, and call [`SinkMachine::answer`] with what came of it.
    Request(Request),
    /// Looking has ended.
    Inspected(Result<Inspection, ApplyOutcome>),
    /// Opening has ended.
    Opened(OpenOutcome),
    /// Applying has ended.
    Applied(ApplyOutcome),
}

/// What a sink holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// The newest generation that claimed it.
    pub claim: Option<Generation>,
    /// Its marker.
    pub marker: Option<Marker>,
}
