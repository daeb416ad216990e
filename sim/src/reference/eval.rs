//! Expressions of one row: NULL logic, comparisons, arithmetic of integers and times,
//! and errors are the interpreter's own; other functions are the function table's
//! kernels over arrays of one row.

use super::cell::Cell;
use super::decode::range_of;
use anabranch_engine::expr::{
    Cast, CastMode, ContextValue, ErrorKind, Evaluated, Expr, ExprKind, FunctionRef, scalar_array,
    value_at,
};
use anabranch_engine::function::{self, Argument, CallInput};
use anabranch_engine::time::Tick;
use anabranch_engine::types::{SqlType, TimeUnit};
use num_bigint::BigInt;
use std::cmp::Ordering;

/// Why a row has no value. The wording is the interpreter's own and not compared.
// spec: F-1
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) kind: ErrorKind,
    pub(super) detail: String,
}

/// A value, or why there is none.
pub(super) type Computed = Result<Cell, Trouble>;

/// What an expression may read.
#[derive(Clone, Copy)]
pub(super) struct Env<'a> {
    /// The columns of the row.
    pub(super) cells: &'a [Computed],
    /// The tick of the epoch in which the row is computed.
    pub(super) tick: Tick,
    /// The row's own split's watermark before it, if it has a split and that one.
    pub(super) watermark_before: Option<i64>,
    /// The name of the zone of the job.
    pub(super) zone: &'a str,
}

fn trouble<T>(kind: ErrorKind, detail: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble { kind, detail: detail.into() })
}

/// The value of an expression.
pub(super) fn eval(expr: &Expr, env: Env<'_>) -> Computed {
    match &expr.kind {
        ExprKind::And(parts) => junction(parts, env, false),
        ExprKind::Or(parts) => junction(parts, env, true),
        ExprKind::Case { branches, otherwise } => {
            for (condition, value) in branches {
                match eval(condition, env)? {
                    Cell::Boolean(true) => return eval(value, env),
                    Cell::Opaque(_) => return Ok(Cell::Opaque(String::new())),
                    _ => {}
                }
            }
            otherwise.as_ref().map_or(Ok(Cell::Null), |value| eval(value, env))
        }
        ExprKind::Coalesce(parts) => {
            for part in parts {
                let value = eval(part, env)?;
                if !value.is_null() {
                    return Ok(value);
                }
            }
            Ok(Cell::Null)
        }
        ExprKind::Call { function, args } => {
            let cells = args.iter().map(|arg| eval(arg, env)).collect::<Result<Vec<_>, _>>()?;
            call(expr, function, args, &cells, env)
        }
        ExprKind::Cast { input, mode } => cast(expr, input, *mode, env),
        ExprKind::Column(index) => env.cells[*index].clone(),
        ExprKind::Context(value) => Ok(context(*value, &expr.ty.sql, env)),
        ExprKind::Element { array, index } => {
            let (array, index) = (eval(array, env)?, eval(index, env)?);
            Ok(match (array, index) {
                (Cell::Array(items), Cell::Int(place)) => usize::try_from(place)
                    .ok()
                    .and_then(|place| items.into_iter().nth(place.checked_sub(1)?))
                    .unwrap_or(Cell::Null),
                (Cell::Opaque(_), _) | (_, Cell::Opaque(_)) => Cell::Opaque(String::new()),
                _ => Cell::Null,
            })
        }
        ExprKind::Field { input, index } => Ok(match eval(input, env)? {
            Cell::Row(fields) => fields[*index].clone(),
            Cell::Opaque(_) => Cell::Opaque(String::new()),
            _ => Cell::Null,
        }),
        ExprKind::Literal(value) => Ok(Cell::of(value)),
    }
}

/// AND (`decider` is FALSE) or OR (`decider` is TRUE), from left to right: what stands
/// behind a part that decides is not looked at, and NULL decides nothing.
fn junction(parts: &[Expr], env: Env<'_>, decider: bool) -> Computed {
    let (mut has_null, mut has_opaque) = (false, false);
    for part in parts {
        match eval(part, env)? {
            Cell::Boolean(value) if value == decider => return Ok(Cell::Boolean(decider)),
            Cell::Boolean(_) => {}
            Cell::Opaque(_) => has_opaque = true,
            _ => has_null = true,
        }
    }
    Ok(match (has_opaque, has_null) {
        (true, _) => Cell::Opaque(String::new()),
        (false, true) => Cell::Null,
        (false, false) => Cell::Boolean(!decider),
    })
}

fn context(value: ContextValue, ty: &SqlType, env: Env<'_>) -> Cell {
    let unit = match ty {
        SqlType::Timestamp(precision) | SqlType::TimestampLtz(precision) => {
            TimeUnit::of_precision(*precision)
        }
        _ => TimeUnit::Millisecond,
    };
    match value {
        // spec: T-6
        ContextValue::Tick => {
            Cell::Timestamp(env.tick.0.div_euclid(1_000_000_000 / unit.per_second()))
        }
        // spec: T-1
        ContextValue::CurrentWatermark => {
            let scaled =
                env.watermark_before.and_then(|ms| ms.checked_mul(unit.per_second() / 1000));
            scaled.map_or(Cell::Null, Cell::Timestamp)
        }
    }
}

fn call(
    expr: &Expr,
    function: &FunctionRef,
    args: &[Expr],
    cells: &[Cell],
    env: Env<'_>,
) -> Computed {
    if let Some(found) = truth(&function.name, cells) {
        return Ok(found);
    }
    if cells.iter().any(Cell::is_opaque) {
        return Ok(Cell::Opaque(String::new()));
    }
    if let ([left, right], [a, b]) = (cells, args) {
        if let Some(found) = comparison(&function.name, (left, &a.ty.sql), (right, &b.ty.sql)) {
            return Ok(found);
        }
        if let Some(found) = arithmetic(&function.name, left, right, &a.ty.sql, &expr.ty.sql) {
            return found;
        }
    }
    if function.name == "LIKE" && cells.iter().any(Cell::is_null) {
        return Ok(Cell::Null);
    }
    kernel(expr, function, args, cells, env)
}

/// The functions of truth values and of NULL.
fn truth(name: &str, cells: &[Cell]) -> Option<Cell> {
    let value = match cells {
        [Cell::Opaque(_)] if name.starts_with("IS ") && name.ends_with(" NULL") => {
            return Some(Cell::Boolean(name == "IS NOT NULL"));
        }
        [value] if !value.is_opaque() => value,
        _ => return None,
    };
    let is = |wanted: bool| matches!(value, Cell::Boolean(found) if *found == wanted);
    Some(match name {
        "NOT" => match value {
            Cell::Boolean(value) => Cell::Boolean(!value),
            _ => Cell::Null,
        },
        "IS NULL" | "IS UNKNOWN" => Cell::Boolean(value.is_null()),
        "IS NOT NULL" | "IS NOT UNKNOWN" => Cell::Boolean(!value.is_null()),
        "IS TRUE" => Cell::Boolean(is(true)),
        "IS NOT TRUE" => Cell::Boolean(!is(true)),
        "IS FALSE" => Cell::Boolean(is(false)),
        "IS NOT FALSE" => Cell::Boolean(!is(false)),
        _ => return None,
    })
}

/// `=`, `<>`, `<`, `<=`, `>`, `>=` and IS [NOT] DISTINCT FROM.
fn comparison(name: &str, left: (&Cell, &SqlType), right: (&Cell, &SqlType)) -> Option<Cell> {
    let distinct = match name {
        "IS DISTINCT FROM" => Some(true),
        "IS NOT DISTINCT FROM" => Some(false),
        "=" | "<>" | "<" | "<=" | ">" | ">=" => None,
        _ => return None,
    };
    let nulls = (left.0.is_null(), right.0.is_null());
    if let Some(wanted) = distinct {
        let same = match nulls {
            (true, true) => true,
            (false, false) => order(left, right)? == Some(Ordering::Equal),
            _ => false,
        };
        return Some(Cell::Boolean(same != wanted));
    }
    if nulls.0 || nulls.1 {
        return Some(Cell::Null);
    }
    // NaN has no order to anything: all comparisons are FALSE, but `<>`.
    let found = order(left, right)?;
    Some(Cell::Boolean(match name {
        "=" => found == Some(Ordering::Equal),
        "<>" => found != Some(Ordering::Equal),
        "<" => found.is_some_and(Ordering::is_lt),
        "<=" => found.is_some_and(Ordering::is_le),
        ">" => found.is_some_and(Ordering::is_gt),
        _ => found.is_some_and(Ordering::is_ge),
    }))
}

/// How two values compare in SQL: `Some(None)` if neither is more than the other nor
/// equal; `None` if the interpreter does not know the types.
fn order(left: (&Cell, &SqlType), right: (&Cell, &SqlType)) -> Option<Option<Ordering>> {
    match (left.0, right.0) {
        (Cell::Float(a), Cell::Float(b)) => Some(a.partial_cmp(b)),
        (Cell::Double(a), Cell::Double(b)) => Some(a.partial_cmp(b)),
        (Cell::Decimal(a), Cell::Decimal(b)) => {
            let (SqlType::Decimal { scale: sa, .. }, SqlType::Decimal { scale: sb, .. }) =
                (left.1, right.1)
            else {
                return None;
            };
            let scaled =
                |value: i128, by: u8| BigInt::from(value) * BigInt::from(10).pow(by.into());
            Some(Some(scaled(*a, *sb).cmp(&scaled(*b, *sa))))
        }
        (Cell::Boolean(_), Cell::Boolean(_))
        | (Cell::Int(_), Cell::Int(_))
        | (Cell::Text(_), Cell::Text(_))
        | (Cell::Bytes(_), Cell::Bytes(_))
        | (Cell::Date(_), Cell::Date(_))
        | (Cell::Time(_), Cell::Time(_))
        | (Cell::Months(_), Cell::Months(_))
        | (Cell::Millis(_), Cell::Millis(_)) => Some(Some(left.0.cmp(right.0))),
        (Cell::Timestamp(_), Cell::Timestamp(_)) if left.1 == right.1 => {
            Some(Some(left.0.cmp(right.0)))
        }
        _ => None,
    }
}

/// Arithmetic of integers, of doubles, and of times with spans.
fn arithmetic(
    name: &str,
    left: &Cell,
    right: &Cell,
    arg: &SqlType,
    result: &SqlType,
) -> Option<Computed> {
    if !matches!(name, "+" | "-" | "*" | "/" | "%") {
        return None;
    }
    match (left, right) {
        (Cell::Int(a), Cell::Int(b)) => Some(integers(name, *a, *b, arg)),
        (Cell::Double(a), Cell::Double(b)) if name != "%" => Some(Ok(Cell::Double(match name {
            "+" => a + b,
            "-" => a - b,
            "*" => a * b,
            _ => a / b,
        }))),
        (Cell::Timestamp(time), Cell::Millis(span)) if arg == result => {
            let precision = match arg {
                SqlType::Timestamp(precision) | SqlType::TimestampLtz(precision) => *precision,
                _ => return None,
            };
            let moved = match name {
                _ if precision > 3 => return None,
                "+" => time.checked_add(*span),
                "-" => time.checked_sub(*span),
                _ => return None,
            };
            moved.map(|time| Ok(Cell::Timestamp(time)))
        }
        _ => None,
    }
}

fn integers(name: &str, a: i64, b: i64, ty: &SqlType) -> Computed {
    let (wide_a, wide_b) = (i128::from(a), i128::from(b));
    let exact = match name {
        "+" => wide_a + wide_b,
        "-" => wide_a - wide_b,
        "*" => wide_a * wide_b,
        _ if b == 0 => return trouble(ErrorKind::DivisionByZero, format!("{a} {name} {b}")),
        "/" => wide_a / wide_b,
        _ => wide_a % wide_b,
    };
    let (least, most) = range_of(ty);
    match i64::try_from(exact) {
        Ok(value) if (least..=most).contains(&value) => Ok(Cell::Int(value)),
        _ => trouble(ErrorKind::Overflow, format!("{a} {name} {b}")),
    }
}

/// A function of the table, over arrays of one row.
fn kernel(
    expr: &Expr,
    function: &FunctionRef,
    args: &[Expr],
    cells: &[Cell],
    env: Env<'_>,
) -> Computed {
    let arg_types: Vec<_> = args.iter().map(|arg| arg.ty.clone()).collect();
    let arrays = cells.iter().zip(&arg_types).map(|(cell, ty)| {
        let value = cell.to_value().expect("opaque arguments were turned away");
        Argument::column(scalar_array(&value, &ty.sql))
    });
    let arrays: Vec<Argument> = arrays.collect();
    // Nothing is prepared from constants: that must not make a difference.
    let kernel = function::kernel(function, &vec![None; args.len()], &arg_types);
    let kernel = match kernel {
        Some(Ok(kernel)) => kernel,
        Some(Err(detail)) => return trouble(ErrorKind::InvalidArgument, detail),
        None => panic!("the plan names a function {function} that there is not"),
    };
    let input = CallInput {
        args: &arrays,
        arg_types: &arg_types,
        result: &expr.ty,
        rows: 1,
        zone: env.zone.parse().expect("the plan names a zone that there is"),
    };
    only_row(&kernel.evaluate(&input), &expr.ty.sql)
}

fn only_row(found: &Evaluated, ty: &SqlType) -> Computed {
    match found.errors.of_row(0) {
        Some(error) => trouble(error.kind, error.detail.clone()),
        None => Ok(Cell::of(&value_at(&found.array, 0, ty))),
    }
}

fn cast(expr: &Expr, input: &Expr, mode: CastMode, env: Env<'_>) -> Computed {
    let (from, to) = (&input.ty.sql, &expr.ty.sql);
    let value = eval(input, env)?;
    if from == to || value.is_null() {
        return Ok(value);
    }
    match &value {
        Cell::Opaque(_) => return Ok(Cell::Opaque(String::new())),
        Cell::Int(number) if to.is_integer() => {
            let (least, most) = range_of(to);
            return match mode {
                _ if (least..=most).contains(number) => Ok(value),
                CastMode::Strict => trouble(ErrorKind::Cast, format!("{number} to {to}")),
                CastMode::Try => Ok(Cell::Null),
            };
        }
        Cell::Int(number) if *to == SqlType::Double => return Ok(Cell::Double(*number as f64)),
        _ => {}
    }
    let array = scalar_array(&value.to_value().expect("it is not opaque"), from);
    let Some(cast) = Cast::new(from, to, mode) else {
        panic!("the plan casts {from} to {to}, which there is not");
    };
    let zone = env.zone.parse().expect("the plan names a zone that there is");
    only_row(&cast.apply(&array, zone), to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anabranch_engine::diagnostic::Span;
    use anabranch_engine::types::Value;

    fn value(expr: &Expr) -> Computed {
        let cells = [trouble(ErrorKind::Parse, "bad")];
        eval(expr, Env { cells: &cells, tick: Tick(0), watermark_before: None, zone: "UTC" })
    }

    fn boolean(value: Option<bool>) -> Expr {
        let value = value.map_or(Value::Null, Value::Boolean);
        Expr::literal(value, SqlType::Boolean.nullable())
    }

    fn int(value: i64) -> Expr {
        Expr::literal(Value::Int(value), SqlType::Int.not_null())
    }

    fn bad() -> Expr {
        Expr::column(0, SqlType::Boolean.nullable())
    }

    fn of(kind: ExprKind) -> Expr {
        Expr { kind, ty: SqlType::Boolean.nullable(), span: Span::default() }
    }

    #[test]
    fn truth_has_three_values_and_goes_from_left_to_right() {
        let (t, f, n) = (Some(true), Some(false), None);
        let and = |parts: &[Option<bool>]| {
            value(&of(ExprKind::And(parts.iter().map(|part| boolean(*part)).collect())))
        };
        let or = |parts: &[Option<bool>]| {
            value(&of(ExprKind::Or(parts.iter().map(|part| boolean(*part)).collect())))
        };
        assert_eq!(and(&[t, n]), Ok(Cell::Null));
        assert_eq!(and(&[n, f]), Ok(Cell::Boolean(false)));
        assert_eq!(and(&[t, t]), Ok(Cell::Boolean(true)));
        assert_eq!(or(&[n, t]), Ok(Cell::Boolean(true)));
        assert_eq!(or(&[f, n]), Ok(Cell::Null));
        // An error right of what decides is none; one left of it stays.
        assert_eq!(value(&of(ExprKind::And(vec![boolean(f), bad()]))), Ok(Cell::Boolean(false)));
        assert!(value(&of(ExprKind::And(vec![bad(), boolean(f)]))).is_err());
        assert!(value(&of(ExprKind::Or(vec![boolean(n), bad(), boolean(t)]))).is_err());
        let case = ExprKind::Case {
            branches: vec![(boolean(n), bad()), (boolean(t), boolean(f))],
            otherwise: Some(Box::new(bad())),
        };
        assert_eq!(value(&of(case)), Ok(Cell::Boolean(false)));
        let coalesce = ExprKind::Coalesce(vec![boolean(n), boolean(t), bad()]);
        assert_eq!(value(&of(coalesce)), Ok(Cell::Boolean(true)));
    }

    #[test]
    fn null_compares_with_nothing_but_is_not_distinct_from_itself() {
        let call = |name: &str, args: Vec<Expr>| {
            value(&Expr::call(name, args, SqlType::Boolean.nullable()))
        };
        let null = || Expr::literal(Value::Null, SqlType::Int.nullable());
        let double = |value: f64| Expr::literal(Value::Double(value), SqlType::Double.not_null());
        let text = |value: Option<&str>| {
            let value = value.map_or(Value::Null, |text| Value::Text(text.to_owned()));
            Expr::literal(value, SqlType::STRING.nullable())
        };
        assert_eq!(call("=", vec![null(), null()]), Ok(Cell::Null));
        assert_eq!(call("<>", vec![int(1), null()]), Ok(Cell::Null));
        assert_eq!(call("IS NOT DISTINCT FROM", vec![null(), null()]), Ok(Cell::Boolean(true)));
        assert_eq!(call("IS DISTINCT FROM", vec![null(), int(1)]), Ok(Cell::Boolean(true)));
        assert_eq!(call("NOT", vec![boolean(None)]), Ok(Cell::Null));
        assert_eq!(call("IS NOT TRUE", vec![boolean(None)]), Ok(Cell::Boolean(true)));
        assert_eq!(call("LIKE", vec![text(None), text(Some("%"))]), Ok(Cell::Null));
        assert_eq!(
            call("LIKE", vec![text(Some("abc")), text(Some("a%"))]),
            Ok(Cell::Boolean(true))
        );
        assert_eq!(call("=", vec![double(f64::NAN), double(f64::NAN)]), Ok(Cell::Boolean(false)));
        assert_eq!(call("<>", vec![double(f64::NAN), double(1.0)]), Ok(Cell::Boolean(true)));
        assert_eq!(call("=", vec![double(-0.0), double(0.0)]), Ok(Cell::Boolean(true)));
    }

    #[test]
    fn integers_that_do_not_fit_are_errors() {
        let call = |name: &str, a: i64, b: i64| {
            value(&Expr::call(name, vec![int(a), int(b)], SqlType::Int.nullable()))
        };
        let kind = |found: Computed| found.map_err(|trouble| trouble.kind);
        assert_eq!(call("/", -7, 2), Ok(Cell::Int(-3)));
        assert_eq!(call("%", -7, 2), Ok(Cell::Int(-1)));
        assert_eq!(kind(call("+", i64::from(i32::MAX), 1)), Err(ErrorKind::Overflow));
        assert_eq!(kind(call("/", 1, 0)), Err(ErrorKind::DivisionByZero));
    }
}
