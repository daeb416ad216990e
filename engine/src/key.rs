//! Key groups: the fixed parts of the key space by which state is addressed.

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
