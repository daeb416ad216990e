//! All oracles over one run of the world.

use super::assert::{AssertResult, Asserting};
use super::content::{Guarantee, Shape, SinkOracle, Watched};
use super::epochs::{Reach, flush_ends};
use super::given_up::given_up;
use super::history::{Lost, history};
use super::logs::logs_shown;
use super::{Finding, discords, fires_once, liveness, replay, restore};
use super::{durable_epochs, listed_snapshots, whole_starts};
use crate::plan::RunPlan;
use crate::reference::{Case, Expected, expect};
use crate::time::VirtualTime;
use crate::world::{LogEndSeen, RunEnd, RunResult, Seen, SinkResult, StoredSnapshot};
use anabranch_engine::ids::{Epoch, SinkId, SplitName};
use anabranch_engine::journal::{EpochRecord, Journal, JournalEntry, scan};
use anabranch_engine::pipeline::{Ending, Report};
use anabranch_engine::plan::{Assert, Plan, Table};
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

/// So many snapshots of a run are restored at most: the first, the last, and those between
/// at equal distances.
const RESTORED_MAX: usize = 3;
/// All that is computed again from them is half of the run at most, or so many epochs if
/// that is more: in a long run the first ones are left out.
const RESTORED_EPOCHS: usize = 1_000;

/// What all oracles say of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// What is wrong, the first thing of each kind: S1 to S8, L1 to L6, then asserts.
    pub findings: Vec<Finding>,
    /// What came of each assert, in the order in which they were given.
    pub asserts: Vec<AssertResult>,
}

/// What all oracles find in a run of a job without asserts; see [`judge_all`].
///
/// # Errors
/// If the journal cannot be read: there is nothing to judge by.
pub fn judge(plan: &RunPlan, job: &Plan, result: &RunResult) -> Result<Vec<Finding>, String> {
    judge_all(plan, job, &[], result).map(|judged| judged.findings)
}

/// What all oracles find in a run.
///
/// # Errors
/// If the journal cannot be read: there is nothing to judge by.
pub fn judge_all(
    plan: &RunPlan,
    job: &Plan,
    asserts: &[Assert],
    result: &RunResult,
) -> Result<Judged, String> {
    if let Some(damage) = &result.journal_damage {
        return Err(damage.clone());
    }
    let journal = scan(&result.journal, &[]).map_err(|damage| damage.to_string())?;
    let epochs: Vec<EpochRecord> = journal.records_after(Epoch(0)).cloned().collect();
    let logs = logs_shown(plan, job, result, &epochs);
    let ends = log_ends_of(result, &epochs);
    let case = Case { plan: job, logs: &logs, epochs: &epochs, log_ends: &ends };
    let expected = expect(case);
    let mut findings = discords(&expected);
    findings.extend(durable_epochs(result, &epochs));
    findings.extend(listed_snapshots(result));
    findings.extend(whole_starts(&result.rotten_starts));
    let sinks = result.sinks.iter().enumerate().map(|(index, sink)| {
        let (expected, epochs) = (&expected, epochs.as_slice());
        let ends = flush_ends(epochs, SinkId(index as u32));
        JudgedSink { job, expected, epochs, index, sink, ends, lost: Lost::of(result, sink) }
    });
    let sinks: Vec<JudgedSink<'_>> = sinks.collect();
    for judged in &sinks {
        let finish = judged.finish_of(result);
        findings.extend(judged.contents(finish));
        let is_back = finish == Finish::All && !judged.lost.history;
        findings.extend(history(judged.table(), judged.sink, &judged.lost, is_back));
        findings.extend(judged.served_again());
    }
    findings.extend(given_up(plan, job, result));
    findings.extend(replay(case, &expected, chain_of(&journal)));
    let snapshots = sample(&result.snapshots, &epochs);
    findings.extend(
        snapshots
            .into_iter()
            .find_map(|snapshot| restore(case, &expected, &snapshot.manifest, &snapshot.parts)),
    );
    if has_ended_well(&result.end) {
        findings.extend(liveness(&result.liveness));
    }
    let asserts = match asserts {
        [] => Vec::new(),
        asserts => Asserting::of(&sinks, result).all(asserts),
    };
    findings.extend(asserts.iter().filter_map(AssertResult::finding));
    Ok(Judged { findings, asserts })
}

/// What the oracles find that ask nothing of the journal.
#[must_use]
pub fn judge_without_journal(plan: &RunPlan, job: &Plan, result: &RunResult) -> Vec<Finding> {
    let mut findings: Vec<Finding> = listed_snapshots(result).into_iter().collect();
    findings.extend(whole_starts(&result.rotten_starts));
    for sink in &result.sinks {
        if let Some(table) = job.tables.iter().find(|table| table.name == sink.table) {
            findings.extend(history(table, sink, &Lost::of(result, sink), false));
        }
    }
    findings.extend(given_up(plan, job, result));
    findings
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

/// A few of a run's snapshots.
fn sample<'a>(snapshots: &'a [StoredSnapshot], epochs: &[EpochRecord]) -> Vec<&'a StoredSnapshot> {
    let Some(last) = snapshots.len().checked_sub(1) else { return Vec::new() };
    let steps = RESTORED_MAX.min(snapshots.len()) - 1;
    let places = (0..=steps).map(|step| &snapshots[last * step / steps.max(1)]);
    let behind = |snapshot: &StoredSnapshot| {
        let epoch = snapshot.manifest.epoch;
        epochs.len() - epochs.partition_point(|record| record.epoch <= epoch)
    };
    let mut left = RESTORED_EPOCHS.max(epochs.len() / 2);
    let mut chosen: Vec<&StoredSnapshot> = places
        .rev()
        .take_while(|snapshot| {
            let is_cheap = behind(snapshot) <= left;
            left = left.saturating_sub(behind(snapshot));
            is_cheap
        })
        .collect();
    chosen.reverse();
    chosen
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
pub(super) enum Finish {
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
pub(super) struct JudgedSink<'a> {
    pub(super) job: &'a Plan,
    pub(super) expected: &'a Expected,
    pub(super) epochs: &'a [EpochRecord],
    pub(super) index: usize,
    pub(super) sink: &'a SinkResult,
    /// The last epochs of its flush groups, sorted.
    ends: Vec<Epoch>,
    lost: Lost,
}

impl JudgedSink<'_> {
    pub(super) fn id(&self) -> SinkId {
        SinkId(self.index as u32)
    }

    pub(super) fn table(&self) -> &Table {
        self.job.table(self.expected.sinks[self.index].table)
    }

    /// What the sink must hold at the end of a run.
    // spec: K-8
    pub(super) fn finish_of(&self, result: &RunResult) -> Finish {
        if !has_ended_well(&result.end) {
            return Finish::Open;
        }
        let is_given_up = self.epochs.iter().any(|record| record.given_up.contains(&self.id()));
        let is_left = result.reports.iter().any(|(_, _, report)| {
            matches!(report, Report::SinkLeft { sink } if *sink == self.sink.table)
        });
        let stopped = matches!(result.end, RunEnd::Ended(Ending::Stopped));
        match is_given_up || self.is_lost_unseen() || (stopped && (is_left || self.lost.history)) {
            true => Finish::ByMarker,
            false => Finish::All,
        }
    }

    /// A sink that is given up is given nothing of that epoch and later ones, by nobody.
    // spec: K-8
    fn served_again(&self) -> Option<Finding> {
        let given_up = self.epochs.iter().find(|record| record.given_up.contains(&self.id()))?;
        let epoch = given_up.epoch;
        let moved = |seen: &&Seen| seen.marker.is_some_and(|marker| marker.epoch >= epoch);
        let seen = self.sink.seen.iter().find(moved)?;
        let (at, table) = (seen.at, &self.sink.table);
        let marker = seen.marker.expect("it was just looked at");
        let message =
            format!("sink {table} was given up with epoch {epoch}, and holds {marker} at {at}");
        Some(Finding::new("S4", "served again", table, message))
    }

    /// Whether something is gone that nobody has looked for since: the next start does, and
    /// sends it once more.
    // spec: K-5
    fn is_lost_unseen(&self) -> bool {
        let last = self.lost.promises.last();
        last.is_some_and(|at| self.sink.looked.is_none_or(|looked| looked <= *at))
    }

    /// Whether it has kept all that it acknowledged, so that its marker tells at any moment
    /// what it holds.
    pub(super) fn is_whole(&self) -> bool {
        self.lost.promises.is_empty() && !self.lost.history
    }

    /// Whether it had done so up to a moment.
    fn was_whole(&self, at: VirtualTime) -> bool {
        !self.lost.history && self.lost.has_kept_all(at)
    }

    /// What judges its content.
    pub(super) fn oracle(&self) -> SinkOracle<'_> {
        let table = self.table();
        let guarantee = match table.keeps_marker() {
            true => Guarantee::ExactlyOnce,
            false => Guarantee::AtLeastOnce,
        };
        let (plan, expected, sink) = (self.job, self.expected, self.id());
        SinkOracle { plan, expected, sink, shape: shape_of(table), guarantee }
    }

    /// What is wrong with what readers saw, first while it ran, then at the end.
    fn contents(&self, finish: Finish) -> Vec<Finding> {
        let (table, oracle) = (self.table(), self.oracle());
        let guarantee = oracle.guarantee;
        let mut found = Vec::new();
        let mut watched = Watched::new(oracle);
        for seen in &self.sink.seen {
            watched.change(seen.kept, &seen.records);
            if table.keeps_marker() && self.was_whole(seen.at) && found.is_empty() {
                found.extend(watched.judge(self.reach(seen)));
            }
        }
        let last = self.epochs.last().map_or(Epoch(0), |record| record.epoch);
        let reach = match (finish, self.sink.seen.last()) {
            (Finish::All, _) => Some(Reach::whole(last)),
            (Finish::ByMarker, Some(seen)) if table.keeps_marker() => Some(self.reach(seen)),
            (Finish::ByMarker | Finish::Open, _) => None,
        };
        if let Some(reach) = reach {
            watched.show(&self.sink.last.records);
            found.extend(watched.judge(reach));
            if guarantee == Guarantee::ExactlyOnce {
                found.extend(fires_once(self.job, self.id(), &self.sink.last));
            }
        }
        found
    }

    /// How far a reader must and may see. A file appears behind the move of its marker,
    /// the blocks of an insert before it, and the parts of a Kafka transaction one by one, in any order with its marker.
    pub(super) fn reach(&self, seen: &Seen) -> Reach {
        let mut reach = Reach::of_ends(seen.marker, &self.ends);
        let connector = self.table().connector.as_str();
        let up_to = |epoch: Epoch| self.ends.partition_point(|end| *end <= epoch);
        let in_parts = matches!(connector, "clickhouse" | "filesystem" | "kafka" | "upsert-kafka");
        if in_parts || self.lost.tears {
            let next = self.ends.get(up_to(reach.begun)).copied();
            // The last group ends with the input, which no record says.
            let last = self.epochs.last().map_or(reach.begun, |record| record.epoch);
            reach.begun = next.unwrap_or(last).max(reach.begun);
        }
        if matches!(connector, "filesystem" | "kafka" | "upsert-kafka") {
            let before = self.ends.partition_point(|end| *end < reach.complete).checked_sub(1);
            reach.complete = before.map(|before| self.ends[before]).unwrap_or_default();
        }
        reach
    }
}
