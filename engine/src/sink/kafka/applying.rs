//! Applying a chunk: one transaction over all its data partitions and the progress topic.
//!
//! Before the commit is asked for, a refusal leaves nothing behind: the transaction is
//! aborted, or the next producer aborts it. From then on only reading the marker, as a new
//! producer, can tell what happened.

use super::partition::{Batch, batches_of};
use super::progress::{Progress, writer_hash};
use super::{Backoff, KafkaSinkConfig, Opened, Trouble, trouble};
use crate::planted;
use crate::service::kafka::{KafkaAnswer, KafkaError, KafkaRecord, KafkaRequest, TopicPartition};
use crate::service::{Answer, Request};
use crate::sink::{Chunk, FailKind};
use std::collections::BTreeSet;

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ApplyStep {
    Ask(Request),
    /// The transaction is committed.
    Committed,
    /// Nothing of it is or will be committed.
    Failed(FailKind, String),
    /// The producer is of no use any more: it has to be initialised again, and then the
    /// marker tells.
    ProducerLost(String),
    /// It may be committed, or still come to be.
    // spec: K-4
    Unknown(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Adding,
    Producing,
    Ending,
    Aborting(FailKind, String),
}

/// The machine of one transaction.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    config: KafkaSinkConfig,
    stage: Stage,
    /// What is still to be produced; the marker last.
    to_produce: Vec<(TopicPartition, Vec<KafkaRecord>)>,
    backoff: Backoff,
    asked: Request,
}

impl Transaction {
    pub(super) fn new(
        config: &KafkaSinkConfig,
        opened: &Opened,
        chunk: &Chunk,
    ) -> (Transaction, Request) {
        let writer = writer_hash(&config.transactional_id);
        let count = opened.progress.partitions;
        let batches = batches_of(chunk, writer, count, config.batch_bytes_max);
        let data = |partition| TopicPartition { topic: config.topic.clone(), partition };
        let mut partitions: BTreeSet<TopicPartition> =
            batches.iter().map(|batch| data(batch.partition)).collect();
        partitions.insert(config.progress());
        let marker = Progress { marker: Some(chunk.marker), ..opened.progress.clone() };
        let mut to_produce: Vec<_> = batches
            .into_iter()
            .map(|Batch { partition, records }| (data(partition), records))
            .collect();
        to_produce.push((config.progress(), vec![marker.record(&config.transactional_id)]));
        to_produce.reverse();
        let asked = Request::Kafka(KafkaRequest::AddPartitions {
            transactional_id: config.producer_name(opened.progress.generation),
            producer: opened.producer,
            partitions: partitions.into_iter().collect(),
        });
        let transaction = Transaction {
            config: config.clone(),
            stage: Stage::Adding,
            to_produce,
            backoff: Backoff::default(),
            asked: asked.clone(),
        };
        (transaction, asked)
    }

    pub(super) fn answer(&mut self, opened: &mut Opened, answer: Answer) -> ApplyStep {
        match answer {
            Answer::Woken => ApplyStep::Ask(self.asked.clone()),
            Answer::Unreachable => self.on_unreachable(opened),
            Answer::TimedOut => self.on_timed_out(opened),
            Answer::Kafka(KafkaAnswer::Error(error)) => self.on_error(opened, error),
            Answer::Kafka(answer) => self.on_answer(opened, answer),
            Answer::Fs(_)
            | Answer::Redis(_)
            | Answer::ClickHouse(_)
            | Answer::Object(_)
            | Answer::Proved(_) => {
                panic!("a request to Kafka is answered by Kafka, not by {answer:?}")
            }
        }
    }

    fn ask(&mut self, stage: Stage, request: KafkaRequest) -> ApplyStep {
        let request = Request::Kafka(request);
        (self.stage, self.asked, self.backoff) = (stage, request.clone(), Backoff::default());
        ApplyStep::Ask(request)
    }

    fn on_answer(&mut self, opened: &mut Opened, answer: KafkaAnswer) -> ApplyStep {
        match (&self.stage, answer) {
            (Stage::Adding, KafkaAnswer::Done) => self.produce_next(opened),
            (Stage::Producing, KafkaAnswer::Produced { .. }) => {
                let (to, records) = self.to_produce.pop().expect("what was produced stood there");
                let next = sequence_after(opened.sequence(&to), records.len());
                opened.sequences.insert(to, next);
                self.produce_next(opened)
            }
            (Stage::Ending, KafkaAnswer::Done) => ApplyStep::Committed,
            (Stage::Aborting(kind, said), KafkaAnswer::Done) => {
                ApplyStep::Failed(*kind, said.clone())
            }
            (stage, answer) => panic!("{answer:?} is no answer to {stage:?}"),
        }
    }

    fn produce_next(&mut self, opened: &Opened) -> ApplyStep {
        let transactional_id = self.config.producer_name(opened.progress.generation);
        let Some((to, records)) = self.to_produce.last() else {
            // spec: K-2
            return self.ask(
                Stage::Ending,
                KafkaRequest::EndTransaction {
                    transactional_id,
                    producer: opened.producer,
                    commit: true,
                },
            );
        };
        let outside = planted!(K4) && *to == self.config.progress();
        let request = KafkaRequest::Produce {
            transactional_id: (!outside).then_some(transactional_id),
            producer: (!outside).then_some(opened.producer),
            to: to.clone(),
            sequence: opened.sequence(to),
            records: records.clone(),
        };
        self.ask(Stage::Producing, request)
    }

    // spec: F-2, K-4
    fn on_error(&mut self, opened: &mut Opened, error: KafkaError) -> ApplyStep {
        let said = format!("{:?}: {error:?}", self.stage);
        match (&self.stage, trouble(error)) {
            // The next producer aborts what this one leaves.
            (Stage::Aborting(kind, said), _) => {
                opened.must_renew = true;
                ApplyStep::Failed(*kind, said.clone())
            }
            (_, Trouble::Passing) => match self.backoff.sleep(self.config.patience_ms) {
                Some(request) => ApplyStep::Ask(request),
                None if self.stage == Stage::Ending => ApplyStep::Unknown(said),
                None => self.abort(opened, FailKind::Transient, said),
            },
            (_, Trouble::Producer) => ApplyStep::ProducerLost(said),
            (Stage::Ending, Trouble::Abortable | Trouble::Refused) => ApplyStep::ProducerLost(said),
            (_, Trouble::Unclear) => ApplyStep::Unknown(said),
            (_, Trouble::Abortable) => self.abort(opened, FailKind::Transient, said),
            (_, Trouble::Refused) => self.abort(opened, FailKind::Rejected, said),
        }
    }

    fn abort(&mut self, opened: &mut Opened, kind: FailKind, said: String) -> ApplyStep {
        // A batch that was refused may be in the log all the same. A later one of the same
        // sequence number would then be taken for its repetition and thrown away; so this
        // producer writes nothing more.
        opened.must_renew |= self.stage == Stage::Producing;
        let transactional_id = self.config.producer_name(opened.progress.generation);
        let producer = opened.producer;
        self.ask(
            Stage::Aborting(kind, said),
            KafkaRequest::EndTransaction { transactional_id, producer, commit: false },
        )
    }

    fn on_unreachable(&mut self, opened: &mut Opened) -> ApplyStep {
        match &self.stage {
            Stage::Adding | Stage::Producing => {
                opened.must_renew = true;
                let said = format!("{:?}: unreachable", self.stage);
                ApplyStep::Failed(FailKind::Transient, said)
            }
            // An earlier attempt may have been understood.
            Stage::Ending => ApplyStep::Unknown("Ending: unreachable".into()),
            Stage::Aborting(kind, said) => {
                opened.must_renew = true;
                ApplyStep::Failed(*kind, said.clone())
            }
        }
    }

    // spec: K-4
    fn on_timed_out(&mut self, opened: &mut Opened) -> ApplyStep {
        match &self.stage {
            Stage::Ending if planted!(K2) => ApplyStep::Committed,
            Stage::Adding | Stage::Producing | Stage::Ending => {
                ApplyStep::Unknown(format!("{:?}: no answer in time", self.stage))
            }
            Stage::Aborting(kind, said) => {
                opened.must_renew = true;
                ApplyStep::Failed(*kind, said.clone())
            }
        }
    }
}

/// The sequence number behind a batch of so many records. After the largest one comes 0.
fn sequence_after(sequence: i32, records: usize) -> i32 {
    ((i64::from(sequence) + records as i64) % (i64::from(i32::MAX) + 1)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_start_again_behind_the_largest() {
        assert_eq!(sequence_after(0, 3), 3);
        assert_eq!(sequence_after(i32::MAX, 1), 0);
        assert_eq!(sequence_after(i32::MAX - 1, 4), 2);
    }
}
