//! Numbers from text, exactly.
//!
//! The grammar is that of Java's `BigDecimal` and `Double.parseDouble` without their
//! suffixes and hexadecimal forms: a sign, digits with a point among or beside them,
//! an exponent. JSON's own grammar is a part of it.

use crate::types::DECIMAL_PRECISION_MAX;

/// Powers of ten that a double holds exactly.
const DOUBLE_POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Powers of ten up to the eighth.
const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Powers of ten that a float holds exactly.
const FLOAT_POWERS: [f32; 11] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

/// A DECIMAL read from a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DecimalText {
    /// The value without its point.
    Value(i128),
    /// A number with more digits before the point than the type has: NULL, as Flink's
    /// decimals do.
    Overflow,
    /// Not a number.
    Bad,
}

/// Eight digits, the first in the lowest byte, as a number.
#[inline(always)]
fn eight_digits(word: u64) -> u64 {
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8);
    let low = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let high = ((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    low.wrapping_add(high) >> 32
}

/// The `count` (1 to 8) digits at `at`, which must lie at least eight bytes before the
/// end of `data`.
#[inline(always)]
fn digits_at(data: &[u8], at: usize, count: usize) -> Option<u64> {
    let word = data.get(at..)?.first_chunk::<8>()?;
    // Shifting in zero bytes from below puts zeros before the number.
    let digits = u64::from_le_bytes(*word) ^ 0x3030_3030_3030_3030;
    Some(eight_digits(digits << (64 - 8 * count)))
}

/// The integer that stands in `data[start..start + len]`, known to be a JSON integer:
/// an optional minus and digits. `None` if it does not fit 64 bits. What lies behind it
/// in `data` is read, too, and without effect.
#[inline(always)]
pub(super) fn json_integer(data: &[u8], start: usize, len: usize) -> Option<i64> {
    let negative = data.get(start) == Some(&b'-');
    let (from, count) = (start + usize::from(negative), len - usize::from(negative));
    let value = match count {
        1..=8 => digits_at(data, from, count),
        9..=16 => digits_at(data, from, 8).and_then(|high| {
            let low = digits_at(data, from + 8, count - 8)?;
            Some(high * POWERS[count - 8] + low)
        }),
        _ => None,
    };
    match value {
        Some(value) if negative => Some(-(value as i64)),
        Some(value) => Some(value as i64),
        None => integer(&data[start..start + len]),
    }
}

/// An integer with an optional sign, as `Long.parseLong` reads it. `None` if it is
/// none or does not fit 64 bits.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    // Counting downwards reaches i64::MIN without a special case.
    let mut value = 0_i64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_sub(i64::from(digit - b'0'))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// The text without the characters that `String.trim` takes away.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let mut text = text;
    while let [0..=b' ', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., 0..=b' '] = text {
        text = rest;
    }
    text
}

/// A decimal number taken apart.
struct Parts<'a> {
    negative: bool,
    integer: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl<'a> Parts<'a> {
    fn of(text: &'a [u8]) -> Option<Parts<'a>> {
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let (integer, rest) = split_digits(rest);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => split_digits(rest),
            _ => (&rest[..0], rest),
        };
        if integer.is_empty() && fraction.is_empty() {
            return None;
        }
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => exponent(rest)?,
            _ => return None,
        };
        Some(Parts { negative, integer, fraction, exponent })
    }

    /// All digits, without the point.
    fn digits(&self) -> impl Iterator<Item = u8> {
        self.integer.iter().chain(self.fraction).map(|byte| byte - b'0')
    }

    /// The digits as a number, and the power of ten to multiply it with, if the number
    /// has at most 19 digits.
    fn small(&self) -> Option<(u64, i64)> {
        if self.integer.len() + self.fraction.len() > 19 {
            return None;
        }
        let mantissa = self.digits().fold(0, |value, digit| value * 10 + u64::from(digit));
        Some((mantissa, self.exponent - self.fraction.len() as i64))
    }

    /// How many digits stand before the point once leading zeros are gone and the
    /// exponent is applied (below 0: zeros behind the point), and how many leading
    /// zeros there were. `None` for zero.
    fn magnitude(&self) -> Option<(i64, usize)> {
        let zeros = self.digits().position(|digit| digit != 0)?;
        Some((self.integer.len() as i64 + self.exponent - zeros as i64, zeros))
    }
}

fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let count = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(count)
}

/// The exponent; one that is too large to matter is as good as any other such.
fn exponent(text: &[u8]) -> Option<i64> {
    const FAR: i64 = 1 << 40;
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0, |value, d| FAR.min(value * 10 + i64::from(d - b'0')));
    Some(if negative { -value } else { value })
}

/// The integer before the point of the number, as a cast of it to BIGINT would give
/// (but exact: the number is never rounded to a double). `None` if it is no number or
/// does not fit 64 bits.
pub(super) fn truncated_integer(text: &[u8]) -> Option<i64> {
    let parts = Parts::of(text)?;
    let Some((before_point, zeros)) = parts.magnitude() else { return Some(0) };
    if before_point > 19 {
        return None;
    }
    let mut digits = parts.digits().skip(zeros);
    let mut value = 0_i64;
    for _ in 0..before_point {
        let digit = i64::from(digits.next().unwrap_or(0));
        value = value.checked_mul(10)?.checked_sub(digit)?;
    }
    if parts.negative { Some(value) } else { value.checked_neg() }
}

/// The double nearest to the number; also `NaN` and `Infinity` with or without a sign.
/// What is too large is infinite, as in Java. `None` if it is no number.
pub(super) fn double(text: &[u8]) -> Option<f64> {
    let Some(parts) = Parts::of(text) else { return special(text) };
    // Where both factors are exact there is one rounding, and it is the right one.
    if let Some((mantissa, power)) = parts.small()
        && mantissa <= 1 << 53
        && power.unsigned_abs() <= 22
    {
        let factor = DOUBLE_POWERS[power.unsigned_abs() as usize];
        let mantissa = mantissa as f64;
        let value = if power < 0 { mantissa / factor } else { mantissa * factor };
        return Some(if parts.negative { -value } else { value });
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The float nearest to the number, otherwise as [`double`].
pub(super) fn float(text: &[u8]) -> Option<f32> {
    let Some(parts) = Parts::of(text) else { return special(text).map(|value| value as f32) };
    // As for doubles, where both factors are exact there is one rounding.
    if let Some((mantissa, power)) = parts.small()
        && mantissa <= 1 << 24
        && power.unsigned_abs() <= 10
    {
        let factor = FLOAT_POWERS[power.unsigned_abs() as usize];
        let mantissa = mantissa as f32;
        let value = if power < 0 { mantissa / factor } else { mantissa * factor };
        return Some(if parts.negative { -value } else { value });
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn special(text: &[u8]) -> Option<f64> {
    match text {
        b"NaN" | b"+NaN" | b"-NaN" => Some(f64::NAN),
        b"Infinity" | b"+Infinity" => Some(f64::INFINITY),
        b"-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// The number as a DECIMAL of this precision and scale, rounded half up (away from
/// zero), exactly, however long the text is.
pub(super) fn decimal(text: &[u8], precision: u8, scale: u8) -> DecimalText {
    let Some(parts) = Parts::of(text) else { return DecimalText::Bad };
    let Some((before_point, zeros)) = parts.magnitude() else { return DecimalText::Value(0) };
    // The digits of the number that stand before the new last place.
    let kept = before_point + i64::from(scale);
    if kept > i64::from(DECIMAL_PRECISION_MAX) {
        return DecimalText::Overflow;
    }
    if kept < 0 {
        return DecimalText::Value(0);
    }
    let mut digits = parts.digits().skip(zeros);
    let mut value = 0_i128;
    for _ in 0..kept {
        value = value * 10 + i128::from(digits.next().unwrap_or(0));
    }
    if digits.next().is_some_and(|digit| digit >= 5) {
        value += 1;
    }
    if value >= 10_i128.pow(u32::from(precision.min(DECIMAL_PRECISION_MAX))) {
        return DecimalText::Overflow;
    }
    DecimalText::Value(if parts.negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_exact_and_round_half_up() {
        let read = |text: &str| decimal(text.as_bytes(), 5, 2);
        assert_eq!(read("1.005"), DecimalText::Value(101));
        assert_eq!(read("-1.005"), DecimalText::Value(-101));
        assert_eq!(read("1.00499999999999999999999999999999999999999999"), DecimalText::Value(100));
        assert_eq!(read("999.99"), DecimalText::Value(99_999));
        assert_eq!(read("999.995"), DecimalText::Overflow);
        assert_eq!(read("1e3"), DecimalText::Overflow);
        assert_eq!(read("12345e-4"), DecimalText::Value(123));
        assert_eq!(read("0.005"), DecimalText::Value(1));
        assert_eq!(read("0.0049"), DecimalText::Value(0));
        assert_eq!(read("1e-999999999999999999999"), DecimalText::Value(0));
        assert_eq!(read("0e999999999999999999999"), DecimalText::Value(0));
        assert_eq!(read("1e999999999999999999999"), DecimalText::Overflow);
        assert_eq!(read(".5"), DecimalText::Value(50));
        assert_eq!(read("5."), DecimalText::Value(500));
        for bad in ["", ".", "-", "e5", "1e", "1e+", "1x", "0x1", "NaN", "1 ", "--1"] {
            assert_eq!(read(bad), DecimalText::Bad, "{bad:?}");
        }
        let most = "99999999999999999999999999999999999999";
        assert_eq!(decimal(most.as_bytes(), 38, 0), DecimalText::Value(10_i128.pow(38) - 1));
        let wide = format!("{most}.5");
        assert_eq!(decimal(wide.as_bytes(), 38, 0), DecimalText::Overflow);
    }

    #[test]
    fn fractions_are_cut_from_integers() {
        assert_eq!(truncated_integer(b"3.99"), Some(3));
        assert_eq!(truncated_integer(b"-3.99"), Some(-3));
        assert_eq!(truncated_integer(b"1e3"), Some(1_000));
        assert_eq!(truncated_integer(b"0.001e4"), Some(10));
        assert_eq!(truncated_integer(b"9223372036854775807.9"), Some(i64::MAX));
        assert_eq!(truncated_integer(b"9223372036854775808.0"), None);
        assert_eq!(truncated_integer(b"-9223372036854775808.9"), Some(i64::MIN));
        assert_eq!(truncated_integer(b"1e19"), None);
        assert_eq!(truncated_integer(b"0e99"), Some(0));
    }

    #[test]
    fn special_doubles_read_as_in_java() {
        assert!(double(b"NaN").is_some_and(f64::is_nan));
        assert_eq!(double(b"-Infinity"), Some(f64::NEG_INFINITY));
        assert_eq!(double(b"1e400"), Some(f64::INFINITY));
        assert_eq!(double(b"-0").map(f64::to_bits), Some((-0.0_f64).to_bits()));
        assert_eq!(double(b"inf"), None);
        assert_eq!(double(b"nan"), None);
    }

    proptest! {
        #[test]
        fn integers_agree_with_std(value: i64, behind in proptest::collection::vec(any::<u8>(), 0..20), shift in 0_u32..64) {
            let value = value >> shift;
            let text = value.to_string();
            let mut data = b"xyz".to_vec();
            data.extend_from_slice(text.as_bytes());
            data.extend_from_slice(&behind);
            prop_assert_eq!(json_integer(&data, 3, text.len()), Some(value));
            prop_assert_eq!(integer(text.as_bytes()), Some(value));
        }

        #[test]
        fn long_integers_do_not_wrap(text in "-?[1-9][0-9]{15,22}") {
            let expected = text.parse::<i64>().ok();
            prop_assert_eq!(json_integer(text.as_bytes(), 0, text.len()), expected);
        }

        #[test]
        fn floats_agree_with_std(text in "[+-]?([0-9]{1,25}(\\.[0-9]{0,25})?|\\.[0-9]{1,25})([eE][+-]?[0-9]{1,3})?") {
            let bits = double(text.as_bytes()).map(f64::to_bits);
            prop_assert_eq!(bits, Some(text.parse::<f64>().expect("std reads it").to_bits()));
            let bits = float(text.as_bytes()).map(f32::to_bits);
            prop_assert_eq!(bits, Some(text.parse::<f32>().expect("std reads it").to_bits()));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+.eE0-9 NaInfty]{0,50}", precision in 1_u8..=38, scale in 0_u8..=38) {
            let text = text.as_bytes();
            let _ = (double(text), float(text), integer(text), truncated_integer(text), trim(text));
            let _ = decimal(text, precision, scale.min(precision));
        }
    }
}
