//! A lane: one machine of a process with the operations that wait for it, one at a time.

use crate::time::VirtualTime;
use anabranch_engine::ids::{Epoch, Generation, RequestId};
use anabranch_engine::journal::{JournalMachine, JournalStep, SegmentName};
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::{Chunk, Marker, SinkMachine, SinkStep};
use anabranch_engine::snapshot::{SnapshotMachine, SnapshotStep};
use bytes::Bytes;
use std::collections::VecDeque;

/// A machine.
#[derive(Debug)]
pub(super) enum Machine {
    Journal(Box<dyn JournalMachine>),
    Snapshots(Box<dyn SnapshotMachine>),
    Sink(Box<dyn SinkMachine>),
}

/// One thing for a machine to do.
#[derive(Debug)]
pub(super) enum Job {
    ReadJournal,
    OpenJournal { segment: SegmentName, bytes: Bytes },
    Append { bytes: Bytes },
    Note { bytes: Bytes },
    Finish { bytes: Bytes },
    Prove { generation: Generation },
    TrimJournal { segments: Vec<SegmentName> },
    List,
    Load { name: String },
    Store { name: String, parts: Vec<(String, Bytes)>, manifest: Bytes },
    Remove { names: Vec<String> },
    Inspect,
    Open { generation: Generation },
    Apply { chunk: Chunk },
}

/// A job with what the world has to know of it while it is under way.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) job: Job,
    pub(super) tag: Tag,
}

/// What an order is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    ReadJournal {
        request: RequestId,
    },
    OpenJournal,
    /// Records of the epochs after `after` up to `last`.
    Append {
        after: Epoch,
        last: Epoch,
    },
    Note {
        request: RequestId,
    },
    Finish,
    /// For the lane that asked.
    Prove {
        lane: usize,
    },
    /// For the pipeline itself.
    ProveJournal {
        request: RequestId,
    },
    /// Of the journal, after the snapshots.
    TrimJournal {
        request: RequestId,
        failure: Option<String>,
    },
    List {
        request: RequestId,
    },
    Load {
        name: String,
    },
    Store {
        epoch: Epoch,
    },
    /// Of the snapshots, before these segments of the journal.
    Remove {
        request: RequestId,
        segments: Vec<SegmentName>,
    },
    Inspect {
        request: RequestId,
    },
    Open {
        request: RequestId,
    },
    /// A chunk whose rows are of the epochs after `after` up to `last`.
    Apply {
        request: RequestId,
        after: Epoch,
        last: Epoch,
        marker: Marker,
    },
}

/// What a machine wants next, of whichever kind it is.
#[derive(Debug)]
pub(super) enum Step {
    Request(Request),
    Journal(JournalStep),
    Snapshots(SnapshotStep),
    Sink(SinkStep),
}

/// A machine and its orders.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) machine: Machine,
    /// The service that it asks.
    pub(super) service: usize,
    pub(super) queue: VecDeque<Order>,
    pub(super) current: Option<Tag>,
    /// When that was begun.
    pub(super) begun: VirtualTime,
    /// The number of the request that it waits for.
    pub(super) call: Option<u64>,
    pub(super) calls: u64,
    /// Nothing may be written behind what is not known to be durable.
    // spec: J-6
    pub(super) is_broken: bool,
}

impl Lane {
    pub(super) fn new(machine: Machine, service: usize) -> Lane {
        Lane {
            machine,
            service,
            queue: VecDeque::new(),
            current: None,
            begun: VirtualTime(0),
            call: None,
            calls: 0,
            is_broken: false,
        }
    }

    /// Begins the next order, if the machine is free and there is one.
    pub(super) fn begin(&mut self, now: VirtualTime) -> Option<Step> {
        if self.current.is_some() || self.is_broken {
            return None;
        }
        let Order { job, mut tag } = self.queue.pop_front()?;
        let job = match job {
            Job::Append { bytes } => Job::Append { bytes: self.group(bytes, &mut tag) },
            other => other,
        };
        (self.current, self.begun) = (Some(tag), now);
        Some(self.start(job))
    }

    /// Group commit: what waits behind an append becomes durable with it.
    fn group(&mut self, bytes: Bytes, tag: &mut Tag) -> Bytes {
        let mut all: Option<Vec<u8>> = None;
        while let Some(Job::Append { .. }) = self.queue.front().map(|order| &order.job) {
            let Some(Order { job: Job::Append { bytes: more }, tag: next }) =
                self.queue.pop_front()
            else {
                break;
            };
            all.get_or_insert_with(|| bytes.to_vec()).extend_from_slice(&more);
            if let (Tag::Append { last, .. }, Tag::Append { last: further, .. }) = (&mut *tag, next)
            {
                *last = further;
            }
        }
        all.map_or(bytes, Bytes::from)
    }

    fn start(&mut self, job: Job) -> Step {
        match &mut self.machine {
            Machine::Journal(journal) => Step::of_journal(match job {
                Job::ReadJournal => journal.read(),
                Job::OpenJournal { segment, bytes } => journal.open(segment, bytes),
                Job::Append { bytes } | Job::Note { bytes } | Job::Finish { bytes } => {
                    journal.append(bytes)
                }
                Job::Prove { generation } => journal.prove(generation),
                Job::TrimJournal { segments } => journal.trim(segments),
                other => panic!("a journal does not {other:?}"),
            }),
            Machine::Snapshots(snapshots) => Step::of_snapshots(match job {
                Job::List => snapshots.list(),
                Job::Load { name } => snapshots.load(name),
                Job::Store { name, parts, manifest } => snapshots.store(name, parts, manifest),
                Job::Remove { names } => snapshots.remove(names),
                other => panic!("a store of snapshots does not {other:?}"),
            }),
            Machine::Sink(sink) => Step::of_sink(match job {
                Job::Inspect => sink.inspect(),
                Job::Open { generation } => sink.open(generation),
                Job::Apply { chunk } => sink.apply(chunk),
                other => panic!("a sink does not {other:?}"),
            }),
        }
    }

    /// Gives the machine the answer to its last request.
    pub(super) fn answer(&mut self, answer: Answer) -> Step {
        match &mut self.machine {
            Machine::Journal(journal) => Step::of_journal(journal.answer(answer)),
            Machine::Snapshots(snapshots) => Step::of_snapshots(snapshots.answer(answer)),
            Machine::Sink(sink) => Step::of_sink(sink.answer(answer)),
        }
    }

    /// What the sink said at its last failure.
    pub(super) fn failure(&self) -> String {
        match &self.machine {
            Machine::Sink(sink) => sink.failure().to_owned(),
            Machine::Journal(_) | Machine::Snapshots(_) => String::new(),
        }
    }
}

impl Step {
    fn of_journal(step: JournalStep) -> Step {
        match step {
            JournalStep::Request(request) => Step::Request(request),
            other => Step::Journal(other),
        }
    }

    fn of_snapshots(step: SnapshotStep) -> Step {
        match step {
            SnapshotStep::Request(request) => Step::Request(request),
            other => Step::Snapshots(other),
        }
    }

    fn of_sink(step: SinkStep) -> Step {
        match step {
            SinkStep::Request(request) => Step::Request(request),
            other => Step::Sink(other),
        }
    }
}
