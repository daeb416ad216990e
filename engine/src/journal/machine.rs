//! What all journal machines have in common.

use super::{SegmentBytes, SegmentName};
use crate::ids::Generation;
use crate::service::{Answer, Request};
use bytes::Bytes;

/// The protocol of one journal store as a machine without IO.
///
/// One thing at a time: after each call, requests are answered until an outcome comes.
///
/// # Panics
/// All methods panic if they are called out of turn, or if an answer is of another kind
/// than the request.
pub trait JournalMachine: std::fmt::Debug {
    /// Reads all segments; ends with [`JournalStep::Read`], or with
    /// [`JournalStep::Fenced`] where somebody else holds the store.
    fn read(&mut self) -> JournalStep;

    /// Creates a segment, which must not exist, with its first bytes, durably, and fences
    /// every older generation; ends with [`JournalStep::Opened`] or
    /// [`JournalStep::Fenced`].
    // spec: J-3
    fn open(&mut self, segment: SegmentName, bytes: Bytes) -> JournalStep;

    /// Appends to the open segment; ends with [`JournalStep::Appended`], when it is
    /// durable, or [`JournalStep::Fenced`].
    fn append(&mut self, bytes: Bytes) -> JournalStep;

    /// Asks the store whether `generation` is still the newest; ends with
    /// [`JournalStep::Fenced`] if somebody newer is seen there, and with
    /// [`JournalStep::Proved`] otherwise.
    // spec: J-3
    fn prove(&mut self, generation: Generation) -> JournalStep;

    /// Removes segments, oldest first; ends with [`JournalStep::Trimmed`].
    // spec: J-4
    fn trim(&mut self, segments: Vec<SegmentName>) -> JournalStep;

    /// Takes the answer to the last request.
    fn answer(&mut self, answer: Answer) -> JournalStep;
}

/// What a journal machine wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalStep {
    /// Do this, and call [`JournalMachine::answer`] with what came of it.
    Request(Request),
    /// All segments, in any order.
    Read(Vec<SegmentBytes>),
    /// The segment is there, durably, and nobody older can append.
    Opened,
    /// Somebody newer owns the journal.
    // spec: J-3
    Fenced {
        /// Who, as far as it is known.
        by: String,
    },
    /// What was appended is durable.
    Appended,
    /// Whether the generation is known to be still the newest; if not, the store does not
    /// say so now, and may say so later.
    Proved(bool),
    /// The segments are gone.
    Trimmed,
    /// It failed, and nothing may be assumed of what was not confirmed.
    // spec: J-6
    Failed {
        /// What failed, for a person.
        message: String,
        /// Whether trying the same again may help; only for reading and trimming.
        transient: bool,
    },
}
