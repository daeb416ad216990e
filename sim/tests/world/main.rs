//! The world: calm runs, crashes, faults, twins.

mod calm;
mod crash;
mod jobs;
