//! The side tables: what came too late, and what could not be used.

use super::cell::Cell;
use super::decode::{Decoded, decode};
use super::eval::{Env, eval};
use super::expected::Source;
use super::flow::{Flow, sinks_of};
use super::log::LogRecord;
use super::row::{Dead, Late, Origin, Row};
use anabranch_engine::expr::ErrorKind;
use anabranch_engine::ids::TableId;
use anabranch_engine::plan::{ColumnKind, SideKind, SideScan};
use std::rc::Rc;

/// The rows of a side table.
pub(super) fn rows(flow: &Flow<'_>, side: &SideScan) -> Vec<Row> {
    let mut rows = match side.kind {
        SideKind::Dead => dead_rows(flow, side.table),
        SideKind::Late => {
            let is_of_table =
                |late: &&Late| flow.reading.splits[late.source.split].table == side.table;
            let whole = |late: &&Late| late.missed == late.total;
            let late = flow.late.iter().filter(is_of_table).filter(whole);
            late.map(|late| late_row(flow, side.table, late)).collect()
        }
    };
    rows.sort_by_key(|row| row.epoch);
    rows
}

fn side_row(cells: Vec<Cell>, epoch: usize, sources: Rc<[Source]>) -> Row {
    Row { cells: cells.into_iter().map(Ok).collect(), origin: Origin::Other, epoch, sources }
}

fn record_of<'a>(flow: &'a Flow<'_>, source: Source) -> &'a LogRecord {
    let log = &flow.case.logs[flow.reading.logs[source.split]];
    let place = log.records.partition_point(|record| record.offset < source.offset);
    &log.records[place]
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

/// The columns of the table, computed ones included, and where and why it was late.
// spec: T-4
fn late_row(flow: &Flow<'_>, table: TableId, late: &Late) -> Row {
    let plan = flow.case.plan;
    let scan = flow.scan_of(table).expect("late rows are rows of a scan");
    let split = &flow.reading.splits[late.source.split].name;
    let record = record_of(flow, late.source);
    let Decoded::Row(scanned) = decode(plan, scan, split, record) else {
        unreachable!("a late row was decoded before")
    };
    let columns = &plan.table(table).columns;
    let plain: Vec<_> = (0..columns.len())
        .map(|index| {
            let place = scan.columns.iter().position(|column| *column == index);
            // What could not be read is NULL here: the row still tells what it was.
            Ok(place.and_then(|place| scanned[place].clone().ok()).unwrap_or(Cell::Null))
        })
        .collect();
    let env = Env {
        cells: &plain,
        tick: flow.reading.times[late.epoch].tick,
        watermark_before: None,
        zone: &plan.options.local_time_zone,
    };
    let mut cells: Vec<Cell> = columns
        .iter()
        .zip(&plain)
        .map(|(column, plain)| match &column.kind {
            ColumnKind::Computed(expr) => eval(expr, env).unwrap_or(Cell::Null),
            ColumnKind::Metadata(_) | ColumnKind::Physical => {
                plain.clone().expect("it was just made")
            }
        })
        .collect();
    cells.extend([
        text(&plan.node(late.node).name),
        Cell::Int(late.missed as i64),
        Cell::Int(late.total as i64),
        Cell::Timestamp(late.before),
        text(split),
        Cell::Int(late.source.offset as i64),
    ]);
    side_row(cells, late.epoch, Rc::new([late.source]))
}

/// One row for each record or row of the table that could not be used.
// spec: F-1
fn dead_rows(flow: &Flow<'_>, table: TableId) -> Vec<Row> {
    let plan = flow.case.plan;
    let mut rows = Vec::new();
    for bad in flow.malformed.iter().filter(|bad| bad.table == table) {
        let reason = "malformed record: ".to_owned();
        let cells = letter(flow, table, bad.source, reason, Cell::Null);
        rows.push(side_row(cells, bad.epoch, Rc::new([bad.source])));
    }
    for dead in &flow.dead {
        let cells = match dead.record {
            Some(source) if flow.reading.splits[source.split].table == table => {
                letter(flow, table, source, reason(dead.kind), text(&dead.expression))
            }
            None if sinks_of(plan, dead.node).contains(&table) => derived_letter(dead),
            Some(_) | None => continue,
        };
        rows.push(side_row(cells, dead.epoch, dead.sources.clone()));
    }
    rows
}

fn reason(kind: ErrorKind) -> String {
    format!("{}: ", kind.name())
}

/// The letter of a record, or of a row that was made from it.
fn letter(
    flow: &Flow<'_>,
    table: TableId,
    source: Source,
    reason: String,
    expression: Cell,
) -> Vec<Cell> {
    let log = &flow.case.logs[flow.reading.logs[source.split]];
    // Only files have lines that people count.
    let line = match flow.case.plan.table(table).connector.as_str() {
        "filesystem" => log.line_of(source.offset).map_or(Cell::Opaque(String::new()), Cell::Int),
        _ => Cell::Null,
    };
    let raw = String::from_utf8_lossy(&record_of(flow, source).bytes).into_owned();
    vec![
        text(&flow.reading.splits[source.split].name),
        Cell::Int(source.offset as i64),
        line,
        Cell::Opaque(reason),
        expression,
        Cell::Text(raw),
    ]
}

/// The letter of a row that was made from many.
fn derived_letter(dead: &Dead) -> Vec<Cell> {
    vec![
        Cell::Null,
        Cell::Null,
        Cell::Null,
        Cell::Opaque(reason(dead.kind)),
        text(&dead.expression),
        Cell::Opaque(String::new()),
    ]
}
