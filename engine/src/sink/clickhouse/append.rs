//! Results without a key, in a `ReplacingMergeTree` ordered by (…, `_epoch`,
//! `_sequence`).
//!
//! A row that comes twice, from whatever generation, at whatever age, is equal to the one
//! that is there, and a reader who uses `FINAL` sees one. So there is nothing to fence.
// spec: K-3
//!
//! Each insert goes into one partition and is one block, so that it is there whole or not
//! at all. Its token saves the merges that a repetition would cost, and nothing more:
//! where the server remembers a token but lost its rows, or got it with other rows, it
//! drops an insert without a word. So the rows are counted before the marker moves, and
//! sent once more without a token if they are not there.

use super::looking::Looking;
use super::opening::{Opening, Progress, Requirements, all_there};
use super::{
    ClickHouseTarget, Failure, MarkerNote, NotedChunk, ask, bad_answer, good, rows, settled,
};
use crate::ids::Generation;
use crate::service::Answer;
use crate::service::clickhouse::{
    ChunkRows, ClickHouseAnswer, ClickHouseRequest, ClickHouseRow, ClickHouseTable, Deduplication,
    TableEngine,
};
use crate::sink::{ApplyOutcome, Chunk, FailKind, Marker, OpenOutcome, SinkMachine, SinkStep};
use std::mem;

/// The machine of one table of results without a key.
#[derive(Clone, Debug)]
pub struct ClickHouseAppend {
    target: ClickHouseTarget,
    generation: Generation,
    /// What the marker's note says. Meaningful while open.
    note: MarkerNote,
    /// Whether rows were lost while their tokens may be remembered. Meaningful while open.
    lost: bool,
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
    Inserting(Inserts),
    Counting(Inserts),
    Noting { note: MarkerNote },
}

/// The inserts of one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Inserts {
    noted: NotedChunk,
    blocks: Vec<Vec<ClickHouseRow>>,
    /// How many of them were answered.
    done: usize,
    /// Whether they are sent with a token.
    with_token: bool,
}

/// What results without a key ask of a table.
struct Append;

impl Requirements for Append {
    fn objection(table: &ClickHouseTable) -> Option<&'static str> {
        let fits = table.engine == TableEngine::ReplacingEqual;
        (!fits).then_some("it is no ReplacingMergeTree ordered by (…, _epoch, _sequence)")
    }

    fn holds(found: &[ChunkRows], chunk: &NotedChunk) -> bool {
        all_there(found, chunk)
    }
}

impl ClickHouseAppend {
    /// A closed machine.
    #[must_use]
    pub fn new(target: ClickHouseTarget) -> ClickHouseAppend {
        ClickHouseAppend {
            target,
            generation: Generation::default(),
            note: MarkerNote::default(),
            lost: false,
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
            Ok(answer) => opening.answer::<Append>(&self.target, self.generation, answer),
            Err(failure) => Progress::failed(failure),
        };
        match progress {
            Progress::Ask(opening, request) => self.ask(State::Opening(opening), request),
            Progress::Opened { note, lost } => {
                let marker = note.marker();
                (self.note, self.lost, self.sent) = (note, lost, 0);
                self.state = State::Open;
                SinkStep::Opened(OpenOutcome::Opened { marker })
            }
            Progress::Ended(outcome, what) => {
                self.failure = what;
                SinkStep::Opened(outcome)
            }
        }
    }

    /// Each block into one partition, and none larger than the server's. How the chunk is
    /// cut follows from the chunk alone.
    // spec: J-5
    fn blocks(&self, rows: Vec<ClickHouseRow>) -> Vec<Vec<ClickHouseRow>> {
        let rows_max = self.target.block_rows_max.max(1) as usize;
        let parts = rows::by_partition(rows);
        let cut = |(_, rows): &(_, Vec<ClickHouseRow>)| {
            rows.chunks(rows_max).map(<[ClickHouseRow]>::to_vec).collect::<Vec<_>>()
        };
        parts.iter().flat_map(cut).collect()
    }

    /// Names what an insert holds: without the generation, so that a late one of another
    /// generation meets ours.
    fn token(&self, marker: &Marker, block: usize) -> String {
        let place = if crate::planted!(K8) {
            format!("{}", marker.epoch)
        } else {
            format!("{}.{}", marker.epoch, marker.chunk)
        };
        format!("{}/{}/{place}.{block}", self.target.shard, marker.lineage)
    }

    /// Sends the next block, or counts the rows if there is none.
    fn go_on(&mut self, inserts: Inserts) -> SinkStep {
        let Some(rows) = inserts.blocks.get(inserts.done) else {
            let (table, from) = (self.target.table.clone(), inserts.noted.marker.epoch);
            return self.ask(State::Counting(inserts), ClickHouseRequest::Chunks { table, from });
        };
        let deduplication = if inserts.with_token {
            Deduplication::Token(self.token(&inserts.noted.marker, inserts.done))
        } else {
            Deduplication::Off
        };
        let request = ClickHouseRequest::Insert {
            table: self.target.table.clone(),
            deduplication,
            block_rows_max: self.target.block_rows_max,
            rows: rows.clone(),
        };
        self.ask(State::Inserting(inserts), request)
    }

    /// The marker moves only if the rows are there.
    // spec: K-2
    fn count(&mut self, inserts: Inserts, found: &[ChunkRows]) -> SinkStep {
        let noted = inserts.noted;
        let of_epoch = found.iter().filter(|found| found.epoch == noted.marker.epoch);
        let is_there = if crate::planted!(K8) {
            of_epoch.map(|found| found.rows).sum::<u64>() >= noted.rows
        } else {
            all_there(found, &noted)
        };
        if is_there {
            return self.write_note(noted);
        }
        if inserts.with_token {
            return self.go_on(Inserts { done: 0, with_token: false, ..inserts });
        }
        let what = format!("the rows of {} are not in the table", noted.marker);
        self.fail(Failure { kind: FailKind::Unknown, what })
    }

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

impl SinkMachine for ClickHouseAppend {
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
        let rows = match rows::appended(&chunk, self.sent) {
            Ok(rows) => rows,
            Err(what) => {
                self.state = State::Closed;
                return self.fail(Failure { kind: FailKind::Rejected, what });
            }
        };
        let noted = NotedChunk { marker: chunk.marker, rows: rows.len() as u64 };
        self.sent += noted.rows;
        let with_token = !self.lost;
        self.go_on(Inserts { noted, blocks: self.blocks(rows), done: 0, with_token })
    }

    fn answer(&mut self, answer: Answer) -> SinkStep {
        match mem::replace(&mut self.state, State::Closed) {
            State::Looking(looking) => match looking.answer(&self.target, answer) {
                Ok((looking, request)) => self.ask(State::Looking(looking), request),
                Err(looked) => looked.step(&mut self.failure),
            },
            State::Opening(opening) => self.opening(opening, answer),
            State::Inserting(mut inserts) => {
                match good(answer, inserts.done > 0 || !inserts.with_token) {
                    Ok(ClickHouseAnswer::Done) => {
                        inserts.done += 1;
                        self.go_on(inserts)
                    }
                    Ok(other) => bad_answer("an insert", &other),
                    Err(failure) if failure.kind == FailKind::Unknown && crate::planted!(K2) => {
                        self.write_note(inserts.noted)
                    }
                    Err(failure) => self.fail(failure),
                }
            }
            State::Counting(inserts) => match good(answer, true) {
                Ok(ClickHouseAnswer::Chunks(found)) => self.count(inserts, &found),
                Ok(other) => bad_answer("a count", &other),
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
