//! The stored form of the operator's state.
//!
//! | table | key | value |
//! |---|---|---|
//! | `panes` | encoded key, base, first open end | the aggregates, in order |
//! | `progress` | nothing; key group 0 | the watermark up to which windows fired |
//!
//! Times within keys are 8 bytes big-endian with the sign bit flipped.
// spec: S-3

use super::WindowAggregateOp;
use super::cells::{CellId, CellKey, Cells};
use super::keys::{KeyId, Keys};
use super::piece::Piece;
use super::spec::Windows;
use crate::ids::{Epoch, KeyGroup};
use crate::key::{KEY_GROUPS, key_group};
use crate::state::codec::{Reader, put_i64};
use crate::state::{Since, StateEntry};
use crate::time::Watermark;

/// The table of the groups of aligned windows.
pub(super) const PANES: &str = "panes";
/// The table of the operator's own watermark.
pub(super) const PROGRESS: &str = "progress";

/// The key of a group's entry in `panes`.
pub(super) fn pane_key(keys: &Keys, key: KeyId, cell: CellKey) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    keys.encode(key, &mut out);
    put_time(&mut out, cell.base);
    put_time(&mut out, cell.first_open);
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

/// How many bytes of times stand behind the key in a key of `panes`.
const TIMES_OF_PANES: usize = 16;

/// An entry with the key group of its key, which `times` bytes follow.
fn entry(table: &'static str, times: usize, key: Vec<u8>, value: Option<Vec<u8>>) -> StateEntry {
    let key_group = key_group(&key[..key.len() - times]);
    StateEntry { key_group, table, key, value }
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
        let mut entries: Vec<StateEntry> = Vec::new();
        for piece in &self.pieces {
            for (cell, key, slot) in piece.panes.iter() {
                if changed(piece.slots.changed(slot)) {
                    let key = pane_key(&piece.keys, key, self.cells.key(cell));
                    let mut value = Vec::new();
                    piece.slots.save(slot, &mut value);
                    entries.push(entry(PANES, TIMES_OF_PANES, key, Some(value)));
                }
            }
        }
        for (_, key) in gone.into_iter().flatten().flatten() {
            entries.push(entry(PANES, TIMES_OF_PANES, key.clone(), None));
        }
        if self.watermark > Watermark::NONE && changed(self.watermark_changed) {
            let mut value = Vec::new();
            put_i64(&mut value, self.watermark.0);
            let key_group = KeyGroup(0);
            entries.push(StateEntry {
                key_group,
                table: PROGRESS,
                key: Vec::new(),
                value: Some(value),
            });
        }
        entries.sort();
        out.append(&mut entries);
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
        let panes: Vec<&StateEntry> = entries.iter().filter(|entry| entry.table == PANES).collect();
        if let Some(entry) =
            entries.iter().find(|entry| entry.table != PANES && entry.table != PROGRESS)
        {
            return Err(format!("no state table {} in a window aggregation", entry.table));
        }
        for chunk in panes.chunks(LOAD_ROWS) {
            self.load_panes(chunk)?;
        }
        Ok(())
    }

    fn load_panes(&mut self, entries: &[&StateEntry]) -> Result<(), String> {
        let Windows::Aligned(geometry) = self.spec.windows else {
            return Err("a session aggregation has no panes".into());
        };
        let mut found: Vec<(&[u8], CellKey)> = Vec::with_capacity(entries.len());
        for entry in entries {
            let (rest, first_open) =
                split_time(&entry.key).ok_or("a pane's key has no first open end")?;
            let (key, base) = split_time(rest).ok_or("a pane's key has no base")?;
            let cell = CellKey { base, first_open };
            if !geometry.is_cell(base, first_open) {
                return Err(format!("no window has the base {base} and the end {first_open}"));
            }
            if key_group(key) != entry.key_group {
                return Err(format!("an entry of another key group than {}", entry.key_group));
            }
            found.push((key, cell));
        }
        let encoded: Vec<&[u8]> = found.iter().map(|(key, _)| *key).collect();
        let mut keys = Vec::new();
        let piece = &mut self.pieces[0];
        piece.keys.look_up_encoded(&encoded, &mut keys)?;
        for ((entry, (_, cell)), key) in entries.iter().zip(&found).zip(keys) {
            let cell = self.cells.open(*cell, &geometry, self.watermark, self.spec.lateness);
            let value = entry.value.as_deref().ok_or("an entry without a value")?;
            piece.load_pane(cell, key, value, Epoch::default())?;
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
        super::gone::Gone::hand_over(
            old.iter().map(|piece| &piece.gone),
            pieces.iter_mut().map(|piece| &mut piece.gone),
        );
        let mut encoded = Vec::new();
        let mut value = Vec::new();
        let mut number = Vec::new();
        for piece in &old {
            for (cell, key, slot) in piece.panes.iter() {
                encoded.clear();
                value.clear();
                number.clear();
                piece.keys.encode(key, &mut encoded);
                piece.slots.save(slot, &mut value);
                let target = &mut pieces[usize::from(key_group(&encoded).0) % count];
                let known = target.keys.look_up_encoded(&[&encoded], &mut number);
                known.expect("the key was encoded by this operator");
                let changed = piece.slots.changed(slot);
                let loaded = target.load_pane(cell, number[0], &value, changed);
                loaded.expect("the value was saved by this operator");
            }
        }
        self.pieces = pieces;
    }
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
        let slot = self.slots.take(changed);
        self.panes.put(cell, key, slot, &mut self.keys);
        let mut reader = Reader::new(value);
        self.slots.load(slot, &mut reader)?;
        if !reader.is_empty() {
            return Err("bytes behind the last aggregate".into());
        }
        Ok(())
    }
}
