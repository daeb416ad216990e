//! Files that are not as they were left: a torn journal, damaged snapshots, a journal
//! damaged in the middle, an input that somebody edited.

use crate::abort::aborted_at;
use crate::job::{Job, args, assert_same, copy_of, finish, go_on, results};
use crate::support::{Folder, Ran, Watched, binary, command, files};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const STATE: &str = ".anabranch/job";
/// How many epochs are in the journal that the tests begin with.
const EPOCHS: usize = 10;

/// A folder in which the job ended when its last epoch was durable, and nothing rests
/// on that yet.
fn interrupted(job: &Job) -> Folder {
    aborted_at(job, &format!("append:{EPOCHS}:end"), &[])
}

/// The files of a folder of the state that end in this.
fn state_files(folder: &Folder, part: &str, end: &str) -> Vec<PathBuf> {
    let found = files(&folder.path(STATE).join(part));
    found.into_keys().filter(|path| path.to_string_lossy().ends_with(end)).collect()
}

/// The newest segment of the journal.
fn segment(folder: &Folder) -> PathBuf {
    state_files(folder, "journal", ".journal").pop().expect("there is a journal")
}

fn name_of(path: &Path) -> String {
    path.file_name().expect("a file").to_string_lossy().into_owned()
}

/// Where each epoch's record begins, as `journal show` says.
fn records(folder: &Folder) -> Vec<usize> {
    let args = ["journal", "show", "--state-dir", STATE];
    let mut command = command(binary(), &folder.path(""), &args);
    let output = command.stdout(Stdio::piped()).output().expect("the binary runs");
    let shown = String::from_utf8(output.stdout).expect("text");
    let epochs = shown.lines().filter(|line| line.starts_with("  epoch "));
    let place = |line: &str| line.split_once("(byte ")?.1.trim_end_matches(')').parse().ok();
    epochs.map(|line| place(line).expect("a record has its place")).collect()
}

fn change(path: &Path, how: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("a file");
    how(&mut bytes);
    fs::write(path, bytes).expect("a file");
}

/// Everything in a folder but what a lock says of its holder.
fn kept(folder: &Folder) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = files(&folder.path(""));
    all.retain(|path, _| !name_of(path).ends_with("lock"));
    all
}

#[test]
fn a_torn_end_of_the_journal_is_cut() {
    // spec: J-6
    let job = Job::new(120);
    let expected = job.undisturbed();
    let interrupted = interrupted(&job);
    let last = *records(&interrupted).last().expect("there are records");
    let length = fs::read(segment(&interrupted)).expect("a file").len();
    let middle = last + (length - last) / 2;
    let cuts = [last + 1, last + 7, last + 8, last + 9, middle, length - 9, length - 1];
    for cut in cuts {
        for zeros in [false, true] {
            let folder = copy_of(&interrupted);
            change(&segment(&folder), |bytes| {
                bytes.truncate(cut);
                // A disk may know of bytes that it never got.
                bytes.resize(if zeros { length } else { cut }, 0);
            });
            let ran = finish(&folder.path(""));
            // The last bytes only fill up the record; that they are gone is no loss.
            if cut < length - 8 {
                ran.says("an unfinished end of the journal was cut");
            }
            assert_same(&folder.path(""), &expected, &format!("cut at {cut} of {length}"));
        }
    }
    // A record that is missing as a whole was never written.
    let folder = copy_of(&interrupted);
    change(&segment(&folder), |bytes| bytes.truncate(last));
    finish(&folder.path(""));
    assert_same(&folder.path(""), &expected, "without the last record");
}

#[test]
fn damage_in_the_middle_of_the_journal_stops_the_job_and_loses_nothing() {
    // spec: J-6
    let job = Job::new(120);
    let interrupted = interrupted(&job);
    let mut places = records(&interrupted);
    assert_eq!(places.len(), EPOCHS);
    // The last record says that all others are durable.
    let last = places.pop().expect("there is one");
    // Of the header and of each record: its beginning and a byte within.
    let within = places.iter().map(|place| place + 21).collect::<Vec<_>>();
    for place in [0, 21].into_iter().chain(places).chain(within) {
        let folder = copy_of(&interrupted);
        let segment = segment(&folder);
        change(&segment, |bytes| bytes[place] ^= 0x10);
        let before = kept(&folder);
        let ran = go_on(&folder.path(""));
        ran.exits_with(4).says("error[DMG001]").says(&name_of(&segment)).says("byte ");
        assert!(kept(&folder) == before, "damage at {place} of {last} changed something");
        // What is repaired goes on.
        change(&segment, |bytes| bytes[place] ^= 0x10);
        finish(&folder.path(""));
    }
}

#[test]
fn a_journal_that_lost_what_a_sink_holds_stops_the_job() {
    // spec: J-6, K-5
    let job = Job::new(120);
    let interrupted = interrupted(&job);
    for epochs in [0, 2] {
        let folder = copy_of(&interrupted);
        let place = records(&folder)[epochs];
        change(&segment(&folder), |bytes| bytes.truncate(place));
        let before = kept(&folder);
        go_on(&folder.path("")).exits_with(4).says("error[DMG001]");
        assert!(kept(&folder) == before, "something changed with {epochs} epochs left");
    }
}

#[test]
fn a_damaged_snapshot_is_passed_over_for_an_older_one() {
    // spec: S-1, S-2
    let job = Job::new(400);
    let expected = job.undisturbed();
    // Old ones go as soon as all sinks can use two newer ones; a still newer one may be
    // there that not all can use yet.
    let three = aborted_at(&job, "trim-snapshots:1:begin", &[]);
    let count = state_files(&three, "snapshots", ".manifest").len();
    assert!(count >= 3, "{count}");
    let epoch_of = |path: &Path| name_of(path)[..12].parse::<u64>().expect("an epoch");
    let harms: [fn(&Path); 3] = [
        |path| change(path, |bytes| bytes[30] ^= 1),
        |path| change(path, |bytes| bytes.truncate(bytes.len() - 1)),
        |path| fs::remove_file(path).expect("it is there"),
    ];
    let mut skipped = 0;
    for (number, harm) in harms.into_iter().enumerate() {
        for end in [".part", ".manifest"] {
            let folder = copy_of(&three);
            let manifests = state_files(&folder, "snapshots", ".manifest");
            let (older, newest) =
                (epoch_of(&manifests[count - 2]), epoch_of(&manifests[count - 1]));
            let files = state_files(&folder, "snapshots", end);
            harm(files.iter().rfind(|path| epoch_of(path) == newest).expect("the newest"));
            let ran = finish(&folder.path(""));
            ran.says(&format!("from the snapshot after epoch {older},"));
            skipped += usize::from(ran.stderr.contains("is passed over"));
            assert_same(&folder.path(""), &expected, &format!("harm {number} to {end}"));
        }
    }
    assert_eq!(skipped, 5, "all are told but a manifest that is gone");
}

#[test]
fn without_any_snapshot_all_is_computed_again() {
    // spec: S-2
    let job = Job::new(120);
    let expected = job.undisturbed();
    let folder = aborted_at(&job, "snapshot:2:end", &[]);
    for path in state_files(&folder, "snapshots", "") {
        change(&path, |bytes| bytes[30] ^= 1);
    }
    finish(&folder.path(""));
    assert_same(&folder.path(""), &expected, "all snapshots damaged");
}

#[test]
fn a_torn_plan_beside_the_journal_is_no_other_plan() {
    // spec: G-3
    let job = Job::new(120);
    let expected = job.undisturbed();
    let interrupted = interrupted(&job);
    for length in [0, 100] {
        let folder = copy_of(&interrupted);
        change(&folder.path(STATE).join("plan.json"), |bytes| bytes.truncate(length));
        finish(&folder.path(""));
        assert_same(&folder.path(""), &expected, &format!("{length} bytes of the plan are left"));
    }
}

/// Edits an input of an interrupted job, which must notice, leave everything as it is,
/// and go on once the input is restored.
fn edit(job: &Job, folder: &Folder, how: fn(&mut Vec<u8>)) -> Ran {
    let file = job.input("a.jsonl");
    let original = fs::read(&file).expect("the input");
    let segment = segment(folder);
    let (shown, written) = (results(&folder.path("")), fs::read(&segment).expect("a file"));
    change(&file, how);
    let ran = go_on(&folder.path(""));
    ran.exits_with(1).says("error[RUN007]").says("a.jsonl");
    for (name, text) in results(&folder.path("")) {
        // A file that was only to get its name may have it now.
        assert!(text.starts_with(&shown[name]), "{name} has changed");
    }
    assert!(fs::read(&segment).expect("a file") == written, "the journal has changed");
    change(&file, |bytes| bytes.clone_from(&original));
    finish(&folder.path(""));
    ran
}

#[test]
fn an_input_that_was_edited_after_the_fact_stops_the_job() {
    // spec: J-7
    let job = Job::new(120);
    let expected = job.undisturbed();
    let edits: [fn(&mut Vec<u8>); 2] = [
        |bytes| bytes.iter_mut().filter(|byte| **byte == b'x').for_each(|byte| *byte = b'w'),
        |bytes| bytes.truncate(bytes.len() / 4),
    ];
    for how in edits {
        // Without a snapshot all of it is read again.
        let point = format!("append:{EPOCHS}:end");
        let folder = aborted_at(&job, &point, &["--set", "snapshot-bytes=0"]);
        edit(&job, &folder, how).says("offset");
        assert_same(&folder.path(""), &expected, "after the input was restored");
    }
}

#[test]
fn an_input_that_lost_what_was_read_before_a_snapshot_stops_the_job() {
    // spec: J-7
    let job = Job::new(120);
    let expected = job.undisturbed();
    let folder = aborted_at(&job, "snapshot:2:end", &[]);
    edit(&job, &folder, |bytes| bytes.truncate(10)).says("has 10 bytes, of which");
    assert_same(&folder.path(""), &expected, "after the input was restored");
}

#[test]
fn a_held_state_folder_is_named() {
    // spec: J-6
    let job = Job::new(120);
    let folder = job.folder();
    // The input never ends, and so the process stays.
    let sql = fs::read_to_string(folder.path("job.sql")).expect("it was written");
    let followed = "'format' = 'json', 'source.monitor-interval' = '50 ms');\nCREATE TABLE totals";
    folder.write("job.sql", &sql.replace("'format' = 'json');\nCREATE TABLE totals", followed));
    let mut holder = Watched::start(&folder.path(""), &args(&[]));
    holder.wait_for("open-journal", "end");
    let pid = holder.pid().as_raw_nonzero();
    let before = kept(&folder).into_keys().filter(|path| path.ends_with(".journal")).count();
    let refused = go_on(&folder.path(""));
    refused.exits_with(3).says("error[LCK002]").says(&format!("process {pid}, generation 1"));
    holder.kill();
    let after = kept(&folder).into_keys().filter(|path| path.ends_with(".journal")).count();
    assert_eq!(before, after);
}
