//! What all sinks have in common: markers, chunks, and the decision whether a chunk
//! may be applied.

pub mod clickhouse;
mod file_manifest;
pub mod files;
pub mod kafka;
mod machine;
mod marker;
pub mod redis;

pub use machine::{Inspection, SinkMachine, SinkStep};
pub use marker::{Marker, SinkShard, Standing, put_marker, read_marker, standing};

use crate::ids::{Epoch, Generation, Lineage, SinkId};
use crate::journal::hash::ChainHash;
use crate::rows::RowKind;
use bytes::Bytes;
use xxhash_rust::xxh3::Xxh3;

/// A bounded part of one flush group's output for one sink shard.
///
/// Invariants: the marker is `marker.hash == payload_hash(...)` over the
/// predecessor and the payload; within one lineage it follows its predecessor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The sink.
    pub sink: SinkId,
    /// The shard of the sink.
    pub shard: u32,
    /// The marker that the sink shard must have before the chunk; `None` before the
    /// first of its life.
    pub predecessor: Option<Marker>,
    /// The marker that it has afterwards.
    pub marker: Marker,
    /// What is written.
    pub payload: ChunkPayload,
}

/// What a chunk writes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkPayload {
    /// Encoded rows, one after the other, for sinks that are files.
    Bytes {
        /// The bytes.
        data: Bytes,
        /// How many rows they hold.
        rows: u32,
    },
    /// Records, for sinks that are services.
    Records {
        /// The records, in order.
        records: Vec<SinkRecord>,
    },
}

/// A row as a service takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkRecord {
    /// The epoch of the row.
    pub epoch: Epoch,
    /// How it changes the sink's table.
    pub kind: RowKind,
    /// The primary key, in the sink's key format; empty without one.
    pub key: Bytes,
    /// What decides the partition, for services that are told; empty for others.
    pub partition: Bytes,
    /// The row, in the sink's format.
    pub value: Bytes,
}

impl SinkRecord {
    /// How many bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.key.len() + self.partition.len() + self.value.len()
    }
}

impl ChunkPayload {
    /// How many rows it holds.
    #[must_use]
    pub fn rows(&self) -> u32 {
        match self {
            ChunkPayload::Bytes { rows, .. } => *rows,
            ChunkPayload::Records { records } => records.len() as u32,
        }
    }

    fn hash_into(&self, state: &mut Xxh3) {
        match self {
            ChunkPayload::Bytes { data, rows } => {
                state.update(&[0]);
                state.update(&rows.to_le_bytes());
                state.update(data);
            }
            ChunkPayload::Records { records } => {
                state.update(&[1]);
                for record in records {
                    state.update(&record.epoch.0.to_le_bytes());
                    state.update(&[record.kind as u8]);
                    for part in [&record.key, &record.partition, &record.value] {
                        state.update(&(part.len() as u64).to_le_bytes());
                        state.update(part);
                    }
                }
            }
        }
    }

    /// About how many bytes it takes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            ChunkPayload::Bytes { data, .. } => data.len(),
            ChunkPayload::Records { records } => records.iter().map(SinkRecord::bytes).sum(),
        }
    }
}

/// Where a chunk stands in its sink shard's sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkPlace {
    /// The lineage.
    pub lineage: Lineage,
    /// The last epoch of the flush group.
    pub epoch: Epoch,
    /// The number of the chunk within the group, from 0.
    pub chunk: u32,
    /// Whether it is the group's last.
    pub last: bool,
}

impl Chunk {
    /// A chunk with the marker that follows from its place, predecessor and payload.
    ///
    /// # Panics
    /// If the place does not follow the predecessor (see [`Marker::may_follow`]).
    // spec: K-7
    #[must_use]
    pub fn new(
        target: SinkShard,
        predecessor: Option<Marker>,
        place: ChunkPlace,
        payload: ChunkPayload,
    ) -> Chunk {
        let mut state = Xxh3::new();
        state.update(&predecessor.map_or(ChainHash::START, |p| p.hash).0);
        state.update(&target.sink.0.to_le_bytes());
        state.update(&target.shard.to_le_bytes());
        state.update(&place.lineage.number.to_le_bytes());
        state.update(&place.lineage.nonce.to_le_bytes());
        state.update(&place.epoch.0.to_le_bytes());
        state.update(&place.chunk.to_le_bytes());
        state.update(&[u8::from(place.last)]);
        payload.hash_into(&mut state);
        let hash = ChainHash(state.digest128().to_le_bytes());
        let ChunkPlace { lineage, epoch, chunk, last } = place;
        let marker = Marker { lineage, epoch, chunk, last, hash };
        assert!(marker.may_follow(predecessor), "{marker} does not follow {predecessor:?}");
        Chunk { sink: target.sink, shard: target.shard, predecessor, marker, payload }
    }

    /// The sink and the shard.
    #[must_use]
    pub fn target(&self) -> SinkShard {
        SinkShard { sink: self.sink, shard: self.shard }
    }
}

/// What came of opening a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenOutcome {
    /// It is open, older generations are fenced, and this is its marker.
    // spec: K-3
    Opened {
        /// The marker; `None` if it holds none.
        marker: Option<Marker>,
    },
    /// A newer generation owns the sink, or one of the same number with another
    /// nonce.
    // spec: G-1
    Fenced {
        /// The owner.
        by: Generation,
    },
    /// Another process holds the sink's lock.
    Locked {
        /// What is known of it; for a person.
        by: String,
    },
    /// What the sink keeps for itself is not valid.
    Damaged {
        /// What; for a person.
        what: String,
    },
    /// The sink could not.
    // spec: F-2
    Failed(FailKind),
}

/// What came of applying a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyOutcome {
    /// It is applied, durably, and its marker with it.
    Applied,
    /// It had been applied before; nothing was done.
    // spec: K-1
    Duplicate,
    /// The predecessor that it names is not the sink's marker; nothing was done.
    // spec: K-5
    Gap {
        /// The sink's marker.
        found: Option<Marker>,
    },
    /// The sink holds another content at the same place; nothing was done.
    // spec: K-7
    Diverged {
        /// The sink's marker.
        found: Marker,
    },
    /// A newer generation owns the sink, or one of the same number with another
    /// nonce; nothing was done.
    // spec: G-1, K-3
    Fenced {
        /// The owner.
        by: Generation,
    },
    /// The sink could not.
    // spec: F-2
    Failed(FailKind),
}

/// How a sink failed.
// spec: F-2
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailKind {
    /// Nothing was done; the same may go well later.
    Transient,
    /// Nothing was done, and trying again will not help.
    Rejected,
    /// It may have been done or not: the sink has to be opened again and its marker
    /// to be read.
    // spec: K-4
    Unknown,
}

/// What a sink has to do with a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Apply it.
    Apply,
    /// Answer [`ApplyOutcome::Duplicate`].
    Duplicate,
    /// Answer [`ApplyOutcome::Gap`].
    Gap,
    /// Answer [`ApplyOutcome::Diverged`].
    Diverged,
}

/// Judges a chunk by the marker that the sink shard holds.
///
/// A marker at the chunk's own place decides by its hash. A marker at the place of
/// the chunk's predecessor must be that predecessor: one with another hash means
/// that the contents parted earlier. Every other marker is a gap, also one beyond
/// the chunk: only reading it can tell what is missing where.
// spec: K-1, K-7
#[must_use]
pub fn judge(found: Option<Marker>, chunk: &Chunk) -> Verdict {
    if found == chunk.predecessor {
        return Verdict::Apply;
    }
    let Some(found) = found else {
        return Verdict::Gap;
    };
    if found == chunk.marker {
        return Verdict::Duplicate;
    }
    let parted = found.same_place(&chunk.marker)
        || chunk.predecessor.is_some_and(|predecessor| found.same_place(&predecessor));
    if parted { Verdict::Diverged } else { Verdict::Gap }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINEAGE: Lineage = Lineage { number: 1, nonce: 5 };

    fn chunk_at(
        before: Option<Marker>,
        lineage: Lineage,
        (epoch, chunk, last): (u64, u32, bool),
        data: &str,
    ) -> Chunk {
        let place = ChunkPlace { lineage, epoch: Epoch(epoch), chunk, last };
        let data = Bytes::copy_from_slice(data.as_bytes());
        Chunk::new(SinkShard::default(), before, place, ChunkPayload::Bytes { data, rows: 1 })
    }

    fn chunk(before: Option<Marker>, epoch: u64, data: &str) -> Chunk {
        chunk_at(before, LINEAGE, (epoch, 0, true), data)
    }

    #[test]
    fn a_chunk_is_applied_once() {
        // spec: K-1
        let first = chunk(None, 3, "a");
        let second = chunk(Some(first.marker), 7, "b");
        assert_eq!(judge(None, &first), Verdict::Apply);
        assert_eq!(judge(Some(first.marker), &first), Verdict::Duplicate);
        assert_eq!(judge(Some(first.marker), &second), Verdict::Apply);
    }

    #[test]
    fn sparse_epochs_are_no_gap_and_a_lost_chunk_is() {
        // spec: K-5, K-7
        let first = chunk(None, 3, "a");
        let second = chunk(Some(first.marker), 900, "b");
        let third = chunk(Some(second.marker), 901, "c");
        assert_eq!(judge(Some(first.marker), &second), Verdict::Apply);
        assert_eq!(judge(Some(first.marker), &third), Verdict::Gap);
        assert_eq!(judge(None, &second), Verdict::Gap);
        // A marker beyond the chunk: somebody else was here.
        assert_eq!(judge(Some(third.marker), &first), Verdict::Gap);
    }

    #[test]
    fn other_content_at_the_same_place_diverges() {
        // spec: K-7
        let (first, other) = (chunk(None, 3, "a"), chunk(None, 3, "A"));
        assert_eq!(judge(Some(other.marker), &first), Verdict::Diverged);
        // Also if only a chunk before was another one.
        let second = chunk(Some(first.marker), 4, "b");
        assert_eq!(judge(Some(other.marker), &second), Verdict::Diverged);
        let second_other = chunk(Some(other.marker), 4, "b");
        assert_eq!(judge(Some(second_other.marker), &second), Verdict::Diverged);
    }

    #[test]
    fn the_second_chunk_of_an_epoch_is_no_duplicate() {
        // spec: K-7
        let first = chunk_at(None, LINEAGE, (3, 0, false), "a");
        let second = chunk_at(Some(first.marker), LINEAGE, (3, 1, true), "a");
        assert_eq!(judge(Some(first.marker), &second), Verdict::Apply);
        assert_eq!(judge(Some(second.marker), &second), Verdict::Duplicate);
    }

    #[test]
    fn a_new_lineage_goes_on_from_the_marker_that_it_found() {
        // spec: G-2
        let found = chunk(None, 900, "a").marker;
        let restored = Lineage { number: 2, nonce: 6 };
        let first = chunk_at(Some(found), restored, (901, 0, true), "b");
        assert_eq!(judge(Some(found), &first), Verdict::Apply);
        // An epoch number of the old lineage means nothing in the new one.
        let old = chunk(Some(found), 901, "b");
        assert_eq!(judge(Some(old.marker), &first), Verdict::Gap);
    }

    #[test]
    fn a_sink_that_lost_acknowledged_writes_is_noticed() {
        // spec: K-5
        let first = chunk(None, 3, "a");
        let second = chunk(Some(first.marker), 7, "b").marker;
        let (first, other) = (first.marker, chunk(None, 3, "A").marker);
        assert_eq!(standing(Some(first), Some(first)), Standing::AsAcknowledged);
        assert_eq!(standing(Some(first), Some(second)), Standing::Behind);
        assert_eq!(standing(None, Some(first)), Standing::Behind);
        assert_eq!(standing(Some(second), Some(first)), Standing::Ahead);
        assert_eq!(standing(Some(first), None), Standing::Ahead);
        assert_eq!(standing(Some(other), Some(first)), Standing::Elsewhere);
        let stranger = Marker { lineage: Lineage { number: 1, nonce: 6 }, ..second };
        assert_eq!(standing(Some(stranger), Some(first)), Standing::Elsewhere);
    }

    #[test]
    fn what_may_follow_a_marker() {
        // spec: K-1, K-7
        let half = chunk_at(None, LINEAGE, (3, 0, false), "a").marker;
        let whole = chunk_at(Some(half), LINEAGE, (3, 1, true), "b").marker;
        let later = Marker { epoch: Epoch(4), chunk: 0, ..whole };
        assert!(whole.may_follow(Some(half)) && later.may_follow(Some(whole)));
        assert!(!later.may_follow(Some(half)), "a group is finished first");
        assert!(!whole.may_follow(Some(whole)) && !half.may_follow(Some(whole)));
        assert!(!whole.may_follow(None), "a group starts with its first chunk");
        let older = Marker { lineage: Lineage { number: 0, nonce: 1 }, ..later };
        assert!(!older.may_follow(Some(whole)), "no older lineage comes back");
    }
}
