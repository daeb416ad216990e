//! Sums of floating point numbers as integers without a bound, rounded once.
// spec: E-6

use num_bigint::{BigInt, BigUint, Sign};

/// What a floating point type can hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// How many binary digits a number has.
    digits: i64,
    /// The exponent of the smallest number above zero.
    least: i64,
    /// The largest exponent of a number's last digit.
    most: i64,
}

/// DOUBLE.
pub(super) const DOUBLE: Shape = Shape { digits: 53, least: -1074, most: 971 };
/// FLOAT.
pub(super) const FLOAT: Shape = Shape { digits: 24, least: -149, most: 104 };

/// A finite double as a multiple of 2^-1074.
fn units(value: f64) -> BigInt {
    let bits = value.to_bits();
    let exponent = (bits >> 52) & 0x7ff;
    let fraction = bits & ((1 << 52) - 1);
    let magnitude = match exponent {
        0 => BigInt::from(fraction),
        _ => BigInt::from(fraction | 1 << 52) << (exponent - 1),
    };
    if value.is_sign_negative() { -magnitude } else { magnitude }
}

/// The sum of the numbers divided by `divisor`, rounded once, as a double of which the
/// shape's type holds every bit; `None` for no numbers.
pub(super) fn sum(values: &[f64], divisor: u64, shape: Shape) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let has = |wanted: f64| values.contains(&wanted);
    Some(match (has(f64::INFINITY), has(f64::NEG_INFINITY)) {
        _ if values.iter().any(|value| value.is_nan()) => f64::NAN,
        (true, true) => f64::NAN,
        (true, false) => f64::INFINITY,
        (false, true) => f64::NEG_INFINITY,
        (false, false) => {
            let exact: BigInt = values.iter().map(|value| units(*value)).sum();
            nearest(&exact, divisor, shape)
        }
    })
}

/// The number of the type that is nearest to `units / divisor * 2^-1074`; of two that
/// are equally near, the even one.
fn nearest(units: &BigInt, divisor: u64, shape: Shape) -> f64 {
    let (sign, magnitude) = (units.sign(), units.magnitude());
    if sign == Sign::NoSign {
        return 0.0;
    }
    let divisor = BigUint::from(divisor);
    // The exponent of the last digit: at first a guess that is at most one too small.
    let length = magnitude.bits() as i64 - divisor.bits() as i64;
    let mut exponent = (length - 1074 - shape.digits).max(shape.least);
    let quotient = loop {
        let quotient = rounded(magnitude, &divisor, exponent);
        if quotient.bits() as i64 <= shape.digits {
            break quotient;
        }
        exponent += 1;
    };
    let negative = sign == Sign::Minus;
    let value = if exponent > shape.most { f64::INFINITY } else { scaled(&quotient, exponent) };
    if negative { -value } else { value }
}

/// `magnitude * 2^-1074 / divisor` in units of 2^exponent, rounded half to even.
fn rounded(magnitude: &BigUint, divisor: &BigUint, exponent: i64) -> BigUint {
    let shift = exponent + 1074;
    let (above, below) = match u64::try_from(shift) {
        Ok(shift) => (magnitude.clone(), divisor << shift),
        Err(_) => (magnitude << shift.unsigned_abs(), divisor.clone()),
    };
    let (whole, rest) = (&above / &below, &above % &below);
    let twice = rest * 2_u32;
    let is_odd = &whole % 2_u32 == BigUint::from(1_u32);
    if twice > below || (twice == below && is_odd) { whole + 1_u32 } else { whole }
}

/// `quotient * 2^exponent`, which a double holds exactly.
fn scaled(quotient: &BigUint, exponent: i64) -> f64 {
    let whole = u64::try_from(quotient).expect("it has at most 53 digits");
    if whole == 0 {
        return 0.0;
    }
    // Moved up as far as a normal number goes, then written as bits.
    let spare = i64::from(whole.leading_zeros()) - 11;
    let spare = spare.min(exponent + 1074).max(0);
    let (mantissa, exponent) = (whole << spare, exponent - spare);
    let biased = if mantissa >= 1 << 52 { (exponent + 1075) as u64 } else { 0 };
    f64::from_bits((biased << 52) | (mantissa & ((1 << 52) - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_do_not_depend_on_the_order_and_round_once() {
        // spec: E-6
        assert_eq!(sum(&[1e16, 1.0, -1e16], 1, DOUBLE), Some(1.0));
        assert_eq!(sum(&[1e308, 1e308, -1e308], 1, DOUBLE), Some(1e308));
        assert_eq!(sum(&[1e308, 1e308], 1, DOUBLE), Some(f64::INFINITY));
        assert_eq!(sum(&[0.1; 10], 1, DOUBLE), Some(1.0));
        assert_eq!(sum(&[0.1, 0.2, 0.3], 3, DOUBLE), Some(0.2));
        assert_eq!(sum(&[f64::from_bits(1)], 1, DOUBLE), Some(f64::from_bits(1)));
        // Half of the smallest number lies between 0 and it: 0 is even.
        assert_eq!(sum(&[f64::from_bits(1)], 2, DOUBLE), Some(0.0));
        assert_eq!(sum(&[f64::from_bits(3)], 2, DOUBLE), Some(f64::from_bits(2)));
        assert_eq!(sum(&[1.0, 2.0_f64.powi(-53)], 1, DOUBLE), Some(1.0));
        assert_eq!(
            sum(&[1.0, 2.0_f64.powi(-53), f64::from_bits(1)], 1, DOUBLE),
            Some(1.0 + f64::EPSILON)
        );
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY], 1, DOUBLE).unwrap().is_nan());
        assert_eq!(sum(&[], 1, DOUBLE), None);
        for value in [1.5, -0.75, f64::MAX, f64::MIN_POSITIVE, f64::from_bits(12_345), 3e-310] {
            assert_eq!(sum(&[value], 1, DOUBLE), Some(value));
            assert_eq!(sum(&[value, value], 2, DOUBLE), Some(value));
        }
    }

    #[test]
    fn a_float_is_rounded_to_a_float_once() {
        let third = sum(&[1.0], 3, FLOAT).unwrap();
        assert_eq!(third as f32, 1.0 / 3.0);
        assert_eq!(f64::from(third as f32), third);
        assert_eq!(sum(&[f64::from(f32::MAX), f64::from(f32::MAX)], 1, FLOAT), Some(f64::INFINITY));
        assert_eq!(
            sum(&[f64::from(f32::from_bits(1))], 1, FLOAT),
            Some(f64::from(f32::from_bits(1)))
        );
    }
}
