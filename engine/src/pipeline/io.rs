//! The two closed enums by which the core and the world talk. Both are plain data.

use crate::format::RecordBlock;
use crate::ids::{
    Epoch, Generation, NodeId, Offset, RequestId, SinkId, SplitId, SplitName, TableId,
};
use crate::journal::{SegmentBytes, SegmentName};
use crate::plan::Plan;
use crate::sink::{ApplyOutcome, Chunk, FailKind, Marker, OpenOutcome};
use crate::time::{Monotonic, WallClock};
use bytes::Bytes;

/// The clocks, read once for a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The wall clock; only the anchor of the ticks is taken from it.
    pub wall: WallClock,
    /// The process's monotonic clock.
    pub monotonic: Monotonic,
}

/// Everything that can happen to a pipeline, in the order of its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The process starts. The nonce tells this incarnation from every other.
    // spec: G-1
    Start {
        /// Drawn at random by the driver.
        nonce: u64,
    },
    /// Nothing but the passing of time.
    Wake,
    /// All segments of the journal, in any order.
    JournalRead {
        /// Which request this answers.
        request: RequestId,
        /// The segments.
        segments: Vec<SegmentBytes>,
    },
    /// The journal could not be read.
    // spec: F-2
    JournalUnreadable {
        /// Which request this answers.
        request: RequestId,
        /// Whether trying again may help.
        transient: bool,
        /// What failed, for a person.
        message: String,
    },
    /// What a sink holds, without fencing anybody.
    SinkInspected {
        /// Which request this answers.
        request: RequestId,
        /// The sink.
        sink: SinkId,
        /// The newest generation that claimed it.
        generation: Option<Generation>,
        /// Its marker.
        marker: Option<Marker>,
    },
    /// The new segment exists, durably, and is ours.
    JournalOpened,
    /// Another incarnation owns the journal.
    // spec: J-3
    JournalFenced {
        /// Who, as far as it is known.
        by: String,
    },
    /// The snapshots that the store holds.
    SnapshotsListed {
        /// Which request this answers.
        request: RequestId,
        /// Their names and manifests, in any order.
        manifests: Vec<(String, Bytes)>,
    },
    /// Which snapshots there are could not be found out.
    // spec: F-2
    SnapshotsNotListed {
        /// Which request this answers.
        request: RequestId,
        /// Whether trying again may help.
        transient: bool,
        /// What failed, for a person.
        message: String,
    },
    /// The parts of a snapshot, in the order of its manifest.
    SnapshotLoaded {
        /// Its name.
        name: String,
        /// The parts.
        parts: Vec<Bytes>,
    },
    /// A snapshot could not be read.
    SnapshotUnreadable {
        /// Its name.
        name: String,
        /// Whether trying again may help: the store failed, and not the snapshot.
        transient: bool,
        /// Why.
        reason: String,
    },
    /// A sink is ours: older generations are fenced, and this is its marker.
    // spec: K-3
    SinkOpened {
        /// Which request this answers.
        request: RequestId,
        /// The sink.
        sink: SinkId,
        /// Its marker.
        marker: Option<Marker>,
    },
    /// A sink could not be opened, or not be looked at.
    SinkOpenFailed {
        /// Which request this answers.
        request: RequestId,
        /// The sink.
        sink: SinkId,
        /// How it failed; [`OpenOutcome::Opened`] is none of the ways.
        outcome: OpenOutcome,
        /// What it said, for a person.
        message: String,
    },
    /// The splits that a table has at present; ones that are known may be among
    /// them.
    SplitsFound {
        /// Which request this answers.
        request: RequestId,
        /// The table.
        table: TableId,
        /// The splits.
        splits: Vec<FoundSplit>,
    },
    /// The splits of a table could not be listed.
    // spec: F-2
    DiscoverFailed {
        /// Which request this answers.
        request: RequestId,
        /// The table.
        table: TableId,
        /// Whether trying again may help.
        transient: bool,
        /// What the source said, for a person.
        message: String,
    },
    /// Data of a split.
    Fetched {
        /// Which request this answers.
        request: RequestId,
        /// The split.
        split: SplitId,
        /// The data, from the offset that the request named.
        data: FetchedData,
        /// Where the reader stands now.
        end: LogEnd,
    },
    /// A split could not be read.
    FetchFailed {
        /// Which request this answers.
        request: RequestId,
        /// The split.
        split: SplitId,
        /// Whether trying again may help.
        transient: bool,
        /// What the source said, for a person.
        message: String,
    },
    /// A split does not have any more what it had: the offsets that were asked for are
    /// gone, or it is another log of the same name.
    // spec: J-7
    SplitChanged {
        /// Which request this answers.
        request: RequestId,
        /// The split.
        split: SplitId,
        /// What changed, for a person.
        detail: String,
    },
    /// The journal is durable up to and with this epoch.
    JournalAppended {
        /// The epoch.
        epoch: Epoch,
    },
    /// The journal's store failed; nothing may be assumed of what was not confirmed.
    // spec: J-6
    JournalFailed {
        /// What failed, for a person.
        message: String,
    },
    /// The journal still belongs to this run.
    JournalProved {
        /// Which request this answers.
        request: RequestId,
    },
    /// The journal's store could not say whether the journal still belongs to this run.
    JournalNotProved {
        /// Which request this answers.
        request: RequestId,
    },
    /// A note is durable.
    NoteAppended {
        /// Which request this answers.
        request: RequestId,
    },
    /// The last entry, that the job is done, is durable.
    FinishRecorded,
    /// What came of a chunk.
    SinkApplied {
        /// Which request this answers.
        request: RequestId,
        /// The sink.
        sink: SinkId,
        /// The outcome.
        outcome: ApplyOutcome,
        /// What the sink said, for a person; empty if all went well.
        message: String,
    },
    /// A snapshot is complete and visible.
    SnapshotStored {
        /// The epoch after which it was taken.
        epoch: Epoch,
    },
    /// A snapshot could not be stored; the job goes on without it.
    SnapshotFailed {
        /// The epoch after which it was taken.
        epoch: Epoch,
        /// What failed, for a person.
        message: String,
    },
    /// What no recovery needs is removed.
    Trimmed {
        /// Which request this answers.
        request: RequestId,
    },
    /// Some of what no recovery needs is still there; it is named again later.
    TrimFailed {
        /// Which request this answers.
        request: RequestId,
        /// What failed, for a person.
        message: String,
    },
    /// The user asks for an orderly stop.
    Stop,
}

/// A split as its source describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSplit {
    /// Its name within the table.
    pub name: String,
    /// Where its first record starts.
    pub start: Offset,
    /// What identifies the physical source behind it.
    pub identity: String,
}

/// Data of a split as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchedData {
    /// Bytes of a file, from the requested offset on; the pipeline frames them.
    Bytes(Bytes),
    /// Whole records of a log.
    Records(RecordBlock),
}

/// Where the reader of a split stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogEnd {
    /// There is more to read.
    More,
    /// This was all there is at present.
    AtEnd,
    /// This was all, and there will never be more.
    Ended,
}

/// Everything that a pipeline can ask of the world, in the order of its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Answer with [`Input::JournalRead`] or [`Input::JournalUnreadable`].
    ReadJournal {
        /// Names the request.
        request: RequestId,
    },
    /// Answer with [`Input::SinkInspected`] or [`Input::SinkOpenFailed`].
    InspectSink {
        /// Names the request.
        request: RequestId,
        /// The sink.
        sink: SinkId,
    },
    /// Create this segment, which must not exist, with these first bytes, durably;
    /// answer with [`Input::JournalOpened`], [`Input::JournalFenced`] or
    /// [`Input::JournalFailed`].
    OpenJournal {
        /// The segment.
        segment: SegmentName,
        /// Its first bytes.
        bytes: Bytes,
    },
    /// Answer with [`Input::SnapshotsListed`] or [`Input::SnapshotsNotListed`].
    ListSnapshots {
        /// Names the request.
        request: RequestId,
    },
    /// Answer with [`Input::SnapshotLoaded`] or [`Input::SnapshotUnreadable`].
    LoadSnapshot {
        /// Its name.
        name: String,
    },
    /// Fence older generations, then read the marker; answer with
    /// [`Input::SinkOpened`] or [`Input::SinkOpenFailed`].
    // spec: K-3
    OpenSink {
        /// Names the request.
        request: RequestId,
        /// The sink.
        sink: SinkId,
        /// For whom.
        generation: Generation,
    },
    /// Answer with [`Input::SplitsFound`] or [`Input::DiscoverFailed`].
    DiscoverSplits {
        /// Names the request.
        request: RequestId,
        /// The table.
        table: TableId,
    },
    /// Answer with [`Input::Fetched`], [`Input::FetchFailed`] or
    /// [`Input::SplitChanged`].
    Fetch {
        /// Names the request.
        request: RequestId,
        /// The split.
        split: SplitId,
        /// Its name and table.
        name: SplitName,
        /// The offset from which to read.
        from: Offset,
        /// The offset at which to stop, when a known range is read again.
        until: Option<Offset>,
        /// About how many bytes to give at most.
        bytes_max: u32,
        /// Whether to hold the answer back for a while, at most about a second, if there
        /// is nothing new. It has to come then: only answers can make a split idle.
        wait: bool,
    },
    /// Append these bytes to the open segment and make them durable; answer with
    /// [`Input::JournalAppended`], which may answer several at once, with
    /// [`Input::JournalFenced`] or with [`Input::JournalFailed`].
    AppendJournal {
        /// The epoch of the record.
        epoch: Epoch,
        /// The record.
        bytes: Bytes,
    },
    /// Append a note that holds no epoch; answer with [`Input::NoteAppended`],
    /// [`Input::JournalFenced`] or [`Input::JournalFailed`].
    // spec: F-6
    AppendNote {
        /// Names the request.
        request: RequestId,
        /// The entry.
        bytes: Bytes,
    },
    /// Ask the journal's store whether this generation is still the newest; answer with
    /// [`Input::JournalProved`], [`Input::JournalNotProved`], [`Input::JournalFenced`] or
    /// [`Input::JournalFailed`].
    // spec: J-3
    ProveJournal {
        /// Names the request.
        request: RequestId,
        /// Which generation.
        generation: Generation,
    },
    /// Append the entry that the job is done; answer with [`Input::FinishRecorded`],
    /// [`Input::JournalFenced`] or [`Input::JournalFailed`].
    RecordFinish {
        /// The entry.
        bytes: Bytes,
    },
    /// Answer with [`Input::SinkApplied`].
    ApplyChunk {
        /// Names the request.
        request: RequestId,
        /// The chunk.
        chunk: Chunk,
    },
    /// Make the parts durable, then the manifest visible in one atomic change;
    /// answer with [`Input::SnapshotStored`] or [`Input::SnapshotFailed`].
    // spec: S-1
    StoreSnapshot {
        /// The epoch after which it was taken.
        epoch: Epoch,
        /// Its name.
        name: String,
        /// The parts, by name.
        parts: Vec<(String, Bytes)>,
        /// The manifest.
        manifest: Bytes,
    },
    /// Remove what no recovery needs any more, in any order; answer with
    /// [`Input::Trimmed`] or [`Input::TrimFailed`].
    // spec: J-4
    Trim {
        /// Names the request.
        request: RequestId,
        /// Segments of the journal.
        segments: Vec<SegmentName>,
        /// Snapshots, by name.
        snapshots: Vec<String>,
    },
    /// Something that a person may want to know.
    Report(Report),
    /// The last output: the pipeline has ended.
    End(Ending),
}

/// Something that a person may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A new incarnation runs, after recovery.
    Running {
        /// Which.
        generation: Generation,
        /// The epoch after which it goes on.
        after: Epoch,
        /// How many epochs were computed again.
        replayed: u64,
        /// The snapshot that recovery began with.
        snapshot: Option<Epoch>,
    },
    /// A tail of the journal was cut, as after a loss of power.
    TailCut {
        /// What was cut.
        detail: String,
    },
    /// A snapshot cannot be used.
    SnapshotSkipped {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// A record came too late for an operator; only the first few are reported.
    Late {
        /// The operator.
        node: NodeId,
        /// The split.
        split: String,
        /// The offset.
        offset: Offset,
    },
    /// A record or row could not be used; only the first few are reported.
    Dead {
        /// The tables whose `$dead` holds it.
        table: TableId,
        /// Where and why.
        detail: String,
    },
    /// A sink or source failed and will be tried again.
    Retrying {
        /// What failed.
        what: String,
        /// What it said.
        message: String,
        /// How many times in a row.
        attempts: u32,
    },
    /// A sink fails and has used up its budget, so that all wait for it.
    HeldBySink {
        /// The sink's table.
        sink: String,
    },
    /// A sink failed for so long, or was so far behind, that it is served no longer.
    SinkGivenUp {
        /// The sink's table.
        sink: String,
        /// The epoch whose record says so.
        epoch: Epoch,
    },
    /// The job stops although a sink that fails lacks rows; the next start serves it.
    SinkLeft {
        /// The sink's table.
        sink: String,
    },
    /// What no recovery needs could not be removed; it is tried again later.
    TrimFailed {
        /// Why.
        message: String,
    },
    /// A snapshot was stored.
    SnapshotStored {
        /// After which epoch.
        epoch: Epoch,
    },
    /// A snapshot could not be stored.
    SnapshotFailed {
        /// After which epoch.
        epoch: Epoch,
        /// Why.
        message: String,
    },
}

/// How a pipeline ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All input is processed and every sink holds the result.
    Finished,
    /// All input is processed, and every sink holds the result but for those that were
    /// given up.
    // spec: K-8
    FinishedWithout {
        /// The tables of the sinks that were given up.
        sinks: Vec<String>,
    },
    /// It was done when it started.
    AlreadyFinished,
    /// It was asked to stop; every epoch that was begun is in the sinks, but for those
    /// that failed at the time.
    Stopped,
    /// It cannot go on.
    Failed(Failure),
}

/// What a job keeps outside of its process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The journal.
    Journal,
    /// What a sink keeps for itself, by the sink's table.
    Sink(String),
    /// The snapshots.
    Snapshots,
}

/// Why a pipeline cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A newer incarnation, or one of the same number, owns the journal or a sink.
    #[error("{what} belongs to another run of this job: {by}")]
    Fenced {
        /// What is owned.
        what: String,
        /// By whom.
        by: String,
    },
    /// Another process uses a sink.
    #[error("sink {sink} is in use by {by}")]
    Locked {
        /// The sink's table.
        sink: String,
        /// Who, as far as it is known.
        by: String,
    },
    /// Something that the job keeps is damaged where it must not be.
    #[error("{detail}")]
    Damaged {
        /// What.
        what: Kept,
        /// Where, and how it shows.
        detail: String,
    },
    /// A sink lost data that it had acknowledged.
    #[error("sink {sink} lost data: {detail}")]
    SinkLostData {
        /// The sink's table.
        sink: String,
        /// Which epochs.
        detail: String,
    },
    /// A sink holds other content than this job computes.
    #[error("sink {sink} holds other data than this job computed: {detail}")]
    Diverged {
        /// The sink's table.
        sink: String,
        /// Where.
        detail: String,
    },
    /// A sink refuses the data for good.
    #[error("sink {sink} rejects the data: {message}")]
    SinkRejected {
        /// The sink's table.
        sink: String,
        /// What it said.
        message: String,
    },
    /// A source gives other records than before for a range that was read.
    // spec: J-7
    #[error("split {table}/{split} changed: {detail}")]
    SourceChanged {
        /// The table.
        table: String,
        /// The split.
        split: String,
        /// Which offsets.
        detail: String,
    },
    /// A table's splits cannot be listed.
    #[error("table {table}: {message}")]
    TableFailed {
        /// The table.
        table: String,
        /// What its source said.
        message: String,
    },
    /// A source cannot be read.
    #[error("split {table}/{split} cannot be read: {message}")]
    SourceFailed {
        /// The table.
        table: String,
        /// The split.
        split: String,
        /// What it said.
        message: String,
    },
    /// A replay gave another result than was journaled.
    #[error("epoch {epoch} gives another result than the journal says: {detail}")]
    NotReproduced {
        /// The epoch.
        epoch: Epoch,
        /// The two hashes.
        detail: String,
    },
    /// The state folder belongs to another plan.
    // spec: G-3
    #[error("the state belongs to another plan ({found}); this one is {ours}")]
    PlanChanged {
        /// The hash of the plan that the state belongs to.
        found: String,
        /// The hash of ours.
        ours: String,
    },
    /// Several starts in a row died while they computed one epoch.
    // spec: F-6
    #[error("poisoned at epoch {epoch}: {starts} starts in a row died while they computed it")]
    Poisoned {
        /// The epoch.
        epoch: Epoch,
        /// How many.
        starts: u32,
    },
    /// A record cannot be read and the table says `'on-error' = 'fail'`.
    #[error("table {table} has a bad record and 'on-error' = 'fail': {detail}")]
    BadRecord {
        /// The table.
        table: String,
        /// Where and why.
        detail: String,
    },
    /// The store of the journal failed.
    #[error("the journal cannot be written: {0}")]
    JournalFailed(String),
    /// The journal cannot be read.
    #[error("the journal cannot be read: {0}")]
    JournalUnreadable(String),
    /// The store of the snapshots failed.
    #[error("the snapshots cannot be read: {0}")]
    SnapshotsUnreadable(String),
}

impl Failure {
    /// A split changed.
    // spec: J-7
    pub(super) fn source_changed(plan: &Plan, split: &SplitName, detail: String) -> Failure {
        let (table, split) = (plan.table(split.table).name.clone(), split.name.clone());
        Failure::SourceChanged { table, split, detail }
    }
}

/// How a failed apply is counted.
#[must_use]
pub(super) fn fail_word(kind: FailKind) -> &'static str {
    match kind {
        FailKind::Transient => "transient failure",
        FailKind::Rejected => "rejected",
        FailKind::Unknown => "unknown outcome",
    }
}
