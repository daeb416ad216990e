//! A disk without room: the job says so and waits for room under a sink, stops under its
//! own state, and goes on when there is room.

use crate::job::{Job, args, assert_same};
use crate::support::{Folder, binary, command};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How large the disk is.
const DISK_BYTES: usize = 2 << 20;
/// How much room is made after each failure: each start takes a part of it for a segment
/// of the journal.
const STEP_BYTES: u64 = 3 * 4_096;

/// A small disk of its own. It goes with this value.
struct Disk {
    folder: Folder,
}

impl Disk {
    /// # Panics
    /// If nothing may be mounted: then this cannot be tested, and that must not look
    /// like a success.
    fn new() -> Disk {
        let folder = Folder::new();
        let disk = Disk { folder };
        fs::create_dir(disk.path("")).expect("a folder");
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={DISK_BYTES}"), "tmpfs"])
            .arg(disk.path(""))
            .output()
            .expect("there is a command mount");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "a full disk is tested on a small one of memory, which only root may mount: {said}"
        );
        disk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path("disk").join(name)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // At worst the disk stays until the machine stops.
        let _ = Command::new("umount").arg(self.path("")).status();
    }
}

/// Fills the disk but for nothing.
fn fill(path: &Path) -> u64 {
    let mut file = File::create(path).expect("there is room for a name");
    let block = vec![0; STEP_BYTES as usize];
    let mut length = 0;
    while let Ok(written) = file.write(&block) {
        length += written as u64;
    }
    length
}

/// Starts the job until there is room for all of it, with a little more room each time
/// that it says that there is too little. Gives all that it said.
fn run_with_more_and_more_room(disk: &Disk, folder: &Path, more: &[&str]) -> Vec<String> {
    let ballast = disk.path("ballast");
    let mut left = fill(&ballast);
    let mut make_room = || {
        left = left.checked_sub(STEP_BYTES).expect("the whole disk is enough");
        let ballast = File::options().write(true).open(&ballast).expect("it was written above");
        ballast.set_len(left).expect("it becomes shorter");
    };
    let mut said = Vec::new();
    loop {
        let mut command = command(binary(), folder, &args(more));
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary runs");
        let stderr = child.stderr.take().expect("it is piped");
        for line in BufReader::new(stderr).lines() {
            let line = line.expect("text");
            // A sink without room is waited for.
            // spec: K-8
            if line.contains("the disk is full: cannot ") && line.contains("trying again") {
                make_room();
            }
            said.push(line);
        }
        let status = child.wait().expect("it was started here");
        if status.success() {
            return said;
        }
        assert_eq!(status.code(), Some(1), "{said:#?}");
        let error = said.iter().rev().find(|line| line.contains("error["));
        let error = error.expect("it says why");
        assert!(error.contains("the disk is full: cannot "), "{error}");
        assert!(!error.contains("rejects"), "{error}");
        make_room();
    }
}

#[test]
fn a_full_disk_holds_the_job_and_room_lets_it_go_on() {
    // spec: F-2, J-6, K-4, K-8
    let job = Job::new(48);
    let expected = job.undisturbed();
    let disk = Disk::new();
    job.put_into(&disk.path(""));
    let said = run_with_more_and_more_room(&disk, &disk.path(""), &[]);
    assert_same(&disk.path(""), &expected, "on a disk that was full");
    for place in ["lock", "plan.json", ".anabranch.manifest", ".part-"] {
        assert!(said.iter().any(|line| line.contains(place)), "{place}: {said:#?}");
    }
}

#[test]
fn a_full_disk_under_the_journal_stops_the_job_and_room_lets_it_go_on() {
    // spec: J-1, J-6
    let job = Job::new(1_000);
    let expected = job.undisturbed();
    let disk = Disk::new();
    let folder = job.folder();
    let state = disk.path("state");
    let state_dir = ["--state-dir", state.to_str().expect("a path of text")];
    let said = run_with_more_and_more_room(&disk, &folder.path(""), &state_dir);
    assert_same(&folder.path(""), &expected, "with a journal on a disk that was full");
    let appends = said.iter().filter(|line| line.contains("cannot append to")).count();
    assert!(appends > 0, "the journal always had room: {said:#?}");
}
