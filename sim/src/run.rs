//! Running a plan.

use crate::plan::RunPlan;
use crate::world::{Host, Hosting, RunResult, World};
use anabranch_engine::plan::Plan;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Runs a plan with the stores that it names.
///
/// # Errors
/// If the plan names what the job does not have.
pub fn run(plan: &RunPlan, job: &Arc<Plan>) -> Result<RunResult, String> {
    run_with(plan, job, Box::new(Host::of(plan, job)), false)
}

/// As [`run`], with stores of the caller's, and the trace as text if it is asked for.
///
/// A panic is a result like others: a finding. Whoever does not want its message on
/// the terminal sets a hook.
///
/// # Errors
/// If the plan names what the job does not have.
pub fn run_with(
    plan: &RunPlan,
    job: &Arc<Plan>,
    hosting: Box<dyn Hosting>,
    keeps_lines: bool,
) -> Result<RunResult, String> {
    let mut world = World::new(plan.clone(), job.clone(), hosting, keeps_lines)?;
    // A world that panicked is only asked for what it has noted.
    match catch_unwind(AssertUnwindSafe(|| world.run())) {
        Ok(()) => Ok(world.finish()),
        Err(payload) => Ok(world.panicked(message_of(payload.as_ref()).to_owned())),
    }
}

/// What a panic says.
pub(crate) fn message_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message")
}
