//! An example for each rule of reading CSV, and a naive model.

use super::*;
use crate::format::test_support::{block, error_rows, field, value_at};
use crate::types::{SqlType, Value};
use proptest::prelude::*;

fn decode(options: &CsvOptions, types: &[SqlType], records: &[&str]) -> Decoded {
    let fields: Vec<Field> =
        types.iter().enumerate().map(|(n, ty)| field(&format!("c{n}"), ty.clone())).collect();
    let wanted: Vec<usize> = (0..fields.len()).collect();
    CsvDecoder::new(&fields, &wanted, options).decode(&block(records, b"\n"))
}

/// All rows as texts, with `NULL` for NULL.
fn texts(options: &CsvOptions, columns: usize, records: &[&str]) -> Vec<Vec<String>> {
    let decoded = decode(options, &vec![SqlType::STRING; columns], records);
    assert_eq!(decoded.dead, []);
    let text = |row, column| match value_at(
        decoded.batch.column(column),
        &SqlType::STRING.nullable(),
        row,
    ) {
        Value::Text(text) => text,
        other => format!("{other:?}").to_uppercase(),
    };
    (0..decoded.batch.num_rows()).map(|row| (0..columns).map(|c| text(row, c)).collect()).collect()
}

fn dead(options: &CsvOptions, columns: usize, record: &str) -> String {
    let decoded = decode(options, &vec![SqlType::STRING; columns], &["a,b,c,d", record]);
    decoded.dead.iter().find(|dead| dead.index == 1).expect("a dead record").detail.clone()
}

#[test]
fn quotes_and_delimiters() {
    let options = CsvOptions::default();
    let rows = texts(
        &options,
        3,
        &["a,b,c", "\"a,\n\",\"b\"\"\" ,c\"d\"", ",\"\", x ", "é,😀,z\r\n", "a,b,c\n"],
    );
    assert_eq!(rows[0], ["a", "b", "c"]);
    assert_eq!(rows[1], ["a,\n", "b\"", "c\"d\""]);
    assert_eq!(rows[2], ["", "", " x "]);
    assert_eq!(rows[3], ["é", "😀", "z"]);
    assert_eq!(rows[4], ["a", "b", "c"]);
}

#[test]
fn other_characters_may_have_the_meaning() {
    let options = CsvOptions {
        field_delimiter: '→',
        quote_character: Some('\''),
        escape_character: Some('\\'),
        null_literal: Some("n/a".into()),
        ..CsvOptions::default()
    };
    let rows = texts(&options, 3, &["a→'b→\\''''→\\→c\\n\\t\\0\\\\", "n/a→'n/a'→←"]);
    assert_eq!(rows[0], ["a", "b→''", "→c\n\t\0\\"]);
    assert_eq!(rows[1], ["NULL", "NULL", "←"]);
    let without = CsvOptions { quote_character: None, ..CsvOptions::default() };
    assert_eq!(texts(&without, 2, &["\"a,b\""]), [["\"a", "b\""]]);
}

// spec: F-1
#[test]
fn records_that_are_not_well_formed_are_dead() {
    let options = CsvOptions::default();
    assert_eq!(dead(&options, 4, "a,b,c"), "expected 4 columns, got 3");
    assert_eq!(dead(&options, 4, "a,b,c,d,e"), "expected 4 columns, got 5");
    assert_eq!(dead(&options, 4, "a,b,\"c"), "no valid CSV at byte 4: the field does not end");
    assert_eq!(
        dead(&options, 4, "a,\"b\"x,c,d"),
        "no valid CSV at byte 5: expected the end of the field"
    );
    assert_eq!(dead(&options, 4, "a,b,c,d\ne,f,g,h"), "no valid CSV at byte 8: expected one line");
    let ignore = CsvOptions { ignore_parse_errors: true, ..CsvOptions::default() };
    assert_eq!(texts(&ignore, 3, &["a", "b,c"]), [["a", "NULL", "NULL"], ["b", "c", "NULL"]]);
    assert_eq!(dead(&ignore, 4, "a,b,c,d,e"), "expected 4 columns, got 5");
}

#[test]
fn bytes_that_are_no_text_are_dead() {
    let fields = [field("a", SqlType::STRING)];
    for separator in [&b"\n"[..], b""] {
        // Put together, the second and third record are one whole character.
        let records =
            block(&[&b"ok"[..], b"\xc3", b"\xa9", b"x\xe2\x82", b"\xacx", b"\xff"], separator);
        let decoded = CsvDecoder::new(&fields, &[0], &CsvOptions::default()).decode(&records);
        assert_eq!(decoded.record_of_row, [0]);
        let mut valid = records.clone();
        valid.records.pop();
        let decoded = CsvDecoder::new(&fields, &[0], &CsvOptions::default()).decode(&valid);
        assert_eq!(decoded.record_of_row, [0]);
    }
}

#[test]
fn comments_and_empty_records_are_nothing() {
    let options = CsvOptions { allow_comments: true, ..CsvOptions::default() };
    let decoded = decode(&options, &[SqlType::STRING], &["#a", "b", ""]);
    assert_eq!((decoded.record_of_row, decoded.dead), (vec![1], vec![]));
    assert_eq!(texts(&CsvOptions::default(), 1, &["#a"]), [["#a"]]);
}

#[test]
fn values_are_typed_and_empty_ones_null() {
    let types = [
        SqlType::Int,
        SqlType::Double,
        SqlType::Decimal { precision: 4, scale: 1 },
        SqlType::Boolean,
        SqlType::Timestamp(3),
        SqlType::TimestampLtz(0),
        SqlType::BYTES,
        SqlType::Date,
    ];
    let good = " 7 ,1e2,1.25,TRUE,1970-01-01 00:00:01.5,1970-01-01 00:00:02Z,Zm9v,1970-01-03";
    let decoded = decode(&CsvOptions::default(), &types, &[good, ",,,,,,,", "x,x,x,x,x,x,x!,x"]);
    let row = |row| -> Vec<Value> {
        let columns = types.iter().zip(decoded.batch.columns());
        columns.map(|(ty, array)| value_at(array, &ty.clone().nullable(), row)).collect()
    };
    assert_eq!(
        row(0),
        [
            Value::Int(7),
            Value::Double(100.0),
            Value::Decimal(13),
            Value::Boolean(true),
            Value::Timestamp(1_500),
            Value::Timestamp(2_000),
            Value::Bytes(b"foo".to_vec()),
            Value::Date(2),
        ]
    );
    assert!(row(1).iter().chain(&row(2)).all(Value::is_null));
    assert!(decoded.column_errors.iter().all(|errors| error_rows(errors) == [2]));
    let ignore = CsvOptions { ignore_parse_errors: true, ..CsvOptions::default() };
    let decoded = decode(&ignore, &types, &["x,x,x,x,x,x,x!,x"]);
    assert!(decoded.column_errors.iter().all(RowErrors::is_empty));
}

#[test]
fn only_wanted_columns_are_decoded_in_their_order() {
    let fields = [field("a", SqlType::Int), field("b", SqlType::STRING), field("c", SqlType::Int)];
    let decoder = CsvDecoder::new(&fields, &[2, 0], &CsvOptions::default());
    let decoded = decoder.decode(&block(&["1,x,2", "3,\"y,\",bad"], b"\n"));
    assert_eq!(decoded.batch.schema().field(0).name(), "c");
    assert_eq!(value_at(decoded.batch.column(0), &fields[2].ty, 0), Value::Int(2));
    assert_eq!(value_at(decoded.batch.column(1), &fields[0].ty, 1), Value::Int(3));
    assert_eq!(decoded.column_errors[0].as_slice()[0].detail, "field 'c': cannot read bad as INT");
}

/// A model: one character at a time, with `,`, `"` and perhaps `\`.
fn model(record: &str, escape: bool) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut chars = record.chars().peekable();
    loop {
        let mut text = String::new();
        // Whether the last character is a `\r` that may belong to the line end.
        let mut carriage_return = false;
        let quoted = chars.next_if_eq(&'"').is_some();
        let is_last = loop {
            let before = std::mem::take(&mut carriage_return);
            match (chars.next(), quoted) {
                (None, true) => return None,
                (None, false) => break true,
                (Some('\\'), _) if escape => text.push(match chars.next()? {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    '0' => '\0',
                    other => other,
                }),
                (Some('"'), true) if chars.next_if_eq(&'"').is_some() => text.push('"'),
                (Some('"'), true) => {
                    while chars.next_if(|c| *c <= ' ' && *c != '\n').is_some() {}
                    match chars.next() {
                        None => break true,
                        Some(',') => break false,
                        Some('\n') if chars.peek().is_none() => break true,
                        Some(_) => return None,
                    }
                }
                (Some(','), false) => break false,
                (Some('\n'), false) if chars.peek().is_some() => return None,
                (Some('\n'), false) => {
                    text.truncate(text.len() - usize::from(before));
                    break true;
                }
                (Some(other), _) => {
                    carriage_return = other == '\r';
                    text.push(other);
                }
            }
        };
        fields.push(text);
        if is_last {
            return Some(fields);
        }
    }
}

proptest! {
    #[test]
    fn the_decoder_agrees_with_the_model(
        records in proptest::collection::vec("[a\",é \r\n\\\\]{1,12}", 1..6),
        escape: bool,
    ) {
        let escape_character = escape.then_some('\\');
        let options = CsvOptions { escape_character, ..CsvOptions::default() };
        for record in &records {
            let expected = model(record, escape);
            let columns = expected.as_ref().map_or(1, Vec::len);
            let decoded = decode(&options, &vec![SqlType::STRING; columns], &[record]);
            match expected {
                None => prop_assert_eq!(decoded.dead.len(), 1),
                // An empty line is nothing; the model has one empty value.
                Some(_) if record.trim_matches(['\r', '\n']).is_empty() => {}
                Some(fields) => {
                    prop_assert_eq!(&decoded.dead, &[]);
                    for (column, text) in fields.into_iter().enumerate() {
                        let ty = SqlType::STRING.nullable();
                        let value = value_at(decoded.batch.column(column), &ty, 0);
                        prop_assert_eq!(value, Value::Text(text));
                    }
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 0..5),
        escape: Option<char>,
        field_delimiter: char,
        quote_character: Option<char>,
    ) {
        let options = CsvOptions {
            escape_character: escape, field_delimiter, quote_character, ..CsvOptions::default()
        };
        let fields = [field("a", SqlType::Int), field("b", SqlType::STRING)];
        let _ = CsvDecoder::new(&fields, &[1], &options).decode(&block(&records, b""));
    }
}
