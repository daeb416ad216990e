//! Plans of failures that planted bugs made: each shows its bug, and is small.

use anabranch_engine::plan::Plan;
use anabranch_engine::plant::{ALL, Plant};
use anabranch_sim::generate::{Material, Profile, generate};
use anabranch_sim::judge::FindingKind;
use anabranch_sim::plan::RunPlan;
use anabranch_sim::shrink::shrink;
use anabranch_sim_plants::judge;
use anabranch_sql::{BuiltinConnectors, compile};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a failure comes down to.
const DEVIATIONS_MAX: usize = 5;
const RECORDS_MAX: usize = 50;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn job_of(file: &str) -> Arc<Plan> {
    let text = std::fs::read_to_string(root().join(file)).expect("the job is there");
    Arc::new(compile(&text, &BuiltinConnectors).plan.expect("the job has no errors"))
}

/// A plan in `tests/plans` that was made with a planted bug.
struct Kept {
    name: String,
    plant: Plant,
    /// What it shows, in words.
    finding: String,
    plan: RunPlan,
}

fn kept(path: &Path) -> Option<Kept> {
    let text = std::fs::read_to_string(path).expect("a plan is text");
    let line = |word: &str| {
        let begin = format!("# {word:<8} ");
        text.lines().find_map(|line| line.strip_prefix(&begin))
    };
    let named = line("plant")?;
    let plant = ALL.iter().find(|plant| plant.name() == named).expect("there is such a bug");
    Some(Kept {
        name: path.display().to_string(),
        plant: *plant,
        finding: line("finding").expect("the plan says what it shows").to_owned(),
        plan: text.parse().expect("the plan can be read"),
    })
}

fn plans() -> Vec<Kept> {
    let entries = std::fs::read_dir(root().join("tests/plans")).expect("the plans are there");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let plans = paths.filter(|path| path.extension().is_some_and(|it| it == "plan"));
    plans.filter_map(|path| kept(&path)).collect()
}

/// What is wrong with a plan, in words. A panic is a finding, and needs no message.
fn shown(plant: Option<Plant>, job: &Arc<Plan>, plan: &RunPlan) -> Option<String> {
    found(plant, job, plan).map(|finding| finding.words())
}

fn found(plant: Option<Plant>, job: &Arc<Plan>, plan: &RunPlan) -> Option<FindingKind> {
    std::panic::set_hook(Box::new(|_| {}));
    let judged = judge(plant, job, plan);
    let _ = std::panic::take_hook();
    Some(judged.ok()??.kind)
}

#[test]
fn plans_show_their_planted_bugs_and_nothing_without_them() {
    let mut families = BTreeSet::new();
    for Kept { name, plant, finding, plan } in plans() {
        let job = job_of(&plan.job);
        assert_eq!(shown(Some(plant), &job, &plan), Some(finding), "{name}");
        assert_eq!(shown(None, &job, &plan), None, "{name}");
        assert!(plan.deviations.len() <= DEVIATIONS_MAX, "{name}");
        assert!(plan.record_count() <= RECORDS_MAX, "{name}");
        families.insert(plant.name().chars().next());
    }
    assert!(families.len() >= 5, "{families:?}");
}

#[test]
fn a_failure_of_a_seed_becomes_small_within_a_few_hundred_runs() {
    for (plant, file) in [
        (Plant::D1, "sim/jobs/session.sql"),
        (Plant::J6, "sim/jobs/tumble.sql"),
        (Plant::R4, "sim/jobs/session.sql"),
    ] {
        let job = job_of(file);
        let material = Material { records_max: 120, ..Material::new(file, Profile::Swarm) };
        let mut plans = (1..60).map(|seed| generate(seed, &job, &material));
        let is_large = |plan: &RunPlan| plan.record_count() > RECORDS_MAX;
        let shows = |plan: &RunPlan| shown(Some(plant), &job, plan).is_some();
        let large = plans.find(|plan| is_large(plan) && shows(plan)).expect("a seed shows it");
        let small = shrink(&large, 600, &mut |plan| found(Some(plant), &job, plan)).plan;
        let text = format!("{}\n{small}", plant.name());
        assert!(small.deviations.len() <= DEVIATIONS_MAX, "{text}");
        assert!(small.record_count() <= RECORDS_MAX, "{text}");
        assert_eq!(shown(Some(plant), &job, &small), shown(Some(plant), &job, &large), "{text}");
        assert_eq!(shown(None, &job, &small), None, "{text}");
    }
}
