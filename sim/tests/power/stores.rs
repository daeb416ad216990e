//! The local stores, as operations on a disk.

use crate::disks::{Disks, End, Place, Process};
use anabranch_engine::journal::{SegmentBytes, SegmentName};
use anabranch_engine::service::fs::{FsAnswer, FsRequest};
use anabranch_engine::snapshot::{Manifest, ManifestName, PartName};
use bytes::Bytes;
use std::collections::BTreeSet;

const MANIFEST_END: &str = ".manifest";
const TEMPORARY_END: &str = ".tmp";

fn list(process: &mut Process, disks: &mut Disks, place: Place) -> Result<Vec<String>, End> {
    match process.ask(disks, place, &FsRequest::List)? {
        FsAnswer::Names(names) => Ok(names),
        other => panic!("a list gives names, not {other:?}"),
    }
}

fn read(
    process: &mut Process,
    disks: &mut Disks,
    place: Place,
    name: &str,
) -> Result<Option<Bytes>, End> {
    match process.ask(disks, place, &FsRequest::Read { name: name.into() })? {
        FsAnswer::Data(bytes) => Ok(Some(bytes)),
        _ => Ok(None),
    }
}

/// All segments; what is read is made durable first.
// spec: J-1
pub(crate) fn read_journal(
    process: &mut Process,
    disks: &mut Disks,
) -> Result<Vec<SegmentBytes>, End> {
    let place = Place::Journal;
    let mut segments = Vec::new();
    for file in list(process, disks, place)? {
        let name = SegmentName::parse(&file).expect("nothing else is written");
        process.must(disks, place, &FsRequest::SyncFile { name: file.clone() })?;
        let bytes = read(process, disks, place, &file)?.expect("it was listed");
        segments.push(SegmentBytes { name, bytes });
    }
    process.must(disks, place, &FsRequest::SyncDir)?;
    Ok(segments)
}

/// A new segment.
// spec: J-3
pub(crate) fn create_segment(
    process: &mut Process,
    disks: &mut Disks,
    name: SegmentName,
    bytes: Bytes,
) -> Result<(), End> {
    let (place, name) = (Place::Journal, name.file_name());
    process.must(disks, place, &FsRequest::Write { name: name.clone(), bytes })?;
    process.must(disks, place, &FsRequest::SyncFile { name })?;
    process.must(disks, place, &FsRequest::SyncDir)
}

/// More records.
// spec: J-1, J-6
pub(crate) fn append(
    process: &mut Process,
    disks: &mut Disks,
    (name, at): (SegmentName, u64),
    bytes: Bytes,
) -> Result<(), End> {
    let (place, name) = (Place::Journal, name.file_name());
    process.must(disks, place, &FsRequest::Append { name: name.clone(), at, bytes })?;
    process.must(disks, place, &FsRequest::SyncFile { name })
}

/// Removes segments, oldest first.
// spec: J-4
pub(crate) fn remove_segments(
    process: &mut Process,
    disks: &mut Disks,
    mut names: Vec<SegmentName>,
) -> Result<(), End> {
    names.sort_unstable();
    for name in names {
        process.must(disks, Place::Journal, &FsRequest::Remove { name: name.file_name() })?;
        process.must(disks, Place::Journal, &FsRequest::SyncDir)?;
    }
    Ok(())
}

fn put(process: &mut Process, disks: &mut Disks, name: String, bytes: Bytes) -> Result<(), End> {
    let place = Place::Snapshots;
    let temporary = format!(".{name}{TEMPORARY_END}");
    process.must(disks, place, &FsRequest::Write { name: temporary.clone(), bytes })?;
    process.must(disks, place, &FsRequest::SyncFile { name: temporary.clone() })?;
    process.must(disks, place, &FsRequest::Rename { from: temporary, to: name })
}

/// The parts become durable, then the manifest visible.
// spec: S-1
pub(crate) fn store_snapshot(
    process: &mut Process,
    disks: &mut Disks,
    name: &str,
    parts: Vec<(String, Bytes)>,
    manifest: Bytes,
) -> Result<(), End> {
    for (part, bytes) in parts {
        put(process, disks, part, bytes)?;
    }
    process.must(disks, Place::Snapshots, &FsRequest::SyncDir)?;
    put(process, disks, format!("{name}{MANIFEST_END}"), manifest)?;
    process.must(disks, Place::Snapshots, &FsRequest::SyncDir)
}

/// All manifests, by the names that the pipeline uses.
pub(crate) fn list_snapshots(
    process: &mut Process,
    disks: &mut Disks,
) -> Result<Vec<(String, Bytes)>, End> {
    let mut found = Vec::new();
    for name in list(process, disks, Place::Snapshots)? {
        if ManifestName::parse(&name).is_some() {
            let bytes = read(process, disks, Place::Snapshots, &name)?.unwrap_or_default();
            found.push((name.trim_end_matches(MANIFEST_END).to_owned(), bytes));
        }
    }
    Ok(found)
}

/// The parts of a snapshot, or why they cannot be read.
pub(crate) fn load_snapshot(
    process: &mut Process,
    disks: &mut Disks,
    name: &str,
) -> Result<Result<Vec<Bytes>, String>, End> {
    let place = Place::Snapshots;
    let bytes = read(process, disks, place, &format!("{name}{MANIFEST_END}"))?.unwrap_or_default();
    let manifest = match Manifest::decode(&bytes) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let mut parts = Vec::new();
    for part in manifest.parts() {
        match read(process, disks, place, &part.name.to_string())? {
            Some(bytes) => parts.push(bytes),
            None => return Ok(Err(format!("{} is not there", part.name))),
        }
    }
    Ok(Ok(parts))
}

/// Removes these snapshots, and the parts that none of the others names.
// spec: J-4, S-1
pub(crate) fn remove_snapshots(
    process: &mut Process,
    disks: &mut Disks,
    names: &[String],
) -> Result<(), End> {
    let place = Place::Snapshots;
    let all = list_snapshots(process, disks)?;
    let kept = all.iter().filter(|(name, _)| !names.contains(name));
    let keep: Vec<Manifest> = kept.filter_map(|(_, bytes)| Manifest::decode(bytes).ok()).collect();
    let Some(newest) = keep.iter().map(|manifest| manifest.epoch).max() else { return Ok(()) };
    let kept: BTreeSet<ManifestName> = keep.iter().map(Manifest::name).collect();
    let parts: BTreeSet<PartName> =
        keep.iter().flat_map(|manifest| manifest.parts().map(|part| part.name)).collect();
    let files = list(process, disks, place)?;
    for name in &files {
        let old = ManifestName::parse(name);
        if old.is_some_and(|old| old.epoch <= newest && !kept.contains(&old)) {
            process.must(disks, place, &FsRequest::Remove { name: name.clone() })?;
        }
    }
    process.must(disks, place, &FsRequest::SyncDir)?;
    for name in &files {
        let whole = name.strip_suffix(TEMPORARY_END).map(|name| name.trim_start_matches('.'));
        let part = PartName::parse(whole.unwrap_or(name));
        if part.is_some_and(|part| part.epoch <= newest && !parts.contains(&part)) {
            process.must(disks, place, &FsRequest::Remove { name: name.clone() })?;
        }
    }
    Ok(())
}
