//! CSV records.

use super::same::{assert_same_batch, check};
use super::{csv_options, flights, scalars};
use crate::input::Input;
use anabranch_engine::format::{Decoded, decoder, encode_csv, frame};
use anabranch_engine::ids::Offset;
use anabranch_engine::plan::{CsvOptions, FormatSpec};
use anabranch_engine::types::{Field, Schema};
use bytes::Bytes;

/// What is written of the rows reads back the same.
fn check_round_trip(fields: &[Field], options: &CsvOptions, decoded: &Decoded) {
    if options.quote_character.is_none() {
        // Nothing is protected then, as in Flink.
        return;
    }
    let schema = Schema::new(fields.to_vec());
    let mut text = Vec::new();
    let rows = decoded.batch.num_rows();
    encode_csv(&schema, options, &decoded.batch, 0..rows, &mut text);
    let spec = FormatSpec::Csv(options.clone());
    let framed = frame(&spec, Bytes::from(text), Offset(0), true);
    let all: Vec<usize> = (0..fields.len()).collect();
    let again = decoder(&spec, fields, &all).decode(&framed.block);
    assert_eq!(again.dead, [], "a line that we wrote");
    assert!(again.column_errors.iter().all(anabranch_engine::expr::RowErrors::is_empty));
    let absent = options.null_literal.as_deref().unwrap_or_default();
    assert_same_batch(fields, &decoded.batch, &again.batch, Some(absent));
}

/// One byte for the columns, one for the options, one for the columns that are wanted,
/// then the data. No record that was framed has two lines for the decoder; for the rest
/// see `check` and `check_round_trip`.
// spec: F-1
pub fn csv_decode(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let columns = match input.byte() % 3 {
        0 => flights(),
        1 => scalars(),
        _ => flights().split_off(5),
    };
    let options = csv_options(input.byte());
    let mask = input.byte();
    let spec = FormatSpec::Csv(options.clone());
    let framed = frame(&spec, Bytes::copy_from_slice(input.rest()), Offset(0), true);
    let block = &framed.block;
    let records: Vec<&[u8]> =
        block.records.iter().map(|it| &block.data[it.start as usize..it.end as usize]).collect();
    let make = |wanted: &[usize]| decoder(&spec, &columns, wanted);
    let decoded = check(&make, &columns, &records, mask);
    for dead in &decoded.dead {
        assert!(!dead.detail.ends_with("expected one line"), "{}", dead.detail);
    }
    check_round_trip(&columns, &options, &decoded);
    decoded.batch.num_rows() > 0
}
