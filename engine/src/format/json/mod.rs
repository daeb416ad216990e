//! JSON records.
//!
//! Decoding goes in two steps over a few hundred records at a time. The first walks
//! over each record once, checks all of its syntax ([`scan`]) and notes where the
//! wanted values lie, guessing each next key ([`keys`]). The second reads the values a
//! column at a time ([`read`]). A record that is not well formed has then touched no
//! column, and of equal keys the last one counts without anything to take back.

mod keys;
#[cfg(test)]
mod model;
mod read;
mod scan;
#[cfg(test)]
mod tests;
mod unescape;

use super::column::Column;
use super::framing::RECORD_LEN_MAX;
use super::{DeadRecord, Decoded, Decoder, RecordBlock, RecordRef, batch_of, utf8_fault};
use crate::expr::{ErrorKind, RowErrors};
use crate::plan::JsonOptions;
use crate::types::{Field, Schema};
use arrow_schema::SchemaRef;
use keys::{Fields, Guess};
use read::{Reader, Values};
use scan::{Scanner, Span};

/// How many records are walked over before their values are read: few enough that the
/// spans stay in the nearest cache.
const RECORDS_PER_RUN: usize = 256;

/// Reads records that are one JSON object each.
///
/// A record is dead if it is not well formed as a whole: not JSON by RFC 8259 (raw
/// control characters in strings and anything behind the object included), not UTF-8,
/// no object, nested more than 256 levels deep, or 16 MiB long or more. Fields that
/// are not wanted are checked, too, and then passed over. Of equal keys the last one
/// counts.
///
/// Values follow Flink's reader: a missing field and `null` are NULL; text columns take
/// numbers and booleans as their text and objects and arrays as their JSON without
/// white space; all other columns take the texts of their values; INT and BIGINT cut
/// the fraction of a number; BYTES are Base64. A field that cannot be read is NULL and
/// an error of its column, or just NULL with `ignore_parse_errors`; inside of a ROW or
/// ARRAY it is an error of the whole column, or just the inner value is NULL.
// spec: F-1
pub struct JsonDecoder {
    fields: Vec<Field>,
    /// The fields by name.
    names: Fields,
    options: JsonOptions,
    schema: SchemaRef,
}

impl JsonDecoder {
    /// A decoder of these fields, in this order; their names should differ.
    #[must_use]
    pub fn new(fields: &[Field], options: &JsonOptions) -> JsonDecoder {
        JsonDecoder {
            fields: fields.to_vec(),
            names: Fields::new(fields.iter().map(|field| field.name.as_str())),
            options: options.clone(),
            schema: Schema::new(fields.to_vec()).arrow(),
        }
    }
}

impl Decoder for JsonDecoder {
    /// # Panics
    /// If a record lies outside of its block, or if the block is larger than 2 GiB.
    fn decode(&self, block: &RecordBlock) -> Decoded {
        let mut decoding = Decoding::new(self, block);
        let indices = (0..block.records.len()).step_by(RECORDS_PER_RUN);
        for first in indices {
            let run = &block.records[first..block.records.len().min(first + RECORDS_PER_RUN)];
            decoding.run(first, run);
        }
        decoding.finish(self.schema.clone())
    }
}

/// The state of decoding one block.
struct Decoding<'a> {
    values: Values<'a>,
    /// Whether every byte of the block is valid UTF-8; usual, and then no record needs
    /// a check of its own.
    all_utf8: bool,
    fields: &'a Fields,
    guess: Guess,
    // By column, in three lists: the readers of scalars are small, and a list of all three
    // is so long that making it cost more than a record.
    columns: Vec<Column>,
    readers: Vec<Reader>,
    errors: Vec<RowErrors>,
    /// For each column the spans of this run's rows, `run_max` of them.
    spans: Vec<Span>,
    /// How many records a run of this block has at most. Most blocks of a calm source hold
    /// one record, and room for more would cost more than reading it.
    run_max: usize,
    record_of_row: Vec<u32>,
    dead: Vec<DeadRecord>,
}

impl<'a> Decoding<'a> {
    fn new(decoder: &'a JsonDecoder, block: &'a RecordBlock) -> Decoding<'a> {
        assert!(i32::try_from(block.data.len()).is_ok(), "a block is at most 2 GiB long");
        let rows = block.records.len();
        let run_max = rows.clamp(1, RECORDS_PER_RUN);
        let fields = &decoder.fields;
        Decoding {
            values: Values {
                scanner: Scanner { data: &block.data },
                options: &decoder.options,
                scratch: Vec::new(),
            },
            all_utf8: std::str::from_utf8(&block.data).is_ok(),
            fields: &decoder.names,
            guess: Guess::default(),
            columns: fields.iter().map(|field| Column::new(field, rows)).collect(),
            readers: fields.iter().map(|field| Reader::new(&field.ty)).collect(),
            errors: fields.iter().map(|_| RowErrors::NONE).collect(),
            spans: vec![Span::MISSING; run_max * fields.len()],
            run_max,
            record_of_row: Vec::with_capacity(rows),
            dead: Vec::new(),
        }
    }

    /// Decodes at most [`RECORDS_PER_RUN`] records, of which the first is the block's
    /// `first`th.
    fn run(&mut self, first: usize, records: &[RecordRef]) {
        let before = self.record_of_row.len();
        if first > 0 {
            self.spans.fill(Span::MISSING);
        }
        for (index, record) in records.iter().enumerate() {
            let row = self.record_of_row.len() - before;
            match self.record(record, row) {
                Ok(()) => self.record_of_row.push((first + index) as u32),
                Err(detail) => {
                    for spans in self.spans.chunks_exact_mut(self.run_max) {
                        spans[row] = Span::MISSING;
                    }
                    self.dead.push(DeadRecord { index: first + index, detail });
                }
            }
        }
        let rows = self.record_of_row.len() - before;
        let columns = self.columns.iter_mut().zip(&mut self.readers).zip(&mut self.errors);
        let spans = self.spans.chunks_exact(self.run_max);
        for (((column, reader), errors), spans) in columns.zip(spans) {
            self.values.append(column, reader, &spans[..rows], |row, detail| {
                errors.push(before + row, ErrorKind::Parse, detail);
            });
        }
    }

    /// Notes the spans of one record; gives what is wrong with it if it is not well
    /// formed.
    #[inline]
    fn record(&mut self, record: &RecordRef, row: usize) -> Result<(), String> {
        let (start, end) = (record.start as usize, record.end as usize);
        if end - start >= RECORD_LEN_MAX {
            return Err(super::framing::too_long());
        }
        // A few bytes behind the record are left in sight, so that it can be read sixteen
        // at a time to its end. The others are not: many records that open brackets and
        // do not close them must not each be read to the end of the block.
        let data = self.values.scanner.data;
        let scanner = Scanner { data: &data[..data.len().min(end + 16)] };
        if !self.all_utf8 {
            utf8_fault(&scanner.data[start..end])?;
        }
        let (spans, run_max) = (&mut self.spans, self.run_max);
        let found = |column: usize, span| spans[column * run_max + row] = span;
        match self.guess.object(scanner, self.fields, start, end, found) {
            Ok(place) if place <= end => nothing_more(&data[..end], start, place),
            Ok(_) | Err(_) => Err(self.fault(start, end)),
        }
    }

    /// What is wrong with a record, read again with nothing behind it in sight: the
    /// first reading may have gone on into the next record, and what it stumbled over
    /// there depends on where the block ends.
    // spec: E-2
    #[cold]
    fn fault(&mut self, start: usize, end: usize) -> String {
        let scanner = Scanner { data: &self.values.scanner.data[..end] };
        match self.guess.object(scanner, self.fields, start, end, |_, _| ()) {
            Err(fault) => syntax(fault.at.min(end) - start, fault.expected),
            Ok(_) => syntax(end - start, "the end of the object"),
        }
    }

    fn finish(self, schema: SchemaRef) -> Decoded {
        let rows = self.record_of_row.len();
        let arrays = self.columns.into_iter().map(Column::finish).collect();
        Decoded {
            batch: batch_of(schema, arrays, rows),
            column_errors: self.errors,
            record_of_row: self.record_of_row,
            dead: self.dead,
        }
    }
}

/// Checks that only white space stands behind the object, which ends at `place`.
#[inline]
fn nothing_more(record: &[u8], start: usize, place: usize) -> Result<(), String> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
    match record[place..].iter().position(|byte| !is_space(byte)) {
        None => Ok(()),
        Some(rest) => Err(syntax(place + rest - start, "nothing more")),
    }
}

#[cold]
fn syntax(at: usize, expected: &str) -> String {
    format!("no valid JSON at byte {at}: expected {expected}")
}
