//! What is asked of a ClickHouse server, at the level of single statements.
//!
//! Every insert is synchronous (`async_insert = 0`), has a pinned block size and one
//! thread, so that the same rows make the same blocks whenever they are sent.

use crate::ids::Epoch;
use bytes::Bytes;

/// A row as it is inserted and read: the columns that the engine adds, and the rest as
/// one line of JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClickHouseRow {
    /// The value of the partition expression.
    pub partition: Bytes,
    /// The user's part of the sorting key; empty in a table without.
    pub key: Bytes,
    /// `_epoch`: the last epoch of the flush group.
    pub epoch: Epoch,
    /// `_sequence`: the chunk's number in the upper half, the row's place in the chunk in
    /// the lower one, so that the number follows from the chunk alone.
    pub sequence: u64,
    /// `_deleted`; false in a table that does not have the column.
    pub deleted: bool,
    /// The user's columns.
    pub value: Bytes,
}

impl ClickHouseRow {
    /// `_version`: of rows with one key, the largest stays.
    #[must_use]
    pub fn version(&self) -> (Epoch, u64) {
        (self.epoch, self.sequence)
    }

    /// The chunk of the group that it came with.
    #[must_use]
    pub fn chunk(&self) -> u32 {
        (self.sequence >> 32) as u32
    }
}

/// How the server finds out that a block came before. It looks only as far back as the
/// table's window reaches, and not at all if that is 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deduplication {
    /// By the hash of each block's content: two equal batches become one.
    ByHash,
    /// Not at all: `deduplicate_insert = 'disable'`, and `insert_deduplicate = 0` for servers
    /// before 26.2, which do not know the first. Newer ones take no notice of the second
    /// alone (measured on 26.9).
    Off,
    /// By this text, the block's number within the insert, and the partition. What the
    /// block holds is not looked at.
    Token(String),
}

/// How a partition gets from one table into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionTransfer {
    /// `ATTACH PARTITION … FROM`: adds a copy.
    Attach,
    /// `MOVE PARTITION … TO TABLE`: adds, and takes away from the first table.
    Move,
    /// `REPLACE PARTITION … FROM`: a copy in place of what was there, also of nothing.
    Replace,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClickHouseRequest {
    /// Which chunks a table holds from an epoch on, merged or not. Answered by
    /// [`ClickHouseAnswer::Chunks`].
    Chunks {
        /// The table.
        table: String,
        /// From which epoch on.
        from: Epoch,
    },
    /// `CREATE TABLE IF NOT EXISTS`. Answered by [`ClickHouseAnswer::Done`].
    Create {
        /// The table.
        table: String,
        /// What it is.
        definition: ClickHouseTable,
    },
    /// `CREATE TABLE IF NOT EXISTS table AS like`, empty. Answered by
    /// [`ClickHouseAnswer::Done`].
    CreateLike {
        /// The new table.
        table: String,
        /// The one that it is like.
        like: String,
        /// How many blocks the new table remembers for deduplication, if that differs:
        /// `non_replicated_deduplication_window`.
        deduplication_window: Option<u64>,
    },
    /// What a table is. Answered by [`ClickHouseAnswer::Table`].
    Describe {
        /// The table.
        table: String,
    },
    /// `DROP TABLE IF EXISTS … SYNC`. Answered by [`ClickHouseAnswer::Done`].
    Drop {
        /// The table.
        table: String,
    },
    /// `INSERT INTO table`. Answered by [`ClickHouseAnswer::Done`].
    Insert {
        /// The table.
        table: String,
        /// How blocks that came before are told.
        deduplication: Deduplication,
        /// `max_insert_block_size`: a larger insert becomes several blocks, and each
        /// block one part for each partition. At least 1.
        block_rows_max: u64,
        /// The rows.
        rows: Vec<ClickHouseRow>,
    },
    /// `OPTIMIZE TABLE … FINAL`: merges everything now. Answered by
    /// [`ClickHouseAnswer::Done`].
    Optimize {
        /// The table.
        table: String,
        /// Whether rows that were deleted for good go away.
        cleanup: bool,
    },
    /// The text of a note: a row of a small Replacing table of the sink's own, read with
    /// FINAL. Answered by [`ClickHouseAnswer::Note`].
    ReadNote {
        /// Its name.
        name: String,
    },
    /// The rows of a table. Answered by [`ClickHouseAnswer::Rows`].
    Select {
        /// The table.
        table: String,
        /// Whether with FINAL: replaced and deleted rows are left out.
        is_final: bool,
    },
    /// `SHOW TABLES` whose name begins so. Answered by [`ClickHouseAnswer::Tables`].
    Tables {
        /// The beginning.
        prefix: String,
    },
    /// Brings a partition into another table, in one atomic change. One that is not there
    /// is no error. Answered by [`ClickHouseAnswer::Done`].
    TransferPartition {
        /// The table that has it.
        from: String,
        /// The table that gets it.
        to: String,
        /// The partition.
        partition: Bytes,
        /// How.
        how: PartitionTransfer,
    },
    /// `TRUNCATE TABLE`. Answered by [`ClickHouseAnswer::Done`].
    Truncate {
        /// The table.
        table: String,
    },
    /// Writes a note. The largest version stays, whoever comes later; of equal versions
    /// the one that came last. Answered by [`ClickHouseAnswer::Done`].
    WriteNote {
        /// Its name.
        name: String,
        /// Its version.
        version: NoteVersion,
        /// The text.
        text: Bytes,
    },
}

/// The version of a note, compared in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NoteVersion {
    /// An epoch, or the number of a generation.
    pub major: u64,
    /// A chunk.
    pub minor: u32,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClickHouseAnswer {
    /// What chunks there are, ascending.
    Chunks(Vec<ChunkRows>),
    /// It is done, or had been done.
    Done,
    /// The server failed in the middle: some blocks of an insert may be there.
    Failed(ClickHouseError),
    /// A note with its version; `None` if there is none.
    Note(Option<(NoteVersion, Bytes)>),
    /// The server refused, and did nothing.
    Refused(ClickHouseError),
    /// Rows, ascending.
    Rows(Vec<ClickHouseRow>),
    /// A table.
    Table(ClickHouseTable),
    /// Names of tables, ascending.
    Tables(Vec<String>),
}

/// The rows of one chunk in one partition of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChunkRows {
    /// The epoch.
    pub epoch: Epoch,
    /// The chunk.
    pub chunk: u32,
    /// The partition.
    pub partition: Bytes,
    /// How many different `_sequence` numbers there are.
    pub rows: u64,
    /// The largest of them.
    pub sequence_max: u64,
}

/// What decides how a table takes inserts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClickHouseTable {
    /// Its engine and what that is told.
    pub engine: TableEngine,
    /// How many blocks the table remembers for deduplication; 0: none, as is the default
    /// of a table that is not replicated.
    pub deduplication_window: u64,
    /// How long it remembers them, in s; 0: without end.
    pub deduplication_window_s: u64,
    /// Whether merges may drop rows that were deleted for good.
    pub automatic_cleanup: bool,
    /// Whether partition and sharding keys are functions of the sorting key.
    pub partition_by_key: bool,
}

/// A table's engine, replicated or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TableEngine {
    /// `MergeTree`: every row stays.
    #[default]
    MergeTree,
    /// Any other, by its name.
    Other(String),
    /// `ReplacingMergeTree(_version, _deleted)`: of rows with one key, the one with the
    /// largest version stays.
    Replacing,
    /// `ReplacingMergeTree` ordered by the key, `_epoch`, `_sequence`: equal rows become
    /// one.
    ReplacingEqual,
}

/// Errors of the server that a machine has to tell apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClickHouseError {
    /// TOO_MANY_PARTS, MEMORY_LIMIT_EXCEEDED, TABLE_IS_READ_ONLY: it may go well later.
    Busy,
    /// Anything else, as the server said it.
    Other(String),
    /// UNKNOWN_TABLE.
    UnknownTable,
}
