//! Examples of what is written, and that it reads back.

use super::*;
use crate::format::column::Column;
use crate::format::test_support::{NAMES, any_type, block, field, scalar_type, value_at};
use crate::format::{CsvDecoder, Decoder, JsonDecoder, batch_of};
use crate::plan::{CsvOptions, JsonOptions, TimestampFormat};
use crate::types::{DataType, Field, Schema, SqlType, Value};
use arrow_array::RecordBatch;
use proptest::prelude::*;

/// Appends a value to a column by its fields; the opposite of `value_at`.
fn push(column: &mut Column, value: &Value) {
    use crate::format::column::Store;
    match (&mut column.store, value) {
        (_, Value::Null) => return column.push_null(),
        (Store::Boolean(values), Value::Boolean(v)) => values.append(*v),
        (Store::Int8(values), Value::Int(v)) => values.push(*v as i8),
        (Store::Int16(values), Value::Int(v)) => values.push(*v as i16),
        (Store::Int32(values), Value::Int(v)) => values.push(*v as i32),
        (Store::Int32(values), Value::Date(v) | Value::Time(v) | Value::Months(v)) => {
            values.push(*v)
        }
        (Store::Int64(values), Value::Int(v) | Value::Timestamp(v) | Value::Millis(v)) => {
            values.push(*v);
        }
        (Store::Float32(values), Value::Float(v)) => values.push(*v),
        (Store::Float64(values), Value::Double(v)) => values.push(*v),
        (Store::Decimal(values), Value::Decimal(v)) => values.push(*v),
        (Store::Bytes(bytes), Value::Text(v)) => {
            bytes.values.extend_from_slice(v.as_bytes());
            bytes.end_value();
        }
        (Store::Bytes(bytes), Value::Bytes(v)) => {
            bytes.values.extend_from_slice(v);
            bytes.end_value();
        }
        (Store::Row(children), Value::Row(values)) => {
            children.iter_mut().zip(values).for_each(|(child, value)| push(child, value));
        }
        (Store::List { offsets, items }, Value::Array(values)) => {
            values.iter().for_each(|value| push(items, value));
            offsets.push(items.len() as i32);
        }
        (_, other) => panic!("{other:?} is no {}", column.sql),
    }
    column.nulls.append_non_null();
}

fn batch(schema: &Schema, rows: &[Vec<Value>]) -> RecordBatch {
    let mut columns: Vec<Column> =
        schema.fields.iter().map(|f| Column::new(f, rows.len())).collect();
    for row in rows {
        columns.iter_mut().zip(row).for_each(|(column, value)| push(column, value));
    }
    batch_of(schema.arrow(), columns.into_iter().map(Column::finish).collect(), rows.len())
}

fn json_of(options: &JsonOptions, schema: &Schema, rows: &[Vec<Value>]) -> String {
    let mut out = Vec::new();
    encode_json(schema, options, &batch(schema, rows), 0..rows.len(), &mut out);
    String::from_utf8(out).expect("text")
}

fn csv_of(options: &CsvOptions, schema: &Schema, rows: &[Vec<Value>]) -> String {
    let mut out = Vec::new();
    encode_csv(schema, options, &batch(schema, rows), 0..rows.len(), &mut out);
    String::from_utf8(out).expect("text")
}

/// The JSON of one value in a column `f`.
fn json(ty: SqlType, value: Value) -> String {
    let schema = Schema::new(vec![field("f", ty)]);
    let line = json_of(&JsonOptions::default(), &schema, &[vec![value]]);
    line.strip_prefix("{\"f\":").and_then(|l| l.strip_suffix("}\n")).expect("an object").to_owned()
}

#[test]
fn numbers_are_the_shortest_text() {
    for (value, text) in [
        (12.0, "12.0"),
        (0.1, "0.1"),
        (-0.0, "-0.0"),
        (1e300, "1e300"),
        (1.5e-9, "1.5e-9"),
        (1e16, "1e16"),
        (123_456_789.0, "123456789.0"),
        (f64::NAN, "\"NaN\""),
        (f64::INFINITY, "\"Infinity\""),
        (f64::NEG_INFINITY, "\"-Infinity\""),
    ] {
        assert_eq!(json(SqlType::Double, Value::Double(value)), text);
    }
    assert_eq!(json(SqlType::Float, Value::Float(0.1)), "0.1");
    assert_eq!(json(SqlType::BigInt, Value::Int(i64::MIN)), "-9223372036854775808");
    for (value, scale, text) in
        [(12_345, 2, "123.45"), (-5, 2, "-0.05"), (7, 0, "7"), (0, 3, "0.000"), (-100, 2, "-1.00")]
    {
        let ty = SqlType::Decimal { precision: 9, scale };
        assert_eq!(json(ty, Value::Decimal(value)), text);
    }
}

#[test]
fn texts_are_escaped_as_little_as_json_allows() {
    let text = |text: &str| json(SqlType::STRING, Value::Text(text.to_owned()));
    assert_eq!(text("a\"b\\c/\u{8}\u{c}\n\r\t\u{1f}é😀"), r#""a\"b\\c/\b\f\n\r\t\u001Fé😀""#);
    assert_eq!(text(""), "\"\"");
    assert_eq!(json(SqlType::BYTES, Value::Bytes(b"foob".to_vec())), "\"Zm9vYg==\"");
    assert_eq!(json(SqlType::STRING, Value::Null), "null");
    assert_eq!(json(SqlType::Boolean, Value::Boolean(true)), "true");
}

#[test]
fn times_are_written_in_the_format_asked_for() {
    let schema = Schema::new(vec![
        field("t", SqlType::Timestamp(3)),
        field("z", SqlType::TimestampLtz(6)),
        field("d", SqlType::Date),
        field("h", SqlType::Time(3)),
    ]);
    let row = vec![
        Value::Timestamp(1_357_017_420_000),
        Value::Timestamp(1_500_000),
        Value::Date(-1),
        Value::Time(3_723_050),
    ];
    let sql = json_of(&JsonOptions::default(), &schema, std::slice::from_ref(&row));
    assert_eq!(
        sql,
        "{\"t\":\"2013-01-01 05:17:00\",\"z\":\"1970-01-01 00:00:01.5Z\",\"d\":\"1969-12-31\",\"h\":\"01:02:03.05\"}\n"
    );
    let iso = JsonOptions { timestamp_format: TimestampFormat::Iso8601, ..JsonOptions::default() };
    let iso = json_of(&iso, &schema, std::slice::from_ref(&row));
    assert_eq!(iso, sql.replace("01 0", "01T0"));
    let csv = csv_of(&CsvOptions::default(), &schema, &[row]);
    let quoted = "\"2013-01-01 05:17:00\",\"1970-01-01 00:00:01.5Z\"";
    assert_eq!(csv, format!("{quoted},1969-12-31,01:02:03.05\n"));
}

#[test]
fn rows_and_arrays_nest_and_ranges_are_kept() {
    let row = SqlType::Row(vec![field("a\"", SqlType::Int), field("b", SqlType::STRING)]);
    let schema = Schema::new(vec![
        field("r", row.clone()),
        field("l", SqlType::Array(Box::new(row.nullable()))),
    ]);
    let value = Value::Row(vec![Value::Int(1), Value::Null]);
    let rows = vec![
        vec![Value::Null, Value::Array(vec![])],
        vec![value.clone(), Value::Array(vec![value, Value::Null])],
        vec![Value::Null, Value::Null],
    ];
    let mut out = Vec::new();
    encode_json(&schema, &JsonOptions::default(), &batch(&schema, &rows), 1..2, &mut out);
    let expected = r#"{"r":{"a\"":1,"b":null},"l":[{"a\"":1,"b":null},null]}"#;
    assert_eq!(String::from_utf8(out).expect("text"), format!("{expected}\n"));
    let none = Schema::default();
    assert_eq!(json_of(&JsonOptions::default(), &none, &[vec![], vec![]]), "{}\n{}\n");
}

#[test]
fn csv_is_quoted_as_jackson_does() {
    let schema = Schema::new(vec![field("a", SqlType::STRING), field("b", SqlType::STRING)]);
    let text = |text: &str| Value::Text(text.to_owned());
    let line = |options: &CsvOptions, a: Value, b: Value| csv_of(options, &schema, &[vec![a, b]]);
    let options = CsvOptions::default();
    assert_eq!(line(&options, text("abc-x"), text("a b")), "abc-x,\"a b\"\n");
    assert_eq!(line(&options, text("q\"q"), text("l\nl")), "\"q\"\"q\",\"l\nl\"\n");
    assert_eq!(
        line(&options, text(&"x".repeat(24)), Value::Null),
        format!("{},\n", "x".repeat(24))
    );
    assert_eq!(
        line(&options, text(&"x".repeat(25)), text("")),
        format!("\"{}\",\n", "x".repeat(25))
    );
    let other = CsvOptions {
        field_delimiter: ';',
        escape_character: Some('\\'),
        null_literal: Some("null".into()),
        ..CsvOptions::default()
    };
    assert_eq!(line(&other, text("a\\b"), Value::Null), "\"a\\\\b\";null\n");
    let one = Schema::new(vec![field("a", SqlType::STRING)]);
    assert_eq!(csv_of(&options, &one, &[vec![Value::Null], vec![text("x")]]), "\"\"\nx\n");
}

/// Any value of this type, NULL now and then.
fn value_of(ty: &DataType) -> BoxedStrategy<Value> {
    let value = match &ty.sql {
        SqlType::Null => return Just(Value::Null).boxed(),
        SqlType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        SqlType::TinyInt => any::<i8>().prop_map(|v| Value::Int(v.into())).boxed(),
        SqlType::SmallInt => any::<i16>().prop_map(|v| Value::Int(v.into())).boxed(),
        SqlType::Int => any::<i32>().prop_map(|v| Value::Int(v.into())).boxed(),
        SqlType::BigInt => any::<i64>().prop_map(Value::Int).boxed(),
        SqlType::Float => any::<u32>().prop_map(|bits| Value::Float(float_of(bits))).boxed(),
        SqlType::Double => any::<u64>().prop_map(|bits| Value::Double(double_of(bits))).boxed(),
        SqlType::Decimal { precision, .. } => {
            let limit = 10_i128.pow(u32::from(*precision));
            (1 - limit..limit).prop_map(Value::Decimal).boxed()
        }
        SqlType::Char(_) | SqlType::VarChar(_) => {
            prop_oneof!["[ -~]{0,30}", any::<String>()].prop_map(Value::Text).boxed()
        }
        SqlType::Binary(_) | SqlType::VarBinary(_) => {
            any::<Vec<u8>>().prop_map(Value::Bytes).boxed()
        }
        SqlType::Date => any::<i32>().prop_map(Value::Date).boxed(),
        SqlType::Time(p) => {
            let step = 10_i32.pow(3 - u32::from(*p));
            (0..86_400_000).prop_map(move |v| Value::Time(v - v % step)).boxed()
        }
        SqlType::Timestamp(p) | SqlType::TimestampLtz(p) => {
            let digits = match p {
                0..=3 => 3,
                4..=6 => 6,
                _ => 9,
            };
            let step = 10_i64.pow(digits - u32::from(*p));
            any::<i64>().prop_map(move |v| Value::Timestamp(v / step * step)).boxed()
        }
        SqlType::IntervalYearMonth => any::<i32>().prop_map(Value::Months).boxed(),
        SqlType::IntervalDayTime => any::<i64>().prop_map(Value::Millis).boxed(),
        SqlType::Row(fields) => row_of(fields).prop_map(Value::Row).boxed(),
        SqlType::Array(element) => {
            proptest::collection::vec(value_of(element), 0..4).prop_map(Value::Array).boxed()
        }
    };
    prop_oneof![1 => Just(Value::Null), 6 => value].boxed()
}

/// One NaN stands for all: only its name is written.
fn double_of(bits: u64) -> f64 {
    let value = f64::from_bits(bits);
    if value.is_nan() { f64::NAN } else { value }
}

fn float_of(bits: u32) -> f32 {
    let value = f32::from_bits(bits);
    if value.is_nan() { f32::NAN } else { value }
}

fn row_of(fields: &[Field]) -> BoxedStrategy<Vec<Value>> {
    fields.iter().map(|field| value_of(&field.ty)).collect::<Vec<_>>().boxed()
}

fn table(
    types: BoxedStrategy<SqlType>,
    least: usize,
) -> impl Strategy<Value = (Schema, Vec<Vec<Value>>)> {
    let schema = proptest::collection::vec(types, least..=NAMES.len()).prop_map(|types| {
        Schema::new(types.into_iter().zip(NAMES).map(|(ty, name)| field(name, ty)).collect())
    });
    schema.prop_flat_map(|schema| {
        let rows = proptest::collection::vec(row_of(&schema.fields), 0..6);
        (Just(schema), rows)
    })
}

fn read_back(schema: &Schema, decoder: &dyn Decoder, lines: &[&[u8]]) -> Vec<Vec<Value>> {
    let decoded = decoder.decode(&block(lines, b"\n"));
    assert_eq!(decoded.dead, []);
    assert!(decoded.column_errors.iter().all(crate::expr::RowErrors::is_empty));
    let row = |row| {
        let columns = schema.fields.iter().zip(decoded.batch.columns());
        columns.map(|(field, array)| value_at(array, &field.ty, row)).collect()
    };
    (0..decoded.batch.num_rows()).map(row).collect()
}

proptest! {
    #[test]
    fn json_reads_back((schema, rows) in table(any_type().boxed(), 0), iso: bool) {
        let timestamp_format = if iso { TimestampFormat::Iso8601 } else { TimestampFormat::Sql };
        let options = JsonOptions { timestamp_format, fail_on_missing_field: true, ..JsonOptions::default() };
        let text = json_of(&options, &schema, &rows);
        let lines: Vec<&[u8]> = text.lines().map(str::as_bytes).collect();
        let decoder = JsonDecoder::new(&schema.fields, &options);
        prop_assert_eq!(read_back(&schema, &decoder, &lines), rows);
    }

    #[test]
    fn csv_reads_back(
        (schema, rows) in table(scalar_type().boxed(), 1),
        escape in proptest::option::of(Just('\\')),
        field_delimiter in prop_oneof![Just(','), Just(';'), Just('→')],
    ) {
        let options = CsvOptions {
            escape_character: escape,
            field_delimiter,
            null_literal: Some("∅".into()),
            allow_comments: true,
            ..CsvOptions::default()
        };
        let mut out = Vec::new();
        encode_csv(&schema, &options, &batch(&schema, &rows), 0..rows.len(), &mut out);
        let spec = crate::plan::FormatSpec::Csv(options.clone());
        let framed = crate::format::frame(&spec, out.into(), crate::ids::Offset(0), false);
        let wanted: Vec<usize> = (0..schema.len()).collect();
        let decoder = CsvDecoder::new(&schema.fields, &wanted, &options);
        let data = &framed.block.data;
        let lines: Vec<&[u8]> =
            framed.block.records.iter().map(|r| &data[r.start as usize..r.end as usize]).collect();
        // Empty bytes cannot be told from NULL.
        let empty = Value::Bytes(Vec::new());
        let expected: Vec<Vec<Value>> = rows
            .into_iter()
            .map(|row| row.into_iter().map(|v| if v == empty { Value::Null } else { v }).collect())
            .collect();
        prop_assert_eq!(read_back(&schema, &decoder, &lines), expected);
    }
}
