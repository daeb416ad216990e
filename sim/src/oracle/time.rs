//! S7, and what the interpreter found in the journal: watermarks, marks, and that each
//! window fires once.

use super::Finding;
use crate::model::View;
use crate::reference::Expected;
use anabranch_engine::expr::ExprKind;
use anabranch_engine::ids::{NodeId, SinkId};
use anabranch_engine::plan::{FormatSpec, NodeKind, Plan};
use anabranch_engine::snapshot::Manifest;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// What the journal says and is not so, as findings.
#[must_use]
pub fn discords(expected: &Expected) -> Vec<Finding> {
    let finding = |discord: &crate::reference::Discord| {
        Finding::new(discord.oracle, discord.kind, "journal", discord.to_string())
    };
    expected.discords.iter().map(finding).collect()
}

/// S7: a snapshot's splits stand where the records up to its epoch take them.
// spec: T-1, T-3
#[must_use]
pub fn snapshot_times(expected: &Expected, manifest: &Manifest) -> Option<Finding> {
    let times = expected.times.iter().find(|times| times.epoch == manifest.epoch)?;
    let place = "snapshot";
    if manifest.splits.len() != times.splits.len() {
        let message = format!(
            "the snapshot after epoch {} has {} splits, there are {}",
            manifest.epoch,
            manifest.splits.len(),
            times.splits.len()
        );
        return Some(Finding::new("S7", "splits", place, message));
    }
    for (index, split) in manifest.splits.iter().enumerate() {
        let (name, epoch) = (&expected.splits[index].name, manifest.epoch);
        if split.watermark != times.splits[index] {
            let message = format!(
                "after epoch {epoch} split {name} stands at watermark {}, its records give {}",
                split.watermark, times.splits[index]
            );
            return Some(Finding::new("S7", "watermark", place, message));
        }
        if split.offset.0 != times.positions[index] {
            let message = format!(
                "after epoch {epoch} split {name} stands at offset {}, its records give {}",
                split.offset, times.positions[index]
            );
            return Some(Finding::new("S2", "offset", place, message));
        }
    }
    None
}

/// S7: no two rows of a sink are of the same key and window. Asks only sinks of JSON
/// whose rows tell key and window, and only of rows that time drives.
// spec: T-5
#[must_use]
pub fn fires_once(plan: &Plan, sink: SinkId, view: &View) -> Option<Finding> {
    let sinks = plan.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Sink(_)));
    let node = sinks.clone().nth(sink.0 as usize)?;
    let NodeKind::Sink(spec) = &node.kind else { return None };
    let table = plan.table(spec.table);
    if !matches!(table.format, FormatSpec::Json(_) | FormatSpec::None) {
        return None;
    }
    let names = window_columns(plan, node.inputs[0])?;
    let names: Vec<&str> =
        names.iter().map(|column| table.columns[*column].name.as_str()).collect();
    let mut seen: BTreeMap<Vec<String>, &[u8]> = BTreeMap::new();
    for record in &view.records {
        let Ok(Json::Object(fields)) = serde_json::from_slice(&record.value) else { continue };
        let text = |name: &&str| fields.get(*name).map_or(String::new(), ToString::to_string);
        let window: Vec<String> = names.iter().map(text).collect();
        if let Some(before) = seen.insert(window, &record.value) {
            let message = format!(
                "sink {} holds {} and {} of one window",
                table.name,
                String::from_utf8_lossy(before),
                String::from_utf8_lossy(&record.value)
            );
            return Some(Finding::new("S7", "window fired twice", &table.name, message));
        }
    }
    None
}

/// The columns of a node's rows that tell key and window of one aggregation behind
/// which only calcs stand; `None` if they do not.
fn window_columns(plan: &Plan, node: NodeId) -> Option<Vec<usize>> {
    let node = plan.node(node);
    match &node.kind {
        NodeKind::WindowAggregate(spec) => {
            let keys = spec.keys.len();
            let start = keys + spec.aggregates.len();
            Some((0..keys).chain([start, start + 1]).collect())
        }
        NodeKind::Calc(calc) => {
            let wanted = window_columns(plan, node.inputs[0])?;
            let place = |column: &usize| {
                calc.projections
                    .iter()
                    .position(|projection| projection.expr.kind == ExprKind::Column(*column))
            };
            wanted.iter().map(place).collect()
        }
        _ => None,
    }
}
