//! What machines of the core ask of services, and what they are told: plain data at
//! the level of each service's protocol.
//!
//! A machine asks one thing at a time and waits for the answer. Whoever carries the
//! request out puts a limit on the wait: an answer that does not come in time is
//! [`Answer::TimedOut`], and says nothing about whether the request took effect, or
//! still will.

pub mod clickhouse;
pub mod fs;
pub mod kafka;
pub mod object;
pub mod redis;

use clickhouse::{ClickHouseAnswer, ClickHouseRequest};
use fs::{FsAnswer, FsRequest};
use kafka::{KafkaAnswer, KafkaRequest};
use object::{ObjectAnswer, ObjectRequest};
use redis::{RedisAnswer, RedisRequest};

/// One request to a service. Which instance of the service is meant is known by whoever
/// owns the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Of a folder of files.
    Fs(FsRequest),
    /// Of a Kafka cluster.
    Kafka(KafkaRequest),
    /// Of a Redis server.
    Redis(RedisRequest),
    /// Of a ClickHouse server.
    ClickHouse(ClickHouseRequest),
    /// Of an object store.
    Object(ObjectRequest),
    /// Of no service: answer with [`Answer::Proved`] whether, by the journal's own word,
    /// this generation is still the newest one.
    // spec: K-3
    ProveNewest,
    /// Of no service: answer with [`Answer::Woken`] after so long.
    Sleep {
        /// How long, in ms.
        ms: i64,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of a folder of files.
    Fs(FsAnswer),
    /// Of a Kafka cluster.
    Kafka(KafkaAnswer),
    /// Of a Redis server.
    Redis(RedisAnswer),
    /// Of a ClickHouse server.
    ClickHouse(ClickHouseAnswer),
    /// Of an object store.
    Object(ObjectAnswer),
    /// Whether this generation is the newest; if not, or if that cannot be known now, it
    /// must not go on.
    Proved(bool),
    /// The time has passed.
    Woken,
    /// No connection could be made: the request certainly took no effect.
    Unreachable,
    /// No answer came in time, or the connection broke: the request may have taken
    /// effect, or may still do so.
    // spec: K-4
    TimedOut,
}
