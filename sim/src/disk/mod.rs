//! A folder of files in memory, with everything that a power failure may take away.
//!
//! It is stricter than any file system in use. What was not synced may be there, may
//! not be there, or may be there in part: the bytes of a file may be old, cut, or
//! zeros of the right length; a new name may be missing; a renamed file may be found
//! under the old name, the new one, or both. Every such change is lost or kept
//! without regard to the others.

mod file;
mod names;
mod power;

pub use power::{KEEP_ALL, LOSE_ALL};

use crate::rng::Draws;
use anabranch_engine::service::fs::{FsAnswer, FsFailure, FsRequest};
use bytes::Bytes;
use file::File;
use names::{NameChange, Names};
use std::collections::{BTreeMap, BTreeSet};

/// Tells the processes apart that use a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessId(pub u32);

/// One folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Folder {
    /// All files that have a name, or may have one after a power failure, by number.
    files: Vec<File>,
    /// Numbers of files that are gone.
    free: Vec<usize>,
    /// The names as every process sees them now.
    names: Names,
    /// The names as they certainly survive.
    durable_names: Names,
    /// What changed between the two, in order, as far as the system knows.
    pending: Vec<NameChange>,
    /// Whether a sync of the names failed: the system takes changes for written that are
    /// not.
    lies: bool,
    /// Who holds which lock, and what it says.
    locks: BTreeMap<String, (ProcessId, String)>,
}

impl Folder {
    /// Does one operation for a process.
    pub fn execute(&mut self, process: ProcessId, request: &FsRequest) -> FsAnswer {
        match request {
            FsRequest::Lock { name, holder } => return self.lock(process, name, holder),
            FsRequest::ProveLock { name } => return self.prove_lock(process, name),
            FsRequest::List => return FsAnswer::Names(self.names.keys().cloned().collect()),
            FsRequest::Read { name } => {
                let Some(file) = self.names.get(name) else {
                    return failed(FsFailure::NotFound, name);
                };
                return FsAnswer::Data(Bytes::copy_from_slice(&self.files[*file].bytes));
            }
            FsRequest::Create { name, bytes } => {
                if self.names.contains_key(name) {
                    return failed(FsFailure::Exists, name);
                }
                self.write(name, bytes);
            }
            FsRequest::Write { name, bytes } => self.write(name, bytes),
            FsRequest::Append { name, at, bytes } => {
                let Some(file) = self.names.get(name) else {
                    return failed(FsFailure::NotFound, name);
                };
                let file = &mut self.files[*file];
                if file.bytes.len() as u64 != *at {
                    return failed(FsFailure::Moved, name);
                }
                file.append(bytes);
            }
            FsRequest::Truncate { name, length } => {
                let Some(file) = self.names.get(name) else {
                    return failed(FsFailure::NotFound, name);
                };
                let length = usize::try_from(*length).expect("a file of memory fits into it");
                self.files[*file].cut(length);
            }
            FsRequest::SyncFile { name } => {
                let Some(file) = self.names.get(name) else {
                    return failed(FsFailure::NotFound, name);
                };
                self.files[*file].sync();
            }
            FsRequest::SyncDir => {
                for change in self.pending.drain(..) {
                    change.apply(&mut self.durable_names);
                }
                self.drop_nameless();
            }
            FsRequest::Rename { from, to } => {
                let Some(file) = self.names.remove(from) else {
                    return failed(FsFailure::NotFound, from);
                };
                self.names.insert(to.clone(), file);
                let (from, to) = (from.clone(), to.clone());
                self.pending.push(NameChange::Rename { from, to, file });
            }
            FsRequest::Remove { name } => {
                if self.names.remove(name).is_some() {
                    self.pending.push(NameChange::Unlink { name: name.clone() });
                }
            }
        }
        FsAnswer::Done
    }

    /// Does the first half of an operation, as far as it can be done by halves: what
    /// a full disk, or the death of the process in the middle of it, leaves.
    pub fn execute_half(&mut self, process: ProcessId, request: &FsRequest) {
        let mut half = request.clone();
        match &mut half {
            FsRequest::Append { bytes, .. }
            | FsRequest::Create { bytes, .. }
            | FsRequest::Write { bytes, .. } => {
                bytes.truncate(bytes.len() / 2);
                self.execute(process, &half);
            }
            FsRequest::Lock { .. }
            | FsRequest::ProveLock { .. }
            | FsRequest::List
            | FsRequest::Read { .. }
            | FsRequest::SyncFile { .. }
            | FsRequest::SyncDir
            | FsRequest::Rename { .. }
            | FsRequest::Truncate { .. }
            | FsRequest::Remove { .. } => {}
        }
    }

    /// Frees what no name leads to any more.
    fn drop_nameless(&mut self) {
        let mut is_kept = vec![false; self.files.len()];
        let named = self.names.values().chain(self.durable_names.values());
        named.chain(&self.free).for_each(|number| is_kept[*number] = true);
        for (number, file) in self.files.iter_mut().enumerate() {
            if !is_kept[number] {
                *file = File::default();
                self.free.push(number);
            }
        }
    }

    fn lock(&mut self, process: ProcessId, name: &str, holder: &str) -> FsAnswer {
        match self.locks.get(name) {
            Some((other, text)) if *other != process => failed(FsFailure::Locked, text),
            _ => {
                self.locks.insert(name.to_owned(), (process, holder.to_owned()));
                FsAnswer::Done
            }
        }
    }

    fn prove_lock(&self, process: ProcessId, name: &str) -> FsAnswer {
        match self.locks.get(name) {
            Some((holder, _)) if *holder == process => FsAnswer::Done,
            Some((_, text)) => failed(FsFailure::Locked, text),
            None => failed(FsFailure::Locked, name),
        }
    }

    fn write(&mut self, name: &str, bytes: &[u8]) {
        let file = match self.names.get(name) {
            Some(file) => *file,
            None => {
                let file = self.free.pop().unwrap_or_else(|| {
                    self.files.push(File::default());
                    self.files.len() - 1
                });
                self.names.insert(name.to_owned(), file);
                self.pending.push(NameChange::Link { name: name.to_owned(), file });
                file
            }
        };
        self.files[file].cut(0);
        self.files[file].append(bytes);
    }

    /// An operation fails that should make something survive. What it should have kept may
    /// be on the disk or not; the system takes it for written, so that the next sync goes
    /// well without it. Processes see what was only in memory until one of them dies.
    ///
    /// Gives the answer, or `None` if the request syncs nothing that is there.
    pub fn fail_sync(&mut self, request: &FsRequest, draws: &mut Draws) -> Option<FsAnswer> {
        let what = match request {
            FsRequest::SyncFile { name } => {
                self.files[*self.names.get(name)?].fail_sync(draws);
                format!("cannot sync {name}: the disk failed")
            }
            FsRequest::SyncDir => {
                for change in self.pending.drain(..) {
                    change.apply_by_chance(&mut self.durable_names, draws);
                }
                self.lies = true;
                String::from("cannot sync the folder: the disk failed")
            }
            FsRequest::Append { .. }
            | FsRequest::Create { .. }
            | FsRequest::List
            | FsRequest::Lock { .. }
            | FsRequest::ProveLock { .. }
            | FsRequest::Read { .. }
            | FsRequest::Remove { .. }
            | FsRequest::Rename { .. }
            | FsRequest::Truncate { .. }
            | FsRequest::Write { .. } => return None,
        };
        Some(FsAnswer::Failed { kind: FsFailure::Other, what })
    }

    /// A process dies: its locks are free, everything that it wrote stays visible, unless
    /// it was only in memory and the system does not know it. Gives how many files are not
    /// as they were seen.
    pub fn process_dies(&mut self, process: ProcessId) -> u64 {
        self.locks.retain(|_, (holder, _)| *holder != process);
        let before = self.is_lied_about().then(|| self.clone());
        self.files.iter_mut().for_each(File::forget_lies);
        if self.lies {
            self.names.clone_from(&self.durable_names);
            for change in &self.pending {
                change.apply(&mut self.names);
            }
            self.lies = false;
        }
        before.map_or(0, |before| before.differences(self))
    }

    /// Whether a sync failed since a process died last.
    fn is_lied_about(&self) -> bool {
        self.lies || self.files.iter().any(File::is_lied_about)
    }

    /// How many names there are in only one of two folders, or with other bytes.
    #[must_use]
    pub fn differences(&self, other: &Folder) -> u64 {
        let names: BTreeSet<&String> = self.names.keys().chain(other.names.keys()).collect();
        let differ = names.into_iter().filter(|name| self.bytes(name) != other.bytes(name));
        differ.count() as u64
    }

    /// A folder with these files, all of which survive.
    #[must_use]
    pub fn with_files(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Folder {
        let mut folder = Folder::default();
        for (name, bytes) in files {
            folder.names.insert(name, folder.files.len());
            folder.files.push(File::durable(bytes));
        }
        folder.durable_names.clone_from(&folder.names);
        folder
    }

    /// A copy of the folder as processes see it, made by a person, all of which survives.
    #[must_use]
    pub fn copied(&self) -> Folder {
        let bytes = |file: &usize| self.files[*file].bytes.clone();
        Folder::with_files(self.names.iter().map(|(name, file)| (name.clone(), bytes(file))))
    }

    /// The bytes of a file as processes see them.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.names.get(name).map(|file| &*self.files[*file].bytes)
    }

    /// The names of all files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }

    /// One bit of a file changes, in memory and on the disk.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn rot(&mut self, name: &str, byte: usize, bit: u8) {
        self.files[self.names[name]].rot(byte, bit);
    }

    /// Somebody removes a file by hand, durably.
    pub fn lose(&mut self, name: &str) {
        if let Some(file) = self.names.remove(name) {
            self.durable_names.retain(|_, other| *other != file);
            self.pending.retain(|change| change.name() != name);
        }
    }

    /// The names that a consumer sees, with the bytes: all but the hidden ones.
    #[must_use]
    pub fn visible(&self) -> BTreeMap<String, Vec<u8>> {
        let visible = self.names.iter().filter(|(name, _)| !name.starts_with('.'));
        visible.map(|(name, file)| (name.clone(), self.files[*file].bytes.clone())).collect()
    }

    /// A consumer moves a file away, durably as far as that name is concerned.
    pub fn take_away(&mut self, name: &str) {
        let file = self.names.remove(name);
        self.durable_names.remove(name);
        if self.lies {
            // What it has taken is not found under an older name.
            self.durable_names.retain(|_, other| Some(*other) != file);
        }
        for change in &mut self.pending {
            if let NameChange::Rename { from, to, .. } = change
                && to == name
            {
                *change = NameChange::Unlink { name: from.clone() };
            }
        }
        let is_link = |change: &NameChange| matches!(change, NameChange::Link { .. });
        self.pending.retain(|change| !(is_link(change) && change.name() == name));
    }
}

fn failed(kind: FsFailure, what: &str) -> FsAnswer {
    FsAnswer::Failed { kind, what: what.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: ProcessId = ProcessId(1);

    fn write(folder: &mut Folder, name: &str, bytes: &'static str) {
        folder.execute(ONE, &FsRequest::Write { name: name.into(), bytes: bytes.into() });
    }

    fn contents(folders: &BTreeSet<Folder>) -> BTreeSet<Vec<(String, String)>> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let list = |folder: &Folder| {
            let files = folder.names.iter();
            files.map(|(name, file)| (name.clone(), text(&folder.files[*file].bytes))).collect()
        };
        folders.iter().map(list).collect()
    }

    #[test]
    fn what_is_synced_survives() {
        let mut folder = Folder::default();
        write(&mut folder, "a", "data");
        folder.execute(ONE, &FsRequest::SyncFile { name: "a".into() });
        folder.execute(ONE, &FsRequest::SyncDir);
        let expected = BTreeSet::from([vec![("a".to_owned(), "data".to_owned())]]);
        assert_eq!(contents(&folder.power_failures()), expected);
    }

    #[test]
    fn a_name_without_bytes_and_bytes_without_a_name_are_possible() {
        let mut folder = Folder::default();
        write(&mut folder, "a", "data");
        let found = contents(&folder.power_failures());
        assert!(found.contains(&Vec::new()));
        assert!(found.contains(&vec![("a".to_owned(), String::new())]));
        assert!(found.contains(&vec![("a".to_owned(), "\0\0\0\0".to_owned())]));
        assert!(found.contains(&vec![("a".to_owned(), "data".to_owned())]));
    }

    #[test]
    fn a_renamed_file_may_have_either_name_or_both() {
        let mut folder = Folder::default();
        write(&mut folder, "a", "data");
        folder.execute(ONE, &FsRequest::SyncFile { name: "a".into() });
        folder.execute(ONE, &FsRequest::SyncDir);
        folder.execute(ONE, &FsRequest::Rename { from: "a".into(), to: "b".into() });
        let names = |folder: &Folder| folder.names.keys().cloned().collect::<Vec<_>>();
        let found: BTreeSet<_> = folder.power_failures().iter().map(names).collect();
        let (a, b) = (String::from("a"), String::from("b"));
        assert_eq!(found, BTreeSet::from([vec![a.clone()], vec![b.clone()], vec![a, b]]));
    }

    #[test]
    fn a_lock_is_free_when_its_process_dies() {
        let mut folder = Folder::default();
        let lock = FsRequest::Lock { name: "lock".into(), holder: "one".into() };
        assert_eq!(folder.execute(ONE, &lock), FsAnswer::Done);
        let refused = folder.execute(ProcessId(2), &lock);
        assert_eq!(refused, FsAnswer::Failed { kind: FsFailure::Locked, what: "one".into() });
        folder.process_dies(ONE);
        assert_eq!(folder.execute(ProcessId(2), &lock), FsAnswer::Done);
    }
}
