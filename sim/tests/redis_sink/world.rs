//! A server, chunks to write, and processes that write them with a machine each.

use anabranch_engine::ids::{Epoch, Generation, Lineage, SinkId};
use anabranch_engine::rows::RowKind;
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::redis::{RedisLayout, RedisSink, RedisSinkConfig};
use anabranch_engine::sink::{
    ApplyOutcome, Chunk, ChunkPayload, ChunkPlace, Marker, OpenOutcome, SinkMachine, SinkRecord,
    SinkShard, SinkStep,
};
use anabranch_sim::model::redis::{RedisModel, RedisModelConfig};
use anabranch_sim::model::{ClientId, Disturbance, Service};
use anabranch_sim::time::{Span, VirtualTime};
use bytes::Bytes;
use std::collections::BTreeMap;

const TARGET: SinkShard = SinkShard { sink: SinkId(0), shard: 0 };

/// The rows of each chunk: kind, key and value. Keys are written again and again, so that
/// a chunk that is left out, doubled or late shows.
type Rows = &'static [(RowKind, &'static str, &'static str)];
const CHUNKS: [(u64, u32, bool, Rows); 5] = {
    use RowKind::{Delete, Insert, UpdateAfter, UpdateBefore};
    [
        (2, 0, true, &[(Insert, "a", "2"), (Insert, "b", "2")]),
        (3, 0, false, &[(UpdateBefore, "a", "2"), (UpdateAfter, "a", "3"), (Insert, "c", "3")]),
        (3, 1, true, &[(Delete, "b", "2"), (Insert, "d", "3.1")]),
        (7, 0, true, &[(UpdateAfter, "a", "7"), (Insert, "b", "7"), (Delete, "c", "3")]),
        (9, 0, true, &[(UpdateAfter, "d", "9"), (Insert, "e", "9")]),
    ]
};

/// What the keys hold in the end.
pub(crate) const FINAL: [(&str, &str); 4] = [("a", "7"), ("b", "7"), ("d", "9"), ("e", "9")];

pub(crate) fn chunks() -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for (epoch, number, last, rows) in CHUNKS {
        let record = |(kind, key, value): &(RowKind, &'static str, &'static str)| SinkRecord {
            epoch: Epoch(epoch),
            kind: *kind,
            key: Bytes::from(*key),
            partition: Bytes::new(),
            value: Bytes::from(*value),
        };
        let lineage = Lineage { number: 1, nonce: 5 };
        let place = ChunkPlace { lineage, epoch: Epoch(epoch), chunk: number, last };
        let payload = ChunkPayload::Records { records: rows.iter().map(record).collect() };
        chunks.push(Chunk::new(TARGET, chunks.last().map(|it| it.marker), place, payload));
    }
    chunks
}

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It never reaches the server, and no answer comes.
    Lost,
    /// It takes effect, and no answer comes.
    Unheard,
    /// No answer comes, and it takes effect behind so many later requests.
    Late(usize),
    /// There is no connection.
    Unreachable,
    /// The process dies before it asks.
    CrashBefore,
    /// The process dies when the request has taken effect.
    CrashBehind,
    /// This happens to the server first.
    Disturbed(&'static Disturbance),
}

/// The world of one run.
pub(crate) struct World {
    pub(crate) model: RedisModel,
    pub(crate) now: VirtualTime,
    /// How many requests were made.
    pub(crate) requests: usize,
    /// What goes wrong, by the number of the request.
    pub(crate) faults: BTreeMap<usize, Fault>,
    /// Requests under way, by the number of the request before which they arrive.
    late: Vec<(usize, ClientId, Request)>,
    processes: u32,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Crashed,
    Done,
    Fenced,
}

/// A process with its machine.
pub(crate) struct Process {
    pub(crate) machine: RedisSink,
    pub(crate) client: ClientId,
    pub(crate) generation: Generation,
    /// How many chunks it knows to be applied.
    pub(crate) acknowledged: usize,
}

impl World {
    pub(crate) fn new(faults: &[(usize, Fault)]) -> World {
        World {
            model: RedisModel::new(RedisModelConfig::default()),
            now: VirtualTime::default(),
            requests: 0,
            faults: faults.iter().copied().collect(),
            late: Vec::new(),
            processes: 0,
        }
    }

    /// A new process, of the generation after all before it.
    pub(crate) fn start(&mut self, acknowledged: usize) -> Process {
        self.processes += 1;
        let number = u64::from(self.processes);
        let machine = RedisSink::new(RedisSinkConfig {
            target: TARGET,
            marker_key: "m".into(),
            key_prefix: Bytes::new(),
            layout: RedisLayout::Text,
        });
        Process {
            machine,
            client: ClientId { process: self.processes, machine: 0 },
            generation: Generation { number, nonce: number * 77 },
            acknowledged,
        }
    }

    /// The keys and values that a reader sees.
    pub(crate) fn rows(&self) -> Vec<(String, String)> {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let view = self.model.view(self.now);
        view.records.iter().map(|row| (text(&row.key), text(&row.value))).collect()
    }

    /// Carries out a request with what goes wrong with it; `None`: the process has died.
    fn execute(&mut self, client: ClientId, request: &Request) -> Option<Answer> {
        let number = self.requests;
        self.requests += 1;
        self.now = self.now + Span::ms(1);
        let (due, later) = self.late.drain(..).partition(|(at, ..)| *at <= number);
        self.late = later;
        let due: Vec<(usize, ClientId, Request)> = due;
        for (_, client, request) in due {
            self.model.execute(self.now, client, &request);
        }
        match self.faults.get(&number).copied() {
            None => Some(self.model.execute(self.now, client, request)),
            Some(Fault::Lost) => Some(Answer::TimedOut),
            Some(Fault::Unheard) => {
                self.model.execute(self.now, client, request);
                Some(Answer::TimedOut)
            }
            Some(Fault::Late(behind)) => {
                self.late.push((number + behind, client, request.clone()));
                Some(Answer::TimedOut)
            }
            Some(Fault::Unreachable) => Some(Answer::Unreachable),
            Some(Fault::CrashBefore) => None,
            Some(Fault::CrashBehind) => {
                self.model.execute(self.now, client, request);
                None
            }
            Some(Fault::Disturbed(disturbance)) => {
                self.model.disturb(self.now, disturbance);
                Some(self.model.execute(self.now, client, request))
            }
        }
    }

    /// Does what a machine asks for until it has an outcome.
    pub(crate) fn settle(&mut self, process: &mut Process, mut step: SinkStep) -> Option<SinkStep> {
        while let SinkStep::Request(request) = &step {
            let answer = self.execute(process.client, request)?;
            step = process.machine.answer(answer);
        }
        Some(step)
    }

    /// Lets a process write what is missing, as the pipeline would: what fails is tried
    /// again after a while, with a sink that is opened again; where the marker is behind,
    /// chunks are sent again from there.
    pub(crate) fn run(&mut self, process: &mut Process) -> End {
        let chunks = chunks();
        let mut open = false;
        for _ in 0..200 {
            if !open {
                let step = process.machine.open(process.generation);
                match self.settle(process, step) {
                    None => return End::Crashed,
                    Some(SinkStep::Opened(OpenOutcome::Opened { marker })) => {
                        open = true;
                        process.acknowledged = position_behind(&chunks, marker);
                    }
                    Some(SinkStep::Opened(OpenOutcome::Fenced { .. })) => return End::Fenced,
                    Some(_) => self.back_off(),
                }
                continue;
            }
            let Some(chunk) = chunks.get(process.acknowledged) else { return End::Done };
            let step = process.machine.apply(chunk.clone());
            match self.settle(process, step) {
                None => return End::Crashed,
                Some(SinkStep::Applied(ApplyOutcome::Applied | ApplyOutcome::Duplicate)) => {
                    process.acknowledged += 1;
                }
                Some(SinkStep::Applied(ApplyOutcome::Fenced { .. })) => return End::Fenced,
                Some(SinkStep::Applied(ApplyOutcome::Gap { .. })) => open = false,
                Some(SinkStep::Applied(ApplyOutcome::Failed(_))) => {
                    open = false;
                    self.back_off();
                }
                Some(other) => panic!("applying ended with {other:?}"),
            }
        }
        panic!("it never ends: {}", process.machine.failure())
    }

    /// Time passes before it is tried again; whoever can makes room.
    fn back_off(&mut self) {
        self.now = self.now + Span::ms(400);
        self.model.disturb(self.now, &Disturbance::MakeRoom);
    }

    /// Lets everything arrive that is still under way.
    pub(crate) fn let_all_arrive(&mut self) {
        for (_, client, request) in std::mem::take(&mut self.late) {
            self.model.execute(self.now, client, &request);
        }
    }

    /// Runs processes, one after the other, until one is done.
    pub(crate) fn finish(&mut self) {
        loop {
            let mut process = self.start(0);
            match self.run(&mut process) {
                End::Done => return self.let_all_arrive(),
                End::Crashed => self.model.client_died(self.now, process.client.process),
                End::Fenced => panic!("nobody else is there to fence it"),
            }
        }
    }
}

/// The first chunk behind a marker.
fn position_behind(chunks: &[Chunk], marker: Option<Marker>) -> usize {
    let Some(marker) = marker else { return 0 };
    let place = chunks.iter().position(|chunk| chunk.marker == marker);
    place.expect("a marker that some chunk has") + 1
}

/// The rows of the end.
pub(crate) fn final_rows() -> Vec<(String, String)> {
    FINAL.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// The rows after so many chunks, by going through them.
pub(crate) fn rows_after(count: usize) -> Vec<(String, String)> {
    let mut rows = BTreeMap::new();
    for (.., changes) in &CHUNKS[..count] {
        for (kind, key, value) in *changes {
            match kind {
                RowKind::Delete => rows.remove(*key),
                RowKind::UpdateBefore => None,
                RowKind::Insert | RowKind::UpdateAfter => rows.insert(*key, *value),
            };
        }
    }
    rows.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}
