//! Every entry comes back as it was written, in one form, and in few bytes.

use super::*;
use crate::codec::frame::{framed_bytes, read_frame};
use proptest::prelude::*;

fn back(header: &SegmentHeader, entries: &[JournalEntry]) -> Vec<JournalEntry> {
    let (segment, _) = segment(header, entries);
    let salt = header.name.salt();
    let first = read_frame(&segment.bytes, salt, 0).unwrap();
    let read = decode_header(first.payload).unwrap();
    assert_eq!(&read, header);
    let (mut decoder, mut at, mut found) = (Decoder::new(&read), first.end, Vec::new());
    while at < segment.bytes.len() {
        let frame = read_frame(&segment.bytes, salt, at).unwrap();
        found.push(decoder.entry(frame.payload).unwrap());
        at = frame.end;
    }
    found
}

#[test]
fn every_kind_of_entry_comes_back() {
    // spec: J-2, F-6
    let mut header = header(name(3, 1), None, 9);
    header.parent =
        Some(LineageParent { lineage: Lineage { number: 0, nonce: 5 }, epoch: Epoch(4) });
    header.predecessor = Some(Predecessor { name: name(2, 0), end: 4096 });
    header.carried = Carried {
        opened: vec![SinkShard { sink: SinkId(1), shard: 0 }],
        acknowledged: all_kinds_of_parts().acknowledged,
        given_up: vec![SinkId(4)],
        chunk_limits: all_kinds_of_parts().chunk_limits,
    };
    let target = SinkShard { sink: SinkId(1), shard: 2 };
    let entries = vec![
        JournalEntry::Seam(SeamRecord {
            reason: SeamReason::Restore,
            after: Epoch(4),
            plan_before: PlanHash([1; 16]),
            semantics_before: 1,
            chain: ChainHash([2; 16]),
            found: vec![
                FoundMarker { target, marker: None },
                FoundMarker { target, marker: Some(marker(8)) },
            ],
        }),
        JournalEntry::Epoch(record(9, 9)),
        JournalEntry::Epoch(all_kinds_of_parts()),
        JournalEntry::Poison(PoisonRecord { epoch: Epoch(11), starts: 3, message: "why".into() }),
        JournalEntry::Finished(FinishedRecord { epoch: Epoch(10), chain: ChainHash([1; 16]) }),
        JournalEntry::Stopped(StoppedRecord { epoch: Epoch(10) }),
        JournalEntry::Attempt(AttemptRecord { epoch: Epoch(11), computed: false }),
        JournalEntry::Attempt(AttemptRecord { epoch: Epoch(11), computed: true }),
    ];
    assert_eq!(back(&header, &entries), entries);
}

fn ten_splits(epoch: u64) -> EpochRecord {
    let slices = (0..10).map(|split| {
        let start = 5_000_000_000 + epoch * 40;
        SliceRecord {
            split: SplitId(split),
            start: Offset(start),
            end: Offset(start + 40),
            count: 40,
            first: Offset(start),
            last: Offset(start + 39),
            crc: 0x89AB_CDEF,
        }
    });
    EpochRecord {
        epoch: Epoch(epoch),
        tick: Tick(1_700_000_000_000_000_000 + epoch as i64 * 2_000_000),
        durable_up_to: Epoch(epoch - 2),
        slices: slices.collect(),
        output_hash: Some(OutputHash { epoch: Epoch(epoch - 4), hash: ChainHash([5; 16]) }),
        ..EpochRecord::default()
    }
}

#[test]
fn an_epoch_of_ten_kafka_splits_takes_at_most_100_bytes() {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::open(&header(name(1, 0), None, 4), &mut bytes);
    // Up to here the numbers grow past the sizes of one and two bytes.
    for epoch in 4..=20_000 {
        // Only the first record of a segment says where its slices start.
        let before = encoder.position();
        bytes.clear();
        let after = encoder.append_epoch(&ten_splits(epoch), &mut bytes);
        assert!(epoch == 4 || after - before <= 100, "epoch {epoch}: {} bytes", after - before);
    }
}

#[test]
fn a_lone_record_of_one_split_takes_at_most_40_bytes() {
    let (bytes, places) = segment(&header(name(1, 0), None, 1), &epochs(1..=200, 1));
    assert!(bytes.bytes.len() as u64 - places[199] <= framed_bytes(20) as u64);
}

fn any_slice() -> impl Strategy<Value = SliceRecord> {
    (0..4u32, 0..1000u64, 0..50u64, any::<u32>(), any::<u32>(), 0..4u64).prop_map(
        |(split, start, span, count, crc, gap)| {
            let (split, start, end) = (SplitId(split), Offset(start), Offset(start + span));
            let (head, tail) = (gap % 2, gap / 2);
            if span <= head + tail {
                return SliceRecord::empty(split, start, end);
            }
            let room = span - head - tail;
            let (first, last) = (Offset(start.0 + head), Offset(end.0 - 1 - tail));
            // A single record stands at one offset; two or more may fill the room.
            let count = if room == 1 { 1 } else { 2 + count % (room as u32 - 1) };
            SliceRecord { split, start, end, count, first, last, crc }
        },
    )
}

proptest! {
    #[test]
    fn slices_of_any_shape_come_back(
        slices in prop::collection::vec(prop::collection::vec(any_slice(), 0..6), 1..6)
    ) {
        let entries: Vec<_> = slices.into_iter().enumerate().map(|(index, slices)| {
            JournalEntry::Epoch(EpochRecord { slices, ..record(index as u64 + 1, 1) })
        }).collect();
        prop_assert_eq!(back(&header(name(1, 0), None, 1), &entries), entries);
    }

    #[test]
    fn no_bytes_make_the_reader_fail_otherwise_than_by_an_error(
        kind in any::<u8>(), tail in prop::collection::vec(any::<u8>(), 0..60)
    ) {
        let payload = [&[kind][..], &tail].concat();
        let _ = decode_header(&payload);
        let _ = Decoder::new(&header(name(1, 0), None, 1)).entry(&payload);
    }

    #[test]
    fn a_record_that_can_be_read_is_written_in_the_same_bytes(
        place in 0usize..200, bit in 0u8..8
    ) {
        // A payload with one flipped bit either is refused or is the only form of
        // what it now says.
        let header = header(name(1, 0), None, 10);
        let (good, places) = segment(&header, &[JournalEntry::Epoch(all_kinds_of_parts())]);
        let frame = read_frame(&good.bytes, header.name.salt(), places[0] as usize).unwrap();
        let mut payload = frame.payload.to_vec();
        let place = place % payload.len();
        payload[place] ^= 1 << bit;
        if let Ok(entry) = Decoder::new(&header).entry(&payload)
            && entry.epoch() == Some(Epoch(10))
        {
            let (again, places) = segment(&header, &[entry]);
            let frame = read_frame(&again.bytes, header.name.salt(), places[0] as usize).unwrap();
            prop_assert_eq!(frame.payload, &payload[..]);
        }
    }
}

#[test]
fn file_names_come_back_and_sort_by_age() {
    let names = [name(2, 0), name(2, 1), name(10, 0)];
    for name in names {
        assert_eq!(SegmentName::parse(&name.file_name()), Some(name));
    }
    assert!(names.windows(2).all(|pair| pair[0].file_name() < pair[1].file_name()));
    for other in ["lock", "2-0000000000001002-000000.journal", "x-y-z.journal", ".journal"] {
        assert_eq!(SegmentName::parse(other), None, "{other}");
    }
}

#[test]
fn carried_facts_that_are_out_of_order_are_refused() {
    let mut header = header(name(1, 0), None, 1);
    header.carried.given_up = vec![SinkId(1), SinkId(2)];
    let mut bytes = Vec::new();
    Encoder::open(&header, &mut bytes);
    let payload = read_frame(&bytes, header.name.salt(), 0).unwrap().payload.to_vec();
    assert_eq!(decode_header(&payload), Ok(header));
    // The two numbers and the empty list behind them are the last bytes.
    for (first, second) in [(2, 1), (2, 2)] {
        let mut payload = payload.clone();
        let end = payload.len();
        payload[end - 3..].copy_from_slice(&[first, second, 0]);
        let error = decode_header(&payload).unwrap_err();
        assert_eq!(error.what, "carried facts that are out of order");
    }
}
