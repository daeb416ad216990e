//! Java's patterns for dates and times, such as `yyyy-MM-dd HH:mm:ss.SSS`.
//!
//! Java has two readings of them, and Flink uses both: DATE_FORMAT and TO_TIMESTAMP
//! go by `DateTimeFormatter`, FROM_UNIXTIME and UNIX_TIMESTAMP by the older
//! `SimpleDateFormat`. They differ in the letters `u` and `S` and in how strictly
//! they read.

use super::unit::iso_day_of_week;
use crate::types::datetime::{
    CivilDate, DateTime, SECONDS_PER_DAY, civil_from_days, days_from_civil, days_in_month,
};
use std::fmt::Write;

/// Which of Java's two readings a pattern has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `DateTimeFormatter`.
    Formatter,
    /// `SimpleDateFormat`.
    Simple,
}

/// A pattern ready for use.
#[derive(Clone, Debug)]
pub(super) struct TimePattern {
    items: Vec<Item>,
    dialect: Dialect,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    /// Text as it stands.
    Text(String),
    /// A letter and how often it stands there.
    Field(char, usize),
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl TimePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It has a letter without a meaning, or a quote that does not end.
    pub(super) fn parse(pattern: &str, dialect: Dialect) -> Result<TimePattern, String> {
        let mut items: Vec<Item> = Vec::new();
        let mut rest = pattern.chars().peekable();
        let text = |items: &mut Vec<Item>, character: char| match items.last_mut() {
            Some(Item::Text(text)) => text.push(character),
            _ => items.push(Item::Text(character.to_string())),
        };
        while let Some(character) = rest.next() {
            if character == '\'' {
                if rest.next_if_eq(&'\'').is_some() {
                    text(&mut items, '\'');
                    continue;
                }
                loop {
                    match rest.next() {
                        Some('\'') if rest.next_if_eq(&'\'').is_some() => text(&mut items, '\''),
                        Some('\'') => break,
                        Some(quoted) => text(&mut items, quoted),
                        None => return Err(format!("the quote in '{pattern}' does not end")),
                    }
                }
            } else if character.is_ascii_alphabetic() {
                let mut count = 1;
                while rest.next_if_eq(&character).is_some() {
                    count += 1;
                }
                if !is_known(character, dialect) {
                    return Err(format!("the letter {character} of '{pattern}' is not supported"));
                }
                items.push(Item::Field(character, count));
            } else if dialect == Dialect::Formatter && "[]".contains(character) {
                // An optional part always prints; reading needs it too.
            } else if dialect == Dialect::Formatter && "{}#".contains(character) {
                return Err(format!("'{pattern}' has the reserved character {character}"));
            } else {
                text(&mut items, character);
            }
        }
        Ok(TimePattern { items, dialect })
    }

    /// Whether it has a zone, which a time without one cannot print.
    pub(super) fn has_zone(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Field('X' | 'x' | 'Z' | 'z', _)))
    }

    /// Whether it reads the year of a week.
    pub(super) fn has_week_year(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Field('Y', _)))
    }

    /// Appends the text of a wall clock time.
    pub(super) fn write(&self, moment: DateTime, out: &mut String) {
        for item in &self.items {
            match item {
                Item::Text(text) => out.push_str(text),
                Item::Field(letter, count) => self.write_field(*letter, *count, moment, out),
            }
        }
    }

    fn write_field(&self, letter: char, count: usize, moment: DateTime, out: &mut String) {
        let days = moment.days();
        let CivilDate { year, month, day } = civil_from_days(days);
        let (hour, minute) = (moment.second_of_day() / 3600, moment.second_of_day() / 60 % 60);
        let simple = self.dialect == Dialect::Simple;
        let number = match letter {
            'y' | 'u' if letter == 'y' || !simple => return write_year(year, count, out),
            'Y' => return write_year(local_week(days).0, count, out),
            'u' => iso_day_of_week(days),
            'Q' | 'q' => i64::from(month - 1) / 3 + 1,
            'M' | 'L' if count >= 3 => {
                return write_name(MONTHS[month as usize - 1], count, out);
            }
            'M' | 'L' => month.into(),
            'E' => return write_name(DAYS[iso_day_of_week(days) as usize - 1], count, out),
            'e' | 'c' => iso_day_of_week(days) % 7 + 1,
            'a' => return out.push_str(if hour < 12 { "AM" } else { "PM" }),
            'G' => return out.push_str(if year > 0 { "AD" } else { "BC" }),
            'w' => local_week(days).1,
            'W' => (i64::from(day) - 1 + iso_day_of_week(days - i64::from(day) + 1) % 7) / 7 + 1,
            'd' => day.into(),
            'D' => days - days_from_civil(year, 1, 1) + 1,
            'H' => hour,
            'k' => (hour + 23) % 24 + 1,
            'h' => (hour + 11) % 12 + 1,
            'K' => hour % 12,
            'm' => minute,
            's' => moment.second_of_day() % 60,
            'S' if simple => (moment.nanos / 1_000_000).into(),
            'S' => {
                let digits = format!("{:09}", moment.nanos);
                return out.push_str(&digits[..count.min(9)]);
            }
            'n' => moment.nanos.into(),
            'A' => moment.milli_of_day(),
            'N' => moment.second_of_day() * 1_000_000_000 + i64::from(moment.nanos),
            _ => return,
        };
        // Writing into a String cannot fail.
        let _ = write!(out, "{number:0count$}");
    }
}

fn is_known(letter: char, dialect: Dialect) -> bool {
    match dialect {
        Dialect::Formatter => "yuYQqMLEecaGwWdDHkhKmsSnANXxZ".contains(letter),
        Dialect::Simple => "yuYMLEaGwWdDHkhKmsSXZ".contains(letter),
    }
}

fn write_year(year: i64, count: usize, out: &mut String) {
    let _ = match count {
        2 => write!(out, "{:02}", year.rem_euclid(100)),
        _ => write!(out, "{year:0count$}"),
    };
}

/// Three letters of a name, or all from four letters of the pattern on.
fn write_name(name: &str, count: usize, out: &mut String) {
    out.push_str(if count >= 4 { name } else { &name[..3] });
}

/// Year and week by American rules: weeks start on Sunday, and the one with
/// January 1st is the first.
fn local_week(days: i64) -> (i64, i64) {
    let sunday = days - iso_day_of_week(days) % 7;
    let year = civil_from_days(sunday + 6).year;
    let first = days_from_civil(year, 1, 1);
    let first_sunday = first - iso_day_of_week(first) % 7;
    (year, (sunday - first_sunday) / 7 + 1)
}

/// What was read so far.
#[derive(Clone, Debug, Default)]
struct Parts {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: Option<i64>,
    /// The hour as a clock of twelve shows it, 0 to 11.
    half_hour: Option<i64>,
    afternoon: Option<bool>,
    minute: i64,
    second: i64,
    nanos: i64,
    offset: Option<i64>,
}

impl TimePattern {
    /// Reads a text: the wall clock time, and the offset in seconds if the text has
    /// one. What the pattern does not have is 1970-01-01 00:00:00.
    pub(super) fn read(&self, text: &str) -> Option<(DateTime, Option<i64>)> {
        let lenient = self.dialect == Dialect::Simple;
        let mut parts = Parts::default();
        let mut rest = text;
        for (place, item) in self.items.iter().enumerate() {
            match item {
                Item::Text(wanted) => {
                    // The older reading skips spaces before numbers only.
                    rest = rest.strip_prefix(wanted.as_str())?;
                }
                Item::Field(letter, count) => {
                    let adjacent = self.is_numeric(place + 1);
                    self.read_field(*letter, *count, adjacent, &mut rest, &mut parts)?;
                }
            }
        }
        if !rest.is_empty() && !lenient {
            return None;
        }
        Some((parts.resolve(lenient)?, parts.offset))
    }

    /// Whether the item at this place is a number, so that the one before it cannot
    /// take all digits.
    fn is_numeric(&self, place: usize) -> bool {
        match self.items.get(place) {
            Some(Item::Field('M' | 'L', count)) => *count < 3,
            Some(Item::Field(letter, _)) => !"EaGXxZ".contains(*letter),
            _ => false,
        }
    }

    fn read_field(
        &self,
        letter: char,
        count: usize,
        adjacent: bool,
        rest: &mut &str,
        parts: &mut Parts,
    ) -> Option<()> {
        let lenient = self.dialect == Dialect::Simple;
        if lenient && letter != 'a' {
            *rest = rest.trim_start_matches(' ');
        }
        match letter {
            'M' | 'L' if count >= 3 => {
                parts.month = Some(read_name(&MONTHS, count, lenient, rest)? + 1);
                return Some(());
            }
            'E' => return read_name(&DAYS, count, lenient, rest).map(|_| ()),
            'a' => {
                let index = read_name(&["AM", "PM"], 4, lenient, rest)?;
                parts.afternoon = Some(index == 1);
                return Some(());
            }
            'G' => return read_name(&["BC", "AD"], 4, lenient, rest).map(|_| ()),
            'X' | 'x' | 'Z' => {
                parts.offset = Some(read_offset(rest)?);
                return Some(());
            }
            'S' if !lenient => {
                let digits = take_digits(rest, count, count)?;
                let value: i64 = digits.parse().ok()?;
                parts.nanos = value * 10i64.pow(9u32.checked_sub(count as u32)?);
                return Some(());
            }
            _ => {}
        }
        let value = self.read_number(letter, count, adjacent, rest)?;
        match letter {
            'y' | 'u' => parts.year = Some(value),
            'M' | 'L' => parts.month = Some(value),
            'd' => parts.day = Some(value),
            'D' => parts.day_of_year = Some(value),
            'H' => parts.hour = Some(value),
            'k' => parts.hour = Some(value % 24),
            'h' => parts.half_hour = Some(value % 12),
            'K' => parts.half_hour = Some(value),
            'm' => parts.minute = value,
            's' => parts.second = value,
            'S' => parts.nanos = value.checked_mul(1_000_000)?,
            'n' => parts.nanos = value,
            'Y' | 'w' | 'W' if !lenient => return None,
            _ => {}
        }
        Some(())
    }

    fn read_number(
        &self,
        letter: char,
        count: usize,
        adjacent: bool,
        rest: &mut &str,
    ) -> Option<i64> {
        let year = matches!(letter, 'y' | 'u' | 'Y');
        if year && count == 2 {
            let digits = take_digits(rest, 2, 2)?;
            // Both readings take a century so that the year lies near the present.
            return digits.parse::<i64>().ok().map(|value| value + 2000);
        }
        // Nine digits are enough for every field, and no sum of them overflows.
        let (min, max) = match (self.dialect, adjacent) {
            (Dialect::Simple, true) => (1, count.min(9)),
            (Dialect::Simple, false) => (1, 9),
            // One letter, or a year, may have more digits unless a number follows.
            (Dialect::Formatter, false) if count == 1 => (1, 9),
            (Dialect::Formatter, _) => (count.min(9), count.min(9)),
        };
        take_digits(rest, min, max)?.parse().ok()
    }
}

impl Parts {
    fn resolve(&self, lenient: bool) -> Option<DateTime> {
        let hour = match (self.hour, self.half_hour) {
            (Some(hour), _) => hour,
            (None, Some(half)) => half + if self.afternoon == Some(true) { 12 } else { 0 },
            (None, None) => 0,
        };
        let (year, month, day) =
            (self.year.unwrap_or(1970), self.month.unwrap_or(1), self.day.unwrap_or(1));
        let clock = (hour * 60 + self.minute).checked_mul(60)?.checked_add(self.second)?;
        let days = if lenient {
            // Months and days beyond their end go on into the next.
            let months = year.checked_mul(12)?.checked_add(month - 1)?;
            let (year, month) = (months.div_euclid(12), months.rem_euclid(12) as u32 + 1);
            if year.abs() > 1_000_000_000 {
                return None;
            }
            days_from_civil(year, month, 1).checked_add(day - 1)?
        } else {
            let whole = hour <= 23 || (hour == 24 && clock == SECONDS_PER_DAY && self.nanos == 0);
            if !whole || self.minute > 59 || self.second > 59 || !(1..=9999).contains(&year) {
                return None;
            }
            if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
                return None;
            }
            match self.day_of_year {
                Some(day) if (1..=366).contains(&day) => days_from_civil(year, 1, 1) + day - 1,
                Some(_) => return None,
                None => {
                    let (month, day) = (month as u32, day as u32);
                    days_from_civil(year, month, day.min(days_in_month(year, month)))
                }
            }
        };
        let nanos = u32::try_from(self.nanos.rem_euclid(1_000_000_000)).ok()?;
        let carried = self.nanos.div_euclid(1_000_000_000);
        let seconds =
            days.checked_mul(SECONDS_PER_DAY)?.checked_add(clock)?.checked_add(carried)?;
        Some(DateTime { seconds, nanos })
    }
}

fn take_digits<'a>(rest: &mut &'a str, min: usize, max: usize) -> Option<&'a str> {
    let digits = rest.bytes().take(max).take_while(u8::is_ascii_digit).count();
    if digits < min {
        return None;
    }
    let (front, back) = rest.split_at(digits);
    *rest = back;
    Some(front)
}

/// The number, from 0, of the name at the front.
fn read_name(names: &[&str], count: usize, any_case: bool, rest: &mut &str) -> Option<i64> {
    let matches = |wanted: &str| {
        rest.get(..wanted.len()).is_some_and(|front| {
            front == wanted || (any_case && front.eq_ignore_ascii_case(wanted))
        })
    };
    for (number, name) in names.iter().enumerate() {
        let short = &name[..3.min(name.len())];
        let found = match (count >= 4 || any_case, matches(name)) {
            (true, true) => Some(*name),
            _ if (count < 4 || any_case) && matches(short) => Some(short),
            _ => None,
        };
        if let Some(found) = found {
            *rest = &rest[found.len()..];
            return Some(number as i64);
        }
    }
    None
}

/// `Z`, `+02:00`, `+0200` or `+02`, in seconds.
fn read_offset(rest: &mut &str) -> Option<i64> {
    if let Some(back) = rest.strip_prefix('Z') {
        *rest = back;
        return Some(0);
    }
    let sign = match rest.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let mut back = &rest[1..];
    let hours: i64 = take_digits(&mut back, 2, 2)?.parse().ok()?;
    let mut minutes_text = back.strip_prefix(':').unwrap_or(back);
    let minutes: i64 = match take_digits(&mut minutes_text, 2, 2) {
        Some(digits) => {
            back = minutes_text;
            digits.parse().ok()?
        }
        None => 0,
    };
    *rest = back;
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests;
