//! Swarms of seeds: whatever goes wrong, the results are those of a calm run.

use crate::jobs::{services, three_sinks};
use anabranch_engine::plan::Plan;
use anabranch_sim::generate::{Material, Profile, generate};
use anabranch_sim::judge::Judge;
use anabranch_sim::plan::{RunPlan, StoreKind, Stores};
use anabranch_sim::run::run;
use anabranch_sim::world::Counts;
use std::sync::Arc;

/// Runs seeds and gives what happened in all of them together.
fn swarm(job: &Arc<Plan>, material: &Material, seeds: std::ops::Range<u64>) -> Counts {
    let mut counts = Counts::default();
    for seed in seeds {
        let plan = generate(seed, job, material);
        let (result, finding) = Judge::new(job).judge(&plan).expect("the plan fits the job");
        assert_eq!(finding, None, "seed {seed}\n{plan}");
        counts.add(&result.counts);
    }
    counts
}

#[test]
fn nothing_that_goes_wrong_changes_the_results() {
    // spec: E-1, E-2, E-3, J-1, J-3, J-5, J-6, K-1, K-3, K-4, S-1, S-2
    let job = three_sinks();
    let seeds = 40;
    let material = Material::new("three-sinks", Profile::Swarm);
    let counts = swarm(&job, &material, 1..seeds + 1);
    let between = counts.seeds["crash-between-append-and-apply"];
    assert!(between * 5 >= seeds, "{between} of {seeds}");
}

#[test]
fn a_storm_changes_nothing_either() {
    let material = Material::new("three-sinks", Profile::Storm);
    let counts = swarm(&three_sinks(), &material, 1..18);
    for kind in [
        "crash",
        "power-failure",
        "pause",
        "zombie",
        "double-start",
        "clock-jump",
        "drop-request",
        "drop-answer",
        "refuse",
        "delay",
        "duplicate",
        "late",
        "cut",
        "cut-answers",
        "slow",
    ] {
        assert!(counts.faults.contains_key(kind), "{kind} never happened: {:?}", counts.faults);
    }
}

#[test]
fn a_seed_makes_the_same_plan_and_the_plan_the_same_trace() {
    let job = three_sinks();
    for seed in 1..12 {
        let material = Material::new("three-sinks", Profile::Storm);
        let plan = generate(seed, &job, &material);
        assert_eq!(plan, generate(seed, &job, &material));
        let read: RunPlan = plan.to_string().parse().expect("a plan is its own text");
        let (first, twin) = (run(&plan, &job), run(&read, &job));
        assert_eq!(first, twin, "seed {seed}");
    }
}

/// The journal, the snapshots and the sinks of a run.
fn stores(journal: StoreKind, snapshots: StoreKind, sinks: StoreKind) -> Stores {
    Stores { journal, snapshots, sinks, ..Stores::default() }
}

#[test]
fn nothing_changes_over_local_folders() {
    // spec: J-6, K-2
    let stores = Stores::local();
    let material = Material { stores, ..Material::new("three-sinks", Profile::Swarm) };
    let counts = swarm(&three_sinks(), &material, 1..20);
    assert!(counts.faults.contains_key("power-failure"));
    assert!(!counts.marks.contains_key("zombie"), "a lock dies with its holder only");
}

#[test]
fn nothing_changes_over_an_object_store() {
    // spec: J-3
    let stores = stores(StoreKind::Object, StoreKind::Object, StoreKind::Ideal);
    let material = Material { stores, ..Material::new("three-sinks", Profile::Swarm) };
    let counts = swarm(&three_sinks(), &material, 1..20);
    assert!(counts.seeds["zombie"] > 3, "{:?}", counts.seeds);
}

#[test]
fn nothing_changes_over_a_topic() {
    // spec: J-3
    let stores = stores(StoreKind::Topic, StoreKind::Object, StoreKind::Ideal);
    let material = Material { stores, ..Material::new("three-sinks", Profile::Swarm) };
    let counts = swarm(&three_sinks(), &material, 1..20);
    assert!(counts.seeds["zombie"] > 3, "{:?}", counts.seeds);
}

#[test]
fn nothing_changes_in_kafka_redis_and_clickhouse() {
    // spec: K-1, K-2, K-3, K-4, K-7
    let stores = stores(StoreKind::Topic, StoreKind::Object, StoreKind::Connector);
    let material =
        Material { stores, records_max: 80, ..Material::new("services", Profile::Swarm) };
    let counts = swarm(&services(), &material, 1..20);
    for kind in ["failover", "stop-insert", "fill"] {
        assert!(counts.faults.contains_key(kind), "{kind} never happened: {:?}", counts.faults);
    }
}
