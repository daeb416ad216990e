//! What the journal's formats promise, shown on made-up journals.

mod records;
mod scans;

use super::*;
use crate::ids::{Epoch, Generation, Lineage, Offset, SinkId, SplitId, SplitName, TableId};
use crate::plan::PlanHash;
use crate::sink::{Marker, SinkShard};
use crate::time::{Tick, Watermark};

fn name(number: u64, part: u32) -> SegmentName {
    SegmentName { generation: Generation { number, nonce: 0x1000 + number }, part }
}

fn header(name: SegmentName, predecessor: Option<Predecessor>, first_epoch: u64) -> SegmentHeader {
    SegmentHeader {
        name,
        lineage: Lineage { number: 1, nonce: 77 },
        parent: None,
        plan: PlanHash([9; 16]),
        semantics: 1,
        binary: "0.1.0".into(),
        predecessor,
        first_epoch: Epoch(first_epoch),
        sources: vec![SourceIdentity { name: split_name("a"), identity: "inode 5".into() }],
        carried: Carried::default(),
    }
}

fn split_name(name: &str) -> SplitName {
    SplitName { table: TableId(0), name: name.into() }
}

fn marker(epoch: u64) -> Marker {
    Marker {
        lineage: Lineage { number: 1, nonce: 77 },
        epoch: Epoch(epoch),
        chunk: 0,
        last: true,
        hash: ChainHash([3; 16]),
    }
}

/// A record with one slice of ten records, which knew the epoch `lag` before it to
/// be durable.
fn record(epoch: u64, lag: u64) -> EpochRecord {
    let start = epoch * 10;
    EpochRecord {
        epoch: Epoch(epoch),
        tick: Tick(epoch as i64 * 1_000_000),
        durable_up_to: Epoch(epoch.saturating_sub(lag)),
        slices: vec![SliceRecord {
            split: SplitId(0),
            start: Offset(start),
            end: Offset(start + 10),
            count: 10,
            first: Offset(start),
            last: Offset(start + 9),
            crc: 0xC0FF_EE00 + epoch as u32,
        }],
        ..EpochRecord::default()
    }
}

/// A segment with these entries, and the byte at which each starts.
fn segment(header: &SegmentHeader, entries: &[JournalEntry]) -> (SegmentBytes, Vec<u64>) {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::open(header, &mut bytes);
    let mut places = Vec::new();
    for entry in entries {
        places.push(encoder.position());
        encoder.append(entry, &mut bytes);
        assert_eq!(encoder.position(), bytes.len() as u64);
    }
    (SegmentBytes { name: header.name, bytes: bytes.into() }, places)
}

fn epochs(range: std::ops::RangeInclusive<u64>, lag: u64) -> Vec<JournalEntry> {
    range.map(|epoch| JournalEntry::Epoch(record(epoch, lag))).collect()
}

fn read_epochs(journal: &Journal) -> Vec<u64> {
    journal.records_after(Epoch(0)).map(|record| record.epoch.0).collect()
}

fn all_kinds_of_parts() -> EpochRecord {
    let target = SinkShard { sink: SinkId(1), shard: 0 };
    let old = Marker { lineage: Lineage { number: 0, nonce: 5 }, ..marker(3) };
    EpochRecord {
        controls: vec![
            ControlRecord {
                split: SplitId(1),
                at: Offset(4),
                control: Control::Added {
                    name: split_name("b"),
                    identity: "inode 6".into(),
                    watermark: Watermark::NONE,
                },
            },
            ControlRecord {
                split: SplitId(0),
                at: Offset(110),
                control: Control::Advance(Watermark(1_357_034_400_000)),
            },
            ControlRecord { split: SplitId(1), at: Offset(4), control: Control::IdleMark },
            ControlRecord { split: SplitId(1), at: Offset(4), control: Control::Ended },
        ],
        extra: vec![
            ExtraInput::Pushed { split: SplitId(1), at: Offset(4), data: "pushed".into() },
            ExtraInput::Lookup { request: 3, answer: "answer".into() },
        ],
        output_hash: Some(OutputHash { epoch: Epoch(8), hash: ChainHash([7; 16]) }),
        acknowledged: vec![
            Acknowledged { target, marker: marker(8) },
            Acknowledged { target: SinkShard { sink: SinkId(2), shard: 1 }, marker: old },
        ],
        opened: vec![target],
        flush_ends: vec![FlushEnd { sink: SinkId(1), epoch: Epoch(9) }],
        chunk_limits: vec![ChunkLimits { sink: SinkId(1), rows_max: 1000, bytes_max: 1 << 20 }],
        skips: vec![
            Skip::Record { split: SplitId(0), offset: Offset(100) },
            Skip::SinkRow { sink: SinkId(1), epoch: Epoch(9), row: 4 },
        ],
        given_up: vec![SinkId(2)],
        snapshot: Some(Epoch(7)),
        ..record(10, 1)
    }
}
