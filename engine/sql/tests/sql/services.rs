//! Tables of services: what their options become, and what is refused.

use crate::support::{compiled, errors};
use anabranch_engine::plan::{KeyLayout, KeyPiece, Table};
use expect_test::expect;

const COLUMNS: &str = "user_id BIGINT, day STRING, n BIGINT";

fn table(key: &str, options: &str) -> Table {
    let text = format!(
        "CREATE TABLE t ({COLUMNS}{key}) WITH ({options});
         INSERT INTO t SELECT price, bidder, auction FROM bids;"
    );
    let found = compiled(&text);
    let plan = found.plan.unwrap_or_else(|| panic!("{}", errors(&text)));
    plan.tables.into_iter().find(|table| table.name == "t").expect("it is written")
}

fn refusal(key: &str, options: &str) -> String {
    errors(&format!("CREATE TABLE t ({COLUMNS}{key})\nWITH ({options});"))
}

const KAFKA: &str = "'connector' = 'kafka', 'topic' = 'x', 'properties.bootstrap.servers' = 'a:1'";
const KEY: &str = ", PRIMARY KEY (user_id, day) NOT ENFORCED";

#[test]
fn a_kafka_table_is_declared_as_in_flink() {
    let table = table(
        "",
        &format!(
            "{KAFKA}, 'properties.group.id' = 'g', 'value.format' = 'json', 'value.json.ignore-parse-errors' = 'true',
             'key.format' = 'json', 'key.fields' = 'user_id;n', 'scan.startup.mode' = 'earliest-offset'"
        ),
    );
    let layout = table.record_layout().expect("it is allowed").expect("it takes records");
    assert_eq!(layout.key, KeyLayout::Json(vec![0, 2]));
    assert!(table.keeps_marker() && !table.bounded);
    expect![[r#"
        (
            Json(
                JsonOptions {
                    ignore_parse_errors: true,
                    fail_on_missing_field: false,
                    timestamp_format: Sql,
                },
            ),
            {
                "format": "json",
                "json.ignore-parse-errors": "true",
                "key.fields": "user_id;n",
                "key.format": "json",
                "properties.bootstrap.servers": "a:1",
                "properties.group.id": "g",
                "scan.startup.mode": "earliest-offset",
                "topic": "x",
            },
        )
    "#]]
    .assert_debug_eq(&(&table.format, &table.options));
}

#[test]
fn a_kafka_table_may_end_with_what_is_there() {
    let text = format!(
        "CREATE TABLE t (p INT METADATA FROM 'partition', o BIGINT METADATA FROM 'offset',
           at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', v INT)
         WITH ({KAFKA}, 'format' = 'json', 'scan.bounded.mode' = 'latest-offset');
         SELECT p, o, at, v FROM t;"
    );
    let plan = compiled(&text).plan.unwrap_or_else(|| panic!("{}", errors(&text)));
    assert!(plan.tables.iter().any(|table| table.name == "t" && table.bounded));
}

#[test]
fn redis_and_clickhouse_tables_have_keys() {
    let redis = table(
        KEY,
        "'connector' = 'redis', 'url' = 'redis://a', 'key.template' = 'u:{user_id}:{day}'",
    );
    let layout = redis.record_layout().expect("it is allowed").expect("it takes records");
    let KeyLayout::Template(pieces) = layout.key else { panic!("a template") };
    assert_eq!(pieces[0], KeyPiece::Text("u:".into()));
    let clickhouse = table(
        KEY,
        "'connector' = 'clickhouse', 'url' = 'http://localhost:8123', 'table-name' = 't', 'partition-by' = 'day'",
    );
    let layout = clickhouse.record_layout().expect("it is allowed").expect("it takes records");
    assert_eq!((layout.key, layout.partition), (KeyLayout::Json(vec![0, 1]), Some(1)));
}

#[test]
fn what_a_service_cannot_do_is_refused_by_name() {
    let clickhouse =
        "'connector' = 'clickhouse', 'url' = 'http://localhost:8123', 'table-name' = 't'";
    let all = [
        refusal("", &format!("{KAFKA}, 'format' = 'json', 'scan.startup.mode' = 'group-offsets'")),
        refusal("", &format!("{KAFKA}, 'format' = 'json', 'value.format' = 'json'")),
        refusal("", &format!("{KAFKA}, 'format' = 'json', 'key.fields' = 'user_id'")),
        refusal(
            "",
            &format!("{KAFKA}, 'format' = 'json', 'key.format' = 'json', 'key.fields' = 'x'"),
        ),
        refusal("", "'connector' = 'kafka', 'format' = 'json'"),
        refusal("", "'connector' = 'redis', 'url' = 'redis://a'"),
        refusal(KEY, "'connector' = 'redis', 'url' = 'redis://a', 'key.template' = 'u:{user_id}'"),
        refusal("", &format!("{clickhouse}, 'mode' = 'keyed'")),
        refusal(KEY, &format!("{clickhouse}, 'partition-by' = 'n'")),
        errors(
            "CREATE TABLE t (v INT, PRIMARY KEY (v) NOT ENFORCED)\nWITH ('connector' = 'redis', 'url' = 'redis://a');\nSELECT v FROM t;",
        ),
    ];
    expect![[r#"
        SQL033 2:126 'scan.startup.mode' does not take 'group-offsets'
          WITH ('connector' = 'kafka', 'topic' = 'x', 'properties.bootstrap.servers' = 'a:1', 'format' = 'json', 'scan.startup.mode' = 'group-offsets');
                                                                                                                                       ^^^^^^^^^^^^^^^
          help: it takes one of 'earliest-offset'

        SQL033 2:104 'format' and 'value.format' are two names of one option
          WITH ('connector' = 'kafka', 'topic' = 'x', 'properties.bootstrap.servers' = 'a:1', 'format' = 'json', 'value.format' = 'json');
                                                                                                                 ^^^^^^^^^^^^^^

        SQL033 2:119 'key.fields' needs 'key.format'
          WITH ('connector' = 'kafka', 'topic' = 'x', 'properties.bootstrap.servers' = 'a:1', 'format' = 'json', 'key.fields' = 'user_id');
                                                                                                                                ^^^^^^^^^

        SQL033 2:142 the table has no column `x`
          WITH ('connector' = 'kafka', 'topic' = 'x', 'properties.bootstrap.servers' = 'a:1', 'format' = 'json', 'key.format' = 'json', 'key.fields' = 'x');
                                                                                                                                                       ^^^

        SQL032 2:1 the connector 'kafka' needs 'properties.bootstrap.servers'
          WITH ('connector' = 'kafka', 'format' = 'json');
          ^^^^
          help: add 'properties.bootstrap.servers' = '…': The brokers to begin with.
        SQL032 2:1 the connector 'kafka' needs 'topic'
          WITH ('connector' = 'kafka', 'format' = 'json');
          ^^^^
          help: add 'topic' = '…': The topic.

        SQL033 2:21 a redis table needs a PRIMARY KEY
          WITH ('connector' = 'redis', 'url' = 'redis://a');
                              ^^^^^^^

        SQL033 2:68 it lacks `{day}`: rows of different keys would share one
          WITH ('connector' = 'redis', 'url' = 'redis://a', 'key.template' = 'u:{user_id}');
                                                                             ^^^^^^^^^^^^^

        SQL033 2:97 'mode' = 'keyed' needs a PRIMARY KEY
          WITH ('connector' = 'clickhouse', 'url' = 'http://localhost:8123', 'table-name' = 't', 'mode' = 'keyed');
                                                                                                          ^^^^^^^

        SQL033 2:105 `n` is no part of the primary key, which decides the partition
          WITH ('connector' = 'clickhouse', 'url' = 'http://localhost:8123', 'table-name' = 't', 'partition-by' = 'n');
                                                                                                                  ^^^

        SQL034 3:15 `t` cannot be read: 'redis' is no source
          SELECT v FROM t;
                        ^
          help: read from a table of a connector that is a source, such as 'filesystem'
    "#]].assert_eq(&all.join("\n"));
}
