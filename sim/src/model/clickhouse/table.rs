//! One table of the model.

use super::part::{Part, replaced};
use crate::time::{Span, VirtualTime};
use anabranch_engine::ids::Epoch;
use anabranch_engine::service::clickhouse::{
    ChunkRows, ClickHouseRow, ClickHouseTable, Deduplication, TableEngine,
};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// A table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) definition: ClickHouseTable,
    /// The parts, in the order in which they were written.
    pub(super) parts: Vec<Part>,
    /// What the table remembers of blocks, the oldest first.
    remembered: VecDeque<(BlockId, VirtualTime)>,
}

/// By what a block is told from others of its partition.
#[derive(Clone, Debug, PartialEq, Eq)]
struct BlockId {
    partition: Bytes,
    name: BlockName,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum BlockName {
    /// The hash of the content, which depends on the order of the rows.
    Hash(u64),
    /// The token, and the block's number within its insert.
    Token(String, usize),
}

impl Table {
    pub(super) fn new(definition: ClickHouseTable) -> Table {
        Table { definition, parts: Vec::new(), remembered: VecDeque::new() }
    }

    /// Inserts rows block by block, each block partition by partition; stops before the
    /// part of number `stop`. Gives whether the insert was not stopped.
    pub(super) fn insert(
        &mut self,
        now: VirtualTime,
        write: u64,
        deduplication: &Deduplication,
        block_rows_max: u64,
        rows: &[ClickHouseRow],
        stop: Option<u32>,
    ) -> bool {
        let rows_max = usize::try_from(block_rows_max.max(1)).unwrap_or(usize::MAX);
        let mut parts = 0;
        for (number, block) in rows.chunks(rows_max).enumerate() {
            for (partition, rows) in by_partition(block) {
                if Some(parts) == stop {
                    return false;
                }
                parts += 1;
                let name = match deduplication {
                    Deduplication::ByHash => BlockName::Hash(hash_of(&rows)),
                    Deduplication::Token(token) => BlockName::Token(token.clone(), number),
                    Deduplication::Off => {
                        self.add(write, partition, rows);
                        continue;
                    }
                };
                if self.is_new(now, BlockId { partition: partition.clone(), name }) {
                    self.add(write, partition, rows);
                }
            }
        }
        stop.is_none()
    }

    fn add(&mut self, write: u64, partition: Bytes, rows: Vec<ClickHouseRow>) {
        let rows = rows.into_iter().map(|row| (write, row)).collect();
        self.parts.push(Part { partition, rows });
    }

    /// Whether a block is not remembered; if so, it is from now on. One that comes again
    /// does not become younger.
    fn is_new(&mut self, now: VirtualTime, id: BlockId) -> bool {
        let window = self.definition.deduplication_window;
        let age_max = Span::ms(self.definition.deduplication_window_s as i64 * 1_000);
        if age_max > Span(0) {
            self.remembered.retain(|(_, since)| now - *since < age_max);
        }
        if self.remembered.iter().any(|(known, _)| *known == id) {
            return false;
        }
        self.remembered.push_back((id, now));
        while self.remembered.len() as u64 > window {
            self.remembered.pop_front();
        }
        true
    }

    /// Forgets all blocks; gives how many there were.
    pub(super) fn forget(&mut self) -> usize {
        let count = self.remembered.len();
        self.remembered.clear();
        count
    }

    pub(super) fn truncate(&mut self) {
        self.parts.clear();
        self.remembered.clear();
    }

    /// The parts of a partition.
    pub(super) fn copy_of(&self, partition: &Bytes) -> Vec<Part> {
        self.parts.iter().filter(|part| part.partition == *partition).cloned().collect()
    }

    /// Its blocks stay remembered: to insert them again does nothing.
    pub(super) fn drop_partition(&mut self, partition: &Bytes) {
        self.parts.retain(|part| part.partition != *partition);
    }

    /// Loses all rows of later writes; gives how many there were.
    pub(super) fn lose_after(&mut self, write: u64) -> usize {
        let mut lost = 0;
        for part in &mut self.parts {
            let before = part.rows.len();
            part.rows.retain(|(of, _)| *of <= write);
            lost += before - part.rows.len();
        }
        self.parts.retain(|part| !part.is_empty());
        lost
    }

    /// Merges two neighbours of one partition, or now and then a whole partition; the
    /// number says which. Gives how many rows went away; `None` if there was nothing to
    /// merge.
    pub(super) fn merge(&mut self, number: u64) -> Option<usize> {
        let chosen = xxh3_64(&number.to_le_bytes());
        let partitions: BTreeSet<Bytes> =
            self.parts.iter().map(|part| part.partition.clone()).collect();
        let mergeable: Vec<(Bytes, Vec<usize>)> = partitions
            .into_iter()
            .map(|partition| {
                let of_it = |(_, part): &(usize, &Part)| part.partition == partition;
                let places = self.parts.iter().enumerate().filter(of_it);
                let places = places.map(|(place, _)| place).collect();
                (partition, places)
            })
            .filter(|(_, places): &(_, Vec<usize>)| places.len() > 1)
            .collect();
        let (_, places) = &mergeable.get(chosen.checked_rem(mergeable.len() as u64)? as usize)?;
        if chosen >> 62 == 0 {
            return Some(self.merge_parts(places, self.definition.automatic_cleanup));
        }
        let first = (chosen >> 8) as usize % (places.len() - 1);
        Some(self.merge_parts(&places[first..first + 2], self.definition.automatic_cleanup))
    }

    /// Merges every partition into one part.
    pub(super) fn optimize(&mut self, cleanup: bool) {
        let partitions: BTreeSet<Bytes> =
            self.parts.iter().map(|part| part.partition.clone()).collect();
        for partition in partitions {
            let of_it = |(_, part): &(usize, &Part)| part.partition == partition;
            let places: Vec<usize> =
                self.parts.iter().enumerate().filter(of_it).map(|(place, _)| place).collect();
            self.merge_parts(&places, cleanup || self.definition.automatic_cleanup);
        }
    }

    /// Merges these parts, ascending and of one partition, into one at the first's place.
    fn merge_parts(&mut self, places: &[usize], cleanup: bool) -> usize {
        let rows = places.iter().flat_map(|place| &self.parts[*place].rows);
        let mut merged = replaced(&self.definition.engine, rows);
        if cleanup && self.definition.engine == TableEngine::Replacing {
            merged.retain(|(_, row)| !row.deleted);
        }
        let before: usize = places.iter().map(|place| self.parts[*place].len()).sum();
        let gone = before - merged.len();
        self.parts[places[0]].rows = merged;
        for place in places[1..].iter().rev() {
            self.parts.remove(*place);
        }
        self.parts.retain(|part| !part.is_empty());
        gone
    }

    pub(super) fn rows_raw(&self) -> Vec<ClickHouseRow> {
        let mut rows: Vec<ClickHouseRow> =
            self.parts.iter().flat_map(Part::rows).cloned().collect();
        rows.sort_unstable();
        rows
    }

    /// The rows that a reader sees: by key where the table has versions, else in the order
    /// of epochs.
    pub(super) fn rows_final(&self) -> Vec<ClickHouseRow> {
        let partitions: BTreeSet<&Bytes> = self.parts.iter().map(|part| &part.partition).collect();
        let mut rows = Vec::new();
        for partition in partitions {
            let parts = self.parts.iter().filter(|part| part.partition == *partition);
            rows.extend(replaced(&self.definition.engine, parts.flat_map(|part| &part.rows)));
        }
        let mut rows: Vec<ClickHouseRow> = rows.into_iter().map(|(_, row)| row).collect();
        if self.definition.engine == TableEngine::Replacing {
            rows.retain(|row| !row.deleted);
            rows.sort_by(|a, b| (&a.key, &a.partition).cmp(&(&b.key, &b.partition)));
        } else {
            rows.sort_by_key(ClickHouseRow::version);
        }
        rows
    }

    pub(super) fn chunks(&self, from: Epoch) -> Vec<ChunkRows> {
        let mut chunks: BTreeMap<(Epoch, u32, &Bytes), BTreeSet<u64>> = BTreeMap::new();
        for row in self.parts.iter().flat_map(Part::rows).filter(|row| row.epoch >= from) {
            let place = (row.epoch, row.chunk(), &row.partition);
            chunks.entry(place).or_default().insert(row.sequence);
        }
        let chunk =
            |((epoch, chunk, partition), rows): ((_, _, &Bytes), BTreeSet<u64>)| ChunkRows {
                epoch,
                chunk,
                partition: partition.clone(),
                rows: rows.len() as u64,
                sequence_max: rows.last().copied().unwrap_or_default(),
            };
        chunks.into_iter().map(chunk).collect()
    }
}

fn by_partition(rows: &[ClickHouseRow]) -> BTreeMap<Bytes, Vec<ClickHouseRow>> {
    let mut parts: BTreeMap<Bytes, Vec<ClickHouseRow>> = BTreeMap::new();
    for row in rows {
        parts.entry(row.partition.clone()).or_default().push(row.clone());
    }
    parts
}

fn hash_of(rows: &[ClickHouseRow]) -> u64 {
    let mut state = Xxh3::new();
    for row in rows {
        for text in [&row.key, &row.value] {
            state.update(&(text.len() as u64).to_le_bytes());
            state.update(text);
        }
        state.update(&row.epoch.0.to_le_bytes());
        state.update(&row.sequence.to_le_bytes());
        state.update(&[u8::from(row.deleted)]);
    }
    state.digest()
}
