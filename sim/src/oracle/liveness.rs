//! L1 to L6: once the world has healed, everything comes to its end.

use super::Finding;
use crate::time::{Span, VirtualTime};

/// What the world wrote down of a run's time after it healed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Liveness {
    /// When the last fault was over.
    pub healed: VirtualTime,
    /// When all input was processed and visible, if it was.
    pub done: Option<VirtualTime>,
    /// How long that may take.
    pub done_budget: Span,
    /// Transactions, from when to when they held readers back.
    pub pinned: Vec<Stall>,
    /// How long one may.
    pub pinned_budget: Span,
    /// Splits that were idle or empty and held an operator back.
    pub idle: Vec<Stall>,
    /// How long one may.
    pub idle_budget: Span,
    /// How many times a process started after the world healed.
    pub restarts: u32,
    /// How many are allowed.
    pub restarts_max: u32,
    /// Times in which nothing moved and nobody said what he waited for.
    pub silent: Vec<Stall>,
    /// How long one may be.
    pub silent_budget: Span,
    /// Recoveries.
    pub recoveries: Vec<Recovery>,
    /// How long one may take.
    pub recovery_budget: Span,
    /// Processes that were replaced while they ran.
    pub zombies: Vec<Zombie>,
    /// How long one may run on after it could have learned so.
    pub zombie_budget: Span,
}

/// A time in which something stood still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stall {
    /// What.
    pub what: String,
    /// From when.
    pub since: VirtualTime,
    /// Until when; the end of the run, if it never moved again.
    pub until: VirtualTime,
}

/// A start of a process until it ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Which process.
    pub process: String,
    /// When it started.
    pub started: VirtualTime,
    /// When it took new input.
    pub running: VirtualTime,
}

/// A process that was replaced while it ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zombie {
    /// Which process.
    pub process: String,
    /// When it could have learned that it was replaced.
    pub fenced: VirtualTime,
    /// When it exited, if it did.
    pub exited: Option<VirtualTime>,
}

/// What took too long, or too often.
#[must_use]
pub fn liveness(run: &Liveness) -> Vec<Finding> {
    let mut findings = Vec::new();
    match run.done {
        None => {
            let message = format!("the job is not done, though all is well since {}", run.healed);
            findings.push(Finding::new("L1", "not done", "", message));
        }
        Some(done) if done - run.healed > run.done_budget => {
            let message = format!(
                "the job was done at {done}, later than {} ns after {}",
                run.done_budget.0, run.healed
            );
            findings.push(Finding::new("L1", "done too late", "", message));
        }
        Some(_) => {}
    }
    findings.extend(too_long("L2", "readers held back", &run.pinned, run.pinned_budget));
    findings.extend(too_long("L3", "held back by a quiet split", &run.idle, run.idle_budget));
    if run.restarts > run.restarts_max {
        let message = format!("{} restarts, {} are allowed", run.restarts, run.restarts_max);
        findings.push(Finding::new("L4", "restarts", "", message));
    }
    findings.extend(too_long("L4", "silent stall", &run.silent, run.silent_budget));
    for recovery in &run.recoveries {
        let took = recovery.running - recovery.started;
        if took > run.recovery_budget {
            let message = format!(
                "{} took {} ns to recover from {}, {} are allowed",
                recovery.process, took.0, recovery.started, run.recovery_budget.0
            );
            findings.push(Finding::new("L5", "recovery too long", "", message));
        }
    }
    for zombie in &run.zombies {
        let in_time = zombie.exited.is_some_and(|at| at - zombie.fenced <= run.zombie_budget);
        if !in_time {
            let end = zombie.exited.map_or("never".to_owned(), |at| format!("at {at}"));
            let message =
                format!("{} was fenced at {} and exited {end}", zombie.process, zombie.fenced);
            findings.push(Finding::new("L6", "zombie runs on", "", message));
        }
    }
    findings
}

fn too_long<'a>(
    oracle: &'static str,
    kind: &'static str,
    stalls: &'a [Stall],
    budget: Span,
) -> impl Iterator<Item = Finding> + 'a {
    stalls.iter().filter(move |stall| stall.until - stall.since > budget).map(move |stall| {
        let message = format!(
            "{} from {} until {}, longer than {} ns",
            stall.what, stall.since, stall.until, budget.0
        );
        Finding::new(oracle, kind, "", message)
    })
}
