//! A journal over an object store: no lock, only writes that fail if the object is there.
//!
//! Every append is an object of its own. The objects are numbered through all segments
//! and generations, and a writer knows which number it must get: whoever finds that
//! number taken by other bytes has been replaced. A generation opens by creating the
//! next number, too; so that one object is its claim, and fences every older writer at
//! the number that it would have used next.
// spec: J-3
//!
//! What always holds:
//! - *A number is written by one writer.* An unknown outcome is resolved by reading that
//!   number and comparing; the same bytes are never written under another one.
//! - *Numbers have no holes*, and reading an object is up to date: so a journal is read
//!   number by number up to the first that is not there. Listings may be stale and are
//!   only used to notice a hole.
//! - *A claim*, the first record of a generation, *is never removed.* An older writer that comes back after its successor's
//!   records were trimmed finds it all the same. Who opens looks, behind its claim, at
//!   the base: the number may have been free because what stood there was trimmed.
//!
//! Somebody who appends between our reading and our opening makes the opening end as
//! fenced: what was read is not the whole history.
//!
//! Records that a trim which was cut short left behind stay.

mod put;
mod record;

use crate::codec::DecodeError;
use crate::ids::Generation;
use crate::journal::{JournalMachine, JournalStep, SegmentBytes, SegmentName};
use crate::service::object::{DELETE_MAX, ObjectAnswer, ObjectRequest};
use crate::service::{Answer, Request};
use bytes::Bytes;
use put::{Goal, Put, writer_of};
use record::{Record, decode_base, encode_base};
use std::mem;

/// The machine of a journal in an object store.
#[derive(Clone, Debug)]
pub struct ObjectJournal {
    /// What the names of all objects begin with.
    prefix: String,
    /// The number of the next record; known once the journal was read.
    next: Option<u64>,
    /// The segments from the base on, each with the numbers of its records, oldest first.
    runs: Vec<Run>,
    /// The segment that is open.
    open: Option<SegmentName>,
    /// The number below which nothing is left to be removed, as far as is known.
    removed: u64,
    state: State,
}

/// The records of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    segment: SegmentName,
    first: u64,
    /// The number after its last record.
    end: u64,
}

/// Where the machine is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Idle,
    // Reading, in this order.
    ReadingBase,
    ReadingRecord(Reading),
    /// There is no next record: looking whether there are later ones.
    LookingBehind(Reading),
    /// There are later ones: reading this one again.
    ReadingAgain(Reading),
    /// It is still not there: was it trimmed?
    ReadingBaseAgain(Reading),
    // Writing.
    Putting(Put),
    Comparing(Put),
    /// Waiting before the put is tried again.
    Waiting(Put),
    CheckingBase(Put),
    Proving,
    // Trimming, in this order.
    CheckingOwner {
        first: u64,
    },
    FindingBase {
        first: u64,
    },
    MovingBase {
        first: u64,
    },
    Deleting {
        first: u64,
        names: Vec<String>,
    },
}

/// What was read so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Reading {
    number: u64,
    segments: Vec<SegmentBytes>,
    payloads: Vec<u8>,
    runs: Vec<Run>,
}

impl ObjectJournal {
    /// The journal whose objects' names begin so.
    #[must_use]
    pub fn new(prefix: &str) -> ObjectJournal {
        ObjectJournal {
            prefix: prefix.to_owned(),
            next: None,
            runs: Vec::new(),
            open: None,
            removed: 0,
            state: State::Idle,
        }
    }

    fn name(&self, number: u64) -> String {
        format!("{}{number:020}", self.prefix)
    }

    fn base(&self) -> String {
        format!("{}base", self.prefix)
    }

    fn ask(&mut self, state: State, request: ObjectRequest) -> JournalStep {
        self.state = state;
        JournalStep::Request(Request::Object(request))
    }

    fn fail(&mut self, message: String, transient: bool) -> JournalStep {
        self.open = None;
        JournalStep::Failed { message, transient }
    }

    fn damaged(&mut self, name: &str, error: &DecodeError) -> JournalStep {
        self.fail(format!("{name} is damaged: {error}"), false)
    }

    fn get(&mut self, state: State, name: String) -> JournalStep {
        self.ask(state, ObjectRequest::Get { name })
    }

    fn read_from(&mut self, answer: &ObjectAnswer) -> JournalStep {
        let number = match base_of(answer) {
            Ok(number) => number,
            Err(error) => return self.damaged(&self.base(), &error),
        };
        self.removed = number;
        self.read_record(Reading { number, ..Reading::default() })
    }

    fn read_record(&mut self, reading: Reading) -> JournalStep {
        let name = self.name(reading.number);
        self.get(State::ReadingRecord(reading), name)
    }

    /// Takes the record, or gives back the reading if there is none.
    fn took(
        &mut self,
        mut reading: Reading,
        answer: &ObjectAnswer,
    ) -> Result<JournalStep, Reading> {
        let ObjectAnswer::Data { bytes, .. } = answer else {
            return Err(reading);
        };
        match Record::decode(reading.number, bytes) {
            Ok(record) => {
                reading.take(&record);
                Ok(self.read_record(reading))
            }
            Err(error) => Ok(self.damaged(&self.name(reading.number), &error)),
        }
    }

    /// Whether there are records behind the last one that was found.
    fn looked_behind(&mut self, reading: Reading, names: &[String]) -> JournalStep {
        let last = self.name(reading.number);
        let is_later = |name: &String| {
            let digits = name.strip_prefix(&self.prefix).unwrap_or_default();
            digits.len() == 20 && digits.bytes().all(|it| it.is_ascii_digit()) && *name > last
        };
        if names.iter().any(is_later) {
            return self.get(State::ReadingAgain(reading), last);
        }
        let (segments, runs) = reading.end();
        (self.next, self.runs) = (Some(runs.1), runs.0);
        JournalStep::Read(segments)
    }

    /// A record is missing, and later ones are there: it may have been trimmed just now.
    // spec: J-6
    fn missing(&mut self, reading: &Reading, answer: &ObjectAnswer) -> JournalStep {
        match base_of(answer) {
            Ok(first) if first > reading.number => {
                self.removed = first;
                self.read_record(Reading { number: first, ..Reading::default() })
            }
            Ok(_) => {
                let name = self.name(reading.number);
                self.fail(format!("{name} is missing, though later records are there"), false)
            }
            Err(error) => self.damaged(&self.base(), &error),
        }
    }

    /// Somebody newer may need what we would remove.
    fn find_base(&mut self, first: u64, is_free: bool) -> JournalStep {
        if !is_free {
            return JournalStep::Trimmed;
        }
        let name = self.base();
        self.get(State::FindingBase { first }, name)
    }

    /// Moves the base, before anything is removed: it never names what is not there.
    fn move_base(&mut self, first: u64, answer: &ObjectAnswer) -> JournalStep {
        match base_of(answer) {
            Ok(old) if old < first => {}
            Ok(old) if old == first => return self.delete(first),
            Ok(_) => return JournalStep::Trimmed,
            Err(error) => {
                let message = format!("{} is damaged: {error}", self.base());
                return JournalStep::Failed { message, transient: false };
            }
        }
        let tag = match answer {
            ObjectAnswer::Data { tag, .. } => Some(*tag),
            _ => None,
        };
        let request = ObjectRequest::Replace { name: self.base(), tag, bytes: encode_base(first) };
        self.ask(State::MovingBase { first }, request)
    }

    /// Nothing stands where the own next record goes, or the first record of whoever took
    /// over, whose claim is never removed.
    // spec: J-3
    fn proved(&mut self, answer: &ObjectAnswer) -> JournalStep {
        let ObjectAnswer::Data { bytes, .. } = answer else {
            return JournalStep::Proved(*answer == ObjectAnswer::NotFound);
        };
        let number = self.next.expect("only an owner asks");
        self.fenced(writer_of(number, bytes))
    }

    /// Removes what is before the base, but no claim.
    fn delete(&mut self, first: u64) -> JournalStep {
        let is_claim =
            |number: u64| self.runs.iter().any(|run| run.segment.part == 0 && run.first == number);
        let gone = (self.removed..first).filter(|number| !is_claim(*number));
        let names = gone.map(|number| self.name(number)).collect();
        self.delete_next(first, names)
    }

    fn delete_next(&mut self, first: u64, mut names: Vec<String>) -> JournalStep {
        if names.is_empty() {
            self.removed = first;
            self.runs.retain(|run| run.end > first);
            return JournalStep::Trimmed;
        }
        let rest = names.split_off(names.len().min(DELETE_MAX));
        self.ask(State::Deleting { first, names: rest }, ObjectRequest::Delete { names })
    }

    /// What comes of a request for which no answer came: reading and trimming may be
    /// tried again.
    fn unanswered(&mut self, answer: &Answer) -> JournalStep {
        match mem::replace(&mut self.state, State::Idle) {
            State::Putting(put) | State::Comparing(put) | State::CheckingBase(put) => {
                self.put_again(put, matches!(answer, Answer::TimedOut))
            }
            State::Proving => JournalStep::Proved(false),
            State::Idle | State::Waiting(_) => panic!("an answer to no request: {answer:?}"),
            State::ReadingBase
            | State::ReadingRecord(_)
            | State::LookingBehind(_)
            | State::ReadingAgain(_)
            | State::ReadingBaseAgain(_) => {
                self.fail("the object store does not answer".to_owned(), true)
            }
            // What is open stays open.
            State::CheckingOwner { .. }
            | State::FindingBase { .. }
            | State::MovingBase { .. }
            | State::Deleting { .. } => {
                let message = "the object store does not answer".to_owned();
                JournalStep::Failed { message, transient: true }
            }
        }
    }

    fn answered(&mut self, answer: ObjectAnswer) -> JournalStep {
        match (mem::replace(&mut self.state, State::Idle), answer) {
            (State::ReadingBase, answer) => self.read_from(&answer),
            (State::ReadingRecord(reading), answer) => match self.took(reading, &answer) {
                Ok(step) => step,
                Err(reading) => {
                    let prefix = self.prefix.clone();
                    self.ask(State::LookingBehind(reading), ObjectRequest::List { prefix })
                }
            },
            (State::LookingBehind(reading), ObjectAnswer::Names(names)) => {
                self.looked_behind(reading, &names)
            }
            (State::ReadingAgain(reading), answer) => match self.took(reading, &answer) {
                Ok(step) => step,
                Err(reading) => {
                    let name = self.base();
                    self.get(State::ReadingBaseAgain(reading), name)
                }
            },
            (State::ReadingBaseAgain(reading), answer) => self.missing(&reading, &answer),
            (State::Putting(put), answer) => self.put_answered(put, &answer),
            (State::Comparing(put), answer) => self.compared(put, &answer),
            (State::CheckingBase(put), answer) => self.base_checked(put, &answer),
            (State::Proving, answer) => self.proved(&answer),
            (State::CheckingOwner { first }, answer) => {
                self.find_base(first, answer == ObjectAnswer::NotFound)
            }
            (State::FindingBase { first }, answer) => self.move_base(first, &answer),
            (State::MovingBase { first }, ObjectAnswer::Tagged(_)) => self.delete(first),
            // Somebody else trims.
            (State::MovingBase { .. }, ObjectAnswer::Exists) => JournalStep::Trimmed,
            (State::Deleting { first, names }, ObjectAnswer::Done) => {
                self.delete_next(first, names)
            }
            (state, answer) => panic!("{answer:?} is no answer to {state:?}"),
        }
    }
}

impl Reading {
    /// Takes a record. One of an older segment than the newest was written by somebody who
    /// had been replaced, and does not count.
    // spec: J-3
    fn take(&mut self, record: &Record) {
        self.number = record.number + 1;
        match self.runs.last_mut() {
            Some(run) if run.segment == record.segment => run.end = record.number + 1,
            Some(run) if run.segment > record.segment => return,
            _ => {
                self.end_segment();
                let (segment, first) = (record.segment, record.number);
                self.runs.push(Run { segment, first, end: first + 1 });
            }
        }
        self.payloads.extend_from_slice(&record.payload);
    }

    fn end_segment(&mut self) {
        if let Some(run) = self.runs.last() {
            let bytes = mem::take(&mut self.payloads).into();
            self.segments.push(SegmentBytes { name: run.segment, bytes });
        }
    }

    fn end(mut self) -> (Vec<SegmentBytes>, (Vec<Run>, u64)) {
        self.end_segment();
        (self.segments, (self.runs, self.number))
    }
}

/// Where the records begin; 0 if that was never moved.
fn base_of(answer: &ObjectAnswer) -> Result<u64, DecodeError> {
    match answer {
        ObjectAnswer::Data { bytes, .. } => decode_base(bytes),
        ObjectAnswer::NotFound => Ok(0),
        other => panic!("{other:?} is no answer to reading an object"),
    }
}

impl JournalMachine for ObjectJournal {
    fn read(&mut self) -> JournalStep {
        assert_eq!(self.open, None, "a journal is read before it is opened");
        let name = self.base();
        self.get(State::ReadingBase, name)
    }

    // spec: J-3
    fn open(&mut self, segment: SegmentName, bytes: Bytes) -> JournalStep {
        let number = self.next.expect("a journal is read before it is opened");
        self.open = None;
        self.put(Put::new(Goal::Open, Record { number, segment, payload: bytes }))
    }

    fn append(&mut self, bytes: Bytes) -> JournalStep {
        let segment = self.open.expect("a segment is open");
        let number = self.next.expect("an open journal was read");
        self.put(Put::new(Goal::Append, Record { number, segment, payload: bytes }))
    }

    // spec: K-3
    fn prove(&mut self, generation: Generation) -> JournalStep {
        let ours = self.open.filter(|segment| segment.generation == generation);
        match (ours, self.next) {
            (Some(_), Some(next)) => {
                let name = self.name(next);
                self.get(State::Proving, name)
            }
            _ => JournalStep::Proved(false),
        }
    }

    // spec: J-4
    fn trim(&mut self, segments: Vec<SegmentName>) -> JournalStep {
        let kept = self.runs.iter().find(|run| !segments.contains(&run.segment));
        match (kept.map(|run| run.first), self.next) {
            (Some(first), Some(next)) if self.open.is_some() => {
                let name = self.name(next);
                self.get(State::CheckingOwner { first }, name)
            }
            _ => JournalStep::Trimmed,
        }
    }

    fn answer(&mut self, answer: Answer) -> JournalStep {
        match answer {
            Answer::Object(ObjectAnswer::Busy) | Answer::Unreachable | Answer::TimedOut => {
                self.unanswered(&answer)
            }
            Answer::Object(answer) => self.answered(answer),
            Answer::Woken => match mem::replace(&mut self.state, State::Idle) {
                State::Waiting(put) => self.put(put),
                state => panic!("nobody slept in {state:?}"),
            },
            other => panic!("an object store does not answer {other:?}"),
        }
    }
}
