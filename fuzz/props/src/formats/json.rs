//! JSON records.

use super::same::{assert_same_batch, block, check};
use super::{fields, flights, scalars};
use crate::input::Input;
use anabranch_engine::format::{Decoded, encode_json};
use anabranch_engine::plan::{FormatSpec, JsonOptions, TimestampFormat};
use anabranch_engine::types::{Field, Schema, SqlType};
use serde::de::IgnoredAny;

/// How deep objects and arrays may lie in each other.
const DEPTH_MAX: usize = 256;

/// Columns with fields and elements, and with names that a reader may stumble over.
fn nested() -> Vec<Field> {
    let inner = SqlType::Row(fields(&[("c", SqlType::STRING)]));
    let row = SqlType::Row(fields(&[("a", SqlType::Int), ("b", inner)]));
    let numbers = SqlType::Array(Box::new(SqlType::BigInt.nullable()));
    let rows = SqlType::Array(Box::new(SqlType::Row(fields(&[("a", SqlType::STRING)])).nullable()));
    fields(&[
        ("r", row),
        ("n", numbers),
        ("m", rows),
        ("a_name_of_more_than_sixteen_bytes", SqlType::STRING),
        ("q\"\\", SqlType::Double),
        ("é", SqlType::Decimal { precision: 38, scale: 18 }),
    ])
}

/// How deep the brackets of a JSON text lie in each other.
fn depth(text: &[u8]) -> usize {
    let (mut depth, mut most) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        most = most.max(depth);
    }
    most
}

/// Whether another parser takes the record for one object, of bounded depth.
fn is_well_formed(record: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(record) else { return false };
    let is_object = text.trim_start_matches([' ', '\t', '\r', '\n']).starts_with('{');
    is_object && serde_json::from_str::<IgnoredAny>(text).is_ok() && depth(record) <= DEPTH_MAX
}

/// What is written of the rows reads back the same.
fn check_round_trip(fields: &[Field], options: &JsonOptions, decoded: &Decoded) {
    let schema = Schema::new(fields.to_vec());
    let mut text = Vec::new();
    let rows = decoded.batch.num_rows();
    encode_json(&schema, options, &decoded.batch, 0..rows, &mut text);
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), rows, "one line for each row");
    let all: Vec<usize> = (0..fields.len()).collect();
    let spec = FormatSpec::Json(options.clone());
    let again = anabranch_engine::format::decoder(&spec, fields, &all).decode(&block(&lines));
    assert_eq!(again.dead, [], "a line that we wrote");
    assert!(again.column_errors.iter().all(anabranch_engine::expr::RowErrors::is_empty));
    assert_same_batch(fields, &decoded.batch, &again.batch, None);
}

/// One byte for the columns, one for the options, one for the columns that are wanted,
/// then lines. A record is dead exactly if another parser refuses it; for the rest see
/// `check` and `check_round_trip`.
// spec: F-1
pub fn json_decode(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let columns = match input.byte() % 4 {
        0 => flights(),
        1 => scalars(),
        2 => nested(),
        _ => Vec::new(),
    };
    let bits = input.byte();
    let options = JsonOptions {
        ignore_parse_errors: bits & 1 != 0,
        fail_on_missing_field: bits & 2 != 0,
        timestamp_format: [TimestampFormat::Sql, TimestampFormat::Iso8601]
            [usize::from(bits >> 2 & 1)],
    };
    let mask = input.byte();
    let records: Vec<&[u8]> = input.rest().split(|byte| *byte == b'\n').collect();
    let spec = FormatSpec::Json(options.clone());
    let make = |wanted: &[usize]| anabranch_engine::format::decoder(&spec, &columns, wanted);
    let decoded = check(&make, &columns, &records, mask);
    assert_eq!(decoded.dead.len() + decoded.record_of_row.len(), records.len());
    for (index, record) in records.iter().enumerate() {
        let dead = decoded.dead.iter().find(|dead| dead.index == index);
        assert_eq!(dead.is_none(), is_well_formed(record), "{dead:?}");
    }
    check_round_trip(&columns, &options, &decoded);
    decoded.batch.num_rows() > 0
}
