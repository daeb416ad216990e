//! The whole pipeline on disks that lose what was not synced: whichever operation the
//! power fails at, and whatever of it survives, the sinks hold the same in the end.
//!
//! Journal, snapshots and sinks do on these disks, operation for operation, what the
//! local stores and the filesystem sink do on real ones.

mod disks;
mod job;
mod stores;
mod sweep;
mod world;
