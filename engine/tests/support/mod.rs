//! A small bench for one window aggregation: rows (k STRING, ts TIMESTAMP(3),
//! v BIGINT) in, one line of text for each result out.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers of tests, of which each test binary uses a part"
)]

use anabranch_engine::executor::Sequential;
use anabranch_engine::expr::FunctionRef;
use anabranch_engine::ids::{Epoch, NodeId, SplitId, SplitName, TableId};
use anabranch_engine::op::{DeadRow, LateRow, Operator, OperatorCx, WindowAggregateOp};
use anabranch_engine::plan::{
    AggregateCall, ChangelogMode, Class, JobOptions, Node, NodeKind, Window, WindowAggregate,
};
use anabranch_engine::rows::{Origin, Rows};
use anabranch_engine::time::{Tick, Watermark};
use anabranch_engine::types::{DataType, Field, Schema, SqlType};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, TimestampMillisecondType};
use arrow_array::{
    Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow_cast::display::array_value_to_string;
use std::sync::Arc;

/// An input row.
#[derive(Clone, Debug)]
pub struct Row {
    pub key: Option<String>,
    pub time: Option<i64>,
    pub value: Option<i64>,
}

impl Row {
    pub fn new(key: &str, time: i64, value: i64) -> Row {
        Row { key: Some(key.into()), time: Some(time), value: Some(value) }
    }
}

/// A call of an aggregate, by the type of its argument.
pub fn call(function: &str, args: &[usize], ty: DataType) -> AggregateCall {
    AggregateCall {
        function: FunctionRef { name: function.into(), version: 1 },
        args: args.to_vec(),
        distinct: false,
        filter: None,
        ty,
        text: function.into(),
    }
}

/// A node that aggregates `input` by these keys.
pub fn node(
    window: Window,
    lateness: i64,
    input: &Schema,
    rowtime: usize,
    keys: &[usize],
    aggregates: Vec<AggregateCall>,
) -> Node {
    let mut fields: Vec<Field> = keys.iter().map(|key| input.fields[*key].clone()).collect();
    fields.extend(aggregates.iter().map(|call| Field::new(call.text.clone(), call.ty.clone())));
    for name in ["window_start", "window_end", "window_time"] {
        fields.push(Field::new(name, SqlType::Timestamp(3).not_null()));
    }
    Node {
        id: NodeId(3),
        name: "out".into(),
        kind: NodeKind::WindowAggregate(WindowAggregate {
            window,
            rowtime,
            keys: keys.to_vec(),
            aggregates,
            allowed_lateness_ms: lateness,
        }),
        inputs: vec![NodeId(2)],
        time_attribute: Some(fields.len() - 1),
        schema: Schema::new(fields),
        changelog: ChangelogMode::InsertOnly,
        unique_key: None,
        class: Class::Content,
        span: Default::default(),
    }
}

/// The names of eight splits, whose order is not that of their numbers.
pub fn split_names() -> Vec<SplitName> {
    (0..8).map(|id| SplitName { table: TableId(0), name: format!("s{}", 7 - id) }).collect()
}

/// One operator with what it gave.
pub struct Bench {
    pub op: WindowAggregateOp,
    pub executor: Sequential,
    pub epoch: Epoch,
    pub output: Vec<Rows>,
    pub late: Vec<LateRow>,
    pub dead: Vec<DeadRow>,
    pub names: Vec<SplitName>,
    offset: u64,
}

pub fn schema() -> Schema {
    Schema::new(vec![
        Field::new("k", SqlType::STRING.nullable()),
        Field::new("ts", SqlType::Timestamp(3).nullable()),
        Field::new("v", SqlType::BigInt.nullable()),
    ])
}

pub fn batch(rows: &[Row]) -> RecordBatch {
    let keys: StringArray = rows.iter().map(|row| row.key.clone()).collect();
    let times: TimestampMillisecondArray = rows.iter().map(|row| row.time).collect();
    let values: Int64Array = rows.iter().map(|row| row.value).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(keys), Arc::new(times), Arc::new(values)];
    RecordBatch::try_new(schema().arrow(), columns).unwrap()
}

impl Bench {
    pub fn tumble(size_ms: i64) -> Bench {
        Bench::new(Window::Tumble { size_ms, offset_ms: 0 }, 0)
    }

    /// COUNT(*) and SUM(v) by k.
    pub fn new(window: Window, lateness: i64) -> Bench {
        let calls = vec![
            call("COUNT", &[], SqlType::BigInt.not_null()),
            call("SUM", &[2], SqlType::BigInt.nullable()),
        ];
        Bench::with(window, lateness, &[0], calls)
    }

    pub fn with(window: Window, lateness: i64, keys: &[usize], calls: Vec<AggregateCall>) -> Bench {
        let node = node(window, lateness, &schema(), 1, keys, calls);
        Bench::of(&node, &schema())
    }

    pub fn of(node: &Node, schema: &Schema) -> Bench {
        let op = WindowAggregateOp::new(node, schema, &JobOptions::default()).unwrap();
        Bench {
            op,
            executor: Sequential::default(),
            epoch: Epoch(1),
            output: Vec::new(),
            late: Vec::new(),
            dead: Vec::new(),
            names: split_names(),
            offset: 0,
        }
    }

    /// Runs something with the operator and keeps what it gives.
    fn run(&mut self, work: impl FnOnce(&mut WindowAggregateOp, &mut OperatorCx<'_>)) {
        let mut cx = OperatorCx::new(self.epoch, Tick(0), &self.executor, &self.names);
        work(&mut self.op, &mut cx);
        self.output.append(&mut cx.output);
        self.late.append(&mut cx.late);
        self.dead.append(&mut cx.dead);
    }

    /// Rows of a split that are never late.
    pub fn rows(&mut self, split: u32, rows: &[Row]) {
        let rows: Vec<(Row, i64)> = rows.iter().map(|row| (row.clone(), i64::MIN)).collect();
        self.records(split, &rows);
    }

    /// Rows of a split, each with the split's watermark before it.
    pub fn records(&mut self, split: u32, rows: &[(Row, i64)]) {
        let offsets: Vec<u64> = (self.offset..).take(rows.len()).collect();
        self.offset += rows.len() as u64;
        let watermarks: Vec<i64> = rows.iter().map(|(_, watermark)| *watermark).collect();
        let rows: Vec<Row> = rows.iter().map(|(row, _)| row.clone()).collect();
        self.input(batch(&rows), split, offsets, watermarks);
    }

    pub fn input(
        &mut self,
        batch: RecordBatch,
        split: u32,
        offsets: Vec<u64>,
        watermarks: Vec<i64>,
    ) {
        let origin = Origin::Records {
            split: SplitId(split),
            offsets: offsets.into(),
            watermarks_before: watermarks.into(),
            path: 0,
        };
        self.run(|op, cx| op.on_rows(0, &[Rows::inserts(batch, origin)], cx));
    }

    /// Derived rows.
    pub fn derived(&mut self, rows: &[Row]) {
        let fire_times = rows.iter().map(|row| row.time.unwrap() + 1).collect();
        let rows = Rows::inserts(batch(rows), Origin::Timer { fire_times });
        self.run(|op, cx| op.on_rows(0, &[rows], cx));
    }

    /// Rows as another operator gave them.
    pub fn pass(&mut self, rows: &Rows) {
        self.run(|op, cx| op.on_rows(0, std::slice::from_ref(rows), cx));
    }

    pub fn watermark(&mut self, watermark: i64) {
        self.run(|op, cx| op.on_watermark(Watermark(watermark), cx));
    }

    pub fn end_epoch(&mut self) {
        self.run(|op, cx| op.on_epoch_end(cx));
        self.epoch = self.epoch.next();
    }

    /// Takes the results as text: key and aggregates, then the window.
    pub fn lines(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for rows in self.output.drain(..) {
            let columns = rows.batch.num_columns();
            for row in 0..rows.len() {
                let values: Vec<String> = rows.batch.columns()[..columns - 3]
                    .iter()
                    .map(|column| {
                        if column.is_null(row) {
                            "NULL".into()
                        } else if let Some(floats) = column.as_primitive_opt::<Float32Type>() {
                            format!("{:?}", floats.value(row))
                        } else if let Some(doubles) = column.as_primitive_opt::<Float64Type>() {
                            format!("{:?}", doubles.value(row))
                        } else {
                            array_value_to_string(column, row).unwrap()
                        }
                    })
                    .collect();
                let time = |column: usize| {
                    rows.batch
                        .column(columns - column)
                        .as_primitive::<TimestampMillisecondType>()
                        .value(row)
                };
                assert_eq!(time(1), time(2) - 1);
                let Origin::Timer { fire_times } = &rows.origin else {
                    panic!("results are made by timers");
                };
                assert!(fire_times[row] >= time(2) - 1);
                lines.push(format!("{} [{}, {})", values.join(" "), time(3), time(2)));
            }
        }
        lines
    }

    /// Takes the late rows as text.
    pub fn late(&mut self) -> Vec<String> {
        self.late
            .drain(..)
            .map(|row| format!("{} of {}", row.windows_missed, row.windows_total))
            .collect()
    }
}
