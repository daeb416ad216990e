//! The plan while it is being put together, and its final form.

mod bounded;
mod graph;
mod lower;
mod rewrite;

pub(crate) use graph::{Column, DraftId, DraftKind, Graph, Windowed, all_of};
pub(crate) use rewrite::{columns_of, depth, replace_columns, size, uses_tick};
