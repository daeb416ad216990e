//! From the parser's tree to the graph: names, types, casts, windows.

mod aggregate;
mod assert;
mod bounded;
mod ddl;
mod expr;
mod from;
mod function;
mod group;
mod insert;
mod join;
mod json;
mod literal;
mod operator;
mod order;
mod query;
mod scope;
mod select;
mod window;

pub(crate) use aggregate::AGGREGATES;
pub(crate) use function::WINDOW_FUNCTIONS;
pub(crate) use scope::Scope;

use crate::catalog::{Catalog, Entry, ViewEntry};
use crate::codes;
use crate::nearest::nearest;
use crate::parse::Hint;
use crate::plan::{DraftId, Graph};
use crate::text::LineIndex;
use anabranch_engine::diagnostic::{Diagnostic, Span};
use anabranch_engine::ids::TableId;
use sqlparser::ast::{Expr as Ast, Ident, ObjectName, Spanned};
use std::collections::{BTreeMap, BTreeSet};

/// How many errors are reported: nobody reads more.
const DIAGNOSTICS_MAX: usize = 200;

/// The error was reported already; what depends on it is given up.
#[derive(Debug)]
pub(crate) struct Reported;

/// The result of binding something.
pub(crate) type Bound<T> = Result<T, Reported>;

/// A query's result: a node, and the names of its columns here.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    pub(crate) node: DraftId,
    pub(crate) names: Vec<String>,
    /// The name before the dot: the table or its alias.
    pub(crate) qualifier: Option<String>,
    /// The names before the dot, if it is a join, and which columns each stands for.
    pub(crate) joined: Vec<Joined>,
}

/// One side of a join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) qualifier: String,
    pub(crate) columns: std::ops::Range<usize>,
}

/// What an assert may read.
#[derive(Clone, Debug)]
pub(crate) struct Readable {
    /// The tables that an INSERT fills.
    pub(crate) tables: BTreeSet<TableId>,
    /// Whether these are all: no statement has an error.
    pub(crate) is_complete: bool,
}

/// What a name in FROM stands for.
enum Named {
    Table(TableId),
    View(ViewEntry),
}

/// Binds one statement.
pub(crate) struct Binder<'a> {
    pub(crate) index: &'a LineIndex<'a>,
    pub(crate) catalog: &'a mut Catalog,
    pub(crate) graph: &'a mut Graph,
    pub(crate) diagnostics: &'a mut Vec<Diagnostic>,
    pub(crate) hints: &'a mut BTreeMap<u32, Hint>,
    /// The common table expressions in scope, the innermost last.
    pub(crate) ctes: Vec<(String, ViewEntry)>,
    /// Where to point if a part has no place of its own.
    pub(crate) place: Span,
    /// How deep the expression that is being bound nests so far.
    pub(crate) depth: usize,
    /// Whether the statement was said to depend on a broken one.
    pub(crate) blamed: bool,
    /// In the query of an assert what it may read.
    pub(crate) assert: Option<Readable>,
}

impl Binder<'_> {
    /// Reports an error.
    pub(crate) fn report(&mut self, diagnostic: Diagnostic) -> Reported {
        if self.diagnostics.len() < DIAGNOSTICS_MAX {
            self.diagnostics.push(diagnostic);
        }
        Reported
    }

    /// Reports an error at a place.
    pub(crate) fn error(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
    ) -> Reported {
        self.report(Diagnostic::new(code, span, message))
    }

    /// Reports an error with advice.
    pub(crate) fn error_help(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Reported {
        self.report(Diagnostic::new(code, span, message).with_help(help))
    }

    /// Where an expression stands.
    pub(crate) fn span(&self, expr: &Ast) -> Span {
        self.place_of(self.index.span(expr.span()))
    }

    /// Where a name stands.
    pub(crate) fn ident_span(&self, ident: &Ident) -> Span {
        self.place_of(self.index.span(ident.span))
    }

    /// The span, or the statement's if it points nowhere.
    pub(crate) fn place_of(&self, span: Span) -> Span {
        if span.is_somewhere() { span } else { self.place }
    }

    /// A name of one part.
    fn single<'n>(&mut self, name: &'n ObjectName) -> Bound<&'n Ident> {
        match name.0.as_slice() {
            [part] => match part.as_ident() {
                Some(ident) => Ok(ident),
                None => Err(self.error(codes::SYNTAX, self.place, "expected a name")),
            },
            parts => {
                let spans = parts.iter().map(|part| self.index.span(part.span()));
                let span = spans.fold(Span::default(), Span::to);
                let last = parts.last().map_or_else(String::new, ToString::to_string);
                let message = "the name has a catalog or database before it";
                let help = format!("there is only one catalog: write {last}");
                Err(self.error_help(codes::UNSUPPORTED, self.place_of(span), message, help))
            }
        }
    }

    /// What a table's or view's name stands for.
    fn named(&mut self, ident: &Ident) -> Bound<Named> {
        let name = ident.value.as_str();
        if let Some((_, view)) = self.ctes.iter().rev().find(|(cte, _)| cte == name) {
            return Ok(Named::View(view.clone()));
        }
        let span = self.ident_span(ident);
        match self.catalog.entry(name) {
            Some(Entry::Table(id)) => Ok(Named::Table(*id)),
            Some(Entry::View(view)) => Ok(Named::View(view.clone())),
            Some(Entry::Broken) => Err(self.blame(name, span)),
            None => {
                let known = self.catalog.names().chain(self.ctes.iter().map(|(n, _)| n.as_str()));
                let help = match nearest(name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "create it before this statement".to_owned(),
                };
                let message = format!("unknown table `{name}`");
                Err(self.error_help(codes::UNKNOWN_TABLE, span, message, help))
            }
        }
    }

    /// A table or view by its name.
    pub(crate) fn described(&mut self, ident: &Ident) -> Bound<Relation> {
        match self.named(ident)? {
            Named::View(view) => Ok(Relation {
                node: view.node,
                names: view.names,
                qualifier: None,
                joined: Vec::new(),
            }),
            Named::Table(id) => {
                let table = self.catalog.table(id);
                let names = table.columns.iter().map(|column| column.name.clone()).collect();
                Ok(Relation {
                    node: self.graph.table(table),
                    names,
                    qualifier: None,
                    joined: Vec::new(),
                })
            }
        }
    }

    /// Says once that the statement depends on a broken one.
    fn blame(&mut self, name: &str, span: Span) -> Reported {
        if !self.blamed {
            self.blamed = true;
            let message = format!("`{name}` has an error, so this statement was not checked");
            self.error(codes::DEPENDS_ON_BROKEN, span, message);
        }
        Reported
    }
}
