//! A small client of Kafka over TCP: one request at a time to the one broker there is, in
//! the versions of the older transaction protocol.

use anabranch_engine::service::kafka::{
    Cleanup, KafkaAnswer, KafkaError, KafkaRecord, KafkaRequest, PartitionState, TopicPartition,
};
use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_records_request::{
    DeleteRecordsPartition, DeleteRecordsTopic,
};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
    EndTxnRequest, FetchRequest, FindCoordinatorRequest, InitProducerIdRequest, ListOffsetsRequest,
    MetadataRequest, ProduceRequest, RequestHeader, ResponseHeader, TopicName, TransactionalId,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use kafka_protocol::records::{
    Compression, Record, RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

/// How often something is asked again that a new topic or coordinator needs a moment for.
const ATTEMPTS: u32 = 400;
/// How long to wait before that.
const PAUSE: Duration = Duration::from_millis(25);
const TIMEOUT_MS: i32 = 10_000;

/// A connection.
pub(super) struct Client {
    stream: TcpStream,
    correlation: i32,
}

/// What a request comes to: an answer, or an error of the protocol.
type Outcome = Result<std::result::Result<KafkaAnswer, KafkaError>>;

impl Client {
    /// Connects, or says why not.
    pub(super) fn connect(port: u16) -> Result<Client> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(15)))?;
        Ok(Client { stream, correlation: 0 })
    }

    fn ask<R: Request>(&mut self, version: i16, request: &R) -> Result<R::Response> {
        self.correlation += 1;
        let mut out = BytesMut::from(&[0; 4][..]);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str("anabranch")));
        header.encode(&mut out, R::header_version(version)).map_err(Error::other)?;
        request.encode(&mut out, version).map_err(Error::other)?;
        let length = out.len() as u32 - 4;
        out[..4].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(&out)?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut bytes)?;
        let mut bytes = Bytes::from(bytes);
        let header = ResponseHeader::decode(&mut bytes, R::Response::header_version(version))
            .map_err(Error::other)?;
        assert_eq!(header.correlation_id, self.correlation, "answers come in order");
        R::Response::decode(&mut bytes, version).map_err(Error::other)
    }

    /// Carries out a request; errors of the protocol are answers.
    pub(super) fn execute(&mut self, request: &KafkaRequest) -> Result<KafkaAnswer> {
        let outcome = match request {
            KafkaRequest::InitProducer { transactional_id, timeout_ms } => {
                self.init(transactional_id.as_deref(), *timeout_ms)
            }
            KafkaRequest::AddPartitions { transactional_id, producer, partitions } => {
                let topics = partitions.iter().map(|partition| {
                    AddPartitionsToTxnTopic::default()
                        .with_name(topic_name(&partition.topic))
                        .with_partitions(vec![partition.partition as i32])
                });
                let request = AddPartitionsToTxnRequest::default()
                    .with_v3_and_below_transactional_id(id_of(transactional_id))
                    .with_v3_and_below_producer_id(producer.id.into())
                    .with_v3_and_below_producer_epoch(producer.epoch)
                    .with_v3_and_below_topics(topics.collect());
                let response = self.ask(3, &request)?;
                let results = response.results_by_topic_v3_and_below.iter();
                let codes = results.flat_map(|topic| {
                    topic.results_by_partition.iter().map(|result| result.partition_error_code)
                });
                // 55 says only that another partition was refused.
                let errors = codes.filter(|code| *code != 55).filter_map(error_of);
                Ok(errors.min().map_or(Ok(KafkaAnswer::Done), Err))
            }
            KafkaRequest::Produce { .. } => self.produce(request),
            KafkaRequest::EndTransaction { transactional_id, producer, commit } => {
                let request = EndTxnRequest::default()
                    .with_transactional_id(id_of(transactional_id))
                    .with_producer_id(producer.id.into())
                    .with_producer_epoch(producer.epoch)
                    .with_committed(*commit);
                let response = self.ask(4, &request)?;
                Ok(error_of(response.error_code).map_or(Ok(KafkaAnswer::Done), Err))
            }
            KafkaRequest::Fetch { from, offset, bytes_max, committed } => {
                self.fetch(from, *offset, *bytes_max, *committed)
            }
            KafkaRequest::Describe { topic } => self.describe(topic),
            KafkaRequest::CreateTopic { topic, partitions, cleanup } => {
                self.create(topic, *partitions, *cleanup)
            }
            KafkaRequest::DeleteRecords { from, before } => {
                let partition = DeleteRecordsPartition::default()
                    .with_partition_index(from.partition as i32)
                    .with_offset(*before);
                let topic = DeleteRecordsTopic::default()
                    .with_name(topic_name(&from.topic))
                    .with_partitions(vec![partition]);
                let request = DeleteRecordsRequest::default()
                    .with_topics(vec![topic])
                    .with_timeout_ms(TIMEOUT_MS);
                let response = self.ask(2, &request)?;
                let code = response.topics[0].partitions[0].error_code;
                Ok(error_of(code).map_or(Ok(KafkaAnswer::Done), Err))
            }
        };
        Ok(outcome?.unwrap_or_else(KafkaAnswer::Error))
    }

    /// Waits until the coordinator of transactions has read its log.
    pub(super) fn wait_for_coordinator(&mut self) -> Result<()> {
        self.init(Some("is-it-there"), 60_000).map(|_| ())
    }

    /// Finding the coordinator also makes the topic in which it keeps its state.
    fn find_coordinator(&mut self, id: &str) -> Result<()> {
        let request = FindCoordinatorRequest::default()
            .with_key_type(1)
            .with_coordinator_keys(vec![StrBytes::from_string(id.to_owned())]);
        for _ in 0..ATTEMPTS {
            let response = self.ask(4, &request)?;
            if response.coordinators[0].error_code == 0 {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        Err(Error::new(ErrorKind::TimedOut, "no coordinator"))
    }

    fn init(&mut self, id: Option<&str>, timeout_ms: i64) -> Outcome {
        if let Some(id) = id {
            self.find_coordinator(id)?;
        }
        let request = InitProducerIdRequest::default()
            .with_transactional_id(id.map(id_of))
            .with_transaction_timeout_ms(i32::try_from(timeout_ms).unwrap_or(i32::MAX))
            .with_producer_id((-1).into())
            .with_producer_epoch(-1);
        let mut response = self.ask(4, &request)?;
        for _ in 0..ATTEMPTS {
            // It may have been found and still be reading its log.
            if error_of(response.error_code) != Some(KafkaError::CoordinatorUnavailable) {
                break;
            }
            thread::sleep(PAUSE);
            response = self.ask(4, &request)?;
        }
        Ok(match error_of(response.error_code) {
            Some(error) => Err(error),
            None => Ok(KafkaAnswer::Producer(anabranch_engine::service::kafka::ProducerId {
                id: response.producer_id.0,
                epoch: response.producer_epoch,
            })),
        })
    }

    fn produce(&mut self, request: &KafkaRequest) -> Outcome {
        let KafkaRequest::Produce { transactional_id, producer, to, sequence, records } = request
        else {
            unreachable!("only batches are produced")
        };
        let records: Vec<Record> = records
            .iter()
            .enumerate()
            .map(|(place, record)| Record {
                transactional: transactional_id.is_some(),
                control: false,
                delete_horizon: false,
                partition_leader_epoch: -1,
                producer_id: producer.map_or(-1, |producer| producer.id),
                producer_epoch: producer.map_or(-1, |producer| producer.epoch),
                timestamp_type: TimestampType::Creation,
                offset: place as i64,
                sequence: producer.map_or(-1, |_| *sequence).wrapping_add(place as i32),
                timestamp: record.timestamp_ms,
                key: record.key.clone(),
                value: record.value.clone(),
                headers: headers_of(record),
            })
            .collect();
        let mut batch = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        RecordBatchEncoder::encode(&mut batch, &records, &options).map_err(Error::other)?;
        let partition = PartitionProduceData::default()
            .with_index(to.partition as i32)
            .with_records(Some(batch.freeze()));
        let topic = TopicProduceData::default()
            .with_name(topic_name(&to.topic))
            .with_partition_data(vec![partition]);
        let request = ProduceRequest::default()
            .with_transactional_id(transactional_id.as_deref().map(id_of))
            .with_acks(-1)
            .with_timeout_ms(TIMEOUT_MS)
            .with_topic_data(vec![topic]);
        let response = self.ask(11, &request)?;
        let result = &response.responses[0].partition_responses[0];
        Ok(match error_of(result.error_code) {
            Some(error) => Err(error),
            None => Ok(KafkaAnswer::Produced { base_offset: result.base_offset }),
        })
    }

    fn fetch(
        &mut self,
        from: &TopicPartition,
        offset: i64,
        bytes_max: u32,
        committed: bool,
    ) -> Outcome {
        let partition = FetchPartition::default()
            .with_partition(from.partition as i32)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(i32::try_from(bytes_max).unwrap_or(i32::MAX));
        let topic = FetchTopic::default()
            .with_topic(topic_name(&from.topic))
            .with_partitions(vec![partition]);
        let request = FetchRequest::default()
            .with_replica_id((-1).into())
            .with_min_bytes(0)
            .with_max_bytes(i32::MAX)
            .with_isolation_level(i8::from(committed))
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        let mut response = self.ask(12, &request)?;
        let data = response.responses.remove(0).partitions.remove(0);
        if let Some(error) = error_of(data.error_code) {
            return Ok(Err(error));
        }
        read_batches(data, offset, committed).map(Ok)
    }

    fn describe(&mut self, topic: &str) -> Outcome {
        let asked = MetadataRequestTopic::default().with_name(Some(topic_name(topic)));
        let request = MetadataRequest::default().with_topics(Some(vec![asked]));
        let mut response = self.ask(12, &request)?;
        let found = response.topics.remove(0);
        if let Some(error) = error_of(found.error_code) {
            return Ok(Err(error));
        }
        let mut partitions = Vec::new();
        for number in 0..found.partitions.len() as i32 {
            let log_start = self.offset(topic, number, -2, false)?;
            let high_watermark = self.offset(topic, number, -1, false)?;
            let last_stable_offset = self.offset(topic, number, -1, true)?;
            match (log_start, high_watermark, last_stable_offset) {
                (Ok(log_start), Ok(high_watermark), Ok(last_stable_offset)) => {
                    partitions.push(PartitionState {
                        log_start,
                        high_watermark,
                        last_stable_offset,
                    });
                }
                (Err(error), _, _) | (_, Err(error), _) | (_, _, Err(error)) => {
                    return Ok(Err(error));
                }
            }
        }
        Ok(Ok(KafkaAnswer::Topic { topic_id: *found.topic_id.as_bytes(), partitions }))
    }

    /// ListOffsets of one partition.
    fn offset(
        &mut self,
        topic: &str,
        partition: i32,
        timestamp: i64,
        committed: bool,
    ) -> Result<std::result::Result<i64, KafkaError>> {
        let partition = ListOffsetsPartition::default()
            .with_partition_index(partition)
            .with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default()
            .with_replica_id((-1).into())
            .with_isolation_level(i8::from(committed))
            .with_topics(vec![topic]);
        let response = self.ask(7, &request)?;
        let result = &response.topics[0].partitions[0];
        Ok(error_of(result.error_code).map_or(Ok(result.offset), Err))
    }

    fn create(&mut self, topic: &str, partitions: u32, cleanup: Cleanup) -> Outcome {
        let configs: &[(&'static str, &'static str)] = match cleanup {
            Cleanup::ByDefault => &[],
            // Short, so that a transcript sees the compaction.
            Cleanup::Compact => &[
                ("cleanup.policy", "compact"),
                ("segment.ms", "1000"),
                ("min.cleanable.dirty.ratio", "0"),
            ],
            Cleanup::Nothing => &[("retention.ms", "-1"), ("retention.bytes", "-1")],
        };
        let config = |(name, value): &(&'static str, &'static str)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_static_str(name))
                .with_value(Some(StrBytes::from_static_str(value)))
        };
        let created = CreatableTopic::default()
            .with_name(topic_name(topic))
            .with_num_partitions(partitions as i32)
            .with_replication_factor(1)
            .with_configs(configs.iter().map(config).collect());
        let request =
            CreateTopicsRequest::default().with_topics(vec![created]).with_timeout_ms(TIMEOUT_MS);
        let response = self.ask(6, &request)?;
        if let Some(error) = error_of(response.topics[0].error_code) {
            return Ok(Err(error));
        }
        self.wait_for(topic, |found| found.is_ok())?;
        Ok(Ok(KafkaAnswer::Done))
    }

    /// Deletes a topic, and waits until it is gone.
    pub(super) fn delete(&mut self, topic: &str) -> Result<()> {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![topic_name(topic)])
            .with_timeout_ms(TIMEOUT_MS);
        let response = self.ask(5, &request)?;
        if let Some(error) = error_of(response.responses[0].error_code) {
            return Err(Error::other(format!("{topic} cannot be deleted: {error:?}")));
        }
        self.wait_for(topic, |found| *found == Err(KafkaError::UnknownTopic))
    }

    fn wait_for(
        &mut self,
        topic: &str,
        is_there: impl Fn(&std::result::Result<KafkaAnswer, KafkaError>) -> bool,
    ) -> Result<()> {
        for _ in 0..ATTEMPTS {
            if is_there(&self.describe(topic)?) {
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
        Err(Error::new(ErrorKind::TimedOut, format!("{topic} does not settle")))
    }
}

/// The records of a fetch as a reader takes them: a broker gives whole batches, also from
/// before the offset, control records, and records of aborted transactions with a list of
/// those.
fn read_batches(data: PartitionData, offset: i64, committed: bool) -> Result<KafkaAnswer> {
    let mut aborted: IndexMap<i64, Vec<i64>> = IndexMap::new();
    for transaction in data.aborted_transactions.unwrap_or_default() {
        aborted.entry(transaction.producer_id.0).or_default().push(transaction.first_offset);
    }
    aborted.values_mut().for_each(|firsts| firsts.sort_unstable());
    let mut open: Vec<i64> = Vec::new();
    let (mut records, mut next_offset) = (Vec::new(), offset);
    let mut bytes = data.records.unwrap_or_default();
    while bytes.has_remaining() {
        let last = last_offset(&bytes)?;
        let batch = RecordBatchDecoder::decode(&mut bytes).map_err(Error::other)?;
        next_offset = next_offset.max(last + 1);
        for record in batch.records {
            let producer = record.producer_id;
            let firsts = aborted.get_mut(&producer);
            if let Some(firsts) = firsts
                && firsts.first().is_some_and(|first| *first <= record.offset)
            {
                firsts.remove(0);
                open.push(producer);
            }
            if record.control {
                open.retain(|it| *it != producer);
            } else if record.offset >= offset
                && !(committed && record.transactional && open.contains(&producer))
            {
                records.push((record.offset, record_of(record)));
            }
        }
    }
    Ok(KafkaAnswer::Records {
        records,
        next_offset,
        last_stable_offset: data.last_stable_offset,
        high_watermark: data.high_watermark,
        log_start: data.log_start_offset,
    })
}

/// The last offset of the batch at the start of the bytes; compaction may have removed the
/// record there.
fn last_offset(bytes: &Bytes) -> Result<i64> {
    let mut header = bytes.get(..27).ok_or_else(|| Error::other("a batch was cut"))?;
    let base = header.get_i64();
    header.advance(4 + 4 + 1 + 4 + 2);
    Ok(base + i64::from(header.get_i32()))
}

fn record_of(record: Record) -> KafkaRecord {
    let headers = record.headers.into_iter();
    KafkaRecord {
        key: record.key,
        value: record.value,
        headers: headers
            .map(|(name, value)| (name.to_string(), value.unwrap_or_default()))
            .collect(),
        timestamp_ms: record.timestamp,
    }
}

fn headers_of(record: &KafkaRecord) -> IndexMap<StrBytes, Option<Bytes>> {
    let headers = record.headers.iter();
    headers
        .map(|(name, value)| (StrBytes::from_string(name.clone()), Some(value.clone())))
        .collect()
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

fn id_of(name: &str) -> TransactionalId {
    TransactionalId(StrBytes::from_string(name.to_owned()))
}

/// The error of a code; `None` for 0.
fn error_of(code: i16) -> Option<KafkaError> {
    Some(match code {
        0 => return None,
        1 => KafkaError::OffsetOutOfRange,
        3 => KafkaError::UnknownTopic,
        // LEADER_NOT_AVAILABLE, NOT_LEADER_OR_FOLLOWER, NETWORK_EXCEPTION, NOT_ENOUGH_REPLICAS.
        5 | 6 | 13 | 19 => KafkaError::NotLeader,
        // REQUEST_TIMED_OUT, NOT_ENOUGH_REPLICAS_AFTER_APPEND.
        7 | 20 => KafkaError::RequestTimedOut,
        14..=16 => KafkaError::CoordinatorUnavailable,
        // MESSAGE_TOO_LARGE, INVALID_TRANSACTION_TIMEOUT, INVALID_RECORD.
        10 | 50 | 87 => KafkaError::Rejected,
        36 => KafkaError::TopicExists,
        45 => KafkaError::OutOfOrderSequence,
        46 => KafkaError::DuplicateSequence,
        47 => KafkaError::InvalidProducerEpoch,
        48 => KafkaError::InvalidTransactionState,
        49 => KafkaError::InvalidProducerIdMapping,
        51 => KafkaError::ConcurrentTransactions,
        59 => KafkaError::UnknownProducerId,
        90 => KafkaError::ProducerFenced,
        120 => KafkaError::TransactionAbortable,
        other => panic!("the broker answers with error {other}, which nothing here expects"),
    })
}
