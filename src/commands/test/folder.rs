//! A folder with a test: a job, its input, and the rows that are expected.

use super::inputs::INPUT;
use super::rows::{Expected, Row};
use super::runs::Results;
use crate::cli::TestArgs;
use crate::errors::{self, JobError};
use crate::job::{JobText, sinks};
use anabranch_engine::plan::{FormatSpec, Plan, Table};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The job of a folder.
const JOB: &str = "job.sql";
/// The folder with the rows that are expected.
const EXPECTED: &str = "expected";

/// One test.
#[derive(Debug)]
pub(super) struct TestFolder {
    /// Its path below the folder that was named, or that folder's own name.
    pub(super) name: String,
    /// Where it is.
    pub(super) path: PathBuf,
    /// The job, if it is not in the folder.
    job: Option<PathBuf>,
}

/// The rows that a test expects, by the name of the sink.
pub(super) type Expectations = BTreeMap<String, Expected>;

fn refused(message: String) -> JobError {
    JobError::new(&errors::TEST_FOLDER, message)
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> JobError + '_ {
    move |error| refused(format!("cannot read {}: {error}", path.display()))
}

/// All tests in a folder, in the order of their names.
///
/// # Errors
/// If there is none.
pub(super) fn find(args: &TestArgs) -> Result<Vec<TestFolder>, JobError> {
    let root = &args.folder;
    let mut found = Vec::new();
    search(root, args.job.is_some(), &mut found)?;
    // A folder whose tests stand in folders of their own is none itself.
    if found.len() > 1 && !root.join(EXPECTED).is_dir() {
        found.retain(|path| path != root);
    }
    if found.is_empty() {
        let message = format!("there is no test in {}", root.display());
        return Err(refused(message).with_help(format!(
            "a test is a folder with {JOB}, the files that it reads, and {EXPECTED}/<sink>.jsonl"
        )));
    }
    let name = |path: &Path| {
        let below = path.strip_prefix(root).unwrap_or(path).display().to_string();
        match below.is_empty() {
            true => root.file_name().map_or(".".into(), |name| name.to_string_lossy().into_owned()),
            false => below,
        }
    };
    let job = &args.job;
    Ok(found
        .into_iter()
        .map(|path| TestFolder { name: name(&path), path, job: job.clone() })
        .collect())
}

/// Adds the tests in and below a folder.
fn search(folder: &Path, job_is_given: bool, found: &mut Vec<PathBuf>) -> Result<(), JobError> {
    let has_parts = folder.join(EXPECTED).is_dir() || folder.join(INPUT).is_dir();
    if folder.join(JOB).is_file() || (job_is_given && has_parts) {
        found.push(folder.to_owned());
    }
    let mut below = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable(folder))? {
        let entry = entry.map_err(unreadable(folder))?;
        let name = entry.file_name();
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        let is_part = name == INPUT || name == EXPECTED;
        if entry.path().is_dir() && !is_hidden && !is_part {
            below.push(entry.path());
        }
    }
    below.sort();
    below.iter().try_for_each(|folder| search(folder, job_is_given, found))
}

/// What a sink is called in a test.
pub(super) fn sink_name(table: &Table) -> String {
    table.name.trim_start_matches('$').to_owned()
}

impl TestFolder {
    /// The job's text.
    pub(super) fn job(&self) -> Result<JobText, JobError> {
        let file = self.job.clone().unwrap_or_else(|| self.path.join(JOB));
        JobText::read(&file)
    }

    /// The rows that are expected.
    pub(super) fn expected(&self, plan: &Plan) -> Result<Expectations, JobError> {
        let folder = self.path.join(EXPECTED);
        let mut expectations = Expectations::new();
        if !folder.is_dir() {
            return Ok(expectations);
        }
        for entry in fs::read_dir(&folder).map_err(unreadable(&folder))? {
            let path = entry.map_err(unreadable(&folder))?.path();
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            let stem = path.file_stem().map_or("".into(), |name| name.to_string_lossy());
            if stem.starts_with('.') {
                continue;
            }
            let Some(table) = sinks(plan).find(|table| sink_name(table) == *stem) else {
                let names: Vec<String> = sinks(plan).map(sink_name).collect();
                let message = format!("{} names no sink of the job", path.display());
                return Err(
                    refused(message).with_help(format!("its sinks are {}", names.join(", ")))
                );
            };
            let text = fs::read_to_string(&path).map_err(unreadable(&path))?;
            let rows = match (ending, &table.format) {
                ("jsonl", _) => Row::all_of_json(&text),
                ("csv", FormatSpec::Csv(options)) => Ok(Row::all_of_csv(&text, table, options)),
                ("csv", _) => Err("the sink's format is not CSV: expect .jsonl".to_owned()),
                _ => Err("expected rows stand in .jsonl or .csv".to_owned()),
            };
            let rows = rows.map_err(|what| refused(format!("{}: {what}", path.display())))?;
            let place = format!("{EXPECTED}/{stem}.{ending}");
            let expected = Expected { place, is_csv: ending == "csv", rows };
            if expectations.insert(stem.to_string(), expected).is_some() {
                let message = format!("two files of {} are about {stem}", folder.display());
                return Err(refused(message));
            }
        }
        Ok(expectations)
    }

    /// Writes what came out as what is expected; gives the files that changed.
    pub(super) fn bless(
        &self,
        results: &Results,
        before: &Expectations,
    ) -> Result<Vec<String>, JobError> {
        let folder = self.path.join(EXPECTED);
        let unwritable = |path: &Path, error: std::io::Error| {
            refused(format!("cannot write {}: {error}", path.display()))
        };
        fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, error))?;
        let mut changed = Vec::new();
        for (name, sink) in results {
            let is_csv = before.get(name).map_or(sink.is_csv(), |expected| expected.is_csv);
            let ending = if is_csv { "csv" } else { "jsonl" };
            let place = format!("{EXPECTED}/{name}.{ending}");
            let (path, text) = (self.path.join(&place), sink.text(is_csv));
            if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
                fs::write(&path, text).map_err(|error| unwritable(&path, error))?;
                changed.push(place);
            }
        }
        Ok(changed)
    }
}
