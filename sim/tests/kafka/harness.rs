//! A cluster, a clock, and what goes wrong with one of the requests.

use anabranch_engine::ids::{Epoch, Generation, Lineage, SinkId};
use anabranch_engine::rows::RowKind;
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::kafka::{KafkaSink, KafkaSinkConfig};
use anabranch_engine::sink::{
    ApplyOutcome, Chunk, ChunkPayload, ChunkPlace, FailKind, Marker, OpenOutcome, SinkMachine,
    SinkRecord, SinkShard, SinkStep,
};
use anabranch_sim::model::kafka::{KafkaConfig, KafkaModel, Watched};
use anabranch_sim::model::{ClientId, Disturbance, Service, ViewRecord};
use anabranch_sim::time::{Span, VirtualTime};
use bytes::Bytes;

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The process dies, and the request with it.
    DieBefore,
    /// The process dies, and the request is carried out all the same.
    DieAfter,
    /// The process dies, and the request arrives when the next one has been at work.
    DieLate,
    /// No answer: it was lost on its way.
    Lost,
    /// No answer: it was carried out.
    Unheard,
    /// No answer: it is carried out so many ms later.
    Late(i64),
    /// It cannot be sent.
    Unreachable,
    /// The process stands still for so many ms before it.
    Pause(i64),
    /// Something happens in the cluster before it.
    Failover,
    /// Likewise.
    Expire,
    /// Likewise.
    Retention,
}

/// All of them. The delays reach into the next opening, and into the transactions after.
pub(crate) const FAULTS: [Fault; 15] = [
    Fault::DieBefore,
    Fault::DieAfter,
    Fault::DieLate,
    Fault::Lost,
    Fault::Unheard,
    Fault::Late(3),
    Fault::Late(12),
    Fault::Late(25),
    Fault::Late(40),
    Fault::Late(60),
    Fault::Unreachable,
    Fault::Pause(40_000),
    Fault::Failover,
    Fault::Expire,
    Fault::Retention,
];

/// A cluster and a clock.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) cluster: KafkaModel,
    pub(crate) now: VirtualTime,
    /// The newest generation by the journal's word.
    pub(crate) newest: u64,
    /// Requests that are still on their way.
    late: Vec<(VirtualTime, Request)>,
    /// Counts the requests.
    pub(crate) requests: u64,
    /// What happens to which request.
    pub(crate) fault: Option<(u64, Fault)>,
}

/// The process died.
#[derive(Debug)]
pub(crate) struct Died;

impl World {
    pub(crate) fn new(config: KafkaConfig) -> World {
        World {
            cluster: KafkaModel::new(config),
            now: VirtualTime(1_000_000_000),
            newest: 0,
            late: Vec::new(),
            requests: 0,
            fault: None,
        }
    }

    /// Lets time pass; what is on its way arrives.
    pub(crate) fn pass(&mut self, span: Span) {
        let until = self.now + span;
        self.late.sort_by_key(|(at, _)| *at);
        while self.late.first().is_some_and(|(at, _)| *at <= until) {
            let (at, request) = self.late.remove(0);
            self.now = self.now.max(at);
            self.cluster.execute(self.now, ClientId::default(), &request);
        }
        self.now = until;
        self.cluster.pass_time(until);
    }

    /// Carries out a request of a process of this generation.
    pub(crate) fn answer(&mut self, generation: u64, request: &Request) -> Result<Answer, Died> {
        let number = self.requests;
        self.requests += 1;
        if let Request::Sleep { ms } = request {
            self.pass(Span::ms(*ms));
            return Ok(Answer::Woken);
        }
        self.pass(Span::us(500));
        if *request == Request::ProveNewest {
            return Ok(Answer::Proved(generation == self.newest));
        }
        let fault = self.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault);
        let Some(fault) = fault else { return Ok(self.execute(request)) };
        let disturbance = match fault {
            Fault::DieBefore => return Err(Died),
            Fault::DieAfter => {
                self.execute(request);
                return Err(Died);
            }
            Fault::DieLate => {
                self.send_late(request, 20);
                return Err(Died);
            }
            Fault::Lost => return Ok(self.timed_out()),
            Fault::Unheard => {
                self.execute(request);
                return Ok(self.timed_out());
            }
            Fault::Late(ms) => {
                self.send_late(request, ms);
                return Ok(self.timed_out());
            }
            Fault::Unreachable => return Ok(Answer::Unreachable),
            Fault::Pause(ms) => {
                self.pass(Span::ms(ms));
                return Ok(self.execute(request));
            }
            Fault::Failover => Disturbance::Failover,
            Fault::Expire => Disturbance::ExpireProducers,
            Fault::Retention => Disturbance::Retention { keep: 1000 },
        };
        self.cluster.disturb(self.now, &disturbance);
        Ok(self.execute(request))
    }

    fn send_late(&mut self, request: &Request, ms: i64) {
        self.late.push((self.now + Span::ms(ms), request.clone()));
    }

    fn execute(&mut self, request: &Request) -> Answer {
        let answer = self.cluster.execute(self.now, ClientId::default(), request);
        self.pass(Span::us(500));
        answer
    }

    /// A short wait, so that what is late arrives among the next requests.
    fn timed_out(&mut self) -> Answer {
        self.pass(Span::ms(2));
        Answer::TimedOut
    }

    /// Drives a sink's machine up to an outcome.
    pub(crate) fn drive(
        &mut self,
        generation: u64,
        sink: &mut KafkaSink,
        mut step: SinkStep,
    ) -> Result<SinkStep, Died> {
        while let SinkStep::Request(request) = &step {
            let answer = self.answer(generation, request)?;
            step = sink.answer(answer);
        }
        Ok(step)
    }
}

pub(crate) fn sink_config() -> KafkaSinkConfig {
    let target = SinkShard { sink: SinkId(0), shard: 0 };
    KafkaSinkConfig { partitions: 3, ..KafkaSinkConfig::new("job", target, "results") }
}

/// A cluster's configuration that shows the sink.
pub(crate) fn cluster_config() -> KafkaConfig {
    KafkaConfig { seed: 7, watched: vec![Watched::of(&sink_config())], ..KafkaConfig::default() }
}

pub(crate) fn generation(number: u64) -> Generation {
    Generation { number, nonce: 100 + number }
}

pub(crate) fn row(epoch: u64, key: &str, value: String) -> SinkRecord {
    SinkRecord {
        epoch: Epoch(epoch),
        kind: RowKind::Insert,
        key: Bytes::copy_from_slice(key.as_bytes()),
        partition: Bytes::new(),
        value: Bytes::from(value),
    }
}

/// A chunk of four rows behind another one.
pub(crate) fn chunk(before: Option<Marker>, place: (u64, u32, bool), tag: &str) -> Chunk {
    let (epoch, number, last) = place;
    let lineage = Lineage { number: 1, nonce: 5 };
    let place = ChunkPlace { lineage, epoch: Epoch(epoch), chunk: number, last };
    let rows = ["a", "b", "c", "d"]
        .map(|key| row(epoch, key, format!("{epoch}.{number}{tag}-{key}")))
        .to_vec();
    Chunk::new(SinkShard::default(), before, place, ChunkPayload::Records { records: rows })
}

/// The job's output: groups of one and of two chunks.
pub(crate) fn chunks() -> Vec<Chunk> {
    let places = [(3, 0, true), (4, 0, false), (4, 1, true), (9, 0, true), (10, 0, true)];
    let mut chunks: Vec<Chunk> = Vec::new();
    for place in places {
        chunks.push(chunk(chunks.last().map(|chunk| chunk.marker), place, ""));
    }
    chunks
}

/// The values that committed readers see, sorted, and the marker.
pub(crate) fn seen(world: &mut World) -> (Vec<String>, Option<Marker>) {
    // Longer than a transaction may take.
    world.pass(Span::ms(60_000));
    let view = world.cluster.view(world.now);
    let mut values: Vec<String> = view.records.iter().map(text).collect();
    values.sort();
    (values, view.marker)
}

fn text(record: &ViewRecord) -> String {
    String::from_utf8(record.value.to_vec()).expect("the rows of these tests are text")
}

/// What committed readers have to see of some chunks.
pub(crate) fn expected(chunks: &[Chunk]) -> (Vec<String>, Option<Marker>) {
    let mut values = Vec::new();
    for chunk in chunks {
        let ChunkPayload::Records { records } = &chunk.payload else { unreachable!() };
        let text = |record: &SinkRecord| {
            String::from_utf8(record.value.to_vec()).expect("a value is text")
        };
        values.extend(records.iter().map(text));
    }
    values.sort();
    (values, chunks.last().map(|chunk| chunk.marker))
}

/// How a process ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Died,
    Fenced,
    Done,
}

/// Writes all chunks as a pipeline does, from the marker on, in one process.
pub(crate) fn run_process(world: &mut World, number: u64, chunks: &[Chunk]) -> Result<End, String> {
    let mut sink = KafkaSink::new(sink_config());
    for _ in 0..40 {
        let step = sink.open(generation(number));
        let Ok(step) = world.drive(number, &mut sink, step) else { return Ok(End::Died) };
        let SinkStep::Opened(outcome) = step else { return Err(format!("opened by {step:?}")) };
        let mut next = match outcome {
            OpenOutcome::Opened { marker } => place_behind(chunks, marker)?,
            OpenOutcome::Fenced { .. } => return Ok(End::Fenced),
            OpenOutcome::Failed(_) => {
                world.pass(Span::ms(50));
                continue;
            }
            OpenOutcome::Locked { .. } | OpenOutcome::Damaged { .. } => {
                return Err(format!("{outcome:?}"));
            }
        };
        loop {
            let Some(chunk) = chunks.get(next) else { return Ok(End::Done) };
            let step = sink.apply(chunk.clone());
            let Ok(step) = world.drive(number, &mut sink, step) else { return Ok(End::Died) };
            let SinkStep::Applied(outcome) = step else { return Err(format!("applied {step:?}")) };
            match outcome {
                ApplyOutcome::Applied | ApplyOutcome::Duplicate => next += 1,
                ApplyOutcome::Failed(FailKind::Transient) => world.pass(Span::ms(50)),
                ApplyOutcome::Failed(FailKind::Unknown) => break,
                ApplyOutcome::Fenced { .. } => return Ok(End::Fenced),
                ApplyOutcome::Failed(FailKind::Rejected)
                | ApplyOutcome::Gap { .. }
                | ApplyOutcome::Diverged { .. } => return Err(format!("{outcome:?}")),
            }
        }
    }
    Err(format!("no end in sight: {}", sink.failure()))
}

/// The chunk that comes after a marker.
pub(crate) fn place_behind(chunks: &[Chunk], marker: Option<Marker>) -> Result<usize, String> {
    let Some(marker) = marker else { return Ok(0) };
    let found = chunks.iter().position(|chunk| chunk.marker == marker);
    found.map(|place| place + 1).ok_or(format!("a marker that nobody wrote: {marker}"))
}
