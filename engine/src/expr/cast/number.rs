//! Numbers and truth values among each other.

use super::Cast;
use crate::expr::Evaluated;
use crate::function::RowResult;
use crate::function::kernel::primitive_rows;
use crate::types::{SqlType, decimal, float};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type,
};
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_buffer::BooleanBuffer;
use chrono_tz::Tz;
use std::sync::Arc;

/// A number on its way from one type to another.
#[derive(Clone, Copy)]
enum Number {
    Integer(i64),
    Float(f32),
    Double(f64),
    /// With its scale.
    Decimal(i128, u8),
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Number::Integer(value) => write!(f, "{value}"),
            Number::Float(value) => f.write_str(&float::format_float(value)),
            Number::Double(value) => f.write_str(&float::format_double(value)),
            Number::Decimal(value, scale) => f.write_str(&decimal::format(value, scale)),
        }
    }
}

/// Any number to any other.
pub(super) fn convert(cast: &Cast, array: &ArrayRef, _: Tz) -> Evaluated {
    if cast.from.is_integer() && !matches!(cast.to, SqlType::Decimal { .. })
        || cast.from == SqlType::Float && cast.to == SqlType::Double
        || cast.from == SqlType::Double && cast.to == SqlType::Float
    {
        // Arrow does these as Flink does, but for integers that do not fit, which
        // it makes NULL; only then rows are looked at one by one.
        let found = arrow_cast::cast(array, &cast.to.arrow()).expect("numbers cast to numbers");
        if found.null_count() == array.null_count() {
            return Evaluated::ok(found);
        }
    }
    match cast.from {
        SqlType::TinyInt => from::<Int8Type>(cast, array, |v| Number::Integer(v.into())),
        SqlType::SmallInt => from::<Int16Type>(cast, array, |v| Number::Integer(v.into())),
        SqlType::Int => from::<Int32Type>(cast, array, |v| Number::Integer(v.into())),
        SqlType::BigInt => from::<Int64Type>(cast, array, Number::Integer),
        SqlType::Float => from::<Float32Type>(cast, array, Number::Float),
        SqlType::Double => from::<Float64Type>(cast, array, Number::Double),
        SqlType::Decimal { scale, .. } => {
            from::<Decimal128Type>(cast, array, move |value| Number::Decimal(value, scale))
        }
        _ => unreachable!("the cast is between numbers"),
    }
}

fn from<T: ArrowPrimitiveType>(
    cast: &Cast,
    array: &ArrayRef,
    number: impl Fn(T::Native) -> Number,
) -> Evaluated {
    let values = array.as_primitive::<T>();
    let number = |row: usize| values.is_valid(row).then(|| number(values.value(row)));
    let rows = values.len();
    match cast.to {
        SqlType::TinyInt => to_integer::<Int8Type>(cast, rows, number),
        SqlType::SmallInt => to_integer::<Int16Type>(cast, rows, number),
        SqlType::Int => to_integer::<Int32Type>(cast, rows, number),
        SqlType::BigInt => to_integer::<Int64Type>(cast, rows, number),
        SqlType::Float => primitive_rows::<Float32Type>(rows, &cast.to, |row| {
            Ok(number(row).map(|number| match number {
                Number::Float(value) => value,
                Number::Integer(value) => value as f32,
                Number::Double(value) => value as f32,
                Number::Decimal(value, scale) => decimal::to_double(value, scale) as f32,
            }))
        }),
        SqlType::Double => primitive_rows::<Float64Type>(rows, &cast.to, |row| {
            Ok(number(row).map(|number| match number {
                Number::Double(value) => value,
                Number::Integer(value) => value as f64,
                Number::Float(value) => value.into(),
                Number::Decimal(value, scale) => decimal::to_double(value, scale),
            }))
        }),
        SqlType::Decimal { precision, scale } => {
            primitive_rows::<Decimal128Type>(rows, &cast.to, |row| match number(row) {
                Some(number) => to_decimal(cast, number, precision, scale),
                None => Ok(None),
            })
        }
        _ => unreachable!("the cast is between numbers"),
    }
}

fn to_decimal(cast: &Cast, number: Number, precision: u8, scale: u8) -> RowResult<i128> {
    match number {
        Number::Integer(value) => Ok(decimal::rescale(value.into(), 0, scale, precision)),
        Number::Decimal(value, from) => Ok(decimal::rescale(value, from, scale, precision)),
        // As in Flink the shortest text of the double is read as a decimal; a FLOAT
        // is made a double first.
        Number::Float(_) | Number::Double(_) => {
            let number = match number {
                Number::Float(value) => Number::Double(value.into()),
                other => other,
            };
            match decimal::parse(&number.to_string(), precision, scale) {
                Ok(found) => Ok(found),
                Err(decimal::NotANumber) => cast.refuse(number),
            }
        }
    }
}

/// An integer; the digits behind the point are cut off.
fn to_integer<T: ArrowPrimitiveType>(
    cast: &Cast,
    rows: usize,
    number: impl Fn(usize) -> Option<Number>,
) -> Evaluated
where
    T::Native: TryFrom<i64>,
{
    primitive_rows::<T>(rows, &cast.to, |row| {
        let Some(number) = number(row) else { return Ok(None) };
        let whole = match number {
            Number::Integer(value) => Some(value),
            // As in Flink a float goes to the nearest INT or BIGINT, NaN to 0; only
            // the narrower types can refuse it.
            Number::Float(value) => Some(saturated(value.into(), &cast.to)),
            Number::Double(value) => Some(saturated(value, &cast.to)),
            Number::Decimal(value, scale) => {
                decimal::truncate(value, scale, 0).and_then(|value| i64::try_from(value).ok())
            }
        };
        match whole.and_then(|value| T::Native::try_from(value).ok()) {
            Some(value) => Ok(Some(value)),
            None => cast.refuse(number),
        }
    })
}

/// The double without the digits behind its point, at most as large as the type (as
/// INT for the types below) can be.
fn saturated(value: f64, to: &SqlType) -> i64 {
    // Rust's conversion is Java's: it saturates, and NaN is 0.
    if *to == SqlType::BigInt { value as i64 } else { i64::from(value as i32) }
}

/// 1 for TRUE, 0 for FALSE.
pub(super) fn from_boolean(cast: &Cast, array: &ArrayRef, zone: Tz) -> Evaluated {
    let bits = arrow_cast::cast(array, &SqlType::TinyInt.arrow()).expect("bits are small numbers");
    match Cast::new(&SqlType::TinyInt, &cast.to, cast.mode) {
        Some(next) => next.apply(&bits, zone),
        None => Evaluated::ok(bits),
    }
}

/// Whether the number is not zero.
pub(super) fn to_boolean(cast: &Cast, array: &ArrayRef, _: Tz) -> Evaluated {
    match cast.from {
        SqlType::TinyInt => nonzero::<Int8Type>(array, |v| v != 0),
        SqlType::SmallInt => nonzero::<Int16Type>(array, |v| v != 0),
        SqlType::Int => nonzero::<Int32Type>(array, |v| v != 0),
        SqlType::BigInt => nonzero::<Int64Type>(array, |v| v != 0),
        SqlType::Float => nonzero::<Float32Type>(array, |v| v != 0.0),
        SqlType::Double => nonzero::<Float64Type>(array, |v| v != 0.0),
        _ => nonzero::<Decimal128Type>(array, |v| v != 0),
    }
}

fn nonzero<T: ArrowPrimitiveType>(array: &ArrayRef, test: impl Fn(T::Native) -> bool) -> Evaluated {
    let values = array.as_primitive::<T>();
    let found = BooleanBuffer::collect_bool(values.len(), |row| test(values.value(row)));
    Evaluated::ok(Arc::new(BooleanArray::new(found, values.nulls().cloned())))
}
