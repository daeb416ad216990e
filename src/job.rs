//! A job: its text, the plan that it compiles to, and where its things are.

use crate::cli::JobArgs;
use crate::errors::{self, JobError};
use crate::output::diagnostics;
use anabranch_engine::plan::{NodeKind, Plan, Table};
use anabranch_sql::{BuiltinConnectors, Compiled, compile};
use std::path::{Path, PathBuf};

/// The folder beside the SQL file that holds the states of its jobs.
const STATES: &str = ".anabranch";
/// What a job without a file is called.
const NAMELESS: &str = "query";

/// The text of a job.
#[derive(Clone, Debug)]
pub(crate) struct JobText {
    /// What it is called.
    pub name: String,
    /// Where it comes from, for messages.
    pub origin: String,
    /// The folder to which its paths are relative.
    pub base: PathBuf,
    /// The statements.
    pub text: String,
}

impl JobText {
    /// The text that the command line names.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn load(args: &JobArgs) -> Result<JobText, JobError> {
        match (&args.file, &args.execute) {
            (Some(file), _) => JobText::read(file),
            (None, text) => Ok(JobText {
                name: NAMELESS.to_owned(),
                origin: "-e".to_owned(),
                base: PathBuf::new(),
                text: text.clone().unwrap_or_default(),
            }),
        }
    }

    /// The text of a file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn read(file: &Path) -> Result<JobText, JobError> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            let message = format!("cannot read {}: {error}", file.display());
            JobError::new(&errors::NO_FILE, message)
        })?;
        let name = file.file_stem().map_or(NAMELESS.into(), |stem| stem.to_string_lossy());
        Ok(JobText {
            name: name.into_owned(),
            origin: file.display().to_string(),
            base: file.parent().unwrap_or(Path::new("")).to_owned(),
            text,
        })
    }

    /// Where the state is kept unless the command line says otherwise.
    #[must_use]
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.base.join(STATES).join(&self.name)
    }

    /// Compiles the statements.
    ///
    /// # Errors
    /// All that is wrong with them, each with its place.
    pub(crate) fn compile(&self) -> Result<Compiled, JobError> {
        let compiled = compile(&self.text, &BuiltinConnectors);
        if compiled.diagnostics.is_empty() {
            return Ok(compiled);
        }
        let shown = diagnostics::render(self, &compiled.diagnostics);
        Err(JobError::new(&errors::SQL, shown))
    }
}

/// The sinks of a plan, in plan order.
pub(crate) fn sinks(plan: &Plan) -> impl Iterator<Item = &Table> {
    plan.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::Sink(sink) => Some(plan.table(sink.table)),
        _ => None,
    })
}

/// The tables that a plan reads, in plan order.
pub(crate) fn sources(plan: &Plan) -> impl Iterator<Item = &Table> {
    plan.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::Scan(scan) => Some(plan.table(scan.table)),
        _ => None,
    })
}

/// Where a table's files are, as its path option says.
#[must_use]
pub(crate) fn path_of(table: &Table, base: &Path) -> Option<PathBuf> {
    anabranch_connectors::source::path_of(table, base).ok()
}
