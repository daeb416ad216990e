//! One epoch through the dataflow.

use super::calc::CalcCx;
use super::epoch::{Control, EpochInput, EpochItem, EpochOutput};
use super::merge;
use super::scan::{ScanExec, ScannedSlice};
use super::side::SideInput;
use super::splits::Progress;
use super::{Dataflow, NodeExec};
use crate::executor::{Executor, map};
use crate::format::RecordBlock;
use crate::ids::{NodeId, SplitId, TableId};
use crate::op::{DeadRow, LateRow, OperatorCx};
use crate::plan::NodeKind;
use crate::planted;
use crate::rows::{Origin, Rows};
use crate::time::Watermark;
use std::collections::BTreeMap;

impl Dataflow {
    /// Computes one epoch: the new state, and the output.
    ///
    /// Depends on the state and the input alone; the executor decides only how many
    /// threads help.
    ///
    /// # Panics
    /// If the epoch is not the next one, or a slice does not start where its split
    /// stands: both are bugs of the caller.
    // spec: E-1
    pub fn step(&mut self, input: &EpochInput, executor: &dyn Executor) -> EpochOutput {
        assert_eq!(input.epoch, self.epoch.next(), "epochs are stepped one after the other");
        let mut output = EpochOutput::default();
        let lines_before: Vec<u64> = self.splits.iter().map(|(_, split)| split.lines).collect();
        let scanned = self.scan(input, executor, &mut output);
        self.advance_idle_splits(&mut output);
        let blocks: Vec<(SplitId, &RecordBlock)> = input
            .items
            .iter()
            .filter_map(|item| match item {
                EpochItem::Slice { split, block } => Some((*split, block)),
                EpochItem::Control { .. } => None,
            })
            .collect();
        let first_epoch = self.epoch.0 == 0;
        let mut flow = Flow {
            input,
            executor,
            blocks: &blocks,
            lines_before: &lines_before,
            scanned,
            produced: vec![None; self.nodes.len()],
            progress: vec![Progress::DONE; self.nodes.len()],
            first_epoch,
        };
        for index in 0..self.order.len() {
            self.run_node(self.order[index], &mut flow, &mut output);
        }
        // Sinks behind side tables run last, wherever they stand in the plan.
        output.sinks.sort_by_key(|(sink, _)| *sink);
        self.count(input, &mut output);
        self.epoch = input.epoch;
        output
    }

    /// Decodes all slices and takes the items in their order: gives, for each table,
    /// the scanned rows of its slices.
    fn scan(
        &mut self,
        input: &EpochInput,
        executor: &dyn Executor,
        output: &mut EpochOutput,
    ) -> BTreeMap<TableId, Vec<Rows>> {
        // Splits come into being first: a slice of the epoch may belong to one.
        for item in &input.items {
            if let EpochItem::Control {
                split,
                control: Control::Added { name, start, watermark },
            } = item
            {
                self.add_split(*split, name, *start, *watermark, output);
            }
        }
        let slices: Vec<(SplitId, &RecordBlock)> = input
            .items
            .iter()
            .filter_map(|item| match item {
                EpochItem::Slice { split, block } => Some((*split, block)),
                EpochItem::Control { .. } => None,
            })
            .collect();
        let scans: BTreeMap<TableId, &ScanExec> =
            self.scans.keys().map(|table| (*table, self.scan_of(*table))).collect();
        let splits = &self.splits;
        let decoded = map(executor, slices, |(split, block)| {
            let name = &splits.get(split).name;
            scans[&name.table].decode(&name.name, block, input.tick)
        });
        let mut decoded = decoded.into_iter();
        let mut scanned: BTreeMap<TableId, Vec<Rows>> = BTreeMap::new();
        for item in &input.items {
            match item {
                EpochItem::Slice { split, block } => {
                    let slice = decoded.next().expect("one for each slice");
                    let table = self.splits.get(*split).name.table;
                    let NodeExec::Scan(scan) = &self.nodes[self.scans[&table].0 as usize] else {
                        unreachable!("a scan node is compiled to a scan");
                    };
                    let state = self.splits.get_mut(*split);
                    assert!(!state.ended, "a record of {} after its end", state.name.name);
                    assert!(
                        block.records.first().is_none_or(|r| r.offset >= state.next_offset),
                        "a slice of {} goes back to a record that was read",
                        state.name.name
                    );
                    let ScannedSlice { rows, malformed } = scan.place(*split, state, block, slice);
                    output.malformed.extend(malformed);
                    scanned.entry(table).or_default().push(rows);
                }
                EpochItem::Control { split, control } => match control {
                    Control::Added { .. } => {}
                    Control::Advance(watermark) => self.splits.raise(*split, *watermark),
                    Control::Ended => self.splits.get_mut(*split).ended = true,
                    Control::Idle => self.splits.get_mut(*split).idle = true,
                },
            }
        }
        scanned
    }

    fn scan_of(&self, table: TableId) -> &ScanExec {
        match &self.nodes[self.scans[&table].0 as usize] {
            NodeExec::Scan(scan) => scan,
            _ => unreachable!("a scan node is compiled to a scan"),
        }
    }

    /// Where a split that is added to a table now starts: at the largest watermark
    /// of an operator that it feeds.
    // spec: T-3
    #[must_use]
    pub fn first_watermark(&self, table: TableId) -> Watermark {
        let operators = self.feeds.operators_of(table);
        operators
            .map(|operator| match &self.nodes[operator.0 as usize] {
                NodeExec::Operator { watermark, .. } => *watermark,
                _ => Watermark::NONE,
            })
            .max()
            .filter(|_| !planted!(W12))
            .unwrap_or(Watermark::NONE)
    }

    fn add_split(
        &mut self,
        id: SplitId,
        name: &crate::ids::SplitName,
        start: u64,
        watermark: Option<Watermark>,
        output: &mut EpochOutput,
    ) {
        let due = self.first_watermark(name.table);
        let watermark = watermark.unwrap_or(due);
        let given = self.splits.add(name.clone(), watermark, start);
        assert_eq!(given, id, "splits are numbered in the order in which they are added");
        let control = Control::Added { name: name.clone(), start, watermark: Some(watermark) };
        output.controls.push((id, control));
    }

    /// At the end of each epoch an idle split is advanced as far as the others
    /// allow, and the advance is a control record of it.
    // spec: T-3
    fn advance_idle_splits(&mut self, output: &mut EpochOutput) {
        let idle: Vec<SplitId> = self
            .splits
            .iter()
            .filter(|(_, split)| split.idle && !split.ended)
            .map(|(id, _)| id)
            .collect();
        for id in idle {
            if let Some(watermark) = self.splits.advance_of(id, &self.feeds)
                && watermark > self.splits.get(id).watermark
                && !planted!(W2)
            {
                self.splits.raise(id, watermark);
                output.controls.push((id, Control::Advance(watermark)));
            }
        }
    }

    fn run_node(&mut self, id: NodeId, flow: &mut Flow<'_>, output: &mut EpochOutput) {
        let index = id.0 as usize;
        let plan = self.plan.clone();
        let node = plan.node(id);
        let mut inputs: Vec<Vec<Rows>> =
            node.inputs.iter().map(|input| flow.rows_of(*input)).collect();
        let inputs_progress = node.inputs.iter().map(|input| flow.progress[input.0 as usize]);
        let mut progress = inputs_progress.reduce(Progress::and).unwrap_or(Progress::DONE);
        let rows = match &mut self.nodes[index] {
            NodeExec::Scan(scan) => {
                progress = self.splits.progress(scan.table, &self.plan);
                flow.scanned.get(&scan.table).cloned().unwrap_or_default()
            }
            NodeExec::Values(batch) => {
                let rows = Rows::inserts(batch.clone(), Origin::Other);
                if flow.first_epoch { vec![rows] } else { Vec::new() }
            }
            NodeExec::Calc(calc) => {
                let cx = CalcCx { tick: flow.input.tick, zone: self.zone };
                let results = map(flow.executor, inputs.swap_remove(0), |rows| calc.run(&rows, cx));
                let mut kept = Vec::with_capacity(results.len());
                for (rows, dead) in results {
                    output.dead.extend(dead);
                    kept.push(rows);
                }
                kept
            }
            NodeExec::Union(schema) => merge::union(schema, inputs),
            NodeExec::Operator { .. } => {
                let rows = self.run_operator(id, inputs, progress.watermark(), flow, output);
                let NodeExec::Operator { operator, watermark: own } = &self.nodes[index] else {
                    unreachable!("it was one before it ran");
                };
                progress = Progress::of_operator(operator.output_watermark(*own));
                rows
            }
            NodeExec::Side(_) => {
                progress = Progress::TIMELESS;
                self.run_side(id, flow, output)
            }
            NodeExec::Sink(sink) => {
                let mut rows = Vec::new();
                for piece in inputs.swap_remove(0) {
                    let (taken, dead) = sink.run(piece);
                    output.dead.extend(dead);
                    rows.extend((!taken.is_empty()).then_some(taken));
                }
                if !rows.is_empty() {
                    output.counts.rows_out +=
                        rows.iter().map(|piece| piece.len() as u64).sum::<u64>();
                    output.sinks.push((sink.id, rows));
                }
                Vec::new()
            }
        };
        self.watermarks[index] = progress.watermark();
        flow.progress[index] = progress;
        flow.produced[index] = Some(rows);
    }

    /// Gives an operator its rows and then its watermark; gives back what it gave.
    // spec: T-3, T-5
    fn run_operator(
        &mut self,
        id: NodeId,
        inputs: Vec<Vec<Rows>>,
        reached: Watermark,
        flow: &Flow<'_>,
        output: &mut EpochOutput,
    ) -> Vec<Rows> {
        let NodeExec::Operator { operator, watermark } = &mut self.nodes[id.0 as usize] else {
            unreachable!("only called for operators");
        };
        let mut cx =
            OperatorCx::new(flow.input.epoch, flow.input.tick, flow.executor, self.splits.names());
        for (port, rows) in inputs.iter().enumerate() {
            if !rows.is_empty() {
                operator.on_rows(port, rows, &mut cx);
            }
        }
        if reached > *watermark {
            *watermark = reached;
            operator.on_watermark(reached, &mut cx);
        }
        operator.on_epoch_end(&mut cx);
        output.late.append(&mut cx.late);
        output.dead.append(&mut cx.dead);
        output.counts.windows_fired += cx.windows_fired;
        std::mem::take(&mut cx.output)
    }

    fn run_side(&self, id: NodeId, flow: &Flow<'_>, output: &mut EpochOutput) -> Vec<Rows> {
        let NodeExec::Side(side) = &self.nodes[id.0 as usize] else {
            unreachable!("only called for side tables");
        };
        settle_late(output);
        let none = Vec::new();
        side.run(
            &SideInput {
                scanned: flow.scanned.get(&side.table).unwrap_or(&none),
                blocks: flow.blocks,
                splits: &self.splits,
                lines_before: flow.lines_before,
                late: &output.late,
                dead: &output.dead,
                malformed: &output.malformed,
                tick: flow.input.tick,
                zone: self.zone,
            },
            |dead| self.sinks_of(dead.node),
        )
    }

    /// The sink tables that a node's rows reach.
    fn sinks_of(&self, from: NodeId) -> Vec<TableId> {
        let mut reached = vec![false; self.plan.nodes.len()];
        reached[from.0 as usize] = true;
        let mut sinks = Vec::new();
        for node in &self.plan.nodes {
            let index = node.id.0 as usize;
            reached[index] |= node.inputs.iter().any(|input| reached[input.0 as usize]);
            if let (true, NodeKind::Sink(sink)) = (reached[index], &node.kind) {
                sinks.push(sink.table);
            }
        }
        sinks
    }

    fn count(&self, input: &EpochInput, output: &mut EpochOutput) {
        for item in &input.items {
            if let EpochItem::Slice { block, .. } = item {
                output.counts.records += block.records.len() as u64;
                output.counts.bytes += block.data.len() as u64;
            }
        }
        settle_late(output);
        let whole = |row: &&LateRow| row.windows_missed == row.windows_total;
        output.counts.late = tally(output.late.iter().filter(whole).map(|row| row.node));
        output.counts.late_partial =
            tally(output.late.iter().filter(|row| !whole(row)).map(|row| row.node));
        let table_of = |dead: &DeadRow| match dead.record {
            Some((split, _)) => vec![self.splits.get(split).name.table],
            None => self.sinks_of(dead.node),
        };
        output.counts.dead = tally(
            output
                .malformed
                .iter()
                .map(|bad| bad.table)
                .chain(output.dead.iter().flat_map(table_of)),
        );
    }
}

/// Brings the late rows into the order of (split, offset, operator). A record that
/// reaches an operator twice, through a union, is late there once.
// spec: T-4
fn settle_late(output: &mut EpochOutput) {
    output.late.sort_by_key(|row| (row.split, row.offset, row.node));
    output.late.dedup_by_key(|row| (row.split, row.offset, row.node));
}

/// How often each item comes, in ascending order.
fn tally<T: Ord>(items: impl Iterator<Item = T>) -> Vec<(T, u64)> {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

/// What a step carries from node to node.
struct Flow<'a> {
    input: &'a EpochInput,
    executor: &'a dyn Executor,
    blocks: &'a [(SplitId, &'a RecordBlock)],
    /// For each split that there was, how many lines lay before the epoch.
    lines_before: &'a [u64],
    /// The scanned rows of each table, by slice.
    scanned: BTreeMap<TableId, Vec<Rows>>,
    /// What each node gave, once it ran.
    produced: Vec<Option<Vec<Rows>>>,
    /// How far each node has come, once it ran.
    progress: Vec<Progress>,
    first_epoch: bool,
}

impl Flow<'_> {
    fn rows_of(&self, node: NodeId) -> Vec<Rows> {
        self.produced[node.0 as usize].clone().expect("inputs run before their readers")
    }
}
