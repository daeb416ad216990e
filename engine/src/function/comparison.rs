//! Comparisons. Numbers compare by value, floats as IEEE says, texts by their
//! UTF-8 bytes.

use super::kernel::{Argument, CallInput, boolean_rows};
use super::registry::{Family, Function, RuleInput};
use super::typing::{Ruled, as_decimal, common_pair};
use crate::expr::Evaluated;
use crate::types::SqlType;
use crate::types::decimal;
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type};
use arrow_array::{Array, BooleanArray, Datum};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_ord::cmp;
use arrow_schema::ArrowError;
use std::cmp::Ordering;
use std::sync::Arc;

pub(super) const TABLE: &[Function] = &[
    equality("=", &["ANY = ANY"], "Whether both values are equal.", |i| compare(i, Operator::Eq)),
    equality("<>", &["ANY <> ANY"], "Whether the values differ.", |i| compare(i, Operator::Ne)),
    comparison("<", &["ANY < ANY"], "Whether the left value is smaller.", |i| {
        compare(i, Operator::Lt)
    }),
    comparison("<=", &["ANY <= ANY"], "Whether the left value is smaller or equal.", |i| {
        compare(i, Operator::Le)
    }),
    comparison(">", &["ANY > ANY"], "Whether the left value is greater.", |i| {
        compare(i, Operator::Gt)
    }),
    comparison(">=", &["ANY >= ANY"], "Whether the left value is greater or equal.", |i| {
        compare(i, Operator::Ge)
    }),
    Function::new(
        Family::Comparison,
        "IS DISTINCT FROM",
        &["ANY IS DISTINCT FROM ANY"],
        "Whether the values differ, where two NULLs do not.",
        distinct_rule,
        |input| distinct(input, true),
    ),
    Function::new(
        Family::Comparison,
        "IS NOT DISTINCT FROM",
        &["ANY IS NOT DISTINCT FROM ANY"],
        "Whether the values are equal or both NULL.",
        distinct_rule,
        |input| distinct(input, false),
    ),
];

const fn comparison(
    name: &'static str,
    signatures: &'static [&'static str],
    doc: &'static str,
    kernel: super::KernelFn,
) -> Function {
    Function::new(Family::Comparison, name, signatures, doc, comparison_rule, kernel)
}

const fn equality(
    name: &'static str,
    signatures: &'static [&'static str],
    doc: &'static str,
    kernel: super::KernelFn,
) -> Function {
    Function::new(Family::Comparison, name, signatures, doc, equality_rule, kernel)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Operator {
    fn holds(self, ordering: Option<Ordering>) -> bool {
        // NaN has no order to anything: all comparisons are FALSE, but `<>`.
        let Some(ordering) = ordering else { return self == Operator::Ne };
        match self {
            Operator::Eq => ordering.is_eq(),
            Operator::Ne => ordering.is_ne(),
            Operator::Lt => ordering.is_lt(),
            Operator::Le => ordering.is_le(),
            Operator::Gt => ordering.is_gt(),
            Operator::Ge => ordering.is_ge(),
        }
    }

    fn arrow(self, left: &dyn Datum, right: &dyn Datum) -> Result<BooleanArray, ArrowError> {
        match self {
            Operator::Eq => cmp::eq(left, right),
            Operator::Ne => cmp::neq(left, right),
            Operator::Lt => cmp::lt(left, right),
            Operator::Le => cmp::lt_eq(left, right),
            Operator::Gt => cmp::gt(left, right),
            Operator::Ge => cmp::gt_eq(left, right),
        }
    }
}

fn comparison_rule(input: &RuleInput<'_>) -> Ruled {
    input.count(2, 2)?;
    let args = comparable(input.sql(0), input.sql(1))
        .ok_or_else(|| format!("{} and {} do not compare", input.sql(0), input.sql(1)))?;
    Ok(input.typed(args, SqlType::Boolean))
}

/// As Flink, equality does not read a text as a number.
fn equality_rule(input: &RuleInput<'_>) -> Ruled {
    input.count(2, 2)?;
    let (left, right) = (input.sql(0), input.sql(1));
    if (left.is_text() && right.is_numeric()) || (left.is_numeric() && right.is_text()) {
        return Err(format!("{left} and {right} are not equated; CAST one of them"));
    }
    comparison_rule(input)
}

fn distinct_rule(input: &RuleInput<'_>) -> Ruled {
    let mut typed = equality_rule(input)?;
    typed.result.nullable = false;
    Ok(typed)
}

/// The types in which two values are compared. Decimals stay as they are: a common
/// type could lose digits.
fn comparable(left: &SqlType, right: &SqlType) -> Option<Vec<SqlType>> {
    use SqlType::{Array, Decimal, Null, Row};
    if matches!(left, Array(_) | Row(_)) || matches!(right, Array(_) | Row(_)) {
        return None;
    }
    if *left == Null && *right == Null {
        return Some(vec![SqlType::Boolean, SqlType::Boolean]);
    }
    let is_decimal = |ty: &SqlType| matches!(ty, Decimal { .. });
    if (is_decimal(left) || is_decimal(right))
        && let (Some(a), Some(b)) = (as_decimal(left), as_decimal(right))
    {
        let decimal = |(precision, scale)| Decimal { precision, scale };
        return Some(vec![decimal(a), decimal(b)]);
    }
    if left.is_text() && right.is_text() {
        return Some(vec![left.clone(), right.clone()]);
    }
    let parsed = |ty: &SqlType| ty.is_numeric() || is_temporal(ty);
    let common = match (left, right) {
        // A text beside a number or a time is read as one.
        (text, other) | (other, text) if text.is_text() && parsed(other) => other.clone(),
        _ => common_pair(left, right)?,
    };
    Some(vec![common.clone(), common])
}

fn is_temporal(ty: &SqlType) -> bool {
    ty.is_timestamp() || matches!(ty, SqlType::Date | SqlType::Time(_))
}

fn compare(input: &CallInput<'_>, operator: Operator) -> Evaluated {
    let (left, right) = (&input.args[0], &input.args[1]);
    let found = match (input.arg_type(0), input.arg_type(1)) {
        (SqlType::Double, _) => compare_floats::<Float64Type>(input, operator),
        (SqlType::Float, _) => compare_floats::<Float32Type>(input, operator),
        (SqlType::Decimal { scale: a, .. }, SqlType::Decimal { scale: b, .. }) if a != b => {
            return compare_decimals(input, operator, *a, *b);
        }
        (SqlType::Decimal { .. }, _) => {
            // Arrow wants equal precisions too, though they do not matter.
            let (left, right) = (widest(left), widest(right));
            operator.arrow(&left, &right).expect("decimals of one scale compare")
        }
        _ => operator.arrow(left, right).expect("the type rule admits only what compares"),
    };
    Evaluated::ok(Arc::new(found))
}

/// The decimals with the largest precision, values unchanged.
fn widest(arg: &Argument) -> Argument {
    let values = arg.array.as_primitive::<Decimal128Type>();
    let scale = values.scale();
    let array = values.clone().with_precision_and_scale(38, scale);
    Argument {
        array: Arc::new(array.expect("38 digits hold every decimal")),
        constant: arg.constant,
    }
}

fn compare_floats<T: ArrowPrimitiveType>(input: &CallInput<'_>, operator: Operator) -> BooleanArray
where
    T::Native: PartialOrd,
{
    match operator {
        Operator::Eq => float_loop::<T>(input, |a, b| a == b),
        Operator::Ne => float_loop::<T>(input, |a, b| a != b),
        Operator::Lt => float_loop::<T>(input, |a, b| a < b),
        Operator::Le => float_loop::<T>(input, |a, b| a <= b),
        Operator::Gt => float_loop::<T>(input, |a, b| a > b),
        Operator::Ge => float_loop::<T>(input, |a, b| a >= b),
    }
}

fn float_loop<T: ArrowPrimitiveType>(
    input: &CallInput<'_>,
    holds: impl Fn(T::Native, T::Native) -> bool,
) -> BooleanArray {
    let (left, right) = (&input.args[0], &input.args[1]);
    let (a, b) = (left.array.as_primitive::<T>(), right.array.as_primitive::<T>());
    let (va, vb) = (a.values(), b.values());
    let rows = input.rows;
    if (left.constant && a.is_null(0)) || (right.constant && b.is_null(0)) {
        return BooleanArray::new_null(rows);
    }
    let (values, nulls) = match (left.constant, right.constant) {
        (false, false) => (
            BooleanBuffer::collect_bool(rows, |row| holds(va[row], vb[row])),
            NullBuffer::union(a.nulls(), b.nulls()),
        ),
        (false, true) => {
            let constant = vb[0];
            let found = BooleanBuffer::collect_bool(rows, |row| holds(va[row], constant));
            (found, a.nulls().cloned())
        }
        (true, false) => {
            let constant = va[0];
            let found = BooleanBuffer::collect_bool(rows, |row| holds(constant, vb[row]));
            (found, b.nulls().cloned())
        }
        (true, true) => (BooleanBuffer::collect_bool(rows, |_| holds(va[0], vb[0])), None),
    };
    BooleanArray::new(values, nulls)
}

fn compare_decimals(input: &CallInput<'_>, operator: Operator, a: u8, b: u8) -> Evaluated {
    let left = input.args[0].primitives::<Decimal128Type>();
    let right = input.args[1].primitives::<Decimal128Type>();
    boolean_rows(input.rows, |row| {
        let (Some(x), Some(y)) = (left.get(row), right.get(row)) else { return Ok(None) };
        Ok(Some(operator.holds(Some(decimal::compare(x, a, y, b)))))
    })
}

fn distinct(input: &CallInput<'_>, wanted: bool) -> Evaluated {
    let equal = compare(input, Operator::Eq).array;
    let equal = equal.as_boolean();
    let nulls = |arg: &Argument, row: usize| arg.array.is_null(if arg.constant { 0 } else { row });
    let (left, right) = (&input.args[0], &input.args[1]);
    let values = BooleanBuffer::collect_bool(input.rows, |row| {
        let same = match (nulls(left, row), nulls(right, row)) {
            (true, true) => true,
            (false, false) => equal.value(row),
            _ => false,
        };
        same != wanted
    });
    Evaluated::ok(Arc::new(BooleanArray::new(values, None)))
}
