//! Joins, which only the query of an assert has.

use super::{Binder, Bound, Joined, Relation, Scope};
use crate::codes;
use anabranch_engine::diagnostic::Span;
use sqlparser::ast::{Join, JoinConstraint, JoinOperator, Spanned, TableFactor, TableWithJoins};

impl Binder<'_> {
    /// All of FROM as one relation.
    pub(super) fn joins(&mut self, from: &[TableWithJoins], span: Span) -> Bound<Relation> {
        let mut all: Option<Relation> = None;
        for item in from {
            let relation = self.chain(item, span)?;
            all = Some(match all {
                Some(left) => self.pairs(left, relation, false, None, span)?,
                None => relation,
            });
        }
        match all {
            Some(relation) => Ok(relation),
            None => Ok(self.no_from()),
        }
    }

    /// `a JOIN b … JOIN c …`.
    fn chain(&mut self, item: &TableWithJoins, span: Span) -> Bound<Relation> {
        let TableWithJoins { relation, joins } = item;
        let mut left = self.operand(relation, span)?;
        for join in joins {
            let Join { relation, global, join_operator } = join;
            let place = self.index.span(relation.span());
            let place = if place.is_somewhere() { place } else { span };
            let right = self.operand(relation, place)?;
            let (keeps_left, constraint) = match join_operator {
                JoinOperator::Join(on) | JoinOperator::Inner(on) => (false, on),
                JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (true, on),
                JoinOperator::CrossJoin(on @ JoinConstraint::None) => {
                    left = self.pairs(left, right, false, Some(on), place)?;
                    continue;
                }
                JoinOperator::Right(_) | JoinOperator::RightOuter(_) => {
                    let help = "write LEFT JOIN with the tables changed over";
                    return Err(self.refused_join("RIGHT JOIN", place, help));
                }
                JoinOperator::FullOuter(_) => {
                    let help = "write two LEFT JOINs, put together with UNION ALL";
                    return Err(self.refused_join("FULL JOIN", place, help));
                }
                _ => {
                    let help = "joins are JOIN … ON, LEFT JOIN … ON and CROSS JOIN";
                    return Err(self.refused_join("this kind of join", place, help));
                }
            };
            if *global {
                let help = "leave GLOBAL out";
                return Err(self.refused_join("GLOBAL JOIN", place, help));
            }
            if matches!(constraint, JoinConstraint::None) {
                let help = "add ON with what must be equal, or write CROSS JOIN";
                return Err(self.refused_join("JOIN without ON", place, help));
            }
            left = self.pairs(left, right, keeps_left, Some(constraint), place)?;
        }
        Ok(left)
    }

    fn refused_join(&mut self, what: &str, span: Span, help: &str) -> super::Reported {
        let message = format!("{what} is not supported");
        self.error_help(codes::JOIN, span, message, help)
    }

    /// One side of a join.
    fn operand(&mut self, factor: &TableFactor, span: Span) -> Bound<Relation> {
        match factor {
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.chain(table_with_joins, span)
            }
            _ => self.factor(factor, span),
        }
    }

    /// Pairs of rows of two relations.
    fn pairs(
        &mut self,
        left: Relation,
        right: Relation,
        keeps_left: bool,
        constraint: Option<&JoinConstraint>,
        span: Span,
    ) -> Bound<Relation> {
        let width = left.names.len();
        let right_sides = sides(&right).into_iter().map(|side| Joined {
            columns: side.columns.start + width..side.columns.end + width,
            ..side
        });
        let mut joined = sides(&left);
        for side in right_sides {
            if joined.iter().any(|known| known.qualifier == side.qualifier) {
                let message = format!("two tables of the join are called `{}`", side.qualifier);
                let help = format!("give one another name: {} AS other", side.qualifier);
                return Err(self.error_help(codes::AMBIGUOUS_COLUMN, span, message, help));
            }
            joined.push(side);
        }
        let names: Vec<String> = left.names.into_iter().chain(right.names).collect();
        let all = self.graph.join(left.node, right.node, false, None);
        let mut relation = Relation { node: all, names, qualifier: None, joined };
        let condition = match constraint {
            None | Some(JoinConstraint::None) => None,
            Some(JoinConstraint::On(ast)) => {
                let mut scope = Scope::of(&relation, self.graph, "ON");
                Some(self.condition(&mut scope, ast)?)
            }
            Some(JoinConstraint::Using(_) | JoinConstraint::Natural) => {
                let help = "write ON with the columns of both sides";
                return Err(self.refused_join("USING or NATURAL", span, help));
            }
        };
        if condition.is_some() {
            relation.node = self.graph.join(left.node, right.node, keeps_left, condition);
        }
        Ok(relation)
    }
}

/// The names before the dot that a relation has as a side of a join.
fn sides(relation: &Relation) -> Vec<Joined> {
    let own = relation
        .qualifier
        .iter()
        .map(|qualifier| Joined { qualifier: qualifier.clone(), columns: 0..relation.names.len() });
    own.chain(relation.joined.iter().cloned()).collect()
}
