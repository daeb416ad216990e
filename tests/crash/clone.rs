//! Copies of one state folder over the same sink: only one history goes on.

use crate::support::{Folder, Ran, Watched, binary, command, copy, run, sink_text};
use std::fs::OpenOptions;
use std::io::Write;

const SQL: &str = "
CREATE TABLE src (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'in.jsonl',
  'format' = 'json', 'source.monitor-interval' = '20 ms');
CREATE TABLE dst (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'out',
  'format' = 'json');
INSERT INTO dst SELECT id FROM src;
";

/// A job that never ends, with state folders `first` and `second`.
struct Job {
    folder: Folder,
    rows: u64,
}

impl Job {
    fn new() -> Job {
        let folder = Folder::new();
        folder.write("job.sql", SQL);
        folder.write("in.jsonl", "");
        Job { folder, rows: 0 }
    }

    fn args(state: &str) -> [&str; 8] {
        let limits = ["--set", "flush-age-ms=1", "--set", "poison-starts=1000"];
        let [a, b, c, d] = limits;
        [a, b, c, d, "run", "job.sql", "--state-dir", state]
    }

    fn start(&self, state: &str) -> Watched {
        Watched::start(&self.folder.path(""), &Job::args(state))
    }

    fn run(&self, state: &str) -> Ran {
        run(command(binary(), &self.folder.path(""), &Job::args(state)))
    }

    /// Adds a row to the input and lets the process bring it to the sink.
    fn bring_one(&mut self, process: &mut Watched) {
        self.rows += 1;
        let mut options = OpenOptions::new();
        let mut file = options.append(true).open(self.folder.path("in.jsonl")).expect("the input");
        writeln!(file, "{{\"id\":{}}}", self.rows).expect("a row");
        process.wait_for("apply", "end");
    }

    /// That the sink holds each row once, in order.
    fn assert_whole(&self) {
        let rows: String = (1..=self.rows).map(|id| format!("{{\"id\":{id}}}\n")).collect();
        assert_eq!(sink_text(&self.folder.path("out")), rows);
    }

    fn clone_state(&self) {
        copy(&self.folder.path("first"), &self.folder.path("second"));
    }
}

#[test]
fn two_runs_from_copies_of_a_state_do_not_write_to_one_sink() {
    // spec: G-1, K-3
    let mut job = Job::new();
    let mut process = job.start("first");
    job.bring_one(&mut process);
    process.kill();
    job.clone_state();
    let mut process = job.start("first");
    process.wait_for("open-sink", "end");
    let pid = process.pid().as_raw_nonzero();
    let refused = job.run("second");
    refused.exits_with(3).says("error[LCK002]").says("sink dst");
    refused.says(&format!("process {pid}, generation 2"));
    // The refused one has changed nothing for the other.
    job.bring_one(&mut process);
    process.kill();
    job.assert_whole();
}

#[test]
fn a_copy_that_fell_behind_stops() {
    // spec: G-1, K-5
    let mut job = Job::new();
    let mut process = job.start("first");
    job.bring_one(&mut process);
    process.kill();
    job.clone_state();
    let mut process = job.start("first");
    job.bring_one(&mut process);
    process.kill();
    // The copy knows nothing of what the sink holds by now.
    job.run("second").exits_with(4).says("error[DMG001]");
    let mut process = job.start("first");
    job.bring_one(&mut process);
    process.kill();
    job.assert_whole();
}

#[test]
fn the_first_copy_to_go_on_owns_the_sink() {
    // spec: G-1, K-5
    let mut job = Job::new();
    let mut process = job.start("first");
    job.bring_one(&mut process);
    process.kill();
    job.clone_state();
    let mut process = job.start("second");
    job.bring_one(&mut process);
    process.kill();
    job.run("first").exits_with(4).says("error[DMG001]");
    job.assert_whole();
}
