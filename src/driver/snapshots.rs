//! The snapshots' thread.

use super::{Answers, Event};
use anabranch_connectors::in_phase;
use anabranch_connectors::store::LocalSnapshotStore;
use anabranch_engine::ids::{Epoch, RequestId};
use anabranch_engine::pipeline::Input;
use bytes::Bytes;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// One is stored at a time; the other commands come at the start.
const COMMANDS_MAX: usize = 64;

/// Where snapshots are kept.
#[derive(Debug)]
pub(crate) enum SnapshotStore {
    /// In a folder.
    Local(Box<LocalSnapshotStore>),
    /// Nowhere.
    None,
}

/// What the snapshots' thread is asked.
#[derive(Debug)]
pub(super) enum Command {
    List { request: RequestId },
    Load { name: String },
    Store { epoch: Epoch, name: String, parts: Vec<(String, Bytes)>, manifest: Bytes },
    Remove { request: RequestId, names: Vec<String> },
}

/// Starts the thread.
pub(super) fn start(store: SnapshotStore, answers: Answers) -> io::Result<SyncSender<Command>> {
    let (sender, receiver) = sync_channel(COMMANDS_MAX);
    let thread = std::thread::Builder::new().name("snapshots".into());
    thread.spawn(move || serve(store, &answers, &receiver))?;
    Ok(sender)
}

fn serve(mut store: SnapshotStore, answers: &Answers, commands: &Receiver<Command>) {
    for command in commands {
        answers.send(match &mut store {
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

fn carry_out(store: &mut LocalSnapshotStore, command: Command) -> Event {
    Event::Input(match command {
        Command::List { request } => match in_phase("list-snapshots", || store.list()) {
            Ok(manifests) => Input::SnapshotsListed { request, manifests },
            Err(error) => {
                let (transient, message) = (error.is_transient(), error.to_string());
                Input::SnapshotsNotListed { request, transient, message }
            }
        },
        Command::Load { name } => match in_phase("load-snapshot", || store.load(&name)) {
            Ok(parts) => Input::SnapshotLoaded { name, parts },
            Err(error) => {
                let (transient, reason) = (error.is_transient(), error.to_string());
                Input::SnapshotUnreadable { name, transient, reason }
            }
        },
        Command::Store { epoch, name, parts, manifest } => {
            match in_phase("snapshot", || store.store(name, parts, manifest)) {
                Ok(()) => Input::SnapshotStored { epoch },
                Err(error) => Input::SnapshotFailed { epoch, message: error.to_string() },
            }
        }
        Command::Remove { request, names } => {
            let removed = in_phase("trim-snapshots", || store.remove(names));
            return Event::Removed(request, removed.map_err(|error| error.to_string()));
        }
    })
}
