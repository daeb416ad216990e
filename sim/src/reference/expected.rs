//! What must come out: plain data for the oracles.

use super::cell::Cell;
use super::encode::Pattern;
use anabranch_engine::ids::{Epoch, NodeId, SinkId, SplitName, TableId};
use anabranch_engine::time::{Tick, Watermark};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

/// Everything that must come out of a case.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The sinks, by id.
    pub sinks: Vec<ExpectedSink>,
    /// The epochs' times, in order.
    pub times: Vec<EpochTimes>,
    /// What each epoch counts, in order.
    pub counts: Vec<EpochCounts>,
    /// Where the journal is not what it must be.
    pub discords: Vec<Discord>,
    /// The splits, by the ids that the journal gave them.
    pub splits: Vec<SplitName>,
}

/// What must come out at one sink.
#[derive(Clone, Debug)]
pub struct ExpectedSink {
    /// The sink.
    pub sink: SinkId,
    /// Its table.
    pub table: TableId,
    /// All its rows, by epoch; those of one stream in the order in which they leave.
    pub rows: Vec<ExpectedRow>,
    /// Whether the rules do not say which rows it gets, because a filter looks at
    /// something whose wording is not fixed. Its rows mean nothing then.
    pub unspecified: bool,
}

/// A row that must reach a sink.
#[derive(Clone, Debug)]
pub struct ExpectedRow {
    /// The epoch with which it becomes visible.
    pub epoch: Epoch,
    /// What it keeps its order with.
    pub stream: Stream,
    /// Its values.
    pub cells: Vec<Cell>,
    /// The values of the table's primary key, if it has one.
    pub key: Option<Vec<Cell>>,
    /// The row in the sink's format, without a line end.
    pub value: Pattern,
    /// The records that it was made from.
    pub sources: Rc<[Source]>,
}

/// Rows of a sink that keep their order among each other.
// spec: E-3
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Rows without an order: constants and rows of side tables.
    Loose,
    /// Rows that records of this split drive; by its place in [`Expected::splits`].
    Split(usize),
    /// Rows that timers of operators over the same splits with the same lateness
    /// drive; named after the first of these operators.
    Timers(NodeId),
}

/// A record that a row was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The split, by its place in [`Expected::splits`].
    pub split: usize,
    /// The record's offset.
    pub offset: u64,
}

/// Time at the end of an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochTimes {
    /// The epoch.
    pub epoch: Epoch,
    /// Its tick.
    pub tick: Tick,
    /// The watermark of each split that there is, by its place in
    /// [`Expected::splits`].
    pub splits: Vec<Watermark>,
    /// The watermark of each operator.
    pub operators: BTreeMap<NodeId, Watermark>,
    /// Idle splits that were advanced, and to where.
    pub advances: Vec<(usize, Watermark)>,
    /// Where the next record of each split starts at least.
    pub positions: Vec<u64>,
}

/// What one epoch counts.
// spec: T-4, F-1
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochCounts {
    /// Records read.
    pub records: u64,
    /// Records late for all of an operator's windows, by operator.
    pub late: BTreeMap<NodeId, u64>,
    /// Records late for some of an operator's windows, by operator.
    pub late_partial: BTreeMap<NodeId, u64>,
    /// Dead rows and malformed records, by the table whose `$dead` holds them.
    pub dead: BTreeMap<TableId, u64>,
}

/// Something that the journal says and that is not so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discord {
    /// The oracle that it concerns, such as `S2`.
    pub oracle: &'static str,
    /// What kind of thing, the same for all occurrences of it.
    pub kind: &'static str,
    /// The epoch whose record says it.
    pub epoch: Epoch,
    /// The split that it says it of.
    pub split: Option<SplitName>,
    /// In words.
    pub what: String,
}

impl fmt::Display for Discord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}", self.epoch)?;
        if let Some(split) = &self.split {
            write!(f, ", split {}/{}", split.table, split.name)?;
        }
        write!(f, ": {}", self.what)
    }
}

impl Expected {
    /// A record by its split's name, for a message.
    #[must_use]
    pub fn source_text(&self, source: Source) -> String {
        format!("{}:{}", self.splits[source.split].name, source.offset)
    }

    /// The records that a row was made from, for a message: at most eight of them.
    #[must_use]
    pub fn sources_text(&self, row: &ExpectedRow) -> String {
        const SHOWN: usize = 8;
        let shown = row.sources.iter().take(SHOWN).map(|source| self.source_text(*source));
        let mut text = shown.collect::<Vec<_>>().join(" ");
        if row.sources.len() > SHOWN {
            text.push_str(&format!(" and {} more", row.sources.len() - SHOWN));
        }
        if text.is_empty() { "no record".to_owned() } else { text }
    }

    /// All that was counted up to and with an epoch.
    #[must_use]
    pub fn counts_up_to(&self, epoch: Epoch) -> EpochCounts {
        let mut all = EpochCounts::default();
        for (times, counts) in self.times.iter().zip(&self.counts) {
            if times.epoch > epoch {
                break;
            }
            all.records += counts.records;
            add_all(&mut all.late, &counts.late);
            add_all(&mut all.late_partial, &counts.late_partial);
            add_all(&mut all.dead, &counts.dead);
        }
        all
    }
}

fn add_all<K: Ord + Copy>(to: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, count) in from {
        *to.entry(*key).or_default() += count;
    }
}

impl ExpectedSink {
    /// The rows of one epoch.
    #[must_use]
    pub fn of_epoch(&self, epoch: Epoch) -> &[ExpectedRow] {
        let behind = self.up_to(epoch);
        &behind[behind.partition_point(|row| row.epoch < epoch)..]
    }

    /// The rows of the epochs up to and with this one.
    #[must_use]
    pub fn up_to(&self, epoch: Epoch) -> &[ExpectedRow] {
        &self.rows[..self.rows.partition_point(|row| row.epoch <= epoch)]
    }
}
