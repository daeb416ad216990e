//! Reading a sample of a file or of the files of a folder.

use super::guess::{Guess, millis_of};
use crate::errors::{self, JobError};
use anabranch_engine::expr::value_at;
use anabranch_engine::format::{CsvDecoder, Decoder, frame};
use anabranch_engine::ids::Offset;
use anabranch_engine::plan::{CsvOptions, FormatSpec, JsonOptions};
use anabranch_engine::types::{Field, SqlType, Value};
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// So many bytes of each file are looked at.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The format of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    Json,
}

/// Some records, and what their columns seem to be.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) format: Format,
    pub(super) columns: Vec<(String, Guess)>,
    pub(super) records: usize,
    /// What a person should know.
    pub(super) notes: Vec<String>,
    /// For each file, record and column the text of a value that may be a time.
    texts: Vec<Vec<Vec<Option<String>>>>,
}

impl Sample {
    /// Reads up to `records_max` records of a file, or of each file of a folder.
    pub(super) fn read(path: &Path, records_max: usize) -> Result<Sample, JobError> {
        let files = files_of(path)?;
        let mut sample = Sample {
            format: Format::Json,
            columns: Vec::new(),
            records: 0,
            notes: Vec::new(),
            texts: Vec::new(),
        };
        let mut is_first = true;
        for file in &files {
            let bytes = head_of(file)?;
            if is_first {
                let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
                sample.format = if first == Some(&b'{') { Format::Json } else { Format::Csv };
                is_first = false;
            }
            match sample.format {
                Format::Csv => sample.take_csv(&bytes, records_max),
                Format::Json => sample.take_json(&bytes, records_max),
            }
        }
        if sample.columns.is_empty() {
            let message = format!("{} holds no record", path.display());
            return Err(JobError::new(&errors::NO_FILE, message));
        }
        Ok(sample)
    }

    /// For each file the times of a column, in the order of the records.
    pub(super) fn times(&self, column: usize) -> impl Iterator<Item = Vec<i64>> + '_ {
        self.texts.iter().map(move |records| {
            let text = |record: &Vec<Option<String>>| record.get(column).cloned().flatten();
            records.iter().filter_map(text).filter_map(|text| millis_of(&text)).collect()
        })
    }

    fn take_json(&mut self, bytes: &Bytes, records_max: usize) {
        let format = FormatSpec::Json(JsonOptions::default());
        let block = frame(&format, bytes.clone(), Offset(0), true).block;
        let mut texts = Vec::new();
        let mut bad = 0;
        for record in block.records.iter().take(records_max) {
            let text = &block.data[record.start as usize..record.end as usize];
            let Ok(Fields(fields)) = serde_json::from_slice(text) else {
                bad += 1;
                continue;
            };
            let mut row = vec![None; self.columns.len()];
            for (name, value) in &fields {
                let guess = Guess::of_json(value);
                let place = match self.columns.iter().position(|(known, _)| known == name) {
                    Some(place) => place,
                    None => {
                        self.columns.push((name.clone(), Guess::Nothing));
                        row.push(None);
                        self.columns.len() - 1
                    }
                };
                let known = &mut self.columns[place].1;
                *known = std::mem::replace(known, Guess::Nothing).merge(guess);
                row[place] = value.as_str().map(str::to_owned);
            }
            texts.push(row);
        }
        self.records += texts.len();
        self.texts.push(texts);
        if bad > 0 {
            self.notes.push(format!("{bad} records are no JSON objects: they will be dead"));
        }
    }

    fn take_csv(&mut self, bytes: &Bytes, records_max: usize) {
        let options = CsvOptions::default();
        let format = FormatSpec::Csv(options.clone());
        let mut block = frame(&format, bytes.clone(), Offset(0), true).block;
        block.records.truncate(records_max);
        let Some(first) = block.records.first() else { return };
        let first = &block.data[first.start as usize..first.end as usize];
        let width = first.iter().filter(|byte| **byte == b',').count() + 1;
        let field = |index: usize| Field::new(format!("f{index}"), SqlType::STRING.nullable());
        let fields: Vec<Field> = (0..width).map(field).collect();
        let wanted: Vec<usize> = (0..width).collect();
        let batch = CsvDecoder::new(&fields, &wanted, &options).decode(&block).batch;
        let text =
            |row: usize, column: usize| match value_at(batch.column(column), row, &SqlType::STRING)
            {
                Value::Text(text) => Some(text.to_string()),
                _ => None,
            };
        let rows: Vec<Vec<Option<String>>> = (0..batch.num_rows())
            .map(|row| (0..width).map(|column| text(row, column)).collect())
            .collect();
        let (header, rows) = split_header(rows);
        if self.columns.is_empty() {
            let name = |index: usize| {
                let given = header.as_ref().and_then(|names| names.get(index).cloned().flatten());
                given.unwrap_or_else(|| format!("f{index}"))
            };
            self.columns = (0..width).map(|index| (name(index), Guess::Nothing)).collect();
        }
        if header.is_some() {
            self.notes.push(
                "the first line looks like a header; reading it, the table has one dead row"
                    .to_owned(),
            );
        }
        for row in &rows {
            for ((_, known), text) in self.columns.iter_mut().zip(row) {
                let guess = text.as_deref().map_or(Guess::Nothing, Guess::of_text);
                *known = std::mem::replace(known, Guess::Nothing).merge(guess);
            }
        }
        self.records += rows.len();
        self.texts.push(rows);
    }
}

/// The fields of a JSON object in the order of the text.
struct Fields(Vec<(String, serde_json::Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

type Rows = Vec<Vec<Option<String>>>;

/// Takes the first row for a header if all of it are texts, and a later row has
/// something else.
fn split_header(mut rows: Rows) -> (Option<Vec<Option<String>>>, Rows) {
    let all_text = |row: &[Option<String>]| {
        row.iter().flatten().all(|text| Guess::of_text(text) == Guess::Text)
    };
    let is_header =
        rows.first().is_some_and(|first| first.iter().all(Option::is_some) && all_text(first))
            && rows.iter().skip(1).any(|row| !all_text(row));
    match is_header {
        true => (Some(rows.remove(0)), rows),
        false => (None, rows),
    }
}

fn files_of(path: &Path) -> Result<Vec<PathBuf>, JobError> {
    let failed = |error: std::io::Error| {
        JobError::new(&errors::NO_FILE, format!("cannot read {}: {error}", path.display()))
    };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let hidden = file.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name.starts_with('.') || name.starts_with('_')
        });
        if file.is_file() && !hidden {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// The beginning of a file, up to the end of a line unless it is the whole file.
fn head_of(file: &Path) -> Result<Bytes, JobError> {
    let mut bytes = Vec::new();
    let read =
        fs::File::open(file).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    read.map_err(|error| {
        JobError::new(&errors::NO_FILE, format!("cannot read {}: {error}", file.display()))
    })?;
    if bytes.len() as u64 == FILE_BYTES_MAX {
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
        bytes.truncate(end);
    }
    Ok(bytes.into())
}
