//! Computing journaled epochs again: the same slices, the same order, the same
//! chunks, and the proof that the result is the same.

use super::epochs::slice_record;
use super::ingest::SplitIngest;
use super::io::{Failure, FetchedData, LogEnd, Output, Report};
use super::{Phase, Pipeline};
use crate::executor::Executor;
use crate::format::{RecordBlock, frame};
use crate::ids::{Epoch, Offset, RequestId, SplitId};
use crate::journal::{Control, EpochRecord, SliceRecord};
use crate::planted;
use std::collections::{BTreeMap, VecDeque};

/// A replay under way.
#[derive(Debug)]
pub(super) struct Recovery {
    /// The records that are left, the next one first.
    records: VecDeque<EpochRecord>,
    /// What was read of each slice of the first record.
    slices: Vec<Reading>,
    /// Which slice each request in flight is for.
    in_flight: BTreeMap<RequestId, usize>,
    replayed: u64,
}

/// A slice that is read again, in one answer or in several.
#[derive(Debug, Default)]
struct Reading {
    block: RecordBlock,
    is_complete: bool,
}

impl Recovery {
    pub(super) fn new(records: Vec<EpochRecord>) -> Recovery {
        Recovery {
            records: records.into(),
            slices: Vec::new(),
            in_flight: BTreeMap::new(),
            replayed: 0,
        }
    }
}

impl Recovery {
    /// Whether the answer to this request is awaited; from now on it is not.
    pub(super) fn take(&mut self, request: RequestId) -> bool {
        self.in_flight.remove(&request).is_some()
    }

    /// The splits of which a slice of the next record is not read yet.
    pub(super) fn unread(&self) -> impl Iterator<Item = SplitId> {
        let record = self.records.front();
        let slices = record.map_or(&[][..], |record| &record.slices);
        let unread = |(_, reading): &(&SliceRecord, &Reading)| !reading.is_complete;
        slices.iter().zip(&self.slices).filter(unread).map(|(slice, _)| slice.split)
    }
}

impl Pipeline {
    fn recovery(&mut self) -> &mut Recovery {
        match &mut self.phase {
            Phase::Replaying(recovery) => recovery,
            _ => panic!("an answer of the replay came in another phase"),
        }
    }

    /// Asks for the slices of the next record, or ends the replay.
    pub(super) fn replay_next(&mut self, out: &mut Vec<Output>) -> Result<(), Failure> {
        let snapshot = self.snapshots.loaded;
        let Some(record) = self.recovery().records.front().cloned() else {
            let replayed = self.recovery().replayed;
            return self.end_replay(replayed, snapshot, out);
        };
        self.learn_splits(&record);
        let begin = |slice: &SliceRecord| Reading {
            block: RecordBlock { end_offset: slice.start.0, ..RecordBlock::default() },
            is_complete: false,
        };
        self.recovery().slices = record.slices.iter().map(begin).collect();
        if record.slices.is_empty() {
            // Nothing to wait for: the turn goes on with the step.
            return Ok(());
        }
        for (index, slice) in record.slices.iter().enumerate() {
            self.replay_fetch(index, slice, out);
        }
        Ok(())
    }

    fn replay_fetch(&mut self, index: usize, slice: &SliceRecord, out: &mut Vec<Output>) {
        let request = self.request();
        let recovery = self.recovery();
        recovery.in_flight.insert(request, index);
        let from = Offset(recovery.slices[index].block.end_offset);
        // Offsets of a log say nothing of bytes, so the usual amount is asked for then.
        let until = Some(Offset(slice.end.0 - u64::from(planted!(J5))));
        let range = u32::try_from(slice.end.0 - from.0).unwrap_or(u32::MAX);
        out.push(Output::Fetch {
            request,
            split: slice.split,
            name: self.ingest.split(slice.split).name.clone(),
            from,
            until: if planted!(J8) { None } else { until },
            bytes_max: range.max(self.config.fetch_bytes),
            wait: false,
        });
    }

    /// Asks again for the slices of splits whose fetch failed a while ago.
    pub(super) fn retry_replay_fetches(&mut self, out: &mut Vec<Output>) {
        for split in self.ingest.take_due_retries(self.clock.now) {
            self.replay_fetch_again(split, out);
        }
    }

    fn replay_fetch_again(&mut self, split: SplitId, out: &mut Vec<Output>) {
        let Some(record) = self.recovery().records.front().cloned() else { return };
        let recovery = self.recovery();
        recovery.in_flight.retain(|_, index| record.slices[*index].split != split);
        let missing: Vec<usize> = (0..record.slices.len())
            .filter(|index| {
                record.slices[*index].split == split && !recovery.slices[*index].is_complete
            })
            .collect();
        for index in missing {
            self.replay_fetch(index, &record.slices[index], out);
        }
    }

    /// The splits that a record adds, before their slices are asked for.
    fn learn_splits(&mut self, record: &EpochRecord) {
        for control in &record.controls {
            if let Control::Added { name, identity, .. } = &control.control {
                let (name, identity) = (name.clone(), identity.clone());
                let fetch = self.config.fetch_bytes;
                self.ingest.splits.push(SplitIngest::new(name, identity, control.at, fetch));
            }
        }
    }

    pub(super) fn replay_fetched(
        &mut self,
        request: RequestId,
        split: SplitId,
        data: FetchedData,
        end: LogEnd,
        executor: &dyn Executor,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        let Some(index) = self.recovery().in_flight.remove(&request) else { return Ok(()) };
        let slice = self.recovery().records[0].slices[index];
        let name = self.ingest.split(split).name.clone();
        let from = self.recovery().slices[index].block.end_offset;
        let (block, reads_all) = match data {
            FetchedData::Records(block) => {
                // The last offsets of a range may hold no record, and the record that
                // the range ended with may have been removed since.
                // spec: J-7
                let last = block.records.last().map(|record| Offset(record.offset));
                let has_last = last.is_some_and(|last| last >= slice.last);
                let reads_all = slice.count == 0 || has_last || block.end_offset >= slice.end.0;
                (block, reads_all)
            }
            FetchedData::Bytes(bytes) => {
                let format = &self.plan.table(name.table).format;
                let wanted = (slice.end.0 - from) as usize;
                let reads_all = bytes.len() >= wanted;
                let bytes = bytes.slice(..bytes.len().min(wanted));
                let framed = frame(format, bytes, Offset(from), reads_all);
                let mut block = framed.block;
                block.data.truncate(framed.consumed);
                (block, reads_all)
            }
        };
        if !reads_all && block.end_offset > from {
            append(&mut self.recovery().slices[index].block, block);
            self.ingest.split_mut(split).attempts = 0;
            self.replay_fetch(index, &slice, out);
            return Ok(());
        }
        if !reads_all && end == LogEnd::More {
            let message = "it gives nothing, though it has more".to_owned();
            return self.read_again_later(split, true, message, out);
        }
        let reading = &mut self.recovery().slices[index];
        append(&mut reading.block, block);
        reading.block.end_offset = slice.end.0;
        reading.is_complete = true;
        // spec: J-7
        let found = slice_record(split, slice.start, &reading.block);
        let verified = slice
            .verify(&found)
            .map_err(|mismatch| Failure::source_changed(&self.plan, &name, mismatch.to_string()));
        if !planted!(J13) {
            verified?;
        }
        self.ingest.split_mut(split).attempts = 0;
        self.replay_ready_epochs(executor, out)
    }

    /// Steps every epoch whose slices are all there.
    pub(super) fn replay_ready_epochs(
        &mut self,
        executor: &dyn Executor,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        while let Phase::Replaying(recovery) = &mut self.phase {
            let next = recovery.records.front().map(|record| record.epoch);
            let is_ready = recovery.slices.iter().all(|slice| slice.is_complete);
            let Some(next) = next.filter(|_| is_ready) else { break };
            if !self.may_compute(next, out) {
                break;
            }
            let recovery = self.recovery();
            let mut record = recovery.records.pop_front().expect("it was just looked at");
            let mut blocks = std::mem::take(&mut recovery.slices);
            if planted!(J6) {
                record.slices.reverse();
                blocks.reverse();
            }
            let blocks = blocks.into_iter().map(|reading| reading.block).collect();
            recovery.replayed += 1;
            record.tick = if planted!(W8) { self.clock.now_tick() } else { record.tick };
            self.replay_epoch(&record, blocks, executor, out)?;
            self.replay_next(out)?;
        }
        Ok(())
    }

    fn replay_epoch(
        &mut self,
        record: &EpochRecord,
        blocks: VecDeque<RecordBlock>,
        executor: &dyn Executor,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        if let Some(journaled) = record.output_hash
            && journaled.epoch == self.epoch
            && journaled.hash != self.chain
        {
            return Err(Failure::NotReproduced {
                epoch: journaled.epoch,
                detail: format!("{} was journaled, {} came out", journaled.hash, self.chain),
            });
        }
        let output = self.step_noted(record, blocks, executor, out);
        self.totals.add(&output);
        self.sinks.end_groups(&record.flush_ends, record.epoch, self.lineage);
        self.drop_recovered()?;
        for slice in &record.slices {
            self.ingest.split_mut(slice.split).replayed_to(slice.end);
        }
        Ok(())
    }

    fn end_replay(
        &mut self,
        replayed: u64,
        snapshot: Option<Epoch>,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        if let Some((sink, marker)) = self.sinks.unrecovered() {
            return Err(Failure::Diverged {
                sink: self.sink_name(sink),
                detail: format!("it holds {marker}, which this job never computed"),
            });
        }
        self.phase = Phase::Running;
        self.ownership.confirm(self.clock.now);
        for (id, split) in self.dataflow.splits().iter() {
            self.ingest.split_mut(id).resume(split);
        }
        self.ingest.fix_bounded_tables(self.epoch, &self.plan);
        out.push(Output::Report(Report::Running {
            generation: self.generation,
            after: self.epoch,
            replayed,
            snapshot,
        }));
        Ok(())
    }
}

/// Puts a block behind another one of the same split.
fn append(to: &mut RecordBlock, mut more: RecordBlock) {
    if to.records.is_empty() && to.data.is_empty() {
        *to = more;
        return;
    }
    let shift = to.data.len() as u32;
    for record in &mut more.records {
        record.start += shift;
        record.end += shift;
    }
    to.data = [&to.data[..], &more.data[..]].concat().into();
    to.records.append(&mut more.records);
    to.end_offset = more.end_offset;
}
