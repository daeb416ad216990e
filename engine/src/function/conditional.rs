//! Choices among values that look at all of them. CASE and COALESCE, which do not,
//! are kinds of expression.

use super::kernel::{Argument, CallInput};
use super::registry::{Family, Function, RuleInput};
use super::typing::{Ruled, common_type};
use crate::expr::Evaluated;
use crate::types::SqlType;
use arrow_array::{Array, BooleanArray};
use arrow_ord::cmp;
use arrow_select::zip::zip;

pub(super) const TABLE: &[Function] = &[
    Function::new(
        Family::Conditional,
        "GREATEST",
        &["GREATEST(ANY, ...)"],
        "The greatest of the values; NULL if one is. NaN is the greatest number.",
        rule,
        |input| extreme(input, true),
    ),
    Function::new(
        Family::Conditional,
        "LEAST",
        &["LEAST(ANY, ...)"],
        "The least of the values; NULL if one is.",
        rule,
        |input| extreme(input, false),
    ),
];

fn rule(input: &RuleInput<'_>) -> Ruled {
    input.count(1, usize::MAX)?;
    let common = common_type(input.args).ok_or("the types do not compare with each other")?;
    if matches!(common.sql, SqlType::Row(_) | SqlType::Array(_)) {
        return Err(format!("{} has no order", common.sql));
    }
    Ok(input.typed(vec![common.sql.clone(); input.args.len()], common.sql))
}

fn extreme(input: &CallInput<'_>, greatest: bool) -> Evaluated {
    // Arrow's order of floats is total, as Java's compare: -0 below 0, NaN last.
    let mut best = std::sync::Arc::clone(&input.args[0].array);
    let mut constant = input.args[0].constant;
    for next in &input.args[1..] {
        let current = Argument { array: best, constant };
        let taken = if greatest { cmp::gt(next, &current) } else { cmp::lt(next, &current) };
        let taken = taken.expect("the arguments have one type with an order");
        // A NULL on either side makes the mask NULL, and then the result.
        let chosen = zip(&taken, next, &current).expect("the arguments have one type");
        best = match taken.nulls() {
            None => chosen,
            Some(nulls) => {
                let absent = BooleanArray::new(!nulls.inner(), None);
                arrow_select::nullif::nullif(&chosen, &absent)
                    .expect("the mask is as long as the values")
            }
        };
        constant &= next.constant;
    }
    Evaluated::ok(best)
}
