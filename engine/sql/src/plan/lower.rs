//! From the graph to the plan: what no sink needs is left out, nodes get their names.

use super::graph::{Draft, DraftId, Graph};
use super::rewrite::{columns_of, replace_columns, uses_tick};
use anabranch_engine::expr::Expr;
use anabranch_engine::ids::{NodeId, TableId};
use anabranch_engine::plan::{
    AggregateCall, Calc, ChangelogMode, Class, JobOptions, Node, NodeKind, PLAN_VERSION, Plan,
    Projection, Scan, SideKind, Table, WindowAggregate, WindowAssign,
};
use anabranch_engine::types::Schema;
use std::collections::{BTreeMap, BTreeSet};

impl Graph {
    /// The plan of these sinks; `tables` is the whole catalog.
    pub(crate) fn lower(&self, sinks: &[DraftId], tables: &[Table], options: JobOptions) -> Plan {
        let order = self.order(sinks);
        let required = self.required(&order);
        let mut lowering = Lowering {
            graph: self,
            required,
            ids: BTreeMap::new(),
            nodes: Vec::new(),
            table_ids: BTreeMap::new(),
            tables: Vec::new(),
            names: BTreeSet::new(),
        };
        // A scan is named after its table whatever else wants the name.
        for id in &order {
            if let NodeKind::Scan(scan) = self.node(*id).stream() {
                lowering.names.insert(tables[scan.table.0 as usize].name.clone());
            }
        }
        for id in order {
            lowering.node(id, tables);
        }
        Plan { version: PLAN_VERSION, options, tables: lowering.tables, nodes: lowering.nodes }
    }

    /// The nodes that the sinks need, inputs first, in the order of the statements.
    fn order(&self, sinks: &[DraftId]) -> Vec<DraftId> {
        let mut seen = BTreeSet::new();
        let mut order = Vec::new();
        // Each entry is a node and whether its inputs have been taken up.
        let mut stack: Vec<(DraftId, bool)> = sinks.iter().rev().map(|id| (*id, false)).collect();
        while let Some((id, inputs_done)) = stack.pop() {
            if inputs_done {
                order.push(id);
            } else if seen.insert(id) {
                stack.push((id, true));
                if let NodeKind::SideScan(side) = self.node(id).stream() {
                    // Nobody may read the scan, but without it there are no such rows.
                    stack.extend(self.scan_of(side.table).map(|scan| (scan, false)));
                }
                stack.extend(self.node(id).inputs.iter().rev().map(|input| (*input, false)));
            }
        }
        order
    }

    /// For each node the columns that its readers need.
    fn required(&self, order: &[DraftId]) -> BTreeMap<DraftId, BTreeSet<usize>> {
        let mut required: BTreeMap<DraftId, BTreeSet<usize>> = BTreeMap::new();
        // Late rows show all columns of their table, so its scan must give them all.
        let late: BTreeSet<TableId> = order
            .iter()
            .filter_map(|id| match self.node(*id).stream() {
                NodeKind::SideScan(side) if side.kind == SideKind::Late => Some(side.table),
                _ => None,
            })
            .collect();
        for id in order.iter().rev() {
            let draft = self.node(*id);
            let mut own = required.remove(id).unwrap_or_default();
            let shown =
                matches!(draft.stream(), NodeKind::Scan(scan) if late.contains(&scan.table));
            if keeps_all(draft.stream()) || shown {
                own.extend(0..draft.schema.len());
            }
            if let NodeKind::Scan(Scan { watermark: Some(watermark), .. }) = draft.stream() {
                own.extend(columns_of(watermark));
            }
            if own.is_empty()
                && matches!(draft.stream(), NodeKind::Scan(_))
                && unread(*id, self, order)
            {
                own.extend(0..draft.schema.len());
            }
            if own.is_empty() && !draft.schema.is_empty() {
                // Rows without a column would lose their number.
                own.insert(0);
            }
            for input in &draft.inputs {
                let needs = needs_of(draft, &own, self.node(*input).schema.len());
                required.entry(*input).or_default().extend(needs);
            }
            required.insert(*id, own);
        }
        // Window columns stand behind all columns of the input, whoever needs those.
        for id in order {
            let draft = self.node(*id);
            if let (NodeKind::WindowAssign(_), [input]) = (draft.stream(), &draft.inputs[..]) {
                let passed = self.node(*input).schema.len();
                let mut own = required.get(input).cloned().unwrap_or_default();
                own.extend(passed..draft.schema.len());
                required.insert(*id, own);
            }
        }
        required
    }
}

/// Whether nobody reads the node: a scan for the sake of its dead rows alone.
fn unread(id: DraftId, graph: &Graph, order: &[DraftId]) -> bool {
    !order.iter().any(|reader| graph.node(*reader).inputs.contains(&id))
}

/// Nodes that give all their columns whether somebody reads them or not.
fn keeps_all(kind: &NodeKind) -> bool {
    match kind {
        NodeKind::SideScan(_)
        | NodeKind::Values(_)
        | NodeKind::WindowAggregate(_)
        | NodeKind::Sink(_) => true,
        NodeKind::Scan(_) | NodeKind::Calc(_) | NodeKind::Union | NodeKind::WindowAssign(_) => {
            false
        }
    }
}

/// The columns of its input that a node needs to give the columns `own`.
fn needs_of(draft: &Draft, own: &BTreeSet<usize>, input_len: usize) -> BTreeSet<usize> {
    match draft.stream() {
        NodeKind::Scan(_) | NodeKind::SideScan(_) | NodeKind::Values(_) => BTreeSet::new(),
        NodeKind::Calc(calc) => {
            let kept = own.iter().filter_map(|index| calc.projections.get(*index));
            let exprs = kept.map(|projection| &projection.expr).chain(&calc.filter);
            exprs.flat_map(columns_of).collect()
        }
        NodeKind::Union | NodeKind::Sink(_) => own.clone(),
        NodeKind::WindowAssign(assign) => {
            let passed = own.iter().copied().filter(|index| *index < input_len);
            passed.chain([assign.rowtime]).chain(assign.partition.iter().copied()).collect()
        }
        NodeKind::WindowAggregate(aggregate) => {
            let calls = aggregate.aggregates.iter();
            let args = calls.flat_map(|call| call.args.iter().copied().chain(call.filter));
            args.chain([aggregate.rowtime]).chain(aggregate.keys.iter().copied()).collect()
        }
    }
}

struct Lowering<'a> {
    graph: &'a Graph,
    required: BTreeMap<DraftId, BTreeSet<usize>>,
    ids: BTreeMap<DraftId, NodeId>,
    nodes: Vec<Node>,
    table_ids: BTreeMap<TableId, TableId>,
    tables: Vec<Table>,
    names: BTreeSet<String>,
}

impl Lowering<'_> {
    fn node(&mut self, id: DraftId, catalog: &[Table]) {
        let draft = self.graph.node(id);
        let kept: Vec<usize> = self.required.get(&id).into_iter().flatten().copied().collect();
        let kind = self.kind(draft, &kept, catalog);
        let name = self.name(draft, &kind);
        let fields = kept.iter().map(|index| draft.schema.fields[*index].clone());
        let inputs: Vec<NodeId> = draft.inputs.iter().map(|input| self.ids[input]).collect();
        let below = inputs.iter().map(|input| self.nodes[input.0 as usize].class).max();
        let class = own_class(&kind).max(below.unwrap_or(Class::Content));
        let node_id = NodeId(self.nodes.len() as u32);
        self.ids.insert(id, node_id);
        self.nodes.push(Node {
            id: node_id,
            name,
            kind,
            inputs,
            schema: Schema::new(fields.collect()),
            changelog: ChangelogMode::InsertOnly,
            unique_key: None,
            time_attribute: draft.time.and_then(|time| kept.iter().position(|k| *k == time)),
            class,
            span: draft.span,
        });
    }

    /// The node's work over the columns that are left of its input.
    fn kind(&mut self, draft: &Draft, kept: &[usize], catalog: &[Table]) -> NodeKind {
        let left: Vec<usize> = match draft.inputs.first() {
            Some(input) => self.required.get(input).into_iter().flatten().copied().collect(),
            None => kept.to_vec(),
        };
        let place = |index: usize| left.iter().position(|k| *k == index).unwrap_or(index);
        let places = |indices: &[usize]| indices.iter().map(|index| place(*index)).collect();
        let moved = |expr: &Expr| {
            replace_columns(expr, &mut |index, column| {
                Expr::column(place(index), column.ty.clone()).at(column.span)
            })
        };
        match draft.stream() {
            NodeKind::Scan(scan) => NodeKind::Scan(Scan {
                table: self.table(scan.table, catalog),
                columns: kept.iter().map(|index| scan.columns[*index]).collect(),
                watermark: scan.watermark.as_ref().map(moved),
            }),
            NodeKind::SideScan(side) => {
                let mut side = side.clone();
                side.table = self.table(side.table, catalog);
                NodeKind::SideScan(side)
            }
            NodeKind::Sink(sink) => {
                let mut sink = sink.clone();
                sink.table = self.table(sink.table, catalog);
                NodeKind::Sink(sink)
            }
            NodeKind::Values(values) => NodeKind::Values(values.clone()),
            NodeKind::Union => NodeKind::Union,
            NodeKind::Calc(calc) => NodeKind::Calc(Calc {
                filter: calc.filter.as_ref().map(moved),
                projections: kept
                    .iter()
                    .map(|index| &calc.projections[*index])
                    .map(|p| Projection { expr: moved(&p.expr), text: p.text.clone() })
                    .collect(),
            }),
            NodeKind::WindowAssign(assign) => NodeKind::WindowAssign(WindowAssign {
                window: assign.window,
                rowtime: place(assign.rowtime),
                partition: places(&assign.partition),
            }),
            NodeKind::WindowAggregate(aggregate) => NodeKind::WindowAggregate(WindowAggregate {
                window: aggregate.window,
                rowtime: place(aggregate.rowtime),
                keys: places(&aggregate.keys),
                aggregates: aggregate
                    .aggregates
                    .iter()
                    .map(|call| AggregateCall {
                        args: places(&call.args),
                        filter: call.filter.map(place),
                        ..call.clone()
                    })
                    .collect(),
                allowed_lateness_ms: aggregate.allowed_lateness_ms,
            }),
        }
    }

    /// The table's number in the plan: tables are numbered as they are met.
    fn table(&mut self, id: TableId, catalog: &[Table]) -> TableId {
        if let Some(known) = self.table_ids.get(&id) {
            return *known;
        }
        let new = TableId(self.tables.len() as u32);
        self.table_ids.insert(id, new);
        self.tables.push(Table { id: new, ..catalog[id.0 as usize].clone() });
        new
    }

    /// A name that nobody has yet.
    // spec: S-3
    fn name(&mut self, draft: &Draft, kind: &NodeKind) -> String {
        let table = |id: TableId| self.tables[id.0 as usize].name.as_str();
        let (wanted, mark) = match kind {
            NodeKind::Scan(scan) => return table(scan.table).to_owned(),
            NodeKind::SideScan(side) => {
                let kind = match side.kind {
                    SideKind::Dead => "dead",
                    SideKind::Late => "late",
                };
                (format!("{}${kind}", table(side.table)), "#")
            }
            NodeKind::WindowAggregate(_) => (draft.owner.clone(), "#"),
            NodeKind::Values(_) => (format!("{}.values", draft.owner), ""),
            NodeKind::Calc(_) => (format!("{}.calc", draft.owner), ""),
            NodeKind::Union => (format!("{}.union", draft.owner), ""),
            NodeKind::WindowAssign(_) => (format!("{}.window", draft.owner), ""),
            NodeKind::Sink(_) => (format!("{}.sink", draft.owner), ""),
        };
        let mut name = wanted.clone();
        let mut number = 2;
        while !self.names.insert(name.clone()) {
            name = format!("{wanted}{mark}{number}");
            number += 1;
        }
        name
    }
}

/// What the node's own work depends on.
// spec: E-2
fn own_class(kind: &NodeKind) -> Class {
    let ticks = match kind {
        NodeKind::Calc(calc) => {
            calc.projections.iter().map(|p| &p.expr).chain(&calc.filter).any(uses_tick)
        }
        NodeKind::Scan(scan) => scan.watermark.as_ref().is_some_and(uses_tick),
        NodeKind::SideScan(_)
        | NodeKind::Values(_)
        | NodeKind::Union
        | NodeKind::WindowAssign(_)
        | NodeKind::WindowAggregate(_)
        | NodeKind::Sink(_) => false,
    };
    if ticks { Class::Journal } else { Class::Content }
}
