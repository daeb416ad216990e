//! Window columns on rows: TUMBLE, HOP and CUMULATE as table functions without an
//! aggregation behind them.

use super::event_time::{EventTimeColumn, window_columns, window_types};
use super::geometry::Geometry;
use super::{Operator, OperatorCx};
use crate::ids::{Epoch, NodeId};
use crate::plan::{JobOptions, Node, NodeKind};
use crate::rows::{Origin, RowKinds, Rows};
use crate::state::{Since, StateEntry};
use crate::time::Watermark;
use crate::types::{Schema, SqlType};
use arrow_array::{RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_buffer::ScalarBuffer;
use arrow_schema::SchemaRef;
use arrow_select::take::take;

/// Gives every row once for each window that it belongs to, with `window_start`,
/// `window_end` and `window_time` behind its columns. Keeps no state.
///
/// Order: the rows keep theirs; the windows of a row stand in the order of their
/// ends. No row is dropped for being late, as in Flink: whoever aggregates the rows
/// judges that. A row without an event time is a dead row.
pub struct WindowAssignOp {
    node: NodeId,
    geometry: Geometry,
    time: EventTimeColumn,
    output: SchemaRef,
    window_types: [SqlType; 3],
}

impl WindowAssignOp {
    /// An operator for this node.
    ///
    /// # Errors
    /// If the node assigns no windows, does not fit the input's columns, or asks for
    /// what is not supported: bare SESSION windows, or an event time of type
    /// TIMESTAMP_LTZ in a zone other than UTC.
    pub fn new(node: &Node, input: &Schema, options: &JobOptions) -> Result<Self, String> {
        let NodeKind::WindowAssign(spec) = &node.kind else {
            return Err(format!("node {} assigns no windows", node.name));
        };
        let Some(geometry) = Geometry::new(spec.window)? else {
            return Err("SESSION without GROUP BY window_start, window_end is not supported".into());
        };
        Ok(WindowAssignOp {
            node: node.id,
            geometry,
            time: EventTimeColumn::new(spec.rowtime, input, options)?,
            output: node.schema.arrow(),
            window_types: window_types(&node.schema, input.len())?,
        })
    }

    fn assign(&self, rows: &Rows, cx: &mut OperatorCx<'_>) -> Rows {
        let mut sources: Vec<u32> = Vec::with_capacity(rows.len());
        let mut windows: Vec<(i64, i64)> = Vec::with_capacity(rows.len());
        // Whether every row stands exactly once, as with TUMBLE.
        let mut unchanged = true;
        for (row, time) in self.time.of(rows).iter().enumerate() {
            if !self.time.is_usable(rows, row, *time) {
                cx.dead.push(self.time.dead_row(self.node, rows, row));
                unchanged = false;
                continue;
            }
            let open = self.geometry.open(*time, Watermark::NONE, 0);
            unchanged &= open.total == 1;
            for index in 0..open.total {
                let end = open.first_open + index * self.geometry.step();
                sources.push(row as u32);
                windows.push((self.geometry.start(end), end));
            }
        }
        let count = sources.len();
        let indices = UInt32Array::from(sources);
        let mut columns: Vec<_> = if unchanged {
            rows.batch.columns().to_vec()
        } else {
            let taken = rows.batch.columns().iter().map(|column| take(column, &indices, None));
            taken.collect::<Result<_, _>>().expect("the indices are rows of the batch")
        };
        columns.extend(window_columns(&self.window_types, windows.iter().copied()));
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let batch = RecordBatch::try_new_with_options(self.output.clone(), columns, &options)
            .expect("the node's schema was checked against its columns");
        let kinds = match &rows.kinds {
            RowKinds::Inserts => RowKinds::Inserts,
            RowKinds::Each(kinds) => RowKinds::Each(pick(kinds, indices.values())),
        };
        let origin = match &rows.origin {
            Origin::Records { split, offsets, watermarks_before, path } => Origin::Records {
                split: *split,
                offsets: pick(offsets, indices.values()).into(),
                watermarks_before: pick(watermarks_before, indices.values()).into(),
                path: *path,
            },
            Origin::Timer { fire_times } => {
                Origin::Timer { fire_times: pick(fire_times, indices.values()).into() }
            }
            Origin::Other => Origin::Other,
        };
        Rows { batch, kinds, origin, column_errors: Vec::new() }
    }
}

impl Operator for WindowAssignOp {
    fn on_rows(&mut self, port: usize, rows: &[Rows], cx: &mut OperatorCx<'_>) {
        assert_eq!(port, 0, "a window assignment has one port");
        for rows in rows {
            let assigned = self.assign(rows, cx);
            if !assigned.is_empty() {
                cx.output.push(assigned);
            }
        }
    }

    fn on_watermark(&mut self, _watermark: Watermark, _cx: &mut OperatorCx<'_>) {}

    fn output_watermark(&self, input: Watermark) -> Watermark {
        // The time attribute of what is given, window_time, is no less than that of
        // the row it was made of.
        input
    }

    fn on_epoch_end(&mut self, _cx: &mut OperatorCx<'_>) {}

    fn save(&self, since: Since, _out: &mut Vec<StateEntry>) -> Since {
        since
    }

    fn keep_changes(&mut self, _since: Epoch) {}

    fn load(&mut self, entries: &[StateEntry]) -> Result<(), String> {
        match entries.first() {
            Some(entry) => Err(format!("no state table {} in a window assignment", entry.table)),
            None => Ok(()),
        }
    }

    fn state_bytes(&self) -> usize {
        0
    }

    fn next_timer(&self) -> Option<Watermark> {
        None
    }
}

fn pick<T: Copy>(items: &[T], rows: &ScalarBuffer<u32>) -> Vec<T> {
    rows.iter().map(|row| items[*row as usize]).collect()
}
