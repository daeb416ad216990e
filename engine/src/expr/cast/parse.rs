//! Text to other types.

use super::{Cast, time};
use crate::expr::Evaluated;
use crate::function::RowResult;
use crate::function::kernel::{boolean_rows, primitive_rows};
use crate::types::datetime::DateTime;
use crate::types::datetime::sql::{parse_date, parse_time, parse_timestamp};
use crate::types::{SqlType, TimeUnit, decimal};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type,
};
use arrow_array::{Array, ArrayRef, StringArray};
use chrono_tz::Tz;
use std::str::FromStr;

/// Whether text can be cast to the type.
pub(super) fn castable(to: &SqlType) -> bool {
    to.is_numeric()
        || to.is_timestamp()
        || matches!(to, SqlType::Boolean | SqlType::Date | SqlType::Time(_))
}

/// Text to the type of the cast.
pub(super) fn convert(cast: &Cast, array: &ArrayRef, zone: Tz) -> Evaluated {
    let texts = array.as_string::<i32>();
    let rows = texts.len();
    match &cast.to {
        SqlType::Boolean => boolean_rows(rows, |row| parsed(cast, texts, row, parse_boolean)),
        SqlType::TinyInt => integers::<Int8Type>(cast, texts),
        SqlType::SmallInt => integers::<Int16Type>(cast, texts),
        SqlType::Int => integers::<Int32Type>(cast, texts),
        SqlType::BigInt => integers::<Int64Type>(cast, texts),
        SqlType::Float => primitive_rows::<Float32Type>(rows, &cast.to, |row| {
            parsed(cast, texts, row, parse_float::<f32>)
        }),
        SqlType::Double => primitive_rows::<Float64Type>(rows, &cast.to, |row| {
            parsed(cast, texts, row, parse_float::<f64>)
        }),
        SqlType::Decimal { precision, scale } => {
            primitive_rows::<Decimal128Type>(rows, &cast.to, |row| {
                // Text that does not fit fails, though a number that does not is NULL.
                parsed(cast, texts, row, |text| {
                    decimal::parse(text, *precision, *scale).ok().flatten()
                })
            })
        }
        to => time::moment_rows(rows, to, |row| {
            parsed(cast, texts, row, |text| {
                let moment = parse_moment(text, to)?;
                let instant = matches!(to, SqlType::TimestampLtz(_));
                time::stored(if instant { moment.to_instant(zone) } else { moment }, to)
            })
        }),
    }
}

fn parsed<T>(
    cast: &Cast,
    texts: &StringArray,
    row: usize,
    parse: impl Fn(&str) -> Option<T>,
) -> RowResult<T> {
    if texts.is_null(row) {
        return Ok(None);
    }
    let text = texts.value(row);
    match parse(text) {
        Some(value) => Ok(Some(value)),
        None => cast.refuse(text),
    }
}

fn parse_moment(text: &str, to: &SqlType) -> Option<DateTime> {
    match to {
        SqlType::Date => parse_date(text).map(|days| DateTime::midnight(days.into())),
        SqlType::Time(_) => {
            parse_time(text).map(|millis| DateTime::from_unit(millis.into(), TimeUnit::Millisecond))
        }
        // A CHAR's padding is no part of the text.
        _ => parse_timestamp(text),
    }
}

fn integers<T: ArrowPrimitiveType>(cast: &Cast, texts: &StringArray) -> Evaluated
where
    T::Native: TryFrom<i64>,
{
    primitive_rows::<T>(texts.len(), &cast.to, |row| {
        parsed(cast, texts, row, |text| T::Native::try_from(parse_integer(text)?).ok())
    })
}

/// An integer; digits behind a point are checked and cut off.
fn parse_integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match whole {
        "" | "-" | "+" => (!fraction.is_empty() || whole.is_empty() && text == ".").then_some(0),
        _ => whole.parse().ok(),
    }
}

/// A floating point number in Java's spelling: `1.5`, `1e3`, `12d`, `NaN`,
/// `-Infinity`.
fn parse_float<F: FromStr>(text: &str) -> Option<F> {
    let text = text.trim();
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, "NaN" | "Infinity") {
        return text.parse().ok();
    }
    let number = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    // Rust reads more words than Java, such as `inf` and `nan`.
    let plain = |byte: u8| byte.is_ascii_digit() || b".eE+-".contains(&byte);
    if number.bytes().all(plain) { number.parse().ok() } else { None }
}

fn parse_boolean(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if is(&["t", "true", "y", "yes", "1"]) {
        return Some(true);
    }
    is(&["f", "false", "n", "no", "0"]).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_read_as_in_flink() {
        assert_eq!(parse_integer("  12 "), Some(12));
        assert_eq!(parse_integer("+12"), Some(12));
        assert_eq!(parse_integer("-1.5"), Some(-1));
        assert_eq!(parse_integer("1."), Some(1));
        assert_eq!(parse_integer(".5"), Some(0));
        for text in ["", "-", "1e2", "0x1F", "1_000", "12d", "9223372036854775808", "1.5.2"] {
            assert_eq!(parse_integer(text), None, "{text}");
        }
    }

    #[test]
    fn floats_read_as_in_java() {
        assert_eq!(parse_float::<f64>("12d"), Some(12.0));
        assert_eq!(parse_float::<f64>("1e400"), Some(f64::INFINITY));
        assert!(parse_float::<f64>("NaN").is_some_and(f64::is_nan));
        for text in ["", "nan", "inf", "0x1F", "1_000", "abc", "d"] {
            assert_eq!(parse_float::<f64>(text), None, "{text}");
        }
    }
}
