//! From text to statements: tokens, our dialect of expressions, DDL.

mod asserts;
mod call;
mod ddl;
mod dialect;
mod error;
mod lexer;
mod prefix;
mod statement;
mod types;

pub(crate) use asserts::{AssertText, asserts_of};
pub(crate) use call::{DEFAULT_ON, ERROR_ON, RETURNING};
pub(crate) use ddl::{
    ColumnSource, ColumnSyntax, CreateTable, OptionSyntax, PrimaryKey, Watermark,
};
pub(crate) use lexer::{Chunk, Hint, split};
pub(crate) use prefix::TABLE_ARGUMENT;
pub(crate) use statement::{CreateView, Insert, Parsed, ParsedChunk, parse_chunk, parse_options};
pub(crate) use types::type_from_text;
