//! A model of an object store: conditional writes, and listings that lag behind.
//!
//! Reading an object gives what was last written. A listing may miss, for a while, what
//! was written lately, and show what was removed lately. The tag of an object follows
//! from its bytes, as with S3: written back to what it was, it has the tag that it had.

use super::{ClientId, Disturbance, Service, Toll, View, ViewRecord};
use crate::conformance::{Phrase, Staged};
use crate::rng::Draws;
use crate::time::{Span, VirtualTime};
use anabranch_engine::service::object::{ObjectAnswer, ObjectRequest};
use anabranch_engine::service::{Answer, Request};
use bytes::Bytes;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// The model of one bucket.
#[derive(Clone, Debug, Default)]
pub struct ObjectModel {
    objects: BTreeMap<String, Object>,
    /// When objects were removed that are not there again.
    removed: BTreeMap<String, VirtualTime>,
    /// How long a listing may be behind.
    lag: Span,
    /// Decides which names a listing gets wrong.
    seed: u64,
    listings: u64,
    /// How many writes more there is room for.
    room: Option<u32>,
    toll: Toll,
}

#[derive(Clone, Debug)]
struct Object {
    bytes: Bytes,
    /// When it appeared under its name.
    since: VirtualTime,
}

impl ObjectModel {
    /// An empty bucket whose listings may be behind by so much; which names they get
    /// wrong follows from the seed.
    #[must_use]
    pub fn new(lag: Span, seed: u64) -> ObjectModel {
        ObjectModel { lag, seed, ..ObjectModel::default() }
    }

    /// The bytes of an object.
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<&Bytes> {
        self.objects.get(name).map(|object| &object.bytes)
    }

    /// The names of all objects.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.objects.keys().map(String::as_str)
    }

    fn request(&mut self, now: VirtualTime, request: &ObjectRequest) -> ObjectAnswer {
        match request {
            ObjectRequest::Delete { names } => {
                for name in names {
                    if self.objects.remove(name).is_some() {
                        self.removed.insert(name.clone(), now);
                    }
                }
                ObjectAnswer::Done
            }
            ObjectRequest::Get { name } => match self.objects.get(name) {
                Some(object) => {
                    ObjectAnswer::Data { bytes: object.bytes.clone(), tag: tag(&object.bytes) }
                }
                None => ObjectAnswer::NotFound,
            },
            ObjectRequest::List { prefix } => ObjectAnswer::Names(self.list(now, prefix)),
            ObjectRequest::PutNew { name, bytes } => match self.objects.contains_key(name) {
                true => ObjectAnswer::Exists,
                false => self.put(now, name, bytes, ObjectAnswer::Done),
            },
            ObjectRequest::Replace { name, tag: expected, bytes } => {
                let found = self.objects.get(name).map(|object| tag(&object.bytes));
                match found == *expected {
                    true => self.put(now, name, bytes, ObjectAnswer::Tagged(tag(bytes))),
                    false => ObjectAnswer::Exists,
                }
            }
        }
    }

    fn put(
        &mut self,
        now: VirtualTime,
        name: &str,
        bytes: &Bytes,
        done: ObjectAnswer,
    ) -> ObjectAnswer {
        match &mut self.room {
            Some(0) => return ObjectAnswer::Busy,
            Some(room) => *room -= 1,
            None => {}
        }
        let since = self.objects.get(name).map_or(now, |object| object.since);
        self.removed.remove(name);
        self.objects.insert(name.to_owned(), Object { bytes: bytes.clone(), since });
        done
    }

    fn list(&mut self, now: VirtualTime, prefix: &str) -> Vec<String> {
        self.listings += 1;
        let (lag, seed, listing) = (self.lag, self.seed, self.listings);
        let is_wrong = |name: &str, since: VirtualTime| {
            now - since < lag && Draws::new(seed, "stale-list", name).at(listing).is_multiple_of(2)
        };
        let there = self.objects.iter().filter(|(name, object)| !is_wrong(name, object.since));
        let gone = self.removed.iter().filter(|(name, since)| is_wrong(name, **since));
        let names = there.map(|(name, _)| name).chain(gone.map(|(name, _)| name));
        let mut names: Vec<String> =
            names.filter(|name| name.starts_with(prefix)).cloned().collect();
        names.sort_unstable();
        names
    }
}

/// Tags are equal if the bytes are.
fn tag(bytes: &Bytes) -> u64 {
    xxh3_64(bytes)
}

impl Staged for ObjectModel {
    /// `fill` and `make-room`.
    fn act(&mut self, now: VirtualTime, act: &Phrase) -> Result<Phrase, String> {
        let disturbance = match act.word.as_str() {
            "fill" => Disturbance::Fill { writes: 0 },
            "make-room" => Disturbance::MakeRoom,
            other => return Err(format!("there is no act `{other}`")),
        };
        let done = self.disturb(now, &disturbance).is_some();
        Ok(Phrase::new(if done { "done" } else { "nothing" }))
    }
}

impl Service for ObjectModel {
    fn execute(&mut self, now: VirtualTime, _client: ClientId, request: &Request) -> Answer {
        match request {
            Request::Object(request) => Answer::Object(self.request(now, request)),
            other => panic!("an object store is not asked {other:?}"),
        }
    }

    fn disturb(&mut self, _now: VirtualTime, disturbance: &Disturbance) -> Option<String> {
        match disturbance {
            Disturbance::Fill { writes } => {
                self.room = Some(*writes);
                Some(format!("{writes} writes more are taken"))
            }
            Disturbance::MakeRoom => self.room.take().map(|_| "writes are taken again".to_owned()),
            Disturbance::Rot { place } => {
                let index = place.checked_rem(self.objects.len() as u64)? as usize;
                let (name, object) = self.objects.iter_mut().nth(index)?;
                let mut bytes = object.bytes.to_vec();
                let bit = (place >> 16).checked_rem(bytes.len() as u64 * 8)? as usize;
                bytes[bit / 8] ^= 1 << (bit % 8);
                object.bytes = bytes.into();
                self.toll.rotten += 1;
                Some(format!("bit {bit} of {name} changed"))
            }
            Disturbance::LoseAcknowledged { .. }
            | Disturbance::LoseMarker
            | Disturbance::Failover
            | Disturbance::ExpireProducers
            | Disturbance::Retention { .. }
            | Disturbance::Merge
            | Disturbance::ForgetTokens
            | Disturbance::FailSync
            | Disturbance::TakeFiles
            | Disturbance::PowerFailure { .. }
            | Disturbance::StopInsert { .. } => None,
        }
    }

    fn toll(&self) -> Toll {
        self.toll
    }

    fn client_died(&mut self, _now: VirtualTime, _process: u32) {}

    fn next_event(&self) -> Option<VirtualTime> {
        None
    }

    fn pass_time(&mut self, _now: VirtualTime) {}

    fn copied(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }

    fn view(&self, _now: VirtualTime) -> View {
        let record = |(name, object): (&String, &Object)| ViewRecord {
            part: 0,
            key: Bytes::copy_from_slice(name.as_bytes()),
            value: object.bytes.clone(),
        };
        View { records: self.objects.iter().map(record).collect(), marker: None }
    }
}
