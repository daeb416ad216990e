//! The judge of a run: what is wrong with it, by all that can be asked about it.
//!
//! In this order: are two runs of the plan the same; did the job end as it may; what do the
//! oracles say, and do the job's asserts hold; can every snapshot be used; and are the
//! results those of a run in which nothing goes wrong? The first thing that is wrong is the
//! finding. What was acknowledged and then really went excuses the failures that name who
//! lost it, and no others.

mod excuse;
mod finding;

pub use finding::{Finding, FindingKind, failure_name, of_end};

use crate::oracle::{self, AssertResult, Judged};
use crate::plan::RunPlan;
use crate::recut;
use crate::run::{message_of, run_with};
use crate::world::{Host, Hosting, Loser, ProcessEnding, RunEnd, RunResult};
use anabranch_engine::ids::Epoch;
use anabranch_engine::journal::scan;
use anabranch_engine::pipeline::{Ending, Report};
use anabranch_engine::plan::{Assert, Plan};
use excuse::{Excuses, fails_by_a_record, is_alarm, may_be_behind, refuses_journal};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Makes the stores of a plan for its job.
pub type HostingFn = dyn Fn(&RunPlan, &Plan) -> Box<dyn Hosting>;

/// How a judge judges.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether every plan runs twice, and both runs must be the same.
    pub twins: bool,
    /// Whether results are held against those of a calm run.
    pub recut: bool,
    /// Where the last panic was, if the caller notes that: a hook is none of a pure
    /// crate's business.
    pub panicked_at: fn() -> String,
}

impl Default for Options {
    fn default() -> Options {
        Options { twins: false, recut: true, panicked_at: String::new }
    }
}

/// Runs plans of one job and judges what came of them.
pub struct Judge<'a> {
    job: &'a Arc<Plan>,
    asserts: &'a [Assert],
    hosting: Option<&'a HostingFn>,
    options: Options,
    /// The last run in which nothing went wrong, with its plan: many plans differ in their
    /// deviations only.
    calm: Option<(RunPlan, RunResult)>,
    /// What came of the asserts in the run that was judged last.
    asserted: Vec<AssertResult>,
}

impl fmt::Debug for Judge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<'a> Judge<'a> {
    /// A judge of runs of this job, over the stores that each plan names.
    #[must_use]
    pub fn new(job: &'a Arc<Plan>) -> Judge<'a> {
        let (hosting, options) = (None, Options::default());
        Judge { job, asserts: &[], hosting, options, calm: None, asserted: Vec::new() }
    }

    /// The same judge, who also looks whether these hold.
    #[must_use]
    pub fn asserting(self, asserts: &'a [Assert]) -> Judge<'a> {
        Judge { asserts, ..self }
    }

    /// What came of each assert in the run that was judged last; nothing if that did not
    /// come so far.
    #[must_use]
    pub fn asserted(&self) -> &[AssertResult] {
        &self.asserted
    }

    /// The same judge over other stores.
    #[must_use]
    pub fn hosted(self, hosting: &'a HostingFn) -> Judge<'a> {
        Judge { hosting: Some(hosting), ..self }
    }

    /// The same judge with other options.
    #[must_use]
    pub fn with(self, options: Options) -> Judge<'a> {
        Judge { options, ..self }
    }

    /// Runs a plan; gives what came of it and the first thing that is wrong with it.
    ///
    /// # Errors
    /// If the plan names what the job does not have.
    pub fn judge(&mut self, plan: &RunPlan) -> Result<(RunResult, Option<Finding>), String> {
        self.asserted.clear();
        let result = self.run(plan)?;
        let finding = self.finding(plan, &result)?;
        Ok((result, finding))
    }

    fn run(&self, plan: &RunPlan) -> Result<RunResult, String> {
        let hosting = match self.hosting {
            Some(hosting) => hosting(plan, self.job),
            None => Box::new(Host::of(plan, self.job)),
        };
        run_with(plan, self.job, hosting, false)
    }

    fn finding(&mut self, plan: &RunPlan, result: &RunResult) -> Result<Option<Finding>, String> {
        if self.options.twins {
            let twin = self.run(plan)?;
            if let Some(finding) = difference_of_twins(result, &twin) {
                return Ok(Some(finding));
            }
        }
        let excuses = Excuses::of(self.job, result);
        if let Some(finding) = of_end(&result.end)
            && !excuses.ending()
        {
            return Ok(Some(finding));
        }
        let finding = by_processes(result, excuses)
            .or_else(|| self.by_oracles(plan, result))
            .or_else(|| by_snapshots(result, excuses));
        match finding {
            Some(finding) => Ok(Some(finding)),
            None => self.by_recut(plan, result),
        }
    }

    /// What the interpreter finds.
    fn by_oracles(&mut self, plan: &RunPlan, result: &RunResult) -> Option<Finding> {
        let is_rotten = result.is_broken(&Loser::Journal);
        let (job, asserts) = (self.job, self.asserts);
        let judged = catch_unwind(AssertUnwindSafe(|| {
            let judged = match is_rotten && is_no_witness(result) {
                true => None,
                false => Some(oracle::judge_all(plan, job, asserts, result)),
            };
            match judged {
                Some(Err(damage)) if !is_rotten => Err(damage),
                Some(Ok(judged)) => Ok(judged),
                // A journal that rots need not be read again before the job ends.
                Some(Err(_)) | None => {
                    let findings = oracle::judge_without_journal(plan, job, result);
                    Ok(Judged { findings, asserts: Vec::new() })
                }
            }
        }));
        match judged {
            Ok(Ok(Judged { findings, asserts })) => {
                self.asserted = asserts;
                findings.into_iter().next().map(Finding::of_oracle)
            }
            Ok(Err(damage)) => Some(Finding {
                kind: FindingKind::Oracle("S5", "unreadable: journal".to_owned()),
                detail: damage,
            }),
            Err(payload) => {
                let message = format!("an oracle: {}", message_of(payload.as_ref()));
                Some(Finding::of_panic(&message, &(self.options.panicked_at)()))
            }
        }
    }

    /// What differs from a run in which nothing goes wrong.
    // spec: E-2, E-3
    fn by_recut(&mut self, plan: &RunPlan, result: &RunResult) -> Result<Option<Finding>, String> {
        let is_asked = self.options.recut && !Excuses::of(self.job, result).lost_rows();
        // A job that was stopped by what its stores lost has no results yet.
        let has_results = of_end(&result.end).is_none() || fails_by_a_record(&result.end);
        if !is_asked || !has_results || !recut::is_comparable(plan, self.job) {
            return Ok(None);
        }
        let undisturbed = recut::undisturbed(plan);
        if self.calm.as_ref().is_none_or(|(known, _)| *known != undisturbed) {
            let calm = self.run(&undisturbed)?;
            self.calm = Some((undisturbed, calm));
        }
        let (_, calm) = self.calm.as_ref().expect("it was just made");
        if fails_by_a_record(&result.end) && fails_by_a_record(&calm.end) {
            return Ok(None);
        }
        if let Some(finding) = of_end(&calm.end) {
            let detail = format!("left alone, the job does not end well: {}", finding.detail);
            return Ok(Some(Finding { detail, ..finding }));
        }
        let difference = recut::difference(result, calm, self.job);
        Ok(difference.map(|difference| Finding {
            kind: FindingKind::Wrong(difference.table, difference.kind),
            detail: difference.detail,
        }))
    }
}

/// Whether a journal that lost something is no witness: its own job refuses it, or ended before
/// it looked whether the journal reaches as far as the sinks do.
fn is_no_witness(result: &RunResult) -> bool {
    let failure = match &result.end {
        RunEnd::Ended(Ending::Failed(failure)) => Some(failure),
        RunEnd::RestartLoop { last } | RunEnd::Stuck { last, .. } => last.as_ref(),
        RunEnd::Ended(_) | RunEnd::Panicked { .. } => return false,
    };
    if failure.is_some_and(refuses_journal) {
        return true;
    }
    let Ok(journal) = scan(&result.journal, &[]) else { return true };
    let last = journal.records_after(Epoch(0)).last().map(|record| record.epoch);
    let shown = result.sinks.iter().flat_map(|sink| &sink.seen);
    shown.filter_map(|seen| seen.marker).any(|marker| Some(marker.epoch) > last)
}

/// Where two runs of one plan are not the same.
// spec: E-1
fn difference_of_twins(result: &RunResult, twin: &RunResult) -> Option<Finding> {
    let word = match (result.trace == twin.trace, result == twin) {
        (true, true) => return None,
        (false, _) => "twins with different traces",
        (true, false) => "twins with different results",
    };
    let detail = format!(
        "the same plan ran twice, with {} events and trace {:016x}, and with {} and {:016x}",
        result.events, result.trace, twin.events, twin.trace
    );
    Some(Finding { kind: FindingKind::Oracle("S8", word.to_owned()), detail })
}

/// A process that calls something wrong that is not, even if another one came to the end:
/// one that was replaced, or started beside it.
fn by_processes(result: &RunResult, excuses: Excuses<'_>) -> Option<Finding> {
    result.processes.iter().find_map(|end| {
        let ProcessEnding::Ended(Ending::Failed(failure)) = &end.how else { return None };
        let is_behind = end.on_copy && may_be_behind(failure);
        if !is_alarm(failure) || is_behind || excuses.until(end.at).failure(failure) {
            return None;
        }
        let kind = FindingKind::Failed(failure_name(failure));
        Some(Finding { kind, detail: format!("process {}: {failure}", end.process) })
    })
}

/// S5: a snapshot that is listed can be used, if none rots. One whose rows a sink does
/// not hold yet can be used later, and that of a process that was replaced is none.
// spec: S-1, S-2
fn by_snapshots(result: &RunResult, excuses: Excuses<'_>) -> Option<Finding> {
    let may_be = ["has not applied", "another incarnation wrote"];
    // One that was listed may be trimmed before it is loaded, if its process was replaced.
    let is_trimmed = |process: u32, name: &str| {
        result.trimmed_skips.iter().any(|skip| skip.process == process && skip.name == name)
    };
    let detail = result.reports.iter().find_map(|(at, process, report)| match report {
        Report::SnapshotSkipped { name, reason } => {
            let excuses = excuses.until(*at);
            let is_fine = may_be.iter().any(|words| reason.contains(words))
                || is_trimmed(*process, name)
                || excuses.lost(&Loser::Snapshots)
                || excuses.lost(&Loser::History);
            (!is_fine).then(|| format!("{name:?}: {reason}"))
        }
        _ => None,
    });
    let kind = FindingKind::Oracle("S5", "snapshot skipped".to_owned());
    detail.map(|detail| Finding { kind, detail })
}
