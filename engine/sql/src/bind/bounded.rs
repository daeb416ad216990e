//! SELECT over whole tables, in an assert: groups without a window, DISTINCT, and an
//! order.

use super::group::{Group, Inner, final_place, with_final_places};
use super::select::Selection;
use super::{Binder, Bound, Relation, Reported, Scope};
use crate::plan::{Column, DraftId};
use anabranch_engine::expr::{Expr, ExprKind};
use anabranch_engine::plan::{BoundedAggregate, BoundedKind};
use anabranch_engine::types::{Field, Schema};
use sqlparser::ast::{Expr as Ast, OrderBy, Select};

impl Binder<'_> {
    /// `SELECT … FROM relation GROUP BY … HAVING … ORDER BY …`.
    pub(super) fn bounded_select(
        &mut self,
        relation: &Relation,
        select: &Select,
        keys: &[Ast],
        order_by: Option<&OrderBy>,
    ) -> Bound<Relation> {
        let selection = Selection { items: &select.projection };
        let mut scope = Scope::of(relation, self.graph, "GROUP BY");
        scope.aliases = selection.aliases();
        let mut group = Group::new();
        let mut failed = false;
        for ast in keys {
            failed |= self.key(&mut scope, ast, &mut group).is_err();
        }
        if failed {
            return Err(Reported);
        }
        scope.clause = "SELECT";
        scope.group = Some(group);
        let reported = self.diagnostics.len();
        let mut columns = self.select_columns(&mut scope, &selection);
        let aggregates = scope.group.as_ref().is_some_and(|group| group.called);
        if keys.is_empty() && select.having.is_none() && !aggregates {
            // Nothing asks for groups: the columns are those of the rows.
            self.diagnostics.truncate(reported);
            scope.group = None;
            columns = self.select_columns(&mut scope, &selection);
        }
        scope.clause = "HAVING";
        let having = select.having.as_ref();
        let having = having.map(|having| self.condition(&mut scope, having)).transpose();
        let (mut columns, mut having) = (columns?, having?);
        let visible = columns.len();
        scope.clause = "ORDER BY";
        let is_distinct = select.distinct.is_some();
        let keys = self.sort_keys(&mut scope, &mut columns, order_by, is_distinct)?;
        let input = match scope.group.take() {
            None => relation.node,
            Some(group) => {
                let node = self.bounded_groups(relation, &scope, &group);
                let place = final_place(&group);
                columns.iter_mut().for_each(|column| with_final_places(&mut column.expr, &place));
                having.iter_mut().for_each(|having| with_final_places(having, &place));
                node
            }
        };
        let mut node = self.graph.calc(input, having, columns);
        if is_distinct {
            node = self.distinct_rows(node);
        }
        Ok(self.sorted(node, visible, keys))
    }

    /// One row for each key.
    fn bounded_groups(&mut self, relation: &Relation, scope: &Scope, group: &Group) -> DraftId {
        let name_of = |expr: &Expr, otherwise: String| match expr.kind {
            ExprKind::Column(index) => scope.columns[index].name.clone(),
            _ => otherwise,
        };
        let mut inner = Inner { columns: Vec::new() };
        let mut keys = Vec::new();
        for (number, key) in group.keys.iter().enumerate() {
            keys.push(inner.add(key.clone(), name_of(key, format!("key{}", number + 1))));
        }
        let (mut aggregates, mut names) = (Vec::new(), Vec::new());
        for (number, call) in group.aggregates.iter().enumerate() {
            let number = number + 1;
            let args = call.args.iter();
            let args = args.map(|arg| inner.add(arg.clone(), name_of(arg, format!("arg{number}"))));
            let args = args.collect();
            let filter = call.filter.as_ref();
            let filter = filter.map(|filter| inner.add(filter.clone(), format!("filter{number}")));
            aggregates.push(call.call(args, filter));
            names.push(format!("agg{number}"));
        }
        let input = self.graph.calc(relation.node, None, inner.columns);
        let fields = &self.graph.node(input).schema.fields;
        let of_keys = keys.iter().map(|key| fields[*key].clone());
        let calls = aggregates.iter().zip(names);
        // Without keys there may be no rows, of which every value is NULL.
        let of_calls = calls.map(|(call, name)| {
            let nullable = call.ty.nullable || (keys.is_empty() && call.function.name != "COUNT");
            let ty = anabranch_engine::types::DataType { sql: call.ty.sql.clone(), nullable };
            Field::new(name, ty)
        });
        let schema = Schema::new(of_keys.chain(of_calls).collect());
        let kind = BoundedKind::Aggregate(BoundedAggregate { keys, aggregates });
        self.graph.bounded(kind, vec![input], schema)
    }

    /// Each row once.
    pub(super) fn distinct_rows(&mut self, input: DraftId) -> DraftId {
        let schema = self.graph.node(input).schema.clone();
        let keys = (0..schema.len()).collect();
        let kind = BoundedKind::Aggregate(BoundedAggregate { keys, aggregates: Vec::new() });
        self.graph.bounded(kind, vec![input], schema)
    }

    /// The rows of a node in order, with the first `visible` of its columns.
    pub(super) fn sorted(
        &mut self,
        node: DraftId,
        visible: usize,
        keys: Vec<anabranch_engine::plan::SortKey>,
    ) -> Relation {
        let mut node = node;
        if !keys.is_empty() {
            let schema = self.graph.node(node).schema.clone();
            node = self.graph.bounded(BoundedKind::Sort(keys), vec![node], schema);
            let mut columns: Vec<Column> = self.graph.all_columns(node);
            if columns.len() > visible {
                columns.truncate(visible);
                node = self.graph.calc(node, None, columns);
            }
        }
        let fields = &self.graph.node(node).schema.fields;
        let names = fields.iter().map(|field| field.name.clone()).collect();
        Relation { node, names, qualifier: None, joined: Vec::new() }
    }
}
