//! CSV records.

pub(super) mod syntax;
#[cfg(test)]
mod tests;

use super::column::Column;
use super::framing::{RECORD_LEN_MAX, too_long};
use super::{DeadRecord, Decoded, Decoder, RecordBlock, batch_of, utf8_fault};
use crate::expr::{ErrorKind, RowErrors};
use crate::plan::CsvOptions;
use crate::types::{Field, Schema};
use arrow_schema::SchemaRef;
use syntax::{Ending, FieldEnd, Syntax};

/// Reads records of values separated by a character, by their position.
///
/// A record is dead if a quoted field does not end or something stands behind its
/// closing quote, if it is not UTF-8, if it is 16 MiB long or more, if it has more than
/// one line outside of quotes, more values than the table has columns, or fewer (with
/// `ignore_parse_errors` the ones that are missing are NULL). An empty record and, with
/// `allow_comments`, one that starts with `#` is neither a row nor dead.
///
/// A value is NULL if it is the null literal, or if it is empty and its column is not
/// text. All others are read as in JSON strings. A value that cannot be read is NULL
/// and an error of its column, or just NULL with `ignore_parse_errors`. ROW and ARRAY
/// cannot be read.
// spec: F-1
pub struct CsvDecoder {
    /// For each column of the table the place among the wanted ones.
    places: Vec<Option<usize>>,
    wanted: Schema,
    /// The wanted columns, as Arrow names them.
    schema: SchemaRef,
    options: CsvOptions,
}

impl CsvDecoder {
    /// A decoder for a table with these physical columns, of which those are decoded
    /// whose places stand in `wanted`, in that order.
    ///
    /// # Panics
    /// If a place in `wanted` is not one of `fields`, or stands there twice.
    #[must_use]
    pub fn new(fields: &[Field], wanted: &[usize], options: &CsvOptions) -> CsvDecoder {
        let mut places = vec![None; fields.len()];
        for (place, &column) in wanted.iter().enumerate() {
            assert!(places[column].is_none(), "column {column} is wanted twice");
            places[column] = Some(place);
        }
        let wanted = wanted.iter().map(|&column| fields[column].clone()).collect();
        let wanted = Schema::new(wanted);
        CsvDecoder { places, schema: wanted.arrow(), wanted, options: options.clone() }
    }
}

impl Decoder for CsvDecoder {
    /// # Panics
    /// If a record lies outside of its block, or if the block is larger than 2 GiB.
    fn decode(&self, block: &RecordBlock) -> Decoded {
        assert!(i32::try_from(block.data.len()).is_ok(), "a block is at most 2 GiB long");
        let rows = block.records.len();
        let mut columns: Vec<Column> =
            self.wanted.fields.iter().map(|field| Column::new(field, rows)).collect();
        let mut column_errors = vec![RowErrors::NONE; columns.len()];
        let mut record_of_row = Vec::with_capacity(rows);
        let mut dead = Vec::new();
        let mut line = Line::new(self);
        let all_utf8 = std::str::from_utf8(&block.data).is_ok();
        for (index, record) in block.records.iter().enumerate() {
            let bytes = &block.data[record.start as usize..record.end as usize];
            match line.read(bytes, all_utf8) {
                Ok(false) => {}
                Ok(true) => {
                    let row = record_of_row.len();
                    for (place, column) in columns.iter_mut().enumerate() {
                        if let Err(detail) = line.push(place, column) {
                            column.push_null();
                            column_errors[place].push(row, ErrorKind::Parse, detail);
                        }
                    }
                    record_of_row.push(index as u32);
                }
                Err(detail) => dead.push(DeadRecord { index, detail }),
            }
        }
        let arrays = columns.into_iter().map(Column::finish).collect();
        let batch = batch_of(self.schema.clone(), arrays, record_of_row.len());
        Decoded { batch, column_errors, record_of_row, dead }
    }
}

/// The values of one record.
struct Line<'a> {
    decoder: &'a CsvDecoder,
    syntax: Syntax,
    /// The texts of the wanted values, one behind the other.
    text: Vec<u8>,
    /// Where each wanted value lies in them; `None` if the record does not have it.
    values: Vec<Option<(usize, usize)>>,
}

impl<'a> Line<'a> {
    fn new(decoder: &'a CsvDecoder) -> Line<'a> {
        let values = vec![None; decoder.wanted.len()];
        Line { decoder, syntax: Syntax::new(&decoder.options), text: Vec::new(), values }
    }

    /// Takes a record apart. `false` if it is no row; what is wrong if it is not well
    /// formed.
    fn read(&mut self, record: &[u8], all_utf8: bool) -> Result<bool, String> {
        if record.len() >= RECORD_LEN_MAX {
            return Err(too_long());
        }
        if record.is_empty() || self.syntax.is_comment(record) {
            return Ok(false);
        }
        if !all_utf8 {
            utf8_fault(record)?;
        } else if !is_whole_text(record) {
            return Err(String::from("the record starts or ends within a character"));
        }
        self.text.clear();
        self.values.fill(None);
        let (mut at, mut count) = (0, 0);
        loop {
            let place = self.decoder.places.get(count).copied().flatten();
            let start = self.text.len();
            let text = &mut self.text;
            let FieldEnd { ending, junk } = match place {
                Some(_) => self.syntax.field(record, at, |part| text.extend_from_slice(part)),
                None => self.syntax.field(record, at, |_| {}),
            };
            if let Some(junk) = junk {
                return Err(format!("no valid CSV at byte {junk}: expected the end of the field"));
            }
            if let Some(place) = place {
                self.values[place] = Some((start, self.text.len()));
            }
            count += 1;
            match ending {
                Ending::Delimiter(next) => at = next,
                Ending::Line(end) if end.next < record.len() => {
                    return Err(format!("no valid CSV at byte {}: expected one line", end.next));
                }
                Ending::Line(_) | Ending::Data => break,
                Ending::Unclosed => {
                    return Err(format!("no valid CSV at byte {at}: the field does not end"));
                }
            }
        }
        self.check_count(count)?;
        Ok(true)
    }

    fn check_count(&self, count: usize) -> Result<(), String> {
        let expected = self.decoder.places.len();
        if count > expected || count < expected && !self.decoder.options.ignore_parse_errors {
            return Err(format!("expected {expected} columns, got {count}"));
        }
        Ok(())
    }

    /// Appends the value to its column. If it cannot be read, appends nothing and
    /// gives the reason; or appends NULL if errors are ignored.
    fn push(&self, place: usize, column: &mut Column) -> Result<(), String> {
        let options = &self.decoder.options;
        let Some((start, end)) = self.values[place] else {
            column.push_null();
            return Ok(());
        };
        let text = &self.text[start..end];
        let is_null = options.null_literal.as_ref().is_some_and(|null| null.as_bytes() == text);
        if is_null || text.is_empty() && !column.sql.is_text() {
            column.push_null();
            return Ok(());
        }
        match column.push_text(text) {
            Ok(()) => Ok(()),
            Err(_) if options.ignore_parse_errors => {
                column.push_null();
                Ok(())
            }
            Err(reason) => Err(column.complaint(text, reason)),
        }
    }
}

/// Whether the part of a valid UTF-8 text is one by itself, too.
fn is_whole_text(part: &[u8]) -> bool {
    // Only its ends can be wrong: it must not start with a continuation byte, and its
    // last character must have all its bytes.
    let is_continuation = |byte: &u8| *byte & 0xc0 == 0x80;
    let last = part.len() - part.len().min(4);
    let tail = part[last..].iter().position(|byte| !is_continuation(byte));
    !part.first().is_some_and(is_continuation)
        && tail.is_some_and(|at| std::str::from_utf8(&part[last + at..]).is_ok())
}
