//! What the source of a split showed that did not keep to its script: what its readers were
//! given, and what it held at the end.

use super::World;
use super::process::Process;
use super::source::SourceSplit;
use crate::plan::{Action, RunPlan, SourceFault};
use anabranch_engine::ids::{Epoch, RequestId, SplitName};
use anabranch_engine::journal::EpochRecord;
use anabranch_engine::pipeline::FetchedData;
use anabranch_engine::time::Tick;
use std::collections::{BTreeMap, BTreeSet};

/// A split whose source lost something, so that it held other things than its script says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedSplit {
    /// The split.
    pub name: SplitName,
    /// All that it held at the end, also what retention took.
    pub held: Piece,
    /// What epochs took of it.
    pub slices: Vec<ShownSlice>,
}

/// What stood in a split when an epoch's records were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownSlice {
    /// The epoch.
    pub epoch: Epoch,
    /// Its clock reading, which tells it from another record of the same epoch.
    pub tick: Tick,
    /// Where its slice begins.
    pub start: u64,
    /// The offset behind its slice.
    pub end: u64,
    /// What the process was given that appended it, in the order of the answers: a later one
    /// holds where two of them overlap.
    pub pieces: Vec<Piece>,
}

/// Something that a source gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// From which offset on.
    pub from: u64,
    /// The offset behind it.
    pub to: u64,
    /// What.
    pub data: FetchedData,
}

/// What a process was given of splits that may change.
#[derive(Debug, Default)]
pub(super) struct Given {
    pieces: BTreeMap<usize, Vec<Piece>>,
    /// A second answer to a request says nothing.
    answered: BTreeSet<RequestId>,
}

impl Given {
    /// The pipeline takes what came of a read of a split, from an offset on.
    pub(super) fn takes(
        &mut self,
        request: RequestId,
        split: usize,
        from: u64,
        data: &FetchedData,
    ) {
        if self.answered.insert(request) {
            let (to, data) = (super::read::end_of(data, from), data.clone());
            self.pieces.entry(split).or_default().push(Piece { from, to, data });
        }
    }

    /// What was given of a range; what lies before its end is not asked for again.
    fn of(&mut self, split: usize, start: u64, end: u64) -> Vec<Piece> {
        let Some(pieces) = self.pieces.get_mut(&split) else { return Vec::new() };
        let overlap = |piece: &&Piece| piece.from < end && piece.to > start;
        let found = pieces.iter().filter(overlap).cloned().collect();
        pieces.retain(|piece| piece.to > end);
        found
    }
}

/// Lets splits note what they give that a plan lets hold other things than its script says.
pub(super) fn expect_changes(plan: &RunPlan, splits: &mut [SourceSplit]) {
    for deviation in &plan.deviations {
        let Action::Source { split: name, fault } = &deviation.action else { continue };
        match fault {
            // What these keep back is not given otherwise later.
            SourceFault::Retain { .. } | SourceFault::Rewind => {}
            SourceFault::Truncate { .. } | SourceFault::Recreate | SourceFault::Compact { .. } => {
                let named = splits.iter_mut().filter(|split| split.is_called(name));
                named.for_each(|split| split.may_change = true);
            }
        }
    }
}

impl World {
    /// Notes what stood in the splits that an epoch's record takes slices of.
    pub(super) fn note_shown(&mut self, process: &mut Process, record: &EpochRecord) {
        if !process.has_own_state() {
            return;
        }
        for slice in &record.slices {
            let Some(split) = process.splits.get(&slice.split).copied() else { continue };
            if !self.splits[split].may_change {
                continue;
            }
            let (start, end) = (slice.start.0, slice.end.0);
            let pieces = process.shown.of(split, start, end);
            let (epoch, tick) = (record.epoch, record.tick);
            let shown = ShownSlice { epoch, tick, start, end, pieces };
            self.kept.shown.entry(split).or_default().push(shown);
        }
    }

    /// The splits that did not keep to their scripts.
    pub(super) fn changed_splits(&mut self) -> Vec<ChangedSplit> {
        let mut shown = std::mem::take(&mut self.kept.shown);
        let changed = self.splits.iter().enumerate().filter(|(_, split)| split.has_changed);
        changed
            .map(|(index, split)| ChangedSplit {
                name: split.name.clone(),
                held: split.held(),
                slices: shown.remove(&index).unwrap_or_default(),
            })
            .collect()
    }
}
