//! Plans of representative jobs.

use crate::support::{plan, whole};
use expect_test::{expect, expect_file};

#[test]
fn a_filter_over_a_table_ends_in_the_calc_above_its_scan() {
    expect![[r#"
        #0 bids: Scan bids watermark (ts - INTERVAL 5 s)
            => (ts* TIMESTAMP(3), bidder STRING, price INT)
        #1 $select.calc <- #0: Calc where ((bidder = 'x') AND ((price * 2) >= 4) AND ((price * 2) <= 10)) [(price * 2)]
            => (twice INT)
        #2 $select.sink <- #1: Sink $select
            => (twice INT)
    "#]].assert_eq(&plan(
        "SELECT twice FROM (SELECT price * 2 AS twice, bidder FROM bids WHERE bidder = 'x') AS t
         WHERE t.twice BETWEEN 4 AND 10",
    ));
}

#[test]
fn a_table_read_by_several_statements_is_scanned_once() {
    expect![[r#"
        #0 bids: Scan bids watermark (ts - INTERVAL 5 s)
            => (ts* TIMESTAMP(3), auction BIGINT, bidder STRING, price INT, rate DOUBLE, item ROW<`name` STRING, `tags` ARRAY<STRING>>)
        #1 out2.calc <- #0: Calc [auction, bidder]
            => (a BIGINT, b STRING)
        #2 out2.sink <- #1: Sink out2
            => (a BIGINT, b STRING)
        #3 out2.calc2 <- #0: Calc where (rate > 5e-1) [CAST(price AS BIGINT), UPPER(item.name)]
            => (a BIGINT, b STRING)
        #4 out2.sink2 <- #3: Sink out2
            => (a BIGINT, b STRING)
    "#]].assert_eq(&plan(
        "EXECUTE STATEMENT SET BEGIN
         INSERT INTO out2 SELECT auction, bidder FROM bids;
         INSERT INTO out2 SELECT price, UPPER(item.name) FROM bids WHERE rate > 0.5;
         END;",
    ));
}

// spec: T-1
#[test]
fn computed_and_metadata_columns_and_a_watermark_over_a_computed_column() {
    expect![[r#"
        #0 events: Scan events watermark (TO_TIMESTAMP_LTZ(ms, 3) - INTERVAL 1 min)
            => (ms BIGINT NOT NULL, at BIGINT, file STRING, kind STRING NOT NULL)
        #1 $select.calc <- #0: Calc where (kind = 'a') [TO_TIMESTAMP_LTZ(ms, 3), file, (at + 1:BIGINT)]
            => (ts* TIMESTAMP_LTZ(3), file STRING, next BIGINT)
        #2 $select.sink <- #1: Sink $select
            => (ts* TIMESTAMP_LTZ(3), file STRING, next BIGINT)
    "#]].assert_eq(&whole(
        "CREATE TEMPORARY TABLE IF NOT EXISTS events (
           ms   BIGINT NOT NULL COMMENT 'when',
           ts   AS TO_TIMESTAMP_LTZ(ms, 3),
           `at` BIGINT METADATA FROM 'offset' VIRTUAL,
           file STRING METADATA FROM 'file.path',
           kind STRING,
           CONSTRAINT pk PRIMARY KEY (kind) NOT ENFORCED,
           WATERMARK FOR ts AS ts - INTERVAL '1' MINUTE
         ) COMMENT 'all of them' WITH (
           'connector' = 'filesystem', 'path' = 'x', 'format' = 'json', 'json.ignore-parse-errors' = 'true');
         SELECT ts, file, `at` + 1 AS next FROM events WHERE kind = 'a'",
    ));
}

#[test]
fn union_all_casts_to_common_types_and_keeps_the_time() {
    expect![[r#"
        #0 bids: Scan bids watermark (ts - INTERVAL 5 s)
            => (ts* TIMESTAMP(3), price INT)
        #1 $select.calc <- #0: Calc [ts]
            => (ts* TIMESTAMP(3))
        #2 $select.calc2 <- #0: Calc where (price > 1) [ts]
            => (ts* TIMESTAMP(3))
        #3 $select.calc3 <- #0: Calc [ts]
            => (ts* TIMESTAMP(3))
        #4 $select.union <- #1, #2, #3: Union
            => (ts* TIMESTAMP(3))
        #5 $select.calc4 <- #4: Calc [ts]
            => (ts* TIMESTAMP(3))
        #6 $select <- #5: WindowAggregate TUMBLE(size 1 min) on ts by []: COUNT(*)
            => (n BIGINT NOT NULL, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #7 $select.calc5 <- #6: Calc [window_start, n]
            => (window_start TIMESTAMP(3) NOT NULL, n BIGINT NOT NULL)
        #8 $select.sink <- #7: Sink $select
            => (window_start TIMESTAMP(3) NOT NULL, n BIGINT NOT NULL)
    "#]].assert_eq(&plan(
        "SELECT window_start, COUNT(*) AS n FROM TABLE(TUMBLE(
           TABLE (SELECT ts, price AS p FROM bids UNION ALL SELECT ts, auction FROM bids WHERE price > 1
                  UNION ALL SELECT ts, 1 FROM bids),
           DESCRIPTOR(ts), INTERVAL '1' MINUTE))
         GROUP BY window_start, window_end",
    ));
}

// spec: T-5
#[test]
fn union_all_with_rows_without_time_loses_it() {
    expect![[r#"
        SQL050 2:77 `ts` is no event time
                   SELECT window_start FROM TABLE(TUMBLE(TABLE both_kinds, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
                                                                                      ^^
          help: declare a WATERMARK for it in CREATE TABLE; an expression over the column, a CAST included, and UNION ALL with rows without a watermark lose it, and $late and $dead rows have none
    "#]].assert_eq(&plan(
        "CREATE VIEW both_kinds AS SELECT ts FROM bids UNION ALL SELECT at FROM plain;
         SELECT window_start FROM TABLE(TUMBLE(TABLE both_kinds, DESCRIPTOR(ts), INTERVAL '1' MINUTE))",
    ));
}

#[test]
fn common_table_expressions_and_column_aliases() {
    expect![[r#"
        #0 bids: Scan bids watermark (ts - INTERVAL 5 s)
            => (ts* TIMESTAMP(3), bidder STRING, price INT)
        #1 $select.calc <- #0: Calc where LIKE(bidder, 'a!_%', '!') [(price + 1), price, bidder]
            => (q INT, p INT, who STRING)
        #2 $select.sink <- #1: Sink $select
            => (q INT, p INT, who STRING)
    "#]]
    .assert_eq(&plan(
        "WITH a AS (SELECT price, bidder FROM bids), b (x, y) AS (SELECT * FROM a)
         SELECT t.p + 1 AS q, t.* FROM b AS t (p, who) WHERE t.who LIKE 'a!_%' ESCAPE '!'",
    ));
}

#[test]
fn values_and_an_insert_list() {
    expect![[r#"
        #0 out2.values: Values ('x'), ('longer'), (NULL)
            => (EXPR$0 VARCHAR(6))
        #1 out2.calc <- #0: Calc [NULL, CAST(EXPR$0 AS STRING)]
            => (a BIGINT, b STRING)
        #2 out2.sink <- #1: Sink out2
            => (a BIGINT, b STRING)
        #3 out2.values2: Values (TRUE)
            => (one BOOLEAN NOT NULL)
        #4 out2.calc2 <- #3: Calc [1, 'a']
            => (EXPR$0 INT NOT NULL, EXPR$1 CHAR(1) NOT NULL)
        #5 out2.values3: Values (TRUE)
            => (one BOOLEAN NOT NULL)
        #6 out2.calc3 <- #5: Calc [(2 + 3), UPPER('b')]
            => (EXPR$0 INT NOT NULL, EXPR$1 CHAR(1) NOT NULL)
        #7 out2.union <- #4, #6: Union
            => (EXPR$0 INT NOT NULL, EXPR$1 CHAR(1) NOT NULL)
        #8 out2.calc4 <- #7: Calc [CAST(EXPR$0 AS BIGINT NOT NULL), CAST(EXPR$1 AS STRING NOT NULL)]
            => (a BIGINT NOT NULL, b STRING NOT NULL)
        #9 out2.sink2 <- #8: Sink out2
            => (a BIGINT NOT NULL, b STRING NOT NULL)
        #10 $select.values: Values (TRUE)
            => (one BOOLEAN NOT NULL)
        #11 $select.calc <- #10: Calc [1, 'x']
            => (one INT NOT NULL, x CHAR(1) NOT NULL)
        #12 $select.sink <- #11: Sink $select
            => (one INT NOT NULL, x CHAR(1) NOT NULL)
    "#]]
    .assert_eq(&plan(
        "INSERT INTO out2 (b) VALUES ('x'), ('longer'), (NULL);
         INSERT INTO out2 VALUES (1, 'a'), (2 + 3, UPPER('b'));
         SELECT 1 AS one, 'x' AS x",
    ));
}

// spec: T-4
#[test]
fn late_and_dead_rows_are_tables() {
    expect![[r#"
        #0 bids: Scan bids watermark (ts - INTERVAL 5 s)
            => (ts* TIMESTAMP(3), auction BIGINT, bidder STRING, price INT, fee DECIMAL(10, 2), rate DOUBLE, item ROW<`name` STRING, `tags` ARRAY<STRING>>)
        #1 bids$late: SideScan bids$late
            => (ts TIMESTAMP(3), auction BIGINT, bidder STRING, price INT, fee DECIMAL(10, 2), rate DOUBLE, item ROW<`name` STRING, `tags` ARRAY<STRING>>, _operator STRING, _windows_missed INT, _windows_total INT, _watermark TIMESTAMP(3), _split STRING, _offset BIGINT)
        #2 $select.calc <- #1: Calc [bidder, _windows_missed]
            => (bidder STRING, _windows_missed INT)
        #3 $select.sink <- #2: Sink $select
            => (bidder STRING, _windows_missed INT)
        #4 bids$dead: SideScan bids$dead
            => (_split STRING, _offset BIGINT, _line BIGINT, _reason STRING, _expression STRING, _raw STRING)
        #5 $select2.calc <- #4: Calc where (_offset > 10:BIGINT) [_reason]
            => (_reason STRING)
        #6 $select2.sink <- #5: Sink $select2
            => (_reason STRING)
    "#]].assert_eq(&plan(
        "SELECT bidder, `_windows_missed` FROM `bids$late`;
         SELECT _reason FROM bids$dead WHERE _offset > 10",
    ));
}

// spec: E-2
// spec: T-6
#[test]
fn the_clock_makes_a_statement_depend_on_the_journal() {
    expect![[r#"
        #0 bids: Scan bids watermark (ts - INTERVAL 5 s)
            => (ts* TIMESTAMP(3), bidder STRING)
        #1 $select.calc <- #0: Calc where CURRENT_WATERMARK IS NULL [bidder, TICK]
            => (bidder STRING, now_ TIMESTAMP_LTZ(3) NOT NULL) [journal]
        #2 $select.sink <- #1: Sink $select
            => (bidder STRING, now_ TIMESTAMP_LTZ(3) NOT NULL) [journal]
        #3 $select2.calc <- #0: Calc where TICK IS NOT NULL [ts]
            => (ts* TIMESTAMP(3)) [journal]
        #4 $select2 <- #3: WindowAggregate TUMBLE(size 1 h) on ts by []: COUNT(*)
            => (n BIGINT NOT NULL, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL) [journal]
        #5 $select2.calc2 <- #4: Calc [n]
            => (n BIGINT NOT NULL) [journal]
        #6 $select2.sink <- #5: Sink $select2
            => (n BIGINT NOT NULL) [journal]
    "#]].assert_eq(&plan(
        "SELECT bidder, CURRENT_TIMESTAMP AS now_ FROM bids WHERE CURRENT_WATERMARK(ts) IS NULL;
         SELECT COUNT(*) AS n FROM TABLE(TUMBLE(TABLE (SELECT ts, PROCTIME() AS p FROM bids),
           DESCRIPTOR(ts), INTERVAL '1' HOUR)) WHERE p IS NOT NULL GROUP BY window_start, window_end",
    ));
}

#[test]
fn a_hint_with_options_changes_the_table() {
    let text = "SELECT id FROM plain /*+ OPTIONS('scan.rate' = '10') */ AS p";
    let compiled = crate::support::compiled(text);
    let plan = compiled.plan.expect("the text is in order");
    assert_eq!(plan.tables[0].options.get("scan.rate").map(String::as_str), Some("10"));
}

#[test]
fn the_flights_example() {
    let text = include_str!("../../../../examples/flights/flights.sql");
    expect_file!["../flights.txt"].assert_eq(&whole(text));
}

#[test]
fn two_compilations_give_the_same_plan() {
    let text = "SELECT bidder, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR))
                GROUP BY bidder, window_end, window_start";
    let first = crate::support::compiled(text).plan.expect("the text is in order");
    let second = crate::support::compiled(&format!("-- a comment\n{text}")).plan.expect("in order");
    assert_eq!(first.hash(), second.hash());
}
