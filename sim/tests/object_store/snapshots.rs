//! Snapshots: what is listed is complete, whatever becomes of the requests.

use crate::writer::Store;
use anabranch_engine::ids::{Epoch, Generation, KeyGroup, Lineage};
use anabranch_engine::journal::ChainHash;
use anabranch_engine::plan::PlanHash;
use anabranch_engine::service::Answer;
use anabranch_engine::snapshot::{
    Manifest, NodeState, ObjectSnapshots, PartName, PartRef, SnapshotMachine, SnapshotStep,
};
use anabranch_engine::time::Tick;
use bytes::Bytes;

type Parts = Vec<(String, Bytes)>;

fn snapshot(epoch: u64, number: u64) -> (String, Parts, Bytes) {
    snapshot_with(epoch, number, &[])
}

/// A snapshot that also names parts of another one.
fn snapshot_with(epoch: u64, number: u64, shared: &[PartRef]) -> (String, Parts, Bytes) {
    let generation = Generation { number, nonce: number };
    let name = |part| PartName { epoch: Epoch(epoch), generation, number: part };
    let parts: Parts = (0..2)
        .map(|part| (name(part).to_string(), Bytes::from(format!("{epoch}.{number}.{part}"))))
        .collect();
    let reference = |part: u32| PartRef {
        name: name(part),
        bytes: parts[part as usize].1.len() as u64,
        checksum: [0; 16],
        entries: 1,
        first_key_group: KeyGroup(0),
        last_key_group: KeyGroup(0),
    };
    let named = shared.iter().copied().chain([reference(0), reference(1)]).collect();
    let manifest = Manifest {
        epoch: Epoch(epoch),
        lineage: Lineage::default(),
        generation,
        plan: PlanHash([0; 16]),
        semantics: 1,
        tick: Tick(0),
        chain: ChainHash::START,
        splits: Vec::new(),
        nodes: vec![NodeState { node: "n".into(), parts: named }],
        sinks: Vec::new(),
        counters: Vec::new(),
    };
    let name = manifest.name().to_string().trim_end_matches(".manifest").to_owned();
    (name, parts, manifest.encode().into())
}

fn machine() -> ObjectSnapshots {
    ObjectSnapshots::new("job/snapshots/")
}

fn drive(store: &mut Store, mut step: SnapshotStep, machine: &mut ObjectSnapshots) -> SnapshotStep {
    while let SnapshotStep::Request(request) = step {
        step = machine.answer(store.execute(&request));
    }
    step
}

fn store_one(store: &mut Store, epoch: u64, generation: u64) -> SnapshotStep {
    let (name, parts, manifest) = snapshot(epoch, generation);
    let mut machine = machine();
    let step = machine.store(name, parts, manifest);
    drive(store, step, &mut machine)
}

/// The names that are listed, after all of them were loaded.
// spec: S-1
fn listed(store: &mut Store) -> Vec<String> {
    let mut machine = machine();
    let step = machine.list();
    let SnapshotStep::Listed(manifests) = drive(store, step, &mut machine) else {
        panic!("listing succeeds");
    };
    for (name, manifest) in &manifests {
        assert!(Manifest::decode(manifest).is_ok(), "{name} has no manifest");
        let step = machine.load(name.clone());
        let SnapshotStep::Loaded(parts) = drive(store, step, &mut machine) else {
            panic!("{name} is listed, but not complete");
        };
        assert!(parts.len() >= 2);
    }
    manifests.into_iter().map(|(name, _)| name).collect()
}

#[test]
pub(crate) fn a_store_that_dies_at_any_request_is_seen_whole_or_not_at_all() {
    // spec: S-1
    let (name, parts, manifest) = snapshot(20, 1);
    let mut seen_late = 0;
    for k in 0.. {
        let mut store = Store::new(1);
        assert_eq!(store_one(&mut store, 10, 1), SnapshotStep::Stored);
        let mut machine = machine();
        let mut step = machine.store(name.clone(), parts.clone(), manifest.clone());
        for _ in 0..k {
            if let SnapshotStep::Request(request) = step {
                step = machine.answer(store.execute(&request));
            }
        }
        let SnapshotStep::Request(request) = step else { break };
        // The next incarnation looks, stores its own, and then the late request arrives.
        assert_eq!(listed(&mut store).len(), 1);
        assert_eq!(store_one(&mut store, 15, 2), SnapshotStep::Stored);
        store.execute(&request);
        seen_late += listed(&mut store).len();
        assert_eq!(listed(&mut store).len(), 2, "the late request {k} makes nothing visible");
    }
    assert!(seen_late > 8);
}

#[test]
fn an_unknown_outcome_of_any_request_is_resolved() {
    // spec: K-4, S-1
    for effect in [false, true] {
        for k in 0.. {
            let mut store = Store::new(2);
            assert_eq!(store_one(&mut store, 10, 1), SnapshotStep::Stored);
            let (name, parts, manifest) = snapshot(20, 1);
            let mut machine = machine();
            let mut step = machine.store(name, parts, manifest);
            for _ in 0..k {
                if let SnapshotStep::Request(request) = step {
                    step = machine.answer(store.execute(&request));
                }
            }
            let SnapshotStep::Request(request) = step else { break };
            if effect {
                store.execute(&request);
            }
            let step = machine.answer(Answer::TimedOut);
            assert_eq!(drive(&mut store, step, &mut machine), SnapshotStep::Stored);
            assert_eq!(listed(&mut store).len(), 2, "request {k}");
        }
    }
}

#[test]
pub(crate) fn two_incarnations_at_once_lose_no_snapshot_and_list_no_half_one() {
    // spec: S-1
    for k in 0..12 {
        for m in 0..24 {
            let mut store = Store::new(3);
            for epoch in [5, 10] {
                assert_eq!(store_one(&mut store, epoch, 1), SnapshotStep::Stored);
            }
            let (old, ..) = snapshot(5, 1);
            let (name, parts, manifest) = snapshot(9, 1);
            let (mut first, mut second) = (machine(), machine());
            let mut step = first.store(name.clone(), parts, manifest);
            for _ in 0..k {
                if let SnapshotStep::Request(request) = step {
                    step = first.answer(store.execute(&request));
                }
            }
            let mut other = second.remove(vec![old.clone()]);
            for _ in 0..m {
                if let SnapshotStep::Request(request) = other {
                    other = second.answer(store.execute(&request));
                }
            }
            let stored = drive(&mut store, step, &mut first);
            let removed = drive(&mut store, other, &mut second);
            let names = listed(&mut store);
            assert_eq!(names.contains(&name), stored == SnapshotStep::Stored, "k {k}, m {m}");
            if removed == SnapshotStep::Removed {
                assert!(!names.contains(&old), "k {k}, m {m}");
            }
            assert!(names.contains(&snapshot(10, 1).0));
        }
    }
}

#[test]
fn what_is_not_needed_any_more_is_removed_also_what_nobody_finished() {
    // spec: J-4
    let mut store = Store::new(4);
    for epoch in [5, 10] {
        assert_eq!(store_one(&mut store, epoch, 1), SnapshotStep::Stored);
    }
    // Dies before it is visible.
    let (name, parts, manifest) = snapshot(8, 1);
    let mut dying = machine();
    let mut step = dying.store(name, parts, manifest);
    for _ in 0..3 {
        if let SnapshotStep::Request(request) = step {
            step = dying.answer(store.execute(&request));
        }
    }
    for _ in 0..20 {
        // Until listings are up to date.
        listed(&mut store);
    }
    let mut machine = machine();
    let step = machine.remove(vec![snapshot(5, 1).0]);
    assert_eq!(drive(&mut store, step, &mut machine), SnapshotStep::Removed);
    let left: Vec<&str> = store.model.names().collect();
    // The newest: two parts and a manifest; and the catalog.
    assert_eq!(left.len(), 4, "{left:?}");
    assert_eq!(listed(&mut store), [snapshot(10, 1).0]);
}

#[test]
pub(crate) fn a_part_that_another_snapshot_names_stays() {
    // spec: J-4
    let mut store = Store::new(5);
    let (old, parts, manifest) = snapshot(5, 1);
    let shared: Vec<PartRef> =
        Manifest::decode(&manifest).expect("it was just made").parts().copied().collect();
    let mut machine = machine();
    let step = machine.store(old.clone(), parts, manifest);
    assert_eq!(drive(&mut store, step, &mut machine), SnapshotStep::Stored);
    let (new, parts, manifest) = snapshot_with(10, 1, &shared[..1]);
    let step = machine.store(new.clone(), parts, manifest);
    assert_eq!(drive(&mut store, step, &mut machine), SnapshotStep::Stored);
    let step = machine.remove(vec![old]);
    assert_eq!(drive(&mut store, step, &mut machine), SnapshotStep::Removed);
    assert_eq!(listed(&mut store), [new]);
    assert_eq!(store.model.names().count(), 5, "of three parts one is shared");
}

#[test]
fn the_newest_snapshot_is_found_although_listings_are_behind() {
    for seed in 0..20 {
        let mut store = Store::new(seed);
        assert_eq!(store_one(&mut store, 10, 1), SnapshotStep::Stored);
        assert_eq!(listed(&mut store), [snapshot(10, 1).0]);
    }
}
