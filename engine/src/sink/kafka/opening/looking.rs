//! What is read while the sink is opened, and what it means: steps 3, 5 and 6.

use super::super::Opened;
use super::super::progress::{Progress, Stamp, writer_hash};
use super::super::scan::TailScan;
use super::{Aim, Opening, OpeningStep, Stage, outranks};
use crate::planted;
use crate::service::Request;
use crate::service::kafka::{KafkaError, KafkaRecord, TopicPartition};
use crate::sink::{FailKind, Inspection, OpenOutcome};
use std::collections::BTreeMap;

/// How many offsets of a data partition are looked at for a record of ours.
const TAIL_OFFSETS_MAX: i64 = 4096;

impl Opening {
    pub(super) fn on_records(
        &mut self,
        records: &[(i64, KafkaRecord)],
        next_offset: i64,
        last_stable_offset: i64,
    ) -> OpeningStep {
        let scan = self.scan_mut().clone();
        for (offset, record) in records.iter().filter(|(offset, _)| scan.holds(*offset)) {
            if self.stage == Stage::LookingAtTail {
                self.note_stamp(record);
            } else if let Err(what) = self.note_progress(*offset, record) {
                return self.damaged(what);
            }
        }
        let has_moved = next_offset > scan.request_offset();
        let is_read = self.scan_mut().advance(next_offset, last_stable_offset);
        if !is_read {
            if has_moved {
                return self.fetch(self.stage);
            }
            self.asked = self.scan_mut().request();
            return self.sleep(KafkaError::NotLeader);
        }
        match self.stage {
            Stage::LookingAtTail => self.end_tail_window(),
            Stage::ReadingOn => self.end_reading_on(),
            Stage::ReadingAgain => self.end_reading_again(),
            _ => self.end_scan_window(),
        }
    }

    /// The later of two records counts; windows are read from the last one backwards.
    fn note_progress(&mut self, offset: i64, record: &KafkaRecord) -> Result<(), String> {
        let place = || format!("{} at offset {offset}", self.config.progress_topic);
        let Some(progress) = Progress::of(record, &self.config.transactional_id) else {
            return Ok(());
        };
        let progress = progress.map_err(|error| format!("{}: {error}", place()))?;
        self.claim_seen |= self.claim_offset == Some(offset);
        self.claim = self.claim.max(Some(progress.generation));
        if let Aim::Own(own) = self.aim
            && outranks(progress.generation, own)
        {
            self.claim = Some(progress.generation);
        }
        if progress.marker.is_some() {
            self.found = Some(progress);
        }
        Ok(())
    }

    fn end_scan_window(&mut self) -> OpeningStep {
        // A marker names its generation, and whoever claimed later did so behind it.
        if self.found.is_none() && self.scan_mut().widen() {
            return self.fetch(self.stage);
        }
        if self.aim == Aim::Inspect {
            let marker = self.found.as_ref().and_then(|found| found.marker);
            return OpeningStep::Inspected(Inspection { claim: self.claim, marker });
        }
        if let Some(refusal) = self.refusal() {
            return refusal;
        }
        if self.stage == Stage::AskingWho {
            return self.fail(FailKind::Transient, "this generation may not be the newest".into());
        }
        if self.kept.is_some() {
            return self.look_at_tails();
        }
        if self.producer.is_none() {
            return self.ask_any(Stage::Proving, Request::ProveNewest);
        }
        self.add_claim()
    }

    /// Why what was found in the progress topic does not let us in.
    // spec: G-1, K-3, K-5
    fn refusal(&self) -> Option<OpeningStep> {
        let own = self.own_generation();
        if let Some(by) = self.claim.filter(|claim| outranks(*claim, own)) {
            let message = format!("generation {by} owns {}", self.config.transactional_id);
            return Some(OpeningStep::Failed(OpenOutcome::Fenced { by }, message));
        }
        let found = self.found.as_ref()?;
        let topic = &self.config.topic;
        if found.topic_id != self.topic_id && !planted!(K13) {
            return Some(self.damaged(format!(
                "{topic} is not the topic that was written to: it was deleted and made again"
            )));
        }
        let (used, there) = (found.partitions, self.data.len());
        (used as usize > there).then(|| {
            self.damaged(format!("{topic} has {there} partitions, but {used} were written to"))
        })
    }

    fn end_reading_on(&mut self) -> OpeningStep {
        let reached = self.scan_mut().reached();
        if self.claim_offset.is_none_or(|offset| reached <= offset) {
            // Transactions of others, or our own commit that spreads, hide it still.
            self.asked = self.scan_mut().request();
            return self.sleep(KafkaError::ConcurrentTransactions);
        }
        if !self.claim_seen {
            return self.fail(FailKind::Transient, "the claim is gone".into());
        }
        match self.refusal() {
            Some(refusal) => refusal,
            None => self.look_at_tails(),
        }
    }

    /// A data record beyond the marker means that the progress topic lost the marker.
    // spec: K-5
    pub(super) fn look_at_tails(&mut self) -> OpeningStep {
        if planted!(K13) {
            return self.finish();
        }
        self.tail = 0;
        self.progress_scan = self.scan.take();
        self.look_at_tail()
    }

    fn look_at_tail(&mut self) -> OpeningStep {
        if self.tail == self.partition_count() {
            return self.finish();
        }
        self.tail_stamp = None;
        let partition = TopicPartition { topic: self.config.topic.clone(), partition: self.tail };
        self.scan = Some(TailScan::new(partition, &self.data[self.tail as usize]));
        self.fetch(Stage::LookingAtTail)
    }

    fn note_stamp(&mut self, record: &KafkaRecord) {
        let writer = writer_hash(&self.config.transactional_id);
        if let Some(stamp) = Stamp::of(record).filter(|stamp| stamp.writer == writer) {
            self.tail_stamp = Some(stamp);
        }
    }

    fn end_tail_window(&mut self) -> OpeningStep {
        let marker = self.found.as_ref().and_then(|found| found.marker);
        let Some(stamp) = self.tail_stamp else {
            let scan = self.scan_mut();
            if scan.reached() - scan.window_start() < TAIL_OFFSETS_MAX && scan.widen() {
                return self.fetch(Stage::LookingAtTail);
            }
            self.tail += 1;
            return self.look_at_tail();
        };
        if stamp.is_above(marker.as_ref()) {
            let place = format!("{}/{}", self.config.topic, self.tail);
            let marker = marker.map_or("is none".to_owned(), |marker| format!("is {marker}"));
            self.suspicion = format!(
                "{place} holds epoch {}, chunk {}, but the marker in {} {marker}",
                stamp.group, stamp.chunk, self.config.progress_topic,
            );
            self.suspicion_until = None;
            self.scan = self.progress_scan.take();
            self.scan_mut().read_on();
            return self.fetch(Stage::ReadingAgain);
        }
        self.tail += 1;
        self.look_at_tail()
    }

    fn end_reading_again(&mut self) -> OpeningStep {
        let reached = self.scan_mut().reached();
        if self.suspicion_until.is_some_and(|until| reached < until) {
            self.asked = self.scan_mut().request();
            return self.sleep(KafkaError::ConcurrentTransactions);
        }
        match self.refusal() {
            Some(refusal) => refusal,
            None => self.damaged(self.suspicion.clone()),
        }
    }

    fn finish(&mut self) -> OpeningStep {
        let marker = self.found.as_ref().and_then(|found| found.marker);
        if let Some(kept) = self.kept.take() {
            return OpeningStep::Opened(Opened { marker, ..kept });
        }
        OpeningStep::Opened(Opened {
            producer: self.own_producer(),
            progress: Progress { marker, ..self.own_progress() },
            marker,
            // The claim was the first record of this producer epoch.
            sequences: BTreeMap::from([(self.config.progress(), 1)]),
            must_renew: false,
        })
    }
}
