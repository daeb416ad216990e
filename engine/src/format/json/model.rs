//! The decoder against a model: each record is parsed by itself into a tree, by a
//! plain recursive parser whose verdict is that of `serde_json`, and converted value
//! by value with the tools of std, `chrono` and `num-bigint`.

use super::*;
use crate::format::test_support::{NAMES, any_type, block, error_rows, field, value_at};
use crate::types::{DataType, SqlType, Value};
use num_bigint::BigInt;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::sync::LazyLock;

#[derive(Clone, Debug)]
enum Node {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Array(Vec<Node>, String),
    Object(Vec<(String, Node)>, String),
}

/// The tree of a record that `serde_json` accepts, each container with its text.
struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn byte(&self) -> u8 {
        self.text.as_bytes()[self.at]
    }

    fn space(&mut self) {
        while self.at < self.text.len() && self.byte().is_ascii_whitespace() {
            self.at += 1;
        }
    }

    fn text(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        while self.byte() != b'"' {
            self.at += if self.byte() == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        serde_json::from_str(&self.text[start..self.at]).expect("a string")
    }

    fn node(&mut self) -> Node {
        self.space();
        let start = self.at;
        match self.byte() {
            b'"' => Node::Text(self.text()),
            open @ (b'[' | b'{') => {
                self.at += 1;
                let mut items = Vec::new();
                loop {
                    self.space();
                    match self.byte() {
                        b']' | b'}' => break,
                        b',' => self.at += 1,
                        _ => {}
                    }
                    self.space();
                    let key = if open == b'{' { self.text() } else { String::new() };
                    self.space();
                    self.at += usize::from(open == b'{');
                    items.push((key, self.node()));
                }
                self.at += 1;
                let source = self.text[start..self.at].to_owned();
                if open == b'{' {
                    return Node::Object(items, source);
                }
                Node::Array(items.into_iter().map(|(_, node)| node).collect(), source)
            }
            _ => {
                while self.at < self.text.len() && !b",]} \t\r\n".contains(&self.byte()) {
                    self.at += 1;
                }
                match &self.text[start..self.at] {
                    "null" => Node::Null,
                    "true" => Node::Bool(true),
                    "false" => Node::Bool(false),
                    number => Node::Number(number.to_owned()),
                }
            }
        }
    }
}

/// The value, or that it is bad.
fn convert(ty: &DataType, node: Option<&Node>, options: &JsonOptions) -> Result<Value, ()> {
    let result = match node {
        None if options.fail_on_missing_field => Err(()),
        None | Some(Node::Null) => Ok(Value::Null),
        Some(node) => convert_value(&ty.sql, node, options),
    };
    if options.ignore_parse_errors { Ok(result.unwrap_or(Value::Null)) } else { result }
}

fn convert_value(sql: &SqlType, node: &Node, options: &JsonOptions) -> Result<Value, ()> {
    match (sql, node) {
        (SqlType::Row(fields), Node::Object(items, _)) => {
            let value = |f: &Field| {
                let found = items.iter().rev().find(|(key, _)| *key == f.name);
                convert(&f.ty, found.map(|(_, node)| node), options)
            };
            return Ok(Value::Row(fields.iter().map(value).collect::<Result<_, _>>()?));
        }
        (SqlType::Array(element), Node::Array(items, _)) => {
            let value = |node| convert(element, Some(node), options);
            return Ok(Value::Array(items.iter().map(value).collect::<Result<_, _>>()?));
        }
        (SqlType::VarChar(_), Node::Array(_, source) | Node::Object(_, source)) => {
            return Ok(Value::Text(without_space(source)));
        }
        (_, Node::Array(..) | Node::Object(..)) => return Err(()),
        _ => {}
    }
    let (text, is_text) = match node {
        Node::Bool(value) => (value.to_string(), false),
        Node::Number(text) => (text.clone(), false),
        Node::Text(text) => (text.clone(), true),
        _ => return Err(()),
    };
    let trimmed = text.trim_matches(|c: char| c <= ' ');
    let is_fraction = !is_text && text.contains(['.', 'e', 'E']);
    Ok(match sql {
        SqlType::Null => Value::Null,
        SqlType::Boolean if matches!(node, Node::Number(_)) => return Err(()),
        SqlType::Boolean => Value::Boolean(trimmed.to_lowercase().parse().map_err(drop)?),
        SqlType::Int | SqlType::BigInt if is_fraction => {
            let (whole, scale) = big_decimal(&text).ok_or(())?;
            integer(sql, &rescaled_down(&whole, scale).to_string())?
        }
        sql if sql.is_integer() => integer(sql, trimmed)?,
        SqlType::IntervalYearMonth => Value::Months(trimmed.parse().map_err(drop)?),
        SqlType::IntervalDayTime => Value::Millis(trimmed.parse().map_err(drop)?),
        SqlType::Float => Value::Float(float_text(trimmed)?.parse().map_err(drop)?),
        SqlType::Double => Value::Double(float_text(trimmed)?.parse().map_err(drop)?),
        SqlType::Decimal { precision, scale } => decimal(trimmed, *precision, *scale)?,
        SqlType::VarChar(_) => Value::Text(text),
        SqlType::VarBinary(_) if is_text => Value::Bytes(base64(&text).ok_or(())?),
        SqlType::Date => {
            if !has_shape("0000-00-00", &text) {
                return Err(());
            }
            let date = chrono::NaiveDate::parse_from_str(&text, "%Y-%m-%d").map_err(drop)?;
            Value::Date(date.signed_duration_since(chrono::NaiveDate::default()).num_days() as i32)
        }
        SqlType::Timestamp(precision) => timestamp(&text, *precision, "")?,
        SqlType::TimestampLtz(precision) => timestamp(&text, *precision, "Z")?,
        SqlType::Time(precision) => {
            let full = format!("1970-01-01 {text}");
            let Value::Timestamp(millis) = timestamp(&full, (*precision).min(3), "")? else {
                return Err(());
            };
            Value::Time(millis as i32)
        }
        _ => return Err(()),
    })
}

fn integer(sql: &SqlType, text: &str) -> Result<Value, ()> {
    Ok(Value::Int(match sql {
        SqlType::TinyInt => text.parse::<i8>().map_err(drop)?.into(),
        SqlType::SmallInt => text.parse::<i16>().map_err(drop)?.into(),
        SqlType::Int => text.parse::<i32>().map_err(drop)?.into(),
        _ => text.parse().map_err(drop)?,
    }))
}

fn float_text(text: &str) -> Result<&str, ()> {
    let is_word = text.contains(|c: char| c.is_alphabetic() && c != 'e' && c != 'E');
    let is_known = ["NaN", "Infinity", "-Infinity"].contains(&text);
    if is_word && !is_known { Err(()) } else { Ok(text) }
}

/// The number as an integer and a power of ten that it was multiplied with.
fn big_decimal(text: &str) -> Option<(BigInt, i64)> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let scale = fraction.len() as i64 - exponent.parse::<i64>().ok()?;
    Some((digits.parse().ok()?, scale))
}

fn power(exponent: i64) -> BigInt {
    BigInt::from(10).pow(exponent as u32)
}

fn rescaled_down(value: &BigInt, scale: i64) -> BigInt {
    if scale > 0 { value / power(scale) } else { value * power(-scale) }
}

fn decimal(text: &str, precision: u8, scale: u8) -> Result<Value, ()> {
    let (value, from) = big_decimal(text).ok_or(())?;
    // One digit more than wanted, rounded half away from zero; cutting first is no
    // double rounding.
    let tenfold = rescaled_down(&value, from - i64::from(scale) - 1);
    let half = if tenfold < BigInt::ZERO { BigInt::from(-5) } else { BigInt::from(5) };
    let rounded: BigInt = (tenfold + half) / 10;
    if rounded.magnitude() >= power(i64::from(precision)).magnitude() {
        return Ok(Value::Null);
    }
    Ok(Value::Decimal(rounded.to_string().parse().map_err(drop)?))
}

/// Whether the text has a digit for each `0` of the shape and else the same characters.
fn has_shape(shape: &str, text: &str) -> bool {
    let same = |(s, t): (u8, u8)| if s == b'0' { t.is_ascii_digit() } else { s == t };
    shape.len() == text.len() && shape.bytes().zip(text.bytes()).all(same)
}

fn timestamp(text: &str, precision: u8, end: &str) -> Result<Value, ()> {
    let text = text.strip_suffix(end).ok_or(())?;
    let text = if text.get(10..11) == Some("T") { text.replace('T', " ") } else { text.to_owned() };
    let (head, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let is_whole = has_shape("0000-00-00 00:00:00", head);
    let is_short = has_shape("0000-00-00 00:00", &text);
    let is_fraction = fraction.len() <= 9 && fraction.bytes().all(|b| b.is_ascii_digit());
    // `chrono` has leap seconds.
    if !is_fraction || !(is_short || is_whole && &head[17..] != "60") {
        return Err(());
    }
    let head = if head.len() == 16 { format!("{head}:00") } else { head.to_owned() };
    let at = chrono::NaiveDateTime::parse_from_str(&head, "%Y-%m-%d %H:%M:%S").map_err(drop)?;
    let kept: String = format!("{fraction:0<9}").chars().take(precision.into()).collect();
    let nanos: i128 = format!("{kept:0<9}").parse().map_err(drop)?;
    let nanos = i128::from(at.and_utc().timestamp()) * 1_000_000_000 + nanos;
    let per_unit = match precision {
        0..=3 => 1_000_000,
        4..=6 => 1_000,
        _ => 1,
    };
    Ok(Value::Timestamp(i64::try_from(nanos.div_euclid(per_unit)).map_err(drop)?))
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text: String = text.chars().filter(|c| *c > ' ').collect();
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut bits = String::new();
    for c in digits.chars() {
        bits.push_str(&format!("{:06b}", alphabet.find(c)?));
    }
    let whole = bits.len() / 8 * 8;
    let byte = |at| u8::from_str_radix(&bits[at..at + 8], 2).ok();
    (0..whole).step_by(8).map(byte).collect()
}

fn without_space(source: &str) -> String {
    // Outside of strings no quote is escaped.
    static TOKEN: LazyLock<regex::Regex> =
        LazyLock::new(|| regex::Regex::new(r#"("(?:[^"\\]|\\.)*")|\s+"#).expect("a pattern"));
    TOKEN.replace_all(source, "$1").into_owned()
}

fn scalar_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (-300_i64..300).prop_map(|n| n.to_string()),
        2 => any::<i64>().prop_map(|n| n.to_string()),
        2 => "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?",
        2 => "\"[ ]?[+-]?[0-9]{1,5}(\\.[0-9]{0,3})?[ ]?\"",
        2 => prop_oneof![Just("null"), Just("true"), Just("false")].prop_map(str::to_owned),
        1 => prop_oneof![Just("\" True \""), Just("\"NaN\""), Just("\"\""), Just("\"Infinity\"")]
            .prop_map(str::to_owned),
        3 => "\"([a-zé😀 ]|\\\\[\"\\\\/bfnrt]|\\\\u00[0-9a-fA-F]{2}|\\\\ud83d\\\\ude0[0-9]){0,20}\"",
        1 => "\"([A-Za-z0-9+/]{4}){0,3}(={0,3})\"",
        3 => "\"(20|19)[0-9]{2}-[01][0-9]-[0-3][0-9]([ T][0-2][0-9]:[0-6][0-9](:[0-6][0-9](\\.[0-9]{0,10})?)?Z?)?\"",
        1 => "\"[0-2][0-9]:[0-6][0-9](:[0-6][0-9](\\.[0-9]{1,3})?)?\"",
    ]
}

fn space() -> impl Strategy<Value = String> {
    prop_oneof![8 => Just(String::new()), 1 => "[ \t\r\n]{1,3}"]
}

fn key() -> impl Strategy<Value = String> {
    let names = NAMES.map(|name| serde_json::to_string(name).expect("text"));
    prop_oneof![
        8 => proptest::sample::select(names.to_vec()),
        1 => Just("\"\\u0061\"".to_owned()),
        1 => "\"[a-z]{0,20}\"",
    ]
}

fn object_of(value: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    let item = (space(), key(), space(), space(), value, space())
        .prop_map(|(a, key, b, c, value, d)| format!("{a}{key}{b}:{c}{value}{d}"));
    proptest::collection::vec(item, 0..7).prop_map(|items| format!("{{{}}}", items.join(",")))
}

fn value_text() -> BoxedStrategy<String> {
    scalar_text()
        .prop_recursive(3, 12, 4, |inner| {
            let array = proptest::collection::vec((space(), inner.clone(), space()), 0..4);
            let array = array.prop_map(|items| {
                let items: Vec<String> =
                    items.iter().map(|(a, b, c)| format!("{a}{b}{c}")).collect();
                format!("[{}]", items.join(","))
            });
            prop_oneof![array, object_of(inner.boxed())]
        })
        .boxed()
}

/// A text that usually is a value of the type.
fn fitting(ty: &DataType) -> BoxedStrategy<String> {
    let timestamp =
        "\"20[0-9]{2}-0[1-9]-[0-2][0-9][ T][01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?";
    let usual = match &ty.sql {
        SqlType::TinyInt => (-130_i64..130).prop_map(|n| n.to_string()).boxed(),
        SqlType::SmallInt | SqlType::Int | SqlType::IntervalYearMonth => {
            "-?[1-9][0-9]{0,4}".boxed()
        }
        SqlType::BigInt | SqlType::IntervalDayTime => "-?[1-9][0-9]{0,18}".boxed(),
        SqlType::Float | SqlType::Double | SqlType::Decimal { .. } => {
            "-?(0|[1-9][0-9]{0,8})(\\.[0-9]{1,12})?([eE][+-]?[0-9])?".boxed()
        }
        SqlType::Boolean => {
            prop_oneof![Just("true"), Just("false")].prop_map(str::to_owned).boxed()
        }
        SqlType::VarBinary(_) => "\"([A-Za-z0-9+/]{4}){0,3}\"".boxed(),
        SqlType::Date => "\"20[0-9]{2}-0[1-9]-[0-2][0-9]\"".boxed(),
        SqlType::Time(_) => "\"[01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,3})?\"".boxed(),
        SqlType::Timestamp(_) => timestamp.prop_map(|text| format!("{text}\"")).boxed(),
        SqlType::TimestampLtz(_) => timestamp.prop_map(|text| format!("{text}Z\"")).boxed(),
        SqlType::Row(fields) => object_for(fields).boxed(),
        SqlType::Array(element) => proptest::collection::vec(fitting(element), 0..4)
            .prop_map(|items| format!("[{}]", items.join(" ,")))
            .boxed(),
        _ => scalar_text().boxed(),
    };
    prop_oneof![6 => usual, 1 => value_text()].boxed()
}

/// An object that usually has these fields, in any order, among others.
fn object_for(fields: &[Field]) -> impl Strategy<Value = String> + use<> {
    let item = |f: &Field| {
        let name = serde_json::to_string(&f.name).expect("text");
        let item = (space(), space(), fitting(&f.ty), space());
        let item = item.prop_map(move |(a, b, value, c)| format!("{a}{name}{b}:{value}{c}"));
        prop_oneof![5 => item.prop_map(Some), 1 => Just(None)].boxed()
    };
    let items: Vec<BoxedStrategy<Option<String>>> = fields.iter().map(item).collect();
    let other = (key(), value_text()).prop_map(|(key, value)| Some(format!("{key}:{value}")));
    let others = proptest::collection::vec(other, 0..3);
    let all = (items, others).prop_map(|(mut items, others)| {
        items.extend(others);
        items
    });
    let all = all.boxed();
    let text = |items: Vec<Option<String>>| {
        let items: Vec<String> = items.into_iter().flatten().collect();
        format!("{{{}}}", items.join(","))
    };
    prop_oneof![all.clone().prop_map(text), all.prop_shuffle().prop_map(text)]
}

/// A record, now and then damaged.
fn record(fields: &[Field]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let damage = prop_oneof![
        12 => Just(None),
        1 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(at, byte)| Some((at, Some(byte)))),
        1 => any::<prop::sample::Index>().prop_map(|at| Some((at, None))),
    ];
    (object_for(fields), damage).prop_map(|(text, damage)| {
        // `serde_json` refuses half a surrogate pair, which the decoder lets through.
        let may_be_damaged = !text.contains("\\ud");
        let mut bytes = text.into_bytes();
        match damage.filter(|_| may_be_damaged) {
            Some((at, Some(byte))) => {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            Some((at, None)) => bytes.truncate(at.index(bytes.len())),
            None => {}
        }
        bytes
    })
}

/// Fields, and records made for them.
fn case() -> impl Strategy<Value = (Vec<Field>, Vec<Vec<u8>>)> {
    schema().prop_flat_map(|fields| {
        let records = proptest::collection::vec(record(&fields), 0..8);
        (Just(fields), records)
    })
}

fn schema() -> impl Strategy<Value = Vec<Field>> {
    (proptest::collection::vec(any_type(), 0..=NAMES.len()), Just(NAMES.to_vec()).prop_shuffle())
        .prop_map(|(types, names)| types.into_iter().zip(names).map(|(t, n)| field(n, t)).collect())
}

/// The rows that the model finds, with the places of their records.
type Rows = Vec<(u32, Vec<Result<Value, ()>>)>;

fn modelled(fields: &[Field], options: &JsonOptions, records: &[Vec<u8>]) -> Rows {
    let mut rows = Vec::new();
    for (index, record) in records.iter().enumerate() {
        let Ok(text) = std::str::from_utf8(record) else { continue };
        if serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_err() {
            continue;
        }
        let row = DataType { sql: SqlType::Row(fields.to_vec()), nullable: true };
        let Node::Object(items, _) = (Parser { text, at: 0 }).node() else { continue };
        let SqlType::Row(columns) = &row.sql else { continue };
        let value = |f: &Field| {
            let found = items.iter().rev().find(|(key, _)| *key == f.name);
            convert(&f.ty, found.map(|(_, node)| node), options)
        };
        rows.push((index as u32, columns.iter().map(value).collect()));
    }
    rows
}

/// What the generated cases are made of, so that agreement with the model says
/// something.
#[test]
fn the_cases_hold_values_errors_and_dead_records() {
    let mut runner = TestRunner::deterministic();
    let cases = case();
    let (mut values, mut nulls, mut errors, mut dead, mut rows) = (0, 0, 0, 0, 0);
    for _ in 0..100 {
        let (fields, records) = cases.new_tree(&mut runner).expect("a case").current();
        let found = modelled(&fields, &JsonOptions::default(), &records);
        rows += found.len();
        dead += records.len() - found.len();
        for value in found.iter().flat_map(|(_, values)| values) {
            match value {
                Ok(Value::Null) => nulls += 1,
                Ok(_) => values += 1,
                Err(()) => errors += 1,
            }
        }
    }
    let all = values + nulls + errors;
    let shares =
        format!("{values} values, {nulls} NULLs, {errors} errors, {dead} dead, {rows} rows");
    assert!(values * 3 > all && errors * 20 > all && dead * 50 > rows, "{shares}");
}

proptest! {
    #[test]
    fn the_decoder_agrees_with_the_model(
        (fields, records) in case(),
        ignore_parse_errors: bool,
        fail_on_missing_field: bool,
        separator in prop_oneof![Just(&b"\n"[..]), Just(&b""[..])],
    ) {
        let options = JsonOptions { ignore_parse_errors, fail_on_missing_field, ..JsonOptions::default() };
        let decoded = JsonDecoder::new(&fields, &options).decode(&block(&records, separator));
        let rows = modelled(&fields, &options, &records);
        let found: Vec<u32> = rows.iter().map(|(record, _)| *record).collect();
        prop_assert_eq!(&decoded.record_of_row, &found);
        prop_assert_eq!(decoded.dead.len() + found.len(), records.len());
        for (column, field) in fields.iter().enumerate() {
            let array = decoded.batch.column(column);
            let mut bad = Vec::new();
            for (row, (_, values)) in rows.iter().enumerate() {
                let value = value_at(array, &field.ty, row);
                prop_assert_eq!(&value, values[column].as_ref().unwrap_or(&Value::Null), "{}", field.ty);
                if values[column].is_err() {
                    bad.push(row as u32);
                }
            }
            prop_assert_eq!(error_rows(&decoded.column_errors[column]), bad);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..5),
        texts in proptest::collection::vec("[{}\\[\\]\",:\\\\ a0-9eE.+-]{0,40}", 0..5),
        fields in schema(),
    ) {
        let mut records = records;
        records.extend(texts.into_iter().map(String::into_bytes));
        let decoded = JsonDecoder::new(&fields, &JsonOptions::default()).decode(&block(&records, b""));
        prop_assert_eq!(decoded.dead.len() + decoded.record_of_row.len(), records.len());
    }
}
