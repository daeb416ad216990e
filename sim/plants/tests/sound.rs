//! With no bug planted, no witness shows anything.

use anabranch_sim_plants::judge;
use anabranch_sim_plants::table::PLANTED;
use anabranch_sim_plants::witness::{self, Witness};
use std::collections::BTreeMap;

/// Seeds of each witness; `SOUND_SEEDS=FIRST..LAST` chooses others, and
/// `SOUND_WITNESS=NAME` one witness.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=15;

/// Witnesses that no planted bug is looked for with: these have their own where it is in doubt
/// what became of a write. Without a bug they have to be right in storms as well.
const BUGLESS: &[Witness] = &[witness::FILES, witness::CLICKHOUSE_STRICT];

/// What is found although no bug is planted: a fault of the engine, of a model or of an
/// oracle that nobody has looked into yet. A hunt does not count such a seed.
const KNOWN: &[(&str, u64)] = &[];

/// Witnesses whose sources change: a change that nobody reads again need not be noticed.
const LOSES: &[&str] = &["replaced"];

fn chosen(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The seeds of a witness that are run.
fn seeds(name: &str) -> Vec<u64> {
    if chosen("SOUND_WITNESS").is_some_and(|chosen| chosen != name) {
        return Vec::new();
    }
    let Some(text) = chosen("SOUND_SEEDS") else {
        return SEEDS.collect();
    };
    let ends = text
        .split_once("..")
        .and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    let (first, last) = ends.expect("SOUND_SEEDS is FIRST..LAST");
    (first..=last).collect()
}

#[test]
fn without_a_bug_nothing_is_found() {
    let witnesses = PLANTED.iter().map(|(_, witness)| witness).chain(BUGLESS);
    let witnesses = witnesses.filter(|it| !LOSES.iter().any(|word| it.name.contains(word)));
    let witnesses: BTreeMap<_, _> = witnesses.map(|it| (it.name, it)).collect();
    let mut problems = Vec::new();
    for (name, witness) in witnesses {
        let job = witness.job();
        for seed in seeds(name) {
            let finding = judge(None, &job, &witness.plan(seed, &job)).expect("the plan fits");
            match (finding, KNOWN.contains(&(name, seed))) {
                (Some(finding), false) => problems.push(format!("{name}, seed {seed}: {finding}")),
                (None, true) => problems.push(format!("{name}, seed {seed} is fine now")),
                (Some(_), true) | (None, false) => {}
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
