//! What a run came to: all that an oracle judges.

use super::loss::Loss;
use super::shown::ChangedSplit;
use super::trace::TraceLine;
use crate::model::{View, ViewRecord};
use crate::oracle::Liveness;
use crate::time::VirtualTime;
use anabranch_engine::ids::{Epoch, Generation, SplitName};
use anabranch_engine::journal::SegmentBytes;
use anabranch_engine::pipeline::{Ending, Failure, Report};
use anabranch_engine::sink::Marker;
use anabranch_engine::snapshot::Manifest;
use anabranch_engine::time::Tick;
use bytes::Bytes;
use std::collections::BTreeMap;

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunResult {
    /// How it ended.
    pub end: RunEnd,
    /// What each sink showed, in plan order.
    pub sinks: Vec<SinkResult>,
    /// What the pipelines reported.
    pub reports: Vec<(VirtualTime, u32, Report)>,
    /// How each process ended.
    pub processes: Vec<ProcessEnd>,
    /// How often what happened.
    pub counts: Counts,
    /// Deviations that never happened, by their place in the plan.
    pub stale: Vec<usize>,
    /// Marks that the plan asks for and that were not hit.
    pub missed: Vec<String>,
    /// The hash of the trace.
    pub trace: u64,
    /// How many events there were.
    pub events: u64,
    /// When it ended.
    pub duration: VirtualTime,
    /// Every segment of the journal that there ever was, oldest first, also those that
    /// were trimmed.
    pub journal: Vec<SegmentBytes>,
    /// Why nobody could read the journal at the end, if so: what it held last is not known
    /// then.
    pub journal_damage: Option<String>,
    /// Where logs ended when a reader that called a split idle or ended was told so last.
    pub log_ends: Vec<LogEndSeen>,
    /// Every epoch whose record was acknowledged by the journal, to whom and when it was.
    pub durable: Vec<DurableSeen>,
    /// Snapshots that were complete, and were not listed later although nobody had asked
    /// for their removal.
    pub lost_snapshots: Vec<LostSnapshot>,
    /// Snapshots that a process began with although they were not what had been stored.
    pub rotten_starts: Vec<RottenStart>,
    /// Skips of snapshots that somebody had trimmed since the process asked which there are.
    pub trimmed_skips: Vec<TrimmedSkip>,
    /// Sinks that were given up.
    pub given_up: Vec<GivenUpSeen>,
    /// Splits whose sources held other things than the plan says.
    pub changed: Vec<ChangedSplit>,
    /// What was not kept, in the order in which it went.
    pub losses: Vec<Loss>,
    /// Every snapshot that was ever complete, in the order in which they were.
    pub snapshots: Vec<StoredSnapshot>,
    /// How long things took once the world had healed.
    pub liveness: Liveness,
    /// The trace as text, if it was asked for.
    pub lines: Vec<TraceLine>,
}

/// Where the log of a split ended, for all that the process knew that closed an epoch
/// with a mark of the split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEndSeen {
    /// The epoch.
    pub epoch: Epoch,
    /// Its clock reading: an epoch may be closed by several processes, each with its own
    /// record, and the journal keeps one of them.
    pub tick: Tick,
    /// The split.
    pub split: SplitName,
    /// The offset behind the last record.
    pub end: u64,
}

/// An epoch whose record a journal acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurableSeen {
    /// The process that appended it.
    pub process: u32,
    /// The epoch.
    pub epoch: Epoch,
    /// Its clock reading, which tells it from another record of the same epoch.
    pub tick: Tick,
    /// Up to which epoch the record itself says that the journal was durable.
    pub states: Epoch,
}

/// A sink that a process gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUpSeen {
    /// The process.
    pub process: u32,
    /// The sink's table.
    pub sink: String,
    /// When.
    pub at: VirtualTime,
    /// Since when the process knew nothing of it but failures, or no answer; `None` if
    /// nothing was wrong.
    pub failing_since: Option<VirtualTime>,
}

/// A complete snapshot that was not there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostSnapshot {
    /// Its name.
    pub name: String,
    /// When it was complete.
    pub complete: VirtualTime,
    /// When it was missed.
    pub missed: VirtualTime,
}

/// A start from a snapshot that rotted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RottenStart {
    /// The process.
    pub process: u32,
    /// The snapshot's name.
    pub name: String,
}

/// A snapshot that a process did not find any more, since it had been trimmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrimmedSkip {
    /// The process.
    pub process: u32,
    /// The snapshot's name.
    pub name: String,
}

/// A complete snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSnapshot {
    /// Its manifest.
    pub manifest: Manifest,
    /// Its parts, in the manifest's order.
    pub parts: Vec<Bytes>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// The job came to its end, or stopped when it was told.
    Ended(Ending),
    /// The job was started too often.
    RestartLoop {
        /// The last failure; `None` if none was one that a restart may mend.
        last: Option<Failure>,
    },
    /// The job neither ended nor processed its input in time.
    Stuck {
        /// What it waits for.
        why: String,
        /// With what the last process ended, if none lives that could wait.
        last: Option<Failure>,
    },
    /// A panic: a bug of ours.
    Panicked {
        /// The message.
        message: String,
        /// Where the world was: time, process, outputs made.
        place: String,
    },
}

/// How one process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessEnd {
    /// The process, counted from 1.
    pub process: u32,
    /// Its generation; 0 if it took none.
    pub generation: Generation,
    /// When.
    pub at: VirtualTime,
    /// How many outputs it had made.
    pub outputs: u64,
    /// Whether it kept its state in a copy of the job's, which knows nothing of what the job
    /// did since.
    pub on_copy: bool,
    /// How.
    pub how: ProcessEnding,
}

/// How a process ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessEnding {
    /// It was killed.
    Killed,
    /// Its machine lost its power.
    PowerFailed,
    /// The pipeline ended.
    Ended(Ending),
    /// It still ran when the run was over.
    StillRuns,
}

/// What a sink showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkResult {
    /// Its table.
    pub table: String,
    /// What a reader saw, each time that it changed.
    pub seen: Vec<Seen>,
    /// What a reader sees at the end.
    pub last: View,
    /// Up to which chunks it said that it holds all.
    pub acks: Vec<AckSeen>,
    /// When the process that is watched last began to look how far the sink is, and learned it.
    pub looked: Option<VirtualTime>,
}

/// A sink told a process that it holds a chunk, and those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AckSeen {
    /// When.
    pub at: VirtualTime,
    /// The chunk's marker.
    pub marker: Marker,
}

/// What a reader saw, told by how it differs from what was seen before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When.
    pub at: VirtualTime,
    /// Which process's request changed it; 0 if none did.
    pub process: u32,
    /// The generation of that process.
    pub generation: Generation,
    /// So many records at the beginning are as before.
    pub kept: usize,
    /// The records behind them.
    pub records: Vec<ViewRecord>,
    /// The marker.
    pub marker: Option<Marker>,
}

impl SinkResult {
    /// The records that a reader saw at each time, in full.
    pub fn views(&self) -> impl Iterator<Item = (&Seen, Vec<ViewRecord>)> + '_ {
        let mut records: Vec<ViewRecord> = Vec::new();
        self.seen.iter().map(move |seen| {
            records.truncate(seen.kept);
            records.extend_from_slice(&seen.records);
            (seen, records.clone())
        })
    }
}

/// How often what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Faults by kind and the phase of the process that they hit.
    pub phases: BTreeMap<(&'static str, &'static str), u64>,
    /// Things that have to happen now and then.
    pub marks: BTreeMap<&'static str, u64>,
    /// How many runs hit a mark at all, once runs are added up.
    pub seeds: BTreeMap<&'static str, u64>,
    /// How many processes were started.
    pub starts: u32,
    /// How many requests went to services.
    pub requests: u64,
    /// How many turns were taken.
    pub turns: u64,
}

impl Counts {
    pub(super) fn mark(&mut self, mark: &'static str) {
        *self.marks.entry(mark).or_insert(0) += 1;
    }

    pub(super) fn fault(&mut self, kind: &'static str, phase: &'static str) {
        *self.faults.entry(kind).or_insert(0) += 1;
        *self.phases.entry((kind, phase)).or_insert(0) += 1;
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Counts) {
        other.marks.keys().for_each(|key| *self.seeds.entry(key).or_insert(0) += 1);
        other.faults.iter().for_each(|(key, n)| *self.faults.entry(key).or_insert(0) += n);
        other.phases.iter().for_each(|(key, n)| *self.phases.entry(*key).or_insert(0) += n);
        other.marks.iter().for_each(|(key, n)| *self.marks.entry(key).or_insert(0) += n);
        self.starts += other.starts;
        self.requests += other.requests;
        self.turns += other.turns;
    }
}
