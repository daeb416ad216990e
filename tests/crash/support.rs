//! Folders, processes and their logs.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use tempfile::TempDir;

/// Numbers that look random and are the same in every run.
pub(crate) struct Draws(pub(crate) u64);

impl Draws {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A folder that is removed with this value.
pub(crate) struct Folder {
    dir: TempDir,
}

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder { dir: tempfile::tempdir().expect("a folder for the test") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it lies in the folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
}

/// Copies a file or a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::create_dir_all(to.parent().expect("it lies in a folder")).expect("a folder");
        fs::copy(from, to).expect("a file");
        return;
    }
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

/// The files in a folder and below with their bytes, by path.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.expect("the folder can be read");
        if entry.file_type().is_file() {
            found.insert(entry.path().to_owned(), fs::read(entry.path()).expect("a file"));
        }
    }
    found
}

/// What a sink holds: its files one after the other, in the order of their names. A sink
/// that was never opened holds nothing.
pub(crate) fn sink_text(folder: &Path) -> String {
    if !folder.exists() {
        return String::new();
    }
    let is_hidden =
        |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let visible = files(folder).into_iter().filter(|(path, _)| !is_hidden(path));
    let bytes: Vec<u8> = visible.flat_map(|(_, bytes)| bytes).collect();
    String::from_utf8(bytes).expect("rows are text")
}

/// The lines of record-driven rows, by split, each in the order of the files.
// spec: E-3
pub(crate) fn by_split(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut splits: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let row: serde_json::Value = serde_json::from_str(line).expect("a row");
        let split = row["_split"].as_str().expect("a split").to_owned();
        splits.entry(split).or_default().push(line.to_owned());
    }
    splits
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
}

impl Ran {
    /// Asserts the exit code; what the process said is part of the message.
    #[track_caller]
    pub(crate) fn exits_with(&self, code: i32) -> &Ran {
        assert_eq!(self.status.code(), Some(code), "{}", self.stderr);
        self
    }

    /// Asserts that the standard error says something.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) -> &Ran {
        assert!(self.stderr.contains(words), "no {words:?} in {}", self.stderr);
        self
    }

    /// Whether the process aborted. Any other end by a signal is a failure.
    #[track_caller]
    pub(crate) fn aborted(&self) -> bool {
        const SIGABRT: i32 = 6;
        let signal = self.status.signal();
        assert!(signal.is_none_or(|signal| signal == SIGABRT), "{self:?}");
        signal.is_some()
    }
}

/// A program with these arguments, in the folder, with nothing of the environment that
/// the binary would look at.
pub(crate) fn command(program: &Path, folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).args(args).stdin(Stdio::null()).stdout(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ANABRANCH_") {
            command.env_remove(name);
        }
    }
    command
}

/// The real binary.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_anabranch"))
}

/// Runs a command to its end.
pub(crate) fn run(mut command: Command) -> Ran {
    let output = command.output().expect("the binary runs");
    Ran { status: output.status, stderr: String::from_utf8(output.stderr).expect("text") }
}

/// A process that runs, and its log.
pub(crate) struct Watched {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Watched {
    /// Starts the real binary with a log of all phases. The log goes through a pipe that
    /// is read all the time, so that the process does not wait for its reader.
    pub(crate) fn start(folder: &Path, args: &[&str]) -> Watched {
        let mut all = vec!["--log", "json", "--log-level", "debug"];
        all.extend_from_slice(args);
        let mut command = command(binary(), folder, &all);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary runs");
        let stderr = child.stderr.take().expect("it is piped");
        Watched { child, log: BufReader::with_capacity(1 << 20, stderr) }
    }

    /// The next message; nothing once the process is gone.
    pub(crate) fn next(&mut self) -> Option<String> {
        let mut line = String::new();
        self.log.read_line(&mut line).expect("the log is text");
        // A message is written as a whole, or the process died before.
        line.ends_with('\n').then_some(line)
    }

    /// Reads until one side of a phase is passed.
    pub(crate) fn wait_for(&mut self, phase: &str, side: &str) {
        while let Some(line) = self.next() {
            if Mark::of(&line).is_some_and(|mark| mark.phase == phase && mark.side == side) {
                return;
            }
        }
        panic!("the process ended before {phase} {side}");
    }

    pub(crate) fn pid(&self) -> rustix::process::Pid {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        pid.expect("a process has a number")
    }

    /// Reads the rest of the log and waits for the end.
    pub(crate) fn finish(mut self) -> (ExitStatus, Vec<String>) {
        let rest = std::iter::from_fn(|| self.next()).collect();
        (self.child.wait().expect("it was started here"), rest)
    }

    /// Sends SIGKILL, and waits until the process is gone.
    pub(crate) fn kill(self) {
        kill(self.pid());
        self.finish();
    }
}

/// Sends SIGKILL to a process that was started here and is not waited for yet.
pub(crate) fn kill(pid: rustix::process::Pid) {
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is ours");
}

/// One side of a phase, as the log has it.
#[derive(serde::Deserialize)]
pub(crate) struct Mark {
    pub(crate) phase: String,
    /// `begin` or `end`.
    #[serde(rename = "message")]
    pub(crate) side: String,
    pub(crate) epoch: Option<u64>,
}

impl Mark {
    /// The mark that a line of the log is, if it is one.
    pub(crate) fn of(line: &str) -> Option<Mark> {
        line.contains("anabranch::phase")
            .then(|| serde_json::from_str(line).expect("a line of JSON"))
    }
}
