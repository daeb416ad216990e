//! Reading again what the journal names.

use crate::jobs::{comparable, small_limits, three_sinks, two_files};
use anabranch_engine::pipeline::{Ending, Input, Output};
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{CsvOptions, FormatSpec, Plan, SideKind};
use anabranch_engine::types::SqlType;
use anabranch_sim::lab::{Crash, Fault, Lab, LabSplit, RunEnd};

fn logs() -> Lab {
    let splits = two_files(60).into_iter().map(|split| LabSplit { is_log: true, ..split });
    Lab::new(three_sinks(), small_limits(), splits.collect())
}

#[test]
fn a_log_may_give_a_slice_in_several_answers() {
    // spec: J-7
    let mut undisturbed = logs();
    let (_, outputs) = undisturbed.run(Crash::Never);
    for k in (1..outputs).step_by(3) {
        let mut lab = logs();
        lab.run(Crash::After(k));
        let ending = lab.run_through(&[]);
        assert!(matches!(ending, Ending::Finished | Ending::AlreadyFinished), "{k}: {ending:?}");
        assert_eq!(comparable(&lab), comparable(&undisturbed), "{k}");
    }
}

#[test]
fn failures_that_are_not_in_a_row_are_not_counted_together() {
    // spec: F-2
    let mut lab = crate::jobs::lab(60);
    lab.config.snapshot_bytes = 0;
    lab.config.attempts_max = 4;
    assert_eq!(lab.run(Crash::After(80)).0, RunEnd::Crashed);
    let mut fetches = 0;
    lab.faults = Some(Box::new(move |output| match output {
        Output::Fetch { request, split, until: Some(_), .. } => {
            fetches += 1;
            let (request, split) = (*request, *split);
            let message = "the leader moved".to_owned();
            match fetches % 2 {
                0 => Fault::None,
                _ => Fault::Instead(vec![Input::FetchFailed {
                    request,
                    split,
                    transient: true,
                    message,
                }]),
            }
        }
        _ => Fault::None,
    }));
    assert_eq!(lab.run_through(&[]), Ending::Finished);
}

/// Keeps the dead rows of a CSV file.
fn dead_of_csv() -> Plan {
    let mut plan = PlanBuilder::default();
    let columns = [("note", SqlType::STRING), ("v", SqlType::BigInt)];
    let notes = plan.table("notes", "filesystem", &columns, None, true);
    plan.table_mut(notes).format = FormatSpec::Csv(CsvOptions::default());
    let scan = plan.scan(notes);
    plan.sink("notes_out", "filesystem", scan);
    let dead = plan.side(notes, SideKind::Dead);
    plan.sink("dead", "filesystem", dead);
    plan.build()
}

#[test]
fn the_line_of_a_dead_record_does_not_depend_on_the_fetches() {
    // spec: E-2, F-1
    let text = "a,1\n\"x\ny\nz\",2\nb,oops\n\n\n\"p\nq\",3\nc,bad";
    let run = |fetch_bytes: u32, crash: Crash| {
        let mut config = small_limits();
        config.fetch_bytes = fetch_bytes;
        let splits = vec![LabSplit::file(0, "notes.csv", text)];
        let mut lab = Lab::new(dead_of_csv(), config, splits);
        let ending = lab.run_through(&[crash]);
        assert!(matches!(ending, Ending::Finished | Ending::AlreadyFinished), "{ending:?}");
        lab.results()
    };
    let expected = run(1_000, Crash::Never);
    assert!(expected["dead"].contains("\"_line\":5,"), "{expected:?}");
    assert!(expected["dead"].contains("\"_line\":10,"), "{expected:?}");
    for fetch_bytes in [5, 7, 8, 10, 12, 16, 33] {
        for k in 5..30 {
            assert_eq!(run(fetch_bytes, Crash::After(k)), expected, "{fetch_bytes} {k}");
        }
    }
}

#[test]
fn rows_of_the_sinks_say_where_they_come_from() {
    // spec: E-3
    use anabranch_sim::lab::RowOrigin;
    let mut lab = crate::jobs::lab(150);
    let crashes = [Crash::After(40), Crash::Before(90)];
    assert_eq!(lab.run_through(&crashes), Ending::Finished);
    let rows = lab.sink_rows().expect("the journal gives what the sinks hold");
    for (table, text) in lab.results() {
        let stored: String = rows[&table].iter().map(|row| row.stored.as_str()).collect();
        assert!(!stored.is_empty(), "{table}");
        assert_eq!(stored, text, "{table}");
    }
    assert!(rows["totals"].iter().all(|row| row.origin == RowOrigin::Timer));
    for row in &rows["large"] {
        let RowOrigin::Record(split) = &row.origin else { panic!("records made {}", row.json) };
        assert!(row.json.ends_with(&format!("\"_split\":\"{}\"}}", split.name)), "{}", row.json);
    }
    assert!(rows["late"].iter().all(|row| row.origin == RowOrigin::Nowhere));
    // A sink that lost a row is found out.
    let last = lab.sinks.keys().copied().next().expect("there are sinks");
    lab.sink(last).lose(1);
    assert!(lab.sink_rows().expect_err("a row is missing").contains("computed once more"));
}
