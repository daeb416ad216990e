//! Calls of aggregates.

use super::group::{AGGREGATE_BASE, Group, Pending};
use super::{Binder, Bound, Scope};
use crate::codes;
use crate::typing::coerce;
use anabranch_engine::diagnostic::Span;
use anabranch_engine::expr::{Expr, ExprKind};
use anabranch_engine::types::{DECIMAL_PRECISION_MAX, DataType, SqlType};
use sqlparser::ast::{
    DuplicateTreatment, Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments,
};

/// The aggregates of this version.
pub(crate) const AGGREGATES: [&str; 7] =
    ["AVG", "COUNT", "FIRST_VALUE", "LAST_VALUE", "MAX", "MIN", "SUM"];

/// Flink's other aggregates, refused by name.
const LATER: [&str; 16] = [
    "APPROX_COUNT_DISTINCT",
    "ARRAY_AGG",
    "COLLECT",
    "CUME_DIST",
    "DENSE_RANK",
    "JSON_ARRAYAGG",
    "JSON_OBJECTAGG",
    "LISTAGG",
    "PERCENTILE",
    "RANK",
    "ROW_NUMBER",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "VARIANCE",
    "VAR_POP",
    "VAR_SAMP",
];

/// Whether the name (in capitals) is an aggregate's, supported or not.
pub(super) fn is_aggregate(name: &str) -> bool {
    AGGREGATES.contains(&name) || LATER.contains(&name)
}

impl Binder<'_> {
    /// An aggregate of the groups: its arguments are bound over the rows, and it
    /// stands for a column of the aggregation.
    pub(super) fn aggregate(
        &mut self,
        scope: &mut Scope,
        function: &Function,
        name: &str,
        span: Span,
    ) -> Bound<Expr> {
        let Some(known) = AGGREGATES.iter().find(|known| **known == name) else {
            let message = format!("the aggregate {name} is not supported");
            let help = format!("aggregates are {}", AGGREGATES.join(", "));
            return Err(self.error_help(codes::UNSUPPORTED, span, message, help));
        };
        if self.in_assert() && name.ends_with("_VALUE") {
            let message = format!("{name} in an assert: a sink does not keep the order of events");
            let help = "use MIN or MAX";
            return Err(self.error_help(codes::ASSERT, span, message, help));
        }
        let Some(mut group) = scope.group.take() else {
            if matches!(scope.clause, "SELECT" | "HAVING") {
                return Err(self.unwindowed(span));
            }
            let message = format!("the aggregate {name} in {}", scope.clause);
            let help = match scope.clause {
                "WHERE" => "put the condition into HAVING",
                _ => "aggregates stand in SELECT and HAVING of a query with GROUP BY",
            };
            return Err(self.error_help(codes::MISPLACED_AGGREGATE, span, message, help));
        };
        group.called = true;
        let clause = std::mem::replace(&mut scope.clause, "an aggregate");
        let pending = self.pending(scope, function, known, span);
        scope.clause = clause;
        let result = pending.map(|pending| group.add(pending).at(span));
        scope.group = Some(group);
        result
    }

    /// The call with its arguments and its type.
    fn pending(
        &mut self,
        scope: &mut Scope,
        function: &Function,
        name: &'static str,
        span: Span,
    ) -> Bound<Pending> {
        let text = function.to_string();
        let (args, distinct) = self.aggregate_args(function, name, span)?;
        let args = self.exprs(scope, &args)?;
        let filter = match &function.filter {
            Some(filter) => Some(self.condition(scope, filter)?),
            None => None,
        };
        let conditional = filter.is_some();
        let (args, ty) = self.aggregate_type(name, args, conditional, span)?;
        // The smallest and largest value are the same whether repeats count or not.
        let distinct = distinct && !matches!(name, "MIN" | "MAX");
        if distinct && !matches!(name, "AVG" | "COUNT" | "SUM") {
            let message = format!("{name}(DISTINCT …) is not supported");
            let help = "COUNT, SUM and AVG take DISTINCT";
            return Err(self.error_help(codes::UNSUPPORTED, span, message, help));
        }
        Ok(Pending { function: name, args, distinct, filter, ty, text, name: None })
    }

    /// The arguments, none for `COUNT(*)`, and whether DISTINCT stands before them.
    fn aggregate_args<'f>(
        &mut self,
        function: &'f Function,
        name: &str,
        span: Span,
    ) -> Bound<(Vec<&'f Ast>, bool)> {
        let FunctionArguments::List(list) = &function.args else {
            let message = format!("{name} without its arguments");
            return Err(self.error(codes::WRONG_ARGUMENTS, span, message));
        };
        let FunctionArgumentList { duplicate_treatment, args, clauses } = list;
        if !clauses.is_empty() {
            let message = format!("{name} takes its arguments without ORDER BY and the like");
            let help = "rows are in the order of their event time already";
            return Err(self.error_help(codes::UNSUPPORTED, span, message, help));
        }
        let distinct = matches!(duplicate_treatment, Some(DuplicateTreatment::Distinct));
        match args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)] if name == "COUNT" && !distinct => {
                Ok((Vec::new(), false))
            }
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => Ok((vec![expr], distinct)),
            _ => {
                let message = format!("{name} takes one argument");
                let help = if name == "COUNT" {
                    "write COUNT(*) or COUNT(x)"
                } else {
                    "write one expression"
                };
                Err(self.error_help(codes::WRONG_ARGUMENTS, span, message, help))
            }
        }
    }

    /// The type of the result by Flink's rules.
    fn aggregate_type(
        &mut self,
        name: &'static str,
        mut args: Vec<Expr>,
        conditional: bool,
        span: Span,
    ) -> Bound<(Vec<Expr>, DataType)> {
        let Some(arg) = args.pop() else {
            return Ok((Vec::new(), SqlType::BigInt.not_null()));
        };
        if name == "COUNT" {
            // A constant that is not NULL counts every row.
            let constant = matches!(arg.kind, ExprKind::Literal(_)) && !arg.ty.nullable;
            let args = if constant { Vec::new() } else { vec![arg] };
            return Ok((args, SqlType::BigInt.not_null()));
        }
        let arg = if arg.ty.sql == SqlType::Null { coerce(arg, &SqlType::Int) } else { arg };
        let sql = match (name, &arg.ty.sql) {
            ("SUM", SqlType::Decimal { scale, .. }) => {
                SqlType::Decimal { precision: DECIMAL_PRECISION_MAX, scale: *scale }
            }
            ("AVG", SqlType::Decimal { scale, .. }) => {
                SqlType::Decimal { precision: DECIMAL_PRECISION_MAX, scale: (*scale).max(6) }
            }
            ("SUM" | "AVG", sql) if sql.is_numeric() => sql.clone(),
            ("SUM" | "AVG", sql) => {
                let message = format!("{name} does not take {sql}");
                let help = "it takes numbers: CAST the value";
                return Err(self.error_help(codes::WRONG_ARGUMENTS, span, message, help));
            }
            ("MIN" | "MAX", sql @ (SqlType::Row(_) | SqlType::Array(_))) => {
                let message = format!("{name} does not take {sql}");
                let help = "it takes values that have an order";
                return Err(self.error_help(codes::WRONG_ARGUMENTS, span, message, help));
            }
            (_, sql) => sql.clone(),
        };
        let nullable = arg.ty.nullable || conditional;
        Ok((vec![arg], DataType { sql, nullable }))
    }
}

impl Group {
    /// Adds an aggregate, or finds the same one, and gives its column.
    fn add(&mut self, pending: Pending) -> Expr {
        let same = |known: &Pending| {
            known.function == pending.function
                && known.args == pending.args
                && known.distinct == pending.distinct
                && known.filter == pending.filter
        };
        let ty = pending.ty.clone();
        let index = match self.aggregates.iter().position(same) {
            Some(index) => index,
            None => {
                self.aggregates.push(pending);
                self.aggregates.len() - 1
            }
        };
        Expr::column(AGGREGATE_BASE + index, ty)
    }
}
