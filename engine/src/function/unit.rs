//! Units of time, and times cut to them.

use crate::types::datetime::{
    CivilDate, DateTime, SECONDS_PER_DAY, civil_from_days, days_from_civil, days_in_month,
};

/// A unit or a field of a date and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unit {
    Nanosecond,
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    /// The year that the ISO week belongs to.
    IsoYear,
    /// 1 is Sunday.
    DayOfWeek,
    /// 1 is Monday.
    IsoDayOfWeek,
    DayOfYear,
    /// Seconds since 1970.
    Epoch,
}

impl Unit {
    /// The unit of this name, in whatever case, also in the plural.
    pub(super) fn parse(name: &str) -> Option<Unit> {
        let name = name.to_ascii_uppercase();
        let name = name.strip_prefix("SQL_TSI_").unwrap_or(&name);
        let plural = name != "CENTURIES" && name.len() > 3;
        let name = if plural { name.strip_suffix('S').unwrap_or(name) } else { name };
        Some(match name {
            "NANOSECOND" => Unit::Nanosecond,
            "MICROSECOND" => Unit::Microsecond,
            "MILLISECOND" => Unit::Millisecond,
            "SECOND" => Unit::Second,
            "MINUTE" => Unit::Minute,
            "HOUR" => Unit::Hour,
            "DAY" => Unit::Day,
            "WEEK" => Unit::Week,
            "MONTH" => Unit::Month,
            "QUARTER" => Unit::Quarter,
            "YEAR" => Unit::Year,
            "DECADE" => Unit::Decade,
            "CENTURY" | "CENTURIES" => Unit::Century,
            "MILLENNIUM" => Unit::Millennium,
            "ISOYEAR" => Unit::IsoYear,
            "DOW" => Unit::DayOfWeek,
            "ISODOW" => Unit::IsoDayOfWeek,
            "DOY" => Unit::DayOfYear,
            "EPOCH" => Unit::Epoch,
            _ => return None,
        })
    }

    /// How many nanoseconds the unit has, if it always has as many.
    pub(super) fn nanos(self) -> Option<i64> {
        Some(match self {
            Unit::Nanosecond => 1,
            Unit::Microsecond => 1_000,
            Unit::Millisecond => 1_000_000,
            Unit::Second => 1_000_000_000,
            Unit::Minute => 60_000_000_000,
            Unit::Hour => 3_600_000_000_000,
            Unit::Day => 86_400_000_000_000,
            Unit::Week => 7 * 86_400_000_000_000,
            _ => return None,
        })
    }

    /// How many months the unit has, if it is made of months.
    pub(super) fn months(self) -> Option<i64> {
        Some(match self {
            Unit::Month => 1,
            Unit::Quarter => 3,
            Unit::Year => 12,
            _ => return None,
        })
    }
}

/// The field of a date and time.
pub(super) fn field(moment: DateTime, unit: Unit) -> i64 {
    let days = moment.days();
    let CivilDate { year, month, day } = civil_from_days(days);
    let nanos = i64::from(moment.nanos);
    match unit {
        Unit::Nanosecond => nanos,
        Unit::Microsecond => nanos / 1_000,
        Unit::Millisecond => nanos / 1_000_000,
        Unit::Second => moment.second_of_day() % 60,
        Unit::Minute => moment.second_of_day() / 60 % 60,
        Unit::Hour => moment.second_of_day() / 3600,
        Unit::Day => day.into(),
        Unit::Week => iso_week(days).1,
        Unit::IsoYear => iso_week(days).0,
        Unit::Month => month.into(),
        Unit::Quarter => i64::from(month - 1) / 3 + 1,
        Unit::Year => year,
        Unit::Decade => year.div_euclid(10),
        Unit::Century => (year + 99).div_euclid(100),
        Unit::Millennium => (year + 999).div_euclid(1000),
        Unit::DayOfWeek => iso_day_of_week(days) % 7 + 1,
        Unit::IsoDayOfWeek => iso_day_of_week(days),
        Unit::DayOfYear => days - days_from_civil(year, 1, 1) + 1,
        Unit::Epoch => moment.seconds,
    }
}

/// 1 for Monday to 7 for Sunday. The day 0 was a Thursday.
pub(super) fn iso_day_of_week(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

/// The ISO year and week: a week belongs to the year of its Thursday.
pub(super) fn iso_week(days: i64) -> (i64, i64) {
    let thursday = days - iso_day_of_week(days) + 4;
    let year = civil_from_days(thursday).year;
    (year, (thursday - days_from_civil(year, 1, 1)) / 7 + 1)
}

/// The start of the unit in which the moment lies. Weeks start on Sunday.
pub(super) fn floor(moment: DateTime, unit: Unit) -> DateTime {
    let days = moment.days();
    match unit {
        Unit::Nanosecond => moment,
        Unit::Microsecond => moment.truncated(6),
        Unit::Millisecond => moment.truncated(3),
        Unit::Second => moment.truncated(0),
        Unit::Minute => seconds_floor(moment, 60),
        Unit::Hour => seconds_floor(moment, 3600),
        Unit::Day => DateTime::midnight(days),
        Unit::Week => DateTime::midnight(days - iso_day_of_week(days) % 7),
        _ => calendar_floor(days, unit),
    }
}

/// The start of a unit that is made of months.
fn calendar_floor(days: i64, unit: Unit) -> DateTime {
    let CivilDate { year, month, day: _ } = civil_from_days(days);
    let first_of = |year: i64, month: u32| DateTime::midnight(days_from_civil(year, month, 1));
    match unit {
        Unit::Month => first_of(year, month),
        Unit::Quarter => first_of(year, (month - 1) / 3 * 3 + 1),
        Unit::Decade => first_of(year.div_euclid(10) * 10, 1),
        Unit::Century => first_of((year - 1).div_euclid(100) * 100 + 1, 1),
        Unit::Millennium => first_of((year - 1).div_euclid(1000) * 1000 + 1, 1),
        _ => first_of(year, 1),
    }
}

fn seconds_floor(moment: DateTime, step: i64) -> DateTime {
    DateTime { seconds: moment.seconds - moment.seconds.rem_euclid(step), nanos: 0 }
}

/// The start of the unit that follows, or the moment itself if it is a start.
pub(super) fn ceil(moment: DateTime, unit: Unit) -> DateTime {
    let start = floor(moment, unit);
    if start == moment {
        return moment;
    }
    match unit.nanos() {
        Some(nanos) => plus_nanos(start, nanos.into()).unwrap_or(start),
        None => {
            let months = match unit {
                Unit::Month => 1,
                Unit::Quarter => 3,
                Unit::Decade => 120,
                Unit::Century => 1200,
                Unit::Millennium => 12_000,
                _ => 12,
            };
            plus_months(start, months).unwrap_or(start)
        }
    }
}

/// The moment so many nanoseconds later; `None` if it is out of range.
pub(super) fn plus_nanos(moment: DateTime, nanos: i128) -> Option<DateTime> {
    let total = i128::from(moment.seconds) * 1_000_000_000 + i128::from(moment.nanos) + nanos;
    let seconds = i64::try_from(total.div_euclid(1_000_000_000)).ok()?;
    Some(DateTime { seconds, nanos: total.rem_euclid(1_000_000_000) as u32 })
}

/// The moment so many months later; a day that the month does not have becomes its
/// last. `None` if it is out of range.
pub(super) fn plus_months(moment: DateTime, months: i64) -> Option<DateTime> {
    let days = plus_months_to_day(moment.days(), months)?;
    let seconds = days.checked_mul(SECONDS_PER_DAY)?.checked_add(moment.second_of_day())?;
    Some(DateTime { seconds, nanos: moment.nanos })
}

/// The day so many months later.
pub(super) fn plus_months_to_day(days: i64, months: i64) -> Option<i64> {
    let CivilDate { year, month, day } = civil_from_days(days);
    let total = year.checked_mul(12)?.checked_add(i64::from(month) - 1)?.checked_add(months)?;
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) as u32 + 1);
    // Far beyond what any type of time can hold.
    if year.abs() > 1_000_000_000 {
        return None;
    }
    let day = day.min(days_in_month(year, month));
    Some(days_from_civil(year, month, day))
}

/// How many whole months lie between two moments, as Flink counts them: whole days
/// first, and then one month less if the day is the same but the time earlier.
pub(super) fn months_between(from: DateTime, to: DateTime) -> i64 {
    let (day0, day1) = (from.days(), to.days());
    let months = if day1 < day0 { -months_of_days(day1, day0) } else { months_of_days(day0, day1) };
    let earlier = (to.second_of_day(), to.nanos) < (from.second_of_day(), from.nanos);
    let same_day = plus_months_to_day(day0, months) == Some(day1);
    if same_day && earlier { months - 1 } else { months }
}

/// How many whole months lie between two days in order.
fn months_of_days(from: i64, to: i64) -> i64 {
    let (first, last) = (civil_from_days(from), civil_from_days(to));
    let months = (last.year - first.year) * 12 + i64::from(last.month) - i64::from(first.month);
    let too_far = plus_months_to_day(from, months).is_none_or(|day| day > to);
    if too_far { months - 1 } else { months }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::datetime::sql::{parse_timestamp, write_timestamp};
    use chrono::Datelike;
    use proptest::prelude::*;

    fn at(text: &str) -> DateTime {
        parse_timestamp(text).unwrap()
    }

    fn shown(moment: DateTime) -> String {
        let mut out = String::new();
        write_timestamp(moment, 3, &mut out);
        out
    }

    proptest! {
        #[test]
        fn weeks_are_chronos(seconds in -62_135_596_800i64..253_402_300_800) {
            let date = chrono::DateTime::from_timestamp(seconds, 0).unwrap().date_naive();
            let days = seconds.div_euclid(SECONDS_PER_DAY);
            let week = date.iso_week();
            prop_assert_eq!(iso_week(days), (week.year().into(), week.week().into()));
            prop_assert_eq!(iso_day_of_week(days), i64::from(date.weekday().number_from_monday()));
        }

        #[test]
        fn floor_and_ceil_enclose(seconds in -62_135_596_800i64..253_402_300_800, nanos in 0u32..1_000_000_000) {
            let moment = DateTime { seconds, nanos };
            for unit in [Unit::Millisecond, Unit::Second, Unit::Minute, Unit::Hour, Unit::Day, Unit::Week,
                Unit::Month, Unit::Quarter, Unit::Year, Unit::Decade, Unit::Century, Unit::Millennium]
            {
                let (low, high) = (floor(moment, unit), ceil(moment, unit));
                prop_assert!(low <= moment && moment <= high);
                prop_assert_eq!(floor(low, unit), low);
                prop_assert_eq!(ceil(high, unit), high);
                prop_assert!(low == high || floor(high, unit) == high);
            }
        }
    }

    #[test]
    fn months_end_on_their_last_day() {
        assert_eq!(shown(plus_months(at("2024-01-31"), 1).unwrap()), "2024-02-29 00:00:00.000");
        assert_eq!(shown(plus_months(at("2024-02-29"), -12).unwrap()), "2023-02-28 00:00:00.000");
        assert_eq!(months_between(at("2024-01-31"), at("2024-03-30")), 1);
        assert_eq!(months_between(at("2024-03-31"), at("2024-02-29")), -1);
        assert_eq!(months_between(at("2024-01-15 10:00:00"), at("2024-02-15 09:59:59")), 0);
    }

    #[test]
    fn weeks_start_on_sunday() {
        assert_eq!(shown(floor(at("2024-02-29 10:11:12"), Unit::Week)), "2024-02-25 00:00:00.000");
        assert_eq!(shown(ceil(at("2024-02-29 10:11:12"), Unit::Week)), "2024-03-03 00:00:00.000");
    }
}
