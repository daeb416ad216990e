//! How a job that kills its process is told from one whose process is killed.
//!
//! A start whose predecessor ended without having journaled anything is wary: before it
//! computes an epoch it journals that it is about to, and afterwards that it did, until it
//! has journaled an epoch of its own. So the journal of a start that died tells whether
//! it died while it computed, and of which epoch; whatever else ends a start, be it a
//! lock, a source that cannot be read or a killed process that waits, counts for nothing.
// spec: F-6

use super::Pipeline;
use super::io::Output;
use crate::dataflow::EpochOutput;
use crate::executor::Executor;
use crate::format::RecordBlock;
use crate::ids::{Epoch, RequestId};
use crate::journal::{AttemptRecord, EpochRecord, JournalEntry};
use std::collections::VecDeque;

/// Whether notes are written, and how far they are.
#[derive(Debug, Default)]
pub(super) struct Wary {
    /// Whether notes are written at all.
    pub(super) is_on: bool,
    /// The note that is awaited, and its epoch.
    awaited: Option<(RequestId, Epoch)>,
    /// The epoch that may be computed: the note is durable.
    noted: Option<Epoch>,
    /// A new epoch that waits for its note.
    pub(super) waiting: Option<(EpochRecord, VecDeque<RecordBlock>)>,
}

impl Wary {
    /// Whether something waits for a note.
    pub(super) fn waits_for_note(&self) -> bool {
        self.awaited.is_some()
    }
}

impl Pipeline {
    /// Whether this epoch may be computed now. If not, it is asked for the note that has
    /// to be durable before.
    pub(super) fn may_compute(&mut self, epoch: Epoch, out: &mut Vec<Output>) -> bool {
        if !self.wary.is_on || self.wary.noted == Some(epoch) {
            return true;
        }
        if self.wary.awaited.is_none_or(|(_, of)| of != epoch) {
            let request = self.note(epoch, false, out);
            self.wary.awaited = Some((request, epoch));
        }
        false
    }

    /// Computes an epoch, with a word that this went well.
    pub(super) fn step_noted(
        &mut self,
        record: &EpochRecord,
        blocks: VecDeque<RecordBlock>,
        executor: &dyn Executor,
        out: &mut Vec<Output>,
    ) -> EpochOutput {
        let output = self.step(record, blocks, executor);
        if self.wary.is_on {
            self.note(record.epoch, true, out);
        }
        output
    }

    fn note(&mut self, epoch: Epoch, computed: bool, out: &mut Vec<Output>) -> RequestId {
        let request = self.request();
        let encoder = self.encoder.as_mut().expect("the journal is open when epochs are computed");
        let mut bytes = Vec::new();
        encoder.append(&JournalEntry::Attempt(AttemptRecord { epoch, computed }), &mut bytes);
        out.push(Output::AppendNote { request, bytes: bytes.into() });
        request
    }

    pub(super) fn note_appended(&mut self, request: RequestId) {
        let noted = self.wary.awaited.take_if(|(awaited, _)| *awaited == request);
        if let Some((_, epoch)) = noted {
            self.wary.noted = Some(epoch);
        }
    }
}
