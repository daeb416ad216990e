//! The decoder of a table.

use super::Decoder;
use super::csv::CsvDecoder;
use super::json::JsonDecoder;
use crate::plan::{FormatSpec, JsonOptions};
use crate::types::Field;

/// The decoder for records of this format. `fields` are all physical columns of the
/// table; it gives those at the places `wanted`, in that order.
#[must_use]
pub fn decoder(format: &FormatSpec, fields: &[Field], wanted: &[usize]) -> Box<dyn Decoder> {
    let chosen = || wanted.iter().map(|index| fields[*index].clone()).collect::<Vec<_>>();
    match format {
        FormatSpec::Csv(options) => Box::new(CsvDecoder::new(fields, wanted, options)),
        FormatSpec::Json(options) => Box::new(JsonDecoder::new(&chosen(), options)),
        // Connectors that make rows themselves hand them over as JSON.
        FormatSpec::None => Box::new(JsonDecoder::new(&chosen(), &JsonOptions::default())),
    }
}
