//! A binary that ends itself at the n-th time that it passes a place: before or behind
//! everything that the core asks for, and every step of the stores and sinks within.
//! Every place of a small job is tried; the real binary then goes on.

use crate::job::{Job, Results, args, assert_same, copy_of, finish};
use crate::support::{Folder, Mark, Ran, Watched, binary, command, run};
use cargo_metadata::{Message, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::thread;

/// So many places are tried at the same time.
const WORKERS: usize = 2;
/// More often than this a small job passes no place.
const TIMES_MAX: usize = 2_000;
/// A place that so many runs in a row do not pass is passed by none.
const MISSED_MAX: usize = 3;
/// What says where the binary ends itself.
const ABORT_AT: &str = "ANABRANCH_ABORT_AT";

/// What the core asks for: each of its outputs but those that only tell something.
const OUTPUTS: [&str; 14] = [
    "append",
    "apply",
    "discover",
    "fetch",
    "finish",
    "inspect",
    "list-snapshots",
    "load-snapshot",
    "open-journal",
    "open-sink",
    "read-journal",
    "snapshot",
    "trim-journal",
    "trim-snapshots",
];
/// What removes what is old.
const TRIMS: [&str; 2] = ["trim-journal", "trim-snapshots"];
/// The steps of stores and sinks.
const STEPS: [&str; 4] = ["fsync", "open", "rename", "write"];
/// What happens at the start; whoever goes on does it with something to find.
const OF_THE_START: [&str; 9] = [
    "discover",
    "fetch",
    "inspect",
    "list-snapshots",
    "load-snapshot",
    "open",
    "open-journal",
    "open-sink",
    "read-journal",
];

/// The binary with abort points, built from the same files by the same cargo.
pub(crate) fn abort_binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = binary().parent().expect("it lies in a folder");
        // The folder of the profile `dev` is called `debug`.
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let target = folder.parent().expect("the folder lies in another one");
        let output = Command::new(env!("CARGO"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            // All members and, by the examples, what tests depend on: so nothing is
            // compiled again that cargo compiled for these tests.
            .args(["build", "--locked", "--workspace", "--examples", "--bin", "anabranch-abort"])
            .args(["--features", "anabranch/abort-points", "--profile", profile])
            .args(["--message-format", "json"])
            .arg("--target-dir")
            .arg(target)
            .output()
            .expect("cargo starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the binary with abort points is not built: {said}");
        let executable = |message| match message {
            Ok(Message::CompilerArtifact(artifact))
                if artifact.target.name == "anabranch-abort" =>
            {
                artifact.executable
            }
            _ => None,
        };
        let mut built = Message::parse_stream(output.stdout.as_slice()).filter_map(executable);
        built.next().expect("cargo names what it built").into()
    })
}

/// Runs the job with an abort point, such as `append:3:end`, and more arguments.
pub(crate) fn abort_at(folder: &Path, point: &str, more: &[&str]) -> Ran {
    let mut command = command(abort_binary(), folder, &args(more));
    command.env(ABORT_AT, point);
    run(command)
}

/// A folder in which the job, with more arguments, ended itself at a place.
pub(crate) fn aborted_at(job: &Job, point: &str, more: &[&str]) -> Folder {
    let folder = job.folder();
    let ran = abort_at(&folder.path(""), point, more);
    assert!(ran.aborted(), "{point} is not passed: {ran:?}");
    folder
}

/// How many places of each kind were tried.
type Tried = Mutex<BTreeMap<String, usize>>;

/// Tries every time that one side of a phase is passed, each in a folder of its own.
fn try_all(make: &dyn Fn() -> Folder, phase: &str, side: &str, expected: &Results, tried: &Tried) {
    let (mut number, mut missed) = (1, 0);
    // Threads take turns as they like: another run may pass it more often.
    while missed < MISSED_MAX {
        assert!(number < TIMES_MAX, "{phase} {side} is passed without end");
        let point = format!("{phase}:{number}:{side}");
        let folder = make();
        let ran = abort_at(&folder.path(""), &point, &[]);
        if !ran.aborted() {
            ran.exits_with(0);
            assert_same(&folder.path(""), expected, &point);
            missed += 1;
            continue;
        }
        (number, missed) = (number + 1, 0);
        finish(&folder.path(""));
        assert_same(&folder.path(""), expected, &point);
        let mut tried = tried.lock().expect("no holder panics");
        *tried.entry(format!("{phase} {side}")).or_default() += 1;
    }
}

/// Tries all places of these kinds, several at the same time.
fn sweep(
    phases: &[&str],
    make: &(dyn Fn() -> Folder + Sync),
    expected: &Results,
) -> BTreeMap<String, usize> {
    let kinds = phases.iter().flat_map(|phase| [(*phase, "begin"), (*phase, "end")]);
    let kinds = Mutex::new(kinds.collect::<Vec<_>>());
    let tried = Tried::default();
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let kind = kinds.lock().expect("no holder panics").pop();
                    let Some((phase, side)) = kind else { return };
                    try_all(make, phase, side, expected, &tried);
                }
            });
        }
    });
    tried.into_inner().expect("no holder panicked")
}

fn assert_all_tried(phases: &[&str], tried: &BTreeMap<String, usize>) {
    println!("{} places: {tried:?}", tried.values().sum::<usize>());
    for phase in phases {
        for side in ["begin", "end"] {
            assert!(tried.contains_key(&format!("{phase} {side}")), "{phase} {side}: {tried:?}");
        }
    }
}

#[test]
fn an_abort_at_any_output_changes_nothing() {
    // spec: J-1, J-5, K-1, K-2, K-4, S-1, S-2
    let job = Job::new(48);
    let expected = job.undisturbed();
    // A first run has no snapshot to load, and a short one may end before it has removed
    // what is old.
    let outputs = OUTPUTS.into_iter().filter(|phase| *phase != "load-snapshot");
    let phases = outputs.chain(STEPS).filter(|phase| !TRIMS.contains(phase));
    let phases: Vec<&str> = phases.collect();
    let tried = sweep(&phases, &|| job.folder(), &expected);
    assert_all_tried(&phases, &tried);
}

#[test]
fn an_abort_while_old_files_go_changes_nothing() {
    // spec: J-4, S-1
    let job = Job::new(140);
    let expected = job.undisturbed();
    let tried = sweep(&TRIMS, &|| job.folder(), &expected);
    assert_all_tried(&TRIMS, &tried);
}

/// A folder with a snapshot that every sink has caught up with: then old ones go.
fn with_snapshot(job: &Job) -> Folder {
    aborted_at(job, "trim-snapshots:1:begin", &[])
}

#[test]
fn an_abort_in_the_recovery_changes_nothing() {
    // spec: G-1, J-3, K-3, S-2
    let job = Job::new(140);
    let expected = job.undisturbed();
    let found = with_snapshot(&job);
    let tried = sweep(&OF_THE_START, &|| copy_of(&found), &expected);
    assert_all_tried(&OF_THE_START, &tried);
}

/// The phases that a run passes.
fn phases_of(folder: &Path) -> BTreeSet<String> {
    let (status, lines) = Watched::start(folder, &args(&[])).finish();
    assert!(status.success());
    let marks = lines.iter().filter_map(|line| Mark::of(line));
    marks.filter(|mark| mark.epoch.is_none()).map(|mark| mark.phase).collect()
}

#[test]
fn every_phase_is_tried() {
    let job = Job::new(140);
    let mut phases = phases_of(&job.folder().path(""));
    phases.extend(phases_of(&with_snapshot(&job).path("")));
    let known = OUTPUTS.into_iter().chain(STEPS).map(str::to_owned);
    assert_eq!(phases, known.collect());
}

#[test]
fn the_real_binary_has_no_abort_points() {
    let job = Job::new(48);
    let point = "append:1:begin";
    let folder = job.folder();
    assert!(abort_at(&folder.path(""), point, &[]).aborted(), "the other binary has them");
    let mut command = command(binary(), &folder.path(""), &args(&[]));
    command.env(ABORT_AT, point);
    run(command).exits_with(0);
    // Nobody gets them without asking for them.
    let mut metadata = MetadataCommand::new();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let metadata = metadata.manifest_path(manifest).no_deps().exec().expect("a workspace");
    let package = metadata.packages.iter().find(|package| package.name == "anabranch");
    let package = package.expect("the root package");
    assert_eq!(package.features.get("default"), None);
    let target = package.targets.iter().find(|target| target.name == "anabranch-abort");
    assert_eq!(target.expect("the target").required_features, ["abort-points"]);
}
