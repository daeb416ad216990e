//! Results with a key, in a `ReplacingMergeTree(_version, _deleted)`.
//!
//! Every row carries the version (epoch, place in the group). Whatever comes late, from
//! whatever generation, at whatever age, is either equal to what is there or older than
//! it, and never seen by a reader who uses `FINAL`. So there is nothing to fence, and
//! writing a chunk again changes nothing.
// spec: K-3
//!
//! That holds only as long as the table forgets nothing: with automatic cleanup a merge
//! drops the row that says "deleted", and a late older row would bring the key back; and
//! rows of one key in two partitions do not replace each other. Both are refused.

use super::looking::Looking;
use super::opening::{Opening, Progress, Requirements};
use super::{
    ClickHouseTarget, Failure, MarkerNote, NotedChunk, ask, bad_answer, good, rows, settled,
};
use crate::ids::Generation;
use crate::service::Answer;
use crate::service::clickhouse::{
    ChunkRows, ClickHouseAnswer, ClickHouseRequest, ClickHouseTable, Deduplication, TableEngine,
};
use crate::sink::{ApplyOutcome, Chunk, FailKind, OpenOutcome, SinkMachine, SinkStep};
use std::mem;

/// The machine of one table of results with a key.
#[derive(Clone, Debug)]
pub struct ClickHouseKeyed {
    target: ClickHouseTarget,
    generation: Generation,
    /// What the marker's note says. Meaningful while open.
    note: MarkerNote,
    /// How many rows were sent since the table was opened.
    sent: u64,
    state: State,
    failure: String,
}

/// Where the machine is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Looking(Looking),
    Opening(Opening),
    Open,
    Inserting { noted: NotedChunk },
    Noting { note: MarkerNote },
}

/// What keyed results ask of a table.
struct Keyed;

impl Requirements for Keyed {
    fn objection(table: &ClickHouseTable) -> Option<&'static str> {
        if table.engine != TableEngine::Replacing {
            return Some("it is no ReplacingMergeTree(_version, _deleted)");
        }
        if table.automatic_cleanup {
            return Some(
                "its merges drop deleted rows (automatic cleanup), so that a late write would \
                 bring them back",
            );
        }
        if !table.partition_by_key {
            return Some(
                "its partition or sharding key is no function of the sorting key, so that rows \
                 of one key would not replace each other",
            );
        }
        None
    }

    /// The row with the largest version of all is never replaced, so it tells how far the
    /// table is. Rows before it may have been replaced and merged away.
    fn holds(found: &[ChunkRows], chunk: &NotedChunk) -> bool {
        let Some(last) = chunk.rows.checked_sub(1) else { return true };
        let last = (chunk.marker.epoch, (u64::from(chunk.marker.chunk) << 32) + last);
        found.iter().any(|found| (found.epoch, found.sequence_max) >= last)
    }
}

impl ClickHouseKeyed {
    /// A closed machine.
    #[must_use]
    pub fn new(target: ClickHouseTarget) -> ClickHouseKeyed {
        ClickHouseKeyed {
            target,
            generation: Generation::default(),
            note: MarkerNote::default(),
            sent: 0,
            state: State::Closed,
            failure: String::new(),
        }
    }

    fn ask(&mut self, state: State, request: ClickHouseRequest) -> SinkStep {
        self.state = state;
        ask(request)
    }

    fn opening(&mut self, opening: Opening, answer: Answer) -> SinkStep {
        let progress = match good(answer, false) {
            Ok(answer) => opening.answer::<Keyed>(&self.target, self.generation, answer),
            Err(failure) => Progress::failed(failure),
        };
        match progress {
            Progress::Ask(opening, request) => self.ask(State::Opening(opening), request),
            Progress::Opened { note, .. } => {
                let marker = note.marker();
                (self.note, self.sent, self.state) = (note, 0, State::Open);
                SinkStep::Opened(OpenOutcome::Opened { marker })
            }
            Progress::Ended(outcome, what) => {
                self.failure = what;
                SinkStep::Opened(outcome)
            }
        }
    }

    /// The rows are in the table: says so.
    fn write_note(&mut self, noted: NotedChunk) -> SinkStep {
        let note = self.note.with(noted);
        let request = ClickHouseRequest::WriteNote {
            name: self.target.marker_note(),
            version: note.version(),
            text: note.encode(),
        };
        self.ask(State::Noting { note }, request)
    }

    fn fail(&mut self, failure: Failure) -> SinkStep {
        self.failure = failure.what;
        SinkStep::Applied(ApplyOutcome::Failed(failure.kind))
    }
}

impl SinkMachine for ClickHouseKeyed {
    fn inspect(&mut self) -> SinkStep {
        let name = self.target.claim_note();
        self.ask(State::Looking(Looking::Claim), ClickHouseRequest::ReadNote { name })
    }

    fn open(&mut self, generation: Generation) -> SinkStep {
        self.generation = generation;
        let (opening, request) = Opening::start(&self.target);
        self.ask(State::Opening(opening), request)
    }

    // spec: K-1, K-2
    fn apply(&mut self, chunk: Chunk) -> SinkStep {
        assert_eq!(self.state, State::Open, "only an open sink applies chunks");
        assert_eq!(chunk.target(), self.target.shard, "the chunk belongs to this sink");
        if let Some(outcome) = settled(self.note.marker(), &chunk) {
            return SinkStep::Applied(outcome);
        }
        let rows = rows::keyed(&chunk, self.sent);
        let noted = NotedChunk { marker: chunk.marker, rows: rows.len() as u64 };
        self.sent += noted.rows;
        if rows.is_empty() {
            return self.write_note(noted);
        }
        // Rows that come twice do no harm; a token that the server remembers would, if it
        // lost the rows.
        let request = ClickHouseRequest::Insert {
            table: self.target.table.clone(),
            deduplication: Deduplication::Off,
            block_rows_max: self.target.block_rows_max,
            rows,
        };
        self.ask(State::Inserting { noted }, request)
    }

    fn answer(&mut self, answer: Answer) -> SinkStep {
        match mem::replace(&mut self.state, State::Closed) {
            State::Looking(looking) => match looking.answer(&self.target, answer) {
                Ok((looking, request)) => self.ask(State::Looking(looking), request),
                Err(looked) => looked.step(&mut self.failure),
            },
            State::Opening(opening) => self.opening(opening, answer),
            State::Inserting { noted } => match good(answer, false) {
                Ok(ClickHouseAnswer::Done) => self.write_note(noted),
                Ok(other) => bad_answer("an insert", &other),
                Err(failure) if failure.kind == FailKind::Unknown && crate::planted!(K2) => {
                    self.write_note(noted)
                }
                Err(failure) => self.fail(failure),
            },
            State::Noting { note } => match good(answer, true) {
                Ok(ClickHouseAnswer::Done) => {
                    (self.note, self.state) = (note, State::Open);
                    SinkStep::Applied(ApplyOutcome::Applied)
                }
                Ok(other) => bad_answer("a note", &other),
                Err(failure) => self.fail(failure),
            },
            State::Closed | State::Open => panic!("an answer to no request: {answer:?}"),
        }
    }

    fn failure(&self) -> &str {
        &self.failure
    }
}
