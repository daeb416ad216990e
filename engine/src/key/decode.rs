//! From encoded keys back to columns.
//!
//! What is decoded may come from a damaged snapshot, so every read is checked and
//! nothing here panics on bad bytes.

use super::encode::{ESCAPED_ZERO, NULL, TEXT_END, VALUE};
use super::narrow::{is_narrow, widen, width};
use crate::state::codec::Malformed;
use crate::types::{DataType, Field, SqlType};
use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::{ArrayRef, Decimal128Array, ListArray, NullArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema as arrow;
use std::sync::Arc;

/// The columns whose rows have these encodings: the inverse of
/// [`super::encode_row`] for each of them.
///
/// # Errors
/// If an encoding is not one of these types, or has bytes behind its last column.
pub fn decode_columns<'a>(
    types: &[SqlType],
    keys: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<ArrayRef>, Malformed> {
    let mut builders: Vec<Builder> = types.iter().map(Builder::new).collect();
    for key in keys {
        let mut rest = key;
        for builder in &mut builders {
            builder.read(&mut rest)?;
        }
        if !rest.is_empty() {
            return Err(Malformed("bytes behind the last key column"));
        }
    }
    Ok(builders.into_iter().map(Builder::finish).collect())
}

/// Splits encodings of these types off the front of `bytes`: gives them, and what
/// follows.
///
/// # Errors
/// If `bytes` does not start with such encodings.
pub fn split_values<'a>(
    types: &[SqlType],
    bytes: &'a [u8],
) -> Result<(&'a [u8], &'a [u8]), Malformed> {
    let mut rest = bytes;
    for ty in types {
        Builder::new(ty).read(&mut rest)?;
    }
    Ok(bytes.split_at(bytes.len() - rest.len()))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], Malformed> {
    let (taken, after) = rest.split_at_checked(count).ok_or(Malformed("an encoded key ends"))?;
    *rest = after;
    Ok(taken)
}

/// A column that grows by decoded values.
enum Builder {
    Bytes(BinaryBuilder),
    Decimal { ty: SqlType, values: Vec<i128>, valid: Vec<bool> },
    List { element: DataType, items: Box<Builder>, ends: Vec<i32>, valid: Vec<bool> },
    Narrow { ty: SqlType, values: Vec<i64>, valid: Vec<bool> },
    Null(usize),
    Row { fields: Vec<Field>, columns: Vec<Builder>, valid: Vec<bool> },
    Text(StringBuilder),
}

fn nulls(valid: Vec<bool>) -> Option<NullBuffer> {
    let nulls = NullBuffer::from(valid);
    (nulls.null_count() > 0).then_some(nulls)
}

impl Builder {
    fn new(ty: &SqlType) -> Builder {
        match ty {
            SqlType::Null => Builder::Null(0),
            SqlType::Char(_) | SqlType::VarChar(_) => Builder::Text(StringBuilder::new()),
            SqlType::Binary(_) | SqlType::VarBinary(_) => Builder::Bytes(BinaryBuilder::new()),
            SqlType::Decimal { .. } => {
                Builder::Decimal { ty: ty.clone(), values: Vec::new(), valid: Vec::new() }
            }
            SqlType::Row(fields) => Builder::Row {
                fields: fields.clone(),
                columns: fields.iter().map(|field| Builder::new(&field.ty.sql)).collect(),
                valid: Vec::new(),
            },
            SqlType::Array(element) => Builder::List {
                element: (**element).clone(),
                items: Box::new(Builder::new(&element.sql)),
                ends: vec![0],
                valid: Vec::new(),
            },
            _ => {
                debug_assert!(is_narrow(ty));
                Builder::Narrow { ty: ty.clone(), values: Vec::new(), valid: Vec::new() }
            }
        }
    }

    /// Reads one value.
    fn read(&mut self, rest: &mut &[u8]) -> Result<(), Malformed> {
        match take(rest, 1)?[0] {
            NULL => {
                self.push_null();
                Ok(())
            }
            VALUE => self.read_value(rest),
            _ => Err(Malformed("a key column starts with neither 0 nor 1")),
        }
    }

    fn read_value(&mut self, rest: &mut &[u8]) -> Result<(), Malformed> {
        match self {
            Builder::Bytes(builder) => builder.append_value(read_text(rest)?),
            Builder::Decimal { values, valid, .. } => {
                let bytes = take(rest, 16)?.try_into().expect("16 bytes were taken");
                values.push(i128::from_be_bytes(bytes) ^ i128::MIN);
                valid.push(true);
            }
            Builder::List { items, ends, valid, .. } => {
                let mut end = *ends.last().expect("the ends start with 0");
                while take(rest, 1)?[0] != NULL {
                    items.read(rest)?;
                    end = end.checked_add(1).ok_or(Malformed("too many array elements"))?;
                }
                ends.push(end);
                valid.push(true);
            }
            Builder::Narrow { ty, values, valid } => {
                let width = width(ty);
                let unsigned = take(rest, width)?
                    .iter()
                    .fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
                // Shifting the sign bit to the top and back extends it.
                let unused = 64 - 8 * width;
                values.push(if *ty == SqlType::Boolean {
                    i64::from(unsigned != 0)
                } else {
                    ((unsigned << unused) as i64 ^ i64::MIN) >> unused
                });
                valid.push(true);
            }
            Builder::Null(_) => return Err(Malformed("a value where only NULL can stand")),
            Builder::Row { columns, valid, .. } => {
                for column in columns {
                    column.read(rest)?;
                }
                valid.push(true);
            }
            Builder::Text(builder) => {
                let text = read_text(rest)?;
                let text =
                    std::str::from_utf8(&text).map_err(|_| Malformed("a text is not UTF-8"))?;
                builder.append_value(text);
            }
        }
        Ok(())
    }

    fn push_null(&mut self) {
        match self {
            Builder::Bytes(builder) => builder.append_null(),
            Builder::Decimal { values, valid, .. } => {
                values.push(0);
                valid.push(false);
            }
            Builder::List { ends, valid, .. } => {
                ends.push(*ends.last().expect("the ends start with 0"));
                valid.push(false);
            }
            Builder::Narrow { values, valid, .. } => {
                values.push(0);
                valid.push(false);
            }
            Builder::Null(count) => *count += 1,
            Builder::Row { columns, valid, .. } => {
                columns.iter_mut().for_each(Builder::push_null);
                valid.push(false);
            }
            Builder::Text(builder) => builder.append_null(),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Builder::Bytes(mut builder) => Arc::new(builder.finish()),
            Builder::Decimal { ty, values, valid } => {
                let array = Decimal128Array::new(values.into(), nulls(valid));
                Arc::new(array.with_data_type(ty.arrow()))
            }
            Builder::List { element, items, ends, valid } => Arc::new(ListArray::new(
                Arc::new(element.arrow_field("item")),
                OffsetBuffer::new(ends.into()),
                items.finish(),
                nulls(valid),
            )),
            Builder::Narrow { ty, values, valid } => widen(&ty, values, nulls(valid)),
            Builder::Null(count) => Arc::new(NullArray::new(count)),
            Builder::Row { fields, columns, valid } => {
                let length = valid.len();
                let fields: arrow::Fields =
                    fields.iter().map(|field| field.ty.arrow_field(&field.name)).collect();
                let columns: Vec<ArrayRef> = columns.into_iter().map(Builder::finish).collect();
                if columns.is_empty() {
                    return Arc::new(StructArray::new_empty_fields(length, nulls(valid)));
                }
                Arc::new(StructArray::new(fields, columns, nulls(valid)))
            }
            Builder::Text(mut builder) => Arc::new(builder.finish()),
        }
    }
}

/// The text up to its end mark, with its zero bytes put back.
fn read_text(rest: &mut &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut text = Vec::new();
    loop {
        let zero = memchr::memchr(0, rest).ok_or(Malformed("a text has no end"))?;
        text.extend(take(rest, zero)?);
        match take(rest, 2)?[1] {
            TEXT_END => return Ok(text),
            ESCAPED_ZERO => text.push(0),
            _ => return Err(Malformed("a zero byte is not escaped")),
        }
    }
}
