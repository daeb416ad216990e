//! Windows over all rows at once: which rows are late, which are together, and when each
//! window fires.

use super::aggregate::aggregate;
use super::cell::Cell;
use super::clock::NEVER;
use super::expected::Source;
use super::row::{Dead, Late, Origin, Row, canonical_order};
use anabranch_engine::expr::ErrorKind;
use anabranch_engine::ids::{NodeId, SplitName};
use anabranch_engine::plan::{Node, Window, WindowAggregate, WindowAssign};
use anabranch_engine::types::{Schema, SqlType};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Event times beyond this many ms are no times of a window.
const TIME_LIMIT_MS: u64 = 1 << 60;

/// What a window node is asked.
pub(super) struct WindowInput<'a> {
    pub(super) node: &'a Node,
    pub(super) schema: &'a Schema,
    pub(super) rows: &'a [Row],
    /// The operator's watermark at the end of each epoch.
    pub(super) watermarks: &'a [i64],
    /// The operator that its rows keep their order with.
    pub(super) clock: NodeId,
    pub(super) splits: &'a [SplitName],
}

/// What a window node gives.
#[derive(Default)]
pub(super) struct WindowOutput {
    pub(super) rows: Vec<Row>,
    pub(super) late: Vec<Late>,
    pub(super) dead: Vec<Dead>,
}

/// A window of a key. Windows leave in the order of these.
// spec: E-3
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Frame {
    /// The smallest watermark at which it fires.
    fire: i64,
    key: Vec<Cell>,
    start: i64,
    end: i64,
}

/// A row by its event time and its place among the rows of the node.
type Member = (i64, usize);

/// The largest number of the form `offset + k * step` that is at most `time`.
fn aligned(time: i64, step: i64, offset: i64) -> i64 {
    time - (time - offset).rem_euclid(step)
}

/// The windows (start, end) that hold a time, by ends.
fn windows_of(window: Window, time: i64) -> Vec<(i64, i64)> {
    match window {
        Window::Tumble { size_ms, offset_ms } => {
            let start = aligned(time, size_ms, offset_ms);
            vec![(start, start + size_ms)]
        }
        Window::Hop { size_ms, slide_ms, offset_ms } => {
            let last = aligned(time, slide_ms, offset_ms);
            let starts = (0..).map(|back| last - back * slide_ms);
            let mut found: Vec<(i64, i64)> = starts
                .take_while(|start| *start + size_ms > time)
                .map(|start| (start, start + size_ms))
                .collect();
            found.reverse();
            found
        }
        Window::Cumulate { size_ms, step_ms, offset_ms } => {
            let start = aligned(time, size_ms, offset_ms);
            let ends = (1..=size_ms / step_ms).map(|count| start + count * step_ms);
            ends.filter(|end| *end > time).map(|end| (start, end)).collect()
        }
        Window::Session { .. } => Vec::new(),
    }
}

/// The event time of a row; a row without a usable one is dead.
fn time_of(
    row: &Row,
    rowtime: usize,
    input: &WindowInput<'_>,
    dead: &mut Vec<Dead>,
) -> Option<i64> {
    let time = row.cell(rowtime).time_ms();
    let kind = match time {
        None => ErrorKind::RowtimeNull,
        Some(time) if time.unsigned_abs() > TIME_LIMIT_MS => ErrorKind::InvalidArgument,
        Some(time) => return Some(time),
    };
    dead.push(row.dead(input.node.id, kind, &input.schema.fields[rowtime].name));
    None
}

/// Adds window columns to each row for each of its windows; nothing is late here.
pub(super) fn assign_aligned(spec: &WindowAssign, input: &WindowInput<'_>) -> WindowOutput {
    let mut output = WindowOutput::default();
    for row in input.rows {
        let Some(time) = time_of(row, spec.rowtime, input, &mut output.dead) else { continue };
        for (index, (start, end)) in windows_of(spec.window, time).into_iter().enumerate() {
            let mut row = row.clone();
            row.cells.extend(window_cells(start, end));
            if let Origin::Record { place, .. } = &mut row.origin {
                place.push(index as u32);
            }
            output.rows.push(row);
        }
    }
    output
}

fn window_cells(start: i64, end: i64) -> [Result<Cell, super::eval::Trouble>; 3] {
    [start, end, end - 1].map(|time| Ok(Cell::Timestamp(time)))
}

/// Gives the rows of each session, in canonical order, when the session is over.
pub(super) fn assign_sessions(spec: &WindowAssign, input: &WindowInput<'_>) -> WindowOutput {
    let mut output = WindowOutput::default();
    let groups = groups(spec.window, spec.rowtime, &spec.partition, 0, input, &mut output);
    for (frame, rows) in groups {
        let Some(epoch) = fires_in(frame.fire, input.watermarks) else { continue };
        for (_, row) in rows {
            let mut row = input.rows[row].clone();
            assert!(row.epoch <= epoch, "a session is over before one of its rows is there");
            row.cells.extend(window_cells(frame.start, frame.end));
            row.epoch = epoch;
            row.origin = Origin::Timer { fire: frame.fire, operator: input.clock };
            output.rows.push(row);
        }
    }
    output
}

/// Gives a row for each key and window, in the order of fire times and keys.
// spec: E-3, T-5
pub(super) fn aggregate_windows(spec: &WindowAggregate, input: &WindowInput<'_>) -> WindowOutput {
    let mut output = WindowOutput::default();
    let lateness = spec.allowed_lateness_ms;
    let groups = groups(spec.window, spec.rowtime, &spec.keys, lateness, input, &mut output);
    let types: Vec<SqlType> = input.schema.fields.iter().map(|f| f.ty.sql.clone()).collect();
    for (frame, rows) in groups {
        let Some(epoch) = fires_in(frame.fire, input.watermarks) else { continue };
        let members: Vec<&Row> = rows.iter().map(|(_, row)| &input.rows[*row]).collect();
        let values: Vec<Vec<Cell>> = members.iter().map(|row| row.values()).collect();
        let values: Vec<&[Cell]> = values.iter().map(Vec::as_slice).collect();
        let mut row = Row {
            cells: frame.key.iter().cloned().map(Ok).collect(),
            origin: Origin::Timer { fire: frame.fire, operator: input.clock },
            epoch,
            sources: sources_of(&members),
        };
        let latest = members.iter().map(|row| row.epoch).max().unwrap_or(0);
        assert!(latest <= epoch, "a window fires before one of its rows is there");
        let failed = spec.aggregates.iter().find_map(|call| {
            let value = aggregate(call, &values, &types);
            let trouble = value.as_ref().err().cloned();
            row.cells.push(value);
            trouble.map(|trouble| (trouble, call))
        });
        if let Some((trouble, call)) = failed {
            output.dead.push(row.dead(input.node.id, trouble.kind, &call.text));
            continue;
        }
        row.cells.extend(window_cells(frame.start, frame.end));
        output.rows.push(row);
    }
    output
}

fn sources_of(rows: &[&Row]) -> Rc<[Source]> {
    let all: BTreeSet<Source> = rows.iter().flat_map(|row| row.sources.iter().copied()).collect();
    all.into_iter().collect()
}

/// The first epoch at whose end the watermark has reached the fire time.
fn fires_in(fire: i64, watermarks: &[i64]) -> Option<usize> {
    let epoch = watermarks.partition_point(|watermark| *watermark < fire);
    (epoch < watermarks.len()).then_some(epoch)
}

/// All rows that are not late by key and window, each group in canonical order.
// spec: T-1, T-2, T-4
fn groups(
    window: Window,
    rowtime: usize,
    keys: &[usize],
    lateness: i64,
    input: &WindowInput<'_>,
    output: &mut WindowOutput,
) -> Vec<(Frame, Vec<Member>)> {
    // Rows of sessions by key at first.
    let mut together: BTreeMap<Frame, Vec<Member>> = BTreeMap::new();
    let mut accepted: BTreeMap<Vec<Cell>, Vec<Member>> = BTreeMap::new();
    let mut late: BTreeMap<Source, Late> = BTreeMap::new();
    for (index, row) in input.rows.iter().enumerate() {
        let Some(time) = time_of(row, rowtime, input, &mut output.dead) else { continue };
        let key: Vec<Cell> = keys.iter().map(|key| row.cell(*key).canonical()).collect();
        // Derived rows are never late.
        let before = match &row.origin {
            Origin::Record { before, .. } => *before,
            Origin::Timer { .. } | Origin::Other => NEVER,
        };
        let closed = |at: i64| at <= before;
        let (missed, total) = if let Window::Session { .. } = window {
            let is_late = closed(time + lateness);
            if !is_late {
                accepted.entry(key).or_default().push((time, index));
            }
            (usize::from(is_late), 1)
        } else {
            let all = windows_of(window, time);
            let open: Vec<&(i64, i64)> =
                all.iter().filter(|(_, end)| !closed(end - 1 + lateness)).collect();
            for (start, end) in &open {
                let (start, end) = (*start, *end);
                let frame = Frame { fire: end - 1 + lateness, key: key.clone(), start, end };
                together.entry(frame).or_default().push((time, index));
            }
            (all.len() - open.len(), all.len())
        };
        if let (true, Origin::Record { source, .. }) = (missed > 0, &row.origin) {
            let (node, epoch) = (input.node.id, row.epoch);
            let one = Late { node, source: *source, before, missed, total, epoch };
            late.entry(*source).or_insert(one);
        }
    }
    output.late.extend(late.into_values());
    if let Window::Session { gap_ms } = window {
        for (key, rows) in accepted {
            cut_sessions(key, rows, gap_ms, lateness, &mut together);
        }
    }
    let group = |(frame, mut rows): (Frame, Vec<Member>)| {
        rows.sort_by(|a, b| {
            canonical_order((a.0, &input.rows[a.1]), (b.0, &input.rows[b.1]), input.splits)
        });
        (frame, rows)
    };
    together.into_iter().map(group).collect()
}

/// Cuts the rows of a key where they are more than a gap apart.
// spec: T-1
fn cut_sessions(
    key: Vec<Cell>,
    mut rows: Vec<Member>,
    gap: i64,
    lateness: i64,
    together: &mut BTreeMap<Frame, Vec<Member>>,
) {
    rows.sort_by_key(|(time, _)| *time);
    let mut rest = rows.as_slice();
    while let Some((first, _)) = rest.first() {
        let apart = rest.windows(2).position(|pair| pair[0].0 + gap < pair[1].0);
        let (session, behind) = rest.split_at(apart.map_or(rest.len(), |at| at + 1));
        let end = session.last().expect("it has a row").0 + gap;
        let frame = Frame { fire: end + lateness, key: key.clone(), start: *first, end };
        together.insert(frame, session.to_vec());
        rest = behind;
    }
}
