//! The second oracle: whatever happens, the results are those of a run in which nothing
//! happens, as rule E-3 says what "the same" is.

use crate::model::ViewRecord;
use crate::plan::RunPlan;
use crate::world::RunResult;
use anabranch_engine::ids::NodeId;
use anabranch_engine::pipeline::{PipelineConfig, Report};
use anabranch_engine::plan::{Class, NodeKind, Plan, Table};
use std::collections::BTreeMap;

/// How the rows of a sink may be ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Time drives the rows: each part of the sink holds the same ones in the same order.
    Same,
    /// Records drive them: the same rows, in some order.
    Some,
    /// They depend on more than the input.
    Unknown,
}

/// How the rows of each sink may be ordered, in plan order.
// spec: E-3
#[must_use]
pub fn orders(job: &Plan) -> Vec<Order> {
    let sinks = job.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Sink(_)));
    sinks
        .map(|node| match node.class {
            // What keeps no marker may get rows twice.
            // spec: K-6
            _ if !keeps_marker(job, &node.kind) => Order::Unknown,
            Class::Content if is_driven_by_time(job, node.id) => Order::Same,
            Class::Content => Order::Some,
            Class::Arrival | Class::Journal => Order::Unknown,
        })
        .collect()
}

fn keeps_marker(job: &Plan, kind: &NodeKind) -> bool {
    matches!(kind, NodeKind::Sink(sink) if job.table(sink.table).keeps_marker())
}

/// Whether every row comes out of a window and out of one only.
fn is_driven_by_time(job: &Plan, node: NodeId) -> bool {
    let node = job.node(node);
    match &node.kind {
        NodeKind::WindowAggregate(_) => true,
        NodeKind::Union => false,
        NodeKind::Calc(_) | NodeKind::Sink(_) | NodeKind::WindowAssign(_) => {
            node.inputs.iter().all(|input| is_driven_by_time(job, *input))
        }
        NodeKind::Scan(_) | NodeKind::SideScan(_) | NodeKind::Values(_) => false,
    }
}

/// Whether runs of a job can be held against each other at all: not if they depend on when
/// records come, because a split may be called idle.
// spec: T-3
#[must_use]
pub fn can_be_recut(job: &Plan) -> bool {
    scanned(job).all(|table| table.bounded || table.idle_timeout_ms().is_none())
}

/// Whether a run of this plan can be: a split that is added while others are read begins
/// where they are by then.
// spec: T-3
#[must_use]
pub fn is_comparable(plan: &RunPlan, job: &Plan) -> bool {
    let is_added = |table: &&Table| {
        !table.bounded && plan.splits.iter().any(|it| it.table == table.name && it.added.0 > 0)
    };
    can_be_recut(job) && scanned(job).find(is_added).is_none()
}

fn scanned(job: &Plan) -> impl Iterator<Item = &Table> + '_ {
    job.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::Scan(scan) => Some(job.table(scan.table)),
        _ => None,
    })
}

/// The same plan without its deviations, cut into other epochs.
#[must_use]
pub fn undisturbed(plan: &RunPlan) -> RunPlan {
    let mut calm = plan.clone();
    calm.deviations.clear();
    calm.marks.clear();
    calm.settings.pieces = 1;
    calm.pipeline = PipelineConfig {
        binary: plan.pipeline.binary.clone(),
        snapshot_bytes: 0,
        ..PipelineConfig::default()
    };
    calm
}

/// A difference between what two runs came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The sink's table.
    pub table: String,
    /// What kind of difference it is.
    pub kind: DifferenceKind,
    /// The first row that differs, for a person.
    pub detail: String,
}

/// A kind of difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DifferenceKind {
    /// A row is there that should not be, or too often.
    Extra,
    /// A row is missing.
    Missing,
    /// The rows are the same in another order.
    Order,
    /// One row is missing and another one is there in its place.
    Other,
}

/// The first difference between two runs, if there is one.
#[must_use]
pub fn difference(found: &RunResult, expected: &RunResult, job: &Plan) -> Option<Difference> {
    let run = found;
    let sinks = found.sinks.iter().zip(&expected.sinks).zip(orders(job));
    for ((found, expected), order) in sinks {
        if order == Order::Unknown || is_given_up(run, &found.table) {
            continue;
        }
        let difference = compare(&found.last.records, &expected.last.records, order);
        if let Some((kind, detail)) = difference {
            return Some(Difference { table: found.table.clone(), kind, detail });
        }
    }
    None
}

/// Whether a sink got not all rows, since it was dead for too long.
// spec: K-8
fn is_given_up(run: &RunResult, table: &str) -> bool {
    run.reports
        .iter()
        .any(|(_, _, report)| matches!(report, Report::SinkGivenUp { sink, .. } if sink == table))
}

/// The first difference between the rows that a sink holds and those that it should.
#[must_use]
pub fn compare(
    found: &[ViewRecord],
    expected: &[ViewRecord],
    order: Order,
) -> Option<(DifferenceKind, String)> {
    let mut counts: BTreeMap<&ViewRecord, i64> = BTreeMap::new();
    found.iter().for_each(|record| *counts.entry(record).or_insert(0) += 1);
    expected.iter().for_each(|record| *counts.entry(record).or_insert(0) -= 1);
    let extra = found.iter().find(|record| counts[*record] > 0);
    let missing = expected.iter().find(|record| counts[*record] < 0);
    let text = |record: &ViewRecord| String::from_utf8_lossy(&record.value).into_owned();
    match (extra, missing) {
        (Some(extra), None) => Some((DifferenceKind::Extra, format!("extra: {}", text(extra)))),
        (None, Some(missing)) => {
            Some((DifferenceKind::Missing, format!("missing: {}", text(missing))))
        }
        (Some(extra), Some(missing)) => Some((
            DifferenceKind::Other,
            format!("extra: {}, missing: {}", text(extra), text(missing)),
        )),
        (None, None) if order == Order::Same => {
            let by_part = |records: &[ViewRecord]| {
                let mut records = records.to_vec();
                records.sort_by_key(|record| record.part);
                records
            };
            let (found, expected) = (by_part(found), by_part(expected));
            let mut pairs = found.iter().zip(&expected);
            let first = pairs.find(|(found, expected)| found != expected);
            first.map(|(found, expected)| {
                let detail = format!("found: {}, expected: {}", text(found), text(expected));
                (DifferenceKind::Order, detail)
            })
        }
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(values: &[&'static str]) -> Vec<ViewRecord> {
        let record = |value: &&'static str| ViewRecord {
            value: bytes::Bytes::from_static(value.as_bytes()),
            ..ViewRecord::default()
        };
        values.iter().map(record).collect()
    }

    #[test]
    fn each_kind_of_difference_is_told() {
        // spec: E-3
        let kind = |found: &[&'static str], expected: &[&'static str], order| {
            compare(&records(found), &records(expected), order).map(|(kind, _)| kind)
        };
        use DifferenceKind::{Extra, Missing, Order as OtherOrder, Other};
        assert_eq!(kind(&["a", "b"], &["a", "b"], Order::Same), None);
        assert_eq!(kind(&["b", "a"], &["a", "b"], Order::Some), None);
        assert_eq!(kind(&["b", "a"], &["a", "b"], Order::Same), Some(OtherOrder));
        assert_eq!(kind(&["a", "a"], &["a"], Order::Some), Some(Extra));
        assert_eq!(kind(&["a"], &["a", "a"], Order::Some), Some(Missing));
        assert_eq!(kind(&["a", "c"], &["a", "b"], Order::Some), Some(Other));
    }
}
