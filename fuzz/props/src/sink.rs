//! The manifest of the filesystem sink, read by the sink itself on a made-up folder.

use crate::input::{Input, put_piece};
use crate::journal::seal_frames;
use anabranch_engine::ids::{Epoch, Generation, Lineage, SinkId};
use anabranch_engine::service::fs::{FsAnswer, FsFailure, FsRequest};
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::files::{FileSink, MANIFEST};
use anabranch_engine::sink::{
    ApplyOutcome, Chunk, ChunkPayload, ChunkPlace, Marker, OpenOutcome, SinkShard,
};
use anabranch_engine::sink::{SinkMachine, SinkStep};
use bytes::Bytes;
use std::collections::BTreeMap;

/// What sets the frames of a manifest apart from those of a journal. A copy: if it does
/// not agree with the sink, no file of the corpus is taken, and the test of that fails.
const SALT: u64 = 0x5349_4e4b_4d41_4e46;
/// Larger than every generation that a manifest can name but the largest.
const OURS: Generation = Generation { number: u64::MAX - 1, nonce: 1 };

/// The files of a folder.
type Files = BTreeMap<String, Bytes>;

fn carry_out(files: &mut Files, request: FsRequest) -> FsAnswer {
    let missing = || FsAnswer::Failed { kind: FsFailure::NotFound, what: "no such file".into() };
    match request {
        FsRequest::Lock { .. } | FsRequest::SyncFile { .. } | FsRequest::SyncDir => {}
        FsRequest::List => return FsAnswer::Names(files.keys().cloned().collect()),
        FsRequest::Read { name } => {
            return files.get(&name).cloned().map_or_else(missing, FsAnswer::Data);
        }
        FsRequest::Create { .. } | FsRequest::ProveLock { .. } | FsRequest::Truncate { .. } => {
            panic!("a sink asks for nothing of that kind: {request:?}")
        }
        FsRequest::Write { name, bytes } => drop(files.insert(name, bytes)),
        FsRequest::Append { name, at, bytes } => {
            let mut all = files.get(&name).cloned().unwrap_or_default().to_vec();
            assert_eq!(all.len() as u64, at, "{name} is not as long as the sink believes");
            all.extend_from_slice(&bytes);
            files.insert(name, all.into());
        }
        FsRequest::Rename { from, to } => {
            let Some(bytes) = files.remove(&from) else { return missing() };
            files.insert(to, bytes);
        }
        FsRequest::Remove { name } => drop(files.remove(&name)),
    }
    FsAnswer::Done
}

/// Answers requests until there is an outcome.
fn run(files: &mut Files, sink: &mut FileSink, mut step: SinkStep) -> SinkStep {
    while let SinkStep::Request(request) = step {
        let Request::Fs(request) = request else { panic!("{request:?} is not of a folder") };
        let answer = carry_out(files, request);
        step = sink.answer(Answer::Fs(answer));
    }
    step
}

fn open(files: &mut Files, sink: &mut FileSink, generation: Generation) -> OpenOutcome {
    let step = sink.open(generation);
    match run(files, sink, step) {
        SinkStep::Opened(outcome) => outcome,
        other => panic!("opening ended in {other:?}"),
    }
}

/// A chunk that comes after the marker; `None` if no number is left for one.
fn next_chunk(before: Option<Marker>) -> Option<Chunk> {
    let place = match before {
        None => {
            let lineage = Lineage { number: 1, nonce: 2 };
            ChunkPlace { lineage, epoch: Epoch(1), chunk: 0, last: true }
        }
        Some(Marker { lineage, epoch, last: true, .. }) => {
            let epoch = Epoch(epoch.0.checked_add(1)?);
            ChunkPlace { lineage, epoch, chunk: 0, last: true }
        }
        Some(Marker { lineage, epoch, chunk, .. }) => {
            ChunkPlace { lineage, epoch, chunk: chunk.checked_add(1)?, last: true }
        }
    };
    let payload = ChunkPayload::Bytes { data: Bytes::from_static(b"row\n"), rows: 1 };
    Some(Chunk::new(SinkShard::default(), before, place, payload))
}

/// A folder with this manifest and these files, and what opening it gave.
fn opened(data: &[u8]) -> (Files, FileSink, OpenOutcome) {
    let mut input = Input::new(data);
    let is_sealed = input.byte() & 1 == 0;
    let mut manifest = input.piece().to_vec();
    if is_sealed {
        seal_frames(&mut manifest, SALT);
    }
    let mut files = Files::from([(MANIFEST.to_owned(), manifest.into())]);
    while !input.is_empty() {
        let name = String::from_utf8_lossy(input.piece()).into_owned();
        let bytes = Bytes::copy_from_slice(input.piece());
        files.entry(name).or_insert(bytes);
    }
    let mut sink = FileSink::new(SinkId(0), ".jsonl");
    let outcome = open(&mut files, &mut sink, OURS);
    (files, sink, outcome)
}

/// One byte (even if frames are to be sealed), a piece for the manifest, then names and
/// bytes of other files. A folder that can be opened can be opened again with the same
/// marker and takes the next chunk.
// spec: K-1, K-3
pub fn sink_manifest(data: &[u8]) -> bool {
    let (mut files, mut sink, outcome) = opened(data);
    let marker = match outcome {
        OpenOutcome::Opened { marker } => marker,
        OpenOutcome::Damaged { .. } | OpenOutcome::Fenced { .. } => return false,
        other => panic!("nothing failed, and yet opening gave {other:?}"),
    };
    let older = Generation { number: OURS.number - 1, nonce: 1 };
    let mut other = FileSink::new(SinkId(0), ".jsonl");
    let before = files.clone();
    assert_eq!(open(&mut files, &mut other, older), OpenOutcome::Fenced { by: OURS });
    assert_eq!(before, files, "a fenced sink changes nothing");

    let after = apply(&mut files, &mut sink, marker);
    let newer = Generation { number: u64::MAX, nonce: 9 };
    let again = open(&mut files, &mut other, newer);
    assert_eq!(again, OpenOutcome::Opened { marker: after });
    marker.is_some()
}

/// Applies the next chunk, if it can be, and gives the marker afterwards.
fn apply(files: &mut Files, sink: &mut FileSink, marker: Option<Marker>) -> Option<Marker> {
    let Some(chunk) = next_chunk(marker) else { return marker };
    let expected = chunk.marker;
    let before = files.len();
    let step = sink.apply(chunk.clone());
    match run(files, sink, step) {
        SinkStep::Applied(ApplyOutcome::Applied) => {
            assert_eq!(files.len(), before + 1, "one file for each chunk");
            let step = sink.apply(chunk);
            assert_eq!(step, SinkStep::Applied(ApplyOutcome::Duplicate));
            Some(expected)
        }
        // The folder holds a file of that name already.
        SinkStep::Applied(ApplyOutcome::Failed(_)) => marker,
        other => panic!("applying ended in {other:?}"),
    }
}

/// The manifest of a folder to which two chunks were applied, with no other file, with
/// both files, or with the second still under its temporary name.
pub(crate) fn seed_manifest(which: u8) -> Vec<u8> {
    let mut files = Files::new();
    let mut sink = FileSink::new(SinkId(0), ".jsonl");
    open(&mut files, &mut sink, Generation { number: 1, nonce: 5 });
    let first = apply(&mut files, &mut sink, None);
    apply(&mut files, &mut sink, first);
    let manifest = files.remove(MANIFEST).expect("an open folder has a manifest");
    let mut out = vec![0];
    put_piece(&mut out, &manifest);
    if which == 2 {
        let (name, bytes) = files.pop_last().expect("two files were written");
        files.insert(format!(".{name}.tmp"), bytes);
    }
    for (name, bytes) in files.iter().filter(|_| which > 0) {
        put_piece(&mut out, name.as_bytes());
        put_piece(&mut out, bytes);
    }
    out
}
