//! The dataflow as a whole: that its answer is a function of its input, that it is the
//! one of an independent model, and the small traces of the rules by name.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod function_of_input;
mod job;
mod records;
mod rng;
mod schedule;
mod world;
