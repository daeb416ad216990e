//! Every single crash of every canonical job.

use crate::judged::{every, judged, outputs_of, points, tell, with};
use crate::scenarios::{Scenario, all, more};
use anabranch_sim::plan::{Action, Point, RunPlan};
use anabranch_sim::time::Span;

fn crashes(scenario: &Scenario) -> Vec<(String, RunPlan)> {
    let outputs = outputs_of(scenario, &scenario.plan, 1);
    assert!(outputs > 30, "{}: {outputs}", scenario.name);
    let action = Action::Crash { restart: Some(Span::ms(30)) };
    let points = points();
    let cases = (1..=outputs).flat_map(|nth| points.iter().map(move |point| (nth, point)));
    // Behind the last output, which says that it is over, there is no process any more.
    let dead = |(nth, point): &(u32, &Point)| *nth == outputs && matches!(point, Point::After(_));
    cases
        .filter(|case| !dead(case))
        .map(|(nth, point)| {
            let name = format!("{} {point:?} {nth}", scenario.name);
            (name, with(&scenario.plan, point.clone(), nth, action.clone()))
        })
        .collect()
}

#[test]
fn a_canonical_job_is_right_when_it_is_left_alone() {
    for scenario in all() {
        let (result, wrong) = judged(&scenario, &scenario.plan);
        assert_eq!(wrong, Vec::<String>::new(), "{}", scenario.name);
        for sink in &result.sinks {
            assert!(!sink.last.records.is_empty(), "{}: {} is empty", scenario.name, sink.table);
        }
        assert!(!result.snapshots.is_empty(), "{}: no snapshot", scenario.name);
    }
}

#[test]
fn a_job_for_seeds_is_right_when_it_is_left_alone() {
    // spec: T-5
    for scenario in more() {
        let (result, wrong) = judged(&scenario, &scenario.plan);
        assert_eq!(wrong, Vec::<String>::new(), "{}", scenario.name);
        for sink in &result.sinks {
            assert!(!sink.last.records.is_empty(), "{}: {} is empty", scenario.name, sink.table);
        }
    }
}

#[test]
fn a_crash_at_any_output_of_a_canonical_job_changes_nothing() {
    // spec: E-1, E-2, J-1, J-5, K-1, K-2, K-3, K-4, K-7, S-1, S-2, T-3
    let mut between = 0;
    for scenario in all() {
        let cases = crashes(&scenario);
        let mut hits = 0;
        let wrong = every(&cases, |plan| {
            let (result, mut wrong) = judged(&scenario, plan);
            if !result.stale.is_empty() {
                wrong.push("the crash never happened".to_owned());
            }
            let hit = result.counts.marks.get("crash-between-append-and-apply").unwrap_or(&0);
            hits += *hit;
            wrong
        });
        tell(&format!(
            "{:9} {:4} crashes, {hits:3} between append and apply",
            scenario.name,
            cases.len()
        ));
        assert_eq!(wrong, Vec::<String>::new());
        between += hits;
    }
    assert!(between > 100, "{between}");
}
