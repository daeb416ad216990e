//! Operators, conditions and CASE.

use super::{Binder, Bound, Reported, Scope};
use crate::codes;
use crate::plan::size;
use crate::typing::coerce;
use anabranch_engine::diagnostic::Span;
use anabranch_engine::expr::{Expr, ExprKind};
use anabranch_engine::function::common_type;
use anabranch_engine::types::{DataType, SqlType, Value};
use sqlparser::ast::{BinaryOperator, CaseWhen, Expr as Ast, UnaryOperator, ValueWithSpan};

/// How large the copies of an expression may become that BETWEEN, IN, CASE and
/// NULLIF make.
const COPIES_MAX: usize = 5_000;

impl Binder<'_> {
    /// `-x`, `+x`, `NOT x`.
    pub(super) fn unary(
        &mut self,
        scope: &mut Scope,
        op: UnaryOperator,
        inner: &Ast,
        span: Span,
    ) -> Bound<Expr> {
        match op {
            UnaryOperator::Plus => {
                let expr = self.expr(scope, inner)?;
                if expr.ty.sql.is_numeric() {
                    return Ok(expr);
                }
                let message = format!("`+` does not take {}", expr.ty.sql);
                Err(self.error(codes::WRONG_ARGUMENTS, span, message))
            }
            UnaryOperator::Minus => {
                if let Ast::Value(value) = inner
                    && let Some(expr) = self.negative_number(&value.value, span)?
                {
                    return Ok(expr);
                }
                let expr = self.expr(scope, inner)?;
                self.call("NEGATE", vec![expr], span)
            }
            UnaryOperator::Not => {
                let expr = self.expr(scope, inner)?;
                let expr = self.boolean(expr, span, "NOT")?;
                self.call("NOT", vec![expr], span)
            }
            other => {
                let message = format!("the operator `{other}` is not supported");
                Err(self.error(codes::UNSUPPORTED, span, message))
            }
        }
    }

    /// `a op b op c …`: the chain to the left is walked in a loop, because it can be
    /// as long as the statement.
    pub(super) fn binary(&mut self, scope: &mut Scope, ast: &Ast, span: Span) -> Bound<Expr> {
        let mut chain = Vec::new();
        let mut leftmost = ast;
        while let Ast::BinaryOp { left, op, right } = leftmost {
            // A part of the chain may itself be a key of the groups.
            if !chain.is_empty()
                && let Some(key) = self.group_key(scope, leftmost)
            {
                return self.fold_chain(scope, Ok(key), chain, span);
            }
            chain.push((op, right.as_ref()));
            leftmost = left;
        }
        let first = self.expr(scope, leftmost);
        self.fold_chain(scope, first, chain, span)
    }

    /// Puts a chain of operators together from the left. Errors on both sides of an
    /// operator are found.
    fn fold_chain(
        &mut self,
        scope: &mut Scope,
        first: Bound<Expr>,
        mut chain: Vec<(&BinaryOperator, &Ast)>,
        span: Span,
    ) -> Bound<Expr> {
        let mut result = first;
        while let Some((op, right)) = chain.pop() {
            let right = self.expr(scope, right);
            result = match (result, right) {
                (Ok(left), Ok(right)) => {
                    let part = left.span.to(right.span);
                    let part = if part.is_somewhere() { part } else { span };
                    self.binary_of(op, left, right, part)
                }
                _ => Err(Reported),
            };
        }
        result
    }

    fn binary_of(
        &mut self,
        op: &BinaryOperator,
        left: Expr,
        right: Expr,
        span: Span,
    ) -> Bound<Expr> {
        let name = match op {
            BinaryOperator::And => return self.junction(true, left, right, span),
            BinaryOperator::Or => return self.junction(false, left, right, span),
            BinaryOperator::Plus => "+",
            BinaryOperator::Minus => "-",
            BinaryOperator::Multiply => "*",
            BinaryOperator::Divide => "/",
            BinaryOperator::Modulo => "%",
            BinaryOperator::StringConcat => "||",
            BinaryOperator::Eq => "=",
            BinaryOperator::NotEq => "<>",
            BinaryOperator::Lt => "<",
            BinaryOperator::LtEq => "<=",
            BinaryOperator::Gt => ">",
            BinaryOperator::GtEq => ">=",
            other => {
                let message = format!("the operator `{other}` is not supported");
                let help = "operators are + - * / % || = <> < <= > >= AND OR NOT";
                return Err(self.error_help(codes::UNSUPPORTED, span, message, help));
            }
        };
        self.call(name, vec![left, right], span)
    }

    /// AND and OR, flat.
    fn junction(&mut self, and: bool, left: Expr, right: Expr, span: Span) -> Bound<Expr> {
        let word = if and { "AND" } else { "OR" };
        let left_span = left.span;
        let right_span = right.span;
        let left = self.boolean(left, left_span, word)?;
        let right = self.boolean(right, right_span, word)?;
        Ok(join(and, vec![left, right]).at(span))
    }

    /// IS NULL, IS TRUE and their kind.
    pub(super) fn test(&mut self, scope: &mut Scope, ast: &Ast, span: Span) -> Bound<Expr> {
        let (inner, name) = match ast {
            Ast::IsNull(inner) => (inner, "IS NULL"),
            Ast::IsNotNull(inner) => (inner, "IS NOT NULL"),
            Ast::IsTrue(inner) => (inner, "IS TRUE"),
            Ast::IsNotTrue(inner) => (inner, "IS NOT TRUE"),
            Ast::IsFalse(inner) => (inner, "IS FALSE"),
            Ast::IsNotFalse(inner) => (inner, "IS NOT FALSE"),
            Ast::IsUnknown(inner) => (inner, "IS UNKNOWN"),
            Ast::IsNotUnknown(inner) => (inner, "IS NOT UNKNOWN"),
            _ => return Err(self.error(codes::UNSUPPORTED, span, "this test")),
        };
        let mut expr = self.expr(scope, inner)?;
        if !name.ends_with("NULL") {
            let place = expr.span;
            expr = self.boolean(expr, place, name)?;
        }
        self.call(name, vec![expr], span)
    }

    /// `a IS [NOT] DISTINCT FROM b`.
    pub(super) fn distinct(
        &mut self,
        scope: &mut Scope,
        left: &Ast,
        right: &Ast,
        negated: bool,
        span: Span,
    ) -> Bound<Expr> {
        let left = self.expr(scope, left);
        let right = self.expr(scope, right)?;
        let test = self.call("IS DISTINCT FROM", vec![left?, right], span)?;
        if negated { self.call("NOT", vec![test], span) } else { Ok(test) }
    }

    /// `x BETWEEN a AND b`: two comparisons.
    pub(super) fn between(
        &mut self,
        scope: &mut Scope,
        value: &Ast,
        low: &Ast,
        high: &Ast,
        negated: bool,
        span: Span,
    ) -> Bound<Expr> {
        let value = self.expr(scope, value);
        let low = self.expr(scope, low);
        let high = self.expr(scope, high)?;
        let (value, low) = (value?, low?);
        self.check_copies(&value, 2, span)?;
        let (first, second) = if negated { ("<", ">") } else { (">=", "<=") };
        let left = self.call(first, vec![value.clone(), low], span)?;
        let right = self.call(second, vec![value, high], span)?;
        Ok(join(!negated, vec![left, right]).at(span))
    }

    /// `x IN (a, b, …)`: an OR of comparisons.
    pub(super) fn in_list(
        &mut self,
        scope: &mut Scope,
        value: &Ast,
        list: &[Ast],
        negated: bool,
        span: Span,
    ) -> Bound<Expr> {
        let value = self.expr(scope, value);
        let items: Vec<Bound<Expr>> = list.iter().map(|item| self.expr(scope, item)).collect();
        let items: Vec<Expr> = items.into_iter().collect::<Bound<_>>()?;
        let value = value?;
        self.check_copies(&value, items.len(), span)?;
        // One type for the whole list, so that `x IN (1, 2.5)` compares decimals.
        let types = std::iter::once(&value.ty).chain(items.iter().map(|item| &item.ty));
        let types: Vec<DataType> = types.cloned().collect();
        let common = common_type(&types);
        let mut tests = Vec::new();
        for item in items {
            let place = item.span;
            let (left, right) = match &common {
                Some(ty) => (coerce(value.clone(), &ty.sql), coerce(item, &ty.sql)),
                None => (value.clone(), item),
            };
            tests.push(self.call("=", vec![left, right], place)?);
        }
        let any = join(false, tests).at(span);
        if negated { self.call("NOT", vec![any], span) } else { Ok(any) }
    }

    /// `x LIKE pattern [ESCAPE 'c']`.
    pub(super) fn like(
        &mut self,
        scope: &mut Scope,
        (value, pattern, escape): (&Ast, &Ast, Option<&ValueWithSpan>),
        negated: bool,
        span: Span,
    ) -> Bound<Expr> {
        let value = self.expr(scope, value);
        let pattern = self.expr(scope, pattern)?;
        let mut args = vec![value?, pattern];
        if let Some(escape) = escape {
            let place = self.place_of(self.index.span(escape.span));
            let escape = self.value(&escape.value, place)?;
            let one =
                matches!(&escape.kind, ExprKind::Literal(Value::Text(t)) if t.chars().count() == 1);
            if !one {
                let message = "ESCAPE takes one character in quotes";
                return Err(self.error(codes::BAD_LITERAL, place, message));
            }
            args.push(escape);
        }
        let like = self.call("LIKE", args, span)?;
        if negated { self.call("NOT", vec![like], span) } else { Ok(like) }
    }

    /// CASE, both forms.
    pub(super) fn case(
        &mut self,
        scope: &mut Scope,
        operand: Option<&Ast>,
        conditions: &[CaseWhen],
        otherwise: Option<&Ast>,
        span: Span,
    ) -> Bound<Expr> {
        let operand = operand.map(|operand| self.expr(scope, operand)).transpose()?;
        if let Some(operand) = &operand {
            self.check_copies(operand, conditions.len(), span)?;
        }
        let mut branches = Vec::new();
        let mut failed = false;
        for CaseWhen { condition, result } in conditions {
            let place = self.span(condition);
            let test = self.expr(scope, condition).and_then(|test| match &operand {
                Some(operand) => self.call("=", vec![operand.clone(), test], place),
                None => self.boolean(test, place, "WHEN"),
            });
            match (test, self.expr(scope, result)) {
                (Ok(test), Ok(value)) => branches.push((test, value)),
                _ => failed = true,
            }
        }
        let otherwise = otherwise.map(|value| self.expr(scope, value)).transpose()?;
        if failed {
            return Err(Reported);
        }
        self.case_of(branches, otherwise, span)
    }

    /// A CASE of bound parts: the values get their common type.
    pub(super) fn case_of(
        &mut self,
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Expr>,
        span: Span,
    ) -> Bound<Expr> {
        let values: Vec<&Expr> =
            branches.iter().map(|(_, value)| value).chain(&otherwise).collect();
        let mut ty = self.common(&values, "the values of CASE", span)?;
        ty.nullable |= otherwise.is_none();
        let branches =
            branches.into_iter().map(|(test, value)| (test, coerce(value, &ty.sql))).collect();
        let otherwise = otherwise.map(|value| Box::new(coerce(value, &ty.sql)));
        Ok(Expr { kind: ExprKind::Case { branches, otherwise }, ty, span })
    }

    /// The type that all the values fit into.
    pub(super) fn common(&mut self, values: &[&Expr], what: &str, span: Span) -> Bound<DataType> {
        let types: Vec<DataType> = values.iter().map(|value| value.ty.clone()).collect();
        if let Some(ty) = common_type(&types) {
            return Ok(ty);
        }
        // The first value that does not fit those before it is the one to point at.
        let fitting = (1..values.len()).find(|count| common_type(&types[..=*count]).is_none());
        let odd = fitting.and_then(|index| values.get(index));
        let place = odd.map_or(span, |odd| odd.span);
        let mut types: Vec<String> = values.iter().map(|value| value.ty.sql.to_string()).collect();
        types.dedup();
        let message = format!("{what} have no common type: {}", types.join(", "));
        let help = "convert one of them with CAST";
        let place = if place.is_somewhere() { place } else { span };
        Err(self.error_help(codes::TYPE_MISMATCH, place, message, help))
    }

    /// Refuses to write a large expression out many times.
    pub(super) fn check_copies(&mut self, expr: &Expr, copies: usize, span: Span) -> Bound<()> {
        if size(expr).saturating_mul(copies) <= COPIES_MAX {
            return Ok(());
        }
        let message = "the expression would have to be written out too often";
        let help = "compute the value in a sub-query or a view first";
        Err(self.error_help(codes::TOO_DEEP, span, message, help))
    }
}

/// AND or OR of conditions, without nesting of the same.
pub(super) fn join(and: bool, parts: Vec<Expr>) -> Expr {
    let nullable = parts.iter().any(|part| part.ty.nullable);
    let span = parts.iter().fold(Span::default(), |span, part| span.to(part.span));
    let mut flat = Vec::new();
    for part in parts {
        match part.kind {
            ExprKind::And(inner) if and => flat.extend(inner),
            ExprKind::Or(inner) if !and => flat.extend(inner),
            kind => flat.push(Expr { kind, ty: part.ty, span: part.span }),
        }
    }
    if flat.len() == 1
        && let Some(only) = flat.pop()
    {
        return only;
    }
    let ty = DataType { sql: SqlType::Boolean, nullable };
    let kind = if and { ExprKind::And(flat) } else { ExprKind::Or(flat) };
    Expr { kind, ty, span }
}
