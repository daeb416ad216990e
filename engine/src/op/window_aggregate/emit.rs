//! From groups to result rows.

use super::keys::{KeyId, Keys};
use super::slots::{Slot, Slots};
use super::spec::Spec;
use crate::expr::RowErrors;
use crate::op::DeadRow;
use crate::op::event_time::window_columns;
use arrow_array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_select::filter::filter_record_batch;

/// A group whose window fires.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) key: KeyId,
    pub(super) slot: Slot,
}

/// Result rows of a piece.
pub(super) struct Emitted {
    pub(super) batch: RecordBatch,
    /// The fire time of each row.
    pub(super) fire_times: Vec<i64>,
    /// The encoded key of each row, if they were asked for.
    pub(super) keys: Vec<Vec<u8>>,
    /// The results without a value, each with its fire time and encoded key.
    pub(super) dead: Vec<(i64, Vec<u8>, DeadRow)>,
}

/// The result rows of these groups, in their order.
// spec: T-5, F-1
pub(super) fn emit(
    spec: &Spec,
    keys: &Keys,
    slots: &Slots,
    due: &[Due],
    with_keys: bool,
) -> Emitted {
    let numbers: Vec<Slot> = due.iter().map(|due| due.slot).collect();
    let mut columns = keys.columns(due.iter().map(|due| due.key));
    let mut failed: Vec<(usize, RowErrors)> = Vec::new();
    for (index, accumulators) in slots.aggregates().enumerate() {
        let result = accumulators.emit(&numbers);
        columns.push(result.array);
        if !result.errors.is_empty() {
            failed.push((index, result.errors));
        }
    }
    columns.extend(window_columns(&spec.window_types, due.iter().map(|due| (due.start, due.end))));
    let options = RecordBatchOptions::new().with_row_count(Some(due.len()));
    let mut batch = RecordBatch::try_new_with_options(spec.output.clone(), columns, &options)
        .expect("the node's schema was checked against what its columns give");
    let mut fire_times: Vec<i64> = due.iter().map(|due| spec.fire_time(due.end)).collect();
    let encoded = |due: &Due| {
        let mut encoded = Vec::new();
        keys.encode(due.key, &mut encoded);
        encoded
    };
    let mut encoded_keys: Vec<Vec<u8>> = Vec::new();
    if with_keys {
        encoded_keys.extend(due.iter().map(encoded));
    }
    let mut dead = Vec::new();
    if !failed.is_empty() {
        let mut alive = vec![true; due.len()];
        for (row, due) in due.iter().enumerate() {
            for (index, errors) in &failed {
                if let Some(error) = errors.of_row(row).filter(|_| alive[row]) {
                    alive[row] = false;
                    let dead_row = DeadRow {
                        node: spec.node,
                        record: None,
                        kind: error.kind,
                        detail: error.detail.clone(),
                        expression: spec.aggregates[*index].text.clone(),
                        context: context(spec, &batch, row, due),
                    };
                    dead.push((spec.fire_time(due.end), encoded(due), dead_row));
                }
            }
        }
        batch = filter_record_batch(&batch, &BooleanArray::from(alive.clone()))
            .expect("the filter is as long as the batch");
        keep(&mut fire_times, &alive);
        keep(&mut encoded_keys, &alive);
    }
    Emitted { batch, fire_times, keys: encoded_keys, dead }
}

/// Keeps the items that are alive; an empty list stays empty.
fn keep<T>(items: &mut Vec<T>, alive: &[bool]) {
    let mut alive = alive.iter();
    items.retain(|_| *alive.next().expect("as many items as flags"));
}

/// The key and the window of a result, for a person.
fn context(spec: &Spec, batch: &RecordBatch, row: usize, due: &Due) -> String {
    let options = FormatOptions::default().with_null("NULL");
    let values: Vec<String> = batch.columns()[..spec.keys.len()]
        .iter()
        .map(|column| {
            let formatter = ArrayFormatter::try_new(column.as_ref(), &options);
            formatter.map_or_else(|error| error.to_string(), |all| all.value(row).to_string())
        })
        .collect();
    let window = format!("window [{}, {})", time_text(due.start), time_text(due.end));
    if values.is_empty() { window } else { format!("key {}, {window}", values.join(", ")) }
}

/// A time in ms as a timestamp.
fn time_text(ms: i64) -> String {
    match chrono::DateTime::from_timestamp_millis(ms) {
        Some(time) => time.format("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        None => format!("{ms} ms"),
    }
}
