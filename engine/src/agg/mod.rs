//! Aggregates: what a group keeps of its rows, in slots, and what it gives at the end.
//!
//! All of them give the same bits in whatever order rows come and slots are merged;
//! where an order among rows decides, it is the canonical one and not that of
//! arrival.
// spec: E-5, E-6

mod collect;
mod count;
mod decimal;
mod distinct;
mod exact;
mod extreme;
mod float;
mod integer;
mod limbs;
mod picked;
mod round;

use crate::expr::Evaluated;
use crate::plan::AggregateCall;
use crate::state::codec::{Malformed, Reader};
use crate::types::{Schema, SqlType};
use arrow_array::{Array, ArrayRef};
use collect::Collect;
pub(crate) use collect::{given, kept_type};
use count::Count;
use decimal::DecimalSum;
use distinct::distinct;
use extreme::{End, Extreme};
use float::FloatSum;
use integer::{Give, IntegerSum};
use picked::Picked;

/// The canonical order of the rows of a batch.
// spec: E-5
pub trait RowOrder {
    /// The row's event time in ms, which decides first.
    fn time(&self, row: usize) -> i64;

    /// Appends bytes that order the rows of one event time, over all batches of the
    /// job, when they are compared byte by byte.
    fn write_rest(&self, row: usize, out: &mut Vec<u8>);
}

/// Rows of a batch, each with the slot of its group.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The slot of each selected row.
    pub slots: &'a [u32],
    /// The selected rows, ascending; `None` if all rows of the batch are. As long as
    /// `slots`.
    pub rows: Option<&'a [u32]>,
    /// The columns of the batch.
    pub columns: &'a [ArrayRef],
    /// The canonical order of the batch's rows.
    pub order: &'a dyn RowOrder,
}

impl<'a> Input<'a> {
    /// Calls `each` with the slot and the row of every selected row.
    #[inline]
    fn for_each(self, mut each: impl FnMut(usize, usize)) {
        match self.rows {
            None => {
                for (row, slot) in self.slots.iter().enumerate() {
                    each(*slot as usize, row);
                }
            }
            Some(rows) => {
                for (row, slot) in rows.iter().zip(self.slots) {
                    each(*slot as usize, *row as usize);
                }
            }
        }
    }

    /// As [`Input::for_each`], without the rows in which the column is NULL.
    #[inline]
    fn for_each_valid(self, column: usize, mut each: impl FnMut(usize, usize)) {
        match self.columns[column].logical_nulls().filter(|nulls| nulls.null_count() > 0) {
            None => self.for_each(each),
            Some(nulls) => self.for_each(|slot, row| {
                if nulls.is_valid(row) {
                    each(slot, row);
                }
            }),
        }
    }
}

/// One aggregate for many groups, each of which has a slot.
///
/// A slot that was never touched, or was cleared, is an empty group. Everything here
/// is a function of the multiset of rows that a slot took; the order of calls does
/// not matter.
// spec: E-6
pub trait Accumulators: Send {
    /// Makes sure that the slots below `slots` exist.
    fn grow(&mut self, slots: usize);

    /// Takes rows. FILTER has been applied by the caller.
    fn update(&mut self, input: Input<'_>);

    /// Adds what `from` took to `into`. The slots differ.
    fn merge(&mut self, into: u32, from: u32);

    /// Whether [`Accumulators::retract`] works.
    fn can_retract(&self) -> bool;

    /// Takes what `from` took, which `into` took as well, out of `into` again.
    ///
    /// # Panics
    /// If [`Accumulators::can_retract`] says that it does not work.
    fn retract(&mut self, into: u32, from: u32);

    /// The results of these slots, in their order, of the Arrow type of the call's
    /// type. A result that has no value is an error of its row, numbered by its
    /// place in `slots`.
    // spec: F-1
    fn emit(&self, slots: &[u32]) -> Evaluated;

    /// Appends the value of a slot: a function of the rows that it took.
    fn save(&self, slot: u32, out: &mut Vec<u8>);

    /// Reads what [`Accumulators::save`] wrote into an empty slot.
    ///
    /// # Errors
    /// If the bytes are no such value.
    fn load(&mut self, slot: u32, input: &mut Reader<'_>) -> Result<(), Malformed>;

    /// Makes the slot empty.
    fn clear(&mut self, slot: u32);

    /// About how many bytes of memory this takes.
    fn memory_bytes(&self) -> usize;
}

/// The aggregate that collects rows, for operators that keep them; no SQL function.
pub(crate) const COLLECT: &str = "COLLECT ROWS";

/// The accumulators of a call over rows of this schema.
///
/// # Errors
/// If there is no such aggregate, or it does not take such arguments; the planner
/// has refused this before with a place in the SQL text.
pub fn accumulators(call: &AggregateCall, input: &Schema) -> Result<Box<dyn Accumulators>, String> {
    let types: Vec<&SqlType> = call.args.iter().map(|arg| &input.fields[*arg].ty.sql).collect();
    let refuse = || {
        let types: Vec<String> = types.iter().map(ToString::to_string).collect();
        format!("no aggregate {}({})", call.function.name, types.join(", "))
    };
    if call.function.version != 1 {
        return Err(format!("no version {} of {}", call.function.version, call.function.name));
    }
    if call.function.name == "COUNT" && call.args.is_empty() && !call.distinct {
        return Ok(Box::new(Count::rows()));
    }
    let (Some(&arg), Some(&ty)) = (call.args.first(), types.first()) else {
        return Err(refuse());
    };
    let one = call.args.len() == 1;
    match call.function.name.as_str() {
        "COUNT" if call.distinct => Ok(distinct(&call.args, &types, None)),
        "COUNT" if one => Ok(Box::new(Count::values(arg))),
        "SUM" | "AVG" if one => {
            let give = if call.function.name == "SUM" { Give::Sum } else { Give::Average };
            if !call.distinct {
                return sum(arg, ty, give, &call.ty.sql)?.ok_or_else(refuse);
            }
            // Made once here, so that making it again cannot fail.
            sum(0, ty, give, &call.ty.sql)?.ok_or_else(refuse)?;
            let (of_inner, result) = (ty.clone(), call.ty.sql.clone());
            let inner: distinct::Inner = Box::new(move || {
                let made = sum(0, &of_inner, give, &result).ok().flatten();
                made.expect("these accumulators were made once before")
            });
            Ok(distinct(&[arg], &types, Some(inner)))
        }
        // A value that comes twice changes none of these.
        "MIN" if one => boxed(Extreme::new(arg, ty, End::Smallest)).ok_or_else(refuse),
        "MAX" if one => boxed(Extreme::new(arg, ty, End::Largest)).ok_or_else(refuse),
        "FIRST_VALUE" if one => Ok(Box::new(Picked::new(arg, ty, End::Smallest))),
        "LAST_VALUE" if one => Ok(Box::new(Picked::new(arg, ty, End::Largest))),
        COLLECT => Ok(Box::new(Collect::new(&call.args, &types))),
        _ => Err(refuse()),
    }
}

fn boxed<T: Accumulators + 'static>(accumulators: Option<T>) -> Option<Box<dyn Accumulators>> {
    Some(Box::new(accumulators?))
}

/// SUM or AVG of a column of this type; `None` if it is not a number.
fn sum(
    arg: usize,
    ty: &SqlType,
    give: Give,
    result: &SqlType,
) -> Result<Option<Box<dyn Accumulators>>, String> {
    Ok(match ty {
        SqlType::Decimal { scale, .. } => {
            Some(Box::new(DecimalSum::new(arg, *scale, give, result)?))
        }
        SqlType::Double => Some(Box::new(FloatSum::new(arg, false, give))),
        SqlType::Float => Some(Box::new(FloatSum::new(arg, true, give))),
        _ if ty.is_integer() => Some(Box::new(IntegerSum::new(arg, ty, give))),
        _ => None,
    })
}
