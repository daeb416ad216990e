//! A whole text: statement by statement, each checked whatever the others are.

use crate::bind::{Binder, Bound, Readable, Reported};
use crate::catalog::{Catalog, Entry};
use crate::codes;
use crate::parse::{AssertText, Chunk, Hint, Parsed, ParsedChunk, asserts_of, parse_chunk, split};
use crate::plan::{DraftId, DraftKind, Graph};
use crate::settings::Settings;
use crate::text::LineIndex;
use anabranch_engine::diagnostic::{Diagnostic, Span};
use anabranch_engine::plan::connector::{CONNECTORS, ConnectorSpec};
use anabranch_engine::plan::{Assert, ColumnKind, NodeKind, Plan, plan_text};
use std::collections::{BTreeMap, BTreeSet};

/// The connectors that a job may use.
pub trait ConnectorCatalog {
    /// All declarations.
    fn connectors(&self) -> &[ConnectorSpec];
}

/// The connectors that the engine declares.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltinConnectors;

impl ConnectorCatalog for BuiltinConnectors {
    fn connectors(&self) -> &[ConnectorSpec] {
        CONNECTORS
    }
}

/// What a text came to.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// The statements that are in order, in the order of the text.
    pub statements: Vec<Statement>,
    /// The plan of all INSERTs and top-level SELECTs; `None` if there is none of
    /// them, or if anything is wrong.
    pub plan: Option<Plan>,
    /// What the text says must hold of what its sinks hold.
    pub asserts: Vec<Assert>,
    /// What is wrong, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// What SET fixed, also keys without a meaning here.
    pub settings: BTreeMap<String, String>,
}

/// A statement of the text.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Where it stands.
    pub span: Span,
    /// What it is, with what it gives for the binary to print.
    pub kind: StatementKind,
}

/// The kinds of statement.
#[derive(Clone, Debug)]
pub enum StatementKind {
    /// A table was declared.
    CreateTable {
        /// Its name.
        name: String,
    },
    /// A view was declared.
    CreateView {
        /// Its name.
        name: String,
    },
    /// `DESCRIBE`.
    Describe {
        /// The table or view.
        name: String,
        /// Its columns.
        columns: Vec<DescribedColumn>,
    },
    /// `EXPLAIN`.
    Explain {
        /// The plan of the statement by itself.
        plan: Box<Plan>,
        /// The same as text.
        text: String,
    },
    /// `INSERT INTO`.
    Insert {
        /// The table that is written.
        table: String,
    },
    /// A SELECT whose rows are printed.
    Select {
        /// The name of the plan's table that takes the rows.
        table: String,
    },
    /// `SET` or `RESET`.
    Set,
    /// `SHOW FUNCTIONS`.
    ShowFunctions {
        /// The names, in order.
        names: Vec<String>,
    },
    /// `SHOW TABLES` or `SHOW VIEWS`.
    ShowTables {
        /// The names, in order.
        names: Vec<String>,
    },
}

/// A column as DESCRIBE shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedColumn {
    /// The name.
    pub name: String,
    /// The type, with `*ROWTIME*` for the event time.
    pub ty: String,
    /// Whether NULL is among its values.
    pub nullable: bool,
    /// Whether it is part of the primary key.
    pub key: bool,
    /// `METADATA FROM 'key'` or `AS …`, or nothing.
    pub extra: String,
}

/// Compiles a job's text. It never panics, whatever the text is.
#[must_use]
pub fn compile(text: &str, connectors: &dyn ConnectorCatalog) -> Compiled {
    let index = LineIndex::new(text);
    let mut split = split(text, &index);
    let (asserts, wrong) = asserts_of(&split.comments, &index);
    split.diagnostics.extend(wrong);
    let mut compiler = Compiler {
        index: &index,
        catalog: Catalog::of(connectors.connectors()),
        graph: Graph::default(),
        diagnostics: split.diagnostics,
        hints: BTreeMap::new(),
        settings: Settings::default(),
        statements: Vec::new(),
        sinks: Vec::new(),
        selects: 0,
        open_set: None,
        queries_came: false,
    };
    for hint in split.hints {
        if let Some(first) = compiler.hints.insert(hint.after, hint) {
            let message = "two hints at one place";
            let help = "put all options into one OPTIONS(…)";
            let diagnostic = Diagnostic::new(codes::HINT, first.span, message).with_help(help);
            compiler.diagnostics.push(diagnostic);
        }
    }
    for chunk in &split.chunks {
        compiler.chunk(chunk);
    }
    let asserts = compiler.asserts(&asserts);
    compiler.finish(asserts)
}

struct Compiler<'a> {
    index: &'a LineIndex<'a>,
    catalog: Catalog,
    graph: Graph,
    diagnostics: Vec<Diagnostic>,
    hints: BTreeMap<u32, Hint>,
    settings: Settings,
    statements: Vec<Statement>,
    sinks: Vec<DraftId>,
    selects: usize,
    /// Where the open statement set begins.
    open_set: Option<Span>,
    /// Whether a statement came that settings concern.
    queries_came: bool,
}

impl Compiler<'_> {
    fn chunk(&mut self, chunk: &Chunk) {
        let ParsedChunk { begins_set, statement, declares } = parse_chunk(chunk, self.index);
        if begins_set {
            if self.open_set.is_some() {
                let message = "a statement set inside another one";
                self.diagnostics.push(Diagnostic::new(codes::STATEMENT_SET, chunk.span, message));
            }
            self.open_set = Some(chunk.span);
        }
        let failed = match statement {
            Ok(None) => false,
            Ok(Some(Parsed::EndSet)) => {
                if self.open_set.take().is_none() {
                    let message = "END without EXECUTE STATEMENT SET BEGIN";
                    self.diagnostics.push(Diagnostic::new(
                        codes::STATEMENT_SET,
                        chunk.span,
                        message,
                    ));
                }
                false
            }
            Ok(Some(parsed)) => {
                if self.open_set.is_some() && !matches!(parsed, Parsed::Insert(_)) {
                    let message = "only INSERT can stand in a statement set";
                    let help =
                        "put the statement before EXECUTE STATEMENT SET, or add END; before it";
                    self.diagnostics.push(
                        Diagnostic::new(codes::STATEMENT_SET, chunk.span, message).with_help(help),
                    );
                }
                match self.statement(&parsed, chunk.span) {
                    Ok(kind) => {
                        self.statements.push(Statement { span: chunk.span, kind });
                        false
                    }
                    Err(Reported) => true,
                }
            }
            Err(diagnostic) => {
                self.diagnostics.push(diagnostic);
                true
            }
        };
        if let (true, Some(name)) = (failed, declares) {
            self.catalog.add_broken(&name);
        }
    }

    fn binder(&mut self, owner: &str, span: Span) -> Binder<'_> {
        self.graph.owner = owner.to_owned();
        self.graph.span = span;
        Binder {
            index: self.index,
            catalog: &mut self.catalog,
            graph: &mut self.graph,
            diagnostics: &mut self.diagnostics,
            hints: &mut self.hints,
            ctes: Vec::new(),
            place: span,
            depth: 0,
            blamed: false,
            assert: None,
        }
    }

    fn statement(&mut self, parsed: &Parsed, span: Span) -> Bound<StatementKind> {
        self.queries_came |= !matches!(parsed, Parsed::Set { .. } | Parsed::Reset(_));
        match parsed {
            Parsed::CreateTable(create) => {
                let name = create.name.value.clone();
                self.binder(&name, span).create_table(create)?;
                Ok(StatementKind::CreateTable { name })
            }
            Parsed::CreateView(create) => {
                let name = create.name.value.clone();
                self.binder(&name, span).create_view(create)?;
                Ok(StatementKind::CreateView { name })
            }
            Parsed::Insert(insert) => {
                let table = insert.table.value.clone();
                let sink = self.binder(&table, span).insert(insert)?;
                self.sinks.push(sink);
                Ok(StatementKind::Insert { table })
            }
            Parsed::Query(query) => {
                self.selects += 1;
                let number = self.selects;
                let table = match number {
                    1 => "$select".to_owned(),
                    _ => format!("$select{number}"),
                };
                let sink = self.binder(&table, span).print(query, number)?;
                self.sinks.push(sink);
                Ok(StatementKind::Select { table })
            }
            Parsed::Explain(inner) => self.explain(inner, span),
            Parsed::Describe(name) => self.describe(name, span),
            Parsed::EndSet => Err(Reported),
            Parsed::Set { key, value } => {
                let (key_span, value_span) = (self.index.span(key.1), self.index.span(value.1));
                let came = self.queries_came;
                let result = self.settings.set((&key.0, key_span), (&value.0, value_span), came);
                self.reported(result)?;
                Ok(StatementKind::Set)
            }
            Parsed::Reset(key) => {
                let key = key.as_ref().map(|(key, at)| (key.as_str(), self.index.span(*at)));
                let result = self.settings.reset(key, self.queries_came);
                self.reported(result)?;
                Ok(StatementKind::Set)
            }
            Parsed::ShowTables => Ok(StatementKind::ShowTables {
                names: self.names(|e| matches!(e, Entry::Table(_) | Entry::View(_))),
            }),
            Parsed::ShowViews => {
                Ok(StatementKind::ShowTables { names: self.names(|e| matches!(e, Entry::View(_))) })
            }
            Parsed::ShowFunctions => Ok(StatementKind::ShowFunctions { names: functions() }),
        }
    }

    fn reported(&mut self, result: Result<(), Diagnostic>) -> Bound<()> {
        result.map_err(|diagnostic| {
            self.diagnostics.push(diagnostic);
            Reported
        })
    }

    fn names(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<String> {
        let names = self.catalog.names();
        let names = names.filter(|name| self.catalog.entry(name).is_some_and(&wanted));
        names.map(str::to_owned).collect()
    }

    fn explain(&mut self, inner: &Parsed, span: Span) -> Bound<StatementKind> {
        let sink = match inner {
            Parsed::Insert(insert) => {
                let table = insert.table.value.clone();
                self.binder(&table, span).insert(insert)?
            }
            Parsed::Query(query) => self.binder("$select", span).print(query, 1)?,
            _ => return Err(Reported),
        };
        let options = self.settings.options.clone();
        let plan = self.graph.lower(&[sink], &self.catalog.tables, options);
        let text = plan_text(&plan);
        Ok(StatementKind::Explain { plan: Box::new(plan), text })
    }

    fn describe(&mut self, ident: &sqlparser::ast::Ident, span: Span) -> Bound<StatementKind> {
        let name = ident.value.clone();
        // Looking the name up reports an unknown one with the nearest.
        let relation = self.binder(&name, span).described(ident)?;
        let columns = match self.catalog.entry(&name) {
            Some(Entry::Table(id)) => {
                let table = self.catalog.table(*id);
                let time = table.watermark.as_ref().map(|watermark| watermark.column);
                let columns = table.columns.iter().enumerate();
                columns
                    .map(|(index, column)| DescribedColumn {
                        name: column.name.clone(),
                        ty: type_text(&column.ty.sql.to_string(), time == Some(index)),
                        nullable: column.ty.nullable,
                        key: table.primary_key.as_ref().is_some_and(|key| key.contains(&index)),
                        extra: match &column.kind {
                            ColumnKind::Physical => String::new(),
                            ColumnKind::Metadata(key) => format!("METADATA FROM '{key}'"),
                            ColumnKind::Computed(expr) => {
                                let schema = table.schema();
                                format!("AS {}", anabranch_engine::plan::expr_text(expr, &schema))
                            }
                        },
                    })
                    .collect()
            }
            _ => {
                let draft = self.graph.node(relation.node);
                let columns = relation.names.iter().zip(&draft.schema.fields).enumerate();
                columns
                    .map(|(index, (name, field))| DescribedColumn {
                        name: name.clone(),
                        ty: type_text(&field.ty.sql.to_string(), draft.time == Some(index)),
                        nullable: field.ty.nullable,
                        key: false,
                        extra: String::new(),
                    })
                    .collect()
            }
        };
        Ok(StatementKind::Describe { name, columns })
    }

    /// The asserts, which may stand before the statements that fill their tables.
    fn asserts(&mut self, texts: &[AssertText]) -> Vec<Assert> {
        let filled = self.sinks.iter().filter_map(|sink| match &self.graph.node(*sink).kind {
            DraftKind::Stream(NodeKind::Sink(sink)) => Some(sink.table),
            DraftKind::Stream(_) | DraftKind::Bounded(_) => None,
        });
        let tables = filled.collect();
        let readable = Readable { tables, is_complete: self.diagnostics.is_empty() };
        let mut names = BTreeSet::new();
        let mut asserts = Vec::new();
        for text in texts {
            if let Some((name, span)) = &text.name
                && !names.insert(name)
            {
                let message = format!("two asserts are called `{name}`");
                let help = "give this one another name";
                let diagnostic = Diagnostic::new(codes::ASSERT, *span, message);
                self.diagnostics.push(diagnostic.with_help(help));
            }
            let mut binder = self.binder("$assert", text.span);
            binder.assert = Some(readable.clone());
            if let Ok(query) = binder.assert(text) {
                asserts.push(Assert {
                    name: text.name.as_ref().map(|(name, _)| name.clone()),
                    line: text.line,
                    text: text.query.to_string(),
                    query,
                });
            }
        }
        asserts
    }

    fn finish(mut self, asserts: Vec<Assert>) -> Compiled {
        if let Some(span) = self.open_set {
            self.diagnostics.push(
                Diagnostic::new(codes::STATEMENT_SET, span, "the statement set is not closed")
                    .with_help("add END; behind its last INSERT"),
            );
        }
        for hint in self.hints.values() {
            let message = "the hint does not stand behind a table's name in FROM";
            self.diagnostics.push(Diagnostic::new(codes::HINT, hint.span, message).with_help(
                "only /*+ OPTIONS('key' = 'value') */ behind a table's name is understood",
            ));
        }
        // A text in double quotes was taken for a name; what follows from that is noise.
        let quotes: Vec<u32> = self
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.code == codes::DOUBLE_QUOTES)
            .map(|diagnostic| diagnostic.span.start)
            .collect();
        self.diagnostics.retain(|diagnostic| {
            diagnostic.code == codes::DOUBLE_QUOTES || !quotes.contains(&diagnostic.span.start)
        });
        // Stable: errors of one place stay in the order in which they were found.
        self.diagnostics.sort_by_key(|diagnostic| diagnostic.span.start);
        let plan = (self.diagnostics.is_empty() && !self.sinks.is_empty()).then(|| {
            self.graph.lower(&self.sinks, &self.catalog.tables, self.settings.options.clone())
        });
        Compiled {
            statements: self.statements,
            plan,
            asserts,
            diagnostics: self.diagnostics,
            settings: self.settings.values,
        }
    }
}

fn type_text(ty: &str, rowtime: bool) -> String {
    if rowtime { format!("{ty} *ROWTIME*") } else { ty.to_owned() }
}

/// The names of all functions and aggregates; operators are none.
fn functions() -> Vec<String> {
    let scalar = anabranch_engine::function::all()
        .flat_map(|function| std::iter::once(&function.name).chain(function.aliases));
    let special = [
        "CASE",
        "CAST",
        "COALESCE",
        "CURRENT_DATE",
        "CURRENT_TIME",
        "CURRENT_TIMESTAMP",
        "CURRENT_WATERMARK",
        "IF",
        "IFNULL",
        "LOCALTIME",
        "LOCALTIMESTAMP",
        "NOW",
        "NULLIF",
        "PROCTIME",
        "TRY_CAST",
    ];
    let named = scalar
        .chain(&crate::bind::AGGREGATES)
        .chain(&special)
        .chain(&crate::bind::WINDOW_FUNCTIONS);
    let words = named.filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
    let names: std::collections::BTreeSet<&str> =
        words.copied().filter(|name| !matches!(*name, "NOT" | "LIKE" | "NEGATE")).collect();
    names.into_iter().map(str::to_owned).collect()
}
