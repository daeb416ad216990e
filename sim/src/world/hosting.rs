//! Which machines and services a run is made of.

use crate::ideal::{IdealJournal, IdealSink, IdealSnapshots, IdealStore};
use crate::model::Service;
use crate::plan::{StoreKind, Stores};
use anabranch_engine::journal::JournalMachine;
use anabranch_engine::plan::Table;
use anabranch_engine::sink::SinkMachine;
use anabranch_engine::snapshot::SnapshotMachine;

/// Makes the machines of a process and the services of a world.
///
/// A test that wants a machine with a mistake in it, or a model of its own, brings
/// another one.
pub trait Hosting: std::fmt::Debug {
    /// The service behind the journal.
    fn journal_service(&self) -> Box<dyn Service>;
    /// The journal's machine of a new process.
    fn journal(&self) -> Box<dyn JournalMachine>;
    /// The service behind the store of snapshots.
    fn snapshots_service(&self) -> Box<dyn Service>;
    /// The snapshots' machine of a new process.
    fn snapshots(&self) -> Box<dyn SnapshotMachine>;
    /// The service behind a sink.
    fn sink_service(&self, table: &Table) -> Box<dyn Service>;
    /// A sink's machine of a new process.
    fn sink(&self, table: &Table) -> Box<dyn SinkMachine>;
    /// Whether a process can be replaced while it stands still: no store has a lock that
    /// only dies with its holder.
    fn is_lock_free(&self) -> bool;
}

/// What a plan says of its stores.
impl Hosting for Stores {
    fn journal_service(&self) -> Box<dyn Service> {
        match self.journal {
            StoreKind::Ideal => Box::new(IdealStore::new()),
        }
    }

    fn journal(&self) -> Box<dyn JournalMachine> {
        match self.journal {
            StoreKind::Ideal => Box::new(IdealJournal::new()),
        }
    }

    fn snapshots_service(&self) -> Box<dyn Service> {
        match self.snapshots {
            StoreKind::Ideal => Box::new(IdealStore::new()),
        }
    }

    fn snapshots(&self) -> Box<dyn SnapshotMachine> {
        match self.snapshots {
            StoreKind::Ideal => Box::new(IdealSnapshots::new()),
        }
    }

    fn sink_service(&self, table: &Table) -> Box<dyn Service> {
        match self.sink_kind(table) {
            StoreKind::Ideal => Box::new(IdealStore::new()),
        }
    }

    fn sink(&self, table: &Table) -> Box<dyn SinkMachine> {
        match self.sink_kind(table) {
            StoreKind::Ideal => Box::new(IdealSink::new()),
        }
    }

    fn is_lock_free(&self) -> bool {
        true
    }
}

impl Stores {
    /// How a sink is served: as the plan says, or else as its connector does.
    fn sink_kind(&self, table: &Table) -> StoreKind {
        self.sinks.get(&table.name).copied().unwrap_or(StoreKind::Ideal)
    }
}
