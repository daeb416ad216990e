//! What manifests and parts have in common: a few bytes that say what the rest is,
//! and a checksum at the end.
//!
//! ```text
//! byte  0  4  magic
//!       4  4  format version, little-endian
//!       8     payload
//!      -16    XXH3-128 of everything before it, big-endian
//! ```

use crate::planted;
use crate::snapshot::{SNAPSHOT_VERSION, SnapshotError};
use xxhash_rust::xxh3::xxh3_128;

const HEADER_BYTES: usize = 8;
const CHECKSUM_BYTES: usize = 16;

/// The payload that `fill` writes, sealed.
pub(super) fn seal(magic: [u8; 4], fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&magic);
    out.extend_from_slice(&SNAPSHOT_VERSION.to_le_bytes());
    fill(&mut out);
    let checksum = checksum(&out);
    out.extend_from_slice(&checksum);
    out
}

/// The checksum by which a manifest names a part.
pub(super) fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    xxh3_128(bytes).to_be_bytes()
}

/// The payload of what [`seal`] gave. `object` is named in errors.
///
/// The checksum is looked at before the version: a version that rotted is damage,
/// not another version.
// spec: S-1, S-4
pub(super) fn open<'a>(
    object: &str,
    magic: [u8; 4],
    bytes: &'a [u8],
) -> Result<&'a [u8], SnapshotError> {
    let damaged = |what: &str| SnapshotError::Damaged { object: object.into(), what: what.into() };
    if bytes.len() < HEADER_BYTES + CHECKSUM_BYTES {
        return Err(damaged("it is cut short"));
    }
    let (body, stated) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
    if checksum(body) != stated && !planted!(P7) {
        return Err(damaged("its checksum is wrong"));
    }
    let (header, payload) = body.split_at(HEADER_BYTES);
    if header[..4] != magic {
        return Err(damaged("it is something else"));
    }
    let found = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    if found != SNAPSHOT_VERSION {
        return Err(SnapshotError::Version { object: object.into(), found });
    }
    Ok(payload)
}
