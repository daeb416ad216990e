//! The journal as a Kafka topic with one partition, for processes without a lasting disk.
//!
//! There are no transactions in it; an idempotent producer writes with acks=all. To open, a
//! generation appends a *fence*, and then its segment's first entry. Readers take what comes
//! behind a newer fence and is of an older generation for nothing. The fence stands alone
//! because entries of the generation before may have come in since the journal was read:
//! they count, and a header that does not know them would cut them off. So the opening
//! fails then, and since the fence stays, the next one meets a journal at rest.
//!
//! The writer knows which offset each append must get. Another one means that somebody wrote
//! between; it reads what, and knows whether it was fenced before anything was applied.
//!
//! **An append of unknown outcome is resolved by reading** and never written twice: if it
//! does not show up, the machine fails, and the process dies and recovers. A repetition of
//! the same batch, which the broker tells by its sequence number, is sent only if the broker
//! refused the first.
//!
//! Segments are trimmed by `DeleteRecords`. The topic must not be compacted, and nothing of
//! it may be removed by age.

mod record;

use super::{JournalMachine, JournalStep, SegmentBytes, SegmentName};
use crate::ids::Generation;
use crate::planted;
use crate::service::kafka::{
    Cleanup, KafkaAnswer, KafkaError, KafkaRecord, KafkaRequest, ProducerId, TopicPartition,
};
use crate::service::{Answer, Request};
use bytes::Bytes;
use record::{Effect, Tail, TopicRecord};

/// How many bytes are asked for at once.
const FETCH_BYTES: u32 = 8 << 20;
/// How long to wait between attempts, in ms.
const SLEEP_MS: i64 = 10;

/// What a journal in a topic has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicJournalConfig {
    /// The topic.
    pub topic: String,
    /// How long what goes away by itself is waited for, in each step.
    pub patience_ms: i64,
}

/// The machine of a journal in a topic.
#[derive(Clone, Debug)]
pub struct TopicJournal {
    config: TopicJournalConfig,
    tail: Tail,
    /// Whether the log was read from its start to some end.
    is_read: bool,
    /// Whether entries came in since, which whoever read it does not know.
    has_unread: bool,
    /// The segment that is open; appends go there.
    open: Option<SegmentName>,
    producer: Option<ProducerId>,
    /// The sequence number of the next batch.
    sequence: i32,
    state: State,
    /// The last request, to be repeated after a sleep.
    asked: Option<Request>,
    slept_ms: i64,
}

/// What is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// The topic is looked at before it is read.
    Describing(Goal),
    Creating(Goal),
    /// The log is read up to its end, or to an offset.
    Reading {
        goal: Goal,
        until: Option<i64>,
    },
    Initialising {
        segment: SegmentName,
        bytes: Bytes,
    },
    Writing(Write),
    Trimming,
}

/// Why the log is read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Goal {
    Read,
    Prove(Generation),
    /// To see what came of a write.
    Resolve {
        write: Write,
        waits: bool,
    },
}

/// A record that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Write {
    Fence { segment: SegmentName, bytes: Bytes },
    Entry { segment: SegmentName, index: u64, bytes: Bytes },
}

impl Write {
    fn record(&self) -> TopicRecord {
        match self {
            Write::Fence { segment, .. } => TopicRecord::Fence(segment.generation),
            Write::Entry { segment, index, bytes } => {
                TopicRecord::Entry { segment: *segment, index: *index, bytes: bytes.clone() }
            }
        }
    }

    /// The same as an entry of its own: a mistake, which only a plant makes.
    fn once_more(self) -> Write {
        match self {
            Write::Entry { segment, index, bytes } if index > 0 => {
                Write::Entry { segment, index: index + 1, bytes }
            }
            first => first,
        }
    }

    fn generation(&self) -> Generation {
        match self {
            Write::Fence { segment, .. } | Write::Entry { segment, .. } => segment.generation,
        }
    }
}

impl TopicJournal {
    /// A journal that was not read yet.
    #[must_use]
    pub fn new(config: TopicJournalConfig) -> TopicJournal {
        TopicJournal {
            config,
            tail: Tail::default(),
            is_read: false,
            has_unread: false,
            open: None,
            producer: None,
            sequence: 0,
            state: State::Idle,
            asked: None,
            slept_ms: 0,
        }
    }

    fn partition(&self) -> TopicPartition {
        TopicPartition { topic: self.config.topic.clone(), partition: 0 }
    }

    fn ask(&mut self, state: State, request: KafkaRequest) -> JournalStep {
        let request = Request::Kafka(request);
        (self.state, self.asked) = (state, Some(request.clone()));
        JournalStep::Request(request)
    }

    /// Waits, and asks the same again; or fails if that has lasted too long.
    fn sleep(&mut self, state: State, said: &str) -> JournalStep {
        if self.slept_ms >= self.config.patience_ms {
            return self.fail(said.to_owned(), true);
        }
        self.slept_ms += SLEEP_MS;
        self.state = state;
        JournalStep::Request(Request::Sleep { ms: SLEEP_MS })
    }

    fn fail(&mut self, said: String, transient: bool) -> JournalStep {
        self.state = State::Idle;
        self.open = None;
        let message = format!("{}: {said}", self.config.topic);
        JournalStep::Failed { message, transient }
    }

    fn fenced(&mut self, by: Generation) -> JournalStep {
        (self.state, self.open) = (State::Idle, None);
        JournalStep::Fenced { by: format!("generation {by}") }
    }

    fn describe(&mut self, goal: Goal) -> JournalStep {
        let topic = self.config.topic.clone();
        self.ask(State::Describing(goal), KafkaRequest::Describe { topic })
    }

    fn fetch(&mut self, goal: Goal, until: Option<i64>) -> JournalStep {
        let request = KafkaRequest::Fetch {
            from: self.partition(),
            offset: self.tail.next,
            bytes_max: FETCH_BYTES,
            committed: false,
        };
        self.ask(State::Reading { goal, until }, request)
    }

    fn write(&mut self, write: Write) -> JournalStep {
        let request = KafkaRequest::Produce {
            transactional_id: None,
            producer: self.producer,
            to: self.partition(),
            sequence: self.sequence,
            records: vec![write.record().encode()],
        };
        self.ask(State::Writing(write), request)
    }

    fn on_answer(&mut self, state: State, answer: KafkaAnswer) -> JournalStep {
        match (state, answer) {
            (state, KafkaAnswer::Error(error)) => self.on_error(state, error),
            (State::Describing(goal), KafkaAnswer::Topic { partitions, .. }) => {
                let [partition] = partitions[..] else {
                    let count = partitions.len();
                    return self.fail(format!("a journal has one partition, not {count}"), false);
                };
                self.tail = Tail::starting_at(partition.log_start);
                self.fetch(goal, None)
            }
            (State::Creating(goal), KafkaAnswer::Done) => self.describe(goal),
            (
                State::Reading { goal, until },
                KafkaAnswer::Records { records, next_offset, high_watermark, .. },
            ) => self.on_records(goal, until.unwrap_or(high_watermark), &records, next_offset),
            (State::Initialising { segment, bytes }, KafkaAnswer::Producer(producer)) => {
                (self.producer, self.sequence) = (Some(producer), 0);
                self.write(Write::Fence { segment, bytes })
            }
            (State::Writing(write), KafkaAnswer::Produced { base_offset }) => {
                self.on_produced(write, base_offset)
            }
            (State::Trimming, KafkaAnswer::Done) => JournalStep::Trimmed,
            (state, answer) => panic!("{answer:?} is no answer to {state:?}"),
        }
    }

    // spec: F-2
    fn on_error(&mut self, state: State, error: KafkaError) -> JournalStep {
        let said = format!("{error:?}");
        match (state, error) {
            // What is open stays open: an append will tell.
            (
                State::Describing(Goal::Prove(_)) | State::Reading { goal: Goal::Prove(_), .. },
                _,
            ) => JournalStep::Proved(false),
            (State::Describing(goal), KafkaError::UnknownTopic) if self.slept_ms == 0 => {
                let (topic, partitions) = (self.config.topic.clone(), 1);
                let cleanup = Cleanup::Nothing;
                let request = KafkaRequest::CreateTopic { topic, partitions, cleanup };
                // It may be unknown for a moment longer.
                self.slept_ms = 1;
                self.ask(State::Creating(goal), request)
            }
            (State::Creating(goal), KafkaError::TopicExists) => self.describe(goal),
            (State::Writing(write), KafkaError::NotLeader | KafkaError::UnknownTopic) => {
                // It may be in the log all the same: the same batch is told by its number.
                self.sleep(State::Writing(write), &said)
            }
            // spec: K-4
            (
                State::Writing(write),
                KafkaError::RequestTimedOut | KafkaError::DuplicateSequence,
            ) => self.resolve(write),
            (
                state,
                KafkaError::NotLeader
                | KafkaError::UnknownTopic
                | KafkaError::CoordinatorUnavailable,
            ) => self.sleep(state, &said),
            (state, _) => {
                let transient =
                    !matches!(state, State::Writing(_)) && error != KafkaError::Rejected;
                self.fail(said, transient)
            }
        }
    }

    /// An append must get the offset that comes next; otherwise somebody wrote between.
    // spec: J-3
    fn on_produced(&mut self, write: Write, base_offset: i64) -> JournalStep {
        self.take_sequence();
        if base_offset > self.tail.next && !planted!(J2) {
            let goal = Goal::Resolve { write, waits: false };
            return self.fetch(goal, Some(base_offset + 1));
        }
        if base_offset < self.tail.next {
            return self
                .fail(format!("an append went to offset {base_offset}, which was taken"), false);
        }
        match self.tail.take(base_offset, &write.record().encode()) {
            Ok(Effect::None) if !planted!(J2) => {
                let by = self.tail.owner.expect("only an owner keeps others out");
                self.fenced(by)
            }
            Ok(Effect::None | Effect::Entered | Effect::Owned(_)) => self.written(write),
            Err(what) => self.fail(what, false),
        }
    }

    /// The broker took a batch, and its sequence number with it: it takes no other batch of
    /// that number, but says that it did.
    fn take_sequence(&mut self) {
        self.sequence = self.sequence.checked_add(1).unwrap_or(0);
    }

    /// A record counts.
    fn written(&mut self, write: Write) -> JournalStep {
        self.tail.drop_bytes();
        match write {
            Write::Fence { .. } if self.has_unread => {
                self.fail("it was written to while it was taken over".into(), true)
            }
            Write::Fence { segment, bytes } => {
                self.slept_ms = 0;
                self.write(Write::Entry { segment, index: 0, bytes })
            }
            Write::Entry { segment, index: 0, .. } => {
                (self.state, self.open) = (State::Idle, Some(segment));
                JournalStep::Opened
            }
            Write::Entry { .. } => {
                self.state = State::Idle;
                JournalStep::Appended
            }
        }
    }

    /// Looks whether a write of unknown outcome is in the log.
    // spec: K-4
    fn resolve(&mut self, write: Write) -> JournalStep {
        self.fetch(Goal::Resolve { write, waits: true }, None)
    }

    fn on_records(
        &mut self,
        goal: Goal,
        until: i64,
        records: &[(i64, KafkaRecord)],
        next_offset: i64,
    ) -> JournalStep {
        let mut is_there = false;
        let known = self.tail.next;
        for (offset, record) in records.iter().filter(|(offset, _)| *offset >= known) {
            let effect = match self.tail.take(*offset, record) {
                Ok(effect) => effect,
                Err(what) => return self.fail(what, false),
            };
            match &goal {
                Goal::Resolve { write, .. } if is_that(write, effect, &self.tail) => {
                    is_there = true
                }
                // Only before an opening can entries of others still count.
                Goal::Read | Goal::Prove(_) | Goal::Resolve { .. } => {
                    self.has_unread |= effect == Effect::Entered && self.open.is_none();
                }
            }
        }
        self.tail.next = self.tail.next.max(next_offset);
        if let Goal::Resolve { write, waits } = &goal {
            if let Some(by) = self.tail.owner.filter(|owner| outranks(*owner, write.generation())) {
                return self.fenced(by);
            }
            if is_there {
                // Of one that was acknowledged this is known already.
                if *waits {
                    self.take_sequence();
                }
                return self.written(write.clone());
            }
        }
        if self.tail.next < until {
            let is_bound = matches!(goal, Goal::Resolve { waits: false, .. });
            return self.fetch(goal, is_bound.then_some(until));
        }
        self.end_reading(goal)
    }

    /// All segments, and an empty one for an owner that wrote nothing but its fence: whoever
    /// opens next has to take a larger number than that one did.
    // spec: G-1
    fn read_segments(&mut self) -> Vec<SegmentBytes> {
        let mut segments = self.tail.take_bytes();
        if let Some(generation) = self.tail.owner
            && segments.iter().all(|segment| segment.name.generation != generation)
        {
            let name = SegmentName { generation, part: 0 };
            segments.push(SegmentBytes { name, bytes: Bytes::new() });
        }
        segments
    }

    fn end_reading(&mut self, goal: Goal) -> JournalStep {
        match goal {
            Goal::Read => {
                (self.state, self.is_read, self.has_unread) = (State::Idle, true, false);
                JournalStep::Read(self.read_segments())
            }
            Goal::Prove(generation) => {
                self.tail.drop_bytes();
                (self.state, self.is_read) = (State::Idle, true);
                match self.tail.owner {
                    Some(owner) if outranks(owner, generation) => self.fenced(owner),
                    owner => JournalStep::Proved(owner == Some(generation)),
                }
            }
            Goal::Resolve { write, waits: true } => {
                let state =
                    State::Reading { goal: Goal::Resolve { write, waits: true }, until: None };
                let step = self.sleep(state, "an append did not show up");
                // Whatever came meanwhile was taken in.
                if let Some(Request::Kafka(KafkaRequest::Fetch { offset, .. })) = &mut self.asked {
                    *offset = self.tail.next;
                }
                step
            }
            // It was acknowledged at an offset at which it is not.
            Goal::Resolve { write, waits: false } => match self.tail.owner {
                Some(by) if by != write.generation() => self.fenced(by),
                Some(_) | None => self.fail("an append is gone".into(), false),
            },
        }
    }

    fn on_no_answer(&mut self, state: State, answer: &Answer) -> JournalStep {
        let is_sent = *answer == Answer::TimedOut;
        match state {
            State::Writing(write) if is_sent && planted!(J7) => {
                self.producer = None;
                self.write(write.once_more())
            }
            State::Writing(write) if is_sent => self.resolve(write),
            State::Describing(Goal::Prove(_)) | State::Reading { goal: Goal::Prove(_), .. } => {
                self.state = State::Idle;
                JournalStep::Proved(false)
            }
            state => self.sleep(state, &format!("{answer:?}")),
        }
    }
}

/// Whether the record that had this effect is the write that is looked for.
fn is_that(write: &Write, effect: Effect, tail: &Tail) -> bool {
    match write {
        Write::Fence { segment, .. } => effect == Effect::Owned(segment.generation),
        Write::Entry { segment, index, .. } => {
            effect == Effect::Entered && tail.entries(*segment) == *index + 1
        }
    }
}

/// Whether an owner keeps a generation out.
// spec: G-1
fn outranks(owner: Generation, own: Generation) -> bool {
    owner.number > own.number || (owner.number == own.number && owner.nonce != own.nonce)
}

impl JournalMachine for TopicJournal {
    fn read(&mut self) -> JournalStep {
        (self.slept_ms, self.open) = (0, None);
        self.describe(Goal::Read)
    }

    fn open(&mut self, segment: SegmentName, bytes: Bytes) -> JournalStep {
        assert!(self.is_read, "a journal is read before it is opened");
        self.slept_ms = 0;
        if self.open.is_some_and(|open| open.generation == segment.generation) {
            return self.write(Write::Entry { segment, index: 0, bytes });
        }
        let request = KafkaRequest::InitProducer { transactional_id: None, timeout_ms: 0 };
        self.ask(State::Initialising { segment, bytes }, request)
    }

    fn append(&mut self, bytes: Bytes) -> JournalStep {
        let segment = self.open.expect("a segment is open when something is appended");
        self.slept_ms = 0;
        self.write(Write::Entry { segment, index: self.tail.entries(segment), bytes })
    }

    fn prove(&mut self, generation: Generation) -> JournalStep {
        self.slept_ms = 0;
        let goal = Goal::Prove(generation);
        if self.is_read { self.fetch(goal, None) } else { self.describe(goal) }
    }

    // spec: J-4
    fn trim(&mut self, segments: Vec<SegmentName>) -> JournalStep {
        self.slept_ms = 0;
        let Some(before) = self.tail.forget(&segments) else {
            return JournalStep::Trimmed;
        };
        let from = self.partition();
        self.ask(State::Trimming, KafkaRequest::DeleteRecords { from, before })
    }

    fn answer(&mut self, answer: Answer) -> JournalStep {
        match (std::mem::replace(&mut self.state, State::Idle), answer) {
            (State::Idle, answer) => panic!("an answer to no request: {answer:?}"),
            (state, Answer::Woken) => {
                self.state = state;
                JournalStep::Request(self.asked.clone().expect("something was asked before"))
            }
            (state, Answer::Kafka(answer)) => self.on_answer(state, answer),
            (state, answer @ (Answer::Unreachable | Answer::TimedOut)) => {
                self.on_no_answer(state, &answer)
            }
            (
                _,
                answer @ (Answer::Fs(_)
                | Answer::Redis(_)
                | Answer::ClickHouse(_)
                | Answer::Object(_)
                | Answer::Proved(_)),
            ) => panic!("a request to Kafka is answered by Kafka, not by {answer:?}"),
        }
    }
}
