//! What is wrong with a run, by all oracles.

use super::input::{Subject, host};
use crate::errors::{self, ErrorCode};
use anabranch_engine::pipeline::{Ending, Failure};
use anabranch_engine::plan::{NodeKind, OnError, Plan};
use anabranch_sim::finding::{Finding, FindingKind, of_end};
use anabranch_sim::model::Disturbance;
use anabranch_sim::oracle::{self, AssertResult};
use anabranch_sim::plan::{Action, RunPlan};
use anabranch_sim::recut;
use anabranch_sim::run::run_with;
use anabranch_sim::world::{RunEnd, RunResult};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    /// Where the last panic of this thread was.
    static PANICKED_AT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A panic in a simulated process is a result, not a message on the terminal.
pub(super) fn keep_panics_quiet() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        PANICKED_AT.with(|at| *at.borrow_mut() = place);
    }));
}

/// Runs plans of a job and judges what came of them.
pub(super) struct Judge<'a> {
    subject: &'a Subject,
    /// The last run in which nothing went wrong, with its plan: many plans differ in
    /// their deviations only.
    calm: Option<(RunPlan, RunResult)>,
    /// What came of the job's asserts in the run that was judged last.
    pub(super) asserts: Vec<AssertResult>,
}

impl<'a> Judge<'a> {
    /// A judge of runs of this job.
    pub(super) fn new(subject: &'a Subject) -> Judge<'a> {
        Judge { subject, calm: None, asserts: Vec::new() }
    }

    /// Runs a plan, twice if asked; gives what came of it and what is wrong with it.
    ///
    /// # Errors
    /// If the plan names what the job does not have.
    pub(super) fn judge(
        &mut self,
        plan: &RunPlan,
        has_twin: bool,
    ) -> Result<(RunResult, Option<Finding>), String> {
        self.asserts.clear();
        let job = &self.subject.job;
        let result = run_with(plan, job, host(plan, job), false)?;
        if has_twin {
            let twin = run_with(plan, job, host(plan, job), false)?;
            if let Some(finding) = difference_of_twins(&result, &twin) {
                return Ok((result, Some(finding)));
            }
        }
        let finding = match of_end(&result.end) {
            Some(finding) if !is_excused(plan, job, &result.end) => Some(finding),
            _ => match self.by_oracles(plan, &result) {
                Some(finding) => Some(finding),
                None => self.by_recut(plan, &result)?,
            },
        };
        Ok((result, finding))
    }

    /// What the interpreter finds.
    fn by_oracles(&mut self, plan: &RunPlan, result: &RunResult) -> Option<Finding> {
        let losses = plan.deviations.iter().any(|deviation| is_loss(&deviation.action));
        let judged = catch_unwind(AssertUnwindSafe(|| {
            let Subject { job, asserts, .. } = self.subject;
            oracle::judge_all(plan, job, asserts, result, &BTreeMap::new(), losses)
        }));
        match judged {
            Ok(Ok(judged)) => {
                self.asserts = judged.asserts;
                judged.findings.into_iter().next().map(|finding| {
                    let word = finding.fingerprint.strip_prefix(finding.oracle);
                    let word =
                        word.map_or(finding.fingerprint.clone(), |word| word.trim().to_owned());
                    let kind = FindingKind::Oracle(finding.oracle, word);
                    Finding { kind, detail: finding.message }
                })
            }
            Ok(Err(damage)) => Some(Finding {
                kind: FindingKind::Oracle("S5", "unreadable: journal".to_owned()),
                detail: damage,
            }),
            Err(payload) => {
                let text = payload.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
                let text = format!("an oracle: {}", text.unwrap_or("a panic without a message"));
                let at = PANICKED_AT.with(|at| at.borrow_mut().take()).unwrap_or_default();
                let kind = text.chars().filter(|c| !c.is_ascii_digit()).collect();
                Some(Finding {
                    kind: FindingKind::Panicked(kind),
                    detail: format!("{text} at {at}"),
                })
            }
        }
    }

    /// What differs from a run in which nothing goes wrong.
    fn by_recut(&mut self, plan: &RunPlan, result: &RunResult) -> Result<Option<Finding>, String> {
        if !self.subject.can_be_recut() {
            return Ok(None);
        }
        let job = &self.subject.job;
        let undisturbed = recut::undisturbed(plan);
        if self.calm.as_ref().is_none_or(|(known, _)| *known != undisturbed) {
            let calm = run_with(&undisturbed, job, host(plan, job), false)?;
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
        let difference = recut::difference(result, calm, job);
        Ok(difference.map(|difference| Finding {
            kind: FindingKind::Wrong(difference.table, difference.kind),
            detail: difference.detail,
        }))
    }
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

/// Whether a plan takes away what was acknowledged, so that a job has to fail.
fn is_loss(action: &Action) -> bool {
    match action {
        Action::Disturb { disturbance, .. } => matches!(
            disturbance,
            Disturbance::LoseAcknowledged { .. }
                | Disturbance::LoseMarker
                | Disturbance::Retention { .. }
                | Disturbance::Rot { .. }
        ),
        Action::Source { .. } => true,
        Action::Crash { .. }
        | Action::PowerFailure { .. }
        | Action::Pause { .. }
        | Action::DoubleStart
        | Action::ClockJump { .. }
        | Action::Message(_)
        | Action::Link { .. } => false,
    }
}

/// Whether a job that failed did what it should.
fn is_excused(plan: &RunPlan, job: &Plan, end: &RunEnd) -> bool {
    let RunEnd::Ended(Ending::Failed(failure)) = end else { return false };
    match failure {
        Failure::BadRecord { .. } => job.nodes.iter().any(|node| match &node.kind {
            NodeKind::Scan(scan) => job.table(scan.table).on_error == OnError::Fail,
            _ => false,
        }),
        Failure::Damaged(_)
        | Failure::SinkLostData { .. }
        | Failure::SourceChanged { .. }
        | Failure::SourceFailed { .. } => plan.deviations.iter().any(|it| is_loss(&it.action)),
        Failure::Diverged { .. }
        | Failure::Fenced { .. }
        | Failure::JournalFailed(_)
        | Failure::JournalUnreadable(_)
        | Failure::Locked { .. }
        | Failure::NotReproduced { .. }
        | Failure::PlanChanged { .. }
        | Failure::Poisoned { .. }
        | Failure::SinkRejected { .. }
        | Failure::SnapshotsUnreadable(_)
        | Failure::TableFailed { .. } => false,
    }
}

fn fails_by_a_record(end: &RunEnd) -> bool {
    matches!(end, RunEnd::Ended(Ending::Failed(Failure::BadRecord { .. })))
}

/// What is wrong, without what exactly.
pub(super) fn words(kind: &FindingKind) -> String {
    match kind {
        FindingKind::Failed(name) => format!("the job failed: {name}"),
        FindingKind::Oracle(name, word) => format!("{name}: {word}"),
        FindingKind::Panicked(message) => format!("a panic: {message}"),
        FindingKind::RestartLoop => "a restart loop".to_owned(),
        FindingKind::Stuck => "it does not come to its end".to_owned(),
        FindingKind::Wrong(table, kind) => format!("recut: {kind:?} rows: {table}").to_lowercase(),
    }
}

/// The short name of the oracle that fired.
pub(super) fn oracle_name(kind: &FindingKind) -> &'static str {
    match kind {
        FindingKind::Failed(_) => "failure",
        FindingKind::Oracle(name, _) => name,
        FindingKind::Panicked(_) => "panic",
        FindingKind::RestartLoop => "L4",
        FindingKind::Stuck => "L1",
        FindingKind::Wrong(..) => "recut",
    }
}

/// What the process exits with.
pub(super) fn code_of(kind: &FindingKind) -> &'static ErrorCode {
    match kind {
        FindingKind::Oracle("S8", _) | FindingKind::Failed("not-reproduced") => {
            &errors::SIM_NOT_DETERMINISTIC
        }
        FindingKind::Failed(_) | FindingKind::Oracle(..) | FindingKind::Wrong(..) => {
            &errors::SIM_WRONG
        }
        FindingKind::Panicked(_) => &errors::SIM_PANIC,
        FindingKind::RestartLoop | FindingKind::Stuck => &errors::SIM_STUCK,
    }
}
