//! What can go wrong in the laboratory, and what happens in it by itself.

use super::LabSplit;
use anabranch_engine::pipeline::{Input, Output};

/// What becomes of one output.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is carried out and answered, as it should.
    None,
    /// It is not carried out, and answered so.
    Instead(Vec<Input>),
    /// It is carried out, and answered so.
    Misreported(Vec<Input>),
    /// It is carried out, and the answer takes so many ms.
    Late(i64),
    /// It is carried out and answered only after so many ms, if the pipeline still
    /// lives then.
    Slow(i64),
    /// It is answered so at once, and carried out and answered only so many ms
    /// later, also if the pipeline has been killed by then.
    Straggles(i64, Vec<Input>),
    /// It is carried out, and every answer comes twice.
    Twice,
}

/// Decides what becomes of each output.
pub type FaultFn = Box<dyn FnMut(&Output) -> Fault>;

/// When an event happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Right after the first output with this line in the trace.
    Line(String),
    /// So many ms after the world began.
    At(i64),
}

/// What happens in the world by itself.
#[derive(Clone, Debug)]
pub enum Event {
    /// The user asks for a stop.
    Stop,
    /// More bytes stand in a split.
    Grow(String, String),
    /// A split of a table that grows will get no more bytes.
    End(String),
    /// A split of a table that grows comes into being.
    Add(LabSplit),
}
