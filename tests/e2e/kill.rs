//! SIGKILL of the real binary: the sinks come to hold the same in the end.

use crate::flights::assert_expected;
use crate::support::{Folder, Watched, is_phase};
use std::collections::BTreeMap;
use std::path::PathBuf;

const JOB: &str = "examples/flights/flights.sql";
const KILLS: usize = 20;

/// Numbers that look random and are the same in every run.
struct Draws(u64);

impl Draws {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// The flights job, slow enough to be met on the way, with small epochs and many
/// snapshots.
fn start(folder: &Folder) -> Watched {
    folder.start(&["--set", "flush-age-ms=40", "--set", "snapshot-bytes=150000", "run", JOB])
}

fn flights_at(rows_per_second: u32) -> Folder {
    let folder = Folder::with_flights();
    let sql = folder.read(JOB).replacen(
        "'path' = 'data',",
        &format!("'path' = 'data',\n  'scan.rate' = '{rows_per_second}',"),
        1,
    );
    folder.write(JOB, &sql);
    folder
}

/// Kills the process after so many phases began behind its first durable epoch, or
/// on the way to that. Gives what it had said; nothing if it had ended before.
fn kill_after(
    mut process: Watched,
    phases: u64,
    after_first_epoch: bool,
) -> Option<Vec<serde_json::Value>> {
    let mut counting = !after_first_epoch;
    let mut left = phases;
    while let Some(line) = process.next() {
        counting |= is_phase(line, "append", "end");
        if counting && line["target"] == "anabranch::phase" {
            if left == 0 {
                return Some(process.kill());
            }
            left -= 1;
        }
    }
    process.finish();
    None
}

/// The phases that had begun and not ended, the innermost of each thread.
fn open_phases(lines: &[serde_json::Value]) -> Vec<String> {
    let mut open: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines.iter().filter(|line| line["target"] == "anabranch::phase") {
        let phases = open.entry(line["threadName"].to_string()).or_default();
        match line["message"] == "begin" {
            true => phases.push(line["phase"].as_str().unwrap_or_default().to_owned()),
            false => drop(phases.pop()),
        }
    }
    open.into_values().filter_map(|mut phases| phases.pop()).collect()
}

#[test]
fn kills_change_nothing() {
    // spec: J-1, S-2, K-1
    let folder = flights_at(8_000);
    let mut draws = Draws(20_130_101);
    let mut hits: BTreeMap<String, usize> = BTreeMap::new();
    let mut ended = 0;
    for kill in 0..KILLS {
        // Every third kill may meet the recovery itself. Fewer than three starts in a
        // row may be without progress: more would be poison.
        // spec: F-6
        let (phases, after) = match kill % 3 {
            0 => (draws.below(200), false),
            _ => (draws.below(400), true),
        };
        match kill_after(start(&folder), phases, after) {
            Some(lines) => {
                for phase in open_phases(&lines) {
                    *hits.entry(phase).or_insert(0) += 1;
                }
            }
            None => ended += 1,
        }
    }
    println!("kills by phase: {hits:?}; {ended} runs ended before");
    assert!(ended < KILLS / 2, "{ended} of {KILLS} runs ended before they were killed");
    assert_eq!(start(&folder).finish(), Some(0));
    assert_expected(&folder);
}

/// A run that was killed in its middle, with snapshots behind it.
fn killed_with_snapshots() -> Folder {
    let folder = flights_at(20_000);
    let mut process = start(&folder);
    for _ in 0..4 {
        process.wait_for(|line| is_phase(line, "snapshot", "end"));
    }
    process.kill();
    folder
}

fn newest(folder: &Folder, place: &str, extension: &str) -> PathBuf {
    let place = format!("examples/flights/.anabranch/flights/{place}");
    let files = std::fs::read_dir(folder.path(&place)).expect("the state is there");
    let files = files.map(|entry| entry.expect("an entry").path());
    let files = files.filter(|path| path.extension().is_some_and(|found| found == extension));
    files.max().expect("there is one")
}

#[test]
fn a_damaged_snapshot_is_passed_over() {
    // spec: S-1
    let folder = killed_with_snapshots();
    let manifest = newest(&folder, "snapshots", "manifest");
    let mut bytes = std::fs::read(&manifest).expect("bytes");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&manifest, bytes).expect("it can be written");
    folder.run(&["run", JOB]).exits_with(0).says("is passed over");
    assert_expected(&folder);
}

#[test]
fn a_torn_end_of_the_journal_is_cut() {
    // spec: J-6
    let folder = killed_with_snapshots();
    let segment = newest(&folder, "journal", "journal");
    let mut bytes = std::fs::read(&segment).expect("bytes");
    // A record of which only the beginning reached the disk.
    let torn = bytes[bytes.len() - 40..bytes.len() - 10].to_vec();
    bytes.extend(torn);
    std::fs::write(&segment, bytes).expect("it can be written");
    folder.run(&["run", JOB]).exits_with(0).says("unfinished end of the journal");
    assert_expected(&folder);
}
