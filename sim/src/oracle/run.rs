//! All oracles over one run of the world.

use super::content::{Guarantee, Shape, SinkOracle};
use super::epochs::{Effect, MarkerSeen, Reach, generations, markers};
use super::{Finding, discords, fires_once, liveness, replay, restore};
use crate::model::{Disturbance, View, ViewRecord};
use crate::plan::{Action, RecordKind, RunPlan, SplitInput, SplitShape};
use crate::reference::{Case, Expected, LogRecord, SplitLog, expect};
use crate::world::{LogEndSeen, RunEnd, RunResult, Seen, SinkResult, StoredSnapshot};
use anabranch_engine::ids::{Epoch, SinkId, SplitName};
use anabranch_engine::journal::{EpochRecord, Journal, JournalEntry, scan};
use anabranch_engine::pipeline::{Ending, Report};
use anabranch_engine::plan::{Plan, Table};
use std::collections::BTreeMap;

/// How a sink of a connector keeps its rows.
#[must_use]
pub fn shape_of(table: &Table) -> Shape {
    match (table.connector.as_str(), &table.primary_key) {
        ("redis" | "clickhouse" | "upsert-kafka", Some(_)) => Shape::Keyed,
        ("clickhouse" | "redis", None) => Shape::Bag,
        _ => Shape::Log,
    }
}

/// The logs of a plan's input, each with all that ever arrives.
#[must_use]
pub fn logs_of(plan: &RunPlan, job: &Plan) -> Vec<SplitLog> {
    let log = |input: &SplitInput| {
        let table = job.tables.iter().find(|table| table.name == input.table)?;
        let name = SplitName { table: table.id, name: input.name.clone() };
        Some(match input.shape {
            SplitShape::File => file_of(input, name, table),
            SplitShape::Log => SplitLog { name, start: 0, records: records_of(input), file: None },
        })
    };
    plan.splits.iter().filter_map(log).collect()
}

fn file_of(input: &SplitInput, name: SplitName, table: &Table) -> SplitLog {
    let mut data = Vec::new();
    for record in &input.records {
        match &record.kind {
            RecordKind::Gap { .. } => {}
            RecordKind::Raw(bytes) => data.extend_from_slice(bytes),
            RecordKind::Whole { value, .. } => {
                data.extend_from_slice(value);
                data.push(b'\n');
            }
        }
    }
    let ends = table.bounded || input.ended.is_some();
    SplitLog::of_file(name, &table.format, data.into(), ends)
}

fn records_of(input: &SplitInput) -> Vec<LogRecord> {
    let mut offset = 0;
    let mut records = Vec::new();
    for record in &input.records {
        match &record.kind {
            RecordKind::Gap { offsets } => offset += u64::from(*offsets),
            RecordKind::Raw(_) => {}
            RecordKind::Whole { value, timestamp_ms } => {
                records.push(LogRecord {
                    offset,
                    next: offset + 1,
                    timestamp_ms: *timestamp_ms,
                    bytes: value.clone(),
                });
                offset += 1;
            }
        }
    }
    records
}

/// So many snapshots of a run are restored at most: the first, the last, and those between
/// at equal distances.
const RESTORED_MAX: usize = 3;

/// What all oracles find in a run, the first thing of each kind: S1 to S8, and L1 to L6.
/// `log_ends` is that of [`Case`], for what the caller knows better than the result does;
/// `losses` says whether the plan made sinks lose what they had acknowledged.
///
/// # Errors
/// If the journal cannot be read: there is nothing to judge by.
pub fn judge(
    plan: &RunPlan,
    job: &Plan,
    result: &RunResult,
    log_ends: &BTreeMap<(Epoch, SplitName), u64>,
    losses: bool,
) -> Result<Vec<Finding>, String> {
    let journal = scan(&result.journal, &[]).map_err(|damage| damage.to_string())?;
    let epochs: Vec<EpochRecord> = journal.records_after(Epoch(0)).cloned().collect();
    let logs = logs_of(plan, job);
    let mut ends = log_ends_of(result, &epochs);
    ends.extend(log_ends.iter().map(|(mark, end)| (mark.clone(), *end)));
    let case = Case { plan: job, logs: &logs, epochs: &epochs, log_ends: &ends };
    let expected = expect(case);
    let mut findings = discords(&expected);
    for (index, sink) in result.sinks.iter().enumerate() {
        let tears = tears(plan, &sink.table);
        let judged = JudgedSink { job, expected: &expected, epochs: &epochs, index, sink, tears };
        findings.extend(judged.contents(judged.finish_of(result, losses), losses));
        findings.extend(judged.history(losses));
    }
    findings.extend(replay(case, &expected, chain_of(&journal)));
    let snapshots = sample(&result.snapshots);
    findings.extend(
        snapshots
            .into_iter()
            .find_map(|snapshot| restore(case, &expected, &snapshot.manifest, &snapshot.parts)),
    );
    if has_ended_well(&result.end) {
        findings.extend(liveness(&result.liveness));
    }
    Ok(findings)
}

/// Where the logs ended, for the records that the journal kept.
fn log_ends_of(result: &RunResult, epochs: &[EpochRecord]) -> BTreeMap<(Epoch, SplitName), u64> {
    let is_kept = |seen: &&LogEndSeen| {
        let place = epochs.binary_search_by_key(&seen.epoch, |record| record.epoch);
        place.is_ok_and(|place| epochs[place].tick == seen.tick)
    };
    let kept = result.log_ends.iter().filter(is_kept);
    kept.map(|seen| ((seen.epoch, seen.split.clone()), seen.end)).collect()
}

/// Whether the plan lets memory run out: a script of Redis does not undo what it did
/// before.
fn tears(plan: &RunPlan, table: &str) -> bool {
    plan.deviations.iter().any(|deviation| match &deviation.action {
        Action::Disturb { service, disturbance: Disturbance::Fill { .. } } => service == table,
        _ => false,
    })
}

/// A few of a run's snapshots.
fn sample(snapshots: &[StoredSnapshot]) -> Vec<&StoredSnapshot> {
    let Some(last) = snapshots.len().checked_sub(1) else { return Vec::new() };
    let steps = RESTORED_MAX.min(snapshots.len()) - 1;
    let places = (0..=steps).map(|step| last * step / steps.max(1));
    places.map(|place| &snapshots[place]).collect()
}

/// Whether the job ended as a job may that nothing keeps from it.
fn has_ended_well(end: &RunEnd) -> bool {
    matches!(
        end,
        RunEnd::Ended(
            Ending::Finished
                | Ending::FinishedWithout { .. }
                | Ending::AlreadyFinished
                | Ending::Stopped
        )
    )
}

/// What a sink must hold at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finish {
    /// The rows of every epoch.
    All,
    /// Those that its marker says: it was given up, or left behind.
    ByMarker,
    /// Nothing in particular: the job did not come to its end.
    Open,
}

fn chain_of(journal: &Journal) -> Option<anabranch_engine::journal::ChainHash> {
    journal.entries.iter().rev().find_map(|placed| match &placed.entry {
        JournalEntry::Finished(finished) => Some(finished.chain),
        _ => None,
    })
}

/// One sink of a run.
struct JudgedSink<'a> {
    job: &'a Plan,
    expected: &'a Expected,
    epochs: &'a [EpochRecord],
    index: usize,
    sink: &'a SinkResult,
    /// Whether a chunk may show in parts although its sink usually takes it whole.
    tears: bool,
}

impl JudgedSink<'_> {
    fn id(&self) -> SinkId {
        SinkId(self.index as u32)
    }

    fn table(&self) -> &Table {
        self.job.table(self.expected.sinks[self.index].table)
    }

    /// What the sink must hold at the end of a run.
    // spec: K-8
    fn finish_of(&self, result: &RunResult, losses: bool) -> Finish {
        if !has_ended_well(&result.end) {
            return Finish::Open;
        }
        let is_given_up = self.epochs.iter().any(|record| record.given_up.contains(&self.id()));
        let is_left = result.reports.iter().any(|(_, _, report)| {
            matches!(report, Report::SinkLeft { sink } if *sink == self.sink.table)
        });
        let stopped = matches!(result.end, RunEnd::Ended(Ending::Stopped));
        // The next start looks at the markers, and sends what was lost once more. One that
        // finds the job done looks at the sinks that answer.
        let unseen = losses && self.was_unseen_at_the_end(result);
        match is_given_up || unseen || (stopped && (is_left || losses)) {
            true => Finish::ByMarker,
            false => Finish::All,
        }
    }

    /// Whether the last start found the job done, and this sink did not answer it.
    // spec: K-5
    fn was_unseen_at_the_end(&self, result: &RunResult) -> bool {
        let Some(last) = result.processes.iter().map(|end| end.process).max() else { return false };
        let name = format!("sink {}", self.sink.table);
        matches!(result.end, RunEnd::Ended(Ending::AlreadyFinished))
            && result.reports.iter().any(|(_, process, report)| {
                matches!(report, Report::Retrying { what, .. } if *process == last && *what == name)
            })
    }

    /// What is wrong with what readers saw, first while it ran, then at the end.
    fn contents(&self, finish: Finish, losses: bool) -> Vec<Finding> {
        let table = self.table();
        let guarantee = match table.keeps_marker() {
            true => Guarantee::ExactlyOnce,
            false => Guarantee::AtLeastOnce,
        };
        let oracle = SinkOracle {
            plan: self.job,
            expected: self.expected,
            sink: self.id(),
            shape: shape_of(table),
            guarantee,
        };
        let view = |records: Vec<ViewRecord>, seen: &Seen| View { records, marker: seen.marker };
        let mut found = Vec::new();
        if table.keeps_marker() && !losses {
            let mut views = self.sink.views();
            found.extend(
                views.find_map(|(seen, records)| {
                    oracle.view(&view(records, seen), self.reach(seen))
                }),
            );
        }
        let last = self.epochs.last().map_or(Epoch(0), |record| record.epoch);
        let reach = match (finish, self.sink.seen.last()) {
            (Finish::All, _) => Some(Reach::whole(last)),
            (Finish::ByMarker, Some(seen)) if table.keeps_marker() => Some(self.reach(seen)),
            (Finish::ByMarker | Finish::Open, _) => None,
        };
        if let Some(reach) = reach {
            found.extend(oracle.view(&self.sink.last, reach));
            if guarantee == Guarantee::ExactlyOnce {
                found.extend(fires_once(self.job, self.id(), &self.sink.last));
            }
        }
        found
    }

    /// How far a reader must and may see. A file appears behind the move of its marker,
    /// the blocks of an insert before it, and the parts of a Kafka transaction one by one, in any order with its marker.
    fn reach(&self, seen: &Seen) -> Reach {
        let mut reach = Reach::of_marker(seen.marker, self.id(), self.epochs);
        let connector = self.table().connector.as_str();
        let ends = || {
            let all = self.epochs.iter().flat_map(|record| &record.flush_ends);
            all.filter(|end| end.sink == self.id()).map(|end| end.epoch)
        };
        let in_parts = matches!(connector, "clickhouse" | "filesystem" | "kafka" | "upsert-kafka");
        if in_parts || self.tears {
            let next = ends().filter(|end| *end > reach.begun).min();
            // The last group ends with the input, which no record says.
            let last = self.epochs.last().map_or(reach.begun, |record| record.epoch);
            reach.begun = next.unwrap_or(last).max(reach.begun);
        }
        if matches!(connector, "filesystem" | "kafka" | "upsert-kafka") {
            let before = ends().filter(|end| *end < reach.complete).max();
            reach.complete = before.unwrap_or_default();
        }
        reach
    }

    /// What is wrong with markers and writers over time.
    fn history(&self, losses: bool) -> Vec<Finding> {
        let name = &self.sink.table;
        let seen = |seen: &Seen| MarkerSeen { at: seen.at, marker: seen.marker, loss: losses };
        let effect = |seen: &Seen| Effect {
            at: seen.at,
            target: format!("sink {name}"),
            generation: seen.generation,
            what: format!("show {} records", seen.kept + seen.records.len()),
        };
        let by_processes = self.sink.seen.iter().filter(|seen| seen.generation.number > 0);
        let effects: Vec<Effect> = by_processes.map(effect).collect();
        // A table that no command fences may get a zombie's rows: they are the same ones.
        // spec: E-2
        let table = self.table();
        let is_fenced = table.connector != "clickhouse"
            || table.options.get("mode").is_some_and(|mode| mode == "strict");
        let fenced = is_fenced.then(|| generations(&effects)).flatten();
        let mut found: Vec<Finding> = fenced.into_iter().collect();
        // A marker in a file that was not synced yet goes with the power, and nobody was
        // told of it.
        let is_cut = |seen: &Seen| table.connector == "filesystem" && seen.process == 0;
        let mut parts = self.sink.seen.chunk_by(|_, later| !is_cut(later));
        // Whether a loss was noticed is told by how the run went on.
        found.extend(parts.find_map(|part| {
            let history: Vec<MarkerSeen> = part.iter().map(seen).collect();
            markers(name, &history, losses)
        }));
        found
    }
}
