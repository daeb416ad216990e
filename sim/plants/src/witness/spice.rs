//! What is done to a plan beyond what the generator does to all of them.

use anabranch_sim::model::Disturbance;
use anabranch_sim::plan::{
    Action, Deviation, Operation, Point, RecordKind, RunPlan, SourceFault, SplitInput, Trigger,
};
use anabranch_sim::rng::Draws;
use anabranch_sim::time::{Span, VirtualTime};

/// A value here and there is none of its column's.
pub(super) fn bad_values(plan: &mut RunPlan) {
    for split in &mut plan.splits {
        for record in split.records.iter_mut().filter(|record| record.number % 5 == 4) {
            let RecordKind::Whole { value, .. } = &mut record.kind else { continue };
            let text = String::from_utf8_lossy(value);
            let Some(begin) = text.find("\"v\":").map(|at| at + 4) else { continue };
            let Some(len) = text[begin..].find(',') else { continue };
            *value = format!("{}[]{}", &text[..begin], &text[begin + len..]).into();
        }
    }
}

/// Times are whole tenths of a second, so that rows lie exactly as far apart as a gap.
pub(super) fn coarse_times(plan: &mut RunPlan) {
    for record in plan.splits.iter_mut().flat_map(|split| &mut split.records) {
        let RecordKind::Whole { value, .. } = &mut record.kind else { continue };
        let mut text = String::from_utf8_lossy(value).into_owned();
        let Some(begin) = text.find("\"ts\":\"").map(|at| at + 6) else { continue };
        let Some(len) = text[begin..].find('"') else { continue };
        // `2023-11-14 22:13:19.995`; a whole second has no fraction.
        if len == "2023-11-14 22:13:19.995".len() {
            text.replace_range(begin + len - 2..begin + len, "00");
            *value = text.into();
        }
    }
}

/// The newest records of a split are replaced, and the process is started again.
pub(super) fn replaced_records(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "spice", "replaced");
    let Some(split) = plan.splits.iter().max_by_key(|split| split.records.len()) else { return };
    let name = format!("{}/{}", split.table, split.name);
    let fault = SourceFault::Truncate { records: 1 + draws.below(3) };
    let nth = 1 + draws.below(8) as u32;
    let point = || Point::After(Operation::Append);
    plan.deviations = vec![
        when(nth, point(), Action::Source { split: name, fault }),
        when(nth, point(), Action::Crash { restart: Some(Span::ms(20)) }),
    ];
}

/// Some splits come late, and all but the first fall silent in the middle for longer than
/// makes them idle.
pub(super) fn silent_splits(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "spice", "silent splits");
    let count = plan.splits.len();
    for (index, split) in plan.splits.iter_mut().enumerate() {
        pace(split, draws.below(3) as i64 + 1);
        let rest = Span::ms(draws.below(400) as i64);
        let from = draws.below(split.records.len().max(1) as u64);
        if index > 0 {
            let resting = split.records.iter_mut().filter(|record| record.number >= from);
            resting.for_each(|record| record.at = record.at + rest);
        }
        if index + 1 == count && index > 0 && draws.below(2) == 0 {
            let added = Span::ms(draws.below(300) as i64);
            split.added = VirtualTime(added.0);
            split.records.iter_mut().for_each(|record| record.at = record.at + added);
        }
        if draws.below(4) == 0 {
            let last = split.records.last().map_or(split.added, |record| record.at);
            split.ended = Some(last + Span::ms(draws.below(100) as i64));
        }
    }
}

/// A record every so many ms.
fn pace(split: &mut SplitInput, every_ms: i64) {
    for (record, place) in split.records.iter_mut().zip(0_i64..) {
        record.at = VirtualTime(Span::ms(every_ms * place).0);
    }
}

/// The sink forgets what it had acknowledged, and the process is started again.
pub(super) fn lose_acknowledged(plan: &mut RunPlan) {
    let writes = 1 + Draws::new(plan.seed, "spice", "lost").below(3) as u32;
    lose_in_sink(plan, Disturbance::LoseAcknowledged { writes });
}

fn lose_in_sink(plan: &mut RunPlan, disturbance: Disturbance) {
    let nth = 2 + Draws::new(plan.seed, "spice", "when").below(4) as u32;
    let point = || Point::After(Operation::Apply(None));
    let service = "results".to_owned();
    plan.deviations = vec![
        when(nth, point(), Action::Disturb { service, disturbance }),
        when(nth, point(), Action::Crash { restart: Some(Span::ms(20)) }),
    ];
}

/// A bit of the journal or of a snapshot turns, and the process is started again.
pub(super) fn rot_in_stores(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "spice", "rot");
    plan.deviations.clear();
    let nth = 4 + draws.below(10) as u32;
    let services = ["journal", "snapshots"];
    let service = (*draws.choose(&services)).to_owned();
    let disturbance = Disturbance::Rot { place: draws.number() };
    let point = || Point::After(Operation::Append);
    plan.deviations = vec![
        when(nth, point(), Action::Disturb { service, disturbance }),
        when(nth, point(), Action::Crash { restart: Some(Span::ms(20)) }),
    ];
}

pub(super) fn when(nth: u32, point: Point, action: Action) -> Deviation {
    Deviation { trigger: Trigger::When { nth, point, holding: None, restarts: None }, action }
}
