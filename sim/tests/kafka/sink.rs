//! The sink.

use crate::harness::*;
use anabranch_engine::service::Answer;
use anabranch_engine::sink::kafka::KafkaSink;
use anabranch_engine::sink::{ApplyOutcome, Inspection, OpenOutcome, SinkMachine, SinkStep};
use anabranch_sim::model::kafka::KafkaConfig;
use anabranch_sim::model::{Disturbance, Service};
use anabranch_sim::time::Span;

/// Writes all chunks, with one new process after the other, and compares what is seen.
fn run(world: &mut World) -> Result<(), String> {
    let chunks = chunks();
    for number in 1..6 {
        world.newest = number;
        match run_process(world, number, &chunks)? {
            End::Done => {
                let (found, expected) = (seen(world), expected(&chunks));
                let is_right = found == expected;
                return if is_right { Ok(()) } else { Err(format!("{found:?}, not {expected:?}")) };
            }
            End::Died => {}
            End::Fenced => return Err("fenced by nobody".into()),
        }
    }
    Err("no process came to the end".into())
}

/// How many requests a run without faults takes.
fn request_count(config: &KafkaConfig) -> u64 {
    let mut world = World::new(config.clone());
    run(&mut world).expect("nothing goes wrong");
    world.requests
}

/// Each fault at each request; gives what went wrong.
fn sweep(config: &KafkaConfig) -> Vec<String> {
    let mut failures = Vec::new();
    for at in 0..request_count(config) {
        for fault in FAULTS {
            let mut world = World::new(config.clone());
            world.fault = Some((at, fault));
            if let Err(what) = run(&mut world) {
                failures.push(format!("{fault:?} at {at}: {what}"));
            }
        }
    }
    failures
}

#[test]
fn every_chunk_is_seen_once_whatever_fails_at_any_request() {
    // spec: K-1, K-2, K-4
    assert_eq!(sweep(&cluster_config()), [""; 0]);
}

#[test]
fn every_chunk_is_seen_once_over_a_cluster_that_answers_unclearly() {
    // spec: K-4
    for seed in 0..3 {
        let config =
            KafkaConfig { seed, stall_share: 60_000, unclear_share: 100_000, ..cluster_config() };
        assert_eq!(sweep(&config), [""; 0], "seed {seed}");
    }
}

#[test]
fn used_up_producer_epochs_do_not_stop_the_sink() {
    let config = KafkaConfig { first_epoch: i16::MAX - 3, ..cluster_config() };
    assert_eq!(sweep(&config), [""; 0]);
}

/// A process of generation 1 stands still before request `pause` and goes on when its
/// successor has written `behind` chunks; the successor then writes the others.
fn run_with_zombie(pause: u64, behind: usize) -> Result<(), String> {
    let chunks = chunks();
    let mut world = World::new(cluster_config());
    world.newest = 1;
    let mut zombie = KafkaSink::new(sink_config());
    let (mut step, mut next) = (zombie.open(generation(1)), 0);
    let mut count = 0;
    let pending = loop {
        match step {
            SinkStep::Request(request) if count == pause => break request,
            SinkStep::Request(request) => {
                count += 1;
                let answer = world.answer(1, &request).expect("no fault is planned");
                step = zombie.answer(answer);
                continue;
            }
            SinkStep::Applied(ApplyOutcome::Applied) => next += 1,
            SinkStep::Opened(OpenOutcome::Opened { .. }) => {}
            SinkStep::Applied(_) | SinkStep::Opened(_) | SinkStep::Inspected(_) => {
                return Err(format!("{step:?}"));
            }
        }
        let Some(chunk) = chunks.get(next) else { return Ok(()) };
        step = zombie.apply(chunk.clone());
    };

    world.newest = 2;
    let mut successor = KafkaSink::new(sink_config());
    let opening = successor.open(generation(2));
    let opened = world.drive(2, &mut successor, opening).expect("no fault");
    let SinkStep::Opened(OpenOutcome::Opened { marker }) = opened else {
        return Err(format!("the successor cannot open: {opened:?}"));
    };
    let mut done = place_behind(&chunks, marker)?;
    while done < behind {
        let step = successor.apply(chunks[done].clone());
        let applied = world.drive(2, &mut successor, step).expect("no fault");
        if applied != SinkStep::Applied(ApplyOutcome::Applied) {
            return Err(format!("the successor: {applied:?}"));
        }
        done += 1;
    }

    let mut step = match world.answer(1, &pending) {
        Ok(answer) => zombie.answer(answer),
        Err(Died) => unreachable!("no fault is planned"),
    };
    loop {
        step = world.drive(1, &mut zombie, step).expect("no fault");
        match step {
            SinkStep::Opened(OpenOutcome::Fenced { by })
            | SinkStep::Applied(ApplyOutcome::Fenced { by })
                if by == generation(2) =>
            {
                break;
            }
            // It tries again, as a pipeline does.
            SinkStep::Opened(OpenOutcome::Failed(_))
            | SinkStep::Applied(ApplyOutcome::Failed(_)) => {
                step = zombie.open(generation(1));
            }
            // It may have read its marker before its successor came; writing tells.
            SinkStep::Opened(OpenOutcome::Opened { marker }) => {
                next = place_behind(&chunks, marker)?;
                let Some(chunk) = chunks.get(next) else { break };
                step = zombie.apply(chunk.clone());
            }
            _ => return Err(format!("the zombie goes on: {step:?}")),
        }
    }

    while done < chunks.len() {
        let step = successor.apply(chunks[done].clone());
        match world.drive(2, &mut successor, step).expect("no fault") {
            SinkStep::Applied(ApplyOutcome::Applied) => done += 1,
            other => return Err(format!("the successor after the zombie: {other:?}")),
        }
    }
    let (found, expected) = (seen(&mut world), expected(&chunks));
    if found == expected { Ok(()) } else { Err(format!("{found:?}, not {expected:?}")) }
}

fn zombie_sweep() -> Vec<String> {
    let mut failures = Vec::new();
    for pause in 0..request_count(&cluster_config()) {
        for behind in 0..=chunks().len() {
            if let Err(what) = run_with_zombie(pause, behind) {
                failures.push(format!("pause {pause}, behind {behind}: {what}"));
            }
        }
    }
    failures
}

#[test]
fn a_zombie_changes_nothing_and_ends() {
    // spec: K-3, G-1
    assert_eq!(zombie_sweep(), [""; 0]);
}

fn opened(world: &mut World, number: u64, nonce: u64) -> (KafkaSink, OpenOutcome) {
    let mut sink = KafkaSink::new(sink_config());
    let generation = anabranch_engine::ids::Generation { number, nonce };
    let step = sink.open(generation);
    let step = world.drive(number, &mut sink, step).expect("no fault is planned");
    let SinkStep::Opened(outcome) = step else { panic!("opened by {step:?}") };
    (sink, outcome)
}

/// All chunks are written by generation 1.
fn written() -> World {
    let mut world = World::new(cluster_config());
    run(&mut world).expect("nothing goes wrong");
    world
}

#[test]
fn the_same_generation_with_another_nonce_is_refused() {
    // spec: G-1
    let mut world = written();
    let (_, outcome) = opened(&mut world, 1, 999);
    assert_eq!(outcome, OpenOutcome::Fenced { by: generation(1) });
}

#[test]
fn looking_fences_nobody_and_tells_claim_and_marker() {
    let mut world = World::new(cluster_config());
    let mut looker = KafkaSink::new(sink_config());
    let step = looker.inspect();
    let step = world.drive(1, &mut looker, step).unwrap();
    assert_eq!(step, SinkStep::Inspected(Ok(Inspection::default())));
    world.newest = 1;
    let (mut sink, _) = opened(&mut world, 1, 101);
    let chunk = chunks().remove(0);
    let step = sink.apply(chunk.clone());
    world.drive(1, &mut sink, step).unwrap();
    world.pass(Span::ms(20));
    let step = looker.inspect();
    let step = world.drive(0, &mut looker, step).unwrap();
    let found = Inspection { claim: Some(generation(1)), marker: Some(chunk.marker) };
    assert_eq!(step, SinkStep::Inspected(Ok(found)));
    let step = sink.apply(chunks().remove(1));
    let applied = world.drive(1, &mut sink, step).unwrap();
    assert_eq!(applied, SinkStep::Applied(ApplyOutcome::Applied));
}

#[test]
fn a_lost_progress_topic_is_damage() {
    // spec: K-5
    let mut world = written();
    world.cluster.disturb(world.now, &Disturbance::LoseMarker).expect("there is one");
    world.newest = 2;
    let (_, outcome) = opened(&mut world, 2, 102);
    assert!(matches!(outcome, OpenOutcome::Damaged { .. }), "{outcome:?}");
}

#[test]
fn a_recreated_data_topic_is_damage() {
    // spec: K-5
    let mut world = written();
    assert!(world.cluster.delete_topic("results"));
    world.newest = 2;
    let (_, outcome) = opened(&mut world, 2, 102);
    assert!(matches!(outcome, OpenOutcome::Damaged { .. }), "{outcome:?}");
}

#[test]
fn other_content_at_the_markers_place_diverges() {
    // spec: K-7
    let mut world = written();
    world.newest = 2;
    let (mut sink, _) = opened(&mut world, 2, 102);
    let marker = chunks().last().unwrap().marker;
    let other = chunk(Some(chunks()[3].marker), (10, 0, true), "other");
    let step = sink.apply(other);
    let applied = world.drive(2, &mut sink, step).unwrap();
    assert_eq!(applied, SinkStep::Applied(ApplyOutcome::Diverged { found: marker }));
    let gap = chunk(Some(chunks()[1].marker), (4, 1, true), "");
    let step = sink.apply(gap);
    let applied = world.drive(2, &mut sink, step).unwrap();
    assert_eq!(applied, SinkStep::Applied(ApplyOutcome::Gap { found: Some(marker) }));
}

#[test]
fn a_duplicate_asks_nothing_of_the_cluster() {
    // spec: K-1
    let mut world = written();
    world.newest = 2;
    let (mut sink, _) = opened(&mut world, 2, 102);
    let step = sink.apply(chunks().pop().unwrap());
    assert_eq!(step, SinkStep::Applied(ApplyOutcome::Duplicate));
}

#[test]
fn another_sinks_open_transaction_hides_no_marker() {
    // Both sinks share the progress topic: the last stable offset stands before the other
    // one's open transaction, and our marker behind it.
    let mut world = World::new(cluster_config());
    world.newest = 1;
    let (mut sink, _) = opened(&mut world, 1, 101);
    let other = anabranch_engine::sink::kafka::KafkaSinkConfig {
        transactional_id: "other".into(),
        topic: "others".into(),
        ..sink_config()
    };
    let mut blocker = KafkaSink::new(other);
    let step = blocker.open(generation(1));
    let step = world.drive(1, &mut blocker, step).unwrap();
    assert!(matches!(step, SinkStep::Opened(OpenOutcome::Opened { .. })));
    // The other sink stops before its commit.
    let mut step = blocker.apply(chunks().remove(0));
    while let SinkStep::Request(request) = &step {
        use anabranch_engine::service::{Request, kafka::KafkaRequest};
        if matches!(request, Request::Kafka(KafkaRequest::EndTransaction { .. })) {
            break;
        }
        let answer: Answer = world.answer(1, request).unwrap();
        step = blocker.answer(answer);
    }
    let first = chunks().remove(0);
    let step = sink.apply(first.clone());
    let applied = world.drive(1, &mut sink, step).unwrap();
    assert_eq!(applied, SinkStep::Applied(ApplyOutcome::Applied));
    world.newest = 2;
    let (_, outcome) = opened(&mut world, 2, 102);
    assert_eq!(outcome, OpenOutcome::Opened { marker: Some(first.marker) });
}

/// Each planted mistake is seen by one of the tests above.
#[cfg(feature = "plants")]
#[test]
fn planted_mistakes_are_found() {
    use anabranch_engine::plant::{Plant, switch};
    for plant in [Plant::K1, Plant::K2, Plant::K3, Plant::K4, Plant::K14, Plant::K17, Plant::K20] {
        switch(Some(plant));
        let is_found = run(&mut World::new(cluster_config())).is_err()
            || !zombie_sweep().is_empty()
            || !sweep(&cluster_config()).is_empty();
        switch(None);
        assert!(is_found, "{} is not found", plant.name());
    }
    let tests: [(Plant, fn()); 3] = [
        (Plant::K13, a_lost_progress_topic_is_damage),
        (Plant::K18, the_same_generation_with_another_nonce_is_refused),
        (Plant::K19, other_content_at_the_markers_place_diverges),
    ];
    for (plant, test) in tests {
        switch(Some(plant));
        let outcome = std::panic::catch_unwind(test);
        switch(None);
        assert!(outcome.is_err(), "{} is not found", plant.name());
    }
}
