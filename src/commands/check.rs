//! `check`: every error of a job's text.

use crate::cli::JobArgs;
use crate::errors::JobError;
use crate::job::JobText;
use crate::output::text::plural;
use std::sync::Arc;

/// Compiles the text, looks whether the plan could run, and says that all is in order.
/// Input need not be there yet.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn run(args: &JobArgs) -> Result<(), JobError> {
    let job = JobText::load(args)?;
    let compiled = job.compile()?;
    if let Some(plan) = compiled.plan {
        super::run::check_plan(&job, &Arc::new(plan))?;
    }
    let statements = plural(compiled.statements.len() as u64, "statement");
    let asserts = match compiled.asserts.len() as u64 {
        0 => String::new(),
        count => format!(" and {}", plural(count, "assert")),
    };
    tracing::info!("{}: {statements}{asserts}, no errors", job.origin);
    Ok(())
}
