//! FIRST_VALUE and LAST_VALUE.

use super::extreme::{End, encoded, one_column};
use super::{Accumulators, Input};
use crate::expr::Evaluated;
use crate::key::{decode_columns, encode_value};
use crate::planted;
use crate::state::codec::{Malformed, Reader, put_bytes, put_i64};
use crate::types::SqlType;
use arrow_array::new_null_array;

/// The value of a row, and where the row stands in the canonical order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    time: i64,
    /// What orders the rows of one time.
    rest: Box<[u8]>,
    /// Encoded as a key column.
    value: Box<[u8]>,
}

/// FIRST_VALUE and LAST_VALUE: the value of the row that stands first or last in
/// the canonical order among those where it is not NULL, as in Flink, where however
/// the order is that of arrival.
// spec: E-5
pub(super) struct Picked {
    arg: usize,
    ty: SqlType,
    end: End,
    candidates: Vec<Option<Candidate>>,
    /// The canonical place of a row, kept to spare allocations.
    rest: Vec<u8>,
}

impl Picked {
    /// Over a column of this type.
    pub(super) fn new(arg: usize, ty: &SqlType, end: End) -> Picked {
        Picked { arg, ty: ty.clone(), end, candidates: Vec::new(), rest: Vec::new() }
    }

    fn is_better(&self, time: i64, rest: &[u8], old: &Candidate) -> bool {
        let compared = (time, rest).cmp(&(old.time, &old.rest));
        match self.end {
            End::Largest => compared.is_gt(),
            End::Smallest => compared.is_lt(),
        }
    }
}

impl Accumulators for Picked {
    fn grow(&mut self, slots: usize) {
        if self.candidates.len() < slots {
            self.candidates.resize(slots, None);
        }
    }

    fn update(&mut self, input: Input<'_>) {
        let column = input.columns[self.arg].as_ref();
        let mut rest = std::mem::take(&mut self.rest);
        input.for_each_valid(self.arg, |slot, row| {
            let time = input.order.time(row);
            let old = self.candidates[slot].as_ref();
            let clearly_worse = old.is_some_and(|old| match self.end {
                End::Smallest if planted!(D12) => true,
                End::Largest => time < old.time,
                End::Smallest => time > old.time,
            });
            if clearly_worse {
                return;
            }
            rest.clear();
            input.order.write_rest(row, &mut rest);
            if old.is_none_or(|old| self.is_better(time, &rest, old)) {
                let mut value = Vec::new();
                encoded(&self.ty, column, row, &mut value);
                self.candidates[slot] =
                    Some(Candidate { time, rest: rest.as_slice().into(), value: value.into() });
            }
        });
        self.rest = rest;
    }

    fn merge(&mut self, into: u32, from: u32) {
        let Some(new) = &self.candidates[from as usize] else {
            return;
        };
        let old = self.candidates[into as usize].as_ref();
        if old.is_none_or(|old| self.is_better(new.time, &new.rest, old)) {
            self.candidates[into as usize] = Some(new.clone());
        }
    }

    fn can_retract(&self) -> bool {
        false
    }

    fn retract(&mut self, _into: u32, _from: u32) {
        unreachable!("FIRST_VALUE and LAST_VALUE forget the runner-up");
    }

    fn emit(&self, slots: &[u32]) -> Evaluated {
        let mut null = Vec::new();
        encode_value(&self.ty, new_null_array(&self.ty.arrow(), 1).as_ref(), 0, &mut null);
        let values = slots.iter().map(|slot| {
            let candidate = self.candidates[*slot as usize].as_ref();
            candidate.map_or(null.as_slice(), |candidate| candidate.value.as_ref())
        });
        Evaluated::ok(one_column(&self.ty, values))
    }

    fn save(&self, slot: u32, out: &mut Vec<u8>) {
        let candidate = self.candidates[slot as usize].as_ref();
        out.push(u8::from(candidate.is_some()));
        if let Some(candidate) = candidate {
            put_i64(out, candidate.time);
            put_bytes(out, &candidate.rest);
            put_bytes(out, &candidate.value);
        }
    }

    fn load(&mut self, slot: u32, input: &mut Reader<'_>) -> Result<(), Malformed> {
        if input.u8()? == 0 {
            return Ok(());
        }
        let time = input.i64()?;
        let rest = input.bytes()?.into();
        let value = input.bytes()?;
        decode_columns(std::slice::from_ref(&self.ty), [value])?;
        self.candidates[slot as usize] = Some(Candidate { time, rest, value: value.into() });
        Ok(())
    }

    fn clear(&mut self, slot: u32) {
        self.candidates[slot as usize] = None;
    }

    fn memory_bytes(&self) -> usize {
        let heap: usize = self
            .candidates
            .iter()
            .flatten()
            .map(|candidate| candidate.rest.len() + candidate.value.len())
            .sum();
        self.candidates.capacity() * size_of::<Option<Candidate>>() + heap
    }
}
