//! The sink's machine on two genuine servers, of which one takes over from the other.

use super::client::Client;
use super::kills::{Writer, chunks, expected};
use crate::server::Server;
use anabranch_engine::sink::{ApplyOutcome, FailKind, SinkMachine, Standing, standing};
use std::time::Duration;

/// Says something to a server that it must not refuse.
fn say(client: &mut Client, words: &[&str]) {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    client.command(&words).expect("the server does it");
}

/// Waits until a replica holds as many keys as the chunks have left.
fn wait_for_keys(client: &mut Client, keys: usize) {
    use anabranch_engine::sink::redis::wire::RedisReply;
    for _ in 0..1_000 {
        if client.command(&[b"DBSIZE"]) == Ok(RedisReply::Integer(keys as i64)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the replica does not follow");
}

#[test]
fn a_replica_without_the_last_chunks_takes_over_and_is_healed() {
    // spec: K-4, K-5
    let chunks = chunks(8);
    let (first, second) = (Server::start("redis", &[]), Server::start("redis", &[]));
    let connect = |server: &Server| Client::connect(server.port()).expect("a running server");
    let (mut old, mut new) = (connect(&first), connect(&second));
    let mut writer = Writer::new(first.port());
    writer.open();
    for chunk in &chunks[..3] {
        assert_eq!(writer.apply(chunk), ApplyOutcome::Applied);
    }
    // The marker key is one more key.
    let keys = expected(&chunks[..3]).iter().flatten().count() + 1;
    say(&mut new, &["REPLICAOF", "127.0.0.1", &first.port().to_string()]);
    wait_for_keys(&mut new, keys);

    // The replica is cut off and takes over; the old primary does not know it yet, and
    // goes on acknowledging.
    say(&mut new, &["REPLICAOF", "NO", "ONE"]);
    for chunk in &chunks[3..5] {
        assert_eq!(writer.apply(chunk), ApplyOutcome::Applied);
    }

    // Then it is told. A chunk that it has is a duplicate to it, a new one is refused.
    say(&mut old, &["REPLICAOF", "127.0.0.1", "1"]);
    assert_eq!(writer.apply(&chunks[4]), ApplyOutcome::Duplicate);
    assert_eq!(writer.apply(&chunks[5]), ApplyOutcome::Failed(FailKind::Transient));
    assert!(writer.machine.failure().contains("replica"), "{}", writer.machine.failure());

    // On the new primary the marker shows what is missing.
    writer.client = connect(&second);
    let marker = writer.open();
    assert_eq!(marker, Some(chunks[2].marker));
    assert_eq!(standing(marker, Some(chunks[4].marker)), Standing::Behind);
    for chunk in &chunks[3..] {
        assert_eq!(writer.apply(chunk), ApplyOutcome::Applied);
    }
    let found: Vec<_> = (0..20).map(|key| writer.value(key)).collect();
    assert_eq!(found, expected(&chunks));
}
