//! Parts: what a table is made of.

use anabranch_engine::ids::Epoch;
use anabranch_engine::service::clickhouse::{ClickHouseRow, TableEngine};
use bytes::Bytes;
use std::collections::BTreeMap;

/// A part: rows of one partition that were written by one block or one merge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The partition.
    pub partition: Bytes,
    /// The rows, each with the number of the write that brought it.
    pub(super) rows: Vec<(u64, ClickHouseRow)>,
}

impl Part {
    /// The rows.
    pub fn rows(&self) -> impl Iterator<Item = &ClickHouseRow> {
        self.rows.iter().map(|(_, row)| row)
    }

    /// How many rows it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// What replaces what: the user's key, and for equal rows their place, too.
type Replaced<'a> = (&'a Bytes, (Epoch, u64));

/// What stays of rows of one partition, given in the order in which they were written: of
/// those that replace each other the one with the largest version, of equal versions the
/// last.
pub(super) fn replaced<'a>(
    engine: &TableEngine,
    rows: impl Iterator<Item = &'a (u64, ClickHouseRow)>,
) -> Vec<(u64, ClickHouseRow)> {
    let by_place = match engine {
        TableEngine::Replacing => false,
        TableEngine::ReplacingEqual => true,
        TableEngine::MergeTree | TableEngine::Other(_) => return rows.cloned().collect(),
    };
    let mut kept: BTreeMap<Replaced<'a>, &'a (u64, ClickHouseRow)> = BTreeMap::new();
    for row in rows {
        let place = if by_place { row.1.version() } else { Default::default() };
        let newest = kept.entry((&row.1.key, place)).or_insert(row);
        if row.1.version() >= newest.1.version() {
            *newest = row;
        }
    }
    kept.into_values().cloned().collect()
}
