//! What was not kept in a run: what really went, and when, not what a plan let happen.

use super::World;
use super::result::RunResult;
use crate::model::Toll;
use crate::time::VirtualTime;

/// Who did not keep something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loser {
    /// There is more than one history: somebody put the state back to an older one, or a
    /// process with a copy of it wrote to a sink.
    History,
    /// The journal.
    Journal,
    /// A sink, by its table.
    Sink(String),
    /// The snapshots.
    Snapshots,
    /// A split.
    Split {
        /// Its table.
        table: String,
        /// Its name there.
        name: String,
    },
}

/// Something that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// When it went.
    pub at: VirtualTime,
    /// Who had it.
    pub of: Loser,
    /// What.
    pub toll: Toll,
}

impl Loss {
    /// So many things are gone that had been acknowledged, or given.
    #[must_use]
    pub fn gone(at: VirtualTime, of: Loser, gone: u64) -> Loss {
        Loss { at, of, toll: Toll { gone, ..Toll::default() } }
    }
}

impl RunResult {
    /// All that somebody did not keep.
    #[must_use]
    pub fn lost_by(&self, of: &Loser) -> Toll {
        let losses = self.losses.iter().filter(|loss| loss.of == *of);
        losses.fold(Toll::default(), |sum, loss| sum.and(loss.toll))
    }

    /// Whether somebody did not keep what it had acknowledged.
    #[must_use]
    pub fn is_broken(&self, of: &Loser) -> bool {
        self.lost_by(of).breaks_promises()
    }
}

impl World {
    /// Notes what a service has not kept since it was asked last.
    pub(super) fn note_toll(&mut self, place: usize) {
        let found = &mut self.places[place];
        let toll = found.service.toll();
        if toll == found.toll {
            return;
        }
        let more = toll.since(found.toll);
        found.toll = toll;
        let of = match (place, found.sink) {
            (super::state::OWN, _) => Loser::Journal,
            (super::state::OWN_SNAPSHOTS, _) => Loser::Snapshots,
            (_, Some(_)) => Loser::Sink(found.name.clone()),
            // A copy of the state: nobody leans on it but the process that has it.
            (_, None) => return,
        };
        self.kept.losses.push(Loss { at: self.now, of, toll: more });
    }

    /// Notes that a source does not give any more what it had given.
    pub(super) fn note_lost_records(&mut self, split: usize) {
        let lost = self.splits[split].take_lost();
        if lost > 0 {
            let split = &self.splits[split];
            let (table, name) = (split.table.clone(), split.name.name.clone());
            let of = Loser::Split { table, name };
            self.kept.losses.push(Loss::gone(self.now, of, lost));
        }
    }
}
