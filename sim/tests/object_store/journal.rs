//! The journal: never two records for one number, and nobody is told that a record is
//! durable whom a newer generation has not read.

use crate::writer::{Act, Store, Writer, check};
use anabranch_engine::journal::{JournalMachine, JournalStep, ObjectJournal, SegmentName};
use anabranch_engine::service::{Answer, Request};

/// All ways in which two writers' next requests can follow one another, with at most one
/// request whose outcome is not known.
#[derive(Clone)]
struct Interleaving {
    store: Store,
    writers: [Writer; 2],
    /// Whether the one fault may still come.
    faults_left: u32,
    /// A request that will still arrive.
    late: Option<Request>,
}

/// Counts the ends of all ways; each is checked.
fn all_ways(way: Interleaving) -> u64 {
    let mut ends = 0;
    for index in 0..2 {
        if way.writers[index].request.is_none() {
            continue;
        }
        let mut next = way.clone();
        next.writers[index].step(&mut next.store);
        ends += all_ways(next);
        if way.faults_left == 0 || !way.writers[index].writes() {
            continue;
        }
        // Lost, or late.
        let mut next = way.clone();
        next.faults_left = 0;
        next.late = next.writers[index].request.clone();
        next.writers[index].answer(Answer::TimedOut);
        ends += all_ways(next);
        // Done, but nobody knows.
        let mut next = way.clone();
        next.faults_left = 0;
        let request = next.writers[index].request.clone().expect("it waits");
        next.store.execute(&request);
        next.writers[index].answer(Answer::TimedOut);
        ends += all_ways(next);
    }
    if let Some(late) = &way.late {
        let mut next = way.clone();
        next.late = None;
        next.store.execute(late);
        ends += all_ways(next);
    }
    if ends == 0 {
        let mut store = way.store.clone();
        check(&mut store, &way.writers);
        return 1;
    }
    ends
}

#[test]
pub(crate) fn a_writer_is_replaced_at_any_point_with_any_outcome() {
    // spec: J-3, K-4
    let mut store = Store::new(1);
    let mut first =
        Writer::start(1, &[Act::Read, Act::Open, Act::Append, Act::Append, Act::Append]);
    while first.acked.len() < 2 {
        first.step(&mut store);
    }
    let second = Writer::start(2, &[Act::Read, Act::Open, Act::Append]);
    let way = Interleaving { store, writers: [first, second], faults_left: 1, late: None };
    let ends = all_ways(way);
    assert!(ends > 1_000, "{ends}");
}

#[test]
fn two_writers_that_start_together_never_both_write() {
    // spec: G-1, J-3
    let store = Store::new(2);
    let acts = [Act::Read, Act::Open, Act::Append];
    let writers = [Writer::start(1, &acts), Writer::start(2, &acts)];
    let ends = all_ways(Interleaving { store, writers, faults_left: 0, late: None });
    assert!(ends > 500, "{ends}");
}

/// A whole life: two segments, the first of which is trimmed.
const LIFE: [Act; 10] = [
    Act::Read,
    Act::Open,
    Act::Append,
    Act::Append,
    Act::Append,
    Act::Open,
    Act::Append,
    Act::Trim,
    Act::Append,
    Act::Append,
];

/// Successors until one is not fenced.
fn succeed(store: &mut Store, writers: &mut Vec<Writer>) {
    for nonce in 10..15 {
        let mut writer = Writer::start(nonce, &LIFE);
        writer.run(store, 1_000);
        let is_over = writer.ended.is_none();
        writers.push(writer);
        if is_over {
            return;
        }
    }
    panic!("nobody gets through: {writers:?}");
}

#[test]
fn a_crash_at_any_request_with_any_outcome_loses_nothing_that_was_confirmed() {
    // spec: J-3, J-6
    let mut faults = 0;
    for k in 0.. {
        let mut store = Store::new(3);
        let mut first = Writer::start(1, &LIFE);
        first.run(&mut store, k);
        let Some(request) = first.request.clone() else { break };
        faults += 1;
        for (effect, late) in [(true, None), (false, None)].into_iter().chain(lates()) {
            let mut store = store.clone();
            if effect {
                store.execute(&request);
            }
            let mut writers = vec![first.clone()];
            if let Some(after) = late {
                let mut second = Writer::start(2, &LIFE);
                second.run(&mut store, after);
                store.execute(&request);
                second.run(&mut store, 1_000);
                writers.push(second);
            }
            succeed(&mut store, &mut writers);
            check(&mut store, &writers);
        }
    }
    assert!(faults > 15, "{faults}");
}

fn lates() -> impl Iterator<Item = (bool, Option<usize>)> {
    (0..24).map(|after| (false, Some(after)))
}

#[test]
pub(crate) fn an_unknown_outcome_is_resolved_by_reading_and_never_by_another_number() {
    // spec: K-4
    for effect in [false, true] {
        for k in 0.. {
            let mut store = Store::new(4);
            let mut writer = Writer::start(1, &LIFE);
            writer.run(&mut store, k);
            let Some(request) = writer.request.clone() else { break };
            if effect {
                store.execute(&request);
            }
            writer.answer(Answer::TimedOut);
            writer.run(&mut store, 1_000);
            assert_eq!(writer.ended, None, "request {k}, effect {effect}");
            check(&mut store, &[writer]);
        }
    }
}

#[test]
fn a_zombie_that_wakes_behind_a_trimmed_journal_is_fenced() {
    // spec: J-3, J-4
    for k in 0.. {
        let mut store = Store::new(5);
        let mut zombie = Writer::start(1, &LIFE);
        zombie.run(&mut store, k);
        if zombie.request.is_none() {
            return;
        }
        for m in 0..40 {
            let (mut store, mut zombie) = (store.clone(), zombie.clone());
            let mut second = Writer::start(2, &LIFE);
            second.run(&mut store, m);
            let mut third = (m > 30).then(|| Writer::start(3, &LIFE));
            if let Some(third) = &mut third {
                third.run(&mut store, 1_000);
            }
            zombie.run(&mut store, 1_000);
            second.run(&mut store, 1_000);
            let mut writers = vec![zombie, second];
            writers.extend(third);
            succeed(&mut store, &mut writers);
            check(&mut store, &writers);
        }
    }
}

#[test]
fn only_the_newest_generation_is_proved() {
    // spec: K-3
    let mut store = Store::new(6);
    let (mut old, segment) = open(&mut store, 1);
    assert_eq!(
        drive(&mut store, old.prove(segment.generation), &mut old),
        JournalStep::Proved(true)
    );
    let (mut new, newer) = open(&mut store, 2);
    assert_eq!(drive(&mut store, new.prove(newer.generation), &mut new), JournalStep::Proved(true));
    // spec: J-3
    let by = format!("generation {}", newer.generation);
    assert_eq!(
        drive(&mut store, old.prove(segment.generation), &mut old),
        JournalStep::Fenced { by }
    );
    assert_eq!(old.prove(segment.generation), JournalStep::Proved(false), "it is closed");
    let (mut old, _) = open(&mut store, 3);
    let (_, newer) = open(&mut store, 4);
    let fenced = drive(&mut store, old.append("x".into()), &mut old);
    let by = format!("generation {}", newer.generation);
    assert_eq!(fenced, JournalStep::Fenced { by });
}

#[test]
fn whoever_wrote_what_cannot_be_read_is_newer_all_the_same() {
    // spec: J-3
    use anabranch_engine::service::object::ObjectRequest;
    let mut store = Store::new(6);
    let (mut old, segment) = open(&mut store, 1);
    let name = format!("job/journal/{:020}", 1);
    store.execute(&Request::Object(ObjectRequest::PutNew { name, bytes: "?".into() }));
    let proved = drive(&mut store, old.prove(segment.generation), &mut old);
    let JournalStep::Fenced { by } = &proved else { panic!("{proved:?}") };
    assert!(by.starts_with("whoever wrote a record that cannot be read"), "{by}");
}

#[test]
pub(crate) fn a_hole_and_a_damaged_record_are_damage_and_not_an_end() {
    // spec: J-6
    use anabranch_engine::service::object::ObjectRequest;
    let mut store = Store::new(7);
    let mut writer = Writer::start(1, &[Act::Read, Act::Open, Act::Append, Act::Append]);
    writer.run(&mut store, 100);
    let middle = store.model.names().nth(1).expect("there are three").to_owned();
    let mut hole = store.clone();
    let delete = ObjectRequest::Delete { names: vec![middle.clone()] };
    hole.execute(&Request::Object(delete));
    for _ in 0..20 {
        // Until listings are up to date.
        hole.execute(&Request::Object(ObjectRequest::Get { name: middle.clone() }));
    }
    let mut reader = Writer::start(2, &[Act::Read]);
    reader.run(&mut hole, 100);
    assert!(reader.ended.expect("it fails").contains("is missing, though later records"));

    use anabranch_sim::model::{Disturbance, Service};
    for place in 0..200u64 {
        let mut rotten = store.clone();
        let rot = Disturbance::Rot { place: (place << 16) | (place % 3) };
        assert!(rotten.model.disturb(Default::default(), &rot).is_some());
        let mut reader = Writer::start(2, &[Act::Read]);
        reader.run(&mut rotten, 100);
        assert!(reader.ended.expect("it fails").contains("is damaged"), "{place}");
    }
}

fn open(store: &mut Store, number: u64) -> (ObjectJournal, SegmentName) {
    use anabranch_engine::ids::Generation;
    let segment = SegmentName { generation: Generation { number, nonce: number * 3 }, part: 0 };
    let mut journal = ObjectJournal::new("job/journal/");
    drive(store, journal.read(), &mut journal);
    let step = journal.open(segment, "header".into());
    assert_eq!(drive(store, step, &mut journal), JournalStep::Opened);
    (journal, segment)
}

fn drive(store: &mut Store, mut step: JournalStep, journal: &mut ObjectJournal) -> JournalStep {
    while let JournalStep::Request(request) = step {
        step = journal.answer(store.execute(&request));
    }
    step
}
