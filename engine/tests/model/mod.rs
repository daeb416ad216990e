//! A naive model of windows, watermarks and lateness: row at a time, over plain
//! vectors, by the text of the rules and by nothing of the engine's code.
//!
//! It is given the whole content of every split and says what must come out in the
//! end, which is a function of that content alone.
// spec: E-2, T-1, T-2
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a model for tests, of which each test binary uses a part"
)]

mod exact;
pub mod time;

use exact::{nearest, units};
use num_bigint::BigInt;
use std::collections::{BTreeMap, BTreeSet};

/// The kinds of window, all in ms.
#[derive(Clone, Copy, Debug)]
pub enum Windows {
    Tumble { size: i64, offset: i64 },
    Hop { size: i64, slide: i64, offset: i64 },
    Cumulate { size: i64, step: i64, offset: i64 },
    Session { gap: i64 },
}

/// A record that could be read.
#[derive(Clone, Debug)]
pub struct Record {
    pub key: Option<String>,
    pub time: Option<i64>,
    pub int: Option<i64>,
    pub double: Option<f64>,
    pub flag: Option<bool>,
}

/// What stands in a split.
#[derive(Clone, Debug)]
pub enum Event {
    /// A control record that raises the split's watermark.
    Advance(i64),
    Record(Record),
}

/// A split with its name, by which rows are ordered.
#[derive(Clone, Debug)]
pub struct Split {
    pub name: String,
    pub events: Vec<Event>,
}

/// A whole job: its input and its window.
#[derive(Clone, Debug)]
pub struct Case {
    pub windows: Windows,
    /// How far the watermark stays behind the event time.
    pub delay: i64,
    /// The allowed lateness.
    pub lateness: i64,
    pub splits: Vec<Split>,
}

/// What must come out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    /// Per key and window, in (fire time, key) order: `key aggregates [start, end)`.
    pub lines: Vec<String>,
    /// Keys and windows whose result has no value, in the same order.
    pub dead: Vec<(String, i64, i64)>,
    /// (split, index of the event, missed, total), by split and event.
    pub late: Vec<(usize, usize, usize, usize)>,
    /// (split, index of the event) of records without an event time.
    pub without_time: Vec<(usize, usize)>,
    /// How many sessions joined rows of several splits.
    pub shared_sessions: usize,
}

/// What must come out, with when.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timed {
    /// The smallest watermark at which each window fires, and its line; in order.
    pub windows: Vec<(i64, String)>,
    /// As in [`Expected`].
    pub late: Vec<(usize, usize, usize, usize)>,
    /// As in [`Expected`].
    pub without_time: Vec<(usize, usize)>,
    /// How many rows would not have been late, or not for one window more, had the
    /// watermark stood one lower.
    pub late_ties: usize,
}

/// A record with its place in the canonical order.
#[derive(Clone, Debug)]
struct Placed<'a> {
    place: (i64, &'a str, usize),
    split: usize,
    record: &'a Record,
}

/// The windows that hold this time, by trying every start.
fn windows_of(windows: Windows, time: i64) -> Vec<(i64, i64)> {
    let starts = |size: i64, step: i64, offset: i64| {
        (time - size + 1..=time).filter(move |start| (start - offset).rem_euclid(step) == 0)
    };
    match windows {
        Windows::Tumble { size, offset } => {
            starts(size, size, offset).map(|start| (start, start + size)).collect()
        }
        Windows::Hop { size, slide, offset } => {
            starts(size, slide, offset).map(|start| (start, start + size)).collect()
        }
        Windows::Cumulate { size, step, offset } => {
            let start = starts(size, size, offset).next().unwrap();
            let ends = (1..=size / step).map(|count| start + count * step);
            ends.filter(|end| time < *end).map(|end| (start, end)).collect()
        }
        Windows::Session { .. } => Vec::new(),
    }
}

type Key = Option<String>;

/// The rows of each window by (end, key, start).
type Groups<'a> = BTreeMap<(i64, Key, i64), Vec<Placed<'a>>>;

/// What must come out of a case.
pub fn expect(case: &Case) -> Expected {
    let mut expected = Expected::default();
    for ((end, key, start), rows) in groups(case, &mut expected, &mut 0) {
        let name = key.clone().unwrap_or_else(|| "NULL".into());
        match aggregates(rows) {
            Some(values) => {
                expected.lines.push(format!("{name} {} [{start}, {end})", values.join(" ")));
            }
            None => expected.dead.push((name, start, end)),
        }
    }
    expected
}

/// What must come out of a case and when, with COUNT(*), SUM(i), MIN(i),
/// FIRST_VALUE(i) and LAST_VALUE(i).
// spec: T-5
pub fn timed(case: &Case) -> Timed {
    let (mut expected, mut late_ties) = (Expected::default(), 0);
    let windows = groups(case, &mut expected, &mut late_ties)
        .into_iter()
        .map(|((end, key, start), mut rows)| {
            rows.sort_by_key(|row| row.place);
            let ints: Vec<i64> = rows.iter().filter_map(|row| row.record.int).collect();
            let values = [
                text((!ints.is_empty()).then(|| ints.iter().sum::<i64>())),
                text(ints.iter().min()),
                text(ints.first()),
                text(ints.last()),
            ];
            let name = key.unwrap_or_else(|| "NULL".into());
            let (count, values) = (rows.len(), values.join(" "));
            let early = if let Windows::Session { .. } = case.windows { 0 } else { 1 };
            let line = format!("{name} {count} {values} [{start}, {end})");
            (end - early + case.lateness, line)
        })
        .collect();
    let Expected { late, without_time, .. } = expected;
    Timed { windows, late, without_time, late_ties }
}

/// The rows that count in each window; notes the rows that are late.
fn groups<'a>(case: &'a Case, expected: &mut Expected, late_ties: &mut usize) -> Groups<'a> {
    // For aligned windows by (end, key, start), for sessions by key.
    let mut aligned: Groups<'_> = BTreeMap::new();
    let mut accepted: BTreeMap<Key, Vec<Placed<'_>>> = BTreeMap::new();
    for (split, content) in case.splits.iter().enumerate() {
        let mut watermark = None;
        for (index, event) in content.events.iter().enumerate() {
            let record = match event {
                Event::Advance(to) => {
                    watermark = watermark.max(Some(*to));
                    continue;
                }
                Event::Record(record) => record,
            };
            let Some(time) = record.time else {
                expected.without_time.push((split, index));
                continue;
            };
            let closed = |by: i64| watermark.is_some_and(|watermark| by <= watermark);
            let mut tie = |by: i64| *late_ties += usize::from(watermark == Some(by));
            let placed = Placed { place: (time, &content.name, index), split, record };
            let (missed, total) = if let Windows::Session { .. } = case.windows {
                let late = closed(time + case.lateness);
                tie(time + case.lateness);
                if !late {
                    accepted.entry(record.key.clone()).or_default().push(placed);
                }
                (usize::from(late), 1)
            } else {
                let all = windows_of(case.windows, time);
                all.iter().for_each(|(_, end)| tie(end - 1 + case.lateness));
                let open = all.iter().filter(|(_, end)| !closed(end - 1 + case.lateness));
                let mut count = 0;
                for (start, end) in open {
                    count += 1;
                    let group = (*end, record.key.clone(), *start);
                    aligned.entry(group).or_default().push(placed.clone());
                }
                (all.len() - count, all.len())
            };
            if missed > 0 {
                expected.late.push((split, index, missed, total));
            }
            watermark = watermark.max(Some(time - case.delay));
        }
    }
    if let Windows::Session { gap } = case.windows {
        sessions(accepted, gap, &mut aligned, expected);
    }
    aligned
}

/// Cuts the rows of each key where they are more than a gap apart.
fn sessions<'a>(
    accepted: BTreeMap<Key, Vec<Placed<'a>>>,
    gap: i64,
    out: &mut Groups<'a>,
    expected: &mut Expected,
) {
    for (key, mut rows) in accepted {
        rows.sort_by_key(|row| row.place);
        let mut session: Vec<Placed<'a>> = Vec::new();
        let mut close = |session: &mut Vec<Placed<'a>>| {
            let (first, last) = (session[0].place.0, session.last().unwrap().place.0);
            let splits: BTreeSet<usize> = session.iter().map(|row| row.split).collect();
            expected.shared_sessions += usize::from(splits.len() > 1);
            out.insert((last + gap, key.clone(), first), std::mem::take(session));
        };
        for row in rows {
            if session.last().is_some_and(|last| last.place.0 + gap < row.place.0) {
                close(&mut session);
            }
            session.push(row);
        }
        close(&mut session);
    }
}

/// COUNT(*), COUNT(i), SUM(i), AVG(i), MIN(i), MAX(i), FIRST_VALUE(i), LAST_VALUE(i),
/// COUNT(DISTINCT i), AVG(DISTINCT i), COUNT(*) FILTER (f), SUM(d), AVG(d), MIN(d),
/// MAX(d), SUM(DISTINCT d); `None` if a sum of integers overflows.
fn aggregates(mut rows: Vec<Placed<'_>>) -> Option<Vec<String>> {
    rows.sort_by_key(|row| row.place);
    let ints: Vec<i64> = rows.iter().filter_map(|row| row.record.int).collect();
    let distinct: BTreeSet<i64> = ints.iter().copied().collect();
    let doubles: Vec<f64> = rows.iter().filter_map(|row| row.record.double).collect();
    let wide = |values: &mut dyn Iterator<Item = i64>| values.map(i128::from).sum::<i128>();
    let sum = wide(&mut ints.iter().copied());
    let average = |sum: i128, count: usize| (count > 0).then(|| sum / count as i128);
    if i64::try_from(sum).is_err() {
        return None;
    }
    let flagged = rows.iter().filter(|row| row.record.flag == Some(true)).count();
    let ordered = |value: &f64| if value.is_nan() { (1, 0.0) } else { (0, value + 0.0) };
    let compare = |a: &&f64, b: &&f64| ordered(a).partial_cmp(&ordered(b)).unwrap();
    let mut distinct_doubles = doubles.clone();
    distinct_doubles.sort_by(|a, b| compare(&a, &b));
    distinct_doubles.dedup_by(|a, b| ordered(a) == ordered(b));
    let canonical = |value: Option<&f64>| value.map(ordered).map(canonical_of);
    Some(vec![
        rows.len().to_string(),
        ints.len().to_string(),
        text((!ints.is_empty()).then_some(sum)),
        text(average(sum, ints.len())),
        text(ints.iter().min()),
        text(ints.iter().max()),
        text(ints.first()),
        text(ints.last()),
        distinct.len().to_string(),
        text(average(wide(&mut distinct.iter().copied()), distinct.len())),
        flagged.to_string(),
        double_text(sum_of(&doubles, 1)),
        double_text(sum_of(&doubles, doubles.len() as u64)),
        double_text(canonical(doubles.iter().min_by(compare))),
        double_text(canonical(doubles.iter().max_by(compare))),
        double_text(sum_of(&distinct_doubles, 1)),
    ])
}

fn canonical_of((is_nan, value): (i32, f64)) -> f64 {
    if is_nan == 1 { f64::NAN } else { value }
}

fn text<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "NULL".into(), |value| value.to_string())
}

fn double_text(value: Option<f64>) -> String {
    value.map_or_else(|| "NULL".into(), |value| format!("{value:?}"))
}

/// The sum of doubles divided by a count, rounded once.
fn sum_of(values: &[f64], divisor: u64) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let has = |wanted: f64| values.contains(&wanted);
    let nan = values.iter().any(|value| value.is_nan());
    Some(match (nan, has(f64::INFINITY), has(f64::NEG_INFINITY)) {
        (true, _, _) | (_, true, true) => f64::NAN,
        (_, true, _) => f64::INFINITY,
        (_, _, true) => f64::NEG_INFINITY,
        _ => nearest(&values.iter().map(|value| units(*value)).sum::<BigInt>(), divisor),
    })
}
