//! `anabranch sim`: seeds, plans, formats, exit codes.

use crate::support::{Folder, Ran, root};

/// Counts by key and window over a table whose files are not there.
const JOB: &str = "
CREATE TABLE clicks (
  k STRING, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'nowhere', 'format' = 'json');
CREATE TABLE counts (
  window_start TIMESTAMP(3), k STRING, n BIGINT, total BIGINT
) WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'json');
INSERT INTO counts
SELECT window_start, k, COUNT(*), SUM(v)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))
WHERE v <> 12345678
GROUP BY window_start, window_end, k;
";

/// Two records of one window, and nothing that goes wrong.
const PLAN: &str = "anabranch run plan 1
job job.sql
seed 1
store journal local
store snapshots local
store sinks connector
heal 1s budget 60s
split clicks 0000 log
record 0 at 0s = {\"k\":\"a\",\"v\":1,\"ts\":\"2024-01-01 00:00:01\"}
record 1 at 5ms = {\"k\":\"a\",\"v\":2,\"ts\":\"2024-01-01 00:00:02\"}
";

fn folder() -> Folder {
    Folder::with(&[("job.sql", JOB)])
}

/// Without what the wall clock has a hand in.
fn without_times(text: &str) -> String {
    let is_timeless = |line: &&str| {
        let line = line.trim_start();
        !["took ", "events ", "simulated "].iter().any(|word| line.starts_with(word))
    };
    text.lines().filter(is_timeless).map(|line| format!("{line}\n")).collect()
}

fn plan_with(lines: &str) -> Folder {
    let folder = folder();
    folder.write("my.plan", &format!("{PLAN}{lines}"));
    folder
}

#[test]
fn seeds_of_a_users_job_find_nothing_and_say_what_they_did() {
    let folder = Folder::with_flights();
    let args = ["sim", "examples/flights/flights.sql", "--seeds", "1..20", "--records", "60"];
    let ran = folder.run(&args);
    ran.exits_with(0);
    for words in [
        "flights, 20 seeds of 1..20: nothing found\n",
        "flights: stretches of the 26398 records in examples/flights/data",
        "crash-between-append-and-apply",
        "between append and apply in",
        "nobody else writes to sinks and stores",
        "not reached",
    ] {
        assert!(ran.stdout.contains(words), "no {words:?} in {}", ran.stdout);
    }
    assert!(!folder.path("anabranch-sim").exists(), "nothing found, and files were written");
}

#[test]
fn the_same_seeds_give_the_same_text_on_any_number_of_threads() {
    // spec: E-1
    let folder = folder();
    let run = |jobs: &str| {
        let ran = folder.run(&["sim", "job.sql", "--seeds", "5..24", "-v", "--jobs", jobs]);
        ran.exits_with(0);
        without_times(&ran.stdout)
    };
    let alone = run("1");
    assert_eq!(alone, run("3"));
    assert_eq!(alone.lines().filter(|line| line.starts_with("seed ")).count(), 20, "{alone}");
    assert!(alone.contains("clicks: records made up from its columns"), "{alone}");
}

#[test]
fn results_are_there_for_programs_and_for_ci() {
    let folder = folder();
    let ran = folder.run(&["sim", "job.sql", "--seeds", "1..3", "--format", "json"]);
    ran.exits_with(0);
    let objects: Vec<serde_json::Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(objects.len(), 4, "{}", ran.stdout);
    assert_eq!(objects[2]["run"], "seed 3");
    assert_eq!(objects[2]["finding"], serde_json::Value::Null);
    assert_eq!(objects[3]["summary"]["seeds"], 3);
    let ran = folder.run(&["sim", "job.sql", "--seeds", "1..3", "--format", "junit"]);
    ran.exits_with(0);
    assert!(ran.stdout.contains("tests=\"3\" failures=\"0\" errors=\"0\""), "{}", ran.stdout);
    assert!(ran.stdout.contains("name=\"seed 2\""), "{}", ran.stdout);
}

#[test]
fn a_plan_is_run_again_with_its_trace_and_its_page() {
    let folder = plan_with("when before apply to counts do crash restart 20ms\n");
    let ran = folder.run(&["sim", "--plan", "my.plan", "--trace", "--report", "a/page.html"]);
    ran.exits_with(0);
    for words in ["process 1: starts", "fault: Crash", "process 2: starts", "nothing found"] {
        assert!(ran.stdout.contains(words), "no {words:?} in {}", ran.stdout);
    }
    let page = folder.read("a/page.html");
    assert!(page.contains("when before apply to counts do crash restart 20ms"));
    assert!(page.contains("anabranch sim job.sql --plan my.plan"));
}

/// The page, the plan and the command of a finding.
fn assert_explained(folder: &Folder, ran: &Ran, page: &str) {
    assert!(ran.stdout.contains("again     anabranch sim job.sql --plan "), "{}", ran.stdout);
    assert!(folder.read(page).contains("process 1"), "the page is empty");
}

#[test]
fn what_is_found_is_explained_and_can_be_made_small() {
    // One start is allowed, and the process is killed: a restart loop.
    let loops = "restart 100ms backoff 100ms starts 1\n";
    let folder = plan_with(&format!(
        "{loops}when nth 2 request of append do delay 3ms\nwhen before apply to counts do crash\n"
    ));
    let ran = folder.run(&["sim", "job.sql", "--plan", "my.plan"]);
    ran.exits_with(11).says("SIM002").says("a restart loop");
    assert_explained(&folder, &ran, "anabranch-sim/my.html");
    let ran = folder.run(&["sim", "shrink", "my.plan", "--out", "small", "--tries", "100"]);
    ran.exits_with(11);
    let small = folder.read("small/my-small.plan");
    assert_eq!(small.matches("\nwhen ").count(), 1, "{small}");
    assert!(!small.contains("\nrecord 0"), "{small}");
    folder.run(&["sim", "--plan", "small/my-small.plan"]).exits_with(11);
}

#[test]
fn a_plan_that_does_not_test_any_more_what_it_should_is_told() {
    let never = plan_with("when nth 99 before append do crash\n");
    never.run(&["sim", "--plan", "my.plan"]).exits_with(14).says("SIM005").says("nth 99");
    let mark = plan_with("expect chunk-duplicate\n");
    mark.run(&["sim", "--plan", "my.plan"]).exits_with(14).says("was not hit: chunk-duplicate");
    let other = plan_with("split other 0000 log\n");
    other.run(&["sim", "--plan", "my.plan"]).exits_with(14).says("no table other");
    let fine = plan_with("");
    fine.run(&["sim", "--plan", "my.plan"]).exits_with(0);
    fine.run(&["sim", "shrink", "my.plan"]).exits_with(14).says("nothing is wrong");
}

#[test]
fn runs_that_say_nothing_are_told() {
    let folder = Folder::with(&[("job.sql", &JOB.replace("v <> 12345678", "v = 12345678"))]);
    let ran = folder.run(&["sim", "job.sql", "--seeds", "1..25", "--records", "20"]);
    ran.exits_with(15).says("SIM006").says("no row reached a sink");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_runs() {
    let folder = plan_with("hello\n");
    folder.run(&["sim", "--plan", "my.plan"]).exits_with(2).says("SIM007").says("line 11");
    folder.run(&["sim"]).exits_with(2).says("no job was named");
    folder.run(&["sim", "job.sql", "--seeds", "9..3"]).exits_with(2).says("no range of seeds");
    folder.run(&["sim", "none.sql"]).exits_with(2).says("CLI001");
    folder.write("bad.sql", "SELEC 1;");
    folder.run(&["sim", "bad.sql"]).exits_with(2).says("SQL004");
}

#[test]
fn a_sweep_kills_the_job_around_every_output() {
    // spec: J-1, K-1, K-4, S-2
    let folder = folder();
    let ran =
        folder.run(&["sim", "sweep", "job.sql", "--records", "12", "--every", "3", "--seed", "4"]);
    ran.exits_with(0);
    assert!(ran.stdout.contains("nothing found"), "{}", ran.stdout);
    let (_, deviations) = ran.stdout.split_once("deviations").expect("they are counted");
    assert!(deviations.trim_start().starts_with("5"), "{deviations}");
    assert!(deviations.contains(", of which 0 found no occasion"), "{deviations}");
}

#[test]
fn a_sweep_of_zombies_is_not_called_tame_because_nobody_dies() {
    // spec: J-3, K-3
    let folder = folder();
    let zombies = ["sim", "sweep", "job.sql", "--records", "12", "--every", "4", "--zombies", "9"];
    let ran = folder.run(&zombies);
    ran.exits_with(0);
    assert!(ran.stdout.contains("zombie"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("not reached marks"), "{}", ran.stdout);
    let (_, runs) = ran.stdout.split_once("sweep of ").expect("they are counted");
    let (runs, _) = runs.split_once(' ').expect("a number and a word");
    assert!(runs.parse::<u32>().expect("a number") >= 20, "enough to be called tame: {runs}");
}

#[test]
fn what_is_assumed_is_for_plans_that_are_made_up() {
    let folder = folder();
    folder.write("calm.plan", PLAN);
    let assumed = ["--assume", "one-process"];
    let plan = [&["sim", "job.sql", "--plan", "calm.plan"][..], &assumed].concat();
    folder.run(&plan).exits_with(2).says("--assume");
    let sweep = [&["sim", "sweep", "job.sql"][..], &assumed].concat();
    folder.run(&sweep).exits_with(2).says("--assume");
}

#[test]
fn the_page_of_a_seed_says_how_it_is_run_again() {
    let folder = folder();
    let again = ["sim", "job.sql", "--seed", "3", "--profile", "storm", "--records", "20"];
    let ran = folder.run(&[&again[..], &["--report", "page.html"]].concat());
    ran.exits_with(0);
    let page = folder.read("page.html");
    assert!(page.contains("anabranch sim job.sql --seed 3 --profile storm --records 20"), "{page}");
}

#[test]
fn a_job_of_each_kind_of_window_and_sink_keeps_its_promises() {
    // spec: E-2, K-1, K-2
    let jobs = std::fs::read_dir(root().join("sim/jobs")).expect("there are jobs");
    let mut jobs: Vec<_> = jobs.map(|job| job.expect("it can be listed").path()).collect();
    jobs.sort();
    assert!(jobs.len() >= 12, "{jobs:?}");
    let folder = Folder::new();
    for job in jobs {
        let job = job.to_str().expect("text");
        folder.run(&["sim", job, "--seeds", "1..5", "--records", "60"]).exits_with(0);
    }
}

#[test]
fn rows_that_a_watermark_delay_would_lose_are_counted() {
    // spec: T-2
    let folder = Folder::with(&[
        ("job.sql", &JOB.replace("nowhere", "in")),
        (
            "in/a.jsonl",
            "{\"k\":\"a\",\"v\":1,\"ts\":\"2024-01-01 00:00:12\"}\n\
             {\"k\":\"a\",\"v\":1,\"ts\":\"2024-01-01 00:00:09\"}\n\
             {\"k\":\"a\",\"v\":1,\"ts\":\"2024-01-01 00:00:20\"}\n\
             {\"k\":\"a\",\"v\":1,\"ts\":\"2024-01-01 00:00:19\"}\n",
        ),
        ("in/b.jsonl", "{\"k\":\"b\",\"v\":1,\"ts\":\"2024-01-01 00:00:01\"}\n"),
    ]);
    let ran = folder.run(&["sim", "watermark", "job.sql"]);
    ran.exits_with(0);
    let row = |word: &str| {
        let line = ran.stdout.lines().find(|line| line.contains(word)).expect(word);
        line.split(['│', '┆']).map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    };
    // By hand: 09 is behind 12, 19 behind 20; windows end at 10, 20 and 30.
    assert_eq!(row("none")[1..4], ["0 s", "none, p50", "2 (40.00 %)"]);
    assert_eq!(row("declared")[1..4], ["1 s", "declared", "1 (20.00 %)"]);
    assert_eq!(row("max")[1..4], ["3 s", "p90, p99, p99.9, max", "0 (0.00 %)"]);
    folder.write("none.sql", JOB);
    folder.run(&["sim", "watermark", "none.sql"]).exits_with(2).says("no table has both");
}

/// The blocks of a kind in a document.
fn blocks(document: &str, kind: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(document)).expect("the document is there");
    let begin = format!("```{kind}\n");
    let blocks = text.split(&begin).skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_commands_of_the_page_do_what_it_says() {
    let folder = Folder::with_flights();
    let blocks = blocks("docs/SIMULATION.md", "sh");
    let mut commands = 0;
    for line in blocks.iter().flat_map(|block| block.lines()) {
        // Scripts of the repository are for those who have it.
        let Some(words) = line.strip_prefix("anabranch ") else { continue };
        folder.run(&words.split(' ').collect::<Vec<_>>()).exits_with(0);
        commands += 1;
    }
    assert!(commands >= 4, "{blocks:?}");
    assert!(folder.path("page.html").exists());
}

#[test]
#[cfg(feature = "plants")]
fn the_page_shows_what_a_planted_bug_gives() {
    let folder = Folder::with_flights();
    let args = ["sim", "examples/flights/flights.sql", "--seed", "10", "--plant", "W4"];
    let ran = folder.run(&args);
    ran.exits_with(10);
    let (finding, _) = ran.stdout.split_once("flights, seed 10").expect("a summary follows");
    assert_eq!(blocks("docs/SIMULATION.md", "text")[0], finding);
}

#[test]
#[cfg(not(feature = "plants"))]
fn a_binary_without_planted_bugs_says_how_to_get_one() {
    let folder = folder();
    folder.run(&["sim", "plants"]).exits_with(2).says("SIM008").says("--features plants");
    // The switch is not there either.
    folder.run(&["sim", "job.sql", "--plant", "W4"]).exits_with(2).says("unexpected argument");
}

#[test]
#[cfg(feature = "plants")]
fn a_planted_bug_is_found_and_told() {
    let folder = folder();
    let ran = folder.run(&["sim", "plants", "W1", "D1", "--starts", "2", "--seeds", "60"]);
    ran.exits_with(0);
    assert!(ran.stdout.contains("| W1 | "), "{}", ran.stdout);
    assert!(ran.stdout.contains("| 2/2 |"), "{}", ran.stdout);
    folder
        .run(&["sim", "plants", "W1", "--seeds", "0"])
        .exits_with(16)
        .says("W1 with aligned (0 of 1)");
}

#[test]
fn latency_is_what_the_service_times_make_it() {
    let job = JOB.replace("'filesystem', 'path' = 'out', 'format' = 'json'", "'print'");
    let folder = Folder::with(&[("job.sql", &job)]);
    let run = |args: &[&str]| {
        let all = [&["sim", "latency", "job.sql", "--records", "200"], args].concat();
        let ran = folder.run(&all);
        ran.exits_with(0);
        let line = ran.stdout.lines().find(|line| line.contains("steady")).expect("a row");
        let cells: Vec<&str> = line.split(['│', '┆']).map(str::trim).collect();
        let p50 = cells[4].strip_suffix(" ms").expect("a time");
        p50.parse::<f64>().expect("a number")
    };
    let usual = run(&[]);
    folder.write("slow.toml", "[sinks]\nbase-us = 400000\njitter-us = 0\n");
    let slow = run(&["--service-times", "slow.toml"]);
    // A request and its answer: twice 400 ms more, but for what it was before.
    assert!(slow > usual + 790.0, "{usual} {slow}");
    folder.write("odd.toml", "[sink]\nbase-us = 1\n");
    let args = ["sim", "latency", "job.sql", "--service-times", "odd.toml"];
    folder.run(&args).exits_with(2).says("no section sink");
}

/// Three windows. The first one fires, and is shown, long before the last record comes.
const THREE_WINDOWS: &str = "anabranch run plan 1
job job.sql
seed 1
store journal local
store snapshots local
store sinks connector
heal 1s budget 60s
split clicks 0000 log
record 0 at 0s = {\"k\":\"a\",\"v\":1,\"ts\":\"2024-01-01 00:00:01\"}
record 1 at 100ms = {\"k\":\"a\",\"v\":2,\"ts\":\"2024-01-01 00:00:12\"}
record 2 at 4s = {\"k\":\"a\",\"v\":4,\"ts\":\"2024-01-01 00:00:23\"}
";

fn with_asserts(asserts: &str) -> Folder {
    Folder::with(&[("job.sql", &format!("{JOB}{asserts}\n")), ("my.plan", THREE_WINDOWS)])
}

#[test]
fn an_assert_has_to_hold_at_every_epoch_that_a_reader_sees_and_at_the_end() {
    let holds = with_asserts(
        "-- assert one_row: SELECT window_start, k FROM counts
         -- GROUP BY window_start, k HAVING COUNT(*) > 1;
         -- assert few: SELECT COUNT(*) AS n FROM counts HAVING COUNT(*) > 3;",
    );
    let ran = holds.run(&["sim", "--plan", "my.plan"]);
    ran.exits_with(0);
    for words in ["one_row: 3 checks in 1 seed\n", "few: 3 checks in 1 seed\n"] {
        assert!(ran.stdout.contains(words), "{words}: {}", ran.stdout);
    }
    // One row is there by itself for a while, and three are there at the end.
    let early =
        with_asserts("-- assert pairs: SELECT COUNT(*) AS n FROM counts HAVING COUNT(*) = 1");
    let ran = early.run(&["sim", "--plan", "my.plan", "--report", "page.html"]);
    ran.exits_with(10);
    let words = "assert: violated: pairs: assert pairs gives {\"n\":1} (at epoch ";
    assert!(ran.stdout.contains(words), "{}", ran.stdout);
    assert!(ran.stdout.contains("  expected  no row\n  got       {\"n\":1}\n"), "{}", ran.stdout);
    let page = early.read("page.html");
    assert!(page.contains("assert pairs gives"), "{page}");
    let late = with_asserts("-- assert all: SELECT COUNT(*) AS n FROM counts HAVING COUNT(*) = 3");
    let ran = late.run(&["sim", "--plan", "my.plan"]);
    ran.exits_with(10);
    assert!(ran.stdout.contains("assert all gives {\"n\":3}"), "{}", ran.stdout);
}

#[test]
fn an_assert_that_does_not_hold_is_shown_with_a_small_plan() {
    let folder = with_asserts(
        "-- assert small: SELECT window_start, k, n FROM counts WHERE n >= 3;
         -- assert computable: SELECT k FROM counts WHERE 1 / (n - n) > 0;",
    );
    let ran = folder.run(&["sim", "job.sql", "--seeds", "1..20", "--records", "60", "--fail-fast"]);
    ran.exits_with(10);
    assert!(ran.stdout.contains("wrong result: assert: violated: small: "), "{}", ran.stdout);
    let again = ran.stdout.lines().find(|line| line.starts_with("  again")).expect("it says how");
    let (_, name) = again.split_once("--plan ").expect("by its plan");
    let plan = folder.read(name);
    let records = plan.lines().filter(|line| line.starts_with("record ")).count();
    // Three records of one window, and what ends it.
    assert!((3..=5).contains(&records), "{plan}");
    folder.run(&["sim", "--plan", name]).exits_with(10);
    // Of what cannot be computed nobody knows that it holds.
    folder.write("job.sql", &format!("{JOB}-- assert: SELECT k FROM counts WHERE 1 / (n - n) > 0"));
    let ran = folder.run(&["sim", "--plan", "my.plan"]);
    ran.exits_with(10);
    let words = "not computable: line 13: assert line 13 cannot be computed: division by zero";
    assert!(ran.stdout.contains(words), "{}", ran.stdout);
}

#[test]
fn an_assert_whose_tables_stay_empty_is_not_reached() {
    let folder = with_asserts(
        "CREATE TABLE huge (k STRING)
         WITH ('connector' = 'filesystem', 'path' = 'huge', 'format' = 'json');
         INSERT INTO huge SELECT k FROM clicks WHERE v > 1000000000 AND v < 1000000000;
         -- assert none: SELECT k FROM huge WHERE k = 'x';",
    );
    let ran = folder.run(&["sim", "--plan", "my.plan"]);
    ran.exits_with(0);
    assert!(ran.stdout.contains("not reached asserts: none\n"), "{}", ran.stdout);
    let ran = folder.run(&["sim", "--plan", "my.plan", "--format", "json"]);
    let last = ran.stdout.lines().last().expect("a summary");
    let summary: serde_json::Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(summary["summary"]["asserts_not_reached"], serde_json::json!(["none"]));
}

#[test]
fn asserts_are_checked_with_the_job_and_explained_but_not_run() {
    let folder = with_asserts("-- assert: SELECT kk FROM counts");
    for command in ["check", "run", "sim"] {
        let ran = folder.run(&[command, "job.sql"]);
        ran.exits_with(2);
        assert!(ran.stderr.contains("unknown column `kk`"), "{}", ran.stderr);
    }
    folder.write("job.sql", &format!("{JOB}-- assert all: SELECT k FROM counts;"));
    let ran = folder.run(&["check", "job.sql"]);
    ran.exits_with(0);
    assert!(ran.stderr.contains("3 statements and 1 assert, no errors"), "{}", ran.stderr);
    let ran = folder.run(&["explain", "job.sql"]);
    ran.exits_with(0);
    assert!(ran.stdout.contains("  all: SELECT k FROM counts\n"), "{}", ran.stdout);
}

#[test]
fn an_assert_is_not_asked_of_half_an_epoch() {
    // spec: K-2
    let job =
        JOB.replace("total BIGINT\n", "total BIGINT, PRIMARY KEY (window_start, k) NOT ENFORCED\n");
    let sink = "'connector' = 'redis', 'url' = 'redis://localhost:6379', 'sink.chunk-rows' = '1'";
    let job = job.replace("'connector' = 'filesystem', 'path' = 'out', 'format' = 'json'", sink);
    let even = "-- assert even: SELECT COUNT(*) AS n FROM counts HAVING COUNT(*) % 2 = 1";
    let odd = "-- assert odd: SELECT COUNT(*) AS n FROM counts HAVING COUNT(*) % 2 = 0";
    let of_b = "record 1 at 1ms = {\"k\":\"b\",\"v\":2,\"ts\":\"2024-01-01 00:00:02\"}\n";
    let of_a = "record 1 at 5ms = {\"k\":\"a\",\"v\":2,\"ts\":\"2024-01-01 00:00:02\"}\n";
    let folder = Folder::with(&[
        ("job.sql", &format!("{job}{even}\n")),
        ("my.plan", &PLAN.replace(of_a, of_b)),
    ]);
    let ran = folder.run(&["sim", "--plan", "my.plan", "--report", "page.html"]);
    ran.exits_with(0);
    assert!(ran.stdout.contains("even: 2 checks in 1 seed\n"), "{}", ran.stdout);
    let page = folder.read("page.html");
    assert!(page.contains("readers of counts see 1 rows"), "nobody saw half an epoch");
    assert!(page.contains("readers of counts see 2 rows"));
    folder.write("job.sql", &format!("{job}{odd}\n"));
    folder.run(&["sim", "--plan", "my.plan"]).exits_with(10);
}
