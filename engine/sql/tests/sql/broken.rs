//! Broken jobs: each with its line, column, caret, message and advice.

use crate::support::errors;
use expect_test::expect_file;
use std::fmt::Write;

#[test]
fn every_broken_job_says_where_and_why() {
    let jobs = include_str!("../broken/jobs.sql");
    let mut all = String::new();
    let mut count = 0;
    for job in jobs.split("==== ").filter(|job| !job.is_empty()) {
        let (name, text) = job.split_once('\n').expect("a name, then the text");
        let found = errors(text);
        assert!(found.starts_with("SQL"), "{name} is in order");
        let _ = writeln!(all, "==== {name}\n{found}");
        count += 1;
    }
    assert!(count >= 60, "only {count} broken jobs");
    expect_file!["../broken/errors.txt"].assert_eq(&all);
}
