//! SIGKILL of the real binary: the sinks come to hold the same in the end.

use crate::flights::assert_expected;
use crate::support::{Folder, Watched, is_phase};

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
/// on the way to that. Gives whether it had ended before.
fn kill_after(mut process: Watched, phases: u64, after_first_epoch: bool) -> bool {
    let mut counting = !after_first_epoch;
    let mut left = phases;
    while let Some(line) = process.next() {
        counting |= is_phase(line, "append", "end");
        if counting && line["target"] == "anabranch::phase" {
            if left == 0 {
                process.kill();
                return false;
            }
            left -= 1;
        }
    }
    process.finish();
    true
}

#[test]
fn kills_change_nothing() {
    // spec: J-1, S-2, K-1
    let folder = flights_at(8_000);
    let mut draws = Draws(20_130_101);
    let mut ended = 0;
    for kill in 0..KILLS {
        // Every third kill may meet the recovery itself. Fewer than three starts in a
        // row may be without progress: more would be poison.
        // spec: F-6
        let (phases, after) = match kill % 3 {
            0 => (draws.below(200), false),
            _ => (draws.below(400), true),
        };
        ended += usize::from(kill_after(start(&folder), phases, after));
    }
    assert!(ended < KILLS / 2, "{ended} of {KILLS} runs ended before they were killed");
    assert_eq!(start(&folder).finish(), Some(0));
    assert_expected(&folder);
}
