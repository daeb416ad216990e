//! What the journal says about one epoch.

use crate::ids::{Epoch, Offset, SinkId, SplitId, SplitName};
use crate::journal::hash::ChainHash;
use crate::sink::{Marker, SinkShard};
use crate::time::{Tick, Watermark};
use bytes::Bytes;

/// All that the outside decided about one epoch: with it, and the records that its
/// slices name, the epoch can be computed again.
// spec: J-2
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochRecord {
    /// The epoch; one more than that of the record before it.
    pub epoch: Epoch,
    /// The epoch's clock reading; above that of the record before it.
    // spec: E-4
    pub tick: Tick,
    /// Up to which epoch the writer knew the journal to be durable when it wrote
    /// this record. Invariant: below `epoch`.
    // spec: J-6
    pub durable_up_to: Epoch,
    /// The ranges of records, in the order in which they are taken.
    pub slices: Vec<SliceRecord>,
    /// Control records, in the order in which they are taken. Against the slices of
    /// their own split their offset gives the order: a control record at offset `o`
    /// comes before the record at `o`.
    pub controls: Vec<ControlRecord>,
    /// Bytes that nobody could read again, in the order in which they are taken.
    pub extra: Vec<ExtraInput>,
    /// The hash chain of the outputs up to an earlier epoch, if it moved on.
    pub output_hash: Option<OutputHash>,
    /// Markers that sinks acknowledged since the last record that says so, at most
    /// one for each sink shard.
    pub acknowledged: Vec<Acknowledged>,
    /// Sink shards that are about to be opened for the first time in the job's life.
    /// From then on a missing marker means that the sink lost data.
    // spec: K-5
    pub opened: Vec<SinkShard>,
    /// Flush groups that end with this epoch or an earlier one.
    // spec: J-5
    pub flush_ends: Vec<FlushEnd>,
    /// How the outputs of this and later epochs are cut into chunks, if it changed.
    // spec: J-5
    pub chunk_limits: Vec<ChunkLimits>,
    /// Records and rows that are left out by decision.
    // spec: F-6
    pub skips: Vec<Skip>,
    /// Sinks that are served no longer.
    // spec: K-8
    pub given_up: Vec<SinkId>,
    /// The newest complete snapshot, if a newer one was completed since the last
    /// record that says so.
    pub snapshot: Option<Epoch>,
}

/// A range of one split's records, and the proof by which they are recognised when
/// they are read again.
///
/// Invariants: `start <= end`; without records `first == last == start` and
/// `crc == 0`; otherwise `start <= first <= last < end`.
// spec: J-7
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SliceRecord {
    /// The split.
    pub split: SplitId,
    /// The first offset that belongs to the range.
    pub start: Offset,
    /// The offset after the range: where the split's next slice starts. The last
    /// offsets of a range may hold no record.
    pub end: Offset,
    /// How many records the range holds.
    pub count: u32,
    /// The offset of the first record.
    pub first: Offset,
    /// The offset of the last record.
    pub last: Offset,
    /// The checksum over (offset, timestamp, key, value) of all records; see
    /// [`SliceDigest`](crate::journal::SliceDigest).
    pub crc: u32,
}

/// A fact about a split at a place in it.
// spec: T-3
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRecord {
    /// The split.
    pub split: SplitId,
    /// The offset of the next record that was not yet taken when the fact held.
    pub at: Offset,
    /// The fact.
    pub control: Control,
}

/// What a control record says of its split.
// spec: T-3
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// The split belongs to the job from here on.
    Added {
        /// What identifies it for ever.
        name: SplitName,
        /// What identifies the physical source behind it (file identity, topic id).
        // spec: J-2
        identity: String,
        /// The watermark with which it starts.
        watermark: Watermark,
    },
    /// Its watermark is raised to this value at the end of the epoch.
    Advance(Watermark),
    /// It is idle: its watermark is raised at the end of the epoch to the value that
    /// follows from the others. The same cut gives the same value, so the mark is
    /// enough.
    IdleMark,
    /// It has no further record.
    Ended,
}

/// Bytes that entered with the epoch and cannot be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtraInput {
    /// Records that were pushed to the job, as the slice of this split in the same
    /// epoch counts them.
    Pushed {
        /// The split.
        split: SplitId,
        /// The offset of the first byte.
        at: Offset,
        /// The bytes.
        data: Bytes,
    },
    /// The answer to a lookup of an earlier epoch.
    // spec: L-1
    Lookup {
        /// The number of the request, counted by the dataflow.
        request: u64,
        /// The answer as it came.
        answer: Bytes,
    },
}

/// The output hash chain after an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputHash {
    /// The epoch.
    pub epoch: Epoch,
    /// The chain's value after it.
    pub hash: ChainHash,
}

/// A marker that a sink acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// The sink shard.
    pub target: SinkShard,
    /// The marker.
    pub marker: Marker,
}

/// The end of a flush group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushEnd {
    /// The sink.
    pub sink: SinkId,
    /// The last epoch of the group. Invariant: at most the record's epoch.
    pub epoch: Epoch,
}

/// How a sink's outputs are cut into chunks, from the record's epoch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkLimits {
    /// The sink.
    pub sink: SinkId,
    /// The most rows of a chunk.
    pub rows_max: u32,
    /// The most bytes of a chunk; a single row may be longer.
    pub bytes_max: u32,
}

/// What is left out by a journaled decision.
// spec: F-6
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// A record of a source: the step takes it for a dead one.
    Record {
        /// The split.
        split: SplitId,
        /// The record's offset.
        offset: Offset,
    },
    /// A row that a sink rejects: it goes to the sink's dead letters instead.
    SinkRow {
        /// The sink.
        sink: SinkId,
        /// The epoch of the row.
        epoch: Epoch,
        /// Its place among the rows of the epoch for this sink, from 0.
        row: u32,
    },
}

impl SliceRecord {
    /// A range without any record.
    #[must_use]
    pub fn empty(split: SplitId, start: Offset, end: Offset) -> SliceRecord {
        SliceRecord { split, start, end, count: 0, first: start, last: start, crc: 0 }
    }

    /// Whether every offset of the range holds a record, as in a log without
    /// transaction markers.
    #[must_use]
    pub fn is_dense(&self) -> bool {
        self.count > 0
            && self.end.0 - self.start.0 == u64::from(self.count)
            && self.first == self.start
            && self.last.0 == self.end.0 - 1
    }

    /// Whether the invariants hold.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        if self.count == 0 {
            return self.start <= self.end
                && self.first == self.start
                && self.last == self.start
                && self.crc == 0;
        }
        let span = self.last.0.wrapping_sub(self.first.0);
        self.start <= self.first
            && self.first <= self.last
            && self.last < self.end
            && u64::from(self.count - 1) <= span
            && (self.count > 1 || span == 0)
    }
}

impl EpochRecord {
    /// Whether the relations within the record hold that every writer keeps.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        self.durable_up_to < self.epoch
            && self.slices.iter().all(SliceRecord::is_consistent)
            && self.output_hash.is_none_or(|h| h.epoch < self.epoch)
            && self.flush_ends.iter().all(|f| f.epoch <= self.epoch)
            && self.snapshot.is_none_or(|s| s < self.epoch)
    }
}
