//! Errors: their words, their place, and the exit code.

use crate::support::Folder;
use expect_test::expect;

#[test]
fn errors_in_the_text_are_all_shown_with_their_place() {
    let sql = "CREATE TABLE t (id BIGINT, word STRING) WITH (
  'connector' = 'filesystem', 'path' = 'in.jsonl', 'format' = 'json');
SELECT wrod FROM t;
SELECT id FROM u;
";
    let folder = Folder::with(&[("job.sql", sql)]);
    let ran = folder.run(&["check", "job.sql"]);
    ran.exits_with(2);
    assert_eq!(ran.stdout, "");
    expect![[r#"
        SQL011

          × unknown column `wrod`
           ╭─[job.sql:3:8]
         2 │   'connector' = 'filesystem', 'path' = 'in.jsonl', 'format' = 'json');
         3 │ SELECT wrod FROM t;
           ·        ────
         4 │ SELECT id FROM u;
           ╰────
          help: did you mean `word`?

        SQL010

          × unknown table `u`
           ╭─[job.sql:4:16]
         3 │ SELECT wrod FROM t;
         4 │ SELECT id FROM u;
           ·                ─
           ╰────
          help: create it before this statement
    "#]]
    .assert_eq(&ran.stderr);
    folder.run(&["run", "job.sql"]).exits_with(2).says("wrod");
}

#[test]
fn what_cannot_start_exits_with_2() {
    let folder = Folder::with(&[("empty.sql", "-- nothing\n")]);
    folder.run(&["run", "missing.sql"]).exits_with(2).says("error[CLI001]").says("missing.sql");
    folder.run(&["run", "empty.sql"]).exits_with(2).says("error[CLI003]");
    folder.run(&["run"]).exits_with(2);
    folder.run(&["dance"]).exits_with(2);
    folder.run(&["--set", "speed=9", "config", "show"]).exits_with(2).says("error[CLI004]");
    let table = "CREATE TABLE t (id BIGINT) WITH ('connector' = 'filesystem', \
                 'path' = 'nowhere', 'format' = 'json'); SELECT * FROM t;";
    folder.run(&["run", "-e", table]).exits_with(2).says("table t").says("nowhere");
}

#[test]
fn a_service_can_be_explained_and_is_not_connected_to() {
    let sql = "CREATE TABLE t (id BIGINT) WITH ('connector' = 'kafka', 'topic' = 'x', \
               'properties.bootstrap.servers' = 'localhost:1', 'format' = 'json'); \
               CREATE TABLE r (id BIGINT, PRIMARY KEY (id) NOT ENFORCED) \
               WITH ('connector' = 'redis', 'url' = 'redis://localhost:1'); \
               INSERT INTO r SELECT id FROM t;";
    let folder = Folder::with(&[("job.sql", sql)]);
    folder.run(&["check", "job.sql"]).exits_with(0).says("no errors");
    let explained = folder.run(&["explain", "job.sql"]);
    explained.exits_with(0);
    assert!(explained.stdout.contains("exactly once: one script writes"), "{explained:?}");
    let refused = folder.run(&["run", "job.sql"]);
    refused
        .exits_with(2)
        .says("error[CLI009]")
        .says("kafka is not connected in this version: such a job runs under `anabranch test` and `anabranch sim` only");
    assert!(!folder.path(".anabranch").exists(), "nothing was started");
}

#[test]
fn a_bad_record_fails_the_job_if_its_table_says_so() {
    let table = "CREATE TABLE t (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'in', \
                 'format' = 'json', 'on-error' = 'fail'); SELECT * FROM t;";
    let folder = Folder::with(&[("in", "{\"id\":1}\nnonsense\n")]);
    folder.run(&["run", "-e", table]).exits_with(1).says("error[RUN002]").says("offset 9");
    let table = table.replace(", 'on-error' = 'fail'", "");
    let ran = folder.run(&["run", "-e", &table]);
    ran.exits_with(0).says("SELECT * FROM `t$dead`");
}

#[test]
fn two_inserts_into_one_folder_are_refused() {
    let sql = "CREATE TABLE t (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'in', \
               'format' = 'json'); CREATE TABLE o (id BIGINT) WITH ('connector' = \
               'filesystem', 'path' = 'out', 'format' = 'json'); \
               INSERT INTO o SELECT id FROM t; INSERT INTO o SELECT id + 1 FROM t;";
    let folder = Folder::with(&[("in", "{\"id\":1}\n"), ("job.sql", sql)]);
    folder.run(&["check", "job.sql"]).exits_with(2).says("UNION ALL");
    folder.run(&["run", "job.sql"]).exits_with(2).says("error[CLI005]");
}

#[test]
fn settings_say_where_they_come_from() {
    let folder = Folder::with(&[("anabranch.toml", "threads = 3\nretry-ms = 70\n")]);
    let output = folder
        .command(&["--set", "flush-bytes=9", "config", "show"])
        .env("ANABRANCH_THREADS", "5")
        .output()
        .expect("the binary runs");
    let shown = String::from_utf8(output.stdout).expect("text");
    let has = |key: &str, rest: &str| {
        let line = shown.lines().find(|line| line.starts_with(key)).expect("every key is shown");
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(line.starts_with(&format!("{key} {rest}")), "{line}");
    };
    has("threads", "5 environment ANABRANCH_THREADS");
    has("retry-ms", "70 anabranch.toml");
    has("flush-bytes", "9 flag --set");
    has("discover-ms", "1000 default");
}

#[test]
fn messages_can_be_json() {
    let folder = Folder::with(&[("in", "{\"id\":1}\n")]);
    let query = "CREATE TABLE t (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'in', \
                 'format' = 'json'); SELECT * FROM t;";
    let ran = folder.run(&["--log", "json", "run", "-e", query]);
    ran.exits_with(0);
    let lines: Vec<serde_json::Value> = ran
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let summary = lines.last().expect("a summary");
    assert_eq!((&summary["rows_in"], &summary["rows_out"]), (&1.into(), &1.into()), "{summary}");
}

#[test]
fn a_null_does_not_reach_a_column_that_takes_none() {
    // spec: F-1
    let folder = Folder::with(&[(
        "in/rows",
        "{\"id\":1,\"s\":\"a\"}\n{\"id\":2}\n{\"id\":3,\"s\":\"c\"}\n",
    )]);
    let job = "CREATE TABLE t (id BIGINT, s STRING) WITH ('connector' = 'filesystem', \
               'path' = 'in', 'format' = 'json');\n\
               CREATE TABLE strict (id BIGINT, s STRING NOT NULL) WITH ('connector' = 'filesystem', \
               'path' = 'out', 'format' = 'json');\n\
               CREATE TABLE bad (o BIGINT, reason STRING) WITH ('connector' = 'filesystem', \
               'path' = 'bad', 'format' = 'json');\n\
               INSERT INTO strict SELECT id, s FROM t;\n\
               INSERT INTO bad SELECT `_offset`, `_reason` FROM `t$dead`;\n";
    folder.write("job.sql", job);
    folder.run(&["run", "job.sql"]).exits_with(0);
    assert_eq!(folder.sink("out"), "{\"id\":1,\"s\":\"a\"}\n{\"id\":3,\"s\":\"c\"}\n");
    assert_eq!(folder.sink("bad"), "{\"o\":17,\"reason\":\"not null: column s is NULL\"}\n");
}

/// A job that copies rows from a folder to one or two.
fn copies(from: &str, to: &[&str]) -> String {
    let table = |name: &str, path: &str| {
        format!(
            "CREATE TABLE {name} (id BIGINT) WITH ('connector' = 'filesystem', 'path' = '{path}', \
             'format' = 'json');\n"
        )
    };
    let mut sql = table("t", from);
    for (index, path) in to.iter().enumerate() {
        sql += &table(&format!("o{index}"), path);
    }
    sql += "EXECUTE STATEMENT SET BEGIN\n";
    for index in 0..to.len() {
        sql += &format!("INSERT INTO o{index} SELECT id FROM t;\n");
    }
    sql + "END;"
}

#[test]
fn a_sink_in_the_way_of_a_source_is_refused_before_anything_is_written() {
    let cases = [
        ("data/in", "data/in"),
        ("data/in", "data/out/../in/."),
        ("data/in", "data/in/below"),
        ("data/in", "data"),
        ("data/in", "link/new"),
        ("link", "data/in"),
    ];
    for (from, to) in cases {
        let folder =
            Folder::with(&[("data/in/a", "{\"id\":1}\n"), ("job.sql", &copies(from, &[to]))]);
        std::os::unix::fs::symlink("data/in", folder.path("link")).expect("a link");
        folder.run(&["check", "job.sql"]).exits_with(2).says("error[CLI008]");
        let ran = folder.run(&["run", "job.sql", "--fresh", "--overwrite"]);
        ran.exits_with(2).says("error[CLI008]").says("the sink o0 writes to ");
        assert_eq!(folder.read("data/in/a"), "{\"id\":1}\n");
        let left = std::fs::read_dir(folder.path("data/in")).expect("it is there").count();
        assert_eq!((left, folder.path(".anabranch").exists()), (1, false), "{from} {to}");
    }
    // One file is not its folder.
    let folder =
        Folder::with(&[("in/a", "{\"id\":1}\n"), ("job.sql", &copies("in/a", &["in/out"]))]);
    folder.run(&["run", "job.sql"]).exits_with(0);
}

#[test]
fn one_folder_under_two_names_is_one() {
    for (first, second) in
        [("out", "./out"), ("out", "a/../out/"), ("out", "link"), ("link/x", "out/x")]
    {
        let sql = copies("in", &[first, second]);
        let folder =
            Folder::with(&[("in/a", "{\"id\":1}\n"), ("job.sql", &sql), ("out/.keep", "")]);
        std::os::unix::fs::symlink("out", folder.path("link")).expect("a link");
        let ran = folder.run(&["run", "job.sql"]);
        ran.exits_with(2).says("error[CLI005]").says("two INSERTs write to ").says("UNION ALL");
    }
}

#[test]
fn a_file_in_the_place_of_a_sink_is_refused_at_once() {
    for to in ["out", "out/below"] {
        let folder =
            Folder::with(&[("in/a", ""), ("out", "mine"), ("job.sql", &copies("in", &[to]))]);
        for command in ["check", "run"] {
            let ran = folder.run(&[command, "job.sql"]);
            ran.exits_with(2).says("error[CLI005]").says("the sink o0 writes to").says("a file");
            assert!(!ran.stderr.contains("trying again"), "{ran:#?}");
        }
        assert_eq!(folder.read("out"), "mine");
    }
}

#[test]
fn options_before_and_behind_the_command_add_up() {
    let folder = Folder::new();
    let before = ["--set", "retry-ms=7", "--set", "flush-bytes=8", "--threads", "3"];
    let behind = ["config", "--set", "flush-bytes=9", "show", "--set", "fetch-bytes=10"];
    let ran = folder.run(&[&before[..], &behind[..], &["--log-level", "warn"]].concat());
    ran.exits_with(0);
    let value = |key: &str| {
        let line = ran.stdout.lines().find(|line| line.starts_with(&format!("{key} ")));
        line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or_default().to_owned()
    };
    let found = ["retry-ms", "flush-bytes", "fetch-bytes", "threads", "log-level"].map(value);
    // The nearest to the end wins.
    assert_eq!(found, ["7", "9", "10", "3", "warn"]);
    let help = folder.run(&["run", "--help"]);
    assert_eq!(help.stdout.matches("--set <KEY=VALUE>").count(), 1, "{}", help.stdout);
}
