//! Values from text, type by type: what JSON strings and CSV fields have in common.

use crate::reference::calendar::{parse_date, parse_time, parse_timestamp};
use crate::reference::cell::Cell;
use anabranch_engine::types::SqlType;
use num_bigint::BigInt;

/// That a text is no value of the type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::reference) struct Unreadable;

/// Without the white space and control characters around it.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|character: char| character <= ' ')
}

/// The value of a text.
pub(super) fn value_of(text: &str, ty: &SqlType) -> Result<Cell, Unreadable> {
    let number = trimmed(text);
    Ok(match ty {
        SqlType::Null => Cell::Null,
        SqlType::Boolean if number.eq_ignore_ascii_case("true") => Cell::Boolean(true),
        SqlType::Boolean if number.eq_ignore_ascii_case("false") => Cell::Boolean(false),
        SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt => {
            integer(number, ty)?
        }
        SqlType::Float => Cell::Float(float_text(number)?.parse::<f32>().map_err(|_| Unreadable)?),
        SqlType::Double => {
            Cell::Double(float_text(number)?.parse::<f64>().map_err(|_| Unreadable)?)
        }
        SqlType::Decimal { precision, scale } => decimal(number, *precision, *scale)?,
        SqlType::Char(_) | SqlType::VarChar(_) => Cell::Text(text.to_owned()),
        SqlType::Binary(_) | SqlType::VarBinary(_) => Cell::Bytes(base64(text).ok_or(Unreadable)?),
        SqlType::Date => {
            let days = parse_date(text).ok_or(Unreadable)?;
            Cell::Date(i32::try_from(days).map_err(|_| Unreadable)?)
        }
        SqlType::Time(precision) => {
            let digits = usize::from((*precision).min(3));
            let ns = parse_time(text, digits).ok_or(Unreadable)?;
            Cell::Time((ns / 1_000_000) as i32)
        }
        SqlType::Timestamp(precision) => {
            Cell::Timestamp(parse_timestamp(text, *precision).ok_or(Unreadable)?)
        }
        SqlType::TimestampLtz(precision) => {
            let local = text.strip_suffix('Z').ok_or(Unreadable)?;
            Cell::Timestamp(parse_timestamp(local, *precision).ok_or(Unreadable)?)
        }
        SqlType::IntervalYearMonth => Cell::Months(number.parse().map_err(|_| Unreadable)?),
        SqlType::IntervalDayTime => Cell::Millis(number.parse().map_err(|_| Unreadable)?),
        SqlType::Boolean | SqlType::Row(_) | SqlType::Array(_) => return Err(Unreadable),
    })
}

/// The smallest and the largest number of an integer type.
pub(in crate::reference) fn range_of(ty: &SqlType) -> (i64, i64) {
    match ty {
        SqlType::TinyInt => (i8::MIN.into(), i8::MAX.into()),
        SqlType::SmallInt => (i16::MIN.into(), i16::MAX.into()),
        SqlType::Int => (i32::MIN.into(), i32::MAX.into()),
        _ => (i64::MIN, i64::MAX),
    }
}

/// An integer with an optional sign.
fn integer(text: &str, ty: &SqlType) -> Result<Cell, Unreadable> {
    let value: i64 = text.parse().map_err(|_| Unreadable)?;
    let (least, most) = range_of(ty);
    if (least..=most).contains(&value) { Ok(Cell::Int(value)) } else { Err(Unreadable) }
}

/// The whole part of a JSON number for INT and BIGINT.
pub(super) fn whole_part(text: &str, ty: &SqlType) -> Result<Cell, Unreadable> {
    let (digits, scale) = scaled(text).ok_or(Unreadable)?;
    let whole = match shifted(digits, -scale) {
        Shifted::Value(whole) => whole,
        Shifted::TooLarge => return Err(Unreadable),
    };
    integer(&whole.to_string(), ty)
}

/// Words that are numbers for Rust but not for Java are none.
fn float_text(text: &str) -> Result<&str, Unreadable> {
    let is_word = text.contains(|c: char| c.is_alphabetic() && c != 'e' && c != 'E');
    let is_known = ["NaN", "Infinity", "-Infinity"].contains(&text);
    if is_word && !is_known { Err(Unreadable) } else { Ok(text) }
}

/// A number in decimal notation as its digits and how many of them stand behind the
/// point.
fn scaled(text: &str) -> Option<(BigInt, i64)> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(&digits);
    if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: BigInt = unsigned.parse().ok()?;
    let value = if digits.starts_with('-') { -value } else { value };
    Some((value, fraction.len() as i64 - exponent))
}

enum Shifted {
    Value(BigInt),
    TooLarge,
}

/// The number times a power of ten, cut towards zero. No type of ours has numbers of
/// more than 400 digits.
fn shifted(value: BigInt, power: i64) -> Shifted {
    let zero = BigInt::ZERO;
    if value == zero || power < -400 - value.bits() as i64 {
        return Shifted::Value(zero);
    }
    if power > 400 {
        return Shifted::TooLarge;
    }
    let factor = BigInt::from(10).pow(power.unsigned_abs() as u32);
    Shifted::Value(if power < 0 { value / factor } else { value * factor })
}

/// A DECIMAL, rounded half away from zero; NULL if it has too many digits.
fn decimal(text: &str, precision: u8, scale: u8) -> Result<Cell, Unreadable> {
    let (value, from) = scaled(text).ok_or(Unreadable)?;
    // One digit more than wanted: cutting first is no double rounding.
    let Shifted::Value(tenfold) = shifted(value, i64::from(scale) + 1 - from) else {
        return Ok(Cell::Null);
    };
    let half = BigInt::from(if tenfold < BigInt::ZERO { -5 } else { 5 });
    let rounded: BigInt = (tenfold + half) / 10;
    if rounded.magnitude() >= BigInt::from(10).pow(u32::from(precision)).magnitude() {
        return Ok(Cell::Null);
    }
    Ok(Cell::Decimal(i128::try_from(rounded).map_err(|_| Unreadable)?))
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The bytes of a Base64 text.
fn base64(text: &str) -> Option<Vec<u8>> {
    let text: Vec<u8> = text.bytes().filter(|byte| *byte > b' ').collect();
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let (mut bits, mut count) = (0_u32, 0);
    let mut bytes = Vec::new();
    for digit in &text[..text.len() - padding] {
        let value = ALPHABET.iter().position(|known| known == digit)?;
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Result<Cell, Unreadable> {
        value_of(text, &SqlType::Decimal { precision: 5, scale: 2 })
    }

    #[test]
    fn numbers_are_read_as_their_type_reads_them() {
        assert_eq!(value_of(" +12 ", &SqlType::TinyInt), Ok(Cell::Int(12)));
        assert_eq!(value_of("128", &SqlType::TinyInt), Err(Unreadable));
        assert_eq!(value_of("1.5", &SqlType::Int), Err(Unreadable));
        assert_eq!(whole_part("-1.9e1", &SqlType::Int), Ok(Cell::Int(-19)));
        assert_eq!(whole_part("1e400", &SqlType::BigInt), Err(Unreadable));
        assert_eq!(decimal("1.005"), Ok(Cell::Decimal(101)));
        assert_eq!(decimal("-1.005"), Ok(Cell::Decimal(-101)));
        assert_eq!(decimal("1000"), Ok(Cell::Null));
        assert_eq!(decimal("1e-999999999"), Ok(Cell::Decimal(0)));
        assert_eq!(decimal("1e999999999"), Ok(Cell::Null));
        assert_eq!(decimal("-"), Err(Unreadable));
        assert_eq!(value_of("inf", &SqlType::Double), Err(Unreadable));
        assert_eq!(value_of("Zm9vYg==", &SqlType::BYTES), Ok(Cell::Bytes(b"foob".to_vec())));
        assert_eq!(value_of("1970-01-02", &SqlType::Date), Ok(Cell::Date(1)));
        assert_eq!(value_of("1970-01-01 00:00:00Z", &SqlType::Timestamp(3)), Err(Unreadable));
    }
}
