//! Window columns on rows.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use anabranch_engine::executor::Sequential;
use anabranch_engine::expr::ErrorKind;
use anabranch_engine::ids::{Epoch, SplitId};
use anabranch_engine::op::{Operator, OperatorCx, WindowAssignOp};
use anabranch_engine::plan::{JobOptions, Node, NodeKind, Window, WindowAssign};
use anabranch_engine::rows::{Origin, Rows};
use anabranch_engine::state::Since;
use anabranch_engine::time::{Tick, Watermark};
use anabranch_engine::types::{Field, SqlType};
use arrow_cast::display::array_value_to_string;
use support::{Row, batch, node, schema, split_names};

fn assign_node(window: Window) -> Node {
    let mut all = schema();
    for name in ["window_start", "window_end", "window_time"] {
        all.fields.push(Field::new(name, SqlType::Timestamp(3).not_null()));
    }
    let kind = NodeKind::WindowAssign(WindowAssign { window, rowtime: 1, partition: Vec::new() });
    Node { kind, schema: all, ..node(window, 0, &schema(), 1, &[], Vec::new()) }
}

/// `key value [start, end) offset` of each row, and the kinds of the dead ones.
fn assigned(window: Window, rows: &[Row]) -> (Vec<String>, Vec<ErrorKind>) {
    let mut op =
        WindowAssignOp::new(&assign_node(window), &schema(), &JobOptions::default()).unwrap();
    let (executor, names) = (Sequential::default(), split_names());
    let mut cx = OperatorCx::new(Epoch(1), Tick(0), &executor, &names);
    let origin = Origin::Records {
        split: SplitId(0),
        offsets: (10..).take(rows.len()).collect(),
        watermarks_before: vec![i64::MAX; rows.len()].into(),
        path: 0,
    };
    op.on_rows(0, &[Rows::inserts(batch(rows), origin)], &mut cx);
    let mut lines = Vec::new();
    for rows in &cx.output {
        let Origin::Records { offsets, .. } = &rows.origin else { panic!("records stay records") };
        let text = |column: usize, row: usize| {
            let value = array_value_to_string(rows.batch.column(column), row).unwrap();
            value.trim_start_matches("1970-01-01T00:00:00").to_owned()
        };
        for row in 0..rows.len() {
            let window = format!("[{}, {}) {}", text(3, row), text(4, row), text(5, row));
            lines.push(format!("{} {} {window} {}", text(0, row), text(2, row), offsets[row]));
        }
    }
    (lines, cx.dead.iter().map(|row| row.kind).collect())
}

#[test]
fn a_row_stands_once_for_each_of_its_windows_however_late_it_is() {
    let hop = Window::Hop { size_ms: 10, slide_ms: 5, offset_ms: 0 };
    let (lines, dead) = assigned(hop, &[Row::new("a", 7, 1), Row::new("b", 10, 2)]);
    assert_eq!(
        lines,
        [
            "a 1 [, .010) .009 10",
            "a 1 [.005, .015) .014 10",
            "b 2 [.005, .015) .014 11",
            "b 2 [.010, .020) .019 11",
        ]
    );
    assert_eq!(dead, []);
}

#[test]
fn a_row_without_an_event_time_is_a_dead_row() {
    // spec: F-1
    let tumble = Window::Tumble { size_ms: 10, offset_ms: 0 };
    let row = Row { key: Some("a".into()), time: None, value: Some(1) };
    let far = Row { time: Some(i64::MAX), ..row.clone() };
    let (lines, dead) = assigned(tumble, &[row, Row::new("b", 3, 2), far]);
    assert_eq!(lines, ["b 2 [, .010) .009 11"]);
    assert_eq!(dead, [ErrorKind::RowtimeNull, ErrorKind::InvalidArgument]);
}

#[test]
fn the_rows_of_a_session_come_when_it_closes_in_canonical_order() {
    // spec: E-3, E-5, T-2
    let mut node = assign_node(Window::Session { gap_ms: 5 });
    let NodeKind::WindowAssign(spec) = &mut node.kind else { unreachable!() };
    spec.partition = vec![0];
    let make = || WindowAssignOp::new(&node, &schema(), &JobOptions::default()).unwrap();
    let names = split_names();
    let slices = [
        (0, vec![Row::new("b", 3, 1), Row::new("a", 4, 2), Row::new("a", 4, 2)], i64::MIN),
        (1, vec![Row::new("a", 4, 3), Row::new("a", 9, 4), Row::new("b", 20, 5)], i64::MIN),
        (1, vec![Row::new("a", 14, 6)], 14),
    ];
    for (order, pieces) in [([0, 1, 2], 1), ([1, 0, 2], 1), ([1, 2, 0], 3)] {
        let executor = Sequential { pieces };
        let mut op = make();
        let mut cx = OperatorCx::new(Epoch(1), Tick(0), &executor, &names);
        for index in order {
            let (split, rows, watermark) = &slices[index];
            let origin = Origin::Records {
                split: SplitId(*split),
                offsets: (10 * index as u64..).take(rows.len()).collect(),
                watermarks_before: vec![*watermark; rows.len()].into(),
                path: 0,
            };
            op.on_rows(0, &[Rows::inserts(batch(rows), origin)], &mut cx);
            // A restart in the middle changes nothing.
            let mut saved = Vec::new();
            op.save(Since::Beginning, &mut saved);
            op = make();
            op.load(&saved).unwrap();
        }
        op.on_watermark(Watermark(13), &mut cx);
        assert_eq!(cx.output.iter().map(Rows::len).sum::<usize>(), 1);
        op.on_watermark(Watermark::END, &mut cx);
        let mut lines = Vec::new();
        for rows in &cx.output {
            let Origin::Timer { fire_times } = &rows.origin else { panic!("a timer's rows") };
            let text = |column: usize, row: usize| {
                let value = array_value_to_string(rows.batch.column(column), row).unwrap();
                value.trim_start_matches("1970-01-01T00:00:00").to_owned()
            };
            for row in 0..rows.len() {
                let window = format!("[{}, {}) {}", text(3, row), text(4, row), text(5, row));
                lines.push(format!(
                    "{} {} {window} {}",
                    text(0, row),
                    text(2, row),
                    fire_times[row]
                ));
            }
        }
        assert_eq!(
            lines,
            [
                "b 1 [.003, .008) .007 8",
                // Split 1 is named s6, split 0 is named s7.
                "a 3 [.004, .014) .013 14",
                "a 2 [.004, .014) .013 14",
                "a 2 [.004, .014) .013 14",
                "a 4 [.004, .014) .013 14",
                "b 5 [.020, .025) .024 25",
            ]
        );
        assert_eq!(cx.late.len(), 1);
    }
}
