//! What is wrong with a run, so that two runs can be told to have the same fault.

use crate::oracle;
use crate::recut::DifferenceKind;
use crate::world::RunEnd;
use anabranch_engine::pipeline::{Ending, Failure};
use std::fmt;

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

impl FindingKind {
    /// The short name of the oracle that fired, such as `S1`.
    #[must_use]
    pub fn oracle(&self) -> &'static str {
        match self {
            FindingKind::Failed(_) => "failure",
            FindingKind::Oracle(name, _) => name,
            FindingKind::Panicked(_) => "panic",
            FindingKind::RestartLoop => "L4",
            FindingKind::Stuck => "L1",
            FindingKind::Wrong(..) => "recut",
        }
    }

    /// What is wrong, without what exactly: two findings are the same if this is.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            FindingKind::Failed(name) => format!("the job failed: {name}"),
            FindingKind::Oracle(name, word) => format!("{name}: {word}"),
            FindingKind::Panicked(message) => format!("a panic: {message}"),
            FindingKind::RestartLoop => "a restart loop".to_owned(),
            FindingKind::Stuck => "it does not come to its end".to_owned(),
            FindingKind::Wrong(table, kind) => {
                format!("recut: {kind:?} rows: {table}").to_lowercase()
            }
        }
    }
}

impl Finding {
    /// What an oracle says: its kind is the fingerprint, without the oracle's name.
    pub(super) fn of_oracle(found: oracle::Finding) -> Finding {
        let word = found.fingerprint.strip_prefix(found.oracle);
        let word = word.map_or(found.fingerprint.clone(), |word| word.trim().to_owned());
        Finding { kind: FindingKind::Oracle(found.oracle, word), detail: found.message }
    }

    /// A panic: its kind is the message without numbers.
    pub(super) fn of_panic(message: &str, place: &str) -> Finding {
        let kind = message.chars().filter(|c| !c.is_ascii_digit()).collect();
        let detail = format!("{message} {place}").trim_end().to_owned();
        Finding { kind: FindingKind::Panicked(kind), detail }
    }
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
        RunEnd::RestartLoop { last } => {
            let last = last.as_ref().map(ToString::to_string);
            (FindingKind::RestartLoop, last.unwrap_or_default())
        }
        RunEnd::Stuck { why, .. } => (FindingKind::Stuck, why.clone()),
        RunEnd::Panicked { message, place } => return Some(Finding::of_panic(message, place)),
    };
    Some(Finding { kind, detail })
}

/// A failure's name.
#[must_use]
pub fn failure_name(failure: &Failure) -> &'static str {
    match failure {
        Failure::BadRecord { .. } => "bad-record",
        Failure::Damaged { .. } => "damaged",
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
