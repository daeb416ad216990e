//! The plan while it is being put together, and its final form.

mod graph;
mod lower;
mod rewrite;

pub(crate) use graph::{Column, DraftId, Graph, Windowed, all_of};
pub(crate) use rewrite::{columns_of, depth, replace_columns, size, uses_tick};
