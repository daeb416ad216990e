//! The ideal store of snapshots: parts first, then the manifest.

use super::{Said, get, out_of_turn, said};
use anabranch_engine::service::object::{ObjectAnswer, ObjectRequest};
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::snapshot::{Manifest, SnapshotMachine, SnapshotStep};
use bytes::Bytes;
use std::collections::VecDeque;

const MANIFESTS: &str = "manifest/";

/// The machine.
#[derive(Debug, Default)]
pub struct IdealSnapshots {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Free,
    Listing,
    /// Manifests that are left to read, and those that were.
    Reading(VecDeque<String>, Vec<(String, Bytes)>),
    /// The manifest of the snapshot to load is read.
    Loading,
    /// Its parts that are left to read, and those that were.
    LoadingParts(VecDeque<String>, Vec<Bytes>),
    /// Objects that are left to write, the manifest last.
    Storing(VecDeque<(String, Bytes)>),
    /// The manifest to remove is read; these are left.
    Finding(String, VecDeque<String>),
    /// Objects that are left to delete, and snapshots behind them.
    Deleting(VecDeque<String>, VecDeque<String>),
}

impl IdealSnapshots {
    /// A machine with nothing to do.
    #[must_use]
    pub fn new() -> IdealSnapshots {
        IdealSnapshots::default()
    }

    fn ask(&mut self, state: State, request: ObjectRequest) -> SnapshotStep {
        self.state = state;
        SnapshotStep::Request(Request::Object(request))
    }

    fn manifest(name: &str) -> String {
        format!("{MANIFESTS}{name}")
    }

    fn part(name: &str) -> String {
        format!("part/{name}")
    }

    fn read_next(&mut self, left: VecDeque<String>, read: Vec<(String, Bytes)>) -> SnapshotStep {
        match left.front().cloned() {
            Some(name) => {
                self.state = State::Reading(left, read);
                SnapshotStep::Request(get(&name))
            }
            None => SnapshotStep::Listed(read),
        }
    }

    fn load_next(&mut self, left: VecDeque<String>, read: Vec<Bytes>) -> SnapshotStep {
        match left.front().cloned() {
            Some(name) => {
                self.state = State::LoadingParts(left, read);
                SnapshotStep::Request(get(&name))
            }
            None => SnapshotStep::Loaded(read),
        }
    }

    fn store_next(&mut self, mut left: VecDeque<(String, Bytes)>) -> SnapshotStep {
        match left.pop_front() {
            Some((name, bytes)) => {
                self.ask(State::Storing(left), ObjectRequest::PutNew { name, bytes })
            }
            None => SnapshotStep::Stored,
        }
    }

    fn remove_next(&mut self, mut left: VecDeque<String>) -> SnapshotStep {
        match left.pop_front() {
            Some(name) => {
                let manifest = Self::manifest(&name);
                self.state = State::Finding(name, left);
                SnapshotStep::Request(get(&manifest))
            }
            None => SnapshotStep::Removed,
        }
    }

    fn delete_next(
        &mut self,
        mut objects: VecDeque<String>,
        left: VecDeque<String>,
    ) -> SnapshotStep {
        match objects.pop_front() {
            Some(name) => {
                let request = ObjectRequest::Delete { names: vec![name] };
                self.ask(State::Deleting(objects, left), request)
            }
            None => self.remove_next(left),
        }
    }

    fn fail(message: String) -> SnapshotStep {
        SnapshotStep::Failed { message, transient: true }
    }
}

impl SnapshotMachine for IdealSnapshots {
    fn list(&mut self) -> SnapshotStep {
        self.ask(State::Listing, ObjectRequest::List { prefix: MANIFESTS.to_owned() })
    }

    fn load(&mut self, name: String) -> SnapshotStep {
        self.state = State::Loading;
        SnapshotStep::Request(get(&Self::manifest(&name)))
    }

    // spec: S-1
    fn store(
        &mut self,
        name: String,
        parts: Vec<(String, Bytes)>,
        manifest: Bytes,
    ) -> SnapshotStep {
        let parts = parts.into_iter().map(|(name, bytes)| (Self::part(&name), bytes));
        let objects = parts.chain([(Self::manifest(&name), manifest)]).collect();
        self.store_next(objects)
    }

    fn remove(&mut self, names: Vec<String>) -> SnapshotStep {
        self.remove_next(names.into())
    }

    fn answer(&mut self, answer: Answer) -> SnapshotStep {
        let answer = match said(answer) {
            Said::Answer(answer) => answer,
            Said::NotDone(why) => {
                self.state = State::Free;
                return Self::fail(why.to_owned());
            }
            Said::Unknown => {
                self.state = State::Free;
                return Self::fail("no answer came".to_owned());
            }
        };
        match (std::mem::take(&mut self.state), answer) {
            (State::Listing, ObjectAnswer::Names(names)) => {
                self.read_next(names.into(), Vec::new())
            }
            (State::Reading(mut left, mut read), answer) => {
                let name = left.pop_front().expect("one was asked for");
                // One that was removed since it was listed is not there.
                if let ObjectAnswer::Data { bytes, .. } = answer {
                    read.push((name[MANIFESTS.len()..].to_owned(), bytes));
                }
                self.read_next(left, read)
            }
            (State::Loading, ObjectAnswer::Data { bytes, .. }) => match Manifest::decode(&bytes) {
                Ok(manifest) => {
                    let parts = manifest.parts().map(|part| Self::part(&part.name.to_string()));
                    let parts = parts.collect();
                    self.load_next(parts, Vec::new())
                }
                Err(error) => Self::fail(error.to_string()),
            },
            (State::LoadingParts(mut left, mut read), ObjectAnswer::Data { bytes, .. }) => {
                left.pop_front();
                read.push(bytes);
                self.load_next(left, read)
            }
            (State::Loading | State::LoadingParts(..), ObjectAnswer::NotFound) => {
                Self::fail("it is gone".to_owned())
            }
            // An object of that name has that content.
            (State::Storing(left), ObjectAnswer::Done | ObjectAnswer::Exists) => {
                self.store_next(left)
            }
            (State::Finding(name, left), ObjectAnswer::Data { bytes, .. }) => {
                let mut objects = VecDeque::from([Self::manifest(&name)]);
                if let Ok(manifest) = Manifest::decode(&bytes) {
                    // Each snapshot here has parts of its own.
                    objects.extend(manifest.parts().map(|part| Self::part(&part.name.to_string())));
                }
                self.delete_next(objects, left)
            }
            (State::Finding(_, left), ObjectAnswer::NotFound) => self.remove_next(left),
            (State::Deleting(objects, left), ObjectAnswer::Done) => self.delete_next(objects, left),
            (_, other) => out_of_turn(&other),
        }
    }
}
