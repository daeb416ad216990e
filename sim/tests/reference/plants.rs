//! The interpreter finds the bugs that are planted in windows, watermarks and
//! aggregates, each within a few random jobs.

use crate::random::{judge, run};
use anabranch_engine::plant::{Plant, switch};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How many seeds each may take.
const SEEDS: u64 = 60;

/// What the dataflow, its operators and its aggregates can get wrong.
const PLANTS: [Plant; 19] = [
    Plant::W1,
    Plant::W2,
    Plant::W4,
    Plant::W5,
    Plant::W9,
    Plant::W10,
    Plant::W11,
    Plant::W12,
    Plant::W13,
    Plant::D1,
    Plant::D3,
    Plant::D5,
    Plant::D7,
    Plant::D9,
    Plant::D10,
    Plant::D11,
    Plant::D12,
    Plant::D13,
    Plant::P5,
];

/// The seed that finds it first, and how; a panic of the engine is a find as well.
fn found(plant: Plant) -> Option<(u64, String)> {
    (0..SEEDS).find_map(|seed| {
        switch(Some(plant));
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let run = run(seed);
            judge(&run, &mut Default::default())
        }));
        switch(None);
        match outcome {
            Ok(findings) => findings.first().map(|finding| (seed, finding.fingerprint.clone())),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
                Some((seed, format!("panic: {}", text.unwrap_or_default())))
            }
        }
    })
}

#[test]
fn every_planted_bug_of_the_dataflow_is_found() {
    let mut missed = Vec::new();
    let mut table = String::new();
    for plant in PLANTS {
        match found(plant) {
            Some((seed, how)) => {
                let how: String = how.chars().take(90).collect();
                table.push_str(&format!("{}: seed {seed}, {how}\n", plant.name()));
            }
            None => missed.push(plant.name()),
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}\n{table}");
    // The test's own report; it is shown with --nocapture.
    #[expect(clippy::disallowed_macros, reason = "the table is for a person to see")]
    {
        println!("{table}");
    }
}
