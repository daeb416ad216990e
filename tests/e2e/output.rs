//! What goes to the standard output, and in which form.

use crate::support::Folder;
use expect_test::{Expect, expect};

const TABLE: &str = "CREATE TABLE t (id BIGINT, word STRING, x DOUBLE) WITH (
  'connector' = 'filesystem', 'path' = 'in.jsonl', 'format' = 'json');\n";
const ROWS: &str = r#"{"id":1,"word":"one","x":1.5}
{"id":22,"word":"two, and \"more\"","x":null}
{"id":333,"word":null,"x":1e100}
"#;

fn select(format: &str, expected: &Expect) {
    let folder = Folder::with(&[("in.jsonl", ROWS)]);
    let query = format!("{TABLE}SELECT id, word, x FROM t;");
    let ran = folder.run(&["run", "-e", &query, "--format", format]);
    ran.exits_with(0);
    expected.assert_eq(&ran.stdout);
    assert!(!folder.path(".anabranch").exists(), "no state is kept");
}

#[test]
fn a_select_prints_an_aligned_table() {
    select(
        "table",
        &expect![[r#"
        ┌─────┬─────────────────┬───────┐
        │  id ┆ word            ┆     x │
        ╞═════╪═════════════════╪═══════╡
        │   1 ┆ one             ┆   1.5 │
        │  22 ┆ two, and "more" ┆  NULL │
        │ 333 ┆ NULL            ┆ 1e100 │
        └─────┴─────────────────┴───────┘
    "#]],
    );
}

#[test]
fn a_select_prints_csv() {
    select(
        "csv",
        &expect![[r#"
        id,word,x
        1,one,1.5
        22,"two, and ""more""",
        333,,1e100
    "#]],
    );
}

#[test]
fn a_select_prints_json() {
    select(
        "json",
        &expect![[r#"
        {"id":1,"word":"one","x":1.5}
        {"id":22,"word":"two, and \"more\"","x":null}
        {"id":333,"word":null,"x":1e100}
    "#]],
    );
}

#[test]
fn print_shows_rows_as_flink_does() {
    let folder = Folder::with(&[("in.jsonl", ROWS)]);
    let query = format!(
        "{TABLE}CREATE TABLE p (id BIGINT, word STRING) WITH ('connector' = 'print', \
         'print-identifier' = 'mine');\nINSERT INTO p SELECT id, word FROM t WHERE id < 300;"
    );
    let ran = folder.run(&["run", "-e", &query]);
    ran.exits_with(0).says("at least once");
    assert_eq!(ran.stdout, "mine> +I[1, one]\nmine> +I[22, two, and \"more\"]\n");
}

#[test]
fn datagen_gives_the_same_rows_every_time() {
    let query = "CREATE TABLE g (id BIGINT, n INT) WITH ('connector' = 'datagen', \
                 'number-of-rows' = '3', 'seed' = '7', 'fields.id.kind' = 'sequence', \
                 'fields.n.min' = '1', 'fields.n.max' = '9');\nSELECT * FROM g;";
    let folder = Folder::new();
    let first = folder.run(&["run", "-e", query, "--format", "json"]);
    first.exits_with(0);
    assert_eq!(first.stdout.lines().count(), 3);
    assert_eq!(folder.run(&["run", "-e", query, "--format", "json"]).stdout, first.stdout);
}

#[test]
fn statements_that_ask_are_answered() {
    let folder = Folder::new();
    let ran = folder.run(&["run", "-e", &format!("{TABLE}SHOW TABLES; DESCRIBE t;")]);
    ran.exits_with(0);
    expect![[r#"
        t
        ┌──────┬────────┬──────┬─────┬───────┐
        │ name ┆ type   ┆ null ┆ key ┆ extra │
        ╞══════╪════════╪══════╪═════╪═══════╡
        │ id   ┆ BIGINT ┆ yes  ┆ no  ┆       │
        │ word ┆ STRING ┆ yes  ┆ no  ┆       │
        │ x    ┆ DOUBLE ┆ yes  ┆ no  ┆       │
        └──────┴────────┴──────┴─────┴───────┘
    "#]]
    .assert_eq(&ran.stdout);
}

#[test]
fn explain_shows_the_plan_and_what_follows_from_it() {
    let sql = "CREATE TABLE clicks (ts TIMESTAMP(3), page STRING,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH (
  'connector' = 'filesystem', 'path' = 'clicks', 'format' = 'json',
  'source.monitor-interval' = '1 s');
CREATE TABLE counts (page STRING, n BIGINT, window_end TIMESTAMP(3)) WITH (
  'connector' = 'filesystem', 'path' = 'counts', 'format' = 'csv');
INSERT INTO counts SELECT page, COUNT(*), window_end
FROM TABLE(HOP(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '1' MINUTE))
GROUP BY page, window_start, window_end;
";
    let folder = Folder::with(&[("clicks.sql", sql)]);
    let ran = folder.run(&["explain", "clicks.sql"]);
    ran.exits_with(0);
    let shown: Vec<&str> = ran.stdout.lines().filter(|line| !line.starts_with("plan ")).collect();
    expect![[r#"

        #0 clicks: Scan clicks watermark (ts - INTERVAL 5 s)
            => (ts* TIMESTAMP(3), page STRING)
        #1 counts.calc <- #0: Calc [page, ts]
            => (page STRING, ts* TIMESTAMP(3))
        #2 counts <- #1: WindowAggregate HOP(size 1 min, slide 10 s) on ts by [page]: COUNT(*)
            => (page STRING, EXPR$1 BIGINT NOT NULL, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #3 counts.calc2 <- #2: Calc [page, EXPR$1, window_end]
            => (page STRING, n BIGINT NOT NULL, window_end TIMESTAMP(3) NOT NULL)
        #4 counts.sink <- #3: Sink counts
            => (page STRING, n BIGINT NOT NULL, window_end TIMESTAMP(3) NOT NULL)

        sources
          clicks: filesystem clicks, json
            watermark of each split: the largest (ts - INTERVAL 5 s) so far, on ts; a split is idle after 5 s at its end

        sinks
          counts: filesystem counts, csv
            exactly once
            class content: the result is a function of the records alone

        state
          counts: keys (page) x panes of 10 s kept at once: (1 min + delay of the watermark) / 10 s + 1, shared by the windows
          journal and snapshots in .anabranch/clicks"#]].assert_eq(&shown.join("\n"));
}

#[test]
fn infer_writes_a_table_that_reads_the_file() {
    let folder = Folder::with(&[(
        "data.jsonl",
        "{\"at\":\"2024-01-01 00:00:10\",\"n\":1,\"ok\":true}\n\
         {\"at\":\"2024-01-01 00:00:07\",\"n\":2.5,\"ok\":null}\n\
         {\"at\":\"2024-01-01 00:00:20\",\"n\":3,\"ok\":false,\"end\":\"x\"}\n",
    )]);
    let ran = folder.run(&["infer", "data.jsonl"]);
    ran.exits_with(0);
    expect![[r#"
        -- From 3 records of data.jsonl.
        -- By at, rows come up to 3 s behind an earlier one of their file.
        -- With a delay of 4 seconds 0 of 3 rows (0.00 %) are behind their watermark.
        CREATE TABLE data (
          `at`  TIMESTAMP(3),
          n     DOUBLE,
          ok    BOOLEAN,
          `end` STRING,
          WATERMARK FOR `at` AS `at` - INTERVAL '4' SECOND
        ) WITH (
          'connector' = 'filesystem',
          'path' = 'data.jsonl',
          'format' = 'json'
        );
    "#]]
    .assert_eq(&ran.stdout);
    let query = format!(
        "{}SELECT COUNT(*) AS n, SUM(n) AS s FROM TABLE(TUMBLE(TABLE data, DESCRIPTOR(at), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;",
        ran.stdout
    );
    let ran = folder.run(&["run", "-e", &query, "--format", "csv"]);
    ran.exits_with(0);
    assert_eq!(ran.stdout, "n,s\n3,6.5\n");
}

#[test]
fn a_journal_is_shown_for_people() {
    let sql = format!(
        "{TABLE}CREATE TABLE o (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'o', \
         'format' = 'json');\nINSERT INTO o SELECT id FROM t;"
    );
    let folder = Folder::with(&[("in.jsonl", ROWS), ("job.sql", &sql)]);
    folder.run(&["run", "job.sql"]).exits_with(0);
    let ran = folder.run(&["journal", "show", "job.sql"]);
    ran.exits_with(0);
    for words in ["segment 000000000001-", "epoch 1:", "added in.jsonl", "3 records", "finished"] {
        assert!(ran.stdout.contains(words), "no {words:?} in {}", ran.stdout);
    }
}

/// A record with line ends in it, where the pace is less than its lines.
#[test]
fn a_slow_pace_gives_a_record_of_several_lines() {
    // spec: F-4
    let folder = Folder::with(&[("in.csv", "a,\"x\ny\nz\"\nb,w\n")]);
    let query = "CREATE TABLE t (k STRING, v STRING) WITH ('connector' = 'filesystem', \
                 'path' = 'in.csv', 'format' = 'csv', 'scan.rate' = '40');\nSELECT k FROM t;";
    let ran = folder.run(&["run", "-e", query, "--format", "json"]);
    ran.exits_with(0);
    assert_eq!(ran.stdout, "{\"k\":\"a\"}\n{\"k\":\"b\"}\n");
}

#[test]
fn a_full_standard_output_fails_and_a_full_standard_error_does_not() {
    let folder = Folder::with(&[("in.jsonl", ROWS)]);
    let full = || std::fs::File::options().write(true).open("/dev/full").expect("it is there");
    let ran = |query: &str, out: bool| {
        let mut command = folder.command(&["run", "-e", query, "--format", "json"]);
        match out {
            true => command.stdout(full()).stderr(std::process::Stdio::piped()),
            false => command.stderr(full()).stdout(std::process::Stdio::null()),
        };
        let output = command.spawn().and_then(std::process::Child::wait_with_output);
        let output = output.expect("the binary runs");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    let code = |query: &str, out: bool| ran(query, out).0;
    let select = format!("{TABLE}SELECT id FROM t;");
    for query in ["SHOW FUNCTIONS;", &select] {
        let (code, said) = ran(query, true);
        assert_eq!(code, Some(1));
        let words = "the disk is full: cannot write to the standard output";
        assert!(said.contains(words) && !said.contains("rejects"), "{said}");
    }
    assert_eq!(code(&select, false), Some(0));
    // Also what is said while the job runs: bad rows.
    folder.write("in.jsonl", "no\n{\"id\":1}\n");
    assert_eq!(code(&select, false), Some(0));
}

#[test]
fn a_sequence_that_ends_ends_the_job() {
    let query = "CREATE TABLE t (n BIGINT) WITH ('connector' = 'datagen', \
                 'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '3'); \
                 SELECT n FROM t;";
    let ran = Folder::with(&[]).run(&["run", "-e", query, "--format", "csv"]);
    ran.exits_with(0);
    assert_eq!(ran.stdout, "n\n1\n2\n3\n");
}

#[test]
fn a_pipe_that_nobody_reads_ends_a_query_but_no_job_with_files() {
    let rows: String = (0..2_000).map(|id| format!("{{\"id\":{id}}}\n")).collect();
    let folder = Folder::with(&[("in.jsonl", &rows)]);
    // Rows are shown at once, and files written at the end.
    let limits = ["--set", "epoch-bytes-max=100", "--set", "flush-age-ms=600000"];
    let run = |query: &str| {
        let mut command = folder.command(&[&limits[..], &["run", "-e", query]].concat());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    let shown = "CREATE TABLE p (id BIGINT) WITH ('connector' = 'print');\n";
    let (code, said) = run(&format!("{TABLE}{shown}INSERT INTO p SELECT id FROM t;"));
    assert_eq!((code, said.contains("finished")), (Some(0), false), "{said}");
    let kept = "CREATE TABLE o (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'o', \
                'format' = 'json');\n";
    let (code, said) = run(&format!(
        "{TABLE}{shown}{kept}EXECUTE STATEMENT SET BEGIN\n\
         INSERT INTO p SELECT id FROM t; INSERT INTO o SELECT id FROM t; END;"
    ));
    assert_eq!((code, said.contains("finished")), (Some(0), true), "{said}");
    assert_eq!(said.matches("nobody reads the standard output").count(), 1, "{said}");
    assert_eq!(folder.sink("o"), rows);
}

#[test]
fn a_sink_stores_no_computed_column() {
    let folder = Folder::with(&[("in.jsonl", ROWS)]);
    for (connector, expected) in [
        ("'filesystem', 'path' = 'o', 'format' = 'json'", "{\"id\":1,\"x\":1.5}\n"),
        ("'print'", "+I[1, 1.5]\n"),
    ] {
        let query = format!(
            "{TABLE}CREATE TABLE o (id BIGINT, twice AS id * 2, x DOUBLE NOT NULL) WITH ('connector' = \
             {connector});\nINSERT INTO o SELECT id, x FROM t WHERE id < 100;"
        );
        let ran = folder.run(&["run", "-e", &query]);
        // The second row has no x.
        ran.exits_with(0).says("column x is NULL");
        let stored = if ran.stdout.is_empty() { folder.sink("o") } else { ran.stdout };
        assert_eq!(stored, expected);
    }
}

#[test]
fn a_sink_of_late_rows_may_stand_before_other_sinks() {
    // spec: T-4
    let rows = "{\"id\":1,\"t\":9000}\n{\"id\":2,\"t\":1000}\n{\"id\":3,\"t\":9500}\n";
    let folder = Folder::with(&[("in.jsonl", rows)]);
    let query = "CREATE TABLE t (id BIGINT, t BIGINT, ts AS TO_TIMESTAMP_LTZ(t, 3), \
        WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 'in.jsonl', \
        'format' = 'json'); \
        CREATE TABLE l (id BIGINT) WITH ('connector' = 'print', 'print-identifier' = 'late'); \
        CREATE TABLE r (id BIGINT) WITH ('connector' = 'print'); \
        CREATE TABLE w (n BIGINT) WITH ('connector' = 'blackhole'); \
        EXECUTE STATEMENT SET BEGIN \
        INSERT INTO l SELECT id FROM `t$late`; \
        INSERT INTO r SELECT id FROM t WHERE id = 3; \
        INSERT INTO w SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), \
        INTERVAL '1' SECOND)) GROUP BY window_start, window_end; END;";
    let ran = folder.run(&["run", "-e", query]);
    ran.exits_with(0);
    let mut lines: Vec<&str> = ran.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["+I[3]", "late> +I[2]"]);
}
