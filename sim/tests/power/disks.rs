//! All folders of a job, and a process that dies at a chosen operation on them.

use anabranch_engine::service::fs::{FsAnswer, FsRequest};
use anabranch_sim::disk::{Folder, ProcessId};

/// Why a process ends without an ending.
#[derive(Debug)]
pub(crate) enum End {
    /// It is dead.
    Died,
    /// It found something that must not be.
    Broken(String),
}

/// Which folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Journal,
    Snapshots,
    Sink(usize),
}

/// What is left when a process has died.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Disks {
    pub(crate) journal: Folder,
    pub(crate) snapshots: Folder,
    pub(crate) sinks: Vec<Folder>,
}

impl Disks {
    pub(crate) fn new(sinks: usize) -> Disks {
        Disks { sinks: vec![Folder::default(); sinks], ..Disks::default() }
    }

    fn folder(&mut self, place: Place) -> &mut Folder {
        match place {
            Place::Journal => &mut self.journal,
            Place::Snapshots => &mut self.snapshots,
            Place::Sink(index) => &mut self.sinks[index],
        }
    }

    /// The process dies, the power stays.
    pub(crate) fn process_dies(&mut self, process: ProcessId) {
        let folders = self.sinks.iter_mut().chain([&mut self.journal, &mut self.snapshots]);
        folders.for_each(|folder| _ = folder.process_dies(process));
    }

    /// The power fails: states in which the disks may be found. Every state of every
    /// folder is among them; how those of different folders go together is drawn.
    pub(crate) fn power_failures(&self) -> Vec<Disks> {
        let outcomes = |folder: &Folder| folder.power_failures().into_iter().collect::<Vec<_>>();
        let journal = outcomes(&self.journal);
        let snapshots = outcomes(&self.snapshots);
        let sinks: Vec<Vec<Folder>> = self.sinks.iter().map(outcomes).collect();
        let counts = [journal.len(), snapshots.len()];
        let most = counts.into_iter().chain(sinks.iter().map(Vec::len)).max().unwrap_or(1);
        // Different steps, so that not always the oldest states meet.
        let pick = |states: &[Folder], round: usize, step: usize| {
            states[(round + round / states.len() * step) % states.len()].clone()
        };
        (0..most)
            .map(|round| Disks {
                journal: pick(&journal, round, 1),
                snapshots: pick(&snapshots, round, 2),
                sinks: sinks.iter().map(|states| pick(states, most - 1 - round, 3)).collect(),
            })
            .collect()
    }
}

/// Whether an operation is left out, though it is said to be done: a mistake that the
/// sweep must find.
pub(crate) type Mistake = fn(Place, &FsRequest) -> bool;

/// Does everything that is asked of it.
pub(crate) fn no_mistake(_: Place, _: &FsRequest) -> bool {
    false
}

/// Counts its operations, and dies before one of them, or in its middle.
pub(crate) struct Process {
    pub(crate) id: ProcessId,
    /// How many operations are left; the process dies at the next if there is none.
    pub(crate) left: usize,
    /// Whether the first half of that operation is done.
    pub(crate) halves: bool,
    pub(crate) mistake: Mistake,
}

impl Process {
    pub(crate) fn ask(
        &mut self,
        disks: &mut Disks,
        place: Place,
        request: &FsRequest,
    ) -> Result<FsAnswer, End> {
        let folder = disks.folder(place);
        if self.left == 0 {
            if self.halves {
                folder.execute_half(self.id, request);
            }
            return Err(End::Died);
        }
        self.left -= 1;
        if (self.mistake)(place, request) {
            return Ok(FsAnswer::Done);
        }
        Ok(folder.execute(self.id, request))
    }
}
