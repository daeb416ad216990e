use super::*;
use chrono::{Datelike, NaiveDate};
use proptest::prelude::*;

fn shown(moment: Moment) -> String {
    let mut out = String::new();
    write_timestamp(moment, 9, &mut out);
    out
}

fn read(text: &str) -> Option<String> {
    parse_timestamp(text).map(shown)
}

proptest! {
    #[test]
    fn the_calendar_is_chronos(days in -4_000_000i32..4_000_000) {
        let (year, month, day) = civil_from_days(days.into());
        let date = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap() + TimeDelta::days(days.into());
        prop_assert_eq!((year, month, day), (i64::from(date.year()), date.month(), date.day()));
        prop_assert_eq!(days_from_civil(year, month, day), i64::from(days));
    }

    #[test]
    fn units_go_there_and_back(value in any::<i64>(), digits in 0u8..=9) {
        let unit = TimeUnit::of_precision(digits);
        prop_assert_eq!(Moment::from_unit(value, unit).to_unit(unit), Some(value));
    }

    #[test]
    fn printed_timestamps_read_back(seconds in -62_135_596_800i64..253_402_300_800, nanos in 0u32..1_000_000_000) {
        let moment = Moment { seconds, nanos };
        prop_assert_eq!(parse_timestamp(&shown(moment)), Some(moment));
    }

    #[test]
    fn no_text_panics(text in "[0-9TZ:+. -]{0,30}") {
        let _ = (parse_date(&text), parse_time(&text), parse_timestamp(&text));
        let _ = parse_timestamp_any(&text);
    }
}

#[test]
fn timestamps_read_as_in_flink() {
    assert_eq!(read("2024-02-29 10:11:12.").as_deref(), Some("2024-02-29 10:11:12.000000000"));
    assert_eq!(read("2024-02-30 10:11:12").as_deref(), Some("2024-02-29 10:11:12.000000000"));
    assert_eq!(read("2024-02-29 24:00:00").as_deref(), Some("2024-03-01 00:00:00.000000000"));
    assert_eq!(read("2024-2-9 1:2:3.5").as_deref(), Some("2024-02-09 01:02:03.500000000"));
    for text in [
        "",
        "2024",
        "2024-02-29 10:11",
        "2024-02-29T10:11:12",
        "0000-01-01",
        "10000-01-01",
        "2024-02-29 10:11:60",
        "2024-13-01",
        " 2024-02-29",
        "2024-02-29 10:11:12.1234567891",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn iso_forms_read_with_their_zone() {
    let at = |text: &str| parse_timestamp_any(text).map(|(moment, zone)| (moment.seconds, zone));
    let seconds = 1_709_201_472;
    assert_eq!(at("2024-02-29T10:11:12Z"), Some((seconds, Some(0))));
    assert_eq!(at("2024-02-29T10:11:12.5+02:00"), Some((seconds, Some(7200))));
    assert_eq!(at("2024-02-29 10:11:12-0130"), Some((seconds, Some(-5400))));
    assert_eq!(at("2024-02-29 10:11"), Some((seconds - 12, None)));
    assert_eq!(at("2024-02-29T10:11:12 UTC"), None);
    assert_eq!(at("2024-02-29T10:11:12+1"), None);
}

#[test]
fn gaps_and_overlaps_go_as_in_java() {
    let zone = Tz::Europe__Berlin;
    let instant = |text: &str| shown(parse_timestamp(text).unwrap().to_instant(zone));
    // The clock jumps from 02:00 to 03:00; 02:30 becomes 03:30 summer time.
    assert_eq!(instant("2024-03-31 02:30:00"), "2024-03-31 01:30:00.000000000");
    // 02:30 occurs twice; the first, in summer time, counts.
    assert_eq!(instant("2024-10-27 02:30:00"), "2024-10-27 00:30:00.000000000");
}
