//! Numeric functions. Transcendental ones come from `libm`, so that a value does not
//! depend on the platform's library.

use super::kernel::{CallInput, RowResult, fail, primitive_rows};
use super::registry::{Family, Function, RuleInput};
use super::rounding::{self, Rounding};
use super::typing::Ruled;
use crate::expr::{ErrorKind, Evaluated};
use crate::types::{SqlType, decimal};
use arrow_array::ArrowNativeTypeOp;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type,
};
use std::sync::Arc;

pub(super) const TABLE: &[Function] = &[
    Function::new(
        Family::Math,
        "ABS",
        &["ABS(NUMERIC)"],
        "The number without its sign; an integer that does not fit fails the row.",
        same_number_rule,
        abs,
    ),
    Function::new(
        Family::Math,
        "SIGN",
        &["SIGN(NUMERIC)"],
        "-1, 0 or 1 by the sign of the number, in its type.",
        same_number_rule,
        sign,
    ),
    Function::new(
        Family::Math,
        "ROUND",
        &["ROUND(NUMERIC[, INT])"],
        "The number rounded half up to so many digits behind the point, none without a count.",
        rounding::rule,
        |input| rounding::evaluate(input, Rounding::HalfUp),
    ),
    Function::new(
        Family::Math,
        "TRUNCATE",
        &["TRUNCATE(NUMERIC[, INT])"],
        "The number cut to so many digits behind the point, none without a count.",
        rounding::rule,
        |input| rounding::evaluate(input, Rounding::Cut),
    ),
    double_function("SQRT", &["SQRT(NUMERIC)"], "The square root; NaN below zero.", |input| {
        one_double(input, f64::sqrt)
    }),
    double_function("LN", &["LN(NUMERIC)"], "The natural logarithm.", |input| {
        one_double(input, libm::log)
    }),
    double_function("LOG10", &["LOG10(NUMERIC)"], "The logarithm to base 10.", |input| {
        one_double(input, libm::log10)
    }),
    double_function("LOG2", &["LOG2(NUMERIC)"], "The logarithm to base 2.", |input| {
        one_double(input, libm::log2)
    }),
    double_function("EXP", &["EXP(NUMERIC)"], "e to the power of the number.", |input| {
        one_double(input, libm::exp)
    }),
    Function::new(
        Family::Math,
        "POWER",
        &["POWER(NUMERIC, NUMERIC)"],
        "The first number to the power of the second.",
        |input| {
            input.count(2, 2)?;
            Ok(input.typed(vec![input.double(0)?, input.double(1)?], SqlType::Double))
        },
        power,
    ),
];

const fn double_function(
    name: &'static str,
    signatures: &'static [&'static str],
    doc: &'static str,
    kernel: super::KernelFn,
) -> Function {
    Function::new(Family::Math, name, signatures, doc, one_double_rule, kernel)
}

fn one_double_rule(input: &RuleInput<'_>) -> Ruled {
    input.count(1, 1)?;
    Ok(input.typed(vec![input.double(0)?], SqlType::Double))
}

/// The type of a numeric argument; INT for NULL.
pub(super) fn number(input: &RuleInput<'_>, index: usize) -> Result<SqlType, String> {
    match input.sql(index) {
        SqlType::Null => Ok(SqlType::Int),
        ty if ty.is_numeric() => Ok(ty.clone()),
        _ => Err(input.wrong(index, "a number")),
    }
}

fn same_number_rule(input: &RuleInput<'_>) -> Ruled {
    input.count(1, 1)?;
    let ty = number(input, 0)?;
    Ok(input.typed(vec![ty.clone()], ty))
}

fn one_double(input: &CallInput<'_>, function: fn(f64) -> f64) -> Evaluated {
    let values = input.args[0].array.as_primitive::<Float64Type>();
    Evaluated::ok(Arc::new(values.unary::<_, Float64Type>(function)))
}

fn power(input: &CallInput<'_>) -> Evaluated {
    let base = input.args[0].primitives::<Float64Type>();
    let exponent = input.args[1].primitives::<Float64Type>();
    primitive_rows::<Float64Type>(input.rows, &SqlType::Double, |row| {
        let (Some(base), Some(exponent)) = (base.get(row), exponent.get(row)) else {
            return Ok(None);
        };
        // C takes 1 for a base of 1 whatever the exponent; Java keeps its NaN, and
        // has NaN for 1 to an infinite power and -1 likewise.
        if exponent.is_nan() || (base.abs() == 1.0 && exponent.is_infinite()) {
            return Ok(Some(f64::NAN));
        }
        Ok(Some(libm::pow(base, exponent)))
    })
}

fn abs(input: &CallInput<'_>) -> Evaluated {
    match input.arg_type(0) {
        SqlType::TinyInt => abs_checked::<Int8Type>(input),
        SqlType::SmallInt => abs_checked::<Int16Type>(input),
        SqlType::Int => abs_checked::<Int32Type>(input),
        SqlType::BigInt => abs_checked::<Int64Type>(input),
        SqlType::Float => map::<Float32Type>(input, f32::abs),
        SqlType::Double => map::<Float64Type>(input, f64::abs),
        _ => map::<Decimal128Type>(input, i128::abs),
    }
}

fn abs_checked<T: ArrowPrimitiveType>(input: &CallInput<'_>) -> Evaluated
where
    T::Native: std::fmt::Display,
{
    let values = input.args[0].primitives::<T>();
    primitive_rows::<T>(input.rows, &input.result.sql, |row| -> RowResult<T::Native> {
        let Some(value) = values.get(row) else { return Ok(None) };
        if value.is_ge(T::Native::ZERO) {
            return Ok(Some(value));
        }
        match value.neg_checked() {
            Ok(positive) => Ok(Some(positive)),
            Err(_) => fail(ErrorKind::Overflow, format!("ABS({value})")),
        }
    })
}

fn map<T: ArrowPrimitiveType>(
    input: &CallInput<'_>,
    function: impl Fn(T::Native) -> T::Native,
) -> Evaluated {
    let values = input.args[0].array.as_primitive::<T>();
    let array = values.unary::<_, T>(function).with_data_type(input.result.sql.arrow());
    Evaluated::ok(Arc::new(array))
}

fn sign(input: &CallInput<'_>) -> Evaluated {
    match *input.arg_type(0) {
        SqlType::TinyInt => map::<Int8Type>(input, i8::signum),
        SqlType::SmallInt => map::<Int16Type>(input, i16::signum),
        SqlType::Int => map::<Int32Type>(input, i32::signum),
        SqlType::BigInt => map::<Int64Type>(input, i64::signum),
        // Zero and NaN are their own sign.
        SqlType::Float => {
            map::<Float32Type>(input, |v| if v == 0.0 || v.is_nan() { v } else { v.signum() })
        }
        SqlType::Double => {
            map::<Float64Type>(input, |v| if v == 0.0 || v.is_nan() { v } else { v.signum() })
        }
        SqlType::Decimal { precision, scale } => {
            let values = input.args[0].primitives::<Decimal128Type>();
            primitive_rows::<Decimal128Type>(input.rows, &input.result.sql, |row| {
                let sign = values.get(row).map(i128::signum);
                Ok(sign.and_then(|sign| decimal::rescale(sign, 0, scale, precision)))
            })
        }
        _ => unreachable!("the type rule admits only numbers"),
    }
}
