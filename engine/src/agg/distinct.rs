//! Aggregates over distinct values.

use super::extreme::one_column;
use super::{Accumulators, Input, RowOrder};
use crate::expr::Evaluated;
use crate::key::{decode_columns, encode_value, is_narrow, narrow, widen};
use crate::state::codec::{Malformed, Reader, put_bytes, put_i64, put_u64};
use crate::types::SqlType;
use arrow_array::{Array, ArrayRef, Int64Array};
use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Makes the accumulators over the distinct values, which are their column 0.
pub(super) type Inner = Box<dyn Fn() -> Box<dyn Accumulators> + Send>;

/// How the distinct values of a column, or of several, are kept.
pub(super) trait Code: Send {
    /// A kept value.
    type Value: Ord + Borrow<Self::Borrowed> + Clone + Send;
    /// A value that was not kept yet.
    type Borrowed: Ord + ?Sized;

    /// Calls `each` with the slot and the value of every row in which no column is
    /// NULL.
    fn for_each(
        columns: &[(usize, SqlType)],
        input: Input<'_>,
        each: impl FnMut(usize, &Self::Borrowed),
    );

    /// The value to keep.
    fn own(value: &Self::Borrowed) -> Self::Value;

    /// The column of these values.
    fn column<'a>(ty: &SqlType, values: impl Iterator<Item = &'a Self::Value>) -> ArrayRef
    where
        Self::Value: 'a;

    /// About how many bytes of memory a value takes.
    fn memory_bytes(value: &Self::Value) -> usize;

    /// Appends a value.
    fn put(out: &mut Vec<u8>, value: &Self::Value);

    /// Reads a value of these columns.
    fn read(columns: &[(usize, SqlType)], input: &mut Reader<'_>)
    -> Result<Self::Value, Malformed>;
}

/// One column of a type that fits 64 bits, as an integer of the same order.
pub(super) struct NarrowCode;

impl Code for NarrowCode {
    type Value = i64;
    type Borrowed = i64;

    fn for_each(columns: &[(usize, SqlType)], input: Input<'_>, mut each: impl FnMut(usize, &i64)) {
        let (arg, ty) = &columns[0];
        let values = narrow(ty, input.columns[*arg].as_ref());
        input.for_each_valid(*arg, |slot, row| each(slot, &values[row]));
    }

    fn own(value: &i64) -> i64 {
        *value
    }

    fn column<'a>(ty: &SqlType, values: impl Iterator<Item = &'a i64>) -> ArrayRef {
        widen(ty, values.copied().collect(), None)
    }

    fn memory_bytes(_value: &i64) -> usize {
        24
    }

    fn put(out: &mut Vec<u8>, value: &i64) {
        put_i64(out, *value);
    }

    fn read(_columns: &[(usize, SqlType)], input: &mut Reader<'_>) -> Result<i64, Malformed> {
        input.i64()
    }
}

/// Any columns, encoded as a key.
pub(super) struct KeyCode;

impl Code for KeyCode {
    type Value = Box<[u8]>;
    type Borrowed = [u8];

    fn for_each(
        columns: &[(usize, SqlType)],
        input: Input<'_>,
        mut each: impl FnMut(usize, &[u8]),
    ) {
        let mut encoded = Vec::new();
        input.for_each_valid(columns[0].0, |slot, row| {
            if columns[1..].iter().any(|(arg, _)| input.columns[*arg].is_null(row)) {
                return;
            }
            encoded.clear();
            for (arg, ty) in columns {
                encode_value(ty, input.columns[*arg].as_ref(), row, &mut encoded);
            }
            each(slot, &encoded);
        });
    }

    fn own(value: &[u8]) -> Box<[u8]> {
        value.into()
    }

    fn column<'a>(ty: &SqlType, values: impl Iterator<Item = &'a Box<[u8]>>) -> ArrayRef {
        one_column(ty, values.map(AsRef::as_ref))
    }

    fn memory_bytes(value: &Box<[u8]>) -> usize {
        value.len() + 48
    }

    fn put(out: &mut Vec<u8>, value: &Box<[u8]>) {
        put_bytes(out, value);
    }

    fn read(columns: &[(usize, SqlType)], input: &mut Reader<'_>) -> Result<Box<[u8]>, Malformed> {
        let value = input.bytes()?;
        let types: Vec<SqlType> = columns.iter().map(|(_, ty)| ty.clone()).collect();
        decode_columns(&types, [value])?;
        Ok(value.into())
    }
}

/// COUNT, SUM and AVG over distinct values: each slot keeps its values with how often
/// each came, so that values can be taken back. They are computed when the result is
/// due.
pub(super) struct Distinct<C: Code> {
    /// The arguments with their types.
    columns: Vec<(usize, SqlType)>,
    /// What is computed over the distinct values; `None` counts them.
    inner: Option<Inner>,
    /// The values of each slot, and how often each came, never 0 times.
    values: Vec<BTreeMap<C::Value, u64>>,
}

/// Over columns of these types. A row counts if none of them is NULL. `inner` needs
/// exactly one column.
pub(super) fn distinct(
    args: &[usize],
    types: &[&SqlType],
    inner: Option<Inner>,
) -> Box<dyn Accumulators> {
    assert!(inner.is_none() || args.len() == 1, "only COUNT takes several distinct values");
    let columns = args.iter().copied().zip(types.iter().map(|ty| (*ty).clone())).collect();
    match types {
        [ty] if is_narrow(ty) => {
            Box::new(Distinct::<NarrowCode> { columns, inner, values: Vec::new() })
        }
        _ => Box::new(Distinct::<KeyCode> { columns, inner, values: Vec::new() }),
    }
}

impl<C: Code> Distinct<C> {
    fn pair(&mut self, into: u32, from: u32) -> [&mut BTreeMap<C::Value, u64>; 2] {
        let slots = [into as usize, from as usize];
        self.values.get_disjoint_mut(slots).expect("the slots differ and exist")
    }
}

/// The inner aggregates have no order among rows.
struct NoOrder;

impl RowOrder for NoOrder {
    fn time(&self, _row: usize) -> i64 {
        0
    }

    fn write_rest(&self, _row: usize, _out: &mut Vec<u8>) {}
}

impl<C: Code> Accumulators for Distinct<C> {
    fn grow(&mut self, slots: usize) {
        if self.values.len() < slots {
            self.values.resize_with(slots, BTreeMap::new);
        }
    }

    fn update(&mut self, input: Input<'_>) {
        let groups = self.values.as_mut_slice();
        C::for_each(&self.columns, input, |slot, value| match groups[slot].get_mut(value) {
            Some(times) => *times += 1,
            None => {
                groups[slot].insert(C::own(value), 1);
            }
        });
    }

    fn merge(&mut self, into: u32, from: u32) {
        let [into, from] = self.pair(into, from);
        for (value, times) in from {
            *into.entry(value.clone()).or_default() += *times;
        }
    }

    fn can_retract(&self) -> bool {
        true
    }

    fn retract(&mut self, into: u32, from: u32) {
        let [into, from] = self.pair(into, from);
        for (value, times) in from {
            let left = into.get_mut(value.borrow()).expect("what is taken back was taken before");
            *left -= *times;
            if *left == 0 {
                into.remove(value.borrow());
            }
        }
    }

    fn emit(&self, slots: &[u32]) -> Evaluated {
        let groups = slots.iter().map(|slot| &self.values[*slot as usize]);
        let Some(inner) = &self.inner else {
            let counts = groups.map(|values| values.len() as i64);
            return Evaluated::ok(Arc::new(Int64Array::from_iter_values(counts)));
        };
        let mut numbers = Vec::new();
        for (number, values) in (0..).zip(groups.clone()) {
            numbers.extend(std::iter::repeat_n(number, values.len()));
        }
        let columns = [C::column(&self.columns[0].1, groups.flat_map(BTreeMap::keys))];
        let mut accumulators = inner();
        accumulators.grow(slots.len());
        let input = Input { slots: &numbers, rows: None, columns: &columns, order: &NoOrder };
        accumulators.update(input);
        accumulators.emit(&(0..slots.len() as u32).collect::<Vec<u32>>())
    }

    fn save(&self, slot: u32, out: &mut Vec<u8>) {
        let values = &self.values[slot as usize];
        put_u64(out, values.len() as u64);
        for (value, times) in values {
            C::put(out, value);
            put_u64(out, *times);
        }
    }

    fn load(&mut self, slot: u32, input: &mut Reader<'_>) -> Result<(), Malformed> {
        let values = &mut self.values[slot as usize];
        for _ in 0..input.u64()? {
            let value = C::read(&self.columns, input)?;
            let times = input.u64()?;
            if times == 0 || values.insert(value, times).is_some() {
                return Err(Malformed("a set of distinct values is not one"));
            }
        }
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.values[slot as usize] = BTreeMap::new();
    }

    fn memory_bytes(&self) -> usize {
        let entries: usize = self
            .values
            .iter()
            .map(|values| values.keys().map(C::memory_bytes).sum::<usize>())
            .sum();
        self.values.capacity() * size_of::<BTreeMap<C::Value, u64>>() + entries
    }
}
