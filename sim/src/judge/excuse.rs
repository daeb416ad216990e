//! With which failures a job may answer what was not kept.

use crate::time::VirtualTime;
use crate::world::{DIED_OF_A_RECORD, Loser, Loss, ProcessEnding, RunEnd, RunResult, may_mend};
use anabranch_engine::pipeline::{Ending, Failure, Kept, Report};
use anabranch_engine::plan::{NodeKind, OnError, Plan};

/// What excuses failures in a run: what really went, service by service, and what the job
/// asks for. That something was to happen excuses nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Excuses<'a> {
    job: &'a Plan,
    result: &'a RunResult,
    /// What went later excuses nothing.
    until: VirtualTime,
}

impl<'a> Excuses<'a> {
    pub(super) fn of(job: &'a Plan, result: &'a RunResult) -> Excuses<'a> {
        Excuses { job, result, until: VirtualTime(i64::MAX) }
    }

    /// What excuses that something happened at this time.
    pub(super) fn until(self, until: VirtualTime) -> Excuses<'a> {
        Excuses { until, ..self }
    }

    /// What somebody did not keep by then.
    fn losses(self, of: &Loser) -> impl Iterator<Item = &'a Loss> {
        let all = self.result.losses.iter();
        all.filter(move |loss| loss.of == *of && loss.at <= self.until)
    }

    /// Whether somebody did not keep what it had acknowledged.
    pub(super) fn lost(self, of: &Loser) -> bool {
        self.losses(of).any(|loss| loss.toll.breaks_promises())
    }

    /// Whether the end of the journal is gone: a bit of it turned, or it was cut.
    fn lost_tail(self) -> bool {
        let is_cut =
            self.result.reports.iter().any(|(at, _, report)| {
                *at <= self.until && matches!(report, Report::TailCut { .. })
            });
        let mut journal = self.losses(&Loser::Journal);
        journal.any(|loss| loss.toll.rotten > 0 || (is_cut && loss.toll.breaks_promises()))
    }

    fn lost_sink(self, table: &str) -> bool {
        self.lost(&Loser::Sink(table.to_owned()))
    }

    /// Whether any sink or source did not, or there is more than one history, so that the
    /// rows may be others than those of a calm run.
    pub(super) fn lost_rows(self) -> bool {
        !self.result.changed.is_empty()
            || self.result.losses.iter().any(|loss| {
                let is_of_rows =
                    matches!(loss.of, Loser::History | Loser::Sink(_) | Loser::Split { .. });
                is_of_rows && loss.toll.breaks_promises()
            })
    }

    /// Whether a job that did not end well did what it should.
    pub(super) fn ending(self) -> bool {
        match &self.result.end {
            RunEnd::Ended(Ending::Failed(failure)) => self.at_end_by(failure).failure(failure),
            // Whoever starts it again hopes that what cannot be read can be read later.
            RunEnd::RestartLoop { last } | RunEnd::Stuck { last, .. } => {
                last.as_ref().is_some_and(|last| self.at_end_by(last).repeated(last))
            }
            RunEnd::Ended(
                Ending::AlreadyFinished
                | Ending::Finished
                | Ending::FinishedWithout { .. }
                | Ending::Stopped,
            )
            | RunEnd::Panicked { .. } => false,
        }
    }

    /// What excuses the last process that ended with this failure.
    fn at_end_by(self, failure: &Failure) -> Excuses<'a> {
        let how = ProcessEnding::Ended(Ending::Failed(failure.clone()));
        let last = self.result.processes.iter().rfind(|end| end.how == how);
        last.map_or(self, |end| self.until(end.at))
    }

    /// Whether a failure is as it should be: what it names was taken from the job; or the
    /// user wants it to stop at a bad record, or at one that kills whoever computes it.
    pub(super) fn failure(self, failure: &Failure) -> bool {
        match failure {
            Failure::BadRecord { .. } => self.job.nodes.iter().any(|node| match &node.kind {
                NodeKind::Scan(scan) => self.job.table(scan.table).on_error == OnError::Fail,
                _ => false,
            }),
            Failure::Damaged { what: Kept::Journal, .. } => {
                self.lost(&Loser::Journal) || self.lost(&Loser::History)
            }
            Failure::Damaged { what: Kept::Snapshots, .. } => {
                self.lost(&Loser::Snapshots) || self.lost(&Loser::History)
            }
            // Also of a sink whose marker is gone, though its rows are there.
            Failure::Damaged { what: Kept::Sink(sink), .. }
            | Failure::SinkLostData { sink, .. } => self.lost_sink(sink),
            // A sink that was away while the end of the journal was cut holds what was there.
            Failure::Diverged { .. } => self.lost_tail() || self.lost(&Loser::History),
            Failure::Poisoned { .. } => self.result.counts.marks.contains_key(DIED_OF_A_RECORD),
            Failure::SourceChanged { table, split, .. } => {
                let (table, name) = (table.clone(), split.clone());
                self.lost(&Loser::Split { table, name })
            }
            Failure::Fenced { .. }
            | Failure::JournalFailed(_)
            | Failure::JournalUnreadable(_)
            | Failure::Locked { .. }
            | Failure::NotReproduced { .. }
            | Failure::PlanChanged { .. }
            | Failure::SinkRejected { .. }
            | Failure::SnapshotsUnreadable(_)
            | Failure::SourceFailed { .. }
            | Failure::TableFailed { .. } => false,
        }
    }

    /// Whether a job that is started again and again fails by a loss each time.
    fn repeated(self, last: &Failure) -> bool {
        match last {
            Failure::JournalFailed(message) | Failure::JournalUnreadable(message) => {
                self.lost(&Loser::Journal) && message.contains("is damaged")
            }
            Failure::SnapshotsUnreadable(message) => {
                self.lost(&Loser::Snapshots) && message.contains("is damaged")
            }
            // A folder that lost its manifest holds files that nobody wrote.
            Failure::SinkRejected { sink, message } => {
                self.lost_sink(sink) && message.contains("and not by this sink")
            }
            Failure::BadRecord { .. }
            | Failure::Damaged { .. }
            | Failure::Diverged { .. }
            | Failure::Fenced { .. }
            | Failure::Locked { .. }
            | Failure::NotReproduced { .. }
            | Failure::PlanChanged { .. }
            | Failure::Poisoned { .. }
            | Failure::SinkLostData { .. }
            | Failure::SourceChanged { .. }
            | Failure::SourceFailed { .. }
            | Failure::TableFailed { .. } => false,
        }
    }
}

/// Whether a failure says that something is wrong that no restart mends. The others are
/// how a process ends that was replaced, or whose stores or sources do not answer.
pub(super) fn is_alarm(failure: &Failure) -> bool {
    !may_mend(failure)
}

/// Whether a job says by this failure that its journal is not what it was.
pub(super) fn refuses_journal(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Damaged { what: Kept::Journal, .. }
            | Failure::Diverged { .. }
            | Failure::JournalFailed(_)
            | Failure::JournalUnreadable(_)
    )
}

/// Whether a process may say this whose state is a copy, as the job goes on without it.
pub(super) fn may_be_behind(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::Damaged { what: Kept::Journal | Kept::Snapshots, .. } | Failure::Diverged { .. }
    )
}

/// Whether a job stopped at a bad record.
pub(super) fn fails_by_a_record(end: &RunEnd) -> bool {
    matches!(end, RunEnd::Ended(Ending::Failed(Failure::BadRecord { .. })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Toll;
    use crate::world::{Counts, Loss, ProcessEnd};
    use anabranch_engine::plan::{JobOptions, PLAN_VERSION};

    /// A run in which these lost something, and which ended so.
    fn result(end: RunEnd, losers: &[Loser]) -> RunResult {
        let loss = |of: &Loser| Loss::gone(VirtualTime(1), of.clone(), 1);
        RunResult {
            end,
            sinks: Vec::new(),
            reports: Vec::new(),
            processes: Vec::new(),
            counts: Counts::default(),
            stale: Vec::new(),
            missed: Vec::new(),
            trace: 0,
            events: 0,
            duration: VirtualTime(9),
            journal: Vec::new(),
            journal_damage: None,
            log_ends: Vec::new(),
            durable: Vec::new(),
            lost_snapshots: Vec::new(),
            rotten_starts: Vec::new(),
            trimmed_skips: Vec::new(),
            given_up: Vec::new(),
            changed: Vec::new(),
            losses: losers.iter().map(loss).collect(),
            snapshots: Vec::new(),
            liveness: Default::default(),
            lines: Vec::new(),
        }
    }

    /// A job that asks for nothing.
    fn no_job() -> Plan {
        let options = JobOptions::default();
        Plan { version: PLAN_VERSION, options, tables: Vec::new(), nodes: Vec::new() }
    }

    fn is_excused(end: RunEnd, losers: &[Loser]) -> bool {
        let job = no_job();
        Excuses::of(&job, &result(end, losers)).ending()
    }

    fn failed(failure: Failure) -> RunEnd {
        RunEnd::Ended(Ending::Failed(failure))
    }

    fn damaged(what: Kept) -> RunEnd {
        let detail = "sink keys holds epoch 7, but the journal ends with epoch 5".to_owned();
        failed(Failure::Damaged { what, detail })
    }

    fn sink(name: &str) -> Loser {
        Loser::Sink(name.to_owned())
    }

    /// A split of the table `events`.
    fn split(name: &str) -> Loser {
        Loser::Split { table: "events".to_owned(), name: name.to_owned() }
    }

    #[test]
    fn a_damage_is_excused_by_what_it_names_and_by_nothing_else() {
        let all = [sink("keys"), Loser::Journal, Loser::Snapshots, split("a")];
        let kept = [Kept::Sink("keys".to_owned()), Kept::Journal, Kept::Snapshots];
        for (what, of) in kept.into_iter().zip(&all) {
            for loser in &all {
                let alone = std::slice::from_ref(loser);
                assert_eq!(is_excused(damaged(what.clone()), alone), loser == of);
            }
        }
    }

    #[test]
    fn the_loss_of_one_sink_or_split_does_not_excuse_another_one() {
        let (name, detail) = ("keys".to_owned(), String::new());
        let lost = || failed(Failure::SinkLostData { sink: name.clone(), detail: detail.clone() });
        assert!(is_excused(lost(), &[sink("keys")]));
        assert!(!is_excused(lost(), &[sink("totals"), Loser::Journal]));
        let changed = || {
            let (table, split) = ("events".to_owned(), "a".to_owned());
            failed(Failure::SourceChanged { table, split, detail: String::new() })
        };
        assert!(is_excused(changed(), &[split("a")]));
        let other = Loser::Split { table: "users".to_owned(), name: "a".to_owned() };
        assert!(!is_excused(changed(), &[other]));
        assert!(!is_excused(changed(), &[split("b"), sink("a")]));
        let rejected = || {
            let message = "part-1.jsonl is there already, and not by this sink".to_owned();
            RunEnd::RestartLoop {
                last: Some(Failure::SinkRejected { sink: "keys".into(), message }),
            }
        };
        assert!(is_excused(rejected(), &[sink("keys")]));
        assert!(!is_excused(rejected(), &[sink("totals")]));
    }

    #[test]
    fn a_loss_excuses_no_failure_before_it() {
        for (at, excused) in [(0, false), (1, true), (2, true)] {
            let mut result = result(damaged(Kept::Journal), &[Loser::Journal]);
            let RunEnd::Ended(ending) = result.end.clone() else { panic!("it was just made") };
            let (how, at) = (ProcessEnding::Ended(ending), VirtualTime(at));
            let (generation, on_copy) = (Default::default(), false);
            result.processes =
                vec![ProcessEnd { process: 1, generation, at, outputs: 1, on_copy, how }];
            let job = no_job();
            let excuses = Excuses::of(&job, &result);
            assert_eq!(excuses.ending(), excused, "{at}");
            // The same, if another process came to the end.
            result.end = RunEnd::Ended(Ending::Finished);
            let finding = super::super::by_processes(&result, Excuses::of(&job, &result));
            assert_eq!(finding.is_none(), excused, "{at}");
        }
    }

    #[test]
    fn a_sink_is_ahead_of_another_history_only_if_the_end_of_the_journal_went() {
        // spec: J-6
        let diverged = || {
            let (sink, detail) = ("keys".to_owned(), String::new());
            failed(Failure::Diverged { sink, detail })
        };
        let job = no_job();
        let is_excused = |toll: Toll, is_cut: bool| {
            let mut result = result(diverged(), &[]);
            result.losses.push(Loss { at: VirtualTime(1), of: Loser::Journal, toll });
            let cut = Report::TailCut { detail: String::new() };
            result.reports.extend(is_cut.then_some((VirtualTime(2), 1, cut)));
            Excuses::of(&job, &result).ending()
        };
        let (gone, rotten) =
            (Toll { gone: 1, ..Toll::default() }, Toll { rotten: 1, ..Toll::default() });
        assert!(!is_excused(gone, false));
        assert!(is_excused(gone, true));
        assert!(is_excused(rotten, false));
        assert!(!is_excused(Toll::default(), true));
    }

    #[test]
    fn a_journal_is_no_witness_if_its_job_refuses_it_and_what_needs_none_is_asked_all_the_same() {
        use crate::judge::is_no_witness;
        use crate::oracle::judge_without_journal;
        use crate::plan::RunPlan;
        use crate::world::RottenStart;
        use anabranch_engine::pipeline::PipelineConfig;
        let bad = Failure::BadRecord { table: "t".to_owned(), detail: String::new() };
        assert!(!is_no_witness(&result(failed(bad), &[Loser::Journal])));
        let unreadable = Some(Failure::JournalUnreadable("it is damaged".to_owned()));
        let looped = RunEnd::RestartLoop { last: unreadable };
        assert!(is_no_witness(&result(looped, &[Loser::Journal])));
        let mut result = result(damaged(Kept::Journal), &[Loser::Journal]);
        assert!(is_no_witness(&result));
        result.rotten_starts.push(RottenStart { process: 2, name: "7".to_owned() });
        let job = no_job();
        let plan = RunPlan::calm("job", 1, PipelineConfig::default());
        let findings = judge_without_journal(&plan, &job, &result);
        let words: Vec<&str> = findings.iter().map(|it| it.fingerprint.as_str()).collect();
        assert_eq!(words, ["S5 rotten snapshot: snapshots"]);
    }

    #[test]
    fn what_was_never_acknowledged_excuses_nothing() {
        let of = Loser::Journal;
        let toll = Toll { unsynced: 3, torn: 1, ..Toll::default() };
        let mut result = result(damaged(Kept::Journal), &[]);
        result.losses.push(Loss { at: VirtualTime(1), of, toll });
        assert!(!result.is_broken(&Loser::Journal));
        assert!(!is_excused(damaged(Kept::Journal), &[]));
    }

    #[test]
    fn only_a_record_that_killed_somebody_excuses_poison() {
        use anabranch_engine::ids::Epoch;
        let poisoned = || failed(Failure::Poisoned { epoch: Epoch(3), starts: 3 });
        assert!(!is_excused(poisoned(), &[Loser::Journal, sink("keys")]));
        let job = no_job();
        let mut result = result(poisoned(), &[]);
        result.counts.marks.insert(DIED_OF_A_RECORD, 3);
        assert!(Excuses::of(&job, &result).ending());
    }

    #[test]
    fn a_live_owner_that_calls_its_journal_damaged_raises_an_alarm() {
        let failure = Failure::Damaged { what: Kept::Journal, detail: String::new() };
        assert!(is_alarm(&failure));
        let fenced = Failure::Fenced { what: "the journal".into(), by: "another".into() };
        assert!(!is_alarm(&fenced));
    }
}
