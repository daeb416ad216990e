//! The judge of this command's runs, and what its findings exit with.

use super::input::Subject;
use crate::errors::{self, ErrorCode};
use anabranch_sim::judge::{FindingKind, Judge, Options};
use std::cell::RefCell;

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

fn panicked_at() -> String {
    let place = PANICKED_AT.with(|at| at.borrow_mut().take());
    place.map_or(String::new(), |place| format!("at {place}"))
}

/// A judge of runs of this job, each of them twice if asked.
pub(super) fn judge_of(subject: &Subject, twins: bool) -> Judge<'_> {
    let options = Options { twins, panicked_at, ..Options::default() };
    Judge::new(&subject.job).asserting(&subject.asserts).with(options)
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
