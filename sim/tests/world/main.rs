//! The world: calm runs, crashes, faults, twins.

mod calm;
mod crash;
mod found;
mod jobs;
mod swarm;
mod judged;
mod text;
