//! Many hunts, and what came of them as a table.

use crate::hunt;
use crate::table::PLANTED;
use crate::witness::Witness;
use anabranch_engine::plant::Plant;
use std::fmt::Write as _;

/// A row of the score.
#[derive(Clone, Debug)]
pub struct Row {
    /// The planted bug.
    pub plant: Plant,
    /// What it was looked for with.
    pub witness: &'static str,
    /// The seeds that each hunt which found it took, sorted.
    pub took: Vec<u64>,
    /// How many hunts there were.
    pub hunts: u64,
    /// The oracles that found it, each once.
    pub oracles: Vec<&'static str>,
    /// Seeds in which something was wrong without it.
    pub unsound: Vec<(u64, String)>,
}

/// Hunts one bug from so many starting seeds, each time at most so many seeds far.
#[must_use]
pub fn row(plant: Plant, witness: &Witness, starts: u64, seeds_max: u64) -> Row {
    let (mut took, mut oracles, mut unsound) = (Vec::new(), Vec::new(), Vec::new());
    for start in 0..starts {
        // Hunts do not share seeds.
        let hunt = hunt(plant, witness, 1 + start * 1_000_000, seeds_max);
        unsound.extend(hunt.unsound);
        if let Some(find) = hunt.found {
            took.push(find.seeds);
            oracles.push(find.oracle);
        }
    }
    took.sort_unstable();
    oracles.sort_unstable();
    oracles.dedup();
    Row { plant, witness: witness.name, took, hunts: starts, oracles, unsound }
}

/// All rows, or those of some bugs, by several workers: this is the share of one of them.
pub fn rows(
    worker: usize,
    workers: usize,
    starts: u64,
    seeds_max: u64,
    only: &[String],
) -> impl Iterator<Item = Row> {
    let is_wanted =
        move |plant: &Plant| only.is_empty() || only.iter().any(|it| it == plant.name());
    let wanted = PLANTED.iter().filter(move |(plant, _)| is_wanted(plant));
    let share = wanted.enumerate().filter(move |(index, _)| index % workers == worker);
    share.map(move |(_, (plant, witness))| row(*plant, witness, starts, seeds_max))
}

/// The table of the documents.
#[must_use]
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| plant | mistake | witness | found | median seeds | p90 seeds | oracle | expected |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let at = |tenths: usize| match row.took.len() {
            0 => "—".to_owned(),
            found => row.took[((found * tenths).div_ceil(10)).clamp(1, found) - 1].to_string(),
        };
        writeln!(
            text,
            "| {} | {} | {} | {}/{} | {} | {} | {} | {} |",
            row.plant.name(),
            row.plant.mistake(),
            row.witness,
            row.took.len(),
            row.hunts,
            at(5),
            at(9),
            row.oracles.join(", "),
            row.plant.oracle(),
        )
        .expect("a string takes all");
    }
    text
}
