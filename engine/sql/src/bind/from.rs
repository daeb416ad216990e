//! FROM: tables, views, sub-queries and window functions.

use super::{Binder, Bound, Named, Relation, Reported};
use crate::codes;
use crate::options::given;
use crate::parse::parse_options;
use anabranch_engine::diagnostic::Span;
use anabranch_engine::ids::TableId;
use anabranch_engine::plan::SideKind;
use anabranch_engine::types::{Field, Schema, SqlType};
use sqlparser::ast::{
    Expr as Ast, Function, FunctionArguments, Ident, Spanned, TableAlias, TableFactor,
    TableFunctionArgs, TableWithJoins,
};

impl Binder<'_> {
    /// The one relation of FROM; several would be a join.
    pub(super) fn from(&mut self, from: &[TableWithJoins], span: Span) -> Bound<Relation> {
        if self.in_assert() {
            return self.joins(from, span);
        }
        let (first, rest) = match from {
            [] => return Ok(self.no_from()),
            [first, rest @ ..] => (first, rest),
        };
        let TableWithJoins { relation, joins } = first;
        let join = joins.first().map(|join| join.span());
        let join = join.or_else(|| rest.first().map(|other| other.relation.span()));
        if let Some(join) = join {
            let join = self.index.span(join);
            let span = if join.is_somewhere() { join } else { span };
            let message = "joins are not supported";
            let help = "keep one table in FROM; UNION ALL puts the rows of several together";
            return Err(self.error_help(codes::JOIN, span, message, help));
        }
        self.factor(relation, span)
    }

    pub(super) fn factor(&mut self, factor: &TableFactor, span: Span) -> Bound<Relation> {
        let place = self.index.span(factor.span());
        let span = if place.is_somewhere() { place } else { span };
        match factor {
            TableFactor::Table { .. } => self.named_factor(factor, span),
            TableFactor::Derived { lateral: false, subquery, alias, sample: None } => {
                let relation = self.query(subquery)?;
                self.alias(relation, alias.as_ref())
            }
            TableFactor::TableFunction { expr: Ast::Function(function), alias } => {
                let relation = self.table_call(function, span)?;
                self.alias(relation, alias.as_ref())
            }
            TableFactor::MatchRecognize { .. } => {
                let message = "MATCH_RECOGNIZE is not supported";
                let help = "express the pattern with windows, or keep the job on Flink";
                Err(self.error_help(codes::MATCH_RECOGNIZE, span, message, help))
            }
            TableFactor::NestedJoin { .. } => {
                let message = "joins are not supported";
                let help = "keep one table in FROM";
                Err(self.error_help(codes::JOIN, span, message, help))
            }
            TableFactor::Derived { .. }
            | TableFactor::Function { .. }
            | TableFactor::UNNEST { .. } => {
                let message = "LATERAL and table functions are not supported";
                let help = "keep one table, view or sub-query in FROM";
                Err(self.error_help(codes::JOIN, span, message, help))
            }
            _ => {
                let message = "this item in FROM is not supported";
                let help = "FROM takes a table, a view, a sub-query or TABLE(TUMBLE(…))";
                Err(self.error_help(codes::UNSUPPORTED, span, message, help))
            }
        }
    }

    /// A table, view or window function by its name; every field is looked at.
    fn named_factor(&mut self, factor: &TableFactor, span: Span) -> Bound<Relation> {
        let TableFactor::Table {
            name,
            alias,
            args,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } = factor
        else {
            return Err(Reported);
        };

        let ident = self.single(name)?.clone();
        let extras = [
            (
                version.is_some(),
                "FOR SYSTEM_TIME AS OF is not supported: it joins with a version of a table",
            ),
            (!with_hints.is_empty() || !index_hints.is_empty(), "a hint in WITH is not supported"),
            (*with_ordinality, "WITH ORDINALITY is not supported"),
            (!partitions.is_empty(), "PARTITION is not supported here"),
            (json_path.is_some(), "a path behind a table's name is not supported"),
            (sample.is_some(), "TABLESAMPLE is not supported"),
        ];
        if let Some((_, message)) = extras.into_iter().find(|(present, _)| *present) {
            return Err(self.error_help(codes::UNSUPPORTED, span, message, "leave it out"));
        }
        let relation = match args {
            Some(TableFunctionArgs { args, settings: None }) => {
                let name = ident.value.to_ascii_uppercase();
                self.table_function(&name, self.ident_span(&ident), args)?
            }
            Some(TableFunctionArgs { args: _, settings: Some(_) }) => {
                let message = "SETTINGS is not supported";
                return Err(self.error(codes::UNSUPPORTED, span, message));
            }
            None => self.table_by_name(&ident)?,
        };
        self.alias(relation, alias.as_ref())
    }

    /// `TABLE(name(arguments))`.
    fn table_call(&mut self, function: &Function, span: Span) -> Bound<Relation> {
        let name = self.function_name(function)?;
        let args = match &function.args {
            FunctionArguments::List(list)
                if list.clauses.is_empty() && list.duplicate_treatment.is_none() =>
            {
                list.args.as_slice()
            }
            _ => {
                let message = format!("{name} does not take such arguments");
                return Err(self.error(codes::WINDOW_ARGUMENTS, span, message));
            }
        };
        let name_span = function.name.0.first().map(|part| self.index.span(part.span()));
        self.table_function(&name, self.place_of(name_span.unwrap_or_default()), args)
    }

    fn table_function(
        &mut self,
        name: &str,
        span: Span,
        args: &[sqlparser::ast::FunctionArg],
    ) -> Bound<Relation> {
        if super::function::WINDOW_FUNCTIONS.contains(&name) {
            if self.in_assert() {
                return Err(self.timeless(name, span));
            }
            return self.window_function(name, span, args);
        }
        let near = crate::nearest::nearest(name, super::function::WINDOW_FUNCTIONS);
        let help = match near {
            Some(near) => format!("did you mean {near}?"),
            None => "table functions are TUMBLE, HOP, CUMULATE and SESSION".to_owned(),
        };
        let message = format!("unknown table function {name}");
        Err(self.error_help(codes::UNKNOWN_FUNCTION, span, message, help))
    }

    /// `… AS alias (columns)`.
    fn alias(&mut self, mut relation: Relation, alias: Option<&TableAlias>) -> Bound<Relation> {
        let Some(TableAlias { explicit: _, name, columns, at }) = alias else {
            return Ok(relation);
        };
        let span = self.ident_span(name);
        if at.is_some() {
            return Err(self.error(codes::UNSUPPORTED, span, "AT is not supported in an alias"));
        }
        let columns: Vec<Ident> = columns.iter().map(|column| column.name.clone()).collect();
        self.rename(&mut relation, &columns, span)?;
        relation.qualifier = Some(name.value.clone());
        Ok(relation)
    }

    /// A table, view, common table expression, or the side rows of a table.
    pub(super) fn table_by_name(&mut self, ident: &Ident) -> Bound<Relation> {
        if self.in_assert() {
            return self.assert_table(ident);
        }
        let span = self.ident_span(ident);
        let name = ident.value.as_str();
        for (suffix, kind) in [("$late", SideKind::Late), ("$dead", SideKind::Dead)] {
            if let Some(table) = name.strip_suffix(suffix) {
                let table = Ident { value: table.to_owned(), ..ident.clone() };
                return self.side(&table, kind, name, span);
            }
        }
        let qualifier = Some(name.to_owned());
        match self.named(ident)? {
            Named::View(view) => {
                Ok(Relation { node: view.node, names: view.names, qualifier, joined: Vec::new() })
            }
            Named::Table(id) => {
                self.apply_hint(id, span)?;
                self.check_source(id, span)?;
                let table = self.catalog.table(id);
                let names = table.columns.iter().map(|column| column.name.clone()).collect();
                let node = self.graph.table(table);
                Ok(Relation { node, names, qualifier, joined: Vec::new() })
            }
        }
    }

    /// Refuses to read what can only be written.
    fn check_source(&mut self, id: TableId, span: Span) -> Bound<()> {
        let table = self.catalog.table(id);
        let source =
            self.catalog.connectors.iter().any(|spec| spec.name == table.connector && spec.source);
        if source {
            return Ok(());
        }
        let message =
            format!("`{}` cannot be read: '{}' is no source", table.name, table.connector);
        let help = "read from a table of a connector that is a source, such as 'filesystem'";
        Err(self.error_help(codes::WRONG_ROLE, span, message, help))
    }

    /// `t$late` and `t$dead`.
    // spec: T-4
    fn side(&mut self, table: &Ident, kind: SideKind, name: &str, span: Span) -> Bound<Relation> {
        let id = match self.named(table)? {
            Named::Table(id) => id,
            Named::View(_) => {
                let message = format!("`{}` is a view, and has no `{name}`", table.value);
                let help = "late and dead rows belong to the tables that the view reads";
                return Err(self.error_help(codes::UNKNOWN_TABLE, span, message, help));
            }
        };
        self.check_source(id, span)?;
        let table = self.catalog.table(id);
        if kind == SideKind::Late && table.watermark.is_none() {
            let message = format!("`{}` has no WATERMARK, so no row of it is late", table.name);
            let help = "declare WATERMARK FOR a timestamp column";
            return Err(self.error_help(codes::NO_TIME_ATTRIBUTE, span, message, help));
        }
        let schema = side_schema(table.schema(), kind);
        let names = schema.fields.iter().map(|field| field.name.clone()).collect();
        let scan = self.graph.side(table, kind, schema);
        let columns = self.graph.all_columns(scan);
        let node = self.graph.calc(scan, None, columns);
        Ok(Relation { node, names, qualifier: Some(name.to_owned()), joined: Vec::new() })
    }

    /// The options of the hint behind a table's name.
    fn apply_hint(&mut self, id: TableId, span: Span) -> Bound<()> {
        let Some(hint) = self.hints.remove(&span.end) else { return Ok(()) };
        let Some(options) = parse_options(&hint.text) else {
            let message = "the hint is not understood";
            let help = "write /*+ OPTIONS('key' = 'value') */";
            return Err(self.error_help(codes::HINT, hint.span, message, help));
        };
        let overrides = options.iter().map(|option| (option.key.clone(), given(option, hint.span)));
        let table = self.catalog.table(id).clone();
        let mut merged: std::collections::BTreeMap<_, _> = table
            .options
            .iter()
            .map(|(key, value)| (key.clone(), crate::options::Given::at(value, hint.span)))
            .collect();
        merged.extend(overrides);
        let changed = self.table_options(&table, &merged, hint.span)?;
        if changed == table {
            return Ok(());
        }
        if self.graph.is_scanned(id) {
            let message = format!("`{}` is read with other options elsewhere", table.name);
            let help = "a table is read once for all statements: declare a second table";
            return Err(self.error_help(codes::HINT, hint.span, message, help));
        }
        self.catalog.tables[id.0 as usize] = changed;
        Ok(())
    }
}

/// The columns of `$late` and `$dead`.
fn side_schema(table: Schema, kind: SideKind) -> Schema {
    let text = || SqlType::STRING.nullable();
    let place = [Field::new("_split", text()), Field::new("_offset", SqlType::BigInt.nullable())];
    let fields = match kind {
        SideKind::Dead => {
            let rest = [
                Field::new("_line", SqlType::BigInt.nullable()),
                Field::new("_reason", text()),
                Field::new("_expression", text()),
                Field::new("_raw", text()),
            ];
            place.into_iter().chain(rest).collect()
        }
        SideKind::Late => {
            let about = [
                Field::new("_operator", text()),
                Field::new("_windows_missed", SqlType::Int.nullable()),
                Field::new("_windows_total", SqlType::Int.nullable()),
                Field::new("_watermark", SqlType::Timestamp(3).nullable()),
            ];
            table.fields.into_iter().chain(about).chain(place).collect()
        }
    };
    Schema::new(fields)
}
