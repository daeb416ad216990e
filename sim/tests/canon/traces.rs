//! What a plan makes happen is the same in every build: the hashes of a few runs of every
//! canonical job stand in a file, and the builds with and without optimization are held
//! against the same one.
//!
//! `UPDATE_EXPECT=1` writes it anew. It changes with whatever changes what happens; a change
//! that should only make something faster leaves it as it is.

use crate::judged::judged;
use crate::scenarios::{Scenario, all};
use anabranch_sim::plan::{
    Action, Deviation, Latency, MessageFault, Operation, Point, RunPlan, Target, Trigger,
};
use anabranch_sim::rng::Draws;
use anabranch_sim::time::Span;
use expect_test::expect_file;

/// Seeds of each job.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=3;

/// The job's own input, with latencies and five faults of the seed. It is made here: the
/// generator changes, and with it what a seed of its own means.
fn plan(scenario: &Scenario, seed: u64) -> RunPlan {
    let mut plan = RunPlan { seed, ..scenario.plan.clone() };
    let jitter = Span::us(800);
    let links = &mut plan.settings.links;
    for link in [&mut links.journal, &mut links.snapshots, &mut links.sinks, &mut links.sources] {
        *link = Latency { jitter, ..*link };
    }
    let draws = &mut Draws::new(seed, "traces", scenario.name);
    let append = || Target::Of(Operation::Append);
    let apply = || Target::Of(Operation::Apply(None));
    let faults = [
        (Point::After(Operation::Append), Action::Crash { restart: None }),
        (Point::Request(apply()), Action::Message(MessageFault::DropRequest)),
        (Point::Answer(apply()), Action::Message(MessageFault::DropAnswer)),
        (Point::Request(append()), Action::Message(MessageFault::Delay(Span::ms(7)))),
        (
            Point::Before(Operation::Apply(None)),
            Action::Pause { span: Span::ms(3_000), successor: true, until: None },
        ),
    ];
    let deviation = |(point, action)| {
        let nth = 1 + draws.below(4) as u32;
        Deviation { trigger: Trigger::When { nth, point, holding: None, restarts: None }, action }
    };
    plan.deviations = faults.into_iter().map(deviation).collect();
    plan
}

#[test]
fn every_build_gives_the_same_traces() {
    // spec: E-1
    let mut text = String::from("job seed trace events\n");
    for scenario in all() {
        for seed in SEEDS {
            let (result, wrong) = judged(&scenario, &plan(&scenario, seed));
            assert_eq!(wrong, Vec::<String>::new(), "{} {seed}", scenario.name);
            assert_eq!(result.stale, Vec::<usize>::new(), "{} {seed}", scenario.name);
            let (name, trace, events) = (scenario.name, result.trace, result.events);
            text.push_str(&format!("{name} {seed} {trace:016x} {events}\n"));
        }
    }
    expect_file!["traces.txt"].assert_eq(&text);
}
