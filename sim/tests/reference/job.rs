//! What the tests have in common: journals, logs and what came of them.

use anabranch_engine::ids::{Epoch, SplitName};
use anabranch_engine::journal::{EpochRecord, scan};
use anabranch_engine::plan::Plan;
use anabranch_sim::lab::{Lab, LabSplit};
use anabranch_sim::reference::{Case, Expected, SplitLog, expect};
use bytes::Bytes;
use std::collections::BTreeMap;

/// The records of a laboratory's journal.
pub(crate) fn journal(lab: &Lab) -> Vec<EpochRecord> {
    let journal = scan(&lab.journal.segments(), &[]).expect("the journal is whole");
    journal.records_after(Epoch(0)).cloned().collect()
}

/// The log of a laboratory's split.
pub(crate) fn log(plan: &Plan, split: &LabSplit) -> SplitLog {
    let table = plan.table(split.name.table);
    if split.is_log {
        let lines = split.data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let mut log = SplitLog::of_records(split.name.clone(), lines.map(Bytes::copy_from_slice));
        // The laboratory's logs say so of all their records.
        log.records.iter_mut().for_each(|record| record.timestamp_ms = Some(0));
        return log;
    }
    let is_whole = table.bounded || split.ended;
    SplitLog::of_file(split.name.clone(), &table.format, split.data.clone(), is_whole)
}

/// What must come of a plan over these logs and records.
pub(crate) fn expected(
    plan: &Plan,
    logs: &[SplitLog],
    epochs: &[EpochRecord],
    log_ends: &BTreeMap<(Epoch, SplitName), u64>,
) -> Expected {
    expect(Case { plan, logs, epochs, log_ends })
}
