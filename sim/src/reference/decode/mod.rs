//! From the bytes of a record to cells: the interpreter's own readers.

mod csv;
mod json;
mod text;

pub(super) use text::{Unreadable, range_of};

use super::cell::Cell;
use super::eval::Trouble;
use super::log::LogRecord;
use anabranch_engine::expr::ErrorKind;
use anabranch_engine::plan::{ColumnKind, FormatSpec, JsonOptions, Plan, Scan, Table};
use anabranch_engine::types::Field;

/// The length from which on a record is too long for every format.
const RECORD_LEN_MAX: usize = 16 << 20;

/// What a record is for its table.
pub(super) enum Decoded {
    /// Not well formed as a whole.
    Malformed,
    /// No row and nothing wrong: a comment.
    Nothing,
    /// A row: for each column of the scan its value, or why it has none.
    Row(Vec<Result<Cell, Trouble>>),
}

/// Reads one record for a scan.
// spec: F-1
pub(super) fn decode(plan: &Plan, scan: &Scan, split: &str, record: &LogRecord) -> Decoded {
    let table = plan.table(scan.table);
    if record.bytes.len() >= RECORD_LEN_MAX {
        return Decoded::Malformed;
    }
    let physical = physical_fields(table);
    let read = match &table.format {
        FormatSpec::None => Err("the table has no format".to_owned()),
        format => read_record(format, &physical, &record.bytes),
    };
    let values = match read {
        Err(_) => return Decoded::Malformed,
        Ok(None) => return Decoded::Nothing,
        Ok(Some(values)) => values,
    };
    let column = |index: &usize| {
        let column = &table.columns[*index];
        match &column.kind {
            ColumnKind::Metadata(key) => Ok(metadata(key, split, record)),
            ColumnKind::Computed(_) | ColumnKind::Physical => {
                let place = physical.iter().position(|field| field.name == column.name);
                let value = &values[place.expect("a scan reads no computed column")];
                value.clone().map_err(|_| Trouble {
                    kind: ErrorKind::Parse,
                    detail: format!("field {}", column.name),
                })
            }
        }
    };
    Decoded::Row(scan.columns.iter().map(column).collect())
}

/// The values of the fields of a record, or what is wrong with it as a whole; nothing if
/// it is no row. A table without a format is written as JSON.
pub(super) fn read_record(
    format: &FormatSpec,
    fields: &[Field],
    record: &[u8],
) -> Result<Option<Vec<Result<Cell, Unreadable>>>, String> {
    match format {
        FormatSpec::Csv(options) => csv::read(record, fields, options),
        FormatSpec::Json(options) => json::read(record, fields, options).map(Some),
        FormatSpec::None => json::read(record, fields, &JsonOptions::default()).map(Some),
    }
}

/// The columns of a record of a table.
pub(super) fn physical_fields(table: &Table) -> Vec<Field> {
    let physical = table.columns.iter().filter(|c| matches!(c.kind, ColumnKind::Physical));
    physical.map(|column| Field::new(column.name.clone(), column.ty.clone())).collect()
}

fn metadata(key: &str, split: &str, record: &LogRecord) -> Cell {
    match key {
        "offset" => Cell::Int(record.offset as i64),
        "timestamp" => record.timestamp_ms.map_or(Cell::Null, Cell::Timestamp),
        _ => Cell::Text(split.to_owned()),
    }
}
