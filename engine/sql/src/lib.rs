//! SQL text in Flink's dialect to the engine's plan.
//!
//! The parser of `sqlparser` reads expressions and queries; the statements, the
//! names, the types and the windows are our own, so that every error points into the
//! text and nothing is planned as something else. See `docs/adr/0002-own-binder.md`.

mod bind;
mod catalog;
pub mod codes;
mod compile;
mod nearest;
mod options;
mod parse;
mod plan;
pub mod reference;
mod settings;
mod text;
mod typing;

pub use compile::{
    BuiltinConnectors, Compiled, ConnectorCatalog, DescribedColumn, Statement, StatementKind,
    compile,
};
pub use text::{LineColumn, LineIndex};
