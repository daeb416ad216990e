//! What a window aggregation computes, checked once when it is made.

use crate::ids::NodeId;
use crate::op::event_time::{EventTimeColumn, window_types};
use crate::op::geometry::{Geometry, SPAN_LIMIT_MS};
use crate::plan::{AggregateCall, JobOptions, Node, NodeKind, Window, WindowAggregate};
use crate::types::{Schema, SqlType};
use arrow_schema::SchemaRef;

/// The kinds of window.
#[derive(Clone, Copy, Debug)]
pub(super) enum Windows {
    /// TUMBLE, HOP or CUMULATE.
    Aligned(Geometry),
    /// SESSION with its gap in ms.
    Session(i64),
}

/// What the operator computes. It never changes.
pub(super) struct Spec {
    pub(super) node: NodeId,
    pub(super) windows: Windows,
    pub(super) time: EventTimeColumn,
    pub(super) keys: Vec<usize>,
    pub(super) key_types: Vec<SqlType>,
    /// The types of all columns of the input.
    pub(super) input_types: Vec<SqlType>,
    pub(super) input: Schema,
    pub(super) aggregates: Vec<AggregateCall>,
    pub(super) lateness: i64,
    pub(super) output: SchemaRef,
    /// The types of `window_start`, `window_end` and `window_time`.
    pub(super) window_types: [SqlType; 3],
    pub(super) seed: u64,
}

impl Spec {
    /// Checks the node against its input.
    pub(super) fn new(node: &Node, input: &Schema, options: &JobOptions) -> Result<Spec, String> {
        let NodeKind::WindowAggregate(spec) = &node.kind else {
            return Err(format!("node {} is no window aggregation", node.name));
        };
        check_columns(spec, input)?;
        let time = EventTimeColumn::new(spec.rowtime, input, options)?;
        if !(0..=SPAN_LIMIT_MS).contains(&spec.allowed_lateness_ms) {
            return Err(format!("an allowed lateness of {} ms", spec.allowed_lateness_ms));
        }
        let windows = match (Geometry::new(spec.window)?, spec.window) {
            (Some(geometry), _) => Windows::Aligned(geometry),
            (None, Window::Session { gap_ms }) if (1..=SPAN_LIMIT_MS).contains(&gap_ms) => {
                Windows::Session(gap_ms)
            }
            (None, window) => return Err(format!("no such window: {window:?}")),
        };
        let window_types = window_types(&node.schema, spec.keys.len() + spec.aggregates.len())?;
        Ok(Spec {
            node: node.id,
            windows,
            time,
            keys: spec.keys.clone(),
            key_types: spec.keys.iter().map(|key| input.fields[*key].ty.sql.clone()).collect(),
            input_types: input.fields.iter().map(|field| field.ty.sql.clone()).collect(),
            input: input.clone(),
            aggregates: spec.aggregates.clone(),
            lateness: spec.allowed_lateness_ms,
            output: node.schema.arrow(),
            window_types,
            seed: options.seed,
        })
    }
}

impl Spec {
    /// The smallest watermark at which the window with this end fires. Operators over
    /// the same splits agree in what has fired by it, so it orders their rows.
    // spec: T-1, E-3
    pub(super) fn fire_time(&self, end: i64) -> i64 {
        match self.windows {
            Windows::Aligned(_) => end - 1 + self.lateness,
            Windows::Session(_) => end + self.lateness,
        }
    }
}

/// Whether every column that the aggregation names exists.
fn check_columns(spec: &WindowAggregate, input: &Schema) -> Result<(), String> {
    let of_calls = spec.aggregates.iter().flat_map(|call| call.args.iter().chain(&call.filter));
    let mut named = spec.keys.iter().chain(of_calls);
    match named.find(|column| **column >= input.len()) {
        Some(column) => Err(format!("no column {column} in an input of {}", input.len())),
        None => Ok(()),
    }
}
