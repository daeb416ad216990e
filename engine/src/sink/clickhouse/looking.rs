//! Looking at a table without fencing anybody.

use super::note::decode_claim;
use super::opening::marker_note;
use super::{ClickHouseTarget, Failure, bad_answer, good};
use crate::codec::DecodeError;
use crate::ids::Generation;
use crate::service::Answer;
use crate::service::clickhouse::{ClickHouseAnswer, ClickHouseRequest};
use crate::sink::{ApplyOutcome, FailKind, Inspection, SinkStep};

/// How far the looking has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looking {
    /// Reading the claim, or listing the staging tables, which are claims.
    Claim,
    /// Reading the marker, under this claim.
    Marker(Option<Generation>),
}

/// What the looking ended with.
pub(super) enum Looked {
    Found(Inspection),
    Failed(FailKind, String),
}

impl Looked {
    /// The step, after noting what was said.
    pub(super) fn step(self, failure: &mut String) -> SinkStep {
        SinkStep::Inspected(match self {
            Looked::Found(inspection) => Ok(inspection),
            Looked::Failed(kind, what) => {
                *failure = what;
                Err(ApplyOutcome::Failed(kind))
            }
        })
    }
}

impl Looking {
    /// The next request with the state that waits for it, or the end.
    pub(super) fn answer(
        self,
        target: &ClickHouseTarget,
        answer: Answer,
    ) -> Result<(Looking, ClickHouseRequest), Looked> {
        let failed = |Failure { kind, what }| Looked::Failed(kind, what);
        let damaged = |error: DecodeError| {
            Looked::Failed(FailKind::Rejected, format!("a note of {}: {error}", target.table))
        };
        let read_marker = ClickHouseRequest::ReadNote { name: target.marker_note() };
        match (self, good(answer, false).map_err(failed)?) {
            (Looking::Claim, ClickHouseAnswer::Note(note)) => {
                let claim = note.map(|(_, text)| decode_claim(&text)).transpose();
                Ok((Looking::Marker(claim.map_err(damaged)?), read_marker))
            }
            (Looking::Claim, ClickHouseAnswer::Tables(tables)) => {
                let claim = tables.iter().filter_map(|table| target.owner_of(table)).max();
                Ok((Looking::Marker(claim), read_marker))
            }
            (Looking::Marker(claim), ClickHouseAnswer::Note(note)) => {
                let note = marker_note(note.map(|(_, text)| text).as_deref()).map_err(damaged)?;
                Err(Looked::Found(Inspection { claim, marker: note.marker() }))
            }
            (state, answer) => bad_answer(&format!("{state:?}"), &answer),
        }
    }
}
