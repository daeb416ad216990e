//! The canonical order of the rows of a batch.

use crate::agg::RowOrder;
use crate::ids::SplitName;
use crate::key::{encode_row, encode_text_key};
use crate::rows::{Origin, Rows};
use crate::types::SqlType;
use arrow_array::ArrayRef;

/// Orders rows by (row time, table, split name, offset, plan path, position among
/// the rows of the record), and derived rows by (row time, canonical row bytes)
/// behind them.
// spec: E-5
pub(super) struct CanonicalOrder<'a> {
    pub(super) times: &'a [i64],
    pub(super) rows: &'a Rows,
    pub(super) split_names: &'a [SplitName],
    /// The types of all columns of the rows.
    pub(super) types: &'a [SqlType],
}

impl RowOrder for CanonicalOrder<'_> {
    fn time(&self, row: usize) -> i64 {
        self.times[row]
    }

    fn write_rest(&self, row: usize, out: &mut Vec<u8>) {
        match &self.rows.origin {
            Origin::Records { split, offsets, path, .. } => {
                let name = &self.split_names[split.0 as usize];
                out.push(0);
                out.extend(name.table.0.to_be_bytes());
                encode_text_key(Some(name.name.as_bytes()), out);
                out.extend(offsets[row].to_be_bytes());
                out.extend(path.to_be_bytes());
                let same =
                    offsets[..row].iter().rev().take_while(|offset| **offset == offsets[row]);
                out.extend((same.count() as u32).to_be_bytes());
            }
            Origin::Timer { .. } | Origin::Other => {
                out.push(1);
                let columns: Vec<&ArrayRef> = self.rows.batch.columns().iter().collect();
                encode_row(self.types, &columns, row, out);
            }
        }
    }
}
