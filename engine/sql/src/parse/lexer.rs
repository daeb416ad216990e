//! Tokens, and the statements that they make up.

use super::asserts::Comment;
use super::dialect::FlinkDialect;
use crate::codes;
use crate::text::LineIndex;
use anabranch_engine::diagnostic::{Diagnostic, Span};
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace};

/// How many tokens may stand in one list item at one level of parentheses. Chains of
/// operators nest to the left in the parser's tree, and dropping a tree is recursive.
const RUN_TOKENS_MAX: usize = 2_000;

/// How many tokens a statement may have.
const STATEMENT_TOKENS_MAX: usize = 200_000;

/// The tokens of one statement, without its `;`.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    /// Without white space and comments.
    pub(crate) tokens: Vec<TokenWithSpan>,
    /// From the first token to the last.
    pub(crate) span: Span,
}

/// `/*+ OPTIONS('k' = 'v') */`, which belongs to the table named before it.
#[derive(Clone, Debug)]
pub(crate) struct Hint {
    /// The byte after the token before the hint.
    pub(crate) after: u32,
    /// What stands between `/*+` and `*/`.
    pub(crate) text: String,
    /// The whole comment.
    pub(crate) span: Span,
}

/// The statements of a text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Split {
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) hints: Vec<Hint>,
    /// Comments to the end of a line, in order.
    pub(crate) comments: Vec<Comment>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Cuts a text into statements. What is wrong with its tokens is reported, and the
/// statements before the place are still given.
pub(crate) fn split(text: &str, index: &LineIndex<'_>) -> Split {
    let mut split = Split::default();
    if text.len() > u32::MAX as usize {
        let message = "the text is larger than 4 GiB";
        split.diagnostics.push(Diagnostic::new(codes::TOO_DEEP, Span::default(), message));
        return split;
    }
    if let Some(at) = text.find('\u{1}') {
        let message = "the text holds the control character U+0001";
        split.diagnostics.push(Diagnostic::new(codes::TOKEN, Span::new(at, at + 1), message));
        return split;
    }
    let mut tokens = Vec::new();
    let result = Tokenizer::new(&FlinkDialect, text).tokenize_with_location_into_buf(&mut tokens);
    if let Err(error) = &result {
        let at = index.byte(error.location);
        let comment = text.rfind("/*").unwrap_or(at);
        split.diagnostics.push(token_error(index, error, at, comment));
    }
    let mut current = Vec::new();
    for token in tokens {
        if token.token == Token::SemiColon {
            split.close(std::mem::take(&mut current), index);
        } else if let Some(token) = split.keep(token, current.last(), index) {
            current.push(token);
        }
    }
    // The statement in which the tokens broke off cannot be judged.
    if result.is_ok() {
        split.close(current, index);
    }
    split
}

impl Split {
    /// Leaves out white space and comments, notes comments, hints and bad tokens.
    pub(super) fn keep(
        &mut self,
        token: TokenWithSpan,
        before: Option<&TokenWithSpan>,
        index: &LineIndex<'_>,
    ) -> Option<TokenWithSpan> {
        match &token.token {
            Token::Whitespace(Whitespace::MultiLineComment(comment)) => {
                if let Some(text) = comment.strip_prefix('+') {
                    let span = index.span(token.span);
                    let after = before.map_or(0, |token| index.span(token.span).end);
                    self.hints.push(Hint { after, text: text.to_owned(), span });
                }
                None
            }
            Token::Whitespace(Whitespace::SingleLineComment { comment, prefix: _ }) => {
                self.comments.push(Comment { at: token.span.start, text: comment.clone() });
                None
            }
            Token::Whitespace(_) => None,
            Token::DoubleQuotedString(text) => {
                let message = format!("double quotes around \"{text}\"");
                let help = format!("write '{text}' for a text, or `{text}` for a name");
                let span = index.span(token.span);
                self.diagnostics
                    .push(Diagnostic::new(codes::DOUBLE_QUOTES, span, message).with_help(help));
                // A name in its place lets the rest of the statement be checked.
                let word = Token::make_word(text, Some('`'));
                Some(TokenWithSpan { token: word, span: token.span })
            }
            _ => Some(token),
        }
    }

    /// Ends a statement.
    pub(super) fn close(&mut self, tokens: Vec<TokenWithSpan>, index: &LineIndex<'_>) {
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return };
        let span = index.span(first.span).to(index.span(last.span));
        match longest_run(&tokens) {
            Some(place) => {
                let message = "the statement has too many terms in one expression";
                let help = "split it with views or sub-queries";
                let place = index.span(place.span);
                self.diagnostics
                    .push(Diagnostic::new(codes::TOO_DEEP, place, message).with_help(help));
            }
            None => self.chunks.push(Chunk { tokens, span }),
        }
    }
}

/// The token at which a list item becomes too long, if one does.
fn longest_run(tokens: &[TokenWithSpan]) -> Option<&TokenWithSpan> {
    let mut runs = vec![0_usize];
    for (count, token) in tokens.iter().enumerate() {
        match &token.token {
            Token::LParen | Token::LBracket => runs.push(0),
            Token::RParen | Token::RBracket if runs.len() > 1 => {
                runs.pop();
            }
            Token::Comma => {
                if let Some(run) = runs.last_mut() {
                    *run = 0;
                }
            }
            Token::Word(word) if word.keyword == Keyword::SELECT => {
                if let Some(run) = runs.last_mut() {
                    // A chain of UNIONs nests to the left as well.
                    *run += 1;
                }
            }
            _ => {}
        }
        let run = runs.last_mut()?;
        *run += 1;
        if *run > RUN_TOKENS_MAX || count >= STATEMENT_TOKENS_MAX {
            return Some(token);
        }
    }
    None
}

/// What the tokenizer objects to at a byte, in our words; `comment` is where a comment
/// that does not end begins.
pub(super) fn token_error(
    index: &LineIndex<'_>,
    error: &sqlparser::tokenizer::TokenizerError,
    at: usize,
    comment: usize,
) -> Diagnostic {
    let span = Span::new(at, index.token_end(at));
    let found = error.message.as_str();
    if found.starts_with("Unterminated string literal") {
        return Diagnostic::new(codes::TOKEN, span, "the text in quotes does not end")
            .with_help("close it with '; a quote inside a text is doubled: ''");
    }
    if found.contains("multi-line comment") {
        let span = Span::new(comment, index.token_end(comment).max(comment + 2));
        return Diagnostic::new(codes::TOKEN, span, "the comment does not end")
            .with_help("close it with */");
    }
    if found.contains("close delimiter '`'") {
        return Diagnostic::new(codes::TOKEN, span, "the name in backticks does not end")
            .with_help("close it with `");
    }
    Diagnostic::new(codes::TOKEN, span, found.to_owned())
}
