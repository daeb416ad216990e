//! The score: each planted bug is hunted from several starting seeds.

use super::super::args::PlantsArgs;
use super::super::findings;
use super::super::pool;
use crate::errors::{self, JobError};
use crate::output::console::{progress_bar, show_text};
use crate::output::text::plural;
use anabranch_sim_plants::score::{
    BEGIN, END, Effort, Row, chosen, markdown, row, unsound, with_table,
};
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

/// Hunts all bugs that are asked for, and prints the table.
///
/// # Errors
/// If one is not found, or something is wrong without any.
pub(super) fn run(args: &PlantsArgs) -> Result<(), JobError> {
    let chosen = chosen(&args.only);
    if chosen.is_empty() {
        let message = format!("no witness for {}", args.only.join(", "));
        return Err(JobError::new(&errors::CONFIG, message));
    }
    // Whether the table has a place is known before the hunt.
    let document = args.into.as_deref().map(Document::open).transpose()?;
    let effort = Effort { starts: args.starts, seeds: args.seeds, time: args.time };
    let work = |index: u64| {
        let (plant, witness) = chosen[index as usize];
        row(*plant, witness, &effort)
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
    let table = markdown(&rows);
    show_text(&table)?;
    if let Some(document) = document {
        document.put(&table)?;
    }
    let found = rows.iter().filter(|row| row.is_found()).count();
    show_text(&format!("\n{found} of {} found.\n", plural(rows.len() as u64, "planted bug")))?;
    conclude(&rows)
}

/// A document with a place for the table.
struct Document<'a> {
    file: &'a Path,
    text: String,
}

impl Document<'_> {
    fn open(file: &Path) -> Result<Document<'_>, JobError> {
        let failed =
            |what: String| JobError::new(&errors::NO_FILE, format!("{}: {what}", file.display()));
        let text = fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
        if with_table(&text, "").is_none() {
            return Err(failed(format!("there is no place between {BEGIN} and {END}")));
        }
        Ok(Document { file, text })
    }

    /// Replaces its table.
    fn put(self, table: &str) -> Result<(), JobError> {
        let text = with_table(&self.text, table).expect("it was looked for the place");
        findings::write(self.file, &text)
    }
}

fn conclude(rows: &[Row]) -> Result<(), JobError> {
    let unsound = unsound(rows);
    if !unsound.is_empty() {
        return Err(JobError::new(&errors::SIM_WRONG, unsound.join("\n")));
    }
    let missed = rows.iter().filter(|row| !row.is_found());
    let missed: Vec<String> = missed
        .map(|row| {
            let (name, found) = (row.plant.name(), row.took.len());
            format!("{name} with {} ({found} of {})", row.witness, row.hunts)
        })
        .collect();
    match missed.is_empty() {
        true => Ok(()),
        false => Err(JobError::new(&errors::SIM_MISSED, missed.join(", "))),
    }
}
