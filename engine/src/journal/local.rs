//! The journal as files of one folder, one for each segment.
//!
//! A lock in the folder is held as long as the process lives, so there is one writer.
//! What is read is made durable first: a process that was killed may have written what it
//! never synced, and no output may rest on that. A segment counts when its file and its
//! name are synced, a record when its file is.
//!
//! After any failure of opening or appending the machine does nothing more: what is
//! durable is judged at the next start. What was written in part is taken back before, if
//! that can be done.

use super::{JournalMachine, JournalStep, SegmentBytes, SegmentName};
use crate::ids::Generation;
use crate::planted;
use crate::service::fs::{FsAnswer, FsFailure, FsRequest};
use crate::service::{Answer, Request};
use bytes::Bytes;
use std::mem;

/// The name of the locked file.
pub const LOCK: &str = "lock";

/// What the lock says of a process that is not a generation yet.
pub const STARTING: &str = "starting";

/// The machine of a journal in a folder.
#[derive(Clone, Debug, Default)]
pub struct LocalJournal {
    /// The segment that is written.
    open: Option<OpenSegment>,
    state: State,
}

/// A segment that this machine created.
#[derive(Clone, Copy, Debug)]
struct OpenSegment {
    name: SegmentName,
    /// How many bytes it has, all of them durable.
    length: u64,
}

/// Where the machine is. Each state but the first and the last waits for the answer to
/// one request.
#[derive(Clone, Debug, Default)]
enum State {
    #[default]
    Idle,
    // Reading, in this order; `left` are the segments to be read, newest first.
    Locking,
    Listing,
    SyncingSegment {
        left: Vec<SegmentName>,
        read: Vec<SegmentBytes>,
    },
    ReadingSegment {
        left: Vec<SegmentName>,
        read: Vec<SegmentBytes>,
    },
    SyncingNames {
        read: Vec<SegmentBytes>,
    },
    // Opening, in this order.
    Claiming {
        segment: OpenSegment,
        bytes: Bytes,
    },
    Creating {
        segment: OpenSegment,
    },
    SyncingCreated {
        segment: OpenSegment,
    },
    SyncingName {
        segment: OpenSegment,
    },
    // Appending, in this order.
    Writing {
        bytes: Bytes,
    },
    Syncing {
        bytes: u64,
    },
    // What was written in part is taken back: a segment, or a part of one.
    TakingBack {
        message: String,
    },
    Proving {
        generation: Generation,
    },
    // Trimming, one segment after the other; `left` are those to be removed, newest first.
    Removing {
        left: Vec<SegmentName>,
    },
    SyncingRemoved {
        left: Vec<SegmentName>,
    },
    /// Nothing is written any more.
    // spec: J-6
    Ended,
}

impl LocalJournal {
    /// A machine that holds nothing yet.
    #[must_use]
    pub fn new() -> LocalJournal {
        LocalJournal::default()
    }

    fn ask(&mut self, state: State, request: FsRequest) -> JournalStep {
        self.state = state;
        JournalStep::Request(Request::Fs(request))
    }

    /// Ends what was asked, with nothing under way any more.
    fn end(&mut self, outcome: JournalStep) -> JournalStep {
        self.state = State::Idle;
        outcome
    }

    /// Ends everything.
    // spec: J-6
    fn give_up(&mut self, message: String) -> JournalStep {
        self.state = State::Ended;
        JournalStep::Failed { message, transient: false }
    }

    /// What every call gets once the machine has ended.
    fn refusal(&mut self) -> Option<JournalStep> {
        match self.state {
            State::Idle => None,
            State::Ended => Some(self.give_up("the journal failed before".into())),
            _ => panic!("one thing at a time, and not in {:?}", self.state),
        }
    }

    /// Holds the lock, or takes it.
    // spec: J-3
    fn lock(&mut self, state: State, holder: String) -> JournalStep {
        self.ask(state, FsRequest::Lock { name: LOCK.into(), holder })
    }

    /// Syncs the next segment before it is read, or the names when all were.
    // spec: J-1
    fn read_next(&mut self, left: Vec<SegmentName>, read: Vec<SegmentBytes>) -> JournalStep {
        match left.last() {
            Some(name) => {
                let name = name.file_name();
                self.ask(State::SyncingSegment { left, read }, FsRequest::SyncFile { name })
            }
            None => self.ask(State::SyncingNames { read }, FsRequest::SyncDir),
        }
    }

    fn remove_next(&mut self, mut left: Vec<SegmentName>) -> JournalStep {
        let Some(name) = left.pop() else {
            return self.end(JournalStep::Trimmed);
        };
        let name = name.file_name();
        self.ask(State::Removing { left }, FsRequest::Remove { name })
    }

    fn open_segment(&self) -> OpenSegment {
        self.open.expect("a segment is open while records are appended")
    }

    fn write(&mut self, at: u64, bytes: Bytes) -> JournalStep {
        let name = self.open_segment().name.file_name();
        let request = FsRequest::Append { name, at, bytes: bytes.clone() };
        self.ask(State::Writing { bytes }, request)
    }

    /// It is done, and it gave this.
    fn done(&mut self, answer: FsAnswer) -> JournalStep {
        match mem::take(&mut self.state) {
            State::Idle | State::Ended => panic!("an answer to no request: {answer:?}"),
            State::Locking => self.ask(State::Listing, FsRequest::List),
            State::Listing => {
                let names = names_of(answer);
                let mut left: Vec<_> = names.iter().filter_map(|n| SegmentName::parse(n)).collect();
                left.sort_unstable_by(|a, b| b.cmp(a));
                self.read_next(left, Vec::new())
            }
            State::SyncingSegment { left, read } => {
                let name = left.last().expect("it was synced to be read").file_name();
                self.ask(State::ReadingSegment { left, read }, FsRequest::Read { name })
            }
            State::ReadingSegment { mut left, mut read } => {
                let name = left.pop().expect("it was read");
                read.push(SegmentBytes { name, bytes: data_of(answer) });
                self.read_next(left, read)
            }
            State::SyncingNames { read } => self.end(JournalStep::Read(read)),
            State::Claiming { segment, bytes } => self.create(segment, bytes),
            State::Creating { segment } => {
                let name = segment.name.file_name();
                self.ask(State::SyncingCreated { segment }, FsRequest::SyncFile { name })
            }
            State::SyncingCreated { segment } => {
                self.ask(State::SyncingName { segment }, FsRequest::SyncDir)
            }
            State::SyncingName { segment } => {
                self.open = Some(segment);
                self.end(JournalStep::Opened)
            }
            State::Writing { bytes } => {
                let name = self.open_segment().name.file_name();
                let bytes = bytes.len() as u64;
                self.ask(State::Syncing { bytes }, FsRequest::SyncFile { name })
            }
            State::Syncing { bytes } => {
                self.open.as_mut().expect("it was appended to").length += bytes;
                self.end(JournalStep::Appended)
            }
            State::TakingBack { message } => self.give_up(message),
            State::Proving { generation } => {
                let is_ours = self.open.is_some_and(|open| open.name.generation == generation);
                self.end(JournalStep::Proved(is_ours))
            }
            State::Removing { left } => {
                self.ask(State::SyncingRemoved { left }, FsRequest::SyncDir)
            }
            State::SyncingRemoved { left } => self.remove_next(left),
        }
    }

    /// Makes the segment, which nobody else may have made.
    // spec: J-3, J-6
    fn create(&mut self, segment: OpenSegment, bytes: Bytes) -> JournalStep {
        let name = segment.name.file_name();
        self.ask(State::Creating { segment }, FsRequest::Create { name, bytes })
    }

    /// It is not done, or only in part.
    fn failed(&mut self, kind: FsFailure, what: String) -> JournalStep {
        if kind == FsFailure::Locked && planted!(J2) {
            return self.done(FsAnswer::Done);
        }
        let unknown = format!("{what}; what is durable is unknown");
        match mem::take(&mut self.state) {
            State::Idle | State::Ended => panic!("a failure of no request: {what}"),
            State::Locking if kind == FsFailure::Locked => {
                self.end(JournalStep::Fenced { by: what })
            }
            // Whoever was the owner, or would be it, writes nothing more.
            State::Claiming { .. } | State::Proving { .. } if kind == FsFailure::Locked => {
                self.state = State::Ended;
                JournalStep::Fenced { by: what }
            }
            // The lock is held: what it says only helps whoever finds it so.
            State::Claiming { segment, bytes } => self.create(segment, bytes),
            State::Locking | State::Listing | State::ReadingSegment { .. } => {
                let transient = kind == FsFailure::Other;
                self.end(JournalStep::Failed { message: what, transient })
            }
            State::Creating { segment } if kind == FsFailure::Exists => {
                let by = format!("another process, which made {} first", segment.name);
                self.state = State::Ended;
                JournalStep::Fenced { by }
            }
            // Without a record in it the segment can go again. If it cannot be removed, it
            // is a torn one, which readers pass over.
            State::Creating { segment } => {
                let name = segment.name.file_name();
                self.ask(State::TakingBack { message: what }, FsRequest::Remove { name })
            }
            State::Writing { .. } if kind != FsFailure::Moved => {
                let OpenSegment { name, length } = self.open_segment();
                let request = FsRequest::Truncate { name: name.file_name(), length };
                self.ask(State::TakingBack { message: what }, request)
            }
            State::Writing { .. } => self.give_up(what),
            State::TakingBack { message } => {
                self.give_up(format!("{message}; what was written of it stays: {what}"))
            }
            State::SyncingSegment { .. }
            | State::SyncingNames { .. }
            | State::SyncingCreated { .. }
            | State::SyncingName { .. }
            | State::Syncing { .. }
            | State::SyncingRemoved { .. } => self.give_up(unknown),
            State::Proving { .. } => self.end(JournalStep::Proved(false)),
            State::Removing { .. } => {
                self.end(JournalStep::Failed { message: what, transient: true })
            }
        }
    }

    /// Nobody knows whether it was done, or will be.
    // spec: K-4
    fn unanswered(&mut self) -> JournalStep {
        let message = String::from("the folder of the journal does not answer");
        match mem::take(&mut self.state) {
            State::Idle | State::Ended => panic!("no answer to no request"),
            State::Locking
            | State::Listing
            | State::SyncingSegment { .. }
            | State::ReadingSegment { .. }
            | State::SyncingNames { .. }
            | State::Removing { .. }
            | State::SyncingRemoved { .. } => {
                self.end(JournalStep::Failed { message, transient: true })
            }
            State::Writing { bytes } if planted!(J7) => {
                let at = self.open_segment().length + bytes.len() as u64;
                self.write(at, bytes)
            }
            State::Claiming { .. }
            | State::Creating { .. }
            | State::SyncingCreated { .. }
            | State::SyncingName { .. }
            | State::Writing { .. }
            | State::Syncing { .. }
            | State::TakingBack { .. } => {
                self.give_up(format!("{message}; what is durable is unknown"))
            }
            State::Proving { .. } => self.end(JournalStep::Proved(false)),
        }
    }
}

impl JournalMachine for LocalJournal {
    // spec: J-1, J-3
    fn read(&mut self) -> JournalStep {
        if let Some(refusal) = self.refusal() {
            return refusal;
        }
        self.lock(State::Locking, STARTING.into())
    }

    fn open(&mut self, segment: SegmentName, bytes: Bytes) -> JournalStep {
        if let Some(refusal) = self.refusal() {
            return refusal;
        }
        let holder = format!("generation {}", segment.generation);
        let segment = OpenSegment { name: segment, length: bytes.len() as u64 };
        self.lock(State::Claiming { segment, bytes }, holder)
    }

    // spec: J-1, J-6
    fn append(&mut self, bytes: Bytes) -> JournalStep {
        if let Some(refusal) = self.refusal() {
            return refusal;
        }
        let at = self.open_segment().length;
        self.write(at, bytes)
    }

    /// Holding the lock that others find in the folder proves it: whoever is newer had to
    /// take it. A folder that was moved away or removed is not the one they find.
    // spec: J-3
    fn prove(&mut self, generation: Generation) -> JournalStep {
        if let Some(refusal) = self.refusal() {
            return refusal;
        }
        self.ask(State::Proving { generation }, FsRequest::ProveLock { name: LOCK.into() })
    }

    fn trim(&mut self, mut segments: Vec<SegmentName>) -> JournalStep {
        if let Some(refusal) = self.refusal() {
            return refusal;
        }
        // A power failure in between leaves the newest of them.
        segments.sort_unstable_by(|a, b| b.cmp(a));
        self.remove_next(segments)
    }

    fn answer(&mut self, answer: Answer) -> JournalStep {
        match answer {
            Answer::Fs(FsAnswer::Failed { kind, what }) => self.failed(kind, what),
            Answer::Fs(answer) => self.done(answer),
            Answer::Unreachable | Answer::TimedOut => self.unanswered(),
            other => panic!("a folder does not answer {other:?}"),
        }
    }
}

fn names_of(answer: FsAnswer) -> Vec<String> {
    let FsAnswer::Names(names) = answer else {
        panic!("a list is answered by names, not by {answer:?}");
    };
    names
}

fn data_of(answer: FsAnswer) -> Bytes {
    let FsAnswer::Data(bytes) = answer else {
        panic!("a read is answered by data, not by {answer:?}");
    };
    bytes
}
