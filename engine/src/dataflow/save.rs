//! A dataflow's state as data, and back.

use super::{Dataflow, NodeExec, Split, Splits};
use crate::ids::{Epoch, NodeId};
use crate::planted;
use crate::state::{Since, StateEntry};
use crate::time::Watermark;
use std::collections::BTreeMap;

/// All state after an epoch, by stable names.
// spec: S-1, S-3
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataflowState {
    /// The epoch after which it was taken.
    pub epoch: Epoch,
    /// The splits, by id.
    pub splits: Vec<Split>,
    /// For each operator, by its node's name, its own watermark and its entries.
    pub operators: BTreeMap<String, OperatorState>,
}

/// One operator's part of the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorState {
    /// The operator's own watermark.
    pub watermark: Watermark,
    /// Its entries, sorted by (key group, table, key).
    pub entries: Vec<StateEntry>,
}

/// Why a state does not fit this dataflow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// A part is there for which the plan has no operator.
    #[error("the snapshot holds state of an operator {0} that the plan does not have")]
    UnknownOperator(String),
    /// An operator's part is missing.
    #[error("the snapshot holds no state of operator {0}")]
    MissingOperator(String),
    /// An operator cannot read its part.
    #[error("the snapshot's state of operator {operator} cannot be read: {detail}")]
    Unreadable {
        /// The operator.
        operator: String,
        /// What is wrong.
        detail: String,
    },
}

impl Dataflow {
    /// The whole state after the last epoch.
    #[must_use]
    pub fn save(&self) -> DataflowState {
        let mut state = DataflowState {
            epoch: self.epoch,
            splits: self.splits.iter().map(|(_, split)| split.clone()).collect(),
            ..DataflowState::default()
        };
        for node in &self.plan.nodes {
            let index = node.id.0 as usize;
            if let NodeExec::Operator { operator, watermark } = &self.nodes[index] {
                let mut entries = Vec::new();
                operator.save(Since::Beginning, &mut entries);
                if planted!(P5) && state.operators.is_empty() {
                    entries.clear();
                }
                let part = OperatorState { watermark: *watermark, entries };
                state.operators.insert(node.name.clone(), part);
            }
        }
        state
    }

    /// Takes a state that [`Dataflow::save`] gave for the same plan. The dataflow
    /// must be freshly compiled.
    ///
    /// # Errors
    /// If the parts do not fit the plan's operators, or one cannot be read.
    pub fn load(&mut self, state: &DataflowState) -> Result<(), StateError> {
        assert_eq!(self.epoch, Epoch(0), "a state is loaded into a fresh dataflow");
        let known: BTreeMap<&str, NodeId> =
            self.plan.nodes.iter().map(|node| (node.name.as_str(), node.id)).collect();
        for name in state.operators.keys() {
            let is_operator = known
                .get(name.as_str())
                .is_some_and(|id| matches!(self.nodes[id.0 as usize], NodeExec::Operator { .. }));
            if !is_operator {
                return Err(StateError::UnknownOperator(name.clone()));
            }
        }
        for node in &self.plan.nodes {
            let index = node.id.0 as usize;
            if let NodeExec::Operator { operator, watermark } = &mut self.nodes[index] {
                let part = state
                    .operators
                    .get(&node.name)
                    .ok_or_else(|| StateError::MissingOperator(node.name.clone()))?;
                *watermark = part.watermark;
                let entries = if planted!(R4) { &[][..] } else { &part.entries };
                operator.load(entries).map_err(|detail| StateError::Unreadable {
                    operator: node.name.clone(),
                    detail,
                })?;
                self.watermarks[index] = operator.output_watermark(part.watermark);
            }
        }
        let mut splits = state.splits.clone();
        if planted!(W4) {
            splits.iter_mut().for_each(|split| split.watermark = Watermark::NONE);
        }
        self.splits = Splits::of(splits);
        self.epoch = state.epoch;
        Ok(())
    }
}
