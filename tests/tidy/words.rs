//! What no committed text may say: notes to oneself, places of one machine, private
//! hosts, and how the text came to be.
//!
//! The words are put together from halves, so that this file does not say them.

use crate::assert_clean;
use crate::repo::{self, TextFile};

/// Comments that announce work instead of doing it. `TODO` may stand if it names its
/// issue: `TODO(#12)`.
const NOTES_TO_ONESELF: &[&str] = &[concat!("FIX", "ME"), concat!("XX", "X"), concat!("TO", "DO")];

/// Folders of a particular machine.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// Settings that bind a build to one registry. Where packages come from is decided
/// outside of the repository.
const REGISTRY_SETTINGS: &[&str] = &[
    concat!("index", "-url"),
    concat!("replace", "-with"),
    concat!("CARGO_", "REGISTRIES_"),
    concat!("arti", "factory"),
];

/// Names that only a private network knows.
const PRIVATE_SUFFIXES: &[&str] = &[".internal", ".local", ".lan", ".corp", ".intranet"];

/// Words about how a text was made rather than about what it describes; any case.
const AUTHORSHIP: &[&str] = &[
    concat!("assis", "tant"),
    concat!("chat", "bot"),
    concat!("language ", "model"),
    concat!("co-authored", "-by"),
    concat!("clau", "de"),
    concat!("open", "ai"),
    concat!("anthro", "pic"),
    concat!("copi", "lot"),
    concat!("chat", "gpt"),
];

/// The same, in this case only.
const AUTHORSHIP_EXACT: &[&str] = &[concat!("A", "I"), concat!("LL", "M"), concat!("LL", "Ms")];

/// Documents that are not in the repository and so cannot be followed.
const UNKNOWN_DOCUMENTS: &[&str] = &[concat!("DESIGN", ".md"), concat!("DESIGN", " §")];

/// The only source of packages that `Cargo.lock` may name.
const PACKAGE_SOURCE: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// All that is wrong with the words of one file.
fn problems_of(file: &TextFile) -> Vec<String> {
    let mut problems = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let mut faults: Vec<String> = Vec::new();
        let comment = comment_of(file, line);
        for word in NOTES_TO_ONESELF {
            let with_issue = format!("{word}(#");
            if has_word(&comment, word) && !comment.contains(&with_issue) {
                faults.push(format!("{word}: do it, or file an issue and name it"));
            }
        }
        let paths = MACHINE_PATHS.iter().filter(|path| names_path(line, path));
        faults.extend(paths.map(|path| format!("{path} is a place on one machine")));
        let settings = REGISTRY_SETTINGS.iter().filter(|setting| line.contains(*setting));
        faults.extend(settings.map(|setting| format!("{setting} binds the build to a registry")));
        faults.extend(hosts(line).into_iter().filter_map(private_host));
        if is_prose(file) {
            let lower = line.to_lowercase();
            let words = AUTHORSHIP.iter().filter(|word| has_word(&lower, word));
            let exact = AUTHORSHIP_EXACT.iter().filter(|word| has_word(line, word));
            faults.extend(words.chain(exact).map(|word| format!("{word}: not about the engine")));
            let unknown = UNKNOWN_DOCUMENTS.iter().filter(|name| line.contains(*name));
            faults.extend(unknown.map(|name| format!("{name} is not in the repository")));
        }
        let place = format!("{}:{}", file.path, index + 1);
        problems.extend(faults.into_iter().map(|fault| format!("{place}: {fault}")));
    }
    problems
}

/// Whether people read the file as text; tables of input are left alone.
fn is_prose(file: &TextFile) -> bool {
    matches!(file.extension(), "rs" | "md" | "toml" | "sql" | "sh" | "py" | "yml" | "yaml" | "")
}

/// The part of a line in which a note to oneself would stand.
fn comment_of(file: &TextFile, line: &str) -> String {
    let leader = match file.extension() {
        "rs" => "//",
        "sql" => "--",
        "md" => return without_code_spans(line),
        "toml" | "sh" | "py" | "yml" | "yaml" | "" => "#",
        _ => return String::new(),
    };
    line.split_once(leader).map_or(String::new(), |(_, comment)| without_code_spans(comment))
}

/// The line without what stands between backticks.
pub(crate) fn without_code_spans(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// Whether `word` stands in `text` with no letter or digit on either side.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + word.len()..].chars().next();
        let is_inner = |side: Option<char>| side.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !is_inner(before) && !is_inner(after)
    })
}

/// Whether an absolute path begins with `path` here; `a/work/b` is no such path.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "_-.)}*~$".contains(c))
    })
}

/// The authorities of the web addresses in a line.
fn hosts(line: &str) -> Vec<&str> {
    let starts = line
        .match_indices("://")
        .filter(|(start, _)| line[..*start].ends_with("http") || line[..*start].ends_with("https"));
    let host = |(start, separator): (usize, &str)| {
        let rest = &line[start + separator.len()..];
        let is_end = |c: char| !(c.is_ascii_alphanumeric() || "-._@:".contains(c));
        &rest[..rest.find(is_end).unwrap_or(rest.len())]
    };
    starts.map(host).filter(|host| !host.is_empty()).collect()
}

/// What is wrong with a host, if anything is.
fn private_host(authority: &str) -> Option<String> {
    if authority.contains('@') {
        return Some(format!("{authority}: an address with a name or a secret in it"));
    }
    let host = authority.split(':').next().unwrap_or_default();
    let parts: Vec<&str> = host.split('.').collect();
    let is_private_number = matches!(
        parts.iter().map(|part| part.parse::<u8>().ok()).collect::<Vec<_>>()[..],
        [Some(10), _, _, _] | [Some(192), Some(168), _, _] | [Some(172), Some(16..=31), _, _]
    );
    let is_single_word = parts.len() == 1 && host != "localhost";
    let is_private_name = PRIVATE_SUFFIXES.iter().any(|suffix| host.ends_with(suffix));
    (is_private_number || is_single_word || is_private_name)
        .then(|| format!("{host} is a host of one network"))
}

/// Packages that come from anywhere but the public registry.
fn package_sources(lock: &str) -> Vec<String> {
    let sources = lock.lines().filter_map(|line| line.strip_prefix("source = "));
    let other = sources.map(|source| source.trim_matches('"')).filter(|it| *it != PACKAGE_SOURCE);
    other.map(|source| format!("Cargo.lock: a package comes from {source}")).collect()
}

#[test]
fn no_text_says_what_only_its_writer_could_follow() {
    assert_clean(repo::text_files().iter().flat_map(problems_of).collect());
}

#[test]
fn every_package_comes_from_the_public_registry() {
    assert_clean(package_sources(&repo::read("Cargo.lock")));
}

mod self_tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        problems_of(&TextFile::new(path, text)).len()
    }

    #[test]
    fn notes_to_oneself_are_found_in_comments_only() {
        for word in NOTES_TO_ONESELF {
            assert_eq!(count("a.rs", &format!("let a = 1; // {word}: later")), 1);
            assert_eq!(count("a.sh", &format!("# {word}")), 1);
            assert_eq!(count("a.sql", &format!("SELECT 1 -- {word}")), 1);
            assert_eq!(count("a.md", &format!("{word}: say more")), 1);
            assert_eq!(count("a.md", &format!("No `{word}` here.")), 0);
            assert_eq!(count("a.rs", &format!("let a = \"{word}\";")), 0);
            assert_eq!(count("a.rs", &format!("// {word}MIND")), 0);
            assert_eq!(count("a.rs", &format!("// {word}(#12): later")), 0);
        }
    }

    #[test]
    fn places_of_one_machine_are_found() {
        for path in MACHINE_PATHS {
            assert_eq!(count("a.json", &format!("\"{path}me/data\"")), 1);
            assert_eq!(count("a.rs", &format!("// see {path}me")), 1);
            assert_eq!(count("a.rs", &format!("// see https://example.org{path}me")), 0);
            assert_eq!(count("a.rs", &format!("// see ..{path}me")), 0);
        }
    }

    #[test]
    fn private_hosts_and_registries_are_found() {
        for host in ["10.0.0.7:80", "192.168.1.1", "172.16.0.1", "registry:8080", "a.b.internal"] {
            assert_eq!(count("a.md", &format!("see http://{host}/simple")), 1, "{host}");
        }
        for host in ["docs.rs", "localhost:8080", "172.32.0.1", "example.org"] {
            assert_eq!(count("a.md", &format!("see https://{host}/simple")), 0, "{host}");
        }
        assert_eq!(count("a.md", &["https", "://me:secret@example.org/"].concat()), 1);
        for setting in REGISTRY_SETTINGS {
            assert_eq!(count("config.toml", &format!("{setting} = 1")), 1);
        }
        assert_eq!(package_sources(&format!("source = \"{PACKAGE_SOURCE}\"\n")).len(), 0);
        assert_eq!(package_sources("source = \"git+https://example.org/a\"\n").len(), 1);
    }

    #[test]
    fn words_about_the_making_are_found() {
        for word in AUTHORSHIP {
            assert_eq!(count("a.md", &format!("The {}.", word.to_uppercase())), 1);
            assert_eq!(count("a.jsonl", word), 0);
        }
        for word in AUTHORSHIP_EXACT {
            assert_eq!(count("a.rs", &format!("// {word} did it")), 1);
            assert_eq!(count("a.rs", &format!("// {}", word.to_lowercase())), 0);
            assert_eq!(count("a.rs", &format!("// M{word}N")), 0);
        }
        for name in UNKNOWN_DOCUMENTS {
            assert_eq!(count("a.rs", &format!("// see {name}4")), 1);
        }
    }
}
