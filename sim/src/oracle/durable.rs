//! S2 and S5: what a process was told is durable stays where it is.

use super::Finding;
use crate::world::{DurableSeen, Loser, RottenStart, RunResult};
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
pub fn durable_epochs(result: &RunResult, epochs: &[EpochRecord]) -> Option<Finding> {
    let (durable, lost) = (&result.durable, result.lost_by(&Loser::Journal));
    let rots = match (lost.gone, lost.rotten) {
        _ if result.is_broken(&Loser::History) => return None,
        (0, 0) => false,
        (0, 1) => true,
        // Of two bits the second may have taken the proof of what the first one took.
        _ => return None,
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

/// S5: a complete snapshot is listed until somebody asks for its removal, unless the store
/// loses what it has.
// spec: S-1
#[must_use]
pub fn listed_snapshots(result: &RunResult) -> Option<Finding> {
    // One whose manifest rots is none any more.
    let is_asked = !result.is_broken(&Loser::Snapshots) && !result.is_broken(&Loser::History);
    let lost = result.lost_snapshots.first().filter(|_| is_asked)?;
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
