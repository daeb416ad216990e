//! What outlives a pipeline in the laboratory.

use anabranch_engine::ids::Generation;
use anabranch_engine::journal::{SegmentBytes, SegmentName};
use anabranch_engine::sink::{
    ApplyOutcome, Chunk, ChunkPayload, Marker, SinkRecord, Verdict, judge,
};
use bytes::Bytes;
use std::collections::BTreeMap;

/// A journal whose every append is durable at once.
#[derive(Clone, Debug, Default)]
pub struct JournalStore {
    segments: BTreeMap<SegmentName, Vec<u8>>,
    /// What was removed, for whoever wants to look back at the whole run. No pipeline
    /// sees it.
    removed: BTreeMap<SegmentName, Vec<u8>>,
}

impl JournalStore {
    /// All segments, oldest first.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentBytes> {
        self.segments
            .iter()
            .map(|(name, bytes)| SegmentBytes { name: *name, bytes: bytes.clone().into() })
            .collect()
    }

    /// All segments that there ever were, oldest first.
    #[must_use]
    pub fn history(&self) -> Vec<SegmentBytes> {
        let mut all = self.removed.clone();
        all.extend(self.segments.iter().map(|(name, bytes)| (*name, bytes.clone())));
        let segment =
            |(name, bytes): (SegmentName, Vec<u8>)| SegmentBytes { name, bytes: bytes.into() };
        all.into_iter().map(segment).collect()
    }

    /// Creates a segment, as the newest one.
    ///
    /// # Errors
    /// The segment that is as new, if there is one.
    // spec: J-3
    pub fn create(&mut self, name: SegmentName, bytes: &[u8]) -> Result<(), String> {
        let newest = self.segments.keys().next_back();
        let number = |name: &SegmentName| (name.generation.number, name.part);
        if let Some(newest) = newest.filter(|newest| number(newest) >= number(&name)) {
            return Err(newest.to_string());
        }
        self.segments.insert(name, bytes.to_vec());
        Ok(())
    }

    /// The newest segment, if it is of a newer generation than this one.
    #[must_use]
    pub fn newer_than(&self, generation: Generation) -> Option<String> {
        let newest = self.segments.keys().next_back();
        newest.filter(|newest| newest.generation > generation).map(ToString::to_string)
    }

    /// Appends to the newest segment.
    pub fn append(&mut self, bytes: &[u8]) {
        let newest = self.segments.values_mut().next_back();
        newest.expect("a segment is open").extend_from_slice(bytes);
    }

    /// Cuts bytes off the newest segment, as a loss of power may.
    pub fn tear(&mut self, bytes: usize) {
        if let Some(newest) = self.segments.values_mut().next_back() {
            newest.truncate(newest.len().saturating_sub(bytes));
        }
    }

    /// Inverts one bit.
    pub fn rot(&mut self, segment: usize, byte: usize) {
        if let Some(bytes) = self.segments.values_mut().nth(segment)
            && let Some(found) = bytes.get_mut(byte)
        {
            *found ^= 1;
        }
    }

    /// How many bytes each segment has, oldest first.
    #[must_use]
    pub fn lengths(&self) -> Vec<usize> {
        self.segments.values().map(Vec::len).collect()
    }

    /// Removes segments.
    pub fn remove(&mut self, names: &[SegmentName]) {
        for name in names {
            if let Some(bytes) = self.segments.remove(name) {
                self.removed.insert(*name, bytes);
            }
        }
    }
}

/// Complete snapshots, by name.
#[derive(Clone, Debug, Default)]
pub struct SnapshotStore {
    snapshots: BTreeMap<String, (Bytes, Vec<Bytes>)>,
}

impl SnapshotStore {
    /// All manifests.
    #[must_use]
    pub fn manifests(&self) -> Vec<(String, Bytes)> {
        self.snapshots
            .iter()
            .map(|(name, (manifest, _))| (name.clone(), manifest.clone()))
            .collect()
    }

    /// The parts of a snapshot.
    #[must_use]
    pub fn parts(&self, name: &str) -> Option<Vec<Bytes>> {
        self.snapshots.get(name).map(|(_, parts)| parts.clone())
    }

    /// Stores a snapshot.
    pub fn store(&mut self, name: String, parts: Vec<(String, Bytes)>, manifest: Bytes) {
        let parts = parts.into_iter().map(|(_, bytes)| bytes).collect();
        self.snapshots.insert(name, (manifest, parts));
    }

    /// Removes snapshots.
    pub fn remove(&mut self, names: &[String]) {
        self.snapshots.retain(|name, _| !names.contains(name));
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.snapshots.len()
    }

    /// Spoils the newest one's first part that has bytes; gives whether there was
    /// one.
    pub fn rot_newest(&mut self) -> bool {
        let Some((_, parts)) = self.snapshots.values_mut().next_back() else { return false };
        let Some(part) = parts.iter_mut().find(|part| !part.is_empty()) else { return false };
        let mut bytes = part.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        *part = bytes.into();
        true
    }
}

/// A sink.
#[derive(Clone, Debug, Default)]
pub struct SinkStore {
    /// The generation that opened it last.
    pub owner: Option<Generation>,
    /// Whether it keeps a marker with its data, and so can judge chunks.
    keeps_marker: bool,
    chunks: Vec<Chunk>,
}

impl SinkStore {
    /// A sink without data.
    #[must_use]
    pub fn new(keeps_marker: bool) -> SinkStore {
        SinkStore { keeps_marker, ..SinkStore::default() }
    }

    /// The marker of the last chunk.
    #[must_use]
    pub fn marker(&self) -> Option<Marker> {
        self.chunks.last().map(|chunk| chunk.marker).filter(|_| self.keeps_marker)
    }

    /// Fences older generations and gives the marker.
    ///
    /// # Errors
    /// The owner, if it is newer or another one of the same number.
    // spec: G-1, K-3
    pub fn open(&mut self, generation: Generation) -> Result<Option<Marker>, Generation> {
        match self.owner {
            Some(by) if by.number >= generation.number && by != generation => Err(by),
            _ => {
                self.owner = Some(generation);
                Ok(self.marker())
            }
        }
    }

    /// Applies a chunk that a generation gives.
    pub fn apply(&mut self, chunk: Chunk, by: Generation) -> ApplyOutcome {
        if let Some(owner) = self.owner.filter(|owner| *owner != by && self.keeps_marker) {
            return ApplyOutcome::Fenced { by: owner };
        }
        let verdict = if self.keeps_marker { judge(self.marker(), &chunk) } else { Verdict::Apply };
        match verdict {
            Verdict::Apply => {
                self.chunks.push(chunk);
                ApplyOutcome::Applied
            }
            Verdict::Duplicate => ApplyOutcome::Duplicate,
            Verdict::Gap => ApplyOutcome::Gap { found: self.marker() },
            Verdict::Diverged => ApplyOutcome::Diverged {
                found: self.marker().expect("it differs from the chunk's"),
            },
        }
    }

    /// Forgets its newest chunks, as a service that loses acknowledged writes does.
    pub fn lose(&mut self, count: usize) {
        self.chunks.truncate(self.chunks.len().saturating_sub(count));
    }

    /// How many chunks it holds.
    #[must_use]
    pub fn count(&self) -> usize {
        self.chunks.len()
    }

    /// All chunks, in order.
    #[must_use]
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// All rows, one after the other; a record is its key, what decides its partition
    /// in brackets, and its value, in a line.
    #[must_use]
    pub fn text(&self) -> String {
        let mut bytes: Vec<u8> = Vec::new();
        for chunk in &self.chunks {
            match &chunk.payload {
                ChunkPayload::Bytes { data, .. } => bytes.extend_from_slice(data),
                ChunkPayload::Records { records } => {
                    for SinkRecord { key, partition, value, .. } in records {
                        bytes.extend_from_slice(key);
                        if !partition.is_empty() {
                            bytes.extend([&b"["[..], partition, b"]"].concat());
                        }
                        bytes.extend([&b" "[..], value, b"\n"].concat());
                    }
                }
                other => panic!("a payload of another kind: {other:?}"),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
