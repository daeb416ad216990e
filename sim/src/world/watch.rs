//! What is kept of a run: what readers saw, reports, marks, the journal.

use super::World;
use super::process::{Process, RecordReader};
use super::result::{
    AckSeen, Counts, ProcessEnd, ProcessEnding, RunEnd, RunResult, Seen, SinkResult,
};
use crate::model::{Change, Glance, Service};
use crate::time::VirtualTime;
use anabranch_engine::ids::{Generation, SinkId, TableId};
use anabranch_engine::journal::{SegmentBytes, SegmentName};
use anabranch_engine::pipeline::{Input, Output, Report};
use anabranch_engine::plan::Plan;
use anabranch_engine::service::clickhouse::ClickHouseRequest;
use anabranch_engine::service::fs::FsRequest;
use anabranch_engine::service::kafka::KafkaRequest;
use anabranch_engine::service::object::ObjectRequest;
use anabranch_engine::service::redis::RedisRequest;
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::Marker;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Who looks when the run is over.
const NOBODY: u32 = u32::MAX;
/// So many readers try to read the journal at the end of a run.
const READERS: u32 = 8;

/// What is kept.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) counts: Counts,
    pub(super) reports: Vec<(VirtualTime, u32, Report)>,
    pub(super) ends: Vec<ProcessEnd>,
    sinks: Vec<Shown>,
    segments: BTreeMap<SegmentName, Bytes>,
    /// Kept between turns, so that none needs a new list.
    pub(super) outputs: Vec<Output>,
}

/// What a reader of one sink saw.
#[derive(Debug, Default)]
struct Shown {
    result: SinkResult,
    /// What its service wants to be told when it is looked at next.
    glance: Option<Glance>,
}

impl Watch {
    pub(super) fn new(sinks: &[TableId], job: &Plan) -> Watch {
        let shown = |table: &TableId| Shown {
            result: SinkResult { table: job.table(*table).name.clone(), ..SinkResult::default() },
            glance: None,
        };
        Watch { sinks: sinks.iter().map(shown).collect(), ..Watch::default() }
    }

    /// A process that is watched has looked how far a sink is.
    pub(super) fn looked(&mut self, sink: SinkId, process: &Process, lane: usize) {
        if process.watched && process.has_own_state() {
            let begun = process.lanes[lane].begun;
            self.sinks[sink.0 as usize].result.looked = Some(begun);
        }
    }

    /// A sink says that it holds a chunk.
    pub(super) fn acknowledged(&mut self, sink: SinkId, at: VirtualTime, marker: Marker) {
        self.sinks[sink.0 as usize].result.acks.push(AckSeen { at, marker });
    }

    /// Notes what a reader sees, if it is not what was seen before; gives whether it is not.
    pub(super) fn see(
        &mut self,
        sink: SinkId,
        at: VirtualTime,
        process: u32,
        generation: Generation,
        service: &dyn Service,
    ) -> bool {
        let shown = &mut self.sinks[sink.0 as usize];
        let last = &mut shown.result.last;
        let Change { kept, records, marker, glance } = service.look(at, last, shown.glance);
        shown.glance = glance;
        if marker == last.marker && records.is_empty() && kept == last.records.len() {
            return false;
        }
        last.marker = marker;
        last.records.truncate(kept);
        last.records.extend_from_slice(&records);
        shown.result.seen.push(Seen { at, process, generation, kept, records, marker });
        true
    }

    /// Another journal stands in the place of the one that was known.
    pub(super) fn forget_journal(&mut self) {
        self.segments.clear();
    }

    /// Segments are removed, of which nobody may have read those of the writer itself.
    pub(super) fn segments_go(&mut self, names: &[SegmentName], writer: &RecordReader) {
        for name in names {
            if let Some(bytes) = writer.written(*name) {
                self.segments.insert(*name, bytes);
            }
        }
    }

    /// What the journal held; segments that are gone by now stay known.
    pub(super) fn journal_read(&mut self, segments: &[SegmentBytes]) {
        for segment in segments {
            self.segments.insert(segment.name, segment.bytes.clone());
        }
    }
}

/// Whether a request can change what a reader sees.
pub(super) fn may_change(request: &Request) -> bool {
    match request {
        Request::Fs(request) => !matches!(
            request,
            FsRequest::Lock { .. }
                | FsRequest::ProveLock { .. }
                | FsRequest::List
                | FsRequest::Read { .. }
        ),
        Request::Kafka(request) => {
            !matches!(request, KafkaRequest::Fetch { .. } | KafkaRequest::Describe { .. })
        }
        Request::Redis(request) => {
            !matches!(request, RedisRequest::Inspect { .. } | RedisRequest::Settings)
        }
        Request::ClickHouse(request) => !matches!(
            request,
            ClickHouseRequest::Chunks { .. }
                | ClickHouseRequest::Select { .. }
                | ClickHouseRequest::Describe { .. }
                | ClickHouseRequest::Tables { .. }
                | ClickHouseRequest::ReadNote { .. }
        ),
        Request::Object(request) => {
            !matches!(request, ObjectRequest::Get { .. } | ObjectRequest::List { .. })
        }
        Request::ProveNewest | Request::Sleep { .. } => false,
    }
}

/// Something as one short line.
pub(super) fn short(value: &dyn std::fmt::Debug) -> String {
    let mut text = format!("{value:?}");
    if text.len() > 160 {
        let mut cut = 160;
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        text.truncate(cut);
        text.push('…');
    }
    text
}

/// An input as one short line.
pub(super) fn input_line(input: &Input) -> String {
    short(input)
}

impl World {
    /// A pipeline reports something.
    pub(super) fn reported(&mut self, process: &mut Process, report: Report) {
        let mark = match &report {
            Report::Running { replayed, snapshot, .. } => {
                process.is_running = true;
                self.kept.runs(process.id, self.now);
                self.supervisor.failures = 0;
                if *replayed > 0 {
                    self.watch.counts.mark("epochs-replayed");
                }
                if snapshot.is_some() {
                    self.kept.begins(process.id);
                }
                if snapshot.is_some() { "recovered-from-snapshot" } else { "started-running" }
            }
            Report::TailCut { .. } => "tail-cut",
            Report::SnapshotSkipped { name, .. } => {
                if process.has_own_state() {
                    self.kept.skips(process.id, name);
                }
                "snapshot-skipped"
            }
            Report::Late { .. } => "late-row",
            Report::Dead { .. } => "dead-row",
            Report::Retrying { .. } => "retried",
            Report::SnapshotStored { .. } => "snapshot-stored",
            Report::SnapshotFailed { .. } => "snapshot-not-stored",
            Report::TrimFailed { .. } => "trim-failed",
            Report::HeldBySink { .. } => "held-by-sink",
            Report::SinkGivenUp { sink, .. } => {
                let is_it = |table: &TableId| self.job.table(*table).name == *sink;
                if let Some(index) = self.sinks.iter().position(is_it) {
                    let id = SinkId(index as u32);
                    self.kept.gives_up(process.id, id, sink, self.now);
                }
                "sink-given-up"
            }
            Report::SinkLeft { .. } => "sink-left",
        };
        self.watch.counts.mark(mark);
        self.report(process.id, report);
    }

    /// The generation of a process that lives, or did: what it sent may arrive behind its
    /// end.
    pub(super) fn generation_of(&self, process: u32) -> Generation {
        let slot = process.checked_sub(1).and_then(|slot| self.processes.get(slot as usize));
        let lives = slot.and_then(Option::as_ref).map(|process| process.pipeline.generation());
        let lived = || {
            let end = self.watch.ends.iter().find(|end| end.process == process);
            end.map(|end| end.generation)
        };
        lives.or_else(lived).unwrap_or_default()
    }

    /// Notes how a process ended.
    pub(super) fn note_end(&mut self, process: &Process, how: ProcessEnding) {
        self.watch.counts.starts = self.processes.len() as u32;
        let turned = self.heap.turned();
        if turned > 0 {
            self.watch.counts.marks.insert("tie-turned", turned);
        }
        self.watch.ends.push(ProcessEnd {
            process: process.id,
            generation: process.pipeline.generation(),
            at: self.now,
            outputs: process.outputs,
            on_copy: !process.has_own_state(),
            how,
        });
    }

    /// What the run came to.
    pub(super) fn conclude(mut self, end: RunEnd) -> RunResult {
        let liveness = self.liveness();
        for slot in 0..self.processes.len() {
            if let Some(process) = self.processes[slot].take() {
                self.note_end(&process, ProcessEnding::StillRuns);
                // Its lock would keep the journal from being read.
                self.places[0].service.client_died(self.now, process.id);
            }
        }
        for place in 0..self.places.len() {
            if let Some(sink) = self.places[place].sink {
                let service = &*self.places[place].service;
                self.watch.see(sink, self.now, 0, Generation::default(), service);
                let shown = &self.watch.sinks[sink.0 as usize].result.last;
                // A service that panicked may be in any state.
                let is_whole = !matches!(end, RunEnd::Panicked { .. });
                let is_told = || *shown == service.view(self.now);
                assert!(!is_whole || is_told(), "a change of a view was not told");
            }
        }
        let journal_damage = self.read_journal_at_end().err();
        self.list_snapshots_at_end();
        let stale = self.faults.stale();
        self.watch.counts.starts = self.processes.len() as u32;
        let marks = &self.watch.counts.marks;
        let hit = |mark: &String| marks.keys().any(|hit| hit == mark);
        let missed = self.plan.marks.iter().filter(|mark| !hit(mark)).cloned().collect();
        let segments = std::mem::take(&mut self.watch.segments);
        let changed = self.changed_splits();
        let (log_ends, snapshots) = self.kept.taken();
        let (durable, lost_snapshots) = self.kept.promises();
        RunResult {
            end,
            sinks: self.watch.sinks.into_iter().map(|shown| shown.result).collect(),
            reports: self.watch.reports,
            processes: self.watch.ends,
            counts: self.watch.counts,
            stale,
            missed,
            trace: self.trace.hash(),
            events: self.trace.events(),
            duration: self.ended_at,
            journal: segments
                .into_iter()
                .map(|(name, bytes)| SegmentBytes { name, bytes })
                .collect(),
            journal_damage,
            log_ends,
            durable,
            lost_snapshots,
            rotten_starts: self.kept.rotten_starts(),
            trimmed_skips: self.kept.trimmed_skips(),
            given_up: self.kept.given_up,
            changed,
            losses: self.kept.losses,
            snapshots,
            liveness,
            lines: self.trace.take_lines(),
        }
    }

    /// Reads the journal as a new process would, with nothing going wrong.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read_journal_at_end(&mut self) -> Result<(), String> {
        // A full disk takes no lock.
        self.places[0].service.disturb(self.now, &crate::model::Disturbance::MakeRoom);
        // A sync that is still to fail would end the first reader.
        let mut read = self.read_journal_once();
        for _ in 1..READERS {
            if read.is_err() {
                read = self.read_journal_once();
            }
        }
        read
    }

    fn read_journal_once(&mut self) -> Result<(), String> {
        use anabranch_engine::journal::JournalStep;
        let mut machine = self.hosting.journal();
        let mut step = machine.read();
        // A machine that waits, or a service that refuses, is not waited for.
        for _ in 0..100_000 {
            let request = match step {
                JournalStep::Request(request) => request,
                JournalStep::Read(segments) => {
                    self.watch.journal_read(&segments);
                    return Ok(());
                }
                other => return Err(short(&other)),
            };
            step = machine.answer(self.execute_at_end(0, &request));
        }
        Err("it is read for ever".to_owned())
    }

    /// Lists the snapshots as a new process would, with nothing going wrong.
    fn list_snapshots_at_end(&mut self) {
        use anabranch_engine::snapshot::SnapshotStep;
        let mut machine = self.hosting.snapshots();
        self.kept.lists(NOBODY, self.now);
        let mut step = machine.list();
        for _ in 0..100_000 {
            match step {
                SnapshotStep::Request(request) => {
                    step = machine.answer(self.execute_at_end(1, &request));
                }
                SnapshotStep::Listed(manifests) => {
                    return self.kept.listed(NOBODY, &manifests, self.now);
                }
                _ => return,
            }
        }
    }

    fn execute_at_end(&mut self, place: usize, request: &Request) -> Answer {
        let client = crate::model::ClientId { process: NOBODY, machine: place as u32 };
        match request {
            Request::Sleep { .. } => Answer::Woken,
            _ => self.places[place].service.execute(self.now, client, request),
        }
    }
}
