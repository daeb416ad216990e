//! The local stores and the file executor on a real disk.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use anabranch_connectors::fs_exec::FolderExecutor;
use anabranch_connectors::store::{LocalJournalStore, LocalSnapshotStore, StoreError};
use anabranch_engine::ids::{Epoch, Generation, KeyGroup, Lineage, SinkId};
use anabranch_engine::journal::{
    Carried, ChainHash, Encoder, EpochRecord, SegmentHeader, SegmentName, scan,
};
use anabranch_engine::plan::PlanHash;
use anabranch_engine::service::fs::{FsAnswer, FsFailure, FsRequest};
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::files::FileSink;
use anabranch_engine::sink::{
    ApplyOutcome, Chunk, ChunkPayload, ChunkPlace, Marker, OpenOutcome, SinkShard,
};
use anabranch_engine::sink::{SinkMachine, SinkStep};
use anabranch_engine::snapshot::{
    Manifest, ManifestName, NodeState, PartName, PartRef, decode_part, encode_part,
};
use anabranch_engine::state::StateEntry;
use anabranch_engine::time::Tick;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, mem};

fn name(number: u64) -> SegmentName {
    SegmentName { generation: Generation { number, nonce: 40 + number }, part: 0 }
}

fn header(name: SegmentName, first: u64) -> SegmentHeader {
    SegmentHeader {
        name,
        lineage: Lineage { number: 1, nonce: 2 },
        parent: None,
        plan: PlanHash([0; 16]),
        semantics: 1,
        binary: "test".into(),
        predecessor: None,
        first_epoch: Epoch(first),
        sources: Vec::new(),
        carried: Carried::default(),
    }
}

fn record(epoch: u64) -> EpochRecord {
    EpochRecord {
        epoch: Epoch(epoch),
        tick: Tick(epoch as i64),
        durable_up_to: Epoch(epoch - 1),
        ..EpochRecord::default()
    }
}

/// Writes a segment with epochs from `first` on.
fn write_segment(store: &mut LocalJournalStore, header: &SegmentHeader, count: u64) {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::open(header, &mut bytes);
    store.create(header.name, mem::take(&mut bytes).into()).unwrap();
    for epoch in header.first_epoch.0..header.first_epoch.0 + count {
        encoder.append_epoch(&record(epoch), &mut bytes);
        store.append(mem::take(&mut bytes).into()).unwrap();
    }
}

#[test]
fn a_journal_comes_back_from_the_disk() {
    // spec: J-1, J-4
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("state/journal");
    let mut store = LocalJournalStore::open(&folder).unwrap();
    assert!(store.read_all().unwrap().is_empty());
    write_segment(&mut store, &header(name(1), 1), 3);
    drop(store);
    fs::write(folder.join("notes.txt"), "not ours").unwrap();

    let mut store = LocalJournalStore::open(&folder).unwrap();
    let journal = scan(&store.read_all().unwrap(), &[]).unwrap();
    assert_eq!(journal.last_epoch(), Epoch(3));
    let mut second = header(name(2), 4);
    second.predecessor = journal.predecessor();
    write_segment(&mut store, &second, 2);
    let journal = scan(&store.read_all().unwrap(), &[Epoch(5)]).unwrap();
    assert_eq!((journal.last_epoch(), journal.segments.len()), (Epoch(5), 2));

    store.remove(vec![name(1)]).unwrap();
    assert_eq!(store.list().unwrap(), [name(2)]);
    let journal = scan(&store.read_all().unwrap(), &[Epoch(5)]).unwrap();
    assert_eq!(journal.reaches_back_to(), Epoch(3));
}

#[test]
fn a_held_lock_names_its_holder() {
    // spec: G-1, J-3
    let folder = tempfile::tempdir().unwrap();
    let mut store = LocalJournalStore::open(folder.path()).unwrap();
    store.create(name(7), "header".into()).unwrap();
    let error = LocalJournalStore::open(folder.path()).unwrap_err();
    let StoreError::Locked { holder, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*holder, format!("process {}, generation 7#0000002f", std::process::id()));
    assert!(error.to_string().contains("is in use by process"), "{error}");
    drop(store);
    assert!(LocalJournalStore::open(folder.path()).is_ok());
}

#[test]
fn a_journal_is_ours_as_long_as_others_find_our_lock() {
    // spec: J-3
    let above = tempfile::tempdir().unwrap();
    let (folder, moved) = (above.path().join("journal"), above.path().join("moved"));
    let mut store = LocalJournalStore::open(&folder).unwrap();
    store.create(name(7), "header".into()).unwrap();
    let before = fs::read_to_string(folder.join("lock")).unwrap();
    assert!(store.prove(name(7).generation).unwrap());
    // A folder that was moved away may come back: nothing is known, and nothing is made.
    fs::rename(&folder, &moved).unwrap();
    assert!(!store.prove(name(7).generation).unwrap());
    assert!(!folder.exists());
    fs::rename(&moved, &folder).unwrap();
    assert!(store.prove(name(7).generation).unwrap());
    assert_eq!(fs::read_to_string(folder.join("lock")).unwrap(), before);
    // Another run starts where the folder was.
    fs::rename(&folder, &moved).unwrap();
    let mut other = LocalJournalStore::open(&folder).unwrap();
    other.create(name(8), "header".into()).unwrap();
    let error = store.prove(name(7).generation).unwrap_err();
    assert!(matches!(&error, StoreError::Fenced { by } if by.contains("generation 8")), "{error}");
    // Whoever was replaced writes nothing more.
    assert!(matches!(store.append("x".into()), Err(StoreError::Failed { .. })));
    assert_eq!(fs::read(moved.join(name(7).file_name())).unwrap(), b"header");
}

#[test]
fn a_segment_is_created_once() {
    // spec: J-3, J-6
    let folder = tempfile::tempdir().unwrap();
    let mut store = LocalJournalStore::open(folder.path()).unwrap();
    fs::write(folder.path().join(name(1).file_name()), "of another process").unwrap();
    assert!(matches!(store.create(name(1), "ours".into()), Err(StoreError::Fenced { .. })));
    let text = fs::read_to_string(folder.path().join(name(1).file_name())).unwrap();
    assert_eq!(text, "of another process");
    // Whoever was fenced writes nothing more.
    assert!(matches!(store.create(name(2), "ours".into()), Err(StoreError::Failed { .. })));
    assert_eq!(store.list().unwrap(), [name(1)]);
}

#[test]
fn a_segment_that_was_removed_or_changed_takes_no_record() {
    // spec: J-1, J-6
    let harms: [fn(&Path); 2] =
        [|path| fs::remove_file(path).unwrap(), |path| fs::write(path, "changed").unwrap()];
    for harm in harms {
        let folder = tempfile::tempdir().unwrap();
        let mut store = LocalJournalStore::open(folder.path()).unwrap();
        store.create(name(1), "header".into()).unwrap();
        store.append("first".into()).unwrap();
        harm(&folder.path().join(name(1).file_name()));
        let error = store.append("second".into()).unwrap_err();
        assert!(matches!(error, StoreError::Failed { transient: false, .. }), "{error:?}");
        assert!(error.to_string().contains(&name(1).file_name()), "{error}");
    }
}

fn manifest(epoch: u64, parts: Vec<PartRef>) -> Manifest {
    Manifest {
        epoch: Epoch(epoch),
        lineage: Lineage { number: 1, nonce: 2 },
        generation: Generation { number: 1, nonce: 3 },
        plan: PlanHash([0; 16]),
        semantics: 1,
        tick: Tick(1),
        chain: ChainHash::START,
        splits: Vec::new(),
        nodes: vec![NodeState { node: "n".into(), parts }],
        sinks: Vec::new(),
        counters: Vec::new(),
    }
}

/// The name by which the pipeline calls a snapshot.
fn name_of(manifest: &Manifest) -> String {
    manifest.name().to_string().trim_end_matches(".manifest").to_owned()
}

/// Stores a snapshot with a part of its own, and parts of earlier ones.
fn put(store: &mut LocalSnapshotStore, epoch: u64, shared: &[PartRef]) -> Manifest {
    let generation = Generation { number: 1, nonce: 3 };
    let part = PartName { epoch: Epoch(epoch), generation, number: 0 };
    let value = Some(Bytes::from(epoch.to_le_bytes().to_vec()));
    let entry = StateEntry { key_group: KeyGroup(0), table: "t", key: vec![1].into(), value };
    let (bytes, reference) = encode_part(part, "n", &[entry]);
    let manifest = manifest(epoch, [shared, &[reference]].concat());
    let parts = vec![(part.to_string(), bytes)];
    store.store(name_of(&manifest), parts, manifest.encode().into()).unwrap();
    manifest
}

fn epochs_in(store: &mut LocalSnapshotStore) -> BTreeSet<u64> {
    let decode = |(_, bytes): (String, Bytes)| Manifest::decode(&bytes).unwrap().epoch.0;
    store.list().unwrap().into_iter().map(decode).collect()
}

#[test]
fn snapshots_come_back_and_old_ones_go() {
    // spec: J-4, S-1
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("snapshots");
    let mut store = LocalSnapshotStore::open(&folder).unwrap();
    let first = put(&mut store, 5, &[]);
    let shared: Vec<PartRef> = first.parts().copied().collect();
    let second = put(&mut store, 9, &shared);
    let third = put(&mut store, 7, &[]);
    assert_eq!(epochs_in(&mut store), BTreeSet::from([5, 7, 9]));
    // A part of a snapshot that is being written, and the rest of broken attempts.
    let under_way = folder.join(PartName { epoch: Epoch(12), ..shared[0].name }.to_string());
    fs::write(&under_way, "later").unwrap();
    let broken = PartName { epoch: Epoch(6), ..shared[0].name };
    let broken =
        [folder.join(format!(".{broken}.tmp")), folder.join(format!(".{}.tmp", third.name()))];
    for path in &broken {
        fs::write(path, "half").unwrap();
    }

    // One above may still be written.
    let above = ManifestName { epoch: Epoch(1_000), ..second.name() };
    let above = folder.join(format!(".{above}.tmp"));
    fs::write(&above, "half").unwrap();

    store.remove(vec![name_of(&first), name_of(&third)]).unwrap();
    assert!(above.exists());
    assert_eq!(epochs_in(&mut store), BTreeSet::from([9]));
    assert!(broken.iter().all(|path| !path.exists()));
    assert_eq!(fs::read(under_way).unwrap(), b"later");
    // Also the part of the first snapshot, which the second one shares.
    let parts = store.load(&name_of(&second)).unwrap();
    for (part, bytes) in second.parts().zip(parts) {
        decode_part(part, "n", &bytes).unwrap();
    }
    assert!(!folder.join(third.parts().next().unwrap().name.to_string()).exists());
    let error = store.load(&name_of(&third)).unwrap_err();
    assert!(error.to_string().starts_with("cannot read "), "{error}");
}

#[test]
fn a_manifest_without_its_parts_is_not_put() {
    // spec: S-1
    let folder = tempfile::tempdir().unwrap();
    let mut store = LocalSnapshotStore::open(folder.path()).unwrap();
    let mut manifest = put(&mut store, 5, &[]);
    manifest.epoch = Epoch(6);
    manifest.nodes[0].parts[0].name.number = 1;
    let stored = store.store(name_of(&manifest), Vec::new(), manifest.encode().into());
    let error = stored.unwrap_err();
    assert!(error.to_string().contains("is not put in place: its part "), "{error}");
    assert_eq!(epochs_in(&mut store), BTreeSet::from([5]));
}

fn chunk(before: Option<Marker>, epoch: u64, text: &'static str) -> Chunk {
    let lineage = Lineage { number: 1, nonce: 2 };
    let place = ChunkPlace { lineage, epoch: Epoch(epoch), chunk: 0, last: true };
    Chunk::new(
        SinkShard::default(),
        before,
        place,
        ChunkPayload::Bytes { data: text.into(), rows: 1 },
    )
}

/// Drives a sink on a real folder until it gives an outcome.
fn drive(sink: &mut FileSink, files: &mut FolderExecutor, mut step: SinkStep) -> SinkStep {
    while let SinkStep::Request(Request::Fs(request)) = &step {
        step = sink.answer(Answer::Fs(files.execute(request)));
    }
    step
}

fn open(sink: &mut FileSink, files: &mut FolderExecutor, number: u64) -> OpenOutcome {
    let step = sink.open(Generation { number, nonce: 40 + number });
    match drive(sink, files, step) {
        SinkStep::Opened(outcome) => outcome,
        other => panic!("opening gave {other:?}"),
    }
}

fn apply(sink: &mut FileSink, files: &mut FolderExecutor, chunk: &Chunk) -> ApplyOutcome {
    let step = sink.apply(chunk.clone());
    match drive(sink, files, step) {
        SinkStep::Applied(outcome) => outcome,
        other => panic!("applying gave {other:?}"),
    }
}

#[test]
fn the_filesystem_sink_works_on_a_real_folder() {
    // spec: K-1, K-3
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("out/hourly");
    let (mut sink, mut files) = (FileSink::new(SinkId(0), ".jsonl"), FolderExecutor::new(&folder));
    assert_eq!(open(&mut sink, &mut files, 1), OpenOutcome::Opened { marker: None });
    let first = chunk(None, 3, "one\n");
    assert_eq!(apply(&mut sink, &mut files, &first), ApplyOutcome::Applied);
    assert_eq!(apply(&mut sink, &mut files, &first), ApplyOutcome::Duplicate);
    // Another process finds the folder locked.
    let (mut other, mut others) =
        (FileSink::new(SinkId(0), ".jsonl"), FolderExecutor::new(&folder));
    let by = format!("process {}, generation 1#00000029", std::process::id());
    assert_eq!(open(&mut other, &mut others, 2), OpenOutcome::Locked { by });
    drop(files);
    // The consumer has moved the file away; the marker stays.
    fs::remove_file(folder.join("part-0001-000000000003.jsonl")).unwrap();
    let marker = Some(first.marker);
    assert_eq!(open(&mut other, &mut others, 2), OpenOutcome::Opened { marker });
    let second = chunk(marker, 4, "two\n");
    assert_eq!(apply(&mut other, &mut others, &second), ApplyOutcome::Applied);
    let text = fs::read_to_string(folder.join("part-0001-000000000004.jsonl")).unwrap();
    assert_eq!(text, "two\n");
}

#[test]
fn a_full_disk_is_told_apart_from_other_failures() {
    // spec: F-2
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("full")).unwrap();
    let mut files = FolderExecutor::new(folder.path());
    let write = FsRequest::Write { name: "full".into(), bytes: "data".into() };
    let FsAnswer::Failed { kind, what } = files.execute(&write) else {
        panic!("the disk is full");
    };
    assert_eq!(kind, FsFailure::NoSpace);
    assert!(what.starts_with("the disk is full: cannot write "), "{what}");
    let read = FsRequest::Read { name: "missing".into() };
    assert!(matches!(files.execute(&read), FsAnswer::Failed { kind: FsFailure::NotFound, .. }));
    let missing = FsRequest::Remove { name: "missing".into() };
    assert_eq!(files.execute(&missing), FsAnswer::Done);
}

#[test]
fn an_append_to_a_file_of_another_length_is_refused() {
    // spec: K-3
    let folder = tempfile::tempdir().unwrap();
    let mut files = FolderExecutor::new(folder.path());
    let name = String::from("a");
    files.execute(&FsRequest::Write { name: name.clone(), bytes: "data".into() });
    let append = |at| FsRequest::Append { name: name.clone(), at, bytes: "more".into() };
    assert_eq!(files.execute(&append(4)), FsAnswer::Done);
    let refused = files.execute(&append(4));
    assert!(matches!(refused, FsAnswer::Failed { kind: FsFailure::Moved, .. }));
    assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"datamore");
}
