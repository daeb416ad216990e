//! Snapshots: manifests and parts.

use anabranch_engine::codec::{DecodeError, Reader};
use anabranch_engine::ids::{Epoch, Generation, KeyGroup};
use anabranch_engine::snapshot::{
    Manifest, ManifestName, PartName, PartRef, SNAPSHOT_VERSION, decode_part, encode_part,
};
use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

/// The tables that parts of seeds have; an operator has no others.
pub(crate) const TABLES: [&str; 4] = ["panes", "progress", "sessions", "timers"];

/// A payload with what stands before and behind it in a file.
fn sealed(magic: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut bytes = magic.to_vec();
    bytes.extend_from_slice(&SNAPSHOT_VERSION.to_le_bytes());
    bytes.extend_from_slice(payload);
    let checksum = checksum(&bytes);
    bytes.extend_from_slice(&checksum);
    bytes
}

fn checksum(bytes: &[u8]) -> [u8; 16] {
    xxh3_128(bytes).to_be_bytes()
}

/// A manifest that can be read encodes back to its bytes, and so do the names in it. The
/// same bytes without a checksum are refused.
pub fn snapshot_manifest(data: &[u8]) -> bool {
    assert!(Manifest::decode(data).is_err(), "it has no checksum");
    if let Ok(name) = std::str::from_utf8(data) {
        let manifest = ManifestName::parse(name).map(|found| found.to_string());
        assert!(manifest.is_none_or(|found| found == name));
        let part = PartName::parse(name).map(|found| found.to_string());
        assert!(part.is_none_or(|found| found == name));
    }
    let bytes = sealed(*b"ABSm", data);
    let Ok(manifest) = Manifest::decode(&bytes) else { return false };
    assert_eq!(manifest.encode(), bytes, "{manifest:?}");
    let name = manifest.name();
    assert_eq!(ManifestName::parse(&name.to_string()), Some(name));
    for part in manifest.parts() {
        assert_eq!(PartName::parse(&part.name.to_string()), Some(part.name));
    }
    true
}

/// What a manifest would say of a part.
struct Outline {
    name: PartName,
    node: String,
    groups: Vec<KeyGroup>,
}

/// Reads a part as loosely as possible.
fn outline(payload: &[u8]) -> Result<Outline, DecodeError> {
    let reader = &mut Reader::new(payload);
    let epoch = Epoch(reader.u64()?);
    let number = reader.u64()?;
    let nonce = u64::from_le_bytes(reader.array()?);
    let name = PartName { epoch, generation: Generation { number, nonce }, number: reader.u32()? };
    let node = reader.str()?.to_owned();
    reader.list(1, |reader| reader.bytes().map(drop))?;
    let groups = reader.list(1, |reader| {
        let group = reader.u32()?;
        reader.u64()?;
        reader.bytes()?;
        let length = reader.u64()?.saturating_sub(1);
        reader.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        Ok(KeyGroup(group as u16))
    })?;
    Ok(Outline { name, node, groups })
}

/// A part that can be read, and whose tables an operator has, encodes back to its bytes
/// and to the reference in its manifest.
pub fn snapshot_part(data: &[u8]) -> bool {
    let bytes = sealed(*b"ABSp", data);
    let nowhere = Outline {
        name: PartName { epoch: Epoch(0), generation: Generation::default(), number: 0 },
        node: String::new(),
        groups: Vec::new(),
    };
    let Outline { name, node, groups } = outline(data).unwrap_or(nowhere);
    let reference = PartRef {
        name,
        bytes: bytes.len() as u64,
        checksum: checksum(&bytes),
        entries: groups.len() as u64,
        first_key_group: groups.first().copied().unwrap_or_default(),
        last_key_group: groups.last().copied().unwrap_or_default(),
    };
    let bytes = Bytes::from(bytes);
    let Ok(entries) = decode_part(&reference, &node, &bytes) else { return false };
    assert!(decode_part(&reference, "another node", &bytes).is_err() || node == "another node");
    let entries: Result<Vec<_>, String> =
        entries.into_iter().map(|entry| entry.into_state(&TABLES)).collect();
    let Ok(entries) = entries else { return true };
    let (again, named) = encode_part(name, &node, &entries);
    assert_eq!(named, reference);
    assert_eq!(again, bytes, "{entries:?}");
    true
}
