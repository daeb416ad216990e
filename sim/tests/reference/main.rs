//! The reference interpreter, by hand-computed cases and against the engine.

mod job;
mod laboratory;
