//! Windows: every kind, every spelling, and what groups them.

use crate::support::plan;
use expect_test::expect;

#[test]
fn a_grouped_tumble_with_a_filter_and_having() {
    expect![[r#"
        #0 bids: Scan bids watermark (ts - INTERVAL 5 s)
            => (ts* TIMESTAMP(3), auction BIGINT, bidder STRING, price INT)
        #1 $select.calc <- #0: Calc where bidder IS NOT NULL [auction, price, (price > 10), ts]
            => (auction BIGINT, price INT, filter2 BOOLEAN, ts* TIMESTAMP(3))
        #2 $select <- #1: WindowAggregate TUMBLE(size 10 s) on ts by [auction]: SUM(price), COUNT(*) FILTER filter2
            => (auction BIGINT, total INT, dear BIGINT NOT NULL, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #3 $select.calc2 <- #2: Calc where ((window_start > 2020-01-01 00:00:00:TIMESTAMP(3)) AND (total > 100)) [window_end, auction, total, dear]
            => (window_end TIMESTAMP(3) NOT NULL, auction BIGINT, total INT, dear BIGINT NOT NULL)
        #4 $select.sink <- #3: Sink $select
            => (window_end TIMESTAMP(3) NOT NULL, auction BIGINT, total INT, dear BIGINT NOT NULL)
    "#]].assert_eq(&plan(
        "SELECT window_end, auction, SUM(price) AS total, COUNT(*) FILTER (WHERE price > 10) AS dear
         FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECONDS))
         WHERE bidder IS NOT NULL AND window_start > TIMESTAMP '2020-01-01 00:00:00'
         GROUP BY window_start, window_end, auction
         HAVING SUM(price) > 100",
    ));
}

#[test]
fn named_arguments_and_offsets() {
    expect![[r#"
        #0 bids: Scan bids watermark (ts - INTERVAL 5 s)
            => (ts* TIMESTAMP(3), bidder STRING)
        #1 $select.calc <- #0: Calc [bidder, ts]
            => (bidder STRING, ts* TIMESTAMP(3))
        #2 $select <- #1: WindowAggregate HOP(size 1 h, slide 5 min, offset 1 min) on ts by []: COUNT(DISTINCT bidder)
            => (bidders BIGINT NOT NULL, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #3 $select.calc2 <- #2: Calc [window_start, window_end, bidders]
            => (window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, bidders BIGINT NOT NULL)
        #4 $select.sink <- #3: Sink $select
            => (window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, bidders BIGINT NOT NULL)
    "#]].assert_eq(&plan(
        "SELECT window_start, window_end, COUNT(DISTINCT bidder) AS bidders
         FROM TABLE(HOP(DATA => TABLE bids, TIMECOL => DESCRIPTOR(ts),
                        SLIDE => INTERVAL '5' MINUTES, SIZE => INTERVAL '1' HOUR,
                        OFFSET => INTERVAL '1' MINUTE))
         GROUP BY window_start, window_end",
    ));
}

#[test]
fn cumulate_takes_the_step_first() {
    expect![[r#"
        #0 bids: Scan bids watermark (ts - INTERVAL 5 s)
            => (ts* TIMESTAMP(3), price INT)
        #1 $select.calc <- #0: Calc [price, ts]
            => (price INT, ts* TIMESTAMP(3))
        #2 $select <- #1: WindowAggregate CUMULATE(size 1 h, step 1 min) on ts by []: MAX(price)
            => (EXPR$1 INT, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #3 $select.calc2 <- #2: Calc [window_time, EXPR$1]
            => (window_time* TIMESTAMP(3) NOT NULL, EXPR$1 INT)
        #4 $select.sink <- #3: Sink $select
            => (window_time* TIMESTAMP(3) NOT NULL, EXPR$1 INT)
    "#]].assert_eq(&plan(
        "SELECT window_time, MAX(price) FROM
         TABLE(CUMULATE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '1' HOUR))
         GROUP BY window_start, window_end, window_time",
    ));
}

#[test]
fn a_bare_window_gives_rows_with_its_columns() {
    expect![[r#"
        #0 bids: Scan bids watermark (ts - INTERVAL 5 s)
            => (ts* TIMESTAMP(3), auction BIGINT, price INT)
        #1 $select.calc <- #0: Calc where (price > 3) [ts, auction]
            => (ts* TIMESTAMP(3), auction BIGINT)
        #2 $select.window <- #1: WindowAssign TUMBLE(size 10 s) on ts
            => (ts TIMESTAMP(3), auction BIGINT, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #3 $select.calc2 <- #2: Calc [auction, window_start, window_time]
            => (auction BIGINT, window_start TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #4 $select.sink <- #3: Sink $select
            => (auction BIGINT, window_start TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
    "#]].assert_eq(&plan(
        "SELECT auction, window_start, window_time
         FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE price > 3",
    ));
}

#[test]
fn a_bare_session_keeps_filters_above_it() {
    expect![[r#"
        #0 bids: Scan bids watermark (ts - INTERVAL 5 s)
            => (ts* TIMESTAMP(3), bidder STRING, price INT)
        #1 $select.calc <- #0: Calc [ts, bidder, price]
            => (ts* TIMESTAMP(3), bidder STRING, price INT)
        #2 $select.window <- #1: WindowAssign SESSION(gap 1 min) on ts by bidder
            => (ts TIMESTAMP(3), bidder STRING, price INT, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #3 $select.calc2 <- #2: Calc where (price > 3) [bidder, window_start, window_end]
            => (bidder STRING, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL)
        #4 $select.sink <- #3: Sink $select
            => (bidder STRING, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL)
    "#]].assert_eq(&plan(
        "SELECT bidder, window_start, window_end
         FROM TABLE(SESSION(TABLE bids PARTITION BY bidder, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
         WHERE price > 3",
    ));
}

#[test]
fn groups_over_a_sub_query_or_view_are_the_same_node() {
    expect![[r#"
        #0 bids: Scan bids watermark (ts - INTERVAL 5 s)
            => (ts* TIMESTAMP(3), auction BIGINT, bidder STRING, price INT)
        #1 $select.calc <- #0: Calc where (auction = 1:BIGINT) [bidder, (price * 2), ts]
            => (bidder STRING, twice INT, ts* TIMESTAMP(3))
        #2 $select <- #1: WindowAggregate TUMBLE(size 10 s) on ts by [bidder]: SUM(twice)
            => (bidder STRING, s INT, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #3 $select.calc2 <- #2: Calc [window_start, bidder, s]
            => (ws TIMESTAMP(3) NOT NULL, bidder STRING, s INT)
        #4 $select.sink <- #3: Sink $select
            => (ws TIMESTAMP(3) NOT NULL, bidder STRING, s INT)
    "#]].assert_eq(&plan(
        "CREATE VIEW windowed AS
           SELECT price * 2 AS twice, window_start AS ws, window_end AS we, bidder
           FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE auction = 1;
         SELECT ws, bidder, SUM(twice) AS s FROM windowed GROUP BY ws, we, bidder",
    ));
}

// spec: T-5
#[test]
fn a_window_over_a_window_goes_by_window_time() {
    expect![[r#"
        #0 bids: Scan bids watermark (ts - INTERVAL 5 s)
            => (ts* TIMESTAMP(3), bidder STRING, price INT)
        #1 per_minute.calc <- #0: Calc [bidder, price, ts]
            => (bidder STRING, price INT, ts* TIMESTAMP(3))
        #2 per_minute <- #1: WindowAggregate TUMBLE(size 1 min) on ts by [bidder]: SUM(price)
            => (bidder STRING, s INT, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #3 out2.calc <- #2: Calc [bidder, s, window_time]
            => (bidder STRING, s INT, rowtime* TIMESTAMP(3) NOT NULL)
        #4 out2 <- #3: WindowAggregate TUMBLE(size 1 h) on rowtime by [bidder]: MAX(s)
            => (bidder STRING, EXPR$0 INT, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #5 out2.calc2 <- #4: Calc [CAST(EXPR$0 AS BIGINT), bidder]
            => (a BIGINT, b STRING)
        #6 out2.sink <- #5: Sink out2
            => (a BIGINT, b STRING)
    "#]].assert_eq(&plan(
        "CREATE VIEW per_minute AS
           SELECT window_time AS rowtime, bidder, SUM(price) AS s
           FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
           GROUP BY window_start, window_end, window_time, bidder;
         INSERT INTO out2 SELECT MAX(s), bidder
           FROM TABLE(TUMBLE(TABLE per_minute, DESCRIPTOR(rowtime), INTERVAL '1' HOUR))
           GROUP BY window_start, window_end, bidder",
    ));
}

// spec: S-3
#[test]
fn two_windows_of_one_statement_are_numbered_from_the_innermost() {
    expect![[r#"
        #0 bids: Scan bids watermark (ts - INTERVAL 5 s)
            => (ts* TIMESTAMP(3), bidder STRING)
        #1 out2.calc <- #0: Calc [bidder, ts]
            => (bidder STRING, ts* TIMESTAMP(3))
        #2 out2 <- #1: WindowAggregate TUMBLE(size 1 min) on ts by [bidder]: 
            => (bidder STRING, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #3 out2.calc2 <- #2: Calc [bidder, window_time]
            => (bidder STRING, rt* TIMESTAMP(3) NOT NULL)
        #4 out2#2 <- #3: WindowAggregate TUMBLE(size 1 h) on rt by [bidder]: COUNT(*)
            => (bidder STRING, EXPR$0 BIGINT NOT NULL, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #5 out2.calc3 <- #4: Calc [EXPR$0, bidder]
            => (a BIGINT NOT NULL, b STRING)
        #6 out2.sink <- #5: Sink out2
            => (a BIGINT NOT NULL, b STRING)
    "#]].assert_eq(&plan(
        "INSERT INTO out2 SELECT COUNT(*), bidder FROM TABLE(TUMBLE(
           TABLE (SELECT window_time AS rt, bidder FROM
                  TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
                  GROUP BY window_start, window_end, window_time, bidder),
           DESCRIPTOR(rt), INTERVAL '1' HOUR))
         GROUP BY window_start, window_end, bidder",
    ));
}

#[test]
fn the_legacy_spelling_is_the_same_node() {
    expect![[r#"
        #0 bids: Scan bids watermark (ts - INTERVAL 5 s)
            => (ts* TIMESTAMP(3), bidder STRING, price INT)
        #1 $select.calc <- #0: Calc where (price > 0) [bidder, price, ts]
            => (bidder STRING, price INT, ts* TIMESTAMP(3))
        #2 $select <- #1: WindowAggregate TUMBLE(size 1 min) on ts by [bidder]: AVG(price)
            => (bidder STRING, mean INT, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #3 $select.calc2 <- #2: Calc [bidder, window_start, window_end, window_time, mean]
            => (bidder STRING, s TIMESTAMP(3) NOT NULL, e TIMESTAMP(3) NOT NULL, rt* TIMESTAMP(3) NOT NULL, mean INT)
        #4 $select.sink <- #3: Sink $select
            => (bidder STRING, s TIMESTAMP(3) NOT NULL, e TIMESTAMP(3) NOT NULL, rt* TIMESTAMP(3) NOT NULL, mean INT)
        #5 $select2.calc <- #0: Calc [ts]
            => (ts* TIMESTAMP(3))
        #6 $select2 <- #5: WindowAggregate HOP(size 1 h, slide 1 min) on ts by []: COUNT(*)
            => (n BIGINT NOT NULL, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #7 $select2.calc2 <- #6: Calc [window_start, n]
            => (s TIMESTAMP(3) NOT NULL, n BIGINT NOT NULL)
        #8 $select2.sink <- #7: Sink $select2
            => (s TIMESTAMP(3) NOT NULL, n BIGINT NOT NULL)
        #9 $select3.calc <- #0: Calc [bidder, price, ts]
            => (bidder STRING, price INT, ts* TIMESTAMP(3))
        #10 $select3 <- #9: WindowAggregate SESSION(gap 1 min) on ts by [bidder]: LAST_VALUE(price)
            => (bidder STRING, p INT, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #11 $select3.calc2 <- #10: Calc [window_end, bidder, p]
            => (e TIMESTAMP(3) NOT NULL, bidder STRING, p INT)
        #12 $select3.sink <- #11: Sink $select3
            => (e TIMESTAMP(3) NOT NULL, bidder STRING, p INT)
    "#]].assert_eq(&plan(
        "SELECT bidder, TUMBLE_START(ts, INTERVAL '1' MINUTE) AS s, TUMBLE_END(ts, INTERVAL '1' MINUTE) AS e,
                TUMBLE_ROWTIME(ts, INTERVAL '1' MINUTE) AS rt, AVG(price) AS mean
         FROM bids WHERE price > 0 GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE), bidder;
         SELECT HOP_START(ts, INTERVAL '1' MINUTE, INTERVAL '1' HOUR) AS s, COUNT(*) AS n
         FROM bids GROUP BY HOP(ts, INTERVAL '1' MINUTE, INTERVAL '1' HOUR);
         SELECT SESSION_END(ts, INTERVAL '1' MINUTE) AS e, bidder, LAST_VALUE(price) AS p
         FROM bids GROUP BY SESSION(ts, INTERVAL '1' MINUTE), bidder",
    ));
}

#[test]
fn keys_may_be_expressions_and_are_matched_wherever_they_stand() {
    expect![[r#"
        #0 bids: Scan bids watermark (ts - INTERVAL 5 s)
            => (ts* TIMESTAMP(3), bidder STRING, price INT)
        #1 $select.calc <- #0: Calc [UPPER(bidder), (price / 10), price, ts]
            => (key1 STRING, key2 INT, price INT, ts* TIMESTAMP(3))
        #2 $select <- #1: WindowAggregate TUMBLE(size 10 s) on ts by [key1, key2]: MIN(price), MAX(price)
            => (key1 STRING, key2 INT, agg1 INT, agg2 INT, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #3 $select.calc2 <- #2: Calc [(key1 || '!'), (key2 + 1), (agg1 + agg2)]
            => (loud STRING, decade INT, m INT)
        #4 $select.sink <- #3: Sink $select
            => (loud STRING, decade INT, m INT)
    "#]].assert_eq(&plan(
        "SELECT UPPER(bidder) || '!' AS loud, price / 10 + 1 AS decade, MIN(price) + MAX(price) AS m
         FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND)) AS b
         GROUP BY window_start, window_end, UPPER(b.bidder), price / 10",
    ));
}

#[test]
fn a_constant_key_stays_a_key() {
    // A planner that takes a window of constants for a constant deletes the key.
    expect![[r#"
        #0 bids: Scan bids watermark (ts - INTERVAL 5 s)
            => (ts* TIMESTAMP(3))
        #1 $select.calc <- #0: Calc ['all', ts]
            => (key1 CHAR(3) NOT NULL, ts* TIMESTAMP(3))
        #2 $select <- #1: WindowAggregate TUMBLE(size 10 s) on ts by [key1]: COUNT(*)
            => (key1 CHAR(3) NOT NULL, n BIGINT NOT NULL, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #3 $select.calc2 <- #2: Calc ['all', n]
            => (k CHAR(3) NOT NULL, n BIGINT NOT NULL)
        #4 $select.sink <- #3: Sink $select
            => (k CHAR(3) NOT NULL, n BIGINT NOT NULL)
    "#]].assert_eq(&plan(
        "SELECT 'all' AS k, COUNT(1) AS n
         FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND))
         GROUP BY window_start, window_end, 'all'",
    ));
}

#[test]
fn a_session_with_several_keys_and_named_arguments() {
    expect![[r#"
        #0 bids: Scan bids watermark (ts - INTERVAL 5 s)
            => (ts* TIMESTAMP(3), auction BIGINT, bidder STRING)
        #1 $select.calc <- #0: Calc [auction, bidder, ts]
            => (auction BIGINT, bidder STRING, ts* TIMESTAMP(3))
        #2 $select <- #1: WindowAggregate SESSION(gap 1 min) on ts by [auction, bidder]: COUNT(*)
            => (auction BIGINT, bidder STRING, n BIGINT NOT NULL, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #3 $select.calc2 <- #2: Calc [bidder, auction, n]
            => (bidder STRING, auction BIGINT, n BIGINT NOT NULL)
        #4 $select.sink <- #3: Sink $select
            => (bidder STRING, auction BIGINT, n BIGINT NOT NULL)
        #5 $select2.calc <- #0: Calc [bidder, ts]
            => (bidder STRING, ts* TIMESTAMP(3))
        #6 $select2 <- #5: WindowAggregate SESSION(gap 1 min) on ts by [bidder]: COUNT(*)
            => (bidder STRING, n BIGINT NOT NULL, window_start TIMESTAMP(3) NOT NULL, window_end TIMESTAMP(3) NOT NULL, window_time* TIMESTAMP(3) NOT NULL)
        #7 $select2.calc2 <- #6: Calc [n]
            => (n BIGINT NOT NULL)
        #8 $select2.sink <- #7: Sink $select2
            => (n BIGINT NOT NULL)
    "#]].assert_eq(&plan(
        "SELECT w.bidder, w.auction, COUNT(*) AS n
         FROM TABLE(SESSION(TABLE bids PARTITION BY bidder, auction, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) AS w
         GROUP BY w.window_start, w.window_end, w.auction, w.bidder;
         SELECT COUNT(*) AS n FROM TABLE(SESSION(DATA => TABLE bids PARTITION BY bidder,
           TIMECOL => DESCRIPTOR(ts), GAP => INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, bidder",
    ));
}

#[test]
fn a_window_function_without_table_around_it() {
    let wrapped =
        plan("SELECT window_end FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' HOUR))");
    let short = plan("SELECT window_end FROM TUMBLE(bids, DESCRIPTOR(ts), INTERVAL '1' HOUR)");
    assert_eq!(wrapped, short);
}
