//! The dataflow: a compiled plan with its state, and the pure step of one epoch.
//!
//! [`Dataflow::step`] depends on the state and on its [`EpochInput`] and on nothing
//! else. It decodes the slices, takes the rows through the nodes in plan order, lets
//! time advance once, at the end of the epoch, and gives the rows for each sink.

mod calc;
mod compile;
mod epoch;
mod error;
mod merge;
mod save;
mod scan;
mod side;
mod sink;
mod splits;
mod step;

pub use epoch::{Control, EpochCounts, EpochInput, EpochItem, EpochOutput, Malformed};
pub use error::BuildError;
pub use save::{DataflowState, OperatorState, StateError};
pub use scan::metadata_keys;
pub use splits::{Feeds, Progress, Split, Splits};

use crate::ids::{Epoch, NodeId, TableId};
use crate::op::Operator;
use crate::plan::Plan;
use crate::time::Watermark;
use calc::CalcExec;
use scan::ScanExec;
use side::SideExec;
use sink::SinkExec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A plan that runs.
///
/// Invariants: `nodes` and `watermarks` are as long as the plan's nodes; an operator's
/// watermark never falls; `epoch` is the last epoch that was stepped.
pub struct Dataflow {
    plan: Arc<Plan>,
    nodes: Vec<NodeExec>,
    /// Each node's output watermark in the last epoch: it lies below every row time
    /// that the node may still give.
    // spec: T-3, T-5
    watermarks: Vec<Watermark>,
    /// The nodes in the order in which they run: inputs first, and the side tables
    /// with all that reads them last, since they hold what the others could not use.
    order: Vec<NodeId>,
    /// The scan of each table that is read.
    scans: BTreeMap<TableId, NodeId>,
    feeds: Feeds,
    splits: Splits,
    epoch: Epoch,
    zone: chrono_tz::Tz,
}

/// What a node does in a step.
enum NodeExec {
    Calc(CalcExec),
    Operator {
        operator: Box<dyn Operator>,
        /// The operator's own watermark: the minimum over its ports.
        watermark: Watermark,
    },
    Scan(ScanExec),
    Side(SideExec),
    Sink(SinkExec),
    Union(arrow_schema::SchemaRef),
    Values(arrow_array::RecordBatch),
}

impl Dataflow {
    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The splits with their watermarks.
    #[must_use]
    pub fn splits(&self) -> &Splits {
        &self.splits
    }

    /// Which tables feed which operators.
    #[must_use]
    pub fn feeds(&self) -> &Feeds {
        &self.feeds
    }

    /// The last epoch that was stepped; 0 before the first.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The watermark below which a node gives no row any more.
    #[must_use]
    pub fn output_watermark(&self, node: NodeId) -> Watermark {
        self.watermarks[node.0 as usize]
    }

    /// About how many bytes the state of all operators takes.
    #[must_use]
    pub fn state_bytes(&self) -> usize {
        self.nodes
            .iter()
            .map(|node| match node {
                NodeExec::Operator { operator, .. } => operator.state_bytes(),
                NodeExec::Calc(_)
                | NodeExec::Scan(_)
                | NodeExec::Side(_)
                | NodeExec::Sink(_)
                | NodeExec::Union(_)
                | NodeExec::Values(_) => 0,
            })
            .sum()
    }

    /// The state bytes of each operator, by node.
    pub fn state_bytes_by_node(&self) -> impl Iterator<Item = (NodeId, usize)> + '_ {
        self.nodes.iter().enumerate().filter_map(|(index, node)| match node {
            NodeExec::Operator { operator, .. } => {
                Some((NodeId(index as u32), operator.state_bytes()))
            }
            _ => None,
        })
    }
}
