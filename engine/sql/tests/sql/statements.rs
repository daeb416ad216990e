//! Statements that give something to print, settings, and statement sets.

use crate::support::{compiled, errors};
use anabranch_sql::StatementKind;
use expect_test::expect;
use std::fmt::Write;

/// What the statements behind the tables give, as text.
fn printed(text: &str) -> String {
    let mut out = String::new();
    for statement in compiled(text).statements.iter().skip(3) {
        let _ = match &statement.kind {
            StatementKind::Describe { name, columns } => {
                let _ = writeln!(out, "describe {name}");
                columns.iter().try_for_each(|column| {
                    let null = if column.nullable { "" } else { " NOT NULL" };
                    let key = if column.key { " key" } else { "" };
                    writeln!(out, "  {} {}{null}{key} {}", column.name, column.ty, column.extra)
                })
            }
            StatementKind::Explain { text, .. } => write!(out, "explain\n{text}"),
            StatementKind::ShowTables { names } => writeln!(out, "tables {}", names.join(" ")),
            StatementKind::ShowFunctions { names } => {
                writeln!(out, "functions {}", names.iter().any(|name| name == "UPPER"))
            }
            other => writeln!(out, "{other:?}"),
        };
    }
    out
}

#[test]
fn describe_explain_and_show() {
    expect![[r#"
        CreateView { name: "v" }
        CreateTable { name: "k" }
        describe bids
          ts TIMESTAMP(3) *ROWTIME* 
          auction BIGINT 
          bidder STRING 
          price INT 
          fee DECIMAL(10, 2) 
          rate DOUBLE 
          item ROW<`name` STRING, `tags` ARRAY<STRING>> 
        describe v
          ts TIMESTAMP(3) *ROWTIME* 
          p INT 
        describe k
          id INT NOT NULL key 
          twice INT AS (id * 2)
          o BIGINT METADATA FROM 'offset'
        explain
        #0 plain: Scan plain
            => (id INT)
        #1 $select.calc <- #0: Calc [id]
            => (id INT)
        #2 $select.sink <- #1: Sink $select
            => (id INT)
        explain
        #0 plain: Scan plain
            => (id INT, name STRING NOT NULL)
        #1 out2.calc <- #0: Calc [CAST(id AS BIGINT), name]
            => (a BIGINT, b STRING NOT NULL)
        #2 out2.sink <- #1: Sink out2
            => (a BIGINT, b STRING NOT NULL)
        tables bids k out2 plain v
        tables v
        functions true
        Set
        Set
    "#]].assert_eq(&printed(
        "CREATE VIEW v AS SELECT ts, price + 1 AS p FROM bids;
         CREATE TABLE k (id INT, twice AS id * 2, o BIGINT METADATA FROM 'offset', PRIMARY KEY (id) NOT ENFORCED)
           WITH ('connector' = 'datagen');
         DESCRIBE bids; DESC v; DESCRIBE k; EXPLAIN SELECT id FROM plain; EXPLAIN PLAN FOR INSERT INTO out2 SELECT id, name FROM plain;
         SHOW TABLES; SHOW VIEWS; SHOW FUNCTIONS; SET 'pipeline.name' = 'x'; RESET 'pipeline.name';",
    ));
}

#[test]
fn settings_reach_the_plan() {
    let text = "SET 'table.local-time-zone' = 'Europe/Vienna'; SET 'pipeline.seed' = '7';
                SET 'anabranch.watermark.max-drift' = '1 min'; SET 'parallelism.default' = '4'; SELECT 1 AS one";
    let compiled = anabranch_sql::compile(text, &anabranch_sql::BuiltinConnectors);
    let options = compiled.plan.expect("the text is in order").options;
    assert_eq!(options.local_time_zone, "Europe/Vienna");
    assert_eq!(options.seed, 7);
    assert_eq!(options.max_drift_ms, Some(60_000));
    assert_eq!(compiled.settings.len(), 4);
}

#[test]
fn settings_that_are_wrong() {
    expect![[r#"
        SQL080 1:5 unknown setting 'pipeline.nme'
          SET 'pipeline.nme' = 'x';
              ^^^^^^^^^^^^^^
          help: did you mean 'pipeline.name'?
        SQL081 2:5 'table.local-time-zone' is set after a statement that it concerns
          SET 'table.local-time-zone' = 'UTC';
              ^^^^^^^^^^^^^^^^^^^^^^^
          help: put SET before the first table
        SQL081 3:32 'execution.runtime-mode' does not take 'batch'
          SET 'execution.runtime-mode' = 'batch';
                                         ^^^^^^^
          help: jobs run as streams; bounded tables end by themselves
        SQL001 4:5 the option's name is not in quotes
          SET pipeline.name = 'x';
              ^^^^^^^^
          help: write SET 'key' = 'value'
        SQL080 5:5 unknown setting 'table.exec.source.idle-timeout'
          SET 'table.exec.source.idle-timeout' = '1 s';
              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          help: write 'scan.watermark.idle-timeout' in WITH of the table
    "#]]
    .assert_eq(&errors(
        "SET 'pipeline.nme' = 'x';
SET 'table.local-time-zone' = 'UTC';
SET 'execution.runtime-mode' = 'batch';
SET pipeline.name = 'x';
SET 'table.exec.source.idle-timeout' = '1 s';",
    ));
    let text =
        "SET 'table.local-time-zone' = 'Vienna'; SET 'pipeline.seed' = '-1'; RESET; SELECT 1;";
    let compiled = anabranch_sql::compile(text, &anabranch_sql::BuiltinConnectors);
    expect![[r#"
        SQL081 2:31 'table.local-time-zone' does not take 'Vienna'
          SET 'table.local-time-zone' = 'Vienna'; SET 'pipeline.seed' = '-1'; RESET; SELECT 1;
                                        ^^^^^^^^
          help: it takes a time zone's name such as 'UTC' or 'Europe/Vienna'
        SQL081 2:63 'pipeline.seed' does not take '-1'
          SET 'table.local-time-zone' = 'Vienna'; SET 'pipeline.seed' = '-1'; RESET; SELECT 1;
                                                                        ^^^^
          help: it takes a whole number that is not negative
    "#]]
    .assert_eq(&crate::support::errors_of(text, &compiled));
}

#[test]
fn both_ways_to_open_a_statement_set() {
    for text in [
        "EXECUTE STATEMENT SET BEGIN INSERT INTO out2 SELECT 1, 'x'; INSERT INTO out2 SELECT 2, 'y'; END;",
        "BEGIN STATEMENT SET; INSERT INTO out2 SELECT 1, 'x'; INSERT INTO out2 SELECT 2, 'y'; END",
    ] {
        let compiled = compiled(text);
        assert_eq!(compiled.diagnostics, []);
        let inserts =
            compiled.statements.iter().filter(|s| matches!(s.kind, StatementKind::Insert { .. }));
        assert_eq!(inserts.count(), 2);
    }
}
