//! The filesystem sink under every crash: whatever happens after whichever operation,
//! the files, concatenated in the order of their names, are exactly the expected
//! bytes.

use anabranch_engine::ids::{Epoch, Generation, Lineage, SinkId};
use anabranch_engine::service::fs::{FsAnswer, FsFailure, FsRequest};
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::files::FileSink;
use anabranch_engine::sink::{
    ApplyOutcome, Chunk, ChunkPayload, ChunkPlace, FailKind, Marker, OpenOutcome, SinkShard,
};
use anabranch_engine::sink::{SinkMachine, SinkStep};
use anabranch_sim::disk::{Folder, ProcessId};
use anabranch_sim::rng::Draws;
use std::collections::{BTreeMap, BTreeSet};

/// The job's output: two groups of one chunk, and one of two.
fn chunks() -> Vec<Chunk> {
    let places = [(3, 0, true), (4, 0, false), (4, 1, true), (90, 0, true)];
    let texts = ["first\n", "second a\n", "second b\n", "third\n"];
    let mut before: Option<Marker> = None;
    let mut chunks = Vec::new();
    for ((epoch, chunk, last), text) in places.into_iter().zip(texts) {
        let lineage = Lineage { number: 1, nonce: 5 };
        let place = ChunkPlace { lineage, epoch: Epoch(epoch), chunk, last };
        let payload = ChunkPayload::Bytes { data: text.into(), rows: 1 };
        let made = Chunk::new(SinkShard::default(), before, place, payload);
        before = Some(made.marker);
        chunks.push(made);
    }
    chunks
}

/// More operations than a process can need.
const OPERATIONS_MAX: usize = 1_000;
const EXPECTED: &str = "first\nsecond a\nsecond b\nthird\n";

fn generation(number: u64) -> Generation {
    Generation { number, nonce: 100 + number }
}

/// Folder and consumer: what is left when a process has died.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    folder: Folder,
    /// Whether the consumer takes files away as soon as they are acknowledged.
    consumes: bool,
    taken: BTreeMap<String, Vec<u8>>,
    /// How many processes there were.
    processes: u32,
}

/// What goes wrong with one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The process dies before it.
    Before,
    /// The process dies in the middle of it.
    Within,
    /// It fails with a full disk after its first half.
    Full,
    /// It fails if it is a sync, and loses what the number chooses.
    SyncFails(u64),
    /// The same, and the system is asked again until it says that all is well: a mistake.
    SyncIsRetried(u64),
}

/// What ends a process.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Died,
    Finished,
    /// It cannot know what is durable, and leaves it to the next process.
    Stopped,
}

impl World {
    /// Runs a process until all chunks are applied or it dies. The fault hits the
    /// operation with this number. Operations of which `ignored` says so are not
    /// done, though the answer says that they are.
    fn run(
        &mut self,
        fault: Option<(usize, Fault)>,
        ignored: fn(&FsRequest) -> bool,
    ) -> Result<End, String> {
        self.processes += 1;
        let process = ProcessId(self.processes);
        let chunks = chunks();
        let mut sink = FileSink::new(SinkId(0), ".jsonl");
        let mut step = sink.open(generation(u64::from(self.processes)));
        let mut operations = 0;
        let mut next = 0;
        loop {
            step = match step {
                SinkStep::Request(Request::Fs(request)) => {
                    let hit = fault.filter(|(number, _)| *number == operations);
                    operations += 1;
                    if operations > OPERATIONS_MAX {
                        return Err("it tries again for ever".into());
                    }
                    let answer = match hit {
                        Some((_, Fault::Before)) => return Ok(End::Died),
                        Some((_, Fault::Within)) => {
                            self.folder.execute_half(process, &request);
                            return Ok(End::Died);
                        }
                        Some((_, Fault::Full)) => {
                            self.folder.execute_half(process, &request);
                            FsAnswer::Failed { kind: FsFailure::NoSpace, what: "full".into() }
                        }
                        Some((_, Fault::SyncFails(choice))) => {
                            let draws = &mut Draws::new(choice, "failed-sync", "");
                            let failed = self.folder.fail_sync(&request, draws);
                            failed.unwrap_or_else(|| self.folder.execute(process, &request))
                        }
                        Some((_, Fault::SyncIsRetried(choice))) => {
                            let draws = &mut Draws::new(choice, "failed-sync", "");
                            self.folder.fail_sync(&request, draws);
                            self.folder.execute(process, &request)
                        }
                        None if ignored(&request) => FsAnswer::Done,
                        None => self.folder.execute(process, &request),
                    };
                    sink.answer(Answer::Fs(answer))
                }
                SinkStep::Opened(OpenOutcome::Opened { marker }) => {
                    next = position_after(&chunks, marker)?;
                    let Some(chunk) = chunks.get(next) else {
                        return Ok(End::Finished);
                    };
                    sink.apply(chunk.clone())
                }
                SinkStep::Opened(OpenOutcome::Failed(FailKind::Rejected))
                | SinkStep::Applied(ApplyOutcome::Failed(FailKind::Rejected))
                    if sink.failure().ends_with("is unknown") =>
                {
                    return Ok(End::Stopped);
                }
                SinkStep::Opened(OpenOutcome::Failed(_))
                | SinkStep::Applied(ApplyOutcome::Failed(FailKind::Unknown)) => {
                    sink.open(generation(u64::from(self.processes)))
                }
                SinkStep::Applied(ApplyOutcome::Failed(FailKind::Transient)) => {
                    sink.apply(chunks[next].clone())
                }
                SinkStep::Applied(ApplyOutcome::Applied) => {
                    next += 1;
                    self.consume();
                    let Some(chunk) = chunks.get(next) else {
                        return Ok(End::Finished);
                    };
                    sink.apply(chunk.clone())
                }
                other => return Err(format!("{other:?}: {}", sink.failure())),
            };
        }
    }

    fn consume(&mut self) {
        if !self.consumes {
            return;
        }
        for (name, bytes) in self.folder.visible() {
            self.folder.take_away(&name);
            self.taken.entry(name).or_default().extend(bytes);
        }
    }

    /// The worlds in which the next process may start: the same, or one after a power
    /// failure.
    fn after_death(&self, power: bool) -> Vec<World> {
        let mut same = self.clone();
        same.folder.process_dies(ProcessId(self.processes));
        if !power {
            return vec![same];
        }
        let folders = self.folder.power_failures().into_iter();
        folders.map(|folder| World { folder, ..same.clone() }).collect()
    }

    /// Runs a last process without faults and checks what the consumer got.
    fn finish(mut self, ignored: fn(&FsRequest) -> bool) -> Result<(), String> {
        assert_eq!(self.run(None, ignored)?, End::Finished);
        let mut files = self.taken;
        for (name, bytes) in self.folder.visible() {
            files.entry(name).or_default().extend(bytes);
        }
        let all: Vec<u8> = files.into_values().flatten().collect();
        let all = String::from_utf8_lossy(&all);
        if all == EXPECTED { Ok(()) } else { Err(format!("the files hold {all:?}")) }
    }
}

fn position_after(chunks: &[Chunk], marker: Option<Marker>) -> Result<usize, String> {
    let Some(marker) = marker else {
        return Ok(0);
    };
    let place = chunks.iter().position(|chunk| chunk.marker == marker);
    place.map(|place| place + 1).ok_or_else(|| format!("an unknown marker {marker}"))
}

fn nothing(_: &FsRequest) -> bool {
    false
}

/// Crashes after every operation, with and without power failure. Gives how many
/// histories were run, or the first one that went wrong.
fn crash_everywhere(world: &World, ignored: fn(&FsRequest) -> bool) -> Result<usize, String> {
    sweep(world, ignored, &mut BTreeSet::new())
}

/// The same; worlds in `seen` were looked at before, and what follows is known.
fn sweep(
    world: &World,
    ignored: fn(&FsRequest) -> bool,
    seen: &mut BTreeSet<World>,
) -> Result<usize, String> {
    let mut histories = 0;
    for fault in [Fault::Before, Fault::Within] {
        for number in 0.. {
            let mut first = world.clone();
            if first.run(Some((number, fault)), ignored)? == End::Finished {
                break;
            }
            for power in [false, true] {
                for second in first.after_death(power) {
                    histories += 1;
                    if !seen.insert(second.clone()) {
                        continue;
                    }
                    second.finish(ignored).map_err(|error| {
                        format!("{error} after {fault:?} operation {number}, power {power}")
                    })?;
                }
            }
        }
    }
    Ok(histories)
}

/// Crashes after every operation, and in each world that is left of that once more.
/// What a killed process had not synced may go with the power later, too.
fn crash_twice_everywhere(world: &World, ignored: fn(&FsRequest) -> bool) -> Result<usize, String> {
    let mut worlds = BTreeSet::new();
    for fault in [Fault::Before, Fault::Within] {
        for number in 0.. {
            let mut first = world.clone();
            let end = first.run(Some((number, fault)), ignored)?;
            worlds.extend(first.after_death(false));
            worlds.extend(first.after_death(true));
            if end == End::Finished {
                break;
            }
        }
    }
    let seen = &mut BTreeSet::new();
    worlds.iter().map(|second| sweep(second, ignored, seen)).sum()
}

#[test]
fn no_single_crash_loses_or_doubles_a_row() {
    // spec: K-1, K-2, K-4
    for consumes in [false, true] {
        let world = World { consumes, ..World::default() };
        let histories = crash_everywhere(&world, nothing).unwrap();
        assert!(histories > 200, "only {histories} histories");
    }
}

#[test]
fn no_two_crashes_lose_or_double_a_row() {
    // spec: K-1, K-2, K-4
    let world = World { consumes: true, ..World::default() };
    let histories = crash_twice_everywhere(&world, nothing).unwrap();
    assert!(histories > 10_000, "only {histories} histories");
}

#[test]
fn a_full_disk_at_any_operation_loses_and_doubles_nothing() {
    // spec: F-2, K-4
    for number in 0.. {
        let mut world = World { consumes: true, ..World::default() };
        if world.run(Some((number, Fault::Full)), nothing).unwrap() == End::Stopped {
            world.folder.process_dies(ProcessId(world.processes));
            assert_eq!(world.run(None, nothing).unwrap(), End::Finished);
        }
        for after in world.after_death(true) {
            after.finish(nothing).unwrap();
        }
        if number > 60 {
            break;
        }
    }
}

/// One sync fails, and power fails then or later; gives how often the process stopped.
fn fail_every_sync(fault: fn(u64) -> Fault) -> Result<usize, String> {
    let mut stops = 0;
    for (number, choice) in (0..60).flat_map(|number| (0..8).map(move |choice| (number, choice))) {
        for consumes in [false, true] {
            let mut world = World { consumes, ..World::default() };
            let end = world.run(Some((number, fault(choice))), nothing)?;
            stops += usize::from(end == End::Stopped);
            for power in [false, true] {
                for next in world.after_death(power) {
                    next.finish(nothing).map_err(|error| {
                        format!("{error} after operation {number}, choice {choice}")
                    })?;
                }
            }
        }
    }
    Ok(stops)
}

#[test]
fn a_sync_that_fails_at_any_operation_loses_and_doubles_nothing() {
    // spec: F-2, K-4
    let stops = fail_every_sync(Fault::SyncFails).unwrap();
    assert!(stops > 50, "only {stops} processes stopped");
}

#[test]
fn a_sync_that_fails_and_is_asked_for_again_loses_a_row() {
    // A sweep that cannot find a mistake proves nothing.
    assert!(fail_every_sync(Fault::SyncIsRetried).is_err());
}

#[cfg(feature = "plants")]
#[test]
fn planted_bugs_are_found() {
    use anabranch_engine::plant::{Plant, switch};
    let fill_everywhere = || -> Result<(), String> {
        for number in 0..60 {
            let mut world = World::default();
            world.run(Some((number, Fault::Full)), nothing)?;
            world.after_death(false).remove(0).finish(nothing)?;
        }
        Ok(())
    };
    let consuming = World { consumes: true, ..World::default() };
    switch(Some(Plant::K1));
    let found = crash_twice_everywhere(&consuming, nothing);
    switch(Some(Plant::K2));
    let lost = fill_everywhere();
    switch(None);
    assert!(found.is_err(), "K1 goes unnoticed");
    assert!(lost.is_err(), "K2 goes unnoticed");
    switch(Some(Plant::K18));
    let mut world = World::default();
    world.run(None, nothing).unwrap();
    let clone = Generation { nonce: 7, ..generation(1) };
    let outcome = open(&mut world.folder, 1, clone);
    switch(None);
    assert!(matches!(outcome, OpenOutcome::Opened { .. }), "{outcome:?}");
    fill_everywhere().unwrap();
}

#[test]
fn every_sync_is_needed() {
    // A sweep that cannot find a planted mistake proves nothing.
    let mistakes: [fn(&FsRequest) -> bool; 4] = [
        |request| matches!(request, FsRequest::SyncDir),
        |request| matches!(request, FsRequest::SyncFile { name } if name.starts_with(".part")),
        |request| matches!(request, FsRequest::SyncFile { name } if name == ".anabranch.manifest"),
        |request| matches!(request, FsRequest::SyncFile { name } if name == ".anabranch.manifest.tmp"),
    ];
    for (number, mistake) in mistakes.into_iter().enumerate() {
        let world = World { consumes: true, ..World::default() };
        let found = crash_twice_everywhere(&world, mistake);
        assert!(found.is_err(), "mistake {number} goes unnoticed");
    }
}

/// Opens a folder and gives what came of it.
fn open(folder: &mut Folder, process: u32, generation: Generation) -> OpenOutcome {
    let mut sink = FileSink::new(SinkId(0), ".jsonl");
    let mut step = sink.open(generation);
    loop {
        match step {
            SinkStep::Request(Request::Fs(request)) => {
                step = sink.answer(Answer::Fs(folder.execute(ProcessId(process), &request)));
            }
            SinkStep::Opened(outcome) => return outcome,
            other => panic!("opening gave {other:?}"),
        }
    }
}

#[test]
fn a_folder_has_one_owner() {
    // spec: G-1, K-3
    let mut world = World::default();
    world.run(None, nothing).unwrap();
    let marker = Some(chunks()[3].marker);
    let folder = &mut world.folder;
    // The first process still lives.
    let by = format!("generation {}", generation(1));
    assert_eq!(open(folder, 2, generation(2)), OpenOutcome::Locked { by });
    folder.process_dies(ProcessId(1));
    assert_eq!(open(folder, 2, generation(5)), OpenOutcome::Opened { marker });
    assert_eq!(open(folder, 2, generation(5)), OpenOutcome::Opened { marker });
    // An older one, and another one with the same number.
    let by = generation(5);
    assert_eq!(open(folder, 2, generation(4)), OpenOutcome::Fenced { by });
    let clone = Generation { nonce: 7, ..generation(5) };
    assert_eq!(open(folder, 2, clone), OpenOutcome::Fenced { by });
}

#[test]
fn final_names_sort_in_the_order_of_the_chunks() {
    let mut world = World::default();
    world.run(None, nothing).unwrap();
    let names: Vec<_> = world.folder.visible().into_keys().collect();
    let expected = [
        "part-0001-000000000003.jsonl",
        "part-0001-000000000004-00000.jsonl",
        "part-0001-000000000004-00001.jsonl",
        "part-0001-000000000090.jsonl",
    ];
    assert_eq!(names, expected);
}

#[test]
fn files_of_another_job_are_not_written_over() {
    let mut world = World::default();
    let name = String::from("part-0001-000000000003.jsonl");
    let write = FsRequest::Write { name: name.clone(), bytes: "precious\n".into() };
    world.folder.execute(ProcessId(1), &write);
    let end = world.run(None, nothing).unwrap_err();
    assert_eq!(
        end,
        format!("Applied(Failed(Rejected)): {name} is there already, and not by this sink")
    );
    assert_eq!(world.folder.visible()[&name], b"precious\n");
}

#[test]
fn a_rotten_manifest_is_named() {
    let mut world = World::default();
    world.run(None, nothing).unwrap();
    let name = String::from(".anabranch.manifest");
    let read = world.folder.execute(ProcessId(1), &FsRequest::Read { name: name.clone() });
    let FsAnswer::Data(bytes) = read else { panic!("the manifest is there") };
    let mut rotten = bytes.to_vec();
    rotten[20] ^= 1;
    world.folder.execute(ProcessId(1), &FsRequest::Write { name, bytes: rotten.into() });
    let outcome = open(&mut world.folder, 1, generation(2));
    assert!(matches!(outcome, OpenOutcome::Damaged { .. }), "{outcome:?}");
}
