//! Results in a plain MergeTree, where every row stays and nothing may come twice.
//!
//! To apply a chunk:
//! 1. its rows are inserted into the staging table of this generation and attempt, which
//!    nobody reads, and which takes each chunk once, also if the insert comes twice;
//! 2. an intent is noted: the marker, and how many rows each partition gets;
//! 3. each partition is moved into the table, which is atomic and takes it out of the
//!    staging table, so that a repetition moves nothing;
//! 4. the rows are counted, and the marker is noted.
//!
//! After a crash the staging tables are dropped, and the partitions that are there tell
//! how far the move came. If all are, the intent becomes the marker; else its chunk comes
//! again, and only the partitions that are missing are staged and moved.
//!
//! Views on the table do not see rows that are moved into it.

use super::looking::Looking;
use super::note::{Intent, NotedChunk, version_of};
use super::opening::all_there;
use super::strict_opening::{Found, StrictOpening, StrictProgress};
use super::{ClickHouseTarget, Failure, ask, bad_answer, good, rows, settled};
use crate::ids::Generation;
use crate::planted;
use crate::service::Answer;
use crate::service::clickhouse::{
    ChunkRows, ClickHouseAnswer, ClickHouseError, ClickHouseRequest, ClickHouseRow, Deduplication,
    PartitionTransfer,
};
use crate::sink::{ApplyOutcome, Chunk, FailKind, OpenOutcome, SinkMachine, SinkStep};
use bytes::Bytes;
use std::mem;

/// The machine of one plain table.
#[derive(Clone, Debug)]
pub struct ClickHouseStrict {
    target: ClickHouseTarget,
    generation: Generation,
    /// How often the table was opened: the name of the staging table holds it.
    attempt: u32,
    /// What is known of the table. Meaningful while open.
    found: Found,
    state: State,
    failure: String,
}

/// Where the machine is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Looking(Looking),
    Opening(StrictOpening),
    Open,
    Staging(Publishing),
    WritingIntent(Publishing),
    Moving(Publishing),
    /// A move was refused because the staging table is gone: asking whose are left.
    AskingOwner,
    Counting(Publishing),
    Noting(Found),
}

/// A chunk on its way into the table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Publishing {
    intent: Intent,
    /// The rows of partitions that are not published.
    rows: Vec<ClickHouseRow>,
    /// Partitions that are still to be moved, the next one last.
    waiting: Vec<Bytes>,
}

impl Publishing {
    fn new(intent: Intent, missing: Vec<(Bytes, Vec<ClickHouseRow>)>) -> Publishing {
        let waiting = missing.iter().rev().map(|(partition, _)| partition.clone()).collect();
        let rows = missing.into_iter().flat_map(|(_, rows)| rows).collect();
        Publishing { intent, rows, waiting }
    }
}

impl ClickHouseStrict {
    /// A closed machine.
    #[must_use]
    pub fn new(target: ClickHouseTarget) -> ClickHouseStrict {
        ClickHouseStrict {
            target,
            generation: Generation::default(),
            attempt: 0,
            found: Found::default(),
            state: State::Closed,
            failure: String::new(),
        }
    }

    fn staging(&self) -> String {
        self.target.staging(self.generation, self.attempt)
    }

    fn ask(&mut self, state: State, request: ClickHouseRequest) -> SinkStep {
        self.state = state;
        ask(request)
    }

    fn opening(&mut self, opening: StrictOpening, answer: Answer) -> SinkStep {
        let answer = match good(answer, false) {
            Ok(answer) => answer,
            Err(Failure { kind, what }) => {
                self.failure = what;
                return SinkStep::Opened(OpenOutcome::Failed(kind));
            }
        };
        match opening.answer(&self.target, answer) {
            StrictProgress::Ask(opening, request) => self.ask(State::Opening(opening), request),
            StrictProgress::Opened(found) => {
                let marker = found.note.marker();
                (self.found, self.state) = (found, State::Open);
                SinkStep::Opened(OpenOutcome::Opened { marker })
            }
            StrictProgress::Ended(outcome, what) => {
                self.failure = what;
                SinkStep::Opened(outcome)
            }
        }
    }

    /// What the chunk has to say to what an earlier attempt published of its place.
    // spec: K-7
    fn contradicted(&self, chunk: &Chunk) -> Option<ApplyOutcome> {
        let intent = self.found.intent.as_ref()?;
        let found = intent.marker;
        let begun = |(partition, rows): &(Bytes, u64)| {
            intent.is_published(partition, *rows, &self.found.above)
        };
        let other = found.same_place(&chunk.marker) && found != chunk.marker;
        (other && intent.partitions.iter().any(begun)).then_some(ApplyOutcome::Diverged { found })
    }

    fn stage(&mut self, publishing: Publishing) -> SinkStep {
        if publishing.rows.is_empty() {
            return self.move_next(publishing);
        }
        // A chunk is staged once in the life of a staging table.
        let marker = &publishing.intent.marker;
        let token = format!("{}.{}", marker.epoch, marker.chunk);
        let deduplication =
            if planted!(K1) { Deduplication::Off } else { Deduplication::Token(token) };
        let request = ClickHouseRequest::Insert {
            table: self.staging(),
            deduplication,
            block_rows_max: self.target.block_rows_max,
            rows: publishing.rows.clone(),
        };
        self.ask(State::Staging(publishing), request)
    }

    fn write_intent(&mut self, publishing: Publishing) -> SinkStep {
        let request = ClickHouseRequest::WriteNote {
            name: self.target.intent_note(),
            version: version_of(&publishing.intent.marker),
            text: publishing.intent.encode(),
        };
        self.ask(State::WritingIntent(publishing), request)
    }

    /// Moves the next partition, or counts the rows if all are moved.
    fn move_next(&mut self, publishing: Publishing) -> SinkStep {
        let Some(partition) = publishing.waiting.last().cloned() else {
            let (table, from) = (self.target.table.clone(), publishing.intent.marker.epoch);
            return self
                .ask(State::Counting(publishing), ClickHouseRequest::Chunks { table, from });
        };
        let request = ClickHouseRequest::TransferPartition {
            from: self.staging(),
            to: self.target.table.clone(),
            partition,
            how: PartitionTransfer::Move,
        };
        self.ask(State::Moving(publishing), request)
    }

    fn moved(&mut self, mut publishing: Publishing, answer: Answer) -> SinkStep {
        let is_gone = matches!(
            &answer,
            Answer::ClickHouse(ClickHouseAnswer::Refused(ClickHouseError::UnknownTable))
        );
        if is_gone {
            let prefix = self.target.staging_prefix();
            return self.ask(State::AskingOwner, ClickHouseRequest::Tables { prefix });
        }
        match good(answer, true) {
            Ok(ClickHouseAnswer::Done) => {
                publishing.waiting.pop();
                self.move_next(publishing)
            }
            Ok(other) => bad_answer("a move", &other),
            Err(failure) if failure.kind == FailKind::Unknown && planted!(K1) => {
                self.stage(publishing)
            }
            Err(failure) => self.fail(failure),
        }
    }

    fn counted(&mut self, publishing: &Publishing, found: &[ChunkRows]) -> SinkStep {
        let intent = &publishing.intent;
        let noted = NotedChunk { marker: intent.marker, rows: intent.rows() };
        if !all_there(found, &noted) {
            let what = format!("the rows of {} are not in the table", noted.marker);
            return self.fail(Failure { kind: FailKind::Unknown, what });
        }
        let place = (noted.marker.epoch, noted.marker.chunk);
        let mut next = Found { note: self.found.note.with(noted), ..self.found.clone() };
        next.above.retain(|chunk| (chunk.epoch, chunk.chunk) > place);
        let request = ClickHouseRequest::WriteNote {
            name: self.target.marker_note(),
            version: next.note.version(),
            text: next.note.encode(),
        };
        self.ask(State::Noting(next), request)
    }

    /// Our staging table was dropped: a newer generation did that, or somebody by hand.
    // spec: K-3
    fn fenced(&mut self, tables: &[String]) -> SinkStep {
        let owners = tables.iter().filter_map(|table| self.target.owner_of(table));
        let what = format!("the staging table {} is gone", self.staging());
        match owners.filter(|owner| *owner > self.generation).max() {
            Some(by) => {
                self.failure = what;
                SinkStep::Applied(ApplyOutcome::Fenced { by })
            }
            None => self.fail(Failure { kind: FailKind::Unknown, what }),
        }
    }

    fn fail(&mut self, failure: Failure) -> SinkStep {
        self.state = State::Closed;
        self.failure = failure.what;
        SinkStep::Applied(ApplyOutcome::Failed(failure.kind))
    }
}

/// The chunk's partitions that a table does not hold.
///
/// # Errors
/// A partition of which it holds a part: no move leaves that behind.
fn missing(
    marker: &crate::sink::Marker,
    parts: Vec<(Bytes, Vec<ClickHouseRow>)>,
    above: &[ChunkRows],
) -> Result<Vec<(Bytes, Vec<ClickHouseRow>)>, String> {
    let place = (marker.epoch, marker.chunk);
    let mut missing = Vec::new();
    for (partition, rows) in parts {
        let is_it = |found: &&ChunkRows| {
            (found.epoch, found.chunk) == place && found.partition == partition
        };
        let there = above.iter().find(is_it).map_or(0, |found| found.rows);
        match there {
            0 => missing.push((partition, rows)),
            _ if there == rows.len() as u64 => {}
            _ => {
                let all = rows.len();
                return Err(format!("the table holds {there} of {all} rows of {marker}"));
            }
        }
    }
    Ok(missing)
}

impl SinkMachine for ClickHouseStrict {
    fn inspect(&mut self) -> SinkStep {
        let prefix = self.target.staging_prefix();
        self.ask(State::Looking(Looking::Claim), ClickHouseRequest::Tables { prefix })
    }

    // spec: K-3
    fn open(&mut self, generation: Generation) -> SinkStep {
        self.generation = generation;
        self.attempt += 1;
        let (opening, request) = StrictOpening::start(&self.target, generation, self.staging());
        self.ask(State::Opening(opening), request)
    }

    // spec: K-1, K-2
    fn apply(&mut self, chunk: Chunk) -> SinkStep {
        assert_eq!(self.state, State::Open, "only an open sink applies chunks");
        assert_eq!(chunk.target(), self.target.shard, "the chunk belongs to this sink");
        let known = settled(self.found.note.marker(), &chunk);
        if let Some(outcome) = known.or_else(|| self.contradicted(&chunk)) {
            return SinkStep::Applied(outcome);
        }
        let parts = rows::appended(&chunk, 0).map(rows::by_partition);
        let parts = parts.and_then(|parts| {
            let counts = parts.iter().map(|(name, rows)| (name.clone(), rows.len() as u64));
            let intent = Intent {
                marker: chunk.marker,
                predecessor: chunk.predecessor,
                partitions: counts.collect(),
            };
            let missing = missing(&chunk.marker, parts, &self.found.above)?;
            Ok(Publishing::new(intent, missing))
        });
        match parts {
            Ok(publishing) => self.stage(publishing),
            Err(what) => self.fail(Failure { kind: FailKind::Rejected, what }),
        }
    }

    fn answer(&mut self, answer: Answer) -> SinkStep {
        match mem::replace(&mut self.state, State::Closed) {
            State::Looking(looking) => match looking.answer(&self.target, answer) {
                Ok((looking, request)) => self.ask(State::Looking(looking), request),
                Err(looked) => looked.step(&mut self.failure),
            },
            State::Opening(opening) => self.opening(opening, answer),
            State::Staging(publishing) => match good(answer, false) {
                Ok(ClickHouseAnswer::Done) => self.write_intent(publishing),
                Ok(other) => bad_answer("an insert", &other),
                Err(failure) => self.fail(failure),
            },
            State::WritingIntent(publishing) => match good(answer, true) {
                Ok(ClickHouseAnswer::Done) => self.move_next(publishing),
                Ok(other) => bad_answer("a note", &other),
                Err(failure) => self.fail(failure),
            },
            State::Moving(publishing) => self.moved(publishing, answer),
            State::AskingOwner => match good(answer, true) {
                Ok(ClickHouseAnswer::Tables(tables)) => self.fenced(&tables),
                Ok(other) => bad_answer("a list of tables", &other),
                Err(failure) => self.fail(failure),
            },
            State::Counting(publishing) => match good(answer, true) {
                Ok(ClickHouseAnswer::Chunks(found)) => self.counted(&publishing, &found),
                Ok(other) => bad_answer("a count", &other),
                Err(failure) => self.fail(failure),
            },
            State::Noting(found) => match good(answer, true) {
                Ok(ClickHouseAnswer::Done) => {
                    (self.found, self.state) = (found, State::Open);
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
