//! `anabranch test`: tests of jobs that pass, differ, are blessed, or cannot be run.

use crate::support::{Folder, root};

/// Counts by key and window, the rows themselves, and the late ones; over two splits.
const JOB: &str = "
CREATE TABLE clicks (
  page STRING, n BIGINT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'clicks', 'format' = 'json');
CREATE TABLE totals (page STRING, total BIGINT, window_end TIMESTAMP(3)) WITH (
  'connector' = 'filesystem', 'path' = 'out/totals', 'format' = 'csv');
CREATE TABLE large (page STRING, n BIGINT) WITH ('connector' = 'print');
CREATE TABLE late (page STRING, n BIGINT) WITH ('connector' = 'print');
EXECUTE STATEMENT SET BEGIN
INSERT INTO late SELECT page, n FROM `clicks$late`;
INSERT INTO totals SELECT page, SUM(n), window_end
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY page, window_start, window_end;
INSERT INTO large SELECT page, n FROM clicks WHERE n >= 5;
END;
";

fn click(page: &str, n: u32, second: u32) -> String {
    format!("{{\"page\":\"{page}\",\"n\":{n},\"ts\":\"2024-01-01 00:00:{second:02}\"}}\n")
}

/// Two splits. In the first the watermark is 11 s when the last record comes, whose
/// window ended at 10 s.
fn clicks() -> [(&'static str, String); 2] {
    let first = [click("a", 1, 1), click("b", 5, 4), click("a", 7, 13), click("b", 9, 3)];
    let second = [click("a", 2, 9), click("a", 6, 8), click("b", 1, 10)];
    [("clicks/one.jsonl", first.concat()), ("clicks/two.jsonl", second.concat())]
}

const TOTALS: &str = "a,9,\"2024-01-01 00:00:10\"\n\
                      b,5,\"2024-01-01 00:00:10\"\n\
                      a,7,\"2024-01-01 00:00:20\"\n\
                      b,1,\"2024-01-01 00:00:20\"\n";
const LARGE: &str = "{\"page\":\"b\",\"n\":5}\n{\"page\":\"a\",\"n\":7}\n\
                     {\"page\":\"b\",\"n\":9}\n{\"page\":\"a\",\"n\":6}\n";
const LATE: &str = "{\"page\":\"b\",\"n\":9}\n";

/// A folder with one test, which passes.
fn passing() -> Folder {
    let folder = Folder::with(&[("t/job.sql", JOB)]);
    for (name, text) in clicks() {
        folder.write(&format!("t/{name}"), &text);
    }
    folder.write("t/expected/totals.csv", TOTALS);
    folder.write("t/expected/large.jsonl", LARGE);
    folder.write("t/expected/late.jsonl", LATE);
    folder
}

/// All files of a folder, by name.
fn files(folder: &Folder, name: &str) -> Vec<String> {
    let mut names: Vec<String> = walkdir::WalkDir::new(folder.path(name))
        .into_iter()
        .map(|entry| entry.expect("an entry").path().display().to_string())
        .collect();
    names.sort();
    names
}

#[test]
fn a_job_that_gives_what_is_expected_passes_in_every_run() {
    // spec: E-2, E-3
    let folder = passing();
    let before = files(&folder, "t");
    let ran = folder.run(&["test", "t", "--format", "json"]);
    ran.exits_with(0);
    let result: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!((&result["test"], &result["result"]), (&"t".into(), &"passed".into()));
    let runs: Vec<&str> =
        result["runs"].as_array().expect("runs").iter().filter_map(|run| run.as_str()).collect();
    for wanted in [
        "straight",
        "re-cut into small epochs",
        "re-cut, with one.jsonl slow",
        "re-cut, with two.jsonl slow",
        "on 4 executors",
        "re-cut, on 4 executors",
    ] {
        assert!(runs.contains(&wanted), "{wanted}: {runs:?}");
    }
    for crash in ["was journaled", "took a group of rows", "snapshot of epoch"] {
        let crashed = |run: &&&str| run.starts_with("crash right ") && run.contains(crash);
        assert!(runs.iter().any(|run| crashed(&run)), "{crash}: {runs:?}");
    }
    assert_eq!(files(&folder, "t"), before, "a test writes nothing");
    folder.run(&["test", "t"]).exits_with(0);
}

#[test]
fn a_row_that_differs_is_shown_with_its_column() {
    let folder = passing();
    folder.write("t/expected/totals.csv", &TOTALS.replace("b,5", "b,4"));
    // Splits may stand in any order, but each in its own.
    let other_order = "{\"n\": 6, \"page\": \"a\"}\n{\"page\":\"b\",\"n\":5}\n\
                       {\"page\":\"a\",\"n\":7.0}\n\n{\"page\":\"b\",\"n\":9}\n";
    folder.write("t/expected/large.jsonl", other_order);
    folder.write("t/expected/late.jsonl", "");
    let ran = folder.run(&["test", "t"]);
    ran.exits_with(1).says("error[TST001]: 1 of 1 test failed");
    let shown = ran.stdout.split_once('\n').expect("several lines").1;
    expect_test::expect![[r#"
          late: not as in expected/late.jsonl
            row 1 of those that came
              + {"page":"b","n":9}
                not expected
          totals: not as in expected/totals.csv
            row 2
              - b,4,"2024-01-01 00:00:10"
              + b,5,"2024-01-01 00:00:10"
                total: expected 4, got 5
        1 test: 1 failed
    "#]]
    .assert_eq(shown);
    let wrong_order = "{\"page\":\"a\",\"n\":7}\n{\"page\":\"b\",\"n\":5}\n\
                       {\"page\":\"b\",\"n\":9}\n{\"page\":\"a\",\"n\":6}\n";
    folder.write("t/expected/large.jsonl", wrong_order);
    let ran = folder.run(&["test", "t"]);
    ran.exits_with(1);
    assert!(ran.stdout.contains("large: not as in"), "{}", ran.stdout);
}

#[test]
fn blessing_writes_what_came_out() {
    let folder = passing();
    std::fs::remove_dir_all(folder.path("t/expected")).expect("it was written above");
    let ran = folder.run(&["test", "t"]);
    ran.exits_with(1);
    assert!(ran.stdout.contains("nothing is expected: --bless"), "{}", ran.stdout);
    folder.run(&["test", "t", "--bless"]).exits_with(0);
    assert_eq!(folder.read("t/expected/totals.csv"), TOTALS);
    assert_eq!(folder.read("t/expected/large.jsonl"), LARGE);
    assert_eq!(folder.read("t/expected/late.jsonl"), LATE);
    folder.run(&["test", "t"]).exits_with(0);
    // What is right already is not written again.
    let ran = folder.run(&["test", "t", "--bless"]);
    assert!(!ran.stdout.contains("wrote"), "{}", ran.stdout);
    // A sink without a file is not compared, and the test says so.
    std::fs::remove_file(folder.path("t/expected/late.jsonl")).expect("it was written above");
    let ran = folder.run(&["test", "t"]);
    ran.exits_with(0);
    assert!(ran.stdout.contains("note: late: 1 row compared with nothing"), "{}", ran.stdout);
}

#[test]
fn a_job_for_kafka_and_redis_runs_on_files() {
    let job = JOB
        .replace(
            "'filesystem', 'path' = 'clicks', 'format' = 'json'",
            "'kafka', 'topic' = 'clicks', 'properties.bootstrap.servers' = 'kafka:9092', \
             'format' = 'json'",
        )
        .replace(
            "total BIGINT, window_end TIMESTAMP(3)) WITH (\n  'connector' = 'filesystem', \
             'path' = 'out/totals', 'format' = 'csv'",
            "total BIGINT, window_end TIMESTAMP(3), PRIMARY KEY (page) NOT ENFORCED) WITH (\
             'connector' = 'redis', 'url' = 'redis://redis:6379'",
        )
        .replace("ts TIMESTAMP(3),", "ts TIMESTAMP(3), p INT METADATA FROM 'partition',")
        .replace("large (page STRING, n BIGINT)", "large (page STRING, n BIGINT, p INT)")
        .replace("SELECT page, n FROM clicks WHERE", "SELECT page, n, p FROM clicks WHERE");
    assert!(job.contains("'redis'") && job.contains("'kafka'") && job.contains("n, p FROM"));
    let folder = Folder::with(&[("t/job.sql", &job)]);
    let ran = folder.run(&["test", "t"]);
    ran.exits_with(2).says("error[TST002]");
    assert!(ran.stdout.contains("help: put its records into input/clicks.jsonl"), "{ran:#?}");
    let [(_, first), (_, second)] = clicks();
    folder.write("t/input/clicks/0.jsonl", &first);
    folder.write("t/input/clicks/1.jsonl", &second);
    let totals = "{\"page\":\"a\",\"total\":9,\"window_end\":\"2024-01-01 00:00:10\"}\n\
                  {\"page\":\"b\",\"total\":5,\"window_end\":\"2024-01-01 00:00:10\"}\n\
                  {\"page\":\"a\",\"total\":7,\"window_end\":\"2024-01-01 00:00:20\"}\n\
                  {\"page\":\"b\",\"total\":1,\"window_end\":\"2024-01-01 00:00:20\"}\n";
    folder.write("t/expected/totals.jsonl", totals);
    let large = "{\"page\":\"b\",\"n\":5,\"p\":0}\n{\"page\":\"a\",\"n\":7,\"p\":0}\n\
                 {\"page\":\"b\",\"n\":9,\"p\":0}\n{\"page\":\"a\",\"n\":6,\"p\":1}\n";
    folder.write("t/expected/large.jsonl", large);
    folder.run(&["test", "t"]).exits_with(0);
    // One file is one partition.
    let one = Folder::with(&[("t/job.sql", &job), ("t/input/clicks.jsonl", &second)]);
    one.write("t/expected/large.jsonl", "{\"page\":\"a\",\"n\":6,\"p\":0}\n");
    one.run(&["test", "t"]).exits_with(0);
}

#[test]
fn a_folder_holds_many_tests_and_a_broken_one_stops_no_other() {
    let folder = passing();
    folder.write("t/broken/job.sql", "SELECT x FROM nowhere;");
    folder.write("t/below/strange/job.sql", "SELECT 1 AS x;");
    folder.write("t/below/strange/expected/other.jsonl", "{}\n");
    folder.write("t/below/one/job.sql", "SELECT 1 AS x;");
    folder.write("t/below/one/expected/select.jsonl", "{\"x\":1}\n");
    let ran = folder.run(&["test", "t"]);
    ran.exits_with(2).says("error[TST002]: 2 of 4 tests cannot be run");
    let first_words: Vec<&str> = ran
        .stdout
        .lines()
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split(": ").next())
        .collect();
    assert_eq!(
        first_words,
        ["passed  t", "passed  below/one", "broken  below/strange", "broken  broken", "4 tests"]
    );
    for words in ["unknown table `nowhere`", "names no sink of the job", "its sinks are select"] {
        assert!(ran.stdout.contains(words), "no {words} in {}", ran.stdout);
    }
    let ran = folder.run(&["test", "t", "--filter", "below/one", "--format", "junit"]);
    ran.exits_with(0);
    let suite = "<testsuite name=\"anabranch test\" tests=\"1\" failures=\"0\" errors=\"0\"";
    assert!(ran.stdout.contains(suite), "{}", ran.stdout);
    let ran = folder.run(&["test", "t", "--format", "junit"]);
    ran.exits_with(2);
    assert!(ran.stdout.contains("failures=\"0\" errors=\"2\""), "{}", ran.stdout);
    folder.run(&["test", "t", "--filter", "nothing"]).exits_with(2).says("nothing");
    folder.run(&["test", "t/clicks"]).exits_with(2).says("there is no test in t/clicks");
}

#[test]
fn a_job_that_looks_at_the_clock_is_run_and_not_compared_between_runs() {
    let job = "CREATE TABLE t (id BIGINT) WITH ('connector' = 'datagen', \
               'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '3'); \
               CREATE TABLE o (id BIGINT, at TIMESTAMP_LTZ(3)) WITH ('connector' = 'print'); \
               CREATE TABLE i (id BIGINT) WITH ('connector' = 'print'); \
               EXECUTE STATEMENT SET BEGIN INSERT INTO o SELECT id, NOW() FROM t; \
               INSERT INTO i SELECT id FROM t; END;";
    let folder = Folder::with(&[("t/job.sql", job)]);
    folder.write("t/expected/i.jsonl", "{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n");
    let ran = folder.run(&["test", "t"]);
    ran.exits_with(0);
    assert!(ran.stdout.contains("note: o depends on the clock"), "{}", ran.stdout);
}

#[test]
fn the_tests_of_the_example_pass() {
    let folder = Folder::new();
    let path = |name: &str| root().join(name).display().to_string();
    let (tests, job) = (path("examples/flights/tests"), path("examples/flights/flights.sql"));
    let ran = folder.run(&["test", &tests, "--job", &job]);
    ran.exits_with(0);
    assert!(ran.stdout.ends_with("2 tests: 2 passed\n"), "{}", ran.stdout);
}

#[test]
fn asserts_hold_after_every_epoch_or_the_test_fails() {
    // Both splits have a window that ends at 10 s, so that `totals` holds two rows, and
    // later four.
    let asserts = |text: &str| {
        let folder = passing();
        folder.write("t/job.sql", &format!("{JOB}{text}\n"));
        folder
    };
    let holds = asserts(
        "-- assert one_row: SELECT page, window_end FROM totals
         -- GROUP BY page, window_end HAVING COUNT(*) > 1;
         -- assert even: SELECT COUNT(*) AS n FROM totals HAVING COUNT(*) % 2 = 1;",
    );
    let ran = holds.run(&["test", "t"]);
    ran.exits_with(0);
    assert!(ran.stdout.contains(", 2 asserts, "), "{}", ran.stdout);
    // What is wrong only in between is wrong.
    let between = asserts("-- assert two: SELECT COUNT(*) AS n FROM totals HAVING COUNT(*) = 2");
    let ran = between.run(&["test", "t"]);
    ran.exits_with(1);
    assert!(ran.stdout.contains("  assert two gives 1 row after epoch "), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n    + {\"n\":2}\n"), "{}", ran.stdout);
    let ran = between.run(&["test", "t", "--format", "json"]);
    let result: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(result["asserts"][0]["holds"], false);
    assert_eq!(result["differences"][0]["unexpected"], serde_json::json!(["{\"n\":2}"]));
    // Nothing is blessed that does not hold.
    let before = between.read("t/expected/totals.csv");
    between.run(&["test", "t", "--bless"]).exits_with(1);
    assert_eq!(between.read("t/expected/totals.csv"), before);
}

#[test]
fn a_test_may_consist_of_asserts_alone() {
    let folder = Folder::with(&[(
        "t/job.sql",
        &format!("{JOB}-- assert: SELECT page FROM totals WHERE total < 1\n"),
    )]);
    for (name, text) in clicks() {
        folder.write(&format!("t/{name}"), &text);
    }
    folder.run(&["test", "t"]).exits_with(0);
}
