//! Transport to files, terminals and services, and the local stores.

pub mod executor;
pub mod fs_exec;
pub mod lock;
pub mod sink;
pub mod source;
pub mod store;
