//! The bytes of a file: what processes see, and what is on the disk.

use crate::rng::Draws;
use std::collections::BTreeSet;

/// The bytes of a file, under whatever names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct File {
    /// As every process sees them now.
    pub(super) bytes: Vec<u8>,
    /// As they certainly survive.
    durable: Vec<u8>,
    /// What the file held since it was last synced and was then replaced or cut: some of
    /// that may have reached the disk all the same.
    replaced: Vec<Vec<u8>>,
    /// How many bytes at the start nothing has touched since the file was last synced.
    untouched: usize,
    /// What the system believes since a sync failed.
    lie: Option<Lie>,
}

/// A failed sync leaves pages that the system takes for written and never writes again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Lie {
    /// What is on the disk in truth.
    on_disk: Vec<u8>,
    /// How many bytes at the start are taken for written.
    believed: usize,
}

impl File {
    /// A file all of which survives.
    pub(super) fn durable(bytes: Vec<u8>) -> File {
        let (durable, untouched) = (bytes.clone(), bytes.len());
        File { bytes, durable, replaced: Vec::new(), untouched, lie: None }
    }

    /// Makes everything survive, as far as the system still knows what to write.
    pub(super) fn sync(&mut self) {
        if self.lie.is_some() {
            return self.keep(self.on_disk(&self.bytes));
        }
        // Only what is new is copied: a journal is synced behind every record.
        self.durable.truncate(self.untouched.min(self.bytes.len()));
        self.durable.extend_from_slice(&self.bytes[self.durable.len()..]);
        self.replaced.clear();
        self.untouched = self.bytes.len();
    }

    /// The sync fails: what a power failure would leave is on the disk, and the rest is
    /// taken for written.
    pub(super) fn fail_sync(&mut self, draws: &mut Draws) {
        let found = self.outcome(draws);
        self.lie = Some(Lie { on_disk: Vec::new(), believed: 0 });
        self.keep(found);
    }

    /// These bytes are on the disk, and the system has nothing to write.
    fn keep(&mut self, on_disk: Vec<u8>) {
        if let Some(lie) = &mut self.lie {
            (lie.on_disk, lie.believed) = (on_disk.clone(), self.bytes.len());
        }
        self.durable = on_disk;
        self.replaced.clear();
        self.untouched = self.bytes.len();
    }

    /// What the disk will hold once the system has written what it has to, when the file
    /// holds this.
    fn on_disk(&self, bytes: &[u8]) -> Vec<u8> {
        let Some(lie) = &self.lie else { return bytes.to_vec() };
        let mut found = lie.on_disk.clone();
        if bytes.len() > lie.believed {
            found.resize(lie.believed, 0);
            found.extend_from_slice(&bytes[lie.believed..]);
        } else {
            found.truncate(bytes.len());
        }
        found
    }

    /// Whether the system takes for written what is not.
    pub(super) fn is_lied_about(&self) -> bool {
        self.lie.is_some()
    }

    /// What was only in memory is forgotten, and the file is read from the disk again.
    pub(super) fn forget_lies(&mut self) {
        if self.lie.is_some() {
            self.bytes = self.on_disk(&self.bytes);
            self.replaced = self.replaced.iter().map(|bytes| self.on_disk(bytes)).collect();
            self.untouched = self.untouched.min(self.bytes.len());
            self.lie = None;
        }
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Cuts the file to so many bytes.
    pub(super) fn cut(&mut self, length: usize) {
        if self.bytes != self.durable {
            self.replaced.push(self.bytes.clone());
        }
        self.bytes.truncate(length);
        self.untouched = self.untouched.min(length);
        if let Some(lie) = &mut self.lie {
            lie.believed = lie.believed.min(length);
        }
    }

    /// One bit changes, in memory and on the disk.
    pub(super) fn rot(&mut self, byte: usize, bit: u8) {
        for bytes in [&mut self.bytes, &mut self.durable] {
            if let Some(byte) = bytes.get_mut(byte) {
                *byte ^= 1 << bit;
            }
        }
    }

    /// Whether the power can take nothing away.
    fn is_durable(&self) -> bool {
        self.bytes == self.durable && self.replaced.is_empty()
    }

    /// Some of what may have come of the bytes that were not synced: all kinds, each cut in
    /// the middle.
    pub(super) fn outcomes(&self) -> BTreeSet<File> {
        let mut found = BTreeSet::from([self.durable.clone()]);
        for new in self.replaced.iter().chain([&self.bytes]) {
            let kept = self.untouched.min(new.len());
            let middle = kept + (new.len() - kept) / 2;
            let partial = [
                new[..kept].to_vec(),
                new[..middle].to_vec(),
                with_zeros(new, kept, new.len()),
                with_zeros(new, middle, new.len()),
                with_zeros(new, kept, middle),
                new.clone(),
            ];
            found.extend(partial.iter().map(|bytes| self.on_disk(bytes)));
        }
        found.into_iter().map(File::durable).collect()
    }

    /// One of all that may have come of the bytes that were not synced.
    pub(super) fn outcome(&self, draws: &mut Draws) -> Vec<u8> {
        if self.is_durable() {
            return self.durable.clone();
        }
        let contents: Vec<&Vec<u8>> = self.replaced.iter().chain([&self.bytes]).collect();
        let new = *draws.choose(&contents);
        let kept = self.untouched.min(new.len());
        let mut place = || kept + draws.below((new.len() - kept + 1) as u64) as usize;
        let (one, other) = (place(), place());
        let (from, to) = (one.min(other), one.max(other));
        match draws.below(5) {
            0 => self.durable.clone(),
            1 => self.on_disk(&new[..from]),
            2 => self.on_disk(&with_zeros(new, from, new.len())),
            // A block that came behind one that did not.
            3 => self.on_disk(&with_zeros(new, from, to)),
            _ => self.on_disk(new),
        }
    }

    /// What is left if the power takes nothing, or all that it can.
    pub(super) fn extreme(&self, keeps_all: bool) -> Vec<u8> {
        if keeps_all { self.on_disk(&self.bytes) } else { self.durable.clone() }
    }
}

fn with_zeros(bytes: &[u8], from: usize, to: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[from..to].fill(0);
    bytes
}
