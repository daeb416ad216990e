//! The text of dates and times in SQL: what a CAST reads and writes, which is Flink's
//! and looser than the text of records.

use super::{
    CivilDate, DateTime, SECONDS_PER_DAY, civil_from_days, days_from_civil, days_in_month,
};
use std::fmt::Write;

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
    if day == 0 || day > days_in_month(year, month) {
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
    Some(days_from_civil(year, month, (day as u32).min(days_in_month(year, month))))
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
pub fn parse_timestamp(text: &str) -> Option<DateTime> {
    let mut rest = text;
    let midnight = take_date(&mut rest)? * SECONDS_PER_DAY;
    if rest.is_empty() {
        return Some(DateTime { seconds: midnight, nanos: 0 });
    }
    take(&mut rest, ' ')?;
    let (seconds, nanos) = take_clock(&mut rest)?;
    rest.is_empty().then_some(DateTime { seconds: midnight + seconds, nanos })
}

/// Reads a timestamp in the SQL or the ISO-8601 form, with `T` or a space between
/// date and time, seconds optional, and perhaps a zone: `Z`, `+02:00`, `+0200`,
/// `+02`. Gives the date and time as they stand and the offset in seconds.
#[must_use]
pub fn parse_timestamp_any(text: &str) -> Option<(DateTime, Option<i64>)> {
    let mut rest = text;
    let midnight = take_date(&mut rest)? * SECONDS_PER_DAY;
    if rest.is_empty() {
        return Some((DateTime { seconds: midnight, nanos: 0 }, None));
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
    let moment = DateTime { seconds: midnight + seconds, nanos };
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
    let CivilDate { year, month, day } = civil_from_days(days);
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
pub fn write_timestamp(moment: DateTime, precision: u8, out: &mut String) {
    write_date(moment.days(), out);
    out.push(' ');
    write_time(moment.second_of_day(), moment.nanos, precision, out);
}

#[cfg(test)]
mod tests;
