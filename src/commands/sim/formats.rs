//! What is printed, in each format.

use super::args::SimFormat;
use super::findings::Explained;
use super::input::Subject;
use super::summary::{RunNumbers, Summary};
use crate::errors::JobError;
use crate::output::console::show_text;
use crate::output::junit::{self, Case, Outcome};
use crate::output::text::{self, plural};
use serde_json::json;
use std::time::Duration;

/// Prints runs one after the other, and what came of all of them.
pub(super) struct Printer {
    format: SimFormat,
    verbose: bool,
    cases: Vec<Case>,
}

/// What came of one run.
pub(super) enum Verdict<'a> {
    /// Nothing is wrong.
    Fine,
    /// Something is, and this is all of it.
    Found(&'a Explained),
    /// The same as in a run before.
    Again {
        /// What is wrong.
        what: String,
        /// The run before.
        label: String,
    },
}

impl Printer {
    /// A printer; with a line for each run, or not.
    pub(super) fn new(format: SimFormat, verbose: bool) -> Printer {
        Printer { format, verbose, cases: Vec::new() }
    }

    /// A run is over.
    ///
    /// # Errors
    /// If nobody takes the text.
    pub(super) fn run(
        &mut self,
        label: &str,
        run: &RunNumbers,
        took: Duration,
        verdict: &Verdict<'_>,
    ) -> Result<(), JobError> {
        match self.format {
            SimFormat::Text => {
                let text = match verdict {
                    Verdict::Fine if !self.verbose => return Ok(()),
                    Verdict::Fine => format!("{label}: nothing found; {}\n", numbers(run)),
                    Verdict::Found(explained) => explained.text(),
                    Verdict::Again { what, label: before } => {
                        format!("{label}: as {before}: {what}\n")
                    }
                };
                show_text(&text)
            }
            SimFormat::Json => {
                let finding = match verdict {
                    Verdict::Fine => json!(null),
                    Verdict::Found(explained) => explained.json(),
                    Verdict::Again { what, label } => json!({"detail": what, "as": label}),
                };
                let object = json!({
                    "run": label,
                    "trace": format!("{:016x}", run.trace),
                    "events": run.events,
                    "simulated_seconds": run.simulated_ns as f64 / 1e9,
                    "faults": run.faults(),
                    "seconds": took.as_secs_f64(),
                    "finding": finding,
                });
                show_text(&format!("{object}\n"))
            }
            SimFormat::Junit => {
                let outcome = match verdict {
                    Verdict::Fine => Outcome::Passed,
                    Verdict::Found(explained) => {
                        Outcome::Failed(explained.finding.to_string(), explained.text())
                    }
                    Verdict::Again { what, label } => {
                        Outcome::Failed(what.clone(), format!("as {label}"))
                    }
                };
                self.cases.push(Case { name: label.to_owned(), took, outcome, out: String::new() });
                Ok(())
            }
        }
    }

    /// Something that is not about one run.
    ///
    /// # Errors
    /// If nobody takes the text.
    pub(super) fn note(&self, text: &str) -> Result<(), JobError> {
        match self.format {
            SimFormat::Text => show_text(text),
            SimFormat::Json | SimFormat::Junit => Ok(()),
        }
    }

    /// All runs are over.
    ///
    /// # Errors
    /// If nobody takes the text.
    pub(super) fn end(
        &self,
        title: &str,
        subject: &Subject,
        summary: &Summary,
        took: Duration,
    ) -> Result<(), JobError> {
        match self.format {
            SimFormat::Text => {
                let found = match summary.found {
                    0 => "nothing found".to_owned(),
                    found => format!("{} found", text::count(found)),
                };
                let head = format!("{}, {title}: {found}\n", subject.name);
                show_text(&(head + &summary.text(subject, took)))
            }
            SimFormat::Json => {
                let object = json!({"summary": summary.json(subject, took)});
                show_text(&format!("{object}\n"))
            }
            SimFormat::Junit => {
                let name = format!("anabranch sim {}", subject.file);
                show_text(&junit::document(&name, &self.cases))
            }
        }
    }
}

/// A run in a few words.
fn numbers(run: &RunNumbers) -> String {
    let simulated = Duration::from_millis((run.simulated_ns / 1_000_000).max(0) as u64);
    format!(
        "{}, {}, {} simulated",
        plural(run.faults(), "fault"),
        plural(run.events, "event"),
        text::duration(simulated)
    )
}
