//! AND, OR, CASE and COALESCE: what need not look at all of its parts.
//!
//! Parts are computed for whole batches; a failure in a row that did not need the
//! part is dropped. A part that no row needs is not computed.

use super::compile::Node;
use super::constant::null_array;
use super::eval::{Partial, without_failed};
use super::{EvalInput, RowErrors};
use crate::types::SqlType;
use arrow_arith::boolean::{and_kleene, or_kleene};
use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray};
use std::sync::Arc;

/// AND (`decider` is FALSE) or OR (`decider` is TRUE) of all parts, left to right.
pub(super) fn junction(
    parts: &[Node],
    input: &EvalInput<'_>,
    rows: usize,
    decider: bool,
) -> Partial {
    let mut errors = RowErrors::NONE;
    let mut found: Option<BooleanArray> = None;
    for part in parts {
        let Some(left) = found else {
            let evaluated = part.evaluate(input, rows).expand(rows);
            errors = evaluated.errors;
            found = Some(evaluated.array.as_boolean().clone());
            continue;
        };
        if all_are(&left, decider) {
            found = Some(left);
            break;
        }
        let right = part.evaluate(input, rows).expand(rows);
        let mut later = right.errors;
        // A row that is decided has not looked at this part.
        later.retain(|row| !(left.is_valid(row) && left.value(row) == decider));
        errors = errors.merge(later);
        let right = right.array.as_boolean();
        let both = if decider { or_kleene(&left, right) } else { and_kleene(&left, right) };
        let both = both.expect("both sides have a value for each row");
        found = Some(if errors.is_empty() {
            both
        } else {
            // A failed row stays NULL, even if a later part would decide it.
            without_failed(Arc::new(both), &errors).as_boolean().clone()
        });
    }
    let found = found.unwrap_or_else(|| BooleanArray::from(vec![!decider; rows]));
    Partial::each(Arc::new(found), errors)
}

fn all_are(values: &BooleanArray, wanted: bool) -> bool {
    let count = if wanted { values.true_count() } else { values.false_count() };
    count == values.len()
}

/// Which part gives a row its value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// No part so far.
    Open,
    /// The part of this number.
    Part(usize),
    /// None: the row failed while it looked.
    Failed,
}

/// The values of the chosen parts; NULL where none was chosen.
fn gather(
    choices: &[Choice],
    parts: &[Option<Partial>],
    mut errors: RowErrors,
    ty: &SqlType,
) -> Partial {
    let null = null_array(ty, 1);
    let mut arrays: Vec<&dyn Array> = vec![null.as_ref()];
    let mut slots = vec![0; parts.len()];
    for (number, part) in parts.iter().enumerate() {
        let Some(part) = part else { continue };
        slots[number] = arrays.len();
        arrays.push(part.array.as_ref());
        let mut own = part.errors_of(choices.len());
        own.retain(|row| choices[row] == Choice::Part(number));
        errors = errors.merge(own);
    }
    let places: Vec<(usize, usize)> = choices
        .iter()
        .enumerate()
        .map(|(row, choice)| match choice {
            Choice::Part(number) => match &parts[*number] {
                Some(part) => (slots[*number], part.index(row)),
                None => (0, 0),
            },
            Choice::Open | Choice::Failed => (0, 0),
        })
        .collect();
    let array = arrow_select::interleave::interleave(&arrays, &places)
        .expect("the parts have one type and a value for each row");
    Partial::each(array, errors)
}

/// The value of the first condition that is TRUE.
pub(super) fn case(
    branches: &[(Node, Node)],
    otherwise: Option<&Node>,
    ty: &SqlType,
    input: &EvalInput<'_>,
    rows: usize,
) -> Partial {
    let mut choices = vec![Choice::Open; rows];
    let mut errors = RowErrors::NONE;
    let mut values: Vec<Option<Partial>> = Vec::with_capacity(branches.len() + 1);
    let mut open = rows;
    for (number, (condition, value)) in branches.iter().enumerate() {
        values.push(None);
        if open == 0 {
            break;
        }
        let tested = condition.evaluate(input, rows);
        let truth = tested.array.as_boolean();
        let mut failed = tested.errors_of(rows);
        failed.retain(|row| choices[row] == Choice::Open);
        for error in failed.as_slice() {
            choices[error.row as usize] = Choice::Failed;
        }
        open -= failed.as_slice().len();
        errors = errors.merge(failed);
        let mut taken = 0;
        for (row, choice) in choices.iter_mut().enumerate() {
            let index = tested.index(row);
            if *choice == Choice::Open && truth.is_valid(index) && truth.value(index) {
                *choice = Choice::Part(number);
                taken += 1;
            }
        }
        open -= taken;
        if taken > 0 {
            values[number] = Some(value.evaluate(input, rows));
        }
    }
    if let Some(value) = otherwise
        && open > 0
    {
        let number = values.len();
        values.push(Some(value.evaluate(input, rows)));
        for choice in &mut choices {
            if *choice == Choice::Open {
                *choice = Choice::Part(number);
            }
        }
    }
    gather(&choices, &values, errors, ty)
}

/// The first value that is not NULL.
pub(super) fn coalesce(
    parts: &[Node],
    ty: &SqlType,
    input: &EvalInput<'_>,
    rows: usize,
) -> Partial {
    let mut choices = vec![Choice::Open; rows];
    let mut values: Vec<Option<Partial>> = Vec::with_capacity(parts.len());
    let mut open = rows;
    for (number, part) in parts.iter().enumerate() {
        if open == 0 {
            break;
        }
        let found = part.evaluate(input, rows);
        let nulls = found.array.logical_nulls();
        let failed = found.errors_of(rows);
        for (row, choice) in choices.iter_mut().enumerate() {
            if *choice != Choice::Open {
                continue;
            }
            let absent = nulls.as_ref().is_some_and(|nulls| nulls.is_null(found.index(row)));
            // A failed row is decided by its failure.
            if !absent || failed.of_row(row).is_some() {
                *choice = Choice::Part(number);
                open -= 1;
            }
        }
        values.push(Some(found));
    }
    gather(&choices, &values, RowErrors::NONE, ty)
}
