//! S1, S2, S3: what a reader of a sink sees is what the interpreter expects.

use super::Finding;
use super::epochs::Reach;
use super::keyed::Keys;
use super::matching::{Matching, Mismatch, Seen, Wanted};
use crate::model::{View, ViewRecord};
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

impl<'a> SinkOracle<'a> {
    fn sink(&self) -> &'a ExpectedSink {
        &self.expected.sinks[self.sink.0 as usize]
    }

    /// What is wrong with a view, if anything is: the first thing only.
    ///
    /// The rows must be those of the epochs that are complete by `reach`, and may be
    /// those of the group that is begun.
    // spec: E-3, K-1, K-2
    #[must_use]
    pub fn view(&self, view: &View, reach: Reach) -> Option<Finding> {
        let mut watched = Watched::new(*self);
        watched.change(0, &view.records);
        watched.judge(reach)
    }
}

/// What readers see of one sink over time, view by view.
pub(super) struct Watched<'a> {
    oracle: SinkOracle<'a>,
    seen: Vec<Seen<'a>>,
    rows: Rows<'a>,
}

/// The expected rows, as they are compared.
enum Rows<'a> {
    Keyed(Keys<'a>),
    Matched(Box<Matching<'a>>),
    /// The rules do not say which rows there are.
    Unspecified,
}

impl<'a> Watched<'a> {
    /// A reader that has seen nothing.
    pub(super) fn new(oracle: SinkOracle<'a>) -> Watched<'a> {
        let sink = oracle.sink();
        let wanted = Wanted {
            ordered: oracle.shape == Shape::Log && oracle.guarantee == Guarantee::ExactlyOnce,
            repeats: oracle.guarantee == Guarantee::AtLeastOnce,
        };
        let rows = match oracle.shape {
            _ if sink.unspecified => Rows::Unspecified,
            Shape::Keyed => Rows::Keyed(Keys::of(&sink.rows)),
            Shape::Bag | Shape::Log => Rows::Matched(Box::new(Matching::new(&sink.rows, wanted))),
        };
        Watched { oracle, seen: Vec::new(), rows }
    }

    /// So many records are as before, and these stand behind them.
    pub(super) fn change(&mut self, kept: usize, records: &'a [ViewRecord]) {
        self.seen.truncate(kept);
        self.seen.extend(records.iter().map(|record| {
            let text = record.value.strip_suffix(b"\n").unwrap_or(&record.value);
            Seen { part: record.part, text }
        }));
        if let Rows::Matched(matching) = &mut self.rows {
            matching.truncate(kept);
            matching.extend(&self.seen[kept..]);
        }
    }

    /// These records are all that there is now.
    pub(super) fn show(&mut self, records: &'a [ViewRecord]) {
        let is_same = |(record, seen): &(&ViewRecord, &Seen<'_>)| {
            let text = record.value.strip_suffix(b"\n").unwrap_or(&record.value);
            record.part == seen.part && text == seen.text
        };
        let kept = records.iter().zip(&self.seen).take_while(is_same).count();
        self.change(kept, &records[kept..]);
    }

    /// What is wrong with the view at present.
    pub(super) fn judge(&mut self, reach: Reach) -> Option<Finding> {
        let (oracle, sink) = (self.oracle, self.oracle.sink());
        let table = &oracle.plan.table(sink.table).name;
        match &mut self.rows {
            Rows::Unspecified => None,
            Rows::Keyed(keys) => keys.compare(oracle.expected, table, &self.seen, reach),
            Rows::Matched(matching) => {
                let mismatch = matching.mismatch(reach)?;
                Some(finding(oracle.expected, &sink.rows, table, &self.seen, mismatch))
            }
        }
    }
}

/// A mismatch in words.
pub(super) fn finding(
    expected: &Expected,
    rows: &[ExpectedRow],
    table: &str,
    seen: &[Seen<'_>],
    mismatch: Mismatch,
) -> Finding {
    let text = |seen: &Seen<'_>| String::from_utf8_lossy(seen.text).into_owned();
    let row = |row: usize| told(expected, &rows[row]);
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
