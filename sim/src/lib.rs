//! The deterministic simulator of the whole engine.
//!
//! At present it is a laboratory: one pipeline in a world of memory that carries out
//! its outputs one by one and can be killed behind any of them; and a disk that loses
//! what was not synced. Beside them stand an interpreter that says what a job must give,
//! and the oracles that compare with it.

pub mod conformance;
pub mod disk;
pub mod finding;
pub mod generate;
pub mod ideal;
pub mod lab;
pub mod model;
pub mod oracle;
pub mod plan;
pub mod recut;
pub mod reference;
pub mod report;
pub mod rng;
pub mod run;
pub mod shrink;
pub mod time;
pub mod world;
