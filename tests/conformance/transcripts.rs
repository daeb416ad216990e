//! The folders of transcripts.

use anabranch_sim::conformance::{Dialect, Executor, Transcript, run};
use std::path::PathBuf;

/// All transcripts of a service, in the order of their names.
pub(crate) fn load(service: &str) -> Vec<Transcript> {
    let path = PathBuf::from("tests/conformance/transcripts").join(service);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(&path);
    let entries = std::fs::read_dir(folder).expect("the folder of transcripts");
    let names = entries.map(|it| it.expect("an entry").file_name().into_string().expect("UTF-8"));
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    let read = |name: &String| {
        let path = path.join(name);
        assert!(name.ends_with(".transcript"), "{} is no transcript", path.display());
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(&path);
        let text = std::fs::read_to_string(file).expect("a transcript can be read");
        Transcript::parse(&path.to_string_lossy(), &text).unwrap_or_else(|error| panic!("{error}"))
    };
    names.iter().map(read).collect()
}

/// Runs transcripts, each on what `stage` sets up for it, and fails with all differences.
pub(crate) fn run_all(
    transcripts: &[Transcript],
    dialect: &dyn Dialect,
    mut stage: impl FnMut(&Transcript, &mut dyn FnMut(&mut dyn Executor)),
) {
    let mut differences = Vec::new();
    for transcript in transcripts {
        let mut ran = false;
        stage(transcript, &mut |executor| {
            ran = true;
            differences.extend(run(transcript, dialect, executor).err().map(|it| it.to_string()));
        });
        assert!(ran, "{} was not run", transcript.origin);
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}
