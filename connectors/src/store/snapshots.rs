//! Snapshots as files of a local folder.

use crate::in_phase;
use crate::store::{StoreError, make_folder, sync_folder};
use anabranch_engine::snapshot::{Manifest, ManifestName, PartName};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const TEMPORARY_END: &str = ".tmp";

/// A folder with one file for each part and one for each manifest. The lock of the
/// journal beside it guards it, too.
#[derive(Debug)]
pub struct LocalSnapshotStore {
    folder: PathBuf,
}

impl LocalSnapshotStore {
    /// Opens the folder, which is made if it is not there.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn open(folder: &Path) -> Result<LocalSnapshotStore, StoreError> {
        make_folder(folder).map_err(StoreError::io("make the folder", folder))?;
        Ok(LocalSnapshotStore { folder: folder.to_owned() })
    }

    /// Writes a part. Its bytes are durable when this returns; its name is with the
    /// manifest.
    ///
    /// # Errors
    /// If it cannot be written; then there is no such part.
    pub fn put_part(&self, name: PartName, bytes: &[u8]) -> Result<(), StoreError> {
        self.put(&name.to_string(), bytes)
    }

    /// Makes a snapshot visible, all parts of which were put. When this returns, it
    /// is durable.
    ///
    /// # Errors
    /// [`StoreError::Incomplete`] if a part is not there. If it cannot be written, it
    /// may or may not be visible, but if it is, it is complete.
    // spec: S-1
    pub fn put_manifest(&self, manifest: &Manifest) -> Result<(), StoreError> {
        let name = manifest.name();
        for part in manifest.parts() {
            let path = self.folder.join(part.name.to_string());
            let bytes = fs::metadata(path).map(|metadata| metadata.len()).ok();
            if bytes != Some(part.bytes) {
                let path = self.folder.join(name.to_string());
                return Err(StoreError::Incomplete { path, part: part.name });
            }
        }
        // The names of the parts have to survive whenever the manifest's does.
        self.sync_names()?;
        self.put(&name.to_string(), &manifest.encode())?;
        self.sync_names()
    }

    /// The names of all snapshots, newest first.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn list(&self) -> Result<Vec<ManifestName>, StoreError> {
        let names = self.file_names()?;
        let mut manifests: Vec<_> =
            names.iter().filter_map(|name| ManifestName::parse(name)).collect();
        manifests.sort_unstable_by(|a, b| b.cmp(a));
        Ok(manifests)
    }

    /// The bytes of a manifest.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read_manifest(&self, name: ManifestName) -> Result<Vec<u8>, StoreError> {
        self.read(&name.to_string())
    }

    /// The bytes of a part.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read_part(&self, name: PartName) -> Result<Vec<u8>, StoreError> {
        self.read(&name.to_string())
    }

    /// Removes all snapshots but these, the parts that none of these names, and what
    /// broken attempts left. Parts of an epoch above all of these stay: they may
    /// belong to a snapshot that is being written.
    ///
    /// # Errors
    /// If something cannot be removed. What is kept is whole in any case.
    // spec: J-4, S-1
    pub fn remove_all_but(&self, keep: &[Manifest]) -> Result<(), StoreError> {
        let kept: BTreeSet<ManifestName> = keep.iter().map(Manifest::name).collect();
        let parts: BTreeSet<PartName> =
            keep.iter().flat_map(|manifest| manifest.parts().map(|part| part.name)).collect();
        let Some(newest) = keep.iter().map(|manifest| manifest.epoch).max() else {
            return Ok(());
        };
        let names = self.file_names()?;
        let old = |name: &&String| {
            ManifestName::parse(name)
                .is_some_and(|name| name.epoch <= newest && !kept.contains(&name))
        };
        for name in names.iter().filter(old) {
            self.remove(name)?;
        }
        // A manifest must never outlive its parts.
        self.sync_names()?;
        let unused = |name: &&String| {
            let whole = name.strip_suffix(TEMPORARY_END).map(|name| name.trim_start_matches('.'));
            let manifest = whole.and_then(ManifestName::parse);
            match PartName::parse(whole.unwrap_or(name)) {
                Some(part) => part.epoch <= newest && !parts.contains(&part),
                None => manifest.is_some_and(|manifest| manifest.epoch <= newest),
            }
        };
        for name in names.iter().filter(unused) {
            self.remove(name)?;
        }
        Ok(())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.folder.join(name);
        let temporary = self.folder.join(format!(".{name}{TEMPORARY_END}"));
        let written = File::create(&temporary).and_then(|mut file| {
            in_phase("write", || file.write_all(bytes))?;
            in_phase("fsync", || file.sync_all())
        });
        if let Err(source) = written {
            // It has no name that counts; if it cannot be removed now, it will be
            // when old snapshots are.
            let _ = fs::remove_file(&temporary);
            return Err(StoreError::io("write", &temporary)(source));
        }
        let renamed = in_phase("rename", || fs::rename(&temporary, &path));
        renamed.map_err(StoreError::io("put in place", &path))
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let path = self.folder.join(name);
        fs::read(&path).map_err(StoreError::io("read", &path))
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(StoreError::io("remove", &path)),
        }
    }

    fn file_names(&self) -> Result<Vec<String>, StoreError> {
        let error = || StoreError::io("list", &self.folder);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(error())? {
            names.extend(entry.map_err(error())?.file_name().into_string());
        }
        Ok(names)
    }

    fn sync_names(&self) -> Result<(), StoreError> {
        sync_folder(&self.folder).map_err(StoreError::fatal("sync", &self.folder))
    }
}
