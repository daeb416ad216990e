//! What the sinks of the laboratory hold, row by row, each with where it comes from.
//!
//! Sinks hold bytes, and bytes do not say which record or timer made them. So the
//! journal is computed once more, and what comes out has to be what the sinks hold, byte
//! for byte.
// spec: E-3

use super::{Lab, SinkStore};
use anabranch_engine::executor::Sequential;
use anabranch_engine::format::{encode_csv, encode_json};
use anabranch_engine::ids::{Epoch, SinkId, SplitId, SplitName};
use anabranch_engine::journal::{EpochRecord, scan};
use anabranch_engine::pipeline::{FetchedData, Rehearsal};
use anabranch_engine::plan::{FormatSpec, JsonOptions, Table};
use anabranch_engine::rows::{Origin, RowKind, Rows};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What decides where a row stands among others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowOrigin {
    /// Nothing: constants, and rows of `$late` and `$dead`.
    Nowhere,
    /// A record of this split.
    Record(SplitName),
    /// A timer.
    Timer,
}

/// A row that a sink holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkRow {
    /// The epoch that made it.
    pub epoch: Epoch,
    /// What decides where it stands.
    pub origin: RowOrigin,
    /// How it changes the sink's table.
    pub kind: RowKind,
    /// The row as a line of JSON, without the line's end.
    pub json: String,
    /// The row as its sink stores it, with the line's end.
    pub stored: String,
}

impl Lab {
    /// The rows that each sink holds, in the order of its bytes, by the name of its
    /// table. Sinks whose rows are bytes only.
    ///
    /// # Errors
    /// If computing the journal once more comes to something else than the sinks hold.
    pub fn sink_rows(&self) -> Result<BTreeMap<String, Vec<SinkRow>>, String> {
        let journal = scan(&self.journal.history(), &[]).map_err(|damage| damage.to_string())?;
        let mut rehearsal = Rehearsal::new(Arc::clone(&self.plan)).map_err(|e| e.to_string())?;
        let executor = Sequential { pieces: 1 };
        let mut rows: BTreeMap<SinkId, Vec<SinkRow>> = BTreeMap::new();
        let mut names: BTreeMap<SplitId, SplitName> = BTreeMap::new();
        for record in journal.records_after(Epoch(0)) {
            let data = self.slices_of(&rehearsal, record, &mut names)?;
            let output =
                rehearsal.step(record, data, &executor).map_err(|failure| failure.to_string())?;
            for (sink, pieces) in &output.sinks {
                let table = rehearsal.sink_table(*sink);
                let known = rows.entry(*sink).or_default();
                pieces
                    .iter()
                    .for_each(|piece| take_rows(table, record.epoch, piece, &names, known));
            }
        }
        let mut by_table = BTreeMap::new();
        for (index, table) in self.sink_tables().into_iter().enumerate() {
            let (sink, name) = (SinkId(index as u32), self.plan.table(table).name.clone());
            let rows = rows.remove(&sink).unwrap_or_default();
            let held = self.sinks.get(&sink).map(SinkStore::text).unwrap_or_default();
            let computed: String = rows.iter().map(|row| row.stored.as_str()).collect();
            if held != computed {
                let (held, computed) = (held.lines().count(), computed.lines().count());
                return Err(format!(
                    "{name} holds {held} rows, and its journal computed once more gives {computed} or others"
                ));
            }
            by_table.insert(name, rows);
        }
        Ok(by_table)
    }

    /// The data of an epoch's slices; notes the names of splits on the way.
    fn slices_of(
        &self,
        rehearsal: &Rehearsal,
        record: &EpochRecord,
        names: &mut BTreeMap<SplitId, SplitName>,
    ) -> Result<Vec<FetchedData>, String> {
        let mut data = Vec::new();
        for slice in &record.slices {
            let name = rehearsal.split_name(slice.split, record);
            let name = name.ok_or_else(|| format!("nothing added split {}", slice.split))?;
            let (bytes, _) = self.fetch(&name, slice.start, Some(slice.end), u32::MAX);
            names.insert(slice.split, name);
            data.push(bytes);
        }
        Ok(data)
    }
}

fn take_rows(
    table: &Table,
    epoch: Epoch,
    piece: &Rows,
    names: &BTreeMap<SplitId, SplitName>,
    out: &mut Vec<SinkRow>,
) {
    let schema = table.stored_schema();
    let json_options = match &table.format {
        FormatSpec::Json(options) => options.clone(),
        FormatSpec::Csv(_) | FormatSpec::None => JsonOptions::default(),
    };
    let origin = match &piece.origin {
        Origin::Records { split, .. } => match names.get(split) {
            Some(name) => RowOrigin::Record(name.clone()),
            None => RowOrigin::Nowhere,
        },
        Origin::Timer { .. } => RowOrigin::Timer,
        Origin::Other => RowOrigin::Nowhere,
    };
    for row in 0..piece.len() {
        let mut json = Vec::new();
        encode_json(&schema, &json_options, &piece.batch, row..row + 1, &mut json);
        let json = String::from_utf8_lossy(&json).into_owned();
        let stored = match &table.format {
            FormatSpec::Csv(options) => {
                let mut csv = Vec::new();
                encode_csv(&schema, options, &piece.batch, row..row + 1, &mut csv);
                String::from_utf8_lossy(&csv).into_owned()
            }
            FormatSpec::Json(_) | FormatSpec::None => json.clone(),
        };
        let json = json.trim_end_matches('\n').to_owned();
        let (origin, kind) = (origin.clone(), piece.kind(row));
        out.push(SinkRow { epoch, origin, kind, json, stored });
    }
}
