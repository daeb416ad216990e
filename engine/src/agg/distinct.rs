//! Aggregates over distinct values.

use super::extreme::one_column;
use super::{Accumulators, Input, RowOrder};
use crate::expr::Evaluated;
use crate::key::{decode_columns, encode_value};
use crate::state::codec::{Malformed, Reader, put_bytes, put_u64};
use crate::types::SqlType;
use arrow_array::{Array, Int64Array};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Makes the accumulators over the distinct values, which are their column 0.
pub(super) type Inner = Box<dyn Fn() -> Box<dyn Accumulators> + Send>;

/// COUNT, SUM and AVG over distinct values: each slot keeps its values, encoded, with
/// how often each came, so that values can be taken back. They are computed when the
/// result is due.
pub(super) struct Distinct {
    args: Vec<usize>,
    types: Vec<SqlType>,
    /// What is computed over the distinct values; `None` counts them.
    inner: Option<Inner>,
    /// The values of each slot, and how often each came, never 0 times.
    values: Vec<BTreeMap<Box<[u8]>, u64>>,
    /// The encoding of a row's arguments, kept to spare allocations.
    encoded: Vec<u8>,
}

impl Distinct {
    /// Over columns of these types. A row counts if none of them is NULL. `inner`
    /// needs exactly one column.
    pub(super) fn new(args: &[usize], types: &[&SqlType], inner: Option<Inner>) -> Distinct {
        assert!(inner.is_none() || args.len() == 1, "only COUNT takes several distinct values");
        Distinct {
            args: args.to_vec(),
            types: types.iter().map(|ty| (*ty).clone()).collect(),
            inner,
            values: Vec::new(),
            encoded: Vec::new(),
        }
    }

    fn pair(&mut self, into: u32, from: u32) -> [&mut BTreeMap<Box<[u8]>, u64>; 2] {
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

impl Accumulators for Distinct {
    fn grow(&mut self, slots: usize) {
        if self.values.len() < slots {
            self.values.resize_with(slots, BTreeMap::new);
        }
    }

    fn update(&mut self, input: Input<'_>) {
        let columns: Vec<&dyn Array> =
            self.args.iter().map(|arg| input.columns[*arg].as_ref()).collect();
        let encoded = &mut self.encoded;
        input.for_each_valid(self.args[0], |slot, row| {
            if columns[1..].iter().any(|column| column.is_null(row)) {
                return;
            }
            encoded.clear();
            for (ty, column) in self.types.iter().zip(&columns) {
                encode_value(ty, *column, row, encoded);
            }
            let values = &mut self.values[slot];
            match values.get_mut(encoded.as_slice()) {
                Some(times) => *times += 1,
                None => {
                    values.insert(encoded.as_slice().into(), 1);
                }
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
            let left = into.get_mut(value).expect("what is taken back was taken before");
            *left -= *times;
            if *left == 0 {
                into.remove(value);
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
        let encoded = groups.flat_map(BTreeMap::keys).map(AsRef::as_ref);
        let columns = [one_column(&self.types[0], encoded)];
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
            put_bytes(out, value);
            put_u64(out, *times);
        }
    }

    fn load(&mut self, slot: u32, input: &mut Reader<'_>) -> Result<(), Malformed> {
        let values = &mut self.values[slot as usize];
        for _ in 0..input.u64()? {
            let value = input.bytes()?;
            decode_columns(&self.types, [value])?;
            let times = input.u64()?;
            if times == 0 || values.insert(value.into(), times).is_some() {
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
            .map(|values| values.keys().map(|value| value.len() + 48).sum::<usize>())
            .sum();
        self.values.capacity() * size_of::<BTreeMap<Box<[u8]>, u64>>() + entries
    }
}
