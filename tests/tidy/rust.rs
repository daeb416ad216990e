//! What is asked of Rust files: short files, short functions, a page of words at the
//! top, and nothing left over.

use crate::assert_clean;
use crate::repo::{self, TextFile};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// How long a file may be without its tests.
const FILE_LINES_MAX: usize = 800;
/// How long a function may be, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// How long an arm of a match may be for the match still to be flat.
const FLAT_ARM_LINES_MAX: usize = 10;

/// Files that are long because they are data: each with why it is better whole. An
/// entry that is no longer needed is a fault too.
const TABLES: &[(&str, &str)] = &[];

/// What the checks need to know of one file.
struct Outline {
    /// The lines of `#[cfg(test)]` modules and functions, from 1.
    tests: Vec<RangeInclusive<usize>>,
    /// Paths of the files that `#[cfg(test)] mod name;` names, and the folders below.
    test_modules: Vec<String>,
    /// The functions outside of tests: name, first line, length, flat.
    functions: Vec<(String, usize, usize, bool)>,
}

/// The lines of a file that are test code, from 1.
pub(crate) fn test_lines(file: &TextFile) -> Result<Vec<RangeInclusive<usize>>, String> {
    outline(file).map(|outline| outline.tests)
}

/// The beginnings of the paths of all modules that exist only for tests.
pub(crate) fn test_modules(files: &[TextFile]) -> Result<BTreeSet<String>, String> {
    let mut paths = BTreeSet::new();
    for file in files {
        paths.extend(outline(file)?.test_modules);
    }
    Ok(paths)
}

/// Whether all of a file is test code: by its place, or because only a test module
/// declares it.
pub(crate) fn is_test_file(file: &TextFile, test_modules: &BTreeSet<String>) -> bool {
    let is_declared = |module: &String| {
        let rest = file.path.strip_prefix(module.as_str());
        rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    };
    file.is_test() || test_modules.iter().any(is_declared)
}

fn outline(file: &TextFile) -> Result<Outline, String> {
    let syntax = syn::parse_file(&file.text)
        .map_err(|error| format!("{}:{}: {error}", file.path, error.span().start().line))?;
    let mut outline =
        Outline { tests: Vec::new(), test_modules: Vec::new(), functions: Vec::new() };
    Visitor { outline: &mut outline, folder: module_folder(&file.path) }.visit_file(&syntax);
    Ok(outline)
}

/// Where the modules that a file declares lie.
fn module_folder(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    match name {
        "lib.rs" | "main.rs" | "mod.rs" => folder.to_string(),
        _ => path.trim_end_matches(".rs").to_string(),
    }
}

struct Visitor<'a> {
    outline: &'a mut Outline,
    folder: String,
}

impl Visitor<'_> {
    /// Takes note of an item that exists only in tests, and says whether it is one.
    fn notes_test(&mut self, attributes: &[syn::Attribute], item: &impl Spanned) -> bool {
        let is_test = attributes.iter().any(is_test_attribute);
        if is_test {
            // The span of an item begins at its first attribute.
            let span = item.span();
            self.outline.tests.push(span.start().line..=span.end().line);
        }
        is_test
    }

    fn notes_function(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.span().start().line;
        let last = body.brace_token.span.close().end().line;
        let name = signature.ident.to_string();
        self.outline.functions.push((name, first, last - first + 1, is_flat(body)));
    }
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if self.notes_test(&item.attrs, item) {
            if item.content.is_none() {
                self.outline.test_modules.push(format!("{}/{}", self.folder, item.ident));
            }
            return;
        }
        visit::visit_item_mod(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if !self.notes_test(&item.attrs, item) {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !self.notes_test(&item.attrs, item) {
            self.notes_function(&item.sig, &item.block);
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !self.notes_test(&item.attrs, item) {
            self.notes_function(&item.sig, &item.block);
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.notes_function(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

fn is_test_attribute(attribute: &syn::Attribute) -> bool {
    if attribute.path().is_ident("test") {
        return true;
    }
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Meta>().is_ok_and(|meta| holds_only_in_tests(&meta))
}

fn holds_only_in_tests(condition: &syn::Meta) -> bool {
    let parts = |list: &syn::MetaList| {
        let parser = syn::punctuated::Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated;
        list.parse_args_with(parser).map(|parts| parts.into_iter().collect::<Vec<_>>())
    };
    match condition {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) if list.path.is_ident("all") => {
            parts(list).is_ok_and(|parts| parts.iter().any(holds_only_in_tests))
        }
        syn::Meta::List(list) if list.path.is_ident("any") => {
            parts(list).is_ok_and(|parts| parts.iter().all(holds_only_in_tests))
        }
        syn::Meta::List(_) | syn::Meta::NameValue(_) => false,
    }
}

/// Whether a body may be long: it is one flat match, or one table, after at most
/// three lines of preparation. Such code is read by its rows, not as a whole.
fn is_flat(body: &syn::Block) -> bool {
    let Some((last, before)) = body.stmts.split_last() else { return true };
    let is_preparation = |statement: &syn::Stmt| {
        matches!(statement, syn::Stmt::Local(_) | syn::Stmt::Item(syn::Item::Use(_)))
            && lines_of(statement) == 1
    };
    if before.len() > 3 || !before.iter().all(is_preparation) {
        return false;
    }
    match last {
        syn::Stmt::Expr(expression, _) => is_flat_expression(expression),
        syn::Stmt::Macro(call) => call.mac.path.is_ident("vec"),
        syn::Stmt::Local(_) | syn::Stmt::Item(_) => false,
    }
}

fn is_flat_expression(expression: &syn::Expr) -> bool {
    match expression {
        syn::Expr::Match(table) => {
            table.arms.iter().all(|arm| lines_of(&arm.body) <= FLAT_ARM_LINES_MAX)
        }
        syn::Expr::Array(_) => true,
        syn::Expr::Macro(call) => call.mac.path.is_ident("vec"),
        syn::Expr::Reference(reference) => is_flat_expression(&reference.expr),
        syn::Expr::Try(outer) => is_flat_expression(&outer.expr),
        // `Ok(match … { … })` and `Some(…)`.
        syn::Expr::Call(call) if call.args.len() == 1 => is_flat_expression(&call.args[0]),
        _ => false,
    }
}

fn lines_of(node: &impl Spanned) -> usize {
    let span = node.span();
    span.end().line - span.start().line + 1
}

/// The files and functions that are too long.
fn lengths(files: &[TextFile], tables: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let test_modules = test_modules(files)?;
    let mut problems = Vec::new();
    for file in files.iter().filter(|file| !is_test_file(file, &test_modules)) {
        let outline = outline(file)?;
        let in_tests: usize = outline.tests.iter().map(|lines| lines.clone().count()).sum();
        let lines = file.text.lines().count().saturating_sub(in_tests);
        let is_table = tables.iter().any(|(path, _)| *path == file.path);
        if lines > FILE_LINES_MAX && !is_table {
            problems.push(format!(
                "{}: {lines} lines without its tests, more than {FILE_LINES_MAX}: cut it in two",
                file.path
            ));
        }
        if lines <= FILE_LINES_MAX && is_table {
            problems.push(format!("{}: no longer long: take it off TABLES", file.path));
        }
        for (name, first, length, is_flat) in outline.functions {
            if length > FUNCTION_LINES_MAX && !is_flat {
                problems.push(format!(
                    "{}:{first}: fn {name} has {length} lines, more than {FUNCTION_LINES_MAX}, \
                     and is not one flat match",
                    file.path
                ));
            }
        }
    }
    for (path, reason) in tables {
        if reason.is_empty() || !files.iter().any(|file| file.path == *path) {
            problems.push(format!("TABLES: {path} does not exist or has no reason"));
        }
    }
    Ok(problems)
}

/// Files that do not begin by saying what they are.
fn headers(files: &[TextFile]) -> Vec<String> {
    let is_bare = |file: &&TextFile| {
        let first = file.text.lines().next().unwrap_or_default();
        first.strip_prefix("//!").is_none_or(|words| words.trim().is_empty())
    };
    let problem = |file: &TextFile| {
        format!("{}:1: the first line is no `//! What this module is`", file.path)
    };
    files.iter().filter(is_bare).map(problem).collect()
}

/// Macros and attributes that say "not finished" or "do not look".
fn left_overs(file: &TextFile) -> Result<Vec<String>, String> {
    let tokens: TokenStream =
        file.text.parse().map_err(|error| format!("{}: {error}", file.path))?;
    let mut problems = Vec::new();
    find_left_overs(tokens, &mut |line, what| {
        problems.push(format!("{}:{line}: {what} is left over", file.path));
    });
    Ok(problems)
}

fn find_left_overs(tokens: TokenStream, report: &mut impl FnMut(usize, &str)) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, tree) in trees.iter().enumerate() {
        let line = tree.span().start().line;
        let follower = |distance: usize| trees.get(index + distance);
        match tree {
            TokenTree::Group(group) => find_left_overs(group.stream(), report),
            TokenTree::Ident(name) => {
                let is_call =
                    is_punct(follower(1), '!') && matches!(follower(2), Some(TokenTree::Group(_)));
                let name = name.to_string();
                if is_call && matches!(name.as_str(), "todo" | "unimplemented" | "dbg") {
                    report(line, &format!("`{name}!`"));
                }
            }
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                let distance = if is_punct(follower(1), '!') { 2 } else { 1 };
                if let Some(TokenTree::Group(group)) = follower(distance)
                    && group.delimiter() == Delimiter::Bracket
                    && skips_a_test(&group.stream())
                {
                    report(line, "an ignored test or example");
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

fn is_punct(tree: Option<&TokenTree>, character: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

/// Whether an attribute is `#[ignore]`, says so under a condition, or is a line of
/// documentation that opens an example which is not compiled.
fn skips_a_test(attribute: &TokenStream) -> bool {
    let words: Vec<String> = flatten(attribute.clone());
    match words.first().map(String::as_str) {
        Some("ignore") => true,
        Some("cfg_attr") => words.iter().any(|word| word == "ignore"),
        Some("doc") => words.iter().any(|word| {
            let fence = word.trim_matches('"').trim_start();
            fence.strip_prefix("```").is_some_and(|info| info.contains("ignore"))
        }),
        Some(_) | None => false,
    }
}

fn flatten(tokens: TokenStream) -> Vec<String> {
    let mut words = Vec::new();
    for tree in tokens {
        match tree {
            TokenTree::Group(group) => words.extend(flatten(group.stream())),
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {
                words.push(tree.to_string());
            }
        }
    }
    words
}

#[test]
fn files_and_functions_are_short() {
    assert_clean(lengths(&repo::rust_files(), TABLES).expect("every file parses"));
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    assert_clean(headers(&repo::rust_files()));
}

#[test]
fn nothing_is_left_over() {
    let files = repo::rust_files();
    let problems = files.iter().map(|file| left_overs(file).expect("every file parses"));
    assert_clean(problems.flatten().collect());
}

mod self_tests {
    use super::*;

    fn lengths_of(path: &str, text: &str) -> Vec<String> {
        lengths(&[TextFile::new(path, text)], &[]).expect("it parses")
    }

    #[test]
    fn a_long_file_is_found_and_its_tests_do_not_count() {
        let long = "const A: u8 = 1;\n".repeat(FILE_LINES_MAX + 1);
        assert_eq!(lengths_of("engine/src/a.rs", &long).len(), 1);
        assert_eq!(lengths_of("tests/a/b.rs", &long).len(), 0);
        let tests = format!("const B: u8 = 1;\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert_eq!(lengths_of("engine/src/a.rs", &tests).len(), 0);
        let not_tests = format!("#[cfg(any(test, unix))]\nmod tests {{\n{long}}}\n");
        assert_eq!(lengths_of("engine/src/a.rs", &not_tests).len(), 1);
    }

    #[test]
    fn a_file_that_only_a_test_module_declares_does_not_count() {
        let long = "const A: u8 = 1;\n".repeat(FILE_LINES_MAX + 1);
        let model = TextFile::new("engine/src/op/model.rs", &long);
        let declared = TextFile::new("engine/src/op/mod.rs", "#[cfg(test)]\nmod model;\n");
        let product = TextFile::new("engine/src/op/mod.rs", "mod model;\n");
        assert_eq!(lengths(&[declared, model.clone()], &[]), Ok(vec![]));
        assert_eq!(lengths(&[product, model], &[]).expect("it parses").len(), 1);
    }

    #[test]
    fn a_table_needs_a_reason_and_must_be_long() {
        let long = TextFile::new("a.rs", &"const A: u8 = 1;\n".repeat(FILE_LINES_MAX + 1));
        let short = TextFile::new("a.rs", "const A: u8 = 1;\n");
        assert_eq!(lengths(std::slice::from_ref(&long), &[("a.rs", "rows")]), Ok(vec![]));
        assert_eq!(lengths(&[long], &[("a.rs", "")]).expect("it parses").len(), 1);
        assert_eq!(lengths(&[short], &[("a.rs", "rows")]).expect("it parses").len(), 1);
        assert_eq!(lengths(&[], &[("gone.rs", "rows")]).expect("it parses").len(), 1);
    }

    #[test]
    fn a_long_function_is_found_wherever_it_stands() {
        let body = "    work();\n".repeat(FUNCTION_LINES_MAX);
        let function = format!("fn long() {{\n{body}}}\n");
        assert_eq!(lengths_of("a.rs", &function).len(), 1);
        assert_eq!(lengths_of("a.rs", &format!("impl A {{ {function} }}")).len(), 1);
        assert_eq!(lengths_of("a.rs", &format!("trait A {{ {function} }}")).len(), 1);
        assert_eq!(lengths_of("a.rs", &format!("mod a {{ {function} }}")).len(), 1);
        assert_eq!(lengths_of("a.rs", &format!("#[test] {function}")).len(), 0);
        let just_fits = function.replacen("    work();\n    work();\n", "", 1);
        assert_eq!(lengths_of("a.rs", &just_fits).len(), 0);
    }

    #[test]
    fn only_a_flat_match_may_be_long() {
        let arms = "        1 => one(),\n".repeat(FUNCTION_LINES_MAX);
        let flat = format!("fn name(a: u8) -> u8 {{\n    match a {{\n{arms}    }}\n}}\n");
        assert_eq!(lengths_of("a.rs", &flat).len(), 0);
        let wrapped = format!("fn name(a: u8) -> R {{\n    Ok(match a {{\n{arms}    }})\n}}\n");
        assert_eq!(lengths_of("a.rs", &wrapped).len(), 0);
        let followed =
            format!("fn name(a: u8) {{\n    match a {{\n{arms}    }};\n    more();\n}}\n");
        assert_eq!(lengths_of("a.rs", &followed).len(), 1);
        let arm = format!("        1 => {{\n{}}}\n", "more();\n".repeat(FUNCTION_LINES_MAX));
        let deep = format!("fn name(a: u8) -> u8 {{\n    match a {{\n{arm}    }}\n}}\n");
        assert_eq!(lengths_of("a.rs", &deep).len(), 1);
    }

    #[test]
    fn a_file_without_words_at_its_top_is_found() {
        let headers_of = |text: &str| headers(&[TextFile::new("a.rs", text)]).len();
        assert_eq!(headers_of("//! What it is.\n"), 0);
        assert_eq!(headers_of("//!\n//! What it is.\n"), 1);
        assert_eq!(headers_of("// A comment.\n"), 1);
        assert_eq!(headers_of("use std::fmt;\n"), 1);
        assert_eq!(headers_of(""), 1);
    }

    #[test]
    fn left_overs_are_found_also_inside_macros() {
        let left_overs_of =
            |text: &str| left_overs(&TextFile::new("a.rs", text)).expect("it is Rust").len();
        assert_eq!(left_overs_of("fn a() { todo!() }"), 1);
        assert_eq!(left_overs_of("fn a() { vec![unimplemented!(\"b\")]; }"), 1);
        assert_eq!(left_overs_of("fn a() { std::dbg!(1); }"), 1);
        assert_eq!(left_overs_of("#[test]\n#[ignore = \"slow\"]\nfn a() {}"), 1);
        assert_eq!(left_overs_of("#[cfg_attr(debug_assertions, ignore)]\nfn a() {}"), 1);
        assert_eq!(left_overs_of("//! ```ignore\n//! a\n//! ```\n"), 1);
        assert_eq!(left_overs_of("fn a() { todo != (1); let s = \"todo!()\"; }"), 0);
        assert_eq!(left_overs_of("//! We ignore it.\n//! ```\n//! let ignore = 1;\n//! ```\n"), 0);
    }
}
