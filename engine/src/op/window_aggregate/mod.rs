//! Aggregation by key and window: TUMBLE, HOP, CUMULATE and SESSION.
//!
//! Rows of a batch are first given their cell (`classify`), in row order, which is
//! where late and dead rows are found. Then each piece of the key space takes its
//! rows: key numbers, group slots, one call of each aggregate for the whole batch.
//! When the watermark rises, the operator plans which windows fire, and every piece
//! carries the plan out for its own keys.

mod cell;
mod cells;
mod classify;
mod emit;
mod gone;
mod keys;
mod merge;
mod order;
mod panes;
mod piece;
mod sessions;
mod slots;
mod spec;
mod store;

use super::{Operator, OperatorCx};
use crate::executor::{self, Executor, Sequential};
use crate::ids::Epoch;
use crate::plan::{JobOptions, Node};
use crate::planted;
use crate::rows::{RowKinds, Rows};
use crate::state::{Since, StateEntry};
use crate::time::Watermark;
use crate::types::Schema;
use cells::Cells;
use classify::{Classified, classify};
use merge::merge;
use order::CanonicalOrder;
use piece::{Piece, Taken};
use spec::{Spec, Windows};

/// Below how many rows the pieces run one after the other: handing work to threads
/// costs some microseconds.
const PARALLEL_ROWS: usize = 4096;

/// Aggregates rows by key and window; a whole operator.
///
/// Takes inserts only, on one port. Gives the key columns, one column for each
/// aggregate, `window_start`, `window_end` and `window_time`, once for each key and
/// window in which a row counted, when the watermark has passed the window's end by
/// the allowed lateness. A row counts in the windows that are open at its own split's
/// watermark before the row, so what is given depends on the splits' contents alone.
///
/// Order: by (fire time, encoded key), where the fire time is the smallest watermark at
/// which the window fires: its end plus the allowed lateness, for aligned windows less
/// one millisecond.
///
/// Determinism: the results do not depend on the cuts into batches and epochs, on
/// how splits are interleaved, or on the executor's parallelism.
// spec: E-2, E-3, T-2, T-5
pub struct WindowAggregateOp {
    spec: Spec,
    /// Invariant: key group `g` belongs to piece `g % pieces.len()`.
    pieces: Vec<Piece>,
    /// The cells of aligned windows; unused for sessions.
    cells: Cells,
    /// Up to where windows have fired.
    watermark: Watermark,
    /// In which epoch the watermark last rose.
    watermark_changed: Epoch,
}

impl WindowAggregateOp {
    /// An operator without state.
    ///
    /// # Errors
    /// If the node is no window aggregation, does not fit the input's columns, or
    /// asks for what is not supported: an event time of type TIMESTAMP_LTZ in a
    /// zone other than UTC, or an aggregate that does not exist.
    pub fn new(node: &Node, input: &Schema, options: &JobOptions) -> Result<Self, String> {
        let spec = Spec::new(node, input, options)?;
        let pieces = vec![Piece::new(&spec)?];
        Ok(WindowAggregateOp {
            spec,
            pieces,
            cells: Cells::default(),
            watermark: Watermark::NONE,
            watermark_changed: Epoch::default(),
        })
    }

    /// Brings the timers up to date for [`Operator::next_timer`].
    fn settle_timers(&mut self) {
        if let Windows::Session(gap) = self.spec.windows {
            self.pieces.iter_mut().for_each(|piece| piece.sessions.settle(gap));
        }
    }
}

impl Operator for WindowAggregateOp {
    fn on_rows(&mut self, port: usize, rows: &[Rows], cx: &mut OperatorCx<'_>) {
        assert_eq!(port, 0, "a window aggregation has one port");
        self.cut(cx.executor.parallelism());
        let mut classified = Vec::with_capacity(rows.len());
        for rows in rows {
            assert!(
                matches!(rows.kinds, RowKinds::Inserts),
                "the planner gives window aggregations inserts only"
            );
            classified.push(classify(&self.spec, &mut self.cells, self.watermark, rows, cx));
        }
        let spec = &self.spec;
        let orders: Vec<CanonicalOrder<'_>> = rows
            .iter()
            .map(|rows| CanonicalOrder {
                times: spec.time.of(rows),
                rows,
                split_names: cx.split_names,
                types: &spec.input_types,
            })
            .collect();
        let batches: Vec<_> = rows.iter().zip(&classified).zip(&orders).collect();
        let epoch = cx.epoch;
        if self.pieces.len() == 1 {
            for ((rows, found), order) in batches {
                let cells = &found.cells;
                let taken = Taken { rows, cells, selected: None, skips: found.skips, order };
                self.pieces[0].take(spec, &taken, epoch);
            }
            return;
        }
        let count: usize = rows.iter().map(Rows::len).sum();
        let executor = executor_for(count, cx.executor);
        let count_of_pieces = self.pieces.len();
        let routed = executor::map(executor, batches.clone(), |((rows, found), _)| {
            route(spec, count_of_pieces, rows, found)
        });
        let pieces: Vec<_> = self.pieces.iter_mut().enumerate().collect();
        executor::map(executor, pieces, |(number, piece)| {
            for (((rows, found), order), routed) in batches.iter().zip(&routed) {
                let selected = Some(routed[number].as_slice());
                let cells = &found.cells;
                piece.take(
                    spec,
                    &Taken { rows, cells, selected, skips: found.skips, order: *order },
                    epoch,
                );
            }
        });
    }

    fn on_watermark(&mut self, watermark: Watermark, cx: &mut OperatorCx<'_>) {
        assert!(watermark >= self.watermark, "a watermark never falls");
        if watermark == self.watermark {
            return;
        }
        self.cut(cx.executor.parallelism());
        self.watermark = watermark;
        self.watermark_changed = cx.epoch;
        let spec = &self.spec;
        let several = self.pieces.len() > 1;
        let live: usize = self.pieces.iter().map(|piece| piece.slots.in_use()).sum();
        let executor = executor_for(live, cx.executor);
        let epoch = cx.epoch;
        let emitted = match spec.windows {
            Windows::Aligned(geometry) => {
                let lateness = if planted!(D3) { 0 } else { spec.lateness };
                let steps = self.cells.due(&geometry, watermark, lateness);
                if steps.is_empty() {
                    return;
                }
                let cells = &self.cells;
                executor::map(executor, self.pieces.iter_mut().collect(), |piece| {
                    piece.fire(spec, cells, &steps, epoch, several)
                })
            }
            Windows::Session(gap) => {
                let reached = if planted!(W6) { cx.tick.0 / 1_000_000 } else { watermark.0 };
                let end = reached.saturating_sub(spec.lateness);
                executor::map(executor, self.pieces.iter_mut().collect(), |piece| {
                    piece.fire_sessions(spec, gap, end, epoch, several)
                })
            }
        };
        merge(emitted, cx);
    }

    fn output_watermark(&self, input: Watermark) -> Watermark {
        match self.spec.windows {
            // A window that has not fired has end - 1 + lateness > input, and its
            // rows have the time end - 1.
            Windows::Aligned(geometry) if planted!(D13) => input.minus_ms(-geometry.step()),
            Windows::Aligned(_) => input.minus_ms(self.spec.lateness),
            // A session that has not fired has end + lateness > input, so the time
            // of its row, end - 1, may be input - lateness itself.
            Windows::Session(_) => input.minus_ms(self.spec.lateness + 1),
        }
    }

    fn on_epoch_end(&mut self, _cx: &mut OperatorCx<'_>) {
        self.settle_timers();
    }

    fn save(&self, since: Since, out: &mut Vec<StateEntry>) -> Since {
        self.save_entries(since, out)
    }

    fn keep_changes(&mut self, since: Epoch) {
        self.pieces.iter_mut().for_each(|piece| piece.gone.keep(since));
    }

    fn load(&mut self, entries: &[StateEntry]) -> Result<(), String> {
        self.load_entries(entries)
    }

    fn state_bytes(&self) -> usize {
        let pieces: usize = self.pieces.iter().map(Piece::memory_bytes).sum();
        pieces + self.cells.memory_bytes()
    }

    fn next_timer(&self) -> Option<Watermark> {
        match self.spec.windows {
            Windows::Aligned(_) => {
                self.cells.next_end().map(|end| Watermark(self.spec.fire_time(end)))
            }
            Windows::Session(_) => {
                let ends = self.pieces.iter().filter_map(|piece| piece.sessions.next_end());
                ends.min().map(|end| Watermark(self.spec.fire_time(end)))
            }
        }
    }
}

/// The rows of one batch that each of `pieces` pieces takes.
fn route(spec: &Spec, pieces: usize, rows: &Rows, classified: &Classified) -> Vec<Vec<u32>> {
    let expected = rows.len() / pieces + 16;
    let mut routed: Vec<Vec<u32>> =
        (0..pieces).map(|_| Vec::with_capacity(expected + expected / 8)).collect();
    let columns: Vec<_> = spec.keys.iter().map(|key| rows.batch.column(*key)).collect();
    let kept = classified.cells.iter().enumerate().filter(|(_, cell)| **cell != cells::NO_CELL);
    keys::groups_of(&spec.key_types, &columns, kept.map(|(row, _)| row), |row, group| {
        routed[usize::from(group.0) % pieces].push(row as u32);
    });
    routed
}

/// The executor for work on so many rows.
fn executor_for(rows: usize, executor: &dyn Executor) -> &dyn Executor {
    const ONE_BY_ONE: &Sequential = &Sequential { pieces: 1 };
    if rows < PARALLEL_ROWS { ONE_BY_ONE } else { executor }
}
