//! MIN and MAX.

use super::{Accumulators, Input};
use crate::expr::Evaluated;
use crate::key::{decode_columns, encode_text_key, encode_value, is_narrow, narrow, widen};
use crate::state::codec::{Malformed, Reader, put_bytes, put_i128};
use crate::types::SqlType;
use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, ArrayRef, Decimal128Array};
use arrow_buffer::NullBuffer;
use std::sync::Arc;

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// MAX.
    Largest,
    /// MIN.
    Smallest,
}

/// The extreme value of each slot; `None` before the first value.
enum Values {
    /// Text and bytes, which compare byte by byte.
    Bytes(Vec<Option<Box<[u8]>>>),
    /// Decimals of one scale.
    Decimal(Vec<Option<i128>>),
    /// Types that fit 64 bits, as integers of the same order: NaN is last, −0 is 0.
    Narrow(Vec<Option<i64>>),
}

/// MIN and MAX, of the argument's type. NULLs do not count.
// spec: E-6
pub(super) struct Extreme {
    arg: usize,
    ty: SqlType,
    end: End,
    values: Values,
}

impl Extreme {
    /// Over a column of this type; `None` if its values have no order.
    pub(super) fn new(arg: usize, ty: &SqlType, end: End) -> Option<Extreme> {
        let values = match ty {
            _ if is_narrow(ty) => Values::Narrow(Vec::new()),
            SqlType::Decimal { .. } => Values::Decimal(Vec::new()),
            _ if ty.is_text() || ty.is_bytes() => Values::Bytes(Vec::new()),
            _ => return None,
        };
        Some(Extreme { arg, ty: ty.clone(), end, values })
    }
}

impl End {
    #[inline]
    fn better<T: Ord + ?Sized>(self, new: &T, old: &T) -> bool {
        match self {
            End::Largest => new > old,
            End::Smallest => new < old,
        }
    }

    #[inline]
    fn take<T: Ord>(self, old: &mut Option<T>, new: T) {
        if old.as_ref().is_none_or(|old| self.better(&new, old)) {
            *old = Some(new);
        }
    }

    fn merge<T: Ord + Clone>(self, values: &mut [Option<T>], into: u32, from: u32) {
        if let Some(new) = values[from as usize].clone() {
            self.take(&mut values[into as usize], new);
        }
    }
}

impl Accumulators for Extreme {
    fn grow(&mut self, slots: usize) {
        fn grow<T: Clone>(values: &mut Vec<Option<T>>, slots: usize) {
            if values.len() < slots {
                values.resize(slots, None);
            }
        }
        match &mut self.values {
            Values::Bytes(values) => grow(values, slots),
            Values::Decimal(values) => grow(values, slots),
            Values::Narrow(values) => grow(values, slots),
        }
    }

    fn update(&mut self, input: Input<'_>) {
        let column = input.columns[self.arg].as_ref();
        let end = self.end;
        match &mut self.values {
            Values::Bytes(values) => {
                let mut take = |slot: usize, new: &[u8]| {
                    let old = &mut values[slot];
                    if old.as_ref().is_none_or(|old| end.better(new, old.as_ref())) {
                        *old = Some(new.into());
                    }
                };
                if self.ty.is_text() {
                    let column = column.as_string::<i32>();
                    input.for_each_valid(self.arg, |slot, row| {
                        take(slot, column.value(row).as_bytes());
                    });
                } else {
                    let column = column.as_binary::<i32>();
                    input.for_each_valid(self.arg, |slot, row| take(slot, column.value(row)));
                }
            }
            Values::Decimal(values) => {
                let column = column.as_primitive::<Decimal128Type>().values();
                input
                    .for_each_valid(self.arg, |slot, row| end.take(&mut values[slot], column[row]));
            }
            Values::Narrow(values) => {
                let column = narrow(&self.ty, column);
                input
                    .for_each_valid(self.arg, |slot, row| end.take(&mut values[slot], column[row]));
            }
        }
    }

    fn merge(&mut self, into: u32, from: u32) {
        match &mut self.values {
            Values::Bytes(values) => self.end.merge(values, into, from),
            Values::Decimal(values) => self.end.merge(values, into, from),
            Values::Narrow(values) => self.end.merge(values, into, from),
        }
    }

    fn can_retract(&self) -> bool {
        false
    }

    fn retract(&mut self, _into: u32, _from: u32) {
        unreachable!("MIN and MAX forget the runner-up");
    }

    fn emit(&self, slots: &[u32]) -> Evaluated {
        Evaluated::ok(match &self.values {
            Values::Bytes(values) => {
                texts(&self.ty, slots.iter().map(|slot| values[*slot as usize].as_deref()))
            }
            Values::Decimal(values) => {
                let values = slots.iter().map(|slot| values[*slot as usize]);
                let array: Decimal128Array = values.collect();
                Arc::new(array.with_data_type(self.ty.arrow()))
            }
            Values::Narrow(values) => {
                let found = slots.iter().map(|slot| values[*slot as usize]);
                let valid: Vec<bool> = found.clone().map(|value| value.is_some()).collect();
                let values = found.map(Option::unwrap_or_default).collect();
                widen(&self.ty, values, Some(NullBuffer::from(valid)))
            }
        })
    }

    fn save(&self, slot: u32, out: &mut Vec<u8>) {
        let slot = slot as usize;
        match &self.values {
            Values::Bytes(values) => {
                put_option(out, values[slot].as_ref(), |out, value| put_bytes(out, value))
            }
            Values::Decimal(values) => put_option(out, values[slot], put_i128),
            Values::Narrow(values) => put_option(out, values[slot].map(i128::from), put_i128),
        }
    }

    fn load(&mut self, slot: u32, input: &mut Reader<'_>) -> Result<(), Malformed> {
        let slot = slot as usize;
        if input.u8()? == 0 {
            return Ok(());
        }
        match &mut self.values {
            Values::Bytes(values) => {
                let value = input.bytes()?;
                if self.ty.is_text() && std::str::from_utf8(value).is_err() {
                    return Err(Malformed("a text is not UTF-8"));
                }
                values[slot] = Some(value.into());
            }
            Values::Decimal(values) => values[slot] = Some(input.i128()?),
            Values::Narrow(values) => values[slot] = Some(input.i64()?),
        }
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        match &mut self.values {
            Values::Bytes(values) => values[slot as usize] = None,
            Values::Decimal(values) => values[slot as usize] = None,
            Values::Narrow(values) => values[slot as usize] = None,
        }
    }

    fn memory_bytes(&self) -> usize {
        match &self.values {
            Values::Bytes(values) => {
                let heap = values.iter().flatten().map(|value| value.len()).sum::<usize>();
                values.capacity() * size_of::<Option<Box<[u8]>>>() + heap
            }
            Values::Decimal(values) => values.capacity() * size_of::<Option<i128>>(),
            Values::Narrow(values) => values.capacity() * size_of::<Option<i64>>(),
        }
    }
}

fn put_option<T>(out: &mut Vec<u8>, value: Option<T>, put: impl FnOnce(&mut Vec<u8>, T)) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

/// A column of these texts or bytes.
fn texts<'a>(ty: &SqlType, values: impl Iterator<Item = Option<&'a [u8]>>) -> ArrayRef {
    let encoded: Vec<Vec<u8>> = values
        .map(|value| {
            let mut out = Vec::new();
            encode_text_key(value, &mut out);
            out
        })
        .collect();
    one_column(ty, encoded.iter().map(Vec::as_slice))
}

/// The column of these encoded values.
pub(super) fn one_column<'a>(ty: &SqlType, encoded: impl Iterator<Item = &'a [u8]>) -> ArrayRef {
    let columns = decode_columns(std::slice::from_ref(ty), encoded);
    columns.expect("the values were encoded or checked before").remove(0)
}

/// The encoding of one value.
pub(super) fn encoded(ty: &SqlType, column: &dyn Array, row: usize, out: &mut Vec<u8>) {
    out.clear();
    encode_value(ty, column, row, out);
}
