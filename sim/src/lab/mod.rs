//! A world of memory for one pipeline: it carries out every output in order, keeps
//! what is durable, and can kill the pipeline behind any output.

mod fault;
mod rows;
mod store;
mod trace;
mod world;

pub use fault::{Event, Fault, FaultFn, Trigger};
pub use rows::{RowOrigin, SinkRow};
pub use store::{JournalStore, SinkStore, SnapshotStore};
pub use trace::trace_line;
pub use world::LabSplit;

use anabranch_engine::executor::Sequential;
use anabranch_engine::ids::{Generation, Offset, SinkId, SplitName, TableId};
use anabranch_engine::pipeline::{
    Ending, FetchedData, Input, LogEnd, Now, Output, Pipeline, PipelineConfig, Report, Wait,
};
use anabranch_engine::plan::{NodeKind, Plan};
use anabranch_engine::sink::OpenOutcome;
use anabranch_engine::time::{Monotonic, WallClock};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A job must come to its end within this many turns.
const TURNS_MAX: usize = 200_000;

/// A millisecond of virtual time, in ns.
const MS: i64 = 1_000_000;

/// How much virtual time a turn takes, in ns.
const TURN_NS: i64 = MS;

/// How long a fetch waits for new bytes, in ns.
const HOLD_NS: i64 = 100 * MS;

/// When the world began, in ns since 1970.
const BEGIN_NS: i64 = 1_700_000_000_000 * MS;

/// The world.
pub struct Lab {
    plan: Arc<Plan>,
    /// The limits of the next incarnation.
    pub config: PipelineConfig,
    /// The parallelism that the executor of the next incarnation claims.
    pub pieces: usize,
    splits: Vec<LabSplit>,
    /// The durable journal.
    pub journal: JournalStore,
    /// The complete snapshots.
    pub snapshots: SnapshotStore,
    /// The sinks, by id.
    pub sinks: BTreeMap<SinkId, SinkStore>,
    /// What goes wrong.
    pub faults: Option<FaultFn>,
    /// What happens by itself; each event once.
    pub script: Vec<(Trigger, Event)>,
    clock_ns: i64,
    nonce: u64,
    /// What is to come, by time and then in order.
    agenda: BTreeMap<(i64, u64), Due>,
    planned: u64,
    /// Every output that was carried out, as text, since the world began.
    pub trace: Vec<String>,
    /// What the pipelines reported.
    pub reports: Vec<Report>,
    /// What the last pipeline waited for when it was killed.
    pub waits: Vec<Wait>,
    /// What the outputs are about, without numbers, since the world began.
    pub subjects: Vec<String>,
    /// How many turns woke a pipeline.
    pub wakes: usize,
    /// Whether a fetch that waits, or is slow, is answered as soon as something
    /// happens in the world.
    pub wakes_waiting: bool,
}

/// Something that is to come.
enum Due {
    /// An input of the pipeline that runs.
    Input(Input),
    /// An output that takes effect late, of this generation.
    Effect(Output, Generation),
    /// An output of the pipeline that runs, which takes its time.
    Own(Output),
    /// An event of the script.
    Event(Event),
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
    /// Behind its first output with this line in the trace.
    AfterLine(&'static str),
    /// At its first output with this line in the trace.
    BeforeLine(&'static str),
}

impl Lab {
    /// A world in which the job never ran.
    #[must_use]
    pub fn new(plan: Plan, config: PipelineConfig, splits: Vec<LabSplit>) -> Lab {
        Lab {
            plan: Arc::new(plan),
            config,
            pieces: 1,
            splits,
            journal: JournalStore::default(),
            snapshots: SnapshotStore::default(),
            sinks: BTreeMap::new(),
            faults: None,
            script: Vec::new(),
            clock_ns: BEGIN_NS,
            nonce: 0,
            agenda: BTreeMap::new(),
            planned: 0,
            trace: Vec::new(),
            reports: Vec::new(),
            waits: Vec::new(),
            subjects: Vec::new(),
            wakes: 0,
            wakes_waiting: true,
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
        // Only what is under way in the world outlives a process.
        self.agenda.retain(|_, due| matches!(due, Due::Effect(..) | Due::Event(_)));
        self.plan_script();
        self.after(0, Due::Input(Input::Start { nonce: self.nonce }));
        let executor = Sequential { pieces: self.pieces };
        let mut count = 0;
        for _ in 0..TURNS_MAX {
            let Some(input) = self.next_input(&pipeline) else { continue };
            self.clock_ns += TURN_NS;
            let now = Now { wall: WallClock(self.clock_ns), monotonic: Monotonic(self.clock_ns) };
            let mut outputs = Vec::new();
            pipeline.handle(now, input, &executor, &mut outputs);
            pipeline.check_invariants();
            for output in outputs {
                count += 1;
                let line = trace_line(&output);
                if matches!(crash, Crash::BeforeLine(at) if at == line)
                    || crash == Crash::Before(count)
                {
                    return (RunEnd::Crashed, count);
                }
                self.trace.push(line.clone());
                self.subjects.push(output.subject(&self.plan));
                if let Output::End(ending) = output {
                    return (RunEnd::Ended(ending), count);
                }
                self.take_output(output, pipeline.generation());
                self.happen_after(&line);
                if matches!(crash, Crash::AfterLine(at) if at == line)
                    || crash == Crash::After(count)
                {
                    self.waits = pipeline.why();
                    return (RunEnd::Crashed, count);
                }
            }
        }
        panic!("the job did not end: {:?}, {:?}", pipeline.status(), pipeline.why());
    }

    /// What the pipeline is given next; `None` if only the world moved on.
    fn next_input(&mut self, pipeline: &Pipeline) -> Option<Input> {
        let wakeup = pipeline.next_wakeup().map(|wakeup| wakeup.at.0);
        let first = self.agenda.keys().next().copied();
        match (first, wakeup) {
            (None, None) => panic!(
                "the job waits for nothing: {:?}\n{}",
                pipeline.status(),
                self.trace.join("\n")
            ),
            (Some((at, _)), Some(wakeup)) if at > wakeup && at > self.clock_ns => self.wake(wakeup),
            (None, Some(wakeup)) => self.wake(wakeup),
            (Some((at, _)), _) => {
                self.clock_ns = self.clock_ns.max(at);
                let (_, due) = self.agenda.pop_first()?;
                match due {
                    Due::Input(input) => Some(input),
                    Due::Effect(output, generation) => {
                        let answers = self.carry_out(output, generation);
                        self.answer(0, answers);
                        None
                    }
                    Due::Own(output) => {
                        let answers = self.carry_out(output, pipeline.generation());
                        self.answer(0, answers);
                        None
                    }
                    Due::Event(event) => {
                        self.happen(event);
                        None
                    }
                }
            }
        }
    }

    fn wake(&mut self, at: i64) -> Option<Input> {
        self.clock_ns = self.clock_ns.max(at);
        self.wakes += 1;
        Some(Input::Wake)
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
        self.sink_tables()
            .into_iter()
            .enumerate()
            .map(|(index, table)| {
                let rows = self.sinks.get(&SinkId(index as u32)).map(SinkStore::text);
                (self.plan.table(table).name.clone(), rows.unwrap_or_default())
            })
            .collect()
    }

    /// How many ms ago the world began.
    #[must_use]
    pub fn elapsed_ms(&self) -> i64 {
        (self.clock_ns - BEGIN_NS) / MS
    }

    /// The tables of the sinks, by their ids.
    fn sink_tables(&self) -> Vec<TableId> {
        let tables = self.plan.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Sink(sink) => Some(sink.table),
            _ => None,
        });
        tables.collect()
    }

    /// A sink, to change.
    pub fn sink(&mut self, sink: SinkId) -> &mut SinkStore {
        let table = self.sink_tables()[sink.0 as usize];
        let keeps_marker = self.plan.table(table).keeps_marker();
        self.sinks.entry(sink).or_insert_with(|| SinkStore::new(keeps_marker))
    }

    /// Puts the events of the script that have a time on the agenda.
    fn plan_script(&mut self) {
        let script = std::mem::take(&mut self.script);
        for (trigger, event) in script {
            match trigger {
                Trigger::At(ms) => {
                    let at = BEGIN_NS + ms * MS;
                    self.planned += 1;
                    self.agenda.insert((at, self.planned), Due::Event(event));
                }
                Trigger::Line(_) => self.script.push((trigger, event)),
            }
        }
    }

    /// Lets the events happen that wait for this output.
    fn happen_after(&mut self, line: &str) {
        let is_due = |trigger: &Trigger| *trigger == Trigger::Line(line.to_owned());
        let (due, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.script).into_iter().partition(|(trigger, _)| is_due(trigger));
        self.script = rest;
        due.into_iter().for_each(|(_, event)| self.happen(event));
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Stop => return self.after(0, Due::Input(Input::Stop)),
            Event::Add(split) => self.splits.push(split),
            Event::Grow(name, text) => self.split_mut(&name).grow(&text),
            Event::End(name) => self.split_mut(&name).ended = true,
        }
        if !self.wakes_waiting {
            return;
        }
        // Those who wait for bytes look again.
        let waiting: Vec<(i64, u64)> = self
            .agenda
            .iter()
            .filter(|(_, due)| matches!(due, Due::Own(Output::Fetch { .. })))
            .map(|(key, _)| *key)
            .collect();
        for key in waiting {
            let due = self.agenda.remove(&key).expect("it was just found");
            self.after(0, due);
        }
    }

    fn split_mut(&mut self, name: &str) -> &mut LabSplit {
        let found = self.splits.iter_mut().find(|split| split.name.name == name);
        found.expect("the split exists")
    }

    /// Plans something so many ns from now.
    fn after(&mut self, wait_ns: i64, due: Due) {
        self.planned += 1;
        self.agenda.insert((self.clock_ns + wait_ns, self.planned), due);
    }

    fn answer(&mut self, wait_ns: i64, answers: Vec<Input>) {
        answers.into_iter().for_each(|input| self.after(wait_ns, Due::Input(input)));
    }

    /// Takes one output: carries it out, unless a fault forbids.
    fn take_output(&mut self, output: Output, generation: Generation) {
        let fault = self.faults.as_mut().map_or(Fault::None, |faults| faults(&output));
        match fault {
            Fault::None if self.has_to_wait(&output) => self.after(HOLD_NS, Due::Own(output)),
            Fault::None => {
                let answers = self.carry_out(output, generation);
                self.answer(0, answers);
            }
            Fault::Instead(answers) => self.answer(0, answers),
            Fault::Misreported(answers) => {
                self.carry_out(output, generation);
                self.answer(0, answers);
            }
            Fault::Late(ms) => {
                let answers = self.carry_out(output, generation);
                self.answer(ms * MS, answers);
            }
            Fault::Slow(ms) => self.after(ms * MS, Due::Own(output)),
            Fault::Straggles(ms, answers) => {
                self.answer(0, answers);
                self.after(ms * MS, Due::Effect(output, generation));
            }
            Fault::Twice => {
                let answers = self.carry_out(output, generation);
                self.answer(0, answers.clone());
                self.answer(0, answers);
            }
        }
    }

    /// Whether this is a fetch that waits for bytes, and there are none.
    fn has_to_wait(&self, output: &Output) -> bool {
        let Output::Fetch { name, from, until, bytes_max, wait: true, .. } = output else {
            return false;
        };
        let (data, end) = self.fetch(name, *from, *until, *bytes_max);
        let is_empty = match data {
            FetchedData::Bytes(bytes) => bytes.is_empty(),
            FetchedData::Records(block) => block.records.is_empty(),
        };
        is_empty && end == LogEnd::AtEnd
    }

    /// Carries out one output and gives the answers.
    fn carry_out(&mut self, output: Output, generation: Generation) -> Vec<Input> {
        match output {
            Output::ReadJournal { request } => {
                vec![Input::JournalRead { request, segments: self.journal.segments() }]
            }
            Output::InspectSink { request, sink } => {
                let store = self.sink(sink);
                let (generation, marker) = (store.owner, store.marker());
                vec![Input::SinkInspected { request, sink, generation, marker }]
            }
            Output::OpenJournal { segment, bytes } => match self.journal.create(segment, &bytes) {
                Ok(()) => vec![Input::JournalOpened],
                Err(by) => vec![Input::JournalFenced { by }],
            },
            Output::ListSnapshots { request } => {
                vec![Input::SnapshotsListed { request, manifests: self.snapshots.manifests() }]
            }
            Output::LoadSnapshot { name } => vec![match self.snapshots.parts(&name) {
                Some(parts) => Input::SnapshotLoaded { name, parts },
                None => {
                    let reason = "it is gone".into();
                    Input::SnapshotUnreadable { name, transient: false, reason }
                }
            }],
            Output::OpenSink { request, sink, generation } => {
                vec![match self.sink(sink).open(generation) {
                    Ok(marker) => Input::SinkOpened { request, sink, marker },
                    Err(by) => {
                        let outcome = OpenOutcome::Fenced { by };
                        Input::SinkOpenFailed { request, sink, outcome, message: String::new() }
                    }
                }]
            }
            Output::DiscoverSplits { request, table } => {
                let of_table = self.splits.iter().filter(|split| split.name.table == table);
                let splits = of_table.map(LabSplit::found).collect();
                vec![Input::SplitsFound { request, table, splits }]
            }
            Output::Fetch { request, split, name, from, until, bytes_max, .. } => {
                let (data, end) = self.fetch(&name, from, until, bytes_max);
                vec![Input::Fetched { request, split, data, end }]
            }
            Output::AppendJournal { epoch, bytes } => {
                self.journal.append(&bytes);
                vec![Input::JournalAppended { epoch }]
            }
            Output::AppendNote { request, bytes } => {
                self.journal.append(&bytes);
                vec![Input::NoteAppended { request }]
            }
            Output::ProveJournal { request, generation } => {
                vec![match self.journal.newer_than(generation) {
                    Some(by) => Input::JournalFenced { by },
                    None => Input::JournalProved { request },
                }]
            }
            Output::RecordFinish { bytes } => {
                self.journal.append(&bytes);
                vec![Input::FinishRecorded]
            }
            Output::ApplyChunk { request, chunk } => {
                let sink = chunk.sink;
                let outcome = self.sink(sink).apply(chunk, generation);
                vec![Input::SinkApplied { request, sink, outcome, message: String::new() }]
            }
            Output::StoreSnapshot { epoch, name, parts, manifest } => {
                self.snapshots.store(name, parts, manifest);
                vec![Input::SnapshotStored { epoch }]
            }
            Output::Trim { request, segments, snapshots } => {
                self.snapshots.remove(&snapshots);
                self.journal.remove(&segments);
                vec![Input::Trimmed { request }]
            }
            Output::Report(report) => {
                self.reports.push(report);
                Vec::new()
            }
            Output::End(_) => Vec::new(),
        }
    }

    fn fetch(
        &self,
        name: &SplitName,
        from: Offset,
        until: Option<Offset>,
        bytes_max: u32,
    ) -> (FetchedData, LogEnd) {
        let split = self.splits.iter().find(|split| split.name == *name).expect("the split exists");
        let ends = self.plan.table(name.table).bounded || split.ended;
        split.fetch(from, until, bytes_max, ends)
    }
}
