//! Single values as bare text.

use super::json::json_value;
use super::value::{Cells, Values, bare, plain_text, slice};
use crate::types::SqlType;
use arrow_array::ArrayRef;

/// Appends the value of one row as it would stand in JSON, without quotes and escapes;
/// NULL is nothing. ROW and ARRAY are nothing, too.
///
/// # Panics
/// If the array does not have the type's Arrow type, or has fewer rows.
pub fn encode_text(sql: &SqlType, array: &ArrayRef, row: usize, out: &mut Vec<u8>) {
    assert!(row < array.len(), "the array has the row");
    let cells = Cells::new(sql, array);
    if !cells.is_null(row) {
        plain(&cells, row, out);
    }
}

/// Appends the value of one row as [`encode_text`] does, but ROW and ARRAY as JSON. Gives
/// false, and appends nothing, if it is NULL.
///
/// # Panics
/// If the array does not have the type's Arrow type, or has fewer rows.
pub fn encode_field(sql: &SqlType, array: &ArrayRef, row: usize, out: &mut Vec<u8>) -> bool {
    assert!(row < array.len(), "the array has the row");
    let cells = Cells::new(sql, array);
    if cells.is_null(row) {
        return false;
    }
    match &cells.values {
        Values::Row(_) | Values::Array { .. } => json_value(&cells, row, out),
        _ => plain(&cells, row, out),
    }
    true
}

fn plain(cells: &Cells<'_>, row: usize, out: &mut Vec<u8>) {
    if bare(&cells.values, row, b"", out) {
        return;
    }
    if let Values::Text { offsets, values } = &cells.values {
        out.extend_from_slice(slice(offsets, values, row));
        return;
    }
    plain_text(&cells.values, row, b' ', out);
}
