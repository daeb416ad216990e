//! What a window aggregation computes, checked once when it is made.

use super::geometry::{Geometry, SPAN_LIMIT_MS};
use crate::ids::NodeId;
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
    /// The column that is the event time; its values are milliseconds.
    pub(super) rowtime: usize,
    pub(super) rowtime_name: String,
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
        let rowtime = &input.fields[spec.rowtime];
        if !rowtime.ty.sql.can_be_rowtime() {
            return Err(format!("{} {} cannot be an event time", rowtime.name, rowtime.ty));
        }
        let instant = matches!(rowtime.ty.sql, SqlType::TimestampLtz(_));
        if instant && options.local_time_zone != "UTC" {
            let zone = &options.local_time_zone;
            return Err(format!(
                "windows over a TIMESTAMP_LTZ need table.local-time-zone UTC, not {zone}"
            ));
        }
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
        let columns = spec.keys.len() + spec.aggregates.len();
        if node.schema.len() != columns + 3 {
            return Err(format!("node {} gives {} columns", node.name, node.schema.len()));
        }
        let window_types =
            [0, 1, 2].map(|index| node.schema.fields[columns + index].ty.sql.clone());
        Ok(Spec {
            node: node.id,
            windows,
            rowtime: spec.rowtime,
            rowtime_name: rowtime.name.clone(),
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

/// Whether every column that the aggregation names exists.
fn check_columns(spec: &WindowAggregate, input: &Schema) -> Result<(), String> {
    let of_calls = spec.aggregates.iter().flat_map(|call| call.args.iter().chain(&call.filter));
    let mut named = spec.keys.iter().chain([&spec.rowtime]).chain(of_calls);
    match named.find(|column| **column >= input.len()) {
        Some(column) => Err(format!("no column {column} in an input of {}", input.len())),
        None => Ok(()),
    }
}
