//! The input of a run.

use crate::time::VirtualTime;
use bytes::Bytes;

/// One split and what comes to stand in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitInput {
    /// The name of its table.
    pub table: String,
    /// Its name within the table.
    pub name: String,
    /// What it looks like to a reader.
    pub shape: SplitShape,
    /// When it comes into being.
    pub added: VirtualTime,
    /// When it is known that nothing more will come; `None` if that follows from its
    /// table: a bounded one ends with its last record.
    pub ended: Option<VirtualTime>,
    /// What arrives, in the order of the split. Invariant: times do not fall.
    pub records: Vec<Record>,
}

/// What a split looks like to a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SplitShape {
    /// A file: offsets count bytes, and a reader may see half a line.
    File,
    /// A log of records: offsets count records, and some hold none.
    Log,
}

/// One thing that arrives at a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What the plan calls it; it keeps its number when others are taken out.
    pub number: u64,
    /// When it arrives.
    pub at: VirtualTime,
    /// What it is.
    pub kind: RecordKind,
}

/// What arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// Offsets of a log that hold no record, such as markers of transactions.
    Gap {
        /// How many.
        offsets: u32,
    },
    /// Bytes of a file as they are, perhaps half a line.
    Raw(Bytes),
    /// A record; in a file it is a line, whose end comes with it.
    Whole {
        /// The record.
        value: Bytes,
        /// The log's own timestamp.
        timestamp_ms: Option<i64>,
    },
}
