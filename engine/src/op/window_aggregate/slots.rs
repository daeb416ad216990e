//! The accumulators of a piece, all of one slot numbering.

use crate::agg::{Accumulators, Input, RowOrder, accumulators};
use crate::ids::Epoch;
use crate::plan::AggregateCall;
use crate::state::codec::{Malformed, Reader};
use crate::types::Schema;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};

/// The number of a group within its piece. Numbers are used again.
pub(super) type Slot = u32;

/// No group.
pub(super) const NO_SLOT: Slot = Slot::MAX;

/// One aggregate with its FILTER.
struct Aggregate {
    accumulators: Box<dyn Accumulators>,
    filter: Option<usize>,
}

/// All aggregates of a piece.
///
/// Invariants: every slot below `changed.len()` is in use or on the free list, and
/// is empty in every aggregate if it is free; every aggregate has grown to at least
/// `changed.len()` slots.
pub(super) struct Slots {
    aggregates: Vec<Aggregate>,
    /// In which epoch each slot last took a row.
    changed: Vec<Epoch>,
    free: Vec<Slot>,
    /// How many slots the aggregates have grown to.
    grown: usize,
    /// Selections after FILTER, kept to spare allocations.
    filtered: (Vec<Slot>, Vec<u32>),
}

impl Slots {
    /// No slot yet.
    pub(super) fn new(calls: &[AggregateCall], input: &Schema) -> Result<Slots, String> {
        let aggregates = calls
            .iter()
            .map(|call| {
                let accumulators = accumulators(call, input)?;
                Ok(Aggregate { accumulators, filter: call.filter })
            })
            .collect::<Result<_, String>>()?;
        Ok(Slots {
            aggregates,
            changed: Vec::new(),
            free: Vec::new(),
            grown: 0,
            filtered: Default::default(),
        })
    }

    /// An empty slot.
    pub(super) fn take(&mut self, epoch: Epoch) -> Slot {
        if let Some(slot) = self.free.pop() {
            self.changed[slot as usize] = epoch;
            return slot;
        }
        let slot = self.changed.len() as Slot;
        self.changed.push(epoch);
        if self.changed.len() > self.grown {
            self.grown = (2 * self.grown).max(16);
            self.aggregates.iter_mut().for_each(|each| each.accumulators.grow(self.grown));
        }
        slot
    }

    /// Empties a slot and gives it back.
    pub(super) fn give_back(&mut self, slot: Slot) {
        self.aggregates.iter_mut().for_each(|each| each.accumulators.clear(slot));
        self.free.push(slot);
    }

    /// Notes that the slot changes in this epoch.
    #[inline]
    pub(super) fn touch(&mut self, slot: Slot, epoch: Epoch) {
        self.changed[slot as usize] = epoch;
    }

    /// In which epoch the slot last changed.
    pub(super) fn changed(&self, slot: Slot) -> Epoch {
        self.changed[slot as usize]
    }

    /// Takes rows into all aggregates, each after its FILTER.
    pub(super) fn update(
        &mut self,
        slots: &[Slot],
        rows: Option<&[u32]>,
        columns: &[ArrayRef],
        order: &dyn RowOrder,
    ) {
        for aggregate in &mut self.aggregates {
            let Some(filter) = aggregate.filter else {
                aggregate.accumulators.update(Input { slots, rows, columns, order });
                continue;
            };
            let (kept_slots, kept_rows) = &mut self.filtered;
            kept_slots.clear();
            kept_rows.clear();
            let condition = columns[filter].as_boolean();
            for (index, slot) in slots.iter().enumerate() {
                let row = rows.map_or(index as u32, |rows| rows[index]);
                if condition.is_valid(row as usize) && condition.value(row as usize) {
                    kept_slots.push(*slot);
                    kept_rows.push(row);
                }
            }
            let input = Input { slots: kept_slots, rows: Some(kept_rows), columns, order };
            aggregate.accumulators.update(input);
        }
    }

    /// Adds what `from` took to `into`, in the aggregates for which `which` holds.
    pub(super) fn merge(&mut self, into: Slot, from: Slot, which: Which) {
        for aggregate in &mut self.aggregates {
            if which.holds(aggregate.accumulators.as_ref()) {
                aggregate.accumulators.merge(into, from);
            }
        }
    }

    /// Takes what `from` took out of `into`, in the aggregates that can.
    pub(super) fn retract(&mut self, into: Slot, from: Slot) {
        for aggregate in &mut self.aggregates {
            if aggregate.accumulators.can_retract() {
                aggregate.accumulators.retract(into, from);
            }
        }
    }

    /// Empties a slot in the aggregates that cannot retract.
    pub(super) fn clear_fixed(&mut self, slot: Slot) {
        for aggregate in &mut self.aggregates {
            if !aggregate.accumulators.can_retract() {
                aggregate.accumulators.clear(slot);
            }
        }
    }

    /// Whether every aggregate can retract.
    pub(super) fn can_retract(&self) -> bool {
        self.aggregates.iter().all(|each| each.accumulators.can_retract())
    }

    /// The accumulators of each aggregate.
    pub(super) fn aggregates(&self) -> impl Iterator<Item = &dyn Accumulators> {
        self.aggregates.iter().map(|each| each.accumulators.as_ref())
    }

    /// Appends the value of a slot.
    pub(super) fn save(&self, slot: Slot, out: &mut Vec<u8>) {
        self.aggregates.iter().for_each(|each| each.accumulators.save(slot, out));
    }

    /// Reads the value of an empty slot.
    pub(super) fn load(&mut self, slot: Slot, input: &mut Reader<'_>) -> Result<(), Malformed> {
        self.aggregates.iter_mut().try_for_each(|each| each.accumulators.load(slot, input))
    }

    /// How many slots are in use.
    pub(super) fn in_use(&self) -> usize {
        self.changed.len() - self.free.len()
    }

    /// About how many bytes of memory the slots take.
    pub(super) fn memory_bytes(&self) -> usize {
        let accumulators: usize =
            self.aggregates.iter().map(|each| each.accumulators.memory_bytes()).sum();
        accumulators + 8 * self.changed.capacity() + 4 * self.free.capacity()
    }
}

/// Some of the aggregates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// All of them.
    All,
    /// Those that cannot retract.
    Fixed,
}

impl Which {
    fn holds(self, accumulators: &dyn Accumulators) -> bool {
        match self {
            Which::All => true,
            Which::Fixed => !accumulators.can_retract(),
        }
    }
}
