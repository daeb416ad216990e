//! Kafka.

mod client;
mod machines;
mod real;

use self::real::Real;
use crate::transcripts;
use anabranch_sim::conformance::OnModel;
use anabranch_sim::conformance::kafka::KafkaDialect;
use anabranch_sim::model::kafka::{KafkaConfig, KafkaModel};

#[test]
fn the_model_answers_as_the_transcripts_say() {
    // spec: K-1, K-2, K-3, K-4, J-3
    let all = transcripts::load("kafka");
    assert!(all.len() >= 25, "only {} transcripts", all.len());
    transcripts::run_all(&all, &KafkaDialect, |transcript, run| {
        transcript.given.only(&[]).unwrap_or_else(|error| panic!("{}: {error}", transcript.origin));
        // Everything but the last record is compacted.
        let config = KafkaConfig { active_offsets: 1, ..KafkaConfig::default() };
        run(&mut OnModel::new(KafkaModel::new(config)));
    });
}

#[test]
fn a_genuine_broker_answers_as_the_transcripts_say() {
    // spec: K-1, K-2, K-3, K-4, J-3
    let all = transcripts::load("kafka");
    let mut broker = Real::start();
    transcripts::run_all(&all, &KafkaDialect, |_, run| {
        broker.reset();
        run(&mut broker);
    });
}

#[test]
fn the_sink_writes_once_to_a_genuine_broker_whatever_fails() {
    // spec: K-1, K-2, K-4
    machines::sink_writes_once(&mut Real::start());
}

#[test]
fn the_journal_keeps_every_entry_once_on_a_genuine_broker() {
    // spec: J-3
    machines::journal_keeps_every_entry_once(&mut Real::start());
}
