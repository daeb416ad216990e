//! Rows on their way through the plan, each with where it comes from.

use super::cell::Cell;
use super::eval::Computed;
use super::expected::Source;
use anabranch_engine::expr::ErrorKind;
use anabranch_engine::ids::{NodeId, SplitName, TableId};
use std::cmp::Ordering;
use std::rc::Rc;

/// A row.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its values. Only in a row of a scan a column may have none.
    pub(super) cells: Vec<Computed>,
    pub(super) origin: Origin,
    /// The epoch in which it exists first, by its place.
    pub(super) epoch: usize,
    pub(super) sources: Rc<[Source]>,
}

/// What brought a row about.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// A record.
    Record {
        source: Source,
        /// The split's watermark before the record.
        before: i64,
        /// The inputs of unions that it came through, the first union first.
        path: Vec<u32>,
        /// Its place among the rows that an operator made of one row.
        place: Vec<u32>,
    },
    /// A timer of an operator.
    Timer {
        fire: i64,
        /// The operator whose order it keeps; see [`super::expected::Stream`].
        operator: NodeId,
    },
    /// Neither: constants and rows of side tables.
    Other,
}

/// A record that came too late for some or all windows of an operator.
// spec: T-4
#[derive(Clone, Debug)]
pub(super) struct Late {
    pub(super) node: NodeId,
    pub(super) source: Source,
    pub(super) before: i64,
    pub(super) missed: usize,
    pub(super) total: usize,
    pub(super) epoch: usize,
}

/// A row that could not be computed.
// spec: F-1
#[derive(Clone, Debug)]
pub(super) struct Dead {
    pub(super) node: NodeId,
    /// Its record; `None` for a derived row.
    pub(super) record: Option<Source>,
    pub(super) kind: ErrorKind,
    pub(super) expression: String,
    pub(super) epoch: usize,
    pub(super) sources: Rc<[Source]>,
}

/// A record that is not well formed as a whole.
#[derive(Clone, Debug)]
pub(super) struct Malformed {
    pub(super) table: TableId,
    pub(super) source: Source,
    pub(super) epoch: usize,
}

impl Row {
    /// The value of a column.
    pub(super) fn cell(&self, column: usize) -> &Cell {
        self.cells[column].as_ref().expect("only rows of a scan have columns without a value")
    }

    /// All values.
    pub(super) fn values(&self) -> Vec<Cell> {
        (0..self.cells.len()).map(|column| self.cell(column).clone()).collect()
    }

    /// The dead row that it becomes.
    pub(super) fn dead(&self, node: NodeId, kind: ErrorKind, expression: &str) -> Dead {
        let record = match &self.origin {
            Origin::Record { source, .. } => Some(*source),
            Origin::Timer { .. } | Origin::Other => None,
        };
        let (epoch, sources) = (self.epoch, self.sources.clone());
        Dead { node, record, kind, expression: expression.to_owned(), epoch, sources }
    }
}

/// The canonical order of rows with these event times.
// spec: E-5
pub(super) fn canonical_order(a: (i64, &Row), b: (i64, &Row), splits: &[SplitName]) -> Ordering {
    let of_origin = || match (&a.1.origin, &b.1.origin) {
        (
            Origin::Record { source: one, path: one_path, place: one_place, .. },
            Origin::Record { source: other, path: other_path, place: other_place, .. },
        ) => {
            let one = (&splits[one.split], one.offset, one_path, one_place);
            let other = (&splits[other.split], other.offset, other_path, other_place);
            one.cmp(&other)
        }
        (Origin::Record { .. }, _) => Ordering::Less,
        (_, Origin::Record { .. }) => Ordering::Greater,
        _ => a.1.values().cmp(&b.1.values()),
    };
    a.0.cmp(&b.0).then_with(of_origin)
}
