//! The text of a value as it stands in the rows that real Flink produced, so that
//! tests can compare with them.

use crate::types::datetime::DateTime;
use crate::types::datetime::sql::{write_date, write_time, write_timestamp};
use crate::types::{SqlType, TimeUnit, Value, decimal, float};
use std::fmt::Write;

/// A value in the form of `scripts/flink-truth/rows/*.tsv`: NULL is `\\N`, bytes are
/// in hexadecimal, times in ISO form without trailing zeros; tabs, line ends and
/// backslashes are escaped.
#[must_use]
pub fn flink_row_text(value: &Value, ty: &SqlType) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = match (value, ty) {
        (Value::Null, _) => write!(out, "\\N"),
        (Value::Boolean(value), _) => write!(out, "{value}"),
        (Value::Int(value), _) => write!(out, "{value}"),
        (Value::Float(value), _) => write!(out, "{}", float::format_float(*value)),
        (Value::Double(value), _) => write!(out, "{}", float::format_double(*value)),
        (Value::Decimal(value), SqlType::Decimal { scale, .. }) => {
            write!(out, "{}", decimal::format(*value, *scale))
        }
        (Value::Decimal(value), _) => write!(out, "{value}"),
        (Value::Text(text), _) => write!(out, "{}", escaped(text)),
        (Value::Bytes(bytes), _) => bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}")),
        (Value::Date(days), _) => {
            write_date((*days).into(), &mut out);
            // Java puts a sign before years of more than four digits.
            if out.find('-').is_some_and(|digits| digits > 4) {
                out.insert(0, '+');
            }
            Ok(())
        }
        (Value::Time(millis), _) => {
            let moment = DateTime::from_unit((*millis).into(), TimeUnit::Millisecond);
            write_time(moment.second_of_day(), moment.nanos, 9, &mut out);
            without_zeros(&mut out);
            Ok(())
        }
        (Value::Timestamp(value), ty) => {
            let (precision, zone) = match ty {
                SqlType::Timestamp(precision) => (*precision, ""),
                SqlType::TimestampLtz(precision) => (*precision, "Z"),
                _ => (3, ""),
            };
            let unit = TimeUnit::of_precision(precision);
            write_timestamp(DateTime::from_unit(*value, unit), 9, &mut out);
            without_zeros(&mut out);
            out = out.replacen(' ', "T", 1);
            write!(out, "{zone}")
        }
        (Value::Months(months), _) => write!(out, "{}", period(*months)),
        (Value::Millis(millis), _) => write!(out, "{}", duration(*millis)),
        (Value::Row(_) | Value::Array(_), _) => write!(out, "{value:?}"),
    };
    out
}

/// Months as Java's `Period` prints them: `P1Y2M`.
fn period(months: i32) -> String {
    let part =
        |count: i32, letter| if count == 0 { String::new() } else { format!("{count}{letter}") };
    match months {
        0 => "P0D".to_owned(),
        _ => format!("P{}{}", part(months / 12, 'Y'), part(months % 12, 'M')),
    }
}

/// Milliseconds as Java's `Duration` prints them: `PT26H3.5S`.
fn duration(millis: i64) -> String {
    let part =
        |count: i64, letter| if count == 0 { String::new() } else { format!("{count}{letter}") };
    let (seconds, rest) = (millis / 1_000 % 60, millis % 1_000);
    let mut second = part(seconds, 'S');
    if rest != 0 {
        let sign = if millis < 0 { "-" } else { "" };
        let digits = format!("{:03}", rest.abs());
        second = format!("{sign}{}.{}S", seconds.abs(), digits.trim_end_matches('0'));
    }
    match millis {
        0 => "PT0S".to_owned(),
        _ => format!(
            "PT{}{}{second}",
            part(millis / 3_600_000, 'H'),
            part(millis / 60_000 % 60, 'M')
        ),
    }
}

/// Cuts the zeros at the end of a fraction, and the point if nothing is left.
fn without_zeros(text: &mut String) {
    let kept = text.trim_end_matches('0').trim_end_matches('.').len();
    if text.contains('.') {
        text.truncate(kept);
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_in_the_rows() {
        let text = |value: Value, ty: SqlType| flink_row_text(&value, &ty);
        assert_eq!(text(Value::Null, SqlType::Int), "\\N");
        assert_eq!(text(Value::Bytes(vec![1, 255]), SqlType::BYTES), "01ff");
        assert_eq!(text(Value::Timestamp(500), SqlType::Timestamp(3)), "1970-01-01T00:00:00.5");
        assert_eq!(text(Value::Timestamp(0), SqlType::TimestampLtz(6)), "1970-01-01T00:00:00Z");
        assert_eq!(text(Value::Time(36_000_000), SqlType::Time(0)), "10:00:00");
        assert_eq!(text(Value::Text("a\tb\\".into()), SqlType::STRING), "a\\tb\\\\");
    }
}
