//! What is done with a finding: it is made small, written down, and explained.

use super::args::{ProfileName, RECORDS, SeedArgs, WorldArgs};
use super::input::{Subject, host};
use super::judge::{code_of, judge_of};
use super::page::{Failure, html};
use super::wrong;
use crate::errors::{self, ErrorCode, JobError};
use crate::output::text::plural;
use anabranch_sim::judge::{Finding, FindingKind};
use anabranch_sim::plan::RunPlan;
use anabranch_sim::report::page::WrongRow;
use anabranch_sim::run::run_with;
use anabranch_sim::shrink::shrink;
use anabranch_sim::world::TraceLine;
use clap::ValueEnum;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// So many smaller plans are tried for a finding of a seed; `sim shrink` tries more.
pub(super) const TRIES: u32 = 600;

/// A finding with all that a person needs to know.
#[derive(Debug)]
pub(super) struct Explained {
    /// Which run it was, such as `seed 7`.
    pub(super) label: String,
    /// What is wrong.
    pub(super) finding: Finding,
    /// The first wrong row.
    pub(super) wrong: Option<WrongRow>,
    /// The small plan.
    pub(super) plan: RunPlan,
    /// How many plans were tried.
    pub(super) tried: u32,
    /// Where the plan was written.
    pub(super) plan_file: PathBuf,
    /// Where the page was written.
    pub(super) page_file: PathBuf,
    /// What runs it again.
    pub(super) command: String,
    /// What happened in the small run.
    pub(super) lines: Vec<TraceLine>,
}

/// What is to be explained.
pub(super) struct Found<'a> {
    /// Which run it was, such as `seed 7`.
    pub(super) label: String,
    /// What its files are called, without their endings.
    pub(super) file: String,
    /// The plan that failed.
    pub(super) plan: &'a RunPlan,
    /// What is wrong with it.
    pub(super) finding: &'a Finding,
    /// How many smaller plans may be tried.
    pub(super) tries: u32,
    /// The page's file, if it is not beside the plan.
    pub(super) report: Option<&'a Path>,
    /// The file that the plan was read from; it is left as it is.
    pub(super) origin: Option<&'a Path>,
}

/// Makes a finding small, writes plan and page, and tells the wrong row.
///
/// # Errors
/// If the files cannot be written.
pub(super) fn explain(
    subject: &Subject,
    world: &WorldArgs,
    found: &Found<'_>,
) -> Result<Explained, JobError> {
    let mut judge = judge_of(subject, is_of_twins(&found.finding.kind));
    let (mut plan, mut tried) = (found.plan.clone(), 0);
    if found.tries > 0 {
        let shrunk = shrink(found.plan, found.tries, &mut |plan| {
            judge.judge(plan).ok()?.1.map(|finding| finding.kind)
        });
        (plan, tried) = (shrunk.plan, shrunk.tried);
    }
    let again = judge.judge(&plan).ok().and_then(|(_, finding)| finding);
    let finding = again.unwrap_or_else(|| found.finding.clone());
    let result = run_with(&plan, &subject.job, host(&plan, &subject.job), true)
        .map_err(|what| JobError::new(&errors::SIM_STALE, what))?;
    let plan_file = match found.origin {
        Some(file) => file.to_owned(),
        None => world.out.join(format!("{}.plan", found.file)),
    };
    let page_file = match found.report {
        Some(file) => file.to_owned(),
        None => world.out.join(format!("{}.html", found.file)),
    };
    let command = command(&subject.file, &plan_file, world);
    let violation = match &finding.kind {
        FindingKind::Oracle("assert", _) => {
            judge.asserted().iter().find_map(|it| it.violation.clone())
        }
        _ => None,
    };
    let wrong = match &violation {
        Some(violation) => Some(wrong::of_assert(violation)),
        None => wrong::first(&plan, &subject.job, &result, &finding.kind),
    };
    let page = html(&Failure {
        title: format!("{}, {}", subject.name, found.label),
        plan: &plan,
        result: &result,
        finding: Some(&finding),
        wrong: wrong.clone(),
        violation,
        command: command.clone(),
    });
    if found.origin.is_none() {
        write(&plan_file, &commented(&plan, &finding, &command))?;
    }
    write(&page_file, &page)?;
    Ok(Explained {
        label: found.label.clone(),
        finding,
        wrong,
        plan,
        tried,
        plan_file,
        page_file,
        command,
        lines: result.lines,
    })
}

/// Whether only a second run can show it.
pub(super) fn is_of_twins(kind: &FindingKind) -> bool {
    matches!(kind, FindingKind::Oracle("S8", word) if word.contains("twins"))
}

/// The plan's text, with what it shows above it.
fn commented(plan: &RunPlan, finding: &Finding, command: &str) -> String {
    let mut text = String::new();
    for line in finding.to_string().lines().chain(["", command]) {
        let _ = writeln!(text, "{}", format!("# {line}").trim_end());
    }
    let plan = plan.to_string();
    let (first, rest) = plan.split_once('\n').unwrap_or((&plan, ""));
    format!("{first}\n{text}{rest}")
}

/// Writes a file, and the folder that it lies in.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write(file: &Path, text: &str) -> Result<(), JobError> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(file, text)).map_err(
        |error| {
            let message = format!("cannot write {}: {error}", file.display());
            JobError::new(&errors::NO_FILE, message)
        },
    )
}

/// What a shell runs a plan again with.
pub(super) fn command(job: &str, plan: &Path, world: &WorldArgs) -> String {
    let plan = quoted(&plan.display().to_string());
    format!("anabranch sim {} --plan {plan}{}", quoted(job), plant_option(world))
}

/// What a shell runs a seed again with.
pub(super) fn seed_command(job: &str, seed: u64, args: &SeedArgs) -> String {
    let world = &args.world;
    let mut command = format!("anabranch sim {} --seed {seed}", quoted(job));
    if args.profile != ProfileName::Swarm {
        let profile = args.profile.to_possible_value().expect("no profile is hidden");
        let _ = write!(command, " --profile {}", profile.get_name());
    }
    if world.records != RECORDS {
        let _ = write!(command, " --records {}", world.records);
    }
    if let Some(folder) = &world.from_journal {
        let _ = write!(command, " --from-journal {}", quoted(&folder.display().to_string()));
    }
    for assumed in &args.assumed {
        let _ = write!(command, " --assume {}", assumed.name());
    }
    command + &plant_option(world)
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-=+:,@%".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(feature = "plants")]
fn plant_option(world: &WorldArgs) -> String {
    world.plant.as_ref().map_or_else(String::new, |name| format!(" --plant {name}"))
}

#[cfg(not(feature = "plants"))]
fn plant_option(_: &WorldArgs) -> String {
    String::new()
}

impl Explained {
    /// Of what kind it is.
    pub(super) fn code(&self) -> &'static ErrorCode {
        code_of(&self.finding.kind)
    }

    /// The short name of the oracle that fired.
    pub(super) fn oracle(&self) -> &'static str {
        self.finding.kind.oracle()
    }

    /// All of it, for people.
    pub(super) fn text(&self) -> String {
        let mut out = format!("{}: {}: {}\n", self.label, self.code().title, self.finding);
        if let Some(wrong) = &self.wrong {
            let or_none = |row: &Option<String>| row.clone().unwrap_or_else(|| "no row".to_owned());
            let _ = writeln!(out, "  expected  {}", or_none(&wrong.expected));
            let _ = writeln!(out, "  got       {}", or_none(&wrong.got));
            for (index, origin) in wrong.origins.iter().enumerate() {
                let word = if index == 0 { "from" } else { "" };
                let _ = writeln!(out, "  {word:<9} {origin}");
            }
        }
        for (index, deviation) in self.plan.deviations.iter().enumerate() {
            let word = if index == 0 { "after" } else { "" };
            let _ = writeln!(out, "  {word:<9} {}: {}", deviation.trigger, deviation.action);
        }
        let size = format!(
            "{}, {}",
            plural(self.plan.deviations.len() as u64, "deviation"),
            plural(self.plan.record_count() as u64, "record")
        );
        let _ = writeln!(out, "  plan      {} ({size})", self.plan_file.display());
        let _ = writeln!(out, "  page      {}", self.page_file.display());
        let _ = writeln!(out, "  again     {}", self.command);
        out
    }

    /// All of it, for programs.
    pub(super) fn json(&self) -> serde_json::Value {
        let wrong = self.wrong.as_ref();
        serde_json::json!({
            "oracle": self.oracle(),
            "code": self.code().code,
            "detail": self.finding.to_string(),
            "expected": wrong.and_then(|wrong| wrong.expected.clone()),
            "got": wrong.and_then(|wrong| wrong.got.clone()),
            "from": wrong.map(|wrong| wrong.origins.clone()).unwrap_or_default(),
            "deviations": self.plan.deviations.len(),
            "records": self.plan.record_count(),
            "tried": self.tried,
            "plan": self.plan_file.display().to_string(),
            "page": self.page_file.display().to_string(),
            "command": self.command,
        })
    }

    /// What happened, line by line.
    pub(super) fn trace(&self) -> String {
        trace(&self.lines)
    }
}

/// What happened, line by line.
pub(super) fn trace(lines: &[TraceLine]) -> String {
    let mut out = String::new();
    for line in lines {
        let _ = writeln!(out, "{} process {}: {}", line.at, line.process, line.text);
    }
    out
}
