//! The open cells of aligned windows: which exist, and when windows fire.
//!
//! A cell is (base, first open end): the rows of one base that count in all windows
//! of the base that end at or after the first open one. Nearly all rows of a pane
//! share one cell; a row that came too late for some of the pane's windows goes
//! to a cell of its own, so that it counts only where it may.
// spec: T-2

use crate::op::geometry::{Geometry, closed_up_to};
use crate::time::Watermark;
use std::collections::{BTreeMap, BTreeSet};

/// The number of a cell. Numbers are used again, but not within one fire plan.
pub(super) type CellId = u32;

/// No cell: the row is skipped.
pub(super) const NO_CELL: CellId = CellId::MAX;

/// What makes a cell one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CellKey {
    /// The base of its rows.
    pub(super) base: i64,
    /// The end of the first window that its rows count in.
    pub(super) first_open: i64,
}

/// What pieces do when the watermark rises, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Forget a cell: its last window fired.
    Drop(CellId),
    /// Give the results of a window over these cells. `closes` says that it is the
    /// last window of its only cell.
    Fire { start: i64, end: i64, cells: Vec<CellId>, closes: bool },
}

/// The cells that exist in any piece.
///
/// Invariants: `agenda` holds every cell once, with the end of the next window that
/// it counts in; that end is larger than every end that has fired.
#[derive(Default)]
pub(super) struct Cells {
    by_key: BTreeMap<CellKey, CellId>,
    keys: Vec<CellKey>,
    free: Vec<CellId>,
    agenda: BTreeSet<(i64, CellId)>,
}

impl Cells {
    /// The number of this cell; it exists from now on.
    pub(super) fn open(
        &mut self,
        key: CellKey,
        geometry: &Geometry,
        watermark: Watermark,
        lateness: i64,
    ) -> CellId {
        if let Some(cell) = self.by_key.get(&key) {
            return *cell;
        }
        let cell = self.free.pop().unwrap_or(self.keys.len() as CellId);
        if cell as usize == self.keys.len() {
            self.keys.push(key);
        }
        self.keys[cell as usize] = key;
        self.by_key.insert(key, cell);
        let next = geometry.end_after(key.first_open, closed_up_to(watermark, lateness));
        self.agenda.insert((next, cell));
        cell
    }

    /// What makes this cell one.
    pub(super) fn key(&self, cell: CellId) -> CellKey {
        self.keys[cell as usize]
    }

    /// The end of the next window that fires.
    pub(super) fn next_end(&self) -> Option<i64> {
        self.agenda.first().map(|(end, _)| *end)
    }

    /// Takes what fires at this watermark off the agenda, in the order of ends.
    // spec: T-5
    pub(super) fn due(
        &mut self,
        geometry: &Geometry,
        watermark: Watermark,
        lateness: i64,
    ) -> Vec<Step> {
        let closed = closed_up_to(watermark, lateness);
        let mut steps = Vec::new();
        while let Some(end) = self.next_end().filter(|end| *end <= closed) {
            let mut cells = Vec::new();
            let mut staying = Vec::new();
            let mut dropped = Vec::new();
            while let Some(&(next, cell)) = self.agenda.first().filter(|(next, _)| *next == end) {
                self.agenda.pop_first();
                cells.push(cell);
                let key = self.keys[cell as usize];
                if next >= geometry.last_end(key.base) {
                    self.by_key.remove(&key);
                    dropped.push(cell);
                } else {
                    staying.push((end + geometry.step(), cell));
                }
            }
            self.agenda.extend(staying);
            let closes = cells.len() == 1 && dropped.len() == 1;
            steps.push(Step::Fire { start: geometry.start(end), end, cells, closes });
            steps.extend(dropped.into_iter().map(Step::Drop));
        }
        let dropped = steps.iter().filter_map(|step| match step {
            Step::Drop(cell) => Some(*cell),
            Step::Fire { .. } => None,
        });
        self.free.extend(dropped);
        steps
    }

    /// About how many bytes of memory this takes.
    pub(super) fn memory_bytes(&self) -> usize {
        // A map entry takes about twice its size, nodes being half full.
        96 * self.by_key.len() + 16 * self.keys.capacity()
    }
}
