//! The tables of a plan.

use super::connector::{CONNECTORS, SinkSpec};
use crate::expr::Expr;
use crate::ids::TableId;
use crate::types::{DataType, Field, Schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A table that statements read or write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its place in [`super::Plan::tables`].
    pub id: TableId,
    /// Its name.
    pub name: String,
    /// All declared columns, in order.
    pub columns: Vec<TableColumn>,
    /// The columns of the primary key, if one is declared.
    pub primary_key: Option<Vec<usize>>,
    /// The declared watermark.
    pub watermark: Option<WatermarkSpec>,
    /// The value of `'connector'`.
    pub connector: String,
    /// The other options, as they stand in the SQL file.
    pub options: BTreeMap<String, String>,
    /// How records are turned into columns and back.
    pub format: FormatSpec,
    /// What happens to a record that cannot be read.
    pub on_error: OnError,
    /// Whether the table ends, if it is a source.
    pub bounded: bool,
}

/// A declared column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableColumn {
    /// The name, case-sensitive.
    pub name: String,
    /// The type.
    pub ty: DataType,
    /// Where its value comes from.
    pub kind: ColumnKind,
}

/// Where the value of a column comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnKind {
    /// `c AS expression`, over the table's physical and metadata columns (their
    /// indices in [`Table::columns`]).
    Computed(Expr),
    /// `c TYPE METADATA [FROM 'key']`.
    Metadata(String),
    /// A field of the record.
    Physical,
}

/// `WATERMARK FOR column AS expression`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatermarkSpec {
    /// The rowtime column, by its index in [`Table::columns`].
    pub column: usize,
    /// The watermark expression; computed columns are written out in it, so that it
    /// reads physical and metadata columns only. Of the rowtime column's type.
    pub expression: Expr,
}

/// What happens to a record that cannot be read.
// spec: F-1
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnError {
    /// It goes to the table's `$dead` rows; the job goes on.
    DeadLetter,
    /// The job fails.
    Fail,
}

/// How a record's bytes become columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FormatSpec {
    /// Comma-separated values.
    Csv(CsvOptions),
    /// One JSON object a record.
    Json(JsonOptions),
    /// The connector makes columns itself (datagen), or the table is only a sink
    /// that prints.
    None,
}

/// How JSON text writes timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimestampFormat {
    /// `2013-01-01 05:17:00.123`; Flink's default.
    Sql,
    /// `2013-01-01T05:17:00.123`.
    Iso8601,
}

/// Options of `'format' = 'json'`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JsonOptions {
    /// `json.ignore-parse-errors`: a field that cannot be read is NULL.
    pub ignore_parse_errors: bool,
    /// `json.fail-on-missing-field`: a missing field makes the row bad.
    pub fail_on_missing_field: bool,
    /// `json.timestamp-format.standard`.
    pub timestamp_format: TimestampFormat,
}

/// Options of `'format' = 'csv'`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CsvOptions {
    /// `csv.field-delimiter`: one character.
    pub field_delimiter: char,
    /// `csv.quote-character`; `None` if `csv.disable-quote-character`.
    pub quote_character: Option<char>,
    /// `csv.escape-character`.
    pub escape_character: Option<char>,
    /// `csv.null-literal`.
    pub null_literal: Option<String>,
    /// `csv.allow-comments`: lines that start with `#` are no records.
    pub allow_comments: bool,
    /// `csv.ignore-parse-errors`: a field that cannot be read is NULL.
    pub ignore_parse_errors: bool,
}

impl Default for JsonOptions {
    fn default() -> Self {
        JsonOptions {
            ignore_parse_errors: false,
            fail_on_missing_field: false,
            timestamp_format: TimestampFormat::Sql,
        }
    }
}

impl Default for CsvOptions {
    fn default() -> Self {
        CsvOptions {
            field_delimiter: ',',
            quote_character: Some('"'),
            escape_character: None,
            null_literal: None,
            allow_comments: false,
            ignore_parse_errors: false,
        }
    }
}

/// How long a split that stands at its end waits before it is idle, unless the table
/// says otherwise, in ms.
const IDLE_TIMEOUT_MS: i64 = 5_000;

/// For how long a sink may fail while the others go on, unless its table says otherwise,
/// in ms.
const LAG_BUDGET_MS: i64 = 600_000;

impl Table {
    /// How long a split of this table must stand at its end before it is called
    /// idle, in ms: `'scan.watermark.idle-timeout'`, or five seconds. `None` if 0
    /// was given: its splits are never idle.
    // spec: T-3
    #[must_use]
    pub fn idle_timeout_ms(&self) -> Option<i64> {
        let declared = self.options.get("scan.watermark.idle-timeout");
        match declared.and_then(|text| super::connector::parse_duration_ms(text)) {
            Some(0) => None,
            Some(ms) => Some(ms),
            None => Some(IDLE_TIMEOUT_MS),
        }
    }

    /// Whether the table, as a sink, keeps its marker inside itself: only then is it
    /// exactly-once.
    // spec: K-2, K-6
    #[must_use]
    pub fn keeps_marker(&self) -> bool {
        self.sink_spec().is_some_and(|spec| spec.keeps_marker)
    }

    /// What the table's connector is as a sink; `None` if it is none.
    #[must_use]
    pub fn sink_spec(&self) -> Option<SinkSpec> {
        let spec = CONNECTORS.iter().find(|spec| spec.name == self.connector)?;
        spec.sink
    }

    /// The most rows and bytes of one chunk for this table, as a sink: those of the
    /// connector, or fewer rows if `'sink.chunk-rows'` says so. A single row may be
    /// longer.
    // spec: J-5
    #[must_use]
    pub fn chunk_limits(&self) -> (usize, usize) {
        let spec = self.sink_spec();
        let (rows, bytes) = spec
            .map_or((usize::MAX, usize::MAX), |spec| (spec.chunk_rows_max, spec.chunk_bytes_max));
        let asked = self.options.get("sink.chunk-rows").and_then(|rows| rows.parse().ok());
        (asked.unwrap_or(rows).clamp(1, rows), bytes)
    }

    /// The columns that a sink stores, which are those of the rows that reach it: neither
    /// computed ones nor metadata.
    pub fn stored_columns(&self) -> impl Iterator<Item = &TableColumn> {
        self.columns.iter().filter(|column| column.kind == ColumnKind::Physical)
    }

    /// The columns that a sink stores as a schema.
    #[must_use]
    pub fn stored_schema(&self) -> Schema {
        let stored = self.stored_columns();
        Schema::new(stored.map(|c| Field::new(c.name.clone(), c.ty.clone())).collect())
    }

    /// Whether a sink that has used up its lag budget is given up, or else waited for:
    /// `'sink.on-lag'`.
    // spec: K-8
    #[must_use]
    pub fn is_given_up_on_lag(&self) -> bool {
        self.options.get("sink.on-lag").is_some_and(|word| word == "give-up")
    }

    /// For how long a sink may fail before it has used up its lag budget, in ms:
    /// `'sink.lag-budget'`, or ten minutes.
    // spec: K-8
    #[must_use]
    pub fn lag_budget_ms(&self) -> i64 {
        let declared = self.options.get("sink.lag-budget");
        let declared = declared.and_then(|text| super::connector::parse_duration_ms(text));
        declared.unwrap_or(LAG_BUDGET_MS)
    }

    /// All columns as a schema.
    #[must_use]
    pub fn schema(&self) -> Schema {
        let fields = self.columns.iter().map(|c| Field::new(c.name.clone(), c.ty.clone()));
        Schema::new(fields.collect())
    }
}
