//! A server, and processes that write to it, one request at a time.

use crate::script::{self, SHARD, Seen};
use anabranch_engine::ids::Generation;
use anabranch_engine::service::clickhouse::{ClickHouseTable, TableEngine};
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::clickhouse::{
    ClickHouseAppend, ClickHouseKeyed, ClickHouseStrict, ClickHouseTarget,
};
use anabranch_engine::sink::{
    ApplyOutcome, Chunk, FailKind, Marker, OpenOutcome, SinkMachine, SinkStep,
};
use anabranch_sim::model::clickhouse::ClickHouseModel;
use anabranch_sim::model::{ClientId, Disturbance, Service};
use anabranch_sim::time::{Span, VirtualTime};

pub(crate) const TABLE: &str = "out";

/// Which of the sinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Append,
    Keyed,
    Strict,
}

pub(crate) const MODES: [Mode; 3] = [Mode::Append, Mode::Keyed, Mode::Strict];

impl Mode {
    pub(crate) fn chunks(self) -> Vec<Chunk> {
        match self {
            Mode::Append | Mode::Strict => script::inserts(),
            Mode::Keyed => script::changes(),
        }
    }

    pub(crate) fn result(self, chunks: &[Chunk]) -> Vec<Seen> {
        match self {
            Mode::Append | Mode::Strict => script::appended_result(chunks),
            Mode::Keyed => script::keyed_result(chunks),
        }
    }

    pub(crate) fn table(self, deduplication_window: u64) -> ClickHouseTable {
        let engine = match self {
            Mode::Append => TableEngine::ReplacingEqual,
            Mode::Keyed => TableEngine::Replacing,
            Mode::Strict => TableEngine::MergeTree,
        };
        let partition_by_key = true;
        ClickHouseTable { engine, deduplication_window, partition_by_key, ..Default::default() }
    }

    pub(crate) fn machine(self) -> Box<dyn SinkMachine> {
        let target = ClickHouseTarget { shard: SHARD, table: TABLE.into(), block_rows_max: 2 };
        match self {
            Mode::Append => Box::new(ClickHouseAppend::new(target)),
            Mode::Keyed => Box::new(ClickHouseKeyed::new(target)),
            Mode::Strict => Box::new(ClickHouseStrict::new(target)),
        }
    }
}

/// The server.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) mode: Mode,
    pub(crate) model: ClickHouseModel,
    now: VirtualTime,
    /// Whether something is merged after every request.
    pub(crate) merging: bool,
}

impl Server {
    pub(crate) fn new(mode: Mode, deduplication_window: u64) -> Server {
        let mut model = ClickHouseModel::default();
        model.create(TABLE, mode.table(deduplication_window));
        Server { mode, model, now: VirtualTime::default(), merging: false }
    }

    pub(crate) fn execute(&mut self, request: &Request) -> Answer {
        self.now = self.now + Span::ms(1);
        let answer = self.model.execute(self.now, ClientId::default(), request);
        if self.merging {
            self.disturb(&Disturbance::Merge);
        }
        answer
    }

    pub(crate) fn disturb(&mut self, disturbance: &Disturbance) -> Option<String> {
        self.model.disturb(self.now, disturbance)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        script::seen(&self.model.rows(TABLE))
    }

    /// The marker never claims more than the rows.
    // spec: K-2
    pub(crate) fn check_marker(&self, chunks: &[Chunk]) {
        let Some(marker) = self.model.marker(TABLE) else { return };
        let place = chunks.iter().position(|chunk| chunk.marker == marker);
        let place = place.expect("the marker is that of a chunk");
        if self.mode == Mode::Keyed {
            // Later rows may be there too; but no key is older than the marker says.
            let parts = self.model.raw(TABLE);
            for (key, epoch) in script::written(&chunks[..=place]) {
                let rows = parts.iter().flat_map(|part| part.rows());
                let newest = rows.filter(|row| row.key == key).map(|row| row.epoch).max();
                assert!(newest >= Some(epoch), "{marker} stands without {key:?} of {epoch}");
            }
            return;
        }
        let seen = self.seen();
        let mut missing = self.mode.result(&chunks[..=place]);
        for row in seen {
            if let Some(at) = missing.iter().position(|it| *it == row) {
                missing.remove(at);
            }
        }
        assert!(missing.is_empty(), "{marker} stands without {missing:?}");
    }
}

/// What a process came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It waits for the answer to its request.
    Waits,
    /// All chunks are applied.
    Finished,
    /// A newer generation took over.
    Fenced,
    /// The sink holds something else than the process computed, or less than it was told.
    Stopped,
}

/// A process: one machine, and the little of a pipeline that a sink needs.
#[derive(Debug)]
pub(crate) struct Process {
    generation: Generation,
    machine: Box<dyn SinkMachine>,
    chunks: Vec<Chunk>,
    /// How many of them are applied, as far as is known.
    pub(crate) applied: usize,
    /// The request that waits.
    pub(crate) request: Option<Request>,
    pub(crate) life: Life,
    pub(crate) failures: u32,
    /// The last outcome of opening or applying that was a refusal.
    pub(crate) last: String,
}

impl Process {
    pub(crate) fn start(mode: Mode, number: u64) -> Process {
        Process::start_as(mode, number, number * 7)
    }

    pub(crate) fn start_as(mode: Mode, number: u64, nonce: u64) -> Process {
        let generation = Generation { number, nonce };
        let mut process = Process {
            generation,
            machine: mode.machine(),
            chunks: mode.chunks(),
            applied: 0,
            request: None,
            life: Life::Waits,
            failures: 0,
            last: String::new(),
        };
        let step = process.machine.open(generation);
        process.take(step);
        process
    }

    /// Gives the answer to the request that waits.
    pub(crate) fn answer(&mut self, answer: Answer) {
        assert!(self.request.take().is_some(), "there is a request");
        let step = self.machine.answer(answer);
        self.take(step);
    }

    fn take(&mut self, step: SinkStep) {
        match step {
            SinkStep::Request(request) => self.request = Some(request),
            SinkStep::Opened(OpenOutcome::Opened { marker }) => self.opened(marker),
            SinkStep::Opened(OpenOutcome::Failed(kind))
            | SinkStep::Applied(ApplyOutcome::Failed(kind)) => self.failed(kind),
            SinkStep::Opened(OpenOutcome::Fenced { .. })
            | SinkStep::Applied(ApplyOutcome::Fenced { .. }) => self.life = Life::Fenced,
            SinkStep::Applied(ApplyOutcome::Applied | ApplyOutcome::Duplicate) => {
                self.applied += 1;
                self.apply();
            }
            other => {
                self.last = format!("{other:?}");
                self.life = Life::Stopped;
            }
        }
    }

    /// Goes on behind the marker: what is in the sink already is not sent again.
    // spec: K-4
    fn opened(&mut self, marker: Option<Marker>) {
        let place = |marker| self.chunks.iter().position(|chunk| chunk.marker == marker);
        self.applied = match marker {
            None => 0,
            Some(marker) => 1 + place(marker).expect("the marker is that of a chunk"),
        };
        self.apply();
    }

    fn apply(&mut self) {
        match self.chunks.get(self.applied) {
            Some(chunk) => {
                let step = self.machine.apply(chunk.clone());
                self.take(step);
            }
            None => self.life = Life::Finished,
        }
    }

    fn failed(&mut self, kind: FailKind) {
        self.failures += 1;
        if kind == FailKind::Rejected || self.failures > 40 {
            self.last = self.machine.failure().to_owned();
            self.life = Life::Stopped;
            return;
        }
        let step = self.machine.open(self.generation);
        self.take(step);
    }

    /// Carries out the request that waits, as it should be.
    pub(crate) fn step(&mut self, server: &mut Server) {
        let request = self.request.clone().expect("the process waits for an answer");
        let answer = server.execute(&request);
        self.answer(answer);
    }

    /// Goes on without any fault, for so many requests at most.
    pub(crate) fn run(&mut self, server: &mut Server, requests_max: usize) {
        for _ in 0..requests_max {
            if self.life != Life::Waits {
                return;
            }
            self.step(server);
        }
    }

    pub(crate) fn finish(&mut self, server: &mut Server) {
        self.run(server, 2_000);
        assert_eq!(self.life, Life::Finished, "{self:?}");
    }
}
