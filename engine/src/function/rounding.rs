//! ROUND and TRUNCATE, and FLOOR and CEIL of numbers.

use super::kernel::{CallInput, Failure, RowResult, fail, primitive_rows};
use super::math::number;
use super::registry::RuleInput;
use super::typing::Ruled;
use crate::expr::{ErrorKind, Evaluated};
use crate::types::{SqlType, decimal, float};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type,
};
use std::sync::Arc;

/// Which neighbour a number goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    /// The nearest; from the middle, the one away from zero.
    HalfUp,
    /// The one towards zero.
    Cut,
    /// The smaller.
    Floor,
    /// The greater.
    Ceil,
}

pub(super) fn rule(input: &RuleInput<'_>) -> Ruled {
    input.count(1, 2)?;
    let ty = number(input, 0)?;
    let mut args = vec![ty.clone()];
    let digits = if input.args.len() == 2 {
        args.push(input.int(1)?);
        input.literal_int(1)
    } else {
        Some(0)
    };
    let result = match (&ty, digits) {
        (SqlType::Decimal { precision, scale }, Some(digits)) if digits < i64::from(*scale) => {
            let kept = digits.max(0) as u8;
            // One more digit before the point: 9.9 rounds to 10.
            SqlType::Decimal { precision: (precision - scale + 1 + kept).min(38), scale: kept }
        }
        _ => ty.clone(),
    };
    Ok(input.typed(args, result))
}

/// ROUND or TRUNCATE.
pub(super) fn evaluate(input: &CallInput<'_>, rounding: Rounding) -> Evaluated {
    match *input.arg_type(0) {
        SqlType::TinyInt => integers::<Int8Type>(input, rounding),
        SqlType::SmallInt => integers::<Int16Type>(input, rounding),
        SqlType::Int => integers::<Int32Type>(input, rounding),
        SqlType::BigInt => integers::<Int64Type>(input, rounding),
        SqlType::Float => by_row::<Float32Type>(input, |value, digits| {
            finite(value.into())?;
            Ok(Some(round_double(value.into(), digits, rounding) as f32))
        }),
        SqlType::Double => by_row::<Float64Type>(input, |value, digits| {
            finite(value)?;
            Ok(Some(round_double(value, digits, rounding)))
        }),
        SqlType::Decimal { scale, .. } => {
            let (precision, to) = match input.result.sql {
                SqlType::Decimal { precision, scale } => (precision, scale),
                _ => (38, scale),
            };
            by_row::<Decimal128Type>(input, |value, digits| {
                let drop = i64::from(scale) - i64::from(digits);
                let rounded = round_integer(value, drop, rounding);
                Ok(rounded.and_then(|value| decimal::rescale(value, scale, to, precision)))
            })
        }
        _ => unreachable!("the type rule admits only numbers"),
    }
}

/// Fails for NaN and the infinities, which have no digits to round.
fn finite(value: f64) -> Result<(), Failure> {
    if value.is_finite() {
        return Ok(());
    }
    let detail = format!("{} cannot be rounded", float::format_double(value));
    Err(Failure { kind: ErrorKind::InvalidArgument, detail })
}

/// Every value with its count of digits.
fn by_row<T: ArrowPrimitiveType>(
    input: &CallInput<'_>,
    round: impl Fn(T::Native, i32) -> RowResult<T::Native>,
) -> Evaluated {
    let values = input.args[0].primitives::<T>();
    let digits = input.args.get(1).map(|arg| arg.primitives::<Int32Type>());
    primitive_rows::<T>(input.rows, &input.result.sql, |row| {
        let digits = digits.as_ref().map_or(Some(0), |digits| digits.get(row));
        match (values.get(row), digits) {
            (Some(value), Some(digits)) => round(value, digits),
            _ => Ok(None),
        }
    })
}

fn integers<T: ArrowPrimitiveType>(input: &CallInput<'_>, rounding: Rounding) -> Evaluated
where
    T::Native: Into<i128> + TryFrom<i128> + std::fmt::Display,
{
    by_row::<T>(input, |value, digits| {
        let rounded = round_integer(value.into(), -i64::from(digits), rounding);
        match rounded.and_then(|value| T::Native::try_from(value).ok()) {
            Some(value) => Ok(Some(value)),
            None => fail(ErrorKind::Overflow, format!("ROUND({value}, {digits})")),
        }
    })
}

/// The value with its last `drop` digits rounded to zeros.
fn round_integer(value: i128, drop: i64, rounding: Rounding) -> Option<i128> {
    if drop <= 0 {
        return Some(value);
    }
    if drop > 38 {
        // All digits go, and none of them is a middle.
        return Some(0);
    }
    let unit = decimal::power_of_ten(drop as u8);
    let (whole, rest) = (value / unit, value % unit);
    let away = match rounding {
        Rounding::Cut => false,
        Rounding::HalfUp => rest.unsigned_abs() >= unit.unsigned_abs() - rest.unsigned_abs(),
        Rounding::Floor => rest < 0,
        Rounding::Ceil => rest > 0,
    };
    let whole = if away { whole + value.signum() } else { whole };
    whole.checked_mul(unit)
}

/// The double rounded by its shortest decimal text, as in Java: 2.675 to two digits
/// is 2.68, though the double lies below the middle.
fn round_double(value: f64, digits: i32, rounding: Rounding) -> f64 {
    if !value.is_finite() {
        return value;
    }
    let text = format!("{:e}", value.abs());
    let Some((mantissa, exponent)) = text.split_once('e') else { return value };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let number: Option<i128> = format!("{whole}{fraction}").parse().ok();
    let exponent: Option<i64> = exponent.parse().ok();
    let (Some(number), Some(exponent)) = (number, exponent) else { return value };
    let last_digit = exponent - fraction.len() as i64;
    let drop = -i64::from(digits) - last_digit;
    if drop <= 0 {
        return value;
    }
    let rounded = round_integer(number, drop, rounding).unwrap_or(0);
    let magnitude: f64 = format!("{rounded}e{last_digit}").parse().unwrap_or(0.0);
    if value < 0.0 && magnitude != 0.0 { -magnitude } else { magnitude }
}

/// The rule of FLOOR and CEIL of a number: a decimal loses the digits behind its
/// point and keeps its precision.
pub(super) fn whole_rule(input: &RuleInput<'_>) -> Ruled {
    let ty = number(input, 0)?;
    let result = match ty {
        SqlType::Decimal { precision, .. } => SqlType::Decimal { precision, scale: 0 },
        ref other => other.clone(),
    };
    Ok(input.typed(vec![ty], result))
}

/// FLOOR or CEIL of numbers.
pub(super) fn whole(input: &CallInput<'_>, rounding: Rounding) -> Evaluated {
    let up = rounding == Rounding::Ceil;
    match *input.arg_type(0) {
        SqlType::Float => {
            let values = input.args[0].array.as_primitive::<Float32Type>();
            let round = if up { f32::ceil } else { f32::floor };
            Evaluated::ok(Arc::new(values.unary::<_, Float32Type>(round)))
        }
        SqlType::Double => {
            let values = input.args[0].array.as_primitive::<Float64Type>();
            let round = if up { f64::ceil } else { f64::floor };
            Evaluated::ok(Arc::new(values.unary::<_, Float64Type>(round)))
        }
        SqlType::Decimal { precision, scale } => by_row::<Decimal128Type>(input, |value, _| {
            let rounded = round_integer(value, scale.into(), rounding);
            Ok(rounded.and_then(|value| decimal::rescale(value, scale, 0, precision)))
        }),
        _ => Evaluated::ok(Arc::clone(&input.args[0].array)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_round_by_their_text() {
        let round = |value, digits| round_double(value, digits, Rounding::HalfUp);
        assert_eq!(round(2.675, 2), 2.68);
        assert_eq!(round(1.005, 2), 1.01);
        assert_eq!(round(-2.5, 0), -3.0);
        assert_eq!(round(0.49999999999999994, 0), 0.0);
        assert_eq!(round(1234.567, -2), 1200.0);
        assert_eq!(round(1e300, 2), 1e300);
        assert_eq!(round(1e-300, 2), 0.0);
        assert_eq!(round(0.5, -400), 0.0);
        assert!(round(f64::NAN, 1).is_nan());
    }

    #[test]
    fn integers_round_away_from_zero_at_the_middle() {
        assert_eq!(round_integer(15, 1, Rounding::HalfUp), Some(20));
        assert_eq!(round_integer(-15, 1, Rounding::HalfUp), Some(-20));
        assert_eq!(round_integer(-15, 1, Rounding::Floor), Some(-20));
        assert_eq!(round_integer(-15, 1, Rounding::Ceil), Some(-10));
        assert_eq!(round_integer(i128::MAX, 39, Rounding::HalfUp), Some(0));
    }
}
