//! A process: one pipeline, its machines, its clock and its inbox.

use super::Event;
use super::clock::ProcessClock;
use super::lane::Lane;
use super::shown::Given;
use crate::time::VirtualTime;
use anabranch_engine::ids::{Epoch, RequestId, SinkId, SplitId};
use anabranch_engine::journal::{Decoder, JournalEntry, SegmentName};
use anabranch_engine::pipeline::{Input, Output, Pipeline, Status};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// The lane of the journal; that of the snapshots follows, and then the sinks.
pub(super) const JOURNAL: usize = 0;
/// The lane of the snapshots.
pub(super) const SNAPSHOTS: usize = 1;

/// The lane of a sink.
pub(super) fn sink_lane(sink: SinkId) -> usize {
    sink.0 as usize + 2
}

/// Where in its life a process is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Life {
    Runs,
    /// It stands still; what came for it meanwhile waits.
    Stands,
    Dead,
}

/// A process.
pub(super) struct Process {
    /// Counts through the life of the world, from 1.
    pub(super) id: u32,
    /// How many processes of the job its supervisor had started before.
    pub(super) restarts: u32,
    /// Whether a supervisor watches it; otherwise it only ends.
    pub(super) watched: bool,
    pub(super) pipeline: Pipeline,
    pub(super) clock: ProcessClock,
    pub(super) life: Life,
    /// What came while it stood still.
    pub(super) held: Vec<Event>,
    pub(super) inbox: VecDeque<Input>,
    /// Whether it said that recovery is over.
    pub(super) is_running: bool,
    /// The machine that it runs on.
    pub(super) host: usize,
    /// The splits of the world by the numbers that it gave them.
    pub(super) splits: BTreeMap<SplitId, usize>,
    /// Whether a turn is planned.
    pub(super) turn_planned: bool,
    /// Until when the processor is busy.
    pub(super) busy_until: VirtualTime,
    pub(super) wake_planned: Option<VirtualTime>,
    pub(super) lanes: Vec<Lane>,
    /// Outputs of its last turn that it could not hand on before it stood still.
    pub(super) unsent: VecDeque<Output>,
    /// How many outputs it made.
    pub(super) outputs: u64,
    /// From where and up to where each split was last read.
    pub(super) given: BTreeMap<usize, (u64, u64)>,
    pub(super) records: RecordReader,
    /// What reads found, and the pipeline may not know yet: a split, from where it was read,
    /// and where its log ended.
    pub(super) reads: BTreeMap<RequestId, (usize, u64, u64)>,
    /// What it was given of splits that may change.
    pub(super) shown: Given,
    /// Where each log ended, as the pipeline was told.
    pub(super) log_ends: BTreeMap<usize, u64>,
    /// The last epoch whose record is durable, whether or not the pipeline was told.
    pub(super) appended: Epoch,
}

impl Process {
    /// A word for where its pipeline is in its life.
    pub(super) fn phase(&self) -> &'static str {
        match (self.pipeline.generation().number, self.is_running) {
            (_, true) => "running",
            (0, false) => "looking",
            (_, false) => "recovering",
        }
    }

    /// Whether some sink lacks rows of an epoch whose record is durable.
    pub(super) fn is_between_append_and_apply(&self, status: &Status) -> bool {
        status
            .sinks
            .iter()
            .any(|sink| sink.waiting > 0 && sink.epoch.is_none_or(|epoch| epoch < self.appended))
    }
}

/// Reads along what a process appends to its journal.
#[derive(Clone, Debug, Default)]
pub(super) struct RecordReader {
    segment: Option<(SegmentName, Decoder)>,
    /// What it wrote into each segment.
    written: BTreeMap<SegmentName, Vec<u8>>,
    /// The last frame: what is handed on a second time, behind a pause, is read once.
    last: Bytes,
}

impl RecordReader {
    /// A segment begins.
    pub(super) fn open(&mut self, segment: SegmentName, bytes: &[u8]) {
        let frame = anabranch_engine::codec::frame::read_frame(bytes, segment.salt(), 0);
        let header = frame
            .ok()
            .and_then(|frame| anabranch_engine::journal::decode_header(frame.payload).ok());
        self.last = Bytes::new();
        self.written.insert(segment, bytes.to_vec());
        self.segment = header.map(|header| (segment, Decoder::new(&header)));
    }

    /// All that was written into a segment, if it was written here.
    pub(super) fn written(&self, segment: SegmentName) -> Option<Bytes> {
        self.written.get(&segment).map(|bytes| bytes.clone().into())
    }

    /// The entry of a frame that is appended.
    pub(super) fn read(&mut self, bytes: &Bytes) -> Option<JournalEntry> {
        if bytes.as_ptr() == self.last.as_ptr() {
            return None;
        }
        self.last = bytes.clone();
        let (segment, decoder) = self.segment.as_mut()?;
        self.written.entry(*segment).or_default().extend_from_slice(bytes);
        let frame = anabranch_engine::codec::frame::read_frame(bytes, segment.salt(), 0).ok()?;
        decoder.entry(frame.payload).ok()
    }
}
