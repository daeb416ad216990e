//! What a person sees of a running pipeline.

use super::Pipeline;
use crate::dataflow::EpochOutput;
use crate::ids::{Epoch, NodeId, TableId};
use crate::snapshot::Counter;
use crate::time::Watermark;
use std::collections::BTreeMap;

/// What was counted since the job began.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    records: u64,
    bytes: u64,
    rows_out: u64,
    windows_fired: u64,
    late: BTreeMap<NodeId, u64>,
    late_partial: BTreeMap<NodeId, u64>,
    dead: BTreeMap<TableId, u64>,
    pub(super) late_samples: u32,
    pub(super) dead_samples: u32,
}

impl Totals {
    pub(super) fn add(&mut self, output: &EpochOutput) {
        let counts = &output.counts;
        self.records += counts.records;
        self.bytes += counts.bytes;
        self.rows_out += counts.rows_out;
        self.windows_fired += counts.windows_fired;
        for (node, count) in &counts.late {
            *self.late.entry(*node).or_insert(0) += count;
        }
        for (node, count) in &counts.late_partial {
            *self.late_partial.entry(*node).or_insert(0) += count;
        }
        for (table, count) in &counts.dead {
            *self.dead.entry(*table).or_insert(0) += count;
        }
    }

    /// The totals for a snapshot.
    pub(super) fn counters(&self) -> impl Iterator<Item = Counter> + '_ {
        let counter = |name: String, value: u64| Counter { name, value };
        let plain = [
            ("bytes", self.bytes),
            ("records", self.records),
            ("rows_out", self.rows_out),
            ("windows_fired", self.windows_fired),
        ];
        let late = self.late.iter().map(move |(node, n)| counter(format!("late.{node:010}"), *n));
        let partial = self
            .late_partial
            .iter()
            .map(move |(node, n)| counter(format!("partial.{node:010}"), *n));
        let dead = self.dead.iter().map(move |(table, n)| counter(format!("dead.{table:010}"), *n));
        plain
            .into_iter()
            .map(move |(name, value)| counter(name.to_owned(), value))
            .chain(late)
            .chain(partial)
            .chain(dead)
    }

    /// Takes the totals of a snapshot.
    pub(super) fn load(&mut self, counters: &[Counter]) {
        for Counter { name, value } in counters {
            let (kind, id) = name.split_once('.').unwrap_or((name, ""));
            let id: u32 = id.parse().unwrap_or(0);
            match kind {
                "bytes" => self.bytes = *value,
                "records" => self.records = *value,
                "rows_out" => self.rows_out = *value,
                "windows_fired" => self.windows_fired = *value,
                "late" => drop(self.late.insert(NodeId(id), *value)),
                "partial" => drop(self.late_partial.insert(NodeId(id), *value)),
                "dead" => drop(self.dead.insert(TableId(id), *value)),
                _ => {}
            }
        }
    }
}

/// A pipeline at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The last epoch that was computed.
    pub epoch: Epoch,
    /// The last epoch whose record is durable.
    pub durable: Epoch,
    /// Whether it takes new input, recovery being over.
    pub running: bool,
    /// Records read since the job began.
    pub records: u64,
    /// Bytes of records read.
    pub bytes: u64,
    /// Rows given to sinks.
    pub rows_out: u64,
    /// Windows fired.
    pub windows_fired: u64,
    /// Records late for all windows of an operator, by the operator's name.
    pub late: Vec<(String, u64)>,
    /// Records late for some windows of an operator, by the operator's name.
    pub late_partial: Vec<(String, u64)>,
    /// Dead rows, by the name of the table whose `$dead` holds them.
    pub dead: Vec<(String, u64)>,
    /// About how many bytes the state takes.
    pub state_bytes: usize,
    /// The lowest watermark of a split that has not ended.
    pub watermark: Option<Watermark>,
    /// The split that holds it.
    pub watermark_split: Option<String>,
    /// The sinks, in plan order.
    pub sinks: Vec<SinkStatus>,
}

/// A sink at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkStatus {
    /// The sink's table.
    pub table: String,
    /// Rows given to it.
    pub rows: u64,
    /// Chunks that it acknowledged in this incarnation.
    pub chunks: u64,
    /// Chunks that wait.
    pub waiting: usize,
    /// The epoch of its marker.
    pub epoch: Option<Epoch>,
    /// Whether it is served no longer.
    // spec: K-8
    pub given_up: bool,
}

impl Pipeline {
    /// The pipeline at this moment.
    #[must_use]
    pub fn status(&self) -> Status {
        let lowest = self
            .dataflow
            .splits()
            .iter()
            .filter(|(_, split)| !split.ended)
            .min_by_key(|(_, split)| split.watermark)
            .map(|(_, split)| split);
        let by_node = |counts: &BTreeMap<NodeId, u64>| {
            counts
                .iter()
                .map(|(node, count)| (self.plan.node(*node).name.clone(), *count))
                .collect()
        };
        Status {
            epoch: self.epoch,
            durable: self.durable,
            running: matches!(self.phase, super::Phase::Running | super::Phase::Finishing),
            records: self.totals.records,
            bytes: self.totals.bytes,
            rows_out: self.totals.rows_out,
            windows_fired: self.totals.windows_fired,
            late: by_node(&self.totals.late),
            late_partial: by_node(&self.totals.late_partial),
            dead: self
                .totals
                .dead
                .iter()
                .map(|(table, count)| (self.plan.table(*table).name.clone(), *count))
                .collect(),
            state_bytes: self.dataflow.state_bytes(),
            watermark: lowest.map(|split| split.watermark),
            watermark_split: lowest.map(|split| split.name.name.clone()),
            sinks: self
                .sinks
                .iter()
                .map(|(_, sink)| SinkStatus {
                    table: self.plan.table(sink.table).name.clone(),
                    rows: sink.rows,
                    chunks: sink.chunks,
                    waiting: sink.queue.len(),
                    epoch: sink.acked.map(|marker| marker.epoch),
                    given_up: sink.is_given_up(),
                })
                .collect(),
        }
    }
}
