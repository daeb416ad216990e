//! Numbers, sizes and times as people write them.

use std::time::Duration;

/// `26,398`.
#[must_use]
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `2.9 MiB`.
#[must_use]
pub(crate) fn bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1_024.0 {
            return if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1_024.0;
    }
    format!("{value:.1} TiB")
}

/// `0.41 s`, `3 min 20 s`, `5 d 3 h`.
#[must_use]
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        return match duration.subsec_nanos() {
            0 => format!("{seconds} s"),
            _ => format!("{:.2} s", duration.as_secs_f64()),
        };
    }
    let (large, unit, small, small_unit) = match seconds {
        0..3_600 => (seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => (seconds / 3_600, "h", seconds / 60 % 60, "min"),
        _ => (seconds / 86_400, "d", seconds / 3_600 % 24, "h"),
    };
    match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {small_unit}"),
    }
}

/// `2013-01-31 18:02:00`, from milliseconds.
#[must_use]
pub(crate) fn event_time(ms: i64) -> String {
    use anabranch_engine::types::TimeUnit;
    use anabranch_engine::types::datetime::{DateTime, write_timestamp};
    let mut text = Vec::new();
    write_timestamp(DateTime::from_unit(ms, TimeUnit::Millisecond), b' ', &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// `1 row`, `17 rows`.
#[must_use]
pub(crate) fn plural(number: u64, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(count(5), "5");
        assert_eq!(count(26_398), "26,398");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(plural(1, "row"), "1 row");
    }

    #[test]
    fn sizes_and_times_have_a_fitting_unit() {
        assert_eq!(bytes(17), "17 B");
        assert_eq!(bytes(3_000_000), "2.9 MiB");
        assert_eq!(duration(Duration::from_millis(410)), "0.41 s");
        assert_eq!(duration(Duration::from_secs(200)), "3 min 20 s");
        assert_eq!(duration(Duration::from_secs(90_000)), "1 d 1 h");
        assert_eq!(duration(Duration::from_secs(3_600)), "1 h");
        assert_eq!(event_time(1_357_000_000_000), "2013-01-01 00:26:40");
    }
}
