//! Asserts: what a job says of its sinks must hold whenever a reader could look.
//!
//! A reader sees the rows of whole epochs, or some of an epoch that is being written. Only
//! the former are judged: a view is *whole* if it holds exactly what the interpreter
//! expects up to some epoch. An assert over several sinks is judged at each epoch at which
//! every one of them was seen whole, although they may have been so at different moments.

use super::Finding;
use super::content::Shape;
use super::epochs::Reach;
use super::run::{Finish, JudgedSink};
use crate::model::{View, ViewRecord};
use crate::reference::{HeldRow, answer};
use crate::time::VirtualTime;
use crate::world::RunResult;
use anabranch_engine::ids::Epoch;
use anabranch_engine::plan::{Assert, Table};
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// So many rows of an assert that does not hold are told.
const TOLD_MAX: usize = 5;

/// What came of an assert in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssertResult {
    /// What it is called.
    pub name: String,
    /// How often it was judged.
    pub checks: u64,
    /// How many rows its tables had when they had most; 0: it says nothing of this run.
    pub rows: u64,
    /// How it does not hold, if it does not: the first time.
    pub violation: Option<Violation>,
}

/// How an assert does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When a reader could see it.
    pub at: VirtualTime,
    /// The epoch up to which he saw all rows; `None`: at the end.
    pub epoch: Option<Epoch>,
    /// The table that was seen last.
    pub table: String,
    /// The rows that it gave, or why it could not be computed.
    pub rows: Result<Vec<String>, String>,
}

impl AssertResult {
    /// That it does not hold.
    pub(super) fn finding(&self) -> Option<Finding> {
        let violation = self.violation.as_ref()?;
        let when = match violation.epoch {
            Some(epoch) => format!("at epoch {epoch}"),
            None => "at the end".to_owned(),
        };
        let (kind, what) = match &violation.rows {
            Ok(rows) => {
                let shown = rows.iter().take(TOLD_MAX).map(String::as_str).collect::<Vec<_>>();
                let more = match rows.len().saturating_sub(TOLD_MAX) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                ("violated", format!("gives {}{more}", shown.join(" ")))
            }
            Err(why) => ("not computable", format!("cannot be computed: {why}")),
        };
        let message = format!("assert {} {what} ({when}, seen at {})", self.name, violation.at);
        Some(Finding::new("assert", kind, &self.name, message))
    }
}

/// A run in which asserts are judged.
pub(super) struct Asserting<'a> {
    sinks: &'a [JudgedSink<'a>],
    result: &'a RunResult,
    /// What whole views of a sink held, by how many rows were expected of it by then.
    whole: Vec<Option<BTreeMap<usize, Whole>>>,
}

/// A whole view.
#[derive(Clone, Debug)]
struct Whole {
    at: VirtualTime,
    rows: Result<Vec<HeldRow>, String>,
}

/// A moment at which an assert is judged.
struct Cut {
    epoch: Option<Epoch>,
    /// Each of its sinks with what it held.
    views: Vec<(usize, Whole)>,
}

impl<'a> Asserting<'a> {
    pub(super) fn of(sinks: &'a [JudgedSink<'a>], result: &'a RunResult) -> Asserting<'a> {
        Asserting { sinks, result, whole: vec![None; sinks.len()] }
    }

    /// What comes of each assert.
    pub(super) fn all(mut self, asserts: &[Assert]) -> Vec<AssertResult> {
        asserts.iter().map(|assert| self.one(assert)).collect()
    }

    fn one(&mut self, assert: &Assert) -> AssertResult {
        let tables = assert.query.tables();
        let all = self.sinks.iter().enumerate();
        let all = all.filter(|(_, judged)| tables.contains(&judged.sink.table.as_str()));
        let indices: Vec<usize> = all.map(|(index, _)| index).collect();
        let mut found = AssertResult { name: assert.to_string(), ..AssertResult::default() };
        for cut in self.cuts(&indices) {
            self.check(assert, &cut, &mut found);
            if found.violation.is_some() {
                break;
            }
        }
        found
    }

    /// When an assert over these sinks is judged, in order.
    fn cuts(&mut self, indices: &[usize]) -> Vec<Cut> {
        let mut cuts = Vec::new();
        let is_known = indices.iter().all(|index| {
            let judged = &self.sinks[*index];
            judged.is_whole() && !judged.expected.sinks[*index].unspecified
        });
        let mut before: Vec<usize> = vec![0; indices.len()];
        let epochs = self.sinks.first().map_or(&[][..], |judged| judged.epochs);
        for record in epochs.iter().filter(|_| is_known) {
            let expected =
                |index: &usize| self.sinks[*index].expected.sinks[*index].up_to(record.epoch).len();
            let counts: Vec<usize> = indices.iter().map(expected).collect();
            if counts == before {
                continue;
            }
            let views = indices.iter().zip(&counts);
            let views = views.map(|(index, count)| Some((*index, self.whole(*index, *count)?)));
            if let Some(views) = views.collect() {
                cuts.push(Cut { epoch: Some(record.epoch), views });
            }
            before = counts;
        }
        let is_over =
            indices.iter().all(|index| self.sinks[*index].finish_of(self.result) == Finish::All);
        if is_over {
            let views = indices.iter().map(|index| (*index, self.last(*index))).collect();
            cuts.push(Cut { epoch: None, views });
        }
        cuts
    }

    /// What a sink held when exactly its first `count` rows were to be seen, if a reader
    /// saw that.
    fn whole(&mut self, index: usize, count: usize) -> Option<Whole> {
        if count == 0 {
            // Before its first row everybody sees nothing.
            return Some(Whole { at: VirtualTime(0), rows: Ok(Vec::new()) });
        }
        let judged = &self.sinks[index];
        let known = self.whole[index].get_or_insert_with(|| whole_views(judged));
        known.get(&count).cloned()
    }

    /// What a sink holds at the end.
    fn last(&self, index: usize) -> Whole {
        let judged = &self.sinks[index];
        let rows = Reader::of(judged.table()).rows(&judged.sink.last.records);
        Whole { at: self.result.duration, rows }
    }

    fn check(&self, assert: &Assert, cut: &Cut, found: &mut AssertResult) {
        let mut tables: BTreeMap<&str, Vec<HeldRow>> = BTreeMap::new();
        let mut unreadable = None;
        for (index, view) in &cut.views {
            let rows = tables.entry(&self.sinks[*index].sink.table).or_default();
            match &view.rows {
                Ok(held) => rows.extend(held.iter().cloned()),
                Err(why) => unreadable = Some(why.clone()),
            }
        }
        found.checks += 1;
        found.rows = found.rows.max(tables.values().map(|rows| rows.len() as u64).sum());
        let rows = match unreadable {
            Some(why) => Err(why),
            None => {
                let zone = self.sinks.first().map(|judged| &judged.job.options.local_time_zone);
                let zone = zone.map_or("UTC", String::as_str);
                answer(&assert.query, zone, &tables).map(|answer| answer.lines())
            }
        };
        if rows.as_ref().is_ok_and(Vec::is_empty) {
            return;
        }
        let last = cut.views.iter().max_by_key(|(_, view)| view.at);
        found.violation = last.map(|(index, view)| Violation {
            at: view.at,
            epoch: cut.epoch,
            table: self.sinks[*index].sink.table.clone(),
            rows,
        });
    }
}

/// The whole views of a sink.
fn whole_views(judged: &JudgedSink<'_>) -> BTreeMap<usize, Whole> {
    let oracle = judged.oracle();
    let expected = &judged.expected.sinks[judged.index];
    let ends = judged.epochs.iter().flat_map(|record| &record.flush_ends);
    let mut ends: Vec<Epoch> =
        ends.filter(|end| end.sink == judged.id()).map(|end| end.epoch).collect();
    // The last group ends with the input, which no record says.
    ends.extend(judged.epochs.last().map(|record| record.epoch));
    let reader = Reader::of(judged.table());
    let mut found = BTreeMap::new();
    for (seen, records) in judged.sink.views() {
        let reach = judged.reach(seen);
        let view = View { records, marker: seen.marker };
        let within = ends.iter().filter(|end| reach.complete < **end && **end < reach.begun);
        for epoch in [&reach.complete].into_iter().chain(within).chain([&reach.begun]) {
            let count = expected.up_to(*epoch).len();
            let may_be = oracle.shape == Shape::Keyed || count == view.records.len();
            if !may_be || found.contains_key(&count) {
                continue;
            }
            if oracle.view(&view, Reach::whole(*epoch)).is_none() {
                let rows = reader.rows(&view.records);
                found.insert(count, Whole { at: seen.at, rows });
            }
        }
    }
    found
}

/// Reads the records of a table, each once.
struct Reader<'a> {
    table: &'a Table,
    known: RefCell<BTreeMap<Bytes, Option<HeldRow>>>,
}

impl Reader<'_> {
    fn of(table: &Table) -> Reader<'_> {
        Reader { table, known: RefCell::default() }
    }

    fn rows(&self, records: &[ViewRecord]) -> Result<Vec<HeldRow>, String> {
        let mut known = self.known.borrow_mut();
        let mut rows = Vec::new();
        for record in records {
            let row = match known.get(&record.value) {
                Some(row) => row.clone(),
                None => {
                    let row = HeldRow::read(self.table, &record.value).map_err(|what| {
                        let text = String::from_utf8_lossy(&record.value);
                        format!("table {} holds {}: {what}", self.table.name, text.trim_end())
                    })?;
                    known.insert(record.value.clone(), row.clone());
                    row
                }
            };
            rows.extend(row);
        }
        Ok(rows)
    }
}
