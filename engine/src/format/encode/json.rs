//! Rows as JSON objects.

use super::value::{Cells, Values, bare, cells_of, plain_text, slice};
use crate::plan::{JsonOptions, TimestampFormat};
use crate::types::Schema;
use arrow_array::RecordBatch;
use std::ops::Range;

/// Appends these rows of the batch, each as one JSON object and `\n`.
///
/// Fields stand in column order, without spaces; NULL is `null`. A DOUBLE or FLOAT is
/// the shortest text that reads back the same, with a decimal point or an exponent; NaN
/// and infinities are the strings that Java has for them. A DECIMAL has all digits of
/// its scale. BYTES are Base64. Timestamps are as `timestamp_format` says, with as many
/// digits of the second as they need, those with a zone with `Z`. Texts are escaped
/// where JSON demands it and nowhere else.
///
/// # Panics
/// If the batch does not have the schema's columns and Arrow types, or has fewer rows.
pub fn encode_json(
    schema: &Schema,
    options: &JsonOptions,
    batch: &RecordBatch,
    rows: Range<usize>,
    out: &mut Vec<u8>,
) {
    assert!(rows.end <= batch.num_rows(), "the batch has the rows");
    let separator = match options.timestamp_format {
        TimestampFormat::Sql => b' ',
        TimestampFormat::Iso8601 => b'T',
    };
    let cells = cells_of(schema, batch);
    let names = schema.fields.iter().map(|field| field.name.as_str());
    let columns: Vec<(Vec<u8>, Cells<'_>)> = keys(names).zip(cells).collect();
    let writer = Writer { separator };
    for row in rows {
        for (key, cells) in &columns {
            out.extend_from_slice(key);
            writer.value(cells, row, out);
        }
        out.extend_from_slice(if columns.is_empty() { b"{}\n" } else { b"}\n" });
    }
}

/// What stands before each value: `{"a":`, `,"b":` and so on.
fn keys<'a>(names: impl Iterator<Item = &'a str>) -> impl Iterator<Item = Vec<u8>> {
    names.enumerate().map(|(index, name)| {
        let mut key = vec![if index == 0 { b'{' } else { b',' }];
        text(name.as_bytes(), &mut key);
        key.push(b':');
        key
    })
}

/// Appends a value as it stands in JSON, with times as in SQL.
pub(super) fn json_value(cells: &Cells<'_>, row: usize, out: &mut Vec<u8>) {
    Writer { separator: b' ' }.value(cells, row, out);
}

struct Writer {
    separator: u8,
}

impl Writer {
    #[inline]
    fn value(&self, cells: &Cells<'_>, row: usize, out: &mut Vec<u8>) {
        if cells.is_null(row) {
            out.extend_from_slice(b"null");
            return;
        }
        match &cells.values {
            Values::Text { offsets, values } => text(slice(offsets, values, row), out),
            Values::Row(children) => self.object(children, row, out),
            Values::Array { offsets, items } => {
                out.push(b'[');
                for item in offsets[row] as usize..offsets[row + 1] as usize {
                    if item > offsets[row] as usize {
                        out.push(b',');
                    }
                    self.value(items, item, out);
                }
                out.push(b']');
            }
            values => {
                if !bare(values, row, b"\"", out) {
                    out.push(b'"');
                    plain_text(values, row, self.separator, out);
                    out.push(b'"');
                }
            }
        }
    }

    // As deep as the type, which is finite.
    fn object(&self, children: &[(&str, Cells<'_>)], row: usize, out: &mut Vec<u8>) {
        out.push(b'{');
        for (index, (name, cells)) in children.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            text(name.as_bytes(), out);
            out.push(b':');
            self.value(cells, row, out);
        }
        out.push(b'}');
    }
}

/// Appends the text in quotes, escaped as Jackson does.
fn text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    let needs_escape = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
    while let Some(at) = rest.iter().position(needs_escape) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                out.extend_from_slice(b"\\u00");
                out.push(DIGITS[usize::from(control >> 4)]);
                out.push(DIGITS[usize::from(control & 15)]);
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}
