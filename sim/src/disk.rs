//! A folder of files in memory, with everything that a power failure may take away.
//!
//! It is stricter than any file system in use. What was not synced may be there, may
//! not be there, or may be there in part: the bytes of a file may be old, cut, or
//! zeros of the right length; a new name may be missing; a renamed file may be found
//! under the old name, the new one, or both. Every such change is lost or kept
//! without regard to the others.

use anabranch_engine::service::fs::{FsAnswer, FsFailure, FsRequest};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Tells the processes apart that use a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessId(pub u32);

/// One folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Folder {
    /// All files that ever had a name, by number.
    files: Vec<File>,
    /// The names as every process sees them now.
    names: BTreeMap<String, usize>,
    /// The names as they certainly survive.
    durable_names: BTreeMap<String, usize>,
    /// What changed between the two, in order.
    pending: Vec<NameChange>,
    /// Who holds which lock, and what it says.
    locks: BTreeMap<String, (ProcessId, String)>,
}

/// The bytes of a file, under whatever names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct File {
    /// As every process sees them now.
    bytes: Vec<u8>,
    /// As they certainly survive.
    durable: Vec<u8>,
    /// What the file held since it was last synced and was then replaced or cut: some of
    /// that may have reached the disk all the same.
    replaced: Vec<Vec<u8>>,
    /// How many bytes at the start nothing has touched since the file was last synced.
    untouched: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum NameChange {
    Link { name: String, file: usize },
    Rename { from: String, to: String, file: usize },
    Unlink { name: String },
}

impl Folder {
    /// Does one operation for a process.
    pub fn execute(&mut self, process: ProcessId, request: &FsRequest) -> FsAnswer {
        match request {
            FsRequest::Lock { name, holder } => return self.lock(process, name, holder),
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
                file.bytes.extend_from_slice(bytes);
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
                self.durable_names.clone_from(&self.names);
                self.pending.clear();
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
            | FsRequest::List
            | FsRequest::Read { .. }
            | FsRequest::SyncFile { .. }
            | FsRequest::SyncDir
            | FsRequest::Rename { .. }
            | FsRequest::Truncate { .. }
            | FsRequest::Remove { .. } => {}
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

    fn write(&mut self, name: &str, bytes: &[u8]) {
        let file = match self.names.get(name) {
            Some(file) => *file,
            None => {
                let file = self.files.len();
                self.files.push(File::default());
                self.names.insert(name.to_owned(), file);
                self.pending.push(NameChange::Link { name: name.to_owned(), file });
                file
            }
        };
        self.files[file].cut(0);
        self.files[file].bytes.extend_from_slice(bytes);
    }

    /// A process dies: its locks are free, everything that it wrote stays visible.
    pub fn process_dies(&mut self, process: ProcessId) {
        self.locks.retain(|_, (holder, _)| *holder != process);
    }

    /// All states in which the folder may be found after a power failure.
    #[must_use]
    pub fn power_failures(&self) -> BTreeSet<Folder> {
        let mut names = BTreeSet::from([self.durable_names.clone()]);
        for change in &self.pending {
            let outcomes = names.iter().flat_map(|names| change.outcomes(names));
            names = outcomes.collect();
        }
        names.iter().flat_map(|names| self.with_names(names)).collect()
    }

    /// All states in which the folder may be found with these names. Files without a
    /// name are gone.
    fn with_names(&self, names: &BTreeMap<String, usize>) -> Vec<Folder> {
        let kept: BTreeSet<usize> = names.values().copied().collect();
        let mut contents: Vec<Vec<File>> = vec![Vec::new()];
        for file in &kept {
            let outcomes = self.files[*file].outcomes();
            contents = contents
                .iter()
                .flat_map(|before| {
                    let with = |file: &File| before.iter().chain([file]).cloned().collect();
                    outcomes.iter().map(with)
                })
                .collect();
        }
        let place = |file: &usize| kept.iter().take_while(|kept| *kept < file).count();
        let names: BTreeMap<String, usize> =
            names.iter().map(|(name, file)| (name.clone(), place(file))).collect();
        let folders = contents.into_iter().map(|files| Folder {
            files,
            names: names.clone(),
            durable_names: names.clone(),
            ..Folder::default()
        });
        folders.collect()
    }

    /// The names that a consumer sees, with the bytes: all but the hidden ones.
    #[must_use]
    pub fn visible(&self) -> BTreeMap<String, Vec<u8>> {
        let visible = self.names.iter().filter(|(name, _)| !name.starts_with('.'));
        visible.map(|(name, file)| (name.clone(), self.files[*file].bytes.clone())).collect()
    }

    /// A consumer moves a file away, durably as far as that name is concerned.
    pub fn take_away(&mut self, name: &str) {
        self.names.remove(name);
        self.durable_names.remove(name);
        for change in &mut self.pending {
            match change {
                NameChange::Rename { from, to, .. } if to == name => {
                    *change = NameChange::Unlink { name: from.clone() };
                }
                NameChange::Link { .. } | NameChange::Rename { .. } | NameChange::Unlink { .. } => {
                }
            }
        }
    }
}

impl NameChange {
    /// What may have come of the change.
    fn outcomes(&self, before: &BTreeMap<String, usize>) -> Vec<BTreeMap<String, usize>> {
        let mut after = before.clone();
        let mut outcomes = vec![before.clone()];
        match self {
            NameChange::Link { name, file } => {
                after.insert(name.clone(), *file);
            }
            NameChange::Rename { from, to, file } => {
                after.insert(to.clone(), *file);
                outcomes.push(after.clone());
                after.remove(from);
            }
            NameChange::Unlink { name } => {
                after.remove(name);
            }
        }
        outcomes.push(after);
        outcomes
    }
}

impl File {
    fn sync(&mut self) {
        self.durable.clone_from(&self.bytes);
        self.replaced.clear();
        self.untouched = self.bytes.len();
    }

    /// Cuts the file to so many bytes.
    fn cut(&mut self, length: usize) {
        if self.bytes != self.durable {
            self.replaced.push(self.bytes.clone());
        }
        self.bytes.truncate(length);
        self.untouched = self.untouched.min(length);
    }

    /// What may have come of the bytes that were not synced.
    fn outcomes(&self) -> BTreeSet<File> {
        let mut found = BTreeSet::from([self.durable.clone()]);
        for new in self.replaced.iter().chain([&self.bytes]) {
            let kept = self.untouched.min(new.len());
            let middle = kept + (new.len() - kept) / 2;
            let zeros = |from: usize| [&new[..from], &vec![0; new.len() - from][..]].concat();
            // A block that came behind one that did not.
            let hole = [&new[..kept], &vec![0; middle - kept][..], &new[middle..]].concat();
            found.extend([
                new[..kept].to_vec(),
                new[..middle].to_vec(),
                zeros(kept),
                zeros(middle),
                hole,
                new.clone(),
            ]);
        }
        found.into_iter().map(File::durable).collect()
    }

    /// A file all of which survives.
    fn durable(bytes: Vec<u8>) -> File {
        let (durable, untouched) = (bytes.clone(), bytes.len());
        File { bytes, durable, replaced: Vec::new(), untouched }
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
