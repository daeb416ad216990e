//! What may happen inside of a cluster.

use super::{KafkaModel, Partition};
use crate::model::Disturbance;
use crate::rng::Draws;
use crate::time::{Span, VirtualTime};
use anabranch_engine::service::kafka::Cleanup;

impl KafkaModel {
    pub(super) fn disturb_by(
        &mut self,
        now: VirtualTime,
        disturbance: &Disturbance,
    ) -> Option<String> {
        match disturbance {
            Disturbance::Failover => Some(self.fail_over(now)),
            Disturbance::ExpireProducers => self.expire_producers(),
            Disturbance::Retention { keep } => self.retain(*keep),
            Disturbance::LoseMarker => self.recreate_compacted(),
            Disturbance::MakeRoom => self.keep_up(),
            // A cluster with acks=all loses no acknowledged write; disks are its own affair.
            Disturbance::LoseAcknowledged { .. }
            | Disturbance::Merge
            | Disturbance::ForgetTokens
            | Disturbance::StopInsert { .. }
            | Disturbance::Fill { .. }
            | Disturbance::FailSync
            | Disturbance::TakeFiles
            | Disturbance::Rot { .. }
            | Disturbance::PowerFailure { .. } => None,
        }
    }

    /// The coordinator or the leader of a partition moves. A new leader may lack what was
    /// not acknowledged.
    fn fail_over(&mut self, now: VirtualTime) -> String {
        self.failovers += 1;
        let mut draws = Draws::new(self.config.seed, "kafka-failover", &self.failovers.to_string());
        let until = now + self.config.failover;
        let count: usize = self.topics.values().map(|topic| topic.partitions.len()).sum();
        if count == 0 || draws.happens(500_000) {
            self.coordinator_away_until = until;
            // The new coordinator reads its log and sends all control records again.
            for transaction in self.coordinator.transactions.values_mut() {
                for at in transaction.markers.values_mut() {
                    *at = (*at).max(until + Span::us(1));
                }
            }
            return "the coordinator moves".to_owned();
        }
        let chosen = draws.below(count as u64) as usize;
        let mut all = self.topics.iter_mut().flat_map(|(name, topic)| {
            topic.partitions.iter_mut().enumerate().map(move |place| (name, place))
        });
        let (name, (number, partition)) = all.nth(chosen).expect("one of those was drawn");
        partition.leaderless_until = until;
        partition.log.leader_epoch += 1;
        let lost = lose_unacknowledged(partition, draws.happens(500_000));
        format!("the leader of {name}/{number} moves{lost}")
    }

    /// Replicas are not behind any more, and coordinators do not fail.
    fn keep_up(&mut self) -> Option<String> {
        let (stalls, unclear) = (&mut self.config.stall_share, &mut self.config.unclear_share);
        let failed = std::mem::take(stalls) + std::mem::take(unclear) > 0;
        failed.then(|| "replicas and coordinators keep up".to_owned())
    }

    fn expire_producers(&mut self) -> Option<String> {
        let partitions = self.topics.values_mut().flat_map(|topic| &mut topic.partitions);
        let forgotten: usize = partitions.map(|partition| partition.log.forget_producers()).sum();
        let ids = self.coordinator.forget_idle();
        (forgotten + ids > 0).then(|| {
            format!("{ids} transactional ids and {forgotten} producers of partitions expire")
        })
    }

    fn retain(&mut self, keep: u32) -> Option<String> {
        let active = self.config.active_offsets;
        let (mut removed, mut compacted) = (0, 0);
        for topic in self.topics.values_mut() {
            for partition in &mut topic.partitions {
                match topic.cleanup {
                    Cleanup::ByDefault => removed += partition.log.retain(keep),
                    // Who asked for it leans on the last record of each key only.
                    Cleanup::Compact => compacted += partition.log.compact(active),
                    Cleanup::Nothing => {}
                }
            }
        }
        self.toll.gone += removed as u64;
        let all = removed + compacted;
        (all > 0).then(|| format!("retention removes {all} records"))
    }

    /// Compacted topics are deleted and made again: the last record of a live key cannot
    /// get lost in another way.
    fn recreate_compacted(&mut self) -> Option<String> {
        let compacted = self.topics.iter().filter(|(_, topic)| topic.cleanup == Cleanup::Compact);
        let names: Vec<(String, u32)> =
            compacted.map(|(name, topic)| (name.clone(), topic.partitions.len() as u32)).collect();
        for (name, partitions) in &names {
            let held = self.topics.get(name).map_or(&[][..], |topic| &topic.partitions);
            self.toll.gone += held.iter().map(|it| it.log.count() as u64).sum::<u64>();
            self.delete_topic(name);
            self.create_topic(name, *partitions, Cleanup::Compact);
        }
        (!names.is_empty()).then(|| format!("{} compacted topics are made anew", names.len()))
    }

    /// Deletes a topic; gives whether there was one.
    pub fn delete_topic(&mut self, name: &str) -> bool {
        self.topics.remove(name).is_some()
    }
}

/// Lets a new leader take over; gives what that did to records that were not acknowledged.
fn lose_unacknowledged(partition: &mut Partition, loses: bool) -> &'static str {
    if !partition.log.is_behind() {
        return "";
    }
    partition.replicas_at = None;
    if loses {
        partition.log.truncate();
        return ", and loses what was not acknowledged";
    }
    partition.log.replicate();
    ", with all that was not acknowledged"
}
