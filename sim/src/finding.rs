//! What is wrong with a run, so that two runs can be told to have the same fault.

use crate::plan::RunPlan;
use crate::recut::{self, DifferenceKind};
use crate::run::run_with;
use crate::world::{Hosting, RunEnd, RunResult};
use anabranch_engine::pipeline::{Ending, Failure};
use anabranch_engine::plan::Plan;
use std::fmt;
use std::sync::Arc;

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of fault it is; two findings are the same if this is.
    pub kind: FindingKind,
    /// What exactly, for a person.
    pub detail: String,
}

/// A kind of fault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// The job ended with a failure that nothing excuses, by its name.
    Failed(&'static str),
    /// Another oracle says so, by its name and a word of its own.
    Oracle(&'static str, String),
    /// A panic, by its message without numbers.
    Panicked(String),
    /// It was started again and again.
    RestartLoop,
    /// It did not come to its end.
    Stuck,
    /// A sink holds other rows than it should.
    Wrong(String, DifferenceKind),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FindingKind::Failed(name) => write!(f, "the job failed ({name}): {}", self.detail),
            FindingKind::Oracle(name, word) => write!(f, "{name}: {word}: {}", self.detail),
            FindingKind::Panicked(_) => write!(f, "a panic: {}", self.detail),
            FindingKind::RestartLoop => write!(f, "a restart loop: {}", self.detail),
            FindingKind::Stuck => write!(f, "stuck: {}", self.detail),
            FindingKind::Wrong(table, kind) => {
                write!(f, "wrong rows ({kind:?}) in {table}: {}", self.detail)
            }
        }
    }
}

/// The finding in how a run ended, if that alone is one.
#[must_use]
pub fn of_end(end: &RunEnd) -> Option<Finding> {
    let (kind, detail) = match end {
        RunEnd::Ended(
            Ending::AlreadyFinished
            | Ending::Finished
            | Ending::FinishedWithout { .. }
            | Ending::Stopped,
        ) => return None,
        RunEnd::Ended(Ending::Failed(failure)) => {
            (FindingKind::Failed(failure_name(failure)), failure.to_string())
        }
        RunEnd::RestartLoop { last } => (FindingKind::RestartLoop, last.clone()),
        RunEnd::Stuck { why } => (FindingKind::Stuck, why.clone()),
        RunEnd::Panicked { message, place } => {
            let without_numbers: String = message.chars().filter(|c| !c.is_ascii_digit()).collect();
            (FindingKind::Panicked(without_numbers), format!("{message} {place}"))
        }
    };
    Some(Finding { kind, detail })
}

/// A failure's name.
#[must_use]
pub fn failure_name(failure: &Failure) -> &'static str {
    match failure {
        Failure::BadRecord { .. } => "bad-record",
        Failure::Damaged(_) => "damaged",
        Failure::Diverged { .. } => "diverged",
        Failure::Fenced { .. } => "fenced",
        Failure::JournalFailed(_) => "journal-failed",
        Failure::JournalUnreadable(_) => "journal-unreadable",
        Failure::Locked { .. } => "locked",
        Failure::NotReproduced { .. } => "not-reproduced",
        Failure::PlanChanged { .. } => "plan-changed",
        Failure::Poisoned { .. } => "poisoned",
        Failure::SinkLostData { .. } => "sink-lost-data",
        Failure::SinkRejected { .. } => "sink-rejected",
        Failure::SnapshotsUnreadable(_) => "snapshots-unreadable",
        Failure::SourceChanged { .. } => "source-changed",
        Failure::SourceFailed { .. } => "source-failed",
        Failure::TableFailed { .. } => "table-failed",
    }
}

/// Makes the stores of a plan for its job.
pub type HostingFn = dyn Fn(&RunPlan, &Plan) -> Box<dyn Hosting>;

/// Runs plans of one job and compares each with a calm run of the same input.
pub struct Recut<'a> {
    job: &'a Arc<Plan>,
    hosting: &'a HostingFn,
    /// The last calm run, with its plan: many plans differ in their deviations only.
    calm: Option<(RunPlan, RunResult)>,
    /// How many plans were run.
    pub runs: u64,
}

impl<'a> Recut<'a> {
    /// A judge of plans of this job.
    #[must_use]
    pub fn new(job: &'a Arc<Plan>, hosting: &'a HostingFn) -> Recut<'a> {
        Recut { job, hosting, calm: None, runs: 0 }
    }

    /// Runs a plan; gives what came of it and what is wrong with it.
    ///
    /// # Errors
    /// If the plan names what the job does not have, or does not end well even if nothing
    /// goes wrong.
    pub fn judge(&mut self, plan: &RunPlan) -> Result<(RunResult, Option<Finding>), String> {
        self.runs += 1;
        let result = run_with(plan, self.job, (self.hosting)(plan, self.job), false)?;
        if let Some(finding) = of_end(&result.end) {
            return Ok((result, Some(finding)));
        }
        let undisturbed = recut::undisturbed(plan);
        if self.calm.as_ref().is_none_or(|(known, _)| *known != undisturbed) {
            let calm = recut::expected(plan, self.job, (self.hosting)(plan, self.job))?;
            self.calm = Some((undisturbed, calm));
        }
        let (_, calm) = self.calm.as_ref().expect("it was just made");
        let difference = recut::difference(&result, calm, self.job);
        let finding = difference.map(|difference| Finding {
            kind: FindingKind::Wrong(difference.table, difference.kind),
            detail: difference.detail,
        });
        Ok((result, finding))
    }
}
