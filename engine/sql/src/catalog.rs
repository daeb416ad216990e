//! The tables and views that the statements so far declared.

use crate::plan::DraftId;
use anabranch_engine::diagnostic::Span;
use anabranch_engine::ids::TableId;
use anabranch_engine::plan::Table;
use anabranch_engine::plan::connector::ConnectorSpec;
use std::collections::BTreeMap;

/// What a name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// A declaration with an error.
    Broken,
    Table(TableId),
    View(ViewEntry),
}

/// A view: bound once, whoever reads it.
#[derive(Clone, Debug)]
pub(crate) struct ViewEntry {
    pub(crate) node: DraftId,
    pub(crate) names: Vec<String>,
}

/// All names.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    /// What tables can be connected to.
    pub(crate) connectors: Vec<ConnectorSpec>,
    /// The tables, by their id.
    pub(crate) tables: Vec<Table>,
    /// Where each table's name stands, by its id.
    pub(crate) spans: Vec<Span>,
    entries: BTreeMap<String, Entry>,
}

impl Catalog {
    pub(crate) fn of(connectors: &[ConnectorSpec]) -> Catalog {
        Catalog { connectors: connectors.to_vec(), ..Catalog::default() }
    }

    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    pub(crate) fn table(&self, id: TableId) -> &Table {
        &self.tables[id.0 as usize]
    }

    /// Adds a table, which gets its id here.
    pub(crate) fn add_table(&mut self, mut table: Table, span: Span) -> TableId {
        let id = TableId(self.tables.len() as u32);
        table.id = id;
        self.entries.insert(table.name.clone(), Entry::Table(id));
        self.tables.push(table);
        self.spans.push(span);
        id
    }

    /// Adds a table that no statement can name.
    pub(crate) fn add_hidden(&mut self, mut table: Table, span: Span) -> TableId {
        let id = TableId(self.tables.len() as u32);
        table.id = id;
        self.tables.push(table);
        self.spans.push(span);
        id
    }

    pub(crate) fn add_view(&mut self, name: &str, view: ViewEntry) {
        self.entries.insert(name.to_owned(), Entry::View(view));
    }

    /// Notes a declaration with an error, unless the name has a good one.
    pub(crate) fn add_broken(&mut self, name: &str) {
        self.entries.entry(name.to_owned()).or_insert(Entry::Broken);
    }
}
