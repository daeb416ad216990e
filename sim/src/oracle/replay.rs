//! S5, S8: the journal replays to the same outputs, from the beginning and from every
//! snapshot, and these are the ones that the interpreter expects.

use super::content::finding;
use super::epochs::Reach;
use super::matching::{Seen, Wanted, compare};
use super::{Finding, snapshot_times};
use crate::reference::{Case, Cell, EpochCounts, Expected, ExpectedSink, SplitLog, encode_row};
use anabranch_engine::dataflow::EpochOutput;
use anabranch_engine::executor::Sequential;
use anabranch_engine::expr::value_at;
use anabranch_engine::format::{RecordBlock, RecordRef};
use anabranch_engine::journal::{ChainHash, EpochRecord, SliceRecord};
use anabranch_engine::pipeline::{FetchedData, Rehearsal};
use anabranch_engine::plan::Plan;
use anabranch_engine::snapshot::Manifest;
use bytes::Bytes;
use std::sync::Arc;

/// S8: the journal's epochs give the journaled hash chain once more, ending with
/// `chain`, and the rows that the interpreter expects of each of them.
#[must_use]
pub fn replay(case: Case<'_>, expected: &Expected, chain: Option<ChainHash>) -> Option<Finding> {
    let plan = Arc::new(case.plan.clone());
    let mut rehearsal = Rehearsal::new(plan).expect("the plan of a run can run");
    if let Some(found) = run_on(case, expected, &mut rehearsal, "S8") {
        return Some(found);
    }
    let found = rehearsal.chain();
    let chain = chain.filter(|chain| *chain != found)?;
    let message = format!("the run ended with hash {chain}, its replay with {found}");
    Some(Finding::new("S8", "hash chain", "journal", message))
}

/// S5: a snapshot restores. What runs on from it gives what the interpreter expects of
/// the epochs behind it.
// spec: S-1
#[must_use]
pub fn restore(
    case: Case<'_>,
    expected: &Expected,
    manifest: &Manifest,
    parts: &[Bytes],
) -> Option<Finding> {
    if let Some(found) = snapshot_times(expected, manifest) {
        return Some(found);
    }
    let plan = Arc::new(case.plan.clone());
    let mut rehearsal = Rehearsal::new(plan).expect("the plan of a run can run");
    if let Err(error) = rehearsal.load(manifest, parts) {
        let message = format!("the snapshot after epoch {} does not load: {error}", manifest.epoch);
        return Some(Finding::new("S5", "unreadable", "snapshot", message));
    }
    run_on(case, expected, &mut rehearsal, "S5")
}

/// Computes the epochs that follow, each compared with what is expected of it.
fn run_on(
    case: Case<'_>,
    expected: &Expected,
    rehearsal: &mut Rehearsal,
    oracle: &'static str,
) -> Option<Finding> {
    let start = rehearsal.epoch();
    for record in case.epochs.iter().filter(|record| record.epoch > start) {
        if record.epoch != rehearsal.epoch().next() {
            let message = format!("epoch {} follows {}", record.epoch, rehearsal.epoch());
            return Some(Finding::new(oracle, "epoch missing", "journal", message));
        }
        let data = record.slices.iter().map(|slice| {
            let name = rehearsal.split_name(slice.split, record)?;
            data_of(case.logs.iter().find(|log| log.name == name)?, slice)
        });
        let Some(data) = data.collect::<Option<Vec<_>>>() else {
            let message = format!("epoch {} names a slice that no log has", record.epoch);
            return Some(Finding::new(oracle, "unknown slice", "journal", message));
        };
        let output = match rehearsal.step(record, data, &Sequential { pieces: 1 }) {
            Ok(output) => output,
            Err(failure) => {
                let message = format!("epoch {}: {failure}", record.epoch);
                return Some(Finding::new(oracle, "not reproduced", "journal", message));
            }
        };
        let wrong = expected
            .sinks
            .iter()
            .find_map(|sink| wrong_rows(case.plan, expected, sink, record, &output));
        let wrong = wrong.or_else(|| wrong_counts(expected, record, &output));
        if let Some(wrong) = wrong {
            let from = match start.0 {
                0 => "from the beginning".to_owned(),
                _ => format!("from the snapshot after epoch {start}"),
            };
            let message = format!("replayed {from}: {}", wrong.message);
            return Some(Finding { oracle, message, ..wrong });
        }
    }
    None
}

/// What the rows of an epoch for a sink have wrong.
fn wrong_rows(
    plan: &Plan,
    expected: &Expected,
    sink: &ExpectedSink,
    record: &EpochRecord,
    output: &EpochOutput,
) -> Option<Finding> {
    if sink.unspecified {
        return None;
    }
    let table = plan.table(sink.table);
    let schema = table.schema();
    let mut texts = Vec::new();
    let pieces = output.sinks.iter().filter(|(id, _)| *id == sink.sink).flat_map(|(_, rows)| rows);
    for rows in pieces {
        for row in 0..rows.len() {
            let columns = rows.batch.columns().iter().zip(&schema.fields);
            let cells: Vec<Cell> = columns
                .map(|(column, field)| Cell::of(&value_at(column, row, &field.ty.sql)))
                .collect();
            texts.push(encode_row(table, &schema, &cells));
        }
    }
    let seen: Vec<Seen<'_>> = texts
        .iter()
        .map(|text| Seen { part: 0, text: text.exact().expect("real rows are known") })
        .collect();
    let rows = sink.of_epoch(record.epoch);
    let wanted = Wanted { ordered: true, repeats: false };
    let mismatch = compare(rows, &seen, wanted, Reach::whole(record.epoch))?;
    Some(finding(expected, rows, &table.name, &seen, mismatch))
}

/// What an epoch counts wrongly.
// spec: T-4, F-1
fn wrong_counts(
    expected: &Expected,
    record: &EpochRecord,
    output: &EpochOutput,
) -> Option<Finding> {
    let epochs = expected.times.binary_search_by_key(&record.epoch, |times| times.epoch);
    let place = epochs.ok()?;
    let found = EpochCounts {
        records: output.counts.records,
        late: output.counts.late.iter().copied().collect(),
        late_partial: output.counts.late_partial.iter().copied().collect(),
        dead: output.counts.dead.iter().copied().collect(),
    };
    let due = &expected.counts[place];
    if found == *due {
        return None;
    }
    let message = format!("epoch {} counts {found:?} instead of {due:?}", record.epoch);
    Some(Finding::new("S1", "counts", "", message))
}

/// What a source would give for a slice.
fn data_of(log: &SplitLog, slice: &SliceRecord) -> Option<FetchedData> {
    let (start, end) = (slice.start.0, slice.end.0);
    if let Some(file) = &log.file {
        let (start, end) = (start as usize, (end as usize).min(file.len()));
        return (start <= end).then(|| FetchedData::Bytes(file.slice(start..end)));
    }
    let mut data = Vec::new();
    let mut records = Vec::new();
    for record in &log.records[log.range(start, end)] {
        let from = data.len() as u32;
        data.extend_from_slice(&record.bytes);
        records.push(RecordRef {
            offset: record.offset,
            start: from,
            end: data.len() as u32,
            timestamp_ms: record.timestamp_ms,
        });
    }
    Some(FetchedData::Records(RecordBlock { data: data.into(), records, end_offset: end }))
}

/// S8: two runs of one seed did the same: the first step in which they differ.
#[must_use]
pub fn same_trace(one: &[String], other: &[String]) -> Option<Finding> {
    let at = (0..one.len().max(other.len())).find(|at| one.get(*at) != other.get(*at))?;
    let line = |trace: &[String]| trace.get(at).cloned().unwrap_or("nothing more".to_owned());
    let message = format!("step {}: {} in one run, {} in its twin", at + 1, line(one), line(other));
    Some(Finding::new("S8", "twins differ", "", message))
}
