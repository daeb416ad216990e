//! The sources: splits that grow by the plan's script, and lose what faults take.

use super::shown::Piece;
use crate::plan::{RecordKind, RecordName, SourceFault, SplitInput, SplitShape};
use crate::time::VirtualTime;
use anabranch_engine::format::{RecordBlock, RecordRef};
use anabranch_engine::ids::{Offset, SplitName, TableId};
use anabranch_engine::pipeline::{FetchedData, FoundSplit, LogEnd};
use anabranch_engine::plan::Plan;
use bytes::Bytes;
use std::collections::BTreeSet;

/// A split of the world.
///
/// All that will ever arrive is laid out once; what has arrived is a prefix of it. A
/// reader is given slices of it, and nothing is copied.
#[derive(Clone, Debug)]
pub struct SourceSplit {
    /// Its name.
    pub name: SplitName,
    /// The name of its table.
    pub table: String,
    /// What it looks like.
    pub shape: SplitShape,
    /// When it comes into being.
    pub added: VirtualTime,
    ended: Option<VirtualTime>,
    bounded: bool,
    /// Counts how often it was made anew.
    incarnation: u32,
    data: Bytes,
    entries: Vec<Entry>,
    /// How many entries have arrived.
    arrived: usize,
    /// How many of them retention took.
    retained_from: usize,
    compacted: BTreeSet<u64>,
    /// Whether the next read is answered from the beginning.
    rewound: bool,
    /// How much it does not give any more that it had given, or would have, and that nobody
    /// was told of.
    lost: u64,
    /// The offset behind all whole records that it ever gave.
    given_to: u64,
    /// Whether a plan may let it hold other things than its script says.
    pub(super) may_change: bool,
    /// Whether it did.
    pub(super) has_changed: bool,
}

/// One arrival, laid out.
#[derive(Clone, Debug)]
struct Entry {
    number: u64,
    at: VirtualTime,
    /// Its first offset, and the one behind its last.
    offset: u64,
    end: u64,
    /// Its bytes in `data`.
    from: u32,
    to: u32,
    timestamp_ms: Option<i64>,
    is_record: bool,
}

/// What a reader is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Data(FetchedData, LogEnd),
    /// What was asked for is gone, or never was.
    OutOfRange(String),
}

impl SourceSplit {
    /// Lays out a split.
    ///
    /// # Errors
    /// If the job has no such table, or the input makes no sense.
    pub fn new(input: &SplitInput, job: &Plan) -> Result<SourceSplit, String> {
        let found = job.tables.iter().find(|table| table.name == input.table);
        let table = found.ok_or_else(|| format!("the job has no table {}", input.table))?;
        let mut split = SourceSplit {
            name: SplitName { table: table.id, name: input.name.clone() },
            table: input.table.clone(),
            shape: input.shape,
            added: input.added,
            ended: input.ended,
            bounded: table.bounded,
            incarnation: 0,
            data: Bytes::new(),
            entries: Vec::with_capacity(input.records.len()),
            arrived: 0,
            retained_from: 0,
            compacted: BTreeSet::new(),
            rewound: false,
            lost: 0,
            given_to: 0,
            may_change: false,
            has_changed: false,
        };
        let mut data = Vec::new();
        for record in &input.records {
            let from = data.len();
            let (mut timestamp_ms, mut width) = (None, 1);
            match (&record.kind, input.shape) {
                (RecordKind::Whole { value, timestamp_ms: own }, shape) => {
                    data.extend_from_slice(value);
                    timestamp_ms = *own;
                    if shape == SplitShape::File {
                        data.push(b'\n');
                    }
                }
                (RecordKind::Raw(bytes), SplitShape::File) => data.extend_from_slice(bytes),
                (RecordKind::Gap { offsets }, SplitShape::Log) => width = u64::from(*offsets),
                (RecordKind::Raw(_), SplitShape::Log) => {
                    return Err(format!("{}: a log holds whole records only", split.label()));
                }
                (RecordKind::Gap { .. }, SplitShape::File) => {
                    return Err(format!("{}: a file has no gaps", split.label()));
                }
            }
            let start = split.entries.last().map_or(0, |entry| entry.end);
            let (from, to) = (from as u32, data.len() as u32);
            if input.shape == SplitShape::File {
                width = u64::from(to - from);
            }
            let at = split.entries.last().map_or(record.at, |entry| entry.at.max(record.at));
            split.entries.push(Entry {
                number: record.number,
                at,
                offset: start,
                end: start + width,
                from,
                to,
                timestamp_ms,
                is_record: !matches!(record.kind, RecordKind::Gap { .. }),
            });
        }
        split.data = data.into();
        Ok(split)
    }

    /// `table/name`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}/{}", self.table, self.name.name)
    }

    /// Whether a plan means this split.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        name == self.name.name
            || name
                .split_once('/')
                .is_some_and(|(table, rest)| table == self.table && rest == self.name.name)
    }

    /// When the split next changes: something arrives, it comes into being, or it ends.
    pub(super) fn next_change(&self, now: VirtualTime) -> Option<VirtualTime> {
        let arrival = self.entries.get(self.arrived).map(|entry| entry.at);
        let others = [Some(self.added), self.ended];
        let later = others.into_iter().flatten().filter(|at| *at > now);
        arrival.into_iter().chain(later).min()
    }

    /// The offset behind the last whole record.
    pub(super) fn whole_end_offset(&self) -> u64 {
        if self.shape == SplitShape::Log {
            return self.end_offset();
        }
        let arrived = &self.data[..self.end_offset() as usize];
        arrived.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1)
    }

    /// Lets everything arrive that is due, and gives whether something did.
    pub(super) fn arrive(&mut self, now: VirtualTime) -> bool {
        let before = self.arrived;
        while self.entries.get(self.arrived).is_some_and(|entry| entry.at <= now) {
            self.arrived += 1;
        }
        self.arrived > before
    }

    /// When the split's last change is.
    pub(super) fn last_change(&self) -> VirtualTime {
        let last = self.entries.last().map_or(VirtualTime(0), |entry| entry.at);
        last.max(self.added).max(self.ended.unwrap_or_default())
    }

    /// The offset behind everything that has arrived.
    #[must_use]
    pub fn end_offset(&self) -> u64 {
        self.arrived.checked_sub(1).map_or(0, |last| self.entries[last].end)
    }

    /// The offset of a record that a plan names.
    #[must_use]
    pub fn offset_of(&self, record: &RecordName) -> Option<u64> {
        let entry = self.entries.iter().find(|entry| entry.number == record.number);
        entry.map(|entry| entry.offset)
    }

    /// The number of the record at an offset.
    #[must_use]
    pub fn number_at(&self, offset: u64) -> Option<u64> {
        let place = self.entries.binary_search_by_key(&offset, |entry| entry.offset).ok()?;
        Some(self.entries[place].number)
    }

    /// How the split is listed.
    pub(super) fn found(&self) -> FoundSplit {
        let start = self.entries.get(self.retained_from).map_or(0, |entry| entry.offset);
        FoundSplit {
            name: self.name.name.clone(),
            start: Offset(if self.retained_from == 0 { 0 } else { start }),
            identity: format!("sim:{}:{}", self.label(), self.incarnation),
        }
    }

    /// Whether it is known that nothing more will come.
    fn has_ended(&self, now: VirtualTime) -> bool {
        match self.ended {
            Some(ended) => now >= ended && self.arrived == self.entries.len(),
            None => self.bounded && self.arrived == self.entries.len(),
        }
    }

    /// From where a reader reads that asks for this offset: its position may have been
    /// reset, once.
    pub(super) fn position(&mut self, asked: Offset) -> Offset {
        if !std::mem::take(&mut self.rewound) {
            return asked;
        }
        let start = self.found().start;
        self.lost += u64::from(start != asked);
        start
    }

    /// How much was lost since this was asked last.
    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Whether a reader at an offset has everything, and more may come.
    pub(super) fn stands_at_end(&self, now: VirtualTime, from: Offset) -> bool {
        let is_whole = self.retained_from == 0;
        is_whole && from.0 == self.end_offset() && !self.has_ended(now)
    }

    /// Reads from an offset on.
    pub(super) fn read(
        &self,
        now: VirtualTime,
        from: Offset,
        until: Option<Offset>,
        bytes_max: u32,
    ) -> Reading {
        let start = self.entries.get(self.retained_from).map_or(0, |entry| entry.offset);
        if from.0 > self.end_offset() || (self.retained_from > 0 && from.0 < start) {
            return Reading::OutOfRange(format!(
                "offset {from} of {} is out of range {start} to {}",
                self.label(),
                self.end_offset()
            ));
        }
        let (data, end) = match self.shape {
            SplitShape::File => self.bytes(from, until, bytes_max),
            SplitShape::Log => self.records(from, until, bytes_max),
        };
        let end = match (end == self.end_offset(), self.has_ended(now)) {
            (false, _) => LogEnd::More,
            (true, true) => LogEnd::Ended,
            (true, false) => LogEnd::AtEnd,
        };
        Reading::Data(data, end)
    }

    fn bytes(&self, from: Offset, until: Option<Offset>, max: u32) -> (FetchedData, u64) {
        let stop = until.map_or(u64::MAX, |until| until.0).min(self.end_offset());
        let stop = stop.min(from.0 + u64::from(max)).max(from.0);
        (FetchedData::Bytes(self.data.slice(from.0 as usize..stop as usize)), stop)
    }

    /// Whole records: one at least, if there is one.
    fn records(&self, from: Offset, until: Option<Offset>, max: u32) -> (FetchedData, u64) {
        let first = self.entries[..self.arrived].partition_point(|entry| entry.end <= from.0);
        let mut block = RecordBlock { end_offset: from.0, ..RecordBlock::default() };
        let base = self.entries.get(first).map_or(0, |entry| entry.from);
        let mut to = base;
        for entry in &self.entries[first..self.arrived] {
            let is_full = !block.records.is_empty() && entry.to - base > max;
            if is_full || until.is_some_and(|until| until.0 <= entry.offset) {
                break;
            }
            block.end_offset = until.map_or(entry.end, |until| entry.end.min(until.0));
            if entry.is_record && !self.compacted.contains(&entry.number) {
                block.records.push(RecordRef {
                    offset: entry.offset,
                    start: entry.from - base,
                    end: entry.to - base,
                    timestamp_ms: entry.timestamp_ms,
                });
            }
            to = entry.to;
        }
        block.data = self.data.slice(base as usize..to as usize);
        let end = block.end_offset;
        (FetchedData::Records(block), end)
    }

    /// A reader is given this, from an offset on. Half a line at the end is none of it, unless
    /// nothing follows: it is read again.
    pub(super) fn gives(&mut self, data: &FetchedData, from: u64, end: LogEnd) {
        let to = match data {
            FetchedData::Bytes(bytes) if end == LogEnd::Ended => from + bytes.len() as u64,
            FetchedData::Bytes(bytes) => {
                let last = bytes.iter().rposition(|byte| *byte == b'\n');
                last.map_or(from, |last| from + last as u64 + 1)
            }
            FetchedData::Records(block) => block.end_offset,
        };
        self.given_to = self.given_to.max(to);
    }

    /// All that it holds, or will, also what retention took.
    pub(super) fn held(&self) -> Piece {
        let to = self.entries.last().map_or(0, |entry| entry.end);
        let data = match self.shape {
            SplitShape::File => FetchedData::Bytes(self.data.clone()),
            SplitShape::Log => {
                let is_there =
                    |entry: &&Entry| entry.is_record && !self.compacted.contains(&entry.number);
                let records = self.entries.iter().filter(is_there).map(|entry| RecordRef {
                    offset: entry.offset,
                    start: entry.from,
                    end: entry.to,
                    timestamp_ms: entry.timestamp_ms,
                });
                let (data, records) = (self.data.clone(), records.collect());
                FetchedData::Records(RecordBlock { data, records, end_offset: to })
            }
        };
        Piece { from: 0, to, data }
    }

    /// Lets something happen to the split; gives whether it could.
    pub(super) fn suffer(&mut self, fault: SourceFault) -> bool {
        match fault {
            SourceFault::Retain { keep } => {
                let from = self.arrived.saturating_sub(keep as usize);
                let moved = from > self.retained_from && self.shape == SplitShape::Log;
                if moved {
                    self.lost += (from - self.retained_from) as u64;
                    self.retained_from = from;
                }
                moved
            }
            SourceFault::Truncate { records } => {
                let stay = self.arrived.saturating_sub(records as usize);
                let changed = stay < self.arrived;
                if changed {
                    // What nobody was given was never there.
                    let gone = &self.entries[stay..self.arrived];
                    let given = gone.iter().filter(|entry| entry.offset < self.given_to);
                    self.lost += given.count() as u64;
                    self.rebuild(0..stay);
                }
                changed
            }
            SourceFault::Rewind => {
                self.rewound = self.shape == SplitShape::Log;
                self.rewound
            }
            SourceFault::Recreate => {
                // With its identity goes all that it gave, be it nothing.
                self.lost += 1 + self.arrived as u64;
                self.rebuild(0..0);
                self.incarnation += 1;
                true
            }
            SourceFault::Compact { number } => {
                let entry = self.entries.iter().find(|entry| entry.number == number);
                let is_there = self.shape == SplitShape::Log
                    && entry.is_some()
                    && self.compacted.insert(number);
                let is_given = entry.is_some_and(|entry| entry.offset < self.given_to);
                self.lost += u64::from(is_there && is_given);
                self.has_changed |= is_there;
                is_there
            }
        }
    }

    /// Keeps these entries, and lays what has not arrived yet out behind them.
    fn rebuild(&mut self, stay: std::ops::Range<usize>) {
        self.has_changed = true;
        let later = self.entries.split_off(self.arrived);
        self.entries.truncate(stay.end);
        self.arrived = self.entries.len();
        self.retained_from = self.retained_from.min(self.arrived);
        let mut data =
            self.entries.last().map_or(&[][..], |last| &self.data[..last.to as usize]).to_vec();
        for mut entry in later {
            let bytes = &self.data[entry.from as usize..entry.to as usize];
            let width = entry.end - entry.offset;
            entry.from = data.len() as u32;
            data.extend_from_slice(bytes);
            entry.to = data.len() as u32;
            entry.offset = self.entries.last().map_or(0, |last| last.end);
            entry.end = entry.offset + width;
            self.entries.push(entry);
        }
        self.data = data.into();
    }
}

/// The splits of a table that exist at a moment.
pub(super) fn listed(splits: &[SourceSplit], table: TableId, now: VirtualTime) -> Vec<FoundSplit> {
    let exist = splits.iter().filter(|split| split.name.table == table && split.added <= now);
    exist.map(SourceSplit::found).collect()
}
