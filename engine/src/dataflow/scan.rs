//! Reading a table: from the records of slices to columns, and from the watermark
//! expression to each row's own-split watermark.

use super::BuildError;
use super::epoch::Malformed;
use super::side::counts_lines;
use super::splits::Split;
use crate::expr::{CompiledExpr, EvalInput, RowErrors};
use crate::format::{Decoded, Decoder, RecordBlock, decoder};
use crate::ids::{SplitId, TableId};
use crate::plan::{ColumnKind, Node, Scan, Table};
use crate::planted;
use crate::rows::{Origin, RowKinds, Rows};
use crate::time::{Tick, Watermark};
use crate::types::{Field, SqlType};
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{
    Array, ArrayRef, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMillisecondArray,
};
use std::sync::Arc;

/// A compiled [`Scan`].
pub(super) struct ScanExec {
    pub(super) table: TableId,
    decoder: Box<dyn Decoder>,
    /// For each column of the scan where it comes from.
    sources: Vec<Source>,
    schema: arrow_schema::SchemaRef,
    watermark: Option<CompiledExpr>,
    zone: chrono_tz::Tz,
    counts_lines: bool,
}

/// Where a column of the scan comes from.
enum Source {
    /// A column of the decoder.
    Decoded(usize),
    /// Something that the log knows of the record.
    Metadata(MetadataKey),
}

/// What a METADATA column can ask for.
#[derive(Clone, Copy)]
enum MetadataKey {
    Offset,
    Partition,
    Split,
    Timestamp,
}

/// One slice, decoded: all that does not depend on other slices.
pub(super) struct DecodedSlice {
    decoded: Decoded,
    /// For each row the value of the watermark expression, where it has one.
    watermarks: Option<TimestampMillisecondArray>,
}

/// One slice as rows.
pub(super) struct ScannedSlice {
    pub(super) rows: Rows,
    pub(super) malformed: Vec<Malformed>,
}

/// The metadata keys that a METADATA column may name, with their types.
#[must_use]
pub fn metadata_keys() -> Vec<(&'static str, SqlType)> {
    vec![
        ("file.name", SqlType::STRING),
        ("file.path", SqlType::STRING),
        ("offset", SqlType::BigInt),
        ("partition", SqlType::Int),
        ("split", SqlType::STRING),
        ("timestamp", SqlType::TimestampLtz(3)),
    ]
}

fn metadata_key(name: &str) -> Option<MetadataKey> {
    match name {
        "offset" => Some(MetadataKey::Offset),
        "file.name" | "file.path" | "split" => Some(MetadataKey::Split),
        "partition" => Some(MetadataKey::Partition),
        "timestamp" => Some(MetadataKey::Timestamp),
        _ => None,
    }
}

impl ScanExec {
    pub(super) fn compile(
        node: &Node,
        scan: &Scan,
        table: &Table,
        zone: chrono_tz::Tz,
    ) -> Result<ScanExec, BuildError> {
        let mut wanted: Vec<usize> = Vec::new();
        let mut sources = Vec::new();
        for column in &scan.columns {
            let declared = &table.columns[*column];
            sources.push(match &declared.kind {
                ColumnKind::Physical => {
                    wanted.push(*column);
                    Source::Decoded(wanted.len() - 1)
                }
                ColumnKind::Metadata(key) => {
                    Source::Metadata(metadata_key(key).ok_or_else(|| {
                        BuildError::other(format!(
                            "table {} has no metadata key '{key}'",
                            table.name
                        ))
                    })?)
                }
                ColumnKind::Computed(_) => {
                    return Err(BuildError::other(format!(
                        "the scan of {} asks for its computed column {}",
                        table.name, declared.name
                    )));
                }
            });
        }
        let watermark = scan.watermark.as_ref().map(CompiledExpr::compile).transpose()?;
        let physical: Vec<usize> = (0..table.columns.len())
            .filter(|index| matches!(table.columns[*index].kind, ColumnKind::Physical))
            .collect();
        let fields: Vec<Field> = physical
            .iter()
            .map(|index| {
                let column = &table.columns[*index];
                Field::new(column.name.clone(), column.ty.clone())
            })
            .collect();
        let wanted: Vec<usize> = wanted
            .iter()
            .map(|column| physical.iter().position(|p| p == column).expect("it is physical"))
            .collect();
        Ok(ScanExec {
            table: scan.table,
            decoder: decoder(&table.format, &fields, &wanted),
            sources,
            schema: node.schema.arrow(),
            watermark,
            zone,
            counts_lines: counts_lines(table),
        })
    }

    /// Decodes a slice. Depends on the slice alone, so slices can run at once.
    pub(super) fn decode(&self, split: &str, block: &RecordBlock, tick: Tick) -> DecodedSlice {
        let mut decoded = self.decoder.decode(block);
        let rows = decoded.batch.num_rows();
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.sources.len());
        let mut errors: Vec<RowErrors> = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            match source {
                Source::Decoded(index) => {
                    columns.push(decoded.batch.column(*index).clone());
                    errors.push(std::mem::take(&mut decoded.column_errors[*index]));
                }
                Source::Metadata(key) => {
                    columns.push(metadata(*key, split, block, &decoded.record_of_row));
                    errors.push(RowErrors::NONE);
                }
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        decoded.batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .expect("the decoder gives the types of the table");
        decoded.column_errors = errors;
        let watermarks = self.watermark.as_ref().map(|expression| {
            let value = expression.evaluate(&EvalInput {
                batch: &decoded.batch,
                column_errors: &decoded.column_errors,
                tick,
                watermarks_before: None,
                zone: self.zone,
            });
            value.array.as_primitive::<TimestampMillisecondType>().clone()
        });
        DecodedSlice { decoded, watermarks }
    }

    /// Puts a decoded slice at its place in the split: gives each row the split's
    /// watermark before it, and moves the split on. Every record that has a value
    /// of the watermark expression counts, whatever else is wrong with it; a record
    /// that is not well formed has none.
    // spec: T-1
    pub(super) fn place(
        &self,
        id: SplitId,
        split: &mut Split,
        block: &RecordBlock,
        slice: DecodedSlice,
    ) -> ScannedSlice {
        let DecodedSlice { decoded, watermarks } = slice;
        let rows = decoded.batch.num_rows();
        let offsets: Vec<u64> = decoded
            .record_of_row
            .iter()
            .map(|record| block.records[*record as usize].offset)
            .collect();
        let mut current = split.watermark.0;
        let before: Vec<i64> = match &watermarks {
            None => vec![current; rows],
            Some(values) => (0..rows)
                .map(|row| {
                    let before = current;
                    let is_bad = planted!(W13)
                        && decoded.column_errors.iter().any(|e| e.of_row(row).is_some());
                    if values.is_valid(row) && !is_bad {
                        // The ends of the range mean "none" and "end" and can come
                        // from no record.
                        let value = values.value(row).clamp(i64::MIN + 1, i64::MAX - 1);
                        current = current.max(value);
                    }
                    before
                })
                .collect(),
        };
        split.watermark = Watermark(current);
        if !block.records.is_empty() {
            // spec: T-3
            split.idle = false;
        }
        split.next_offset = block.end_offset;
        if self.counts_lines {
            split.lines += memchr::memchr_iter(b'\n', &block.data).count() as u64;
        }
        let malformed = decoded
            .dead
            .into_iter()
            .map(|dead| Malformed {
                table: self.table,
                split: id,
                offset: block.records[dead.index].offset,
                detail: dead.detail,
            })
            .collect();
        let rows = Rows {
            batch: decoded.batch,
            kinds: RowKinds::Inserts,
            origin: Origin::Records {
                split: id,
                offsets: offsets.into(),
                watermarks_before: before.into(),
                path: 0,
            },
            column_errors: decoded.column_errors,
        };
        ScannedSlice { rows, malformed }
    }
}

fn metadata(key: MetadataKey, split: &str, block: &RecordBlock, record_of_row: &[u32]) -> ArrayRef {
    let records = record_of_row.iter().map(|record| &block.records[*record as usize]);
    match key {
        MetadataKey::Offset => {
            Arc::new(Int64Array::from_iter_values(records.map(|record| record.offset as i64)))
        }
        MetadataKey::Partition => {
            // The name of a split that is a partition is its number.
            let number = split.parse::<i32>().ok();
            Arc::new(records.map(|_| number).collect::<Int32Array>())
        }
        MetadataKey::Split => Arc::new(StringArray::from_iter_values(records.map(|_| split))),
        MetadataKey::Timestamp => {
            let values: TimestampMillisecondArray =
                records.map(|record| record.timestamp_ms).collect();
            Arc::new(values.with_timezone("UTC"))
        }
    }
}
