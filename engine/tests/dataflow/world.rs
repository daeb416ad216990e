//! Runs a dataflow epoch by epoch on lines of text, and keeps what comes out in the
//! form in which rule E-3 compares it.
//!
//! Splits are known by name here: their numbers depend on when they were added.

use anabranch_engine::dataflow::{Control, Dataflow, EpochInput, EpochItem, EpochOutput};
use anabranch_engine::executor::Sequential;
use anabranch_engine::format::{RecordBlock, encode_json, frame};
use anabranch_engine::ids::{NodeId, Offset, SinkId, SplitId, SplitName, TableId};
use anabranch_engine::op::DeadRow;
use anabranch_engine::plan::{JsonOptions, NodeKind, Plan};
use anabranch_engine::rows::{Origin, Rows};
use anabranch_engine::time::{Tick, Watermark};
use anabranch_engine::types::Schema;
use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One thing that enters an epoch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    Added(Option<Watermark>),
    Advance(Watermark),
    Ended,
    Idle,
    /// The next lines of the split.
    Lines(String),
}

/// Everything that came out, as far as it must not depend on the schedule.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Results {
    /// Rows that time drives, by sink and, where operators keep only their own order,
    /// by operator.
    pub(crate) timed: BTreeMap<(String, String), Vec<String>>,
    /// Rows that records drive, by sink and split.
    pub(crate) recorded: BTreeMap<(String, String), Vec<String>>,
    /// Rows of side tables, by sink and split; derived rows by expression.
    pub(crate) side: BTreeMap<(String, String), Vec<String>>,
    /// Late rows by split.
    pub(crate) late: BTreeMap<String, Vec<String>>,
    /// Dead rows by split and node; derived rows by node.
    pub(crate) dead: BTreeMap<(String, NodeId), Vec<String>>,
    /// Records that are not well formed, by split.
    pub(crate) malformed: BTreeMap<String, Vec<String>>,
    /// What was counted.
    pub(crate) counts: BTreeMap<String, u64>,
    /// The splits and the operators' state in the end.
    pub(crate) state: Vec<String>,
}

/// How the rows of a sink that time drives are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SinkOrder {
    /// Each operator's rows by themselves; the first column tells the operator.
    ByOperator,
    Total,
}

/// A dataflow that runs.
pub(crate) struct World {
    plan: Arc<Plan>,
    pub(crate) flow: Dataflow,
    names: Vec<SplitName>,
    offsets: Vec<u64>,
    sinks: Vec<(String, Schema)>,
    orders: BTreeMap<String, SinkOrder>,
    pub(crate) results: Results,
}

pub(crate) fn split_name(table: u32, name: &str) -> SplitName {
    SplitName { table: TableId(table), name: name.to_owned() }
}

/// `1970-01-01 00:00:00.123`.
pub(crate) fn timestamp(ms: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(ms).expect("a time near 1970");
    time.format("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

impl World {
    pub(crate) fn new(plan: &Arc<Plan>) -> World {
        let flow = Dataflow::compile(plan.clone()).expect("the plan is valid");
        let sinks = plan.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Sink(_)));
        World {
            flow,
            names: Vec::new(),
            offsets: Vec::new(),
            sinks: sinks.map(|node| (node.name.clone(), node.schema.clone())).collect(),
            orders: BTreeMap::new(),
            plan: plan.clone(),
            results: Results::default(),
        }
    }

    /// Says how a sink's rows are compared; by their total order if nothing is said.
    pub(crate) fn ordered(mut self, orders: &BTreeMap<String, SinkOrder>) -> World {
        self.orders.clone_from(orders);
        self
    }

    pub(crate) fn id(&self, name: &SplitName) -> Option<SplitId> {
        self.names.iter().position(|known| known == name).map(|index| SplitId(index as u32))
    }

    /// Whether the split was added.
    pub(crate) fn has(&self, name: &SplitName) -> bool {
        self.id(name).is_some()
    }

    /// The watermark of an operator's or another node's output.
    pub(crate) fn output_watermark(&self, node: &str) -> Watermark {
        let found = self.plan.nodes.iter().find(|it| it.name == node).expect("a node");
        self.flow.output_watermark(found.id)
    }

    /// Runs one epoch and keeps its results; gives the raw output as well.
    pub(crate) fn epoch(&mut self, entries: &[(SplitName, Entry)], pieces: usize) -> EpochOutput {
        let output = self.step(entries, pieces);
        self.keep(&output);
        output
    }

    /// Runs one epoch and keeps nothing.
    pub(crate) fn step(&mut self, entries: &[(SplitName, Entry)], pieces: usize) -> EpochOutput {
        let items = entries.iter().map(|(name, entry)| self.item(name, entry)).collect();
        let epoch = self.flow.epoch().next();
        let tick = Tick(epoch.0 as i64 * 1000);
        self.flow.step(&EpochInput { epoch, tick, items }, &Sequential { pieces })
    }

    fn item(&mut self, name: &SplitName, entry: &Entry) -> EpochItem {
        if let Entry::Added(watermark) = entry {
            assert!(!self.has(name), "a split is added once");
            let split = SplitId(self.names.len() as u32);
            self.names.push(name.clone());
            self.offsets.push(0);
            let control = Control::Added { name: name.clone(), start: 0, watermark: *watermark };
            return EpochItem::Control { split, control };
        }
        let split = self.id(name).expect("a split is added first");
        let control = match entry {
            Entry::Advance(watermark) => Control::Advance(*watermark),
            Entry::Ended => Control::Ended,
            Entry::Idle => Control::Idle,
            Entry::Added(_) => unreachable!("handled above"),
            Entry::Lines(text) => {
                let block = self.block(split, name, text);
                return EpochItem::Slice { split, block };
            }
        };
        EpochItem::Control { split, control }
    }

    fn block(&mut self, split: SplitId, name: &SplitName, text: &str) -> RecordBlock {
        let offset = &mut self.offsets[split.0 as usize];
        let format = &self.plan.table(name.table).format;
        let framed = frame(format, text.to_owned().into(), Offset(*offset), true);
        assert_eq!(framed.consumed, text.len(), "lines are whole");
        *offset += text.len() as u64;
        framed.block
    }

    /// Saves the state and goes on with a freshly compiled dataflow that loads it.
    pub(crate) fn restart(&mut self) {
        let state = self.flow.save();
        let mut flow = Dataflow::compile(self.plan.clone()).expect("the plan is valid");
        flow.load(&state).expect("what was saved can be loaded");
        assert_eq!(flow.save(), state, "loading loses something");
        self.flow = flow;
    }

    /// What came out, with the state in the end.
    pub(crate) fn finish(mut self) -> Results {
        let state = self.flow.save();
        let mut splits: Vec<String> = state
            .splits
            .iter()
            .map(|split| {
                let name = text_of(&split.name);
                let (watermark, offset) = (split.watermark, split.next_offset);
                format!("{name} {watermark} ended={} {offset} {}", split.ended, split.lines)
            })
            .collect();
        splits.sort();
        self.results.state = splits;
        for (name, operator) in &state.operators {
            self.results.state.push(format!("{name} {}", operator.watermark));
            let entries = operator.entries.iter().map(|entry| format!("{name} {entry:?}"));
            self.results.state.extend(entries);
        }
        self.results
    }

    fn keep(&mut self, output: &EpochOutput) {
        for (sink, pieces) in &output.sinks {
            for rows in pieces {
                self.keep_rows(*sink, rows);
            }
        }
        let name = |split: SplitId| text_of(&self.names[split.0 as usize]);
        let results = &mut self.results;
        for row in &output.late {
            let line = format!(
                "{} in {}: {} of {} at {}",
                row.offset, row.node, row.windows_missed, row.windows_total, row.watermark
            );
            results.late.entry(name(row.split)).or_default().push(line);
        }
        for row in &output.dead {
            let DeadRow { node, record, kind, detail, expression, context } = row;
            let split = record.map_or(String::new(), |(split, _)| name(split));
            let offset = record.map(|(_, offset)| offset);
            let line = format!("{offset:?} {} {detail} {expression} {context}", kind.name());
            results.dead.entry((split, *node)).or_default().push(line);
        }
        for bad in &output.malformed {
            let line = format!("{} in {}: {}", bad.offset, bad.table, bad.detail);
            results.malformed.entry(name(bad.split)).or_default().push(line);
        }
        let counts = &output.counts;
        let mut add = |what: String, count: u64| *results.counts.entry(what).or_default() += count;
        add("records".into(), counts.records);
        add("bytes".into(), counts.bytes);
        add("rows out".into(), counts.rows_out);
        add("windows fired".into(), counts.windows_fired);
        counts.late.iter().for_each(|(node, count)| add(format!("late {node}"), *count));
        counts.late_partial.iter().for_each(|(node, count)| add(format!("partly {node}"), *count));
        counts.dead.iter().for_each(|(table, count)| add(format!("dead {table}"), *count));
    }

    fn keep_rows(&mut self, sink: SinkId, rows: &Rows) {
        let (name, schema) = &self.sinks[sink.0 as usize];
        let lines = lines_of(schema, &rows.batch);
        let results = &mut self.results;
        match &rows.origin {
            Origin::Records { split, .. } => {
                let split = text_of(&self.names[split.0 as usize]);
                results.recorded.entry((name.clone(), split)).or_default().extend(lines);
            }
            Origin::Timer { fire_times } => {
                assert!(fire_times.is_sorted(), "{name}: rows stand in the order of time");
                let order = self.orders.get(name).unwrap_or(&SinkOrder::Total);
                for (row, line) in lines.into_iter().enumerate() {
                    let operator = match order {
                        SinkOrder::ByOperator => text_cell(&rows.batch, 0, row),
                        SinkOrder::Total => String::new(),
                    };
                    results.timed.entry((name.clone(), operator)).or_default().push(line);
                }
            }
            Origin::Other => {
                let column = |name: &str| schema.index_of(name).expect("a side table");
                for (row, line) in lines.into_iter().enumerate() {
                    let mut place = text_cell(&rows.batch, column("_split"), row);
                    if place.is_empty() {
                        place = text_cell(&rows.batch, column("_expression"), row);
                    }
                    results.side.entry((name.clone(), place)).or_default().push(line);
                }
            }
        }
    }
}

/// A split's name as text, which sorts as the name does.
pub(crate) fn text_of(name: &SplitName) -> String {
    format!("{}/{}", name.table, name.name)
}

fn text_cell(batch: &RecordBatch, column: usize, row: usize) -> String {
    let column = batch.column(column).as_string::<i32>();
    if column.is_null(row) { String::new() } else { column.value(row).to_owned() }
}

/// The rows as a sink would write them.
pub(crate) fn lines_of(schema: &Schema, batch: &RecordBatch) -> Vec<String> {
    let mut bytes = Vec::new();
    encode_json(schema, &JsonOptions::default(), batch, 0..batch.num_rows(), &mut bytes);
    let text = String::from_utf8(bytes).expect("JSON is UTF-8");
    text.lines().map(str::to_owned).collect()
}

/// The first difference between two results, for a person; `None` if there is none.
pub(crate) fn difference(one: &Results, other: &Results) -> Option<String> {
    fn of<K: Ord + std::fmt::Debug>(
        what: &str,
        one: &BTreeMap<K, Vec<String>>,
        other: &BTreeMap<K, Vec<String>>,
    ) -> Option<String> {
        let none = Vec::new();
        one.keys().chain(other.keys()).find_map(|key| {
            let (a, b) = (one.get(key).unwrap_or(&none), other.get(key).unwrap_or(&none));
            let text = |side: &[String]| side.join("\n    ");
            (a != b).then(|| {
                format!("{what} {key:?}:\n  first\n    {}\n  then\n    {}", text(a), text(b))
            })
        })
    }
    let counts = |results: &Results| -> BTreeMap<String, Vec<String>> {
        results.counts.iter().map(|(what, n)| (what.clone(), vec![n.to_string()])).collect()
    };
    let state = |results: &Results| BTreeMap::from([("", results.state.clone())]);
    of("rows of time in", &one.timed, &other.timed)
        .or_else(|| of("rows of records in", &one.recorded, &other.recorded))
        .or_else(|| of("rows of a side table in", &one.side, &other.side))
        .or_else(|| of("late rows of", &one.late, &other.late))
        .or_else(|| of("dead rows of", &one.dead, &other.dead))
        .or_else(|| of("malformed records of", &one.malformed, &other.malformed))
        .or_else(|| of("the count of", &counts(one), &counts(other)))
        .or_else(|| of("the state", &state(one), &state(other)))
}
