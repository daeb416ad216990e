//! Constants: numbers, texts, dates and times, intervals.

use super::{Binder, Bound, Reported};
use crate::codes;
use anabranch_engine::diagnostic::Span;
use anabranch_engine::expr::Expr;
use anabranch_engine::types::{DECIMAL_PRECISION_MAX, SqlType, TimeUnit, Value};
use sqlparser::ast::{self, DateTimeField, Expr as Ast, Interval, TypedString, UnaryOperator};

const MS_PER_DAY: i64 = 86_400_000;

/// The bytes of `X'01ff'`: two hexadecimal digits each.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let byte = |pair: &[u8]| match pair {
        [high, low] => {
            let digit = |byte: &u8| char::from(*byte).to_digit(16);
            u8::try_from(digit(high)? * 16 + digit(low)?).ok()
        }
        _ => None,
    };
    digits.as_bytes().chunks(2).map(byte).collect()
}

impl Binder<'_> {
    /// A constant.
    pub(super) fn value(&mut self, value: &ast::Value, span: Span) -> Bound<Expr> {
        match value {
            ast::Value::Number(text, false) => self.number(text, false, span),
            ast::Value::Number(text, true) => {
                let help = "leave the letter out, and CAST if the type matters";
                let message = format!("the number {text} has a letter behind it");
                Err(self.error_help(codes::BAD_LITERAL, span, message, help))
            }
            ast::Value::SingleQuotedString(text) => {
                let length = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
                let ty = SqlType::Char(length).not_null();
                Ok(Expr::literal(Value::Text(text.clone()), ty).at(span))
            }
            ast::Value::HexStringLiteral(digits) => match bytes(digits) {
                Some(bytes) => {
                    let ty = SqlType::Binary(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
                    Ok(Expr::literal(Value::Bytes(bytes), ty.not_null()).at(span))
                }
                None => {
                    let message = format!("X'{digits}' is no row of bytes");
                    let help = "write two hexadecimal digits for each byte";
                    Err(self.error_help(codes::BAD_LITERAL, span, message, help))
                }
            },
            ast::Value::Boolean(value) => {
                Ok(Expr::literal(Value::Boolean(*value), SqlType::Boolean.not_null()).at(span))
            }
            ast::Value::Null => Ok(Expr::literal(Value::Null, SqlType::Null.nullable()).at(span)),
            other => {
                let message = format!("the constant {other} is not supported");
                Err(self.error(codes::BAD_LITERAL, span, message))
            }
        }
    }

    /// The constant with a minus before it, so that the smallest BIGINT can be
    /// written; `None` if it is no number.
    pub(super) fn negative_number(
        &mut self,
        value: &ast::Value,
        span: Span,
    ) -> Bound<Option<Expr>> {
        match value {
            ast::Value::Number(text, false) => self.number(text, true, span).map(Some),
            _ => Ok(None),
        }
    }

    /// `1` is INT or BIGINT, `1.5` DECIMAL, `1.5e0` DOUBLE.
    fn number(&mut self, text: &str, negative: bool, span: Span) -> Bound<Expr> {
        let sign = if negative { "-" } else { "" };
        if text.contains(['e', 'E']) {
            let value: f64 = match format!("{sign}{text}").parse::<f64>() {
                Ok(value) if value.is_finite() => value,
                _ => return Err(self.out_of_range(text, "DOUBLE", span)),
            };
            return Ok(Expr::literal(Value::Double(value), SqlType::Double.not_null()).at(span));
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = format!("{sign}{whole}{fraction}");
        if fraction.is_empty() {
            if let Ok(value) = digits.parse::<i32>() {
                let ty = SqlType::Int.not_null();
                return Ok(Expr::literal(Value::Int(value.into()), ty).at(span));
            }
            if let Ok(value) = digits.parse::<i64>() {
                return Ok(Expr::literal(Value::Int(value), SqlType::BigInt.not_null()).at(span));
            }
        }
        let precision = (whole.len() + fraction.len()).max(1);
        let value = digits.parse::<i128>().ok();
        match (value, u8::try_from(precision)) {
            (Some(value), Ok(precision)) if precision <= DECIMAL_PRECISION_MAX => {
                let ty = SqlType::Decimal { precision, scale: fraction.len() as u8 }.not_null();
                Ok(Expr::literal(Value::Decimal(value), ty).at(span))
            }
            _ => Err(self.out_of_range(text, "DECIMAL(38, …)", span)),
        }
    }

    fn out_of_range(&mut self, text: &str, ty: &str, span: Span) -> Reported {
        let text: String = text.chars().take(40).collect();
        self.error(codes::BAD_LITERAL, span, format!("the number {text} does not fit a {ty}"))
    }

    /// `DATE '…'`, `TIME '…'`, `TIMESTAMP '…'`.
    pub(super) fn typed_text(&mut self, literal: &TypedString, span: Span) -> Bound<Expr> {
        let TypedString { data_type, value, uses_odbc_syntax } = literal;
        let ast::Value::SingleQuotedString(text) = &value.value else {
            return Err(self.error(codes::BAD_LITERAL, span, "expected a text in single quotes"));
        };
        let (name, form, parsed) = match data_type {
            ast::DataType::Date if !uses_odbc_syntax => {
                let day = parse_date(text).and_then(|day| i32::try_from(day).ok());
                ("DATE", "2020-12-31", day.map(|day| (Value::Date(day), SqlType::Date)))
            }
            ast::DataType::Time(None, _) => {
                let parsed = parse_time(text).filter(|(_, digits)| *digits <= 3);
                let value = parsed.and_then(|(nanos, digits)| {
                    let ms = i32::try_from(nanos / 1_000_000).ok()?;
                    Some((Value::Time(ms), SqlType::Time(digits)))
                });
                ("TIME", "23:59:59.999", value)
            }
            _ => ("TIMESTAMP", "2020-12-31 23:59:59.999", parse_timestamp(text)),
        };
        match parsed {
            Some((value, sql)) => Ok(Expr::literal(value, sql.not_null()).at(span)),
            None => {
                let message = format!("'{text}' is no {name}");
                let help = format!("write it like {name} '{form}'");
                Err(self.error_help(codes::BAD_LITERAL, span, message, help))
            }
        }
    }

    /// `INTERVAL '…' unit [TO unit]`.
    pub(super) fn interval(&mut self, interval: &Interval, span: Span) -> Bound<Expr> {
        let Interval {
            value,
            leading_field,
            leading_precision: _,
            last_field,
            fractional_seconds_precision: _,
        } = interval;
        let (negative, value) = match value.as_ref() {
            Ast::UnaryOp { op: UnaryOperator::Minus, expr } => (true, expr.as_ref()),
            other => (false, other),
        };
        let text = match value {
            Ast::Value(value) => match &value.value {
                ast::Value::SingleQuotedString(text) => text.as_str(),
                other => {
                    let help = format!("write INTERVAL '{other}' and the unit");
                    let message = "the interval's number is not in quotes";
                    return Err(self.error_help(codes::BAD_LITERAL, span, message, help));
                }
            },
            _ => {
                let message = "the interval is not a constant";
                let help = "use TIMESTAMPADD for a number from a column";
                return Err(self.error_help(codes::BAD_LITERAL, span, message, help));
            }
        };
        let Some(first) = leading_field else {
            let message = "the interval has no unit";
            let help = format!("write for example INTERVAL '{text}' SECOND");
            return Err(self.error_help(codes::BAD_LITERAL, span, message, help));
        };
        let first = unit_name(first);
        let last = last_field.as_ref().map(unit_name);
        let Some(value) = parse_interval(text, &first, last.as_deref()) else {
            let unit = match &last {
                Some(last) => format!("{first} TO {last}"),
                None => first.clone(),
            };
            let message = format!("'{text}' is no interval of {unit}");
            let help = interval_help(&first, last.as_deref());
            return Err(self.error_help(codes::BAD_LITERAL, span, message, help));
        };
        let (value, sql) = match (value, negative) {
            (Value::Months(months), true) => (Value::Months(-months), SqlType::IntervalYearMonth),
            (Value::Months(months), false) => (Value::Months(months), SqlType::IntervalYearMonth),
            (Value::Millis(ms), true) => (Value::Millis(-ms), SqlType::IntervalDayTime),
            (other, _) => (other, SqlType::IntervalDayTime),
        };
        Ok(Expr::literal(value, sql.not_null()).at(span))
    }
}

/// A unit of time in capitals and in the singular.
pub(super) fn unit_name(field: &DateTimeField) -> String {
    let name = field.to_string().to_ascii_uppercase();
    match name.as_str() {
        "YEARS" | "QUARTERS" | "MONTHS" | "WEEKS" | "DAYS" | "HOURS" | "MINUTES" | "SECONDS"
        | "MILLISECONDS" | "MICROSECONDS" | "NANOSECONDS" => name[..name.len() - 1].to_owned(),
        _ => name,
    }
}

fn interval_help(first: &str, last: Option<&str>) -> String {
    match (first, last) {
        ("DAY", Some("SECOND")) => "write for example '1 02:03:04.5'".to_owned(),
        ("DAY", Some("MINUTE")) => "write for example '1 02:03'".to_owned(),
        ("DAY", Some("HOUR")) => "write for example '1 02'".to_owned(),
        ("HOUR", Some("SECOND")) => "write for example '2:03:04.5'".to_owned(),
        ("HOUR", Some("MINUTE")) => "write for example '2:03'".to_owned(),
        ("MINUTE", Some("SECOND")) => "write for example '1:30'".to_owned(),
        ("YEAR", Some("MONTH")) => "write for example '1-6'".to_owned(),
        ("SECOND", None) => {
            "write for example '10' or '0.5'; milliseconds are the finest".to_owned()
        }
        ("YEAR" | "QUARTER" | "MONTH" | "WEEK" | "DAY" | "HOUR" | "MINUTE", None) => {
            "write a whole number in the quotes".to_owned()
        }
        _ => "units are YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE and SECOND".to_owned(),
    }
}

/// Reads the text of an interval.
fn parse_interval(text: &str, first: &str, last: Option<&str>) -> Option<Value> {
    let text = text.trim();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1_i32, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let ms = match (first, last) {
        ("YEAR" | "QUARTER" | "MONTH", None) => {
            let factor = match first {
                "YEAR" => 12,
                "QUARTER" => 3,
                _ => 1,
            };
            let months = i32::try_from(whole(text)?).ok()?.checked_mul(factor)?;
            return Some(Value::Months(sign * months));
        }
        ("YEAR", Some("MONTH")) => {
            let (years, months) = text.split_once('-')?;
            let months = below(months, 12)?;
            let total = whole(years)?.checked_mul(12)?.checked_add(months)?;
            return Some(Value::Months(sign * i32::try_from(total).ok()?));
        }
        ("WEEK", None) => whole(text)?.checked_mul(7 * MS_PER_DAY)?,
        ("DAY", None) => whole(text)?.checked_mul(MS_PER_DAY)?,
        ("HOUR", None) => whole(text)?.checked_mul(3_600_000)?,
        ("MINUTE", None) => whole(text)?.checked_mul(60_000)?,
        ("SECOND", None) => seconds(text)?,
        ("DAY", Some(last @ ("HOUR" | "MINUTE" | "SECOND"))) => {
            let (days, rest) = text.split_once(' ')?;
            let days = whole(days)?.checked_mul(MS_PER_DAY)?;
            days.checked_add(clock(rest.trim(), "HOUR", last, Some(24))?)?
        }
        ("HOUR", Some(last @ ("MINUTE" | "SECOND"))) => clock(text, "HOUR", last, None)?,
        ("MINUTE", Some("SECOND")) => clock(text, "MINUTE", "SECOND", None)?,
        _ => return None,
    };
    Some(Value::Millis(i64::from(sign) * ms))
}

/// `hh[:mm[:ss[.fff]]]` or `mm:ss[.fff]` in ms; the first part is below `limit`.
fn clock(text: &str, first: &str, last: &str, limit: Option<i64>) -> Option<i64> {
    let units = ["HOUR", "MINUTE", "SECOND"];
    let from = units.iter().position(|unit| *unit == first)?;
    let to = units.iter().position(|unit| *unit == last)?;
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() != to - from + 1 {
        return None;
    }
    let mut total = 0_i64;
    for (index, part) in parts.iter().enumerate() {
        let part_ms = match from + index {
            2 => seconds(part).filter(|ms| index == 0 || *ms < 60_000)?,
            unit => {
                let value = if index == 0 { whole(part)? } else { below(part, 60)? };
                if index == 0 && limit.is_some_and(|limit| value >= limit) {
                    return None;
                }
                value.checked_mul(if unit == 0 { 3_600_000 } else { 60_000 })?
            }
        };
        total = total.checked_add(part_ms)?;
    }
    Some(total)
}

/// Digits only.
fn whole(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn below(text: &str, limit: i64) -> Option<i64> {
    whole(text).filter(|value| *value < limit)
}

/// Seconds with up to three digits of fraction, in ms.
fn seconds(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.len() > 3 {
        return None;
    }
    let ms = whole(&format!("{fraction:0<3}"))?;
    whole(seconds)?.checked_mul(1000)?.checked_add(ms)
}

/// Days since 1970-01-01 of `yyyy-mm-dd`.
fn parse_date(text: &str) -> Option<i64> {
    let mut parts = text.trim().split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let (year, month, day) = (whole(year)?, whole(month)?, whole(day)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if year < 1 || !(1..=length).contains(&day) {
        return None;
    }
    // The civil calendar by eras of 400 years, with years that begin in March.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Nanoseconds of the day of `hh:mm:ss[.f…]`, and how many digits the fraction has.
fn parse_time(text: &str) -> Option<(i64, u8)> {
    let (clock, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let mut parts = clock.split(':');
    let hour = below(parts.next()?, 24)?;
    let minute = below(parts.next()?, 60)?;
    let second = below(parts.next().unwrap_or("0"), 60)?;
    if parts.next().is_some() || fraction.len() > 9 {
        return None;
    }
    let nanos = whole(&format!("{fraction:0<9}"))?;
    let seconds = (hour * 60 + minute) * 60 + second;
    Some((seconds * 1_000_000_000 + nanos, fraction.len() as u8))
}

/// A timestamp and its type; the precision is the number of digits of the fraction.
fn parse_timestamp(text: &str) -> Option<(Value, SqlType)> {
    let text = text.trim();
    let (date, time) = text.split_once(' ').unwrap_or((text, "00:00:00"));
    let days = parse_date(date)?;
    let (nanos, digits) = parse_time(time)?;
    let per_second = TimeUnit::of_precision(digits).per_second();
    let of_day = nanos / (1_000_000_000 / per_second);
    let value = days.checked_mul(86_400)?.checked_mul(per_second)?.checked_add(of_day)?;
    Some((Value::Timestamp(value), SqlType::Timestamp(digits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str, first: &str, last: Option<&str>) -> Option<i64> {
        match parse_interval(text, first, last) {
            Some(Value::Millis(ms)) => Some(ms),
            Some(Value::Months(months)) => Some(months.into()),
            _ => None,
        }
    }

    #[test]
    fn intervals_of_one_unit_and_of_ranges() {
        assert_eq!(ms("10", "SECOND", None), Some(10_000));
        assert_eq!(ms("0.5", "SECOND", None), Some(500));
        assert_eq!(ms("0.0005", "SECOND", None), None);
        assert_eq!(ms("1:30", "MINUTE", Some("SECOND")), Some(90_000));
        assert_eq!(ms("1 02:03:04.005", "DAY", Some("SECOND")), Some(93_784_005));
        assert_eq!(ms("1 24", "DAY", Some("HOUR")), None);
        assert_eq!(ms("36:00", "HOUR", Some("MINUTE")), Some(129_600_000));
        assert_eq!(ms("-2", "HOUR", None), Some(-7_200_000));
        assert_eq!(ms("1-6", "YEAR", Some("MONTH")), Some(18));
        assert_eq!(ms("1.5", "HOUR", None), None);
        assert_eq!(ms("99999999999999999", "WEEK", None), None);
    }

    #[test]
    fn dates_count_from_1970() {
        assert_eq!(parse_date("1970-01-01"), Some(0));
        assert_eq!(parse_date("2000-02-29"), Some(11_016));
        assert_eq!(parse_date("1969-12-31"), Some(-1));
        assert_eq!(parse_date("2001-02-29"), None);
        assert_eq!(parse_date("13-01-01"), None);
    }

    #[test]
    fn the_fraction_of_a_timestamp_is_its_precision() {
        let parsed = parse_timestamp("1970-01-01 00:00:01.001");
        assert_eq!(parsed, Some((Value::Timestamp(1_001), SqlType::Timestamp(3))));
        let parsed = parse_timestamp("1970-01-02 00:00:00");
        assert_eq!(parsed, Some((Value::Timestamp(86_400_000), SqlType::Timestamp(0))));
        assert_eq!(parse_timestamp("1970-01-02 24:00:00"), None);
    }
}
