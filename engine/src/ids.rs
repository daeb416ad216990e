//! Newtypes for everything that is counted or named by a number.
//!
//! None of them converts into another silently: an offset is not an epoch, and
//! the compiler says so.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number! {
    /// The number of an epoch within the whole life of a job. The first epoch is 1;
    /// 0 stands for "before the first".
    Epoch(u64)
}
number! {
    /// A position in a split: the byte at which a record of a file starts, or the
    /// number that a log gave to the record. Offsets of a split only grow.
    Offset(u64)
}
number! {
    /// A split of this job, numbered in the order in which the splits were added.
    /// The number stands in the journal; what identifies a split across jobs is its
    /// [`SplitName`].
    SplitId(u32)
}
number! {
    /// A table of the plan's catalog.
    TableId(u32)
}
number! {
    /// A node of the plan, by its place in [`crate::plan::Plan::nodes`].
    NodeId(u32)
}
number! {
    /// A sink of the job, numbered in plan order.
    SinkId(u32)
}
number! {
    /// One of the [`crate::key::KEY_GROUPS`] fixed parts of the key space.
    KeyGroup(u16)
}
number! {
    /// Numbers the requests that a pipeline sends to the world, so that a late
    /// answer to an older request is recognised.
    RequestId(u64)
}

impl Epoch {
    /// The epoch after this one.
    #[must_use]
    pub fn next(self) -> Epoch {
        Epoch(self.0 + 1)
    }
}

/// What identifies a split for ever: its table and its name there (a file's path
/// below the table's folder, or a partition's number with leading zeros), compared
/// in that order wherever rows are ordered by split.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SplitName {
    /// The table that the split belongs to.
    pub table: TableId,
    /// The name within the table.
    pub name: String,
}

/// Which incarnation of a job is allowed to write.
///
/// The same number with another nonce is another incarnation (a cloned state
/// folder), and is refused.
// spec: G-1
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Generation {
    /// 1 + the largest number found anywhere when the incarnation started.
    pub number: u64,
    /// Drawn at random by the driver when the incarnation started.
    pub nonce: u64,
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{:08x}", self.number, self.nonce as u32)
    }
}

/// A stretch of history in which an epoch number never comes back with other
/// content.
// spec: G-2
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Lineage {
    /// Counts up with every restore, reset or repair.
    pub number: u64,
    /// Drawn at random by the driver when the lineage started.
    pub nonce: u64,
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{:08x}", self.number, self.nonce as u32)
    }
}
