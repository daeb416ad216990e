//! What happened in all runs together, and what did not.

use super::input::Subject;
use crate::output::text::{self, count, plural};
use anabranch_sim::plan::RunPlan;
use anabranch_sim::recut::can_be_recut;
use anabranch_sim::world::{Counts, RunResult};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

/// Things that have to happen in some runs, or the runs are not worth much.
const SOMETIMES: &[&str] = &[
    "answer-thrown-away",
    "chunk-applied",
    "chunk-duplicate",
    "chunk-fenced",
    "chunk-unknown",
    "crash-between-append-and-apply",
    "crash-while-looking",
    "crash-while-recovering",
    "crash-while-running",
    "dead-row",
    "epochs-replayed",
    "late-row",
    "recovered-from-snapshot",
    "restarted-after-failure",
    "retried",
    "snapshot-failed",
    "snapshot-stored",
    "tail-cut",
    "unknown-outcome",
    "zombie",
];

/// The mark of the crash that matters most.
const BETWEEN: &str = "crash-between-append-and-apply";

/// With fewer seeds than this nobody can say that they are tame.
const TAME_SEEDS: u64 = 20;

/// All runs together.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) seeds: u64,
    pub(super) found: u64,
    pub(super) events: u64,
    pub(super) simulated_ns: i64,
    pub(super) counts: Counts,
    /// How many rows each sink held at the end, over all runs.
    pub(super) rows: BTreeMap<String, u64>,
    /// Kinds of faults that some plan had.
    enabled: BTreeSet<&'static str>,
    /// How many deviations there were, and how many of them never happened.
    pub(super) deviations: (u64, u64),
}

/// What one run adds.
#[derive(Debug)]
pub(super) struct RunNumbers {
    pub(super) counts: Counts,
    pub(super) events: u64,
    pub(super) simulated_ns: i64,
    rows: Vec<(String, u64)>,
    enabled: BTreeSet<&'static str>,
    deviations: (u64, u64),
}

impl RunNumbers {
    /// What a run of a plan adds.
    pub(super) fn of(plan: &RunPlan, result: &RunResult) -> RunNumbers {
        let rows = result.sinks.iter();
        RunNumbers {
            counts: result.counts.clone(),
            events: result.events,
            simulated_ns: result.duration.0,
            rows: rows.map(|sink| (sink.table.clone(), sink.last.records.len() as u64)).collect(),
            enabled: plan.deviations.iter().map(|deviation| deviation.action.kind()).collect(),
            deviations: (plan.deviations.len() as u64, result.stale.len() as u64),
        }
    }

    /// How many faults there were.
    pub(super) fn faults(&self) -> u64 {
        self.counts.faults.values().sum()
    }
}

impl Summary {
    /// Adds a run.
    pub(super) fn add(&mut self, run: &RunNumbers, found: bool) {
        self.seeds += 1;
        self.found += u64::from(found);
        self.events += run.events;
        self.simulated_ns += run.simulated_ns;
        self.counts.add(&run.counts);
        for (table, rows) in &run.rows {
            *self.rows.entry(table.clone()).or_insert(0) += rows;
        }
        self.enabled.extend(&run.enabled);
        self.deviations.0 += run.deviations.0;
        self.deviations.1 += run.deviations.1;
    }

    /// How many seeds were hit between an append and an apply.
    pub(super) fn between(&self) -> u64 {
        self.counts.seeds.get(BETWEEN).copied().unwrap_or(0)
    }

    /// Why the runs say little, if they do.
    pub(super) fn tame(&self, subject: &Subject, is_calm: bool) -> Option<String> {
        if self.seeds < TAME_SEEDS {
            return None;
        }
        let rows = |table: &String| self.rows.get(table).copied().unwrap_or(0);
        if self.rows.keys().map(rows).sum::<u64>() == 0 {
            return Some("no row reached a sink".to_owned());
        }
        let sinks = crate::job::sinks(&subject.job).zip(subject.windowed_sinks());
        let windowed: Vec<u64> =
            sinks.filter(|(_, is)| *is).map(|(table, _)| rows(&table.name)).collect();
        if !windowed.is_empty() && windowed.iter().all(|rows| *rows == 0) {
            return Some("no window gave a row".to_owned());
        }
        (!is_calm && self.between() == 0)
            .then(|| "no seed was hit between an append and an apply".to_owned())
    }

    /// Kinds of faults and marks that were not reached, though they should be.
    pub(super) fn not_reached(&self, is_calm: bool) -> (Vec<&'static str>, Vec<&'static str>) {
        let is_missing = |kind: &&&'static str| !self.counts.faults.contains_key(**kind);
        let faults = self.enabled.iter().filter(is_missing).copied().collect();
        let is_missing = |mark: &&&'static str| !self.counts.marks.contains_key(**mark);
        let marks = match is_calm {
            true => Vec::new(),
            false => SOMETIMES.iter().filter(is_missing).copied().collect(),
        };
        (faults, marks)
    }

    /// All of it, for people.
    pub(super) fn text(&self, subject: &Subject, took: Duration, is_calm: bool) -> String {
        let mut out = String::new();
        let mut line = |word: &str, what: &str| {
            let _ = writeln!(out, "  {word:<12}{what}");
        };
        let seconds = took.as_secs_f64().max(0.001);
        let rate = |number: u64| count((number as f64 / seconds).round() as u64);
        let simulated = Duration::from_nanos(self.simulated_ns.max(0) as u64);
        line("took", &text::duration(took));
        line("events", &format!("{}: {} a second", count(self.events), rate(self.events)));
        let whole = Duration::from_secs(simulated.as_secs());
        let faster = count((simulated.as_secs_f64() / seconds) as u64);
        line("simulated", &format!("{}: {faster} times the real", text::duration(whole)));
        for (index, input) in subject.inputs.iter().enumerate() {
            line(if index == 0 { "input" } else { "" }, input);
        }
        let rows = self.rows.iter().map(|(table, rows)| format!("{table} {}", count(*rows)));
        line("rows", &rows.collect::<Vec<_>>().join(", "));
        if !is_calm {
            let share = (self.between() * 100).checked_div(self.seeds).unwrap_or(0);
            let (between, seeds) = (count(self.between()), plural(self.seeds, "seed"));
            line(
                "crashes",
                &format!("between append and apply in {between} of {seeds} ({share} %)"),
            );
            let (all, stale) = (count(self.deviations.0), count(self.deviations.1));
            line("deviations", &format!("{all}, of which {stale} found no occasion"));
        }
        let mut word = "faults";
        for (kind, times) in &self.counts.faults {
            let phases = self.counts.phases.iter().filter(|((of, _), _)| of == kind);
            let phases = phases.map(|((_, phase), times)| format!("{phase} {}", count(*times)));
            let phases = phases.collect::<Vec<_>>().join(", ");
            line(std::mem::take(&mut word), &format!("{kind} {} ({phases})", count(*times)));
        }
        let mut word = "marks";
        for (mark, times) in &self.counts.marks {
            let seeds = self.counts.seeds.get(mark).copied().unwrap_or(0);
            let what = format!("{mark} {} in {}", count(*times), plural(seeds, "seed"));
            line(std::mem::take(&mut word), &what);
        }
        for (index, what) in assumptions(subject).iter().enumerate() {
            line(if index == 0 { "assumed" } else { "" }, what);
        }
        let (faults, marks) = self.not_reached(is_calm);
        let list = |names: Vec<&str>| names.join(", ");
        match (faults.is_empty(), marks.is_empty()) {
            (true, true) => line("not reached", "nothing"),
            (faults_empty, marks_empty) => {
                if !faults_empty {
                    line("not reached", &format!("faults: {}", list(faults)));
                }
                if !marks_empty {
                    line("not reached", &format!("marks: {}", list(marks)));
                }
            }
        }
        out
    }

    /// All of it, for programs.
    pub(super) fn json(
        &self,
        subject: &Subject,
        took: Duration,
        is_calm: bool,
    ) -> serde_json::Value {
        let phases: BTreeMap<String, u64> = self
            .counts
            .phases
            .iter()
            .map(|((kind, phase), times)| (format!("{kind}/{phase}"), *times))
            .collect();
        let (faults, marks) = self.not_reached(is_calm);
        serde_json::json!({
            "seeds": self.seeds,
            "found": self.found,
            "seconds": took.as_secs_f64(),
            "events": self.events,
            "simulated_seconds": self.simulated_ns as f64 / 1e9,
            "rows": self.rows,
            "deviations": self.deviations.0,
            "deviations_without_occasion": self.deviations.1,
            "seeds_hit_between_append_and_apply": self.between(),
            "faults": self.counts.faults,
            "faults_by_phase": phases,
            "marks": self.counts.marks,
            "seeds_with_mark": self.counts.seeds,
            "input": subject.inputs,
            "assumed": assumptions(subject),
            "faults_not_reached": faults,
            "marks_not_reached": marks,
        })
    }
}

/// What no run calls in question.
fn assumptions(subject: &Subject) -> Vec<String> {
    let mut list = vec![
        "sources give the same records at the same offsets as often as they are read".to_owned(),
        "a store keeps what it has acknowledged".to_owned(),
        "whatever goes wrong ends some time".to_owned(),
    ];
    if !can_be_recut(&subject.job) {
        list.push(
            "a split may be idle: runs are held against the interpreter only, not against a calm run"
                .to_owned(),
        );
    }
    list
}
