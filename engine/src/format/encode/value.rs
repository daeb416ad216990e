//! Typed columns, and the texts of single values that JSON and CSV share.

use crate::format::base64;
use crate::types::datetime::{self, DateTime, TimeOfDay};
use crate::types::{Schema, SqlType, TimeUnit};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, ArrowTimestampType, Date32Type, Decimal128Type, DurationMillisecondType,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalYearMonthType,
    Time32MillisecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_buffer::{NullBuffer, OffsetBuffer};

/// A column of the batch, its type known once for all rows.
pub(super) struct Cells<'a> {
    pub(super) values: Values<'a>,
    nulls: Option<&'a NullBuffer>,
}

/// The values of a column, those of NULL places included.
pub(super) enum Values<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    Float(&'a [f32]),
    Double(&'a [f64]),
    Decimal { values: &'a [i128], scale: usize },
    Text { offsets: &'a [i32], values: &'a [u8] },
    Bytes { offsets: &'a [i32], values: &'a [u8] },
    Date(&'a [i32]),
    Time(&'a [i32]),
    Timestamp { values: &'a [i64], unit: TimeUnit, utc: bool },
    Row(Vec<(&'a str, Cells<'a>)>),
    Array { offsets: &'a OffsetBuffer<i32>, items: Box<Cells<'a>> },
}

/// All columns of a batch.
///
/// # Panics
/// If the batch does not have the schema's columns and Arrow types.
pub(super) fn cells_of<'a>(schema: &'a Schema, batch: &'a RecordBatch) -> Vec<Cells<'a>> {
    assert_eq!(schema.len(), batch.num_columns(), "the batch has the schema's columns");
    let columns = schema.fields.iter().zip(batch.columns());
    columns.map(|(field, array)| Cells::new(&field.ty.sql, array)).collect()
}

fn numbers<T: ArrowPrimitiveType>(array: &ArrayRef) -> &[T::Native] {
    array.as_primitive::<T>().values()
}

fn timestamps<T: ArrowTimestampType>(array: &ArrayRef) -> &[i64] {
    array.as_primitive::<T>().values()
}

impl<'a> Cells<'a> {
    /// A column of this type.
    ///
    /// # Panics
    /// If the array does not have the type's Arrow type.
    pub(super) fn new(sql: &'a SqlType, array: &'a ArrayRef) -> Cells<'a> {
        let values = match sql {
            SqlType::Null => Values::Null,
            SqlType::Boolean => Values::Boolean(array.as_boolean()),
            SqlType::TinyInt => Values::Int8(numbers::<Int8Type>(array)),
            SqlType::SmallInt => Values::Int16(numbers::<Int16Type>(array)),
            SqlType::Int => Values::Int32(numbers::<Int32Type>(array)),
            SqlType::IntervalYearMonth => Values::Int32(numbers::<IntervalYearMonthType>(array)),
            SqlType::BigInt => Values::Int64(numbers::<Int64Type>(array)),
            SqlType::IntervalDayTime => Values::Int64(numbers::<DurationMillisecondType>(array)),
            SqlType::Float => Values::Float(numbers::<Float32Type>(array)),
            SqlType::Double => Values::Double(numbers::<Float64Type>(array)),
            SqlType::Decimal { scale, .. } => Values::Decimal {
                values: numbers::<Decimal128Type>(array),
                scale: usize::from(*scale),
            },
            SqlType::Char(_) | SqlType::VarChar(_) => {
                let texts = array.as_string::<i32>();
                Values::Text { offsets: texts.value_offsets(), values: texts.values() }
            }
            SqlType::Binary(_) | SqlType::VarBinary(_) => {
                let bytes = array.as_binary::<i32>();
                Values::Bytes { offsets: bytes.value_offsets(), values: bytes.values() }
            }
            SqlType::Date => Values::Date(numbers::<Date32Type>(array)),
            SqlType::Time(_) => Values::Time(numbers::<Time32MillisecondType>(array)),
            SqlType::Timestamp(precision) => timestamp_values(*precision, false, array),
            SqlType::TimestampLtz(precision) => timestamp_values(*precision, true, array),
            SqlType::Row(fields) => {
                let children = fields.iter().zip(array.as_struct().columns());
                let child =
                    |(field, array)| (Self::name(field), Cells::new(Self::ty(field), array));
                Values::Row(children.map(child).collect())
            }
            SqlType::Array(element) => {
                let list = array.as_list::<i32>();
                let items = Box::new(Cells::new(&element.sql, list.values()));
                Values::Array { offsets: list.offsets(), items }
            }
        };
        Cells { values, nulls: array.nulls() }
    }

    fn name(field: &crate::types::Field) -> &str {
        &field.name
    }

    fn ty(field: &crate::types::Field) -> &SqlType {
        &field.ty.sql
    }

    /// Whether the value of this row is NULL.
    #[inline]
    pub(super) fn is_null(&self, row: usize) -> bool {
        matches!(self.values, Values::Null) || self.nulls.is_some_and(|nulls| nulls.is_null(row))
    }
}

fn timestamp_values(precision: u8, utc: bool, array: &ArrayRef) -> Values<'_> {
    let unit = TimeUnit::of_precision(precision);
    let values = match unit {
        TimeUnit::Millisecond => timestamps::<TimestampMillisecondType>(array),
        TimeUnit::Microsecond => timestamps::<TimestampMicrosecondType>(array),
        TimeUnit::Nanosecond => timestamps::<TimestampNanosecondType>(array),
    };
    Values::Timestamp { values, unit, utc }
}

/// The bytes of one text or byte string.
#[inline]
pub(super) fn slice<'a>(offsets: &[i32], values: &'a [u8], row: usize) -> &'a [u8] {
    &values[offsets[row] as usize..offsets[row + 1] as usize]
}

/// Appends the integer.
#[inline]
pub(super) fn integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The name that Java gives to a value that is no finite number.
fn special(value: f64) -> &'static [u8] {
    if value.is_nan() {
        b"NaN"
    } else if value > 0.0 {
        b"Infinity"
    } else {
        b"-Infinity"
    }
}

/// Appends the shortest text that reads back as the same double. What is not finite is
/// written by its name; gives whether it was finite.
pub(super) fn double(value: f64, quote: &[u8], out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
    } else {
        quoted(special(value), quote, out);
    }
}

/// As [`double`], for a float.
pub(super) fn float(value: f32, quote: &[u8], out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
    } else {
        quoted(special(f64::from(value)), quote, out);
    }
}

fn quoted(text: &[u8], quote: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(quote);
    out.extend_from_slice(text);
    out.extend_from_slice(quote);
}

/// Appends the decimal in plain notation with all digits of its scale.
pub(super) fn decimal(value: i128, scale: usize, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value.unsigned_abs()).as_bytes();
    if value < 0 {
        out.push(b'-');
    }
    if scale == 0 {
        out.extend_from_slice(digits);
        return;
    }
    let before_point = digits.len().saturating_sub(scale);
    if before_point == 0 {
        out.push(b'0');
    }
    out.extend_from_slice(&digits[..before_point]);
    out.push(b'.');
    out.resize(out.len() + scale.saturating_sub(digits.len()), b'0');
    out.extend_from_slice(&digits[before_point..]);
}

/// Appends a date, time of day, timestamp (with this separator) or Base64 text; gives
/// `false`, and appends nothing, if the value is of another kind.
pub(super) fn plain_text(
    values: &Values<'_>,
    row: usize,
    separator: u8,
    out: &mut Vec<u8>,
) -> bool {
    match values {
        Values::Date(days) => datetime::write_date(i64::from(days[row]), out),
        Values::Time(millis) => datetime::write_time(TimeOfDay::from_millis(millis[row]), out),
        Values::Timestamp { values, unit, utc } => {
            datetime::write_timestamp(DateTime::from_unit(values[row], *unit), separator, out);
            if *utc {
                out.push(b'Z');
            }
        }
        Values::Bytes { offsets, values } => base64::encode(slice(offsets, values, row), out),
        _ => return false,
    }
    true
}

/// Appends a boolean or a number; gives `false`, and appends nothing, if the value is
/// of another kind. `quote` goes around doubles that are no finite number.
#[inline]
pub(super) fn bare(values: &Values<'_>, row: usize, quote: &[u8], out: &mut Vec<u8>) -> bool {
    match values {
        Values::Boolean(values) => {
            out.extend_from_slice(if values.value(row) { b"true" } else { b"false" });
        }
        Values::Int8(values) => integer(values[row], out),
        Values::Int16(values) => integer(values[row], out),
        Values::Int32(values) => integer(values[row], out),
        Values::Int64(values) => integer(values[row], out),
        Values::Float(values) => float(values[row], quote, out),
        Values::Double(values) => double(values[row], quote, out),
        Values::Decimal { values, scale } => decimal(values[row], *scale, out),
        _ => return false,
    }
    true
}
