//! The state folder of a job: its lock, its plan, and starting over.

use crate::driver::{JournalStore, SnapshotStore};
use crate::errors::{self, JobError};
use crate::job::{JobText, path_of, sinks};
use anabranch_connectors::lock::{FolderLock, LockError};
use anabranch_connectors::store::{LocalJournalStore, LocalSnapshotStore, StoreError};
use anabranch_engine::plan::{Plan, plan_text};
use anabranch_engine::sink::files::LOCK;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file with the canonical text of the plan.
pub(crate) const PLAN: &str = "plan.json";
/// The folder of the journal.
pub(crate) const JOURNAL: &str = "journal";
/// The folder of the snapshots.
pub(crate) const SNAPSHOTS: &str = "snapshots";

/// The folder of what sources have to know of what was read.
pub(crate) const SOURCES: &str = "sources";

/// A state folder that this process holds.
pub(super) struct State {
    folder: PathBuf,
    journal: LocalJournalStore,
}

fn cannot(action: &str, path: &Path) -> impl FnOnce(io::Error) -> JobError {
    let place = format!("{action} {}", path.display());
    move |error| {
        let is_full =
            matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let full = if is_full { "the disk is full: " } else { "" };
        JobError::new(&errors::JOURNAL, format!("{full}cannot {place}: {error}"))
    }
}

fn store_error(error: &StoreError) -> JobError {
    if let StoreError::Locked { path, holder } = error {
        let folder = path.parent().unwrap_or(path);
        let message = format!("the state in {} is in use by {holder}", folder.display());
        return JobError::new(&errors::LOCKED, message);
    }
    JobError::new(&errors::JOURNAL, error.to_string())
}

impl State {
    /// Opens and locks a folder, which is made if it is not there.
    pub(super) fn open(folder: &Path) -> Result<State, JobError> {
        let journal =
            LocalJournalStore::open(&folder.join(JOURNAL)).map_err(|error| store_error(&error))?;
        Ok(State { folder: folder.to_owned(), journal })
    }

    /// Whether nothing ran here yet.
    fn is_new(&mut self) -> Result<bool, JobError> {
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
        // A job with another state may be writing there. Held until all is removed.
        let mut locks = Vec::new();
        for folder in &folders {
            let files = files_of(folder)?;
            if overwrite && folder.join(LOCK).exists() {
                locks.push(lock_sink(folder)?);
            }
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
        drop(locks);
        for name in [SNAPSHOTS, SOURCES] {
            let folder = self.folder.join(name);
            if folder.exists() {
                fs::remove_dir_all(&folder).map_err(cannot("remove", &folder))?;
            }
        }
        let plan = self.folder.join(PLAN);
        if plan.exists() {
            fs::remove_file(&plan).map_err(cannot("remove", &plan))?;
        }
        let segments = self.journal.list().map_err(|error| store_error(&error))?;
        self.journal.remove(segments).map_err(|error| store_error(&error))
    }

    /// Compares the plan with the one that the state was written with, and keeps it
    /// if the state is new.
    // spec: G-3
    pub(super) fn check_plan(&mut self, plan: &Plan) -> Result<(), JobError> {
        let path = self.folder.join(PLAN);
        if self.is_new()? {
            return put(&path, plan.canonical().as_bytes()).map_err(cannot("write", &path));
        }
        // Without the old plan the journal's hash still decides.
        let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
        if text == plan.canonical() {
            return Ok(());
        }
        // The same holds for a file that is damaged: it only serves to name differences.
        let Ok(old) = serde_json::from_str::<Plan>(&text) else { return Ok(()) };
        let difference = difference(&old, plan);
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
        Ok((JournalStore::Local(self.journal), SnapshotStore::Local(Box::new(snapshots))))
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

/// Puts a file in place as a whole: a power failure leaves all of it or none.
fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let placed = written.and_then(|()| fs::rename(&temporary, path));
    if placed.is_err() {
        // On a full disk every byte counts, and nobody else would remove it.
        let _ = fs::remove_file(&temporary);
    }
    placed
}

/// Locks a sink's folder as a job does that writes there.
fn lock_sink(folder: &Path) -> Result<FolderLock, JobError> {
    FolderLock::take(&folder.join(LOCK), "starting over").map_err(|error| match error {
        LockError::Held { holder, .. } => {
            let message = format!("{} is in use by {holder}", folder.display());
            JobError::new(&errors::LOCKED, message)
        }
        LockError::Io { path, source } => cannot("lock", &path)(source),
    })
}

/// The names of all that is in a folder but the locked file, which is never removed:
/// whoever holds it would hold nothing any more. None if the folder is not there.
fn files_of(folder: &Path) -> Result<Vec<String>, JobError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(cannot("list", folder))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(cannot("list", folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != LOCK {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Whether a filesystem sink wrote the file: `part-LINEAGE-EPOCH` with a chunk's number
/// or without, not any name that begins like those of other systems.
fn is_ours(name: &str) -> bool {
    if name.starts_with(".anabranch.") {
        return true;
    }
    let name = name.strip_prefix('.').unwrap_or(name);
    let Some(numbers) = name.strip_prefix("part-").and_then(|rest| rest.split('.').next()) else {
        return false;
    };
    let digits = |part: &&str, least: usize| {
        part.len() >= least && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    match numbers.split('-').collect::<Vec<_>>().as_slice() {
        [lineage, epoch] => digits(lineage, 4) && digits(epoch, 12),
        [lineage, epoch, chunk] => digits(lineage, 4) && digits(epoch, 12) && digits(chunk, 5),
        _ => false,
    }
}
