//! The stored form of the operator's state.
//!
//! | table | key | value |
//! |---|---|---|
//! | `panes` | encoded key, base, first open end | the aggregates, in order |
//! | `sessions` | encoded key, start | how long after the start the last row is, the aggregates |
//! | `progress` | nothing; key group 0 | the watermark up to which windows fired |
//!
//! Times within keys are 8 bytes big-endian with the sign bit flipped.
// spec: S-3

use super::WindowAggregateOp;
use super::cells::{CellId, CellKey, Cells};
use super::gone::Gone;
use super::keys::{KeyId, Keys};
use super::piece::Piece;
use super::sessions::Sessions;
use super::slots::Slot;
use super::spec::Windows;
use crate::ids::{Epoch, KeyGroup};
use crate::key::{KEY_GROUPS, key_group};
use crate::op::geometry::{TIME_LIMIT_MS, closed_up_to};
use crate::planted;
use crate::state::codec::{Reader, put_i64};
use crate::state::{Listing, Since, StateEntry};
use crate::time::Watermark;

/// The table of the groups of aligned windows.
pub(super) const PANES: &str = "panes";
/// The table of the groups of session windows.
pub(super) const SESSIONS: &str = "sessions";
/// The table of the operator's own watermark.
pub(super) const PROGRESS: &str = "progress";

/// The key of a group's entry in `panes`.
pub(super) fn pane_key(keys: &Keys, key: KeyId, cell: CellKey) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    keys.encode(key, &mut out);
    put_pane_times(&mut out, cell);
    out
}

fn put_pane_times(out: &mut Vec<u8>, cell: CellKey) {
    put_time(out, cell.base);
    put_time(out, cell.first_open);
}

/// The key of a group's entry in `sessions`.
pub(super) fn session_key(keys: &Keys, key: KeyId, first: i64) -> Vec<u8> {
    let mut out = Vec::with_capacity(24);
    keys.encode(key, &mut out);
    put_time(&mut out, first);
    out
}

/// Appends a time so that it sorts.
pub(super) fn put_time(out: &mut Vec<u8>, time: i64) {
    out.extend((time ^ i64::MIN).to_be_bytes());
}

/// Splits the time off the end of an entry's key.
pub(super) fn split_time(key: &[u8]) -> Option<(&[u8], i64)> {
    let (rest, time) = key.split_last_chunk::<8>()?;
    Some((rest, i64::from_be_bytes(*time) ^ i64::MIN))
}

/// How many entries are decoded together.
const LOAD_ROWS: usize = 4096;

/// The tables of groups, with how many bytes of times stand behind the key in their
/// entries' keys.
#[derive(Clone, Copy)]
struct Table {
    name: &'static str,
    times: usize,
}

impl Table {
    /// Where an operator over these windows keeps its groups.
    fn of(windows: Windows) -> Table {
        match windows {
            Windows::Aligned(_) => Table { name: PANES, times: 16 },
            Windows::Session(_) => Table { name: SESSIONS, times: 8 },
        }
    }

    /// Lists a group.
    fn list(
        self,
        entries: &mut Listing,
        write_key: impl FnOnce(&mut Vec<u8>),
        write_value: Option<impl FnOnce(&mut Vec<u8>)>,
    ) {
        let write_key = |out: &mut Vec<u8>| {
            let start = out.len();
            write_key(out);
            key_group(&out[start..out.len() - self.times])
        };
        entries.add(self.name, write_key, write_value);
    }
}

impl WindowAggregateOp {
    /// Appends what `since` asks for, and says what was given.
    pub(super) fn save_entries(&self, since: Since, out: &mut Vec<StateEntry>) -> Since {
        let after = match since {
            Since::Beginning => None,
            Since::Epoch(epoch) => Some(epoch),
        };
        let gone: Option<Vec<_>> = after
            .and_then(|epoch| self.pieces.iter().map(|piece| piece.gone.after(epoch)).collect());
        let after = after.filter(|_| gone.is_some());
        let changed = |epoch: Epoch| after.is_none_or(|after| epoch > after);
        let table = Table::of(self.spec.windows);
        let mut entries = Listing::default();
        for piece in &self.pieces {
            for (cell, key, slot) in piece.panes.iter() {
                if changed(piece.slots.changed(slot)) {
                    let write_key = |out: &mut Vec<u8>| {
                        piece.keys.encode(key, out);
                        put_pane_times(out, self.cells.key(cell));
                    };
                    let write_value = |out: &mut Vec<u8>| piece.slots.save(slot, out);
                    table.list(&mut entries, write_key, Some(write_value));
                }
            }
            for (key, session) in piece.sessions.iter() {
                if changed(piece.slots.changed(session.slot)) {
                    let write_key = |out: &mut Vec<u8>| {
                        piece.keys.encode(key, out);
                        put_time(out, session.first);
                    };
                    let write_value = |out: &mut Vec<u8>| {
                        put_i64(out, session.last - session.first);
                        piece.slots.save(session.slot, out);
                    };
                    table.list(&mut entries, write_key, Some(write_value));
                }
            }
        }
        for (_, key) in gone.into_iter().flatten().flatten() {
            let write_key = |out: &mut Vec<u8>| out.extend(key);
            table.list(&mut entries, write_key, None::<fn(&mut Vec<u8>)>);
        }
        if self.watermark > Watermark::NONE && changed(self.watermark_changed) {
            let write_value = |out: &mut Vec<u8>| put_i64(out, self.watermark.0);
            entries.add(PROGRESS, |_| KeyGroup(0), Some(write_value));
        }
        entries.finish(out);
        after.map_or(Since::Beginning, Since::Epoch)
    }

    /// Takes the entries of a whole snapshot; the operator is empty.
    pub(super) fn load_entries(&mut self, entries: &[StateEntry]) -> Result<(), String> {
        self.pieces = vec![Piece::new(&self.spec)?];
        self.cells = Cells::default();
        self.watermark = Watermark::NONE;
        for entry in entries.iter().filter(|entry| entry.table == PROGRESS) {
            let mut reader = Reader::new(entry.value.as_deref().unwrap_or_default());
            self.watermark = Watermark(reader.i64()?);
        }
        let table = Table::of(self.spec.windows);
        let unknown = |entry: &&StateEntry| entry.table != table.name && entry.table != PROGRESS;
        if let Some(entry) = entries.iter().find(unknown) {
            return Err(format!("no state table {} in a window aggregation", entry.table));
        }
        let groups: Vec<&StateEntry> =
            entries.iter().filter(|entry| entry.table == table.name).collect();
        for chunk in groups.chunks(LOAD_ROWS) {
            self.load_groups(table, chunk)?;
        }
        self.settle_timers();
        Ok(())
    }

    fn load_groups(&mut self, table: Table, entries: &[&StateEntry]) -> Result<(), String> {
        let mut encoded: Vec<&[u8]> = Vec::with_capacity(entries.len());
        for entry in entries {
            let length = entry.key.len().checked_sub(table.times).ok_or("a key without times")?;
            encoded.push(&entry.key[..length]);
            if key_group(&entry.key[..length]) != entry.key_group {
                return Err(format!("an entry of another key group than {}", entry.key_group));
            }
        }
        let mut keys = Vec::new();
        let piece = &mut self.pieces[0];
        piece.keys.look_up_encoded(&encoded, &mut keys)?;
        for (entry, key) in entries.iter().zip(keys) {
            let value = entry.value.as_deref().ok_or("an entry without a value")?;
            let (rest, time) = split_time(&entry.key).ok_or("a key without times")?;
            match self.spec.windows {
                Windows::Aligned(geometry) => {
                    let (_, base) = split_time(rest).ok_or("a key without times")?;
                    let fired = closed_up_to(self.watermark, self.spec.lateness);
                    if !geometry.is_cell(base, time) || geometry.last_end(base) <= fired {
                        return Err(format!("no window has the base {base} and the end {time}"));
                    }
                    let cell = CellKey { base, first_open: time };
                    let lateness = self.spec.lateness;
                    let cell = self.cells.open(cell, &geometry, self.watermark, lateness);
                    piece.load_pane(cell, key, value, Epoch::default())?;
                }
                Windows::Session(gap) => {
                    let fired = self.watermark.0.saturating_sub(self.spec.lateness);
                    piece.load_session((gap, fired), key, time, value, Epoch::default())?;
                }
            }
        }
        Ok(())
    }

    /// Cuts the state into this many pieces, if it is not.
    pub(super) fn cut(&mut self, parallelism: usize) {
        let count = parallelism.clamp(1, usize::from(KEY_GROUPS));
        if count == self.pieces.len() {
            return;
        }
        let fresh = || Piece::new(&self.spec).expect("the aggregates were made before");
        let mut pieces: Vec<Piece> = std::iter::repeat_with(fresh).take(count).collect();
        let old = std::mem::take(&mut self.pieces);
        Gone::hand_over(
            old.iter().map(|piece| &piece.gone),
            pieces.iter_mut().map(|piece| &mut piece.gone),
        );
        for piece in &old {
            for (cell, key, slot) in piece.panes.iter() {
                let (target, key, value) = moved(piece, key, slot, &mut pieces);
                let loaded = target.load_pane(cell, key, &value, piece.slots.changed(slot));
                loaded.expect("the value was saved by this operator");
            }
            for (key, session) in piece.sessions.iter() {
                let slot = session.slot;
                let (target, key, aggregates) = moved(piece, key, slot, &mut pieces);
                let (first, last) = (session.first, session.last);
                let changed = piece.slots.changed(slot);
                let loaded = target.put_session(
                    gap_of(self.spec.windows),
                    key,
                    (first, last),
                    &aggregates,
                    changed,
                );
                loaded.expect("the value was saved by this operator");
            }
        }
        self.pieces = pieces;
        self.settle_timers();
    }
}

/// The gap of sessions.
fn gap_of(windows: Windows) -> i64 {
    match windows {
        Windows::Aligned(_) => unreachable!("aligned windows have no sessions"),
        Windows::Session(gap) => gap,
    }
}

/// Finds the piece that a group of another cut belongs to, the number of its key
/// there, and its saved aggregates.
fn moved<'a>(
    from: &Piece,
    key: KeyId,
    slot: Slot,
    pieces: &'a mut [Piece],
) -> (&'a mut Piece, KeyId, Vec<u8>) {
    let mut encoded = Vec::new();
    from.keys.encode(key, &mut encoded);
    let mut value = Vec::new();
    from.slots.save(slot, &mut value);
    let count = pieces.len();
    let group = key_group(&encoded).0 + u16::from(planted!(D5));
    let target = &mut pieces[usize::from(group) % count];
    let mut number = Vec::new();
    let known = target.keys.look_up_encoded(&[&encoded], &mut number);
    known.expect("the key was encoded by this operator");
    (target, number[0], value)
}

impl Piece {
    /// Makes a group of a saved value.
    fn load_pane(
        &mut self,
        cell: CellId,
        key: KeyId,
        value: &[u8],
        changed: Epoch,
    ) -> Result<(), String> {
        if self.panes.holds(cell, key) {
            return Err("two entries of one key and pane".into());
        }
        let slot = self.load_slot(value, changed)?;
        self.panes.put(cell, key, slot, &mut self.keys);
        Ok(())
    }

    /// Makes a session of a saved value; all that end at or before `fired` are gone.
    fn load_session(
        &mut self,
        (gap, fired): (i64, i64),
        key: KeyId,
        first: i64,
        value: &[u8],
        changed: Epoch,
    ) -> Result<(), String> {
        let mut reader = Reader::new(value);
        let length = reader.i64()?;
        let in_range = first.unsigned_abs() <= TIME_LIMIT_MS as u64
            && (0..=2 * TIME_LIMIT_MS).contains(&length);
        if !in_range {
            return Err(format!("a session from {first} ms of {length} ms"));
        }
        if first + length + gap <= fired {
            return Err("a session that has fired".into());
        }
        self.put_session(gap, key, (first, first + length), reader.rest(), changed)
    }

    fn put_session(
        &mut self,
        gap: i64,
        key: KeyId,
        (first, last): (i64, i64),
        aggregates: &[u8],
        changed: Epoch,
    ) -> Result<(), String> {
        if self.sessions.touches(gap, key, first, last) {
            return Err("two sessions of one key less than a gap apart".into());
        }
        let slot = self.load_slot(aggregates, changed)?;
        self.sessions.put(key, Sessions::loaded(gap, first, last, slot), &mut self.keys);
        Ok(())
    }

    /// A slot with these saved aggregates.
    fn load_slot(&mut self, value: &[u8], changed: Epoch) -> Result<Slot, String> {
        let slot = self.slots.take(changed);
        let mut reader = Reader::new(value);
        self.slots.load(slot, &mut reader)?;
        if !reader.is_empty() {
            return Err("bytes behind the last aggregate".into());
        }
        Ok(slot)
    }
}
