//! The documents say the truth about the repository: links lead somewhere, recipes,
//! scripts and files that they name exist, and the README's commands are the ones
//! that are run.

use crate::assert_clean;
use crate::repo::{self, TextFile};
use crate::words::without_code_spans;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Folders that a path in the documents begins with.
const FOLDERS: &[&str] = &[
    "bench/",
    "connectors/",
    "docs/",
    "engine/",
    "examples/",
    "fuzz/",
    "scripts/",
    "sim/",
    "src/",
    "tests/",
];
/// What a line says about a file that it names before the file is there.
const ANNOUNCEMENT: &str = "to come";

/// A line of a document.
struct Line<'a> {
    number: usize,
    text: &'a str,
    /// Whether it stands in a fenced block.
    is_code: bool,
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut in_fence = false;
    let mut lines = Vec::new();
    for (index, text) in text.lines().enumerate() {
        let is_fence = text.trim_start().starts_with("```");
        in_fence ^= is_fence;
        lines.push(Line { number: index + 1, text, is_code: in_fence || is_fence });
    }
    lines
}

/// What stands between backticks in a line.
fn code_spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The anchors that the headings of a document make, as web sites derive them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    for line in lines(text).iter().filter(|line| !line.is_code && line.text.starts_with('#')) {
        let heading = line.text.trim_start_matches('#').trim();
        let slug: String = heading
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let count = seen.entry(slug.clone()).and_modify(|count| *count += 1).or_insert(0);
        anchors.insert(if *count == 0 { slug } else { format!("{slug}-{count}") });
    }
    anchors
}

/// The targets of the links in a line: `[words](target)` and `[name]: target`.
fn link_targets(line: &str) -> Vec<String> {
    let bare = without_code_spans(line);
    let inline = bare.match_indices("](").filter_map(|(start, opening)| {
        let rest = &bare[start + opening.len()..];
        Some(rest[..rest.find(')')?].split_whitespace().next()?.to_string())
    });
    let definition = bare
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]: "))
        .map(|(_, target)| target.trim().to_string());
    inline.chain(definition).collect()
}

/// The path that a link in `from` leads to, without `.` and `..`.
fn resolve(from: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The links that lead nowhere.
fn broken_links(documents: &[TextFile], exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let texts: BTreeMap<&str, &str> =
        documents.iter().map(|it| (it.path.as_str(), it.text.as_str())).collect();
    let mut problems = Vec::new();
    for document in documents {
        for line in lines(&document.text).iter().filter(|line| !line.is_code) {
            for link in link_targets(line.text) {
                if link.contains("://") || link.starts_with("mailto:") {
                    continue;
                }
                let (target, anchor) = link.split_once('#').unwrap_or((&link, ""));
                let path = match target {
                    "" => Some(document.path.clone()),
                    _ => resolve(&document.path, target),
                };
                let is_there = path.as_deref().is_some_and(exists);
                let text = path.as_deref().and_then(|path| texts.get(path));
                let has_anchor =
                    anchor.is_empty() || text.is_some_and(|text| anchors(text).contains(anchor));
                if !is_there || !has_anchor {
                    let place = format!("{}:{}", document.path, line.number);
                    problems.push(format!("{place}: the link {link} leads nowhere"));
                }
            }
        }
    }
    problems
}

/// The names that a justfile defines, and recipes without a word of explanation.
fn recipes(justfile: &str) -> (BTreeSet<String>, Vec<String>) {
    let mut names = BTreeSet::new();
    let mut problems = Vec::new();
    let mut before = "";
    for line in justfile.lines() {
        let is_head = line.starts_with(|c: char| c.is_ascii_lowercase())
            && line.contains(':')
            && !line.contains(":=");
        if is_head {
            let head = line.split(':').next().unwrap_or_default();
            let name = head.split_whitespace().next().unwrap_or_default();
            names.insert(name.to_string());
            if !before.starts_with("# ") {
                problems.push(format!("justfile: {name} has no comment above it"));
            }
        }
        before = line;
    }
    (names, problems)
}

/// The recipes that a line calls with `just`.
fn recipe_calls<'a>(line: &Line<'a>) -> Vec<&'a str> {
    let commands: Vec<&str> = match line.is_code {
        true => vec![line.text.trim().trim_start_matches("$ ")],
        false => code_spans(line.text).collect(),
    };
    let call = |command: &'a str| command.strip_prefix("just ")?.split_whitespace().next();
    commands.into_iter().filter_map(call).filter(|name| !name.starts_with('-')).collect()
}

fn unknown_recipes(documents: &[TextFile], recipes: &BTreeSet<String>) -> Vec<String> {
    let mut problems = Vec::new();
    for document in documents {
        for line in lines(&document.text) {
            let unknown = recipe_calls(&line).into_iter().filter(|name| !recipes.contains(*name));
            let place = format!("{}:{}", document.path, line.number);
            problems.extend(unknown.map(|name| format!("{place}: no recipe `just {name}`")));
        }
    }
    problems
}

/// The files of the repository that a document names in code spans, but are not
/// there; a line that says so may name what is to come.
fn missing_files(documents: &[TextFile], exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut problems = Vec::new();
    for document in documents {
        for line in lines(&document.text).iter().filter(|line| !line.is_code) {
            let paths = code_spans(line.text).filter(|span| is_path(span));
            let missing = paths.filter(|path| !exists(path.trim_end_matches('/')));
            if !line.text.contains(ANNOUNCEMENT) {
                let place = format!("{}:{}", document.path, line.number);
                problems.extend(missing.map(|path| format!("{place}: {path} is not there")));
            }
        }
    }
    problems
}

fn is_path(span: &str) -> bool {
    let is_plain = span.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    // What an example writes is there only after it ran.
    is_plain && !span.contains("/out/") && FOLDERS.iter().any(|folder| span.starts_with(folder))
}

/// The scripts that a text calls.
fn scripts(text: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.match_indices("scripts/")
        .map(|(start, folder)| {
            let rest = &text[start + folder.len()..];
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            rest[..end].trim_end_matches('.')
        })
        .filter(|name| !name.is_empty())
        .collect()
}

fn exists(path: &str) -> bool {
    repo::root().join(path).exists()
}

fn documents() -> Vec<TextFile> {
    let mut files = repo::text_files();
    files.retain(|file| file.extension() == "md" && !file.is_fixture());
    assert!(files.iter().any(|file| file.path == "README.md"), "the README was not found");
    files
}

#[test]
fn every_link_leads_somewhere() {
    assert_clean(broken_links(&documents(), &exists));
}

#[test]
fn every_file_that_a_document_names_is_there() {
    assert_clean(missing_files(&documents(), &exists));
}

#[test]
fn every_recipe_that_a_document_names_is_there() {
    let (recipes, mut problems) = recipes(&repo::read("justfile"));
    assert!(recipes.contains("verify"), "the recipes were not found");
    problems.extend(unknown_recipes(&documents(), &recipes));
    assert_clean(problems);
}

#[test]
fn every_script_that_is_called_is_there_and_every_script_is_called() {
    let callers = ["justfile", ".ci/run", "scripts/verify"].map(repo::read);
    let called: BTreeSet<&str> = callers.iter().flat_map(|text| scripts(text)).collect();
    let folder = std::fs::read_dir(repo::root().join("scripts")).expect("there are scripts");
    // A folder holds the parts of something larger, which says itself how it is run.
    let files = folder.map(|entry| entry.expect("it can be listed")).filter(|e| e.path().is_file());
    let names: Vec<String> =
        files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let there: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(called, there);
}

#[cfg(unix)]
#[test]
fn every_script_can_be_run() {
    use std::os::unix::fs::PermissionsExt;
    let scripts = std::fs::read_dir(repo::root().join("scripts")).expect("there are scripts");
    let scripts = scripts.map(|entry| entry.expect("it can be listed").path());
    let scripts = scripts.filter(|path| path.is_file());
    for path in scripts.chain([repo::root().join(".ci/run")]) {
        let metadata = std::fs::metadata(&path).expect("it is a file");
        assert!(metadata.permissions().mode() & 0o111 == 0o111, "{} is no program", path.display());
    }
}

#[test]
fn what_is_run_as_the_tests_is_what_the_readme_says() {
    let command = |name: &str| {
        let script = repo::root().join("scripts/readme-command");
        let output = Command::new(script).arg(name).output().expect("the script starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("it is text").trim_end().to_string()
    };
    assert_eq!(command("run"), "cargo run --profile quick -- run examples/flights/flights.sql");
    assert_eq!(command("test"), "cargo test --workspace");
    // Whoever checks a change must end with that command, and must not spell it.
    let verify = repo::read("scripts/verify");
    assert!(verify.contains("scripts/readme-command test"));
    assert!(!verify.contains(&command("test")), "scripts/verify repeats the README's command");
    assert!(repo::read(".ci/run").trim_end().ends_with("scripts/verify"));
    assert!(repo::read(".github/workflows/ci.yml").contains("run: .ci/run"));
}

// The package has a second binary, for a test, and without a default `cargo run` would
// only ask which one is meant.
#[test]
fn the_readmes_first_command_knows_its_binary() {
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(repo::root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo describes the workspace");
    let root = metadata.root_package().expect("the root is a package");
    assert_eq!(root.default_run.as_deref(), Some("anabranch"));
}

mod self_tests {
    use super::*;

    fn links_of(text: &str) -> usize {
        let documents = [
            TextFile::new("docs/A.md", text),
            TextFile::new("docs/B.md", "# One\n## Two words, and `code`\n# One\n"),
        ];
        let is_there = |path: &str| matches!(path, "docs/A.md" | "docs/B.md" | "LICENSE");
        broken_links(&documents, &is_there).len()
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        assert_eq!(links_of("[b](B.md), [b](./B.md#one), [l](../LICENSE)"), 0);
        assert_eq!(links_of("[b](B.md#two-words-and-code) [b](B.md#one-1)"), 0);
        assert_eq!(links_of("# Here\n[up](#here) [web](https://example.org/x#y)"), 0);
        assert_eq!(links_of("[c](C.md)"), 1);
        assert_eq!(links_of("[c](C.md) and [d](D.md \"title\")"), 2);
        assert_eq!(links_of("[b](B.md#three)"), 1);
        assert_eq!(links_of("[l](../../LICENSE)"), 1);
        assert_eq!(links_of("[up](#there)"), 1);
        assert_eq!(links_of("[name]: C.md"), 1);
        assert_eq!(links_of("`[c](C.md)`\n```\n[c](C.md)\n```\n"), 0);
    }

    #[test]
    fn recipes_that_do_not_exist_are_found() {
        let justfile =
            "x := \"a\"\n\n# Does it.\nverify: fmt\n    cargo a:b\n\n# B.\nsim SEED=\"1\":\n";
        let (names, problems) = recipes(justfile);
        assert_eq!(names, BTreeSet::from(["sim".to_string(), "verify".to_string()]));
        assert_eq!(problems.len(), 0);
        assert_eq!(recipes("verify:\n    a\n").1.len(), 1);
        let unknown = |text: &str| unknown_recipes(&[TextFile::new("a.md", text)], &names).len();
        assert_eq!(unknown("Run `just verify` or `just sim 7`; just try, or `just --list`."), 0);
        assert_eq!(unknown("Run `just very`."), 1);
        assert_eq!(unknown("```sh\n$ just very\njust sim 7\n```\n"), 1);
    }

    #[test]
    fn files_that_are_not_there_are_found() {
        let is_there = |path: &str| path == "engine/src/op";
        let missing = |text: &str| missing_files(&[TextFile::new("a.md", text)], &is_there).len();
        assert_eq!(missing("`engine/src/op/` and `engine/src/op`"), 0);
        assert_eq!(missing("`engine/src/oq`"), 1);
        assert_eq!(missing("`engine/src/oq` (to come)"), 0);
        assert_eq!(missing("`application/json`, `sim/*`, `examples/a/out/b.csv`"), 0);
    }

    #[test]
    fn scripts_are_found_in_a_text() {
        let text = "exec scripts/verify\n  scripts/readme-command test # not scripts/.";
        assert_eq!(scripts(text), BTreeSet::from(["readme-command", "verify"]));
    }
}
