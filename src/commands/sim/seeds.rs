//! Runs of seeds: several at once, each by itself, results in the order of the seeds.

use super::args::{ProfileName, SeedArgs, SeedRange};
use super::findings::{self, Explained, Found, TRIES, explain};
use super::formats::{Printer, Verdict};
use super::input::{Subject, host};
use super::judge::{code_of, judge_of};
use super::page::{Failure, html};
use super::pool;
use super::summary::{RunNumbers, Scope, Summary};
use crate::errors::{self, ErrorCode, JobError};
use crate::output::console::{progress_bar, show_text};
use crate::output::text::plural;
use anabranch_sim::judge::Finding;
use anabranch_sim::plan::RunPlan;
use anabranch_sim::run::run_with;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

/// Every so-manieth seed runs twice, and both runs must be the same.
const TWIN_EVERY: u64 = 10;
/// So many findings of different kinds are explained.
const EXPLAINED_MAX: usize = 3;

/// What came of one run.
pub(super) struct Run {
    /// What it adds to the summary.
    pub(super) numbers: RunNumbers,
    /// What is wrong with it, with its plan.
    pub(super) found: Option<(Finding, RunPlan)>,
    /// How long it took.
    pub(super) took: Duration,
    /// Deviations that never happened and marks that were not hit, in words.
    pub(super) stale: Vec<String>,
}

/// Runs seeds, or a plan.
///
/// # Errors
/// If something was found, or the job cannot be simulated.
pub(super) fn run(args: &SeedArgs) -> Result<(), JobError> {
    match &args.plan {
        Some(file) => run_plan(args, file),
        None => run_seeds(args),
    }
}

/// Runs a plan and notes what came of it.
pub(super) fn run_one(subject: &Subject, plan: RunPlan, has_twin: bool) -> Result<Run, String> {
    let begun = Instant::now();
    let mut judge = judge_of(subject, has_twin);
    let (result, finding) = judge.judge(&plan)?;
    let stale = result.stale.iter().filter_map(|index| plan.deviations.get(*index));
    let stale = stale.map(|it| format!("never happened: when {} do {}", it.trigger, it.action));
    let missed = result.missed.iter().map(|mark| format!("was not hit: {mark}"));
    let stale = stale.chain(missed).collect();
    let mut numbers = RunNumbers::of(&plan, &subject.job, &result);
    numbers.asserts = judge.asserted().to_vec();
    Ok(Run { numbers, found: finding.map(|finding| (finding, plan)), took: begun.elapsed(), stale })
}

fn run_seeds(args: &SeedArgs) -> Result<(), JobError> {
    let file = args.file.as_deref().ok_or_else(|| {
        JobError::new(&errors::NO_FILE, "no job was named")
            .with_help("anabranch sim JOB.sql --seeds 1..100")
    })?;
    let begun = Instant::now();
    let mut subject = Subject::load(file, &args.world)?;
    subject.assumed = args.assumed.iter().copied().collect();
    let range = args.seed.map_or(args.seeds, |seed| SeedRange { first: seed, last: seed });
    let deadline = args.time.map(|time| begun + time);
    let is_single = range.first == range.last;
    let plan_of = |seed| subject.plan(seed, args.profile);
    if let Some(file) = &args.save {
        findings::write(file, &plan_of(range.first).to_string())?;
    }
    let work = |seed: u64| {
        super::plants::switch_on(&args.world)?;
        let has_twin = is_single || seed.is_multiple_of(TWIN_EVERY);
        run_one(&subject, plan_of(seed), has_twin)
    };
    let scope = match args.profile {
        ProfileName::Calm => Scope::Calm,
        ProfileName::Swarm | ProfileName::Storm => Scope::Plans,
    };
    let mut batch = Batch {
        subject: &subject,
        args: &args.world,
        printer: Printer::new(args.world.format, args.verbose || is_single),
        summary: Summary::of(scope),
        explained: Vec::new(),
        first: None,
        tries: TRIES,
        fail_fast: args.fail_fast,
        failed: None,
    };
    super::plants::switch_on(&args.world).map_err(|what| JobError::new(&errors::CONFIG, what))?;
    let bar = progress_bar(range.last - range.first + 1);
    pool::in_order(pool::threads(args.world.jobs), (range.first, range.last), deadline, work, {
        let bar = bar.clone();
        let batch = &mut batch;
        move |seed, run| {
            let flow = batch.take(&format!("seed {seed}"), &seed.to_string(), run);
            if let Some(bar) = &bar {
                bar.inc(1);
                bar.set_message(format!("{} found", batch.summary.found));
            }
            flow
        }
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let seeds = plural(batch.summary.seeds, "seed");
    let title = match is_single {
        true => format!("seed {}", range.first),
        false => format!("{seeds} of {range}"),
    };
    if is_single {
        show_single(args, &subject, &plan_of(range.first), &batch)?;
    }
    batch.end(&title, begun.elapsed(), args.trace && !is_single)
}

/// What is shown of a single run though nothing is wrong with it.
fn show_single(
    args: &SeedArgs,
    subject: &Subject,
    plan: &RunPlan,
    batch: &Batch<'_>,
) -> Result<(), JobError> {
    if let Some(explained) = batch.explained.first() {
        return if args.trace { show_text(&explained.trace()) } else { Ok(()) };
    }
    if !args.trace && args.world.report.is_none() {
        return Ok(());
    }
    let result = run_with(plan, &subject.job, host(plan, &subject.job), true)
        .map_err(|what| JobError::new(&errors::SIM_STALE, what))?;
    if let Some(report) = &args.world.report {
        let command = match &args.plan {
            Some(file) => findings::command(&subject.file, file, &args.world),
            None => findings::seed_command(&subject.file, plan.seed, args),
        };
        let title = format!("{}, seed {}", subject.name, plan.seed);
        let result = &result;
        let (finding, wrong, violation) = (None, None, None);
        let page = html(&Failure { title, plan, result, finding, wrong, violation, command });
        findings::write(report, &page)?;
    }
    match args.trace {
        true => show_text(&findings::trace(&result.lines)),
        false => Ok(()),
    }
}

/// Runs the plan of a file.
fn run_plan(args: &SeedArgs, file: &Path) -> Result<(), JobError> {
    let begun = Instant::now();
    let plan = read_plan(file)?;
    let job = job_of(args.file.as_deref(), &plan, file);
    let subject = Subject::load(&job, &args.world)?;
    super::plants::switch_on(&args.world).map_err(|what| JobError::new(&errors::CONFIG, what))?;
    let run = run_one(&subject, plan.clone(), true)
        .map_err(|what| JobError::new(&errors::SIM_STALE, format!("{}: {what}", file.display())))?;
    let stale = run.stale.clone();
    let label = format!("plan {}", file.display());
    let stem = file.file_stem().map_or("plan".into(), |stem| stem.to_string_lossy());
    let scope = if plan.deviations.is_empty() { Scope::Calm } else { Scope::Deaths };
    let mut batch = Batch {
        subject: &subject,
        args: &args.world,
        printer: Printer::new(args.world.format, true),
        summary: Summary::of(scope),
        explained: Vec::new(),
        first: None,
        tries: 0,
        fail_fast: true,
        failed: None,
    };
    let _ = batch.take_as(&label, Some(file), &stem, Ok(run));
    show_single(args, &subject, &plan, &batch)?;
    batch.end(&label, begun.elapsed(), false)?;
    match stale.is_empty() {
        true => Ok(()),
        false => {
            let message = format!("{}:\n  {}", file.display(), stale.join("\n  "));
            Err(JobError::new(&errors::SIM_STALE, message))
        }
    }
}

/// Reads a plan.
///
/// # Errors
/// If it makes no sense.
pub(super) fn read_plan(file: &Path) -> Result<RunPlan, JobError> {
    let text = fs::read_to_string(file).map_err(|error| {
        let message = format!("cannot read {}: {error}", file.display());
        JobError::new(&errors::NO_FILE, message)
    })?;
    text.parse().map_err(|error: anabranch_sim::plan::text::PlanError| {
        JobError::new(&errors::SIM_PLAN, format!("{}: {error}", file.display()))
    })
}

/// The job of a plan: the one that is named, or else the plan's own, as it was named when
/// the plan was made, or beside the plan.
pub(super) fn job_of(named: Option<&Path>, plan: &RunPlan, plan_file: &Path) -> std::path::PathBuf {
    let own = Path::new(&plan.job);
    let beside = plan_file.parent().unwrap_or(Path::new("")).join(own);
    match named {
        Some(named) => named.to_owned(),
        None if !own.exists() && beside.exists() => beside,
        None => own.to_owned(),
    }
}

/// Runs that are printed, added up and explained, one after the other.
pub(super) struct Batch<'a> {
    pub(super) subject: &'a Subject,
    pub(super) args: &'a super::args::WorldArgs,
    pub(super) printer: Printer,
    pub(super) summary: Summary,
    /// The first findings of each kind.
    pub(super) explained: Vec<Explained>,
    /// What the process exits with, and the message: those of the first finding.
    pub(super) first: Option<(&'static ErrorCode, String)>,
    /// So many smaller plans are tried for each.
    pub(super) tries: u32,
    pub(super) fail_fast: bool,
    /// Why the runs could not go on.
    pub(super) failed: Option<JobError>,
}

impl Batch<'_> {
    /// Takes the next run; `name` is what its files are called.
    pub(super) fn take(
        &mut self,
        label: &str,
        name: &str,
        run: Result<Run, String>,
    ) -> ControlFlow<()> {
        let name = format!("{}-{name}", self.subject.name);
        self.take_as(label, None, &name, run)
    }

    fn take_as(
        &mut self,
        label: &str,
        origin: Option<&Path>,
        file: &str,
        run: Result<Run, String>,
    ) -> ControlFlow<()> {
        let taken = run
            .map_err(|what| JobError::new(&errors::BUG, format!("{label}: {what}")))
            .and_then(|run| self.add(label, origin, file, &run));
        match taken {
            Ok(found) if found && self.fail_fast => ControlFlow::Break(()),
            Ok(_) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn add(
        &mut self,
        label: &str,
        origin: Option<&Path>,
        file: &str,
        run: &Run,
    ) -> Result<bool, JobError> {
        self.summary.add(&run.numbers, run.found.is_some());
        let Some((finding, plan)) = &run.found else {
            self.printer.run(label, &run.numbers, run.took, &Verdict::Fine)?;
            return Ok(false);
        };
        let message = format!("{label}: {}", finding.kind.words());
        self.first.get_or_insert_with(|| (code_of(&finding.kind), message));
        let same = |explained: &&Explained| explained.finding.kind == finding.kind;
        let before = self.explained.iter().find(same).map(|explained| explained.label.clone());
        let many = self.explained.len() >= EXPLAINED_MAX;
        let before = before.or_else(|| many.then(|| "others before".to_owned()));
        if let Some(before) = before {
            let verdict = Verdict::Again { what: finding.kind.words(), label: before };
            self.printer.run(label, &run.numbers, run.took, &verdict)?;
            return Ok(true);
        }
        let report = self.args.report.as_deref().filter(|_| self.explained.is_empty());
        let (label, file, tries) = (label.to_owned(), file.to_owned(), self.tries);
        let found = Found { label, file, plan, finding, tries, report, origin };
        let explained = explain(self.subject, self.args, &found)?;
        let verdict = Verdict::Found(&explained);
        self.printer.run(&explained.label, &run.numbers, run.took, &verdict)?;
        self.explained.push(explained);
        Ok(true)
    }

    /// All runs are over: prints the summary.
    ///
    /// # Errors
    /// If something was found, or the runs say little.
    pub(super) fn end(self, title: &str, took: Duration, with_trace: bool) -> Result<(), JobError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if let (true, Some(explained)) = (with_trace, self.explained.first()) {
            self.printer.note(&explained.trace())?;
        }
        self.printer.end(title, self.subject, &self.summary, took)?;
        if let Some((code, message)) = self.first {
            return Err(JobError::new(code, message));
        }
        match self.summary.tame(self.subject) {
            None => Ok(()),
            Some(why) => Err(JobError::new(&errors::SIM_TAME, why)),
        }
    }
}
