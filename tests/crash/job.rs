//! A small job with a sink of window results, one of plain rows and one of late rows.

use crate::support::{Folder, Ran, binary, by_split, command, copy, run, sink_text};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// So few bytes at a time that a small input makes many epochs, groups and snapshots.
/// Groups end by size alone, so that nearly the same happens in every run.
const LIMITS: [&str; 9] = [
    "epoch-bytes-max=400",
    "fetch-bytes=500",
    "flush-bytes=600",
    "flush-age-ms=600000",
    "snapshot-bytes=600",
    "heal-horizon-ms=0",
    // Every record of the journal is written by itself.
    "epochs-inflight-max=1",
    // Starts that are ended before they make progress are no poison here.
    // spec: F-6
    "poison-starts=1000000",
    "attempts-max=2",
];

const SQL: &str = "
CREATE TABLE events (
  k STRING, v BIGINT, place STRING, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '0.050' SECOND
) WITH ('connector' = 'filesystem', 'path' = '{input}', 'format' = 'json');
CREATE TABLE totals (window_end TIMESTAMP(3), k STRING, n BIGINT, total BIGINT)
WITH ('connector' = 'filesystem', 'path' = 'out/totals', 'format' = 'json');
CREATE TABLE large (k STRING, v BIGINT, `_split` STRING)
WITH ('connector' = 'filesystem', 'path' = 'out/large', 'format' = 'json');
CREATE TABLE late (k STRING, v BIGINT, `_split` STRING, `_offset` BIGINT)
WITH ('connector' = 'filesystem', 'path' = 'out/late', 'format' = 'json');
EXECUTE STATEMENT SET BEGIN
INSERT INTO totals SELECT window_end, k, COUNT(*), SUM(v)
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '0.100' SECOND))
GROUP BY window_start, window_end, k;
INSERT INTO large SELECT k, v, place FROM events WHERE v >= 30;
INSERT INTO late SELECT k, v, `_split`, `_offset` FROM `events$late`;
END;
";

/// What the sinks hold.
pub(crate) type Results = BTreeMap<&'static str, String>;

/// The job with its input, which all runs share: a copy would be another file.
// spec: J-7
pub(crate) struct Job {
    input: Folder,
}

impl Job {
    /// With two files of so many records.
    pub(crate) fn new(records: u64) -> Job {
        let input = Folder::new();
        for (index, name) in ["a.jsonl", "b.jsonl"].into_iter().enumerate() {
            input.write(name, &lines(records, index as u64, name));
        }
        Job { input }
    }

    /// A file of the input.
    pub(crate) fn input(&self, name: &str) -> PathBuf {
        self.input.path(name)
    }

    /// Writes the statements into a folder.
    pub(crate) fn put_into(&self, folder: &Path) {
        let input = self.input.path("");
        let sql = SQL.replace("{input}", input.to_str().expect("a path of text"));
        std::fs::write(folder.join("job.sql"), sql).expect("a file");
    }

    /// A folder in which it never ran.
    pub(crate) fn folder(&self) -> Folder {
        let folder = Folder::new();
        self.put_into(&folder.path(""));
        folder
    }

    /// What the sinks hold if nothing happens.
    pub(crate) fn undisturbed(&self) -> Results {
        let folder = self.folder();
        finish(&folder.path(""));
        let results = results(&folder.path(""));
        for (name, text) in &results {
            assert!(text.lines().count() >= 3, "{name} has too little: {text}");
        }
        results
    }
}

/// Records of one file, a little out of order, now and then very late.
fn lines(records: u64, index: u64, name: &str) -> String {
    let mut text = String::new();
    for n in 0..records {
        // A fixed, uneven pattern: no randomness is needed here.
        let step = (n * 37 + index * 11) % 60;
        let late = if n % 7 == 6 { 300 } else { 0 };
        let millis = (n * 23 + step).saturating_sub(late);
        writeln!(
            text,
            r#"{{"k":"{}","v":{},"place":"{name}","ts":"1970-01-01 00:00:{:02}.{:03}"}}"#,
            ["x", "y", "z"][(n % 3) as usize],
            (n * 7 + index) % 100,
            millis / 1000,
            millis % 1000,
        )
        .expect("a string takes all");
    }
    text
}

/// What the job is run with. All settings stand on the same side of `run`: those in front
/// of it would count for nothing beside others behind it.
pub(crate) fn args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["run", "job.sql"];
    args.extend(LIMITS.iter().flat_map(|limit| ["--set", limit]));
    args.extend(more);
    args
}

/// Runs the job in a folder with the real binary.
pub(crate) fn go_on(folder: &Path) -> Ran {
    run(command(binary(), folder, &args(&[])))
}

/// The same, which has to come to the end.
#[track_caller]
pub(crate) fn finish(folder: &Path) -> Ran {
    let ran = go_on(folder);
    ran.exits_with(0);
    ran
}

/// What the sinks in a folder hold.
pub(crate) fn results(folder: &Path) -> Results {
    let text = |name| sink_text(&folder.join("out").join(name));
    ["totals", "large", "late"].into_iter().map(|name| (name, text(name))).collect()
}

/// Window results byte for byte; rows that records drive byte for byte in each split.
// spec: E-3
#[track_caller]
pub(crate) fn assert_same(folder: &Path, expected: &Results, what: &str) {
    for (name, found) in results(folder) {
        match name {
            "totals" => assert_eq!(found, expected[name], "{name}, {what}"),
            _ => assert_eq!(by_split(&found), by_split(&expected[name]), "{name}, {what}"),
        }
    }
}

/// A copy of a folder in which the job ran.
pub(crate) fn copy_of(folder: &Folder) -> Folder {
    let to = Folder::new();
    copy(&folder.path(""), &to.path(""));
    to
}
