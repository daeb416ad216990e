//! Sinks: where a job's rows go. Each waits for what it does, so the driver gives
//! each a thread of its own.

mod blackhole;
mod files;
mod print;

pub use blackhole::BlackholeSink;
pub use files::FilesystemSink;
pub use print::{LineOutput, PrintSink, RowOutput};

use anabranch_engine::ids::Generation;
use anabranch_engine::sink::{ApplyOutcome, Chunk, Marker, OpenOutcome};

/// Transport of one sink.
pub trait Sink: Send {
    /// What the sink holds, without fencing anybody.
    ///
    /// # Errors
    /// If that cannot be found out; the text is for a person.
    fn inspect(&mut self) -> Result<Inspected, String>;

    /// Fences older generations and gives the marker; the text says what went wrong.
    // spec: K-3
    fn open(&mut self, generation: Generation) -> (OpenOutcome, String);

    /// Applies a chunk; the text says what went wrong.
    // spec: K-1
    fn apply(&mut self, chunk: Chunk) -> (ApplyOutcome, String);

    /// Writes out what it held back: the job has ended.
    ///
    /// # Errors
    /// If that fails.
    fn finish(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a sink holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inspected {
    /// The newest generation that claimed it.
    pub generation: Option<Generation>,
    /// Its marker.
    pub marker: Option<Marker>,
}
