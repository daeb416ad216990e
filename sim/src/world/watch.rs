//! What is kept of a run: what readers saw, reports, marks, the journal.

use super::World;
use super::process::Process;
use super::result::{Counts, ProcessEnd, ProcessEnding, RunEnd, RunResult, Seen, SinkResult};
use crate::model::{View, ViewRecord};
use crate::time::VirtualTime;
use anabranch_engine::ids::{Generation, SinkId, TableId};
use anabranch_engine::journal::{SegmentBytes, SegmentName};
use anabranch_engine::pipeline::{Input, Output, Report};
use anabranch_engine::plan::Plan;
use anabranch_engine::service::Request;
use anabranch_engine::service::clickhouse::ClickHouseRequest;
use anabranch_engine::service::fs::FsRequest;
use anabranch_engine::service::kafka::KafkaRequest;
use anabranch_engine::service::object::ObjectRequest;
use anabranch_engine::service::redis::RedisRequest;
use bytes::Bytes;
use std::collections::BTreeMap;

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
    marker: Option<anabranch_engine::sink::Marker>,
}

impl Watch {
    pub(super) fn new(sinks: &[TableId], job: &Plan) -> Watch {
        let shown = |table: &TableId| Shown {
            result: SinkResult { table: job.table(*table).name.clone(), ..SinkResult::default() },
            marker: None,
        };
        Watch { sinks: sinks.iter().map(shown).collect(), ..Watch::default() }
    }

    /// Notes what a reader sees, if it is not what was seen before.
    pub(super) fn see(
        &mut self,
        sink: SinkId,
        at: VirtualTime,
        process: u32,
        generation: Generation,
        view: View,
    ) {
        let shown = &mut self.sinks[sink.0 as usize];
        let before = &shown.result.last;
        if view.marker == before.marker && same_records(&view.records, &before.records) {
            return;
        }
        let pairs = view.records.iter().zip(&before.records);
        let kept = pairs.take_while(|(now, then)| same(now, then)).count();
        shown.marker = view.marker;
        shown.result.seen.push(Seen {
            at,
            process,
            generation,
            kept,
            records: view.records[kept..].to_vec(),
            marker: view.marker,
        });
        shown.result.last = view;
    }

    /// Another journal stands in the place of the one that was known.
    pub(super) fn forget_journal(&mut self) {
        self.segments.clear();
    }

    /// What the journal held; segments that are gone by now stay known.
    pub(super) fn journal_read(&mut self, segments: &[SegmentBytes]) {
        for segment in segments {
            self.segments.insert(segment.name, segment.bytes.clone());
        }
    }
}

/// Whether both are the same; the same bytes in memory are so without a look.
fn same(a: &ViewRecord, b: &ViewRecord) -> bool {
    let is_same = |a: &Bytes, b: &Bytes| (a.as_ptr() == b.as_ptr() && a.len() == b.len()) || a == b;
    a.part == b.part && is_same(&a.value, &b.value) && is_same(&a.key, &b.key)
}

fn same_records(a: &[ViewRecord], b: &[ViewRecord]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}

/// Whether a request can change what a reader sees.
pub(super) fn may_change(request: &Request) -> bool {
    match request {
        Request::Fs(request) => {
            !matches!(request, FsRequest::Lock { .. } | FsRequest::List | FsRequest::Read { .. })
        }
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
                if snapshot.is_some() { "recovered-from-snapshot" } else { "started-running" }
            }
            Report::TailCut { .. } => "tail-cut",
            Report::SnapshotSkipped { .. } => "snapshot-skipped",
            Report::Late { .. } => "late-row",
            Report::Dead { .. } => "dead-row",
            Report::Retrying { .. } => "retried",
            Report::SnapshotStored { .. } => "snapshot-stored",
            Report::SnapshotFailed { .. } => "snapshot-not-stored",
            Report::TrimFailed { .. } => "trim-failed",
            Report::HeldBySink { .. } => "held-by-sink",
            Report::SinkGivenUp { .. } => "sink-given-up",
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
        self.watch.ends.push(ProcessEnd {
            process: process.id,
            generation: process.pipeline.generation(),
            at: self.now,
            outputs: process.outputs,
            how,
        });
    }

    /// What the run came to.
    pub(super) fn conclude(mut self, end: RunEnd) -> RunResult {
        let liveness = self.liveness();
        for slot in 0..self.processes.len() {
            if let Some(process) = self.processes[slot].take() {
                self.note_end(&process, ProcessEnding::StillRuns);
            }
        }
        for place in 0..self.places.len() {
            if let Some(sink) = self.places[place].sink {
                let view = self.places[place].service.view(self.now);
                self.watch.see(sink, self.now, 0, Generation::default(), view);
            }
        }
        self.read_journal_at_end();
        let stale = self.faults.stale();
        self.watch.counts.starts = self.processes.len() as u32;
        let marks = &self.watch.counts.marks;
        let hit = |mark: &String| marks.keys().any(|hit| hit == mark);
        let missed = self.plan.marks.iter().filter(|mark| !hit(mark)).cloned().collect();
        let segments = std::mem::take(&mut self.watch.segments);
        let (log_ends, snapshots) = self.kept.taken();
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
            log_ends,
            snapshots,
            liveness,
            lines: self.trace.take_lines(),
        }
    }

    /// Reads the journal as a new process would, with nothing going wrong.
    fn read_journal_at_end(&mut self) {
        use anabranch_engine::journal::JournalStep;
        // A full disk takes no lock.
        self.places[0].service.disturb(self.now, &crate::model::Disturbance::MakeRoom);
        let mut machine = self.hosting.journal();
        let mut step = machine.read();
        // A machine that waits, or a service that refuses, is not waited for.
        for _ in 0..100_000 {
            let request = match step {
                JournalStep::Request(request) => request,
                JournalStep::Read(segments) => return self.watch.journal_read(&segments),
                _ => return,
            };
            let client = crate::model::ClientId { process: u32::MAX, machine: 0 };
            let answer = match &request {
                Request::Sleep { .. } => anabranch_engine::service::Answer::Woken,
                _ => self.places[0].service.execute(self.now, client, &request),
            };
            step = machine.answer(answer);
        }
    }
}
