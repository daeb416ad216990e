//! What the sinks are given, and what has to be in the table afterwards.

use anabranch_engine::ids::{Epoch, Lineage, SinkId};
use anabranch_engine::rows::RowKind;
use anabranch_engine::service::clickhouse::ClickHouseRow;
use anabranch_engine::sink::{Chunk, ChunkPayload, ChunkPlace, Marker, SinkRecord, SinkShard};
use bytes::Bytes;
use std::collections::BTreeMap;

pub(crate) const LINEAGE: Lineage = Lineage { number: 1, nonce: 5 };
pub(crate) const SHARD: SinkShard = SinkShard { sink: SinkId(3), shard: 0 };

/// A row as a reader has to see it.
pub(crate) type Seen = (String, String);

fn record(epoch: u64, kind: RowKind, key: &str, value: &str) -> SinkRecord {
    // The partition is a function of the key.
    let partition = Bytes::from(format!("p{}", key.len() % 2));
    let (key, value) = (Bytes::from(key.to_owned()), Bytes::from(value.to_owned()));
    SinkRecord { epoch: Epoch(epoch), kind, key, partition, value }
}

fn chunks_of(groups: Vec<(u64, Vec<Vec<SinkRecord>>)>) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for (epoch, group) in groups {
        let last = group.len() - 1;
        for (number, records) in group.into_iter().enumerate() {
            let before: Option<Marker> = chunks.last().map(|chunk| chunk.marker);
            let place = ChunkPlace {
                lineage: LINEAGE,
                epoch: Epoch(epoch),
                chunk: number as u32,
                last: number == last,
            };
            chunks.push(Chunk::new(SHARD, before, place, ChunkPayload::Records { records }));
        }
    }
    chunks
}

/// Inserts, updates and deletions of keys in two partitions; a key comes twice in one
/// group, goes away and comes back.
pub(crate) fn changes() -> Vec<Chunk> {
    use RowKind::{Delete, Insert, UpdateAfter, UpdateBefore};
    chunks_of(vec![
        (
            3,
            vec![
                vec![record(3, Insert, "a", "1"), record(3, Insert, "bb", "1")],
                vec![record(3, Insert, "c", "1"), record(3, Insert, "dd", "1")],
            ],
        ),
        (
            6,
            vec![vec![
                record(5, UpdateBefore, "a", "1"),
                record(5, UpdateAfter, "a", "2"),
                record(6, Delete, "bb", "1"),
                record(6, Insert, "e", "1"),
            ]],
        ),
        (
            9,
            vec![
                vec![record(7, UpdateAfter, "a", "3"), record(7, Delete, "c", "1")],
                vec![record(8, Insert, "c", "2"), record(9, UpdateAfter, "a", "4")],
                vec![record(9, Insert, "bb", "2")],
            ],
        ),
    ])
}

/// Inserts alone, some of them equal, in two partitions.
pub(crate) fn inserts() -> Vec<Chunk> {
    let insert = |epoch, key, value| record(epoch, RowKind::Insert, key, value);
    chunks_of(vec![
        (3, vec![vec![insert(3, "a", "x"), insert(3, "bb", "x"), insert(3, "a", "x")]]),
        (
            6,
            vec![
                vec![insert(5, "a", "x"), insert(6, "bb", "y"), insert(6, "c", "y")],
                vec![insert(6, "a", "z"), insert(6, "bb", "z"), insert(6, "a", "z")],
            ],
        ),
        (7, vec![vec![insert(7, "dd", "w")]]),
        (9, vec![vec![insert(8, "a", "x"), insert(9, "dd", "w"), insert(9, "dd", "v")]]),
    ])
}

/// What readers see after these chunks of [`changes`]: worked out key by key, without
/// versions.
pub(crate) fn keyed_result(chunks: &[Chunk]) -> Vec<Seen> {
    let mut table: BTreeMap<String, String> = BTreeMap::new();
    for record in chunks.iter().flat_map(records) {
        let (key, value) = (text(&record.key), text(&record.value));
        match record.kind {
            RowKind::Delete | RowKind::UpdateBefore => drop(table.remove(&key)),
            RowKind::Insert | RowKind::UpdateAfter => drop(table.insert(key, value)),
        }
    }
    table.into_iter().collect()
}

/// Which keys these chunks of [`changes`] write, each with the version's epoch.
pub(crate) fn written(chunks: &[Chunk]) -> Vec<(Bytes, Epoch)> {
    let of_chunk = |chunk: &Chunk| {
        let written = records(chunk).iter().filter(|record| record.kind != RowKind::UpdateBefore);
        let epoch = chunk.marker.epoch;
        written.map(|record| (record.key.clone(), epoch)).collect::<Vec<_>>()
    };
    chunks.iter().flat_map(of_chunk).collect()
}

/// What readers see after these chunks of [`inserts`], in any order.
pub(crate) fn appended_result(chunks: &[Chunk]) -> Vec<Seen> {
    let rows = chunks.iter().flat_map(records);
    sorted(rows.map(|record| (text(&record.key), text(&record.value))).collect())
}

pub(crate) fn seen(rows: &[ClickHouseRow]) -> Vec<Seen> {
    sorted(rows.iter().map(|row| (text(&row.key), text(&row.value))).collect())
}

fn sorted(mut rows: Vec<Seen>) -> Vec<Seen> {
    rows.sort();
    rows
}

fn records(chunk: &Chunk) -> &[SinkRecord] {
    match &chunk.payload {
        ChunkPayload::Records { records } => records,
        other => panic!("the script writes records, not {other:?}"),
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.to_vec()).expect("the script writes text")
}
