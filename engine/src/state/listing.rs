//! Many entries at once, whose bytes stand in one buffer.

use super::StateEntry;
use crate::ids::KeyGroup;
use bytes::Bytes;
use std::cmp::Ordering;

/// Entries that are being listed, in any order.
///
/// A snapshot lists millions of small keys and values. One allocation for all of them
/// costs less than one for each, and less than that to give back.
#[derive(Default)]
pub struct Listing {
    bytes: Vec<u8>,
    marks: Vec<Mark>,
}

/// Where an entry's bytes are: the key, and right behind it the value.
struct Mark {
    key_group: KeyGroup,
    table: &'static str,
    /// The first bytes of the key as a number. Two keys are ordered as their heads are
    /// if these differ, and most keys need no second look.
    head: u64,
    start: usize,
    key_end: usize,
    /// `None` says that the entry is gone.
    value_end: Option<usize>,
}

impl Listing {
    /// Adds an entry. `write_key` appends its key and says to which key group it belongs;
    /// `write_value` appends its value, and there is none if the entry is gone.
    pub fn add(
        &mut self,
        table: &'static str,
        write_key: impl FnOnce(&mut Vec<u8>) -> KeyGroup,
        write_value: Option<impl FnOnce(&mut Vec<u8>)>,
    ) {
        let start = self.bytes.len();
        let key_group = write_key(&mut self.bytes);
        let key_end = self.bytes.len();
        let head = head(&self.bytes[start..key_end]);
        let value_end = write_value.map(|write_value| {
            write_value(&mut self.bytes);
            self.bytes.len()
        });
        self.marks.push(Mark { key_group, table, head, start, key_end, value_end });
    }

    /// Appends the entries in the order of [`StateEntry::by_place`].
    pub fn finish(self, out: &mut Vec<StateEntry>) {
        let Listing { bytes, mut marks } = self;
        let key = |mark: &Mark| &bytes[mark.start..mark.key_end];
        marks.sort_unstable_by(|a, b| a.by_place(b).then_with(|| key(a).cmp(key(b))));
        let bytes = Bytes::from(bytes);
        out.extend(marks.into_iter().map(|mark| StateEntry {
            key_group: mark.key_group,
            table: mark.table,
            key: bytes.slice(mark.start..mark.key_end),
            value: mark.value_end.map(|end| bytes.slice(mark.key_end..end)),
        }));
    }
}

impl Mark {
    /// The order as far as it can be told without the bytes.
    fn by_place(&self, other: &Mark) -> Ordering {
        // Nearly all entries of an operator belong to one table, whose name is one text.
        let same_table = std::ptr::eq(self.table, other.table);
        let by_table = || if same_table { Ordering::Equal } else { self.table.cmp(other.table) };
        self.key_group
            .cmp(&other.key_group)
            .then_with(by_table)
            .then_with(|| self.head.cmp(&other.head))
    }
}

/// The first eight bytes as a number that sorts as they do; what is missing counts as 0.
fn head(key: &[u8]) -> u64 {
    if let Some(first) = key.first_chunk::<8>() {
        return u64::from_be_bytes(*first);
    }
    let mut first = [0; 8];
    first[..key.len()].copy_from_slice(key);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_in_the_order_of_group_table_and_whole_key() {
        let places: [(u16, &str, &[u8]); 9] = [
            (2, "a", b""),
            (1, "b", b"12345678"),
            (1, "b", b"1234567"),
            (1, "b", b"1234567\0"),
            (1, "b", b"123456789"),
            (1, "b", b"12345678\0"),
            (1, "a", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
            (1, "a", b"x"),
            (0, "b", b"x"),
        ];
        let mut listing = Listing::default();
        for (index, (group, table, key)) in places.into_iter().enumerate() {
            let write_key = |out: &mut Vec<u8>| {
                out.extend(key);
                KeyGroup(group)
            };
            let write_value = (index != 3).then_some(|out: &mut Vec<u8>| out.push(index as u8));
            listing.add(table, write_key, write_value);
        }
        let mut out = Vec::new();
        listing.finish(&mut out);
        let mut expected: Vec<StateEntry> = places
            .into_iter()
            .enumerate()
            .map(|(index, (group, table, key))| StateEntry {
                key_group: KeyGroup(group),
                table,
                key: Bytes::from_static(key),
                value: (index != 3).then(|| Bytes::from(vec![index as u8])),
            })
            .collect();
        expected.sort();
        assert_eq!(out, expected);
    }
}
