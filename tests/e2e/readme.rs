//! The README shows what its first command prints.

use crate::support::{Folder, root};
use std::fs;

/// The line behind which the block stands.
const BEFORE: &str = "It prints:\n\n```text\n";

/// The text with a mask in place of what differs from run to run (durations and
/// rates) and of the plan's hash, which says nothing to a reader.
fn masked(text: &str) -> String {
    let mask_before = |text: &str, unit: &str| -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(unit) {
            let number =
                rest[..at].trim_end_matches(|c: char| c.is_ascii_digit() || ",.".contains(c));
            out.push_str(number);
            out.push('#');
            out.push_str(unit);
            rest = &rest[at + unit.len()..];
        }
        out + rest
    };
    let text = mask_before(text, " rows/s");
    let lines = text.lines().map(|line| match line.split_once(", plan ") {
        Some((before, _)) => format!("{before}, plan #"),
        None if line.contains(" finished in ") => mask_before(line, " s"),
        None => line.to_owned(),
    });
    lines.map(|line| line + "\n").collect()
}

#[test]
fn the_readme_shows_what_the_first_command_prints() {
    let folder = Folder::with_flights();
    let ran = folder.run(&["run", "examples/flights/flights.sql"]);
    ran.exits_with(0);
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).expect("the README is there");
    let (head, rest) = readme.split_once(BEFORE).expect("the README has the block");
    let (shown, tail) = rest.split_once("```").expect("the block ends");
    if masked(shown) != masked(&ran.stderr) {
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            let text = format!("{head}{BEFORE}{}```{tail}", ran.stderr);
            fs::write(&path, text).expect("the README can be written");
            return;
        }
        assert_eq!(masked(shown), masked(&ran.stderr), "UPDATE_EXPECT=1 writes it anew");
    }
}

#[test]
fn masks_hide_times_and_rates_only() {
    let text = "a finished in 0.41 s\n  rows in 26,398 3.1 MiB, 64,000 rows/s\n";
    assert_eq!(masked(text), "a finished in # s\n  rows in 26,398 3.1 MiB, # rows/s\n");
}
