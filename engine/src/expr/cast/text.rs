//! Other types to text and bytes, and the text of any value.

use super::Cast;
use crate::expr::{ErrorKind, Evaluated, RowErrors};
use crate::function::kernel::{TEXT_LIMIT, text_rows, too_long};
use crate::types::datetime::{DateTime, sql};
use crate::types::{LENGTH_MAX, SqlType, TimeUnit, Value, decimal, float};
use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use chrono_tz::Tz;
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

/// Any value to text.
pub(super) fn convert(cast: &Cast, array: &ArrayRef, zone: Tz) -> Evaluated {
    text_rows(array.len(), |row| {
        if array.is_null(row) {
            return Ok(None);
        }
        let mut text = String::new();
        if cast.from.is_text() {
            text.push_str(array.as_string::<i32>().value(row));
        } else {
            let value = crate::expr::value_at(array, row, &cast.from);
            write_value(&value, &cast.from, zone, &mut text);
        }
        if matches!(cast.to, SqlType::Char(length) if length as usize > TEXT_LIMIT) {
            return too_long();
        }
        fit(&mut text, &cast.to);
        Ok(Some(Cow::Owned(text)))
    })
}

/// Whether all values of a text type are values of another.
pub(super) fn is_wider(from: &SqlType, to: &SqlType) -> bool {
    match (from, to) {
        (SqlType::Char(a) | SqlType::VarChar(a), SqlType::VarChar(b)) => a <= b,
        _ => false,
    }
}

/// Cuts a text to the length of its type, or pads it.
fn fit(text: &mut String, to: &SqlType) {
    let (SqlType::Char(length) | SqlType::VarChar(length)) = to else { return };
    if *length == LENGTH_MAX {
        return;
    }
    let length = *length as usize;
    let count = text.chars().count();
    if count > length {
        let end = text.char_indices().nth(length).map_or(text.len(), |(at, _)| at);
        text.truncate(end);
    } else if matches!(to, SqlType::Char(_)) {
        text.extend(std::iter::repeat_n(' ', length - count));
    }
}

/// Text or bytes to bytes; text becomes its UTF-8.
pub(super) fn to_bytes(cast: &Cast, array: &ArrayRef, _: Tz) -> Evaluated {
    let (fixed, length) = match cast.to {
        SqlType::Binary(length) => (true, length as usize),
        SqlType::VarBinary(length) => (false, length as usize),
        _ => (false, LENGTH_MAX as usize),
    };
    let mut builder = BinaryBuilder::with_capacity(array.len(), array.len() * 16);
    let mut errors = RowErrors::NONE;
    // Arrow counts the bytes of a column in 31 bits.
    let mut room = i32::MAX as usize;
    for row in 0..array.len() {
        if array.is_null(row) {
            builder.append_null();
            continue;
        }
        let value: &[u8] = if cast.from.is_text() {
            array.as_string::<i32>().value(row).as_bytes()
        } else {
            array.as_binary::<i32>().value(row)
        };
        let kept = &value[..value.len().min(length)];
        let size = if fixed { length } else { kept.len() };
        let Some(left) = room.checked_sub(size).filter(|_| !fixed || length <= TEXT_LIMIT) else {
            errors.push(row, ErrorKind::Overflow, format!("{size} bytes are too many"));
            builder.append_null();
            continue;
        };
        room = left;
        if fixed && kept.len() < length {
            let mut padded = kept.to_vec();
            padded.resize(length, 0);
            builder.append_value(padded);
        } else {
            builder.append_value(kept);
        }
    }
    Evaluated { array: Arc::new(builder.finish()), errors }
}

/// Appends the text of a value, in the form of a cast to STRING.
pub(super) fn write_value(value: &Value, ty: &SqlType, zone: Tz, out: &mut String) {
    match (value, ty) {
        (Value::Null, _) => out.push_str("NULL"),
        (Value::Boolean(value), _) => out.push_str(if *value { "TRUE" } else { "FALSE" }),
        (Value::Int(value), _) => {
            // Writing into a String cannot fail.
            let _ = write!(out, "{value}");
        }
        (Value::Float(value), _) => out.push_str(&float::format_float(*value)),
        (Value::Double(value), _) => out.push_str(&float::format_double(*value)),
        (Value::Decimal(value), SqlType::Decimal { scale, .. }) => {
            out.push_str(&decimal::format(*value, *scale));
        }
        (Value::Decimal(value), _) => out.push_str(&decimal::format(*value, 0)),
        (Value::Text(value), _) => out.push_str(value),
        (Value::Bytes(value), _) => out.push_str(&String::from_utf8_lossy(value)),
        (Value::Date(days), _) => sql::write_date((*days).into(), out),
        (Value::Time(millis), ty) => {
            let precision = if let SqlType::Time(precision) = ty { *precision } else { 3 };
            let moment = DateTime::from_unit((*millis).into(), TimeUnit::Millisecond);
            sql::write_time(moment.second_of_day(), moment.nanos, precision, out);
        }
        (Value::Timestamp(value), ty) => {
            let (precision, instant) = match ty {
                SqlType::Timestamp(precision) => (*precision, false),
                SqlType::TimestampLtz(precision) => (*precision, true),
                _ => (3, false),
            };
            let moment = DateTime::from_unit(*value, TimeUnit::of_precision(precision));
            let moment = if instant { moment.to_local(zone) } else { moment };
            sql::write_timestamp(moment, precision, out);
        }
        (Value::Months(months), _) => write_months(*months, out),
        (Value::Millis(millis), _) => write_millis(*millis, out),
        (Value::Row(values), SqlType::Row(fields)) => {
            let parts = values.iter().zip(fields.iter().map(|field| &field.ty.sql));
            write_list(parts, ('(', ')'), zone, out);
        }
        (Value::Array(values), SqlType::Array(element)) => {
            let parts = values.iter().map(|value| (value, &element.sql));
            write_list(parts, ('[', ']'), zone, out);
        }
        (Value::Row(_) | Value::Array(_), _) => out.push('?'),
    }
}

fn write_list<'a>(
    parts: impl Iterator<Item = (&'a Value, &'a SqlType)>,
    (open, close): (char, char),
    zone: Tz,
    out: &mut String,
) {
    out.push(open);
    for (number, (value, ty)) in parts.enumerate() {
        if number > 0 {
            out.push_str(", ");
        }
        write_value(value, ty, zone, out);
    }
    out.push(close);
}

/// `+1-06`: years and months.
fn write_months(months: i32, out: &mut String) {
    let sign = if months < 0 { '-' } else { '+' };
    let months = months.unsigned_abs();
    let _ = write!(out, "{sign}{}-{:02}", months / 12, months % 12);
}

/// `+1 02:03:04.005`: days and the time of day.
fn write_millis(millis: i64, out: &mut String) {
    let sign = if millis < 0 { '-' } else { '+' };
    let millis = millis.unsigned_abs();
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    let _ = write!(out, "{sign}{days} ");
    let nanos = (rest % 1000 * 1_000_000) as u32;
    sql::write_time((rest / 1000) as i64, nanos, 3, out);
}
