//! A fixed set of seeds of every canonical job.

use crate::judged::{every_with, judged};
use crate::scenarios::all;
use anabranch_sim::generate::{Material, Profile, generate, harden};
use anabranch_sim::world::Counts;

/// Seeds of each job.
const SEEDS: u64 = 24;

#[test]
fn no_fixed_seed_of_a_canonical_job_changes_anything() {
    // spec: E-1, E-2, E-3, J-1, J-3, J-5, J-6, K-1, K-3, K-4, S-1, S-2, T-2, T-3
    let mut all_counts = Counts::default();
    let mut seeds = 0;
    for scenario in all() {
        let began = std::time::Instant::now();
        let material = Material {
            stores: scenario.plan.settings.stores.clone(),
            records_max: 40,
            ..Material::new(scenario.name, Profile::Swarm)
        };
        let plans: Vec<(String, _)> = (1..=SEEDS)
            .map(|seed| {
                let mut plan = generate(seed, &scenario.job, &material);
                harden(&mut plan, &scenario.job);
                (format!("{} seed {seed}", scenario.name), plan)
            })
            .collect();
        let (wrong, results) = every_with(&plans, |plan| {
            let (result, wrong) = judged(&scenario, plan);
            (wrong, result.counts)
        });
        results.iter().for_each(|counts| all_counts.add(counts));
        seeds += plans.len() as u64;
        println!("{:9} {} seeds, {:?}", scenario.name, plans.len(), began.elapsed());
        if !wrong.is_empty() {
            println!("{wrong:#?}");
        }
    }
    println!("{:#?}", all_counts.faults);
    println!("{seeds} {:#?}", all_counts.seeds);
}

#[test]
#[ignore = "for people"]
fn one_seed() {
    let name = std::env::var("CANON").expect("name:seed");
    let (name, seed) = name.split_once(':').expect("name:seed");
    let scenario = all().into_iter().find(|s| s.name == name).expect("a scenario");
    let material = Material {
        stores: scenario.plan.settings.stores.clone(),
        records_max: 40,
        ..Material::new(scenario.name, Profile::Swarm)
    };
    let mut plan = generate(seed.parse().expect("a number"), &scenario.job, &material);
    harden(&mut plan, &scenario.job);
    let kind =
        |wrong: &[String]| wrong.first().map(|w| w.split(':').next().unwrap_or("").to_owned());
    let shrunk = anabranch_sim::shrink::shrink(&plan, 1_000, &mut |plan| {
        anabranch_sim::run::run(plan, &scenario.job).ok()?;
        let found = kind(&judged(&scenario, plan).1);
        found.map(|found| anabranch_sim::finding::FindingKind::Oracle("canon", found))
    })
    .plan;
    println!("{shrunk}");
    let (result, wrong) = judged(&scenario, &shrunk);
    println!("{wrong:#?} {:?} {:#?}", result.end, result.processes);
    for sink in &result.sinks {
        for seen in &sink.seen {
            println!(
                "{} {:?} {} {:?}",
                seen.at,
                seen.marker.map(|m| (m.epoch, m.chunk, m.last)),
                seen.kept,
                seen.records
            );
        }
    }
    let journal = anabranch_engine::journal::scan(&result.journal, &[]).expect("ok");
    for r in journal.records_after(anabranch_engine::ids::Epoch(0)) {
        println!("{} {:?} {:?}", r.epoch, r.flush_ends, r.opened);
    }
    let host = anabranch_sim::world::Host::of(&shrunk, &scenario.job);
    let r =
        anabranch_sim::run::run_with(&shrunk, &scenario.job, Box::new(host), true).expect("runs");
    let n = r.lines.len();
    for l in r.lines.iter().skip(n.saturating_sub(140)) {
        println!("{l:?}");
    }
}
