//! Chunks as rows of a table.

use crate::rows::RowKind;
use crate::service::clickhouse::ClickHouseRow;
use crate::sink::{Chunk, ChunkPayload, SinkRecord};
use bytes::Bytes;

/// The rows of a chunk for a table with versions. Of an update only the row after it is
/// written: it replaces the one before.
pub(super) fn keyed(chunk: &Chunk, sent: u64) -> Vec<ClickHouseRow> {
    let kept = records(chunk).iter().filter(|record| record.kind != RowKind::UpdateBefore);
    numbered(chunk, kept, sent)
}

/// The rows of a chunk for a table from which nothing is ever taken back.
///
/// # Errors
/// What is wrong with a record that is no insert.
pub(super) fn appended(chunk: &Chunk, sent: u64) -> Result<Vec<ClickHouseRow>, String> {
    let change = records(chunk).iter().find(|record| record.kind != RowKind::Insert);
    if let Some(record) = change {
        let letters = record.kind.letters();
        return Err(format!("a table without versions takes inserts only, not {letters}"));
    }
    Ok(numbered(chunk, records(chunk).iter(), sent))
}

/// The numbers follow from the chunk alone: sent again, by whomever, a row has the same.
// spec: J-5, K-1
fn numbered<'a>(
    chunk: &Chunk,
    records: impl Iterator<Item = &'a SinkRecord>,
    sent: u64,
) -> Vec<ClickHouseRow> {
    let first = u64::from(chunk.marker.chunk) << 32;
    let first = if crate::planted!(K9) { first + sent } else { first };
    let row = |(index, record): (usize, &SinkRecord)| ClickHouseRow {
        partition: record.partition.clone(),
        key: record.key.clone(),
        epoch: chunk.marker.epoch,
        sequence: first + index as u64,
        deleted: record.kind == RowKind::Delete,
        value: record.value.clone(),
    };
    records.enumerate().map(row).collect()
}

/// The rows of each partition, by partition and then in order.
pub(super) fn by_partition(rows: Vec<ClickHouseRow>) -> Vec<(Bytes, Vec<ClickHouseRow>)> {
    let mut parts: Vec<(Bytes, Vec<ClickHouseRow>)> = Vec::new();
    for row in rows {
        match parts.binary_search_by(|(partition, _)| partition.cmp(&row.partition)) {
            Ok(place) => parts[place].1.push(row),
            Err(place) => parts.insert(place, (row.partition.clone(), vec![row])),
        }
    }
    parts
}

fn records(chunk: &Chunk) -> &[SinkRecord] {
    match &chunk.payload {
        ChunkPayload::Records { records } => records,
        ChunkPayload::Bytes { .. } => panic!("ClickHouse is given records, not bytes"),
    }
}
