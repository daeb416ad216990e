//! `journal show`: a journal as people read it.

use super::history::History;
use crate::cli::JournalArgs;
use crate::errors::{self, JobError};
use crate::job::JobText;
use crate::output::console::show_text;
use crate::output::text::{self, event_time};
use anabranch_engine::ids::SplitId;
use anabranch_engine::journal::{
    Control, EpochRecord, Journal, JournalEntry, Placed, SegmentInfo, scan,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Lists the segments and records of a journal.
///
/// # Errors
/// If there is none, or it is damaged: what can be read is printed before.
pub(super) fn show(args: &JournalArgs) -> Result<(), JobError> {
    let folder = match (&args.state_dir, &args.file) {
        (Some(folder), _) => folder.clone(),
        (None, file) => JobText::read(file.as_deref().unwrap_or("".as_ref()))?.state_dir(),
    };
    let segments = History::of(&folder)?.segments()?;
    let journal = scan(&segments, &[])
        .map_err(|damage| JobError::new(&errors::DAMAGED, damage.to_string()))?;
    let mut splits = BTreeMap::new();
    for (index, segment) in journal.segments.iter().enumerate() {
        let entries: Vec<&Placed> =
            journal.entries.iter().filter(|entry| entry.segment == index).collect();
        show_text(&segment_text(segment, entries.len()))?;
        for placed in entries {
            show_text(&entry_text(placed, &mut splits))?;
        }
    }
    show_text(&ends_text(&journal))?;
    Ok(())
}

fn segment_text(segment: &SegmentInfo, entries: usize) -> String {
    let header = &segment.header;
    format!(
        "segment {}: generation {}, lineage {}, plan {}, binary {}, from epoch {}, {}, {}\n",
        header.name,
        header.name.generation,
        header.lineage,
        header.plan,
        header.binary,
        header.first_epoch,
        text::plural(entries as u64, "record"),
        text::bytes(segment.end),
    )
}

fn entry_text(placed: &Placed, splits: &mut BTreeMap<SplitId, String>) -> String {
    let at = placed.at;
    match &placed.entry {
        JournalEntry::Header(_) => String::new(),
        JournalEntry::Seam(seam) => format!("  seam after epoch {} (byte {at})\n", seam.after),
        JournalEntry::Epoch(record) => epoch_text(record, at, splits),
        JournalEntry::Poison(_) => format!("  poisoned (byte {at})\n"),
        JournalEntry::Finished(finished) => {
            format!(
                "  finished after epoch {}, chain {} (byte {at})\n",
                finished.epoch, finished.chain
            )
        }
        JournalEntry::Attempt(attempt) => match attempt.computed {
            true => format!("  epoch {} was computed (byte {at})\n", attempt.epoch),
            false => format!("  about to compute epoch {} (byte {at})\n", attempt.epoch),
        },
        JournalEntry::Stopped(stopped) => {
            format!("  stopped after epoch {} (byte {at})\n", stopped.epoch)
        }
    }
}

fn epoch_text(record: &EpochRecord, at: u64, splits: &mut BTreeMap<SplitId, String>) -> String {
    let mut out = format!(
        "  epoch {}: tick {} (byte {at})\n",
        record.epoch,
        event_time(record.tick.0.div_euclid(1_000_000)),
    );
    // Writing to a text cannot fail.
    for control in &record.controls {
        let _ = match &control.control {
            Control::Added { name, identity, watermark } => {
                splits.insert(control.split, name.name.clone());
                writeln!(
                    out,
                    "    added {} ({identity}) at {}, watermark {watermark}",
                    name.name, control.at
                )
            }
            Control::Advance(watermark) => {
                writeln!(out, "    {} advances to {watermark}", split_name(splits, control.split))
            }
            Control::IdleMark => {
                writeln!(out, "    {} idle at {}", split_name(splits, control.split), control.at)
            }
            Control::Ended => {
                writeln!(out, "    {} ended at {}", split_name(splits, control.split), control.at)
            }
        };
    }
    for slice in &record.slices {
        let name = split_name(splits, slice.split);
        let records = text::plural(slice.count.into(), "record");
        let _ = writeln!(out, "    {name} {}..{}: {records}", slice.start, slice.end);
    }
    for end in &record.flush_ends {
        let _ = writeln!(out, "    sink {}: flush group ends with epoch {}", end.sink, end.epoch);
    }
    for acknowledged in &record.acknowledged {
        let _ = writeln!(out, "    sink {}: holds {}", acknowledged.target, acknowledged.marker);
    }
    for opened in &record.opened {
        let _ = writeln!(out, "    sink {opened}: opened for the first time");
    }
    if let Some(epoch) = record.snapshot {
        let _ = writeln!(out, "    snapshot after epoch {epoch} is complete");
    }
    if let Some(hash) = record.output_hash {
        let _ = writeln!(out, "    chain after epoch {}: {}", hash.epoch, hash.hash);
    }
    out
}

fn split_name(splits: &BTreeMap<SplitId, String>, split: SplitId) -> String {
    // The record that added it may be gone with an old segment.
    splits.get(&split).cloned().unwrap_or_else(|| format!("split {split}"))
}

fn ends_text(journal: &Journal) -> String {
    let mut out = String::new();
    if let Some(cut) = &journal.cut {
        let _ = writeln!(
            out,
            "torn end: {} of {} from byte {} on ({})",
            text::bytes(cut.bytes),
            cut.segment,
            cut.at,
            cut.what
        );
    }
    for stray in &journal.strays {
        let _ = writeln!(out, "stray: {stray} does not count");
    }
    out
}
