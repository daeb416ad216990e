//! `check`: every error of a job's text.

use crate::cli::JobArgs;
use crate::errors::JobError;
use crate::job::JobText;
use crate::output::text::plural;

/// Compiles the text and says that it is in order.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn run(args: &JobArgs) -> Result<(), JobError> {
    let job = JobText::load(args)?;
    let compiled = job.compile()?;
    let statements = plural(compiled.statements.len() as u64, "statement");
    eprintln!("{}: {statements}, no errors", job.origin);
    Ok(())
}
