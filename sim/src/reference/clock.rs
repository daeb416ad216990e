//! Reading the logs epoch by epoch: the watermarks of splits and operators, and the
//! marks that are found in the journal.

use super::Case;
use super::decode::{Decoded, decode};
use super::eval::{Env, eval};
use super::expected::{Discord, EpochTimes, Source};
use super::log::SplitLog;
use anabranch_engine::ids::{NodeId, SplitName, TableId};
use anabranch_engine::journal::{Control, ControlRecord, EpochRecord, SliceRecord};
use anabranch_engine::plan::{NodeKind, Plan, Scan, Window, WindowAggregate, WindowAssign};
use anabranch_engine::time::{Tick, Watermark};
use std::collections::{BTreeMap, BTreeSet};

/// Below every watermark.
pub(super) const NEVER: i64 = i64::MIN;
/// Above every watermark.
const END: i64 = i64::MAX;

/// A record that an epoch took.
pub(super) struct Read {
    pub(super) source: Source,
    pub(super) epoch: usize,
    /// The split's watermark before it.
    pub(super) before: i64,
    pub(super) decoded: Decoded,
}

/// All that was read.
#[derive(Default)]
pub(super) struct Reading {
    /// The records by split and offset.
    pub(super) records: Vec<Read>,
    /// For each split its log, by its place.
    pub(super) logs: Vec<usize>,
    pub(super) splits: Vec<SplitName>,
    pub(super) times: Vec<EpochTimes>,
    pub(super) discords: Vec<Discord>,
}

/// What is known of a split.
#[derive(Clone, Copy, Debug)]
struct Split {
    table: TableId,
    log: usize,
    watermark: i64,
    idle: bool,
    ended: bool,
    /// The offset behind what epochs took.
    at: u64,
}

/// How far what feeds a node has come.
#[derive(Clone, Copy, Debug)]
struct Front {
    /// The lowest watermark of those that may still move; `None` if nobody may.
    lowest: Option<i64>,
    /// The highest watermark of a split that ended.
    ended: i64,
    /// Whether all tables are bounded.
    bounded: bool,
}

struct Clock<'a> {
    case: Case<'a>,
    scans: BTreeMap<TableId, &'a Scan>,
    /// For each node the tables that feed it, directly or through others.
    tables: Vec<BTreeSet<TableId>>,
    splits: Vec<Split>,
    operators: BTreeMap<NodeId, i64>,
    reading: Reading,
}

/// Reads the logs as far as the epochs reached.
pub(super) fn read(case: Case<'_>) -> Reading {
    let scan = |node: &'_ anabranch_engine::plan::Node| match &node.kind {
        NodeKind::Scan(_) => Some(node.id),
        _ => None,
    };
    let scans = case.plan.nodes.iter().filter_map(scan).map(|id| match &case.plan.node(id).kind {
        NodeKind::Scan(scan) => (scan.table, scan),
        _ => unreachable!("only scans were kept"),
    });
    let mut clock = Clock {
        case,
        scans: scans.collect(),
        tables: feeding_tables(case.plan),
        splits: Vec::new(),
        operators: operators(case.plan).map(|id| (id, NEVER)).collect(),
        reading: Reading::default(),
    };
    for (index, record) in case.epochs.iter().enumerate() {
        clock.epoch(index, record);
    }
    clock.check_ends();
    clock.reading.records.sort_by_key(|read| read.source);
    clock.reading
}

/// Nodes that keep state until time passes.
pub(super) fn operators(plan: &Plan) -> impl Iterator<Item = NodeId> + '_ {
    plan.nodes.iter().filter(|node| window_lag(&node.kind).is_some()).map(|node| node.id)
}

/// How far the output watermark of a window operator lies below its own: a row's time is
/// its window's end less 1 ms. `None` for other nodes.
// spec: T-5
fn window_lag(kind: &NodeKind) -> Option<i64> {
    match kind {
        // A window that has not fired has end - 1 + lateness above the watermark.
        NodeKind::WindowAggregate(WindowAggregate {
            window: Window::Tumble { .. } | Window::Hop { .. } | Window::Cumulate { .. },
            allowed_lateness_ms,
            ..
        }) => Some(*allowed_lateness_ms),
        // A session that has not fired has end + lateness above it.
        NodeKind::WindowAggregate(WindowAggregate { allowed_lateness_ms, .. }) => {
            Some(*allowed_lateness_ms + 1)
        }
        NodeKind::WindowAssign(WindowAssign { window: Window::Session { .. }, .. }) => Some(1),
        _ => None,
    }
}

/// For each node the tables that feed it.
pub(super) fn feeding_tables(plan: &Plan) -> Vec<BTreeSet<TableId>> {
    let mut all: Vec<BTreeSet<TableId>> = Vec::new();
    for node in &plan.nodes {
        let mut tables: BTreeSet<TableId> =
            node.inputs.iter().flat_map(|input| all[input.0 as usize].clone()).collect();
        if let NodeKind::Scan(scan) = &node.kind {
            tables.insert(scan.table);
        }
        all.push(tables);
    }
    all
}

impl<'a> Clock<'a> {
    fn discord(
        &mut self,
        oracle: &'static str,
        kind: &'static str,
        record: &EpochRecord,
        split: Option<usize>,
        what: String,
    ) {
        let split = split.map(|split| self.reading.splits[split].clone());
        self.reading.discords.push(Discord { oracle, kind, epoch: record.epoch, split, what });
    }

    fn epoch(&mut self, index: usize, record: &EpochRecord) {
        if let Some(before) = self.reading.times.last() {
            let (epoch, tick) = (before.epoch, before.tick);
            if record.epoch != epoch.next() {
                let what = format!("it follows epoch {epoch}");
                self.discord("S8", "epochs", record, None, what);
            }
            if record.tick <= tick {
                let what = format!("its tick {} is not above {}", record.tick.0, tick.0);
                self.discord("S7", "tick", record, None, what);
            }
        }
        let mut marks: BTreeMap<usize, Vec<&ControlRecord>> = BTreeMap::new();
        for control in &record.controls {
            match &control.control {
                Control::Added { name, watermark, .. } => {
                    self.add(record, control, name, *watermark);
                }
                Control::Advance(_) | Control::IdleMark | Control::Ended => {
                    marks.entry(control.split.0 as usize).or_default().push(control);
                }
            }
        }
        let mut told = BTreeMap::new();
        for slice in &record.slices {
            let split = slice.split.0 as usize;
            if split >= self.splits.len() {
                let what = format!("a slice of split {split}, which was never added");
                self.discord("S2", "unknown split", record, None, what);
                continue;
            }
            self.slice(index, record, slice, marks.get_mut(&split), &mut told);
        }
        for (split, marks) in marks {
            for mark in marks {
                self.mark(record, split, mark, &mut told);
            }
        }
        let advances = self.advance_idle(record, &told);
        self.move_operators();
        let watermark = |ms: i64| Watermark(ms);
        self.reading.times.push(EpochTimes {
            epoch: record.epoch,
            tick: record.tick,
            splits: self.splits.iter().map(|split| watermark(split.watermark)).collect(),
            operators: self.operators.iter().map(|(id, ms)| (*id, watermark(*ms))).collect(),
            advances,
            positions: self.splits.iter().map(|split| split.at).collect(),
        });
    }

    /// A split comes into being, at the largest watermark of an operator that it feeds.
    // spec: T-3
    fn add(
        &mut self,
        record: &EpochRecord,
        control: &ControlRecord,
        name: &SplitName,
        told: Watermark,
    ) {
        let fed = self.operators.iter().filter(|(id, _)| self.feeds(name.table, **id));
        let due = fed.map(|(_, ms)| *ms).max().unwrap_or(NEVER);
        let known = self.reading.splits.contains(name);
        let split = self.splits.len();
        let log = self.case.logs.iter().position(|log| log.name == *name);
        self.reading.splits.push(name.clone());
        if known {
            self.discord("S2", "added twice", record, Some(split), "it was there".to_owned());
        }
        if control.split.0 as usize != split {
            let what = format!("it got the number {}, {split} was next", control.split);
            self.discord("S8", "split number", record, Some(split), what);
        }
        if told.0 != due {
            let what = format!("it starts at watermark {told}, not at {}", Watermark(due));
            self.discord("S7", "added watermark", record, Some(split), what);
        }
        let log = log.unwrap_or_else(|| {
            let what = "there is no such log".to_owned();
            self.discord("S2", "unknown log", record, Some(split), what);
            usize::MAX
        });
        let start = self.case.logs.get(log).map_or(0, |log| log.start);
        if control.at.0 != start {
            let what = format!("it starts at offset {}, not at {start}", control.at);
            self.discord("S2", "added offset", record, Some(split), what);
        }
        self.reading.logs.push(log);
        let table = name.table;
        self.splits.push(Split {
            table,
            log,
            watermark: due,
            idle: false,
            ended: false,
            at: start,
        });
    }

    fn log_of(&self, split: usize) -> Option<&'a SplitLog> {
        self.case.logs.get(self.splits[split].log)
    }

    /// Takes the records of a slice, from where the split stands, with the marks among
    /// them.
    fn slice(
        &mut self,
        index: usize,
        record: &EpochRecord,
        slice: &SliceRecord,
        mut marks: Option<&mut Vec<&ControlRecord>>,
        told: &mut BTreeMap<usize, i64>,
    ) {
        let split = slice.split.0 as usize;
        let Some(log) = self.log_of(split) else { return };
        let at = self.splits[split].at;
        if slice.start.0 != at {
            let what =
                format!("a slice starts at offset {}, the last one ended at {at}", slice.start);
            let kind = if slice.start.0 > at { "gap" } else { "overlap" };
            self.discord("S2", kind, record, Some(split), what);
        }
        if self.splits[split].ended {
            let what = "a slice after its end".to_owned();
            self.discord("S2", "after the end", record, Some(split), what);
        }
        let range = log.range(at, slice.end.0);
        let records = &log.records[range];
        let (first, last) = (records.first(), records.last());
        let same_ends = records.is_empty()
            || (first.is_some_and(|first| first.offset == slice.first.0)
                && last
                    .is_some_and(|last| last.offset == slice.last.0 && last.next <= slice.end.0));
        if slice.count as usize != records.len() || !same_ends {
            let what = format!(
                "a slice from offset {} to {} has {} records from {} to {}; the log has {} there",
                slice.start,
                slice.end,
                slice.count,
                slice.first,
                slice.last,
                records.len()
            );
            self.discord("S2", "slice content", record, Some(split), what);
        }
        for place in records {
            if let Some(marks) = marks.as_deref_mut() {
                let due = marks.iter().take_while(|mark| mark.at.0 <= place.offset).count();
                for mark in marks.drain(..due).collect::<Vec<_>>() {
                    self.mark(record, split, mark, told);
                }
            }
            self.splits[split].at = place.next;
            self.record(index, split, place);
        }
        self.splits[split].at = self.splits[split].at.max(slice.end.0);
    }

    /// Takes one record: its watermark counts whatever else is wrong with it.
    // spec: T-1
    fn record(&mut self, index: usize, split: usize, place: &super::log::LogRecord) {
        let state = self.splits[split];
        let plan = self.case.plan;
        let scan = self.scans.get(&state.table).copied();
        let name = &self.reading.splits[split].name;
        let decoded = scan.map_or(Decoded::Nothing, |scan| decode(plan, scan, name, place));
        let tick = self.case.epochs[index].tick;
        let value = scan.and_then(|scan| watermark_of(plan, scan, &decoded, tick));
        let source = Source { split, offset: place.offset };
        self.reading.records.push(Read { source, epoch: index, before: state.watermark, decoded });
        let split = &mut self.splits[split];
        split.idle = false;
        split.watermark = split.watermark.max(value.unwrap_or(NEVER));
    }

    /// A mark of the journal: that a split is idle, or has ended.
    // spec: T-3
    fn mark(
        &mut self,
        record: &EpochRecord,
        split: usize,
        mark: &ControlRecord,
        told: &mut BTreeMap<usize, i64>,
    ) {
        if split >= self.splits.len() {
            let what = format!("a mark of split {split}, which was never added");
            self.discord("S2", "unknown split", record, None, what);
            return;
        }
        match &mark.control {
            Control::Ended => self.splits[split].ended = true,
            Control::IdleMark => self.check_idle(record, split, mark),
            Control::Advance(value) => {
                told.insert(split, value.0);
                self.check_idle(record, split, mark);
            }
            Control::Added { .. } => unreachable!("new splits were taken before"),
        }
    }

    /// A split may be idle only if the reader stood at the end of the log, and nothing
    /// that was there waited.
    // spec: T-3
    fn check_idle(&mut self, record: &EpochRecord, split: usize, mark: &ControlRecord) {
        self.splits[split].idle = true;
        let Some(log) = self.log_of(split) else { return };
        let at = self.splits[split].at;
        let waits = |up_to: u64| {
            let from = log.range(at, u64::MAX).start;
            log.records[from..].iter().find(|record| record.next <= up_to).map(|r| r.offset)
        };
        // What was fetched lies before the mark.
        if let Some(waiting) = waits(mark.at.0) {
            let what = format!("it is called idle while the record at offset {waiting} waits");
            return self.discord("S1", "idle mark", record, Some(split), what);
        }
        let name = self.reading.splits[split].clone();
        let Some(end) = self.case.log_ends.get(&(record.epoch, name)).copied() else { return };
        if let Some(waiting) = waits(end) {
            let what = format!(
                "it is called idle at offset {}, but its log went on to {end}, with a record at \
                 {waiting}",
                mark.at
            );
            self.discord("S1", "idle mark", record, Some(split), what);
        }
    }

    /// Advances idle splits to the largest, over the operators that they feed, of the
    /// minimum over the operator's other splits that are neither idle nor ended.
    // spec: T-3
    fn advance_idle(
        &mut self,
        record: &EpochRecord,
        told: &BTreeMap<usize, i64>,
    ) -> Vec<(usize, Watermark)> {
        let mut advances = Vec::new();
        for index in 0..self.splits.len() {
            let split = self.splits[index];
            if !split.idle || split.ended {
                continue;
            }
            let fed = self.operators.keys().filter(|id| self.feeds(split.table, **id));
            let lowest = |id: &NodeId| {
                let others = self.splits.iter().enumerate().filter(|(other, it)| {
                    *other != index && self.feeds(it.table, *id) && !it.idle && !it.ended
                });
                others.map(|(_, it)| it.watermark).min()
            };
            let due = fed.filter_map(lowest).max();
            if let Some(told) = told.get(&index)
                && due != Some(*told)
            {
                let due = due.map_or("nowhere".to_owned(), |due| Watermark(due).to_string());
                let what = format!("it was advanced to {told} instead of {due}");
                self.discord("S1", "advance", record, Some(index), what);
            }
            if let Some(due) = due.filter(|due| *due > split.watermark) {
                self.splits[index].watermark = due;
                advances.push((index, Watermark(due)));
            }
        }
        advances
    }

    fn feeds(&self, table: TableId, operator: NodeId) -> bool {
        self.tables[operator.0 as usize].contains(&table)
    }

    /// Lets the operators' watermarks follow those of their inputs.
    // spec: T-3, T-5
    fn move_operators(&mut self) {
        let plan = self.case.plan;
        let mut fronts: Vec<Front> = Vec::with_capacity(plan.nodes.len());
        for node in &plan.nodes {
            let nothing = Front { lowest: None, ended: NEVER, bounded: true };
            let mut front = match &node.kind {
                NodeKind::Scan(scan) => self.front_of(scan.table),
                // It has no time.
                NodeKind::SideScan(_) => Front { lowest: Some(NEVER), ..nothing },
                _ => node.inputs.iter().map(|input| fronts[input.0 as usize]).fold(
                    nothing,
                    |a, b| Front {
                        lowest: a.lowest.into_iter().chain(b.lowest).min(),
                        ended: a.ended.max(b.ended),
                        bounded: a.bounded && b.bounded,
                    },
                ),
            };
            if let Some(lag) = window_lag(&node.kind) {
                // Where all splits have ended and others may come, the minimum is what
                // it comes to if they end the lowest first.
                let over = if front.bounded { END } else { front.ended };
                let reached = front.lowest.unwrap_or(over);
                let own = self.operators.get_mut(&node.id).expect("every operator is there");
                *own = (*own).max(reached);
                let lowest = match *own {
                    END => None,
                    NEVER => Some(NEVER),
                    own => Some(own.saturating_sub(lag).max(NEVER + 1)),
                };
                front = Front { lowest, ..nothing };
            }
            fronts.push(front);
        }
    }

    fn front_of(&self, table: TableId) -> Front {
        let splits = || self.splits.iter().filter(|split| split.table == table);
        Front {
            lowest: splits().filter(|split| !split.ended).map(|split| split.watermark).min(),
            ended: splits().filter(|s| s.ended).map(|s| s.watermark).max().unwrap_or(NEVER),
            bounded: self.case.plan.table(table).bounded,
        }
    }

    /// A split that ended must have been read to the end of its log.
    fn check_ends(&mut self) {
        let Some(last) = self.case.epochs.last() else { return };
        for index in 0..self.splits.len() {
            let split = self.splits[index];
            let Some(log) = self.log_of(index) else { continue };
            let unread = log.records.last().filter(|record| record.offset >= split.at);
            if let (true, Some(unread)) = (split.ended, unread) {
                let what = format!(
                    "it ended at offset {}, but its log has records up to {}",
                    split.at, unread.offset
                );
                self.discord("S2", "ended early", last, Some(index), what);
            }
        }
    }
}

/// The value of the watermark expression for a record, if it has one. The ends of the
/// range mean "none" and "end" and come from no record.
pub(super) fn watermark_of(plan: &Plan, scan: &Scan, decoded: &Decoded, tick: Tick) -> Option<i64> {
    let (Some(expression), Decoded::Row(cells)) = (&scan.watermark, decoded) else { return None };
    let zone = &plan.options.local_time_zone;
    let env = Env { cells, tick, watermark_before: None, zone };
    let value = eval(expression, env).ok()?.time_ms()?;
    Some(value.clamp(NEVER + 1, END - 1))
}
