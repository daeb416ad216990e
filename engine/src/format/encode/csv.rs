//! Rows as lines of CSV.

use super::value::{Cells, Values, bare, cells_of, plain_text, slice};
use crate::plan::CsvOptions;
use crate::types::Schema;
use arrow_array::RecordBatch;
use std::ops::Range;

/// Texts longer than this are always quoted, as Jackson does.
const UNQUOTED_CHARS_MAX: usize = 24;

/// Appends these rows of the batch, each as one line of CSV with `\n`.
///
/// NULL is the null literal, or nothing. Numbers and booleans stand as they are; texts,
/// dates, times, timestamps (in SQL form) and Base64 are quoted where Jackson, and so
/// Flink, quotes: if they have more than 24 characters, or one that is not above the
/// delimiter, the quote character and the line end in Unicode order (so a space, too),
/// or the escape character. Without a quote character nothing is protected, as in
/// Flink. A row that would be an empty line is a pair of quotes. ROW and ARRAY, which
/// the CSV reader cannot read either, are empty.
///
/// # Panics
/// If the batch does not have the schema's columns and Arrow types, or has fewer rows.
pub fn encode_csv(
    schema: &Schema,
    options: &CsvOptions,
    batch: &RecordBatch,
    rows: Range<usize>,
    out: &mut Vec<u8>,
) {
    assert!(rows.end <= batch.num_rows(), "the batch has the rows");
    let columns = cells_of(schema, batch);
    let mut writer = Writer::new(options);
    for row in rows {
        let start = out.len();
        for (index, cells) in columns.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(&writer.delimiter);
            }
            writer.value(cells, row, out);
        }
        if out.len() == start {
            writer.empty_line(out);
        }
        out.push(b'\n');
    }
}

struct Writer<'a> {
    delimiter: Vec<u8>,
    quote: Option<char>,
    escape: Option<char>,
    null: &'a str,
    /// The first character that does not ask for quotes.
    safe_from: u32,
    comments: bool,
    scratch: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(options: &'a CsvOptions) -> Writer<'a> {
        let highest = [options.field_delimiter, options.quote_character.unwrap_or('\0'), '\r'];
        let safe_from = highest.into_iter().map(u32::from).max().map_or(0, |highest| highest + 1);
        Writer {
            delimiter: String::from(options.field_delimiter).into_bytes(),
            quote: options.quote_character,
            escape: options.escape_character,
            null: options.null_literal.as_deref().unwrap_or(""),
            safe_from,
            comments: options.allow_comments,
            scratch: Vec::new(),
        }
    }

    fn value(&mut self, cells: &Cells<'_>, row: usize, out: &mut Vec<u8>) {
        if cells.is_null(row) {
            out.extend_from_slice(self.null.as_bytes());
            return;
        }
        if bare(&cells.values, row, b"", out) {
            return;
        }
        if let Values::Text { offsets, values } = &cells.values {
            self.text(slice(offsets, values, row), out);
            return;
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        plain_text(&cells.values, row, b' ', &mut scratch);
        self.text(&scratch, out);
        self.scratch = scratch;
    }

    fn text(&self, text: &[u8], out: &mut Vec<u8>) {
        match self.quote {
            Some(quote) if self.needs_quotes(text) => self.quoted(quote, text, out),
            _ => out.extend_from_slice(text),
        }
    }

    fn needs_quotes(&self, text: &[u8]) -> bool {
        // Only texts come here, and all of them are valid UTF-8.
        let text = std::str::from_utf8(text).unwrap_or_default();
        let asks = |c: char| u32::from(c) < self.safe_from || Some(c) == self.escape;
        // Jackson counts in UTF-16; a line that looks like a comment is our own case.
        text.len() > UNQUOTED_CHARS_MAX && text.encode_utf16().count() > UNQUOTED_CHARS_MAX
            || text.chars().any(asks)
            || self.comments && text.starts_with('#')
    }

    #[inline(never)]
    fn quoted(&self, quote: char, text: &[u8], out: &mut Vec<u8>) {
        let mut buffer = [0; 4];
        let quote_bytes = quote.encode_utf8(&mut buffer).as_bytes();
        out.extend_from_slice(quote_bytes);
        for character in std::str::from_utf8(text).unwrap_or_default().chars() {
            let mut buffer = [0; 4];
            let bytes = character.encode_utf8(&mut buffer).as_bytes();
            if character == quote || Some(character) == self.escape {
                out.extend_from_slice(bytes);
            }
            out.extend_from_slice(bytes);
        }
        out.extend_from_slice(quote_bytes);
    }

    fn empty_line(&self, out: &mut Vec<u8>) {
        if let Some(quote) = self.quote {
            self.quoted(quote, b"", out);
        }
    }
}
