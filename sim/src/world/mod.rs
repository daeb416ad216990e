//! The world: virtual time, processes, the links between them and services, and what
//! goes wrong.
//!
//! One event happens at a time, the earliest first. A process is a pipeline with its
//! machines; whatever a machine asks goes over a link to a service and is answered the
//! same way. Nothing here decides what a result is.

mod clock;
mod concern;
mod digest;
mod faults;
mod heap;
mod hosting;
mod kept;
mod lane;
mod life;
mod loss;
mod outcome;
mod process;
mod read;
mod result;
mod route;
mod shown;
mod source;
mod state;
mod supervise;
mod trace;
mod turn;
mod watch;
mod wire;

pub use clock::BEGIN_NS;
pub use hosting::{Host, Hosting};
pub use loss::{Loser, Loss};
pub use result::{
    AckSeen, Counts, DurableSeen, GivenUpSeen, LogEndSeen, LostSnapshot, ProcessEnd, ProcessEnding,
    RottenStart, RunEnd, RunResult, Seen, SinkResult, StoredSnapshot, TrimmedSkip,
};
pub use shown::{ChangedSplit, Piece, ShownSlice};
pub use source::SourceSplit;
pub use state::DIED_OF_A_RECORD;
pub use supervise::may_mend;
pub use trace::{Trace, TraceLine};

use crate::model::{Service, Toll};
use crate::plan::{Latency, RunPlan};
use crate::rng::Draws;
use crate::time::{Span, VirtualTime};
use anabranch_engine::ids::{SinkId, TableId};
use anabranch_engine::pipeline::{Ending, Failure, Input, Report};
use anabranch_engine::plan::{NodeKind, Plan};
use anabranch_engine::service::Answer;
use clock::WallSkew;
use faults::Faults;
use heap::Heap;
use kept::Kept;
use process::Process;
use read::SourceCall;
use std::collections::BTreeMap;
use std::sync::Arc;
use watch::Watch;
use wire::Parcel;

/// Something that is to come.
#[derive(Debug)]
enum Event {
    /// A process is started; a supervisor watches it or not.
    Start { watched: bool },
    /// A process is started on a copy of the state, whose journal is this place.
    StartCopy(usize),
    /// A process takes its next input.
    Turn(u32),
    /// A process may have slept long enough.
    Wake(u32),
    /// Something reaches the inbox of a process.
    Input(u32, Box<Input>),
    /// An answer reaches a machine of a process.
    Answer { process: u32, lane: usize, call: u64, answer: Box<Answer> },
    /// A request reaches a service.
    Arrive(Box<Parcel>),
    /// A service does something by itself.
    ServiceDue(usize),
    /// A read reaches a source.
    Read(Box<SourceCall>),
    /// A source has held an answer back for long enough.
    HoldEnds(u64),
    /// A split changes.
    Grow,
    /// A process goes on.
    Resume(u32),
    /// A deviation is due by its time.
    Timed(usize),
    /// Nothing goes wrong any more.
    Heal,
    /// It is looked whether the job is done, or stuck.
    Look,
}

/// A service with its links.
#[derive(Debug)]
struct Place {
    name: String,
    service: Box<dyn Service>,
    link: Link,
    /// The sink whose data it holds.
    sink: Option<SinkId>,
    /// Until when its own next event is planned.
    due: Option<VirtualTime>,
    /// What it had not kept when it was asked last.
    toll: Toll,
}

/// A link, both ways.
#[derive(Debug)]
struct Link {
    latency: Latency,
    draws: Draws,
    messages: u64,
    requests_cut_until: VirtualTime,
    answers_cut_until: VirtualTime,
    slow_until: VirtualTime,
    slower_by: Span,
}

impl Link {
    fn new(seed: u64, name: &str, latency: Latency) -> Link {
        Link {
            latency,
            draws: Draws::new(seed, "latency", name),
            messages: 0,
            requests_cut_until: VirtualTime(0),
            answers_cut_until: VirtualTime(0),
            slow_until: VirtualTime(0),
            slower_by: Span(0),
        }
    }

    /// How long the next message takes.
    fn delay(&mut self, now: VirtualTime) -> Span {
        let mut ns = self.latency.base.0;
        if self.latency.jitter.0 > 0 {
            self.messages += 1;
            let draw = u128::from(self.draws.at(self.messages));
            ns += ((draw * self.latency.jitter.0 as u128) >> 64) as i64;
        }
        if now < self.slow_until {
            ns += self.slower_by.0;
        }
        Span(ns)
    }

    fn heal(&mut self) {
        self.requests_cut_until = VirtualTime(0);
        self.answers_cut_until = VirtualTime(0);
        self.slow_until = VirtualTime(0);
    }
}

/// For so long a run is watched after its end: longer than any transaction may stay open.
const SETTLE: Span = Span::ms(120_000);

/// The world of one run.
pub struct World {
    plan: RunPlan,
    job: Arc<Plan>,
    hosting: Box<dyn Hosting>,
    now: VirtualTime,
    ended_at: VirtualTime,
    heap: Heap<Event>,
    processes: Vec<Option<Box<Process>>>,
    places: Vec<Place>,
    splits: Vec<SourceSplit>,
    sources_link: Link,
    /// Reads that wait for something new, by number.
    holding: BTreeMap<u64, SourceCall>,
    holds: u64,
    hosts: Vec<WallSkew>,
    faults: Faults,
    /// The table of each sink.
    sinks: Vec<TableId>,
    trace: Trace,
    watch: Watch,
    kept: Kept,
    /// A copy of the journal and the snapshots; empty if none was made.
    copy: Vec<Box<dyn Service>>,
    /// How much the journal had acknowledged when the copy was made.
    copied_at: u64,
    /// Records, by split and offset, that kill whoever computes them.
    poisons: Vec<(usize, u64)>,
    /// Processes that stand still until a later one has made so many outputs.
    waiting: Vec<(u32, u64)>,
    supervisor: Supervisor,
    /// When the last thing arrives or a split ends.
    last_change: VirtualTime,
    /// Where the world is, for the message of a panic.
    place: (u32, u64),
}

/// What starts processes again.
#[derive(Debug, Default)]
struct Supervisor {
    /// Failures in a row that a restart may mend.
    failures: u32,
    last_failure: Option<Failure>,
    /// How the job ended.
    end: Option<RunEnd>,
    /// What the job looked like when it was looked at last, and since when.
    quiet: Option<(u64, VirtualTime)>,
    stop_asked: bool,
}

/// The tables that a job writes, by the numbers of its sinks.
fn sink_tables(job: &Plan) -> Vec<TableId> {
    let sinks = job.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::Sink(sink) => Some(sink.table),
        _ => None,
    });
    sinks.collect()
}

impl World {
    /// A world in which the job never ran.
    ///
    /// # Errors
    /// If the plan names what the job does not have.
    pub fn new(
        plan: RunPlan,
        job: Arc<Plan>,
        hosting: Box<dyn Hosting>,
        keeps_lines: bool,
    ) -> Result<World, String> {
        let sinks = sink_tables(&job);
        let links = plan.settings.links;
        let place = |name: &str, service, latency, sink| Place {
            name: name.to_owned(),
            service,
            link: Link::new(plan.seed, name, latency),
            sink,
            due: None,
            toll: Toll::default(),
        };
        let mut places = vec![
            place("journal", hosting.journal_service(), links.journal, None),
            place("snapshots", hosting.snapshots_service(), links.snapshots, None),
        ];
        for (index, table) in sinks.iter().enumerate() {
            let table = job.table(*table);
            let sink = Some(SinkId(index as u32));
            let service = hosting.sink_service(SinkId(index as u32), table);
            places.push(place(&table.name, service, links.sinks, sink));
        }
        let splits = plan.splits.iter().map(|split| SourceSplit::new(split, &job));
        let mut splits = splits.collect::<Result<Vec<_>, _>>()?;
        shown::expect_changes(&plan, &mut splits);
        let names: Vec<String> = places.iter().map(|place| place.name.clone()).collect();
        let (faults, timed) = Faults::new(&plan.deviations, &job, &splits, &names)?;
        let last_change = splits.iter().map(SourceSplit::last_change).max().unwrap_or_default();
        let mut world = World {
            now: VirtualTime(0),
            ended_at: VirtualTime(0),
            heap: Heap::new(plan.settings.ties),
            processes: Vec::new(),
            sources_link: Link::new(plan.seed, "sources", links.sources),
            holding: BTreeMap::new(),
            holds: 0,
            hosts: vec![WallSkew::default(); 2],
            trace: Trace::new(keeps_lines),
            watch: Watch::new(&sinks, &job),
            kept: Kept::default(),
            copy: Vec::new(),
            copied_at: 0,
            poisons: Vec::new(),
            waiting: Vec::new(),
            supervisor: Supervisor::default(),
            place: (0, 0),
            plan,
            job,
            hosting,
            places,
            splits,
            faults,
            sinks,
            last_change,
        };
        world.plan_first_events(timed);
        Ok(world)
    }

    /// What happens by itself: the job is started, and everything has its time.
    fn plan_first_events(&mut self, timed: Vec<(VirtualTime, usize)>) {
        self.heap.plan(VirtualTime(0), Event::Grow);
        self.heap.plan(VirtualTime(0), Event::Start { watched: true });
        for (at, index) in timed {
            self.heap.plan(at, Event::Timed(index));
        }
        self.heap.plan(self.plan.settings.timing.heal, Event::Heal);
        self.heap.plan(VirtualTime(0) + life::LOOK_EVERY, Event::Look);
    }

    /// Lets everything happen until the job and every process have ended, or are stuck.
    pub fn run(&mut self) {
        while !self.is_over() {
            let Some((at, event)) = self.heap.next() else {
                self.get_stuck();
                break;
            };
            self.now = self.now.max(at);
            self.happen(event);
        }
        self.ended_at = self.now;
        self.settle();
    }

    /// Lets what is under way arrive, and the services do what they do by themselves:
    /// nobody who comes later may see another result.
    fn settle(&mut self) {
        let until = self.now + SETTLE;
        while let Some((at, event)) = self.heap.next().filter(|(at, _)| *at <= until) {
            self.now = self.now.max(at);
            if matches!(event, Event::Arrive(_) | Event::ServiceDue(_)) {
                self.happen(event);
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Start { watched } => self.start(watched, state::OWN),
            Event::StartCopy(state) => self.start(false, state),
            Event::Turn(id)
            | Event::Wake(id)
            | Event::Input(id, _)
            | Event::Answer { process: id, .. } => self.reach(id, event),
            Event::Arrive(parcel) => self.arrive(*parcel),
            Event::ServiceDue(place) => self.service_due(place),
            Event::Read(call) => self.read(*call),
            Event::HoldEnds(number) => self.hold_ends(number),
            Event::Grow => self.grow(),
            Event::Resume(id) => self.resume(id),
            Event::Timed(index) => {
                if self.now < self.plan.settings.timing.heal {
                    let action = self.faults.timed(index);
                    self.act_on_watched(&action);
                }
            }
            Event::Heal => self.heal(),
            Event::Look => self.look(),
        }
    }

    /// Something reaches a process, if it still lives.
    fn reach(&mut self, id: u32, event: Event) {
        self.with(id, |world, process| {
            if process.life == process::Life::Stands {
                process.held.push(event);
                return;
            }
            world.reached(process, event);
        });
    }

    fn reached(&mut self, process: &mut Process, event: Event) {
        match event {
            Event::Turn(_) => self.turn(process),
            Event::Wake(_) => self.wake(process),
            Event::Input(_, input) => self.give(process, *input),
            Event::Answer { lane, call, answer, .. } => {
                self.answered(process, lane, call, *answer);
            }
            other => panic!("{other:?} reaches no process"),
        }
    }

    /// Lends a living process together with the rest of the world.
    fn with<R>(&mut self, id: u32, act: impl FnOnce(&mut World, &mut Process) -> R) -> Option<R> {
        let slot = id.checked_sub(1)? as usize;
        let mut process = self.processes.get_mut(slot)?.take()?;
        let result = act(self, &mut process);
        if process.life != process::Life::Dead {
            self.processes[slot] = Some(process);
        }
        Some(result)
    }

    /// Where the world is, for the message of a panic.
    #[must_use]
    pub fn place(&self) -> String {
        let (process, outputs) = self.place;
        format!("at {} in process {process} after {outputs} outputs", self.now)
    }

    /// The moment that it is.
    #[must_use]
    pub fn now(&self) -> VirtualTime {
        self.now
    }

    /// The trace so far.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// What the run came to. Call it when [`World::run`] has returned.
    #[must_use]
    pub fn finish(mut self) -> RunResult {
        let end = self.supervisor.end.take().unwrap_or(RunEnd::Ended(Ending::Stopped));
        self.conclude(end)
    }

    /// What the run came to, when it panicked.
    #[must_use]
    pub fn panicked(self, message: String) -> RunResult {
        let place = self.place();
        self.conclude(RunEnd::Panicked { message, place })
    }

    fn report(&mut self, process: u32, report: Report) {
        self.watch.reports.push((self.now, process, report));
    }
}
