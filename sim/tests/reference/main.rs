//! The reference interpreter, by hand-computed cases and against the engine.

mod generate;
mod hand;
mod job;
mod laboratory;
mod oracles;
mod random;
mod rows;
mod traces;
