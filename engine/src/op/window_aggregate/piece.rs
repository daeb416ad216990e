//! A piece of the operator: the groups whose keys fall into its key groups.
//!
//! Pieces share nothing, so they run on threads of their own; what they give is
//! merged by (fire time, key), so how many there are changes no result.

use super::cells::{CellId, Cells, NO_CELL, Step};
use super::emit::{Due, Emitted, emit};
use super::gone::Gone;
use super::keys::{KeyId, Keys};
use super::panes::Panes;
use super::sessions::Sessions;
use super::slots::{Slot, Slots};
use super::spec::{Spec, Windows};
use super::store::{pane_key, session_key};
use crate::agg::RowOrder;
use crate::ids::Epoch;
use crate::rows::Rows;

/// At how many rows results are made into a batch.
const EMIT_ROWS: usize = 8192;

/// The state of some key groups.
pub(super) struct Piece {
    pub(super) keys: Keys,
    pub(super) slots: Slots,
    /// The groups of aligned windows.
    pub(super) panes: Panes,
    /// The groups of session windows.
    pub(super) sessions: Sessions,
    pub(super) gone: Gone,
    scratch: Scratch,
}

/// Buffers that are kept to spare allocations; nothing in them lives longer than a
/// call.
#[derive(Default)]
struct Scratch {
    rows: Vec<u32>,
    keys: Vec<KeyId>,
    slots: Vec<Slot>,
}

/// Rows of one batch that a piece takes.
pub(super) struct Taken<'a> {
    pub(super) rows: &'a Rows,
    /// The cell of each row of the batch.
    pub(super) cells: &'a [CellId],
    /// The rows that this piece takes, ascending; `None` for all that have a cell.
    pub(super) selected: Option<&'a [u32]>,
    /// Whether some row of the batch has no cell.
    pub(super) skips: bool,
    /// The canonical order of the batch's rows, with their times.
    pub(super) order: &'a dyn RowOrder,
}

impl Piece {
    /// Without any group.
    pub(super) fn new(spec: &Spec) -> Result<Piece, String> {
        Ok(Piece {
            keys: Keys::new(&spec.key_types, &spec.keys, spec.seed),
            slots: Slots::new(&spec.aggregates, &spec.input)?,
            panes: Panes::default(),
            sessions: Sessions::default(),
            gone: Gone::default(),
            scratch: Scratch::default(),
        })
    }

    /// Takes rows of one batch.
    pub(super) fn take(&mut self, spec: &Spec, taken: &Taken<'_>, epoch: Epoch) {
        let Scratch { rows: selection, keys, slots } = &mut self.scratch;
        keys.clear();
        slots.clear();
        let rows = match taken.selected {
            Some(selected) => Some(selected),
            None if !taken.skips => None,
            None => {
                selection.clear();
                let kept = (0..).zip(taken.cells).filter(|(_, cell)| **cell != NO_CELL);
                selection.extend(kept.map(|(row, _): (u32, _)| row));
                Some(selection.as_slice())
            }
        };
        let count = rows.map_or(taken.rows.len(), <[u32]>::len);
        if count == 0 {
            return;
        }
        let columns = taken.rows.batch.columns();
        self.keys.look_up(columns, rows, count, keys);
        slots.reserve(count);
        let row_of = |index: usize| rows.map_or(index, |rows| rows[index] as usize);
        match spec.windows {
            Windows::Aligned(_) => {
                for (index, key) in keys.iter().enumerate() {
                    let cell = taken.cells[row_of(index)];
                    let slot = self.panes.slot(cell, *key, &mut self.keys, &mut self.slots, epoch);
                    self.slots.touch(slot, epoch);
                    slots.push(slot);
                }
                self.slots.update(slots, rows, columns, taken.order);
            }
            Windows::Session(gap) => {
                let sessions = &mut self.sessions;
                for (index, key) in keys.iter().enumerate() {
                    let time = taken.order.time(row_of(index));
                    let (keys, all) = (&mut self.keys, &mut self.slots);
                    let slot = sessions.slot(gap, *key, time, keys, all, epoch);
                    self.slots.touch(slot, epoch);
                    slots.push(slot);
                }
                let merged = sessions.resolve(slots);
                self.slots.update(slots, rows, columns, taken.order);
                merged.for_each(|slot| self.slots.give_back(slot));
                for (key, first) in sessions.gone.drain(..) {
                    if self.gone.is_kept() {
                        self.gone.push(epoch, session_key(&self.keys, key, first));
                    }
                }
            }
        }
    }

    /// Fires the sessions that end at or before `end`, as [`Piece::fire`] does.
    // spec: E-3
    pub(super) fn fire_sessions(
        &mut self,
        spec: &Spec,
        gap: i64,
        end: i64,
        epoch: Epoch,
        with_keys: bool,
    ) -> Vec<Emitted> {
        let due = self.sessions.due(gap, end, &self.keys);
        if self.gone.is_kept() {
            for due in &due {
                self.gone.push(epoch, session_key(&self.keys, due.key, due.start));
            }
        }
        let chunks = due.chunks(EMIT_ROWS);
        let emitted =
            chunks.map(|due| emit(spec, &self.keys, &self.slots, due, with_keys)).collect();
        for due in due {
            self.slots.give_back(due.slot);
            self.keys.release(due.key);
        }
        self.gone.bound(self.slots.in_use());
        emitted
    }

    /// Carries out a fire plan, and gives the results in (fire time, key) order,
    /// with their encoded keys if asked for.
    // spec: E-3
    pub(super) fn fire(
        &mut self,
        spec: &Spec,
        cells: &Cells,
        steps: &[Step],
        epoch: Epoch,
        with_keys: bool,
    ) -> Vec<Emitted> {
        let mut emitted = Vec::new();
        // Results whose groups end with them. They are collected over windows, so
        // that many small windows make one batch.
        let mut ending: Vec<Due> = Vec::new();
        for step in steps {
            match step {
                Step::Fire { start, end, cells: parts, closes } => {
                    let (start, end) = (*start, *end);
                    if *closes && !self.panes.is_shared(parts[0]) {
                        let groups = self.panes.take_cell(parts[0], &self.keys);
                        self.note_gone(&groups, parts[0], cells, epoch);
                        ending.extend(groups.iter().map(|&(key, slot)| Due {
                            start,
                            end,
                            key,
                            slot,
                        }));
                        if ending.len() >= EMIT_ROWS {
                            self.emit_ending(spec, &mut ending, with_keys, &mut emitted);
                        }
                        continue;
                    }
                    self.emit_ending(spec, &mut ending, with_keys, &mut emitted);
                    let groups = self.panes.combine(parts, &self.keys, &mut self.slots, epoch);
                    for groups in groups.chunks(EMIT_ROWS) {
                        let due: Vec<Due> = groups
                            .iter()
                            .map(|&(key, slot)| Due { start, end, key, slot })
                            .collect();
                        emitted.push(emit(spec, &self.keys, &self.slots, &due, with_keys));
                    }
                }
                Step::Drop(cell) => {
                    let groups = self.panes.drop_cell(*cell, &mut self.slots);
                    self.note_gone(&groups, *cell, cells, epoch);
                    for (key, slot) in groups {
                        self.slots.give_back(slot);
                        self.keys.release(key);
                    }
                }
            }
        }
        self.emit_ending(spec, &mut ending, with_keys, &mut emitted);
        self.gone.bound(self.slots.in_use());
        emitted
    }

    /// Emits what was collected and frees its groups.
    fn emit_ending(
        &mut self,
        spec: &Spec,
        ending: &mut Vec<Due>,
        with_keys: bool,
        emitted: &mut Vec<Emitted>,
    ) {
        if ending.is_empty() {
            return;
        }
        emitted.push(emit(spec, &self.keys, &self.slots, ending, with_keys));
        for due in ending.drain(..) {
            self.slots.give_back(due.slot);
            self.keys.release(due.key);
        }
    }

    /// Notes the state entries of these groups of a cell as gone.
    fn note_gone(&mut self, groups: &[(KeyId, Slot)], cell: CellId, cells: &Cells, epoch: Epoch) {
        if !self.gone.is_kept() {
            return;
        }
        for (key, _) in groups {
            let entry = pane_key(&self.keys, *key, cells.key(cell));
            self.gone.push(epoch, entry);
        }
    }

    /// About how many bytes of memory the piece takes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.keys.memory_bytes()
            + self.slots.memory_bytes()
            + self.panes.memory_bytes()
            + self.sessions.memory_bytes()
            + self.gone.memory_bytes()
    }
}
