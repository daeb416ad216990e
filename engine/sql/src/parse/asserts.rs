//! Asserts: queries that stand in comments, where no other engine reads them.
//!
//! `-- assert: SELECT …` or `-- assert name: SELECT …`; the query goes on over the comment
//! lines that follow, up to its `;` or the first line that is no comment.

use super::dialect::FlinkDialect;
use super::lexer::{Chunk, Split, token_error};
use super::statement::parse_query;
use crate::codes;
use crate::text::LineIndex;
use anabranch_engine::diagnostic::{Diagnostic, Span};
use sqlparser::ast::Query;
use sqlparser::tokenizer::{Location, Span as TokenSpan, Token, TokenWithSpan, Tokenizer};

/// The word that an assert begins with.
const WORD: &str = "assert";
/// What comes before the text of a comment.
const PREFIX: &str = "--";
const SYNTAX: &str = "write `-- assert: SELECT …;`, or `-- assert name: SELECT …;`";

/// A comment that runs to the end of its line.
#[derive(Clone, Debug)]
pub(crate) struct Comment {
    /// Where it begins.
    pub(crate) at: Location,
    /// What stands behind the two dashes.
    pub(crate) text: String,
}

/// An assert as it stands in the text.
#[derive(Clone, Debug)]
pub(crate) struct AssertText {
    /// Its name, if it has one, and where that stands.
    pub(crate) name: Option<(String, Span)>,
    /// The line on which it begins, counted from 1.
    pub(crate) line: usize,
    /// The query, with its place.
    pub(crate) query: Box<Query>,
    pub(crate) span: Span,
}

/// All asserts in the comments of a text, and what is wrong with others.
pub(crate) fn asserts_of(
    comments: &[Comment],
    index: &LineIndex<'_>,
) -> (Vec<AssertText>, Vec<Diagnostic>) {
    let (mut asserts, mut diagnostics) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(first) = comments.get(at) {
        let rest = &comments[at + 1..];
        let more = rest.iter().zip(first.at.line + 1..).take_while(|(comment, line)| {
            comment.at.line == *line
                && index.before(index.byte(comment.at)).trim().is_empty()
                && matches!(head_of(&comment.text), Head::None)
        });
        let lines = match head_of(&first.text) {
            Head::None => 1,
            Head::Assert { name, query } => {
                let lines = 1 + more.count();
                match assert(&comments[at..at + lines], name, query, index) {
                    Ok(assert) => asserts.push(assert),
                    Err(mut found) => diagnostics.append(&mut found),
                }
                lines
            }
            Head::Wrong { message, help } => {
                let start = index.byte(first.at);
                let length = PREFIX.len() + first.text.trim_end().len();
                let span = Span::new(start, start + length);
                diagnostics.push(Diagnostic::new(codes::ASSERT, span, message).with_help(help));
                1 + more.count()
            }
        };
        at += lines;
    }
    (asserts, diagnostics)
}

/// What the beginning of a comment says.
enum Head<'a> {
    /// It begins an assert: its name, with the byte at which that stands, and the byte at
    /// which the query begins.
    Assert { name: Option<(usize, &'a str)>, query: usize },
    /// It is a comment like others.
    None,
    /// It looks like an assert and is none.
    Wrong { message: &'static str, help: &'static str },
}

fn head_of(comment: &str) -> Head<'_> {
    let text = comment.trim_start();
    let start = comment.len() - text.len();
    let word = text.get(..WORD.len()).is_some_and(|word| word.eq_ignore_ascii_case(WORD));
    let Some(rest) = text.get(WORD.len()..).filter(|_| word) else { return Head::None };
    if !rest.starts_with(|c: char| c == ':' || c.is_whitespace()) {
        return Head::None;
    }
    let Some((name, query)) = rest.split_once(':') else {
        return match is_query(rest) {
            true => Head::Wrong { message: "the assert has no colon", help: SYNTAX },
            false => Head::None,
        };
    };
    let after = start + WORD.len();
    let name_at = after + (name.len() - name.trim_start().len());
    let query_at = after + name.len() + 1;
    match name.trim() {
        "" => Head::Assert { name: None, query: query_at },
        name if is_name(name) => Head::Assert { name: Some((name_at, name)), query: query_at },
        _ if is_query(name) => Head::Wrong { message: "the assert has no colon", help: SYNTAX },
        _ if is_query(query) => Head::Wrong {
            message: "this is no name of an assert",
            help: "a name is one word of letters, digits and _: write `-- assert one_row: SELECT …`",
        },
        _ => Head::None,
    }
}

fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(is_part)
}

fn is_query(text: &str) -> bool {
    let word = text.split_whitespace().next().unwrap_or("");
    ["SELECT", "WITH", "VALUES"].iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// The assert of a few comment lines.
fn assert(
    lines: &[Comment],
    name: Option<(usize, &str)>,
    query: usize,
    index: &LineIndex<'_>,
) -> Result<AssertText, Vec<Diagnostic>> {
    let Some((first, others)) = lines.split_first() else { return Err(Vec::new()) };
    let start = index.byte(first.at) + PREFIX.len();
    let head = Span::new(index.byte(first.at), start + query);
    // The text of the lines with blanks in place of what is not of the query, so that a
    // place in it is easily told as a place in the file.
    let mut text = first.text.get(query..).unwrap_or("").to_owned();
    for line in others {
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let indent = (line.at.column as usize).saturating_sub(1) + PREFIX.len();
        text.push_str(&" ".repeat(indent));
        text.push_str(&line.text);
    }
    let before = first.text.get(..query).unwrap_or("").chars().count();
    let base =
        Location { line: first.at.line, column: first.at.column + (PREFIX.len() + before) as u64 };
    let chunk = chunk_of(&text, base, index)?;
    let Some(chunk) = chunk else {
        let message = "the assert has no query";
        return Err(vec![Diagnostic::new(codes::ASSERT, head, message).with_help(SYNTAX)]);
    };
    let query = parse_query(&chunk, index).map_err(|diagnostic| vec![diagnostic])?;
    let place = |(at, name): (usize, &str)| {
        (name.to_owned(), Span::new(start + at, start + at + name.len()))
    };
    let line = first.at.line as usize;
    Ok(AssertText { name: name.map(place), line, query, span: chunk.span })
}

/// The tokens of the query, at their places in the file; `None` if there are none.
fn chunk_of(
    text: &str,
    base: Location,
    index: &LineIndex<'_>,
) -> Result<Option<Chunk>, Vec<Diagnostic>> {
    let placed = |at: Location| match at.line {
        0 => at,
        1 => Location { line: base.line, column: base.column + at.column - 1 },
        line => Location { line: base.line + line - 1, column: at.column },
    };
    let mut tokens = Vec::new();
    let result = Tokenizer::new(&FlinkDialect, text).tokenize_with_location_into_buf(&mut tokens);
    let mut split = Split::default();
    let mut current: Vec<TokenWithSpan> = Vec::new();
    let mut end: Option<u64> = None;
    for token in tokens {
        let span = TokenSpan { start: placed(token.span.start), end: placed(token.span.end) };
        let token = TokenWithSpan { token: token.token, span };
        match end {
            None if token.token == Token::SemiColon => end = Some(span.start.line),
            None => {
                if let Some(token) = split.keep(token, current.last(), index) {
                    current.push(token);
                }
            }
            Some(line) if line != span.start.line => break,
            Some(_) if matches!(token.token, Token::Whitespace(_)) => {}
            Some(_) => {
                let message = "an assert is one query, and this stands behind its `;`";
                let help = "begin another line with `-- assert:`";
                let found = Diagnostic::new(codes::ASSERT, index.span(span), message);
                return Err(vec![found.with_help(help)]);
            }
        }
    }
    if let (Err(error), None) = (&result, end) {
        let at = index.byte(placed(error.location));
        let comment = text.rfind("/*").map(|byte| index.byte(placed(location_of(text, byte))));
        return Err(vec![token_error(index, error, at, comment.unwrap_or(at))]);
    }
    split.close(current, index);
    let hints = split.hints.iter().map(|hint| {
        Diagnostic::new(codes::HINT, hint.span, "a hint in an assert")
            .with_help("an assert reads what the sinks hold: leave it out")
    });
    split.diagnostics.extend(hints);
    match split.diagnostics.is_empty() {
        true => Ok(split.chunks.pop()),
        false => Err(split.diagnostics),
    }
}

/// The line and column of a byte of a text.
fn location_of(text: &str, byte: usize) -> Location {
    let before = text.get(..byte).unwrap_or(text);
    let line = 1 + before.matches('\n').count() as u64;
    let column = 1 + before.rsplit('\n').next().unwrap_or("").chars().count() as u64;
    Location { line, column }
}
