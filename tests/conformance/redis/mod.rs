//! Redis.

mod client;
mod failover;
mod kills;
mod real;
mod resp;

use self::real::Real;
use crate::transcripts;
use anabranch_sim::conformance::redis::RedisDialect;
use anabranch_sim::conformance::{OnModel, Transcript};
use anabranch_sim::model::redis::{RedisModel, RedisModelConfig};
use std::collections::BTreeMap;

/// What a transcript wants of `appendfsync`.
fn append_fsync(transcript: &Transcript) -> String {
    let given = &transcript.given;
    given.only(&["append-fsync"]).unwrap_or_else(|error| panic!("{}: {error}", transcript.origin));
    match given.find("append-fsync") {
        Some(value) => value.to_string(),
        None => "always".to_owned(),
    }
}

#[test]
fn the_model_answers_as_the_transcripts_say() {
    // spec: G-1, G-2, K-1, K-2, K-3, K-4, K-5, K-7
    let all = transcripts::load("redis");
    assert!(all.len() >= 20, "only {} transcripts", all.len());
    transcripts::run_all(&all, &RedisDialect, |transcript, run| {
        let append_fsync = Some(append_fsync(transcript)).filter(|it| it != "none");
        let config = RedisModelConfig { append_fsync, ..RedisModelConfig::default() };
        run(&mut OnModel::new(RedisModel::new(config)));
    });
}

#[test]
fn a_genuine_server_answers_as_the_transcripts_say() {
    // spec: G-1, G-2, K-1, K-2, K-3, K-4, K-5, K-7
    let all = transcripts::load("redis");
    let mut servers: BTreeMap<String, Real> = BTreeMap::new();
    transcripts::run_all(&all, &RedisDialect, |transcript, run| {
        let append_fsync = append_fsync(transcript);
        let server = servers.entry(append_fsync).or_insert_with_key(|it| Real::start(it));
        server.reset();
        run(server);
    });
}
