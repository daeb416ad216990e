//! Which rows of a batch count, and in which cell.

use super::cells::{CellId, CellKey, Cells, NO_CELL};
use super::spec::{Spec, Windows};
use crate::op::geometry::{Geometry, closed_up_to};
use crate::op::{LateRow, OperatorCx};
use crate::planted;
use crate::rows::{Origin, Rows};
use crate::time::{EventTime, Watermark};

/// The cells of the rows of a batch.
pub(super) struct Classified {
    /// For each row its cell, or [`NO_CELL`]; 0 for rows of sessions.
    pub(super) cells: Vec<CellId>,
    /// Whether some row is skipped.
    pub(super) skips: bool,
}

/// Finds the cell of every row; rows that count nowhere become late or dead rows.
// spec: T-2, T-4, F-1
pub(super) fn classify(
    spec: &Spec,
    cells: &mut Cells,
    watermark: Watermark,
    rows: &Rows,
    cx: &mut OperatorCx<'_>,
) -> Classified {
    let times = spec.time.of(rows);
    let nulls = rows.batch.column(spec.time.index).nulls();
    let watermarks = match &rows.origin {
        Origin::Records { watermarks_before, .. } => Some(watermarks_before.as_ref()),
        Origin::Timer { .. } | Origin::Other => None,
    };
    let mut known = Known::default();
    let mut found = Classified { cells: Vec::with_capacity(times.len()), skips: false };
    for (row, time) in times.iter().enumerate() {
        let before = watermarks.map_or(Watermark::NONE, |all| Watermark(all[row]));
        let before = if planted!(W15) { watermark } else { before };
        let is_null = nulls.is_some_and(|nulls| nulls.is_null(row));
        if !is_null && known.first <= *time && *time < known.end && before.0 < known.closes {
            found.cells.push(known.cell);
            continue;
        }
        let cell = if !spec.time.is_usable(rows, row, *time) {
            cx.dead.push(spec.time.dead_row(spec.node, rows, row));
            NO_CELL
        } else {
            let (missed, total, cell) = match spec.windows {
                Windows::Aligned(geometry) => {
                    let open = geometry.open(*time, before, spec.lateness);
                    let mut cell = NO_CELL;
                    if open.missed < open.total {
                        // No split's watermark lies below the operator's, and derived
                        // rows lie above the watermark that came with them.
                        let fired = closed_up_to(watermark, spec.lateness);
                        assert!(open.first_open > fired, "a row counts in a window that fired");
                        let first_open =
                            if planted!(D9) { geometry.first_end(*time) } else { open.first_open };
                        let key = CellKey { base: open.base, first_open };
                        cell = cells.open(key, &geometry, watermark, spec.lateness);
                    }
                    if open.missed == 0 {
                        known = Known::new(spec, &geometry, open.first_open, cell);
                    }
                    (open.missed, open.total, cell)
                }
                // A session's end is not known yet, so the row itself is judged.
                Windows::Session(_) => {
                    let open_until = EventTime(*time + spec.lateness);
                    if before.is_past(open_until) {
                        (1, 1, if planted!(D7) { 0 } else { NO_CELL })
                    } else {
                        assert!(!watermark.is_past(open_until), "a row of a session that fired");
                        (0, 1, 0)
                    }
                }
            };
            if missed > 0 {
                cx.late.extend(late_row(spec, rows, row, before, missed, total));
            }
            cell
        };
        found.skips |= cell == NO_CELL;
        found.cells.push(cell);
    }
    found
}

/// The cell of the rows in `first..end` that come before the watermark `closes`.
/// Most rows of a batch lie in the cell of the row before.
struct Known {
    first: i64,
    end: i64,
    closes: i64,
    cell: CellId,
}

impl Default for Known {
    /// Holds no row.
    fn default() -> Self {
        Known { first: 0, end: 0, closes: i64::MIN, cell: NO_CELL }
    }
}

impl Known {
    /// Rows that are late for no window, of which the first ends at `end`.
    fn new(spec: &Spec, geometry: &Geometry, end: i64, cell: CellId) -> Known {
        Known { first: end - geometry.step(), end, closes: end - 1 + spec.lateness, cell }
    }
}

/// The late row; `None` if the row is derived, which is never late.
// spec: T-4, T-5
fn late_row(
    spec: &Spec,
    rows: &Rows,
    row: usize,
    watermark: Watermark,
    missed: i64,
    total: i64,
) -> Option<LateRow> {
    let Origin::Records { split, offsets, .. } = &rows.origin else {
        return None;
    };
    let count = |windows: i64| u32::try_from(windows).unwrap_or(u32::MAX);
    Some(LateRow {
        node: spec.node,
        split: *split,
        offset: offsets[row],
        watermark,
        windows_missed: count(missed),
        windows_total: count(total),
    })
}
