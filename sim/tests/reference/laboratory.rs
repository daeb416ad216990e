//! The interpreter against the engine in the laboratory.

use crate::job::{expected, journal, log};
use anabranch_engine::pipeline::{Ending, PipelineConfig};
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{Plan, Window};
use anabranch_engine::types::SqlType;
use anabranch_sim::lab::{Lab, LabSplit};
use std::collections::BTreeMap;
use std::fmt::Write as _;

fn counts() -> Plan {
    let mut plan = PlanBuilder::default();
    let columns = [("k", SqlType::STRING), ("v", SqlType::BigInt), ("ts", SqlType::Timestamp(3))];
    let events = plan.table("events", "filesystem", &columns, Some((2, 50)), true);
    let scan = plan.scan(events);
    let window = Window::Tumble { size_ms: 100, offset_ms: 0 };
    let totals = [("COUNT", None, SqlType::BigInt), ("SUM", Some(1), SqlType::BigInt)];
    let window = plan.window("totals", scan, window, &[0], &totals);
    plan.sink("totals", "filesystem", window);
    plan.build()
}

#[test]
fn a_tumbling_count_is_what_the_interpreter_says() {
    let mut text = String::new();
    for n in 0..200_u64 {
        let ms = n * 13 + n * 37 % 60;
        let (k, v) = (["x", "y", "z"][(n % 3) as usize], n * 7 % 100);
        writeln!(
            text,
            r#"{{"k":"{k}","v":{v},"ts":"1970-01-01 00:00:{:02}.{:03}"}}"#,
            ms / 1000,
            ms % 1000
        )
        .expect("a string takes all");
    }
    let config =
        PipelineConfig { epoch_bytes_max: 300, fetch_bytes: 256, ..PipelineConfig::default() };
    let split = LabSplit::file(0, "a", text);
    let plan = counts();
    let mut lab = Lab::new(plan.clone(), config, vec![split.clone()]);
    assert_eq!(lab.run_through(&[]), Ending::Finished);
    let epochs = journal(&lab);
    assert!(epochs.len() > 20);
    let expected = expected(&plan, &[log(&plan, &split)], &epochs, &BTreeMap::new());
    assert_eq!(expected.discords, []);
    let lines: Vec<String> =
        expected.sinks[0].rows.iter().map(|row| row.value.to_string()).collect();
    assert!(lines.len() > 60);
    assert_eq!(lines, lab.results()["totals"].lines().collect::<Vec<_>>());
}
