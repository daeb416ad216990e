//! A Redis server, and the one that takes over from it.
//!
//! Scripts are atomic and are not rolled back: an error in the middle leaves what was
//! written before it. What is stricter here than in the servers that were measured:
//!
//! - memory may end in the middle of a script (Redis 7 looks before the first write only);
//! - at a failover the old primary still acknowledges writes of clients that are
//!   connected to it, which are lost, before it finds out that it is a replica;
//! - as a replica it still answers readers, with the past, and judges scripts by it.

mod act;
mod keyspace;
mod script;

use self::keyspace::{Keyspace, Value};
use self::script::{Application, Limits};
use super::{ClientId, Disturbance, Service, Toll, View, ViewRecord};
use crate::time::{Span, VirtualTime};
use anabranch_engine::service::redis::{RedisAnswer, RedisError, RedisRequest};
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::Marker;
use anabranch_engine::sink::redis::put_field;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// How long a started server reads its log and answers LOADING.
const LOADING: Span = Span::ms(50);
/// How long an old primary does not know that another has taken over.
const SPLIT: Span = Span::ms(1_000);

/// How a server is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisModelConfig {
    /// `maxmemory-policy`.
    pub eviction: String,
    /// `appendfsync`; `None`: there is no append-only file, and a start begins with nothing.
    pub append_fsync: Option<String>,
}

impl Default for RedisModelConfig {
    /// As the documentation asks for.
    fn default() -> RedisModelConfig {
        let (eviction, append_fsync) = ("noeviction".into(), Some("always".into()));
        RedisModelConfig { eviction, append_fsync }
    }
}

/// The model of a Redis server.
#[derive(Clone, Debug)]
pub struct RedisModel {
    config: RedisModelConfig,
    primary: Keyspace,
    /// The primary before the last failover, and until when it takes itself for one.
    deposed: Option<(Keyspace, VirtualTime)>,
    /// The clients that have a connection; `true`: to the deposed primary.
    connections: BTreeMap<ClientId, bool>,
    limits: Limits,
    /// Counts the starts, for `run_id`.
    starts: u64,
    loading_until: VirtualTime,
    /// Whether it was made a replica of a server that is away.
    demoted: bool,
    /// Whether somebody's script does not end.
    hangs: bool,
    /// Every key that was ever claimed: they are no data.
    marker_keys: BTreeSet<Bytes>,
    toll: Toll,
}

impl RedisModel {
    /// An empty server.
    #[must_use]
    pub fn new(config: RedisModelConfig) -> RedisModel {
        RedisModel {
            config,
            primary: Keyspace::default(),
            deposed: None,
            connections: BTreeMap::new(),
            limits: Limits::default(),
            starts: 1,
            loading_until: VirtualTime::default(),
            demoted: false,
            hangs: false,
            marker_keys: BTreeSet::new(),
            toll: Toll::default(),
        }
    }

    /// The marker that a marker key holds.
    #[must_use]
    pub fn marker(&self, now: VirtualTime, marker_key: &Bytes) -> Option<Marker> {
        script::held(&self.primary, now, marker_key).ok()?.marker
    }

    fn answer(
        &mut self,
        now: VirtualTime,
        client: ClientId,
        request: &RedisRequest,
    ) -> RedisAnswer {
        if let RedisRequest::Claim { marker_key, .. } = request {
            self.marker_keys.insert(marker_key.clone());
        }
        let is_deposed = self.connections.get(&client) == Some(&true);
        if is_deposed && let Some((keys, until)) = &mut self.deposed {
            // As a replica it judges a script by the past, up to its first write.
            self.limits.is_replica = now >= *until;
            let run = self.starts - 1;
            let answer = run_on(keys, &mut self.limits, &self.config, run, now, request);
            // The primary that took over has none of it.
            self.toll.gone += u64::from(keys.commit(now));
            if answer == RedisAnswer::Refused(RedisError::ReadOnly) {
                // Whoever is told so connects again, and finds the new primary.
                self.connections.remove(&client);
            }
            return answer;
        }
        self.connections.insert(client, false);
        if self.hangs || now < self.loading_until {
            return RedisAnswer::Refused(RedisError::Busy);
        }
        self.limits.is_replica = self.demoted;
        let (keys, limits) = (&mut self.primary, &mut self.limits);
        let answer = run_on(keys, limits, &self.config, self.starts, now, request);
        self.primary.commit(now);
        self.toll.torn += u64::from(matches!(answer, RedisAnswer::Partial(_)));
        answer
    }

    /// Another process, with what its log or its predecessor left it.
    fn start_again(&mut self, now: VirtualTime) {
        self.starts += 1;
        self.loading_until = now + LOADING;
        self.connections.clear();
        self.deposed = None;
        self.hangs = false;
    }

    /// The server is killed and starts again; `choice` says how much is lost of what may be.
    fn kill(&mut self, now: VirtualTime, choice: u64) -> String {
        let young = |keys: &Keyspace, ms| keys.younger_than(now, Span::ms(ms));
        let losable = match self.config.append_fsync.as_deref() {
            Some("always") => 0,
            // It syncs every second, and puts that off for another one.
            Some("everysec") => young(&self.primary, 2_000),
            Some(_) => young(&self.primary, 30_000),
            None => {
                self.toll.gone += self.primary.live(now).count() as u64;
                self.primary = Keyspace::default();
                0
            }
        };
        let lost = self.primary.lose(choice % (losable + 1));
        self.toll.gone += lost;
        self.start_again(now);
        format!("killed, and started without its last {lost} writes")
    }
}

/// Runs a request on the keys of one server.
fn run_on(
    keys: &mut Keyspace,
    limits: &mut Limits,
    config: &RedisModelConfig,
    run: u64,
    now: VirtualTime,
    request: &RedisRequest,
) -> RedisAnswer {
    match request {
        RedisRequest::Claim { marker_key, generation } => {
            script::claim(keys, limits, now, marker_key, *generation)
        }
        RedisRequest::Apply { marker_key, generation, predecessor, marker, writes } => {
            let (generation, predecessor, marker) = (*generation, *predecessor, *marker);
            let it = Application { marker_key, generation, predecessor, marker, writes };
            script::apply(keys, limits, now, it)
        }
        RedisRequest::Inspect { marker_key } => match script::held(keys, now, marker_key) {
            Ok(held) => RedisAnswer::Found { claim: held.claim, marker: held.marker },
            Err(error) => RedisAnswer::Refused(error),
        },
        RedisRequest::Settings => RedisAnswer::Settings {
            eviction: config.eviction.clone(),
            append_fsync: config.append_fsync.clone(),
            run_id: format!("{run:040x}"),
        },
    }
}

impl Service for RedisModel {
    fn execute(&mut self, now: VirtualTime, client: ClientId, request: &Request) -> Answer {
        let Request::Redis(request) = request else {
            panic!("Redis was asked for {request:?}");
        };
        Answer::Redis(self.answer(now, client, request))
    }

    fn disturb(&mut self, now: VirtualTime, disturbance: &Disturbance) -> Option<String> {
        match disturbance {
            Disturbance::LoseAcknowledged { writes } => {
                let lost = self.primary.lose(u64::from(*writes));
                if lost == 0 {
                    return None;
                }
                self.toll.gone += lost;
                self.start_again(now);
                Some(format!("a replica without the last {lost} writes took over"))
            }
            Disturbance::LoseMarker => {
                let is_there = |key: &&Bytes| self.primary.value(now, key).is_some();
                let keys: Vec<Bytes> = self.marker_keys.iter().filter(is_there).cloned().collect();
                keys.iter().for_each(|key| self.primary.put_value(key, None));
                self.primary.commit(now);
                self.toll.gone += keys.len() as u64;
                (!keys.is_empty()).then(|| format!("{} marker keys are gone", keys.len()))
            }
            Disturbance::Failover => {
                let (old, until) = (self.primary.clone(), now + SPLIT);
                let mut connections = std::mem::take(&mut self.connections);
                connections.values_mut().for_each(|is_deposed| *is_deposed = true);
                self.start_again(now);
                self.connections = connections;
                self.deposed = Some((old, until));
                Some("another server took over, and the old one does not know it yet".into())
            }
            Disturbance::Fill { writes } => {
                self.limits.room = Some(*writes);
                Some(format!("there is room for {writes} more writes"))
            }
            Disturbance::MakeRoom => self.limits.room.take().map(|_| "there is room again".into()),
            Disturbance::PowerFailure { choice } => Some(self.kill(now, *choice)),
            Disturbance::ExpireProducers
            | Disturbance::FailSync
            | Disturbance::ForgetTokens
            | Disturbance::Merge
            | Disturbance::Retention { .. }
            | Disturbance::Rot { .. }
            | Disturbance::StopInsert { .. }
            | Disturbance::TakeFiles => None,
        }
    }

    fn toll(&self) -> Toll {
        self.toll
    }

    fn client_died(&mut self, _: VirtualTime, process: u32) {
        self.connections.retain(|client, _| client.process != process);
    }

    fn next_event(&self) -> Option<VirtualTime> {
        // Expired keys, and a server that has loaded, are seen by whoever looks.
        None
    }

    fn pass_time(&mut self, _: VirtualTime) {}

    fn copied(&self) -> Box<dyn Service> {
        Box::new(RedisModel { connections: BTreeMap::new(), ..self.clone() })
    }

    fn view(&self, now: VirtualTime) -> View {
        let data = self.primary.live(now).filter(|(key, _)| !self.marker_keys.contains(*key));
        let records = data.map(|(key, value)| ViewRecord {
            part: 0,
            key: key.clone(),
            value: value_bytes(value),
        });
        let mut markers = self.marker_keys.iter();
        let marker = match (markers.next(), markers.next()) {
            (Some(key), None) => self.marker(now, key),
            _ => None,
        };
        View { records: records.collect(), marker }
    }
}

/// A value as a reader of the view sees it: a hash is its fields by [`put_field`] in the
/// order of their names, for Redis keeps no other.
fn value_bytes(value: &Value) -> Bytes {
    match value {
        Value::Text(text) => text.clone(),
        Value::Hash(fields) => {
            let mut bytes = Vec::new();
            fields.iter().for_each(|(name, value)| put_field(&mut bytes, name, value));
            bytes.into()
        }
        Value::List(values) => values.concat().into(),
    }
}
