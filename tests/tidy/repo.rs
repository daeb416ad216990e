//! The files of the repository, read once for each test.

use std::path::{Path, PathBuf};

/// A text file of the repository.
#[derive(Clone, Debug)]
pub(crate) struct TextFile {
    /// Its path below the root, with forward slashes.
    pub(crate) path: String,
    /// What it says.
    pub(crate) text: String,
}

impl TextFile {
    /// A file for a self-test.
    pub(crate) fn new(path: &str, text: &str) -> TextFile {
        TextFile { path: path.into(), text: text.into() }
    }

    /// The part of the name after the last dot, or nothing.
    pub(crate) fn extension(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// Whether it is a planted fault, which exists to break rules.
    pub(crate) fn is_fixture(&self) -> bool {
        self.path.starts_with("tests/fixtures/")
    }

    /// Whether all of it is test code, by its place.
    pub(crate) fn is_test(&self) -> bool {
        let mut folders = self.path.split('/').rev().skip(1);
        folders.any(|folder| folder == "tests" || folder == "fuzz_targets")
    }
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The text of one file.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path))
        .unwrap_or_else(|error| panic!("{path} cannot be read: {error}"))
}

/// Every text file, sorted by path. Built, generated and binary files are left out.
pub(crate) fn text_files() -> Vec<TextFile> {
    let walk = walkdir::WalkDir::new(root()).sort_by_file_name().into_iter();
    let files: Vec<TextFile> = walk
        .filter_entry(|entry| !is_skipped(entry.path()))
        .map(|entry| entry.expect("the repository can be listed"))
        .filter(|entry| entry.file_type().is_file())
        .filter_map(|entry| {
            let path = entry.path().strip_prefix(root()).expect("it lies below the root");
            let path = path.to_str().expect("paths are UTF-8").replace('\\', "/");
            // What is not UTF-8 is data.
            let text = std::fs::read_to_string(entry.path()).ok()?;
            Some(TextFile { path, text })
        })
        .collect();
    assert!(files.len() > 30, "only {} files were found: the walk is broken", files.len());
    files
}

/// Every Rust file but the planted faults.
pub(crate) fn rust_files() -> Vec<TextFile> {
    let mut files = text_files();
    files.retain(|file| file.extension() == "rs" && !file.is_fixture());
    assert!(files.iter().any(|file| file.path == "engine/src/lib.rs"), "the core was not found");
    files
}

fn is_skipped(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_generated = matches!(
        name,
        ".git" | ".anabranch" | "__pycache__" | "corpus" | "artifacts" | "proptest-regressions"
    );
    // What `.gitignore` leaves out: the outputs of the examples.
    let is_output = name == "out" && path.components().any(|part| part.as_os_str() == "examples");
    is_generated || is_output || path.join("CACHEDIR.TAG").exists()
}
