//! Single values as bare text.

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
    if cells.is_null(row) || bare(&cells.values, row, b"", out) {
        return;
    }
    if let Values::Text { offsets, values } = &cells.values {
        out.extend_from_slice(slice(offsets, values, row));
        return;
    }
    plain_text(&cells.values, row, b' ', out);
}
