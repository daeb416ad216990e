//! Queries over tables that are there as a whole, such as a job's asserts are.
//!
//! They are no part of a job: its plan and hash know nothing of them, and no operator
//! runs them. Whoever holds the rows of the tables computes them, the simulator's
//! interpreter for one.

use super::node::{AggregateCall, Calc, Values};
use crate::expr::Expr;
use crate::types::Schema;
use std::fmt;

/// Something that must hold of what a job's sinks hold: a query that gives no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assert {
    /// Its name, if it was given one; no two asserts of a job have the same.
    pub name: Option<String>,
    /// The line of the job's text on which it begins, counted from 1.
    pub line: usize,
    /// The query as it stands in the text, in one line.
    pub text: String,
    /// The query.
    pub query: BoundedPlan,
}

impl fmt::Display for Assert {
    /// What it is called: its name, or its line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "line {}", self.line),
        }
    }
}

/// A query over whole tables.
///
/// Invariants: there is a node; the inputs of a node stand before it; the last node is
/// the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundedPlan {
    /// The nodes, inputs first.
    pub nodes: Vec<BoundedNode>,
}

/// One node of the query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundedNode {
    /// What it does.
    pub kind: BoundedKind,
    /// Where its rows come from, by their places in [`BoundedPlan::nodes`].
    pub inputs: Vec<usize>,
    /// The columns that it gives.
    pub schema: Schema,
}

/// What a node does. Only [`BoundedKind::Sort`] gives its rows an order, which
/// [`BoundedKind::Calc`] and [`BoundedKind::Limit`] keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundedKind {
    /// One row for each key.
    Aggregate(BoundedAggregate),
    /// Filters and computes, row by row.
    Calc(Calc),
    /// Pairs of rows of two inputs.
    Join(BoundedJoin),
    /// The first rows; of rows without an order, in the order of all their values.
    Limit(Limit),
    /// Rows in the order of some columns, and among equals of all.
    Sort(Vec<SortKey>),
    /// The columns that the sink of this table stores, of all rows that it holds.
    Table(String),
    /// All rows of all inputs; the columns agree by position.
    Union,
    /// Constant rows.
    Values(Values),
}

/// Aggregates by key: gives the key columns, then one column for each aggregate.
/// Without keys there is one row, also over no rows at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundedAggregate {
    /// The columns of the key.
    pub keys: Vec<usize>,
    /// What is aggregated.
    pub aggregates: Vec<AggregateCall>,
}

/// Pairs of rows: the columns of the left input, then those of the right one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundedJoin {
    /// Whether a row of the left side without a partner stays, with NULLs.
    pub keeps_left: bool,
    /// Which pairs there are, over the columns of both; all, if there is none.
    pub condition: Option<Expr>,
    /// Values of the left and of the right side, each over its own columns, that are
    /// equal in each pair for which the condition is TRUE.
    pub equal: Vec<(Expr, Expr)>,
}

/// `OFFSET … LIMIT …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// So many rows are left out first.
    pub offset: u64,
    /// So many rows are kept; `None`: all the others.
    pub count: Option<u64>,
}

/// One item of ORDER BY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// The column.
    pub column: usize,
    /// Whether the largest value comes first.
    pub descending: bool,
    /// Whether NULL comes first.
    pub nulls_first: bool,
}

impl BoundedPlan {
    /// The names of the tables that it reads, each once, in order.
    #[must_use]
    pub fn tables(&self) -> Vec<&str> {
        let tables = self.nodes.iter().filter_map(|node| match &node.kind {
            BoundedKind::Table(name) => Some(name.as_str()),
            BoundedKind::Aggregate(_)
            | BoundedKind::Calc(_)
            | BoundedKind::Join(_)
            | BoundedKind::Limit(_)
            | BoundedKind::Sort(_)
            | BoundedKind::Union
            | BoundedKind::Values(_) => None,
        });
        let mut tables: Vec<&str> = tables.collect();
        tables.sort_unstable();
        tables.dedup();
        tables
    }

    /// The columns of the result.
    ///
    /// # Panics
    /// If there is no node.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.nodes.last().expect("a query has a node").schema
    }
}
