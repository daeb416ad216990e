//! The job of the README against what an independent script computed.

use crate::support::Folder;
use std::collections::BTreeMap;

const JOB: &str = "examples/flights/flights.sql";

/// The lines of late rows, by split, each in the order of the file.
fn by_split(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut splits: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let row: serde_json::Value = serde_json::from_str(line).expect("a row");
        let split = row["_split"].as_str().expect("a split").to_owned();
        splits.entry(split).or_default().push(line.to_owned());
    }
    splits
}

/// That the sinks hold exactly what is expected. Order is promised for windows, and
/// within each split for late rows.
// spec: E-3
pub(crate) fn assert_expected(folder: &Folder) {
    for sink in ["hourly", "rolling", "plane_days"] {
        let found = folder.sink(&format!("examples/flights/out/{sink}"));
        let expected = folder.read(&format!("examples/flights/expected/{sink}.jsonl"));
        assert!(found == expected, "{sink} is not as expected");
    }
    let found = folder.sink("examples/flights/out/late");
    let expected = folder.read("examples/flights/expected/late.jsonl");
    assert_eq!(by_split(&found), by_split(&expected));
}

#[test]
fn the_flights_job_gives_what_an_independent_script_expects() {
    // spec: T-1, T-2, T-4, E-3
    let folder = Folder::with_flights();
    let ran = folder.run(&["run", JOB]);
    ran.exits_with(0).says("flights finished");
    assert_eq!(ran.stdout, "", "the results are files");
    assert_expected(&folder);
}

#[test]
fn threads_and_limits_change_nothing() {
    // spec: E-2
    let limits = [
        vec!["--threads", "1", "--set", "epoch-bytes-max=20000", "--set", "flush-bytes=1000"],
        vec!["--threads", "4", "--set", "fetch-bytes=5000", "--set", "snapshot-bytes=200000"],
    ];
    for limits in limits {
        let folder = Folder::with_flights();
        let mut args = limits;
        args.extend(["run", JOB]);
        folder.run(&args).exits_with(0);
        assert_expected(&folder);
    }
}

#[test]
fn a_replay_computes_the_same_hashes() {
    let folder = Folder::with_flights();
    folder.run(&["--set", "epoch-bytes-max=300000", "run", JOB]).exits_with(0);
    let state = "examples/flights/.anabranch/flights";
    let ran = folder.run(&["replay", "--state-dir", state]);
    ran.exits_with(0).says("hashes agree");
    let ran = folder.run(&["replay", "--state-dir", state, "--until", "8", "--print", "1..8"]);
    ran.exits_with(0);
    assert!(ran.stdout.contains("> +I["), "{}", ran.stdout);
    // The input is no longer what it was.
    // spec: J-7
    let data = "examples/flights/data/EWR.jsonl";
    let edited = folder.read(data).replacen("EWR", "EWX", 1);
    folder.write(data, &edited);
    folder.run(&["replay", "--state-dir", state]).exits_with(1).says("EWR.jsonl changed");
}
