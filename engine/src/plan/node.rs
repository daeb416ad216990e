//! The nodes of a plan.

use super::Window;
use crate::diagnostic::Span;
use crate::expr::{Expr, FunctionRef};
use crate::ids::{NodeId, TableId};
use crate::types::{DataType, Schema, Value};
use serde::{Deserialize, Serialize};

/// One node of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its place in [`super::Plan::nodes`].
    pub id: NodeId,
    /// A stable name, unique in the plan: state is addressed by it, and `_operator`
    /// of a late row holds it. A window aggregation is named after the table or view
    /// that its statement fills.
    // spec: S-3
    pub name: String,
    /// What it does.
    pub kind: NodeKind,
    /// Where its rows come from, in the order of its ports.
    pub inputs: Vec<NodeId>,
    /// The columns that it gives.
    pub schema: Schema,
    /// Whether rows are taken back.
    pub changelog: ChangelogMode,
    /// Columns that identify a row, if some do.
    pub unique_key: Option<Vec<usize>>,
    /// The column that is the row's event time, if one is.
    pub time_attribute: Option<usize>,
    /// What the results depend on.
    pub class: Class,
    /// Where it stands in the SQL text; no part of the hash.
    #[serde(skip)]
    pub span: Span,
}

/// Whether rows are taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangelogMode {
    /// Inserts only.
    InsertOnly,
    /// Updates and deletes as well.
    Updating,
}

/// What a result depends on besides the job.
// spec: E-2
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// On the splits' records and control records alone.
    Content,
    /// Also on ticks or lookup answers: equal on every replay of the journal.
    Journal,
    /// Also on how the splits were interleaved.
    Arrival,
}

/// What a node does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeKind {
    /// Reads a table.
    Scan(Scan),
    /// Reads the dead or the late rows of a table.
    SideScan(SideScan),
    /// Constant rows.
    Values(Values),
    /// Filters and computes, row by row.
    Calc(Calc),
    /// All rows of all inputs; the columns agree by position.
    Union,
    /// Adds window columns to rows.
    WindowAssign(WindowAssign),
    /// Aggregates by key and window.
    WindowAggregate(WindowAggregate),
    /// Writes a table.
    Sink(Sink),
}

/// Reads a table, once for all statements.
///
/// Gives the table's physical and metadata columns named in `columns`, in that
/// order. A column that cannot be decoded in a row is NULL there, with an error that
/// reaches only the statements that use the column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// The table.
    pub table: TableId,
    /// Indices in [`super::Table::columns`].
    pub columns: Vec<usize>,
    /// The watermark expression over the columns that this scan gives; a TIMESTAMP
    /// or TIMESTAMP_LTZ of precision at most 3.
    // spec: T-1
    pub watermark: Option<Expr>,
}

/// Which rows of a table a [`SideScan`] reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SideKind {
    /// Records and rows that could not be computed.
    Dead,
    /// Records that came too late for an operator.
    // spec: T-4
    Late,
}

/// Reads `<table>$dead` or `<table>$late`, all columns.
///
/// `$dead`: `_split STRING, _offset BIGINT, _line BIGINT, _reason STRING,
/// _expression STRING, _raw STRING`. `$late`: the columns of the table, then
/// `_operator STRING, _windows_missed INT, _windows_total INT, _watermark
/// TIMESTAMP(3), _split STRING, _offset BIGINT`. Neither has a time attribute.
///
/// The table's [`Scan`] stands before it, if nothing else reads the table: without
/// readers. Where late rows are read, the scan gives all columns of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideScan {
    /// The table.
    pub table: TableId,
    /// Which rows.
    pub kind: SideKind,
}

/// Constant rows, given once, in the first epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values {
    /// One list of values a row, of the types of the node's schema.
    pub rows: Vec<Vec<Value>>,
}

/// Keeps the rows for which the filter is TRUE and computes the output columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calc {
    /// BOOLEAN over the input's columns.
    pub filter: Option<Expr>,
    /// One expression for each column of the node's schema.
    pub projections: Vec<Projection>,
}

/// One computed column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Projection {
    /// Over the input's columns.
    pub expr: Expr,
    /// The SQL text of the expression, for dead letters; no part of the hash.
    #[serde(skip)]
    pub text: String,
}

/// Adds `window_start`, `window_end` and `window_time` to each row, once for each
/// window that the row belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowAssign {
    /// The windows; sessions need the partition columns.
    pub window: Window,
    /// The column that is the event time.
    pub rowtime: usize,
    /// `PARTITION BY` of a session.
    pub partition: Vec<usize>,
}

/// Aggregates by key and window.
///
/// Gives the key columns, then one column for each aggregate, then `window_start
/// TIMESTAMP(3)`, `window_end TIMESTAMP(3)` and `window_time` (of the rowtime's
/// type), once for each key and window, when the watermark passes the window's end.
/// `window_time` is the end minus 1 ms, and is the time attribute.
// spec: T-5
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowAggregate {
    /// The windows.
    pub window: Window,
    /// The column that is the event time.
    pub rowtime: usize,
    /// The columns of the key.
    pub keys: Vec<usize>,
    /// What is aggregated.
    pub aggregates: Vec<AggregateCall>,
    /// How long after its end a window takes rows before it fires, in ms.
    pub allowed_lateness_ms: i64,
}

/// One aggregate of an aggregation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AggregateCall {
    /// `COUNT`, `SUM`, `AVG`, `MIN`, `MAX`, `FIRST_VALUE` or `LAST_VALUE`.
    /// `COUNT` without an argument counts rows.
    pub function: FunctionRef,
    /// Columns of the input, already cast to what the function takes.
    pub args: Vec<usize>,
    /// Whether each distinct argument counts once.
    pub distinct: bool,
    /// A BOOLEAN column of the input: only rows where it is TRUE count.
    pub filter: Option<usize>,
    /// The type of the result.
    pub ty: DataType,
    /// The SQL text, for dead letters; no part of the hash.
    #[serde(skip)]
    pub text: String,
}

/// Writes a table. The input has the table's physical columns, in order, already cast;
/// a NULL for a column that is NOT NULL is found here, row by row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sink {
    /// The table.
    pub table: TableId,
}
