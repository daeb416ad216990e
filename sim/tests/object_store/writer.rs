//! Processes that write a journal, one request at a time.

use anabranch_engine::ids::Generation;
use anabranch_engine::journal::{
    JournalMachine, JournalStep, ObjectJournal, SegmentBytes, SegmentName,
};
use anabranch_engine::service::object::ObjectRequest;
use anabranch_engine::service::{Answer, Request};
use anabranch_sim::model::object::ObjectModel;
use anabranch_sim::model::{ClientId, Service};
use anabranch_sim::time::{Span, VirtualTime};
use bytes::Bytes;
use std::collections::VecDeque;

/// The store. Its listings are behind by up to ten requests.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) model: ObjectModel,
    now: VirtualTime,
}

impl Store {
    pub(crate) fn new(seed: u64) -> Store {
        Store { model: ObjectModel::new(Span::ms(10), seed), now: VirtualTime::default() }
    }

    pub(crate) fn execute(&mut self, request: &Request) -> Answer {
        self.now = self.now + Span::ms(1);
        match request {
            Request::Sleep { .. } => Answer::Woken,
            request => self.model.execute(self.now, ClientId::default(), request),
        }
    }
}

/// What a writer does, in order.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    Read,
    /// Opens the next segment of its generation.
    Open,
    /// Appends a record that nobody else appends.
    Append,
    /// Removes all segments but the open one.
    Trim,
}

/// A process with the machine of a journal.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    machine: ObjectJournal,
    nonce: u64,
    acts: VecDeque<Act>,
    pub(crate) request: Option<Request>,
    /// All that it read.
    pub(crate) read: Vec<SegmentBytes>,
    /// The generation that it took, once its first segment is open.
    pub(crate) opened: Option<Generation>,
    segment: SegmentName,
    /// What was confirmed to it, with the segment that holds it.
    pub(crate) acked: Vec<(SegmentName, Bytes)>,
    /// The record that is being written.
    record: Bytes,
    /// Why it came to an end early.
    pub(crate) ended: Option<String>,
    pub(crate) trimmed: Vec<SegmentName>,
}

impl Writer {
    pub(crate) fn start(nonce: u64, acts: &[Act]) -> Writer {
        let mut writer = Writer {
            machine: ObjectJournal::new("job/journal/"),
            nonce,
            acts: acts.iter().cloned().collect(),
            request: None,
            read: Vec::new(),
            opened: None,
            segment: SegmentName::default(),
            acked: Vec::new(),
            record: Bytes::new(),
            ended: None,
            trimmed: Vec::new(),
        };
        writer.next();
        writer
    }

    fn next(&mut self) {
        let Some(act) = self.acts.pop_front() else { return };
        let step = match act {
            Act::Read => self.machine.read(),
            Act::Open => {
                self.segment = self.next_segment();
                self.record = Bytes::from(format!("<{}>", self.segment));
                self.machine.open(self.segment, self.record.clone())
            }
            Act::Append => {
                self.record = Bytes::from(format!("<{}.{}>", self.nonce, self.acts.len()));
                self.machine.append(self.record.clone())
            }
            Act::Trim => {
                let own = (0..self.segment.part).map(|part| SegmentName { part, ..self.segment });
                let read = self.read.iter().map(|segment| segment.name);
                self.trimmed = read.chain(own).collect();
                self.machine.trim(self.trimmed.clone())
            }
        };
        self.take(step);
    }

    /// 1 + the largest generation that was read, or the next part of our own.
    fn next_segment(&self) -> SegmentName {
        if self.opened.is_some() {
            return SegmentName { part: self.segment.part + 1, ..self.segment };
        }
        let found = self.read.iter().map(|segment| segment.name.generation.number).max();
        let generation = Generation { number: found.unwrap_or(0) + 1, nonce: self.nonce };
        SegmentName { generation, part: 0 }
    }

    fn take(&mut self, step: JournalStep) {
        match step {
            JournalStep::Request(request) => {
                self.request = Some(request);
                return;
            }
            JournalStep::Read(segments) => self.read = segments,
            JournalStep::Opened => {
                self.opened = Some(self.segment.generation);
                self.acked.push((self.segment, self.record.clone()));
            }
            JournalStep::Appended => self.acked.push((self.segment, self.record.clone())),
            JournalStep::Trimmed => {}
            JournalStep::Failed { transient: true, .. } if self.opened.is_none() => {
                self.acts.push_front(Act::Read);
            }
            // Not to have trimmed is no harm.
            JournalStep::Failed { transient: true, .. } => {}
            other => {
                self.ended = Some(format!("{other:?}"));
                self.acts.clear();
                return;
            }
        }
        self.next();
    }

    pub(crate) fn answer(&mut self, answer: Answer) {
        assert!(self.request.take().is_some(), "there is a request");
        let step = self.machine.answer(answer);
        self.take(step);
    }

    pub(crate) fn step(&mut self, store: &mut Store) {
        let answer = store.execute(&self.request.clone().expect("a request waits"));
        self.answer(answer);
    }

    pub(crate) fn run(&mut self, store: &mut Store, requests_max: usize) {
        for _ in 0..requests_max {
            if self.request.is_none() {
                return;
            }
            self.step(store);
        }
    }

    /// Whether the next request changes the store.
    pub(crate) fn writes(&self) -> bool {
        match &self.request {
            Some(Request::Object(request)) => match request {
                ObjectRequest::Get { .. } | ObjectRequest::List { .. } => false,
                ObjectRequest::Delete { .. }
                | ObjectRequest::PutNew { .. }
                | ObjectRequest::Replace { .. } => true,
            },
            _ => false,
        }
    }

    fn has_read(&self, record: &[u8]) -> bool {
        self.read.iter().any(|segment| times(&segment.bytes, record) == 1)
    }
}

fn times(bytes: &[u8], record: &[u8]) -> usize {
    bytes.windows(record.len()).filter(|window| *window == record).count()
}

/// What has to hold when all is over.
pub(crate) fn check(store: &mut Store, writers: &[Writer]) {
    // Whoever opened had read all that was ever confirmed to an older generation and not
    // trimmed by one in between.
    // spec: J-3
    for newer in writers.iter().filter(|writer| writer.opened.is_some()) {
        let before = |writer: &&Writer| writer.opened < newer.opened;
        let trimmed: Vec<SegmentName> =
            writers.iter().filter(before).flat_map(|it| it.trimmed.clone()).collect();
        for older in writers.iter().filter(before) {
            for (segment, record) in &older.acked {
                assert!(
                    newer.has_read(record) || trimmed.contains(segment),
                    "{:?} opened without {record:?}, which {:?} was told is durable",
                    newer.opened,
                    older.opened
                );
            }
        }
    }
    let generations: Vec<_> = writers.iter().filter_map(|writer| writer.opened).collect();
    for (index, generation) in generations.iter().enumerate() {
        let twice = generations[..index].iter().any(|it| it.number == generation.number);
        assert!(!twice, "two writers opened as {generation}");
    }
    // What was confirmed is there once, and trimmed only with its whole segment.
    let mut reader = Writer::start(999, &[Act::Read]);
    reader.run(store, 10_000);
    assert_eq!(reader.ended, None);
    let trimmed: Vec<SegmentName> = writers.iter().flat_map(|it| it.trimmed.clone()).collect();
    for (segment, record) in writers.iter().flat_map(|writer| &writer.acked) {
        let of_segment = reader.read.iter().filter(|it| it.name == *segment);
        let found: usize = of_segment.map(|segment| times(&segment.bytes, record)).sum();
        let is_right = found == 1 || (found == 0 && trimmed.contains(segment));
        assert!(is_right, "{record:?} of {segment} is there {found} times");
    }
    let all: Vec<u8> = reader.read.iter().flat_map(|segment| segment.bytes.to_vec()).collect();
    for (index, _) in all.iter().enumerate().filter(|(_, byte)| **byte == b'<') {
        let length = all[index..].iter().position(|byte| *byte == b'>').expect("records end") + 1;
        assert_eq!(times(&all, &all[index..index + length]), 1, "a record stands twice");
    }
}
