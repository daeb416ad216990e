//! S1, S2, S3: what a reader of a sink sees is what the interpreter expects.

use super::Finding;
use super::epochs::Reach;
use super::keyed;
use super::matching::{Mismatch, Seen, Wanted, compare};
use crate::model::View;
use crate::reference::{Expected, ExpectedRow, ExpectedSink};
use anabranch_engine::ids::SinkId;
use anabranch_engine::plan::Plan;

/// How a sink keeps rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// All rows, in no order.
    Bag,
    /// The last row of each key.
    Keyed,
    /// All rows, in the order in which they came.
    Log,
}

/// What a sink promises of each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// It is there once or more often.
    AtLeastOnce,
    /// It is there exactly once.
    ExactlyOnce,
}

/// Judges what readers see of one sink.
#[derive(Clone, Copy, Debug)]
pub struct SinkOracle<'a> {
    /// The job.
    pub plan: &'a Plan,
    /// What the interpreter says.
    pub expected: &'a Expected,
    /// The sink.
    pub sink: SinkId,
    /// How it keeps rows.
    pub shape: Shape,
    /// What it promises.
    pub guarantee: Guarantee,
}

impl SinkOracle<'_> {
    /// What is wrong with a view, if anything is: the first thing only.
    ///
    /// The rows must be those of the epochs that are complete by `reach`, and may be
    /// those of the group that is begun.
    // spec: E-3, K-1, K-2
    #[must_use]
    pub fn view(&self, view: &View, reach: Reach) -> Option<Finding> {
        let sink = &self.expected.sinks[self.sink.0 as usize];
        if sink.unspecified {
            return None;
        }
        let seen: Vec<Seen<'_>> = view
            .records
            .iter()
            .map(|record| {
                let text = record.value.strip_suffix(b"\n").unwrap_or(&record.value);
                Seen { part: record.part, text }
            })
            .collect();
        let table = &self.plan.table(sink.table).name;
        if self.shape == Shape::Keyed {
            return keyed::compare(self.expected, sink, table, &seen, reach);
        }
        let wanted = Wanted {
            reach,
            ordered: self.shape == Shape::Log && self.guarantee == Guarantee::ExactlyOnce,
            repeats: self.guarantee == Guarantee::AtLeastOnce,
        };
        let mismatch = compare(&sink.rows, &seen, wanted)?;
        Some(finding(self.expected, sink, table, &seen, mismatch))
    }
}

/// A mismatch in words.
pub(super) fn finding(
    expected: &Expected,
    sink: &ExpectedSink,
    table: &str,
    seen: &[Seen<'_>],
    mismatch: Mismatch,
) -> Finding {
    let text = |seen: &Seen<'_>| String::from_utf8_lossy(seen.text).into_owned();
    let row = |row: usize| told(expected, &sink.rows[row]);
    match mismatch {
        Mismatch::Wrong { seen: index, missing } => {
            let instead = match missing {
                Some(missing) => format!("missing is {}", row(missing)),
                None => "no row is missing".to_owned(),
            };
            let found = text(&seen[index]);
            let message = format!("sink {table} holds {found}, which no input gives; {instead}");
            Finding::new("S1", "wrong row", table, message)
        }
        Mismatch::Doubled { seen: index, row: at } => {
            let message = format!(
                "sink {table} holds {} once more than expected: {}",
                text(&seen[index]),
                row(at)
            );
            Finding::new("S2", "doubled row", table, message)
        }
        Mismatch::Lost { row: at } => {
            let message = format!("sink {table} lacks {}", row(at));
            Finding::new("S2", "lost row", table, message)
        }
        Mismatch::Early { row: at } => {
            let message =
                format!("sink {table} shows {} before its marker has reached it", row(at));
            Finding::new("S3", "row beyond the marker", table, message)
        }
        Mismatch::Disordered { row: at, behind } => {
            let message = format!("sink {table} has {} behind {}", row(at), row(behind));
            Finding::new("S1", "order", table, message)
        }
    }
}

/// An expected row with its epoch and its records.
pub(super) fn told(expected: &Expected, row: &ExpectedRow) -> String {
    format!("{} (epoch {}, from {})", row.value, row.epoch, expected.sources_text(row))
}
