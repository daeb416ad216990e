//! SUM and AVG of FLOAT and DOUBLE.

use super::exact::ExactSum;
use super::integer::Give;
use super::{Accumulators, Input};
use crate::expr::Evaluated;
use crate::state::codec::{Malformed, Reader, put_u64};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Float32Array, Float64Array};
use std::sync::Arc;

/// The values of a group.
#[derive(Default)]
struct Group {
    sum: ExactSum,
    /// How many values; of none, the result is NULL.
    count: u64,
}

/// A typical group takes at most 64 bytes.
const _: () = assert!(size_of::<Group>() <= 64);

/// SUM and AVG of FLOAT and DOUBLE, of the argument's type. The result is the exact
/// one, rounded once.
// spec: E-6
pub(super) struct FloatSum {
    arg: usize,
    /// Whether the argument is a FLOAT.
    single: bool,
    give: Give,
    groups: Vec<Group>,
}

impl FloatSum {
    /// Over a column of FLOAT, if `single`, or of DOUBLE.
    pub(super) fn new(arg: usize, single: bool, give: Give) -> FloatSum {
        FloatSum { arg, single, give, groups: Vec::new() }
    }

    fn pair(&mut self, into: u32, from: u32) -> (&mut Group, &Group) {
        let [into, from] = self
            .groups
            .get_disjoint_mut([into as usize, from as usize])
            .expect("the slots differ and exist");
        (into, from)
    }
}

impl Accumulators for FloatSum {
    fn grow(&mut self, slots: usize) {
        if self.groups.len() < slots {
            self.groups.resize_with(slots, Group::default);
        }
    }

    fn update(&mut self, input: Input<'_>) {
        let groups = self.groups.as_mut_slice();
        let column = input.columns[self.arg].as_ref();
        let mut add = |slot: usize, value: f64| {
            let group = &mut groups[slot];
            group.sum.add(value);
            group.count += 1;
        };
        if self.single {
            let values = column.as_primitive::<Float32Type>().values();
            input.for_each_valid(self.arg, |slot, row| add(slot, f64::from(values[row])));
        } else {
            let values = column.as_primitive::<Float64Type>().values();
            input.for_each_valid(self.arg, |slot, row| add(slot, values[row]));
        }
    }

    fn merge(&mut self, into: u32, from: u32) {
        let (into, from) = self.pair(into, from);
        into.sum.merge(&from.sum);
        into.count += from.count;
    }

    fn can_retract(&self) -> bool {
        true
    }

    fn retract(&mut self, into: u32, from: u32) {
        let (into, from) = self.pair(into, from);
        into.sum.retract(&from.sum);
        into.count -= from.count;
    }

    fn emit(&self, slots: &[u32]) -> Evaluated {
        let groups = slots.iter().map(|slot| {
            let group = &self.groups[*slot as usize];
            (group.count > 0).then_some(group)
        });
        let average = self.give == Give::Average;
        Evaluated::ok(if self.single {
            let values = groups.map(|group| {
                let group = group?;
                Some(if average { group.sum.average_f32(group.count) } else { group.sum.to_f32() })
            });
            Arc::new(values.collect::<Float32Array>())
        } else {
            let values = groups.map(|group| {
                let group = group?;
                Some(if average { group.sum.average_f64(group.count) } else { group.sum.to_f64() })
            });
            Arc::new(values.collect::<Float64Array>())
        })
    }

    fn save(&self, slot: u32, out: &mut Vec<u8>) {
        let group = &self.groups[slot as usize];
        put_u64(out, group.count);
        group.sum.save(out);
    }

    fn load(&mut self, slot: u32, input: &mut Reader<'_>) -> Result<(), Malformed> {
        let count = input.u64()?;
        self.groups[slot as usize] = Group { sum: ExactSum::load(input)?, count };
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.groups[slot as usize] = Group::default();
    }

    fn memory_bytes(&self) -> usize {
        let heap: usize = self.groups.iter().map(|group| group.sum.heap_bytes()).sum();
        self.groups.capacity() * size_of::<Group>() + heap
    }
}
