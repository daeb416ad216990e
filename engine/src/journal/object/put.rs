//! Creating the next record, whatever becomes of the request.

use super::record::Record;
use super::{ObjectJournal, Run, State, base_of};
use crate::journal::JournalStep;
use crate::service::Request;
use crate::service::object::{ObjectAnswer, ObjectRequest};
use bytes::Bytes;

/// How often a put is tried before the journal gives up.
const TRIES_MAX: u32 = 8;
/// How long the first wait is; each further one is twice as long.
const WAIT_MS: i64 = 20;

/// What a put is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    Append,
    Open,
}

/// A record on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Put {
    goal: Goal,
    record: Record,
    bytes: Bytes,
    /// How often it failed.
    failures: u32,
}

impl Put {
    pub(super) fn new(goal: Goal, record: Record) -> Put {
        let bytes = record.encode();
        Put { goal, record, bytes, failures: 0 }
    }

    /// The same under the next number: only a planted bug does that.
    fn moved(self) -> Put {
        let number = self.record.number + 1;
        Put::new(self.goal, Record { number, ..self.record })
    }
}

impl ObjectJournal {
    pub(super) fn put(&mut self, put: Put) -> JournalStep {
        let (name, bytes) = (self.name(put.record.number), put.bytes.clone());
        self.ask(State::Putting(put), ObjectRequest::PutNew { name, bytes })
    }

    pub(super) fn put_answered(&mut self, put: Put, answer: &ObjectAnswer) -> JournalStep {
        match answer {
            ObjectAnswer::Done => self.put_done(put),
            ObjectAnswer::Exists => self.compare(put),
            other => panic!("{other:?} is no answer to a put"),
        }
    }

    fn compare(&mut self, put: Put) -> JournalStep {
        let name = self.name(put.record.number);
        self.get(State::Comparing(put), name)
    }

    /// The outcome is not known, or nothing was done: the number tells which.
    // spec: K-4
    pub(super) fn put_again(&mut self, mut put: Put, is_unknown: bool) -> JournalStep {
        put.failures += 1;
        if put.failures >= TRIES_MAX {
            let name = self.name(put.record.number);
            return self.fail(format!("{name} cannot be written: no answer"), false);
        }
        if is_unknown && put.goal == Goal::Append && crate::planted!(J7) {
            return self.put(put.moved());
        }
        let ms = WAIT_MS << (put.failures - 1);
        self.state = State::Waiting(put);
        JournalStep::Request(Request::Sleep { ms })
    }

    /// The number is taken: by an earlier try of ours, or by somebody else.
    // spec: J-3
    pub(super) fn compared(&mut self, put: Put, answer: &ObjectAnswer) -> JournalStep {
        let ObjectAnswer::Data { bytes, .. } = answer else {
            // It was there, and was removed: by somebody to whom it is history.
            let by = "a newer run, which has trimmed the journal since".to_owned();
            return self.fenced(by);
        };
        if *bytes == put.bytes {
            return self.put_done(put);
        }
        if put.goal == Goal::Append && crate::planted!(J2) {
            return self.put(put.moved());
        }
        self.fenced(writer_of(put.record.number, bytes))
    }

    pub(super) fn fenced(&mut self, by: String) -> JournalStep {
        self.open = None;
        JournalStep::Fenced { by }
    }

    fn put_done(&mut self, put: Put) -> JournalStep {
        if put.goal == Goal::Append {
            return self.appended(&put);
        }
        let name = self.base();
        self.get(State::CheckingBase(put), name)
    }

    /// Whether the number was free only because what had stood there was trimmed.
    pub(super) fn base_checked(&mut self, put: Put, answer: &ObjectAnswer) -> JournalStep {
        match base_of(answer) {
            Ok(first) if first > put.record.number => {
                self.fenced("a run that has trimmed the journal since it was read".to_owned())
            }
            Ok(_) => {
                let Record { number, segment, .. } = put.record;
                self.open = Some(segment);
                self.next = Some(number + 1);
                self.runs.push(Run { segment, first: number, end: number + 1 });
                JournalStep::Opened
            }
            Err(error) => self.damaged(&self.base(), &error),
        }
    }

    fn appended(&mut self, put: &Put) -> JournalStep {
        let end = put.record.number + 1;
        self.next = Some(end);
        let run = self.runs.last_mut().expect("the open segment has a run");
        run.end = end;
        JournalStep::Appended
    }
}

/// Whoever wrote the record of this number, which is not ours.
pub(super) fn writer_of(number: u64, bytes: &Bytes) -> String {
    match Record::decode(number, bytes) {
        Ok(record) => format!("generation {}", record.segment.generation),
        Err(error) => format!("whoever wrote a record that cannot be read ({error})"),
    }
}
