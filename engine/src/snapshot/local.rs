//! Snapshots as files of one folder: one for each part, and one for each manifest.
//!
//! The lock of the journal beside it guards the folder, too. A file is written and synced
//! under a temporary name, then renamed. The names of all parts are durable before the
//! manifest is written; so a snapshot whose manifest is there is complete. When snapshots
//! are removed, it is the other way round: a manifest must never outlive its parts.

use super::{Manifest, ManifestName, PartName, SnapshotMachine, SnapshotStep};
use crate::ids::Epoch;
use crate::planted;
use crate::service::fs::{FsAnswer, FsFailure, FsRequest};
use crate::service::{Answer, Request};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::mem;

/// What the file of a manifest ends in, beyond the snapshot's name.
const MANIFEST_END: &str = ".manifest";
const TEMPORARY_END: &str = ".tmp";

/// The machine of a snapshot store in a folder, which must be there.
#[derive(Clone, Debug, Default)]
pub struct LocalSnapshots {
    state: State,
    /// Whether a sync of the names failed: the system may say from then on that names are
    /// gone for good that come back with the power.
    unsure: bool,
}

/// Where the machine is. Each state but the first waits for the answer to one request.
#[derive(Clone, Debug, Default)]
enum State {
    #[default]
    Idle,
    // Listing, in this order; `left` are the manifests to be read.
    Listing,
    ReadingListed {
        left: Vec<String>,
        read: Vec<(String, Bytes)>,
    },
    // Loading, in this order; `left` are the parts to be read, the last first.
    ReadingManifest {
        name: String,
    },
    ReadingPart {
        left: Vec<PartName>,
        read: Vec<Bytes>,
    },
    // Storing: each file is written, synced and renamed; the names are looked at and synced
    // before the manifest, and once more behind it.
    Writing {
        file: String,
        rest: Rest,
    },
    Syncing {
        file: String,
        rest: Rest,
    },
    Renaming {
        rest: Rest,
    },
    LookingForShared {
        rest: Rest,
        shared: Vec<PartName>,
    },
    SyncingParts {
        rest: Rest,
    },
    SyncingManifest,
    /// A file that could not be written is removed.
    Dropping {
        message: String,
        transient: bool,
    },
    // Removing, in this order.
    ListingToRemove {
        removed: Vec<String>,
    },
    ReadingKept {
        files: Vec<String>,
        left: Vec<String>,
        kept: Vec<Manifest>,
    },
    RemovingManifests {
        left: Vec<String>,
        parts: Vec<String>,
    },
    SyncingRemoved {
        parts: Vec<String>,
    },
    RemovingParts {
        left: Vec<String>,
    },
}

/// What of a snapshot is not stored yet.
#[derive(Clone, Debug)]
struct Rest {
    /// The parts, the next one last.
    parts: Vec<(String, Bytes)>,
    /// The manifest and its file; `None` once it is being written.
    manifest: Option<(String, Bytes)>,
}

impl LocalSnapshots {
    /// A machine with nothing under way.
    #[must_use]
    pub fn new() -> LocalSnapshots {
        LocalSnapshots::default()
    }

    fn ask(&mut self, state: State, request: FsRequest) -> SnapshotStep {
        self.state = state;
        SnapshotStep::Request(Request::Fs(request))
    }

    fn end(&mut self, outcome: SnapshotStep) -> SnapshotStep {
        self.state = State::Idle;
        outcome
    }

    fn fail(&mut self, message: String, transient: bool) -> SnapshotStep {
        self.end(SnapshotStep::Failed { message, transient })
    }

    fn begin(&self) {
        assert!(matches!(self.state, State::Idle), "one thing at a time: {:?}", self.state);
    }

    fn read_listed(&mut self, left: Vec<String>, read: Vec<(String, Bytes)>) -> SnapshotStep {
        match left.last().cloned() {
            Some(name) => self.ask(State::ReadingListed { left, read }, FsRequest::Read { name }),
            None => self.end(SnapshotStep::Listed(read)),
        }
    }

    /// The next manifest, or the word that it cannot be read: then it has no bytes, so
    /// that whoever asked says that it is passed over.
    fn listed(
        &mut self,
        mut left: Vec<String>,
        mut read: Vec<(String, Bytes)>,
        bytes: Bytes,
    ) -> SnapshotStep {
        let file = left.pop().expect("it was read");
        read.push((snapshot_name(&file).to_owned(), bytes));
        self.read_listed(left, read)
    }

    fn load_parts(&mut self, name: &str, bytes: &[u8]) -> SnapshotStep {
        match Manifest::decode(bytes) {
            Ok(manifest) => {
                let mut left: Vec<PartName> = manifest.parts().map(|part| part.name).collect();
                left.reverse();
                self.read_part(left, Vec::new())
            }
            Err(error) => self.fail(format!("{name}: {error}"), false),
        }
    }

    fn read_part(&mut self, left: Vec<PartName>, read: Vec<Bytes>) -> SnapshotStep {
        match left.last() {
            Some(part) => {
                let name = part.to_string();
                self.ask(State::ReadingPart { left, read }, FsRequest::Read { name })
            }
            None => self.end(SnapshotStep::Loaded(read)),
        }
    }

    /// Begins the next file of a snapshot.
    // spec: S-1
    fn put_next(&mut self, mut rest: Rest) -> SnapshotStep {
        if let Some((file, bytes)) = rest.parts.pop() {
            return self.put(file, bytes, rest);
        }
        // The names of the parts have to survive whenever the manifest's does.
        if rest.manifest.is_some() {
            return self.ask(State::SyncingParts { rest }, FsRequest::SyncDir);
        }
        self.ask(State::SyncingManifest, FsRequest::SyncDir)
    }

    fn put(&mut self, file: String, bytes: Bytes, rest: Rest) -> SnapshotStep {
        let name = temporary_name(&file);
        self.ask(State::Writing { file, rest }, FsRequest::Write { name, bytes })
    }

    fn rename(&mut self, file: String, rest: Rest) -> SnapshotStep {
        let from = temporary_name(&file);
        self.ask(State::Renaming { rest }, FsRequest::Rename { from, to: file })
    }

    /// The parts of a snapshot that others had are there: now its own.
    fn check_shared(&mut self, rest: Rest, shared: &[PartName], files: &[String]) -> SnapshotStep {
        let lost = shared.iter().find(|part| !files.contains(&part.to_string()));
        match lost {
            Some(part) => {
                let file = rest.manifest.map(|(file, _)| file).unwrap_or_default();
                let message = format!("{file} is not put in place: its part {part} is not there");
                self.fail(message, false)
            }
            None => self.put_next(rest),
        }
    }

    fn read_kept(
        &mut self,
        files: Vec<String>,
        left: Vec<String>,
        kept: Vec<Manifest>,
    ) -> SnapshotStep {
        match left.last().cloned() {
            Some(name) => {
                self.ask(State::ReadingKept { files, left, kept }, FsRequest::Read { name })
            }
            None => self.remove_old(&files, &kept),
        }
    }

    /// Removes all that the kept snapshots do not need. Parts of an epoch above all of
    /// them stay: they may belong to a snapshot that is being written.
    // spec: J-4, S-1
    fn remove_old(&mut self, files: &[String], kept: &[Manifest]) -> SnapshotStep {
        let Some(newest) = kept.iter().map(|manifest| manifest.epoch).max() else {
            return self.end(SnapshotStep::Removed);
        };
        let needed = Needed {
            newest,
            manifests: kept.iter().map(Manifest::name).collect(),
            parts: kept.iter().flat_map(|m| m.parts().map(|part| part.name)).collect(),
        };
        let (mut manifests, mut parts) = (Vec::new(), Vec::new());
        for file in files {
            if needed.is_old_manifest(file) {
                manifests.push(file.clone());
            } else if needed.is_unused(file) {
                parts.push(file.clone());
            }
        }
        self.remove_manifests(manifests, parts)
    }

    fn remove_manifests(&mut self, mut left: Vec<String>, parts: Vec<String>) -> SnapshotStep {
        match left.pop() {
            Some(name) => {
                self.ask(State::RemovingManifests { left, parts }, FsRequest::Remove { name })
            }
            None => self.ask(State::SyncingRemoved { parts }, FsRequest::SyncDir),
        }
    }

    fn remove_parts(&mut self, mut left: Vec<String>) -> SnapshotStep {
        match left.pop() {
            Some(name) => self.ask(State::RemovingParts { left }, FsRequest::Remove { name }),
            None => self.end(SnapshotStep::Removed),
        }
    }

    /// It is done, and it gave this.
    fn done(&mut self, answer: FsAnswer) -> SnapshotStep {
        match mem::take(&mut self.state) {
            State::Idle => panic!("an answer to no request: {answer:?}"),
            State::Listing => self.read_listed(manifests_in(&names_of(answer)), Vec::new()),
            State::ReadingListed { left, read } => self.listed(left, read, data_of(answer)),
            State::ReadingManifest { name } => self.load_parts(&name, &data_of(answer)),
            State::ReadingPart { mut left, mut read } => {
                left.pop();
                read.push(data_of(answer));
                self.read_part(left, read)
            }
            // The right order is to sync first: a name must not stand before its bytes.
            State::Writing { file, rest } if planted!(P1) => self.rename(file, rest),
            State::Writing { file, rest } => {
                let name = temporary_name(&file);
                self.ask(State::Syncing { file, rest }, FsRequest::SyncFile { name })
            }
            State::Syncing { file, rest } => self.rename(file, rest),
            State::Renaming { rest } => self.put_next(rest),
            State::LookingForShared { rest, shared } => {
                self.check_shared(rest, &shared, &names_of(answer))
            }
            State::SyncingParts { mut rest } => {
                let (file, bytes) = rest.manifest.take().expect("it comes behind the parts");
                self.put(file, bytes, rest)
            }
            State::SyncingManifest => self.end(SnapshotStep::Stored),
            State::Dropping { message, transient } => self.fail(message, transient),
            State::ListingToRemove { removed } => {
                let files = names_of(answer);
                let mut left = manifests_in(&files);
                left.retain(|file| !removed.iter().any(|name| name == snapshot_name(file)));
                self.read_kept(files, left, Vec::new())
            }
            State::ReadingKept { files, mut left, mut kept } => {
                left.pop();
                // One that is damaged is worth nothing, and goes with the others.
                kept.extend(Manifest::decode(&data_of(answer)).ok());
                self.read_kept(files, left, kept)
            }
            State::RemovingManifests { left, parts } => self.remove_manifests(left, parts),
            State::SyncingRemoved { parts } => self.remove_parts(parts),
            State::RemovingParts { left } => self.remove_parts(left),
        }
    }

    /// It is not done, or only in part, or nobody knows (`kind` is `None`).
    // spec: K-4
    fn failed(&mut self, kind: Option<FsFailure>, what: String) -> SnapshotStep {
        let transient = kind != Some(FsFailure::Denied);
        // Of what is read.
        let may_pass = kind.is_none_or(|kind| kind == FsFailure::Other);
        match mem::take(&mut self.state) {
            State::Idle => panic!("a failure of no request: {what}"),
            State::ReadingListed { left, read } if !may_pass => {
                self.listed(left, read, Bytes::new())
            }
            // It has no name that counts; if it cannot be removed now, it will be when old
            // snapshots are.
            State::Writing { file, .. } | State::Syncing { file, .. } => {
                let name = temporary_name(&file);
                let state = State::Dropping { message: what, transient };
                self.ask(state, FsRequest::Remove { name })
            }
            State::Dropping { message, transient } => self.fail(message, transient),
            State::ReadingManifest { .. } | State::ReadingPart { .. } => self.fail(what, may_pass),
            State::ReadingKept { files, mut left, kept } if kind == Some(FsFailure::NotFound) => {
                left.pop();
                self.read_kept(files, left, kept)
            }
            State::Listing | State::ReadingListed { .. } => self.fail(what, may_pass),
            // What cannot be read may be needed: nothing is removed.
            State::Renaming { .. }
            | State::LookingForShared { .. }
            | State::ListingToRemove { .. }
            | State::ReadingKept { .. }
            | State::RemovingManifests { .. }
            | State::RemovingParts { .. } => self.fail(what, transient),
            State::SyncingParts { .. } | State::SyncingManifest | State::SyncingRemoved { .. } => {
                self.unsure |= kind.is_some();
                self.fail(format!("{what}; what is durable is unknown"), false)
            }
        }
    }
}

/// What the kept snapshots need.
struct Needed {
    /// The newest epoch of them.
    newest: Epoch,
    manifests: BTreeSet<ManifestName>,
    parts: BTreeSet<PartName>,
}

impl Needed {
    fn is_old_manifest(&self, file: &str) -> bool {
        ManifestName::parse(file)
            .is_some_and(|name| name.epoch <= self.newest && !self.manifests.contains(&name))
    }

    /// Whether a file is a part that no kept snapshot names, or what a broken attempt left.
    fn is_unused(&self, file: &str) -> bool {
        if let Some(whole) = whole_name(file) {
            let epoch = PartName::parse(whole).map(|part| part.epoch);
            let epoch = epoch.or(ManifestName::parse(whole).map(|manifest| manifest.epoch));
            return epoch.is_some_and(|epoch| epoch <= self.newest);
        }
        PartName::parse(file).is_some_and(|part| {
            part.epoch <= self.newest && (!self.parts.contains(&part) || planted!(P3))
        })
    }
}

impl SnapshotMachine for LocalSnapshots {
    fn list(&mut self) -> SnapshotStep {
        self.begin();
        self.ask(State::Listing, FsRequest::List)
    }

    fn load(&mut self, name: String) -> SnapshotStep {
        self.begin();
        let file = format!("{name}{MANIFEST_END}");
        if ManifestName::parse(&file).is_none() {
            return self.fail(format!("{name} names no snapshot"), false);
        }
        self.ask(State::ReadingManifest { name }, FsRequest::Read { name: file })
    }

    fn store(
        &mut self,
        name: String,
        mut parts: Vec<(String, Bytes)>,
        manifest: Bytes,
    ) -> SnapshotStep {
        self.begin();
        let decoded = match Manifest::decode(&manifest) {
            Ok(decoded) => decoded,
            Err(error) => return self.fail(format!("{name}: {error}"), false),
        };
        if let Some((part, _)) = parts.iter().find(|(part, _)| PartName::parse(part).is_none()) {
            return self.fail(format!("{part} names no part"), false);
        }
        let length = |part: &PartName| {
            let part = part.to_string();
            parts.iter().find(|(name, _)| *name == part).map(|(_, bytes)| bytes.len() as u64)
        };
        let mut shared = Vec::new();
        for part in decoded.parts() {
            match length(&part.name) {
                None => shared.push(part.name),
                Some(bytes) => assert_eq!(bytes, part.bytes, "{} is what was named", part.name),
            }
        }
        parts.reverse();
        let rest = Rest { parts, manifest: Some((format!("{name}{MANIFEST_END}"), manifest)) };
        if shared.is_empty() {
            return self.put_next(rest);
        }
        self.ask(State::LookingForShared { rest, shared }, FsRequest::List)
    }

    fn remove(&mut self, names: Vec<String>) -> SnapshotStep {
        self.begin();
        if self.unsure {
            // A manifest could outlive its parts.
            return self.fail("a sync of the snapshots failed before".into(), false);
        }
        self.ask(State::ListingToRemove { removed: names }, FsRequest::List)
    }

    fn answer(&mut self, answer: Answer) -> SnapshotStep {
        match answer {
            Answer::Fs(FsAnswer::Failed { kind, what }) => self.failed(Some(kind), what),
            Answer::Fs(answer) => self.done(answer),
            Answer::Unreachable | Answer::TimedOut => {
                self.failed(None, "the folder of the snapshots does not answer".into())
            }
            other => panic!("a folder does not answer {other:?}"),
        }
    }
}

fn manifests_in(files: &[String]) -> Vec<String> {
    let is_whole = |file: &str| ManifestName::parse(file).is_some();
    let is_begun = |file: &str| planted!(P2) && whole_name(file).is_some_and(is_whole);
    files.iter().filter(|file| is_whole(file) || is_begun(file)).cloned().collect()
}

/// What the pipeline calls the snapshot of a manifest's file.
fn snapshot_name(file: &str) -> &str {
    file.strip_suffix(MANIFEST_END).unwrap_or(file)
}

fn temporary_name(file: &str) -> String {
    format!(".{file}{TEMPORARY_END}")
}

/// What a temporary name is for.
fn whole_name(file: &str) -> Option<&str> {
    file.strip_prefix('.')?.strip_suffix(TEMPORARY_END)
}

fn names_of(answer: FsAnswer) -> Vec<String> {
    let FsAnswer::Names(names) = answer else {
        panic!("a list is answered by names, not by {answer:?}");
    };
    names
}

fn data_of(answer: FsAnswer) -> Bytes {
    let FsAnswer::Data(bytes) = answer else {
        panic!("a read is answered by data, not by {answer:?}");
    };
    bytes
}
