//! What came of tests: for people, for programs, and for CI servers.

use super::diff::Difference;
use crate::cli::TestFormat;
use crate::errors::JobError;
use crate::output::console::show_text;
use crate::output::junit::{self, Case, Outcome};
use crate::output::text::{self, plural};
use serde_json::json;
use std::fmt::Write as _;
use std::time::Duration;

/// What came of one test.
#[derive(Debug)]
pub(super) struct Report {
    /// Its name.
    pub(super) name: String,
    /// The result.
    pub(super) verdict: Verdict,
    /// About how many records were read.
    pub(super) records: usize,
    /// The ways in which the job was run.
    pub(super) runs: Vec<String>,
    /// How many rows each sink got.
    pub(super) sinks: Vec<(String, usize)>,
    /// What came of the job's asserts.
    pub(super) asserts: Vec<AssertReport>,
    /// What nobody compared.
    pub(super) notes: Vec<String>,
    /// How long it took.
    pub(super) took: Duration,
}

/// What came of an assert in all runs in which it was judged.
#[derive(Clone, Debug, Default)]
pub(super) struct AssertReport {
    /// What it is called.
    pub(super) name: String,
    /// How often it was judged.
    pub(super) checks: u64,
    /// How many rows its tables held when they held most.
    pub(super) rows: usize,
    /// Whether it gave a row, or could not be computed.
    pub(super) fails: bool,
}

/// The result of a test.
#[derive(Debug)]
pub(super) enum Verdict {
    /// What came out is expected from now on; the files that changed.
    Blessed(Vec<String>),
    /// It could not be run.
    Broken(JobError),
    /// Something is not as it should be.
    Failed(Vec<Difference>),
    /// All is as it should be.
    Passed,
}

impl Report {
    /// Of a test that was not run yet.
    pub(super) fn of(name: &str) -> Report {
        Report {
            name: name.to_owned(),
            verdict: Verdict::Passed,
            records: 0,
            runs: Vec::new(),
            sinks: Vec::new(),
            asserts: Vec::new(),
            notes: Vec::new(),
            took: Duration::ZERO,
        }
    }

    /// All that there is to say of a test that did not pass.
    fn details(&self) -> String {
        match &self.verdict {
            Verdict::Passed => String::new(),
            Verdict::Blessed(files) => {
                files.iter().map(|file| format!("  wrote {file}\n")).collect()
            }
            Verdict::Broken(error) => {
                let mut out = String::new();
                for line in error.message.lines() {
                    let _ = writeln!(out, "  {line}");
                }
                if let Some(help) = &error.help {
                    let _ = writeln!(out, "  help: {help}");
                }
                out
            }
            Verdict::Failed(differences) => {
                let mut out = String::new();
                for difference in differences {
                    let _ = writeln!(out, "  {}", difference.title);
                    for line in &difference.lines {
                        let _ = writeln!(out, "    {line}");
                    }
                }
                out
            }
        }
    }

    /// The first thing that is wrong.
    fn first_line(&self) -> String {
        match &self.verdict {
            Verdict::Blessed(_) | Verdict::Passed => String::new(),
            Verdict::Broken(error) => {
                error.message.lines().find(|line| !line.trim().is_empty()).unwrap_or("").into()
            }
            Verdict::Failed(differences) => {
                differences.first().map(|difference| difference.title.clone()).unwrap_or_default()
            }
        }
    }

    fn word(&self) -> &'static str {
        match self.verdict {
            Verdict::Blessed(_) => "blessed",
            Verdict::Broken(_) => "broken",
            Verdict::Failed(_) => "failed",
            Verdict::Passed => "passed",
        }
    }

    fn text(&self) -> String {
        let mut out = format!("{:<7} {}", self.word(), self.name);
        if !self.runs.is_empty() {
            let rows: usize = self.sinks.iter().map(|(_, rows)| rows).sum();
            let asserts = match self.asserts.len() as u64 {
                0 => String::new(),
                count => format!("{}, ", plural(count, "assert")),
            };
            let _ = write!(
                out,
                ": {} to {} in {}, {}, {asserts}{}",
                plural(self.records as u64, "record"),
                plural(rows as u64, "row"),
                plural(self.sinks.len() as u64, "sink"),
                plural(self.runs.len() as u64, "run"),
                text::duration(self.took),
            );
        }
        out.push('\n');
        for note in &self.notes {
            let _ = writeln!(out, "  note: {note}");
        }
        out + &self.details()
    }

    fn json(&self) -> serde_json::Value {
        let differences: Vec<_> = match &self.verdict {
            Verdict::Failed(differences) => differences.iter().map(difference_json).collect(),
            Verdict::Blessed(_) | Verdict::Broken(_) | Verdict::Passed => Vec::new(),
        };
        let error = match &self.verdict {
            Verdict::Broken(error) => Some(json!({
                "code": error.code.code,
                "message": error.message,
                "help": error.help,
            })),
            Verdict::Blessed(_) | Verdict::Failed(_) | Verdict::Passed => None,
        };
        let sinks: Vec<_> =
            self.sinks.iter().map(|(name, rows)| json!({"sink": name, "rows": rows})).collect();
        let asserts: Vec<_> = self
            .asserts
            .iter()
            .map(|it| json!({"assert": it.name, "checks": it.checks, "holds": !it.fails}))
            .collect();
        json!({
            "test": self.name,
            "result": self.word(),
            "records": self.records,
            "sinks": sinks,
            "runs": self.runs,
            "asserts": asserts,
            "notes": self.notes,
            "differences": differences,
            "error": error,
            "seconds": self.took.as_secs_f64(),
        })
    }

    fn case(&self) -> Case {
        let (line, all) = (self.first_line(), self.details());
        Case {
            name: self.name.clone(),
            took: self.took,
            outcome: match &self.verdict {
                Verdict::Blessed(_) | Verdict::Passed => Outcome::Passed,
                Verdict::Broken(_) => Outcome::Broken(line, all),
                Verdict::Failed(_) => Outcome::Failed(line, all),
            },
            out: self.notes.join("\n"),
        }
    }
}

fn difference_json(difference: &Difference) -> serde_json::Value {
    json!({
        "sink": difference.sink,
        "what": difference.title,
        "missing": difference.missing,
        "unexpected": difference.unexpected,
    })
}

/// Shows one test as soon as it has run, where that makes sense.
pub(super) fn show(report: &Report, format: TestFormat) -> Result<(), JobError> {
    match format {
        TestFormat::Json => show_text(&format!("{}\n", report.json())),
        TestFormat::Junit => Ok(()),
        TestFormat::Text => show_text(&report.text()),
    }
}

/// Shows all tests together.
pub(super) fn show_all(reports: &[Report], format: TestFormat) -> Result<(), JobError> {
    let count = |word: &str| reports.iter().filter(|report| report.word() == word).count();
    match format {
        TestFormat::Json => Ok(()),
        TestFormat::Junit => {
            let cases: Vec<Case> = reports.iter().map(Report::case).collect();
            show_text(&junit::document("anabranch test", &cases))
        }
        TestFormat::Text => {
            let words = ["passed", "blessed", "failed", "broken"];
            let counts: Vec<String> = words
                .iter()
                .filter(|word| count(word) > 0)
                .map(|word| format!("{} {word}", count(word)))
                .collect();
            let all = plural(reports.len() as u64, "test");
            show_text(&format!("{all}: {}\n", counts.join(", ")))
        }
    }
}
