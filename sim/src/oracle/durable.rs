//! S2 and S5: what a process was told is durable stays where it is.

use super::Finding;
use crate::model::Disturbance;
use crate::plan::{Action, RunPlan, StateFault};
use crate::world::{DurableSeen, LostSnapshot, RottenStart};
use anabranch_engine::journal::EpochRecord;

/// S2: every epoch whose record was acknowledged stands in the journal with that record,
/// also if its process died before it could use it.
///
/// Where a bit of the journal turned, only those are asked for of which a later record
/// says that they were durable: without that, the last record looks as one does that was
/// never written to its end. Where somebody put an old state back or started a copy of it,
/// there is more than one history, and nothing is asked.
// spec: J-1, J-3, J-6
#[must_use]
pub fn durable_epochs(
    plan: &RunPlan,
    durable: &[DurableSeen],
    epochs: &[EpochRecord],
) -> Option<Finding> {
    let mut losses = losses_of(plan, "journal");
    let rots = match (losses.next(), losses.next()) {
        (None, _) => false,
        (Some(Loss::Rot), None) => true,
        // Of two bits the second may have taken the proof of what the first one took.
        (Some(_), _) => return None,
    };
    let first = epochs.first()?.epoch;
    // A later process may have given the number to another epoch, if a tail was cut.
    let says = |other: &DurableSeen, one: &DurableSeen| {
        other.process == one.process && other.states >= one.epoch
    };
    let is_proved = |one: &&DurableSeen| !rots || durable.iter().any(|other| says(other, one));
    let is_kept = |one: &DurableSeen| {
        let place = epochs.binary_search_by_key(&one.epoch, |record| record.epoch);
        place.is_ok_and(|place| epochs[place].tick == one.tick)
    };
    let asked = durable.iter().filter(|one| one.epoch >= first).filter(is_proved);
    let lost = asked.into_iter().find(|one| !is_kept(one))?;
    let message = format!(
        "process {} was told that epoch {} is durable, with tick {}; the journal does not hold it",
        lost.process, lost.epoch, lost.tick.0
    );
    Some(Finding::new("S2", "durable epoch lost", "journal", message))
}

/// How something is taken away from a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// A bit turns.
    Rot,
    /// It is gone, or as it was once.
    Other,
}

/// What a plan takes away from a store.
fn losses_of(plan: &RunPlan, store: &str) -> impl Iterator<Item = Loss> {
    plan.deviations.iter().filter_map(move |deviation| match &deviation.action {
        Action::Disturb { service, disturbance } if service == store => match disturbance {
            Disturbance::Rot { .. } => Some(Loss::Rot),
            Disturbance::LoseAcknowledged { .. }
            | Disturbance::LoseMarker
            | Disturbance::Retention { .. } => Some(Loss::Other),
            _ => None,
        },
        // The whole state is what it was, or another one goes on with a copy.
        Action::State(StateFault::PutBack | StateFault::StartCopy) => Some(Loss::Other),
        _ => None,
    })
}

/// S5: a complete snapshot is listed until somebody asks for its removal, unless the store
/// loses what it has.
// spec: S-1
#[must_use]
pub fn listed_snapshots(plan: &RunPlan, lost: &[LostSnapshot]) -> Option<Finding> {
    // One whose manifest rots is none any more.
    let lost = lost.first().filter(|_| losses_of(plan, "snapshots").next().is_none())?;
    let message = format!(
        "snapshot {} was complete at {}, nobody removed it, and at {} it is not listed",
        lost.name, lost.complete, lost.missed
    );
    Some(Finding::new("S5", "snapshot lost", "snapshots", message))
}

/// S5: nobody begins with a snapshot that is not, byte for byte, what was stored.
// spec: S-1
#[must_use]
pub fn whole_starts(rotten: &[RottenStart]) -> Option<Finding> {
    let RottenStart { process, name } = rotten.first()?;
    let message = format!("process {process} began with snapshot {name}, which has rotted");
    Some(Finding::new("S5", "rotten snapshot", "snapshots", message))
}
