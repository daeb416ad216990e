//! What an operator's state looks like outside the operator: named tables of
//! entries, addressed by key group, each entry a key and a value in our own
//! encoding. The layout in memory is the operator's private matter.

pub mod codec;
mod listing;

pub use listing::Listing;

use crate::ids::{Epoch, KeyGroup};
use bytes::Bytes;
use std::cmp::Ordering;

/// One entry of a state table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StateEntry {
    /// The key group of the entry's key.
    pub key_group: KeyGroup,
    /// The table within the operator, such as `panes`.
    pub table: &'static str,
    /// The encoded key; unique within (key group, table).
    pub key: Bytes,
    /// The encoded value; `None` says that the entry is gone, and stands only in a
    /// list of changes.
    pub value: Option<Bytes>,
}

impl StateEntry {
    /// The order in which entries are listed: (key group, table, key), which is unique.
    #[must_use]
    pub fn by_place(&self, other: &StateEntry) -> Ordering {
        // Nearly all entries of an operator belong to one table, whose name is one text.
        let same_table = std::ptr::eq(self.table, other.table);
        let by_table = || if same_table { Ordering::Equal } else { self.table.cmp(other.table) };
        self.key_group
            .cmp(&other.key_group)
            .then_with(by_table)
            .then_with(|| self.key.cmp(&other.key))
    }
}

/// Which entries to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// All that exist.
    Beginning,
    /// Those that changed or went after this epoch.
    Epoch(Epoch),
}
