//! Conversions between types, by Flink's rules.

use anabranch_engine::expr::{CastMode, Expr, ExprKind, is_castable};
use anabranch_engine::types::{DataType, SqlType, TimeUnit, Value};

/// Whether a column of a sink takes values of another type without a CAST.
pub(crate) fn assignable(from: &SqlType, to: &SqlType) -> bool {
    use SqlType as T;
    let rank = |ty: &SqlType| match ty {
        T::TinyInt => 0,
        T::SmallInt => 1,
        T::Int => 2,
        T::BigInt => 3,
        _ => 4,
    };
    if from == to || *from == T::Null {
        return true;
    }
    if !is_castable(from, to) {
        return false;
    }
    match (from, to) {
        (_, T::Char(n)) => matches!(from, T::Char(m) if m == n),
        (_, T::VarChar(_)) => from.is_text(),
        (T::Binary(_) | T::VarBinary(_), T::VarBinary(_)) => true,
        (_, T::Decimal { .. } | T::Double) => from.is_numeric(),
        (_, T::Float) => from.is_integer() || matches!(from, T::Decimal { .. }),
        (_, T::TinyInt | T::SmallInt | T::Int | T::BigInt) => {
            from.is_integer() && rank(from) <= rank(to)
        }
        (T::Timestamp(_), T::Date | T::Time(_)) | (T::Time(_), T::Time(_)) => true,
        (_, T::Timestamp(_) | T::TimestampLtz(_)) => from.is_timestamp(),
        (T::Row(x), T::Row(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| assignable(&x.ty.sql, &y.ty.sql))
        }
        (T::Array(x), T::Array(y)) => assignable(&x.sql, &y.sql),
        _ => false,
    }
}

/// The expression as a value of another type; nothing is added if it is one already.
/// A constant becomes a constant of that type where that is certain to be exact.
pub(crate) fn coerce(expr: Expr, to: &SqlType) -> Expr {
    if expr.ty.sql == *to {
        return expr;
    }
    if let ExprKind::Literal(value) = &expr.kind
        && let Some(value) = convert(value, &expr.ty.sql, to)
    {
        let ty = DataType { sql: to.clone(), nullable: expr.ty.nullable };
        return Expr::literal(value, ty).at(expr.span);
    }
    cast(expr, to.clone(), CastMode::Strict)
}

/// A conversion that is evaluated for each row.
pub(crate) fn cast(expr: Expr, to: SqlType, mode: CastMode) -> Expr {
    let span = expr.span;
    // A number that does not fit a DECIMAL becomes NULL even where the type says NOT
    // NULL, as in Flink. Nothing relies on the promise: all Arrow fields are nullable.
    let nullable = expr.ty.nullable || mode == CastMode::Try;
    let ty = DataType { sql: to, nullable };
    Expr { kind: ExprKind::Cast { input: Box::new(expr), mode }, ty, span }
}

/// A constant of another type, where no rounding is needed.
fn convert(value: &Value, from: &SqlType, to: &SqlType) -> Option<Value> {
    use SqlType as T;
    Some(match (value, from, to) {
        (Value::Null, _, _) => Value::Null,
        (Value::Int(n), T::TinyInt | T::SmallInt | T::Int | T::BigInt, _) => match to {
            T::TinyInt => Value::Int(i8::try_from(*n).ok()?.into()),
            T::SmallInt => Value::Int(i16::try_from(*n).ok()?.into()),
            T::Int => Value::Int(i32::try_from(*n).ok()?.into()),
            T::BigInt => Value::Int(*n),
            T::Double if n.unsigned_abs() <= 1 << 53 => Value::Double(*n as f64),
            T::Float if n.unsigned_abs() <= 1 << 24 => Value::Float(*n as f32),
            T::Decimal { precision, scale } => {
                let scaled = i128::from(*n).checked_mul(10_i128.checked_pow((*scale).into())?)?;
                let fits = scaled.unsigned_abs() < 10_u128.checked_pow((*precision).into())?;
                fits.then_some(Value::Decimal(scaled))?
            }
            _ => return None,
        },
        (Value::Decimal(n), T::Decimal { scale, .. }, T::Double) => {
            // Parsing the digits rounds once, as CAST does.
            format!("{n}e-{scale}").parse().ok().map(Value::Double)?
        }
        (
            Value::Decimal(n),
            T::Decimal { scale: from, .. },
            T::Decimal { precision, scale: to },
        ) if to >= from => {
            let scaled = n.checked_mul(10_i128.checked_pow((to - from).into())?)?;
            let fits = scaled.unsigned_abs() < 10_u128.checked_pow((*precision).into())?;
            fits.then_some(Value::Decimal(scaled))?
        }
        (Value::Text(text), T::Char(_) | T::VarChar(_), T::VarChar(n))
            if text.chars().count() <= *n as usize =>
        {
            value.clone()
        }
        (Value::Timestamp(t), T::Timestamp(from), T::Timestamp(to))
        | (Value::Timestamp(t), T::TimestampLtz(from), T::TimestampLtz(to))
            if to >= from =>
        {
            let (from, to) = (TimeUnit::of_precision(*from), TimeUnit::of_precision(*to));
            Value::Timestamp(t.checked_mul(to.per_second() / from.per_second())?)
        }
        _ => return None,
    })
}
