//! The results of all pieces as one stream.

use super::emit::Emitted;
use crate::op::{DeadRow, OperatorCx};
use crate::rows::{Origin, Rows};
use arrow_array::RecordBatch;
use arrow_select::interleave::interleave_record_batch;

/// How many rows a merged batch has at most.
const MERGED_ROWS: usize = 8192;

/// Puts the results of the pieces out in (fire time, key) order. Each piece's are in
/// that order, and the encoded keys are there if there are several pieces.
// spec: E-3
pub(super) fn merge(pieces: Vec<Vec<Emitted>>, cx: &mut OperatorCx<'_>) {
    let mut dead: Vec<(i64, Vec<u8>, DeadRow)> = Vec::new();
    let several = pieces.len() > 1;
    let mut parts: Vec<Emitted> = Vec::new();
    for mut part in pieces.into_iter().flatten() {
        dead.append(&mut part.dead);
        if part.batch.num_rows() > 0 {
            parts.push(part);
        }
    }
    dead.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    cx.windows_fired += parts.iter().map(|part| part.batch.num_rows() as u64).sum::<u64>();
    cx.windows_fired += dead.len() as u64;
    cx.dead.extend(dead.into_iter().map(|(_, _, row)| row));
    if !several || parts.len() == 1 {
        cx.output.extend(parts.into_iter().map(|part| rows(part.batch, part.fire_times)));
        return;
    }
    let mut order: Vec<(usize, usize)> = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        order.extend((0..part.batch.num_rows()).map(|row| (index, row)));
    }
    let rank =
        |&(part, row): &(usize, usize)| (parts[part].fire_times[row], &parts[part].keys[row]);
    order.sort_unstable_by(|a, b| rank(a).cmp(&rank(b)));
    let batches: Vec<&RecordBatch> = parts.iter().map(|part| &part.batch).collect();
    for chunk in order.chunks(MERGED_ROWS) {
        let batch = interleave_record_batch(&batches, chunk)
            .expect("the pieces' batches have one schema and the rows exist");
        let fire_times = chunk.iter().map(|&(part, row)| parts[part].fire_times[row]).collect();
        cx.output.push(rows(batch, fire_times));
    }
}

fn rows(batch: RecordBatch, fire_times: Vec<i64>) -> Rows {
    Rows::inserts(batch, Origin::Timer { fire_times: fire_times.into() })
}
