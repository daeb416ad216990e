//! Records of a journal in a topic, and what the sequence of them means.
//!
//! The one partition is a total order, and everything follows from it: a *fence* makes its
//! generation the owner, if it is newer than the owner before; an *entry* counts if its
//! generation is the owner at that place. So two readers never disagree about what counts,
//! and a record of an older generation that comes late changes nothing. An entry that comes
//! twice counts once.

use super::super::{SegmentBytes, SegmentName};
use crate::codec::{DecodeError, Reader, put_u32, put_u64};
use crate::ids::Generation;
use crate::service::kafka::KafkaRecord;
use bytes::Bytes;
use std::collections::VecDeque;
use xxhash_rust::xxh3::xxh3_64;

/// The version of the format that this code writes.
// spec: S-4
const VERSION: u8 = 1;
const KIND_FENCE: u8 = 1;
const KIND_ENTRY: u8 = 2;
/// So many entries back one that comes a second time is recognised. A repetition comes with
/// the next few appends; one of long ago is none.
const CHECKSUMS_MAX: usize = 64;

/// A record of the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TopicRecord {
    /// From here on the generation owns the journal.
    Fence(Generation),
    /// Bytes of a segment.
    Entry {
        segment: SegmentName,
        /// Counts the entries of the segment from 0.
        index: u64,
        bytes: Bytes,
    },
}

impl TopicRecord {
    pub(super) fn encode(&self) -> KafkaRecord {
        let mut out = vec![VERSION];
        match self {
            TopicRecord::Fence(generation) => {
                out.push(KIND_FENCE);
                put_generation(&mut out, *generation);
            }
            TopicRecord::Entry { segment, index, bytes } => {
                out.push(KIND_ENTRY);
                put_generation(&mut out, segment.generation);
                put_u32(&mut out, segment.part);
                put_u64(&mut out, *index);
                out.extend_from_slice(bytes);
            }
        }
        // No time: nothing of a journal is removed by its age.
        KafkaRecord { value: Some(Bytes::from(out)), timestamp_ms: -1, ..KafkaRecord::default() }
    }

    pub(super) fn decode(record: &KafkaRecord) -> Result<TopicRecord, DecodeError> {
        let value = record.value.clone().unwrap_or_default();
        let reader = &mut Reader::new(&value);
        if reader.u8()? != VERSION {
            return Err(reader.error("a record of another version"));
        }
        match reader.u8()? {
            KIND_FENCE => {
                let generation = read_generation(reader)?;
                reader.finish()?;
                Ok(TopicRecord::Fence(generation))
            }
            KIND_ENTRY => {
                let segment =
                    SegmentName { generation: read_generation(reader)?, part: reader.u32()? };
                let index = reader.u64()?;
                let bytes = value.slice(reader.position()..);
                Ok(TopicRecord::Entry { segment, index, bytes })
            }
            _ => Err(reader.error("a record of an unknown kind")),
        }
    }
}

fn put_generation(out: &mut Vec<u8>, generation: Generation) {
    put_u64(out, generation.number);
    out.extend_from_slice(&generation.nonce.to_le_bytes());
}

fn read_generation(reader: &mut Reader<'_>) -> Result<Generation, DecodeError> {
    Ok(Generation { number: reader.u64()?, nonce: u64::from_le_bytes(reader.array()?) })
}

/// What the log says up to an offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    /// The offset after all that was taken in.
    pub(super) next: i64,
    /// Who owns the journal here.
    pub(super) owner: Option<Generation>,
    /// The segments, oldest first.
    segments: Vec<Segment>,
    /// Every segment before this one was trimmed, or never was.
    // spec: J-4
    first: Option<SegmentName>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    name: SegmentName,
    /// The offset of its first entry.
    start: i64,
    /// How many entries it has.
    entries: u64,
    /// The checksums of the last ones, the newest at the end.
    checksums: VecDeque<u64>,
    /// Its bytes, if they are wanted.
    bytes: Vec<u8>,
}

/// What a record did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Somebody owns the journal from here on.
    Owned(Generation),
    /// An entry counts.
    Entered,
    /// It does not count.
    None,
}

impl Tail {
    /// Nothing is known, and the log starts at this offset.
    pub(super) fn starting_at(log_start: i64) -> Tail {
        Tail { next: log_start, ..Tail::default() }
    }

    /// Takes the record of an offset in.
    ///
    /// # Errors
    /// If it makes no sense there: the topic was tampered with, or an entry was written
    /// twice or lost.
    // spec: J-3
    pub(super) fn take(&mut self, offset: i64, record: &KafkaRecord) -> Result<Effect, String> {
        let place = |what: &str| format!("offset {offset}: {what}");
        let record = TopicRecord::decode(record).map_err(|error| place(&error.to_string()))?;
        self.next = offset + 1;
        match record {
            TopicRecord::Fence(generation) => {
                if self.owner.is_some_and(|owner| generation.number <= owner.number) {
                    return Ok(Effect::None);
                }
                self.owner = Some(generation);
                Ok(Effect::Owned(generation))
            }
            TopicRecord::Entry { segment, index, bytes } => {
                // What stood before the first entry may have been trimmed.
                if self.owner.is_none() {
                    (self.owner, self.first) = (Some(segment.generation), Some(segment));
                }
                if self.owner != Some(segment.generation) {
                    return Ok(Effect::None);
                }
                if self.is_repeated(segment, index, &bytes) {
                    return Ok(Effect::None);
                }
                self.enter(offset, segment, index, &bytes).map_err(|what| place(&what))?;
                Ok(Effect::Entered)
            }
        }
    }

    /// Whether an entry is there already, not long ago, or was: a network may bring an
    /// append twice, and a broker that has forgotten the producer does not notice. The
    /// second copy may come when its segment is no longer the newest, or was trimmed.
    // spec: K-4
    fn is_repeated(&self, name: SegmentName, index: u64, bytes: &Bytes) -> bool {
        if self.first.is_some_and(|first| name < first) {
            return true;
        }
        let found = self.segments.iter().rev().find(|segment| segment.name == name);
        let Some(segment) = found.filter(|segment| index < segment.entries) else { return false };
        let back = usize::try_from(segment.entries - index).unwrap_or(usize::MAX);
        let place = segment.checksums.len().checked_sub(back);
        place.is_some_and(|place| segment.checksums[place] == xxh3_64(bytes))
    }

    fn enter(
        &mut self,
        offset: i64,
        name: SegmentName,
        index: u64,
        bytes: &Bytes,
    ) -> Result<(), String> {
        let last = self.segments.last_mut().filter(|last| last.name == name);
        let expected = last.as_ref().map_or(0, |last| last.entries);
        if index != expected {
            return Err(format!("entry {index} of {name}, where entry {expected} belongs"));
        }
        match last {
            Some(last) => {
                last.entries += 1;
                last.bytes.extend_from_slice(bytes);
                last.checksums.push_back(xxh3_64(bytes));
                if last.checksums.len() > CHECKSUMS_MAX {
                    last.checksums.pop_front();
                }
            }
            None => {
                if self.segments.iter().any(|segment| segment.name >= name) {
                    return Err(format!("{name} begins behind a newer segment"));
                }
                let checksums = VecDeque::from([xxh3_64(bytes)]);
                let bytes = bytes.to_vec();
                self.segments.push(Segment { name, start: offset, entries: 1, checksums, bytes });
            }
        }
        Ok(())
    }

    /// How many entries of a segment count.
    pub(super) fn entries(&self, name: SegmentName) -> u64 {
        let found = self.segments.iter().find(|segment| segment.name == name);
        found.map_or(0, |segment| segment.entries)
    }

    /// The bytes of all segments, which are not kept after that.
    pub(super) fn take_bytes(&mut self) -> Vec<SegmentBytes> {
        let bytes_of = |segment: &mut Segment| SegmentBytes {
            name: segment.name,
            bytes: Bytes::from(std::mem::take(&mut segment.bytes)),
        };
        self.segments.iter_mut().map(bytes_of).collect()
    }

    /// Forgets the bytes of what was taken in since.
    pub(super) fn drop_bytes(&mut self) {
        self.segments.iter_mut().for_each(|segment| segment.bytes.clear());
    }

    /// Forgets the oldest segments as far as they are among those named; gives the offset of
    /// the first entry that stays, if any went. The newest segment stays.
    // spec: J-4
    pub(super) fn forget(&mut self, names: &[SegmentName]) -> Option<i64> {
        let most = self.segments.len().saturating_sub(1);
        let gone = self.segments.iter().take(most).take_while(|it| names.contains(&it.name));
        let gone = gone.count();
        if gone == 0 {
            return None;
        }
        self.segments.drain(..gone);
        self.first = Some(self.segments[0].name);
        Some(self.segments[0].start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(number: u64) -> Generation {
        Generation { number, nonce: 7 }
    }

    fn entry(number: u64, part: u32, index: u64) -> KafkaRecord {
        let segment = SegmentName { generation: generation(number), part };
        let bytes = Bytes::from(format!("{number}.{part}.{index};"));
        TopicRecord::Entry { segment, index, bytes }.encode()
    }

    fn fence(number: u64) -> KafkaRecord {
        TopicRecord::Fence(generation(number)).encode()
    }

    fn read(records: &[KafkaRecord]) -> Result<Vec<String>, String> {
        let mut tail = Tail::default();
        for (offset, record) in records.iter().enumerate() {
            tail.take(offset as i64, record)?;
        }
        let text = |segment: SegmentBytes| String::from_utf8(segment.bytes.to_vec()).unwrap();
        Ok(tail.take_bytes().into_iter().map(text).collect())
    }

    #[test]
    fn what_comes_behind_a_newer_fence_does_not_count() {
        // spec: J-3
        let records = [
            fence(1),
            entry(1, 0, 0),
            entry(1, 0, 1),
            fence(2),
            entry(1, 0, 2),
            fence(1),
            entry(2, 0, 0),
            entry(1, 0, 3),
            entry(2, 0, 1),
            entry(2, 1, 0),
        ];
        assert_eq!(
            read(&records),
            Ok(vec!["1.0.0;1.0.1;".into(), "2.0.0;2.0.1;".into(), "2.1.0;".into()])
        );
    }

    #[test]
    fn an_entry_that_came_twice_counts_once() {
        // spec: K-4
        let entries = [entry(1, 0, 0), entry(1, 0, 1), entry(1, 0, 0), entry(1, 0, 1)];
        let records = [&[fence(1)], &entries[..], &[entry(1, 0, 2), entry(1, 1, 0)]].concat();
        assert_eq!(read(&records), Ok(vec!["1.0.0;1.0.1;1.0.2;".into(), "1.1.0;".into()]));
        // Other bytes in its place are damage.
        let segment = SegmentName { generation: generation(1), part: 0 };
        let other = TopicRecord::Entry { segment, index: 1, bytes: "other".into() }.encode();
        assert!(read(&[&records[..5], &[other]].concat()).is_err());
        // So is one that comes from long ago.
        let all = |count: u64| (0..count).map(|index| entry(1, 0, index)).collect::<Vec<_>>();
        let count = CHECKSUMS_MAX as u64;
        let again = |index| [vec![fence(1)], all(count + 1), vec![entry(1, 0, index)]].concat();
        assert!(read(&again(0)).is_err() && read(&again(1)).is_ok());
    }

    #[test]
    fn an_entry_that_came_again_behind_a_roll_counts_once() {
        // spec: K-4
        let own = [fence(1), entry(1, 0, 0), entry(1, 0, 1), entry(1, 1, 0)];
        let late = [entry(1, 0, 1), entry(1, 0, 0), entry(1, 1, 1)];
        let read_all = read(&[&own[..], &late].concat());
        assert_eq!(read_all, Ok(vec!["1.0.0;1.0.1;".into(), "1.1.0;1.1.1;".into()]));
        // Other bytes in its place are damage, and so is one that was never there.
        let segment = SegmentName { generation: generation(1), part: 0 };
        let other = TopicRecord::Entry { segment, index: 1, bytes: "other".into() }.encode();
        assert!(read(&[&own[..], &[other]].concat()).is_err());
        assert!(read(&[&own[..], &[entry(1, 0, 2)]].concat()).is_err());
    }

    #[test]
    fn an_entry_that_came_again_behind_its_trimmed_segment_does_not_count() {
        // spec: K-4, J-4
        let log = [fence(1), entry(1, 0, 0), entry(1, 1, 0), entry(1, 0, 0), entry(1, 1, 1)];
        // The next reader finds the log from the second segment on.
        assert_eq!(read(&log[2..]), Ok(vec!["1.1.0;1.1.1;".into()]));
        // The owner knew the segment, and has forgotten it.
        let mut tail = Tail::default();
        for (offset, record) in log[..3].iter().enumerate() {
            tail.take(offset as i64, record).unwrap();
        }
        tail.forget(&[SegmentName { generation: generation(1), part: 0 }]);
        assert_eq!(tail.take(3, &log[3]), Ok(Effect::None));
        assert_eq!(tail.take(4, &log[4]), Ok(Effect::Entered));
    }

    #[test]
    fn an_entry_that_is_elsewhere_or_missing_is_damage() {
        for records in [
            [fence(1), entry(1, 1, 0), entry(1, 0, 1)],
            [fence(1), entry(1, 0, 0), entry(1, 0, 2)],
            [fence(1), entry(1, 1, 0), entry(1, 0, 0)],
            [fence(1), entry(1, 0, 1), entry(1, 0, 2)],
        ] {
            assert!(read(&records).is_err(), "{records:?}");
        }
    }

    #[test]
    fn a_trimmed_journal_begins_with_a_segment() {
        // spec: J-4
        let records = [entry(2, 1, 0), entry(2, 1, 1), entry(1, 0, 9)];
        assert_eq!(read(&records), Ok(vec!["2.1.0;2.1.1;".into()]));
        assert!(read(&records[1..]).is_err(), "it was cut in the middle of a segment");
    }

    #[test]
    fn records_come_back_and_others_are_refused() {
        for record in [fence(3), entry(3, 4, 5)] {
            assert_eq!(TopicRecord::decode(&record).map(|it| it.encode()), Ok(record.clone()));
            let value = record.value.unwrap();
            let cut = KafkaRecord { value: Some(value.slice(..8)), ..KafkaRecord::default() };
            assert!(TopicRecord::decode(&cut).is_err());
        }
        assert!(TopicRecord::decode(&KafkaRecord::default()).is_err());
    }

    #[test]
    fn only_the_oldest_segments_are_forgotten() {
        let mut tail = Tail::default();
        for (offset, record) in
            [fence(1), entry(1, 0, 0), fence(2), entry(2, 0, 0), entry(2, 1, 0)].iter().enumerate()
        {
            tail.take(offset as i64, record).unwrap();
        }
        let name = |number, part| SegmentName { generation: generation(number), part };
        assert_eq!(tail.clone().forget(&[name(2, 0)]), None);
        assert_eq!(tail.clone().forget(&[name(2, 1), name(2, 0), name(1, 0)]), Some(4));
        assert_eq!(tail.forget(&[name(1, 0)]), Some(3));
    }
}
