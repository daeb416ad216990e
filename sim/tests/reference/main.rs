//! The reference interpreter, by hand-computed cases and against the engine.

mod generate;
mod hand;
mod job;
mod laboratory;
mod oracles;
#[cfg(feature = "plants")]
mod plants;
mod random;
mod rows;
mod traces;
