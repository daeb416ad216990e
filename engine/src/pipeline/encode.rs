//! Rows as the bytes of a chunk, and as the bytes of the output hash.

use crate::format::{encode_csv, encode_json, encode_print};
use crate::key::encode_value;
use crate::plan::{FormatSpec, JsonOptions, Table};
use crate::rows::Rows;

/// Rows in the form in which a sink takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Encoded {
    pub(super) data: Vec<u8>,
    pub(super) rows: u32,
}

/// The rows in the sink's format, one record a line. The blackhole is only told how
/// many there are.
pub(super) fn encode_rows(table: &Table, rows: &[Rows]) -> Encoded {
    let schema = table.stored_schema();
    let mut encoded = Encoded::default();
    for piece in rows {
        encoded.rows += piece.len() as u32;
        let (batch, out) = (&piece.batch, &mut encoded.data);
        match (table.connector.as_str(), &table.format) {
            ("blackhole", _) => {}
            ("print", _) => encode_print(&schema, piece, out),
            (_, FormatSpec::Csv(options)) => {
                encode_csv(&schema, options, batch, 0..batch.num_rows(), out);
            }
            (_, FormatSpec::Json(options)) => {
                encode_json(&schema, options, batch, 0..batch.num_rows(), out);
            }
            (_, FormatSpec::None) => {
                let options = JsonOptions::default();
                encode_json(&schema, &options, batch, 0..batch.num_rows(), out);
            }
        }
    }
    encoded
}

/// Gives the canonical bytes of logical rows: kind, then every cell, independent of
/// the sink's format.
// spec: J-2
pub(super) fn hash_rows(table: &Table, rows: &[Rows], take: &mut dyn FnMut(&[u8])) {
    let types: Vec<_> = table.stored_columns().map(|column| column.ty.sql.clone()).collect();
    let mut bytes = Vec::new();
    for piece in rows {
        bytes.clear();
        for row in 0..piece.len() {
            bytes.push(piece.kind(row) as u8);
            for (column, ty) in piece.batch.columns().iter().zip(&types) {
                encode_value(ty, column, row, &mut bytes);
            }
        }
        take(&bytes);
    }
}
