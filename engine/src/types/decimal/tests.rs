//! Decimals: arithmetic, comparison and text, by example and against big integers.

use super::*;
use num_bigint::{BigInt, Sign};
use proptest::prelude::*;

/// `n / d` rounded half away from zero.
fn round_ratio(n: &BigInt, d: &BigInt) -> BigInt {
    let negative = (n.sign() == Sign::Minus) != (d.sign() == Sign::Minus);
    let (n, d) = (n.magnitude(), d.magnitude());
    let rounded = BigInt::from((n * 2u8 + d) / (d * 2u8));
    if negative { -rounded } else { rounded }
}

fn fitted(value: &BigInt, precision: u8) -> Option<i128> {
    let value = i128::try_from(value).ok()?;
    fit(value, precision)
}

fn ten(exponent: u32) -> BigInt {
    BigInt::from(10).pow(exponent)
}

/// A decimal of up to 38 digits; small ones are as likely as large ones.
fn scaled() -> impl Strategy<Value = Scaled> {
    (0u8..=38, 1u8..=38, any::<bool>(), any::<u128>()).prop_map(
        |(scale, digits, negative, seed)| {
            let value = (seed % power_of_ten(digits).unsigned_abs()) as i128;
            (if negative { -value } else { value }, scale)
        },
    )
}

proptest! {
    #[test]
    fn sums_are_exact_and_rounded_once(a in scaled(), b in scaled(), scale in 0u8..=38, precision in 1u8..=38) {
        let exact = BigInt::from(a.0) * ten(38 - u32::from(a.1))
            + BigInt::from(b.0) * ten(38 - u32::from(b.1));
        let model = fitted(&round_ratio(&exact, &ten(38 - u32::from(scale))), precision);
        // Flink's result scale is never above the larger scale unless it fits.
        prop_assume!(scale <= a.1.max(b.1));
        prop_assert_eq!(add(a, b, precision, scale), model);
    }

    #[test]
    fn products_are_exact_and_rounded_once(a in scaled(), b in scaled(), scale in 0u8..=38, precision in 1u8..=38) {
        prop_assume!(scale <= a.1 + b.1);
        let exact = BigInt::from(a.0) * BigInt::from(b.0);
        let by = ten(u32::from(a.1 + b.1 - scale));
        prop_assert_eq!(multiply(a, b, precision, scale), fitted(&round_ratio(&exact, &by), precision));
    }

    #[test]
    fn short_quotients_are_rounded_once(a in any::<i64>(), b in any::<i64>(), sa in 0u8..=9, sb in 0u8..=9, scale in 6u8..=12) {
        prop_assume!(b != 0);
        let n = BigInt::from(a) * ten(u32::from(scale + sb));
        let d = BigInt::from(b) * ten(u32::from(sa));
        let model = fitted(&round_ratio(&n, &d), 38);
        let a = (i128::from(a), sa);
        let b = (i128::from(b), sb);
        prop_assert_eq!(divide(a, b, 38, scale), model);
        prop_assert_eq!(divide_exactly(a, b, 38, scale), model);
    }

    #[test]
    fn remainders_keep_the_sign_of_the_left(a in scaled(), b in scaled()) {
        prop_assume!(b.0 != 0);
        let common = u32::from(a.1.max(b.1));
        let x = BigInt::from(a.0) * ten(common - u32::from(a.1));
        let y = BigInt::from(b.0) * ten(common - u32::from(b.1));
        let model = fitted(&(x % y), 38);
        prop_assert_eq!(remainder(a, b, 38, a.1.max(b.1)), model);
    }

    #[test]
    fn comparison_is_by_value(a in scaled(), b in scaled()) {
        let x = BigInt::from(a.0) * ten(38 - u32::from(a.1));
        let y = BigInt::from(b.0) * ten(38 - u32::from(b.1));
        prop_assert_eq!(compare(a.0, a.1, b.0, b.1), x.cmp(&y));
    }

    #[test]
    fn text_reads_back(a in scaled()) {
        prop_assert_eq!(parse(&format(a.0, a.1), 38, a.1), Ok(Some(a.0)));
    }
}

#[test]
fn a_quotient_is_rounded_twice_as_in_flink() {
    // The exact quotient is 5 * 10^36 + 6/13, which 38 digits show as ... .5.
    let left = (power_of_ten(36) * 65 + 6, 0);
    assert_eq!(divide(left, (13, 0), 38, 0), Some(power_of_ten(36) * 5 + 1));
    assert_eq!(divide((2, 0), (3, 0), 38, 6), Some(666_667));
    assert_eq!(
        divide((1, 0), (3, 0), 38, 38),
        Some(33_333_333_333_333_333_333_333_333_333_333_333_333)
    );
}

#[test]
fn numbers_round_half_up_when_read() {
    assert_eq!(parse(" 1.005 ", 10, 2), Ok(Some(101)));
    assert_eq!(parse("-1.005", 10, 2), Ok(Some(-101)));
    assert_eq!(parse("1.5e3", 10, 0), Ok(Some(1500)));
    assert_eq!(parse("15e-1", 10, 0), Ok(Some(2)));
    assert_eq!(parse(".5", 10, 1), Ok(Some(5)));
    assert_eq!(parse("5.", 10, 1), Ok(Some(50)));
    assert_eq!(parse("0.04", 10, 1), Ok(Some(0)));
    assert_eq!(parse("0.004", 10, 1), Ok(Some(0)));
    assert_eq!(parse("999.95", 4, 1), Ok(None));
    assert_eq!(parse("1e1000000000", 38, 0), Ok(None));
    assert_eq!(parse("0e1000000000", 38, 0), Ok(Some(0)));
    for text in ["", " ", ".", "-", "1e", "1e+", "1.2.3", "0x1F", "1_000", "NaN", "12d"] {
        assert_eq!(parse(text, 38, 2), Err(NotANumber), "{text}");
    }
}

#[test]
fn decimals_print_all_digits_of_their_scale() {
    assert_eq!(format(-5, 2), "-0.05");
    assert_eq!(format(1250, 2), "12.50");
    assert_eq!(format(0, 3), "0.000");
    assert_eq!(format(7, 0), "7");
}
