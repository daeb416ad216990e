//! Snapshots in an object store.
//!
//! Parts are objects, then the manifest is one, and then the catalog, one object that
//! lists the complete snapshots, is replaced under the condition that it is still the one
//! that was read before the first part was written. So a snapshot becomes visible by one
//! atomic change, listings, which may be stale, decide nothing, and of two incarnations
//! that change the catalog at once one fails and says so.
// spec: S-1
//!
//! To remove snapshots, the catalog is replaced first, then the manifests go, then the
//! parts that no other snapshot names, together with what stores that were cut short left
//! behind. For these the store is listed *before* the catalog is replaced: whoever is
//! writing one of the listed objects read the catalog before that, and so will fail to
//! make it visible.
// spec: J-4

mod catalog;

use crate::service::object::{DELETE_MAX, ObjectAnswer, ObjectRequest};
use crate::service::{Answer, Request};
use crate::snapshot::{Manifest, ManifestName, PartName, SnapshotMachine, SnapshotStep};
use bytes::Bytes;
use catalog::{Catalog, Found};
use std::collections::{BTreeSet, VecDeque};
use std::mem;

const MANIFEST_END: &str = ".manifest";
/// How often a request is tried before the machine gives up.
const TRIES_MAX: u32 = 8;
/// How long the first wait is; each further one is twice as long.
const WAIT_MS: i64 = 20;

/// The machine of a snapshot store in an object store.
#[derive(Clone, Debug)]
pub struct ObjectSnapshots {
    /// What the names of all objects begin with.
    prefix: String,
    /// The request that waits, so that it can be made again.
    request: Option<ObjectRequest>,
    /// How often it failed.
    failures: u32,
    state: State,
}

/// Where the machine is.
#[derive(Clone, Debug)]
enum State {
    Idle,
    // Listing, in this order.
    Listing,
    ReadingManifests(Listing),
    // Loading, in this order.
    Loading { name: String },
    LoadingParts { waiting: VecDeque<String>, parts: Vec<Bytes> },
    // Storing, in this order.
    LookingBefore(Storing),
    Putting(Storing),
    Comparing(Storing),
    Publishing(Storing),
    LookingAfter(Storing),
    // Removing, in this order.
    Planning { names: Vec<String> },
    ReadingRemoved(Removing),
    ListingObjects(Removing),
    Withdrawing { objects: Vec<String> },
    Deleting { objects: Vec<String> },
}

#[derive(Clone, Debug, Default)]
struct Listing {
    /// Names whose manifests are not read yet, the first one being read.
    waiting: VecDeque<String>,
    manifests: Vec<(String, Bytes)>,
}

#[derive(Clone, Debug)]
struct Storing {
    name: String,
    /// Objects that are not written yet, in order.
    objects: VecDeque<(String, Bytes)>,
    before: Found,
}

#[derive(Clone, Debug)]
struct Removing {
    removed: Vec<String>,
    before: Found,
    manifests: Listing,
}

impl ObjectSnapshots {
    /// The store whose objects' names begin so.
    #[must_use]
    pub fn new(prefix: &str) -> ObjectSnapshots {
        let prefix = prefix.to_owned();
        ObjectSnapshots { prefix, request: None, failures: 0, state: State::Idle }
    }

    fn catalog(&self) -> String {
        format!("{}catalog", self.prefix)
    }

    fn manifest(&self, name: &str) -> String {
        format!("{}{name}{MANIFEST_END}", self.prefix)
    }

    fn ask(&mut self, state: State, request: ObjectRequest) -> SnapshotStep {
        self.state = state;
        self.request = Some(request.clone());
        SnapshotStep::Request(Request::Object(request))
    }

    fn get(&mut self, state: State, name: String) -> SnapshotStep {
        self.ask(state, ObjectRequest::Get { name })
    }

    fn fail(&mut self, message: String, transient: bool) -> SnapshotStep {
        self.state = State::Idle;
        SnapshotStep::Failed { message, transient }
    }

    /// The catalog of an answer; an empty one if there is none.
    fn found(&self, answer: &ObjectAnswer) -> Result<Found, String> {
        match answer {
            ObjectAnswer::NotFound => Ok(Found::default()),
            ObjectAnswer::Data { bytes, tag } => match Catalog::decode(bytes) {
                Ok(catalog) => Ok(Found { tag: Some(*tag), catalog }),
                Err(error) => Err(format!("{} is damaged: {error}", self.catalog())),
            },
            other => panic!("{other:?} is no answer to reading an object"),
        }
    }

    /// Reads the next manifest, or gives the listing back if there is none.
    fn next_manifest(&self, listing: &Listing) -> Option<ObjectRequest> {
        let name = listing.waiting.front()?;
        Some(ObjectRequest::Get { name: self.manifest(name) })
    }

    fn read_manifests(&mut self, listing: Listing) -> SnapshotStep {
        match self.next_manifest(&listing) {
            Some(request) => self.ask(State::ReadingManifests(listing), request),
            None => SnapshotStep::Listed(listing.manifests),
        }
    }

    fn load_next(&mut self, waiting: VecDeque<String>, parts: Vec<Bytes>) -> SnapshotStep {
        match waiting.front().cloned() {
            Some(name) => self.get(State::LoadingParts { waiting, parts }, name),
            None => SnapshotStep::Loaded(parts),
        }
    }

    fn load_parts(&mut self, name: &str, answer: &ObjectAnswer) -> SnapshotStep {
        let ObjectAnswer::Data { bytes, .. } = answer else {
            return self.fail(format!("{name} has no manifest"), false);
        };
        match Manifest::decode(bytes) {
            Ok(manifest) => {
                let part =
                    |part: &crate::snapshot::PartRef| format!("{}{}", self.prefix, part.name);
                let waiting = manifest.parts().map(part).collect();
                self.load_next(waiting, Vec::new())
            }
            Err(error) => self.fail(error.to_string(), false),
        }
    }

    fn begin_storing(&mut self, mut storing: Storing, before: Found) -> SnapshotStep {
        if before.catalog.names.contains(&storing.name) {
            return SnapshotStep::Stored;
        }
        storing.before = before;
        if crate::planted!(P1) {
            return self.publish(storing);
        }
        self.put_next(storing)
    }

    /// Writes the next object; when all are there, the catalog.
    // spec: S-1
    fn put_next(&mut self, storing: Storing) -> SnapshotStep {
        match storing.objects.front().cloned() {
            Some((name, bytes)) => {
                self.ask(State::Putting(storing), ObjectRequest::PutNew { name, bytes })
            }
            None if crate::planted!(P1) => SnapshotStep::Stored,
            None => self.publish(storing),
        }
    }

    fn put_done(&mut self, mut storing: Storing) -> SnapshotStep {
        storing.objects.pop_front();
        self.put_next(storing)
    }

    fn publish(&mut self, storing: Storing) -> SnapshotStep {
        let bytes = storing.before.catalog.with(&storing.name).encode();
        let (name, tag) = (self.catalog(), storing.before.tag);
        self.ask(State::Publishing(storing), ObjectRequest::Replace { name, tag, bytes })
    }

    fn published(&mut self, storing: Storing) -> SnapshotStep {
        if crate::planted!(P1) {
            return self.put_next(storing);
        }
        SnapshotStep::Stored
    }

    /// The catalog is another one by now: through an earlier try of ours, or through
    /// another incarnation, which may have removed what was just written.
    fn looked_after(&mut self, mut storing: Storing, found: &Found) -> SnapshotStep {
        if found.catalog.names.contains(&storing.name) {
            return self.published(storing);
        }
        if crate::planted!(P6) {
            storing.before.tag = found.tag;
            return self.publish(storing);
        }
        self.fail("another run changed the catalog of snapshots".to_owned(), true)
    }

    fn begin_removing(&mut self, removed: Vec<String>, before: Found) -> SnapshotStep {
        let waiting = before.catalog.names.iter().cloned().collect();
        let manifests = Listing { waiting, ..Listing::default() };
        self.read_removed(Removing { removed, before, manifests })
    }

    fn read_removed(&mut self, removing: Removing) -> SnapshotStep {
        match self.next_manifest(&removing.manifests) {
            Some(request) => self.ask(State::ReadingRemoved(removing), request),
            None => {
                let prefix = self.prefix.clone();
                self.ask(State::ListingObjects(removing), ObjectRequest::List { prefix })
            }
        }
    }

    fn withdraw(&mut self, removing: Removing, listed: &[String]) -> SnapshotStep {
        let objects = self.unused(&removing, listed);
        let bytes = removing.before.catalog.without(&removing.removed).encode();
        let (name, tag) = (self.catalog(), removing.before.tag);
        self.ask(State::Withdrawing { objects }, ObjectRequest::Replace { name, tag, bytes })
    }

    /// The objects that nothing names once the catalog is replaced, manifests first. None,
    /// if a manifest that stays cannot be read: nobody knows what it names.
    fn unused(&self, removing: &Removing, listed: &[String]) -> Vec<String> {
        let is_removed = |name: &String| removing.removed.contains(name);
        let (mut names, mut parts) = (BTreeSet::new(), BTreeSet::new());
        let (mut kept_parts, mut newest) = (BTreeSet::new(), None);
        for (name, bytes) in &removing.manifests.manifests {
            let manifest = Manifest::decode(bytes).ok();
            let named = manifest.iter().flat_map(|manifest| manifest.parts()).map(|part| part.name);
            if is_removed(name) {
                names.insert(self.manifest(name));
                parts.extend(named);
                continue;
            }
            let Some(manifest) = &manifest else { return Vec::new() };
            newest = newest.max(Some(manifest.epoch));
            if !crate::planted!(P3) {
                kept_parts.extend(named);
            }
        }
        let kept: BTreeSet<String> = {
            let kept = removing.before.catalog.names.iter().filter(|name| !is_removed(name));
            kept.map(|name| self.manifest(name)).collect()
        };
        for object in listed {
            let file = object.strip_prefix(&self.prefix).unwrap_or_default();
            if let Some(part) = PartName::parse(file).filter(|part| Some(part.epoch) <= newest) {
                parts.insert(part);
            }
            let manifest = ManifestName::parse(file).filter(|it| Some(it.epoch) <= newest);
            if manifest.is_some() && !kept.contains(object) {
                names.insert(object.clone());
            }
        }
        let unused = parts.into_iter().filter(|part| !kept_parts.contains(part));
        let unused = unused.map(|part| format!("{}{part}", self.prefix));
        names.into_iter().chain(unused).collect()
    }

    fn delete_next(&mut self, mut objects: Vec<String>) -> SnapshotStep {
        if objects.is_empty() {
            return SnapshotStep::Removed;
        }
        // A manifest must not outlive its parts, so the two never share a request.
        let manifests = objects.iter().take_while(|name| name.ends_with(MANIFEST_END)).count();
        let first = if manifests > 0 { manifests } else { objects.len() };
        let rest = objects.split_off(first.min(DELETE_MAX));
        self.ask(State::Deleting { objects: rest }, ObjectRequest::Delete { names: objects })
    }

    /// Nothing is known of the last request, or nothing was done: every request can be
    /// made again.
    fn ask_again(&mut self) -> SnapshotStep {
        self.failures += 1;
        if self.failures >= TRIES_MAX {
            self.failures = 0;
            return self.fail("the object store does not answer".to_owned(), true);
        }
        SnapshotStep::Request(Request::Sleep { ms: WAIT_MS << (self.failures - 1) })
    }

    fn answered(&mut self, answer: ObjectAnswer) -> SnapshotStep {
        match mem::replace(&mut self.state, State::Idle) {
            State::Listing if crate::planted!(P2) => self.listed(answer),
            state @ (State::Idle
            | State::Listing
            | State::LookingBefore(_)
            | State::LookingAfter(_)
            | State::Planning { .. }) => self.catalog_read(state, &answer),
            State::ReadingManifests(mut listing) => {
                listing.take(answer);
                self.read_manifests(listing)
            }
            State::Loading { name } => self.load_parts(&name, &answer),
            State::LoadingParts { mut waiting, mut parts } => {
                let name = waiting.pop_front().unwrap_or_default();
                let ObjectAnswer::Data { bytes, .. } = answer else {
                    return self.fail(format!("{name} is missing"), false);
                };
                parts.push(bytes);
                self.load_next(waiting, parts)
            }
            State::Putting(storing) => match (answer, storing.objects.front()) {
                (ObjectAnswer::Exists, Some((name, _))) => {
                    let name = name.clone();
                    self.get(State::Comparing(storing), name)
                }
                _ => self.put_done(storing),
            },
            State::Comparing(storing) => match (answer, storing.objects.front()) {
                (ObjectAnswer::Data { bytes, .. }, Some((_, ours))) if bytes == *ours => {
                    self.put_done(storing)
                }
                (_, object) => {
                    let name = object.map_or_else(String::new, |(name, _)| name.clone());
                    self.fail(format!("{name} is there with other bytes"), false)
                }
            },
            State::Publishing(storing) => match answer {
                ObjectAnswer::Exists => {
                    let name = self.catalog();
                    self.get(State::LookingAfter(storing), name)
                }
                _ => self.published(storing),
            },
            State::ReadingRemoved(mut removing) => {
                removing.manifests.take(answer);
                self.read_removed(removing)
            }
            State::ListingObjects(removing) => match answer {
                ObjectAnswer::Names(names) => self.withdraw(removing, &names),
                other => panic!("{other:?} is no answer to a listing"),
            },
            State::Withdrawing { objects } => match answer {
                ObjectAnswer::Exists => {
                    self.fail("another run changed the catalog of snapshots".to_owned(), true)
                }
                _ => self.delete_next(objects),
            },
            State::Deleting { objects } => self.delete_next(objects),
        }
    }

    /// Goes on with a catalog that was read.
    fn catalog_read(&mut self, state: State, answer: &ObjectAnswer) -> SnapshotStep {
        let found = match self.found(answer) {
            Ok(found) => found,
            Err(message) => return self.fail(message, false),
        };
        match state {
            State::Listing => {
                let waiting = found.catalog.names.into();
                self.read_manifests(Listing { waiting, ..Listing::default() })
            }
            State::LookingBefore(storing) => self.begin_storing(storing, found),
            State::LookingAfter(storing) => self.looked_after(storing, &found),
            State::Planning { names } => self.begin_removing(names, found),
            other => panic!("{other:?} does not wait for the catalog"),
        }
    }

    /// A planted bug: what has a manifest is taken for what the catalog lists.
    fn listed(&mut self, answer: ObjectAnswer) -> SnapshotStep {
        let ObjectAnswer::Names(objects) = answer else {
            panic!("{answer:?} is no answer to a listing")
        };
        let file = |object: &String| object.strip_prefix(&self.prefix).map(str::to_owned);
        let files = objects.iter().filter_map(file);
        let names = files.filter_map(|file| file.strip_suffix(MANIFEST_END).map(str::to_owned));
        self.read_manifests(Listing { waiting: names.collect(), ..Listing::default() })
    }

    fn begin(&mut self, state: State, name: String) -> SnapshotStep {
        assert!(matches!(self.state, State::Idle), "one thing at a time");
        self.failures = 0;
        self.get(state, name)
    }
}

impl Listing {
    /// Takes the manifest that was waited for. One that is not there comes without bytes,
    /// so that it is seen that it is missing.
    fn take(&mut self, answer: ObjectAnswer) {
        let name = self.waiting.pop_front().expect("a manifest was asked for");
        let bytes = match answer {
            ObjectAnswer::Data { bytes, .. } => bytes,
            _ => Bytes::new(),
        };
        self.manifests.push((name, bytes));
    }
}

impl SnapshotMachine for ObjectSnapshots {
    fn list(&mut self) -> SnapshotStep {
        if crate::planted!(P2) {
            let prefix = self.prefix.clone();
            return self.ask(State::Listing, ObjectRequest::List { prefix });
        }
        let name = self.catalog();
        self.begin(State::Listing, name)
    }

    fn load(&mut self, name: String) -> SnapshotStep {
        let object = self.manifest(&name);
        self.begin(State::Loading { name }, object)
    }

    // spec: S-1
    fn store(
        &mut self,
        name: String,
        parts: Vec<(String, Bytes)>,
        manifest: Bytes,
    ) -> SnapshotStep {
        let part = |(part, bytes)| (format!("{}{part}", self.prefix), bytes);
        let mut objects: VecDeque<(String, Bytes)> = parts.into_iter().map(part).collect();
        objects.push_back((self.manifest(&name), manifest));
        let object = self.catalog();
        let storing = Storing { name, objects, before: Found::default() };
        self.begin(State::LookingBefore(storing), object)
    }

    fn remove(&mut self, names: Vec<String>) -> SnapshotStep {
        let object = self.catalog();
        self.begin(State::Planning { names }, object)
    }

    fn answer(&mut self, answer: Answer) -> SnapshotStep {
        match answer {
            Answer::Object(ObjectAnswer::Busy) | Answer::Unreachable | Answer::TimedOut => {
                self.ask_again()
            }
            Answer::Object(answer) => {
                self.failures = 0;
                self.answered(answer)
            }
            Answer::Woken => {
                let request = self.request.clone().expect("a request is to be made again");
                SnapshotStep::Request(Request::Object(request))
            }
            other => panic!("an object store does not answer {other:?}"),
        }
    }
}
