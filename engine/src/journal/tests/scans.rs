//! What a reader makes of torn, rotten, copied and cut journals.

use super::*;

fn one_segment(count: u64, lag: u64) -> (SegmentBytes, Vec<u64>) {
    segment(&header(name(1, 0), None, 1), &epochs(1..=count, lag))
}

fn with_bytes(segment: &SegmentBytes, change: impl FnOnce(&mut Vec<u8>)) -> SegmentBytes {
    let mut bytes = segment.bytes.to_vec();
    change(&mut bytes);
    SegmentBytes { name: segment.name, bytes: bytes.into() }
}

/// The next generation's segment after `journal`.
fn successor(journal: &Journal, number: u64, count: u64) -> (SegmentBytes, Vec<u64>) {
    let first = journal.last_epoch().next().0;
    let mut header = header(name(number, 0), journal.predecessor(), first);
    header.carried = journal.carried();
    segment(&header, &epochs(first..=first + count - 1, 1))
}

#[test]
fn no_segment_is_a_job_that_never_ran() {
    let journal = scan(&[], &[]).unwrap();
    assert_eq!((journal.last_epoch(), journal.predecessor()), (Epoch(0), None));
    assert_eq!(
        scan(&[], &[Epoch(3)]),
        Err(Damage::BehindMarker { marker: Epoch(3), last: Epoch(0) })
    );
}

#[test]
fn a_tail_torn_at_any_byte_is_cut() {
    // spec: J-6
    let (whole, places) = one_segment(6, 2);
    for length in 0..whole.bytes.len() {
        let torn = with_bytes(&whole, |bytes| bytes.truncate(length));
        let journal = scan(&[torn], &[]).unwrap();
        let mut ends: Vec<_> = places[1..].to_vec();
        ends.push(whole.bytes.len() as u64);
        let expected = ends.iter().filter(|end| **end <= length as u64).count();
        assert_eq!(read_epochs(&journal).len(), expected, "length {length}");
        assert_eq!(journal.last_epoch(), Epoch(expected as u64));
    }
}

#[test]
fn every_flipped_bit_is_damage_or_a_legal_tail() {
    // spec: J-6
    let (whole, places) = one_segment(5, 1);
    for bit in 0..whole.bytes.len() * 8 {
        let rotten = with_bytes(&whole, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let hit = places.iter().rposition(|place| *place <= bit as u64 / 8);
        match (scan(&[rotten], &[]), hit) {
            // The last record is not known to have been durable.
            (Ok(journal), Some(4)) => {
                assert_eq!(read_epochs(&journal), [1, 2, 3, 4], "bit {bit}");
                assert_eq!(journal.cut.unwrap().at, places[4]);
            }
            (Err(Damage::Invalid { at, .. }), Some(hit)) if hit < 4 => {
                assert_eq!(at, places[hit], "bit {bit}");
            }
            (Err(Damage::Invalid { at: 0, .. }), None) => {}
            (other, _) => panic!("bit {bit}: {other:?}"),
        }
    }
}

#[test]
fn every_flipped_bit_below_a_marker_is_damage() {
    // spec: J-6, K-5
    let (whole, places) = one_segment(3, 3);
    for bit in places[1] as usize * 8..whole.bytes.len() * 8 {
        let rotten = with_bytes(&whole, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let damage = scan(&[rotten], &[Epoch(3)]).unwrap_err();
        assert!(matches!(damage, Damage::Invalid { durable: Epoch(3), .. }), "{damage:?}");
    }
}

#[test]
fn record_99_may_be_lost_and_100_kept() {
    // spec: J-6
    let (whole, places) = one_segment(100, 3);
    let lost = with_bytes(&whole, |bytes| bytes[places[98] as usize..places[99] as usize].fill(0));
    let journal = scan(std::slice::from_ref(&lost), &[]).unwrap();
    assert_eq!(journal.last_epoch(), Epoch(98));
    assert_eq!(journal.durable_up_to, Epoch(95));
    let cut = journal.cut.clone().unwrap();
    assert_eq!((cut.at, cut.entries), (places[98], 1));
    // With a marker at 99 the same bytes are damage.
    assert!(scan(std::slice::from_ref(&lost), &[Epoch(98)]).is_ok());
    assert!(matches!(scan(&[lost], &[Epoch(99)]), Err(Damage::Invalid { durable: Epoch(99), .. })));
}

#[test]
fn a_rotten_length_cannot_hide_later_statements() {
    // spec: J-6
    let (whole, places) = one_segment(20, 1);
    let rotten = with_bytes(&whole, |bytes| bytes[places[4] as usize + 5] ^= 0x20);
    let damage = scan(&[rotten], &[]).unwrap_err();
    let expected = Damage::Invalid {
        segment: name(1, 0),
        at: places[4],
        what: "a frame header with a wrong check",
        durable: Epoch(19),
    };
    assert_eq!(damage, expected);
    assert!(damage.to_string().contains("is damaged at byte"), "{damage}");
}

#[test]
fn a_lost_piece_in_the_middle_is_damage() {
    // spec: J-6
    let (whole, places) = one_segment(20, 1);
    for from in [places[4], places[4] + 1] {
        // Also a piece that leaves the rest unaligned.
        let piece = from as usize..places[6] as usize;
        let hole = with_bytes(&whole, |bytes| drop(bytes.drain(piece)));
        let damage = scan(&[hole], &[]).unwrap_err();
        assert!(matches!(damage, Damage::Invalid { .. } | Damage::Sequence { .. }), "{damage:?}");
    }
    let piece = places[4] as usize..places[6] as usize;
    let twice = with_bytes(&whole, |bytes| {
        let copy = bytes[piece].to_vec();
        bytes.extend_from_slice(&copy);
    });
    assert!(matches!(
        scan(&[twice], &[]),
        Err(Damage::Sequence { .. } | Damage::Unreadable { .. })
    ));
}

#[test]
fn bytes_behind_the_end_that_the_successor_states_do_not_count() {
    // spec: J-3, J-6
    let (first, places) = one_segment(5, 1);
    let torn = with_bytes(&first, |bytes| bytes.truncate(places[4] as usize + 3));
    let journal = scan(&[torn], &[]).unwrap();
    let (second, _) = successor(&journal, 2, 2);
    // The zombie of generation 1 writes its record 5 after all, and more.
    let journal = scan(&[second.clone(), first.clone()], &[Epoch(6)]).unwrap();
    assert_eq!(read_epochs(&journal), [1, 2, 3, 4, 5, 6]);
    assert_eq!(journal.segments[0].end, places[4]);
    assert_eq!(journal.entries[4].segment, 1);
    // What lies below the stated end must be valid, whatever anybody stated.
    let rotten = with_bytes(&first, |bytes| bytes[places[3] as usize + 20] ^= 1);
    let damage = scan(&[rotten, second], &[]).unwrap_err();
    assert!(matches!(damage, Damage::Invalid { at, .. } if at == places[3]), "{damage:?}");
}

#[test]
fn a_segment_torn_at_its_creation_does_not_count_but_its_number_does() {
    // spec: G-1
    let (first, _) = one_segment(3, 1);
    let whole = successor(&scan(std::slice::from_ref(&first), &[]).unwrap(), 2, 1).0;
    let header_end = Encoder::open(&header(name(2, 0), None, 4), &mut Vec::new()).position();
    for length in 0..header_end as usize {
        let torn = with_bytes(&whole, |bytes| bytes.truncate(length));
        let journal = scan(&[first.clone(), torn], &[]).unwrap();
        assert_eq!(read_epochs(&journal), [1, 2, 3]);
        assert_eq!(journal.strays, [name(2, 0)]);
        assert_eq!(journal.newest_generation, Some(name(2, 0).generation));
        assert_eq!(journal.predecessor().unwrap().name, name(1, 0));
    }
}

#[test]
fn a_number_used_by_two_incarnations_is_refused() {
    // spec: G-1
    let (first, _) = one_segment(3, 1);
    let journal = scan(std::slice::from_ref(&first), &[]).unwrap();
    let (second, _) = successor(&journal, 2, 1);
    let mut other = name(2, 0);
    other.generation.nonce += 1;
    let clone = SegmentBytes { name: other, bytes: second.bytes.clone() };
    let damage = scan(&[first, second, clone], &[]).unwrap_err();
    assert!(matches!(damage, Damage::TwoIncarnations(..)));
}

#[test]
fn the_newest_generation_decides_which_segments_count() {
    // spec: J-3
    let (first, _) = one_segment(3, 1);
    let journal = scan(std::slice::from_ref(&first), &[]).unwrap();
    let (zombie, _) = successor(&journal, 2, 4);
    let (newest, _) = successor(&journal, 3, 1);
    let journal = scan(&[first, zombie, newest], &[]).unwrap();
    assert_eq!(read_epochs(&journal), [1, 2, 3, 4]);
    assert_eq!(journal.strays, [name(2, 0)]);
}

#[test]
fn old_segments_may_be_gone_but_none_in_the_middle() {
    // spec: J-4
    let (first, _) = one_segment(3, 1);
    let journal = scan(std::slice::from_ref(&first), &[]).unwrap();
    let (second, _) = successor(&journal, 2, 3);
    let journal = scan(&[first.clone(), second.clone()], &[]).unwrap();
    let (third, _) = successor(&journal, 3, 3);
    let journal = scan(&[second, third.clone()], &[Epoch(9)]).unwrap();
    assert_eq!(journal.reaches_back_to(), Epoch(3));
    assert_eq!(read_epochs(&journal), [4, 5, 6, 7, 8, 9]);
    let damage = scan(&[first, third], &[]).unwrap_err();
    assert_eq!(damage, Damage::Missing { segment: name(3, 0), missing: name(2, 0) });
}

#[test]
fn starts_that_died_of_one_epoch_are_counted() {
    // spec: F-6
    let attempt =
        |epoch, computed| JournalEntry::Attempt(AttemptRecord { epoch: Epoch(epoch), computed });
    let (first, _) = one_segment(3, 1);
    let mut segments = vec![first];
    for (number, entries, deaths, silent) in [
        (2, vec![], None, true),
        (3, vec![attempt(4, false)], Some((Epoch(4), 1)), true),
        (
            4,
            vec![attempt(3, false), attempt(3, true), attempt(4, false)],
            Some((Epoch(4), 2)),
            true,
        ),
        // Something outside failed before anything was computed.
        (5, vec![], Some((Epoch(4), 2)), true),
        (6, vec![attempt(4, false)], Some((Epoch(4), 3)), true),
        (7, vec![attempt(3, false)], Some((Epoch(3), 1)), true),
        (8, vec![attempt(3, false), attempt(3, true)], None, true),
        (9, vec![attempt(4, false)], Some((Epoch(4), 1)), true),
        (10, vec![JournalEntry::Stopped(StoppedRecord { epoch: Epoch(3) })], None, false),
        (11, vec![], None, true),
        (12, epochs(4..=4, 1), None, false),
    ] {
        let journal = scan(&segments, &[]).unwrap();
        let header = header(name(number, 0), journal.predecessor(), 4);
        segments.push(segment(&header, &entries).0);
        let journal = scan(&segments, &[]).unwrap();
        let found = (journal.deaths(), journal.newest_was_silent());
        assert_eq!(found, (deaths, silent), "start {number}");
    }
}

#[test]
fn what_was_durable_at_an_orderly_stop_is_no_tail() {
    // spec: J-6
    let mut entries = epochs(1..=3, 3);
    entries.push(JournalEntry::Stopped(StoppedRecord { epoch: Epoch(3) }));
    let (whole, places) = segment(&header(name(1, 0), None, 1), &entries);
    let rotten = with_bytes(&whole, |bytes| bytes[places[2] as usize + 14] ^= 1);
    assert!(matches!(scan(&[rotten], &[]), Err(Damage::Invalid { durable: Epoch(3), .. })));
}

#[test]
fn a_generation_may_write_several_segments() {
    // spec: J-4
    let (first, _) = segment(&header(name(1, 0), None, 1), &epochs(1..=2, 1));
    let journal = scan(std::slice::from_ref(&first), &[]).unwrap();
    let (second, _) = segment(&header(name(1, 1), journal.predecessor(), 3), &epochs(3..=4, 1));
    let journal = scan(&[second.clone(), first], &[Epoch(4)]).unwrap();
    assert_eq!(read_epochs(&journal), [1, 2, 3, 4]);
    assert_eq!(read_epochs(&scan(&[second], &[]).unwrap()), [3, 4]);
}

#[test]
fn a_gap_in_the_epochs_is_damage() {
    let (first, _) = one_segment(3, 1);
    let journal = scan(std::slice::from_ref(&first), &[]).unwrap();
    let (second, _) = segment(&header(name(2, 0), journal.predecessor(), 5), &epochs(5..=5, 1));
    let damage = scan(&[first, second], &[]).unwrap_err();
    let (expected, found) = (Epoch(4), Epoch(5));
    assert_eq!(damage, Damage::Sequence { segment: name(2, 0), at: 0, expected, found });
}

#[test]
fn a_lost_newest_segment_is_noticed_by_a_marker() {
    // spec: K-5
    let (first, _) = one_segment(3, 1);
    let expected = Damage::BehindMarker { marker: Epoch(4), last: Epoch(3) };
    assert_eq!(scan(&[first], &[Epoch(4)]), Err(expected));
}

#[test]
fn what_must_outlive_old_segments_is_carried_on() {
    // spec: J-4, K-5
    let mut records = epochs(1..=9, 1);
    records.push(JournalEntry::Epoch(all_kinds_of_parts()));
    let (first, _) = segment(&header(name(1, 0), None, 1), &records);
    let journal = scan(&[first], &[]).unwrap();
    let carried = journal.carried();
    assert_eq!(carried.opened, [SinkShard { sink: SinkId(1), shard: 0 }]);
    assert_eq!(carried.acknowledged, all_kinds_of_parts().acknowledged);
    assert_eq!(carried.given_up, [SinkId(2)]);
    let target = SinkShard { sink: SinkId(1), shard: 0 };
    assert_eq!(carried.acknowledged_by(target), Some(marker(8)));
    assert_eq!(carried.acknowledged_by(SinkShard { shard: 9, ..target }), None);
    // Without the first segment the second one still says it.
    let (second, _) = successor(&journal, 2, 1);
    let later = scan(&[second], &[]).unwrap();
    assert_eq!(later.carried(), carried);
}

#[test]
fn a_new_lineage_leaves_the_epochs_behind_its_parent_behind() {
    // spec: G-2
    let (first, _) = one_segment(6, 1);
    let journal = scan(std::slice::from_ref(&first), &[]).unwrap();
    let mut restored = header(name(2, 0), journal.predecessor(), 10);
    restored.parent = Some(LineageParent { lineage: restored.lineage, epoch: Epoch(4) });
    restored.lineage = Lineage { number: 2, nonce: 78 };
    let seam = JournalEntry::Seam(SeamRecord {
        reason: SeamReason::Restore,
        after: Epoch(4),
        plan_before: PlanHash([9; 16]),
        semantics_before: 1,
        chain: ChainHash::START,
        found: vec![FoundMarker { target: SinkShard::default(), marker: Some(marker(9)) }],
    });
    let (second, _) = segment(&restored, std::slice::from_ref(&seam));
    let journal = scan(&[first.clone(), second], &[]).unwrap();
    assert_eq!(read_epochs(&journal), [1, 2, 3, 4]);
    assert_eq!((journal.last_epoch(), journal.largest_epoch), (Epoch(9), Epoch(6)));
    let (second, _) = segment(&restored, &[seam, JournalEntry::Epoch(record(10, 5))]);
    let journal = scan(&[first.clone(), second], &[]).unwrap();
    assert_eq!(read_epochs(&journal), [1, 2, 3, 4, 10]);
    // Numbers never come back.
    restored.first_epoch = Epoch(6);
    let (second, _) = segment(&restored, &[]);
    let damage = scan(&[first, second], &[]).unwrap_err();
    assert!(matches!(damage, Damage::Unreadable { .. }), "{damage:?}");
}

#[test]
fn a_journal_inside_a_record_is_no_part_of_the_journal() {
    // The journal of another job is pushed to this one, and then rots.
    let (inner, _) = segment(&header(name(7, 0), None, 1), &epochs(1..=9, 1));
    let mut outer = record(1, 1);
    outer.extra =
        vec![ExtraInput::Pushed { split: SplitId(0), at: Offset(0), data: inner.bytes.clone() }];
    let (whole, places) = segment(&header(name(1, 0), None, 1), &[JournalEntry::Epoch(outer)]);
    let rotten = with_bytes(&whole, |bytes| bytes[places[0] as usize + 9] ^= 1);
    let journal = scan(&[rotten], &[]).unwrap();
    assert_eq!(journal.last_epoch(), Epoch(0));
    assert_eq!(journal.cut.unwrap().entries, 0);
}

#[test]
fn of_several_damages_the_oldest_is_told() {
    // spec: J-6
    let (first, _) = one_segment(3, 1);
    let journal = scan(std::slice::from_ref(&first), &[]).unwrap();
    let (second, _) = successor(&journal, 2, 2);
    let first = with_bytes(&first, |bytes| bytes[0] ^= 1);
    let second = with_bytes(&second, |bytes| bytes[0] ^= 1);
    for segments in [[first.clone(), second.clone()], [second, first.clone()]] {
        let damage = scan(&segments, &[]).unwrap_err();
        assert!(
            matches!(damage, Damage::Invalid { segment, at: 0, .. } if segment == first.name),
            "{damage:?}"
        );
    }
}
