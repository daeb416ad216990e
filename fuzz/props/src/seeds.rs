//! Good bytes to start from: what our own encoders write for small made-up histories.
//!
//! The examples `seeds` of this crate writes them, and those that come from files of the
//! repository, into the folders of the corpora.

use crate::input::put_piece;
use crate::journal::{SEALED, segment_name};
use crate::sink::seed_manifest;
use crate::snapshot::TABLES;
use crate::state::{operator, seed_entries};
use anabranch_engine::codec::frame::read_frame;
use anabranch_engine::ids::{
    Epoch, Generation, KeyGroup, Lineage, Offset, SinkId, SplitId, SplitName, TableId,
};
use anabranch_engine::journal::{
    Acknowledged, Carried, ChainHash, ChunkLimits, Control, ControlRecord, Encoder, EpochRecord,
    ExtraInput, FinishedRecord, FlushEnd, FoundMarker, JournalEntry, LineageParent, OutputHash,
    PoisonRecord, Predecessor, SeamReason, SeamRecord, SegmentHeader, SegmentName, Skip,
    SliceRecord, SourceIdentity, StoppedRecord,
};
use anabranch_engine::plan::PlanHash;
use anabranch_engine::sink::{Marker, SinkShard};
use anabranch_engine::snapshot::{
    Counter, Manifest, NodeState, PartName, PartRef, SinkState, SplitState, encode_part,
};
use anabranch_engine::state::StateEntry;
use anabranch_engine::time::{Tick, Watermark};

/// Bytes for a target.
pub type Seed = (&'static str, Vec<u8>);

/// The seeds of the formats that are our own.
#[must_use]
pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    seeds.extend(journals().into_iter().map(|bytes| ("journal_scan", bytes)));
    seeds.extend(entries().into_iter().map(|bytes| ("journal_entry", bytes)));
    seeds.extend(manifests().into_iter().map(|bytes| ("snapshot_manifest", bytes)));
    seeds.extend(parts().into_iter().map(|bytes| ("snapshot_part", bytes)));
    seeds.extend([0, 1, 2].map(|files| ("sink_manifest", seed_manifest(files))));
    seeds.extend((0..=255).map(|which| ("operator_state", state(which))));
    seeds
}

const LINEAGE: Lineage = Lineage { number: 1, nonce: 77 };

fn marker(epoch: u64) -> Marker {
    let hash = ChainHash([3; 16]);
    Marker { lineage: LINEAGE, epoch: Epoch(epoch), chunk: 0, last: true, hash }
}

fn split_name(name: &str) -> SplitName {
    SplitName { table: TableId(0), name: name.into() }
}

fn target(sink: u32) -> SinkShard {
    SinkShard { sink: SinkId(sink), shard: 0 }
}

fn header(name: SegmentName, before: Option<Predecessor>, first_epoch: u64) -> SegmentHeader {
    SegmentHeader {
        name,
        lineage: LINEAGE,
        parent: None,
        plan: PlanHash([9; 16]),
        semantics: 1,
        binary: "0.1.0".into(),
        predecessor: before,
        first_epoch: Epoch(first_epoch),
        sources: vec![SourceIdentity { name: split_name("a"), identity: "inode 5".into() }],
        carried: Carried {
            opened: vec![target(0), target(1)],
            acknowledged: vec![Acknowledged { target: target(0), marker: marker(1) }],
            given_up: vec![SinkId(1)],
            chunk_limits: vec![ChunkLimits { sink: SinkId(0), rows_max: 9, bytes_max: 99 }],
        },
    }
}

/// Writes a segment that holds a header only.
pub(crate) fn first_header(name: SegmentName, out: &mut Vec<u8>) {
    Encoder::open(&header(name, None, 1), out);
}

/// A record with one dense and one sparse slice, and every part that `parts` asks for.
fn record(epoch: u64, parts: bool) -> EpochRecord {
    let start = epoch * 10;
    let slice = |split, start, end, count, first, last| SliceRecord {
        split: SplitId(split),
        start: Offset(start),
        end: Offset(end),
        count,
        first: Offset(first),
        last: Offset(last),
        crc: 0xC0FF_EE00,
    };
    let mut record = EpochRecord {
        epoch: Epoch(epoch),
        tick: Tick(epoch as i64 * 1000),
        durable_up_to: Epoch(epoch - 1),
        slices: vec![
            slice(0, start, start + 10, 10, start, start + 9),
            slice(1, start, start + 9, 2, start + 1, start + 7),
        ],
        ..EpochRecord::default()
    };
    if parts {
        with_all_parts(&mut record);
    }
    record
}

fn with_all_parts(record: &mut EpochRecord) {
    let at = Offset(4);
    let control = |control| ControlRecord { split: SplitId(2), at, control };
    let added = Control::Added {
        name: split_name("b"),
        identity: "inode 6".into(),
        watermark: Watermark::NONE,
    };
    record.controls = vec![
        control(added),
        control(Control::Advance(Watermark(1_357_034_400_000))),
        control(Control::IdleMark),
        control(Control::Ended),
    ];
    record.extra = vec![
        ExtraInput::Pushed { split: SplitId(1), at, data: "pushed".into() },
        ExtraInput::Lookup { request: 3, answer: "answer".into() },
    ];
    let before = Epoch(record.epoch.0 - 1);
    record.output_hash = Some(OutputHash { epoch: before, hash: ChainHash([7; 16]) });
    record.acknowledged = vec![Acknowledged { target: target(0), marker: marker(before.0) }];
    record.opened = vec![target(0)];
    record.flush_ends = vec![FlushEnd { sink: SinkId(0), epoch: record.epoch }];
    record.chunk_limits = vec![ChunkLimits { sink: SinkId(0), rows_max: 9, bytes_max: 1 << 20 }];
    record.skips = vec![
        Skip::Record { split: SplitId(0), offset: Offset(1) },
        Skip::SinkRow { sink: SinkId(0), epoch: before, row: 4 },
    ];
    record.given_up = vec![SinkId(1)];
    record.snapshot = Some(before);
}

fn seam() -> JournalEntry {
    let found = vec![
        FoundMarker { target: target(0), marker: Some(marker(1)) },
        FoundMarker { target: target(1), marker: None },
    ];
    JournalEntry::Seam(SeamRecord {
        reason: SeamReason::Change,
        after: Epoch(0),
        plan_before: PlanHash([1; 16]),
        semantics_before: 1,
        chain: ChainHash::START,
        found,
    })
}

fn history() -> Vec<JournalEntry> {
    vec![
        seam(),
        JournalEntry::Epoch(record(1, false)),
        JournalEntry::Epoch(record(2, true)),
        JournalEntry::Epoch(record(3, false)),
        JournalEntry::Stopped(StoppedRecord { epoch: Epoch(3) }),
    ]
}

fn segment(header: &SegmentHeader, entries: &[JournalEntry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::open(header, &mut bytes);
    for entry in entries {
        encoder.append(entry, &mut bytes);
    }
    bytes
}

/// Journals of one and two segments, whole, torn, of two lineages, with a stray.
fn journals() -> Vec<Vec<u8>> {
    let put = |out: &mut Vec<u8>, generation: u8, bytes: &[u8]| {
        out.extend_from_slice(&[generation, SEALED]);
        put_piece(out, bytes);
    };
    let first = segment(&header(segment_name(1, 0), None, 1), &history());
    let before = Predecessor { name: segment_name(1, 0), end: first.len() as u64 };
    let finished = FinishedRecord { epoch: Epoch(5), chain: ChainHash([4; 16]) };
    let ending = [
        JournalEntry::Epoch(record(4, false)),
        JournalEntry::Epoch(record(5, false)),
        JournalEntry::Finished(finished),
    ];
    let second = segment(&header(segment_name(2, 0), Some(before), 4), &ending);
    let restored = SegmentHeader {
        lineage: Lineage { number: 2, nonce: 78 },
        parent: Some(LineageParent { lineage: LINEAGE, epoch: Epoch(2) }),
        ..header(segment_name(2, 0), Some(before), 4)
    };
    let poison = PoisonRecord { epoch: Epoch(4), starts: 3, message: "panic".into() };
    let restored = segment(&restored, &[ending[0].clone(), JournalEntry::Poison(poison)]);

    let mut journals = Vec::new();
    for (marker, segments) in [
        (0, vec![(1, &first[..])]),
        (3, vec![(1, &first[..]), (2, &second[..])]),
        (4, vec![(1, &first[..]), (2, &restored[..])]),
        (0, vec![(2, &second[..])]),
        (0, vec![(1, &first[..first.len() - 20])]),
        (2, vec![(1, &first[..]), (2, &second[..9])]),
        (9, vec![(1, &first[4..]), (3, &second[..])]),
    ] {
        let mut out = vec![marker];
        segments.into_iter().for_each(|(generation, bytes)| put(&mut out, generation, bytes));
        journals.push(out);
    }
    journals
}

/// The payloads of the same histories, without frames.
fn entries() -> Vec<Vec<u8>> {
    let finished = FinishedRecord { epoch: Epoch(4), chain: ChainHash([4; 16]) };
    let poison = PoisonRecord { epoch: Epoch(4), starts: 3, message: "panic".into() };
    let ends = [JournalEntry::Finished(finished), JournalEntry::Poison(poison)];
    let before = Predecessor { name: segment_name(1, 0), end: 100 };
    let later = header(segment_name(2, 0), Some(before), 4);
    [
        (header(segment_name(1, 0), None, 1), history()),
        (later.clone(), vec![JournalEntry::Epoch(record(4, true))]),
        (later, ends.to_vec()),
    ]
    .iter()
    .map(|(header, entries)| {
        let bytes = segment(header, entries);
        let (mut out, mut at) = (Vec::new(), 0);
        while let Ok(found) = read_frame(&bytes, header.name.salt(), at) {
            put_piece(&mut out, found.payload);
            at = found.end;
        }
        out
    })
    .collect()
}

fn part_name(number: u32) -> PartName {
    PartName { epoch: Epoch(7), generation: Generation { number: 3, nonce: 4 }, number }
}

/// The bytes of a sealed file without what stands before and behind its payload.
fn unsealed(bytes: &[u8]) -> Vec<u8> {
    bytes[8..bytes.len() - 16].to_vec()
}

/// Parts with entries of several tables, with and without values.
fn parts() -> Vec<Vec<u8>> {
    let entry = |group, table, key: &str, value: Option<&str>| StateEntry {
        key_group: KeyGroup(group),
        table: TABLES[table],
        key: key.to_owned().into(),
        value: value.map(|it| it.to_owned().into()),
    };
    let many = [
        entry(0, 0, "a", Some("1")),
        entry(0, 1, "a", Some("")),
        entry(5, 0, "", None),
        entry(255, 2, "b", Some("long value")),
    ];
    [&many[..], &many[3..], &many[..2]]
        .map(|entries| unsealed(&encode_part(part_name(0), "hourly", entries).0))
        .to_vec()
}

/// Manifests with and without splits, parts, sinks and counters.
fn manifests() -> Vec<Vec<u8>> {
    let group = KeyGroup(3);
    let part = |number, bytes| PartRef {
        name: part_name(number),
        bytes,
        checksum: [5; 16],
        entries: 2,
        first_key_group: group,
        last_key_group: group,
    };
    let node = |node: &str, parts| NodeState { node: node.into(), parts };
    let split = |id, idle| SplitState {
        id: SplitId(id),
        name: split_name("a"),
        identity: format!("inode {id}"),
        offset: Offset(1000),
        watermark: if idle { Watermark::NONE } else { Watermark(-5) },
        idle,
        ended: !idle,
    };
    let served =
        SinkState { target: target(0), last_rows: Some(Epoch(7)), predecessor: Some(marker(4)) };
    let unused = SinkState { target: target(1), last_rows: None, predecessor: None };
    let full = Manifest {
        epoch: Epoch(7),
        lineage: LINEAGE,
        generation: Generation { number: 3, nonce: 4 },
        plan: PlanHash([8; 16]),
        semantics: 1,
        tick: Tick(9),
        chain: ChainHash([10; 16]),
        splits: vec![split(0, true), split(1, false)],
        nodes: vec![node("hourly", vec![part(0, 500), part(1, 60)]), node("b", vec![part(2, 9)])],
        sinks: vec![served, unused],
        counters: vec![Counter { name: "rows_in".into(), value: 12 }],
    };
    let empty = Manifest {
        splits: Vec::new(),
        nodes: Vec::new(),
        sinks: Vec::new(),
        counters: Vec::new(),
        ..full.clone()
    };
    let small = Manifest {
        nodes: vec![node("a", (0..4).map(|number| part(number, 9)).collect())],
        ..empty.clone()
    };
    [full, empty, small].map(|manifest| unsealed(&manifest.encode())).to_vec()
}

/// The state of an operator that took a few rows.
fn state(which: u8) -> Vec<u8> {
    let mut out = vec![which];
    for entry in seed_entries(operator(which)) {
        let table = TABLES.iter().position(|table| *table == entry.table);
        out.push(table.expect("an operator has these tables only") as u8);
        put_piece(&mut out, &entry.key);
        put_piece(&mut out, &entry.value.unwrap_or_default());
    }
    out
}
