//! The disk as a service: what it does to the requests of many processes, and what may
//! happen to it.

use anabranch_engine::ids::{Epoch, Generation, Lineage, SinkId};
use anabranch_engine::service::fs::{FsAnswer, FsFailure, FsRequest};
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::files::FileSink;
use anabranch_engine::sink::{
    ApplyOutcome, Chunk, ChunkPayload, ChunkPlace, Marker, OpenOutcome, SinkMachine, SinkShard,
    SinkStep,
};
use anabranch_sim::disk::{KEEP_ALL, LOSE_ALL};
use anabranch_sim::model::disk::DiskModel;
use anabranch_sim::model::{ClientId, Disturbance, Service};
use anabranch_sim::time::VirtualTime;
use std::collections::BTreeSet;

const NOW: VirtualTime = VirtualTime(0);
const FOLDER: u32 = 3;

fn client(process: u32) -> ClientId {
    ClientId { process, machine: FOLDER }
}

fn ask(model: &mut DiskModel, process: u32, request: FsRequest) -> FsAnswer {
    match model.execute(NOW, client(process), &Request::Fs(request)) {
        Answer::Fs(answer) => answer,
        other => panic!("a disk answers {other:?}"),
    }
}

fn write(model: &mut DiskModel, name: &str, bytes: &'static str) -> FsAnswer {
    ask(model, 1, FsRequest::Write { name: name.into(), bytes: bytes.into() })
}

fn read(model: &mut DiskModel, name: &str) -> Option<String> {
    match ask(model, 1, FsRequest::Read { name: name.into() }) {
        FsAnswer::Data(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        FsAnswer::Failed { kind: FsFailure::NotFound, .. } => None,
        other => panic!("a read gave {other:?}"),
    }
}

fn kind_of(answer: &FsAnswer) -> Option<FsFailure> {
    match answer {
        FsAnswer::Failed { kind, .. } => Some(*kind),
        FsAnswer::Done | FsAnswer::Names(_) | FsAnswer::Data(_) => None,
    }
}

/// Does what a sink asks for until it has an outcome.
fn drive(model: &mut DiskModel, process: u32, sink: &mut FileSink, mut step: SinkStep) -> SinkStep {
    while let SinkStep::Request(request) = step {
        step = sink.answer(model.execute(NOW, client(process), &request));
    }
    step
}

/// Opens a sink and applies a chunk behind its marker.
fn apply(model: &mut DiskModel, process: u32, epoch: u64, text: &'static str) -> Marker {
    let mut sink = FileSink::new(SinkId(0), ".jsonl");
    let number = u64::from(process);
    let step = sink.open(Generation { number, nonce: 40 + number });
    let SinkStep::Opened(OpenOutcome::Opened { marker }) = drive(model, process, &mut sink, step)
    else {
        panic!("{}", sink.failure());
    };
    let lineage = Lineage { number: 1, nonce: 2 };
    let place = ChunkPlace { lineage, epoch: Epoch(epoch), chunk: 0, last: true };
    let payload = ChunkPayload::Bytes { data: text.into(), rows: 1 };
    let chunk = Chunk::new(SinkShard::default(), marker, place, payload);
    let marker = chunk.marker;
    let step = sink.apply(chunk);
    let applied = drive(model, process, &mut sink, step);
    assert_eq!(applied, SinkStep::Applied(ApplyOutcome::Applied));
    marker
}

#[test]
fn a_reader_sees_lines_in_the_order_of_the_names_also_of_files_that_went() {
    let mut model = DiskModel::new(1);
    apply(&mut model, 1, 3, "c\nb\n");
    model.consume(FOLDER);
    model.client_died(NOW, 1);
    let marker = apply(&mut model, 2, 4, "a\n");
    let view = model.view_of(FOLDER);
    let lines: Vec<_> = view.records.iter().map(|record| &*record.value).collect();
    assert_eq!(lines, [b"c\n", b"b\n", b"a\n"]);
    assert!(view.records.iter().all(|record| record.part == FOLDER));
    assert_eq!(view.marker, Some(marker));
    assert_eq!(model.view(NOW).records, view.records);
}

#[test]
fn a_dead_process_does_nothing_more() {
    let mut model = DiskModel::new(1);
    let lock = |holder: &str| FsRequest::Lock { name: "lock".into(), holder: holder.into() };
    assert_eq!(ask(&mut model, 1, lock("one")), FsAnswer::Done);
    assert_eq!(kind_of(&ask(&mut model, 2, lock("two"))), Some(FsFailure::Locked));
    model.client_died(NOW, 1);
    let request = Request::Fs(lock("one"));
    assert_eq!(model.execute(NOW, client(1), &request), Answer::Unreachable);
    assert_eq!(ask(&mut model, 2, lock("two")), FsAnswer::Done);
}

#[test]
fn a_full_disk_takes_half_a_write() {
    let mut model = DiskModel::new(1);
    model.disturb(NOW, &Disturbance::Fill { writes: 1 }).unwrap();
    assert_eq!(write(&mut model, "a", "data"), FsAnswer::Done);
    let append = |at| FsRequest::Append { name: "a".into(), at, bytes: "more".into() };
    // What is wrong with the request is seen before.
    assert_eq!(kind_of(&ask(&mut model, 1, append(3))), Some(FsFailure::Moved));
    assert_eq!(kind_of(&ask(&mut model, 1, append(4))), Some(FsFailure::NoSpace));
    assert_eq!(read(&mut model, "a").unwrap(), "datamo");
    let cut = FsRequest::Truncate { name: "a".into(), length: 4 };
    assert_eq!(ask(&mut model, 1, cut), FsAnswer::Done);
    model.disturb(NOW, &Disturbance::MakeRoom).unwrap();
    assert_eq!(ask(&mut model, 1, append(4)), FsAnswer::Done);
    assert_eq!(read(&mut model, "a").unwrap(), "datamore");
    assert_eq!(model.disturb(NOW, &Disturbance::MakeRoom), None);
}

#[test]
fn a_sync_that_failed_is_well_the_next_time_and_still_loses() {
    let mut found = BTreeSet::new();
    for seed in 0..40 {
        let mut model = DiskModel::new(seed);
        write(&mut model, "a", "old-");
        let sync = || FsRequest::SyncFile { name: "a".into() };
        ask(&mut model, 1, sync());
        ask(&mut model, 1, FsRequest::SyncDir);
        ask(&mut model, 1, FsRequest::Append { name: "a".into(), at: 4, bytes: "lost".into() });
        model.disturb(NOW, &Disturbance::FailSync).unwrap();
        assert_eq!(kind_of(&ask(&mut model, 1, sync())), Some(FsFailure::Other));
        ask(&mut model, 1, FsRequest::Append { name: "a".into(), at: 8, bytes: "-kept".into() });
        assert_eq!(ask(&mut model, 1, sync()), FsAnswer::Done);
        // The process still sees what is nowhere but in memory.
        assert_eq!(read(&mut model, "a").unwrap(), "old-lost-kept");
        let mut killed = model.clone();
        killed.client_died(NOW, 2);
        model.disturb(NOW, &Disturbance::PowerFailure { choice: KEEP_ALL }).unwrap();
        let left = read(&mut model, "a").unwrap();
        assert_eq!(read(&mut killed, "a").unwrap(), left);
        assert!(left.starts_with("old-") && left.ends_with("-kept"), "{left:?}");
        found.insert(left);
    }
    assert!(found.contains("old-lost-kept") && found.contains("old-\0\0\0\0-kept"), "{found:?}");
    assert!(found.len() > 4, "{found:?}");
}

#[test]
fn names_whose_sync_failed_may_be_gone() {
    let mut found = BTreeSet::new();
    for seed in 0..20 {
        let mut model = DiskModel::new(seed);
        write(&mut model, "a", "data");
        ask(&mut model, 1, FsRequest::SyncFile { name: "a".into() });
        model.disturb(NOW, &Disturbance::FailSync).unwrap();
        assert_eq!(kind_of(&ask(&mut model, 1, FsRequest::SyncDir)), Some(FsFailure::Other));
        assert_eq!(ask(&mut model, 1, FsRequest::SyncDir), FsAnswer::Done);
        assert_eq!(read(&mut model, "a").unwrap(), "data");
        model.disturb(NOW, &Disturbance::PowerFailure { choice: LOSE_ALL }).unwrap();
        found.insert(read(&mut model, "a"));
    }
    assert_eq!(found, BTreeSet::from([None, Some("data".to_owned())]));
}

#[test]
fn what_is_lost_of_one_file_does_not_depend_on_others() {
    for choice in 2..40 {
        let mut one = DiskModel::new(1);
        write(&mut one, "b", "twelve bytes");
        let mut more = one.clone();
        write(&mut more, "a", "something else");
        write(&mut more, "c", "something else");
        for model in [&mut one, &mut more] {
            model.disturb(NOW, &Disturbance::PowerFailure { choice }).unwrap();
        }
        assert_eq!(read(&mut one, "b"), read(&mut more, "b"));
    }
}

#[test]
fn every_state_that_a_power_failure_leaves_is_drawn_sometimes() {
    let mut model = DiskModel::new(1);
    write(&mut model, "a", "abcd");
    let mut found = BTreeSet::new();
    for choice in 0..400 {
        let mut model = model.clone();
        model.disturb(NOW, &Disturbance::PowerFailure { choice }).unwrap();
        found.insert(read(&mut model, "a"));
    }
    for expected in ["", "a", "ab", "abc", "abcd", "\0\0\0\0", "ab\0\0", "\0\0cd", "a\0cd"] {
        assert!(found.contains(&Some(expected.to_owned())), "no {expected:?} in {found:?}");
    }
    assert!(found.contains(&None));
}

#[test]
fn a_folder_can_be_copied_and_lost() {
    let mut model = DiskModel::new(1);
    let lock = || FsRequest::Lock { name: "lock".into(), holder: "one".into() };
    ask(&mut model, 1, lock());
    write(&mut model, "a", "data");
    model.clone_folder(FOLDER, 9);
    model.disturb(NOW, &Disturbance::PowerFailure { choice: LOSE_ALL }).unwrap();
    assert_eq!(read(&mut model, "a"), None);
    let copy = ClientId { process: 2, machine: 9 };
    let answer = model.execute(NOW, copy, &Request::Fs(FsRequest::Read { name: "a".into() }));
    assert_eq!(answer, Answer::Fs(FsAnswer::Data("data".into())));
    assert_eq!(model.execute(NOW, copy, &Request::Fs(lock())), Answer::Fs(FsAnswer::Done));
    model.wipe(9);
    let answer = model.execute(NOW, copy, &Request::Fs(FsRequest::List));
    assert_eq!(answer, Answer::Fs(FsAnswer::Names(Vec::new())));
}

#[test]
fn rot_and_a_marker_that_goes_spare_what_consumers_hold() {
    let mut model = DiskModel::new(1);
    assert_eq!(model.disturb(NOW, &Disturbance::Rot { place: 5 }), None);
    assert_eq!(model.disturb(NOW, &Disturbance::LoseMarker), None);
    apply(&mut model, 1, 3, "row\n");
    let before = model.view_of(FOLDER);
    let mut damaged = 0;
    for place in 0..200 {
        let mut model = model.clone();
        let said = model.disturb(NOW, &Disturbance::Rot { place }).unwrap();
        assert!(said.contains(".anabranch.manifest"), "{said}");
        assert_eq!(model.view_of(FOLDER).records, before.records);
        damaged += usize::from(model.view_of(FOLDER).marker.is_none());
    }
    assert!(damaged > 0, "a manifest that rots shows no marker");
    model.disturb(NOW, &Disturbance::LoseMarker).unwrap();
    let after = model.view_of(FOLDER);
    assert_eq!((after.records, after.marker), (before.records, None));
}

#[test]
fn what_a_consumer_takes_was_seen_and_is_seen_once_more_if_it_comes_again() {
    let mut model = DiskModel::new(0);
    apply(&mut model, 1, 1, "a\n");
    let before = model.view_of(FOLDER);
    model.disturb(NOW, &Disturbance::TakeFiles).unwrap();
    assert_eq!(model.view_of(FOLDER), before);
    assert_eq!(model.disturb(NOW, &Disturbance::TakeFiles), None, "nothing is left");
    write(&mut model, "part-0001-000000000001.jsonl", "a\n");
    assert_eq!(model.view_of(FOLDER).records.len(), 2);
}

#[test]
fn a_copied_disk_holds_the_files_and_no_locks() {
    let mut model = DiskModel::new(0);
    write(&mut model, "a", "1");
    let lock = || FsRequest::Lock { name: "lock".into(), holder: "x".into() };
    assert_eq!(ask(&mut model, 1, lock()), FsAnswer::Done);
    assert_eq!(kind_of(&ask(&mut model, 2, lock())), Some(FsFailure::Locked));
    let mut copy = model.copied();
    for request in [lock(), FsRequest::Read { name: "a".into() }] {
        let Answer::Fs(answer) = copy.execute(NOW, client(2), &Request::Fs(request)) else {
            panic!("a disk answers as a disk");
        };
        assert_eq!(kind_of(&answer), None);
    }
}
