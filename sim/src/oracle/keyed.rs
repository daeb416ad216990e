//! Sinks that keep the last row of each key.

use super::Finding;
use super::content::told;
use super::epochs::Reach;
use super::matching::Seen;
use crate::reference::{Cell, Expected, ExpectedRow, Stream};
use anabranch_engine::ids::Epoch;
use std::collections::BTreeMap;

/// The expected rows by key.
pub(super) struct Keys<'a> {
    /// Each key's rows, by epoch; in the order of the keys.
    rows: Vec<Vec<&'a ExpectedRow>>,
}

impl<'a> Keys<'a> {
    /// The rows of a sink, by key.
    pub(super) fn of(rows: &'a [ExpectedRow]) -> Keys<'a> {
        let mut by_key: BTreeMap<&[Cell], Vec<&ExpectedRow>> = BTreeMap::new();
        for row in rows {
            let key = row.key.as_deref().unwrap_or(&row.cells);
            by_key.entry(key).or_default().push(row);
        }
        Keys { rows: by_key.into_values().collect() }
    }

    /// Compares what is there with the last row of each key.
    // spec: E-3
    pub(super) fn compare(
        &self,
        expected: &Expected,
        table: &str,
        seen: &[Seen<'_>],
        reach: Reach,
    ) -> Option<Finding> {
        let mut held = vec![0_usize; self.rows.len()];
        let owners = Owners::of(&self.rows, reach);
        for row in seen {
            match owners.of_text(row.text) {
                Some(key) => held[key] += 1,
                None => return Some(stray(expected, &self.rows, table, row, reach)),
            }
        }
        for (rows, held) in self.rows.iter().zip(held) {
            if held > 1 {
                let last = acceptable(rows, reach)[0];
                let message =
                    format!("sink {table} holds {held} rows of one key: {}", told(expected, last));
                return Some(Finding::new("S2", "doubled key", table, message));
            }
            if held == 0
                && let Some(last) = last_rows(rows, reach.complete).first()
            {
                let message = format!("sink {table} lacks {}", told(expected, last));
                return Some(Finding::new("S2", "lost row", table, message));
            }
        }
        None
    }
}

/// The keys, by their places, by the rows that they may hold.
struct Owners<'a> {
    exact: BTreeMap<&'a [u8], usize>,
    /// Rows of which not all is known.
    others: Vec<(&'a ExpectedRow, usize)>,
}

impl<'a> Owners<'a> {
    fn of(by_key: &[Vec<&'a ExpectedRow>], reach: Reach) -> Owners<'a> {
        let mut owners = Owners { exact: BTreeMap::new(), others: Vec::new() };
        for (key, rows) in by_key.iter().enumerate() {
            for row in acceptable(rows, reach) {
                match row.value.exact() {
                    Some(text) => drop(owners.exact.insert(text, key)),
                    None => owners.others.push((row, key)),
                }
            }
        }
        owners
    }

    fn of_text(&self, text: &[u8]) -> Option<usize> {
        let fits = |(row, _): &&(&ExpectedRow, usize)| row.value.matches(text);
        let exact = self.exact.get(text).copied();
        exact.or_else(|| self.others.iter().find(fits).map(|(_, key)| *key))
    }
}

/// The rows of a key that may be there: the last ones of the complete epochs, and those
/// of the group that is begun.
fn acceptable<'a>(rows: &[&'a ExpectedRow], reach: Reach) -> Vec<&'a ExpectedRow> {
    let mut all = last_rows(rows, reach.complete);
    let place = |epoch: Epoch| rows.partition_point(|row| row.epoch <= epoch);
    let begun = place(reach.complete)..place(reach.begun.max(reach.complete));
    all.extend_from_slice(&rows[begun]);
    all
}

/// The last rows of a key: one of each stream, of the last epoch that has any. Streams
/// keep no order among each other.
fn last_rows<'a>(rows: &[&'a ExpectedRow], up_to: Epoch) -> Vec<&'a ExpectedRow> {
    let there = &rows[..rows.partition_point(|row| row.epoch <= up_to)];
    let Some(last) = there.last() else { return Vec::new() };
    let first = there.partition_point(|row| row.epoch < last.epoch);
    if first + 1 == there.len() {
        return vec![last];
    }
    let mut of_streams: BTreeMap<Stream, Vec<&ExpectedRow>> = BTreeMap::new();
    for row in &there[first..] {
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
    by_key: &[Vec<&ExpectedRow>],
    table: &str,
    seen: &Seen<'_>,
    reach: Reach,
) -> Finding {
    let found = String::from_utf8_lossy(seen.text);
    let owner = by_key.iter().find_map(|rows| {
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
