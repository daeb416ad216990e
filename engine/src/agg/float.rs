//! SUM and AVG of FLOAT and DOUBLE.

use super::exact::ExactSum;
use super::integer::Give;
use super::{Accumulators, Input};
use crate::expr::Evaluated;
use crate::planted;
use crate::state::codec::{Malformed, Reader};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Float32Array, Float64Array};
use std::sync::Arc;

/// SUM and AVG of FLOAT and DOUBLE, of the argument's type. The result is the exact
/// one, rounded once.
// spec: E-6
pub(super) struct FloatSum {
    arg: usize,
    /// Whether the argument is a FLOAT.
    single: bool,
    give: Give,
    groups: Vec<ExactSum>,
}

impl FloatSum {
    /// Over a column of FLOAT, if `single`, or of DOUBLE.
    pub(super) fn new(arg: usize, single: bool, give: Give) -> FloatSum {
        FloatSum { arg, single, give, groups: Vec::new() }
    }

    fn pair(&mut self, into: u32, from: u32) -> (&mut ExactSum, &ExactSum) {
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
            self.groups.resize_with(slots, ExactSum::default);
        }
    }

    fn update(&mut self, input: Input<'_>) {
        let groups = self.groups.as_mut_slice();
        let column = input.columns[self.arg].as_ref();
        let mut add = |slot: usize, value: f64| {
            let group = &mut groups[slot];
            if planted!(D11) {
                group.add_as_it_comes(value)
            } else {
                group.add(value)
            }
            if planted!(D14) && group.to_f64().is_infinite() {
                group.add(f64::INFINITY);
            }
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
        into.merge(from);
    }

    fn can_retract(&self) -> bool {
        true
    }

    fn retract(&mut self, into: u32, from: u32) {
        let (into, from) = self.pair(into, from);
        into.retract(from);
    }

    fn emit(&self, slots: &[u32]) -> Evaluated {
        let groups = slots.iter().map(|slot| {
            let group = &self.groups[*slot as usize];
            (group.count() > 0).then_some(group)
        });
        let average = self.give == Give::Average;
        Evaluated::ok(if self.single {
            let values = groups.map(|group| {
                let group = group?;
                Some(if average { group.average_f32() } else { group.to_f32() })
            });
            Arc::new(values.collect::<Float32Array>())
        } else {
            let values = groups.map(|group| {
                let group = group?;
                Some(if average { group.average_f64() } else { group.to_f64() })
            });
            Arc::new(values.collect::<Float64Array>())
        })
    }

    fn save(&self, slot: u32, out: &mut Vec<u8>) {
        self.groups[slot as usize].save(out);
    }

    fn load(&mut self, slot: u32, input: &mut Reader<'_>) -> Result<(), Malformed> {
        self.groups[slot as usize] = ExactSum::load(input)?;
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.groups[slot as usize] = ExactSum::default();
    }

    fn memory_bytes(&self) -> usize {
        let heap: usize = self.groups.iter().map(|group| group.heap_bytes()).sum();
        self.groups.capacity() * size_of::<ExactSum>() + heap
    }
}
