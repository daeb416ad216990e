//! The transaction coordinator: which transaction each transactional id is in, and which
//! producer may speak for it.
//!
//! The protocol is the older one, which every client and broker knows: a producer keeps its
//! epoch from one transaction to the next, so a request that comes late may meet a later
//! transaction than it was meant for.

use crate::rng::Draws;
use crate::time::{Span, VirtualTime};
use anabranch_engine::service::kafka::{KafkaError, ProducerId, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

/// A broker takes no longer timeouts by default (`transaction.max.timeout.ms`).
const TIMEOUT_MS_MAX: i64 = 900_000;

/// Where the transaction of a transactional id stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// None yet.
    Empty,
    /// Open.
    Ongoing,
    /// The decision is made, and its control records are on their way.
    Prepared { commit: bool },
    /// The control records are written.
    Complete { commit: bool },
}

/// What the coordinator knows of a transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) producer: ProducerId,
    timeout: Span,
    pub(super) stage: Stage,
    /// The partitions that were added.
    pub(super) partitions: BTreeSet<TopicPartition>,
    /// When it is aborted if it is still open. Meaningful while it is.
    due: VirtualTime,
    /// When the control records reach their partitions.
    pub(super) markers: BTreeMap<TopicPartition, VirtualTime>,
    /// Counts the transactions of the id.
    pub(super) count: u64,
    /// Which of their ends stay unclear to the client.
    pub(super) unclear: Option<Draws>,
    /// How long their control records take to each partition.
    pub(super) delays: BTreeMap<TopicPartition, Draws>,
}

/// The coordinator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Coordinator {
    pub(super) transactions: BTreeMap<String, Transaction>,
    /// The next producer id.
    next_id: i64,
}

/// A decision that was just made: the control records have to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decided;

impl Coordinator {
    /// A producer id that was never used.
    pub(super) fn new_producer(&mut self, epoch: i16) -> ProducerId {
        self.next_id += 1;
        ProducerId { id: self.next_id, epoch }
    }

    /// InitProducerId. `first_epoch` is the epoch of producer ids that begin.
    pub(super) fn init(
        &mut self,
        now: VirtualTime,
        id: &str,
        timeout_ms: i64,
        first_epoch: i16,
    ) -> (Result<ProducerId, KafkaError>, Option<Decided>) {
        if !(1..=TIMEOUT_MS_MAX).contains(&timeout_ms) {
            return (Err(KafkaError::Rejected), None);
        }
        let timeout = Span::ms(timeout_ms);
        let Some(found) = self.transactions.get_mut(id) else {
            let producer = self.new_producer(first_epoch);
            let transaction = Transaction {
                producer,
                timeout,
                stage: Stage::Empty,
                partitions: BTreeSet::new(),
                due: now,
                markers: BTreeMap::new(),
                count: 0,
                unclear: None,
                delays: BTreeMap::new(),
            };
            self.transactions.insert(id.to_owned(), transaction);
            return (Ok(producer), None);
        };
        match found.stage {
            Stage::Ongoing => {
                found.fence();
                (Err(KafkaError::ConcurrentTransactions), Some(Decided))
            }
            Stage::Prepared { .. } => (Err(KafkaError::ConcurrentTransactions), None),
            Stage::Empty | Stage::Complete { .. } => {
                // The last epochs are not given out: fencing needs one.
                let is_used_up = found.producer.epoch >= i16::MAX - 1;
                found.timeout = timeout;
                found.stage = Stage::Empty;
                found.partitions.clear();
                let next =
                    ProducerId { epoch: found.producer.epoch.saturating_add(1), ..found.producer };
                let producer = if is_used_up { self.new_producer(0) } else { next };
                let found = self.transactions.get_mut(id).expect("it was just there");
                found.producer = producer;
                (Ok(producer), None)
            }
        }
    }

    fn of(&mut self, id: &str, producer: ProducerId) -> Result<&mut Transaction, KafkaError> {
        let found = self.transactions.get_mut(id).ok_or(KafkaError::InvalidProducerIdMapping)?;
        if found.producer.id != producer.id {
            return Err(KafkaError::InvalidProducerIdMapping);
        }
        if found.producer.epoch != producer.epoch {
            return Err(KafkaError::ProducerFenced);
        }
        Ok(found)
    }

    /// AddPartitionsToTxn.
    pub(super) fn add(
        &mut self,
        now: VirtualTime,
        id: &str,
        producer: ProducerId,
        partitions: &[TopicPartition],
    ) -> Result<(), KafkaError> {
        let found = self.of(id, producer)?;
        match found.stage {
            Stage::Prepared { .. } => Err(KafkaError::ConcurrentTransactions),
            Stage::Empty | Stage::Complete { .. } => {
                found.stage = Stage::Ongoing;
                found.due = now + found.timeout;
                found.count += 1;
                found.partitions = partitions.iter().cloned().collect();
                Ok(())
            }
            Stage::Ongoing => {
                found.partitions.extend(partitions.iter().cloned());
                Ok(())
            }
        }
    }

    /// EndTxn.
    pub(super) fn end(
        &mut self,
        id: &str,
        producer: ProducerId,
        commit: bool,
    ) -> Result<Option<Decided>, KafkaError> {
        let found = self.of(id, producer)?;
        match found.stage {
            Stage::Ongoing => {
                found.stage = Stage::Prepared { commit };
                Ok(Some(Decided))
            }
            Stage::Complete { commit: decided } if decided == commit => Ok(None),
            Stage::Prepared { .. } => Err(KafkaError::ConcurrentTransactions),
            Stage::Empty | Stage::Complete { .. } => Err(KafkaError::InvalidTransactionState),
        }
    }

    /// Whether a producer may begin to write to a partition in its transaction.
    pub(super) fn verify(
        &mut self,
        id: &str,
        producer: ProducerId,
        partition: &TopicPartition,
    ) -> Result<(), KafkaError> {
        let found = self.of(id, producer)?;
        match found.stage {
            Stage::Prepared { .. } => Err(KafkaError::ConcurrentTransactions),
            Stage::Ongoing if found.partitions.contains(partition) => Ok(()),
            Stage::Empty | Stage::Ongoing | Stage::Complete { .. } => {
                Err(KafkaError::InvalidTransactionState)
            }
        }
    }

    /// Aborts what has been open for too long; gives the ids.
    pub(super) fn abort_overdue(&mut self, now: VirtualTime) -> Vec<String> {
        let mut aborted = Vec::new();
        for (id, found) in &mut self.transactions {
            if found.stage == Stage::Ongoing && found.due <= now {
                found.fence();
                aborted.push(id.clone());
            }
        }
        aborted
    }

    /// Forgets ids that are in no transaction; gives how many.
    pub(super) fn forget_idle(&mut self) -> usize {
        let before = self.transactions.len();
        self.transactions
            .retain(|_, found| matches!(found.stage, Stage::Ongoing | Stage::Prepared { .. }));
        before - self.transactions.len()
    }

    /// When the coordinator next does something by itself.
    pub(super) fn next_event(&self) -> Option<VirtualTime> {
        let next = |found: &Transaction| match found.stage {
            Stage::Ongoing => Some(found.due),
            Stage::Prepared { .. } => found.markers.values().min().copied(),
            Stage::Empty | Stage::Complete { .. } => None,
        };
        self.transactions.values().filter_map(next).min()
    }
}

impl Transaction {
    /// Ends it with a higher epoch, so that its producer cannot go on.
    fn fence(&mut self) {
        self.producer.epoch = self.producer.epoch.saturating_add(1);
        self.stage = Stage::Prepared { commit: false };
    }

    /// The control record reached a partition.
    pub(super) fn marker_written(&mut self, partition: &TopicPartition) {
        self.markers.remove(partition);
        if let Stage::Prepared { commit } = self.stage
            && self.markers.is_empty()
        {
            self.stage = Stage::Complete { commit };
        }
    }
}
