//! Rows as the print connector shows them: `+I[1, Ann, 2013-01-01T05:17]`.

use crate::expr::{format_value, value_at};
use crate::rows::Rows;
use crate::types::datetime::{DateTime, write_timestamp};
use crate::types::{Schema, SqlType, TimeUnit, Value};

/// Appends one line for each row: the kind, and the values as Java's `toString`
/// gives them, which is what Flink's print connector shows.
pub fn encode_print(schema: &Schema, rows: &Rows, out: &mut Vec<u8>) {
    for row in 0..rows.len() {
        out.extend_from_slice(rows.kind(row).letters().as_bytes());
        out.push(b'[');
        for (index, (column, field)) in rows.batch.columns().iter().zip(&schema.fields).enumerate()
        {
            if index > 0 {
                out.extend_from_slice(b", ");
            }
            match (value_at(column, row, &field.ty.sql), &field.ty.sql) {
                (Value::Null, _) => out.extend_from_slice(b"null"),
                (Value::Timestamp(value), SqlType::Timestamp(precision)) => {
                    java_timestamp(value, TimeUnit::of_precision(*precision), out);
                }
                (Value::Timestamp(value), SqlType::TimestampLtz(precision)) => {
                    java_timestamp(value, TimeUnit::of_precision(*precision), out);
                    out.push(b'Z');
                }
                (_, ty) => {
                    let text = format_value(column, row, ty, chrono_tz::UTC);
                    out.extend_from_slice(text.unwrap_or_default().as_bytes());
                }
            }
        }
        out.extend_from_slice(b"]\n");
    }
}

/// As `java.time.LocalDateTime` prints itself: without seconds where they and the
/// fraction are zero.
fn java_timestamp(value: i64, unit: TimeUnit, out: &mut Vec<u8>) {
    let start = out.len();
    write_timestamp(DateTime::from_unit(value, unit), b'T', out);
    if out[start..].ends_with(b":00") && out.len() - start > "T00:00:00".len() {
        out.truncate(out.len() - 3);
    }
}
