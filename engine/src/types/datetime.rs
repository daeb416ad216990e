//! Dates and times of day as numbers and as text, in the proleptic Gregorian
//! calendar. Pure arithmetic: no zone, no clock, no locale.
//!
//! A point on the time line is a [`DateTime`]: seconds since 1970-01-01T00:00:00 and
//! nanoseconds above them, so that it fits every unit. What a text may look like is
//! said at each `parse_…`; every one of them takes the whole text or nothing.

use super::TimeUnit;

/// Seconds in a day; there are no leap seconds here.
pub const SECONDS_PER_DAY: i64 = 86_400;

/// Milliseconds in a day.
pub const MILLIS_PER_DAY: i64 = 86_400_000;

const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// The most digits that the year of a text may have. Every TIMESTAMP of any unit has
/// a year within it.
const YEAR_DIGITS_MAX: usize = 9;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CivilDate {
    /// The year; 0 is the year before 1.
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
}

/// A point in time, without saying whether it is local or an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime {
    /// Whole seconds since 1970-01-01T00:00:00, rounded down.
    pub seconds: i64,
    /// Nanoseconds above them, 0 to 999,999,999.
    pub nanos: u32,
}

/// A time of day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay {
    /// Whole seconds since midnight, 0 to 86,399.
    pub second: u32,
    /// Nanoseconds above them, 0 to 999,999,999.
    pub nanos: u32,
}

/// A timestamp as it was read from a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedTimestamp {
    /// The date and time of day.
    pub at: DateTime,
    /// Whether the text ended with `Z`, that is, named an instant.
    pub utc: bool,
}

/// Whether the year has a 29th of February.
#[must_use]
pub fn is_leap_year(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// How many days the month (1 to 12) has in that year; 0 for any other month.
#[must_use]
pub fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap_year(year) => 29,
        2 => 28,
        _ => 0,
    }
}

/// Days from 1970-01-01 to this day. The day need not exist: day 0 is the day before
/// the first, and so on. `month` must be 1 to 12; years up to ±10^15 do not overflow.
#[inline]
#[must_use]
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    // A year counted from March ends with its leap day, so the days before a month
    // are a straight line in the month.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The calendar day that lies `days` after 1970-01-01.
#[must_use]
pub fn civil_from_days(days: i64) -> CivilDate {
    // Saturates only at the very ends of i64, which no timestamp reaches.
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = ((month_from_march + 2) % 12 + 1) as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    CivilDate { year, month, day }
}

impl TimeOfDay {
    /// Milliseconds since midnight, cut to `precision` digits of the second; 3 and
    /// more keep them all.
    #[must_use]
    pub fn millis(self, precision: u8) -> i32 {
        let millis = cut_nanos(self.nanos, precision.min(3)) / 1_000_000;
        (self.second * 1_000 + millis) as i32
    }

    /// The time of day this many milliseconds after midnight; more than a day wraps.
    #[must_use]
    pub fn from_millis(millis: i32) -> TimeOfDay {
        let millis = i64::from(millis).rem_euclid(MILLIS_PER_DAY) as u32;
        TimeOfDay { second: millis / 1_000, nanos: millis % 1_000 * 1_000_000 }
    }
}

impl DateTime {
    /// Midnight of the day that lies `days` after 1970-01-01, plus the time of day.
    #[must_use]
    pub fn of_day(days: i64, time: TimeOfDay) -> DateTime {
        let seconds = days.saturating_mul(SECONDS_PER_DAY).saturating_add(i64::from(time.second));
        DateTime { seconds, nanos: time.nanos }
    }

    /// The value of a TIMESTAMP stored in this unit.
    #[must_use]
    pub fn from_unit(value: i64, unit: TimeUnit) -> DateTime {
        let per_second = unit.per_second();
        let nanos_per_unit = NANOS_PER_SECOND / per_second as u32;
        DateTime {
            seconds: value.div_euclid(per_second),
            nanos: value.rem_euclid(per_second) as u32 * nanos_per_unit,
        }
    }

    /// The value of a TIMESTAMP of this precision in the unit that it is stored in;
    /// digits of the second beyond the precision are cut off, as Flink does. `None` if
    /// it does not fit 64 bits.
    #[inline]
    #[must_use]
    pub fn to_precision(self, precision: u8) -> Option<i64> {
        // Each division is by a constant, which is much quicker than by a variable.
        let (per_second, fraction) = match precision {
            3 => (1_000, self.nanos / 1_000_000),
            0..3 => (1_000, cut_nanos(self.nanos, precision) / 1_000_000),
            4..=6 => (1_000_000, cut_nanos(self.nanos, precision) / 1_000),
            _ => (1_000_000_000, cut_nanos(self.nanos, precision)),
        };
        match self.seconds.checked_mul(per_second) {
            Some(whole) => whole.checked_add(i64::from(fraction)),
            // The sum can fit where the product does not, just above i64::MIN.
            None => i64::try_from(
                i128::from(self.seconds) * i128::from(per_second) + i128::from(fraction),
            )
            .ok(),
        }
    }

    /// Days since 1970-01-01, rounded down.
    #[must_use]
    pub fn days(self) -> i64 {
        self.seconds.div_euclid(SECONDS_PER_DAY)
    }

    /// The time of day.
    #[must_use]
    pub fn time_of_day(self) -> TimeOfDay {
        let second = self.seconds.rem_euclid(SECONDS_PER_DAY) as u32;
        TimeOfDay { second, nanos: self.nanos }
    }
}

/// The nanoseconds without the digits beyond `precision`.
fn cut_nanos(nanos: u32, precision: u8) -> u32 {
    if precision >= 9 {
        return nanos;
    }
    let step = 10_u32.pow(9 - u32::from(precision));
    nanos - nanos % step
}

/// Reads `yyyy-MM-dd` as days since 1970-01-01. The year has four digits, or more
/// behind a `+`, or four and more behind a `-`, as in ISO 8601; at most nine. `None`
/// for every other text, and for days that the calendar does not have.
#[must_use]
pub fn parse_date(text: &[u8]) -> Option<i64> {
    let mut reader = Reader { text, at: 0 };
    let days = reader.date()?;
    reader.at_end().then_some(days)
}

/// Reads `HH:mm[:ss[.fraction]]` with at most nine digits in the fraction. `None` for
/// every other text; 24:00 and leap seconds are not times of day.
#[must_use]
pub fn parse_time(text: &[u8]) -> Option<TimeOfDay> {
    let mut reader = Reader { text, at: 0 };
    let time = reader.time()?;
    reader.at_end().then_some(time)
}

/// Reads a date (as [`parse_date`]), a space or a `T`, a time of day (as
/// [`parse_time`]) and a `Z` or none. `None` for every other text: also for a date
/// alone, and for any offset but `Z`.
#[must_use]
pub fn parse_timestamp(text: &[u8]) -> Option<ParsedTimestamp> {
    if let Some((at, used)) = parse_usual_timestamp(text) {
        // Nearly every text ends with a fraction of three digits, or with none.
        return match &text[used..] {
            [] => Some(ParsedTimestamp { at, utc: false }),
            [b'.', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
                let digit = |byte: &u8| u32::from(byte - b'0');
                let nanos = (digit(a) * 100 + digit(b) * 10 + digit(c)) * 1_000_000;
                Some(ParsedTimestamp { at: DateTime { nanos, ..at }, utc: false })
            }
            [b'Z' | b'z'] => Some(ParsedTimestamp { at, utc: true }),
            rest => parse_end_of_second(at, rest),
        };
    }
    let mut reader = Reader { text, at: 0 };
    let days = reader.date()?;
    reader.one_of(b" Tt")?;
    let time = reader.time()?;
    let utc = reader.one_of(b"Zz").is_some();
    reader.at_end().then_some(ParsedTimestamp { at: DateTime::of_day(days, time), utc })
}

/// The milliseconds since 1970 of a timestamp in its usual form, with no fraction or one
/// of three digits, and with `Z` exactly if `utc`. A quick way for many texts of one
/// kind: `None` says only that [`parse_timestamp`] must look at the text.
#[inline]
#[must_use]
pub fn parse_usual_millis(text: &[u8], utc: bool) -> Option<i64> {
    let text = if utc { text.strip_suffix(b"Z")? } else { text };
    let (at, used) = parse_usual_timestamp(text)?;
    let millis = match &text[used..] {
        [] => 0,
        [b'.', digits @ ..] if digits.len() == 3 && digits.iter().all(u8::is_ascii_digit) => {
            digits.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0'))
        }
        _ => return None,
    };
    Some(at.seconds * 1_000 + millis)
}

fn parse_end_of_second(at: DateTime, rest: &[u8]) -> Option<ParsedTimestamp> {
    let mut reader = Reader { text: rest, at: 0 };
    let nanos = reader.fraction()?;
    let utc = reader.one_of(b"Zz").is_some();
    reader.at_end().then_some(ParsedTimestamp { at: DateTime { nanos, ..at }, utc })
}

/// The usual form, `yyyy-MM-dd HH:mm:ss` with a space or a `T`, eight bytes at a time.
/// `None` leaves the text to the slow reader, which also decides whether it is bad.
#[inline(always)]
fn parse_usual_timestamp(text: &[u8]) -> Option<(DateTime, usize)> {
    let head: &[u8; 19] = text.first_chunk()?;
    let date = pairs(eight(head, 0), *b"0000-00-")?;
    let separator = if head[10] == b' ' { b' ' } else { b'T' };
    let middle = [b'0', b'0', separator, b'0', b'0', b':', b'0', b'0'];
    let day_to_minute = pairs(eight(head, 8), middle)?;
    let second = pairs(eight(head, 11), *b"00:00:00")?;
    let year = i64::from(date[0]) * 100 + i64::from(date[2]);
    let (month, day) = (u32::from(date[5]), u32::from(day_to_minute[0]));
    let (hour, minute) = (u32::from(day_to_minute[3]), u32::from(day_to_minute[6]));
    let second = u32::from(second[6]);
    if hour > 23 || minute > 59 || second > 59 || day == 0 {
        return None;
    }
    if day > 28 && day > days_in_month(year, month) || month == 0 || month > 12 {
        return None;
    }
    let days = days_of_usual_date(u32::from(date[0]) * 100 + u32::from(date[2]), month, day);
    let of_day = TimeOfDay { second: hour * 3_600 + minute * 60 + second, nanos: 0 };
    Some((DateTime::of_day(days, of_day), 19))
}

/// [`days_from_civil`] for years 0 to 9999, without a division that is signed or wide.
#[inline]
fn days_of_usual_date(year: u32, month: u32, day: u32) -> i64 {
    /// Days before the month in a year that starts with March.
    const BEFORE: [u16; 13] = [0, 306, 337, 0, 31, 61, 92, 122, 153, 184, 214, 245, 275];
    // 400 years more keep January of the year 0 above zero; their days go off again.
    let year = year + 400 - u32::from(month <= 2);
    let before = u32::from(BEFORE[month as usize % 13]);
    let days = year * 365 + year / 4 - year / 100 + year / 400 + before + day;
    i64::from(days) - 146_097 - 719_469
}

#[inline(always)]
fn eight(text: &[u8; 19], at: usize) -> [u8; 8] {
    let mut word = [0; 8];
    word.copy_from_slice(&text[at..at + 8]);
    word
}

/// Compares eight characters with a pattern in which `0` stands for any digit, and
/// gives at each place the two-digit number that starts there (of use only where two
/// digits do stand there).
fn pairs(word: [u8; 8], pattern: [u8; 8]) -> Option<[u8; 8]> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * LOW;
    let pattern = u64::from_le_bytes(pattern);
    // A digit leaves 0 to 9 and may go up to 9; another character must leave 0.
    let rest = u64::from_le_bytes(word) ^ pattern;
    // `0` is the only character of a pattern with bit 4 set and bit 3 clear: ' ' and
    // '-' lack bit 4, ':' has bit 3; 'T' has both bit 4 and bit 6.
    let is_digit = (pattern >> 4) & !(pattern >> 3) & !(pattern >> 6) & LOW;
    let slack = 0x7f * LOW - 9 * is_digit;
    if (rest | rest.wrapping_add(slack)) & HIGH != 0 {
        return None;
    }
    Some((rest * 10 + (rest >> 8)).to_le_bytes())
}

/// Reads a text from the left.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn at_end(&self) -> bool {
        self.at == self.text.len()
    }

    fn one_of(&mut self, set: &[u8]) -> Option<u8> {
        let byte = *self.text.get(self.at).filter(|byte| set.contains(byte))?;
        self.at += 1;
        Some(byte)
    }

    /// The digits from here on, at most `max` of them, as a number.
    fn digits(&mut self, max: usize) -> (usize, u32) {
        let from = self.at;
        let mut value = 0;
        while self.at - from < max && self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            value = value * 10 + u32::from(self.text[self.at] - b'0');
            self.at += 1;
        }
        (self.at - from, value)
    }

    fn two_digits(&mut self, max: u32) -> Option<u32> {
        let (count, value) = self.digits(2);
        (count == 2 && value <= max).then_some(value)
    }

    fn date(&mut self) -> Option<i64> {
        let sign = self.one_of(b"+-");
        let (count, year) = self.digits(YEAR_DIGITS_MAX);
        let fits = match sign {
            None => count == 4,
            Some(b'+') => count >= 5,
            Some(_) => count >= 4,
        };
        let year = if sign == Some(b'-') { -i64::from(year) } else { i64::from(year) };
        self.one_of(b"-").filter(|_| fits)?;
        let month = self.two_digits(12)?;
        self.one_of(b"-")?;
        let day = self.two_digits(days_in_month(year, month))?;
        (day > 0).then(|| days_from_civil(year, month, day))
    }

    fn time(&mut self) -> Option<TimeOfDay> {
        let hour = self.two_digits(23)?;
        self.one_of(b":")?;
        let mut time = TimeOfDay { second: hour * 3_600 + self.two_digits(59)? * 60, nanos: 0 };
        if self.one_of(b":").is_some() {
            time.second += self.two_digits(59)?;
            time.nanos = self.fraction()?;
        }
        Some(time)
    }

    /// `.` and up to nine digits, or nothing, as nanoseconds.
    fn fraction(&mut self) -> Option<u32> {
        if self.one_of(b".").is_none() {
            return Some(0);
        }
        let (count, value) = self.digits(9);
        Some(value * 10_u32.pow(9 - count as u32))
    }
}

/// Appends `yyyy-MM-dd`; years outside 0 to 9999 with their sign, as in ISO 8601.
pub fn write_date(days: i64, out: &mut Vec<u8>) {
    let date = civil_from_days(days);
    if (0..=9_999).contains(&date.year) {
        let year = date.year as u32;
        push_two(year / 100, out);
        push_two(year % 100, out);
    } else {
        out.push(if date.year < 0 { b'-' } else { b'+' });
        push_padded(date.year.unsigned_abs(), 4, out);
    }
    out.push(b'-');
    push_two(date.month, out);
    out.push(b'-');
    push_two(date.day, out);
}

/// Appends `HH:mm:ss`, and the fraction of the second with as many digits as it needs,
/// or nothing if it is 0.
pub fn write_time(time: TimeOfDay, out: &mut Vec<u8>) {
    push_two(time.second / 3_600, out);
    out.push(b':');
    push_two(time.second / 60 % 60, out);
    out.push(b':');
    push_two(time.second % 60, out);
    if time.nanos == 0 {
        return;
    }
    let (mut value, mut width) = (u64::from(time.nanos), 9);
    while value % 10 == 0 {
        value /= 10;
        width -= 1;
    }
    out.push(b'.');
    push_padded(value, width, out);
}

/// Appends the date, the separator (` ` or `T`) and the time of day.
pub fn write_timestamp(at: DateTime, separator: u8, out: &mut Vec<u8>) {
    write_date(at.days(), out);
    out.push(separator);
    write_time(at.time_of_day(), out);
}

fn push_two(value: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]);
}

/// Appends the number with zeros before it up to `width`.
fn push_padded(mut value: u64, width: usize, out: &mut Vec<u8>) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while value > 0 || at > digits.len() - width {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn precision_cuts_and_range_is_checked() {
        let at = DateTime { seconds: -1, nanos: 999_999_999 };
        assert_eq!(at.to_precision(0), Some(-1_000));
        assert_eq!(at.to_precision(3), Some(-1));
        assert_eq!(at.to_precision(4), Some(-100));
        assert_eq!(at.to_precision(9), Some(-1));
        assert_eq!(DateTime { seconds: i64::MAX / 1_000, nanos: 0 }.to_precision(6), None);
        assert_eq!(
            DateTime::from_unit(i64::MIN, TimeUnit::Nanosecond).to_precision(9),
            Some(i64::MIN)
        );
    }

    proptest! {
        #[test]
        fn days_and_dates_are_inverse(days in -400_000_000_000_i64..400_000_000_000) {
            let date = civil_from_days(days);
            prop_assert!((1..=days_in_month(date.year, date.month)).contains(&date.day));
            prop_assert_eq!(days_from_civil(date.year, date.month, date.day), days);
        }

        #[test]
        fn text_reads_back_for_every_value(value in any::<i64>(), precision in 0_u8..=9) {
            let unit = TimeUnit::of_precision(precision);
            let at = DateTime::from_unit(value, unit);
            for separator in [b' ', b'T'] {
                let mut text = Vec::new();
                write_timestamp(at, separator, &mut text);
                prop_assert_eq!(parse_timestamp(&text), Some(ParsedTimestamp { at, utc: false }));
            }
            let whole = DateTime::from_unit(value, unit);
            prop_assert_eq!(whole.to_precision(unit_digits(unit)), Some(value));
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

    fn unit_digits(unit: TimeUnit) -> u8 {
        match unit {
            TimeUnit::Millisecond => 3,
            TimeUnit::Microsecond => 6,
            TimeUnit::Nanosecond => 9,
        }
    }
}
