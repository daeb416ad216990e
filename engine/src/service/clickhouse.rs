//! What is asked of a ClickHouse server, at the level of single statements.

use crate::ids::{Epoch, Lineage};
use bytes::Bytes;

/// A row as it is inserted and read: the columns that the engine adds, and the rest as
/// one line of JSON.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClickHouseRow {
    /// The value of the partition expression.
    pub partition: Bytes,
    /// The sorting key, by which a Replacing table replaces; empty in a table without.
    pub key: Bytes,
    /// `_epoch`: the last epoch of the flush group.
    pub epoch: Epoch,
    /// `_sequence`: the place of the row within the epoch's group, from 0.
    pub sequence: u64,
    /// `_deleted`, in a Replacing table.
    pub deleted: bool,
    /// The user's columns.
    pub value: Bytes,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClickHouseRequest {
    /// `INSERT INTO table`. Answered by [`ClickHouseAnswer::Done`].
    Insert {
        /// The table.
        table: String,
        /// `insert_deduplication_token`; without one, blocks are told apart by their hash.
        token: Option<String>,
        /// `max_insert_block_size`: a larger insert becomes several blocks.
        block_rows_max: u64,
        /// The rows.
        rows: Vec<ClickHouseRow>,
    },
    /// Which epochs of a lineage, and how many rows of each chunk, a table holds from an
    /// epoch on. Answered by [`ClickHouseAnswer::Epochs`].
    Epochs {
        /// The table.
        table: String,
        /// From which epoch on.
        from: Epoch,
    },
    /// What a table is. Answered by [`ClickHouseAnswer::Table`].
    Describe {
        /// The table.
        table: String,
    },
    /// `CREATE TABLE IF NOT EXISTS staging AS table`, empty. Answered by
    /// [`ClickHouseAnswer::Done`].
    CreateLike {
        /// The new table.
        table: String,
        /// The one that it is like.
        like: String,
    },
    /// `DROP TABLE IF EXISTS`. Answered by [`ClickHouseAnswer::Done`].
    Drop {
        /// The table.
        table: String,
    },
    /// `SHOW TABLES LIKE 'prefix%'`. Answered by [`ClickHouseAnswer::Tables`].
    Tables {
        /// The prefix.
        prefix: String,
    },
    /// `ALTER TABLE from MOVE PARTITION … TO TABLE to`. A partition that is not there moves
    /// nothing, without an error. Answered by [`ClickHouseAnswer::Done`].
    MovePartition {
        /// The table that loses it.
        from: String,
        /// The table that gets it.
        to: String,
        /// The partition.
        partition: Bytes,
    },
    /// Small texts that the sink keeps beside its data, newest first: a Replacing table
    /// read with FINAL. Answered by [`ClickHouseAnswer::Note`].
    ReadNote {
        /// Its name.
        name: String,
    },
    /// Writes such a text; the larger version wins, whoever comes later. Answered by
    /// [`ClickHouseAnswer::Done`].
    WriteNote {
        /// Its name.
        name: String,
        /// Its version.
        version: u64,
        /// The text.
        text: Bytes,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClickHouseAnswer {
    /// It is done, or had been done.
    Done,
    /// What each epoch has, ascending.
    Epochs(Vec<EpochRows>),
    /// A table.
    Table(ClickHouseTable),
    /// Names of tables, ascending.
    Tables(Vec<String>),
    /// A text, with its version; `None` if there is none.
    Note(Option<(u64, Bytes)>),
    /// The server refused, and did nothing.
    Refused(ClickHouseError),
    /// The server failed in the middle: some blocks of an insert may be there.
    Failed(ClickHouseError),
}

/// The rows of one epoch in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochRows {
    /// The epoch.
    pub epoch: Epoch,
    /// How many different `_sequence` numbers.
    pub rows: u64,
    /// The largest `_sequence`.
    pub sequence_max: u64,
}

/// What decides how a table takes inserts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClickHouseTable {
    /// `MergeTree`, `ReplacingMergeTree`, …
    pub engine: String,
    /// How many inserts the table remembers for deduplication; 0: none.
    pub deduplication_window: u64,
    /// Whether merges may drop rows that were deleted for good.
    pub automatic_cleanup: bool,
    /// Whether partition and sharding keys are functions of the sorting key.
    pub partition_by_key: bool,
    /// The lineage that the table's notes belong to, if it has any.
    pub lineage: Option<Lineage>,
}

/// Errors of the server that a machine has to tell apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClickHouseError {
    /// TOO_MANY_PARTS, MEMORY_LIMIT_EXCEEDED, TABLE_IS_READ_ONLY: it may go well later.
    Busy,
    /// UNKNOWN_TABLE.
    UnknownTable,
    /// Anything else, as the server said it.
    Other(String),
}
