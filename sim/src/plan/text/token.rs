//! The words of a line: names, times, bytes.

use crate::time::{Span, VirtualTime};
use std::fmt;

/// A name, in quotes if it has to be.
pub(super) struct Name<'a>(pub(super) &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.is_empty() && self.0.bytes().all(is_plain) {
            return f.write_str(self.0);
        }
        write!(f, "\"{}\"", Escaped(self.0.as_bytes(), true))
    }
}

/// What a name may hold without quotes.
pub(super) fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-./".contains(&byte)
}

/// Bytes on one line. Blanks at the end are written out, and within quotes, quotes.
pub(super) struct Escaped<'a>(pub(super) &'a [u8], pub(super) bool);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    '\n' => f.write_str("\\n")?,
                    '\r' => f.write_str("\\r")?,
                    '"' if self.1 => f.write_str("\\\"")?,
                    c if c.is_control() => {
                        let mut buffer = [0; 4];
                        for byte in c.encode_utf8(&mut buffer).bytes() {
                            write!(f, "\\x{byte:02x}")?;
                        }
                    }
                    c => fmt::Write::write_char(f, c)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// The bytes that an escaped text stands for.
pub(super) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        if *first != b'\\' {
            out.push(*first);
            rest = more;
            continue;
        }
        let (kind, more) = more.split_first().ok_or("a text that ends in a backslash")?;
        rest = more;
        match kind {
            b'\\' | b'"' => out.push(*kind),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b'x' => {
                let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                out.push(byte.ok_or("a \\x without two digits")?);
                rest = &rest[2..];
            }
            other => return Err(format!("an unknown escape \\{}", *other as char)),
        }
    }
    Ok(out)
}

/// A span in the largest unit that it is a whole number of.
pub(super) struct Time(pub(super) Span);

impl From<VirtualTime> for Time {
    fn from(at: VirtualTime) -> Time {
        Time(Span(at.0))
    }
}

const UNITS: [(&str, i64); 4] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0.0;
        let (unit, size) = UNITS.iter().find(|(_, size)| ns % size == 0).expect("1 divides all");
        write!(f, "{}{unit}", ns / size)
    }
}

/// Reads a span such as `12.5s`, `300ms` or `-7us`.
pub(super) fn span(text: &str) -> Result<Span, String> {
    let bad = || format!("{text} is no time such as 12.5s, 300ms or 20us");
    let begin = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(bad)?;
    let (number, unit) = text.split_at(begin);
    let (_, size) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let negative = whole.starts_with('-');
    let digits = whole.trim_start_matches(['-', '+']);
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if digits.is_empty() || !is_number(digits) || !is_number(part) || part.len() > 9 {
        return Err(bad());
    }
    let whole: i64 = digits.parse().map_err(|_| bad())?;
    let mut ns = whole.checked_mul(*size).ok_or_else(bad)?;
    if !part.is_empty() {
        let scale = 10_i64.pow(part.len() as u32);
        let part: i64 = part.parse().map_err(|_| bad())?;
        let extra = i128::from(part) * i128::from(*size);
        if extra % i128::from(scale) != 0 {
            return Err(bad());
        }
        ns = ns.checked_add((extra / i128::from(scale)) as i64).ok_or_else(bad)?;
    }
    Ok(Span(if negative { -ns } else { ns }))
}

/// One word of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) quoted: bool,
    /// A number that follows with a colon, as in `a:120`.
    pub(super) number: Option<u64>,
}

/// The words of a line, up to a lone `=`; and what follows that.
pub(super) fn words(line: &str) -> Result<(Vec<Word>, Option<&str>), String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        if rest == "=" {
            return Ok((words, Some("")));
        }
        if let Some(value) = rest.strip_prefix("= ") {
            return Ok((words, Some(value)));
        }
        let (text, quoted, more) = match rest.strip_prefix('"') {
            Some(inner) => {
                let end = closing_quote(inner).ok_or("a quote that is not closed")?;
                let bytes = unescape(&inner[..end])?;
                let text = String::from_utf8(bytes).map_err(|_| "a name that is no text")?;
                (text, true, &inner[end + 1..])
            }
            None => {
                let end = rest.find([' ', ':']).unwrap_or(rest.len());
                (rest[..end].to_owned(), false, &rest[end..])
            }
        };
        let (number, more) = match more.strip_prefix(':') {
            Some(more) => {
                let end = more.find(' ').unwrap_or(more.len());
                let number = more[..end].parse().map_err(|_| "no number behind a colon")?;
                (Some(number), &more[end..])
            }
            None => (None, more),
        };
        words.push(Word { text, quoted, number });
        rest = more.trim_start();
    }
    Ok((words, None))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}
