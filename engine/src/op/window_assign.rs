//! Window columns on rows: window table functions without an aggregation behind them.

use super::event_time::{EventTimeColumn, window_columns, window_types};
use super::geometry::Geometry;
use super::session_assign::SessionAssign;
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
/// `window_end` and `window_time` behind its columns.
///
/// For TUMBLE, HOP and CUMULATE it keeps no state. Order: the rows keep theirs; the
/// windows of a row stand in the order of their ends. No row is dropped for being
/// late, as in Flink: whoever aggregates the rows judges that.
///
/// For SESSION it keeps the rows until their session closes. Order: by (fire time,
/// encoded partition key, canonical order of the rows). A row that is late for its
/// session is a late row and is not given.
///
/// A row without an event time is a dead row.
// spec: E-3, E-5
pub struct WindowAssignOp {
    kind: Kind,
}

enum Kind {
    Aligned(Aligned),
    Session(Box<SessionAssign>),
}

/// TUMBLE, HOP and CUMULATE.
struct Aligned {
    node: NodeId,
    geometry: Geometry,
    time: EventTimeColumn,
    output: SchemaRef,
    window_types: [SqlType; 3],
}

impl WindowAssignOp {
    /// An operator for this node, without state.
    ///
    /// # Errors
    /// If the node assigns no windows, does not fit the input's columns, or asks for
    /// what is not supported: an event time of type TIMESTAMP_LTZ in a zone other
    /// than UTC.
    pub fn new(node: &Node, input: &Schema, options: &JobOptions) -> Result<Self, String> {
        let NodeKind::WindowAssign(spec) = &node.kind else {
            return Err(format!("node {} assigns no windows", node.name));
        };
        let Some(geometry) = Geometry::new(spec.window)? else {
            let session = SessionAssign::new(node, spec, input, options)?;
            return Ok(WindowAssignOp { kind: Kind::Session(Box::new(session)) });
        };
        let aligned = Aligned {
            node: node.id,
            geometry,
            time: EventTimeColumn::new(spec.rowtime, input, options)?,
            output: node.schema.arrow(),
            window_types: window_types(&node.schema, input.len())?,
        };
        Ok(WindowAssignOp { kind: Kind::Aligned(aligned) })
    }
}

impl Aligned {
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
        match &mut self.kind {
            Kind::Aligned(aligned) => {
                for rows in rows {
                    let assigned = aligned.assign(rows, cx);
                    if !assigned.is_empty() {
                        cx.output.push(assigned);
                    }
                }
            }
            Kind::Session(session) => session.inner.on_rows(port, rows, cx),
        }
    }

    fn on_watermark(&mut self, watermark: Watermark, cx: &mut OperatorCx<'_>) {
        match &mut self.kind {
            Kind::Aligned(_) => {}
            Kind::Session(session) => session.on_watermark(watermark, cx),
        }
    }

    fn output_watermark(&self, input: Watermark) -> Watermark {
        match &self.kind {
            // The time attribute of what is given, window_time, is no less than that
            // of the row it was made of.
            Kind::Aligned(_) => input,
            Kind::Session(session) => session.inner.output_watermark(input),
        }
    }

    fn on_epoch_end(&mut self, cx: &mut OperatorCx<'_>) {
        match &mut self.kind {
            Kind::Aligned(_) => {}
            Kind::Session(session) => session.inner.on_epoch_end(cx),
        }
    }

    fn save(&self, since: Since, out: &mut Vec<StateEntry>) -> Since {
        match &self.kind {
            Kind::Aligned(_) => since,
            Kind::Session(session) => session.inner.save(since, out),
        }
    }

    fn keep_changes(&mut self, since: Epoch) {
        match &mut self.kind {
            Kind::Aligned(_) => {}
            Kind::Session(session) => session.inner.keep_changes(since),
        }
    }

    fn load(&mut self, entries: &[StateEntry]) -> Result<(), String> {
        match (&mut self.kind, entries.first()) {
            (Kind::Session(session), _) => session.inner.load(entries),
            (Kind::Aligned(_), None) => Ok(()),
            (Kind::Aligned(_), Some(entry)) => {
                Err(format!("no state table {} in a window assignment", entry.table))
            }
        }
    }

    fn state_bytes(&self) -> usize {
        match &self.kind {
            Kind::Aligned(_) => 0,
            Kind::Session(session) => session.inner.state_bytes(),
        }
    }

    fn next_timer(&self) -> Option<Watermark> {
        match &self.kind {
            Kind::Aligned(_) => None,
            Kind::Session(session) => session.inner.next_timer(),
        }
    }
}

fn pick<T: Copy>(items: &[T], rows: &ScalarBuffer<u32>) -> Vec<T> {
    rows.iter().map(|row| items[*row as usize]).collect()
}
