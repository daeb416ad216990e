//! Whole texts through the compiler; expected plans and errors stand beside them.

mod broken;
mod lexical;
mod limits;
mod plans;
mod refusals;
mod statements;
mod support;
mod types;
mod windows;
