//! Coming to life: look at the generations, take a new one, fence the journal, fence
//! the sinks and read their markers, load the newest usable snapshot, replay.
// spec: S-2

use super::attempts::Attempts;
use super::io::{Ending, Failure, Kept, Now, Output, Report};
use super::replay::Recovery;
use super::{Clock, Phase, Pipeline, SEMANTICS_VERSION};
use crate::ids::{Epoch, Generation, Lineage, RequestId, SinkId};
use crate::journal::{
    Encoder, Journal, JournalEntry, SegmentBytes, SegmentHeader, SegmentName, scan,
};
use crate::planted;
use crate::sink::Marker;
use crate::time::{Monotonic, Tick, WallClock};
use std::collections::{BTreeMap, BTreeSet};

/// How far the opening has come.
#[derive(Debug)]
pub(super) struct Opening {
    nonce: u64,
    wall: WallClock,
    /// Reading the journal.
    reading: Attempts,
    /// Listing the snapshots.
    listing: Attempts,
    /// Loading one of them; its name says which answer counts.
    loading: Attempts,
    segments: Option<Vec<SegmentBytes>>,
    /// Which request looks at each sink. An answer to an earlier one is of the past.
    looking: BTreeMap<SinkId, RequestId>,
    /// Sinks that did not answer when they were looked at.
    unanswered: BTreeSet<SinkId>,
    /// What each sink said when it was looked at.
    inspected: BTreeMap<SinkId, (Option<Generation>, Option<Marker>)>,
    /// Whether the sinks were looked at once more, behind a journal that says that the job
    /// is done.
    looked_again: bool,
    /// Whether the journal was read once more, behind sinks that it does not fit to.
    read_again: bool,
    journal: Journal,
    /// Until when an answer of a sink is waited for, in the stages that ask sinks.
    sinks_until: Monotonic,
    /// The sinks that were opened, or lag.
    // spec: K-8
    settled: BTreeSet<SinkId>,
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

impl Opening {
    /// The history that the segments tell, judged by what the sinks hold.
    ///
    /// # Errors
    /// If the journal is damaged, or behind a sink.
    // spec: J-6, K-5
    fn read_journal(&self, segments: &[SegmentBytes]) -> Result<Journal, Failure> {
        let damaged = |detail| Failure::Damaged { what: Kept::Journal, detail };
        let unreadable = |damage: crate::journal::Damage| damaged(damage.to_string());
        let markers = || self.inspected.values().filter_map(|(_, marker)| *marker);
        let first_look = scan(segments, &[]).map_err(unreadable)?;
        let Some(newest) = first_look.segments.last() else {
            return match markers().next() {
                Some(marker) => Err(damaged(format!(
                    "a sink holds epoch {} of this job, but the journal is empty: the state \
                     folder was lost or is another one",
                    marker.epoch
                ))),
                None => Ok(first_look),
            };
        };
        // Markers of other lineages say nothing about this one's epochs.
        let lineage = newest.header.lineage;
        let marked: Vec<Epoch> =
            markers().filter(|marker| marker.lineage == lineage).map(|m| m.epoch).collect();
        scan(segments, &marked).map_err(unreadable)
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
            reading: Attempts::default(),
            listing: Attempts::default(),
            loading: Attempts::default(),
            segments: None,
            looking: BTreeMap::new(),
            unanswered: BTreeSet::new(),
            inspected: BTreeMap::new(),
            looked_again: false,
            read_again: false,
            journal: Journal::default(),
            sinks_until: Monotonic::default(),
            settled: BTreeSet::new(),
            stage: Stage::Inspecting,
        }));
        self.read_journal(out);
        self.inspect_sinks(out);
        Ok(())
    }

    /// Looks at every sink, each of which has its time to answer.
    fn inspect_sinks(&mut self, out: &mut Vec<Output>) {
        self.wait_for_sinks();
        self.opening().inspected.clear();
        self.opening().unanswered.clear();
        let sinks: Vec<SinkId> = self.sinks.iter().map(|(id, _)| id).collect();
        for sink in sinks {
            let request = self.request();
            self.opening().looking.insert(sink, request);
            out.push(Output::InspectSink { request, sink });
        }
    }

    /// The sinks are asked something now.
    // spec: F-4
    fn wait_for_sinks(&mut self) {
        let wait_ns = self.config.sink_wait_ms * 1_000_000;
        self.opening().sinks_until = Monotonic(self.clock.now.0 + wait_ns);
    }

    /// Whether this answers the look at a sink that was the last one.
    fn is_looked_at_by(&self, sink: SinkId, request: RequestId) -> bool {
        matches!(&self.phase, Phase::Opening(opening)
            if opening.stage == Stage::Inspecting && opening.looking.get(&sink) == Some(&request))
    }

    /// Whether the opening stands at this stage. An answer that belongs to another
    /// one came twice, and says nothing.
    fn is_at(&self, stage: Stage) -> bool {
        matches!(&self.phase, Phase::Opening(opening) if opening.stage == stage)
    }

    fn read_journal(&mut self, out: &mut Vec<Output>) {
        let request = self.request();
        self.opening().reading.ask(request);
        out.push(Output::ReadJournal { request });
    }

    /// The journal could not be read: it is tried again, or the start has failed.
    // spec: F-2
    pub(super) fn journal_unreadable(
        &mut self,
        request: RequestId,
        transient: bool,
        message: String,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        if !self.is_at(Stage::Inspecting) || !self.opening().reading.take(request) {
            return Ok(());
        }
        let (now, config) = (self.clock.now, self.config.clone());
        let attempts = transient.then(|| self.opening().reading.fail(now, &config)).flatten();
        let Some(attempts) = attempts else { return Err(Failure::JournalUnreadable(message)) };
        out.push(retrying("the journal".to_owned(), message, attempts));
        Ok(())
    }

    /// Asks for the list of snapshots.
    fn list_snapshots(&mut self, out: &mut Vec<Output>) {
        let request = self.request();
        self.opening().listing.ask(request);
        out.push(Output::ListSnapshots { request });
    }

    /// Whether this answers the request for the list of snapshots; the next answer to it
    /// does not count.
    pub(super) fn take_list_awaited(&mut self, request: RequestId) -> bool {
        let awaited = self.is_at(Stage::Snapshots) && self.opening().listing.take(request);
        if awaited {
            self.opening().stage = Stage::Loading;
        }
        awaited
    }

    /// The snapshots could not be listed: it is tried again, or the start has failed.
    /// Without the list it is not known which journal a recovery needs.
    // spec: F-2
    pub(super) fn snapshots_not_listed(
        &mut self,
        request: RequestId,
        transient: bool,
        message: String,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        if !self.is_at(Stage::Snapshots) || !self.opening().listing.take(request) {
            return Ok(());
        }
        let (now, config) = (self.clock.now, self.config.clone());
        let attempts = transient.then(|| self.opening().listing.fail(now, &config)).flatten();
        let Some(attempts) = attempts else { return Err(Failure::SnapshotsUnreadable(message)) };
        out.push(retrying("the list of snapshots".to_owned(), message, attempts));
        Ok(())
    }

    /// Whether a snapshot is being loaded, and the store answers.
    pub(super) fn is_loading(&self) -> bool {
        matches!(&self.phase, Phase::Opening(opening)
            if opening.stage == Stage::Loading && !opening.loading.waits())
    }

    /// The store failed to give a snapshot; nothing is known about the snapshot itself.
    // spec: F-2
    pub(super) fn snapshot_not_loaded(
        &mut self,
        name: &str,
        message: String,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        let (now, config) = (self.clock.now, self.config.clone());
        let Some(attempts) = self.opening().loading.fail(now, &config) else {
            return Err(Failure::SnapshotsUnreadable(message));
        };
        out.push(retrying(format!("snapshot {name}"), message, attempts));
        Ok(())
    }

    /// Asks the stores again that failed a while ago.
    pub(super) fn ask_stores_again(&mut self, out: &mut Vec<Output>) {
        let (now, opening) = (self.clock.now, self.opening());
        if opening.reading.is_due(now) {
            self.read_journal(out);
        } else if opening.listing.is_due(now) {
            self.list_snapshots(out);
        } else if opening.loading.is_due(now) {
            opening.loading.retry();
            self.load_candidate(out);
        }
        self.retry_proof(out);
    }

    /// When a store that failed is asked again.
    pub(super) fn store_retries_at(&self) -> impl Iterator<Item = Monotonic> {
        let opening = match &self.phase {
            Phase::Opening(opening) => Some(opening),
            _ => None,
        };
        opening.into_iter().flat_map(|opening| {
            let all = [opening.reading, opening.listing, opening.loading];
            let proof = self.ownership.retry_at();
            all.into_iter().filter_map(|attempts| attempts.retry_at()).chain(proof)
        })
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
        request: RequestId,
        segments: Vec<SegmentBytes>,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        if !self.is_at(Stage::Inspecting) || !self.opening().reading.take(request) {
            return Ok(());
        }
        self.opening().segments = Some(segments);
        self.take_generation_if_ready(out)
    }

    pub(super) fn sink_inspected(
        &mut self,
        request: RequestId,
        sink: SinkId,
        found: (Option<Generation>, Option<Marker>),
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        if !self.is_looked_at_by(sink, request) {
            return Ok(());
        }
        // An answer that comes late is one all the same.
        self.opening().unanswered.remove(&sink);
        self.opening().inspected.insert(sink, found);
        self.take_generation_if_ready(out)
    }

    /// A sink could not be looked at.
    pub(super) fn sink_not_inspected(
        &mut self,
        request: RequestId,
        sink: SinkId,
        message: &str,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        match self.is_looked_at_by(sink, request) {
            true => self.go_on_without_look(sink, message, out),
            false => Ok(()),
        }
    }

    /// A sink that does not answer counts as one that nobody claimed: it is fenced
    /// when it opens, and a larger generation found there stops this one.
    fn go_on_without_look(
        &mut self,
        sink: SinkId,
        message: &str,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        out.push(retrying(format!("sink {}", self.sink_name(sink)), message.to_owned(), 1));
        self.opening().unanswered.insert(sink);
        self.opening().inspected.insert(sink, (None, None));
        self.take_generation_if_ready(out)
    }

    /// Reads the journal once all has been looked at, and asks for a segment of a
    /// generation above every one that was found.
    // spec: G-1, J-3
    fn take_generation_if_ready(&mut self, out: &mut Vec<Output>) -> Result<(), Failure> {
        let sinks = self.sinks.iter().count();
        let opening = self.opening();
        if opening.inspected.len() < sinks {
            return Ok(());
        }
        let Some(segments) = opening.segments.take() else { return Ok(()) };
        let journal = match opening.read_journal(&segments) {
            // Another run may have gone on behind the reading: what the sinks showed then is
            // in the journal by now, if it is whole.
            // spec: J-1, J-3
            Err(_) if !opening.read_again => {
                opening.read_again = true;
                self.read_journal(out);
                return Ok(());
            }
            read => read?,
        };
        self.check_plan(&journal)?;
        if let Some(JournalEntry::Finished(_)) = journal.entries.last().map(|e| &e.entry) {
            let checked = self.check_finished_sinks(&journal);
            // Another run may have come to its end behind the first look at the sinks.
            if checked.is_err() && !self.opening().looked_again {
                let opening = self.opening();
                (opening.looked_again, opening.segments) = (true, Some(segments));
                self.inspect_sinks(out);
                return Ok(());
            }
            checked?;
            self.end(Ending::AlreadyFinished, out);
            return Ok(());
        }
        // spec: F-6
        if let Some((epoch, starts)) = journal.deaths()
            && starts >= self.config.poison_starts
            && !planted!(R8)
        {
            return Err(Failure::Poisoned { epoch, starts });
        }
        self.wary.is_on = journal.newest_was_silent();
        out.extend(tail_cut(&journal));
        self.open_segment(journal, out);
        Ok(())
    }

    /// Checks that the sinks of a finished job still hold what they held when it ended.
    // spec: K-5
    fn check_finished_sinks(&mut self, journal: &Journal) -> Result<(), Failure> {
        let carried = journal.carried();
        for acknowledged in carried.acknowledged {
            let sink = acknowledged.target.sink;
            if carried.given_up.contains(&sink) {
                continue;
            }
            let unanswered = self.opening().unanswered.contains(&sink);
            if unanswered || !self.sinks.get(sink).keeps_marker(&self.plan) {
                continue;
            }
            let inspected = self.opening().inspected.get(&sink);
            let found = inspected.and_then(|(_, marker)| *marker);
            if found != Some(acknowledged.marker) {
                return Err(Failure::SinkLostData {
                    sink: self.sink_name(sink),
                    detail: format!(
                        "at the end of the job it held {} and now it holds {}",
                        acknowledged.marker,
                        found.map_or("nothing".to_owned(), |marker| marker.to_string())
                    ),
                });
            }
        }
        Ok(())
    }

    /// Refuses a state that belongs to another plan or another meaning of the engine.
    // spec: G-3
    fn check_plan(&self, journal: &Journal) -> Result<(), Failure> {
        let Some(last) = journal.segments.last() else { return Ok(()) };
        if last.header.plan == self.plan_hash && last.header.semantics == SEMANTICS_VERSION {
            return Ok(());
        }
        Err(Failure::PlanChanged {
            found: last.header.plan.to_string(),
            ours: self.plan_hash.to_string(),
        })
    }

    /// Asks for the first segment of a new generation, which continues the journal.
    fn open_segment(&mut self, journal: Journal, out: &mut Vec<Output>) {
        let (plan, binary) = (self.plan_hash, self.config.binary.clone());
        let opening = self.opening();
        let found = opening.inspected.values().filter_map(|(generation, _)| *generation);
        let largest = found.chain(journal.newest_generation).map(|g| g.number).max().unwrap_or(0);
        let generation = Generation { number: largest + 1, nonce: opening.nonce };
        let newest = journal.segments.last().map(|segment| &segment.header);
        let lineage =
            newest.map_or(Lineage { number: 1, nonce: opening.nonce }, |header| header.lineage);
        let mut carried = journal.carried();
        if planted!(J12) {
            carried.acknowledged.retain(|one| !opening.unanswered.contains(&one.target.sink));
        }
        let header = SegmentHeader {
            name: SegmentName { generation, part: 0 },
            lineage,
            parent: newest.and_then(|header| header.parent),
            plan,
            semantics: SEMANTICS_VERSION,
            binary,
            predecessor: journal.predecessor(),
            first_epoch: journal.last_epoch().next(),
            sources: Vec::new(),
            carried,
        };
        let segments = segments_with(&journal, &header);
        opening.journal = journal;
        opening.stage = Stage::Fencing;
        let mut bytes = Vec::new();
        self.encoder = Some(Encoder::open(&header, &mut bytes));
        self.remember_segments(segments);
        self.generation = generation;
        // Request numbers of two generations differ, so that a late answer to a dead
        // incarnation is recognised.
        self.requests = RequestId(generation.number << 40);
        self.lineage = lineage;
        out.push(Output::OpenJournal { segment: header.name, bytes: bytes.into() });
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
        let last_tick = if planted!(W14) { Tick(0) } else { opening.journal.last_tick };
        self.clock.anchor = Tick(self.opening().wall.0.max(last_tick.0 + 1));
        self.clock.last = last_tick;
        let carried = self.opening().journal.carried();
        let last_epoch = self.opening().journal.last_epoch();
        self.wait_for_sinks();
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
            state.recorded = state.acked;
            // spec: K-8
            if carried.given_up.contains(&sink) {
                state.drop_for_good(last_epoch);
                self.opening().settled.insert(sink);
                continue;
            }
            self.open_sink(sink, out);
        }
        self.list_snapshots_if_ready(out)
    }

    /// A sink was opened during the opening.
    pub(super) fn sink_found(
        &mut self,
        sink: SinkId,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        self.opening().settled.insert(sink);
        self.list_snapshots_if_ready(out)
    }

    /// A sink could not be opened: it counts as one that stands at its last journaled
    /// marker, and recovery goes on without it.
    // spec: K-8, S-2
    pub(super) fn sink_lags_at_start(
        &mut self,
        sink: SinkId,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        self.opening().settled.insert(sink);
        self.list_snapshots_if_ready(out)
    }

    /// Goes on without the sinks that have not answered, once they had their time.
    // spec: F-4, K-8, S-2
    pub(super) fn stop_waiting_for_sinks(&mut self, out: &mut Vec<Output>) -> Result<(), Failure> {
        if self.waits_for_sinks().is_none_or(|until| until > self.clock.now) {
            return Ok(());
        }
        let silent: Vec<SinkId> = self.silent_sinks().collect();
        for sink in silent {
            match self.is_at(Stage::Inspecting) {
                true => self.go_on_without_look(sink, "it does not answer", out)?,
                false => self.sink_lags_at_start(sink, out)?,
            }
        }
        Ok(())
    }

    /// The sinks that the stage of the opening waits for.
    pub(super) fn silent_sinks(&self) -> impl Iterator<Item = SinkId> {
        let Phase::Opening(opening) = &self.phase else { panic!("only the opening waits so") };
        let has_answered = |sink: &SinkId| match opening.stage {
            Stage::Inspecting => opening.inspected.contains_key(sink),
            Stage::OpeningSinks => opening.settled.contains(sink),
            Stage::Fencing | Stage::Snapshots | Stage::Loading => true,
        };
        self.sinks.iter().map(|(id, _)| id).filter(move |id| !has_answered(id))
    }

    /// Until when the opening waits for sinks, if it waits for any.
    fn waits_for_sinks(&self) -> Option<Monotonic> {
        match &self.phase {
            Phase::Opening(opening) if self.silent_sinks().next().is_some() => {
                Some(opening.sinks_until)
            }
            _ => None,
        }
    }

    /// When sinks that fail or do not answer are to be looked at again.
    pub(super) fn sink_waits_end_at(&self) -> impl Iterator<Item = Monotonic> {
        let running = matches!(self.phase, Phase::Running);
        let lags = self.sinks.lags_end_at(&self.config, self.clock.now);
        self.waits_for_sinks().into_iter().chain(lags.filter(move |_| running))
    }

    fn list_snapshots_if_ready(&mut self, out: &mut Vec<Output>) -> Result<(), Failure> {
        let sinks = self.sinks.iter().count();
        let opening = self.opening();
        if opening.stage == Stage::OpeningSinks && opening.settled.len() == sinks {
            opening.stage = Stage::Snapshots;
            self.list_snapshots(out);
        }
        Ok(())
    }

    /// Leaves the opening for the replay, with the journal that was read.
    pub(super) fn begin_replay(&mut self, out: &mut Vec<Output>) -> Result<(), Failure> {
        let journal = std::mem::take(&mut self.opening().journal);
        let reach = journal.reaches_back_to();
        if self.epoch < reach {
            let detail = format!(
                "the journal begins with epoch {}, and no snapshot after epoch {reach} or a later \
                 one can be used",
                reach.next()
            );
            return Err(Failure::Damaged { what: Kept::Snapshots, detail });
        }
        let records: Vec<_> = journal.records_after(self.epoch).cloned().collect();
        self.durable = journal.last_epoch();
        self.phase = Phase::Replaying(Box::new(Recovery::new(records)));
        self.replay_next(out)
    }
}

/// The report that something failed and is tried again.
pub(super) fn retrying(what: String, message: String, attempts: u32) -> Output {
    Output::Report(Report::Retrying { what, message, attempts })
}

/// The report of a tail that was cut, if one was.
// spec: J-6
fn tail_cut(journal: &Journal) -> Option<Output> {
    let cut = journal.cut.as_ref()?;
    let detail =
        format!("{} bytes of {} from byte {} on: {}", cut.bytes, cut.segment, cut.at, cut.what);
    Some(Output::Report(Report::TailCut { detail }))
}

/// The segments of the journal and a new one, each with its first epoch.
fn segments_with(journal: &Journal, new: &SegmentHeader) -> Vec<(SegmentName, Epoch)> {
    let found = journal.segments.iter().map(|segment| &segment.header);
    found.chain([new]).map(|header| (header.name, header.first_epoch)).collect()
}
