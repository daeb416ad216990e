//! The world's logs: what really stands in the splits, whatever any process read.

use anabranch_engine::ids::SplitName;
use anabranch_engine::plan::{CsvOptions, FormatSpec};
use bytes::Bytes;

/// A record as it stands in its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Its offset.
    pub offset: u64,
    /// The smallest offset that the record after it can have: the byte behind its line,
    /// or the next number.
    pub next: u64,
    /// The timestamp that the log keeps for it, in ms.
    pub timestamp_ms: Option<i64>,
    /// Its value.
    pub bytes: Bytes,
}

/// The log of one split, as far as it was ever written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitLog {
    /// The split.
    pub name: SplitName,
    /// The offset of its first record.
    pub start: u64,
    /// All its records, by offset.
    pub records: Vec<LogRecord>,
    /// The file, if it is one.
    pub file: Option<Bytes>,
}

impl SplitLog {
    /// A log whose offsets are numbers, from 0.
    #[must_use]
    pub fn of_records(name: SplitName, records: impl IntoIterator<Item = Bytes>) -> SplitLog {
        let numbered = (0..).zip(records).map(|(offset, bytes)| LogRecord {
            offset,
            next: offset + 1,
            timestamp_ms: None,
            bytes,
        });
        SplitLog { name, start: 0, records: numbered.collect(), file: None }
    }

    /// A file. Its last line is a record also without a line end if the file `is_whole`.
    #[must_use]
    pub fn of_file(name: SplitName, format: &FormatSpec, data: Bytes, is_whole: bool) -> SplitLog {
        let mut records = Vec::new();
        let mut at = 0;
        while at < data.len() {
            let (end, next) = match line_end(format, &data[at..]) {
                Some((end, next)) => (at + end, at + next),
                None if is_whole => (data.len(), data.len()),
                None => break,
            };
            let is_comment = is_comment(format, &data[at..]);
            if end > at && !is_comment {
                records.push(LogRecord {
                    offset: at as u64,
                    next: next as u64,
                    timestamp_ms: None,
                    bytes: data.slice(at..end),
                });
            }
            at = next;
        }
        SplitLog { name, start: 0, records, file: Some(data) }
    }

    /// The records of a range of offsets.
    pub(crate) fn range(&self, start: u64, end: u64) -> std::ops::Range<usize> {
        let place = |offset| self.records.partition_point(|record| record.offset < offset);
        place(start)..place(end).max(place(start))
    }

    /// On which line of the file the record at an offset starts, from 1.
    pub(super) fn line_of(&self, offset: u64) -> Option<i64> {
        let before = &self.file.as_ref()?[..offset as usize];
        Some(before.iter().filter(|byte| **byte == b'\n').count() as i64 + 1)
    }
}

fn is_comment(format: &FormatSpec, line: &[u8]) -> bool {
    matches!(format, FormatSpec::Csv(options) if options.allow_comments) && line[0] == b'#'
}

/// Where the first line ends, and where the next one starts.
fn line_end(format: &FormatSpec, data: &[u8]) -> Option<(usize, usize)> {
    let newline = match format {
        FormatSpec::Csv(options) if !is_comment(format, data) => newline_outside(options, data)?,
        _ => data.iter().position(|byte| *byte == b'\n')?,
    };
    let end = if data[..newline].ends_with(b"\r") { newline - 1 } else { newline };
    Some((end, newline + 1))
}

/// The first line end that no quote or escape character holds.
fn newline_outside(options: &CsvOptions, data: &[u8]) -> Option<usize> {
    let symbol = |character: Option<char>| character.map(|c| c.to_string().into_bytes());
    let (quote, escape) = (symbol(options.quote_character), symbol(options.escape_character));
    let delimiter = options.field_delimiter.to_string().into_bytes();
    let stands = |symbol: &Option<Vec<u8>>, at: usize| match symbol {
        Some(symbol) if data[at..].starts_with(symbol) => Some(symbol.len()),
        _ => None,
    };
    let (mut at, mut in_quotes, mut at_start) = (0, false, true);
    while at < data.len() {
        let starts = std::mem::take(&mut at_start);
        if let Some(length) = stands(&quote, at).filter(|_| in_quotes || starts) {
            at += length;
            match stands(&quote, at).filter(|_| in_quotes) {
                Some(doubled) => at += doubled,
                None => in_quotes = !in_quotes,
            }
        } else if let Some(length) = stands(&escape, at) {
            at += length + 1;
        } else if data[at] == b'\n' && !in_quotes {
            return Some(at);
        } else if data[at..].starts_with(&delimiter) && !in_quotes {
            at += delimiter.len();
            at_start = true;
        } else {
            at += 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use anabranch_engine::ids::TableId;
    use anabranch_engine::plan::JsonOptions;

    fn offsets(format: &FormatSpec, text: &str, is_whole: bool) -> Vec<(u64, u64, String)> {
        let name = SplitName { table: TableId(0), name: "f".to_owned() };
        let log = SplitLog::of_file(name, format, text.to_owned().into(), is_whole);
        let text = |record: &LogRecord| String::from_utf8_lossy(&record.bytes).into_owned();
        log.records.iter().map(|record| (record.offset, record.next, text(record))).collect()
    }

    #[test]
    fn a_line_is_a_record_and_its_first_byte_is_its_offset() {
        let json = FormatSpec::Json(JsonOptions::default());
        assert_eq!(
            offsets(&json, "a\r\n\nb\nc", false),
            [(0, 3, "a".to_owned()), (4, 6, "b".to_owned())]
        );
        assert_eq!(offsets(&json, "\nc", true), [(1, 2, "c".to_owned())]);
    }

    #[test]
    fn quoted_line_ends_belong_to_a_csv_record() {
        let options = CsvOptions { allow_comments: true, ..CsvOptions::default() };
        let csv = FormatSpec::Csv(options);
        assert_eq!(
            offsets(&csv, "#x\n1,\"a\nb\"\"\n\",c\nd\"\n", true),
            [(3, 16, "1,\"a\nb\"\"\n\",c".to_owned()), (16, 19, "d\"".to_owned())]
        );
    }
}
