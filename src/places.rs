//! Which folders of a job are one and the same, or lie in each other. Nothing is made
//! here; what is not there yet is judged by its name.

use crate::errors::{self, JobError};
use crate::job::{JobText, path_of, sinks, sources};
use anabranch_engine::plan::{Plan, Table};
use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Refuses a job that would write into its own input, whose sinks would keep their
/// markers in one folder, or one of whose sinks cannot be a folder at all.
///
/// # Errors
/// The first that is found, with the tables that it is about.
pub(crate) fn check(job: &JobText, plan: &Plan) -> Result<(), JobError> {
    let mut folders: BTreeMap<PathBuf, &Table> = BTreeMap::new();
    for table in sinks(plan) {
        let Some(path) = path_of(table, &job.base) else { continue };
        let place = place_of(&path).map_err(|Blocked(file)| {
            let message = format!("the sink {} writes to {}", table.name, path.display());
            let what = match file == path {
                true => "which is a file".to_owned(),
                false => format!("and {} is a file", file.display()),
            };
            JobError::new(&errors::OPTIONS, format!("{message}, {what}"))
                .with_help("a sink writes a folder of files: name one, or a path that is free")
        })?;
        if folders.contains_key(&place) {
            let message = format!("two INSERTs write to {}", path.display());
            return Err(JobError::new(&errors::OPTIONS, message)
                .with_help("put them together into one INSERT with UNION ALL"));
        }
        folders.insert(place, table);
    }
    for source in sources(plan) {
        let Some(path) = path_of(source, &job.base) else { continue };
        // A single file is read as that file alone, whatever stands beside it.
        let Ok(place) = place_of(&path) else { continue };
        let clash = folders.iter().find(|(folder, _)| overlap(folder, &place));
        if let Some((_, sink)) = clash {
            let into = path_of(sink, &job.base).unwrap_or_default();
            let message = format!(
                "the sink {} writes to {}, and {} is read from {}",
                sink.name,
                into.display(),
                source.name,
                path.display()
            );
            return Err(JobError::new(&errors::OVERLAP, message)
                .with_help("give the sink a folder outside of what is read"));
        }
    }
    Ok(())
}

fn overlap(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// Something that is no folder stands where one has to be.
struct Blocked(PathBuf);

/// A folder's path without links and detours; what is not there is taken by name.
fn place_of(path: &Path) -> Result<PathBuf, Blocked> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut place = PathBuf::new();
    let mut is_there = true;
    for part in path.components() {
        match part {
            Component::CurDir => continue,
            Component::ParentDir => {
                place.pop();
                continue;
            }
            Component::Normal(_) | Component::Prefix(_) | Component::RootDir => place.push(part),
        }
        if !is_there {
            continue;
        }
        match std::fs::canonicalize(&place) {
            Ok(found) if found.is_dir() => place = found,
            Ok(_) => return Err(Blocked(place)),
            // One that may not be looked into is refused by the sink itself.
            Err(error) => is_there = error.kind() != io::ErrorKind::NotFound,
        }
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_one_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| place_of(&folder.path().join(name)).ok();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::os::unix::fs::symlink("a", folder.path().join("link")).unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(at("a").is_some());
        for name in ["./a", "a/", "link", "a/../a", "gone/../a", "link/../a/."] {
            assert_eq!(at(name), at("a"), "{name}");
        }
        assert_eq!(at("link/new/./x"), at("a/new/x"));
        assert_ne!(at("a"), at("ab"));
        assert!(!overlap(&at("a").unwrap(), &at("ab").unwrap()));
        assert!(overlap(&at("a").unwrap(), &at("link/b").unwrap()));
        assert_eq!((at("file"), at("file/x")), (None, None));
    }
}
