//! The log of one partition: records and control records, high watermark and last stable
//! offset, what is known of producers, compaction and truncation.

use anabranch_engine::service::kafka::{KafkaError, KafkaRecord, PartitionState, ProducerId};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Of so many batches of a producer the broker knows the sequence numbers.
const BATCHES_KEPT: usize = 5;

/// What stands at an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Body {
    /// A record that counts at once.
    Plain(KafkaRecord),
    /// A record of a transaction.
    InTransaction(KafkaRecord),
    /// A control record: the transaction of this producer is committed or aborted.
    End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    offset: i64,
    producer: Option<i64>,
    body: Body,
}

impl Entry {
    fn record(&self) -> Option<&KafkaRecord> {
        match &self.body {
            Body::Plain(record) | Body::InTransaction(record) => Some(record),
            Body::End => None,
        }
    }
}

/// Sequence numbers of a batch, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KnownBatch {
    first: i32,
    last: i32,
    base_offset: i64,
}

/// What the partition knows of a producer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct KnownProducer {
    epoch: i16,
    /// Its last batches, the oldest first; none after its epoch was raised.
    batches: VecDeque<KnownBatch>,
    /// The first offset of its transaction that is not ended.
    open_since: Option<i64>,
}

/// A transaction that was aborted: its records do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Aborted {
    producer: i64,
    first: i64,
    /// Where its control record stands.
    end: i64,
}

/// What follows from the log, and goes back with it when it is truncated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Derived {
    producers: BTreeMap<i64, KnownProducer>,
    aborted: Vec<Aborted>,
}

/// The log of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Log {
    /// Counts the leaders.
    pub(super) leader_epoch: u32,
    log_start: i64,
    /// Everything below it is on all replicas and stays.
    high_watermark: i64,
    /// The offset that the next record gets.
    end: i64,
    entries: Vec<Entry>,
    derived: Derived,
    /// What held when the part above the high watermark began.
    replicated: Option<Derived>,
    /// Another one whenever what a committed reader has seen may have changed.
    history: u64,
}

/// A batch that comes in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming<'a> {
    pub(super) producer: Option<ProducerId>,
    pub(super) in_transaction: bool,
    pub(super) sequence: i32,
    pub(super) records: &'a [KafkaRecord],
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Appended { base_offset: i64 },
    Repeated { base_offset: i64 },
}

impl Log {
    pub(super) fn state(&self) -> PartitionState {
        PartitionState {
            log_start: self.log_start,
            high_watermark: self.high_watermark,
            last_stable_offset: self.last_stable_offset(),
        }
    }

    /// Another number whenever anything else happens than that records come behind those
    /// that a committed reader has seen.
    pub(super) fn history(&self) -> u64 {
        self.history
    }

    /// The records that a committed reader sees, the last one first.
    pub(super) fn committed_back(&self) -> impl Iterator<Item = &KafkaRecord> {
        let limit = self.last_stable_offset();
        let stable = self.entries.partition_point(|entry| entry.offset < limit);
        let seen = self.entries[..stable].iter().rev().filter(|entry| !self.is_aborted(entry));
        seen.filter_map(Entry::record)
    }

    /// Below it no transaction is open.
    pub(super) fn last_stable_offset(&self) -> i64 {
        let open = self.derived.producers.values().filter_map(|producer| producer.open_since);
        open.min().unwrap_or(self.end).min(self.high_watermark)
    }

    /// Whether the producer has a transaction open here in this epoch.
    pub(super) fn has_open(&self, producer: ProducerId) -> bool {
        self.derived
            .producers
            .get(&producer.id)
            .is_some_and(|known| known.open_since.is_some() && known.epoch == producer.epoch)
    }

    /// Takes a batch in, unless the producer's epoch or sequence number forbid it.
    pub(super) fn append(&mut self, batch: Incoming<'_>) -> Result<Taken, KafkaError> {
        if let Some(producer) = batch.producer {
            if let Some(base_offset) = self.repeated(producer, batch) {
                return Ok(Taken::Repeated { base_offset });
            }
            self.check(producer, batch.sequence)?;
        }
        let base_offset = self.end;
        for record in batch.records {
            let record = record.clone();
            let body = if batch.in_transaction {
                Body::InTransaction(record)
            } else {
                Body::Plain(record)
            };
            let producer = batch.producer.map(|producer| producer.id);
            self.entries.push(Entry { offset: self.end, producer, body });
            self.end += 1;
        }
        if let Some(producer) = batch.producer {
            let known = self.derived.producers.entry(producer.id).or_default();
            if known.epoch != producer.epoch {
                known.batches.clear();
                known.epoch = producer.epoch;
            }
            let last = last_sequence(batch.sequence, batch.records.len());
            known.batches.push_back(KnownBatch { first: batch.sequence, last, base_offset });
            if known.batches.len() > BATCHES_KEPT {
                known.batches.pop_front();
            }
            if batch.in_transaction {
                known.open_since.get_or_insert(base_offset);
            }
        }
        Ok(Taken::Appended { base_offset })
    }

    fn repeated(&self, producer: ProducerId, batch: Incoming<'_>) -> Option<i64> {
        let known = self.derived.producers.get(&producer.id)?;
        let last = last_sequence(batch.sequence, batch.records.len());
        let mut batches = known.batches.iter();
        let found = batches.find(|known| known.first == batch.sequence && known.last == last)?;
        (known.epoch == producer.epoch).then_some(found.base_offset)
    }

    fn check(&self, producer: ProducerId, sequence: i32) -> Result<(), KafkaError> {
        // Of a producer that is not known any number is taken: its records may have gone.
        let Some(known) = self.derived.producers.get(&producer.id) else { return Ok(()) };
        if producer.epoch < known.epoch {
            return Err(KafkaError::InvalidProducerEpoch);
        }
        let expected = match known.batches.back() {
            Some(batch) if producer.epoch == known.epoch => last_sequence(batch.last, 2),
            Some(_) | None => 0,
        };
        if sequence == expected { Ok(()) } else { Err(KafkaError::OutOfOrderSequence) }
    }

    /// Writes the control record that ends a transaction.
    pub(super) fn end_transaction(&mut self, producer: ProducerId, commit: bool) {
        let end = self.end;
        self.entries.push(Entry { offset: end, producer: Some(producer.id), body: Body::End });
        self.end += 1;
        let known = self.derived.producers.entry(producer.id).or_default();
        if producer.epoch > known.epoch {
            known.epoch = producer.epoch;
            known.batches.clear();
        }
        if let Some(first) = known.open_since.take()
            && !commit
        {
            self.derived.aborted.push(Aborted { producer: producer.id, first, end });
        }
        self.replicate();
    }

    /// Whether records above the high watermark wait for other replicas.
    pub(super) fn is_behind(&self) -> bool {
        self.high_watermark < self.end
    }

    /// The replicas have everything.
    pub(super) fn replicate(&mut self) {
        self.high_watermark = self.end;
        self.replicated = None;
    }

    /// Notes what holds now; what is appended next may be lost again.
    pub(super) fn hold_back(&mut self) {
        if !self.is_behind() {
            self.replicated = Some(self.derived.clone());
        }
    }

    /// A replica without what stands above the high watermark becomes the leader.
    pub(super) fn truncate(&mut self) {
        self.history += 1;
        self.entries.retain(|entry| entry.offset < self.high_watermark);
        self.end = self.high_watermark;
        if let Some(before) = self.replicated.take() {
            self.derived = before;
        }
    }

    /// What a reader gets, and from where to read on.
    pub(super) fn fetch(
        &self,
        offset: i64,
        bytes_max: u32,
        records_max: usize,
        committed: bool,
    ) -> Result<(Vec<(i64, KafkaRecord)>, i64), KafkaError> {
        if offset < self.log_start || offset > self.high_watermark {
            return Err(KafkaError::OffsetOutOfRange);
        }
        let limit = if committed { self.last_stable_offset() } else { self.high_watermark };
        let from = self.entries.partition_point(|entry| entry.offset < offset);
        let (mut records, mut bytes) = (Vec::new(), 0);
        for entry in self.entries[from..].iter().take_while(|entry| entry.offset < limit) {
            let Some(record) = entry.record() else { continue };
            if committed && self.is_aborted(entry) {
                continue;
            }
            bytes += bytes_of(record);
            let is_full = bytes > bytes_max as usize || records.len() == records_max;
            if is_full && !records.is_empty() {
                return Ok((records, entry.offset));
            }
            records.push((entry.offset, record.clone()));
        }
        Ok((records, limit.max(offset)))
    }

    fn is_aborted(&self, entry: &Entry) -> bool {
        matches!(entry.body, Body::InTransaction(_))
            && self.derived.aborted.iter().any(|aborted| {
                entry.producer == Some(aborted.producer)
                    && (aborted.first..aborted.end).contains(&entry.offset)
            })
    }

    /// Forgets producers that have no transaction open; gives how many.
    pub(super) fn forget_producers(&mut self) -> usize {
        self.history += 1;
        let before = self.derived.producers.len();
        self.derived.producers.retain(|_, known| known.open_since.is_some());
        before - self.derived.producers.len()
    }

    /// Removes what stands below an offset, as far as it may go.
    pub(super) fn remove_below(&mut self, before: i64) {
        self.log_start = self.log_start.max(before.min(self.high_watermark));
        let log_start = self.log_start;
        self.history += 1;
        self.entries.retain(|entry| entry.offset >= log_start);
    }

    /// Removes the oldest records but for so many; gives how many entries went.
    pub(super) fn retain(&mut self, keep: u32) -> usize {
        let stable = self.last_stable_offset();
        let records: Vec<i64> =
            self.entries.iter().filter(|e| e.record().is_some()).map(|e| e.offset).collect();
        let count = self.entries.len();
        let first = records.len().saturating_sub(keep as usize);
        let before = records.get(first).copied().unwrap_or(stable).min(stable);
        self.remove_below(before);
        count - self.entries.len()
    }

    /// Removes records that a later one of the same key replaces, aborted records and the
    /// control records behind them; but nothing of the last `active` offsets, and nothing
    /// that is not stable. Gives how many entries went.
    pub(super) fn compact(&mut self, active: i64) -> usize {
        let limit = self.last_stable_offset().min(self.end - active);
        let mut last: BTreeMap<&Bytes, i64> = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.offset < limit) {
            if let Some(key) = entry.record().and_then(|record| record.key.as_ref())
                && !self.is_aborted(entry)
            {
                last.insert(key, entry.offset);
            }
        }
        let stays: Vec<bool> = self
            .entries
            .iter()
            .map(|entry| {
                let key = entry.record().and_then(|record| record.key.as_ref());
                let is_last = key.is_some_and(|key| last.get(key) == Some(&entry.offset));
                entry.offset >= limit || is_last
            })
            .collect();
        let count = self.entries.len();
        let mut stays = stays.into_iter();
        self.history += 1;
        self.entries.retain(|_| stays.next().expect("one answer for each entry"));
        count - self.entries.len()
    }

    /// How many entries there are.
    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }
}

/// The sequence number of the last of so many records; behind the largest comes 0.
fn last_sequence(first: i32, records: usize) -> i32 {
    ((i64::from(first) + records as i64 - 1) % (i64::from(i32::MAX) + 1)) as i32
}

/// About how many bytes a batch of these records has.
pub(super) fn bytes_of_all(records: &[KafkaRecord]) -> usize {
    records.iter().map(bytes_of).sum()
}

fn bytes_of(record: &KafkaRecord) -> usize {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    length(&record.key) + length(&record.value) + headers
}
