//! Reading sources: on tokio's threads, paced, and held back while nothing is new.

use super::{Answers, Event, phase, phase_end};
use crate::errors::{self, JobError};
use anabranch_connectors::source::{FetchRequest, Fetched, Pace, Source, SourceError, source_of};
use anabranch_engine::ids::{Offset, RequestId, SplitId, SplitName, TableId};
use anabranch_engine::pipeline::{Input, LogEnd};
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
    /// For splits that stood at their end: from which offset they were read last, and
    /// how many bytes there were.
    at_end: Mutex<BTreeMap<String, (Offset, u64)>>,
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
    /// The sources of a plan; relative paths are relative to `base`.
    ///
    /// # Errors
    /// If a table's options make no sense.
    pub(crate) fn of(plan: &Plan, base: &Path) -> Result<Sources, SourceError> {
        let mut tables = BTreeMap::new();
        for node in &plan.nodes {
            if let NodeKind::Scan(scan) = &node.kind {
                let table = plan.table(scan.table);
                let source = source_of(table, base)?;
                let pace = source.rows_per_second().map(Pace::new);
                let (name, at_end) = (table.name.clone(), Mutex::default());
                tables.insert(scan.table, Arc::new(Table { name, source, pace, at_end }));
            }
        }
        Ok(Sources { tables })
    }

    /// Whether every source can be read at all.
    ///
    /// # Errors
    /// The first that cannot, with its table's name.
    pub(crate) fn check(&self) -> Result<(), (String, SourceError)> {
        for table in self.tables.values() {
            table.source.splits().map_err(|error| (table.name.clone(), error))?;
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

    pub(super) fn discover(&self, runtime: &Handle, table: TableId, answers: Answers) {
        let found = self.tables[&table].clone();
        runtime.spawn_blocking(move || {
            answers.send(match found.source.splits() {
                Ok(splits) => Event::Input(Input::SplitsFound { table, splits }),
                Err(error) => {
                    let message = format!("table {}: {error}", found.name);
                    Event::Failed(JobError::new(&errors::SOURCE, message))
                }
            });
        });
    }

    pub(super) fn fetch(&self, runtime: &Handle, fetch: Fetch, answers: Answers) {
        let table = self.tables[&fetch.name.table].clone();
        runtime.spawn(async move {
            let (request, split) = (fetch.request, fetch.split);
            let input = match table.fetch(fetch).await {
                Ok(fetched) => {
                    Input::Fetched { request, split, data: fetched.data, end: fetched.end }
                }
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
    async fn fetch(self: &Arc<Table>, fetch: Fetch) -> Result<Fetched, SourceError> {
        let request = FetchRequest {
            split: fetch.name.name,
            from: fetch.from,
            until: fetch.until,
            bytes_max: fetch.bytes_max as usize,
            rows_max: self.pace.as_ref().map(Pace::rows_max),
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
        if fetched.end == LogEnd::AtEnd {
            let place = (request.from, fetched.bytes);
            self.at_end.lock().expect("no holder panics").insert(request.split, place);
        }
        if let (Some(pace), None) = (&self.pace, fetch.until) {
            let at = pace.book(fetched.rows, Instant::now());
            tokio::time::sleep_until(at.into()).await;
        }
        Ok(fetched)
    }

    /// Whether a split that stands at its end has more than was last given from the
    /// same offset: what was given and is asked for again is a record that is not
    /// complete yet.
    fn is_new(&self, request: &FetchRequest, fetched: &Fetched) -> bool {
        let at_end = self.at_end.lock().expect("no holder panics");
        let given = at_end.get(&request.split).filter(|(from, _)| *from == request.from);
        fetched.bytes > given.map_or(0, |(_, bytes)| *bytes)
    }

    async fn read(self: &Arc<Table>, request: FetchRequest) -> Result<Fetched, SourceError> {
        let table = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            phase("fetch");
            let fetched = table.source.fetch(&request);
            phase_end("fetch");
            fetched
        });
        read.await.unwrap_or_else(|error| Err(SourceError::Changed(error.to_string())))
    }
}
