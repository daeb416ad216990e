//! The Redis sink's machine over the model of Redis: faults at every request.

mod failover;
mod faults;
#[cfg(feature = "plants")]
mod plants;
mod world;
mod zombies;
