//! Coming to life: look at the generations, take a new one, fence the journal, fence
//! the sinks and read their markers, load the newest usable snapshot, replay.
// spec: S-2

use super::io::{Ending, Failure, Now, Output, Report};
use super::replay::Recovery;
use super::{Clock, Phase, Pipeline, SEMANTICS_VERSION};
use crate::ids::{Epoch, Generation, Lineage, SinkId};
use crate::journal::{
    Encoder, Journal, JournalEntry, SegmentBytes, SegmentHeader, SegmentName, scan,
};
use crate::sink::Marker;
use crate::time::{Tick, WallClock};
use std::collections::BTreeMap;

/// How far the opening has come.
#[derive(Debug)]
pub(super) struct Opening {
    nonce: u64,
    wall: WallClock,
    segments: Option<Vec<SegmentBytes>>,
    /// What each sink said when it was looked at.
    inspected: BTreeMap<SinkId, (Option<Generation>, Option<Marker>)>,
    journal: Journal,
    /// The markers of the sinks that were opened.
    markers: BTreeMap<SinkId, Option<Marker>>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Inspecting,
    Fencing,
    OpeningSinks,
    /// Asking which snapshots there are.
    Snapshots,
    /// Loading one of them.
    Loading,
}

impl Opening {
    pub(super) fn is_inspecting(&self) -> bool {
        self.stage == Stage::Inspecting
    }
}

impl Pipeline {
    pub(super) fn start(
        &mut self,
        now: Now,
        nonce: u64,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        assert!(matches!(self.phase, Phase::New), "a pipeline starts once");
        self.clock = Clock { since: now.monotonic, now: now.monotonic, ..Clock::default() };
        self.phase = Phase::Opening(Box::new(Opening {
            nonce,
            wall: now.wall,
            segments: None,
            inspected: BTreeMap::new(),
            journal: Journal::default(),
            markers: BTreeMap::new(),
            stage: Stage::Inspecting,
        }));
        out.push(Output::ReadJournal);
        let sinks: Vec<SinkId> = self.sinks.iter().map(|(id, _)| id).collect();
        for sink in sinks {
            let request = self.request();
            out.push(Output::InspectSink { request, sink });
        }
        Ok(())
    }

    /// Whether the opening stands at this stage. An answer that belongs to another
    /// one came twice, and says nothing.
    fn is_at(&self, stage: Stage) -> bool {
        matches!(&self.phase, Phase::Opening(opening) if opening.stage == stage)
    }

    /// Whether the list of snapshots is awaited; from now on it is not.
    pub(super) fn take_list_awaited(&mut self) -> bool {
        let awaited = self.is_at(Stage::Snapshots);
        if awaited {
            self.opening().stage = Stage::Loading;
        }
        awaited
    }

    /// Whether a snapshot is being loaded.
    pub(super) fn is_loading(&self) -> bool {
        self.is_at(Stage::Loading)
    }

    /// The journal that the opening read.
    pub(super) fn journal_read_at_start(&self) -> &Journal {
        match &self.phase {
            Phase::Opening(opening) => &opening.journal,
            _ => panic!("only the opening has the journal that was read"),
        }
    }

    /// Which generation wrote an epoch, if the journal still holds it.
    pub(super) fn writer_of(&self, epoch: Epoch) -> Option<Generation> {
        let journal = self.journal_read_at_start();
        let holds = |entry: &JournalEntry| matches!(entry, JournalEntry::Epoch(record) if record.epoch == epoch);
        let placed = journal.entries.iter().rev().find(|placed| holds(&placed.entry))?;
        Some(journal.segments[placed.segment].header.name.generation)
    }

    fn opening(&mut self) -> &mut Opening {
        match &mut self.phase {
            Phase::Opening(opening) => opening,
            _ => panic!("an answer of the opening came in another phase"),
        }
    }

    pub(super) fn journal_read(
        &mut self,
        segments: Vec<SegmentBytes>,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        if !self.is_at(Stage::Inspecting) {
            return Ok(());
        }
        self.opening().segments = Some(segments);
        self.take_generation_if_ready(out)
    }

    pub(super) fn sink_inspected(
        &mut self,
        sink: SinkId,
        generation: Option<Generation>,
        marker: Option<Marker>,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        if !self.is_at(Stage::Inspecting) {
            return Ok(());
        }
        self.opening().inspected.insert(sink, (generation, marker));
        self.take_generation_if_ready(out)
    }

    /// A sink that does not answer counts as one that nobody claimed: it is fenced
    /// when it opens, and a larger generation found there stops this one.
    pub(super) fn sink_not_inspected(
        &mut self,
        sink: SinkId,
        message: &str,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        out.push(Output::Report(Report::Retrying {
            what: format!("sink {}", self.sink_name(sink)),
            message: message.to_owned(),
            attempts: 1,
        }));
        self.sink_inspected(sink, None, None, out)
    }

    /// Reads the journal once all has been looked at, and asks for a segment of a
    /// generation above every one that was found.
    // spec: G-1, J-3
    fn take_generation_if_ready(&mut self, out: &mut Vec<Output>) -> Result<(), Failure> {
        let sinks = self.sinks.iter().count();
        let (ours, plan_hash) = (self.plan_hash, self.plan_hash.to_string());
        let poison_starts = self.config.poison_starts;
        let binary = self.config.binary.clone();
        let opening = self.opening();
        if opening.inspected.len() < sinks {
            return Ok(());
        }
        let Some(segments) = opening.segments.take() else { return Ok(()) };
        let damaged = |damage: crate::journal::Damage| Failure::Damaged(damage.to_string());
        let first_look = scan(&segments, &[]).map_err(damaged)?;
        let known_lineage = first_look.segments.last().map(|segment| segment.header.lineage);
        let marked: Vec<Epoch> = opening
            .inspected
            .values()
            .filter_map(|(_, marker)| *marker)
            .filter(|marker| Some(marker.lineage) == known_lineage)
            .map(|marker| marker.epoch)
            .collect();
        let journal = scan(&segments, &marked).map_err(damaged)?;
        if let Some(last) = journal.segments.last() {
            if last.header.plan != ours || last.header.semantics != SEMANTICS_VERSION {
                let found = last.header.plan.to_string();
                return Err(Failure::PlanChanged { found, ours: plan_hash });
            }
            if let Some(JournalEntry::Finished(_)) = journal.entries.last().map(|e| &e.entry) {
                self.end(Ending::AlreadyFinished, out);
                return Ok(());
            }
            let starts = starts_without_progress(&journal);
            if starts >= poison_starts {
                return Err(Failure::Poisoned { epoch: journal.last_epoch().next(), starts });
            }
        } else if let Some(marker) = opening.inspected.values().find_map(|(_, marker)| *marker) {
            // spec: K-5
            return Err(Failure::Damaged(format!(
                "a sink holds epoch {} of this job, but the journal is empty: the state folder \
                 was lost or is another one",
                marker.epoch
            )));
        }
        if let Some(cut) = &journal.cut {
            let detail = format!(
                "{} bytes of {} from byte {} on: {}",
                cut.bytes, cut.segment, cut.at, cut.what
            );
            out.push(Output::Report(Report::TailCut { detail }));
        }
        let found = opening.inspected.values().filter_map(|(generation, _)| *generation);
        let largest = found.chain(journal.newest_generation).map(|g| g.number).max().unwrap_or(0);
        let generation = Generation { number: largest + 1, nonce: opening.nonce };
        let lineage = known_lineage.unwrap_or(Lineage { number: 1, nonce: opening.nonce });
        let header = SegmentHeader {
            name: SegmentName { generation, part: 0 },
            lineage,
            parent: journal.segments.last().and_then(|segment| segment.header.parent),
            plan: ours,
            semantics: SEMANTICS_VERSION,
            binary,
            predecessor: journal.predecessor(),
            first_epoch: journal.last_epoch().next(),
            sources: Vec::new(),
            carried: journal.carried(),
        };
        let mut segments: Vec<(SegmentName, Epoch)> = journal
            .segments
            .iter()
            .map(|segment| (segment.header.name, segment.header.first_epoch))
            .collect();
        segments.push((header.name, header.first_epoch));
        opening.journal = journal;
        opening.stage = Stage::Fencing;
        let mut bytes = Vec::new();
        self.encoder = Some(Encoder::open(&header, &mut bytes));
        self.remember_segments(segments);
        self.generation = generation;
        self.lineage = lineage;
        out.push(Output::OpenJournal { segment: header.name, bytes: bytes.into() });
        Ok(())
    }

    /// The journal is ours: now the sinks.
    pub(super) fn journal_opened(&mut self, out: &mut Vec<Output>) -> Result<(), Failure> {
        // A segment that follows another of ours needs nothing.
        if !self.is_at(Stage::Fencing) {
            return Ok(());
        }
        let opening = self.opening();
        opening.stage = Stage::OpeningSinks;
        // spec: E-4
        let last_tick = opening.journal.last_tick;
        self.clock.anchor = Tick(self.opening().wall.0.max(last_tick.0 + 1));
        self.clock.last = last_tick;
        let carried = self.opening().journal.carried();
        let sinks: Vec<SinkId> = self.sinks.iter().map(|(id, _)| id).collect();
        for sink in sinks {
            let state = self.sinks.get_mut(sink);
            state.ever_opened = carried.opened.iter().any(|target| target.sink == sink);
            state.first_opened = !state.ever_opened;
            state.acked = carried
                .acknowledged
                .iter()
                .find(|acknowledged| acknowledged.target.sink == sink)
                .map(|acknowledged| acknowledged.marker);
            self.open_sink(sink, out);
        }
        self.list_snapshots_if_ready(out)
    }

    /// A sink was opened during the opening: its marker is checked against what the
    /// journal knows.
    // spec: K-3, K-5
    pub(super) fn sink_found(
        &mut self,
        sink: SinkId,
        marker: Option<Marker>,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        let name = self.sink_name(sink);
        let state = self.sinks.get(sink);
        let lost = |detail: String| Failure::SinkLostData { sink: name.clone(), detail };
        match (marker, state.acked) {
            (None, Some(acked)) => {
                return Err(lost(format!("it had acknowledged {acked} and now holds nothing")));
            }
            (Some(marker), Some(acked))
                if marker.lineage == acked.lineage
                    && (marker.epoch, marker.chunk) < (acked.epoch, acked.chunk) =>
            {
                return Err(lost(format!("it had acknowledged {acked} and now holds {marker}")));
            }
            _ => {}
        }
        if let Some(marker) = marker
            && marker.lineage == self.lineage
        {
            let checked = self.opening().journal.check_marker(marker.epoch);
            checked.map_err(|damage| Failure::Damaged(damage.to_string()))?;
        }
        self.sinks.get_mut(sink).acked = marker;
        self.opening().markers.insert(sink, marker);
        self.list_snapshots_if_ready(out)
    }

    fn list_snapshots_if_ready(&mut self, out: &mut Vec<Output>) -> Result<(), Failure> {
        let sinks = self.sinks.iter().count();
        let opening = self.opening();
        if opening.stage == Stage::OpeningSinks && opening.markers.len() == sinks {
            opening.stage = Stage::Snapshots;
            out.push(Output::ListSnapshots);
        }
        Ok(())
    }

    /// Leaves the opening for the replay, with the journal that was read.
    pub(super) fn begin_replay(&mut self, out: &mut Vec<Output>) -> Result<(), Failure> {
        let journal = std::mem::take(&mut self.opening().journal);
        let reach = journal.reaches_back_to();
        if self.epoch < reach {
            return Err(Failure::Damaged(format!(
                "the journal begins with epoch {}, and no snapshot after epoch {reach} or a later \
                 one can be used",
                reach.next()
            )));
        }
        let records: Vec<_> = journal.records_after(self.epoch).cloned().collect();
        self.durable = journal.last_epoch();
        self.phase = Phase::Replaying(Box::new(Recovery::new(records)));
        self.replay_next(out)
    }
}

/// How many incarnations in a row, up to the newest, wrote nothing but their
/// segment's header. One that opened a second segment had written to the first.
// spec: F-6
fn starts_without_progress(journal: &Journal) -> u32 {
    let silent = |index: &usize| {
        let is_first = journal.segments[*index].header.name.part == 0;
        is_first && journal.entries.iter().all(|placed| placed.segment != *index)
    };
    let count = (0..journal.segments.len()).rev().take_while(silent).count();
    count as u32
}
