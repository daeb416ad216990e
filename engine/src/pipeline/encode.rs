//! Rows as what a sink takes, and as the bytes of the output hash.

use crate::format::{encode_csv, encode_field, encode_json, encode_print, encode_text};
use crate::ids::Epoch;
use crate::key::encode_value;
use crate::plan::{FormatSpec, JsonOptions, KeyLayout, KeyPiece, RecordLayout, Table, ValueLayout};
use crate::rows::{RowKind, Rows};
use crate::sink::redis::put_field;
use crate::sink::{ChunkPayload, SinkRecord};
use crate::types::Schema;
use bytes::Bytes;

/// Rows in the form in which a sink takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Encoded {
    /// For sinks that are files or terminals.
    Bytes { data: Vec<u8>, rows: u32 },
    /// For sinks that are services.
    Records(Vec<SinkRecord>),
}

impl Encoded {
    /// How many rows they are.
    pub(super) fn rows(&self) -> usize {
        match self {
            Encoded::Bytes { rows, .. } => *rows as usize,
            Encoded::Records(records) => records.len(),
        }
    }

    /// About how many bytes they take.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Encoded::Bytes { data, .. } => data.len(),
            Encoded::Records(records) => records.iter().map(SinkRecord::bytes).sum(),
        }
    }

    /// Puts rows of the same sink behind these.
    pub(super) fn append(&mut self, more: Encoded) {
        match (self, more) {
            (Encoded::Bytes { data, rows }, Encoded::Bytes { data: more, rows: count }) => {
                *rows += count;
                match data.is_empty() {
                    true => *data = more,
                    false => data.extend_from_slice(&more),
                }
            }
            (Encoded::Records(records), Encoded::Records(more)) => records.extend(more),
            _ => panic!("a sink's rows have one form"),
        }
    }

    /// The payloads of a flush group's chunks: as few as keep to the limits, each as
    /// large as they allow. Bytes stay together, for a file.
    // spec: J-5
    pub(super) fn cut(self, rows_max: usize, bytes_max: usize) -> Vec<ChunkPayload> {
        let records = match self {
            Encoded::Bytes { data, rows } => {
                return vec![ChunkPayload::Bytes { data: data.into(), rows }];
            }
            Encoded::Records(records) => records,
        };
        let mut payloads = Vec::new();
        let (mut chunk, mut bytes) = (Vec::new(), 0_usize);
        for record in records {
            let more = bytes.saturating_add(record.bytes());
            if !chunk.is_empty() && (chunk.len() >= rows_max || more > bytes_max) {
                payloads.push(ChunkPayload::Records { records: std::mem::take(&mut chunk) });
                bytes = 0;
            }
            bytes += record.bytes();
            chunk.push(record);
        }
        payloads.push(ChunkPayload::Records { records: chunk });
        payloads
    }
}

/// The rows in the form that the sink takes. The blackhole is only told how many there
/// are.
pub(super) fn encode_rows(
    table: &Table,
    layout: Option<&RecordLayout>,
    epoch: Epoch,
    rows: &[Rows],
) -> Encoded {
    match layout {
        Some(layout) => {
            let pieces = rows.iter().flat_map(|piece| records_of(table, layout, epoch, piece));
            Encoded::Records(pieces.collect())
        }
        None => lines_of(table, rows),
    }
}

/// The rows in the table's format, one record a line.
fn lines_of(table: &Table, rows: &[Rows]) -> Encoded {
    let schema = table.stored_schema();
    let (mut data, mut count) = (Vec::new(), 0);
    for piece in rows {
        count += piece.len() as u32;
        match table.connector.as_str() {
            "blackhole" => {}
            "print" => encode_print(&schema, piece, &mut data),
            _ => lines_of_piece(table, &schema, piece, 0..piece.len(), &mut data),
        }
    }
    Encoded::Bytes { data, rows: count }
}

fn lines_of_piece(
    table: &Table,
    schema: &Schema,
    piece: &Rows,
    rows: std::ops::Range<usize>,
    out: &mut Vec<u8>,
) {
    match &table.format {
        FormatSpec::Csv(options) => encode_csv(schema, options, &piece.batch, rows, out),
        FormatSpec::Json(options) => encode_json(schema, options, &piece.batch, rows, out),
        FormatSpec::None => {
            encode_json(schema, &JsonOptions::default(), &piece.batch, rows, out);
        }
    }
}

/// The rows as records. What a row was before its change says nothing to a service,
/// which is told what it is afterwards.
fn records_of(table: &Table, layout: &RecordLayout, epoch: Epoch, piece: &Rows) -> Vec<SinkRecord> {
    let schema = table.stored_schema();
    let rows: Vec<usize> =
        (0..piece.len()).filter(|row| piece.kind(*row) != RowKind::UpdateBefore).collect();
    let values = texts(&rows, |row, out| match &layout.value {
        ValueLayout::Fields(columns) => fields_of(columns, &schema, piece, row, out),
        ValueLayout::Row => {
            lines_of_piece(table, &schema, piece, row..row + 1, out);
            out.pop();
        }
    });
    let keys = texts(&rows, |row, out| key_of(&layout.key, &schema, piece, row, out));
    let partitions = texts(&rows, |row, out| {
        if let Some(column) = layout.partition {
            let ty = &schema.fields[column].ty.sql;
            encode_text(ty, piece.batch.column(column), row, out);
        }
    });
    let parts = keys.into_iter().zip(partitions).zip(values);
    let record = |(row, ((key, partition), value)): (&usize, ((Bytes, Bytes), Bytes))| SinkRecord {
        epoch,
        kind: piece.kind(*row),
        key,
        partition,
        value,
    };
    rows.iter().zip(parts).map(record).collect()
}

/// The columns of a row that are not NULL, as the fields of a hash.
fn fields_of(columns: &[usize], schema: &Schema, piece: &Rows, row: usize, out: &mut Vec<u8>) {
    let mut text = Vec::new();
    for column in columns {
        let field = &schema.fields[*column];
        text.clear();
        if encode_field(&field.ty.sql, piece.batch.column(*column), row, &mut text) {
            put_field(out, field.name.as_bytes(), &text);
        }
    }
}

/// What `write` appends for each row, as parts of one piece of memory.
fn texts(rows: &[usize], mut write: impl FnMut(usize, &mut Vec<u8>)) -> Vec<Bytes> {
    let mut data = Vec::new();
    let ends: Vec<usize> = rows
        .iter()
        .map(|row| {
            write(*row, &mut data);
            data.len()
        })
        .collect();
    let data = Bytes::from(data);
    let starts = [0].into_iter().chain(ends.iter().copied());
    starts.zip(&ends).map(|(start, end)| data.slice(start..*end)).collect()
}

fn key_of(key: &KeyLayout, schema: &Schema, piece: &Rows, row: usize, out: &mut Vec<u8>) {
    match key {
        KeyLayout::None => {}
        KeyLayout::Json(columns) => {
            let fields = columns.iter().map(|column| schema.fields[*column].clone()).collect();
            let batch = piece.batch.project(columns).expect("the table has the key's columns");
            let options = JsonOptions::default();
            encode_json(&Schema::new(fields), &options, &batch, row..row + 1, out);
            out.pop();
        }
        KeyLayout::Template(pieces) => {
            for part in pieces {
                match part {
                    KeyPiece::Text(text) => out.extend_from_slice(text.as_bytes()),
                    KeyPiece::Column { column, escaped } => {
                        let start = out.len();
                        let ty = &schema.fields[*column].ty.sql;
                        encode_text(ty, piece.batch.column(*column), row, out);
                        escape(out, start, escaped);
                    }
                }
            }
        }
    }
}

/// Writes these characters, in what stands behind `start`, as `%` and their codes.
fn escape(out: &mut Vec<u8>, start: usize, escaped: &str) {
    let is_escaped = |byte: &u8| escaped.as_bytes().contains(byte);
    if !out[start..].iter().any(is_escaped) {
        return;
    }
    let plain = out.split_off(start);
    for byte in plain {
        match is_escaped(&byte) {
            true => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            false => out.push(byte),
        }
    }
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
