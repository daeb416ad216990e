//! Errors of the parser that carry a code, a place and advice.
//!
//! The parser's own error is a text that ends in a location. Errors that we raise
//! inside it travel as such a text too, with their parts set off by a control
//! character, and are taken apart again here.

use crate::codes;
use crate::text::LineIndex;
use anabranch_engine::diagnostic::{Diagnostic, Span};
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Location, Span as TokenSpan};

/// Sets off the parts of an error that we raised; the tokenizer lets none through.
const MARK: char = '\u{1}';

/// An error with a code, to be returned from within the parser.
pub(super) fn raise(code: &str, span: TokenSpan, message: &str, help: &str) -> ParserError {
    let Location { line, column } = span.start;
    let Location { line: end_line, column: end_column } = span.end;
    ParserError::ParserError(format!(
        "{MARK}{code}{MARK}{line}{MARK}{column}{MARK}{end_line}{MARK}{end_column}{MARK}{message}{MARK}{help}"
    ))
}

/// The diagnostic for an error of the parser; `end` is where the statement ends,
/// for errors without a place.
pub(super) fn diagnostic(error: &ParserError, index: &LineIndex<'_>, end: Span) -> Diagnostic {
    match error {
        ParserError::RecursionLimitExceeded => {
            Diagnostic::new(codes::TOO_DEEP, end, "the statement is nested too deeply")
                .with_help("split it with views")
        }
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
            raised(text, index).unwrap_or_else(|| foreign(text, index, end))
        }
    }
}

/// An error that [`raise`] made.
fn raised(text: &str, index: &LineIndex<'_>) -> Option<Diagnostic> {
    let mut parts = text.strip_prefix(MARK)?.split(MARK);
    let code = codes::known(parts.next()?)?;
    let mut number = || parts.next()?.parse::<u64>().ok();
    let start = Location { line: number()?, column: number()? };
    let end = Location { line: number()?, column: number()? };
    let diagnostic =
        Diagnostic::new(code, index.span(TokenSpan { start, end }), parts.next()?.to_owned());
    Some(match parts.next()? {
        "" => diagnostic,
        help => diagnostic.with_help(help),
    })
}

/// An error of the parser itself: `Expected: …, found: … at Line: 1, Column: 2`.
fn foreign(text: &str, index: &LineIndex<'_>, end: Span) -> Diagnostic {
    let (message, span) = match text.rsplit_once(" at Line: ") {
        Some((message, place)) => (message, location(place).map(|at| token_at(index, at))),
        None => (text, None),
    };
    let message = match message.strip_prefix("Expected: ").and_then(|m| m.split_once(", found: ")) {
        Some((expected, "EOF")) => format!("expected {expected}, but the statement ends"),
        Some((expected, found)) => format!("expected {expected}, found `{found}`"),
        None => message.replace(MARK, " "),
    };
    let span = span.filter(|span| span.is_somewhere()).unwrap_or(end);
    Diagnostic::new(codes::SYNTAX, span, message)
}

/// Reads `1, Column: 2`.
fn location(text: &str) -> Option<Location> {
    let (line, column) = text.split_once(", Column: ")?;
    Some(Location { line: line.parse().ok()?, column: column.parse().ok()? })
}

/// The word or character at a place.
fn token_at(index: &LineIndex<'_>, at: Location) -> Span {
    let start = index.byte(at);
    Span::new(start, index.token_end(start))
}
