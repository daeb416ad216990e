//! INSERT INTO and the top-level SELECT: queries into sinks.

use super::select::Selection;
use super::{Binder, Bound, Named, Relation, Reported};
use crate::codes;
use crate::nearest::nearest;
use crate::parse::Insert;
use crate::plan::{Column, DraftId};
use crate::typing::{assignable, coerce};
use anabranch_engine::diagnostic::Span;
use anabranch_engine::expr::{Expr, is_castable};
use anabranch_engine::ids::TableId;
use anabranch_engine::plan::{ColumnKind, FormatSpec, NodeKind, OnError, Sink, Table, TableColumn};
use anabranch_engine::types::{SqlType, Value};
use sqlparser::ast::{Ident, Query, SelectItem, SetExpr, Spanned};
use std::collections::BTreeMap;

/// Where a column of the query stands, and its text.
type Item = (Span, String);

impl Binder<'_> {
    /// `INSERT INTO table [(columns)] query`: the sink that takes the rows.
    pub(crate) fn insert(&mut self, insert: &Insert) -> Bound<DraftId> {
        let Insert { table: ident, columns, query } = insert;
        let span = self.ident_span(ident);
        let id = self.sink_table(ident, span);
        let targets = id.and_then(|id| self.targets(id, columns).map(|targets| (id, targets)));
        let relation = self.query(query);
        let ((id, targets), relation) = (targets?, relation?);
        let items = self.items(query, relation.names.len());
        let columns = self.assigned(id, &targets, &relation, &items, span)?;
        let node = self.graph.calc(relation.node, None, columns);
        Ok(self.graph.sink(node, NodeKind::Sink(Sink { table: id })))
    }

    /// A SELECT by itself: its rows are printed.
    pub(crate) fn print(&mut self, query: &Query, number: usize) -> Bound<DraftId> {
        let relation = self.query(query)?;
        let fields = &self.graph.node(relation.node).schema.fields;
        let columns: Vec<TableColumn> = relation
            .names
            .iter()
            .zip(fields)
            .map(|(name, field)| TableColumn {
                name: name.clone(),
                ty: field.ty.clone(),
                kind: ColumnKind::Physical,
            })
            .collect();
        let name = if number == 1 { "$select".to_owned() } else { format!("$select{number}") };
        let passed = columns.iter().enumerate();
        let passed = passed.map(|(index, c)| Column::pass(index, &c.name, &c.ty)).collect();
        let table = Table {
            id: TableId(0),
            name,
            columns,
            primary_key: None,
            watermark: None,
            connector: "print-table".to_owned(),
            options: BTreeMap::new(),
            format: FormatSpec::None,
            on_error: OnError::DeadLetter,
            bounded: false,
        };
        let table = self.catalog.add_hidden(table, self.place);
        let node = self.graph.calc(relation.node, None, passed);
        Ok(self.graph.sink(node, NodeKind::Sink(Sink { table })))
    }

    /// The table of an INSERT, if it can be written.
    fn sink_table(&mut self, ident: &Ident, span: Span) -> Bound<TableId> {
        let id = match self.named(ident)? {
            Named::Table(id) => id,
            Named::View(_) => {
                let message = format!("`{}` is a view and cannot be written", ident.value);
                let help = "INSERT INTO a table";
                return Err(self.error_help(codes::WRONG_ROLE, span, message, help));
            }
        };
        let table = self.catalog.table(id);
        let sink = self
            .catalog
            .connectors
            .iter()
            .any(|spec| spec.name == table.connector && spec.sink.is_some());
        if !sink {
            let message =
                format!("`{}` cannot be written: '{}' is no sink", table.name, table.connector);
            let help = "write into a table of a connector that is a sink, such as 'print'";
            return Err(self.error_help(codes::WRONG_ROLE, span, message, help));
        }
        Ok(id)
    }

    /// For each column of the query the column of the table that takes it.
    fn targets(&mut self, id: TableId, columns: &[Ident]) -> Bound<Vec<usize>> {
        let table = self.catalog.table(id).clone();
        let written: Vec<usize> = (0..table.columns.len())
            .filter(|index| table.columns[*index].kind == ColumnKind::Physical)
            .collect();
        if columns.is_empty() {
            return Ok(written);
        }
        let mut targets = Vec::new();
        for column in columns {
            let span = self.ident_span(column);
            let name = column.value.as_str();
            let Some(index) = written.iter().copied().find(|i| table.columns[*i].name == name)
            else {
                let known = written.iter().map(|index| table.columns[*index].name.as_str());
                let help = match nearest(name, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "name columns that are stored, not computed ones".to_owned(),
                };
                let message = format!("`{}` has no column `{name}` to write", table.name);
                return Err(self.error_help(codes::SINK_COLUMN, span, message, help));
            };
            if targets.contains(&index) {
                let message = format!("`{name}` stands twice in the list");
                return Err(self.error(codes::DUPLICATE_COLUMN, span, message));
            }
            targets.push(index);
        }
        let left_out = written
            .iter()
            .find(|index| !targets.contains(index) && !table.columns[**index].ty.nullable);
        if let Some(index) = left_out {
            let message =
                format!("`{}` is NOT NULL, but the list leaves it out", table.columns[*index].name);
            let spans = columns.iter().map(|column| self.ident_span(column));
            let span = spans.fold(Span::default(), Span::to);
            return Err(self.error(codes::SINK_COLUMN, span, message));
        }
        Ok(targets)
    }

    /// The columns of the table's rows, cast to its types.
    fn assigned(
        &mut self,
        id: TableId,
        targets: &[usize],
        relation: &Relation,
        items: &[Item],
        span: Span,
    ) -> Bound<Vec<Column>> {
        let table = self.catalog.table(id).clone();
        if targets.len() != relation.names.len() {
            let names: Vec<String> =
                targets.iter().map(|index| format!("`{}`", table.columns[*index].name)).collect();
            let message = format!(
                "`{}` takes {} columns, the query gives {}",
                table.name,
                targets.len(),
                relation.names.len()
            );
            let help = format!("columns go by position: {}", names.join(", "));
            return Err(self.error_help(codes::COLUMN_COUNT, span, message, help));
        }
        let given = self.graph.all_columns(relation.node);
        let mut columns = Vec::new();
        let mut failed = false;
        for (index, target) in table.columns.iter().enumerate() {
            if target.kind != ColumnKind::Physical {
                continue;
            }
            let Some(source) = targets.iter().position(|t| *t == index) else {
                let null = Expr::literal(Value::Null, target.ty.sql.clone().nullable());
                columns.push(Column { name: target.name.clone(), expr: null, text: "NULL".into() });
                continue;
            };
            let column = &given[source];
            let item = items.get(source);
            let text = item.map_or_else(|| column.text.clone(), |(_, text)| text.clone());
            let place = item.map_or(span, |(span, _)| *span);
            match self.stored(column.expr.clone(), target, place, &text) {
                Ok(expr) => columns.push(Column { name: target.name.clone(), expr, text }),
                Err(Reported) => failed = true,
            }
        }
        if failed { Err(Reported) } else { Ok(columns) }
    }

    /// The value as the column's type; only conversions that Flink makes by itself.
    fn stored(&mut self, value: Expr, target: &TableColumn, span: Span, text: &str) -> Bound<Expr> {
        let (from, to) = (&value.ty.sql, &target.ty.sql);
        if !assignable(from, to) {
            let message = format!("column `{}` is {to}, but the query gives {from}", target.name);
            let help = match is_castable(from, to) {
                true => format!("write CAST({text} AS {to})"),
                false => "no CAST converts between the two types".to_owned(),
            };
            return Err(self.error_help(codes::SINK_TYPE, span, message, help));
        }
        if *from == SqlType::Null && !target.ty.nullable {
            let message = format!("column `{}` is NOT NULL, but the query gives NULL", target.name);
            return Err(self.error(codes::SINK_TYPE, span, message));
        }
        // A NULL for a column that is NOT NULL is found row by row, at the sink.
        Ok(coerce(value, to))
    }

    /// Where the columns of a query stand, if it is a plain SELECT without `*`.
    fn items(&self, query: &Query, width: usize) -> Vec<Item> {
        let SetExpr::Select(select) = query.body.as_ref() else { return Vec::new() };
        let selection = Selection { items: &select.projection };
        let items: Vec<Item> = selection
            .items
            .iter()
            .filter_map(|item| match item {
                SelectItem::UnnamedExpr(ast) | SelectItem::ExprWithAlias { expr: ast, .. } => {
                    Some((self.place_of(self.index.span(ast.span())), ast.to_string()))
                }
                _ => None,
            })
            .collect();
        if items.len() == width { items } else { Vec::new() }
    }
}
