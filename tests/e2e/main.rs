//! The real binary, from outside: what it reads, writes, prints and exits with.

mod flights;
mod job_tests;
mod kill;
mod messages;
mod output;
mod readme;
mod sim;
mod sim_input;
mod state;
mod support;
