//! The open sessions of a piece.

use super::emit::Due;
use super::keys::{KeyId, Keys};
use super::slots::{Slot, Slots, Which};
use crate::ids::Epoch;
use crate::planted;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Rows of one key of which each lies at most a gap from its neighbour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    /// The earliest row time, which is the window's start.
    pub(super) first: i64,
    /// The latest row time; the window ends a gap later.
    pub(super) last: i64,
    pub(super) slot: Slot,
    /// The end for which the session's timer was set; it may have moved on since.
    timer: i64,
}

/// The sessions that have not fired.
///
/// Invariants: the sessions of a key are in ascending order, and more than a gap lies
/// between two of them; each holds one reference to its key. For every session there
/// is a timer (its `timer`, the key); timers without such a session mean nothing.
#[derive(Default)]
pub(super) struct Sessions {
    /// By the key's number.
    by_key: Vec<Vec<Session>>,
    /// Earliest first. A timer is set when a session begins, and moved only when it
    /// is due and the session has grown meanwhile, so that rows that extend a session
    /// do not pay for it.
    timers: BinaryHeap<Reverse<(i64, KeyId)>>,
    /// Which slots were merged into which while the rows of a batch were assigned.
    merged: BTreeMap<Slot, Slot>,
    /// Entries of the stored state that went: key and start of a session.
    pub(super) gone: Vec<(KeyId, i64)>,
}

impl Sessions {
    /// The slot of the session that a row of this time belongs to. It begins,
    /// extends or joins sessions.
    // spec: T-1
    pub(super) fn slot(
        &mut self,
        gap: i64,
        key: KeyId,
        time: i64,
        keys: &mut Keys,
        slots: &mut Slots,
        epoch: Epoch,
    ) -> Slot {
        if self.by_key.len() <= key as usize {
            self.by_key.resize_with(key as usize + 1, Vec::new);
        }
        let sessions = &mut self.by_key[key as usize];
        // The first session that the row does not come more than a gap after.
        let place = sessions.partition_point(|session| session.last + gap < time);
        // A row before a session is as near as one behind it.
        let before = if planted!(D10) { gap - 1 } else { gap };
        let joins = |session: Option<&Session>| session.is_some_and(|it| it.first - before <= time);
        if !joins(sessions.get(place)) {
            let slot = slots.take(epoch);
            self.put(key, Session { first: time, last: time, slot, timer: time + gap }, keys);
            return slot;
        }
        if joins(sessions.get(place + 1)) {
            if planted!(D2) {
                let later = sessions[place + 1];
                slots.merge(sessions[place].slot, later.slot, Which::All);
                sessions[place].last = later.last;
                return sessions[place].slot;
            }
            let later = sessions.remove(place + 1);
            let session = &mut sessions[place];
            slots.merge(session.slot, later.slot, Which::All);
            self.merged.insert(later.slot, session.slot);
            self.gone.push((key, later.first));
            session.last = if planted!(D1) { session.last } else { later.last };
            session.timer = session.timer.min(later.timer);
            let was_last = keys.release(key);
            assert!(!was_last, "the earlier session holds the key");
        }
        let session = &mut sessions[place];
        if time < session.first {
            self.gone.push((key, session.first));
            session.first = time;
        }
        session.last = session.last.max(time);
        session.slot
    }

    /// Adds a session that touches no other one of its key.
    pub(super) fn put(&mut self, key: KeyId, session: Session, keys: &mut Keys) {
        if self.by_key.len() <= key as usize {
            self.by_key.resize_with(key as usize + 1, Vec::new);
        }
        let sessions = &mut self.by_key[key as usize];
        let place = sessions.partition_point(|other| other.first < session.first);
        sessions.insert(place, session);
        self.timers.push(Reverse((session.timer, key)));
        keys.hold(key);
    }

    /// A session as it is loaded.
    pub(super) fn loaded(gap: i64, first: i64, last: i64, slot: Slot) -> Session {
        Session { first, last, slot, timer: last + gap }
    }

    /// Whether a session of this span would touch another one of its key.
    pub(super) fn touches(&self, gap: i64, key: KeyId, first: i64, last: i64) -> bool {
        let sessions = self.by_key.get(key as usize).map_or(&[][..], Vec::as_slice);
        sessions.iter().any(|other| first - gap <= other.last && other.first <= last + gap)
    }

    /// Ends the assignment of a batch: puts in place of slots that were merged
    /// the ones they were merged into, and gives the merged ones.
    pub(super) fn resolve(&mut self, slots: &mut [Slot]) -> impl Iterator<Item = Slot> + use<> {
        let merged = std::mem::take(&mut self.merged);
        if !merged.is_empty() {
            for slot in slots {
                while let Some(into) = merged.get(slot) {
                    *slot = *into;
                }
            }
        }
        merged.into_keys()
    }

    /// Takes out the sessions that end at or before `end`, in the order of (end,
    /// key). The caller frees them.
    // spec: T-1, E-3
    pub(super) fn due(&mut self, gap: i64, end: i64, keys: &Keys) -> Vec<Due> {
        let mut due = Vec::new();
        while let Some(&Reverse((timer, key))) = self.timers.peek() {
            if timer > end {
                break;
            }
            self.timers.pop();
            let Some(place) = self.of_timer(timer, key) else {
                continue;
            };
            let sessions = &mut self.by_key[key as usize];
            let now = sessions[place].last + gap;
            if now <= end {
                let session = sessions.remove(place);
                due.push(Due { start: session.first, end: now, key, slot: session.slot });
            } else {
                sessions[place].timer = now;
                self.timers.push(Reverse((now, key)));
            }
        }
        due.sort_unstable_by(|a, b| a.end.cmp(&b.end).then_with(|| keys.compare(a.key, b.key)));
        due
    }

    /// Brings the earliest timer up to date, so that [`Sessions::next_end`] is exact.
    pub(super) fn settle(&mut self, gap: i64) {
        while let Some(&Reverse((timer, key))) = self.timers.peek() {
            match self.of_timer(timer, key) {
                None => {
                    self.timers.pop();
                }
                Some(place) => {
                    let session = &mut self.by_key[key as usize][place];
                    let now = session.last + gap;
                    if now == timer {
                        return;
                    }
                    session.timer = now;
                    self.timers.pop();
                    self.timers.push(Reverse((now, key)));
                }
            }
        }
    }

    /// The end of the session that ends first.
    pub(super) fn next_end(&self) -> Option<i64> {
        self.timers.peek().map(|Reverse((end, _))| *end)
    }

    fn of_timer(&self, timer: i64, key: KeyId) -> Option<usize> {
        let sessions = self.by_key.get(key as usize)?;
        sessions.iter().position(|session| session.timer == timer)
    }

    /// All sessions with their keys.
    pub(super) fn iter(&self) -> impl Iterator<Item = (KeyId, Session)> {
        (0..)
            .zip(&self.by_key)
            .flat_map(|(key, sessions)| sessions.iter().map(move |session| (key, *session)))
    }

    /// About how many bytes of memory this takes.
    pub(super) fn memory_bytes(&self) -> usize {
        let sessions: usize = self
            .by_key
            .iter()
            .map(|sessions| 24 + sessions.capacity() * size_of::<Session>())
            .sum();
        sessions + 16 * self.timers.capacity()
    }
}
