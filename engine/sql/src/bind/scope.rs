//! The columns that an expression can name.

use super::group::Group;
use super::{Binder, Bound, Joined, Relation};
use crate::codes;
use crate::nearest::nearest;
use crate::plan::{DraftId, Graph};
use anabranch_engine::diagnostic::Span;
use anabranch_engine::expr::{Expr, ExprKind};
use anabranch_engine::types::{DataType, SqlType};
use sqlparser::ast::Ident;

/// The clause of the expressions of computed columns.
pub(super) const COMPUTED: &str = "a computed column";

/// The name of a column that cannot be used where it stands; nobody can write it.
pub(super) const HIDDEN: &str = "\u{1}";

/// What an expression sees.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) columns: Vec<ScopeColumn>,
    /// The name before the dot.
    pub(crate) qualifier: Option<String>,
    /// The names before the dot of a join.
    pub(crate) joined: Vec<Joined>,
    /// The column that is the rows' event time.
    pub(crate) time: Option<usize>,
    /// The groups, while an expression over them is bound.
    pub(crate) group: Option<Group>,
    /// Where the expression stands, for messages: `WHERE`, `GROUP BY`, …
    pub(crate) clause: &'static str,
    /// Aliases of the SELECT list, for advice.
    pub(crate) aliases: Vec<String>,
}

/// A column of the input.
#[derive(Clone, Debug)]
pub(crate) struct ScopeColumn {
    pub(crate) name: String,
    pub(crate) ty: DataType,
}

impl Scope {
    /// The columns of a relation.
    pub(crate) fn of(relation: &Relation, graph: &Graph, clause: &'static str) -> Scope {
        let qualifier = relation.qualifier.clone();
        let scope = Scope::over(relation.node, &relation.names, qualifier, graph, clause);
        Scope { joined: relation.joined.clone(), ..scope }
    }

    /// The columns of a node under these names.
    pub(crate) fn over(
        node: DraftId,
        names: &[String],
        qualifier: Option<String>,
        graph: &Graph,
        clause: &'static str,
    ) -> Scope {
        let draft = graph.node(node);
        let columns = names.iter().zip(&draft.schema.fields);
        let columns =
            columns.map(|(name, field)| ScopeColumn { name: name.clone(), ty: field.ty.clone() });
        Scope {
            columns: columns.collect(),
            qualifier,
            joined: Vec::new(),
            time: draft.time,
            group: None,
            clause,
            aliases: Vec::new(),
        }
    }

    /// No columns at all.
    pub(crate) fn empty(clause: &'static str) -> Scope {
        Scope {
            columns: Vec::new(),
            qualifier: None,
            joined: Vec::new(),
            time: None,
            group: None,
            clause,
            aliases: Vec::new(),
        }
    }

    /// What the names before the dot are, for advice.
    pub(crate) fn called(&self) -> Option<String> {
        let joined = self.joined.iter().map(|side| &side.qualifier);
        let names: Vec<String> =
            self.qualifier.iter().chain(joined).map(|name| format!("`{name}`")).collect();
        (!names.is_empty()).then(|| format!("the rows here are called {}", names.join(" and ")))
    }

    fn positions(&self, name: &str) -> Vec<usize> {
        let named = self.columns.iter().enumerate().filter(|(_, column)| column.name == name);
        named.map(|(index, _)| index).collect()
    }
}

impl Binder<'_> {
    /// A column by its name.
    pub(crate) fn column(&mut self, scope: &Scope, ident: &Ident) -> Bound<usize> {
        match scope.positions(&ident.value).as_slice() {
            [only] => Ok(*only),
            [] => Err(self.unknown_column(scope, ident)),
            several => Err(self.ambiguous(scope, ident, several.len())),
        }
    }

    fn ambiguous(&mut self, scope: &Scope, ident: &Ident, count: usize) -> super::Reported {
        let message = format!("`{}` is the name of {count} columns", ident.value);
        let help = match scope.joined.as_slice() {
            [first, _, ..] => format!("write which: {}.{}", first.qualifier, ident.value),
            _ => "give them different names with AS in the query below".to_owned(),
        };
        let span = self.ident_span(ident);
        self.error_help(codes::AMBIGUOUS_COLUMN, span, message, help)
    }

    fn unknown_column(&mut self, scope: &Scope, ident: &Ident) -> super::Reported {
        let name = ident.value.as_str();
        let span = self.ident_span(ident);
        let names = scope.columns.iter().map(|column| column.name.as_str());
        let names = names.filter(|name| *name != HIDDEN);
        let help = if scope.clause == COMPUTED && scope.aliases.iter().any(|alias| alias == name) {
            "a computed column cannot use another one: repeat its expression".to_owned()
        } else if scope.aliases.iter().any(|alias| alias == name) {
            format!("an alias of SELECT is not known in {}: repeat its expression", scope.clause)
        } else if let Some(near) = nearest(name, names.clone()) {
            format!("did you mean `{near}`?")
        } else if scope.columns.is_empty() {
            "there are no columns here".to_owned()
        } else {
            let shown: Vec<String> = names.take(12).map(|name| format!("`{name}`")).collect();
            format!("the columns are {}", shown.join(", "))
        };
        let message = format!("unknown column `{name}`");
        self.error_help(codes::UNKNOWN_COLUMN, span, message, help)
    }

    /// `a.b.c`: a column of a table, then fields of rows.
    pub(crate) fn compound(&mut self, scope: &mut Scope, parts: &[Ident]) -> Bound<Expr> {
        if let [qualifier, column, fields @ ..] = parts
            && let Some(side) = scope.joined.iter().find(|it| it.qualifier == qualifier.value)
        {
            let mut found = scope.positions(&column.value);
            found.retain(|index| side.columns.contains(index));
            let index = match found.as_slice() {
                [only] => *only,
                [] => {
                    let columns = scope.columns[side.columns.clone()].to_vec();
                    let side = Scope { columns, ..Scope::empty(scope.clause) };
                    return Err(self.unknown_column(&side, column));
                }
                several => return Err(self.ambiguous(scope, column, several.len())),
            };
            let expr = self.column_value(scope, index, self.ident_span(column))?;
            return fields.iter().try_fold(expr, |expr, field| self.field(expr, field));
        }
        let (first, rest) = match parts {
            [] => return Err(self.error(codes::SYNTAX, self.place, "expected a name")),
            [qualifier, column, fields @ ..]
                if scope.qualifier.as_deref() == Some(qualifier.value.as_str())
                    && !scope.positions(&column.value).is_empty() =>
            {
                (column, fields)
            }
            [qualifier, column, ..]
                if scope.qualifier.as_deref() == Some(qualifier.value.as_str())
                    && scope.positions(&qualifier.value).is_empty() =>
            {
                return Err(self.unknown_column(scope, column));
            }
            [first, rest @ ..] => (first, rest),
        };
        if scope.positions(&first.value).is_empty() && !rest.is_empty() {
            let message = format!("unknown table or column `{}`", first.value);
            let help = scope.called().unwrap_or("leave the name before the dot out".to_owned());
            let span = self.ident_span(first);
            return Err(self.error_help(codes::UNKNOWN_COLUMN, span, message, help));
        }
        let index = self.column(scope, first)?;
        let expr = self.column_value(scope, index, self.ident_span(first))?;
        rest.iter().try_fold(expr, |expr, field| self.field(expr, field))
    }

    /// A field of a row.
    pub(crate) fn field(&mut self, input: Expr, name: &Ident) -> Bound<Expr> {
        let span = self.ident_span(name);
        let SqlType::Row(fields) = &input.ty.sql else {
            let message = format!("`.{}` on a value of type {}", name.value, input.ty.sql);
            let help = "only a ROW has fields";
            return Err(self.error_help(codes::WRONG_ARGUMENTS, span, message, help));
        };
        let Some(index) = fields.iter().position(|field| field.name == name.value) else {
            let help = match nearest(&name.value, fields.iter().map(|f| f.name.as_str())) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the row is {}", input.ty.sql),
            };
            let message = format!("the row has no field `{}`", name.value);
            return Err(self.error_help(codes::UNKNOWN_COLUMN, span, message, help));
        };
        let ty = &fields[index].ty;
        let ty = DataType { sql: ty.sql.clone(), nullable: ty.nullable || input.ty.nullable };
        let span = Span::to(input.span, span);
        Ok(Expr { kind: ExprKind::Field { input: Box::new(input), index }, ty, span })
    }
}
