//! The power fails at every operation.

use crate::disks::{Disks, End, Mistake, Place, Process, no_mistake};
use crate::job::two_files;
use crate::world::World;
use anabranch_engine::pipeline::Ending;
use anabranch_engine::service::fs::FsRequest;
use anabranch_sim::disk::ProcessId;
use std::collections::{BTreeMap, BTreeSet};

type Results = BTreeMap<&'static str, Vec<String>>;

/// Numbers that look random and are the same in every run.
struct Draws(u64);

impl Draws {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// A process that dies when it has done so many operations.
fn process(id: u32, left: usize, halves: bool, mistake: Mistake) -> Process {
    Process { id: ProcessId(id), left, halves, mistake }
}

fn undisturbed(world: &World) -> (Results, usize) {
    let mut disks = world.disks();
    let (end, left) = world.run(&mut disks, process(1, usize::MAX, false, no_mistake));
    assert_eq!(end.expect("nothing ends it"), Ending::Finished);
    (world.results(&disks), usize::MAX - left)
}

/// What went wrong with a process that did not just die, or come to the end.
fn failure_of(end: Result<Ending, End>) -> Option<String> {
    match end {
        Ok(Ending::Failed(failure)) => Some(failure.to_string()),
        Err(End::Broken(what)) => Some(what),
        Ok(_) | Err(End::Died) => None,
    }
}

/// A last process without faults: what it leaves must be the expected.
fn finish(world: &World, mut disks: Disks, id: u32, expected: &Results) -> Result<(), String> {
    let (end, _) = world.run(&mut disks, process(id, usize::MAX, false, no_mistake));
    if let Some(failure) = failure_of(end) {
        return Err(failure);
    }
    let found = world.results(&disks);
    if found == *expected { Ok(()) } else { Err(format!("the sinks hold {found:?}")) }
}

/// The disks as the next process may find them: as the dead one left them, and all that
/// a power failure may make of that.
fn after_death(disks: &Disks) -> Vec<Disks> {
    let mut found = disks.power_failures();
    found.push(disks.clone());
    found
}

/// The power fails at each `step`th operation of the first process, and of a second one
/// at a drawn operation. Gives how many histories there were.
fn sweep(world: &World, step: usize, mistake: Mistake) -> Result<usize, String> {
    let (expected, operations) = undisturbed(world);
    let mut draws = Draws(7);
    let (mut histories, mut seen) = (0, BTreeSet::new());
    for left in (0..=operations).step_by(step) {
        for halves in [false, true] {
            let mut first = world.disks();
            let (end, _) = world.run(&mut first, process(1, left, halves, mistake));
            if let Some(failure) = failure_of(end) {
                return Err(failure);
            }
            for second in after_death(&first) {
                histories += 1;
                if !seen.insert(second.clone()) {
                    continue;
                }
                let place = |error| format!("{error}, operation {left}, half {halves}");
                finish(world, second.clone(), 2, &expected).map_err(place)?;
                let mut third = second;
                let at = draws.below(operations);
                let (end, _) = world.run(&mut third, process(2, at, halves, mistake));
                if let Some(failure) = failure_of(end) {
                    return Err(place(failure));
                }
                let mut found = after_death(&third);
                let third = found.swap_remove(draws.below(found.len()));
                let place = |error| format!("{}, then {at}", place(error));
                finish(world, third, 3, &expected).map_err(place)?;
                histories += 1;
            }
        }
    }
    Ok(histories)
}

#[test]
fn the_job_of_these_tests_has_something_to_lose() {
    let (results, operations) = undisturbed(&World::new(two_files(30)));
    assert!(operations > 180, "{operations}");
    for (name, rows) in results {
        assert!(rows.len() > 10, "{name} has too few rows: {rows:?}");
    }
}

#[test]
fn a_power_failure_at_any_operation_loses_and_doubles_nothing() {
    // spec: J-1, J-6, K-1, K-2, K-4, S-1, S-2
    let histories = sweep(&World::new(two_files(30)), 1, no_mistake).unwrap();
    assert!(histories > 2_000, "only {histories} histories");
}

#[test]
fn the_sweep_finds_what_is_not_synced() {
    // A sweep that cannot find a planted mistake proves nothing.
    let mistakes: [Mistake; 4] = [
        |place, request| place == Place::Journal && matches!(request, FsRequest::SyncFile { .. }),
        |place, request| place == Place::Journal && *request == FsRequest::SyncDir,
        |place, request| {
            matches!(place, Place::Sink(_)) && matches!(request, FsRequest::SyncFile { .. })
        },
        |place, request| matches!(place, Place::Sink(_)) && *request == FsRequest::SyncDir,
    ];
    let world = World::new(two_files(30));
    for (number, mistake) in mistakes.into_iter().enumerate() {
        assert!(sweep(&world, 1, mistake).is_err(), "mistake {number} goes unnoticed");
    }
}
