//! Expressions of the plan, and their evaluation over batches.
//!
//! An expression knows its type: the SQL front end derived it by Flink's rules and
//! put every cast in. Evaluation never fails as a whole: a row that cannot be
//! computed is a value ([`RowError`]), so one bad row never fails a batch.

mod cast;
mod choose;
mod compile;
mod constant;
mod element;
mod eval;
mod flink_text;
mod ir;

pub(crate) use cast::time as cast_time;
pub use cast::{Cast, format_value, is_castable};
pub use compile::{CompileError, CompiledExpr};
pub use constant::{scalar_array, value_at};
#[doc(hidden)]
pub use flink_text::flink_row_text;
pub use ir::{CastMode, ContextValue, Expr, ExprKind, FunctionRef};

use arrow_array::{ArrayRef, RecordBatch};

/// Why a row has no value here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorKind {
    /// A text or number that does not fit the type it was cast to.
    Cast,
    /// A division by zero.
    DivisionByZero,
    /// An argument outside what the function is defined for.
    InvalidArgument,
    /// A NULL where NOT NULL was declared.
    NotNull,
    /// An integer result that does not fit its type.
    Overflow,
    /// A field of a record that is not of its column's type.
    Parse,
    /// A row without event time that needs one.
    RowtimeNull,
}

impl ErrorKind {
    /// The word that stands in `_reason` of a dead letter.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ErrorKind::Cast => "cast",
            ErrorKind::DivisionByZero => "division by zero",
            ErrorKind::InvalidArgument => "invalid argument",
            ErrorKind::NotNull => "not null",
            ErrorKind::Overflow => "overflow",
            ErrorKind::Parse => "parse",
            ErrorKind::RowtimeNull => "rowtime is null",
        }
    }
}

/// One row that could not be computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// The row, counted from 0 within its batch.
    pub row: u32,
    /// Why.
    pub kind: ErrorKind,
    /// The value and what was wrong with it, for a person.
    pub detail: String,
}

/// The rows of a batch that could not be computed: at most one error for a row,
/// in ascending order of rows. Empty in the usual case, and then it costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowErrors(Vec<RowError>);

impl RowErrors {
    /// No error.
    pub const NONE: RowErrors = RowErrors(Vec::new());

    /// Whether every row was computed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The errors, by row.
    #[must_use]
    pub fn as_slice(&self) -> &[RowError] {
        &self.0
    }

    /// Adds an error; rows must come in ascending order, and a second error of the
    /// last row is dropped.
    ///
    /// # Panics
    /// If a row comes after a later one.
    pub fn push(&mut self, row: usize, kind: ErrorKind, detail: impl Into<String>) {
        let row = row as u32;
        if let Some(last) = self.0.last() {
            assert!(last.row <= row, "row errors come in order: {} after {row}", last.row);
            if last.row == row {
                return;
            }
        }
        self.0.push(RowError { row, kind, detail: detail.into() });
    }

    /// The error of this row, if it has one.
    #[must_use]
    pub fn of_row(&self, row: usize) -> Option<&RowError> {
        let found = self.0.binary_search_by_key(&(row as u32), |error| error.row);
        found.ok().map(|index| &self.0[index])
    }

    /// Both lists in one; where a row stands in both, `self` wins.
    #[must_use]
    pub fn merge(self, other: RowErrors) -> RowErrors {
        if self.0.is_empty() {
            return other;
        }
        if other.0.is_empty() {
            return self;
        }
        let mut all: Vec<RowError> = self.0;
        all.extend(other.0);
        // The sort is stable, so the errors of `self` stand first.
        all.sort_by_key(|error| error.row);
        all.dedup_by_key(|error| error.row);
        RowErrors(all)
    }

    /// Keeps the errors of the rows for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        self.0.retain(|error| keep(error.row as usize));
    }
}

/// What an expression gave for a batch.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// One value a row, of the expression's Arrow type; NULL where the row failed.
    pub array: ArrayRef,
    /// The rows that failed.
    pub errors: RowErrors,
}

impl Evaluated {
    /// Values without an error.
    #[must_use]
    pub fn ok(array: ArrayRef) -> Evaluated {
        Evaluated { array, errors: RowErrors::NONE }
    }
}

/// What an expression may depend on besides the columns. All of it is part of the
/// epoch's input or of the plan; nothing is read from the outside.
// spec: E-1
#[derive(Clone, Copy, Debug)]
pub struct EvalInput<'a> {
    /// The rows.
    pub batch: &'a RecordBatch,
    /// For each column of a scan, the rows in which it could not be decoded; empty
    /// for batches of derived rows.
    pub column_errors: &'a [RowErrors],
    /// The epoch's clock reading, in ns since 1970.
    pub tick: crate::time::Tick,
    /// For each row its own split's watermark before the row, in ms; `None` where
    /// rows have no split.
    pub watermarks_before: Option<&'a [i64]>,
    /// The zone in which texts and instants are converted.
    pub zone: chrono_tz::Tz,
}

#[cfg(test)]
mod every_function;
#[cfg(test)]
mod tests;
