//! Decimals: an integer of at most 38 digits with a point somewhere in it.
//!
//! Rounding is half up, away from zero, as in Flink. A result of more digits than
//! its type has is `None`, which becomes NULL.

use arrow_buffer::i256;
use num_bigint::BigInt;
use std::cmp::Ordering;

/// The powers of ten that fit.
const POWERS: [i128; 39] = powers();

const fn powers() -> [i128; 39] {
    let mut table = [1; 39];
    let mut exponent = 1;
    while exponent < 39 {
        table[exponent] = table[exponent - 1] * 10;
        exponent += 1;
    }
    table
}

/// Ten to the power of `exponent`.
///
/// # Panics
/// If `exponent` is above 38.
#[must_use]
pub fn power_of_ten(exponent: u8) -> i128 {
    POWERS[usize::from(exponent)]
}

/// How many digits the number has; 1 for zero.
#[must_use]
pub fn digits(value: i128) -> u8 {
    let magnitude = value.unsigned_abs();
    let count = POWERS.iter().skip(1).take_while(|power| **power as u128 <= magnitude).count();
    count as u8 + 1
}

/// The value, if it has at most `precision` digits.
#[must_use]
pub fn fit(value: i128, precision: u8) -> Option<i128> {
    let limit = power_of_ten(precision.min(38)).unsigned_abs();
    (value.unsigned_abs() < limit).then_some(value)
}

/// `value / divisor` rounded half away from zero, for a divisor above zero.
fn divide_half_up(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value / divisor, value % divisor);
    // `rest * 2 >= divisor` without overflow.
    let rest = rest.unsigned_abs();
    if rest >= divisor.unsigned_abs() - rest { quotient + value.signum() } else { quotient }
}

/// The same number with its point elsewhere, rounded if digits are lost, for a
/// type of `precision` digits.
#[must_use]
pub fn rescale(value: i128, from: u8, to: u8, precision: u8) -> Option<i128> {
    let moved = match from.cmp(&to) {
        Ordering::Equal => value,
        Ordering::Less => value.checked_mul(power_of_ten(to - from))?,
        Ordering::Greater => divide_half_up(value, power_of_ten(from - to)),
    };
    fit(moved, precision)
}

/// The same number with its point elsewhere, digits that are lost cut off.
#[must_use]
pub fn truncate(value: i128, from: u8, to: u8) -> Option<i128> {
    if to >= from {
        return value.checked_mul(power_of_ten(to - from));
    }
    Some(value / power_of_ten(from - to))
}

fn wide_power(exponent: u8) -> i256 {
    let low = exponent.min(38);
    i256::from_i128(power_of_ten(low)).wrapping_mul(i256::from_i128(power_of_ten(exponent - low)))
}

/// Brings a wide number from one scale to another, for a type of `precision` digits.
fn rescale_wide(value: i256, from: u8, to: u8, precision: u8) -> Option<i128> {
    let moved = if to >= from {
        value.checked_mul(wide_power(to - from))?
    } else {
        let divisor = wide_power(from - to);
        let (quotient, rest) = (value.wrapping_div(divisor), value.wrapping_rem(divisor));
        let rest = rest.wrapping_abs();
        if rest >= divisor.wrapping_sub(rest) {
            let one = if value.is_negative() { i256::MINUS_ONE } else { i256::ONE };
            quotient.wrapping_add(one)
        } else {
            quotient
        }
    };
    fit(moved.to_i128()?, precision)
}

/// Compares two decimals by value.
#[must_use]
pub fn compare(left: i128, left_scale: u8, right: i128, right_scale: u8) -> Ordering {
    let scale = left_scale.max(right_scale);
    let wide =
        |value: i128, from: u8| i256::from_i128(value).wrapping_mul(wide_power(scale - from));
    let narrow = |value: i128, from: u8| value.checked_mul(power_of_ten(scale - from));
    match (narrow(left, left_scale), narrow(right, right_scale)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => wide(left, left_scale).cmp(&wide(right, right_scale)),
    }
}

/// A decimal's number and scale.
pub type Scaled = (i128, u8);

/// `left + right` for a result of these digits; `None` if it does not fit.
#[must_use]
pub fn add(left: Scaled, right: Scaled, precision: u8, scale: u8) -> Option<i128> {
    let ((a, sa), (b, sb)) = (left, right);
    let common = sa.max(sb);
    let narrow = |value: i128, from: u8| value.checked_mul(power_of_ten(common - from));
    if let (Some(x), Some(y)) = (narrow(a, sa), narrow(b, sb))
        && let Some(sum) = x.checked_add(y)
    {
        return rescale(sum, common, scale, precision);
    }
    let wide =
        |value: i128, from: u8| i256::from_i128(value).wrapping_mul(wide_power(common - from));
    rescale_wide(wide(a, sa).wrapping_add(wide(b, sb)), common, scale, precision)
}

/// `left * right` for a result of these digits; `None` if it does not fit.
#[must_use]
pub fn multiply(left: Scaled, right: Scaled, precision: u8, scale: u8) -> Option<i128> {
    let ((a, sa), (b, sb)) = (left, right);
    if let Some(product) = a.checked_mul(b)
        && sa + sb <= 38
    {
        return rescale(product, sa + sb, scale, precision);
    }
    let product = i256::from_i128(a).wrapping_mul(i256::from_i128(b));
    rescale_wide(product, sa + sb, scale, precision)
}

/// `left / right` for a result of these digits; `None` if it does not fit.
///
/// As in Flink the quotient is first rounded to 38 significant digits and then to
/// the scale; both times half up.
///
/// # Panics
/// If `right` is zero.
#[must_use]
pub fn divide(left: Scaled, right: Scaled, precision: u8, scale: u8) -> Option<i128> {
    let ((a, sa), (b, sb)) = (left, right);
    assert!(b != 0, "the caller checks for zero");
    // The quotient at `scale` is a * 10^(scale + sb - sa) / b.
    let shift = i32::from(scale) + i32::from(sb) - i32::from(sa);
    const SMALL: i128 = 1_000_000_000_000_000_000;
    if (0..=38).contains(&shift)
        && b.abs() < SMALL
        && let Some(scaled) = a.checked_mul(power_of_ten(shift as u8))
    {
        let quotient = divide_half_up(scaled * b.signum(), b.abs());
        // With 18 digits on both sides, rounding to 38 digits first cannot reach
        // the middle between two results.
        if quotient.abs() < SMALL {
            return fit(quotient, precision);
        }
    }
    divide_exactly(left, right, precision, scale)
}

/// The quotient by way of 38 significant digits.
fn divide_exactly(left: Scaled, right: Scaled, precision: u8, scale: u8) -> Option<i128> {
    let ((a, sa), (b, sb)) = (left, right);
    if a == 0 {
        return Some(0);
    }
    // First as many digits as 38 significant ones may need, then one rounding. The
    // quotient of an m- and an n-digit number has m - n or m - n + 1 digits.
    let (magnitude, divisor) = (BigInt::from(a.unsigned_abs()), BigInt::from(b.unsigned_abs()));
    let mut shift = 38 - (i32::from(digits(a)) - i32::from(digits(b)));
    let quotient = |shift: i32| {
        let (n, d) = (&magnitude, &divisor);
        let power = BigInt::from(10).pow(shift.unsigned_abs());
        let (n, d) = if shift >= 0 { (n * power, d.clone()) } else { (n.clone(), d * power) };
        (&n / &d, &n % &d, d)
    };
    let limit = BigInt::from(power_of_ten(38));
    let (mut whole, mut rest, mut by) = quotient(shift);
    if whole >= limit {
        shift -= 1;
        (whole, rest, by) = quotient(shift);
    }
    if rest * 2 >= by {
        whole += 1;
    }
    // `whole` has the scale shift + sa - sb.
    let significant = i128::try_from(whole).ok()? * a.signum() * b.signum();
    let from = shift + i32::from(sa) - i32::from(sb);
    let drop = from - i32::from(scale);
    match drop {
        39.. => Some(0),
        0..=38 => fit(divide_half_up(significant, power_of_ten(drop as u8)), precision),
        _ => {
            let power = u8::try_from(-drop).ok().filter(|power| *power <= 38)?;
            fit(significant.checked_mul(power_of_ten(power))?, precision)
        }
    }
}

/// The rest of `left / right`, with the sign of `left`; `None` if it does not fit.
///
/// # Panics
/// If `right` is zero.
#[must_use]
pub fn remainder(left: Scaled, right: Scaled, precision: u8, scale: u8) -> Option<i128> {
    let ((a, sa), (b, sb)) = (left, right);
    assert!(b != 0, "the caller checks for zero");
    let common = sa.max(sb);
    let wide =
        |value: i128, from: u8| i256::from_i128(value).wrapping_mul(wide_power(common - from));
    rescale_wide(wide(a, sa).wrapping_rem(wide(b, sb)), common, scale, precision)
}

/// Reads a decimal such as ` -12.50` or `1.5e3`, rounded for a type of these
/// digits. `Err` if it is no number, `Ok(None)` if it does not fit.
///
/// # Errors
/// The text is no number.
pub fn parse(text: &str, precision: u8, scale: u8) -> Result<Option<i128>, NotANumber> {
    let text = text.trim();
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], parse_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (negative, unsigned) = match mantissa.as_bytes().first() {
        Some(b'-') => (true, &mantissa[1..]),
        Some(b'+') => (false, &mantissa[1..]),
        _ => (false, mantissa),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return Err(NotANumber);
    }
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0').collect();
    // The number is 0.DIGITS * 10^point; cut after `point + scale` digits.
    let point = whole.len() as i64 + exponent;
    let kept = point + i64::from(scale);
    let mut value: i128 = 0;
    if kept >= 0 {
        for place in 0..kept.min(digits.len() as i64 + 80) {
            let digit = digits.get(place as usize).copied().unwrap_or(0);
            let Some(next) = value.checked_mul(10) else { return Ok(None) };
            value = next + i128::from(digit);
            if value >= power_of_ten(38) {
                return Ok(None);
            }
        }
        if kept > digits.len() as i64 + 80 && value != 0 {
            return Ok(None);
        }
        if digits.get(kept as usize).is_some_and(|digit| *digit >= 5) {
            value += 1;
        }
    }
    Ok(fit(if negative { -value } else { value }, precision))
}

/// The text is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotANumber;

fn parse_exponent(text: &str) -> Result<i64, NotANumber> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotANumber);
    }
    // Beyond a million the number is zero or does not fit, whatever its digits.
    let value = digits
        .bytes()
        .fold(0i64, |value, byte| (value * 10 + i64::from(byte - b'0')).min(1_000_000));
    Ok(if negative { -value } else { value })
}

/// The text of a decimal, with all digits of its scale.
#[must_use]
pub fn format(value: i128, scale: u8) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let digits = value.unsigned_abs().to_string();
    let scale = usize::from(scale);
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    if digits.len() > scale {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        return format!("{sign}{whole}.{fraction}");
    }
    format!("{sign}0.{digits:0>scale$}")
}

/// The nearest double.
#[must_use]
pub fn to_double(value: i128, scale: u8) -> f64 {
    // Both are exact as doubles, so one correctly rounded division is the answer.
    if scale <= 22 && value.unsigned_abs() < 1 << 53 {
        return value as f64 / power_of_ten(scale) as f64;
    }
    format(value, scale).parse().expect("a decimal reads as a double")
}

#[cfg(test)]
mod tests;
