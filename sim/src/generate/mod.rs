//! From a seed to a plan.
//!
//! Which kinds of faults there are at all, how hard they are, the limits, the latencies
//! and the input are drawn anew for each seed, so that no kind hides another. Every draw
//! is named by what it is about, and none depends on how many there were before.

mod assume;
mod faults;
mod harder;
mod input;
mod limits;
mod losses;
pub mod traits;
mod values;

pub use assume::Assumption;
pub use harder::harden;

use crate::plan::{Action, OUTAGE, RunPlan, SplitInput, SplitShape, Stores};
use crate::rng::Draws;
use crate::time::{Span, VirtualTime};
use anabranch_engine::plan::Plan;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// How hard a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// Nothing goes wrong.
    Calm,
    /// Much goes wrong at once.
    Storm,
    /// Each kind of fault is there in about half of the runs, a few at a time.
    Swarm,
}

impl Profile {
    /// All profiles with their names.
    pub const ALL: &[(&str, Profile)] =
        &[("calm", Profile::Calm), ("swarm", Profile::Swarm), ("storm", Profile::Storm)];
}

/// What plans are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Material {
    /// What plans call the job.
    pub job: String,
    /// How hard they are.
    pub profile: Profile,
    /// The stores and sinks.
    pub stores: Stores,
    /// Records to take for a table, rather than made-up ones, split by split.
    pub samples: BTreeMap<String, Vec<Sample>>,
    /// The input as it is, rather than any of these.
    pub recorded: Option<Vec<SplitInput>>,
    /// About how many records a plan has at most, over all splits of a table.
    pub records_max: u64,
    /// What does not go wrong.
    pub assumed: BTreeSet<Assumption>,
}

/// The records of a split, as a user gave them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The split's name.
    pub name: String,
    /// What it looks like.
    pub shape: SplitShape,
    /// Its records, in order.
    pub records: Vec<Bytes>,
}

impl Material {
    /// Plans of a job with made-up records and ideal stores, in which nothing is taken away
    /// that was acknowledged.
    #[must_use]
    pub fn new(job: impl Into<String>, profile: Profile) -> Material {
        Material {
            job: job.into(),
            profile,
            stores: Stores::default(),
            samples: BTreeMap::new(),
            recorded: None,
            records_max: 200,
            assumed: Assumption::TAME.iter().copied().collect(),
        }
    }
}

/// Made plans of the same seed, job and material are the same.
#[must_use]
pub fn generate(seed: u64, job: &Plan, material: &Material) -> RunPlan {
    let mut plan = RunPlan::calm(material.job.clone(), seed, limits::limits(seed));
    plan.settings.stores = material.stores.clone();
    limits::settings(seed, &mut plan.settings);
    plan.splits = match &material.recorded {
        Some(splits) => splits.clone(),
        None => input::splits(seed, job, material),
    };
    if material.profile != Profile::Calm {
        limits::ties(seed, &mut plan);
    }
    let last = plan.splits.iter().flat_map(|split| &split.records).map(|record| record.at).max();
    let last = last.unwrap_or_default();
    let room = Draws::new(seed, "heal", "room").below(20_000) as i64;
    plan.settings.timing.heal = VirtualTime(last.0) + Span::ms(5_000 + room);
    if material.profile != Profile::Calm {
        plan.deviations = faults::deviations(seed, job, material, &plan);
    }
    harder::harden_some(&mut plan, job, material);
    let is_ruled_out = |action: &Action| material.assumed.iter().any(|it| it.rules_out(action));
    plan.deviations.retain(|deviation| !is_ruled_out(&deviation.action));
    // A disk that is full is so to the end, and a job that starts all that time, a run for
    // ever: either of them is enough.
    if plan.deviations.iter().any(|deviation| deviation.action.kind() == "fill") {
        plan.deviations.retain(|deviation| deviation.action.kind() != "outage");
    }
    // What is away for long is so to the end, before all is well again.
    let outages = plan.deviations.iter().filter_map(|deviation| match &deviation.action {
        Action::Link { span, .. } if *span >= OUTAGE => Some(*span),
        _ => None,
    });
    let longest = outages.max().unwrap_or_default();
    // Whoever starts a job again does so for as long as that.
    plan.settings.restarts.starts_max += (longest.0 / Span::ms(2_000).0) as u32;
    plan.settings.timing.heal = plan.settings.timing.heal + longest;
    plan
}
