//! The encoding of keys: it comes back, it orders as SQL does, and it never changes.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use anabranch_engine::key::{KEY_GROUPS, decode_columns, encode_row, key_group, split_values};
use anabranch_engine::types::{Field, SqlType};
use arrow_array::builder::{Int32Builder, ListBuilder};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    DurationMillisecondArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array,
    Int64Array, IntervalYearMonthArray, NullArray, StringArray, StructArray,
    Time32MillisecondArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray,
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

fn encode(ty: &SqlType, array: &ArrayRef, row: usize) -> Vec<u8> {
    let mut out = Vec::new();
    encode_row(std::slice::from_ref(ty), &[array], row, &mut out);
    out
}

/// A column of ascending values of each type, NULL first.
fn ascending() -> Vec<(SqlType, ArrayRef)> {
    let decimal = SqlType::Decimal { precision: 38, scale: 2 };
    let decimals: Decimal128Array =
        [None, Some(-(10_i128.pow(38) - 1)), Some(-1), Some(0), Some(1), Some(10_i128.pow(37))]
            .into_iter()
            .collect();
    let texts = [None, Some(""), Some("\0"), Some("\0a"), Some("a"), Some("a\0"), Some("a\0b")];
    let more = [Some("ab"), Some("b"), Some("z"), Some("é"), Some("日本"), Some("😀")];
    let texts: StringArray = texts.into_iter().chain(more).collect();
    let bytes: BinaryArray = [
        None,
        Some(&b""[..]),
        Some(&b"\0"[..]),
        Some(&b"\0\xff"[..]),
        Some(&b"\x01"[..]),
        Some(&b"\xff"[..]),
    ]
    .into_iter()
    .collect();
    let longs = || vec![None, Some(i64::MIN), Some(-1), Some(0), Some(1), Some(i64::MAX)];
    let ints = || vec![None, Some(i32::MIN), Some(-1), Some(0), Some(1), Some(i32::MAX)];
    let doubles = vec![
        None,
        Some(f64::NEG_INFINITY),
        Some(-1.5),
        Some(0.0),
        Some(f64::from_bits(1)),
        Some(1.5),
        Some(f64::INFINITY),
        Some(f64::NAN),
    ];
    let floats: Vec<Option<f32>> =
        vec![None, Some(f32::MIN), Some(-0.5), Some(0.0), Some(0.5), Some(f32::NAN)];
    vec![
        (SqlType::Null, Arc::new(NullArray::new(1))),
        (SqlType::Boolean, Arc::new(BooleanArray::from(vec![None, Some(false), Some(true)]))),
        (SqlType::TinyInt, Arc::new(Int8Array::from(vec![None, Some(-128), Some(0), Some(127)]))),
        (SqlType::SmallInt, Arc::new(Int16Array::from(vec![None, Some(-300), Some(0), Some(300)]))),
        (SqlType::Int, Arc::new(Int32Array::from(ints()))),
        (SqlType::BigInt, Arc::new(Int64Array::from(longs()))),
        (SqlType::Float, Arc::new(Float32Array::from(floats))),
        (SqlType::Double, Arc::new(Float64Array::from(doubles))),
        (decimal.clone(), Arc::new(decimals.with_data_type(decimal.arrow()))),
        (SqlType::STRING, Arc::new(texts)),
        (SqlType::BYTES, Arc::new(bytes)),
        (SqlType::Date, Arc::new(Date32Array::from(ints()))),
        (SqlType::Time(3), Arc::new(Time32MillisecondArray::from(vec![None, Some(0), Some(9)]))),
        (SqlType::Timestamp(3), Arc::new(TimestampMillisecondArray::from(longs()))),
        (SqlType::Timestamp(6), Arc::new(TimestampMicrosecondArray::from(longs()))),
        (
            SqlType::TimestampLtz(9),
            Arc::new(TimestampNanosecondArray::from(longs()).with_timezone("UTC")),
        ),
        (SqlType::IntervalYearMonth, Arc::new(IntervalYearMonthArray::from(ints()))),
        (SqlType::IntervalDayTime, Arc::new(DurationMillisecondArray::from(longs()))),
        nested_row(),
        nested_array(),
    ]
}

fn nested_row() -> (SqlType, ArrayRef) {
    let ty = SqlType::Row(vec![
        Field::new("a", SqlType::Int.nullable()),
        Field::new("b", SqlType::STRING.nullable()),
    ]);
    let a = Int32Array::from(vec![None, None, Some(1), Some(1), Some(2)]);
    let b = StringArray::from(vec![None, Some("x"), Some("a"), Some("ab"), None]);
    let arrow_schema::DataType::Struct(fields) = ty.arrow() else { unreachable!() };
    let columns: Vec<ArrayRef> = vec![Arc::new(a), Arc::new(b)];
    let valid = vec![false, true, true, true, true];
    (ty, Arc::new(StructArray::new(fields, columns, Some(valid.into()))))
}

fn nested_array() -> (SqlType, ArrayRef) {
    let ty = SqlType::Array(Box::new(SqlType::Int.nullable()));
    let mut builder = ListBuilder::new(Int32Builder::new());
    builder.append_null();
    for list in [&[][..], &[None], &[None, Some(5)], &[Some(1)], &[Some(1), None], &[Some(2)]] {
        builder.append_value(list.iter().copied());
    }
    (ty, Arc::new(builder.finish()))
}

#[test]
fn encodings_order_as_values_and_come_back() {
    for (ty, array) in ascending() {
        let encoded: Vec<Vec<u8>> = (0..array.len()).map(|row| encode(&ty, &array, row)).collect();
        for pair in encoded.windows(2) {
            assert!(pair[0] < pair[1], "{ty}: {pair:?}");
        }
        let types = std::slice::from_ref(&ty);
        let decoded = decode_columns(types, encoded.iter().map(Vec::as_slice)).unwrap();
        assert_eq!(decoded[0].data_type(), &ty.arrow());
        for (row, encoded) in encoded.iter().enumerate() {
            assert_eq!(encode(&ty, &decoded[0], row), *encoded, "{ty}, row {row}");
            let followed = [encoded.as_slice(), b"more"].concat();
            let (own, rest) = split_values(types, &followed).unwrap();
            assert_eq!((own, rest), (encoded.as_slice(), &b"more"[..]), "{ty}, row {row}");
        }
    }
}

#[test]
fn zeros_are_one_key_and_so_are_all_nan() {
    // spec: E-6
    let nan = f64::from_bits(0xfff0_0000_0000_0001);
    let array: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, nan]));
    let encoded: BTreeSet<Vec<u8>> =
        (0..4).map(|row| encode(&SqlType::Double, &array, row)).collect();
    assert_eq!(encoded.len(), 2);
}

#[test]
fn key_groups_never_change() {
    // spec: S-4
    let mut lines = String::new();
    for (ty, array) in ascending() {
        for row in 0..array.len() {
            let encoded = encode(&ty, &array, row);
            let hex: String = encoded.iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(lines, "{ty} | {hex} | {}", key_group(&encoded)).unwrap();
        }
    }
    for number in 0..64_i64 {
        let array: ArrayRef = Arc::new(Int64Array::from(vec![number]));
        let group = key_group(&encode(&SqlType::BigInt, &array, 0));
        writeln!(lines, "BIGINT {number} | {group}").unwrap();
    }
    writeln!(lines, "no key | {}", key_group(&[])).unwrap();
    expect_test::expect_file!["golden/key_groups.txt"].assert_eq(&lines);
}

#[test]
fn keys_spread_over_all_groups() {
    let groups: BTreeSet<_> = (0..4096_i64)
        .map(|number| {
            let array: ArrayRef = Arc::new(Int64Array::from(vec![number]));
            key_group(&encode(&SqlType::BigInt, &array, 0))
        })
        .collect();
    assert_eq!(groups.len(), usize::from(KEY_GROUPS));
}

proptest! {
    #[test]
    fn composite_keys_order_column_by_column(
        mut keys in prop::collection::vec((any::<Option<i32>>(), any::<Option<String>>()), 1..20),
    ) {
        keys.sort_by(|a, b| (a.0, a.1.as_ref().map(String::as_bytes))
            .cmp(&(b.0, b.1.as_ref().map(String::as_bytes))));
        let types = [SqlType::Int, SqlType::STRING];
        let ints: ArrayRef = Arc::new(keys.iter().map(|key| key.0).collect::<Int32Array>());
        let texts: ArrayRef = Arc::new(keys.iter().map(|key| key.1.clone()).collect::<StringArray>());
        let encoded: Vec<Vec<u8>> = (0..keys.len())
            .map(|row| {
                let mut out = Vec::new();
                encode_row(&types, &[&ints, &texts], row, &mut out);
                out
            })
            .collect();
        for (pair, values) in encoded.windows(2).zip(keys.windows(2)) {
            prop_assert_eq!(pair[0].cmp(&pair[1]).is_eq(), values[0] == values[1]);
            prop_assert!(pair[0] <= pair[1]);
        }
        let decoded = decode_columns(&types, encoded.iter().map(Vec::as_slice)).unwrap();
        prop_assert_eq!(&decoded[0], &ints);
        prop_assert_eq!(&decoded[1], &texts);
    }

    #[test]
    fn any_bytes_decode_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        for (ty, _) in ascending() {
            if let Ok(columns) = decode_columns(std::slice::from_ref(&ty), [bytes.as_slice()]) {
                prop_assert_eq!(columns[0].len(), 1);
            }
        }
    }
}
