//! The Redis sink: rows as strings or hashes under their primary key, exactly once.
//!
//! A chunk is applied by one script: the server runs it as one atomic step, in which the
//! claim and the marker are compared before anything is written and the marker is set
//! after everything was. Claim and marker are fields of one hash, the marker key. Two
//! things a script cannot promise:
//!
//! - Redis does not take back what a script wrote before it failed. So writes are
//!   absolute, types are checked before the first one, and the chunk is simply applied
//!   again.
//! - Redis may lose what it acknowledged: at a failover, and unless it syncs its log with
//!   every write. Data and marker go together then, and the marker shows it (K-5).
//!
//! To open: the settings are looked at, because a server that evicts any key may evict
//! the marker alone; then the marker key is claimed, which gives the marker.

mod fields;
pub mod wire;

pub use fields::{put_field, read_fields};

use super::{
    ApplyOutcome, Chunk, ChunkPayload, FailKind, Inspection, Marker, OpenOutcome, SinkMachine,
    SinkShard, SinkStep,
};
use crate::ids::Generation;
use crate::planted;
use crate::rows::RowKind;
use crate::service::redis::{RedisAnswer, RedisError, RedisRequest, RedisWrite};
use crate::service::{Answer, Request};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::mem;

/// What a Redis sink promises, for documents and `explain`.
// spec: K-6
pub const GUARANTEE: &str = "\
Exactly once: after any crash, retry or takeover each key holds what the job computed for it. \
A chunk (about 1,000 keys) becomes visible as a whole, an epoch of several chunks chunk by \
chunk. Two things may be seen for a while: a part of a chunk, if its script failed in the \
middle (Redis does not roll back), until it is applied again; and an older state, if Redis \
lost writes that it had acknowledged (a failover to a replica, or a kill under `appendfsync` \
other than `always`). The marker is lost with them, and so the loss is noticed. Needed: \
`maxmemory-policy` is none of `allkeys-*`, nobody else writes the keys, keys of rows differ \
from the marker key, and the user may run EVAL, INFO, TYPE, HMGET, SET, HSET, DEL and \
PERSIST. In a cluster all keys must share the hash tag of the marker key.";

/// What a row becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisLayout {
    /// A hash; the record's value is made of [`put_field`]. A row without any field is
    /// no key at all: Redis has no empty hash.
    Hash,
    /// A string, which is the record's value.
    Text,
}

/// Where and how a Redis sink writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSinkConfig {
    /// The sink and its shard.
    pub target: SinkShard,
    /// The key that holds claim and marker. No row may have it.
    pub marker_key: Bytes,
    /// What stands before every row's key.
    pub key_prefix: Bytes,
    /// What a row becomes.
    pub layout: RedisLayout,
}

/// What the server said about itself when the sink was opened last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// `appendfsync`; `None` if there is no append-only file. With anything but `always`
    /// a killed server loses writes that it acknowledged.
    pub append_fsync: Option<String>,
    /// It changes with each start of the server.
    pub run_id: String,
}

/// The machine of one Redis sink shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSink {
    config: RedisSinkConfig,
    generation: Generation,
    /// The marker that the server acknowledged last. Meaningful while open.
    marker: Option<Marker>,
    settings: Option<RedisSettings>,
    state: State,
    /// What was said at the last failure.
    failure: String,
    /// The chunk of which a part may have been written. Only K7 looks at it.
    half_done: Option<Marker>,
}

/// Where the machine is. Each state but `Closed` and `Open` waits for the answer to one
/// request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Inspecting,
    // Opening, in this order.
    ReadingSettings,
    Claiming,
    Open,
    Applying { chunk: Chunk },
}

impl RedisSink {
    /// A closed sink.
    #[must_use]
    pub fn new(config: RedisSinkConfig) -> RedisSink {
        RedisSink {
            config,
            generation: Generation::default(),
            marker: None,
            settings: None,
            state: State::Closed,
            failure: String::new(),
            half_done: None,
        }
    }

    /// What the server said about itself when the sink was opened last.
    #[must_use]
    pub fn settings(&self) -> Option<&RedisSettings> {
        self.settings.as_ref()
    }

    /// Whether chunks can be applied.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    fn ask(&mut self, state: State, request: RedisRequest) -> SinkStep {
        self.state = state;
        SinkStep::Request(Request::Redis(request))
    }

    fn ask_to_claim(&mut self) -> SinkStep {
        let marker_key = self.config.marker_key.clone();
        let generation = self.generation;
        self.ask(State::Claiming, RedisRequest::Claim { marker_key, generation })
    }

    /// Asks for a chunk to be applied by a generation behind a predecessor: ours and the
    /// chunk's own, unless a bug was planted.
    fn ask_to_apply(
        &mut self,
        chunk: Chunk,
        generation: Generation,
        predecessor: Option<Marker>,
    ) -> SinkStep {
        let marker_key = self.config.marker_key.clone();
        let marker = chunk.marker;
        let mut writes = self.writes(&chunk);
        if planted!(K7) && self.half_done == Some(marker) {
            writes.iter_mut().for_each(append_again);
        }
        let request = RedisRequest::Apply { marker_key, generation, predecessor, marker, writes };
        self.ask(State::Applying { chunk }, request)
    }

    /// The writes of a chunk. The last one of a key stands for all before it, because each
    /// says everything about the key.
    fn writes(&self, chunk: &Chunk) -> Vec<RedisWrite> {
        let ChunkPayload::Records { records } = &chunk.payload else {
            panic!("Redis takes records, not bytes of {} rows", chunk.payload.rows());
        };
        let mut seen = BTreeSet::new();
        let mut writes = Vec::new();
        for record in records.iter().rev() {
            let is_write = record.kind != RowKind::UpdateBefore;
            if !is_write || !seen.insert(&record.key) {
                continue;
            }
            let key = [&self.config.key_prefix[..], &record.key[..]].concat().into();
            writes.push(match (record.kind, self.config.layout) {
                (RowKind::Delete, _) => RedisWrite::Delete { key },
                (_, RedisLayout::Text) => RedisWrite::Set { key, value: record.value.clone() },
                (_, RedisLayout::Hash) => {
                    let fields = read_fields(&record.value);
                    RedisWrite::Hash { key, fields: fields.expect("the encoder wrote fields") }
                }
            });
        }
        writes.reverse();
        writes
    }

    /// Takes the settings.
    // spec: K-5
    fn check_settings(&mut self, answer: RedisAnswer) -> SinkStep {
        let (eviction, append_fsync, run_id) = match answer {
            RedisAnswer::Settings { eviction, append_fsync, run_id } => {
                (eviction, append_fsync, run_id)
            }
            RedisAnswer::Refused(error) => {
                let kind = self.refused(&error);
                return SinkStep::Opened(OpenOutcome::Failed(kind));
            }
            other => panic!("settings were asked for, and the answer is {other:?}"),
        };
        if eviction.starts_with("allkeys-") {
            self.failure = format!(
                "maxmemory-policy is {eviction}, by which Redis may evict rows and the marker: \
                 set it to noeviction"
            );
            return SinkStep::Opened(OpenOutcome::Failed(FailKind::Rejected));
        }
        self.settings = Some(RedisSettings { append_fsync, run_id });
        self.ask_to_claim()
    }

    // spec: G-1, K-3
    fn claimed(&mut self, answer: RedisAnswer) -> SinkStep {
        match answer {
            RedisAnswer::Claimed { marker } => {
                self.marker =
                    if planted!(K12) && self.marker.is_some() { self.marker } else { marker };
                self.state = State::Open;
                SinkStep::Opened(OpenOutcome::Opened { marker: self.marker })
            }
            RedisAnswer::Fenced { by } if planted!(K18) && by.number == self.generation.number => {
                self.generation = by;
                self.ask_to_claim()
            }
            RedisAnswer::Fenced { by } => SinkStep::Opened(OpenOutcome::Fenced { by }),
            RedisAnswer::Refused(error) => {
                let kind = self.refused(&error);
                SinkStep::Opened(OpenOutcome::Failed(kind))
            }
            other => panic!("a claim was asked for, and the answer is {other:?}"),
        }
    }

    fn inspected(&mut self, answer: RedisAnswer) -> SinkStep {
        SinkStep::Inspected(match answer {
            RedisAnswer::Found { claim, marker } => Ok(Inspection { claim, marker }),
            RedisAnswer::Refused(error) => Err(ApplyOutcome::Failed(self.refused(&error))),
            other => panic!("an inspection was asked for, and the answer is {other:?}"),
        })
    }

    // spec: K-1, K-2, K-7
    fn applied(&mut self, chunk: Chunk, answer: RedisAnswer) -> SinkStep {
        match answer {
            RedisAnswer::Gap { found } if planted!(K12) => {
                return self.ask_to_apply(chunk, self.generation, found);
            }
            RedisAnswer::Fenced { by } if planted!(K6) => {
                let predecessor = chunk.predecessor;
                return self.ask_to_apply(chunk, by, predecessor);
            }
            _ => {}
        }
        let outcome = match answer {
            RedisAnswer::Applied => ApplyOutcome::Applied,
            RedisAnswer::Duplicate => ApplyOutcome::Duplicate,
            RedisAnswer::Gap { found } => ApplyOutcome::Gap { found },
            RedisAnswer::Diverged { found } if planted!(K19) && found.same_place(&chunk.marker) => {
                ApplyOutcome::Duplicate
            }
            RedisAnswer::Diverged { found } => ApplyOutcome::Diverged { found },
            RedisAnswer::Fenced { by } => ApplyOutcome::Fenced { by },
            // The claim is gone, and who knows what else: the marker must be read anew.
            // spec: K-4, K-5
            RedisAnswer::Unclaimed { marker } => {
                let found = marker.map_or("no marker".to_owned(), |it| format!("marker {it}"));
                self.failure = format!("Redis lost the claim of this generation; {found} is there");
                ApplyOutcome::Failed(FailKind::Unknown)
            }
            RedisAnswer::Refused(error) => ApplyOutcome::Failed(self.refused(&error)),
            // What is there of the chunk will be written over by the same.
            RedisAnswer::Partial(error) => {
                let kind = self.refused(&error);
                self.half_done = Some(chunk.marker);
                self.failure = format!("{} in the middle of a chunk", self.failure);
                let unknown = kind == FailKind::Transient;
                ApplyOutcome::Failed(if unknown { FailKind::Unknown } else { kind })
            }
            other => panic!("a chunk was to be applied, and the answer is {other:?}"),
        };
        if matches!(outcome, ApplyOutcome::Applied | ApplyOutcome::Duplicate) {
            self.marker = Some(chunk.marker);
        }
        let is_certain = match outcome {
            ApplyOutcome::Failed(kind) => kind != FailKind::Unknown,
            ApplyOutcome::Fenced { .. } => false,
            _ => true,
        };
        if is_certain {
            self.state = State::Open;
        }
        SinkStep::Applied(outcome)
    }

    /// Keeps what was said, and says whether trying again may help.
    // spec: F-2
    fn refused(&mut self, error: &RedisError) -> FailKind {
        let (kind, message) = match error {
            RedisError::Busy => (FailKind::Transient, "Redis cannot answer now".to_owned()),
            RedisError::OutOfMemory => {
                (FailKind::Transient, "Redis has reached its maxmemory".to_owned())
            }
            RedisError::ReadOnly => {
                (FailKind::Transient, "this Redis is a replica that takes no writes".to_owned())
            }
            RedisError::WrongType { key } => (FailKind::Rejected, self.wrong_type(key)),
            RedisError::Other(message) => (FailKind::Rejected, format!("Redis says: {message}")),
        };
        self.failure = message;
        kind
    }

    fn wrong_type(&self, key: &Bytes) -> String {
        let name = String::from_utf8_lossy(key);
        if *key == self.config.marker_key {
            return format!(
                "the marker key `{name}` is in use: somebody else's value has that name, or a row"
            );
        }
        let kind = match self.config.layout {
            RedisLayout::Hash => "hash",
            RedisLayout::Text => "string",
        };
        format!("key `{name}` holds a value of another kind than the {kind} of this sink")
    }

    /// Ends what was under way without an answer of the server.
    // spec: K-4
    fn unanswered(&mut self, kind: FailKind) -> SinkStep {
        self.failure = match kind {
            FailKind::Unknown => "Redis did not answer in time".into(),
            FailKind::Rejected | FailKind::Transient => "Redis cannot be reached".into(),
        };
        match mem::replace(&mut self.state, State::Closed) {
            State::Closed | State::Open => panic!("an answer to no request"),
            State::Inspecting => SinkStep::Inspected(Err(ApplyOutcome::Failed(kind))),
            State::ReadingSettings | State::Claiming => SinkStep::Opened(OpenOutcome::Failed(kind)),
            State::Applying { chunk } if kind == FailKind::Unknown && planted!(K2) => {
                self.applied(chunk, RedisAnswer::Applied)
            }
            State::Applying { .. } => {
                if kind == FailKind::Transient {
                    self.state = State::Open;
                }
                SinkStep::Applied(ApplyOutcome::Failed(kind))
            }
        }
    }
}

/// What a relative write does when the script is run again: K7.
fn append_again(write: &mut RedisWrite) {
    if let RedisWrite::Set { value, .. } = write {
        *value = [&value[..], &value[..]].concat().into();
    }
}

impl SinkMachine for RedisSink {
    fn inspect(&mut self) -> SinkStep {
        let marker_key = self.config.marker_key.clone();
        self.ask(State::Inspecting, RedisRequest::Inspect { marker_key })
    }

    fn open(&mut self, generation: Generation) -> SinkStep {
        self.generation = generation;
        self.settings = None;
        self.ask(State::ReadingSettings, RedisRequest::Settings)
    }

    fn apply(&mut self, chunk: Chunk) -> SinkStep {
        assert_eq!(self.state, State::Open, "only an open sink applies chunks");
        assert_eq!(chunk.target(), self.config.target, "the chunk belongs to this sink");
        let group = |marker: &Marker| (marker.lineage, marker.epoch);
        if planted!(K17) && self.marker.as_ref().map(group) == Some(group(&chunk.marker)) {
            self.marker = Some(chunk.marker);
            return SinkStep::Applied(ApplyOutcome::Duplicate);
        }
        let (generation, predecessor) = (self.generation, chunk.predecessor);
        self.ask_to_apply(chunk, generation, predecessor)
    }

    fn answer(&mut self, answer: Answer) -> SinkStep {
        let answer = match answer {
            Answer::Redis(answer) => answer,
            Answer::TimedOut => return self.unanswered(FailKind::Unknown),
            Answer::Unreachable => return self.unanswered(FailKind::Transient),
            other => panic!("Redis was asked, and the answer is {other:?}"),
        };
        match mem::replace(&mut self.state, State::Closed) {
            State::Closed | State::Open => panic!("an answer to no request: {answer:?}"),
            State::Inspecting => self.inspected(answer),
            State::ReadingSettings => self.check_settings(answer),
            State::Claiming => self.claimed(answer),
            State::Applying { chunk } => self.applied(chunk, answer),
        }
    }

    fn failure(&self) -> &str {
        &self.failure
    }
}

#[cfg(test)]
mod tests;
