//! Dates and times: the calendar, their texts, and zones.
//!
//! The calendar is the proleptic Gregorian one, as in Java. Nothing here reads a
//! clock or the machine's zone.

use super::TimeUnit;
use chrono::{DateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;
use std::fmt::Write;

/// Seconds of a day.
pub const DAY_SECONDS: i64 = 86_400;
/// Milliseconds of a day.
pub const DAY_MILLIS: i64 = 86_400_000;

/// A point in time, or a date and time of day without a zone: seconds since
/// 1970-01-01T00:00:00 and the nanoseconds of the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

impl Moment {
    /// The moment that a stored timestamp stands for.
    #[must_use]
    pub fn from_unit(value: i64, unit: TimeUnit) -> Moment {
        let per_second = unit.per_second();
        let rest = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
        Moment { seconds: value.div_euclid(per_second), nanos: rest as u32 }
    }

    /// The moment as a stored timestamp, rounded down; `None` if it is out of range.
    #[must_use]
    pub fn to_unit(self, unit: TimeUnit) -> Option<i64> {
        let per_second = unit.per_second();
        let rest = i64::from(self.nanos) / (1_000_000_000 / per_second);
        if self.seconds < 0 {
            // Towards zero first: the smallest value has no whole second below it.
            let above = self.seconds.checked_add(1)?.checked_mul(per_second)?;
            return above.checked_add(rest - per_second);
        }
        self.seconds.checked_mul(per_second)?.checked_add(rest)
    }

    /// The moment rounded down to this many digits of a second.
    #[must_use]
    pub fn truncated(self, precision: u8) -> Moment {
        let step = 10u32.pow(9 - u32::from(precision.min(9)));
        Moment { seconds: self.seconds, nanos: self.nanos - self.nanos % step }
    }

    /// Midnight of a day.
    #[must_use]
    pub fn of_day(days: i64) -> Moment {
        Moment { seconds: days * DAY_SECONDS, nanos: 0 }
    }

    /// The day, counted from 1970-01-01.
    #[must_use]
    pub fn day(self) -> i64 {
        self.seconds.div_euclid(DAY_SECONDS)
    }

    /// The second of the day.
    #[must_use]
    pub fn second_of_day(self) -> i64 {
        self.seconds.rem_euclid(DAY_SECONDS)
    }

    /// The millisecond of the day, rounded down.
    #[must_use]
    pub fn milli_of_day(self) -> i64 {
        self.second_of_day() * 1000 + i64::from(self.nanos / 1_000_000)
    }

    /// The wall clock time of a zone at this instant.
    #[must_use]
    pub fn to_local(self, zone: Tz) -> Moment {
        Moment { seconds: self.seconds + offset_at(self.seconds, zone), nanos: self.nanos }
    }

    /// The instant at which a zone's wall clock shows this time. A time that occurs
    /// twice means the first; one that is skipped moves on by the gap, as in Java.
    #[must_use]
    pub fn to_instant(self, zone: Tz) -> Moment {
        let offset = local_offset(self.seconds, zone);
        Moment { seconds: self.seconds - offset, nanos: self.nanos }
    }
}

/// How far the zone's clock is ahead of UTC at an instant, in seconds.
fn offset_at(seconds: i64, zone: Tz) -> i64 {
    if zone == Tz::UTC {
        return 0;
    }
    match DateTime::from_timestamp(seconds, 0) {
        Some(utc) => zone.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc().into(),
        // Far outside every rule of a zone.
        None => 0,
    }
}

/// The offset of a zone at a wall clock time.
fn local_offset(seconds: i64, zone: Tz) -> i64 {
    if zone == Tz::UTC {
        return 0;
    }
    let Some(local) = DateTime::from_timestamp(seconds, 0) else { return 0 };
    let local = local.naive_utc();
    match zone.offset_from_local_datetime(&local).earliest() {
        Some(offset) => offset.fix().local_minus_utc().into(),
        None => {
            // In a gap the offset from before it counts.
            let before = local.checked_sub_signed(TimeDelta::days(1)).unwrap_or(local);
            zone.offset_from_utc_datetime(&before).fix().local_minus_utc().into()
        }
    }
}

/// The day number of a date; the month and day may lie outside their year and month.
#[must_use]
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    // Years begin in March, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month = i64::from((month + 9) % 12);
    let day_of_year = (153 * month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a day number.
#[must_use]
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month + 2) / 5 + 1) as u32;
    let month = if month < 10 { month + 3 } else { month - 9 } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// How many days the month has.
#[must_use]
pub fn days_of_month(year: i64, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Whether the year has a 29th of February.
#[must_use]
pub fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

/// A number of plain digits, at most nine of them.
fn number(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Reads a date as `CAST(text AS DATE)` does: `2024-02-29`, `2024-2-9`, `2024-02`,
/// `2024`; what follows a space is left out.
#[must_use]
pub fn parse_date(text: &str) -> Option<i32> {
    let text = match text.find(' ') {
        Some(at) if at > 0 => &text[..at],
        _ => text,
    };
    let mut parts = text.splitn(3, '-').map(|part| number(part.trim()));
    let year = parts.next()??;
    let month = parts.next().unwrap_or(Some(1))?;
    let day = parts.next().unwrap_or(Some(1))?;
    if year > 9999 || !(1..=12).contains(&month) {
        return None;
    }
    let (month, day) = (month as u32, u32::try_from(day).ok()?);
    if day == 0 || day > days_of_month(year, month) {
        return None;
    }
    i32::try_from(days_from_civil(year, month, day)).ok()
}

/// Reads a time of day as `CAST(text AS TIME)` does, in milliseconds: `10:11:12.345`,
/// `10:11`, `10`.
#[must_use]
pub fn parse_time(text: &str) -> Option<i32> {
    let mut parts = text.splitn(3, ':').map(str::trim);
    let hour = number(parts.next()?)?;
    let minute = parts.next().map_or(Some(0), number)?;
    let (second, milli) = match parts.next() {
        None => (0, 0),
        Some(rest) => match rest.split_once('.') {
            None => (number(rest)?, 0),
            Some((second, fraction)) => {
                let nanos = fraction_nanos(fraction.trim())?;
                (number(second.trim())?, i64::from(nanos / 1_000_000))
            }
        },
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    i32::try_from(((hour * 60 + minute) * 60 + second) * 1000 + milli).ok()
}

/// The nanoseconds of up to nine digits behind a point.
fn fraction_nanos(digits: &str) -> Option<u32> {
    if digits.is_empty() {
        return Some(0);
    }
    let value = u32::try_from(number(digits)?).ok()?;
    Some(value * 10u32.pow(9 - digits.len() as u32))
}

/// Takes `min` to `max` digits from the front.
fn take_number(text: &mut &str, min: usize, max: usize) -> Option<i64> {
    let digits = text.bytes().take(max).take_while(u8::is_ascii_digit).count();
    if digits < min {
        return None;
    }
    let (front, rest) = text.split_at(digits);
    *text = rest;
    front.parse().ok()
}

fn take(text: &mut &str, wanted: char) -> Option<()> {
    *text = text.strip_prefix(wanted)?;
    Some(())
}

/// The date at the front of a timestamp. As in Java, day 30 of a shorter month is
/// its last day.
fn take_date(text: &mut &str) -> Option<i64> {
    let year = take_number(text, 4, 4)?;
    take(text, '-')?;
    let month = take_number(text, 1, 2)?;
    take(text, '-')?;
    let day = take_number(text, 1, 2)?;
    if year == 0 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let month = month as u32;
    Some(days_from_civil(year, month, (day as u32).min(days_of_month(year, month))))
}

/// The time of day at the front, in seconds and nanoseconds. The fraction may be
/// empty; 24:00:00 is the end of the day.
fn take_clock(text: &mut &str) -> Option<(i64, u32)> {
    let hour = take_number(text, 1, 2)?;
    take(text, ':')?;
    let minute = take_number(text, 1, 2)?;
    take(text, ':')?;
    let second = take_number(text, 1, 2)?;
    let mut nanos = 0;
    if let Some(rest) = text.strip_prefix('.') {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        nanos = fraction_nanos(&rest[..digits])?;
        *text = &rest[digits..];
    }
    let end_of_day = hour == 24 && minute == 0 && second == 0 && nanos == 0;
    if (hour > 23 && !end_of_day) || minute > 59 || second > 59 {
        return None;
    }
    Some(((hour * 60 + minute) * 60 + second, nanos))
}

/// Reads a timestamp as `CAST(text AS TIMESTAMP)` does:
/// `2024-02-29 10:11:12.123456789`, `2024-2-9 1:2:3`, `2024-02-29`.
#[must_use]
pub fn parse_timestamp(text: &str) -> Option<Moment> {
    let mut rest = text;
    let midnight = take_date(&mut rest)? * DAY_SECONDS;
    if rest.is_empty() {
        return Some(Moment { seconds: midnight, nanos: 0 });
    }
    take(&mut rest, ' ')?;
    let (seconds, nanos) = take_clock(&mut rest)?;
    rest.is_empty().then_some(Moment { seconds: midnight + seconds, nanos })
}

/// Reads a timestamp in the SQL or the ISO-8601 form, with `T` or a space between
/// date and time, seconds optional, and perhaps a zone: `Z`, `+02:00`, `+0200`,
/// `+02`. Gives the date and time as they stand and the offset in seconds.
#[must_use]
pub fn parse_timestamp_any(text: &str) -> Option<(Moment, Option<i64>)> {
    let mut rest = text;
    let midnight = take_date(&mut rest)? * DAY_SECONDS;
    if rest.is_empty() {
        return Some((Moment { seconds: midnight, nanos: 0 }, None));
    }
    rest = rest.strip_prefix(['T', 't', ' '])?;
    let (seconds, nanos) = match take_clock(&mut { rest }) {
        Some(found) => {
            take_clock(&mut rest);
            found
        }
        None => {
            let hour = take_number(&mut rest, 1, 2).filter(|hour| *hour < 24)?;
            take(&mut rest, ':')?;
            let minute = take_number(&mut rest, 1, 2).filter(|minute| *minute < 60)?;
            ((hour * 60 + minute) * 60, 0)
        }
    };
    let moment = Moment { seconds: midnight + seconds, nanos };
    if rest.is_empty() {
        return Some((moment, None));
    }
    if matches!(rest, "Z" | "z") {
        return Some((moment, Some(0)));
    }
    let sign = match rest.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    rest = &rest[1..];
    let hours = take_number(&mut rest, 2, 2).filter(|hours| *hours <= 18)?;
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    let minutes = if rest.is_empty() { 0 } else { number(rest).filter(|_| rest.len() == 2)? };
    (minutes < 60).then_some((moment, Some(sign * (hours * 3600 + minutes * 60))))
}

/// Appends a date: `2024-02-29`.
pub fn write_date(days: i64, out: &mut String) {
    let (year, month, day) = civil_from_days(days);
    let sign = if year < 0 { "-" } else { "" };
    // Writing into a String cannot fail.
    let _ = write!(out, "{sign}{:04}-{month:02}-{day:02}", year.abs());
}

/// Appends a time of day with `precision` digits of the second.
pub fn write_time(second_of_day: i64, nanos: u32, precision: u8, out: &mut String) {
    let (hour, minute) = (second_of_day / 3600, second_of_day / 60 % 60);
    let _ = write!(out, "{hour:02}:{minute:02}:{:02}", second_of_day % 60);
    if precision > 0 {
        let digits = nanos / 10u32.pow(9 - u32::from(precision.min(9)));
        let _ = write!(out, ".{digits:0width$}", width = usize::from(precision.min(9)));
    }
}

/// Appends a timestamp with `precision` digits of the second:
/// `2024-02-29 10:11:12.123`.
pub fn write_timestamp(moment: Moment, precision: u8, out: &mut String) {
    write_date(moment.day(), out);
    out.push(' ');
    write_time(moment.second_of_day(), moment.nanos, precision, out);
}

#[cfg(test)]
mod tests;
