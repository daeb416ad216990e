//! Transport to files, terminals and services, and the local stores.

pub mod fs_exec;
pub mod lock;
pub mod store;
