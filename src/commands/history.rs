//! A state folder that is only looked at: nothing is locked and nothing is written.

use super::state::{JOURNAL, PLAN, SNAPSHOTS};
use crate::errors::{self, JobError};
use anabranch_connectors::store::LocalSnapshotStore;
use anabranch_engine::journal::{Journal, SegmentBytes, SegmentName, scan};
use anabranch_engine::plan::Plan;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder in which states stand beside the SQL file.
const STATES: &str = ".anabranch";

/// A state folder.
pub(super) struct History {
    folder: PathBuf,
}

impl History {
    /// The state in this folder.
    pub(super) fn of(folder: &Path) -> Result<History, JobError> {
        if !folder.join(JOURNAL).is_dir() {
            let message = format!("{} holds no journal", folder.display());
            return Err(JobError::new(&errors::NO_FILE, message));
        }
        Ok(History { folder: folder.to_owned() })
    }

    /// All segments, oldest first.
    pub(super) fn segments(&self) -> Result<Vec<SegmentBytes>, JobError> {
        let folder = self.folder.join(JOURNAL);
        let failed = |error: std::io::Error| {
            JobError::new(&errors::NO_FILE, format!("cannot read {}: {error}", folder.display()))
        };
        let mut segments = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if let Some(name) = entry.file_name().to_str().and_then(SegmentName::parse) {
                let bytes = fs::read(entry.path()).map_err(failed)?.into();
                segments.push(SegmentBytes { name, bytes });
            }
        }
        segments.sort_by_key(|segment| segment.name);
        Ok(segments)
    }

    /// The journal that the segments tell.
    pub(super) fn journal(&self) -> Result<Journal, JobError> {
        scan(&self.segments()?, &[])
            .map_err(|damage| JobError::new(&errors::DAMAGED, damage.to_string()))
    }

    /// The plan that the state was written with.
    pub(super) fn plan(&self) -> Result<Plan, JobError> {
        let path = self.folder.join(PLAN);
        let failed = |what: String| {
            let message = format!("cannot read {}: {what}", path.display());
            JobError::new(&errors::NO_FILE, message).with_help("name the job's SQL file as well")
        };
        let text = fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
    }

    /// The snapshots, if there is a folder of them.
    pub(super) fn snapshots(&self) -> Option<LocalSnapshotStore> {
        let folder = self.folder.join(SNAPSHOTS);
        folder.is_dir().then(|| LocalSnapshotStore::open(&folder).ok()).flatten()
    }

    /// The folder to which the job's paths are relative, if the state stands where
    /// `run` puts it.
    pub(super) fn base(&self) -> PathBuf {
        let states = self.folder.parent().filter(|parent| parent.ends_with(STATES));
        states.and_then(Path::parent).unwrap_or(Path::new("")).to_owned()
    }
}
