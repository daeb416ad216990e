//! Dates and times of day as numbers and as text, in the proleptic Gregorian
//! calendar, as in Java. Nothing here reads a clock, a locale or the machine's zone.
//!
//! A point on the time line is a [`DateTime`]: seconds since 1970-01-01T00:00:00 and
//! nanoseconds above them, so that it fits every unit. The calendar is in [`civil`],
//! the text of records in [`iso`], the text of SQL's casts in [`sql`], zones in
//! `zone`.

pub mod civil;
pub mod iso;
pub mod sql;
mod zone;

pub use civil::{CivilDate, civil_from_days, days_from_civil, days_in_month, is_leap_year};
pub use iso::{
    ParsedTimestamp, parse_date, parse_time, parse_timestamp, parse_usual_millis, write_date,
    write_time, write_timestamp,
};

use super::TimeUnit;

/// Seconds in a day; there are no leap seconds here.
pub const SECONDS_PER_DAY: i64 = 86_400;

/// Milliseconds in a day.
pub const MILLIS_PER_DAY: i64 = 86_400_000;

const NANOS_PER_SECOND: u32 = 1_000_000_000;

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

    /// Midnight of the day that lies `days` after 1970-01-01.
    #[must_use]
    pub fn midnight(days: i64) -> DateTime {
        DateTime::of_day(days, TimeOfDay::default())
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

    /// The value as a TIMESTAMP stored in this unit, rounded down; `None` if it is
    /// out of range.
    #[must_use]
    pub fn to_unit(self, unit: TimeUnit) -> Option<i64> {
        self.to_precision(match unit {
            TimeUnit::Millisecond => 3,
            TimeUnit::Microsecond => 6,
            TimeUnit::Nanosecond => 9,
        })
    }

    /// The value rounded down to this many digits of the second.
    #[must_use]
    pub fn truncated(self, precision: u8) -> DateTime {
        DateTime { seconds: self.seconds, nanos: cut_nanos(self.nanos, precision) }
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

    /// The second of the day.
    #[must_use]
    pub fn second_of_day(self) -> i64 {
        self.seconds.rem_euclid(SECONDS_PER_DAY)
    }

    /// The millisecond of the day, rounded down.
    #[must_use]
    pub fn milli_of_day(self) -> i64 {
        self.second_of_day() * 1_000 + i64::from(self.nanos / 1_000_000)
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

#[cfg(test)]
mod tests;
