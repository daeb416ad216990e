//! Truth values and NULL.

use super::kernel::{Argument, CallInput};
use super::registry::{Family, Function, RuleInput};
use super::typing::Ruled;
use crate::expr::Evaluated;
use crate::types::SqlType;
use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray};
use arrow_buffer::BooleanBuffer;
use std::sync::Arc;

pub(super) const TABLE: &[Function] = &[
    Function::new(
        Family::Logic,
        "NOT",
        &["NOT BOOLEAN"],
        "FALSE for TRUE, TRUE for FALSE, NULL for NULL.",
        one_boolean_rule,
        not,
    ),
    Function::new(
        Family::Logic,
        "IS NULL",
        &["ANY IS NULL"],
        "Whether the value is absent.",
        any_rule,
        |input| Evaluated::ok(Arc::new(nulls(&input.args[0]))),
    ),
    Function::new(
        Family::Logic,
        "IS NOT NULL",
        &["ANY IS NOT NULL"],
        "Whether there is a value.",
        any_rule,
        |input| negated(&nulls(&input.args[0])),
    ),
    Function::new(
        Family::Logic,
        "IS TRUE",
        &["BOOLEAN IS TRUE"],
        "Whether the value is TRUE.",
        test_rule,
        |input| Evaluated::ok(Arc::new(is(input, true))),
    ),
    Function::new(
        Family::Logic,
        "IS NOT TRUE",
        &["BOOLEAN IS NOT TRUE"],
        "Whether the value is FALSE or NULL.",
        test_rule,
        |input| negated(&is(input, true)),
    ),
    Function::new(
        Family::Logic,
        "IS FALSE",
        &["BOOLEAN IS FALSE"],
        "Whether the value is FALSE.",
        test_rule,
        |input| Evaluated::ok(Arc::new(is(input, false))),
    ),
    Function::new(
        Family::Logic,
        "IS NOT FALSE",
        &["BOOLEAN IS NOT FALSE"],
        "Whether the value is TRUE or NULL.",
        test_rule,
        |input| negated(&is(input, false)),
    ),
    Function::new(
        Family::Logic,
        "IS UNKNOWN",
        &["BOOLEAN IS UNKNOWN"],
        "Whether the truth value is NULL.",
        test_rule,
        |input| Evaluated::ok(Arc::new(nulls(&input.args[0]))),
    ),
    Function::new(
        Family::Logic,
        "IS NOT UNKNOWN",
        &["BOOLEAN IS NOT UNKNOWN"],
        "Whether the truth value is TRUE or FALSE.",
        test_rule,
        |input| negated(&nulls(&input.args[0])),
    ),
];

fn boolean(input: &RuleInput<'_>, index: usize) -> Result<SqlType, String> {
    match input.sql(index) {
        SqlType::Boolean | SqlType::Null => Ok(SqlType::Boolean),
        _ => Err(input.wrong(index, "a BOOLEAN")),
    }
}

fn one_boolean_rule(input: &RuleInput<'_>) -> Ruled {
    input.count(1, 1)?;
    Ok(input.typed(vec![boolean(input, 0)?], SqlType::Boolean))
}

fn test_rule(input: &RuleInput<'_>) -> Ruled {
    let mut typed = one_boolean_rule(input)?;
    typed.result.nullable = false;
    Ok(typed)
}

fn any_rule(input: &RuleInput<'_>) -> Ruled {
    input.count(1, 1)?;
    let mut typed = input.typed(vec![input.sql(0).clone()], SqlType::Boolean);
    typed.result.nullable = false;
    Ok(typed)
}

fn not(input: &CallInput<'_>) -> Evaluated {
    let values = input.args[0].array.as_boolean();
    Evaluated::ok(Arc::new(BooleanArray::new(!values.values(), values.nulls().cloned())))
}

fn negated(values: &BooleanArray) -> Evaluated {
    Evaluated::ok(Arc::new(BooleanArray::new(!values.values(), None)))
}

fn nulls(arg: &Argument) -> BooleanArray {
    let values = match arg.array.logical_nulls() {
        Some(nulls) => !nulls.inner(),
        None => BooleanBuffer::new_unset(arg.array.len()),
    };
    BooleanArray::new(values, None)
}

/// Whether each value is there and is `wanted`.
fn is(input: &CallInput<'_>, wanted: bool) -> BooleanArray {
    let values = input.args[0].array.as_boolean();
    let same = if wanted { values.values().clone() } else { !values.values() };
    let found = match values.nulls() {
        Some(nulls) => &same & nulls.inner(),
        None => same,
    };
    BooleanArray::new(found, None)
}
