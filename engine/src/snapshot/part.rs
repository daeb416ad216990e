//! A part: the state entries of one node in a range of key groups, sorted.

use crate::codec::{DecodeError, Reader, put_bytes, put_list, put_str, put_u32, put_u64};
use crate::ids::{Epoch, Generation, KeyGroup};
use crate::planted;
use crate::snapshot::envelope::{checksum, open, seal};
use crate::snapshot::{PartName, PartRef, SnapshotError};
use crate::state::StateEntry;
use bytes::Bytes;

const MAGIC: [u8; 4] = *b"ABSp";

/// An entry as it was read. Its table is a text of the file; see
/// [`PartEntry::into_state`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartEntry {
    /// The key group of the entry's key.
    pub key_group: KeyGroup,
    /// The table within the operator.
    pub table: String,
    /// The encoded key.
    pub key: Bytes,
    /// The encoded value; `None` says that the entry is gone since the part before.
    pub value: Option<Bytes>,
}

impl PartEntry {
    /// The entry as an operator takes it, if the table is one of `tables`.
    ///
    /// # Errors
    /// The name of the table, if the operator has none of that name.
    // spec: S-3
    pub fn into_state(self, tables: &[&'static str]) -> Result<StateEntry, String> {
        let Some(table) = tables.iter().find(|table| **table == self.table) else {
            return Err(self.table);
        };
        Ok(StateEntry { key_group: self.key_group, table, key: self.key, value: self.value })
    }
}

/// Cuts the entries of a node into pieces of about `bytes_min` bytes and more, at
/// boundaries of key groups only, so that a part holds whole key groups.
///
/// The pieces are in order and hold all entries; none is empty.
#[must_use]
pub fn cut_parts(entries: &[StateEntry], bytes_min: usize) -> Vec<&[StateEntry]> {
    let mut pieces = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, entry) in entries.iter().enumerate() {
        let begins_group = index > 0 && entries[index - 1].key_group != entry.key_group;
        if begins_group && bytes >= bytes_min {
            pieces.push(&entries[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += entry.key.len() + entry.value.as_ref().map_or(0, Bytes::len);
    }
    if start < entries.len() {
        pieces.push(&entries[start..]);
    }
    pieces
}

/// A part as bytes, and the reference for the manifest.
///
/// # Panics
/// If there is no entry, or the entries are not sorted by (key group, table, key)
/// without repetition.
#[must_use]
pub fn encode_part(name: PartName, node: &str, entries: &[StateEntry]) -> (Bytes, PartRef) {
    let is_sorted = entries.windows(2).all(|pair| pair[0].by_place(&pair[1]).is_lt());
    assert!(is_sorted, "the entries of {node} are sorted and unique");
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
        panic!("a part of {node} without entries is not written");
    };
    let mut tables: Vec<&str> = entries.iter().map(|entry| entry.table).collect();
    tables.dedup();
    tables.sort_unstable();
    tables.dedup();
    let bytes: Bytes = seal(MAGIC, |out| {
        put_part_name(out, name);
        put_str(out, node);
        put_list(out, &tables, |out, table| put_str(out, table));
        put_list(out, entries, |out, entry| {
            let table = tables.binary_search(&entry.table).expect("its table was collected");
            put_u32(out, u32::from(entry.key_group.0));
            put_u64(out, table as u64);
            put_bytes(out, &entry.key);
            put_value(out, entry.value.as_deref());
        });
    })
    .into();
    let reference = PartRef {
        name,
        bytes: bytes.len() as u64,
        checksum: checksum(&bytes),
        entries: entries.len() as u64,
        first_key_group: first.key_group,
        last_key_group: last.key_group,
    };
    (bytes, reference)
}

/// The entries of a part, in order. They share its bytes.
///
/// # Errors
/// If the bytes are not those that the manifest names, or do not belong to `node`.
// spec: S-1
pub fn decode_part(
    part: &PartRef,
    node: &str,
    bytes: &Bytes,
) -> Result<Vec<PartEntry>, SnapshotError> {
    let object = part.name.to_string();
    let damaged = |what: String| SnapshotError::Damaged { object: object.clone(), what };
    if bytes.len() as u64 != part.bytes {
        let what = format!("it has {} bytes instead of {}", bytes.len(), part.bytes);
        return Err(damaged(what));
    }
    if checksum(bytes) != part.checksum && !planted!(P7) {
        return Err(damaged("its checksum is not the one that the manifest names".into()));
    }
    let payload = bytes.slice_ref(open(&object, MAGIC, bytes)?);
    let read = read_part(&payload).map_err(|error| damaged(error.to_string()))?;
    if read.name != part.name {
        return Err(damaged(format!("it says that it is {}", read.name)));
    }
    if read.node != node {
        return Err(damaged(format!("it belongs to {} and not to {node}", read.node)));
    }
    let groups = |entry: Option<&PartEntry>| entry.map(|entry| entry.key_group);
    let is_named = read.entries.len() as u64 == part.entries
        && groups(read.entries.first()) == Some(part.first_key_group)
        && groups(read.entries.last()) == Some(part.last_key_group);
    if !is_named {
        return Err(damaged("it holds other entries than the manifest says".into()));
    }
    Ok(read.entries)
}

struct ReadPart {
    name: PartName,
    node: String,
    entries: Vec<PartEntry>,
}

fn read_part(payload: &Bytes) -> Result<ReadPart, DecodeError> {
    let reader = &mut Reader::new(payload);
    let name = read_part_name(reader)?;
    let node = reader.str()?.to_owned();
    let tables = reader.list(1, |reader| reader.str())?;
    if !tables.is_sorted_by(|a, b| a < b) {
        return Err(reader.error("tables out of order"));
    }
    let mut used = vec![false; tables.len()];
    let entries = reader.list(4, |reader| read_entry(reader, payload, &tables, &mut used))?;
    let is_sorted = entries.is_sorted_by(|a: &PartEntry, b: &PartEntry| {
        (a.key_group, &a.table, &a.key) < (b.key_group, &b.table, &b.key)
    });
    if !is_sorted {
        return Err(reader.error("entries out of order"));
    }
    // A table without an entry would be a second encoding of the same part.
    if used.contains(&false) {
        return Err(reader.error("a table without an entry"));
    }
    reader.finish()?;
    Ok(ReadPart { name, node, entries })
}

/// Reads an entry of a part of these bytes, and notes in `used` which table it is of.
fn read_entry(
    reader: &mut Reader<'_>,
    whole: &Bytes,
    tables: &[&str],
    used: &mut [bool],
) -> Result<PartEntry, DecodeError> {
    let key_group = u16::try_from(reader.u32()?).map_err(|_| reader.error("no key group"))?;
    let index = usize::try_from(reader.u64()?).unwrap_or(usize::MAX);
    let table = tables.get(index).ok_or_else(|| reader.error("a table that is not listed"))?;
    used[index] = true;
    let key = whole.slice_ref(reader.bytes()?);
    let value = read_value(reader)?.map(|value| whole.slice_ref(value));
    Ok(PartEntry { key_group: KeyGroup(key_group), table: (*table).to_owned(), key, value })
}

/// One more than the length, so that 0 stands for an entry that is gone.
fn put_value(out: &mut Vec<u8>, value: Option<&[u8]>) {
    let Some(value) = value else {
        return put_u64(out, 0);
    };
    put_u64(out, value.len() as u64 + 1);
    out.extend_from_slice(value);
}

fn read_value<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
    let Some(length) = reader.u64()?.checked_sub(1) else {
        return Ok(None);
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    Ok(Some(reader.take(length)?))
}

pub(super) fn put_part_name(out: &mut Vec<u8>, name: PartName) {
    put_u64(out, name.epoch.0);
    put_u64(out, name.generation.number);
    out.extend_from_slice(&name.generation.nonce.to_le_bytes());
    put_u32(out, name.number);
}

pub(super) fn read_part_name(reader: &mut Reader<'_>) -> Result<PartName, DecodeError> {
    let epoch = Epoch(reader.u64()?);
    let number = reader.u64()?;
    let nonce = u64::from_le_bytes(reader.array()?);
    Ok(PartName { epoch, generation: Generation { number, nonce }, number: reader.u32()? })
}
