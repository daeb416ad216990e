//! A fixed set of seeds of every canonical job.

use crate::judged::{every, judged, tell};
use crate::scenarios::{Scenario, all, more};
use anabranch_sim::generate::{Material, Profile, generate, harden};
use anabranch_sim::judge::FindingKind;
use anabranch_sim::plan::RunPlan;
use anabranch_sim::run::run;
use anabranch_sim::shrink::shrink;
use anabranch_sim::world::Counts;

/// Seeds of each job; `CANON_SEEDS=FIRST..LAST` chooses others.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=40;

#[expect(clippy::disallowed_methods, reason = "a night chooses other seeds")]
fn seeds() -> std::ops::RangeInclusive<u64> {
    let Ok(text) = std::env::var("CANON_SEEDS") else { return SEEDS };
    let ends = text
        .split_once("..")
        .and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    let (first, last) = ends.expect("CANON_SEEDS is FIRST..LAST");
    first..=last
}

/// Kinds of faults, each of which happens in some of the seeds.
const FAULTS: &[&str] = &[
    "clock-drift",
    "clock-jump",
    "crash",
    "cut",
    "cut-answers",
    "cut-requests",
    "delay",
    "disk-power-failure",
    "double-start",
    "drop-answer",
    "drop-request",
    "duplicate",
    "expire-producers",
    "fail-sync",
    "failover",
    "fill",
    "late",
    "lose-acknowledged",
    "lose-marker",
    "pause",
    "power-failure",
    "refuse",
    "rot",
    "slow",
    "source-compact",
    "source-recreate",
    "source-retain",
    "source-truncate",
    "stop-insert",
    "zombie",
];

/// What has to happen now and then, else the seeds are too tame.
const SOMETIMES: &[&str] = &[
    "answer-thrown-away",
    "chunk-fenced",
    "chunk-transient",
    "chunk-unknown",
    "crash-while-looking",
    "crash-while-recovering",
    "crash-while-running",
    "dead-row",
    "epochs-replayed",
    "held-by-sink",
    "late-row",
    "read-out-of-range",
    "recovered-from-snapshot",
    "restarted-after-failure",
    "retried",
    "segment-followed",
    "sink-given-up",
    "snapshot-failed",
    "snapshot-skipped",
    "snapshot-stored",
    "tail-cut",
    "tie-turned",
    "unknown-outcome",
    "zombie",
];

fn plans(scenario: &Scenario) -> Vec<(String, RunPlan)> {
    let material = Material {
        stores: scenario.plan.settings.stores.clone(),
        records_max: 40,
        ..Material::new(scenario.name, Profile::Swarm)
    };
    seeds()
        .map(|seed| {
            let mut plan = generate(seed, &scenario.job, &material);
            harden(&mut plan, &scenario.job);
            (format!("{} seed {seed}", scenario.name), plan)
        })
        .collect()
}

/// Runs all seeds of a job; what is wrong is made small before it is shown.
fn counted(scenario: &Scenario) -> (u64, Counts) {
    let plans = plans(scenario);
    let mut counts = Counts::default();
    let wrong = every(&plans, |plan| {
        let (result, wrong) = judged(scenario, plan);
        counts.add(&result.counts);
        wrong
    });
    if let Some(first) = wrong.first() {
        let found = plans.iter().find(|(name, _)| first.starts_with(&format!("{name}:")));
        let (_, plan) = found.expect("what is wrong names its seed");
        let small = shrink(plan, 500, &mut |plan| {
            run(plan, &scenario.job).ok()?;
            let wrong = judged(scenario, plan).1.into_iter().next()?;
            let word = wrong.split(':').next().unwrap_or_default().to_owned();
            Some(FindingKind::Oracle("canon", word))
        });
        panic!("{wrong:#?}\n{}", small.plan);
    }
    (plans.len() as u64, counts)
}

#[test]
fn no_fixed_seed_of_a_canonical_job_changes_anything() {
    // spec: E-1, E-2, E-3, J-1, J-3, J-5, J-6, K-1, K-3, K-4, K-5, S-1, S-2, T-2, T-3
    let (mut seeds, mut counts) = (0, Counts::default());
    for scenario in all().into_iter().chain(more()) {
        let (each, more) = counted(&scenario);
        tell(&format!("{:9} {each} seeds", scenario.name));
        seeds += each;
        counts.add(&more);
        more.seeds.iter().for_each(|(mark, n)| *counts.seeds.entry(mark).or_insert(0) += n - 1);
    }
    tell(&format!("{:?}\n{seeds} seeds: {:?}", counts.faults, counts.seeds));
    for kind in FAULTS {
        assert!(counts.faults.contains_key(kind), "{kind} never happened");
    }
    for mark in SOMETIMES {
        assert!(counts.marks.contains_key(mark), "{mark} never happened");
    }
    let between = counts.seeds["crash-between-append-and-apply"];
    assert!(between * 5 >= seeds, "{between} of {seeds} seeds crash between append and apply");
}
