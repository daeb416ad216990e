//! The whole pipeline on disks that lose what was not synced: whichever operation the
//! power fails at, and whatever of it survives, the sinks hold the same in the end.
//!
//! Journal, snapshots and sinks are the machines that production runs on real ones.

mod disks;
mod job;
mod stores;
mod sweep;
mod world;
