//! Small rewritings of expressions.

use anabranch_engine::expr::{ContextValue, Expr, ExprKind};
use std::collections::BTreeSet;

/// The expression with every column replaced by what `by` gives for it.
pub(crate) fn replace_columns(expr: &Expr, by: &mut dyn FnMut(usize, &Expr) -> Expr) -> Expr {
    let mut all = |parts: &[Expr]| -> Vec<Expr> {
        parts.iter().map(|part| replace_columns(part, by)).collect()
    };
    let kind = match &expr.kind {
        ExprKind::Column(index) => return by(*index, expr),
        ExprKind::Context(_) | ExprKind::Literal(_) => expr.kind.clone(),
        ExprKind::And(parts) => ExprKind::And(all(parts)),
        ExprKind::Or(parts) => ExprKind::Or(all(parts)),
        ExprKind::Coalesce(parts) => ExprKind::Coalesce(all(parts)),
        ExprKind::Call { function, args } => {
            ExprKind::Call { function: function.clone(), args: all(args) }
        }
        ExprKind::Case { branches, otherwise } => ExprKind::Case {
            branches: branches
                .iter()
                .map(|(condition, value)| {
                    (replace_columns(condition, by), replace_columns(value, by))
                })
                .collect(),
            otherwise: otherwise.as_ref().map(|value| Box::new(replace_columns(value, by))),
        },
        ExprKind::Cast { input, mode } => {
            ExprKind::Cast { input: Box::new(replace_columns(input, by)), mode: *mode }
        }
        ExprKind::Element { array, index } => ExprKind::Element {
            array: Box::new(replace_columns(array, by)),
            index: Box::new(replace_columns(index, by)),
        },
        ExprKind::Field { input, index } => {
            ExprKind::Field { input: Box::new(replace_columns(input, by)), index: *index }
        }
    };
    Expr { kind, ty: expr.ty.clone(), span: expr.span }
}

/// The columns that the expression reads.
pub(crate) fn columns_of(expr: &Expr) -> BTreeSet<usize> {
    let mut columns = BTreeSet::new();
    expr.for_each_column(&mut |index| {
        columns.insert(index);
    });
    columns
}

/// How many nodes the expression has.
pub(crate) fn size(expr: &Expr) -> usize {
    1 + expr.children().into_iter().map(size).sum::<usize>()
}

/// How deep the expression nests.
pub(crate) fn depth(expr: &Expr) -> usize {
    1 + expr.children().into_iter().map(depth).max().unwrap_or(0)
}

/// Whether the expression reads the epoch's clock.
pub(crate) fn uses_tick(expr: &Expr) -> bool {
    expr.kind == ExprKind::Context(ContextValue::Tick) || expr.children().into_iter().any(uses_tick)
}

/// The parts of a condition that must all hold.
pub(crate) fn conjuncts(expr: &Expr) -> Vec<Expr> {
    match &expr.kind {
        ExprKind::And(parts) => parts.iter().flat_map(conjuncts).collect(),
        _ => vec![expr.clone()],
    }
}
