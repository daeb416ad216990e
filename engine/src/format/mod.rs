//! From bytes to records, from records to columns, and back. Pure: transport is
//! elsewhere.

mod base64;
mod column;
mod csv;
mod encode;
mod framing;
mod json;
mod number;
mod print;
mod table;
#[cfg(test)]
mod test_support;

pub use csv::CsvDecoder;
pub use encode::{encode_csv, encode_field, encode_json, encode_text};
pub use framing::{Framed, RECORD_LEN_MAX, frame};
pub use json::JsonDecoder;
pub use print::encode_print;
pub use table::decoder;

use crate::expr::RowErrors;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use bytes::Bytes;

/// Where a record lies in its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRef {
    /// The record's offset in its split.
    pub offset: u64,
    /// The first byte of its value in the block's data.
    pub start: u32,
    /// The byte after the last of its value.
    pub end: u32,
    /// The record's own timestamp, in ms, where the log keeps one.
    pub timestamp_ms: Option<i64>,
}

/// Whole records of one split, in offset order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordBlock {
    /// The bytes that the records lie in, at most 2 GiB.
    pub data: Bytes,
    /// The records.
    pub records: Vec<RecordRef>,
    /// The offset at which the next record of the split will start: the end of the
    /// range that this block covers.
    pub end_offset: u64,
}

/// A record that is not well formed as a whole: dead for every statement, and it
/// moves no watermark.
// spec: F-1
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadRecord {
    /// Its place in [`RecordBlock::records`].
    pub index: usize,
    /// What is wrong with it, for a person; names the byte where reading failed.
    pub detail: String,
}

/// The columns of the records that are well formed.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The wanted columns in the wanted order, a row for each record that is well
    /// formed.
    pub batch: RecordBatch,
    /// For each column the rows in which it could not be read.
    pub column_errors: Vec<RowErrors>,
    /// For each row the place of its record in [`RecordBlock::records`].
    pub record_of_row: Vec<u32>,
    /// The records that are not well formed, in order.
    pub dead: Vec<DeadRecord>,
}

/// Turns whole records into columns.
pub trait Decoder: Send + Sync {
    /// Decodes every record of the block. A function of the block alone.
    fn decode(&self, block: &RecordBlock) -> Decoded;
}

/// The columns as a batch, which has rows even if it has no column.
fn batch_of(schema: SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema, columns, &options)
        .expect("every column has its type and as many values as there are rows")
}

/// What is wrong if the record is not UTF-8.
fn utf8_fault(record: &[u8]) -> Result<(), String> {
    match std::str::from_utf8(record) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("no valid UTF-8 at byte {}", error.valid_up_to())),
    }
}
