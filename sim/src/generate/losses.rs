//! What is taken away though it was acknowledged, or read once already: a job then has to
//! say so, if it cannot do without it.

use super::Assumption;
use super::faults::{Model, models};
use crate::model::Disturbance;
use crate::plan::{
    Action, Deviation, Operation, Point, RecordKind, RecordName, RunPlan, SourceFault, SplitInput,
    SplitShape, StoreKind, Stores, Trigger,
};
use crate::rng::Draws;
use crate::time::Span;
use anabranch_engine::plan::Plan;
use std::collections::BTreeSet;

/// Something that is lost, as far as it can be in this plan.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Loss {
    /// In the journal, the snapshots, or a sink.
    Service { service: String, disturbance: Disturbance },
    /// In a source, once an epoch holds the record.
    Source { split: String, fault: SourceFault, once_it_holds: u64 },
}

impl Loss {
    /// Whether it is one of a service that such a model is behind.
    fn is_of(&self, model: Model, job: &Plan, stores: &Stores) -> bool {
        let Loss::Service { service, .. } = self else { return false };
        models(job, stores).iter().any(|(name, of)| name == service && *of == model)
    }

    fn action(&self) -> Action {
        match self.clone() {
            Loss::Service { service, disturbance } => Action::Disturb { service, disturbance },
            Loss::Source { split, fault, .. } => Action::Source { split, fault },
        }
    }
}

/// A loss, and mostly a crash behind it, so that somebody looks for what is gone.
pub(super) fn lose(
    plan: &mut RunPlan,
    job: &Plan,
    assumed: &BTreeSet<Assumption>,
    draws: &mut Draws,
) {
    let mut choices = choices(plan, job, draws);
    choices.retain(|loss| !assumed.iter().any(|it| it.rules_out(&loss.action())));
    let (choice, nth, crashes) = (draws.number(), 8 + draws.below(32), draws.below(4) > 0);
    let down = Span::ms(draws.below(500) as i64);
    // No kind is rare because others have more places, or find something to take more often.
    let kinds: BTreeSet<&str> = choices.iter().map(|loss| loss.action().kind()).collect();
    let turns = |kind: &'static str| std::iter::repeat_n(kind, turns_of(kind));
    let kinds: Vec<&str> = kinds.into_iter().flat_map(turns).collect();
    let Some(kind) = choice.checked_rem(kinds.len() as u64) else { return };
    choices.retain(|loss| loss.action().kind() == kinds[kind as usize]);
    let loss = &choices[(choice >> 32) as usize % choices.len()];
    let trigger = match loss.clone() {
        Loss::Service { service, .. } => {
            // Where there is something to lose.
            let (point, nth) = match service.as_str() {
                "journal" => (Point::After(Operation::Output), nth as u32),
                "snapshots" => (Point::After(Operation::Store), 1 + nth as u32 % 2),
                _ => (Point::After(Operation::Apply(Some(service))), 1 + nth as u32 % 2),
            };
            Trigger::When { nth, point, holding: None, restarts: None }
        }
        Loss::Source { split, once_it_holds, .. } => {
            // Once the record belongs to the job: before, it would only never have been.
            let holding = Some(RecordName { split, number: once_it_holds });
            let point = Point::After(Operation::Append);
            Trigger::When { nth: 1, point, holding, restarts: None }
        }
    };
    plan.deviations.push(Deviation { trigger: trigger.clone(), action: loss.action() });
    // A table is looked at when it is opened, and not again.
    if crashes || loss.is_of(Model::ClickHouse, job, &plan.settings.stores) {
        let action = Action::Crash { restart: Some(down) };
        plan.deviations.push(Deviation { trigger, action });
    }
}

/// How many times a kind of loss is among those that are drawn from.
fn turns_of(kind: &str) -> usize {
    // A sink has to hold something first, and no manifest is lost where files are taken.
    if kind == "lose-marker" { 3 } else { 1 }
}

fn choices(plan: &RunPlan, job: &Plan, draws: &mut Draws) -> Vec<Loss> {
    let number = draws.number();
    let stores = &plan.settings.stores;
    let mut choices = Vec::new();
    let rot = || Disturbance::Rot { place: number };
    for (name, kind) in [("journal", stores.journal), ("snapshots", stores.snapshots)] {
        if matches!(kind, StoreKind::Local | StoreKind::Object) {
            let service = name.to_owned();
            choices.push(Loss::Service { service, disturbance: rot() });
        }
    }
    let sinks = models(job, stores).into_iter().filter(|(name, _)| name != "journal");
    for (service, model) in sinks.filter(|(name, _)| name != "snapshots") {
        let writes = 1 + (number % 9) as u32;
        let lost: &[Disturbance] = match model {
            // That a part in the middle is gone shows nowhere: only the last ones are lost.
            Model::ClickHouse | Model::Redis => {
                &[Disturbance::LoseAcknowledged { writes }, Disturbance::LoseMarker]
            }
            // Before its first marker was journaled, a folder shows by the files in it that it
            // lost its manifest: not if somebody takes these away.
            Model::Disk if are_taken(plan, &service) => &[],
            Model::Disk | Model::Kafka => &[Disturbance::LoseMarker],
            Model::Object => &[],
        };
        choices.extend(lost.iter().map(|disturbance| Loss::Service {
            service: service.clone(),
            disturbance: disturbance.clone(),
        }));
    }
    let splits: Vec<&SplitInput> = plan.splits.iter().filter(|split| has_records(split)).collect();
    if let Some(place) = draws.number().checked_rem(splits.len() as u64) {
        choices.extend(of_split(splits[place as usize], number));
    }
    choices
}

/// Whether somebody takes the files of a sink away.
fn are_taken(plan: &RunPlan, sink: &str) -> bool {
    plan.deviations.iter().any(|deviation| match &deviation.action {
        Action::Disturb { service, disturbance: Disturbance::TakeFiles } => service == sink,
        _ => false,
    })
}

fn has_records(split: &SplitInput) -> bool {
    split.records.iter().any(|record| matches!(record.kind, RecordKind::Whole { .. }))
}

/// What can be lost of a split.
fn of_split(split: &SplitInput, number: u64) -> Vec<Loss> {
    let name = format!("{}/{}", split.table, split.name);
    let whole: Vec<u64> = split
        .records
        .iter()
        .filter(|record| matches!(record.kind, RecordKind::Whole { .. }))
        .map(|record| record.number)
        .collect();
    let some = whole[(number >> 8) as usize % whole.len()];
    let last = *whole.last().expect("it has records");
    let loss = |fault, once_it_holds| Loss::Source { split: name.clone(), fault, once_it_holds };
    // What came later would take the offsets of what was truncated.
    let mut losses = vec![
        loss(SourceFault::Truncate { records: 1 + number % 4 }, last),
        loss(SourceFault::Recreate, last),
    ];
    if split.shape == SplitShape::Log {
        losses.push(loss(SourceFault::Retain { keep: number % 4 }, some));
        losses.push(loss(SourceFault::Compact { number: some }, some));
    }
    losses
}
