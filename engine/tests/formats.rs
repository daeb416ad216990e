//! The encoded forms, held by files that say what each byte is. A change here is a
//! change of format: journals and snapshots that exist have to stay readable.
//!
//! The files are written anew with `UPDATE_EXPECT=1`.
// spec: S-4
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use anabranch_engine::ids::{
    Epoch, Generation, KeyGroup, Lineage, Offset, SinkId, SplitId, SplitName, TableId,
};
use anabranch_engine::journal::{
    Acknowledged, Carried, ChainHash, Control, ControlRecord, Encoder, EpochRecord, FlushEnd,
    JournalEntry, OutputHash, SegmentBytes, SegmentHeader, SegmentName, SliceDigest,
    SourceIdentity, StoppedRecord, scan,
};
use anabranch_engine::plan::PlanHash;
use anabranch_engine::service::fs::{FsAnswer, FsRequest};
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::files::FileSink;
use anabranch_engine::sink::{
    ApplyOutcome, Chunk, ChunkPayload, ChunkPlace, Marker, OpenOutcome, SinkShard,
};
use anabranch_engine::sink::{SinkMachine, SinkStep};
use anabranch_engine::snapshot::{
    Counter, Manifest, NodeState, PartName, PartRef, SinkState, SplitState, decode_part,
    encode_part,
};
use anabranch_engine::state::StateEntry;
use anabranch_engine::time::{Tick, Watermark};
use bytes::Bytes;
use expect_test::expect_file;
use std::fmt::Write;

const LINEAGE: Lineage = Lineage { number: 1, nonce: 0x0B0A_0908_0706_0504 };
const GENERATION: Generation = Generation { number: 3, nonce: 0x1122_3344_5566_7788 };

/// Bytes as text: for each field its bytes and what they are. The fields have to
/// cover all bytes.
fn commented(title: &str, bytes: &[u8], fields: &[(&str, usize)]) -> String {
    let mut text = format!("# {title}\n");
    let mut at = 0;
    for (what, length) in fields {
        let hex = bytes[at..at + length].iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        writeln!(text, "{hex:<34} # {at:>3} {what}").unwrap();
        at += length;
    }
    assert_eq!(at, bytes.len(), "{title}: the fields cover all bytes");
    text
}

/// The bytes of a commented text.
fn bytes_of(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .lines()
        .flat_map(|line| line.split('#').next().unwrap_or_default().trim().bytes())
        .collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

/// The sections of a golden file, by blank lines.
fn sections(text: &str) -> Vec<Vec<u8>> {
    text.split("\n\n").map(bytes_of).collect()
}

const FRAME: [(&str, usize); 4] = [
    ("frame: magic", 2),
    ("frame: check of the header", 2),
    ("frame: length of the payload", 4),
    ("frame: CRC-32", 4),
];

/// The fields of a frame's bytes: those of its payload, and what is around them.
fn framed<'a>(bytes: &[u8], fields: &[(&'a str, usize)]) -> Vec<(&'a str, usize)> {
    let payload: usize = fields.iter().map(|(_, length)| length).sum();
    let padding = (12 + payload).next_multiple_of(4) - 12 - payload;
    assert!(bytes.ends_with(&vec![0; padding]));
    let padding = (padding > 0).then_some(("padding", padding));
    FRAME.iter().chain(fields).copied().chain(padding).collect()
}

fn framed_text(title: &str, bytes: &[u8], fields: &[(&str, usize)]) -> String {
    commented(title, bytes, &framed(bytes, fields))
}

fn segment_name() -> SegmentName {
    SegmentName { generation: GENERATION, part: 0 }
}

fn split_name(name: &str) -> SplitName {
    SplitName { table: TableId(0), name: name.into() }
}

fn marker(epoch: u64) -> Marker {
    let hash = ChainHash([0xAB; 16]);
    Marker { lineage: LINEAGE, epoch: Epoch(epoch), chunk: 0, last: true, hash }
}

fn segment_header() -> SegmentHeader {
    SegmentHeader {
        name: segment_name(),
        lineage: LINEAGE,
        parent: None,
        plan: PlanHash([0xCD; 16]),
        semantics: 1,
        binary: "0.1.0".into(),
        predecessor: None,
        first_epoch: Epoch(1),
        sources: vec![SourceIdentity { name: split_name("jfk"), identity: "inode 7".into() }],
        carried: Carried::default(),
    }
}

fn epoch_one() -> EpochRecord {
    let mut digest = SliceDigest::new(SplitId(0), Offset(0));
    digest.record(Offset(0), None, None, Some(b"{\"a\":1}"));
    digest.record(Offset(8), None, None, Some(b"{\"a\":2}"));
    EpochRecord {
        epoch: Epoch(1),
        tick: Tick(1_357_000_000_000_000_000),
        slices: vec![digest.finish(Offset(16))],
        controls: vec![ControlRecord {
            split: SplitId(0),
            at: Offset(16),
            control: Control::Advance(Watermark(-1)),
        }],
        ..EpochRecord::default()
    }
}

fn epoch_two() -> EpochRecord {
    let mut digest = SliceDigest::new(SplitId(0), Offset(16));
    digest.record(Offset(16), Some(5), Some(b"key"), None);
    EpochRecord {
        epoch: Epoch(2),
        tick: Tick(1_357_000_000_001_000_000),
        durable_up_to: Epoch(1),
        slices: vec![digest.finish(Offset(17))],
        output_hash: Some(OutputHash { epoch: Epoch(1), hash: ChainHash([0xEF; 16]) }),
        acknowledged: vec![Acknowledged { target: SinkShard::default(), marker: marker(1) }],
        flush_ends: vec![FlushEnd { sink: SinkId(0), epoch: Epoch(2) }],
        ..EpochRecord::default()
    }
}

#[test]
fn journal() {
    // spec: J-2, J-6, J-7, S-4
    let entries = [
        JournalEntry::Epoch(epoch_one()),
        JournalEntry::Epoch(epoch_two()),
        JournalEntry::Stopped(StoppedRecord { epoch: Epoch(2) }),
    ];
    let mut bytes = Vec::new();
    let mut encoder = Encoder::open(&segment_header(), &mut bytes);
    let mut starts = vec![0];
    for entry in &entries {
        starts.push(bytes.len());
        encoder.append(entry, &mut bytes);
    }
    starts.push(bytes.len());
    let piece = |index: usize| &bytes[starts[index]..starts[index + 1]];
    let text = [
        framed_text("segment header", piece(0), &HEADER_FIELDS),
        framed_text("epoch 1: two lines of a file", piece(1), &EPOCH_ONE_FIELDS),
        framed_text("epoch 2: one record of a log", piece(2), &EPOCH_TWO_FIELDS),
        framed_text("stop", piece(3), &[("kind and incarnation", 1), ("epoch", 1)]),
    ]
    .join("\n");
    expect_file!["golden/journal_v1.txt"].assert_eq(&text);

    let golden = sections(include_str!("golden/journal_v1.txt")).concat();
    let segment = SegmentBytes { name: segment_name(), bytes: golden.into() };
    let journal = scan(&[segment], &[Epoch(2)]).unwrap();
    assert_eq!(journal.segments[0].header, segment_header());
    let read: Vec<_> = journal.entries.into_iter().map(|placed| placed.entry).collect();
    assert_eq!(read, entries);
}

const HEADER_FIELDS: [(&str, usize); 24] = [
    ("kind: header", 1),
    ("format version", 1),
    ("generation: number", 1),
    ("generation: nonce", 8),
    ("part of the generation", 1),
    ("lineage: number", 1),
    ("lineage: nonce", 8),
    ("no parent", 1),
    ("hash of the plan", 16),
    ("semantic version", 1),
    ("binary: length", 1),
    ("binary: 0.1.0", 5),
    ("no predecessor", 1),
    ("first epoch", 1),
    ("sources: one", 1),
    ("source: table", 1),
    ("source: length of the name", 1),
    ("source: jfk", 3),
    ("source: length of the identity", 1),
    ("source: inode 7", 7),
    ("carried: no opened sink", 1),
    ("carried: no acknowledged marker", 1),
    ("carried: no sink given up", 1),
    ("carried: no chunk limits", 1),
];

const EPOCH_ONE_FIELDS: [(&str, usize); 17] = [
    ("kind and incarnation", 1),
    ("epoch, above the segment's first", 1),
    ("durable up to, below the epoch", 1),
    ("parts: control records", 1),
    ("tick, above the one before (0)", 9),
    ("slices: one", 1),
    ("slice: split as expected, says its start, sparse", 1),
    ("slice: start", 1),
    ("slice: length", 1),
    ("slice: records", 1),
    ("slice: first record, from the start", 1),
    ("slice: last record, from the last offset", 1),
    ("slice: CRC-32 of the records", 4),
    ("controls: one", 1),
    ("control: split", 1),
    ("control: offset, from the end of the split's slice", 1),
    ("control: advance, to -1", 2),
];

const EPOCH_TWO_FIELDS: [(&str, usize); 22] = [
    ("kind and incarnation", 1),
    ("epoch, above the segment's first", 1),
    ("durable up to, below the epoch", 1),
    ("parts: output hash, acknowledged, flush ends", 1),
    ("tick, above the one before", 3),
    ("slices: one", 1),
    ("slice: split as expected, continues, dense", 1),
    ("slice: length", 1),
    ("slice: CRC-32 of the records", 4),
    ("output hash: epoch, below this one", 1),
    ("output hash", 16),
    ("acknowledged: one", 1),
    ("acknowledged: sink", 1),
    ("acknowledged: shard", 1),
    ("marker: of this lineage", 1),
    ("marker: epoch", 1),
    ("marker: chunk", 1),
    ("marker: the group's last", 1),
    ("marker: hash", 16),
    ("flush ends: one", 1),
    ("flush end: sink", 1),
    ("flush end: epoch, below this one", 1),
];

fn part() -> (Bytes, PartRef) {
    let entry = |group, key: &str, value: Option<&str>| StateEntry {
        key_group: KeyGroup(group),
        table: "panes",
        key: key.to_owned().into(),
        value: value.map(|it| it.to_owned().into()),
    };
    let name = PartName { epoch: Epoch(2), generation: GENERATION, number: 0 };
    encode_part(name, "hourly", &[entry(1, "UA", Some("42")), entry(200, "AA", None)])
}

fn manifest() -> Manifest {
    Manifest {
        epoch: Epoch(2),
        lineage: LINEAGE,
        generation: GENERATION,
        plan: PlanHash([0xCD; 16]),
        semantics: 1,
        tick: Tick(1000),
        chain: ChainHash([0xEF; 16]),
        splits: vec![SplitState {
            id: SplitId(0),
            name: split_name("jfk"),
            identity: "inode 7".into(),
            offset: Offset(17),
            watermark: Watermark(-1),
            idle: true,
            ended: false,
        }],
        nodes: vec![NodeState { node: "hourly".into(), parts: vec![part().1] }],
        sinks: vec![SinkState {
            target: SinkShard::default(),
            last_rows: Some(Epoch(1)),
            predecessor: Some(marker(1)),
        }],
        counters: vec![Counter { name: "rows_in".into(), value: 3 }],
    }
}

#[test]
fn snapshot() {
    // spec: S-1, S-4
    let text = [
        commented("manifest", &manifest().encode(), &MANIFEST_FIELDS),
        commented("part", &part().0, &PART_FIELDS),
    ]
    .join("\n");
    expect_file!["golden/snapshot_v1.txt"].assert_eq(&text);

    let golden = sections(include_str!("golden/snapshot_v1.txt"));
    let read = Manifest::decode(&golden[0]).unwrap();
    assert_eq!(read, manifest());
    let part = read.parts().next().unwrap();
    let entries = decode_part(part, "hourly", &golden[1].clone().into()).unwrap();
    assert_eq!((entries.len(), &entries[0].table[..]), (2, "panes"));
}

const MANIFEST_FIELDS: [(&str, usize); 44] = [
    ("magic", 4),
    ("format version", 4),
    ("epoch", 1),
    ("lineage: number", 1),
    ("lineage: nonce", 8),
    ("generation: number", 1),
    ("generation: nonce", 8),
    ("hash of the plan", 16),
    ("semantic version", 1),
    ("tick", 2),
    ("output hash chain", 16),
    ("splits: one", 1),
    ("split: id", 1),
    ("split: table", 1),
    ("split: length of the name", 1),
    ("split: jfk", 3),
    ("split: length of the identity", 1),
    ("split: inode 7", 7),
    ("split: offset", 1),
    ("split: watermark", 1),
    ("split: idle", 1),
    ("split: not ended", 1),
    ("nodes: one", 1),
    ("node: length of the name", 1),
    ("node: hourly", 6),
    ("parts: one", 1),
    ("part: epoch", 1),
    ("part: generation", 9),
    ("part: number", 1),
    ("part: bytes", 1),
    ("part: XXH3-128", 16),
    ("part: entries", 1),
    ("part: first key group", 1),
    ("part: last key group", 2),
    ("sinks: one", 1),
    ("sink: id and shard", 2),
    ("sink: last epoch with rows", 2),
    ("sink: has a predecessor", 1),
    ("marker: of this lineage, epoch, chunk, last", 4),
    ("marker: hash", 16),
    ("counters: one", 1),
    ("counter: length and rows_in", 8),
    ("counter: value", 1),
    ("XXH3-128 of everything before", 16),
];

const PART_FIELDS: [(&str, usize); 19] = [
    ("magic", 4),
    ("format version", 4),
    ("epoch", 1),
    ("generation", 9),
    ("number", 1),
    ("length of the node's name", 1),
    ("hourly", 6),
    ("tables: one", 1),
    ("table: length and panes", 6),
    ("entries: two", 1),
    ("entry: key group", 1),
    ("entry: table", 1),
    ("entry: length of the key, UA", 3),
    ("entry: length of the value + 1, 42", 3),
    ("entry: key group", 2),
    ("entry: table", 1),
    ("entry: length of the key, AA", 3),
    ("entry: gone", 1),
    ("XXH3-128 of everything before", 16),
];

/// What the filesystem sink writes into its manifest: at opening, and for a chunk.
fn sink_manifest() -> (Vec<u8>, Vec<u8>) {
    let place = ChunkPlace { lineage: LINEAGE, epoch: Epoch(2), chunk: 0, last: true };
    let payload = ChunkPayload::Bytes { data: "row\n".into(), rows: 1 };
    let chunk = Chunk::new(SinkShard::default(), None, place, payload);
    let mut sink = FileSink::new(SinkId(0), ".jsonl");
    let mut step = sink.open(GENERATION);
    let (mut claim, mut intent) = (Vec::new(), Vec::new());
    loop {
        step = match step {
            SinkStep::Opened(OpenOutcome::Opened { marker: None }) => sink.apply(chunk.clone()),
            SinkStep::Applied(ApplyOutcome::Applied) => return (claim, intent),
            SinkStep::Request(Request::Fs(FsRequest::List)) => {
                sink.answer(Answer::Fs(FsAnswer::Names(Vec::new())))
            }
            SinkStep::Request(Request::Fs(FsRequest::Write { name, bytes })) => {
                if name.contains("manifest") {
                    claim.extend_from_slice(&bytes);
                }
                sink.answer(Answer::Fs(FsAnswer::Done))
            }
            SinkStep::Request(Request::Fs(FsRequest::Append { bytes, .. })) => {
                intent.extend_from_slice(&bytes);
                sink.answer(Answer::Fs(FsAnswer::Done))
            }
            SinkStep::Request(_) => sink.answer(Answer::Fs(FsAnswer::Done)),
            other => panic!("{other:?}"),
        };
    }
}

#[test]
fn manifest_of_the_filesystem_sink() {
    // spec: K-7, S-4
    let (claim, intent) = sink_manifest();
    let text = [
        framed_text("claim", &claim, &CLAIM_FIELDS),
        framed_text("intent", &intent, &INTENT_FIELDS),
    ]
    .join("\n");
    expect_file!["golden/sink_manifest_v1.txt"].assert_eq(&text);
}

const CLAIM_FIELDS: [(&str, usize); 4] = [
    ("kind: claim", 1),
    ("format version", 1),
    ("generation: number", 1),
    ("generation: nonce", 8),
];

const INTENT_FIELDS: [(&str, usize); 13] = [
    ("kind: intent", 1),
    ("no predecessor", 1),
    ("marker: lineage in full", 1),
    ("marker: lineage, number", 1),
    ("marker: lineage, nonce", 9),
    ("marker: epoch", 1),
    ("marker: chunk", 1),
    ("marker: the group's last", 1),
    ("marker: hash", 16),
    ("temporary name: length and text", 34),
    ("final name: length and text", 29),
    ("length of the file", 1),
    ("CRC-32 of the file", 4),
];
