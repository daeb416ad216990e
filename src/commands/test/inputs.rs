//! What a job reads in a test: files of the test's folder stand in for every source, and
//! memory for every sink.

use crate::errors::{self, JobError};
use crate::job::sources;
use anabranch_connectors::source::{DatagenSource, FetchRequest, FilesystemSource, Source};
use anabranch_engine::ids::{Offset, SplitName};
use anabranch_engine::pipeline::{FetchedData, LogEnd};
use anabranch_engine::plan::{CsvOptions, FormatSpec, JsonOptions, NodeKind, Plan, Table};
use anabranch_sim::lab::LabSplit;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folder with the files that stand in for tables.
pub(super) const INPUT: &str = "input";
/// What such a file may end in.
const ENDINGS: [&str; 3] = ["jsonl", "json", "csv"];
/// What the split of a single file is called that stands in for a log.
const ONLY: &str = "0";
/// A generator without an end is stopped here.
const GENERATED_BYTES_MAX: usize = 64 << 20;

/// The plan with its tables in memory, and what its sources hold.
///
/// Every table ends: what a test waits for has to come.
///
/// # Errors
/// If a source has no input.
pub(super) fn prepare(plan: &Plan, folder: &Path) -> Result<(Plan, Vec<LabSplit>), JobError> {
    let mut plan = plan.clone();
    let mut splits = Vec::new();
    let tables: Vec<_> = sources(&plan).map(|table| table.id).collect();
    for id in tables {
        let stand_in = StandIn::of(plan.table(id), folder)?;
        let read = stand_in.splits()?;
        splits.extend(read);
        plan.tables[id.0 as usize] = stand_in.table;
    }
    for node in plan.nodes.clone() {
        if let NodeKind::Sink(sink) = &node.kind {
            let table = &mut plan.tables[sink.table.0 as usize];
            table.connector = "filesystem".to_owned();
            if table.format == FormatSpec::None {
                table.format = FormatSpec::Json(JsonOptions::default());
            }
        }
    }
    Ok((plan, splits))
}

/// About how many records there are: lines.
pub(super) fn count(splits: &[LabSplit]) -> usize {
    let of_split = |split: &LabSplit| {
        split.data.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count()
    };
    splits.iter().map(of_split).sum()
}

/// What stands in for a source.
struct StandIn {
    /// The table as the pipeline sees it.
    table: Table,
    source: Box<dyn Source>,
    /// Whether offsets count records, as in a log, and not bytes.
    is_log: bool,
    naming: Naming,
}

/// What splits are called.
enum Naming {
    /// As the source calls them.
    AsFound,
    /// As the file without its ending: partitions are numbers.
    Stem,
    /// As the one partition.
    TheOnly,
}

impl StandIn {
    fn of(table: &Table, folder: &Path) -> Result<StandIn, JobError> {
        let unusable = |what: String| {
            let help = format!("put its records into {INPUT}/{}.jsonl", table.name);
            JobError::new(&errors::TEST_FOLDER, format!("table {}: {what}", table.name))
                .with_help(help)
        };
        let mut seen = table.clone();
        seen.bounded = true;
        // What was meant for a service does not concern a file.
        let mut read = seen.clone();
        read.options.remove("source.monitor-interval");
        read.options.remove("scan.rate");
        let files = |read: &Table| -> Result<Box<dyn Source>, JobError> {
            let source = FilesystemSource::of(read, folder);
            Ok(Box::new(source.map_err(|error| unusable(error.to_string()))?))
        };
        if let Some(path) = stand_in_path(table, folder)? {
            read.options = BTreeMap::from([("path".to_owned(), path.display().to_string())]);
            seen.format = format_of(&path, &table.format);
            let is_log =
                table.connector != "filesystem" && matches!(seen.format, FormatSpec::Json(_));
            let naming = if path.is_dir() { Naming::Stem } else { Naming::TheOnly };
            return Ok(StandIn { source: files(&read)?, table: seen, is_log, naming });
        }
        match table.connector.as_str() {
            "datagen" => {
                let source = DatagenSource::of(table);
                let source = source.map_err(|error| unusable(error.to_string()))?;
                seen.format = FormatSpec::Json(JsonOptions::default());
                let source = Box::new(source);
                Ok(StandIn { table: seen, source, is_log: true, naming: Naming::AsFound })
            }
            "filesystem" => {
                let path = table.options.get("path").map_or("", String::as_str);
                if Path::new(path).is_absolute() || path.contains("://") {
                    let what = format!("{path} lies outside of the test's folder");
                    return Err(unusable(what));
                }
                let (source, naming) = (files(&read)?, Naming::AsFound);
                Ok(StandIn { source, table: seen, is_log: false, naming })
            }
            other => Err(unusable(format!("'{other}' cannot be read here"))),
        }
    }

    /// All splits with all their data.
    fn splits(&self) -> Result<Vec<LabSplit>, JobError> {
        let failed = |what: String| {
            let help = format!("put its records into {INPUT}/{}.jsonl", self.table.name);
            JobError::new(&errors::TEST_FOLDER, format!("table {}: {what}", self.table.name))
                .with_help(help)
        };
        let mut splits = Vec::new();
        for found in self.source.splits().map_err(|error| failed(error.to_string()))? {
            let mut data: Vec<u8> = Vec::new();
            let mut from = Offset(0);
            loop {
                let request = FetchRequest {
                    split: found.name.clone(),
                    from,
                    until: None,
                    bytes_max: 1 << 20,
                    rows_max: None,
                };
                let fetched =
                    self.source.fetch(&request).map_err(|error| failed(error.to_string()))?;
                match fetched.data {
                    FetchedData::Bytes(bytes) => {
                        from = Offset(from.0 + bytes.len() as u64);
                        data.extend_from_slice(&bytes);
                    }
                    FetchedData::Records(block) => {
                        for record in &block.records {
                            let range = record.start as usize..record.end as usize;
                            data.extend_from_slice(&block.data[range]);
                            data.push(b'\n');
                        }
                        from = Offset(block.end_offset);
                    }
                }
                if fetched.end == LogEnd::Ended {
                    break;
                }
                if data.len() > GENERATED_BYTES_MAX {
                    return Err(failed("there is no end of its records".to_owned()));
                }
            }
            let name = match self.naming {
                Naming::AsFound => found.name,
                Naming::Stem => Path::new(&found.name).with_extension("").display().to_string(),
                Naming::TheOnly => ONLY.to_owned(),
            };
            let name = SplitName { table: self.table.id, name };
            let is_log = self.is_log;
            splits.push(LabSplit { name, data: data.into(), ended: true, is_log });
        }
        Ok(splits)
    }
}

/// The file or folder that stands in for a table, if there is one.
fn stand_in_path(table: &Table, folder: &Path) -> Result<Option<PathBuf>, JobError> {
    let input = folder.join(INPUT);
    let mut found: Vec<PathBuf> = ENDINGS
        .iter()
        .map(|ending| input.join(format!("{}.{ending}", table.name)))
        .chain([input.join(&table.name)])
        .filter(|path| path.exists())
        .collect();
    match (found.pop(), found.pop()) {
        (Some(one), Some(two)) => {
            let message = format!(
                "both {} and {} stand in for table {}",
                two.display(),
                one.display(),
                table.name
            );
            Err(JobError::new(&errors::TEST_FOLDER, message))
        }
        (found, _) => Ok(found.map(|path| std::path::absolute(&path).unwrap_or(path))),
    }
}

/// The format of a stand-in: that of the table, if it can be, with its options.
fn format_of(path: &Path, declared: &FormatSpec) -> FormatSpec {
    let is_csv = |path: &Path| path.extension().is_some_and(|ending| ending == "csv");
    let csv = match path.is_dir() {
        true => std::fs::read_dir(path)
            .is_ok_and(|files| files.flatten().any(|file| is_csv(&file.path()))),
        false => is_csv(path),
    };
    match (csv, declared) {
        (true, FormatSpec::Csv(_)) | (false, FormatSpec::Json(_)) => declared.clone(),
        (true, _) => FormatSpec::Csv(CsvOptions::default()),
        (false, _) => FormatSpec::Json(JsonOptions::default()),
    }
}
