//! A process that was paused while its successor took over.

use crate::world::{End, Fault, World, final_rows};
use anabranch_engine::ids::Generation;
use anabranch_engine::sink::{OpenOutcome, SinkMachine, SinkStep};
use anabranch_sim::model::Service;

/// Lets a process run up to a request, then its successor to its end, then the first one
/// again. Gives how the first one ends, and what it changed.
fn after_a_pause(pause: usize, fault: Fault) -> (End, Vec<(String, String)>) {
    let mut world = World::new(&[(pause, fault)]);
    let mut zombie = world.start(0);
    // A crash stands for the pause: the machine is kept.
    assert_eq!(world.run(&mut zombie), End::Crashed);
    let mut successor = world.start(0);
    assert_eq!(world.run(&mut successor), End::Done);
    assert_eq!(world.rows(), final_rows());
    let end = world.run(&mut zombie);
    (end, world.rows())
}

#[test]
fn a_zombie_that_opens_again_is_fenced_and_changes_nothing() {
    // spec: G-1, K-3
    for pause in 0..7 {
        for fault in [Fault::CrashBefore, Fault::CrashBehind] {
            assert_eq!(after_a_pause(pause, fault), (End::Fenced, final_rows()), "{pause}");
        }
    }
}

#[test]
fn the_request_that_a_zombie_was_about_to_send_changes_nothing_once_a_successor_has_claimed() {
    // spec: K-3
    for applied in 0..5 {
        // Both have applied as much, and the zombie's next chunk is on its way.
        let mut world = World::new(&[(2 + applied, Fault::CrashBefore)]);
        let mut zombie = world.start(0);
        assert_eq!(world.run(&mut zombie), End::Crashed);
        let mut successor = world.start(0);
        let step = successor.machine.open(successor.generation);
        let step = world.settle(&mut successor, step).expect("no fault is left");
        assert!(matches!(step, SinkStep::Opened(OpenOutcome::Opened { .. })));
        let (before, marker) = (world.rows(), world.model.view(world.now).marker);
        let chunk = crate::world::chunks()[applied].clone();
        let SinkStep::Request(request) = ready(&mut zombie).apply(chunk) else {
            panic!("a chunk is a request")
        };
        world.model.execute(world.now, zombie.client, &request);
        assert_eq!((world.rows(), world.model.view(world.now).marker), (before, marker));
        assert_eq!(world.run(&mut successor), End::Done);
        assert_eq!(world.rows(), final_rows());
    }
}

/// The machine of a process that was open when it was paused.
pub(crate) fn ready(process: &mut crate::world::Process) -> &mut impl SinkMachine {
    use anabranch_engine::service::Answer;
    use anabranch_engine::service::redis::RedisAnswer;
    let machine = &mut process.machine;
    machine.open(process.generation);
    machine.answer(Answer::Redis(RedisAnswer::Settings {
        eviction: "noeviction".into(),
        append_fsync: None,
        run_id: String::new(),
    }));
    machine.answer(Answer::Redis(RedisAnswer::Claimed { marker: None }));
    machine
}

#[test]
fn a_twin_of_the_same_number_is_fenced_whichever_nonce_is_larger() {
    // spec: G-1
    for nonce in [1, 1_000] {
        let mut world = World::new(&[(4, Fault::CrashBefore)]);
        let mut first = world.start(0);
        assert_eq!(world.run(&mut first), End::Crashed);
        let before = world.rows();
        let mut twin = world.start(0);
        twin.generation = Generation { nonce, ..first.generation };
        assert_eq!(world.run(&mut twin), End::Fenced);
        assert_eq!(world.rows(), before);
    }
}
