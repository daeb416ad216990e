//! COUNT(*) and COUNT(x).

use super::{Accumulators, Input};
use crate::expr::Evaluated;
use crate::state::codec::{Malformed, Reader, put_u64};
use arrow_array::Int64Array;
use std::sync::Arc;

/// How many rows, or rows where the argument is not NULL, each slot took.
pub(super) struct Count {
    /// The column of the argument; `None` counts rows.
    arg: Option<usize>,
    /// The count of each slot.
    counts: Vec<u64>,
}

impl Count {
    /// COUNT(*).
    pub(super) fn rows() -> Count {
        Count { arg: None, counts: Vec::new() }
    }

    /// COUNT(x).
    pub(super) fn values(arg: usize) -> Count {
        Count { arg: Some(arg), counts: Vec::new() }
    }
}

impl Accumulators for Count {
    fn grow(&mut self, slots: usize) {
        if self.counts.len() < slots {
            self.counts.resize(slots, 0);
        }
    }

    fn update(&mut self, input: Input<'_>) {
        let counts = self.counts.as_mut_slice();
        match self.arg {
            None => input.slots.iter().for_each(|slot| counts[*slot as usize] += 1),
            Some(arg) => input.for_each_valid(arg, |slot, _| counts[slot] += 1),
        }
    }

    fn merge(&mut self, into: u32, from: u32) {
        self.counts[into as usize] += self.counts[from as usize];
    }

    fn can_retract(&self) -> bool {
        true
    }

    fn retract(&mut self, into: u32, from: u32) {
        self.counts[into as usize] -= self.counts[from as usize];
    }

    fn emit(&self, slots: &[u32]) -> Evaluated {
        let values = slots.iter().map(|slot| self.counts[*slot as usize] as i64);
        Evaluated::ok(Arc::new(Int64Array::from_iter_values(values)))
    }

    fn save(&self, slot: u32, out: &mut Vec<u8>) {
        put_u64(out, self.counts[slot as usize]);
    }

    fn load(&mut self, slot: u32, input: &mut Reader<'_>) -> Result<(), Malformed> {
        self.counts[slot as usize] = input.u64()?;
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.counts[slot as usize] = 0;
    }

    fn memory_bytes(&self) -> usize {
        self.counts.capacity() * size_of::<u64>()
    }
}
