//! The simulator's own time, as time of one processor: what the machine does beside it
//! counts little. Each figure is the best of several rounds over the same seeds.
//!
//! `cargo bench -p anabranch-bench --bench simulator [-- ROUNDS [SEEDS]]`

use anabranch_bench::worlds::{Arrivals, calm, standard, topics_job};
use anabranch_engine::plan::Plan;
use anabranch_sim::oracle::judge;
use anabranch_sim::plan::RunPlan;
use anabranch_sim::recut;
use anabranch_sim::run::run;
use anabranch_sim::time::Span;
use anabranch_sim::world::RunResult;
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;

/// That of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|text| text.parse().ok()).collect();
    let rounds = numbers.first().copied().unwrap_or(5);
    let seeds = numbers.get(1).copied().unwrap_or(10);
    let job = topics_job();
    seeds_of_the_standard(&job, rounds, seeds);
    hours_of_a_calm_world(&job, rounds);
}

fn seeds_of_the_standard(job: &Arc<Plan>, rounds: u64, seeds: u64) {
    let plans: Vec<RunPlan> = (1..=seeds).map(standard).collect();
    let results: Vec<RunResult> = plans.iter().map(|plan| ran(plan, job)).collect();
    let events: u64 = results.iter().map(|result| result.events).sum();
    let faults: u64 = results.iter().flat_map(|result| result.counts.faults.values()).sum();
    let traces = results.iter().fold(0_u64, |all, result| all.rotate_left(1) ^ result.trace);
    let turns: u64 = results.iter().map(|result| result.counts.turns).sum();
    println!(
        "a standard seed: {} events, {} turns, {} records, {:.1} faults (traces {traces:016x})",
        events / seeds,
        turns / seeds,
        plans[0].record_count(),
        faults as f64 / seeds as f64
    );
    let each = |what: &str, seconds: f64| {
        println!(
            "  {what:<30} {:>8.2} ms a seed {:>8.1} seeds/s {:>10.0} events/s",
            seconds * 1e3 / seeds as f64,
            seeds as f64 / seconds,
            events as f64 / seconds
        );
    };
    let run = best(rounds, || plans.iter().for_each(|plan| drop(ran(plan, job))));
    each("run", run);
    let pairs = || plans.iter().zip(&results);
    let oracles = best(rounds, || pairs().for_each(|(plan, result)| judged(plan, job, result)));
    each("oracles", oracles);
    each("run and oracles", run + oracles);
    let recuts = best(rounds, || pairs().for_each(|(plan, result)| recuts(plan, job, result)));
    each("calm run of the same records", recuts);
    each("all", run + oracles + recuts);
}

/// Records that come so slowly that most of the virtual time nothing happens.
fn hours_of_a_calm_world(job: &Arc<Plan>, rounds: u64) {
    for (name, every, records) in [
        ("100 events a second", Span::ms(125), 7_200),
        ("100 records a second", Span::ms(20), 22_500),
    ] {
        let plan = calm(1, Arrivals { records, every });
        let result = ran(&plan, job);
        let virtual_seconds = result.duration.0 as f64 / 1e9;
        let run = best(rounds, || drop(ran(&plan, job)));
        let oracles = best(rounds, || judged(&plan, job, &result));
        println!(
            "{name}: {:.0} virtual seconds, {:.0} events and {:.0} records a second",
            virtual_seconds,
            result.events as f64 / virtual_seconds,
            plan.record_count() as f64 / virtual_seconds
        );
        for (what, seconds) in [("run", run), ("run and oracles", run + oracles)] {
            println!(
                "  {what:<30} {:>8.0} virtual seconds a second {:>10.0} events/s",
                virtual_seconds / seconds,
                result.events as f64 / seconds
            );
        }
    }
}

fn ran(plan: &RunPlan, job: &Arc<Plan>) -> RunResult {
    run(plan, job).expect("the plan fits the job")
}

fn judged(plan: &RunPlan, job: &Plan, result: &RunResult) {
    let found = judge(plan, job, result);
    let found = found.expect("the journal can be read");
    assert!(found.is_empty(), "seed {}: {found:#?}", plan.seed);
}

fn recuts(plan: &RunPlan, job: &Arc<Plan>, result: &RunResult) {
    let calm = ran(&recut::undisturbed(plan), job);
    let difference = recut::difference(result, &calm, job);
    assert_eq!(difference, None, "seed {}", plan.seed);
}

/// The least time of the processor that it takes, in seconds.
fn best(rounds: u64, mut act: impl FnMut()) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let round = |_| {
        let begun = now();
        act();
        now() - begun
    };
    (0..rounds.max(1)).map(round).fold(f64::INFINITY, f64::min)
}
