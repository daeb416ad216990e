//! Opening a plain table: making a staging table of our own, dropping all older ones,
//! and only then looking how far the table is.
//!
//! The staging tables are the claims. Each generation makes its own before it looks for
//! others, so that of two that open at once at least one sees the other: the older one
//! gives up, and the newer one drops the older one's table. Whatever an older generation
//! then still sends, however late, names a table that is gone, and is refused: that is
//! the fence.
// spec: K-3

use super::note::{Intent, MarkerNote, NotedChunk};
use super::opening::{Progress, Requirements, all_there, borne_out, is_unmarked, marker_note};
use super::{ClickHouseTarget, bad_answer, is_newer};
use crate::ids::Generation;
use crate::service::clickhouse::{
    ChunkRows, ClickHouseAnswer, ClickHouseRequest, ClickHouseTable, TableEngine,
};
use crate::sink::{FailKind, OpenOutcome};

/// How many blocks a staging table remembers: more than a chunk has, so that an insert that
/// a network brings a second time adds nothing, also behind the first answer.
// spec: K-1
const STAGING_WINDOW: u64 = 1_000;

/// What was found in the table. The newest note that its rows bear out, what is there of
/// later chunks, and what was going to be published last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) note: MarkerNote,
    pub(super) above: Vec<ChunkRows>,
    pub(super) intent: Option<Intent>,
}

/// The opening of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StrictOpening {
    generation: Generation,
    /// The attempt's staging table.
    staging: String,
    /// Staging tables that have to go.
    older: Vec<String>,
    found: Option<Found>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Describing,
    Creating,
    Listing,
    /// Dropping our own table: a newer generation has one.
    GivingUp(Generation),
    Dropping,
    ReadingIntent,
    ReadingMarker,
    Counting,
    /// There are rows of several chunks, and there was no marker: looking once more.
    Confirming,
    WritingMarker,
}

/// What the opening wants next.
pub(super) enum StrictProgress {
    Ask(StrictOpening, ClickHouseRequest),
    Opened(Found),
    Ended(OpenOutcome, String),
}

/// What a plain table has to be.
struct Strict;

impl Requirements for Strict {
    fn objection(table: &ClickHouseTable) -> Option<&'static str> {
        let fits = table.engine == TableEngine::MergeTree;
        (!fits).then_some("it is no plain MergeTree")
    }

    fn holds(found: &[ChunkRows], chunk: &NotedChunk) -> bool {
        all_there(found, chunk)
    }
}

impl StrictOpening {
    pub(super) fn start(
        target: &ClickHouseTarget,
        generation: Generation,
        staging: String,
    ) -> (StrictOpening, ClickHouseRequest) {
        let (older, found, state) = (Vec::new(), None, State::Describing);
        let request = ClickHouseRequest::Describe { table: target.table.clone() };
        (StrictOpening { generation, staging, older, found, state }, request)
    }

    fn ask(mut self, state: State, request: ClickHouseRequest) -> StrictProgress {
        self.state = state;
        StrictProgress::Ask(self, request)
    }

    pub(super) fn answer(
        mut self,
        target: &ClickHouseTarget,
        answer: ClickHouseAnswer,
    ) -> StrictProgress {
        match (self.state, answer) {
            (State::Describing, ClickHouseAnswer::Table(table)) => {
                if let Some(objection) = Strict::objection(&table) {
                    let what = format!("table {}: {objection}", target.table);
                    let outcome = OpenOutcome::Failed(FailKind::Rejected);
                    return StrictProgress::Ended(outcome, what);
                }
                let (table, like) = (self.staging.clone(), target.table.clone());
                let deduplication_window = Some(STAGING_WINDOW);
                let request = ClickHouseRequest::CreateLike { table, like, deduplication_window };
                self.ask(State::Creating, request)
            }
            (State::Creating, ClickHouseAnswer::Done) => {
                let prefix = target.staging_prefix();
                self.ask(State::Listing, ClickHouseRequest::Tables { prefix })
            }
            (State::Listing, ClickHouseAnswer::Tables(tables)) => self.listed(target, tables),
            (State::GivingUp(by), ClickHouseAnswer::Done) => {
                let what = format!("generation {by} owns the table");
                StrictProgress::Ended(OpenOutcome::Fenced { by }, what)
            }
            (State::Dropping, ClickHouseAnswer::Done) => self.drop_older(target),
            (State::ReadingIntent, ClickHouseAnswer::Note(note)) => {
                let intent = note.map(|(_, text)| Intent::decode(&text)).transpose();
                match intent {
                    Ok(intent) => self.found = Some(Found { intent, ..Found::default() }),
                    Err(error) => return damaged(&target.intent_note(), &error),
                }
                let name = target.marker_note();
                self.ask(State::ReadingMarker, ClickHouseRequest::ReadNote { name })
            }
            (state @ (State::ReadingMarker | State::Confirming), ClickHouseAnswer::Note(note)) => {
                match marker_note(note.map(|(_, text)| text).as_deref()) {
                    Ok(note) if note.chunks.is_empty() && state == State::Confirming => {
                        return ended(Progress::unmarked(target));
                    }
                    Ok(note) => self.found_mut().note = note,
                    Err(error) => return damaged(&target.marker_note(), &error),
                }
                let (table, from) = (target.table.clone(), self.found_mut().note.first_epoch());
                self.ask(State::Counting, ClickHouseRequest::Chunks { table, from })
            }
            (State::Counting, ClickHouseAnswer::Chunks(chunks)) => {
                if is_unmarked(&self.found_mut().note, &chunks) {
                    let name = target.marker_note();
                    return self.ask(State::Confirming, ClickHouseRequest::ReadNote { name });
                }
                self.counted(&chunks);
                self.drop_older(target)
            }
            (State::WritingMarker, ClickHouseAnswer::Done) => self.opened(),
            (state, answer) => bad_answer(&format!("{state:?}"), &answer),
        }
    }

    fn found_mut(&mut self) -> &mut Found {
        self.found.as_mut().expect("the intent was read before")
    }

    fn opened(self) -> StrictProgress {
        StrictProgress::Opened(self.found.expect("the table was looked at before"))
    }

    /// Judges the other staging tables; whose names cannot be read is nobody's.
    fn listed(mut self, target: &ClickHouseTarget, tables: Vec<String>) -> StrictProgress {
        let owners = tables.iter().filter_map(|table| target.owner_of(table));
        if let Some(by) = owners.filter(|owner| is_newer(*owner, self.generation)).max() {
            let table = self.staging.clone();
            return self.ask(State::GivingUp(by), ClickHouseRequest::Drop { table });
        }
        self.older = tables;
        self.older.retain(|table| *table != self.staging && target.owner_of(table).is_some());
        if crate::planted!(K3) {
            return self.look(target);
        }
        self.drop_older(target)
    }

    fn drop_older(mut self, target: &ClickHouseTarget) -> StrictProgress {
        if let Some(table) = self.older.pop() {
            return self.ask(State::Dropping, ClickHouseRequest::Drop { table });
        }
        match self.found {
            None => self.look(target),
            Some(_) => self.finish(target),
        }
    }

    fn look(self, target: &ClickHouseTarget) -> StrictProgress {
        let name = target.intent_note();
        self.ask(State::ReadingIntent, ClickHouseRequest::ReadNote { name })
    }

    fn counted(&mut self, chunks: &[ChunkRows]) {
        let found = self.found_mut();
        found.note = borne_out::<Strict>(std::mem::take(&mut found.note), chunks).0;
        let marked = found.note.marker().map(|marker| (marker.epoch, marker.chunk));
        let above = chunks.iter().filter(|chunk| Some((chunk.epoch, chunk.chunk)) > marked);
        found.above = above.cloned().collect();
    }

    /// An intent of which everything was published counts, though its writer did not come
    /// to say so. One of which only a part was published is finished when its chunk comes
    /// again.
    // spec: K-4
    fn finish(mut self, target: &ClickHouseTarget) -> StrictProgress {
        let found = self.found_mut();
        let place = |marker: crate::sink::Marker| (marker.epoch, marker.chunk);
        let marked = found.note.marker().map(place);
        let newer = found.intent.take().filter(|intent| Some(place(intent.marker)) > marked);
        let Some(intent) = newer else {
            return self.opened();
        };
        let follows = intent.predecessor == found.note.marker();
        if !follows || !intent.is_complete(&found.above) {
            found.intent = Some(intent);
            return self.opened();
        }
        found.note = found.note.with(NotedChunk { marker: intent.marker, rows: intent.rows() });
        found.above.retain(|chunk| (chunk.epoch, chunk.chunk) > place(intent.marker));
        let request = ClickHouseRequest::WriteNote {
            name: target.marker_note(),
            version: found.note.version(),
            text: found.note.encode(),
        };
        self.ask(State::WritingMarker, request)
    }
}

fn damaged(note: &str, error: &crate::codec::DecodeError) -> StrictProgress {
    ended(Progress::damaged(note, error))
}

fn ended(progress: Progress) -> StrictProgress {
    match progress {
        Progress::Ended(outcome, what) => StrictProgress::Ended(outcome, what),
        Progress::Ask(..) | Progress::Opened { .. } => panic!("damage ends an opening"),
    }
}
