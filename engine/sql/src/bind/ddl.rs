//! CREATE TABLE and CREATE VIEW.

use super::scope::{COMPUTED, HIDDEN, ScopeColumn};
use super::{Binder, Bound, Reported, Scope};
use crate::catalog::{Entry, ViewEntry};
use crate::codes;
use crate::options::Given;
use crate::parse::{ColumnSource, CreateTable, CreateView, OptionSyntax, PrimaryKey, Watermark};
use crate::plan::{replace_columns, uses_tick};
use crate::typing::coerce;
use anabranch_engine::diagnostic::Span;
use anabranch_engine::expr::Expr;
use anabranch_engine::ids::TableId;
use anabranch_engine::plan::connector::ConnectorSpec;
use anabranch_engine::plan::{ColumnKind, FormatSpec, OnError, Table, TableColumn, WatermarkSpec};
use anabranch_engine::types::SqlType;
use sqlparser::ast::Ident;
use std::collections::BTreeMap;

impl Binder<'_> {
    /// Declares a table; `false` if IF NOT EXISTS found the name taken.
    pub(crate) fn create_table(&mut self, create: &CreateTable) -> Bound<()> {
        let CreateTable {
            name,
            if_not_exists,
            columns: _,
            watermarks,
            keys,
            options,
            options_span,
        } = create;
        if !self.check_free(name, *if_not_exists)? {
            return Ok(());
        }
        let span = self.place_of(self.index.span(*options_span));
        let options = self.given_options(options);
        let columns = self.columns(create);
        let mut table = Table {
            id: TableId(0),
            name: name.value.clone(),
            columns: columns.0,
            primary_key: None,
            watermark: None,
            connector: String::new(),
            options: BTreeMap::new(),
            format: FormatSpec::None,
            on_error: OnError::DeadLetter,
            bounded: false,
        };
        let mut result = columns.1.and(options.as_ref().map(|_| ()).map_err(|_| Reported));
        let key = self.primary_key(keys, &mut table);
        result = result.and(key);
        match self.watermark(watermarks, &table, result.is_ok()) {
            Ok(watermark) => table.watermark = watermark,
            Err(Reported) => result = Err(Reported),
        }
        let options = options.unwrap_or_default();
        let table = self.table_options(&table, &options, span).and_then(|table| {
            self.check_metadata(create, &table)?;
            Ok(table)
        });
        result?;
        let span = self.ident_span(name);
        self.catalog.add_table(table?, span);
        Ok(())
    }

    /// Declares a view: its query is bound once, whoever reads it.
    pub(crate) fn create_view(&mut self, create: &CreateView) -> Bound<()> {
        let CreateView { name, if_not_exists, columns, query } = create;
        if !self.check_free(name, *if_not_exists)? {
            return Ok(());
        }
        let mut relation = self.query(query)?;
        let span = self.ident_span(name);
        self.rename(&mut relation, columns, span)?;
        self.check_unique(&relation.names, span)?;
        let view = ViewEntry { node: relation.node, names: relation.names };
        self.catalog.add_view(&name.value, view);
        Ok(())
    }

    /// Whether the name is still to be had.
    fn check_free(&mut self, name: &Ident, if_not_exists: bool) -> Bound<bool> {
        match self.catalog.entry(&name.value) {
            None => {}
            Some(Entry::Table(_) | Entry::View(_)) if if_not_exists => return Ok(false),
            Some(_) => {
                let message = format!("`{}` was created before", name.value);
                let help = "choose another name, or write IF NOT EXISTS to keep the first";
                let span = self.ident_span(name);
                return Err(self.error_help(codes::TABLE_EXISTS, span, message, help));
            }
        }
        if name.value.contains('$') {
            let message = format!("the name `{}` has a $ in it", name.value);
            let help = "$ sets off the side rows of a table, such as `t$late`";
            let span = self.ident_span(name);
            return Err(self.error_help(codes::UNSUPPORTED, span, message, help));
        }
        Ok(true)
    }

    fn check_unique(&mut self, names: &[String], span: Span) -> Bound<()> {
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                let message = format!("two columns are called `{name}`");
                let help = "give them different names with AS";
                return Err(self.error_help(codes::DUPLICATE_COLUMN, span, message, help));
            }
        }
        Ok(())
    }

    /// The options by their key.
    fn given_options(&mut self, options: &[OptionSyntax]) -> Bound<BTreeMap<String, Given>> {
        let mut given = BTreeMap::new();
        let mut failed = false;
        for OptionSyntax { key, key_span, value, value_span } in options {
            let entry = Given {
                value: value.clone(),
                key_span: self.place_of(self.index.span(*key_span)),
                value_span: self.place_of(self.index.span(*value_span)),
            };
            let span = entry.key_span;
            if given.insert(key.clone(), entry).is_some() {
                self.error(codes::BAD_OPTION, span, format!("the option '{key}' stands twice"));
                failed = true;
            }
        }
        if failed { Err(Reported) } else { Ok(given) }
    }

    /// The declared columns; computed ones see the others only, as in Flink.
    fn columns(&mut self, create: &CreateTable) -> (Vec<TableColumn>, Bound<()>) {
        let mut result = Ok(());
        let mut names: Vec<&str> = Vec::new();
        for column in &create.columns {
            let name = column.name.value.as_str();
            if names.contains(&name) {
                let message = format!("two columns are called `{name}`");
                let span = self.ident_span(&column.name);
                result = Err(self.error(codes::DUPLICATE_COLUMN, span, message));
            }
            names.push(name);
        }
        // A computed column stands in the scope under a name that nobody can write.
        let visible = |column: &crate::parse::ColumnSyntax| match &column.source {
            ColumnSource::Computed(_) => {
                ScopeColumn { name: HIDDEN.to_owned(), ty: SqlType::Null.nullable() }
            }
            ColumnSource::Metadata { ty, .. } | ColumnSource::Physical(ty) => {
                ScopeColumn { name: column.name.value.clone(), ty: ty.clone() }
            }
        };
        let mut scope = Scope::empty(COMPUTED);
        let computed = create.columns.iter();
        let computed = computed.filter(|column| matches!(column.source, ColumnSource::Computed(_)));
        scope.aliases = computed.map(|column| column.name.value.clone()).collect();
        scope.columns = create.columns.iter().map(visible).collect();
        let mut columns = Vec::new();
        for column in &create.columns {
            let name = column.name.value.clone();
            let (ty, kind) = match &column.source {
                ColumnSource::Physical(ty) => (ty.clone(), ColumnKind::Physical),
                ColumnSource::Metadata { ty, key } => {
                    let key = key.as_ref().map_or_else(|| name.clone(), |(key, _)| key.clone());
                    (ty.clone(), ColumnKind::Metadata(key))
                }
                ColumnSource::Computed(ast) => match self.expression(&mut scope, ast) {
                    Ok(expr) => (expr.ty.clone(), ColumnKind::Computed(expr)),
                    Err(Reported) => {
                        result = Err(Reported);
                        (SqlType::Null.nullable(), ColumnKind::Physical)
                    }
                },
            };
            columns.push(TableColumn { name, ty, kind });
        }
        (columns, result)
    }

    /// The primary key; its columns are never NULL.
    fn primary_key(&mut self, keys: &[PrimaryKey], table: &mut Table) -> Bound<()> {
        let [first, rest @ ..] = keys else { return Ok(()) };
        if let Some(second) = rest.first() {
            let span = self.place_of(self.index.span(second.span));
            return Err(self.error(codes::PRIMARY_KEY, span, "a second primary key"));
        }
        let mut columns = Vec::new();
        for column in &first.columns {
            let span = self.ident_span(column);
            let found = table.columns.iter().position(|c| c.name == column.value);
            let Some(index) = found else {
                let known = table.columns.iter().map(|column| column.name.as_str());
                let help = match crate::nearest::nearest(&column.value, known) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "name columns of this table".to_owned(),
                };
                let message = format!("the table has no column `{}`", column.value);
                return Err(self.error_help(codes::PRIMARY_KEY, span, message, help));
            };
            if table.columns[index].kind != ColumnKind::Physical {
                let message =
                    format!("`{}` is not stored, so it cannot be part of the key", column.value);
                return Err(self.error(codes::PRIMARY_KEY, span, message));
            }
            if columns.contains(&index) {
                let message = format!("`{}` stands twice in the key", column.value);
                return Err(self.error(codes::PRIMARY_KEY, span, message));
            }
            table.columns[index].ty.nullable = false;
            columns.push(index);
        }
        table.primary_key = Some(columns);
        Ok(())
    }

    /// The watermark: over physical and metadata columns, of the rowtime's type.
    // spec: T-1
    fn watermark(
        &mut self,
        watermarks: &[Watermark],
        table: &Table,
        columns_are_good: bool,
    ) -> Bound<Option<WatermarkSpec>> {
        let [first, rest @ ..] = watermarks else { return Ok(None) };
        if let Some(second) = rest.first() {
            let span = self.place_of(self.index.span(second.span));
            return Err(self.error(codes::WATERMARK_COLUMN, span, "a second WATERMARK"));
        }
        if !columns_are_good {
            return Err(Reported);
        }
        let mut scope = Scope::empty("WATERMARK");
        let columns = table.columns.iter();
        scope.columns =
            columns.map(|c| ScopeColumn { name: c.name.clone(), ty: c.ty.clone() }).collect();
        let index = self.column(&scope, &first.column)?;
        let column = &table.columns[index];
        let span = self.ident_span(&first.column);
        if !column.ty.sql.can_be_rowtime() {
            let message = format!("the rowtime `{}` is {}", column.name, column.ty.sql);
            let help = match &column.ty.sql {
                SqlType::Timestamp(_) => "write TIMESTAMP(3)".to_owned(),
                SqlType::TimestampLtz(_) => "write TIMESTAMP_LTZ(3)".to_owned(),
                sql if sql.is_integer() => format!(
                    "add a computed column: ts AS TO_TIMESTAMP_LTZ(`{}`, 3), and the WATERMARK for it",
                    column.name
                ),
                sql if sql.is_text() => format!(
                    "add a computed column: ts AS CAST(`{}` AS TIMESTAMP(3)), and the WATERMARK for it",
                    column.name
                ),
                _ => "a rowtime is a TIMESTAMP(3) or TIMESTAMP_LTZ(3)".to_owned(),
            };
            return Err(self.error_help(codes::WATERMARK_COLUMN, span, message, help));
        }
        let expr = self.expression(&mut scope, &first.expression)?;
        let span = self.span(&first.expression);
        if !expr.ty.sql.is_timestamp() {
            let message = format!("the watermark is {}, not a timestamp", expr.ty.sql);
            let help = format!("write `{}` - INTERVAL '5' SECOND", column.name);
            return Err(self.error_help(codes::WATERMARK_EXPRESSION, span, message, help));
        }
        let expression = coerce(written_out(&expr, table), &column.ty.sql);
        if uses_tick(&expression) {
            let message = "the watermark depends on the clock";
            let help = "a watermark is a function of the records: use the event time";
            return Err(self.error_help(codes::WATERMARK_EXPRESSION, span, message, help));
        }
        Ok(Some(WatermarkSpec { column: index, expression }))
    }

    /// Whether the connector has the metadata that the columns name.
    fn check_metadata(&mut self, create: &CreateTable, table: &Table) -> Bound<()> {
        let spec = self.catalog.connectors.iter().find(|spec| spec.name == table.connector);
        let Some(spec): Option<ConnectorSpec> = spec.copied() else { return Err(Reported) };
        let mut result = Ok(());
        for column in &create.columns {
            let ColumnSource::Metadata { ty, key } = &column.source else { continue };
            let name = &column.name;
            let (key, span) = match key {
                Some((key, span)) => (key.as_str(), self.place_of(self.index.span(*span))),
                None => (name.value.as_str(), self.ident_span(name)),
            };
            let keys: Vec<&str> = spec.metadata.iter().map(|metadata| metadata.key).collect();
            match spec.metadata.iter().find(|metadata| metadata.key == key) {
                None => {
                    let message = format!("the connector '{}' has no metadata '{key}'", spec.name);
                    let help =
                        match (crate::nearest::nearest(key, keys.iter().copied()), keys.is_empty())
                        {
                            (Some(near), _) => format!("did you mean '{near}'?"),
                            (None, true) => "it has none at all".to_owned(),
                            (None, false) => format!("it has '{}'", keys.join("', '")),
                        };
                    result = Err(self.error_help(codes::UNKNOWN_METADATA, span, message, help));
                }
                Some(metadata) if metadata.ty.sql_type() != ty.sql => {
                    let wanted = metadata.ty.sql_type();
                    let message = format!("the metadata '{key}' is {wanted}, not {}", ty.sql);
                    let help = format!("write `{}` {wanted} METADATA FROM '{key}'", name.value);
                    result = Err(self.error_help(codes::UNKNOWN_METADATA, span, message, help));
                }
                Some(_) => {}
            }
        }
        result
    }
}

/// The expression with computed columns written out.
fn written_out(expr: &Expr, table: &Table) -> Expr {
    replace_columns(expr, &mut |index, column| match table
        .columns
        .get(index)
        .map(|column| &column.kind)
    {
        Some(ColumnKind::Computed(expr)) => expr.clone(),
        _ => column.clone(),
    })
}
