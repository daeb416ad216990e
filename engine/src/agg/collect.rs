//! All rows of a group, in their canonical order: what bare session windows keep.

use super::{Accumulators, Input};
use crate::expr::Evaluated;
use crate::key::{decode_columns, encode_value};
use crate::state::codec::{Malformed, Reader, put_bytes, put_i64, put_u64};
use crate::types::{DataType, SqlType};
use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{ArrayRef, ListArray};
use arrow_buffer::OffsetBuffer;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The type as which a column of this type is kept: rows that pass through must come
/// out as they went in, and an encoded key does not tell −0 from 0.
pub(crate) fn kept_type(ty: &SqlType) -> SqlType {
    match ty {
        SqlType::Double => SqlType::BigInt,
        SqlType::Float => SqlType::Int,
        other => other.clone(),
    }
}

/// The column of a type as its [`kept_type`].
fn kept(ty: &SqlType, column: &ArrayRef) -> ArrayRef {
    match ty {
        SqlType::Double => {
            let bits = |value: f64| value.to_bits() as i64;
            Arc::new(column.as_primitive::<Float64Type>().unary::<_, Int64Type>(bits))
        }
        SqlType::Float => {
            let bits = |value: f32| value.to_bits() as i32;
            Arc::new(column.as_primitive::<Float32Type>().unary::<_, Int32Type>(bits))
        }
        _ => Arc::clone(column),
    }
}

/// The column of a type from one of its [`kept_type`].
pub(crate) fn given(ty: &SqlType, column: ArrayRef) -> ArrayRef {
    match ty {
        SqlType::Double => {
            let value = |bits: i64| f64::from_bits(bits as u64);
            Arc::new(column.as_primitive::<Int64Type>().unary::<_, Float64Type>(value))
        }
        SqlType::Float => {
            let value = |bits: i32| f32::from_bits(bits as u32);
            Arc::new(column.as_primitive::<Int32Type>().unary::<_, Float32Type>(value))
        }
        _ => column,
    }
}

/// Where a row stands: its time, and what orders the rows of one time.
type Place = (i64, Box<[u8]>);

/// An encoded row, and how many rows are equal to it in place and content.
type Copies = (Box<[u8]>, u64);

/// The rows of each slot, as encoded columns. Gives `ARRAY<BYTES>`.
// spec: E-5
pub(super) struct Collect {
    args: Vec<usize>,
    types: Vec<SqlType>,
    /// For each of `types` the one as which it is kept.
    kept_types: Vec<SqlType>,
    groups: Vec<BTreeMap<Place, Copies>>,
}

impl Collect {
    /// Over these columns of these types.
    pub(super) fn new(args: &[usize], types: &[&SqlType]) -> Collect {
        let types: Vec<SqlType> = types.iter().map(|ty| (*ty).clone()).collect();
        let kept_types = types.iter().map(kept_type).collect();
        Collect { args: args.to_vec(), types, kept_types, groups: Vec::new() }
    }
}

fn put(group: &mut BTreeMap<Place, Copies>, place: Place, row: Box<[u8]>, copies: u64) {
    group.entry(place).or_insert((row, 0)).1 += copies;
}

impl Accumulators for Collect {
    fn grow(&mut self, slots: usize) {
        if self.groups.len() < slots {
            self.groups.resize_with(slots, BTreeMap::new);
        }
    }

    fn update(&mut self, input: Input<'_>) {
        let mut row_bytes = Vec::new();
        let mut rest = Vec::new();
        let columns: Vec<ArrayRef> = self
            .types
            .iter()
            .zip(&self.args)
            .map(|(ty, arg)| kept(ty, &input.columns[*arg]))
            .collect();
        input.for_each(|slot, row| {
            row_bytes.clear();
            rest.clear();
            for (ty, column) in self.kept_types.iter().zip(&columns) {
                encode_value(ty, column.as_ref(), row, &mut row_bytes);
            }
            input.order.write_rest(row, &mut rest);
            let place = (input.order.time(row), rest.as_slice().into());
            put(&mut self.groups[slot], place, row_bytes.as_slice().into(), 1);
        });
    }

    fn merge(&mut self, into: u32, from: u32) {
        let slots = [into as usize, from as usize];
        let [into, from] = self.groups.get_disjoint_mut(slots).expect("the slots differ and exist");
        for (place, (row, copies)) in from {
            put(into, place.clone(), row.clone(), *copies);
        }
    }

    fn can_retract(&self) -> bool {
        false
    }

    fn retract(&mut self, _into: u32, _from: u32) {
        unreachable!("sessions share no rows");
    }

    fn emit(&self, slots: &[u32]) -> Evaluated {
        let mut rows = BinaryBuilder::new();
        let mut lengths = Vec::with_capacity(slots.len());
        for slot in slots {
            let mut length = 0;
            for (row, copies) in self.groups[*slot as usize].values() {
                for _ in 0..*copies {
                    rows.append_value(row);
                    length += 1;
                }
            }
            lengths.push(length);
        }
        let item = DataType { sql: SqlType::BYTES, nullable: false }.arrow_field("item");
        let offsets = OffsetBuffer::from_lengths(lengths);
        let array = ListArray::new(Arc::new(item), offsets, Arc::new(rows.finish()), None);
        Evaluated::ok(Arc::new(array))
    }

    fn save(&self, slot: u32, out: &mut Vec<u8>) {
        let group = &self.groups[slot as usize];
        put_u64(out, group.len() as u64);
        for ((time, rest), (row, copies)) in group {
            put_i64(out, *time);
            put_bytes(out, rest);
            put_bytes(out, row);
            put_u64(out, *copies);
        }
    }

    fn load(&mut self, slot: u32, input: &mut Reader<'_>) -> Result<(), Malformed> {
        let group = &mut self.groups[slot as usize];
        for _ in 0..input.u64()? {
            let place = (input.i64()?, input.bytes()?.into());
            let row = input.bytes()?;
            decode_columns(&self.kept_types, [row])?;
            put(group, place, row.into(), input.u64()?);
        }
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.groups[slot as usize] = BTreeMap::new();
    }

    fn memory_bytes(&self) -> usize {
        let rows = self.groups.iter().flatten();
        let rows: usize = rows.map(|((_, rest), (row, _))| rest.len() + row.len() + 64).sum();
        self.groups.capacity() * size_of::<BTreeMap<Place, Copies>>() + rows
    }
}
