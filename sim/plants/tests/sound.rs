//! With no bug planted, no witness shows anything.

use anabranch_sim_plants::judge::Judge;
use anabranch_sim_plants::table::PLANTED;
use std::collections::BTreeMap;

/// How many seeds of each witness are run.
const SEEDS: u64 = 30;

#[test]
fn without_a_bug_nothing_is_found() {
    let witnesses: BTreeMap<_, _> = PLANTED.iter().map(|(_, it)| (it.name, it)).collect();
    let only = std::env::var("ONLY").ok();
    let mut found = Vec::new();
    for (name, witness) in witnesses {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let job = witness.job();
        for seed in 1..=SEEDS {
            if let Some(finding) = Judge::new(&job).judge(&witness.plan(seed, &job)) {
                let text: String = finding.to_string().chars().take(250).collect();
                found.push(format!("{name}, seed {seed}: {text}"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
