//! Dates, times and timestamps as text, by the calendar alone.

/// Days from 1970-01-01 to the first of a year's March, by counting years.
fn days_before_year(year: i64) -> i64 {
    // Whole years before this one, since the year 0, and the leap days among them.
    let whole = year - 1;
    365 * year + whole.div_euclid(4) - whole.div_euclid(100) + whole.div_euclid(400)
}

fn is_leap(year: i64) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date; `None` if there is no such day.
pub(super) fn days_of(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let months: i64 = (1..month).map(|before| days_in_month(year, before)).sum();
    Some(days_before_year(year) - days_before_year(1970) + months + day - 1)
}

/// The date of a number of days since 1970-01-01.
pub(super) fn date_of(days: i64) -> (i64, i64, i64) {
    let absolute = days + days_before_year(1970);
    let mut year = absolute.div_euclid(366);
    while days_before_year(year + 1) <= absolute {
        year += 1;
    }
    while days_before_year(year) > absolute {
        year -= 1;
    }
    let mut rest = absolute - days_before_year(year);
    let mut month = 1;
    while rest >= days_in_month(year, month) {
        rest -= days_in_month(year, month);
        month += 1;
    }
    (year, month, rest + 1)
}

/// Whether the text has a digit for each `0` of the shape and else the same
/// characters.
fn has_shape(shape: &str, text: &str) -> bool {
    let same = |(s, t): (u8, u8)| if s == b'0' { t.is_ascii_digit() } else { s == t };
    shape.len() == text.len() && shape.bytes().zip(text.bytes()).all(same)
}

fn number(text: &str) -> i64 {
    text.bytes().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'))
}

/// `YYYY-MM-DD` in days since 1970-01-01.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    if !has_shape("0000-00-00", text) {
        return None;
    }
    days_of(number(&text[..4]), number(&text[5..7]), number(&text[8..]))
}

/// `HH:MM`, `HH:MM:SS` or `HH:MM:SS.fraction` in ns of the day; the digits of the
/// fraction beyond `digits` are cut off.
pub(super) fn parse_time(text: &str, digits: usize) -> Option<i64> {
    let (head, fraction) = text.split_once('.').unwrap_or((text, ""));
    let short = has_shape("00:00", text);
    if !short && !has_shape("00:00:00", head) {
        return None;
    }
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hour, minute) = (number(&head[..2]), number(&head[3..5]));
    let second = if short { 0 } else { number(&head[6..]) };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let kept: String = format!("{fraction:0<9}").chars().take(digits).collect();
    let nanos = number(&format!("{kept:0<9}"));
    Some(((hour * 60 + minute) * 60 + second) * 1_000_000_000 + nanos)
}

/// How many ns one unit of a timestamp of this precision has.
pub(super) fn unit_ns(precision: u8) -> i64 {
    match precision {
        0..=3 => 1_000_000,
        4..=6 => 1_000,
        _ => 1,
    }
}

/// A date and a time of day with a space or a `T` between them, in the unit of the
/// precision since 1970; digits beyond the precision are cut off.
pub(super) fn parse_timestamp(text: &str, precision: u8) -> Option<i64> {
    if !text.is_ascii() || text.len() < 11 || !matches!(text.as_bytes()[10], b' ' | b'T') {
        return None;
    }
    let days = parse_date(&text[..10])?;
    let of_day = parse_time(&text[11..], precision.into())?;
    let ns = i128::from(days) * 86_400_000_000_000 + i128::from(of_day);
    i64::try_from(ns.div_euclid(i128::from(unit_ns(precision)))).ok()
}

/// A date as text.
pub(super) fn date_text(days: i64) -> String {
    let (year, month, day) = date_of(days);
    let sign = if year < 0 { "-" } else { "" };
    format!("{sign}{:04}-{month:02}-{day:02}", year.abs())
}

/// A time of day, given in ns, as text with the digits that it needs.
pub(super) fn time_text(ns: i64) -> String {
    let (seconds, fraction) = (ns / 1_000_000_000, ns % 1_000_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{hour:02}:{minute:02}:{second:02}");
    if fraction > 0 {
        let digits = format!("{fraction:09}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
    text
}

/// A timestamp in the unit of its precision as text.
pub(super) fn timestamp_text(value: i64, precision: u8, separator: char) -> String {
    let ns = i128::from(value) * i128::from(unit_ns(precision));
    let day = 86_400_000_000_000;
    let (days, of_day) = (ns.div_euclid(day) as i64, ns.rem_euclid(day) as i64);
    format!("{}{separator}{}", date_text(days), time_text(of_day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_each_other_s_opposite() {
        for (date, days) in [
            ((1970, 1, 1), 0),
            ((1969, 12, 31), -1),
            ((2000, 2, 29), 11_016),
            ((2000, 3, 1), 11_017),
            ((1900, 3, 1), -25_508),
            ((2026, 11, 24), 20_781),
            ((0, 1, 1), -719_528),
        ] {
            assert_eq!(days_of(date.0, date.1, date.2), Some(days), "{date:?}");
            assert_eq!(date_of(days), date);
        }
        assert_eq!(days_of(1900, 2, 29), None);
        assert_eq!(days_of(2021, 13, 1), None);
    }

    #[test]
    fn timestamps_are_read_and_written() {
        assert_eq!(parse_timestamp("1970-01-01 00:00:01.2345", 3), Some(1_234));
        assert_eq!(parse_timestamp("1970-01-01T00:01", 0), Some(60_000));
        assert_eq!(parse_timestamp("1969-12-31 23:59:59.9", 3), Some(-100));
        assert_eq!(parse_timestamp("1970-01-01 24:00:00", 3), None);
        assert_eq!(parse_timestamp("1970-02-30 00:00:00", 3), None);
        assert_eq!(timestamp_text(-100, 3, ' '), "1969-12-31 23:59:59.9");
        assert_eq!(timestamp_text(1_357_017_420_000, 3, 'T'), "2013-01-01T05:17:00");
        assert_eq!(timestamp_text(1_500_000, 6, ' '), "1970-01-01 00:00:01.5");
    }
}
