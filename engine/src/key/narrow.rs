//! Types whose values fit 64 bits, as integers that compare as the values do.
//!
//! One representation for integers, floats, dates and times lets hash tables of
//! keys and MIN/MAX be written once, without a type parameter.

use crate::types::{SqlType, TimeUnit};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalYearMonthType, Time32MillisecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray, new_null_array,
};
use arrow_buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use std::borrow::Cow;
use std::sync::Arc;

/// Whether the values of this type fit 64 bits.
pub(crate) fn is_narrow(ty: &SqlType) -> bool {
    match ty {
        SqlType::Boolean
        | SqlType::TinyInt
        | SqlType::SmallInt
        | SqlType::Int
        | SqlType::BigInt
        | SqlType::Float
        | SqlType::Double
        | SqlType::Date
        | SqlType::Time(_)
        | SqlType::Timestamp(_)
        | SqlType::TimestampLtz(_)
        | SqlType::IntervalYearMonth
        | SqlType::IntervalDayTime => true,
        SqlType::Null
        | SqlType::Decimal { .. }
        | SqlType::Char(_)
        | SqlType::VarChar(_)
        | SqlType::Binary(_)
        | SqlType::VarBinary(_)
        | SqlType::Row(_)
        | SqlType::Array(_) => false,
    }
}

/// How many bytes a narrow value takes in the key encoding.
pub(super) fn width(ty: &SqlType) -> usize {
    match ty {
        SqlType::Boolean | SqlType::TinyInt => 1,
        SqlType::SmallInt => 2,
        SqlType::Int
        | SqlType::Float
        | SqlType::Date
        | SqlType::Time(_)
        | SqlType::IntervalYearMonth => 4,
        _ => 8,
    }
}

/// The double as an integer that compares as the double: −0 is 0, and every NaN is
/// the one NaN, above +∞.
// spec: E-6
pub(crate) fn ordered_f64(value: f64) -> i64 {
    let canonical = if value.is_nan() {
        f64::NAN.abs()
    } else if value == 0.0 {
        0.0
    } else {
        value
    };
    flip64(canonical.to_bits() as i64)
}

/// As [`ordered_f64`], for a float.
pub(crate) fn ordered_f32(value: f32) -> i32 {
    let canonical = if value.is_nan() {
        f32::NAN.abs()
    } else if value == 0.0 {
        0.0
    } else {
        value
    };
    flip32(canonical.to_bits() as i32)
}

/// The bits of a negative number count backwards; this is its own inverse.
fn flip64(bits: i64) -> i64 {
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

fn flip32(bits: i32) -> i32 {
    bits ^ (((bits >> 31) as u32) >> 1) as i32
}

fn primitive<T: ArrowPrimitiveType>(array: &dyn Array) -> &PrimitiveArray<T> {
    array.as_primitive::<T>()
}

fn mapped<T: ArrowPrimitiveType>(
    array: &dyn Array,
    map: impl Fn(T::Native) -> i64,
) -> Cow<'_, [i64]> {
    Cow::Owned(primitive::<T>(array).values().iter().map(|value| map(*value)).collect())
}

/// The column as integers that compare as its values do; what stands where the
/// column is NULL has no meaning.
///
/// # Panics
/// If the type is not narrow or the array is not of it.
pub(crate) fn narrow<'a>(ty: &SqlType, array: &'a dyn Array) -> Cow<'a, [i64]> {
    match ty {
        SqlType::Boolean => Cow::Owned(array.as_boolean().values().iter().map(i64::from).collect()),
        SqlType::TinyInt => mapped::<Int8Type>(array, i64::from),
        SqlType::SmallInt => mapped::<Int16Type>(array, i64::from),
        SqlType::Int => mapped::<Int32Type>(array, i64::from),
        SqlType::BigInt => Cow::Borrowed(primitive::<Int64Type>(array).values()),
        SqlType::Float => mapped::<Float32Type>(array, |value| i64::from(ordered_f32(value))),
        SqlType::Double => mapped::<Float64Type>(array, ordered_f64),
        SqlType::Date => mapped::<Date32Type>(array, i64::from),
        SqlType::Time(_) => mapped::<Time32MillisecondType>(array, i64::from),
        SqlType::Timestamp(p) | SqlType::TimestampLtz(p) => match TimeUnit::of_precision(*p) {
            TimeUnit::Millisecond => {
                Cow::Borrowed(primitive::<TimestampMillisecondType>(array).values())
            }
            TimeUnit::Microsecond => {
                Cow::Borrowed(primitive::<TimestampMicrosecondType>(array).values())
            }
            TimeUnit::Nanosecond => {
                Cow::Borrowed(primitive::<TimestampNanosecondType>(array).values())
            }
        },
        SqlType::IntervalYearMonth => mapped::<IntervalYearMonthType>(array, i64::from),
        SqlType::IntervalDayTime => {
            Cow::Borrowed(primitive::<DurationMillisecondType>(array).values())
        }
        _ => unreachable!("{ty} does not fit 64 bits"),
    }
}

/// The narrow value of one row that is not NULL.
pub(super) fn narrow_at(ty: &SqlType, array: &dyn Array, row: usize) -> i64 {
    match ty {
        SqlType::Boolean => i64::from(array.as_boolean().value(row)),
        SqlType::TinyInt => i64::from(primitive::<Int8Type>(array).value(row)),
        SqlType::SmallInt => i64::from(primitive::<Int16Type>(array).value(row)),
        SqlType::Int => i64::from(primitive::<Int32Type>(array).value(row)),
        SqlType::Float => i64::from(ordered_f32(primitive::<Float32Type>(array).value(row))),
        SqlType::Double => ordered_f64(primitive::<Float64Type>(array).value(row)),
        SqlType::Date => i64::from(primitive::<Date32Type>(array).value(row)),
        SqlType::Time(_) => i64::from(primitive::<Time32MillisecondType>(array).value(row)),
        SqlType::IntervalYearMonth => {
            i64::from(primitive::<IntervalYearMonthType>(array).value(row))
        }
        _ => narrow(ty, array)[row],
    }
}

/// The inverse of [`narrow`].
///
/// # Panics
/// If the type is not narrow.
pub(crate) fn widen(ty: &SqlType, values: Vec<i64>, nulls: Option<NullBuffer>) -> ArrayRef {
    fn cast<T: ArrowPrimitiveType>(
        values: Vec<i64>,
        nulls: Option<NullBuffer>,
        map: impl Fn(i64) -> T::Native,
    ) -> ArrayRef {
        let values: ScalarBuffer<T::Native> = values.into_iter().map(map).collect();
        Arc::new(PrimitiveArray::<T>::new(values, nulls))
    }
    fn same<T: ArrowPrimitiveType<Native = i64>>(
        values: Vec<i64>,
        nulls: Option<NullBuffer>,
        ty: &SqlType,
    ) -> ArrayRef {
        let array = PrimitiveArray::<T>::new(values.into(), nulls);
        Arc::new(array.with_data_type(ty.arrow()))
    }
    match ty {
        SqlType::Boolean => {
            let values: BooleanBuffer = values.into_iter().map(|value| value != 0).collect();
            Arc::new(BooleanArray::new(values, nulls))
        }
        SqlType::TinyInt => cast::<Int8Type>(values, nulls, |value| value as i8),
        SqlType::SmallInt => cast::<Int16Type>(values, nulls, |value| value as i16),
        SqlType::Int => cast::<Int32Type>(values, nulls, |value| value as i32),
        SqlType::BigInt => same::<Int64Type>(values, nulls, ty),
        SqlType::Float => {
            cast::<Float32Type>(values, nulls, |value| f32::from_bits(flip32(value as i32) as u32))
        }
        SqlType::Double => {
            cast::<Float64Type>(values, nulls, |value| f64::from_bits(flip64(value) as u64))
        }
        SqlType::Date => cast::<Date32Type>(values, nulls, |value| value as i32),
        SqlType::Time(_) => cast::<Time32MillisecondType>(values, nulls, |value| value as i32),
        SqlType::Timestamp(p) | SqlType::TimestampLtz(p) => match TimeUnit::of_precision(*p) {
            TimeUnit::Millisecond => same::<TimestampMillisecondType>(values, nulls, ty),
            TimeUnit::Microsecond => same::<TimestampMicrosecondType>(values, nulls, ty),
            TimeUnit::Nanosecond => same::<TimestampNanosecondType>(values, nulls, ty),
        },
        SqlType::IntervalYearMonth => {
            cast::<IntervalYearMonthType>(values, nulls, |value| value as i32)
        }
        SqlType::IntervalDayTime => same::<DurationMillisecondType>(values, nulls, ty),
        SqlType::Null => new_null_array(&ty.arrow(), values.len()),
        _ => unreachable!("{ty} does not fit 64 bits"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_order_as_numbers_with_one_zero_and_nan_last() {
        // spec: E-6
        let ascending = [
            f64::NEG_INFINITY,
            f64::MIN,
            -1.5,
            -f64::from_bits(1),
            0.0,
            f64::from_bits(1),
            2.0,
            f64::MAX,
            f64::INFINITY,
            f64::NAN,
        ];
        for pair in ascending.windows(2) {
            assert!(ordered_f64(pair[0]) < ordered_f64(pair[1]), "{pair:?}");
            assert!(ordered_f32(pair[0] as f32) <= ordered_f32(pair[1] as f32), "{pair:?}");
        }
        assert_eq!(ordered_f64(-0.0), ordered_f64(0.0));
        assert_eq!(ordered_f64(-f64::NAN), ordered_f64(f64::from_bits(0x7ff0_0000_0000_0001)));
    }
}
