//! The ideal journal: a head that lists the segments and is replaced conditionally, and
//! each segment an object that is replaced by a longer one.
//!
//! Whoever opens first seals the newest segment, so that its writer's next append fails,
//! and then replaces the head, by the tag that it had when it was read: two that read the
//! same head cannot both get through, and nothing that was appended after the reading is
//! missed. How often a segment was sealed stands in the last byte of its object: a writer
//! that was not told of its last append, and looks, must not take a sealed segment for its
//! own.

use super::{Said, get, out_of_turn, said};
use anabranch_engine::ids::Generation;
use anabranch_engine::journal::{JournalMachine, JournalStep, SegmentBytes, SegmentName};
use anabranch_engine::service::object::{ObjectAnswer, ObjectRequest};
use anabranch_engine::service::{Answer, Request};
use bytes::Bytes;
use std::collections::VecDeque;

/// The object that lists the segments.
const HEAD: &str = "head";

/// So often is a request sent again whose outcome is not known. By its condition it
/// takes effect once.
const TRIES_MAX: u32 = 4;

/// The machine.
#[derive(Debug, Default)]
pub struct IdealJournal {
    /// The segments that the head listed, oldest first.
    listed: Vec<SegmentName>,
    head_tag: Option<u64>,
    /// What was read of them.
    read: Vec<SegmentBytes>,
    newest_tag: Option<u64>,
    /// How often the newest of them was sealed.
    seals: u8,
    /// The segment that this machine writes.
    open: Option<Open>,
    state: State,
    tries: u32,
}

#[derive(Debug)]
struct Open {
    segment: SegmentName,
    bytes: Vec<u8>,
    tag: Option<u64>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Free,
    ReadingHead,
    /// These are left to read.
    ReadingSegments(VecDeque<SegmentName>),
    /// The predecessor is being sealed, before this one is made.
    Sealing(SegmentName, Bytes),
    Making(SegmentName, Bytes),
    Listing(SegmentName, Bytes),
    /// The open segment is replaced by one with so many bytes.
    Appending(Vec<u8>),
    /// It is read to see whether it was.
    Checking(Vec<u8>),
    Proving(Generation),
    Unlisting(Vec<SegmentName>),
    Deleting(VecDeque<SegmentName>),
}

impl IdealJournal {
    /// A machine that has read nothing yet.
    #[must_use]
    pub fn new() -> IdealJournal {
        IdealJournal::default()
    }

    fn object(segment: SegmentName) -> String {
        format!("segment/{}", segment.file_name())
    }

    fn ask(&mut self, state: State, request: ObjectRequest) -> JournalStep {
        self.state = state;
        JournalStep::Request(Request::Object(request))
    }

    fn replace(segment: SegmentName, tag: Option<u64>, bytes: &[u8], seals: u8) -> ObjectRequest {
        ObjectRequest::Replace { name: Self::object(segment), tag, bytes: stored(bytes, seals) }
    }

    fn head_with(&self, segments: &[SegmentName]) -> ObjectRequest {
        let lines: Vec<String> = segments.iter().map(SegmentName::file_name).collect();
        let bytes = lines.join("\n").into();
        ObjectRequest::Replace { name: HEAD.to_owned(), tag: self.head_tag, bytes }
    }

    fn take_head(&mut self, answer: ObjectAnswer) {
        match answer {
            ObjectAnswer::Data { bytes, tag } => {
                let text = String::from_utf8_lossy(&bytes);
                self.listed = text.lines().filter_map(SegmentName::parse).collect();
                self.head_tag = Some(tag);
            }
            ObjectAnswer::NotFound => {
                self.listed.clear();
                self.head_tag = None;
            }
            other => out_of_turn(&other),
        }
    }

    fn read_next(&mut self, mut left: VecDeque<SegmentName>) -> JournalStep {
        match left.pop_front() {
            Some(segment) => {
                left.push_front(segment);
                self.state = State::ReadingSegments(left);
                JournalStep::Request(get(&Self::object(segment)))
            }
            None => JournalStep::Read(self.read.clone()),
        }
    }

    fn make(&mut self, segment: SegmentName, bytes: Bytes) -> JournalStep {
        let request =
            ObjectRequest::PutNew { name: Self::object(segment), bytes: stored(&bytes, 0) };
        self.ask(State::Making(segment, bytes), request)
    }

    fn list(&mut self, segment: SegmentName, bytes: Bytes) -> JournalStep {
        let mut segments = self.listed.clone();
        segments.push(segment);
        let request = self.head_with(&segments);
        self.ask(State::Listing(segment, bytes), request)
    }

    fn delete_next(&mut self, mut left: VecDeque<SegmentName>) -> JournalStep {
        match left.pop_front() {
            Some(segment) => {
                let request = ObjectRequest::Delete { names: vec![Self::object(segment)] };
                self.ask(State::Deleting(left), request)
            }
            None => JournalStep::Trimmed,
        }
    }

    fn put_append(&mut self, all: Vec<u8>) -> JournalStep {
        let open = self.open.as_ref().expect("a segment is open");
        let request = Self::replace(open.segment, open.tag, &all, 0);
        self.ask(State::Appending(all), request)
    }

    fn fenced() -> JournalStep {
        JournalStep::Fenced { by: "a process that opened the journal later".to_owned() }
    }

    /// No answer, or none that says anything.
    fn not_known(&mut self, is_done: bool, why: &str) -> JournalStep {
        self.tries += 1;
        let failed = |transient| JournalStep::Failed { message: why.to_owned(), transient };
        match std::mem::take(&mut self.state) {
            State::Appending(all) | State::Checking(all) if self.tries < TRIES_MAX => {
                // Whether it was done or not: the same again, under the same condition.
                self.put_append(all)
            }
            State::ReadingHead | State::ReadingSegments(_) => failed(true),
            State::Unlisting(_) | State::Deleting(_) => failed(true),
            State::Proving(_) => JournalStep::Proved(false),
            State::Free => panic!("an answer without a request"),
            State::Sealing(..)
            | State::Making(..)
            | State::Listing(..)
            | State::Appending(_)
            | State::Checking(_) => failed(is_done),
        }
    }
}

impl JournalMachine for IdealJournal {
    fn read(&mut self) -> JournalStep {
        self.read.clear();
        self.state = State::ReadingHead;
        JournalStep::Request(get(HEAD))
    }

    // spec: J-3
    fn open(&mut self, segment: SegmentName, bytes: Bytes) -> JournalStep {
        self.tries = 0;
        let is_ours = self.open.as_ref().is_some_and(|open| {
            Some(&open.segment) == self.listed.last()
                && open.segment.generation == segment.generation
        });
        match self.listed.last().copied().filter(|_| !is_ours) {
            Some(newest) => {
                let found = self.read.last().expect("what is listed was read");
                let seals = self.seals.wrapping_add(1).max(1);
                let request = Self::replace(newest, self.newest_tag, &found.bytes, seals);
                self.ask(State::Sealing(segment, bytes), request)
            }
            None => self.make(segment, bytes),
        }
    }

    fn append(&mut self, bytes: Bytes) -> JournalStep {
        self.tries = 0;
        let open = self.open.as_ref().expect("a segment is open");
        let all = [&open.bytes[..], &bytes[..]].concat();
        self.put_append(all)
    }

    fn prove(&mut self, generation: Generation) -> JournalStep {
        self.state = State::Proving(generation);
        JournalStep::Request(get(HEAD))
    }

    fn trim(&mut self, segments: Vec<SegmentName>) -> JournalStep {
        if segments.is_empty() {
            return JournalStep::Trimmed;
        }
        let kept: Vec<SegmentName> =
            self.listed.iter().copied().filter(|name| !segments.contains(name)).collect();
        let request = self.head_with(&kept);
        self.ask(State::Unlisting(segments), request)
    }

    fn answer(&mut self, answer: Answer) -> JournalStep {
        let answer = match said(answer) {
            Said::Answer(answer) => answer,
            Said::NotDone(why) => return self.not_known(false, why),
            Said::Unknown => return self.not_known(false, "no answer came"),
        };
        match (std::mem::take(&mut self.state), answer) {
            (State::ReadingHead, answer) => {
                self.take_head(answer);
                self.read_next(self.listed.iter().copied().collect())
            }
            (State::ReadingSegments(mut left), ObjectAnswer::Data { bytes, tag }) => {
                let name = left.pop_front().expect("one was asked for");
                let (bytes, seals) = loaded(bytes);
                self.read.push(SegmentBytes { name, bytes });
                (self.newest_tag, self.seals) = (Some(tag), seals);
                self.read_next(left)
            }
            // It was trimmed away while we read.
            (State::ReadingSegments(_), ObjectAnswer::NotFound) => self.read(),
            (State::Sealing(segment, bytes), ObjectAnswer::Tagged(_)) => self.make(segment, bytes),
            (State::Making(segment, bytes), ObjectAnswer::Done) => self.list(segment, bytes),
            (State::Listing(segment, bytes), ObjectAnswer::Tagged(tag)) => {
                self.head_tag = Some(tag);
                self.listed.push(segment);
                self.open = Some(Open { segment, bytes: bytes.to_vec(), tag: None });
                self.state = State::Checking(bytes.to_vec());
                JournalStep::Request(get(&Self::object(segment)))
            }
            (State::Sealing(..) | State::Making(..) | State::Listing(..), ObjectAnswer::Exists) => {
                Self::fenced()
            }
            (State::Appending(all), ObjectAnswer::Tagged(tag)) => {
                let open = self.open.as_mut().expect("a segment is open");
                (open.bytes, open.tag) = (all, Some(tag));
                JournalStep::Appended
            }
            (State::Appending(all), ObjectAnswer::Exists) => self.check(all),
            (State::Checking(all), ObjectAnswer::Data { bytes, tag }) => {
                self.checked(all, &bytes, tag)
            }
            (State::Checking(_), ObjectAnswer::NotFound) => Self::fenced(),
            (State::Proving(generation), answer) => match newest_of(&answer) {
                Some(newest) if newest.generation != generation => Self::fenced(),
                newest => JournalStep::Proved(newest.is_some()),
            },
            (State::Unlisting(segments), ObjectAnswer::Tagged(tag)) => {
                self.head_tag = Some(tag);
                self.listed.retain(|name| !segments.contains(name));
                self.delete_next(segments.into())
            }
            // Somebody else opened the journal: it is theirs to trim.
            (State::Unlisting(_), ObjectAnswer::Exists) => JournalStep::Trimmed,
            (State::Deleting(left), ObjectAnswer::Done) => self.delete_next(left),
            (_, other) => out_of_turn(&other),
        }
    }
}

impl IdealJournal {
    /// Somebody wrote to the segment: perhaps we did, and were not told.
    fn check(&mut self, all: Vec<u8>) -> JournalStep {
        let open = self.open.as_ref().expect("a segment is open");
        let request = get(&Self::object(open.segment));
        self.state = State::Checking(all);
        JournalStep::Request(request)
    }

    fn checked(&mut self, all: Vec<u8>, found: &[u8], tag: u64) -> JournalStep {
        let open = self.open.as_mut().expect("a segment is open");
        let was_opening = open.tag.is_none();
        if found != &stored(&all, 0)[..] {
            return Self::fenced();
        }
        (open.bytes, open.tag) = (all, Some(tag));
        if was_opening { JournalStep::Opened } else { JournalStep::Appended }
    }
}

/// The object of a segment.
fn stored(bytes: &[u8], seals: u8) -> Bytes {
    [bytes, &[seals]].concat().into()
}

/// The segment of an object, and how often it was sealed.
fn loaded(mut object: Bytes) -> (Bytes, u8) {
    let seals = object.split_off(object.len().saturating_sub(1));
    (object, seals.first().copied().unwrap_or(0))
}

/// The newest segment that a head lists.
fn newest_of(answer: &ObjectAnswer) -> Option<SegmentName> {
    let ObjectAnswer::Data { bytes, .. } = answer else { return None };
    String::from_utf8_lossy(bytes).lines().last().and_then(SegmentName::parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ideal::IdealStore;
    use crate::model::{ClientId, Service};
    use crate::time::VirtualTime;

    fn segment(number: u64) -> SegmentName {
        SegmentName { generation: Generation { number, nonce: number }, part: 0 }
    }

    fn execute(store: &mut IdealStore, request: &Request) -> Answer {
        store.execute(VirtualTime(0), ClientId { process: 1, machine: 0 }, request)
    }

    /// Lets the store answer until the machine has done what it was told.
    fn done(store: &mut IdealStore, journal: &mut IdealJournal, step: JournalStep) -> JournalStep {
        let mut step = step;
        while let JournalStep::Request(request) = step {
            step = journal.answer(execute(store, &request));
        }
        step
    }

    fn opened(store: &mut IdealStore, number: u64) -> (IdealJournal, Vec<SegmentBytes>) {
        let mut journal = IdealJournal::new();
        let read = journal.read();
        let JournalStep::Read(found) = done(store, &mut journal, read) else {
            panic!("it can be read");
        };
        let opening = journal.open(segment(number), Bytes::from_static(b"head"));
        assert_eq!(done(store, &mut journal, opening), JournalStep::Opened);
        (journal, found)
    }

    #[test]
    fn a_writer_that_looks_after_an_append_finds_its_segment_sealed() {
        // spec: J-3
        let mut store = IdealStore::new();
        let (mut older, _) = opened(&mut store, 1);
        let JournalStep::Request(append) = older.append(Bytes::from_static(b" one")) else {
            panic!("it asks for something");
        };
        execute(&mut store, &append);
        // Nobody tells it; and its successor reads what it wrote.
        let (mut newer, found) = opened(&mut store, 2);
        assert_eq!(found[0].bytes, Bytes::from_static(b"head one"));
        let again = older.answer(Answer::TimedOut);
        let end = done(&mut store, &mut older, again);
        assert!(matches!(end, JournalStep::Fenced { .. }), "{end:?}");
        let appending = newer.append(Bytes::from_static(b" two"));
        assert_eq!(done(&mut store, &mut newer, appending), JournalStep::Appended);
    }

    #[test]
    fn a_writer_whose_append_was_not_answered_goes_on() {
        let mut store = IdealStore::new();
        let (mut journal, _) = opened(&mut store, 1);
        let JournalStep::Request(append) = journal.append(Bytes::from_static(b" one")) else {
            panic!("it asks for something");
        };
        execute(&mut store, &append);
        let again = journal.answer(Answer::TimedOut);
        assert_eq!(done(&mut store, &mut journal, again), JournalStep::Appended);
        let (_, found) = opened(&mut store, 2);
        assert_eq!(found[0].bytes, Bytes::from_static(b"head one"));
    }
}
