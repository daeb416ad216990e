//! The manifest of a filesystem sink: the marker, and what is needed to finish a
//! file after a crash.
//!
//! It is a sequence of frames. The first is the claim of the generation that owns the
//! folder; each further one is the intent to put a file in place. An intent is
//! written when the one before it is done; so at most the last is open.

use crate::codec::frame::{find_frame, put_frame, read_frame};
use crate::codec::{DecodeError, Reader, put_bool, put_str, put_u32, put_u64};
use crate::ids::{Generation, Lineage};
use crate::sink::{Marker, put_marker, read_marker};

/// The version of the manifest's format that this code writes.
const VERSION: u32 = 1;
/// Sets the frames apart from those of a journal.
const SALT: u64 = 0x5349_4e4b_4d41_4e46;
const KIND_CLAIM: u8 = 1;
const KIND_INTENT: u8 = 2;
/// Markers in a manifest lean on no current lineage.
const NO_LINEAGE: Lineage = Lineage { number: 0, nonce: 0 };

/// A file that is about to be put in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Intent {
    /// The marker before.
    pub(super) predecessor: Option<Marker>,
    /// The marker once the file is in place. It counts from the moment at which the
    /// intent is durable, because from then on a crash cannot keep the file away.
    pub(super) marker: Marker,
    /// The name under which the bytes are already durable.
    pub(super) temporary: String,
    /// The name that the file gets.
    pub(super) name: String,
    /// How many bytes it has.
    pub(super) length: u64,
    /// The CRC-32 of the bytes.
    pub(super) crc: u32,
}

impl Intent {
    /// Whether one of these names is the file's. It proves nothing: a consumer may have
    /// taken the file away.
    pub(super) fn shows_in(&self, names: &[String]) -> bool {
        names.iter().any(|name| *name == self.name || *name == self.temporary)
    }
}

/// What a manifest says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FileManifest {
    /// The generation that claimed the folder; `None` if the manifest is empty.
    pub(super) claim: Option<Generation>,
    /// The last intent.
    pub(super) last: Option<Intent>,
}

impl FileManifest {
    /// A whole manifest. An older generation's intents are not repeated but for the
    /// last, so a manifest does not grow from start to start.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut position = 0;
        if let Some(claim) = self.claim {
            position = put_frame(&mut out, SALT, position, |out| {
                out.push(KIND_CLAIM);
                put_u32(out, VERSION);
                put_u64(out, claim.number);
                out.extend_from_slice(&claim.nonce.to_le_bytes());
            });
        }
        if let Some(intent) = &self.last {
            put_frame(&mut out, SALT, position, |out| put_intent(out, intent));
        }
        out
    }

    /// Reads a manifest. An entry at the end that was torn by a crash is left out.
    ///
    /// # Errors
    /// If valid entries stand behind invalid bytes, or an entry makes no sense: then
    /// the file was damaged after it was durable.
    pub(super) fn decode(bytes: &[u8]) -> Result<FileManifest, DecodeError> {
        let mut manifest = FileManifest::default();
        let mut at = 0;
        while at < bytes.len() {
            let found = match read_frame(bytes, SALT, at) {
                Ok(found) => found,
                Err(error) if find_frame(bytes, SALT, at).is_some() => return Err(error),
                // Entries are synced one by one, so only the last can be torn.
                Err(_) => break,
            };
            manifest.take(found.payload).map_err(|error| DecodeError { at, ..error })?;
            at = found.end;
        }
        Ok(manifest)
    }

    fn take(&mut self, payload: &[u8]) -> Result<(), DecodeError> {
        let reader = &mut Reader::new(payload);
        match reader.u8()? {
            KIND_CLAIM if self.claim.is_none() => {
                if reader.u32()? != VERSION {
                    return Err(reader.error("a manifest of another version"));
                }
                let number = reader.u64()?;
                let nonce = u64::from_le_bytes(reader.array()?);
                self.claim = Some(Generation { number, nonce });
            }
            KIND_INTENT if self.claim.is_some() => {
                let intent = read_intent(reader)?;
                let follows = match &self.last {
                    Some(before) => intent.predecessor == Some(before.marker),
                    None => true,
                };
                if !follows || !intent.marker.may_follow(intent.predecessor) {
                    return Err(reader.error("an intent that does not follow the one before"));
                }
                self.last = Some(intent);
            }
            _ => return Err(reader.error("an entry of an unknown kind")),
        }
        reader.finish()
    }
}

/// The bytes to append for an intent at byte `position`.
pub(super) fn encode_intent(intent: &Intent, position: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_frame(&mut out, SALT, position, |out| put_intent(out, intent));
    out
}

fn put_intent(out: &mut Vec<u8>, intent: &Intent) {
    out.push(KIND_INTENT);
    put_bool(out, intent.predecessor.is_some());
    if let Some(predecessor) = &intent.predecessor {
        put_marker(out, predecessor, NO_LINEAGE);
    }
    put_marker(out, &intent.marker, NO_LINEAGE);
    put_str(out, &intent.temporary);
    put_str(out, &intent.name);
    put_u64(out, intent.length);
    out.extend_from_slice(&intent.crc.to_le_bytes());
}

fn read_intent(reader: &mut Reader<'_>) -> Result<Intent, DecodeError> {
    let predecessor = if reader.bool()? { Some(read_marker(reader, NO_LINEAGE)?) } else { None };
    Ok(Intent {
        predecessor,
        marker: read_marker(reader, NO_LINEAGE)?,
        temporary: reader.str()?.to_owned(),
        name: reader.str()?.to_owned(),
        length: reader.u64()?,
        crc: u32::from_le_bytes(reader.array()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Epoch, SinkId};
    use crate::journal::ChainHash;
    use crate::service::fs::{FsAnswer, FsRequest};
    use crate::service::{Answer, Request};
    use crate::sink::files::{FileSink, MANIFEST};
    use crate::sink::{
        ApplyOutcome, Chunk, ChunkPayload, ChunkPlace, FailKind, OpenOutcome, SinkShard,
    };
    use crate::sink::{SinkMachine, SinkStep};
    use bytes::Bytes;

    fn marker(epoch: u64) -> Marker {
        let lineage = Lineage { number: 1, nonce: 2 };
        Marker { lineage, epoch: Epoch(epoch), chunk: 0, last: true, hash: ChainHash([1; 16]) }
    }

    fn intent(epoch: u64, predecessor: Option<u64>) -> Intent {
        Intent {
            predecessor: predecessor.map(marker),
            marker: marker(epoch),
            temporary: ".a.tmp".into(),
            name: "a".into(),
            length: 3,
            crc: 4,
        }
    }

    fn manifest() -> FileManifest {
        let claim = Some(Generation { number: 1, nonce: 9 });
        FileManifest { claim, last: Some(intent(4, None)) }
    }

    #[test]
    fn a_manifest_comes_back_and_its_torn_end_is_left_out() {
        let mut bytes = manifest().encode();
        let first = bytes.len();
        bytes.extend(encode_intent(&intent(9, Some(4)), first as u64));
        let whole = FileManifest::decode(&bytes).unwrap();
        assert_eq!(whole.last, Some(intent(9, Some(4))));
        for length in first..bytes.len() {
            assert_eq!(FileManifest::decode(&bytes[..length]).unwrap(), manifest());
        }
    }

    #[test]
    fn damage_before_the_last_entry_is_noticed() {
        let mut bytes = manifest().encode();
        let first = bytes.len();
        bytes.extend(encode_intent(&intent(9, Some(4)), first as u64));
        for bit in 0..first * 8 {
            let mut rotten = bytes.clone();
            rotten[bit / 8] ^= 1 << (bit % 8);
            assert!(FileManifest::decode(&rotten).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn an_intent_out_of_order_is_noticed() {
        // spec: K-1
        let mut bytes = manifest().encode();
        let position = bytes.len() as u64;
        bytes.extend(encode_intent(&intent(9, Some(5)), position));
        assert!(FileManifest::decode(&bytes).is_err());
    }

    #[test]
    fn a_file_that_opening_finished_is_not_written_over() {
        // spec: K-1
        // The intent names the file that the next chunk will want.
        let (data, lineage) = (Bytes::from_static(b"abc"), marker(4).lineage);
        let intent = Intent {
            name: "part-0001-000000000009.jsonl".into(),
            crc: crc32fast::hash(&data),
            ..intent(4, None)
        };
        let claim = Some(Generation { number: 1, nonce: 9 });
        let manifest = Bytes::from(FileManifest { claim, last: Some(intent) }.encode());
        let mut sink = FileSink::new(SinkId(0), ".jsonl");
        let mut step = sink.open(Generation { number: 2, nonce: 9 });
        while let SinkStep::Request(Request::Fs(request)) = step {
            step = sink.answer(Answer::Fs(match request {
                FsRequest::List => FsAnswer::Names(vec![MANIFEST.into(), ".a.tmp".into()]),
                FsRequest::Read { name } if name == MANIFEST => FsAnswer::Data(manifest.clone()),
                FsRequest::Read { .. } => FsAnswer::Data(data.clone()),
                _ => FsAnswer::Done,
            }));
        }
        assert_eq!(step, SinkStep::Opened(OpenOutcome::Opened { marker: Some(marker(4)) }));
        let place = ChunkPlace { lineage, epoch: Epoch(9), chunk: 0, last: true };
        let payload = ChunkPayload::Bytes { data, rows: 1 };
        let chunk = Chunk::new(SinkShard::default(), Some(marker(4)), place, payload);
        let rejected = ApplyOutcome::Failed(FailKind::Rejected);
        assert_eq!(sink.apply(chunk), SinkStep::Applied(rejected));
    }
}
