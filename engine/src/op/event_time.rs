//! Event times of rows, and the columns of windows, as all window operators have
//! them.

use super::DeadRow;
use super::geometry::TIME_LIMIT_MS;
use crate::expr::ErrorKind;
use crate::ids::NodeId;
use crate::key::widen;
use crate::plan::JobOptions;
use crate::rows::{Origin, Rows};
use crate::types::{Schema, SqlType};
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef};

/// The event time column of an operator.
#[derive(Clone, Debug)]
pub(super) struct EventTimeColumn {
    pub(super) index: usize,
    name: String,
}

impl EventTimeColumn {
    /// The column with this index.
    ///
    /// # Errors
    /// If it cannot be an event time, or is an instant in a job whose zone is not
    /// UTC: windows would have to follow the zone's clock.
    pub(super) fn new(index: usize, input: &Schema, options: &JobOptions) -> Result<Self, String> {
        let field = input.fields.get(index).ok_or_else(|| format!("no column {index}"))?;
        if !field.ty.sql.can_be_rowtime() {
            return Err(format!("{} {} cannot be an event time", field.name, field.ty));
        }
        let zone = &options.local_time_zone;
        if matches!(field.ty.sql, SqlType::TimestampLtz(_)) && zone != "UTC" {
            return Err(format!(
                "windows over a TIMESTAMP_LTZ need table.local-time-zone UTC, not {zone}"
            ));
        }
        Ok(EventTimeColumn { index, name: field.name.clone() })
    }

    /// The times of a batch in ms; without meaning where the column is NULL.
    pub(super) fn of<'a>(&self, rows: &'a Rows) -> &'a [i64] {
        rows.batch.column(self.index).as_primitive::<TimestampMillisecondType>().values()
    }

    /// Whether the row has an event time within the range that windows can hold.
    #[inline]
    pub(super) fn is_usable(&self, rows: &Rows, row: usize, time: i64) -> bool {
        time.unsigned_abs() <= TIME_LIMIT_MS as u64 && rows.batch.column(self.index).is_valid(row)
    }

    /// The dead row of a row for which [`EventTimeColumn::is_usable`] is false.
    // spec: F-1
    pub(super) fn dead_row(&self, node: NodeId, rows: &Rows, row: usize) -> DeadRow {
        let record = match &rows.origin {
            Origin::Records { split, offsets, .. } => Some((*split, offsets[row])),
            Origin::Timer { .. } | Origin::Other => None,
        };
        let name = &self.name;
        let (kind, detail) = if rows.batch.column(self.index).is_null(row) {
            (ErrorKind::RowtimeNull, format!("{name} is NULL"))
        } else {
            let time = self.of(rows)[row];
            (ErrorKind::InvalidArgument, format!("{name} is out of range: {time} ms"))
        };
        DeadRow { node, record, kind, detail, expression: name.clone(), context: String::new() }
    }
}

/// The types of `window_start`, `window_end` and `window_time`, the last columns of
/// a schema that has `before` columns before them.
///
/// # Errors
/// If there are others, or they are no timestamps of milliseconds.
pub(super) fn window_types(schema: &Schema, before: usize) -> Result<[SqlType; 3], String> {
    let last: Vec<SqlType> =
        schema.fields.iter().skip(before).map(|field| field.ty.sql.clone()).collect();
    let count = last.len();
    let types: [SqlType; 3] = last
        .try_into()
        .map_err(|_| format!("{count} columns where the three of a window should be"))?;
    match types.iter().find(|ty| !ty.can_be_rowtime()) {
        Some(ty) => Err(format!("a window column of type {ty}")),
        None => Ok(types),
    }
}

/// The columns `window_start`, `window_end` and `window_time` of these windows; the
/// last is the end minus 1 ms.
pub(super) fn window_columns(
    types: &[SqlType; 3],
    windows: impl Iterator<Item = (i64, i64)> + Clone,
) -> [ArrayRef; 3] {
    let [start, end, time] = types;
    [
        widen(start, windows.clone().map(|(start, _)| start).collect(), None),
        widen(end, windows.clone().map(|(_, end)| end).collect(), None),
        widen(time, windows.map(|(_, end)| end - 1).collect(), None),
    ]
}
