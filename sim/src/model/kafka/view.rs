//! What a reader of the cluster sees.

use super::KafkaModel;
use crate::model::{Change, Glance, View, ViewRecord};
use anabranch_engine::service::kafka::{KafkaRecord, TopicPartition};
use anabranch_engine::sink::Marker;
use anabranch_engine::sink::kafka::{KafkaSinkConfig, Progress};

/// A sink whose topic is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The topic of the rows.
    pub topic: String,
    /// Where its markers stand.
    pub progress: TopicPartition,
    /// Its transactional id.
    pub transactional_id: String,
}

impl Watched {
    /// The sink of this configuration.
    #[must_use]
    pub fn of(config: &KafkaSinkConfig) -> Watched {
        let progress = TopicPartition {
            topic: config.progress_topic.clone(),
            partition: config.progress_partition,
        };
        let (topic, transactional_id) = (config.topic.clone(), config.transactional_id.clone());
        Watched { topic, progress, transactional_id }
    }
}

impl KafkaModel {
    /// All records of a partition that a committed reader sees, with their offsets; none if
    /// there is no such partition.
    #[must_use]
    pub fn committed(&self, of: &TopicPartition) -> Vec<(i64, KafkaRecord)> {
        let partition =
            self.topics.get(&of.topic).and_then(|t| t.partitions.get(of.partition as usize));
        let Some(log) = partition.map(|partition| &partition.log) else { return Vec::new() };
        let read = log.fetch(log.state().log_start, u32::MAX, usize::MAX, true);
        read.map(|(records, _)| records).unwrap_or_default()
    }

    /// What a committed reader sees of a sink.
    #[must_use]
    pub fn view_of(&self, watched: &Watched) -> View {
        let count = self.topics.get(&watched.topic).map_or(0, |topic| topic.partitions.len());
        let mut records = Vec::new();
        for part in 0..count as u32 {
            let partition = TopicPartition { topic: watched.topic.clone(), partition: part };
            let committed = self.committed(&partition).into_iter();
            records.extend(committed.map(|(_, record)| seen(part, record)));
        }
        View { records, marker: self.marker_of(watched) }
    }

    /// The same, told by how it differs from what was seen before. Only the log of a topic
    /// of one partition can tell what is new.
    pub(super) fn look_at(
        &self,
        watched: &Watched,
        before: &View,
        glance: Option<Glance>,
    ) -> Option<Change> {
        let topic = self.topics.get(&watched.topic)?;
        let [partition] = topic.partitions.as_slice() else { return None };
        let log = &partition.log;
        // A topic that is made anew begins another history.
        let topic_id = topic.id.iter().fold(0_u64, |all, byte| (all << 8) ^ u64::from(*byte));
        let history = topic_id.wrapping_add(log.history());
        let known = glance.filter(|glance| glance.history == history);
        let from = known.map_or(log.state().log_start, |glance| glance.seen as i64);
        let (new, next) = log.fetch(from, u32::MAX, usize::MAX, true).ok()?;
        let records = new.into_iter().map(|(_, record)| seen(0, record)).collect();
        let marker = self.marker_of(watched);
        let glance = Some(Glance { history, seen: next as u64 });
        Some(match known {
            Some(_) => Change { kept: before.records.len(), records, marker, glance },
            None => Change { glance, ..Change::between(before, View { records, marker }) },
        })
    }

    fn marker_of(&self, watched: &Watched) -> Option<Marker> {
        let topic = self.topics.get(&watched.progress.topic)?;
        let partition = topic.partitions.get(watched.progress.partition as usize)?;
        let id = &watched.transactional_id;
        let marker = |record: &KafkaRecord| Progress::of(record, id)?.ok()?.marker;
        partition.log.committed_back().find_map(marker)
    }
}

fn seen(part: u32, record: KafkaRecord) -> ViewRecord {
    let (key, value) = (record.key.unwrap_or_default(), record.value.unwrap_or_default());
    ViewRecord { part, key, value }
}
