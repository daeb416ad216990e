//! Expressions.

use super::{Binder, Bound, Scope};
use crate::codes;
use crate::parse::type_from_text;
use crate::plan::depth;
use crate::typing::coerce;
use anabranch_engine::diagnostic::Span;
use anabranch_engine::expr::{CastMode, CompileError, CompiledExpr, Expr, ExprKind, is_castable};
use anabranch_engine::types::{DataType, SqlType};
use sqlparser::ast::{self, AccessExpr, CastKind, Expr as Ast, Subscript};

/// How deep an expression of the plan may nest: evaluation and printing recurse.
const DEPTH_MAX: usize = 128;

/// How deep binding may recurse: operators behind their operand nest without any
/// parenthesis that the parser counts.
const RECURSION_MAX: usize = 100;

impl Binder<'_> {
    /// An expression by itself, with its depth checked.
    pub(crate) fn expression(&mut self, scope: &mut Scope, ast: &Ast) -> Bound<Expr> {
        let expr = self.expr(scope, ast)?;
        if depth(&expr) > DEPTH_MAX {
            return Err(self.too_deep(self.span(ast)));
        }
        match CompiledExpr::compile(&expr) {
            Ok(_) => Ok(expr),
            Err(error) => Err(self.not_evaluable(&error, self.span(ast))),
        }
    }

    fn too_deep(&mut self, span: Span) -> super::Reported {
        let help = "split it with a sub-query or a view";
        self.error_help(codes::TOO_DEEP, span, "the expression is nested too deeply", help)
    }

    /// An expression that is well typed, but that the evaluator refuses.
    fn not_evaluable(&mut self, error: &CompileError, whole: Span) -> super::Reported {
        let (code, span) = match error {
            CompileError::UnknownFunction { function: _, span } => (codes::UNKNOWN_FUNCTION, span),
            CompileError::UnsupportedCast { from: _, to: _, span } => (codes::BAD_CAST, span),
            CompileError::InvalidArgument { function, detail: _, span } => {
                let regex = function.starts_with("REGEXP");
                (if regex { codes::REGEX } else { codes::WRONG_ARGUMENTS }, span)
            }
        };
        let span = if span.is_somewhere() { *span } else { whole };
        self.error(code, span, error.to_string())
    }

    /// An expression that must be BOOLEAN.
    pub(crate) fn condition(&mut self, scope: &mut Scope, ast: &Ast) -> Bound<Expr> {
        let expr = self.expression(scope, ast)?;
        self.boolean(expr, self.span(ast), scope.clause)
    }

    /// The expression as a condition.
    pub(crate) fn boolean(&mut self, expr: Expr, span: Span, clause: &str) -> Bound<Expr> {
        match expr.ty.sql {
            SqlType::Boolean => Ok(expr),
            SqlType::Null => Ok(coerce(expr, &SqlType::Boolean)),
            ref other => {
                let message = format!("{clause} needs a BOOLEAN, but this is {other}");
                let help = "compare the value with something";
                Err(self.error_help(codes::TYPE_MISMATCH, span, message, help))
            }
        }
    }

    /// Any expression.
    pub(crate) fn expr(&mut self, scope: &mut Scope, ast: &Ast) -> Bound<Expr> {
        if self.depth >= RECURSION_MAX {
            return Err(self.too_deep(self.place));
        }
        if let Some(key) = self.group_key(scope, ast) {
            return Ok(key);
        }
        let span = self.span(ast);
        self.depth += 1;
        let bound = self.expr_kind(scope, ast, span);
        self.depth -= 1;
        let bound = bound?;
        Ok(if bound.span.is_somewhere() { bound } else { bound.at(span) })
    }

    fn expr_kind(&mut self, scope: &mut Scope, ast: &Ast, span: Span) -> Bound<Expr> {
        match ast {
            Ast::Identifier(ident) => self.compound(scope, std::slice::from_ref(ident)),
            Ast::CompoundIdentifier(parts) => self.compound(scope, parts),
            Ast::CompoundFieldAccess { root, access_chain } => {
                self.access(scope, root, access_chain)
            }
            Ast::Nested(inner) => self.expr(scope, inner),
            Ast::Value(value) => self.value(&value.value, span),
            Ast::TypedString(text) => self.typed_text(text, span),
            Ast::Interval(interval) => self.interval(interval, span),
            Ast::UnaryOp { op, expr } => self.unary(scope, *op, expr, span),
            Ast::BinaryOp { .. } => self.binary(scope, ast, span),
            Ast::IsNull(_)
            | Ast::IsNotNull(_)
            | Ast::IsTrue(_)
            | Ast::IsNotTrue(_)
            | Ast::IsFalse(_)
            | Ast::IsNotFalse(_)
            | Ast::IsUnknown(_)
            | Ast::IsNotUnknown(_) => self.test(scope, ast, span),
            Ast::IsDistinctFrom(left, right) => self.distinct(scope, left, right, false, span),
            Ast::IsNotDistinctFrom(left, right) => self.distinct(scope, left, right, true, span),
            Ast::Between { expr, negated, low, high } => {
                self.between(scope, expr, low, high, *negated, span)
            }
            Ast::InList { expr, list, negated } => self.in_list(scope, expr, list, *negated, span),
            Ast::Like { negated, any: false, expr, pattern, escape_char } => {
                self.like(scope, (expr, pattern, escape_char.as_ref()), *negated, span)
            }
            Ast::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                self.case(scope, operand.as_deref(), conditions, else_result.as_deref(), span)
            }
            Ast::Cast { kind, expr, data_type, array: false, format: None } => {
                self.cast(scope, kind, expr, data_type, span)
            }
            Ast::Function(function) => self.function(scope, function, span),
            Ast::Extract { .. }
            | Ast::Ceil { .. }
            | Ast::Floor { .. }
            | Ast::Position { .. }
            | Ast::Substring { .. }
            | Ast::Trim { .. }
            | Ast::Overlay { .. } => self.special(scope, ast, span),
            Ast::Exists { .. } | Ast::InSubquery { .. } | Ast::Subquery(_) => {
                let message = "a sub-query inside an expression";
                let help = "sub-queries stand in FROM only; this one would be a join";
                Err(self.error_help(codes::SUBQUERY, span, message, help))
            }
            other => Err(self.unsupported_expression(other, span)),
        }
    }

    /// Whatever else the parser knows, refused by its own text.
    fn unsupported_expression(&mut self, ast: &Ast, span: Span) -> super::Reported {
        let help = match ast {
            Ast::SimilarTo { .. } | Ast::RLike { .. } => "use LIKE or REGEXP_EXTRACT",
            Ast::ILike { .. } => "use LOWER(x) LIKE 'pattern'",
            Ast::AtTimeZone { .. } => "use CAST and 'table.local-time-zone'",
            Ast::Cast { .. } | Ast::Convert { .. } => "write CAST(x AS type)",
            Ast::Tuple(_) => "compare the values one by one",
            Ast::Array(_) => "arrays come from the input only",
            _ => "leave it out or write it with supported functions",
        };
        let text: String = ast.to_string().chars().take(60).collect();
        let message = format!("the expression `{text}` is not supported");
        self.error_help(codes::UNSUPPORTED, span, message, help)
    }

    /// `root.field[1].field`.
    fn access(&mut self, scope: &mut Scope, root: &Ast, chain: &[AccessExpr]) -> Bound<Expr> {
        // A qualified column comes apart into its names at the front of the chain.
        let mut names = match root {
            Ast::Identifier(ident) => vec![ident.clone()],
            Ast::CompoundIdentifier(parts) => parts.clone(),
            _ => Vec::new(),
        };
        let mut rest = chain;
        while let (false, Some((AccessExpr::Dot(Ast::Identifier(name)), after))) =
            (names.is_empty(), rest.split_first())
        {
            names.push(name.clone());
            rest = after;
        }
        let mut expr = match names.is_empty() {
            true => self.expr(scope, root)?,
            false => self.compound(scope, &names)?,
        };
        for step in rest {
            expr = match step {
                AccessExpr::Dot(Ast::Identifier(name)) => self.field(expr, name)?,
                AccessExpr::Dot(other) => {
                    let message = "expected the name of a field after the dot";
                    return Err(self.error(codes::SYNTAX, self.span(other), message));
                }
                AccessExpr::Subscript(Subscript::Index { index }) => {
                    self.element(scope, expr, index)?
                }
                AccessExpr::Subscript(Subscript::Slice { .. }) => {
                    let message = "a slice of an array is not supported";
                    let help = "take one element: a[1]";
                    let span = expr.span;
                    return Err(self.error_help(codes::UNSUPPORTED, span, message, help));
                }
            };
        }
        Ok(expr)
    }

    /// `array[index]`.
    fn element(&mut self, scope: &mut Scope, array: Expr, index: &Ast) -> Bound<Expr> {
        let span = array.span.to(self.span(index));
        let SqlType::Array(element) = &array.ty.sql else {
            let message = format!("`[…]` on a value of type {}", array.ty.sql);
            let help = "only an ARRAY has elements";
            return Err(self.error_help(codes::WRONG_ARGUMENTS, span, message, help));
        };
        let ty = element.sql.clone().nullable();
        let index = self.expr(scope, index)?;
        if !index.ty.sql.is_integer() {
            let message = format!("an array's index is an INT, not {}", index.ty.sql);
            return Err(self.error(codes::WRONG_ARGUMENTS, index.span, message));
        }
        let index = coerce(index, &SqlType::Int);
        let kind = ExprKind::Element { array: Box::new(array), index: Box::new(index) };
        Ok(Expr { kind, ty, span })
    }

    /// `CAST(x AS type)` and `TRY_CAST`.
    fn cast(
        &mut self,
        scope: &mut Scope,
        kind: &CastKind,
        inner: &Ast,
        data_type: &ast::DataType,
        span: Span,
    ) -> Bound<Expr> {
        let mode = match kind {
            CastKind::Cast => CastMode::Strict,
            CastKind::TryCast => CastMode::Try,
            CastKind::SafeCast | CastKind::DoubleColon => {
                let help = "write CAST(x AS type)";
                let message = "`::` and SAFE_CAST are not supported";
                return Err(self.error_help(codes::UNSUPPORTED, span, message, help));
            }
        };
        let Some(DataType { sql: to, .. }) = type_from_text(&data_type.to_string()) else {
            return Err(self.error(codes::UNKNOWN_TYPE, span, "the type of a CAST"));
        };
        let input = self.expr(scope, inner)?;
        if !is_castable(&input.ty.sql, &to) {
            return Err(self.bad_cast(&input.ty.sql, &to, span));
        }
        if input.ty.sql == to && mode == CastMode::Strict {
            return Ok(input);
        }
        if matches!(input.ty.sql, SqlType::Null) {
            return Ok(coerce(input, &to));
        }
        Ok(crate::typing::cast(input, to, mode).at(span))
    }

    fn bad_cast(&mut self, from: &SqlType, to: &SqlType, span: Span) -> super::Reported {
        let message = format!("{from} cannot be cast to {to}");
        let help = if from.is_numeric() && to.is_timestamp() {
            "use TO_TIMESTAMP_LTZ(number, 3) for milliseconds, or 0 for seconds"
        } else if from.is_timestamp() && to.is_numeric() {
            "use UNIX_TIMESTAMP or EXTRACT"
        } else {
            "no conversion between the two types is defined"
        };
        self.error_help(codes::BAD_CAST, span, message, help)
    }
}
