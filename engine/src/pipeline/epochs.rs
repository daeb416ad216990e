//! Closing an epoch: what belongs to it, its step, and its journal record.

use super::io::{Ending, Failure, Output, Report};
use super::{Phase, Pipeline};
use crate::dataflow::{Control, EpochInput, EpochItem, EpochOutput};
use crate::executor::Executor;
use crate::format::RecordBlock;
use crate::ids::{Epoch, Offset, SplitId};
use crate::journal::Control as JournalControl;
use crate::journal::{
    ControlRecord, EpochHasher, EpochRecord, JournalEntry, OutputHash, SliceDigest, SliceRecord,
};
use crate::plan::OnError;
use crate::planted;
use crate::time::Watermark;
use std::collections::VecDeque;

impl Pipeline {
    /// Closes one epoch if there is input and room, or if a deadline is due. Gives
    /// whether it did.
    // spec: E-4
    pub(super) fn close_epoch_if_due(
        &mut self,
        executor: &dyn Executor,
        out: &mut Vec<Output>,
    ) -> Result<bool, Failure> {
        if self.wary.waiting.is_some() {
            return self.close_waiting_epoch(executor, out);
        }
        let is_first = self.epoch == Epoch(0);
        let discovered = self.ingest.is_discovered();
        // Nothing new is taken before it is known which splits there are; but what was
        // begun is flushed, if the job is to stop.
        if !self.has_room() || !(discovered || (self.stopping && !is_first)) {
            return Ok(false);
        }
        // Whoever stops while a sink holds all back takes nothing new.
        let takes = discovered && !self.is_held_by_sinks();
        let slices = if takes { self.take_slices() } else { Vec::new() };
        let controls = if takes { self.take_controls() } else { Vec::new() };
        let given_up = self.due_to_be_given_up();
        let flush_due = self.sinks.flush_is_due(self.clock.now_tick(), &self.config)
            || (self.must_flush_all() && self.sinks.has_open_group());
        let nothing = slices.is_empty() && controls.is_empty();
        let due = flush_due
            || is_first
            || !given_up.is_empty()
            || self.sign_of_life_is_due()
            || self.last_word_is_due();
        if nothing && !due {
            return Ok(false);
        }
        let record = EpochRecord {
            epoch: self.epoch.next(),
            tick: self.clock.next(),
            durable_up_to: self.durable,
            slices: slices
                .iter()
                .map(|(split, start, block)| slice_record(*split, *start, block))
                .collect(),
            controls,
            acknowledged: self.sinks.take_acknowledged(self.epoch.next()),
            opened: self.sinks.take_first_opened(),
            given_up,
            snapshot: self.snapshots.take_completed(),
            output_hash: Some(OutputHash { epoch: self.epoch, hash: self.chain }),
            ..EpochRecord::default()
        };
        self.give_up(&record.given_up, record.epoch, out);
        let blocks: VecDeque<RecordBlock> = slices.into_iter().map(|(_, _, block)| block).collect();
        self.wary.waiting = Some((record, blocks));
        self.close_waiting_epoch(executor, out)
    }

    /// Computes and journals the epoch whose input was decided, as soon as it may be.
    fn close_waiting_epoch(
        &mut self,
        executor: &dyn Executor,
        out: &mut Vec<Output>,
    ) -> Result<bool, Failure> {
        if !self.may_compute(self.epoch.next(), out) {
            return Ok(false);
        }
        let waiting = self.wary.waiting.take().expect("an epoch was decided");
        let (mut record, blocks) = waiting;
        let output = self.step_noted(&record, blocks, executor, out);
        // From here on the epoch's record says that it was computed.
        self.wary.is_on = false;
        self.check_on_error(&output)?;
        self.report_samples(&output, out);
        self.totals.add(&output);
        record.flush_ends = self.sinks.flush_ends(
            record.epoch,
            record.tick,
            self.must_flush_all() || (self.snapshot_is_due() && !planted!(K16)),
            &self.config,
        );
        self.sinks.end_groups(&record.flush_ends, record.epoch, self.lineage);
        if planted!(W7) {
            record.controls.retain(|control| control.control != JournalControl::IdleMark);
        }
        let encoder = self.encoder.as_mut().expect("the journal is open while the job runs");
        let mut bytes = Vec::new();
        encoder.append_epoch(&record, &mut bytes);
        out.push(Output::AppendJournal { epoch: self.epoch, bytes: bytes.into() });
        self.has_written = true;
        self.take_snapshot_if_due(out);
        Ok(true)
    }

    /// Steps the epoch of a record, live or again, and hands the output to the
    /// sinks' groups.
    pub(super) fn step(
        &mut self,
        record: &EpochRecord,
        blocks: VecDeque<RecordBlock>,
        executor: &dyn Executor,
    ) -> EpochOutput {
        let input =
            EpochInput { epoch: record.epoch, tick: record.tick, items: items_of(record, blocks) };
        let mut output = self.dataflow.step(&input, executor);
        let mut hasher = EpochHasher::begin(self.chain, record.epoch);
        for (sink, rows) in std::mem::take(&mut output.sinks) {
            let state = self.sinks.get(sink);
            let table = self.plan.table(state.table);
            super::encode::hash_rows(table, &rows, &mut |bytes| hasher.rows(sink, bytes));
            let layout = state.layout.as_ref();
            let encoded = super::encode::encode_rows(table, layout, record.epoch, &rows);
            self.sinks.add_rows(sink, record.epoch, record.tick, encoded);
        }
        self.chain = hasher.finish();
        self.epoch = record.epoch;
        self.clock.last = record.tick;
        self.snapshots.bytes_since += output.counts.bytes;
        output
    }

    /// Whether another epoch may be begun.
    // spec: F-5, K-8
    fn has_room(&self) -> bool {
        let waiting = (self.epoch.0 - self.durable.0) as usize;
        waiting < self.config.epochs_inflight_max && (self.stopping || !self.is_held_by_sinks())
    }

    /// Whether an empty epoch has to say what the sinks hold at the end of the job, so
    /// that a later start can see whether they still do.
    // spec: K-5
    fn last_word_is_due(&self) -> bool {
        self.ingest.is_done(&self.plan)
            && !self.sinks.has_open_group()
            && self.sinks.all_applied()
            && self.sinks.has_news()
    }

    /// Whether an empty epoch has to say that this start came through: it processed
    /// all that there was, or is told to stop. Without it, starts of a job that has no
    /// new input would count as failed ones.
    // spec: F-6
    fn sign_of_life_is_due(&self) -> bool {
        !self.has_written
            && (self.stopping || self.ingest.is_quiet())
            && !self.ingest.is_done(&self.plan)
    }

    /// Whether every open flush group has to end with the next epoch: at a stop, and
    /// at the end of all input.
    fn must_flush_all(&self) -> bool {
        (self.stopping || self.ingest.is_done(&self.plan)) && !planted!(K10)
    }

    /// One slice of each split that has data, the split with the lowest watermark
    /// first, as long as the epoch has room.
    // spec: T-7
    fn take_slices(&mut self) -> Vec<(SplitId, Offset, RecordBlock)> {
        let ahead = self.too_far_ahead();
        let mut ready: Vec<(Watermark, SplitId)> = self
            .dataflow_watermarks()
            .filter(|(_, id)| !ahead[id.0 as usize] && !self.ingest.split(*id).buffer.is_empty())
            .collect();
        ready.sort();
        let mut slices = Vec::new();
        let mut room = self.config.epoch_bytes_max;
        let share = (room / ready.len().max(1)).max(1);
        for (_, id) in ready {
            if room == 0 {
                break;
            }
            let split = self.ingest.split_mut(id);
            // The buffer begins where the last slice of the split ended.
            let mut taken = 0;
            while taken < share.min(room) {
                let start = split.buffered_from();
                let Some(block) = split.take_slice(share.min(room) - taken) else { break };
                taken += block.data.len().max(1);
                slices.push((id, start, block));
            }
            room = room.saturating_sub(taken);
        }
        slices
    }

    /// Every split that was found, with its watermark; new ones have none yet.
    fn dataflow_watermarks(&self) -> impl Iterator<Item = (Watermark, SplitId)> + '_ {
        let known = self.dataflow.splits();
        (0..self.ingest.splits.len()).map(move |index| {
            let id = SplitId(index as u32);
            (known.try_get(id).map_or(Watermark::NONE, |split| split.watermark), id)
        })
    }

    /// The control records that are due: new splits, ends, and splits that became
    /// idle.
    // spec: T-3
    fn take_controls(&mut self) -> Vec<ControlRecord> {
        let mut controls = Vec::new();
        for id in std::mem::take(&mut self.ingest.added) {
            let split = self.ingest.split(id);
            controls.push(ControlRecord {
                split: id,
                at: split.start,
                control: JournalControl::Added {
                    name: split.name.clone(),
                    identity: split.identity.clone(),
                    watermark: self.dataflow.first_watermark(split.name.table),
                },
            });
        }
        for index in 0..self.ingest.splits.len() {
            let id = SplitId(index as u32);
            let idle = self.ingest.is_idle(self.ingest.split(id));
            let split = self.ingest.split_mut(id);
            let control = if split.end_is_due() {
                split.ended = true;
                JournalControl::Ended
            } else if idle {
                split.called_idle = true;
                JournalControl::IdleMark
            } else {
                continue;
            };
            controls.push(ControlRecord { split: id, at: split.fetched_to, control });
        }
        controls
    }

    /// Ends the job if a table that says so has a bad record.
    // spec: F-1
    fn check_on_error(&self, output: &EpochOutput) -> Result<(), Failure> {
        let fails = |table: crate::ids::TableId| self.plan.table(table).on_error == OnError::Fail;
        for bad in &output.malformed {
            if fails(bad.table) {
                return Err(Failure::BadRecord {
                    table: self.plan.table(bad.table).name.clone(),
                    detail: self.place(bad.split, bad.offset, &bad.detail),
                });
            }
        }
        for dead in &output.dead {
            let Some((split, offset)) = dead.record else { continue };
            let table = self.dataflow.splits().get(split).name.table;
            if fails(table) {
                let detail =
                    format!("{}: {} in {}", dead.kind.name(), dead.detail, dead.expression);
                return Err(Failure::BadRecord {
                    table: self.plan.table(table).name.clone(),
                    detail: self.place(split, offset, &detail),
                });
            }
        }
        Ok(())
    }

    fn place(&self, split: SplitId, offset: u64, detail: &str) -> String {
        format!("{} at offset {offset}: {detail}", self.dataflow.splits().get(split).name.name)
    }

    /// Reports the first few late and dead rows one by one.
    // spec: T-4
    fn report_samples(&mut self, output: &EpochOutput, out: &mut Vec<Output>) {
        let room = |count: u32, max: u32| max.saturating_sub(count) as usize;
        let max = self.config.samples_max;
        for late in output.late.iter().take(room(self.totals.late_samples, max)) {
            self.totals.late_samples += 1;
            out.push(Output::Report(Report::Late {
                node: late.node,
                split: self.dataflow.splits().get(late.split).name.name.clone(),
                offset: Offset(late.offset),
            }));
        }
        for bad in output.malformed.iter().take(room(self.totals.dead_samples, max)) {
            self.totals.dead_samples += 1;
            let detail = self.place(bad.split, bad.offset, &bad.detail);
            out.push(Output::Report(Report::Dead { table: bad.table, detail }));
        }
        for dead in output.dead.iter().take(room(self.totals.dead_samples, max)) {
            self.totals.dead_samples += 1;
            let what = format!("{}: {} in {}", dead.kind.name(), dead.detail, dead.expression);
            let (table, detail) = match dead.record {
                Some((split, offset)) => {
                    (self.dataflow.splits().get(split).name.table, self.place(split, offset, &what))
                }
                None => (crate::ids::TableId(0), format!("{what} ({})", dead.context)),
            };
            out.push(Output::Report(Report::Dead { table, detail }));
        }
    }

    pub(super) fn journal_appended(&mut self, epoch: Epoch, out: &mut Vec<Output>) {
        assert!(epoch <= self.epoch, "the journal confirms epoch {epoch}, which was not written");
        self.durable = self.durable.max(epoch);
        self.ownership.confirm(self.clock.now);
        self.sinks.note_durable(self.durable);
        self.store_snapshot_if_durable(out);
    }

    /// Ends the job once all input is in every sink, and the journal says so.
    pub(super) fn finish_if_done(&mut self, out: &mut Vec<Output>) {
        let has_open_group = self.sinks.has_open_group() && !planted!(K10);
        let flushed = self.durable == self.epoch && !has_open_group;
        let served = match self.stopping && !self.ingest.is_done(&self.plan) {
            true => self.sinks.all_applied(),
            false => self.sinks.all_served(),
        };
        let leaves = self.stopping && self.leaves_failing_sinks();
        let quiet = flushed && (served || leaves);
        // Nothing was begun, and a stop need not wait for the sources.
        let not_begun = self.epoch == Epoch(0) && !self.ingest.is_discovered();
        let begun = self.epoch > Epoch(0) || (self.stopping && not_begun);
        let waits = self.wary.waiting.is_some();
        if waits || !quiet || !begun || !matches!(self.phase, Phase::Running) {
            return;
        }
        if !self.is_ending() {
            return;
        }
        let verified = self.verify_markers(out);
        let may_end = verified || (leaves && self.unverified_sinks_fail());
        if !may_end {
            return;
        }
        if verified && self.ingest.is_done(&self.plan) && self.sinks.all_served() {
            self.phase = Phase::Finishing;
            let entry = JournalEntry::Finished(crate::journal::FinishedRecord {
                epoch: self.epoch,
                chain: self.chain,
            });
            let encoder = self.encoder.as_mut().expect("the journal is open while the job runs");
            let mut bytes = Vec::new();
            encoder.append(&entry, &mut bytes);
            out.push(Output::RecordFinish { bytes: bytes.into() });
        } else if self.stopping {
            let left = self.sinks.iter().filter(|(_, sink)| !sink.queue.is_empty());
            let left: Vec<_> = left.map(|(id, _)| self.sink_name(id)).collect();
            let report = |sink| Output::Report(Report::SinkLeft { sink });
            out.extend(left.into_iter().map(report));
            self.end(Ending::Stopped, out);
        }
    }

    /// How a job ends whose input is all processed.
    // spec: K-8
    pub(super) fn finished(&self) -> Ending {
        let sinks: Vec<String> = self.sinks.given_up().map(|id| self.sink_name(id)).collect();
        match sinks.is_empty() {
            true => Ending::Finished,
            false => Ending::FinishedWithout { sinks },
        }
    }
}

/// What the journal says of a slice.
// spec: J-7
pub(super) fn slice_record(split: SplitId, start: Offset, block: &RecordBlock) -> SliceRecord {
    let mut digest = SliceDigest::new(split, start);
    for record in &block.records {
        let value = &block.data[record.start as usize..record.end as usize];
        digest.record(Offset(record.offset), record.timestamp_ms, None, Some(value));
    }
    digest.finish(Offset(block.end_offset))
}

/// The items of a record's epoch in their order: new splits, then the slices in the
/// order of the record, each behind the control records that stand before it, then
/// all other control records.
pub(super) fn items_of(record: &EpochRecord, mut blocks: VecDeque<RecordBlock>) -> Vec<EpochItem> {
    let mut items = Vec::with_capacity(record.slices.len() + record.controls.len());
    let mut rest: Vec<&ControlRecord> = Vec::new();
    for control in &record.controls {
        match &control.control {
            JournalControl::Added { .. } => items.push(control_item(control)),
            JournalControl::Advance(_) | JournalControl::IdleMark | JournalControl::Ended => {
                rest.push(control);
            }
        }
    }
    for slice in &record.slices {
        rest.retain(|control| {
            let before = control.split == slice.split && control.at <= slice.start;
            if before {
                items.push(control_item(control));
            }
            !before
        });
        let block = blocks.pop_front().expect("a block for each slice of the record");
        items.push(EpochItem::Slice { split: slice.split, block });
    }
    items.extend(rest.into_iter().map(control_item));
    items
}

fn control_item(record: &ControlRecord) -> EpochItem {
    let control = match &record.control {
        JournalControl::Added { name, watermark, .. } => {
            Control::Added { name: name.clone(), start: record.at.0, watermark: Some(*watermark) }
        }
        JournalControl::Advance(watermark) => Control::Advance(*watermark),
        JournalControl::IdleMark => Control::Idle,
        JournalControl::Ended => Control::Ended,
    };
    EpochItem::Control { split: record.split, control }
}
