//! `sim sweep`: the job is killed behind every single output, one run for each.

use super::args::SweepArgs;
use crate::errors::JobError;

/// Sweeps.
///
/// # Errors
/// If something was found, or the job cannot be simulated.
pub(super) fn run(_: &SweepArgs) -> Result<(), JobError> {
    Ok(())
}
