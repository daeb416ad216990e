//! How a slice is recognised when it is read again.

use crate::ids::{Offset, SplitId};
use crate::journal::record::SliceRecord;

/// Takes the records of a slice, in order, and makes its [`SliceRecord`].
// spec: J-7
#[derive(Clone, Debug)]
pub struct SliceDigest {
    split: SplitId,
    start: Offset,
    first: Option<Offset>,
    last: Offset,
    count: u32,
    crc: crc32fast::Hasher,
}

/// A slice that was read again is not the one that was journaled.
// spec: J-7
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "offsets {} to {} of split {} are not what they were: {} records from {} to {} with checksum \
     {:08x} were journaled, {} from {} to {} with {:08x} are there now",
    journaled.start, journaled.end, journaled.split, journaled.count, journaled.first,
    journaled.last, journaled.crc, found.count, found.first, found.last, found.crc
)]
pub struct SliceMismatch {
    /// What the journal says.
    pub journaled: SliceRecord,
    /// What was read now.
    pub found: SliceRecord,
}

impl SliceDigest {
    /// A slice without records yet.
    #[must_use]
    pub fn new(split: SplitId, start: Offset) -> SliceDigest {
        SliceDigest {
            split,
            start,
            first: None,
            last: start,
            count: 0,
            crc: crc32fast::Hasher::new(),
        }
    }

    /// Takes the next record. `timestamp` is the one that its log gave it, in ms; a
    /// record of a file has none, and its line is the value.
    ///
    /// # Panics
    /// If the offset is not above that of the record before.
    pub fn record(
        &mut self,
        offset: Offset,
        timestamp: Option<i64>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) {
        let least = if self.first.is_some() { self.last.0 + 1 } else { self.start.0 };
        assert!(offset.0 >= least, "offsets grow: {offset} after {least}");
        self.first.get_or_insert(offset);
        self.last = offset;
        self.count += 1;
        self.crc.update(&offset.0.to_le_bytes());
        self.optional(timestamp.map(i64::to_le_bytes).as_ref().map(<[u8; 8]>::as_slice));
        self.optional(key);
        self.optional(value);
    }

    /// A missing value counts otherwise than an empty one, and no value can run into
    /// the next.
    fn optional(&mut self, bytes: Option<&[u8]>) {
        let length = bytes.map_or(u64::MAX, |bytes| bytes.len() as u64);
        self.crc.update(&length.to_le_bytes());
        self.crc.update(bytes.unwrap_or_default());
    }

    /// The slice up to, not including, `end`.
    ///
    /// # Panics
    /// If `end` is not above the last record.
    #[must_use]
    pub fn finish(self, end: Offset) -> SliceRecord {
        let Some(first) = self.first else {
            assert!(end >= self.start, "a slice ends after its start");
            return SliceRecord::empty(self.split, self.start, end);
        };
        assert!(end > self.last, "a slice ends after its last record");
        SliceRecord {
            split: self.split,
            start: self.start,
            end,
            count: self.count,
            first,
            last: self.last,
            crc: self.crc.finalize(),
        }
    }
}

impl SliceRecord {
    /// Compares what was read again with what this record says.
    ///
    /// # Errors
    /// If anything differs.
    // spec: J-7
    pub fn verify(&self, found: &SliceRecord) -> Result<(), SliceMismatch> {
        if self == found {
            return Ok(());
        }
        Err(SliceMismatch { journaled: *self, found: *found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(lines: &[(u64, &str)], end: u64) -> SliceRecord {
        let mut digest = SliceDigest::new(SplitId(3), Offset(10));
        for (offset, line) in lines {
            digest.record(Offset(*offset), None, None, Some(line.as_bytes()));
        }
        digest.finish(Offset(end))
    }

    #[test]
    fn an_edited_source_is_noticed() {
        // spec: J-7
        let journaled = slice(&[(10, "a,1"), (14, "b,2")], 18);
        assert!(journaled.is_consistent());
        assert!(journaled.verify(&slice(&[(10, "a,1"), (14, "b,2")], 18)).is_ok());
        let error = journaled.verify(&slice(&[(10, "a,1"), (14, "b,3")], 18)).unwrap_err();
        assert!(error.to_string().starts_with("offsets 10 to 18 of split 3 are not what"));
        assert!(journaled.verify(&slice(&[(10, "a,1b,2\n")], 18)).is_err());
    }

    #[test]
    fn a_range_may_end_in_offsets_without_records() {
        // spec: J-7
        let slice = slice(&[(12, "x")], 20);
        assert!(slice.is_consistent());
        assert!(SliceDigest::new(SplitId(3), Offset(10)).finish(Offset(20)).is_consistent());
    }

    #[test]
    fn a_missing_key_is_not_an_empty_one() {
        let one = |key: Option<&[u8]>| {
            let mut digest = SliceDigest::new(SplitId(0), Offset(0));
            digest.record(Offset(0), Some(7), key, None);
            digest.finish(Offset(1))
        };
        assert_ne!(one(None).crc, one(Some(b"")).crc);
    }
}
