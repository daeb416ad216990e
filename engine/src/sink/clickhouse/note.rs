//! The texts of notes: markers, claims, intents.

use crate::codec::{DecodeError, Reader, put_bytes, put_list, put_u64};
use crate::ids::{Epoch, Generation, Lineage};
use crate::service::clickhouse::{ChunkRows, NoteVersion};
use crate::sink::{Marker, put_marker, read_marker};
use bytes::Bytes;

/// The version of the texts' format.
// spec: S-4
const FORMAT: u8 = 1;
/// How many chunks back a marker can be found again when rows are lost.
const CHUNKS_KEPT: usize = 16;
/// A marker takes this at least: four numbers, two flags and a hash.
const CHUNK_BYTES_MIN: usize = 20;

/// The marker of a table, with the markers before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MarkerNote {
    /// The last chunks, the newest at the end.
    pub chunks: Vec<NotedChunk>,
}

/// A chunk that is in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotedChunk {
    /// Its marker.
    pub marker: Marker,
    /// How many rows it brought.
    pub rows: u64,
}

impl MarkerNote {
    /// The marker.
    #[must_use]
    pub fn marker(&self) -> Option<Marker> {
        self.chunks.last().map(|chunk| chunk.marker)
    }

    /// The note after one more chunk.
    #[must_use]
    pub fn with(&self, chunk: NotedChunk) -> MarkerNote {
        let mut chunks = self.chunks.clone();
        if chunks.len() == CHUNKS_KEPT {
            chunks.remove(0);
        }
        chunks.push(chunk);
        MarkerNote { chunks }
    }

    /// The first epoch of which the note says anything.
    pub(super) fn first_epoch(&self) -> Epoch {
        self.chunks.first().map_or(Epoch(0), |chunk| chunk.marker.epoch)
    }

    /// The version under which the note is written.
    pub(super) fn version(&self) -> NoteVersion {
        version_of(&self.marker().expect("a note is written for a chunk"))
    }

    /// The text.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = vec![FORMAT];
        put_list(&mut out, &self.chunks, |out, chunk| {
            put_marker(out, &chunk.marker, Lineage::default());
            put_u64(out, chunk.rows);
        });
        out.into()
    }

    /// What [`MarkerNote::encode`] wrote.
    ///
    /// # Errors
    /// If it is another text.
    pub fn decode(text: &[u8]) -> Result<MarkerNote, DecodeError> {
        read(text, |reader| {
            let chunks = reader.list(CHUNK_BYTES_MIN, |reader| {
                let marker = read_marker(reader, Lineage::default())?;
                Ok(NotedChunk { marker, rows: reader.u64()? })
            })?;
            Ok(MarkerNote { chunks })
        })
    }
}

/// Notes of one chunk have one version, and those of later chunks larger ones: epochs
/// grow through all lineages.
// spec: G-2
pub(super) fn version_of(marker: &Marker) -> NoteVersion {
    NoteVersion { major: marker.epoch.0, minor: marker.chunk }
}

/// What is going to be published, before any of it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Intent {
    pub(super) marker: Marker,
    /// The marker of the table before.
    pub(super) predecessor: Option<Marker>,
    /// How many rows each partition gets; ascending.
    pub(super) partitions: Vec<(Bytes, u64)>,
}

impl Intent {
    pub(super) fn rows(&self) -> u64 {
        self.partitions.iter().map(|(_, rows)| rows).sum()
    }

    /// Whether a table with these chunks holds the partition of the intent.
    pub(super) fn is_published(&self, partition: &Bytes, rows: u64, found: &[ChunkRows]) -> bool {
        found.iter().any(|found| {
            (found.epoch, found.chunk) == (self.marker.epoch, self.marker.chunk)
                && found.partition == *partition
                && found.rows == rows
        })
    }

    /// Whether all of it is published.
    pub(super) fn is_complete(&self, found: &[ChunkRows]) -> bool {
        self.partitions.iter().all(|(partition, rows)| self.is_published(partition, *rows, found))
    }

    pub(super) fn encode(&self) -> Bytes {
        let mut out = vec![FORMAT];
        put_marker(&mut out, &self.marker, Lineage::default());
        put_list(&mut out, self.predecessor.as_slice(), |out, predecessor| {
            put_marker(out, predecessor, Lineage::default());
        });
        put_list(&mut out, &self.partitions, |out, (partition, rows)| {
            put_bytes(out, partition);
            put_u64(out, *rows);
        });
        out.into()
    }

    pub(super) fn decode(text: &[u8]) -> Result<Intent, DecodeError> {
        read(text, |reader| {
            let marker = read_marker(reader, Lineage::default())?;
            let mut before = reader
                .list(CHUNK_BYTES_MIN - 1, |reader| read_marker(reader, Lineage::default()))?;
            let predecessor = before.pop();
            if !before.is_empty() {
                return Err(reader.error("several predecessors"));
            }
            let partitions = reader.list(2, |reader| {
                let partition = Bytes::copy_from_slice(reader.bytes()?);
                Ok((partition, reader.u64()?))
            })?;
            Ok(Intent { marker, predecessor, partitions })
        })
    }
}

pub(super) fn encode_claim(generation: Generation) -> Bytes {
    let mut out = vec![FORMAT];
    put_u64(&mut out, generation.number);
    out.extend_from_slice(&generation.nonce.to_le_bytes());
    out.into()
}

pub(super) fn decode_claim(text: &[u8]) -> Result<Generation, DecodeError> {
    read(text, |reader| {
        let number = reader.u64()?;
        Ok(Generation { number, nonce: u64::from_le_bytes(reader.array()?) })
    })
}

fn read<T>(
    text: &[u8],
    take: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let mut reader = Reader::new(text);
    if reader.u8()? != FORMAT {
        return Err(reader.error("a note of another version"));
    }
    let value = take(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::hash::ChainHash;

    fn noted(epoch: u64) -> NotedChunk {
        let lineage = Lineage { number: 1, nonce: 5 };
        let hash = ChainHash([epoch as u8; 16]);
        let marker = Marker { lineage, epoch: Epoch(epoch), chunk: 0, last: true, hash };
        NotedChunk { marker, rows: epoch * 10 }
    }

    #[test]
    fn notes_come_back_and_nothing_else_passes_for_one() {
        // spec: S-4
        let note = MarkerNote::default().with(noted(3)).with(noted(7));
        assert_eq!(MarkerNote::decode(&note.encode()), Ok(note.clone()));
        let intent = Intent {
            marker: noted(7).marker,
            predecessor: Some(noted(3).marker),
            partitions: vec![(Bytes::from("p"), 2)],
        };
        assert_eq!(Intent::decode(&intent.encode()), Ok(intent.clone()));
        let first = Intent { predecessor: None, ..intent };
        assert_eq!(Intent::decode(&first.encode()), Ok(first));
        let claim = Generation { number: 300, nonce: u64::MAX };
        assert_eq!(decode_claim(&encode_claim(claim)), Ok(claim));
        let text = note.encode();
        for length in 0..text.len() {
            assert!(MarkerNote::decode(&text[..length]).is_err(), "{length} bytes");
        }
        assert!(MarkerNote::decode(&[&text[..], &[0]].concat()).is_err());
        assert!(decode_claim(&[2, 1]).is_err(), "another version");
    }

    #[test]
    fn a_note_keeps_the_last_chunks() {
        let mut note = MarkerNote::default();
        for epoch in 1..=40 {
            note = note.with(noted(epoch));
        }
        assert_eq!((note.chunks.len(), note.first_epoch()), (CHUNKS_KEPT, Epoch(25)));
        assert_eq!(note.version(), NoteVersion { major: 40, minor: 0 });
    }
}
