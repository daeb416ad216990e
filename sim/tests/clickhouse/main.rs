//! The ClickHouse sinks over the model of a server: killed after every request with
//! every outcome, raced by zombies, with late requests, lost rows and merges at any time.

#[cfg(feature = "plants")]
mod plants;
mod script;
mod sweep;
mod tables;
mod traps;
mod world;
