//! Opening the sink: fence, claim, read the marker, look at the data.
//!
//! 1. The topics are looked at, and created if they are missing.
//! 2. The journal is asked whether this generation is the newest, and at once the producer
//!    is initialised, which fences every other one of the transactional id and aborts what
//!    it left open. A refusal that goes away by itself starts again with the question.
//! 3. The end of the progress topic is read. A newer generation's claim ends the opening
//!    before anything is written.
//! 4. A claim is committed in a transaction of its own.
//! 5. The progress topic is read on until that claim is seen. What committed readers see
//!    ends at the last stable offset, which transactions of other sinks hold back: only
//!    behind the own claim is it certain that no marker of ours is still hidden.
//! 6. The ends of the data partitions are compared with the marker.
//!
//! The same machine inspects (steps 1 and 3 alone) and tells who the newer owner is if the
//! answer in step 2 is no.

mod looking;

use super::progress::{Progress, Stamp};
use super::scan::TailScan;
use super::{Backoff, KafkaSinkConfig, Opened, Trouble, trouble};
use crate::ids::Generation;
use crate::planted;
use crate::service::kafka::{
    Cleanup, KafkaAnswer, KafkaError, KafkaRequest, PartitionState, ProducerId,
};
use crate::service::{Answer, Request};
use crate::sink::{FailKind, Inspection, OpenOutcome};

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aim {
    /// Only to look.
    Inspect,
    /// To write.
    Own(Generation),
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OpeningStep {
    Ask(Request),
    Inspected(Inspection),
    Opened(Opened),
    /// It did not come to that. Never [`OpenOutcome::Opened`].
    Failed(OpenOutcome, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    DescribingData,
    CreatingData,
    DescribingProgress,
    CreatingProgress,
    Proving,
    Initialising,
    Scanning,
    AddingClaim,
    ProducingClaim,
    EndingClaim,
    ReadingOn,
    LookingAtTail,
    /// A data record is beyond the marker: has somebody taken over since it was read?
    ReadingAgain,
    /// The journal says that this generation is not the newest: who is?
    AskingWho,
}

/// The machine.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    config: KafkaSinkConfig,
    aim: Aim,
    stage: Stage,
    backoff: Backoff,
    /// The last request, to be repeated after a sleep.
    asked: Request,
    topic_id: [u8; 16],
    data: Vec<PartitionState>,
    scan: Option<TailScan>,
    /// The last marker that was found, with what stands beside it.
    found: Option<Progress>,
    /// The newest generation that wrote to the progress topic.
    claim: Option<Generation>,
    producer: Option<ProducerId>,
    /// A producer that is used again (a planted mistake).
    kept: Option<Opened>,
    /// Where the own claim stands.
    claim_offset: Option<i64>,
    claim_seen: bool,
    /// The data partition that is looked at.
    tail: u32,
    tail_stamp: Option<Stamp>,
    /// The scan of the progress topic, while data partitions are scanned.
    progress_scan: Option<TailScan>,
    /// What is wrong unless somebody has taken over.
    suspicion: String,
    /// Up to where the progress topic has to be read to know.
    suspicion_until: Option<i64>,
}

impl Opening {
    pub(super) fn new(
        config: &KafkaSinkConfig,
        aim: Aim,
        kept: Option<Opened>,
    ) -> (Opening, Request) {
        let (stage, topic) = match aim {
            Aim::Inspect => (Stage::DescribingProgress, &config.progress_topic),
            Aim::Own(_) => (Stage::DescribingData, &config.topic),
        };
        let asked = Request::Kafka(KafkaRequest::Describe { topic: topic.clone() });
        let opening = Opening {
            config: config.clone(),
            aim,
            stage,
            backoff: Backoff::default(),
            asked: asked.clone(),
            topic_id: [0; 16],
            data: Vec::new(),
            scan: None,
            found: None,
            claim: None,
            producer: None,
            kept,
            claim_offset: None,
            claim_seen: false,
            tail: 0,
            tail_stamp: None,
            progress_scan: None,
            suspicion: String::new(),
            suspicion_until: None,
        };
        (opening, asked)
    }

    pub(super) fn answer(&mut self, answer: Answer) -> OpeningStep {
        let answer = match answer {
            Answer::Woken => return OpeningStep::Ask(self.asked.clone()),
            Answer::Proved(is_newest) => return self.on_proved(is_newest),
            Answer::Unreachable | Answer::TimedOut => {
                return self.fail(FailKind::Transient, format!("{answer:?}"));
            }
            Answer::Kafka(answer) => answer,
            Answer::Fs(_) | Answer::Redis(_) | Answer::ClickHouse(_) | Answer::Object(_) => {
                panic!("a request to Kafka is answered by Kafka, not by {answer:?}")
            }
        };
        match (self.stage, answer) {
            (_, KafkaAnswer::Error(error)) => self.on_error(error),
            (Stage::DescribingData, KafkaAnswer::Topic { topic_id, partitions }) => {
                (self.topic_id, self.data) = (topic_id, partitions);
                self.describe_progress()
            }
            (Stage::CreatingData, KafkaAnswer::Done) => self.describe_data(),
            (Stage::DescribingProgress, KafkaAnswer::Topic { partitions, .. }) => {
                self.on_progress_described(&partitions)
            }
            (Stage::CreatingProgress, KafkaAnswer::Done) => self.describe_progress(),
            (Stage::Initialising, KafkaAnswer::Producer(producer)) => {
                self.producer = Some(producer);
                if planted!(K3) { self.add_claim() } else { self.fetch(Stage::Scanning) }
            }
            (Stage::AddingClaim, KafkaAnswer::Done) => self.produce_claim(),
            (Stage::ProducingClaim, KafkaAnswer::Produced { base_offset }) => {
                self.claim_offset = Some(base_offset);
                let transactional_id = self.config.producer_name(self.own_generation());
                let producer = self.own_producer();
                let commit = true;
                self.ask(
                    Stage::EndingClaim,
                    KafkaRequest::EndTransaction { transactional_id, producer, commit },
                )
            }
            (Stage::EndingClaim, KafkaAnswer::Done) => {
                if planted!(K3) {
                    return self.look_at_tails();
                }
                self.scan_mut().read_on();
                self.fetch(Stage::ReadingOn)
            }
            (
                Stage::Scanning
                | Stage::ReadingOn
                | Stage::LookingAtTail
                | Stage::ReadingAgain
                | Stage::AskingWho,
                KafkaAnswer::Records {
                    records,
                    next_offset,
                    last_stable_offset,
                    high_watermark,
                    ..
                },
            ) => {
                self.suspicion_until.get_or_insert(high_watermark);
                self.on_records(&records, next_offset, last_stable_offset)
            }
            (stage, answer) => panic!("{answer:?} is no answer to {stage:?}"),
        }
    }

    fn ask(&mut self, stage: Stage, request: KafkaRequest) -> OpeningStep {
        self.ask_any(stage, Request::Kafka(request))
    }

    fn ask_any(&mut self, stage: Stage, request: Request) -> OpeningStep {
        if self.stage != stage {
            self.backoff = Backoff::default();
        }
        self.stage = stage;
        self.asked = request.clone();
        OpeningStep::Ask(request)
    }

    /// Nothing that was done so far counts as the sink's data; so opening again is all
    /// that is needed, whatever failed.
    fn fail(&self, kind: FailKind, said: String) -> OpeningStep {
        let message = format!("{:?}: {said}", self.stage);
        OpeningStep::Failed(OpenOutcome::Failed(kind), message)
    }

    fn damaged(&self, what: String) -> OpeningStep {
        OpeningStep::Failed(OpenOutcome::Damaged { what: what.clone() }, what)
    }

    // spec: F-2, F-4
    fn on_error(&mut self, error: KafkaError) -> OpeningStep {
        match (self.stage, error) {
            (Stage::DescribingProgress, KafkaError::UnknownTopic) if self.aim == Aim::Inspect => {
                return OpeningStep::Inspected(Inspection::default());
            }
            (Stage::DescribingData | Stage::DescribingProgress, KafkaError::UnknownTopic)
                if self.backoff == Backoff::default() =>
            {
                return self.create_missing();
            }
            (Stage::CreatingData, KafkaError::TopicExists) => return self.describe_data(),
            (Stage::CreatingProgress, KafkaError::TopicExists) => return self.describe_progress(),
            (_, _) => {}
        }
        match trouble(error) {
            Trouble::Passing => self.sleep(error),
            Trouble::Refused => self.fail(FailKind::Rejected, format!("{error:?}")),
            Trouble::Abortable | Trouble::Producer | Trouble::Unclear => {
                self.fail(FailKind::Transient, format!("{error:?}"))
            }
        }
    }

    fn sleep(&mut self, error: KafkaError) -> OpeningStep {
        let Some(request) = self.backoff.sleep(self.config.patience_ms) else {
            return self.fail(FailKind::Transient, format!("still {error:?}"));
        };
        if self.stage == Stage::Initialising && !planted!(K20) {
            // Somebody may have taken over while we slept.
            // spec: K-3
            self.stage = Stage::Proving;
            self.asked = Request::ProveNewest;
        }
        OpeningStep::Ask(request)
    }

    fn create_missing(&mut self) -> OpeningStep {
        let (stage, topic, partitions, cleanup) = if self.stage == Stage::DescribingData {
            let partitions = self.config.partitions;
            (Stage::CreatingData, &self.config.topic, partitions, Cleanup::ByDefault)
        } else {
            let partitions = self.config.progress_partition + 1;
            (Stage::CreatingProgress, &self.config.progress_topic, partitions, Cleanup::Compact)
        };
        let topic = topic.clone();
        self.ask(stage, KafkaRequest::CreateTopic { topic, partitions, cleanup })
    }

    /// Looks at the data topic that was just created. It may be unknown for a moment.
    fn describe_data(&mut self) -> OpeningStep {
        let topic = self.config.topic.clone();
        let step = self.ask(Stage::DescribingData, KafkaRequest::Describe { topic });
        self.backoff.begun();
        step
    }

    fn describe_progress(&mut self) -> OpeningStep {
        let topic = self.config.progress_topic.clone();
        let is_new = self.stage == Stage::CreatingProgress;
        let step = self.ask(Stage::DescribingProgress, KafkaRequest::Describe { topic });
        if is_new {
            self.backoff.begun();
        }
        step
    }

    fn on_progress_described(&mut self, partitions: &[PartitionState]) -> OpeningStep {
        let number = self.config.progress_partition;
        let Some(seen) = partitions.get(number as usize) else {
            let what = format!("{} has no partition {number}", self.config.progress_topic);
            return self.damaged(what);
        };
        self.scan = Some(TailScan::new(self.config.progress(), seen));
        match self.aim {
            Aim::Inspect => self.fetch(Stage::Scanning),
            Aim::Own(_) if self.kept.is_some() || planted!(K3) => self.fetch(Stage::Scanning),
            Aim::Own(_) if planted!(K20) => self.initialise(),
            Aim::Own(_) => self.ask_any(Stage::Proving, Request::ProveNewest),
        }
    }

    /// Initialising is last-caller-wins: a zombie that renewed its producer would fence
    /// its successor.
    // spec: K-3
    fn on_proved(&mut self, is_newest: bool) -> OpeningStep {
        assert_eq!(self.stage, Stage::Proving, "only what was asked is answered");
        if !is_newest {
            return self.fetch(Stage::AskingWho);
        }
        self.initialise()
    }

    fn initialise(&mut self) -> OpeningStep {
        let transactional_id = Some(self.config.producer_name(self.own_generation()));
        let timeout_ms = self.config.transaction_timeout_ms;
        let backoff = self.backoff;
        let step = self
            .ask(Stage::Initialising, KafkaRequest::InitProducer { transactional_id, timeout_ms });
        self.backoff = backoff;
        step
    }

    fn own_producer(&self) -> ProducerId {
        self.producer.expect("a claim is made by a producer that was initialised")
    }

    fn own_generation(&self) -> Generation {
        let Aim::Own(generation) = self.aim else {
            unreachable!("who only looks has no generation");
        };
        generation
    }

    fn own_progress(&self) -> Progress {
        Progress {
            generation: self.own_generation(),
            topic_id: self.topic_id,
            partitions: self.partition_count(),
            marker: None,
        }
    }

    /// Over how many partitions rows are spread: as many as at the first chunk, also if
    /// the topic has grown since.
    // spec: G-3
    fn partition_count(&self) -> u32 {
        self.found.as_ref().map_or(self.data.len() as u32, |found| found.partitions)
    }

    fn add_claim(&mut self) -> OpeningStep {
        let transactional_id = self.config.producer_name(self.own_generation());
        let (producer, partitions) = (self.own_producer(), vec![self.config.progress()]);
        self.ask(
            Stage::AddingClaim,
            KafkaRequest::AddPartitions { transactional_id, producer, partitions },
        )
    }

    fn produce_claim(&mut self) -> OpeningStep {
        let transactional_id = Some(self.config.producer_name(self.own_generation()));
        let records = vec![self.own_progress().record(&self.config.transactional_id)];
        let (producer, to) = (Some(self.own_producer()), self.config.progress());
        self.ask(
            Stage::ProducingClaim,
            KafkaRequest::Produce { transactional_id, producer, to, sequence: 0, records },
        )
    }

    fn scan_mut(&mut self) -> &mut TailScan {
        self.scan.as_mut().expect("a scan begins when the topic was described")
    }

    fn fetch(&mut self, stage: Stage) -> OpeningStep {
        let request = self.scan_mut().request();
        self.ask_any(stage, request)
    }
}

/// Whether a claim by `found` keeps `own` out.
// spec: G-1
fn outranks(found: Generation, own: Generation) -> bool {
    let is_other = found.number == own.number && found.nonce != own.nonce && !planted!(K18);
    (found.number > own.number || is_other) && !planted!(K20)
}
