//! Places in the SQL text: bytes, lines and columns.

use anabranch_engine::diagnostic::Span;
use sqlparser::tokenizer::{Location, Span as TokenSpan};
use std::collections::BTreeMap;

/// A line and a column, both counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineColumn {
    /// The line.
    pub line: usize,
    /// The character within the line.
    pub column: usize,
}

/// Turns bytes of a text into lines and columns, and back.
#[derive(Clone, Debug)]
pub struct LineIndex<'a> {
    text: &'a str,
    /// The byte at which each line starts.
    starts: Vec<usize>,
    /// For each line with characters of several bytes the byte of every
    /// [`STRIDE`]th character within it, so that long lines are not read again and
    /// again.
    marks: BTreeMap<usize, Vec<usize>>,
}

/// How many characters lie between two marks.
const STRIDE: usize = 64;

impl<'a> LineIndex<'a> {
    /// Reads the text once.
    #[must_use]
    pub fn new(text: &'a str) -> LineIndex<'a> {
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        let starts: Vec<usize> = std::iter::once(0).chain(after_breaks).collect();
        let lines = text.split('\n').enumerate().filter(|(_, line)| !line.is_ascii());
        let marks = lines
            .map(|(line, text)| {
                (line, text.char_indices().step_by(STRIDE).map(|(byte, _)| byte).collect())
            })
            .collect();
        LineIndex { text, starts, marks }
    }

    /// The line and column of a byte; of the end if the text is shorter.
    #[must_use]
    pub fn position(&self, byte: u32) -> LineColumn {
        let byte = (byte as usize).min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= byte).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let before = self.text.get(start..byte).unwrap_or("");
        LineColumn { line: line + 1, column: before.chars().count() + 1 }
    }

    /// The text of a line, counted from 1, without its break.
    #[must_use]
    pub fn line(&self, line: usize) -> &'a str {
        self.text.lines().nth(line.saturating_sub(1)).unwrap_or("")
    }

    /// What stands before a byte in its line.
    pub(crate) fn before(&self, byte: usize) -> &'a str {
        let line = self.starts.partition_point(|start| *start <= byte).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        self.text.get(start..byte).unwrap_or("")
    }

    /// The byte after the word or character that starts at `start`.
    pub(crate) fn token_end(&self, start: usize) -> usize {
        let rest = self.text.get(start..).unwrap_or("");
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$');
        match word.unwrap_or(rest.len()) {
            0 => start + rest.chars().next().map_or(0, char::len_utf8),
            length => start + length,
        }
    }

    /// The bytes that a span of tokens covers.
    pub(crate) fn span(&self, span: TokenSpan) -> Span {
        if span.start.line == 0 {
            return Span::default();
        }
        Span::new(self.byte(span.start), self.byte(span.end))
    }

    /// The byte at a location that the tokenizer gave.
    pub(crate) fn byte(&self, location: Location) -> usize {
        let Some(line) = (location.line as usize).checked_sub(1) else { return 0 };
        let Some(start) = self.starts.get(line) else { return self.text.len() };
        let column = (location.column as usize).saturating_sub(1);
        let Some(marks) = self.marks.get(&line) else {
            return (start + column).min(self.text.len());
        };
        let Some(mark) = marks.get(column / STRIDE) else { return self.text.len() };
        let rest = self.text.get(start + mark..).unwrap_or("");
        match rest.char_indices().nth(column % STRIDE) {
            Some((offset, _)) => start + mark + offset,
            None => self.text.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_breaks() {
        let index = LineIndex::new("SELECT 'ä',\nb");
        let column = |byte| (index.position(byte).line, index.position(byte).column);
        assert_eq!(column(0), (1, 1));
        assert_eq!(column(11), (1, 11));
        assert_eq!(column(13), (2, 1));
        assert_eq!(column(99), (2, 2));
        assert_eq!(index.byte(Location { line: 1, column: 11 }), 11);
        assert_eq!(index.byte(Location { line: 2, column: 1 }), 13);
        assert_eq!(index.line(2), "b");
        let long = format!("{}x", "ä".repeat(200));
        let index = LineIndex::new(&long);
        assert_eq!(index.byte(Location { line: 1, column: 201 }), 400);
        assert_eq!(index.byte(Location { line: 1, column: 999 }), 401);
    }
}
