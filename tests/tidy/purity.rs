//! The purity gate: the core can depend on nothing but its input.
//!
//! Four fences stand behind each other. Crates may depend only downwards. The core
//! links no crate that could bring in a clock, chance, a thread or the outside. Its
//! code may not name what the standard library has of these; and that the lint which
//! says so is awake is shown by a crate that names all of it. Nothing may switch the
//! lint off but for the places listed here.
// spec: E-1

use crate::assert_clean;
use crate::repo::{self, TextFile};
use crate::rust;
use cargo_metadata::diagnostic::DiagnosticLevel;
use cargo_metadata::{Message, Metadata, MetadataCommand, TargetKind};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which crates of the workspace a crate may depend on, in whatever way, tests too.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "anabranch",
        &[
            "anabranch-connectors",
            "anabranch-engine",
            "anabranch-sim",
            // Only with the feature `plants`.
            "anabranch-sim-plants",
            "anabranch-sql",
        ],
    ),
    (
        "anabranch-bench",
        &["anabranch-connectors", "anabranch-engine", "anabranch-sim", "anabranch-sql"],
    ),
    ("anabranch-connectors", &["anabranch-engine"]),
    ("anabranch-engine", &[]),
    ("anabranch-fuzz-props", &["anabranch-engine", "anabranch-sql"]),
    ("anabranch-sim", &["anabranch-engine"]),
    // Its tests compile the jobs of plans.
    ("anabranch-sim-plants", &["anabranch-engine", "anabranch-sim", "anabranch-sql"]),
    ("anabranch-sql", &["anabranch-engine"]),
];

/// The crates that must be pure.
const PURE: &[&str] = &["anabranch-engine", "anabranch-sim"];
/// Where their code lies.
const PURE_FOLDERS: &[&str] = &["engine/src/", "sim/src/"];

/// Crates that a pure one must not link. A name that ends in `*` stands for all that
/// begin so.
const BANNED: &[&str] = &[
    // Runtimes, threads and sockets.
    "async-*",
    "crossbeam*",
    "futures-executor",
    "mio",
    "num_cpus",
    "parking_lot*",
    "rayon*",
    "signal-hook*",
    "smol*",
    "socket2",
    "threadpool",
    "tokio*",
    // Chance.
    "fastrand",
    "getrandom",
    "rand",
    "uuid",
    // Clocks and time zones of the machine.
    "iana-time-zone",
    "instant",
    "minstant",
    "quanta",
    "web-time",
    // Files and the environment.
    "dirs*",
    "env_logger",
    "memmap2",
    "nix",
    "rustix",
    "tempfile",
    "walkdir",
    // SQL is given to the core as a plan.
    "datafusion*",
    "sqlparser",
];

/// Banned crates that come with Arrow's kernels and cannot be left out: (crate, the
/// crate that brings it, the beginning of the name of whoever brings that, why it
/// does no harm).
const BROUGHT_BY_ARROW: &[(&str, &str, &str, &str)] = &[
    (
        "getrandom",
        "ahash",
        "arrow-",
        "seeds the hash tables in which Arrow's builders look up equal values; nothing walks them",
    ),
    (
        "iana-time-zone",
        "chrono",
        "",
        "Arrow turns chrono's clock on; `Local` and `Utc::now` are banned by name in clippy.toml",
    ),
];

/// Features that a pure crate must not ask for itself.
const BANNED_FEATURES: &[&str] =
    &["clock", "getrandom", "now", "os_rng", "runtime-rng", "std_rng", "thread_rng"];

/// Lints that make up the gate, with the levels that the workspace must give them.
const GATE: &[(&str, &str)] = &[
    ("unsafe_code", "forbid"),
    ("disallowed_types", "deny"),
    ("disallowed_methods", "deny"),
    ("disallowed_macros", "deny"),
    ("iter_over_hash_type", "deny"),
    ("unwrap_used", "deny"),
];

/// Files of the pure crates that may switch a lint of the gate off, outside of tests,
/// by `#[expect(…, reason = "…")]` on an item: each with why.
const EXCEPTIONS: &[(&str, &str)] = &[];

/// An edge between two crates of the workspace.
type Edge = (String, String);

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(repo::root().join("Cargo.toml")).no_deps();
    command.exec().expect("cargo can read the workspace")
}

fn edges(metadata: &Metadata) -> Vec<Edge> {
    let members: BTreeSet<&str> = metadata.packages.iter().map(|it| it.name.as_str()).collect();
    let mut edges = Vec::new();
    for package in &metadata.packages {
        let inner = package.dependencies.iter().filter(|it| members.contains(it.name.as_str()));
        edges.extend(inner.map(|it| (package.name.to_string(), it.name.clone())));
    }
    edges
}

/// Edges that lead upwards or sideways, and crates that have no place.
fn wrong_arrows(members: &[String], edges: &[Edge], allowed: &[(&str, &[&str])]) -> Vec<String> {
    let allowed: BTreeMap<&str, &[&str]> = allowed.iter().copied().collect();
    let stranger = |name: &&String| !allowed.contains_key(name.as_str());
    let strangers = members.iter().filter(stranger);
    let mut problems: Vec<String> =
        strangers.map(|name| format!("ARROWS says nothing about {name}")).collect();
    for (from, to) in edges {
        if !allowed.get(from.as_str()).is_some_and(|targets| targets.contains(&to.as_str())) {
            problems.push(format!("{from} must not depend on {to}"));
        }
    }
    problems
}

/// Crates below `package`, in the form of `cargo tree --prefix depth --no-dedupe`: of
/// its normal dependencies, with exactly the features that these ask for.
fn tree(package: &str) -> String {
    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .current_dir(repo::root())
        .args(["tree", "--offline", "--package", package, "--edges", "normal"])
        .args(["--prefix", "depth", "--no-dedupe", "--format", " {p}"])
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text")
}

/// Banned crates in a tree, and exceptions that it does not need.
fn banned_crates(tree: &str, exceptions: &[(&str, &str, &str, &str)]) -> Vec<String> {
    let mut problems = BTreeSet::new();
    let mut used = BTreeSet::new();
    let mut path: Vec<&str> = Vec::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let depth: usize = words.next().and_then(|it| it.parse().ok()).expect("a depth");
        let name = words.next().expect("a name");
        path.truncate(depth);
        path.push(name);
        // What runs while compiling is not linked.
        if line.contains("(proc-macro)") || !BANNED.iter().any(|it| matches_name(it, name)) {
            continue;
        }
        let parent = depth.checked_sub(1).map_or("", |at| path[at]);
        let grandparent = depth.checked_sub(2).map_or("", |at| path[at]);
        let exception = exceptions.iter().find(|(banned, by, above, _)| {
            *banned == name && *by == parent && grandparent.starts_with(above)
        });
        match exception {
            Some((banned, by, _, _)) => {
                used.insert((*banned, *by));
            }
            None => {
                problems.insert(format!("{} is linked: {}", name, path.join(" → ")));
            }
        }
    }
    let unused = exceptions.iter().filter(|(banned, by, _, _)| !used.contains(&(*banned, *by)));
    problems.extend(unused.map(|(banned, by, _, _)| format!("{banned} by {by}: not needed")));
    problems.into_iter().collect()
}

fn matches_name(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

/// The lines of a section of a TOML file, without its head.
fn section<'a>(toml: &'a str, name: &str) -> Vec<&'a str> {
    let head = format!("[{name}]");
    let lines = toml.lines().skip_while(|line| line.trim() != head).skip(1);
    lines.take_while(|line| !line.starts_with('[')).collect()
}

/// Manifests that do not take over the lints of the workspace.
fn own_lints(manifests: &[TextFile]) -> Vec<String> {
    let inherits = |file: &&TextFile| section(&file.text, "lints").contains(&"workspace = true");
    let others = manifests.iter().filter(|file| !inherits(file));
    others.map(|file| format!("{}: no `[lints] workspace = true`", file.path)).collect()
}

/// Lints of the gate that the workspace does not give their level.
fn weak_lints(root_manifest: &str, gate: &[(&str, &str)]) -> Vec<String> {
    let mut lines = section(root_manifest, "workspace.lints.rust");
    lines.extend(section(root_manifest, "workspace.lints.clippy"));
    let missing = gate.iter().filter(|(lint, level)| {
        let line = format!("{lint} = \"{level}\"");
        !lines.contains(&line.as_str())
    });
    missing.map(|(lint, level)| format!("Cargo.toml: {lint} is not at level {level}")).collect()
}

/// Places that switch a lint of the gate off.
fn loopholes(file: &TextFile, exceptions: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let test_lines = rust::test_lines(file)?;
    let mut problems = Vec::new();
    for (start, _) in file.text.match_indices('#') {
        let Some(attribute) = attribute_at(&file.text[start..]) else { continue };
        let switches = |call: &str| attribute.contains(call);
        let names_gate = GATE.iter().any(|(lint, _)| *lint != "unwrap_used" && switches(lint))
            || switches("clippy::all")
            || switches("warnings");
        if !names_gate || !(switches("allow(") || switches("expect(") || switches("warn(")) {
            continue;
        }
        let line = file.text[..start].matches('\n').count() + 1;
        let in_test = test_lines.iter().any(|lines| lines.contains(&line));
        let is_lawful = attribute.starts_with("#[expect(") && attribute.contains("reason =");
        let is_listed = exceptions.iter().any(|(path, _)| *path == file.path);
        if !is_lawful || !(in_test || is_listed) {
            problems.push(format!(
                "{}:{line}: `{attribute}` opens the purity gate; an exception is an `expect` \
                 with a reason on one item, in a file that EXCEPTIONS lists",
                file.path
            ));
        }
    }
    Ok(problems)
}

/// The attribute that a text begins with.
fn attribute_at(text: &str) -> Option<&str> {
    let is_attribute = text.starts_with("#[") || text.starts_with("#![");
    let mut depth = 0_usize;
    for (index, character) in text.char_indices().filter(|_| is_attribute) {
        match character {
            '[' => depth += 1,
            ']' if depth == 1 => return Some(&text[..=index]),
            ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The paths that a clippy.toml bans.
fn banned_paths(clippy: &str) -> BTreeSet<String> {
    let entries = clippy.split("path = \"").skip(1);
    entries.filter_map(|entry| Some(entry.split_once('"')?.0.to_string())).collect()
}

/// Puts the planted crate where cargo can lint it as a member of a workspace with our
/// lints and our list.
fn lay_out_planted_crate() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("impure");
    let manifest = repo::read("Cargo.toml");
    let shared = ["workspace.dependencies", "workspace.lints.rust", "workspace.lints.clippy"];
    let shared = shared.map(|name| format!("[{name}]\n{}\n", section(&manifest, name).join("\n")));
    let own = repo::read("tests/fixtures/impure/manifest.toml");
    let files = [
        ("Cargo.toml", format!("{own}\n{}", shared.join("\n"))),
        ("Cargo.lock", repo::read("Cargo.lock")),
        ("clippy.toml", repo::read("engine/clippy.toml")),
        ("src/lib.rs", repo::read("tests/fixtures/impure/src/lib.rs")),
    ];
    std::fs::create_dir_all(folder.join("src")).expect("a folder can be made");
    for (name, text) in files {
        std::fs::write(folder.join(name), text).expect("a file can be written");
    }
    folder
}

/// The errors that clippy finds in the planted crate: line and message with lint.
fn errors_in_planted_crate() -> Vec<(usize, String)> {
    let folder = lay_out_planted_crate();
    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env_remove("CLIPPY_CONF_DIR")
        .args(["clippy", "--offline", "--message-format", "json"])
        .output()
        .expect("cargo starts");
    let mut errors = Vec::new();
    for message in Message::parse_stream(output.stdout.as_slice()) {
        let Ok(Message::CompilerMessage(message)) = message else { continue };
        let diagnostic = message.message;
        if message.target.name != "impure" || diagnostic.level != DiagnosticLevel::Error {
            continue;
        }
        let lint = diagnostic.code.map(|code| code.code).unwrap_or_default();
        let spans = diagnostic.spans.iter().filter(|span| span.is_primary);
        errors.extend(
            spans.map(|span| (span.line_start, format!("{} `{lint}`", diagnostic.message))),
        );
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.is_empty(), "clippy found no fault in the planted crate:\n{stderr}");
    errors
}

/// Planted lines that no error names: a line says which path or lint must be named.
fn missed(planted: &str, errors: &[(usize, String)]) -> Vec<String> {
    let mut problems = Vec::new();
    for (index, line) in planted.lines().enumerate() {
        let Some((_, what)) = line.split_once("// planted: ") else { continue };
        let name = format!("`{what}`");
        if !errors.iter().any(|(at, message)| *at == index + 1 && message.contains(&name)) {
            problems.push(format!("line {}: {what} is planted and was not found", index + 1));
        }
    }
    problems
}

#[test]
fn crates_depend_only_downwards() {
    let metadata = metadata();
    let members: Vec<String> = metadata.packages.iter().map(|it| it.name.to_string()).collect();
    let edges = edges(&metadata);
    assert!(edges.contains(&("anabranch-sql".into(), "anabranch-engine".into())));
    assert_clean(wrong_arrows(&members, &edges, ARROWS));
}

#[test]
fn the_core_links_nothing_that_could_make_it_impure() {
    for package in PURE {
        let tree = tree(package);
        assert!(tree.contains(" arrow-array "), "the tree of {package} is empty:\n{tree}");
        assert_clean(banned_crates(&tree, BROUGHT_BY_ARROW));
    }
}

#[test]
fn the_core_asks_for_no_impure_feature_and_runs_nothing_while_building() {
    let metadata = metadata();
    let pure = metadata.packages.iter().filter(|it| PURE.contains(&it.name.as_str()));
    let pure: Vec<_> = pure.collect();
    assert_eq!(pure.len(), PURE.len());
    for package in pure {
        for dependency in &package.dependencies {
            let banned =
                dependency.features.iter().filter(|it| BANNED_FEATURES.contains(&it.as_str()));
            let banned: Vec<&String> = banned.collect();
            assert!(banned.is_empty(), "{} asks {} for {banned:?}", package.name, dependency.name);
        }
        let has_script =
            package.targets.iter().any(|it| it.kind.contains(&TargetKind::CustomBuild));
        assert!(!has_script, "{} has a build script, which sees the machine", package.name);
    }
}

#[test]
fn the_core_and_the_simulator_have_one_list() {
    let engine = repo::read("engine/clippy.toml");
    assert_eq!(engine, repo::read("sim/clippy.toml"));
    assert!(banned_paths(&engine).len() > 40, "the list is short");
}

#[test]
fn every_crate_takes_over_the_lints_of_the_workspace() {
    let root = repo::root();
    let manifests: Vec<TextFile> = metadata()
        .packages
        .iter()
        .map(|package| {
            let path = package.manifest_path.strip_prefix(&root).expect("it lies below the root");
            TextFile::new(path.as_str(), &repo::read(path.as_str()))
        })
        .collect();
    assert!(manifests.len() >= 5);
    assert_clean(own_lints(&manifests));
    assert_clean(weak_lints(&repo::read("Cargo.toml"), GATE));
}

#[test]
fn nothing_switches_the_gate_off() {
    let files = repo::rust_files();
    let pure = files.iter().filter(|it| PURE_FOLDERS.iter().any(|at| it.path.starts_with(at)));
    let problems = pure.map(|file| loopholes(file, EXCEPTIONS).expect("every file parses"));
    let mut problems: Vec<String> = problems.flatten().collect();
    for (path, reason) in EXCEPTIONS {
        let is_used = files.iter().any(|it| it.path == *path && it.text.contains("#[expect("));
        if reason.is_empty() || !is_used {
            problems.push(format!("EXCEPTIONS: {path} has no reason or no exception"));
        }
    }
    assert_clean(problems);
}

#[test]
fn planted_impurities_are_caught() {
    let planted = repo::read("tests/fixtures/impure/src/lib.rs");
    let list = banned_paths(&repo::read("engine/clippy.toml"));
    let not_planted =
        list.iter().filter(|path| !planted.contains(&format!("// planted: {path}\n")));
    assert_clean(not_planted.map(|path| format!("{path} is banned but not planted")).collect());
    assert_clean(missed(&planted, &errors_in_planted_crate()));
}

mod self_tests {
    use super::*;

    #[test]
    fn a_wrong_arrow_is_found() {
        let allowed: &[(&str, &[&str])] = &[("top", &["core"]), ("core", &[]), ("side", &["core"])];
        let members = ["core", "side", "top"].map(String::from);
        let wrong = |from: &str, to: &str| {
            wrong_arrows(&members, &[(from.into(), to.into())], allowed).len()
        };
        assert_eq!(wrong("top", "core"), 0);
        assert_eq!(wrong("core", "top"), 1);
        assert_eq!(wrong("side", "top"), 1);
        assert_eq!(wrong_arrows(&["stranger".into()], &[], allowed).len(), 1);
    }

    #[test]
    fn the_simulator_and_the_connectors_are_kept_apart() {
        let apart = [
            ("anabranch-connectors", "anabranch-sim"),
            ("anabranch-sim", "anabranch-connectors"),
            ("anabranch-sim", "anabranch-sql"),
            ("anabranch-engine", "anabranch-sim"),
        ];
        for (from, to) in apart {
            let problems = wrong_arrows(&[], &[(from.into(), to.into())], ARROWS);
            assert_eq!(problems.len(), 1, "{from} → {to}");
        }
    }

    #[test]
    fn a_banned_crate_is_found_however_deep_it_hides() {
        let none: &[(&str, &str, &str, &str)] = &[];
        assert_eq!(banned_crates("0 engine v1\n1 a v1\n2 tokio v1\n", none).len(), 1);
        assert_eq!(banned_crates("0 engine v1\n1 crossbeam-utils v1\n", none).len(), 1);
        assert_eq!(banned_crates("0 engine v1\n1 datafusion-common v1\n", none).len(), 1);
        assert_eq!(banned_crates("0 engine v1\n1 rand_chacha v1\n1 bytes v1\n", none).len(), 0);
        assert_eq!(banned_crates("0 engine v1\n1 tokio-macros v1 (proc-macro)\n", none).len(), 0);
    }

    #[test]
    fn an_exception_holds_only_for_the_one_who_needs_it() {
        let exceptions: &[(&str, &str, &str, &str)] = &[("getrandom", "ahash", "arrow-", "why")];
        let arrow = "0 engine v1\n1 arrow-array v1\n2 ahash v1\n3 getrandom v1\n";
        assert_eq!(banned_crates(arrow, exceptions).len(), 0);
        let ours = format!("{arrow}1 ahash v1\n2 getrandom v1\n");
        assert_eq!(banned_crates(&ours, exceptions).len(), 1);
        let other = format!("{arrow}1 rand_core v1\n2 getrandom v1\n");
        assert_eq!(banned_crates(&other, exceptions).len(), 1);
        assert_eq!(banned_crates("0 engine v1\n", exceptions).len(), 1);
    }

    #[test]
    fn a_manifest_without_the_lints_is_found() {
        let of = |text: &str| own_lints(&[TextFile::new("Cargo.toml", text)]).len();
        assert_eq!(of("[package]\n\n[lints]\nworkspace = true\n"), 0);
        assert_eq!(of("[package]\n\n[dependencies]\nworkspace = true\n"), 1);
        assert_eq!(of("[lints]\n\n[features]\nworkspace = true\n"), 1);
        let gate = &[("unsafe_code", "forbid")];
        assert_eq!(weak_lints("[workspace.lints.rust]\nunsafe_code = \"forbid\"\n", gate).len(), 0);
        assert_eq!(weak_lints("[workspace.lints.rust]\nunsafe_code = \"deny\"\n", gate).len(), 1);
        assert_eq!(weak_lints("[other]\nunsafe_code = \"forbid\"\n", gate).len(), 1);
    }

    #[test]
    fn a_loophole_is_found() {
        let of = |path: &str, text: &str| {
            loopholes(&TextFile::new(path, text), &[("listed.rs", "why")]).expect("it parses").len()
        };
        let lawful = "#[expect(clippy::disallowed_types, reason = \"it [is] wrapped\")]\nfn a() {}";
        assert_eq!(of("listed.rs", lawful), 0);
        assert_eq!(of("other.rs", lawful), 1);
        assert_eq!(of("listed.rs", "#![expect(clippy::disallowed_types, reason = \"a\")]"), 1);
        assert_eq!(of("listed.rs", "#[expect(clippy::disallowed_types)]\nfn a() {}"), 1);
        assert_eq!(of("listed.rs", "#[allow(clippy::disallowed_types)]\nfn a() {}"), 1);
        assert_eq!(of("listed.rs", "#![allow(\n    clippy::all\n)]"), 1);
        assert_eq!(
            of("listed.rs", "#[cfg_attr(a, allow(clippy::disallowed_methods))]\nfn a() {}"),
            1
        );
        assert_eq!(of("other.rs", "#[allow(clippy::too_many_lines)]\nfn a() {}"), 0);
        assert_eq!(of("other.rs", &format!("#[cfg(test)]\nmod tests {{\n{lawful}\n}}")), 0);
    }

    #[test]
    fn a_planted_line_without_an_error_is_found() {
        let planted = "fn a() {}\nlet b = now(); // planted: std::now\n";
        assert_eq!(
            missed(planted, &[(2, "a disallowed method `std::now` `lint`".into())]).len(),
            0
        );
        assert_eq!(
            missed(planted, &[(1, "a disallowed method `std::now` `lint`".into())]).len(),
            1
        );
        assert_eq!(missed(planted, &[(2, "a disallowed type `std::Now` `lint`".into())]).len(), 1);
        assert_eq!(banned_paths("a = [\n { path = \"b::c\", reason = \"d\" },\n]").len(), 1);
    }
}
