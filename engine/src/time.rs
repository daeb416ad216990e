//! The kinds of time, each a type of its own.
//!
//! Event time and watermarks are milliseconds, as in Flink. Clock readings are
//! nanoseconds. No function here reads a clock: time enters the core as a value.

use serde::{Deserialize, Serialize};
use std::fmt;

/// When something happened, by the record's own account: milliseconds since
/// 1970-01-01T00:00:00 UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct EventTime(pub i64);

/// How far event time has certainly come: no row with `rowtime <= watermark` is
/// expected any more. Milliseconds.
// spec: T-1
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Watermark(pub i64);

impl Watermark {
    /// Nothing is known yet.
    pub const NONE: Watermark = Watermark(i64::MIN);
    /// No row will come any more.
    pub const END: Watermark = Watermark(i64::MAX);

    /// Whether a row of this time is behind the watermark.
    // spec: T-1
    #[must_use]
    pub fn is_past(self, time: EventTime) -> bool {
        time.0 <= self.0
    }

    /// The watermark `ms` milliseconds lower; `NONE` and `END` stay what they are.
    #[must_use]
    pub fn minus_ms(self, ms: i64) -> Watermark {
        if self == Watermark::END || self == Watermark::NONE {
            return self;
        }
        Watermark(self.0.saturating_sub(ms).clamp(i64::MIN + 1, i64::MAX - 1))
    }
}

impl Default for Watermark {
    fn default() -> Self {
        Watermark::NONE
    }
}

impl fmt::Display for Watermark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Watermark::NONE => f.write_str("none"),
            Watermark::END => f.write_str("end"),
            Watermark(ms) => write!(f, "{ms}"),
        }
    }
}

/// The clock reading that entered with an epoch: nanoseconds since 1970, strictly
/// growing from epoch to epoch. Processing time is the epoch's tick.
// spec: E-4, T-6
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Tick(pub i64);

/// A monotonic clock of one process: nanoseconds since an arbitrary moment.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Monotonic(pub i64);

/// A wall clock reading: nanoseconds since 1970. It may jump; only the anchor of
/// the ticks is taken from it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct WallClock(pub i64);

/// Whether the name is one of the time zone database that the binary carries.
#[must_use]
pub fn is_zone(name: &str) -> bool {
    name.parse::<chrono_tz::Tz>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_at_the_watermark_is_behind_it() {
        // spec: T-1
        assert!(Watermark(10).is_past(EventTime(10)));
        assert!(!Watermark(10).is_past(EventTime(11)));
    }

    #[test]
    fn lowering_a_watermark_keeps_its_ends() {
        assert_eq!(Watermark::END.minus_ms(5), Watermark::END);
        assert_eq!(Watermark::NONE.minus_ms(5), Watermark::NONE);
        assert_eq!(Watermark(i64::MIN + 2).minus_ms(5), Watermark(i64::MIN + 1));
    }
}
