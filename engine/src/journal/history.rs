//! The history that the segments of a journal tell, and what may be wrong with it.

use crate::ids::{Epoch, Generation};
use crate::journal::record::EpochRecord;
use crate::journal::segment::{Carried, JournalEntry, Predecessor, SegmentHeader, SegmentName};
use crate::planted;
use crate::time::Tick;
use bytes::Bytes;

/// A segment as it was found in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentBytes {
    /// The name under which it was found.
    pub name: SegmentName,
    /// All its bytes.
    pub bytes: Bytes,
}

/// A segment of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its header.
    pub header: SegmentHeader,
    /// The byte after its last entry that counts.
    pub end: u64,
}

/// An entry and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The segment, by its place in [`Journal::segments`].
    pub segment: usize,
    /// The byte of the segment at which it starts.
    pub at: u64,
    /// The entry. No headers: they stand in [`Journal::segments`].
    pub entry: JournalEntry,
}

/// Where a torn tail was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The segment.
    pub segment: SegmentName,
    /// The first byte that does not count.
    pub at: u64,
    /// How many bytes do not count.
    pub bytes: u64,
    /// What is wrong with the first of them.
    pub what: &'static str,
    /// How many whole entries stood behind it and were cut with it.
    pub entries: usize,
}

/// Why a journal must not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// An entry is whole but says what no writer of this format says: it is of a
    /// newer version, or a mistake of ours.
    #[error("segment {segment} holds {what} at byte {at}")]
    Unreadable {
        /// The segment.
        segment: SegmentName,
        /// The byte.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// Bytes that were durable are not valid any more.
    #[error(
        "segment {segment} is damaged at byte {at}: {what}, though epoch {durable} was durable"
    )]
    Invalid {
        /// The segment.
        segment: SegmentName,
        /// The byte.
        at: u64,
        /// What is wrong there.
        what: &'static str,
        /// The largest epoch that is known to have been durable.
        durable: Epoch,
    },
    /// An epoch is missing, or stands twice.
    #[error("segment {segment} holds epoch {found} at byte {at}, where {expected} belongs")]
    Sequence {
        /// The segment.
        segment: SegmentName,
        /// The byte.
        at: u64,
        /// The epoch that belongs there.
        expected: Epoch,
        /// The epoch that stands there.
        found: Epoch,
    },
    /// A segment that another one continues is not there, though older ones are.
    #[error("segment {missing} is missing, which {segment} continues")]
    Missing {
        /// The segment that names it.
        segment: SegmentName,
        /// The segment that is not there.
        missing: SegmentName,
    },
    /// A generation number was used by two incarnations: the folder was copied.
    // spec: G-1
    #[error("two incarnations wrote to this journal as one generation: {0} and {1}")]
    TwoIncarnations(Generation, Generation),
    /// A marker names an epoch that the journal does not hold: the journal lost
    /// data.
    // spec: K-5
    #[error("a sink holds epoch {marker}, but the journal ends with epoch {last}")]
    BehindMarker {
        /// The largest epoch that a marker names.
        marker: Epoch,
        /// The last epoch of the journal.
        last: Epoch,
    },
}

/// The history that a journal tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// The chain of segments, oldest first. Empty for a job that never ran.
    pub segments: Vec<SegmentInfo>,
    /// The entries that count, in order. Epochs that a later lineage left behind are
    /// not among them.
    pub entries: Vec<Placed>,
    /// The largest epoch that is known to have been durable; 0 if none is.
    pub durable_up_to: Epoch,
    /// The largest epoch of any lineage that was read; 0 if there is none. A new
    /// lineage starts above it.
    // spec: G-2
    pub largest_epoch: Epoch,
    /// The largest tick that was read.
    // spec: E-4
    pub last_tick: Tick,
    /// The torn tail, if there is one.
    pub cut: Option<Cut>,
    /// The newest generation that opened a segment, whether or not that segment
    /// counts. The next one has a larger number.
    // spec: G-1
    pub newest_generation: Option<Generation>,
    /// Segments that do not count: they were torn when they were opened, or written
    /// by a generation that had been replaced.
    pub strays: Vec<SegmentName>,
}

impl Journal {
    /// The records of epochs above `after`, in order.
    pub fn records_after(&self, after: Epoch) -> impl Iterator<Item = &EpochRecord> {
        self.entries.iter().filter_map(move |placed| match &placed.entry {
            JournalEntry::Epoch(record) if record.epoch > after => Some(record),
            JournalEntry::Header(_)
            | JournalEntry::Seam(_)
            | JournalEntry::Epoch(_)
            | JournalEntry::Poison(_)
            | JournalEntry::Finished(_)
            | JournalEntry::Stopped(_)
            | JournalEntry::Attempt(_) => None,
        })
    }

    /// The epoch of the last record that counts, or the one before the newest
    /// segment's first record if that is later (a lineage that has no record yet).
    #[must_use]
    pub fn last_epoch(&self) -> Epoch {
        let newest = self.entries.iter().rev().find_map(|placed| placed.entry.epoch());
        let start = self.segments.last().map(|segment| before(segment.header.first_epoch));
        newest.max(start).unwrap_or_default()
    }

    /// How many of the newest generations died of one epoch, and which: their last word is
    /// that they were about to compute it. One that ended before it came to compute
    /// anything, because something outside failed, says nothing either way.
    // spec: F-6
    #[must_use]
    pub fn deaths(&self) -> Option<(Epoch, u32)> {
        let mut found: Option<(Epoch, u32)> = None;
        for entries in self.generations().iter().rev() {
            let Some(last) = entries.last() else { continue };
            let died_at = match last {
                JournalEntry::Attempt(attempt) if !attempt.computed => Some(attempt.epoch),
                _ => None,
            };
            found = match (found, died_at) {
                (None, Some(epoch)) => Some((epoch, 1)),
                (Some((epoch, count)), Some(at)) if at == epoch => Some((epoch, count + 1)),
                _ => break,
            };
        }
        found
    }

    /// Whether the newest generation ended without having journaled an epoch and without
    /// saying that it ended in order.
    // spec: F-6
    #[must_use]
    pub fn newest_was_silent(&self) -> bool {
        let generations = self.generations();
        let silent = |entries: &Vec<&JournalEntry>| {
            entries.iter().all(|entry| matches!(entry, JournalEntry::Attempt(_)))
        };
        generations.last().is_some_and(silent)
    }

    /// What each generation wrote behind its headers, oldest first.
    fn generations(&self) -> Vec<Vec<&JournalEntry>> {
        let mut generations: Vec<(Generation, Vec<&JournalEntry>)> = Vec::new();
        for (index, segment) in self.segments.iter().enumerate() {
            let generation = segment.header.name.generation;
            if generations.last().is_none_or(|(last, _)| *last != generation) {
                generations.push((generation, Vec::new()));
            }
            let of_segment = self.entries.iter().filter(|placed| placed.segment == index);
            let (_, entries) = generations.last_mut().expect("one was just added");
            entries.extend(of_segment.map(|placed| &placed.entry));
        }
        generations.into_iter().map(|(_, entries)| entries).collect()
    }

    /// What a new segment has to name as its predecessor.
    #[must_use]
    pub fn predecessor(&self) -> Option<Predecessor> {
        let last = self.segments.last()?;
        let torn = self.cut.as_ref().filter(|_| planted!(J3)).map_or(0, |cut| cut.bytes);
        Some(Predecessor { name: last.header.name, end: last.end + torn })
    }

    /// What a new segment has to carry on: what the newest header carried and the
    /// records since added.
    #[must_use]
    pub fn carried(&self) -> Carried {
        let Some(last) = self.segments.last() else {
            return Carried::default();
        };
        let newest = self.segments.len() - 1;
        let mut carried = last.header.carried.clone();
        for placed in self.entries.iter().filter(|placed| placed.segment == newest) {
            if let JournalEntry::Epoch(record) = &placed.entry {
                carried.add(record);
            }
        }
        carried
    }

    /// The epoch after which replay can start: the one before the chain's first
    /// record. A snapshot below it is of no use.
    // spec: J-4
    #[must_use]
    pub fn reaches_back_to(&self) -> Epoch {
        self.segments.first().map_or(Epoch(0), |segment| before(segment.header.first_epoch))
    }

    /// Checks that every epoch that a marker names is there. Markers of other
    /// lineages than the journal's newest are not to be asked about.
    ///
    /// # Errors
    /// [`Damage::BehindMarker`].
    // spec: K-5
    pub fn check_marker(&self, marker: Epoch) -> Result<(), Damage> {
        let last = self.last_epoch();
        if marker > last {
            return Err(Damage::BehindMarker { marker, last });
        }
        Ok(())
    }
}

fn before(epoch: Epoch) -> Epoch {
    Epoch(epoch.0.saturating_sub(1))
}
