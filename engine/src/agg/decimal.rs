//! SUM and AVG of DECIMAL.

use super::integer::Give;
use super::{Accumulators, Input};
use crate::expr::Evaluated;
use crate::state::codec::{Malformed, Reader, put_i64, put_u64, put_u128};
use crate::types::{DECIMAL_PRECISION_MAX, SqlType};
use arrow_array::Decimal128Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use std::sync::Arc;

/// The first number of more than 38 digits.
const TOO_LARGE: u128 = 10_u128.pow(DECIMAL_PRECISION_MAX as u32);

/// The sum of a group in 192 bits (two's complement, lowest part first): 2^64
/// numbers of 38 digits fit, so overflow is judged on the result.
// spec: E-6
#[derive(Clone, Copy, Default)]
struct Group {
    low: u128,
    high: i64,
    /// How many values; of none, the result is NULL.
    count: u64,
}

impl Group {
    #[inline]
    fn add(&mut self, low: u128, high: i64) {
        let (sum, carry) = self.low.overflowing_add(low);
        self.low = sum;
        self.high = self.high.wrapping_add(high).wrapping_add(i64::from(carry));
    }

    fn subtract(&mut self, low: u128, high: i64) {
        let (difference, borrow) = self.low.overflowing_sub(low);
        self.low = difference;
        self.high = self.high.wrapping_sub(high).wrapping_sub(i64::from(borrow));
    }

    /// The sum; `None` if it has more than 38 digits.
    fn sum(&self) -> Option<i128> {
        let sum = self.low as i128;
        let fits = self.high == (sum >> 127) as i64 && sum.unsigned_abs() < TOO_LARGE;
        fits.then_some(sum)
    }
}

/// SUM and AVG of DECIMAL(p, s). SUM is DECIMAL(38, s), AVG is DECIMAL(38, max(6, s))
/// and rounds half up; a sum of more than 38 digits is NULL, as in Flink.
pub(super) struct DecimalSum {
    arg: usize,
    give: Give,
    result: SqlType,
    /// 10 to the power of the digits that the result has more behind the point than
    /// the argument.
    factor: u128,
    groups: Vec<Group>,
}

impl DecimalSum {
    /// Over a column of this scale, giving a DECIMAL of 38 digits.
    ///
    /// # Errors
    /// If the result is no DECIMAL of at least the argument's scale.
    pub(super) fn new(arg: usize, scale: u8, give: Give, result: &SqlType) -> Result<Self, String> {
        let more = match result {
            SqlType::Decimal { precision: DECIMAL_PRECISION_MAX, scale: of_result } => {
                of_result.checked_sub(scale)
            }
            _ => None,
        };
        match (give, more) {
            (Give::Sum, Some(0)) | (Give::Average, Some(0..=6)) => {}
            _ => {
                return Err(format!("an aggregate of decimals of scale {scale} gives no {result}"));
            }
        }
        let factor = 10_u128.pow(u32::from(more.unwrap_or_default()));
        Ok(DecimalSum { arg, give, result: result.clone(), factor, groups: Vec::new() })
    }

    fn average(&self, sum: i128, count: u64) -> Option<i128> {
        let (magnitude, count) = (sum.unsigned_abs(), u128::from(count));
        // The remainder is below 2^64 and the factor at most 10^6: no overflow.
        let rest = magnitude % count * self.factor;
        let rounded = rest / count + u128::from(rest % count * 2 >= count);
        let whole = (magnitude / count).checked_mul(self.factor)?;
        let result = whole.checked_add(rounded).filter(|result| *result < TOO_LARGE)? as i128;
        Some(if sum < 0 { -result } else { result })
    }
}

impl Accumulators for DecimalSum {
    fn grow(&mut self, slots: usize) {
        if self.groups.len() < slots {
            self.groups.resize(slots, Group::default());
        }
    }

    fn update(&mut self, input: Input<'_>) {
        let values = input.columns[self.arg].as_primitive::<Decimal128Type>().values();
        let groups = self.groups.as_mut_slice();
        input.for_each_valid(self.arg, |slot, row| {
            let group = &mut groups[slot];
            let value = values[row];
            group.add(value as u128, (value >> 127) as i64);
            group.count += 1;
        });
    }

    fn merge(&mut self, into: u32, from: u32) {
        let from = self.groups[from as usize];
        let into = &mut self.groups[into as usize];
        into.add(from.low, from.high);
        into.count += from.count;
    }

    fn can_retract(&self) -> bool {
        true
    }

    fn retract(&mut self, into: u32, from: u32) {
        let from = self.groups[from as usize];
        let into = &mut self.groups[into as usize];
        into.subtract(from.low, from.high);
        into.count -= from.count;
    }

    fn emit(&self, slots: &[u32]) -> Evaluated {
        let values = slots.iter().map(|slot| {
            let group = &self.groups[*slot as usize];
            let sum = group.sum().filter(|_| group.count > 0)?;
            match self.give {
                Give::Average => self.average(sum, group.count),
                Give::Sum => Some(sum),
            }
        });
        let array = values.collect::<Decimal128Array>().with_data_type(self.result.arrow());
        Evaluated::ok(Arc::new(array))
    }

    fn save(&self, slot: u32, out: &mut Vec<u8>) {
        let group = self.groups[slot as usize];
        put_u64(out, group.count);
        put_i64(out, group.high);
        // Small negative sums are short too if their low part is turned over.
        put_u128(out, if group.high < 0 { !group.low } else { group.low });
    }

    fn load(&mut self, slot: u32, input: &mut Reader<'_>) -> Result<(), Malformed> {
        let count = input.u64()?;
        let high = input.i64()?;
        let low = input.u128()?;
        let low = if high < 0 { !low } else { low };
        self.groups[slot as usize] = Group { low, high, count };
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.groups[slot as usize] = Group::default();
    }

    fn memory_bytes(&self) -> usize {
        self.groups.capacity() * size_of::<Group>()
    }
}
