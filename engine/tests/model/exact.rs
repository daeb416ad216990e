//! Sums of doubles by big integers.

use num_bigint::{BigInt, BigUint, Sign};

/// A finite double in units of the smallest one.
pub fn units(value: f64) -> BigInt {
    let bits = value.to_bits();
    let exponent = (bits >> 52) as usize & 0x7ff;
    let fraction = bits & ((1 << 52) - 1);
    let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
    let magnitude = BigInt::from(mantissa) << (exponent.max(1) - 1);
    if value < 0.0 { -magnitude } else { magnitude }
}

/// The double nearest to `numerator / denominator` units, half to even.
pub fn nearest(numerator: &BigInt, denominator: u64) -> f64 {
    let negative = numerator.sign() == Sign::Minus;
    let numerator: &BigUint = numerator.magnitude();
    let whole = numerator / denominator;
    // A double has 53 bits, and none below the unit.
    let lowest = whole.bits().saturating_sub(53);
    let divisor = BigUint::from(denominator) << lowest;
    let mantissa = numerator / &divisor;
    let twice_rest = (numerator % &divisor) * 2_u32;
    let up = twice_rest > divisor || twice_rest == divisor && mantissa.bit(0);
    let mantissa = u64::try_from(mantissa).expect("53 bits") + u64::from(up);
    // The bits of doubles count up through subnormals, exponents and infinity.
    let bits = (lowest << 52) + mantissa;
    let magnitude = f64::from_bits(bits.min(f64::INFINITY.to_bits()));
    if negative && magnitude != 0.0 { -magnitude } else { magnitude }
}
