//! The snapshots' thread.

use super::journal::text;
use super::{Answers, Event};
use anabranch_connectors::in_phase;
use anabranch_connectors::store::{LocalSnapshotStore, StoreError};
use anabranch_engine::ids::{Epoch, RequestId};
use anabranch_engine::pipeline::Input;
use anabranch_engine::snapshot::{Manifest, ManifestName, PartName};
use bytes::Bytes;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// One is stored at a time; the other commands come at the start.
const COMMANDS_MAX: usize = 64;
/// What a file of the store ends in, beyond the name that the pipeline uses.
const MANIFEST_END: &str = ".manifest";

/// Where snapshots are kept.
#[derive(Debug)]
pub(crate) enum SnapshotStore {
    /// In a folder.
    Local(LocalSnapshotStore),
    /// Nowhere.
    None,
}

/// What the snapshots' thread is asked.
#[derive(Debug)]
pub(super) enum Command {
    List { request: RequestId },
    Load { name: String },
    Store { epoch: Epoch, parts: Vec<(String, Bytes)>, manifest: Bytes },
    Remove { request: RequestId, names: Vec<String> },
}

/// Starts the thread.
pub(super) fn start(store: SnapshotStore, answers: Answers) -> io::Result<SyncSender<Command>> {
    let (sender, receiver) = sync_channel(COMMANDS_MAX);
    let thread = std::thread::Builder::new().name("snapshots".into());
    thread.spawn(move || serve(&store, &answers, &receiver))?;
    Ok(sender)
}

fn serve(store: &SnapshotStore, answers: &Answers, commands: &Receiver<Command>) {
    for command in commands {
        answers.send(match store {
            SnapshotStore::Local(store) => carry_out(store, command),
            SnapshotStore::None => do_without(command),
        });
    }
}

/// What a store that keeps nothing answers.
fn do_without(command: Command) -> Event {
    let nowhere = || "there is no store".to_owned();
    Event::Input(match command {
        Command::List { request } => Input::SnapshotsListed { request, manifests: Vec::new() },
        Command::Load { name } => {
            Input::SnapshotUnreadable { name, transient: false, reason: nowhere() }
        }
        Command::Store { epoch, .. } => Input::SnapshotFailed { epoch, message: nowhere() },
        Command::Remove { request, .. } => return Event::Removed(request, Ok(())),
    })
}

fn carry_out(store: &LocalSnapshotStore, command: Command) -> Event {
    Event::Input(match command {
        Command::List { request } => match in_phase("list-snapshots", || list(store)) {
            Ok(manifests) => Input::SnapshotsListed { request, manifests },
            Err(error) => {
                let (transient, message) = (error.is_transient(), text(&error));
                Input::SnapshotsNotListed { request, transient, message }
            }
        },
        Command::Load { name } => match in_phase("load-snapshot", || load(store, &name)) {
            Ok(parts) => Input::SnapshotLoaded { name, parts },
            Err(reason) => Input::SnapshotUnreadable { name, transient: false, reason },
        },
        Command::Store { epoch, parts, manifest } => {
            match in_phase("snapshot", || put(store, &parts, &manifest)) {
                Ok(()) => Input::SnapshotStored { epoch },
                Err(message) => Input::SnapshotFailed { epoch, message },
            }
        }
        Command::Remove { request, names } => {
            let removed = in_phase("trim-snapshots", || remove(store, &names));
            return Event::Removed(request, removed);
        }
    })
}

/// Every snapshot, by the name that the pipeline uses, with its manifest. One that
/// cannot be read comes without bytes, so that the pipeline says that it is skipped.
pub(crate) fn list(store: &LocalSnapshotStore) -> Result<Vec<(String, Bytes)>, StoreError> {
    let names = store.list()?;
    let manifest = |name: ManifestName| {
        let bytes = store.read_manifest(name).unwrap_or_default();
        (name.to_string().trim_end_matches(MANIFEST_END).to_owned(), Bytes::from(bytes))
    };
    Ok(names.into_iter().map(manifest).collect())
}

fn manifest_of(store: &LocalSnapshotStore, name: &str) -> Result<Manifest, String> {
    let file = ManifestName::parse(&format!("{name}{MANIFEST_END}"))
        .ok_or_else(|| format!("{name} names no snapshot"))?;
    let bytes = store.read_manifest(file).map_err(|error| text(&error))?;
    Manifest::decode(&bytes).map_err(|error| error.to_string())
}

/// The parts of a snapshot, in the order of its manifest.
pub(crate) fn load(store: &LocalSnapshotStore, name: &str) -> Result<Vec<Bytes>, String> {
    let manifest = manifest_of(store, name)?;
    let part = |name: PartName| store.read_part(name).map(Bytes::from);
    manifest.parts().map(|reference| part(reference.name).map_err(|e| text(&e))).collect()
}

// spec: S-1
fn put(
    store: &LocalSnapshotStore,
    parts: &[(String, Bytes)],
    manifest: &[u8],
) -> Result<(), String> {
    for (name, bytes) in parts {
        let part = PartName::parse(name).ok_or_else(|| format!("{name} names no part"))?;
        store.put_part(part, bytes).map_err(|error| text(&error))?;
    }
    let manifest = Manifest::decode(manifest).map_err(|error| error.to_string())?;
    store.put_manifest(&manifest).map_err(|error| text(&error))
}

/// Removes these; what is kept and can be read says which parts stay.
fn remove(store: &LocalSnapshotStore, names: &[String]) -> Result<(), String> {
    let all = list(store).map_err(|error| text(&error))?;
    let kept = all.iter().filter(|(name, _)| !names.contains(name));
    let keep: Vec<Manifest> = kept.filter_map(|(_, bytes)| Manifest::decode(bytes).ok()).collect();
    store.remove_all_but(&keep).map_err(|error| text(&error))
}
