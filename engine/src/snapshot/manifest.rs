//! The manifest: what a snapshot consists of, and everything that is not an
//! operator's state.

use crate::ids::{Epoch, Generation, Lineage, Offset, SplitId, SplitName};
use crate::journal::ChainHash;
use crate::plan::PlanHash;
use crate::sink::{Marker, SinkShard};
use crate::snapshot::SnapshotError;
use crate::time::{Tick, Watermark};
use std::fmt;

/// The version of the snapshot format that this code writes.
// spec: S-4
pub const SNAPSHOT_VERSION: u32 = 1;

/// The list of a snapshot's parts, and the state of everything but the operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The state is that after this epoch.
    pub epoch: Epoch,
    /// The lineage of the epoch.
    pub lineage: Lineage,
    /// The generation that took the snapshot.
    pub generation: Generation,
    /// The plan whose state it is.
    pub plan: PlanHash,
    /// The engine's semantic version under which the state came about.
    // spec: G-3
    pub semantics: u32,
    /// The epoch's tick.
    pub tick: Tick,
    /// The output hash chain after the epoch.
    pub chain: ChainHash,
    /// All splits, in the order of their ids.
    pub splits: Vec<SplitState>,
    /// The state of each node that has any, in plan order.
    pub nodes: Vec<NodeState>,
    /// What sink shards need, in order.
    pub sinks: Vec<SinkState>,
    /// The job's counters, in the order of their names.
    pub counters: Vec<Counter>,
}

/// Where a split stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitState {
    /// Its number in this job.
    pub id: SplitId,
    /// What identifies it for ever.
    pub name: SplitName,
    /// What identifies the physical source behind it.
    pub identity: String,
    /// The offset at which its next slice starts.
    pub offset: Offset,
    /// Its watermark.
    pub watermark: Watermark,
    /// Whether it is idle.
    pub idle: bool,
    /// Whether it has ended.
    pub ended: bool,
}

/// The state of a node of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// The node's stable name.
    // spec: S-3
    pub node: String,
    /// Its parts. Today all are of this snapshot's epoch; an incremental snapshot
    /// will name parts of earlier ones before its own, and later parts win.
    pub parts: Vec<PartRef>,
}

/// A part that a manifest names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartRef {
    /// Its name.
    pub name: PartName,
    /// How many bytes it has.
    pub bytes: u64,
    /// The XXH3-128 of the bytes.
    pub checksum: [u8; 16],
    /// How many entries it has.
    pub entries: u64,
}

/// The name of a part: unique among all snapshots of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartName {
    /// The snapshot for which it was written.
    pub epoch: Epoch,
    /// The generation that wrote it.
    pub generation: Generation,
    /// Its number within that snapshot, from 0.
    pub number: u32,
}

/// What is remembered of a sink shard: by it one sees whether the snapshot can
/// serve the shard, and what the predecessor of its next chunk is.
// spec: K-7
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkState {
    /// The sink shard.
    pub target: SinkShard,
    /// The last epoch, at most the snapshot's, in which it got rows; `None` if it
    /// never got any. The snapshot is usable for the shard if no row of an epoch up
    /// to the snapshot's lies in a chunk above its marker.
    pub last_rows: Option<Epoch>,
    /// The marker of the last chunk of the last flush group that ended at or below
    /// `last_rows`: the predecessor of the chunk after that.
    pub predecessor: Option<Marker>,
}

/// A number that is counted through the job's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: u64,
}

impl fmt::Display for PartName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Generation { number, nonce } = self.generation;
        write!(f, "{:012}-{number:012}-{nonce:016x}-{:06}.part", self.epoch.0, self.number)
    }
}

impl Manifest {
    /// The manifest as bytes, with format version and checksum.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Vec::new()
    }

    /// What [`Manifest::encode`] wrote.
    ///
    /// # Errors
    /// If the bytes are damaged or of another version.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, SnapshotError> {
        let _ = bytes;
        Err(SnapshotError::Damaged { object: "manifest".into(), what: "no reader yet".into() })
    }

    /// All parts, in order.
    pub fn parts(&self) -> impl Iterator<Item = &PartRef> {
        self.nodes.iter().flat_map(|node| &node.parts)
    }
}
