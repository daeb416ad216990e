//! The ideal sink: a head that is replaced conditionally, and chunks behind it.
//!
//! The head says who claimed the sink, the marker, and the last chunk; each chunk names
//! the one before. A chunk that no head leads to is not there.

use super::{Said, get, out_of_turn, said};
use anabranch_engine::codec::{Reader, put_bool, put_bytes, put_str, put_u32, put_u64};
use anabranch_engine::ids::{Epoch, Generation, Lineage};
use anabranch_engine::journal::ChainHash;
use anabranch_engine::rows::RowKind;
use anabranch_engine::service::object::{ObjectAnswer, ObjectRequest};
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::{
    ApplyOutcome, Chunk, ChunkPayload, FailKind, Inspection, Marker, OpenOutcome, SinkMachine,
    SinkRecord, SinkStep, Verdict, judge,
};
use bytes::Bytes;

/// The object that holds claim and marker.
pub(super) const HEAD: &str = "head";

/// What the head says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) claim: Option<Generation>,
    pub(super) marker: Option<Marker>,
    /// The name of the last chunk.
    pub(super) last: Option<String>,
}

impl Head {
    fn encode(&self) -> Bytes {
        let mut out = Vec::new();
        put_bool(&mut out, self.claim.is_some());
        if let Some(claim) = self.claim {
            put_u64(&mut out, claim.number);
            put_u64(&mut out, claim.nonce);
        }
        put_bool(&mut out, self.marker.is_some());
        if let Some(marker) = self.marker {
            put_u64(&mut out, marker.lineage.number);
            put_u64(&mut out, marker.lineage.nonce);
            put_u64(&mut out, marker.epoch.0);
            put_u32(&mut out, marker.chunk);
            put_bool(&mut out, marker.last);
            put_bytes(&mut out, &marker.hash.0);
        }
        put_str(&mut out, self.last.as_deref().unwrap_or_default());
        out.into()
    }

    /// # Panics
    /// If the bytes are no head: nobody else writes that object.
    pub(super) fn decode(bytes: &[u8]) -> Head {
        fn read(reader: &mut Reader<'_>) -> Result<Head, anabranch_engine::codec::DecodeError> {
            let mut head = Head::default();
            if reader.bool()? {
                head.claim = Some(Generation { number: reader.u64()?, nonce: reader.u64()? });
            }
            if reader.bool()? {
                let lineage = Lineage { number: reader.u64()?, nonce: reader.u64()? };
                let (epoch, chunk) = (Epoch(reader.u64()?), reader.u32()?);
                let last = reader.bool()?;
                let mut hash = ChainHash::START;
                hash.0.copy_from_slice(reader.bytes()?);
                head.marker = Some(Marker { lineage, epoch, chunk, last, hash });
            }
            let last = reader.str()?;
            head.last = (!last.is_empty()).then(|| last.to_owned());
            Ok(head)
        }
        read(&mut Reader::new(bytes)).expect("only this machine writes the head")
    }
}

fn chunk_bytes(before: Option<&str>, payload: &ChunkPayload) -> Bytes {
    let mut out = Vec::new();
    put_str(&mut out, before.unwrap_or_default());
    match payload {
        ChunkPayload::Bytes { data, rows } => {
            out.push(0);
            put_u32(&mut out, *rows);
            out.extend_from_slice(data);
        }
        ChunkPayload::Records { records } => {
            out.push(1);
            put_u64(&mut out, records.len() as u64);
            for record in records {
                put_u64(&mut out, record.epoch.0);
                out.push(record.kind as u8);
                put_bytes(&mut out, &record.key);
                put_bytes(&mut out, &record.partition);
                put_bytes(&mut out, &record.value);
            }
        }
        other => panic!("a payload of a kind that is not known: {other:?}"),
    }
    out.into()
}

/// The chunk before, and the payload.
///
/// # Panics
/// If the bytes are no chunk: nobody else writes those objects.
pub(super) fn read_chunk(bytes: &Bytes) -> (Option<String>, ChunkPayload) {
    let reader = &mut Reader::new(bytes);
    let read = |reader: &mut Reader<'_>| {
        let before = reader.str()?.to_owned();
        let payload = match reader.u8()? {
            0 => {
                let rows = reader.u32()?;
                ChunkPayload::Bytes { data: bytes.slice(reader.position()..), rows }
            }
            _ => {
                let count = reader.u64()?;
                let mut records = Vec::new();
                for _ in 0..count {
                    let epoch = Epoch(reader.u64()?);
                    let kind = [
                        RowKind::Insert,
                        RowKind::UpdateBefore,
                        RowKind::UpdateAfter,
                        RowKind::Delete,
                    ];
                    let code = reader.u8()?;
                    let kind = kind.into_iter().find(|kind| *kind as u8 == code);
                    records.push(SinkRecord {
                        epoch,
                        kind: kind.unwrap_or(RowKind::Insert),
                        key: Bytes::copy_from_slice(reader.bytes()?),
                        partition: Bytes::copy_from_slice(reader.bytes()?),
                        value: Bytes::copy_from_slice(reader.bytes()?),
                    });
                }
                ChunkPayload::Records { records }
            }
        };
        Ok::<_, anabranch_engine::codec::DecodeError>((before, payload))
    };
    let (before, payload) = read(reader).expect("only this machine writes chunks");
    ((!before.is_empty()).then_some(before), payload)
}

/// The machine.
#[derive(Debug, Default)]
pub struct IdealSink {
    /// Whether every chunk is applied, as one that is printed is; otherwise the marker
    /// judges.
    // spec: K-6
    is_blind: bool,
    head: Head,
    tag: Option<u64>,
    generation: Generation,
    state: State,
    failure: String,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Closed,
    Inspecting,
    /// The head is read, to be claimed.
    Reading,
    /// The head is replaced by one with our claim.
    Claiming,
    Ready,
    /// The chunk is written.
    Writing(Chunk),
    /// The head is replaced by one that leads to the chunk.
    Publishing(Chunk),
    /// Somebody else replaced the head: it is read to see who.
    Refused,
}

impl IdealSink {
    /// A machine that is not open.
    #[must_use]
    pub fn new(keeps_marker: bool) -> IdealSink {
        IdealSink { is_blind: !keeps_marker, ..IdealSink::default() }
    }

    fn replace_head(&self, head: &Head) -> SinkStep {
        SinkStep::Request(Request::Object(ObjectRequest::Replace {
            name: HEAD.to_owned(),
            tag: self.tag,
            bytes: head.encode(),
        }))
    }

    fn name_of(chunk: &Chunk) -> String {
        let hash: String = chunk.marker.hash.0[..8].iter().map(|b| format!("{b:02x}")).collect();
        format!("chunk/{:012}-{:06}-{hash}", chunk.marker.epoch.0, chunk.marker.chunk)
    }

    fn take_head(&mut self, answer: ObjectAnswer) {
        (self.head, self.tag) = match answer {
            ObjectAnswer::Data { bytes, tag } => (Head::decode(&bytes), Some(tag)),
            ObjectAnswer::NotFound => (Head::default(), None),
            other => out_of_turn(&other),
        };
    }

    /// Ends what is under way without success.
    fn fail(&mut self, kind: FailKind, why: &str) -> SinkStep {
        self.failure = why.to_owned();
        match std::mem::take(&mut self.state) {
            State::Inspecting => SinkStep::Inspected(Err(ApplyOutcome::Failed(kind))),
            State::Reading | State::Claiming => SinkStep::Opened(OpenOutcome::Failed(kind)),
            State::Writing(_) | State::Publishing(_) | State::Refused => {
                SinkStep::Applied(ApplyOutcome::Failed(kind))
            }
            State::Closed | State::Ready => panic!("an answer without a request"),
        }
    }

    fn claim(&mut self) -> SinkStep {
        if let Some(by) = self.head.claim
            && by.number >= self.generation.number
            && by != self.generation
        {
            self.state = State::Closed;
            return SinkStep::Opened(OpenOutcome::Fenced { by });
        }
        self.head.claim = Some(self.generation);
        self.state = State::Claiming;
        self.replace_head(&self.head)
    }

    fn publish(&mut self, chunk: Chunk) -> SinkStep {
        let head = Head {
            marker: Some(chunk.marker),
            last: Some(Self::name_of(&chunk)),
            ..self.head.clone()
        };
        self.state = State::Publishing(chunk);
        self.replace_head(&head)
    }
}

impl SinkMachine for IdealSink {
    fn inspect(&mut self) -> SinkStep {
        self.state = State::Inspecting;
        SinkStep::Request(get(HEAD))
    }

    // spec: K-3
    fn open(&mut self, generation: Generation) -> SinkStep {
        self.generation = generation;
        self.state = State::Reading;
        SinkStep::Request(get(HEAD))
    }

    // spec: K-1, K-7
    fn apply(&mut self, chunk: Chunk) -> SinkStep {
        assert!(matches!(self.state, State::Ready), "the sink is open and free");
        let verdict = if self.is_blind { Verdict::Apply } else { judge(self.head.marker, &chunk) };
        match verdict {
            Verdict::Apply => {
                let name = Self::name_of(&chunk);
                let bytes = chunk_bytes(self.head.last.as_deref(), &chunk.payload);
                self.state = State::Writing(chunk);
                SinkStep::Request(Request::Object(ObjectRequest::PutNew { name, bytes }))
            }
            Verdict::Duplicate => SinkStep::Applied(ApplyOutcome::Duplicate),
            Verdict::Gap => SinkStep::Applied(ApplyOutcome::Gap { found: self.head.marker }),
            Verdict::Diverged => SinkStep::Applied(ApplyOutcome::Diverged {
                found: self.head.marker.expect("it differs from the chunk's"),
            }),
        }
    }

    fn answer(&mut self, answer: Answer) -> SinkStep {
        let answer = match said(answer) {
            Said::Answer(answer) => answer,
            Said::NotDone(why) => return self.fail(FailKind::Transient, why),
            // spec: K-4
            Said::Unknown => return self.fail(FailKind::Unknown, "no answer came"),
        };
        match std::mem::take(&mut self.state) {
            State::Inspecting => {
                self.take_head(answer);
                let (claim, marker) = (self.head.claim, self.head.marker);
                SinkStep::Inspected(Ok(Inspection { claim, marker }))
            }
            State::Reading => {
                self.take_head(answer);
                self.claim()
            }
            State::Claiming => match answer {
                ObjectAnswer::Tagged(tag) => {
                    self.tag = Some(tag);
                    self.state = State::Ready;
                    SinkStep::Opened(OpenOutcome::Opened { marker: self.head.marker })
                }
                // Somebody else was quicker, perhaps a late request of a dead process.
                ObjectAnswer::Exists => {
                    self.state = State::Reading;
                    SinkStep::Request(get(HEAD))
                }
                other => out_of_turn(&other),
            },
            // A chunk of that name has that content.
            State::Writing(chunk) => self.publish(chunk),
            State::Publishing(chunk) => match answer {
                ObjectAnswer::Tagged(tag) => {
                    self.tag = Some(tag);
                    self.head.last = Some(Self::name_of(&chunk));
                    self.head.marker = Some(chunk.marker);
                    self.state = State::Ready;
                    SinkStep::Applied(ApplyOutcome::Applied)
                }
                ObjectAnswer::Exists => {
                    self.state = State::Refused;
                    SinkStep::Request(get(HEAD))
                }
                other => out_of_turn(&other),
            },
            State::Refused => {
                self.take_head(answer);
                match self.head.claim {
                    Some(by) if by != self.generation => {
                        SinkStep::Applied(ApplyOutcome::Fenced { by })
                    }
                    // A late request of our own: the marker has to be read again.
                    _ => SinkStep::Applied(ApplyOutcome::Failed(FailKind::Unknown)),
                }
            }
            State::Closed | State::Ready => panic!("an answer without a request"),
        }
    }

    fn failure(&self) -> &str {
        &self.failure
    }
}
