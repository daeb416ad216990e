//! The journal: entries and whole journals.

use crate::input::Input;
use anabranch_engine::codec::frame::{
    ALIGN, HEADER_BYTES, MAGIC, framed_bytes, put_frame, read_frame,
};
use anabranch_engine::ids::{Epoch, Generation};
use anabranch_engine::journal::{
    Decoder, Encoder, Journal, JournalEntry, SegmentBytes, SegmentHeader, SegmentName,
    StoppedRecord, decode_header, scan,
};

/// More segments than this make a run slow and nothing else.
const SEGMENTS_MAX: usize = 8;
/// Set in a segment's second byte if its frames are to be sealed.
pub(crate) const SEALED: u8 = 0x80;
/// Set in a segment's second byte if another incarnation wrote it.
const OTHER_NONCE: u8 = 0x40;

/// Puts right the checks of all frames in `bytes`, so that their payloads count.
pub(crate) fn seal_frames(bytes: &mut [u8], salt: u64) {
    let mut at = 0;
    while at + HEADER_BYTES <= bytes.len() {
        let field = |from: usize| [0, 1, 2, 3].map(|byte| bytes[at + from + byte]);
        let length = u32::from_le_bytes(field(4)) as usize;
        let fits = framed_bytes(length) <= bytes.len() - at;
        if bytes[at..at + 2] != MAGIC || !fits {
            at += ALIGN;
            continue;
        }
        let payload = bytes[at + HEADER_BYTES..at + HEADER_BYTES + length].to_vec();
        let mut frame = Vec::new();
        put_frame(&mut frame, salt, at as u64, |out| out.extend_from_slice(&payload));
        bytes[at..at + frame.len()].copy_from_slice(&frame);
        at += frame.len();
    }
}

/// The name that a seed's segment has.
pub(crate) fn segment_name(generation: u8, part: u8) -> SegmentName {
    let number = u64::from(generation);
    SegmentName { generation: Generation { number, nonce: 0x1000 + number }, part: part.into() }
}

/// One byte for a marker (0 for none), then for each segment its generation, its part
/// with flags, and a piece with its bytes.
fn segments_of(data: &[u8]) -> (Option<Epoch>, Vec<SegmentBytes>) {
    let mut input = Input::new(data);
    let marker = Some(input.byte()).filter(|marker| *marker > 0);
    let mut segments: Vec<SegmentBytes> = Vec::new();
    while !input.is_empty() && segments.len() < SEGMENTS_MAX {
        let (generation, flags) = (input.byte(), input.byte());
        let mut name = segment_name(generation, flags & 0x3f);
        if flags & OTHER_NONCE != 0 {
            name.generation.nonce += 1;
        }
        let mut bytes = input.piece().to_vec();
        if flags & SEALED != 0 {
            seal_frames(&mut bytes, name.salt());
        }
        // A store has one segment of a name.
        if segments.iter().all(|segment| segment.name != name) {
            segments.push(SegmentBytes { name, bytes: bytes.into() });
        }
    }
    (marker.map(|marker| Epoch(marker.into())), segments)
}

/// A journal of arbitrary segments is read or refused. What is read does not depend on
/// the order of the segments, stays when the torn tail is cut off, and has the bytes
/// that our own encoder writes for it; a sink's marker can only lead to a refusal.
// spec: J-6
pub fn journal_scan(data: &[u8]) -> bool {
    let (marker, mut segments) = segments_of(data);
    let found = scan(&segments, &[]);
    segments.reverse();
    assert_eq!(found, scan(&segments, &[]), "the order of the segments matters");
    let Ok(journal) = found else { return false };
    let _ = (journal.deaths(), journal.carried(), journal.reaches_back_to());
    assert_eq!(journal.records_after(Epoch(0)).last().is_some(), has_records(&journal));
    if let Some(marker) = marker
        && let Ok(judged) = scan(&segments, &[marker])
    {
        assert_eq!(judged, journal, "a marker changes what is read");
        assert!(marker <= journal.last_epoch());
    }
    for info in &journal.segments {
        let segment = segments.iter().find(|segment| segment.name == info.header.name);
        let segment = segment.expect("the segment was given");
        assert!(info.end <= segment.bytes.len() as u64);
        let index = journal.segments.iter().position(|other| other.header.name == segment.name);
        check_bytes(&journal, index.expect("it was just found"), &segment.bytes);
    }
    let is_taken = !journal.entries.is_empty();
    if let Some(cut) = &journal.cut {
        let torn = segments.iter_mut().find(|segment| segment.name == cut.segment);
        let torn = torn.expect("the segment was given");
        assert_eq!(cut.at + cut.bytes, torn.bytes.len() as u64);
        torn.bytes.truncate(cut.at as usize);
        let again = scan(&segments, &[]).expect("the tail was all that was wrong");
        assert_eq!(again, Journal { cut: None, ..journal }, "the tail counted");
    }
    is_taken
}

fn has_records(journal: &Journal) -> bool {
    journal.entries.iter().any(|placed| placed.entry.epoch().is_some_and(|epoch| epoch.0 > 0))
}

/// Checks that the encoder writes the bytes of this segment.
fn check_bytes(journal: &Journal, index: usize, bytes: &[u8]) {
    let info = &journal.segments[index];
    let lineage = info.header.lineage;
    if journal.segments.iter().any(|other| other.header.lineage != lineage) {
        // A newer lineage takes entries away from the older ones.
        return;
    }
    let mut written = Vec::new();
    let mut encoder = Encoder::open(&info.header, &mut written);
    let mut durable = Epoch(0);
    for placed in journal.entries.iter().filter(|placed| placed.segment == index) {
        assert_eq!(placed.at, encoder.position(), "an entry stands elsewhere");
        if let JournalEntry::Epoch(record) = &placed.entry {
            // No writer takes durability back, and no reader needs to care.
            if record.durable_up_to < durable {
                return;
            }
            durable = record.durable_up_to;
        }
        encoder.append(&placed.entry, &mut written);
    }
    assert_eq!(written, bytes[..info.end as usize], "an entry has another encoding");
}

/// A header for entries whose own is not readable.
fn some_header() -> SegmentHeader {
    let name = segment_name(1, 0);
    let mut bytes = Vec::new();
    crate::seeds::first_header(name, &mut bytes);
    let frame = read_frame(&bytes, name.salt(), 0).expect("it was just written");
    decode_header(frame.payload).expect("it was just written")
}

/// The payload of the last frame of a segment.
fn last_payload(bytes: &[u8], start: usize, salt: u64) -> &[u8] {
    read_frame(bytes, salt, start).expect("the encoder writes whole frames").payload
}

/// A piece for the header, then one for each entry, of whose first byte the bits for
/// lineage and generation are put right. What can be read encodes back to its bytes.
pub fn journal_entry(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let payload = input.piece();
    let read = decode_header(payload);
    let mut bytes = Vec::new();
    if let Ok(header) = &read {
        Encoder::open(header, &mut bytes);
        assert_eq!(last_payload(&bytes, 0, header.name.salt()), payload);
        let carried = &header.carried;
        assert!(carried.opened.is_sorted_by(|a, b| a < b), "{carried:?}");
        assert!(carried.acknowledged.is_sorted_by(|a, b| a.target < b.target), "{carried:?}");
        assert!(carried.given_up.is_sorted_by(|a, b| a < b), "{carried:?}");
        assert!(carried.chunk_limits.is_sorted_by(|a, b| a.sink < b.sink), "{carried:?}");
    }
    let header = read.unwrap_or_else(|_| some_header());
    let salt = header.name.salt();
    bytes.clear();
    let mut encoder = Encoder::open(&header, &mut bytes);
    let mut decoder = Decoder::new(&header);
    let incarnation = incarnation_of(&header);
    let mut durable = Epoch(0);
    let mut comparable = true;
    while !input.is_empty() {
        let mut payload = input.piece().to_vec();
        if let Some(first) = payload.first_mut() {
            *first = *first & 0b111 | incarnation;
        }
        let Ok(entry) = decoder.entry(&payload) else { return false };
        if let JournalEntry::Epoch(record) = &entry {
            assert!(record.is_consistent());
            // What the encoder refuses to write out of order is not compared, and
            // neither is what leans on it.
            comparable &= record.epoch == encoder.next_epoch() && record.durable_up_to >= durable;
            durable = record.durable_up_to;
        }
        if comparable {
            let start = bytes.len();
            encoder.append(&entry, &mut bytes);
            assert_eq!(last_payload(&bytes, start, salt), payload, "{entry:?}");
        }
    }
    comparable
}

/// What the first bytes of all entries of this segment have in common.
fn incarnation_of(header: &SegmentHeader) -> u8 {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::open(header, &mut bytes);
    let start = bytes.len();
    encoder.append(&JournalEntry::Stopped(StoppedRecord { epoch: Epoch(0) }), &mut bytes);
    last_payload(&bytes, start, header.name.salt())[0] & !0b111
}
