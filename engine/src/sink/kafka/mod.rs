//! The Kafka sink: one transaction for each chunk, with the marker in it.
//!
//! The marker is a record of a compacted *progress topic*, written in the same transaction
//! as the chunk's data: a committed reader sees both or neither (K-2). One transactional id
//! for each shard of a sink, the same for ever, fences older generations (K-3).
//!
//! The protocol is the one that every broker speaks: the epoch of a producer stays the same
//! over its transactions. There a request that comes late may meet a *later* transaction of
//! the same producer, and a late commit would commit half a chunk. Therefore a producer is
//! never used again after an outcome that is not known: the machine closes, and opening it
//! initialises a new one, which the broker tells from the old one by its epoch.
//!
//! What it does not do: resume a transaction, or lean on a transaction's timeout. What was
//! not committed is sent again.

mod applying;
mod opening;
mod partition;
mod progress;
mod scan;

pub use progress::{Progress, STAMP_HEADER, Stamp, writer_hash};

use crate::ids::Generation;
use crate::planted;
use crate::service::kafka::{KafkaError, ProducerId, TopicPartition};
use crate::service::{Answer, Request};
use crate::sink::{
    ApplyOutcome, Chunk, FailKind, Marker, OpenOutcome, SinkMachine, SinkShard, SinkStep, Verdict,
    judge,
};
use applying::{ApplyStep, Transaction};
use opening::{Aim, Opening, OpeningStep};
use std::collections::BTreeMap;
use std::mem;

/// How often a producer is initialised again within one apply.
const RENEWALS_MAX: u32 = 3;
/// The longest of the sleeps between attempts, in ms.
const SLEEP_MS_MAX: i64 = 20;

/// What a Kafka sink has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaSinkConfig {
    /// The transactional id: stable, and of this job, sink and shard alone.
    pub transactional_id: String,
    /// The topic of the rows.
    pub topic: String,
    /// How many partitions it gets if it has to be created.
    pub partitions: u32,
    /// The topic of claims and markers. Several sinks may share it.
    pub progress_topic: String,
    /// The partition of it that is used.
    pub progress_partition: u32,
    /// After so long the coordinator aborts a transaction of a process that died: so long
    /// committed readers may have to wait then.
    pub transaction_timeout_ms: i64,
    /// About how many bytes of keys and values go into one batch.
    pub batch_bytes_max: usize,
    /// How long refusals that go away by themselves are waited for, in each step.
    pub patience_ms: i64,
}

impl KafkaSinkConfig {
    /// The usual settings of a job's sink that writes to a topic.
    #[must_use]
    pub fn new(job: &str, target: SinkShard, topic: &str) -> KafkaSinkConfig {
        let SinkShard { sink, shard } = target;
        KafkaSinkConfig {
            transactional_id: format!("anabranch-{job}-{sink}-{shard}"),
            topic: topic.to_owned(),
            partitions: 1,
            progress_topic: format!("anabranch-{job}-progress"),
            progress_partition: 0,
            transaction_timeout_ms: 15_000,
            // Half of what a broker takes by default.
            batch_bytes_max: 512 << 10,
            patience_ms: 30_000,
        }
    }

    /// By what name the coordinator knows the producer of a generation: by the same for all
    /// of them, so that each fences those before it.
    // spec: K-3
    fn producer_name(&self, generation: Generation) -> String {
        match planted!(R6) {
            true => format!("{}-{generation}", self.transactional_id),
            false => self.transactional_id.clone(),
        }
    }

    /// Where claims and markers stand.
    fn progress(&self) -> TopicPartition {
        TopicPartition { topic: self.progress_topic.clone(), partition: self.progress_partition }
    }
}

/// What holds while the sink is open.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Opened {
    producer: ProducerId,
    /// What stands beside each marker of this generation. Its own marker is not used.
    progress: Progress,
    /// The marker of the last chunk that was committed.
    marker: Option<Marker>,
    /// The sequence number of the next record, for each partition that this producer
    /// epoch has written to.
    sequences: BTreeMap<TopicPartition, i32>,
    /// Whether the producer must be initialised again before it writes.
    must_renew: bool,
}

impl Opened {
    fn sequence(&self, to: &TopicPartition) -> i32 {
        self.sequences.get(to).copied().unwrap_or(0)
    }
}

#[derive(Clone, Debug)]
enum State {
    Closed,
    Inspecting(Box<Opening>),
    Opening(Box<Opening>),
    Open(Box<Opened>),
    Applying(Box<Opened>, Box<Transaction>, Attempt),
    /// The producer is initialised again, and then the chunk judged anew.
    Renewing(Box<Opening>, Attempt),
}

/// A chunk that is being applied.
#[derive(Clone, Debug)]
struct Attempt {
    chunk: Chunk,
    renewals: u32,
}

/// The machine of one shard of a Kafka sink.
#[derive(Clone, Debug)]
pub struct KafkaSink {
    config: KafkaSinkConfig,
    generation: Generation,
    state: State,
    /// A producer whose last outcome is not known; only a planted mistake uses it.
    doubtful: Option<Opened>,
    /// The epoch of the last producer that was opened; only a planted mistake looks at it.
    last_epoch: i16,
    /// What was said at the last failure.
    failure: String,
}

impl KafkaSink {
    /// A closed sink.
    #[must_use]
    pub fn new(config: KafkaSinkConfig) -> KafkaSink {
        KafkaSink {
            config,
            generation: Generation::default(),
            state: State::Closed,
            doubtful: None,
            last_epoch: -1,
            failure: String::new(),
        }
    }

    /// Whether chunks can be applied.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    fn on_inspecting(&mut self, mut opening: Box<Opening>, answer: Answer) -> SinkStep {
        match opening.answer(answer) {
            OpeningStep::Ask(request) => {
                self.state = State::Inspecting(opening);
                SinkStep::Request(request)
            }
            OpeningStep::Inspected(inspection) => SinkStep::Inspected(Ok(inspection)),
            OpeningStep::Failed(outcome, said) => {
                self.failure = said;
                SinkStep::Inspected(Err(self.as_apply_outcome(&outcome)))
            }
            OpeningStep::Opened(_) => unreachable!("looking opens nothing"),
        }
    }

    fn on_opening(&mut self, mut opening: Box<Opening>, answer: Answer) -> SinkStep {
        match opening.answer(answer) {
            OpeningStep::Ask(request) => {
                self.state = State::Opening(opening);
                SinkStep::Request(request)
            }
            OpeningStep::Opened(opened)
                if planted!(K15) && opened.producer.epoch <= self.last_epoch =>
            {
                self.failure = "the producer's epoch did not grow".into();
                SinkStep::Opened(OpenOutcome::Failed(FailKind::Transient))
            }
            OpeningStep::Opened(opened) => {
                let marker = opened.marker;
                self.last_epoch = opened.producer.epoch;
                self.state = State::Open(Box::new(opened));
                SinkStep::Opened(OpenOutcome::Opened { marker })
            }
            OpeningStep::Failed(outcome, said) => {
                self.failure = said;
                SinkStep::Opened(outcome)
            }
            OpeningStep::Inspected(_) => unreachable!("opening does more than look"),
        }
    }

    fn on_renewing(
        &mut self,
        mut opening: Box<Opening>,
        attempt: Attempt,
        answer: Answer,
    ) -> SinkStep {
        match opening.answer(answer) {
            OpeningStep::Ask(request) => {
                self.state = State::Renewing(opening, attempt);
                SinkStep::Request(request)
            }
            OpeningStep::Opened(opened) => self.attempt(Box::new(opened), attempt),
            OpeningStep::Failed(outcome, said) => {
                self.failure = said;
                SinkStep::Applied(self.as_apply_outcome(&outcome))
            }
            OpeningStep::Inspected(_) => unreachable!("opening does more than look"),
        }
    }

    /// What a failed opening means for whoever did not ask for one. The machine is closed
    /// then, so the next opening says the rest.
    fn as_apply_outcome(&self, outcome: &OpenOutcome) -> ApplyOutcome {
        match outcome {
            OpenOutcome::Fenced { by } => ApplyOutcome::Fenced { by: *by },
            OpenOutcome::Opened { .. }
            | OpenOutcome::Locked { .. }
            | OpenOutcome::Damaged { .. }
            | OpenOutcome::Failed(_) => ApplyOutcome::Failed(FailKind::Unknown),
        }
    }

    /// Judges a chunk by the marker and begins its transaction if it is to be applied.
    // spec: K-1, K-7
    fn attempt(&mut self, opened: Box<Opened>, attempt: Attempt) -> SinkStep {
        if opened.must_renew {
            return self.renew(attempt);
        }
        let outcome = match verdict(opened.marker, &attempt.chunk) {
            Verdict::Apply => {
                let (transaction, request) =
                    Transaction::new(&self.config, &opened, &attempt.chunk);
                self.state = State::Applying(opened, Box::new(transaction), attempt);
                return SinkStep::Request(request);
            }
            Verdict::Duplicate => ApplyOutcome::Duplicate,
            Verdict::Gap => ApplyOutcome::Gap { found: opened.marker },
            Verdict::Diverged => {
                let found = opened.marker.expect("only a marker can be at the place of another");
                ApplyOutcome::Diverged { found }
            }
        };
        self.state = State::Open(opened);
        SinkStep::Applied(outcome)
    }

    fn renew(&mut self, attempt: Attempt) -> SinkStep {
        let attempt = Attempt { renewals: attempt.renewals + 1, ..attempt };
        if attempt.renewals > RENEWALS_MAX {
            return SinkStep::Applied(ApplyOutcome::Failed(FailKind::Unknown));
        }
        let (opening, request) = Opening::new(&self.config, Aim::Own(self.generation), None);
        self.state = State::Renewing(Box::new(opening), attempt);
        SinkStep::Request(request)
    }

    fn on_applying(
        &mut self,
        mut opened: Box<Opened>,
        mut transaction: Box<Transaction>,
        attempt: Attempt,
        answer: Answer,
    ) -> SinkStep {
        let outcome = match transaction.answer(&mut opened, answer) {
            ApplyStep::Ask(request) => {
                self.state = State::Applying(opened, transaction, attempt);
                return SinkStep::Request(request);
            }
            ApplyStep::Committed => {
                opened.marker = Some(attempt.chunk.marker);
                ApplyOutcome::Applied
            }
            ApplyStep::Failed(kind, said) => {
                self.failure = said;
                ApplyOutcome::Failed(kind)
            }
            // A timeout of the transaction, or another process: opening tells which.
            ApplyStep::ProducerLost(said) => {
                self.failure = said;
                return self.renew(attempt);
            }
            ApplyStep::Unknown(_) if planted!(K1) => return self.attempt(opened, attempt),
            ApplyStep::Unknown(said) => {
                self.failure = said;
                self.doubtful = Some(*opened);
                return SinkStep::Applied(ApplyOutcome::Failed(FailKind::Unknown));
            }
        };
        self.state = State::Open(opened);
        SinkStep::Applied(outcome)
    }
}

impl SinkMachine for KafkaSink {
    fn inspect(&mut self) -> SinkStep {
        let (opening, request) = Opening::new(&self.config, Aim::Inspect, None);
        self.state = State::Inspecting(Box::new(opening));
        SinkStep::Request(request)
    }

    // spec: K-3
    fn open(&mut self, generation: Generation) -> SinkStep {
        self.generation = generation;
        // spec: K-4
        let kept = self.doubtful.take().filter(|_| planted!(K14));
        let (opening, request) = Opening::new(&self.config, Aim::Own(generation), kept);
        self.state = State::Opening(Box::new(opening));
        SinkStep::Request(request)
    }

    fn apply(&mut self, chunk: Chunk) -> SinkStep {
        let State::Open(opened) = mem::replace(&mut self.state, State::Closed) else {
            panic!("a chunk is applied to an open sink");
        };
        self.attempt(opened, Attempt { chunk, renewals: 0 })
    }

    fn answer(&mut self, answer: Answer) -> SinkStep {
        match mem::replace(&mut self.state, State::Closed) {
            State::Closed | State::Open(_) => panic!("an answer to no request: {answer:?}"),
            State::Inspecting(opening) => self.on_inspecting(opening, answer),
            State::Opening(opening) => self.on_opening(opening, answer),
            State::Renewing(opening, attempt) => self.on_renewing(opening, attempt, answer),
            State::Applying(opened, transaction, attempt) => {
                self.on_applying(opened, transaction, attempt, answer)
            }
        }
    }

    fn failure(&self) -> &str {
        &self.failure
    }
}

fn verdict(found: Option<Marker>, chunk: &Chunk) -> Verdict {
    let is_taken_for_duplicate = found.is_some_and(|found| {
        (planted!(K17) && found.epoch == chunk.marker.epoch)
            || (planted!(K19) && found.same_place(&chunk.marker))
    });
    if is_taken_for_duplicate { Verdict::Duplicate } else { judge(found, chunk) }
}

/// What an error means for whoever writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The transaction has to be aborted; then the same may go well.
    Abortable,
    /// It goes away by itself, and the same request may be repeated.
    Passing,
    /// This producer cannot go on.
    Producer,
    /// It will not get better.
    Refused,
    /// It may have been done.
    Unclear,
}

// spec: F-2
fn trouble(error: KafkaError) -> Trouble {
    match error {
        KafkaError::ConcurrentTransactions
        | KafkaError::CoordinatorUnavailable
        | KafkaError::NotLeader
        | KafkaError::UnknownTopic => Trouble::Passing,
        KafkaError::DuplicateSequence
        | KafkaError::InvalidProducerEpoch
        | KafkaError::InvalidProducerIdMapping
        | KafkaError::InvalidTransactionState
        | KafkaError::OutOfOrderSequence
        | KafkaError::ProducerFenced
        | KafkaError::UnknownProducerId => Trouble::Producer,
        KafkaError::OffsetOutOfRange | KafkaError::RequestTimedOut => Trouble::Unclear,
        KafkaError::Rejected | KafkaError::TopicExists => Trouble::Refused,
        KafkaError::TransactionAbortable => Trouble::Abortable,
    }
}

/// Sleeps between attempts, longer from one to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Backoff {
    attempts: u32,
    slept_ms: i64,
}

impl Backoff {
    /// The next sleep; `None` if patience is at its end.
    fn sleep(&mut self, patience_ms: i64) -> Option<Request> {
        if self.slept_ms >= patience_ms {
            return None;
        }
        let ms = (1_i64 << self.attempts.min(10)).min(SLEEP_MS_MAX);
        self.attempts += 1;
        self.slept_ms += ms;
        Some(Request::Sleep { ms })
    }

    /// Something was begun already that may take a moment.
    fn begun(&mut self) {
        self.attempts = 1;
    }
}
