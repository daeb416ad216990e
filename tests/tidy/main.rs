//! Holds the repository to its own rules: what may depend on what, that nothing
//! impure reaches the core, that files and functions stay short, that every rule of
//! the specification which is kept is cited, and that the documents say the truth.
//!
//! Every check is a plain function from text to problems. Beside it stand small texts
//! that it must find fault with, so that no check can pass by looking at nothing.
//! `docs/TESTING.md` says what each one wants and how to satisfy it.

mod docs;
mod plants;
mod purity;
mod repo;
mod rust;
mod spec;
mod words;

/// Fails with all problems at once, one a line: a person mends them in one go.
fn assert_clean(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n  {}\n", problems.join("\n  "));
}
