//! The marker: how far a sink shard is, kept inside the sink.

use crate::codec::{DecodeError, Reader, put_bool, put_u32, put_u64};
use crate::ids::{Epoch, Lineage, SinkId};
use crate::journal::hash::ChainHash;
use std::cmp::Ordering;
use std::fmt;

/// One independently written part of a sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SinkShard {
    /// The sink.
    pub sink: SinkId,
    /// The part, from 0.
    pub shard: u32,
}

/// The last chunk that a sink shard applied.
// spec: K-7
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The lineage of the epoch.
    pub lineage: Lineage,
    /// The last epoch of the flush group.
    pub epoch: Epoch,
    /// The number of the chunk within the group, from 0.
    pub chunk: u32,
    /// Whether it was the group's last: only then is the group complete.
    pub last: bool,
    /// The hash over the chunk and its predecessor's hash.
    pub hash: ChainHash,
}

impl Marker {
    /// Whether both stand at the same place of the same lineage, whatever their
    /// content is.
    #[must_use]
    pub fn same_place(&self, other: &Marker) -> bool {
        self.lineage == other.lineage && self.epoch == other.epoch && self.chunk == other.chunk
    }

    /// Whether a chunk with this marker may come right after `predecessor`: the next
    /// chunk of the same group, or the first of a later group if the group before is
    /// complete. The first chunk of a newer lineage comes after whatever the lineage
    /// found, also after half a group.
    // spec: G-2, K-7
    #[must_use]
    pub fn may_follow(&self, predecessor: Option<Marker>) -> bool {
        match predecessor {
            None => self.chunk == 0,
            Some(before) if before.lineage == self.lineage => {
                if before.last {
                    self.chunk == 0 && self.epoch > before.epoch
                } else {
                    before.chunk.checked_add(1) == Some(self.chunk) && self.epoch == before.epoch
                }
            }
            Some(before) => self.chunk == 0 && before.lineage.number < self.lineage.number,
        }
    }
}

/// How the marker that a sink shard holds stands to the last one that it
/// acknowledged.
// spec: K-5
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is that one.
    AsAcknowledged,
    /// It is a later one: the sink applied more than it came to acknowledge.
    Ahead,
    /// It is an earlier one, or none: the sink lost what it had acknowledged.
    Behind,
    /// It stands at the same place with other content, or belongs to a history of
    /// which nothing is known: somebody else writes to this sink.
    Elsewhere,
}

/// Compares the marker that was found with the last acknowledged one.
// spec: K-5
#[must_use]
pub fn standing(found: Option<Marker>, acknowledged: Option<Marker>) -> Standing {
    let (found, acknowledged) = match (found, acknowledged) {
        (None, None) => return Standing::AsAcknowledged,
        (None, Some(_)) => return Standing::Behind,
        (Some(_), None) => return Standing::Ahead,
        (Some(found), Some(acknowledged)) => (found, acknowledged),
    };
    let place = |marker: &Marker| (marker.lineage.number, marker.epoch, marker.chunk);
    match place(&found).cmp(&place(&acknowledged)) {
        Ordering::Equal if found == acknowledged => Standing::AsAcknowledged,
        Ordering::Equal => Standing::Elsewhere,
        _ if found.lineage.number == acknowledged.lineage.number
            && found.lineage != acknowledged.lineage =>
        {
            Standing::Elsewhere
        }
        Ordering::Greater => Standing::Ahead,
        Ordering::Less => Standing::Behind,
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.last { "" } else { "+" };
        write!(f, "{}:{}.{}{end}", self.lineage, self.epoch, self.chunk)
    }
}

impl fmt::Display for SinkShard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.sink, self.shard)
    }
}

/// Appends a marker. A lineage equal to `current` takes one byte.
pub fn put_marker(out: &mut Vec<u8>, marker: &Marker, current: Lineage) {
    let own = marker.lineage == current;
    put_bool(out, own);
    if !own {
        put_u64(out, marker.lineage.number);
        put_u64(out, marker.lineage.nonce);
    }
    put_u64(out, marker.epoch.0);
    put_u32(out, marker.chunk);
    put_bool(out, marker.last);
    out.extend_from_slice(&marker.hash.0);
}

/// Reads what [`put_marker`] wrote with the same `current`.
///
/// # Errors
/// If the bytes are no marker.
pub fn read_marker(reader: &mut Reader<'_>, current: Lineage) -> Result<Marker, DecodeError> {
    let lineage = if reader.bool()? {
        current
    } else {
        let lineage = Lineage { number: reader.u64()?, nonce: reader.u64()? };
        if lineage == current {
            return Err(reader.error("the current lineage in its long form"));
        }
        lineage
    };
    Ok(Marker {
        lineage,
        epoch: Epoch(reader.u64()?),
        chunk: reader.u32()?,
        last: reader.bool()?,
        hash: ChainHash(reader.array()?),
    })
}
