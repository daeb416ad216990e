//! The journal and the snapshots over the model of an object store: every interleaving of
//! two writers, every outcome of every request, zombies, stale listings.

mod journal;
#[cfg(feature = "plants")]
mod plants;
mod snapshots;
mod writer;
