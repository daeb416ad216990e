//! The command line of Anabranch.
//!
//! The binary is thin: it reads the command line and the settings, gives the SQL text
//! to the front end and the plan to a pipeline, and carries out what that asks for.
//! Results go to the standard output, everything else to the standard error.

mod cli;
mod commands;
mod config;
mod driver;
mod errors;
mod job;
mod output;
mod places;

use std::process::ExitCode;

/// An epoch of one row takes and gives back many small pieces of memory; with the C library's
/// allocator it takes half as long again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match commands::run(cli::Cli::read()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::errors::show(&error);
            ExitCode::from(error.code.exit)
        }
    }
}
