//! The machine by itself: what it asks for, and what it makes of each answer.

use super::*;
use crate::ids::{Epoch, Lineage, SinkId};
use crate::sink::{ChunkPlace, SinkRecord};

const OURS: Generation = Generation { number: 3, nonce: 7 };
const NEWER: Generation = Generation { number: 4, nonce: 1 };
const TARGET: SinkShard = SinkShard { sink: SinkId(2), shard: 0 };

fn sink(layout: RedisLayout) -> RedisSink {
    let (marker_key, key_prefix) = (Bytes::from("m"), Bytes::from("p:"));
    RedisSink::new(RedisSinkConfig { target: TARGET, marker_key, key_prefix, layout })
}

fn record(kind: RowKind, key: &str, value: &[u8]) -> SinkRecord {
    SinkRecord {
        epoch: Epoch(1),
        kind,
        key: Bytes::copy_from_slice(key.as_bytes()),
        partition: Bytes::new(),
        value: Bytes::copy_from_slice(value),
    }
}

fn chunk(before: Option<Marker>, epoch: u64, records: Vec<SinkRecord>) -> Chunk {
    let place = ChunkPlace {
        lineage: Lineage { number: 1, nonce: 5 },
        epoch: Epoch(epoch),
        chunk: 0,
        last: true,
    };
    Chunk::new(TARGET, before, place, ChunkPayload::Records { records })
}

fn settings(eviction: &str) -> Answer {
    Answer::Redis(RedisAnswer::Settings {
        eviction: eviction.into(),
        append_fsync: Some("always".into()),
        run_id: "r".into(),
    })
}

fn opened(marker: Option<Marker>, layout: RedisLayout) -> RedisSink {
    let mut sink = sink(layout);
    sink.open(OURS);
    sink.answer(settings("noeviction"));
    let step = sink.answer(Answer::Redis(RedisAnswer::Claimed { marker }));
    assert_eq!(step, SinkStep::Opened(OpenOutcome::Opened { marker }));
    sink
}

fn asked(step: SinkStep) -> RedisRequest {
    let SinkStep::Request(Request::Redis(request)) = step else { panic!("{step:?} asks nothing") };
    request
}

#[test]
fn the_claim_comes_before_the_marker_and_the_settings_before_both() {
    // spec: K-3
    let mut sink = sink(RedisLayout::Text);
    assert_eq!(asked(sink.open(OURS)), RedisRequest::Settings);
    let claim = asked(sink.answer(settings("volatile-lru")));
    assert_eq!(claim, RedisRequest::Claim { marker_key: "m".into(), generation: OURS });
    let marker = chunk(None, 3, Vec::new()).marker;
    let step = sink.answer(Answer::Redis(RedisAnswer::Claimed { marker: Some(marker) }));
    assert_eq!(step, SinkStep::Opened(OpenOutcome::Opened { marker: Some(marker) }));
    let append_fsync = Some("always".into());
    assert_eq!(sink.settings(), Some(&RedisSettings { append_fsync, run_id: "r".into() }));
}

#[test]
fn a_server_that_may_evict_the_marker_is_refused() {
    // spec: K-5
    for eviction in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        let mut sink = sink(RedisLayout::Text);
        sink.open(OURS);
        let step = sink.answer(settings(eviction));
        assert_eq!(step, SinkStep::Opened(OpenOutcome::Failed(FailKind::Rejected)));
        assert!(sink.failure().contains(eviction), "{}", sink.failure());
    }
}

#[test]
fn a_newer_claim_or_a_twin_fences() {
    // spec: G-1, K-3
    for by in [NEWER, Generation { nonce: 8, ..OURS }] {
        let mut closed = sink(RedisLayout::Text);
        closed.open(OURS);
        closed.answer(settings("noeviction"));
        let step = closed.answer(Answer::Redis(RedisAnswer::Fenced { by }));
        assert_eq!(step, SinkStep::Opened(OpenOutcome::Fenced { by }));
        let mut open = opened(None, RedisLayout::Text);
        open.apply(chunk(None, 1, Vec::new()));
        let step = open.answer(Answer::Redis(RedisAnswer::Fenced { by }));
        assert_eq!(step, SinkStep::Applied(ApplyOutcome::Fenced { by }));
        assert!(!open.is_open());
    }
}

#[test]
fn rows_become_the_last_write_of_their_key() {
    use RowKind::{Delete, Insert, UpdateAfter, UpdateBefore};
    let mut sink = opened(None, RedisLayout::Text);
    let chunk = chunk(
        None,
        1,
        vec![
            record(Insert, "a", b"1"),
            record(Insert, "b", b"1"),
            record(UpdateBefore, "b", b"1"),
            record(UpdateAfter, "b", b"2"),
            record(Delete, "a", b"1"),
            record(Delete, "c", b"1"),
            record(Insert, "c", b"2"),
        ],
    );
    let RedisRequest::Apply { marker_key, generation, predecessor, marker, writes } =
        asked(sink.apply(chunk.clone()))
    else {
        panic!("a chunk is applied by one script")
    };
    assert_eq!((marker_key, generation), ("m".into(), OURS));
    assert_eq!((predecessor, marker), (None, chunk.marker));
    let expected = [
        RedisWrite::Set { key: "p:b".into(), value: "2".into() },
        RedisWrite::Delete { key: "p:a".into() },
        RedisWrite::Set { key: "p:c".into(), value: "2".into() },
    ];
    assert_eq!(writes, expected);
}

#[test]
fn a_row_becomes_a_hash_of_its_fields() {
    let mut sink = opened(None, RedisLayout::Hash);
    let mut value = Vec::new();
    put_field(&mut value, b"n", b"5");
    put_field(&mut value, b"s", b"");
    let records = vec![record(RowKind::Insert, "a", &value)];
    let RedisRequest::Apply { writes, .. } = asked(sink.apply(chunk(None, 1, records))) else {
        panic!("a chunk is applied by one script")
    };
    let fields = vec![("n".into(), "5".into()), ("s".into(), Bytes::new())];
    assert_eq!(writes, [RedisWrite::Hash { key: "p:a".into(), fields }]);
}

#[test]
fn each_answer_to_a_chunk_has_its_outcome() {
    // spec: F-2, K-1, K-4, K-7
    let found = chunk(None, 9, Vec::new()).marker;
    let failed = |kind| ApplyOutcome::Failed(kind);
    let wrong_type = RedisError::WrongType { key: "p:k".into() };
    let other = RedisError::Other("ERR no".into());
    let cases = [
        (RedisAnswer::Applied, ApplyOutcome::Applied, true, ""),
        (RedisAnswer::Duplicate, ApplyOutcome::Duplicate, true, ""),
        (RedisAnswer::Gap { found: None }, ApplyOutcome::Gap { found: None }, true, ""),
        (RedisAnswer::Diverged { found }, ApplyOutcome::Diverged { found }, true, ""),
        (
            RedisAnswer::Unclaimed { marker: None },
            failed(FailKind::Unknown),
            false,
            "lost the claim",
        ),
        (
            RedisAnswer::Refused(RedisError::Busy),
            failed(FailKind::Transient),
            true,
            "cannot answer",
        ),
        (
            RedisAnswer::Refused(RedisError::ReadOnly),
            failed(FailKind::Transient),
            true,
            "a replica",
        ),
        (
            RedisAnswer::Refused(RedisError::OutOfMemory),
            failed(FailKind::Transient),
            true,
            "maxmemory",
        ),
        (RedisAnswer::Refused(wrong_type), failed(FailKind::Rejected), true, "key `p:k`"),
        (RedisAnswer::Refused(other.clone()), failed(FailKind::Rejected), true, "ERR no"),
        (RedisAnswer::Partial(RedisError::OutOfMemory), failed(FailKind::Unknown), false, "middle"),
        (RedisAnswer::Partial(other), failed(FailKind::Rejected), true, "middle"),
    ];
    for (answer, outcome, is_open, message) in cases {
        let mut sink = opened(None, RedisLayout::Text);
        sink.apply(chunk(None, 1, Vec::new()));
        assert_eq!(sink.answer(Answer::Redis(answer)), SinkStep::Applied(outcome));
        assert_eq!(sink.is_open(), is_open, "{outcome:?}");
        assert!(sink.failure().contains(message), "{}", sink.failure());
    }
}

#[test]
fn no_answer_says_nothing_and_no_connection_says_that_nothing_was_done() {
    // spec: K-4
    for (answer, kind) in
        [(Answer::TimedOut, FailKind::Unknown), (Answer::Unreachable, FailKind::Transient)]
    {
        let mut open = opened(None, RedisLayout::Text);
        open.apply(chunk(None, 1, Vec::new()));
        let outcome = ApplyOutcome::Failed(kind);
        assert_eq!(open.answer(answer.clone()), SinkStep::Applied(outcome));
        assert_eq!(open.is_open(), kind == FailKind::Transient);
        let mut closed = sink(RedisLayout::Text);
        closed.open(OURS);
        let step = closed.answer(answer.clone());
        assert_eq!(step, SinkStep::Opened(OpenOutcome::Failed(kind)));
        closed.inspect();
        assert_eq!(closed.answer(answer), SinkStep::Inspected(Err(outcome)));
    }
}

#[test]
fn looking_claims_nothing() {
    let mut sink = sink(RedisLayout::Text);
    assert_eq!(asked(sink.inspect()), RedisRequest::Inspect { marker_key: "m".into() });
    let marker = Some(chunk(None, 9, Vec::new()).marker);
    let found = RedisAnswer::Found { claim: Some(NEWER), marker };
    let inspection = Inspection { claim: Some(NEWER), marker };
    assert_eq!(sink.answer(Answer::Redis(found)), SinkStep::Inspected(Ok(inspection)));
    assert!(!sink.is_open());
}
