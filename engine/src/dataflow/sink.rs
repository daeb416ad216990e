//! The end of a dataflow: what a table does not take does not reach it.

use super::calc::{keep, row_text};
use crate::expr::ErrorKind;
use crate::ids::{NodeId, SinkId};
use crate::op::DeadRow;
use crate::plan::{Node, Table};
use crate::rows::{Origin, Rows};
use arrow_array::{Array, BooleanArray};

/// A compiled sink.
#[derive(Debug)]
pub(super) struct SinkExec {
    pub(super) id: SinkId,
    node: NodeId,
    /// The columns that are declared NOT NULL, with their names.
    not_null: Vec<(usize, String)>,
}

impl SinkExec {
    pub(super) fn new(node: &Node, table: &Table, id: SinkId) -> SinkExec {
        let not_null = table
            .stored_columns()
            .enumerate()
            .filter(|(_, column)| !column.ty.nullable)
            .map(|(index, column)| (index, column.name.clone()))
            .collect();
        SinkExec { id, node: node.id, not_null }
    }

    /// The rows that the table takes, and those that hold a NULL where it takes none.
    // spec: F-1
    pub(super) fn run(&self, rows: Rows) -> (Rows, Vec<DeadRow>) {
        let columns = rows.batch.columns();
        if self.not_null.iter().all(|(index, _)| columns[*index].null_count() == 0) {
            return (rows, Vec::new());
        }
        let missing = |row: usize| {
            self.not_null.iter().find(|(index, _)| columns[*index].is_null(row)).map(|(_, n)| n)
        };
        let mut dead = Vec::new();
        let mut taken = Vec::with_capacity(rows.len());
        for row in 0..rows.len() {
            let missing = missing(row);
            taken.push(missing.is_none());
            let Some(name) = missing else { continue };
            let record = match &rows.origin {
                Origin::Records { split, offsets, .. } => Some((*split, offsets[row])),
                Origin::Timer { .. } | Origin::Other => None,
            };
            dead.push(DeadRow {
                node: self.node,
                record,
                kind: ErrorKind::NotNull,
                detail: format!("column {name} is NULL"),
                expression: name.clone(),
                context: if record.is_some() { String::new() } else { row_text(&rows, row) },
            });
        }
        (keep(&rows, &BooleanArray::from(taken), |_| true), dead)
    }
}
