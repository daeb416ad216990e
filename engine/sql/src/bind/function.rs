//! Calls of functions, also those with a grammar of their own.

use super::literal::unit_name;
use super::{Binder, Bound, Reported, Scope};
use crate::codes;
use crate::typing::coerce;
use anabranch_engine::diagnostic::Span;
use anabranch_engine::expr::{ContextValue, Expr, ExprKind};
use anabranch_engine::function::{ResolveError, resolve_call};
use anabranch_engine::types::{DataType, SqlType, Value};
use sqlparser::ast::{
    self, CeilFloorKind, Expr as Ast, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, TrimWhereField,
};

/// A value that the epoch or the split decides.
enum OfTime {
    /// The epoch's instant, as this type.
    Instant(SqlType),
    /// The seconds of the epoch's instant.
    Seconds,
    /// The watermark of a time column.
    Watermark,
}

/// What a function reads of the epoch's clock, or of a watermark.
fn of_time(name: &str, args: usize) -> Option<OfTime> {
    Some(match (name, args) {
        ("NOW" | "CURRENT_TIMESTAMP" | "PROCTIME" | "CURRENT_ROW_TIMESTAMP", 0) => {
            OfTime::Instant(SqlType::TimestampLtz(3))
        }
        ("LOCALTIMESTAMP", 0) => OfTime::Instant(SqlType::Timestamp(3)),
        ("CURRENT_DATE", 0) => OfTime::Instant(SqlType::Date),
        ("CURRENT_TIME" | "LOCALTIME", 0) => OfTime::Instant(SqlType::Time(0)),
        ("UNIX_TIMESTAMP", 0) => OfTime::Seconds,
        ("CURRENT_WATERMARK", 1) => OfTime::Watermark,
        _ => return None,
    })
}

/// Functions that make rows of windows; they stand in FROM or in GROUP BY.
pub(crate) const WINDOW_FUNCTIONS: [&str; 4] = ["CUMULATE", "HOP", "SESSION", "TUMBLE"];

impl Binder<'_> {
    /// A function or operator of the registry; arguments get the types it asks for.
    pub(super) fn call(&mut self, name: &str, args: Vec<Expr>, span: Span) -> Bound<Expr> {
        let types: Vec<DataType> = args.iter().map(|arg| arg.ty.clone()).collect();
        match resolve_call(name, &args) {
            Ok(resolution) => {
                let args = args
                    .into_iter()
                    .zip(&resolution.arg_types)
                    .map(|(arg, ty)| coerce(arg, &ty.sql))
                    .collect();
                let kind = ExprKind::Call { function: resolution.function, args };
                Ok(Expr { kind, ty: resolution.result, span })
            }
            Err(error) => Err(self.unresolved(name, &types, error, span)),
        }
    }

    fn unresolved(
        &mut self,
        name: &str,
        types: &[DataType],
        error: ResolveError,
        span: Span,
    ) -> Reported {
        let given: Vec<String> = types.iter().map(|ty| ty.sql.to_string()).collect();
        match error {
            ResolveError::UnknownFunction { nearest } => {
                let message = format!("unknown function {name}");
                let help = match nearest.as_slice() {
                    [] => "SHOW FUNCTIONS lists all functions".to_owned(),
                    near => format!("did you mean {}?", near.join(" or ")),
                };
                self.error_help(codes::UNKNOWN_FUNCTION, span, message, help)
            }
            ResolveError::WrongArguments { signatures, detail } => {
                let message = match types {
                    [left, right] if !name.starts_with(char::is_alphabetic) => {
                        format!("`{name}` does not take {} and {}", left.sql, right.sql)
                    }
                    _ => format!("{name} does not take ({})", given.join(", ")),
                };
                let message =
                    if detail.is_empty() { message } else { format!("{message}: {detail}") };
                let help = match signatures.as_slice() {
                    [] => "convert an argument with CAST".to_owned(),
                    known => format!("it takes {}", known.join(" or ")),
                };
                self.error_help(codes::WRONG_ARGUMENTS, span, message, help)
            }
        }
    }

    /// `name(arguments)`.
    pub(super) fn function(
        &mut self,
        scope: &mut Scope,
        function: &Function,
        span: Span,
    ) -> Bound<Expr> {
        let name = self.function_name(function)?;
        if super::aggregate::is_aggregate(&name) {
            return self.aggregate(scope, function, &name, span);
        }
        if let Some(window_column) = self.auxiliary(scope, function, &name, span)? {
            return Ok(window_column);
        }
        if WINDOW_FUNCTIONS.contains(&name.as_str()) {
            let message = format!("the window function {name} inside an expression");
            let help = format!("write FROM TABLE({name}(TABLE t, DESCRIPTOR(ts), …))");
            return Err(self.error_help(codes::WINDOW_ARGUMENTS, span, message, help));
        }
        if let Some(filter) = &function.filter {
            let message = format!("FILTER on {name}, which is no aggregate");
            return Err(self.error(codes::UNSUPPORTED, self.span(filter), message));
        }
        if name == "JSON_VALUE" {
            return self.json_value(scope, function, span);
        }
        let args = self.plain_args(function, &name, span)?;
        if let Some(value) = self.context(scope, &name, &args, span)? {
            return Ok(value);
        }
        match name.as_str() {
            "TIMESTAMPADD" | "TIMESTAMPDIFF" => self.with_unit(scope, &name, &args, span),
            "IF" | "IIF" | "NULLIF" | "IFNULL" | "COALESCE" => {
                self.conditional(scope, &name, &args, span)
            }
            "REGEXP_EXTRACT" | "REGEXP_REPLACE" => {
                let args = self.exprs(scope, &args)?;
                self.check_regex(args.get(1))?;
                self.call(&name, args, span)
            }
            _ => {
                let args = self.exprs(scope, &args)?;
                self.call(&name, args, span)
            }
        }
    }

    /// The name in capitals, after refusing what this version does not have.
    pub(super) fn function_name(&mut self, function: &Function) -> Bound<String> {
        let Function {
            name,
            uses_odbc_syntax,
            parameters,
            args: _,
            filter: _,
            null_treatment,
            over,
            within_group,
        } = function;
        let ident = self.single(name)?;
        let span = self.ident_span(ident);
        let name = ident.value.to_ascii_uppercase();
        let mut refuse = |code, what: &str, help: &str| {
            let message = format!("{what} ({name})");
            Err(self.error_help(code, span, message, help))
        };
        if over.is_some() {
            return refuse(
                codes::OVER,
                "OVER is not supported",
                "aggregate over TUMBLE, HOP or SESSION windows instead",
            );
        }
        if !within_group.is_empty() {
            return refuse(codes::UNSUPPORTED, "WITHIN GROUP is not supported", "leave it out");
        }
        if null_treatment.is_some() {
            return refuse(
                codes::UNSUPPORTED,
                "IGNORE and RESPECT NULLS are not supported",
                "leave it out",
            );
        }
        if *uses_odbc_syntax || !matches!(parameters, FunctionArguments::None) {
            return refuse(
                codes::UNSUPPORTED,
                "this form of call is not supported",
                "write NAME(arguments)",
            );
        }
        Ok(name)
    }

    /// The arguments of an ordinary function.
    pub(super) fn plain_args<'f>(
        &mut self,
        function: &'f Function,
        name: &str,
        span: Span,
    ) -> Bound<Vec<&'f Ast>> {
        let list = match &function.args {
            FunctionArguments::None => return Ok(Vec::new()),
            FunctionArguments::Subquery(_) => {
                let message = format!("a sub-query as the argument of {name}");
                let help = "sub-queries stand in FROM only";
                return Err(self.error_help(codes::SUBQUERY, span, message, help));
            }
            FunctionArguments::List(list) => list,
        };
        let FunctionArgumentList { duplicate_treatment, args, clauses } = list;
        if duplicate_treatment.is_some() || !clauses.is_empty() {
            let message = format!("{name} takes plain arguments only");
            let help = "leave DISTINCT, ORDER BY and the like out";
            return Err(self.error_help(codes::UNSUPPORTED, span, message, help));
        }
        let mut plain = Vec::new();
        for arg in args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => plain.push(expr),
                _ => {
                    let message = format!("{name} takes expressions, without names or `*`");
                    return Err(self.error(codes::WRONG_ARGUMENTS, span, message));
                }
            }
        }
        Ok(plain)
    }

    /// Several expressions; the errors of all are reported.
    pub(super) fn exprs(&mut self, scope: &mut Scope, args: &[&Ast]) -> Bound<Vec<Expr>> {
        let bound: Vec<Bound<Expr>> = args.iter().map(|arg| self.expr(scope, arg)).collect();
        bound.into_iter().collect()
    }

    /// Values that the epoch or the split decides.
    // spec: T-6
    fn context(
        &mut self,
        scope: &mut Scope,
        name: &str,
        args: &[&Ast],
        span: Span,
    ) -> Bound<Option<Expr>> {
        let Some(value) = of_time(name, args.len()) else { return Ok(None) };
        if self.in_assert() {
            return Err(self.timeless(name, span));
        }
        let bound = match value {
            OfTime::Instant(ty) => Ok(coerce(tick(span), &ty)),
            OfTime::Seconds => self.now_in_seconds(span),
            OfTime::Watermark => self.current_watermark(scope, args, span),
        };
        bound.map(Some)
    }

    /// `UNIX_TIMESTAMP()`: the local time as a text, read back as seconds.
    fn now_in_seconds(&mut self, span: Span) -> Bound<Expr> {
        let local = coerce(tick(span), &SqlType::Timestamp(0));
        self.call("UNIX_TIMESTAMP", vec![coerce(local, &SqlType::STRING)], span)
    }

    fn current_watermark(&mut self, scope: &mut Scope, args: &[&Ast], span: Span) -> Bound<Expr> {
        let Some(arg) = args.first() else { return Err(Reported) };
        let column = self.expr(scope, arg)?;
        let rowtime = match column.kind {
            ExprKind::Column(index) => scope.time == Some(index),
            _ => false,
        };
        if !rowtime {
            let message = "CURRENT_WATERMARK of something that is no event time";
            let help = "name the column that the table's WATERMARK is for";
            return Err(self.error_help(codes::NO_TIME_ATTRIBUTE, span, message, help));
        }
        let ty = column.ty.sql.nullable();
        Ok(Expr { kind: ExprKind::Context(ContextValue::CurrentWatermark), ty, span })
    }

    /// TIMESTAMPADD and TIMESTAMPDIFF: the unit becomes a text.
    fn with_unit(
        &mut self,
        scope: &mut Scope,
        name: &str,
        args: &[&Ast],
        span: Span,
    ) -> Bound<Expr> {
        let (Some(unit), Some(rest)) = (args.first(), args.get(1..)) else {
            let message = format!("{name} without arguments");
            let help = format!("write {name}(DAY, …, …)");
            return Err(self.error_help(codes::WRONG_ARGUMENTS, span, message, help));
        };
        let Ast::Identifier(ident) = unit else {
            let message = format!("the first argument of {name} is a unit");
            let help = "write SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER or YEAR";
            return Err(self.error_help(codes::WRONG_ARGUMENTS, self.span(unit), message, help));
        };
        let word = ident.value.to_ascii_uppercase();
        let word = word.strip_prefix("SQL_TSI_").unwrap_or(&word);
        let unit = text_literal(word, self.ident_span(ident));
        let mut bound = self.exprs(scope, rest)?;
        bound.insert(0, unit);
        self.call(name, bound, span)
    }

    /// IF, NULLIF, IFNULL and COALESCE, which do not evaluate all their arguments.
    fn conditional(
        &mut self,
        scope: &mut Scope,
        name: &str,
        args: &[&Ast],
        span: Span,
    ) -> Bound<Expr> {
        let mut args = self.exprs(scope, args)?.into_iter();
        let parts = (args.next(), args.next(), args.next(), args.next());
        match (name, parts) {
            ("IF" | "IIF", (Some(test), Some(yes), Some(no), None)) => {
                let place = test.span;
                let test = self.boolean(test, place, "IF")?;
                // Unlike that of CASE, the result can be NULL where the condition can.
                let nullable = test.ty.nullable;
                let mut chosen = self.case_of(vec![(test, yes)], Some(no), span)?;
                chosen.ty.nullable |= nullable;
                Ok(chosen)
            }
            ("NULLIF", (Some(value), Some(other), None, None)) => {
                self.check_copies(&value, 2, span)?;
                let null = Expr::literal(Value::Null, SqlType::Null.nullable());
                let test = self.call("=", vec![value.clone(), other], span)?;
                self.case_of(vec![(test, null)], Some(value), span)
            }
            ("IFNULL", (Some(value), Some(other), None, None)) => {
                self.coalesce(vec![value, other], span)
            }
            ("COALESCE", (Some(first), second, third, fourth)) => {
                let head = [Some(first), second, third, fourth].into_iter().flatten();
                self.coalesce(head.chain(args).collect(), span)
            }
            _ => {
                let message = format!("wrong number of arguments of {name}");
                let help = match name {
                    "NULLIF" | "IFNULL" => format!("it takes {name}(value, value)"),
                    "COALESCE" => "it takes COALESCE(value, …)".to_owned(),
                    _ => "it takes IF(condition, value, value)".to_owned(),
                };
                Err(self.error_help(codes::WRONG_ARGUMENTS, span, message, help))
            }
        }
    }

    fn coalesce(&mut self, values: Vec<Expr>, span: Span) -> Bound<Expr> {
        let parts: Vec<&Expr> = values.iter().collect();
        let mut ty = self.common(&parts, "the values of COALESCE", span)?;
        ty.nullable = values.iter().all(|value| value.ty.nullable);
        let values = values.into_iter().map(|value| coerce(value, &ty.sql)).collect();
        Ok(Expr { kind: ExprKind::Coalesce(values), ty, span })
    }

    /// Refuses what cannot be matched in linear time.
    fn check_regex(&mut self, pattern: Option<&Expr>) -> Bound<()> {
        let Some(Expr { kind: ExprKind::Literal(Value::Text(pattern)), span, .. }) = pattern else {
            return Ok(());
        };
        let around = ["(?=", "(?!", "(?<=", "(?<!", "(?>"];
        let back = (1..=9).map(|n| format!("\\{n}"));
        let found = around
            .into_iter()
            .map(str::to_owned)
            .chain(back)
            .find(|p| pattern.contains(p.as_str()));
        match found {
            None => Ok(()),
            Some(part) => {
                let message = format!("`{part}` in a regular expression");
                let help =
                    "look-around and back-references are not supported: capture a group instead";
                Err(self.error_help(codes::REGEX, *span, message, help))
            }
        }
    }

    /// Functions with words between their arguments.
    pub(super) fn special(&mut self, scope: &mut Scope, ast: &Ast, span: Span) -> Bound<Expr> {
        match ast {
            Ast::Extract { field, syntax: _, expr } => {
                let value = self.expr(scope, expr)?;
                let unit = text_literal(&unit_name(field), span);
                self.call("EXTRACT", vec![unit, value], span)
            }
            Ast::Ceil { expr, field } => self.rounded(scope, "CEIL", expr, field, span),
            Ast::Floor { expr, field } => self.rounded(scope, "FLOOR", expr, field, span),
            Ast::Position { expr, r#in } => {
                let args = self.exprs(scope, &[expr, r#in])?;
                self.call("POSITION", args, span)
            }
            Ast::Substring { expr, substring_from, substring_for, special: _, shorthand: _ } => {
                let parts = [Some(expr), substring_from.as_ref(), substring_for.as_ref()];
                let parts: Vec<&Ast> = parts.into_iter().flatten().map(Box::as_ref).collect();
                let args = self.exprs(scope, &parts)?;
                self.call("SUBSTRING", args, span)
            }
            Ast::Trim { expr, trim_where, trim_what, trim_characters: None } => {
                let name = match trim_where {
                    None | Some(TrimWhereField::Both) => "TRIM",
                    Some(TrimWhereField::Leading) => "LTRIM",
                    Some(TrimWhereField::Trailing) => "RTRIM",
                };
                let parts = [Some(expr), trim_what.as_ref()];
                let parts: Vec<&Ast> = parts.into_iter().flatten().map(Box::as_ref).collect();
                let args = self.exprs(scope, &parts)?;
                self.call(name, args, span)
            }
            other => {
                let text: String = other.to_string().chars().take(60).collect();
                let message = format!("the expression `{text}` is not supported");
                Err(self.error(codes::UNSUPPORTED, span, message))
            }
        }
    }

    /// `FLOOR(x)` and `FLOOR(x TO unit)`.
    fn rounded(
        &mut self,
        scope: &mut Scope,
        name: &str,
        expr: &Ast,
        field: &CeilFloorKind,
        span: Span,
    ) -> Bound<Expr> {
        let value = self.expr(scope, expr)?;
        match field {
            CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) => {
                self.call(name, vec![value], span)
            }
            CeilFloorKind::DateTimeField(field) => {
                let unit = text_literal(&unit_name(field), span);
                self.call(name, vec![value, unit], span)
            }
            CeilFloorKind::Scale(_) => {
                let message = format!("{name} with a number of digits is not supported");
                let help = "use ROUND or TRUNCATE";
                Err(self.error_help(codes::UNSUPPORTED, span, message, help))
            }
        }
    }
}

/// The epoch's clock reading.
fn tick(span: Span) -> Expr {
    let ty = SqlType::TimestampLtz(3).not_null();
    Expr { kind: ExprKind::Context(ContextValue::Tick), ty, span }
}

/// A text constant.
fn text_literal(text: &str, span: Span) -> Expr {
    let ty = SqlType::Char(text.chars().count() as u32).not_null();
    Expr::literal(Value::Text(text.to_owned()), ty).at(span)
}
