//! Rows as a sink's table writes them: the interpreter's own writers.

use super::calendar::{date_text, time_text, timestamp_text};
use super::cell::Cell;
use anabranch_engine::plan::{CsvOptions, FormatSpec, JsonOptions, Table, TimestampFormat};
use anabranch_engine::types::{Schema, SqlType};
use std::fmt;

/// The text of a row, of which parts may not be known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    /// What is known; anything may stand between two of them.
    parts: Vec<Vec<u8>>,
}

impl Pattern {
    /// The text, if all of it is known.
    #[must_use]
    pub fn exact(&self) -> Option<&[u8]> {
        match self.parts.as_slice() {
            [whole] => Some(whole),
            _ => None,
        }
    }

    /// Whether a text is one of those that the pattern stands for.
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        let (first, rest) = self.parts.split_first().expect("a pattern has a part");
        let Some((last, middle)) = rest.split_last() else { return text == *first };
        let Some(text) = text.strip_prefix(first.as_slice()) else { return false };
        let Some(mut text) = text.strip_suffix(last.as_slice()) else { return false };
        for part in middle {
            let mut places = 0..=text.len().saturating_sub(part.len());
            let Some(at) = places.find(|at| text[*at..].starts_with(part)) else { return false };
            text = &text[at + part.len()..];
        }
        true
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.parts.iter().map(|part| String::from_utf8_lossy(part)).collect();
        f.write_str(&parts.join("…"))
    }
}

/// A text that grows, with gaps.
struct Writer {
    parts: Vec<Vec<u8>>,
}

impl Writer {
    fn new() -> Writer {
        Writer { parts: vec![Vec::new()] }
    }

    fn push(&mut self, text: impl AsRef<[u8]>) {
        self.parts.last_mut().expect("it has a part").extend_from_slice(text.as_ref());
    }

    fn gap(&mut self) {
        self.parts.push(Vec::new());
    }
}

/// A row of a sink's table as it is written there, without a line end.
#[must_use]
pub fn encode_row(table: &Table, schema: &Schema, cells: &[Cell]) -> Pattern {
    match table.is_hash() {
        true => hash(schema, cells),
        false => encode(&table.format, schema, cells),
    }
}

/// A row as the fields of a hash, in the order of their names: each is the length of the
/// name, the name, the length of the value and the value. NULL has no field; a value stands
/// there as in JSON, without quotes and escapes.
fn hash(schema: &Schema, cells: &[Cell]) -> Pattern {
    let mut out = Writer::new();
    let mut fields: Vec<_> = schema.fields.iter().zip(cells).collect();
    fields.retain(|(_, cell)| !matches!(cell, Cell::Null));
    fields.sort_by_key(|(field, _)| &field.name);
    for (field, cell) in fields {
        out.push(length(field.name.len()));
        out.push(&field.name);
        if let Cell::Opaque(start) = cell {
            out.gap();
            out.push(start);
            out.gap();
            continue;
        }
        let text = field_text(cell, &field.ty.sql);
        out.push(length(text.len()));
        out.push(text);
    }
    Pattern { parts: out.parts }
}

/// Seven bits a byte, the lowest first; all but the last have the eighth set.
fn length(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 128 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn field_text(cell: &Cell, ty: &SqlType) -> Vec<u8> {
    match cell {
        Cell::Text(text) => text.clone().into_bytes(),
        Cell::Row(_) | Cell::Array(_) => {
            let mut out = Writer::new();
            json_value(&JsonOptions::default(), cell, ty, &mut out);
            out.parts.concat()
        }
        _ => bare_text(cell, ty).unwrap_or_else(|| quoted_text(cell, ty, ' ')).into_bytes(),
    }
}

/// The row in a format, without a line end. A table without a format is written as
/// JSON.
#[must_use]
pub fn encode(format: &FormatSpec, schema: &Schema, cells: &[Cell]) -> Pattern {
    let mut out = Writer::new();
    match format {
        FormatSpec::Csv(options) => csv_line(options, schema, cells, &mut out),
        FormatSpec::Json(options) => json_row(options, schema, cells, &mut out),
        FormatSpec::None => json_row(&JsonOptions::default(), schema, cells, &mut out),
    }
    Pattern { parts: out.parts }
}

fn json_row(options: &JsonOptions, schema: &Schema, cells: &[Cell], out: &mut Writer) {
    out.push("{");
    for (index, (field, cell)) in schema.fields.iter().zip(cells).enumerate() {
        if index > 0 {
            out.push(",");
        }
        json_text(&field.name, out);
        out.push(":");
        json_value(options, cell, &field.ty.sql, out);
    }
    out.push("}");
}

fn json_text(text: &str, out: &mut Writer) {
    out.push("\"");
    json_characters(text, out);
    out.push("\"");
}

fn json_characters(text: &str, out: &mut Writer) {
    for character in text.chars() {
        match character {
            '"' => out.push("\\\""),
            '\\' => out.push("\\\\"),
            '\u{8}' => out.push("\\b"),
            '\u{c}' => out.push("\\f"),
            '\n' => out.push("\\n"),
            '\r' => out.push("\\r"),
            '\t' => out.push("\\t"),
            control if control < ' ' => out.push(format!("\\u{:04X}", u32::from(control))),
            other => out.push(other.to_string()),
        }
    }
}

fn json_value(options: &JsonOptions, cell: &Cell, ty: &SqlType, out: &mut Writer) {
    match (cell, ty) {
        (Cell::Null, _) => out.push("null"),
        (Cell::Text(text), _) => json_text(text, out),
        (Cell::Opaque(start), _) if ty.is_text() => {
            out.push("\"");
            json_characters(start, out);
            out.gap();
            out.push("\"");
        }
        (Cell::Opaque(_), _) => out.gap(),
        (Cell::Row(cells), SqlType::Row(fields)) => {
            json_row(options, &Schema::new(fields.clone()), cells, out);
        }
        (Cell::Array(cells), SqlType::Array(element)) => {
            out.push("[");
            for (index, cell) in cells.iter().enumerate() {
                if index > 0 {
                    out.push(",");
                }
                json_value(options, cell, &element.sql, out);
            }
            out.push("]");
        }
        _ => match bare_text(cell, ty) {
            Some(text)
                if text.starts_with(|c: char| c.is_ascii_digit() || c == '-')
                    && !text.ends_with("Infinity") =>
            {
                out.push(text);
            }
            Some(text) if text == "true" || text == "false" => out.push(text),
            Some(name) => out.push(format!("\"{name}\"")),
            None => {
                let separator = match options.timestamp_format {
                    TimestampFormat::Sql => ' ',
                    TimestampFormat::Iso8601 => 'T',
                };
                out.push(format!("\"{}\"", quoted_text(cell, ty, separator)));
            }
        },
    }
}

/// The text of a boolean or number; `None` of other values.
fn bare_text(cell: &Cell, ty: &SqlType) -> Option<String> {
    let special = |value: f64| match value {
        _ if value.is_nan() => "NaN",
        _ if value > 0.0 => "Infinity",
        _ => "-Infinity",
    };
    Some(match cell {
        Cell::Boolean(value) => value.to_string(),
        Cell::Int(value) | Cell::Millis(value) => value.to_string(),
        Cell::Months(value) => value.to_string(),
        Cell::Double(value) if !value.is_finite() => special(*value).to_owned(),
        Cell::Float(value) if !value.is_finite() => special(f64::from(*value)).to_owned(),
        Cell::Double(value) => ryu::Buffer::new().format_finite(*value).to_owned(),
        Cell::Float(value) => ryu::Buffer::new().format_finite(*value).to_owned(),
        Cell::Decimal(value) => {
            let SqlType::Decimal { scale, .. } = ty else { panic!("{cell:?} is no {ty}") };
            decimal_text(*value, usize::from(*scale))
        }
        _ => return None,
    })
}

fn decimal_text(value: i128, scale: usize) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// The text of a time or of bytes.
fn quoted_text(cell: &Cell, ty: &SqlType, separator: char) -> String {
    match (cell, ty) {
        (Cell::Date(days), _) => date_text(i64::from(*days)),
        (Cell::Time(ms), _) => time_text(i64::from(*ms) * 1_000_000),
        (Cell::Timestamp(value), SqlType::Timestamp(precision)) => {
            timestamp_text(*value, *precision, separator)
        }
        (Cell::Timestamp(value), SqlType::TimestampLtz(precision)) => {
            format!("{}Z", timestamp_text(*value, *precision, separator))
        }
        (Cell::Bytes(bytes), _) => base64(bytes),
        _ => panic!("{cell:?} is no {ty}"),
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 63;
            let known = digit <= group.len();
            text.push(if known { char::from(ALPHABET[value as usize]) } else { '=' });
        }
    }
    text
}

/// Texts of more characters are always quoted in CSV.
const UNQUOTED_MAX: usize = 24;

fn csv_line(options: &CsvOptions, schema: &Schema, cells: &[Cell], out: &mut Writer) {
    for (index, (field, cell)) in schema.fields.iter().zip(cells).enumerate() {
        if index > 0 {
            out.push(options.field_delimiter.to_string());
        }
        match cell {
            Cell::Null => out.push(options.null_literal.as_deref().unwrap_or("")),
            Cell::Opaque(_) => out.gap(),
            Cell::Row(_) | Cell::Array(_) => {}
            Cell::Text(text) => csv_text(options, text, out),
            other => match bare_text(other, &field.ty.sql) {
                Some(text) => out.push(text),
                None => csv_text(options, &quoted_text(other, &field.ty.sql, ' '), out),
            },
        }
    }
    if let ([whole], Some(quote)) = (out.parts.as_mut_slice(), options.quote_character)
        && whole.is_empty()
    {
        whole.extend(format!("{quote}{quote}").bytes());
    }
}

fn csv_text(options: &CsvOptions, text: &str, out: &mut Writer) {
    let quote = options.quote_character;
    let highest = options.field_delimiter.max(quote.unwrap_or('\0')).max('\r');
    let asks = |c: char| c <= highest || Some(c) == options.escape_character;
    let needs = text.encode_utf16().count() > UNQUOTED_MAX
        || text.contains(asks)
        || (options.allow_comments && text.starts_with('#'));
    let Some(quote) = quote.filter(|_| needs) else { return out.push(text) };
    out.push(quote.to_string());
    for character in text.chars() {
        if character == quote || Some(character) == options.escape_character {
            out.push(character.to_string());
        }
        out.push(character.to_string());
    }
    out.push(quote.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use anabranch_engine::types::Field;

    fn row() -> (Schema, Vec<Cell>) {
        let schema = Schema::new(vec![
            Field::new("t", SqlType::Timestamp(3).nullable()),
            Field::new("d", SqlType::Double.nullable()),
            Field::new("n", SqlType::Decimal { precision: 9, scale: 2 }.nullable()),
            Field::new("s", SqlType::STRING.nullable()),
            Field::new("b", SqlType::BYTES.nullable()),
        ]);
        let cells = vec![
            Cell::Timestamp(1_500),
            Cell::Double(f64::NEG_INFINITY),
            Cell::Decimal(-5),
            Cell::Text("a\"\u{1f}".to_owned()),
            Cell::Bytes(b"foob".to_vec()),
        ];
        (schema, cells)
    }

    #[test]
    fn rows_are_written_as_json_and_csv() {
        let (schema, cells) = row();
        let json = encode(&FormatSpec::Json(JsonOptions::default()), &schema, &cells);
        assert_eq!(
            String::from_utf8_lossy(json.exact().unwrap()),
            r#"{"t":"1970-01-01 00:00:01.5","d":"-Infinity","n":-0.05,"s":"a\"\u001F","b":"Zm9vYg=="}"#
        );
        let csv = encode(&FormatSpec::Csv(CsvOptions::default()), &schema, &cells);
        assert_eq!(
            String::from_utf8_lossy(csv.exact().unwrap()),
            "\"1970-01-01 00:00:01.5\",-Infinity,-0.05,\"a\"\"\u{1f}\",Zm9vYg=="
        );
    }

    #[test]
    fn a_row_is_written_as_a_hash() {
        let (schema, mut cells) = row();
        cells[2] = Cell::Null;
        let fields = [
            ("b", "Zm9vYg=="),
            ("d", "-Infinity"),
            ("s", "a\"\u{1f}"),
            ("t", "1970-01-01 00:00:01.5"),
        ];
        let mut expected = Vec::new();
        for (name, value) in fields {
            expected.extend([1, name.as_bytes()[0], value.len() as u8]);
            expected.extend(value.as_bytes());
        }
        assert_eq!(hash(&schema, &cells).exact(), Some(expected.as_slice()));
        assert_eq!(length(300), [0b1010_1100, 2]);
    }

    #[test]
    fn what_is_not_known_may_be_anything() {
        let (schema, mut cells) = row();
        cells[3] = Cell::Opaque("cast: ".to_owned());
        let json = encode(&FormatSpec::Json(JsonOptions::default()), &schema, &cells);
        let text = |s: &str| {
            format!(
                r#"{{"t":"1970-01-01 00:00:01.5","d":"-Infinity","n":-0.05,"s":"{s}","b":"Zm9vYg=="}}"#
            )
        };
        assert!(json.matches(text("cast: 'x' is no INT").as_bytes()));
        assert!(!json.matches(text("parse: 'x'").as_bytes()));
        assert!(json.exact().is_none());
    }
}
