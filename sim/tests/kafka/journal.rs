//! The journal in a topic.

use crate::harness::*;
use anabranch_engine::journal::topic::{TopicJournal, TopicJournalConfig};
use anabranch_engine::journal::{JournalMachine, JournalStep, SegmentName};
use anabranch_engine::service::Request;
use anabranch_engine::service::kafka::{Cleanup, KafkaRecord, TopicPartition};
use anabranch_sim::model::kafka::KafkaConfig;
use anabranch_sim::time::Span;
use bytes::Bytes;

/// How many entries a job writes.
const ENTRIES: u32 = 7;

fn journal() -> TopicJournal {
    TopicJournal::new(TopicJournalConfig { topic: "journal".into(), patience_ms: 2_000 })
}

fn segment(number: u64, part: u32) -> SegmentName {
    SegmentName { generation: generation(number), part }
}

fn drive(
    world: &mut World,
    number: u64,
    journal: &mut TopicJournal,
    mut step: JournalStep,
) -> Result<JournalStep, Died> {
    while let JournalStep::Request(request) = &step {
        let answer = world.answer(number, request)?;
        step = journal.answer(answer);
    }
    Ok(step)
}

/// Reads the journal: the numbers of its entries in order.
fn read(world: &mut World, number: u64, journal: &mut TopicJournal) -> Result<Vec<u32>, Stop> {
    let step = journal.read();
    match drive(world, number, journal, step)? {
        JournalStep::Read(segments) => {
            let mut numbers = Vec::new();
            for segment in segments {
                let text = String::from_utf8(segment.bytes.to_vec()).expect("it is text");
                let entries = text.split_terminator(';').skip(1);
                numbers.extend(entries.map(|entry| entry.parse::<u32>().expect("a number")));
            }
            Ok(numbers)
        }
        JournalStep::Failed { transient: true, .. } => Err(Stop::Failed),
        other => Err(Stop::Wrong(format!("read: {other:?}"))),
    }
}

/// Why a process stops.
#[derive(Debug)]
enum Stop {
    Died,
    Failed,
    Fenced,
    Wrong(String),
}

impl From<Died> for Stop {
    fn from(_: Died) -> Stop {
        Stop::Died
    }
}

/// Reads, takes over and writes what is missing; `acknowledged` grows by what was.
fn run_process(world: &mut World, number: u64, acknowledged: &mut Vec<u32>) -> Result<(), Stop> {
    let mut journal = journal();
    let known = read(world, number, &mut journal)?;
    let expected: Vec<u32> = (1..=known.len() as u32).collect();
    if known != expected || acknowledged.iter().any(|entry| !known.contains(entry)) {
        return Err(Stop::Wrong(format!("{known:?} is there, {acknowledged:?} was acknowledged")));
    }
    let step = journal.open(segment(number, 0), Bytes::from_static(b"header;"));
    expect(drive(world, number, &mut journal, step)?, &JournalStep::Opened)?;
    for entry in known.len() as u32 + 1..=ENTRIES {
        let step = journal.append(Bytes::from(format!("{entry};")));
        expect(drive(world, number, &mut journal, step)?, &JournalStep::Appended)?;
        acknowledged.push(entry);
        if entry % 3 == 0 {
            let step = journal.open(segment(number, entry), Bytes::from_static(b"header;"));
            expect(drive(world, number, &mut journal, step)?, &JournalStep::Opened)?;
        }
    }
    Ok(())
}

fn expect(step: JournalStep, wanted: &JournalStep) -> Result<(), Stop> {
    match step {
        step if step == *wanted => Ok(()),
        JournalStep::Fenced { .. } => Err(Stop::Fenced),
        JournalStep::Failed { .. } => Err(Stop::Failed),
        other => Err(Stop::Wrong(format!("{other:?}, not {wanted:?}"))),
    }
}

/// One process after the other, until one comes to the end.
fn run(world: &mut World) -> Result<(), String> {
    let mut acknowledged = Vec::new();
    for number in 1..8 {
        world.newest = number;
        match run_process(world, number, &mut acknowledged) {
            Ok(()) => {
                world.fault = None;
                world.pass(Span::ms(60_000));
                let found = read(world, number, &mut journal()).map_err(|it| format!("{it:?}"))?;
                let expected: Vec<u32> = (1..=ENTRIES).collect();
                return if found == expected { Ok(()) } else { Err(format!("{found:?}")) };
            }
            Err(Stop::Died | Stop::Failed) => world.pass(Span::ms(10)),
            Err(Stop::Fenced) => return Err("fenced by nobody".into()),
            Err(Stop::Wrong(what)) => return Err(what),
        }
    }
    Err("no process came to the end".into())
}

fn request_count(config: &KafkaConfig) -> u64 {
    let mut world = World::new(config.clone());
    run(&mut world).expect("nothing goes wrong");
    world.requests
}

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
fn every_entry_is_there_once_whatever_fails_at_any_request() {
    // spec: J-3, J-6
    assert_eq!(sweep(&KafkaConfig::default()), [""; 0]);
}

#[test]
fn every_entry_is_there_once_over_a_cluster_that_answers_unclearly() {
    for seed in 0..4 {
        let config = KafkaConfig { seed, stall_share: 100_000, ..KafkaConfig::default() };
        assert_eq!(sweep(&config), [""; 0], "seed {seed}");
    }
}

#[test]
fn an_append_that_is_found_in_the_log_does_not_hinder_the_next_one() {
    // spec: K-4
    for fault in [Fault::Unheard, Fault::Late(12)] {
        let mut world = World::new(KafkaConfig::default());
        let mut journal = journal();
        world.newest = 1;
        assert_eq!(read(&mut world, 1, &mut journal).expect("nothing fails"), [0; 0]);
        let step = journal.open(segment(1, 0), Bytes::from_static(b"header;"));
        let opened = drive(&mut world, 1, &mut journal, step).expect("nobody dies");
        assert_eq!(opened, JournalStep::Opened);
        for entry in 1..=3 {
            world.fault = (entry == 2).then_some((world.requests, fault));
            let step = journal.append(Bytes::from(format!("{entry};")));
            let appended = drive(&mut world, 1, &mut journal, step).expect("nobody dies");
            assert_eq!(appended, JournalStep::Appended, "{fault:?}, entry {entry}");
        }
    }
}

/// A process stands still before request `pause`; its successor writes `ahead` entries; then
/// it goes on, and then the successor.
fn run_with_zombie(pause: u64, ahead: u32) -> Result<(), String> {
    let mut world = World::new(KafkaConfig::default());
    let mut zombie = journal();
    let mut acknowledged = Vec::new();
    let mut step = zombie.read();
    let mut count = 0;
    let mut wrote = 0;
    let pending = loop {
        match step {
            JournalStep::Request(request) if count == pause => break request,
            JournalStep::Request(request) => {
                count += 1;
                let answer = world.answer(1, &request).expect("no fault is planned");
                step = zombie.answer(answer);
                continue;
            }
            JournalStep::Read(_) => {
                step = zombie.open(segment(1, 0), Bytes::from_static(b"header;"));
                continue;
            }
            JournalStep::Opened => {}
            JournalStep::Appended => acknowledged.push(wrote),
            other => return Err(format!("{other:?}")),
        }
        if wrote == ENTRIES {
            return Ok(());
        }
        wrote += 1;
        step = zombie.append(Bytes::from(format!("{wrote};")));
    };

    let mut successor = journal();
    let known = read(&mut world, 2, &mut successor).map_err(|it| format!("{it:?}"))?;
    let opening = successor.open(segment(2, 0), Bytes::from_static(b"header;"));
    let opened = drive(&mut world, 2, &mut successor, opening).expect("no fault");
    expect(opened, &JournalStep::Opened).map_err(|it| format!("{it:?}"))?;
    let mut next = known.len() as u32 + 1;
    let append = |world: &mut World, successor: &mut TopicJournal, entry: u32| {
        let step = successor.append(Bytes::from(format!("{entry};")));
        let done = drive(world, 2, successor, step).expect("no fault");
        expect(done, &JournalStep::Appended).map_err(|it| format!("{it:?}"))
    };
    for _ in 0..ahead {
        append(&mut world, &mut successor, next)?;
        next += 1;
    }

    let answer = world.answer(1, &pending).expect("no fault");
    let step = zombie.answer(answer);
    match drive(&mut world, 1, &mut zombie, step).expect("no fault") {
        JournalStep::Fenced { .. } => {}
        JournalStep::Read(_) => {
            let step = zombie.open(segment(1, 0), Bytes::from_static(b"header;"));
            let step = drive(&mut world, 1, &mut zombie, step).expect("no fault");
            if !matches!(step, JournalStep::Fenced { .. }) {
                return Err(format!("the zombie opens: {step:?}"));
            }
        }
        other => return Err(format!("the zombie goes on: {other:?}")),
    }
    append(&mut world, &mut successor, next)?;
    let step = successor.prove(generation(2));
    if drive(&mut world, 2, &mut successor, step).expect("no fault") != JournalStep::Proved(true) {
        return Err("the successor is not the newest".into());
    }
    let step = zombie.prove(generation(1));
    let by = format!("generation {}", generation(2));
    if drive(&mut world, 1, &mut zombie, step).expect("no fault") != (JournalStep::Fenced { by }) {
        return Err("the zombie is not told who is the newest".into());
    }
    let found = read(&mut world, 3, &mut journal()).map_err(|it| format!("{it:?}"))?;
    let expected: Vec<u32> = (1..=next).collect();
    let is_right = found == expected && acknowledged.iter().all(|entry| known.contains(entry));
    if is_right { Ok(()) } else { Err(format!("{found:?}, {acknowledged:?} by the zombie")) }
}

fn zombie_sweep() -> Vec<String> {
    let mut failures = Vec::new();
    for pause in 0..request_count(&KafkaConfig::default()) {
        for ahead in 0..3 {
            if let Err(what) = run_with_zombie(pause, ahead) {
                failures.push(format!("pause {pause}, ahead {ahead}: {what}"));
            }
        }
    }
    failures
}

#[test]
fn a_fenced_writer_knows_it_before_anything_counts() {
    // spec: J-3
    assert_eq!(zombie_sweep(), [""; 0]);
}

#[test]
fn entries_that_come_in_while_it_is_taken_over_are_not_cut_off() {
    let mut world = World::new(KafkaConfig::default());
    let (mut old, mut new) = (journal(), journal());
    read(&mut world, 1, &mut old).unwrap();
    let step = old.open(segment(1, 0), Bytes::from_static(b"header;"));
    drive(&mut world, 1, &mut old, step).unwrap();
    assert_eq!(read(&mut world, 2, &mut new).unwrap(), [0; 0]);
    let step = old.append(Bytes::from_static(b"1;"));
    assert_eq!(drive(&mut world, 1, &mut old, step).unwrap(), JournalStep::Appended);
    let step = new.open(segment(2, 0), Bytes::from_static(b"header;"));
    let opened = drive(&mut world, 2, &mut new, step).unwrap();
    assert!(matches!(opened, JournalStep::Failed { transient: true, .. }), "{opened:?}");
    // The old one is fenced by now, so the next attempt finds it at rest.
    let step = old.append(Bytes::from_static(b"2;"));
    let appended = drive(&mut world, 1, &mut old, step).unwrap();
    assert!(matches!(appended, JournalStep::Fenced { .. }), "{appended:?}");
    let mut next = journal();
    assert_eq!(read(&mut world, 3, &mut next).unwrap(), [1]);
    let step = next.open(segment(3, 0), Bytes::from_static(b"header;"));
    assert_eq!(drive(&mut world, 3, &mut next, step).unwrap(), JournalStep::Opened);
}

#[test]
fn the_same_generation_with_another_nonce_is_fenced() {
    // spec: G-1
    let mut world = World::new(KafkaConfig::default());
    run(&mut world).unwrap();
    let mut other = journal();
    read(&mut world, 1, &mut other).unwrap();
    let generation = anabranch_engine::ids::Generation { number: 1, nonce: 999 };
    let step = other.open(SegmentName { generation, part: 0 }, Bytes::from_static(b"h;"));
    let step = drive(&mut world, 1, &mut other, step).unwrap();
    assert!(matches!(step, JournalStep::Fenced { .. }), "{step:?}");
}

#[test]
fn trimmed_segments_are_gone_and_the_others_stay() {
    // spec: J-4
    let mut world = World::new(KafkaConfig::default());
    run(&mut world).unwrap();
    let mut machine = journal();
    assert_eq!(read(&mut world, 1, &mut machine).unwrap().len(), 7);
    let step = machine.trim(vec![segment(1, 0), segment(1, 3)]);
    assert!(matches!(step, JournalStep::Request(Request::Kafka(_))));
    assert_eq!(drive(&mut world, 1, &mut machine, step).unwrap(), JournalStep::Trimmed);
    assert_eq!(read(&mut world, 1, &mut journal()).unwrap(), [7]);
    assert_eq!(machine.trim(vec![segment(1, 6)]), JournalStep::Trimmed, "the newest stays");
}

#[test]
fn a_topic_that_holds_something_else_is_refused() {
    let mut world = World::new(KafkaConfig::default());
    world.cluster.create_topic("journal", 1, Cleanup::Nothing);
    let to = TopicPartition { topic: "journal".into(), partition: 0 };
    world.cluster.write(&to, KafkaRecord { value: Some("hello".into()), ..Default::default() });
    let step = journal().read();
    let mut machine = journal();
    let again = machine.read();
    assert_eq!(step, again);
    let found = drive(&mut world, 1, &mut machine, again).unwrap();
    assert!(matches!(found, JournalStep::Failed { transient: false, .. }), "{found:?}");
}

/// Each planted mistake is seen by one of the tests above.
#[cfg(feature = "plants")]
#[test]
fn planted_mistakes_are_found() {
    use anabranch_engine::plant::{Plant, switch};
    for plant in [Plant::J2, Plant::J7] {
        switch(Some(plant));
        let is_found = !zombie_sweep().is_empty() || !sweep(&KafkaConfig::default()).is_empty();
        switch(None);
        assert!(is_found, "{} is not found", plant.name());
    }
}
