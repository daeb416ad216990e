//! What must hold for every input: one function for each reader of bytes from outside.
//!
//! Each function takes arbitrary bytes and panics if a promise is broken. The fuzz
//! targets call them with bytes that a fuzzer makes up; the tests of this crate call
//! them with the committed corpora. A checksum would keep a fuzzer out, so where a
//! format has one, the bytes are sealed here before they are read.

mod formats;
mod input;
mod journal;
mod plan;
pub mod seeds;
mod sink;
mod snapshot;
mod sql;
mod state;

pub use formats::{csv_decode, framing, json_decode};
pub use journal::{journal_entry, journal_scan};
pub use plan::plan_json;
pub use sink::sink_manifest;
pub use snapshot::{snapshot_manifest, snapshot_part};
pub use sql::sql_text;
pub use state::operator_state;

/// A check of one reader. Gives whether it took the bytes for what they claim to be; a
/// corpus whose bytes are all refused checks little.
pub type Property = fn(&[u8]) -> bool;

/// All checks with the names of their fuzz targets, which are also those of the folders
/// of their corpora.
pub const TARGETS: &[(&str, Property)] = &[
    ("csv_decode", csv_decode),
    ("framing", framing),
    ("journal_entry", journal_entry),
    ("journal_scan", journal_scan),
    ("json_decode", json_decode),
    ("operator_state", operator_state),
    ("plan_json", plan_json),
    ("sink_manifest", sink_manifest),
    ("snapshot_manifest", snapshot_manifest),
    ("snapshot_part", snapshot_part),
    ("sql_text", sql_text),
];
