//! What a reader of the cluster sees.

use super::KafkaModel;
use crate::model::{View, ViewRecord};
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
            records.extend(self.committed(&partition).into_iter().map(|(_, record)| ViewRecord {
                part,
                key: record.key.unwrap_or_default(),
                value: record.value.unwrap_or_default(),
            }));
        }
        View { records, marker: self.marker_of(watched) }
    }

    fn marker_of(&self, watched: &Watched) -> Option<Marker> {
        let progress = self.committed(&watched.progress);
        progress
            .iter()
            .filter_map(|(_, record)| Progress::of(record, &watched.transactional_id)?.ok()?.marker)
            .next_back()
    }
}
