//! From the bytes of all segments to the history that they tell.
//!
//! Three questions are answered one after the other: what each segment holds
//! ([`read_segment`]), which segments count and how far ([`chain_of`]), and whether
//! what is missing or invalid was ever known to be durable ([`judge_tail`]).

use crate::codec::frame::{find_frame, read_frame};
use crate::ids::{Epoch, Generation};
use crate::journal::decode::{Decoder, decode_header};
use crate::journal::history::{Cut, Damage, Journal, Placed, SegmentBytes, SegmentInfo};
use crate::journal::segment::{JournalEntry, SegmentHeader, SegmentName};
use crate::planted;
use std::collections::BTreeMap;

/// What a segment holds, read by itself.
struct Read {
    header: SegmentHeader,
    entries: Vec<ReadEntry>,
    /// How many bytes the segment has.
    bytes: u64,
    /// The byte after the last entry that could be read one after the other.
    valid: u64,
    /// What is wrong at `valid`, if the segment does not end there.
    fault: Option<&'static str>,
    /// How many valid entries stand behind the fault.
    entries_behind: usize,
    /// The largest durability statement behind the fault.
    // spec: J-6
    statement_behind: Epoch,
}

struct ReadEntry {
    at: u64,
    end: u64,
    entry: JournalEntry,
}

/// Puts the segments of a journal in order and reads them.
///
/// `markers` are the epochs that the markers of the newest lineage in the sinks
/// name, as far as they are known; see also [`Journal::check_marker`]. The order of
/// `segments` does not matter.
///
/// # Errors
/// If anything that was durable is missing or not valid; see [`Damage`]. What is not
/// known to have been durable is a torn tail and is cut: see [`Journal::cut`].
// spec: J-6
pub fn scan(segments: &[SegmentBytes], markers: &[Epoch]) -> Result<Journal, Damage> {
    let newest_generation = one_nonce_each(segments)?;
    let mut read = BTreeMap::new();
    let mut strays = Vec::new();
    // Of several damages the oldest is told, in whatever order the store lists names.
    let mut oldest_first: Vec<&SegmentBytes> = segments.iter().collect();
    oldest_first.sort_unstable_by_key(|segment| segment.name);
    for segment in oldest_first {
        match read_segment(segment)? {
            Some(one) => drop(read.insert(segment.name, one)),
            None => strays.push(segment.name),
        }
    }
    let mut chain = chain_of(&mut read)?;
    strays.extend(read.into_keys());
    strays.sort_unstable();

    let mut journal = Journal { newest_generation, strays, ..Journal::default() };
    for index in 0..chain.len() {
        let successor = chain.get(index + 1).and_then(|next| next.header.predecessor);
        let link = &mut chain[index];
        let end = successor.map_or(link.valid, |predecessor| predecessor.end);
        take_segment(&mut journal, link, end)?;
    }
    if let Some(newest) = chain.last() {
        judge_tail(&mut journal, newest, markers)?;
    }
    for marker in markers {
        journal.check_marker(*marker)?;
    }
    Ok(journal)
}

/// The newest generation, if no number was used by two incarnations.
// spec: G-1
fn one_nonce_each(segments: &[SegmentBytes]) -> Result<Option<Generation>, Damage> {
    let mut generations: Vec<_> = segments.iter().map(|s| s.name.generation).collect();
    generations.sort_unstable();
    generations.dedup();
    for pair in generations.windows(2) {
        if pair[0].number == pair[1].number {
            return Err(Damage::TwoIncarnations(pair[0], pair[1]));
        }
    }
    Ok(generations.last().copied())
}

/// Reads a segment; `None` if it has no header because the crash of its writer left
/// none.
///
/// A header is durable before the first record is written. So a segment without a
/// header, but with a valid entry somewhere, was damaged later.
fn read_segment(segment: &SegmentBytes) -> Result<Option<Read>, Damage> {
    let (name, bytes, salt) = (segment.name, &segment.bytes[..], segment.name.salt());
    let first = match read_frame(bytes, salt, 0) {
        Ok(first) => first,
        Err(error) if find_frame(bytes, salt, 0).is_some() => {
            let what = error.what;
            return Err(Damage::Invalid { segment: name, at: 0, what, durable: Epoch(0) });
        }
        Err(_) => return Ok(None),
    };
    let unreadable = |at: usize, what| Damage::Unreadable { segment: name, at: at as u64, what };
    let header = decode_header(first.payload).map_err(|error| unreadable(0, error.what))?;
    if header.name != name {
        return Err(unreadable(0, "the header of another segment"));
    }
    let mut decoder = Decoder::new(&header);
    let (mut entries, mut at, mut fault) = (Vec::new(), first.end, None);
    while at < bytes.len() {
        let found = match read_frame(bytes, salt, at) {
            Ok(found) => found,
            Err(error) => {
                fault = Some(error.what);
                break;
            }
        };
        let entry = decoder.entry(found.payload).map_err(|error| unreadable(at, error.what))?;
        entries.push(ReadEntry { at: at as u64, end: found.end as u64, entry });
        at = found.end;
    }
    let mut read = Read {
        header,
        entries,
        bytes: bytes.len() as u64,
        valid: at as u64,
        fault,
        entries_behind: 0,
        statement_behind: Epoch(0),
    };
    while let Some(found) = find_frame(bytes, salt, at) {
        read.entries_behind += 1;
        let statement = decoder.statement(found.payload).map(|s| s.durable_up_to);
        read.statement_behind = read.statement_behind.max(statement.unwrap_or_default());
        at = found.end;
    }
    Ok(Some(read))
}

/// Takes out of `read` the segments that count, oldest first: the newest one, the
/// one that it continues, and so on.
fn chain_of(read: &mut BTreeMap<SegmentName, Read>) -> Result<Vec<Read>, Damage> {
    let mut chain = Vec::new();
    let mut next = read.pop_last().map(|(_, newest)| newest);
    while let Some(link) = next.take() {
        if let Some(predecessor) = link.header.predecessor {
            let (segment, missing) = (link.header.name, predecessor.name);
            next = read.remove(&missing);
            // Old segments are removed oldest first. So if one is gone and an older
            // one is there, it was not removed by us.
            if next.is_none() && read.keys().any(|name| *name < missing) {
                return Err(Damage::Missing { segment, missing });
            }
        }
        chain.push(link);
    }
    chain.reverse();
    Ok(chain)
}

/// Moves what counts of a segment, up to byte `end`, to the journal.
fn take_segment(journal: &mut Journal, read: &mut Read, end: u64) -> Result<(), Damage> {
    let name = read.header.name;
    check_end(read, end)?;
    begin_segment(journal, read)?;
    let segment = journal.segments.len();
    let mut expected = read.header.first_epoch;
    for ReadEntry { at, entry, .. } in read.entries.drain(..).take_while(|one| one.at < end) {
        if let JournalEntry::Epoch(record) = &entry {
            let found = record.epoch;
            if found != expected {
                return Err(Damage::Sequence { segment: name, at, expected, found });
            }
            if record.tick <= journal.last_tick {
                let what = "a tick that does not grow";
                return Err(Damage::Unreadable { segment: name, at, what });
            }
            expected = found.next();
            journal.last_tick = record.tick;
            journal.largest_epoch = journal.largest_epoch.max(found);
        }
        let stated = entry.durable_up_to().unwrap_or_default();
        journal.durable_up_to = journal.durable_up_to.max(stated);
        journal.entries.push(Placed { segment, at, entry });
    }
    journal.segments.push(SegmentInfo { header: read.header.clone(), end });
    Ok(())
}

/// Checks that the bytes up to `end`, which a successor relied on, are all valid.
// spec: J-6
fn check_end(read: &Read, end: u64) -> Result<(), Damage> {
    let segment = read.header.name;
    if end > read.valid {
        let what = read.fault.unwrap_or("the segment ends too early");
        // The newest record that a later segment leans on was durable.
        let durable = read.entries.iter().rev().find_map(|one| one.entry.epoch());
        let durable = durable.unwrap_or_default();
        return Err(Damage::Invalid { segment, at: read.valid, what, durable });
    }
    let header_end = read.entries.first().map_or(read.valid, |one| one.at);
    let is_boundary = end == header_end || read.entries.iter().any(|one| one.end == end);
    if !is_boundary {
        let what = "the inside of an entry, where the next segment says that it ends";
        return Err(Damage::Unreadable { segment, at: end, what });
    }
    Ok(())
}

/// Checks that a segment goes on where the journal ends, or begins a new lineage;
/// then the epochs that the new lineage left behind do not count any more.
// spec: G-2
fn begin_segment(journal: &mut Journal, read: &Read) -> Result<(), Damage> {
    let header = &read.header;
    let Some(before) = journal.segments.last().map(|segment| &segment.header) else {
        return Ok(());
    };
    let segment = header.name;
    if header.lineage == before.lineage {
        let (expected, found) = (journal.last_epoch().next(), header.first_epoch);
        if found != expected {
            return Err(Damage::Sequence { segment, at: 0, expected, found });
        }
        return Ok(());
    }
    let unreadable = |what| Err(Damage::Unreadable { segment, at: 0, what });
    let Some(parent) = header.parent else {
        return unreadable("a new lineage that names no parent");
    };
    if header.lineage.number <= before.lineage.number {
        return unreadable("a lineage that is not newer than the one before");
    }
    if header.first_epoch <= journal.largest_epoch {
        return unreadable("a new lineage that uses epoch numbers again");
    }
    journal.entries.retain(|placed| match &placed.entry {
        JournalEntry::Epoch(record) => record.epoch <= parent.epoch,
        JournalEntry::Finished(finished) => finished.epoch <= parent.epoch,
        JournalEntry::Poison(poison) => poison.epoch <= parent.epoch,
        JournalEntry::Stopped(stopped) => stopped.epoch <= parent.epoch,
        JournalEntry::Attempt(attempt) => attempt.epoch <= parent.epoch,
        JournalEntry::Header(_) | JournalEntry::Seam(_) => true,
    });
    Ok(())
}

/// Decides whether invalid bytes at the end of the newest segment are a torn tail or
/// damage.
// spec: J-6
fn judge_tail(journal: &mut Journal, newest: &Read, markers: &[Epoch]) -> Result<(), Damage> {
    let Some(what) = newest.fault else {
        return Ok(());
    };
    let (segment, at) = (newest.header.name, newest.valid);
    let stated = journal.durable_up_to.max(newest.statement_behind);
    let durable = markers.iter().copied().fold(stated, Epoch::max);
    if durable > journal.last_epoch() && !planted!(J11) {
        return Err(Damage::Invalid { segment, at, what, durable });
    }
    let bytes = newest.bytes - at;
    journal.cut = Some(Cut { segment, at, bytes, what, entries: newest.entries_behind });
    Ok(())
}
