//! The score: each planted bug is hunted from several starting seeds.

use super::super::args::PlantsArgs;
use super::super::pool;
use crate::errors::{self, JobError};
use crate::output::console::{progress_bar, show_text};
use crate::output::text::plural;
use anabranch_engine::plant::Plant;
use anabranch_sim_plants::hunt;
use anabranch_sim_plants::table::PLANTED;
use anabranch_sim_plants::witness::Witness;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// So many seeds are run before the clock is looked at.
const STRIDE: u64 = 10;
/// Hunts do not share seeds.
const APART: u64 = 1_000_000;

/// What the hunts for one bug with one witness came to.
struct Row {
    plant: Plant,
    witness: &'static str,
    /// The seeds that each hunt which found it took, and how long that was; sorted.
    took: Vec<(u64, Duration)>,
    hunts: u64,
    oracles: Vec<&'static str>,
    /// Seeds in which something is wrong without the bug.
    unsound: Vec<(u64, String)>,
}

/// Hunts all bugs that are asked for, and prints the table.
pub(super) fn run(args: &PlantsArgs) -> Result<(), JobError> {
    let is_asked = |plant: Plant| {
        let same = |name: &String| plant.name().eq_ignore_ascii_case(name);
        args.only.is_empty() || args.only.iter().any(same)
    };
    let chosen: Vec<&(Plant, Witness)> =
        PLANTED.iter().filter(|(plant, _)| is_asked(*plant)).collect();
    if chosen.is_empty() {
        let message = format!("no witness for {}", args.only.join(", "));
        return Err(JobError::new(&errors::CONFIG, message));
    }
    let work = |index: u64| {
        let (plant, witness) = chosen[index as usize];
        row(*plant, witness, args)
    };
    let bar = progress_bar(chosen.len() as u64);
    let mut rows = Vec::new();
    let last = chosen.len() as u64 - 1;
    pool::in_order(pool::threads(args.jobs), (0, last), None, work, |_, row| {
        if let Some(bar) = &bar {
            bar.inc(1);
            bar.set_message(row.plant.name());
        }
        rows.push(row);
        ControlFlow::Continue(())
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    show_text(&markdown(&rows))?;
    conclude(&rows)
}

fn conclude(rows: &[Row]) -> Result<(), JobError> {
    let unsound: Vec<String> = rows
        .iter()
        .flat_map(|row| row.unsound.iter().map(|(seed, what)| (row.witness, seed, what)))
        .map(|(witness, seed, what)| format!("without any bug, {witness} with seed {seed}: {what}"))
        .collect();
    if !unsound.is_empty() {
        return Err(JobError::new(&errors::SIM_WRONG, unsound.join("\n")));
    }
    let missed = rows.iter().filter(|row| row.took.len() < row.hunts as usize);
    let missed: Vec<String> = missed
        .map(|row| format!("{} ({} of {})", row.plant.name(), row.took.len(), row.hunts))
        .collect();
    match missed.is_empty() {
        true => Ok(()),
        false => Err(JobError::new(&errors::SIM_MISSED, missed.join(", "))),
    }
}

/// Hunts one bug from each start, until it is found, or the seeds or the time are used up.
/// What the first hunt does not find, the others need not look for.
fn row(plant: Plant, witness: &Witness, args: &PlantsArgs) -> Row {
    let mut row = Row {
        plant,
        witness: witness.name,
        took: Vec::new(),
        hunts: 0,
        oracles: Vec::new(),
        unsound: Vec::new(),
    };
    for start in 0..args.starts.max(1) {
        row.hunts += 1;
        let begun = Instant::now();
        let mut seeds = 0;
        while seeds < args.seeds && begun.elapsed() < args.time {
            let stride = STRIDE.min(args.seeds - seeds);
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
fn markdown(rows: &[Row]) -> String {
    let mut out = String::from(
        "| Bug | Mistake | Witness | Found | Seeds, median | p90 | Seconds, median | By | Expected |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let at = |tenths: usize| {
            let found = row.took.len();
            let place = (found * tenths).div_ceil(10).clamp(1, found.max(1)) - 1;
            row.took.get(place).copied()
        };
        let seeds = |tenths| at(tenths).map_or("-".to_owned(), |(seeds, _)| seeds.to_string());
        let seconds =
            at(5).map_or("-".to_owned(), |(_, took)| format!("{:.1}", took.as_secs_f64()));
        let found = match row.took.is_empty() {
            true => "not found".to_owned(),
            false => format!("{}/{}", row.took.len(), row.hunts),
        };
        // Writing to a text cannot fail.
        let _ = writeln!(
            out,
            "| {} | {} | {} | {found} | {} | {} | {seconds} | {} | {} |",
            row.plant.name(),
            row.plant.mistake(),
            row.witness,
            seeds(5),
            seeds(9),
            row.oracles.join(", "),
            row.plant.oracle(),
        );
    }
    let found = rows.iter().filter(|row| !row.took.is_empty()).count() as u64;
    let _ = writeln!(out, "\n{} of {} found.", found, plural(rows.len() as u64, "planted bug"));
    out
}
