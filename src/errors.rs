//! What can end a command before its time: codes, exit codes, and what to do.
//!
//! `docs/ERRORS.md` is made from this table and that of the SQL front end.

use anabranch_engine::pipeline::Failure;
use std::fmt;

/// A kind of error of the binary.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ErrorCode {
    /// A stable code such as `RUN001`.
    pub code: &'static str,
    /// A few words.
    pub title: &'static str,
    /// A paragraph for the documentation: what it means and what to do.
    pub explanation: &'static str,
    /// What the process exits with.
    pub exit: u8,
}

/// How a message begins that is about a full disk; the path comes behind it.
pub(crate) const DISK_FULL: &str = "the disk is full: ";
/// What to do then.
const MAKE_ROOM: &str = "make room and start the job again: it goes on from what is durable";

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $exit:literal, $title:literal, $explanation:literal;)*) => {
        $($(#[$doc])* pub(crate) static $name: ErrorCode = ErrorCode {
            code: $code, title: $title, explanation: $explanation, exit: $exit,
        };)*

        /// Every code, in ascending order.
        #[cfg(test)]
        pub(crate) static CODES: &[&ErrorCode] = &[$(&$name,)*];
    };
}

codes! {
    /// A file that was named cannot be read.
    NO_FILE = "CLI001", 2, "file cannot be used",
        "A file or folder that the command line names is not there, or cannot be read or written.";
    /// Errors in the SQL text.
    SQL = "CLI002", 2, "errors in the SQL text",
        "The statements have errors, each of which has a code of its own and is shown with its place. Nothing was started.";
    /// Nothing to do.
    NOTHING = "CLI003", 2, "nothing to run",
        "The text has neither an INSERT nor a SELECT, so there is no job.";
    /// A setting that makes no sense.
    CONFIG = "CLI004", 2, "invalid setting",
        "A flag, an environment variable or anabranch.toml sets something that does not exist, or to a value that it does not take. `anabranch config show` lists all settings.";
    /// Options of a table that make no sense together.
    OPTIONS = "CLI005", 2, "table cannot be used",
        "The options of a table make no sense together, two INSERTs would write to the same folder, or a sink would write to a file. Nothing was started.";
    /// A sink's folder has files, and a new start was asked for.
    NOT_EMPTY = "CLI006", 2, "sink is not empty",
        "With --fresh the job starts over, and its results would come to stand beside those that are there. Give --overwrite as well to remove what the job wrote, or move the files away.";
    /// The state belongs to other statements.
    PLAN = "CLI007", 2, "plan changed",
        "The state folder was written by other statements than these: their results so far may not fit together. The message shows which nodes differ. Restore the old statements, start over with --fresh, or give the changed job another folder with --state-dir.";
    /// A sink would write into what the job reads.
    OVERLAP = "CLI008", 2, "sink and source in one folder",
        "A sink's folder is the folder of a source of the same job, lies in it, or holds it: the job would read its own results, and --overwrite could remove its input. Links are followed. Give the sink a folder of its own. Nothing was started.";
    /// A connector that only the simulator carries out.
    NOT_CONNECTED = "CLI009", 2, "connector is not connected",
        "This version can check and explain a job with this connector and run it under `anabranch sim`, but it cannot connect to the service itself. Nothing was started.";
    /// The journal or a snapshot is damaged.
    DAMAGED = "DMG001", 4, "damaged journal, snapshot or manifest",
        "Something that was durable is missing or has other bytes now. Nothing was changed. Restore the named file from a copy of the folder; if there is none, --fresh starts over.";
    /// A newer incarnation took over.
    FENCED = "LCK001", 3, "fenced",
        "Another run of this job, started later or from a copy of the state folder, owns the journal or a sink. This one stopped without writing anything more.";
    /// Another process holds the lock.
    LOCKED = "LCK002", 3, "in use",
        "Another process runs this job: the message names it. Stop it first; the lock is free as soon as the process is gone.";
    /// A sink lost what it had acknowledged.
    LOST = "LST001", 5, "sink lost data",
        "A sink holds less than it had acknowledged, so results are missing there. The message names the sink and the epochs. Restore the sink, or start over with --fresh --overwrite.";
    /// A mistake of ours.
    BUG = "RUN001", 1, "internal error",
        "The engine found that it made a mistake, and stopped before anything wrong could leave it. Started again, the job goes on from what is durable. Please report the message; `anabranch replay` on the state folder shows the mistake again.";
    /// A bad record in a table that allows none.
    BAD_RECORD = "RUN002", 1, "bad record",
        "A record cannot be read and its table says 'on-error' = 'fail'. The message names its place. Correct the record if it was never processed, or say 'on-error' = 'dead-letter' and read the table's $dead.";
    /// The journal cannot be written.
    JOURNAL = "RUN003", 1, "journal failed",
        "The journal or the snapshots cannot be read or written, for example because the disk is full. Nothing was lost; started again, the job goes on from what is durable.";
    /// A sink refuses.
    SINK = "RUN004", 1, "sink failed",
        "A sink refused the data for good, or failed for so long that it was given up, as its table says. The message says what it said.";
    /// A sink holds something else.
    DIVERGED = "RUN005", 1, "sink diverged",
        "A sink holds other data at the same place than this job computes: somebody else writes to it, or its folder belongs to another run. Give the job a folder of its own, or start over with --fresh --overwrite.";
    /// A source cannot be read.
    SOURCE = "RUN006", 1, "source failed",
        "A source cannot be read. Started again once the cause is gone, the job goes on where it stopped.";
    /// A source gives something else than before.
    SOURCE_CHANGED = "RUN007", 1, "source changed",
        "Data that was read has other content now, or is another file under the same name. Results that rest on the old content cannot be continued. Restore the input, or start over with --fresh.";
    /// A replay came to something else.
    NOT_REPRODUCED = "RUN008", 1, "not reproduced",
        "Computing a journaled epoch again gave another result than the journal says. Nothing was sent to a sink. This is a mistake of the engine, or a damaged machine; please report it.";
    /// No start makes progress.
    POISONED = "RUN009", 1, "poisoned",
        "Several starts in a row died while they computed the same epoch, so one more will not help. The log of the starts before says why they ended.";
    /// A simulated run came to a wrong result.
    SIM_WRONG = "SIM001", 10, "wrong result",
        "In a simulated run a sink held other rows than it should, an assert of the job did not hold, or the job failed without a reason. The page and the plan show the smallest case that was found; docs/SIMULATION.md says how to read them. An assert says what the job is meant for, and may be wrong about it. Otherwise, if the job is what you mean it to be, this is a mistake of the engine: please report it with the plan.";
    /// A simulated run did not come to its end.
    SIM_STUCK = "SIM002", 11, "stuck",
        "In a simulated run the job neither ended nor processed its input long after everything was well again, or it was started again and again. This is a mistake of the engine: please report it with the plan.";
    /// A simulated run panicked.
    SIM_PANIC = "SIM003", 12, "panic",
        "In a simulated run the engine, or an oracle of the simulator, found that it made a mistake. Please report it with the plan.";
    /// A simulated run is not reproducible.
    SIM_NOT_DETERMINISTIC = "SIM004", 13, "not deterministic",
        "The same plan gave two different runs, or the journal of a run gave other results when it was computed again. This is a mistake of the engine or of the simulator: please report it with the plan.";
    /// A plan does not test any more what it was made for.
    SIM_STALE = "SIM005", 14, "stale plan",
        "A deviation of the plan never happened, a mark that it asks for was not hit, or it names a table that the job does not have: it does not test any more what it was made for. Make a new one from a seed, or correct the line that the message names.";
    /// The runs say nothing.
    SIM_TAME = "SIM006", 15, "tame runs",
        "Nothing wrong was found, but the runs say little: over all seeds no row reached a sink, no window gave a row, or no process died between the journal's append and a sink's apply. Give more seeds or records, files that hold what the job waits for, a harder profile, or assume less.";
    /// A plan file makes no sense.
    SIM_PLAN = "SIM007", 2, "plan cannot be read",
        "The file is no plan, or a line of it is not understood. The message names the line. Nothing was run.";
    /// Not in this binary.
    #[cfg_attr(feature = "plants", allow(dead_code, reason = "they are in this one"))]
    SIM_NO_PLANTS = "SIM008", 2, "no planted bugs in this binary",
        "Planted bugs show whether the simulator would find a mistake. They are compiled into a binary on request only: `cargo run --profile quick --features plants -- sim plants`.";
    /// A planted bug was not found.
    #[cfg_attr(not(feature = "plants"), allow(dead_code, reason = "it has none"))]
    SIM_MISSED = "SIM009", 16, "planted bug not found",
        "A mistake was switched on, and no run showed it within the seeds and the time that were given: the simulator would not find a mistake like that. The message names it. Give more seeds or time, or mend the simulator.";
    /// Something is not as a test expects.
    TEST_FAILED = "TST001", 1, "test failed",
        "A sink came to hold other rows than the test expects, or the job came to other rows when it was run in another way. What differs is shown on the standard output. Correct the job or the expected file; `anabranch test --bless` writes the latter anew. A difference between two runs is a mistake of the engine unless the job depends on the clock; please report it.";
    /// A test cannot be run.
    TEST_FOLDER = "TST002", 2, "test cannot be run",
        "The folder holds no test, a file is missing or not understood, or the job has errors. A test is a folder with job.sql, input/<table>.jsonl for each table that is read (or the files that the job names), and expected/<sink>.jsonl.";
}

/// Why a command ended.
#[derive(Debug)]
pub(crate) struct JobError {
    /// The kind.
    pub code: &'static ErrorCode,
    /// What happened, with names and values; may have several lines.
    pub message: String,
    /// What to do, if there is something better to say than the code's explanation.
    pub help: Option<String>,
}

impl JobError {
    /// An error of this kind.
    pub(crate) fn new(code: &'static ErrorCode, message: impl Into<String>) -> JobError {
        JobError { code, message: message.into(), help: None }
    }

    /// The same with advice.
    #[must_use]
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> JobError {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for JobError {}

impl From<Failure> for JobError {
    fn from(failure: Failure) -> JobError {
        let code = match &failure {
            Failure::Fenced { .. } => &FENCED,
            Failure::Damaged { .. } => &DAMAGED,
            Failure::SinkLostData { .. } => &LOST,
            Failure::Diverged { .. } => &DIVERGED,
            Failure::Locked { .. } => &LOCKED,
            Failure::SinkRejected { .. } => &SINK,
            Failure::SourceChanged { .. } => &SOURCE_CHANGED,
            Failure::SourceFailed { .. } | Failure::TableFailed { .. } => &SOURCE,
            Failure::NotReproduced { .. } => &NOT_REPRODUCED,
            Failure::PlanChanged { .. } => &PLAN,
            Failure::Poisoned { .. } => &POISONED,
            Failure::BadRecord { .. } => &BAD_RECORD,
            Failure::JournalFailed(_)
            | Failure::JournalUnreadable(_)
            | Failure::SnapshotsUnreadable(_) => &JOURNAL,
        };
        match &failure {
            Failure::SinkRejected { sink, message } if message.starts_with(DISK_FULL) => {
                JobError::new(code, format!("sink {sink}: {message}")).with_help(MAKE_ROOM)
            }
            Failure::JournalFailed(message) if message.starts_with(DISK_FULL) => {
                JobError::new(code, format!("the journal: {message}")).with_help(MAKE_ROOM)
            }
            _ => JobError::new(code, failure.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;
    use std::path::Path;

    /// The line behind which the generated part of the page begins.
    const BEFORE: &str = "[OPERATING.md](OPERATING.md#exit-codes).\n";

    /// The sections of all codes.
    fn sections() -> String {
        let mut out = String::from("\n## The SQL text\n");
        for code in anabranch_sql::codes::CODES {
            let _ = write!(out, "\n### {}: {}\n\n{}\n", code.code, code.title, code.explanation);
        }
        out.push_str("\n## The binary\n");
        for code in CODES {
            let ErrorCode { code, title, explanation, exit } = code;
            let _ = write!(out, "\n### {code}: {title}\n\n{explanation} Exit code {exit}.\n");
        }
        out
    }

    #[test]
    fn the_page_of_errors_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ERRORS.md");
        let page = std::fs::read_to_string(&path).unwrap();
        let (head, found) = page.split_once(BEFORE).expect("the page says where it begins");
        let expected = sections();
        if found == expected {
            return;
        }
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, format!("{head}{BEFORE}{expected}")).unwrap();
            return;
        }
        panic!("docs/ERRORS.md is not up to date: UPDATE_EXPECT=1 writes it anew");
    }

    #[test]
    fn codes_ascend_and_stand_once() {
        let codes: Vec<&str> = CODES.iter().map(|code| code.code).collect();
        let mut sorted = codes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(codes, sorted);
    }
}
