//! What is known of each sink: its flush groups, chunks and markers.

use super::config::PipelineConfig;
use super::encode::Encoded;
use super::lag::Lag;
use crate::dataflow::BuildError;
use crate::ids::{Epoch, Lineage, RequestId, SinkId, TableId};
use crate::journal::{Acknowledged, Carried, FlushEnd};
use crate::plan::connector::Flush;
use crate::plan::{NodeKind, Plan, RecordLayout, Table};
use crate::planted;
use crate::sink::{Chunk, ChunkPlace, Marker, SinkShard};
use crate::time::{Monotonic, Tick};
use std::collections::VecDeque;

/// All sinks of the job, by [`SinkId`].
#[derive(Debug, Default)]
pub(super) struct Sinks {
    pub(super) sinks: Vec<SinkState>,
}

/// One sink.
#[derive(Debug)]
pub(super) struct SinkState {
    pub(super) table: TableId,
    /// How its rows become records, if it takes records.
    pub(super) layout: Option<RecordLayout>,
    flush: Flush,
    /// The most rows and bytes of one chunk.
    // spec: J-5
    chunk_limits: (usize, usize),
    pub(super) phase: SinkPhase,
    /// The marker of the last chunk that was made: the predecessor of the next.
    // spec: K-7
    pub(super) made: Option<Marker>,
    /// The last marker that the sink acknowledged, or was opened with.
    pub(super) acked: Option<Marker>,
    /// The marker that the sink was opened with, while the replay has not made the
    /// chunk that it names: chunks up to it are in the sink and are not sent again.
    pub(super) recovered: Option<Marker>,
    /// Rows of epochs whose group has not ended.
    group: Option<Group>,
    /// Chunks that were not acknowledged, in order.
    pub(super) queue: VecDeque<Chunk>,
    pub(super) queue_bytes: usize,
    /// Whether `acked` moved since a journal record said it.
    pub(super) ack_moved: bool,
    /// The marker that a durable record of the journal says: what a sink without a
    /// marker of its own is known by after a crash.
    pub(super) recorded: Option<Marker>,
    /// Markers that records say which are not durable yet, by the record's epoch.
    recording: VecDeque<(Epoch, Marker)>,
    /// Whether the journal has to say that the sink is opened for the first time.
    // spec: K-5
    pub(super) first_opened: bool,
    pub(super) ever_opened: bool,
    /// Whether it was opened since it acknowledged its last chunk, at the end of the job.
    // spec: K-5
    pub(super) verified: bool,
    /// How it fails, and for how long.
    pub(super) lag: Lag,
    pub(super) rows: u64,
    pub(super) chunks: u64,
}

/// What a sink is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SinkPhase {
    /// Nobody asked for it yet.
    Closed,
    /// It is being opened.
    Opening(RequestId),
    /// It waits for a chunk.
    Ready,
    /// It applies the first chunk of its queue.
    Applying(RequestId),
    /// It failed, and is opened again at this time.
    Backoff(Monotonic),
    /// It is served no longer, as the record of this epoch says.
    // spec: K-8
    GivenUp(Epoch),
}

/// An open flush group.
#[derive(Debug)]
struct Group {
    first_tick: Tick,
    last_epoch: Epoch,
    rows: Encoded,
}

impl SinkState {
    fn new(table: &Table, layout: Option<RecordLayout>) -> SinkState {
        SinkState {
            table: table.id,
            layout,
            flush: table.sink_spec().map_or(Flush::EachEpoch, |spec| spec.flush),
            chunk_limits: table.chunk_limits(),
            phase: SinkPhase::Closed,
            made: None,
            acked: None,
            recovered: None,
            group: None,
            queue: VecDeque::new(),
            queue_bytes: 0,
            ack_moved: false,
            recorded: None,
            recording: VecDeque::new(),
            first_opened: false,
            ever_opened: false,
            verified: false,
            lag: Lag::of(table),
            rows: 0,
            chunks: 0,
        }
    }

    /// Ends the open group with this epoch, if there is one: its rows become chunks.
    /// They bear the epoch whose record holds the decision, which may be later than
    /// that of the last row: they must wait until that record is durable.
    // spec: J-1, J-5, K-7
    fn end_group(&mut self, sink: SinkId, epoch: Epoch, lineage: Lineage) {
        let Some(group) = self.group.take() else { return };
        let (rows_max, bytes_max) = self.chunk_limits;
        let halved = planted!(K9) && self.recovered.is_some();
        let rows_max = if halved { (rows_max / 2).max(1) } else { rows_max };
        let payloads = group.rows.cut(rows_max, bytes_max);
        let count = payloads.len();
        for (number, payload) in payloads.into_iter().enumerate() {
            let (chunk, last) = (number as u32, number + 1 == count);
            let place = ChunkPlace { lineage, epoch, chunk, last };
            let chunk = Chunk::new(SinkShard { sink, shard: 0 }, self.made, place, payload);
            self.made = Some(chunk.marker);
            self.queue_bytes += chunk.payload.bytes();
            self.queue.push_back(chunk);
        }
    }

    /// Whether it is served no longer.
    // spec: K-8
    pub(super) fn is_given_up(&self) -> bool {
        matches!(self.phase, SinkPhase::GivenUp(_))
    }

    /// Gives it up: it is made no chunks any more.
    // spec: K-8
    pub(super) fn drop_for_good(&mut self, epoch: Epoch) {
        self.phase = SinkPhase::GivenUp(epoch);
        self.group = None;
        self.queue.clear();
        self.queue_bytes = 0;
        self.recovered = None;
    }

    /// Takes the chunks up to one of the queue for applied.
    pub(super) fn drop_through(&mut self, place: usize) {
        for chunk in self.queue.drain(..=place) {
            self.queue_bytes -= chunk.payload.bytes();
            self.chunks += 1;
        }
    }

    /// Whether the sink's own marker has to be trusted more than the journal: it is
    /// kept inside the sink, with the data.
    // spec: K-6
    pub(super) fn keeps_marker(&self, plan: &Plan) -> bool {
        plan.table(self.table).keeps_marker()
    }
}

impl Sinks {
    /// The sinks of a plan, all closed.
    ///
    /// # Errors
    /// If the rows of one cannot become what it takes.
    pub(super) fn new(plan: &Plan) -> Result<Sinks, BuildError> {
        let mut sinks = Vec::new();
        for node in &plan.nodes {
            if let NodeKind::Sink(sink) = &node.kind {
                let table = plan.table(sink.table);
                let layout = table.record_layout().map_err(|error| BuildError {
                    node: node.name.clone(),
                    detail: error.to_string(),
                })?;
                sinks.push(SinkState::new(table, layout));
            }
        }
        Ok(Sinks { sinks })
    }

    pub(super) fn get(&self, id: SinkId) -> &SinkState {
        &self.sinks[id.0 as usize]
    }

    pub(super) fn get_mut(&mut self, id: SinkId) -> &mut SinkState {
        &mut self.sinks[id.0 as usize]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SinkId, &SinkState)> {
        self.sinks.iter().enumerate().map(|(index, sink)| (SinkId(index as u32), sink))
    }

    /// Adds an epoch's rows to the sink's open group.
    pub(super) fn add_rows(&mut self, id: SinkId, epoch: Epoch, tick: Tick, encoded: Encoded) {
        let sink = self.get_mut(id);
        sink.rows += encoded.rows() as u64;
        if encoded.rows() == 0 || sink.is_given_up() {
            return;
        }
        match &mut sink.group {
            None => sink.group = Some(Group { first_tick: tick, last_epoch: epoch, rows: encoded }),
            Some(group) => {
                assert!(group.last_epoch <= epoch, "epochs enter a group in order");
                group.last_epoch = epoch;
                group.rows.append(encoded);
            }
        }
    }

    pub(super) fn has_open_group(&self) -> bool {
        self.sinks.iter().any(|sink| sink.group.is_some())
    }

    /// Whether a group is old enough to be ended.
    pub(super) fn flush_is_due(&self, now: Tick, config: &PipelineConfig) -> bool {
        self.flushes_at(config).any(|at| at <= now)
    }

    /// When each open group is to be ended.
    pub(super) fn flushes_at(&self, config: &PipelineConfig) -> impl Iterator<Item = Tick> {
        let age_ns = config.flush_age_ms * 1_000_000;
        let groups = self.sinks.iter().filter_map(|sink| sink.group.as_ref());
        groups.map(move |group| Tick(group.first_tick.0 + age_ns))
    }

    /// Which groups end with this epoch. The journal keeps the decision, so that a
    /// replay makes the same chunks.
    // spec: J-5
    pub(super) fn flush_ends(
        &self,
        epoch: Epoch,
        tick: Tick,
        all: bool,
        config: &PipelineConfig,
    ) -> Vec<FlushEnd> {
        let is_due = |sink: &SinkState| {
            let Some(group) = &sink.group else { return false };
            let age_ns = tick.0 - group.first_tick.0;
            sink.flush == Flush::Grouped
                && (all
                    || group.rows.bytes() >= config.flush_bytes
                    || age_ns >= config.flush_age_ms * 1_000_000)
        };
        self.iter()
            .filter(|(_, sink)| is_due(sink))
            .map(|(id, _)| FlushEnd { sink: id, epoch })
            .collect()
    }

    /// Ends these groups, and those of sinks that take every epoch, with the epoch
    /// whose record says so.
    pub(super) fn end_groups(&mut self, ends: &[FlushEnd], epoch: Epoch, lineage: Lineage) {
        for (index, sink) in self.sinks.iter_mut().enumerate() {
            let id = SinkId(index as u32);
            let named = ends.iter().any(|end| end.sink == id);
            if named || sink.flush == Flush::EachEpoch {
                sink.end_group(id, epoch, lineage);
            }
        }
    }

    /// Whether a marker moved that the journal has not told yet.
    pub(super) fn has_news(&self) -> bool {
        self.sinks.iter().any(|sink| sink.ack_moved)
    }

    /// Markers that moved since the journal last said so; the record of this epoch
    /// says them.
    pub(super) fn take_acknowledged(&mut self, epoch: Epoch) -> Vec<Acknowledged> {
        let mut moved = Vec::new();
        for (index, sink) in self.sinks.iter_mut().enumerate() {
            if let (true, Some(marker)) = (std::mem::take(&mut sink.ack_moved), sink.acked) {
                let target = SinkShard { sink: SinkId(index as u32), shard: 0 };
                sink.recording.push_back((epoch, marker));
                moved.push(Acknowledged { target, marker });
            }
        }
        moved
    }

    /// Notes up to which epoch the journal's records are durable.
    pub(super) fn note_durable(&mut self, durable: Epoch) {
        for sink in &mut self.sinks {
            while let Some((_, marker)) = sink.recording.pop_front_if(|(at, _)| *at <= durable) {
                sink.recorded = Some(marker);
            }
        }
    }

    /// Sinks whose first opening the journal has to record.
    pub(super) fn take_first_opened(&mut self) -> Vec<SinkShard> {
        let mut opened = Vec::new();
        for (index, sink) in self.sinks.iter_mut().enumerate() {
            if std::mem::take(&mut sink.first_opened) {
                sink.ever_opened = true;
                opened.push(SinkShard { sink: SinkId(index as u32), shard: 0 });
            }
        }
        opened
    }

    pub(super) fn all_applied(&self) -> bool {
        self.sinks.iter().all(|sink| sink.queue.is_empty())
    }

    /// Whether every sink that is served holds these markers or later ones, and
    /// recovery will know it although the sink may not answer then.
    // spec: J-4, K-8
    pub(super) fn are_recorded(&self, needed: &[(SinkId, Marker)], durable: Epoch) -> bool {
        needed.iter().all(|(id, marker)| {
            let sink = self.get(*id);
            let given_up = matches!(sink.phase, SinkPhase::GivenUp(at) if at <= durable);
            let place = |marker: Marker| (marker.epoch, marker.chunk);
            given_up || sink.recorded.is_some_and(|known| place(known) >= place(*marker))
        })
    }

    /// The facts about sinks that a new segment of the journal repeats.
    pub(super) fn carried(&self) -> Carried {
        let target = |sink| SinkShard { sink, shard: 0 };
        Carried {
            opened: self
                .iter()
                .filter(|(_, sink)| sink.ever_opened)
                .map(|(id, _)| target(id))
                .collect(),
            acknowledged: self
                .iter()
                .filter_map(|(id, sink)| {
                    sink.acked.map(|marker| Acknowledged { target: target(id), marker })
                })
                .collect(),
            given_up: self
                .iter()
                .filter(|(_, sink)| sink.is_given_up())
                .map(|(id, _)| id)
                .collect(),
            ..Carried::default()
        }
    }

    /// Begins a replay: the chunks are made from here on, and those up to each
    /// sink's marker are there already.
    pub(super) fn recover_from(&mut self, known: &[crate::snapshot::SinkState]) {
        for (index, sink) in self.sinks.iter_mut().enumerate() {
            let id = SinkId(index as u32);
            let state = known.iter().find(|state| state.target.sink == id);
            sink.made = state.and_then(|state| state.predecessor);
            let to_come = sink.acked.filter(|acked| Some(*acked) != sink.made);
            sink.recovered = to_come.filter(|_| !sink.is_given_up());
        }
    }

    /// Drops the chunks of a replay that the sinks hold already.
    ///
    /// # Errors
    /// The sink that holds something else at the same place, and what.
    // spec: K-7
    pub(super) fn drop_recovered(&mut self) -> Result<(), (SinkId, String)> {
        for (index, sink) in self.sinks.iter_mut().enumerate() {
            while let (Some(held), Some(chunk)) = (sink.recovered, sink.queue.front()) {
                let place = |marker: Marker| (marker.epoch, marker.chunk);
                let (made, held_place) = (chunk.marker, place(held));
                let differs = place(made) == held_place && made != held && !planted!(K19);
                if place(made) > held_place || differs {
                    let detail = format!(
                        "it holds {held} with hash {}, this job computed {made} with {}",
                        held.hash, made.hash
                    );
                    return Err((SinkId(index as u32), detail));
                }
                if place(made) == held_place {
                    sink.recovered = None;
                }
                sink.queue_bytes -= chunk.payload.bytes();
                sink.queue.pop_front();
            }
        }
        Ok(())
    }

    /// A sink whose marker the replay did not come by, if there is one.
    pub(super) fn unrecovered(&self) -> Option<(SinkId, Marker)> {
        self.iter().find_map(|(id, sink)| sink.recovered.map(|marker| (id, marker)))
    }

    /// When each failed sink is opened again.
    pub(super) fn retries_at(&self) -> impl Iterator<Item = Monotonic> {
        self.sinks.iter().filter_map(|sink| match sink.phase {
            SinkPhase::Backoff(at) => Some(at),
            _ => None,
        })
    }
}
