//! Digests of what passes between processes and services: cheap, and different for
//! different content.

use anabranch_engine::ids::Generation;
use anabranch_engine::pipeline::{FetchedData, Input, Output};
use anabranch_engine::service::clickhouse::{ClickHouseAnswer, ClickHouseRequest, ClickHouseRow};
use anabranch_engine::service::fs::{FsAnswer, FsRequest};
use anabranch_engine::service::kafka::{
    KafkaAnswer, KafkaRecord, KafkaRequest, ProducerId, TopicPartition,
};
use anabranch_engine::service::object::{ObjectAnswer, ObjectRequest};
use anabranch_engine::service::redis::{RedisAnswer, RedisRequest, RedisWrite};
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::{ApplyOutcome, Marker};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A hash that numbers and bytes are added to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest(pub(super) u64);

impl Digest {
    pub(super) fn number(self, number: u64) -> Digest {
        Digest(xxh3_64_with_seed(&number.to_le_bytes(), self.0))
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Digest {
        Digest(xxh3_64_with_seed(bytes, self.0 ^ bytes.len() as u64))
    }

    fn text(self, text: &str) -> Digest {
        self.bytes(text.as_bytes())
    }

    fn generation(self, generation: Generation) -> Digest {
        self.number(generation.number).number(generation.nonce)
    }

    fn marker(self, marker: Option<&Marker>) -> Digest {
        match marker {
            Some(marker) => self.number(marker.epoch.0).bytes(&marker.hash.0),
            None => self.number(u64::MAX),
        }
    }

    /// What has no cheaper form, by what it looks like to a person. Only for what is
    /// small.
    fn debug(self, value: &dyn std::fmt::Debug) -> Digest {
        self.text(&format!("{value:?}"))
    }

    pub(super) fn input(self, input: &Input) -> Digest {
        match input {
            Input::JournalRead { segments, .. } => {
                segments.iter().fold(self, |digest, segment| digest.bytes(&segment.bytes))
            }
            Input::SnapshotLoaded { name, parts } => {
                parts.iter().fold(self.text(name), |digest, part| digest.bytes(part))
            }
            Input::SnapshotsListed { manifests, .. } => {
                let add = |digest: Digest, (name, manifest): &(String, bytes::Bytes)| {
                    digest.text(name).bytes(manifest)
                };
                manifests.iter().fold(self, add)
            }
            Input::Fetched { request, split, data, end } => {
                let digest = self.number(request.0).number(u64::from(split.0));
                digest.number(*end as u64).fetched(data)
            }
            Input::JournalAppended { epoch } => self.number(epoch.0),
            Input::Wake => self,
            Input::SinkOpened { sink, marker, .. } => {
                self.number(u64::from(sink.0)).marker(marker.as_ref())
            }
            Input::SinkApplied { request, sink, outcome: ApplyOutcome::Applied, message } => {
                self.number(request.0).number(u64::from(sink.0)).text(message)
            }
            other => self.debug(other),
        }
    }

    fn fetched(self, data: &FetchedData) -> Digest {
        match data {
            FetchedData::Bytes(bytes) => self.bytes(bytes),
            FetchedData::Records(block) => {
                let digest = self.bytes(&block.data).number(block.end_offset);
                digest.number(block.records.len() as u64)
            }
        }
    }

    pub(super) fn output(self, output: &Output) -> Digest {
        match output {
            Output::OpenJournal { segment, bytes } => {
                self.generation(segment.generation).number(segment.part.into()).bytes(bytes)
            }
            Output::Fetch { request, split, from, until, .. } => self
                .number(request.0)
                .number(u64::from(split.0))
                .number(from.0)
                .number(until.map_or(u64::MAX, |until| until.0)),
            Output::AppendJournal { epoch, bytes } => self.number(epoch.0).bytes(bytes),
            // The marker's hash covers the payload.
            Output::ApplyChunk { request, chunk } => self
                .number(request.0)
                .number(u64::from(chunk.sink.0))
                .number(chunk.marker.chunk.into())
                .marker(Some(&chunk.marker)),
            Output::StoreSnapshot { epoch, manifest, .. } => self.number(epoch.0).bytes(manifest),
            other => self.debug(other),
        }
    }

    pub(super) fn request(self, request: &Request) -> Digest {
        match request {
            Request::Fs(request) => self.fs_request(request),
            Request::Kafka(request) => self.kafka_request(request),
            Request::Redis(request) => self.redis_request(request),
            Request::ClickHouse(request) => self.clickhouse_request(request),
            Request::Object(request) => self.object_request(request),
            Request::ProveNewest => self.number(1),
            Request::Sleep { ms } => self.number(*ms as u64),
        }
    }

    fn fs_request(self, request: &FsRequest) -> Digest {
        match request {
            FsRequest::Write { name, bytes } => self.number(1).text(name).bytes(bytes),
            FsRequest::Append { name, at, bytes } => {
                self.number(2).text(name).number(*at).bytes(bytes)
            }
            FsRequest::Rename { from, to } => self.number(3).text(from).text(to),
            FsRequest::SyncFile { name } => self.number(4).text(name),
            FsRequest::SyncDir => self.number(5),
            other => self.debug(other),
        }
    }

    fn object_request(self, request: &ObjectRequest) -> Digest {
        match request {
            ObjectRequest::PutNew { name, bytes } => self.number(1).text(name).bytes(bytes),
            ObjectRequest::Replace { name, tag, bytes } => {
                self.number(2).text(name).number(tag.unwrap_or(u64::MAX)).bytes(bytes)
            }
            other => self.debug(other),
        }
    }

    fn kafka_request(self, request: &KafkaRequest) -> Digest {
        match request {
            KafkaRequest::Produce { producer, to, sequence, records, .. } => {
                let digest = self.number(producer.map_or(u64::MAX, |producer| producer.id as u64));
                let digest = digest.text(&to.topic).number(to.partition.into());
                records.iter().fold(digest.number(*sequence as u64), Digest::kafka_record)
            }
            KafkaRequest::AddPartitions { transactional_id, producer, partitions } => partitions
                .iter()
                .fold(self.number(2).text(transactional_id).producer(*producer), Digest::partition),
            KafkaRequest::EndTransaction { transactional_id, producer, commit } => {
                self.number(3).text(transactional_id).producer(*producer).number(u64::from(*commit))
            }
            KafkaRequest::Fetch { from, offset, bytes_max, committed } => self
                .number(4)
                .partition(from)
                .number(*offset as u64)
                .number(u64::from(*bytes_max))
                .number(u64::from(*committed)),
            other => self.debug(other),
        }
    }

    fn producer(self, producer: ProducerId) -> Digest {
        self.number(producer.id as u64).number(producer.epoch as u64)
    }

    fn partition(self, partition: &TopicPartition) -> Digest {
        self.text(&partition.topic).number(partition.partition.into())
    }

    fn kafka_record(self, record: &KafkaRecord) -> Digest {
        let bytes = |digest: Digest, bytes: &Option<bytes::Bytes>| match bytes {
            Some(bytes) => digest.bytes(bytes),
            None => digest.bytes(&[]),
        };
        bytes(bytes(self, &record.key), &record.value)
    }

    fn redis_request(self, request: &RedisRequest) -> Digest {
        match request {
            RedisRequest::Apply { marker_key, generation, marker, writes, .. } => {
                let digest = self.bytes(marker_key).generation(*generation).marker(Some(marker));
                writes.iter().fold(digest, |digest, write| match write {
                    RedisWrite::Set { key, value } => digest.bytes(key).bytes(value),
                    RedisWrite::Delete { key } => digest.bytes(key),
                    RedisWrite::Hash { key, fields } => {
                        fields.iter().fold(digest.bytes(key), |digest, (field, value)| {
                            digest.bytes(field).bytes(value)
                        })
                    }
                })
            }
            other => self.debug(other),
        }
    }

    fn clickhouse_request(self, request: &ClickHouseRequest) -> Digest {
        match request {
            ClickHouseRequest::Insert { table, deduplication, rows, .. } => {
                let digest = self.text(table).debug(deduplication);
                let add = |digest: Digest, row: &ClickHouseRow| {
                    digest
                        .bytes(&row.key)
                        .number(row.epoch.0)
                        .number(row.sequence)
                        .bytes(&row.value)
                };
                rows.iter().fold(digest, add)
            }
            other => self.debug(other),
        }
    }

    pub(super) fn answer(self, answer: &Answer) -> Digest {
        match answer {
            Answer::Fs(FsAnswer::Done) | Answer::Object(ObjectAnswer::Done) => self.number(1),
            Answer::Fs(FsAnswer::Data(bytes)) => self.number(2).bytes(bytes),
            Answer::Object(ObjectAnswer::Data { bytes, tag }) => {
                self.number(2).number(*tag).bytes(bytes)
            }
            Answer::Object(ObjectAnswer::Tagged(tag)) => self.number(3).number(*tag),
            Answer::Kafka(KafkaAnswer::Records { records, next_offset, .. }) => {
                records.iter().fold(self.number(*next_offset as u64), |digest, (_, record)| {
                    digest.kafka_record(record)
                })
            }
            Answer::Kafka(KafkaAnswer::Done) => self.number(5),
            Answer::Kafka(KafkaAnswer::Produced { base_offset }) => {
                self.number(6).number(*base_offset as u64)
            }
            Answer::Redis(RedisAnswer::Applied) | Answer::ClickHouse(ClickHouseAnswer::Done) => {
                self.number(4)
            }
            other => self.debug(other),
        }
    }
}
