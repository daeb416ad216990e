//! What a kernel gets and gives, and the loops that most kernels are made of.

use crate::expr::{ErrorKind, Evaluated, RowErrors};
use crate::types::{DataType, SqlType};
use arrow_array::builder::{BooleanBuilder, PrimitiveBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayAccessor, ArrayRef, ArrowPrimitiveType, Datum, PrimitiveArray, StringArray,
};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// One argument of a call: a value for each row, or one value for all.
#[derive(Clone, Debug)]
pub struct Argument {
    /// The values; exactly one if `constant`.
    pub array: ArrayRef,
    /// Whether the one value stands for every row.
    pub constant: bool,
}

/// What a kernel computes from.
#[derive(Clone, Copy, Debug)]
pub struct CallInput<'a> {
    /// The arguments, left to right.
    pub args: &'a [Argument],
    /// Their types.
    pub arg_types: &'a [DataType],
    /// The type of the result.
    pub result: &'a DataType,
    /// How many rows there are; 1 if all arguments are constant.
    pub rows: usize,
    /// The zone in which texts and instants are converted.
    pub zone: chrono_tz::Tz,
}

/// The computation of a call over a batch.
///
/// The result has `rows` values of the Arrow type of `result`. A kernel never
/// fails as a whole and never panics on values; it may rely on the types.
pub trait Kernel: fmt::Debug + Send + Sync {
    /// Computes all rows.
    fn evaluate(&self, input: &CallInput<'_>) -> Evaluated;
}

/// A kernel without anything prepared.
pub type KernelFn = fn(&CallInput<'_>) -> Evaluated;

/// A kernel that is a plain function.
#[derive(Clone, Copy)]
pub struct PlainKernel(pub KernelFn);

impl fmt::Debug for PlainKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainKernel")
    }
}

impl Kernel for PlainKernel {
    fn evaluate(&self, input: &CallInput<'_>) -> Evaluated {
        (self.0)(input)
    }
}

/// Why one row has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind.
    pub kind: ErrorKind,
    /// The value and what was wrong with it.
    pub detail: String,
}

/// The value of one row, NULL, or why there is none.
pub type RowResult<T> = Result<Option<T>, Failure>;

/// A failure of this kind.
pub(crate) fn fail<T>(kind: ErrorKind, detail: impl Into<String>) -> RowResult<T> {
    Err(Failure { kind, detail: detail.into() })
}

/// The values of an argument by row, whether it is constant or not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cells<A> {
    array: A,
    constant: bool,
}

impl<A: ArrayAccessor> Cells<A> {
    /// The value of a row; `None` is NULL.
    pub(crate) fn get(&self, row: usize) -> Option<A::Item> {
        let index = if self.constant { 0 } else { row };
        if self.array.is_null(index) { None } else { Some(self.array.value(index)) }
    }
}

impl Argument {
    /// A value for each row.
    #[must_use]
    pub fn column(array: ArrayRef) -> Argument {
        Argument { array, constant: false }
    }

    /// The argument as numbers, dates or times of the Arrow type `T`.
    pub(crate) fn primitives<T: ArrowPrimitiveType>(&self) -> Cells<&PrimitiveArray<T>> {
        Cells { array: self.array.as_primitive::<T>(), constant: self.constant }
    }

    /// The argument as text.
    pub(crate) fn texts(&self) -> Cells<&StringArray> {
        Cells { array: self.array.as_string::<i32>(), constant: self.constant }
    }
}

impl Datum for Argument {
    fn get(&self) -> (&dyn Array, bool) {
        (self.array.as_ref(), self.constant)
    }
}

impl<'a> CallInput<'a> {
    /// The type of an argument.
    pub(crate) fn arg_type(&self, index: usize) -> &'a SqlType {
        &self.arg_types[index].sql
    }
}

/// Numbers, dates or times of the type `ty`, row by row.
pub(crate) fn primitive_rows<T: ArrowPrimitiveType>(
    rows: usize,
    ty: &SqlType,
    mut value: impl FnMut(usize) -> RowResult<T::Native>,
) -> Evaluated {
    let mut builder = PrimitiveBuilder::<T>::with_capacity(rows).with_data_type(ty.arrow());
    let mut errors = RowErrors::NONE;
    for row in 0..rows {
        match value(row) {
            Ok(found) => builder.append_option(found),
            Err(failure) => {
                builder.append_null();
                errors.push(row, failure.kind, failure.detail);
            }
        }
    }
    Evaluated { array: Arc::new(builder.finish()), errors }
}

/// Truth values, row by row.
pub(crate) fn boolean_rows(
    rows: usize,
    mut value: impl FnMut(usize) -> RowResult<bool>,
) -> Evaluated {
    let mut builder = BooleanBuilder::with_capacity(rows);
    let mut errors = RowErrors::NONE;
    for row in 0..rows {
        match value(row) {
            Ok(found) => builder.append_option(found),
            Err(failure) => {
                builder.append_null();
                errors.push(row, failure.kind, failure.detail);
            }
        }
    }
    Evaluated { array: Arc::new(builder.finish()), errors }
}

/// The most bytes of a text that a function makes: one row must not take the memory
/// of all.
pub(crate) const TEXT_LIMIT: usize = 64 << 20;

/// The failure of a text that would be longer than [`TEXT_LIMIT`].
pub(crate) fn too_long<T>() -> RowResult<T> {
    fail(ErrorKind::Overflow, format!("the text would have more than {TEXT_LIMIT} bytes"))
}

/// Texts, row by row.
pub(crate) fn text_rows<'a>(
    rows: usize,
    mut value: impl FnMut(usize) -> RowResult<Cow<'a, str>>,
) -> Evaluated {
    let mut builder = StringBuilder::with_capacity(rows, rows * 16);
    let mut errors = RowErrors::NONE;
    // Arrow counts the bytes of a column in 31 bits.
    let mut room = i32::MAX as usize;
    for row in 0..rows {
        let mut found = value(row);
        if let Ok(Some(text)) = &found {
            match room.checked_sub(text.len()).filter(|_| text.len() <= TEXT_LIMIT) {
                Some(left) => room = left,
                None => found = too_long(),
            }
        }
        match found {
            Ok(found) => builder.append_option(found),
            Err(failure) => {
                builder.append_null();
                errors.push(row, failure.kind, failure.detail);
            }
        }
    }
    Evaluated { array: Arc::new(builder.finish()), errors }
}
