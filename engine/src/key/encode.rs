//! From columns to encoded keys.
//!
//! Each value is a byte 0 if it is NULL, else a byte 1 and:
//!
//! | type | bytes |
//! |---|---|
//! | BOOLEAN | 0 or 1 |
//! | integers, DATE, TIME, timestamps, intervals | big-endian in the width of the Arrow type, sign bit flipped |
//! | FLOAT, DOUBLE | as an integer of the same order: −0 is 0, one NaN, above +∞ |
//! | DECIMAL | 16 bytes big-endian, sign bit flipped, without the point |
//! | text, bytes | the bytes, each 00 written as 00 FF, and 00 01 at the end |
//! | ROW | its fields |
//! | ARRAY | for each element a byte 1 and the element; 00 at the end |

use super::narrow::{is_narrow, narrow_at, width};
use crate::types::SqlType;
use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, ArrayRef};

/// What stands for a NULL.
pub(super) const NULL: u8 = 0;
/// What stands before a value, and before each element of an array.
pub(super) const VALUE: u8 = 1;
/// What follows a zero byte that is part of a text.
pub(super) const ESCAPED_ZERO: u8 = 0xff;
/// What follows the zero byte that ends a text; below [`ESCAPED_ZERO`], so that a
/// text sorts before its continuations.
pub(super) const TEXT_END: u8 = 1;

/// Appends the encoding of one row of several columns.
///
/// # Panics
/// If there are fewer columns than types, or a column is not of its type.
pub fn encode_row(types: &[SqlType], columns: &[&ArrayRef], row: usize, out: &mut Vec<u8>) {
    for (ty, column) in types.iter().zip(columns) {
        encode_value(ty, column.as_ref(), row, out);
    }
}

/// Appends the encoding of one value.
///
/// # Panics
/// If the array is not of the type, or has no such row.
pub fn encode_value(ty: &SqlType, array: &dyn Array, row: usize, out: &mut Vec<u8>) {
    if *ty == SqlType::Null || array.is_null(row) {
        out.push(NULL);
        return;
    }
    out.push(VALUE);
    if is_narrow(ty) {
        return encode_narrow(ty, narrow_at(ty, array, row), out);
    }
    match ty {
        SqlType::Decimal { .. } => {
            let value = array.as_primitive::<Decimal128Type>().value(row);
            out.extend((value ^ i128::MIN).to_be_bytes());
        }
        SqlType::Char(_) | SqlType::VarChar(_) => {
            encode_text(array.as_string::<i32>().value(row).as_bytes(), out);
        }
        SqlType::Binary(_) | SqlType::VarBinary(_) => {
            encode_text(array.as_binary::<i32>().value(row), out);
        }
        SqlType::Row(fields) => {
            let array = array.as_struct();
            for (field, column) in fields.iter().zip(array.columns()) {
                encode_value(&field.ty.sql, column.as_ref(), row, out);
            }
        }
        SqlType::Array(element) => {
            let elements = array.as_list::<i32>().value(row);
            for index in 0..elements.len() {
                out.push(VALUE);
                encode_value(&element.sql, elements.as_ref(), index, out);
            }
            out.push(NULL);
        }
        _ => unreachable!("{ty} is narrow"),
    }
}

/// Appends a narrow value without the byte before it.
pub(super) fn encode_narrow(ty: &SqlType, value: i64, out: &mut Vec<u8>) {
    let width = width(ty);
    // A boolean is not signed, so its byte stays what it is.
    let flip = if *ty == SqlType::Boolean { 0 } else { 1_u64 << (8 * width - 1) };
    let bytes = (value as u64 ^ flip).to_be_bytes();
    out.extend(&bytes[8 - width..]);
}

/// Appends a text or bytes without the byte before it.
pub(super) fn encode_text(mut text: &[u8], out: &mut Vec<u8>) {
    while let Some(zero) = memchr::memchr(0, text) {
        out.extend(&text[..=zero]);
        out.push(ESCAPED_ZERO);
        text = &text[zero + 1..];
    }
    out.extend(text);
    out.extend([0, TEXT_END]);
}

/// Appends the encoding of a narrow column's value, or of NULL.
pub(crate) fn encode_narrow_key(ty: &SqlType, value: Option<i64>, out: &mut Vec<u8>) {
    match value {
        None => out.push(NULL),
        Some(value) => {
            out.push(VALUE);
            encode_narrow(ty, value, out);
        }
    }
}

/// Appends the encoding of a text, or of NULL.
pub(crate) fn encode_text_key(value: Option<&[u8]>, out: &mut Vec<u8>) {
    match value {
        None => out.push(NULL),
        Some(text) => {
            out.push(VALUE);
            encode_text(text, out);
        }
    }
}
