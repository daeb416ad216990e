//! The thread that takes the turns: one input in, its outputs carried out in order.

use super::fetch::Fetch;
use super::sinks::SinkThread;
use super::{Answers, Event, JournalStore, SnapshotStore, Sources, journal, sinks, snapshots};
use crate::errors::{self, JobError};
use crate::output::errors::show;
use anabranch_connectors::sink::Sink;
use anabranch_engine::executor::Executor;
use anabranch_engine::ids::{RequestId, SinkId};
use anabranch_engine::pipeline::{Ending, Input, Now, Output, Pipeline, Report, Status};
use anabranch_engine::time::{Monotonic, WallClock};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::Receiver;

/// The generation and the epoch at which the process is, for the message of a panic.
static GENERATION: AtomicU64 = AtomicU64::new(0);
static EPOCH: AtomicU64 = AtomicU64::new(0);

/// Everything that a pipeline runs with.
pub(crate) struct Driver {
    /// Where the journal is kept.
    pub journal: JournalStore,
    /// Where snapshots are kept.
    pub snapshots: SnapshotStore,
    /// The sources.
    pub sources: Sources,
    /// The sinks in plan order.
    pub sinks: Vec<Box<dyn Sink>>,
    /// What computes.
    pub executor: Box<dyn Executor>,
    /// What is told to a person.
    pub observer: Box<dyn Observer>,
}

/// What is told to a person while a job runs.
pub(crate) trait Observer {
    /// Something happened.
    fn report(&mut self, report: &Report);
    /// The user asked for the end.
    fn stopping(&mut self);
    /// Where the job is, from time to time.
    fn progress(&mut self, status: &Status);
    /// How often that is wanted.
    fn interval(&self) -> Option<Duration>;
}

/// Says what a panic means, and ends the process at once: whatever is in memory is
/// not to be trusted any more, and a restart goes on from what is durable.
// spec: F-3
pub(crate) fn end_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let (generation, epoch) =
            (GENERATION.load(Ordering::Relaxed), EPOCH.load(Ordering::Relaxed));
        let message =
            format!("internal error in generation {generation} at epoch {epoch}: {panic}");
        show(
            &JobError::new(&errors::BUG, message)
                .with_help("start the job again; please report this message"),
        );
        std::process::exit(errors::BUG.exit.into());
    }));
}

/// Runs a pipeline to its end and gives the last status with the ending.
///
/// # Errors
/// If something failed that is no ending of the pipeline itself.
pub(crate) fn run(
    pipeline: Pipeline,
    driver: Driver,
    runtime: &Runtime,
) -> Result<(Ending, Status), JobError> {
    let failed = |error: io::Error| JobError::new(&errors::BUG, format!("no thread: {error}"));
    let (answers, mut events) = Answers::channel();
    let journal = journal::start(driver.journal, answers.clone()).map_err(failed)?;
    let snapshots = snapshots::start(driver.snapshots, answers.clone()).map_err(failed)?;
    let mut threads = Vec::new();
    for (index, sink) in driver.sinks.into_iter().enumerate() {
        let id = SinkId(index as u32);
        threads.push(SinkThread::start(id, sink, answers.clone()).map_err(failed)?);
    }
    listen_for_signals(runtime, &answers);
    let mut turn = Turn {
        pipeline,
        world: World {
            journal,
            snapshots,
            sinks: threads,
            sources: driver.sources,
            answers,
            runtime,
        },
        executor: driver.executor,
        observer: driver.observer,
        start: Instant::now(),
        stop_asked: false,
        removed: BTreeMap::new(),
        outputs: Vec::new(),
    };
    let ending = runtime.block_on(turn.run(&mut events));
    // Nobody listens any more: a sink whose answer finds the way full must not wait for
    // ever, since its thread is waited for here.
    // spec: F-4
    drop(events);
    let status = turn.pipeline.status();
    for thread in turn.world.sinks {
        match thread.finish() {
            // Why the job failed says more than that its rows could not be shown either.
            Err(error) if !matches!(ending, Ending::Failed(_)) => {
                return Err(JobError::new(&errors::SINK, error.to_string()));
            }
            _ => {}
        }
    }
    Ok((ending, status))
}

/// SIGTERM and Ctrl-C ask for the end.
fn listen_for_signals(runtime: &Runtime, answers: &Answers) {
    let answers = answers.clone();
    runtime.spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let streams = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
        let (Ok(mut terminate), Ok(mut interrupt)) = streams else {
            tracing::warn!("signals cannot be listened to: the job ends without a last epoch");
            return;
        };
        let mut signals = 0;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            signals += 1;
            if signals > 1 {
                // The state is as after a crash, which is nothing to be afraid of.
                tracing::warn!("stopped at once; the next run goes on from what is durable");
                std::process::exit(1);
            }
            // Not awaited here: where the way is full, the next signal has to be heard.
            let answers = answers.clone();
            tokio::spawn(async move { answers.send_async(Event::Signal).await });
        }
    });
}

struct Turn<'a> {
    pipeline: Pipeline,
    world: World<'a>,
    executor: Box<dyn Executor>,
    observer: Box<dyn Observer>,
    start: Instant,
    stop_asked: bool,
    /// What one of the two stores said to a trim, while the other one has not.
    removed: BTreeMap<RequestId, Result<(), String>>,
    outputs: Vec<Output>,
}

impl Turn<'_> {
    async fn run(&mut self, events: &mut Receiver<Event>) -> Ending {
        let mut next = Some(Event::Input(Input::Start { nonce: nonce() }));
        let mut shown = Instant::now();
        loop {
            let input = match next.take() {
                Some(Event::Input(input)) => input,
                Some(Event::Signal) => {
                    self.stop_asked = true;
                    self.observer.stopping();
                    Input::Stop
                }
                Some(Event::Removed(request, result)) => match self.removed.remove(&request) {
                    Some(other) => trimmed(request, other.and(result)),
                    None => {
                        self.removed.insert(request, result);
                        Input::Wake
                    }
                },
                None => Input::Wake,
            };
            if let Some(ending) = self.take(input) {
                return ending;
            }
            if self.observer.interval().is_some_and(|interval| shown.elapsed() >= interval) {
                self.observer.progress(&self.pipeline.status());
                shown = Instant::now();
            }
            next = self.wait(events).await;
        }
    }

    /// Takes a turn; gives the ending if the pipeline has come to it.
    fn take(&mut self, input: Input) -> Option<Ending> {
        let now = now(self.start);
        if let Input::JournalAppended { epoch } = &input {
            tracing::debug!(target: "anabranch::phase", phase = "epoch", epoch = epoch.0, "end");
        }
        self.pipeline.handle(now, input, &*self.executor, &mut self.outputs);
        GENERATION.store(self.pipeline.generation().number, Ordering::Relaxed);
        EPOCH.store(self.pipeline.dataflow().epoch().0, Ordering::Relaxed);
        let mut ending = None;
        for output in self.outputs.drain(..) {
            match output {
                Output::Report(report) => self.observer.report(&report),
                Output::End(end) => ending = Some(end),
                output => self.world.carry_out(output),
            }
        }
        ending
    }

    /// The next event, or nothing if it is time to wake the pipeline.
    async fn wait(&self, events: &mut Receiver<Event>) -> Option<Event> {
        if let Ok(event) = events.try_recv() {
            return Some(event);
        }
        let wakeup = self.pipeline.next_wakeup().map(|wakeup| {
            self.start + Duration::from_nanos(u64::try_from(wakeup.at.0).unwrap_or(0))
        });
        let progress = self.observer.interval().map(|interval| Instant::now() + interval);
        match [wakeup, progress].into_iter().flatten().min() {
            Some(at) => tokio::time::timeout_at(at.into(), events.recv()).await.unwrap_or_default(),
            None => events.recv().await,
        }
    }
}

/// The answer to a trim, when both stores have said what came of it.
fn trimmed(request: RequestId, result: Result<(), String>) -> Input {
    match result {
        Ok(()) => Input::Trimmed { request },
        Err(message) => Input::TrimFailed { request, message },
    }
}

/// The clocks at this moment; the monotonic one counts from the process's start.
fn now(start: Instant) -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    Now { wall: WallClock(nanos(wall)), monotonic: Monotonic(nanos(start.elapsed())) }
}

/// A number that no other incarnation draws: from the system's randomness, with which
/// hash tables of this process are seeded, and the clock.
// spec: G-1
fn nonce() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u128(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos());
    hasher.write_u32(std::process::id());
    hasher.finish()
}

/// Where the outputs go.
struct World<'a> {
    journal: SyncSender<journal::Command>,
    snapshots: SyncSender<snapshots::Command>,
    sinks: Vec<SinkThread>,
    sources: Sources,
    answers: Answers,
    runtime: &'a Runtime,
}

impl World<'_> {
    fn carry_out(&self, output: Output) {
        match output {
            Output::ReadJournal { request } => self.journal(journal::Command::Read { request }),
            Output::InspectSink { request, sink } => {
                self.sink(sink, sinks::Command::Inspect { request });
            }
            Output::OpenJournal { segment, bytes } => {
                self.journal(journal::Command::Open { segment, bytes });
            }
            Output::ListSnapshots { request } => {
                self.snapshots(snapshots::Command::List { request });
            }
            Output::LoadSnapshot { name } => self.snapshots(snapshots::Command::Load { name }),
            Output::OpenSink { request, sink, generation } => {
                self.sink(sink, sinks::Command::Open { request, generation });
            }
            Output::DiscoverSplits { request, table } => {
                let (runtime, answers) = (self.runtime.handle(), self.answers.clone());
                self.sources.discover(runtime, request, table, answers);
            }
            Output::Fetch { request, split, name, from, until, bytes_max, wait } => {
                let fetch = Fetch { request, split, name, from, until, bytes_max, wait };
                self.sources.fetch(self.runtime.handle(), fetch, self.answers.clone());
            }
            Output::AppendJournal { epoch, bytes } => {
                tracing::debug!(target: "anabranch::phase", phase = "epoch", epoch = epoch.0, "begin");
                self.journal(journal::Command::Append { epoch, bytes });
            }
            Output::AppendNote { request, bytes } => {
                self.journal(journal::Command::Note { request, bytes });
            }
            Output::ProveJournal { request, generation } => {
                self.journal(journal::Command::Prove { request, generation });
            }
            Output::RecordFinish { bytes } => self.journal(journal::Command::Finish { bytes }),
            Output::ApplyChunk { request, chunk } => {
                self.sink(chunk.sink, sinks::Command::Apply { request, chunk });
            }
            Output::StoreSnapshot { epoch, name, parts, manifest } => {
                self.snapshots(snapshots::Command::Store { epoch, name, parts, manifest });
            }
            Output::Trim { request, segments, snapshots } => {
                self.snapshots(snapshots::Command::Remove { request, names: snapshots });
                self.journal(journal::Command::Remove { request, segments });
            }
            Output::Report(_) | Output::End(_) => unreachable!("taken by the turn"),
        }
    }

    fn journal(&self, command: journal::Command) {
        give(&self.journal, command);
    }

    fn snapshots(&self, command: snapshots::Command) {
        give(&self.snapshots, command);
    }

    fn sink(&self, sink: SinkId, command: sinks::Command) {
        give(&self.sinks[sink.0 as usize].commands, command);
    }
}

/// Gives a thread a command. A thread that is gone has said why, and the event that
/// says it is on its way.
// spec: F-5
fn give<T>(commands: &SyncSender<T>, command: T) {
    if let Err(TrySendError::Full(_)) = commands.try_send(command) {
        panic!("the pipeline asked for more at once than its limits allow");
    }
}
