//! The catalog: which snapshots are complete.

use crate::codec::{DecodeError, Reader, put_list, put_str, put_u64};
use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

// spec: S-4
const MAGIC: [u8; 5] = *b"ABSc\x01";
const CHECKSUM_BYTES: usize = 16;

/// The catalog as it was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) tag: Option<u64>,
    pub(super) catalog: Catalog,
}

/// The list of complete snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Catalog {
    /// Counts the changes, so that no two catalogs are equal, and no two tags.
    pub(super) changes: u64,
    /// The snapshots, ascending.
    pub(super) names: Vec<String>,
}

impl Catalog {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = MAGIC.to_vec();
        put_u64(&mut out, self.changes);
        put_list(&mut out, &self.names, |out, name| put_str(out, name));
        let checksum = xxh3_128(&out).to_le_bytes();
        out.extend_from_slice(&checksum);
        out.into()
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Catalog, DecodeError> {
        let fault = |what| DecodeError { at: 0, what };
        let length = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(fault("it is cut short"))?;
        let (body, checksum) = bytes.split_at(length);
        if xxh3_128(body).to_le_bytes() != checksum {
            return Err(fault("its checksum is wrong"));
        }
        let fields = body.strip_prefix(&MAGIC[..]).ok_or(fault("it is something else"))?;
        let mut reader = Reader::new(fields);
        let changes = reader.u64()?;
        let names = reader.list(1, |reader| reader.str().map(str::to_owned))?;
        reader.finish()?;
        Ok(Catalog { changes, names })
    }

    pub(super) fn with(&self, name: &str) -> Catalog {
        let mut names = self.names.clone();
        names.push(name.to_owned());
        names.sort_unstable();
        Catalog { changes: self.changes + 1, names }
    }

    pub(super) fn without(&self, removed: &[String]) -> Catalog {
        let mut names = self.names.clone();
        names.retain(|name| !removed.contains(name));
        Catalog { changes: self.changes + 1, names }
    }
}
