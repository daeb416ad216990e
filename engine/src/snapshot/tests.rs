//! Snapshots come back as they were written, or not at all.

use super::*;
use crate::ids::{
    Epoch, Generation, KeyGroup, Lineage, Offset, SinkId, SplitId, SplitName, TableId,
};
use crate::journal::ChainHash;
use crate::plan::PlanHash;
use crate::sink::{Marker, SinkShard};
use crate::state::StateEntry;
use crate::time::{Tick, Watermark};
use bytes::Bytes;
use proptest::prelude::*;

const LINEAGE: Lineage = Lineage { number: 1, nonce: 2 };
const GENERATION: Generation = Generation { number: 3, nonce: 4 };

fn marker(epoch: u64, last: bool) -> Marker {
    let hash = ChainHash([6; 16]);
    Marker { lineage: LINEAGE, epoch: Epoch(epoch), chunk: 0, last, hash }
}

fn part_name(number: u32) -> PartName {
    PartName { epoch: Epoch(7), generation: GENERATION, number }
}

fn entry(group: u16, table: &'static str, key: &str, value: Option<&str>) -> StateEntry {
    StateEntry {
        key_group: KeyGroup(group),
        table,
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
    }
}

fn entries() -> Vec<StateEntry> {
    vec![
        entry(0, "panes", "a", Some("1")),
        entry(0, "timers", "a", Some("")),
        entry(5, "panes", "", None),
        entry(255, "panes", "b", Some("long value")),
    ]
}

fn manifest() -> Manifest {
    let (_, part) = encode_part(part_name(0), "hourly", &entries());
    let split = |id, name: &str, idle| SplitState {
        id: SplitId(id),
        name: SplitName { table: TableId(0), name: name.into() },
        identity: format!("inode {id}"),
        offset: Offset(1000),
        watermark: if idle { Watermark::NONE } else { Watermark(-5) },
        idle,
        ended: !idle,
    };
    Manifest {
        epoch: Epoch(7),
        lineage: LINEAGE,
        generation: GENERATION,
        plan: PlanHash([8; 16]),
        semantics: 1,
        tick: Tick(9),
        chain: ChainHash([10; 16]),
        splits: vec![split(0, "b", true), split(1, "a", false)],
        nodes: vec![NodeState { node: "hourly".into(), parts: vec![part] }],
        sinks: vec![
            SinkState {
                target: SinkShard { sink: SinkId(0), shard: 0 },
                last_rows: Some(Epoch(7)),
                predecessor: Some(marker(4, true)),
            },
            SinkState {
                target: SinkShard { sink: SinkId(0), shard: 1 },
                last_rows: None,
                predecessor: None,
            },
        ],
        counters: vec![Counter { name: "rows_in".into(), value: 12 }],
    }
}

#[test]
fn manifests_and_parts_come_back() {
    // spec: S-1
    let manifest = manifest();
    assert_eq!(Manifest::decode(&manifest.encode()).unwrap(), manifest);
    let (bytes, part) = encode_part(part_name(0), "hourly", &entries());
    let read = decode_part(&part, "hourly", &bytes).unwrap();
    let tables = ["panes", "timers"];
    let read: Vec<_> = read.into_iter().map(|entry| entry.into_state(&tables).unwrap()).collect();
    assert_eq!(read, entries());
}

#[test]
fn many_small_parts_come_back() {
    // spec: S-1
    // Every number of these references takes one byte.
    let mut manifest = manifest();
    let small = PartRef { bytes: 100, last_key_group: KeyGroup(9), ..manifest.nodes[0].parts[0] };
    manifest.nodes[0].parts = vec![small; 9];
    manifest.sinks.clear();
    manifest.counters.clear();
    assert_eq!(Manifest::decode(&manifest.encode()).unwrap(), manifest);
}

#[test]
fn a_table_that_the_operator_does_not_have_is_named() {
    // spec: S-3
    let (bytes, part) = encode_part(part_name(0), "hourly", &entries());
    let read = decode_part(&part, "hourly", &bytes).unwrap();
    assert_eq!(read[1].clone().into_state(&["panes"]), Err("timers".to_owned()));
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    // spec: S-1
    let bytes = manifest().encode();
    let (part_bytes, part) = encode_part(part_name(0), "hourly", &entries());
    for bit in 0..bytes.len() * 8 {
        let mut rotten = bytes.clone();
        rotten[bit / 8] ^= 1 << (bit % 8);
        let error = Manifest::decode(&rotten).unwrap_err();
        assert!(matches!(error, SnapshotError::Damaged { .. }), "bit {bit}: {error}");
    }
    for length in 0..bytes.len() {
        assert!(Manifest::decode(&bytes[..length]).is_err());
    }
    for bit in 0..part_bytes.len() * 8 {
        let mut rotten = part_bytes.to_vec();
        rotten[bit / 8] ^= 1 << (bit % 8);
        assert!(decode_part(&part, "hourly", &rotten.into()).is_err(), "bit {bit}");
    }
}

#[test]
fn a_part_of_another_snapshot_or_node_is_refused() {
    // spec: S-1
    let (bytes, part) = encode_part(part_name(0), "hourly", &entries());
    let (other, _) = encode_part(part_name(1), "hourly", &entries());
    assert!(decode_part(&part, "daily", &bytes).unwrap_err().to_string().contains("belongs to"));
    assert!(decode_part(&part, "hourly", &other).is_err());
}

#[test]
fn a_part_that_lists_a_table_without_an_entry_is_refused() {
    let entries = [entry(0, "panes", "a", Some("1")), entry(0, "timers", "a", Some("1"))];
    let (bytes, mut part) = encode_part(part_name(0), "hourly", &entries);
    // The table of the second entry, which comes from a list of two, becomes the first.
    let mut bytes = bytes[..bytes.len() - 16].to_vec();
    let place = bytes.len() - 5;
    assert_eq!(bytes[place], 1);
    bytes[place] = 0;
    bytes[place + 2] = b'b';
    bytes.extend(envelope::checksum(&bytes));
    part.checksum = envelope::checksum(&bytes);
    let error = decode_part(&part, "hourly", &bytes.into()).unwrap_err();
    assert!(error.to_string().contains("a table without an entry"), "{error}");
}

#[test]
fn a_newer_version_is_named_as_such() {
    // spec: S-4
    let mut bytes = manifest().encode();
    bytes[4] = 2;
    let body = bytes.len() - 16;
    let checksum = envelope::checksum(&bytes[..body]);
    bytes[body..].copy_from_slice(&checksum);
    let expected = SnapshotError::Version { object: "manifest".into(), found: 2 };
    assert_eq!(Manifest::decode(&bytes), Err(expected));
}

#[test]
fn a_snapshot_inside_an_open_flush_group_is_not_usable() {
    // spec: K-7
    // Groups …4 and 5–9; snapshot after 7; crash before sending.
    let manifest = manifest();
    let [sink, unused] = &manifest.sinks[..] else { panic!("two sinks") };
    assert!(!sink.can_serve(LINEAGE, Some(marker(4, true))));
    assert!(!sink.can_serve(LINEAGE, None));
    // Half of the group is not all of it.
    assert!(!sink.can_serve(LINEAGE, Some(marker(9, false))));
    assert!(sink.can_serve(LINEAGE, Some(marker(9, true))));
    assert!(unused.can_serve(LINEAGE, None));
    // Another history with the same number is another history.
    let other = Lineage { number: 1, nonce: 3 };
    assert!(!sink.can_serve(other, Some(marker(9, true))));
}

#[test]
fn parts_hold_whole_key_groups() {
    let entries = entries();
    let pieces = cut_parts(&entries, 1);
    assert_eq!(pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(cut_parts(&entries, 1000), [&entries[..]]);
    assert!(cut_parts(&[], 1).is_empty());
}

#[test]
fn names_come_back_from_their_files() {
    let name = manifest().name();
    assert_eq!(ManifestName::parse(&name.to_string()), Some(name));
    assert_eq!(PartName::parse(&part_name(5).to_string()), Some(part_name(5)));
    assert_eq!(ManifestName::parse("7-3-4.manifest"), None);
    assert_eq!(PartName::parse(".part"), None);
}

proptest! {
    #[test]
    fn no_payload_makes_the_reader_fail_otherwise_than_by_an_error(
        place in 0usize..400, byte in any::<u8>(), cut in 0usize..400
    ) {
        // Bytes that pass the checksum and still are not what was written.
        let seal = |mut bytes: Vec<u8>| {
            bytes.truncate(bytes.len() - 16);
            let place = 8 + place % (bytes.len() - 8);
            bytes[place] = byte;
            let length = bytes.len().min(8 + cut);
            bytes.truncate(length);
            bytes.extend(envelope::checksum(&bytes));
            bytes
        };
        if let Ok(read) = Manifest::decode(&seal(manifest().encode())) {
            prop_assert_eq!(read.encode(), seal(manifest().encode()));
        }
        let (bytes, mut part) = encode_part(part_name(0), "hourly", &entries());
        let bytes = seal(bytes.to_vec());
        part.bytes = bytes.len() as u64;
        part.checksum = envelope::checksum(&bytes);
        let _ = decode_part(&part, "hourly", &bytes.into());
    }
}
