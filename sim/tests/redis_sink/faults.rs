//! One and two faults, at every request.

use crate::world::{Fault, World, final_rows, rows_after};
use anabranch_sim::model::{Disturbance, Service};

const FILL: [Disturbance; 4] = [
    Disturbance::Fill { writes: 0 },
    Disturbance::Fill { writes: 1 },
    Disturbance::Fill { writes: 2 },
    Disturbance::Fill { writes: 5 },
];
const KILL: Disturbance = Disturbance::PowerFailure { choice: 3 };

/// Everything that may happen to a request.
fn all() -> Vec<Fault> {
    let mut all = vec![
        Fault::Lost,
        Fault::Unheard,
        Fault::Unreachable,
        Fault::CrashBefore,
        Fault::CrashBehind,
        Fault::Disturbed(&KILL),
    ];
    all.extend((1..6).map(Fault::Late));
    all.extend(FILL.iter().map(Fault::Disturbed));
    all
}

/// Runs with these faults; says what is wrong in the end.
fn outcome(faults: &[(usize, Fault)]) -> Result<usize, String> {
    let mut world = World::new(faults);
    world.finish();
    let rows = world.rows();
    if rows == final_rows() { Ok(world.requests) } else { Err(format!("{faults:?}: {rows:?}")) }
}

#[test]
fn without_faults_the_rows_are_those_of_the_chunks() {
    assert_eq!(rows_after(5), final_rows());
    assert_eq!(outcome(&[]), Ok(7), "settings, claim and five chunks");
}

#[test]
fn no_fault_at_any_request_loses_or_doubles_a_row() {
    // spec: F-2, K-1, K-2, K-4
    let mut runs = 0;
    for number in 0..7 {
        for fault in all() {
            outcome(&[(number, fault)]).unwrap();
            runs += 1;
        }
    }
    assert_eq!(runs, 7 * 15);
}

#[test]
fn no_two_faults_lose_or_double_a_row() {
    // spec: F-2, K-1, K-2, K-4
    let mut runs = 0;
    for (first, one) in (0..7).flat_map(|number| all().into_iter().map(move |it| (number, it))) {
        for second in first + 1..first + 9 {
            for other in all() {
                outcome(&[(first, one), (second, other)]).unwrap();
                runs += 1;
            }
        }
    }
    assert_eq!(runs, 7 * 15 * 8 * 15);
}

#[test]
fn each_chunk_becomes_visible_as_a_whole_and_in_order() {
    // spec: K-1, K-2
    for count in 0..=5 {
        let mut world = World::new(&[(2 + count, Fault::CrashBefore)]);
        let mut process = world.start(0);
        world.run(&mut process);
        assert_eq!(world.rows(), rows_after(count));
        let marker = world.model.view(world.now).marker;
        assert_eq!(marker, count.checked_sub(1).map(|last| crate::world::chunks()[last].marker));
    }
}

#[test]
fn a_chunk_that_is_half_there_is_made_whole() {
    // Redis does not take back what a script wrote before it failed.
    // spec: K-1, K-2
    let mut world = World::new(&[(3, Fault::Disturbed(&FILL[1])), (4, Fault::CrashBefore)]);
    let mut process = world.start(0);
    world.run(&mut process);
    let half = [("a", "3"), ("b", "2")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(world.rows(), half, "of the second chunk only a is there");
    world.finish();
    assert_eq!(world.rows(), final_rows());
}
