//! Framing and the decoders of JSON and CSV.

mod csv;
mod json;
mod same;

pub use csv::csv_decode;
pub use json::json_decode;

use crate::input::Input;
use anabranch_engine::format::{Framed, frame};
use anabranch_engine::ids::Offset;
use anabranch_engine::plan::{CsvOptions, FormatSpec, JsonOptions};
use anabranch_engine::types::{Field, SqlType};
use bytes::Bytes;

fn fields(columns: &[(&str, SqlType)]) -> Vec<Field> {
    columns.iter().map(|(name, ty)| Field::new(*name, ty.clone().nullable())).collect()
}

/// The columns of the example.
fn flights() -> Vec<Field> {
    fields(&[
        ("dep", SqlType::Timestamp(3)),
        ("carrier", SqlType::STRING),
        ("plane", SqlType::STRING),
        ("origin", SqlType::STRING),
        ("dest", SqlType::STRING),
        ("delay", SqlType::Int),
        ("miles", SqlType::Int),
    ])
}

/// A column of every type without fields or elements.
fn scalars() -> Vec<Field> {
    fields(&[
        ("a", SqlType::Boolean),
        ("b", SqlType::TinyInt),
        ("c", SqlType::SmallInt),
        ("d", SqlType::BigInt),
        ("e", SqlType::Float),
        ("f", SqlType::Double),
        ("g", SqlType::Decimal { precision: 10, scale: 2 }),
        ("h", SqlType::STRING),
        ("i", SqlType::BYTES),
        ("j", SqlType::Date),
        ("k", SqlType::Time(3)),
        ("l", SqlType::TimestampLtz(6)),
        ("m", SqlType::Timestamp(9)),
    ])
}

/// Options of CSV, a bit or two each.
fn csv_options(bits: u8) -> CsvOptions {
    CsvOptions {
        field_delimiter: [',', '|', '\t', 'é'][usize::from(bits & 3)],
        quote_character: (bits & 4 == 0).then_some('"'),
        escape_character: (bits & 8 != 0).then_some('\\'),
        null_literal: (bits & 16 != 0).then(|| "NULL".to_owned()),
        allow_comments: bits & 32 != 0,
        ignore_parse_errors: bits & 64 != 0,
    }
}

/// Offset and bytes of each record.
fn records(framed: &Framed) -> Vec<(u64, Bytes)> {
    let data = &framed.block.data;
    let records = framed.block.records.iter();
    records.map(|it| (it.offset, data.slice(it.start as usize..it.end as usize))).collect()
}

/// Where the bytes start in their file.
const BASE: u64 = 1000;

/// Frames the parts one after the other, as a reader of a growing file does.
fn framed_in_parts(spec: &FormatSpec, data: &Bytes, ends: &[usize]) -> Vec<(u64, Bytes)> {
    let mut all = Vec::new();
    let mut done = 0;
    for &end in ends.iter().filter(|end| **end < data.len()).chain([&data.len()]) {
        if end < done {
            continue;
        }
        let base = Offset(BASE + done as u64);
        let framed = frame(spec, data.slice(done..end), base, end == data.len());
        assert_eq!(framed.block.end_offset, base.0 + framed.consumed as u64);
        all.extend(records(&framed));
        done += framed.consumed;
    }
    assert_eq!(done, data.len(), "the last part is consumed whole");
    all
}

/// One byte for the format, one for its options, a piece whose bytes say how long the
/// parts are, then the data. Records come in order, do not overlap, and are the same
/// however the data was cut.
pub fn framing(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let (format, options) = (input.byte(), input.byte());
    let spec = match format % 4 {
        0 => FormatSpec::Json(JsonOptions::default()),
        1 => FormatSpec::None,
        _ => FormatSpec::Csv(csv_options(options)),
    };
    let mut end = 0;
    let ends: Vec<usize> = input
        .piece()
        .iter()
        .map(|length| {
            end += usize::from(*length);
            end
        })
        .collect();
    let data = Bytes::copy_from_slice(input.rest());
    let whole = framed_in_parts(&spec, &data, &[]);
    let mut place = BASE;
    for (offset, record) in &whole {
        assert!(*offset >= place && !record.is_empty());
        place = offset + record.len() as u64;
        let start = (offset - BASE) as usize;
        assert_eq!(data[start..start + record.len()], record[..]);
    }
    assert_eq!(framed_in_parts(&spec, &data, &ends), whole, "the cut matters");
    !whole.is_empty()
}
