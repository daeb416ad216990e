//! The deterministic simulator of the whole engine.

pub mod disk;
