//! Single values in and out of Arrow memory.

use crate::types::{SqlType, TimeUnit, Value};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, DurationMillisecondType, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, IntervalYearMonthType, Time32MillisecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, ListArray, PrimitiveArray,
    StringArray, StructArray, new_null_array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType as ArrowType;
use std::sync::Arc;

/// NULLs of a type.
pub(crate) fn null_array(ty: &SqlType, rows: usize) -> ArrayRef {
    new_null_array(&ty.arrow(), rows)
}

fn one<T: ArrowPrimitiveType>(value: T::Native, ty: &SqlType) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::from_value(value, 1).with_data_type(ty.arrow()))
}

/// An array of one value. A value that is not of the type becomes NULL; the plan is
/// checked before, so that this does not happen.
pub fn scalar_array(value: &Value, ty: &SqlType) -> ArrayRef {
    match (value, ty) {
        (Value::Boolean(v), SqlType::Boolean) => Arc::new(BooleanArray::from(vec![*v])),
        (Value::Int(v), SqlType::TinyInt) => one::<Int8Type>(*v as i8, ty),
        (Value::Int(v), SqlType::SmallInt) => one::<Int16Type>(*v as i16, ty),
        (Value::Int(v), SqlType::Int) => one::<Int32Type>(*v as i32, ty),
        (Value::Int(v), SqlType::BigInt) => one::<Int64Type>(*v, ty),
        (Value::Float(v), SqlType::Float) => one::<Float32Type>(*v, ty),
        (Value::Double(v), SqlType::Double) => one::<Float64Type>(*v, ty),
        (Value::Decimal(v), SqlType::Decimal { .. }) => one::<Decimal128Type>(*v, ty),
        (Value::Text(v), ty) if ty.is_text() => Arc::new(StringArray::from(vec![v.as_str()])),
        (Value::Bytes(v), ty) if ty.is_bytes() => Arc::new(BinaryArray::from(vec![v.as_slice()])),
        (Value::Date(v), SqlType::Date) => one::<Date32Type>(*v, ty),
        (Value::Time(v), SqlType::Time(_)) => one::<Time32MillisecondType>(*v, ty),
        (Value::Timestamp(v), SqlType::Timestamp(p) | SqlType::TimestampLtz(p)) => {
            match TimeUnit::of_precision(*p) {
                TimeUnit::Millisecond => one::<TimestampMillisecondType>(*v, ty),
                TimeUnit::Microsecond => one::<TimestampMicrosecondType>(*v, ty),
                TimeUnit::Nanosecond => one::<TimestampNanosecondType>(*v, ty),
            }
        }
        (Value::Months(v), SqlType::IntervalYearMonth) => one::<IntervalYearMonthType>(*v, ty),
        (Value::Millis(v), SqlType::IntervalDayTime) => one::<DurationMillisecondType>(*v, ty),
        (Value::Row(values), SqlType::Row(fields)) if values.len() == fields.len() => {
            let columns: Vec<ArrayRef> = values
                .iter()
                .zip(fields)
                .map(|(value, field)| scalar_array(value, &field.ty.sql))
                .collect();
            let ArrowType::Struct(types) = ty.arrow() else { return null_array(ty, 1) };
            Arc::new(StructArray::new(types, columns, None))
        }
        (Value::Array(values), SqlType::Array(element)) => {
            let ArrowType::List(field) = ty.arrow() else { return null_array(ty, 1) };
            let items: Vec<ArrayRef> =
                values.iter().map(|value| scalar_array(value, &element.sql)).collect();
            let parts: Vec<&dyn Array> = items.iter().map(AsRef::as_ref).collect();
            let items = if parts.is_empty() {
                null_array(&element.sql, 0)
            } else {
                arrow_select::concat::concat(&parts).expect("the elements have one type")
            };
            let offsets = OffsetBuffer::from_lengths([values.len()]);
            Arc::new(ListArray::new(field, offsets, items, None))
        }
        _ => null_array(ty, 1),
    }
}

/// The value in a cell.
///
/// # Panics
/// If the array is not of the type, or has no such row.
#[must_use]
pub fn value_at(array: &ArrayRef, row: usize, ty: &SqlType) -> Value {
    if *ty == SqlType::Null || array.is_null(row) {
        return Value::Null;
    }
    match ty {
        SqlType::Null => Value::Null,
        SqlType::Boolean => Value::Boolean(array.as_boolean().value(row)),
        SqlType::TinyInt => Value::Int(cell::<Int8Type>(array, row).into()),
        SqlType::SmallInt => Value::Int(cell::<Int16Type>(array, row).into()),
        SqlType::Int => Value::Int(cell::<Int32Type>(array, row).into()),
        SqlType::BigInt => Value::Int(cell::<Int64Type>(array, row)),
        SqlType::Float => Value::Float(cell::<Float32Type>(array, row)),
        SqlType::Double => Value::Double(cell::<Float64Type>(array, row)),
        SqlType::Decimal { .. } => Value::Decimal(cell::<Decimal128Type>(array, row)),
        SqlType::Char(_) | SqlType::VarChar(_) => {
            Value::Text(array.as_string::<i32>().value(row).to_string())
        }
        SqlType::Binary(_) | SqlType::VarBinary(_) => {
            Value::Bytes(array.as_binary::<i32>().value(row).to_vec())
        }
        SqlType::Date => Value::Date(cell::<Date32Type>(array, row)),
        SqlType::Time(_) => Value::Time(cell::<Time32MillisecondType>(array, row)),
        SqlType::Timestamp(p) | SqlType::TimestampLtz(p) => {
            Value::Timestamp(timestamp_cell(array, row, *p))
        }
        SqlType::IntervalYearMonth => Value::Months(cell::<IntervalYearMonthType>(array, row)),
        SqlType::IntervalDayTime => Value::Millis(cell::<DurationMillisecondType>(array, row)),
        SqlType::Row(fields) => {
            let columns = array.as_struct();
            let field = |index: usize| value_at(columns.column(index), row, &fields[index].ty.sql);
            Value::Row((0..fields.len()).map(field).collect())
        }
        SqlType::Array(element) => {
            let items = array.as_list::<i32>().value(row);
            Value::Array((0..items.len()).map(|i| value_at(&items, i, &element.sql)).collect())
        }
    }
}

fn cell<T: ArrowPrimitiveType>(array: &ArrayRef, row: usize) -> T::Native {
    array.as_primitive::<T>().value(row)
}

fn timestamp_cell(array: &ArrayRef, row: usize, precision: u8) -> i64 {
    match TimeUnit::of_precision(precision) {
        TimeUnit::Millisecond => cell::<TimestampMillisecondType>(array, row),
        TimeUnit::Microsecond => cell::<TimestampMicrosecondType>(array, row),
        TimeUnit::Nanosecond => cell::<TimestampNanosecondType>(array, row),
    }
}

/// The watermarks before the rows, in ms; NULL where there is none yet.
pub(crate) fn watermarks(before: Option<&[i64]>, rows: usize, ty: &SqlType) -> ArrayRef {
    let Some(before) = before else { return null_array(ty, rows) };
    let known = |ms: &i64| (*ms != i64::MIN).then_some(*ms);
    let unit = match ty {
        SqlType::Timestamp(p) | SqlType::TimestampLtz(p) => TimeUnit::of_precision(*p),
        _ => TimeUnit::Millisecond,
    };
    let per_ms = unit.per_second() / 1000;
    let scaled = before.iter().map(|ms| known(ms).and_then(|ms| ms.checked_mul(per_ms)));
    match unit {
        TimeUnit::Millisecond => with_type::<TimestampMillisecondType>(scaled, ty),
        TimeUnit::Microsecond => with_type::<TimestampMicrosecondType>(scaled, ty),
        TimeUnit::Nanosecond => with_type::<TimestampNanosecondType>(scaled, ty),
    }
}

fn with_type<T: ArrowPrimitiveType<Native = i64>>(
    values: impl Iterator<Item = Option<i64>>,
    ty: &SqlType,
) -> ArrayRef {
    let array: PrimitiveArray<T> = values.collect();
    Arc::new(array.with_data_type(ty.arrow()))
}
