//! The text of dates and times in records: the forms of SQL and of ISO 8601, read and
//! written as bytes, since the decoders spend much of their time here. What a text may
//! look like is said at each `parse_…`; every one takes the whole text or nothing.

use super::{DateTime, TimeOfDay, civil_from_days, days_from_civil, days_in_month};

/// The most digits that the year of a text may have. Every TIMESTAMP of any unit has
/// a year within it.
const YEAR_DIGITS_MAX: usize = 9;

/// A timestamp as it was read from a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedTimestamp {
    /// The date and time of day.
    pub at: DateTime,
    /// Whether the text ended with `Z`, that is, named an instant.
    pub utc: bool,
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
mod tests;
