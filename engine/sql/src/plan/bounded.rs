//! Queries of asserts: their joins, and their final form.

use super::graph::{Draft, DraftId, DraftKind, Graph, all_of};
use super::rewrite::{columns_of, conjuncts, replace_columns};
use anabranch_engine::expr::{Expr, ExprKind};
use anabranch_engine::plan::{
    BoundedAggregate, BoundedJoin, BoundedKind, BoundedNode, BoundedPlan, NodeKind,
};
use anabranch_engine::types::{DataType, Field, Schema};
use std::collections::BTreeMap;

impl Graph {
    /// Pairs of rows of two nodes.
    pub(crate) fn join(
        &mut self,
        left: DraftId,
        right: DraftId,
        keeps_left: bool,
        condition: Option<Expr>,
    ) -> DraftId {
        let width = self.node(left).schema.len();
        let mut fields = self.node(left).schema.fields.clone();
        fields.extend(self.node(right).schema.fields.iter().map(|field| {
            let nullable = field.ty.nullable || keeps_left;
            Field::new(field.name.clone(), DataType { sql: field.ty.sql.clone(), nullable })
        }));
        let equal = condition.as_ref().map(|condition| equalities(condition, width));
        let join = BoundedJoin { keeps_left, condition, equal: equal.unwrap_or_default() };
        self.bounded(BoundedKind::Join(join), vec![left, right], Schema::new(fields))
    }

    /// A join that a filter right above it narrows, instead of both; none above one that
    /// keeps rows without a partner.
    pub(super) fn filter_in_join(&mut self, input: DraftId, filter: &Expr) -> Option<DraftId> {
        let draft = self.node(input);
        let DraftKind::Bounded(BoundedKind::Join(join)) = &draft.kind else { return None };
        let ([left, right], false) = (draft.inputs.as_slice(), join.keeps_left) else {
            return None;
        };
        let (left, right) = (*left, *right);
        let conditions = join.condition.iter().cloned().chain([filter.clone()]).collect();
        Some(self.join(left, right, false, all_of(conditions)))
    }

    /// The query that ends in a node.
    pub(crate) fn lower_bounded(&self, root: DraftId) -> BoundedPlan {
        let mut places: BTreeMap<DraftId, usize> = BTreeMap::new();
        let mut nodes = Vec::new();
        // Inputs have smaller ids than who reads them.
        for id in self.below(root) {
            let draft = self.node(id);
            let inputs = draft.inputs.iter().map(|input| places[input]).collect();
            places.insert(id, nodes.len());
            nodes.push(BoundedNode {
                kind: final_kind(draft),
                inputs,
                schema: draft.schema.clone(),
            });
        }
        BoundedPlan { nodes }
    }

    /// A node and all that it reads, in the order of their ids.
    fn below(&self, root: DraftId) -> Vec<DraftId> {
        let mut found = std::collections::BTreeSet::new();
        let mut open = vec![root];
        while let Some(id) = open.pop() {
            if found.insert(id) {
                open.extend(&self.node(id).inputs);
            }
        }
        found.into_iter().collect()
    }

    /// Whether a query reads a table at all.
    pub(crate) fn reads_table(&self, root: DraftId) -> bool {
        let is_table =
            |id: &DraftId| matches!(self.node(*id).kind, DraftKind::Bounded(BoundedKind::Table(_)));
        self.below(root).iter().any(is_table)
    }

    /// Whether a query gives a row whatever the tables hold, such as an aggregation
    /// without keys that nothing filters does.
    pub(crate) fn always_gives_a_row(&self, root: DraftId) -> bool {
        let mut always: BTreeMap<DraftId, bool> = BTreeMap::new();
        for id in self.below(root) {
            let draft = self.node(id);
            let mut inputs = draft.inputs.iter().map(|input| always[input]);
            let gives = match &draft.kind {
                DraftKind::Bounded(BoundedKind::Aggregate(BoundedAggregate { keys, .. })) => {
                    keys.is_empty() || inputs.any(|always| always)
                }
                DraftKind::Bounded(BoundedKind::Sort(_)) => inputs.any(|always| always),
                DraftKind::Bounded(BoundedKind::Limit(limit)) => {
                    limit.offset == 0 && limit.count != Some(0) && inputs.any(|always| always)
                }
                // A row of the left side that stays without a partner is one.
                DraftKind::Bounded(BoundedKind::Join(join)) if join.keeps_left => {
                    inputs.next() == Some(true)
                }
                DraftKind::Bounded(BoundedKind::Join(join)) => {
                    join.condition.is_none() && inputs.all(|always| always)
                }
                DraftKind::Stream(NodeKind::Calc(calc)) => {
                    calc.filter.is_none() && inputs.any(|always| always)
                }
                DraftKind::Stream(NodeKind::Union) => inputs.any(|always| always),
                DraftKind::Stream(NodeKind::Values(_)) => true,
                DraftKind::Bounded(
                    BoundedKind::Calc(_)
                    | BoundedKind::Table(_)
                    | BoundedKind::Union
                    | BoundedKind::Values(_),
                )
                | DraftKind::Stream(_) => false,
            };
            always.insert(id, gives);
        }
        always[&root]
    }
}

fn final_kind(draft: &Draft) -> BoundedKind {
    match &draft.kind {
        DraftKind::Bounded(kind) => kind.clone(),
        DraftKind::Stream(NodeKind::Calc(calc)) => BoundedKind::Calc(calc.clone()),
        DraftKind::Stream(NodeKind::Union) => BoundedKind::Union,
        DraftKind::Stream(NodeKind::Values(values)) => BoundedKind::Values(values.clone()),
        DraftKind::Stream(_) => unreachable!("an assert reads no stream"),
    }
}

/// The equalities among the parts of a condition that say which value of the left side,
/// whose columns are the first `width`, must be which of the right side.
fn equalities(condition: &Expr, width: usize) -> Vec<(Expr, Expr)> {
    let is_left = |expr: &Expr| {
        let columns = columns_of(expr);
        !columns.is_empty() && columns.iter().all(|column| *column < width)
    };
    let is_right = |expr: &Expr| {
        let columns = columns_of(expr);
        !columns.is_empty() && columns.iter().all(|column| *column >= width)
    };
    let of_right = |expr: &Expr| {
        replace_columns(expr, &mut |index, column| {
            Expr::column(index - width, column.ty.clone()).at(column.span)
        })
    };
    let pair = |part: &Expr| {
        let ExprKind::Call { function, args } = &part.kind else { return None };
        let ([one, other], "=") = (args.as_slice(), function.name.as_str()) else { return None };
        // Values of two types may be equal without being the same.
        if one.ty.sql != other.ty.sql {
            return None;
        }
        match () {
            () if is_left(one) && is_right(other) => Some((one.clone(), of_right(other))),
            () if is_left(other) && is_right(one) => Some((other.clone(), of_right(one))),
            () => None,
        }
    };
    conjuncts(condition).iter().filter_map(pair).collect()
}
