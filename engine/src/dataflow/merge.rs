//! One order out of several inputs: what a union and a sink make of their rows.

use crate::ids::SplitId;
use crate::rows::{Origin, RowKinds, Rows};
use arrow_array::{RecordBatch, UInt32Array};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use std::collections::BTreeMap;

/// All rows of all inputs: first the constants, then rows of records by split in
/// record order, then rows of timers by (fire time, input, place).
///
/// The inputs agree in their Arrow types; the names are those of `schema`.
// spec: E-3
pub(super) fn union(schema: &arrow_schema::SchemaRef, inputs: Vec<Vec<Rows>>) -> Vec<Rows> {
    let arity = inputs.len() as u32;
    let mut others: Vec<Rows> = Vec::new();
    let mut records: BTreeMap<SplitId, Vec<Rows>> = BTreeMap::new();
    // Splits in the order in which they first came, so that slices keep their order.
    let mut split_order: Vec<SplitId> = Vec::new();
    let mut timers: Vec<Rows> = Vec::new();
    for (input, rows) in inputs.into_iter().enumerate() {
        for mut piece in rows.into_iter().filter(|piece| !piece.is_empty()) {
            piece.batch = renamed(schema, &piece.batch);
            match &mut piece.origin {
                Origin::Records { split, path, .. } => {
                    *path = *path * arity + input as u32;
                    let pieces = records.entry(*split).or_default();
                    if pieces.is_empty() {
                        split_order.push(*split);
                    }
                    pieces.push(piece);
                }
                Origin::Timer { .. } => timers.push(piece),
                Origin::Other => others.push(piece),
            }
        }
    }
    let mut merged = others;
    for split in split_order {
        let pieces = records.remove(&split).expect("it was put there with its order");
        merged.extend(by_offset(pieces));
    }
    merged.extend(by_fire_time(timers));
    merged
}

/// The batch under the union's column names.
fn renamed(schema: &arrow_schema::SchemaRef, batch: &RecordBatch) -> RecordBatch {
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), batch.columns().to_vec(), &options)
        .expect("the inputs of a union agree in their types")
}

/// Rows of one split that came several ways, in record order; rows of one record by
/// their path.
fn by_offset(pieces: Vec<Rows>) -> Vec<Rows> {
    let path_of = |rows: &Rows| match &rows.origin {
        Origin::Records { path, .. } => *path,
        Origin::Timer { .. } | Origin::Other => 0,
    };
    let first_path = path_of(&pieces[0]);
    if pieces.iter().all(|piece| path_of(piece) == first_path) {
        return pieces;
    }
    // Single rows, so that each keeps the path it came by.
    let mut order: Vec<(u64, u32, usize, usize)> = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        if let Origin::Records { offsets, path, .. } = &piece.origin {
            order.extend(
                offsets.iter().enumerate().map(|(row, offset)| (*offset, *path, index, row)),
            );
        }
    }
    order.sort_unstable();
    runs(&order, |(_, _, piece, row)| (*piece, *row))
        .into_iter()
        .map(|(piece, start, count)| slice(&pieces[piece], start, count))
        .collect()
}

/// Rows of several operators by fire time, those of one time in the order of the
/// inputs.
pub(super) fn by_fire_time(pieces: Vec<Rows>) -> Vec<Rows> {
    if pieces.len() <= 1 {
        return pieces;
    }
    let mut order: Vec<(i64, usize, usize)> = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        if let Origin::Timer { fire_times } = &piece.origin {
            order.extend(fire_times.iter().enumerate().map(|(row, time)| (*time, index, row)));
        }
    }
    if order.is_sorted() {
        return pieces;
    }
    order.sort_unstable();
    let schema = pieces[0].batch.schema();
    let mut starts = Vec::with_capacity(pieces.len());
    let mut total = 0_u32;
    for piece in &pieces {
        starts.push(total);
        total += piece.len() as u32;
    }
    let all = concat_batches(&schema, pieces.iter().map(|piece| &piece.batch))
        .expect("the inputs of a union agree in their types");
    let indices: UInt32Array =
        order.iter().map(|(_, piece, row)| starts[*piece] + *row as u32).collect();
    let batch = take_record_batch(&all, &indices).expect("the indices are rows of the batch");
    let kinds = if pieces.iter().all(|piece| piece.kinds == RowKinds::Inserts) {
        RowKinds::Inserts
    } else {
        RowKinds::Each(order.iter().map(|(_, piece, row)| pieces[*piece].kind(*row)).collect())
    };
    let fire_times: Vec<i64> = order.iter().map(|(time, _, _)| *time).collect();
    vec![Rows {
        batch,
        kinds,
        origin: Origin::Timer { fire_times: fire_times.into() },
        column_errors: Vec::new(),
    }]
}

/// Consecutive rows of one piece as (piece, first row, count).
fn runs<T>(order: &[T], place: impl Fn(&T) -> (usize, usize)) -> Vec<(usize, usize, usize)> {
    let mut runs: Vec<(usize, usize, usize)> = Vec::new();
    for item in order {
        let (piece, row) = place(item);
        match runs.last_mut() {
            Some((last, start, count)) if *last == piece && *start + *count == row => *count += 1,
            _ => runs.push((piece, row, 1)),
        }
    }
    runs
}

/// Some consecutive rows.
pub(super) fn slice(rows: &Rows, start: usize, count: usize) -> Rows {
    let origin = match &rows.origin {
        Origin::Records { split, offsets, watermarks_before, path } => Origin::Records {
            split: *split,
            offsets: offsets.slice(start, count),
            watermarks_before: watermarks_before.slice(start, count),
            path: *path,
        },
        Origin::Timer { fire_times } => {
            Origin::Timer { fire_times: fire_times.slice(start, count) }
        }
        Origin::Other => Origin::Other,
    };
    let kinds = match &rows.kinds {
        RowKinds::Inserts => RowKinds::Inserts,
        RowKinds::Each(kinds) => RowKinds::Each(kinds[start..start + count].to_vec()),
    };
    debug_assert!(rows.column_errors.is_empty(), "rows of a scan pass a calc first");
    Rows { batch: rows.batch.slice(start, count), kinds, origin, column_errors: Vec::new() }
}
