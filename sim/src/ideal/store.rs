//! The service behind the ideal machines: objects and conditional writes.

use super::sink::{Head, read_chunk};
use crate::model::{Change, ClientId, Disturbance, Glance, Service, View, ViewRecord};
use crate::time::VirtualTime;
use anabranch_engine::service::object::{ObjectAnswer, ObjectRequest};
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::ChunkPayload;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Objects by name. Whatever it has answered is durable.
#[derive(Clone, Debug, Default)]
pub struct IdealStore {
    objects: BTreeMap<String, (Bytes, u64)>,
    tags: u64,
}

impl IdealStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> IdealStore {
        IdealStore::default()
    }

    fn put(&mut self, name: &str, bytes: &Bytes) -> u64 {
        self.tags += 1;
        self.objects.insert(name.to_owned(), (bytes.clone(), self.tags));
        self.tags
    }

    fn carry_out(&mut self, request: &ObjectRequest) -> ObjectAnswer {
        match request {
            ObjectRequest::List { prefix } => {
                let names = self.objects.range(prefix.clone()..).map(|(name, _)| name);
                ObjectAnswer::Names(
                    names.take_while(|name| name.starts_with(prefix)).cloned().collect(),
                )
            }
            ObjectRequest::Get { name } => match self.objects.get(name) {
                Some((bytes, tag)) => ObjectAnswer::Data { bytes: bytes.clone(), tag: *tag },
                None => ObjectAnswer::NotFound,
            },
            ObjectRequest::PutNew { name, .. } if self.objects.contains_key(name) => {
                ObjectAnswer::Exists
            }
            ObjectRequest::PutNew { name, bytes } => {
                self.put(name, bytes);
                ObjectAnswer::Done
            }
            ObjectRequest::Replace { name, tag, bytes } => {
                let found = self.objects.get(name).map(|(_, tag)| *tag);
                match found == *tag {
                    true => ObjectAnswer::Tagged(self.put(name, bytes)),
                    false => ObjectAnswer::Exists,
                }
            }
            ObjectRequest::Delete { names } => {
                names.iter().for_each(|name| drop(self.objects.remove(name)));
                ObjectAnswer::Done
            }
        }
    }
}

impl Service for IdealStore {
    fn execute(&mut self, _: VirtualTime, _: ClientId, request: &Request) -> Answer {
        match request {
            Request::Object(request) => Answer::Object(self.carry_out(request)),
            other => panic!("an object store is not asked {other:?}"),
        }
    }

    fn disturb(&mut self, _: VirtualTime, _: &Disturbance) -> Option<String> {
        None
    }

    fn client_died(&mut self, _: VirtualTime, _: u32) {}

    fn next_event(&self) -> Option<VirtualTime> {
        None
    }

    fn pass_time(&mut self, _: VirtualTime) {}

    fn copied(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }

    /// The chunks that the head of a sink leads to; nothing if it is no sink's store.
    fn view(&self, _: VirtualTime) -> View {
        let Some((bytes, _)) = self.objects.get(super::sink::HEAD) else {
            return View::default();
        };
        let head = Head::decode(bytes);
        let mut chunks = Vec::new();
        let mut next = head.last;
        while let Some(name) = next {
            let (bytes, _) = self.objects.get(&name).expect("a head leads to objects only");
            let (before, payload) = read_chunk(bytes);
            chunks.push(payload);
            next = before;
        }
        let mut records = Vec::new();
        for payload in chunks.iter().rev() {
            add_records(payload, &mut records);
        }
        View { records, marker: head.marker }
    }

    /// Chunks never change: what is new are those between the head and the last one that
    /// was seen, which the glance names by its tag.
    fn look(&self, now: VirtualTime, before: &View, glance: Option<Glance>) -> Change {
        let object = |name: &str| self.objects.get(name);
        let Some((bytes, _)) = object(super::sink::HEAD) else {
            return Change::between(before, self.view(now));
        };
        let head = Head::decode(bytes);
        let tag = |name: &String| object(name).map_or(0, |(_, tag)| *tag);
        let seen = head.last.as_ref().map_or(0, tag);
        let told = Glance { history: 0, seen };
        let (mut chunks, mut next) = (Vec::new(), head.last);
        while let Some(name) = next.take_if(|name| Some(tag(name)) != glance.map(|it| it.seen)) {
            let (bytes, _) = object(&name).expect("a head leads to objects only");
            let (earlier, payload) = read_chunk(bytes);
            chunks.push(payload);
            next = earlier;
        }
        let mut records = Vec::new();
        chunks.iter().rev().for_each(|payload| add_records(payload, &mut records));
        let change = match next {
            Some(_) => {
                let kept = before.records.len();
                Change { kept, records, marker: head.marker, glance: None }
            }
            None => Change::between(before, View { records, marker: head.marker }),
        };
        Change { glance: Some(told), ..change }
    }
}

fn add_records(payload: &ChunkPayload, records: &mut Vec<ViewRecord>) {
    match payload {
        ChunkPayload::Bytes { data, .. } => {
            let mut from = 0;
            while from < data.len() {
                let line = memchr_line(&data[from..]);
                let value = data.slice(from..from + line);
                records.push(ViewRecord { part: 0, key: Bytes::new(), value });
                from += line + 1;
            }
        }
        ChunkPayload::Records { records: rows } => {
            records.extend(rows.iter().map(|row| ViewRecord {
                part: 0,
                key: row.key.clone(),
                value: row.value.clone(),
            }));
        }
        other => panic!("a payload of a kind that is not known: {other:?}"),
    }
}

/// How long the first line is, without its end.
fn memchr_line(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len())
}
