//! The sink's machine on a genuine server that is killed all the time.

use super::client::Client;
use crate::server::Server;
use anabranch_engine::ids::{Epoch, Generation, Lineage, SinkId};
use anabranch_engine::rows::RowKind;
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::redis::{RedisLayout, RedisSink, RedisSinkConfig};
use anabranch_engine::sink::{
    ApplyOutcome, Chunk, ChunkPayload, ChunkPlace, FailKind, Marker, OpenOutcome, SinkMachine,
    SinkRecord, SinkShard, SinkStep, Standing, standing,
};
use bytes::Bytes;

const TARGET: SinkShard = SinkShard { sink: SinkId(0), shard: 0 };

/// Chunks of 50 rows over 20 keys, in epochs of one chunk.
pub(super) fn chunks(count: u64) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for epoch in 1..=count {
        let record = |row: u64| SinkRecord {
            epoch: Epoch(epoch),
            kind: if (row + epoch).is_multiple_of(7) {
                RowKind::Delete
            } else {
                RowKind::UpdateAfter
            },
            key: Bytes::from(format!("{}", (row * 3 + epoch) % 20)),
            partition: Bytes::new(),
            value: Bytes::from(format!("{epoch}/{row}")),
        };
        let lineage = Lineage { number: 1, nonce: 5 };
        let place = ChunkPlace { lineage, epoch: Epoch(epoch), chunk: 0, last: true };
        let payload = ChunkPayload::Records { records: (0..50).map(record).collect() };
        chunks.push(Chunk::new(TARGET, chunks.last().map(|it| it.marker), place, payload));
    }
    chunks
}

/// What each key holds after the chunks.
pub(super) fn expected(chunks: &[Chunk]) -> Vec<Option<Bytes>> {
    let mut values = vec![None; 20];
    for chunk in chunks {
        let ChunkPayload::Records { records } = &chunk.payload else { panic!("records") };
        for record in records {
            let key = std::str::from_utf8(&record.key).expect("keys are digits");
            let key: usize = key.parse().expect("keys are digits");
            let is_there = record.kind != RowKind::Delete;
            values[key] = is_there.then(|| record.value.clone());
        }
    }
    values
}

/// A machine with its connection.
pub(super) struct Writer {
    pub(super) machine: RedisSink,
    pub(super) client: Client,
}

impl Writer {
    pub(super) fn new(port: u16) -> Writer {
        let machine = RedisSink::new(RedisSinkConfig {
            target: TARGET,
            marker_key: "anabranch:job:0".into(),
            key_prefix: "row:".into(),
            layout: RedisLayout::Text,
        });
        Writer { machine, client: Client::connect(port).expect("a running server") }
    }

    fn run(&mut self, mut step: SinkStep) -> SinkStep {
        while let SinkStep::Request(Request::Redis(request)) = &step {
            let answer = self.client.execute(request);
            step = self.machine.answer(answer);
        }
        step
    }

    pub(super) fn open(&mut self) -> Option<Marker> {
        let step = self.machine.open(Generation { number: 1, nonce: 9 });
        match self.run(step) {
            SinkStep::Opened(OpenOutcome::Opened { marker }) => marker,
            other => panic!("{other:?}: {}", self.machine.failure()),
        }
    }

    pub(super) fn apply(&mut self, chunk: &Chunk) -> ApplyOutcome {
        let step = self.machine.apply(chunk.clone());
        match self.run(step) {
            SinkStep::Applied(outcome) => outcome,
            other => panic!("applying ended with {other:?}"),
        }
    }

    /// Sends a chunk, and learns nothing of what comes of it.
    fn apply_unheard(&mut self, chunk: &Chunk) {
        let SinkStep::Request(Request::Redis(request)) = self.machine.apply(chunk.clone()) else {
            panic!("a chunk is a request")
        };
        self.client.send(&request).expect("the connection is open");
        let step = self.machine.answer(Answer::TimedOut);
        assert_eq!(step, SinkStep::Applied(ApplyOutcome::Failed(FailKind::Unknown)));
    }

    pub(super) fn value(&mut self, key: usize) -> Option<Bytes> {
        use anabranch_engine::sink::redis::wire::RedisReply;
        let key = format!("row:{key}");
        match self.client.command(&[b"GET", key.as_bytes()]).expect("a string") {
            RedisReply::Text(text) => Some(text),
            _ => None,
        }
    }
}

#[test]
fn kills_between_and_within_chunks_lose_and_double_nothing() {
    // spec: K-1, K-2, K-4
    let chunks = chunks(24);
    let mut server = Server::start("redis", &[]);
    let mut writer = Writer::new(server.port());
    let mut run_ids = std::collections::BTreeSet::new();
    let (mut done, mut applied_unheard) = (0, 0);
    assert_eq!(writer.open(), None);
    while done < chunks.len() {
        run_ids.insert(writer.machine.settings().expect("it is open").run_id.clone());
        // Two chunks, then a kill: behind the answer, or while the chunk is on its way.
        for chunk in chunks.iter().skip(done).take(2) {
            assert_eq!(writer.apply(chunk), ApplyOutcome::Applied);
            done += 1;
        }
        let unheard = chunks.get(done).filter(|_| done % 3 != 0);
        if let Some(chunk) = unheard {
            writer.apply_unheard(chunk);
        }
        server.kill();
        server.start_again();
        writer = Writer::new(server.port());
        let marker = writer.open();
        let acknowledged = Some(chunks[done - 1].marker);
        match standing(marker, acknowledged) {
            Standing::AsAcknowledged => {}
            Standing::Ahead => {
                let chunk = unheard.expect("only what was sent can be there");
                assert_eq!(marker, Some(chunk.marker));
                applied_unheard += 1;
                assert_eq!(writer.apply(chunk), ApplyOutcome::Duplicate);
                done += 1;
            }
            other => panic!("the server lost what it acknowledged: {other:?}"),
        }
        let found: Vec<_> = (0..20).map(|key| writer.value(key)).collect();
        assert_eq!(found, expected(&chunks[..done]), "after {done} chunks");
    }
    assert!(run_ids.len() >= 8, "only {} lives of the server", run_ids.len());
    println!("{applied_unheard} chunks were applied and not answered");
}

#[test]
fn a_server_that_lost_acknowledged_chunks_shows_it_and_is_healed_by_sending_them_again() {
    // spec: K-5
    let chunks = chunks(6);
    let mut server = Server::start("redis", &["--appendonly", "no"]);
    let mut writer = Writer::new(server.port());
    assert_eq!(writer.open(), None);
    for chunk in &chunks[..4] {
        assert_eq!(writer.apply(chunk), ApplyOutcome::Applied);
    }
    server.kill();
    server.start_again();
    writer.client = Client::connect(server.port()).expect("a running server");
    // In flight: neither applied nor taken for a gap of our own, for the claim is gone too.
    let outcome = writer.apply(&chunks[4]);
    assert_eq!(outcome, ApplyOutcome::Failed(FailKind::Unknown));
    assert!(writer.machine.failure().contains("lost the claim"), "{}", writer.machine.failure());
    let marker = writer.open();
    assert_eq!(standing(marker, Some(chunks[3].marker)), Standing::Behind);
    assert_eq!(writer.apply(&chunks[4]), ApplyOutcome::Gap { found: None });
    for chunk in &chunks {
        assert_eq!(writer.apply(chunk), ApplyOutcome::Applied);
    }
    let found: Vec<_> = (0..20).map(|key| writer.value(key)).collect();
    assert_eq!(found, expected(&chunks));
}

#[test]
fn a_hash_of_more_fields_than_a_command_of_lua_takes_is_written_whole() {
    let server = Server::start("redis", &[]);
    let mut writer = Writer::new(server.port());
    writer.machine = RedisSink::new(RedisSinkConfig {
        target: TARGET,
        marker_key: "m".into(),
        key_prefix: Bytes::new(),
        layout: RedisLayout::Hash,
    });
    writer.open();
    let mut value = Vec::new();
    for field in 0..10_001 {
        let name = format!("f{field}");
        anabranch_engine::sink::redis::put_field(&mut value, name.as_bytes(), b"v");
    }
    let record = SinkRecord {
        epoch: Epoch(1),
        kind: RowKind::Insert,
        key: "h".into(),
        partition: Bytes::new(),
        value: value.into(),
    };
    let place = ChunkPlace { lineage: Lineage::default(), epoch: Epoch(1), chunk: 0, last: true };
    let payload = ChunkPayload::Records { records: vec![record] };
    let chunk = Chunk::new(TARGET, None, place, payload);
    assert_eq!(writer.apply(&chunk), ApplyOutcome::Applied);
    let count = writer.client.command(&[b"HLEN", b"h"]);
    assert_eq!(count, Ok(anabranch_engine::sink::redis::wire::RedisReply::Integer(10_001)));
}
