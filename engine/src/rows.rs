//! Rows on their way through the dataflow: a batch of columns with what an operator
//! must know about each row besides its values.

use crate::expr::RowErrors;
use crate::ids::SplitId;
use arrow_array::RecordBatch;
use arrow_buffer::ScalarBuffer;

/// How a row changes the table that the stream stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowKind {
    /// `+I`
    Insert,
    /// `-U`
    UpdateBefore,
    /// `+U`
    UpdateAfter,
    /// `-D`
    Delete,
}

impl RowKind {
    /// Flink's two letters for it.
    #[must_use]
    pub fn letters(self) -> &'static str {
        match self {
            RowKind::Insert => "+I",
            RowKind::UpdateBefore => "-U",
            RowKind::UpdateAfter => "+U",
            RowKind::Delete => "-D",
        }
    }
}

/// The kinds of the rows of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowKinds {
    /// Every row is an insert, as in nearly all batches.
    Inserts,
    /// One kind a row.
    Each(Vec<RowKind>),
}

/// Where the rows of a batch come from, and so in which order they stand.
// spec: E-3, E-5
#[derive(Clone, Debug)]
pub enum Origin {
    /// Rows made from the records of one split, in record order.
    Records {
        /// The split. A batch never mixes splits.
        split: SplitId,
        /// For each row the offset of its record; ascending, equal for rows made
        /// from one record.
        offsets: ScalarBuffer<u64>,
        /// For each row the split's watermark before its record, in ms.
        watermarks_before: ScalarBuffer<i64>,
        /// Which way through the plan's unions the rows took; tells rows of one
        /// record apart that met again.
        path: u32,
    },
    /// Rows that timers made, in (fire time, operator, key, ordinal) order. They
    /// are never late.
    Timer {
        /// For each row the time of its timer, in ms; ascending.
        fire_times: ScalarBuffer<i64>,
    },
    /// Rows without a place in time: constants, `$late` and `$dead` rows.
    Other,
}

/// A batch of rows.
///
/// Invariants: `kinds`, `offsets`, `watermarks_before` and `fire_times` are as long
/// as the batch; `column_errors` is empty or has one entry a column.
#[derive(Clone, Debug)]
pub struct Rows {
    /// The columns. A batch without columns still has a row count.
    pub batch: RecordBatch,
    /// How each row changes its table.
    pub kinds: RowKinds,
    /// Where the rows come from.
    pub origin: Origin,
    /// Which columns could not be decoded in which rows. Only rows of a scan have
    /// it; the expression that reads such a column fails for the row.
    // spec: F-1
    pub column_errors: Vec<RowErrors>,
}

impl Rows {
    /// Inserts with this origin.
    #[must_use]
    pub fn inserts(batch: RecordBatch, origin: Origin) -> Rows {
        Rows { batch, kinds: RowKinds::Inserts, origin, column_errors: Vec::new() }
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batch.num_rows() == 0
    }

    /// The kind of a row.
    #[must_use]
    pub fn kind(&self, row: usize) -> RowKind {
        match &self.kinds {
            RowKinds::Inserts => RowKind::Insert,
            RowKinds::Each(kinds) => kinds[row],
        }
    }
}
