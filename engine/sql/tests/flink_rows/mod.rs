//! Every row that real Flink produced, against our own answer.
//!
//! A row is skipped only if its function is in `later.txt`, and may differ only if a
//! pattern of `differences.tsv` says so. Both tables must be without idle lines.

mod aggregate;
pub(crate) mod answer;
mod coverage;
pub(crate) mod table;

use answer::Answer;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::sync::OnceLock;
use table::Topic;

/// Functions that this version does not have.
const LATER: &str = include_str!("later.txt");

/// A row of Flink's with our answer.
pub(crate) struct Row {
    /// The file without its ending.
    pub(crate) file: String,
    /// The SQL text.
    pub(crate) expression: String,
    pub(crate) flink: Answer,
    pub(crate) ours: Answer,
    /// The functions, operators and casts in it.
    pub(crate) parts: BTreeSet<String>,
}

/// All rows, in the order of the files, with our answers; computed once.
pub(crate) fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(compute_rows)
}

fn compute_rows() -> Vec<Row> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/flink-truth/rows");
    let entries = std::fs::read_dir(&folder).expect("the rows are in the repository");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let mut rows = Vec::new();
    for path in files {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let Some(file) = name.strip_suffix(".tsv").filter(|name| !name.ends_with(".folded")) else {
            continue;
        };
        let text = std::fs::read_to_string(&path).expect("a file of UTF-8");
        for line in text.lines() {
            let cells: Vec<&str> = line.split('\t').collect();
            let [expression, ty, value] = cells[..] else { panic!("{name}: {line}") };
            let (ours, parts) = match file.starts_with("aggregate") {
                true => aggregate::of_query(expression),
                false => answer::of_expression(expression),
            };
            let (flink, expression) = (Answer::of_row(ty, value), expression.to_owned());
            rows.push(Row { file: file.to_owned(), expression, flink, ours, parts });
        }
    }
    rows
}

/// The functions of `later.txt`.
fn later() -> BTreeSet<&'static str> {
    LATER.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).collect()
}

/// The name of a function that we do not know, if that is why the row was refused.
fn unknown_function(ours: &Answer) -> Option<&str> {
    match ours {
        Answer::Refused(text) => text.strip_prefix("REFUSED:SQL020 unknown function "),
        _ => None,
    }
}

/// How the rows came out.
#[derive(Default)]
struct Tally {
    agree: usize,
    /// By function.
    skipped: BTreeMap<String, usize>,
    /// By topic and pattern.
    listed: BTreeMap<(usize, usize), usize>,
    /// Rows that differ without a reason.
    wrong: String,
}

impl Tally {
    fn take(&mut self, row: &Row, topics: &[Topic], later: &BTreeSet<&str>) {
        let Row { file, expression, flink, ours, parts: _ } = row;
        if ours.agrees(flink) {
            self.agree += 1;
            return;
        }
        if let Some(name) = unknown_function(ours).filter(|name| later.contains(name)) {
            *self.skipped.entry(name.to_owned()).or_default() += 1;
            return;
        }
        let (theirs, own) = (flink.text_beside(ours), ours.text_beside(flink));
        let mut explained = false;
        for (t, topic) in topics.iter().enumerate() {
            for (p, pattern) in topic.patterns.iter().enumerate() {
                // Every pattern that fits counts as used; the row counts once.
                if pattern.matches(file, expression, &theirs, &own) {
                    *self.listed.entry((t, p)).or_default() += usize::from(!explained);
                    explained = true;
                }
            }
        }
        if !explained {
            let _ = writeln!(self.wrong, "{file}\t{expression}\t{theirs}\t{own}");
        }
    }

    /// The totals, for a person.
    fn report(&self, topics: &[Topic]) -> String {
        let listed: usize = self.listed.values().sum();
        let skipped: usize = self.skipped.values().sum();
        let mut out = format!(
            "{} rows are as in Flink, {listed} differ on purpose, {skipped} have a function of later\n",
            self.agree
        );
        for (t, topic) in topics.iter().enumerate() {
            let of_topic = self.listed.iter().filter(|((of, _), _)| *of == t);
            let _ = writeln!(out, "{:>6}  {}", of_topic.map(|(_, n)| n).sum::<usize>(), topic.name);
        }
        out
    }
}

#[test]
fn every_row_is_as_in_flink_or_listed() {
    let (topics, later) = (table::topics(), later());
    let mut tally = Tally::default();
    let rows = rows();
    for row in rows {
        tally.take(row, &topics, &later);
    }
    println!("{}", tally.report(&topics));
    assert!(tally.wrong.is_empty(), "rows differ without a line in the table:\n{}", tally.wrong);
    for (t, topic) in topics.iter().enumerate() {
        for (p, pattern) in topic.patterns.iter().enumerate() {
            let line = pattern.line();
            assert!(tally.listed.contains_key(&(t, p)), "no row is like this any more: {line}");
        }
    }
    for name in later {
        assert!(tally.skipped.contains_key(name), "{name} of later.txt is in no row, or works");
    }
    assert!(rows.len() > 14_000, "only {} rows were found", rows.len());
}
