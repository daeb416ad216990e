//! Queries: WITH, UNION ALL, VALUES, SELECT.

use super::{Binder, Bound, Relation, Reported, Scope};
use crate::catalog::ViewEntry;
use crate::codes;
use crate::plan::Column;
use crate::typing::coerce;
use anabranch_engine::diagnostic::Span;
use anabranch_engine::expr::{Expr, ExprKind};
use anabranch_engine::function::common_type;
use anabranch_engine::plan::{NodeKind, Values};
use anabranch_engine::types::{DataType, Field, Schema, SqlType, Value};
use sqlparser::ast::{
    Cte, Expr as Ast, Ident, Query, SetExpr, SetOperator, SetQuantifier, Spanned, Values as Rows,
    With,
};

impl Binder<'_> {
    /// A query with its WITH; every field of the tree is looked at, so that nothing
    /// is dropped silently.
    pub(crate) fn query(&mut self, query: &Query) -> Bound<Relation> {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        let span = self.place_of(self.index.span(body.span()));
        let mut refused = false;
        if let (Some(order_by), false) = (order_by, self.in_assert()) {
            let span = self.place_of(self.index.span(order_by.span()));
            let message = "ORDER BY is not supported";
            let help = "an unbounded table has no last row: rows of windows leave in the order \
                        of their windows, others as they come";
            self.error_help(codes::ORDER_BY, span, message, help);
            refused = true;
        }
        let limit = limit_clause.as_ref().map(Spanned::span);
        let limit = limit.or_else(|| fetch.as_ref().map(|_| body.span()));
        if let (Some(limit), false) = (limit, self.in_assert()) {
            let place = self.index.span(limit);
            let place = if place.is_somewhere() { place } else { span };
            let message = "LIMIT, OFFSET and FETCH are not supported";
            let help = "an unbounded table has no first rows to count: leave it out";
            self.error_help(codes::ORDER_BY, place, message, help);
            refused = true;
        }
        let others = [
            (!locks.is_empty() || for_clause.is_some(), "FOR"),
            (settings.is_some(), "SETTINGS"),
            (format_clause.is_some(), "FORMAT"),
            (!pipe_operators.is_empty(), "the pipe operator"),
        ];
        for (present, what) in others {
            if present {
                let message = format!("{what} is not supported in a query");
                self.error_help(codes::UNSUPPORTED, span, message, "leave it out");
                refused = true;
            }
        }
        let outer = self.ctes.len();
        let with = with.as_ref().map_or(Ok(()), |with| self.with(with));
        let relation = with.and_then(|()| match body.as_ref() {
            SetExpr::Select(select) => self.select(select, order_by.as_ref()),
            body => {
                let relation = self.body(body)?;
                if self.in_assert() {
                    self.ordered(relation, order_by.as_ref())
                } else {
                    Ok(relation)
                }
            }
        });
        let relation = match self.in_assert() {
            true => relation.and_then(|it| self.limited(it, limit_clause.as_ref(), fetch.as_ref())),
            false => relation,
        };
        self.ctes.truncate(outer);
        if refused { Err(Reported) } else { relation }
    }

    /// The common table expressions.
    fn with(&mut self, with: &With) -> Bound<()> {
        let With { with_token, recursive, cte_tables } = with;
        if *recursive {
            let span = self.place_of(self.index.span(with_token.0.span));
            let message = "WITH RECURSIVE is not supported";
            return Err(self.error_help(codes::UNSUPPORTED, span, message, "write the levels out"));
        }
        for cte in cte_tables {
            let Cte { alias, query, from, materialized, closing_paren_token: _ } = cte;
            let span = self.ident_span(&alias.name);
            if from.is_some() || materialized.is_some() {
                let message = "this form of WITH is not supported";
                let help = "write WITH name AS (SELECT …)";
                return Err(self.error_help(codes::UNSUPPORTED, span, message, help));
            }
            let mut relation = self.query(query)?;
            let columns: Vec<Ident> = alias.columns.iter().map(|c| c.name.clone()).collect();
            self.rename(&mut relation, &columns, span)?;
            let view = ViewEntry { node: relation.node, names: relation.names };
            self.ctes.push((alias.name.value.clone(), view));
        }
        Ok(())
    }

    /// Gives the columns of a relation other names; no name leaves them.
    pub(super) fn rename(
        &mut self,
        relation: &mut Relation,
        columns: &[Ident],
        span: Span,
    ) -> Bound<()> {
        if columns.is_empty() {
            return Ok(());
        }
        if columns.len() != relation.names.len() {
            let (given, there) = (columns.len(), relation.names.len());
            let message = format!("{given} column names for {there} columns");
            return Err(self.error(codes::COLUMN_COUNT, span, message));
        }
        relation.names = columns.iter().map(|column| column.value.clone()).collect();
        Ok(())
    }

    fn body(&mut self, body: &SetExpr) -> Bound<Relation> {
        match body {
            SetExpr::Select(select) => self.select(select, None),
            SetExpr::Query(query) => self.query(query),
            SetExpr::Values(rows) => self.values(rows),
            SetExpr::SetOperation { .. } => self.union(body),
            SetExpr::Table(_)
            | SetExpr::Insert(_)
            | SetExpr::Update(_)
            | SetExpr::Delete(_)
            | SetExpr::Merge(_) => {
                let span = self.place_of(self.index.span(body.span()));
                let message = "this is no query";
                let help = "write SELECT … FROM …";
                Err(self.error_help(codes::UNSUPPORTED, span, message, help))
            }
        }
    }

    /// `a UNION ALL b …`: the chain to the left is walked in a loop.
    fn union(&mut self, body: &SetExpr) -> Bound<Relation> {
        let mut parts = Vec::new();
        let mut leftmost = body;
        while let SetExpr::SetOperation { left, op, set_quantifier, right } = leftmost {
            if !matches!((op, set_quantifier), (SetOperator::Union, SetQuantifier::All)) {
                let span = self.place_of(self.index.span(right.span()));
                if self.in_assert() {
                    return Err(self.refused_set_operation(*op, span));
                }
                let message = format!("{op} {set_quantifier}").trim().to_owned();
                let help = match op {
                    SetOperator::Union => "write UNION ALL",
                    _ => "only UNION ALL is supported",
                };
                let message = format!("{message} must remember every row");
                return Err(self.error_help(codes::SET_OPERATION, span, message, help));
            }
            parts.push(right.as_ref());
            leftmost = left;
        }
        parts.push(leftmost);
        let bound: Vec<(Bound<Relation>, Span)> = parts
            .iter()
            .rev()
            .map(|part| (self.body(part), self.place_of(self.index.span(part.span()))))
            .collect();
        let mut relations = Vec::new();
        for (relation, span) in bound {
            relations.push((relation?, span));
        }
        self.union_of(relations)
    }

    /// Refuses a set operation in an assert.
    fn refused_set_operation(&mut self, op: SetOperator, span: Span) -> Reported {
        let help = match op {
            SetOperator::Union => "write SELECT DISTINCT … FROM (… UNION ALL …)",
            SetOperator::Intersect => "write JOIN … ON with the columns of both",
            SetOperator::Except | SetOperator::Minus => {
                "write LEFT JOIN … ON with the columns of both, and WHERE … IS NULL"
            }
        };
        let message = format!("{op} is not supported");
        self.error_help(codes::SET_OPERATION, span, message, help)
    }

    /// Casts the inputs of a UNION ALL to common types.
    fn union_of(&mut self, relations: Vec<(Relation, Span)>) -> Bound<Relation> {
        let Some((first, _)) = relations.first() else { return Err(Reported) };
        let names = first.names.clone();
        for (relation, span) in &relations {
            if relation.names.len() != names.len() {
                let message =
                    format!("UNION ALL of {} and {} columns", names.len(), relation.names.len());
                return Err(self.error(codes::COLUMN_COUNT, *span, message));
            }
        }
        let mut fields = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let types: Vec<DataType> = relations
                .iter()
                .map(|(relation, _)| self.graph.node(relation.node).schema.fields[index].ty.clone())
                .collect();
            let Some(ty) = common_type(&types) else {
                let mut shown: Vec<String> = types.iter().map(|ty| ty.sql.to_string()).collect();
                shown.dedup();
                let message = format!("column `{name}` of UNION ALL is {}", shown.join(" and "));
                let help = "convert one of them with CAST";
                let span = relations.last().map_or(self.place, |(_, span)| *span);
                return Err(self.error_help(codes::TYPE_MISMATCH, span, message, help));
            };
            fields.push(Field::new(name.clone(), ty));
        }
        let schema = Schema::new(fields);
        let inputs = relations
            .into_iter()
            .map(|(relation, _)| {
                let mut columns = self.graph.all_columns(relation.node);
                for (column, field) in columns.iter_mut().zip(&schema.fields) {
                    column.name.clone_from(&field.name);
                    column.expr = coerce(column.expr.clone(), &field.ty.sql);
                }
                self.graph.calc(relation.node, None, columns)
            })
            .collect();
        let node = self.graph.union(inputs, schema);
        Ok(Relation { node, names, qualifier: None, joined: Vec::new() })
    }

    /// `VALUES (1, 'a'), …`.
    fn values(&mut self, values: &Rows) -> Bound<Relation> {
        let Rows { explicit_row: _, value_keyword: _, rows } = values;
        let mut bound: Vec<Vec<Expr>> = Vec::new();
        let mut failed = false;
        for row in rows {
            let asts: Vec<&Ast> = row.content.iter().collect();
            let cells: Vec<Bound<Expr>> =
                asts.iter().map(|ast| self.expression(&mut Scope::empty("VALUES"), ast)).collect();
            match cells.into_iter().collect::<Bound<Vec<Expr>>>() {
                Ok(cells) => bound.push(cells),
                Err(Reported) => failed = true,
            }
            let width = bound.first().map_or(asts.len(), Vec::len);
            if asts.len() != width {
                let spans = asts.iter().map(|ast| self.span(ast));
                let span = self.place_of(spans.fold(Span::default(), Span::to));
                let message =
                    format!("a row of VALUES has {} columns, the first has {width}", asts.len());
                self.error(codes::COLUMN_COUNT, span, message);
                failed = true;
            }
        }
        let width = bound.first().map_or(0, Vec::len);
        if failed || width == 0 {
            return Err(Reported);
        }
        let mut fields = Vec::new();
        for column in 0..width {
            let cells: Vec<&Expr> = bound.iter().map(|row| &row[column]).collect();
            let ty = self.common(&cells, "the rows of VALUES", self.place)?;
            fields.push(Field::new(format!("EXPR${column}"), ty));
        }
        Ok(self.constant_rows(bound, Schema::new(fields)))
    }

    /// Rows of constants; a row that must be computed becomes a Calc of its own.
    fn constant_rows(&mut self, rows: Vec<Vec<Expr>>, schema: Schema) -> Relation {
        let names: Vec<String> = schema.fields.iter().map(|field| field.name.clone()).collect();
        let rows: Vec<Vec<Expr>> = rows
            .into_iter()
            .map(|row| {
                row.into_iter().zip(&schema.fields).map(|(e, f)| coerce(e, &f.ty.sql)).collect()
            })
            .collect();
        let constants: Option<Vec<Vec<Value>>> =
            rows.iter().map(|row| row.iter().map(constant).collect()).collect();
        let node = match constants {
            Some(rows) => self.graph.leaf(NodeKind::Values(Values { rows }), schema),
            None => {
                let mut nodes: Vec<_> =
                    rows.into_iter()
                        .map(|row| {
                            let row_columns = row.into_iter().zip(&names).map(|(expr, name)| {
                                Column { name: name.clone(), text: name.clone(), expr }
                            });
                            let columns = row_columns.collect();
                            let one = self.one_row();
                            self.graph.calc(one, None, columns)
                        })
                        .collect();
                match (nodes.pop(), nodes.is_empty()) {
                    (Some(only), true) => only,
                    (last, _) => self.graph.union(nodes.into_iter().chain(last).collect(), schema),
                }
            }
        };
        Relation { node, names, qualifier: None, joined: Vec::new() }
    }

    /// One row of nothing that matters, for SELECT without FROM.
    fn one_row(&mut self) -> crate::plan::DraftId {
        let schema = Schema::new(vec![Field::new("one", SqlType::Boolean.not_null())]);
        let rows = vec![vec![Value::Boolean(true)]];
        self.graph.leaf(NodeKind::Values(Values { rows }), schema)
    }

    /// The rows of a SELECT without FROM.
    pub(super) fn no_from(&mut self) -> Relation {
        let node = self.one_row();
        Relation { node, names: Vec::new(), qualifier: None, joined: Vec::new() }
    }
}

/// The value of a constant expression.
fn constant(expr: &Expr) -> Option<Value> {
    match &expr.kind {
        ExprKind::Literal(value) => Some(value.clone()),
        _ => None,
    }
}
