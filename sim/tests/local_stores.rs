//! The machines of the local journal and the local snapshots on a disk that fails at any
//! request in any way: whatever was confirmed is there afterwards, byte for byte, and
//! nothing else is but the beginning of what was attempted.

use anabranch_engine::ids::{Epoch, Generation, KeyGroup, Lineage};
use anabranch_engine::journal::local::LocalJournal;
use anabranch_engine::journal::{
    Carried, ChainHash, Encoder, EpochRecord, ExtraInput, Journal, JournalMachine, JournalStep,
    SegmentBytes, SegmentHeader, SegmentName, scan,
};
use anabranch_engine::plan::PlanHash;
use anabranch_engine::service::fs::FsRequest;
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::snapshot::local::LocalSnapshots;
use anabranch_engine::snapshot::{
    Manifest, NodeState, PartName, PartRef, SnapshotMachine, SnapshotStep, encode_part,
};
use anabranch_engine::state::StateEntry;
use anabranch_engine::time::Tick;
use anabranch_sim::disk::{Folder, KEEP_ALL, LOSE_ALL};
use anabranch_sim::model::disk::DiskModel;
use anabranch_sim::model::{ClientId, Disturbance, Service};
use anabranch_sim::time::VirtualTime;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

const JOURNAL: u32 = 0;
const SNAPSHOTS: u32 = 1;
/// Of how many states after a power failure so many are drawn where not all are tried.
const DRAWN: u64 = 6;
/// A folder with no more possible states than this is tried in all of them.
const ALL_MAX: usize = 40;

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The process dies before it.
    Dies,
    /// The process dies in its middle.
    DiesWithin,
    /// The disk is full from there on.
    DiskFull,
    /// It fails, if it is a sync.
    SyncFails,
    /// It fails, if it is a sync, and is asked for again: a mistake.
    SyncIsRetried,
    /// It is done, and nobody says so.
    NoAnswer,
}

/// The disk, and what the outside knows of what was written.
#[derive(Clone)]
struct World {
    model: DiskModel,
    processes: u32,
    /// The records that were attempted, from epoch 1 on.
    attempted: Vec<EpochRecord>,
    /// How many of them were confirmed, or read.
    durable: usize,
    /// Up to which epoch segments were to be removed.
    trimmed: u64,
    /// The parts of all snapshots that were attempted.
    stored: BTreeMap<String, Vec<Bytes>>,
    /// Those that were confirmed, and not to be removed.
    complete: BTreeSet<String>,
}

/// How a process ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Died,
    /// Its journal failed.
    Failed,
    Finished,
    /// Something is there that must not be, or is not there that must be.
    Wrong(String),
}

/// A process at work.
struct Life<'a> {
    world: &'a mut World,
    client: u32,
    fault: Option<(usize, Fault)>,
    asked: usize,
    journal: LocalJournal,
    snapshots: LocalSnapshots,
}

fn wrong<T>(is_right: bool, what: impl FnOnce() -> T) -> Result<(), End>
where
    T: Into<String>,
{
    if is_right { Ok(()) } else { Err(End::Wrong(what().into())) }
}

impl World {
    fn new() -> World {
        World {
            model: DiskModel::new(7),
            processes: 0,
            attempted: Vec::new(),
            durable: 0,
            trimmed: 0,
            stored: BTreeMap::new(),
            complete: BTreeSet::new(),
        }
    }

    fn disturb(&mut self, disturbance: &Disturbance) {
        self.model.disturb(VirtualTime::default(), disturbance).expect("a disk can do that");
    }

    /// Runs a process; gives its end, and how many requests it made.
    fn run(&mut self, fault: Option<(usize, Fault)>) -> (End, usize) {
        self.processes += 1;
        let client = self.processes;
        let (journal, snapshots) = (LocalJournal::new(), LocalSnapshots::new());
        let mut life = Life { world: self, client, fault, asked: 0, journal, snapshots };
        let end = life.live().err().unwrap_or(End::Finished);
        (end, life.asked)
    }

    fn process_dies(&mut self) {
        self.model.client_died(VirtualTime::default(), self.processes);
    }

    /// The worlds in which the next process may start: this one, and some in which the
    /// power has failed, too; all, if there are few.
    fn afterwards(&self) -> Vec<World> {
        let mut worlds = vec![self.clone()];
        for choice in [KEEP_ALL, LOSE_ALL].into_iter().chain(2..2 + DRAWN) {
            let mut world = self.clone();
            world.disturb(&Disturbance::PowerFailure { choice });
            worlds.push(world);
        }
        for machine in [JOURNAL, SNAPSHOTS] {
            let states = self.model.folder(machine).map(Folder::power_failures);
            for state in states.filter(|states| states.len() <= ALL_MAX).into_iter().flatten() {
                let mut world = self.clone();
                world.disturb(&Disturbance::PowerFailure { choice: LOSE_ALL });
                world.model.put_folder(machine, state);
                worlds.push(world);
            }
        }
        worlds.iter_mut().for_each(World::process_dies);
        worlds
    }

    /// A process without faults finds all as it must be, and goes on; what it confirmed is
    /// there after the worst power failure.
    fn finish(mut self) -> Result<(), String> {
        for _ in 0..2 {
            match self.run(None).0 {
                End::Finished => {}
                End::Wrong(what) => return Err(what),
                end => return Err(format!("nothing is wrong, and still {end:?}")),
            }
            self.disturb(&Disturbance::PowerFailure { choice: LOSE_ALL });
            self.process_dies();
        }
        Ok(())
    }
}

impl Life<'_> {
    fn ask(&mut self, machine: u32, request: &Request) -> Result<Answer, End> {
        let client = ClientId { process: self.client, machine };
        let fault = self.fault.filter(|(number, _)| *number == self.asked);
        self.asked += 1;
        let is_sync =
            matches!(request, Request::Fs(FsRequest::SyncFile { .. } | FsRequest::SyncDir));
        match fault.map(|(_, fault)| fault) {
            Some(Fault::Dies) => return Err(End::Died),
            Some(Fault::DiesWithin) => {
                self.world.model.execute_half(client, request);
                return Err(End::Died);
            }
            Some(Fault::DiskFull) => self.world.disturb(&Disturbance::Fill { writes: 0 }),
            Some(Fault::SyncFails) if is_sync => self.world.disturb(&Disturbance::FailSync),
            Some(Fault::SyncIsRetried) if is_sync => {
                self.world.disturb(&Disturbance::FailSync);
                self.world.model.execute(VirtualTime::default(), client, request);
            }
            Some(Fault::SyncFails | Fault::SyncIsRetried | Fault::NoAnswer) | None => {}
        }
        let answer = self.world.model.execute(VirtualTime::default(), client, request);
        let is_lost = fault.is_some_and(|(_, fault)| fault == Fault::NoAnswer);
        Ok(if is_lost { Answer::TimedOut } else { answer })
    }

    fn journal(&mut self, mut step: JournalStep) -> Result<JournalStep, End> {
        while let JournalStep::Request(request) = step {
            let answer = self.ask(JOURNAL, &request)?;
            step = self.journal.answer(answer);
        }
        Ok(step)
    }

    fn snapshots(&mut self, mut step: SnapshotStep) -> Result<SnapshotStep, End> {
        while let SnapshotStep::Request(request) = step {
            let answer = self.ask(SNAPSHOTS, &request)?;
            step = self.snapshots.answer(answer);
        }
        Ok(step)
    }

    /// Looks at everything, then writes more and removes what is old.
    fn live(&mut self) -> Result<(), End> {
        let journal = self.read_journal()?;
        self.check_snapshots()?;
        let number = journal.newest_generation.map_or(0, |generation| generation.number) + 1;
        let generation = Generation { number, nonce: 70 + number };
        let first_epoch = journal.last_epoch().next();
        let header = header(generation, first_epoch, &journal);
        let mut bytes = Vec::new();
        let mut encoder = Encoder::open(&header, &mut bytes);
        let step = self.journal.open(header.name, bytes.into());
        match self.journal(step)? {
            JournalStep::Opened => {}
            JournalStep::Failed { .. } => return Err(self.ended()),
            step => return Err(End::Wrong(format!("opening gave {step:?}"))),
        }
        self.append(&mut encoder, 2)?;
        let first = self.store_snapshot(generation, None)?;
        self.append(&mut encoder, 1)?;
        let second = self.store_snapshot(generation, first.as_ref())?;
        if let Some(second) = second {
            self.remove_all_but(&[name_of(&second)])?;
        }
        self.append(&mut encoder, 1)?;
        self.world.trimmed = first_epoch.0 - 1;
        let old = journal.segments.iter().map(|segment| segment.header.name);
        let step = self.journal.trim(old.collect());
        match self.journal(step)? {
            JournalStep::Trimmed | JournalStep::Failed { transient: true, .. } => {}
            JournalStep::Failed { .. } => return Err(self.ended()),
            step => return Err(End::Wrong(format!("trimming gave {step:?}"))),
        }
        self.append(&mut encoder, 2)
    }

    /// The journal has failed: it never writes again.
    // spec: J-6
    fn ended(&mut self) -> End {
        let step = self.journal.append("more".into());
        match step {
            JournalStep::Failed { transient: false, .. } => End::Failed,
            step => End::Wrong(format!("after a failure comes {step:?}")),
        }
    }

    /// The records that are there are those that were attempted, and all that were
    /// confirmed.
    fn read_journal(&mut self) -> Result<Journal, End> {
        let step = self.journal.read();
        let segments = match self.journal(step)? {
            JournalStep::Read(segments) => segments,
            JournalStep::Failed { .. } => return Err(End::Failed),
            step => return Err(End::Wrong(format!("reading gave {step:?}"))),
        };
        let known = Epoch(self.world.durable as u64);
        let journal = scan(&segments, &[known])
            .map_err(|damage| End::Wrong(format!("it looks like damage: {damage}")))?;
        let last = journal.last_epoch().0 as usize;
        let oldest = journal.reaches_back_to().0;
        wrong(oldest <= self.world.trimmed, || format!("the journal begins behind {oldest}"))?;
        wrong(last >= known.0 as usize, || format!("{last} records of {known}"))?;
        let found = journal.records_after(Epoch(0));
        let expected = self.world.attempted.get(oldest as usize..last);
        let is_same = expected.is_some_and(|expected| found.eq(expected));
        wrong(is_same, || format!("other records up to {last}"))?;
        self.world.attempted.truncate(last);
        // What was read is durable.
        // spec: J-1
        self.world.durable = last;
        Ok(journal)
    }

    fn append(&mut self, encoder: &mut Encoder, count: u64) -> Result<(), End> {
        let mut bytes = Vec::new();
        for _ in 0..count {
            let epoch = Epoch(self.world.attempted.len() as u64 + 1);
            let record = record(epoch, Epoch(self.world.durable as u64));
            encoder.append_epoch(&record, &mut bytes);
            self.world.attempted.push(record);
        }
        let step = self.journal.append(bytes.into());
        match self.journal(step)? {
            JournalStep::Appended => {
                self.world.durable = self.world.attempted.len();
                Ok(())
            }
            JournalStep::Failed { .. } => Err(self.ended()),
            step => Err(End::Wrong(format!("appending gave {step:?}"))),
        }
    }

    /// Every snapshot that is listed can be loaded, and all are that were confirmed.
    // spec: S-1
    fn check_snapshots(&mut self) -> Result<(), End> {
        let step = self.snapshots.list();
        let listed = match self.snapshots(step)? {
            SnapshotStep::Listed(listed) => listed,
            SnapshotStep::Failed { .. } => return Ok(()),
            step => return Err(End::Wrong(format!("listing gave {step:?}"))),
        };
        let names: BTreeSet<String> = listed.iter().map(|(name, _)| name.clone()).collect();
        let lost: Vec<_> = self.world.complete.difference(&names).collect();
        wrong(lost.is_empty(), || format!("snapshots {lost:?} are gone"))?;
        for (name, manifest) in listed {
            let is_disturbed = self.fault.is_some();
            if manifest.is_empty() && is_disturbed {
                continue;
            }
            wrong(Manifest::decode(&manifest).is_ok(), || format!("{name} is torn"))?;
            let step = self.snapshots.load(name.clone());
            match self.snapshots(step)? {
                SnapshotStep::Loaded(parts) => {
                    let is_same = self.world.stored.get(&name) == Some(&parts);
                    wrong(is_same, || format!("{name} has other parts"))?;
                }
                SnapshotStep::Failed { .. } if is_disturbed => {}
                step => return Err(End::Wrong(format!("loading {name} gave {step:?}"))),
            }
        }
        Ok(())
    }

    /// Stores a snapshot that shares the parts of another one. Gives none if that failed.
    fn store_snapshot(
        &mut self,
        generation: Generation,
        shared: Option<&Manifest>,
    ) -> Result<Option<Manifest>, End> {
        let epoch = Epoch(self.world.durable as u64);
        let name = PartName { epoch, generation, number: 0 };
        let value = Some(Bytes::from(vec![epoch.0 as u8; 30]));
        let entry = StateEntry { key_group: KeyGroup(0), table: "t", key: vec![1].into(), value };
        let (own, reference) = encode_part(name, "n", &[entry]);
        let before = shared.map(name_of).map(|name| self.world.stored[&name].clone());
        let mut all = before.unwrap_or_default();
        all.push(own.clone());
        let mut references: Vec<PartRef> =
            shared.map(|shared| shared.parts().copied().collect()).unwrap_or_default();
        references.push(reference);
        let manifest = manifest(epoch, generation, references);
        self.world.stored.insert(name_of(&manifest), all);
        for _ in 0..2 {
            let parts = vec![(name.to_string(), own.clone())];
            let bytes = manifest.encode().into();
            let step = self.snapshots.store(name_of(&manifest), parts, bytes);
            match self.snapshots(step)? {
                SnapshotStep::Stored => {
                    self.world.complete.insert(name_of(&manifest));
                    return Ok(Some(manifest));
                }
                SnapshotStep::Failed { transient: true, .. } => {
                    // It goes well when there is room.
                    let now = VirtualTime::default();
                    self.world.model.disturb(now, &Disturbance::MakeRoom);
                }
                SnapshotStep::Failed { .. } => return Ok(None),
                step => return Err(End::Wrong(format!("storing gave {step:?}"))),
            }
        }
        Err(End::Wrong("a snapshot cannot be stored for ever".into()))
    }

    fn remove_all_but(&mut self, kept: &[String]) -> Result<(), End> {
        let names: Vec<String> =
            self.world.stored.keys().filter(|name| !kept.contains(name)).cloned().collect();
        self.world.complete.retain(|name| !names.contains(name));
        // A second time, as after the next snapshot.
        for _ in 0..2 {
            let step = self.snapshots.remove(names.clone());
            match self.snapshots(step)? {
                SnapshotStep::Removed | SnapshotStep::Failed { .. } => {}
                step => return Err(End::Wrong(format!("removing gave {step:?}"))),
            }
        }
        Ok(())
    }
}

/// The name by which the pipeline calls a snapshot.
fn name_of(manifest: &Manifest) -> String {
    manifest.name().to_string().trim_end_matches(".manifest").to_owned()
}

fn header(generation: Generation, first_epoch: Epoch, journal: &Journal) -> SegmentHeader {
    SegmentHeader {
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
    }
}

fn record(epoch: Epoch, durable_up_to: Epoch) -> EpochRecord {
    EpochRecord {
        epoch,
        tick: Tick(epoch.0 as i64),
        durable_up_to,
        extra: vec![ExtraInput::Lookup { request: epoch.0, answer: vec![7; 40].into() }],
        ..EpochRecord::default()
    }
}

fn manifest(epoch: Epoch, generation: Generation, parts: Vec<PartRef>) -> Manifest {
    Manifest {
        epoch,
        lineage: Lineage { number: 1, nonce: 2 },
        generation,
        plan: PlanHash([0; 16]),
        semantics: 1,
        tick: Tick(epoch.0 as i64),
        chain: ChainHash::START,
        splits: Vec::new(),
        nodes: vec![NodeState { node: "n".into(), parts }],
        sinks: Vec::new(),
        counters: Vec::new(),
    }
}

/// A world in which one process has written, and another one will find something.
fn written() -> World {
    let mut world = World::new();
    assert_eq!(world.run(None).0, End::Finished);
    world.process_dies();
    world
}

/// One fault at each request of a process that finds something; gives how many histories
/// there were, and how often the process ended in each way.
fn sweep(fault: Fault) -> Result<(usize, BTreeMap<String, usize>), String> {
    let base = written();
    let requests = base.clone().run(None).1;
    let (mut histories, mut ends) = (0, BTreeMap::new());
    for number in 0..requests {
        let mut world = base.clone();
        let place = |error| format!("{error} after {fault:?} at request {number}");
        let (end, _) = world.run(Some((number, fault)));
        if let End::Wrong(what) = end {
            return Err(place(what));
        }
        *ends.entry(format!("{end:?}")).or_default() += 1;
        let _ = world.model.disturb(VirtualTime::default(), &Disturbance::MakeRoom);
        for afterwards in world.afterwards() {
            afterwards.finish().map_err(place)?;
            histories += 1;
        }
    }
    Ok((histories, ends))
}

#[test]
fn a_death_at_any_request_loses_nothing_that_was_confirmed() {
    // spec: J-1, J-4, J-6, S-1
    for fault in [Fault::Dies, Fault::DiesWithin] {
        let (histories, ends) = sweep(fault).unwrap();
        assert!(histories > 400, "only {histories} histories");
        assert_eq!(ends.keys().collect::<Vec<_>>(), ["Died"]);
    }
}

#[test]
fn a_full_disk_at_any_request_loses_nothing_and_ends_whoever_appends() {
    // spec: F-2, J-6, S-1
    let (_, ends) = sweep(Fault::DiskFull).unwrap();
    assert!(ends["Failed"] > 10 && ends["Finished"] > 10, "{ends:?}");
}

#[test]
fn a_failed_sync_at_any_request_loses_nothing_and_ends_whoever_appends() {
    // spec: J-6, S-1
    let (_, ends) = sweep(Fault::SyncFails).unwrap();
    assert!(ends["Failed"] > 5 && ends["Finished"] > 5, "{ends:?}");
}

#[test]
fn a_failed_sync_that_is_asked_for_again_loses_what_was_confirmed() {
    // A sweep that cannot find a mistake proves nothing.
    // spec: J-6
    let error = sweep(Fault::SyncIsRetried).expect_err("the system says that all is well");
    assert!(error.contains("SyncIsRetried"), "{error}");
}

#[test]
fn an_answer_that_is_lost_at_any_request_is_taken_for_nothing() {
    // spec: K-4
    let (_, ends) = sweep(Fault::NoAnswer).unwrap();
    assert!(ends["Failed"] > 10 && ends["Finished"] > 10, "{ends:?}");
}

#[test]
fn a_journal_has_one_writer() {
    // spec: J-3
    let mut world = written();
    world.processes += 1;
    let client = world.processes;
    let (journal, snapshots) = (LocalJournal::new(), LocalSnapshots::new());
    let mut first = Life { world: &mut world, client, fault: None, asked: 0, journal, snapshots };
    first.live().unwrap();
    let Life { mut journal, .. } = first;
    // The first one still lives.
    let (other, _) = world.run(None);
    assert_eq!(other, End::Wrong("reading gave Fenced { by: \"generation 2#00000048\" }".into()));
    let generation = Generation { number: 2, nonce: 72 };
    let prove = |journal: &mut LocalJournal, world: &mut World, generation| {
        let JournalStep::Request(request) = journal.prove(generation) else { panic!("it asks") };
        let client = ClientId { process: client, machine: JOURNAL };
        let answer = world.model.execute(VirtualTime::default(), client, &request);
        journal.answer(answer)
    };
    assert_eq!(prove(&mut journal, &mut world, generation), JournalStep::Proved(true));
    let older = Generation { number: 1, nonce: 71 };
    assert_eq!(prove(&mut journal, &mut world, older), JournalStep::Proved(false));
    // Once it is dead it can prove nothing, and the next one may start.
    world.model.client_died(VirtualTime::default(), client);
    assert_eq!(world.run(None).0, End::Finished);
    assert_eq!(prove(&mut journal, &mut world, generation), JournalStep::Proved(false));
}

#[test]
fn every_bit_of_a_journal_that_changes_is_found_or_harmless() {
    // spec: J-6
    let mut world = World::new();
    let mut bytes = Vec::new();
    let generation = Generation { number: 1, nonce: 71 };
    let header = header(generation, Epoch(1), &scan(&[], &[]).unwrap());
    let mut encoder = Encoder::open(&header, &mut bytes);
    for epoch in 1..=5 {
        let record = record(Epoch(epoch), Epoch(epoch - 1));
        encoder.append_epoch(&record, &mut bytes);
        world.attempted.push(record);
    }
    let name = header.name.file_name();
    world.model.put_folder(JOURNAL, Folder::with_files([(name, bytes.clone())]));
    let (mut cut, mut damaged) = (0, 0);
    for place in 0..bytes.len() as u64 * 8 {
        let mut world = world.clone();
        world.disturb(&Disturbance::Rot { place });
        let read = world.model.folder(JOURNAL).unwrap().bytes(&header.name.file_name()).unwrap();
        let segments = [SegmentBytes { name: header.name, bytes: Bytes::copy_from_slice(read) }];
        assert_ne!(segments[0].bytes, bytes, "one bit changes at {place}");
        match scan(&segments, &[]) {
            Ok(journal) => {
                // Only the last record was not known to be durable.
                let found: Vec<_> = journal.records_after(Epoch(0)).cloned().collect();
                assert_eq!(found, world.attempted[..4], "bit {place}");
                assert!(journal.cut.is_some(), "bit {place}");
                cut += 1;
            }
            Err(damage) => {
                let place = place / 8;
                assert!(damage.to_string().contains(&header.name.file_name()), "{damage}");
                assert!(damage.to_string().contains("byte"), "{place}: {damage}");
                damaged += 1;
            }
        }
        // A sink that holds epoch 5 makes it damage everywhere.
        assert!(scan(&segments, &[Epoch(5)]).is_err(), "bit {place} goes unnoticed");
    }
    assert!(cut > 200 && damaged > 1_000, "{cut} and {damaged}");
}

#[cfg(feature = "plants")]
#[test]
fn the_sweep_finds_planted_bugs() {
    use anabranch_engine::plant::{Plant, switch};
    let found_by = [
        (Plant::P1, vec![Fault::Dies]),
        (Plant::P3, vec![Fault::Dies]),
        (Plant::J7, vec![Fault::NoAnswer]),
    ];
    for (plant, faults) in found_by {
        switch(Some(plant));
        let is_found = faults.into_iter().any(|fault| sweep(fault).is_err());
        switch(None);
        assert!(is_found, "{} goes unnoticed", plant.name());
    }
}
