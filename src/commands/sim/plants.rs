//! Planted bugs: mistakes that are switched on to see whether they are found.
//!
//! Only a binary with the feature `plants` has any; see [`anabranch_engine::plant`].

use super::args::{PlantsArgs, WorldArgs};
use crate::errors::JobError;

#[cfg(feature = "plants")]
mod score;

/// Switches the planted bug that the command line names on, for worlds of this thread.
///
/// # Errors
/// If there is none of that name.
#[cfg(feature = "plants")]
pub(super) fn switch_on(world: &WorldArgs) -> Result<(), String> {
    use anabranch_engine::plant::{ALL, switch};
    let Some(name) = &world.plant else { return Ok(()) };
    let plant = ALL.iter().find(|plant| plant.name().eq_ignore_ascii_case(name));
    let plant = plant.ok_or_else(|| format!("there is no planted bug {name}"))?;
    switch(Some(*plant));
    Ok(())
}

/// This binary has none.
///
/// # Errors
/// Never.
#[cfg(not(feature = "plants"))]
pub(super) fn switch_on(_: &WorldArgs) -> Result<(), String> {
    Ok(())
}

/// Looks for every planted bug, and prints what found it and how soon.
///
/// # Errors
/// If one is not found.
#[cfg(feature = "plants")]
pub(super) fn run(args: &PlantsArgs) -> Result<(), JobError> {
    score::run(args)
}

/// Says how to get a binary that has some.
///
/// # Errors
/// Always.
#[cfg(not(feature = "plants"))]
pub(super) fn run(_: &PlantsArgs) -> Result<(), JobError> {
    let message = "this binary was built without planted bugs";
    let help = "cargo run --profile quick --features plants -- sim plants";
    Err(JobError::new(&crate::errors::SIM_NO_PLANTS, message).with_help(help))
}
