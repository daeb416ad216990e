//! The keys of a piece, each with a small number by which panes and sessions refer
//! to it.

use crate::ids::KeyGroup;
use crate::key::{
    decode_columns, encode_narrow_key, encode_row, encode_text_key, is_narrow, key_group, narrow,
    widen,
};
use crate::state::codec::Malformed;
use crate::types::SqlType;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::cmp::Ordering;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

/// The number of a key within its piece. Numbers are used again.
pub(super) type KeyId = u32;

/// The keys that some pane or session holds.
///
/// Invariants: `references` is as long as the store; a key with no reference is on
/// the free list and not in the table, except while [`Keys::look_up`]'s caller has
/// not yet taken its reference.
pub(super) struct Keys {
    types: Vec<SqlType>,
    columns: Vec<usize>,
    store: Store,
    /// How many panes or sessions hold each key.
    references: Vec<u32>,
    free: Vec<KeyId>,
    hasher: foldhash::fast::FixedState,
}

/// Keys by number, and numbers by key. The tables are only probed, never iterated.
enum Store {
    /// One text column, as its bytes, which compare as its encoding does.
    Bytes { values: Vec<Box<[u8]>>, table: HashTable<(u64, KeyId)>, null: Option<KeyId> },
    /// Anything else, encoded.
    Encoded { values: Vec<Box<[u8]>>, table: HashTable<(u64, KeyId)> },
    /// No key column: one group.
    Global,
    /// One column of a type that fits 64 bits.
    Narrow { values: Vec<i64>, table: HashTable<(i64, KeyId)>, null: Option<KeyId> },
}

impl Keys {
    /// No key yet. `seed` is the job's: hash tables do not decide any result, but a
    /// seed of its own keeps crafted keys of one job from being slow in another.
    pub(super) fn new(types: &[SqlType], columns: &[usize], seed: u64) -> Keys {
        let store = match types {
            [] => Store::Global,
            [ty] if is_narrow(ty) => {
                Store::Narrow { values: Vec::new(), table: HashTable::new(), null: None }
            }
            [ty] if ty.is_text() => {
                Store::Bytes { values: Vec::new(), table: HashTable::new(), null: None }
            }
            _ => Store::Encoded { values: Vec::new(), table: HashTable::new() },
        };
        Keys {
            types: types.to_vec(),
            columns: columns.to_vec(),
            store,
            references: Vec::new(),
            free: Vec::new(),
            hasher: foldhash::fast::FixedState::with_seed(seed),
        }
    }

    /// Appends the number of the key of each selected row; new keys get one.
    pub(super) fn look_up(
        &mut self,
        batch: &[ArrayRef],
        rows: Option<&[u32]>,
        count: usize,
        out: &mut Vec<KeyId>,
    ) {
        let columns: Vec<&ArrayRef> = self.columns.iter().map(|column| &batch[*column]).collect();
        self.look_up_columns(&columns, rows, count, out);
    }

    /// As [`Keys::look_up`], of all rows of key columns that were decoded from these
    /// encodings.
    pub(super) fn look_up_encoded(
        &mut self,
        encoded: &[&[u8]],
        out: &mut Vec<KeyId>,
    ) -> Result<(), Malformed> {
        let columns = decode_columns(&self.types, encoded.iter().copied())?;
        self.look_up_columns(&columns.iter().collect::<Vec<_>>(), None, encoded.len(), out);
        Ok(())
    }

    fn look_up_columns(
        &mut self,
        columns: &[&ArrayRef],
        rows: Option<&[u32]>,
        count: usize,
        out: &mut Vec<KeyId>,
    ) {
        out.reserve(count);
        let rows = Selected { rows, count };
        let numbers = Numbers { references: &mut self.references, free: &mut self.free };
        match &mut self.store {
            Store::Global => {
                if self.references.is_empty() {
                    self.references.push(0);
                }
                out.extend(std::iter::repeat_n(0, count));
            }
            Store::Narrow { values, table, null } => {
                let column = columns[0];
                let narrow = narrow(&self.types[0], column.as_ref());
                look_up_narrow(
                    numbers,
                    values,
                    table,
                    null,
                    &self.hasher,
                    rows,
                    column,
                    &narrow,
                    out,
                );
            }
            Store::Bytes { values, table, null } => {
                look_up_text(numbers, values, table, null, &self.hasher, rows, columns[0], out);
            }
            Store::Encoded { values, table } => {
                let mut numbers = numbers;
                let mut encoded = Vec::new();
                rows.for_each(|row| {
                    encoded.clear();
                    encode_row(&self.types, columns, row, &mut encoded);
                    out.push(find_bytes(&mut numbers, values, table, &self.hasher, &encoded));
                });
            }
        }
    }

    /// Takes a reference to a key.
    #[inline]
    pub(super) fn hold(&mut self, key: KeyId) {
        self.references[key as usize] += 1;
    }

    /// Gives a reference back; the last one forgets the key, and says so.
    pub(super) fn release(&mut self, key: KeyId) -> bool {
        let index = key as usize;
        self.references[index] -= 1;
        if self.references[index] > 0 {
            return false;
        }
        match &mut self.store {
            // The one group of an aggregation without keys keeps its number.
            Store::Global => return true,
            Store::Narrow { null, .. } | Store::Bytes { null, .. } if *null == Some(key) => {
                *null = None;
            }
            Store::Narrow { values, table, .. } => {
                let hash = hash_narrow(&self.hasher, values[index]);
                if let Ok(entry) = table.find_entry(hash, |(_, id)| *id == key) {
                    entry.remove();
                }
            }
            Store::Bytes { values, table, .. } | Store::Encoded { values, table } => {
                let hash = hash_bytes(&self.hasher, &values[index]);
                if let Ok(entry) = table.find_entry(hash, |(_, id)| *id == key) {
                    entry.remove();
                }
                values[index] = Box::default();
            }
        }
        self.free.push(key);
        true
    }

    /// How two keys compare by their encodings.
    pub(super) fn compare(&self, a: KeyId, b: KeyId) -> Ordering {
        let (left, right) = (a as usize, b as usize);
        match &self.store {
            Store::Global => Ordering::Equal,
            Store::Narrow { values, null, .. } => {
                let is_value = (*null != Some(a)).cmp(&(*null != Some(b)));
                is_value.then_with(|| values[left].cmp(&values[right]))
            }
            Store::Bytes { values, null, .. } => {
                let is_value = (*null != Some(a)).cmp(&(*null != Some(b)));
                is_value.then_with(|| values[left].cmp(&values[right]))
            }
            Store::Encoded { values, .. } => values[left].cmp(&values[right]),
        }
    }

    /// Sorts items by their keys.
    pub(super) fn sort<T: Copy>(&self, items: &mut [T], key: impl Fn(&T) -> KeyId) {
        if let Store::Narrow { values, null, .. } = &self.store {
            // Comparing numbers that lie beside the items spares a look at `values`
            // for every comparison.
            let mut ranked: Vec<((bool, i64), T)> = items
                .iter()
                .map(|item| ((*null != Some(key(item)), values[key(item) as usize]), *item))
                .collect();
            ranked.sort_unstable_by_key(|(rank, _)| *rank);
            for (place, (_, item)) in items.iter_mut().zip(ranked) {
                *place = item;
            }
            return;
        }
        items.sort_unstable_by(|a, b| self.compare(key(a), key(b)));
    }

    /// Appends the encoding of a key.
    pub(super) fn encode(&self, key: KeyId, out: &mut Vec<u8>) {
        let index = key as usize;
        match &self.store {
            Store::Global => {}
            Store::Narrow { values, null, .. } => {
                let value = (*null != Some(key)).then(|| values[index]);
                encode_narrow_key(&self.types[0], value, out);
            }
            Store::Bytes { values, null, .. } => {
                encode_text_key((*null != Some(key)).then(|| values[index].as_ref()), out);
            }
            Store::Encoded { values, .. } => out.extend(&values[index]),
        }
    }

    /// The columns of these keys.
    pub(super) fn columns(&self, keys: impl ExactSizeIterator<Item = KeyId>) -> Vec<ArrayRef> {
        match &self.store {
            Store::Global => Vec::new(),
            Store::Narrow { values, null, .. } => {
                let keys: Vec<KeyId> = keys.collect();
                let nulls = null.map(|null| keys.iter().map(|key| *key != null).collect());
                let values = keys.iter().map(|key| values[*key as usize]).collect();
                vec![widen(
                    &self.types[0],
                    values,
                    nulls.map(|nulls: Vec<bool>| NullBuffer::from(nulls)),
                )]
            }
            Store::Bytes { values, null, .. } => {
                let mut builder = StringBuilder::with_capacity(keys.len(), 16 * keys.len());
                for key in keys {
                    if *null == Some(key) {
                        builder.append_null();
                    } else {
                        let text = std::str::from_utf8(&values[key as usize]);
                        builder.append_value(text.expect("a text key came from a text column"));
                    }
                }
                vec![Arc::new(builder.finish())]
            }
            Store::Encoded { values, .. } => {
                let encoded = keys.map(|key| values[key as usize].as_ref());
                decode_columns(&self.types, encoded).expect("a key was encoded from such columns")
            }
        }
    }

    /// About how many bytes of memory the keys take.
    pub(super) fn memory_bytes(&self) -> usize {
        let store = match &self.store {
            Store::Global => 0,
            Store::Narrow { values, table, .. } => 8 * values.capacity() + table.allocation_size(),
            Store::Bytes { values, table, .. } | Store::Encoded { values, table } => {
                let heap = values.iter().map(|value| value.len()).sum::<usize>();
                16 * values.capacity() + heap + table.allocation_size()
            }
        };
        store + 4 * (self.references.capacity() + self.free.capacity())
    }
}

/// Calls `each` with the key group of the key of each of these rows.
pub(super) fn groups_of(
    types: &[SqlType],
    columns: &[&ArrayRef],
    rows: impl Iterator<Item = usize>,
    mut each: impl FnMut(usize, KeyGroup),
) {
    let mut scratch = Vec::new();
    let mut group = |row, encode: &mut dyn FnMut(&mut Vec<u8>)| {
        scratch.clear();
        encode(&mut scratch);
        each(row, key_group(&scratch));
    };
    if let ([ty], [column]) = (types, columns)
        && is_narrow(ty)
    {
        let values = narrow(ty, column.as_ref());
        for row in rows {
            let value = column.is_valid(row).then(|| values[row]);
            group(row, &mut |out| encode_narrow_key(ty, value, out));
        }
        return;
    }
    for row in rows {
        group(row, &mut |out| encode_row(types, columns, row, out));
    }
}

/// Some rows of a batch.
#[derive(Clone, Copy)]
struct Selected<'a> {
    rows: Option<&'a [u32]>,
    count: usize,
}

impl Selected<'_> {
    #[inline]
    fn for_each(self, mut each: impl FnMut(usize)) {
        match self.rows {
            None => (0..self.count).for_each(each),
            Some(rows) => rows.iter().for_each(|row| each(*row as usize)),
        }
    }
}

/// Gives out numbers of keys.
struct Numbers<'a> {
    references: &'a mut Vec<u32>,
    free: &'a mut Vec<KeyId>,
}

impl Numbers<'_> {
    /// A number for a new key, and whether it was used before.
    fn next(&mut self) -> (KeyId, bool) {
        if let Some(key) = self.free.pop() {
            return (key, true);
        }
        let key = self.references.len() as KeyId;
        self.references.push(0);
        (key, false)
    }
}

fn put<T>(values: &mut Vec<T>, (key, used): (KeyId, bool), value: T) -> KeyId {
    if used {
        values[key as usize] = value;
    } else {
        debug_assert_eq!(values.len(), key as usize);
        values.push(value);
    }
    key
}

#[inline]
fn hash_narrow(hasher: &foldhash::fast::FixedState, value: i64) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_i64(value);
    state.finish()
}

#[inline]
fn hash_bytes(hasher: &foldhash::fast::FixedState, bytes: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(bytes);
    state.finish()
}

#[expect(clippy::too_many_arguments, reason = "the parts of one store, borrowed apart")]
fn look_up_narrow(
    mut numbers: Numbers<'_>,
    values: &mut Vec<i64>,
    table: &mut HashTable<(i64, KeyId)>,
    null: &mut Option<KeyId>,
    hasher: &foldhash::fast::FixedState,
    rows: Selected<'_>,
    column: &ArrayRef,
    narrow: &[i64],
    out: &mut Vec<KeyId>,
) {
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    rows.for_each(|row| {
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            out.push(*null.get_or_insert_with(|| put(values, numbers.next(), 0)));
            return;
        }
        let value = narrow[row];
        let hash = hash_narrow(hasher, value);
        if let Some((_, key)) = table.find(hash, |(known, _)| *known == value) {
            out.push(*key);
            return;
        }
        let key = put(values, numbers.next(), value);
        table.insert_unique(hash, (value, key), |(value, _)| hash_narrow(hasher, *value));
        out.push(key);
    });
}

#[expect(clippy::too_many_arguments, reason = "the parts of one store, borrowed apart")]
fn look_up_text(
    mut numbers: Numbers<'_>,
    values: &mut Vec<Box<[u8]>>,
    table: &mut HashTable<(u64, KeyId)>,
    null: &mut Option<KeyId>,
    hasher: &foldhash::fast::FixedState,
    rows: Selected<'_>,
    column: &ArrayRef,
    out: &mut Vec<KeyId>,
) {
    let texts = column.as_string::<i32>();
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    rows.for_each(|row| {
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            out.push(*null.get_or_insert_with(|| put(values, numbers.next(), Box::default())));
            return;
        }
        out.push(find_bytes(&mut numbers, values, table, hasher, texts.value(row).as_bytes()));
    });
}

#[inline]
fn find_bytes(
    numbers: &mut Numbers<'_>,
    values: &mut Vec<Box<[u8]>>,
    table: &mut HashTable<(u64, KeyId)>,
    hasher: &foldhash::fast::FixedState,
    bytes: &[u8],
) -> KeyId {
    let hash = hash_bytes(hasher, bytes);
    let known = |(full, key): &(u64, KeyId)| *full == hash && *values[*key as usize] == *bytes;
    match table.entry(hash, known, |(hash, _)| *hash) {
        Entry::Occupied(entry) => entry.get().1,
        Entry::Vacant(entry) => {
            let key = put(values, numbers.next(), bytes.into());
            entry.insert((hash, key));
            key
        }
    }
}
