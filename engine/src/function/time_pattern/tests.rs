//! Patterns of dates and times, read and written.

use super::*;
use crate::types::datetime::sql::{parse_timestamp, write_timestamp};
use proptest::prelude::*;

fn shown(pattern: &str, dialect: Dialect, time: &str) -> String {
    let mut out = String::new();
    TimePattern::parse(pattern, dialect).unwrap().write(parse_timestamp(time).unwrap(), &mut out);
    out
}

fn read(pattern: &str, dialect: Dialect, text: &str) -> Option<String> {
    let (moment, _) = TimePattern::parse(pattern, dialect).unwrap().read(text)?;
    let mut out = String::new();
    write_timestamp(moment, 3, &mut out);
    Some(out)
}

#[test]
fn the_two_readings_differ_in_u_and_s() {
    let time = "2024-02-29 10:11:12.123456";
    assert_eq!(shown("u SSSSSS", Dialect::Formatter, time), "2024 123456");
    assert_eq!(shown("u SSSSSS", Dialect::Simple, time), "4 000123");
}

#[test]
fn only_the_older_reading_rolls_over() {
    let (old, new) = (Dialect::Simple, Dialect::Formatter);
    assert_eq!(read("yyyy-MM-dd", old, "2024-02-30").unwrap(), "2024-03-01 00:00:00.000");
    assert_eq!(read("yyyy-MM-dd", new, "2024-02-30").unwrap(), "2024-02-29 00:00:00.000");
    assert_eq!(read("yyyy-MM-dd", old, "2024-2-9 and more").unwrap(), "2024-02-09 00:00:00.000");
    assert_eq!(read("yyyy-MM-dd", new, "2024-2-9"), None);
    assert_eq!(read("yyyyMMddHHmm", old, "202402291011").unwrap(), "2024-02-29 10:11:00.000");
}

#[test]
fn letters_without_meaning_are_refused() {
    for pattern in ["b", "unknown", "yyyy'", "{", "VV"] {
        assert!(TimePattern::parse(pattern, Dialect::Formatter).is_err(), "{pattern}");
    }
    assert!(TimePattern::parse("VV", Dialect::Simple).is_err());
}

#[test]
fn weeks_are_american() {
    let day = |text: &str| parse_timestamp(text).unwrap().days();
    assert_eq!(local_week(day("2024-12-30")), (2025, 1));
    assert_eq!(local_week(day("2024-12-29")), (2025, 1));
    assert_eq!(shown("YYYY-ww", Dialect::Formatter, "2024-02-29 00:00:00"), "2024-09");
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(seconds in -62_135_596_800i64..253_402_300_800, millis in 0u32..1000) {
        let moment = DateTime { seconds, nanos: millis * 1_000_000 };
        for dialect in [Dialect::Formatter, Dialect::Simple] {
            let pattern = TimePattern::parse("yyyy-MM-dd'T'HH:mm:ss.SSS", dialect).unwrap();
            let mut text = String::new();
            pattern.write(moment, &mut text);
            prop_assert_eq!(pattern.read(&text), Some((moment, None)));
        }
    }

    #[test]
    fn nothing_panics(pattern in "[yMdHhmsSaEDuXZ' .:/-]{0,12}", text in "[0-9a-zA-Z+:. -]{0,20}") {
        for dialect in [Dialect::Formatter, Dialect::Simple] {
            if let Ok(pattern) = TimePattern::parse(&pattern, dialect) {
                let _ = pattern.read(&text);
                pattern.write(DateTime { seconds: -1, nanos: 1 }, &mut String::new());
            }
        }
    }
}
