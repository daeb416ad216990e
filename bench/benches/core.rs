//! The core's own time: a step of one row, and rows by the second.

use anabranch_bench::{Bids, bids_json, bids_plan, block, window_node};
use anabranch_engine::executor::Sequential;
use anabranch_engine::ids::{Epoch, Generation, Lineage, Offset, SplitId, SplitName};
use anabranch_engine::journal::{
    Carried, ChainHash, Encoder, EpochRecord, OutputHash, SegmentHeader, SegmentName, SliceRecord,
};
use anabranch_engine::op::{Operator, OperatorCx, WindowAggregateOp};
use anabranch_engine::rows::{Origin, Rows};
use anabranch_engine::snapshot::{PartName, encode_part};
use anabranch_engine::state::Since;
use anabranch_engine::time::Tick;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray};
use criterion::{BatchSize, Criterion, Throughput};
use std::hint::black_box;
use std::sync::Arc;

/// That of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One JSON record through filter and tumbling count and sum, an epoch of its own.
fn one_row_epoch(c: &mut Criterion) {
    let mut bids = Bids::default();
    let mut offset = 0;
    let line = bids_json(0, 1);
    c.bench_function("one-row epoch", |b| {
        b.iter_batched(
            || {
                let block = block(&line, offset);
                offset += line.len() as u64;
                block
            },
            |block| {
                let input = bids.input(block);
                black_box(bids.dataflow.step(&input, &Sequential::default()))
            },
            BatchSize::SmallInput,
        );
    });
}

/// The record of an epoch with one slice, encoded behind the one before.
fn journal_record(c: &mut Criterion) {
    let generation = Generation { number: 1, nonce: 7 };
    let header = SegmentHeader {
        name: SegmentName { generation, part: 0 },
        lineage: Lineage { number: 1, nonce: 7 },
        parent: None,
        plan: bids_plan().hash(),
        semantics: 1,
        binary: "bench".into(),
        predecessor: None,
        first_epoch: Epoch(1),
        sources: Vec::new(),
        carried: Carried::default(),
    };
    let mut bytes = Vec::new();
    let mut encoder = Encoder::open(&header, &mut bytes);
    let mut epoch = 0;
    c.bench_function("journal/one-slice record", |b| {
        b.iter(|| {
            epoch += 1;
            let at = Offset(epoch * 88);
            let slice = SliceRecord {
                split: SplitId(0),
                start: at,
                end: Offset(at.0 + 88),
                count: 1,
                first: at,
                last: at,
                crc: epoch as u32,
            };
            let hash = ChainHash([epoch as u8; 16]);
            let record = EpochRecord {
                epoch: Epoch(epoch),
                tick: Tick(epoch as i64 * 1_000_000),
                durable_up_to: Epoch(epoch - 1),
                slices: vec![slice],
                output_hash: Some(OutputHash { epoch: Epoch(epoch - 1), hash }),
                ..EpochRecord::default()
            };
            bytes.clear();
            black_box(encoder.append_epoch(&record, &mut bytes))
        });
    });
}

/// JSON lines, framed and stepped in epochs of 8,192 rows.
fn json_rows(c: &mut Criterion) {
    const ROWS: u64 = 8_192;
    let texts: Vec<String> = (0..64).map(|n| bids_json(n * ROWS, ROWS)).collect();
    let mut group = c.benchmark_group("rows");
    group.throughput(Throughput::Elements(ROWS * texts.len() as u64));
    group.sample_size(10);
    group.bench_function("json", |b| {
        b.iter(|| {
            let mut bids = Bids::default();
            let mut offset = 0;
            for text in &texts {
                let block = block(text, offset);
                offset += text.len() as u64;
                let input = bids.input(block);
                black_box(bids.dataflow.step(&input, &Sequential::default()));
            }
        });
    });
    group.finish();
}

fn arrow_batch(first: i64, rows: i64) -> Rows {
    let numbers = first..first + rows;
    let auction: Int64Array =
        numbers.clone().map(|n| n.wrapping_mul(2_654_435_761).rem_euclid(10_000)).collect();
    let price: Int64Array = numbers.clone().map(|n| 100 + n % 9_973).collect();
    let ts: TimestampMillisecondArray = numbers.clone().map(Some).collect();
    let columns: Vec<(&str, ArrayRef)> =
        vec![("auction", Arc::new(auction)), ("price", Arc::new(price)), ("ts", Arc::new(ts))];
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    )
    .expect("the columns are equally long");
    let origin = Origin::Records {
        split: SplitId(0),
        offsets: numbers.clone().map(|n| n as u64).collect(),
        watermarks_before: numbers.map(|n| n - 2_000).collect(),
        path: 0,
    };
    Rows::inserts(batch, origin)
}

/// Arrow batches straight into the window operator.
fn arrow_rows(c: &mut Criterion) {
    const ROWS: i64 = 8_192;
    let batches: Vec<Rows> = (0..64).map(|n| arrow_batch(n * ROWS, ROWS)).collect();
    let plan = bids_plan();
    let node = plan.node(window_node(&plan));
    let input = &plan.node(node.inputs[0]).schema;
    let names = [SplitName { table: anabranch_engine::ids::TableId(0), name: "a".into() }];
    let mut group = c.benchmark_group("rows");
    group.throughput(Throughput::Elements(ROWS as u64 * batches.len() as u64));
    group.sample_size(10);
    group.bench_function("arrow", |b| {
        b.iter(|| {
            let mut operator =
                WindowAggregateOp::new(node, input, &plan.options).expect("it can run");
            for (index, rows) in batches.iter().enumerate() {
                let executor = Sequential::default();
                let epoch = Epoch(index as u64 + 1);
                let mut cx = OperatorCx::new(epoch, Tick(index as i64 + 1), &executor, &names);
                operator.on_rows(0, std::slice::from_ref(rows), &mut cx);
                let watermark = (index as i64 + 1) * ROWS - 2_000;
                let watermark = anabranch_engine::time::Watermark(watermark);
                operator.on_watermark(watermark, &mut cx);
                operator.on_epoch_end(&mut cx);
                black_box(&cx.output);
            }
        });
    });
    group.finish();
}

/// The state of one million keys as the bytes of a snapshot.
fn snapshot_of_a_million_keys(c: &mut Criterion) {
    const KEYS: i64 = 1_000_000;
    let plan = bids_plan();
    let node = plan.node(window_node(&plan));
    let input = &plan.node(node.inputs[0]).schema;
    let names = [SplitName { table: anabranch_engine::ids::TableId(0), name: "a".into() }];
    let mut operator = WindowAggregateOp::new(node, input, &plan.options).expect("it can run");
    let executor = Sequential::default();
    let mut cx = OperatorCx::new(Epoch(1), Tick(1), &executor, &names);
    for first in (0..KEYS).step_by(8_192) {
        let rows = keyed_batch(first, 8_192.min(KEYS - first));
        operator.on_rows(0, &[rows], &mut cx);
    }
    operator.on_epoch_end(&mut cx);
    let mut group = c.benchmark_group("snapshot");
    group.throughput(Throughput::Elements(KEYS as u64));
    group.sample_size(10);
    group.bench_function("million keys", |b| {
        b.iter(|| {
            let mut entries = Vec::new();
            operator.save(Since::Beginning, &mut entries);
            let name = PartName { epoch: Epoch(1), generation: Generation::default(), number: 0 };
            black_box(encode_part(name, "totals", &entries))
        });
    });
    group.finish();
}

/// Rows of one window, every one with a key of its own.
fn keyed_batch(first: i64, rows: i64) -> Rows {
    let mut batch = arrow_batch(first, rows);
    let mut columns = batch.batch.columns().to_vec();
    let keys: Int64Array = (first..first + rows).map(Some).collect();
    let times: TimestampMillisecondArray = (0..rows).map(|_| Some(5_000)).collect();
    columns[0] = Arc::new(keys);
    columns[2] = Arc::new(times);
    batch.batch =
        RecordBatch::try_new(batch.batch.schema(), columns).expect("the types are the same");
    if let Origin::Records { watermarks_before, .. } = &mut batch.origin {
        *watermarks_before = vec![0; rows as usize].into();
    }
    batch
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    one_row_epoch(&mut criterion);
    journal_record(&mut criterion);
    json_rows(&mut criterion);
    arrow_rows(&mut criterion);
    snapshot_of_a_million_keys(&mut criterion);
    criterion.final_summary();
}
