//! The world: calm runs, crashes, faults, twins.

mod calm;
mod crash;
mod faults;
mod found;
mod jobs;
mod judged;
mod swarm;
mod text;
