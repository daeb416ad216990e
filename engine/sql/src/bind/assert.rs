//! Asserts: what they may read, and which of them say anything.

use super::{Binder, Bound, Named, Relation};
use crate::codes;
use crate::parse::AssertText;
use anabranch_engine::diagnostic::Span;
use anabranch_engine::ids::TableId;
use anabranch_engine::plan::{BoundedKind, BoundedPlan};
use sqlparser::ast::Ident;

impl Binder<'_> {
    /// The query of an assert.
    pub(crate) fn assert(&mut self, text: &AssertText) -> Bound<BoundedPlan> {
        let relation = self.query(&text.query)?;
        if !self.graph.reads_table(relation.node) {
            let message = "the assert reads no table";
            let help = "read a table that an INSERT of the job fills";
            return Err(self.error_help(codes::ASSERT, text.span, message, help));
        }
        if self.graph.always_gives_a_row(relation.node) {
            let message = "the assert gives a row whatever the tables hold, so it never holds";
            let help = "the rows are what must not be: add HAVING with what is wrong, such as \
                        HAVING COUNT(*) > 10";
            return Err(self.error_help(codes::ASSERT, text.span, message, help));
        }
        Ok(self.graph.lower_bounded(relation.node))
    }

    /// Whether the query that is bound is that of an assert, which sees whole tables.
    pub(super) fn in_assert(&self) -> bool {
        self.assert.is_some()
    }

    /// Refuses what needs the time of a stream.
    pub(super) fn timeless(&mut self, what: &str, span: Span) -> super::Reported {
        let message = format!("{what} in an assert, which sees rows without any time");
        let help = "compare with, or group by, columns of the table, such as its window_start";
        self.error_help(codes::ASSERT, span, message, help)
    }

    /// A table that an assert reads.
    pub(super) fn assert_table(&mut self, ident: &Ident) -> Bound<Relation> {
        let span = self.ident_span(ident);
        let name = ident.value.as_str();
        let qualifier = Some(name.to_owned());
        if let Some((_, view)) = self.ctes.iter().rev().find(|(cte, _)| cte == name) {
            let (node, names) = (view.node, view.names.clone());
            return Ok(Relation { node, names, qualifier, joined: Vec::new() });
        }
        if name.ends_with("$late") || name.ends_with("$dead") {
            let message = format!("`{name}` is no table that a sink holds");
            let help = format!("INSERT its rows into a table: SELECT … FROM `{name}`");
            return Err(self.error_help(codes::ASSERT, span, message, help));
        }
        let id = match self.named(ident)? {
            Named::Table(id) => id,
            Named::View(_) => {
                let message = format!("`{name}` is a view over the job's input");
                let help = "an assert reads what sinks hold: read the table that the view's rows \
                            are written into";
                return Err(self.error_help(codes::ASSERT, span, message, help));
            }
        };
        self.check_readable(id, span)?;
        let table = self.catalog.table(id);
        let schema = table.stored_schema();
        let names = schema.fields.iter().map(|field| field.name.clone()).collect();
        let node = self.graph.bounded(BoundedKind::Table(name.to_owned()), Vec::new(), schema);
        Ok(Relation { node, names, qualifier, joined: Vec::new() })
    }

    /// Refuses a table that no sink of the job fills, or that nobody can read back.
    fn check_readable(&mut self, id: TableId, span: Span) -> Bound<()> {
        let Some(readable) = &self.assert else { return Ok(()) };
        let table = self.catalog.table(id);
        if !readable.tables.contains(&id) {
            if !readable.is_complete {
                // The INSERT may be the statement that has an error.
                return Err(super::Reported);
            }
            let filled = readable.tables.iter().map(|id| self.catalog.table(*id));
            let filled = filled.filter(|table| table.keeps_marker());
            let filled: Vec<String> = filled.map(|table| format!("`{}`", table.name)).collect();
            let message = format!("no INSERT of the job fills `{}`", table.name);
            let help = match filled.is_empty() {
                true => "an assert reads the tables that INSERT statements fill".to_owned(),
                false => format!("an assert reads what the sinks hold: {}", filled.join(", ")),
            };
            return Err(self.error_help(codes::ASSERT, span, message, help));
        }
        if !table.keeps_marker() {
            let message = format!("what `{}` was given cannot be read back", table.name);
            let help = format!(
                "'{}' keeps no rows: write them into a table of another connector, such as \
                 'filesystem'",
                table.connector
            );
            return Err(self.error_help(codes::ASSERT, span, message, help));
        }
        Ok(())
    }
}
