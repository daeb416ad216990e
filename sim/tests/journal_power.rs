//! The journal under every crash: no record that was known to be durable is lost, and
//! a torn tail is never taken for damage.

use anabranch_engine::ids::{Epoch, Generation, Lineage};
use anabranch_engine::journal::local::LocalJournal;
use anabranch_engine::journal::{
    Carried, Damage, Encoder, EpochRecord, ExtraInput, Journal, JournalMachine, JournalStep,
    SegmentHeader, SegmentName, scan,
};
use anabranch_engine::plan::PlanHash;
use anabranch_engine::service::fs::{FsAnswer, FsRequest};
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::time::Tick;
use anabranch_sim::disk::{Folder, ProcessId};
use std::collections::BTreeSet;

/// A journal's folder, and what the dead writers had learnt.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    folder: Folder,
    /// Up to which epoch a writer knew the journal to be durable: a sink may hold it.
    known: u64,
    /// The largest generation that was started.
    generation: u64,
}

/// Counts operations and dies before the one with the chosen number, or within it.
struct Process {
    id: ProcessId,
    /// How many operations are left; the process dies at the next if there is none.
    left: usize,
    halves: bool,
    mistake: Mistake,
    /// Whether it is reading at present.
    reads: bool,
}

/// A mistake of the store that the sweep must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    None,
    /// What is read at the start is not synced first.
    ReadsUnsynced,
    /// A sync of a file does nothing.
    NeverSyncs,
    /// A sync of the folder does nothing.
    NeverSyncsNames,
}

enum End {
    Died,
    Damaged(Damage),
}

impl Process {
    fn new(left: usize, halves: bool, mistake: Mistake) -> Process {
        Process { id: ProcessId(1), left, halves, mistake, reads: false }
    }

    fn ask(&mut self, folder: &mut Folder, request: &FsRequest) -> Result<FsAnswer, End> {
        if self.left == 0 {
            if self.halves {
                folder.execute_half(self.id, request);
            }
            return Err(End::Died);
        }
        self.left -= 1;
        let is_file_sync = matches!(request, FsRequest::SyncFile { .. });
        let skipped = match self.mistake {
            Mistake::None => false,
            Mistake::ReadsUnsynced => self.reads && is_file_sync,
            Mistake::NeverSyncs => is_file_sync,
            Mistake::NeverSyncsNames => matches!(request, FsRequest::SyncDir),
        };
        if skipped {
            return Ok(FsAnswer::Done);
        }
        Ok(folder.execute(self.id, request))
    }

    /// Does what the machine asks for until it has an outcome.
    fn follow(
        &mut self,
        folder: &mut Folder,
        machine: &mut LocalJournal,
        mut step: JournalStep,
    ) -> Result<JournalStep, End> {
        while let JournalStep::Request(request) = step {
            let Request::Fs(request) = request else { panic!("{request:?} is not of a folder") };
            let answer = self.ask(folder, &request)?;
            step = machine.answer(Answer::Fs(answer));
        }
        Ok(step)
    }

    fn read(
        &mut self,
        folder: &mut Folder,
        machine: &mut LocalJournal,
        known: u64,
    ) -> Result<Journal, End> {
        self.reads = true;
        let step = machine.read();
        let JournalStep::Read(segments) = self.follow(folder, machine, step)? else {
            panic!("what was listed can be read");
        };
        self.reads = false;
        scan(&segments, &[Epoch(known)]).map_err(End::Damaged)
    }
}

impl World {
    /// One life: read the journal, open a segment, write two records that are synced
    /// together, then one, then two.
    fn live(&mut self, process: &mut Process) -> Result<(), End> {
        let mut machine = LocalJournal::new();
        let journal = process.read(&mut self.folder, &mut machine, self.known)?;
        let newest = journal.newest_generation.map_or(0, |generation| generation.number);
        assert!(newest <= self.generation);
        let number = newest + 1;
        self.generation = self.generation.max(number);
        let generation = Generation { number, nonce: 70 + number };
        let first_epoch = journal.last_epoch().next();
        let header = SegmentHeader {
            name: SegmentName { generation, part: 0 },
            lineage: Lineage { number: 1, nonce: 2 },
            parent: None,
            plan: PlanHash([0; 16]),
            semantics: 1,
            binary: String::new(),
            predecessor: journal.predecessor(),
            first_epoch,
            sources: Vec::new(),
            carried: Carried::default(),
        };
        let mut bytes = Vec::new();
        let mut encoder = Encoder::open(&header, &mut bytes);
        let step = machine.open(header.name, bytes.into());
        let opened = process.follow(&mut self.folder, &mut machine, step)?;
        assert_eq!(opened, JournalStep::Opened);
        self.known = first_epoch.0 - 1;
        let mut epoch = first_epoch;
        for count in [2, 1, 2] {
            let mut bytes = Vec::new();
            for _ in 0..count {
                encoder.append_epoch(&record(epoch, self.known), &mut bytes);
                epoch = epoch.next();
            }
            let step = machine.append(bytes.into());
            let appended = process.follow(&mut self.folder, &mut machine, step)?;
            assert_eq!(appended, JournalStep::Appended);
            self.known = epoch.0 - 1;
        }
        Ok(())
    }

    /// Runs lives that die at every operation, and adds all worlds that are left.
    fn deaths(&self, mistake: Mistake, worlds: &mut BTreeSet<World>) -> Result<(), Damage> {
        for halves in [false, true] {
            for left in 0.. {
                let mut world = self.clone();
                let mut process = Process::new(left, halves, mistake);
                let end = world.live(&mut process);
                world.folder.process_dies(process.id);
                if let Err(End::Damaged(damage)) = end {
                    return Err(damage);
                }
                let failures = world.folder.power_failures();
                worlds.extend(failures.into_iter().map(|folder| World { folder, ..world.clone() }));
                worlds.insert(world);
                if end.is_ok() {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// A record that is long enough to be torn in many ways.
fn record(epoch: Epoch, known: u64) -> EpochRecord {
    EpochRecord {
        epoch,
        tick: Tick(epoch.0 as i64),
        durable_up_to: Epoch(known),
        extra: vec![ExtraInput::Lookup { request: epoch.0, answer: vec![7; 40].into() }],
        ..EpochRecord::default()
    }
}

/// Two lives that die anywhere, and a third one that reads. Gives how many torn tails
/// it found.
fn sweep(mistake: Mistake) -> Result<usize, Damage> {
    let (mut first, mut second) = (BTreeSet::new(), BTreeSet::new());
    World::default().deaths(mistake, &mut first)?;
    for world in &first {
        world.deaths(mistake, &mut second)?;
    }
    assert!(first.len() > 50 && second.len() > 500, "{} and {}", first.len(), second.len());
    let mut cuts = 0;
    for world in second {
        let World { mut folder, known, .. } = world;
        let mut process = Process::new(usize::MAX, false, mistake);
        let journal = match process.read(&mut folder, &mut LocalJournal::new(), known) {
            Ok(journal) => journal,
            Err(End::Damaged(damage)) => return Err(damage),
            Err(End::Died) => panic!("the last process does not die"),
        };
        cuts += usize::from(journal.cut.is_some());
        let epochs: Vec<u64> = journal.records_after(Epoch(0)).map(|r| r.epoch.0).collect();
        assert_eq!(epochs, (1..=journal.last_epoch().0).collect::<Vec<_>>());
    }
    Ok(cuts)
}

#[test]
fn no_two_crashes_lose_a_durable_record_or_look_like_damage() {
    // spec: J-1, J-6
    let cuts = sweep(Mistake::None).expect("nothing that was durable is lost");
    assert!(cuts > 100, "only {cuts} torn tails");
}

#[test]
fn the_sweep_finds_a_store_that_does_not_sync() {
    for mistake in [Mistake::ReadsUnsynced, Mistake::NeverSyncs, Mistake::NeverSyncsNames] {
        assert!(sweep(mistake).is_err(), "{mistake:?} goes unnoticed");
    }
}
