//! ORDER BY, LIMIT, OFFSET and FETCH, which only the query of an assert has.

use super::{Binder, Bound, Relation, Reported, Scope};
use crate::codes;
use crate::plan::Column;
use anabranch_engine::diagnostic::Span;
use anabranch_engine::plan::{BoundedKind, Limit, SortKey};
use sqlparser::ast::{
    Expr as Ast, Fetch, LimitClause, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, Spanned,
    Value as AstValue,
};

impl Binder<'_> {
    /// The columns by which rows are sorted; what is no column yet is added to them.
    pub(super) fn sort_keys(
        &mut self,
        scope: &mut Scope,
        columns: &mut Vec<Column>,
        order_by: Option<&OrderBy>,
        is_distinct: bool,
    ) -> Bound<Vec<SortKey>> {
        let Some(OrderBy { kind, interpolate }) = order_by else { return Ok(Vec::new()) };
        let span = order_by.map(|order| self.place_of(self.index.span(order.span())));
        let span = span.unwrap_or(self.place);
        let items = match (kind, interpolate) {
            (OrderByKind::Expressions(items), None) => items,
            _ => {
                let message = "ORDER BY ALL and INTERPOLATE are not supported";
                return Err(self.error_help(codes::ORDER_BY, span, message, "write the columns"));
            }
        };
        let visible = columns.len();
        let mut keys = Vec::new();
        for item in items {
            let OrderByExpr { expr, options: OrderByOptions { asc, nulls_first }, with_fill } =
                item;
            let place = self.span(expr);
            if with_fill.is_some() {
                let message = "WITH FILL is not supported";
                return Err(self.error_help(codes::ORDER_BY, place, message, "leave it out"));
            }
            let column = match self.output_column(expr, &columns[..visible], place)? {
                Some(column) => column,
                None => {
                    let bound = self.expression(scope, expr)?;
                    match columns.iter().position(|column| column.expr == bound) {
                        Some(known) => known,
                        None => {
                            let name = format!("order{}", columns.len() - visible + 1);
                            columns.push(Column { name, text: expr.to_string(), expr: bound });
                            columns.len() - 1
                        }
                    }
                }
            };
            if is_distinct && column >= visible {
                let message = "ORDER BY of SELECT DISTINCT by something that it does not select";
                let help = "add it to the list between SELECT and FROM";
                return Err(self.error_help(codes::ORDER_BY, place, message, help));
            }
            let descending = *asc == Some(false);
            // As in Flink, NULL is below every value.
            let nulls_first = nulls_first.unwrap_or(!descending);
            keys.push(SortKey { column, descending, nulls_first });
        }
        Ok(keys)
    }

    /// The column of the result that an item of ORDER BY names, or counts.
    fn output_column(&mut self, ast: &Ast, columns: &[Column], span: Span) -> Bound<Option<usize>> {
        let named = |name: &str| {
            let mut found = columns.iter().enumerate().filter(|(_, column)| column.name == name);
            found.next().filter(|_| found.next().is_none()).map(|(index, _)| index)
        };
        match ast {
            Ast::Identifier(ident) => Ok(named(&ident.value)),
            Ast::Value(value) => {
                let place = match &value.value {
                    AstValue::Number(text, _) => text.parse::<usize>().ok(),
                    _ => None,
                };
                match place.and_then(|place| place.checked_sub(1)) {
                    Some(index) if index < columns.len() => Ok(Some(index)),
                    _ => {
                        let message = format!("ORDER BY {} is no column", value.value);
                        let help =
                            format!("write a column, or its place from 1 to {}", columns.len());
                        Err(self.error_help(codes::ORDER_BY, span, message, help))
                    }
                }
            }
            _ => Ok(None),
        }
    }

    /// The rows of a relation that is no plain SELECT, in order.
    pub(super) fn ordered(
        &mut self,
        relation: Relation,
        order_by: Option<&OrderBy>,
    ) -> Bound<Relation> {
        if order_by.is_none() {
            return Ok(relation);
        }
        let mut scope = Scope::of(&relation, self.graph, "ORDER BY");
        let mut columns = self.graph.all_columns(relation.node);
        for (column, name) in columns.iter_mut().zip(&relation.names) {
            column.name.clone_from(name);
        }
        let visible = columns.len();
        let keys = self.sort_keys(&mut scope, &mut columns, order_by, false)?;
        let node = self.graph.calc(relation.node, None, columns);
        Ok(self.sorted(node, visible, keys))
    }

    /// The first rows of a relation.
    pub(super) fn limited(
        &mut self,
        relation: Relation,
        limit: Option<&LimitClause>,
        fetch: Option<&Fetch>,
    ) -> Bound<Relation> {
        let (count, offset) = match limit {
            None => (None, None),
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
                if let Some(by) = limit_by.first() {
                    let (message, help) = ("LIMIT BY is not supported", "leave it out");
                    let span = self.span(by);
                    return Err(self.error_help(codes::ORDER_BY, span, message, help));
                }
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => (Some(limit), Some(offset)),
        };
        let fetched = match fetch {
            None => None,
            Some(Fetch { with_ties: false, percent: false, quantity }) => match quantity {
                Some(quantity) => Some(self.row_count(quantity)?),
                None => Some(1),
            },
            Some(Fetch { .. }) => {
                let message = "FETCH WITH TIES and FETCH PERCENT are not supported";
                let help = "write FETCH FIRST n ROWS ONLY";
                return Err(self.error_help(codes::ORDER_BY, self.place, message, help));
            }
        };
        let count = count.map(|count| self.row_count(count)).transpose()?.or(fetched);
        let offset = offset.map(|offset| self.row_count(offset)).transpose()?.unwrap_or(0);
        if count.is_none() && offset == 0 {
            return Ok(relation);
        }
        let schema = self.graph.node(relation.node).schema.clone();
        let kind = BoundedKind::Limit(Limit { offset, count });
        let node = self.graph.bounded(kind, vec![relation.node], schema);
        Ok(Relation { node, ..relation })
    }

    /// A number of rows.
    fn row_count(&mut self, ast: &Ast) -> Result<u64, Reported> {
        let number = match ast {
            Ast::Value(value) => match &value.value {
                AstValue::Number(text, _) => text.parse().ok(),
                _ => None,
            },
            _ => None,
        };
        number.ok_or_else(|| {
            let message = "LIMIT, OFFSET and FETCH take a number of rows";
            let span = self.span(ast);
            self.error_help(codes::ORDER_BY, span, message, "write a number, such as 10")
        })
    }
}
