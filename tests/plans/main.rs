//! Plans of runs that once showed a mistake: they show nothing, and still happen as they
//! were written.
//!
//! Some were made with a bug that is planted in the engine; `sim/plants` holds them against
//! it. The others show what the simulator found in the engine itself, before it was mended
//! (docs/SIMULATION.md). A plan of which something does not happen any more is stale, and
//! fails: it would test nothing.

use anabranch_engine::plan::Plan;
use anabranch_sim::judge::{Judge, Options};
use anabranch_sim::plan::RunPlan;
use anabranch_sql::{BuiltinConnectors, compile};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The plans with their names, in the order of these.
fn plans() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(root().join("tests/plans")).expect("the plans are there");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|it| it == "plan")).collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.file_stem().expect("a plan has a name").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).expect("a plan is text"))
    };
    paths.iter().map(read).collect()
}

/// The job that a plan names: a file of the repository, or one beside the plan.
fn job_of(plan: &RunPlan) -> Arc<Plan> {
    let beside = root().join("tests/plans").join(&plan.job);
    let file = if beside.exists() { beside } else { root().join(&plan.job) };
    let text = std::fs::read_to_string(&file).expect("the job is there");
    let compiled = compile(&text, &BuiltinConnectors);
    Arc::new(compiled.plan.unwrap_or_else(|| panic!("{}: {:?}", plan.job, compiled.diagnostics)))
}

#[test]
fn every_plan_happens_as_it_was_written_and_shows_nothing() {
    // spec: E-1
    let mut problems = Vec::new();
    let plans = plans();
    assert!(plans.len() >= 10, "only {} plans", plans.len());
    for (name, text) in plans {
        let plan: RunPlan = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        let job = job_of(&plan);
        let options = Options { twins: true, ..Options::default() };
        let judged = Judge::new(&job).with(options).judge(&plan);
        let (result, finding) = judged.unwrap_or_else(|what| panic!("{name}: {what}"));
        problems.extend(finding.map(|finding| format!("{name}: {finding}")));
        let stale = result.stale.iter().map(|index| &plan.deviations[*index]);
        problems.extend(stale.map(|it| format!("{name}: never happened: {}", it.trigger)));
        problems.extend(result.missed.iter().map(|mark| format!("{name}: was not hit: {mark}")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn every_plan_says_what_it_shows_and_what_runs_it_again() {
    let mut problems = Vec::new();
    for (name, text) in plans() {
        let line = |word: &str| {
            let begin = format!("# {word:<8} ");
            text.lines().find_map(|line| line.strip_prefix(&begin)).map(str::to_owned)
        };
        let (plant, mended) = (line("plant"), line("mended"));
        let with_plant = plant.as_ref().map_or(String::new(), |name| format!(" --plant {name}"));
        let again = format!("anabranch sim --plan tests/plans/{name}.plan{with_plant}");
        if line("again") != Some(again) {
            problems.push(format!("{name}: what runs it again?"));
        }
        if line("finding").is_none() || plant.is_some() == mended.is_some() {
            problems.push(format!("{name}: which mistake shows how?"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
