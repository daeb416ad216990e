//! What records say of time, without any run.

use super::clock::{NEVER, watermark_of};
use super::decode::{Decoded, decode};
use super::log::SplitLog;
use anabranch_engine::plan::{NodeKind, Plan};
use anabranch_engine::time::Tick;

/// What a record of a log is to its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// No record of the table.
    Malformed,
    /// A record that says nothing of time.
    Timeless,
    /// A record with this value of the watermark expression, in ms since 1970.
    At(i64),
}

/// What each record of a log is.
// spec: T-1
#[must_use]
pub fn readings(plan: &Plan, log: &SplitLog) -> Vec<Reading> {
    let scan = plan.nodes.iter().find_map(|node| match &node.kind {
        NodeKind::Scan(scan) if scan.table == log.name.table => Some(scan),
        _ => None,
    });
    let Some(scan) = scan else { return Vec::new() };
    let reading = |record| {
        let decoded = decode(plan, scan, &log.name.name, record);
        match watermark_of(plan, scan, &decoded, Tick(NEVER + 1)) {
            _ if matches!(decoded, Decoded::Malformed) => Reading::Malformed,
            Some(value) => Reading::At(value),
            None => Reading::Timeless,
        }
    };
    log.records.iter().map(reading).collect()
}
