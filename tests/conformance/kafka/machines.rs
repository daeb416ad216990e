//! The machines of the core themselves, on a genuine broker: what they make of its answers
//! is what a committed reader finds there.

use super::real::Real;
use anabranch_engine::ids::{Epoch, Generation, Lineage, SinkId};
use anabranch_engine::journal::topic::{TopicJournal, TopicJournalConfig};
use anabranch_engine::journal::{JournalMachine, JournalStep, SegmentName};
use anabranch_engine::rows::RowKind;
use anabranch_engine::service::kafka::{KafkaAnswer, KafkaRequest, TopicPartition};
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::kafka::{KafkaSink, KafkaSinkConfig};
use anabranch_engine::sink::{
    ApplyOutcome, Chunk, ChunkPayload, ChunkPlace, FailKind, Marker, OpenOutcome, SinkMachine,
    SinkRecord, SinkShard, SinkStep,
};
use anabranch_sim::conformance::Executor;
use bytes::Bytes;
use std::mem;

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The process dies, and the request with it.
    DieBefore,
    /// The process dies when it was carried out.
    DieAfter,
    /// No answer, though it was carried out.
    Unheard,
    /// No answer; it is carried out when the next producer has been initialised.
    Late,
}

const FAULTS: [Fault; 4] = [Fault::DieBefore, Fault::DieAfter, Fault::Unheard, Fault::Late];

/// A broker, and what goes wrong on the way to it.
struct Way<'a> {
    broker: &'a mut Real,
    requests: u64,
    fault: Option<(u64, Fault)>,
    late: Option<Request>,
}

impl Way<'_> {
    /// The answer to a request; `None` if the process died.
    fn answer(&mut self, request: &Request) -> Option<Answer> {
        match request {
            Request::Sleep { ms } => {
                self.broker.sleep(*ms as u64);
                return Some(Answer::Woken);
            }
            Request::ProveNewest => return Some(Answer::Proved(true)),
            _ => {}
        }
        let number = self.requests;
        self.requests += 1;
        let fault = self.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault);
        if fault == Some(Fault::DieBefore) {
            return None;
        }
        if fault == Some(Fault::Late) {
            self.late = Some(request.clone());
            return Some(Answer::TimedOut);
        }
        let answer = self.broker.execute("process", request);
        if matches!(answer, Answer::Kafka(KafkaAnswer::Producer(_)))
            && let Some(late) = self.late.take()
        {
            self.broker.execute("late", &late);
        }
        match fault {
            Some(Fault::DieAfter) => None,
            Some(Fault::Unheard) => Some(Answer::TimedOut),
            _ => Some(answer),
        }
    }

    fn drive(&mut self, sink: &mut KafkaSink, mut step: SinkStep) -> Option<SinkStep> {
        while let SinkStep::Request(request) = &step {
            step = sink.answer(self.answer(request)?);
        }
        Some(step)
    }

    fn drive_journal(
        &mut self,
        journal: &mut TopicJournal,
        mut step: JournalStep,
    ) -> Option<JournalStep> {
        while let JournalStep::Request(request) = &step {
            step = journal.answer(self.answer(request)?);
        }
        Some(step)
    }

    /// What a committed reader finds in a topic, sorted.
    fn read(&mut self, topic: &str, partitions: u32) -> Vec<String> {
        let mut values = Vec::new();
        for partition in 0..partitions {
            let from = TopicPartition { topic: topic.into(), partition };
            let mut offset = 0;
            for _ in 0..200 {
                let from = from.clone();
                let fetch =
                    KafkaRequest::Fetch { from, offset, bytes_max: 1 << 20, committed: true };
                let Answer::Kafka(KafkaAnswer::Records {
                    records,
                    next_offset,
                    high_watermark,
                    ..
                }) = self.broker.execute("reader", &Request::Kafka(fetch))
                else {
                    panic!("{topic}/{partition} cannot be read")
                };
                let text = |value: Option<Bytes>| {
                    String::from_utf8(value.unwrap_or_default().to_vec()).expect("text")
                };
                values.extend(records.into_iter().map(|(_, record)| text(record.value)));
                offset = next_offset;
                if offset == high_watermark {
                    break;
                }
                self.broker.sleep(10);
            }
        }
        values.sort();
        values
    }
}

fn config() -> KafkaSinkConfig {
    let target = SinkShard { sink: SinkId(0), shard: 0 };
    KafkaSinkConfig { partitions: 2, ..KafkaSinkConfig::new("job", target, "rows") }
}

fn chunks() -> Vec<Chunk> {
    let lineage = Lineage { number: 1, nonce: 5 };
    let mut chunks: Vec<Chunk> = Vec::new();
    for (epoch, chunk, last) in [(3, 0, true), (4, 0, false), (4, 1, true)] {
        let row = |key: &str| SinkRecord {
            epoch: Epoch(epoch),
            kind: RowKind::Insert,
            key: Bytes::copy_from_slice(key.as_bytes()),
            partition: Bytes::new(),
            value: Bytes::from(format!("{epoch}.{chunk}-{key}")),
        };
        let records = ["a", "b", "c"].map(row).to_vec();
        let before = chunks.last().map(|chunk| chunk.marker);
        let place = ChunkPlace { lineage, epoch: Epoch(epoch), chunk, last };
        chunks.push(Chunk::new(
            SinkShard::default(),
            before,
            place,
            ChunkPayload::Records { records },
        ));
    }
    chunks
}

fn expected() -> Vec<String> {
    let keys = ["a", "b", "c"];
    let places = ["3.0", "4.0", "4.1"];
    places.iter().flat_map(|place| keys.map(|key| format!("{place}-{key}"))).collect()
}

fn generation(number: u64) -> Generation {
    Generation { number, nonce: 100 + number }
}

/// Writes all chunks in one process; gives whether it came to the end.
fn write(way: &mut Way<'_>, number: u64) -> bool {
    let chunks = chunks();
    let mut sink = KafkaSink::new(config());
    for _ in 0..20 {
        let step = sink.open(generation(number));
        let Some(step) = way.drive(&mut sink, step) else { return false };
        let marker: Option<Marker> = match step {
            SinkStep::Opened(OpenOutcome::Opened { marker }) => marker,
            SinkStep::Opened(OpenOutcome::Failed(FailKind::Transient)) => continue,
            other => panic!("opened by {other:?}: {}", sink.failure()),
        };
        let done = chunks.iter().position(|chunk| Some(chunk.marker) == marker);
        let mut next = done.map_or(0, |done| done + 1);
        loop {
            let Some(chunk) = chunks.get(next) else { return true };
            let step = sink.apply(chunk.clone());
            let Some(step) = way.drive(&mut sink, step) else { return false };
            match step {
                SinkStep::Applied(ApplyOutcome::Applied | ApplyOutcome::Duplicate) => next += 1,
                SinkStep::Applied(ApplyOutcome::Failed(FailKind::Transient)) => {}
                SinkStep::Applied(ApplyOutcome::Failed(FailKind::Unknown)) => break,
                other => panic!("applied: {other:?}: {}", sink.failure()),
            }
        }
    }
    panic!("no end in sight: {}", sink.failure());
}

/// One process after the other until one comes to the end; gives how many requests it took.
fn write_all(broker: &mut Real, fault: Option<(u64, Fault)>) -> u64 {
    broker.reset();
    let mut way = Way { broker, requests: 0, fault, late: None };
    let done = (1..5).any(|number| write(&mut way, number));
    assert!(done, "{fault:?}: no process came to the end");
    let requests = way.requests;
    way.fault = None;
    assert_eq!(way.read("rows", 2), expected(), "{fault:?}");
    requests
}

pub(super) fn sink_writes_once(broker: &mut Real) {
    let requests = write_all(broker, None);
    for at in 0..requests {
        for fault in FAULTS {
            write_all(broker, Some((at, fault)));
        }
    }
}

/// Writes seven entries to the journal, with one process after the other.
fn keep_journal(broker: &mut Real, fault: Option<(u64, Fault)>) -> u64 {
    broker.reset();
    let mut way = Way { broker, requests: 0, fault, late: None };
    let mut acknowledged = 0;
    for number in 1..6 {
        let config = TopicJournalConfig { topic: "journal".into(), patience_ms: 300 };
        let mut journal = TopicJournal::new(config);
        let step = journal.read();
        let Some(step) = way.drive_journal(&mut journal, step) else { continue };
        let JournalStep::Read(segments) = step else { continue };
        let found: Vec<usize> = segments.iter().flat_map(|it| entries(&it.bytes)).collect();
        let known = found.len();
        assert_eq!(found, (1..=known).collect::<Vec<_>>(), "{fault:?}");
        assert!(known >= acknowledged, "{fault:?}: {known} of {acknowledged} are there");
        if known == 7 {
            return way.requests;
        }
        let segment = SegmentName { generation: generation(number), part: 0 };
        let mut step = journal.open(segment, Bytes::from_static(b"h;"));
        let mut next = known;
        loop {
            match way.drive_journal(&mut journal, mem::replace(&mut step, JournalStep::Opened)) {
                Some(JournalStep::Opened) => {}
                Some(JournalStep::Appended) => acknowledged = next,
                Some(JournalStep::Failed { .. }) | None => break,
                other => panic!("{fault:?}: {other:?}"),
            }
            if next == 7 {
                break;
            }
            next += 1;
            step = journal.append(Bytes::from(format!("{next};")));
        }
    }
    panic!("{fault:?}: no process came to the end");
}

/// The numbers of the entries of a segment.
fn entries(bytes: &Bytes) -> Vec<usize> {
    let text = str::from_utf8(bytes).expect("text");
    text.split_terminator(';').skip(1).map(|it| it.parse().expect("a number")).collect()
}

pub(super) fn journal_keeps_every_entry_once(broker: &mut Real) {
    let requests = keep_journal(broker, None);
    for at in 0..requests {
        for fault in FAULTS {
            keep_journal(broker, Some((at, fault)));
        }
    }
}
