//! A folder with a job, and the binary run in it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use tempfile::TempDir;

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A folder that is removed with this value.
pub(crate) struct Folder {
    dir: TempDir,
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder { dir: tempfile::tempdir().expect("a folder for the test") }
    }

    /// A folder with these files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Folder {
        let folder = Folder::new();
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    /// A folder with the example of the README in its place.
    pub(crate) fn with_flights() -> Folder {
        let folder = Folder::new();
        for name in ["data", "expected", "flights.sql"] {
            let place = format!("examples/flights/{name}");
            copy(&root().join(&place), &folder.path(&place));
        }
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it lies in the folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The files of a sink one after the other, by name.
    pub(crate) fn sink(&self, name: &str) -> String {
        let mut files: Vec<PathBuf> = fs::read_dir(self.path(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| !path.file_name().expect("a name").to_string_lossy().starts_with('.'))
            .collect();
        files.sort();
        files.iter().map(|file| fs::read_to_string(file).expect("text")).collect()
    }

    /// The binary with these arguments, in the folder, with nothing of the
    /// environment that it would look at.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_anabranch"));
        command.current_dir(self.dir.path()).args(args).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ANABRANCH_") {
                command.env_remove(name);
            }
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let output = self.command(args).output().expect("the binary runs");
        Ran {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// A run that is watched by its log.
    pub(crate) fn start(&self, args: &[&str]) -> Watched {
        let mut all = vec!["--log", "json", "--log-level", "debug"];
        all.extend_from_slice(args);
        let mut command = self.command(&all);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let stderr = child.stderr.take().expect("it is piped");
        Watched { child, log: BufReader::new(stderr), lines: Vec::new() }
    }
}

impl Ran {
    /// Asserts the exit code; what the process said is part of the message.
    pub(crate) fn exits_with(&self, code: i32) -> &Ran {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Asserts that the standard error says something.
    pub(crate) fn says(&self, words: &str) -> &Ran {
        assert!(self.stderr.contains(words), "no {words:?} in {}", self.stderr);
        self
    }
}

/// A process that runs, and its log so far.
pub(crate) struct Watched {
    child: Child,
    log: BufReader<ChildStderr>,
    pub(crate) lines: Vec<serde_json::Value>,
}

impl Watched {
    /// The next message; nothing once the process is gone.
    pub(crate) fn next(&mut self) -> Option<&serde_json::Value> {
        let mut line = String::new();
        let read = self.log.read_line(&mut line).expect("the log is text");
        if read == 0 || !line.ends_with('\n') {
            return None;
        }
        let value = serde_json::from_str(&line).unwrap_or(serde_json::Value::String(line));
        self.lines.push(value);
        self.lines.last()
    }

    /// Reads until a message is what is waited for.
    pub(crate) fn wait_for(&mut self, what: impl Fn(&serde_json::Value) -> bool) {
        while let Some(line) = self.next() {
            if what(line) {
                return;
            }
        }
        panic!("the process ended before: {:#?}", self.lines);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.expect("a process has a number");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    }

    /// Sends SIGKILL, waits until the process is gone, and gives all that it said.
    pub(crate) fn kill(mut self) -> Vec<serde_json::Value> {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it was started here");
        // What it said before it died and nobody had read.
        while self.next().is_some() {}
        self.lines
    }

    /// Waits for the end and gives the exit code.
    pub(crate) fn finish(mut self) -> Option<i32> {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).expect("the log is text");
        self.child.wait().expect("it was started here").code()
    }
}

/// Whether a message is about a phase.
pub(crate) fn is_phase(line: &serde_json::Value, phase: &str, message: &str) -> bool {
    line["target"] == "anabranch::phase" && line["phase"] == phase && line["message"] == message
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).expect("a folder");
        for entry in fs::read_dir(from).expect("the example is there") {
            let entry = entry.expect("an entry");
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::create_dir_all(to.parent().expect("it lies in a folder")).expect("a folder");
        fs::copy(from, to).expect("a file");
    }
}
