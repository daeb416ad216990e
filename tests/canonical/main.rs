//! The canonical jobs, from their SQL text: the engine gives what the interpreter says.
//!
//! No record comes too late for its window, and no value depends on the order of
//! records, so that any engine that reads the same text as a batch must give the same
//! rows.

use anabranch_engine::ids::{Epoch, SinkId};
use anabranch_engine::journal::scan;
use anabranch_engine::pipeline::{Ending, PipelineConfig};
use anabranch_engine::plan::Plan;
use anabranch_sim::lab::{Lab, LabSplit};
use anabranch_sim::model::{View, ViewRecord};
use anabranch_sim::oracle::{Guarantee, Reach, Shape, SinkOracle, discords, replay};
use anabranch_sim::reference::{Case, SplitLog, expect};
use anabranch_sql::{BuiltinConnectors, compile};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The plan of a job's text.
fn plan_of(path: &Path) -> Plan {
    let text = std::fs::read_to_string(path).expect("the job can be read");
    let compiled = compile(&text, &BuiltinConnectors);
    let name = path.display();
    compiled.plan.unwrap_or_else(|| panic!("{name}: {:?}", compiled.diagnostics))
}

/// The records of a split: out of order by less than the watermark's delay.
fn records(split: u64) -> String {
    let mut text = String::new();
    for n in 0..300_u64 {
        let ms = n * 41 + (n * 97 + split * 13) % 190;
        let k = ["\"a\"", "\"b\"", "\"ab\"", "null", "\"c\""][(n * 7 % 5) as usize];
        let v = if n % 17 == 3 { "null".to_owned() } else { (n * 31 % 100).to_string() };
        let (whole, hundredths) = (n * 13 % 400, (n * 29 + split) % 100);
        writeln!(
            text,
            r#"{{"k":{k},"v":{v},"d":{}.125,"n":-{whole}.{hundredths:02},"ts":"2024-05-01 10:00:{:02}.{:03}"}}"#,
            n % 50,
            ms / 1000,
            ms % 1000,
        )
        .expect("a string takes all");
    }
    text
}

/// Runs a job in the laboratory and compares all that it gives.
fn check(path: &Path) {
    let (plan, name) = (plan_of(path), path.display());
    let splits: Vec<LabSplit> =
        ["a", "b"].iter().zip(0..).map(|(split, n)| LabSplit::file(0, split, records(n))).collect();
    let log = |split: &LabSplit| {
        let format = &plan.table(split.name.table).format;
        SplitLog::of_file(split.name.clone(), format, split.data.clone(), true)
    };
    let logs: Vec<SplitLog> = splits.iter().map(log).collect();
    let config =
        PipelineConfig { epoch_bytes_max: 2_000, fetch_bytes: 1_500, ..PipelineConfig::default() };
    let mut lab = Lab::new(plan.clone(), config, splits);
    assert_eq!(lab.run_through(&[]), Ending::Finished, "{name}");
    let journal = scan(&lab.journal.segments(), &[]).expect("the journal is whole");
    let epochs: Vec<_> = journal.records_after(Epoch(0)).cloned().collect();
    let log_ends = BTreeMap::new();
    let case = Case { plan: &plan, logs: &logs, epochs: &epochs, log_ends: &log_ends };
    let expected = expect(case);
    assert_eq!(discords(&expected), [], "{name}");
    let counts = expected.counts_up_to(Epoch(u64::MAX));
    assert!(counts.late.is_empty() && counts.dead.is_empty(), "{name}: {counts:?}");
    let results = lab.results();
    for (index, sink) in expected.sinks.iter().enumerate() {
        assert!(sink.rows.len() > 3, "{name}: only {} rows", sink.rows.len());
        let text = &results[&plan.table(sink.table).name];
        let record =
            |line: &str| ViewRecord { value: line.to_owned().into(), ..ViewRecord::default() };
        let view = View { records: text.lines().map(record).collect(), marker: None };
        let oracle = SinkOracle {
            plan: &plan,
            expected: &expected,
            sink: SinkId(index as u32),
            shape: Shape::Log,
            guarantee: Guarantee::ExactlyOnce,
        };
        let last = epochs.last().expect("there were epochs").epoch;
        assert_eq!(oracle.view(&view, Reach::whole(last)), None, "{name}");
    }
    assert_eq!(replay(case, &expected, None), None, "{name}");
}

#[test]
fn canonical_jobs_give_what_the_interpreter_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/canonical/jobs");
    let entries = std::fs::read_dir(folder).expect("the jobs are there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a job").path()).collect();
    paths.sort();
    assert!(paths.len() >= 8);
    paths.iter().for_each(|path| check(path));
}
