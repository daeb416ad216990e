//! The evaluation of a compiled expression over a batch.

use super::compile::{Node, NodeKind};
use super::{ContextValue, EvalInput, Evaluated, RowErrors, choose, constant, element};
use crate::function::{Argument, CallInput};
use crate::types::{SqlType, TimeUnit, Value};
use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array, new_empty_array};
use std::sync::Arc;

/// What a part of an expression gave: a value for each row, or one for all.
#[derive(Clone, Debug)]
pub(super) struct Partial {
    /// The values; exactly one if `constant`.
    pub(super) array: ArrayRef,
    /// Whether the one value (or failure, of row 0) is that of every row.
    pub(super) constant: bool,
    /// The rows that failed.
    pub(super) errors: RowErrors,
}

impl Partial {
    /// A value for each row.
    pub(super) fn each(array: ArrayRef, errors: RowErrors) -> Partial {
        Partial { array, constant: false, errors }
    }

    /// The values of `rows` rows.
    pub(super) fn expand(self, rows: usize) -> Evaluated {
        if !self.constant {
            return Evaluated { array: self.array, errors: self.errors };
        }
        let errors = spread(self.errors, rows);
        let array = match rows {
            0 => new_empty_array(self.array.data_type()),
            1 => self.array,
            _ => {
                let zeros = UInt32Array::from(vec![0; rows]);
                arrow_select::take::take(&self.array, &zeros, None)
                    .expect("row 0 of a constant exists")
            }
        };
        Evaluated { array, errors }
    }

    /// The errors of `rows` rows.
    pub(super) fn errors_of(&self, rows: usize) -> RowErrors {
        if self.constant { spread(self.errors.clone(), rows) } else { self.errors.clone() }
    }

    /// The place in `array` of a row's value.
    pub(super) fn index(&self, row: usize) -> usize {
        if self.constant { 0 } else { row }
    }
}

/// The failure of row 0 for all rows.
fn spread(errors: RowErrors, rows: usize) -> RowErrors {
    let Some(error) = errors.as_slice().first() else { return RowErrors::NONE };
    let mut all = RowErrors::NONE;
    for row in 0..rows {
        all.push(row, error.kind, error.detail.clone());
    }
    all
}

/// The array with NULL in the rows that failed.
pub(super) fn without_failed(array: ArrayRef, errors: &RowErrors) -> ArrayRef {
    if errors.as_slice().iter().all(|error| array.is_null(error.row as usize)) {
        return array;
    }
    let mut failed = vec![false; array.len()];
    for error in errors.as_slice() {
        failed[error.row as usize] = true;
    }
    arrow_select::nullif::nullif(&array, &BooleanArray::from(failed))
        .expect("the mask is as long as the array")
}

impl Node {
    /// Computes the part for `rows` rows; of a constant part, for one.
    pub(super) fn evaluate(&self, input: &EvalInput<'_>, rows: usize) -> Partial {
        if let NodeKind::Known(known) = &self.kind {
            return known.clone();
        }
        let rows = if self.constant { 1 } else { rows };
        let mut found = self.evaluate_kind(input, rows);
        found.constant = self.constant;
        found
    }

    fn evaluate_kind(&self, input: &EvalInput<'_>, rows: usize) -> Partial {
        match &self.kind {
            NodeKind::And(parts) => choose::junction(parts, input, rows, false),
            NodeKind::Or(parts) => choose::junction(parts, input, rows, true),
            NodeKind::Case { branches, otherwise } => {
                choose::case(branches, otherwise.as_deref(), &self.ty.sql, input, rows)
            }
            NodeKind::Coalesce(parts) => choose::coalesce(parts, &self.ty.sql, input, rows),
            NodeKind::Call { kernel, args, arg_types } => {
                let parts: Vec<Partial> =
                    args.iter().map(|arg| arg.evaluate(input, rows)).collect();
                let mut errors = RowErrors::NONE;
                for part in &parts {
                    if !part.errors.is_empty() {
                        errors = errors.merge(part.errors_of(rows));
                    }
                }
                let args: Vec<Argument> = parts
                    .into_iter()
                    .map(|part| Argument { array: part.array, constant: part.constant })
                    .collect();
                let call =
                    CallInput { args: &args, arg_types, result: &self.ty, rows, zone: input.zone };
                let found = kernel.evaluate(&call);
                debug_assert_eq!(found.array.len(), rows);
                merged(found, errors)
            }
            NodeKind::Cast { input: inner, cast } => {
                let part = inner.evaluate(input, rows);
                let errors = part.errors_of(rows);
                merged(cast.apply(&part.array, input.zone), errors)
            }
            NodeKind::Column(index) => {
                let errors = input.column_errors.get(*index).cloned().unwrap_or_default();
                let array = Arc::clone(input.batch.column(*index));
                Partial::each(without_failed(array, &errors), errors)
            }
            NodeKind::Context(value) => self.context(*value, input, rows),
            NodeKind::Element { array, index } => {
                let (array, index) = (array.evaluate(input, rows), index.evaluate(input, rows));
                let errors = array.errors_of(rows).merge(index.errors_of(rows));
                merged(Evaluated::ok(element::element(&array, &index, rows)), errors)
            }
            NodeKind::Field { input: inner, index } => {
                let part = inner.evaluate(input, rows);
                let errors = part.errors_of(rows);
                Partial::each(element::field(&part.array, *index), errors)
            }
            NodeKind::Known(known) => known.clone(),
        }
    }

    fn context(&self, value: ContextValue, input: &EvalInput<'_>, rows: usize) -> Partial {
        match value {
            ContextValue::Tick => {
                // spec: T-6
                let unit = match self.ty.sql {
                    SqlType::Timestamp(p) | SqlType::TimestampLtz(p) => TimeUnit::of_precision(p),
                    _ => TimeUnit::Millisecond,
                };
                let ticks = input.tick.0.div_euclid(1_000_000_000 / unit.per_second());
                let array = constant::scalar_array(&Value::Timestamp(ticks), &self.ty.sql);
                Partial { array, constant: true, errors: RowErrors::NONE }
            }
            ContextValue::CurrentWatermark => {
                // spec: T-1
                let array = constant::watermarks(input.watermarks_before, rows, &self.ty.sql);
                Partial::each(array, RowErrors::NONE)
            }
        }
    }
}

/// What a kernel gave, with the failures of its arguments before its own.
fn merged(found: Evaluated, errors: RowErrors) -> Partial {
    if errors.is_empty() {
        return Partial::each(found.array, found.errors);
    }
    let errors = errors.merge(found.errors);
    Partial::each(without_failed(found.array, &errors), errors)
}
