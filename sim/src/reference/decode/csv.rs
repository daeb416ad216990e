//! CSV records, a character at a time.

use super::text::{Unreadable, value_of};
use crate::reference::cell::Cell;
use anabranch_engine::plan::CsvOptions;
use anabranch_engine::types::Field;

/// The values of a record that has one for each of the table's physical columns;
/// `None` if it is no row (empty, or a comment); or what is wrong with it as a whole.
// spec: F-1
pub(super) fn read(
    record: &[u8],
    columns: &[Field],
    options: &CsvOptions,
) -> Result<Option<Vec<Result<Cell, Unreadable>>>, String> {
    if record.is_empty() || (options.allow_comments && record[0] == b'#') {
        return Ok(None);
    }
    let text = std::str::from_utf8(record).map_err(|_| "not UTF-8".to_owned())?;
    let values = Reader { rest: text.chars().collect(), at: 0, options }.values()?;
    let (found, wanted) = (values.len(), columns.len());
    if found > wanted || (found < wanted && !options.ignore_parse_errors) {
        return Err(format!("{found} values where {wanted} belong"));
    }
    let cells = columns.iter().enumerate().map(|(index, column)| match values.get(index) {
        None => Ok(Cell::Null),
        Some(text) => value(text, column, options),
    });
    Ok(Some(cells.collect()))
}

fn value(text: &str, column: &Field, options: &CsvOptions) -> Result<Cell, Unreadable> {
    let is_null = options.null_literal.as_deref() == Some(text);
    if is_null || (text.is_empty() && !column.ty.sql.is_text()) {
        return Ok(Cell::Null);
    }
    match value_of(text, &column.ty.sql) {
        Err(Unreadable) if options.ignore_parse_errors => Ok(Cell::Null),
        other => other,
    }
}

struct Reader<'a> {
    rest: Vec<char>,
    at: usize,
    options: &'a CsvOptions,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn values(mut self) -> Result<Vec<String>, String> {
        let mut values = Vec::new();
        loop {
            let quote = self.options.quote_character;
            let value = match self.peek() {
                Some(first) if Some(first) == quote => self.quoted(first)?,
                _ => self.plain()?,
            };
            values.push(value);
            match self.peek() {
                Some('\n') if self.at + 1 < self.rest.len() => {
                    return Err("more than one line".to_owned());
                }
                None | Some('\n') => return Ok(values),
                Some(_) => self.at += 1,
            }
        }
    }

    fn is_end(&self) -> bool {
        self.peek().is_none_or(|next| next == '\n' || next == self.options.field_delimiter)
    }

    /// The character behind an escape character.
    fn escaped(&mut self) -> Result<char, String> {
        self.at += 1;
        let found = self.peek().ok_or("nothing behind the escape character")?;
        self.at += 1;
        Ok(match found {
            '0' => '\0',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            other => other,
        })
    }

    fn plain(&mut self) -> Result<String, String> {
        let mut value = String::new();
        // A carriage return counts as part of the line end only as it stands.
        let mut bare_return = false;
        while !self.is_end() {
            let next = self.rest[self.at];
            if Some(next) == self.options.escape_character {
                value.push(self.escaped()?);
                bare_return = false;
            } else {
                value.push(next);
                bare_return = next == '\r';
                self.at += 1;
            }
        }
        if bare_return && self.peek() == Some('\n') {
            value.pop();
        }
        Ok(value)
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        self.at += 1;
        let mut value = String::new();
        loop {
            let next = self.peek().ok_or("a quoted value does not end")?;
            if next == quote {
                self.at += 1;
                if self.peek() != Some(quote) {
                    break;
                }
                value.push(quote);
                self.at += 1;
            } else if Some(next) == self.options.escape_character {
                value.push(self.escaped()?);
            } else {
                value.push(next);
                self.at += 1;
            }
        }
        while !self.is_end() {
            if self.rest[self.at] > ' ' {
                return Err("something stands behind a closing quote".to_owned());
            }
            self.at += 1;
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anabranch_engine::types::SqlType;

    fn cells(text: &str) -> Result<Option<Vec<Result<Cell, Unreadable>>>, String> {
        let columns =
            [Field::new("a", SqlType::Int.nullable()), Field::new("b", SqlType::STRING.nullable())];
        let options = CsvOptions { null_literal: Some("nil".to_owned()), ..CsvOptions::default() };
        read(text.as_bytes(), &columns, &options)
    }

    #[test]
    fn values_are_null_bad_or_read() {
        let text = |text: &str| Ok(Cell::Text(text.to_owned()));
        assert_eq!(cells(",nil"), Ok(Some(vec![Ok(Cell::Null), Ok(Cell::Null)])));
        assert_eq!(cells("7,"), Ok(Some(vec![Ok(Cell::Int(7)), text("")])));
        assert_eq!(cells("x,\"a,\"\"b\" "), Ok(Some(vec![Err(Unreadable), text("a,\"b")])));
        assert_eq!(cells(""), Ok(None));
        for bad in ["1", "1,2,3", "1,\"a", "1,\"a\"b", "1,a\nb"] {
            assert!(cells(bad).is_err(), "{bad}");
        }
    }
}
