//! The state of a window aggregation, as a snapshot holds it.

use crate::input::Input;
use crate::snapshot::TABLES;
use anabranch_engine::executor::Sequential;
use anabranch_engine::expr::FunctionRef;
use anabranch_engine::ids::{Epoch, KeyGroup, NodeId, SplitId, SplitName, TableId};
use anabranch_engine::key::key_group;
use anabranch_engine::op::{Operator, OperatorCx, WindowAggregateOp};
use anabranch_engine::plan::{
    AggregateCall, ChangelogMode, Class, JobOptions, Node, NodeKind, Window, WindowAggregate,
};
use anabranch_engine::rows::{Origin, Rows};
use anabranch_engine::state::{Since, StateEntry};
use anabranch_engine::time::{Tick, Watermark};
use anabranch_engine::types::{Field, Schema, SqlType};
use arrow_array::{
    ArrayRef, Decimal128Array, Float32Array, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray, TimestampMillisecondArray,
};
use std::sync::Arc;

/// The columns of the operator's input.
pub(crate) fn input_schema() -> Schema {
    let field = |name: &str, ty: SqlType| Field::new(name, ty.nullable());
    Schema::new(vec![
        field("k", SqlType::STRING),
        field("ts", SqlType::Timestamp(3)),
        field("v", SqlType::BigInt),
        field("d", SqlType::Double),
        field("f", SqlType::Float),
        field("p", SqlType::Decimal { precision: 10, scale: 2 }),
        field("s", SqlType::Array(Box::new(SqlType::STRING.nullable()))),
    ])
}

fn call(function: &str, arg: Option<usize>, distinct: bool, ty: SqlType) -> AggregateCall {
    AggregateCall {
        function: FunctionRef { name: function.into(), version: 1 },
        args: arg.into_iter().collect(),
        distinct,
        filter: None,
        ty: ty.nullable(),
        text: function.into(),
    }
}

fn aggregates(which: u8) -> Vec<AggregateCall> {
    let sum = SqlType::Decimal { precision: 38, scale: 2 };
    match which % 4 {
        0 => vec![
            call("COUNT", None, false, SqlType::BigInt),
            call("SUM", Some(2), false, SqlType::BigInt),
            call("COUNT", Some(0), false, SqlType::BigInt),
        ],
        1 => vec![
            call("AVG", Some(3), false, SqlType::Double),
            call("SUM", Some(4), false, SqlType::Float),
            call("SUM", Some(5), false, sum),
        ],
        2 => vec![
            call("MIN", Some(0), false, SqlType::STRING),
            call("MAX", Some(3), false, SqlType::Double),
            call("MIN", Some(5), false, SqlType::Decimal { precision: 10, scale: 2 }),
            call("FIRST_VALUE", Some(0), false, SqlType::STRING),
            call("LAST_VALUE", Some(2), false, SqlType::BigInt),
        ],
        _ => vec![
            call("COUNT", Some(0), true, SqlType::BigInt),
            call("SUM", Some(2), true, SqlType::BigInt),
            call("MAX", Some(2), false, SqlType::BigInt),
        ],
    }
}

/// One of the operators: two bits say which window, two which key, two which aggregates.
pub(crate) fn operator(which: u8) -> WindowAggregateOp {
    let window = match which & 3 {
        0 => Window::Tumble { size_ms: 10, offset_ms: 0 },
        1 => Window::Hop { size_ms: 15, slide_ms: 5, offset_ms: 2 },
        2 => Window::Cumulate { size_ms: 15, step_ms: 5, offset_ms: 0 },
        _ => Window::Session { gap_ms: 10 },
    };
    let keys: Vec<usize> = match which >> 2 & 3 {
        0 => vec![0],
        1 => vec![2],
        2 => Vec::new(),
        _ => vec![5, 6],
    };
    let aggregates = aggregates(which >> 4);
    let input = input_schema();
    let mut fields: Vec<Field> = keys.iter().map(|key| input.fields[*key].clone()).collect();
    fields.extend(aggregates.iter().map(|call| Field::new(call.text.clone(), call.ty.clone())));
    for name in ["window_start", "window_end", "window_time"] {
        fields.push(Field::new(name, SqlType::Timestamp(3).not_null()));
    }
    let node = Node {
        id: NodeId(1),
        name: "out".into(),
        kind: NodeKind::WindowAggregate(WindowAggregate {
            window,
            rowtime: 1,
            keys,
            aggregates,
            allowed_lateness_ms: i64::from(which >> 6),
        }),
        inputs: vec![NodeId(0)],
        time_attribute: Some(fields.len() - 1),
        schema: Schema::new(fields),
        changelog: ChangelogMode::InsertOnly,
        unique_key: None,
        class: Class::Content,
        span: Default::default(),
    };
    WindowAggregateOp::new(&node, &input, &JobOptions::default()).expect("the node is right")
}

/// Set in an entry's first byte if its key group is to be another than its key's.
const WRONG_GROUP: u8 = 0x80;

/// For each entry one byte for its table and the flag, and pieces for key and value.
fn entries_of(mut input: Input<'_>) -> Vec<StateEntry> {
    let mut entries = Vec::new();
    while !input.is_empty() {
        let first = input.byte();
        let table = TABLES[usize::from(first & 3)];
        let (key, value) = (input.piece().to_vec(), input.piece().to_vec());
        let times = match table {
            "panes" => 16,
            "sessions" => 8,
            _ => 0,
        };
        let KeyGroup(group) = key_group(&key[..key.len().saturating_sub(times)]);
        let is_wrong = u16::from(first & WRONG_GROUP != 0);
        let group = if table == "progress" { is_wrong } else { group + is_wrong };
        let (key, value) = (key.into(), Some(value.into()));
        entries.push(StateEntry { key_group: KeyGroup(group), table, key, value });
    }
    entries
}

fn saved(operator: &WindowAggregateOp) -> Vec<StateEntry> {
    let mut entries = Vec::new();
    assert_eq!(operator.save(Since::Beginning, &mut entries), Since::Beginning);
    entries
}

/// Lets everything fire, with the state in so many pieces.
fn fire(operator: &mut WindowAggregateOp, pieces: usize) -> Vec<Rows> {
    let executor = Sequential { pieces };
    let mut cx = OperatorCx::new(Epoch(2), Tick(1), &executor, &[]);
    operator.on_watermark(Watermark::END, &mut cx);
    operator.on_epoch_end(&mut cx);
    cx.output
}

/// The rows one by one, however they were put into batches.
fn rows_of(output: &[Rows]) -> Vec<Vec<ArrayRef>> {
    let row = |rows: &Rows, row: usize| {
        rows.batch.columns().iter().map(|column| column.slice(row, 1)).collect()
    };
    output.iter().flat_map(|rows| (0..rows.len()).map(move |index| row(rows, index))).collect()
}

/// One byte for the operator, then entries. State that can be loaded is saved in order,
/// loads again as the same, and gives the same rows in however many pieces it is.
// spec: S-3
pub fn operator_state(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let which = input.byte();
    let entries = entries_of(input);
    let mut first = operator(which);
    if first.load(&entries).is_err() {
        return false;
    }
    let all = saved(&first);
    assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
    let groups =
        |entries: &[StateEntry]| entries.iter().filter(|it| it.table != "progress").count();
    assert_eq!(groups(&all), groups(&entries));
    let mut second = operator(which);
    second.load(&all).expect("it was saved");
    assert_eq!(saved(&second), all);
    assert_eq!(first.next_timer(), second.next_timer());
    let (one, three) = (fire(&mut first, 1), fire(&mut second, 3));
    assert_eq!(rows_of(&one), rows_of(&three));
    assert!(groups(&saved(&first)) == 0, "everything fired");
    !one.is_empty()
}

/// What the operator saves after a few rows of two splits, with NULLs among them.
pub(crate) fn seed_entries(mut operator: WindowAggregateOp) -> Vec<StateEntry> {
    let executor = Sequential::default();
    let names = [SplitName { table: TableId(0), name: "s".into() }];
    let mut cx = OperatorCx::new(Epoch(1), Tick(0), &executor, &names);
    let times = [Some(1), Some(7), Some(30), Some(31), Some(-4), Some(62)];
    let texts = [Some("a"), Some("b\0c"), None, Some("a"), Some(""), Some("é")];
    let doubles = [Some(1e16), Some(-0.5), None, Some(f64::INFINITY), Some(1e308), Some(1e308)];
    let lists =
        ListArray::new_null(Arc::new(SqlType::STRING.nullable().arrow_field("item")), times.len());
    let floats = doubles.map(|value| value.map(|value| value as f32));
    let decimals =
        Decimal128Array::from(vec![Some(1), None, Some(-12_345), Some(2), Some(0), None]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter(texts)),
        Arc::new(TimestampMillisecondArray::from_iter(times)),
        Arc::new(Int64Array::from_iter([Some(5), Some(i64::MAX), None, Some(-5), Some(5), None])),
        Arc::new(Float64Array::from_iter(doubles)),
        Arc::new(Float32Array::from_iter(floats)),
        Arc::new(decimals.with_data_type(SqlType::Decimal { precision: 10, scale: 2 }.arrow())),
        Arc::new(lists),
    ];
    let batch = RecordBatch::try_new(input_schema().arrow(), columns).expect("the columns fit");
    let origin = Origin::Records {
        split: SplitId(0),
        offsets: (0..batch.num_rows() as u64).collect(),
        watermarks_before: std::iter::repeat_n(i64::MIN, batch.num_rows()).collect(),
        path: 0,
    };
    operator.on_rows(0, &[Rows::inserts(batch, origin)], &mut cx);
    operator.on_watermark(Watermark(12), &mut cx);
    operator.on_epoch_end(&mut cx);
    saved(&operator)
}
