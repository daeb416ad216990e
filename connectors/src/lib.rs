//! Transport to files, terminals and services, and the local stores.

pub mod executor;
pub mod sink;
pub mod source;
