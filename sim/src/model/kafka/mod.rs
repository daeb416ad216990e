//! A Kafka cluster, as its protocol shows it.
//!
//! It has what a sink or journal can stumble over: control records that take offsets,
//! transactions whose end reaches the partitions one by one and late, a last stable offset
//! that others hold back, fencing, timeouts, epochs that are used up, batches that are in
//! the log although the answer was an error, leaders that lose what they did not
//! acknowledge, retention, compaction, and topics that come back under the same name.
//!
//! It has no consumer groups, and of the transaction protocols only the older one. Where a
//! broker may choose, the model takes what is worst for the client: it compacts as early as
//! it may, and a transaction is aborted the moment its time is over.

mod coordinator;
mod disturb;
mod log;
mod view;

pub use view::Watched;

use crate::model::{Change, ClientId, Disturbance, Glance, Service, Toll, View};
use crate::rng::Draws;
use crate::time::{Span, VirtualTime};
use anabranch_engine::service::kafka::{
    Cleanup, KafkaAnswer, KafkaError, KafkaRecord, KafkaRequest, PartitionState, ProducerId,
    TopicPartition,
};
use anabranch_engine::service::{Answer, Request};
use coordinator::{Coordinator, Decided};
use log::{Incoming, Log, Taken};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::Xxh3;

/// A broker takes no larger batches by default (`message.max.bytes`).
const BATCH_BYTES_MAX: usize = 1_048_588;

/// How a cluster behaves where its documentation leaves it open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaConfig {
    /// Of all draws.
    pub seed: u64,
    /// How long a control record takes to its partition at least.
    pub marker_delay_min: Span,
    /// And at most.
    pub marker_delay_max: Span,
    /// Of a million batches, how many reach the other replicas late: the answer is an error
    /// that leaves it open, and a failover may lose them.
    pub stall_share: u32,
    /// How late.
    pub stall: Span,
    /// Of a million ends of transactions, how many are carried out although the coordinator
    /// says that it is not available.
    pub unclear_share: u32,
    /// How long a failover takes.
    pub failover: Span,
    /// The epoch with which producer ids begin. Brokers begin with 0; a larger one brings
    /// the end of the epochs into reach.
    pub first_epoch: i16,
    /// How many offsets at the end of a partition are never compacted.
    pub active_offsets: i64,
    /// How many records a fetch gives at most. A broker stops at the end of a segment.
    pub fetch_records_max: usize,
    /// Whether the broker asks the coordinator before the first batch of a transaction
    /// (since 3.6 it does by default). Without that a late batch can open a transaction
    /// that nobody ends.
    pub verifies: bool,
    /// The sinks that [`Service::view`] shows.
    pub watched: Vec<Watched>,
}

impl Default for KafkaConfig {
    fn default() -> KafkaConfig {
        KafkaConfig {
            seed: 0,
            marker_delay_min: Span::us(300),
            marker_delay_max: Span::ms(8),
            stall_share: 0,
            stall: Span::ms(40),
            unclear_share: 0,
            failover: Span::ms(300),
            first_epoch: 0,
            active_offsets: 8,
            fetch_records_max: 12,
            verifies: true,
            watched: Vec::new(),
        }
    }
}

/// A partition with its leader.
#[derive(Clone, Debug, Default)]
struct Partition {
    log: Log,
    /// Until then it has no leader.
    leaderless_until: VirtualTime,
    /// When the other replicas have what stands above the high watermark.
    replicas_at: Option<VirtualTime>,
    /// Counts the batches.
    batches: u64,
    /// Which of them wait for other replicas.
    stalls: Option<Draws>,
}

/// A topic.
#[derive(Clone, Debug)]
struct Topic {
    id: [u8; 16],
    cleanup: Cleanup,
    partitions: Vec<Partition>,
}

/// A cluster.
#[derive(Clone, Debug)]
pub struct KafkaModel {
    config: KafkaConfig,
    topics: BTreeMap<String, Topic>,
    /// Counts the topics, so that each has an id of its own.
    topics_made: u64,
    coordinator: Coordinator,
    /// Until then no coordinator answers.
    coordinator_away_until: VirtualTime,
    /// Counts the failovers.
    failovers: u64,
    toll: Toll,
}

impl KafkaModel {
    /// An empty cluster.
    #[must_use]
    pub fn new(config: KafkaConfig) -> KafkaModel {
        KafkaModel {
            config,
            topics: BTreeMap::new(),
            topics_made: 0,
            coordinator: Coordinator::default(),
            coordinator_away_until: VirtualTime::default(),
            failovers: 0,
            toll: Toll::default(),
        }
    }

    /// Creates a topic; gives whether there was none of the name.
    pub fn create_topic(&mut self, name: &str, partitions: u32, cleanup: Cleanup) -> bool {
        if self.topics.contains_key(name) {
            return false;
        }
        self.topics_made += 1;
        let mut state = Xxh3::with_seed(self.config.seed);
        state.update(&self.topics_made.to_le_bytes());
        let id = state.digest128().to_le_bytes();
        let partitions = vec![Partition::default(); partitions as usize];
        self.topics.insert(name.to_owned(), Topic { id, cleanup, partitions });
        true
    }

    /// Writes a record that no producer stands behind, as the world's own writers do.
    ///
    /// # Panics
    /// If there is no such partition.
    pub fn write(&mut self, to: &TopicPartition, record: KafkaRecord) {
        let partition = self.partition_mut(to).expect("the world writes where it knows its way");
        let records = [record];
        let batch =
            Incoming { producer: None, in_transaction: false, sequence: 0, records: &records };
        partition.log.append(batch).expect("without producer nothing is checked");
        partition.log.replicate();
    }

    fn partition_mut(&mut self, at: &TopicPartition) -> Option<&mut Partition> {
        self.topics.get_mut(&at.topic)?.partitions.get_mut(at.partition as usize)
    }

    fn leader_mut(
        &mut self,
        now: VirtualTime,
        at: &TopicPartition,
    ) -> Result<&mut Partition, KafkaError> {
        let partition = self.partition_mut(at).ok_or(KafkaError::UnknownTopic)?;
        if partition.leaderless_until > now {
            return Err(KafkaError::NotLeader);
        }
        Ok(partition)
    }

    fn coordinator_mut(&mut self, now: VirtualTime) -> Result<&mut Coordinator, KafkaError> {
        if self.coordinator_away_until > now {
            return Err(KafkaError::CoordinatorUnavailable);
        }
        Ok(&mut self.coordinator)
    }

    fn carry_out(
        &mut self,
        now: VirtualTime,
        request: &KafkaRequest,
    ) -> Result<KafkaAnswer, KafkaError> {
        match request {
            KafkaRequest::InitProducer { transactional_id: None, .. } => {
                Ok(KafkaAnswer::Producer(self.coordinator.new_producer(0)))
            }
            KafkaRequest::InitProducer { transactional_id: Some(id), timeout_ms } => {
                let first_epoch = self.config.first_epoch;
                let coordinator = self.coordinator_mut(now)?;
                let (producer, decided) = coordinator.init(now, id, *timeout_ms, first_epoch);
                self.send_markers(now, id, decided);
                Ok(KafkaAnswer::Producer(producer?))
            }
            KafkaRequest::AddPartitions { transactional_id, producer, partitions } => {
                if partitions.iter().any(|partition| self.partition_mut(partition).is_none()) {
                    return Err(KafkaError::UnknownTopic);
                }
                let coordinator = self.coordinator_mut(now)?;
                coordinator.add(now, transactional_id, *producer, partitions)?;
                Ok(KafkaAnswer::Done)
            }
            KafkaRequest::Produce { transactional_id, producer, to, sequence, records } => {
                let batch = Incoming {
                    producer: *producer,
                    in_transaction: transactional_id.is_some(),
                    sequence: *sequence,
                    records,
                };
                self.produce(now, transactional_id.as_deref(), to, batch)
            }
            KafkaRequest::EndTransaction { transactional_id, producer, commit } => {
                self.end_transaction(now, transactional_id, *producer, *commit)
            }
            KafkaRequest::Fetch { from, offset, bytes_max, committed } => {
                self.fetch(now, from, *offset, *bytes_max, *committed)
            }
            KafkaRequest::Describe { topic } => {
                let found = self.topics.get(topic).ok_or(KafkaError::UnknownTopic)?;
                if found.partitions.iter().any(|partition| partition.leaderless_until > now) {
                    return Err(KafkaError::NotLeader);
                }
                let partitions = found.partitions.iter().map(|p| p.log.state()).collect();
                Ok(KafkaAnswer::Topic { topic_id: found.id, partitions })
            }
            KafkaRequest::CreateTopic { topic, partitions, cleanup } => {
                let is_new = self.create_topic(topic, *partitions, *cleanup);
                if is_new { Ok(KafkaAnswer::Done) } else { Err(KafkaError::TopicExists) }
            }
            KafkaRequest::DeleteRecords { from, before } => {
                let partition = self.leader_mut(now, from)?;
                if *before > partition.log.state().high_watermark {
                    return Err(KafkaError::OffsetOutOfRange);
                }
                partition.log.remove_below(*before);
                Ok(KafkaAnswer::Done)
            }
        }
    }

    fn fetch(
        &mut self,
        now: VirtualTime,
        from: &TopicPartition,
        offset: i64,
        bytes_max: u32,
        committed: bool,
    ) -> Result<KafkaAnswer, KafkaError> {
        let records_max = self.config.fetch_records_max;
        let log = &self.leader_mut(now, from)?.log;
        let (records, next_offset) = log.fetch(offset, bytes_max, records_max, committed)?;
        let PartitionState { log_start, high_watermark, last_stable_offset } = log.state();
        Ok(KafkaAnswer::Records {
            records,
            next_offset,
            last_stable_offset,
            high_watermark,
            log_start,
        })
    }

    fn produce(
        &mut self,
        now: VirtualTime,
        id: Option<&str>,
        to: &TopicPartition,
        batch: Incoming<'_>,
    ) -> Result<KafkaAnswer, KafkaError> {
        let KafkaConfig { seed, stall_share, stall, verifies, active_offsets, .. } = self.config;
        let is_open = batch.producer.is_some_and(|producer| {
            self.partition_mut(to).is_some_and(|partition| partition.log.has_open(producer))
        });
        self.leader_mut(now, to)?;
        let is_compacted =
            self.topics.get(&to.topic).is_some_and(|t| t.cleanup == Cleanup::Compact);
        let lacks_key = is_compacted && batch.records.iter().any(|record| record.key.is_none());
        if lacks_key || log::bytes_of_all(batch.records) > BATCH_BYTES_MAX {
            return Err(KafkaError::Rejected);
        }
        if let (Some(id), Some(producer)) = (id, batch.producer)
            && verifies
            && !is_open
        {
            let coordinator = self.coordinator_mut(now).map_err(|_| KafkaError::NotLeader)?;
            coordinator.verify(id, producer, to).map_err(as_produce_error)?;
        }
        let is_compacted =
            self.topics.get(&to.topic).is_some_and(|t| t.cleanup == Cleanup::Compact);
        let partition = self.leader_mut(now, to)?;
        // What is replicated at once cannot be lost again.
        if stall_share > 0 || partition.replicas_at.is_some() {
            partition.log.hold_back();
        }
        let taken = partition.log.append(batch)?;
        let base_offset = match taken {
            Taken::Repeated { base_offset } => base_offset,
            Taken::Appended { base_offset } => {
                let begun = || Draws::new(seed, "kafka-stall", &entity(to));
                let draws = partition.stalls.get_or_insert_with(begun);
                partition.batches += 1;
                let stalls = draws.at(partition.batches) % 1_000_000 < u64::from(stall_share);
                if partition.replicas_at.is_none() && stalls {
                    partition.replicas_at = Some(now + stall);
                }
                base_offset
            }
        };
        if partition.replicas_at.is_none() {
            partition.log.replicate();
        }
        if is_compacted && partition.log.count() as i64 > 2 * active_offsets {
            partition.log.compact(active_offsets);
        }
        if base_offset >= partition.log.state().high_watermark {
            return Err(KafkaError::RequestTimedOut);
        }
        Ok(KafkaAnswer::Produced { base_offset })
    }

    fn end_transaction(
        &mut self,
        now: VirtualTime,
        id: &str,
        producer: ProducerId,
        commit: bool,
    ) -> Result<KafkaAnswer, KafkaError> {
        let KafkaConfig { seed, unclear_share, .. } = self.config;
        let coordinator = self.coordinator_mut(now)?;
        let decided = coordinator.end(id, producer, commit)?;
        if decided.is_none() {
            return Ok(KafkaAnswer::Done);
        }
        let is_unclear = coordinator.transactions.get_mut(id).is_some_and(|transaction| {
            let begun = || Draws::new(seed, "kafka-unclear", id);
            let draw = transaction.unclear.get_or_insert_with(begun).at(transaction.count);
            draw % 1_000_000 < u64::from(unclear_share)
        });
        self.send_markers(now, id, decided);
        if is_unclear {
            return Err(KafkaError::CoordinatorUnavailable);
        }
        Ok(KafkaAnswer::Done)
    }

    /// Sends the control records of a decision to the partitions, each at its own pace.
    fn send_markers(&mut self, now: VirtualTime, id: &str, decided: Option<Decided>) {
        let Some(Decided) = decided else { return };
        let KafkaConfig { seed, marker_delay_min, marker_delay_max, .. } = self.config;
        let Some(transaction) = self.coordinator.transactions.get_mut(id) else { return };
        for partition in transaction.partitions.clone() {
            let begun =
                || Draws::new(seed, "kafka-marker", &format!("{id}/{}", entity(&partition)));
            let draws = transaction.delays.entry(partition.clone()).or_insert_with(begun);
            let spread = (marker_delay_max.0 - marker_delay_min.0).max(0) as u64 + 1;
            let delay = marker_delay_min.0 + (draws.at(transaction.count) % spread) as i64;
            transaction.markers.insert(partition, now + Span(delay));
        }
        if transaction.markers.is_empty() {
            // It wrote nothing.
            transaction.marker_written(&TopicPartition { topic: String::new(), partition: 0 });
        }
    }

    /// The transactional id and partition of the next control record that is due.
    fn due_marker(&self, now: VirtualTime) -> Option<(VirtualTime, String, TopicPartition)> {
        let all = self.coordinator.transactions.iter().flat_map(|(id, transaction)| {
            transaction.markers.iter().map(move |(partition, at)| (*at, id, partition))
        });
        let (at, id, partition) = all.filter(|(at, _, _)| *at <= now).min()?;
        Some((at, id.clone(), partition.clone()))
    }

    fn write_marker(&mut self, at: VirtualTime, id: &str, to: &TopicPartition) {
        let not_before = match self.partition_mut(to) {
            Some(partition) => partition.replicas_at.unwrap_or(at).max(partition.leaderless_until),
            None => at,
        };
        let Some(transaction) = self.coordinator.transactions.get_mut(id) else { return };
        if not_before > at {
            transaction.markers.insert(to.clone(), not_before + Span::us(1));
            return;
        }
        let commit = transaction.stage == coordinator::Stage::Prepared { commit: true };
        let producer = transaction.producer;
        transaction.marker_written(to);
        if let Some(partition) = self.partition_mut(to) {
            partition.log.end_transaction(producer, commit);
        }
    }
}

impl Service for KafkaModel {
    fn execute(&mut self, now: VirtualTime, _client: ClientId, request: &Request) -> Answer {
        self.pass_time(now);
        let Request::Kafka(request) = request else {
            panic!("{request:?} is no request to Kafka");
        };
        Answer::Kafka(self.carry_out(now, request).unwrap_or_else(KafkaAnswer::Error))
    }

    fn disturb(&mut self, now: VirtualTime, disturbance: &Disturbance) -> Option<String> {
        self.pass_time(now);
        self.disturb_by(now, disturbance)
    }

    fn toll(&self) -> Toll {
        self.toll
    }

    /// A broker keeps nothing for a connection.
    fn client_died(&mut self, _now: VirtualTime, _process: u32) {}

    fn next_event(&self) -> Option<VirtualTime> {
        let partitions = self.topics.values().flat_map(|topic| &topic.partitions);
        let replicas = partitions.filter_map(|partition| partition.replicas_at).min();
        replicas.into_iter().chain(self.coordinator.next_event()).min()
    }

    fn pass_time(&mut self, now: VirtualTime) {
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            if partition.replicas_at.is_some_and(|at| at <= now) {
                partition.replicas_at = None;
                partition.log.replicate();
            }
        }
        for id in self.coordinator.abort_overdue(now) {
            self.send_markers(now, &id, Some(Decided));
        }
        while let Some((at, id, partition)) = self.due_marker(now) {
            self.write_marker(at, &id, &partition);
        }
    }

    fn copied(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }

    fn view(&self, _now: VirtualTime) -> View {
        let mut view = View::default();
        for watched in &self.config.watched {
            let seen = self.view_of(watched);
            view.records.extend(seen.records);
            view.marker = view.marker.or(seen.marker);
        }
        view
    }

    fn look(&self, now: VirtualTime, before: &View, glance: Option<Glance>) -> Change {
        let told = match self.config.watched.as_slice() {
            [watched] => self.look_at(watched, before, glance),
            _ => None,
        };
        told.unwrap_or_else(|| Change::between(before, self.view(now)))
    }
}

fn entity(partition: &TopicPartition) -> String {
    format!("{}/{}", partition.topic, partition.partition)
}

/// What a broker says to a batch if the coordinator says this to the broker.
fn as_produce_error(error: KafkaError) -> KafkaError {
    match error {
        KafkaError::ProducerFenced => KafkaError::InvalidProducerEpoch,
        // It asks again; to the client that is NOT_ENOUGH_REPLICAS.
        KafkaError::ConcurrentTransactions => KafkaError::NotLeader,
        KafkaError::InvalidTransactionState => KafkaError::TransactionAbortable,
        _ => error,
    }
}
