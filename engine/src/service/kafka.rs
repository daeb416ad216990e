//! What is asked of a Kafka cluster, at the level of its protocol.
//!
//! Partitions, offsets, producer ids and epochs are those of the broker. Connecting,
//! finding leaders and coordinators and retrying until they are found is the transport's
//! own work; errors that the protocol defines come through as they are.

use bytes::Bytes;

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic.
    pub topic: String,
    /// The partition, from 0.
    pub partition: u32,
}

/// Who writes in transactions, as the coordinator knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProducerId {
    /// The producer id.
    pub id: i64,
    /// Its epoch: an older one of the same id is fenced.
    pub epoch: i16,
}

/// A record as it is written and read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaRecord {
    /// The key.
    pub key: Option<Bytes>,
    /// The value; `None` deletes the key in a compacted topic.
    pub value: Option<Bytes>,
    /// Headers, in order.
    pub headers: Vec<(String, Bytes)>,
    /// The time that the producer gave, in ms.
    pub timestamp_ms: i64,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KafkaRequest {
    /// InitProducerId: fences every other producer of the transactional id and aborts
    /// what it left open. Answered by [`KafkaAnswer::Producer`]. Without an id: an
    /// idempotent producer.
    InitProducer {
        /// The transactional id.
        transactional_id: Option<String>,
        /// After so long an open transaction is aborted by the coordinator, in ms.
        timeout_ms: i64,
    },
    /// AddPartitionsToTxn. Answered by [`KafkaAnswer::Done`].
    AddPartitions {
        /// The transactional id.
        transactional_id: String,
        /// The producer.
        producer: ProducerId,
        /// The partitions that the transaction is about to write.
        partitions: Vec<TopicPartition>,
    },
    /// Produce one batch to one partition with acks=all. Answered by
    /// [`KafkaAnswer::Produced`].
    Produce {
        /// The transactional id, if the batch belongs to a transaction.
        transactional_id: Option<String>,
        /// The producer; `None`: not idempotent.
        producer: Option<ProducerId>,
        /// The partition.
        to: TopicPartition,
        /// The sequence number of the first record, for this producer and partition.
        sequence: i32,
        /// The records.
        records: Vec<KafkaRecord>,
    },
    /// EndTxn. Answered by [`KafkaAnswer::Done`].
    EndTransaction {
        /// The transactional id.
        transactional_id: String,
        /// The producer.
        producer: ProducerId,
        /// Whether to commit; otherwise it is aborted.
        commit: bool,
    },
    /// Fetch from one partition. Answered by [`KafkaAnswer::Records`].
    Fetch {
        /// The partition.
        from: TopicPartition,
        /// The first offset.
        offset: i64,
        /// About how many bytes at most; one record comes in any case.
        bytes_max: u32,
        /// Whether to read committed records only, up to the last stable offset.
        committed: bool,
    },
    /// ListOffsets and Metadata of one topic. Answered by [`KafkaAnswer::Topic`].
    Describe {
        /// The topic.
        topic: String,
    },
    /// CreateTopics. Answered by [`KafkaAnswer::Done`]; an existing topic is
    /// [`KafkaError::TopicExists`].
    CreateTopic {
        /// The topic.
        topic: String,
        /// How many partitions.
        partitions: u32,
        /// What the cluster removes from it by itself.
        cleanup: Cleanup,
    },
    /// DeleteRecords: everything below an offset is gone. Answered by
    /// [`KafkaAnswer::Done`].
    DeleteRecords {
        /// The partition.
        from: TopicPartition,
        /// The first offset that stays.
        before: i64,
    },
}

/// What a cluster removes from a topic by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cleanup {
    /// What the cluster's own settings say; usually what is older than a week.
    ByDefault,
    /// All but the last record of each key. Segments are small, so that reading the
    /// topic from its start stays quick.
    Compact,
    /// Nothing, neither by age nor by size.
    Nothing,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KafkaAnswer {
    /// It is done.
    Done,
    /// The producer to go on with.
    Producer(ProducerId),
    /// The batch is in the log.
    Produced {
        /// The offset of its first record.
        base_offset: i64,
    },
    /// Records of a partition.
    Records {
        /// The records with their offsets, ascending; offsets may be missing between them.
        records: Vec<(i64, KafkaRecord)>,
        /// The offset from which to read on: offsets that hold no record are passed over.
        next_offset: i64,
        /// The last stable offset: below it no transaction is open.
        last_stable_offset: i64,
        /// The offset after the last record.
        high_watermark: i64,
        /// The first offset that is still there.
        log_start: i64,
    },
    /// A topic.
    Topic {
        /// What tells it from another topic of the same name.
        topic_id: [u8; 16],
        /// For each partition, from 0, where it stands.
        partitions: Vec<PartitionState>,
    },
    /// The broker refused; nothing was done, unless the error says otherwise.
    Error(KafkaError),
}

/// Where a partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// The first offset that is still there.
    pub log_start: i64,
    /// The offset after the last record.
    pub high_watermark: i64,
    /// Below it no transaction is open.
    pub last_stable_offset: i64,
}

/// The errors of the protocol that a machine has to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KafkaError {
    /// CONCURRENT_TRANSACTIONS: the last transaction is not complete on all partitions.
    ConcurrentTransactions,
    /// COORDINATOR_LOAD_IN_PROGRESS or COORDINATOR_NOT_AVAILABLE or NOT_COORDINATOR.
    CoordinatorUnavailable,
    /// DUPLICATE_SEQUENCE_NUMBER: the batch is in the log already, too far back to say where.
    DuplicateSequence,
    /// INVALID_PRODUCER_EPOCH: a newer epoch of the producer is known to the partition.
    InvalidProducerEpoch,
    /// INVALID_PRODUCER_ID_MAPPING: the coordinator does not know this producer.
    InvalidProducerIdMapping,
    /// INVALID_TXN_STATE: there is no such transaction to add to or to end.
    InvalidTransactionState,
    /// NOT_LEADER_OR_FOLLOWER, and what else goes away by itself.
    NotLeader,
    /// OFFSET_OUT_OF_RANGE.
    OffsetOutOfRange,
    /// OUT_OF_ORDER_SEQUENCE_NUMBER: a batch before this one is missing.
    OutOfOrderSequence,
    /// PRODUCER_FENCED: a newer producer of the transactional id was initialised.
    ProducerFenced,
    /// REQUEST_TIMED_OUT or NOT_ENOUGH_REPLICAS_AFTER_APPEND: it may have been done.
    RequestTimedOut,
    /// MESSAGE_TOO_LARGE, and what else will not get better.
    Rejected,
    /// TOPIC_ALREADY_EXISTS.
    TopicExists,
    /// TRANSACTION_ABORTABLE: the transaction has to be aborted.
    TransactionAbortable,
    /// UNKNOWN_PRODUCER_ID: the partition has forgotten the producer.
    UnknownProducerId,
    /// UNKNOWN_TOPIC_OR_PARTITION.
    UnknownTopic,
}
