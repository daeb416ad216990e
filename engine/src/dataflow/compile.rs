//! From a plan to a dataflow.

use super::BuildError;
use super::calc::CalcExec;
use super::scan::ScanExec;
use super::side::SideExec;
use super::sink::SinkExec;
use super::splits::{Feeds, Splits};
use super::{Dataflow, NodeExec};
use crate::expr::scalar_array;
use crate::ids::{Epoch, NodeId, SinkId, TableId};
use crate::op::{WindowAggregateOp, WindowAssignOp};
use crate::plan::{Node, NodeKind, Plan, SideKind, Values};
use crate::time::Watermark;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow_select::concat::concat;
use std::sync::Arc;

impl Dataflow {
    /// Makes a plan ready to run, with empty state.
    ///
    /// # Errors
    /// If the plan asks for what this binary does not have: a function of an unknown
    /// name or version, an unknown zone, a metadata key that the connector lacks.
    pub fn compile(plan: Arc<Plan>) -> Result<Dataflow, BuildError> {
        let zone: chrono_tz::Tz = plan.options.local_time_zone.parse().map_err(|_| {
            BuildError::other(format!("unknown time zone '{}'", plan.options.local_time_zone))
        })?;
        let mut nodes = Vec::with_capacity(plan.nodes.len());
        let mut sinks = 0;
        for node in &plan.nodes {
            let compiled = compile_node(&plan, node, zone, &mut sinks);
            nodes.push(compiled.map_err(|error| error.within(&node.name))?);
        }
        Ok(Dataflow {
            feeds: Feeds::of(&plan),
            watermarks: vec![Watermark::NONE; plan.nodes.len()],
            order: run_order(&plan),
            scans: plan
                .nodes
                .iter()
                .filter_map(|node| match &node.kind {
                    NodeKind::Scan(scan) => Some((scan.table, node.id)),
                    _ => None,
                })
                .collect(),
            nodes,
            plan,
            splits: Splits::default(),
            epoch: Epoch(0),
            zone,
        })
    }
}

/// The plan's order, but the side tables and all that reads them behind the rest, and
/// the dead letters of a sink behind all that fills it.
fn run_order(plan: &Plan) -> Vec<NodeId> {
    let mut reads_side = vec![false; plan.nodes.len()];
    for node in &plan.nodes {
        reads_side[node.id.0 as usize] = matches!(node.kind, NodeKind::SideScan(_))
            || node.inputs.iter().any(|input| reads_side[input.0 as usize]);
    }
    let all = plan.nodes.iter().map(|node| node.id);
    let (mut waiting, mut order): (Vec<NodeId>, Vec<NodeId>) =
        all.partition(|id| reads_side[id.0 as usize]);
    while !waiting.is_empty() {
        // A sink that is filled from its own dead letters has no such order; then the
        // plan's decides, in which the first that waits has all its inputs.
        let ready = waiting.iter().position(|id| is_ready(plan, *id, &waiting));
        order.push(waiting.remove(ready.unwrap_or(0)));
    }
    order
}

/// Whether a node can run before the others that wait.
fn is_ready(plan: &Plan, id: NodeId, waiting: &[NodeId]) -> bool {
    let node = plan.node(id);
    let others = || waiting.iter().filter(|other| **other != id);
    let has_inputs = others().all(|other| !node.inputs.contains(other));
    match &node.kind {
        NodeKind::SideScan(side) if side.kind == SideKind::Dead => {
            let fills = fills(plan, side.table);
            has_inputs && others().all(|other| !fills[other.0 as usize])
        }
        _ => has_inputs,
    }
}

/// For each node whether its rows reach this table.
fn fills(plan: &Plan, table: TableId) -> Vec<bool> {
    let mut fills = vec![false; plan.nodes.len()];
    for node in plan.nodes.iter().rev() {
        let index = node.id.0 as usize;
        fills[index] |= matches!(&node.kind, NodeKind::Sink(sink) if sink.table == table);
        if fills[index] {
            node.inputs.iter().for_each(|input| fills[input.0 as usize] = true);
        }
    }
    fills
}

fn compile_node(
    plan: &Plan,
    node: &Node,
    zone: chrono_tz::Tz,
    sinks: &mut u32,
) -> Result<NodeExec, BuildError> {
    let input_schema = || &plan.node(node.inputs[0]).schema;
    Ok(match &node.kind {
        NodeKind::Scan(scan) => {
            NodeExec::Scan(ScanExec::compile(node, scan, plan.table(scan.table), zone)?)
        }
        NodeKind::SideScan(side) => NodeExec::Side(SideExec::compile(node, side, plan)?),
        NodeKind::Values(values) => NodeExec::Values(constant_rows(node, values)?),
        NodeKind::Calc(calc) => {
            NodeExec::Calc(CalcExec::compile(node, calc, input_schema().len())?)
        }
        NodeKind::Union => NodeExec::Union(node.schema.arrow()),
        NodeKind::WindowAssign(_) => NodeExec::Operator {
            operator: Box::new(
                WindowAssignOp::new(node, input_schema(), &plan.options)
                    .map_err(BuildError::other)?,
            ),
            watermark: Watermark::NONE,
        },
        NodeKind::WindowAggregate(_) => NodeExec::Operator {
            operator: Box::new(
                WindowAggregateOp::new(node, input_schema(), &plan.options)
                    .map_err(BuildError::other)?,
            ),
            watermark: Watermark::NONE,
        },
        NodeKind::Sink(sink) => {
            *sinks += 1;
            NodeExec::Sink(SinkExec::new(node, plan.table(sink.table), SinkId(*sinks - 1)))
        }
    })
}

/// The rows of a VALUES list as one batch.
fn constant_rows(node: &Node, values: &Values) -> Result<RecordBatch, BuildError> {
    let columns: Vec<ArrayRef> = node
        .schema
        .fields
        .iter()
        .enumerate()
        .map(|(column, field)| {
            let cells: Vec<ArrayRef> =
                values.rows.iter().map(|row| scalar_array(&row[column], &field.ty.sql)).collect();
            let cells: Vec<&dyn Array> = cells.iter().map(AsRef::as_ref).collect();
            match cells.is_empty() {
                true => Ok(new_empty_array(&field.ty.sql.arrow())),
                false => concat(&cells).map_err(|error| BuildError::other(error.to_string())),
            }
        })
        .collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(values.rows.len()));
    RecordBatch::try_new_with_options(node.schema.arrow(), columns, &options)
        .map_err(|error| BuildError::other(error.to_string()))
}
