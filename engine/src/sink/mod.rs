//! What all sinks have in common: markers, chunks, and the decision whether a chunk
//! may be applied.

mod marker;

pub use marker::{Marker, SinkShard, put_marker, read_marker};

use crate::ids::{Epoch, Generation, Lineage, SinkId};
use crate::journal::hash::ChainHash;
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
}

impl ChunkPayload {
    /// How many rows it holds.
    #[must_use]
    pub fn rows(&self) -> u32 {
        match self {
            ChunkPayload::Bytes { rows, .. } => *rows,
        }
    }

    fn hash_into(&self, state: &mut Xxh3) {
        match self {
            ChunkPayload::Bytes { data, rows } => {
                state.update(&[0]);
                state.update(&rows.to_le_bytes());
                state.update(data);
            }
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
