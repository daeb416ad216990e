//! Reading ahead: which splits there are, what was fetched of them, and which slice
//! comes next.

use super::attempts::Attempts;
use super::io::{Failure, FetchedData, FoundSplit, LogEnd, Output};
use super::start::retrying;
use super::{Phase, Pipeline};
use crate::dataflow::Split;
use crate::executor::Executor;
use crate::format::{RecordBlock, frame};
use crate::ids::{Epoch, Offset, RequestId, SplitId, SplitName, TableId};
use crate::plan::{NodeKind, Plan};
use crate::planted;
use crate::time::{Monotonic, Watermark};
use std::collections::{BTreeMap, VecDeque};

/// A record may be this long; a longer one is a dead record.
const RECORD_BYTES_MAX: u32 = 16 << 20;

/// All splits and tables that are read.
#[derive(Debug, Default)]
pub(super) struct Ingest {
    pub(super) tables: BTreeMap<TableId, TableIngest>,
    /// Invariant: as many as the dataflow has splits once those in `added` have
    /// entered an epoch; by [`SplitId`].
    pub(super) splits: Vec<SplitIngest>,
    /// Splits that were found and have not entered an epoch yet, in the order in
    /// which they will.
    pub(super) added: Vec<SplitId>,
}

/// A table that is read.
#[derive(Debug, Default)]
pub(super) struct TableIngest {
    /// Whether its splits were listed in this incarnation.
    pub(super) discovered: bool,
    /// Whether no split may be added any more.
    fixed: bool,
    /// The listing of its splits.
    listing: Attempts,
    /// When it was asked last.
    asked_at: Monotonic,
    /// How long one of its splits stands at its end before it is idle; `None` if
    /// its splits end, or never are.
    // spec: T-3
    idle_timeout_ms: Option<i64>,
}

/// A split that is read.
#[derive(Debug)]
pub(super) struct SplitIngest {
    pub(super) name: SplitName,
    pub(super) identity: String,
    /// The offset of its first record.
    pub(super) start: Offset,
    /// The offset after the records that epochs took.
    taken_to: Offset,
    /// The offset after everything that is buffered.
    pub(super) fetched_to: Offset,
    /// Records that no epoch has taken yet.
    pub(super) buffer: VecDeque<RecordBlock>,
    buffer_bytes: usize,
    in_flight: Option<RequestId>,
    /// How many bytes the next fetch asks for; grows while a record does not fit.
    fetch_bytes: u32,
    /// Where the reader stood after the last answer.
    pub(super) end: LogEnd,
    /// When it came to stand at its end, or brought something last.
    at_end_since: Option<Monotonic>,
    /// For how long it stood at its end, without bringing anything, when its source
    /// said so last.
    quiet_ns: i64,
    /// How many bytes of a record that has not ended were there last.
    half_record: usize,
    /// Whether the end of the split has entered an epoch.
    pub(super) ended: bool,
    /// Whether it was called idle since its last record.
    pub(super) called_idle: bool,
    pub(super) attempts: u32,
    retry_at: Option<Monotonic>,
}

impl SplitIngest {
    pub(super) fn new(name: SplitName, identity: String, start: Offset, fetch_bytes: u32) -> Self {
        SplitIngest {
            name,
            identity,
            start,
            taken_to: start,
            fetched_to: start,
            buffer: VecDeque::new(),
            buffer_bytes: 0,
            in_flight: None,
            fetch_bytes,
            end: LogEnd::More,
            at_end_since: None,
            quiet_ns: 0,
            half_record: 0,
            ended: false,
            called_idle: false,
            attempts: 0,
            retry_at: None,
        }
    }

    /// Whether its end is reached and waits to enter an epoch.
    pub(super) fn end_is_due(&self) -> bool {
        self.end == LogEnd::Ended && self.buffer.is_empty() && !self.ended
    }

    /// About how many bytes are buffered or on their way. A reader that waits at the
    /// end of its log is expected to bring little.
    fn bytes_held(&self) -> usize {
        let reads = self.in_flight.is_some() && self.end == LogEnd::More;
        self.buffer_bytes + if reads { self.fetch_bytes as usize } else { 0 }
    }

    /// Where the next slice starts.
    pub(super) fn buffered_from(&self) -> Offset {
        self.taken_to
    }

    /// Says that a replay took the split's records up to here.
    pub(super) fn replayed_to(&mut self, offset: Offset) {
        self.taken_to = offset;
        self.fetched_to = offset;
    }

    /// Goes on from where the dataflow stands with the split.
    pub(super) fn resume(&mut self, split: &Split) {
        self.called_idle = split.idle;
        self.ended = split.ended;
        if split.ended {
            self.end = LogEnd::Ended;
        }
    }

    /// Whether its source gave all that there is, and nothing of it waits.
    fn is_quiet(&self) -> bool {
        self.buffer.is_empty() && self.end != LogEnd::More
    }

    /// Notes what an answer says of the split's end. Only the source can say that
    /// the reader stands there; that nobody answers says nothing.
    // spec: T-3
    fn note_end(&mut self, end: LogEnd, brought: bool, now: Monotonic) {
        self.end = end;
        if end != LogEnd::AtEnd {
            self.at_end_since = None;
        } else if brought || self.at_end_since.is_none() {
            self.at_end_since = Some(now);
        }
        self.quiet_ns = self.at_end_since.map_or(0, |since| now.0 - since.0);
    }

    /// Whether it may still have records that were not taken.
    fn has_unread(&self) -> bool {
        !self.buffer.is_empty() || self.end == LogEnd::More
    }

    /// Takes the first whole block, or as much of it as is about `bytes_max`.
    pub(super) fn take_slice(&mut self, bytes_max: usize) -> Option<RecordBlock> {
        let block = self.buffer.pop_front()?;
        let (first, rest) = split_block(block, bytes_max);
        self.buffer_bytes -= first.data.len();
        if let Some(rest) = rest {
            self.buffer.push_front(rest);
        }
        self.called_idle = false;
        self.taken_to = Offset(first.end_offset);
        Some(first)
    }
}

/// Cuts a block behind the first record that reaches `bytes_max`.
fn split_block(block: RecordBlock, bytes_max: usize) -> (RecordBlock, Option<RecordBlock>) {
    if block.data.len() <= bytes_max {
        return (block, None);
    }
    let cut = block.records.partition_point(|record| (record.start as usize) < bytes_max).max(1);
    if cut >= block.records.len() {
        return (block, None);
    }
    let at = block.records[cut];
    let start = at.start;
    let first = RecordBlock {
        data: block.data.slice(..start as usize),
        records: block.records[..cut].to_vec(),
        end_offset: at.offset,
    };
    let mut rest = block.records[cut..].to_vec();
    for record in &mut rest {
        record.start -= start;
        record.end -= start;
    }
    let rest = RecordBlock {
        data: block.data.slice(start as usize..),
        records: rest,
        end_offset: block.end_offset,
    };
    (first, Some(rest))
}

impl Ingest {
    pub(super) fn new(plan: &Plan) -> Ingest {
        let mut ingest = Ingest::default();
        for node in &plan.nodes {
            if let NodeKind::Scan(scan) = &node.kind {
                let table = plan.table(scan.table);
                let idle_timeout_ms = match table.bounded {
                    true => None,
                    false => table.idle_timeout_ms(),
                };
                let ingest_of = TableIngest { idle_timeout_ms, ..TableIngest::default() };
                ingest.tables.insert(scan.table, ingest_of);
            }
        }
        ingest
    }

    pub(super) fn split(&self, id: SplitId) -> &SplitIngest {
        &self.splits[id.0 as usize]
    }

    pub(super) fn split_mut(&mut self, id: SplitId) -> &mut SplitIngest {
        &mut self.splits[id.0 as usize]
    }

    /// After a replay: the splits of a bounded table are those of its first epoch,
    /// for good.
    pub(super) fn fix_bounded_tables(&mut self, epoch: Epoch, plan: &Plan) {
        for (id, table) in &mut self.tables {
            table.fixed = plan.table(*id).bounded && epoch > Epoch(0);
        }
    }

    /// The splits whose failed fetch is to be tried again now.
    pub(super) fn take_due_retries(&mut self, now: Monotonic) -> Vec<SplitId> {
        let mut due = Vec::new();
        for (index, split) in self.splits.iter_mut().enumerate() {
            if split.retry_at.is_some_and(|at| at <= now) {
                split.retry_at = None;
                due.push(SplitId(index as u32));
            }
        }
        due
    }

    /// The tables whose splits were never listed, and whether listing them failed.
    pub(super) fn unlisted(&self) -> impl Iterator<Item = (TableId, bool)> {
        let unlisted = self.tables.iter().filter(|(_, table)| !table.discovered);
        unlisted.map(|(id, table)| (*id, table.listing.has_failed()))
    }

    /// Whether every table's splits were listed once.
    pub(super) fn is_discovered(&self) -> bool {
        self.tables.values().all(|table| table.discovered)
    }

    /// Whether no record will ever come again: every table is bounded and every
    /// split has ended.
    pub(super) fn is_done(&self, plan: &Plan) -> bool {
        self.is_discovered()
            && self.tables.keys().all(|table| plan.table(*table).bounded)
            && self.splits.iter().all(|split| split.ended)
    }

    /// Whether a split becomes idle: its source said that the reader had stood at
    /// the end of the log for long enough, and nothing fetched waits. A split that
    /// we paused, or that cannot be read, has no such answer.
    // spec: T-3
    pub(super) fn is_idle(&self, split: &SplitIngest) -> bool {
        let table = self.tables.get(&split.name.table);
        let Some(timeout) = table.and_then(|table| table.idle_timeout_ms) else { return false };
        let is_drained = split.buffer.is_empty() || planted!(W3);
        let at_end = split.end == LogEnd::AtEnd && is_drained;
        let long_enough = split.quiet_ns >= timeout.saturating_mul(1_000_000);
        at_end && long_enough && !split.called_idle && !split.ended
    }

    /// Whether every source gave all that there is, and all of it was taken.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_discovered() && self.splits.iter().all(SplitIngest::is_quiet)
    }
}

impl Pipeline {
    /// Asks for the splits of tables that were not asked yet, and from time to time
    /// for new ones of tables that grow.
    pub(super) fn ask_for_splits(&mut self, out: &mut Vec<Output>) {
        if self.stopping {
            return;
        }
        let (now, every) = (self.clock.now, self.config.discover_ms);
        for (id, table) in &mut self.ingest.tables {
            let grows = !self.plan.table(*id).bounded;
            let due = match table.listing.waits() {
                true => table.listing.is_due(now),
                false => {
                    !table.discovered || (grows && now.0 >= table.asked_at.0 + every * 1_000_000)
                }
            };
            if due && !table.listing.is_awaited() {
                self.requests.0 += 1;
                table.listing.ask(self.requests);
                table.asked_at = now;
                out.push(Output::DiscoverSplits { request: self.requests, table: *id });
            }
        }
    }

    /// When each table that grows is asked next.
    pub(super) fn discoveries_at(&self) -> impl Iterator<Item = Monotonic> {
        self.ingest
            .tables
            .iter()
            .filter(|(id, table)| {
                let grows = !self.plan.table(**id).bounded;
                grows && !table.listing.is_awaited() && !table.listing.waits()
            })
            .map(|(_, table)| Monotonic(table.asked_at.0 + self.config.discover_ms * 1_000_000))
    }

    /// When the splits of each table whose listing failed are listed again.
    pub(super) fn discover_retries_at(&self) -> impl Iterator<Item = Monotonic> {
        self.ingest.tables.values().filter_map(|table| table.listing.retry_at())
    }

    /// A table's splits could not be listed: it is tried again, or the job has failed.
    // spec: F-2
    pub(super) fn discover_failed(
        &mut self,
        request: RequestId,
        id: TableId,
        transient: bool,
        message: String,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        let Some(table) = self.ingest.tables.get_mut(&id) else { return Ok(()) };
        if !table.listing.take(request) {
            return Ok(());
        }
        let (now, config) = (self.clock.now, &self.config);
        let attempts = transient.then(|| table.listing.fail(now, config)).flatten();
        let name = self.plan.table(id).name.clone();
        let Some(attempts) = attempts else {
            return Err(Failure::TableFailed { table: name, message });
        };
        out.push(retrying(format!("table {name}"), message, attempts));
        Ok(())
    }

    pub(super) fn splits_found(
        &mut self,
        request: RequestId,
        table: TableId,
        mut found: Vec<FoundSplit>,
    ) -> Result<(), Failure> {
        let listing = self.ingest.tables.get_mut(&table).map(|table| &mut table.listing);
        if !listing.is_some_and(|listing| listing.take(request)) {
            return Ok(());
        }
        // The order in which they are numbered shows nowhere, but a fixed one makes
        // traces equal.
        found.sort_by(|a, b| a.name.cmp(&b.name));
        for split in found {
            let name = SplitName { table, name: split.name };
            let known = self.ingest.splits.iter().find(|known| known.name == name);
            if let Some(known) = known {
                if known.identity != split.identity {
                    let detail = format!("it was {} and is now {}", known.identity, split.identity);
                    return Err(Failure::source_changed(&self.plan, &name, detail));
                }
                continue;
            }
            if self.ingest.tables[&table].fixed {
                continue;
            }
            let id = SplitId(self.ingest.splits.len() as u32);
            self.ingest.splits.push(SplitIngest::new(
                name,
                split.identity,
                split.start,
                self.config.fetch_bytes,
            ));
            self.ingest.added.push(id);
        }
        let table =
            self.ingest.tables.get_mut(&table).expect("only tables that are read are asked");
        table.discovered = true;
        table.listing.succeed();
        Ok(())
    }

    /// Asks for data of every split that has room and is not too far ahead.
    pub(super) fn ask_for_data(&mut self, out: &mut Vec<Output>) {
        if self.stopping {
            return;
        }
        let ahead = self.too_far_ahead();
        let mut held = self.ingest.splits.iter().map(SplitIngest::bytes_held).sum::<usize>();
        let order = self.lowest_first();
        let lowest = order.iter().copied().find(|index| self.ingest.splits[*index].has_unread());
        for index in order {
            let now = self.clock.now;
            let split = &self.ingest.splits[index];
            let waits = split.retry_at.is_some_and(|at| at > now) || ahead[index];
            let full = split.buffer_bytes >= self.config.split_buffer_bytes_max;
            if split.in_flight.is_some() || waits || full || split.end == LogEnd::Ended {
                continue;
            }
            // Beyond the limit over all splits only one is read on: the lowest that has
            // unread data, for which the others may have to wait.
            // spec: F-5, T-7
            if held >= self.config.buffer_bytes_max && Some(index) != lowest {
                continue;
            }
            held += split.fetch_bytes as usize;
            self.fetch_split(index, out);
        }
    }

    /// The splits by their watermarks, the lowest first.
    fn lowest_first(&self) -> Vec<usize> {
        let known = self.dataflow.splits();
        let watermark = |index: &usize| {
            let split = known.try_get(SplitId(*index as u32));
            split.map_or(Watermark::NONE, |split| split.watermark)
        };
        let mut order: Vec<usize> = (0..self.ingest.splits.len()).collect();
        order.sort_by_key(watermark);
        order
    }

    fn fetch_split(&mut self, index: usize, out: &mut Vec<Output>) {
        let request = self.request();
        let split = &mut self.ingest.splits[index];
        split.in_flight = Some(request);
        split.retry_at = None;
        out.push(Output::Fetch {
            request,
            split: SplitId(index as u32),
            name: split.name.clone(),
            from: split.fetched_to,
            until: None,
            bytes_max: split.fetch_bytes,
            wait: split.end == LogEnd::AtEnd,
        });
    }

    /// For each split whether it waits because it is ahead of the lowest split with
    /// unread data by more than the allowed drift.
    // spec: T-7
    pub(super) fn too_far_ahead(&self) -> Vec<bool> {
        let none = vec![false; self.ingest.splits.len()];
        let Some(drift) = self.plan.options.max_drift_ms else {
            return none;
        };
        let watermark = |index: usize| {
            let known = self.dataflow.splits().try_get(SplitId(index as u32));
            known.map_or(Watermark::NONE, |split| split.watermark)
        };
        let keeps_time =
            |split: &SplitIngest| self.plan.table(split.name.table).watermark.is_some();
        let lowest = self
            .ingest
            .splits
            .iter()
            .enumerate()
            .filter(|(_, split)| keeps_time(split) && split.has_unread())
            .map(|(index, _)| watermark(index))
            .min();
        let Some(lowest) = lowest else { return none };
        let limit = lowest.0.saturating_add(drift);
        self.ingest
            .splits
            .iter()
            .enumerate()
            .map(|(index, split)| keeps_time(split) && watermark(index).0 > limit)
            .collect()
    }

    pub(super) fn fetched(
        &mut self,
        request: RequestId,
        split: SplitId,
        data: FetchedData,
        end: LogEnd,
        executor: &dyn Executor,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        if matches!(self.phase, Phase::Replaying(_)) {
            return self.replay_fetched(request, split, data, end, executor, out);
        }
        let now = self.clock.now;
        let format = self.plan.table(self.ingest.split(split).name.table).format.clone();
        let (fetch_bytes, retry_ns) = (self.config.fetch_bytes, self.config.retry_ms * 1_000_000);
        let state = self.ingest.split_mut(split);
        // An answer to a request that is not the newest says nothing.
        if state.in_flight != Some(request) && !planted!(R2) {
            return Ok(());
        }
        state.in_flight = None;
        state.attempts = 0;
        let mut grew = false;
        let block = match data {
            FetchedData::Records(block) => {
                // A reader whose position was reset gives what was read once already.
                // spec: J-7
                let first = block.records.first().map(|record| Offset(record.offset));
                if let Some(first) = first.filter(|first| *first < state.fetched_to)
                    && !planted!(R3)
                {
                    let detail =
                        format!("asked from {} on, it begins at {first}", state.fetched_to);
                    return Err(Failure::source_changed(&self.plan, &state.name, detail));
                }
                block
            }
            FetchedData::Bytes(bytes) => {
                let length = bytes.len();
                let framed = frame(&format, bytes, state.fetched_to, end == LogEnd::Ended);
                let stuck = framed.consumed == 0 && length > 0;
                // A record that does not fit is asked for again, with more.
                state.fetch_bytes = match (stuck, end) {
                    (true, LogEnd::More) => (state.fetch_bytes * 2).min(RECORD_BYTES_MAX * 2),
                    // Asked for less, half a long record would not seem to be the end.
                    (true, LogEnd::AtEnd) => state.fetch_bytes,
                    _ => fetch_bytes,
                };
                if stuck && end == LogEnd::AtEnd {
                    // Half a record: the source would give it again at once.
                    state.retry_at = Some(Monotonic(now.0 + retry_ns));
                }
                let half = length - framed.consumed;
                grew = half != std::mem::replace(&mut state.half_record, half);
                let mut block = framed.block;
                // What lies behind the last whole record is fetched again with what
                // follows; it must not be counted twice.
                block.data.truncate(framed.consumed);
                block
            }
        };
        let new_data = block.end_offset > state.fetched_to.0;
        state.fetched_to = state.fetched_to.max(Offset(block.end_offset));
        state.note_end(end, new_data || grew, now);
        if new_data {
            state.buffer_bytes += block.data.len();
            state.buffer.push_back(block);
        }
        Ok(())
    }

    pub(super) fn fetch_failed(
        &mut self,
        request: RequestId,
        split: SplitId,
        transient: bool,
        message: String,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        match self.take_fetch(request, split) {
            true => self.read_again_later(split, transient, message, out),
            false => Ok(()),
        }
    }

    /// Waits before a split is read again, or gives up.
    // spec: F-2
    pub(super) fn read_again_later(
        &mut self,
        split: SplitId,
        transient: bool,
        message: String,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        let now = self.clock.now;
        let (retry_ms, attempts_max) = (self.config.retry_ms, self.config.attempts_max);
        let state = self.ingest.split_mut(split);
        state.attempts += 1;
        let (name, attempts) = (state.name.name.clone(), state.attempts);
        if !transient || attempts >= attempts_max {
            let table = self.plan.table(state.name.table).name.clone();
            return Err(Failure::SourceFailed { table, split: name, message });
        }
        let wait = super::wake::backoff_ms(retry_ms, attempts);
        state.retry_at = Some(Monotonic(now.0 + wait * 1_000_000));
        out.push(retrying(format!("split {name}"), message, attempts));
        Ok(())
    }

    /// A split does not have any more what it had.
    // spec: J-7
    pub(super) fn split_changed(
        &mut self,
        request: RequestId,
        split: SplitId,
        detail: String,
    ) -> Result<(), Failure> {
        if !self.take_fetch(request, split) {
            return Ok(());
        }
        let state = self.ingest.split_mut(split);
        if planted!(R3) && matches!(self.phase, Phase::Running) {
            // What is gone is passed over until something is there again.
            state.fetched_to.0 += 1;
            return Ok(());
        }
        Err(Failure::source_changed(&self.plan, &state.name, detail))
    }

    /// Whether the answer to this request is awaited; from now on it is not.
    fn take_fetch(&mut self, request: RequestId, split: SplitId) -> bool {
        match &mut self.phase {
            Phase::Replaying(recovery) => recovery.take(request),
            _ => self.ingest.split_mut(split).in_flight.take_if(|one| *one == request).is_some(),
        }
    }

    /// When each failed fetch is tried again.
    pub(super) fn fetch_retries_at(&self) -> impl Iterator<Item = Monotonic> {
        self.ingest.splits.iter().filter_map(|split| split.retry_at)
    }
}
