//! Each planted bug of the machine shows in these tests' worlds.

use crate::world::{End, Fault, World, chunks, final_rows, rows_after};
use crate::zombies::ready;
use anabranch_engine::ids::Generation;
use anabranch_engine::plant::{Plant, switch};
use anabranch_engine::sink::{ApplyOutcome, SinkMachine, SinkStep};
use anabranch_sim::model::Disturbance;

/// Switches a plant on, and off again at the end.
struct On;

impl On {
    fn new(plant: Plant) -> On {
        switch(Some(plant));
        On
    }
}

impl Drop for On {
    fn drop(&mut self) {
        switch(None);
    }
}

/// What is there when a zombie has sent its second chunk behind its successor's claim.
fn rows_after_a_zombie() -> Vec<(String, String)> {
    let mut world = World::new(&[(3, Fault::CrashBefore)]);
    let mut zombie = world.start(0);
    world.run(&mut zombie);
    let mut successor = world.start(0);
    let step = successor.machine.open(successor.generation);
    world.settle(&mut successor, step);
    assert_eq!(world.rows(), rows_after(1));
    let step = ready(&mut zombie).apply(chunks()[1].clone());
    world.settle(&mut zombie, step);
    world.rows()
}

#[test]
fn k2_loses_the_last_chunk_if_it_is_not_answered() {
    // A chunk behind it would meet a gap.
    let rows = || {
        let mut world = World::new(&[(6, Fault::Lost)]);
        let mut process = world.start(0);
        let end = world.run(&mut process);
        (end, world.rows())
    };
    assert_eq!(rows(), (End::Done, final_rows()));
    let _on = On::new(Plant::K2);
    assert_ne!(rows(), (End::Done, final_rows()));
}

#[test]
fn k6_lets_a_zombie_write() {
    assert_eq!(rows_after_a_zombie(), rows_after(1));
    let _on = On::new(Plant::K6);
    assert_eq!(rows_after_a_zombie(), rows_after(2));
}

#[test]
fn k7_counts_a_half_done_chunk_twice() {
    let rows = || {
        let fill = Fault::Disturbed(&Disturbance::Fill { writes: 1 });
        let mut world = World::new(&[(6, fill)]);
        world.finish();
        world.rows()
    };
    assert_eq!(rows(), final_rows());
    let _on = On::new(Plant::K7);
    assert_ne!(rows(), final_rows());
}

#[test]
fn k12_does_not_notice_a_loss() {
    let rows = || {
        let loss = Fault::Disturbed(&Disturbance::LoseAcknowledged { writes: 1 });
        let mut world = World::new(&[(6, loss)]);
        world.finish();
        world.rows()
    };
    assert_eq!(rows(), final_rows());
    let _on = On::new(Plant::K12);
    assert_ne!(rows(), final_rows());
}

#[test]
fn k17_leaves_out_the_second_chunk_of_a_group() {
    let _on = On::new(Plant::K17);
    let mut world = World::new(&[]);
    let mut process = world.start(0);
    let step = process.machine.open(process.generation);
    world.settle(&mut process, step);
    for chunk in &chunks()[..3] {
        let step = process.machine.apply(chunk.clone());
        world.settle(&mut process, step);
    }
    assert_eq!(world.rows(), rows_after(2));
}

#[test]
fn k18_lets_a_twin_write() {
    let end = || {
        let mut world = World::new(&[(4, Fault::CrashBefore)]);
        let mut first = world.start(0);
        world.run(&mut first);
        let mut twin = world.start(0);
        twin.generation = Generation { nonce: 1, ..first.generation };
        world.run(&mut twin)
    };
    assert_eq!(end(), End::Fenced);
    let _on = On::new(Plant::K18);
    assert_eq!(end(), End::Done);
}

#[test]
fn k19_takes_other_content_for_a_duplicate() {
    let outcome = || {
        let mut world = World::new(&[(3, Fault::CrashBefore)]);
        let mut process = world.start(0);
        world.run(&mut process);
        let mut other = chunks()[0].clone();
        other.marker.hash.0[0] ^= 1;
        let step = ready(&mut process).apply(other);
        world.settle(&mut process, step)
    };
    let found = chunks()[0].marker;
    assert_eq!(outcome(), Some(SinkStep::Applied(ApplyOutcome::Diverged { found })));
    let _on = On::new(Plant::K19);
    assert_eq!(outcome(), Some(SinkStep::Applied(ApplyOutcome::Duplicate)));
}
