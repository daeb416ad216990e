//! The plan of a job: a DAG of nodes in our own terms.
//!
//! It is what the SQL front end produces and all that the core knows of a job. Its
//! canonical text ([`Plan::canonical`]) and the hash of that are what the journal,
//! the snapshots and `plan diff` hold; spans and secrets are no part of it.

mod bounded;
pub mod builder;
mod catalog;
pub mod connector;
mod display;
mod node;
mod records;
mod window;

pub use bounded::{
    Assert, BoundedAggregate, BoundedJoin, BoundedKind, BoundedNode, BoundedPlan, Limit, SortKey,
};
pub use catalog::{
    ColumnKind, CsvOptions, FormatSpec, JsonOptions, OnError, Table, TableColumn, TimestampFormat,
    WatermarkSpec,
};
pub use display::{duration_text, expr_text, plan_text};
pub use node::{
    AggregateCall, Calc, ChangelogMode, Class, Node, NodeKind, Projection, Scan, SideKind,
    SideScan, Sink, Values, WindowAggregate, WindowAssign,
};
pub use records::{KeyLayout, KeyPiece, LayoutError, RecordLayout, ValueLayout};
pub use window::Window;

use crate::ids::{NodeId, SinkId, TableId};
use serde::{Deserialize, Serialize};

/// The version of the plan's canonical text.
pub const PLAN_VERSION: u32 = 1;

/// A compiled set of statements.
///
/// Invariants: the inputs of a node stand before it; node names are unique; every
/// reader of a [`NodeKind::Scan`] is a [`NodeKind::Calc`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// [`PLAN_VERSION`] when it was made.
    pub version: u32,
    /// The options of the job that can change a result.
    pub options: JobOptions,
    /// The tables that the statements use, by [`TableId`].
    pub tables: Vec<Table>,
    /// The nodes, inputs first.
    pub nodes: Vec<Node>,
}

/// What `SET` fixed for the whole job and can change a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobOptions {
    /// `table.local-time-zone`: an IANA name; `UTC` unless the file says otherwise.
    pub local_time_zone: String,
    /// `pipeline.seed`: what RAND and the hash tables start from.
    pub seed: u64,
    /// `anabranch.watermark.max-drift`: how far a split may run ahead of the lowest
    /// one before it waits, in ms.
    // spec: T-7
    pub max_drift_ms: Option<i64>,
}

impl Default for JobOptions {
    fn default() -> Self {
        JobOptions { local_time_zone: "UTC".into(), seed: 0, max_drift_ms: None }
    }
}

/// The hash of a plan's canonical text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PlanHash(pub [u8; 16]);

impl std::fmt::Display for PlanHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Plan {
    /// A node by its id.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// A table by its id.
    #[must_use]
    pub fn table(&self, id: TableId) -> &Table {
        &self.tables[id.0 as usize]
    }

    /// The table that a sink writes; sinks are counted in plan order.
    #[must_use]
    pub fn sink_table(&self, sink: SinkId) -> Option<&Table> {
        let tables = self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Sink(sink) => Some(self.table(sink.table)),
            _ => None,
        });
        tables.into_iter().nth(sink.0 as usize)
    }

    /// The plan as canonical JSON text: fields in the order of their declaration,
    /// maps sorted, no spans.
    #[must_use]
    pub fn canonical(&self) -> String {
        serde_json::to_string_pretty(self).expect("a plan holds nothing that JSON cannot")
    }

    /// The first 16 bytes of the BLAKE3 hash of the canonical text.
    #[must_use]
    pub fn hash(&self) -> PlanHash {
        let full = blake3::hash(self.canonical().as_bytes());
        let mut short = [0; 16];
        short.copy_from_slice(&full.as_bytes()[..16]);
        PlanHash(short)
    }
}
