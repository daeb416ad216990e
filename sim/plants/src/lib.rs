//! Asks the simulator whether it would have found a bug.
//!
//! Each bug that is planted in the engine has a [`mod@table`] entry: the jobs, stores and
//! faults in which it shows. [`hunt`] runs seeds with the bug switched on until an oracle
//! finds something, and makes sure that the same seed is fine with it switched off.
//!
//! This package compiles the switches into the engine. It is a member of the workspace,
//! not a default one, and only the binary's feature `plants` depends on it.

pub mod score;
pub mod table;
pub mod witness;

use anabranch_engine::plan::Plan;
use anabranch_engine::plant::{Plant, switch};
use anabranch_sim::judge::{Finding, Judge};
use anabranch_sim::plan::RunPlan;
use std::sync::Arc;
use witness::Witness;

/// What a hunt for a planted bug came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hunt {
    /// The find, if there was one.
    pub found: Option<Find>,
    /// How many seeds were run with the bug.
    pub seeds: u64,
    /// Seeds in which something is wrong although the bug is off, with what: each is a
    /// fault of the engine or of the simulator, and no find.
    pub unsound: Vec<(u64, String)>,
}

/// A find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Find {
    /// The seed that showed it.
    pub seed: u64,
    /// How many seeds that took.
    pub seeds: u64,
    /// The oracle, such as `S1`.
    pub oracle: &'static str,
    /// What it found, for a person.
    pub what: String,
}

/// Hunts a planted bug with the seeds from `start` on, at most so many.
#[must_use]
pub fn hunt(plant: Plant, witness: &Witness, start: u64, seeds_max: u64) -> Hunt {
    let job = witness.job();
    let mut hunt = Hunt::default();
    for seed in start..start.saturating_add(seeds_max) {
        hunt.seeds += 1;
        let plan = witness.plan(seed, &job);
        let judge = |plant| judge(plant, &job, &plan).expect("a generated plan fits its job");
        let Some(finding) = judge(Some(plant)) else { continue };
        match judge(None) {
            None => {
                let (oracle, what) = (finding.kind.oracle(), one_line(&finding));
                hunt.found = Some(Find { seed, seeds: hunt.seeds, oracle, what });
                break;
            }
            Some(other) => hunt.unsound.push((seed, one_line(&other))),
        }
    }
    hunt
}

/// Judges a plan with a bug switched on, or with none, by a judge that has seen nothing
/// else. The oracles and the models run with the switch as it is: none of them has a switch.
///
/// # Errors
/// If the plan names what the job does not have.
pub fn judge(
    plant: Option<Plant>,
    job: &Arc<Plan>,
    plan: &RunPlan,
) -> Result<Option<Finding>, String> {
    switch(plant);
    let judged = Judge::new(job).judge(plan);
    switch(None);
    Ok(judged?.1)
}

fn one_line(finding: &Finding) -> String {
    let text: String = finding.to_string().lines().next().unwrap_or_default().to_owned();
    text.chars().take(200).collect()
}
