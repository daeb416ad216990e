//! Names, quotes, comments and keywords.

use crate::support::{columns, errors, whole};
use expect_test::expect;

#[test]
fn names_are_case_sensitive_and_keywords_are_not() {
    expect![[r#"
        SQL011 1:8 unknown column `Price`
          select Price as `From`, upper(bidder) AS x from bids
                 ^^^^^
          help: did you mean `price`?
    "#]]
    .assert_eq(&columns("select Price as `From`, upper(bidder) AS x from bids"));
    expect![[r#"
        select INT
        EXPR$1 STRING
    "#]]
    .assert_eq(&columns("sElEcT price As `select`, uPpEr(bidder) FROM bids wHeRe NOT false"));
}

#[test]
fn texts_double_their_quotes_and_names_stand_in_backticks() {
    expect![[r#"
        a b CHAR(4) NOT NULL
        c CHAR(4) NOT NULL
        d CHAR(8) NOT NULL
        e CHAR(2) NOT NULL
    "#]]
    .assert_eq(&columns("SELECT 'it''s' AS `a b`, 'a--b' AS c, '/* no */' AS d, 'ä€' AS e"));
}

#[test]
fn comments_are_left_out() {
    expect![[r#"
        a INT NOT NULL
        b INT NOT NULL
    "#]]
    .assert_eq(&columns(
        "-- one\nSELECT /* two\n lines */ 1 AS a -- three\n, 2 AS b;;\n-- the end",
    ));
}

#[test]
fn double_quotes_are_refused_with_both_corrections() {
    expect![[r#"
        SQL003 1:8 double quotes around "bidder"
          SELECT "bidder" FROM bids;
                 ^^^^^^^^
          help: write 'bidder' for a text, or `bidder` for a name
        SQL003 2:40 double quotes around "x"
          SELECT bidder FROM bids WHERE bidder = "x";
                                                 ^^^
          help: write 'x' for a text, or `x` for a name
    "#]]
    .assert_eq(&errors(
        "SELECT \"bidder\" FROM bids;\nSELECT bidder FROM bids WHERE bidder = \"x\";",
    ));
}

#[test]
fn a_token_that_does_not_end_is_shown_where_it_begins() {
    expect![[r#"
        SQL011 1:8 unknown column `pirce`
          SELECT pirce FROM bids;
                 ^^^^^
          help: did you mean `price`?
        SQL002 2:8 the text in quotes does not end
          SELECT 'abc FROM bids;
                 ^
          help: close it with '; a quote inside a text is doubled: ''
    "#]]
    .assert_eq(&errors("SELECT pirce FROM bids;\nSELECT 'abc FROM bids;"));
    expect![[r#"
        SQL002 1:11 the comment does not end
          SELECT 1; /* never closed
                    ^^
          help: close it with */
    "#]]
    .assert_eq(&errors("SELECT 1; /* never closed"));
    expect![[r#"
        SQL002 1:8 the name in backticks does not end
          SELECT `abc FROM bids
                 ^
          help: close it with `
    "#]]
    .assert_eq(&errors("SELECT `abc FROM bids"));
}

#[test]
fn an_empty_text_has_nothing_to_run() {
    expect![[r#"
        nothing to run, nothing wrong
    "#]]
    .assert_eq(&whole(""));
    expect![[r#"
        nothing to run, nothing wrong
    "#]]
    .assert_eq(&whole(" ; -- nothing\n ;"));
}

#[test]
fn positions_count_characters_and_lines() {
    expect![[r#"
        SQL011 2:10 unknown column `colum`
            'ö' || colum FROM bids
                   ^^^^^
          help: the columns are `ts`, `auction`, `bidder`, `price`, `fee`, `rate`, `item`
    "#]]
    .assert_eq(&errors("SELECT 'ä' AS a,\r\n  'ö' || colum FROM bids"));
}
