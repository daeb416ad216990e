//! SELECT: its list, its clauses, and what is refused of it.

use super::{Binder, Bound, Relation, Reported, Scope};
use crate::codes;
use crate::plan::Column;
use anabranch_engine::diagnostic::Span;
use sqlparser::ast::{
    Distinct, Expr as Ast, GroupByExpr, Ident, OrderBy, Select, SelectItem,
    SelectItemQualifiedWildcardKind, Spanned, WildcardAdditionalOptions,
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
    /// A SELECT; only that of an assert has an order.
    pub(super) fn select(
        &mut self,
        select: &Select,
        order_by: Option<&OrderBy>,
    ) -> Bound<Relation> {
        let span = self.place_of(self.index.span(select.select_token.0.span));
        let refused = self.refuse_clauses(select, span);
        let having = select.having.as_ref();
        let group_by = self.group_by_list(&select.group_by, span);
        let mut relation = self.from(&select.from, span)?;
        let mut scope = Scope::of(&relation, self.graph, "WHERE");
        let items = Selection { items: &select.projection };
        scope.aliases = items.aliases();
        let filter =
            select.selection.as_ref().map(|ast| self.condition(&mut scope, ast)).transpose();
        let filtered = filter.map(|filter| {
            if let Some(filter) = filter {
                relation.node = self.graph.filter(relation.node, filter);
            }
        });
        let result = match group_by {
            Err(Reported) => Err(Reported),
            Ok(keys) if self.in_assert() => self.bounded_select(&relation, select, keys, order_by),
            Ok([]) => self.projected(&relation, &items, having),
            Ok(keys) => self.grouped(&relation, keys, &items, having),
        };
        match (refused, filtered) {
            (false, Ok(())) => result,
            _ => Err(Reported),
        }
    }

    /// Refuses what this version does not have; every field of the tree is named, so
    /// that nothing is dropped silently.
    fn refuse_clauses(&mut self, select: &Select, span: Span) -> bool {
        let Select {
            select_token,
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            top_before_distinct: _,
            projection: _,
            exclude,
            into,
            from: _,
            lateral_views,
            prewhere,
            selection: _,
            connect_by,
            group_by: _,
            cluster_by,
            distribute_by,
            sort_by,
            having: _,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor: _,
        } = select;
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
        refused
    }

    fn refuse_distinct(&mut self, distinct: Option<&Distinct>, span: Span) -> bool {
        match distinct {
            None | Some(Distinct::All) => false,
            Some(Distinct::Distinct) if self.in_assert() => false,
            Some(Distinct::On(_)) if self.in_assert() => {
                let message = "DISTINCT ON is not supported";
                self.error_help(codes::DISTINCT, span, message, "group by the columns");
                true
            }
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
        Ok(Relation { node, names, qualifier: None, joined: Vec::new() })
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
        let side = qualifier.and_then(|qualifier| {
            scope.joined.iter().find(|side| side.qualifier == qualifier.value)
        });
        if let (Some(qualifier), None) = (qualifier, side)
            && scope.qualifier.as_deref() != Some(qualifier.value.as_str())
        {
            let message = format!("unknown table `{}` before `.*`", qualifier.value);
            let help = scope.called().unwrap_or("write `*`".to_owned());
            return Err(self.error_help(codes::UNKNOWN_TABLE, span, message, help));
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
        let is_meant = |(index, _): &(usize, _)| side.is_none_or(|it| it.columns.contains(index));
        let all = scope.columns.iter().enumerate().filter(is_meant);
        columns.extend(all.map(|(index, column)| Column::pass(index, &column.name, &column.ty)));
        Ok(())
    }
}
