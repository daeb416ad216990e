//! What a job says of its sinks, over what they hold after each epoch of a run.
//!
//! Whether a sink shows the rows of every epoch at once or waits for more is not asked: an
//! assert has to hold after each.

use super::diff::Difference;
use super::report::Report;
use super::runs::Results;
use anabranch_engine::ids::Epoch;
use anabranch_engine::plan::{Assert, Plan, Table};
use anabranch_sim::oracle::{Shape, shape_of};
use anabranch_sim::reference::{Cell, HeldRow, answer};
use std::collections::{BTreeMap, BTreeSet};

/// So many rows of an assert that does not hold are shown.
const SHOWN_MAX: usize = 10;

/// The rows of one sink.
struct Held {
    /// The epoch, the key if the sink keeps the last row of each, and the row, in order.
    rows: Vec<(Epoch, Option<Vec<Cell>>, HeldRow)>,
}

/// Judges the asserts of a job over a run; those that are known not to hold are left out.
/// `plan` is the job as it stands in its text.
pub(super) fn check(
    plan: &Plan,
    asserts: &[Assert],
    (way, results): (&str, &Results),
    report: &mut Report,
    differences: &mut Vec<Difference>,
) {
    let mut held = BTreeMap::new();
    for table in crate::job::sinks(plan) {
        let Some(sink) = results.get(&super::folder::sink_name(table)) else { continue };
        match Held::of(table, sink.held()) {
            Ok(rows) => drop(held.insert(table.name.as_str(), rows)),
            Err(what) => differences.push(Difference::words(&what)),
        }
    }
    for (index, assert) in asserts.iter().enumerate() {
        let found = judge(assert, &plan.options.local_time_zone, &held);
        let known = &mut report.asserts[index];
        known.checks += found.checks;
        known.rows = known.rows.max(found.rows);
        if let (Some((epoch, rows)), false) = (found.violation, known.fails) {
            known.fails = true;
            differences.push(difference(assert, way, epoch, rows));
        }
    }
}

/// What came of an assert in a run.
#[derive(Default)]
struct Found {
    checks: u64,
    rows: usize,
    violation: Option<(Epoch, Result<Vec<String>, String>)>,
}

/// Judges an assert after each epoch with a row for one of its tables, and after the last.
fn judge(assert: &Assert, zone: &str, held: &BTreeMap<&str, Held>) -> Found {
    let tables = assert.query.tables();
    let read = || held.iter().filter(|(name, _)| tables.contains(*name));
    let mut epochs: BTreeSet<Epoch> =
        read().flat_map(|(_, held)| held.rows.iter().map(|(epoch, ..)| *epoch)).collect();
    if epochs.is_empty() {
        epochs.insert(Epoch(0));
    }
    let mut found = Found::default();
    for epoch in epochs {
        let rows: BTreeMap<&str, Vec<HeldRow>> =
            read().map(|(name, held)| (*name, held.up_to(epoch))).collect();
        found.checks += 1;
        found.rows = found.rows.max(rows.values().map(Vec::len).sum());
        let given = answer(&assert.query, zone, &rows).map(|answer| answer.lines());
        if !given.as_ref().is_ok_and(Vec::is_empty) {
            found.violation = Some((epoch, given));
            break;
        }
    }
    found
}

fn difference(
    assert: &Assert,
    way: &str,
    epoch: Epoch,
    rows: Result<Vec<String>, String>,
) -> Difference {
    let when = format!("after epoch {epoch} of the run \"{way}\"");
    match rows {
        Err(why) => Difference::words(&format!("assert {assert} cannot be computed {when}: {why}")),
        Ok(rows) => {
            let count = crate::output::text::plural(rows.len() as u64, "row");
            let title = format!("assert {assert} gives {count} {when}");
            let mut lines: Vec<String> =
                rows.iter().take(SHOWN_MAX).map(|row| format!("+ {row}")).collect();
            if rows.len() > SHOWN_MAX {
                lines.push(format!("… and {} more rows", rows.len() - SHOWN_MAX));
            }
            Difference { lines, unexpected: rows, ..Difference::words(&title) }
        }
    }
}

impl Held {
    /// Of rows as lines of JSON, each with its epoch.
    fn of<'a>(table: &Table, rows: impl Iterator<Item = (Epoch, &'a str)>) -> Result<Held, String> {
        let key = match shape_of(table) {
            Shape::Keyed => table.primary_key.as_deref(),
            Shape::Bag | Shape::Log => None,
        };
        let read = |(epoch, json): (Epoch, &str)| {
            let row = HeldRow::of_json(table, json.as_bytes())
                .map_err(|what| format!("{} holds {json}: {what}", table.name))?;
            Ok((epoch, key.map(|key| row.values(key)), row))
        };
        Ok(Held { rows: rows.map(read).collect::<Result<_, String>>()? })
    }

    /// What the sink holds after an epoch.
    fn up_to(&self, epoch: Epoch) -> Vec<HeldRow> {
        let mut by_key: BTreeMap<&[Cell], HeldRow> = BTreeMap::new();
        let mut rows = Vec::new();
        for (_, key, row) in self.rows.iter().filter(|(of, ..)| *of <= epoch) {
            match key {
                Some(key) => drop(by_key.insert(key, row.clone())),
                None => rows.push(row.clone()),
            }
        }
        rows.extend(by_key.into_values());
        rows
    }
}
