//! The types of constants, operators, functions, aggregates and CASE.

use crate::support::columns;
use expect_test::expect;

#[test]
fn numbers_are_int_bigint_decimal_or_double() {
    expect![[r#"
        EXPR$0 INT NOT NULL
        EXPR$1 BIGINT NOT NULL
        EXPR$2 DECIMAL(2, 1) NOT NULL
        EXPR$3 DECIMAL(3, 2) NOT NULL
        EXPR$4 DOUBLE NOT NULL
        EXPR$5 BIGINT NOT NULL
        EXPR$6 DECIMAL(20, 0) NOT NULL
        EXPR$7 DECIMAL(1, 1) NOT NULL
    "#]]
    .assert_eq(&columns(
        "SELECT 1, 3000000000, 1.5, 0.50, 1.5e0, -9223372036854775808, 99999999999999999999, .5",
    ));
}

#[test]
fn other_constants() {
    expect![[r#"
        EXPR$0 CHAR(3) NOT NULL
        EXPR$1 CHAR(0) NOT NULL
        EXPR$2 BOOLEAN NOT NULL
        EXPR$3 NULL
        EXPR$4 DATE NOT NULL
        EXPR$5 TIME(0) NOT NULL
        EXPR$6 TIMESTAMP(0) NOT NULL
        EXPR$7 TIMESTAMP(6) NOT NULL
        EXPR$8 INTERVAL DAY TO SECOND(3) NOT NULL
        EXPR$9 INTERVAL YEAR TO MONTH NOT NULL
    "#]].assert_eq(&columns(
        "SELECT 'abc', '', TRUE, NULL, DATE '2020-02-29', TIME '10:00:00', TIMESTAMP '2020-01-01 00:00:00',
                TIMESTAMP '2020-01-01 00:00:00.123456', INTERVAL '1:30' MINUTE TO SECOND, INTERVAL '1-2' YEAR TO MONTH",
    ));
}

#[test]
fn operators() {
    expect![[r#"
        a INT
        b BIGINT
        c DECIMAL(21, 2)
        d DECIMAL(11, 2)
        e DOUBLE
        f STRING
        g TIMESTAMP(3)
        h BOOLEAN
        i BOOLEAN
        j BOOLEAN
        k BOOLEAN NOT NULL
        l STRING
        m STRING
        n ARRAY<STRING>
        o DECIMAL(10, 2)
        p INT
    "#]].assert_eq(&columns(
        "SELECT price / 2 AS a, price + auction AS b, fee * 2 AS c, fee + fee AS d, rate * price AS e,
                bidder || 'x' AS f, ts - INTERVAL '1' DAY AS g, price > 1 AND rate < 2 AS h,
                price IN (1, 2) AS i, NOT bidder LIKE 'a%' AS j, price IS DISTINCT FROM 2 AS k,
                item.name AS l, item.tags[1] AS m, bids.item.tags AS n, -fee AS o, price % 3 AS p
         FROM bids",
    ));
}

#[test]
fn conditional_expressions() {
    expect![[r#"
        a DECIMAL(11, 1) NOT NULL
        b VARCHAR(3)
        c STRING NOT NULL
        d INT
        e BIGINT
        f DOUBLE NOT NULL
        g STRING
        h INT
        i DECIMAL(5, 2)
        j DATE
        k INT
    "#]].assert_eq(&columns(
        "SELECT CASE WHEN price > 1 THEN 1 ELSE 2.5 END AS a, CASE price WHEN 1 THEN 'x' WHEN 2 THEN 'yes' END AS b,
                COALESCE(bidder, 'none') AS c, NULLIF(price, 0) AS d, IF(price > 1, price, auction) AS e,
                IFNULL(rate, 0) AS f, CAST(price AS STRING) AS g, TRY_CAST(bidder AS INT) AS h,
                CAST(bidder AS DECIMAL(5, 2)) AS i, CAST(ts AS DATE) AS j, GREATEST(price, 2) AS k
         FROM bids",
    ));
}

#[test]
fn functions_with_a_grammar_of_their_own() {
    expect![[r#"
        a BIGINT
        b TIMESTAMP(3)
        c DOUBLE
        d STRING
        e STRING
        f INT
        g STRING
        h STRING
        i TIMESTAMP(3)
        j INT
        k TIMESTAMP_LTZ(3) NOT NULL
        l DATE NOT NULL
        m TIMESTAMP(3) NOT NULL
    "#]]
    .assert_eq(&columns(
        "SELECT EXTRACT(HOUR FROM ts) AS a, FLOOR(ts TO DAY) AS b, CEIL(rate) AS c,
                TRIM(BOTH 'x' FROM bidder) AS d, TRIM(bidder) AS e, POSITION('a' IN bidder) AS f,
                SUBSTRING(bidder FROM 2 FOR 3) AS g, SUBSTRING(bidder, 2) AS h,
                TIMESTAMPADD(DAY, 1, ts) AS i, TIMESTAMPDIFF(MINUTE, ts, ts) AS j,
                NOW() AS k, CURRENT_DATE AS l, LOCALTIMESTAMP AS m
         FROM bids",
    ));
}

#[test]
fn aggregates() {
    expect![[r#"
        a BIGINT NOT NULL
        b BIGINT NOT NULL
        c INT
        d DECIMAL(38, 2)
        e DOUBLE
        f INT
        g DECIMAL(38, 6)
        h STRING
        i TIMESTAMP(3)
        j STRING
        k BIGINT NOT NULL
        l INT
        window_start TIMESTAMP(3) NOT NULL
        window_time TIMESTAMP(3) NOT NULL
    "#]].assert_eq(&columns(
        "SELECT COUNT(*) AS a, COUNT(bidder) AS b, SUM(price) AS c, SUM(fee) AS d, SUM(rate) AS e, AVG(price) AS f,
                AVG(fee) AS g, MIN(bidder) AS h, MAX(ts) AS i, FIRST_VALUE(bidder) AS j, COUNT(DISTINCT price) AS k,
                SUM(2) FILTER (WHERE price > 1) AS l, window_start, window_time
         FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE))
         GROUP BY window_start, window_end, window_time",
    ));
}

#[test]
fn declared_types_in_all_their_spellings() {
    let table = "CREATE TABLE t (
        a INT, b INTEGER, c STRING, d BYTES, e DECIMAL, f DECIMAL(5), g DECIMAL(5, 2), h NUMERIC(3, 1),
        i TIMESTAMP(3), j TIMESTAMP(3) WITHOUT TIME ZONE, k TIMESTAMP_LTZ(3),
        l TIMESTAMP(6) WITH LOCAL TIME ZONE, m ROW<x INT, y ARRAY<ROW<z STRING>>>, n ARRAY<ARRAY<INT NOT NULL>>,
        o CHAR(3), p VARCHAR(10), q VARCHAR, r DOUBLE PRECISION, s FLOAT, t TINYINT, u SMALLINT NOT NULL,
        v BIGINT NULL, w BOOLEAN, x DATE, y TIME(3), z TIMESTAMP, aa BINARY(2), bb VARBINARY(4), cc ROW(k INT 'why'))
      WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'json'); SELECT * FROM t";
    expect![[r#"
        a INT
        b INT
        c STRING
        d BYTES
        e DECIMAL(10, 0)
        f DECIMAL(5, 0)
        g DECIMAL(5, 2)
        h DECIMAL(3, 1)
        i TIMESTAMP(3)
        j TIMESTAMP(3)
        k TIMESTAMP_LTZ(3)
        l TIMESTAMP_LTZ(6)
        m ROW<`x` INT, `y` ARRAY<ROW<`z` STRING>>>
        n ARRAY<ARRAY<INT NOT NULL>>
        o CHAR(3)
        p VARCHAR(10)
        q VARCHAR(1)
        r DOUBLE
        s FLOAT
        t TINYINT
        u SMALLINT NOT NULL
        v BIGINT
        w BOOLEAN
        x DATE
        y TIME(3)
        z TIMESTAMP(6)
        aa BINARY(2)
        bb VARBINARY(4)
        cc ROW<`k` INT>
    "#]]
    .assert_eq(&columns(table));
}
