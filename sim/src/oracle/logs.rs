//! What stands in the logs of the splits: by a plan, and by what their sources showed.

use crate::plan::{RecordKind, RunPlan, SplitInput, SplitShape};
use crate::reference::{LogRecord, SplitLog};
use crate::world::{RunResult, ShownSlice};
use anabranch_engine::format::{RecordBlock, RecordRef};
use anabranch_engine::ids::SplitName;
use anabranch_engine::journal::EpochRecord;
use anabranch_engine::pipeline::FetchedData;
use anabranch_engine::plan::{Plan, Table};
use std::collections::BTreeMap;

/// The logs of a plan's input, each with all that ever arrives.
#[must_use]
pub fn logs_of(plan: &RunPlan, job: &Plan) -> Vec<SplitLog> {
    let log = |input: &SplitInput| {
        let table = job.tables.iter().find(|table| table.name == input.table)?;
        let name = SplitName { table: table.id, name: input.name.clone() };
        Some(match input.shape {
            SplitShape::File => file_of(input, name, table),
            SplitShape::Log => SplitLog { name, start: 0, records: records_of(input), file: None },
        })
    };
    plan.splits.iter().filter_map(log).collect()
}

/// The logs of a run, whose journal holds these records: where a source did not keep to the
/// plan, what it showed to the epochs that took something, and behind them what it held at
/// the end.
// spec: J-7
#[must_use]
pub fn logs_shown(
    plan: &RunPlan,
    job: &Plan,
    result: &RunResult,
    epochs: &[EpochRecord],
) -> Vec<SplitLog> {
    let mut logs = logs_of(plan, job);
    for log in &mut logs {
        let Some(changed) = result.changed.iter().find(|split| split.name == log.name) else {
            continue;
        };
        let is_kept = |slice: &&ShownSlice| {
            let place = epochs.binary_search_by_key(&slice.epoch, |record| record.epoch);
            place.is_ok_and(|place| epochs[place].tick == slice.tick)
        };
        let kept: Vec<&ShownSlice> = changed.slices.iter().filter(is_kept).collect();
        let table = job.table(log.name.table);
        let ends = plan.splits.iter().any(|input| {
            input.table == table.name && input.name == log.name.name && input.ended.is_some()
        });
        match &changed.held.data {
            FetchedData::Bytes(held) => {
                let (name, is_whole) = (log.name.clone(), table.bounded || ends);
                let data = bytes_shown(held, &kept).into();
                *log = SplitLog::of_file(name, &table.format, data, is_whole);
            }
            FetchedData::Records(held) => log.records = records_shown(held, &kept),
        }
    }
    logs
}

fn bytes_shown(held: &[u8], slices: &[&ShownSlice]) -> Vec<u8> {
    let mut data = held.to_vec();
    for slice in slices {
        data.resize(data.len().max(slice.end as usize), 0);
        for piece in &slice.pieces {
            let FetchedData::Bytes(bytes) = &piece.data else { continue };
            let (from, to) = (piece.from.max(slice.start), piece.to.min(slice.end));
            let shown = (from - piece.from) as usize..(to - piece.from) as usize;
            data[from as usize..to as usize].copy_from_slice(&bytes[shown]);
        }
    }
    data
}

fn records_shown(held: &RecordBlock, slices: &[&ShownSlice]) -> Vec<LogRecord> {
    let of = |block: &RecordBlock, range: std::ops::Range<u64>| {
        let inside = block.records.iter().filter(|record| range.contains(&record.offset));
        let log_record = |record: &RecordRef| LogRecord {
            offset: record.offset,
            next: record.offset + 1,
            timestamp_ms: record.timestamp_ms,
            bytes: block.data.slice(record.start as usize..record.end as usize),
        };
        inside.map(log_record).map(|record| (record.offset, record)).collect::<Vec<_>>()
    };
    let mut records: BTreeMap<u64, LogRecord> = of(held, 0..u64::MAX).into_iter().collect();
    for slice in slices {
        for piece in &slice.pieces {
            let FetchedData::Records(block) = &piece.data else { continue };
            let range = piece.from.max(slice.start)..piece.to.min(slice.end);
            records.retain(|offset, _| !range.contains(offset));
            records.extend(of(block, range));
        }
    }
    records.into_values().collect()
}

fn file_of(input: &SplitInput, name: SplitName, table: &Table) -> SplitLog {
    let mut data = Vec::new();
    for record in &input.records {
        match &record.kind {
            RecordKind::Gap { .. } => {}
            RecordKind::Raw(bytes) => data.extend_from_slice(bytes),
            RecordKind::Whole { value, .. } => {
                data.extend_from_slice(value);
                data.push(b'\n');
            }
        }
    }
    let ends = table.bounded || input.ended.is_some();
    SplitLog::of_file(name, &table.format, data.into(), ends)
}

fn records_of(input: &SplitInput) -> Vec<LogRecord> {
    let mut offset = 0;
    let mut records = Vec::new();
    for record in &input.records {
        match &record.kind {
            RecordKind::Gap { offsets } => offset += u64::from(*offsets),
            RecordKind::Raw(_) => {}
            RecordKind::Whole { value, timestamp_ms } => {
                records.push(LogRecord {
                    offset,
                    next: offset + 1,
                    timestamp_ms: *timestamp_ms,
                    bytes: value.clone(),
                });
                offset += 1;
            }
        }
    }
    records
}
