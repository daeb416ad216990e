//! The groups of the cells of aligned windows, and their running combination.

use super::cell::Cell;
use super::cells::CellId;
use super::keys::{KeyId, Keys};
use super::slots::{NO_SLOT, Slot, Slots, Which};
use crate::ids::Epoch;

/// The cells of a piece, and the running combination of those that the next windows
/// share.
#[derive(Default)]
pub(super) struct Panes {
    /// By the number of the cell; cells without a group here are empty.
    cells: Vec<Cell>,
    running: Running,
}

impl Panes {
    /// The slot of a key in a cell; a new one if the key has none there.
    #[inline]
    pub(super) fn slot(
        &mut self,
        cell: CellId,
        key: KeyId,
        keys: &mut Keys,
        slots: &mut Slots,
        epoch: Epoch,
    ) -> Slot {
        if let Some(cell) = self.cells.get(cell as usize) {
            let slot = cell.get(key);
            if slot != NO_SLOT {
                return slot;
            }
        }
        let slot = slots.take(epoch);
        self.put(cell, key, slot, keys);
        slot
    }

    /// Makes a slot the group of a key in a cell, where the key has none.
    pub(super) fn put(&mut self, cell: CellId, key: KeyId, slot: Slot, keys: &mut Keys) {
        debug_assert!(!self.running.members.contains(&cell), "a window over this cell fired");
        let index = cell as usize;
        if self.cells.len() <= index {
            self.cells.resize_with(index + 1, Cell::default);
        }
        self.cells[index].put(key, slot);
        keys.hold(key);
    }

    /// Whether the key has a group in the cell.
    pub(super) fn holds(&self, cell: CellId, key: KeyId) -> bool {
        self.cells.get(cell as usize).is_some_and(|cell| cell.get(key) != NO_SLOT)
    }

    /// Whether other windows have taken the cell into their combination.
    pub(super) fn is_shared(&self, cell: CellId) -> bool {
        self.running.members.contains(&cell)
    }

    /// The groups of a cell, by key; the cell is empty afterwards. The caller frees
    /// them.
    pub(super) fn take_cell(&mut self, cell: CellId, keys: &Keys) -> Vec<(KeyId, Slot)> {
        let cell = self.cells.get_mut(cell as usize).map(std::mem::take).unwrap_or_default();
        let mut groups: Vec<(KeyId, Slot)> = cell.iter().collect();
        keys.sort(&mut groups, |(key, _)| *key);
        groups
    }

    /// The groups of a cell whose last window has fired, in no order that matters;
    /// the cell is empty afterwards. The caller frees them.
    pub(super) fn drop_cell(&mut self, cell: CellId, slots: &mut Slots) -> Vec<(KeyId, Slot)> {
        let taken = self.cells.get_mut(cell as usize).map(std::mem::take).unwrap_or_default();
        self.running.remove(cell, &taken, slots);
        taken.iter().collect()
    }

    /// The groups of a window over these cells, by key. They stay, and change with
    /// the next window.
    pub(super) fn combine(
        &mut self,
        cells: &[CellId],
        keys: &Keys,
        slots: &mut Slots,
        epoch: Epoch,
    ) -> Vec<(KeyId, Slot)> {
        for cell in cells {
            if let Some(groups) = self.cells.get(*cell as usize) {
                self.running.add(*cell, groups, slots, epoch);
            }
        }
        self.running.recompute(&self.cells, slots);
        self.running.groups(keys)
    }

    /// All groups, as (cell, key, slot).
    pub(super) fn iter(&self) -> impl Iterator<Item = (CellId, KeyId, Slot)> {
        (0..)
            .zip(&self.cells)
            .flat_map(|(number, cell)| cell.iter().map(move |(key, slot)| (number, key, slot)))
    }

    /// About how many bytes of memory this takes.
    pub(super) fn memory_bytes(&self) -> usize {
        let cells: usize = self.cells.iter().map(Cell::memory_bytes).sum();
        cells + 9 * self.running.slots.capacity()
    }
}

/// The combination of the cells of the last window that fired, key by key.
///
/// The next window differs from it by the cells that enter and those that leave. What
/// enters is merged in. What leaves is taken out again where aggregates can do that
/// exactly (counts and sums), so that a window of sixty panes costs no more than one
/// of two; the other aggregates are merged anew for the keys that lost a cell.
///
/// Invariants: `slots` and `holders` are as long as each other; a key has a slot
/// exactly if some member holds it, and `holders` says how many do. A member takes no
/// more rows, because a window over it has fired. It is no part of the saved state:
/// after a load the first window makes it again.
#[derive(Default)]
struct Running {
    /// The cells that it combines.
    members: std::collections::BTreeSet<CellId>,
    /// The slot of each key, by the key's number.
    slots: Vec<Slot>,
    /// How many members hold each key.
    holders: Vec<u32>,
    /// Keys that lost a cell since the last window.
    lost: Vec<KeyId>,
    /// The keys that have a slot, in their order, if that is known.
    sorted: Option<Vec<KeyId>>,
}

impl Running {
    fn add(&mut self, cell: CellId, groups: &Cell, slots: &mut Slots, epoch: Epoch) {
        if !self.members.insert(cell) {
            return;
        }
        let span = groups.span();
        if self.slots.len() < span {
            self.slots.resize(span, NO_SLOT);
            self.holders.resize(span, 0);
        }
        for (key, slot) in groups.iter() {
            let key = key as usize;
            if self.slots[key] == NO_SLOT {
                self.slots[key] = slots.take(epoch);
                self.sorted = None;
            }
            self.holders[key] += 1;
            slots.merge(self.slots[key], slot, Which::All);
        }
    }

    fn remove(&mut self, cell: CellId, groups: &Cell, slots: &mut Slots) {
        if !self.members.remove(&cell) {
            return;
        }
        let exact = slots.can_retract();
        for (key, slot) in groups.iter() {
            let index = key as usize;
            self.holders[index] -= 1;
            if self.holders[index] == 0 {
                slots.give_back(std::mem::replace(&mut self.slots[index], NO_SLOT));
                self.sorted = None;
                continue;
            }
            slots.retract(self.slots[index], slot);
            if !exact {
                self.lost.push(key);
            }
        }
    }

    /// Merges the aggregates that cannot retract anew, for the keys that lost a cell.
    fn recompute(&mut self, cells: &[Cell], slots: &mut Slots) {
        self.lost.sort_unstable();
        self.lost.dedup();
        for key in self.lost.drain(..) {
            let into = self.slots[key as usize];
            if into == NO_SLOT {
                continue;
            }
            slots.clear_fixed(into);
            for member in &self.members {
                let from = cells[*member as usize].get(key);
                if from != NO_SLOT {
                    slots.merge(into, from, Which::Fixed);
                }
            }
        }
    }

    fn groups(&mut self, keys: &Keys) -> Vec<(KeyId, Slot)> {
        let slots = &self.slots;
        let sorted = self.sorted.get_or_insert_with(|| {
            let held = (0..).zip(slots).filter(|(_, slot)| **slot != NO_SLOT);
            let mut held: Vec<KeyId> = held.map(|(key, _)| key).collect();
            keys.sort(&mut held, |key| *key);
            held
        });
        sorted.iter().map(|key| (*key, slots[*key as usize])).collect()
    }
}
