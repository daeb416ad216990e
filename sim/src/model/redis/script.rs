//! The scripts of the Redis sink as the model runs them: the same judgements in the same
//! order as the Lua texts, written again and not shared with them.

use super::keyspace::{Entry, Keyspace, Value};
use crate::time::VirtualTime;
use anabranch_engine::codec::Reader;
use anabranch_engine::ids::{Generation, Lineage};
use anabranch_engine::service::redis::{RedisAnswer, RedisError, RedisWrite};
use anabranch_engine::sink::{Marker, put_marker, read_marker};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// What stands in the way of a command.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    /// How many more writes find room; `None`: as many as come.
    pub(super) room: Option<u32>,
    /// Commands that the user may not run, in capitals.
    pub(super) forbidden: BTreeSet<String>,
    /// Whether the server knows that it is a replica.
    pub(super) is_replica: bool,
    /// Whether the server wants replicas that it does not have.
    pub(super) lacks_replicas: bool,
}

impl Limits {
    /// Whether a command may run now.
    fn check(&self, command: &str) -> Result<(), RedisError> {
        if self.forbidden.contains(command) {
            let message = format!("this user may not run {command}");
            return Err(RedisError::Other(message));
        }
        if self.is_replica {
            return Err(RedisError::ReadOnly);
        }
        if self.lacks_replicas {
            return Err(RedisError::Busy);
        }
        if command != "DEL" && self.room == Some(0) {
            return Err(RedisError::OutOfMemory);
        }
        Ok(())
    }

    fn took(&mut self, command: &str) {
        if command != "DEL"
            && let Some(room) = &mut self.room
        {
            *room = room.saturating_sub(1);
        }
    }
}

/// What a marker key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) claim: Option<Generation>,
    pub(super) marker: Option<Marker>,
}

/// Reads a marker key; an error if it is no marker key.
pub(super) fn held(keys: &Keyspace, now: VirtualTime, key: &Bytes) -> Result<Held, RedisError> {
    let wrong = || RedisError::WrongType { key: key.clone() };
    match keys.value(now, key) {
        None => Ok(Held { claim: None, marker: None }),
        Some(Value::Hash(fields)) => {
            let claim = fields.get(&b"claim"[..]).ok_or_else(wrong)?;
            let mut reader = Reader::new(claim);
            let number = reader.u64().expect("only the model writes claims");
            let nonce = reader.u64().expect("only the model writes claims");
            let marker = fields.get(&b"marker"[..]).map(|bytes| {
                read_marker(&mut Reader::new(bytes), Lineage::default())
                    .expect("only the model writes markers")
            });
            Ok(Held { claim: Some(Generation { number, nonce }), marker })
        }
        Some(Value::List(_) | Value::Text(_)) => Err(wrong()),
    }
}

/// Writes a marker key.
fn put_held(keys: &mut Keyspace, now: VirtualTime, key: &Bytes, held: Held) {
    let mut fields = BTreeMap::new();
    if let Some(Value::Hash(before)) = keys.value(now, key) {
        fields.clone_from(before);
    }
    if let Some(claim) = held.claim {
        let mut bytes = Vec::new();
        anabranch_engine::codec::put_u64(&mut bytes, claim.number);
        anabranch_engine::codec::put_u64(&mut bytes, claim.nonce);
        fields.insert(Bytes::from("claim"), bytes.into());
    }
    if let Some(marker) = held.marker {
        let mut bytes = Vec::new();
        put_marker(&mut bytes, &marker, Lineage::default());
        fields.insert(Bytes::from("marker"), bytes.into());
    }
    let expires = keys.entry(now, key).and_then(|entry| entry.expires);
    keys.put(key, Some(Entry { value: Value::Hash(fields), expires }));
}

/// The generation that stands against this one.
// spec: G-1
fn fencing(claim: Option<Generation>, ours: Generation) -> Option<Generation> {
    claim.filter(|claim| claim.number >= ours.number && *claim != ours)
}

/// The script of `RedisRequest::Claim`.
pub(super) fn claim(
    keys: &mut Keyspace,
    limits: &Limits,
    now: VirtualTime,
    key: &Bytes,
    generation: Generation,
) -> RedisAnswer {
    let held = match held(keys, now, key) {
        Ok(held) => held,
        Err(error) => return RedisAnswer::Refused(error),
    };
    if let Some(by) = fencing(held.claim, generation) {
        return RedisAnswer::Fenced { by };
    }
    if let Err(error) = limits.check("HSET") {
        return RedisAnswer::Refused(error);
    }
    put_held(keys, now, key, Held { claim: Some(generation), marker: held.marker });
    if let Some(entry) = keys.entry(now, key).filter(|entry| entry.expires.is_some()) {
        let entry = Entry { expires: None, ..entry.clone() };
        keys.put(key, Some(entry));
    }
    RedisAnswer::Claimed { marker: held.marker }
}

/// What `RedisRequest::Apply` brings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Application<'a> {
    pub(super) marker_key: &'a Bytes,
    pub(super) generation: Generation,
    pub(super) predecessor: Option<Marker>,
    pub(super) marker: Marker,
    pub(super) writes: &'a [RedisWrite],
}

/// The script of `RedisRequest::Apply`.
pub(super) fn apply(
    keys: &mut Keyspace,
    limits: &mut Limits,
    now: VirtualTime,
    it: Application<'_>,
) -> RedisAnswer {
    let held = match held(keys, now, it.marker_key) {
        Ok(held) => held,
        Err(error) => return RedisAnswer::Refused(error),
    };
    if let Some(refusal) = judge(held, it) {
        return refusal;
    }
    let misfit = it
        .writes
        .iter()
        .find(|write| write.key() == it.marker_key || !fits(keys.value(now, write.key()), write));
    if let Some(write) = misfit {
        return RedisAnswer::Refused(RedisError::WrongType { key: write.key().clone() });
    }
    let mut wrote = false;
    for write in it.writes {
        for (command, value) in commands(keys.value(now, write.key()).is_some(), write) {
            if let Err(error) = limits.check(command) {
                return failed(wrote, error);
            }
            keys.put_value(write.key(), value);
            limits.took(command);
            wrote = true;
        }
    }
    if let Err(error) = limits.check("HSET") {
        return failed(wrote, error);
    }
    put_held(keys, now, it.marker_key, Held { marker: Some(it.marker), ..held });
    RedisAnswer::Applied
}

fn failed(wrote: bool, error: RedisError) -> RedisAnswer {
    if wrote { RedisAnswer::Partial(error) } else { RedisAnswer::Refused(error) }
}

/// Why a chunk is not applied, by claim and marker.
// spec: G-1, K-1, K-3, K-7
fn judge(held: Held, it: Application<'_>) -> Option<RedisAnswer> {
    if let Some(by) = fencing(held.claim, it.generation) {
        return Some(RedisAnswer::Fenced { by });
    }
    if held.claim != Some(it.generation) {
        return Some(RedisAnswer::Unclaimed { marker: held.marker });
    }
    if held.marker == it.predecessor {
        return None;
    }
    let Some(found) = held.marker else {
        return Some(RedisAnswer::Gap { found: None });
    };
    if found == it.marker {
        return Some(RedisAnswer::Duplicate);
    }
    let parted = found.same_place(&it.marker)
        || it.predecessor.is_some_and(|predecessor| found.same_place(&predecessor));
    Some(if parted {
        RedisAnswer::Diverged { found }
    } else {
        RedisAnswer::Gap { found: Some(found) }
    })
}

/// Whether a key holds what a write may replace.
fn fits(found: Option<&Value>, write: &RedisWrite) -> bool {
    match (found, write) {
        (None, _)
        | (Some(Value::Text(_)), RedisWrite::Set { .. } | RedisWrite::Delete { .. })
        | (Some(Value::Hash(_)), RedisWrite::Hash { .. } | RedisWrite::Delete { .. }) => true,
        (Some(Value::Text(_) | Value::Hash(_) | Value::List(_)), _) => false,
    }
}

/// The commands of a write, each with the value of the key after it.
fn commands(is_there: bool, write: &RedisWrite) -> Vec<(&'static str, Option<Value>)> {
    match write {
        RedisWrite::Set { value, .. } => vec![("SET", Some(Value::Text(value.clone())))],
        RedisWrite::Delete { .. } => vec![("DEL", None)],
        RedisWrite::Hash { fields, .. } => {
            let mut commands = Vec::new();
            if is_there {
                commands.push(("DEL", None));
            }
            if !fields.is_empty() {
                let fields = fields.iter().cloned().collect();
                commands.push(("HSET", Some(Value::Hash(fields))));
            }
            commands
        }
    }
}
