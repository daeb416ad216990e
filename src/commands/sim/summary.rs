//! What happened in all runs together, and what did not.

use super::input::Subject;
use crate::job::{sinks, sources};
use crate::output::text::{self, count, plural};
use anabranch_engine::pipeline::Ending;
use anabranch_engine::plan::{Plan, Table};
use anabranch_sim::generate::Assumption;
use anabranch_sim::generate::traits::{self, traits};
use anabranch_sim::judge::failure_name;
use anabranch_sim::oracle::AssertResult;
use anabranch_sim::plan::RunPlan;
use anabranch_sim::recut::can_be_recut;
use anabranch_sim::world::{Counts, RunEnd, RunResult};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Things that have to happen in some runs, or the runs are not worth much: those that can
/// happen to the job at all.
fn sometimes(subject: &Subject) -> Vec<&'static str> {
    let is_assumed = |it| subject.assumed.contains(&it);
    let made = |table: &&Table| !subject.is_recorded() && subject.sample(&table.name).is_none();
    let some = |test: &dyn Fn(&Table) -> bool| sources(&subject.job).any(test);
    let made_up = sources(&subject.job).any(|table| made(&table));
    let timed = some(&|table| made(&table) && table.watermark.is_some());
    let is_soiled = !subject.is_recorded() && !is_assumed(Assumption::CleanRecords);
    let may_grow = !subject.is_recorded() && !is_assumed(Assumption::FixedSplits);
    let is_there = |mark: &&'static str| match *mark {
        // A file sink's lock is taken from nobody who lives.
        "chunk-fenced" => {
            let has_fence = |table: &Table| FENCED.contains(&table.connector.as_str());
            !is_assumed(Assumption::OneProcess) && sinks(&subject.job).any(has_fence)
        }
        "dead-row" | "input-duplicate" | "input-poison" => made_up || is_soiled,
        "input-burst" | "input-pause" => !subject.is_recorded(),
        "input-clock-far-ahead" | "input-disorder" | "input-skew" => timed,
        "input-empty-split" => made_up,
        "input-gap" => some(&|table| made(&table) && table.connector != "filesystem"),
        "input-half-line" => may_grow && some(&|table| table.connector != "kafka"),
        "input-late-split" => may_grow && some(&|table| !table.bounded),
        "late-row" => timed,
        "zombie" => !is_assumed(Assumption::OneProcess),
        _ => true,
    };
    SOMETIMES.iter().chain(traits::ALL).copied().filter(|mark| is_there(mark)).collect()
}

/// How a job ended that did not come to its end.
fn failure_of(end: &RunEnd) -> Option<&'static str> {
    match end {
        RunEnd::Ended(Ending::Failed(failure)) => Some(failure_name(failure)),
        RunEnd::Ended(Ending::FinishedWithout { .. }) => Some("finished-without-a-sink"),
        RunEnd::Ended(Ending::AlreadyFinished | Ending::Finished | Ending::Stopped) => None,
        RunEnd::Panicked { .. } => Some("panicked"),
        RunEnd::RestartLoop { .. } => Some("restart-loop"),
        RunEnd::Stuck { .. } => Some("stuck"),
    }
}

/// Things that may have to happen in some runs.
const SOMETIMES: &[&str] = &[
    "answer-thrown-away",
    "chunk-applied",
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

/// Connectors whose sinks tell a process that it was replaced.
const FENCED: &[&str] = &["clickhouse", "kafka", "redis"];

/// The mark of the crash that matters most.
const BETWEEN: &str = "crash-between-append-and-apply";

/// With fewer seeds than this nobody can say that they are tame.
const TAME_SEEDS: u64 = 20;

/// What the runs are meant to go through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Scope {
    /// Nothing.
    Calm,
    /// One death each.
    Deaths,
    /// Whatever a plan has.
    #[default]
    Plans,
    /// One pause and a successor each.
    Zombies,
}

/// All runs together.
#[derive(Debug, Default)]
pub(super) struct Summary {
    scope: Scope,
    pub(super) seeds: u64,
    pub(super) found: u64,
    pub(super) events: u64,
    pub(super) simulated_ns: i64,
    pub(super) counts: Counts,
    /// How many rows each sink held at the end, over all runs.
    pub(super) rows: BTreeMap<String, u64>,
    /// How many faults of each kind plans had.
    enabled: BTreeMap<&'static str, u64>,
    /// How jobs ended that did not come to their end, and were right to say so.
    excused: BTreeMap<&'static str, u64>,
    /// How many deviations there were, and how many of them never happened.
    pub(super) deviations: (u64, u64),
    /// What came of the job's asserts, in their order.
    asserts: Vec<AssertSum>,
}

/// What came of an assert in all runs.
#[derive(Debug, Default)]
struct AssertSum {
    name: String,
    checks: u64,
    /// In how many seeds its tables held any row.
    seeds: u64,
}

/// What one run adds.
#[derive(Debug)]
pub(super) struct RunNumbers {
    pub(super) counts: Counts,
    /// The hash of everything that happened.
    pub(super) trace: u64,
    pub(super) events: u64,
    pub(super) simulated_ns: i64,
    rows: Vec<(String, u64)>,
    enabled: Vec<&'static str>,
    /// How the job ended, if it did not come to its end.
    failure: Option<&'static str>,
    deviations: (u64, u64),
    /// What came of the job's asserts.
    pub(super) asserts: Vec<AssertResult>,
}

impl RunNumbers {
    /// What a run of a plan adds.
    pub(super) fn of(plan: &RunPlan, job: &Plan, result: &RunResult) -> RunNumbers {
        let rows = result.sinks.iter();
        let mut counts = result.counts.clone();
        counts.marks.extend(traits(plan, job).into_iter().map(|it| (it, 1)));
        RunNumbers {
            counts,
            trace: result.trace,
            failure: failure_of(&result.end),
            events: result.events,
            simulated_ns: result.duration.0,
            rows: rows.map(|sink| (sink.table.clone(), sink.last.records.len() as u64)).collect(),
            enabled: plan.deviations.iter().map(|deviation| deviation.action.kind()).collect(),
            deviations: (plan.deviations.len() as u64, result.stale.len() as u64),
            asserts: Vec::new(),
        }
    }

    /// How many faults there were.
    pub(super) fn faults(&self) -> u64 {
        self.counts.faults.values().sum()
    }
}

impl Summary {
    /// That of no runs yet.
    pub(super) fn of(scope: Scope) -> Summary {
        Summary { scope, ..Summary::default() }
    }

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
        run.enabled.iter().for_each(|kind| *self.enabled.entry(kind).or_insert(0) += 1);
        if let Some(failure) = run.failure.filter(|_| !found) {
            *self.excused.entry(failure).or_insert(0) += 1;
        }
        self.deviations.0 += run.deviations.0;
        self.deviations.1 += run.deviations.1;
        for (index, assert) in run.asserts.iter().enumerate() {
            if self.asserts.len() <= index {
                self.asserts.push(AssertSum { name: assert.name.clone(), ..AssertSum::default() });
            }
            self.asserts[index].checks += assert.checks;
            self.asserts[index].seeds += u64::from(assert.rows > 0);
        }
    }

    /// Asserts whose tables never held a row when they were judged.
    fn idle_asserts(&self) -> Vec<&str> {
        let idle = self.asserts.iter().filter(|assert| assert.seeds == 0);
        idle.map(|assert| assert.name.as_str()).collect()
    }

    /// How many seeds were hit between an append and an apply.
    pub(super) fn between(&self) -> u64 {
        self.counts.seeds.get(BETWEEN).copied().unwrap_or(0)
    }

    /// Why the runs say little, if they do.
    pub(super) fn tame(&self, subject: &Subject) -> Option<String> {
        if self.seeds < TAME_SEEDS {
            return None;
        }
        let rows = |table: &String| self.rows.get(table).copied().unwrap_or(0);
        if self.rows.keys().map(rows).sum::<u64>() == 0 {
            return Some("no row reached a sink".to_owned());
        }
        let sinks = sinks(&subject.job).zip(subject.windowed_sinks());
        let windowed: Vec<u64> =
            sinks.filter(|(_, is)| *is).map(|(table, _)| rows(&table.name)).collect();
        if !windowed.is_empty() && windowed.iter().all(|rows| *rows == 0) {
            return Some("no window gave a row".to_owned());
        }
        let may_die = matches!(self.scope, Scope::Deaths | Scope::Plans);
        (may_die && self.between() == 0)
            .then(|| "no seed was hit between an append and an apply".to_owned())
    }

    /// Kinds of faults and marks that were not reached, though they should be.
    pub(super) fn not_reached(&self, subject: &Subject) -> (Vec<&'static str>, Vec<&'static str>) {
        let is_missing = |kind: &&'static str| !self.counts.faults.contains_key(*kind);
        let faults = self.enabled.keys().copied().filter(is_missing).collect();
        let is_missing = |mark: &&'static str| !self.counts.marks.contains_key(*mark);
        let marks = match self.scope {
            // A run with one thing that goes wrong cannot hit them all.
            Scope::Calm | Scope::Deaths | Scope::Zombies => Vec::new(),
            Scope::Plans => sometimes(subject).into_iter().filter(is_missing).collect(),
        };
        (faults, marks)
    }

    /// All of it, for people.
    pub(super) fn text(&self, subject: &Subject, took: Duration) -> String {
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
        for (index, assert) in self.asserts.iter().enumerate() {
            let (checks, seeds) = (plural(assert.checks, "check"), plural(assert.seeds, "seed"));
            let what = format!("{}: {checks} in {seeds}", assert.name);
            line(if index == 0 { "asserts" } else { "" }, &what);
        }
        if self.scope != Scope::Calm {
            let share = (self.between() * 100).checked_div(self.seeds).unwrap_or(0);
            let (between, seeds) = (count(self.between()), plural(self.seeds, "seed"));
            line(
                "crashes",
                &format!("between append and apply in {between} of {seeds} ({share} %)"),
            );
            let (all, stale) = (count(self.deviations.0), count(self.deviations.1));
            line("deviations", &format!("{all}, of which {stale} found no occasion"));
        }
        if !self.excused.is_empty() {
            let all = count(self.excused.values().sum());
            let each = self.excused.iter().map(|(name, times)| format!("{name} {}", count(*times)));
            let each = each.collect::<Vec<_>>().join(", ");
            line("said so", &format!("{all} ended by saying so: {each}"));
        }
        let mut word = "faults";
        for (kind, times) in &self.counts.faults {
            let phases = self.counts.phases.iter().filter(|((of, _), _)| of == kind);
            let phases = phases.map(|((_, phase), times)| format!("{phase} {}", count(*times)));
            let phases = phases.collect::<Vec<_>>().join(", ");
            let enabled = self.enabled.get(kind).copied().unwrap_or(0);
            let numbers = format!("{} of {}", count(*times), count(enabled));
            line(std::mem::take(&mut word), &format!("{kind} {numbers} ({phases})"));
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
        let (faults, marks) = self.not_reached(subject);
        let missing = [("faults", faults), ("marks", marks), ("asserts", self.idle_asserts())];
        for (word, names) in &missing {
            if !names.is_empty() {
                line("not reached", &format!("{word}: {}", names.join(", ")));
            }
        }
        if missing.iter().all(|(_, names)| names.is_empty()) {
            line("not reached", "nothing");
        }
        out
    }

    /// All of it, for programs.
    pub(super) fn json(&self, subject: &Subject, took: Duration) -> serde_json::Value {
        let phases: BTreeMap<String, u64> = self
            .counts
            .phases
            .iter()
            .map(|((kind, phase), times)| (format!("{kind}/{phase}"), *times))
            .collect();
        let (faults, marks) = self.not_reached(subject);
        let assert = |it: &AssertSum| serde_json::json!({"assert": it.name, "checks": it.checks, "seeds": it.seeds});
        let asserts: Vec<serde_json::Value> = self.asserts.iter().map(assert).collect();
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
            "ended_by_saying_so": self.excused,
            "faults_planned": self.enabled,
            "faults": self.counts.faults,
            "faults_by_phase": phases,
            "marks": self.counts.marks,
            "seeds_with_mark": self.counts.seeds,
            "input": subject.inputs,
            "assumed": assumptions(subject),
            "faults_not_reached": faults,
            "marks_not_reached": marks,
            "asserts": asserts,
            "asserts_not_reached": self.idle_asserts(),
        })
    }
}

/// What no run calls in question.
fn assumptions(subject: &Subject) -> Vec<String> {
    let named = subject.assumed.iter();
    let mut list: Vec<String> =
        named.map(|assumed| format!("{}: {}", assumed.name(), assumed.words())).collect();
    list.push("whatever goes wrong ends some time".to_owned());
    list.push("nobody else writes to sinks and stores, or removes what they hold".to_owned());
    if !can_be_recut(&subject.job) {
        list.push(
            "a split may be idle: runs are held against the interpreter only, not against a calm run"
                .to_owned(),
        );
    }
    list
}
