//! What decoders of every format promise.

use anabranch_engine::format::{Decoded, Decoder, RecordBlock, RecordRef};
use anabranch_engine::types::{Field, SqlType};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};

/// Makes a decoder of some columns.
pub(super) type Make<'a> = &'a dyn Fn(&[usize]) -> Box<dyn Decoder>;

/// A block of these records, each followed by a line end.
pub(super) fn block(records: &[&[u8]]) -> RecordBlock {
    let mut data = Vec::new();
    let mut refs = Vec::new();
    for record in records {
        let start = data.len() as u32;
        data.extend_from_slice(record);
        let end = data.len() as u32;
        refs.push(RecordRef { offset: u64::from(start), start, end, timestamp_ms: None });
        data.push(b'\n');
    }
    let end_offset = data.len() as u64;
    RecordBlock { data: data.into(), records: refs, end_offset }
}

/// The columns that a mask leaves, in another order.
pub(super) fn chosen(fields: &[Field], mask: u8) -> Vec<usize> {
    (0..fields.len()).rev().filter(|column| mask >> (column % 8) & 1 == 1).collect()
}

/// The error of a row in a column.
fn error_of(decoded: &Decoded, column: usize, row: usize) -> Option<&str> {
    let errors = decoded.column_errors[column].as_slice();
    let found = errors.iter().find(|error| error.row as usize == row);
    found.map(|error| error.detail.as_str())
}

fn assert_same_value(a: &Decoded, b: &Decoded, columns: (usize, usize), rows: (usize, usize)) {
    let one = a.batch.column(columns.0).slice(rows.0, 1);
    let other = b.batch.column(columns.1).slice(rows.1, 1);
    assert_eq!(&one, &other, "column {} of row {}", columns.0, rows.0);
    assert_eq!(error_of(a, columns.0, rows.0), error_of(b, columns.1, rows.1));
}

/// Each record is either a row, dead, or nothing; which, and with which values, does not
/// depend on its neighbours or on which columns are wanted. Gives what was decoded.
// spec: F-1
pub(super) fn check(make: Make<'_>, fields: &[Field], records: &[&[u8]], mask: u8) -> Decoded {
    let all: Vec<usize> = (0..fields.len()).collect();
    let decoder = make(&all);
    let whole = decoder.decode(&block(records));
    assert!(whole.dead.is_sorted_by(|a, b| a.index < b.index));
    assert!(whole.record_of_row.is_sorted_by(|a, b| a < b));
    assert_eq!(whole.batch.num_rows(), whole.record_of_row.len());
    assert_eq!(whole.column_errors.len(), fields.len());
    for (column, errors) in whole.column_errors.iter().enumerate() {
        let array = whole.batch.column(column);
        let mut rows = errors.as_slice().iter().map(|error| error.row as usize);
        assert!(rows.all(|row| array.is_null(row)), "a value with an error is NULL");
    }
    for (index, record) in records.iter().enumerate() {
        let alone = decoder.decode(&block(&[record]));
        let dead = whole.dead.iter().find(|dead| dead.index == index);
        assert_eq!(dead.map(|it| &it.detail), alone.dead.first().map(|it| &it.detail));
        let row = whole.record_of_row.binary_search(&(index as u32)).ok();
        assert_eq!(row.is_some(), alone.batch.num_rows() == 1);
        assert!(row.is_none() || dead.is_none());
        for column in all.iter().filter(|_| row.is_some()) {
            assert_same_value(&whole, &alone, (*column, *column), (row.unwrap_or(0), 0));
        }
    }
    let wanted = chosen(fields, mask);
    let some = make(&wanted).decode(&block(records));
    assert_eq!(some.record_of_row, whole.record_of_row, "unwanted columns decide");
    assert_eq!(some.dead, whole.dead, "unwanted columns decide");
    for (place, column) in wanted.iter().enumerate() {
        for row in 0..whole.batch.num_rows() {
            assert_same_value(&whole, &some, (*column, place), (row, row));
        }
    }
    whole
}

/// The bytes of a text or of BYTES.
fn bytes_of(array: &ArrayRef, row: usize) -> &[u8] {
    match array.as_string_opt::<i32>() {
        _ if array.is_null(row) => b"",
        Some(texts) => texts.value(row).as_bytes(),
        None => array.as_binary::<i32>().value(row),
    }
}

/// The batches hold the same values. With `absent`, texts and BYTES that are NULL, empty
/// or this count as one, because the format cannot tell them apart.
pub(super) fn assert_same_batch(
    fields: &[Field],
    a: &RecordBatch,
    b: &RecordBatch,
    absent: Option<&str>,
) {
    assert_eq!(a.num_rows(), b.num_rows());
    for (column, field) in fields.iter().enumerate() {
        let (one, other) = (a.column(column), b.column(column));
        let has_bytes = matches!(field.ty.sql, SqlType::VarChar(_) | SqlType::VarBinary(_));
        let Some(absent) = absent.filter(|_| has_bytes) else {
            assert_eq!(one, other, "column {}", field.name);
            continue;
        };
        let value = |array, row| {
            let bytes = bytes_of(array, row);
            if bytes == absent.as_bytes() { b"" } else { bytes }
        };
        for row in 0..a.num_rows() {
            assert_eq!(value(one, row), value(other, row), "column {}", field.name);
        }
    }
}
