//! `sim sweep`: the job is killed around every single output of an undisturbed run, and,
//! where no store has a lock, made a zombie there. One run for each.

use super::args::{ProfileName, SweepArgs};
use super::formats::Printer;
use super::input::{Subject, host};
use super::pool;
use super::seeds::{Batch, run_one};
use super::summary::Summary;
use crate::errors::{self, JobError};
use crate::output::console::progress_bar;
use crate::output::text::plural;
use anabranch_sim::plan::{Action, Deviation, Operation, Point, RunPlan, Trigger};
use anabranch_sim::run::run_with;
use anabranch_sim::time::Span;
use std::time::Instant;

/// So many smaller plans are tried: a plan of a sweep has one deviation.
const TRIES: u32 = 300;
/// How long a process that was killed is down.
const DOWN: Span = Span::ms(30);
/// How long a zombie stands still: its successor has started and done something.
const STILL: Span = Span::ms(700);

/// What is done at an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    /// Killed before it is handed on.
    KilledBefore,
    /// Killed right behind it.
    KilledAfter,
    /// It stands still behind it, is replaced, and goes on.
    Zombie,
}

impl Blow {
    fn word(self) -> &'static str {
        match self {
            Blow::KilledBefore => "killed before output",
            Blow::KilledAfter => "killed after output",
            Blow::Zombie => "zombie after output",
        }
    }
}

/// Sweeps.
///
/// # Errors
/// If something was found, or the job cannot be simulated.
pub(super) fn run(args: &SweepArgs) -> Result<(), JobError> {
    let begun = Instant::now();
    let subject = Subject::load(&args.file, &args.world)?;
    let plant = |what| JobError::new(&errors::CONFIG, what);
    super::plants::switch_on(&args.world).map_err(plant)?;
    let plan = subject.plan(args.seed, ProfileName::Calm);
    let outputs = outputs_of(&plan, &subject)
        .map_err(|what| JobError::new(&errors::BUG, format!("{}: {what}", subject.file)))?;
    let mut blows = vec![Blow::KilledBefore, Blow::KilledAfter];
    if host(&plan, &subject.job).is_lock_free() {
        blows.push(Blow::Zombie);
    }
    let places = (1..=outputs).step_by(args.every as usize);
    let cells = places.flat_map(|nth| blows.iter().map(move |blow| (nth, *blow)));
    // Behind the last output there is no process any more.
    let cells: Vec<(u32, Blow)> =
        cells.filter(|(nth, blow)| *nth < outputs || *blow == Blow::KilledBefore).collect();
    let mut batch = Batch {
        subject: &subject,
        args: &args.world,
        printer: Printer::new(args.world.format, false),
        summary: Summary::default(),
        explained: Vec::new(),
        first: None,
        tries: TRIES,
        fail_fast: args.fail_fast,
        failed: None,
    };
    let work = |index: u64| {
        super::plants::switch_on(&args.world)?;
        let (nth, blow) = cells[index as usize];
        run_one(&subject, struck(&plan, nth, blow), false)
    };
    let last = (cells.len() as u64).saturating_sub(1);
    let bar = progress_bar(cells.len() as u64);
    pool::in_order(pool::threads(args.world.jobs), (0, last), None, work, |index, run| {
        let (nth, blow) = cells[index as usize];
        let label = format!("{} {nth}", blow.word());
        let flow = batch.take(&label, &label.replace(' ', "-"), run);
        if let Some(bar) = &bar {
            bar.inc(1);
        }
        flow
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let (runs, outputs) = (batch.summary.seeds, plural(u64::from(outputs), "output"));
    let title =
        format!("sweep of {} over the {outputs} of seed {}", plural(runs, "run"), args.seed);
    batch.end(&title, begun.elapsed(), false, false)
}

/// How many outputs the job makes when nothing goes wrong.
fn outputs_of(plan: &RunPlan, subject: &Subject) -> Result<u32, String> {
    // As long as a deviation finds no output of that number, there are fewer.
    let has = |nth: u32| -> Result<bool, String> {
        let probe = struck(plan, nth, Blow::KilledBefore);
        let result = run_with(&probe, &subject.job, host(plan, &subject.job), false)?;
        Ok(result.stale.is_empty())
    };
    let (mut there, mut not_there) = (0, 64);
    while has(not_there)? {
        (there, not_there) = (not_there, not_there * 2);
    }
    while not_there - there > 1 {
        let middle = there.midpoint(not_there);
        if has(middle)? {
            there = middle;
        } else {
            not_there = middle;
        }
    }
    Ok(there)
}

/// The plan with one blow to the first process.
fn struck(plan: &RunPlan, nth: u32, blow: Blow) -> RunPlan {
    let point = match blow {
        Blow::KilledBefore => Point::Before(Operation::Output),
        Blow::KilledAfter | Blow::Zombie => Point::After(Operation::Output),
    };
    let action = match blow {
        Blow::KilledBefore | Blow::KilledAfter => Action::Crash { restart: Some(DOWN) },
        Blow::Zombie => Action::Pause { span: STILL, successor: true, until: None },
    };
    let trigger = Trigger::When { nth, point, holding: None, restarts: Some(0) };
    RunPlan { deviations: vec![Deviation { trigger, action }], ..plan.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blow_is_one_deviation_of_the_first_process() {
        let plan = RunPlan::calm("job", 1, Default::default());
        let plan = struck(&plan, 7, Blow::KilledAfter);
        assert!(
            plan.to_string()
                .ends_with("when nth 7 after output after restart 0 do crash restart 30ms\n")
        );
    }
}
