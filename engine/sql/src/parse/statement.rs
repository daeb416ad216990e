//! The kinds of statement, and which one a list of tokens is.

use super::ddl::{self, CreateTable, OptionSyntax, single_name, word};
use super::dialect::FlinkDialect;
use super::error::{diagnostic, raise};
use super::lexer::Chunk;
use crate::codes;
use crate::nearest::nearest;
use crate::text::LineIndex;
use anabranch_engine::diagnostic::{Diagnostic, Span};
use sqlparser::ast::{Ident, Query};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span as TokenSpan, Token, TokenWithSpan, Tokenizer};

/// How deep expressions and queries may nest.
const RECURSION_MAX: usize = 50;

/// A statement as it stands in the text.
#[derive(Clone, Debug)]
pub(crate) enum Parsed {
    CreateTable(Box<CreateTable>),
    CreateView(Box<CreateView>),
    Describe(Ident),
    /// `END` of a statement set.
    EndSet,
    Explain(Box<Parsed>),
    Insert(Box<Insert>),
    Query(Box<Query>),
    Reset(Option<(String, TokenSpan)>),
    Set {
        key: (String, TokenSpan),
        value: (String, TokenSpan),
    },
    ShowFunctions,
    ShowTables,
    ShowViews,
}

/// `CREATE [TEMPORARY] VIEW [IF NOT EXISTS] name [(columns)] AS query`.
#[derive(Clone, Debug)]
pub(crate) struct CreateView {
    pub(crate) name: Ident,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<Ident>,
    pub(crate) query: Query,
}

/// `INSERT INTO name [(columns)] query`.
#[derive(Clone, Debug)]
pub(crate) struct Insert {
    pub(crate) table: Ident,
    pub(crate) columns: Vec<Ident>,
    pub(crate) query: Query,
}

/// What the tokens of one statement came to.
#[derive(Debug)]
pub(crate) struct ParsedChunk {
    /// Whether `EXECUTE STATEMENT SET BEGIN` stood before it.
    pub(crate) begins_set: bool,
    /// The statement; `None` if nothing followed the beginning of a set.
    pub(crate) statement: Result<Option<Parsed>, Diagnostic>,
    /// The name that the statement would declare, so that statements that depend on
    /// a broken one can say so.
    pub(crate) declares: Option<String>,
}

/// Parses one statement.
pub(crate) fn parse_chunk(chunk: &Chunk, index: &LineIndex<'_>) -> ParsedChunk {
    let (begins_set, tokens) = strip_set(&chunk.tokens);
    let mut parser = parser_of(tokens);
    let declares = declared_name(tokens);
    if tokens.is_empty() {
        return ParsedChunk { begins_set, statement: Ok(None), declares };
    }
    let statement = statement(&mut parser)
        .and_then(|parsed| end_of_statement(&mut parser).map(|()| Some(parsed)))
        .map_err(|error| explain_error(&error, tokens, chunk, index));
    ParsedChunk { begins_set, statement, declares }
}

/// Parses `OPTIONS('k' = 'v', …)`, the text of a hint; the places are the hint's own.
pub(crate) fn parse_options(text: &str) -> Option<Vec<OptionSyntax>> {
    let tokens = Tokenizer::new(&FlinkDialect, text).tokenize_with_location().ok()?;
    let mut parser = parser_of(&tokens);
    if !word(&mut parser, "OPTIONS") {
        return None;
    }
    let options = ddl::options(&mut parser).ok()?;
    (parser.peek_token_ref().token == Token::EOF).then_some(options)
}

/// Parses a query that stands by itself.
pub(super) fn parse_query(chunk: &Chunk, index: &LineIndex<'_>) -> Result<Box<Query>, Diagnostic> {
    let mut parser = parser_of(&chunk.tokens);
    let first = chunk.tokens.first();
    let begins = first.is_some_and(|token| token.token == Token::LParen)
        || ["SELECT", "VALUES", "WITH"].iter().any(|word| is_word(first, word));
    if let (false, Some(first)) = (begins, first) {
        let message = format!("an assert is a query, and this begins with {}", first.token);
        let help = "write SELECT …: the query must give no row";
        let span = index.span(first.span);
        return Err(Diagnostic::new(codes::ASSERT, span, message).with_help(help));
    }
    parser
        .parse_query()
        .and_then(|query| end_of_statement(&mut parser).map(|()| query))
        .map_err(|error| explain_error(&error, &chunk.tokens, chunk, index))
}

fn parser_of(tokens: &[TokenWithSpan]) -> Parser<'static> {
    Parser::new(&FlinkDialect)
        .with_recursion_limit(RECURSION_MAX)
        .with_tokens_with_locations(tokens.to_vec())
}

/// Takes `EXECUTE STATEMENT SET BEGIN` or `BEGIN STATEMENT SET ;` off the front.
fn strip_set(tokens: &[TokenWithSpan]) -> (bool, &[TokenWithSpan]) {
    let is = |at: usize, text: &str| is_word(tokens.get(at), text);
    if is(0, "EXECUTE") && is(1, "STATEMENT") && is(2, "SET") && is(3, "BEGIN") {
        return (true, tokens.get(4..).unwrap_or(&[]));
    }
    if is(0, "BEGIN") && is(1, "STATEMENT") && is(2, "SET") && tokens.len() == 3 {
        return (true, &[]);
    }
    (false, tokens)
}

fn is_word(token: Option<&TokenWithSpan>, text: &str) -> bool {
    match token.map(|token| &token.token) {
        Some(Token::Word(word)) => {
            word.quote_style.is_none() && word.value.eq_ignore_ascii_case(text)
        }
        _ => false,
    }
}

/// The name in `CREATE … TABLE|VIEW [IF NOT EXISTS] name`.
fn declared_name(tokens: &[TokenWithSpan]) -> Option<String> {
    if !is_word(tokens.first(), "CREATE") {
        return None;
    }
    let kind = tokens
        .iter()
        .take(4)
        .position(|token| is_word(Some(token), "TABLE") || is_word(Some(token), "VIEW"))?;
    let mut at = kind + 1;
    if is_word(tokens.get(at), "IF") {
        at += 3;
    }
    match &tokens.get(at)?.token {
        Token::Word(word) => Some(word.value.clone()),
        _ => None,
    }
}

fn statement(parser: &mut Parser<'_>) -> Result<Parsed, ParserError> {
    let token = parser.peek_token();
    let start = match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.value.to_ascii_uppercase(),
        Token::LParen => "SELECT".to_owned(),
        _ => return parser.expected("a statement", token),
    };
    match start.as_str() {
        "SELECT" | "WITH" | "VALUES" => Ok(Parsed::Query(parser.parse_query()?)),
        "CREATE" => create(parser),
        "INSERT" => insert(parser),
        "SET" => set(parser),
        "RESET" => reset(parser),
        "EXPLAIN" => {
            parser.next_token();
            // `EXPLAIN PLAN FOR`, as Flink also writes it.
            if word(parser, "PLAN") {
                parser.expect_keyword_is(Keyword::FOR)?;
            }
            let inner = statement(parser)?;
            match inner {
                Parsed::Insert(_) | Parsed::Query(_) => Ok(Parsed::Explain(Box::new(inner))),
                _ => Err(raise(
                    codes::UNSUPPORTED,
                    token.span,
                    "EXPLAIN of this kind of statement",
                    "only INSERT and SELECT have a plan",
                )),
            }
        }
        "DESCRIBE" | "DESC" => {
            parser.next_token();
            Ok(Parsed::Describe(single_name(parser, "table")?))
        }
        "SHOW" => show(parser),
        "END" => {
            parser.next_token();
            Ok(Parsed::EndSet)
        }
        other => Err(unknown_statement(other, token.span)),
    }
}

fn unknown_statement(start: &str, span: TokenSpan) -> ParserError {
    let known =
        ["CREATE", "DESCRIBE", "EXECUTE", "EXPLAIN", "INSERT", "RESET", "SELECT", "SET", "SHOW"];
    let help = match start {
        "UPDATE" | "DELETE" | "MERGE" | "TRUNCATE" => {
            "a job only inserts: write INSERT INTO … SELECT".to_owned()
        }
        "DROP" | "ALTER" => "a job's file declares each table once: change its CREATE".to_owned(),
        "USE" => "there is only one catalog and one database: leave it out".to_owned(),
        "EXECUTE" | "BEGIN" => "write EXECUTE STATEMENT SET BEGIN … END;".to_owned(),
        "ADD" | "REMOVE" | "LOAD" | "UNLOAD" => "leave it out: nothing can be loaded".to_owned(),
        _ => match nearest(start, known) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("a statement begins with {}", known.join(", ")),
        },
    };
    let message = format!("the statement {start} is not supported");
    raise(codes::STATEMENT, span, &message, &help)
}

fn create(parser: &mut Parser<'_>) -> Result<Parsed, ParserError> {
    parser.next_token();
    let _temporary = parser.parse_keyword(Keyword::TEMPORARY);
    if parser.parse_keyword(Keyword::TABLE) {
        return Ok(Parsed::CreateTable(Box::new(ddl::create_table(parser)?)));
    }
    if parser.parse_keyword(Keyword::VIEW) {
        let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
        let name = single_name(parser, "view")?;
        let columns = column_list(parser)?;
        if parser.parse_keyword(Keyword::COMMENT) {
            parser.parse_literal_string()?;
        }
        parser.expect_keyword_is(Keyword::AS)?;
        let query = *parser.parse_query()?;
        return Ok(Parsed::CreateView(Box::new(CreateView {
            name,
            if_not_exists,
            columns,
            query,
        })));
    }
    let token = parser.peek_token();
    let what = token.token.to_string().to_ascii_uppercase();
    let message = format!("CREATE {what} is not supported");
    Err(raise(codes::STATEMENT, token.span, &message, "CREATE TABLE and CREATE VIEW are"))
}

/// `(a, b)`, if one stands here.
fn column_list(parser: &mut Parser<'_>) -> Result<Vec<Ident>, ParserError> {
    let [paren, inside, ..] = parser.peek_tokens::<2>();
    let query = matches!(&inside, Token::Word(w) if w.quote_style.is_none()
        && matches!(w.keyword, Keyword::SELECT | Keyword::WITH | Keyword::VALUES));
    if paren != Token::LParen || query || inside == Token::LParen {
        return Ok(Vec::new());
    }
    parser.expect_token(&Token::LParen)?;
    let columns = parser.parse_comma_separated(Parser::parse_identifier)?;
    parser.expect_token(&Token::RParen)?;
    Ok(columns)
}

fn insert(parser: &mut Parser<'_>) -> Result<Parsed, ParserError> {
    let start = parser.next_token().span;
    if word(parser, "OVERWRITE") {
        let help = "a stream appends: write INSERT INTO";
        return Err(raise(codes::UNSUPPORTED, start, "INSERT OVERWRITE is not supported", help));
    }
    parser.expect_keyword_is(Keyword::INTO)?;
    let table = single_name(parser, "table")?;
    if parser.peek_keyword(Keyword::PARTITION) {
        let span = parser.peek_token_ref().span;
        let help = "leave it out and SELECT the value as a column";
        return Err(raise(codes::UNSUPPORTED, span, "PARTITION (…) is not supported", help));
    }
    let columns = column_list(parser)?;
    let query = *parser.parse_query()?;
    Ok(Parsed::Insert(Box::new(Insert { table, columns, query })))
}

fn set(parser: &mut Parser<'_>) -> Result<Parsed, ParserError> {
    parser.next_token();
    let key = option_key(parser)?;
    parser.expect_token(&Token::Eq)?;
    let value = ddl::quoted(parser, "the option's value")?;
    Ok(Parsed::Set { key, value })
}

fn reset(parser: &mut Parser<'_>) -> Result<Parsed, ParserError> {
    parser.next_token();
    if parser.peek_token_ref().token == Token::EOF {
        return Ok(Parsed::Reset(None));
    }
    Ok(Parsed::Reset(Some(option_key(parser)?)))
}

fn option_key(parser: &mut Parser<'_>) -> Result<(String, TokenSpan), ParserError> {
    let token = parser.peek_token();
    if let Token::Word(_) = token.token {
        let help = "write SET 'key' = 'value'";
        return Err(raise(codes::SYNTAX, token.span, "the option's name is not in quotes", help));
    }
    ddl::quoted(parser, "the option's name")
}

fn show(parser: &mut Parser<'_>) -> Result<Parsed, ParserError> {
    parser.next_token();
    let token = parser.peek_token();
    if word(parser, "TABLES") {
        return Ok(Parsed::ShowTables);
    }
    if word(parser, "VIEWS") {
        return Ok(Parsed::ShowViews);
    }
    if word(parser, "FUNCTIONS") {
        return Ok(Parsed::ShowFunctions);
    }
    let message = format!("SHOW {} is not supported", token.token.to_string().to_ascii_uppercase());
    let help = "SHOW TABLES, SHOW VIEWS and SHOW FUNCTIONS are";
    Err(raise(codes::STATEMENT, token.span, &message, help))
}

/// Nothing may follow a statement but its `;`.
fn end_of_statement(parser: &mut Parser<'_>) -> Result<(), ParserError> {
    let token = parser.peek_token();
    let Token::Word(next) = &token.token else {
        return match token.token {
            Token::EOF => Ok(()),
            _ => parser.expected("the end of the statement", token),
        };
    };
    let starts = matches!(
        next.keyword,
        Keyword::CREATE
            | Keyword::EXECUTE
            | Keyword::EXPLAIN
            | Keyword::INSERT
            | Keyword::SELECT
            | Keyword::SET
            | Keyword::END
    );
    let message = format!("unexpected `{}` after the statement", next.value);
    let help = if starts { "put a ; before it" } else { "" };
    Err(raise(codes::SYNTAX, token.span, &message, help))
}

/// The best account of an error: the parser goes back over sub-queries in FROM and
/// then complains about their opening parenthesis, so each sub-query is parsed alone,
/// the innermost first, and the first error found there is the one to show.
fn explain_error(
    error: &ParserError,
    tokens: &[TokenWithSpan],
    chunk: &Chunk,
    index: &LineIndex<'_>,
) -> Diagnostic {
    if let Some(token) = tokens.iter().find(|token| is_word(Some(token), "MATCH_RECOGNIZE")) {
        let span = index.span(token.span);
        return Diagnostic::new(codes::MATCH_RECOGNIZE, span, "MATCH_RECOGNIZE is not supported")
            .with_help("express the pattern with windows, or keep the job on Flink");
    }
    let end = Span { start: chunk.span.end, end: chunk.span.end };
    for (open, close) in parentheses(tokens) {
        let Some(inside) = tokens.get(open + 1..close) else { continue };
        if !is_word(inside.first(), "SELECT") && !is_word(inside.first(), "WITH") {
            continue;
        }
        let mut parser = parser_of(inside);
        let result = parser.parse_query().and_then(|_| end_of_statement(&mut parser));
        if let Err(inner) = result {
            let end = tokens.get(close).map_or(end, |token| index.span(token.span));
            return diagnostic(&inner, index, end);
        }
    }
    diagnostic(error, index, last_token(tokens, index))
}

/// Pairs of parentheses, the innermost first.
fn parentheses(tokens: &[TokenWithSpan]) -> Vec<(usize, usize)> {
    let mut open = Vec::new();
    let mut pairs = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.token {
            Token::LParen => open.push(at),
            Token::RParen => pairs.extend(open.pop().map(|start| (start, at))),
            _ => {}
        }
    }
    pairs
}

fn last_token(tokens: &[TokenWithSpan], index: &LineIndex<'_>) -> Span {
    tokens.last().map_or_else(Span::default, |token| index.span(token.span))
}
