//! An example for each rule of reading JSON.

use super::*;
use crate::format::test_support::{block, error_rows, field, value_at};
use crate::plan::TimestampFormat;
use crate::types::{SqlType, Value};

fn decode_with(options: &JsonOptions, ty: SqlType, values: &[&str]) -> Decoded {
    let records: Vec<String> = values.iter().map(|value| format!("{{\"f\":{value}}}")).collect();
    JsonDecoder::new(&[field("f", ty)], options).decode(&block(&records, b"\n"))
}

/// What a field of this type holds when its JSON is `value`; the complaint if it cannot
/// be read.
fn read(ty: SqlType, value: &str) -> Result<Value, String> {
    let decoded = decode_with(&JsonOptions::default(), ty.clone(), &[value]);
    assert_eq!(decoded.dead, [], "{value}");
    assert_eq!(decoded.batch.num_rows(), 1);
    let read = value_at(decoded.batch.column(0), &ty.nullable(), 0);
    match decoded.column_errors[0].of_row(0) {
        None => Ok(read),
        Some(error) => {
            assert_eq!((error.kind, read), (ErrorKind::Parse, Value::Null));
            Err(error.detail.clone())
        }
    }
}

fn text(text: &str) -> Result<Value, String> {
    Ok(Value::Text(text.to_owned()))
}

fn is_bad(ty: &SqlType, values: &[&str]) {
    for value in values {
        assert!(read(ty.clone(), value).is_err(), "{value} as {ty}");
    }
}

#[test]
fn integers_are_exact_and_checked() {
    assert_eq!(read(SqlType::BigInt, "9223372036854775807"), Ok(Value::Int(i64::MAX)));
    assert_eq!(read(SqlType::BigInt, "-9223372036854775808"), Ok(Value::Int(i64::MIN)));
    assert_eq!(read(SqlType::Int, " 12 "), Ok(Value::Int(12)));
    assert_eq!(read(SqlType::TinyInt, "-128"), Ok(Value::Int(-128)));
    assert_eq!(read(SqlType::SmallInt, "\" +7 \""), Ok(Value::Int(7)));
    assert_eq!(read(SqlType::Int, "3.99"), Ok(Value::Int(3)));
    assert_eq!(read(SqlType::BigInt, "1e3"), Ok(Value::Int(1_000)));
    assert_eq!(
        read(SqlType::Int, "2147483648").expect_err("too large"),
        "field 'f': cannot read 2147483648 as INT: out of range"
    );
    is_bad(&SqlType::BigInt, &["9223372036854775808", "true", "\"\"", "\"1.5\"", "{}", "[1]"]);
    is_bad(&SqlType::TinyInt, &["128", "1.0", "\"-129\""]);
    is_bad(&SqlType::SmallInt, &["32768", "1.0"]);
}

#[test]
fn floats_are_correctly_rounded() {
    assert_eq!(read(SqlType::Double, "0.1"), Ok(Value::Double(0.1)));
    assert_eq!(read(SqlType::Double, "-0"), Ok(Value::Double(-0.0)));
    assert_eq!(
        read(SqlType::Double, "9007199254740993"),
        Ok(Value::Double(9_007_199_254_740_992.0))
    );
    assert_eq!(read(SqlType::Double, "1e400"), Ok(Value::Double(f64::INFINITY)));
    assert_eq!(read(SqlType::Double, "\"-Infinity\""), Ok(Value::Double(f64::NEG_INFINITY)));
    assert_eq!(read(SqlType::Double, "\" 1.5 \""), Ok(Value::Double(1.5)));
    assert_eq!(read(SqlType::Float, "16777217"), Ok(Value::Float(16_777_216.0)));
    // Rounding to a double first would give another float.
    assert_eq!(read(SqlType::Float, "1.000000059604644775391"), Ok(Value::Float(1.000_000_1)));
    is_bad(&SqlType::Double, &["true", "\"one\"", "\"1d\"", "[]", "\"\""]);
}

#[test]
fn decimals_round_half_up_and_overflow_to_null() {
    let ty = SqlType::Decimal { precision: 5, scale: 2 };
    assert_eq!(read(ty.clone(), "1.005"), Ok(Value::Decimal(101)));
    assert_eq!(read(ty.clone(), "\" -1.005 \""), Ok(Value::Decimal(-101)));
    assert_eq!(read(ty.clone(), "1000"), Ok(Value::Null));
    is_bad(&ty, &["\"x\"", "true", "{}"]);
}

#[test]
fn text_columns_take_every_value_but_null() {
    assert_eq!(read(SqlType::STRING, r#""a\u00e9\ud83d\ude00\n""#), text("aé😀\n"));
    assert_eq!(read(SqlType::STRING, r#""half \ud83d pair""#), text("half ? pair"));
    assert_eq!(read(SqlType::STRING, "1.50e1"), text("1.50e1"));
    assert_eq!(read(SqlType::STRING, "true"), text("true"));
    assert_eq!(
        read(SqlType::STRING, r#"{ "a" : [ 1 , "x \" y" ] }"#),
        text(r#"{"a":[1,"x \" y"]}"#)
    );
    assert_eq!(read(SqlType::STRING, "[ ]"), text("[]"));
    assert_eq!(read(SqlType::STRING, "null"), Ok(Value::Null));
    let long = "x".repeat(1_000);
    assert_eq!(read(SqlType::STRING, &format!("\"{long}\"")), text(&long));
}

#[test]
fn booleans_and_bytes() {
    assert_eq!(read(SqlType::Boolean, "true"), Ok(Value::Boolean(true)));
    assert_eq!(read(SqlType::Boolean, "\" FALSE \""), Ok(Value::Boolean(false)));
    is_bad(&SqlType::Boolean, &["1", "\"yes\"", "\"\"", "[]"]);
    assert_eq!(read(SqlType::BYTES, "\"Zm9v\""), Ok(Value::Bytes(b"foo".to_vec())));
    assert_eq!(read(SqlType::BYTES, "\"\""), Ok(Value::Bytes(Vec::new())));
    is_bad(&SqlType::BYTES, &["\"Zm9\"", "1234", "true", "{}"]);
}

#[test]
fn dates_times_and_timestamps_in_both_forms() {
    assert_eq!(read(SqlType::Date, "\"1970-01-02\""), Ok(Value::Date(1)));
    is_bad(&SqlType::Date, &["1", "\"1970-1-2\"", "\"1970-02-30\"", "\"1970-01-02 00:00:00\""]);
    assert_eq!(read(SqlType::Time(3), "\"00:00:01.2345\""), Ok(Value::Time(1_234)));
    assert_eq!(read(SqlType::Time(0), "\"00:00:01.234\""), Ok(Value::Time(1_000)));
    for (value, expected) in [
        ("\"2013-01-01 05:17:00\"", 1_357_017_420_000),
        ("\"2013-01-01T05:17:00.1234\"", 1_357_017_420_123),
        (r#""2013-01-01\u002005:17:00""#, 1_357_017_420_000),
    ] {
        assert_eq!(read(SqlType::Timestamp(3), value), Ok(Value::Timestamp(expected)));
        let instant = format!("{}Z\"", value.trim_end_matches('"'));
        assert_eq!(read(SqlType::TimestampLtz(3), &instant), Ok(Value::Timestamp(expected)));
        is_bad(&SqlType::TimestampLtz(3), &[value]);
        is_bad(&SqlType::Timestamp(3), &[&instant]);
    }
    assert_eq!(
        read(SqlType::Timestamp(9), "\"1970-01-01 00:00:00.000000001\""),
        Ok(Value::Timestamp(1))
    );
    assert_eq!(
        read(SqlType::Timestamp(9), "\"2500-01-01 00:00:00\"").expect_err("too far"),
        "field 'f': cannot read \"2500-01-01 00:00:00\" as TIMESTAMP(9): out of range"
    );
    for number in ["1700000000000", "1.5"] {
        let detail = read(SqlType::Timestamp(3), number).expect_err("a number");
        assert!(detail.contains("BIGINT") && detail.contains("TO_TIMESTAMP_LTZ"), "{detail}");
    }
}

#[test]
fn rows_and_arrays() {
    let row = SqlType::Row(vec![field("a", SqlType::Int), field("b", SqlType::STRING)]);
    assert_eq!(
        read(row.clone(), r#"{ "b" : "x", "c" : [{}], "a" : 1, "a" : 2 }"#),
        Ok(Value::Row(vec![Value::Int(2), Value::Text("x".into())]))
    );
    assert_eq!(read(row.clone(), "{}"), Ok(Value::Row(vec![Value::Null, Value::Null])));
    assert_eq!(read(row.clone(), "null"), Ok(Value::Null));
    assert_eq!(
        read(row.clone(), r#"{"a":"x"}"#).expect_err("no number"),
        "field 'f.a': cannot read \"x\" as INT"
    );
    is_bad(&row, &["1", "[]", "\"{}\""]);
    let array = SqlType::Array(Box::new(row.nullable()));
    assert_eq!(
        read(array.clone(), r#"[ {"a":1} , null ,{}]"#),
        Ok(Value::Array(vec![
            Value::Row(vec![Value::Int(1), Value::Null]),
            Value::Null,
            Value::Row(vec![Value::Null, Value::Null]),
        ]))
    );
    assert_eq!(
        read(array.clone(), r#"[{"a":1},{"a":[]}]"#).expect_err("no number"),
        "field 'f[].a': cannot read [] as INT"
    );
    is_bad(&array, &["1", "{}"]);
}

#[test]
fn a_bad_value_inside_leaves_no_trace() {
    let inner = SqlType::Array(Box::new(SqlType::Int.nullable()));
    let ty = SqlType::Row(vec![field("a", inner), field("b", SqlType::STRING)]);
    let values = [r#"{"a":[1,2,"x"],"b":"y"}"#, r#"{"a":[3],"b":"z"}"#];
    let strict = decode_with(&JsonOptions::default(), ty.clone(), &values);
    assert_eq!(error_rows(&strict.column_errors[0]), [0]);
    let ty = ty.nullable();
    assert_eq!(value_at(strict.batch.column(0), &ty, 0), Value::Null);
    let three = Value::Array(vec![Value::Int(3)]);
    let second = Value::Row(vec![three, Value::Text("z".into())]);
    assert_eq!(value_at(strict.batch.column(0), &ty, 1), second);
    // Flink makes only the innermost bad value NULL.
    let ignore = JsonOptions { ignore_parse_errors: true, ..JsonOptions::default() };
    let lenient = decode_with(&ignore, ty.sql.clone(), &values);
    assert!(lenient.column_errors[0].is_empty());
    let items = Value::Array(vec![Value::Int(1), Value::Int(2), Value::Null]);
    let first = Value::Row(vec![items, Value::Text("y".into())]);
    assert_eq!(value_at(lenient.batch.column(0), &ty, 0), first);
}

#[test]
fn missing_fields_are_null_or_an_error() {
    let fields =
        [field("x", SqlType::Int), field("y", SqlType::Row(vec![field("z", SqlType::Int)]))];
    let records = block(&[r#"{"y":{}}"#, r#"{"x":null,"y":null}"#], b"\n");
    let decoded = JsonDecoder::new(&fields, &JsonOptions::default()).decode(&records);
    assert!(decoded.column_errors.iter().all(RowErrors::is_empty));
    let strict = JsonOptions { fail_on_missing_field: true, ..JsonOptions::default() };
    let decoded = JsonDecoder::new(&fields, &strict).decode(&records);
    assert_eq!(decoded.column_errors[0].as_slice()[0].detail, "field 'x' is missing");
    assert_eq!(decoded.column_errors[1].as_slice()[0].detail, "field 'y.z' is missing");
    assert_eq!(error_rows(&decoded.column_errors[1]), [0]);
}

// spec: F-1
#[test]
fn records_that_are_not_well_formed_are_dead() {
    let deep = format!("{{\"f\":1,\"x\":{}{}}}", "[".repeat(256), "]".repeat(256));
    let bad: Vec<&[u8]> = vec![
        b"",
        b" ",
        b"1",
        b"[]",
        b"null",
        b"\"f\"",
        b"{",
        b"}",
        b"{\"f\":1",
        b"{\"f\":1}}",
        b"{\"f\":1},",
        b"{\"f\":1}{\"f\":2}",
        b"{\"f\":1}x",
        b"{\"f\":01}",
        b"{\"f\":1,}",
        b"{,\"f\":1}",
        b"{\"f\" 1}",
        b"{\"f\":1 \"g\":2}",
        b"{f:1}",
        b"{'f':1}",
        b"{\"f\":NaN}",
        b"{\"f\":1,\"g\":tru}",
        b"{\"f\":1,\"g\":[1,]}",
        b"{\"f\":1,\"g\":\"\\q\"}",
        b"{\"f\":1,\"g\":\"a\tb\"}",
        b"{\"f\":1,\"g\":\"\\u12\"}",
        b"{\"f\":1,\"g\":\"\xff\"}",
        b"{\"f\":1,\"\xc3\":2}",
        b"{\"f\":1,\"g\":{\"a\":1,}}",
        b",\"f\":1}",
        b"{\"f\":1,,\"g\":2}",
        deep.as_bytes(),
    ];
    for record in bad {
        // Between good records of the same shape, in which every guess is right.
        let good: &[u8] = b"{\"f\":1,\"g\":2}";
        for separator in [&b"\n"[..], b""] {
            let records = block(&[good, good, record, good], separator);
            let decoder = JsonDecoder::new(&[field("f", SqlType::Int)], &JsonOptions::default());
            let decoded = decoder.decode(&records);
            let shown = String::from_utf8_lossy(record);
            let dead: Vec<usize> = decoded.dead.iter().map(|dead| dead.index).collect();
            assert_eq!(dead, [2], "{shown}");
            assert_eq!(decoded.record_of_row, [0, 1, 3], "{shown}");
            assert_eq!(decoded.batch.num_rows(), 3, "{shown}");
        }
    }
}

#[test]
fn dead_records_name_the_byte() {
    let records = block(&[&b"{\"f\":1,\"g\":tru}"[..], b"{\"g\":\"\xff\"}", b"{}x"], b"\n");
    let decoded = JsonDecoder::new(&[], &JsonOptions::default()).decode(&records);
    let details: Vec<&str> = decoded.dead.iter().map(|dead| dead.detail.as_str()).collect();
    assert_eq!(
        details,
        [
            "no valid JSON at byte 11: expected true, false or null",
            "no valid UTF-8 at byte 6",
            "no valid JSON at byte 2: expected nothing more",
        ]
    );
}

// spec: F-1
#[test]
fn unused_fields_are_checked_and_the_last_of_equal_keys_wins() {
    let fields = [field("f", SqlType::Int)];
    let records = block(
        &[r#"{"f":"bad","f":2}"#, r#"{"f":1,"f":"bad"}"#, r#"{"\u0066":3}"#, r#"{"f":4,"f":null}"#],
        b"\n",
    );
    let decoded = JsonDecoder::new(&fields, &JsonOptions::default()).decode(&records);
    let ty = SqlType::Int.nullable();
    let values: Vec<Value> =
        (0..4).map(|row| value_at(decoded.batch.column(0), &ty, row)).collect();
    assert_eq!(values, [Value::Int(2), Value::Null, Value::Int(3), Value::Null]);
    assert_eq!(error_rows(&decoded.column_errors[0]), [1]);
}

#[test]
fn rows_are_counted_even_without_columns_and_over_many_runs() {
    let records: Vec<String> = (0..1_000)
        .map(|n| if n % 7 == 0 { "{".to_owned() } else { format!("{{\"n\":{n}}}") })
        .collect();
    let records = block(&records, b"\n");
    let none = JsonDecoder::new(&[], &JsonOptions::default()).decode(&records);
    assert_eq!((none.batch.num_rows(), none.dead.len()), (857, 143));
    let decoded =
        JsonDecoder::new(&[field("n", SqlType::Int)], &JsonOptions::default()).decode(&records);
    for (row, record) in decoded.record_of_row.iter().enumerate() {
        let value = value_at(decoded.batch.column(0), &SqlType::Int.nullable(), row);
        assert_eq!(value, Value::Int(i64::from(*record)));
    }
}

#[test]
fn a_byte_order_mark_and_odd_spaces_are_passed_over() {
    let records = block(
        &["\u{feff}{ \"f\" : 1 }", "\t{\r\n\"f\":2}\r", "{\"f\": 3}", "{\"f\":4}", "\u{feff}{}"],
        b"\n",
    );
    let decoded =
        JsonDecoder::new(&[field("f", SqlType::Int)], &JsonOptions::default()).decode(&records);
    assert_eq!(decoded.dead, []);
    let ty = SqlType::Int.nullable();
    let values: Vec<Value> =
        (0..5).map(|row| value_at(decoded.batch.column(0), &ty, row)).collect();
    assert_eq!(values, [Value::Int(1), Value::Int(2), Value::Int(3), Value::Int(4), Value::Null]);
}

#[test]
fn the_value_in_a_complaint_is_cut() {
    let detail = read(SqlType::Int, &format!("\"{}\"", "é".repeat(500))).expect_err("no number");
    assert_eq!(detail, format!("field 'f': cannot read \"{}… as INT", "é".repeat(99)));
}

#[test]
fn keys_that_are_data_do_not_stop_the_guessing() {
    let records: Vec<String> = (0..500)
        .map(|n| format!("{{\"user{n}\":{n},\"f\":{n},\"{}\":1}}", "k".repeat(n)))
        .collect();
    let fields = [field("f", SqlType::Int)];
    let decoded = JsonDecoder::new(&fields, &JsonOptions::default()).decode(&block(&records, b""));
    assert_eq!(decoded.dead, []);
    let value = value_at(decoded.batch.column(0), &SqlType::Int.nullable(), 499);
    assert_eq!(value, Value::Int(499));
}

#[test]
fn the_timestamp_format_does_not_limit_reading() {
    let iso = JsonOptions { timestamp_format: TimestampFormat::Iso8601, ..JsonOptions::default() };
    let values = ["\"1970-01-01 00:00:01\"", "\"1970-01-01T00:00:01\""];
    let decoded = decode_with(&iso, SqlType::Timestamp(0), &values);
    assert!(decoded.column_errors[0].is_empty());
}

#[test]
fn records_that_do_not_close_are_not_read_to_the_end_of_the_block() {
    // Each would be read through all that follow: 160 MB.
    let mut records = vec!["{\"a\":[0,"; 200];
    records.resize(200_000, "{},");
    let decoded = JsonDecoder::new(&[], &JsonOptions::default()).decode(&block(&records, b"\n"));
    assert_eq!(decoded.dead.len(), records.len());
    assert_eq!(decoded.dead[0].detail, "no valid JSON at byte 8: expected a value");
}
