//! Segments: the files of a journal, one or more for each generation.

use crate::ids::{Epoch, Generation, Lineage, SinkId, SplitName};
use crate::journal::hash::ChainHash;
use crate::journal::record::{Acknowledged, ChunkLimits, EpochRecord};
use crate::plan::PlanHash;
use crate::sink::{Marker, SinkShard};
use std::fmt;

/// The version of the journal's format that this code writes.
// spec: S-4
pub const JOURNAL_VERSION: u32 = 1;

/// No epoch has a larger number, so that counting on never overflows.
pub const EPOCH_MAX: Epoch = Epoch(1 << 62);

/// What a segment is called: the generation that writes it, and which of that
/// generation's segments it is. Ordered by age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    /// The only generation that writes to it.
    // spec: J-3
    pub generation: Generation,
    /// Counts the generation's segments from 0.
    pub part: u32,
}

impl SegmentName {
    /// The name as a file name. Names of one journal sort by age as text, too.
    #[must_use]
    pub fn file_name(&self) -> String {
        let Generation { number, nonce } = self.generation;
        format!("{number:012}-{nonce:016x}-{:06}.journal", self.part)
    }

    /// The segment that a file name names; `None` if it names none.
    #[must_use]
    pub fn parse(file_name: &str) -> Option<SegmentName> {
        let stem = file_name.strip_suffix(".journal")?;
        let mut parts = stem.splitn(3, '-');
        let number = parts.next()?.parse().ok()?;
        let nonce = u64::from_str_radix(parts.next()?, 16).ok()?;
        let part = parts.next()?.parse().ok()?;
        let name = SegmentName { generation: Generation { number, nonce }, part };
        // Other spellings of the same numbers are other files.
        (name.file_name() == file_name).then_some(name)
    }

    /// What keeps a frame of one segment from being valid in another.
    #[must_use]
    pub fn salt(&self) -> u64 {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&self.generation.number.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.generation.nonce.to_le_bytes());
        bytes[16..].copy_from_slice(&self.part.to_le_bytes());
        xxhash_rust::xxh3::xxh3_64(&bytes)
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file_name())
    }
}

/// The first entry of every segment: under which conditions its epochs were
/// computed, what it continues, and the facts that outlive the segments before it.
// spec: J-2
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The segment's own name.
    pub name: SegmentName,
    /// The lineage of its epochs.
    pub lineage: Lineage,
    /// Where the lineage branched off, if it is not the job's first.
    // spec: G-2
    pub parent: Option<LineageParent>,
    /// The plan that its epochs are computed with.
    pub plan: PlanHash,
    /// The version of the engine's meaning: it changes when an equal plan and equal
    /// input would give another output.
    // spec: G-3
    pub semantics: u32,
    /// The version of the binary, for a person.
    pub binary: String,
    /// The segment that it continues; `None` for the first of a job.
    pub predecessor: Option<Predecessor>,
    /// The epoch of its first record.
    pub first_epoch: Epoch,
    /// The physical sources behind the splits that are known when it is opened.
    pub sources: Vec<SourceIdentity>,
    /// What earlier segments said and must not be forgotten with them.
    pub carried: Carried,
}

/// The place where a lineage branched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineageParent {
    /// The lineage before.
    pub lineage: Lineage,
    /// The epoch after which the new lineage goes on. Later epochs of the parent
    /// belong to the past only.
    pub epoch: Epoch,
}

/// The segment before, and how much of it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Predecessor {
    /// Its name.
    pub name: SegmentName,
    /// The byte after its last valid entry when it was taken over; whatever is
    /// written behind that does not count. Everything before it is durable before
    /// the new segment is made: from then on it is damage if any of that is not valid.
    // spec: J-6
    pub end: u64,
}

/// What identifies the physical source behind a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceIdentity {
    /// The split.
    pub name: SplitName,
    /// The file identity, or cluster and topic id.
    pub identity: String,
}

/// Facts that hold from the epoch that brought them to the end of the job. A new
/// segment repeats them, because old segments are removed.
///
/// Invariant: each list is sorted by sink and shard, and names each once.
// spec: J-4, K-5
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Sink shards that have been opened once.
    pub opened: Vec<SinkShard>,
    /// The last acknowledged marker of each sink shard.
    pub acknowledged: Vec<Acknowledged>,
    /// Sinks that are served no longer.
    pub given_up: Vec<SinkId>,
    /// How outputs are cut into chunks.
    pub chunk_limits: Vec<ChunkLimits>,
}

/// The one place where plan, engine or parameters may change, or where a lineage
/// begins. Stands right behind a segment's header.
// spec: G-2, G-3
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeamRecord {
    /// Why.
    pub reason: SeamReason,
    /// The last epoch before the seam; the state after it is what goes on.
    pub after: Epoch,
    /// The plan before.
    pub plan_before: PlanHash,
    /// The engine's semantic version before.
    pub semantics_before: u32,
    /// The value with which the output hash chain starts again.
    pub chain: ChainHash,
    /// The marker that the new lineage found in every sink shard: the predecessor of
    /// its first chunk, and no sign that the journal lost data.
    // spec: G-2
    pub found: Vec<FoundMarker>,
}

/// Why there is a seam.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeamReason {
    /// The plan, the engine or a parameter changed.
    Change,
    /// A poisoned epoch is passed over.
    Poison,
    /// A range is computed again with other statements.
    Repair,
    /// The job starts over.
    Reset,
    /// A savepoint was restored.
    Restore,
}

/// What a lineage found in a sink shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundMarker {
    /// The sink shard.
    pub target: SinkShard,
    /// Its marker.
    pub marker: Option<Marker>,
}

/// The job stopped because an epoch failed at several starts in a row.
// spec: F-6
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoisonRecord {
    /// The epoch.
    pub epoch: Epoch,
    /// How many starts failed there.
    pub starts: u32,
    /// What the last one said, for a person.
    pub message: String,
}

/// The job is done: all input of all bounded sources is processed and applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinishedRecord {
    /// The last epoch. Durable, as everything before this record is.
    pub epoch: Epoch,
    /// The output hash chain after it.
    pub chain: ChainHash,
}

/// The process ended in order, with more to do at the next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoppedRecord {
    /// The last epoch. Durable, as everything before this record is.
    pub epoch: Epoch,
}

/// A start is about to compute an epoch, or has done so. Written only by starts whose
/// predecessor ended without a word, and only until the first new epoch is journaled: if
/// one ends with the note that it was about to compute an epoch, that killed it.
// spec: F-6
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptRecord {
    /// The epoch.
    pub epoch: Epoch,
    /// Whether it is computed.
    pub computed: bool,
}

/// One entry of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalEntry {
    /// The first entry of a segment, and nowhere else.
    Header(SegmentHeader),
    /// A seam.
    Seam(SeamRecord),
    /// An epoch.
    Epoch(EpochRecord),
    /// The job stopped as poisoned.
    Poison(PoisonRecord),
    /// The job is done.
    Finished(FinishedRecord),
    /// The process ended in order.
    Stopped(StoppedRecord),
    /// A start is about to compute an epoch, or has done so.
    Attempt(AttemptRecord),
}

impl Carried {
    /// Takes over what a record says, the newer fact in place of the older one.
    pub fn add(&mut self, record: &EpochRecord) {
        for target in &record.opened {
            put_sorted(&mut self.opened, *target, |target| *target);
        }
        for one in &record.acknowledged {
            put_sorted(&mut self.acknowledged, *one, |one| one.target);
        }
        for sink in &record.given_up {
            put_sorted(&mut self.given_up, *sink, |sink| *sink);
        }
        for limits in &record.chunk_limits {
            put_sorted(&mut self.chunk_limits, *limits, |limits| limits.sink);
        }
    }

    /// Whether each list is sorted and names each sink or shard once.
    pub(super) fn is_ordered(&self) -> bool {
        self.opened.is_sorted_by(|a, b| a < b)
            && self.acknowledged.is_sorted_by(|a, b| a.target < b.target)
            && self.given_up.is_sorted_by(|a, b| a < b)
            && self.chunk_limits.is_sorted_by(|a, b| a.sink < b.sink)
    }

    /// The last marker that a sink shard acknowledged.
    #[must_use]
    pub fn acknowledged_by(&self, target: SinkShard) -> Option<Marker> {
        let found = self.acknowledged.binary_search_by_key(&target, |one| one.target);
        found.ok().map(|index| self.acknowledged[index].marker)
    }
}

/// Puts an item into a sorted list, in place of the one with the same key.
fn put_sorted<T, K: Ord>(list: &mut Vec<T>, item: T, key: impl Fn(&T) -> K) {
    match list.binary_search_by_key(&key(&item), &key) {
        Ok(index) => list[index] = item,
        Err(index) => list.insert(index, item),
    }
}

impl JournalEntry {
    /// The epoch, if the entry is an epoch's record.
    #[must_use]
    pub fn epoch(&self) -> Option<Epoch> {
        match self {
            JournalEntry::Epoch(record) => Some(record.epoch),
            JournalEntry::Header(_)
            | JournalEntry::Seam(_)
            | JournalEntry::Poison(_)
            | JournalEntry::Finished(_)
            | JournalEntry::Stopped(_)
            | JournalEntry::Attempt(_) => None,
        }
    }

    /// Up to which epoch the entry says that the journal was durable.
    // spec: J-6
    #[must_use]
    pub fn durable_up_to(&self) -> Option<Epoch> {
        match self {
            JournalEntry::Epoch(record) => Some(record.durable_up_to),
            JournalEntry::Finished(finished) => Some(finished.epoch),
            JournalEntry::Stopped(stopped) => Some(stopped.epoch),
            JournalEntry::Header(_)
            | JournalEntry::Seam(_)
            | JournalEntry::Poison(_)
            | JournalEntry::Attempt(_) => None,
        }
    }
}
