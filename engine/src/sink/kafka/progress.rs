//! What the sink keeps in Kafka for itself: records of the progress topic, and the stamp
//! in the header of every data record.

use crate::codec::{DecodeError, Reader, put_bool, put_u32, put_u64};
use crate::ids::{Epoch, Generation, Lineage};
use crate::service::kafka::KafkaRecord;
use crate::sink::{Marker, put_marker, read_marker};
use bytes::Bytes;

/// The version of both formats that this code writes.
const VERSION: u8 = 1;
/// The header of a data record that holds its [`Stamp`].
pub const STAMP_HEADER: &str = "anabranch";
/// Markers in the progress topic lean on no current lineage.
const NO_LINEAGE: Lineage = Lineage { number: 0, nonce: 0 };
/// No time: what the broker keeps of a record must not depend on a clock that the sink
/// does not have.
pub(super) const NO_TIMESTAMP: i64 = -1;

/// A record of the progress topic: who owns the sink, or how far it is. Each shard of a
/// sink has one key for claims and one for markers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The generation that wrote it.
    pub generation: Generation,
    /// The data topic that it wrote to: another one of the same name has another id.
    pub topic_id: [u8; 16],
    /// Over how many partitions the records were spread.
    // spec: G-3
    pub partitions: u32,
    /// The marker; `None` in a claim.
    pub marker: Option<Marker>,
}

impl Progress {
    /// The record for the sink shard of this transactional id.
    #[must_use]
    pub fn record(&self, transactional_id: &str) -> KafkaRecord {
        let mut out = vec![VERSION];
        put_u64(&mut out, self.generation.number);
        out.extend_from_slice(&self.generation.nonce.to_le_bytes());
        out.extend_from_slice(&self.topic_id);
        put_u32(&mut out, self.partitions);
        put_bool(&mut out, self.marker.is_some());
        if let Some(marker) = &self.marker {
            put_marker(&mut out, marker, NO_LINEAGE);
        }
        let kind = if self.marker.is_some() { "marker" } else { "claim" };
        KafkaRecord {
            key: Some(Bytes::from(format!("{transactional_id}/{kind}"))),
            value: Some(Bytes::from(out)),
            headers: Vec::new(),
            timestamp_ms: NO_TIMESTAMP,
        }
    }

    /// What a record of the progress topic says of the sink shard of this transactional
    /// id; `None` if it is about another one.
    ///
    /// # Errors
    /// If it is about this one and cannot be read.
    #[must_use]
    pub fn of(
        record: &KafkaRecord,
        transactional_id: &str,
    ) -> Option<Result<Progress, DecodeError>> {
        let kind = record.key.as_deref()?.strip_prefix(transactional_id.as_bytes())?;
        if kind != b"/marker" && kind != b"/claim" {
            return None;
        }
        Some(Progress::decode(record.value.as_deref().unwrap_or_default()))
    }

    fn decode(bytes: &[u8]) -> Result<Progress, DecodeError> {
        let reader = &mut Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(reader.error("a progress record of another version"));
        }
        let number = reader.u64()?;
        let generation = Generation { number, nonce: u64::from_le_bytes(reader.array()?) };
        let progress = Progress {
            generation,
            topic_id: reader.array()?,
            partitions: reader.u32()?,
            marker: if reader.bool()? { Some(read_marker(reader, NO_LINEAGE)?) } else { None },
        };
        reader.finish()?;
        Ok(progress)
    }
}

/// Where a data record stands in its sink shard's sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// A hash of the transactional id, so that records of other writers are told apart.
    pub writer: u64,
    /// The number of the lineage.
    pub lineage: u64,
    /// The last epoch of the flush group.
    pub group: Epoch,
    /// The number of the chunk within the group.
    pub chunk: u32,
    /// The epoch of the row.
    pub epoch: Epoch,
}

impl Stamp {
    /// The header that holds it.
    #[must_use]
    pub fn header(&self) -> (String, Bytes) {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.writer.to_le_bytes());
        put_u64(&mut out, self.lineage);
        put_u64(&mut out, self.group.0);
        put_u32(&mut out, self.chunk);
        put_u64(&mut out, self.epoch.0);
        (STAMP_HEADER.to_owned(), Bytes::from(out))
    }

    /// The stamp of a record; `None` if it has none that can be read.
    #[must_use]
    pub fn of(record: &KafkaRecord) -> Option<Stamp> {
        let (_, bytes) = record.headers.iter().find(|(name, _)| name == STAMP_HEADER)?;
        Stamp::decode(bytes).ok()
    }

    fn decode(bytes: &[u8]) -> Result<Stamp, DecodeError> {
        let reader = &mut Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(reader.error("a stamp of another version"));
        }
        let stamp = Stamp {
            writer: u64::from_le_bytes(reader.array()?),
            lineage: reader.u64()?,
            group: Epoch(reader.u64()?),
            chunk: reader.u32()?,
            epoch: Epoch(reader.u64()?),
        };
        reader.finish()?;
        Ok(stamp)
    }

    /// Whether it belongs to a chunk that comes after the marker's.
    #[must_use]
    pub fn is_above(&self, marker: Option<&Marker>) -> bool {
        marker.is_none_or(|marker| {
            (self.lineage, self.group, self.chunk)
                > (marker.lineage.number, marker.epoch, marker.chunk)
        })
    }
}

/// What stands for a transactional id in stamps.
#[must_use]
pub fn writer_hash(transactional_id: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(transactional_id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::ChainHash;

    fn marker() -> Marker {
        let lineage = Lineage { number: 3, nonce: 4 };
        Marker { lineage, epoch: Epoch(500), chunk: 2, last: true, hash: ChainHash([7; 16]) }
    }

    fn progress(marker: Option<Marker>) -> Progress {
        let generation = Generation { number: 9, nonce: u64::MAX };
        Progress { generation, topic_id: [5; 16], partitions: 12, marker }
    }

    #[test]
    fn progress_comes_back_for_its_own_sink_only() {
        for written in [progress(None), progress(Some(marker()))] {
            let record = written.record("job-0-1");
            assert_eq!(Progress::of(&record, "job-0-1"), Some(Ok(written)));
            assert_eq!(Progress::of(&record, "job-0-10"), None);
            assert_eq!(Progress::of(&record, "job-0"), None);
        }
    }

    #[test]
    fn claims_and_markers_have_keys_of_their_own() {
        // Compaction keeps the last of each key: a claim must not remove a marker.
        let keys = [progress(None), progress(Some(marker()))].map(|p| p.record("x").key);
        assert_ne!(keys[0], keys[1]);
    }

    #[test]
    fn a_progress_record_that_was_cut_is_refused() {
        let whole = progress(Some(marker())).record("x");
        let bytes = whole.value.clone().unwrap();
        for length in 0..bytes.len() {
            let record = KafkaRecord { value: Some(bytes.slice(..length)), ..whole.clone() };
            assert!(matches!(Progress::of(&record, "x"), Some(Err(_))), "length {length}");
        }
        assert!(matches!(Progress::of(&KafkaRecord { value: None, ..whole }, "x"), Some(Err(_))));
    }

    #[test]
    fn a_stamp_comes_back_and_knows_what_is_above() {
        let at = |lineage, group, chunk| Stamp {
            writer: writer_hash("x"),
            lineage,
            group: Epoch(group),
            chunk,
            epoch: Epoch(490),
        };
        let record = KafkaRecord { headers: vec![at(3, 500, 2).header()], ..Default::default() };
        assert_eq!(Stamp::of(&record), Some(at(3, 500, 2)));
        assert!(!at(3, 500, 2).is_above(Some(&marker())));
        assert!(!at(2, 900, 0).is_above(Some(&marker())));
        assert!(at(3, 500, 3).is_above(Some(&marker())));
        assert!(at(3, 501, 0).is_above(Some(&marker())));
        assert!(at(1, 1, 0).is_above(None));
    }
}
