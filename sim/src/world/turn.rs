//! Turns of a process: one input in, its outputs handed on in order.

use super::clock::ProcessClock;
use super::digest::Digest;
use super::faults::{Concerns, Kind, Moment, Side};
use super::kept::Health;
use super::process::{Life, Process};
use super::{Event, World};
use crate::time::{Span, VirtualTime};
use anabranch_engine::executor::Sequential;
use anabranch_engine::ids::{RequestId, SinkId};
use anabranch_engine::pipeline::{FetchedData, Input, Now, Output};
use anabranch_engine::sink::ApplyOutcome;
use bytes::Bytes;

/// Events in the trace, by what they are.
pub(super) mod what {
    pub(crate) const INPUT: u8 = 1;
    pub(crate) const OUTPUT: u8 = 2;
    pub(crate) const REQUEST: u8 = 3;
    pub(crate) const ANSWER: u8 = 4;
    pub(crate) const FAULT: u8 = 5;
    pub(crate) const LIFE: u8 = 6;
}

impl World {
    /// Puts an input into the inbox of a process.
    pub(super) fn give(&mut self, process: &mut Process, input: Input) {
        process.inbox.push_back(input);
        self.plan_turn(process);
    }

    /// Plans the next turn, if there is something to take and none is planned.
    pub(super) fn plan_turn(&mut self, process: &mut Process) {
        if process.turn_planned || process.life != Life::Runs {
            return;
        }
        let Some(input) = process.inbox.front() else { return };
        let cost = self.cost(bytes_of(input));
        let begin = self.now.max(process.busy_until);
        process.turn_planned = true;
        self.heap
            .plan(begin + Span(self.plan.settings.cpu.turn.0 + cost.0), Event::Turn(process.id));
    }

    /// What so many bytes cost.
    fn cost(&self, bytes: usize) -> Span {
        Span((self.plan.settings.cpu.kibibyte.0 * bytes as i64) >> 10)
    }

    /// What the clocks of a process show.
    pub(super) fn clocks(&self, process: &Process) -> Now {
        process.clock.now(self.now, self.hosts[process.host])
    }

    pub(super) fn turn(&mut self, process: &mut Process) {
        process.turn_planned = false;
        let Some(input) = process.inbox.pop_front() else { return };
        let now = self.clocks(process);
        if let Input::Fetched { request, data, .. } = &input
            && let Some((split, from)) = process.learn_end(*request)
            && self.splits[split].may_change
        {
            process.shown.takes(*request, split, from, data);
        }
        let opened = health_of(&input).and_then(|(sink, request, health)| {
            let is_awaited = self.kept.hears(process.id, sink, request, health, self.now);
            (is_awaited && health == Health::There && process.is_running).then_some(sink)
        });
        self.watch.counts.turns += 1;
        self.place = (process.id, process.outputs);
        self.trace.note(self.now, process.id, what::INPUT, Digest::default().input(&input), || {
            format!("takes {}", super::watch::input_line(&input))
        });
        let executor = Sequential { pieces: self.plan.settings.pieces.max(1) };
        let mut outputs = std::mem::take(&mut self.watch.outputs);
        process.pipeline.handle(now, input, &executor, &mut outputs);
        process.pipeline.check_invariants();
        if let Some(sink) = opened
            && process.pipeline.status().sinks[sink.0 as usize].waiting == 0
        {
            self.kept.lacks_nothing(process.id, sink);
        }
        let bytes: usize = outputs.iter().map(out_bytes).sum();
        process.busy_until = self.now + self.cost(bytes);
        process.unsent.extend(outputs.drain(..));
        self.watch.outputs = outputs;
        if !self.is_poisoned(process) {
            self.hand_on_all(process);
        }
    }

    /// Hands on the outputs of the last turn, as far as the process lives and runs.
    pub(super) fn hand_on_all(&mut self, process: &mut Process) {
        while process.life == Life::Runs
            && let Some(output) = process.unsent.pop_front()
        {
            self.hand_on(process, output);
        }
        if process.life == Life::Runs {
            self.plan_turn(process);
            self.plan_wake(process);
        }
    }

    /// Hands on one output, unless the process dies before or the world says otherwise.
    fn hand_on(&mut self, process: &mut Process, output: Output) {
        process.outputs += 1;
        self.place.1 = process.outputs;
        let digest = Digest::default().output(&output);
        self.trace
            .note(self.now, process.id, what::OUTPUT, digest, || crate::lab::trace_line(&output));
        let moment = self.moment_of(process, &output);
        let fate = self.consult(process, &moment);
        match process.life {
            Life::Runs => {}
            Life::Stands => return process.unsent.push_front(output),
            Life::Dead => return,
        }
        self.route(process, output, fate, &moment);
        if process.life != Life::Dead {
            let routed = Moment { side: Side::Routed, ..moment };
            self.consult(process, &routed);
        }
        self.release(process);
    }

    /// Those that wait until this process has made so many outputs go on.
    fn release(&mut self, process: &Process) {
        let (id, outputs) = (process.id, process.outputs);
        let is_due = |(paused, wanted): &(u32, u64)| *paused < id && *wanted <= outputs;
        for (paused, _) in self.waiting.extract_if(.., |waiting| is_due(waiting)) {
            self.heap.plan(self.now, Event::Resume(paused));
        }
    }

    /// An output as a moment at which a deviation may happen; what an append takes of
    /// the splits is noted.
    fn moment_of(&mut self, process: &mut Process, output: &Output) -> Moment {
        let (kind, concerns) = match output {
            Output::ReadJournal { .. } => (Kind::ReadJournal, Concerns::Nothing),
            Output::InspectSink { .. } => (Kind::Inspect, Concerns::Nothing),
            Output::OpenJournal { segment, bytes } => {
                process.records.open(*segment, bytes);
                if segment.part > 0 {
                    self.watch.counts.mark("segment-followed");
                }
                (Kind::OpenJournal, Concerns::Nothing)
            }
            Output::ListSnapshots { .. } => (Kind::List, Concerns::Nothing),
            Output::LoadSnapshot { .. } => (Kind::Load, Concerns::Nothing),
            Output::OpenSink { .. } => (Kind::Open, Concerns::Nothing),
            Output::DiscoverSplits { .. } => (Kind::Discover, Concerns::Nothing),
            Output::Fetch { from, bytes_max, .. } => {
                (Kind::Fetch, Concerns::Offsets(from.0, from.0 + u64::from(*bytes_max)))
            }
            Output::AppendJournal { epoch, bytes } => {
                self.note_record(process, bytes);
                (Kind::Append, Concerns::Epochs(super::route::before(*epoch), *epoch))
            }
            Output::AppendNote { bytes, .. } => {
                self.note_record(process, bytes);
                (Kind::Other, Concerns::Nothing)
            }
            Output::ProveJournal { .. } => (Kind::Prove, Concerns::Nothing),
            Output::RecordFinish { .. } => (Kind::Finish, Concerns::Nothing),
            Output::ApplyChunk { chunk, .. } => {
                let after = chunk.predecessor.map_or_else(Default::default, |p| p.epoch);
                (Kind::Apply, Concerns::Epochs(after, chunk.marker.epoch))
            }
            Output::StoreSnapshot { epoch, .. } => {
                (Kind::Store, Concerns::Epochs(Default::default(), *epoch))
            }
            Output::Trim { .. } => (Kind::Trim, Concerns::Nothing),
            Output::Report(_) | Output::End(_) => (Kind::Other, Concerns::Nothing),
        };
        let (table, split) = match output {
            Output::InspectSink { sink, .. } | Output::OpenSink { sink, .. } => {
                (Some(self.sinks[sink.0 as usize]), None)
            }
            Output::ApplyChunk { chunk, .. } => (Some(self.sinks[chunk.sink.0 as usize]), None),
            Output::DiscoverSplits { table, .. } => (Some(*table), None),
            Output::Fetch { name, .. } => {
                (Some(name.table), self.splits.iter().position(|split| split.name == *name))
            }
            _ => (None, None),
        };
        let restarts = process.restarts;
        Moment { side: Side::Before, kind, table, split, service: None, concerns, restarts }
    }

    /// Notes which records an epoch takes, if some deviation waits for one.
    fn note_record(&mut self, process: &mut Process, bytes: &Bytes) {
        use anabranch_engine::journal::JournalEntry;
        // The reader has to see every record, since each leans on those before.
        let Some(JournalEntry::Epoch(record)) = process.records.read(bytes) else { return };
        self.note_log_ends(process, &record);
        self.note_shown(process, &record);
        self.kept.appending(process.id, &record);
        if !self.faults.wants_records() {
            return;
        }
        for slice in &record.slices {
            if let Some(split) = process.splits.get(&slice.split) {
                let offsets = slice.start.0..slice.end.0;
                self.faults.note_slice(process.restarts, record.epoch, *split, offsets);
            }
        }
    }

    /// Plans to wake the process when it asks for it.
    pub(super) fn plan_wake(&mut self, process: &mut Process) {
        let Some(wakeup) = process.pipeline.next_wakeup() else { return };
        let at = process.clock.moment_of(wakeup.at).max(self.now);
        if process.wake_planned.is_none_or(|planned| planned > at) {
            process.wake_planned = Some(at);
            self.heap.plan(at, Event::Wake(process.id));
        }
    }

    pub(super) fn wake(&mut self, process: &mut Process) {
        // One that was planned later than another says nothing.
        if process.wake_planned.is_none_or(|planned| planned > self.now) {
            return;
        }
        process.wake_planned = None;
        let reading = self.clocks(process).monotonic;
        match process.pipeline.next_wakeup() {
            Some(wakeup) if wakeup.at <= reading => {
                if process.inbox.is_empty() {
                    self.give(process, Input::Wake);
                }
            }
            _ => self.plan_wake(process),
        }
    }
}

impl ProcessClock {
    /// The clock of a process that is born now.
    pub(super) fn born(at: VirtualTime, drift_ppm: i32) -> ProcessClock {
        ProcessClock { born: at, drift_ppm }
    }
}

/// What an input says of how a sink is.
fn health_of(input: &Input) -> Option<(SinkId, RequestId, Health)> {
    match input {
        Input::SinkApplied { request, sink, outcome, .. } => {
            let is_well = matches!(outcome, ApplyOutcome::Applied | ApplyOutcome::Duplicate);
            Some((*sink, *request, if is_well { Health::Well } else { Health::Fails }))
        }
        Input::SinkOpened { request, sink, .. } => Some((*sink, *request, Health::There)),
        Input::SinkOpenFailed { request, sink, .. } => Some((*sink, *request, Health::Fails)),
        Input::Start { .. }
        | Input::Wake
        | Input::JournalRead { .. }
        | Input::JournalUnreadable { .. }
        | Input::SinkInspected { .. }
        | Input::JournalOpened
        | Input::JournalFenced { .. }
        | Input::SnapshotsListed { .. }
        | Input::SnapshotsNotListed { .. }
        | Input::SnapshotLoaded { .. }
        | Input::SnapshotUnreadable { .. }
        | Input::SplitsFound { .. }
        | Input::DiscoverFailed { .. }
        | Input::Fetched { .. }
        | Input::FetchFailed { .. }
        | Input::SplitChanged { .. }
        | Input::JournalAppended { .. }
        | Input::JournalFailed { .. }
        | Input::JournalProved { .. }
        | Input::JournalNotProved { .. }
        | Input::NoteAppended { .. }
        | Input::FinishRecorded
        | Input::SnapshotStored { .. }
        | Input::SnapshotFailed { .. }
        | Input::Trimmed { .. }
        | Input::TrimFailed { .. }
        | Input::Stop => None,
    }
}

fn bytes_of(input: &Input) -> usize {
    match input {
        Input::Fetched { data: FetchedData::Bytes(bytes), .. } => bytes.len(),
        Input::Fetched { data: FetchedData::Records(block), .. } => block.data.len(),
        Input::JournalRead { segments, .. } => segments.iter().map(|s| s.bytes.len()).sum(),
        Input::SnapshotLoaded { parts, .. } => parts.iter().map(Bytes::len).sum(),
        _ => 0,
    }
}

fn out_bytes(output: &Output) -> usize {
    match output {
        Output::ApplyChunk { chunk, .. } => chunk.payload.bytes(),
        Output::StoreSnapshot { parts, .. } => parts.iter().map(|(_, bytes)| bytes.len()).sum(),
        _ => 0,
    }
}
