//! From spans to columns, a column at a time: by then every record is known to be well
//! formed, so that nothing has to be taken back.

use super::keys::{Fields, Guess};
use super::scan::{Kind, Scanner, Span};
use super::unescape::unescape;
use crate::format::column::{
    ByteStore, Column, OUT_OF_RANGE, Reason, Store, UNREADABLE, timestamp,
};
use crate::format::number;
use crate::plan::JsonOptions;
use crate::types::datetime;
use crate::types::{DataType, SqlType};

/// What to do instead of putting a number into a timestamp.
const NUMBER_FOR_TIMESTAMP: Reason =
    ": declare the column as BIGINT and use TO_TIMESTAMP_LTZ(column, 3) in a computed column";

/// What reading values of one type needs besides the column: the fields of its ROWs
/// and the guesses of their keys.
pub(super) enum Reader {
    Scalar,
    Row(Box<RowReader>),
    Array(Box<Reader>),
}

/// What reading the values of a ROW needs.
pub(super) struct RowReader {
    fields: Fields,
    guess: Guess,
    children: Vec<Reader>,
    /// Those of the value that is read, by field.
    spans: Vec<Span>,
}

impl Reader {
    pub(super) fn new(ty: &DataType) -> Reader {
        match &ty.sql {
            SqlType::Row(fields) => Reader::Row(Box::new(RowReader {
                fields: Fields::new(fields.iter().map(|field| field.name.as_str())),
                guess: Guess::default(),
                children: fields.iter().map(|field| Reader::new(&field.ty)).collect(),
                spans: vec![Span::MISSING; fields.len()],
            })),
            SqlType::Array(element) => Reader::Array(Box::new(Reader::new(element))),
            _ => Reader::Scalar,
        }
    }
}

/// Reads the values of one block.
pub(super) struct Values<'a> {
    pub(super) scanner: Scanner<'a>,
    pub(super) options: &'a JsonOptions,
    /// Holds a text while its escapes are read.
    pub(super) scratch: Vec<u8>,
}

impl Values<'_> {
    /// Appends a value for each span; `bad(place, detail)` is called for each that
    /// cannot be read, which is NULL then.
    pub(super) fn append(
        &mut self,
        column: &mut Column,
        reader: &mut Reader,
        spans: &[Span],
        mut bad: impl FnMut(usize, String),
    ) {
        let mut done = 0;
        while done < spans.len() {
            done += append_usual(column, &spans[done..], self.scanner.data);
            let Some(span) = spans.get(done) else { break };
            if let Err(detail) = self.append_one(column, reader, *span) {
                column.push_null();
                bad(done, detail);
            }
            done += 1;
        }
    }

    /// Appends the value of this span. If it cannot be read, appends nothing and gives
    /// the reason for a person; or appends NULL if errors are ignored.
    fn append_one(
        &mut self,
        column: &mut Column,
        reader: &mut Reader,
        span: Span,
    ) -> Result<(), String> {
        let before = column.len();
        let failed = match span.kind() {
            Kind::Null => {
                column.push_null();
                return Ok(());
            }
            Kind::Missing if self.options.fail_on_missing_field => {
                Err(format!("field '{}' is missing", column.path))
            }
            Kind::Missing => {
                column.push_null();
                return Ok(());
            }
            Kind::Object if matches!(reader, Reader::Row(_)) => {
                self.append_row(column, reader, span)
            }
            Kind::Array if matches!(reader, Reader::Array(_)) => {
                self.append_array(column, reader, span)
            }
            _ => {
                let result = self.append_scalar(column, span);
                result.map_err(|reason| column.complaint(self.source(span), reason))
            }
        };
        if failed.is_err() {
            column.truncate(before);
            if self.options.ignore_parse_errors {
                column.push_null();
                return Ok(());
            }
        }
        failed
    }

    /// The value as it stands in the record, quotes and all.
    fn source(&self, span: Span) -> &[u8] {
        let quotes = usize::from(span.is(Kind::Text) || span.is(Kind::EscapedText));
        &self.scanner.data[span.start() - quotes..span.end() + quotes]
    }

    fn append_scalar(&mut self, column: &mut Column, span: Span) -> Result<(), Reason> {
        let raw = &self.scanner.data[span.start()..span.end()];
        match (span.kind(), &mut column.store, &column.sql) {
            (Kind::EscapedText, _, _) => {
                self.scratch.clear();
                unescape(raw, &mut self.scratch);
                column.push_text(&self.scratch)
            }
            (
                Kind::Object | Kind::Array,
                Store::Bytes(bytes),
                SqlType::Char(_) | SqlType::VarChar(_),
            ) => {
                compact(raw, &mut bytes.values);
                bytes.end_value();
                column.nulls.append_non_null();
                Ok(())
            }
            (Kind::Integer | Kind::Number, _, sql) if sql.is_timestamp() => {
                Err(NUMBER_FOR_TIMESTAMP)
            }
            // Flink reads 3.7 into INT and BIGINT as 3, but not into the smaller ones.
            (Kind::Number, Store::Int32(values), SqlType::Int) => {
                let value = number::truncated_integer(raw).ok_or(OUT_OF_RANGE)?;
                values.push(i32::try_from(value).map_err(|_| OUT_OF_RANGE)?);
                column.nulls.append_non_null();
                Ok(())
            }
            (Kind::Number, Store::Int64(values), SqlType::BigInt) => {
                values.push(number::truncated_integer(raw).ok_or(OUT_OF_RANGE)?);
                column.nulls.append_non_null();
                Ok(())
            }
            // A number is no boolean and no Base64, even where its text would do.
            (Kind::Integer | Kind::Number, _, SqlType::Boolean) => Err(UNREADABLE),
            (Kind::Integer | Kind::Number | Kind::True | Kind::False, Store::Bytes(_), sql)
                if sql.is_bytes() =>
            {
                Err(UNREADABLE)
            }
            (Kind::Object | Kind::Array, _, _) => Err(UNREADABLE),
            _ => column.push_text(raw),
        }
    }

    fn append_row(
        &mut self,
        column: &mut Column,
        reader: &mut Reader,
        span: Span,
    ) -> Result<(), String> {
        let (Store::Row(columns), Reader::Row(row)) = (&mut column.store, reader) else {
            return Err(column.complaint(self.source(span), UNREADABLE));
        };
        let RowReader { fields, guess, children, spans } = &mut **row;
        spans.fill(Span::MISSING);
        let found = |field: usize, span| spans[field] = span;
        guess
            .object(self.scanner, fields, span.start(), span.end(), found)
            .map_err(|_| String::from("an object changed while it was read"))?;
        for (index, child) in columns.iter_mut().enumerate() {
            self.append_one(child, &mut children[index], spans[index])?;
        }
        column.nulls.append_non_null();
        Ok(())
    }

    fn append_array(
        &mut self,
        column: &mut Column,
        reader: &mut Reader,
        span: Span,
    ) -> Result<(), String> {
        let (Store::List { offsets, items }, Reader::Array(item_reader)) =
            (&mut column.store, reader)
        else {
            return Err(column.complaint(self.source(span), UNREADABLE));
        };
        let mut at = self.scanner.skip_space(span.start() + 1);
        while self.scanner.byte(at) != b']' {
            let (item, next) = self
                .scanner
                .value(at)
                .map_err(|_| String::from("an array changed while it was read"))?;
            self.append_one(items, item_reader, item)?;
            at = self.scanner.skip_space(next);
            if self.scanner.byte(at) == b',' {
                at = self.scanner.skip_space(at + 1);
            }
        }
        offsets.push(i32::try_from(items.len()).expect("a block holds at most 2 GiB"));
        column.nulls.append_non_null();
        Ok(())
    }
}

/// Appends values as long as they have the usual form for their column, and gives how
/// many there were. What is unusual is left to [`Values::append_one`].
fn append_usual(column: &mut Column, spans: &[Span], data: &[u8]) -> usize {
    let integer = |span: Span| match span.kind() {
        Kind::Integer => number::json_integer(data, span.start(), span.len()),
        _ => None,
    };
    let sql = &column.sql;
    let done = match &mut column.store {
        Store::Int32(values) if *sql == SqlType::Int => {
            extend(values, spans, |span| i32::try_from(integer(span)?).ok())
        }
        Store::Int64(values) if *sql == SqlType::BigInt => extend(values, spans, integer),
        Store::Int64(values) if matches!(sql, SqlType::Timestamp(3) | SqlType::TimestampLtz(3)) => {
            let utc = matches!(sql, SqlType::TimestampLtz(_));
            extend(values, spans, |span| {
                let text = span.is(Kind::Text).then(|| &data[span.start()..span.end()])?;
                datetime::parse_usual_millis(text, utc)
            })
        }
        Store::Int64(values) if sql.is_timestamp() => extend(values, spans, |span| {
            let text = span.is(Kind::Text).then(|| &data[span.start()..span.end()])?;
            timestamp(text, sql).ok()
        }),
        Store::Float64(values) => extend(values, spans, |span| {
            let is_number = span.is(Kind::Number) || span.is(Kind::Integer);
            number::double(is_number.then(|| &data[span.start()..span.end()])?)
        }),
        Store::Bytes(bytes) if sql.is_text() => append_texts(bytes, spans, data),
        _ => 0,
    };
    column.nulls.append_n_non_nulls(done);
    done
}

/// Appends what `read` gives for each span up to the first that it gives nothing for.
#[inline(always)]
fn extend<T: Copy + Default>(
    values: &mut Vec<T>,
    spans: &[Span],
    read: impl Fn(Span) -> Option<T>,
) -> usize {
    // Filling places that are there already is quicker than pushing one by one; only a
    // few at a time, so that a column full of NULLs does not make many for nothing.
    const PLACES: usize = 32;
    let before = values.len();
    for spans in spans.chunks(PLACES) {
        let start = values.len();
        values.resize(start + spans.len(), T::default());
        let mut done = 0;
        for (place, span) in values[start..].iter_mut().zip(spans) {
            let Some(value) = read(*span) else { break };
            *place = value;
            done += 1;
        }
        if done < spans.len() {
            values.truncate(start + done);
            break;
        }
    }
    values.len() - before
}

fn append_texts(bytes: &mut ByteStore, spans: &[Span], data: &[u8]) -> usize {
    const SHORT: usize = 16;
    let mut done = 0;
    for span in spans {
        if !span.is(Kind::Text) {
            break;
        }
        let (start, len) = (span.start(), span.len());
        match data.get(start..).and_then(|rest| rest.first_chunk::<SHORT>()) {
            // Copying a fixed number of bytes and cutting is quicker than a copy of a
            // length that is known only now.
            Some(chunk) if len <= SHORT => {
                let end = bytes.values.len() + len;
                bytes.values.extend_from_slice(chunk);
                bytes.values.truncate(end);
            }
            _ => bytes.values.extend_from_slice(&data[start..start + len]),
        }
        bytes.end_value();
        done += 1;
    }
    done
}

/// Appends the JSON text without the white space between its tokens; all else as it
/// stands in the record.
fn compact(json: &[u8], out: &mut Vec<u8>) {
    let mut in_string = false;
    let mut escaped = false;
    for &byte in json {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
        } else if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
            continue;
        } else {
            in_string = byte == b'"';
        }
        out.push(byte);
    }
}
