//! `replay`: computes journaled epochs again and compares the results' hashes.

use super::history::History;
use crate::cli::ReplayArgs;
use crate::config::Resolved;
use crate::driver::Sources;
use crate::errors::{self, JobError};
use crate::job::JobText;
use crate::output::console::show_text;
use crate::output::text;
use anabranch_connectors::executor::ThreadPool;
use anabranch_connectors::source::FetchRequest;
use anabranch_engine::dataflow::EpochOutput;
use anabranch_engine::format::encode_print;
use anabranch_engine::ids::Epoch;
use anabranch_engine::journal::{EpochRecord, Journal, JournalEntry};
use anabranch_engine::pipeline::Rehearsal;
use anabranch_engine::plan::Plan;
use anabranch_engine::snapshot::Manifest;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

/// Computes the epochs of a state folder again.
///
/// # Errors
/// If the journal, the input or the results are not what they were.
pub(super) fn run(args: &ReplayArgs, settings: &Resolved) -> Result<(), JobError> {
    let begun = Instant::now();
    let history = History::of(&args.state_dir)?;
    let journal = history.journal()?;
    let Some(last) = journal.segments.last() else {
        let message = format!("the journal in {} is empty", args.state_dir.display());
        return Err(JobError::new(&errors::NO_FILE, message));
    };
    let (plan, base) = plan_and_base(args, &history)?;
    if plan.hash() != last.header.plan {
        let message =
            format!("the journal belongs to plan {}, this is {}", last.header.plan, plan.hash());
        return Err(JobError::new(&errors::PLAN, message));
    }
    let printed = args.print.as_deref().map(range_of).transpose()?;
    let plan = Arc::new(plan);
    let sources = Sources::of(&plan, &base)
        .map_err(|error| JobError::new(&errors::OPTIONS, error.to_string()))?;
    let executor = ThreadPool::new(settings.threads())
        .map_err(|error| JobError::new(&errors::BUG, format!("no threads: {error}")))?;
    let mut rehearsal =
        Rehearsal::new(plan).map_err(|error| JobError::new(&errors::OPTIONS, error.to_string()))?;
    let start = begin(&mut rehearsal, &journal, &history)?;
    let until = args.until.map_or(Epoch(u64::MAX), Epoch);
    let mut compared = 0;
    let mut epochs = 0;
    for record in journal.records_after(start) {
        if record.epoch > until {
            break;
        }
        compared += u64::from(record.output_hash.is_some_and(|hash| hash.epoch.0 > 0));
        let output = step(&mut rehearsal, record, &sources, &executor)?;
        epochs += 1;
        if printed.as_ref().is_some_and(|range| range.contains(&record.epoch.0)) {
            print(&rehearsal, record, &output)?;
        }
    }
    if let Some(JournalEntry::Finished(finished)) = journal.entries.last().map(|e| &e.entry)
        && finished.epoch == rehearsal.epoch()
    {
        compared += 1;
        if finished.chain != rehearsal.chain() {
            let detail =
                format!("{} was journaled, {} came out", finished.chain, rehearsal.chain());
            return Err(JobError::new(&errors::NOT_REPRODUCED, format!("at the end: {detail}")));
        }
    }
    tracing::info!(
        "{} computed again after epoch {start} in {}: all {compared} hashes agree; after epoch {} the chain is {}",
        text::plural(epochs, "epoch"),
        text::duration(begun.elapsed()),
        rehearsal.epoch(),
        rehearsal.chain(),
    );
    Ok(())
}

fn plan_and_base(args: &ReplayArgs, history: &History) -> Result<(Plan, PathBuf), JobError> {
    let (plan, base) = match &args.file {
        Some(file) => {
            let job = JobText::read(file)?;
            let plan = job.compile()?.plan.ok_or_else(|| {
                let message = format!("{} has neither an INSERT nor a SELECT", job.origin);
                JobError::new(&errors::NOTHING, message)
            })?;
            (plan, job.base)
        }
        None => (history.plan()?, history.base()),
    };
    Ok((plan, args.base.clone().unwrap_or(base)))
}

/// `5` or `5..9`, both ends included.
fn range_of(text: &str) -> Result<RangeInclusive<u64>, JobError> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let last = last.trim_start_matches('=');
    match (first.trim().parse(), last.trim().parse()) {
        (Ok(first), Ok(last)) => Ok(first..=last),
        _ => {
            let message = format!("--print {text}: write an epoch such as 5, or 5..9");
            Err(JobError::new(&errors::CONFIG, message))
        }
    }
}

/// Puts the dataflow where the journal begins: before the first epoch, or after the
/// oldest snapshot that the journal goes on from. Gives the epoch.
fn begin(
    rehearsal: &mut Rehearsal,
    journal: &Journal,
    history: &History,
) -> Result<Epoch, JobError> {
    let oldest = journal.reaches_back_to();
    if oldest == Epoch(0) {
        return Ok(oldest);
    }
    let damaged = |what: String| JobError::new(&errors::DAMAGED, what);
    let mut store = history.snapshots().ok_or_else(|| {
        damaged(format!("the journal begins after epoch {oldest}, and there is no snapshot"))
    })?;
    let listed = store.list().map_err(|error| damaged(error.to_string()))?;
    let mut usable: Vec<(Manifest, String)> = listed
        .into_iter()
        .filter_map(|(name, bytes)| Some((Manifest::decode(&bytes).ok()?, name)))
        .filter(|(manifest, _)| manifest.epoch >= oldest)
        .collect();
    usable.sort_by_key(|(manifest, _)| manifest.epoch);
    for (manifest, name) in usable {
        let loaded = store.load(&name).map_err(|error| error.to_string());
        let loaded = loaded.and_then(|parts| rehearsal.load(&manifest, &parts));
        match loaded {
            Ok(()) => return Ok(manifest.epoch),
            Err(reason) => tracing::warn!("snapshot {name} is passed over: {reason}"),
        }
    }
    Err(damaged(format!("the journal begins after epoch {oldest}, and no snapshot can be used")))
}

fn step(
    rehearsal: &mut Rehearsal,
    record: &EpochRecord,
    sources: &Sources,
    executor: &ThreadPool,
) -> Result<EpochOutput, JobError> {
    let mut data = Vec::new();
    for slice in &record.slices {
        let split = rehearsal.split_name(slice.split, record).ok_or_else(|| {
            let message =
                format!("epoch {} reads split {}, which nothing added", record.epoch, slice.split);
            JobError::new(&errors::DAMAGED, message)
        })?;
        let request = FetchRequest {
            split: split.name.clone(),
            from: slice.start,
            until: Some(slice.end),
            bytes_max: usize::MAX,
            rows_max: None,
        };
        let fetched = sources.read(split.table, &request).map_err(|error| {
            JobError::new(&errors::SOURCE, format!("split {}: {error}", split.name))
        })?;
        data.push(fetched.data);
    }
    rehearsal.step(record, data, executor).map_err(JobError::from)
}

/// Prints the rows of an epoch, each behind its sink's name.
fn print(
    rehearsal: &Rehearsal,
    record: &EpochRecord,
    output: &EpochOutput,
) -> Result<(), JobError> {
    let mut lines = Vec::new();
    for (sink, pieces) in &output.sinks {
        let table = rehearsal.sink_table(*sink);
        let mut rows = Vec::new();
        for piece in pieces {
            encode_print(&table.stored_schema(), piece, &mut rows);
        }
        for row in rows.split_inclusive(|byte| *byte == b'\n') {
            lines.extend_from_slice(format!("{} {}> ", record.epoch, table.name).as_bytes());
            lines.extend_from_slice(row);
        }
    }
    show_text(&String::from_utf8_lossy(&lines))
}
