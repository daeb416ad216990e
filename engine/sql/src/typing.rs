//! Types that fit several values, and conversions between types, by Flink's rules.

use anabranch_engine::expr::{CastMode, Expr, ExprKind};
use anabranch_engine::types::{DECIMAL_PRECISION_MAX, DataType, Field, SqlType, TimeUnit, Value};

/// The type that values of all these types fit into without loss of meaning.
pub(crate) fn common_type<'a>(types: impl IntoIterator<Item = &'a DataType>) -> Option<DataType> {
    let mut types = types.into_iter();
    let first = types.next()?.clone();
    types.try_fold(first, |common, ty| {
        let nullable = common.nullable || ty.nullable;
        Some(DataType { sql: common_sql(&common.sql, &ty.sql)?, nullable })
    })
}

fn common_sql(a: &SqlType, b: &SqlType) -> Option<SqlType> {
    use SqlType as T;
    if a == b {
        return Some(a.clone());
    }
    Some(match (a, b) {
        (T::Null, other) | (other, T::Null) => other.clone(),
        _ if a.is_numeric() && b.is_numeric() => common_number(a, b),
        (T::Char(m) | T::VarChar(m), T::Char(n) | T::VarChar(n)) => T::VarChar(*m.max(n)),
        (T::Binary(m) | T::VarBinary(m), T::Binary(n) | T::VarBinary(n)) => T::VarBinary(*m.max(n)),
        (T::Time(m), T::Time(n)) => T::Time(*m.max(n)),
        (T::Timestamp(m), T::Timestamp(n)) => T::Timestamp(*m.max(n)),
        (T::TimestampLtz(m), T::TimestampLtz(n) | T::Timestamp(n))
        | (T::Timestamp(m), T::TimestampLtz(n)) => T::TimestampLtz(*m.max(n)),
        (T::Date, T::Timestamp(p)) | (T::Timestamp(p), T::Date) => T::Timestamp(*p),
        (T::Date, T::TimestampLtz(p)) | (T::TimestampLtz(p), T::Date) => T::TimestampLtz(*p),
        (T::Array(x), T::Array(y)) => T::Array(Box::new(common_type([x.as_ref(), y.as_ref()])?)),
        (T::Row(x), T::Row(y)) if x.len() == y.len() => {
            let fields = x.iter().zip(y).map(|(x, y)| {
                Some(Field::new(x.name.clone(), common_type([&x.ty, &y.ty])?))
            });
            T::Row(fields.collect::<Option<Vec<Field>>>()?)
        }
        _ => return None,
    })
}

/// The number type that both fit into.
fn common_number(a: &SqlType, b: &SqlType) -> SqlType {
    let rank = |ty: &SqlType| match ty {
        SqlType::TinyInt => 0,
        SqlType::SmallInt => 1,
        SqlType::Int => 2,
        _ => 3,
    };
    if a.is_integer() && b.is_integer() {
        return if rank(a) >= rank(b) { a.clone() } else { b.clone() };
    }
    match (a, b) {
        (SqlType::Double, _) | (_, SqlType::Double) => SqlType::Double,
        (SqlType::Float, SqlType::Decimal { .. }) | (SqlType::Decimal { .. }, SqlType::Float) => {
            SqlType::Double
        }
        (SqlType::Float, _) | (_, SqlType::Float) => SqlType::Float,
        _ => {
            let (p1, s1) = as_decimal(a);
            let (p2, s2) = as_decimal(b);
            let scale = s1.max(s2);
            let whole = (p1 - s1).max(p2 - s2);
            let precision = (whole + scale).min(DECIMAL_PRECISION_MAX);
            SqlType::Decimal { precision, scale: scale.min(precision) }
        }
    }
}

/// Precision and scale of the decimal that holds the number type.
fn as_decimal(ty: &SqlType) -> (u8, u8) {
    match ty {
        SqlType::TinyInt => (3, 0),
        SqlType::SmallInt => (5, 0),
        SqlType::Int => (10, 0),
        SqlType::BigInt => (19, 0),
        SqlType::Decimal { precision, scale } => (*precision, *scale),
        _ => (DECIMAL_PRECISION_MAX, 0),
    }
}

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

/// Whether CAST converts from one type to the other.
pub(crate) fn castable(from: &SqlType, to: &SqlType) -> bool {
    use SqlType as T;
    if from == to || *from == T::Null {
        return true;
    }
    if from.is_text() || to.is_text() {
        return !matches!(from, T::Row(_) | T::Array(_)) && !matches!(to, T::Row(_) | T::Array(_) | T::Null)
            || to.is_text();
    }
    match (from, to) {
        (T::Boolean, _) => to.is_numeric(),
        (_, T::Boolean) => from.is_numeric(),
        _ if from.is_numeric() && to.is_numeric() => true,
        _ if from.is_bytes() && to.is_bytes() => true,
        (T::Date, T::Timestamp(_) | T::TimestampLtz(_)) => true,
        (T::Time(_), T::Time(_) | T::Timestamp(_) | T::TimestampLtz(_)) => true,
        (T::Timestamp(_) | T::TimestampLtz(_), T::Date | T::Time(_)) => true,
        _ if from.is_timestamp() && to.is_timestamp() => true,
        (T::Row(x), T::Row(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(x, y)| castable(&x.ty.sql, &y.ty.sql))
        }
        (T::Array(x), T::Array(y)) => castable(&x.sql, &y.sql),
        _ => false,
    }
}

/// The expression as a value of another type; nothing is added if it is one already.
/// A constant becomes a constant of that type where that is certain to be exact.
pub(crate) fn coerce(expr: Expr, to: &SqlType) -> Expr {
    if expr.ty.sql == *to {
        return expr;
    }
    if let ExprKind::Literal(value) = &expr.kind {
        if let Some(value) = convert(value, &expr.ty.sql, to) {
            let ty = DataType { sql: to.clone(), nullable: expr.ty.nullable };
            return Expr::literal(value, ty).at(expr.span);
        }
    }
    cast(expr, to.clone(), CastMode::Strict)
}

/// A conversion that is evaluated for each row.
pub(crate) fn cast(expr: Expr, to: SqlType, mode: CastMode) -> Expr {
    let span = expr.span;
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
