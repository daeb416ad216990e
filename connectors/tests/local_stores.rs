//! The local stores and the file executor on a real disk.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use anabranch_connectors::fs_exec::FolderExecutor;
use anabranch_connectors::lock::LockError;
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
use std::fs;

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
    store.create(header.name, &bytes).unwrap();
    for epoch in header.first_epoch.0..header.first_epoch.0 + count {
        let at = encoder.position();
        bytes.clear();
        encoder.append_epoch(&record(epoch), &mut bytes);
        store.append(header.name, at, &bytes).unwrap();
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

    store.remove(&[name(1)]).unwrap();
    assert_eq!(store.list().unwrap(), [name(2)]);
    let journal = scan(&store.read_all().unwrap(), &[Epoch(5)]).unwrap();
    assert_eq!(journal.reaches_back_to(), Epoch(3));
}

#[test]
fn a_held_lock_names_its_holder() {
    // spec: G-1, J-3
    let folder = tempfile::tempdir().unwrap();
    let mut store = LocalJournalStore::open(folder.path()).unwrap();
    store.describe_holder("generation 7#0000002f").unwrap();
    let error = LocalJournalStore::open(folder.path()).unwrap_err();
    let StoreError::Locked(LockError::Held { holder, .. }) = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*holder, format!("process {}, generation 7#0000002f", std::process::id()));
    assert!(error.to_string().contains("is in use by process"), "{error}");
    drop(store);
    assert!(LocalJournalStore::open(folder.path()).is_ok());
}

#[test]
fn a_segment_is_created_once() {
    // spec: J-3, J-6
    let folder = tempfile::tempdir().unwrap();
    let mut store = LocalJournalStore::open(folder.path()).unwrap();
    store.create(name(1), b"").unwrap();
    assert!(matches!(store.create(name(1), b""), Err(StoreError::Exists { .. })));
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

fn put(store: &LocalSnapshotStore, epoch: u64, shared: &[PartRef]) -> Manifest {
    let generation = Generation { number: 1, nonce: 3 };
    let part = PartName { epoch: Epoch(epoch), generation, number: 0 };
    let value = Some(epoch.to_le_bytes().to_vec());
    let entry = StateEntry { key_group: KeyGroup(0), table: "t", key: vec![1], value };
    let (bytes, reference) = encode_part(part, "n", &[entry]);
    store.put_part(part, &bytes).unwrap();
    let manifest = manifest(epoch, [shared, &[reference]].concat());
    store.put_manifest(&manifest).unwrap();
    manifest
}

#[test]
fn snapshots_come_back_newest_first_and_old_ones_go() {
    // spec: J-4, S-1
    let folder = tempfile::tempdir().unwrap();
    let store = LocalSnapshotStore::open(&folder.path().join("snapshots")).unwrap();
    let first = put(&store, 5, &[]);
    let shared: Vec<PartRef> = first.parts().copied().collect();
    let second = put(&store, 9, &shared);
    put(&store, 7, &[]);
    let epochs: Vec<_> = store.list().unwrap().iter().map(|name| name.epoch.0).collect();
    assert_eq!(epochs, [9, 7, 5]);
    // A part of a snapshot that is being written, and the rest of a broken attempt.
    let under_way = PartName { epoch: Epoch(12), ..shared[0].name };
    store.put_part(under_way, b"later").unwrap();
    let broken = PartName { epoch: Epoch(6), ..shared[0].name };
    let broken = folder.path().join(format!("snapshots/.{broken}.tmp"));
    fs::write(&broken, "half").unwrap();

    // Also a manifest of which only a part was written; one above may still be written.
    let torn = folder.path().join(format!("snapshots/.{}.tmp", first.name()));
    let above = ManifestName { epoch: Epoch(1_000), ..second.name() };
    let above = folder.path().join(format!("snapshots/.{above}.tmp"));
    fs::write(&torn, "half").unwrap();
    fs::write(&above, "half").unwrap();
    store.remove_all_but(std::slice::from_ref(&second)).unwrap();
    assert_eq!((torn.exists(), above.exists()), (false, true));
    assert_eq!(store.list().unwrap(), [second.name()]);
    assert!(!broken.exists());
    assert_eq!(store.read_part(under_way).unwrap(), b"later");
    let read = Manifest::decode(&store.read_manifest(second.name()).unwrap()).unwrap();
    assert_eq!(read, second);
    for part in read.parts() {
        // Also the part of the first snapshot, which the second one shares.
        decode_part(part, "n", &store.read_part(part.name).unwrap()).unwrap();
    }
    let unused = PartName { epoch: Epoch(7), ..shared[0].name };
    let error = store.read_part(unused).unwrap_err();
    assert!(error.to_string().starts_with("cannot read "), "{error}");
}

#[test]
fn a_manifest_without_its_parts_is_not_put() {
    // spec: S-1
    let folder = tempfile::tempdir().unwrap();
    let store = LocalSnapshotStore::open(folder.path()).unwrap();
    let mut manifest = put(&store, 5, &[]);
    manifest.epoch = Epoch(6);
    manifest.nodes[0].parts[0].name.number = 1;
    let error = store.put_manifest(&manifest).unwrap_err();
    assert!(matches!(error, StoreError::Incomplete { .. }), "{error}");
    assert_eq!(store.list().unwrap().len(), 1);
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
