//! From columns to records.

mod csv;
mod json;
#[cfg(test)]
mod tests;
mod text;
mod value;

pub use csv::encode_csv;
pub use json::encode_json;
pub use text::{encode_field, encode_text};
