//! The groups of one cell, by the number of their key.

use super::keys::KeyId;
use super::slots::{NO_SLOT, Slot};
use hashbrown::HashTable;

/// How many keys a cell may always span without holding them: 16 KiB.
const SPAN_MIN: usize = 4096;
/// A list by number may be this many times longer than it has groups: where four
/// bytes for each number cost more than an entry in a table.
const SPAN_BY_GROUPS: usize = 8;

/// The slots of a cell's groups.
pub(super) struct Cell {
    slots: Slots,
    /// How many groups there are.
    groups: usize,
}

/// Keys that come together have numbers close together, so most cells hold a good
/// part of all numbers; a pane with few of very many keys does not.
enum Slots {
    /// By the key's number; as long as needed.
    Dense(Vec<Slot>),
    /// In the order in which they were added, with a table of places by key, which
    /// is only probed.
    Sparse { groups: Vec<(KeyId, Slot)>, places: HashTable<u32> },
}

impl Default for Cell {
    fn default() -> Self {
        Cell { slots: Slots::Dense(Vec::new()), groups: 0 }
    }
}

/// Numbers are dense, so their low bits spread by themselves; the table also looks at
/// the high ones.
#[inline]
fn hash(key: KeyId) -> u64 {
    u64::from(key).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Cell {
    /// The slot of a key; [`NO_SLOT`] if it has no group.
    #[inline]
    pub(super) fn get(&self, key: KeyId) -> Slot {
        match &self.slots {
            Slots::Dense(slots) => slots.get(key as usize).copied().unwrap_or(NO_SLOT),
            Slots::Sparse { groups, places } => {
                let place = places.find(hash(key), |place| groups[*place as usize].0 == key);
                place.map_or(NO_SLOT, |place| groups[*place as usize].1)
            }
        }
    }

    /// Adds a group for a key that has none.
    pub(super) fn put(&mut self, key: KeyId, slot: Slot) {
        debug_assert_eq!(self.get(key), NO_SLOT, "one group a key and cell");
        self.groups += 1;
        let span = key as usize + 1;
        match &mut self.slots {
            Slots::Dense(slots) if span <= slots.len() => slots[key as usize] = slot,
            Slots::Dense(slots) if span <= SPAN_MIN.max(SPAN_BY_GROUPS * self.groups) => {
                slots.resize(span, NO_SLOT);
                slots[key as usize] = slot;
            }
            Slots::Dense(_) => {
                let mut groups: Vec<(KeyId, Slot)> = self.iter().collect();
                groups.push((key, slot));
                self.slots = sparse(groups);
            }
            Slots::Sparse { groups, places } => {
                let place = groups.len() as u32;
                groups.push((key, slot));
                places.insert_unique(hash(key), place, |place| hash(groups[*place as usize].0));
                self.condense();
            }
        }
    }

    /// Goes back to a list by number once that is shorter. Looked at whenever the
    /// number of groups doubles, so that it costs nothing by the group.
    fn condense(&mut self) {
        let Slots::Sparse { groups, .. } = &self.slots else {
            return;
        };
        if !groups.len().is_power_of_two() {
            return;
        }
        let span = groups.iter().map(|(key, _)| *key as usize + 1).max().unwrap_or_default();
        if span <= SPAN_BY_GROUPS / 2 * groups.len() {
            let mut slots = vec![NO_SLOT; span];
            for (key, slot) in groups {
                slots[*key as usize] = *slot;
            }
            self.slots = Slots::Dense(slots);
        }
    }

    /// The groups, in an order that depends only on what was added.
    pub(super) fn iter(&self) -> impl Iterator<Item = (KeyId, Slot)> {
        let (dense, sparse) = match &self.slots {
            Slots::Dense(slots) => (slots.as_slice(), &[][..]),
            Slots::Sparse { groups, .. } => (&[][..], groups.as_slice()),
        };
        let dense = (0..).zip(dense).filter(|(_, slot)| **slot != NO_SLOT);
        dense.map(|(key, slot)| (key, *slot)).chain(sparse.iter().copied())
    }

    /// One more than the largest number of a key, or more.
    pub(super) fn span(&self) -> usize {
        match &self.slots {
            Slots::Dense(slots) => slots.len(),
            Slots::Sparse { groups, .. } => {
                groups.iter().map(|(key, _)| *key as usize + 1).max().unwrap_or_default()
            }
        }
    }

    /// About how many bytes of memory this takes.
    pub(super) fn memory_bytes(&self) -> usize {
        let slots = match &self.slots {
            Slots::Dense(slots) => 4 * slots.capacity(),
            Slots::Sparse { groups, places } => 8 * groups.capacity() + places.allocation_size(),
        };
        slots + size_of::<Cell>()
    }
}

fn sparse(groups: Vec<(KeyId, Slot)>) -> Slots {
    let mut places = HashTable::with_capacity(2 * groups.len());
    for (place, (key, _)) in (0..).zip(&groups) {
        places.insert_unique(hash(*key), place, |place: &u32| hash(groups[*place as usize].0));
    }
    Slots::Sparse { groups, places }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_of_many_keys_take_a_table_and_many_a_list() {
        let mut cell = Cell::default();
        for key in 0..100 {
            cell.put(key * 1000, key);
        }
        assert!(matches!(cell.slots, Slots::Sparse { .. }));
        assert!((0..100).all(|key| cell.get(key * 1000) == key && cell.get(key + 1) == NO_SLOT));
        assert_eq!(cell.span(), 99_001);
        for (slot, key) in (100..).zip((0..100_000).filter(|key| key % 1000 != 0)) {
            cell.put(key, slot);
        }
        assert!(matches!(cell.slots, Slots::Dense(_)));
        assert_eq!(cell.iter().count(), 100_000);
        assert_eq!(cell.get(5000), 5);
        assert!((1..1000).all(|key| cell.get(key) == 99 + key));
    }
}
