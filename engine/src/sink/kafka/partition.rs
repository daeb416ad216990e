//! Which record goes to which partition, and in which batches: a function of the chunk
//! and the number of partitions alone, so that a retry sends exactly the same.

use super::progress::{NO_TIMESTAMP, Stamp};
use crate::rows::RowKind;
use crate::service::kafka::KafkaRecord;
use crate::sink::{Chunk, ChunkPayload, SinkRecord};
use bytes::Bytes;
use std::collections::BTreeMap;

/// The records of a chunk that go to one partition in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) partition: u32,
    pub(super) records: Vec<KafkaRecord>,
}

/// Cuts a chunk into batches of at most about `bytes_max` each; a record that is larger
/// makes a batch of its own.
///
/// # Panics
/// If the chunk holds bytes for files, or `partitions` is 0.
// spec: J-5
pub(super) fn batches_of(
    chunk: &Chunk,
    writer: u64,
    partitions: u32,
    bytes_max: usize,
) -> Vec<Batch> {
    let ChunkPayload::Records { records } = &chunk.payload else {
        panic!("a topic takes records, not bytes for files");
    };
    assert!(partitions > 0, "a topic has a partition");
    let mut batches: Vec<Batch> = Vec::new();
    // For each partition, its open batch and how many bytes that has.
    let mut open: BTreeMap<u32, (usize, usize)> = BTreeMap::new();
    for (place, record) in records.iter().enumerate() {
        let Some(value) = value_of(record) else { continue };
        let partition = partition_of(chunk, record, place, partitions);
        let bytes = record.key.len() + record.value.len();
        let (batch, filled) = match open.get(&partition) {
            Some(&(batch, filled)) if filled + bytes <= bytes_max => (batch, filled),
            Some(_) | None => {
                batches.push(Batch { partition, records: Vec::new() });
                (batches.len() - 1, 0)
            }
        };
        open.insert(partition, (batch, filled + bytes));
        let stamp = Stamp {
            writer,
            lineage: chunk.marker.lineage.number,
            group: chunk.marker.epoch,
            chunk: chunk.marker.chunk,
            epoch: record.epoch,
        };
        batches[batch].records.push(KafkaRecord {
            key: (!record.key.is_empty()).then(|| record.key.clone()),
            value,
            headers: vec![stamp.header()],
            timestamp_ms: NO_TIMESTAMP,
        });
    }
    batches
}

/// The value that is written; `None` if nothing is: of an update, the new row says all.
/// A deleted row leaves a record without value, as compacted topics want it.
fn value_of(record: &SinkRecord) -> Option<Option<Bytes>> {
    match record.kind {
        RowKind::Insert | RowKind::UpdateAfter => Some(Some(record.value.clone())),
        RowKind::Delete => Some(None),
        RowKind::UpdateBefore => None,
    }
}

/// The partition of a record: by its own word, else by its key, else in turn.
fn partition_of(chunk: &Chunk, record: &SinkRecord, place: usize, partitions: u32) -> u32 {
    let by = if record.partition.is_empty() { &record.key } else { &record.partition };
    let number = if by.is_empty() {
        // Small chunks must not all start with the same partition.
        let start = chunk.marker.epoch.0.wrapping_add(u64::from(chunk.marker.chunk));
        start.wrapping_add(place as u64)
    } else {
        u64::from(murmur2(by) & 0x7fff_ffff)
    };
    (number % u64::from(partitions)) as u32
}

/// Murmur2 as Kafka's own partitioner computes it (`org.apache.kafka.common.utils.Utils`).
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (index, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * index);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Epoch, Lineage};
    use crate::sink::{ChunkPlace, SinkShard};

    #[test]
    fn keys_are_hashed_as_by_kafkas_own_partitioner() {
        // The values of Kafka's own test, UtilsTest.testMurmur2.
        let truths: [(&str, i32); 6] = [
            ("21", -973932308),
            ("foobar", -790332482),
            ("a-little-bit-long-string", -985981536),
            ("a-little-bit-longer-string", -1486304829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
            ("abc", 479470107),
        ];
        for (text, hash) in truths {
            assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
        }
    }

    fn record(kind: RowKind, key: &str, value: &str) -> SinkRecord {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        SinkRecord {
            epoch: Epoch(4),
            kind,
            key: bytes(key),
            partition: Bytes::new(),
            value: bytes(value),
        }
    }

    fn chunk(records: Vec<SinkRecord>) -> Chunk {
        let lineage = Lineage { number: 1, nonce: 2 };
        let place = ChunkPlace { lineage, epoch: Epoch(4), chunk: 0, last: true };
        Chunk::new(SinkShard::default(), None, place, ChunkPayload::Records { records })
    }

    #[test]
    fn rows_of_a_key_keep_their_order_in_one_partition() {
        let rows = (0..20).map(|n| record(RowKind::Insert, &format!("k{}", n % 3), &n.to_string()));
        let batches = batches_of(&chunk(rows.collect()), 1, 4, 1 << 20);
        for key in ["k0", "k1", "k2"] {
            let mut homes = Vec::new();
            let mut values: Vec<u32> = Vec::new();
            for batch in &batches {
                for record in
                    batch.records.iter().filter(|r| r.key.as_deref() == Some(key.as_bytes()))
                {
                    homes.push(batch.partition);
                    let value = record.value.as_deref().unwrap();
                    values.push(str::from_utf8(value).unwrap().parse().unwrap());
                }
            }
            assert!(homes.iter().all(|home| *home == homes[0]));
            assert!(values.is_sorted() && values.len() >= 6, "{values:?}");
        }
    }

    #[test]
    fn rows_without_key_go_in_turn() {
        let rows = (0..6).map(|n| record(RowKind::Insert, "", &n.to_string())).collect();
        let batches = batches_of(&chunk(rows), 1, 3, 1 << 20);
        assert_eq!(batches.len(), 3);
        assert!(batches.iter().all(|batch| batch.records.len() == 2));
        assert_eq!(batches[0].partition, 1, "epoch 4 of 3 partitions starts with partition 1");
    }

    #[test]
    fn a_deleted_row_has_no_value_and_an_old_row_is_left_out() {
        let rows = vec![
            record(RowKind::UpdateBefore, "k", "old"),
            record(RowKind::UpdateAfter, "k", "new"),
            record(RowKind::Delete, "k", "new"),
        ];
        let batches = batches_of(&chunk(rows), 1, 1, 1 << 20);
        let values: Vec<_> = batches[0].records.iter().map(|record| record.value.clone()).collect();
        assert_eq!(values, [Some(Bytes::from_static(b"new")), None]);
    }

    #[test]
    fn large_chunks_are_cut_into_bounded_batches() {
        let rows = (0..10).map(|_| record(RowKind::Insert, "k", &"x".repeat(40))).collect();
        let batches = batches_of(&chunk(rows), 1, 2, 100);
        assert_eq!(batches.iter().map(|batch| batch.records.len()).collect::<Vec<_>>(), [2; 5]);
    }
}
