//! The exact sum against big integers.

use super::*;
use num_bigint::{BigInt, BigUint, Sign};
use proptest::prelude::*;

/// The exact sum of finite doubles, in units of the smallest double.
fn exact(values: &[f64]) -> BigInt {
    values
        .iter()
        .map(|value| {
            let bits = value.to_bits();
            let exponent = (bits >> 52) as usize & 0x7ff;
            let fraction = bits & ((1 << 52) - 1);
            let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
            let magnitude = BigInt::from(mantissa) << (exponent.max(1) - 1);
            if *value < 0.0 { -magnitude } else { magnitude }
        })
        .sum()
}

/// The double nearest to `numerator / denominator` units of the smallest double.
fn nearest(numerator: &BigInt, denominator: u64) -> f64 {
    let negative = numerator.sign() == Sign::Minus;
    let numerator: &BigUint = numerator.magnitude();
    let whole = numerator / denominator;
    // A double has 53 bits, and none below the unit.
    let lowest = whole.bits().saturating_sub(53);
    let divisor = BigUint::from(denominator) << lowest;
    let mantissa = numerator / &divisor;
    let twice_rest = (numerator % &divisor) * 2_u32;
    let up = twice_rest > divisor || twice_rest == divisor && mantissa.bit(0);
    let mantissa = u64::try_from(mantissa).unwrap() + u64::from(up);
    // The bits of doubles count up through subnormals, exponents and infinity.
    let bits = (lowest << 52) + mantissa;
    let magnitude = f64::from_bits(bits.min(f64::INFINITY.to_bits()));
    if negative && magnitude != 0.0 { -magnitude } else { magnitude }
}

fn sum_of(values: &[f64]) -> ExactSum {
    let mut sum = ExactSum::default();
    values.iter().for_each(|value| sum.add(*value));
    sum
}

fn saved(sum: &ExactSum) -> Vec<u8> {
    let mut out = Vec::new();
    sum.save(&mut out);
    out
}

/// Doubles of all magnitudes, subnormals and both zeros among them, and often ones
/// that nearly cancel.
fn finite() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite()),
        (-1_000_000_i64..1_000_000).prop_map(|cents| cents as f64 / 100.0),
        prop::sample::select(vec![
            0.0,
            -0.0,
            1.0,
            1e16,
            -1e16,
            1e308,
            -1e308,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            -f64::MIN_POSITIVE,
            f64::from_bits(1),
            -f64::from_bits(1),
            f64::from_bits((1 << 52) - 1),
        ]),
        (0_i32..2040).prop_map(|exponent| f64::from_bits((exponent as u64) << 52)),
    ]
}

#[test]
fn a_small_number_survives_between_large_ones_that_cancel() {
    // spec: E-6
    assert_eq!(sum_of(&[1e16, 1.0, -1e16]).to_f64(), 1.0);
    assert_eq!(sum_of(&[1.0, -1e16, 1e16]).to_f64(), 1.0);
}

#[test]
fn only_the_final_sum_overflows() {
    // spec: E-6
    for values in [[1e308, 1e308, -1e308], [1e308, -1e308, 1e308], [-1e308, 1e308, 1e308]] {
        assert_eq!(sum_of(&values).to_f64(), 1e308);
    }
    assert_eq!(sum_of(&[1e308, 1e308]).to_f64(), f64::INFINITY);
    assert_eq!(sum_of(&[-1e308, -1e308]).to_f64(), f64::NEG_INFINITY);
    assert_eq!(sum_of(&[1e308, 1e308]).average_f64(), 1e308);
}

#[test]
fn infinities_and_nan_are_counted_apart() {
    // spec: E-6
    let infinity = f64::INFINITY;
    assert_eq!(sum_of(&[1.0, infinity, -1e308]).to_f64(), infinity);
    assert_eq!(sum_of(&[-infinity, 1.0]).to_f64(), -infinity);
    assert!(sum_of(&[infinity, -infinity]).to_f64().is_nan());
    assert!(sum_of(&[f64::NAN, 1.0]).to_f64().is_nan());
    let mut sum = sum_of(&[2.5, infinity, f64::NAN]);
    sum.retract(&sum_of(&[f64::NAN]));
    assert_eq!(sum.to_f64(), infinity);
    sum.retract(&sum_of(&[infinity]));
    assert_eq!(sum.to_f64(), 2.5);
}

#[test]
fn zeros_give_the_positive_zero() {
    // spec: E-6
    assert_eq!(sum_of(&[-0.0, -0.0]).to_f64().to_bits(), 0);
    assert_eq!(sum_of(&[-1.0, 1.0]).to_f64().to_bits(), 0);
    assert_eq!(sum_of(&[]).to_f64().to_bits(), 0);
}

#[test]
fn a_float_is_rounded_once() {
    // spec: E-6
    // Rounding to a double first would make this a tie, which goes to even.
    let sum = sum_of(&[1.0, f64::from_bits(0x3e70_0000_0000_0000), 1e-30]);
    assert_eq!(sum.to_f64() as f32, 1.0);
    assert_eq!(sum.to_f32(), 1.000_000_1);
}

#[test]
fn ordinary_sums_stay_in_the_window() {
    let cents: Vec<f64> = (0..100_000).map(|cents| f64::from(cents) / 100.0).collect();
    let sum = sum_of(&cents);
    assert!(sum.rare.is_none());
    assert_eq!(sum.to_f64(), nearest(&exact(&cents), 1));
}

#[test]
fn damaged_sums_are_an_error() {
    for bytes in [
        &[][..],
        &[1, 4_u8],
        &[1, 0],
        &[1, 0, 1, 1],
        &[1, 0, 1, 1, 0],
        &[1, 0, 0xff, 0xff, 0xff],
        &[1, 2, 1],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0],
    ] {
        assert!(ExactSum::load(&mut Reader::new(bytes)).is_err(), "{bytes:?}");
    }
    let mut long = vec![1, 0];
    put_bytes(&mut long, &[1; 300]);
    put_u64(&mut long, 1);
    assert!(ExactSum::load(&mut Reader::new(&long)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_sum_is_the_nearest_double_to_the_true_sum(
        values in prop::collection::vec(finite(), 1..40),
        zeros in 0_usize..3,
    ) {
        // spec: E-6
        let values: Vec<f64> = values.into_iter().chain(vec![0.0; zeros]).collect();
        let sum = sum_of(&values);
        let true_sum = exact(&values);
        prop_assert_eq!(sum.to_f64().to_bits(), nearest(&true_sum, 1).to_bits());
        let average = nearest(&true_sum, values.len() as u64);
        prop_assert_eq!(sum.average_f64().to_bits(), average.to_bits());
    }

    #[test]
    fn order_merging_and_taking_back_change_nothing(
        values in prop::collection::vec(finite(), 0..30),
        others in prop::collection::vec(finite(), 0..30),
        seed in any::<u64>(),
    ) {
        // spec: E-6
        let whole: Vec<f64> = values.iter().chain(&others).copied().collect();
        let sum = sum_of(&whole);
        let mut shuffled = whole.clone();
        shuffled.sort_by_key(|value| value.to_bits().wrapping_mul(seed | 1));
        prop_assert_eq!(saved(&sum_of(&shuffled)), saved(&sum));

        let mut merged = sum_of(&values);
        merged.merge(&sum_of(&others));
        prop_assert_eq!(saved(&merged), saved(&sum));
        merged.retract(&sum_of(&others));
        prop_assert_eq!(saved(&merged), saved(&sum_of(&values)));

        let bytes = saved(&sum);
        let mut reader = Reader::new(&bytes);
        let mut loaded = ExactSum::load(&mut reader).unwrap();
        prop_assert!(reader.is_empty());
        prop_assert_eq!(saved(&loaded), bytes);
        values.iter().for_each(|value| loaded.add(*value));
        prop_assert_eq!(loaded.count(), (whole.len() + values.len()) as u64);
        let mut again = sum.clone();
        again.merge(&sum_of(&values));
        prop_assert_eq!(saved(&loaded), saved(&again));
    }

    #[test]
    fn a_float_sum_is_the_nearest_float(values in prop::collection::vec(any::<f32>(), 0..20)) {
        // spec: E-6
        prop_assume!(values.iter().all(|value| value.is_finite()));
        let wide: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
        let sum = sum_of(&wide).to_f32();
        let true_sum = exact(&wide);
        // A double sum that is exact can be rounded to the float directly.
        let double = nearest(&true_sum, 1);
        if exact(&[double]) == true_sum {
            prop_assert_eq!(sum, double as f32 + 0.0);
        }
        prop_assert!((f64::from(sum) - double).abs() <= double.abs() * 1.2e-7 + 1e-45 || sum.is_infinite());
    }

    #[test]
    fn any_bytes_load_or_fail(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(sum) = ExactSum::load(&mut Reader::new(&bytes)) {
            let _ = (sum.to_f64(), (sum.count() > 0).then(|| sum.average_f32()));
            let mut more = sum.clone();
            more.add(1.0);
            more.merge(&sum_of(&[1e300, 1e-300]));
            let _ = saved(&more);
        }
    }
}
