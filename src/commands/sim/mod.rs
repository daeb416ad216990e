//! `sim`: a job in worlds in which much goes wrong.
//!
//! The same pipeline that runs in production, in virtual time, over models of its
//! services. Whatever happens, its results are held against those of an interpreter that
//! shares no operator with it, and against a run in which nothing happens.

pub(crate) mod args;
mod findings;
mod formats;
mod input;
mod judge;
mod latency;
mod page;
mod plants;
mod pool;
mod recorded;
mod seeds;
mod shrinking;
mod summary;
mod sweep;
mod watermark;
mod wrong;

use crate::errors::JobError;
use args::{SimArgs, SimMode};

/// Simulates what the command line asks for.
///
/// # Errors
/// If something was found, or the job cannot be simulated.
pub(super) fn run(args: &SimArgs) -> Result<(), JobError> {
    judge::keep_panics_quiet();
    match &args.mode {
        None => seeds::run(&args.seeds),
        Some(SimMode::Sweep(args)) => sweep::run(args),
        Some(SimMode::Shrink(args)) => shrinking::run(args),
        Some(SimMode::Latency(args)) => latency::run(args),
        Some(SimMode::Plants(args)) => plants::run(args),
        Some(SimMode::Watermark(args)) => watermark::run(args),
    }
}
