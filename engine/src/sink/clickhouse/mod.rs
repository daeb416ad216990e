//! The ClickHouse sinks. ClickHouse cannot fence a writer, so each of them makes late
//! writes of older generations harmless in its own way:
//!
//! - [`ClickHouseKeyed`], for results with a key: rows carry their version, and the
//!   newest stays, whoever comes late;
//! - [`ClickHouseAppend`], for results without: rows carry their place, and equal rows
//!   are one to whoever reads with `FINAL`;
//! - [`ClickHouseStrict`], for tables that are read without `FINAL`: rows are staged in
//!   a table of the generation's own, which its successor drops, and published by moving
//!   whole partitions.
//!
//! A table belongs to one sink shard of one job. Its marker is a note in a small table
//! beside it, written after the rows; and since a note and rows can be lost apart, the
//! rows are asked, too: a note that claims more than the table holds does not count, and
//! the newest one that the rows bear out is the marker. Versions of notes grow with the
//! epochs, so that a late writer never takes the marker back.
//!
//! A consumer or TTL that removes the very last rows of a table makes it look as if the
//! rows were lost: the job then stops and says so.

mod append;
mod keyed;
mod looking;
mod note;
mod opening;
mod rows;
mod strict;
mod strict_opening;

pub use append::ClickHouseAppend;
pub use keyed::ClickHouseKeyed;
pub use note::{MarkerNote, NotedChunk};
pub use strict::ClickHouseStrict;

use crate::ids::Generation;
use crate::service::clickhouse::{ClickHouseAnswer, ClickHouseError, ClickHouseRequest};
use crate::service::{Answer, Request};
use crate::sink::{ApplyOutcome, Chunk, FailKind, Marker, SinkShard, SinkStep, Verdict, judge};

/// Which table a machine writes, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClickHouseTarget {
    /// The sink shard.
    pub shard: SinkShard,
    /// The table.
    pub table: String,
    /// The most rows of one insert, which the server makes one block of for each
    /// partition. The same through the life of a lineage. At least 1.
    // spec: J-5
    pub block_rows_max: u64,
}

impl ClickHouseTarget {
    /// The note that holds the marker.
    #[must_use]
    pub fn marker_note(&self) -> String {
        format!("{}/marker", self.table)
    }

    fn claim_note(&self) -> String {
        format!("{}/claim", self.table)
    }

    /// The note that says which generation of a number was let in.
    fn door_note(&self) -> String {
        format!("{}/door", self.table)
    }

    fn intent_note(&self) -> String {
        format!("{}/intent", self.table)
    }

    /// What the names of all staging tables begin with.
    #[must_use]
    pub fn staging_prefix(&self) -> String {
        format!("{}_staging_", self.table)
    }

    /// A name that no other attempt of any generation has: what one of them sent before
    /// it was given up can only reach a table that nobody reads any more.
    // spec: G-1, K-3
    fn staging(&self, generation: Generation, attempt: u32) -> String {
        let Generation { number, nonce } = generation;
        format!("{}{number:012}_{nonce:016x}_{attempt:06}", self.staging_prefix())
    }

    /// Whose staging table it is; `None` if the name is of another kind.
    fn owner_of(&self, table: &str) -> Option<Generation> {
        let mut parts = table.strip_prefix(&self.staging_prefix())?.split('_');
        let number = parts.next()?.parse().ok()?;
        let nonce = u64::from_str_radix(parts.next()?, 16).ok()?;
        let attempt = parts.next()?.parse().ok()?;
        let generation = Generation { number, nonce };
        (self.staging(generation, attempt) == table).then_some(generation)
    }
}

/// A failed request: how, and what was said.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure {
    kind: FailKind,
    what: String,
}

/// The server's answer, if it is a good one. `touched` says whether something was done
/// before the request that would have to be done again.
// spec: F-2, K-4
fn good(answer: Answer, touched: bool) -> Result<ClickHouseAnswer, Failure> {
    let certain = |kind| if touched { FailKind::Unknown } else { kind };
    let (kind, what) = match answer {
        Answer::ClickHouse(ClickHouseAnswer::Refused(error)) => (certain(kind_of(&error)), error),
        Answer::ClickHouse(ClickHouseAnswer::Failed(error)) => (FailKind::Unknown, error),
        Answer::ClickHouse(answer) => return Ok(answer),
        Answer::Unreachable => {
            let what = "the server cannot be reached".to_owned();
            return Err(Failure { kind: certain(FailKind::Transient), what });
        }
        Answer::TimedOut => {
            let what = "no answer came in time".to_owned();
            return Err(Failure { kind: FailKind::Unknown, what });
        }
        other => panic!("ClickHouse does not answer {other:?}"),
    };
    Err(Failure { kind, what: what.to_string() })
}

fn kind_of(error: &ClickHouseError) -> FailKind {
    match error {
        // Somebody may make the table.
        ClickHouseError::Busy | ClickHouseError::UnknownTable => FailKind::Transient,
        ClickHouseError::Other(_) => FailKind::Rejected,
    }
}

impl std::fmt::Display for ClickHouseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ClickHouseError::Busy => f.write_str("the server is busy"),
            ClickHouseError::Other(what) => f.write_str(what),
            ClickHouseError::UnknownTable => f.write_str("there is no such table"),
        }
    }
}

fn ask(request: ClickHouseRequest) -> SinkStep {
    SinkStep::Request(Request::ClickHouse(request))
}

/// What has to be said to a chunk without doing anything; `None` if it is to be applied.
// spec: K-1, K-7
fn settled(found: Option<Marker>, chunk: &Chunk) -> Option<ApplyOutcome> {
    let is_known = |found: Marker| {
        crate::planted!(K17)
            && (found.lineage, found.epoch) == (chunk.marker.lineage, chunk.marker.epoch)
    };
    if found.is_some_and(is_known) {
        return Some(ApplyOutcome::Duplicate);
    }
    match judge(found, chunk) {
        Verdict::Apply => None,
        Verdict::Duplicate => Some(ApplyOutcome::Duplicate),
        Verdict::Gap => Some(ApplyOutcome::Gap { found }),
        Verdict::Diverged => {
            let found = found.expect("only a marker diverges");
            Some(ApplyOutcome::Diverged { found })
        }
    }
}

/// Whether a generation that was found keeps `ours` from writing.
// spec: G-1
fn is_newer(found: Generation, ours: Generation) -> bool {
    let same_number = found.number == ours.number && found != ours;
    found.number > ours.number || (same_number && !crate::planted!(K18))
}

fn bad_answer(request: &str, answer: &ClickHouseAnswer) -> ! {
    panic!("{request} is not answered by {answer:?}")
}
