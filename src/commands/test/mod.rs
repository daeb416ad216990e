//! `test`: jobs on small inputs, with the rows that should come of them.
//!
//! Nothing goes wrong here on purpose but a crash now and then: whether a job keeps its
//! promises in a hostile world is for the simulator. What is asked here is whether it
//! computes what its author meant, and the same in every way in which it can be run.

mod asserts;
mod diff;
mod folder;
mod inputs;
mod report;
mod rows;
mod runs;

use crate::cli::TestArgs;
use crate::errors::{self, JobError};
use crate::output::text::plural;
use anabranch_engine::plan::Assert;
use folder::TestFolder;
use report::{AssertReport, Report, Verdict};
use std::time::Instant;

/// Runs all tests in a folder.
///
/// # Errors
/// If a test fails, or there is none, or one cannot be run.
pub(super) fn run(args: &TestArgs) -> Result<(), JobError> {
    let mut folders = folder::find(args)?;
    if let Some(words) = &args.filter {
        folders.retain(|folder| folder.name.contains(words.as_str()));
        if folders.is_empty() {
            let message = format!("no test in {} is called {words}", args.folder.display());
            return Err(JobError::new(&errors::TEST_FOLDER, message));
        }
    }
    let mut reports = Vec::new();
    for folder in &folders {
        let report = one(folder, args.bless);
        report::show(&report, args.format)?;
        reports.push(report);
    }
    report::show_all(&reports, args.format)?;
    let count = |verdict: fn(&Verdict) -> bool| {
        reports.iter().filter(|report| verdict(&report.verdict)).count() as u64
    };
    let broken = count(|verdict| matches!(verdict, Verdict::Broken(_)));
    let failed = count(|verdict| matches!(verdict, Verdict::Failed(_)));
    let all = plural(reports.len() as u64, "test");
    if broken > 0 {
        let message = format!("{broken} of {all} cannot be run");
        return Err(JobError::new(&errors::TEST_FOLDER, message));
    }
    if failed > 0 {
        let message = format!("{failed} of {all} failed");
        return Err(JobError::new(&errors::TEST_FAILED, message));
    }
    Ok(())
}

/// Runs one test.
fn one(folder: &TestFolder, bless: bool) -> Report {
    let begun = Instant::now();
    let mut report = Report::of(&folder.name);
    report.verdict = match check(folder, bless, &mut report) {
        Ok(verdict) => verdict,
        Err(error) => Verdict::Broken(error),
    };
    report.took = begun.elapsed();
    report
}

fn check(folder: &TestFolder, bless: bool, report: &mut Report) -> Result<Verdict, JobError> {
    let job = folder.job()?;
    let compiled = job.compile()?;
    let plan = compiled.plan.ok_or_else(|| {
        let message = format!("{} has neither an INSERT nor a SELECT", job.origin);
        JobError::new(&errors::NOTHING, message)
    })?;
    let expected = folder.expected(&plan)?;
    let asserts = compiled.asserts;
    let named = |assert: &Assert| AssertReport { name: assert.to_string(), ..Default::default() };
    report.asserts = asserts.iter().map(named).collect();
    let (prepared, splits) = inputs::prepare(&plan, &folder.path)?;
    report.records = inputs::count(&splits);
    let mut differences = Vec::new();
    let (straight, cut) = match runs::all(&prepared, &splits, report, &mut differences) {
        Ok(results) => results,
        Err(difference) => return Ok(Verdict::Failed(vec![difference])),
    };
    let cut = cut.as_ref().map(|results| (runs::SMALL, results));
    for run in [(runs::STRAIGHT, &straight)].into_iter().chain(cut) {
        asserts::check(&plan, &asserts, run, report, &mut differences);
    }
    for idle in report.asserts.iter().filter(|assert| assert.rows == 0) {
        let name = &idle.name;
        report.notes.push(format!("assert {name}: its tables held no row, so it says nothing"));
    }
    if bless && differences.is_empty() {
        return Ok(Verdict::Blessed(folder.bless(&straight, &expected)?));
    }
    if expected.is_empty() && asserts.is_empty() && !bless {
        differences.push(diff::Difference::words(
            "nothing is expected: --bless writes what came out, for you to read",
        ));
    }
    for (name, sink) in &straight {
        match expected.get(name) {
            Some(expected) => differences.extend(expected.compare(sink)),
            None if expected.is_empty() => {}
            None => report.notes.push(format!(
                "{name}: {} compared with nothing, for there is no expected/{name}.jsonl",
                plural(sink.len() as u64, "row")
            )),
        }
    }
    Ok(match differences.is_empty() {
        true => Verdict::Passed,
        false => Verdict::Failed(differences),
    })
}
