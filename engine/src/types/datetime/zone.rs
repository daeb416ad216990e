//! Zones: between an instant and what a wall clock shows.

use super::DateTime;
use chrono::{Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;

impl DateTime {
    /// The wall clock time of a zone at this instant.
    #[must_use]
    pub fn to_local(self, zone: Tz) -> DateTime {
        DateTime { seconds: self.seconds + offset_at(self.seconds, zone), nanos: self.nanos }
    }

    /// The instant at which a zone's wall clock shows this time. A time that occurs
    /// twice means the first; one that is skipped moves on by the gap, as in Java.
    #[must_use]
    pub fn to_instant(self, zone: Tz) -> DateTime {
        let offset = local_offset(self.seconds, zone);
        DateTime { seconds: self.seconds - offset, nanos: self.nanos }
    }
}

/// How far the zone's clock is ahead of UTC at an instant, in seconds.
fn offset_at(seconds: i64, zone: Tz) -> i64 {
    if zone == Tz::UTC {
        return 0;
    }
    match chrono::DateTime::from_timestamp(seconds, 0) {
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
    let Some(local) = chrono::DateTime::from_timestamp(seconds, 0) else { return 0 };
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
