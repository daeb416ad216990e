//! What goes into a step and what comes out of it: plain data.

use crate::format::RecordBlock;
use crate::ids::{Epoch, NodeId, SinkId, SplitId, SplitName, TableId};
use crate::op::{DeadRow, LateRow};
use crate::rows::Rows;
use crate::time::{Tick, Watermark};

/// Everything that an epoch's results depend on, besides the state.
// spec: E-1
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochInput {
    /// The epoch.
    pub epoch: Epoch,
    /// Its clock reading.
    pub tick: Tick,
    /// Records and control records, in the order in which they were taken. Those of
    /// one split stand in offset order.
    pub items: Vec<EpochItem>,
}

/// One thing that was taken into an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EpochItem {
    /// A fact about a split, at the place in its log where it stands here.
    Control {
        /// The split; for [`Control::Added`] the id that it gets.
        split: SplitId,
        /// The fact.
        control: Control,
    },
    /// Records of one split.
    Slice {
        /// The split.
        split: SplitId,
        /// The records, from the split's next offset on.
        block: RecordBlock,
    },
}

/// A fact about a split.
// spec: T-3
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// The split exists from here on.
    Added {
        /// What identifies it.
        name: SplitName,
        /// The offset of its first record.
        start: u64,
        /// Its first watermark; `None` asks the step to work it out by T-3.
        watermark: Option<Watermark>,
    },
    /// Its watermark is at least this from here on.
    Advance(Watermark),
    /// It will have no record any more.
    Ended,
    /// Its reader stands at the end of the log; at the end of each epoch until its
    /// next record the step advances it by T-3.
    Idle,
}

/// What a step gives.
#[derive(Clone, Debug, Default)]
pub struct EpochOutput {
    /// The rows for each sink that has any, by sink; each sink's rows in order.
    pub sinks: Vec<(SinkId, Vec<Rows>)>,
    /// The control records with their values as T-3 gave them: every `Added`, and an
    /// `Advance` for each idle split that moved.
    pub controls: Vec<(SplitId, Control)>,
    /// Records that came too late, by (split, offset, operator).
    pub late: Vec<LateRow>,
    /// Rows that could not be computed.
    pub dead: Vec<DeadRow>,
    /// Records that are not well formed: (table, split, offset, what is wrong).
    pub malformed: Vec<Malformed>,
    /// What was counted.
    pub counts: EpochCounts,
}

/// A record that is not well formed as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The table that it was read for.
    pub table: TableId,
    /// Its split.
    pub split: SplitId,
    /// Its offset.
    pub offset: u64,
    /// What is wrong.
    pub detail: String,
}

/// What was counted in one epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochCounts {
    /// Records read.
    pub records: u64,
    /// Bytes of records read.
    pub bytes: u64,
    /// Rows given to sinks.
    pub rows_out: u64,
    /// Windows fired.
    pub windows_fired: u64,
    /// Records late for all of an operator's windows, by operator.
    pub late: Vec<(NodeId, u64)>,
    /// Records late for some of an operator's windows, by operator.
    pub late_partial: Vec<(NodeId, u64)>,
    /// Dead rows and malformed records, by table.
    pub dead: Vec<(TableId, u64)>,
}
