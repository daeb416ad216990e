//! Computing journaled epochs again, beside the protocol: no sink is opened and
//! nothing is written. This is what looking back at a job stands on.

use super::epochs::{items_of, slice_record};
use super::io::{Failure, FetchedData};
use super::snapshots::state_of;
use crate::dataflow::{BuildError, Dataflow, EpochInput, EpochOutput};
use crate::executor::Executor;
use crate::format::{RecordBlock, frame};
use crate::ids::{Epoch, SinkId, SplitId, SplitName};
use crate::journal::{ChainHash, Control, EpochHasher, EpochRecord};
use crate::plan::{NodeKind, Plan, Table};
use crate::snapshot::Manifest;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;

/// A dataflow that takes the epochs of a journal once more.
///
/// Invariant: `chain` is the output hash chain after the dataflow's epoch.
pub struct Rehearsal {
    plan: Arc<Plan>,
    /// The tables of the sinks.
    sinks: Vec<crate::ids::TableId>,
    dataflow: Dataflow,
    chain: ChainHash,
}

impl Rehearsal {
    /// Before the first epoch.
    ///
    /// # Errors
    /// If the plan asks for what this binary does not have.
    pub fn new(plan: Arc<Plan>) -> Result<Rehearsal, BuildError> {
        let sinks = plan.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Sink(sink) => Some(sink.table),
            _ => None,
        });
        Ok(Rehearsal {
            sinks: sinks.collect(),
            dataflow: Dataflow::compile(plan.clone())?,
            chain: ChainHash::START,
            plan,
        })
    }

    /// After the epoch of a snapshot.
    ///
    /// # Errors
    /// If the snapshot is damaged or belongs to another plan.
    pub fn load(&mut self, manifest: &Manifest, parts: &[Bytes]) -> Result<(), String> {
        if manifest.plan != self.plan.hash() {
            return Err("it belongs to another plan".to_owned());
        }
        let state = state_of(manifest, parts)?;
        self.dataflow.load(&state).map_err(|error| error.to_string())?;
        self.chain = manifest.chain;
        Ok(())
    }

    /// The last epoch that was computed.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.dataflow.epoch()
    }

    /// The output hash chain after it.
    #[must_use]
    pub fn chain(&self) -> ChainHash {
        self.chain
    }

    /// The table of a sink.
    #[must_use]
    pub fn sink_table(&self, sink: SinkId) -> &Table {
        self.plan.table(self.sinks[sink.0 as usize])
    }

    /// The name of a split that is known, or that the record adds.
    #[must_use]
    pub fn split_name(&self, split: SplitId, record: &EpochRecord) -> Option<SplitName> {
        if let Some(known) = self.dataflow.splits().try_get(split) {
            return Some(known.name.clone());
        }
        record.controls.iter().find_map(|control| match &control.control {
            Control::Added { name, .. } if control.split == split => Some(name.clone()),
            _ => None,
        })
    }

    /// Computes the epoch of a record, given the data of each of its slices in their
    /// order.
    ///
    /// # Errors
    /// If a slice has other content than the record proves, or the outputs so far
    /// have another hash than the record says.
    // spec: J-7
    pub fn step(
        &mut self,
        record: &EpochRecord,
        data: Vec<FetchedData>,
        executor: &dyn Executor,
    ) -> Result<EpochOutput, Failure> {
        if let Some(journaled) = record.output_hash
            && journaled.epoch == self.epoch()
            && journaled.hash != self.chain
        {
            return Err(Failure::NotReproduced {
                epoch: journaled.epoch,
                detail: format!("{} was journaled, {} came out", journaled.hash, self.chain),
            });
        }
        let mut blocks = VecDeque::new();
        for (slice, data) in record.slices.iter().zip(data) {
            let split = self.split_name(slice.split, record).expect("a slice has a split");
            let block = self.block(&split, slice, data);
            let found = slice_record(slice.split, slice.start, &block);
            slice.verify(&found).map_err(|mismatch| {
                Failure::source_changed(&self.plan, &split, mismatch.to_string())
            })?;
            blocks.push_back(block);
        }
        let input =
            EpochInput { epoch: record.epoch, tick: record.tick, items: items_of(record, blocks) };
        let output = self.dataflow.step(&input, executor);
        let mut hasher = EpochHasher::begin(self.chain, record.epoch);
        for (sink, rows) in &output.sinks {
            let table = self.plan.table(self.sinks[sink.0 as usize]);
            super::encode::hash_rows(table, rows, &mut |bytes| hasher.rows(*sink, bytes));
        }
        self.chain = hasher.finish();
        Ok(output)
    }

    fn block(
        &self,
        split: &SplitName,
        slice: &crate::journal::SliceRecord,
        data: FetchedData,
    ) -> RecordBlock {
        match data {
            FetchedData::Records(block) => block,
            FetchedData::Bytes(bytes) => {
                let format = &self.plan.table(split.table).format;
                let wanted = (slice.end.0 - slice.start.0) as usize;
                let bytes = bytes.slice(..bytes.len().min(wanted));
                frame(format, bytes, slice.start, true).block
            }
        }
    }
}
