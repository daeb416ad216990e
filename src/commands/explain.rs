//! `explain`: what a job reads, keeps and promises.

use crate::cli::JobArgs;
use crate::errors::{self, JobError};
use crate::job::JobText;
use crate::output::console::Stdout;
use anabranch_engine::plan::plan_text;
use std::io::Write;

/// Prints the plan.
///
/// # Errors
/// If the text has errors, or no job.
pub(super) fn run(args: &JobArgs) -> Result<(), JobError> {
    let job = JobText::load(args)?;
    let compiled = job.compile()?;
    let Some(plan) = compiled.plan else {
        let message = format!("{} has neither an INSERT nor a SELECT", job.origin);
        return Err(JobError::new(&errors::NOTHING, message));
    };
    let _ = write!(Stdout, "{}", plan_text(&plan));
    Ok(())
}
