//! The nodes of the plan, one after the other, each over all rows of the case.

use super::Case;
use super::cell::Cell;
use super::clock::{NEVER, Read, Reading, feeding_tables, operators};
use super::decode::Decoded;
use super::encode::encode_row;
use super::eval::{Env, Trouble, eval};
use super::expected::{EpochCounts, Expected, ExpectedRow, ExpectedSink, Stream};
use super::row::{Dead, Late, Malformed, Origin, Row};
use super::side;
use super::window::{
    WindowInput, WindowOutput, aggregate_windows, assign_aligned, assign_sessions,
};
use anabranch_engine::expr::ErrorKind;
use anabranch_engine::ids::{NodeId, SinkId, TableId};
use anabranch_engine::plan::{Calc, Node, NodeKind, Plan, Scan, SideKind, Sink, Values, Window};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What has been worked out so far.
pub(super) struct Flow<'a> {
    pub(super) case: Case<'a>,
    pub(super) reading: Reading,
    /// The rows that each node gave, once it ran.
    rows: Vec<Vec<Row>>,
    pub(super) late: Vec<Late>,
    pub(super) dead: Vec<Dead>,
    pub(super) malformed: Vec<Malformed>,
    /// Nodes of which it is not said which rows they give.
    unspecified: BTreeSet<NodeId>,
    /// For each operator the one that its rows keep their order with.
    clocks: BTreeMap<NodeId, NodeId>,
    sinks: Vec<ExpectedSink>,
}

/// Works out everything.
pub(super) fn run(case: Case<'_>, reading: Reading) -> Expected {
    let sinks = case.plan.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::Sink(sink) => Some(sink.table),
        _ => None,
    });
    let sinks = sinks.enumerate().map(|(index, table)| ExpectedSink {
        sink: SinkId(index as u32),
        table,
        rows: Vec::new(),
        unspecified: false,
    });
    let mut flow = Flow {
        case,
        reading,
        rows: vec![Vec::new(); case.plan.nodes.len()],
        late: Vec::new(),
        dead: Vec::new(),
        malformed: Vec::new(),
        unspecified: BTreeSet::new(),
        clocks: clocks(case.plan),
        sinks: sinks.collect(),
    };
    flow.note_malformed();
    for id in running_order(case.plan) {
        flow.node(case.plan.node(id));
    }
    flow.finish()
}

/// Operators whose rows keep one order: those over the same tables with the same
/// lateness, none behind another.
// spec: E-3
fn clocks(plan: &Plan) -> BTreeMap<NodeId, NodeId> {
    let tables = feeding_tables(plan);
    let all: BTreeSet<NodeId> = operators(plan).collect();
    let mut behind = vec![false; plan.nodes.len()];
    let mut first: BTreeMap<(Vec<TableId>, i64), NodeId> = BTreeMap::new();
    let mut clocks = BTreeMap::new();
    for node in &plan.nodes {
        let index = node.id.0 as usize;
        behind[index] = node.inputs.iter().any(|input| behind[input.0 as usize]);
        if all.contains(&node.id) {
            let lateness = match &node.kind {
                NodeKind::WindowAggregate(spec) => spec.allowed_lateness_ms,
                _ => 0,
            };
            let class = (tables[index].iter().copied().collect(), lateness);
            let clock = match behind[index] {
                true => node.id,
                false => *first.entry(class).or_insert(node.id),
            };
            clocks.insert(node.id, clock);
            behind[index] = true;
        }
    }
    clocks
}

/// Side tables hold what the other nodes could not use, so they and all that reads them
/// run last, the dead letters of a sink behind all that fills it.
fn running_order(plan: &Plan) -> Vec<NodeId> {
    let mut on_side = BTreeSet::new();
    for node in &plan.nodes {
        let is_side = matches!(node.kind, NodeKind::SideScan(_));
        if is_side || node.inputs.iter().any(|input| on_side.contains(input)) {
            on_side.insert(node.id);
        }
    }
    let (mut waiting, mut order): (Vec<NodeId>, Vec<NodeId>) =
        plan.nodes.iter().map(|node| node.id).partition(|id| on_side.contains(id));
    while !waiting.is_empty() {
        let is_ready = |id: &NodeId| {
            let node = plan.node(*id);
            let others: Vec<NodeId> = waiting.iter().filter(|it| *it != id).copied().collect();
            let has_inputs = others.iter().all(|other| !node.inputs.contains(other));
            let is_complete = match &node.kind {
                NodeKind::SideScan(side) if side.kind == SideKind::Dead => {
                    others.iter().all(|other| !sinks_of(plan, *other).contains(&side.table))
                }
                _ => true,
            };
            has_inputs && is_complete
        };
        // A sink that is filled from its own dead letters has no such order; then the
        // plan's decides.
        let next = waiting.iter().position(is_ready).unwrap_or(0);
        order.push(waiting.remove(next));
    }
    order
}

/// The sink tables that a node's rows reach.
pub(super) fn sinks_of(plan: &Plan, from: NodeId) -> Vec<TableId> {
    let mut reached = BTreeSet::from([from]);
    let mut sinks = Vec::new();
    for node in &plan.nodes {
        if node.inputs.iter().any(|input| reached.contains(input)) {
            reached.insert(node.id);
        }
        if let (true, NodeKind::Sink(sink)) = (reached.contains(&node.id), &node.kind) {
            sinks.push(sink.table);
        }
    }
    sinks
}

impl<'a> Flow<'a> {
    /// The scan of a table.
    pub(super) fn scan_of(&self, table: TableId) -> Option<&'a Scan> {
        self.case.plan.nodes.iter().find_map(|node| match &node.kind {
            NodeKind::Scan(scan) if scan.table == table => Some(scan),
            _ => None,
        })
    }

    fn note_malformed(&mut self) {
        for read in &self.reading.records {
            if let Decoded::Malformed = read.decoded {
                let table = self.reading.splits[read.source.split].table;
                let (source, epoch) = (read.source, read.epoch);
                self.malformed.push(Malformed { table, source, epoch });
            }
        }
    }

    fn node(&mut self, node: &'a Node) {
        let unspecified = node.inputs.iter().any(|input| self.unspecified.contains(input));
        if unspecified {
            self.unspecified.insert(node.id);
        }
        let rows = match &node.kind {
            NodeKind::Scan(scan) => self.scan(scan),
            NodeKind::SideScan(side) => side::rows(self, side),
            NodeKind::Values(values) => self.constants(values),
            NodeKind::Calc(calc) => self.calc(node, calc),
            NodeKind::Union => self.union(node),
            NodeKind::WindowAssign(spec) => {
                let aligned = !matches!(spec.window, Window::Session { .. });
                self.window(node, |input| match aligned {
                    true => assign_aligned(spec, input),
                    false => assign_sessions(spec, input),
                })
            }
            NodeKind::WindowAggregate(spec) => {
                self.window(node, |input| aggregate_windows(spec, input))
            }
            NodeKind::Sink(sink) => {
                self.sink(node, sink);
                Vec::new()
            }
        };
        self.rows[node.id.0 as usize] = rows;
    }

    fn scan(&self, scan: &Scan) -> Vec<Row> {
        let of_table = |read: &&Read| self.reading.splits[read.source.split].table == scan.table;
        let row = |read: &Read| match &read.decoded {
            Decoded::Row(cells) => Some(Row {
                cells: cells.clone(),
                origin: Origin::Record {
                    source: read.source,
                    before: read.before,
                    path: Vec::new(),
                    place: Vec::new(),
                },
                epoch: read.epoch,
                sources: Rc::new([read.source]),
            }),
            Decoded::Malformed | Decoded::Nothing => None,
        };
        self.reading.records.iter().filter(of_table).filter_map(row).collect()
    }

    /// Constants come once, with the first epoch.
    fn constants(&self, values: &Values) -> Vec<Row> {
        if self.reading.times.is_empty() {
            return Vec::new();
        }
        let row = |cells: &Vec<_>| Row {
            cells: cells.iter().map(|value| Ok(Cell::of(value))).collect(),
            origin: Origin::Other,
            epoch: 0,
            sources: Rc::new([]),
        };
        values.rows.iter().map(row).collect()
    }

    /// The environment of a row's expressions.
    pub(super) fn env<'r>(&'r self, row: &'r Row) -> Env<'r> {
        let watermark_before = match &row.origin {
            Origin::Record { before, .. } if *before != NEVER => Some(*before),
            Origin::Record { .. } | Origin::Timer { .. } | Origin::Other => None,
        };
        Env {
            cells: &row.cells,
            tick: self.reading.times[row.epoch].tick,
            watermark_before,
            zone: &self.case.plan.options.local_time_zone,
        }
    }

    /// Keeps the rows for which the filter is TRUE, and computes the columns; a row dies
    /// of the first thing that cannot be computed.
    // spec: F-1
    fn calc(&mut self, node: &Node, calc: &Calc) -> Vec<Row> {
        let (mut kept, mut dead, mut unspecified) = (Vec::new(), Vec::new(), false);
        for row in &self.rows[node.inputs[0].0 as usize] {
            let env = self.env(row);
            match calc.filter.as_ref().map_or(Ok(Cell::Boolean(true)), |filter| eval(filter, env)) {
                Ok(Cell::Boolean(true)) => {}
                Ok(Cell::Opaque(_)) => unspecified = true,
                Ok(_) => continue,
                Err(trouble) => {
                    dead.push(row.dead(node.id, trouble.kind, "WHERE"));
                    continue;
                }
            }
            let mut cells = Vec::with_capacity(calc.projections.len());
            let failed = calc.projections.iter().find_map(|projection| {
                let value = eval(&projection.expr, env);
                let trouble = value.as_ref().err().cloned();
                cells.push(value);
                trouble.map(|trouble: Trouble| row.dead(node.id, trouble.kind, &projection.text))
            });
            match failed {
                Some(failed) => dead.push(failed),
                None => kept.push(Row { cells, ..row.clone() }),
            }
        }
        self.dead.extend(dead);
        if unspecified {
            self.unspecified.insert(node.id);
        }
        kept
    }

    /// All rows of all inputs; rows of a record know by which way they came.
    // spec: E-3, E-5
    fn union(&self, node: &Node) -> Vec<Row> {
        let mut all = Vec::new();
        for (number, input) in node.inputs.iter().enumerate() {
            for row in &self.rows[input.0 as usize] {
                let mut row = row.clone();
                if let Origin::Record { path, .. } = &mut row.origin {
                    path.push(number as u32);
                }
                all.push(row);
            }
        }
        // A stable sort keeps the order of the inputs among timers of one time.
        all.sort_by(|a, b| match (&a.origin, &b.origin) {
            (
                Origin::Record { source: one, path: one_path, place: one_place, .. },
                Origin::Record { source: other, path: other_path, place: other_place, .. },
            ) => (one, one_path, one_place).cmp(&(other, other_path, other_place)),
            (Origin::Timer { fire: one, .. }, Origin::Timer { fire: other, .. }) => {
                (a.epoch, one).cmp(&(b.epoch, other))
            }
            (one, other) => rank(one).cmp(&rank(other)),
        });
        all
    }

    fn window(
        &mut self,
        node: &Node,
        run: impl FnOnce(&WindowInput<'_>) -> WindowOutput,
    ) -> Vec<Row> {
        let input = node.inputs[0];
        let watermarks: Vec<i64> = self
            .reading
            .times
            .iter()
            .map(|times| times.operators.get(&node.id).map_or(NEVER, |watermark| watermark.0))
            .collect();
        let output = run(&WindowInput {
            node,
            schema: &self.case.plan.node(input).schema,
            rows: &self.rows[input.0 as usize],
            watermarks: &watermarks,
            clock: self.clocks.get(&node.id).copied().unwrap_or(node.id),
            splits: &self.reading.splits,
        });
        self.late.extend(output.late);
        self.dead.extend(output.dead);
        output.rows
    }

    /// What the sink's table takes.
    // spec: F-1
    fn sink(&mut self, node: &Node, sink: &Sink) {
        let table = self.case.plan.table(sink.table);
        let schema = table.schema();
        let mut expected = Vec::new();
        let mut dead = Vec::new();
        for row in &self.rows[node.inputs[0].0 as usize] {
            let missing = table
                .columns
                .iter()
                .enumerate()
                .find(|(index, column)| !column.ty.nullable && row.cell(*index).is_null());
            if let Some((_, column)) = missing {
                dead.push(row.dead(node.id, ErrorKind::NotNull, &column.name));
                continue;
            }
            let cells = row.values();
            let stream = match &row.origin {
                Origin::Record { source, .. } => Stream::Split(source.split),
                Origin::Timer { operator, .. } => Stream::Timers(*operator),
                Origin::Other => Stream::Loose,
            };
            let key = |key: &Vec<usize>| key.iter().map(|column| cells[*column].clone()).collect();
            expected.push(ExpectedRow {
                epoch: self.reading.times[row.epoch].epoch,
                stream,
                key: table.primary_key.as_ref().map(key),
                value: encode_row(table, &schema, &cells),
                cells,
                sources: row.sources.clone(),
            });
        }
        expected.sort_by_key(|row| row.epoch);
        self.dead.extend(dead);
        let index = self.case.plan.nodes[..node.id.0 as usize]
            .iter()
            .filter(|before| matches!(before.kind, NodeKind::Sink(_)))
            .count();
        self.sinks[index].rows = expected;
        self.sinks[index].unspecified = self.unspecified.contains(&node.id);
    }

    fn finish(self) -> Expected {
        let mut counts = vec![EpochCounts::default(); self.reading.times.len()];
        for read in &self.reading.records {
            counts[read.epoch].records += 1;
        }
        for late in &self.late {
            let counts = &mut counts[late.epoch];
            let whole = late.missed == late.total;
            let of = if whole { &mut counts.late } else { &mut counts.late_partial };
            *of.entry(late.node).or_default() += 1;
        }
        for bad in &self.malformed {
            *counts[bad.epoch].dead.entry(bad.table).or_default() += 1;
        }
        for dead in &self.dead {
            let tables = match dead.record {
                Some(source) => vec![self.reading.splits[source.split].table],
                None => sinks_of(self.case.plan, dead.node),
            };
            for table in tables {
                *counts[dead.epoch].dead.entry(table).or_default() += 1;
            }
        }
        Expected {
            sinks: self.sinks,
            times: self.reading.times,
            counts,
            discords: self.reading.discords,
            splits: self.reading.splits,
        }
    }
}

/// Constants first, then rows of records, then rows of timers.
fn rank(origin: &Origin) -> u8 {
    match origin {
        Origin::Other => 0,
        Origin::Record { .. } => 1,
        Origin::Timer { .. } => 2,
    }
}
