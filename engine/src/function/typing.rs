//! Flink's rules for the types of results, and the small checks that the type
//! rules of the functions are made of.

use super::registry::RuleInput;
use crate::types::{DECIMAL_PRECISION_MAX, DataType, SqlType};

/// What a type rule found.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    /// The types that the arguments are cast to.
    pub(crate) args: Vec<SqlType>,
    /// The type of the result.
    pub(crate) result: DataType,
}

/// What a rule gives: the types, or what is wrong with the arguments.
pub(crate) type Ruled = Result<Typed, String>;

impl RuleInput<'_> {
    /// Whether an argument may be NULL.
    pub(crate) fn any_nullable(&self) -> bool {
        self.args.iter().any(|arg| arg.nullable || arg.sql == SqlType::Null)
    }

    /// The type of an argument.
    pub(crate) fn sql(&self, index: usize) -> &SqlType {
        &self.args[index].sql
    }

    /// Fails unless there are `least` to `most` arguments.
    pub(crate) fn count(&self, least: usize, most: usize) -> Result<(), String> {
        let found = self.args.len();
        if (least..=most).contains(&found) {
            return Ok(());
        }
        let wanted = match (least, most) {
            (a, b) if a == b => format!("{a}"),
            (a, usize::MAX) => format!("at least {a}"),
            (a, b) => format!("{a} to {b}"),
        };
        let word = if wanted == "1" { "argument" } else { "arguments" };
        Err(format!("it takes {wanted} {word}, not {found}"))
    }

    /// The integer that stands literally as an argument.
    pub(crate) fn literal_int(&self, index: usize) -> Option<i64> {
        match self.literals.get(index).copied().flatten() {
            Some(crate::types::Value::Int(value)) => Some(*value),
            _ => None,
        }
    }

    /// The text that stands literally as an argument.
    pub(crate) fn literal_text(&self, index: usize) -> Option<&str> {
        match self.literals.get(index).copied().flatten() {
            Some(crate::types::Value::Text(value)) => Some(value),
            _ => None,
        }
    }

    /// A result that is NULL only if an argument may be.
    pub(crate) fn typed(&self, args: Vec<SqlType>, result: SqlType) -> Typed {
        Typed { args, result: DataType { sql: result, nullable: self.any_nullable() } }
    }

    /// The complaint about the type of an argument.
    pub(crate) fn wrong(&self, index: usize, wanted: &str) -> String {
        format!("argument {} is {}, not {wanted}", index + 1, self.sql(index))
    }

    /// The type to which a text argument is cast: its own, if it is text.
    pub(crate) fn text(&self, index: usize) -> Result<SqlType, String> {
        match self.sql(index) {
            ty if ty.is_text() => Ok(ty.clone()),
            SqlType::Null => Ok(SqlType::STRING),
            _ => Err(self.wrong(index, "text")),
        }
    }

    /// Checks that an argument is an integer that fits INT, and gives INT.
    pub(crate) fn int(&self, index: usize) -> Result<SqlType, String> {
        match self.sql(index) {
            SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::Null => Ok(SqlType::Int),
            _ => Err(self.wrong(index, "an INT")),
        }
    }

    /// Checks that an argument is an integer, and gives BIGINT.
    pub(crate) fn bigint(&self, index: usize) -> Result<SqlType, String> {
        match self.sql(index) {
            ty if ty.is_integer() || *ty == SqlType::Null => Ok(SqlType::BigInt),
            _ => Err(self.wrong(index, "an integer")),
        }
    }

    /// Checks that an argument is a number, and gives DOUBLE.
    pub(crate) fn double(&self, index: usize) -> Result<SqlType, String> {
        match self.sql(index) {
            ty if ty.is_numeric() || *ty == SqlType::Null => Ok(SqlType::Double),
            _ => Err(self.wrong(index, "a number")),
        }
    }
}

/// The decimal type that holds every value of an integer type; a DECIMAL's own.
pub(crate) fn as_decimal(ty: &SqlType) -> Option<(u8, u8)> {
    match ty {
        SqlType::TinyInt => Some((3, 0)),
        SqlType::SmallInt => Some((5, 0)),
        SqlType::Int => Some((10, 0)),
        SqlType::BigInt => Some((19, 0)),
        SqlType::Decimal { precision, scale } => Some((*precision, *scale)),
        _ => None,
    }
}

/// Fits a wanted precision into 38 digits: the digits before the point are kept,
/// of those behind it at least six.
pub(crate) fn adjusted_decimal(precision: u32, scale: u32) -> SqlType {
    let most = u32::from(DECIMAL_PRECISION_MAX);
    if precision <= most {
        return SqlType::Decimal { precision: precision as u8, scale: scale as u8 };
    }
    let whole = precision - scale;
    let scale = most.saturating_sub(whole).max(scale.min(6));
    SqlType::Decimal { precision: DECIMAL_PRECISION_MAX, scale: scale as u8 }
}

/// The wider of two integer types.
pub(crate) fn wider_integer(left: &SqlType, right: &SqlType) -> SqlType {
    let width = |ty: &SqlType| match ty {
        SqlType::TinyInt => 1,
        SqlType::SmallInt => 2,
        SqlType::Int => 3,
        _ => 4,
    };
    if width(left) >= width(right) { left.clone() } else { right.clone() }
}

/// The type to which the branches of a CASE, the arguments of COALESCE or the
/// columns of a UNION are cast; `None` if the types do not mix.
#[must_use]
pub fn common_type(types: &[DataType]) -> Option<DataType> {
    let (first, rest) = types.split_first()?;
    let mut found = first.clone();
    for next in rest {
        let sql = common_pair(&found.sql, &next.sql)?;
        found = DataType { sql, nullable: found.nullable || next.nullable };
    }
    Some(found)
}

/// The common type of two.
pub(crate) fn common_pair(left: &SqlType, right: &SqlType) -> Option<SqlType> {
    use SqlType::{
        Array, Binary, Char, Date, Double, Float, Null, Timestamp, TimestampLtz, VarBinary, VarChar,
    };
    if left == right {
        return Some(left.clone());
    }
    match (left, right) {
        (Null, other) | (other, Null) => Some(other.clone()),
        (a, b) if a.is_integer() && b.is_integer() => Some(wider_integer(a, b)),
        (a, b) if a.is_numeric() && b.is_numeric() => Some(common_number(a, b)),
        (Char(a) | VarChar(a), Char(b) | VarChar(b)) => Some(VarChar(*a.max(b))),
        (Binary(a) | VarBinary(a), Binary(b) | VarBinary(b)) => Some(VarBinary(*a.max(b))),
        (Timestamp(a), Timestamp(b)) => Some(Timestamp(*a.max(b))),
        (TimestampLtz(a), TimestampLtz(b) | Timestamp(b)) | (Timestamp(b), TimestampLtz(a)) => {
            Some(TimestampLtz(*a.max(b)))
        }
        (SqlType::Time(a), SqlType::Time(b)) => Some(SqlType::Time(*a.max(b))),
        (Array(a), Array(b)) => {
            let sql = common_pair(&a.sql, &b.sql)?;
            Some(Array(Box::new(DataType { sql, nullable: a.nullable || b.nullable })))
        }
        (Float, Double) | (Double, Float) => Some(Double),
        (Date, _) | (_, Date) => None,
        _ => None,
    }
}

/// The common type of two numbers of which at least one is no integer.
fn common_number(left: &SqlType, right: &SqlType) -> SqlType {
    match (as_decimal(left), as_decimal(right)) {
        (Some((p1, s1)), Some((p2, s2))) => {
            let whole = (p1 - s1).max(p2 - s2);
            let scale = s1.max(s2).min(DECIMAL_PRECISION_MAX - whole);
            SqlType::Decimal { precision: whole + scale, scale }
        }
        _ => {
            let has_decimal = [left, right].iter().any(|ty| matches!(ty, SqlType::Decimal { .. }));
            let has_double = [left, right].iter().any(|ty| **ty == SqlType::Double);
            if has_decimal || has_double { SqlType::Double } else { SqlType::Float }
        }
    }
}
