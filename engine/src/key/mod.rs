//! Key groups, and our own encoding of key columns.
//!
//! The encoding is memcomparable and self-delimiting: comparing encoded keys byte by
//! byte orders them as SQL does with NULL first, and a key ends where its last
//! column ends. It is part of the state format and of the key groups, so it never
//! changes; a golden file holds it.

mod decode;
mod encode;
mod narrow;

pub use decode::{decode_columns, split_values};
pub(crate) use encode::{encode_narrow_key, encode_text_key};
pub use encode::{encode_row, encode_value};
pub(crate) use narrow::{is_narrow, narrow, widen};

use crate::ids::KeyGroup;

/// How many key groups a job has, for its life.
pub const KEY_GROUPS: u16 = 256;

/// The key group of an encoded key: XXH3-64 of the encoding, modulo the number of
/// groups. Held by a golden file; it never changes.
#[must_use]
pub fn key_group(encoded: &[u8]) -> KeyGroup {
    let hash = xxhash_rust::xxh3::xxh3_64(encoded);
    KeyGroup((hash % u64::from(KEY_GROUPS)) as u16)
}
