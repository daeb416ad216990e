//! The pure core of Anabranch: a state machine without clock, thread, file or socket.
//!
//! Time, records and the answers of the world enter as values; what the world is
//! asked to do leaves as values. See `docs/ARCHITECTURE.md`.

pub mod agg;
pub mod codec;
pub mod dataflow;
pub mod diagnostic;
pub mod executor;
pub mod expr;
pub mod format;
pub mod function;
pub mod ids;
pub mod journal;
pub mod key;
pub mod op;
pub mod pipeline;
pub mod plan;
pub mod plant;
pub mod rows;
pub mod service;
pub mod sink;
pub mod snapshot;
pub mod state;
pub mod time;
pub mod types;
