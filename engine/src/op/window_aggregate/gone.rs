//! Which state entries went, for incremental snapshots.

use crate::ids::Epoch;

/// How many entries may be remembered at any rate.
const REMEMBERED_MIN: usize = 4096;

/// The entries that went since an epoch, oldest first.
///
/// Bounded: when there are more than twice as many as entries that live, a whole
/// snapshot is shorter than the changes, so all are forgotten, and the next save
/// gives everything.
// spec: F-5
#[derive(Default)]
pub(super) struct Gone {
    /// From which epoch on everything that went is remembered; `None` if nothing is.
    since: Option<Epoch>,
    /// In which epoch an entry went, and its encoded key.
    entries: Vec<(Epoch, Vec<u8>)>,
}

impl Gone {
    /// Remembers from now on what goes, and forgets what went up to this epoch.
    pub(super) fn keep(&mut self, since: Epoch) {
        let known = self.entries.partition_point(|(epoch, _)| *epoch <= since);
        self.entries.drain(..known);
        self.since = Some(since);
    }

    /// Whether entries are remembered.
    pub(super) fn is_kept(&self) -> bool {
        self.since.is_some()
    }

    /// Remembers an entry.
    pub(super) fn push(&mut self, epoch: Epoch, key: Vec<u8>) {
        if self.since.is_some() {
            self.entries.push((epoch, key));
        }
    }

    /// Forgets everything if that is too much beside so many entries that live.
    pub(super) fn bound(&mut self, live: usize) {
        if self.entries.len() > REMEMBERED_MIN.max(2 * live) {
            *self = Gone::default();
        }
    }

    /// The keys of the entries that went after this epoch; `None` if that is not
    /// known.
    pub(super) fn after(&self, epoch: Epoch) -> Option<&[(Epoch, Vec<u8>)]> {
        if self.since.is_none_or(|since| since > epoch) {
            return None;
        }
        let first = self.entries.partition_point(|(went, _)| *went <= epoch);
        Some(&self.entries[first..])
    }

    /// Makes the first of `new` remember what all of `old` did.
    pub(super) fn hand_over<'a>(
        old: impl Iterator<Item = &'a Gone>,
        new: impl Iterator<Item = &'a mut Gone>,
    ) {
        let mut all: Option<Gone> = None;
        for gone in old {
            let all = all.get_or_insert_with(|| Gone { since: gone.since, entries: Vec::new() });
            // What one of them forgot is not known any more.
            all.since = all.since.zip(gone.since).map(|(a, b)| a.max(b));
            all.entries.extend(gone.entries.iter().cloned());
        }
        let mut all = all.unwrap_or_default();
        all.entries.sort_by_key(|(epoch, _)| *epoch);
        let since = all.since;
        for new in new {
            *new = std::mem::replace(&mut all, Gone { since, entries: Vec::new() });
        }
    }

    /// About how many bytes of memory this takes.
    pub(super) fn memory_bytes(&self) -> usize {
        let keys: usize = self.entries.iter().map(|(_, key)| key.capacity()).sum();
        keys + 32 * self.entries.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_is_remembered_from_the_epoch_asked_for_and_within_bounds() {
        // spec: F-5
        let mut gone = Gone::default();
        gone.push(Epoch(1), vec![1]);
        assert!(gone.after(Epoch(0)).is_none());
        gone.keep(Epoch(1));
        gone.push(Epoch(2), vec![2]);
        gone.push(Epoch(3), vec![3]);
        assert!(gone.after(Epoch(0)).is_none());
        assert_eq!(gone.after(Epoch(1)).map(<[_]>::len), Some(2));
        assert_eq!(gone.after(Epoch(2)).map(<[_]>::len), Some(1));
        gone.keep(Epoch(2));
        assert!(gone.after(Epoch(1)).is_none());
        for key in 0..5000_u32 {
            gone.push(Epoch(4), key.to_be_bytes().to_vec());
        }
        gone.bound(10);
        assert!(!gone.is_kept());
        assert!(gone.after(Epoch(4)).is_none());
    }
}
