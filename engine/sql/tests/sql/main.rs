//! Whole texts through the compiler; expected plans and errors stand beside them.

mod asserts;
mod broken;
#[path = "../flink_rows/mod.rs"]
mod flink_rows;
mod function_examples;
mod lexical;
mod limits;
mod page;
mod plans;
mod refusals;
mod services;
mod statements;
mod support;
mod types;
mod windows;
