//! What a Redis server holds, and how it came to it: so that it can lose the end of that.

use crate::time::{Span, VirtualTime};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// So many units can be lost at most; older ones are safe for good.
const HISTORY_MAX: usize = 10_000;

/// The value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Hash(BTreeMap<Bytes, Bytes>),
    /// Of a type that no sink writes.
    List(Vec<Bytes>),
    Text(Bytes),
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) value: Value,
    /// From when on it is as if it were not there.
    pub(super) expires: Option<VirtualTime>,
}

/// What one script or command changed: the server keeps or loses all of it, because it
/// writes them to its log and to replicas as one transaction.
#[derive(Clone, Debug)]
struct Unit {
    at: VirtualTime,
    /// What stood there before, in the order of the changes.
    before: Vec<(Bytes, Option<Entry>)>,
}

/// The keys of a server and their history.
#[derive(Clone, Debug, Default)]
pub(super) struct Keyspace {
    entries: BTreeMap<Bytes, Entry>,
    /// Ascending in time.
    history: VecDeque<Unit>,
    /// The changes since the last [`Keyspace::commit`].
    open: Vec<(Bytes, Option<Entry>)>,
}

impl Keyspace {
    /// What a key holds at a moment.
    pub(super) fn entry(&self, now: VirtualTime, key: &Bytes) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.expires.is_none_or(|at| at > now))
    }

    /// The value of a key at a moment.
    pub(super) fn value(&self, now: VirtualTime, key: &Bytes) -> Option<&Value> {
        self.entry(now, key).map(|entry| &entry.value)
    }

    /// All keys with their values at a moment, ascending.
    pub(super) fn live(&self, now: VirtualTime) -> impl Iterator<Item = (&Bytes, &Value)> {
        let live = move |(_, entry): &(&Bytes, &Entry)| entry.expires.is_none_or(|at| at > now);
        self.entries.iter().filter(live).map(|(key, entry)| (key, &entry.value))
    }

    /// Changes a key, within the unit that [`Keyspace::commit`] ends.
    pub(super) fn put(&mut self, key: &Bytes, entry: Option<Entry>) {
        let before = match entry {
            Some(entry) => self.entries.insert(key.clone(), entry),
            None => self.entries.remove(key),
        };
        self.open.push((key.clone(), before));
    }

    /// Changes a value, and takes its time limit away, as SET does.
    pub(super) fn put_value(&mut self, key: &Bytes, value: Option<Value>) {
        self.put(key, value.map(|value| Entry { value, expires: None }));
    }

    /// What was changed since the last call is one unit; gives whether there is any.
    pub(super) fn commit(&mut self, now: VirtualTime) -> bool {
        let before = std::mem::take(&mut self.open);
        if before.is_empty() {
            return false;
        }
        self.history.push_back(Unit { at: now, before });
        if self.history.len() > HISTORY_MAX {
            self.history.pop_front();
        }
        true
    }

    /// How many units are younger than a span.
    pub(super) fn younger_than(&self, now: VirtualTime, span: Span) -> u64 {
        let young = |unit: &&Unit| now - unit.at < span;
        self.history.iter().rev().take_while(young).count() as u64
    }

    /// Forgets the last units; gives how many there were to forget.
    pub(super) fn lose(&mut self, units: u64) -> u64 {
        assert!(self.open.is_empty(), "nothing is lost within a script");
        let mut lost = 0;
        while lost < units
            && let Some(unit) = self.history.pop_back()
        {
            for (key, before) in unit.before.into_iter().rev() {
                match before {
                    Some(entry) => self.entries.insert(key, entry),
                    None => self.entries.remove(&key),
                };
            }
            lost += 1;
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_unit_leaves_what_was_there_before_it() {
        let mut keys = Keyspace::default();
        let now = VirtualTime(0);
        let text = |text: &'static str| Some(Value::Text(text.into()));
        let (a, b) = (Bytes::from("a"), Bytes::from("b"));
        keys.put_value(&a, text("1"));
        keys.commit(now);
        keys.put_value(&a, text("2"));
        keys.put_value(&a, None);
        keys.put_value(&b, text("2"));
        keys.commit(now);
        assert_eq!((keys.value(now, &a), keys.value(now, &b)), (None, text("2").as_ref()));
        assert_eq!(keys.lose(1), 1);
        assert_eq!((keys.value(now, &a), keys.value(now, &b)), (text("1").as_ref(), None));
        assert_eq!(keys.lose(7), 1);
        assert_eq!(keys.live(now).count(), 0);
    }
}
