//! SUM and AVG of integers.

use super::{Accumulators, Input};
use crate::expr::{ErrorKind, Evaluated, RowErrors};
use crate::key::{narrow, widen};
use crate::state::codec::{Malformed, Reader, put_i128, put_u64};
use crate::types::SqlType;
use arrow_buffer::NullBuffer;

/// What an accumulator of a sum gives at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Give {
    /// The sum divided by the count.
    Average,
    /// The sum.
    Sum,
}

/// The sum of a group. 2^64 numbers of 64 bits fit 128 bits, so it cannot overflow;
/// overflow is judged on the result.
// spec: E-6
#[derive(Clone, Copy, Default)]
struct Group {
    sum: i128,
    /// How many values; of none, the result is NULL.
    count: u64,
}

/// SUM and AVG of TINYINT to BIGINT, of the argument's type; AVG is cut towards
/// zero, as in Flink.
pub(super) struct IntegerSum {
    arg: usize,
    ty: SqlType,
    give: Give,
    groups: Vec<Group>,
}

impl IntegerSum {
    /// Over a column of this type.
    pub(super) fn new(arg: usize, ty: &SqlType, give: Give) -> IntegerSum {
        IntegerSum { arg, ty: ty.clone(), give, groups: Vec::new() }
    }

    /// The largest value of the result's type.
    fn largest(&self) -> i64 {
        match self.ty {
            SqlType::TinyInt => i64::from(i8::MAX),
            SqlType::SmallInt => i64::from(i16::MAX),
            SqlType::Int => i64::from(i32::MAX),
            _ => i64::MAX,
        }
    }
}

impl Accumulators for IntegerSum {
    fn grow(&mut self, slots: usize) {
        if self.groups.len() < slots {
            self.groups.resize(slots, Group::default());
        }
    }

    fn update(&mut self, input: Input<'_>) {
        let values = narrow(&self.ty, input.columns[self.arg].as_ref());
        let groups = self.groups.as_mut_slice();
        input.for_each_valid(self.arg, |slot, row| {
            let group = &mut groups[slot];
            group.sum += i128::from(values[row]);
            group.count += 1;
        });
    }

    fn merge(&mut self, into: u32, from: u32) {
        let from = self.groups[from as usize];
        let into = &mut self.groups[into as usize];
        into.sum += from.sum;
        into.count += from.count;
    }

    fn can_retract(&self) -> bool {
        true
    }

    fn retract(&mut self, into: u32, from: u32) {
        let from = self.groups[from as usize];
        let into = &mut self.groups[into as usize];
        into.sum -= from.sum;
        into.count -= from.count;
    }

    fn emit(&self, slots: &[u32]) -> Evaluated {
        let mut errors = RowErrors::NONE;
        let mut values = Vec::with_capacity(slots.len());
        let mut valid = Vec::with_capacity(slots.len());
        let largest = i128::from(self.largest());
        for (row, slot) in slots.iter().enumerate() {
            let group = self.groups[*slot as usize];
            let result = match self.give {
                Give::Average if group.count > 0 => group.sum / i128::from(group.count),
                Give::Average | Give::Sum => group.sum,
            };
            let fits = -largest - 1 <= result && result <= largest;
            if !fits {
                let detail = format!("the sum {result} does not fit {}", self.ty);
                errors.push(row, ErrorKind::Overflow, detail);
            }
            values.push(if fits { result as i64 } else { 0 });
            valid.push(fits && group.count > 0);
        }
        Evaluated { array: widen(&self.ty, values, Some(NullBuffer::from(valid))), errors }
    }

    fn save(&self, slot: u32, out: &mut Vec<u8>) {
        let group = self.groups[slot as usize];
        put_u64(out, group.count);
        put_i128(out, group.sum);
    }

    fn load(&mut self, slot: u32, input: &mut Reader<'_>) -> Result<(), Malformed> {
        let count = input.u64()?;
        let sum = input.i128()?;
        if sum.unsigned_abs() > u128::from(count) << 63 {
            return Err(Malformed("a sum is larger than its count allows"));
        }
        self.groups[slot as usize] = Group { sum, count };
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.groups[slot as usize] = Group::default();
    }

    fn memory_bytes(&self) -> usize {
        self.groups.capacity() * size_of::<Group>()
    }
}
