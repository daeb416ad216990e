//! How CSV is put together: the rules of Jackson's CSV reader, which Flink uses.
//!
//! A field that starts with the quote character goes on to the next one, line ends
//! included; two quote characters in a row stand for one. Any other field goes on to
//! the next delimiter or line end, and a quote character in it is an ordinary one. The
//! escape character takes away the meaning of the character behind it, within quotes
//! and without; `n`, `r`, `t` and `0` behind it stand for control characters.

use crate::plan::CsvOptions;
use memchr::{memchr2, memchr3};

/// Where a record's text ends, and where the next one starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::format) struct RecordEnd {
    pub(in crate::format) end: usize,
    pub(in crate::format) next: usize,
}

/// A character as it stands in UTF-8.
#[derive(Clone, Copy, Debug)]
struct Symbol {
    bytes: [u8; 4],
    len: usize,
}

impl Symbol {
    fn new(character: char) -> Symbol {
        let mut bytes = [0; 4];
        let len = character.encode_utf8(&mut bytes).len();
        Symbol { bytes, len }
    }

    fn first(self) -> u8 {
        self.bytes[0]
    }

    #[inline]
    fn is_at(self, data: &[u8], at: usize) -> bool {
        data.get(at) == Some(&self.bytes[0])
            && (self.len == 1 || data[at..].starts_with(&self.bytes[..self.len]))
    }
}

/// The characters that have a meaning.
#[derive(Clone, Copy, Debug)]
pub(in crate::format) struct Syntax {
    delimiter: Symbol,
    quote: Option<Symbol>,
    escape: Option<Symbol>,
    comments: bool,
}

/// What ends a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// A delimiter; the next field starts here.
    Delimiter(usize),
    /// A line end.
    Line(RecordEnd),
    /// The end of the data.
    Data,
    /// The end of the data, within quotes or behind an escape character.
    Unclosed,
}

/// A field that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldEnd {
    pub(super) ending: Ending,
    /// Where something other than white space stands behind the closing quote.
    pub(super) junk: Option<usize>,
}

impl Syntax {
    pub(in crate::format) fn new(options: &CsvOptions) -> Syntax {
        Syntax {
            delimiter: Symbol::new(options.field_delimiter),
            quote: options.quote_character.map(Symbol::new),
            escape: options.escape_character.map(Symbol::new),
            comments: options.allow_comments,
        }
    }

    /// Whether the line that starts here is no record.
    pub(in crate::format) fn is_comment(&self, line: &[u8]) -> bool {
        self.comments && line.first() == Some(&b'#')
    }

    /// Where the record that starts here ends; `None` if it goes on behind the data.
    pub(in crate::format) fn end_of_record(&self, data: &[u8]) -> Option<RecordEnd> {
        let mut at = 0;
        loop {
            match self.field(data, at, |_| {}).ending {
                Ending::Delimiter(next) => at = next,
                Ending::Line(end) => return Some(end),
                Ending::Data | Ending::Unclosed => return None,
            }
        }
    }

    /// Reads the field at `at`, giving the parts of its text to `part`.
    #[inline]
    pub(super) fn field(&self, data: &[u8], at: usize, part: impl FnMut(&[u8])) -> FieldEnd {
        match self.quote {
            Some(quote) if quote.is_at(data, at) => self.quoted(quote, data, at + quote.len, part),
            _ => FieldEnd { ending: self.unquoted(data, at, part), junk: None },
        }
    }

    fn unquoted(&self, data: &[u8], start: usize, mut part: impl FnMut(&[u8])) -> Ending {
        let escape = self.escape.map_or(b'\n', Symbol::first);
        // Where the part that is not yet given away starts, and where to look on.
        let (mut start, mut from) = (start, start);
        loop {
            let Some(found) = memchr3(self.delimiter.first(), b'\n', escape, &data[from..]) else {
                part(&data[start..]);
                return Ending::Data;
            };
            let at = from + found;
            if self.delimiter.is_at(data, at) {
                part(&data[start..at]);
                return Ending::Delimiter(at + self.delimiter.len);
            }
            if data[at] == b'\n' {
                let end = if data[start..at].ends_with(b"\r") { at - 1 } else { at };
                part(&data[start..end]);
                return Ending::Line(RecordEnd { end, next: at + 1 });
            }
            match self.escape {
                Some(escape) if escape.is_at(data, at) => {
                    part(&data[start..at]);
                    let Some(next) = unescaped(data, at + escape.len, &mut part) else {
                        return Ending::Unclosed;
                    };
                    (start, from) = (next, next);
                }
                // Only the first byte of a longer character is the same.
                _ => from = at + 1,
            }
        }
    }

    /// Reads a quoted field behind its opening quote.
    fn quoted(
        &self,
        quote: Symbol,
        data: &[u8],
        start: usize,
        mut part: impl FnMut(&[u8]),
    ) -> FieldEnd {
        let escape = self.escape.map_or(quote.first(), Symbol::first);
        let (mut start, mut from) = (start, start);
        loop {
            let Some(found) = memchr2(quote.first(), escape, &data[from..]) else {
                return FieldEnd { ending: Ending::Unclosed, junk: None };
            };
            let at = from + found;
            if quote.is_at(data, at) {
                let behind = at + quote.len;
                if quote.is_at(data, behind) {
                    part(&data[start..behind]);
                    (start, from) = (behind + quote.len, behind + quote.len);
                    continue;
                }
                part(&data[start..at]);
                return self.behind_quotes(data, behind);
            }
            match self.escape {
                Some(escape) if escape.is_at(data, at) => {
                    part(&data[start..at]);
                    let Some(next) = unescaped(data, at + escape.len, &mut part) else {
                        return FieldEnd { ending: Ending::Unclosed, junk: None };
                    };
                    (start, from) = (next, next);
                }
                _ => from = at + 1,
            }
        }
    }

    /// Passes over the white space between a closing quote and the field's end.
    fn behind_quotes(&self, data: &[u8], start: usize) -> FieldEnd {
        let mut junk = None;
        for at in start..data.len() {
            if self.delimiter.is_at(data, at) {
                return FieldEnd { ending: Ending::Delimiter(at + self.delimiter.len), junk };
            }
            if data[at] == b'\n' {
                let end = if data[start..at].ends_with(b"\r") { at - 1 } else { at };
                return FieldEnd { ending: Ending::Line(RecordEnd { end, next: at + 1 }), junk };
            }
            if data[at] > b' ' && junk.is_none() {
                junk = Some(at);
            }
        }
        FieldEnd { ending: Ending::Data, junk }
    }
}

/// Gives the character that stands behind an escape character, and the place behind
/// it; `None` if nothing stands there.
fn unescaped(data: &[u8], at: usize, part: &mut impl FnMut(&[u8])) -> Option<usize> {
    match data.get(at)? {
        b'0' => part(b"\0"),
        b'n' => part(b"\n"),
        b'r' => part(b"\r"),
        b't' => part(b"\t"),
        // The other bytes of a longer character follow by themselves: they are never
        // the first byte of a character with a meaning.
        _ => part(&data[at..=at]),
    }
    Some(at + 1)
}
