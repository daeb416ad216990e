//! Every pause of a job with a successor, and every moment at which it goes on, over both
//! journals that have no lock: a topic, and an object store with conditional writes.
//!
//! Of each split the first two records are read, so that the grid of every scenario is
//! whole; only that of `idle`, whose process asks for news hundreds of times, is thinned
//! out. `CANON_CELLS=all` takes all records and every cell, as the night does.

use crate::judged::{every, judged, outputs_of, tell, with};
use crate::scenarios::{Scenario, all, over};
use anabranch_sim::plan::{Action, Operation, Point, RunPlan, StoreKind};
use anabranch_sim::time::Span;

/// Longer than a successor of a short job takes.
const LONG: Span = Span::ms(30_000);

/// How many records of each split are read.
const RECORDS: usize = 2;

/// Of `idle`, every so many-th pause, and these moments to go on.
const THINNED: (usize, &[u32]) = (29, &[1, 2, 5, 11, 23, 60, 130, 250]);

#[expect(clippy::disallowed_methods, reason = "a night takes all cells")]
fn takes_all() -> bool {
    match std::env::var("CANON_CELLS").as_deref() {
        Ok("all") => true,
        Ok(other) => panic!("CANON_CELLS is all, or not set, and not {other}"),
        Err(_) => false,
    }
}

fn paused(scenario: &Scenario, nth: u32, until: Option<u32>) -> RunPlan {
    let action = Action::Pause { span: LONG, successor: true, until };
    with(&scenario.plan, Point::Before(Operation::Output), nth, action)
}

/// Every cell of (pause before this output, go on behind that output of the successor, or
/// after a long time).
fn cells(scenario: &Scenario) -> Vec<(String, RunPlan)> {
    let outputs = outputs_of(scenario, &scenario.plan, 1);
    let mut cells = Vec::new();
    for nth in 1..=outputs {
        let successor = outputs_of(scenario, &paused(scenario, nth, None), 2);
        assert!(successor > 2, "{} {nth}: {successor} outputs", scenario.name);
        for until in (1..=successor).map(Some).chain([None]) {
            let name = format!("{} {nth} {until:?}", scenario.name);
            cells.push((name, paused(scenario, nth, until)));
        }
    }
    cells
}

/// Some of the cells.
fn some_cells(scenario: &Scenario) -> Vec<(String, RunPlan)> {
    let outputs = outputs_of(scenario, &scenario.plan, 1);
    let (step, moments) = THINNED;
    let pauses = (1..=outputs).step_by(step);
    let cells = pauses.flat_map(|nth| moments.iter().map(move |until| (nth, *until)));
    cells
        .map(|(nth, until)| {
            (format!("{} {nth} {until}", scenario.name), paused(scenario, nth, Some(until)))
        })
        .collect()
}

/// Goes through a scenario's cells over one journal.
fn grid(scenario: &Scenario, journal: StoreKind) {
    let name = scenario.name;
    let records = if takes_all() { usize::MAX } else { RECORDS };
    let scenario = over(scenario, journal, records);
    let is_thinned = name == "idle" && !takes_all();
    let cells = if is_thinned { some_cells(&scenario) } else { cells(&scenario) };
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
    let (count, over) = (cells.len(), journal.name());
    tell(&format!("{name:9} over {over}: {count:4} cells, {fenced} chunks fenced"));
    assert_eq!(wrong, Vec::<String>::new(), "over {over}");
    assert_eq!(zombies, count as u64, "{name} over {over}");
    assert!(count > if is_thinned { 90 } else { 240 }, "{name} over {over}: {count}");
}

/// A scenario, over both journals.
fn changes_nothing(name: &str) {
    let scenario = all().into_iter().find(|scenario| scenario.name == name);
    let scenario = scenario.expect("there is such a scenario");
    for journal in [StoreKind::Topic, StoreKind::Object] {
        grid(&scenario, journal);
    }
}

macro_rules! zombies {
    ($($test:ident $name:literal)*) => {
        $(
            #[test]
            fn $test() {
                // spec: J-3, K-1, K-3
                changes_nothing($name);
            }
        )*

        /// The scenarios that have a test.
        const TESTED: &[&str] = &[$($name),*];
    };
}

zombies! {
    a_zombie_of_tumbling_windows_changes_nothing_whenever_it_goes_on "tumble"
    a_zombie_of_hopping_windows_changes_nothing_whenever_it_goes_on "hop"
    a_zombie_of_cumulating_windows_changes_nothing_whenever_it_goes_on "cumulate"
    a_zombie_of_sessions_changes_nothing_whenever_it_goes_on "session"
    a_zombie_of_nested_windows_changes_nothing_whenever_it_goes_on "nested"
    a_zombie_with_late_records_changes_nothing_whenever_it_goes_on "late"
    a_zombie_with_an_idle_split_changes_nothing_whenever_it_goes_on "idle"
    a_zombie_with_a_split_that_ends_changes_nothing_whenever_it_goes_on "ended"
    a_zombie_of_a_strict_table_changes_nothing_whenever_it_goes_on "strict"
    a_zombie_of_two_tables_changes_nothing_whenever_it_goes_on "union"
    a_zombie_of_three_sinks_changes_nothing_whenever_it_goes_on "fan-out"
    a_zombie_of_windows_and_records_changes_nothing_whenever_it_goes_on "mixed"
    a_zombie_of_hashes_changes_nothing_whenever_it_goes_on "hash"
}

#[test]
fn every_scenario_is_paused() {
    let names: Vec<&str> = all().iter().map(|scenario| scenario.name).collect();
    assert_eq!(names, TESTED);
}
