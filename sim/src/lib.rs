//! The deterministic simulator of the whole engine.
