//! A model of a ClickHouse server: tables of parts, inserts that split into blocks,
//! deduplication that forgets, merges that come late.
//!
//! What it is held against are facts that were measured on the engine of ClickHouse 26.9
//! (`tests/conformance/clickhouse`), not a running server. Where it is stricter:
//! - an insert can stop between any two of its parts;
//! - a merge may take any neighbours at any time, and with automatic cleanup drops
//!   deleted rows at once;
//! - `FINAL` never looks across partitions;
//! - rows can be lost without what remembers their tokens, and parts without what was
//!   written after them.
//!
//! Left out: replicas (an acknowledged insert is seen by every later request), views on a
//! table (which a resent insert reaches again, and a moved partition never), and columns:
//! a row's own are one text.

mod act;
mod part;
mod table;

pub use part::Part;

use super::{ClientId, Disturbance, Service, Toll, View, ViewRecord};
use crate::time::VirtualTime;
use anabranch_engine::service::clickhouse::{
    ClickHouseAnswer, ClickHouseError, ClickHouseRequest, ClickHouseRow, ClickHouseTable,
    Deduplication, NoteVersion, PartitionTransfer,
};
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::Marker;
use anabranch_engine::sink::clickhouse::MarkerNote;
use bytes::Bytes;
use std::collections::BTreeMap;
use table::Table;

/// The model of one server.
#[derive(Clone, Debug, Default)]
pub struct ClickHouseModel {
    tables: BTreeMap<String, Table>,
    notes: BTreeMap<String, Vec<Note>>,
    /// Counts inserts and notes, so that the last ones can be lost.
    writes: u64,
    /// After how many parts the next insert stops.
    stop: Option<u32>,
    /// How many writes more there is room for.
    room: Option<u32>,
    /// Counts merges: decides which neighbours are next.
    merges: u64,
    toll: Toll,
}

/// One version of a note.
#[derive(Clone, Debug)]
struct Note {
    version: NoteVersion,
    write: u64,
    text: Bytes,
}

impl ClickHouseModel {
    /// Makes a table, as whoever owns the job would by hand.
    pub fn create(&mut self, table: &str, definition: ClickHouseTable) {
        self.tables.entry(table.to_owned()).or_insert_with(|| Table::new(definition));
    }

    /// All rows of a table as its parts hold them, merged or not, by part.
    #[must_use]
    pub fn raw(&self, table: &str) -> Vec<Part> {
        self.tables.get(table).map_or(Vec::new(), |table| table.parts.clone())
    }

    /// The rows that a reader sees: with `FINAL`, where the engine replaces.
    #[must_use]
    pub fn rows(&self, table: &str) -> Vec<ClickHouseRow> {
        self.tables.get(table).map_or(Vec::new(), Table::rows_final)
    }

    /// The marker that is noted for a table.
    #[must_use]
    pub fn marker(&self, table: &str) -> Option<Marker> {
        let note = self.note(&format!("{table}/marker"))?;
        MarkerNote::decode(&note.text).ok()?.marker()
    }

    /// The names of all tables.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    fn note(&self, name: &str) -> Option<&Note> {
        self.notes.get(name)?.iter().max_by_key(|note| (note.version, note.write))
    }

    fn request(&mut self, now: VirtualTime, request: &ClickHouseRequest) -> ClickHouseAnswer {
        match self.try_request(now, request) {
            Ok(answer) => answer,
            Err(error) => ClickHouseAnswer::Refused(error),
        }
    }

    fn try_request(
        &mut self,
        now: VirtualTime,
        request: &ClickHouseRequest,
    ) -> Result<ClickHouseAnswer, ClickHouseError> {
        match request {
            ClickHouseRequest::Chunks { table, from } => {
                Ok(ClickHouseAnswer::Chunks(self.table(table)?.chunks(*from)))
            }
            ClickHouseRequest::Create { table, definition } => {
                self.create(table, definition.clone());
                Ok(ClickHouseAnswer::Done)
            }
            ClickHouseRequest::CreateLike { table, like, deduplication_window } => {
                let mut definition = self.table(like)?.definition.clone();
                if let Some(window) = deduplication_window {
                    definition.deduplication_window = *window;
                }
                self.create(table, definition);
                Ok(ClickHouseAnswer::Done)
            }
            ClickHouseRequest::Describe { table } => {
                Ok(ClickHouseAnswer::Table(self.table(table)?.definition.clone()))
            }
            ClickHouseRequest::Drop { table } => {
                self.tables.remove(table);
                Ok(ClickHouseAnswer::Done)
            }
            ClickHouseRequest::Insert { table, deduplication, block_rows_max, rows } => {
                self.insert(now, table, deduplication, *block_rows_max, rows)
            }
            ClickHouseRequest::Optimize { table, cleanup } => {
                self.table(table)?.optimize(*cleanup);
                Ok(ClickHouseAnswer::Done)
            }
            ClickHouseRequest::ReadNote { name } => {
                let note = self.note(name).map(|note| (note.version, note.text.clone()));
                Ok(ClickHouseAnswer::Note(note))
            }
            ClickHouseRequest::Select { table, is_final } => {
                let table = self.table(table)?;
                let rows = if *is_final { table.rows_final() } else { table.rows_raw() };
                Ok(ClickHouseAnswer::Rows(rows))
            }
            ClickHouseRequest::Tables { prefix } => {
                let names = self.tables.keys().filter(|name| name.starts_with(prefix.as_str()));
                Ok(ClickHouseAnswer::Tables(names.cloned().collect()))
            }
            ClickHouseRequest::TransferPartition { from, to, partition, how } => {
                self.transfer(from, to, partition, *how)?;
                Ok(ClickHouseAnswer::Done)
            }
            ClickHouseRequest::Truncate { table } => {
                self.table(table)?.truncate();
                Ok(ClickHouseAnswer::Done)
            }
            ClickHouseRequest::WriteNote { name, version, text } => {
                self.take_room()?;
                self.writes += 1;
                let note = Note { version: *version, write: self.writes, text: text.clone() };
                self.notes.entry(name.clone()).or_default().push(note);
                Ok(ClickHouseAnswer::Done)
            }
        }
    }

    fn insert(
        &mut self,
        now: VirtualTime,
        table: &str,
        deduplication: &Deduplication,
        block_rows_max: u64,
        rows: &[ClickHouseRow],
    ) -> Result<ClickHouseAnswer, ClickHouseError> {
        self.table(table)?;
        self.take_room()?;
        self.writes += 1;
        let (write, stop) = (self.writes, self.stop.take());
        let table = self.table(table)?;
        if table.insert(now, write, deduplication, block_rows_max, rows, stop) {
            return Ok(ClickHouseAnswer::Done);
        }
        let what = "the query was killed".to_owned();
        Ok(ClickHouseAnswer::Failed(ClickHouseError::Other(what)))
    }

    fn table(&mut self, name: &str) -> Result<&mut Table, ClickHouseError> {
        self.tables.get_mut(name).ok_or(ClickHouseError::UnknownTable)
    }

    /// NOT_ENOUGH_SPACE is said before anything is written.
    fn take_room(&mut self) -> Result<(), ClickHouseError> {
        match &mut self.room {
            None => Ok(()),
            Some(0) => Err(ClickHouseError::Busy),
            Some(room) => {
                *room -= 1;
                Ok(())
            }
        }
    }

    fn transfer(
        &mut self,
        from: &str,
        to: &str,
        partition: &Bytes,
        how: PartitionTransfer,
    ) -> Result<(), ClickHouseError> {
        let target = self.table(to)?.definition.engine.clone();
        let source = self.table(from)?;
        if from == to || source.definition.engine != target {
            return Err(ClickHouseError::Other("the tables do not fit".to_owned()));
        }
        let parts = source.copy_of(partition);
        if how == PartitionTransfer::Move {
            source.drop_partition(partition);
        }
        let target = self.table(to)?;
        if how == PartitionTransfer::Replace {
            target.drop_partition(partition);
        }
        target.parts.extend(parts);
        Ok(())
    }

    /// The last writes never happened, as after a restored backup. What merges did with
    /// earlier rows is not undone, and the tokens stay.
    fn lose_writes(&mut self, count: u32) -> Option<String> {
        let kept = self.writes - u64::from(count).min(self.writes);
        let mut lost = 0;
        for notes in self.notes.values_mut() {
            let before = notes.len();
            notes.retain(|note| note.write <= kept);
            lost += before - notes.len();
        }
        for table in self.tables.values_mut() {
            lost += table.lose_after(kept);
        }
        self.toll.gone += lost as u64;
        (lost > 0).then(|| format!("{lost} rows and notes were lost"))
    }

    /// A part is found broken and detached.
    fn lose_part(&mut self, place: u64) -> Option<String> {
        let count: usize = self.tables.values().map(|table| table.parts.len()).sum();
        let mut index = place.checked_rem(count as u64)? as usize;
        for (name, table) in &mut self.tables {
            if index < table.parts.len() {
                let part = table.parts.remove(index);
                self.toll.gone += part.len() as u64;
                return Some(format!("a part of {name} with {} rows is broken", part.len()));
            }
            index -= table.parts.len();
        }
        None
    }
}

/// Whether this is the name of a staging table, which nobody reads.
fn is_staging(table: &str) -> bool {
    table.contains("_staging_")
}

impl Service for ClickHouseModel {
    fn execute(&mut self, now: VirtualTime, _client: ClientId, request: &Request) -> Answer {
        match request {
            Request::ClickHouse(request) => Answer::ClickHouse(self.request(now, request)),
            other => panic!("ClickHouse is not asked {other:?}"),
        }
    }

    fn disturb(&mut self, _now: VirtualTime, disturbance: &Disturbance) -> Option<String> {
        match disturbance {
            Disturbance::LoseAcknowledged { writes } => self.lose_writes(*writes),
            Disturbance::LoseMarker => {
                let name = self.notes.keys().find(|name| name.ends_with("/marker"))?.clone();
                self.notes.remove(&name);
                self.toll.gone += 1;
                Some(format!("note {name} is gone"))
            }
            Disturbance::Merge => {
                self.merges += 1;
                let merges = self.merges;
                let merged = self.tables.values_mut().filter_map(|table| table.merge(merges));
                let merged: Vec<usize> = merged.collect();
                let rows: usize = merged.iter().sum();
                (!merged.is_empty()).then(|| format!("merges left out {rows} rows"))
            }
            // Others write into the table, and its window passes. Nobody else writes into a
            // staging table, and what one attempt writes there its window holds.
            Disturbance::ForgetTokens => {
                let read = self.tables.iter_mut().filter(|(name, _)| !is_staging(name));
                let forgotten: usize = read.map(|(_, table)| table.forget()).sum();
                (forgotten > 0).then(|| format!("{forgotten} tokens are forgotten"))
            }
            Disturbance::Fill { writes } => {
                self.room = Some(*writes);
                Some(format!("{writes} writes more are possible"))
            }
            Disturbance::MakeRoom => self.room.take().map(|_| "there is room again".to_owned()),
            Disturbance::Rot { place } => self.lose_part(*place),
            Disturbance::StopInsert { parts } => {
                self.stop = Some(*parts);
                Some(format!("the next insert stops after {parts} parts"))
            }
            Disturbance::Failover
            | Disturbance::ExpireProducers
            | Disturbance::Retention { .. }
            | Disturbance::FailSync
            | Disturbance::TakeFiles
            | Disturbance::PowerFailure { .. } => None,
        }
    }

    fn toll(&self) -> Toll {
        self.toll
    }

    fn client_died(&mut self, _now: VirtualTime, _process: u32) {}

    fn next_event(&self) -> Option<VirtualTime> {
        None
    }

    fn pass_time(&mut self, _now: VirtualTime) {}

    fn copied(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }

    /// The rows of all tables but staging ones, which nobody reads; by table, and then by
    /// key where a table has versions, else in the order of epochs. The marker is that of
    /// the first table that has one.
    fn view(&self, _now: VirtualTime) -> View {
        let read: Vec<&String> = self.tables.keys().filter(|name| !is_staging(name)).collect();
        let mut view = View::default();
        for (part, name) in read.into_iter().enumerate() {
            view.marker = view.marker.or(self.marker(name));
            view.records.extend(self.rows(name).into_iter().map(|row| ViewRecord {
                part: part as u32,
                key: row.key,
                value: row.value,
            }));
        }
        view
    }
}
