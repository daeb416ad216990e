//! What makes a plan harder than two runs of it can be compared: splits that come late, half
//! lines, and losses after which a job may have to fail.

use super::losses::lose;
use super::{Assumption, Material, Profile};
use crate::plan::{RecordKind, RunPlan, SplitInput, SplitShape};
use crate::rng::Draws;
use crate::time::{Span, VirtualTime};
use anabranch_engine::plan::Plan;
use std::collections::BTreeSet;

/// Of a million plans, so many have splits that come late.
const LATE_SPLITS: u32 = 170_000;
/// So many have half lines.
const HALF_LINES: u32 = 200_000;
/// So many lose something that was acknowledged.
const LOSSES: u32 = 700_000;

/// Makes a plan harder, as hard as can be: each such thing is there, if chance wants it for
/// the split.
pub fn harden(plan: &mut RunPlan, job: &Plan) {
    let seed = plan.seed;
    add_late(plan, job);
    halve_all(plan);
    let mut draws = Draws::new(seed, "harder", "losses");
    if draws.below(2) == 0 {
        lose(plan, job, &BTreeSet::new(), &mut draws);
    }
}

/// Makes a plan harder by its share, and as far as nothing else is assumed.
pub(super) fn harden_some(plan: &mut RunPlan, job: &Plan, material: &Material) {
    if material.profile == Profile::Calm {
        return;
    }
    let mut draws = Draws::new(plan.seed, "harder", "shares");
    let (late, half) = (draws.happens(LATE_SPLITS), draws.happens(HALF_LINES));
    let (loses, twice) = (draws.happens(LOSSES), draws.below(2) == 0);
    let fixed = material.assumed.contains(&Assumption::FixedSplits);
    if late && !fixed {
        add_late(plan, job);
    }
    if half && !fixed {
        halve_all(plan);
    }
    if !loses {
        return;
    }
    for ordinal in 0..1 + u64::from(twice) {
        let draws = &mut Draws::new(plan.seed, "loss", &ordinal.to_string());
        lose(plan, job, &material.assumed, draws);
    }
}

/// Lets some splits come late, if the job looks for more.
fn add_late(plan: &mut RunPlan, job: &Plan) {
    let seed = plan.seed;
    for split in &mut plan.splits {
        let label = format!("{}/{}", split.table, split.name);
        let mut draws = Draws::new(seed, "harder", &label);
        let (is_late, wait) = (draws.below(4) == 0, Span::ms(1 + draws.below(1_500) as i64));
        let table = job.tables.iter().find(|table| table.name == split.table);
        if is_late && table.is_some_and(|table| !table.bounded) {
            split.added = VirtualTime(0) + wait;
        }
    }
}

/// Lets lines of some files come in two pieces.
fn halve_all(plan: &mut RunPlan) {
    let seed = plan.seed;
    for split in plan.splits.iter_mut().filter(|split| split.shape == SplitShape::File) {
        let label = format!("{}/{}", split.table, split.name);
        if Draws::new(seed, "halves", &label).below(3) == 0 {
            halve(split, seed, &label);
        }
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
