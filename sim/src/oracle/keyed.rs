//! Sinks that keep the last row of each key.

use super::Finding;
use super::content::told;
use super::epochs::Reach;
use super::matching::Seen;
use crate::reference::{Cell, Expected, ExpectedRow, ExpectedSink, Stream};
use anabranch_engine::ids::Epoch;
use std::collections::BTreeMap;

/// Compares what is there with the last row of each key.
// spec: E-3
pub(super) fn compare(
    expected: &Expected,
    sink: &ExpectedSink,
    table: &str,
    seen: &[Seen<'_>],
    reach: Reach,
) -> Option<Finding> {
    let mut by_key: BTreeMap<&[Cell], Vec<&ExpectedRow>> = BTreeMap::new();
    for row in &sink.rows {
        let key = row.key.as_deref().unwrap_or(&row.cells);
        by_key.entry(key).or_default().push(row);
    }
    let mut holders: BTreeMap<&[Cell], usize> = BTreeMap::new();
    let owners = Owners::of(&by_key, reach);
    for row in seen {
        match owners.of_text(row.text) {
            Some(key) => *holders.entry(key).or_default() += 1,
            None => return Some(stray(expected, &by_key, table, row, reach)),
        }
    }
    for (key, rows) in &by_key {
        let due = last_rows(rows, reach.complete);
        let held = holders.get(key).copied().unwrap_or(0);
        if held > 1 {
            let last = acceptable(rows, reach)[0];
            let message =
                format!("sink {table} holds {held} rows of one key: {}", told(expected, last));
            return Some(Finding::new("S2", "doubled key", table, message));
        }
        if let (0, Some(last)) = (held, due.first()) {
            let message = format!("sink {table} lacks {}", told(expected, last));
            return Some(Finding::new("S2", "lost row", table, message));
        }
    }
    None
}

/// The keys by the rows that they may hold.
struct Owners<'a> {
    exact: BTreeMap<&'a [u8], &'a [Cell]>,
    /// Rows of which not all is known.
    others: Vec<(&'a ExpectedRow, &'a [Cell])>,
}

impl<'a> Owners<'a> {
    fn of(by_key: &BTreeMap<&'a [Cell], Vec<&'a ExpectedRow>>, reach: Reach) -> Owners<'a> {
        let mut owners = Owners { exact: BTreeMap::new(), others: Vec::new() };
        for (key, rows) in by_key {
            for row in acceptable(rows, reach) {
                match row.value.exact() {
                    Some(text) => drop(owners.exact.insert(text, key)),
                    None => owners.others.push((row, key)),
                }
            }
        }
        owners
    }

    fn of_text(&self, text: &[u8]) -> Option<&'a [Cell]> {
        let fits = |(row, _): &&(&ExpectedRow, &'a [Cell])| row.value.matches(text);
        let exact = self.exact.get(text).copied();
        exact.or_else(|| self.others.iter().find(fits).map(|(_, key)| *key))
    }
}

/// The rows of a key that may be there: the last ones of the complete epochs, and those
/// of the group that is begun.
fn acceptable<'a>(rows: &[&'a ExpectedRow], reach: Reach) -> Vec<&'a ExpectedRow> {
    let mut all = last_rows(rows, reach.complete);
    let begun = |row: &&&ExpectedRow| reach.complete < row.epoch && row.epoch <= reach.begun;
    all.extend(rows.iter().filter(begun).copied());
    all
}

/// The last rows of a key: one of each stream, of the last epoch that has any. Streams
/// keep no order among each other.
fn last_rows<'a>(rows: &[&'a ExpectedRow], up_to: Epoch) -> Vec<&'a ExpectedRow> {
    let there = &rows[..rows.partition_point(|row| row.epoch <= up_to)];
    let Some(last) = there.last() else { return Vec::new() };
    let mut of_streams: BTreeMap<Stream, Vec<&ExpectedRow>> = BTreeMap::new();
    for row in there.iter().filter(|row| row.epoch == last.epoch) {
        of_streams.entry(row.stream).or_default().push(row);
    }
    let last_of = |(stream, rows): (Stream, Vec<&'a ExpectedRow>)| match stream {
        Stream::Loose => rows,
        Stream::Split(_) | Stream::Timers(_) => rows.into_iter().next_back().into_iter().collect(),
    };
    of_streams.into_iter().flat_map(last_of).collect()
}

/// What to say of a row that is no key's last one.
fn stray(
    expected: &Expected,
    by_key: &BTreeMap<&[Cell], Vec<&ExpectedRow>>,
    table: &str,
    seen: &Seen<'_>,
    reach: Reach,
) -> Finding {
    let found = String::from_utf8_lossy(seen.text);
    let owner = by_key.values().find_map(|rows| {
        rows.iter().find(|row| row.value.matches(seen.text)).map(|row| (rows, row))
    });
    let Some((rows, row)) = owner else {
        let message = format!("sink {table} holds {found}, which no input gives");
        return Finding::new("S1", "wrong row", table, message);
    };
    if row.epoch > reach.begun {
        let message =
            format!("sink {table} shows {} before its marker has reached it", told(expected, row));
        return Finding::new("S3", "row beyond the marker", table, message);
    }
    let due = last_rows(rows, reach.complete);
    let due = due.first().map_or("nothing".to_owned(), |last| told(expected, last));
    let message = format!("sink {table} still holds {found}; lost is {due}");
    Finding::new("S2", "stale row", table, message)
}
