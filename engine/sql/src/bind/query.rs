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
    Cte, Distinct, Expr as Ast, GroupByExpr, Ident, Query, Select, SelectItem,
    SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier, Spanned, Values as Rows,
    WildcardAdditionalOptions, With,
};

/// The list between SELECT and FROM.
pub(super) struct Selection<'a> {
    pub(super) items: &'a [SelectItem],
}

impl Selection<'_> {
    /// The aliases that are given.
    pub(super) fn aliases(&self) -> Vec<String> {
        let aliases = self.items.iter().filter_map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
            _ => None,
        });
        aliases.collect()
    }
}

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
        if let Some(order_by) = order_by {
            let span = self.place_of(self.index.span(order_by.span()));
            let message = "ORDER BY is not supported";
            let help = "an unbounded table has no last row: rows of windows leave in the order \
                        of their windows, others as they come";
            self.error_help(codes::ORDER_BY, span, message, help);
            refused = true;
        }
        let limit = limit_clause.as_ref().map(Spanned::span);
        let limit = limit.or_else(|| fetch.as_ref().map(|_| body.span()));
        if let Some(limit) = limit {
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
        let relation = with.and_then(|()| self.body(body));
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
            SetExpr::Select(select) => self.select(select),
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
        Ok(Relation { node, names, qualifier: None })
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
        Relation { node, names, qualifier: None }
    }

    /// One row of nothing that matters, for SELECT without FROM.
    fn one_row(&mut self) -> crate::plan::DraftId {
        let schema = Schema::new(vec![Field::new("one", SqlType::Boolean.not_null())]);
        let rows = vec![vec![Value::Boolean(true)]];
        self.graph.leaf(NodeKind::Values(Values { rows }), schema)
    }

    /// A SELECT; every field of the tree is looked at.
    fn select(&mut self, select: &Select) -> Bound<Relation> {
        let Select {
            select_token,
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor: _,
        } = select;
        let span = self.place_of(self.index.span(select_token.0.span));
        let mut refused = self.refuse_distinct(distinct.as_ref(), span);
        let at = |expr: &Option<Ast>| expr.as_ref().map(Spanned::span);
        let here = |present: bool| present.then_some(select_token.0.span);
        let clauses = [
            (here(!optimizer_hints.is_empty()), "a hint"),
            (here(select_modifiers.is_some()), "a modifier of SELECT"),
            (here(top.is_some()), "TOP"),
            (here(exclude.is_some()), "EXCLUDE"),
            (here(into.is_some()), "SELECT INTO"),
            (here(!lateral_views.is_empty()), "LATERAL VIEW"),
            (at(prewhere), "PREWHERE"),
            (here(!connect_by.is_empty()), "CONNECT BY"),
            (cluster_by.first().map(Spanned::span), "CLUSTER BY"),
            (distribute_by.first().map(Spanned::span), "DISTRIBUTE BY"),
            (sort_by.first().map(Spanned::span), "SORT BY"),
            (named_window.first().map(|window| window.0.span), "WINDOW"),
            (at(qualify), "QUALIFY"),
            (here(value_table_mode.is_some()), "SELECT AS STRUCT or VALUE"),
        ];
        for (place, what) in clauses {
            if let Some(place) = place {
                let place = self.index.span(place);
                let place = if place.is_somewhere() { place } else { span };
                let message = format!("{what} is not supported");
                self.error_help(codes::UNSUPPORTED, place, message, "leave it out");
                refused = true;
            }
        }
        let group_by = self.group_by_list(group_by, span);
        let mut relation = self.from(from, span)?;
        let mut scope = Scope::of(&relation, self.graph, "WHERE");
        let items = Selection { items: projection };
        scope.aliases = items.aliases();
        let filter = selection.as_ref().map(|ast| self.condition(&mut scope, ast)).transpose();
        let filtered = filter.map(|filter| {
            if let Some(filter) = filter {
                relation.node = self.graph.filter(relation.node, filter);
            }
        });
        let result = match group_by {
            Err(Reported) => Err(Reported),
            Ok([]) => self.projected(&relation, &items, having.as_ref()),
            Ok(keys) => self.grouped(&relation, keys, &items, having.as_ref()),
        };
        match (refused, filtered) {
            (false, Ok(())) => result,
            _ => Err(Reported),
        }
    }

    fn refuse_distinct(&mut self, distinct: Option<&Distinct>, span: Span) -> bool {
        match distinct {
            None | Some(Distinct::All) => false,
            Some(Distinct::Distinct | Distinct::On(_)) => {
                let message = "SELECT DISTINCT must remember every row for ever";
                let help = "group by the columns over a window: each value comes once per window";
                self.error_help(codes::DISTINCT, span, message, help);
                true
            }
        }
    }

    fn group_by_list<'q>(&mut self, group_by: &'q GroupByExpr, span: Span) -> Bound<&'q [Ast]> {
        match group_by {
            GroupByExpr::Expressions(keys, modifiers) if modifiers.is_empty() => Ok(keys),
            GroupByExpr::Expressions(..) | GroupByExpr::All(_) => {
                let message = "GROUP BY ALL and its modifiers are not supported";
                let help = "write the columns";
                Err(self.error_help(codes::UNSUPPORTED, span, message, help))
            }
        }
    }

    /// A SELECT without groups.
    fn projected(
        &mut self,
        relation: &Relation,
        selection: &Selection<'_>,
        having: Option<&Ast>,
    ) -> Bound<Relation> {
        let mut scope = Scope::of(relation, self.graph, "SELECT");
        let columns = self.select_columns(&mut scope, selection);
        if let Some(having) = having {
            scope.clause = "HAVING";
            // An aggregate in HAVING is an aggregation without a window, and says so.
            if self.condition(&mut scope, having).is_ok() {
                let span = self.span(having);
                let message = "HAVING without GROUP BY";
                let help = "use WHERE";
                self.error_help(codes::UNSUPPORTED, span, message, help);
            }
            return Err(Reported);
        }
        let columns = columns?;
        let names = columns.iter().map(|column| column.name.clone()).collect();
        let node = self.graph.calc(relation.node, None, columns);
        Ok(Relation { node, names, qualifier: None })
    }

    /// The columns of the SELECT list; the errors of all are reported.
    pub(super) fn select_columns(
        &mut self,
        scope: &mut Scope,
        selection: &Selection<'_>,
    ) -> Bound<Vec<Column>> {
        let mut columns = Vec::new();
        let mut failed = false;
        for item in selection.items {
            failed |= self.select_item(scope, item, &mut columns).is_err();
        }
        if failed { Err(Reported) } else { Ok(columns) }
    }

    fn select_item(
        &mut self,
        scope: &mut Scope,
        item: &SelectItem,
        columns: &mut Vec<Column>,
    ) -> Bound<()> {
        match item {
            SelectItem::UnnamedExpr(ast) => {
                let expr = self.expression(scope, ast)?;
                let name = match ast {
                    Ast::Identifier(ident) => ident.value.clone(),
                    Ast::CompoundIdentifier(parts) => {
                        parts.last().map_or_else(String::new, |part| part.value.clone())
                    }
                    _ => format!("EXPR${}", columns.len()),
                };
                columns.push(Column { name, expr, text: ast.to_string() });
                Ok(())
            }
            SelectItem::ExprWithAlias { expr: ast, alias } => {
                let expr = self.expression(scope, ast)?;
                columns.push(Column { name: alias.value.clone(), expr, text: ast.to_string() });
                Ok(())
            }
            SelectItem::Wildcard(options) => self.wildcard(scope, None, options, columns),
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(name),
                options,
            ) => {
                let qualifier = self.single(name)?.clone();
                self.wildcard(scope, Some(&qualifier), options, columns)
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(expr), _) => {
                let message = "`.*` on an expression is not supported";
                let help = "name the fields";
                Err(self.error_help(codes::UNSUPPORTED, self.span(expr), message, help))
            }
            SelectItem::ExprWithAliases { expr, aliases: _ } => {
                let message = "several aliases for one expression";
                let help = "give one alias";
                Err(self.error_help(codes::UNSUPPORTED, self.span(expr), message, help))
            }
        }
    }

    /// `*` and `t.*`.
    fn wildcard(
        &mut self,
        scope: &Scope,
        qualifier: Option<&Ident>,
        options: &WildcardAdditionalOptions,
        columns: &mut Vec<Column>,
    ) -> Bound<()> {
        let WildcardAdditionalOptions {
            wildcard_token,
            opt_ilike,
            opt_exclude,
            opt_except,
            opt_replace,
            opt_rename,
            opt_alias,
        } = options;
        let span = self.place_of(self.index.span(wildcard_token.0.span));
        let extra = opt_ilike.is_some()
            || opt_exclude.is_some()
            || opt_except.is_some()
            || opt_replace.is_some()
            || opt_rename.is_some()
            || opt_alias.is_some();
        if extra {
            let message = "`*` with an option is not supported";
            return Err(self.error_help(codes::UNSUPPORTED, span, message, "name the columns"));
        }
        if let Some(qualifier) = qualifier {
            if scope.qualifier.as_deref() != Some(qualifier.value.as_str()) {
                let message = format!("unknown table `{}` before `.*`", qualifier.value);
                let help = match &scope.qualifier {
                    Some(known) => format!("the rows here are called `{known}`"),
                    None => "write `*`".to_owned(),
                };
                return Err(self.error_help(codes::UNKNOWN_TABLE, span, message, help));
            }
        }
        if scope.group.is_some() {
            let message = "`*` in a query with GROUP BY";
            let help = "name the keys and aggregates";
            return Err(self.error_help(codes::NOT_GROUPED, span, message, help));
        }
        if scope.columns.is_empty() {
            let message = "`*` without FROM";
            return Err(self.error(codes::UNSUPPORTED, span, message));
        }
        let all = scope.columns.iter().enumerate();
        columns.extend(all.map(|(index, column)| Column::pass(index, &column.name, &column.ty)));
        Ok(())
    }

    /// The rows of a SELECT without FROM.
    pub(super) fn no_from(&mut self) -> Relation {
        let node = self.one_row();
        Relation { node, names: Vec::new(), qualifier: None }
    }
}

/// The value of a constant expression.
fn constant(expr: &Expr) -> Option<Value> {
    match &expr.kind {
        ExprKind::Literal(value) => Some(value.clone()),
        _ => None,
    }
}
