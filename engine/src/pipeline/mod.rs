//! The pipeline: the protocol machine around the dataflow.
//!
//! It decides what belongs to an epoch, when its outputs may leave, what a sink is
//! given and when, and how a job comes back after a crash. It asks the world through
//! [`Output`] and learns from it through [`Input`]; it never waits.
//!
//! **One turn**: [`Pipeline::handle`] takes one input and appends outputs to a
//! caller-owned list; the caller carries them out and then brings the next input. If
//! nothing comes by [`Pipeline::next_wakeup`], the caller brings [`Input::Wake`].

mod attempts;
mod config;
mod encode;
mod epochs;
mod ingest;
mod invariants;
mod io;
mod lag;
mod prove;
mod rehearse;
mod replay;
mod serve;
mod sinks;
mod snapshots;
mod start;
mod status;
mod verify;
mod wake;
mod wary;
mod why;

pub use config::PipelineConfig;
pub use io::{Ending, Failure, FetchedData, FoundSplit, Input, Kept, LogEnd, Now, Output, Report};
pub use rehearse::Rehearsal;
pub use status::{SinkStatus, Status};
pub use wake::{WakeReason, Wakeup};
pub use why::Wait;

use crate::dataflow::BuildError;
use crate::dataflow::Dataflow;
use crate::executor::Executor;
use crate::ids::{Epoch, Generation, Lineage, RequestId};
use crate::journal::{ChainHash, Encoder};
use crate::plan::{Plan, PlanHash};
use crate::planted;
use crate::time::{Monotonic, Tick};
use ingest::Ingest;
use prove::Ownership;
use replay::Recovery;
use sinks::Sinks;
use snapshots::Snapshots;
use start::Opening;
use status::Totals;
use std::sync::Arc;
use wary::Wary;

/// The version of the engine's meaning: it changes when an equal plan and equal
/// input would give another output.
// spec: G-3
pub const SEMANTICS_VERSION: u32 = 1;

/// One incarnation of a job.
///
/// Invariants, checked by [`Pipeline::check_invariants`]: `durable <= epoch`; no
/// chunk of an epoch above `durable` was ever put into an [`Output`]; ticks grow.
pub struct Pipeline {
    config: PipelineConfig,
    plan: Arc<Plan>,
    plan_hash: PlanHash,
    dataflow: Dataflow,
    phase: Phase,
    generation: Generation,
    lineage: Lineage,
    encoder: Option<Encoder>,
    /// The last epoch that was stepped.
    epoch: Epoch,
    /// The last epoch whose record is known to be durable.
    // spec: J-1
    durable: Epoch,
    /// The output hash chain after `epoch`.
    chain: ChainHash,
    clock: Clock,
    ingest: Ingest,
    sinks: Sinks,
    snapshots: Snapshots,
    requests: RequestId,
    totals: Totals,
    /// Whether the user asked for a stop.
    stopping: bool,
    /// When that was.
    stopping_since: Option<Monotonic>,
    /// Whether this incarnation wrote an epoch into the journal.
    // spec: F-6
    has_written: bool,
    /// What is noted before an epoch is computed.
    // spec: F-6
    wary: Wary,
    /// Since when the journal's store said nothing.
    ownership: Ownership,
}

/// Where in its life a pipeline is.
#[derive(Debug)]
enum Phase {
    /// Not started.
    New,
    /// Looking at journal and sinks, and taking a generation.
    // spec: S-2
    Opening(Box<Opening>),
    /// Computing journaled epochs again.
    Replaying(Box<Recovery>),
    /// Taking new input.
    Running,
    /// All input is processed; the last entry of the journal is on its way.
    Finishing,
    /// It has given [`Output::End`].
    Ended,
}

/// From clock readings to ticks.
// spec: E-4
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    /// `max(wall clock at the start, last journaled tick + 1)`.
    anchor: Tick,
    /// The monotonic clock at the anchor.
    since: Monotonic,
    /// The tick of the last epoch.
    last: Tick,
    /// The newest reading.
    now: Monotonic,
}

impl Clock {
    /// The tick of an epoch that is closed now.
    fn next(&mut self) -> Tick {
        let reading = self.anchor.0 + (self.now.0 - self.since.0).max(0);
        self.last = Tick(reading.max(self.last.0 + 1));
        self.last
    }
}

impl Pipeline {
    /// A pipeline for a plan, not yet started.
    ///
    /// # Errors
    /// If the plan asks for what this binary does not have.
    pub fn new(plan: Arc<Plan>, config: PipelineConfig) -> Result<Pipeline, BuildError> {
        Ok(Pipeline {
            plan_hash: plan.hash(),
            dataflow: Dataflow::compile(plan.clone())?,
            phase: Phase::New,
            generation: Generation::default(),
            lineage: Lineage::default(),
            encoder: None,
            epoch: Epoch(0),
            durable: Epoch(0),
            chain: ChainHash::START,
            clock: Clock::default(),
            ingest: Ingest::new(&plan),
            sinks: Sinks::new(&plan)?,
            snapshots: Snapshots::default(),
            requests: RequestId(0),
            totals: Totals::default(),
            stopping: false,
            stopping_since: None,
            has_written: false,
            wary: Wary::default(),
            ownership: Ownership::default(),
            plan,
            config,
        })
    }

    /// Takes one input and appends what the world is asked to do, in an order that
    /// matters. The executor only helps with the computing.
    ///
    /// # Panics
    /// On a bug of ours: the message names the epoch.
    pub fn handle(
        &mut self,
        now: Now,
        input: Input,
        executor: &dyn Executor,
        out: &mut Vec<Output>,
    ) {
        self.clock.now = self.clock.now.max(now.monotonic);
        if matches!(self.phase, Phase::Ended) {
            return;
        }
        let forgets = planted!(R7) && matches!(input, Input::Wake);
        let before = out.len();
        let result = self.take(now, input, executor, out).and_then(|()| self.go_on(executor, out));
        if forgets && out.len() > before {
            out.pop();
        }
        if let Err(failure) = result {
            self.end(Ending::Failed(failure), out);
        }
    }

    fn take(
        &mut self,
        now: Now,
        input: Input,
        executor: &dyn Executor,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        match input {
            Input::Start { nonce } => self.start(now, nonce, out),
            Input::Wake => Ok(()),
            Input::JournalRead { request, segments } => self.journal_read(request, segments, out),
            Input::JournalUnreadable { request, transient, message } => {
                self.journal_unreadable(request, transient, message, out)
            }
            Input::SinkInspected { request, sink, generation, marker } => {
                self.sink_inspected(request, sink, (generation, marker), out)
            }
            Input::JournalOpened => self.journal_opened(out),
            Input::JournalFenced { .. } if planted!(K11) => Ok(()),
            Input::JournalFenced { by } => Err(Failure::Fenced { what: "the journal".into(), by }),
            Input::SnapshotsListed { request, manifests } => {
                self.snapshots_listed(request, manifests, out)
            }
            Input::SnapshotsNotListed { request, transient, message } => {
                self.snapshots_not_listed(request, transient, message, out)
            }
            Input::SnapshotLoaded { name, parts } => self.snapshot_loaded(&name, &parts, out),
            Input::SnapshotUnreadable { name, transient, reason } => {
                self.snapshot_unreadable(&name, transient, reason, out)
            }
            Input::SinkOpened { request, sink, marker } => {
                self.sink_opened(request, sink, marker, out)
            }
            Input::SinkOpenFailed { request, sink, outcome, message } => {
                self.sink_open_failed(request, sink, outcome, &message, out)
            }
            Input::SplitsFound { request, table, splits } => {
                self.splits_found(request, table, splits)
            }
            Input::DiscoverFailed { request, table, transient, message } => {
                self.discover_failed(request, table, transient, message, out)
            }
            Input::Fetched { request, split, data, end } => {
                self.fetched(request, split, data, end, executor, out)
            }
            Input::FetchFailed { request, split, transient, message } => {
                self.fetch_failed(request, split, transient, message, out)
            }
            Input::SplitChanged { request, split, detail } => {
                self.split_changed(request, split, detail)
            }
            Input::JournalAppended { epoch } => {
                self.journal_appended(epoch, out);
                Ok(())
            }
            Input::JournalFailed { message } => Err(Failure::JournalFailed(message)),
            Input::JournalProved { request } => self.journal_proved(request),
            Input::JournalNotProved { request } => self.journal_not_proved(request, out),
            Input::NoteAppended { request } => {
                self.note_appended(request);
                Ok(())
            }
            Input::FinishRecorded => {
                if matches!(self.phase, Phase::Finishing) {
                    self.end(self.finished(), out);
                }
                Ok(())
            }
            Input::SinkApplied { request, sink, outcome, message } => {
                self.sink_applied(request, sink, outcome, &message, out)
            }
            Input::SnapshotStored { epoch } => {
                self.snapshot_stored(epoch, out);
                Ok(())
            }
            Input::SnapshotFailed { epoch, message } => {
                self.snapshot_failed(epoch, message, out);
                Ok(())
            }
            Input::Trimmed { request } => {
                self.trimmed(request);
                Ok(())
            }
            Input::TrimFailed { request, message } => {
                self.trim_failed(request, message, out);
                Ok(())
            }
            Input::Stop => {
                self.stopping = true;
                self.stopping_since.get_or_insert(self.clock.now);
                Ok(())
            }
        }
    }

    /// Does everything that is possible now: closes epochs, gives sinks their
    /// chunks, asks for data, and ends if there is nothing left to do.
    fn go_on(&mut self, executor: &dyn Executor, out: &mut Vec<Output>) -> Result<(), Failure> {
        if matches!(self.phase, Phase::Opening(_)) {
            if self.stopping {
                self.end(Ending::Stopped, out);
                return Ok(());
            }
            self.ask_stores_again(out);
            self.stop_waiting_for_sinks(out)?;
            // There is no chunk yet, but a sink that failed may be due to be opened.
            self.apply_chunks(out);
        }
        if matches!(self.phase, Phase::Replaying(_)) {
            self.retry_replay_fetches(out);
            self.replay_ready_epochs(executor, out)?;
            self.apply_chunks(out);
        }
        if matches!(self.phase, Phase::Running) {
            while self.close_epoch_if_due(executor, out)? {}
            self.ask_for_splits(out);
            self.ask_for_data(out);
            self.apply_chunks(out);
            self.ask_for_proof(out);
            self.report_who_holds(out);
            self.finish_if_done(out);
        }
        Ok(())
    }

    fn end(&mut self, ending: Ending, out: &mut Vec<Output>) {
        self.phase = Phase::Ended;
        out.push(Output::End(ending));
    }

    fn request(&mut self) -> RequestId {
        self.requests.0 += 1;
        self.requests
    }

    /// The name of a sink's table, for messages.
    fn sink_name(&self, sink: crate::ids::SinkId) -> String {
        self.plan.table(self.sinks.get(sink).table).name.clone()
    }

    /// Whether the pipeline has given [`Output::End`].
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// The generation of this incarnation; 0 before it took one.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The dataflow, to look at.
    #[must_use]
    pub fn dataflow(&self) -> &Dataflow {
        &self.dataflow
    }
}
