//! The arithmetic operators, with Flink's result types.

use super::kernel::{CallInput, Failure, RowResult, fail, primitive_rows};
use super::registry::{Family, Function, RuleInput};
use super::timespan;
use super::typing::{Ruled, adjusted_decimal, as_decimal, wider_integer};
use crate::expr::{ErrorKind, Evaluated};
use crate::types::{SqlType, decimal};
use arrow_arith::numeric;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type,
};
use arrow_array::{ArrayRef, ArrowNativeTypeOp, Datum, PrimitiveArray};
use arrow_schema::ArrowError;
use std::sync::Arc;

pub(super) const TABLE: &[Function] = &[
    Function::new(
        Family::Arithmetic,
        "+",
        &["NUMERIC + NUMERIC", "TIMESTAMP + INTERVAL", "INTERVAL + INTERVAL"],
        "The sum, or the time moved by a span; an integer that does not fit fails the row.",
        |input| operator_rule(input, Operator::Add),
        |input| evaluate(input, Operator::Add),
    ),
    Function::new(
        Family::Arithmetic,
        "-",
        &["NUMERIC - NUMERIC", "TIMESTAMP - INTERVAL", "INTERVAL - INTERVAL"],
        "The difference, or the time moved back by a span; an integer that does not fit fails the row.",
        |input| operator_rule(input, Operator::Subtract),
        |input| evaluate(input, Operator::Subtract),
    ),
    Function::new(
        Family::Arithmetic,
        "*",
        &["NUMERIC * NUMERIC", "INTERVAL * INTEGER"],
        "The product; an integer that does not fit fails the row.",
        |input| operator_rule(input, Operator::Multiply),
        |input| evaluate(input, Operator::Multiply),
    ),
    Function::new(
        Family::Arithmetic,
        "/",
        &["NUMERIC / NUMERIC"],
        "The quotient, of integers cut to an integer; an exact division by zero fails the row.",
        |input| operator_rule(input, Operator::Divide),
        |input| evaluate(input, Operator::Divide),
    ),
    Function::new(
        Family::Arithmetic,
        "%",
        &["EXACT_NUMERIC % EXACT_NUMERIC", "MOD(EXACT_NUMERIC, EXACT_NUMERIC)"],
        "The rest of the division, with the sign of the left; by zero it fails the row.",
        |input| operator_rule(input, Operator::Remainder),
        |input| evaluate(input, Operator::Remainder),
    )
    .also(&["MOD"]),
    Function::new(
        Family::Arithmetic,
        "NEGATE",
        &["- NUMERIC"],
        "The number with its sign turned; an integer that does not fit fails the row.",
        negate_rule,
        negate,
    ),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

impl Operator {
    fn symbol(self) -> &'static str {
        match self {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Remainder => "%",
        }
    }
}

fn operator_rule(input: &RuleInput<'_>, operator: Operator) -> Ruled {
    input.count(2, 2)?;
    if matches!(operator, Operator::Add | Operator::Subtract)
        && let Some(ruled) = timespan::span_rule(input, operator == Operator::Subtract)
    {
        return ruled;
    }
    if operator == Operator::Multiply
        && let Some(ruled) = timespan::multiple_rule(input)
    {
        return ruled;
    }
    let (left, right) = match (input.sql(0), input.sql(1)) {
        (SqlType::Null, SqlType::Null) => (&SqlType::Int, &SqlType::Int),
        (SqlType::Null, other) | (other, SqlType::Null) => (other, other),
        both => both,
    };
    if !left.is_numeric() || !right.is_numeric() {
        let symbol = operator.symbol();
        return Err(format!("{} {symbol} {} is not defined", input.sql(0), input.sql(1)));
    }
    if left.is_integer() && right.is_integer() {
        let wide = wider_integer(left, right);
        let result = if operator == Operator::Remainder { right.clone() } else { wide.clone() };
        return Ok(input.typed(vec![wide.clone(), wide], result));
    }
    if let (Some(a), Some(b)) = (as_decimal(left), as_decimal(right)) {
        let decimal = |(precision, scale)| SqlType::Decimal { precision, scale };
        let result = match (operator, a, b) {
            // Without digits behind the point the rest has the divisor's type.
            (Operator::Remainder, (_, 0), (_, 0)) => right.clone(),
            _ => decimal_result(operator, a, b),
        };
        return Ok(input.typed(vec![decimal(a), decimal(b)], result));
    }
    if operator == Operator::Remainder {
        return Err(format!("{left} % {right} is not defined for approximate numbers"));
    }
    let result = approximate_result(left, right);
    Ok(input.typed(vec![result.clone(), result.clone()], result))
}

/// Of a FLOAT and a DOUBLE Flink takes the left one's type; a DECIMAL beside either
/// makes a DOUBLE.
fn approximate_result(left: &SqlType, right: &SqlType) -> SqlType {
    let decimal = |ty: &SqlType| matches!(ty, SqlType::Decimal { .. });
    let first = if left.is_approximate() { left } else { right };
    if decimal(left) || decimal(right) { SqlType::Double } else { first.clone() }
}

/// The digits of the result of an operator on decimals.
fn decimal_result(operator: Operator, (p1, s1): (u8, u8), (p2, s2): (u8, u8)) -> SqlType {
    let (p1, s1, p2, s2) = (u32::from(p1), u32::from(s1), u32::from(p2), u32::from(s2));
    match operator {
        Operator::Add | Operator::Subtract => {
            let scale = s1.max(s2);
            adjusted_decimal((p1 - s1).max(p2 - s2) + scale + 1, scale)
        }
        Operator::Multiply => adjusted_decimal(p1 + p2 + 1, s1 + s2),
        Operator::Divide => {
            let scale = (s1 + p2 + 1).max(6);
            adjusted_decimal(p1 - s1 + s2 + scale, scale)
        }
        Operator::Remainder => {
            let scale = s1.max(s2);
            adjusted_decimal((p1 - s1).min(p2 - s2) + scale, scale)
        }
    }
}

fn evaluate(input: &CallInput<'_>, operator: Operator) -> Evaluated {
    use SqlType::{IntervalDayTime, IntervalYearMonth};
    if operator == Operator::Multiply
        && matches!(input.result.sql, IntervalDayTime | IntervalYearMonth)
    {
        return timespan::multiply_span(input);
    }
    match input.arg_type(0) {
        SqlType::TinyInt => narrowed(integers::<Int8Type>(input, operator), input),
        SqlType::SmallInt => narrowed(integers::<Int16Type>(input, operator), input),
        SqlType::Int => narrowed(integers::<Int32Type>(input, operator), input),
        SqlType::BigInt => narrowed(integers::<Int64Type>(input, operator), input),
        SqlType::Float | SqlType::Double => floats(input, operator),
        ty if !matches!(ty, SqlType::Decimal { .. }) => {
            timespan::plus_span(input, operator == Operator::Subtract)
        }
        _ => narrowed(decimals(input, operator), input),
    }
}

/// The rest of a division has the type of the divisor, which always holds it.
fn narrowed(found: Evaluated, input: &CallInput<'_>) -> Evaluated {
    let wanted = input.result.sql.arrow();
    if *found.array.data_type() == wanted {
        return found;
    }
    let array = arrow_cast::cast(&found.array, &wanted).expect("numbers cast to integers");
    Evaluated { array, errors: found.errors }
}

fn arrow_operator(
    operator: Operator,
    left: &dyn Datum,
    right: &dyn Datum,
) -> Result<ArrayRef, ArrowError> {
    match operator {
        Operator::Add => numeric::add(left, right),
        Operator::Subtract => numeric::sub(left, right),
        Operator::Multiply => numeric::mul(left, right),
        Operator::Divide => numeric::div(left, right),
        Operator::Remainder => numeric::rem(left, right),
    }
}

fn integers<T: ArrowPrimitiveType>(input: &CallInput<'_>, operator: Operator) -> Evaluated
where
    T::Native: ArrowNativeTypeOp + std::fmt::Display,
{
    // Arrow's kernel fails as a whole; only then the rows are looked at one by one.
    if let Ok(array) = arrow_operator(operator, &input.args[0], &input.args[1]) {
        return Evaluated::ok(array);
    }
    let left = input.args[0].primitives::<T>();
    let right = input.args[1].primitives::<T>();
    primitive_rows::<T>(input.rows, input.arg_type(0), |row| {
        let (Some(a), Some(b)) = (left.get(row), right.get(row)) else { return Ok(None) };
        integer(operator, a, b).map(Some).map_err(|kind| {
            let detail = format!("{a} {} {b}", operator.symbol());
            Failure { kind, detail }
        })
    })
}

fn integer<N: ArrowNativeTypeOp>(operator: Operator, a: N, b: N) -> Result<N, ErrorKind> {
    let found = match operator {
        Operator::Add => a.add_checked(b),
        Operator::Subtract => a.sub_checked(b),
        Operator::Multiply => a.mul_checked(b),
        Operator::Divide | Operator::Remainder if b.is_zero() => {
            return Err(ErrorKind::DivisionByZero);
        }
        Operator::Divide => a.div_checked(b),
        // The smallest integer by -1 leaves 0, which Rust's checked form refuses.
        Operator::Remainder => return Ok(a.mod_wrapping(b)),
    };
    found.map_err(|_| ErrorKind::Overflow)
}

fn floats(input: &CallInput<'_>, operator: Operator) -> Evaluated {
    let array = arrow_operator(operator, &input.args[0], &input.args[1]);
    Evaluated::ok(array.expect("floats of one type have all operators"))
}

fn decimals(input: &CallInput<'_>, operator: Operator) -> Evaluated {
    let scale = |index: usize| match input.arg_type(index) {
        SqlType::Decimal { scale, .. } => *scale,
        _ => 0,
    };
    let (sa, sb) = (scale(0), scale(1));
    let (precision, scale) = match input.result.sql {
        SqlType::Decimal { precision, scale } => (precision, scale),
        _ => (38, 0),
    };
    let left = input.args[0].primitives::<Decimal128Type>();
    let right = input.args[1].primitives::<Decimal128Type>();
    let ty = SqlType::Decimal { precision, scale };
    primitive_rows::<Decimal128Type>(input.rows, &ty, |row| {
        let (Some(a), Some(b)) = (left.get(row), right.get(row)) else { return Ok(None) };
        let ((a, b), zero) = (((a, sa), (b, sb)), b == 0);
        Ok(match operator {
            Operator::Add => decimal::add(a, b, precision, scale),
            Operator::Subtract => decimal::add(a, (-b.0, b.1), precision, scale),
            Operator::Multiply => decimal::multiply(a, b, precision, scale),
            Operator::Divide | Operator::Remainder if zero => {
                let left = decimal::format(a.0, a.1);
                return fail(ErrorKind::DivisionByZero, format!("{left} {} 0", operator.symbol()));
            }
            Operator::Divide => decimal::divide(a, b, precision, scale),
            Operator::Remainder => decimal::remainder(a, b, precision, scale),
        })
    })
}

fn negate_rule(input: &RuleInput<'_>) -> Ruled {
    input.count(1, 1)?;
    match input.sql(0) {
        SqlType::Null => Ok(input.typed(vec![SqlType::Int], SqlType::Int)),
        SqlType::IntervalDayTime | SqlType::IntervalYearMonth => {
            Ok(input.typed(vec![input.sql(0).clone()], input.sql(0).clone()))
        }
        ty if ty.is_numeric() => Ok(input.typed(vec![ty.clone()], ty.clone())),
        _ => Err(input.wrong(0, "a number")),
    }
}

fn negate(input: &CallInput<'_>) -> Evaluated {
    use arrow_array::types::{DurationMillisecondType, IntervalYearMonthType};
    match input.arg_type(0) {
        SqlType::TinyInt => negate_checked::<Int8Type>(input),
        SqlType::SmallInt => negate_checked::<Int16Type>(input),
        SqlType::Int => negate_checked::<Int32Type>(input),
        SqlType::BigInt => negate_checked::<Int64Type>(input),
        SqlType::Float => negate_always::<Float32Type>(input),
        SqlType::Double => negate_always::<Float64Type>(input),
        SqlType::IntervalYearMonth => negate_checked::<IntervalYearMonthType>(input),
        SqlType::IntervalDayTime => negate_checked::<DurationMillisecondType>(input),
        _ => negate_always::<Decimal128Type>(input),
    }
}

fn negate_always<T: ArrowPrimitiveType>(input: &CallInput<'_>) -> Evaluated {
    let values = input.args[0].array.as_primitive::<T>();
    let negated: PrimitiveArray<T> = values.unary(ArrowNativeTypeOp::neg_wrapping);
    Evaluated::ok(Arc::new(negated.with_data_type(input.result.sql.arrow())))
}

fn negate_checked<T: ArrowPrimitiveType>(input: &CallInput<'_>) -> Evaluated
where
    T::Native: std::fmt::Display,
{
    let values = input.args[0].primitives::<T>();
    primitive_rows::<T>(input.rows, &input.result.sql, |row| -> RowResult<T::Native> {
        let Some(value) = values.get(row) else { return Ok(None) };
        match value.neg_checked() {
            Ok(negated) => Ok(Some(negated)),
            Err(_) => fail(ErrorKind::Overflow, format!("-({value})")),
        }
    })
}
