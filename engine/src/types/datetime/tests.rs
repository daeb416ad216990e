//! The calendar, units and zones.

use super::*;
use chrono::{Datelike, NaiveDate, TimeDelta};
use chrono_tz::Tz;
use proptest::prelude::*;

proptest! {
    #[test]
    fn days_and_dates_are_inverse(days in -400_000_000_000_i64..400_000_000_000) {
        let date = civil_from_days(days);
        prop_assert!((1..=days_in_month(date.year, date.month)).contains(&date.day));
        prop_assert_eq!(days_from_civil(date.year, date.month, date.day), days);
    }

    #[test]
    fn the_calendar_is_chronos(days in -4_000_000i32..4_000_000) {
        let CivilDate { year, month, day } = civil_from_days(days.into());
        let date = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap() + TimeDelta::days(days.into());
        prop_assert_eq!((year, month, day), (i64::from(date.year()), date.month(), date.day()));
        prop_assert_eq!(days_from_civil(year, month, day), i64::from(days));
    }

    #[test]
    fn units_go_there_and_back(value in any::<i64>(), digits in 0u8..=9) {
        let unit = TimeUnit::of_precision(digits);
        prop_assert_eq!(DateTime::from_unit(value, unit).to_unit(unit), Some(value));
    }
}

#[test]
fn precision_cuts_and_range_is_checked() {
    let at = DateTime { seconds: -1, nanos: 999_999_999 };
    assert_eq!(at.to_precision(0), Some(-1_000));
    assert_eq!(at.to_precision(3), Some(-1));
    assert_eq!(at.to_precision(4), Some(-100));
    assert_eq!(at.to_precision(9), Some(-1));
    assert_eq!(DateTime { seconds: i64::MAX / 1_000, nanos: 0 }.to_precision(6), None);
    assert_eq!(DateTime::from_unit(i64::MIN, TimeUnit::Nanosecond).to_precision(9), Some(i64::MIN));
}

#[test]
fn gaps_and_overlaps_go_as_in_java() {
    let zone = Tz::Europe__Berlin;
    let instant = |text: &str| {
        let mut out = String::new();
        sql::write_timestamp(sql::parse_timestamp(text).unwrap().to_instant(zone), 0, &mut out);
        out
    };
    // The clock jumps from 02:00 to 03:00; 02:30 becomes 03:30 summer time.
    assert_eq!(instant("2024-03-31 02:30:00"), "2024-03-31 01:30:00");
    // 02:30 occurs twice; the first, in summer time, counts.
    assert_eq!(instant("2024-10-27 02:30:00"), "2024-10-27 00:30:00");
}
