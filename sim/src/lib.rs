//! The deterministic simulator of the whole engine.
//!
//! At present it is a laboratory: one pipeline in a world of memory that carries out
//! its outputs one by one, and can crash it behind any of them.

pub mod lab;
