//! Texts of records.

use super::super::TimeUnit;
use super::*;
use proptest::prelude::*;

fn timestamp(text: &str) -> Option<(i64, u32, bool)> {
    parse_timestamp(text.as_bytes()).map(|t| (t.at.seconds, t.at.nanos, t.utc))
}

#[test]
fn timestamps_read_in_sql_and_iso_form() {
    assert_eq!(timestamp("1970-01-01 00:00:00"), Some((0, 0, false)));
    assert_eq!(timestamp("2023-11-14 22:13:20.123"), Some((1_700_000_000, 123_000_000, false)));
    assert_eq!(timestamp("2023-11-14T22:13:20Z"), Some((1_700_000_000, 0, true)));
    assert_eq!(timestamp("2023-11-14t22:13:20.5z"), Some((1_700_000_000, 500_000_000, true)));
    assert_eq!(timestamp("2023-11-14T22:13"), Some((1_699_999_980, 0, false)));
    assert_eq!(
        timestamp("2023-11-14 22:13:20.123456789"),
        Some((1_700_000_000, 123_456_789, false))
    );
    assert_eq!(timestamp("1969-12-31 23:59:59.999"), Some((-1, 999_000_000, false)));
    assert_eq!(timestamp("+10000-01-01 00:00:00"), Some((253_402_300_800, 0, false)));
    assert_eq!(timestamp("-0001-12-31 00:00:00"), Some((-62_167_305_600, 0, false)));
}

#[test]
fn what_is_not_a_timestamp_is_none() {
    let bad = [
        "",
        "2023",
        "2023-11-14",
        "2023-11-14 ",
        "2023-11-14 22",
        "2023-11-14 24:00:00",
        "2023-11-14 22:60:00",
        "2023-11-14 22:13:60",
        "2023-02-29 00:00:00",
        "2023-13-01 00:00:00",
        "2023-00-01 00:00:00",
        "2023-01-00 00:00:00",
        "2023-04-31 00:00:00",
        "2023/11/14 22:13:20",
        "2023-11-14_22:13:20",
        "2023-11-14 22:13:20.1234567890",
        "2023-11-14 22:13:20+01:00",
        " 2023-11-14 22:13:20",
        "2023-11-14 22:13:20 ",
        "2023-11-14 22:13:20ZZ",
        "10000-01-01 00:00:00",
        "20a3-11-14 22:13:20",
        "2023-11-14 22:1::20",
        "2023-11-14 22:13:2:",
        "2023-1\u{ff}1-14 22:13:20",
        "2023-1\x001-14 22:13:20",
    ];
    for text in bad {
        assert_eq!(timestamp(text), None, "{text:?}");
    }
}

#[test]
fn dates_and_times_read_alone() {
    assert_eq!(parse_date(b"1970-01-02"), Some(1));
    assert_eq!(parse_date(b"2000-02-29"), Some(11_016));
    assert_eq!(parse_date(b"1900-02-29"), None);
    assert_eq!(parse_date(b"2000-2-29"), None);
    let time = parse_time(b"05:17:01.25").expect("a time of day");
    assert_eq!(
        (time.millis(3), time.millis(1), time.millis(0)),
        (19_021_250, 19_021_200, 19_021_000)
    );
    assert_eq!(parse_time(b"05:17").map(|t| t.millis(3)), Some(19_020_000));
    assert_eq!(parse_time(b"5:17:00"), None);
}

proptest! {
    #[test]
    fn text_reads_back_for_every_value(value in any::<i64>(), precision in 0_u8..=9) {
        let unit = TimeUnit::of_precision(precision);
        let at = DateTime::from_unit(value, unit);
        for separator in [b' ', b'T'] {
            let mut text = Vec::new();
            write_timestamp(at, separator, &mut text);
            prop_assert_eq!(parse_timestamp(&text), Some(ParsedTimestamp { at, utc: false }));
        }
    }

    #[test]
    fn the_quick_way_agrees_with_the_slow_one(
        year in 0_u32..=9_999, month in 0_u32..=13, day in 0_u32..=32,
        hour in 0_u32..=24, minute in 0_u32..=60, second in 0_u32..=60,
        change in proptest::option::of((0_usize..19, any::<u8>())),
    ) {
        let text = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
        let mut text = text.into_bytes();
        if let Some((at, byte)) = change {
            text[at] = byte;
        }
        let mut reader = Reader { text: &text, at: 0 };
        let slow = reader.date().and_then(|days| {
            reader.one_of(b" T")?;
            Some(DateTime::of_day(days, reader.time()?))
        });
        let slow = slow.filter(|_| reader.at_end());
        // Forms such as `+10000-01-01 00:00:0` are left to the slow reader.
        if let Some((quick, used)) = parse_usual_timestamp(&text) {
            prop_assert_eq!(used, 19);
            prop_assert_eq!(Some(quick), slow);
        } else if let Some(slow) = slow {
            prop_assert!(text[0] == b'+' || text[0] == b'-' || text[18] == b'.', "{:?}", slow);
        }
    }

    #[test]
    fn millis_agree_with_timestamps(
        text in "20[0-9]{2}-[01][0-9]-[0-3][0-9][ T][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{0,4})?Z?",
        utc: bool,
    ) {
        let slow = parse_timestamp(text.as_bytes()).filter(|parsed| parsed.utc == utc);
        let slow = slow.and_then(|parsed| parsed.at.to_precision(3));
        if let Some(quick) = parse_usual_millis(text.as_bytes(), utc) {
            prop_assert_eq!(Some(quick), slow);
        } else if slow.is_some() {
            let fraction = text.find('.').map(|at| text.trim_end_matches('Z').len() - at - 1);
            prop_assert!(fraction.is_some_and(|digits| digits != 3), "{}", text);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(text in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = (parse_timestamp(&text), parse_date(&text), parse_time(&text));
    }
}
