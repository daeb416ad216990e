//! What the fuzzer found worth keeping holds still: every committed file of a corpus goes
//! through the property of its target.

use anabranch_fuzz_props::{Property, TARGETS, seeds};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus")
}

/// The files of a target, in the order of their names.
fn files(target: &str) -> Vec<PathBuf> {
    let folder = fs::read_dir(corpus().join(target)).expect("every target has a corpus");
    let mut files: Vec<PathBuf> =
        folder.map(|entry| entry.expect("it can be listed").path()).collect();
    files.sort();
    files
}

fn property(target: &str) -> Property {
    TARGETS.iter().find(|(name, _)| *name == target).expect("it is a target").1
}

/// Checks every file; panics name the file because the test prints it first. Some of
/// them must be taken for what they claim to be, or the corpus checks nothing.
fn replay(target: &str) {
    let files = files(target);
    let mut taken = 0;
    for file in &files {
        println!("{}", file.display());
        let bytes = fs::read(file).expect("it can be read");
        taken += usize::from(property(target)(&bytes));
    }
    println!("{target}: {taken} of {} files are taken", files.len());
    assert!(taken > 0, "none of {} files is taken", files.len());
}

macro_rules! replays {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target));
            }
        )*

        #[test]
        fn every_target_is_replayed() {
            let replayed = BTreeSet::from([$(stringify!($target)),*]);
            let targets: BTreeSet<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(replayed, targets);
            let folders = fs::read_dir(corpus()).expect("there is a corpus");
            let folders: BTreeSet<String> = folders
                .map(|entry| entry.expect("it can be listed").file_name())
                .map(|name| name.to_string_lossy().into_owned())
                .collect();
            assert_eq!(folders, targets.iter().map(|name| (*name).to_owned()).collect());
        }
    };
}

replays! {
    csv_decode framing journal_entry journal_scan json_decode operator_state plan_json
    sink_manifest snapshot_manifest snapshot_part sql_text
}

#[test]
fn what_our_own_encoders_write_is_taken() {
    let taken = |target: &str| {
        let seeds = seeds::all().into_iter().filter(|(name, _)| *name == target);
        seeds.filter(|(_, bytes)| property(target)(bytes)).count()
    };
    assert_eq!(taken("journal_entry"), 3);
    // The last of the journals is damaged where it was durable.
    assert_eq!(taken("journal_scan"), 6);
    assert_eq!(taken("snapshot_manifest"), 3);
    assert_eq!(taken("snapshot_part"), 3);
    assert_eq!(taken("sink_manifest"), 3);
    assert_eq!(taken("operator_state"), 256);
}
