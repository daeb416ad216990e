//! Thirteen canonical jobs, each over its own kind of sinks and journal, through every crash
//! and every pause, judged by all oracles.

mod found;
mod judged;
mod lagging;
mod oracles;
mod pauses;
mod scenarios;
mod seeds;
mod sweep;
mod traces;
