//! Many hunts, and what came of them as a table.

use crate::hunt;
use crate::table::PLANTED;
use crate::witness::Witness;
use anabranch_engine::plant::Plant;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// So many seeds are run before the clock is looked at.
const STRIDE: u64 = 10;
/// Hunts do not share seeds.
const APART: u64 = 1_000_000;

/// What stands before the table in a document.
pub const BEGIN: &str = "<!-- plants:begin -->";
/// What stands behind it.
pub const END: &str = "<!-- plants:end -->";

/// How hard a planted bug is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// How often, each time with other seeds; at least once.
    pub starts: u64,
    /// How many seeds each time at most.
    pub seeds: u64,
    /// How long each time at most.
    pub time: Duration,
}

/// What the hunts for one bug with one witness came to.
#[derive(Clone, Debug)]
pub struct Row {
    /// The planted bug.
    pub plant: Plant,
    /// What it was looked for with.
    pub witness: &'static str,
    /// The seeds that each hunt which found it took, and how long that was; sorted.
    pub took: Vec<(u64, Duration)>,
    /// How many hunts there were.
    pub hunts: u64,
    /// The oracles that found it, each once.
    pub oracles: Vec<&'static str>,
    /// Seeds in which something was wrong without it.
    pub unsound: Vec<(u64, String)>,
}

impl Row {
    /// Whether every hunt found it.
    #[must_use]
    pub fn is_found(&self) -> bool {
        self.took.len() as u64 == self.hunts
    }
}

/// The bugs of these names with their witnesses, in the order of the table; all of them if
/// no name is given.
#[must_use]
pub fn chosen(names: &[String]) -> Vec<&'static (Plant, Witness)> {
    let is_asked = |plant: Plant| {
        names.is_empty() || names.iter().any(|name| plant.name().eq_ignore_ascii_case(name))
    };
    PLANTED.iter().filter(|(plant, _)| is_asked(*plant)).collect()
}

/// Hunts one bug from each start, until it is found, or the seeds or the time are used up.
/// What the first hunt does not find, the others need not look for.
#[must_use]
pub fn row(plant: Plant, witness: &Witness, effort: &Effort) -> Row {
    let mut row = Row {
        plant,
        witness: witness.name,
        took: Vec::new(),
        hunts: 0,
        oracles: Vec::new(),
        unsound: Vec::new(),
    };
    for start in 0..effort.starts.max(1) {
        row.hunts += 1;
        let begun = Instant::now();
        let mut seeds = 0;
        while seeds < effort.seeds && begun.elapsed() < effort.time {
            let stride = STRIDE.min(effort.seeds - seeds);
            let hunt = hunt(plant, witness, 1 + start * APART + seeds, stride);
            seeds += hunt.seeds;
            row.unsound.extend(hunt.unsound);
            if let Some(find) = hunt.found {
                row.took.push((seeds, begun.elapsed()));
                row.oracles.push(find.oracle);
                break;
            }
        }
        if row.took.is_empty() {
            break;
        }
    }
    row.took.sort_unstable();
    row.oracles.sort_unstable();
    row.oracles.dedup();
    row
}

/// The table of the documents.
#[must_use]
pub fn markdown(rows: &[Row]) -> String {
    let mut out = String::from(
        "| Bug | Mistake | Witness | Found | Seeds, median | p90 | Seconds, median | By | Expected |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let found = match row.took.is_empty() {
            true => "not found".to_owned(),
            false => format!("{}/{}", row.took.len(), row.hunts),
        };
        let seeds = |tenths| at(row, tenths).map_or("-".to_owned(), |(seeds, _)| seeds.to_string());
        let seconds = at(row, 5).map(|(_, took)| format!("{:.1}", took.as_secs_f64()));
        writeln!(
            out,
            "| {} | {} | {} | {found} | {} | {} | {} | {} | {} |",
            row.plant.name(),
            row.plant.mistake(),
            row.witness,
            seeds(5),
            seeds(9),
            seconds.unwrap_or("-".to_owned()),
            row.oracles.join(", "),
            row.plant.oracle(),
        )
        .expect("a string takes all");
    }
    out
}

/// A document with another table between its marks; none if it has no marks.
#[must_use]
pub fn with_table(document: &str, table: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

/// What so many tenths of the hunts that found it took at most.
fn at(row: &Row, tenths: usize) -> Option<(u64, Duration)> {
    let found = row.took.len();
    let place = (found * tenths).div_ceil(10).clamp(1, found.max(1)) - 1;
    row.took.get(place).copied()
}

/// Seeds in which something is wrong though no bug is switched on, in words.
#[must_use]
pub fn unsound(rows: &[Row]) -> Vec<String> {
    let all = rows.iter().flat_map(|row| {
        row.unsound.iter().map(|(seed, what)| {
            format!("without any bug, {} with seed {seed}: {what}", row.witness)
        })
    });
    all.collect()
}
