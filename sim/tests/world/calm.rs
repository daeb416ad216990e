//! Worlds in which nothing goes wrong.

use crate::jobs::{growing, plan, rows, three_sinks, times, two_splits};
use anabranch_engine::pipeline::Ending;
use anabranch_sim::plan::{Latency, RunPlan, SplitShape};
use anabranch_sim::recut::difference;
use anabranch_sim::run::run;
use anabranch_sim::time::Span;
use anabranch_sim::world::RunEnd;

#[test]
fn a_bounded_job_runs_to_its_end() {
    let result = run(&plan(60), &three_sinks()).expect("the plan fits the job");
    assert_eq!(result.end, RunEnd::Ended(Ending::Finished));
    for (table, rows) in rows(&result) {
        assert!(rows.len() >= 3, "{table} has too few rows: {rows:?}");
    }
    assert!(result.counts.marks["snapshot-stored"] > 0);
    assert!(result.journal.iter().map(|segment| segment.bytes.len()).sum::<usize>() > 500);
}

#[test]
fn a_split_gives_the_same_whenever_its_records_come() {
    // spec: E-2
    let job = three_sinks();
    for shape in [SplitShape::File, SplitShape::Log] {
        let mut results = Vec::new();
        for every in [Span(0), Span::ms(3), Span::ms(70)] {
            let mut plan = plan(60);
            plan.splits = two_splits(60, shape, every);
            let result = run(&plan, &job).expect("the plan fits the job");
            assert_eq!(result.end, RunEnd::Ended(Ending::Finished));
            results.push(result);
        }
        for other in &results[1..] {
            assert_eq!(difference(other, &results[0], &job), None, "{shape:?}");
        }
    }
}

#[test]
fn a_job_without_an_end_is_stopped_when_it_is_quiet() {
    let mut plan = RunPlan::calm("growing", 1, crate::jobs::small_limits());
    plan.splits = vec![
        times("a", &[10, 60, 120, 180, 390], Span::ms(400)),
        times("b", &[20, 110], Span::ms(10)),
    ];
    let result = run(&plan, &growing("1 s")).expect("the plan fits the job");
    assert_eq!(result.end, RunEnd::Ended(Ending::Stopped), "{:?}", result.reports);
    // The split that came to its end early was called idle, so that windows fired.
    let lines = &rows(&result)["counts"];
    let short = |line: &String| {
        line.replace("\"window_start\":\"1970-01-01 00:00:", "").replace("\"a0\":", "")
    };
    let lines: Vec<String> = lines.iter().map(short).collect();
    assert_eq!(lines, ["{3,00\"}", "{3,00.1\"}"]);
}

#[test]
fn the_same_plan_gives_the_same_trace_and_another_seed_another_one() {
    let mut plan = plan(40);
    plan.settings.links.journal = Latency { base: Span::us(100), jitter: Span::us(900) };
    let run = |plan: &RunPlan| run(plan, &three_sinks()).expect("the plan fits the job");
    let (first, twin) = (run(&plan), run(&plan));
    assert_eq!(first, twin);
    assert!(first.events > 100, "{}", first.events);
    plan.seed += 1;
    let other = run(&plan);
    assert_ne!(other.trace, first.trace);
    assert_eq!(rows(&other), rows(&first));
}
