//! A world of memory for one pipeline: it carries out every output in order, keeps
//! what is durable, and can kill the pipeline behind any output.

mod store;

pub use store::{JournalStore, SinkStore, SnapshotStore};

use anabranch_engine::executor::Sequential;
use anabranch_engine::ids::{Offset, SinkId, SplitName, TableId};
use anabranch_engine::pipeline::{
    Ending, FetchedData, FoundSplit, Input, LogEnd, Now, Output, Pipeline, PipelineConfig, Report,
};
use anabranch_engine::plan::Plan;
use anabranch_engine::time::{Monotonic, WallClock};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A job must come to its end within this many turns.
const TURNS_MAX: usize = 200_000;

/// How much virtual time a turn takes, in ns.
const TURN_NS: i64 = 1_000_000;

/// A split of the world: a file that does not change.
#[derive(Clone, Debug)]
pub struct LabSplit {
    /// Its name.
    pub name: SplitName,
    /// Its bytes.
    pub data: Bytes,
}

/// The world.
pub struct Lab {
    plan: Arc<Plan>,
    config: PipelineConfig,
    splits: Vec<LabSplit>,
    /// The durable journal.
    pub journal: JournalStore,
    /// The complete snapshots.
    pub snapshots: SnapshotStore,
    /// The sinks, by id.
    pub sinks: BTreeMap<SinkId, SinkStore>,
    clock_ns: i64,
    nonce: u64,
    /// Every output that was carried out, as text, since the world began.
    pub trace: Vec<String>,
    /// What the pipelines reported.
    pub reports: Vec<Report>,
}

/// How a run of one incarnation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// It was killed.
    Crashed,
    /// It gave its ending.
    Ended(Ending),
}

/// Where an incarnation is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Never.
    Never,
    /// Behind its output of this number, counted from 1: the output took effect, the
    /// answer is lost.
    After(usize),
    /// At its output of this number: the output is lost as well.
    Before(usize),
}

impl Lab {
    /// A world in which the job never ran.
    #[must_use]
    pub fn new(plan: Plan, config: PipelineConfig, splits: Vec<LabSplit>) -> Lab {
        Lab {
            plan: Arc::new(plan),
            config,
            splits,
            journal: JournalStore::default(),
            snapshots: SnapshotStore::default(),
            sinks: BTreeMap::new(),
            clock_ns: 1_700_000_000_000_000_000,
            nonce: 0,
            trace: Vec::new(),
            reports: Vec::new(),
        }
    }

    /// Runs one incarnation until it ends or is killed; gives how it ended and how
    /// many outputs it made.
    ///
    /// # Panics
    /// If the job stands still, or the pipeline breaks an invariant.
    pub fn run(&mut self, crash: Crash) -> (RunEnd, usize) {
        self.nonce += 1;
        let mut pipeline = Pipeline::new(self.plan.clone(), self.config.clone())
            .expect("the plan of a test can run");
        let mut answers: VecDeque<Input> = VecDeque::new();
        answers.push_back(Input::Start { nonce: self.nonce });
        let mut count = 0;
        for _ in 0..TURNS_MAX {
            let input = match answers.pop_front() {
                Some(input) => input,
                None => match pipeline.next_wakeup() {
                    Some(wakeup) => {
                        self.clock_ns = self.clock_ns.max(wakeup.at.0);
                        Input::Wake
                    }
                    None => panic!("the job waits for nothing: {:?}", pipeline.status()),
                },
            };
            self.clock_ns += TURN_NS;
            let now = Now { wall: WallClock(self.clock_ns), monotonic: Monotonic(self.clock_ns) };
            let mut outputs = Vec::new();
            pipeline.handle(now, input, &Sequential::default(), &mut outputs);
            pipeline.check_invariants();
            for output in outputs {
                count += 1;
                if crash == Crash::Before(count) {
                    return (RunEnd::Crashed, count);
                }
                self.trace.push(trace_line(&output));
                if let Output::End(ending) = output {
                    return (RunEnd::Ended(ending), count);
                }
                answers.extend(self.carry_out(output));
                if crash == Crash::After(count) {
                    return (RunEnd::Crashed, count);
                }
            }
        }
        panic!("the job did not end: {:?}", pipeline.status());
    }

    /// Runs incarnations until one ends by itself; the first ones are killed as told.
    pub fn run_through(&mut self, crashes: &[Crash]) -> Ending {
        for crash in crashes {
            if let (RunEnd::Ended(ending), _) = self.run(*crash) {
                return ending;
            }
        }
        match self.run(Crash::Never) {
            (RunEnd::Ended(ending), _) => ending,
            (RunEnd::Crashed, _) => unreachable!("nobody kills the last one"),
        }
    }

    /// What each sink holds: all its rows, one after the other, by table name.
    #[must_use]
    pub fn results(&self) -> BTreeMap<String, String> {
        let tables: Vec<String> = self
            .plan
            .nodes
            .iter()
            .filter_map(|node| match &node.kind {
                anabranch_engine::plan::NodeKind::Sink(sink) => {
                    Some(self.plan.table(sink.table).name.clone())
                }
                _ => None,
            })
            .collect();
        tables
            .into_iter()
            .enumerate()
            .map(|(index, name)| {
                let rows = self.sinks.get(&SinkId(index as u32)).map(SinkStore::text);
                (name, rows.unwrap_or_default())
            })
            .collect()
    }

    /// Carries out one output and gives the answers.
    fn carry_out(&mut self, output: Output) -> Vec<Input> {
        match output {
            Output::ReadJournal => {
                vec![Input::JournalRead { segments: self.journal.segments() }]
            }
            Output::InspectSink { sink, .. } => {
                let store = self.sinks.entry(sink).or_default();
                vec![Input::SinkInspected { sink, generation: store.owner, marker: store.marker() }]
            }
            Output::OpenJournal { segment, bytes } => match self.journal.create(segment, &bytes) {
                Ok(()) => vec![Input::JournalOpened],
                Err(by) => vec![Input::JournalFenced { by }],
            },
            Output::ListSnapshots => {
                vec![Input::SnapshotsListed { manifests: self.snapshots.manifests() }]
            }
            Output::LoadSnapshot { name } => vec![match self.snapshots.parts(&name) {
                Some(parts) => Input::SnapshotLoaded { name, parts },
                None => Input::SnapshotUnreadable { name, reason: "it is gone".into() },
            }],
            Output::OpenSink { request, sink, generation } => {
                let marker = self.sinks.entry(sink).or_default().open(generation);
                vec![Input::SinkOpened { request, sink, marker }]
            }
            Output::DiscoverSplits { table } => {
                vec![Input::SplitsFound { table, splits: self.found(table) }]
            }
            Output::Fetch { request, split, name, from, until, bytes_max, .. } => {
                let (data, end) = self.fetch(&name, from, until, bytes_max);
                vec![Input::Fetched { request, split, data, end }]
            }
            Output::AppendJournal { epoch, bytes } => {
                self.journal.append(&bytes);
                vec![Input::JournalAppended { epoch }]
            }
            Output::RecordFinish { bytes } => {
                self.journal.append(&bytes);
                vec![Input::FinishRecorded]
            }
            Output::ApplyChunk { request, chunk } => {
                let sink = chunk.sink;
                let outcome = self.sinks.entry(sink).or_default().apply(chunk);
                vec![Input::SinkApplied { request, sink, outcome, message: String::new() }]
            }
            Output::StoreSnapshot { epoch, name, parts, manifest } => {
                self.snapshots.store(name, parts, manifest);
                vec![Input::SnapshotStored { epoch }]
            }
            Output::Trim { segments, snapshots } => {
                self.journal.remove(&segments);
                self.snapshots.remove(&snapshots);
                Vec::new()
            }
            Output::Report(report) => {
                self.reports.push(report);
                Vec::new()
            }
            Output::End(_) => Vec::new(),
        }
    }

    fn found(&self, table: TableId) -> Vec<FoundSplit> {
        self.splits
            .iter()
            .filter(|split| split.name.table == table)
            .map(|split| FoundSplit {
                name: split.name.name.clone(),
                start: Offset(0),
                identity: format!("lab:{}", split.name.name),
            })
            .collect()
    }

    fn fetch(
        &self,
        name: &SplitName,
        from: Offset,
        until: Option<Offset>,
        bytes_max: u32,
    ) -> (FetchedData, LogEnd) {
        let split = self.splits.iter().find(|split| split.name == *name).expect("the split exists");
        let length = split.data.len();
        let start = (from.0 as usize).min(length);
        let stop = until.map_or(length, |until| until.0 as usize).min(length);
        let stop = stop.min(start + bytes_max as usize);
        let bounded = self.plan.table(name.table).bounded;
        let end = match (stop == length, bounded) {
            (false, _) => LogEnd::More,
            (true, true) => LogEnd::Ended,
            (true, false) => LogEnd::AtEnd,
        };
        (FetchedData::Bytes(split.data.slice(start..stop)), end)
    }
}

/// An output as one line, without its bytes.
#[must_use]
pub fn trace_line(output: &Output) -> String {
    match output {
        Output::ReadJournal => "read journal".into(),
        Output::InspectSink { sink, .. } => format!("inspect sink {sink}"),
        Output::OpenJournal { segment, .. } => {
            format!(
                "open journal of generation {} part {}",
                segment.generation.number, segment.part
            )
        }
        Output::ListSnapshots => "list snapshots".into(),
        Output::LoadSnapshot { .. } => "load snapshot".into(),
        Output::OpenSink { sink, generation, .. } => {
            format!("open sink {sink} for generation {}", generation.number)
        }
        Output::DiscoverSplits { table } => format!("discover splits of table {table}"),
        Output::Fetch { name, from, until, .. } => match until {
            Some(until) => format!("fetch {} from {from} until {until}", name.name),
            None => format!("fetch {} from {from}", name.name),
        },
        Output::AppendJournal { epoch, .. } => format!("append epoch {epoch}"),
        Output::RecordFinish { .. } => "append finished".into(),
        Output::ApplyChunk { chunk, .. } => format!(
            "apply to sink {} chunk {}.{} after {} with {} rows",
            chunk.sink,
            chunk.marker.epoch,
            chunk.marker.chunk,
            chunk.predecessor.map_or("nothing".to_owned(), |m| format!("{}.{}", m.epoch, m.chunk)),
            chunk.payload.rows(),
        ),
        Output::StoreSnapshot { epoch, parts, .. } => {
            format!("store snapshot after epoch {epoch} in {} parts", parts.len())
        }
        Output::Trim { segments, snapshots } => {
            format!("trim {} segments and {} snapshots", segments.len(), snapshots.len())
        }
        Output::Report(report) => format!("report {report:?}"),
        Output::End(ending) => format!("end {ending:?}"),
    }
}
