//! Opening a table whose rows are idempotent by content: there is nothing to fence.
//!
//! A claim is written all the same, so that an older generation that opens once more
//! sees that it has been replaced. It keeps nobody from writing; the versions of the rows
//! see to that, for what one journal says.
//!
//! Two clones of one state say different things, and so of two generations of one number
//! only one may be let in. Notes are registers, of which the last write stays; with two of
//! them, claim and door, that can be had: each writes the claim, goes away if the door is
//! closed by another, closes the door, and looks whether the claim is still its own. Whoever
//! wrote the claim behind the first that comes through finds the door closed; whoever wrote
//! it before finds that the claim is another's. Both may be kept out; a start takes a larger
//! number then.
// spec: G-1

use super::note::{MarkerNote, decode_claim, encode_claim};
use super::{ClickHouseTarget, Failure, bad_answer, is_newer};
use crate::ids::Generation;
use crate::service::clickhouse::{
    ChunkRows, ClickHouseAnswer, ClickHouseRequest, ClickHouseTable, NoteVersion,
};
use crate::sink::{FailKind, OpenOutcome};
use bytes::Bytes;

/// What a machine asks of the table that it opens.
pub(super) trait Requirements {
    /// Why the table cannot be used; `None` if it can.
    fn objection(table: &ClickHouseTable) -> Option<&'static str>;

    /// Whether a table with these chunks holds a chunk.
    fn holds(found: &[ChunkRows], chunk: &super::NotedChunk) -> bool;
}

/// How far the opening has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Describing,
    /// Before claiming: the last of two claims of one number would hide the first.
    LookingForClaim,
    Claiming,
    /// After claiming: has somebody come through already?
    LookingAtDoor,
    ClosingDoor,
    /// Behind the door: is the claim still ours?
    ReadingClaim,
    ReadingMarker,
    Counting {
        note: MarkerNote,
    },
    /// There are rows of several chunks, and there was no marker: looking once more.
    Confirming,
}

/// What the opening wants next.
#[derive(Debug)]
pub(super) enum Progress {
    Ask(Opening, ClickHouseRequest),
    /// The table is open.
    Opened {
        note: MarkerNote,
        /// Whether the note had claimed more than the table holds.
        lost: bool,
    },
    /// It cannot be opened, and why.
    Ended(OpenOutcome, String),
}

impl Progress {
    pub(super) fn damaged(note: &str, error: &crate::codec::DecodeError) -> Progress {
        let what = format!("note {note}: {error}");
        Progress::Ended(OpenOutcome::Damaged { what: what.clone() }, what)
    }

    pub(super) fn failed(Failure { kind, what }: Failure) -> Progress {
        Progress::Ended(OpenOutcome::Failed(kind), what)
    }

    pub(super) fn unmarked(target: &ClickHouseTarget) -> Progress {
        let what = format!(
            "table {} holds rows of several chunks, but there is no note {}: it was removed, or \
             the rows are another job's",
            target.table,
            target.marker_note()
        );
        Progress::Ended(OpenOutcome::Damaged { what: what.clone() }, what)
    }

    fn rejected(target: &ClickHouseTarget, objection: &str) -> Progress {
        let what = format!("table {}: {objection}", target.table);
        Progress::failed(Failure { kind: FailKind::Rejected, what })
    }

    fn fenced(by: Generation) -> Progress {
        Progress::Ended(OpenOutcome::Fenced { by }, format!("generation {by} owns the table"))
    }
}

impl Opening {
    pub(super) fn start(target: &ClickHouseTarget) -> (Opening, ClickHouseRequest) {
        (Opening::Describing, ClickHouseRequest::Describe { table: target.table.clone() })
    }

    pub(super) fn answer<R: Requirements>(
        self,
        target: &ClickHouseTarget,
        generation: Generation,
        answer: ClickHouseAnswer,
    ) -> Progress {
        match (self, answer) {
            (Opening::Describing, ClickHouseAnswer::Table(table)) => {
                if let Some(objection) = R::objection(&table) {
                    return Progress::rejected(target, objection);
                }
                let name = target.claim_note();
                Progress::Ask(Opening::LookingForClaim, ClickHouseRequest::ReadNote { name })
            }
            (Opening::Claiming, ClickHouseAnswer::Done) => {
                let name = target.door_note();
                Progress::Ask(Opening::LookingAtDoor, ClickHouseRequest::ReadNote { name })
            }
            (Opening::ClosingDoor, ClickHouseAnswer::Done) => {
                let name = target.claim_note();
                Progress::Ask(Opening::ReadingClaim, ClickHouseRequest::ReadNote { name })
            }
            (
                state @ (Opening::LookingForClaim | Opening::LookingAtDoor | Opening::ReadingClaim),
                ClickHouseAnswer::Note(note),
            ) => state.claim_read(target, generation, note.map(|(_, text)| text)),
            (
                state @ (Opening::ReadingMarker | Opening::Confirming),
                ClickHouseAnswer::Note(text),
            ) => {
                let note = match marker_note(text.map(|(_, text)| text).as_deref()) {
                    Ok(note) => note,
                    Err(error) => return Progress::damaged(&target.marker_note(), &error),
                };
                if state == Opening::Confirming && note.chunks.is_empty() {
                    return Progress::unmarked(target);
                }
                let (table, from) = (target.table.clone(), note.first_epoch());
                let request = ClickHouseRequest::Chunks { table, from };
                Progress::Ask(Opening::Counting { note }, request)
            }
            (Opening::Counting { note }, ClickHouseAnswer::Chunks(found)) => {
                if is_unmarked(&note, &found) {
                    let name = target.marker_note();
                    let request = ClickHouseRequest::ReadNote { name };
                    return Progress::Ask(Opening::Confirming, request);
                }
                let (note, lost) = borne_out::<R>(note, &found);
                Progress::Opened { note, lost }
            }
            (state, answer) => bad_answer(&format!("{state:?}"), &answer),
        }
    }
}

impl Opening {
    /// The claim or the door was read: goes on, unless it is another's.
    // spec: G-1
    fn claim_read(
        self,
        target: &ClickHouseTarget,
        generation: Generation,
        text: Option<Bytes>,
    ) -> Progress {
        let at_door = self == Opening::LookingAtDoor;
        let read = if at_door { target.door_note() } else { target.claim_note() };
        match text.map(|text| decode_claim(&text)) {
            Some(Err(error)) => return Progress::damaged(&read, &error),
            Some(Ok(by)) if is_newer(by, generation) => return Progress::fenced(by),
            Some(Ok(_)) | None => {}
        }
        let write = |name| ClickHouseRequest::WriteNote {
            name,
            version: NoteVersion { major: generation.number, minor: 0 },
            text: encode_claim(generation),
        };
        match self {
            Opening::LookingForClaim => {
                Progress::Ask(Opening::Claiming, write(target.claim_note()))
            }
            Opening::LookingAtDoor => {
                Progress::Ask(Opening::ClosingDoor, write(target.door_note()))
            }
            _ => {
                let name = target.marker_note();
                Progress::Ask(Opening::ReadingMarker, ClickHouseRequest::ReadNote { name })
            }
        }
    }
}

/// The note up to the last chunk that the table holds, and whether that is less than the
/// note claimed: then the table lost rows.
// spec: K-2, K-5
pub(super) fn borne_out<R: Requirements>(
    mut note: MarkerNote,
    found: &[ChunkRows],
) -> (MarkerNote, bool) {
    let noted = note.chunks.len();
    if !crate::planted!(K12) {
        let there = note.chunks.iter().take_while(|chunk| R::holds(found, chunk)).count();
        note.chunks.truncate(there);
    }
    let lost = note.chunks.len() < noted;
    (note, lost)
}

/// Whether there are rows that a marker would have to speak of: only the first chunk of
/// all can be there before any marker is.
// spec: K-5
pub(super) fn is_unmarked(note: &MarkerNote, found: &[ChunkRows]) -> bool {
    let mut places = found.iter().filter(|found| found.epoch.0 > 0);
    let Some(first) = places.next() else { return false };
    let place = |found: &ChunkRows| (found.epoch, found.chunk);
    note.chunks.is_empty() && places.any(|found| place(found) != place(first))
}

pub(super) fn marker_note(text: Option<&[u8]>) -> Result<MarkerNote, crate::codec::DecodeError> {
    text.map_or(Ok(MarkerNote::default()), MarkerNote::decode)
}

/// Whether the rows of a chunk are all there, one by one.
pub(super) fn all_there(found: &[ChunkRows], chunk: &super::NotedChunk) -> bool {
    let place = (chunk.marker.epoch, chunk.marker.chunk);
    let there = found.iter().filter(|found| (found.epoch, found.chunk) == place);
    there.map(|found| found.rows).sum::<u64>() >= chunk.rows
}
