//! The snapshots' thread.

use super::{Answers, Event};
use anabranch_connectors::in_phase;
use anabranch_connectors::store::LocalSnapshotStore;
use anabranch_engine::ids::Epoch;
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
    Local(LocalSnapshotStore),
    /// Nowhere.
    None,
}

/// What the snapshots' thread is asked.
#[derive(Debug)]
pub(super) enum Command {
    List,
    Load { name: String },
    Store { epoch: Epoch, name: String, parts: Vec<(String, Bytes)>, manifest: Bytes },
    Remove { names: Vec<String> },
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
        let input = match (&mut store, command) {
            (SnapshotStore::Local(store), command) => carry_out(store, command),
            (SnapshotStore::None, Command::List) => {
                Some(Input::SnapshotsListed { manifests: Vec::new() })
            }
            (SnapshotStore::None, Command::Load { name }) => {
                let reason = "there is no store".to_owned();
                Some(Input::SnapshotUnreadable { name, reason })
            }
            (SnapshotStore::None, Command::Store { epoch, .. }) => {
                let message = "there is no store".to_owned();
                Some(Input::SnapshotFailed { epoch, message })
            }
            (SnapshotStore::None, Command::Remove { .. }) => None,
        };
        if let Some(input) = input {
            answers.send(Event::Input(input));
        }
    }
}

fn carry_out(store: &mut LocalSnapshotStore, command: Command) -> Option<Input> {
    match command {
        Command::List => {
            // A store that cannot be read is one without snapshots: the journal
            // decides whether the job can do without.
            let manifests = in_phase("list-snapshots", || store.list()).unwrap_or_else(|error| {
                tracing::warn!("the snapshots cannot be listed: {error}");
                Vec::new()
            });
            Some(Input::SnapshotsListed { manifests })
        }
        Command::Load { name } => Some(match in_phase("load-snapshot", || store.load(&name)) {
            Ok(parts) => Input::SnapshotLoaded { name, parts },
            Err(error) => Input::SnapshotUnreadable { name, reason: error.to_string() },
        }),
        Command::Store { epoch, name, parts, manifest } => {
            Some(match in_phase("snapshot", || store.store(name, parts, manifest)) {
                Ok(()) => Input::SnapshotStored { epoch },
                Err(error) => Input::SnapshotFailed { epoch, message: error.to_string() },
            })
        }
        Command::Remove { names } => {
            if let Err(error) = in_phase("trim-snapshots", || store.remove(names)) {
                tracing::warn!("old snapshots stay: {error}");
            }
            None
        }
    }
}
