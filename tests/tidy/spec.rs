//! The specification and the code point at each other: every rule has a status, every
//! citation names a rule, and a rule that is said to be kept is cited where it is
//! implemented and where it is tested.

use crate::assert_clean;
use crate::repo::{self, TextFile};
use crate::rust;
use std::collections::{BTreeMap, BTreeSet};

/// Where the rules stand.
const SPECIFICATION: &str = "docs/SEMANTICS.md";
/// Folders whose code makes up the product.
const PRODUCT: &[&str] = &["src/", "engine/", "sim/", "connectors/"];
/// What a line must hold to cite rules, after the comment's leader.
const MARK: &str = " spec: ";

/// The rules by name, each with its status.
type Rules = BTreeMap<String, String>;

/// Where the rules are cited.
#[derive(Debug, Default)]
struct Citations {
    in_code: BTreeSet<String>,
    in_tests: BTreeSet<String>,
    /// Every place, to name it if the rule does not exist.
    places: Vec<(String, String)>,
}

/// The rules of the specification, and what is wrong with its form.
fn rules(text: &str) -> (Rules, Vec<String>) {
    let mut problems = Vec::new();
    let mut stated = BTreeSet::new();
    let mut statuses = Rules::new();
    for (index, line) in text.lines().enumerate() {
        let place = format!("{SPECIFICATION}:{}", index + 1);
        if let Some((name, words)) = line.strip_prefix("- **").and_then(|it| it.split_once("**")) {
            if !is_rule_name(name) || words.trim().is_empty() {
                problems.push(format!("{place}: this is no rule: **{name}**"));
            } else if !stated.insert(name.to_string()) {
                problems.push(format!("{place}: {name} is stated twice"));
            }
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ["", name, status, .., ""] = cells[..]
            && is_rule_name(name)
        {
            if !matches!(status, "kept" | "later") {
                problems.push(format!("{place}: the status of {name} is neither kept nor later"));
            }
            if statuses.insert(name.to_string(), status.to_string()).is_some() {
                problems.push(format!("{place}: {name} has two statuses"));
            }
        }
    }
    let with_status: BTreeSet<String> = statuses.keys().cloned().collect();
    for name in stated.symmetric_difference(&with_status) {
        problems.push(format!("{SPECIFICATION}: {name} lacks a status, or a text"));
    }
    (statuses, problems)
}

/// One capital letter, a dash, a number.
fn is_rule_name(name: &str) -> bool {
    let Some((area, number)) = name.split_once('-') else { return false };
    let is_area = area.len() == 1 && area.chars().all(|c| c.is_ascii_uppercase());
    is_area && !number.is_empty() && number.chars().all(|c| c.is_ascii_digit())
}

/// The rules that a line cites: `spec: E-1, T-4` behind a comment's leader.
fn cited(line: &str) -> Vec<&str> {
    let leaders = ["//", "#", "--"];
    let Some((before, list)) = line.split_once(MARK) else { return Vec::new() };
    let before = before.trim_end_matches('!');
    if !leaders.iter().any(|leader| before.ends_with(leader)) {
        return Vec::new();
    }
    list.split(',').map(|part| part.split_whitespace().next().unwrap_or_default()).collect()
}

/// All citations in Rust files and in the scripts that tests run.
fn citations(files: &[TextFile]) -> Result<Citations, String> {
    let rust_files: Vec<TextFile> =
        files.iter().filter(|file| file.extension() == "rs").cloned().collect();
    let test_modules = rust::test_modules(&rust_files)?;
    let mut citations = Citations::default();
    for file in files.iter().filter(|file| !file.is_fixture()) {
        let is_rust = file.extension() == "rs";
        let is_test_file = rust::is_test_file(file, &test_modules);
        let is_product = is_rust && PRODUCT.iter().any(|folder| file.path.starts_with(folder));
        if !(is_test_file || is_product) {
            continue;
        }
        let test_lines = if is_rust { rust::test_lines(file)? } else { Vec::new() };
        for (index, line) in file.text.lines().enumerate() {
            let in_test = is_test_file || test_lines.iter().any(|it| it.contains(&(index + 1)));
            for name in cited(line) {
                let set = if in_test { &mut citations.in_tests } else { &mut citations.in_code };
                set.insert(name.to_string());
                let place = format!("{}:{}", file.path, index + 1);
                citations.places.push((name.to_string(), place));
            }
        }
    }
    Ok(citations)
}

/// What does not agree between rules and citations.
fn disagreements(rules: &Rules, citations: &Citations) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, place) in &citations.places {
        if !rules.contains_key(name) {
            problems.push(format!("{place}: {SPECIFICATION} has no rule `{name}`"));
        }
    }
    for (name, _) in rules.iter().filter(|(_, status)| *status == "kept") {
        if !citations.in_code.contains(name) {
            problems.push(format!("{name} is said to be kept, but no code cites it"));
        }
        if !citations.in_tests.contains(name) {
            problems.push(format!("{name} is said to be kept, but no test cites it"));
        }
    }
    problems
}

#[test]
fn every_rule_that_is_kept_is_cited_in_code_and_in_a_test() {
    let (rules, mut problems) = rules(&repo::read(SPECIFICATION));
    assert!(rules.len() >= 43, "only {} rules were found", rules.len());
    assert!(rules.values().any(|status| status == "kept"), "no rule is kept");
    let citations = citations(&repo::text_files()).expect("every file parses");
    assert!(!citations.in_code.is_empty(), "no citation was found");
    problems.extend(disagreements(&rules, &citations));
    assert_clean(problems);
}

mod self_tests {
    use super::*;

    /// A comment that cites rules, put together so that this file does not.
    fn cite(names: &str) -> String {
        format!("//{MARK}{names}\n")
    }

    fn disagreements_of(status: &str, files: &[(&str, String)]) -> Vec<String> {
        let rules = Rules::from([("E-1".to_string(), status.to_string())]);
        let files: Vec<TextFile> =
            files.iter().map(|(path, text)| TextFile::new(path, text)).collect();
        disagreements(&rules, &citations(&files).expect("it parses"))
    }

    #[test]
    fn a_rule_is_kept_only_if_code_and_a_test_cite_it() {
        let code = ("engine/src/a.rs", cite("E-1"));
        let test = ("tests/a.rs", cite("E-1"));
        let module = format!("#[cfg(test)]\nmod tests {{\n    {}}}\n", cite("E-1"));
        let unit_test = ("engine/src/b.rs", module);
        let script = ("tests/traces/a.trace", format!("#{MARK}E-1\n"));
        assert_eq!(disagreements_of("kept", &[]).len(), 2);
        assert_eq!(disagreements_of("kept", std::slice::from_ref(&code)).len(), 1);
        assert_eq!(disagreements_of("kept", std::slice::from_ref(&test)).len(), 1);
        assert_eq!(disagreements_of("kept", std::slice::from_ref(&unit_test)).len(), 1);
        assert_eq!(disagreements_of("kept", &[code.clone(), test]).len(), 0);
        assert_eq!(disagreements_of("kept", &[code.clone(), unit_test]).len(), 0);
        assert_eq!(disagreements_of("kept", &[code.clone(), script]).len(), 0);
        assert_eq!(disagreements_of("later", &[]).len(), 0);
        // The documents and the benchmarks do not count as code.
        let elsewhere = ("bench/src/a.rs", cite("E-1"));
        assert_eq!(disagreements_of("kept", &[elsewhere]).len(), 2);
    }

    #[test]
    fn a_citation_must_name_a_rule() {
        let wrong = ("engine/src/a.rs", cite("E-9"));
        assert_eq!(disagreements_of("later", &[wrong]).len(), 1);
        let one_of_two = ("engine/src/a.rs", cite("E-1, later"));
        assert_eq!(disagreements_of("later", &[one_of_two]).len(), 1);
        assert_eq!(cited(cite("E-1, T-4").trim_end()), ["E-1", "T-4"]);
        assert_eq!(cited(&format!("///{MARK}E-1")), ["E-1"]);
        assert_eq!(cited(&format!("let a = \"the{MARK}E-1\";")), [""; 0]);
    }

    #[test]
    fn a_rule_has_one_text_and_one_status() {
        let problems_of = |text: &str| rules(text).1.len();
        assert_eq!(problems_of("- **E-1** It holds.\n\n| E-1 | kept | |\n"), 0);
        assert_eq!(problems_of("- **E-1** It holds.\n"), 1);
        assert_eq!(problems_of("| E-1 | kept | |\n"), 1);
        assert_eq!(problems_of("- **E-1** It holds.\n\n| E-1 | mostly | |\n"), 1);
        assert_eq!(problems_of("- **E-1** A.\n- **E-1** B.\n\n| E-1 | kept | |\n"), 1);
        assert_eq!(problems_of("- **E-1** A.\n\n| E-1 | kept | |\n| E-1 | later | |\n"), 1);
        assert_eq!(problems_of("- **E1** A.\n"), 1);
    }
}
