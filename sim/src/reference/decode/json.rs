//! JSON records: `serde_json` judges the syntax, and a plain recursive reader makes a
//! tree of what it let through.

use super::text::{Unreadable, value_of, whole_part};
use crate::reference::cell::Cell;
use anabranch_engine::plan::JsonOptions;
use anabranch_engine::types::{DataType, Field, SqlType};
use serde_json::value::RawValue;

/// How deep a record may be nested.
const DEPTH_MAX: usize = 256;

/// A JSON value; containers with their text.
enum Json {
    Null,
    Boolean(bool),
    Number(String),
    Text(String),
    Array(Vec<Json>, String),
    Object(Vec<(String, Json)>, String),
}

/// The fields of a record, or what is wrong with it as a whole.
// spec: F-1
pub(super) fn read(
    record: &[u8],
    fields: &[Field],
    options: &JsonOptions,
) -> Result<Vec<Result<Cell, Unreadable>>, String> {
    let text = std::str::from_utf8(record).map_err(|_| "not UTF-8".to_owned())?;
    serde_json::from_str::<&RawValue>(text).map_err(|error| error.to_string())?;
    if depth_of(text) > DEPTH_MAX {
        return Err("nested too deep".to_owned());
    }
    let Json::Object(items, _) = (Reader { text, at: 0 }).value() else {
        return Err("no object".to_owned());
    };
    Ok(fields.iter().map(|field| field_of(&items, field, options)).collect())
}

/// How many brackets are open at most.
fn depth_of(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth -= 1,
            _ => {}
        }
    }
    deepest
}

fn field_of(
    items: &[(String, Json)],
    field: &Field,
    options: &JsonOptions,
) -> Result<Cell, Unreadable> {
    // Of equal keys the last one counts.
    let found = items.iter().rev().find(|(key, _)| *key == field.name);
    match found {
        None if options.fail_on_missing_field && !options.ignore_parse_errors => Err(Unreadable),
        None => Ok(Cell::Null),
        Some((_, value)) => item(value, &field.ty, options),
    }
}

fn item(value: &Json, ty: &DataType, options: &JsonOptions) -> Result<Cell, Unreadable> {
    match convert(value, &ty.sql, options) {
        Err(Unreadable) if options.ignore_parse_errors => Ok(Cell::Null),
        other => other,
    }
}

fn convert(value: &Json, ty: &SqlType, options: &JsonOptions) -> Result<Cell, Unreadable> {
    match (value, ty) {
        (Json::Null, _) => Ok(Cell::Null),
        (Json::Object(items, _), SqlType::Row(fields)) => {
            let cells = fields.iter().map(|field| field_of(items, field, options));
            Ok(Cell::Row(cells.collect::<Result<_, _>>()?))
        }
        (Json::Array(items, _), SqlType::Array(element)) => {
            let cells = items.iter().map(|value| item(value, element, options));
            Ok(Cell::Array(cells.collect::<Result<_, _>>()?))
        }
        (
            Json::Array(_, source) | Json::Object(_, source),
            SqlType::Char(_) | SqlType::VarChar(_),
        ) => Ok(Cell::Text(without_space(source))),
        (Json::Array(..) | Json::Object(..), _) => Err(Unreadable),
        (Json::Number(_), SqlType::Boolean) => Err(Unreadable),
        (Json::Number(text), SqlType::Int | SqlType::BigInt) if text.contains(['.', 'e', 'E']) => {
            whole_part(text, ty)
        }
        (Json::Number(_) | Json::Boolean(_), SqlType::Binary(_) | SqlType::VarBinary(_)) => {
            Err(Unreadable)
        }
        (Json::Boolean(value), _) => value_of(if *value { "true" } else { "false" }, ty),
        (Json::Number(text) | Json::Text(text), _) => value_of(text, ty),
    }
}

/// The text without the white space outside of its strings.
fn without_space(source: &str) -> String {
    let (mut in_text, mut escaped) = (false, false);
    let mut kept = String::new();
    for character in source.chars() {
        if in_text {
            in_text = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else if character.is_ascii_whitespace() {
            continue;
        } else {
            in_text = character == '"';
        }
        kept.push(character);
    }
    kept
}

/// Reads a text that is known to be JSON.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn byte(&self) -> u8 {
        self.text.as_bytes()[self.at]
    }

    fn skip_space(&mut self) {
        while self.at < self.text.len() && self.byte().is_ascii_whitespace() {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Json {
        self.skip_space();
        let start = self.at;
        match self.byte() {
            b'"' => Json::Text(self.string()),
            b'[' => {
                let items = self.items(Reader::value);
                Json::Array(items, self.text[start..self.at].to_owned())
            }
            b'{' => {
                let items = self.items(|reader| {
                    let key = reader.string();
                    reader.skip_space();
                    reader.at += 1;
                    (key, reader.value())
                });
                Json::Object(items, self.text[start..self.at].to_owned())
            }
            _ => {
                while self.at < self.text.len() && !b",]} \t\r\n".contains(&self.byte()) {
                    self.at += 1;
                }
                match &self.text[start..self.at] {
                    "null" => Json::Null,
                    "true" => Json::Boolean(true),
                    "false" => Json::Boolean(false),
                    number => Json::Number(number.to_owned()),
                }
            }
        }
    }

    /// What stands between brackets, the closing one included.
    fn items<T>(&mut self, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_space();
            match self.byte() {
                b']' | b'}' => break,
                b',' => {
                    self.at += 1;
                    self.skip_space();
                }
                _ => {}
            }
            items.push(one(self));
        }
        self.at += 1;
        items
    }

    /// A string; half a surrogate pair in it becomes `?`, as in Flink.
    fn string(&mut self) -> String {
        let mut text = String::new();
        self.at += 1;
        let mut units: Vec<u16> = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            let character = rest.chars().next().expect("the string ends");
            if let Some(escaped) = rest.strip_prefix("\\u") {
                let unit = u16::from_str_radix(&escaped[..4], 16).expect("four digits");
                units.push(unit);
                self.at += 6;
                continue;
            }
            flush(&mut units, &mut text);
            match character {
                '"' => break,
                '\\' => {
                    text.push(match rest.as_bytes()[1] {
                        b'b' => '\u{8}',
                        b'f' => '\u{c}',
                        b'n' => '\n',
                        b'r' => '\r',
                        b't' => '\t',
                        other => char::from(other),
                    });
                    self.at += 2;
                }
                other => {
                    text.push(other);
                    self.at += other.len_utf8();
                }
            }
        }
        self.at += 1;
        text
    }
}

/// Appends the characters of escaped UTF-16 units.
fn flush(units: &mut Vec<u16>, text: &mut String) {
    text.extend(char::decode_utf16(units.drain(..)).map(|unit| unit.unwrap_or('?')));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Vec<Field> {
        vec![
            Field::new("a", SqlType::BigInt.nullable()),
            Field::new("b", SqlType::STRING.nullable()),
            Field::new("c", SqlType::Boolean.nullable()),
        ]
    }

    fn cells(text: &str) -> Result<Vec<Result<Cell, Unreadable>>, String> {
        read(text.as_bytes(), &fields(), &JsonOptions::default())
    }

    #[test]
    fn a_record_is_dead_as_a_whole_or_in_one_field() {
        // spec: F-1
        let text = |text: &str| Ok(Cell::Text(text.to_owned()));
        assert_eq!(
            cells(r#" {"a":1.9,"b":{"x": [1, "a b"]},"a":7,"other":[{}]} "#),
            Ok(vec![Ok(Cell::Int(7)), text(r#"{"x":[1,"a b"]}"#), Ok(Cell::Null)])
        );
        assert_eq!(
            cells(r#"{"a":"x","b":12.50,"c":"TRUE"}"#),
            Ok(vec![Err(Unreadable), text("12.50"), Ok(Cell::Boolean(true))])
        );
        for bad in ["", "[1]", "{\"a\":01}", "{\"a\":1,}", "{\"a\":1} x", "{\"z\":\"\t\"}"] {
            assert!(cells(bad).is_err(), "{bad}");
        }
        let deep =
            |levels: usize| format!("{{\"z\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(cells(&deep(255)).is_ok());
        assert!(cells(&deep(256)).is_err());
    }

    #[test]
    fn strings_are_unescaped() {
        let of = |text: &str| cells(text).map(|cells| cells[1].clone());
        let expected = |text: &str| Ok(Ok(Cell::Text(text.to_owned())));
        assert_eq!(of(r#"{"b":"\ud83d\ude00 \ud83dA\"\\\/\n\u00e9"}"#), expected("😀 ?A\"\\/\né"));
    }
}
