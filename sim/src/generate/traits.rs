//! What the input of a plan is like: what a generator has to bring about now and then, or
//! it is too tidy.

use crate::oracle::logs_of;
use crate::plan::{RecordKind, RunPlan, SplitInput};
use crate::reference::{Reading, SplitLog, readings};
use crate::time::Span;
use anabranch_engine::plan::Plan;
use std::collections::BTreeSet;

/// A clock is far ahead if it is so by a year, in ms.
const FAR_AHEAD: i64 = 365 * 86_400_000;
/// Splits are skewed if one ends so much later in event time, in ms.
const SKEW: i64 = 10_000;
/// So many records at one moment are a burst.
const BURST: usize = 5;

/// All that input may be like.
pub const ALL: &[&str] = &[
    "input-burst",
    "input-clock-far-ahead",
    "input-disorder",
    "input-duplicate",
    "input-empty-split",
    "input-gap",
    "input-half-line",
    "input-late-split",
    "input-pause",
    "input-poison",
    "input-skew",
];

/// What the input of a plan is like.
#[must_use]
pub fn traits(plan: &RunPlan, job: &Plan) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    for split in &plan.splits {
        found.extend(of_arrivals(split, idle_of(split, job)));
        found.extend(of_kinds(split));
    }
    let mut lasts: Vec<i64> = Vec::new();
    for log in logs_of(plan, job) {
        let values = found_in(&log, job, &mut found);
        lasts.extend(values);
    }
    if let (Some(least), Some(most)) = (lasts.iter().min(), lasts.iter().max())
        && most - least >= SKEW
    {
        found.insert("input-skew");
    }
    found
}

/// For how long nothing has to come so that it matters.
fn idle_of(split: &SplitInput, job: &Plan) -> Span {
    let table = job.tables.iter().find(|table| table.name == split.table);
    Span::ms(table.and_then(|table| table.idle_timeout_ms()).unwrap_or(500))
}

fn of_arrivals(split: &SplitInput, idle: Span) -> Vec<&'static str> {
    let mut found = Vec::new();
    let times: Vec<_> = split.records.iter().map(|record| record.at).collect();
    if times.windows(2).any(|pair| pair[1] - pair[0] >= idle) {
        found.push("input-pause");
    }
    let is_burst = |group: &[crate::time::VirtualTime]| group.len() >= BURST;
    let mut groups = times.chunk_by(|a, b| a == b);
    if groups.any(is_burst) {
        found.push("input-burst");
    }
    if split.added.0 > 0 {
        found.push("input-late-split");
    }
    found
}

fn of_kinds(split: &SplitInput) -> Vec<&'static str> {
    let mut found = Vec::new();
    let is = |wanted: fn(&RecordKind) -> bool| split.records.iter().any(|it| wanted(&it.kind));
    if split.records.is_empty() {
        found.push("input-empty-split");
    }
    if is(|kind| matches!(kind, RecordKind::Gap { .. })) {
        found.push("input-gap");
    }
    if is(|kind| matches!(kind, RecordKind::Raw(_))) {
        found.push("input-half-line");
    }
    let is_same = |a: &RecordKind, b: &RecordKind| matches!(a, RecordKind::Whole { .. }) && a == b;
    if split.records.windows(2).any(|pair| is_same(&pair[0].kind, &pair[1].kind)) {
        found.push("input-duplicate");
    }
    found
}

/// What a log says of time; gives its largest value, but for clocks that are far ahead.
fn found_in(log: &SplitLog, job: &Plan, found: &mut BTreeSet<&'static str>) -> Option<i64> {
    let (mut first, mut most): (Option<i64>, Option<i64>) = (None, None);
    for reading in readings(job, log) {
        match reading {
            Reading::Malformed => {
                found.insert("input-poison");
            }
            Reading::Timeless => {}
            Reading::At(value) => {
                let begun = *first.get_or_insert(value);
                if value.saturating_sub(begun) >= FAR_AHEAD {
                    found.insert("input-clock-far-ahead");
                    continue;
                }
                if most.is_some_and(|most| value < most) {
                    found.insert("input-disorder");
                }
                most = most.max(Some(value));
            }
        }
    }
    most
}
