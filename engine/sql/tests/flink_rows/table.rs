//! The table of differences: what is not as in Flink, on purpose, and why.

use std::fmt::Write;

/// The committed table.
const TABLE: &str = include_str!("differences.tsv");

/// What is not as in Flink.
#[derive(Debug)]
pub(crate) struct Topic {
    /// A few words.
    pub(crate) name: &'static str,
    /// What Flink does.
    pub(crate) flink: &'static str,
    /// What happens here.
    pub(crate) here: &'static str,
    /// The reason.
    pub(crate) why: &'static str,
    /// The rows that show it.
    pub(crate) patterns: Vec<Pattern>,
}

/// Rows that a topic explains; `*` stands for any text.
#[derive(Debug)]
pub(crate) struct Pattern {
    file: &'static str,
    expression: &'static str,
    flink: &'static str,
    ours: &'static str,
}

impl Pattern {
    /// Whether the row is one of these.
    pub(crate) fn matches(&self, file: &str, expression: &str, flink: &str, ours: &str) -> bool {
        glob(self.file, file)
            && glob(self.expression, expression)
            && glob(self.flink, flink)
            && glob(self.ours, ours)
    }

    /// The line of the table.
    pub(crate) fn line(&self) -> String {
        [self.file, self.expression, self.flink, self.ours].join("\t")
    }
}

/// Whether the text is what the pattern says; `*` stands for any text.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((before, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(before) else { return false };
    let places = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    places.into_iter().any(|at| glob(rest, &text[at..]))
}

/// All topics, in the order of the table.
pub(crate) fn topics() -> Vec<Topic> {
    let mut topics: Vec<Topic> = Vec::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&'static str> = line.split('\t').collect();
        match (cells.as_slice(), topics.last_mut()) {
            (["", "-"], Some(_)) => {}
            (["", file, expression, flink, ours], Some(topic)) => {
                topic.patterns.push(Pattern { file, expression, flink, ours });
            }
            ([name, flink, here, why], _) if !name.is_empty() => {
                topics.push(Topic { name, flink, here, why, patterns: Vec::new() });
            }
            _ => panic!("differences.tsv has a line that is neither topic nor pattern: {line:?}"),
        }
    }
    topics
}

/// The topics as a table of the documentation.
pub(crate) fn documentation() -> String {
    let mut out = String::from("| Topic | Flink | Here | Why |\n|---|---|---|---|\n");
    for topic in topics() {
        let cells = [topic.name, topic.flink, topic.here, topic.why];
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out
}

#[test]
fn a_star_stands_for_any_text() {
    assert!(glob("a*c", "abbc") && glob("*", "") && glob("a*", "a") && !glob("a*c", "acb"));
    assert!(glob("*x*", "axb") && !glob("*x*", "ab") && !glob("a", "ab"));
}
