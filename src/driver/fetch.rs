//! Reading sources: on tokio's threads, paced, and held back while nothing is new.

use super::{Answers, Event};
use anabranch_connectors::in_phase;
use anabranch_connectors::source::{FetchRequest, Fetched, Pace, Source, SourceError, source_of};
use anabranch_engine::ids::{Offset, RequestId, SplitId, SplitName, TableId};
use anabranch_engine::pipeline::{Input, LogEnd};
use anabranch_engine::plan::connector::SIMULATED_ONLY;
use anabranch_engine::plan::{NodeKind, Plan};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How long an answer is held back while nothing is new.
const HOLD: Duration = Duration::from_secs(1);

/// The sources of all tables that the plan reads.
pub(crate) struct Sources {
    tables: BTreeMap<TableId, Arc<Table>>,
}

struct Table {
    name: String,
    source: Box<dyn Source>,
    pace: Option<Pace>,
    /// What was last given of each split.
    given: Mutex<BTreeMap<String, Given>>,
}

/// What was given of a split, and from which offset on.
#[derive(Clone, Copy)]
struct Given {
    from: Offset,
    bytes: u64,
    rows: u64,
}

/// One fetch.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) request: RequestId,
    pub(super) split: SplitId,
    pub(super) name: SplitName,
    pub(super) from: Offset,
    pub(super) until: Option<Offset>,
    pub(super) bytes_max: u32,
    pub(super) wait: bool,
}

impl Sources {
    /// The sources of a plan; relative paths are relative to `base`. Tables of services
    /// are left out: they can be checked, and are not connected to.
    ///
    /// # Errors
    /// If a table's options make no sense.
    pub(crate) fn of(plan: &Plan, base: &Path) -> Result<Sources, SourceError> {
        let mut tables = BTreeMap::new();
        for node in &plan.nodes {
            if let NodeKind::Scan(scan) = &node.kind {
                let table = plan.table(scan.table);
                if SIMULATED_ONLY.contains(&table.connector.as_str()) {
                    continue;
                }
                let source = source_of(table, base)?;
                let pace = source.rows_per_second().map(Pace::new);
                let (name, given) = (table.name.clone(), Mutex::default());
                tables.insert(scan.table, Arc::new(Table { name, source, pace, given }));
            }
        }
        Ok(Sources { tables })
    }

    /// Whether every source can be read at all, now or later.
    ///
    /// # Errors
    /// The first that never can, with its table's name.
    pub(crate) fn check(&self) -> Result<(), (String, SourceError)> {
        for table in self.tables.values() {
            if let Err(error) = table.source.splits()
                && !error.is_transient()
            {
                return Err((table.name.clone(), error));
            }
        }
        Ok(())
    }

    /// Lets the sources keep in this folder what they have to know of what was read.
    ///
    /// # Errors
    /// The first that cannot read what it kept, with its table's name.
    pub(crate) fn remember(&self, folder: &Path) -> Result<(), (String, SourceError)> {
        for (id, table) in &self.tables {
            let kept = table.source.remember(&folder.join(format!("table-{id}.json")));
            kept.map_err(|error| (table.name.clone(), error))?;
        }
        Ok(())
    }

    /// Reads a range at once.
    ///
    /// # Errors
    /// If it cannot be read.
    ///
    /// # Panics
    /// If the plan does not read the table.
    pub(crate) fn read(
        &self,
        table: TableId,
        request: &FetchRequest,
    ) -> Result<Fetched, SourceError> {
        self.tables[&table].source.fetch(request)
    }

    pub(super) fn discover(
        &self,
        runtime: &Handle,
        request: RequestId,
        table: TableId,
        answers: Answers,
    ) {
        let found = self.tables[&table].clone();
        runtime.spawn_blocking(move || {
            answers.send(Event::Input(match in_phase("discover", || found.source.splits()) {
                Ok(splits) => Input::SplitsFound { request, table, splits },
                Err(error) => {
                    let (transient, message) = (error.is_transient(), error.to_string());
                    Input::DiscoverFailed { request, table, transient, message }
                }
            }));
        });
    }

    pub(super) fn fetch(&self, runtime: &Handle, fetch: Fetch, answers: Answers) {
        let table = self.tables[&fetch.name.table].clone();
        runtime.spawn(async move {
            let (request, split) = (fetch.request, fetch.split);
            let input = match table.fetch(fetch).await {
                Ok(Fetched { data, end, .. }) => Input::Fetched { request, split, data, end },
                // spec: J-7
                Err(SourceError::Changed(detail)) => Input::SplitChanged { request, split, detail },
                Err(error) => Input::FetchFailed {
                    request,
                    split,
                    transient: error.is_transient(),
                    message: error.to_string(),
                },
            };
            answers.send_async(Event::Input(input)).await;
        });
    }
}

impl Table {
    /// How many rows to give at most: those of the pace, but more than last time if
    /// these were not one whole record, as one with line ends in it.
    fn rows_max(&self, split: &str, from: Offset) -> Option<u64> {
        let pace = self.pace.as_ref()?;
        let given = self.given.lock().expect("no holder panics");
        let again = given.get(split).filter(|given| given.from == from);
        Some(pace.rows_max().max(again.map_or(0, |given| given.rows.saturating_mul(2))))
    }

    async fn fetch(self: &Arc<Table>, fetch: Fetch) -> Result<Fetched, SourceError> {
        let request = FetchRequest {
            rows_max: self.rows_max(&fetch.name.name, fetch.from),
            split: fetch.name.name,
            from: fetch.from,
            until: fetch.until,
            bytes_max: fetch.bytes_max as usize,
        };
        let mut fetched = self.read(request.clone()).await?;
        let since = Instant::now();
        while fetch.wait
            && fetched.end == LogEnd::AtEnd
            && !self.is_new(&request, &fetched)
            && since.elapsed() < HOLD
        {
            tokio::time::sleep(self.source.poll_interval()).await;
            fetched = self.read(request.clone()).await?;
        }
        if fetch.until.is_none() {
            let given = Given { from: request.from, bytes: fetched.bytes, rows: fetched.rows };
            self.given.lock().expect("no holder panics").insert(request.split, given);
        }
        // That there is nothing new is said at once: whether a split is idle must not
        // depend on the rows that others have booked.
        // spec: F-4, T-3
        if let (Some(pace), None, true) = (&self.pace, fetch.until, fetched.rows > 0) {
            let at = pace.book(fetched.rows, Instant::now());
            tokio::time::sleep_until(at.into()).await;
        }
        Ok(fetched)
    }

    /// Whether a split that stands at its end has more than was last given from the
    /// same offset: what was given and is asked for again is a record that is not
    /// complete yet.
    fn is_new(&self, request: &FetchRequest, fetched: &Fetched) -> bool {
        let given = self.given.lock().expect("no holder panics");
        let given = given.get(&request.split).filter(|given| given.from == request.from);
        fetched.bytes > given.map_or(0, |given| given.bytes)
    }

    async fn read(self: &Arc<Table>, request: FetchRequest) -> Result<Fetched, SourceError> {
        let table = self.clone();
        let read =
            tokio::task::spawn_blocking(move || in_phase("fetch", || table.source.fetch(&request)));
        read.await.unwrap_or_else(|error| Err(SourceError::Changed(error.to_string())))
    }
}
