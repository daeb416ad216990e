//! The input of a production run, as its journal tells it: which records every epoch took,
//! read back from their sources.
//!
//! Nothing is locked and nothing is written. A record counts only if it is provably the one
//! that was taken.

use crate::commands::history::History;
use crate::driver::Sources;
use crate::errors::{self, JobError};
use crate::output::text::count;
use anabranch_connectors::source::FetchRequest;
use anabranch_engine::format::{RecordBlock, frame};
use anabranch_engine::ids::{Epoch, Offset, SplitId, SplitName};
use anabranch_engine::journal::{Control, EpochRecord, Journal, SliceDigest, SliceRecord};
use anabranch_engine::pipeline::FetchedData;
use anabranch_engine::plan::Plan;
use anabranch_engine::snapshot::Manifest;
use anabranch_engine::time::Tick;
use anabranch_sim::plan::{Record, RecordKind, SplitInput, SplitShape};
use anabranch_sim::rng::Draws;
use anabranch_sim::time::{Span, VirtualTime};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::Path;

/// So many bytes of records are read back at most: those of the newest epochs.
const BYTES_MAX: u64 = 16 << 20;

/// Pauses between epochs are cut to this beyond what makes a split idle: what is done in
/// them is nothing.
const PAUSE: Span = Span::ms(2_000);

/// The input of a run, epoch by epoch.
#[derive(Debug)]
pub(super) struct Recorded {
    epochs: Vec<Taken>,
    /// All splits of the job, by their numbers.
    names: BTreeMap<SplitId, SplitName>,
    /// Splits that belonged to the job before the first of the epochs.
    before: Vec<SplitId>,
    /// How many records there are.
    records: usize,
    /// The longest pause between two epochs.
    pause: Span,
    /// What the records are, for a person.
    pub(super) words: String,
}

/// What one epoch took.
#[derive(Debug)]
struct Taken {
    epoch: Epoch,
    tick: Tick,
    slices: Vec<Slice>,
    added: Vec<SplitId>,
    ended: Vec<SplitId>,
}

/// A range of one split's records.
#[derive(Debug)]
struct Slice {
    split: SplitId,
    records: Vec<Line>,
}

/// One record.
#[derive(Clone, Debug)]
struct Line {
    offset: u64,
    timestamp_ms: Option<i64>,
    value: Bytes,
}

impl Taken {
    fn count(&self) -> usize {
        self.slices.iter().map(|slice| slice.records.len()).sum()
    }
}

impl Recorded {
    /// The input of the run whose state this folder holds.
    ///
    /// # Errors
    /// If the journal is not that of the job, or cannot be read, or a source does not give
    /// again what it gave.
    pub(super) fn load(
        folder: &Path,
        job: &Plan,
        file: &str,
        base: &Path,
    ) -> Result<Recorded, JobError> {
        let history = History::of(folder).map_err(|error| {
            error.with_help("name the state folder of a run, such as .anabranch/JOB")
        })?;
        let journal = history.journal()?;
        check_plan(&journal, job, file, folder)?;
        let names = names(&journal, &history);
        let sources = Sources::of(job, base)
            .map_err(|error| JobError::new(&errors::OPTIONS, error.to_string()))?;
        let reader = Reader { job, names: &names, sources: &sources, base };
        let all: Vec<&EpochRecord> = journal.records_after(Epoch(0)).collect();
        let (mut epochs, mut bytes) = (Vec::new(), 0);
        for record in all.iter().rev() {
            let taken = reader.epoch(record)?;
            let lines = taken.slices.iter().flat_map(|slice| &slice.records);
            bytes += lines.map(|line| line.value.len() as u64).sum::<u64>();
            epochs.push(taken);
            if bytes >= BYTES_MAX {
                break;
            }
        }
        epochs.reverse();
        let records = epochs.iter().map(Taken::count).sum();
        let (Some(first), Some(last), true) = (epochs.first(), epochs.last(), records > 0) else {
            let message =
                format!("the journal in {} holds no epoch with records", folder.display());
            return Err(JobError::new(&errors::NO_FILE, message)
                .with_help("run the job first, or leave --from-journal out"));
        };
        let words = format!(
            "stretches of the {} records of epochs {}..{} of the journal in {}, read back",
            count(records as u64),
            first.epoch,
            last.epoch,
            folder.display()
        );
        let before = before(&journal, &history, first.epoch);
        let idle =
            crate::job::sources(job).filter_map(anabranch_engine::plan::Table::idle_timeout_ms);
        let pause = Span(Span::ms(idle.max().unwrap_or(0)).0 + PAUSE.0);
        Ok(Recorded { epochs, names, before, records, pause, words })
    }

    /// The input of some consecutive epochs, other ones for each seed: about so many
    /// records, each at its own offset, in the order in which they were taken.
    pub(super) fn stretch(&self, seed: u64, records: usize, job: &Plan) -> Vec<SplitInput> {
        let room = self.records.saturating_sub(records);
        let mut draws = Draws::new(seed, "stretch", "journal");
        let place = draws.below(room as u64 + 1) as usize;
        // Where in the first epoch it begins, of 65,536, if that is larger than a run.
        let mut within = draws.below(1 << 16);
        let mut passed = 0;
        let begin = self.epochs.iter().position(|taken| {
            passed += taken.count();
            passed > place
        });
        let begin = begin.unwrap_or(0);
        let mut script = Script::new(self, job);
        self.epochs[..begin].iter().for_each(|taken| script.pass(taken));
        let mut left = records;
        for taken in &self.epochs[begin..] {
            if left == 0 {
                break;
            }
            left -= script.take(taken, left, std::mem::take(&mut within));
        }
        script.splits.into_values().filter_map(|(split, ..)| split).collect()
    }
}

/// Splits that come to be as epochs are taken over.
struct Script<'a> {
    recorded: &'a Recorded,
    job: &'a Plan,
    now: VirtualTime,
    last_tick: Option<Tick>,
    /// Each split, unless it had ended before; the offset behind its last record; and the
    /// number of its next one.
    splits: BTreeMap<SplitId, (Option<SplitInput>, u64, u64)>,
}

impl<'a> Script<'a> {
    fn new(recorded: &'a Recorded, job: &'a Plan) -> Script<'a> {
        let (now, splits) = (VirtualTime(0), BTreeMap::new());
        let mut script = Script { recorded, job, now, last_tick: None, splits };
        recorded.before.iter().for_each(|split| script.add(*split));
        script
    }

    fn add(&mut self, id: SplitId) {
        let Some(name) = self.recorded.names.get(&id) else { return };
        let table = self.job.table(name.table);
        // A bounded table has all its splits from the first moment on.
        let added = if table.bounded { VirtualTime(0) } else { self.now };
        let split = SplitInput {
            table: table.name.clone(),
            name: name.name.clone(),
            // Also for a file: records keep their offsets, though what was before them is
            // not there.
            shape: SplitShape::Log,
            added,
            ended: None,
            records: Vec::new(),
        };
        self.splits.entry(id).or_insert((Some(split), 0, 0));
    }

    /// An epoch before the stretch: only its splits are known.
    fn pass(&mut self, taken: &Taken) {
        taken.added.iter().for_each(|id| self.add(*id));
        for id in &taken.ended {
            // What had ended is no split of this run.
            self.splits.insert(*id, (None, 0, 0));
        }
    }

    /// Takes an epoch over, or about so many of its records, from about the same place in
    /// each split; gives how many.
    fn take(&mut self, taken: &Taken, most: usize, within: u64) -> usize {
        if let Some(last) = self.last_tick {
            let pause = (taken.tick.0 - last.0).clamp(0, self.recorded.pause.0);
            self.now = self.now + Span(pause);
        }
        self.last_tick = Some(taken.tick);
        taken.added.iter().for_each(|id| self.add(*id));
        let mut wanted = wanted(taken, most, within);
        let mut count = 0;
        for slice in &taken.slices {
            self.add(slice.split);
            let now = self.now;
            // Slices arrive in their order.
            self.now = self.now + Span(1);
            let Some((Some(split), end, number)) = self.splits.get_mut(&slice.split) else {
                continue;
            };
            let (skipped, kept) = wanted.entry(slice.split).or_default();
            let skips = slice.records.len().min(*skipped);
            let keeps = (slice.records.len() - skips).min(*kept);
            (*skipped, *kept) = (*skipped - skips, *kept - keeps);
            for line in &slice.records[skips..skips + keeps] {
                push_gap(split, now, line.offset - *end, number);
                let kind = RecordKind::Whole {
                    value: line.value.clone(),
                    timestamp_ms: line.timestamp_ms,
                };
                split.records.push(Record { number: *number, at: now, kind });
                (*end, *number) = (line.offset + 1, *number + 1);
                count += 1;
            }
        }
        for id in &taken.ended {
            let (now, job) = (self.now, self.job);
            if let Some((Some(split), ..)) = self.splits.get_mut(id) {
                let table = job.tables.iter().find(|table| table.name == split.table);
                split.ended = table.filter(|table| !table.bounded).map(|_| now);
            }
        }
        count
    }
}

/// Of each split of an epoch how many records are passed over, and how many are kept then.
fn wanted(taken: &Taken, most: usize, within: u64) -> BTreeMap<SplitId, (usize, usize)> {
    let mut splits: BTreeMap<SplitId, usize> = BTreeMap::new();
    for slice in &taken.slices {
        *splits.entry(slice.split).or_insert(0) += slice.records.len();
    }
    let all = taken.count();
    if all <= most {
        return splits.into_iter().map(|(split, count)| (split, (0, count))).collect();
    }
    let mut left = most;
    let wanted = splits.into_iter().map(|(split, count)| {
        let kept = (count * most).div_ceil(all).min(left);
        left -= kept;
        let skipped = ((count - kept) as u64 * within) >> 16;
        (split, (skipped as usize, kept))
    });
    wanted.collect()
}

/// Offsets without a record.
fn push_gap(split: &mut SplitInput, at: VirtualTime, mut offsets: u64, number: &mut u64) {
    while offsets > 0 {
        let some = u32::try_from(offsets).unwrap_or(u32::MAX);
        let kind = RecordKind::Gap { offsets: some };
        split.records.push(Record { number: *number, at, kind });
        *number += 1;
        offsets -= u64::from(some);
    }
}

/// Reads back what epochs took.
struct Reader<'a> {
    job: &'a Plan,
    names: &'a BTreeMap<SplitId, SplitName>,
    sources: &'a Sources,
    base: &'a Path,
}

impl Reader<'_> {
    fn epoch(&self, record: &EpochRecord) -> Result<Taken, JobError> {
        let mut taken = Taken {
            epoch: record.epoch,
            tick: record.tick,
            slices: Vec::new(),
            added: Vec::new(),
            ended: Vec::new(),
        };
        for control in &record.controls {
            match &control.control {
                Control::Added { .. } => taken.added.push(control.split),
                Control::Ended => taken.ended.push(control.split),
                // They follow from when records come.
                Control::Advance(_) | Control::IdleMark => {}
            }
        }
        for slice in &record.slices {
            let block = self.slice(record.epoch, slice)?;
            let line = |record: &anabranch_engine::format::RecordRef| Line {
                offset: record.offset,
                timestamp_ms: record.timestamp_ms,
                value: block.data.slice(record.start as usize..record.end as usize),
            };
            let records = block.records.iter().map(line).collect();
            taken.slices.push(Slice { split: slice.split, records });
        }
        Ok(taken)
    }

    // spec: J-7
    fn slice(&self, epoch: Epoch, slice: &SliceRecord) -> Result<RecordBlock, JobError> {
        let name = self.names.get(&slice.split).ok_or_else(|| {
            let message = format!("epoch {epoch} reads split {}, which nothing added", slice.split);
            JobError::new(&errors::DAMAGED, message)
        })?;
        let table = self.job.table(name.table);
        let place = format!(
            "offsets {} to {} of {}/{}, which epoch {epoch} took",
            slice.start, slice.end, table.name, name.name
        );
        let request = FetchRequest {
            split: name.name.clone(),
            from: slice.start,
            until: Some(slice.end),
            bytes_max: usize::MAX,
            rows_max: None,
        };
        let fetched = self.sources.read(name.table, &request).map_err(|error| {
            let place = format!("{place}, cannot be read again: {error}");
            let base = std::path::absolute(self.base).unwrap_or_else(|_| self.base.to_owned());
            JobError::new(&errors::SOURCE, place).with_help(format!(
                "put the file back where it was when the job ran (paths are relative to {}), or leave --from-journal out",
                base.display()
            ))
        })?;
        let block = match fetched.data {
            FetchedData::Records(block) => block,
            FetchedData::Bytes(bytes) => {
                let wanted = (slice.end.0 - slice.start.0) as usize;
                let bytes = bytes.slice(..bytes.len().min(wanted));
                frame(&table.format, bytes, slice.start, true).block
            }
        };
        let mut digest = SliceDigest::new(slice.split, slice.start);
        for record in &block.records {
            let value = &block.data[record.start as usize..record.end as usize];
            digest.record(Offset(record.offset), record.timestamp_ms, None, Some(value));
        }
        slice.verify(&digest.finish(Offset(block.end_offset))).map_err(|mismatch| {
            JobError::new(&errors::SOURCE_CHANGED, format!("{place}, hold something else now: {mismatch}"))
                .with_help("the source was edited or replaced since: restore it as it was when the job ran, or leave --from-journal out")
        })?;
        Ok(block)
    }
}

fn check_plan(journal: &Journal, job: &Plan, file: &str, folder: &Path) -> Result<(), JobError> {
    let folder = folder.display();
    let Some(last) = journal.segments.last() else {
        return Err(JobError::new(&errors::NO_FILE, format!("the journal in {folder} is empty"))
            .with_help("run the job first, or leave --from-journal out"));
    };
    let (of_journal, of_file) = (last.header.plan, job.hash());
    if of_journal == of_file {
        return Ok(());
    }
    let message =
        format!("the journal in {folder} belongs to plan {of_journal}, and {file} gives {of_file}");
    Err(JobError::new(&errors::PLAN, message).with_help(format!(
        "name the SQL file as it was when the job ran ({folder}/plan.json holds its plan), or the state folder of this job"
    )))
}

/// The snapshots' manifests that can be read, oldest first.
fn manifests(history: &History) -> Vec<Manifest> {
    let listed = history.snapshots().and_then(|mut store| store.list().ok()).unwrap_or_default();
    let mut manifests: Vec<Manifest> =
        listed.iter().filter_map(|(_, bytes)| Manifest::decode(bytes).ok()).collect();
    manifests.sort_by_key(|manifest| manifest.epoch);
    manifests
}

/// The names of all splits, as epochs added them; a snapshot knows those whose epochs are
/// gone.
fn names(journal: &Journal, history: &History) -> BTreeMap<SplitId, SplitName> {
    let saved = manifests(history).into_iter().flat_map(|manifest| manifest.splits);
    let mut names: BTreeMap<SplitId, SplitName> =
        saved.map(|split| (split.id, split.name)).collect();
    for record in journal.records_after(Epoch(0)) {
        for control in &record.controls {
            if let Control::Added { name, .. } = &control.control {
                names.insert(control.split, name.clone());
            }
        }
    }
    names
}

/// The splits that belonged to the job before an epoch and had not ended.
fn before(journal: &Journal, history: &History, first: Epoch) -> Vec<SplitId> {
    let old = manifests(history).into_iter().rfind(|manifest| manifest.epoch < first);
    let begin = old.as_ref().map_or(Epoch(0), |manifest| manifest.epoch);
    let saved = old.map(|manifest| manifest.splits).unwrap_or_default();
    let mut splits: Vec<SplitId> =
        saved.iter().filter(|split| !split.ended).map(|split| split.id).collect();
    for record in journal.records_after(begin).take_while(|record| record.epoch < first) {
        for control in &record.controls {
            match &control.control {
                Control::Added { .. } => splits.push(control.split),
                Control::Ended => splits.retain(|split| *split != control.split),
                Control::Advance(_) | Control::IdleMark => {}
            }
        }
    }
    splits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(split: u32, offsets: std::ops::Range<u64>) -> Slice {
        let line = |offset| Line { offset, timestamp_ms: None, value: Bytes::from_static(b"{}") };
        Slice { split: SplitId(split), records: offsets.map(line).collect() }
    }

    fn taken(slices: Vec<Slice>) -> Taken {
        let (added, ended) = (Vec::new(), Vec::new());
        Taken { epoch: Epoch(1), tick: Tick(0), slices, added, ended }
    }

    #[test]
    fn a_large_epoch_gives_as_much_of_each_split_as_it_has() {
        let large = taken(vec![slice(0, 0..300), slice(1, 0..100), slice(0, 300..600)]);
        let of = |most, within| wanted(&large, most, within).into_values().collect::<Vec<_>>();
        assert_eq!(of(70, 0), [(0, 60), (0, 10)]);
        assert_eq!(of(70, 1 << 15), [(270, 60), (45, 10)]);
        assert_eq!(of(700, 1 << 15), [(0, 600), (0, 100)]);
        // Never more than there is room for.
        assert_eq!(of(1, 0), [(0, 1), (0, 0)]);
    }
}
