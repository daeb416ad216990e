//! Sinks that are services: records with keys, and flush groups of several chunks.

use crate::jobs::{comparable_but, small_limits, two_files};
use anabranch_engine::ids::SinkId;
use anabranch_engine::pipeline::Ending;
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{Plan, Window};
use anabranch_engine::sink::ChunkPayload;
use anabranch_engine::sink::redis::read_fields;
use anabranch_engine::types::{Field, SqlType};
use anabranch_sim::lab::{Crash, Lab, LabSplit, RunEnd};
use expect_test::expect;

/// The same counts for Kafka, Redis and ClickHouse, in chunks of two rows, and the
/// records themselves for ClickHouse.
fn services() -> Plan {
    let mut plan = PlanBuilder::default();
    let columns = [
        ("k", SqlType::STRING),
        ("v", SqlType::BigInt),
        ("ts", SqlType::Timestamp(3)),
        ("_split", SqlType::STRING),
    ];
    let events = plan.table("events", "filesystem", &columns, Some((2, 50)), true);
    let scan = plan.scan(events);
    let window = Window::Tumble { size_ms: 100, offset_ms: 0 };
    let count = [("COUNT", None, SqlType::BigInt)];
    let counts = plan.window("counts", scan, window, &[0], &count);
    let counts = plan.project(counts, None, &[0, 2, 1]);
    for (name, connector) in [("topic", "kafka"), ("keys", "redis"), ("rows", "clickhouse")] {
        let sink = plan.sink(name, connector, counts);
        let table = plan.table_of_sink(sink);
        plan.table_mut(table).primary_key = Some(vec![0, 1]);
        let mut options = vec![("sink.chunk-rows", "2")];
        if connector == "clickhouse" {
            options.push(("partition-by", "k"));
        }
        let option = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        plan.table_mut(table).options.extend(options.into_iter().map(option));
    }
    let raw = plan.project(scan, None, &[0, 1, 3]);
    let sink = plan.sink("raw", "clickhouse", raw);
    let table = plan.table_of_sink(sink);
    plan.table_mut(table).options.extend([("sink.chunk-rows".to_owned(), "3".to_owned())]);
    plan.build()
}

pub(crate) fn lab(records: u64) -> Lab {
    Lab::new(services(), small_limits(), two_files(records))
}

#[test]
fn a_row_becomes_a_record_of_the_service() {
    let mut lab = lab(6);
    assert_eq!(lab.run_through(&[]), Ending::Finished);
    let results = lab.results();
    let first = |name: &str| results[name].lines().next().map(str::to_owned);
    let firsts: Vec<_> = ["topic", "keys", "rows", "raw"].into_iter().filter_map(first).collect();
    expect![[r#"
        {"k":"x","window_start":"1970-01-01 00:00:00"} {"k":"x","window_start":"1970-01-01 00:00:00","a0":4}
        keys:x:1970-01-01 00%3A00%3A00 {"k":"x","window_start":"1970-01-01 00:00:00","a0":4}
        {"k":"x","window_start":"1970-01-01 00:00:00"}[x] {"k":"x","window_start":"1970-01-01 00:00:00","a0":4}
         {"k":"x","v":0,"_split":"a.jsonl"}"#]].assert_eq(&firsts.join("\n"));
}

#[test]
fn a_row_becomes_a_hash_with_a_field_for_each_value() {
    let mut plan = PlanBuilder::default();
    let row = SqlType::Row(vec![Field::new("a", SqlType::BigInt.nullable())]);
    let columns = [
        ("v", SqlType::BigInt),
        ("k", SqlType::STRING),
        ("r", row),
        ("d", SqlType::Double),
        ("ts", SqlType::Timestamp(3)),
    ];
    let events = plan.table("events", "filesystem", &columns, None, true);
    let scan = plan.scan(events);
    let sink = plan.sink("keys", "redis", scan);
    let table = plan.table_of_sink(sink);
    plan.table_mut(table).primary_key = Some(vec![1]);
    let hash = ("value.type".to_owned(), "hash".to_owned());
    plan.table_mut(table).options.extend([hash]);
    let text = concat!(
        r#"{"v":7,"k":"a\"b","r":{"a":null},"d":2,"ts":"1970-01-01 00:00:01.5"}"#,
        "\n",
        r#"{"v":null,"k":"","r":null,"d":null,"ts":null}"#,
        "\n",
    );
    let split = LabSplit::file(0, "a", text.to_owned());
    let mut lab = Lab::new(plan.build(), small_limits(), vec![split]);
    assert_eq!(lab.run_through(&[]), Ending::Finished);
    let mut rows = Vec::new();
    for chunk in lab.sinks[&SinkId(0)].chunks() {
        let ChunkPayload::Records { records } = &chunk.payload else { panic!("they are records") };
        for record in records {
            let fields = read_fields(&record.value).expect("they are fields");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let fields = fields.iter().map(|(name, value)| (text(name), text(value)));
            rows.push((text(&record.key), fields.collect::<Vec<_>>()));
        }
    }
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let first = vec![
        field("d", "2.0"),
        field("k", "a\"b"),
        field("r", r#"{"a":null}"#),
        field("ts", "1970-01-01 00:00:01.5"),
        field("v", "7"),
    ];
    let expected =
        vec![("keys:a\"b".to_owned(), first), ("keys:".to_owned(), vec![field("k", "")])];
    assert_eq!(rows, expected);
}

#[test]
fn a_group_is_cut_into_chunks_that_follow_each_other() {
    // spec: J-5, K-7
    let mut lab = lab(40);
    assert_eq!(lab.run_through(&[]), Ending::Finished);
    let (mut groups, mut most) = (0, 0);
    for (sink, rows_max) in [(0, 2), (1, 2), (2, 2), (3, 3)] {
        let mut before = None;
        for chunk in lab.sinks[&SinkId(sink)].chunks() {
            assert_eq!(chunk.predecessor, before);
            assert!(chunk.marker.may_follow(before), "{}", chunk.marker);
            assert!((1..=rows_max).contains(&chunk.payload.rows()));
            assert!(
                chunk.marker.last || chunk.payload.rows() == rows_max,
                "only the last is small"
            );
            groups += usize::from(chunk.marker.last);
            most = most.max(chunk.marker.chunk + 1);
            before = Some(chunk.marker);
        }
        assert!(before.is_some_and(|marker| marker.last));
    }
    assert!(groups > 10 && most > 3, "{groups} groups of up to {most} chunks");
}

#[test]
fn a_crash_within_a_group_of_chunks_changes_nothing() {
    // spec: J-5, K-1, K-7
    let mut undisturbed = lab(40);
    let (end, outputs) = undisturbed.run(Crash::Never);
    assert_eq!(end, RunEnd::Ended(Ending::Finished));
    let expected = comparable_but(&undisturbed, &["raw"]);
    let mut halves = 0;
    for k in 1..outputs {
        for crash in [Crash::After(k), Crash::Before(k)] {
            let mut lab = lab(40);
            lab.run(crash);
            halves += lab.sinks.values().filter_map(|s| s.marker()).filter(|m| !m.last).count();
            let ending = lab.run_through(&[]);
            assert!(matches!(ending, Ending::Finished | Ending::AlreadyFinished), "{ending:?}");
            assert_eq!(comparable_but(&lab, &["raw"]), expected, "{crash:?}");
        }
    }
    assert!(halves > 20, "only {halves} crashes left half a group");
}
