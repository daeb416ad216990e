//! SIGKILL of the real binary on the flights job, two hundred times: the sinks hold the
//! same in the end as if it had been left alone.
//!
//! The table that the test prints says in which phases the process was when it was
//! killed. The phases are read from its log; nothing waits for the test. A phase that
//! lies within another one counts for both, and several threads can be in one each.

use crate::support::{
    Draws, Folder, Mark, Watched, binary, by_split, command, copy, kill, run, sink_text,
};
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// How many kills there are at random times.
const KILLS: usize = 200;
/// How many more there may be, aimed at phases that none of those hit.
const AIMED_MAX: usize = 200;
/// So many folders are worked in at the same time.
const WORKERS: u64 = 2;
/// The phases that have to be hit.
const PHASES: [&str; 6] = ["fetch", "append", "fsync", "apply", "rename", "snapshot"];
const SINKS: [&str; 4] = ["hourly", "rolling", "plane_days", "late"];

/// Small epochs, groups and snapshots, so that much happens. Most starts are killed
/// before they make progress: that is no poison here.
// spec: F-6
const LIMITS: [&str; 10] = [
    "--set",
    "flush-age-ms=20",
    "--set",
    "snapshot-bytes=50000",
    "--set",
    "heal-horizon-ms=0",
    "--set",
    "fetch-bytes=2000",
    "--set",
    "poison-starts=1000000",
];

/// Where a process was when it was killed.
#[derive(Default)]
struct Place {
    /// How many times each phase was begun and not ended.
    open: BTreeMap<String, i64>,
    epoch_begun: u64,
    epoch_ended: u64,
}

impl Place {
    fn pass(&mut self, mark: Mark) {
        match (mark.epoch, mark.side.as_str()) {
            (Some(epoch), "begin") => self.epoch_begun = epoch,
            // One answer may end several.
            (Some(epoch), _) => self.epoch_ended = epoch,
            (None, "begin") => *self.open.entry(mark.phase).or_default() += 1,
            (None, _) => *self.open.entry(mark.phase).or_default() -= 1,
        }
    }

    fn is_in(&self, phase: &str) -> bool {
        self.open.get(phase).is_some_and(|count| *count > 0)
    }

    /// Whether an epoch is open: it was given to the journal and is not known to be
    /// durable, or what came of it is being applied.
    fn has_open_epoch(&self) -> bool {
        self.epoch_begun > self.epoch_ended || self.is_in("apply")
    }
}

/// What was hit so far.
#[derive(Default)]
struct Hits {
    kills: usize,
    aimed: usize,
    open_epoch: usize,
    by_phase: BTreeMap<String, usize>,
    runs: usize,
}

impl Hits {
    fn add(&mut self, place: &Place) {
        self.open_epoch += usize::from(place.has_open_epoch());
        for (phase, count) in &place.open {
            if *count > 0 {
                *self.by_phase.entry(phase.clone()).or_default() += 1;
            }
        }
    }

    fn of(&self, phase: &str) -> usize {
        self.by_phase.get(phase).copied().unwrap_or(0)
    }

    fn table(&self) -> String {
        let mut text = format!(
            "{} kills at random times and {} aimed ones in {} runs\n{:4} while an epoch was open\n",
            self.kills, self.aimed, self.runs, self.open_epoch
        );
        for (phase, count) in &self.by_phase {
            text += &format!("{count:4} in {phase}\n");
        }
        text
    }
}

/// When a process is killed.
#[derive(Clone, Copy)]
enum When {
    /// So long after its start, or after its first epoch was durable.
    After { running: bool, wait: Duration },
    /// As soon as it was seen to begin a phase so many times.
    Seen { phase: &'static str, times: u64 },
}

impl When {
    /// What is next: a random time until there are enough, then a phase that was missed.
    fn draw(draws: &mut Draws, hits: &mut Hits) -> Option<When> {
        if hits.kills < KILLS {
            hits.kills += 1;
            // Every eighth may meet the start and the recovery.
            let running = draws.below(8) > 0;
            return Some(When::After {
                running,
                wait: Duration::from_micros(draws.below(250_000)),
            });
        }
        let missed = PHASES.iter().find(|phase| hits.of(phase) == 0)?;
        if hits.aimed == AIMED_MAX {
            return None;
        }
        hits.aimed += 1;
        Some(When::Seen { phase: missed, times: 1 + draws.below(20) })
    }
}

/// The flights job in a folder of its own.
struct Flights {
    folder: Folder,
}

impl Flights {
    /// With so many rows a second, or as fast as it goes.
    fn new(rows_per_second: Option<u32>) -> Flights {
        let folder = Folder::new();
        let example = example();
        copy(&example.join("data"), &folder.path("data"));
        let sql = std::fs::read_to_string(example.join("flights.sql")).expect("the example");
        let path = "'path' = 'data',";
        assert_eq!(sql.matches(path).count(), 1);
        let paced = match rows_per_second {
            Some(rate) => sql.replace(path, &format!("{path}\n  'scan.rate' = '{rate}',")),
            None => sql,
        };
        folder.write("flights.sql", &paced);
        Flights { folder }
    }

    fn args() -> Vec<&'static str> {
        LIMITS.into_iter().chain(["run", "flights.sql"]).collect()
    }

    fn run_to_the_end(&self) {
        run(command(binary(), &self.folder.path(""), &Flights::args())).exits_with(0);
    }

    /// Runs until the process is killed or ends by itself; gives where it was in the
    /// first case.
    fn run_until(&self, when: When) -> Option<Place> {
        let mut process = Watched::start(&self.folder.path(""), &Flights::args());
        let pid = process.pid();
        let mut place = Place::default();
        let mut killer = None;
        let (mut seen, mut running) = (0, false);
        loop {
            match when {
                When::After { running: wanted, wait } if running || !wanted => {
                    killer.get_or_insert_with(|| kill_after(pid, wait));
                }
                When::Seen { times, .. } if seen == times => {
                    kill(pid);
                    seen += 1;
                }
                When::After { .. } | When::Seen { .. } => {}
            }
            let Some(line) = process.next() else { break };
            let Some(mark) = Mark::of(&line) else { continue };
            running |= mark.phase == "append" && mark.side == "end";
            let aim = matches!(when, When::Seen { phase, .. } if mark.phase == phase);
            seen += u64::from(aim && mark.side == "begin");
            place.pass(mark);
        }
        // Only when the kill is through may the process be waited for: until then its
        // number is not given to another one.
        if let Some(killer) = killer {
            killer.join().expect("the thread only sleeps and kills");
        }
        let (status, _) = process.finish();
        if status.signal().is_none() {
            assert_eq!(status.code(), Some(0), "in {}", self.folder.path("").display());
            return None;
        }
        Some(place)
    }

    fn sinks(&self) -> BTreeMap<&'static str, String> {
        let text = |name| sink_text(&self.folder.path(&format!("out/{name}")));
        SINKS.into_iter().map(|name| (name, text(name))).collect()
    }
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/flights")
}

/// Kills a process after a random time, from a thread of its own.
fn kill_after(pid: rustix::process::Pid, wait: Duration) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        thread::sleep(wait);
        kill(pid);
    })
}

/// Window results byte for byte, late rows byte for byte in each split.
// spec: E-3
fn assert_same(found: &BTreeMap<&str, String>, expected: &BTreeMap<&str, String>, what: &str) {
    for name in SINKS {
        let same = match name {
            "late" => by_split(&found[name]) == by_split(&expected[name]),
            _ => found[name] == expected[name],
        };
        assert!(same, "{name} differs from {what}");
    }
}

/// Runs the job in one folder after the other until there are enough kills.
fn work(seed: u64, hits: &Mutex<Hits>, undisturbed: &BTreeMap<&str, String>) {
    let mut draws = Draws(seed);
    loop {
        let flights = Flights::new(Some(8_000));
        hits.lock().expect("no holder panics").runs += 1;
        let enough = loop {
            let when = When::draw(&mut draws, &mut hits.lock().expect("no holder panics"));
            let Some(when) = when else { break true };
            let place = flights.run_until(when);
            let mut hits = hits.lock().expect("no holder panics");
            match (place, when) {
                (Some(place), _) => hits.add(&place),
                // It was at its end before: that is no kill.
                (None, When::After { .. }) => {
                    hits.kills -= 1;
                    break false;
                }
                (None, When::Seen { .. }) => {
                    hits.aimed -= 1;
                    break false;
                }
            }
        };
        flights.run_to_the_end();
        assert_same(&flights.sinks(), undisturbed, "a run that was left alone");
        if enough {
            return;
        }
    }
}

#[test]
fn two_hundred_kills_change_nothing() {
    // spec: J-1, J-5, K-1, K-2, K-4, S-2
    let begun = Instant::now();
    let left_alone = Flights::new(None);
    left_alone.run_to_the_end();
    let undisturbed = left_alone.sinks();
    let expected = SINKS.into_iter().map(|name| {
        let file = example().join(format!("expected/{name}.jsonl"));
        (name, std::fs::read_to_string(file).expect("the example"))
    });
    assert_same(&undisturbed, &expected.collect(), "what an independent script computed");
    let hits = Mutex::new(Hits::default());
    thread::scope(|scope| {
        for seed in 0..WORKERS {
            let (hits, undisturbed) = (&hits, &undisturbed);
            scope.spawn(move || work(seed + 20_130_101, hits, undisturbed));
        }
    });
    let hits = hits.into_inner().expect("no holder panicked");
    println!("{}{:.0} s", hits.table(), begun.elapsed().as_secs_f64());
    assert!(hits.kills >= KILLS, "{}", hits.table());
    assert!(hits.open_epoch * 100 >= (hits.kills + hits.aimed) * 60, "{}", hits.table());
    for phase in PHASES {
        assert!(hits.of(phase) > 0, "no kill in {phase}: {}", hits.table());
    }
    assert!(hits.runs > 1, "{}", hits.table());
}
