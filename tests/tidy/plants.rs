//! Planted bugs are in no build that anybody gets.

use crate::{assert_clean, repo};
use std::process::Command;

/// The features that a build of what the root package ships gives each crate, one a line:
/// `anabranch-engine [plants]`.
fn features(extra: &[&str]) -> String {
    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .current_dir(repo::root())
        .args(["tree", "--offline", "--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{p} [{f}]"])
        .args(extra)
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text")
}

/// Crates that hold planted bugs.
fn planted(tree: &str) -> Vec<String> {
    let has_plants = |line: &&str| {
        let features = line.rsplit_once('[').map_or("", |(_, rest)| rest.trim_end_matches(']'));
        features.split(',').any(|feature| feature.trim() == "plants")
    };
    tree.lines().filter(has_plants).map(|line| format!("planted bugs in {line}")).collect()
}

#[test]
fn no_build_that_is_shipped_holds_a_planted_bug() {
    let package = features(&["--package", "anabranch"]);
    assert!(package.contains("anabranch-engine v"), "the core was not found:\n{package}");
    assert_clean(planted(&package));
    // What `cargo build` at the root builds: all default members with one set of features.
    assert_clean(planted(&features(&[])));
}

#[test]
fn a_build_that_holds_planted_bugs_is_noticed() {
    let with = features(&["--package", "anabranch", "--features", "plants"]);
    assert!(planted(&with).iter().any(|it| it.contains("anabranch-engine")), "{with}");
    assert!(!planted(&features(&["--package", "anabranch-sim-plants"])).is_empty());
}
