//! The canonical jobs, from their SQL text: the engine gives what the interpreter says, and
//! both give what DuckDB computed from the same text and the same records.
//!
//! No value depends on the order of records, so that any engine that reads the same text as
//! a batch must give the same rows. Where records come too late, DuckDB works out for which
//! windows. `scripts/duckdb-truth` writes the folder `expected` and never this test.

use anabranch_engine::ids::{Epoch, SinkId};
use anabranch_engine::journal::scan;
use anabranch_engine::pipeline::{Ending, PipelineConfig};
use anabranch_engine::plan::Plan;
use anabranch_sim::lab::{Lab, LabSplit};
use anabranch_sim::model::{View, ViewRecord};
use anabranch_sim::oracle::{Guarantee, Reach, Shape, SinkOracle, discords, replay};
use anabranch_sim::reference::{Case, ExpectedRow, SplitLog, expect};
use anabranch_sql::{BuiltinConnectors, compile};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The plan of a job's text.
fn plan_of(path: &Path) -> Plan {
    let text = std::fs::read_to_string(path).expect("the job can be read");
    let compiled = compile(&text, &BuiltinConnectors);
    let name = path.display();
    compiled.plan.unwrap_or_else(|| panic!("{name}: {:?}", compiled.diagnostics))
}

/// The canonical jobs' folder.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/canonical")
}

/// The set of records that a job's text asks for: one file for each split.
fn records(text: &str) -> (String, Vec<LabSplit>) {
    let asked = text.lines().find_map(|line| line.strip_prefix("-- records: "));
    let set = asked.unwrap_or("orderly").to_owned();
    let files = std::fs::read_dir(folder().join("records").join(&set));
    let mut paths: Vec<PathBuf> =
        files.expect("the records are there").map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let split = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        LabSplit::file(0, name, std::fs::read_to_string(path).expect("records are text"))
    };
    (set, paths.iter().map(split).collect())
}

/// The rows that DuckDB computed for a sink, sorted.
fn duckdb_rows(job: &Path, sink: &str) -> Vec<String> {
    let job = job.file_stem().expect("a job has a name");
    let path = folder().join("expected").join(job).join(format!("{sink}.jsonl"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let mut rows: Vec<String> = text.lines().map(str::to_owned).collect();
    rows.sort();
    rows
}

/// The rows of a text, sorted.
fn sorted<'a>(rows: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut rows: Vec<String> = rows.map(str::to_owned).collect();
    rows.sort();
    rows
}

/// Says which rows differ, rather than showing all.
fn same_rows(what: &str, found: &[String], duckdb: &[String]) {
    let lacks: Vec<_> = duckdb.iter().filter(|row| !found.contains(row)).take(3).collect();
    let more: Vec<_> = found.iter().filter(|row| !duckdb.contains(row)).take(3).collect();
    let counts = (found.len(), duckdb.len());
    assert!(
        found == duckdb,
        "{what}: {counts:?} rows; only DuckDB: {lacks:#?}; only here: {more:#?}"
    );
}

/// Runs a job in the laboratory and compares all that it gives.
fn check(path: &Path) {
    let (plan, name) = (plan_of(path), path.display());
    let text = std::fs::read_to_string(path).expect("the job can be read");
    let (set, splits) = records(&text);
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
    assert!(counts.dead.is_empty(), "{name}: {counts:?}");
    assert_eq!(counts.late.is_empty(), set != "late", "{name}: {counts:?}");
    let results = lab.results();
    for (index, sink) in expected.sinks.iter().enumerate() {
        assert!(sink.rows.len() > 3, "{name}: only {} rows", sink.rows.len());
        let table = &plan.table(sink.table).name;
        let text = &results[table];
        let duckdb = duckdb_rows(path, table);
        let whole = |row: &ExpectedRow| {
            let value = row.value.exact().expect("every word of it is fixed");
            String::from_utf8(value.to_vec()).expect("rows are text")
        };
        let mut interpreted: Vec<String> = sink.rows.iter().map(whole).collect();
        interpreted.sort();
        same_rows(&format!("the interpreter, {name}, {table}"), &interpreted, &duckdb);
        same_rows(&format!("the engine, {name}, {table}"), &sorted(text.lines()), &duckdb);
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
fn canonical_jobs_give_what_the_interpreter_says_and_what_duckdb_computed() {
    // spec: E-6, T-1, T-2, T-4, T-5
    let entries = std::fs::read_dir(folder().join("jobs")).expect("the jobs are there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a job").path()).collect();
    paths.sort();
    assert!(paths.len() >= 11);
    let names = |paths: &[PathBuf]| -> Vec<_> {
        paths.iter().map(|path| path.file_stem().expect("a name").to_owned()).collect()
    };
    let computed = std::fs::read_dir(folder().join("expected")).expect("DuckDB's rows are there");
    let mut computed: Vec<PathBuf> = computed.map(|entry| entry.expect("a job").path()).collect();
    computed.sort();
    assert_eq!(names(&computed), names(&paths));
    paths.iter().for_each(|path| check(path));
}
