//! The block at the start of a job and the summary at its end.

use super::console::say;
use super::text::{self, plural};
use crate::config::LogFormat;
use crate::job::{JobText, path_of, sinks, sources};
use anabranch_engine::pipeline::Status;
use anabranch_engine::plan::connector::{CONNECTORS, Guarantee, SIMULATED_ONLY};
use anabranch_engine::plan::{FormatSpec, NodeKind, Plan, SideKind, Table};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A job as the blocks show it.
pub(crate) struct Shown<'a> {
    /// Its text.
    pub job: &'a JobText,
    /// Its plan.
    pub plan: &'a Plan,
    /// Where its state is kept, if it is.
    pub state: Option<&'a Path>,
    /// How messages are written.
    pub log: LogFormat,
}

/// What a sink promises, in words.
#[must_use]
pub(crate) fn guarantee(table: &Table) -> String {
    let spec = CONNECTORS.iter().find(|spec| spec.name == table.connector);
    match spec.map(|spec| (spec.guarantee, spec.guarantee_note)) {
        Some((Guarantee::ExactlyOnce, note)) if SIMULATED_ONLY.contains(&&*table.connector) => {
            format!("exactly once: {note}")
        }
        Some((Guarantee::ExactlyOnce, _)) => "exactly once".to_owned(),
        Some((Guarantee::AtLeastOnce, note)) => format!("at least once: {note}"),
        None => "no guarantee".to_owned(),
    }
}

fn format_of(table: &Table) -> &'static str {
    match table.format {
        FormatSpec::Csv(_) => ", csv",
        FormatSpec::Json(_) => ", json",
        FormatSpec::None => "",
    }
}

/// What a table is, without its name: connector, place, format.
#[must_use]
pub(crate) fn table_words(table: &Table, base: &Path) -> String {
    let place = path_of(table, base).map(|path| format!(" {}", path.display()));
    let connector = match table.connector.as_str() {
        "print-table" => "standard output",
        other => other,
    };
    format!("{connector}{}{}", place.unwrap_or_default(), format_of(table))
}

/// The name that people see of a table.
#[must_use]
pub(crate) fn table_name(table: &Table) -> &str {
    if table.name.starts_with("$select") { "SELECT" } else { &table.name }
}

impl Shown<'_> {
    /// Says what is about to run.
    pub(crate) fn start(&self) {
        let rows = self.start_rows();
        match self.log {
            LogFormat::Json => {
                tracing::info!(
                    target: "anabranch::start",
                    job = self.job.name,
                    plan = %self.plan.hash(),
                    state = self.state.map(|path| path.display().to_string()),
                    "starting",
                );
            }
            LogFormat::Text => {
                for line in aligned(&rows) {
                    say(&line);
                }
            }
        }
    }

    fn start_rows(&self) -> Vec<[String; 3]> {
        let plan_hash = self.plan.hash().to_string();
        let mut rows = vec![[
            "job".to_owned(),
            self.job.name.clone(),
            format!("{}, plan {}", self.job.origin, &plan_hash[..8]),
        ]];
        for table in sources(self.plan) {
            let end = if table.bounded { "bounded" } else { "unbounded" };
            let words = format!("{}, {end}", table_words(table, &self.job.base));
            rows.push(["source".to_owned(), table.name.clone(), words]);
        }
        for table in sinks(self.plan) {
            let words = format!("{}, {}", table_words(table, &self.job.base), guarantee(table));
            rows.push(["sink".to_owned(), table_name(table).to_owned(), words]);
        }
        let state = match self.state {
            Some(path) => path.display().to_string(),
            None => "none is kept: no sink is exactly-once over a restart".to_owned(),
        };
        rows.push(["state".to_owned(), state, String::new()]);
        rows
    }

    /// Says what came of it.
    pub(crate) fn summary(&self, word: &str, status: &Status, took: Duration) {
        let sum = |counts: &[(String, u64)]| counts.iter().map(|(_, count)| count).sum::<u64>();
        if self.log == LogFormat::Json {
            tracing::info!(
                target: "anabranch::summary",
                job = self.job.name,
                rows_in = status.records,
                bytes_in = status.bytes,
                rows_out = status.rows_out,
                late = sum(&status.late),
                late_partial = sum(&status.late_partial),
                dead = sum(&status.dead),
                windows = status.windows_fired,
                epoch = status.epoch.0,
                seconds = took.as_secs_f64(),
                "{word}",
            );
            return;
        }
        say(&format!("{} {word} in {}", self.job.name, text::duration(took)));
        for line in aligned(&self.summary_rows(status, took)) {
            say(&line);
        }
        for line in self.next_steps(status) {
            say(&line);
        }
    }

    fn summary_rows(&self, status: &Status, took: Duration) -> Vec<[String; 3]> {
        let rate = status.records as f64 / took.as_secs_f64().max(0.000_001);
        let number =
            |name: &str, value: u64, words: String| [name.to_owned(), text::count(value), words];
        let counts = |counts: &[(String, u64)]| {
            let each = counts.iter().filter(|(_, count)| *count > 0);
            let each: Vec<String> =
                each.map(|(name, count)| format!("{name} {}", text::count(*count))).collect();
            each.join(", ")
        };
        let sum = |counts: &[(String, u64)]| counts.iter().map(|(_, count)| count).sum::<u64>();
        let read = format!("{}, {} rows/s", text::bytes(status.bytes), text::count(rate as u64));
        let mut rows = vec![
            number("rows in", status.records, read),
            number("rows out", status.rows_out, String::new()),
            number("windows", status.windows_fired, "fired".to_owned()),
            number("late", sum(&status.late), counts(&status.late)),
        ];
        if sum(&status.late_partial) > 0 {
            let words = format!("for some windows only: {}", counts(&status.late_partial));
            rows.push(number("", sum(&status.late_partial), words));
        }
        rows.push(number("dead", sum(&status.dead), counts(&status.dead)));
        for (table, sink) in sinks(self.plan).zip(&status.sinks) {
            let rows_out = plural(sink.rows, "row");
            let place = match path_of(table, &self.job.base) {
                Some(path) => format!("{rows_out} in {}", path.display()),
                None => rows_out,
            };
            rows.push(["output".to_owned(), table_name(table).to_owned(), place]);
        }
        rows
    }

    /// The next useful command, if something is worth a look.
    fn next_steps(&self, status: &Status) -> Vec<String> {
        let read = |kind: SideKind| {
            self.plan
                .nodes
                .iter()
                .any(|node| matches!(&node.kind, NodeKind::SideScan(side) if side.kind == kind))
        };
        let mut lines = Vec::new();
        let late = status.late.iter().map(|(_, count)| *count).max().unwrap_or(0);
        let tables: BTreeSet<&str> =
            sources(self.plan).filter(|t| t.watermark.is_some()).map(|t| t.name.as_str()).collect();
        if late > 0 && !read(SideKind::Late) {
            for table in tables {
                lines.push(format!(
                    "{} came late: SELECT * FROM `{table}$late` shows them",
                    plural(late, "row")
                ));
            }
        }
        for (table, count) in status.dead.iter().filter(|(_, count)| *count > 0) {
            if !read(SideKind::Dead) {
                let rows = plural(*count, "row");
                lines.push(format!(
                    "{rows} could not be used: SELECT * FROM `{table}$dead` shows them"
                ));
            }
        }
        let files: Vec<PathBuf> =
            sinks(self.plan).filter_map(|table| path_of(table, &self.job.base)).collect();
        if let (true, Some(path)) = (lines.is_empty(), files.first()) {
            lines.push(format!("next: head {}/*", path.display()));
        }
        lines
    }
}

/// Lines whose second and third columns stand below each other.
fn aligned(rows: &[[String; 3]]) -> Vec<String> {
    let width = |index: usize| {
        let shown = rows.iter().filter(|row| index == 0 || !row[2].is_empty());
        shown.map(|row| row[index].chars().count()).max().unwrap_or(0)
    };
    let (first, second) = (width(0), width(1));
    let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    rows.iter()
        .map(|[name, value, words]| {
            let line = match is_number(value) && !words.contains(" in ") {
                true => format!("  {name:first$}  {value:>second$}  {words}"),
                false => format!("  {name:first$}  {value:second$}  {words}"),
            };
            line.trim_end().to_owned()
        })
        .collect()
}
