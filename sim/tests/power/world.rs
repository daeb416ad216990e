//! One process after the other runs the job on the same disks.

use crate::disks::{Disks, End, Place, Process};
use crate::job::{Split, small_limits, two_sinks};
use crate::stores::{self, Stores};
use anabranch_engine::executor::Sequential;
use anabranch_engine::ids::{Generation, RequestId, SinkId};
use anabranch_engine::pipeline::{
    Ending, FetchedData, FoundSplit, Input, LogEnd, Now, Output, Pipeline,
};
use anabranch_engine::plan::Plan;
use anabranch_engine::sink::files::FileSink;
use anabranch_engine::sink::{OpenOutcome, SinkMachine, SinkStep};
use anabranch_engine::time::{Monotonic, WallClock};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A process must come to its end within this many turns.
const TURNS_MAX: usize = 10_000;
/// How much virtual time a turn takes, in ns.
const TURN_NS: i64 = 1_000_000;
/// The names of the sinks, in plan order.
const SINKS: [&str; 2] = ["totals", "rows"];

/// The job, and what is the same for all processes.
pub(crate) struct World {
    plan: Arc<Plan>,
    splits: Vec<Split>,
}

/// One process at work.
struct Life<'a> {
    world: &'a World,
    disks: &'a mut Disks,
    process: Process,
    sinks: Vec<FileSink>,
    stores: Stores,
    answers: VecDeque<Input>,
}

impl World {
    pub(crate) fn new(splits: Vec<Split>) -> World {
        World { plan: Arc::new(two_sinks()), splits }
    }

    pub(crate) fn disks(&self) -> Disks {
        Disks::new(SINKS.len())
    }

    /// Runs a process until it dies or ends; gives how, and how many operations of
    /// those that it had are left.
    pub(crate) fn run(&self, disks: &mut Disks, process: Process) -> (Result<Ending, End>, usize) {
        let sinks = (0..SINKS.len()).map(|sink| FileSink::new(SinkId(sink as u32), ".jsonl"));
        let sinks = sinks.collect();
        let answers = VecDeque::new();
        let mut life =
            Life { world: self, disks, process, sinks, stores: Stores::default(), answers };
        let ended = life.run();
        let Life { disks, process, .. } = life;
        disks.process_dies(process.id);
        (ended, process.left)
    }

    /// What the sinks show: window results as they are, other rows split by split.
    // spec: E-3
    pub(crate) fn results(&self, disks: &Disks) -> BTreeMap<&'static str, Vec<String>> {
        let mut results = BTreeMap::new();
        for (name, folder) in SINKS.into_iter().zip(&disks.sinks) {
            let bytes: Vec<u8> = folder.visible().into_values().flatten().collect();
            let text = String::from_utf8_lossy(&bytes);
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            if name == "rows" {
                // A stable sort keeps the order within a split.
                lines.sort_by_key(|line| line.contains("b.jsonl"));
            }
            results.insert(name, lines);
        }
        results
    }
}

impl Life<'_> {
    fn run(&mut self) -> Result<Ending, End> {
        let nonce = u64::from(self.process.id.0);
        let mut pipeline = Pipeline::new(self.world.plan.clone(), small_limits())
            .expect("the plan of a test can run");
        // Each process begins a second after the one before.
        let mut clock = i64::from(self.process.id.0) * 1_000 * TURN_NS;
        self.answers.push_back(Input::Start { nonce });
        for _ in 0..TURNS_MAX {
            let input = self.answers.pop_front().unwrap_or_else(|| {
                let wakeup = pipeline.next_wakeup().expect("the job waits for something");
                clock = clock.max(wakeup.at.0);
                Input::Wake
            });
            clock += TURN_NS;
            let now = Now { wall: WallClock(clock), monotonic: Monotonic(clock) };
            let mut outputs = Vec::new();
            pipeline.handle(now, input, &Sequential { pieces: 1 }, &mut outputs);
            pipeline.check_invariants();
            for output in outputs {
                if let Output::End(ending) = output {
                    return Ok(ending);
                }
                let answer = self.carry_out(output)?;
                self.answers.extend(answer);
            }
        }
        panic!("the job did not end: {:?}", pipeline.status());
    }

    fn carry_out(&mut self, output: Output) -> Result<Option<Input>, End> {
        let (process, disks) = (&mut self.process, &mut *self.disks);
        Ok(Some(match output {
            Output::ReadJournal { request } => self.stores.read_journal(process, disks, request)?,
            Output::InspectSink { request, sink } => self.inspect(request, sink)?,
            Output::OpenJournal { segment, bytes } => {
                self.stores.open_journal(process, disks, (segment, bytes))?
            }
            Output::ListSnapshots { request } => {
                self.stores.list_snapshots(process, disks, request)?
            }
            Output::LoadSnapshot { name } => self.stores.load_snapshot(process, disks, name)?,
            Output::OpenSink { request, sink, generation } => {
                self.open(request, sink, generation)?
            }
            Output::AppendJournal { epoch, bytes } => {
                self.stores.append(process, disks, (Some(epoch), bytes))?
            }
            Output::AppendNote { request, bytes } => {
                self.stores.append(process, disks, (None, bytes))?;
                Input::NoteAppended { request }
            }
            // Its lock is its own as long as it lives.
            Output::ProveJournal { request, .. } => Input::JournalProved { request },
            Output::RecordFinish { bytes } => self.stores.append(process, disks, (None, bytes))?,
            Output::ApplyChunk { request, chunk } => {
                let (sink, step) = (chunk.sink, self.sinks[chunk.sink.0 as usize].apply(chunk));
                let SinkStep::Applied(outcome) = self.follow(sink, step)? else {
                    panic!("an apply ends applied");
                };
                Input::SinkApplied { request, sink, outcome, message: String::new() }
            }
            Output::StoreSnapshot { epoch, name, parts, manifest } => {
                self.stores.store_snapshot(process, disks, (name, parts, manifest))?;
                Input::SnapshotStored { epoch }
            }
            Output::Trim { request, segments, snapshots } => {
                self.stores.trim(process, disks, (segments, snapshots))?;
                Input::Trimmed { request }
            }
            Output::Report(_) | Output::End(_) => return Ok(None),
            output @ (Output::DiscoverSplits { .. } | Output::Fetch { .. }) => self.read(output),
        }))
    }

    fn inspect(&mut self, request: RequestId, sink: SinkId) -> Result<Input, End> {
        let step = self.sinks[sink.0 as usize].inspect();
        match self.follow(sink, step)? {
            SinkStep::Inspected(Ok(found)) => {
                let (generation, marker) = (found.claim, found.marker);
                Ok(Input::SinkInspected { request, sink, generation, marker })
            }
            other => Err(End::Broken(format!("the sink cannot be looked at: {other:?}"))),
        }
    }

    fn open(
        &mut self,
        request: RequestId,
        sink: SinkId,
        generation: Generation,
    ) -> Result<Input, End> {
        let step = self.sinks[sink.0 as usize].open(generation);
        let SinkStep::Opened(outcome) = self.follow(sink, step)? else {
            panic!("an open ends opened");
        };
        Ok(match outcome {
            OpenOutcome::Opened { marker } => Input::SinkOpened { request, sink, marker },
            outcome @ OpenOutcome::Fenced { .. } => {
                Input::SinkOpenFailed { request, sink, outcome, message: String::new() }
            }
            other => return Err(End::Broken(format!("the sink cannot be opened: {other:?}"))),
        })
    }

    /// Does what a sink's machine asks for until it has an outcome.
    fn follow(&mut self, sink: SinkId, mut step: SinkStep) -> Result<SinkStep, End> {
        let index = sink.0 as usize;
        while let SinkStep::Request(request) = step {
            let place = Place::Sink(index);
            let answer = stores::ask(&mut self.process, self.disks, place, &request)?;
            step = self.sinks[index].answer(answer);
        }
        Ok(step)
    }

    /// The sources, which stand on another machine.
    fn read(&self, output: Output) -> Input {
        match output {
            Output::DiscoverSplits { request, table } => {
                let found = |split: &Split| FoundSplit {
                    name: split.name.name.clone(),
                    start: anabranch_engine::ids::Offset(0),
                    identity: split.name.name.clone(),
                };
                let splits = self.world.splits.iter().map(found).collect();
                Input::SplitsFound { request, table, splits }
            }
            Output::Fetch { request, split, name, from, until, bytes_max, .. } => {
                let file = self.world.splits.iter().find(|file| file.name == name);
                let (data, last) = file.expect("it was found").read(from, until, bytes_max);
                let end = if last { LogEnd::Ended } else { LogEnd::More };
                Input::Fetched { request, split, data: FetchedData::Bytes(data), end }
            }
            other => panic!("{other:?} asks nothing of a source"),
        }
    }
}
