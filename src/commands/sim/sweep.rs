//! `sim sweep`: the job is killed around every single output of an undisturbed run, and,
//! where no store has a lock, made a zombie there. One run for each. With `--zombies` it is
//! a zombie at each output, which goes on behind each output of its successor.

use super::args::{ProfileName, SweepArgs};
use super::formats::Printer;
use super::input::{Subject, host};
use super::pool;
use super::seeds::{Batch, run_one};
use super::summary::{Scope, Summary};
use crate::errors::{self, JobError};
use crate::output::console::progress_bar;
use crate::output::text::plural;
use anabranch_engine::plan::Plan;
use anabranch_sim::plan::{Action, Deviation, Operation, Point, RunPlan, StoreKind, Trigger};
use anabranch_sim::run::run_with;
use anabranch_sim::time::Span;
use std::time::Instant;

/// So many smaller plans are tried: a plan of a sweep has one deviation.
const TRIES: u32 = 300;
/// How long a process that was killed is down.
const DOWN: Span = Span::ms(30);
/// How long a zombie stands still: its successor has started and done something.
const STILL: Span = Span::ms(700);
/// How long one stands still at most that waits for outputs of its successor.
const LONG: Span = Span::ms(30_000);

/// What is done at an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blow {
    /// Killed before it is handed on.
    KilledBefore,
    /// Killed right behind it.
    KilledAfter,
    /// It stands still behind it, is replaced, and goes on.
    Zombie,
    /// It stands still before it, is replaced, and goes on behind this output of the
    /// successor.
    ZombieUntil(u32),
}

impl Blow {
    fn label(self, nth: u32) -> String {
        match self {
            Blow::KilledBefore => format!("killed before output {nth}"),
            Blow::KilledAfter => format!("killed after output {nth}"),
            Blow::Zombie => format!("zombie after output {nth}"),
            Blow::ZombieUntil(moment) => format!("zombie before output {nth} until {moment}"),
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
    let mut plan = subject.plan(args.seed, ProfileName::Calm);
    if args.zombies.is_some() {
        take_locks_away(&mut plan, &subject.job);
    }
    let outputs = outputs_of(&plan, &subject)
        .map_err(|what| JobError::new(&errors::BUG, format!("{}: {what}", subject.file)))?;
    let scope = if args.zombies.is_some() { Scope::Zombies } else { Scope::Deaths };
    // A successor makes at most a few outputs more, which find nothing new.
    let blows = match args.zombies {
        Some(step) => (1..=outputs).step_by(step as usize).map(Blow::ZombieUntil).collect(),
        None if host(&plan, &subject.job).is_lock_free() => {
            vec![Blow::KilledBefore, Blow::KilledAfter, Blow::Zombie]
        }
        None => vec![Blow::KilledBefore, Blow::KilledAfter],
    };
    let places = (1..=outputs).step_by(args.every as usize);
    let cells = places.flat_map(|nth| blows.iter().map(move |blow| (nth, *blow)));
    // Behind the last output there is no process any more.
    let needs_life = |blow: &Blow| matches!(blow, Blow::KilledAfter | Blow::Zombie);
    let cells: Vec<(u32, Blow)> =
        cells.filter(|(nth, blow)| *nth < outputs || !needs_life(blow)).collect();
    let mut batch = Batch {
        subject: &subject,
        args: &args.world,
        printer: Printer::new(args.world.format, false),
        summary: Summary::of(scope),
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
        let label = blow.label(nth);
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
    batch.end(&title, begun.elapsed(), false)
}

/// Stores under which a process can be replaced while it stands still.
fn take_locks_away(plan: &mut RunPlan, job: &Plan) {
    let stores = &mut plan.settings.stores;
    (stores.journal, stores.snapshots) = (StoreKind::Topic, StoreKind::Object);
    for table in job.tables.iter().filter(|table| table.connector == "filesystem") {
        stores.sink.insert(table.name.clone(), StoreKind::Ideal);
    }
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
        Blow::KilledBefore | Blow::ZombieUntil(_) => Point::Before(Operation::Output),
        Blow::KilledAfter | Blow::Zombie => Point::After(Operation::Output),
    };
    let action = match blow {
        Blow::KilledBefore | Blow::KilledAfter => Action::Crash { restart: Some(DOWN) },
        Blow::Zombie => Action::Pause { span: STILL, successor: true, until: None },
        Blow::ZombieUntil(moment) => {
            Action::Pause { span: LONG, successor: true, until: Some(moment) }
        }
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
        let plan = struck(&plan, 7, Blow::ZombieUntil(4));
        let last = "before output after restart 0 do pause 30s successor until 4\n";
        assert!(plan.to_string().ends_with(last), "{plan}");
    }
}
