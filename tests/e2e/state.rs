//! The state folder: finished, changed, held, stopped.

use crate::support::{Folder, Watched, is_phase};

/// Copies rows from `in` to `out`.
const COPY: &str = "
CREATE TABLE src (id BIGINT, word STRING) WITH (
  'connector' = 'filesystem', 'path' = 'in', 'format' = 'json');
CREATE TABLE dst (id BIGINT, word STRING) WITH (
  'connector' = 'filesystem', 'path' = 'out', 'format' = 'json');
INSERT INTO dst SELECT id, UPPER(word) FROM src WHERE id > 1;
";

const ROWS: &str =
    "{\"id\":1,\"word\":\"a\"}\n{\"id\":2,\"word\":\"b\"}\n{\"id\":3,\"word\":\"c\"}\n";
const COPIED: &str = "{\"id\":2,\"word\":\"B\"}\n{\"id\":3,\"word\":\"C\"}\n";

fn copy() -> Folder {
    Folder::with(&[("copy.sql", COPY), ("in/rows.jsonl", ROWS)])
}

/// The same, without an end.
fn following() -> Folder {
    let folder = copy();
    let options = "'format' = 'json', 'source.monitor-interval' = '50 ms');\nCREATE";
    folder.write("copy.sql", &COPY.replacen("'format' = 'json');\nCREATE", options, 1));
    folder
}

/// Waits until the pipeline has taken in what the first fetch gave: then it asks for
/// more.
fn wait_until_read(process: &mut Watched) {
    for _ in 0..2 {
        process.wait_for(|line| is_phase(line, "fetch", "begin"));
    }
}

#[test]
fn a_finished_job_says_so() {
    let folder = copy();
    folder.run(&["run", "copy.sql"]).exits_with(0).says("copy finished");
    assert_eq!(folder.sink("out"), COPIED);
    let again = folder.run(&["run", "copy.sql"]);
    again.exits_with(0).says("copy is finished").says("dst is in out");
    assert_eq!(folder.sink("out"), COPIED);
}

#[test]
fn a_fresh_start_refuses_results_of_an_earlier_run() {
    let folder = copy();
    folder.run(&["run", "copy.sql"]).exits_with(0);
    folder.run(&["run", "copy.sql", "--fresh"]).exits_with(2).says("error[CLI006]");
    folder.write("out/mine.txt", "not of the job");
    let refused = folder.run(&["run", "copy.sql", "--fresh", "--overwrite"]);
    refused.exits_with(2).says("mine.txt");
    std::fs::remove_file(folder.path("out/mine.txt")).expect("it was written above");
    let ran = folder.run(&["run", "copy.sql", "--fresh", "--overwrite"]);
    ran.exits_with(0).says("copy finished");
    assert_eq!(folder.sink("out"), COPIED);
}

#[test]
fn a_changed_plan_is_refused_with_the_nodes_that_differ() {
    // spec: G-3
    let folder = copy();
    folder.run(&["run", "copy.sql"]).exits_with(0);
    folder.write("copy.sql", &COPY.replace("id > 1", "id > 2"));
    let ran = folder.run(&["run", "copy.sql"]);
    ran.exits_with(2).says("error[CLI007]").says("  - ").says("  + ").says("id > 2");
    // A comment is no change.
    folder.write("copy.sql", &format!("-- the same\n{COPY}"));
    folder.run(&["run", "copy.sql"]).exits_with(0).says("copy is finished");
}

#[test]
fn a_held_lock_names_the_process_and_the_generation() {
    // spec: J-3
    let folder = following();
    let mut first = folder.start(&["run", "copy.sql"]);
    wait_until_read(&mut first);
    let second = folder.run(&["run", "copy.sql"]);
    second.exits_with(3).says(&format!("process {}", first.pid())).says("generation 1");
    first.terminate();
    assert_eq!(first.finish(), Some(0));
}

#[test]
fn sigterm_drains_and_the_next_run_goes_on() {
    let folder = following();
    // A group that nothing but the stop would end.
    let mut process = folder.start(&["--set", "flush-age-ms=600000", "run", "copy.sql"]);
    wait_until_read(&mut process);
    process.terminate();
    assert_eq!(process.finish(), Some(0));
    assert_eq!(folder.sink("out"), COPIED);
    let more = format!("{ROWS}{{\"id\":4,\"word\":\"d\"}}\n");
    folder.write("in/rows.jsonl", &more);
    let mut process = folder.start(&["run", "copy.sql"]);
    process.wait_for(|line| is_phase(line, "apply", "end"));
    process.terminate();
    assert_eq!(process.finish(), Some(0));
    assert_eq!(folder.sink("out"), format!("{COPIED}{{\"id\":4,\"word\":\"D\"}}\n"));
}

#[test]
fn a_damaged_journal_stops_and_names_the_file() {
    // spec: J-6
    let folder = copy();
    folder.run(&["--set", "epoch-bytes-max=1", "run", "copy.sql"]).exits_with(0);
    let journal = folder.path(".anabranch/copy/journal");
    let segment = std::fs::read_dir(journal)
        .expect("the state is there")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|extension| extension == "journal"))
        .expect("a segment");
    let mut bytes = std::fs::read(&segment).expect("bytes");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&segment, bytes).expect("it can be written");
    let ran = folder.run(&["run", "copy.sql"]);
    let name = segment.file_name().expect("a name").to_string_lossy();
    ran.exits_with(4).says("error[DMG001]").says(&name);
    assert_eq!(folder.sink("out"), COPIED);
}

#[test]
fn an_input_that_became_another_file_stops_the_job() {
    let folder = following();
    let mut process = folder.start(&["run", "copy.sql"]);
    wait_until_read(&mut process);
    process.terminate();
    assert_eq!(process.finish(), Some(0));
    // spec: J-7
    folder.write("in/rows.jsonl", &ROWS.replace("\"a\"", "\"z\""));
    folder.run(&["run", "copy.sql"]).exits_with(1).says("error[RUN007]").says("rows.jsonl");
}

#[test]
fn a_copied_state_folder_cannot_write_behind_the_original() {
    // spec: G-1, K-5
    let folder = following();
    let write_one = || {
        let mut process = folder.start(&["run", "copy.sql"]);
        process.wait_for(|line| is_phase(line, "apply", "end"));
        process.terminate();
        assert_eq!(process.finish(), Some(0));
    };
    write_one();
    copy_folder(&folder.path(".anabranch/copy"), &folder.path("clone"));
    // The original goes on and writes what the copy knows nothing of. Had it not, the
    // copy could take its place: nothing would be lost.
    folder.write("in/rows.jsonl", &format!("{ROWS}{{\"id\":4,\"word\":\"d\"}}\n"));
    write_one();
    let before = folder.sink("out");
    folder.run(&["run", "copy.sql", "--state-dir", "clone"]).exits_with(4).says("error[DMG001]");
    assert_eq!(folder.sink("out"), before);
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("a file")),
        }
    }
}

#[test]
fn a_folder_in_name_order_is_one_split() {
    let folder = Folder::with(&[("in/b", "{\"id\":3}\n"), ("in/a", "{\"id\":1}\n{\"id\":2}\n")]);
    let query = "CREATE TABLE t (id BIGINT, s STRING METADATA FROM 'split', o BIGINT METADATA FROM 'offset') \
                 WITH ('connector' = 'filesystem', 'path' = 'in', 'format' = 'json', \
                 'scan.order' = 'name'); SELECT id, s, o FROM t;";
    let ran = folder.run(&["run", "-e", query, "--format", "csv"]);
    ran.exits_with(0);
    assert_eq!(ran.stdout, "id,s,o\n1,*,0\n2,*,9\n3,*,18\n");
}

#[test]
fn a_fresh_start_removes_nothing_of_a_job_that_runs() {
    // spec: J-6
    let folder = following();
    let mut first = folder.start(&["--set", "flush-age-ms=0", "run", "copy.sql"]);
    first.wait_for(|line| is_phase(line, "apply", "end"));
    let args = ["run", "copy.sql", "--state-dir", "other", "--fresh", "--overwrite"];
    let second = folder.run(&args);
    second.exits_with(3).says(&format!("out is in use by process {}", first.pid()));
    assert_eq!(folder.sink("out"), COPIED);
    first.terminate();
    assert_eq!(first.finish(), Some(0));
}

#[test]
fn a_fresh_start_removes_no_file_that_only_begins_like_ours() {
    let folder = copy();
    folder.run(&["run", "copy.sql"]).exits_with(0);
    folder.write("out/part-00000-of-spark.json", "{}");
    let refused = folder.run(&["run", "copy.sql", "--fresh", "--overwrite"]);
    refused.exits_with(2).says("part-00000-of-spark.json, which no job wrote");
    assert_eq!(folder.read("out/part-00000-of-spark.json"), "{}");
}

#[test]
fn a_json_log_says_where_the_job_is() {
    let folder = following();
    let sql = folder.read("copy.sql").replacen(
        "word STRING)",
        "word STRING, ts AS TO_TIMESTAMP_LTZ(id, 3), WATERMARK FOR ts AS ts)",
        1,
    );
    folder.write("copy.sql", &sql);
    let mut process = folder.start(&["run", "copy.sql", "--progress-interval", "20 ms"]);
    let is_progress = |line: &serde_json::Value| line["target"] == "anabranch::progress";
    process.wait_for(|line| is_progress(line) && line["rows_in"] == 3);
    let said = process.lines.last().expect("it was waited for").clone();
    assert_eq!(said["watermark"], "1970-01-01 00:00:00.003", "{said}");
    for (key, value) in [("late", 0), ("dead", 0)] {
        assert_eq!(said[key], value, "{said}");
    }
    for key in ["rows_per_second", "lag_ms", "state_bytes", "epoch"] {
        assert!(said[key].is_u64(), "{key}: {said}");
    }
    process.terminate();
    assert_eq!(process.finish(), Some(0));
    let mut process = folder.start(&["run", "copy.sql", "--progress-interval", "0"]);
    wait_until_read(&mut process);
    assert!(!process.lines.iter().any(is_progress));
    process.terminate();
    assert_eq!(process.finish(), Some(0));
    let refused = folder.run(&["run", "copy.sql", "--progress-interval", "soon"]);
    refused.exits_with(2).says("error[CLI004]").says("a time span such as 10 s");
}

/// A folder in name order, of which some was read, and what was done to it then.
fn changed_between_two_runs(change: impl Fn(&Folder)) -> crate::support::Ran {
    let options =
        "'format' = 'json', 'scan.order' = 'name', 'source.monitor-interval' = '50 ms');\nCREATE";
    let sql = COPY.replacen("'format' = 'json');\nCREATE", options, 1);
    let row = |id: u64| format!("{{\"id\":{id},\"word\":\"a\"}}\n");
    let files = [("copy.sql", sql), ("in/b", row(2)), ("in/d", row(4))];
    let files: Vec<(&str, &str)> =
        files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let folder = Folder::with(&files);
    let limits = ["--set", "flush-age-ms=0", "--set", "snapshot-bytes=1", "run", "copy.sql"];
    let mut process = folder.start(&limits);
    while !folder.path("out").exists() || !folder.sink("out").contains("\"id\":4") {
        process.wait_for(|line| is_phase(line, "apply", "end"));
    }
    process.terminate();
    assert_eq!(process.finish(), Some(0));
    change(&folder);
    let mut process = folder.start(&limits);
    let mut lines = Vec::new();
    let done =
        |line: &serde_json::Value| is_phase(line, "apply", "end") || line["code"].is_string();
    process.wait_for(done);
    lines.extend(process.lines.iter().map(ToString::to_string));
    process.terminate();
    let code = process.finish();
    crate::support::Ran { code, stdout: folder.sink("out"), stderr: lines.join("\n") }
}

#[test]
fn a_folder_in_name_order_that_changed_below_stops_the_job_after_a_restart() {
    // spec: J-7
    let row = |id: u64| format!("{{\"id\":{id},\"word\":\"a\"}}\n");
    let grown = changed_between_two_runs(|folder| {
        folder.write("in/b", &(row(2) + &row(3)));
    });
    grown.exits_with(1).says("RUN007").says("b had 20 bytes when it was read, and has 40 now");
    let below = changed_between_two_runs(|folder| folder.write("in/c", &row(3)));
    below.exits_with(1).says("RUN007").says("c appeared below d");
    for new in ["in/d", "in/e"] {
        let grows = changed_between_two_runs(|folder| {
            let old = if new == "in/d" { row(4) } else { String::new() };
            folder.write(new, &(old + &row(5)));
        });
        grows.exits_with(0);
        assert!(grows.stdout.ends_with("{\"id\":5,\"word\":\"A\"}\n"), "{}", grows.stdout);
    }
}
