//! The dataflow as a whole: that its answer is a function of its input, that it is the
//! one of an independent model, and the small traces of the rules by name.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod against_model;
mod function_of_input;
mod job;
mod mistakes;
#[path = "../model/mod.rs"]
mod model;
mod records;
mod rng;
mod schedule;
mod traces;
mod world;
