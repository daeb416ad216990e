//! Planted bugs: mistakes that are switched on to see whether they are found.

use super::args::WorldArgs;

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
