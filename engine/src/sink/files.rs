//! The filesystem sink: one file for each chunk, exactly once, in a folder from
//! which consumers may take files away at any time.
//!
//! To apply a chunk:
//! 1. its bytes are written under a temporary name; file and folder are synced;
//! 2. an intent is appended to the manifest and synced: from here on the chunk
//!    counts;
//! 3. the file gets its final name; the folder is synced.
//!
//! After a crash the last intent tells how far it came. If its temporary file is
//! there, step 3 is done now; if it is gone, step 3 was done, wherever the file is by
//! now. Temporary files without an intent are removed. The manifest holds the marker
//! because file names cannot: the consumer may have moved them.
//!
//! To open the folder, a lock in it is taken, and a new manifest with the
//! generation's claim and the last intent replaces the old one. So a torn end of the
//! old one is gone, and what a killed process had written but not synced is durable
//! before anything is done about it.

use crate::ids::{Generation, SinkId};
use crate::planted;
use crate::service::fs::{FsAnswer, FsFailure, FsRequest};
use crate::service::{Answer, Request};
use crate::sink::file_manifest::{FileManifest, Intent, encode_intent};
use crate::sink::{
    ApplyOutcome, Chunk, ChunkPayload, FailKind, Inspection, Marker, OpenOutcome, SinkMachine,
    SinkShard, SinkStep, Verdict, judge,
};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::mem;

/// The name of the manifest.
pub const MANIFEST: &str = ".anabranch.manifest";
/// The name of the locked file.
pub const LOCK: &str = ".anabranch.lock";
const NEW_MANIFEST: &str = ".anabranch.manifest.tmp";
const FINAL_START: &str = "part-";
const TEMPORARY_START: &str = ".part-";
const TEMPORARY_END: &str = ".tmp";

/// The machine of one filesystem sink.
#[derive(Clone, Debug)]
pub struct FileSink {
    target: SinkShard,
    /// What final names end in, such as `.jsonl`.
    extension: String,
    generation: Generation,
    /// The marker as of the last durable intent. Meaningful while open.
    marker: Option<Marker>,
    /// How long the manifest is. Meaningful while open.
    manifest_bytes: u64,
    /// The final names that were taken when the folder was opened, by this job or by
    /// another one whose manifest is gone. None of them is ever written over.
    taken: BTreeSet<String>,
    state: State,
    /// What the system said at the last failure.
    failure: String,
}

/// Where the machine is. Each state but `Closed` and `Open` waits for the answer
/// to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Inspecting,
    // Opening, in this order.
    Locking,
    Listing,
    ReadingManifest { names: Vec<String> },
    WritingManifest { found: Found },
    SyncingManifest { found: Found },
    ReplacingManifest { found: Found },
    SyncingClaim { found: Found },
    CheckingTemporary { found: Found, intent: Intent },
    Finishing { found: Found },
    SyncingFinished { found: Found },
    RemovingLeftover { found: Found },
    Open,
    // Applying, in this order.
    WritingFile { chunk: Chunk },
    SyncingFile { chunk: Chunk },
    SyncingTemporaryName { chunk: Chunk },
    WritingIntent { intent: Intent },
    SyncingIntent { intent: Intent },
    Renaming,
    SyncingName,
}

/// What was found in the folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Found {
    names: Vec<String>,
    last: Option<Intent>,
}

impl FileSink {
    /// A closed sink whose files end in `extension`.
    #[must_use]
    pub fn new(sink: SinkId, extension: &str) -> FileSink {
        FileSink {
            target: SinkShard { sink, shard: 0 },
            extension: extension.to_owned(),
            generation: Generation::default(),
            marker: None,
            manifest_bytes: 0,
            taken: BTreeSet::new(),
            state: State::Closed,
            failure: String::new(),
        }
    }

    /// The marker of the last chunk that counts.
    ///
    /// # Panics
    /// If the sink is not open.
    #[must_use]
    pub fn marker(&self) -> Option<Marker> {
        assert_eq!(self.state, State::Open, "a marker is known while the sink is open");
        self.marker
    }

    /// Whether chunks can be applied.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// It is done, and it gave this.
    fn done(&mut self, answer: FsAnswer) -> SinkStep {
        match mem::replace(&mut self.state, State::Closed) {
            State::Closed | State::Open => panic!("an answer to no request: {answer:?}"),
            State::Inspecting => self.inspected(&data_of(answer)),
            State::Locking => self.ask(State::Listing, FsRequest::List),
            State::Listing => self.look_for_manifest(answer),
            State::ReadingManifest { names } => self.read_manifest(names, answer),
            State::WritingManifest { found } => {
                let name = NEW_MANIFEST.into();
                self.ask(State::SyncingManifest { found }, FsRequest::SyncFile { name })
            }
            State::SyncingManifest { found } => {
                let (from, to) = (NEW_MANIFEST.into(), MANIFEST.into());
                self.ask(State::ReplacingManifest { found }, FsRequest::Rename { from, to })
            }
            State::ReplacingManifest { found } => {
                self.ask(State::SyncingClaim { found }, FsRequest::SyncDir)
            }
            State::SyncingClaim { found } => self.look_for_temporary(found),
            State::CheckingTemporary { found, intent } => {
                self.check_temporary(found, intent, answer)
            }
            State::Finishing { found } => {
                self.ask(State::SyncingFinished { found }, FsRequest::SyncDir)
            }
            State::SyncingFinished { found } | State::RemovingLeftover { found } => {
                self.remove_leftovers(found)
            }
            State::WritingFile { chunk } => {
                let name = temporary_name(&self.final_name(&chunk.marker));
                self.ask(State::SyncingFile { chunk }, FsRequest::SyncFile { name })
            }
            State::SyncingFile { chunk } => {
                self.ask(State::SyncingTemporaryName { chunk }, FsRequest::SyncDir)
            }
            State::SyncingTemporaryName { chunk } => self.write_intent(&chunk),
            State::WritingIntent { intent } => {
                let name = MANIFEST.into();
                self.ask(State::SyncingIntent { intent }, FsRequest::SyncFile { name })
            }
            State::SyncingIntent { intent } => {
                self.marker = Some(intent.marker);
                let (from, to) = (intent.temporary, intent.name);
                self.ask(State::Renaming, FsRequest::Rename { from, to })
            }
            State::Renaming => self.ask(State::SyncingName, FsRequest::SyncDir),
            State::SyncingName => {
                self.state = State::Open;
                SinkStep::Applied(ApplyOutcome::Applied)
            }
        }
    }

    fn ask(&mut self, state: State, request: FsRequest) -> SinkStep {
        self.state = state;
        SinkStep::Request(Request::Fs(request))
    }

    fn end_opening(&mut self, outcome: OpenOutcome) -> SinkStep {
        self.state = State::Closed;
        SinkStep::Opened(outcome)
    }

    fn inspected(&mut self, manifest: &[u8]) -> SinkStep {
        SinkStep::Inspected(match FileManifest::decode(manifest) {
            Ok(FileManifest { claim, last }) => {
                Ok(Inspection { claim, marker: last.map(|intent| intent.marker) })
            }
            Err(error) => {
                self.failure = format!("{MANIFEST}: {error}");
                Err(ApplyOutcome::Failed(FailKind::Rejected))
            }
        })
    }

    fn look_for_manifest(&mut self, answer: FsAnswer) -> SinkStep {
        let FsAnswer::Names(mut names) = answer else {
            panic!("a list is answered by names, not by {answer:?}");
        };
        names.sort_unstable();
        let finals = names.iter().filter(|name| name.starts_with(FINAL_START));
        self.taken = finals.cloned().collect();
        if names.iter().any(|name| name == MANIFEST) {
            let name = MANIFEST.into();
            return self.ask(State::ReadingManifest { names }, FsRequest::Read { name });
        }
        self.claim(names, FileManifest::default())
    }

    fn read_manifest(&mut self, names: Vec<String>, answer: FsAnswer) -> SinkStep {
        match FileManifest::decode(&data_of(answer)) {
            Ok(manifest) => self.claim(names, manifest),
            Err(error) => {
                let what = format!("{MANIFEST}: {error}");
                self.end_opening(OpenOutcome::Damaged { what })
            }
        }
    }

    /// Claims the folder by a manifest that replaces the one that was found.
    // spec: G-1, K-3
    fn claim(&mut self, names: Vec<String>, manifest: FileManifest) -> SinkStep {
        if let Some(by) = manifest.claim
            && by != self.generation
            && (by.number > self.generation.number
                || (by.number == self.generation.number && !planted!(K18)))
        {
            return self.end_opening(OpenOutcome::Fenced { by });
        }
        let last = manifest.last;
        let claimed = FileManifest { claim: Some(self.generation), last: last.clone() };
        let bytes = Bytes::from(claimed.encode());
        self.manifest_bytes = bytes.len() as u64;
        self.marker = match &last {
            Some(intent) if planted!(K1) && !intent.shows_in(&names) => intent.predecessor,
            _ => last.as_ref().map(|intent| intent.marker),
        };
        let name = NEW_MANIFEST.into();
        let found = Found { names, last };
        self.ask(State::WritingManifest { found }, FsRequest::Write { name, bytes })
    }

    /// The claim is durable, and with it the last intent: finishes that.
    fn look_for_temporary(&mut self, mut found: Found) -> SinkStep {
        let open = found.last.take().filter(|intent| found.names.contains(&intent.temporary));
        let Some(intent) = open else {
            return self.remove_leftovers(found);
        };
        let name = intent.temporary.clone();
        self.ask(State::CheckingTemporary { found, intent }, FsRequest::Read { name })
    }

    /// The bytes were durable before the intent was written; so other bytes mean
    /// that somebody changed them.
    fn check_temporary(&mut self, mut found: Found, intent: Intent, answer: FsAnswer) -> SinkStep {
        let bytes = data_of(answer);
        let is_whole = bytes.len() as u64 == intent.length && crc32fast::hash(&bytes) == intent.crc;
        if !is_whole {
            let what = format!("{} holds other bytes than were written", intent.temporary);
            return self.end_opening(OpenOutcome::Damaged { what });
        }
        found.names.retain(|name| *name != intent.temporary);
        self.taken.insert(intent.name.clone());
        let (from, to) = (intent.temporary, intent.name);
        self.ask(State::Finishing { found }, FsRequest::Rename { from, to })
    }

    /// Removes temporary files for which no intent was written, one at a time.
    fn remove_leftovers(&mut self, mut found: Found) -> SinkStep {
        while let Some(name) = found.names.pop() {
            if name.starts_with(TEMPORARY_START) && name.ends_with(TEMPORARY_END) {
                return self.ask(State::RemovingLeftover { found }, FsRequest::Remove { name });
            }
        }
        self.state = State::Open;
        SinkStep::Opened(OpenOutcome::Opened { marker: self.marker })
    }

    fn write_intent(&mut self, chunk: &Chunk) -> SinkStep {
        let data = bytes_of(chunk);
        let name = self.final_name(&chunk.marker);
        let intent = Intent {
            predecessor: chunk.predecessor,
            marker: chunk.marker,
            temporary: temporary_name(&name),
            name,
            length: data.len() as u64,
            crc: crc32fast::hash(data),
        };
        let at = self.manifest_bytes;
        let bytes = Bytes::from(encode_intent(&intent, at));
        self.manifest_bytes += bytes.len() as u64;
        let name = MANIFEST.into();
        self.ask(State::WritingIntent { intent }, FsRequest::Append { name, at, bytes })
    }

    /// Ends what was under way. Before the intent is written, nothing was done that
    /// counts; afterwards only opening again can tell.
    // spec: F-2, K-4
    fn fail(&mut self, kind: Option<FsFailure>) -> SinkStep {
        let denied = kind == Some(FsFailure::Denied);
        let certain = if denied { FailKind::Rejected } else { FailKind::Transient };
        match mem::replace(&mut self.state, State::Closed) {
            State::Closed | State::Open => panic!("a failure of no request: {}", self.failure),
            State::Inspecting if kind == Some(FsFailure::NotFound) => {
                SinkStep::Inspected(Ok(Inspection::default()))
            }
            State::Inspecting => SinkStep::Inspected(Err(ApplyOutcome::Failed(certain))),
            State::Locking if kind == Some(FsFailure::Locked) => {
                SinkStep::Opened(OpenOutcome::Locked { by: self.failure.clone() })
            }
            State::Locking
            | State::Listing
            | State::ReadingManifest { .. }
            | State::WritingManifest { .. }
            | State::SyncingManifest { .. }
            | State::ReplacingManifest { .. }
            | State::SyncingClaim { .. }
            | State::CheckingTemporary { .. }
            | State::Finishing { .. }
            | State::RemovingLeftover { .. } => SinkStep::Opened(OpenOutcome::Failed(certain)),
            // The file has its name, but that may be lost with the power, and the system may
            // call it safe when it is asked again. Only the next process can tell.
            State::SyncingFinished { .. } => {
                self.failure += "; whether the last file keeps its name is unknown";
                SinkStep::Opened(OpenOutcome::Failed(FailKind::Rejected))
            }
            State::SyncingName if kind.is_some() => {
                self.failure += "; whether the last file keeps its name is unknown";
                SinkStep::Applied(ApplyOutcome::Failed(FailKind::Rejected))
            }
            // The whole file is written again.
            State::WritingFile { .. } | State::SyncingFile { .. } if kind.is_some() => {
                self.state = State::Open;
                SinkStep::Applied(ApplyOutcome::Failed(certain))
            }
            State::Renaming if planted!(K2) => {
                self.state = State::Open;
                SinkStep::Applied(ApplyOutcome::Applied)
            }
            State::WritingFile { .. }
            | State::SyncingFile { .. }
            | State::SyncingTemporaryName { .. }
            | State::WritingIntent { .. }
            | State::SyncingIntent { .. }
            | State::Renaming
            | State::SyncingName => SinkStep::Applied(ApplyOutcome::Failed(FailKind::Unknown)),
        }
    }

    /// The final name of a chunk's file: names sort in the order of the chunks. Only
    /// the chunks of a group that has several carry their number.
    fn final_name(&self, marker: &Marker) -> String {
        let (lineage, epoch, extension) = (marker.lineage.number, marker.epoch.0, &self.extension);
        if marker.chunk == 0 && marker.last {
            return format!("part-{lineage:04}-{epoch:012}{extension}");
        }
        format!("part-{lineage:04}-{epoch:012}-{:05}{extension}", marker.chunk)
    }
}

impl SinkMachine for FileSink {
    fn inspect(&mut self) -> SinkStep {
        self.ask(State::Inspecting, FsRequest::Read { name: MANIFEST.into() })
    }

    /// Opens the folder, also when it was open. Whatever was under way is given up; a late
    /// answer must not be passed on.
    // spec: K-3
    fn open(&mut self, generation: Generation) -> SinkStep {
        self.generation = generation;
        self.marker = None;
        let holder = format!("generation {generation}");
        self.ask(State::Locking, FsRequest::Lock { name: LOCK.into(), holder })
    }

    // spec: K-1, K-2
    fn apply(&mut self, chunk: Chunk) -> SinkStep {
        assert_eq!(self.state, State::Open, "only an open sink applies chunks");
        assert_eq!(chunk.target(), self.target, "the chunk belongs to this sink");
        match judge(self.marker, &chunk) {
            Verdict::Apply => {}
            Verdict::Duplicate => return SinkStep::Applied(ApplyOutcome::Duplicate),
            Verdict::Gap => {
                return SinkStep::Applied(ApplyOutcome::Gap { found: self.marker });
            }
            Verdict::Diverged => {
                let found = self.marker.expect("only a marker diverges");
                return SinkStep::Applied(ApplyOutcome::Diverged { found });
            }
        }
        let name = self.final_name(&chunk.marker);
        if self.taken.contains(&name) {
            self.failure = format!("{name} is there already, and not by this sink");
            return SinkStep::Applied(ApplyOutcome::Failed(FailKind::Rejected));
        }
        let name = temporary_name(&name);
        let bytes = bytes_of(&chunk).clone();
        self.ask(State::WritingFile { chunk }, FsRequest::Write { name, bytes })
    }

    fn answer(&mut self, answer: Answer) -> SinkStep {
        match answer {
            Answer::Fs(FsAnswer::Failed { kind, what }) => {
                self.failure = what;
                self.fail(Some(kind))
            }
            Answer::Fs(answer) => self.done(answer),
            Answer::Unreachable | Answer::TimedOut => {
                self.failure = "the folder does not answer".into();
                self.fail(None)
            }
            other => panic!("a folder does not answer {other:?}"),
        }
    }

    fn failure(&self) -> &str {
        &self.failure
    }
}

fn bytes_of(chunk: &Chunk) -> &Bytes {
    let ChunkPayload::Bytes { data, .. } = &chunk.payload else {
        panic!("a folder takes bytes, not {} records", chunk.payload.rows());
    };
    data
}

fn temporary_name(final_name: &str) -> String {
    format!(".{final_name}{TEMPORARY_END}")
}

fn data_of(answer: FsAnswer) -> Bytes {
    let FsAnswer::Data(bytes) = answer else {
        panic!("a read is answered by data, not by {answer:?}");
    };
    bytes
}
