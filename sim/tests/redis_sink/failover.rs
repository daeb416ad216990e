//! A server that loses what it acknowledged.

use crate::world::{End, Fault, World, chunks, final_rows, rows_after};
use anabranch_engine::sink::{
    ApplyOutcome, FailKind, OpenOutcome, SinkMachine, SinkStep, Standing, standing,
};
use anabranch_sim::model::redis::{RedisModel, RedisModelConfig};
use anabranch_sim::model::{Disturbance, Service};
use anabranch_sim::time::Span;

/// A process that has applied so many chunks, in its world.
fn applied(count: usize) -> (World, crate::world::Process) {
    let mut world = World::new(&[]);
    let mut process = world.start(0);
    let step = process.machine.open(process.generation);
    world.settle(&mut process, step);
    for chunk in &chunks()[..count] {
        let step = process.machine.apply(chunk.clone());
        let step = world.settle(&mut process, step);
        assert_eq!(step, Some(SinkStep::Applied(ApplyOutcome::Applied)));
    }
    (world, process)
}

#[test]
fn a_lost_suffix_shows_in_flight_and_at_opening_and_is_healed() {
    // spec: K-5
    for count in 1..=4 {
        for lost in 1..=count {
            let (mut world, mut process) = applied(count);
            let disturbance = Disturbance::LoseAcknowledged { writes: lost as u32 };
            assert!(world.model.disturb(world.now, &disturbance).is_some());
            world.now = world.now + Span::ms(100);
            assert_eq!(world.rows(), rows_after(count - lost));
            let left = (count - lost).checked_sub(1).map(|last| chunks()[last].marker);
            // The claim is older than what was lost, and so still there.
            let step = process.machine.apply(chunks()[count].clone());
            let step = world.settle(&mut process, step);
            assert_eq!(step, Some(SinkStep::Applied(ApplyOutcome::Gap { found: left })));
            let step = process.machine.open(process.generation);
            let step = world.settle(&mut process, step);
            assert_eq!(step, Some(SinkStep::Opened(OpenOutcome::Opened { marker: left })));
            assert_eq!(standing(left, Some(chunks()[count - 1].marker)), Standing::Behind);
            assert_eq!(world.run(&mut process), End::Done);
            assert_eq!(world.rows(), final_rows());
        }
    }
}

#[test]
fn a_claim_that_was_lost_with_the_rest_is_no_licence_to_write() {
    // spec: K-3, K-5
    let (mut world, mut process) = applied(2);
    world.model.disturb(world.now, &Disturbance::LoseAcknowledged { writes: 3 });
    world.now = world.now + Span::ms(100);
    let step = process.machine.apply(chunks()[2].clone());
    let step = world.settle(&mut process, step);
    assert_eq!(step, Some(SinkStep::Applied(ApplyOutcome::Failed(FailKind::Unknown))));
    assert_eq!(world.rows(), []);
    assert_eq!(world.run(&mut process), End::Done);
    assert_eq!(world.rows(), final_rows());
}

#[test]
fn a_marker_that_is_gone_alone_is_noticed() {
    // spec: K-5
    let (mut world, mut process) = applied(3);
    world.model.disturb(world.now, &Disturbance::LoseMarker);
    let step = process.machine.apply(chunks()[3].clone());
    let step = world.settle(&mut process, step);
    assert_eq!(step, Some(SinkStep::Applied(ApplyOutcome::Failed(FailKind::Unknown))));
    assert_eq!(world.rows(), rows_after(3), "the data are still there");
    assert_eq!(world.run(&mut process), End::Done);
    assert_eq!(world.rows(), final_rows());
}

#[test]
fn a_failover_before_any_request_is_survived() {
    // The old primary acknowledges for a second what is lost.
    // spec: K-4, K-5
    for number in 0..7 {
        let mut world = World::new(&[(number, Fault::Disturbed(&Disturbance::Failover))]);
        let mut process = world.start(0);
        assert_eq!(world.run(&mut process), End::Done);
        // Whoever is connected to the old primary believes that all went well; the next
        // one who opens finds the truth.
        world.now = world.now + Span::ms(2_000);
        world.finish();
        assert_eq!(world.rows(), final_rows(), "{number}");
    }
}

#[test]
fn on_the_old_primary_chunks_are_acknowledged_that_no_reader_will_see() {
    // spec: K-5
    let (mut world, mut process) = applied(2);
    world.model.disturb(world.now, &Disturbance::Failover);
    for chunk in &chunks()[2..4] {
        let step = process.machine.apply(chunk.clone());
        let step = world.settle(&mut process, step);
        assert_eq!(step, Some(SinkStep::Applied(ApplyOutcome::Applied)));
    }
    assert_eq!(world.rows(), rows_after(2));
    world.now = world.now + Span::ms(2_000);
    // Then it knows that it is a replica: a chunk that it has is a duplicate to it, …
    let mut again = process.machine.clone();
    let step = again.apply(chunks()[3].clone());
    let SinkStep::Request(request) = &step else { panic!("a chunk is a request") };
    let answer = world.model.execute(world.now, process.client, request);
    assert_eq!(again.answer(answer), SinkStep::Applied(ApplyOutcome::Duplicate));
    // … a new one cannot be written, and whoever opens again finds the new primary.
    let step = process.machine.apply(chunks()[4].clone());
    let step = world.settle(&mut process, step);
    assert_eq!(step, Some(SinkStep::Applied(ApplyOutcome::Failed(FailKind::Transient))));
    let step = process.machine.open(process.generation);
    let marker = Some(chunks()[1].marker);
    let step = world.settle(&mut process, step);
    assert_eq!(step, Some(SinkStep::Opened(OpenOutcome::Opened { marker })));
}

#[test]
fn what_a_kill_loses_depends_on_appendfsync() {
    // spec: K-5
    let lost = |append_fsync: Option<&str>, choice| {
        let append_fsync = append_fsync.map(str::to_owned);
        let (mut world, mut process) = (World::new(&[]), World::new(&[]).start(0));
        world.model =
            RedisModel::new(RedisModelConfig { append_fsync, ..RedisModelConfig::default() });
        assert_eq!(world.run(&mut process), End::Done);
        world.model.disturb(world.now, &Disturbance::PowerFailure { choice });
        let marker = world.model.view(world.now).marker;
        chunks().iter().rev().position(|chunk| Some(chunk.marker) == marker)
    };
    assert_eq!((0..9).map(|it| lost(Some("always"), it)).max(), Some(Some(0)));
    assert_eq!(lost(Some("everysec"), 0), Some(0));
    assert_eq!(lost(Some("everysec"), 4), Some(4));
    assert_eq!(lost(Some("everysec"), 6), None, "the claim and all chunks");
    assert_eq!(lost(None, 0), None);
}
