//! The job's state as a whole: copies of its journal and snapshots, and records that kill
//! whoever computes them.

use super::loss::{Loser, Loss};
use super::process::{JOURNAL, Process};
use super::result::ProcessEnding;
use super::{Event, Link, Place, World};
use crate::model::Toll;
use crate::plan::{RecordName, StateFault};
use anabranch_engine::journal::JournalEntry;
use anabranch_engine::pipeline::Output;

/// Where the journal of the job is; its snapshots follow.
pub(super) const OWN: usize = 0;
/// And these.
pub(super) const OWN_SNAPSHOTS: usize = 1;

/// The mark of a process that a record killed.
pub const DIED_OF_A_RECORD: &str = "died-of-a-record";

impl World {
    /// Lets something happen to the state; gives whether it could.
    pub(super) fn disturb_state(&mut self, fault: StateFault) -> bool {
        match fault {
            StateFault::Copy => {
                let copied = |place: &Place| place.service.copied();
                self.copy = self.places[OWN..=OWN_SNAPSHOTS].iter().map(copied).collect();
                self.copied_at = self.kept.journaled;
                true
            }
            StateFault::PutBack => {
                let copy = std::mem::take(&mut self.copy);
                let is_there = !copy.is_empty();
                for (place, service) in copy.into_iter().enumerate() {
                    let toll = service.toll();
                    let found = &mut self.places[place];
                    (found.service, found.due, found.toll) = (service, None, toll);
                    self.changed(place, 0, false);
                }
                if is_there {
                    // Of what was journaled since, nothing is known any more.
                    self.watch.forget_journal();
                    self.kept.forget_snapshots();
                    let gone = self.kept.journaled - self.copied_at;
                    if gone > 0 {
                        self.kept.losses.push(Loss::gone(self.now, Loser::History, gone));
                    }
                }
                is_there
            }
            StateFault::StartCopy => {
                let state = self.places.len();
                let names = ["journal-copy", "snapshots-copy"];
                let latencies =
                    [self.plan.settings.links.journal, self.plan.settings.links.snapshots];
                let copies = self.copy.iter().map(|service| service.copied());
                let copies: Vec<_> = copies.zip(names).zip(latencies).collect();
                let is_there = !copies.is_empty();
                self.places.extend(copies.into_iter().map(|((service, name), latency)| Place {
                    name: name.to_owned(),
                    service,
                    link: Link::new(self.plan.seed, name, latency),
                    sink: None,
                    due: None,
                    toll: Toll::default(),
                }));
                if is_there {
                    self.heap.plan(self.now, Event::StartCopy(state));
                }
                is_there
            }
        }
    }

    /// From now on a record kills whoever computes it.
    pub(super) fn poison(&mut self, record: &RecordName) -> bool {
        let split = self.splits.iter().position(|split| split.is_called(&record.split));
        let place = split.and_then(|split| Some((split, self.splits[split].offset_of(record)?)));
        self.poisons.extend(place);
        place.is_some()
    }

    /// Kills a process in whose last turn a poisonous record was computed, with all that
    /// the turn gave. Gives whether it did.
    // spec: F-6
    pub(super) fn is_poisoned(&mut self, process: &mut Process) -> bool {
        if self.poisons.is_empty() {
            return false;
        }
        let mut records = process.records.clone();
        let takes_poison = process.unsent.iter().any(|output| {
            let entry = match output {
                Output::OpenJournal { segment, bytes } => {
                    records.open(*segment, bytes);
                    None
                }
                Output::AppendJournal { bytes, .. } | Output::AppendNote { bytes, .. } => {
                    records.read(bytes)
                }
                _ => None,
            };
            let Some(JournalEntry::Epoch(record)) = entry else { return false };
            record.slices.iter().any(|slice| {
                let split = process.splits.get(&slice.split);
                let holds = |(of, offset): &(usize, u64)| {
                    split == Some(of) && (slice.start.0..slice.end.0).contains(offset)
                };
                self.poisons.iter().any(holds)
            })
        });
        if takes_poison {
            process.unsent.clear();
            self.watch.counts.mark(DIED_OF_A_RECORD);
            self.kill(process, ProcessEnding::Killed, None);
        }
        takes_poison
    }
}

impl Process {
    /// Whether it keeps its state where the job does, and not in a copy.
    pub(super) fn has_own_state(&self) -> bool {
        self.lanes[JOURNAL].service == OWN
    }
}
