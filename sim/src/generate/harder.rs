//! What makes a plan harder than two runs of it can be compared: splits that come late, half
//! lines, and losses after which a job may have to fail.

use crate::model::Disturbance;
use crate::plan::{
    Action, Deviation, Operation, Point, RecordKind, RecordName, RunPlan, SourceFault, SplitInput,
    SplitShape, StoreKind, Trigger,
};
use crate::rng::Draws;
use crate::time::{Span, VirtualTime};
use anabranch_engine::plan::{NodeKind, Plan};

/// Makes a plan harder. With the interpreter as judge it needs no calm run of the same
/// input; what it allows stands in the plan.
pub fn harden(plan: &mut RunPlan, job: &Plan) {
    let seed = plan.seed;
    for split in &mut plan.splits {
        let label = format!("{}/{}", split.table, split.name);
        let mut draws = Draws::new(seed, "harder", &label);
        let (is_late, wait) = (draws.below(4) == 0, Span::ms(1 + draws.below(1_500) as i64));
        let table = job.tables.iter().find(|table| table.name == split.table);
        if is_late && table.is_some_and(|table| !table.bounded) {
            split.added = VirtualTime(0) + wait;
        }
        if split.shape == SplitShape::File && draws.below(3) == 0 {
            halve(split, seed, &label);
        }
    }
    let mut draws = Draws::new(seed, "harder", "losses");
    if draws.below(4) == 0 {
        lose(plan, job, &mut draws);
    }
}

/// Lets some lines come in two pieces, the second one later.
fn halve(split: &mut SplitInput, seed: u64, label: &str) {
    let mut number = split.records.iter().map(|record| record.number + 1).max().unwrap_or(0);
    let mut records = Vec::new();
    for record in std::mem::take(&mut split.records) {
        let mut draws = Draws::new(seed, "half", &format!("{label}:{}", record.number));
        let RecordKind::Whole { value, .. } = &record.kind else {
            records.push(record);
            continue;
        };
        if draws.below(6) > 0 || value.is_empty() {
            records.push(record);
            continue;
        }
        let cut = draws.below(value.len() as u64 + 1) as usize;
        let rest = [&value[cut..], b"\n"].concat();
        let later = record.at + Span::ms(draws.below(400) as i64);
        let first = RecordKind::Raw(value.slice(..cut));
        records.push(crate::plan::Record { kind: first, ..record.clone() });
        let rest = RecordKind::Raw(rest.into());
        records.push(crate::plan::Record { number, at: later, kind: rest });
        number += 1;
    }
    // Times do not fall.
    let mut last = VirtualTime(0);
    for record in &mut records {
        record.at = record.at.max(last);
        last = record.at;
    }
    split.records = records;
}

/// Lets something be lost that was acknowledged, or read once already.
fn lose(plan: &mut RunPlan, job: &Plan, draws: &mut Draws) {
    let (number, nth) = (draws.number(), 1 + draws.below(60) as u32);
    let stores = &plan.settings.stores;
    let sinks = job.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::Sink(sink) => Some(job.table(sink.table)),
        _ => None,
    });
    let redis = sinks.clone().find(|table| {
        table.connector == "redis" && stores.sink_kind(&table.name) == StoreKind::Connector
    });
    let usual = Trigger::When {
        nth,
        point: Point::After(Operation::Output),
        holding: None,
        restarts: None,
    };
    let mut choices = Vec::new();
    if let Some(table) = redis {
        let disturbance = Disturbance::LoseAcknowledged { writes: 1 + (number % 9) as u32 };
        let action = Action::Disturb { service: table.name.clone(), disturbance };
        choices.push((usual.clone(), action, "sink-lost-data"));
    }
    if matches!(stores.journal, StoreKind::Local) {
        let disturbance = Disturbance::Rot { place: number };
        let action = Action::Disturb { service: "journal".into(), disturbance };
        choices.push((usual, action, "damaged"));
    }
    let is_log = |split: &&SplitInput| split.shape == SplitShape::Log && !split.records.is_empty();
    if let Some(split) = plan.splits.iter().find(is_log) {
        // Once the split belongs to the job: before, it would only begin later.
        let record = &split.records[number as usize % split.records.len()];
        let name = format!("{}/{}", split.table, split.name);
        let fault = SourceFault::Retain { keep: number % 4 };
        let holding = Some(RecordName { split: name.clone(), number: record.number });
        let point = Point::After(Operation::Append);
        let trigger = Trigger::When { nth: 1, point, holding, restarts: None };
        choices.push((trigger, Action::Source { split: name, fault }, "source-changed"));
    }
    if choices.is_empty() {
        return;
    }
    let (trigger, action, failure) =
        choices.swap_remove(draws.below(choices.len() as u64) as usize);
    plan.deviations.push(Deviation { trigger, action });
    plan.allow.push(failure.to_owned());
}
