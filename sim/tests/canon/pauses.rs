//! Every pause of a job with a successor, and every moment at which it goes on.

use crate::judged::{every, judged, outputs_of, tell, with};
use crate::scenarios::{Scenario, short};
use anabranch_sim::plan::{Action, Operation, Point, RunPlan, StoreKind};
use anabranch_sim::time::Span;

/// Longer than a successor of a short job takes.
const LONG: Span = Span::ms(30_000);

fn paused(scenario: &Scenario, nth: u32, until: Option<u32>) -> RunPlan {
    let action = Action::Pause { span: LONG, successor: true, until };
    with(&scenario.plan, Point::Before(Operation::Output), nth, action)
}

/// Every cell of (pause before this output, go on behind that output of the successor).
fn cells(scenario: &Scenario) -> Vec<(String, RunPlan)> {
    let outputs = outputs_of(scenario, &scenario.plan, 1);
    let mut cells = Vec::new();
    for nth in 1..outputs {
        let successor = outputs_of(scenario, &paused(scenario, nth, None), 2);
        for until in (1..=successor).map(Some).chain([None]) {
            let name = format!("{} {nth} {until:?}", scenario.name);
            cells.push((name, paused(scenario, nth, until)));
        }
    }
    cells
}

fn nothing_changes(name: &str, journal: StoreKind, records: usize) {
    let scenario = short(name, journal, records);
    let cells = cells(&scenario);
    let (mut zombies, mut fenced) = (0, 0);
    let wrong = every(&cells, |plan| {
        let (result, mut wrong) = judged(&scenario, plan);
        if !result.stale.is_empty() {
            wrong.push("the pause never happened".to_owned());
        }
        let count = |mark| result.counts.marks.get(mark).copied().unwrap_or(0);
        zombies += count("zombie");
        fenced += count("chunk-fenced");
        wrong
    });
    tell(&format!("{name} over {}: {} cells, {fenced} chunks fenced", journal.name(), cells.len()));
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(zombies, cells.len() as u64);
    assert!(cells.len() > 250, "{}", cells.len());
}

#[test]
fn a_zombie_of_redis_over_a_topic_changes_nothing_whenever_it_goes_on() {
    // spec: J-3, K-1, K-3
    nothing_changes("hop", StoreKind::Topic, 3);
}

#[test]
fn a_zombie_of_kafka_over_objects_changes_nothing_whenever_it_goes_on() {
    // spec: J-3, K-1, K-3
    nothing_changes("session", StoreKind::Object, 3);
}

#[test]
fn a_zombie_of_clickhouse_over_a_topic_changes_nothing_whenever_it_goes_on() {
    // spec: J-3, K-1, K-3
    nothing_changes("strict", StoreKind::Topic, 3);
}

#[test]
fn a_zombie_of_three_sinks_over_objects_changes_nothing_whenever_it_goes_on() {
    // spec: J-3, K-1, K-3
    nothing_changes("fan-out", StoreKind::Object, 2);
}
