//! The manifest: what a snapshot consists of, and everything that is not an
//! operator's state.

use crate::ids::{Epoch, Generation, KeyGroup, Lineage, Offset, SplitId, SplitName};
use crate::journal::ChainHash;
use crate::plan::PlanHash;
use crate::sink::{Marker, SinkShard};
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
    /// How many entries it has; at least one.
    pub entries: u64,
    /// The first key group of which it has an entry.
    pub first_key_group: KeyGroup,
    /// The last key group of which it has an entry.
    pub last_key_group: KeyGroup,
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

impl PartName {
    /// The part that a file name names; `None` if it names none.
    #[must_use]
    pub fn parse(file_name: &str) -> Option<PartName> {
        let stem = file_name.strip_suffix(".part")?;
        let (epoch, rest) = stem.split_once('-')?;
        let (generation, number) = rest.rsplit_once('-')?;
        let name = PartName {
            epoch: Epoch(epoch.parse().ok()?),
            generation: parse_generation(generation)?,
            number: number.parse().ok()?,
        };
        (name.to_string() == file_name).then_some(name)
    }
}

fn parse_generation(text: &str) -> Option<Generation> {
    let (number, nonce) = text.split_once('-')?;
    Some(Generation { number: number.parse().ok()?, nonce: u64::from_str_radix(nonce, 16).ok()? })
}

/// The name of a manifest. Names of one job sort by age, also as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ManifestName {
    /// The snapshot's epoch.
    pub epoch: Epoch,
    /// The generation that took it: after a crash the same epoch may be saved again.
    pub generation: Generation,
}

impl ManifestName {
    /// The manifest that a file name names; `None` if it names none.
    #[must_use]
    pub fn parse(file_name: &str) -> Option<ManifestName> {
        let (epoch, generation) = file_name.strip_suffix(".manifest")?.split_once('-')?;
        let epoch = Epoch(epoch.parse().ok()?);
        let name = ManifestName { epoch, generation: parse_generation(generation)? };
        (name.to_string() == file_name).then_some(name)
    }
}

impl fmt::Display for ManifestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Generation { number, nonce } = self.generation;
        write!(f, "{:012}-{number:012}-{nonce:016x}.manifest", self.epoch.0)
    }
}

impl SinkState {
    /// Whether the snapshot, of this lineage, can serve the sink shard if that holds
    /// `marker`: all rows that the snapshot has behind it must be in the sink, for
    /// they will not be computed again. A group of which only some chunks are
    /// applied does not count. A marker of a newer lineage lies behind a seam at
    /// which the shard was drained or its marker found, and counts.
    // spec: K-7
    #[must_use]
    pub fn can_serve(&self, lineage: Lineage, marker: Option<Marker>) -> bool {
        let Some(last_rows) = self.last_rows else {
            return true;
        };
        marker.is_some_and(|marker| {
            marker.lineage.number > lineage.number
                || (marker.lineage == lineage && marker.last && marker.epoch >= last_rows)
        })
    }
}

impl Manifest {
    /// The name under which the manifest is stored.
    #[must_use]
    pub fn name(&self) -> ManifestName {
        ManifestName { epoch: self.epoch, generation: self.generation }
    }

    /// All parts, in order.
    pub fn parts(&self) -> impl Iterator<Item = &PartRef> {
        self.nodes.iter().flat_map(|node| &node.parts)
    }
}
