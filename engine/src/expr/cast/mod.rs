//! Casts between types, as Flink 2.3 does them.
//!
//! Where Flink wraps an integer that does not fit, the row fails here (a listed
//! difference); a decimal that does not fit is NULL, as in Flink.

mod number;
mod parse;
mod text;
pub(crate) mod time;

use super::{CastMode, ErrorKind, Evaluated, RowErrors};
use crate::function::{Failure, RowResult};
use crate::types::SqlType;
use arrow_array::ArrayRef;
use chrono_tz::Tz;
use std::sync::Arc;

/// A cast from one type to another.
#[derive(Clone, Debug)]
pub struct Cast {
    from: SqlType,
    to: SqlType,
    mode: CastMode,
    convert: Convert,
}

/// Converts a batch; failures are those of a strict cast.
type Convert = fn(&Cast, &ArrayRef, Tz) -> Evaluated;

/// Whether there is a cast between the types.
#[must_use]
pub fn is_castable(from: &SqlType, to: &SqlType) -> bool {
    find(from, to).is_some()
}

impl Cast {
    /// The cast between two types; `None` if there is none.
    #[must_use]
    pub fn new(from: &SqlType, to: &SqlType, mode: CastMode) -> Option<Cast> {
        let convert = find(from, to)?;
        Some(Cast { from: from.clone(), to: to.clone(), mode, convert })
    }

    /// Whether the result depends on the zone.
    #[must_use]
    pub fn needs_zone(&self) -> bool {
        let instant = |ty: &SqlType| matches!(ty, SqlType::TimestampLtz(_));
        instant(&self.from) != instant(&self.to)
    }

    /// Converts every value. A value that does not fit fails its row, or is NULL for
    /// TRY_CAST.
    ///
    /// # Panics
    /// If the array is not of the type that is cast from.
    #[must_use]
    pub fn apply(&self, array: &ArrayRef, zone: Tz) -> Evaluated {
        let found = (self.convert)(self, array, zone);
        match self.mode {
            CastMode::Strict => found,
            CastMode::Try => Evaluated { array: found.array, errors: RowErrors::NONE },
        }
    }

    /// The failure of a value.
    fn refuse<T>(&self, value: impl std::fmt::Display) -> RowResult<T> {
        let detail = format!("'{value}' cannot be cast to {}", self.to);
        Err(Failure { kind: ErrorKind::Cast, detail })
    }
}

fn find(from: &SqlType, to: &SqlType) -> Option<Convert> {
    if from == to {
        return Some(|_, array, _| Evaluated::ok(Arc::clone(array)));
    }
    match (from, to) {
        (SqlType::Null, _) => {
            Some(|cast, array, _| Evaluated::ok(super::constant::null_array(&cast.to, array.len())))
        }
        (a, b) if a.is_numeric() && b.is_numeric() => Some(number::convert),
        (SqlType::Boolean, b) if b.is_numeric() => Some(number::from_boolean),
        (a, SqlType::Boolean) if a.is_numeric() => Some(number::to_boolean),
        (a, b) if text::is_wider(a, b) => Some(|_, array, _| Evaluated::ok(Arc::clone(array))),
        (a, b) if b.is_text() && has_text(a) => Some(text::convert),
        (a, b) if b.is_bytes() && (a.is_text() || a.is_bytes()) => Some(text::to_bytes),
        (a, b) if a.is_text() && parse::castable(b) => Some(parse::convert),
        (a, b) if time::castable(a, b) => Some(time::convert),
        (SqlType::Row(_) | SqlType::Array(_), _) if same_shape(from, to) => {
            Some(|_, array, _| Evaluated::ok(Arc::clone(array)))
        }
        _ => None,
    }
}

/// Whether values of the type have a text.
fn has_text(ty: &SqlType) -> bool {
    *ty != SqlType::Null
}

/// Whether two nested types differ only in what Arrow does not see, such as names
/// of fields and what may be NULL.
fn same_shape(from: &SqlType, to: &SqlType) -> bool {
    match (from, to) {
        (SqlType::Row(a), SqlType::Row(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b)
                    .all(|(a, b)| a.name == b.name && same_shape(&a.ty.sql, &b.ty.sql))
        }
        (SqlType::Array(a), SqlType::Array(b)) => same_shape(&a.sql, &b.sql),
        (a, b) => a == b || text::is_wider(a, b),
    }
}

/// A value in the form of a cast to STRING; `None` is NULL.
///
/// # Panics
/// If the array is not of the type, or has no such row.
#[must_use]
pub fn format_value(array: &ArrayRef, row: usize, ty: &SqlType, zone: Tz) -> Option<String> {
    let value = super::constant::value_at(array, row, ty);
    if value.is_null() {
        return None;
    }
    let mut out = String::new();
    text::write_value(&value, ty, zone, &mut out);
    Some(out)
}
