//! The state folder of a job: its lock, its plan, and starting over.

use crate::driver::{JournalStore, SnapshotStore};
use crate::errors::{self, JobError};
use crate::job::{JobText, path_of, sinks};
use anabranch_connectors::lock::LockError;
use anabranch_connectors::store::{LocalJournalStore, LocalSnapshotStore, StoreError};
use anabranch_engine::plan::{Plan, plan_text};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file with the canonical text of the plan.
pub(crate) const PLAN: &str = "plan.json";
/// The folder of the journal.
pub(crate) const JOURNAL: &str = "journal";
/// The folder of the snapshots.
pub(crate) const SNAPSHOTS: &str = "snapshots";

/// A state folder that this process holds.
pub(super) struct State {
    folder: PathBuf,
    journal: LocalJournalStore,
}

fn cannot(action: &str, path: &Path) -> impl FnOnce(io::Error) -> JobError {
    let place = format!("{action} {}", path.display());
    move |error| JobError::new(&errors::JOURNAL, format!("cannot {place}: {error}"))
}

fn store_error(error: &StoreError) -> JobError {
    if let StoreError::Locked(LockError::Held { path, holder }) = error {
        let folder = path.parent().and_then(Path::parent).unwrap_or(path);
        let message = format!("the state in {} is in use by {holder}", folder.display());
        return JobError::new(&errors::LOCKED, message);
    }
    let cause = std::error::Error::source(error);
    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    JobError::new(&errors::JOURNAL, format!("{error}{cause}"))
}

impl State {
    /// Opens and locks a folder, which is made if it is not there.
    pub(super) fn open(folder: &Path) -> Result<State, JobError> {
        let journal =
            LocalJournalStore::open(&folder.join(JOURNAL)).map_err(|error| store_error(&error))?;
        Ok(State { folder: folder.to_owned(), journal })
    }

    /// Whether nothing ran here yet.
    fn is_new(&self) -> Result<bool, JobError> {
        let segments = self.journal.list().map_err(|error| store_error(&error))?;
        Ok(segments.is_empty())
    }

    /// Forgets the state of earlier runs. Sinks must be empty, or are emptied.
    pub(super) fn start_over(
        &mut self,
        job: &JobText,
        plan: &Plan,
        overwrite: bool,
    ) -> Result<(), JobError> {
        let folders: Vec<PathBuf> =
            sinks(plan).filter_map(|table| path_of(table, &job.base)).collect();
        for folder in &folders {
            let files = files_of(folder)?;
            if let (false, Some(file)) = (overwrite || files.is_empty(), files.first()) {
                let message = format!("{} holds {file} of an earlier run", folder.display());
                return Err(JobError::new(&errors::NOT_EMPTY, message).with_help(
                    "give --overwrite as well to remove what earlier runs wrote there",
                ));
            }
            if let Some(stranger) = files.iter().find(|name| !is_ours(name)) {
                let message = format!("{} holds {stranger}, which no job wrote", folder.display());
                return Err(JobError::new(&errors::NOT_EMPTY, message)
                    .with_help("move it away: only what jobs wrote is removed"));
            }
        }
        // The journal goes last: whatever happens in between, the next run sees that
        // a sink is not as it was left.
        for folder in &folders {
            for file in files_of(folder)? {
                let path = folder.join(file);
                fs::remove_file(&path).map_err(cannot("remove", &path))?;
            }
        }
        let snapshots = self.folder.join(SNAPSHOTS);
        if snapshots.exists() {
            fs::remove_dir_all(&snapshots).map_err(cannot("remove", &snapshots))?;
        }
        let plan = self.folder.join(PLAN);
        if plan.exists() {
            fs::remove_file(&plan).map_err(cannot("remove", &plan))?;
        }
        let segments = self.journal.list().map_err(|error| store_error(&error))?;
        self.journal.remove(&segments).map_err(|error| store_error(&error))
    }

    /// Compares the plan with the one that the state was written with, and keeps it
    /// if the state is new.
    // spec: G-3
    pub(super) fn check_plan(&self, plan: &Plan) -> Result<(), JobError> {
        let path = self.folder.join(PLAN);
        if self.is_new()? {
            return fs::write(&path, plan.canonical()).map_err(cannot("write", &path));
        }
        // Without the old plan the journal's hash still decides.
        let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
        if text == plan.canonical() {
            return Ok(());
        }
        let old: Option<Plan> = serde_json::from_str(&text).ok();
        let difference = old.map(|old| difference(&old, plan)).unwrap_or_default();
        let message = format!(
            "the state in {} was written by other statements{}{difference}",
            self.folder.display(),
            if difference.is_empty() { "" } else { ":\n" },
        );
        Err(JobError::new(&errors::PLAN, message).with_help(
            "restore the old statements, give the changed job a --state-dir of its own, or start over with --fresh",
        ))
    }

    /// The stores for the driver.
    pub(super) fn into_stores(self) -> Result<(JournalStore, SnapshotStore), JobError> {
        let snapshots = LocalSnapshotStore::open(&self.folder.join(SNAPSHOTS))
            .map_err(|error| store_error(&error))?;
        Ok((JournalStore::Local(self.journal), SnapshotStore::Local(snapshots)))
    }
}

/// The nodes that differ: those that are gone, and those that are new.
fn difference(old: &Plan, new: &Plan) -> String {
    let nodes = |plan: &Plan| -> Vec<String> {
        // A node takes two lines of the text: what it does, and its columns. Numbers
        // of nodes say nothing: one more node moves them all.
        let text = plan_text(plan);
        let lines: Vec<&str> = text.lines().collect();
        lines.chunks(2).map(|node| without_numbers(&node.join("\n"), plan)).collect()
    };
    let (old_nodes, new_nodes) = (nodes(old), nodes(new));
    let mut lines = Vec::new();
    for node in old_nodes.iter().filter(|node| !new_nodes.contains(node)) {
        lines.extend(node.lines().map(|line| format!("  - {line}")));
    }
    for node in new_nodes.iter().filter(|node| !old_nodes.contains(node)) {
        lines.extend(node.lines().map(|line| format!("  + {line}")));
    }
    if lines.is_empty() {
        return "  (only options of tables or of the job differ)".to_owned();
    }
    lines.join("\n")
}

/// The text of a node with names in place of numbers.
fn without_numbers(text: &str, plan: &Plan) -> String {
    let mut text = text.to_owned();
    for node in plan.nodes.iter().rev() {
        let number = format!("#{}", node.id);
        text = text.replace(&format!("{number} {}", node.name), &node.name);
        text = text.replace(&number, &node.name);
    }
    text
}

/// The names of all files in a folder; none if it is not there.
fn files_of(folder: &Path) -> Result<Vec<String>, JobError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(cannot("list", folder))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(cannot("list", folder))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Whether a filesystem sink wrote the file.
fn is_ours(name: &str) -> bool {
    name.starts_with("part-") || name.starts_with(".part-") || name.starts_with(".anabranch.")
}
